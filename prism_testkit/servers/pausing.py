"""Processes that are stopped for a while: they take what they are sent, and answer nothing, as if their machine were too busy."""

import os
import platform
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prism_testkit.servers.families import family
from prism_testkit.servers.processes import Identity, identify, is_running

__all__ = ["are_stopped", "members", "signal_all"]


def members(leader: Identity) -> tuple[Identity, ...]:
    """Return a process and all that belong to it, the leader first: it is who could make more of them. None if it is gone."""
    if not is_running(leader):
        return ()
    others = sorted(family(leader.pid) - {leader.pid})
    return (leader, *(found for pid in others if (found := identify(pid)) is not None))


def signal_all(processes: Iterable[Identity], number: signal.Signals) -> None:
    """Send a signal to each that still runs."""
    for process in processes:
        if is_running(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def are_stopped(processes: Iterable[Identity]) -> bool:
    """Say whether the system shows each that still runs as stopped."""
    return all(_state(process.pid) == "T" for process in processes if is_running(process))


def _state(pid: int) -> str:
    if platform.system() != "Linux":
        shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
        return shown.strip()[:1]
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "T"  # it went in between
