"""Mutants that forget what nobody touched for a while: an hour, a day, a month."""

from dataclasses import replace
from typing import Any

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Change, Group, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
HOUR_S, DAY_S = 3_600.0, 86_400.0


class _Touched(Streams):
    """Knows when each group was last written."""

    def apply(self, *changes: Change) -> None:
        touched = self.store.notes.setdefault(("touched", self.namespace), {})
        touched.update({(change.stream, change.group): self.now() for change in changes})
        super().apply(*changes)

    def idle(self, *key: Any) -> float:
        """Return for how many seconds nobody wrote this."""
        return self.now() - float(self.store.notes.get(("touched", self.namespace), {}).get(key, self.now()))


@mutant("consumer_groups.1", "expiry", trap="a group without a member, a week later", also="consumer_groups.2 consumer_groups.5")
class GroupsWithoutMembersLastAWeek(_Touched):
    def group(self, stream: str, group: str) -> Group:
        found = super().group(stream, group)
        if not found.members and self.idle(stream, group) > 7 * DAY_S:
            del self.stream(stream).groups[group]
        return super().group(stream, group)


@mutant("consumer_groups.5", "expiry", trap="the count of what came back a day ago", also="consumer_groups.3")
class CountsLastADay(Member):
    def counted(self, held: Held | None) -> int:
        since = self.driver.store.notes.setdefault(("since", self.driver.namespace, self.stream, self.group), {})
        at = since.get(held, self.driver.now())
        return 1 if held is not None and self.driver.now() - at > DAY_S else super().counted(held)

    def freed(self, held: Held, delay_s: float = 0) -> Held:
        since = self.driver.store.notes.setdefault(("since", self.driver.namespace, self.stream, self.group), {})
        freed = super().freed(held, delay_s)
        since[freed] = self.driver.now()
        return freed


@mutant("consumer_groups.4", "expiry", trap="what a member holds for an hour", also="consumer_groups.1")
class WhatIsHeldForAnHourComesAgain(Member):
    def one(self, offset: int) -> Any:
        found = super().one(offset)
        self.driver.store.notes.setdefault(("held", self.driver.namespace), {})[found.token] = self.driver.now()
        return found

    def again(self) -> list[int]:
        kept = self.driver.store.notes.setdefault(("held", self.driver.namespace), {})
        for offset, held in list(self.state().pending.items()):
            if isinstance(held, Held) and held.member and self.driver.now() - kept.get(held.token, self.driver.now()) > HOUR_S:
                self.put(offset, replace(held, member=0))
        return super().again()


@mutant("basic.1", "expiry", trap="a record of a year ago", also="basic.4")
class RecordsLastAYear(Streams):
    def lowest_young(self, stream: str) -> None:
        old = [r.offset for r in self.stream(stream).records if self.store.clock.now_ms() - r.appended_ms > 365 * DAY_S * 1000]
        if old:
            super().apply(Change(stream, trim=old[-1] + 1))

    def first(self, stream: str, start: int, end: int) -> Any:
        self.lowest_young(stream)
        return super().first(stream, start, end)
