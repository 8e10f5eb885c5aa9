"""A plan on a loop of virtual time: whoever waits at the tap takes a turn in the loop's own queue, and the plan deals the turns."""

import asyncio
from collections import deque
from typing import Any

from prism_testkit.plan import Plan
from prism_testkit.schedules import VirtualLoop
from prism_testkit.scheduling import FAIR, Moment, Scheduler

__all__ = ["Turns"]


class Turns(Scheduler):
    """Deals the turns of a `VirtualLoop`. Without a deviation the order is that of ``asyncio.sleep(0)``, to the step.

    A task that waits stands in the loop's queue like any other; when a turn of one who waits comes up, whoever the plan chooses
    takes it, and the other one takes the turn of the chosen. So nothing else moves, with one exception: while something of a
    higher priority than all who wait is about to run elsewhere, such as a task in the middle of a call, turns are put off, for
    whoever gives way would else overtake it there. At most `FAIR` times in a row for each who waits.
    """

    def __init__(self, plan: Plan, loop: VirtualLoop) -> None:
        super().__init__(plan)
        self._loop = loop
        self._put_off = 0
        loop.chooser = self

    async def point(self, client: int, operation: str, moment: Moment) -> None:
        if self._loop.chooser is self:
            self._arrive(client, operation, moment)
        await asyncio.sleep(0)

    def close(self) -> None:
        self._waiting.clear()
        if self._loop.chooser is self:
            self._loop.chooser = None

    def next(self, ready: deque[Any]) -> Any:
        """Take the handle that runs next out of the loop's queue."""
        while True:
            handle = ready.popleft()
            if _task_of(handle) not in self._waiting:
                return handle
            if not self._puts_off(ready):
                break
            self._put_off += 1
            ready.append(handle)
        self._put_off = 0
        chosen = self._choose()
        if _task_of(handle) is chosen.task:
            return handle
        place = next(place for place, other in enumerate(ready) if _task_of(other) is chosen.task)
        theirs, ready[place] = ready[place], handle
        return theirs

    def _puts_off(self, ready: deque[Any]) -> bool:
        """Say whether something of a higher priority than all who wait is about to run."""
        if self._put_off >= FAIR * len(self._waiting):
            return False
        best = self._priorities[self._best().number]
        tasks = [_task_of(handle) for handle in ready]
        return any(best < self._priority(task) for task in tasks if task not in self._waiting)

    def _priority(self, task: Any) -> tuple[int, int]:
        number = self._numbers.get(task)
        if number is not None:
            return self._priorities[number]
        # Who has not been at the tap yet has the priority that all begin with. A callback may be about to wake anybody.
        if isinstance(task, asyncio.Task):
            return _UNKNOWN
        return max((self._priorities[n] for other, n in self._numbers.items() if other not in self._waiting), default=_UNKNOWN)


_UNKNOWN = (1, 0)


def _task_of(handle: Any) -> Any:
    """Return the task that a handle steps, None for any other callback, which may be a method of something without a hash."""
    owner = getattr(handle._callback, "__self__", None)
    return owner if isinstance(owner, asyncio.Task) else None
