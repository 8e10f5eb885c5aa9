"""Mutants of `StreamConsumerGroups` whose members lose, miscount or ack wrongly."""

from dataclasses import replace

from prism_testkit.interfaces import Conflict, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Acked, Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _g(*numbers: int) -> str:
    return " ".join(f"consumer_groups.{number}" for number in numbers)


# 5: what comes again


@mutant("consumer_groups.5", "lost", trap="a member leaves with what it holds", also=_g(1, 11, 14))
class LeavingLosesWhatIsHeld(Member):
    def leave(self) -> None:
        for offset, held in list(self.state().pending.items()):
            if self.holds(held):
                self.put(offset, Acked())
        super().leave()


@mutant("consumer_groups.5", "missing step", trap="a member leaves with what it holds", also=_g(1, 14))
class LeavingKeepsWhatIsHeld(Member):
    """It stays with a member that is not there any more."""

    def leave(self) -> None:
        self.left = True
        self.driver.apply(Change(self.stream, self.group, leave=self.id))


@mutant("consumer_groups.5", "boundary", trap="a member leaves with several records", also=_g(1, 11, 14))
class LeavingGivesBackTheFirstOnly(Member):
    def leave(self) -> None:
        mine = sorted(offset for offset, held in self.state().pending.items() if self.holds(held))
        for offset in mine[1:]:
            self.put(offset, Acked())
        super().leave()


@mutant("consumer_groups.5", "wrong condition", trap="a member is left by an exception", also=_g(1, 14))
class LeavingByErrorLoses(Streams):
    """Nothing behind the yield runs when the body raised."""

    def join(self, stream, group, consumer):  # type: ignore[no-untyped-def]
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def joined():  # type: ignore[no-untyped-def]
            name, label = self.name(stream, "join"), self.group_name(group, "join")
            member = self.member_type(self, name, label, self.consumer_name(consumer, "join"))
            member.enter()
            yield member
            member.leave()

        return joined()


@mutant("consumer_groups.5", "position moved", trap="a member dies or leaves; the group had committed at receive", also=_g(1, 11))
class NackMovesOn(Member):
    """A nack confirms."""

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        self.confirm(delivery)


@mutant("consumer_groups.5", "committed at receive", trap="a record that is given back, or whose member leaves", also=_g(1, 11, 14))
class CommitsAtReceive(Member):
    """At most once."""

    def one(self, offset: int) -> RecordDelivery:
        delivery = super().one(offset)
        self.put(offset, Acked())
        return delivery


@mutant("consumer_groups.5", "wrong count", trap="a record comes again")
class CountStaysOne(Member):
    def counted(self, held: Held | None) -> int:
        return 1


@mutant("consumer_groups.5", "wrong count", trap="a record comes again")
class CountsTwice(Member):
    def counted(self, held: Held | None) -> int:
        return 1 if held is None else held.count + 2


@mutant("consumer_groups.5", "wrong count", trap="the first delivery")
class CountsFromZero(Member):
    def counted(self, held: Held | None) -> int:
        return super().counted(held) - 1 if held is None else super().counted(held)


@mutant("consumer_groups.5", "wrong count", trap="a record comes again to another member")
class CountIsOfTheMember(Member):
    """Each member counts for itself."""

    def counted(self, held: Held | None) -> int:
        return 1 if held is None or held.member != self.id else held.count + 1


@mutant("consumer_groups.5", "wrong count", trap="a record whose member left")
class LeavingForgetsTheCount(Member):
    def leave(self) -> None:
        for offset, held in list(self.state().pending.items()):
            if self.holds(held):
                self.put(offset, replace(held, count=0))
        super().leave()


@mutant("consumer_groups.5", "cap", trap="a record that comes again many times", also=_g(1, 6))
class GivesUpAfterFive(Member):
    """A poison record is dropped, silently."""

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        if held.count >= 5:
            self.confirm(delivery)
        else:
            super().give_back(delivery, held, delay_s)


# 6: acks


@mutant("consumer_groups.6", "over-reach", trap="an ack of a later record before an earlier one", also=_g(5, 1, 11))
class AckConfirmsAllBefore(Member):
    """A position, as in a log with one committed offset a group."""

    def confirm(self, delivery: RecordDelivery) -> None:
        for offset in [o for o, held in self.state().pending.items() if o <= delivery.record.offset and self.holds(held)]:
            self.put(offset, Acked())


@mutant("consumer_groups.6", "over-reach", trap="an ack of one of several", also=_g(5, 1, 11))
class AckConfirmsAllHeld(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        for offset in [o for o, held in self.state().pending.items() if self.holds(held)]:
            self.put(offset, Acked())


@mutant("consumer_groups.6", "boundary", trap="an ack of several at once", also=_g(1, 5, 11))
class AckConfirmsTheFirstOnly(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries[:1])


@mutant("consumer_groups.6", "missing step", trap="an acked record, then its member leaves", also=_g(11, 5))
class AckIsForgottenAtLeaving(Member):
    """Acks are kept in the member until the next receive."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.later: list[RecordDelivery] = []

    def confirm(self, delivery: RecordDelivery) -> None:
        self.later.append(delivery)

    def take(self, most: int) -> list[RecordDelivery]:
        for delivery in self.later:
            super().confirm(delivery)
        self.later.clear()
        return super().take(most)


@mutant("consumer_groups.6", "wrong error", trap="a repeated ack")
class SecondAckIsAConflict(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.check_open("ack")
        if any(self.held(delivery) is None for delivery in deliveries):
            raise Conflict("zoo: ack: not held")
        await super().ack(*deliveries)


@mutant("consumer_groups.6", "position moved", trap="records acked out of order, then the member leaves", also=_g(5, 1, 11, 4))
class LeavingGoesBackToTheGap(Member):
    """The position is put back to the lowest record that is not acked, and all after it come again."""

    def leave(self) -> None:
        mine = [offset for offset, held in self.state().pending.items() if self.holds(held)]
        super().leave()
        if mine:
            self.driver.apply(Change(self.stream, self.group, position=min(mine)))
            for offset in mine:
                self.put(offset, Acked())


@mutant("consumer_groups.6", "late effect", trap="a nack after an ack of the same delivery", also=_g(5, 11))
class NackAfterAckBringsBack(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        for delivery in deliveries:
            if delivery.record.offset not in self.state().pending and self.driver.stream(self.stream).find(delivery.record.offset):
                self.put(delivery.record.offset, Held(delivery.delivery_count))


@mutant("consumer_groups.6", "late effect", trap="an ack after a nack of the same delivery", also=_g(5, 11, 8, 1))
class AckAfterNackConfirms(Member):
    """The ack looks at the offset alone."""

    def held(self, delivery: RecordDelivery) -> Held | None:
        found = self.state().pending.get(delivery.record.offset)
        return found if found is not None and found.member in (0, self.id) else None
