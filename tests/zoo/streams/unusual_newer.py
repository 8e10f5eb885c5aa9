"""Streams that are moved, bounded and partitioned in an unusual way, and rightly. No check may fail on any of them."""

import hashlib
import math
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, GroupInfo, Record, RecordDelivery
from prism_testkit.traits import Limits, Traits

from .newer import FileNewerStreams, LaneMember, NewerStreams, SweepingStreams, backend
from .reference import Member, Reading, step
from .unusual_newer_timing import CompactsTwoSecondsLater, RemovesOneByOne, SlowNewer, SuspendingNewer, SweepsSeldom

__all__ = ["UNUSUAL"]

_RECORD = Traits(group_parallelism="record", delivery_count="exact", compaction="immediate")


class SparseLanes(NewerStreams):
    """Offsets begin high, leave gaps of many sizes, and are other ones in each partition."""

    def new_offset(self, stream: str) -> int:
        log = self.stream(stream)
        salt = f"{stream}{log.latest}".encode(errors="surrogatepass")
        return 1_000 + zlib.crc32(salt) % 99 if log.latest is None else log.latest + 1 + zlib.crc32(salt) % 97


class OneCounterForAllLanes(NewerStreams):
    """All partitions of all streams share one counter, so that offsets of two are never equal."""

    def new_offset(self, stream: str) -> int:
        self.store.notes["offset"] = self.store.notes.get("offset", 0) + 1
        return int(self.store.notes["offset"])


class PositionsAsAsked(NewerStreams):
    """A group that was moved before the oldest record tells the offset that was asked for: there is none between."""

    def place(self, stream: str, offset: int) -> int:
        return min(offset, self.stream(stream).end)


class PositionsAtTheNextRecord(NewerStreams):
    """A group tells the offset of the record that it gets next."""

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        if self.count(stream) > 1:
            return found
        record = self.first(stream, found.position, self.stream(stream).end)
        return replace(found, position=self.stream(stream).end if record is None else record.offset)


class SpeaksByTurns(SparseLanes):
    """A position, and what a trim returns, is told by turns as the bound in a gap and as the next record: both are true."""

    told = 0

    def next_record(self, stream: str, offset: int) -> int:
        """Return an offset, or, every other time, that of the record behind it."""
        self.told += 1
        record = self.first(stream, offset, self.stream(stream).end) if self.told % 2 else None
        return offset if record is None else record.offset

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return found if self.count(stream) > 1 else replace(found, position=self.next_record(stream, found.position))

    def lowest(self, stream: str) -> int:
        return self.next_record(stream, self.stream(stream).floor)


class ReplaysInPages(NewerStreams):
    """A replay brings three records at a time, with steps between, and gives what is removed meanwhile."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        at, end = start, min(stop, self.stream(stream).end)
        while True:
            page = [record for record in self.stream(stream).records if at <= record.offset < end][:3]
            if not page:
                return
            at = page[-1].offset + 1
            for record in page:
                yield record
            await step()


class ReplaysAPhotograph(NewerStreams):
    """A replay and a read of a partition give what there was at their first step, removed or not."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        for record in [record for record in self.stream(stream).records if start <= record.offset < stop]:
            yield record

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        for record in [record for record in self.stream(stream).records if record.offset >= start][:limit]:
            yield record


class RefusesAtTheCall(NewerStreams):
    """What reads refuses when it is called, not at its first step."""

    def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        self.name(stream, "replay"), self.bound(start, "replay"), self.bound(stop, "replay")
        self.ordinary(stream, "replay")
        return super().replay(stream, start, stop)

    def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.number(self.name(stream, "read_partition"), partition, "read_partition")
        self.bound(start, "read_partition"), self.limit(limit, "read_partition")
        return super().read_partition(stream, partition, start, limit)

    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.ordinary(self.name(stream, "read"), "read")
        self.bound(start, "read"), self.limit(limit, "read")
        return super().read(stream, start, limit)


class ChecksInAnotherOrder(NewerStreams):
    """Of several mistakes in one call another one is told first."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.bound(offset, "seek")
        self.group_name(group, "seek")
        await super().seek(stream, group, offset)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.amount(max_records), self.age(max_age_s)
        await super().set_retention(stream, max_age_s, max_records)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.labels(headers, "append_to_partition")
        self.number(self.name(stream, "append_to_partition"), partition, "append_to_partition")
        return await super().append_to_partition(stream, partition, payload, key, headers)


class CompactsNever(NewerStreams):
    """Claims that what is superseded goes some time."""

    traits = replace(_RECORD, compaction=None)

    async def compact(self, stream: str) -> None:
        self.name(stream, "compact")


class SweepsAtAppends(NewerStreams):
    """Claims nothing, and removes at appends all the same."""

    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        offset = super().add(stream, number, key, data, labels)
        for lane in self.lanes(stream):
            self.drop(lane, self.outside(self.stream(lane), self.bounds(stream)))
        return offset


class WholeMilliseconds(NewerStreams):
    """Ages are whole milliseconds, rounded up, and what is outside by less than one stays."""

    def age(self, max_age_s: float | None) -> float | None:
        found = super().age(max_age_s)
        return found and math.ceil(found * 1000 - 1e-9) / 1000

    def too_old(self, record: Record, age: float) -> bool:
        return self.store.clock.now_ms() - record.appended_ms >= round(age * 1000) + 1


class CoarseBounds(NewerStreams):
    """Instants and ages are whole seconds."""

    limits = Limits(clock_resolution_s=1.0)

    def stamp(self, stream: str) -> int:
        return super().stamp(stream) // 1000 * 1000

    def age(self, max_age_s: float | None) -> float | None:
        found = super().age(max_age_s)
        return found and float(math.ceil(found))


class TrimTellsTheBound(NewerStreams):
    """`trim` tells the bound or what was removed, whichever is further, as a log start offset."""

    def lowest(self, stream: str) -> int:
        log = self.stream(stream)
        return max(log.floor, self.store.notes.get((self.namespace, stream, "start"), 0))

    async def enforce_retention(self, stream: str) -> None:
        await super().enforce_retention(stream)
        for lane in self.lanes(stream):
            log = self.stream(lane)
            self.store.notes[self.namespace, lane, "start"] = log.records[0].offset if log.records else log.end


class HashesBySha(NewerStreams):
    """Another hash, and records without a key all go to the last partition."""

    def choose(self, stream: str, key: str | None) -> int:
        count = self.count(stream)
        return count - 1 if key is None else hashlib.sha256(key.encode()).digest()[3] % count


class KeysInTwoPartitions(NewerStreams):
    """Keys go to the first and the last partition only."""

    def choose(self, stream: str, key: str | None) -> int:
        return (self.count(stream) - 1) * (zlib.adler32(key.encode()) % 2 if key is not None else 1)


class KeysByTheirFirstSight(NewerStreams):
    """A key is dealt a partition when it is seen first, and keeps it."""

    def choose(self, stream: str, key: str | None) -> int:
        known = self.store.notes.setdefault((self.namespace, stream, "dealt"), {})
        return int(known.setdefault(key, len(known) % self.count(stream)))


class TakesTurns(LaneMember):
    """A receive begins with another partition each time, and takes one record of each, in turn."""

    _turn = 0

    def take(self, most: int) -> list[RecordDelivery]:
        self._turn += 1
        begin = self._turn % len(self.parts)
        found = list[RecordDelivery]()
        for part in [*self.parts[begin:], *self.parts[:begin]]:
            found += part.take(min(1, most - len(found)))
        return found


class Assigned(LaneMember):
    """Partitions are shared out among the members of the moment; what is left over has nothing."""

    def ordered(self) -> Sequence[Member]:
        members = sorted(self.state().members)
        return self.parts[members.index(self.id) :: len(members)]

    def leave(self) -> None:
        super().leave()
        self.driver.store.wake()


class OnePartitionAReceive(LaneMember):
    """A receive gives records of one partition."""

    def take(self, most: int) -> list[RecordDelivery]:
        return next((found for part in self.parts if (found := part.take(most))), [])


def _with(driver: type[NewerStreams] = NewerStreams, **claims: Any) -> type[NewerStreams]:
    return type(driver.__name__, (driver,), {"__module__": __name__, **claims})


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("newer-plain"),
    backend("newer-file", FileNewerStreams),
    backend("newer-claims-least", _with(CompactsNever, traits=Traits())),
    backend("sparse-lanes", SparseLanes),
    backend("one-counter-for-all-lanes", OneCounterForAllLanes),
    backend("positions-as-asked", PositionsAsAsked),
    backend("positions-at-the-next-record", PositionsAtTheNextRecord),
    backend("speaks-by-turns", SpeaksByTurns),
    backend("replays-in-pages", ReplaysInPages),
    backend("replays-a-photograph", ReplaysAPhotograph),
    backend("refuses-at-the-call", RefusesAtTheCall),
    backend("newer-checks-in-another-order", ChecksInAnotherOrder),
    backend("compacts-never", CompactsNever),
    backend("compacts-two-seconds-later", CompactsTwoSecondsLater),
    backend("sweeping", SweepingStreams),
    backend("sweeps-seldom", SweepsSeldom),
    backend("sweeps-at-appends", SweepsAtAppends),
    backend("whole-milliseconds", WholeMilliseconds),
    backend("coarse-bounds", CoarseBounds),
    backend("trim-tells-the-bound", TrimTellsTheBound),
    backend("hashes-by-sha", HashesBySha),
    backend("keys-in-two-partitions", KeysInTwoPartitions),
    backend("keys-by-their-first-sight", KeysByTheirFirstSight),
    backend("takes-turns", _with(member_type=TakesTurns)),
    backend("assigned", _with(member_type=Assigned, traits=replace(_RECORD, group_parallelism="partition"))),
    backend("one-partition-a-receive", _with(member_type=OnePartitionAReceive)),
    backend("suspending-newer", SuspendingNewer),
    backend("slow-newer", SlowNewer),
    backend("removes-one-by-one", RemovesOneByOne),
)
