"""Processes that make calls as they are asked, and stand still in between: who holds what, while its machine sleeps.

Each is a client of its own in a process of its own, whose loop runs on between its calls, so that what its driver does by itself
(signs of life, say) goes on; until it is stopped (SIGSTOP), which no driver can notice, and all that it sees later is that time
has passed.
"""

import contextlib
import json
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.bindings import Candidate
from prism_testkit.forking import Writer
from prism_testkit.histories import History
from prism_testkit.killing import order
from prism_testkit.outcomes import HarnessError, Inconclusive
from prism_testkit.processes import PROCESS, heard, started_with
from prism_testkit.returned import Told
from prism_testkit.servers.pausing import are_stopped, signal_all
from prism_testkit.servers.processes import Identity, holds_within, identify
from prism_testkit.witness import encode
from prism_testkit.worker import Worker

__all__ = ["Player", "conducted"]

_HALTED = b"halted "
_LOOKS = 4
"""So often is looked whether a process has run, before it is said that it did not."""
_POLLING_S = 0.5
_STOPPED_S = 10.0
"""Until then the system shows a process as stopped, or this is no stop."""


class Player:
    """One of these processes."""

    def __init__(self, number: int, writer: Writer, process: Identity, history: History) -> None:
        self._number, self._writer, self._process, self._history = number, writer, process, history
        self._methods: list[str] = []
        self._event: Any = None
        self._halted: Any = None
        self._line = b""
        history.labels[PROCESS + number] = f"process {number + 1}"

    def call(self, method: str, *arguments: Any) -> Told:
        """Let it make a call, and return what it was told: a result or an error. The steps of `killing.Step` count from 0."""
        self.begin(method, *arguments)
        return self.end()

    def begin(self, method: str, *arguments: Any, point: int = 0) -> str | None:
        """Let it begin a call. With a ``point``, counted from 1, wait until it stands still there (see `halts`).

        Return what it called last; None without a point, or if the call ended before it.
        """
        self._methods.append(method)
        self._event = self._history.invoke(PROCESS + self._number, method, arguments, {})
        self._send(json.dumps([method, encode(arguments), point]))
        if not point:
            return None
        self._line = self._writer.said.readline()
        if not self._line.startswith(_HALTED):
            return None
        where, self._line = self._line.removeprefix(_HALTED).decode().strip(), b""
        self._halted = self._history.invoke(PROCESS + self._number, "stand_still", (f"behind {where}",), {})
        self._history.respond(self._halted, None)
        return where

    def settle(self, still_s: float) -> bool:
        """Wait until the call that it has begun is ended, or waits: nothing in it has run for so long. Say whether it is ended.

        Who waits by looking again and again is not waited for longer than half a second.
        """
        work, began_s = _work(self._process.pid), time.monotonic()
        since_s = began_s
        with selectors.DefaultSelector() as selector:  # `select.select` knows no descriptor from 1,024 on
            selector.register(self._writer.said, selectors.EVENT_READ)
            while not selector.select(still_s / _LOOKS):
                now = _work(self._process.pid)
                if time.monotonic() - began_s > _POLLING_S:
                    return False
                if now is None or now != work:
                    work, since_s = now, time.monotonic()
                elif time.monotonic() - since_s > still_s:
                    return False
        return True

    def end(self) -> Told:
        """Let a call that stands still go on; return what it was told when it has ended."""
        if self._halted is not None:
            self._halted = None
            self._send("")
        told = heard(self._number, self._line or self._writer.said.readline() or b"! it ended", self._methods)
        self._line = b""
        if told.error is not None:
            self._history.fail(self._event, told.error)
        else:
            self._history.respond(self._event, told.result)
        return told

    def _send(self, line: str) -> None:
        self._writer.orders.write(line.encode() + b"\n")
        self._writer.orders.flush()

    def stop(self) -> None:
        """Let all of it stand still (SIGSTOP) until `resume`; inconclusive if the system does not show it so."""
        event = self._history.invoke(PROCESS + self._number, "stand_still", (), {})
        signal_all([self._process], signal.SIGSTOP)
        if not holds_within(lambda: are_stopped([self._process]), _STOPPED_S):
            raise Inconclusive("the process was asked to stand still, and did not")
        self._history.respond(event, None)

    def resume(self) -> None:
        """Let it go on."""
        event = self._history.invoke(PROCESS + self._number, "go_on", (), {})
        signal_all([self._process], signal.SIGCONT)
        self._history.respond(event, None)

    def kill(self) -> None:
        """End it (SIGKILL), whatever it holds, and wait until it is gone; it makes no call any more."""
        event = self._history.invoke(PROCESS + self._number, "is_killed", (), {})
        self._writer.kill()
        self._history.respond(event, None)


def _work(pid: int) -> object:
    """Return what changes whenever a process has run; None while it runs, would if it had a processor, or waits for a disk."""
    if not sys.platform.startswith("linux"):
        return ()  # nobody knows: time alone decides
    done = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            if (task / "stat").read_text().rpartition(")")[2].split()[0] in "RD":
                return None
            done.append((task.name, (task / "schedstat").read_text()))
    return done


@contextlib.contextmanager
def conducted(
    worker: Worker, candidate: Candidate, place: Place, count: int, namespace: str, history: History
) -> Iterator[list[Player]]:
    """Start so many processes, each with a driver of ``namespace``; afterwards they are killed, whatever they hold."""
    with contextlib.ExitStack() as stack:
        asked = [{**order(worker, candidate, place, namespace, []), "manner": "conducted"} for _ in range(count)]
        players = []
        for number, (writer, pid) in enumerate(started_with(asked, stack, worker, place, candidate.backend.name)):
            process = identify(pid)
            if process is None:
                raise HarnessError(f"process {pid} for {candidate.backend.name} ended as soon as it was ready")
            players.append(Player(number, writer, process, history))
        yield players
