"""Shared memory that a killed server left is removed, and nobody else's."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from server_cases import RUN, run, shell, until

from prism_testkit.servers import start, sweep
from prism_testkit.servers.processes import Identity, identify
from prism_testkit.servers.segments import remove_segments

TABLE = Path("/proc/sysvipc/shm")
pytestmark = pytest.mark.skipif(not TABLE.exists(), reason="only Linux lists its segments in a file")

# Attached while it lives, as a server is.
MAKE = "import ctypes, time; l = ctypes.CDLL(None); s = l.shmget(0, 64, 0o1600); l.shmat(s, None, 0)"
WAIT = f"{MAKE}; print(s, flush=True); time.sleep(1000)"


def segments() -> set[int]:
    return {int(line.split()[1]) for line in TABLE.read_text().splitlines()[1:]}


@contextmanager
def maker() -> Iterator[tuple["subprocess.Popen[str]", Identity, int]]:
    with subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            segment = int(process.stdout.readline())
            found = identify(process.pid)
            assert found is not None
            yield process, found, segment
        finally:
            process.kill()
            process.wait()
            ctypes.CDLL(None).shmctl(segment, 0, None)


def test_what_a_dead_process_made_is_removed_and_nothing_else() -> None:
    with maker() as (process, found, segment), maker() as (_, _, other):
        remove_segments(found)
        assert segment in segments(), "it lives"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert segment in segments(), "nothing else removes it"
        remove_segments(Identity(found.pid, f"another-boot/{found.started.rpartition('/')[2]}"))
        later = f"{found.started.rpartition('/')[0]}/{int(found.started.rpartition('/')[2]) + 10_000_000}"
        remove_segments(Identity(found.pid, later))
        assert segment in segments(), "it is older than the process that is gone"
        remove_segments(found)
        assert segment not in segments()
        assert other in segments()


@pytest.mark.parametrize("ending", ["kill", "stop", "sweep"])
def test_a_server_that_was_killed_leaves_no_segment(tmp_path: Path, ending: str) -> None:
    server = shell(f"exec {sys.executable} -c \"{MAKE}; open('segment', 'w').write(str(s)); time.sleep(1000)\"")

    async def main() -> None:
        running = await start("acme", server, state=tmp_path, run_id=RUN)
        assert running.directory is not None
        assert running.pid is not None
        made = running.directory / "segment"
        await until(lambda: made.exists() and bool(made.read_text()))
        segment = int(made.read_text())
        assert segment in segments()
        if ending == "kill":
            await running.kill()
            assert segment not in segments()
        elif ending == "sweep":
            _die(tmp_path, running.pid)
            sweep(tmp_path)
            assert segment not in segments()
        await running.stop()
        assert segment not in segments()

    run(main())


def _die(state: Path, pid: int) -> None:
    """Let it be as if the run that owns the only server had been killed, and the server with it."""
    from prism_testkit.servers import records

    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for record in records(state):
        replace(record, owners=()).write(state)
