"""Streams that are moved, bounded and partitioned rightly, later or more slowly than others."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Retention

from .newer import NewerStreams, SweepingStreams
from .reference import Member, Reading, step
from .stores import Stream

__all__ = ["CompactsTwoSecondsLater", "RemovesOneByOne", "SlowNewer", "SuspendingNewer", "SweepsSeldom"]


class CompactsTwoSecondsLater(NewerStreams):
    """What was superseded at the call is gone two seconds later, what came meanwhile stays."""

    traits = replace(NewerStreams.traits, compaction=2.5)

    def stream(self, stream: str) -> Stream:
        due = self.store.notes.get((self.namespace, stream, "due"))
        if due is not None and self.over(due[0]):
            del self.store.notes[self.namespace, stream, "due"]
            self.drop(stream, due[1])
        return super().stream(stream)

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            self.store.notes[self.namespace, lane, "due"] = (self.after(2.0), self.superseded(self.stream(lane)))


class SweepsSeldom(SweepingStreams):
    """Sweeps every four seconds, at whatever looks then."""

    traits = replace(SweepingStreams.traits, retention_lag_s=5.0)

    def sweep(self, lane: str, log: Stream, bounds: Retention | None) -> None:
        key = (self.namespace, lane, "swept")
        if self.now() - self.store.notes.get(key, 0.0) >= 4 and bounds is not None:
            self.store.notes[key] = self.now()
            super().sweep(lane, log, bounds)


class _Around(NewerStreams):
    """Every effect happens in one step; `around` comes before and behind it."""

    async def around(self) -> None:
        await step(5)

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        await self.around()
        found = await super().append(stream, payload, key, headers)
        await self.around()
        return found

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        await self.around()
        found = await super().append_to_partition(stream, partition, payload, key, headers)
        await self.around()
        return found

    async def create_partitioned(self, stream: str, n: int) -> None:
        await self.around()
        await super().create_partitioned(stream, n)
        await self.around()

    async def partitions(self, stream: str) -> int:
        await self.around()
        return await super().partitions(stream)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        await self.around()
        await super().seek(stream, group, offset)
        await self.around()

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        await self.around()
        await super().seek_to_time(stream, group, at_ms)
        await self.around()

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await self.around()
        await super().set_retention(stream, max_age_s, max_records)
        await self.around()

    async def enforce_retention(self, stream: str) -> None:
        await self.around()
        await super().enforce_retention(stream)
        await self.around()

    async def compact(self, stream: str) -> None:
        await self.around()
        for lane in self.lanes(self.name(stream, "compact")):
            for offset in sorted(self.superseded(self.stream(lane))):
                self.drop(lane, [offset])
            await self.around()

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        await self.around()
        async for record in super().walk(stream, start, limit):
            yield record
            await self.around()

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        await self.around()
        async for record in super().span(stream, start, stop):
            yield record
            await self.around()

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        await self.around()
        async with super().join(stream, group, consumer) as member:
            yield member


class SuspendingNewer(_Around):
    """Lets others run many times, before and after."""


class SlowNewer(_Around):
    """Each call takes ten seconds, its effect in the middle."""

    async def around(self) -> None:
        await self.store.clock.sleep(5)


class RemovesOneByOne(NewerStreams):
    """What is outside goes from the oldest on, others running between."""

    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        for lane in self.lanes(name):
            for offset in sorted(self.outside(self.stream(lane), self.bounds(name))):
                self.drop(lane, [offset])
                await step()

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        for offset in sorted(offsets):
            super().drop(lane, [offset])
