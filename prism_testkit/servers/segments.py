"""Shared memory of the System V kind, which outlives the process that made it when that is killed.

PostgreSQL keeps one of 56 bytes per data directory, by which a second server notices a first. It removes the segment when it
ends; after SIGKILL only a start over the same directory would, and of a directory that is removed nobody ever does.
"""

import ctypes
import os
from pathlib import Path

from prism_testkit.servers.processes import Identity, is_running

__all__ = ["remove_segments"]

_TABLE = Path("/proc/sysvipc/shm")
_IPC_RMID = 0
_ROUNDING_S = 2


def remove_segments(creator: Identity) -> None:
    """Remove the segments that a process made, which is gone, and to which nobody is attached. Elsewhere than on Linux: nothing."""
    if is_running(creator) or not _TABLE.exists():
        return
    began_s = _began_s(creator)
    for line in _TABLE.read_text().splitlines()[1:]:
        # sysvipc(5): key, shmid, perms, size, cpid, lpid, nattch, uid, gid, cuid, cgid, atime, dtime, ctime, ...
        fields = [int(field) for field in line.split()]
        # A segment that is older than the process is another's, who had the same number.
        if fields[4] == creator.pid and fields[6] == 0 and fields[13] >= began_s - _ROUNDING_S:
            ctypes.CDLL(None).shmctl(fields[1], _IPC_RMID, None)


def _began_s(process: Identity) -> float:
    """Return when a process began, in seconds since the epoch; never, if that was before this boot, which left no segment."""
    boot, _, ticks = process.started.rpartition("/")
    if boot != Path("/proc/sys/kernel/random/boot_id").read_text().strip():
        return float("inf")
    uptime_began_s = next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return uptime_began_s + int(ticks) / os.sysconf("SC_CLK_TCK")
