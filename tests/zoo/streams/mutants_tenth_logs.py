"""Wrong streams over documents: reading, appending, bounds, compaction and partitions."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Record, Retention
from prism_testkit.interfaces.errors import AlreadyExists, Conflict
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.naming import check_limit
from tests.zoo.declare import Mutant

from .tenth_declare import declaring_tenth
from .tenth_documents import ABSENT, Document, FileShelf, Part
from .tenth_streams import DocumentStreams, Step, T

__all__ = ["MUTANTS"]

_MUTANTS: list[Mutant] = []
mutant = declaring_tenth(_MUTANTS)


@mutant("basic.1", "paging", "a page of 100 that has holes, from compaction", also="retention.6 retention.8 basic.4 basic.5")
class PagesByTheHundred(DocumentStreams):
    """Reads in pages of 100 and begins the next one 100 offsets later, as if there were no holes."""

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.name(stream, "read")
        self.offset(start)
        left = check_limit(limit, "read", "documents")
        end = self.plain(await self.look(stream), "read").end
        while start < end and (left is None or left > 0):
            part = self.plain(await self.look(stream), "read")
            page = part.records[part.at(start) : part.at(end)][: min(100, 100 if left is None else left)]
            for record in page:
                yield self.given(record)
            left = None if left is None else left - len(page)
            start += 100


@mutant("basic.5", "arithmetic", "holes, from compaction", also="basic.12 retention.1 replay.7")
class CountsFromTheFirst(DocumentStreams):
    """Finds a start by counting from the first record kept, as if there were no holes."""

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.name(stream, "read")
        self.offset(start)
        check_limit(limit, "read", "documents")
        part = self.plain(await self.look(stream), "read")
        first = part.records[0].offset if part.records else 0
        for record in part.records[max(0, start - first) :][:limit]:
            yield self.given(record)


@mutant("basic.2", "cache", "two payloads of one length that differ in the middle only")
class KeepsEqualPayloadsOnce(DocumentStreams):
    """Keeps payloads over 200 bytes once; they are taken for equal by length and both ends."""

    async def _append(
        self, stream: str, partition: int | None, payload: Bytes, key: str | None, headers: Mapping[str, str] | None
    ) -> int:
        data = bytes(payload)
        if len(data) > 200:
            known: dict[Any, bytes] = self.shelf.notes.setdefault("payloads", {})
            data = known.setdefault((len(data), data[:64], data[-64:]), data)
        return await super()._append(stream, partition, data, key, headers)


@mutant("basic.8", "encoding", "two keys that differ in case only, the second one appended later", also="basic.2")
class KeysAsFirstSpelled(DocumentStreams):
    """Gives a key as it was spelled when it came first."""

    def given(self, record: Record) -> Record:
        if record.key is None:
            return super().given(record)
        known: dict[Any, str] = self.shelf.notes.setdefault("keys", {})
        return replace(super().given(record), key=known.setdefault((self.namespace, record.key.casefold()), record.key))


@mutant("basic.6", "namespace", "two namespaces with a stream of one name, the other one longer", also="basic.11")
class OneLatestForAll(DocumentStreams):
    """Remembers the latest offset by stream only, as it never goes back."""

    async def latest_offset(self, stream: str) -> int | None:
        latest = await super().latest_offset(stream)
        known: dict[Any, int] = self.shelf.notes.setdefault("latest", {})
        if latest is not None:
            known[stream] = max(latest, known.get(stream, -1))
        return known.get(stream)


@mutant("consumer_groups.6", "trim", "a trim below where a group is", also="consumer_groups.12 consumer_groups.1 consumer_groups.4")
class TrimMovesGroups(DocumentStreams):
    """A trim puts every group at the new beginning, also those that were further."""

    async def trim(self, stream: str, before: int) -> int:
        floor = await super().trim(stream, before)

        def step(document: Document) -> tuple[Document, None]:
            for name, group in document.groups.items():
                if len(group.positions) == 1 and floor > 0:
                    document = document.with_group(name, replace(group, positions=(floor,)))
            return document, None

        await self.change(stream, step)
        return floor


@mutant("basic.12", "retries", "more than 16 appends at once", also="basic.14 basic.3")
class GivesUpAfter16(DocumentStreams):
    """Tries a step 16 times and then says that somebody else was first."""

    async def change(self, stream: str, step: Step[T]) -> T:
        for _ in range(16):
            version, document = self.shelf.load(self.namespace, stream)
            await asyncio.sleep(0)
            if self.shelf.load(self.namespace, stream)[0] != version:
                continue
            after, answer = step(document)
            if after is document or self.shelf.swap(self.namespace, stream, version, after):
                return answer
        raise Conflict(f"documents: {stream!a} changes too often")


@mutant("basic.14", "cancelled", "an append that is cancelled between its two steps", also="basic.6 basic.12")
class LatestIsSecond(DocumentStreams):
    """Writes the record in one step and the latest offset in another."""

    async def _append(
        self, stream: str, partition: int | None, payload: Bytes, key: str | None, headers: Mapping[str, str] | None
    ) -> int:
        before = self.shelf.load(self.namespace, stream)[1].parts
        offset = await super()._append(stream, partition, payload, key, headers)
        if len(before) == 1:
            version, document = self.shelf.load(self.namespace, stream)
            part = document.parts[0]
            if part.last == offset:
                self.shelf.swap(self.namespace, stream, version, document.with_part(0, replace(part, last=before[0].last)))
                await asyncio.sleep(0)

                def step(document: Document) -> tuple[Document, None]:
                    part = document.parts[0]
                    return document.with_part(0, replace(part, last=max(part.last, offset))), None

                await self.change(stream, step)
        return offset


@mutant("basic.7", "iterators", "a read that is open while somebody trims", also="replay.8 basic.14")
class TrimsWhenNobodyReads(DocumentStreams):
    """Puts a trim off while a read is open."""

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        where = self.namespace, stream
        try:
            self.shelf.notes[where] = self.shelf.notes.get(where, 0) + 1
            async for record in super().read(stream, start, limit):
                yield record
        finally:
            self.shelf.notes[where] -= 1

    async def trim(self, stream: str, before: int) -> int:
        if self.shelf.notes.get((self.namespace, stream)):
            self.offset(before)
            part = self.plain(await self.look(stream), "trim")
            return max(part.floor, min(before, part.end))
        return await super().trim(stream, before)


@mutant("replay.7", "iterators", "an append during a replay", also="replay.8")
class ReplaysWhatComes(DocumentStreams):
    """A replay gives what is appended while it goes on."""

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        self.offset(stop)
        async for record in super().replay(stream, start, stop):
            yield record
            start = record.offset + 1
        part = self.plain(await self.look(stream), "replay")
        for record in part.records[part.at(start) : max(part.at(start), part.at(stop))]:
            yield self.given(record)


@mutant("retention.1", "bounds", "a bound of records after a compaction", also="retention.6 retention.8")
class BoundsByOffsets(DocumentStreams):
    """Counts records by their offsets, as if there were no holes."""

    def inside(self, part: Part, bounds: Retention) -> Part:
        if bounds.max_records is not None:
            first = part.last - bounds.max_records + 1
            part = part.without(lambda record: record.offset < first)
        return super().inside(part, replace(bounds, max_records=None))


@mutant("retention.7", "batches", "a key that comes again more than 200 records later", also="retention.6")
class CompactsBatches(DocumentStreams):
    """Compacts 200 records at a time, each by themselves."""

    def compacted(self, part: Part) -> Part:
        kept: tuple[Record, ...] = ()
        for at in range(0, len(part.records), 200):
            kept += super().compacted(replace(part, records=part.records[at : at + 200])).records
        return replace(part, records=kept)


@mutant("retention.2", "order", "an old record behind the bound of records, on a stream with both bounds", also="retention.1")
class OneBoundAtATime(DocumentStreams):
    """Enforces the age only where the bound of records removed nothing."""

    def inside(self, part: Part, bounds: Retention) -> Part:
        fewer = super().inside(part, replace(bounds, max_age_s=None))
        return fewer if len(fewer.records) < len(part.records) else super().inside(part, bounds)


@mutant("partitioning.1", "state", "a compaction or enforcement before the partitions", also="retention.11 partitioning.2")
class UsedByAnything(DocumentStreams):
    """Takes for used whatever has a document, be it from the compaction of nothing."""

    async def create_partitioned(self, stream: str, n: int) -> None:
        self.name(stream, "create_partitioned")
        if 1 <= self.whole(n) <= 256:
            document = await self.look(stream)
            if document is not ABSENT and len(document.parts) == 1 and n > 1:
                raise AlreadyExists(f"documents: {stream!a} was used")
        await super().create_partitioned(stream, n)


@mutant("partitioning.1", "state", "bounds that were set before the partitions")
class BoundsAreNoUse(DocumentStreams):
    """Gives partitions to a stream with bounds."""

    async def create_partitioned(self, stream: str, n: int) -> None:
        version, document = self.shelf.load(self.namespace, stream)
        bounds = document.bounds
        if bounds is not None and not document.groups and document.parts == (Part(),):
            self.shelf.swap(self.namespace, stream, version, replace(document, bounds=None))
        await super().create_partitioned(stream, n)
        await self.change(stream, lambda document: (replace(document, bounds=bounds or document.bounds), None))


@mutant("partitioning.5", "cache", "more than 500 other keys between two appends of one")
class ForgetsOldKeys(DocumentStreams):
    """Gives keys to partitions in turns, and remembers the last 500."""

    def partition_of(self, document: Document, key: str | None) -> int:
        if key is None or len(document.parts) == 1:
            return super().partition_of(document, key)
        known: dict[Any, int] = self.shelf.notes.setdefault((self.namespace, len(document.parts)), {})
        if key not in known:
            self.shelf.notes["keys"] = self.shelf.notes.get("keys", 0) + 1
            known[key] = self.shelf.notes["keys"] % len(document.parts)
            if len(known) > 500:
                del known[next(iter(known))]
        return known[key]


@mutant("partitioning.13", "kill", "kill; partitions of a stream without records", also="retention.14 basic.15 consumer_groups.16")
class EmptyIsNotWritten(FileShelf):
    """Writes no document without records."""

    def keep(self, namespace: str, stream: str, version: int, document: Document) -> None:
        if any(part.records for part in document.parts):
            super().keep(namespace, stream, version, document)


@mutant(
    "consumer_groups.16", "kill", "kill; an ack, a seek or a group without an append afterwards", also="replay.11 consumer_groups.6"
)
class GroupsAreWrittenLater(FileShelf):
    """Writes a document when its records or bounds changed; groups go with the next one."""

    def keep(self, namespace: str, stream: str, version: int, document: Document) -> None:
        before = self.load(namespace, stream)[1]
        if before.parts != document.parts or before.bounds != document.bounds or before.groups.keys() != document.groups.keys():
            super().keep(namespace, stream, version, document)


MUTANTS: tuple[Mutant, ...] = tuple(_MUTANTS)
