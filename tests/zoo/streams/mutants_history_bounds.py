"""Bounds, compaction and partitions that go wrong as they have gone wrong."""

from typing import Any

from prism_testkit.interfaces import AlreadyExists, Retention
from tests.zoo.declare import Mutant

from .history_broker import Broker, Entry, Log, Page, Topic
from .history_declare import declaring_history
from .history_streams import BrokerStreams, Codec, Reading, murmur2

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

# Bounds


@mutant("retention.1", "retention", trap="a bound that is larger than the stream")
class DropsAllWhereNothingWasToGo(Log):
    """Nothing was trimmed, so the bound is passed on as 0, and that means to keep nothing. redis/redis#5141."""

    def expire(self, bounds: Retention, now_ms: int) -> None:
        most = bounds.max_records
        super().expire(bounds, now_ms)
        if most is not None and sum(1 for _ in self.entries()) < most:
            self.keep(lambda entry: False)


@mutant("retention.2", "retention", trap="an age, where a trim or a compaction emptied a whole segment", also="retention.1")
class StopsAtAnEmptySegment(Log):
    """What is too old is looked for from the first segment on, and one without records ends the search. apache/kafka#10216."""

    def keep(self, wanted: Any) -> None:
        for segment in self.segments:
            segment.entries = [entry for entry in segment.entries if wanted(entry)]

    def expire(self, bounds: Retention, now_ms: int) -> None:
        stop = next((place for place, segment in enumerate(self.segments) if not segment.entries), len(self.segments))
        whole, self.segments = self.segments, self.segments[:stop]
        super().expire(Retention(max_age_s=bounds.max_age_s), now_ms)
        self.segments = whole
        super().expire(Retention(max_records=bounds.max_records), now_ms)


@mutant("retention.8", "concurrency", trap="a trim or an enforcement during a read", also="basic.14 basic.1")
class FailsWhereItWasTruncated(BrokerStreams):
    """A reader whose segment is truncated meanwhile ends with an error. pravega/pravega#2017."""

    async def walk(self, log: Log, number: int, start: int, stop: int, limit: int | None) -> Reading:
        at = start
        async for record in super().walk(log, number, start, stop, limit):
            if at > start and log.first > at:
                raise RuntimeError(f"zoo: read: {at} is truncated, the first is {log.first}")
            at = record.offset + 1
            yield record


# Compaction


class _Compacting(Log):
    """Knows what a frame holds."""

    def empty(self, entry: Entry) -> bool:
        return not Codec().decode(entry.frame)[1]


@mutant("retention.6", "contents", trap="an empty payload", also="retention.7")
class TakesEmptyForDeleted(_Compacting):
    """The last value of a key is empty: the key was deleted, thinks the compaction. apache/pulsar#1525, ag2ai/faststream#2932."""

    def compact(self) -> None:
        super().compact()
        self.keep(lambda entry: entry.key is None or not self.empty(entry))


@mutant("retention.6", "contents", trap="an empty payload without a key, beside others")
class DropsTheBatchOfAnEmptyOne(_Compacting):
    """One empty message and the whole batch counts as deleted. apache/pulsar#20980."""

    def compact(self) -> None:
        super().compact()
        for segment in self.segments:
            if any(self.empty(entry) for entry in segment.entries):
                segment.entries = []


@mutant("retention.6", "contents", trap="several records without a key", also="retention.7")
class TakesNoKeyForAKey(Log):
    """What has no key of its own all has the same one: only the last is kept. robot-head/crabka#528, apache/pulsar#1514."""

    def compact(self) -> None:
        last = {entry.key: entry.offset for entry in self.entries()}
        self.keep(lambda entry: last[entry.key] == entry.offset)


@mutant("retention.7", "retention", trap="a compaction, more of a key that was kept, and another compaction")
class LooksOnlyAtWhatIsDirty(Log):
    """A further compaction works on what came since the last one, and leaves what that one kept. redpanda-data/redpanda#29168."""

    clean = 0

    def compact(self) -> None:
        last = {entry.key: entry.offset for entry in self.entries(self.clean)}
        clean, self.clean = self.clean, self.next
        self.keep(lambda entry: entry.offset < clean or entry.key is None or last[entry.key] == entry.offset)


@mutant("retention.6", "offset", trap="a read from the middle of a compacted segment", also="retention.8 basic.5 basic.1")
class IndexesFromZeroAfterCompaction(Log):
    """The index of a compacted segment has 0 for its base, so places in it are reckoned wrong. redpanda-data/redpanda#25974."""

    zeroed: frozenset[int] = frozenset()

    def compact(self) -> None:
        many = {segment.base: len(segment.entries) for segment in self.segments}
        super().compact()
        self.zeroed |= {segment.base for segment in self.segments if len(segment.entries) != many[segment.base]}

    def fetch(self, at: int) -> Page | None:
        page = super().fetch(at)
        if page is None:
            return None
        base = self.segments[self.index(at)].base
        if base in self.zeroed and at > base:
            return Page(page.base_ms, page.entries[at:], page.next)
        return page


# Partitions


@mutant("partitioning.5", "name", trap="keys with letters beyond ASCII at their end, by two clients", also="partitioning.13")
class HashesTailsWithSigns(BrokerStreams):
    """One client takes the last bytes of a key for signed ones, and hashes others than its fellows do. apache/pulsar#1795."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        broker.notes["clients"] = broker.notes.get("clients", 0) + 1
        self.signed = broker.notes["clients"] % 2 == 0

    def choose(self, topic: Topic, stream: str, key: str | None) -> int:
        data = b"" if key is None else key.encode()
        tail = data[len(data) // 4 * 4 :]
        if self.signed and any(byte > 127 for byte in tail):
            signed = bytes(256 - byte if byte > 127 else byte for byte in tail)
            return (murmur2(data[: len(data) - len(tail)] + signed) & 0x7FFFFFFF) % len(topic.logs)
        return super().choose(topic, stream, key)


@mutant("partitioning.1", "name", trap="a name that another one begins with", also="partitioning.11")
class FindsTopicsByTheirBeginning(BrokerStreams):
    """Whether a topic is there is looked up by prefix: a longer name is found as well. apache/pulsar#6478."""

    async def create_partitioned(self, stream: str, n: int) -> None:
        name = self.name(stream, "create_partitioned")
        longer = any(
            space == self.namespace and other != name and other.startswith(name) and len(topic.logs) > 1
            for (space, other), topic in self.broker.topics.items()
        )
        if longer and len(self.topic(name).logs) == 1 and isinstance(n, int) and 2 <= n <= 256:
            raise AlreadyExists(f"zoo: create_partitioned {name[:40]!a}: there is one")
        await super().create_partitioned(stream, n)


@mutant(
    "partitioning.1", "concurrency", trap="a creation and an append at once", also="partitioning.12 partitioning.3 partitioning.4"
)
class CreatesWhatSomebodyUses(BrokerStreams):
    """To look and to make are two steps: a topic with and one without partitions are made at once. apache/pulsar#20856."""

    async def create_partitioned(self, stream: str, n: int) -> None:
        name = self.name(stream, "create_partitioned")
        fresh = not self.topic(name).used and len(self.topic(name).logs) == 1
        if fresh and isinstance(n, int) and 2 <= n <= 256:
            await self.request()
            await self.request()
            topic = self.topic(name)
            topic.logs = [*topic.logs, *(self.broker.log_type() for _ in range(n - len(topic.logs)))][:n]
            self.changed(name)
            return
        await super().create_partitioned(stream, n)


@mutant(
    "partitioning.11", "name", trap="a stream that is called as a partition of another is", also="partitioning.1 partitioning.6"
)
class NamesPartitionsAsStreams(BrokerStreams):
    """A partition is a topic of its own, with a name that others may use. apache/pulsar#3430."""

    def topic(self, stream: str) -> Topic:
        base, _, number = stream.rpartition("-partition-")
        whole = super().topic(base) if base and number.isdigit() else None
        if whole is not None and 1 < len(whole.logs) > int(number):
            found = super().topic(stream)
            found.logs = [whole.logs[int(number)]]
            return found
        return super().topic(stream)
