"""A tool of a recipe's step: it does not outlive us, and is heard only if it fails."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from server_cases import gone, run, until

from prism_testkit.servers import tools
from prism_testkit.servers.tools import run_tool


def test_what_it_printed_is_returned_and_nothing_is_left(tmp_path: Path) -> None:
    said = run_tool(tmp_path, ["sh", "-c", "echo $WORD; pwd; echo err >&2"], within_s=600, env={"WORD": "hello"})
    assert said.splitlines() == ["hello", str(tmp_path), "err"]
    assert not list(tmp_path.iterdir())


def test_one_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^sh ended with code 3: no luck$"):
        run_tool(tmp_path, ["/bin/sh", "-c", "echo no luck; exit 3"], within_s=600)


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="acme-builder"):
        run_tool(tmp_path, ["acme-builder"], within_s=600)


def test_one_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up when it has started what it starts, however long that took."""
    clock = SimpleNamespace(monotonic=lambda: 9.0 * (tmp_path / "up").exists(), sleep=time.sleep)
    monkeypatch.setattr(tools, "time", clock)
    with pytest.raises(OSError, match=r"^sh was not done within 0.5 s: \d+$") as caught:
        run_tool(tmp_path, ["sh", "-c", "sleep 1000 & echo $!; touch up; wait"], within_s=0.5)
    run(until(lambda: gone(int(str(caught.value).split()[-1]))))


def test_one_that_is_run_until_something_holds_is_then_asked_to_end(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit 7' TERM; touch up; while true; do sleep 0.05; done"
    assert run_tool(tmp_path, ["sh", "-c", script], within_s=600, until=(tmp_path / "up").exists) == "bye\n"


def test_one_that_ends_before_that_has_failed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^sh ended with code 0: too early$"):
        run_tool(tmp_path, ["sh", "-c", "echo too early"], within_s=600, until=lambda: False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_it_ends_with_us_even_by_sigkill(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from prism_testkit.servers.tools import run_tool;"
        f"run_tool(Path({str(tmp_path)!r}), ['sh', '-c', 'echo $$ > pid; mv pid number; exec sleep 1000'], within_s=1000)"
    )
    ours = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "number").exists():
        assert ours.poll() is None
    ours.kill()
    ours.wait()
    number = int((tmp_path / "number").read_text())
    while not gone(number):
        pass
