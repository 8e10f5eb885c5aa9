"""Whatever ends a run, nothing is left behind, and the report says what is missing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.servers.directories import directories_of
from prism_testkit.servers.processes import identify, is_running
from prism_testkit.servers.records import records

DEADLINE_S = 300.0
LOCKS = Path("/proc/locks")
BACKEND = """
import os, pathlib
HERE = pathlib.Path(__file__).parent

class Odd(Dict):
    async def get(self, key):
        if key == "block":
            (HERE / "reaching").write_text(str(os.getpid()))
            (HERE / "reaching").rename(HERE / "reached")
            time.sleep(1000)
        if key == "crash":
            os._exit(3)
        return await super().get(key)

BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Odd])]
"""
CHECKS = '''
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
async def one(kv: KeyValueBasic) -> None:
    """Passes."""
    assert await kv.get("a") is None

@prism.check("keyvalue_basic.1")
async def two(kv: KeyValueBasic) -> None:
    """Is where it ends."""
    assert await kv.get("KEY") is None

@prism.check("keyvalue_basic.1")
async def three(kv: KeyValueBasic) -> None:
    """Passes, if it is reached."""
    assert await kv.get("b") is None
'''


TELLS_ITS_DIRECTORY = """
def pytest_unconfigure(config):
    session = config.pluginmanager.get_plugin("prism-session")
    if session is not None and session.acceptance._directory is not None:
        with (HERE / "made").open("a") as file:
            file.write(f"{session.acceptance._directory}\\n")
"""


@pytest.fixture
def odd(folder: Any) -> Any:
    folder.backends(BACKEND)
    folder.checks(CHECKS.replace("KEY", "block"))
    return folder


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Running:
    """A run of pytest in a process group of its own, as a terminal starts one."""

    def __init__(self, folder: Any, *args: str) -> None:
        self.path: Path = folder.path
        argv = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", "--prism-json=report.json", *args]
        self._output = self.path / "output.txt"
        with self._output.open("w") as output:
            # Whoever runs us in the background may have us ignore SIGINT, and so would our children.
            self.process = subprocess.Popen(
                argv,
                cwd=self.path,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        _wait_for(lambda: (self.path / "reached").exists() or self.process.poll() is not None, "the check is never reached")
        assert self.process.poll() is None, self.output
        (record,) = (self.path / ".prism" / "runs").glob("*.json")
        self.directory = Path(json.loads(record.read_text())["directory"])
        self.servers = [record.process for record in records(self.path / ".prism") if record.process is not None]
        assert self.directory.is_dir()
        shown = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        (reaper,) = [line.split()[0] for line in shown.splitlines() if "prism-reaper" in line and str(self.directory) in line]
        found = identify(int(reaper))
        assert found is not None
        self.reaper = found

    def reaper_waits(self) -> bool:
        """Say whether the reaper has noticed the death and waits for others to end: for a lock that it is not given."""
        return any("->" in line and str(self.reaper.pid) in line.split() for line in LOCKS.read_text().splitlines())

    @property
    def output(self) -> str:
        return self._output.read_text()

    def end(self, number: int, *, group: bool) -> int:
        """Send a signal, and return how pytest ended."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        return self.process.wait(DEADLINE_S)

    def group_is_gone(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def stop(self) -> None:
        if not self.group_is_gone():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)


@pytest.fixture
def start(odd: Any) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def starter(*args: str) -> Running:
        started.append(Running(odd, *args))
        return started[-1]

    yield starter
    for running in started:
        running.stop()


def _nothing_is_left(running: Running) -> None:
    _wait_for(running.group_is_gone, "a process is left")
    _wait_for(lambda: not any(map(is_running, running.servers)), "a server is left")
    assert not running.directory.exists()
    assert not list((running.path / ".prism" / "runs").iterdir())
    assert not records(running.path / ".prism")


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_ctrl_c(odd: Any, start: Callable[..., Running], workers: tuple[str, ...]) -> None:
    running = start("--prism-backend=mine,valkey", "-k", "mine", *workers, "test_checks.py")
    assert running.servers
    # Under xdist another worker may reach the second check before the first one has come back.
    _wait_for(lambda: re.search(r"^(test_checks.py )?\.", running.output, re.MULTILINE) is not None, "no result comes")
    assert running.end(signal.SIGINT, group=True) == pytest.ExitCode.INTERRUPTED, running.output
    _nothing_is_left(running)
    report = odd.report()
    assert (report["complete"], report["exit_code"]) == (False, 2)
    finished = [result["id"] for result in report["results"]]
    assert {result["outcome"] for result in report["results"]} == {"passed"}
    assert "test_checks.py::two[mine]" in report["unfinished"]
    assert sorted(finished + report["unfinished"]) == [f"test_checks.py::{name}[mine]" for name in ("one", "three", "two")]
    assert "unfinished (" in running.output
    assert "Traceback" not in running.output


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_a_killed_run_leaves_a_report_and_nothing_else(odd: Any, start: Callable[..., Running], workers: tuple[str, ...]) -> None:
    running = start("--prism-backend=mine,valkey", "-k", "mine", *workers, "test_checks.py")
    assert running.end(signal.SIGKILL, group=True) == -signal.SIGKILL
    _wait_for(lambda: not is_running(running.reaper), "the reaper does not end")
    _nothing_is_left(running)
    report = odd.report()
    assert (report["complete"], report["exit_code"]) == (False, None)


def test_a_run_whose_project_was_removed_before_it_was_killed_leaves_nothing(odd: Any, start: Callable[..., Running]) -> None:
    """Nothing is on record any more."""
    running = start("--prism-backend=mine,valkey", "-k", "mine", "test_checks.py")
    left = directories_of(running.directory)
    assert len(left) == 1 + len(running.servers)
    shutil.rmtree(odd.path)
    assert running.end(signal.SIGKILL, group=True) == -signal.SIGKILL
    _wait_for(lambda: not is_running(running.reaper), "the reaper does not end")
    assert [path for path in left if path.exists()] == []


@pytest.mark.skipif(not LOCKS.exists(), reason="this system does not say who waits for a lock")
def test_a_reaper_waits_for_the_workers(odd: Any, start: Callable[..., Running]) -> None:
    """What they write in the meantime would stay."""
    running = start("--prism-backend=mine", "-n2", "test_checks.py")
    worker = int((running.path / "reached").read_text())
    os.kill(worker, signal.SIGSTOP)
    assert running.end(signal.SIGKILL, group=False) == -signal.SIGKILL
    _wait_for(lambda: running.reaper_waits() or not is_running(running.reaper), "the reaper does not notice the death")
    assert running.directory.exists()
    os.kill(worker, signal.SIGKILL)
    _wait_for(lambda: not is_running(running.reaper), "the reaper does not end")
    _nothing_is_left(running)


def test_without_a_reaper_the_next_run_cleans_up(odd: Any, start: Callable[..., Running]) -> None:
    running = start("--prism-backend=mine,valkey", "-k", "mine", "test_checks.py")
    os.kill(running.reaper.pid, signal.SIGKILL)
    assert running.end(signal.SIGKILL, group=False) == -signal.SIGKILL
    assert running.directory.exists()
    odd.checks(CHECKS.replace("KEY", "c"))
    result = odd.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["prism: removed the directory of the killed run *"])
    _nothing_is_left(running)
    assert "killed run" not in odd.run("--prism-backend=mine", "test_checks.py").stdout.str()


def test_a_process_that_is_ended_from_inside_says_where(odd: Any) -> None:
    odd.checks(CHECKS.replace("KEY", "crash"))
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "--prism-json=report.json",
        "--prism-backend=mine",
        "test_checks.py",
    ]
    ended = subprocess.run(argv, cwd=odd.path, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    where = "test_checks.py::two[mine]"
    assert f"prism: the process of this run ended in the middle of {where}: killed, crashed, or by os._exit\n" in ended.stderr
    assert odd.outcomes() == {"one[mine]": "passed"}
    assert where in odd.report()["unfinished"]
    _wait_for(lambda: not list((odd.path / ".prism" / "runs").iterdir()), "a record is left")


def test_a_crashed_worker_costs_one_cell(odd: Any) -> None:
    odd.checks(CHECKS.replace("KEY", "crash"))
    result = odd.run("--prism-backend=mine", "-n2", "test_checks.py")
    assert result.ret == 1
    report = odd.report()
    assert (report["complete"], report["unfinished"]) == (False, ["test_checks.py::two[mine]"])
    assert odd.outcomes() == {"one[mine]": "passed", "three[mine]": "passed"}
    result.stdout.fnmatch_lines(["*crashed while running*test_checks.py::two[[]mine]*", "unfinished (1)*", "*two[[]mine]"])
    assert not list((odd.path / ".prism" / "runs").iterdir())


def test_checks_that_only_workers_come_upon_leave_nothing(odd: Any) -> None:
    """Without an option of ours the controller does not know that there are any."""
    conftest = odd.path / "conftest.py"
    conftest.write_text(f"{conftest.read_text()}\n{TELLS_ITS_DIRECTORY}")
    odd.checks(CHECKS.replace("KEY", "c"))
    result = odd.run("-n2", "test_checks.py")
    assert result.ret == 0
    made = (odd.path / "made").read_text().splitlines()
    assert made
    assert not [directory for directory in made if Path(directory).exists()]


def test_exitfirst_says_what_was_not_run(odd: Any) -> None:
    odd.checks(CHECKS.replace('get("KEY") is None', 'get("c") == b"x"'))
    result = odd.run("--prism-backend=mine", "-x", "test_checks.py")
    assert result.ret == 1
    report = odd.report()
    assert (report["complete"], report["exit_code"]) == (False, 1)
    assert odd.outcomes() == {"one[mine]": "passed", "two[mine]": "failed"}
    assert report["unfinished"] == ["test_checks.py::three[mine]"]
