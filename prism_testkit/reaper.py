"""Cleans up at once after a run that is killed: SIGKILL leaves it no time to do so itself, and a next run may never come.

A shell waits at one end of a pipe, whose other end only the run holds. The run says there which check it is at, and when it has
cleaned up. If the pipe ends before that the run is dead: the shell says where it died, and becomes ``prism clean`` once the run's
workers have ended too. The shell is in a session of its own, so that what is sent to the run's process group does not reach it; it
is a shell because it idles in a megabyte. Where there is none, the next run cleans, as it does when the reaper was killed as well.
"""

import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

from prism_testkit.servers.directories import directories_of, remove_directory

__all__ = ["Reaper", "hold", "in_use"]

_SHELL = Path("/bin/sh")
_WAIT = """
while IFS= read -r said; do
    [ -n "$said" ] || exit 0
    at=$said
done
if [ -n "$at" ]; then
    echo "prism: the process of this run ended in the middle of $at: killed, crashed, or by os._exit" >&2
fi
exec "$@" 2>/dev/null
"""
_HELD = "held"


def hold(directory: Path) -> None:
    """Say that this process uses a run's directory, for as long as it lives: no child that is another program says so too."""
    if fcntl is not None:
        fcntl.flock(_opened(directory), fcntl.LOCK_SH)


def in_use(directory: Path) -> bool:
    """Say whether a process that still lives has said that it uses the directory."""
    if fcntl is None or not (directory / _HELD).exists():
        return False
    held = _opened(directory)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(held)
    return False


class Reaper:
    """Waits for the death of this process, to clean the project in ``root`` of what the run in ``directory`` leaves then.

    ``kept``: the run lets servers live on. A project that is removed meanwhile takes its records with it; then what carries the
    run's name is removed, but for servers that were to be kept.
    """

    def __init__(self, root: Path, directory: Path, *, kept: bool = False) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if _SHELL.exists():
            self._process = subprocess.Popen(
                [
                    *(str(_SHELL), "-c", _WAIT, "prism-reaper", sys.executable, "-m", "prism_testkit.reaper"),
                    *(str(root), str(directory), "kept" if kept else ""),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd=root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,
                bufsize=0,
            )

    def at(self, check: str) -> None:
        """Say which check this process is at: it is named on standard error if the process ends there."""
        self._say(check)

    def dismiss(self) -> None:
        """The run has cleaned up: the reaper ends. A repeat does nothing."""
        self._say("")
        process, self._process = self._process, None
        if process is not None:
            process.communicate()

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(f"{line}\n".encode())
            except BrokenPipeError:
                self._process.stdin.close()  # somebody killed it: nothing more is to be said
                self._process.stdin = None


def main(root: Path, directory: Path, *, kept: bool) -> None:
    """Wait until nobody uses the directory, then clean what killed runs left in the project in ``root``, the current folder."""
    from prism_testkit.cli import main as prism  # a run does not need it

    if directory.is_dir() and fcntl is not None:
        fcntl.flock(_opened(directory), fcntl.LOCK_EX)
    there = root.is_dir()
    if there:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            prism(["clean"])
    if directory.exists() or not there:  # nothing of this run is on record any more
        for left in [directory] if kept else directories_of(directory):
            remove_directory(left)


def _opened(directory: Path) -> int:
    return os.open(directory / _HELD, os.O_RDWR | os.O_CREAT, 0o600)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), kept=bool(sys.argv[3]))
