"""Mutants whose refusals leave something behind that only the next call shows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from prism_testkit.interfaces import AlreadyExists, Bytes, Conflict, GroupNotFound, GroupStart, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("consumer_groups.2", "order of steps", trap="a group of a refused second creation", also="consumer_groups.1")
class ARefusedCreationMovesTheGroup(Streams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        try:
            await super().create_group(stream, group, start)
        except AlreadyExists:
            self.apply(Change(stream, group, position=self.begin(stream, start)))
            raise


@mutant("consumer_groups.2", "leftover", trap="a creation behind a join of a group that was missing", also="consumer_groups.1")
class ARefusedJoinMakesTheGroup(Streams):
    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        try:
            self.group(stream, group)
        except GroupNotFound:
            with suppress(Exception):
                await self.create_group(stream, group, "latest")
            raise
        async with super().join(stream, group, consumer) as member:
            yield member


@mutant("consumer_groups.7", "order of steps", trap="a nack for a time that is none", also="consumer_groups.4")
class ARefusedNackGivesBack(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        try:
            await super().nack(*deliveries, delay_s=delay_s)
        except (ValueError, TypeError):
            for delivery in deliveries:
                held = self.held(delivery)
                if isinstance(held, Held):
                    self.give_back(delivery, held, 0)
            raise


@mutant("consumer_groups.8", "leftover", trap="a receive behind a stale ack", also="consumer_groups.10 consumer_groups.1")
class AReceiveBehindAConflictFindsNothing(Member):
    lost = False

    def refuse(self, deliveries: Sequence[RecordDelivery], operation: str) -> None:
        try:
            super().refuse(deliveries, operation)
        except Conflict:
            self.lost = True
            raise

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        lost, self.lost = self.lost, False
        return [] if lost and timeout_s <= 0 else await super().receive(max_records, timeout_s)


@mutant("basic.9", "leftover", trap="the key of what is refused", also="basic.2")
class TheKeyOfWhatIsRefusedIsOfTheNext(Streams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        kept = self.store.notes.pop(("key", self.namespace), None)
        try:
            return await super().append(stream, payload, key if key is not None or kept is None else kept, headers)
        except Exception:
            self.store.notes["key", self.namespace] = key
            raise


@mutant("basic.9", "order of steps", trap="what stands before a trim that is refused", also="basic.7 basic.1")
class ARefusedTrimTrims(Streams):
    async def trim(self, stream: str, before: int) -> int:
        if isinstance(before, int) and before < 0:
            self.apply(Change(stream, trim=max(0, self.stream(stream).end + before)))
        return await super().trim(stream, before)
