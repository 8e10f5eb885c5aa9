"""The status line lives on terminals only, never wraps, and leaves nothing behind. All of it on a real pseudo-terminal."""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from terminals import Terminal

from prism_testkit.reports.progress import Progress, progress_wanted

LIVE = {"TERM": "xterm"}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def progress(terminal: Terminal) -> Iterator[Progress]:
    made = Progress(terminal.stream, 120, now=lambda: 0.0)
    yield made
    made.close()


@pytest.fixture
def redrawn(terminal: Terminal, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function that waits until the line was, or would have been, drawn, and then reads the terminal."""
    passes = threading.Semaphore(0)
    original = progress._closing.wait

    def wait(timeout_s: float) -> bool:
        passes.release()
        return original(timeout_s)

    monkeypatch.setattr(progress._closing, "wait", wait)

    def two_more() -> None:
        while passes.acquire(blocking=False):
            continue
        for _ in range(2):
            assert passes.acquire(timeout=300)
        terminal.settle()

    return two_more


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        (LIVE, True),
        (LIVE | {"CI": ""}, True),
        (LIVE | {"CI": "false"}, True),
        (LIVE | {"CI": "true"}, False),
        (LIVE | {"CI": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, False),
        ({}, False),
    ],
)
def test_only_a_live_terminal_has_a_line(environ: dict[str, str], wanted: bool) -> None:
    assert progress_wanted(Tty(), environ) is wanted
    assert progress_wanted(io.StringIO(), environ) is False


def test_the_line_shows_how_far_the_run_is(terminal: Terminal, progress: Progress) -> None:
    progress.update(7, 0, "valkey")
    terminal.wait_for(lambda: bool(terminal.lines))
    assert terminal.lines == ["7/120  0:00  valkey"]
    progress.update(8, 2)
    terminal.wait_for(lambda: terminal.lines == ["8/120  2 failed  0:00"])


def test_an_id_is_shown_by_file_check_and_binding(terminal: Terminal, progress: Progress) -> None:
    progress.update(1, 0, "prism_suites/interfaces/keyvalue_ttl.py::plain_set_clears_ttl[a/b]")
    terminal.wait_for(lambda: terminal.lines == ["1/120  0:00  keyvalue_ttl::plain_set_clears_ttl[a/b]"])
    progress.update(1, 0, f"prism_suites/interfaces/keyvalue_ttl.py::{'x' * 90}[valkey]")
    long = f"1/120  0:00  keyvalue_ttl::{'x' * 28}..{'x' * 14}[valkey]"
    terminal.wait_for(lambda: terminal.lines == [long])


def test_the_latest_update_is_shown_in_the_end(terminal: Terminal, progress: Progress) -> None:
    for number in range(1_000):
        progress.update(number, 0, f"check{number}")
    terminal.wait_for(lambda: terminal.lines == ["999/120  0:00  check999"])


def test_time_goes_on_without_updates(terminal: Terminal) -> None:
    seconds = iter([0.0] + [n * 61.0 for n in range(100_000)])
    progress = Progress(terminal.stream, 1, now=lambda: next(seconds))
    progress.update(0, 0, "hangs")
    terminal.wait_for(lambda: b"3:03  hangs" in terminal.received)  # it may be over when we come to look
    progress.close()


def test_nothing_is_drawn_when_nothing_changed(terminal: Terminal, progress: Progress, redrawn: Callable[[], None]) -> None:
    progress.update(1, 0, "a")
    redrawn()
    redrawn()
    assert terminal.received.count(b"1/120") == 1


@pytest.mark.parametrize("current", ["x" * 500, "\u6f22\U0001f600" * 100, "a\nb\r\x1b[H" * 50, "x" * 65])
def test_no_line_ever_wraps(terminal: Terminal, progress: Progress, current: str) -> None:
    progress.update(1, 1, current)
    terminal.wait_for(lambda: bool(terminal.lines))
    progress.clear()
    terminal.settle()
    assert terminal.lines == []
    assert terminal.cursor == (0, 0)
    drawn = [shot for shot in terminal.shots if shot]
    assert drawn
    assert all(len(shot) == 1 and len(shot[0]) <= 79 for shot in drawn)


@pytest.mark.parametrize("columns", [4, 12, 17, 25])
def test_a_narrow_terminal_is_not_overrun(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    terminal = Terminal(columns)
    progress = Progress(terminal.stream, 120, now=lambda: 0.0)
    progress.update(119, 3, "keyvalue_ttl::plain_set_clears_ttl[valkey]")
    terminal.wait_for(lambda: bool(terminal.lines))
    shown = terminal.lines
    progress.close()
    terminal.settle()
    assert terminal.lines == []
    terminal.close()
    assert len(shown) == 1
    assert shown[0].startswith("119/120  3 failed  0:00"[: columns - 1].rstrip())


def test_a_cleared_line_stays_away_until_the_next_update(
    terminal: Terminal, progress: Progress, redrawn: Callable[[], None]
) -> None:
    progress.update(1, 0, "a")
    terminal.wait_for(lambda: bool(terminal.lines))
    progress.clear()
    progress.clear()
    terminal.stream.write("one\ntwo\n")
    terminal.stream.flush()
    redrawn()
    assert terminal.lines == ["one", "two"]
    progress.update(2, 0, "b")
    terminal.wait_for(lambda: terminal.lines == ["one", "two", "2/120  0:00  b"])


def test_a_closed_line_is_gone_for_good(terminal: Terminal, progress: Progress) -> None:
    progress.update(1, 0, "a")
    terminal.wait_for(lambda: bool(terminal.lines))
    progress.close()
    progress.close()
    progress.update(2, 0, "b")
    progress.clear()
    terminal.settle()
    assert terminal.lines == []
    assert not progress.enabled
    assert "prism-progress" not in {thread.name for thread in threading.enumerate()}


def test_a_guarded_stream_keeps_what_is_printed_above_the_line(terminal: Terminal, progress: Progress) -> None:
    out = progress.guard(terminal.stream)
    progress.update(1, 0, "a")
    for number in range(40):
        out.write(f"line {number}\n")
        terminal.wait_for(lambda number=number: terminal.lines[-2:] == [f"line {number}", "1/120  0:00  a"])
    progress.close()
    out.write("last\n")
    out.flush()
    terminal.wait_for(lambda: terminal.lines[-1:] == ["last"])
    assert terminal.scrolled == [*(f"line {number}" for number in range(40)), "last"]


@pytest.mark.parametrize("above", [0, 5, 22, 23, 40])
def test_a_line_not_yet_ended_goes_on_where_it_was(terminal: Terminal, progress: Progress, above: int) -> None:
    out = progress.guard(terminal.stream)
    out.write("above\n" * above + "\x1b[32mtest_a.py\x1b[0m \u6f22")
    for number in range(10):
        progress.update(number, 0, "a")
        terminal.wait_for(lambda number=number: terminal.lines[-1:] == [f"{number}/120  0:00  a"])
        out.write(".")
    out.write("\n")
    progress.close()
    terminal.settle()
    assert terminal.scrolled == ["above"] * above + ["test_a.py \u6f22" + "." * 10]
    assert terminal.cursor[1] == 0


def test_at_the_edge_of_the_terminal_nothing_is_lost(terminal: Terminal, progress: Progress, redrawn: Callable[[], None]) -> None:
    out = progress.guard(terminal.stream)
    progress.update(1, 0, "a")
    for width, line in ((79, ["1/120  0:00  a"]), (80, []), (81, ["1/120  0:00  a"])):
        full = ["." * 80, "."] if width == 81 else ["." * width]
        out.write("." * width)
        redrawn()
        assert terminal.lines[-len(full + line) :] == full + line
        out.write("!\n")
        redrawn()
        assert terminal.lines[-1] == "1/120  0:00  a"
    progress.close()
    terminal.settle()
    assert terminal.lines == ["." * 79 + "!", "." * 80, "!", "." * 80, ".!"]


def test_a_guarded_stream_is_otherwise_the_stream(terminal: Terminal, progress: Progress) -> None:
    out = progress.guard(terminal.stream)
    assert out.isatty()
    assert out.fileno() == terminal.stream.fileno()
    assert out.encoding == "utf-8"


@pytest.mark.filterwarnings("error")
def test_a_terminal_that_goes_away_costs_the_line_not_the_run(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(terminal.stream, 1)
    gone = threading.Event()

    def hang_up(text: str) -> int:
        gone.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(progress._out, "write", hang_up)
    progress.update(1, 0, "a")
    assert gone.wait(300)
    progress.clear()
    progress.close()


def test_a_pipe_gets_nothing_and_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with (tmp_path / "out").open("w") as stream:
        progress = Progress(stream, 5)
        assert not progress.enabled
        assert progress.guard(stream) is stream
        progress.update(1, 0, "a")
        assert "prism-progress" not in {thread.name for thread in threading.enumerate()}
        progress.clear()
        progress.close()
    assert (tmp_path / "out").read_bytes() == b""


PLUGIN = """
import sys
import pytest
from prism_testkit.reports.progress import Progress
from prism_testkit.reports.terminal import write_summary
from prism_testkit.results import Report

class Live:
    def __init__(self, config):
        self.config, self.done = config, 0
        self.progress = Progress(sys.__stdout__, 0, now=lambda: 0.0)
        self.reporter = config.pluginmanager.get_plugin("terminalreporter")
        self.reporter._tw._file = self.progress.guard(self.reporter._tw._file)
    def pytest_collection_finish(self, session):
        self.progress.total = len(session.items)
    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids):
        self.progress.total = len(ids)
    def pytest_runtest_logstart(self, nodeid):
        self.progress.update(self.done, 0, nodeid)
    def pytest_runtest_logreport(self, report):
        self.done += report.when == "call"
    def pytest_sessionfinish(self):
        self.progress.close()
    def pytest_terminal_summary(self, terminalreporter):
        write_summary(terminalreporter, Report())

def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Live(session.config))
"""

TESTS = """
import pathlib, pytest, time

def seen(number):
    deadline = time.monotonic() + 300
    while not pathlib.Path(f"seen{number}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)

@pytest.mark.parametrize("number", range(4))
def test_waits(number):
    print("printed, and captured")
    seen(number)
    assert number != 2
"""


@pytest.mark.parametrize("options", [[], ["-v"], ["-p", "xdist", "-n", "1"]], ids=["plain", "verbose", "xdist"])
def test_it_lives_beside_pytest_s_own_output(terminal: Terminal, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_a.py").write_text(TESTS)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COLUMNS", "LINES"))}
    command = [sys.executable, "-m", "pytest", "--rootdir=.", "-p", "no:cacheprovider", *options]
    child = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=terminal.slave,
        stderr=terminal.slave,
        env=environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    try:
        for number in range(4):
            line = f"{number}/4  0:00  test_a::test_waits[{number}]"
            terminal.wait_for(lambda line=line: terminal.lines[-1:] == [line])
            (tmp_path / f"seen{number}").touch()
        assert child.wait(300) == 1
    finally:
        child.kill()
        child.wait()
    terminal.settle()
    whole = "\n".join(terminal.scrolled)
    assert "/4  0:00" not in whole
    assert "1 failed, 3 passed" in terminal.lines[-1]
    assert re.search(r"\n=+ prism =+\nno check ran; level unknown, seed 0\n", whole)
    for shot in terminal.shots:
        assert sum(line.count("/4  0:00") for line in shot) <= 1
    assert _own(whole) == _own(_without_a_line(command, tmp_path, environ))


def _without_a_line(command: list[str], directory: Path, environ: dict[str, str]) -> str:
    quiet = environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TERM": "dumb", "COLUMNS": "80"}
    found = Terminal()
    child = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=found.slave, stderr=found.slave, env=quiet)
    try:
        while child.poll() is None:
            found.read(0.05)
        found.settle()
        return "\n".join(found.scrolled)
    finally:
        child.kill()
        child.wait()
        found.close()


def _own(output: str) -> Any:
    return re.sub(r"in [0-9.]+s ", "in 0s ", output).replace("=", "")
