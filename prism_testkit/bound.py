"""An implementation of a pattern with its slots filled, as a check holds it: opened, crashed, opened again, and looked behind."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from prism_testkit.asides import Aside, overheard
from prism_testkit.clock import Clock
from prism_testkit.faults import Fault, Faults, Incarnation
from prism_testkit.histories import History
from prism_testkit.outcomes import Crashed, Inconclusive
from prism_testkit.pattern import KINDS, Pattern
from prism_testkit.slots import Needs

__all__ = ["HARNESS", "Bound", "SlotOpener"]

P = TypeVar("P")
T = TypeVar("T")

_USER = 2_000_000
"""Whoever calls an incarnation, in a story: this and its number."""
HARNESS = -2
"""The actor under which the harness's own looks stand in a history."""

SlotOpener = Callable[[str, int, Incarnation | None, bool], Awaitable[tuple[Any, Callable[[], Awaitable[None]]]]]
"""(slot, actor, incarnation, whole) -> a tapped driver in the slot's namespace, and how to close it."""

_current: ContextVar[Incarnation | None] = ContextVar("prism_incarnation", default=None)


class _Skewed:
    """A clock that is wrong by so many seconds, and as fast as the right one."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.virtual = clock.virtual

    def now_s(self) -> float:
        return self._clock.now_s() + self._seconds

    def now_ms(self) -> int:
        return self._clock.now_ms() + round(self._seconds * 1000)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Bound(Generic[P]):
    """What a check of a pattern is given: ``async def check(claims: Bound[ClaimCheck], case: Case)``.

    Every incarnation gets drivers of its own over the same data. Made by the harness.
    """

    def __init__(
        self,
        *,
        pattern: Pattern,
        needs: Needs,
        interfaces: Mapping[str, str],
        opener: SlotOpener,
        clock: Clock,
        label: Callable[[int, str], None],
        history: History,
    ) -> None:
        self.name = pattern.full_name
        self.interfaces = interfaces
        """For each slot that is filled the id of the interface by which it is bound."""
        self.faults = Faults((), clock)
        self.crashes = 0
        """How many incarnations have died so far."""
        self._implementation: Any = pattern.implementation
        self._needs = needs
        self._open = opener
        self._clock = clock
        self._given_clock = clock
        self._changes: dict[str, Callable[[Any], None]] = {}
        self._label = label
        self._history = history
        self._protocol = next((kind.protocol for kind in KINDS.values() if kind.name == pattern.kind), None)
        self._actors = 0
        self._owners: weakref.WeakKeyDictionary[asyncio.Task[Any], Incarnation] = weakref.WeakKeyDictionary()
        self._closers: list[Callable[[], Awaitable[None]]] = []

    def faulty(self, plan: Iterable[Fault]) -> None:
        """Let a plan of faults befall the calls of the incarnations that are opened from now on."""
        self.faults = Faults(plan, self._clock)

    @property
    def incarnations(self) -> int:
        """How many incarnations were opened so far; the actors of faults are numbered so, from 0."""
        return self._actors

    def skew(self, seconds: float) -> None:
        """Let the clock be wrong that is given to the incarnations opened from now on; the clocks of their stores stay right."""
        self._given_clock = _Skewed(self._clock, seconds) if seconds else self._clock

    def change(self, slot: str, change: Callable[[Any], None]) -> None:
        """Let a function put methods of its own over those of what fills a slot, for the incarnations opened from now on.

        It is for answers that a right driver may give as well, and that those at hand do not give.
        """
        self._changes[slot] = change

    def heal(self) -> None:
        """Stop all faults: from now on everything must settle."""
        self.faults.heal()

    def struck(self) -> None:
        """Give up on the case if a fault of the plan never took effect."""
        if self.faults.missed:
            raise Inconclusive(f"planned faults that no call reached: {sorted(self.faults.missed)}")

    @asynccontextmanager
    async def opened(self, **config: Any) -> AsyncIterator[P]:
        """Open an incarnation with fresh drivers, enter it, and leave it at the end.

        A planned crash comes out as `Crashed`, after the incarnation was buried: its tasks are cancelled without effect, what it
        had entered is ended, its drivers are closed.
        """
        incarnation = Incarnation(self._actors)
        self._actors += 1
        name = f"{self.name} #{incarnation.actor + 1}" if incarnation.actor else self.name  # numbered as `faults.in_words` does
        self._label(incarnation.actor, name)
        self._watch_tasks()
        token = _current.set(incarnation)
        drivers = AsyncExitStack()
        try:
            slots: dict[str, Any] = {}
            for slot in self.interfaces:
                slots[slot], closer = await self._open(slot, incarnation.actor, incarnation, False)
                drivers.push_async_callback(closer)
                if slot in self._changes:
                    self._changes[slot](slots[slot])
            opening = self._history.aside(_USER + incarnation.actor, _user(incarnation.actor), "open", (), config)
            async with self._made(slots, config) as instance:
                self._history.answered(opening, None)
                yield self._overheard(instance, incarnation.actor)
        except BaseException as error:
            if incarnation.dead and not isinstance(error, AssertionError | KeyboardInterrupt):
                self.crashes += 1
                await self._bury(incarnation)
                raise Crashed(f"{name} crashed") from error
            raise
        finally:
            with suppress(ValueError):  # left in another context than it was entered in
                _current.reset(token)
            await drivers.aclose()
        if incarnation.dead:  # in the background, after the last call of the check
            self.crashes += 1
            await self._bury(incarnation)

    async def survive(self, work: Callable[[P], Awaitable[T]], **config: Any) -> T:
        """Open an incarnation and do ``work`` with it; after a crash open the next one and do ``work`` again, until it is done."""
        while True:
            try:
                async with self.opened(**config) as instance:
                    return await work(instance)
            except Crashed:
                continue

    async def look(self, slot: str, *, whole: bool = False) -> Any:
        """Return a client of what fills a slot, out of reach of faults; ``whole``: with every interface that its driver offers."""
        self._label(HARNESS, "harness")
        client, closer = await self._open(slot, HARNESS, None, whole)
        self._closers.append(closer)
        return client

    async def close(self) -> None:
        """Close what `look` opened, and watch tasks no more."""
        asyncio.get_running_loop().set_task_factory(None)
        while self._closers:
            await self._closers.pop()()

    def _made(self, slots: Mapping[str, Any], config: Mapping[str, Any]) -> AbstractAsyncContextManager[P]:
        rest: dict[str, Any] = dict.fromkeys((slot.name for slot in self._needs.slots if slot.name not in slots), None)
        if self._needs.config is not None:
            rest["config"] = self._needs.config(**config)
        if self._needs.takes_clock:
            rest["clock"] = self._given_clock
        made: AbstractAsyncContextManager[P] = self._implementation(**slots, **rest)
        return made

    def _overheard(self, instance: P, actor: int) -> P:
        """Return the instance, whose calls the story tells as those of its user."""
        if self._protocol is None:
            return instance
        label = _user(actor)

        def begin(op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Aside:
            return self._history.aside(_USER + actor, label, op, args, kwargs)

        told: P = overheard(instance, self._protocol, begin, self._history.answered)
        return told

    def _watch_tasks(self) -> None:
        """Remember which incarnation started a task: when it dies, so do they."""
        loop = asyncio.get_running_loop()

        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
            task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
            incarnation = _current.get()
            if incarnation is not None:
                self._owners[task] = incarnation
            return task

        loop.set_task_factory(factory)

    async def _bury(self, incarnation: Incarnation) -> None:
        tasks = [
            task
            for task, owner in list(self._owners.items())
            if owner is incarnation and not task.done() and task is not asyncio.current_task()
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await incarnation.bury()


def _user(actor: int) -> str:
    """Name whoever calls an incarnation, in a story."""
    return f"user of #{actor + 1}" if actor else "user"
