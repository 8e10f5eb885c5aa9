"""Mutants of `PubSubPersistent`: what comes again, and acks (4 and 5)."""

from dataclasses import replace

from prism_testkit.interfaces import Delivery, NotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# persistent.4: what is not acked comes again


@mutant("persistent.4", "missing step", trap="a nack", also="persistent.8 persistent.9")
class NackIsAck(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        if self.left:
            super().give_back(identifiers, delay_s)
        else:
            self.confirm(identifiers)


@mutant("persistent.4", "missing step", trap="a nack, and its member stays", also="persistent.8 persistent.9")
class NackedComesAfterLeaving(Member):
    """A nack releases nothing before the session ends."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        if self.left:
            super().give_back(identifiers, delay_s)


@mutant("persistent.4", "missing step", trap="leaving with something held", also="persistent.7 persistent.1")
class LeavingLosesWhatIsHeld(PubSub):
    """It stays held by one that is gone."""

    async def part(self, member: Member) -> None:
        member.left = True
        self.wake()


@mutant("persistent.4", "partial effect", trap="leaving with two held", also="persistent.7 persistent.1")
class LeavingReturnsOne(Member):
    def held(self) -> list[str]:
        return super().held()[-1:]


@mutant("persistent.4", "auto-ack", trap="leaving with something held", also="persistent.7 persistent.1")
class LeavingAcks(PubSub):
    """A clean end confirms what was read, as auto-commit does."""

    async def part(self, member: Member) -> None:
        member.confirm(member.held())
        await super().part(member)


@mutant(
    "persistent.4", "position", trap="opened again with something unacked before something acked", also="persistent.1 persistent.7"
)
class ReopenedBehindTheLastAck(PubSub):
    """The position is the highest ack."""

    async def part(self, member: Member) -> None:
        await super().part(member)
        marks = self.space().marks.get((member.topic, member.name), {})
        acked = [row.place for row in self.rows(member.topic) if row.message.id in marks and marks[row.message.id].acked]
        place = max([member.start().place, *acked])
        self.space().starts[member.topic, member.name] = replace(member.start(), place=place)


@mutant("persistent.4", "partial effect", trap="a nack of two", also="persistent.7 persistent.8")
class NacksTheFirst(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers if self.left else identifiers[:1], delay_s)


@mutant("persistent.4", "count", trap="the count of a message that comes again")
class CountStaysOne(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        return super().delivery(row, 1, token)


@mutant("persistent.4", "count", trap="the count after leaving")
class LeavingForgetsCounts(Member):
    def leave(self) -> None:
        held = self.held()
        super().leave()
        self.set_marks({identifier: replace(self.mark(identifier), count=0) for identifier in held})


@mutant("persistent.4", "count", trap="the third delivery")
class CountIsAFlag(Member):
    """Redelivered or not."""

    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        return super().delivery(row, min(2, count), token)


@mutant("persistent.4", "count", trap="the count of a second message", also="persistent.2")
class CountsOfTheSubscription(Member):
    """Exact, it says, and counts the deliveries of all."""

    total = 0

    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        self.total += 1
        return super().delivery(row, self.total, token)


@mutant("persistent.4", "count", trap="the count after a nack with a delay")
class DelaysCountTwice(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        if delay_s > 0:
            self.set_marks({i: self.counted(self.mark(i)) for i in identifiers})


@mutant("persistent.4", "limit", trap="the fourth delivery", also="persistent.8")
class ThreeDeliveriesAreEnough(Member):
    """A dead-letter policy nobody asked for."""

    def available(self, row: Row) -> bool:
        return super().available(row) and self.mark(row.message.id).count < 3


@mutant("persistent.4", "limit", trap="the sixth delivery", also="persistent.8")
class FiveDeliveriesAreEnough(Member):
    def available(self, row: Row) -> bool:
        return super().available(row) and self.mark(row.message.id).count < 5


# persistent.5: acks


@mutant("persistent.5", "missing step", trap="an ack, then leaving", also="persistent.4 persistent.1")
class AcksAreOfTheMember(Member):
    """A member remembers what it confirmed, and nobody else does."""

    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.done: set[str] = set()

    def confirm(self, identifiers: list[str]) -> None:
        self.done.update(identifiers)
        for identifier in identifiers:
            self.drop(identifier)

    def available(self, row: Row) -> bool:
        return super().available(row) and row.message.id not in self.done


@mutant("persistent.5", "partial effect", trap="an ack of two", also="persistent.4")
class AcksTheFirst(Member):
    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers[:1])


@mutant("persistent.5", "cumulative", trap="an ack of the second of two", also="persistent.4")
class AcksUpTo(Member):
    """All that was received before is confirmed as well."""

    def confirm(self, identifiers: list[str]) -> None:
        held = self.held()
        last = max((held.index(identifier) for identifier in identifiers), default=-1)
        super().confirm(held[: last + 1])


@mutant(
    "persistent.5", "cumulative", trap="an ack of the second, the first being nacked with a delay", also="persistent.4 persistent.8"
)
class AcksWhatIsDelayed(Member):
    """A cumulative ack in the log: whatever has a lower place and is not held."""

    def confirm(self, identifiers: list[str]) -> None:
        rows = self.driver.rows(self.topic)
        top = max((row.place for row in rows if row.message.id in identifiers), default=0)
        lower = [
            row.message.id
            for row in rows
            if row.place < top and self.mark(row.message.id).count and not self.holder(row.message.id) and self.inside(row)
        ]
        super().confirm([*identifiers, *lower])


@mutant("persistent.5", "over-reach", trap="an ack of one of a batch", also="persistent.4")
class AcksTheBatch(Member):
    """A batch has one token."""

    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.batches: list[list[str]] = []

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        self.batches.append([row.message.id for row in rows])
        return super().deliver(rows)

    def confirm(self, identifiers: list[str]) -> None:
        held = self.held()
        together = [i for batch in self.batches if set(batch) & set(identifiers) for i in batch if i in held]
        super().confirm(list(dict.fromkeys(together)))


@mutant("persistent.5", "wrong one", trap="an ack of the second of two held", also="persistent.4")
class AcksTheOldest(Member):
    """Acks are counted, not looked at."""

    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(self.held()[: len(identifiers)])


@mutant("persistent.5", "repeat", trap="a second ack of one delivery", also="persistent.4 persistent.15")
class SecondAckTakesTheNext(Member):
    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        found = super().checked(deliveries, operation)
        return found if found or operation == "nack" or not deliveries else self.held()[:1]


@mutant("persistent.5", "wrong error", trap="a second ack of one delivery", also="persistent.15")
class SecondAckRaises(Member):
    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        found = super().checked(deliveries, operation)
        if deliveries and not found:
            raise NotFound(f"zoo: {operation}: no such delivery")
        return found


@mutant("persistent.5", "expiry", trap="an ack an hour ago", also="persistent.1")
class AcksAreForgotten(Member):
    """Markers expire before what they mark."""

    def confirm(self, identifiers: list[str]) -> None:
        for identifier in identifiers:
            self.driver.store.notes[self.hold_slot(identifier)] = self.driver.now() + 3600
        super().confirm(identifiers)

    def mark(self, identifier: str) -> Mark:
        mark = super().mark(identifier)
        until = self.driver.store.notes.get(self.hold_slot(identifier))
        return replace(mark, acked=False) if until is not None and self.driver.over(until) else mark


@mutant("persistent.5", "limit", trap="more than 64 acks out of order", also="persistent.1")
class Remembers64Acks(Member):
    """Acks that are not next in order are kept in a word."""

    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        marks = self.driver.space().marks[self.topic, self.name]
        rows = [row for row in self.driver.rows(self.topic) if self.inside(row)]
        first = next((n for n, row in enumerate(rows) if not self.mark(row.message.id).acked), len(rows))
        for row in rows[first + 64 :]:
            if row.message.id in marks and row.message.id not in identifiers:
                marks[row.message.id] = replace(marks[row.message.id], acked=False)


@mutant("persistent.5", "order of steps", trap="an ack after a nack of another in between", also="persistent.4")
class NackUndoesAcks(Member):
    """A nack rewinds the subscription to its message."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        rows = self.driver.rows(self.topic)
        low = min((row.place for row in rows if row.message.id in identifiers), default=10**9)
        later = {r.message.id: self.mark(r.message.id) for r in rows if r.place > low and self.mark(r.message.id).acked}
        self.set_marks({identifier: replace(mark, acked=False) for identifier, mark in later.items()})
