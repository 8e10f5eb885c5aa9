"""Waiting and going back that go wrong as they have gone wrong: receives, seeks, instants."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Member, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .history_broker import Broker, Cursor, Log
from .history_declare import declaring_history
from .history_members import BrokerMember
from .history_streams import BrokerStreams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

# Receives


@mutant(
    "consumer_groups.14", "cancellation", trap="a cancellation as the record comes", also="consumer_groups.1 consumer_groups.10"
)
class LosesWhatCameAsItWasCancelled(BrokerMember):
    """A task of its own takes from the queue, and what it took as it was cancelled is nobody's. nats-io/nats.py#392."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if timeout_s <= 0:
            return await super().receive(max_records, timeout_s)
        task = asyncio.ensure_future(super().receive(max_records, timeout_s))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            task.cancel()
            raise


@mutant("consumer_groups.10", "waiting", trap="a receive of several after one that timed out")
class LeavesAnOrphanRequest(BrokerMember):
    """A request that timed out stays at the server and gets what comes; the next one waits its whole time. nats-io/nats.py#933."""

    orphan = False

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if not self.orphan or max_records == 1:
            found = await super().receive(max_records, timeout_s)
            self.orphan = not found and timeout_s > 0
            return found
        self.orphan = False
        end = self.driver.now() + max(0.0, timeout_s)
        found = await super().receive(1, timeout_s)
        while found and len(found) < max_records and self.driver.now() < end:
            found += await super().receive(max_records - len(found), end - self.driver.now())
        return found


@mutant("consumer_groups.10", "waiting", trap="something else that happens in the group")
class ReturnsAtAnyNews(BrokerMember):
    """Who joins or leaves ends the waiting of the others, and then there is nothing. aio-libs/aiokafka#117."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        end = self.driver.now() + check_timeout(timeout_s, "receive", "zoo")
        found = await super().receive(max_records, 0)
        members = set(self.group.members)
        while not found and self.driver.now() < end and members == set(self.group.members):
            await self.pause(end)
            found = await super().receive(max_records, 0)
        return found


@mutant("consumer_groups.10", "waiting", trap="a stream that ran dry by a trim", also="consumer_groups.12")
class DoesNotWaitWhereItRanDry(BrokerMember):
    """The last number is beyond what was given, so there must be something: an empty answer, at once. redis/redis#5299."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        dry = any(cursor.read < log.next and not list(log.entries(cursor.read)) for _, log, cursor in self.lanes())
        return await super().receive(max_records, 0 if dry else timeout_s)


# Instants


@mutant("replay.2", "time", trap="an instant between two records")
class GoesToTheOneBefore(Log):
    """The last record at or before the instant, not the first at or after it. streamnative/kop#334, apache/pulsar#6393."""

    def at_time(self, at_ms: int) -> int:
        found = super().at_time(at_ms)
        kept = self.find(found)
        if kept is not None and kept[1] + kept[0].delta_ms > at_ms:
            return next((entry.offset for entry in reversed(list(self.entries(0, found)))), found)
        return found


@mutant("replay.2", "time", trap="an instant in the middle of a batch")
class GoesToTheBatchOfTheInstant(Log):
    """The chunk in which the instant lies is given from its first record. rabbitmq/rabbitmq-stream-dotnet-client#149."""

    def at_time(self, at_ms: int) -> int:
        place = bisect_left(self.segments, at_ms, key=lambda segment: segment.last_ms)
        for segment in self.segments[place:]:
            if segment.entries:
                return segment.entries[0].offset
        return self.next


@mutant("replay.2", "time", trap="an instant between the last of a segment and the first of the next", also="replay.1")
class KeepsThePlaceAcrossSegments(Log):
    """Where the search goes on in the next segment, the place is still that of the one before. cloudamqp/lavinmq#1771."""

    def at_time(self, at_ms: int) -> int:
        place = 0
        while place + 1 < len(self.segments) and self.segments[place + 1].base_ms <= at_ms:
            place += 1
        at = 0
        for segment in self.segments[place:]:
            while at < len(segment.entries):
                if segment.base_ms + segment.entries[at].delta_ms >= at_ms:
                    return segment.entries[at].offset
                at += 1
        return self.next


@mutant("replay.2", "time", trap="an instant at which a segment begins")
class GoesToTheOldestWhereASegmentBegins(Log):
    """The search begins in the ledger of the instant, and finds nothing before it there: the earliest. apache/pulsar#23910."""

    def at_time(self, at_ms: int) -> int:
        place = bisect_left(self.segments, at_ms, key=lambda segment: segment.last_ms)
        if 0 < place < len(self.segments) and self.segments[place].base_ms >= at_ms:
            return self.first
        return super().at_time(at_ms)


@mutant("replay.2", "time", trap="an instant after the last record, and acks out of order")
class GoesToTheOldestFromTheEnd(BrokerStreams):
    """Found at the end while single acks are kept: the position is taken for a gap before all. apache/pulsar#21544."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        name, label = self.name(stream, "seek_to_time"), self.name(group, "seek_to_time")
        found = self.topic(name).groups.get(label)
        single = [bool(cursor.acked) for cursor in found.cursors] if found is not None else []
        await super().seek_to_time(stream, group, at_ms)
        for cursor, log, acked in zip(self.group(name, label).cursors, self.topic(name).logs, single, strict=True):
            if acked and cursor.read == log.next:
                cursor.move(log.first)


@mutant("replay.2", "time", trap="an instant in the middle of a second")
class RoundsToTheSecond(BrokerStreams):
    """Sequences of a second: the instant is rounded down to one. mhart/kinesalite#62."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        await super().seek_to_time(stream, group, at_ms if self.bound(at_ms, "seek_to_time") < 1000 else at_ms // 1000 * 1000)


@mutant("replay.2", "time", trap="a compaction some time after the appends", also="replay.1")
class DatesWhatItSkipsToday(Log):
    """Numbers that are skipped set the last instant of their block to now, and the search goes by it. nats-io/nats-server#8327."""

    touched: frozenset[int] = frozenset()
    """The first numbers of segments that are dated anew: they end later than any instant."""

    def keep(self, wanted: Any) -> None:
        before = [(segment, len(segment.entries)) for segment in self.segments]
        super().keep(wanted)
        self.touched |= {segment.base for segment, many in before if len(segment.entries) != many}

    def at_time(self, at_ms: int) -> int:
        for segment in self.segments:
            if segment.last_ms >= at_ms or segment.base in self.touched:
                found = (entry.offset for entry in segment.entries if segment.base_ms + entry.delta_ms >= at_ms)
                return next(found, segment.last + 1)
        return self.next


# Moves


class _StartsAtTheInstant(BrokerMember):
    def enter(self) -> None:
        at_ms = self.driver.broker.notes.get((self.driver.namespace, self.stream, self.name))
        for _, log, cursor in self.lanes():
            if at_ms is not None and not cursor.counts and cursor.mark == cursor.read:
                cursor.move(log.at_time(at_ms))
        super().enter()


@mutant("replay.1", "groups", trap="a seek after a seek to an instant", also="replay.3 replay.5")
class KeepsTheInstantOfTheSeekBefore(BrokerStreams):
    """Made anew, the consumer still has the start time of before beside its start number. nats-io/nats.net#420."""

    member_type = _StartsAtTheInstant

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        await super().seek_to_time(stream, group, at_ms)
        self.broker.notes[self.namespace, stream, group, "sought"] = at_ms

    async def seek(self, stream: str, group: str, offset: int) -> None:
        await super().seek(stream, group, offset)
        sought = self.broker.notes.get((self.namespace, stream, group, "sought"))
        if sought is not None:
            self.broker.notes[self.namespace, stream, group] = sought


@mutant("replay.5", "groups", trap="the same seek again after records came", also="replay.1 replay.3")
class SkipsASeekToTheSamePlace(BrokerStreams):
    """A seek to where the last one went is left out, though the position has gone on. apache/pinot#18663."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.name(group, "seek"), self.bound(offset, "seek")
        self.log(name, "seek")
        self.free(name, label, "seek")
        if self.broker.notes.get((self.namespace, name, label)) == at:
            return
        await super().seek(stream, group, offset)
        self.broker.notes[self.namespace, name, label] = at


class _Lazy(Cursor):
    to_end = False


class _LazyBroker(Broker):
    cursor_type = _Lazy


class _ResolvesTheEnd(BrokerMember):
    def enter(self) -> None:
        for _, log, cursor in self.lanes():
            if isinstance(cursor, _Lazy) and cursor.to_end:
                cursor.move(log.next)
                cursor.to_end = False
        super().enter()


@mutant("replay.1", "groups", trap="records between a seek to the end and the next join", broker=_LazyBroker)
class ResolvesTheEndLate(BrokerStreams):
    """A seek to the end is carried out by the first poll: what comes in between is passed over. LangStream/langstream#172."""

    member_type = _ResolvesTheEnd

    async def seek(self, stream: str, group: str, offset: int) -> None:
        await super().seek(stream, group, offset)
        cursor, log = self.group(stream, group).cursors[0], self.log(stream, "seek")
        assert isinstance(cursor, _Lazy)
        cursor.to_end = offset >= log.next


@mutant("replay.4", "concurrency", trap="a join that overlaps with a seek", also="replay.1")
class EntersWithThePositionItHadRead(BrokerStreams):
    """A fetch under way writes its position over that of the seek. thomhurst/Dekaf#1722, tulios/kafkajs#367."""

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        found = self.topic(stream).groups.get(group)
        before = [cursor.read for cursor in found.cursors] if found is not None else []
        async with super().join(stream, group, consumer) as member:
            for cursor, read in zip(found.cursors if found is not None else [], before, strict=True):
                cursor.mark = cursor.read = read
            yield member


@mutant("replay.3", "groups", trap="acks out of order before a move", also="consumer_groups.11")
class CountsTheBacklogAfterItForgot(Cursor):
    """A move reckons what was consumed after it forgot the single acks: as many as these stay pending. apache/pulsar#25047."""

    ghosts = 0

    def move(self, at: int) -> None:
        self.ghosts = len(self.acked)
        super().move(at)

    def pending(self, log: Log) -> int:
        return super().pending(log) + self.ghosts
