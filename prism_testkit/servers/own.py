"""A server process of ours, from its directory to its end."""

import asyncio
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prism_testkit.accounts import Account, hand_over, unprivileged
from prism_testkit.backend import Server
from prism_testkit.servers.directories import remove_directory
from prism_testkit.servers.masking import describe, mask
from prism_testkit.servers.pausing import are_stopped, members, signal_all
from prism_testkit.servers.ports import is_free, listens
from prism_testkit.servers.processes import Identity, identify, is_running, kill_group, spawn, wait_for
from prism_testkit.servers.records import Record, locked
from prism_testkit.servers.segments import remove_segments
from prism_testkit.servers.templates import copy_template
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["OwnServer", "PortTaken", "address", "data_directory"]

_STEP_S = 0.005
_LONGEST_STEP_S = 0.1
_GRACE_S = 10.0
"""How long a server may take to end by itself before it is killed."""
_STOPPED_S = 10.0
"""How long a process may take to stop: one that waits for a disk does that first."""
_TAIL_BYTES = 64 * 1024


class PortTaken(ServerUnavailable):
    """The server exited because somebody else listens on its port."""


class OwnServer:
    """One process, its directory and its record. Ports, directory and command stay the same over kills and restarts."""

    def __init__(self, server: Server, record: Record, state: Path, argv: Sequence[str] = ()) -> None:
        self.server = server
        self.record = record
        self.argv = argv
        self.url = address(server, record.ports)
        self._state = state
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The server's own folder. What it prints lies beside it, for some servers refuse a folder that is not empty."""
        return data_directory(self.record)

    @property
    def pid(self) -> int | None:
        return self.record.process.pid if self.record.process is not None else None

    def make_directory(self, template: Path | None) -> None:
        self.record.directory.mkdir(mode=0o700)
        copy_template(template, self.data)
        account = self._account
        if account is not None:
            hand_over(self.record.directory, account)

    async def launch(self, deadline_s: float) -> None:
        """Start the process and wait until it is usable; raise `ServerUnavailable`, `PortTaken` if that was the reason."""
        try:
            self._child = spawn(
                self.argv,
                directory=self.data,
                output=self._output,
                env=self.server.env,
                outlive=self.record.kept,
                account=self._account,
            )
        except OSError as error:
            raise self._unavailable(f"{self.argv[0]} cannot be run: {error.strerror}") from error
        # A process that ended at once leaves a record without one, which is true.
        self._change(process=identify(self._child.pid), fingerprint=self.record.fingerprint)
        await self._until_ready(time.monotonic() + deadline_s, deadline_s)

    async def relaunch(self, deadline_s: float) -> None:
        """Like `launch`; while somebody else has the port, wait for it, because it has to be the same."""
        deadline = time.monotonic() + deadline_s
        while True:
            try:
                return await self.launch(max(_STEP_S, deadline - time.monotonic()))
            except PortTaken:
                await _until(lambda: all(map(is_free, self.record.ports)), deadline - time.monotonic())
                if time.monotonic() >= deadline:
                    raise

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self.record.is_alive

    async def answers(self, deadline_s: float) -> bool:
        """Say whether the server is usable now."""
        try:
            async with asyncio.timeout(deadline_s):
                await self.server.ready(self.url)
        except Exception:
            return False
        return True

    async def kill(self) -> None:
        """Kill it, with all that it started, and wait until they are gone."""
        others = self._kill()
        await _until(lambda: not self.alive() and not any(map(is_running, others)))
        await self.resume()  # only the record is left to be told
        self._remove_segments()

    @property
    def pausable(self) -> bool:
        return True

    async def pause(self) -> None:
        """Stop it, with all that belongs to it, and wait until the system shows them as stopped; again, or gone: nothing."""
        while self.record.process is not None and (new := set(members(self.record.process)) - set(self.record.paused)):
            # On record first: if we are killed now, somebody else has to know of them.
            self._change(paused=(*self.record.paused, *new))
            signal_all([self.record.process, *new], signal.SIGSTOP)
            await _until(self.is_paused, _STOPPED_S)

    def is_paused(self) -> bool:
        """Say whether it was paused, and the system shows it so."""
        return bool(self.record.paused) and are_stopped(self.record.paused)

    async def resume(self) -> None:
        """Let it go on; nothing if it was not paused."""
        if self.record.paused:
            signal_all(self.record.paused, signal.SIGCONT)
            self._change(paused=())

    async def end(self) -> None:
        """Ask it to end, and kill it if it has not within the grace; nothing if it has ended."""
        await self.resume()  # what is stopped does not hear
        if self.alive():
            self._ask_to_end()
        await _until(lambda: not self.alive(), _GRACE_S)
        await self.kill()

    def discard(self) -> None:
        """Kill it if it still runs, and remove its directory and its record. What cannot be removed stays on record."""
        others = self._kill()
        if self._child is not None:
            self._child.wait(_GRACE_S)
        wait_for(others)
        self._remove_segments()
        if remove_directory(self.record.directory) or not self.record.directory.exists():
            self.record.remove(self._state)

    def leave(self) -> None:
        """Let it run on without us."""
        with locked(self._state):
            self.record = self.record.latest(self._state).without_owner()
            self.record.write(self._state)
        child, self._child = self._child, None
        if child is not None:
            child.returncode = 0  # else Popen warns that its child still runs; from here on it is known by its record

    def last_lines(self, n: int) -> str:
        """Return the last lines that it printed, masked."""
        try:
            with self._output.open("rb") as source:
                source.seek(0, 2)
                source.seek(max(0, source.tell() - _TAIL_BYTES))
                text = source.read().decode(errors="replace")
        except OSError:
            return ""
        return mask("\n".join(text.splitlines()[-n:]), self.url)

    @property
    def _output(self) -> Path:
        return self.record.directory / "output.txt"

    @property
    def _process(self) -> "subprocess.Popen[bytes] | Identity | None":
        return self._child or self.record.process

    def _change(self, **fields: Any) -> None:
        with locked(self._state):
            self.record = replace(self.record.latest(self._state), **fields)
            self.record.write(self._state)

    @property
    def _account(self) -> Account | None:
        return unprivileged() if self.server.unprivileged else None

    def _kill(self) -> list[Identity]:
        return kill_group(self._process) if self._process is not None else []

    def _remove_segments(self) -> None:
        if self.record.process is not None:
            remove_segments(self.record.process)

    def _ask_to_end(self) -> None:
        if self._child is not None:
            self._child.send_signal(self.server.stop_signal)
        elif self.record.process is not None and is_running(self.record.process):
            os.kill(self.record.process.pid, self.server.stop_signal)

    async def _until_ready(self, deadline: float, deadline_s: float) -> None:
        step, last = _STEP_S, "nothing answered"
        while self.alive() and time.monotonic() < deadline:
            last = await self._attempt(deadline)
            if not last:
                return
            await asyncio.sleep(step)
            step = min(2 * step, _LONGEST_STEP_S)
        if not self.alive():
            raise self._exited()
        raise self._unavailable(f"it was not ready within {deadline_s:g} s ({last})")

    async def _attempt(self, deadline: float) -> str:
        """Ask once whether it is ready; return why not. Given up when the process ends meanwhile."""
        attempt = asyncio.ensure_future(self.server.ready(self.url))
        try:
            while not attempt.done() and self.alive() and time.monotonic() < deadline:
                await asyncio.wait({attempt}, timeout=_LONGEST_STEP_S)
            if not attempt.done():
                return "no answer to the question whether it is ready"
            await attempt
        except Exception as error:
            return describe(error, self.url)
        finally:
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)
        if self.pid is None or listens(self.record.ports[0], self.pid) is False:
            return "another process answered on its port"
        return "" if self.alive() else "it exited"

    def _exited(self) -> ServerUnavailable:
        code = self._child.returncode if self._child is not None else None
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        taken = "in use" in self.last_lines(20).lower() or not all(map(is_free, self.record.ports))
        return self._unavailable(f"it exited {how} before it was ready", PortTaken if taken else ServerUnavailable)

    def _unavailable(self, reason: str, kind: type[ServerUnavailable] = ServerUnavailable) -> ServerUnavailable:
        lines = self.last_lines(20)
        return kind(self.record.name, mask(reason, self.url) + (f"; its last lines:\n{lines}" if lines else ""))


async def _until(condition: Callable[[], bool], within_s: float = math.inf) -> None:
    """Wait until ``condition`` holds, or the time is up."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110  neither a process nor a port has an event
        await asyncio.sleep(_STEP_S)


def address(server: Server, ports: Sequence[int]) -> str:
    """Return the server's URL with ``{port}``, ``{port2}``, ... filled in."""
    return server.url.format(port=ports[0], **{f"port{number}": port for number, port in enumerate(ports[1:], 2)})


def data_directory(record: Record) -> Path:
    return record.directory / "data"
