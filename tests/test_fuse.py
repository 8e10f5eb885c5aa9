"""Where in a call a writing process dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from prism_testkit.fuse import Fuse

PROGRAM = """
import sys, time
from pathlib import Path
from prism_testkit.fuse import Fuse

fuse = Fuse(2, 5, float(sys.argv[1]))
log = Path("log").open("ab", buffering=0)
for number in range(20):
    fuse.before(number)
    for part in range({parts}):
        log.write(b"%d.%d " % (number, part))
    if not {parts}:
        time.sleep(0.05 if number < 5 else 300)
    fuse.after(number)
    print(number, flush=True)
time.sleep(300)
"""
"""The call in which it dies lasts as long as it must, for the earlier one may have taken longer than it should."""


def died(folder: Path, parts: str, part: float) -> tuple[int, list[str], list[str]]:
    """Return how the process ended, what it said, and what it wrote."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", PROGRAM.format(parts=parts), str(part)]
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.split(), (folder / "log").read_text().split()


@pytest.mark.parametrize(("part", "last"), [(0.01, 0), (0.3, 0), (0.5, 1), (0.7, 2), (0.99, 2)])
def test_it_dies_between_two_writes_of_a_call(tmp_path: Path, part: float, last: int) -> None:
    code, said, written = died(tmp_path, "4", part)
    assert (code, said[-1], written[-1]) == (-9, "4", f"5.{last}")


def test_a_call_that_writes_less_often_returns_and_the_next_one_goes_on(tmp_path: Path) -> None:
    code, said, written = died(tmp_path, "(1 if number in (5, 6) else 4)", 0.7)
    assert (code, said[-1], written[-1]) == (-9, "6", "7.0")


def test_without_writes_it_dies_at_a_part_of_the_time(tmp_path: Path) -> None:
    code, said, _ = died(tmp_path, "0", 0.5)
    assert (code, said[-1]) == (-14, "4")


def test_it_is_that_part_of_the_time_of_the_earlier_call(monkeypatch: pytest.MonkeyPatch) -> None:
    now, timers = iter((100.0, 108.0)), []
    monkeypatch.setattr("prism_testkit.fuse.time", SimpleNamespace(perf_counter=lambda: next(now)))
    monkeypatch.setattr("signal.signal", lambda number, action: timers.append((number, action)))
    monkeypatch.setattr("signal.setitimer", lambda which, seconds: timers.append((which, seconds)))
    fuse = Fuse(2, 5, 0.25)
    for number in range(6):
        fuse.before(number)
        fuse.after(number)
    assert timers == [(signal.SIGALRM, signal.SIG_DFL), (signal.ITIMER_REAL, 2.0)]


def test_one_write_a_call_is_no_boundary(tmp_path: Path) -> None:
    code, _, _ = died(tmp_path, "1", 0.0)
    assert code == -14
