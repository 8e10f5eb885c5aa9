"""The life of a client that makes requests: what is in hand is known by its task, and is cancelled there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.interfaces import Closed, Drained, Health, Lifecycle
from prism_testkit.naming import check_timeout

__all__ = ["Call", "Living"]


@dataclass(eq=False)
class Call:
    """One call in hand. ``cut``: drain or close asked its task to leave it."""

    task: "asyncio.Task[Any]"
    cut: bool = False
    ended_by_cut: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Living(Lifecycle):
    """Calls enter `in_hand`; what they do inside is cancelled if they have to end."""

    def __init__(self) -> None:
        self.hand: dict[asyncio.Task[Any], Call] = {}
        self.drained = self.closed = False

    @contextmanager
    def in_hand(self, operation: str, begun: bool = False) -> Iterator[None]:
        """Be a call; ``begun``: one that finishes what was begun before."""
        self.admit(operation, begun)
        task = asyncio.current_task()
        assert task is not None
        if task in self.hand:  # the chunks of an upload make a call: it counts with it
            yield
            return
        call = self.hand[task] = Call(task)
        try:
            yield
        except asyncio.CancelledError:
            call.ended_by_cut = call.cut
            if not call.cut or task.cancelling() > 1:
                raise
            raise Closed(f"gateway: {operation}: it was closed meanwhile") from None
        finally:
            del self.hand[task]
            if call.cut:
                task.uncancel()
            call.over.set()

    def admit(self, operation: str, begun: bool) -> None:
        if self.closed or (self.drained and not begun):
            raise Closed(f"gateway: {operation}: it is {'closed' if self.closed else 'drained'}")

    def cut(self, calls: list[Call]) -> None:
        for call in calls:
            if not call.over.is_set() and not call.cut:
                call.cut = True
                call.task.cancel()

    def others(self) -> list[Call]:
        """What is in hand, but for the call that the caller is in."""
        return [call for task, call in self.hand.items() if task is not asyncio.current_task()]

    async def open(self) -> None:
        if self.closed:
            raise Closed("gateway: open: it is closed")

    async def health(self) -> Health:
        if self.closed or self.drained:
            return Health("unhealthy", "it is closed" if self.closed else "it is drained")
        return Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = check_timeout(timeout_s, "drain", "gateway")
        self.drained = True
        calls = self.others()
        if not calls:
            return Drained(0, 0)
        waiting = [asyncio.ensure_future(call.over.wait()) for call in calls]
        try:
            await asyncio.wait(waiting, timeout=min(timeout_s, 1e6))
            self.cut(calls)
            await asyncio.wait(waiting)
        finally:
            for each in waiting:
                each.cancel()
        aborted = sum(call.ended_by_cut for call in calls)
        return Drained(len(calls) - aborted, aborted)

    async def close(self) -> None:
        self.closed = True
        calls = self.others()
        self.cut(calls)
        for call in calls:
            await call.over.wait()
