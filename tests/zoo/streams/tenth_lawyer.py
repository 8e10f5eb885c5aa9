"""Streams that keep every promise and use every freedom that the contract leaves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Member, Record, RecordDelivery
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.naming import check_headers, check_limit, check_name, check_payload
from prism_testkit.traits import Traits

from .tenth_documents import Document, Group, Pending, document_backend
from .tenth_members import DocumentMember
from .tenth_streams import DocumentStreams, Step, T

__all__ = ["UNUSUAL"]


class Number(int):
    """An int of the store's own, which says so."""

    def __repr__(self) -> str:
        return f"Number({int(self)})"

    __str__ = __repr__


class Text(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"


def text(given: str) -> Text:
    """Whatever kind of text was given: its code points."""
    return Text(given.encode().decode())


class Blob(bytes):
    def __repr__(self) -> str:
        return f"Blob({len(self)})"


@dataclass(frozen=True)
class Traced(RecordDelivery):
    """A delivery that says more."""

    trace: str = "over there"


class LawyerMember(DocumentMember):
    """New records come before those that come again, and never more than two at a time."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        got = await super().receive(min(max_records, 2), timeout_s)
        return [Traced(one.record, Number(one.delivery_count), Text(one.token)) for one in got]

    def _take(self, document: Document, most: int) -> tuple[Document, tuple[int, list[RecordDelivery], float]]:
        group = self._of(document)
        if not any(part.records[part.at(group.positions[n]) :] for n, part in enumerate(document.parts)):
            return super()._take(document, most)
        again = {where: one for where, one in group.pending.items() if not one.member}
        kept = {where: one for where, one in group.pending.items() if one.member}
        after, answer = super()._take(document.with_group(self.group, replace(group, pending=kept)), most)
        group = after.groups[self.group]
        return after.with_group(self.group, replace(group, pending={**group.pending, **again})), answer

    def _without(self, group: Group) -> Group:
        """Whoever leaves takes the delays along."""
        left = super()._without(group)
        return replace(left, pending={w: Pending(one.count) if one.by == self.number else one for w, one in left.pending.items()})


class LawyerStreams(DocumentStreams):
    """Offsets with gaps that begin anywhere, bounds kept at every step, compaction at every second call, answers of odd types."""

    member_type = LawyerMember
    traits: ClassVar[Traits] = Traits(group_parallelism="record", delivery_count="exact", retention_lag_s=0.0, member_timeout_s=0.0)

    async def change(self, stream: str, step: Step[T]) -> T:
        for _ in range(3):
            await asyncio.sleep(0)

        def bounded(document: Document) -> tuple[Document, T]:
            after, answer = step(self.bounded(document))
            return (document if after == document else self.bounded(after)), answer

        return await super().change(stream, bounded)

    async def look(self, stream: str) -> Document:
        for _ in range(3):
            await asyncio.sleep(0)
        return self.bounded(await super().look(stream))

    def bounded(self, document: Document) -> Document:
        if document.bounds is None:
            return document
        bounds = document.bounds
        return replace(document, parts=tuple(self.inside(part, bounds) for part in document.parts))

    def given(self, record: Record) -> Record:
        key = None if record.key is None else text(record.key)
        copies: dict[str, str] = {text(name): text(value) for name, value in record.headers.items()}
        offset, ms = Number(record.offset), Number(record.appended_ms)
        return Record(offset, key, Blob(record.payload), MappingProxyType(copies), ms, Number(record.partition))

    async def _append(
        self, stream: str, partition: int | None, payload: Bytes, key: str | None, headers: Mapping[str, str] | None
    ) -> int:
        check_name(stream, "append", "lawyer")
        if key is not None:
            check_name(key, "append: key", "lawyer")
        data, kept = check_payload(payload, "append", "lawyer", stream), check_headers(headers, "append", "lawyer")

        def step(document: Document) -> tuple[Document, None]:
            """Leave a hole in every partition, as a transaction that was taken back does."""
            parts = tuple(replace(part, end=part.end + (part.end * 7 + 3) % 5) for part in document.parts)
            return replace(document, parts=parts), None

        await self.change(stream, step)
        offset = Number(await super()._append(stream, partition, data, key, kept))
        await asyncio.sleep(0)
        return offset

    def partition_of(self, document: Document, key: str | None) -> int:
        return sum(key.encode()) % len(document.parts) if key is not None else len(document.parts) - 1

    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        """Refuse at the call, and read page by page."""
        self.name(stream, "read")
        self.offset(start)
        check_limit(limit, "read", "lawyer")
        return self._pages(stream, start, limit)

    async def _pages(self, stream: str, start: int, limit: int | None) -> AsyncIterator[Record]:
        end = self.plain(await self.look(stream), "read").end
        left = end if limit is None else limit
        while left:
            part = self.plain(await self.look(stream), "read")
            page = part.records[part.at(start) : part.at(end)][: min(3, left)]
            for record in page:
                yield self.given(record)
                await asyncio.sleep(0)
            if not page:
                return
            left -= len(page)
            start = page[-1].offset + 1

    def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.name(stream, "read_partition")
        self.whole(partition)
        self.offset(start)
        check_limit(limit, "read_partition", "lawyer")
        return super().read_partition(stream, partition, start, limit)

    async def trim(self, stream: str, before: int) -> int:
        """Tell the first record that is kept, where there is one."""
        bound = await super().trim(stream, before)
        part = self.plain(self.bounded(self.shelf.load(self.namespace, stream)[1]), "trim")
        return Number(part.records[0].offset if part.records else bound)

    def join(self, stream: str, group: str, consumer: str) -> AbstractAsyncContextManager[Member]:
        for name in (stream, group, consumer):
            self.name(name, "join")
        return super().join(stream, group, consumer)

    async def compact(self, stream: str) -> None:
        """Every second time."""
        self.name(stream, "compact")
        turn = self.shelf.notes[self.namespace, stream] = self.shelf.notes.get((self.namespace, stream), 0) + 1
        if turn % 2 == 0:
            await super().compact(stream)


UNUSUAL: tuple[Backend[Any], ...] = (
    document_backend("zoo-stream-tenth-documents", DocumentStreams),
    document_backend("zoo-stream-tenth-lawyer", LawyerStreams, traits=LawyerStreams.traits),
)
"""Documents that are replaced whole; the same with every freedom that there is."""
