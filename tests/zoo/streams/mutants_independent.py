"""Logs over tables, and over an actor, that break what is promised of records, reads and trims."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, PayloadTooLarge, Record
from tests.zoo.declare import Mutant

from .independent_actor import ActorStreams
from .independent_arguments import Content
from .independent_declare import declaring_independent
from .independent_mailbox import Actor
from .independent_sql import PAGE, SqlStreams
from .independent_tables import FAR, Tables

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []

mutant = declaring_independent(MUTANTS)


@mutant("basic.1", "page that begins where the last should have ended", trap="more records than a page, after a trim")
class PagesByTheirSize(SqlStreams):
    async def pages(self, stream: int | None, part: int, first: int, last: int, limit: int | None) -> AsyncIterator[Record]:
        left = FAR if limit is None else limit
        while left > 0 and first <= last:
            for record in self.tables.rows(stream, part, first, last, min(left, PAGE)):
                left -= 1
                yield record
            first += PAGE


@mutant("basic.1", "gap taken for the end", trap="a gap longer than a page", also="retention.6 retention.8 partitioning.6")
class StopsAtALongGap(SqlStreams):
    async def pages(self, stream: int | None, part: int, first: int, last: int, limit: int | None) -> AsyncIterator[Record]:
        first = max(first, self.tables.oldest(stream, part)) if stream is not None else first
        left = FAR if limit is None else limit
        while left > 0 and first <= last:
            page = self.tables.rows(stream, part, first, min(last, first + PAGE - 1), left)
            for record in page:
                yield record
            if not page:
                return
            left, first = left - len(page), first + PAGE


@mutant(
    "basic.5", "limit that is looked at between pages only", trap="a limit that is no multiple of a page", also="partitioning.6"
)
class LimitsByThePage(SqlStreams):
    async def pages(self, stream: int | None, part: int, first: int, last: int, limit: int | None) -> AsyncIterator[Record]:
        left = FAR if limit is None else limit
        while left > 0 and first <= last:
            page = self.tables.rows(stream, part, first, last, PAGE if left > PAGE else left)
            page += self.tables.rows(stream, part, page[-1].offset + 1, last, 1) if left > PAGE and page else []
            for record in page:
                yield record
            if not page:
                return
            left, first = left - PAGE, page[-1].offset + 1


@mutant("basic.1", "state of an iterator on the driver", trap="two reads at once of more than a page", also="basic.4")
class ReadsShareTheirPlace(SqlStreams):
    first = 0

    async def pages(self, stream: int | None, part: int, first: int, last: int, limit: int | None) -> AsyncIterator[Record]:
        left, self.first = FAR if limit is None else limit, first
        while left > 0 and self.first <= last:
            page = self.tables.rows(stream, part, self.first, last, min(left, PAGE))
            if not page:
                return
            left, self.first = left - len(page), page[-1].offset + 1
            for record in page:
                yield record


@mutant("basic.1", "end as of the call", trap="an append between the call and the first step", also="basic.12")
class EndsAsOfTheCall(ActorStreams):
    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.named(stream)
        self.window(start, limit)
        self.ordinary(self.view.stream(stream), "read")
        return self.given(self.snapshot(stream, 0, start, None, limit))

    async def given(self, records: list[Record]) -> AsyncIterator[Record]:
        for record in records:
            yield record


@mutant("basic.7", "cache that another client's trim does not clear", trap="a page that was read, then trimmed by another client")
class CachesFullPages(SqlStreams):
    def __init__(self, tables: Tables, namespace: str) -> None:
        super().__init__(tables, namespace)
        self.cache: dict[tuple[str, int], list[Record]] = {}

    async def trim(self, stream: str, before: int) -> int:
        self.cache.clear()
        return await super().trim(stream, before)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        if limit is None and (stream, start) in self.cache:
            for record in self.cache[stream, start]:
                yield record
            start = self.cache[stream, start][-1].offset + 1
            async for record in super().read(stream, start):
                yield record
            return
        seen = list[Record]()
        async for record in super().read(stream, start, limit):
            seen.append(record)
            if len(seen) == PAGE:
                self.cache[stream, start] = seen[:PAGE]
            yield record


@mutant("basic.7", "lower bound told after a higher one", trap="a trim below an earlier one")
class TrimTellsWhatWasAsked(ActorStreams):
    async def trim(self, stream: str, before: int) -> int:
        floor = await super().trim(stream, before)
        return min(floor, before)


@mutant("basic.5", "64 bits", trap="a start of 2**63")
class StartsIn64Bits(SqlStreams):
    def window(self, start: int, limit: int | None) -> tuple[int, int | None]:
        if start >= 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return super().window(start, limit)


@mutant("basic.5", "31 bits", trap="a start or a limit from 2**31 on", also="replay.7 partitioning.6")
class LimitsIn31Bits(ActorStreams):
    def snapshot(self, stream: str, part: int, start: int, stop: int | None, limit: int | None) -> list[Record]:
        return super().snapshot(stream, part, start, stop, limit if limit is None else limit & 0x7FFFFFFF)


@mutant("basic.2", "whole buffer under a view of a part of it", trap="a memoryview of a slice", also="basic.10")
class KeepsTheBufferBehindTheView(SqlStreams):
    def content(self, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> Content:
        whole = payload.obj if isinstance(payload, memoryview) and isinstance(payload.obj, bytes | bytearray) else payload
        return super().content(whole, key, headers)


@mutant("basic.2", "key among the headers", trap="a header of that name")
class KeepsTheKeyAsAHeader(ActorStreams):
    def content(self, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> Content:
        _, data, labels = super().content(payload, key, headers)
        if key is not None:
            labels["key"] = key
        return labels.pop("key", None), data, labels


@mutant("basic.9", "headers measured as JSON", trap="headers near the limit that JSON escapes")
class MeasuresHeadersAsJson(SqlStreams):
    def content(self, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> Content:
        found = super().content(payload, key, headers)
        if len(json.dumps(found[2])) > 8192 + 8 * len(found[2]):
            raise PayloadTooLarge("the headers are over 8 KiB")
        return found


@mutant("basic.9", "headers counted against the payload", trap="the largest payload with headers")
class CountsHeadersWithThePayload(ActorStreams):
    def content(self, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> Content:
        found = super().content(payload, key, headers)
        if len(found[1]) + sum(len(name) + len(value) for name, value in found[2].items()) > 1_000_000 + 1024:
            raise PayloadTooLarge("the record is too large")
        return found


@mutant("basic.15", "trims that are written with the next append", trap="kill after a trim", also="retention.14")
class TrimsLater(Tables):
    def __init__(self, place: Any) -> None:
        self.later: dict[tuple[int, int], int] = {}
        super().__init__(place)

    def cut(self, stream: int, part: int, before: int) -> int:
        floor = self.one("SELECT floor FROM lane WHERE stream=? AND part=?", stream, part)
        bound = min(before, self.last(stream, part) + 1)
        self.later[stream, part] = max(bound, floor, self.later.get((stream, part), 0))
        return self.later[stream, part]

    def add(self, stream: int, part: int, key: str | None, payload: bytes, headers: Mapping[str, str]) -> int:
        if (stream, part) in self.later:
            super().cut(stream, part, self.later.pop((stream, part)))
        return super().add(stream, part, key, payload, headers)

    def rows(self, stream: int | None, part: int, first: int, last: int, most: int) -> list[Record]:
        return super().rows(stream, part, max(first, self.later.get((stream or 0, part), 0)), last, most)


@mutant("basic.14", "answer to somebody who has gone", trap="an append that is cancelled before its turn")
class DiesOfACancelledCall(Actor):
    async def live(self) -> None:
        while True:
            self.bell.clear()
            while self.mailbox:
                what, answer = self.mailbox.popleft()
                try:
                    found = what()
                except Exception as error:
                    answer.set_exception(error)
                else:
                    answer.set_result(found)
            self.tidy()
            self.serve()
            await self.doze()


@mutant("basic.2", "offset of the last record, asked for afterwards", trap="appends at once", also="basic.12 partitioning.6")
class TellsTheLastOffset(ActorStreams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.named(stream)
        content = self.content(payload, key, headers)
        part = self.lane_of(key, len(self.view.stream(stream).lanes))
        await self.actor.ask(lambda: self.add(stream, part, content))
        return self.view.stream(stream).lanes[part].last
