"""Logs that go wrong as logs have gone wrong: what is read, from where, and how far."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Record
from prism_testkit.naming import check_limit
from tests.zoo.declare import Mutant

from .history_broker import Broker, Entry, Log, Page, Segment, Topic
from .history_declare import declaring_history
from .history_streams import BrokerStreams, Codec, Reading

__all__ = ["MUTANTS", "Reserving", "ReservingBroker"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("basic.5", "offset", trap="a start in the middle of a batch", also="basic.1")
class GivesTheBatchFromItsFirst(BrokerStreams):
    """A fetch returns whole batches, and the client does not pass over what is below its position. thomhurst/Dekaf#2074."""

    async def walk(self, log: Log, number: int, start: int, stop: int, limit: int | None) -> Reading:
        at, given = start, 0
        while given != limit and at < stop and (page := log.fetch(at)) is not None:
            for entry in page.entries:
                if entry.offset >= stop or given == limit:
                    return
                given += 1
                yield self.record(number, entry, page.base_ms)
            at = page.next
            await self.request()


@mutant("basic.1", "page", trap="more trimmed than a page holds", also="basic.5 basic.7")
class EndsAtTheFirstEmptyPage(BrokerStreams):
    """Pages are ranges of numbers, and one that holds nothing any more is taken for the end. kurrent-io/KurrentDB#2622."""

    async def walk(self, log: Log, number: int, start: int, stop: int, limit: int | None) -> Reading:
        given = 0
        for at in range(start, stop, 20):
            found = [(entry, log.find(entry.offset)) for entry in log.entries(at, min(at + 20, stop))]
            if not found:
                return
            for entry, kept in found:
                if given == limit:
                    return
                if kept is not None:
                    given += 1
                    yield self.record(number, entry, kept[1])
            await self.request()


class _KeepsEmptySegments(Log):
    def keep(self, wanted: Any) -> None:
        for segment in self.segments:
            segment.entries = [entry for entry in segment.entries if wanted(entry)]


class _BrokerOfEmptySegments(Broker):
    log_type = _KeepsEmptySegments


@mutant("retention.6", "page", trap="a whole batch superseded", also="basic.1 retention.8", broker=_BrokerOfEmptySegments)
class EndsAtACompactedBatch(BrokerStreams):
    """A batch of which compaction left nothing decodes to no records: the end, thinks the client. osodevops/kafka-backup#139."""

    async def walk(self, log: Log, number: int, start: int, stop: int, limit: int | None) -> Reading:
        at, given = start, 0
        while given != limit and at < stop and (page := log.fetch(at)) is not None and page.entries:
            for entry in page.entries:
                if entry.offset >= stop or given == limit:
                    return
                if entry.offset >= at:
                    given += 1
                    yield self.record(number, entry, page.base_ms)
            at = page.next
            await self.request()


@mutant("basic.1", "size", trap="a record over 32 KiB", also="basic.2 basic.9 basic.12")
class IsStuckAtARecordOverTheFetchSize(Log):
    """What is larger than the first fetch size arrives in part, and is awaited for ever. IBM/sarama#1000, Parsely/pykafka#102."""

    def fetch(self, at: int) -> Page | None:
        page = super().fetch(at)
        if page is None:
            return None
        whole = [entry for entry in page.entries if entry.offset >= at]
        for place, entry in enumerate(whole):
            if len(entry.frame) > 32_768 - 72:
                return Page(page.base_ms, tuple(whole[:place]), entry.offset) if place else None
        return page


@mutant("basic.1", "size", trap="a batch of more than 64 KiB", also="basic.2 basic.12")
class SkipsTheRestOfACutBatch(Log):
    """The last batch of an answer is cut at its size, and the client goes on behind the batch. fluvio-community/fluvio#4627."""

    def fetch(self, at: int) -> Page | None:
        page = super().fetch(at)
        if page is None:
            return None
        room, cut = 65_536, list[Entry]()
        for entry in page.entries:
            if cut and len(entry.frame) > room:
                break
            room -= len(entry.frame)
            cut.append(entry)
        return Page(page.base_ms, tuple(cut), page.next)


@mutant("basic.2", "contents", trap="an empty payload")
class GivesNoneForEmpty(Codec):
    """What is empty comes back as nothing. confluentinc/librdkafka#1386."""

    def decode(self, frame: bytes) -> Any:
        key, payload, headers = super().decode(frame)
        return key, payload or None, headers


@mutant("basic.2", "contents", trap="a header with an empty value", also="consumer_groups.3 partitioning.6")
class LosesHeadersWithoutValues(Codec):
    """A header without a value broke the decoding, so now it is passed over. smallrye/smallrye-reactive-messaging#1849."""

    def encode(self, key: str | None, payload: bytes, headers: Mapping[str, str]) -> bytes:
        return super().encode(key, payload, {name: value for name, value in headers.items() if value})


class Reserving(Log):
    """Offsets are taken from a sequence before the record is there."""

    top = -1

    def reserve(self) -> int:
        self.next += 1
        return self.next - 1

    def insert(self, offset: int, now_ms: int, key: str | None, frame: bytes) -> None:
        at_ms = self.stamp(now_ms)
        place, self.top = self.index(offset), max(self.top, offset)
        self.segments.insert(place, Segment(offset, at_ms, offset, at_ms, len(frame), [Entry(offset, 0, key, frame)]))

    def stamp(self, now_ms: int) -> int:
        return now_ms

    def append(self, now_ms: int, key: str | None, frame: bytes) -> int:
        self.top = super().append(now_ms, key, frame)
        return self.top


class ReservingBroker(Broker):
    log_type = Reserving


@mutant(
    "basic.4",
    "concurrency",
    trap="appends at once of which the later number is seen first",
    also="basic.12",
    broker=ReservingBroker,
)
class TakesItsNumberBeforeItCommits(BrokerStreams):
    """A sequence gives the number, and a larger transaction commits later: commanded/eventstore#3, JasperFx/marten#1879."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, frame = self.name(stream, "append"), self.frame(key, payload, headers, "append", stream)
        await self.request()
        log = self.topic(name).logs[self.choose(self.topic(name), name, key)]
        assert isinstance(log, Reserving)
        offset = log.reserve()
        for _ in range(len(frame).bit_length()):
            await self.request()
        log.insert(offset, self.broker.clock.now_ms(), key, frame)
        self.changed(name)
        return offset

    def latest(self, log: Log) -> int | None:
        return log.top if isinstance(log, Reserving) and log.top >= 0 else None


@mutant("basic.1", "page", trap="more records of one millisecond than a page holds", also="basic.4 basic.12 basic.5")
class GoesOnAtTheNextMillisecond(BrokerStreams):
    """The position after a page is its last instant and one millisecond more. profunktor/redis4cats#343."""

    async def walk(self, log: Log, number: int, start: int, stop: int, limit: int | None) -> Reading:
        at, given = start, 0
        while given != limit and at < stop:
            found = [(entry, log.find(entry.offset)) for entry in log.entries(at, stop)][:100]
            last = 0
            for entry, kept in found:
                if given == limit:
                    return
                if kept is not None:
                    given, last = given + 1, kept[1] + entry.delta_ms
                    yield self.record(number, entry, kept[1])
            if len(found) < 100:
                return
            at = max(found[-1][0].offset + 1, log.at_time(last + 1))
            await self.request()


@mutant("basic.6", "offset", trap="something trimmed")
class CountsToTheLatest(BrokerStreams):
    """The last offset is one less than the number of messages. apache/iggy#2798."""

    def latest(self, log: Log) -> int | None:
        return sum(1 for _ in log.entries()) - 1 if log.next else None


@mutant("basic.3", "offset", trap="an append after a trim", also="basic.4 basic.6 basic.12 basic.1")
class NumbersByWhatIsKept(Log):
    """The next number follows from the length of the list, which a cap cuts. stipsan/ioredis-mock#1343."""

    def append(self, now_ms: int, key: str | None, frame: bytes) -> int:
        self.next = sum(1 for _ in self.entries())
        self.segments.append(Segment(self.next, self.stamp(now_ms)))
        return super().append(now_ms, key, frame)


@mutant("basic.13", "time", trap="a batch that lasts longer than a millisecond", also="replay.2")
class TellsTheInstantOfTheBatch(BrokerStreams):
    """Where the broker sets the time, the one of the batch is taken for each record. zendesk/ruby-kafka#706."""

    def record(self, number: int, entry: Entry, base_ms: int) -> Record:
        return super().record(number, Entry(entry.offset, 0, entry.key, entry.frame), base_ms)


@mutant("basic.14", "cancellation", trap="a cancelled append, and another one at once", also="basic.2 basic.10 basic.12")
class FreesTheBufferOfACancelledAppend(BrokerStreams):
    """Buffers are pooled; that of a batch that was given up is used again while it is still being sent. apache/kafka#21065."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.pool: list[bytearray] = []
        self.sending: set[asyncio.Task[int]] = set()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, frame = self.name(stream, "append"), self.frame(key, payload, headers, "append", stream)
        buffer = self.pool.pop() if self.pool else bytearray()
        buffer[:] = frame
        task = asyncio.ensure_future(self.send(name, key, buffer))
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)
        try:
            return await asyncio.shield(task)
        finally:
            self.pool.append(buffer)

    async def send(self, stream: str, key: str | None, buffer: bytearray) -> int:
        for _ in range(3):
            await self.request()
        topic = self.topic(stream)
        return self.produce(stream, topic.logs[self.choose(topic, stream, key)], key, bytes(buffer))


@mutant("basic.12", "size", trap="a payload that takes long", also="basic.1")
class SendsAgainWhatTookLong(BrokerStreams):
    """A request that was not answered in time is repeated, though it was carried out. confluentinc/librdkafka#1958."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        return await super().append(stream, payload, key, headers) if len(bytes(payload)) > 500_000 else offset


@mutant("basic.1", "concurrency", trap="appends while a read goes on, and as it ends", also="basic.12 basic.4")
class LeavesAHoleAtTheCutover(BrokerStreams):
    """From the past to what is live: what came in between is in neither. bluesky-social/jetstream-legacy#42."""

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        name, at, most = self.name(stream, "read"), self.bound(start, "read"), check_limit(limit, "read", "zoo")
        log, given = self.log(name, "read"), 0
        async for record in self.walk(log, 0, at, log.next, most):
            given += 1
            yield record
        live = max(at, log.next)
        await self.request()
        async for record in self.walk(log, 0, live, log.next, None if most is None else most - given):
            yield record


@mutant("basic.7", "offset", trap="a bound of 1")
class PurgesAllBelowOne(Log):
    """To purge up to number 1 is not told from to purge with no number: everything goes. nats-io/nats-server#4696."""

    def trim(self, before: int) -> int:
        return super().trim(self.next if before == 1 else before)


@mutant("basic.7", "contents", trap="records with different headers in one batch, and a bound within", also="basic.1")
class DropsTheBatchOfOtherFields(Log):
    """The last number of a batch is misread if its last record has other fields than its first: it goes whole. redis/redis#9410."""

    def trim(self, before: int) -> int:
        bound, fields = min(before, self.next), Codec().fields
        for segment in self.segments:
            held = segment.entries
            if held and held[0].offset < bound <= segment.last and len(fields(held[0].frame)) != len(fields(held[-1].frame)):
                segment.entries = []
        return super().trim(before)


@mutant("basic.8", "name", trap="a name with '#'", also="consumer_groups.13")
class CutsNamesAtTheHash(BrokerStreams):
    """A name in an address, not encoded: what follows '#' is lost. kurrent-io/EventStore.UI#188."""

    def topic(self, stream: str) -> Topic:
        return super().topic(stream.partition("#")[0] or stream)


@mutant("basic.8", "name", trap="names with '_' and '.'", also="consumer_groups.13")
class WritesUnderscoresAsDots(BrokerStreams):
    """A path in which underscores become dots: two names, one place. allegro/hermes#740."""

    def topic(self, stream: str) -> Topic:
        return super().topic(stream.replace("_", "."))
