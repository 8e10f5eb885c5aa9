"""Mutants of an examiner of streams, blind: what is emptied and then asked, other ways to append, and long reads beside appends."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, GroupStart, Record
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import Reading

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


class _Forgets(NewerStreams):
    def forget(self, stream: str) -> None:
        """The last offset of what is empty is that of nothing."""
        for lane in self.lanes(stream):
            log = self.stream(lane)
            if not log.records:
                log.latest = None


@mutant("retention.9", "stale state", trap="a compaction of what a trim emptied", also="basic.6 basic.3")
class ACompactionOfNothingForgetsTheEnd(_Forgets):
    async def compact(self, stream: str) -> None:
        await super().compact(stream)
        self.forget(self.name(stream, "compact"))


@mutant("retention.9", "stale state", trap="bounds are enforced on what is empty", also="basic.6 basic.3")
class EnforcingNothingForgetsTheEnd(_Forgets):
    async def enforce_retention(self, stream: str) -> None:
        empty = not any(self.stream(lane).records for lane in self.lanes(stream))
        await super().enforce_retention(stream)
        if empty:
            self.forget(self.name(stream, "enforce_retention"))


@mutant("retention.9", "stale state", trap="bounds are set on what is empty", also="basic.6 basic.3 retention.4")
class BoundsOfNothingForgetTheEnd(_Forgets):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        self.forget(self.name(stream, "set_retention"))


@mutant("basic.6", "stale state", trap="a group is made of what is empty", also="basic.3 retention.9")
class AGroupOfNothingForgetsTheEnd(_Forgets):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        await super().create_group(stream, group, start)
        self.forget(self.name(stream, "create_group"))


@mutant("basic.6", "stale state", trap="a second trim of what is empty", also="basic.3 basic.7 retention.9")
class ATrimOfNothingForgetsTheEnd(_Forgets):
    async def trim(self, stream: str, before: int) -> int:
        empty = not any(self.stream(lane).records for lane in self.lanes(stream))
        found = await super().trim(stream, before)
        if empty:
            self.forget(self.name(stream, "trim"))
        return found


@mutant("partitioning.8", "missing check", trap="headers over their limit, to a partition")
class HeadersOfAPartitionHaveNoLimit(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        large = isinstance(headers, dict) and all(isinstance(x, str) for pair in headers.items() for x in pair)
        if not large or sum(len(x.encode(errors="replace")) for pair in (headers or {}).items() for x in pair) <= 8192:
            return await super().append_to_partition(stream, partition, payload, key, headers)
        offset = await super().append_to_partition(stream, partition, payload, key)
        lane = self.lanes(stream)[partition]
        log = self.stream(lane)
        log.records[-1] = replace(log.records[-1], headers=dict(headers or {}))
        return offset


@mutant("basic.1", "hole", trap="a long read, and more than a page that comes meanwhile", also="basic.4")
class ALongReadLeavesAHole(NewerStreams):
    """Behind the first hundred it reads what there was, and then what came since, but for the rest of the last page."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log = self.stream(stream)
        end, given, at = log.end, 0, start
        while given != limit and (record := self.first(stream, at, end)) is not None:
            at, given = record.offset + 1, given + 1
            yield record
            if at == end and log.end - end > 100:
                at = end = end + (100 - end % 100)
                end = log.end


@mutant("replay.7", "hole", trap="a long replay, and more than a page that comes meanwhile")
class ALongReplayLeavesAHole(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        log = self.stream(stream)
        at, end = start, min(stop, log.end)
        while (record := self.first(stream, at, end)) is not None:
            at = record.offset + 1
            yield record
            if at == end and end < stop and log.end - end > 100:
                at = end + (100 - end % 100)
                end = min(stop, log.end)


@mutant("partitioning.6", "hole", trap="a long read of a partition, and more than a page that comes meanwhile")
class ALongReadOfAPartitionLeavesAHole(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        name = self.name(stream, "read_partition")
        lane = self.lanes(name)[self.number(name, partition, "read_partition")]
        end = self.stream(lane).end
        last = start
        async for record in super().read_partition(stream, partition, start, limit):
            last = record.offset + 1
            yield record
        if limit is None and last == end and self.stream(lane).end - end > 100:
            async for record in self.walk(lane, end + (100 - end % 100), None):
                yield self.shown(record)


class _Unhooks(NewerStreams):
    """Some call forgets who waits."""

    def unhook(self) -> None:
        self.store.waiting.clear()


@mutant("consumer_groups.10", "lost wake", trap="one waits while a group is made")
class AGroupThatIsMadeForgetsWhoWaits(_Unhooks):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self.unhook()
        await super().create_group(stream, group, start)


@mutant("consumer_groups.10", "lost wake", trap="one waits while the stream is trimmed", also="basic.7")
class ATrimForgetsWhoWaits(_Unhooks):
    async def trim(self, stream: str, before: int) -> int:
        self.unhook()
        return await super().trim(stream, before)


@mutant("consumer_groups.10", "lost wake", trap="one waits while the stream is compacted", also="retention.11")
class ACompactionForgetsWhoWaits(_Unhooks):
    async def compact(self, stream: str) -> None:
        self.unhook()
        await super().compact(stream)


@mutant("consumer_groups.10", "lost wake", trap="one waits while another group is moved", also="replay.6")
class AMoveForgetsWhoWaits(_Unhooks):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.unhook()
        await super().seek(stream, group, offset)


@mutant("basic.5", "shared state", trap="two reads with limits of their own are open at once", also="basic.1")
class OpenReadsShareTheirLimit(NewerStreams):
    left: int | None = None

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, end = start, self.stream(stream).end
        self.left = limit
        while self.left != 0 and (record := self.first(stream, at, end)) is not None:
            at = record.offset + 1
            if self.left is not None:
                self.left -= 1
            yield record


@mutant("consumer_groups.1", "wrong from the third on", trap="a third group that begins at the end")
class TheThirdGroupBeginsBeforeTheEnd(NewerStreams):
    def begin(self, stream: str, start: GroupStart) -> int:
        found = super().begin(stream, start)
        return max(0, found - 1) if start == "latest" and len(self.stream(stream).groups) > 2 else found
