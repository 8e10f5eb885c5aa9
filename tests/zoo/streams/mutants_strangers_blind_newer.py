"""Mutants of strangers in moved, bounded and partitioned streams: what a refused call leaves, and what tasks share."""

import asyncio
from collections.abc import Iterable, Mapping

from prism_testkit.interfaces import Bytes, ConfigError, Conflict, GroupInfo, Record, RecordDelivery, Retention
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams
from .reference import step
from .stores import Acked, Change, Store, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


@mutant("replay.2", "cache", trap="one instant twice, and appends between")
class InstantsAreLookedUpOnce(NewerStreams):
    def place_in_time(self, stream: str, at_ms: int) -> int:
        place: int = self.store.notes.setdefault((self.namespace, stream, at_ms), super().place_in_time(stream, at_ms))
        return place


@mutant("replay.6", "shared state", trap="seeks of two groups that overlap on one client", also="replay.1")
class OverlappingSeeksShareTheirPlace(NewerStreams):
    _place = 0

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.group_name(group, "seek"), self.bound(offset, "seek")
        self.refuse_members(self.ordinary(name, "seek"), label, "seek")
        self._place = self.place(name, at)
        await step()
        self.refuse_members(name, label, "seek")
        self.move(label, {name: self._place})


@mutant("replay.4", "left by an error", trap="a seek in time that was refused, and a seek when the members have left")
class ARefusedSeekInTimeIsUnderWay(NewerStreams):
    def _free(self, stream: str, group: str) -> None:
        if self.store.notes.get((self.namespace, stream, group, "moving")):
            raise Conflict("zoo: the group is moved by another")

    async def seek(self, stream: str, group: str, offset: int) -> None:
        if isinstance(stream, str) and isinstance(group, str):
            self._free(stream, group)
        await super().seek(stream, group, offset)

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        self.group(self.lanes(self.name(stream, "seek_to_time"))[0], self.group_name(group, "seek_to_time"))
        self.bound(at_ms, "seek_to_time")
        self._free(stream, group)
        self.store.notes[self.namespace, stream, group, "moving"] = True
        await super().seek_to_time(stream, group, at_ms)
        self.store.notes[self.namespace, stream, group, "moving"] = False


@mutant("replay.3", "shortcut", trap="a seek to the position, with something pending")
class ASeekToWhereItIsDoesNothing(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        if any(self.group(lane, group).position != place for lane, place in places.items()):
            super().move(group, places)


@mutant("retention.7", "one of two ways", trap="a key again by append_to_partition, first by append")
class OnlyAppendsAreIndexed(NewerStreams):
    """Which record of a key is the last is noted by `append` alone."""

    def _index(self, lane: str) -> dict[str, int]:
        found: dict[str, int] = self.store.notes.setdefault((self.namespace, lane, "last"), {})
        return found

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        if key is not None:
            self._index(self.lanes(stream)[self.choose(stream, key)])[key] = offset
        return offset

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            last = self._index(lane)
            self.drop(lane, [r.offset for r in self.stream(lane).records if r.key is not None and r.offset < last.get(r.key, 0)])


@mutant("retention.4", "cache", trap="bounds that one client sets again, after another set others")
class EqualBoundsAreNotSetAgain(NewerStreams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self._set = dict[str, Retention]()

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        wanted = Retention(self.age(max_age_s), self.amount(max_records))
        if self._set.get(self.name(stream, "set_retention")) != wanted:
            await super().set_retention(stream, max_age_s, max_records)
            self._set[stream] = wanted


@mutant("retention.2", "wrong count", trap="a bound of records, and empty payloads")
class EmptyPayloadsDoNotCount(NewerStreams):
    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        behind, gone = 0, list[Record]()
        for record in reversed(log.records):
            if behind >= most:
                gone.append(record)
            behind += bool(record.payload)
        return gone


@mutant("retention.5", "left by an error", trap="bounds, others that are refused, and an enforcement", also="retention.2")
class RefusedBoundsStopTheEnforcement(NewerStreams):
    """What is enforced is forgotten first, then the new bounds are looked at."""

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        key = (self.namespace, self.name(stream, "set_retention"), "enforced")
        self.store.notes.pop(key, None)
        await super().set_retention(stream, max_age_s, max_records)
        self.store.notes[key] = True

    async def enforce_retention(self, stream: str) -> None:
        if self.store.notes.get((self.namespace, self.name(stream, "enforce_retention"), "enforced")):
            await super().enforce_retention(stream)


@mutant(
    "retention.6",
    "shared state",
    trap="compactions of two streams that overlap on one client",
    also="retention.7 retention.8 retention.12",
)
class CompactionsShareTheirList(NewerStreams):
    _gone: frozenset[int] = frozenset()

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            self._gone = frozenset(self.superseded(self.stream(lane)))
            await step()
            self.drop(lane, self._gone)


@mutant("retention.2", "truncation", trap="more than five hundred records outside")
class EnforcesFiveHundredAtMost(NewerStreams):
    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        return set(sorted(super().outside(log, bounds))[:500])


@mutant(
    "partitioning.10", "aliasing", trap="records 11 of partition 1 and 1 of partition 11, held at once", also="consumer_groups.6"
)
class PartitionAndOffsetRunTogether(LaneMember):
    """What is held is found by the digits of both."""

    def confirm(self, delivery: RecordDelivery) -> None:
        digits = f"{delivery.record.partition}{delivery.record.offset}"
        for part, offset, _ in self.kept():
            if f"{self.parts.index(part)}{offset}" == digits:
                part.put(offset, Acked())


@mutant(
    "partitioning.9", "effect before error", trap="a seek of a partitioned stream with something pending", also="partitioning.10"
)
class RefusedSeeksForgetWhatIsPending(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label = self.name(stream, "seek"), self.group_name(group, "seek")
        self.bound(offset, "seek")
        if self.count(name) > 1:
            self.apply(*(Change(lane, label, forget=True) for lane in self.lanes(name)))
            raise ConfigError("zoo: seek of a stream that is partitioned")
        await super().seek(stream, group, offset)


@mutant("partitioning.10", "aliasing", trap="records with one offset pending in two partitions", also="consumer_groups.11")
class EqualOffsetsArePendingOnce(NewerStreams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        lanes = [self.stream(lane) for lane in self.lanes(stream)]
        offsets = {o for log in lanes for o in log.groups[group].pending}
        return GroupInfo(found.members, min(found.pending, len(offsets)), found.position)


@mutant("partitioning.12", "lost on cancel", trap="an append_to_partition that is cancelled, and another")
class CancelledAppendsKeepTheirPartition(NewerStreams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self._locks = dict[tuple[str, int], asyncio.Lock]()

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        operation = "append_to_partition"
        name, data = self.name(stream, operation), self.data(payload, operation, stream)
        label, labels = self.key(key, operation), self.labels(headers, operation)
        number = self.number(name, partition, operation)
        lock = self._locks.setdefault((name, number), asyncio.Lock())
        await lock.acquire()
        await step()
        offset = self.add(name, number, label, data, labels)
        lock.release()
        return offset
