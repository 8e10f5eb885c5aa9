"""Mutants that forget what nobody touched for a while: a minute, an hour, a day, a month."""

from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Changes, Config, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
HOUR_S, DAY_S = 3_600.0, 86_400.0


class _Touched(Queue):
    """Knows when each row, and each configuration, was last written."""

    def apply(self, changes: Changes) -> None:
        touched = self.store.notes.setdefault(("touched", self.namespace), {})
        touched.update(dict.fromkeys(changes, self.now()))
        super().apply(changes)

    def idle(self, *key: Any) -> float:
        """Return for how many seconds nobody wrote this."""
        return self.now() - float(self.store.notes.get(("touched", self.namespace), {}).get(key, self.now()))


@mutant("visibility.1", "expiry", trap="the attempts of a message that nobody took for an hour", also="visibility.3 visibility.7")
class AttemptsAreForgottenInAnHour(_Touched):
    def lease(self, row: Row, seconds: float) -> Lease:
        if self.idle(row.queue, row.id) > HOUR_S:
            row = replace(row, attempts=0)
        return super().lease(row, seconds)


@mutant("dead_letter.6", "expiry", trap="a configuration of yesterday", also="dead_letter.1")
class ConfigurationsLastADay(_Touched):
    def config(self, queue: str) -> Config | None:
        return None if self.idle(queue, "") > DAY_S else super().config(queue)


@mutant("dead_letter.4", "expiry", trap="what died a week ago", also="dead_letter.5 dead_letter.3")
class TheDeadOfAWeekAreNotListed(_Touched):
    def dead(self, queue: str) -> list[Row]:
        return [row for row in super().dead(queue) if self.idle(row.queue, row.id) <= 7 * DAY_S]


@mutant("priority.1", "aging", trap="a message of a low priority that waited for an hour")
class PrioritiesGrowWithAge(_Touched):
    def order(self, row: Row) -> Any:
        return -row.priority - int(self.idle(row.queue, row.id) / HOUR_S), row.place


@mutant("basic.1", "expiry", trap="a message that nobody took for a month", also="basic.2 basic.3")
class MessagesLastAMonth(_Touched):
    def rows(self, queue: str) -> list[Row]:
        return [row for row in super().rows(queue) if row.token or row.due or self.idle(queue, row.id) <= 30 * DAY_S]


@mutant("visibility.6", "expiry", trap="a lease that is extended again and again, for a day", also="visibility.2")
class LeasesLastTwelveHoursInAll(_Touched):
    async def extend(self, lease: Lease, seconds: float) -> None:
        begun = self.store.notes.setdefault(("begun", self.namespace), {})
        row = self.held(lease, "extend")
        first = begun.setdefault(row.token, self.now())
        await super().extend(lease, seconds)
        held = self.held(lease, "extend")
        self.put(replace(held, until=min(held.until, first + 2 * HOUR_S * 12)))
