"""Mistakes of groups over logs in segments: labels and numbers of members, waits, delays, and one delivery twice in a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.backend import Place
from prism_testkit.interfaces import Record, RecordDelivery
from prism_testkit.naming import check_name, check_seconds, check_timeout
from tests.zoo.declare import Mutant

from .ninth_declare import declaring_ninth
from .ninth_segments import FileBooks, Job, Shelf
from .ninth_streams import MAKER, SegmentMember, SegmentStreams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_ninth(MUTANTS)
_Place = tuple[int, int]


@_mutant("consumer_groups.5", "so many variables", trap="a member that leaves with more than 250")
class GivesBackSoMany(FileBooks):
    def on_back(self, shelf: Shelf, group: str, places: list[_Place], due: float) -> None:
        super().on_back(shelf, group, places[:250], due)


@_mutant(
    "consumer_groups.11",
    "numbers used again",
    trap="the first of several leaves, another joins",
    also="consumer_groups.4 consumer_groups.5",
)
class NumbersByCount(SegmentStreams):
    """A member has the number of those who are there, and one more."""

    def next_number(self, members: int) -> int:
        return members + 1

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[SegmentMember]:
        for name in (stream, group, consumer):
            check_name(name, "join", MAKER)
        crowd = self.crowd(stream, group)
        member = self.member_type(self, stream, group, self.next_number(len(crowd.members)))
        crowd.members[member.number] = consumer
        try:
            yield member
        finally:
            member.leave()


@_mutant(
    "consumer_groups.11",
    "numbers used again",
    trap="more than sixteen join while the first stays",
    also="consumer_groups.4 consumer_groups.5",
)
class NumbersUpToSixteen(NumbersByCount):
    def next_number(self, members: int) -> int:
        return self.books.number() % 16 + 1


@_mutant("consumer_groups.10", "cap on number", trap="more than 24 receives that wait, of whatever streams")
class WakesTwentyFour(FileBooks):
    """The first 24 that wait are woken."""

    def __init__(self, place: Place) -> None:
        self.line: list[asyncio.Future[None]] = []
        super().__init__(place)

    def ring(self) -> None:
        for bell in self.line[:24]:
            if not bell.done():
                bell.set_result(None)

    async def heard(self, seconds: float) -> None:
        bell = asyncio.get_running_loop().create_future()
        self.line.append(bell)
        try:
            await asyncio.wait([bell], timeout=seconds)
        finally:
            self.line.remove(bell)


@_mutant("consumer_groups.10", "cap on number", trap="more than 32 receives of a client wait")
class WaitsByThirtyTwo(SegmentMember):
    """A client has 32 connections, and a receive that waits has one."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        line = self.driver.__dict__.setdefault("line", asyncio.Semaphore(32))
        if check_timeout(timeout_s, "receive", MAKER) <= 0:
            return await super().receive(max_records, timeout_s)
        async with line:
            return await super().receive(max_records, timeout_s)


@_mutant(
    "consumer_groups.10",
    "handed on by who was woken",
    trap="two wait, and the one that is woken is cancelled",
    also="consumer_groups.14",
)
class WakesOneWhoWakesTheNext(SegmentMember):
    """Of a group the first that waits is woken, and wakes the next; not if it was cancelled meanwhile."""

    async def wait(self, seconds: float) -> None:
        lines: dict[tuple[str, ...], list[asyncio.Future[None]]] = self.books.__dict__.setdefault("lines", {})
        line = lines.setdefault((self.driver.space, self.stream, self.group), [])
        bell = asyncio.get_running_loop().create_future()
        line.append(bell)
        lead = asyncio.get_running_loop().create_future()
        lead.add_done_callback(lambda _: self.wake(line))
        self.books.bells.add(lead)
        try:
            await asyncio.wait([bell], timeout=seconds)
        finally:
            line.remove(bell)
            self.books.bells.discard(lead)
        if bell.done():
            self.wake(line)

    def wake(self, line: list[asyncio.Future[None]]) -> None:
        if line and not any(bell.done() for bell in line):
            line[0].set_result(None)


@_mutant("replay.11", "half in the log", trap="a move over what was given back, then a kill")
class ForgetsToForget(FileBooks):
    redoing = False

    def redo(self, step: tuple[str, ...]) -> None:
        self.redoing = True
        super().redo(step)
        self.redoing = False

    def on_move(self, shelf: Shelf, group: str, at: list[int]) -> None:
        jobs = dict(shelf.groups[group].jobs)
        super().on_move(shelf, group, at)
        if self.redoing:
            shelf.groups[group].jobs = jobs


@_mutant(
    "consumer_groups.7",
    "a limit before a condition",
    trap="what was given back behind what is delayed, and one asked for",
    also="replay.1 partitioning.10 consumer_groups.5",
)
class LooksAtTheFirstOnly(SegmentMember):
    """Of what is to come again the first so many are looked at, due or not."""

    def wanted(self, most: int) -> list[tuple[_Place, Record]]:
        waiting = sorted(place for place, job in self.crowd.jobs.items() if not job.member)
        passed_over = set(waiting[most:])
        return [(place, record) for place, record in super().wanted(most + len(waiting)) if place not in passed_over][:most]


@_mutant(
    "consumer_groups.5",
    "a limit before a condition",
    trap="what was given back behind eleven that others hold",
    also="consumer_groups.7 consumer_groups.4",
)
class LooksAtTenBesides(SegmentMember):
    """Of what is not acked the first ten more than are asked for are looked at, held or not."""

    def wanted(self, most: int) -> list[tuple[_Place, Record]]:
        passed_over = set(sorted(self.crowd.jobs)[most + 10 :])
        return [(p, record) for p, record in super().wanted(most + len(passed_over)) if p not in passed_over][:most]


@_mutant(
    "partitioning.10", "a partition waits for its first", trap="a delay in one of several partitions", also="consumer_groups.7"
)
class DelaysThePartition(SegmentMember):
    def wanted(self, most: int) -> list[tuple[_Place, Record]]:
        if len(self.shelf.lanes) == 1:
            return super().wanted(most)
        now = self.books.clock.now_s()
        late = {part for (part, _), job in self.crowd.jobs.items() if job.due > now}
        return [(place, record) for place, record in super().wanted(10**9) if place[0] not in late][:most]


@_mutant(
    "partitioning.10", "found by offset", trap="one offset of two partitions is held, one of them nacked", also="consumer_groups.4"
)
class NacksByOffset(FileBooks):
    def on_back(self, shelf: Shelf, group: str, places: list[_Place], due: float) -> None:
        offsets = {offset for _, offset in places}
        super().on_back(shelf, group, [place for place in shelf.groups[group].jobs if place[1] in offsets], due)


@_mutant("consumer_groups.14", "by label", trap="a member is left while it waits, another of its label stays")
class LivesOnInItsLabel(SegmentMember):
    label: str | None = None

    def check_here(self) -> None:
        if self.label is None and not self.left:
            self.label = self.crowd.members.get(self.number)
        if self.left and self.label not in self.crowd.members.values():
            super().check_here()


@_mutant("consumer_groups.14", "nothing to do, nothing to check", trap="an ack or a nack of nothing by a member that was left")
class ChecksNothingForNothing(SegmentMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        if deliveries:
            await super().ack(*deliveries)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        check_seconds(delay_s, "nack", MAKER)
        if deliveries:
            await super().nack(*deliveries, delay_s=delay_s)


@_mutant("consumer_groups.7", "nothing to do, nothing to check", trap="a nack of nothing, with a delay that is no number")
class ChecksNoDelayOfNothing(SegmentMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.check_here()
        if deliveries:
            await super().nack(*deliveries, delay_s=delay_s)


@_mutant("consumer_groups.5", "counted at the nack", trap="one delivery twice in one nack")
class CountsNacks(SegmentMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        held, _ = self.mine(deliveries)
        await super().nack(*deliveries, delay_s=delay_s)
        for place in held:
            given = sum((d.record.partition, d.record.offset) == place for d in deliveries)
            job = self.crowd.jobs[place]
            self.crowd.jobs[place] = Job(job.count + given - 1, due=job.due)


@_mutant("consumer_groups.6", "ends at a repeat", trap="an ack of three, the second of which is the first again")
class EndsAtARepeat(SegmentMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        tokens = [getattr(delivery, "token", None) for delivery in deliveries]
        repeat = next((number for number, token in enumerate(tokens) if token in tokens[:number]), len(tokens))
        await super().ack(*deliveries[:repeat])


@_mutant("consumer_groups.10", "31 bits of milliseconds", trap="a timeout of 25 days", also="consumer_groups.14")
class WaitsInMilliseconds(SegmentMember):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if 0 < timeout_s < 1e300:
            timeout_s = (-int(-timeout_s * 1000 // 1) & 0x7FFFFFFF) / 1000
        return await super().receive(max_records, timeout_s)


@_mutant("consumer_groups.7", "a maximum", trap="a delay of more than a day")
class DelaysADayAtMost(SegmentMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=min(check_seconds(delay_s, "nack", MAKER), 86_400))


@_mutant(
    "consumer_groups.11",
    "before the context is entered",
    trap="a join that is cancelled at its entry",
    also="consumer_groups.14 replay.4",
)
class JoinsBeforeItIsEntered(SegmentStreams):
    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[SegmentMember]:
        for name in (stream, group, consumer):
            check_name(name, "join", MAKER)
        crowd = self.crowd(stream, group)
        member = self.member_type(self, stream, group, self.books.number())
        crowd.members[member.number] = consumer
        await asyncio.sleep(0)
        try:
            yield member
        finally:
            member.leave()


class _LeftByItsDriver(SegmentMember):
    def leave(self) -> None:
        """Nothing: the driver sees to it."""


@_mutant(
    "consumer_groups.5",
    "what it held when it began to leave",
    trap="a member leaves as a record comes to its receive",
    also="consumer_groups.14",
)
class LeavesInTwoSteps(SegmentStreams):
    """What a member holds is looked up in a step, and given back in another, when it has left."""

    member_type = _LeftByItsDriver

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[SegmentMember]:
        async with super().join(stream, group, consumer) as member:
            try:
                yield member
            finally:
                held = [place for place, job in member.crowd.jobs.items() if job.member == member.number]
                await asyncio.sleep(0)
                member.left = True
                member.crowd.members.pop(member.number, None)
                if still := [place for place in held if place in member.crowd.jobs]:
                    member.step("back", still, 0.0)
                self.books.ring()
