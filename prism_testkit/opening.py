"""One case from beginning to end: a fresh namespace, tapped slots, the check, and everything closed and cleaned again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from prism_testkit.asides import WRITER, Aside, Said
from prism_testkit.backend import Place
from prism_testkit.bindings import Binding, Candidate
from prism_testkit.bound import Bound
from prism_testkit.case import NEWCOMER, STRANGER, Case
from prism_testkit.checks import FAULTS, Check
from prism_testkit.conducting import Player, conducted
from prism_testkit.drivers import clean, close_driver, noted, open_driver
from prism_testkit.faults import Fault, Incarnation
from prism_testkit.histories import History
from prism_testkit.killing import Step, Survivors, Target, kill_workload, private_server
from prism_testkit.mortal import Mortal
from prism_testkit.outcomes import Inconclusive, Violation
from prism_testkit.private import SERVER, PrivateServer, private
from prism_testkit.processes import run_processes, shared_place
from prism_testkit.records import CaseRecord
from prism_testkit.returned import TELL, Returned, Told
from prism_testkit.schedules import VirtualLoop
from prism_testkit.signatures import claimed
from prism_testkit.slots import needs_of
from prism_testkit.stuck import Deadlock, Livelock
from prism_testkit.tap import Tap, tapped
from prism_testkit.worker import Site, Worker

__all__ = ["run_case"]

ROUND_NS = 1_000 * 1_000_000_000
"""Each case begins at a full multiple of 1000 s of virtual time, so that it is the same alone and among others."""


_CONNECTIONS = 8
"""Each incarnation of a pattern has a connection of its own, as a process would; after so many they are used again."""


def run_case(worker: Worker, check: Check, binding: Binding, record: CaseRecord) -> None:
    """Run one case on the loop of its binding; raise what it raised."""
    kind = binding.kind
    if kind == "virtual":
        worker.clock.jump(-worker.clock.now_ns() % ROUND_NS)
    opened = _Opened(worker, binding, record)
    try:
        worker.run(kind, _run(check, opened), hung=record.freeze)
    except (Deadlock, Livelock) as error:
        record.freeze()
        worker.discard(kind)
        if isinstance(error, Livelock) and (patient := record.patient(worker.clock.now_s(), error.wakings)):
            raise Inconclusive(patient) from error
        raise
    except (SystemExit, GeneratorExit) as error:
        worker.discard(kind)
        name = type(error).__name__
        fatal = Violation(f"{record.raised_by(error) or 'a call'} raised {name}", expected="an answer, or an Exception", got=name)
        raise fatal from error
    except asyncio.CancelledError as error:
        # Whoever cancels a call awaits it, so this is a cancellation of the driver's own that came out of it.
        leaked = Violation("a call raised CancelledError, and nobody had cancelled it", expected="an answer", got="CancelledError")
        leaked.prism_promise = getattr(error, "prism_promise", "")  # type: ignore[attr-defined]
        raise leaked from error


async def _run(check: Check, opened: "_Opened") -> None:
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.hopeless = lambda waiter: opened.record.hopeless(opened.worker.clock.now_s(), waiter)
    try:
        arguments = dict(opened.record.arguments)
        with _beside():
            for slot in check.slots:
                arguments[slot.name] = await opened.open(opened.binding.slots[slot.name], 0, opened.record.namespace)
        if check.case_parameter:
            arguments[check.case_parameter] = opened.case
        if check.pattern_parameter:
            arguments[check.pattern_parameter] = opened.bound(opened.record.arguments.get(FAULTS, ()))
        try:
            await check.function(**arguments)
        finally:
            opened.case.unschedule()
    except BaseException:
        # What went wrong first is the story; a driver in that state may well fail to close.
        with contextlib.suppress(Exception):
            await opened.close()
        raise
    with _beside():
        await opened.close()


def _beside() -> AbstractContextManager[None]:
    """Note on what is raised in here that it was raised before the check, or after it."""
    return noted("prism_beside", True)


class _Opened:
    """The drivers of one case, and how to open more."""

    def __init__(self, worker: Worker, binding: Binding, record: CaseRecord) -> None:
        self.worker = worker
        self.binding = binding
        self.record = record
        first = next(iter(binding.slots.values()))
        clock = self.site(first).place.clock
        record.namespace = worker.namespaces.new()
        record.history = self.history = History(clock)
        worker.watchdog.progress = self.history.__len__
        self._drivers: list[Any] = []
        self._namespaces: dict[str, Site] = {}
        self._spaces: dict[int, tuple[str, Any, Incarnation]] = {}
        """The namespace, the driver and the life of each slot, by identity."""
        self._bound: Bound[Any] | None = None
        self._together: Place | None = None
        """Where other processes of this case meet."""
        self._survivors: list[tuple[Survivors, Any]] = []
        """What kills left, with the driver that is open there."""
        self._mortals: list[Mortal] = []
        self._newcomers = AsyncExitStack()
        self.case = Case(
            backend=first.backend.name,
            limits=first.offer.limits,
            traits=first.offer.traits,
            clock=clock,
            history=self.history,
            namespace=record.namespace,
            opener=lambda number, namespace, whole, opened: self.open(first, number, namespace, whole, opened),
            killer=self._kill,
            private=self._private,
            processes=self._processes,
            conductor=self._conducted,
            mortal=self._mortal,
            cleaner=self._clean,
            crasher=self._crash,
            new_namespace=worker.namespaces.new,
            server=first.backend.server is not None,
        )
        self.case.notes = record.notes
        record.case = self.case
        self._first = first

    def site(self, candidate: Candidate) -> Site:
        """Return the place of a candidate's backend."""
        return self.worker.site(candidate.backend, self.binding.kind)

    async def open(self, candidate: Candidate, number: int, namespace: str, whole: bool = False, opened: bool = True) -> Any:
        """Open a driver, unless not ``opened``, for client ``number`` (negative: one more on the first connection) and tap it."""
        site = self.site(candidate)
        connection = await self._connection(site, number)
        self._namespaces.setdefault(namespace, site)
        self.history.namespace(abs(number), list(self._namespaces).index(namespace))
        driver = await open_driver(candidate, connection, namespace, opened)
        self._drivers.append(driver)
        interfaces = tuple(claimed(candidate.offer.driver)) if whole else candidate.interfaces
        tap = self._tap(candidate, abs(number), connection, namespace)
        tap.incarnation = Incarnation(abs(number))
        slot = tapped(driver, interfaces, tap)
        self._spaces[id(slot)] = (namespace, driver, tap.incarnation)
        return slot

    async def _connection(self, site: Site, number: int) -> Any:
        if number >= NEWCOMER:
            self.history.labels[number] = f"newcomer {number - NEWCOMER + 1}"
            connection, manager = await site.newcomer()
            self._newcomers.push_async_exit(manager)
            return connection
        if number >= STRANGER:
            self.history.labels[number] = f"stranger {number - STRANGER + 1}"
            return await site.stranger(number - STRANGER)
        return await site.client(max(number, 0))

    async def _crash(self, slot: Any, number: int) -> Any:
        namespace, driver, incarnation = self._spaces.pop(id(slot))
        event = self.history.invoke(incarnation.actor, "crash", (), {})
        await incarnation.bury()
        self._drivers.remove(driver)
        await close_driver(driver)
        self.history.respond(event, None)
        return await self.open(self._first, number, namespace)

    def bound(self, plan: Sequence[Fault]) -> Bound[Any]:
        """Return the pattern that the binding names, with a plan of faults for its calls."""
        pattern = self.binding.pattern
        assert pattern is not None
        spaces = {slot: self.worker.namespaces.new() for slot in self.binding.slots}

        async def opener(slot: str, actor: int, incarnation: Incarnation | None, whole: bool) -> tuple[Any, Any]:
            candidate, namespace = self.binding.slots[slot], spaces[slot]
            site = self.site(candidate)
            connection = await site.client(max(actor, 0) % _CONNECTIONS)
            self._namespaces.setdefault(namespace, site)
            driver = await open_driver(candidate, connection, namespace)
            tap = self._tap(candidate, actor, connection, namespace)
            if incarnation is not None:
                tap.incarnation, tap.faults = incarnation, bound.faults
            interfaces = tuple(claimed(candidate.offer.driver)) if whole else candidate.interfaces

            async def closer() -> None:
                await close_driver(driver)

            return tapped(driver, interfaces, tap, slot), closer

        bound: Bound[Any] = Bound(
            pattern=pattern,
            needs=needs_of(pattern.implementation),
            interfaces={slot: candidate.interfaces[-1] for slot, candidate in self.binding.slots.items()},
            opener=opener,
            clock=self.case.clock,
            label=self.history.labels.__setitem__,
            history=self.history,
        )
        if plan:
            bound.faulty(plan)
        self._bound = bound
        self.record.faults = bound.faults
        return bound

    async def _clean(self, slot: Any) -> Any:
        namespace, driver, incarnation = self._spaces.pop(id(slot))
        site = self._namespaces[namespace]
        if site.backend.clean is None:
            return None
        self._drivers.remove(driver)
        await close_driver(driver)
        event = self.history.invoke(incarnation.actor, "clean", (), {})
        await site.clean(namespace)
        self.history.respond(event, None)
        return await self.open(self._first, -incarnation.actor, namespace)

    def _tap(self, candidate: Candidate, client: int, connection: Any, namespace: str) -> Tap:
        tap = Tap(client=client, history=self.history)
        settle = candidate.backend.settle
        if settle is not None:
            tap.settle = lambda: settle(connection, namespace)
        self.case.adopt(tap)
        return tap

    async def _kill(
        self, steps: Sequence[Step], acknowledgements: int, target: Target, after: Survivors | None, down_s: float
    ) -> Survivors:
        candidate, namespace = self._first, self.worker.namespaces.new()
        self.history.labels[SERVER] = "harness"
        event = self.history.invoke(SERVER, "kill", (target,), {"steps": len(steps)})
        for survivors, driver in [pair for pair in self._survivors if pair[0] is after]:
            self._survivors.remove((survivors, driver))
            await close_driver(driver)
        try:
            survivors = await kill_workload(
                self.worker,
                candidate,
                steps=steps,
                acknowledgements=acknowledgements,
                target=target,
                namespace=namespace,
                after=after,
                down_s=down_s,
            )
        except BaseException as error:
            self.history.fail(event, error)
            raise
        self._tell(event, steps, survivors)
        self.history.respond(event, f"{survivors.acknowledged} acknowledged")
        self._survivors.append((survivors, None))  # before it is opened, which may fail
        with noted("prism_around", "connect(place), which the harness called after the kill,"):
            connection = await survivors.site.client(0)
        survivors.slot, driver = await self._reopen(candidate, connection, 0, survivors.namespace)
        self._survivors[-1] = (survivors, driver)
        return survivors

    def _tell(self, event: int, steps: Sequence[Step], survivors: Survivors) -> None:
        """Let the story tell what the process did before it was killed, up to the call in which it died."""
        instants: list[float | None] = [*(instant / 1e9 for instant in survivors.instants_ns), None]
        for number, (method, arguments) in enumerate(steps[: survivors.acknowledged + 1]):
            if method != TELL:
                given = tuple(Said(f"<what its call {a.step + 1} returned>") if isinstance(a, Returned) else a for a in arguments)
                began, ended = instants[number] or 0.0, instants[number + 1]
                result = Said("acknowledged")
                self.history.done_before(event, Aside(WRITER, "writer", method, given, {}, 0, began, None, ended, result))

    def _mortal(self) -> Mortal:
        candidate = self._first

        def new_place() -> Place:
            return self.worker.new_place("", self.binding.kind, f"{candidate.backend.name}-mortal")

        async def reopen(connection: Any, number: int, namespace: str, life: Incarnation) -> tuple[Any, Any]:
            return await self._reopen(candidate, connection, number, namespace, life=life)

        mortal = Mortal(candidate.backend, new_place, self.worker.namespaces.new, reopen, close_driver, self.history)
        self._mortals.append(mortal)
        return mortal

    def _processes(self, plans: Sequence[Sequence[Step]], pace_s: float) -> list[Told]:
        place = self._together = self._together or shared_place(self.worker, self._first)
        return run_processes(self.worker, self._first, place, plans, self.record.namespace, self.history, pace_s=pace_s)

    def _conducted(self, count: int) -> AbstractContextManager[list[Player]]:
        place = self._together = self._together or shared_place(self.worker, self._first)
        return conducted(self.worker, self._first, place, count, self.record.namespace, self.history)

    async def _reopen(
        self,
        candidate: Candidate,
        connection: Any,
        number: int,
        namespace: str,
        opened: bool = True,
        life: Incarnation | None = None,
    ) -> tuple[Any, Any]:
        """Return a tapped slot with every interface, and its driver, in a place of the case's own."""
        driver = await open_driver(candidate, connection, namespace, opened)
        tap = self._tap(candidate, number, connection, namespace)
        tap.incarnation = life
        if tap.settle is not None:
            await tap.settle()
        return tapped(driver, tuple(claimed(candidate.offer.driver)), tap), driver

    @asynccontextmanager
    async def _private(self) -> AsyncIterator[PrivateServer]:
        candidate, namespace = self._first, self.worker.namespaces.new()
        server = await private_server(self.worker, candidate)
        drivers: list[Any] = []

        def locate(url: str) -> Site:
            return Site(candidate.backend, self.worker.new_place(url, "real", f"{candidate.backend.name}-private"), "real")

        async def opener(site: Site, connection: int, number: int, opened: bool) -> Any:
            slot, driver = await self._reopen(candidate, await site.client(connection), number, namespace, opened)
            drivers.append(driver)
            return slot

        async def closer() -> None:
            while drivers:
                await close_driver(drivers.pop())

        async with private(server, locate, self.history, opener, closer, self.worker.watchdog.at_work) as held:
            yield held

    async def close(self) -> None:
        """Close the drivers, the newest first, then clean their namespaces."""
        async with AsyncExitStack() as last:  # whatever fails before, a server of our own is stopped
            last.push_async_callback(self._newcomers.aclose)
            for mortal in self._mortals:
                last.push_async_callback(mortal.close)
            for survivors, driver in self._survivors:
                last.push_async_callback(survivors.close)
                last.push_async_callback(close_driver, driver)
            if self._bound is not None:
                await self._bound.close()
            for driver in reversed(self._drivers):
                await close_driver(driver)
            for namespace, site in self._namespaces.items():
                await clean(site, namespace)
