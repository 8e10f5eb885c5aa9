"""Mutants that nobody who knew the checks would write: single defects of the kind that a stranger plants into a short driver."""

import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import AlreadyExists, GroupInfo, GroupStart, QuotaExceeded, Record, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileStreams, Member, Reading, Streams, step
from .stores import Change, Group, Held, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_LEFT_BEHIND = "consumer_groups.4 consumer_groups.5 consumer_groups.6 consumer_groups.16"


@mutant("basic.1", "iteration during change", trap="a trim while a read is under way", also="basic.7")
class ReadEndsAtATrim(Streams):
    """What lies ahead is kept, but the cursor belongs to another generation."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        floor = self.stream(stream).floor
        async for record in super().walk(stream, start, limit):
            if self.stream(stream).floor != floor:
                return
            yield record


@mutant("basic.5", "overflow", trap="a start or a bound of 2**63 or more", also="basic.7")
class OffsetsInInt64(Streams):
    def bound(self, offset: int, operation: str) -> int:
        if super().bound(offset, operation) >= 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return offset


@mutant("basic.5", "overflow", trap="a limit of 2**32 or more")
class LimitIn32Bits(Streams):
    def limit(self, limit: int | None, operation: str) -> int | None:
        checked = super().limit(limit, operation)
        return None if checked is None else checked & 0xFFFFFFFF


@mutant("basic.5", "shared state", trap="two limited reads of one client under way at a time")
class LimitIsOfTheClient(Streams):
    room = 0

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        self.room = self.room if limit is None else limit
        if limit == 0:
            return
        async for record in super().walk(stream, start, None):
            self.room -= limit is not None
            yield record
            if limit is not None and self.room <= 0:
                return


@mutant("basic.7", "overflow", trap="a trim below an offset of 2**32 or more")
class TrimWrapsAt32Bits(Streams):
    def clamped(self, stream: str, before: int) -> int:
        return super().clamped(stream, before & 0xFFFFFFFF)


@mutant("consumer_groups.6", "early return", trap="an ack of several, the first of which was acked before")
class AckEndsAtARepeat(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.check_open("ack")
        for delivery in deliveries:
            if self.held(delivery) is None and not self.stranger(delivery):
                return
            if self.held(delivery) is not None:
                self.confirm(delivery)
        self.refuse(deliveries, "ack")


@mutant("consumer_groups.10", "cap", trap="a member that holds a hundred records and receives again", also="consumer_groups.1")
class HoldsAHundredAtMost(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        room = 100 - sum(map(self.holds, self.state().pending.values()))
        return super().take(min(most, room)) if room > 0 else []


@mutant("consumer_groups.10", "lost wake-up", trap="a record that comes when a receive has looked and does not wait yet")
class LooksThenLiesDown(Member):
    async def pause(self, end: float) -> None:
        await step()
        await super().pause(end)


@mutant("consumer_groups.11", "wrong count", trap="group_info after an ack that was repeated while others are held")
class RepeatedAcksCount(Streams):
    """``pending`` is a counter, and every ack takes one away."""

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        repeats = self.store.notes.get((self.namespace, stream, group), 0)
        return GroupInfo(found.members, max(0, found.pending - repeats), found.position)


class _CountsRepeats(Member):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.acked: set[str] = set()

    async def ack(self, *deliveries: RecordDelivery) -> None:
        repeats = sum(delivery.token in self.acked for delivery in deliveries)
        await super().ack(*deliveries)
        self.acked.update(delivery.token for delivery in deliveries)
        notes, slot = self.driver.store.notes, (self.driver.namespace, self.stream, self.group)
        notes[slot] = notes.get(slot, 0) + repeats


RepeatedAcksCount.member_type = _CountsRepeats


class _Counted(Member):
    def enter(self) -> None:
        super().enter()
        assert isinstance(self.driver, MembersAreOfTheClient)
        self.driver.mine.add(self.id)


@mutant("consumer_groups.11", "second client", trap="group_info of a client whose members are not all")
class MembersAreOfTheClient(Streams):
    member_type = _Counted

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.mine: set[int] = set()

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return GroupInfo(len(self.mine & self.group(stream, group).members.keys()), found.pending, found.position)


@mutant("consumer_groups.14", "missing check", trap="a member that is left while its receive waits, then an append")
class WaitingReceiveOutlivesItsMember(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_open("receive")
        most, timeout = self.most(max_records), check_timeout(timeout_s, "receive", "zoo")
        end = self.driver.after(timeout)
        while True:
            found = self.take(most)
            if found or timeout <= 0 or self.driver.over(end):
                return found
            await self.pause(end)


@mutant("basic.2", "mutable default", trap="a record without a key after one with a key")
class KeySticks(Streams):
    default: str | None = None

    def key(self, key: str | None, operation: str) -> str | None:
        self.default = super().key(key, operation) or self.default
        return self.default


@mutant("consumer_groups.1", "overflow", trap="a group that begins at an offset of 2**32 or more", also="consumer_groups.11")
class StartIn32Bits(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        begun = super().begin(stream, start)
        return begun & 0xFFFFFFFF if isinstance(start, int) else begun


@mutant("consumer_groups.1", "boundary", trap="a group that begins with latest on a stream that was never used")
class LatestOfNothingIsOne(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return super().begin(stream, start) if start != "latest" else (self.stream(stream).latest or 0) + 1


@mutant(
    "consumer_groups.4",
    "empty collection",
    trap="a nack without deliveries while something is held",
    also="consumer_groups.5 consumer_groups.6",
)
class NackOfNothingNacksAll(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        if not deliveries:
            for offset, held in list(self.state().pending.items()):
                if self.holds(held):
                    self.put(offset, self.freed(held))


@mutant("consumer_groups.6", "cap", trap="an ack of a record more than 64 offsets above the lowest that is held")
class AcksBeyond64AreForgotten(Member):
    """The acks above the position are bits of one word; when the member leaves, what did not fit is to come again."""

    def confirm(self, delivery: RecordDelivery) -> None:
        lowest = min(self.state().pending, default=delivery.record.offset)
        if delivery.record.offset - lowest < 64:
            super().confirm(delivery)


@mutant("consumer_groups.10", "overflow", trap="max_records above 2,147,483,647")
class MaxIn32Bits(Member):
    def most(self, max_records: int) -> int:
        if super().most(max_records) >= 2**31:
            raise OverflowError("signed integer is greater than maximum")
        return max_records


@mutant("basic.13", "wrong order", trap="two clients that append at different instants")
class StampsTheClientsLastCall(Streams):
    """The instant is read when the call before ended, and kept."""

    last_ms = 0

    def stamp(self, stream: str) -> int:
        now_ms = super().stamp(stream)
        self.last_ms, told = now_ms, self.last_ms or now_ms
        return told


class _Trusting(Member):
    def known(self) -> set[str]:
        tokens: set[str] = self.driver.store.notes.setdefault("tokens", set())
        return tokens

    def one(self, offset: int) -> RecordDelivery:
        delivery = super().one(offset)
        self.known().add(delivery.token)
        return delivery

    def held(self, delivery: RecordDelivery) -> Held | None:
        if delivery.token in self.known():
            return super().held(delivery)
        return self.state().pending.get(delivery.record.offset)

    def stranger(self, delivery: RecordDelivery) -> bool:
        return delivery.token in self.known() and super().stranger(delivery)


@mutant("consumer_groups.8", "stranger", trap="kill; deliveries of the dead in the hands of another", also=_LEFT_BEHIND)
class TrustsTokensOfOtherProcesses(FileStreams):
    """A token that this process did not give is taken at its word."""

    member_type = _Trusting


@mutant("basic.5", "pages", trap="a limit above a hundred, with more records behind it", also="basic.1")
class LimitIsOfEachPage(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        end, at = self.stream(stream).end, start
        while at < end and limit != 0:
            page = 0
            async for record in super().walk(stream, at, 100 if limit is None else min(limit, 100)):
                at, page = record.offset + 1, page + 1
                yield record
            if page < 100:
                return


@mutant("consumer_groups.1", "second client", trap="members of two clients", also="consumer_groups.4")
class PositionIsOfTheClient(Streams):
    """Each client reads the position once, and counts on by itself."""

    def group(self, stream: str, group: str) -> Group:
        found = super().group(stream, group)
        mine: dict[tuple[str, str], int] = self.__dict__.setdefault("positions", {})
        found.position = mine.setdefault((stream, group), found.position)
        return found

    def apply(self, *changes: Change) -> None:
        super().apply(*changes)
        for change in changes:
            if change.position is not None:
                self.__dict__.setdefault("positions", {})[change.stream, change.group] = change.position


@mutant("consumer_groups.9", "aliasing", trap="groups of one name of two streams", also="consumer_groups.2 consumer_groups.13")
class GroupNamesAreTakenOnce(Streams):
    def refuse_again(self, stream: str, group: str) -> None:
        super().refuse_again(stream, group)
        if any(group in other.groups for other in self.space().streams.values()):
            raise AlreadyExists(f"zoo: create_group {group[:40]!a}: there is one")


@mutant(
    "consumer_groups.10", "prefetch", trap="a receive of one by one member, and a receive by another", also="consumer_groups.15"
)
class PrefetchesOneMore(Member):
    """It takes one more than it gives, for the next receive; others do not get it until this member is left."""

    def take(self, most: int) -> list[RecordDelivery]:
        ahead: list[int] = self.__dict__.setdefault("ahead", [])
        ready, ahead[:] = ahead[:most], ahead[most:]
        again = self.again()[: most - len(ready)]
        fresh = self.fresh(most - len(ready) - len(again) + 1)
        given = fresh[: most - len(ready) - len(again)]
        ahead += fresh[len(given) :]
        return self.deliver([*ready, *again, *given])

    def leave(self) -> None:
        for offset in self.__dict__.get("ahead", []):
            self.put(offset, Held(0))
        super().leave()


class _CountsForItself(Member):
    def one(self, offset: int) -> RecordDelivery:
        counts = self.driver.__dict__.setdefault("counts", Counter())
        counts[self.stream, self.group, offset] += 1
        return replace(super().one(offset), delivery_count=counts[self.stream, self.group, offset])


@mutant("consumer_groups.5", "second client", trap="a record that comes to members of two clients by turns")
class CountsAreOfTheClient(Streams):
    member_type = _CountsForItself


@mutant("basic.7", "second client", trap="a read by a client that did not trim, of a stream that it had read")
class TrimsOfOthersAreSeenLate(Streams):
    """Each client keeps what it read until it trims itself."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        kept: dict[int, Record] = self.__dict__.setdefault(stream, {})
        kept |= {record.offset: record for record in self.stream(stream).records}
        for given, offset in enumerate(sorted(offset for offset in kept if offset >= start)):
            if given == limit:
                return
            yield kept[offset]

    async def trim(self, stream: str, before: int) -> int:
        self.__dict__.pop(stream, None)
        return await super().trim(stream, before)


@mutant("basic.8", "normalisation", trap="a key that is not in normal form C", also="basic.2")
class KeysAreOneNormalForm(Streams):
    def key_name(self, key: str, operation: str) -> str:
        return unicodedata.normalize("NFC", super().key_name(key, operation))


@mutant(
    "basic.12", "second client", trap="an append by another client, then a read without a look at the latest offset", also="basic.1"
)
class EndIsAsTheClientKnowsIt(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        known = self.__dict__.setdefault("ends", {}).setdefault(stream, self.stream(stream).end)
        async for record in super().walk(stream, start, limit):
            if record.offset >= known:
                self.__dict__["ends"][stream] = self.stream(stream).end
                return
            yield record

    def insert(self, stream: str, record: Record) -> int:
        self.__dict__.setdefault("ends", {})[stream] = record.offset + 1
        return super().insert(stream, record)

    def latest(self, stream: str) -> int | None:
        self.__dict__.setdefault("ends", {})[stream] = self.stream(stream).end
        return super().latest(stream)


@mutant("basic.14", "resources", trap="thirty-two reads of one client that are left early")
class LeftReadsKeepTheirCursor(Streams):
    cursors = 32

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        if not self.cursors:
            raise QuotaExceeded("zoo: read: no cursor is free")
        self.cursors -= 1
        async for record in super().walk(stream, start, limit):
            yield record
        self.cursors += 1


@mutant("consumer_groups.14", "resources", trap="sixteen members of one client that are left by an error", also="consumer_groups.5")
class FailedMembersKeepTheirSlot(Streams):
    slots = 16

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        if not self.slots:
            raise QuotaExceeded("zoo: join: no slot is free")
        async with super().join(stream, group, consumer) as member:
            try:
                yield member
            except BaseException:
                self.slots -= 1
                raise
