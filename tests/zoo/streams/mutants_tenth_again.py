"""Wrong streams over documents: calls that leave half of it behind, delays that meet, producers that look alike."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import GroupInfo, GroupStart, Member, RecordDelivery
from prism_testkit.interfaces.errors import AlreadyExists
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .tenth_declare import declaring_tenth
from .tenth_documents import Document, Pending
from .tenth_members import DocumentMember
from .tenth_streams import DocumentStreams

__all__ = ["MUTANTS"]

_MUTANTS: list[Mutant] = []
mutant = declaring_tenth(_MUTANTS)


@mutant("basic.14", "cancelled", "a trim that is cancelled between its two steps", also="basic.7")
class TrimsInTwoSteps(DocumentStreams):
    """A trim removes half of what it is to remove, lets others run, and removes the rest."""

    async def trim(self, stream: str, before: int) -> int:
        self.offset(before)
        part = self.plain(await self.look(stream), "trim")
        first = part.records[0].offset if part.records else part.end
        last = min(before, part.end)
        if last - first > 3:
            await super().trim(stream, (first + last) // 2)
        return await super().trim(stream, before)


class _TwoSteps(DocumentMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        where = self.driver.namespace, self.stream, self.group
        notes = self.driver.shelf.notes
        await super().ack(*deliveries)
        notes[where] = notes.get(where, 0) + 1
        await asyncio.sleep(0)
        notes[where] -= 1


@mutant(
    "consumer_groups.11",
    "cancelled",
    "an ack that is cancelled between its two steps",
    also="consumer_groups.14 consumer_groups.6",
)
class CountsInAnotherStep(DocumentStreams):
    """Acks in one step and takes the record off the count in another."""

    member_type = _TwoSteps

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        info = await super().group_info(stream, group)
        return replace(info, pending=info.pending + self.shelf.notes.get((self.namespace, stream, group), 0))


@mutant("partitioning.1", "state", "a look at the last offset before the partitions", also="partitioning.2")
class LooksAreUses(DocumentStreams):
    """Whoever asks for the last offset, or for a group, has a topic made, which is used then."""

    async def latest_offset(self, stream: str) -> int | None:
        latest = await super().latest_offset(stream)
        self.shelf.notes[self.namespace, stream] = True
        return latest

    async def create_partitioned(self, stream: str, n: int) -> None:
        if self.shelf.notes.get((self.namespace, stream)) and 1 < n <= 256 and len((await self.look(stream)).parts) == 1:
            raise AlreadyExists(f"documents: {stream!a} is there")
        await super().create_partitioned(stream, n)


@mutant("partitioning.1", "state", "a group that was refused for its start before the partitions", also="consumer_groups.2")
class RefusedGroupsAreUses(DocumentStreams):
    """A group whose start is refused leaves a stream that counts as used."""

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        try:
            await super().create_group(stream, group, start)
        except (ValueError, TypeError):
            self.shelf.notes[self.namespace, stream] = True
            raise

    async def create_partitioned(self, stream: str, n: int) -> None:
        if self.shelf.notes.get((self.namespace, stream)) and 1 < n <= 256 and len((await self.look(stream)).parts) == 1:
            raise AlreadyExists(f"documents: {stream!a} is there")
        await super().create_partitioned(stream, n)


@mutant(
    "consumer_groups.5",
    "cancelled",
    "a member with a record in hand whose context is left by a cancellation",
    also="consumer_groups.14",
)
class CancelledKeepTheHeld(DocumentStreams):
    """After a cancellation the member is gone, and what it held is nobody's."""

    @asynccontextmanager
    async def _joined(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        async with super()._joined(stream, group, consumer) as member:
            try:
                yield member
            except asyncio.CancelledError:
                version, document = self.shelf.load(self.namespace, stream)
                found = document.groups[group]
                kept = {w: replace(one, member=-1) if one.member == member.number else one for w, one in found.pending.items()}  # type: ignore[attr-defined]
                self.shelf.swap(self.namespace, stream, version, document.with_group(group, replace(found, pending=kept)))
                raise


@mutant("basic.12", "identity", "equal records that two clients append by turns", also="basic.3 basic.1")
class SequencesOfProducers(DocumentStreams):
    """Numbers what it appends, and takes for a repeat what has number, key and payload of the record before it."""

    count = 0

    async def _append(
        self, stream: str, partition: int | None, payload: Bytes, key: str | None, headers: Mapping[str, str] | None
    ) -> int:
        self.count += 1
        known: dict[Any, Any] = self.shelf.notes.setdefault("producers", {})
        mark = self.count, key, bytes(payload)
        before = known.get((self.namespace, stream))
        if before is not None and before[0] == mark and len((await self.look(stream)).parts) == 1:
            return int(before[1])
        offset = await super()._append(stream, partition, payload, key, headers)
        known[self.namespace, stream] = (mark, offset)
        return offset


@mutant("consumer_groups.10", "wake-ups", "two delays that end one after the other while somebody waits", also="consumer_groups.7")
class WaitsForTheLast(DocumentMember):
    """Waits until all delays are over."""

    def _take(self, document: Document, most: int) -> tuple[Document, tuple[int, list[RecordDelivery], float]]:
        after, (version, got, due) = super()._take(document, most)
        now = self.driver.shelf.clock.now_s()
        delays = [one.due for one in self._of(document).pending.values() if one.due > now]
        return after, (version, got, max(delays, default=due))


@mutant("consumer_groups.7", "state", "a record that is nacked a second time, with a longer delay", also="consumer_groups.5")
class KeepsTheFirstDelay(DocumentMember):
    """A record that had a delay keeps the instant when that was over."""

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        notes = self.driver.shelf.notes

        def step(document: Document) -> tuple[Document, None]:
            group = self._of(document)
            pending = dict(group.pending)
            for one in deliveries:
                where = one.record.partition, one.record.offset
                if where in pending and not pending[where].member and delay_s > 0:
                    due = notes.setdefault((self.driver.namespace, self.stream, self.group, where), pending[where].due)
                    pending[where] = Pending(pending[where].count, due=due)
            return document.with_group(self.group, replace(group, pending=pending)), None

        await self.driver.change(self.stream, step)


@mutant("partitioning.5", "cache", "more than 600 other keys between two appends of one, on 16 partitions")
class LeastUsedPartition(DocumentStreams):
    """Gives a key to the partition with the fewest records, and remembers it while there are no more than 600."""

    def partition_of(self, document: Document, key: str | None) -> int:
        if key is None or len(document.parts) == 1:
            return super().partition_of(document, key)
        known: dict[Any, int] = self.shelf.notes.setdefault((self.namespace, len(document.parts)), {})
        if key not in known:
            known[key] = min(range(len(document.parts)), key=lambda number: (len(document.parts[number].records), number))
            if len(known) > 600:
                del known[next(iter(known))]
        return known[key]


MUTANTS: tuple[Mutant, ...] = tuple(_MUTANTS)
