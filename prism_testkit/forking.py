"""The process that forks the writers of kills: it has imported what every writer needs, which otherwise takes most of a kill.

Only what is the harness's own: a backend is imported by each writer anew, as its identity and its threads may begin there.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from prism_testkit.outcomes import HarnessError

__all__ = ["ForkServer", "Writer", "serve"]

_PIPE_BYTES = 4096
"""A writer that is far ahead of us waits, so that the kill comes in the middle of its steps (where the system allows it)."""


class Writer:
    """A process that reads its order from ``orders`` and says on ``said`` what it did."""

    def __init__(self, process: "subprocess.Popen[bytes] | ForkServer", orders: IO[bytes], said: IO[bytes]) -> None:
        self._process = process
        self.orders = orders
        self.said = said
        self._ended = False

    def kill(self) -> None:
        """Send SIGKILL, and wait until it is gone. A repeat does nothing."""
        if self._ended:
            return
        self._ended = True
        if isinstance(self._process, ForkServer):
            self._process.kill_writer()
        else:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Kill it, and close its pipes."""
        self.kill()
        with contextlib.suppress(BrokenPipeError):
            self.orders.close()
        self.said.close()


class ForkServer:
    """Starts writers, one at a time: `start` is not called again before the last one was killed. ``directory`` is any that stays;
    what ``name`` writes to standard error is there.

    Where there is no ``fork`` that can be trusted (it is not safe in macOS's own libraries) each is a new interpreter.
    """

    def __init__(self, directory: Path, name: str = "writers") -> None:
        self._directory, self._log = directory, directory / f"{name}.stderr"
        self._process: subprocess.Popen[bytes] | None = None
        self._asking: socket.socket | None = None

    def start(self, directory: Path, log: Path) -> Writer:
        """Start a writer in ``directory``; what it writes to standard error goes to ``log``."""
        if not sys.platform.startswith("linux"):
            return _started(directory, log)
        ends = [*os.pipe(), *os.pipe()]
        order_out, order_in, said_out, said_in = ends
        try:
            _narrow(order_out, said_out)
            with log.open("wb") as errors:
                self._ask(directory, [order_out, said_in, errors.fileno()])
            ends = [order_out, said_in]
            return Writer(self, os.fdopen(order_in, "wb"), os.fdopen(said_out, "rb"))
        finally:
            for end in ends:
                os.close(end)

    def _ask(self, directory: Path, descriptors: Sequence[int]) -> None:
        asking = self._begun()
        try:
            socket.send_fds(asking, [os.fsencode(directory)], descriptors)
            answer = asking.recv(1)
        except OSError:
            answer = b""
        except BaseException:  # a signal may come in between: nobody knows then what it answers next
            self.close()
            raise
        if not answer:
            self.close()
            lines = self._log.read_text(errors="replace").strip().splitlines()
            raise HarnessError(f"the process that forks writers has ended: {' | '.join(lines[-5:]) or 'it said nothing'}")

    def kill_writer(self) -> None:
        """Kill the writer that was started last. It is ours to wait for only through its parent."""
        if self._asking is None:
            return  # the server is closed, which ends its writer
        try:
            self._asking.send(b"k")
            self._asking.recv(1)
        except BaseException:
            self.close()
            raise

    def _begun(self) -> socket.socket:
        if self._asking is None:
            self._asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, self._log.open("wb") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "prism_testkit._child", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    cwd=self._directory,
                    pass_fds=[theirs.fileno()],
                )
        return self._asking

    def close(self) -> None:
        """End the process, and with it a writer that still lives. A repeat does nothing."""
        asking, self._asking = self._asking, None
        process, self._process = self._process, None
        if asking is not None:
            asking.close()
        if process is not None:
            process.wait()


def _narrow(*pipes: int) -> None:
    if sys.platform == "linux":
        import fcntl

        for pipe in pipes:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _started(directory: Path, log: Path) -> Writer:
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "prism_testkit._child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=directory,
            pipesize=_PIPE_BYTES,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    return Writer(process, process.stdin, process.stdout)


def serve(descriptor: int) -> None:
    """Fork a writer whenever one is asked for, and return in it. The parent never returns; it exits when nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides what an interruption ends
    asked = socket.socket(fileno=descriptor)
    while True:
        directory, descriptors, _, _ = socket.recv_fds(asked, 4096, 3)
        if not directory:
            sys.exit()
        writer = os.fork()
        if not writer:
            asked.close()
            _take_over(descriptors, os.fsdecode(directory))
            return
        for each in descriptors:
            os.close(each)
        with contextlib.suppress(OSError):
            asked.send(b"f")
            asked.recv(1)  # it is to be killed, or nobody asks any more
        # Waited for only now, so that its number is its own until it is killed.
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        with contextlib.suppress(OSError):
            asked.send(b"k")


def _take_over(descriptors: Sequence[int], directory: str) -> None:
    """Be a process as if it had been started with these as its standard input, output and error, in this directory."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, each in enumerate(descriptors):
        os.dup2(each, number)
        os.close(each)
    os.chdir(directory)
