"""Mutants of strangers in partitions: keys that are special, what one client knows, groups that wait or share."""

from collections.abc import AsyncIterator, Mapping, Sequence

from prism_testkit.interfaces import Bytes, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams
from .reference import Member
from .stores import Acked, Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


@mutant("partitioning.5", "boundary", trap="a key of more than 255 bytes, twice")
class LongKeysGoAnywhere(NewerStreams):
    def choose(self, stream: str, key: str | None) -> int:
        return super().choose(stream, key if key is not None and len(key.encode()) < 256 else None)


@mutant("partitioning.5", "special value", trap="a key with an empty payload and with another")
class EmptyPayloadsGoToTheFirst(NewerStreams):
    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        return super().add(stream, number if data or key is None else 0, key, data, labels)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.key(key, "append_to_partition")
        number = self.number(self.name(stream, "append_to_partition"), partition, "append_to_partition")
        data, labels = self.data(payload, "append_to_partition", stream), self.labels(headers, "append_to_partition")
        return NewerStreams.add(self, stream, number, key, data, labels)


@mutant("partitioning.5", "wrong input", trap="a key with headers and without")
class HeadersSteer(NewerStreams):
    """The whole message is hashed."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self._salt = len(headers) if isinstance(headers, Mapping) else 0
        try:
            return await super().append(stream, payload, key, headers)
        finally:
            self._salt = 0

    _salt = 0

    def choose(self, stream: str, key: str | None) -> int:
        return (super().choose(stream, key) + self._salt) % self.count(stream)


@mutant("partitioning.6", "wrong end", trap="a partition with higher offsets than the first")
class TheEndIsThatOfTheFirstPartition(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        end = self.stream(self.lanes(self.name(stream, "read_partition"))[0]).end
        async for record in super().read_partition(stream, partition, start, limit):
            if record.offset < end or not end:
                yield record


class _DelayStops(Member):
    def fresh(self, most: int) -> list[int]:
        delayed = any(not held.member and not self.driver.over(held.due) for held in self.state().pending.values())
        return [] if delayed and "\udc00" in self.stream else super().fresh(most)


@mutant("partitioning.10", "blocked", trap="a delayed record, and others behind it in its partition", also="consumer_groups.7")
class ADelayStopsItsPartition(NewerStreams):
    """A partition is paused until what is delayed comes again."""

    part_type = _DelayStops


class _Commits(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        if "\udc00" in self.stream:
            for offset in [o for o in self.state().pending if o < delivery.record.offset]:
                self.put(offset, Acked())
        super().confirm(delivery)


@mutant("partitioning.10", "position moved", trap="the later of two records of a partition acked alone", also="consumer_groups.6")
class AnAckCommitsThePartition(NewerStreams):
    part_type = _Commits


class _WaitsForTheFirst(LaneMember):
    _waits = False

    async def pause(self, end: float) -> None:
        self._waits = True
        await super().pause(end)

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self._waits = False
        return await super().receive(max_records, timeout_s)

    def ordered(self) -> Sequence[Member]:
        return self.parts[:1] if self._waits else self.parts


@mutant("partitioning.10", "lost wake-up", trap="a member that waits, and a record in a later partition")
class WhoWaitsLooksAtTheFirstPartition(NewerStreams):
    member_type = _WaitsForTheFirst


class _OnePosition(Member):
    def fresh(self, most: int) -> list[int]:
        found = super().fresh(most)
        if "\udc00" in self.stream:
            log = self.driver.stream(self.stream)
            self.driver.apply(*(Change(self.stream, group, position=self.state().position) for group in log.groups))
        return found


@mutant("partitioning.10", "shared state", trap="two groups of a partitioned stream", also="consumer_groups.9")
class GroupsSharePositions(NewerStreams):
    part_type = _OnePosition


@mutant("partitioning.9", "missing case", trap="a seek to an instant behind the last record of some partitions", also="replay.2")
class PartitionsWithoutALaterRecordAreRepeated(NewerStreams):
    def place_in_time(self, stream: str, at_ms: int) -> int:
        found = super().place_in_time(stream, at_ms)
        return 0 if "\udc00" in stream and found == self.stream(stream).end else found


@mutant("partitioning.9", "partial", trap="a seek to an instant with records of later partitions pending", also="replay.3")
class SeeksInTimeForgetTheFirstPartition(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        old = {lane: dict(self.group(lane, group).pending) for lane in places}
        super().move(group, places)
        for lane in list(places)[1:]:
            self.apply(*(Change(lane, group, offset=offset, held=held) for offset, held in old[lane].items()))


class _Marks(NewerStreams):
    """A stream is used once it was named in some call."""

    marking: tuple[str, ...] = ()

    def name(self, stream: str, operation: str) -> str:
        found = super().name(stream, operation)
        if operation in self.marking:
            self.store.notes[self.namespace, stream, "used"] = True
        return found

    def used(self, stream: str) -> bool:
        return super().used(stream) or bool(self.store.notes.get((self.namespace, stream, "used")))


@mutant("partitioning.1", "state after an error", trap="a stream whose only append was refused", also="partitioning.8 basic.9")
class RefusedAppendsUseAStream(_Marks):
    marking = ("append", "append_to_partition")


@mutant("partitioning.1", "side effect", trap="a stream that was read before it is partitioned", also="partitioning.3")
class LooksUseAStream(_Marks):
    marking = ("read", "latest_offset", "read_partition", "retention", "compact", "enforce_retention", "trim", "replay")


class _KnowsOnce(NewerStreams):
    """A client that has looked at a stream before it was partitioned knows it as ordinary."""

    def known(self, stream: str) -> int:
        found = super().count(stream)
        return int(self.store.notes.setdefault(("count", id(self), self.namespace, stream), found))


@mutant("partitioning.4", "cache", trap="a client that looked before another one partitioned the stream", also="partitioning.8")
class AppendsToThePartitionsThatItKnows(_KnowsOnce):
    def number(self, stream: str, partition: int, operation: str) -> int:
        found = super().number(stream, partition, operation)
        if operation == "append_to_partition" and found >= self.known(stream):
            raise ValueError(f"zoo: {operation}: there is no partition {partition}")
        return found

    async def partitions(self, stream: str) -> int:
        self.known(self.name(stream, "partitions"))
        return await super().partitions(stream)


@mutant("partitioning.5", "cache", trap="a key of a client that looked before another one partitioned the stream")
class KeysGoToThePartitionsThatItKnows(_KnowsOnce):
    def choose(self, stream: str, key: str | None) -> int:
        return super().choose(stream, key) % self.known(stream)

    async def partitions(self, stream: str) -> int:
        self.known(self.name(stream, "partitions"))
        return await super().partitions(stream)
