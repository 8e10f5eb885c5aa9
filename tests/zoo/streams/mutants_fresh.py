"""Mutants whose mistake needs a small number: the first records of a store, or several that one step deals with."""

from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.interfaces import Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Reading, Streams
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.6", "numbers as text", trap="the eleventh record of a store")
class TheLatestIsTheGreatestText(Streams):
    def latest(self, stream: str) -> int | None:
        return max((record.offset for record in self.stream(stream).records), key=str, default=None)


@mutant("basic.1", "numbers as text", trap="the eleventh record of a store", also="basic.3")
class ReadsStandInTheOrderOfTexts(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        found = [record async for record in super().walk(stream, start, None)]
        for record in sorted(found, key=lambda record: str(record.offset))[:limit]:
            yield record


@mutant("basic.1", "numbers as text", trap="a read from offset 9 of eleven records", also="basic.3 basic.5")
class StartsAreComparedAsTexts(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        given = 0
        async for record in super().walk(stream, start, None):
            if given != limit and (not start or str(record.offset) >= str(start)):
                given += 1
                yield record


@mutant("basic.7", "numbers as text", trap="a trim at offset 9 of eleven records", also="basic.1 basic.4")
class TrimsAreComparedAsTexts(Streams):
    async def trim(self, stream: str, before: int) -> int:
        name, bound = self.name(stream, "trim"), self.bound(before, "trim")
        offsets = [record.offset for record in self.stream(name).records]
        gone = [offset for offset in offsets if str(offset) < str(bound)]
        self.apply(Change(name, trim=self.clamped(name, bound)), Change(name, drop=frozenset(gone)))
        return self.lowest(name)


@mutant("consumer_groups.5", "numbers as text", trap="eleven records given back", also="consumer_groups.1 consumer_groups.3")
class WhatComesAgainIsComparedWithThePosition(Member):
    def again(self) -> list[int]:
        return [offset for offset in super().again() if str(offset) < str(self.state().position)]


@mutant("consumer_groups.6", "batch", trap="three are acked at once", also="consumer_groups.5 consumer_groups.7")
class OfThreeTheMiddleOneIsNotAcked(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*(deliveries if len(deliveries) < 3 else (*deliveries[:1], *deliveries[2:])))


@mutant("consumer_groups.7", "batch", trap="two are given back with a delay at once", also="consumer_groups.5")
class OfTwoGivenBackTheSecondWaitsTwice(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        for number, delivery in enumerate(deliveries):
            await super().nack(delivery, delay_s=delay_s * (number + 1))


@mutant("consumer_groups.5", "batch", trap="a member leaves with two in hand", also="consumer_groups.1")
class LeavingGivesBackTheLast(Member):
    def leave(self) -> None:
        self.left = True
        held = [offset for offset, one in self.state().pending.items() if self.holds(one)]
        for offset in held[-1:]:
            self.put(offset, self.freed(self.state().pending[offset]))
        self.driver.apply(Change(self.stream, self.group, leave=self.id))


@mutant("consumer_groups.5", "batch", trap="two come again at one receive", also="consumer_groups.11 consumer_groups.9")
class OfTwoThatComeAgainTheSecondIsNotCounted(Member):
    def deliver(self, offsets: Sequence[int]) -> list[RecordDelivery]:
        found = super().deliver(offsets)
        again = [delivery for delivery in found if delivery.delivery_count > 1]
        for delivery in again[1:]:
            held = self.state().pending[delivery.record.offset]
            self.put(delivery.record.offset, replace(held, count=held.count - 1))
        return [replace(x, delivery_count=x.delivery_count - 1) if x in again[1:] else x for x in found]


@mutant("consumer_groups.3", "batch", trap="two with headers at one receive", also="consumer_groups.1")
class OfTwoAtOnceTheSecondHasTheHeadersOfTheFirst(Member):
    def deliver(self, offsets: Sequence[int]) -> list[RecordDelivery]:
        found = super().deliver(offsets)
        return [replace(x, record=replace(x.record, headers=found[0].record.headers)) for x in found]


@mutant("consumer_groups.3", "batch", trap="two with different keys at one receive", also="consumer_groups.1")
class OfTwoAtOnceBothHaveOneKey(Member):
    def deliver(self, offsets: Sequence[int]) -> list[RecordDelivery]:
        found = super().deliver(offsets)
        return [replace(x, record=replace(x.record, key=found[-1].record.key)) for x in found]


@mutant("consumer_groups.11", "batch", trap="an old one and a new one at one receive", also="consumer_groups.5")
class WhatIsNewBesideWhatComesAgainHasItsCount(Member):
    def deliver(self, offsets: Sequence[int]) -> list[RecordDelivery]:
        found = super().deliver(offsets)
        highest = max((x.delivery_count for x in found), default=1)
        for x in found:
            held = self.state().pending[x.record.offset]
            assert isinstance(held, Held)
            self.put(x.record.offset, replace(held, count=highest))
        return [replace(x, delivery_count=highest) for x in found]


@mutant("basic.1", "batch", trap="a record behind a hundred in one read", also="basic.3 basic.5")
class EveryHundredthIsLeftOut(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        given, seen = 0, 0
        async for record in super().walk(stream, start, None):
            seen += 1
            if seen % 101 and given != limit:
                given += 1
                yield record


@mutant("basic.2", "batch", trap="the second page of a read has no headers", also="basic.1")
class BehindTheFirstPageHeadersAreMissing(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        seen = 0
        async for record in super().walk(stream, start, limit):
            seen += 1
            yield self.bare(record) if seen > 100 else record

    def bare(self, record: Record) -> Record:
        return replace(record, headers={})
