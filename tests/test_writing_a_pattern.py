"""What `docs/writing-a-pattern.md` shows runs as it stands, and its suite catches what is planted in its outbox."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "writing-a-pattern.md").read_text(encoding="utf-8")
FILES = {found[1]: found[0] for found in re.findall(r"```python\n(# (\w+\.py)\n.*?)```", PAGE, flags=re.DOTALL)}
SEND = "        await self._send(payload)\n"
MARKED = "            pass  # the same\n"


def _run(pytester: pytest.Pytester, changes: dict[str, str], *args: str) -> dict[str, Any]:
    for name, text in FILES.items():
        for right, wrong in changes.items():
            if name == "outbox.py":
                assert right in text
                text = text.replace(right, wrong, 1)
        (pytester.path / name).write_text(text, encoding="utf-8")
    return _again(pytester, "--prism-backend=memory", *args, "test_outbox.py")


def _again(pytester: pytest.Pytester, *args: str) -> dict[str, Any]:
    pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio", *args, "--prism-json=r.json")
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text(encoding="utf-8"))
    return report


def test_the_page_is_three_files() -> None:
    assert list(FILES) == ["outbox.py", "conftest.py", "test_outbox.py"]


def test_the_right_one_passes_on_every_binding(pytester: pytest.Pytester) -> None:
    report = _run(pytester, {})
    assert {r["outcome"] for r in report["results"]} == {"passed"}
    assert len(report["results"]) == 12
    assert not report["problems"]


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({SEND: "", MARKED: f"{MARKED}{SEND}"}, "OB3"),
        ({'self._transaction.get("tail")': 'self._transaction.get("nothing")'}, "OB1"),
        ({"if float(due_s) > self._clock.now_s():": "if False:"}, "OB4"),
        ({"if self.delay_s < 0:": "if self.delay_s < -1e10:"}, "OB5"),
    ],
    ids=["marked before it is sent", "events overwrite each other", "too early", "config is not checked"],
)
def test_a_planted_defect_is_caught_and_its_command_repeats_it(
    pytester: pytest.Pytester, changes: dict[str, str], promise: str
) -> None:
    failed = [r for r in _run(pytester, changes)["results"] if r["outcome"] == "failed"]
    assert promise in {r["failure"]["promise"] for r in failed}
    failure = next(r["failure"] for r in failed if r["failure"]["promise"] == promise)
    again = _again(pytester, *shlex.split(failure["command"])[1:])
    assert [r["failure"]["message"] for r in again["results"]] == [failure["message"]]
    if promise == "OB3":
        assert any("(injected error after the effect)" in step for step in failure["steps"]), failure["steps"]
