"""Further ones of the kinds that had passed: what overtakes, what is counted, what waits, what the last call left."""

import asyncio
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .history_broker import Broker, Log
from .history_declare import declaring_history
from .history_members import BrokerMember
from .history_streams import BrokerStreams, Codec
from .mutants_history_groups import Counting
from .mutants_history_reading import Reserving, ReservingBroker

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("basic.4", "concurrency", trap="appends at once, of several keys", also="basic.12", broker=ReservingBroker)
class CommitsKeysApart(BrokerStreams):
    """Writers of different keys do not wait for each other, and commit as they come. PaulGrimshaw/dcb-event-store#89."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, frame = self.name(stream, "append"), self.frame(key, payload, headers, "append", stream)
        await self.request()
        log = self.topic(name).logs[self.choose(self.topic(name), name, key)]
        assert isinstance(log, Reserving)
        offset = log.reserve()
        for _ in range(sum((key or "").encode()) % 5):
            await self.request()
        log.insert(offset, self.broker.clock.now_ms(), key, frame)
        self.changed(name)
        return offset

    def latest(self, log: Log) -> int | None:
        return log.top if isinstance(log, Reserving) and log.top >= 0 else None


@mutant("basic.14", "cancellation", trap="a look that is cancelled, and another one at once", also="basic.6 basic.12 basic.7")
class GivesTheNextTheAnswerOfTheCancelled(BrokerStreams):
    """A cancelled command has been sent, and its answer is read by the next of its kind. redis/redis-py#2665."""

    unread: tuple[int | None, ...] = ()

    async def latest_offset(self, stream: str) -> int | None:
        name = self.name(stream, "latest_offset")
        answer = self.latest(self.log(name, "latest_offset"))
        waiting, self.unread = self.unread, ()
        try:
            await self.request()
            await self.request()
        except asyncio.CancelledError:
            self.unread = (*waiting, answer)
            raise
        return waiting[0] if waiting else answer


class _CountingBroker(Broker):
    cursor_type = Counting


@mutant("consumer_groups.11", "groups", trap="what was held by a member that left is acked by another", also="consumer_groups.5")
class CountsAClaimAndAnAck(Counting):
    """A claim takes the entry from the count of its owner, and the ack from that of whoever acks it. cunla/fakeredis-py#548."""

    def release_all(self, member: int) -> None:
        self.number -= sum(held.member == member for held in self.held.values())
        super().release_all(member)

    def pending(self, log: Log) -> int:
        return max(0, self.number)


@mutant("consumer_groups.11", "groups", trap="a repeat of an ack in a later call", also="consumer_groups.6", broker=_CountingBroker)
class CountsLateAcks(BrokerMember):
    """An ack of what was acked already goes down in the count as well. After apache/kvrocks#3596."""

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries)
        for delivery in deliveries:
            cursor = self.group.cursors[delivery.record.partition]
            again = self.driver.broker.notes.setdefault((self.driver.namespace, self.stream, self.name, delivery.token), [])
            again.append(1)
            if len(again) == 2 and isinstance(cursor, Counting):
                cursor.number -= 1


@mutant("consumer_groups.10", "waiting", trap="a receive behind one that timed out")
class KeepsTheDeadlineOfBefore(BrokerMember):
    """The deadline of a request is kept with the connection, and the next one runs by it."""

    deadline: float | None = None

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        if self.deadline is not None and timeout > 0:
            timeout = max(0.0, min(timeout, self.deadline + 3.0 - self.driver.now()))
        found = await super().receive(max_records, timeout)
        self.deadline = self.driver.now() if not found and timeout > 0 else None
        return found


@mutant(
    "consumer_groups.1", "groups", trap="an append between a receive that found nothing and the next", also="consumer_groups.10"
)
class BeginsAtTheEndOfEachPoll(BrokerMember):
    """The end is looked up at each poll behind an empty one: what came in between is passed over. floci-io/floci#1900."""

    empty = False

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if self.empty and not timeout_s:
            for _, log, cursor in self.lanes():
                cursor.acked |= {entry.offset for entry in log.entries(cursor.read)}
                cursor.read = log.next
        found = await super().receive(max_records, timeout_s)
        self.empty = not found and timeout_s > 0
        return found


@mutant("consumer_groups.10", "waiting", trap="a stream that ran dry by its bounds", also="retention.10")
class DoesNotWaitWhereBoundsRanDry(BrokerMember):
    """The first that is kept is beyond the position: an empty answer at once, to begin anew from there. After redis/redis#5299."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        dry = any(cursor.read < log.next and not log.start and not list(log.entries()) for _, log, cursor in self.lanes())
        return await super().receive(max_records, 0 if dry else timeout_s)


@mutant("consumer_groups.10", "waiting", trap="an ack by another member", also="consumer_groups.15")
class ReturnsWhereAnotherAcks(BrokerMember):
    """Whoever acks wakes those who wait, and they find nothing. After aio-libs/aiokafka#117."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        end = self.driver.now() + check_timeout(timeout_s, "receive", "zoo")
        found = await super().receive(max_records, 0)
        marks = [cursor.mark for _, _, cursor in self.lanes()]
        while not found and self.driver.now() < end and marks == [cursor.mark for _, _, cursor in self.lanes()]:
            await self.pause(end)
            found = await super().receive(max_records, 0)
        return found


@mutant("replay.1", "groups", trap="a seek to the end, and acks out of order", also="replay.3")
class GoesToTheGapFromTheEnd(BrokerStreams):
    """A move over single acks keeps the gap before them. After apache/pulsar#21544."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        found = self.topic(stream).groups.get(group)
        gap = found.cursors[0].mark if found is not None and found.cursors[0].acked else None
        await super().seek(stream, group, offset)
        cursor = self.group(stream, group).cursors[0]
        if gap is not None and cursor.read == self.log(stream, "seek").next:
            cursor.move(gap)


@mutant("replay.5", "groups", trap="the same instant again after records came", also="replay.2 replay.3 replay.4")
class SkipsTheSameInstant(BrokerStreams):
    """A move to the instant of the last one is left out. After apache/pinot#18663."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        name, label, at = self.name(stream, "seek"), self.name(group, "seek"), self.bound(at_ms, "seek")
        self.free(name, label, "seek")
        if self.broker.notes.get((self.namespace, name, label)) == at:
            return
        await super().seek_to_time(stream, group, at_ms)
        self.broker.notes[self.namespace, name, label] = at


class _Silent(BrokerStreams):
    """A call that is not written until another one is."""

    silent = False

    def changed(self, stream: str) -> None:
        if not self.silent:
            super().changed(stream)


@mutant("retention.14", "durability", trap="kill, right after bounds were set", kept=True)
class WritesBoundsWithTheNextAppend(_Silent):
    """The configuration is written along with the next record."""

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.silent = True
        try:
            await super().set_retention(stream, max_age_s, max_records)
        finally:
            self.silent = False


@mutant("replay.11", "durability", trap="kill, right after a seek", kept=True)
class WritesAMoveWithTheNextReceive(_Silent):
    """A reset is told as done while it waits to be written. apache/pulsar#26304."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.silent = True
        try:
            await super().seek(stream, group, offset)
        finally:
            self.silent = False


@mutant("partitioning.13", "durability", trap="kill, right after partitions were made", kept=True)
class WritesPartitionsWithTheFirstRecord(_Silent):
    """What has no record yet is not in the image."""

    async def create_partitioned(self, stream: str, n: int) -> None:
        self.silent = True
        try:
            await super().create_partitioned(stream, n)
        finally:
            self.silent = False


@mutant("retention.6", "contents", trap="records with different headers in one batch, and a compaction", also="retention.1 basic.1")
class CompactsTheBatchOfOtherFields(Log):
    """Where the last of a batch has other fields than the first it is misread, and passed over. After redis/redis#9410."""

    def compact(self) -> None:
        super().compact()
        fields: Any = Codec().fields
        for segment in self.segments:
            held = segment.entries
            if len(held) > 1 and len(fields(held[0].frame)) != len(fields(held[-1].frame)):
                segment.entries = held[:-1]
