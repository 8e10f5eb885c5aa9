"""Mutants of `StreamBasic` that need a second client, a second namespace, a race or a cancellation."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.backend import Place
from prism_testkit.interfaces import BackendUnavailable, Bytes, Record
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Reading, Streams, step
from .stores import Change, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.11: namespaces

_EVERYWHERE = "basic.1 basic.3 basic.6 basic.7 basic.12 consumer_groups.13"


async def _clean_all(store: Store, prefix: str) -> None:
    store.clean("")


@mutant("basic.11", "scope", trap="two namespaces", also=_EVERYWHERE, clean=_clean_all)
class IgnoresNamespace(Streams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, "all")


@mutant("basic.11", "truncation", trap="two namespaces of one run", also=_EVERYWHERE, clean=_clean_all)
class CutsNamespaceAt20(Streams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace[:20])


@mutant("basic.11", "missing condition", trap="a trim in one of two namespaces", also="basic.7")
class TrimsEverywhere(Streams):
    """The statement that deletes has no column for the namespace."""

    async def trim(self, stream: str, before: int) -> int:
        lowest = await super().trim(stream, before)
        for namespace in list(self.store.spaces):
            self.store.apply(namespace, [Change(stream, trim=min(before, self.store.space(namespace).stream(stream).end))])
        return lowest


@mutant("basic.11", "stale cache", trap="latest_offset of one name in two namespaces", also="basic.6 basic.12")
class LatestForAllNamespaces(Streams):
    def insert(self, stream: str, record: Record) -> int:
        self.store.notes["latest", stream] = record.offset
        return super().insert(stream, record)

    def latest(self, stream: str) -> int | None:
        found: int | None = self.store.notes.get(("latest", stream))
        return found


@mutant("basic.11", "over-reach", trap="one of two namespaces is cleaned", also=_EVERYWHERE, clean=_clean_all)
class CleansEveryNamespace(Streams):
    """FLUSHALL."""


async def _clean_nothing(store: Store, prefix: str) -> None: ...


@mutant("basic.11", "missing step", trap="a namespace is cleaned and used again", also=_EVERYWHERE, clean=_clean_nothing)
class CleansNothing(Streams): ...


# basic.12: clients


@asynccontextmanager
async def _connect_alone(place: Place) -> AsyncIterator[Store]:
    yield Store(place)


@mutant("basic.12", "scope", trap="two connections", also="basic.1 basic.3 basic.4 basic.6 basic.7", connect=_connect_alone)
class PrivateStorePerConnection(Streams):
    """Each connection has streams of its own."""


@mutant("basic.12", "write behind", trap="another client reads right after an append", also="basic.1 basic.6 basic.4")
class AppendIsSentLater(Streams):
    """Seen by the one who appended at once, by others 50 ms later."""

    def first(self, stream: str, start: int, end: int) -> Record | None:
        found = super().first(stream, start, end)
        if found is None or self.store.notes.get((stream, found.offset), (id(self),))[0] == id(self):
            return found
        return found if self.over(self.store.notes[stream, found.offset][1]) else None

    def insert(self, stream: str, record: Record) -> int:
        self.store.notes[stream, record.offset] = id(self), self.after(0.05)
        return super().insert(stream, record)


@mutant("basic.12", "stale cache", trap="two clients; latest_offset asked before and after the other appends", also="basic.6")
class RemembersLatest(Streams):
    """A client remembers the latest offset until it appends itself."""

    def latest(self, stream: str) -> int | None:
        found: int | None = self.store.notes.setdefault((id(self), stream), super().latest(stream))
        return found

    def insert(self, stream: str, record: Record) -> int:
        self.store.notes.pop((id(self), stream), None)
        return super().insert(stream, record)


@mutant("basic.12", "doubled", trap="two appends at once", also="basic.1 basic.2 basic.14")
class RetriesWhatSucceeded(Streams):
    """An append that meets another is made again."""

    busy = False

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        met, self.busy = self.busy, True
        offset = await super().append(stream, payload, key, headers)
        await step()
        self.busy = False
        return await super().append(stream, payload, key, headers) if met else offset


# basic.14: cancellation


@mutant("basic.14", "partial effect", trap="an append cancelled between its two writes", also="basic.2 basic.12 basic.4")
class AppendsInTwoSteps(Streams):
    """The record first, with nothing in it; then what it holds."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, b"" if payload else payload, key, headers)
        await step()
        log = self.stream(stream)
        place = log.at(offset)
        if log.find(offset) is not None:
            log.records[place] = replace(log.records[place], payload=bytes(payload))
        return offset


@mutant("basic.14", "partial effect", trap="an append cancelled", also="basic.12")
class HeadersComeLater(Streams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        labels = self.labels(headers, "append")
        offset = await super().append(stream, payload, key)
        await step()
        log = self.stream(stream)
        if log.find(offset) is not None:
            log.records[log.at(offset)] = replace(log.records[log.at(offset)], headers=labels)
        return offset


@mutant("basic.14", "unusable driver", trap="a read that is left early", also="basic.4")
class OneReadAtATime(Streams):
    """A flag that a read left early does not take back."""

    reading = False

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        if self.reading:
            raise BackendUnavailable("zoo: read: the connection is busy")
        async for record in super().walk(stream, start, limit):
            self.reading = limit is None
            yield record
        self.reading = False


@mutant("basic.14", "unusable driver", trap="any call after a cancelled append")
class StaysBusyAfterCancel(Streams):
    busy = False

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        try:
            await step()
        except asyncio.CancelledError:
            self.busy = True
            raise
        if self.busy:
            raise BackendUnavailable("zoo: append: the connection is busy")
        return offset


@mutant("basic.14", "late effect", trap="an append is cancelled, and comes later", also="basic.3 basic.12 basic.4")
class CancelledAppendComesTwice(Streams):
    """Cancelled, it is sent again in the background."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        try:
            await step()
        except asyncio.CancelledError:
            record = self.stream(stream).find(offset)
            if record is not None:
                self.insert(stream, replace(record, offset=self.new_offset(stream)))
            raise
        return offset
