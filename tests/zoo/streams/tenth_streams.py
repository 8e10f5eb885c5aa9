"""Streams over documents: each call is a step from one document to the next, tried again when somebody was faster."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import ClassVar, TypeVar

from prism_testkit.interfaces import (
    GroupInfo,
    GroupStart,
    Member,
    Record,
    Retention,
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.interfaces.errors import AlreadyExists, ConfigError, Conflict, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.naming import check_headers, check_limit, check_name, check_payload, check_seconds

from .tenth_documents import Document, Group, Part, Shelf
from .tenth_members import DocumentMember

__all__ = ["DocumentStreams", "Step", "T"]

T = TypeVar("T")
Step = Callable[[Document], tuple[Document, T]]


class DocumentStreams(StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamReplay, StreamRetention):
    """All of a stream is one document: its partitions, groups and bounds."""

    member_type: ClassVar[type[DocumentMember]] = DocumentMember

    def __init__(self, shelf: Shelf, namespace: str) -> None:
        self.shelf = shelf
        self.namespace = namespace

    async def change(self, stream: str, step: Step[T]) -> T:
        """Carry out a step on the newest document; nobody else's step is lost, nor comes between."""
        while True:
            version, document = self.shelf.load(self.namespace, stream)
            await asyncio.sleep(0)
            if self.shelf.load(self.namespace, stream)[0] != version:
                continue
            after, answer = step(document)
            if after is document or self.shelf.swap(self.namespace, stream, version, after):
                return answer

    async def look(self, stream: str) -> Document:
        """Return the newest document."""
        await asyncio.sleep(0)
        return self.shelf.load(self.namespace, stream)[1]

    def name(self, name: str, operation: str) -> str:
        check_name(name, operation, "documents")
        return name

    def given(self, record: Record) -> Record:
        """Return a record as it is given away: its headers are a copy."""
        return replace(record, headers=dict(record.headers))

    # Appending and reading

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return await self._append(stream, None, payload, key, headers)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        return await self._append(stream, self.whole(partition), payload, key, headers)

    def whole(self, number: int) -> int:
        if not isinstance(number, int):
            raise TypeError(f"documents: {number!r} is no int")
        return number

    async def _append(
        self, stream: str, partition: int | None, payload: Bytes, key: str | None, headers: Mapping[str, str] | None
    ) -> int:
        self.name(stream, "append")
        if key is not None:
            check_name(key, "append: key", "documents")
        data, kept = check_payload(payload, "append", "documents", stream), check_headers(headers, "append", "documents")

        def step(document: Document) -> tuple[Document, int]:
            number = self.partition_of(document, key) if partition is None else self.there(document, partition)
            part = document.parts[number]
            now_ms = max(self.shelf.clock.now_ms(), part.last_ms)
            record = Record(part.end, key, data, kept, now_ms, number)
            part = replace(part, records=(*part.records, record), end=part.end + 1, last=part.end, last_ms=now_ms)
            return replace(document.with_part(number, part), turn=document.turn + 1), record.offset

        return await self.change(stream, step)

    def there(self, document: Document, partition: int) -> int:
        if not 0 <= partition < len(document.parts):
            raise ValueError(f"documents: there is no partition {partition} of {len(document.parts)}")
        return partition

    def partition_of(self, document: Document, key: str | None) -> int:
        if key is None:
            return document.turn % len(document.parts)
        return zlib.crc32(key.encode()) % len(document.parts)

    def plain(self, document: Document, operation: str) -> Part:
        if len(document.parts) > 1:
            raise ConfigError(f"documents: {operation}: the stream has {len(document.parts)} partitions")
        return document.parts[0]

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.name(stream, "read")
        self.offset(start)
        check_limit(limit, "read", "documents")
        part = self.plain(await self.look(stream), "read")
        for record in part.records[part.at(start) :][:limit]:
            yield self.given(record)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.name(stream, "read_partition")
        self.whole(partition)
        self.offset(start)
        check_limit(limit, "read_partition", "documents")
        document = await self.look(stream)
        part = document.parts[self.there(document, partition)]
        for record in part.records[part.at(start) :][:limit]:
            yield self.given(record)

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        self.name(stream, "replay")
        self.offset(start)
        self.offset(stop)
        part = self.plain(await self.look(stream), "replay")
        for record in part.records[part.at(start) : max(part.at(start), part.at(stop))]:
            yield self.given(record)

    def offset(self, offset: int) -> int:
        if self.whole(offset) < 0:
            raise ValueError(f"documents: {offset} is negative")
        return offset

    async def latest_offset(self, stream: str) -> int | None:
        self.name(stream, "latest_offset")
        part = self.plain(await self.look(stream), "latest_offset")
        return part.last if part.last >= 0 else None

    async def trim(self, stream: str, before: int) -> int:
        self.name(stream, "trim")
        self.offset(before)

        def step(document: Document) -> tuple[Document, int]:
            part = self.plain(document, "trim")
            floor = max(part.floor, min(before, part.end))
            if floor == part.floor:
                return document, floor
            return document.with_part(0, replace(part.without(lambda record: record.offset < floor), floor=floor)), floor

        return await self.change(stream, step)

    # Partitions

    async def create_partitioned(self, stream: str, n: int) -> None:
        self.name(stream, "create_partitioned")
        if not 1 <= self.whole(n) <= 256:
            raise ValueError(f"documents: {n} partitions; a stream has 1 to 256")

        def step(document: Document) -> tuple[Document, None]:
            if len(document.parts) == n:
                return document, None
            if len(document.parts) > 1 or document.used:
                raise AlreadyExists(f"documents: {stream!a} was used, or has {len(document.parts)} partitions")
            return replace(document, parts=(Part(),) * n), None

        await self.change(stream, step)

    async def partitions(self, stream: str) -> int:
        self.name(stream, "partitions")
        return len((await self.look(stream)).parts)

    # Groups

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self.name(stream, "create_group")
        self.name(group, "create_group: group")
        if isinstance(start, str) and start not in ("earliest", "latest"):
            raise ValueError(f"documents: a group begins with earliest, latest or an offset, not {start!a}")
        if not isinstance(start, str):
            self.offset(start)

        def step(document: Document) -> tuple[Document, None]:
            if group in document.groups:
                raise AlreadyExists(f"documents: there is a group {group!a} of {stream!a}")
            if isinstance(start, int):
                self.plain(document, "create_group with an offset")
            return document.with_group(group, Group(tuple(self.begin(part, start) for part in document.parts))), None

        await self.change(stream, step)

    def begin(self, part: Part, start: GroupStart) -> int:
        if start == "latest":
            return part.end
        return 0 if isinstance(start, str) else start

    @asynccontextmanager
    async def _joined(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        for name in (stream, group, consumer):
            self.name(name, "join")

        def step(document: Document) -> tuple[Document, DocumentMember]:
            found, serial = self.group(document, group), document.serial + 1
            document = document.with_group(group, replace(found, members=found.members | {serial}))
            return replace(document, serial=serial), self.member_type(self, stream, group, serial)

        member = await self.change(stream, step)
        try:
            yield member
        finally:
            member.leave()

    def join(self, stream: str, group: str, consumer: str) -> AbstractAsyncContextManager[Member]:
        return self._joined(stream, group, consumer)

    def group(self, document: Document, group: str) -> Group:
        if group not in document.groups:
            raise GroupNotFound(f"documents: there is no group {group!a}")
        return document.groups[group]

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        self.name(stream, "group_info")
        self.name(group, "group_info: group")
        document = await self.look(stream)
        found = self.group(document, group)
        pending = sum(document.parts[where[0]].get(where[1]) is not None for where in found.pending)
        return GroupInfo(len(found.members), pending, found.positions[0] if len(found.positions) == 1 else 0)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.offset(offset)
        await self._move(stream, group, lambda document: (min(offset, self.plain(document, "seek").end),))

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        self.offset(at_ms)
        await self._move(stream, group, lambda document: tuple(self.at_time(part, at_ms) for part in document.parts))

    def at_time(self, part: Part, at_ms: int) -> int:
        return next((record.offset for record in part.records if record.appended_ms >= at_ms), part.end)

    async def _move(self, stream: str, group: str, to: Callable[[Document], tuple[int, ...]]) -> None:
        self.name(stream, "seek")
        self.name(group, "seek: group")

        def step(document: Document) -> tuple[Document, None]:
            if self.group(document, group).members:
                raise Conflict(f"documents: {group!a} has members")
            return document.with_group(group, Group(to(document))), None

        await self.change(stream, step)

    # What is kept

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.name(stream, "set_retention")
        if max_age_s is not None and check_seconds(max_age_s, "set_retention", "documents") <= 0:
            raise ValueError(f"documents: max_age_s={max_age_s}")
        if max_records is not None and self.whole(max_records) < 1:
            raise ValueError(f"documents: max_records={max_records}")
        await self.change(stream, lambda document: (replace(document, bounds=Retention(max_age_s, max_records)), None))

    async def retention(self, stream: str) -> Retention:
        self.name(stream, "retention")
        return (await self.look(stream)).bounds or Retention()

    async def enforce_retention(self, stream: str) -> None:
        self.name(stream, "enforce_retention")

        def step(document: Document) -> tuple[Document, None]:
            bounds = document.bounds or Retention()
            return replace(document, parts=tuple(self.inside(part, bounds) for part in document.parts)), None

        await self.change(stream, step)

    def inside(self, part: Part, bounds: Retention) -> Part:
        kept = part.records
        if bounds.max_records is not None:
            kept = kept[-bounds.max_records :]
        if bounds.max_age_s is not None:
            oldest_ms = self.shelf.clock.now_s() * 1000 - bounds.max_age_s * 1000
            kept = tuple(record for record in kept if record.appended_ms >= oldest_ms)
        return replace(part, records=kept)

    async def compact(self, stream: str) -> None:
        self.name(stream, "compact")
        await self.change(stream, lambda document: (replace(document, parts=tuple(map(self.compacted, document.parts))), None))

    def compacted(self, part: Part) -> Part:
        last = {record.key: record.offset for record in part.records}
        return part.without(lambda record: record.key is not None and last[record.key] != record.offset)
