"""A driver of all five interfaces of streams, over `ninth_segments`: what a call changes is one step, and awaits nothing."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from math import isfinite
from typing import Any

from prism_testkit.interfaces import (
    AlreadyExists,
    Bytes,
    Closed,
    ConfigError,
    Conflict,
    GroupInfo,
    GroupNotFound,
    GroupStart,
    Record,
    RecordDelivery,
    Retention,
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.naming import check_headers, check_limit, check_name, check_payload, check_seconds, check_timeout

from .ninth_segments import Books, Crowd, Job, Lane, Shelf

__all__ = ["MAKER", "SegmentMember", "SegmentStreams", "copied", "whole"]

MAKER = "segments"


def whole(number: Any, what: str) -> int:
    """Return an int of 0 or more."""
    if not isinstance(number, int):
        raise TypeError(f"{MAKER}: {what} is int, not {type(number).__name__}")
    if number < 0:
        raise ValueError(f"{MAKER}: {what}={number} is negative")
    return number


class SegmentMember:
    """A member of a group."""

    def __init__(self, driver: "SegmentStreams", stream: str, group: str, number: int) -> None:
        self.driver, self.stream, self.group, self.number = driver, stream, group, number
        self.left = False

    @property
    def books(self) -> Books:
        return self.driver.books

    @property
    def shelf(self) -> Shelf:
        return self.books.shelf(self.driver.space, self.stream)

    @property
    def crowd(self) -> Crowd:
        return self.shelf.groups[self.group]

    def step(self, name: str, *arguments: Any) -> None:
        self.books.step(name, self.driver.space, self.stream, self.group, *arguments)

    def check_here(self) -> None:
        if self.left:
            raise Closed(f"{MAKER}: the member has left")

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_here()
        if whole(max_records, "max_records") < 1:
            raise ValueError(f"{MAKER}: max_records is 1 or more")
        loop = asyncio.get_running_loop()
        end = loop.time() + check_timeout(timeout_s, "receive", MAKER)
        while True:
            self.check_here()
            if found := self.take(max_records):
                return found
            if (left := end - loop.time()) <= 0:
                return []
            await self.wait(min([left, *self.dues()]))

    async def wait(self, seconds: float) -> None:
        """Wait for something that may have made a record available."""
        await self.books.heard(seconds)

    def dues(self) -> list[float]:
        """Return in how many seconds what was nacked is due."""
        now = self.books.clock.now_s()
        return [job.due - now for job in self.crowd.jobs.values() if not job.member and job.due > now]

    def wanted(self, most: int) -> list[tuple[tuple[int, int], Record]]:
        """Return what is to be delivered: what comes again, then what is new."""
        now, crowd = self.books.clock.now_s(), self.crowd
        found = []
        for (part, offset), job in sorted(crowd.jobs.items(), key=lambda item: item[0]):
            record = self.shelf.lanes[part].find(offset)
            if not job.member and job.due <= now and record is not None:
                found.append(((part, offset), record))
        for part, lane in enumerate(self.shelf.lanes):
            if len(found) >= most:
                break
            for record in lane.since(crowd.at[part]):
                if len(found) >= most:
                    break
                found.append(((part, record.offset), record))
        return found[:most]

    def take(self, most: int) -> list[RecordDelivery]:
        taken: dict[tuple[int, int], Job] = {}
        found: list[RecordDelivery] = []
        for place, record in self.wanted(most):
            before = self.crowd.jobs.get(place)
            job = Job(before.count + 1 if before else 1, self.number, f"{self.number}/{self.books.number()}")
            taken[place] = job
            found.append(RecordDelivery(copied(record), job.count, job.token))
        if taken:
            self.step("take", taken)
        return found

    def mine(self, deliveries: tuple[RecordDelivery, ...]) -> tuple[list[tuple[int, int]], bool]:
        """Return the places that this member holds, and whether another was among them."""
        self.check_here()
        if not all(isinstance(delivery, RecordDelivery) for delivery in deliveries):
            raise TypeError(f"{MAKER}: what is no delivery")
        places, strange = [], False
        for delivery in deliveries:
            place = delivery.record.partition, delivery.record.offset
            job = self.crowd.jobs.get(place)
            if job is not None and job.member == self.number and job.token == delivery.token:
                if place not in places:
                    places.append(place)
            elif not delivery.token.startswith(f"{self.number}/"):
                strange = True
        return places, strange

    async def ack(self, *deliveries: RecordDelivery) -> None:
        places, strange = self.mine(deliveries)
        if places:
            self.step("done", places)
        if strange:
            raise Conflict(f"{MAKER}: another member's delivery")

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.check_here()
        delay = max(0.0, check_seconds(delay_s, "nack", MAKER))
        places, strange = self.mine(deliveries)
        if places:
            self.step("back", places, self.books.clock.now_s() + delay if delay else 0.0)
        if strange:
            raise Conflict(f"{MAKER}: another member's delivery")

    def leave(self) -> None:
        self.left = True
        if self.group in self.shelf.groups:
            self.crowd.members.pop(self.number, None)
            if held := [place for place, job in self.crowd.jobs.items() if job.member == self.number]:
                self.step("back", held, 0.0)
        self.books.ring()


def copied(record: Record) -> Record:
    return replace(record, headers=dict(record.headers))


class SegmentStreams(StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """Streams in segments."""

    member_type: type[SegmentMember] = SegmentMember

    def __init__(self, books: Books, namespace: str) -> None:
        self.books, self.space = books, namespace

    def look(self, stream: str) -> Shelf:
        return self.books.look(self.space, stream)

    def step(self, name: str, stream: str, *arguments: Any) -> None:
        self.books.step(name, self.space, stream, *arguments)

    def lane(self, stream: str, call: str) -> Lane:
        """Return the only lane of an ordinary stream."""
        shelf = self.look(stream)
        if len(shelf.lanes) > 1:
            raise ConfigError(f"{MAKER}: {call}: the stream has {len(shelf.lanes)} partitions")
        return shelf.lanes[0]

    def lane_of(self, stream: str, partition: int) -> Lane:
        lanes = self.look(stream).lanes
        if whole(partition, "partition") >= len(lanes):
            raise ValueError(f"{MAKER}: there is no partition {partition}")
        return lanes[partition]

    def crowd(self, stream: str, group: str) -> Crowd:
        found = self.look(stream).groups.get(group)
        if found is None:
            raise GroupNotFound(f"{MAKER}: there is no such group")
        return found

    # Records

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        check_name(stream, "append", MAKER)
        lanes = self.look(stream).lanes
        if key is not None:
            check_name(key, "append", MAKER)
        part = zlib.crc32(key.encode()) % len(lanes) if key is not None else sum(lane.next for lane in lanes) % len(lanes)
        return self.add(stream, part, payload, key, headers)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        check_name(stream, "append_to_partition", MAKER)
        self.lane_of(stream, partition)
        return self.add(stream, partition, payload, key, headers)

    def add(self, stream: str, part: int, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> int:
        if key is not None:
            check_name(key, "append", MAKER)
        data = check_payload(payload, "append", MAKER, stream)
        more = check_headers(headers, "append", MAKER)
        lane = self.look(stream).lanes[part]
        offset = lane.next
        at_ms = max(lane.newest_ms, self.books.clock.now_ms())
        self.step("append", stream, part, Record(offset, key, data, more, at_ms, part))
        return offset

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        check_name(stream, "read", MAKER)
        lane = self.lane(stream, "read")
        async for record in self.walk(lane, whole(start, "start"), lane.next, check_limit(limit, "read", MAKER)):
            yield record

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        check_name(stream, "read_partition", MAKER)
        lane = self.lane_of(stream, partition)
        async for record in self.walk(lane, whole(start, "start"), lane.next, check_limit(limit, "read_partition", MAKER)):
            yield record

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        check_name(stream, "replay", MAKER)
        lane = self.lane(stream, "replay")
        async for record in self.walk(lane, whole(start, "start"), min(whole(stop, "stop"), lane.next), None):
            yield record

    async def walk(self, lane: Lane, start: int, stop: int, limit: int | None) -> AsyncIterator[Record]:
        """Give what is kept below ``stop``, a segment's worth at a time."""
        given = 0
        while limit is None or given < limit:
            some = []
            for record in lane.since(start):
                if record.offset >= stop or len(some) == 16:
                    break
                some.append(record)
            if not some:
                return
            for record in some:
                if limit is not None and given >= limit:
                    return
                given += 1
                yield copied(record)
            start = some[-1].offset + 1

    async def latest_offset(self, stream: str) -> int | None:
        check_name(stream, "latest_offset", MAKER)
        lane = self.lane(stream, "latest_offset")
        return lane.next - 1 if lane.next > 1 else None

    async def trim(self, stream: str, before: int) -> int:
        check_name(stream, "trim", MAKER)
        lane = self.lane(stream, "trim")
        if min(whole(before, "before"), lane.next) > lane.floor and lane.next > 1:
            self.step("cut", stream, 0, before)
        return lane.floor

    # Partitions

    async def create_partitioned(self, stream: str, n: int) -> None:
        check_name(stream, "create_partitioned", MAKER)
        if not 1 <= whole(n, "n") <= 256:
            raise ValueError(f"{MAKER}: n is from 1 to 256")
        shelf = self.look(stream)
        if len(shelf.lanes) == n > 1:
            return
        used = len(shelf.lanes) > 1 or shelf.lanes[0].next > 1 or shelf.groups or shelf.bounds is not None
        if n == 1 and len(shelf.lanes) == 1:
            return
        if used:
            raise AlreadyExists(f"{MAKER}: the stream is in use")
        self.step("parts", stream, n)

    async def partitions(self, stream: str) -> int:
        check_name(stream, "partitions", MAKER)
        return len(self.look(stream).lanes)

    # Bounds

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        check_name(stream, "set_retention", MAKER)
        if max_age_s is not None and not (isfinite(max_age_s) and max_age_s > 0):
            raise ValueError(f"{MAKER}: max_age_s is above 0 and finite")
        if max_records is not None and whole(max_records, "max_records") < 1:
            raise ValueError(f"{MAKER}: max_records is 1 or more")
        self.step("bounds", stream, Retention(max_age_s, max_records))

    async def retention(self, stream: str) -> Retention:
        check_name(stream, "retention", MAKER)
        return self.look(stream).bounds or Retention()

    async def enforce_retention(self, stream: str) -> None:
        check_name(stream, "enforce_retention", MAKER)
        shelf = self.look(stream)
        bounds = shelf.bounds or Retention()
        for part, lane in enumerate(shelf.lanes):
            records = lane.all()
            cut = len(records) - min(len(records), bounds.max_records or len(records))
            if bounds.max_age_s is not None:
                now = self.books.clock.now_ms()
                while cut < len(records) and now - records[cut].appended_ms > bounds.max_age_s * 1000:
                    cut += 1
            if cut:
                self.step("cut", stream, part, records[cut].offset if cut < len(records) else lane.next)

    async def compact(self, stream: str) -> None:
        check_name(stream, "compact", MAKER)
        for part, lane in enumerate(self.look(stream).lanes):
            last = {record.key: record.offset for record in lane.all()}
            gone = frozenset(r.offset for r in lane.all() if r.key is not None and last[r.key] != r.offset)
            if gone:
                self.step("drop", stream, part, gone)

    # Groups

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        check_name(stream, "create_group", MAKER)
        check_name(group, "create_group", MAKER)
        if isinstance(start, str) and start not in ("earliest", "latest"):
            raise ValueError(f"{MAKER}: a start is earliest, latest or an offset")
        shelf = self.look(stream)
        if isinstance(start, str):
            at = [lane.floor if start == "earliest" else lane.next for lane in shelf.lanes]
        else:
            at = [whole(start, "start")]
        if group in shelf.groups:
            raise AlreadyExists(f"{MAKER}: there is such a group")
        if not isinstance(start, str) and len(shelf.lanes) > 1:
            raise ConfigError(f"{MAKER}: a group of several partitions begins at no offset")
        self.step("group", stream, group, at)

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[SegmentMember]:
        for name in (stream, group, consumer):
            check_name(name, "join", MAKER)
        crowd = self.crowd(stream, group)
        member = self.member_type(self, stream, group, self.books.number())
        crowd.members[member.number] = consumer
        try:
            yield member
        finally:
            member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        check_name(stream, "group_info", MAKER)
        check_name(group, "group_info", MAKER)
        crowd = self.crowd(stream, group)
        return GroupInfo(len(crowd.members), len(crowd.jobs), crowd.at[0] if len(crowd.at) == 1 else 0)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        check_name(stream, "seek", MAKER)
        check_name(group, "seek", MAKER)
        whole(offset, "offset")
        lane = self.lane(stream, "seek")
        self.move(stream, group, [min(max(offset, lane.floor), lane.next)])

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        check_name(stream, "seek_to_time", MAKER)
        check_name(group, "seek_to_time", MAKER)
        whole(at_ms, "at_ms")
        self.move(stream, group, [self.first_at(lane, at_ms) for lane in self.look(stream).lanes])

    def first_at(self, lane: Lane, at_ms: int) -> int:
        return next((record.offset for record in lane.all() if record.appended_ms >= at_ms), lane.next)

    def move(self, stream: str, group: str, at: list[int]) -> None:
        if self.crowd(stream, group).members:
            raise Conflict(f"{MAKER}: the group has members")
        self.step("move", stream, group, at)
