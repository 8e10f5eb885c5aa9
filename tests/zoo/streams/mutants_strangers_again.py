"""More mutants that nobody who knew the checks would write: bounds, answers that are shared, and acks that are written late."""

from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.interfaces import GroupStart, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Reading, Streams
from .stores import Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _MaxOfEach(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        return self.deliver([*self.again()[:most], *self.fresh(most)])


@mutant("consumer_groups.10", "wrong count", trap="a receive of one while one comes again and one is new", also="consumer_groups.5")
class MaxIsOfEachSort(Streams):
    member_type = _MaxOfEach


@mutant("consumer_groups.1", "boundary", trap="a group that begins beyond the end", also="consumer_groups.11")
class StartBeyondTheEndIsTheEnd(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return min(super().begin(stream, start), self.stream(stream).end)


class _Answers(Member):
    answer: list[RecordDelivery]

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        if not hasattr(self, "answer"):
            self.answer = []
        self.answer[:] = found
        return self.answer


@mutant(
    "consumer_groups.3",
    "shared answer",
    trap="the answer of a receive looked at after the next",
    also="consumer_groups.6 consumer_groups.10",
)
class ReceivesGiveOneList(Streams):
    member_type = _Answers


class _AcksLate(Member):
    late: list[RecordDelivery]

    def confirm(self, delivery: RecordDelivery) -> None:
        self.late = [*getattr(self, "late", []), delivery]

    def take(self, most: int) -> list[RecordDelivery]:
        self.flush()
        return super().take(most)

    def flush(self) -> None:
        for delivery in getattr(self, "late", []):
            super().confirm(delivery)
        self.late = []

    def leave(self) -> None:
        self.flush()
        super().leave()


@mutant("consumer_groups.11", "written late", trap="group_info after the last ack", also="consumer_groups.6")
class AcksAreWrittenAtTheNextReceive(Streams):
    member_type = _AcksLate


@mutant("basic.1", "boundary", trap="a read that begins at the last record before a trim's bound", also="basic.5 basic.7")
class ReadFromTrimmedGivesNothing(Streams):
    """As if it were an error that is swallowed."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        if 0 < start < self.stream(stream).floor:
            return
        async for record in super().walk(stream, start, limit):
            yield record


@mutant("basic.4", "shared state", trap="a read in the middle of another of the same stream", also="basic.1")
class ReadsShareTheirCursor(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        end, given, notes = self.stream(stream).end, 0, self.store.notes
        slot = id(self), stream
        notes[slot] = start
        while given != limit and (record := self.first(stream, notes[slot], end)) is not None:
            notes[slot], given = record.offset + 1, given + 1
            yield record


class _LeavesForAll(Member):
    def leave(self) -> None:
        members = self.state().members
        super().leave()
        for other, label in list(members.items()):
            if label == self.consumer and other != self.id:
                self.driver.apply(Change(self.stream, self.group, leave=other))


@mutant("consumer_groups.11", "aliasing", trap="two members under one label, one of which leaves", also="consumer_groups.4")
class LabelsLeaveTogether(Streams):
    member_type = _LeavesForAll


@mutant(
    "consumer_groups.9",
    "shared state",
    trap="nack with a delay in one group, of a record that another group nacked",
    also="consumer_groups.7 consumer_groups.5",
)
class DelaysAreOfTheRecord(Streams):
    """Not of the record in its group."""


class _DelaysOfRecord(Member):
    def give_back(self, delivery: RecordDelivery, held: object, delay_s: float) -> None:
        if delay_s > 0:
            slot = self.driver.namespace, self.stream, delivery.record.offset
            self.driver.store.notes[slot] = self.driver.after(delay_s)
        super().give_back(delivery, held, delay_s)  # type: ignore[arg-type]

    def again(self) -> list[int]:
        notes = self.driver.store.notes
        return [o for o in super().again() if self.driver.over(notes.get((self.driver.namespace, self.stream, o), 0.0))]

    def instants(self) -> list[float]:
        return [*super().instants(), *(v for k, v in self.driver.store.notes.items() if len(k) == 3 and not self.driver.over(v))]


DelaysAreOfTheRecord.member_type = _DelaysOfRecord


@mutant("basic.10", "aliasing", trap="an equal record appended twice, with other headers", also="basic.2")
class HeadersAreKeptByPayload(Streams):
    def insert(self, stream: str, record: Record) -> int:
        kept = self.store.notes.setdefault((self.namespace, stream, record.payload), record.headers)
        return super().insert(stream, replace(record, headers=kept))


class _NackFirstOnly(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        ordered: Sequence[RecordDelivery] = sorted(deliveries, key=lambda d: d.record.offset)
        for at, delivery in enumerate(ordered):
            await super().nack(delivery, delay_s=delay_s * (at + 1))


@mutant("consumer_groups.7", "wrong unit", trap="nack of several with a delay", also="consumer_groups.5")
class DelaysAddUp(Streams):
    member_type = _NackFirstOnly
