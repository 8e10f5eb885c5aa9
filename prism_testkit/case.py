"""What a check may ask for beyond its slots: more clients, other namespaces, time, a plan, the history, a kill."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn

from prism_testkit.clock import Clock, VirtualClock
from prism_testkit.gates import Gate
from prism_testkit.histories import History
from prism_testkit.outcomes import Inconclusive, law
from prism_testkit.plan import Plan
from prism_testkit.schedules import VirtualLoop
from prism_testkit.scheduling import Scheduler
from prism_testkit.standing import Actor, actors
from prism_testkit.tap import Tap
from prism_testkit.traits import Limits, Traits
from prism_testkit.turns import Turns

if TYPE_CHECKING:
    from prism_testkit.conducting import Player
    from prism_testkit.killing import Step, Survivors, Target
    from prism_testkit.mortal import Mortal
    from prism_testkit.private import PrivateServer
    from prism_testkit.returned import Told

__all__ = ["CLOCK", "NEWCOMER", "STRANGER", "Case"]

Opener = Callable[[int, str, bool, bool], Awaitable[Any]]
"""(number of the client, negative on the first connection; namespace; with every interface; opened) -> a tapped driver."""
Killer = Callable[..., Awaitable["Survivors"]]
"""(steps, acknowledgements, target, survivors of an earlier kill, seconds before it is reopened)."""

CLOCK = -1
"""The client number under which moves of the clock stand in a history."""
STRANGER = 500
"""The number of the first client that shares nothing with the others of its process."""
NEWCOMER = 700
"""The number of the first client that connects when it is asked for."""


class Case:
    """One generated or listed example, in a namespace of its own. Made by the harness."""

    def __init__(
        self,
        *,
        backend: str,
        limits: Limits,
        traits: Traits,
        clock: Clock,
        history: History,
        namespace: str,
        opener: Opener,
        killer: Killer,
        private: "Callable[[], AbstractAsyncContextManager[PrivateServer]]",
        processes: "Callable[[Sequence[Sequence[Step]], float], list[Told]]",
        conductor: "Callable[[int], AbstractContextManager[list[Player]]]",
        mortal: "Callable[[], Mortal]",
        cleaner: Callable[[Any], Awaitable[Any]],
        crasher: Callable[[Any, int], Awaitable[Any]],
        new_namespace: Callable[[], str],
        server: bool,
    ) -> None:
        self.backend = backend
        self.limits = limits
        self.traits = traits
        self.clock = clock
        self.history = history
        self.namespace = namespace
        self.server = server
        """The backend has a server, which can die apart from the process that writes."""
        self.notes: list[str] = []
        self.taps: list[Tap] = []
        self.scheduler: Scheduler | None = None
        """What carried out the last plan that deviates."""
        self._chooses: Scheduler | None = None
        self._open = opener
        self._kill = killer
        self._private = private
        self._processes = processes
        self._conductor = conductor
        self._mortal = mortal
        self._clean = cleaner
        self._crash = crasher
        self._new_namespace = new_namespace
        self._clients, self._strangers, self._newcomers = 1, 0, 0
        self.suspends = False
        """Calls were asked to overlap."""

    async def whole(self) -> Any:
        """Return the first client with every interface that its driver offers, not only the slot's."""
        return await self._open(0, self.namespace, True, True)

    async def unopened(self) -> Any:
        """Return another driver of the namespace on the first connection, with every interface, whose `open` was not called."""
        return await self._open(-self._number(), self.namespace, True, False)

    async def client(self, *, whole: bool = False) -> Any:
        """Return a second (third, ...) client of the same namespace: another ``connect()``, another driver, tapped."""
        return await self._open(self._number(), self.namespace, whole, True)

    async def stranger(self, *, whole: bool = False) -> Any:
        """Return a client of the same namespace that has no more in common with the others than one in another process has.

        Its place has a ``shared`` of its own, so what drivers of one process arrange among themselves it does not know. Where the
        store is in the process, or time is virtual, it is a client like any other.
        """
        if self.clock.virtual or not (self.server or self.traits.sharing == "processes"):
            return await self.client(whole=whole)
        self._strangers += 1
        return await self._open(STRANGER + self._strangers - 1, self.namespace, whole, True)

    async def newcomer(self, *, whole: bool = False) -> Any:
        """Return a client of the same namespace that connects now, as a process does that has just begun.

        What a backend does when somebody comes, to look after what the dead left, it does here, beside whoever lives.
        """
        self._newcomers += 1
        return await self._open(NEWCOMER + self._newcomers - 1, self.namespace, whole, True)

    async def sibling(self, *, whole: bool = False) -> Any:
        """Return a client of another, empty namespace on the same connection as the first."""
        return await self._open(-self._number(), self._new_namespace(), whole, True)

    def _number(self) -> int:
        self._clients += 1
        return self._clients - 1

    async def clean(self, slot: Any) -> Any:
        """Close a slot and clean its namespace, as after a case; return a new client there, or None if there is no ``clean``."""
        return await self._clean(slot)

    async def crash(self, slot: Any) -> Any:
        """Let a client die where it stands, and return a new one of the same namespace.

        From here on every call through ``slot`` raises `Crashed` without effect; what it had entered (a transaction, a
        subscription) is ended by an error, and its driver is closed. The process lives on: `kill` is for one that does not.
        """
        return await self._crash(slot, self._number())

    async def advance(self, seconds: float) -> None:
        """Move virtual time; recorded, so that the story of a failure shows it. Raises ``TypeError`` on a real clock."""
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("time moves only under a virtual clock; a check for real clocks waits on case.clock.sleep")
        event = self.history.invoke(CLOCK, "advance", (seconds,), {})
        await self.clock.advance(seconds)
        self.history.respond(event, None)

    def overlap(self) -> None:
        """From now on every call lets others run before and after its effect, so that concurrent calls overlap."""
        self.suspends = True
        for tap in self.taps:
            tap.suspend = True
            tap.scheduler = self._chooses

    def adopt(self, tap: Tap) -> None:
        """Let a tap take part; one that is opened late overlaps and is scheduled as the others are."""
        self.taps.append(tap)
        if self.suspends:
            tap.suspend, tap.scheduler = True, self._chooses

    def schedule(self, plan: Plan) -> None:
        """Overlap, and let ``plan`` say who goes next wherever calls let others run. Its steps count from here on.

        A plan without any deviation is `overlap`. On a loop of virtual time the same plan gives the same order on every run. On
        a real one calls pass one at a time (see `gates`). A later plan takes the place of an earlier one.
        """
        self.unschedule()
        if plan.deviates:
            loop = asyncio.get_running_loop()
            self.scheduler = self._chooses = Turns(plan, loop) if isinstance(loop, VirtualLoop) else Gate(plan, loop)
        self.overlap()

    def unschedule(self) -> None:
        """End the plan; calls overlap as before it, first come, first served. What it did stays known for the story."""
        if self._chooses is not None:
            self._chooses.close()
        self._chooses = None
        for tap in self.taps:
            tap.scheduler = None

    async def kill(
        self,
        steps: "Sequence[Step]",
        acknowledgements: int,
        target: "Target",
        *,
        after: "Survivors | None" = None,
        down_s: float = 0.0,
    ) -> "Survivors":
        """Let another process make ``steps``, SIGKILL ``target`` once ``acknowledgements`` of them returned, and reopen.

        ``after``: in the place of an earlier kill, whose slot is closed. ``down_s`` pass while nothing is open. Target
        ``server`` is for checks that need a server. See `killing`.
        """
        return await self._kill(steps, acknowledgements, target, after, down_s)

    def mortal(self) -> "Mortal":
        """Return a place of this case's own, empty, whose clients can be killed as often as wanted.

        For backends that keep files, without a server, on a virtual clock. See `mortal`.
        """
        return self._mortal()

    def processes(self, plans: "Sequence[Sequence[Step]]", *, pace_s: float = 0.0) -> "list[Told]":
        """Let each plan be made by another process, all at once, in this namespace; every call is in the history afterwards.

        Each opens a client of its own, and its real clock is the system's. A step is one of `kill`'s; one that is to be given
        what an earlier step returned is left out where that was None. A call that raises is told, and the others go on. Of a
        backend without a server they meet in a directory of their own, the same one again for a later call of this case.
        With ``pace_s`` their steps begin together, so long after each other. Inconclusive if no calls of two of several
        processes overlapped.
        """
        return self._processes(plans, pace_s)

    def conducted(self, count: int) -> "AbstractContextManager[list[Player]]":
        """Start so many processes, where those of `processes` are, that make one call after another as they are asked.

        ``with case.conducted(2) as (one, other)``, then ``one.call("append", "s", b"x")``, which returns what it was told, and
        ``one.stop()``, ``one.resume()`` (SIGSTOP, SIGCONT). In between their loops run on. Killed at the end.
        """
        return self._conductor(count)

    def actors(self, *slots: Any) -> AbstractAsyncContextManager[list[Actor]]:
        """Let somebody make one call after another by each of these clients, in this process, as they are asked; a call may stand
        still behind any of its steps, while the others make theirs. For a loop of virtual time. See `standing`.
        """
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("calls stand still under a virtual clock alone")
        return actors(slots, self.clock)

    def private_server(self) -> "AbstractAsyncContextManager[PrivateServer]":
        """Start a server of this case's own: ``async with case.private_server() as private``, then ``await private.client()``,
        ``private.kill()``, ``restart()``, ``pause()``, and for clients that are ``proxied`` the faults of ``private.proxy``. For
        checks that need a server; unavailable if it is given by URL."""
        return self._private()

    def law(self, promise: str) -> AbstractContextManager[None]:
        """Name the promise that a block judges."""
        return law(promise)

    def note(self, text: str) -> None:
        """Say something in the result beside the verdict; said once a check."""
        if text not in self.notes:
            self.notes.append(text)

    def inconclusive(self, reason: str) -> NoReturn:
        """Give up on this case: what was to be judged did not happen."""
        raise Inconclusive(reason)
