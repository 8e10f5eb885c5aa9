"""Lists that keep every promise of the stream interfaces; how a receive waits is the one thing that takes time."""

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import prism_testkit as prism
from prism_backends.living import Living
from prism_backends.memory.client import MemoryClient
from prism_backends.memory.streamlog import Group, Log, own
from prism_backends.stream_arguments import (
    check_bounds,
    check_deliveries,
    check_instant,
    check_key,
    check_most,
    check_offset,
    check_partition,
    check_partitions,
    check_records,
    check_start,
    check_whole,
)
from prism_testkit.interfaces.errors import AlreadyExists, Closed, Conflict, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import (
    GroupInfo,
    GroupStart,
    Member,
    Record,
    RecordDelivery,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.interfaces.stream_partitioning import StreamPartitioning
from prism_testkit.interfaces.stream_replay import StreamReplay
from prism_testkit.interfaces.stream_retention import Retention, StreamRetention

__all__ = ["MemoryStream"]

_ME = "memory"
_numbers = itertools.count(1)


class MemoryStream(Living, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """Offsets are dense, from 0, but for what was compacted. Whoever comes to a stream finds its bounds enforced.

    A member cannot die apart from its process, which takes the streams with it. But a driver that is closed gives back at once
    what its members still hold, and their calls raise `Closed`: so a crash can be played within one process.
    """

    traits = prism.Traits(group_parallelism="record", delivery_count="exact", compaction="immediate", retention_lag_s=0.0)

    def __init__(self, client: MemoryClient, namespace: str) -> None:
        self._spaces: dict[str, dict[str, Log]] = client.model("stream")
        self._clock, self._namespace = client.clock, namespace
        self._members: set[_Member] = set()
        self._closed = False

    async def _end(self) -> None:
        """Let every member of this driver be as one that died; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        for member in list(self._members):
            self._leave(member)

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return self._append("append", stream, payload, key, headers)

    def _append(
        self,
        operation: str,
        stream: str,
        payload: Bytes,
        key: str | None,
        headers: Mapping[str, str] | None,
        partition: int | None = None,
    ) -> int:
        prism.check_name(stream, operation, _ME)
        data = prism.check_payload(payload, operation, _ME, stream)
        check_key(key, operation, _ME)
        copy = prism.check_headers(headers, operation, _ME)
        offset = self._log(operation, stream).append(data, key, copy, self._clock.now_ms(), partition)
        self._log(operation, stream)  # whatever asks for the log finds its bounds enforced
        return offset

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        prism.check_name(stream, "read", _ME)
        check_offset(start, "read", _ME)
        left = check_records(limit, "read", _ME)
        self._whole("read", stream)
        for record in self._records("read", stream, start, left):
            yield record

    def _records(
        self, operation: str, stream: str, offset: int, left: int | None, stop: int | None = None, partition: int = 0
    ) -> Iterator[Record]:
        end = self._log(operation, stream).end
        while left != 0:
            log = self._log(operation, stream)  # looked up at each step, for it may change between two, or be cleaned away
            found = next((record for record in log.from_on(offset) if record.partition == partition), None)
            if found is None or found.offset >= (end if stop is None else min(end, stop)):
                return
            yield own(found)
            offset = found.offset + 1
            left = None if left is None else left - 1

    async def latest_offset(self, stream: str) -> int | None:
        prism.check_name(stream, "latest_offset", _ME)
        end = self._whole("latest_offset", stream).end
        return end - 1 if end else None

    async def trim(self, stream: str, before: int) -> int:
        prism.check_name(stream, "trim", _ME)
        check_offset(before, "trim", _ME)
        return self._whole("trim", stream).trim(before)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self._check_names("create_group", stream, group)
        check_start(start, "create_group", _ME)
        log = self._log("create_group", stream)
        if group in log.groups:
            raise AlreadyExists(f"{_ME}: create_group: {stream[:40]!a} has a group {group[:40]!a} already")
        if isinstance(start, int):
            check_whole(log.partitions, "create_group", _ME, stream)
        position = start if isinstance(start, int) else log.end if start == "latest" else log.first
        log.groups[group] = Group(position)

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        self._check_names("join", stream, group, consumer)
        member = _Member(self, stream, group)
        self._members.add(member)
        try:
            yield member
        finally:
            self._leave(member)

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        self._check_names("group_info", stream, group)
        log, known = self._group("group_info", stream, group)
        position = max(known.position, log.first) if log.partitions == 1 else 0
        return GroupInfo(len(known.members), len(known.counts), position)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self._check_names("seek", stream, group)
        check_offset(offset, "seek", _ME)
        check_whole(self._log("seek", stream).partitions, "seek", _ME, stream)
        self._move("seek", stream, group, offset)

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        self._check_names("seek_to_time", stream, group)
        check_instant(at_ms, "seek_to_time", _ME)
        self._move("seek_to_time", stream, group, self._log("seek_to_time", stream).instant(at_ms))

    def _move(self, operation: str, stream: str, group: str, offset: int) -> None:
        log, known = self._group(operation, stream, group)
        if known.members:
            raise Conflict(f"{_ME}: {operation}: group {group[:40]!a} of {stream[:40]!a} has members")
        known.move(min(offset, log.end))

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        prism.check_name(stream, "replay", _ME)
        check_offset(start, "replay", _ME)
        check_offset(stop, "replay", _ME)
        self._whole("replay", stream)
        for record in self._records("replay", stream, start, None, stop):
            yield record

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        prism.check_name(stream, "set_retention", _ME)
        bounds = check_bounds(max_age_s, max_records, _ME)
        self._log("set_retention", stream).bounds = bounds

    async def retention(self, stream: str) -> Retention:
        prism.check_name(stream, "retention", _ME)
        return self._log("retention", stream).bounds or Retention()

    async def enforce_retention(self, stream: str) -> None:
        prism.check_name(stream, "enforce_retention", _ME)
        self._log("enforce_retention", stream)  # whatever asks for the log finds its bounds enforced

    async def compact(self, stream: str) -> None:
        prism.check_name(stream, "compact", _ME)
        self._log("compact", stream).compact()

    async def create_partitioned(self, stream: str, n: int) -> None:
        prism.check_name(stream, "create_partitioned", _ME)
        check_partitions(n, _ME)
        log = self._log("create_partitioned", stream)
        if log.partitions != n and (log.partitions > 1 or log.is_used):
            raise AlreadyExists(f"{_ME}: create_partitioned: {stream[:40]!a} is in use, with {log.partitions} partitions")
        log.partitions = n

    async def partitions(self, stream: str) -> int:
        prism.check_name(stream, "partitions", _ME)
        return self._log("partitions", stream).partitions

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        prism.check_name(stream, "append_to_partition", _ME)
        check_partition(partition, self._log("append_to_partition", stream).partitions, "append_to_partition", _ME)
        return self._append("append_to_partition", stream, payload, key, headers, partition)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        prism.check_name(stream, "read_partition", _ME)
        check_offset(start, "read_partition", _ME)
        left = check_records(limit, "read_partition", _ME)
        check_partition(partition, self._log("read_partition", stream).partitions, "read_partition", _ME)
        for record in self._records("read_partition", stream, start, left, None, partition):
            yield record

    def _check_names(self, operation: str, *names: str) -> None:
        for name in names:
            prism.check_name(name, operation, _ME)

    def _log(self, operation: str, stream: str) -> Log:
        """Return what is known of a stream; `clean` drops the streams of a namespace while drivers of it may live on."""
        if self._closed:
            raise Closed(f"{_ME}: {operation} {stream[:40]!a}: the driver is closed")
        log = self._spaces.setdefault(self._namespace, {}).setdefault(stream, Log())
        log.enforce(self._clock.now_ms())
        return log

    def _whole(self, operation: str, stream: str) -> Log:
        log = self._log(operation, stream)
        check_whole(log.partitions, operation, _ME, stream)
        return log

    def _group(self, operation: str, stream: str, group: str) -> tuple[Log, Group]:
        log = self._log(operation, stream)
        if group not in log.groups:
            raise GroupNotFound(f"{_ME}: {operation}: {stream[:40]!a} has no group {group[:40]!a}")
        return log, log.groups[group]

    def _leave(self, member: "_Member") -> None:
        """Give back what a member holds. A repeat does nothing."""
        if member.is_open:
            member.is_open = False
            self._members.discard(member)
            member.known.members.discard(member.name)
            for offset, token in list(member.known.held.items()):
                if member.gave(token):
                    member.known.give_back(offset, member.log.is_kept(offset), self._clock.now_s())
            member.known.bell.ring()


class _Member(Member):
    """One stay in a group. A token is the name of the member that got the delivery, and a number."""

    def __init__(self, driver: MemoryStream, stream: str, group: str) -> None:
        self.is_open = True
        self._driver, self._clock = driver, driver._clock
        self._stream, self._group = stream, group
        self._join("join")

    def _join(self, operation: str) -> None:
        self.log, self.known = self._driver._group(operation, self._stream, self._group)
        self.name = f"m{next(_numbers)}"
        self.known.members.add(self.name)

    def gave(self, token: str) -> bool:
        """Say whether a delivery is, or was, one to this member."""
        return token.partition(".")[0] == self.name

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        most = check_most(max_records, "receive", _ME)
        wait_s = prism.check_timeout(timeout_s, "receive", _ME)
        return await self.known.bell.first(lambda: self._take(most), wait_s, self._ahead_s) or []

    def _ahead_s(self) -> float | None:
        due_s = self.known.next_due_s()
        return None if due_s is None else max(0.0, due_s - self._clock.now_s())

    def _take(self, most: int) -> list[RecordDelivery] | None:
        self._check_open("receive")
        if not self._is_in("receive"):
            self._join("receive")
        offsets = self.log.take(self.known, most, self._clock.now_s())
        return [self._deliver(offset) for offset in offsets] or None

    def _deliver(self, offset: int) -> RecordDelivery:
        token = f"{self.name}.{next(_numbers)}"
        return RecordDelivery(self.log.record(offset), self.known.deliver(offset, token), token)

    async def ack(self, *deliveries: RecordDelivery) -> None:
        for delivery in self._mine("ack", deliveries):
            self.known.done(delivery.record.offset)
        self._refuse("ack", deliveries)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        prism.check_seconds(delay_s, "nack", _ME)
        for offset in (delivery.record.offset for delivery in self._mine("nack", deliveries)):
            self.known.give_back(offset, self.log.is_kept(offset), self._clock.now_s(), delay_s)
        self.known.bell.ring()
        self._refuse("nack", deliveries)

    def _check_open(self, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{_ME}: {operation}: the member of group {self._group[:40]!a} was left")

    def _is_in(self, operation: str) -> bool:
        """Say whether the group is the one that was joined, and was not cleaned away since."""
        return self._driver._log(operation, self._stream).groups.get(self._group) is self.known

    def _mine(self, operation: str, deliveries: tuple[RecordDelivery, ...]) -> list[RecordDelivery]:
        """Return, each once, those that this member holds; what it held before needs nothing done."""
        check_deliveries(deliveries, operation, _ME)
        self._check_open(operation)
        if not self._is_in(operation):
            return []
        held = {delivery.token: delivery for delivery in deliveries if self.gave(delivery.token)}
        return [delivery for token, delivery in held.items() if self.known.held.get(delivery.record.offset) == token]

    def _refuse(self, operation: str, deliveries: tuple[RecordDelivery, ...]) -> None:
        is_in = self._is_in(operation)
        foreign = [delivery.record.offset for delivery in deliveries if not is_in or not self.gave(delivery.token)]
        if foreign:
            raise Conflict(f"{_ME}: {operation}: {self._stream[:40]!a} at {foreign[0]} was not delivered to this member")
