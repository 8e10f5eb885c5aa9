"""A plan over real servers: the calls of a case pass one gate, and the plan says who is let through next."""

import asyncio
from typing import Any

from prism_testkit.plan import Plan
from prism_testkit.scheduling import FAIR, Moment, Scheduler, Waiting

__all__ = ["PATIENCE_S", "Gate"]

PATIENCE_S = 0.05
"""Seconds for which one call may be under way before others go: it may be waiting, in the server, for one of them."""


class Gate(Scheduler):
    """Lets one call at a time into the server, and one answer at a time out to whoever asked.

    The next one is chosen when no call is under way and the loop has nothing else to run, so that whoever was let go has come
    back to the tap, or waits for something else. What is not at the tap for `FAIR` turns of the loop is not waited for. A call
    that has not returned within ``patience_s`` is left alone, and stands in ``overtaken``; its answer comes when it comes.
    """

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop, patience_s: float = PATIENCE_S) -> None:
        super().__init__(plan)
        self._loop = loop
        self._patience_s = patience_s
        self._under_way: dict[asyncio.Task[Any], Waiting] = {}
        self._alarm: asyncio.Handle | None = None
        self._closed = False

    async def point(self, client: int, operation: str, moment: Moment) -> None:
        if self._closed:
            return
        waiting = self._arrive(client, operation, moment)
        waiting.go = self._loop.create_future()
        self._under_way.pop(waiting.task, None)
        self._set(self._loop.call_soon(self._look, 0))
        await waiting.go

    def returned(self) -> None:
        task = asyncio.current_task()
        if task is not None and self._under_way.pop(task, None) is not None and not self._closed:
            self._set(self._loop.call_soon(self._look, 0))

    def close(self) -> None:
        self._closed = True
        self._set(None)
        for waiting in self._waiting.values():
            if waiting.go is not None and not waiting.go.done():
                waiting.go.set_result(None)
        self._waiting.clear()

    def _set(self, alarm: asyncio.Handle | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = alarm

    def _look(self, turns: int) -> None:
        """Let somebody through if it is time."""
        for waiting in [waiting for waiting in self._waiting.values() if waiting.go is None or waiting.go.cancelled()]:
            del self._waiting[waiting.task]
        if self._under_way:
            self._set(self._loop.call_later(self._patience_s, self._lose_patience))
        elif turns < FAIR and getattr(self._loop, "_ready", turns < 5):  # private to asyncio; another loop gets five turns
            self._set(self._loop.call_soon(self._look, turns + 1))
        elif self._waiting:
            self._let_through(self._choose())

    def _let_through(self, chosen: Waiting) -> None:
        assert chosen.go is not None
        if chosen.moment == "before":
            self._under_way[chosen.task] = chosen
        chosen.go.set_result(None)
        self._set(self._loop.call_soon(self._look, 0))

    def _lose_patience(self) -> None:
        self.overtaken += self._under_way.values()
        self._under_way.clear()
        self._look(0)
