"""The calls in hand of a depot: who came in, who is sent away, and how a drain waits for them."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from prism_testkit.clock import Clock
from prism_testkit.interfaces import Closed, Drained

__all__ = ["Desk"]


@dataclass(eq=False)
class Call:
    """One call in hand. ``sent``: it was sent away, and so ended by the desk."""

    task: asyncio.Task[object]
    new: bool
    sent: bool = False
    ended_so: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Desk:
    """Lets calls in while it is open."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: set[Call] = set()
        self.opened = False
        self.drained = False
        self.closed = False

    def check(self, what: str) -> None:
        if self.closed or not self.opened:
            raise Closed(f"{what}: the claim check is {'closed' if self.closed else 'not open'}")

    @contextlib.asynccontextmanager
    async def call(self, what: str, *, new: bool = False) -> AsyncIterator[None]:
        self.check(what)
        if new and self.drained:
            raise Closed(f"{what}: the claim check takes no new work")
        task = asyncio.current_task()
        assert task is not None
        call = Call(task, new)
        self._calls.add(call)
        try:
            yield
        except asyncio.CancelledError:
            if not call.sent or task.uncancel():
                raise
            call.ended_so = True
            raise Closed(f"{what}: the claim check was closed meanwhile") from None
        finally:
            self._calls.discard(call)
            call.done.set()

    async def drain(self, timeout_s: float) -> Drained:
        if not math.isfinite(timeout_s):
            raise ValueError(f"timeout_s: {timeout_s} is not finite")
        self.drained = True
        calls = [call for call in self._calls if call.new]
        if calls and timeout_s > 0:
            timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
            idle = asyncio.ensure_future(_all_done(calls))
            try:
                await asyncio.wait((timer, idle), return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                idle.cancel()
        await self._send_away(calls)
        aborted = sum(call.ended_so for call in calls)
        return Drained(completed=len(calls) - aborted, aborted=aborted)

    async def close(self) -> None:
        self.closed = True
        await self._send_away(list(self._calls))

    async def _send_away(self, calls: list[Call]) -> None:
        mine = asyncio.current_task()
        for call in calls:
            if call in self._calls and call.task is not mine:
                call.sent = True
                call.task.cancel()
        await _all_done([call for call in calls if call.sent])


async def _all_done(calls: list[Call]) -> None:
    for call in calls:
        await call.done.wait()
