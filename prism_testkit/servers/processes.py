"""Processes: started so that they die with us, told apart from later ones of the same number, and ended with their children."""

import functools
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prism_testkit.accounts import Account
from prism_testkit.servers.families import family

__all__ = ["Identity", "holds_within", "identify", "is_running", "kill_group", "spawn", "wait_for"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one that got its number. ``started`` is compared, never read."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process; None if there is none, or only its unreaped remains."""
    started = _started_linux(pid) if platform.system() == "Linux" else _started_elsewhere(pid)
    return Identity(pid, started) if started else None


def is_running(process: Identity) -> bool:
    return identify(process.pid) == process


def _started_linux(pid: int) -> str:
    # proc(5): after the last ")", field 3 is the state and field 22 the start, in ticks since boot.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _started_elsewhere(pid: int) -> str:
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    state, _, started = shown.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


# Not a preexec_fn: Python code between fork and exec can deadlock when there are threads, and newer Pythons warn about it. Nor
# Popen's own ``user``: the Python that runs this may lie where that user cannot go. The user comes first, because a change of it
# clears the signal: prctl(2). What is imported later than that (execvp does: warnings) may be out of reach too.
_BECOME = """
import ctypes, os, signal, sys, warnings
parent, uid, gid = map(int, sys.argv[1:4])
try:
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if parent:
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that asked for this server is gone")
    os.execvp(sys.argv[4], sys.argv[4:])
except OSError as error:
    sys.exit(f"cannot run {sys.argv[4]}" + (f" as user {uid}" if uid else "") + f": {error.strerror}")
"""


def spawn(
    argv: Sequence[str],
    *,
    directory: Path,
    output: Path,
    env: Mapping[str, str],
    outlive: bool = False,
    account: Account | None = None,
) -> "subprocess.Popen[bytes]":
    """Start ``argv`` in ``directory``, in a session of its own, its output appended to ``output``, as ``account`` if there is one.

    On Linux the kernel kills it when this process dies, unless it shall ``outlive`` it. Raise ``OSError`` if it cannot be run.
    """
    tied = not outlive and platform.system() == "Linux" and bool(sys.executable)
    become = [os.getpid() if tied else 0, account.uid if account else 0, account.gid if account else 0]
    wrapper = [sys.executable, "-I", "-S", "-c", _BECOME, *map(str, become)] if tied or account else []

    def fork() -> "subprocess.Popen[bytes]":
        with output.open("ab") as sink:
            return subprocess.Popen(
                [*wrapper, *argv],
                cwd=directory,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    if not tied or threading.current_thread() is threading.main_thread():
        return fork()
    return _forker().submit(fork).result()


@functools.cache
def _forker() -> ThreadPoolExecutor:
    # prctl(2): the "parent" whose death counts is the thread that forked, so it must be one that lasts as long as we do.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="prism-servers")


def kill_group(process: "subprocess.Popen[bytes] | Identity") -> list[Identity]:
    """Send SIGKILL to a process that `spawn` started and to all that descend from it; nothing if it is gone.

    Return those that were in sessions of their own, for who must know that nobody is left: they end a moment later. A child that
    was not waited for keeps its number, so the number cannot be somebody else's.
    """
    here = is_running(process) if isinstance(process, Identity) else process.returncode is None
    if not here:
        return []
    try:
        os.killpg(process.pid, signal.SIGSTOP)  # or it could start another while we look
        others = [found for pid in family(process.pid) - {process.pid} if (found := identify(pid)) is not None]
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return []  # it went in between
    for other in others:
        if is_running(other):
            with suppress(ProcessLookupError):
                os.kill(other.pid, signal.SIGKILL)
    return others


def wait_for(processes: Collection[Identity], within_s: float = 10.0) -> None:
    """Return when none of them runs any more: what they would write comes back otherwise. Given up after ``within_s``."""
    holds_within(lambda: not any(map(is_running, processes)), within_s)


def holds_within(condition: Callable[[], bool], within_s: float) -> bool:
    """Return True as soon as a condition holds that the system does not tell of by itself; False after ``within_s``."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
