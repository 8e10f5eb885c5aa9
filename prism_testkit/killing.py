"""Kill whoever writes, or the server it writes to, in the middle of acknowledged writes; then reopen and let the check look.

The writer is a process of its own (`_child`), which says after each call that it returned, and when; what it said before it
died was acknowledged. It dies in the middle of a call. The place is private: its own directory, and its own server when the
server is to die.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from prism_testkit.backend import Place
from prism_testkit.bindings import Candidate
from prism_testkit.clock import VirtualClock
from prism_testkit.fuse import NEVER
from prism_testkit.outcomes import HarnessError, Unavailable, Violation
from prism_testkit.returned import decoded
from prism_testkit.servers import RunningServer, ServerUnavailable, start_private
from prism_testkit.witness import encode
from prism_testkit.worker import Site, Worker

__all__ = ["Step", "Survivors", "Target", "early", "kill_workload", "order", "private_server"]

Step = tuple[str, tuple[Any, ...]]
"""A method of the driver and its arguments; the writer makes the calls one after another.

A dict behind the arguments that the method takes by position holds keyword arguments; ``chunks`` of a stream are a list.
A `returned.Returned` stands for what an earlier step returned: a lease, say, that is to be acked. ``returned.TELL`` is no call:
what it is given is in `Survivors.told` afterwards.
A method that gives a context (``subscribe_durable``) enters it, and it stays entered; ``subscribe_durable.receive`` is then a
method of what was entered, which is its first argument, and ``subscribe_durable.exit`` leaves it."""
Target = Literal["writer", "server"]

_RETURNED = re.compile(rb"(\d+) (\d+)(?: (.+))?\n")
"""What the writer says of a call that returned: its number, the time in nanoseconds of the place's clock, what it tells."""
_PARTS = (0.3, 0.5, 0.7)
"""Where in the middle of a call a writer dies, by turns."""
_LIKE = 20
"""The call in which a writer dies takes, one assumes, as long as the one this many steps before the last acknowledged."""
_LATEST = 300
"""Steps after which it is killed from outside, if it could not end itself."""


@dataclass
class Survivors:
    """What is left: how many steps were acknowledged (the next one may have happened, too), and the place reopened."""

    acknowledged: int
    finished: bool
    """The writer got through all its steps before it died: the kill came too late to be in the middle."""
    site: Site
    namespace: str
    server: RunningServer | None = None
    """The private server, if the place has one."""
    slot: Any = None
    """A client over what is left, with every interface of its driver, tapped."""
    instants_ns: list[int] = field(default_factory=list)
    """When the writer began, then when each acknowledged step returned: nanoseconds of the place's clock."""
    told: dict[int, list[Any]] = field(default_factory=dict)
    """What the writer told before it died, by the number of the step."""

    def window_ns(self, step: int) -> tuple[int, int]:
        """Return the instants between which an acknowledged step, counted from 0, took effect."""
        return self.instants_ns[step], self.instants_ns[step + 1]

    async def close(self) -> None:
        """Clean up, close the clients and stop the private server."""
        try:
            if self.server is None:
                await self.site.clean(self.namespace)
            await self.site.close()
        finally:
            if self.server is not None:
                await self.server.stop()


async def private_server(worker: Worker, candidate: Candidate) -> RunningServer:
    """Start a server that may be killed; raise `Unavailable` where there can be none, with the reason."""
    backend = candidate.backend
    if backend.server is None:
        raise TypeError(f"{backend.name} has no server: a check that kills one says @check(..., needs_server=True)")
    endpoint = worker.endpoints.get(backend.name)
    if endpoint is not None and endpoint.by_url:
        raise Unavailable(f"the server of {backend.name} was given by URL: it is not ours to kill")
    try:
        # In the way of the shared one: a check is told of one kind of server only.
        prefer = "container" if endpoint is not None and endpoint.in_container else None
        with worker.watchdog.at_work():
            return await start_private(
                backend.name, backend.server, state=worker.state, run_id=worker.namespaces.run, prefer=prefer
            )
    except ServerUnavailable as error:
        raise Unavailable(str(error)) from error


async def kill_workload(
    worker: Worker,
    candidate: Candidate,
    *,
    steps: Sequence[Step],
    acknowledgements: int,
    target: Target,
    namespace: str,
    after: Survivors | None = None,
    down_s: float = 0.0,
) -> Survivors:
    """Let a process make ``steps``, kill ``target`` once ``acknowledgements`` of them returned, and reopen the place.

    ``after``: the place is that of an earlier kill, whose clients are closed. ``down_s`` pass before it is reopened.
    """
    backend = candidate.backend
    if after is not None:
        server, after.server, namespace = after.server, None, after.namespace
        await after.site.close()
        place = after.site.place
    else:
        server = await private_server(worker, candidate) if target == "server" else None
        endpoint = worker.endpoints.get(backend.name)
        url = server.url if server is not None else endpoint.url if endpoint is not None else ""
        place = worker.new_place(url, backend.clock_kind, f"{backend.name}-killed")
    killed = server if target == "server" else None
    try:
        instants, told = await _write_and_kill(worker, candidate, place, killed, steps, acknowledgements, namespace)
        await _pass(place, instants[-1], down_s)
        if killed is not None:
            with worker.watchdog.at_work():
                await _restart(killed)
    except BaseException:
        if server is not None:
            await server.stop()
        raise
    reopened = Place(url=place.url, directory=place.directory, shared={}, clock=place.clock)
    done = len(instants) - 1
    return Survivors(done, done == len(steps), Site(backend, reopened, backend.clock_kind), namespace, server, None, instants, told)


async def _pass(place: Place, now_ns: int, seconds: float) -> None:
    """Bring our clock to where the writer's was, then let time pass."""
    if isinstance(place.clock, VirtualClock):
        place.clock.jump(max(0, now_ns - place.clock.now_ns()))
    if seconds:
        await place.clock.sleep(seconds)


async def _restart(server: RunningServer) -> None:
    try:
        await server.restart()
    except ServerUnavailable as error:
        raise HarnessError(f"the server did not come back after it was killed: {error}") from error


def order(worker: Worker, candidate: Candidate, place: Place, namespace: str, steps: Sequence[Step]) -> dict[str, Any]:
    """Return what a process (`_child`) is asked to do, as JSON data."""
    return {
        "path": [entry or str(Path.cwd()) for entry in sys.path],
        "environment": dict(os.environ),
        "origin": worker.origins.get(candidate.backend.name, ("", "")),
        "backend": candidate.backend.name,
        "interface": candidate.offer.interface,
        "directory": str(place.directory),
        "url": place.url,
        "namespace": namespace,
        "clock": "virtual" if isinstance(place.clock, VirtualClock) else "real",
        "now_ns": worker.clock.now_ns(),
        "steps": [[method, encode(arguments)] for method, arguments in steps],
    }


async def _write_and_kill(
    worker: Worker,
    candidate: Candidate,
    place: Place,
    server: RunningServer | None,
    steps: Sequence[Step],
    acknowledgements: int,
    namespace: str,
) -> tuple[list[int], dict[int, list[Any]]]:
    """Return when the writer began and when each acknowledged step returned, and what it told."""
    began_ns = place.clock.now_ns() if isinstance(place.clock, VirtualClock) else round(place.clock.now_s() * 1e9)
    fuse = _fuse(acknowledgements) if server is None else NEVER
    asked = {**order(worker, candidate, place, namespace, steps), "manner": "writer", "fuse": fuse}
    log = place.directory.parent / f"{place.directory.name}.stderr"
    with worker.watchdog.at_work():  # the first one starts what forks them, an interpreter that imports the harness
        writer = worker.writers.start(place.directory, log)
    returned: list[int] = []
    said: list[bytes] = []
    told: dict[int, list[Any]] = {}

    def heard(line: bytes) -> None:
        match = _RETURNED.fullmatch(line)
        if match is not None:
            returned.append(int(match[2]))
            if match[3] is not None:
                told[int(match[1])] = decoded(json.loads(match[3]))
        else:
            said.append(line)

    try:
        with contextlib.suppress(BrokenPipeError):  # it died at once; why is in its log
            writer.orders.write(json.dumps(asked).encode() + b"\n")
            writer.orders.close()
        # A writer that can ends itself, two steps later and in the middle of a call; a server is killed from here.
        most = acknowledgements if server is not None else acknowledgements + _LATEST
        with worker.watchdog.at_work():  # it imports the registration again, which may take its time
            heard(writer.said.readline())
        while len(returned) < most and (line := writer.said.readline()):
            heard(line)
            worker.watchdog.stir()
        with worker.watchdog.at_work():
            if server is not None:
                await server.kill()
            writer.kill()
        for line in writer.said:
            heard(line)
    finally:
        with worker.watchdog.at_work():
            writer.close()
    if len(returned) < acknowledgements:
        failed = [line[1:].decode(errors="replace").strip() for line in said if line.startswith(b"!")]
        raise early(candidate.backend.name, failed, log.read_text(errors="replace"))
    return [began_ns, *returned], told


def _fuse(acknowledgements: int) -> tuple[int, int, float]:
    """Return (the step whose time is taken, the step in which the writer dies, at which part of that time)."""
    return max(0, acknowledgements - _LIKE), acknowledgements + 2, _PARTS[acknowledgements // 10 % len(_PARTS)]


def early(backend: str, failed: list[str], log: str) -> BaseException:
    """Return why a process ended before it had done what it was asked: what a call raised, or the end of its ``log``."""
    if failed:
        return Violation(f"in the writing process {failed[0]}")
    lines = log.strip().splitlines()
    if lines and lines[-1].startswith("prism: "):
        return Unavailable(lines[-1].removeprefix("prism: "))
    return HarnessError(f"the writing process for {backend} ended early: {' | '.join(lines[-5:]) or 'it said nothing'}")
