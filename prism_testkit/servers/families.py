"""Which processes belong together, as the system tells it."""

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["family"]


def family(leader: int) -> set[int]:
    """Return ``leader`` and all that descend from it or share its session (a child may have begun a session of its own)."""
    processes = list(_linux() if platform.system() == "Linux" else _elsewhere())
    found = {leader}
    while more := {pid for pid, parent, session in processes if pid not in found and (parent in found or session == leader)}:
        found |= more
    return found


def _linux() -> Iterator[tuple[int, int, int]]:
    """Yield (pid, parent, session) of every process: proc_pid_stat(5), fields 1, 4 and 6."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            _, parent, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        yield int(entry.name), int(parent), int(session)


def _elsewhere() -> Iterator[tuple[int, int, int]]:
    """Yield the same from ps, which gives the process group in the place of the session."""
    shown = subprocess.run(["ps", "-axo", "pid=,ppid=,pgid="], capture_output=True, text=True, check=False).stdout
    for line in shown.splitlines():
        pid, parent, group = map(int, line.split())
        yield pid, parent, group
