"""A call that stands still in its middle, on a loop of virtual time, so that others do all of theirs in between.

Where a call looks, lets others run, and then acts, two tasks that go on step by step are at the same place only if the calls of
one are as short as what is between two steps of the other. So one of two calls stands still behind each of its steps in turn, for
as long as the others have anything to do: all orders of two calls in which one of them is preempted once (Musuvathi and Qadeer,
Iterative Context Bounding for Systematic Testing, PLDI 2007). See `halts` for the same between processes.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from prism_testkit.clock import VirtualClock
from prism_testkit.making import Part
from prism_testkit.outcomes import HarnessError
from prism_testkit.returned import Told, filled_in
from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import place_of

__all__ = ["Actor", "actors"]

_MOST_S = 1.0
"""So much time passes at most for others who sleep; those who wait longer wait for what stands still, or for nothing."""


class _Standing:
    """Lets the steps of one call run, so many of them; then all others, and if they have nothing to do, that one again.

    Steps of a call are those of its task, and of another that this one awaits. Callbacks, timers and tasks that it leaves behind go
    on: they are in the order of their time, on which everybody may rely.
    """

    task: "asyncio.Task[Told]"

    def __init__(self, loop: VirtualLoop, clock: VirtualClock, steps: int) -> None:
        self._loop, self._clock = loop, clock
        self._steps = steps
        self._until_ns = 0
        self.stands: asyncio.Future[None] = loop.create_future()
        """Done once the call stands still."""
        self.others_wait: asyncio.Future[None] | None = None
        """To be done when none of the others has anything to do."""

    def next(self, ready: deque[Any]) -> Any:
        theirs: list[Any] = []
        found = None
        while ready and found is None:
            handle = ready.popleft()
            if handle._cancelled or self._others(handle):
                found = handle
            elif self._steps:
                self._steps -= 1
                found = handle
            else:
                theirs.append(handle)
                if not self.stands.done():
                    self.stands.set_result(None)
                    self._until_ns = self._clock.now_ns() + round(_MOST_S * 1e9)
        ready.extend(theirs)
        if found is not None:
            return found
        if self._loop.wake_next(self._until_ns):
            return ready.popleft()
        if self.others_wait is not None and not self.others_wait.done():
            self.others_wait.set_result(None)
            return ready.pop()
        return ready.popleft()

    def _others(self, handle: Any) -> bool:
        task = getattr(handle._callback, "__self__", None)
        return task is not self.task and (task is None or getattr(self.task, "_fut_waiter", None) is not task)


class Actor:
    """Makes one call after another as it is asked, as `conducting.Player` does, but in this process, by a client of the case."""

    def __init__(self, number: int, slot: Any, clock: VirtualClock, loop: VirtualLoop) -> None:
        self._number, self._clock, self._loop = number, clock, loop
        self._part = Part()
        self._part.driver = slot
        self._step = -1
        self._task: asyncio.Task[Told] | None = None
        self._standing: _Standing | None = None

    async def call(self, method: str, *arguments: Any) -> Told:
        """Make a call, and return what it was told: a result or an error. The steps of `killing.Step` count from 0."""
        self._step += 1
        return await self._make(method, arguments)

    async def begin(self, method: str, *arguments: Any, point: int = 0) -> str | None:
        """Begin a call. With a ``point``, counted from 1, let it stand still behind so many of its steps.

        Return where it stands; None without a point, or if the call ended before it.
        """
        self._step += 1
        if not point:
            self._task = self._loop.create_task(self._make(method, arguments))
            return None
        self._standing = self._loop.chooser = standing = _Standing(self._loop, self._clock, point)
        self._task = standing.task = self._loop.create_task(self._make(method, arguments))
        await _first_of(self._task, standing.stands)
        return None if self._task.done() else place_of(self._task).rpartition(" > ")[2]

    async def settle(self) -> bool:
        """Wait until the call that it has begun is ended, or waits for one that stands still. Say whether it is ended."""
        assert self._task is not None
        standing = self._loop.chooser
        if not isinstance(standing, _Standing):
            return True
        standing.others_wait = self._loop.create_future()
        await _first_of(self._task, standing.others_wait)
        standing.others_wait = None
        return self._task.done()

    async def end(self) -> Told:
        """Let a call that stands still go on; return what it was told when it has ended."""
        self.release()
        task, self._task = self._task, None
        if task is None:
            raise HarnessError("no call has begun that could end")
        return await task

    def release(self) -> None:
        """Let it stand still no more."""
        if self._standing is not None and self._loop.chooser is self._standing:
            self._loop.chooser = None
        self._standing = None

    async def leave(self) -> None:
        """Leave what was entered, when the call that was begun has ended."""
        self.release()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._part.entered.leave()

    async def _make(self, method: str, arguments: Sequence[Any]) -> Told:
        step, began_ns = self._step, self._clock.now_ns()
        given = filled_in(tuple(arguments), self._part.results)
        result: Any = None
        failed: Exception | None = None
        try:
            result = self._part.results[step] = await self._part.call(method, given)
        except Exception as error:
            failed = error
        (plain,) = self._part.entered.left_out((result,))
        return Told(self._number, step, method, given, began_ns, self._clock.now_ns(), plain, failed)


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


@contextlib.asynccontextmanager
async def actors(slots: Sequence[Any], clock: VirtualClock) -> AsyncIterator[list[Actor]]:
    """Let somebody make calls by each of these clients; afterwards nobody stands still, and what was entered is left."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise HarnessError("calls stand still on a loop of virtual time alone")
    made = [Actor(number, slot, clock, loop) for number, slot in enumerate(slots)]
    try:
        yield made
    finally:
        for actor in made:
            actor.release()
    for actor in made:
        await actor.leave()
