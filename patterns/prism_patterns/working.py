"""The calls that a pattern has in hand, counted, so that it can be drained and closed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prism_testkit.clock import Clock
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.lifecycle import Drained

__all__ = ["Work"]


class Work:
    """Open, draining, closed; and who is at work."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._state: Literal["new", "open", "draining", "closed"] = "new"
        self._tasks: dict[asyncio.Task[object], int] = {}

    @property
    def closed(self) -> bool:
        return self._state == "closed"

    def open(self) -> None:
        self._state = "open"

    def close(self) -> None:
        self._state = "closed"

    def check(self, operation: str) -> None:
        """Raise `Closed` unless new work is taken."""
        if self._state != "open":
            raise Closed(f"{self._what}: {operation}: it is {'not open' if self._state == 'new' else self._state}")

    def check_open(self, operation: str) -> None:
        """Raise `Closed` unless what was begun may go on."""
        if self._state not in ("open", "draining"):
            raise Closed(f"{self._what}: {operation}: it is {'not open' if self._state == 'new' else 'closed'}")

    @contextmanager
    def call(self, operation: str) -> Iterator[None]:
        """Count one call as in hand; what was received before a drain may still be acked."""
        (self.check if operation in ("publish", "sweep") else self.check_open)(operation)
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = self._tasks.get(task, 0) + 1
        try:
            yield
        finally:
            self._tasks[task] -= 1
            if not self._tasks[task]:
                del self._tasks[task]

    async def drain(self, timeout_s: float, clock: Clock) -> Drained:
        """Take no new work; wait up to ``timeout_s`` for what is in hand, then cancel it."""
        if self._state == "open":
            self._state = "draining"
        me = asyncio.current_task()
        in_hand = {task for task in self._tasks if task is not me}
        end_s = clock.now_s() + max(0.0, timeout_s)
        wait_s = 0.001
        while in_hand & self._tasks.keys() and clock.now_s() < end_s:
            await clock.sleep(min(wait_s, end_s - clock.now_s()))
            wait_s = min(2 * wait_s, 0.1)
        late = in_hand & self._tasks.keys()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return Drained(len(in_hand) - len(late), len(late))
