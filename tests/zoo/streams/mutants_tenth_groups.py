"""Wrong streams over documents: groups, their members, and how they are moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import GroupStart, Member, RecordDelivery
from tests.zoo.declare import Mutant

from .tenth_declare import declaring_tenth
from .tenth_documents import Document, Group, Part, Shelf
from .tenth_members import DocumentMember
from .tenth_streams import DocumentStreams

__all__ = ["MUTANTS"]

_MUTANTS: list[Mutant] = []
mutant = declaring_tenth(_MUTANTS)


@mutant("consumer_groups.1", "boundary", "a group that begins with an offset beyond the end")
class BeginsAtTheEnd(DocumentStreams):
    """A start beyond the end is the end, as it is of a seek."""

    def begin(self, part: Part, start: GroupStart) -> int:
        return min(super().begin(part, start), part.end)


@mutant("consumer_groups.6", "batches", "an ack of several of which one was acked before")
class AcksAllOrNone(DocumentMember):
    """Acks several only if it holds them all."""

    async def ack(self, *deliveries: RecordDelivery) -> None:
        _, document = self.driver.shelf.load(self.driver.namespace, self.stream)
        group = document.groups.get(self.group, Group(()))
        if all(self._held(group, one) for one in deliveries):
            await super().ack(*deliveries)
        else:
            await super().ack()


@mutant(
    "consumer_groups.5",
    "cancelled",
    "a member whose task is cancelled while it waits in the context",
    also="consumer_groups.14 consumer_groups.11",
)
class CancelledNeverLeave(DocumentStreams):
    """Leaves at the end and after an error; a cancellation is neither."""

    @asynccontextmanager
    async def _joined(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        context = super()._joined(stream, group, consumer)
        self.shelf.notes[id(context)] = context  # what is forgotten would be left by itself
        member = await context.__aenter__()
        try:
            yield member
        except Exception:
            await context.__aexit__(None, None, None)
            raise
        else:
            await context.__aexit__(None, None, None)


@mutant("consumer_groups.14", "cancelled", "a join that is cancelled after it became a member", also="consumer_groups.11 replay.4")
class CancelledJoinStays(DocumentStreams):
    """Something is awaited between becoming a member and taking care of leaving."""

    @asynccontextmanager
    async def _joined(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        context = super()._joined(stream, group, consumer)
        member = await context.__aenter__()
        await asyncio.sleep(0)
        try:
            yield member
        finally:
            await context.__aexit__(None, None, None)


@mutant(
    "consumer_groups.10",
    "wake-ups",
    "a receive that waits while another is nacked with a shorter delay",
    also="consumer_groups.7 consumer_groups.1",
)
class SleepsThrough(DocumentMember):
    """While something is delayed, waits for that and does not look at what happens meanwhile."""

    async def _wait(self, version: int, within_s: float) -> None:
        _, document = self.driver.shelf.load(self.driver.namespace, self.stream)
        now = self.driver.shelf.clock.now_s()
        if any(one.due > now for one in document.groups[self.group].pending.values()):
            await self.driver.shelf.clock.sleep(within_s)
        else:
            await super()._wait(version, within_s)


@mutant("consumer_groups.10", "wake-ups", "two records with delays, the later one with the lower offset", also="consumer_groups.7")
class WaitsForTheFirst(DocumentMember):
    """Waits for the first delay in the order of offsets, not for the shortest."""

    def _take(self, document: Document, most: int) -> tuple[Document, tuple[int, list[RecordDelivery], float]]:
        after, (version, got, due) = super()._take(document, most)
        group, now = self._of(document), self.driver.shelf.clock.now_s()
        delays = [group.pending[where].due for where in sorted(group.pending) if group.pending[where].due > now]
        return after, (version, got, delays[0] if delays else due)


@mutant("consumer_groups.10", "wake-ups", "two groups that wait for one stream", also="consumer_groups.9 consumer_groups.1")
class WakesOneSleeper(Shelf):
    """Wakes one of those who wait for a stream."""

    def wake(self, namespace: str, stream: str) -> None:
        for sleeper in list(self.sleepers.get((namespace, stream), ())):
            if not sleeper.done():
                sleeper.set_result(None)
                return


@mutant("consumer_groups.10", "boundary", "records to come again and new ones in one receive")
class NewOnesOnTop(DocumentMember):
    """What comes again does not count in max_records."""

    def _take(self, document: Document, most: int) -> tuple[Document, tuple[int, list[RecordDelivery], float]]:
        group = self._of(document)
        now = self.driver.shelf.clock.now_s()
        again = sum(not one.member and one.due <= now for one in group.pending.values())
        return super()._take(document, most + min(again, most))


@mutant("consumer_groups.14", "cancelled", "a receive that is cancelled just as it woke up for a record", also="consumer_groups.5")
class RestsAfterWaking(DocumentMember):
    """Lets others run between the take and the return, if it had to wait."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        version = self.driver.shelf.load(self.driver.namespace, self.stream)[0]
        got = await super().receive(max_records, timeout_s)
        if got and version + 1 < self.driver.shelf.load(self.driver.namespace, self.stream)[0]:
            await asyncio.sleep(0)
        return got


@mutant("partitioning.10", "state", "one offset held in two partitions", also="consumer_groups.6")
class AcksByOffset(DocumentMember):
    """Acks an offset, whatever the partition."""

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries)
        offsets = {one.record.offset for one in deliveries}

        def step(document: Document) -> tuple[Document, None]:
            group = self._of(document)
            left = {where: one for where, one in group.pending.items() if where[1] not in offsets or one.member == 0}
            return document.with_group(self.group, replace(group, pending=left)), None

        await self.driver.change(self.stream, step)


@mutant("replay.1", "cache", "a second seek to the same place, after receives", also="replay.5")
class SeeksOnce(DocumentStreams):
    """Does nothing if the group was moved there last."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        where = self.namespace, stream, group
        if self.shelf.notes.get(where) == offset:
            offset = (await self.look(stream)).groups[group].positions[0]
        else:
            self.shelf.notes[where] = offset
        await super().seek(stream, group, offset)


@mutant("replay.4", "clients", "a seek while a member of another client is joined", also="consumer_groups.4")
class SeesOwnMembers(DocumentStreams):
    """Looks for members among those who joined through this client."""

    def __init__(self, shelf: Shelf, namespace: str) -> None:
        super().__init__(shelf, namespace)
        self.joined: list[tuple[str, str]] = []

    @asynccontextmanager
    async def _joined(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        async with super()._joined(stream, group, consumer) as member:
            self.joined.append((stream, group))
            try:
                yield member
            finally:
                self.joined.remove((stream, group))

    async def _move(self, stream: str, group: str, to: Any) -> None:
        if (stream, group) not in self.joined:
            version, document = self.shelf.load(self.namespace, stream)
            found = document.groups.get(group)
            if found is not None and found.members:
                raw = replace(found, positions=to(document), pending={})
                self.shelf.swap(self.namespace, stream, version, document.with_group(group, raw))
                return
        await super()._move(stream, group, to)


@mutant("replay.2", "boundary", "an instant between two records of partitions of different ages", also="partitioning.9")
class OneInstantForAll(DocumentStreams):
    """Moves every partition to where the first one has the instant."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        self.offset(at_ms)
        await self._move(
            stream,
            group,
            lambda document: tuple(
                min(self.at_time(document.parts[0], at_ms), part.end) if len(document.parts) > 1 else self.at_time(part, at_ms)
                for part in document.parts
            ),
        )


@mutant("replay.2", "search", "instants with many records each, and a bound that falls into one of them")
class HalvesByTime(DocumentStreams):
    """Searches by halves, and stops at the first record of the instant that it meets."""

    def at_time(self, part: Part, at_ms: int) -> int:
        low, high = 0, len(part.records)
        while low < high:
            middle = (low + high) // 2
            if part.records[middle].appended_ms == at_ms:
                return part.records[middle].offset
            if part.records[middle].appended_ms < at_ms:
                low = middle + 1
            else:
                high = middle
        return part.records[low].offset if low < len(part.records) else part.end


@mutant("replay.3", "state", "a nack with a delay, and a seek beyond what was nacked before the delay is over", also="replay.1")
class SeekKeepsTheHeld(DocumentStreams):
    """A seek forgets what is to come again from its offset on; what is before it stays."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        before = (await self.look(stream)).groups.get(group)
        await super().seek(stream, group, offset)
        if before is not None:
            left = {where: one for where, one in before.pending.items() if where[1] < offset and one.due > self.shelf.clock.now_s()}
            await self.change(
                stream, lambda document: (document.with_group(group, replace(document.groups[group], pending=left)), None)
            )


@mutant(
    "consumer_groups.4",
    "clients",
    "two members that joined at the same number of joins ever, in two groups",
    also="consumer_groups.9 consumer_groups.11",
)
class NumbersMembersByGroup(DocumentStreams):
    """Numbers a member by how many its group has, so a number is given again after one was left."""

    @asynccontextmanager
    async def _joined(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        version, document = self.shelf.load(self.namespace, stream)
        if group in document.groups:
            self.shelf.swap(self.namespace, stream, version, replace(document, serial=len(document.groups[group].members)))
        async with super()._joined(stream, group, consumer) as member:
            yield member


@mutant("consumer_groups.7", "time", "a nack with a long delay, and then one without", also="consumer_groups.5 consumer_groups.10")
class DelaysByTheFirst(DocumentMember):
    """A nack without a delay keeps the delay of the nack before it."""

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        notes = self.driver.shelf.notes
        for one in deliveries:
            where = self.driver.namespace, self.stream, self.group, one.record.partition, one.record.offset
            kept = notes.get(where, 0.0)
            notes[where] = delay_s
            if delay_s == 0 and kept > 0:
                await super().nack(one, delay_s=kept)
        await super().nack(*deliveries, delay_s=delay_s)


@mutant("consumer_groups.11", "counts", "a group whose member nacked and left", also="consumer_groups.5 partitioning.10")
class PendingIsHeld(DocumentStreams):
    """Counts what is held, and not what is to come again once its delay is over."""

    async def group_info(self, stream: str, group: str) -> Any:
        info = await super().group_info(stream, group)
        now = self.shelf.clock.now_s()
        found = (await self.look(stream)).groups[group]
        return replace(info, pending=info.pending - sum(not one.member and 0 < one.due <= now for one in found.pending.values()))


MUTANTS: tuple[Mutant, ...] = tuple(_MUTANTS)
