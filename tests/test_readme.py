"""What the README says is true: its code runs as it stands, and a defect planted in it is found and repeated."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def _block(first_line: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    return next(block for block in blocks if block.startswith(first_line))


BACKEND = _block("# conftest.py")


def _run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio", *args)


def test_the_readmes_backend_passes_every_suite_that_fits(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(BACKEND)
    result = _run(pytester, "--prism-backend=mine", "--prism-json=r.json")
    assert result.ret == 0
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    assert report["complete"]
    assert {r["outcome"] for r in report["results"]} <= {"passed", "inconclusive"}
    assert len(report["results"]) >= 20


def test_the_readmes_backend_is_about_thirty_lines() -> None:
    assert len([line for line in BACKEND.splitlines() if line.strip()]) <= 36


def test_the_readmes_own_check_runs(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(BACKEND)
    (pytester.path / "test_mine.py").write_text(_block("# test_mine.py"))
    result = _run(pytester, "--prism-backend=mine", "test_mine.py")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("right", "wrong", "promise"),
    [
        ("prism.check_payload(value,", "prism.check_payload(bytes(value)[:100],", "keyvalue_basic.1"),
        ("self.data[key] = prism", "self.data[key.casefold()] = prism", "keyvalue_basic.3"),
        ("return key in self.data", "return bool(self.data.get(key))", "keyvalue_basic.5"),
        ("return self.data.pop(key, None) is not None", "return self.data.pop(key, None) != b''", "keyvalue_basic.4"),
        ("client.setdefault(namespace, {})", "client.setdefault(namespace[:20], {})", "keyvalue_basic.9"),
        ("yield place.shared", "yield {}", "keyvalue_basic.8"),
    ],
    ids=["cut values", "folded names", "empty is absent", "delete lies", "shared namespaces", "private clients"],
)
def test_a_defect_planted_in_it_is_red_and_its_command_repeats_it(
    pytester: pytest.Pytester, right: str, wrong: str, promise: str
) -> None:
    assert right in BACKEND
    pytester.makeconftest(BACKEND.replace(right, wrong))
    result = _run(pytester, "--prism-backend=mine", "--prism-json=r.json", "--prism-level=smoke")
    assert result.ret == 1
    report = json.loads((pytester.path / "r.json").read_text())
    failure = next(r["failure"] for r in report["results"] if r["outcome"] == "failed")
    assert failure["message"]
    assert failure["steps"]
    repeated = _run(pytester, *shlex.split(failure["command"])[1:], "--prism-json=again.json")
    assert repeated.ret == 1
    again = json.loads((pytester.path / "again.json").read_text())
    assert [r["failure"]["message"] for r in again["results"]] == [failure["message"]]
    assert promise in {r["failure"]["promise"] for r in report["results"] if r["outcome"] == "failed"}
