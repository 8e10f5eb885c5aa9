"""Mutants of `StreamConsumerGroups` whose members wait, receive, nack or end wrongly."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.interfaces import Conflict, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams, step
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _g(*numbers: int) -> str:
    return " ".join(f"consumer_groups.{number}" for number in numbers)


# 7: delays


@mutant("consumer_groups.7", "missing step", trap="a nack with a delay")
class IgnoresTheDelay(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        return super().freed(held)


@mutant("consumer_groups.7", "boundary", trap="a nack with a delay, looked for just before its end")
class DelayEndsEarly(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        return super().freed(held, delay_s - 0.05)


@mutant("consumer_groups.7", "truncation", trap="a delay that is no whole number of seconds")
class DelayInWholeSeconds(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        return super().freed(held, float(int(delay_s)))


@mutant("consumer_groups.7", "cap", trap="a long delay")
class DelayIsAtMostAMinute(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        return super().freed(held, min(delay_s, 60.0))


@mutant("consumer_groups.7", "blocking", trap="a delayed record before others", also=_g(10, 1))
class DelayHoldsUpOthers(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        return [] if self.instants() else super().take(most)


@mutant("consumer_groups.7", "wrong condition", trap="a delayed record; its member looks, and another one does", also=_g(5))
class DelayIsForTheMemberOnly(Member):
    """Others are given the record before its delay."""

    def again(self) -> list[int]:
        pending = self.state().pending
        marks = self.driver.store.notes
        found = super().again()
        early = [o for o, held in pending.items() if not held.member and o not in found and marks.get((id(pending), o)) != self.id]
        return sorted([*found, *(o for o in early if self.driver.stream(self.stream).find(o) is not None)])

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        self.driver.store.notes[id(self.state().pending), delivery.record.offset] = self.id
        super().give_back(delivery, held, delay_s)


@mutant("consumer_groups.7", "missing check", trap="a delay that is no number")
class TakesAnyDelay(Member):
    def delay(self, delay_s: float) -> float:
        return delay_s if abs(delay_s) < 1e9 else 0.0


@mutant("consumer_groups.7", "wrong error", trap="a negative delay")
class NegativeDelayIsAnError(Member):
    def delay(self, delay_s: float) -> float:
        if super().delay(delay_s) < 0:
            raise ValueError("zoo: nack: negative")
        return delay_s


@mutant("consumer_groups.7", "wrong moment", trap="a delayed record, and a receive that waits for it", also=_g(10))
class DelayedIsSeenAtTheNextCall(Member):
    """A receive that waits is not woken by the end of a delay."""

    def instants(self) -> list[float]:
        return []


@mutant("consumer_groups.7", "shared", trap="two records nacked with different delays", also=_g(5))
class OneDelayForAll(Member):
    """The last delay holds for all that this group has to give again."""

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        super().give_back(delivery, held, delay_s)
        due = self.state().pending[delivery.record.offset].due
        for offset, other in list(self.state().pending.items()):
            if not other.member:
                self.put(offset, replace(other, due=due))


# 8: what belongs to others


@mutant("consumer_groups.8", "missing condition", trap="an ack of what another member holds", also=_g(4, 5, 6, 1))
class AnybodyMayAck(Member):
    """The offset is enough."""

    def held(self, delivery: RecordDelivery) -> Held | None:
        return self.state().pending.get(delivery.record.offset)

    def stranger(self, delivery: RecordDelivery) -> bool:
        return False


@mutant("consumer_groups.8", "stale token", trap="an old delivery acked after its record went to another", also=_g(4, 5, 6, 1))
class OldDeliveriesAck(Member):
    """A delivery that was given back still confirms the record, wherever it is."""

    def held(self, delivery: RecordDelivery) -> Held | None:
        return self.state().pending.get(delivery.record.offset) if delivery.token in self.given else None


@mutant("consumer_groups.8", "late effect", trap="an old delivery nacked after its record went to another", also=_g(4, 5, 6, 1))
class OldDeliveriesNack(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        for delivery in deliveries:
            held = self.state().pending.get(delivery.record.offset)
            if held is not None and held.member and delivery.token in self.given:
                self.give_back(delivery, held, 0)


@mutant("consumer_groups.8", "order of steps", trap="a stale delivery and a valid one in one ack", also=_g(6, 5))
class StaleDeliveryStopsTheRest(Member):
    """Of several the first that is not held ends the call, in silence."""

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.check_open("ack")
        for place, delivery in enumerate(deliveries):
            if self.held(delivery) is None:
                deliveries = deliveries[:place]
                break
        await super().ack(*deliveries)


# 10: receive


@mutant("consumer_groups.10", "boundary", trap="more records than were asked", also=_g(11))
class GivesOneMore(Member):
    def most(self, max_records: int) -> int:
        return super().most(max_records) + 1


@mutant("consumer_groups.10", "missing step", trap="more records to come again than were asked")
class RedeliversWithoutBound(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        again = self.again()
        return self.deliver([*again, *self.fresh(max(0, most - len(again)))])


@mutant("consumer_groups.10", "missing check", trap="max_records of 0")
class ZeroRecordsIsOne(Member):
    def most(self, max_records: int) -> int:
        return super().most(max(1, max_records) if isinstance(max_records, int) else max_records)


@mutant("consumer_groups.10", "waits", trap="a receive of more records than there are", also=_g(7))
class WaitsForAFullBatch(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        end = self.driver.after(timeout_s) if timeout_s > 0 else 0.0
        while 0 < len(found) < max_records and not self.driver.over(end):
            await self.pause(end)
            found += self.take(max_records - len(found))
        return found


@mutant("consumer_groups.10", "missing step", trap="a receive that waits, then an append")
class LooksOnlyOnce(Member):
    """Waits the whole time and looks at its end."""

    async def pause(self, end: float) -> None:
        await self.driver.store.clock.sleep(max(0.0, end - self.driver.now()))


@mutant("consumer_groups.10", "early", trap="a timeout, nothing there")
class TimesOutEarly(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        return await super().receive(max_records, timeout_s * 0.9)


@mutant("consumer_groups.10", "early", trap="a wake that brings nothing for this member", also=_g(7))
class GivesUpAtTheFirstWake(Member):
    """Returns nothing when it was woken for nothing: by an append to another stream, say."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records)
        if not found and timeout_s > 0:
            await self.pause(self.driver.after(timeout_s))
            found = await super().receive(max_records)
        return found


@mutant("consumer_groups.10", "missing check", trap="a timeout that is no number")
class NanTimeoutIsZero(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        return await super().receive(max_records, timeout_s if abs(timeout_s) < 1e300 else 0)


@mutant("consumer_groups.10", "wrong condition", trap="a receive that waits while another member's record comes back", also=_g(5))
class AsleepToWhatComesBack(Member):
    """Only appends wake a receive."""

    async def pause(self, end: float) -> None:
        before = self.driver.stream(self.stream).end
        while self.driver.stream(self.stream).end == before and not self.driver.over(end):
            await super().pause(end)


# 12: trimmed records


@mutant("consumer_groups.12", "wrong error", trap="an ack of a record that was trimmed")
class AckOfTrimmedFails(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries)
        if any(self.driver.stream(self.stream).find(delivery.record.offset) is None for delivery in deliveries):
            raise Conflict("zoo: ack: no such record")


@mutant("consumer_groups.12", "blocking", trap="a trim of records that the group was not given yet", also=_g(1, 10))
class StopsAtTrimmed(Member):
    """The position points at what is not there any more."""

    def fresh(self, most: int) -> list[int]:
        at, found, log = self.state().position, list[int](), self.driver.stream(self.stream)
        while len(found) < most and at < log.end and log.find(at) is not None:
            found.append(at)
            at += 1
        if found:
            self.driver.apply(Change(self.stream, self.group, position=at))
        return found


@mutant("consumer_groups.12", "blocking", trap="a trim of a record that was nacked", also=_g(10, 1))
class TrimmedToComeAgainBlocks(Member):
    """It stays first in the line and is never there."""

    def take(self, most: int) -> list[RecordDelivery]:
        log = self.driver.stream(self.stream)
        if any(not held.member and log.find(offset) is None for offset, held in self.state().pending.items()):
            return []
        return super().take(most)


@mutant("consumer_groups.12", "over-reach", trap="a trim, with records above the bound held or nacked", also=_g(5, 1, 11))
class TrimResetsGroups(Streams):
    """Groups go on at what is kept first, and forget what they have given."""

    async def trim(self, stream: str, before: int) -> int:
        lowest = await super().trim(stream, before)
        for group in self.stream(stream).groups.values():
            if group.position < lowest or any(offset < lowest for offset in group.pending):
                group.pending.clear()
                group.position = max(group.position, lowest)
        return lowest


@mutant("consumer_groups.12", "wrong error", trap="a nack of a record that was trimmed")
class NackOfTrimmedFails(Member):
    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        if self.driver.stream(self.stream).find(delivery.record.offset) is None:
            raise KeyError(delivery.record.offset)
        super().give_back(delivery, held, delay_s)


# 14: cancellation and the end


@mutant("consumer_groups.14", "lost on cancel", trap="a receive cancelled when it has taken", also=_g(5, 1))
class AwaitsAfterTheTake(Member):
    """The answer is on its way; nobody knows of the records any more until the member leaves."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        if found:
            await step(2)
        return found


@mutant("consumer_groups.14", "lost on cancel", trap="a receive cancelled when it has taken", also=_g(5, 1, 11))
class CommitsWhatWasCancelled(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            for delivery in found:
                self.confirm(delivery)
            raise
        return found


@mutant("consumer_groups.14", "late effect", trap="a waiting receive is cancelled, then a record comes", also=_g(5, 10, 1))
class CancelledReceiveGoesOn(Member):
    """The receive is a task of its own, shielded from the caller."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if timeout_s <= 0:
            return await super().receive(max_records, timeout_s)
        return await asyncio.shield(asyncio.ensure_future(super().receive(max_records, timeout_s)))


@mutant("consumer_groups.14", "late effect", trap="a receive times out, then a record comes", also=_g(5, 10, 1))
class TimedOutReceiveTakes(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        if not found and timeout_s > 0:
            task = asyncio.ensure_future(super().receive(max_records, 0.5))
            self.driver.store.notes.setdefault("tasks", []).append(task)
        return found


class _NeverClosed(Member):
    """A member that was left takes part as before, in one method."""

    open: Sequence[str] = ()

    def check_open(self, operation: str) -> None:
        if operation not in self.open:
            super().check_open(operation)


@mutant("consumer_groups.14", "missing check", trap="a receive after the member was left", also=_g(5))
class ReceivesAfterLeaving(_NeverClosed):
    open = ("receive",)


@mutant("consumer_groups.14", "missing check", trap="an ack or nack after the member was left", also=_g(5, 8))
class AcksAfterLeaving(_NeverClosed):
    open = ("ack", "nack")


@mutant("consumer_groups.14", "wrong error", trap="any call after the member was left")
class ConflictAfterLeaving(Member):
    def check_open(self, operation: str) -> None:
        if self.left:
            raise Conflict(f"zoo: {operation}: left")


# 4: a cancelled receive undoes what others did


@mutant("consumer_groups.4", "wrong owner", trap="a receive that is cancelled behind its take, beside who holds", also=_g(6, 14))
class UndoesByTheTurn(Member):
    """What a cancelled receive took is found by its number among those of its member; another member's has the same."""

    turns = 0

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.turns += 1
        got = await super().receive(max_records, timeout_s)
        slot = "taken", self.driver.namespace, self.stream, self.group, self.turns
        taken = self.driver.store.notes.setdefault(slot, [])
        taken += [delivery.record.offset for delivery in got]
        try:
            await step()
        except asyncio.CancelledError:
            for offset in taken:
                held = self.state().pending.get(offset)
                if held is not None and held.member:
                    self.put(offset, self.freed(held))
            raise
        return got


@mutant("consumer_groups.4", "wrong owner", trap="a later receive that is cancelled, by a member that holds", also=_g(6, 14))
class UndoesAllItHolds(Member):
    """To be safe, a cancelled receive gives back whatever its member holds."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        got = await super().receive(max_records, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            for offset, held in list(self.state().pending.items()):
                if self.holds(held):
                    self.put(offset, self.freed(held))
            raise
        return got
