"""Partitions to which keys and records do not go as they should."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Record
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import step

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# partitioning.4: appends


@mutant("partitioning.4", "wrong place", trap="a key that belongs elsewhere, appended to a partition", also="partitioning.6")
class KeysWinOverThePartition(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        if (
            isinstance(key, str)
            and key
            and isinstance(stream, str)
            and isinstance(partition, int)
            and 0 <= partition < self.count(stream)
        ):
            return await self.append(stream, payload, key, headers)
        return await super().append_to_partition(stream, partition, payload, key, headers)


@mutant("partitioning.4", "missing step", trap="a key and headers, appended to a partition", also="partitioning.6")
class PartitionsTakeNoKey(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.key(key, "append_to_partition")
        return await super().append_to_partition(stream, partition, payload, None, headers)


@mutant("partitioning.4", "wrong value", trap="two partitions", also="partitioning.6 partitioning.7")
class OffsetsAreThoseOfTheStream(NewerStreams):
    """What is returned counts all appends to the stream."""

    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        offset = super().add(stream, number, key, data, labels)
        if self.count(stream) == 1:
            return offset
        total = self.store.notes.get((self.namespace, stream, "total"), 0)
        self.store.notes[self.namespace, stream, "total"] = total + 1
        return int(total)


@mutant("partitioning.4", "missing case", trap="an append without a key to a partitioned stream")
class NoKeyGoesNowhere(NewerStreams):
    """A partition beyond the last is drawn now and then, and nobody reads it."""

    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        if key is None and self.count(stream) > 1 and self.serial() % 3 == 0:
            return self.stream(self.lanes(stream)[number]).end
        return super().add(stream, number, key, data, labels)


@mutant("partitioning.4", "missing case", trap="partition 0 of an ordinary stream")
class OrdinaryStreamsHaveNoPartition(NewerStreams):
    def number(self, stream: str, partition: int, operation: str) -> int:
        found = super().number(stream, partition, operation)
        if self.count(stream) == 1:
            raise ValueError(f"zoo: {operation}: {stream[:40]!a} is not partitioned")
        return found


@mutant("partitioning.4", "truncation", trap="a partition above 127")
class PartitionsAreSevenBits(NewerStreams):
    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        return super().add(stream, number & 0x7F, key, data, labels)


# partitioning.5: keys


@mutant("partitioning.5", "per client", trap="one key, two clients")
class EachClientHashesByItsOwnSeed(NewerStreams):
    """As `hash` of a text, which each process salts."""

    def choose(self, stream: str, key: str | None) -> int:
        seed = self.store.notes.setdefault(("seed", id(self)), len(self.store.notes))
        return super().choose(stream, key) if key is None else (super().choose(stream, key) + seed) % self.count(stream)


@mutant("partitioning.5", "bounded table", trap="a key, a hundred others, and the key again")
class OnlySoManyKeysAreKnown(NewerStreams):
    """Keys are dealt round, and the last 64 remembered."""

    def choose(self, stream: str, key: str | None) -> int:
        known = self.store.notes.setdefault((self.namespace, stream, "keys"), {})
        if key is None or self.count(stream) == 1:
            return super().choose(stream, key)
        place = known.pop(key, None)
        known[key] = self.store.notes.setdefault("turn", 0) % self.count(stream) if place is None else place
        self.store.notes["turn"] += place is None
        while len(known) > 64:
            del known[next(iter(known))]
        return int(known[key])


@mutant("partitioning.5", "constant", trap="a hundred keys")
class AllKeysGoToOnePartition(NewerStreams):
    def choose(self, stream: str, key: str | None) -> int:
        return super().choose(stream, key) if key is None else 0


@mutant("partitioning.5", "weak hash", trap="a hundred keys of one length")
class KeysAreHashedByTheirLength(NewerStreams):
    def choose(self, stream: str, key: str | None) -> int:
        return super().choose(stream, key) if key is None else len(key.encode()) % self.count(stream)


@mutant("partitioning.5", "load", trap="a key, then records elsewhere, then the key again")
class KeysGoWhereThereIsLeast(NewerStreams):
    def choose(self, stream: str, key: str | None) -> int:
        return min(range(self.count(stream)), key=lambda number: self.stream(self.lanes(stream)[number]).end)


@mutant("partitioning.5", "sticky", trap="a key that was appended to another partition in between")
class KeysFollowTheLastPartition(NewerStreams):
    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        self.store.notes[self.namespace, stream, "key", key] = number
        return super().add(stream, number, key, data, labels)

    def choose(self, stream: str, key: str | None) -> int:
        known = self.store.notes.get((self.namespace, stream, "key", key)) if key is not None else None
        return super().choose(stream, key) if known is None else int(known)


# partitioning.6: reading


@mutant("partitioning.6", "missing step", trap="a partition that is not the first")
class RecordsTellNoPartition(NewerStreams):
    def shown(self, record: Record) -> Record:
        return replace(super().shown(record), partition=0)


@mutant("partitioning.6", "scope", trap="two partitions with records")
class ReadsEveryPartition(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.number(stream, partition, "read_partition")
        given = 0
        for number in range(self.count(stream)):
            async for record in super().read_partition(stream, number, start, limit):
                if given != limit:
                    given += 1
                    yield record


@mutant("partitioning.6", "confusion", trap="a start above 0 with a limit")
class LimitsAreOffsets(NewerStreams):
    """The limit is taken for the offset at which the read ends."""

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        async for record in super().read_partition(stream, partition, start, limit):
            if limit is None or record.offset < limit:
                yield record


@mutant("partitioning.6", "truncation", trap="more than 100 records in a partition")
class PartitionsAreReadByThePage(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        async for record in super().read_partition(stream, partition, start, 100 if limit is None else min(limit, 100)):
            yield record


@mutant("partitioning.6", "missing step", trap="a start above 0")
class PartitionsAreReadFromTheirBeginning(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.bound(start, "read_partition")
        async for record in super().read_partition(stream, partition, 0 if self.count(stream) > 1 else start, limit):
            yield record


# partitioning.7: order


@mutant("partitioning.7", "reuse", trap="several appends to one partition without time between", also="partitioning.6")
class PartitionsShareAnOffsetOfTheInstant(NewerStreams):
    """Offsets are milliseconds, as of an id without its second half; what is of one instant overwrites."""

    def new_offset(self, stream: str) -> int:
        if "\udc00" not in stream:
            return super().new_offset(stream)
        now = self.store.clock.now_ms()
        log = self.stream(stream)
        if log.latest == now:
            log.records = [record for record in log.records if record.offset != now]
        return now


@mutant("partitioning.7", "race", trap="appends to one partition at once", also="partitioning.4 partitioning.6")
class OffsetsAreTakenBeforeAStep(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        operation = "append_to_partition"
        name, data = self.name(stream, operation), self.data(payload, operation, stream)
        label, labels = self.key(key, operation), self.labels(headers, operation)
        lane = self.lanes(name)[self.number(name, partition, operation)]
        offset = self.new_offset(lane)
        await step()
        return self.insert(lane, Record(offset, label, data, labels, self.stamp(lane), partition))


@mutant("partitioning.7", "order", trap="two appends to a partition at once, time passing in each")
class InstantsAreThoseOfTheCall(NewerStreams):
    """The instant is taken first, then time passes, differently for each, then the offset."""

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        operation = "append_to_partition"
        name, data = self.name(stream, operation), self.data(payload, operation, stream)
        label, labels = self.key(key, operation), self.labels(headers, operation)
        lane = self.lanes(name)[self.number(name, partition, operation)]
        stamp = self.stamp(lane)
        await self.store.clock.sleep(0.01 * (len(data) % 3))
        return self.insert(lane, Record(self.new_offset(lane), label, data, labels, stamp, partition))


@mutant("partitioning.7", "aliasing", trap="a buffer that is changed after the call")
class PartitionsKeepTheBuffer(NewerStreams):
    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        found = super().data(payload, operation, stream)
        return payload if operation == "append_to_partition" and isinstance(payload, bytearray) else found  # type: ignore[return-value]

    def shown(self, record: Record) -> Record:
        return replace(super().shown(record), payload=bytes(record.payload))


@mutant("partitioning.7", "wrong instant", trap="time between the appends to two partitions")
class StampsAreOfTheLastInTheFirst(NewerStreams):
    """The clock of a partitioned stream is that of its first record."""

    def stamp(self, stream: str) -> int:
        now = super().stamp(stream)
        return (
            int(self.store.notes.setdefault((self.namespace, stream.partition("\udc00")[0], "stamp"), now))
            if "\udc00" in stream
            else now
        )


@mutant("partitioning.7", "reuse", trap="a partition whose records were all removed, then an append", also="retention.9")
class OffsetsOfAPartitionFollowTheLastKept(NewerStreams):
    def new_offset(self, stream: str) -> int:
        log = self.stream(stream)
        return log.records[-1].offset + 1 if log.records else 0 if "\udc00" in stream else super().new_offset(stream)
