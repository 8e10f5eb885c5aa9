"""Mutants that are right the first time: a record that came twice, a second nack, another trim, another join."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.interfaces import GroupInfo, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("consumer_groups.8", "missing check", trap="an ack of what another holds for the second time", also="consumer_groups.4")
class LaterDeliveriesAreByOffset(Member):
    def held(self, delivery: RecordDelivery) -> Held | None:
        found = self.state().pending.get(delivery.record.offset)
        if delivery.count > 1 and isinstance(found, Held) and found.member:
            return found
        return super().held(delivery)

    def stranger(self, delivery: RecordDelivery) -> bool:
        return False


@mutant("consumer_groups.7", "forgotten", trap="a second nack with a delay", also="consumer_groups.5")
class ASecondDelayIsNone(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        return super().freed(held, delay_s if held.count == 1 else 0)


@mutant("consumer_groups.7", "stale state", trap="a second nack without a delay", also="consumer_groups.5")
class TheFirstDelayStays(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        delays = self.driver.store.notes.setdefault(("delays", self.driver.namespace, self.stream, self.group), {})
        return super().freed(held, delays.setdefault(held.count > 1 and held.token, delay_s))


@mutant("consumer_groups.5", "counter", trap="a fourth delivery", also="consumer_groups.7")
class CountsToThree(Member):
    def counted(self, held: Held | None) -> int:
        return min(3, super().counted(held))


@mutant("consumer_groups.3", "lost on the way", trap="the headers of a third delivery", also="consumer_groups.1")
class HeadersLastForTwoDeliveries(Member):
    def one(self, offset: int) -> RecordDelivery:
        found = super().one(offset)
        return replace(found, record=replace(found.record, headers={})) if found.count > 2 else found


@mutant(
    "consumer_groups.5", "forgotten", trap="the second member of a label that leaves", also="consumer_groups.4 consumer_groups.11"
)
class WhatALaterLeaverHeldStays(Member):
    def leave(self) -> None:
        leavers = self.driver.store.notes.setdefault(("leavers", self.driver.namespace, self.stream, self.group), set())
        if self.consumer in leavers:
            for offset, held in list(self.state().pending.items()):
                if isinstance(held, Held) and self.holds(held):
                    self.put(offset, replace(held, member=-1))
        leavers.add(self.consumer)
        super().leave()


@mutant("basic.7", "forgotten", trap="a second trim", also="basic.8")
class ASecondTrimIsNone(Streams):
    async def trim(self, stream: str, before: int) -> int:
        trims = self.store.notes.setdefault(("trims", self.namespace), {})
        trims[stream] = trims.get(stream, 0) + 1
        return await super().trim(stream, before if trims[stream] == 1 else 0)


@mutant("basic.6", "cache", trap="a third look at the latest offset", also="basic.12")
class EachThirdLatestIsTheOneBefore(Streams):
    async def latest_offset(self, stream: str) -> int | None:
        looks = self.store.notes.setdefault(("looks", self.namespace), {})
        count, before = looks.get(stream, (0, None))
        found = await super().latest_offset(stream)
        if count % 3 == 2 and before is not None:
            found = before
        looks[stream] = count + 1, found
        return found


@mutant("consumer_groups.11", "cache", trap="a group that is looked at thrice")
class EachThirdInfoIsTheOneBefore(Streams):
    async def group_info(self, stream: str, group: str) -> GroupInfo:
        looks = self.store.notes.setdefault(("infos", self.namespace), {})
        count, before = looks.get((stream, group), (0, None))
        found = await super().group_info(stream, group)
        if count % 3 == 2 and before is not None:
            found = before
        looks[stream, group] = count + 1, found
        return found


@mutant("consumer_groups.6", "forgotten", trap="an ack of a second delivery", also="consumer_groups.5")
class AcksOfLaterDeliveriesLastUntilTheLeave(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        if delivery.count == 1:
            super().confirm(delivery)
        else:
            held = self.held(delivery)
            assert held is not None
            self.put(delivery.record.offset, replace(held, member=-self.id))

    def leave(self) -> None:
        for offset, held in list(self.state().pending.items()):
            if isinstance(held, Held) and held.member == -self.id:
                self.put(offset, replace(held, member=self.id))
        super().leave()


@mutant("consumer_groups.4", "state", trap="a label that joins for the third time", also="consumer_groups.1 consumer_groups.11")
class ASecondMemberOfALabelSkipsWhatIsNew(Streams):
    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        joins = self.store.notes.setdefault(("joins", self.namespace), {})
        joins[stream, group, consumer] = joins.get((stream, group, consumer), 0) + 1
        async with super().join(stream, group, consumer) as member:
            if joins[stream, group, consumer] == 3:
                member.take(1)
            yield member
