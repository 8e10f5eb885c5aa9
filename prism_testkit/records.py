"""What is known of one case: its arguments, its story, and what became of it."""

import math
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.case import Case
from prism_testkit.faults import Faults
from prism_testkit.histories import Entry, History
from prism_testkit.plan import Plan
from prism_testkit.reports.text import show

__all__ = ["CaseRecord"]


@dataclass
class CaseRecord:
    """What is known of one case when it is over."""

    arguments: dict[str, Any]
    namespace: str = ""
    history: History | None = None
    notes: list[str] = field(default_factory=list)
    error: Exception | None = None
    case: Case | None = None
    faults: Faults | None = None
    """What befell the calls of a pattern, and which calls there were."""
    _frozen: list[Entry] | None = None
    _told: list[Entry] | None = None
    _waiter: object = None
    _waiter_since_s: float = 0.0

    @property
    def entries(self) -> list[Entry]:
        """The calls so far, or as they stood at `freeze`."""
        if self._frozen is not None:
            return self._frozen
        return self.history.entries if self.history is not None else []

    @property
    def story(self) -> list[Entry]:
        """The calls so far, and what was done beside them, or as all that stood at `freeze`."""
        if self._told is not None:
            return self._told
        return self.history.told if self.history is not None else []

    def freeze(self) -> None:
        """Keep the calls as they stand: cancelling what hangs would end them all."""
        self._frozen, self._told = self.entries, self.story

    def told(self, plan: Plan) -> str:
        """Say in words what a plan among the arguments did."""
        scheduler = self.case.scheduler if self.case is not None else None
        if scheduler is None or self.history is None or scheduler.plan != plan:
            return str(plan)
        labels = self.history.labels
        return scheduler.told(lambda client: labels.get(client) or f"client {client}")

    def pending(self) -> str:
        """Name the call that never returned."""
        waiting = [entry for entry in self.entries if not entry.returned]
        return _spell(waiting[-1]) if waiting else ""

    def patient(self, now_s: float, wakings: int) -> str:
        """Tell of a call that may go on waiting, and looks again so often that its time does not come to an end here."""
        waiting = [(entry, now_s - entry.called_s) for entry in self.entries if not entry.returned]
        times = {id(entry): _longest(entry) for entry, _ in waiting}
        if wakings < _MOST_WAKINGS or not waiting or any(passed >= times[id(entry)] for entry, passed in waiting):
            return ""
        entry, passed = waiting[-1]
        return (
            f"{_spell(entry)} waits by looking again, {wakings:,} times in {passed:.3g} s, and {times[id(entry)]:g} s of that take "
            "too many turns of the virtual clock: look less often, or be woken by an event (docs/backends.md, Time)"
        )

    def hopeless(self, now_s: float, waiter: object) -> bool:
        """Say whether all calls that have not returned wait for days longer than they were asked to, while time alone goes on.

        So it is where a call waits for ever beside somebody who looks for something to do every minute. Where a pattern waits for
        something of its own, and for no call, ``waiter`` is what the case waits for, and has been for days.
        """
        waiting = [entry for entry in self.entries if not entry.returned]
        if waiting:
            return all(now_s - entry.called_s > _longest(entry) + _DAYS_S for entry in waiting)
        if waiter is None or waiter is not self._waiter:
            self._waiter, self._waiter_since_s = waiter, now_s
        return waiter is not None and now_s - self._waiter_since_s > _DAYS_S

    def raised_by(self, error: BaseException) -> str:
        """Name the call that raised ``error``."""
        return next((_spell(entry) for entry in reversed(self.story) if entry.error is error), "")


_DAYS_S = 3 * 86_400.0
_MOST_WAKINGS = 1_000
"""Whoever has let time pass so often in one case waits by looking again."""


def _longest(entry: Entry) -> float:
    """Return the longest time that a call was given to wait: the greatest number among its arguments, 0 without one."""
    numbers = (value for value in (*entry.args, *entry.kwargs.values()) if isinstance(value, float | int))
    return max((float(value) for value in numbers if math.isfinite(value)), default=0.0)


def _spell(entry: Entry) -> str:
    values = [show(value) for value in entry.args] + [f"{name}={show(value)}" for name, value in entry.kwargs.items()]
    return f"{entry.op}({', '.join(values)})"
