"""Carries out a `Plan`: tasks wait at the tap, before and after each call, and the plan says who goes next.

Only those who wait there are reordered, for there the real world could have been slower. Everything else (callbacks, hand-offs
of an ``asyncio.Lock`` or ``Queue``, tasks that begin) stays first come, first served, as asyncio promises. Timers stay honest:
time moves only when nobody waits.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from prism_testkit.plan import Plan

__all__ = ["FAIR", "Moment", "Scheduler"]

FAIR = 40
"""Choices for which a task may be passed over; then all who overtook it drop below it. Else a loop that polls looks like no end."""

Moment = Literal["before", "after"]
Task = asyncio.Task[Any]


@dataclass(slots=True, eq=False)
class Waiting:
    """A task at the tap."""

    task: Task
    number: int
    client: int
    operation: str
    moment: Moment
    since: int
    """Choices made before it came."""
    go: asyncio.Future[None] | None = None


class Scheduler(ABC):
    """Who waits, with what priority, and what became of the plan. One a case."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.steps = 0
        """Choices made so far."""
        self.overtaken: list[Waiting] = []
        """Calls that did not return in time, so that others went meanwhile; only over real servers."""
        self._waiting: dict[Task, Waiting] = {}
        """In the order in which they came."""
        self._numbers: dict[Task, int] = {}
        self._clients: list[int] = []
        self._priorities: list[tuple[int, int]] = []
        self._changes = dict(plan.changes)
        self._changed: list[tuple[int, Waiting]] = []
        self._demotions = 0

    @abstractmethod
    async def point(self, client: int, operation: str, moment: Moment) -> None:
        """Wait until the plan lets the running task go on."""

    def returned(self) -> None:  # noqa: B027 - only a gate minds
        """The running task's call is over, with a result or an error."""

    @abstractmethod
    def close(self) -> None:
        """Let everybody go: the case is over."""

    def _arrive(self, client: int, operation: str, moment: Moment) -> Waiting:
        task = asyncio.current_task()
        assert task is not None
        number = self._numbers.get(task)
        if number is None:
            number = self._numbers[task] = len(self._numbers)
            given = self.plan.priorities
            self._priorities.append((1, given[number] if number < len(given) else 0))
            self._clients.append(client)
        waiting = self._waiting[task] = Waiting(task, number, client, operation, moment, self.steps)
        return waiting

    def _best(self) -> Waiting:
        priorities = self._priorities
        return max(self._waiting.values(), key=lambda waiting: priorities[waiting.number])  # the first of equals

    def _choose(self) -> Waiting:
        """Take one step of the plan: return who goes next, who then waits no more."""
        self.steps += 1
        best = self._best()
        low = self._changes.get(self.steps)
        if low is not None:
            self._priorities[best.number] = (0, low)
            self._changed.append((self.steps, best))
            best = self._best()
        oldest = next(iter(self._waiting.values()))
        while self.steps - oldest.since > FAIR >= self.steps - best.since:
            self._demotions += 1
            self._priorities[best.number] = (-1, -self._demotions)
            best = self._best()
        del self._waiting[best.task]
        return best

    def told(self, label: Callable[[int], str]) -> str:
        """Say in words what the plan did; ``label`` names a client."""
        parts = [self._order(label)] if self.plan.priorities and len(self._numbers) > 1 else []
        changed = [f"at step {step}: {self._name(who, label)} waits {_where(who)}" for step, who in self._changed]
        missed = len(self._changes) - len(changed)
        if len(changed) == 1:
            parts.append(f"one preemption {changed[0]}")
        elif changed:
            parts.append(f"{len(changed)} preemptions, {'; '.join(changed)}")
        if missed:
            parts.append(f"{missed} of {len(self._changes)} preemptions not reached in {self.steps} steps")
        if self.overtaken:
            slow = ", ".join(f"{who.operation} of {self._name(who, label)}" for who in self.overtaken)
            parts.append(f"others went while the server held {slow}")
        return "; ".join(parts) or str(self.plan)

    def _order(self, label: Callable[[int], str]) -> str:
        given = [*self.plan.priorities, *[0] * len(self._numbers)][: len(self._numbers)]
        ranks = sorted(set(given), reverse=True)
        names = [" and ".join(self._task(n, label) for n, value in enumerate(given) if value == rank) for rank in ranks]
        if ranks[-1] == 0 and given.count(0) > 1:
            names[-1] = "the others"
        return " before ".join(names) if len(names) > 1 else "no priority"

    def _name(self, who: Waiting, label: Callable[[int], str]) -> str:
        return self._task(who.number, label)

    def _task(self, number: int, label: Callable[[int], str]) -> str:
        client = self._clients[number]
        same = [other for other, its in enumerate(self._clients) if its == client]
        name = label(client)
        return name if len(same) == 1 else f"{name} (its task {same.index(number) + 1})"


def _where(who: Waiting) -> str:
    return f"{who.moment} its {who.operation}"
