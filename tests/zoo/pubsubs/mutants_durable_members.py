"""Mutants of `PubSubPersistent`: members and delays (7 and 8)."""

import math
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub, step
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_UNKNOWN = Mark()

# persistent.7: members share


@mutant("persistent.7", "scope", trap="two members", also="persistent.15 persistent.5")
class TwoMembersGetBoth(Member):
    """Each hides what it holds itself."""

    def holder(self, identifier: str) -> tuple[Any, str] | None:
        found = super().holder(identifier)
        return found if found is not None and found[0] is self else None


@mutant("persistent.7", "scope", trap="members of two clients", also="persistent.15")
class ClientsDoNotSeeHolds(Member):
    """What is held is in the memory of a client."""

    def available(self, row: Row) -> bool:
        holder = self.holder(row.message.id)
        if holder is not None and holder[0].driver is not self.driver:
            self.drop(row.message.id)
        return super().available(row)


@mutant("persistent.7", "race", trap="two members that wait for one message", also="persistent.15")
class LooksThenTakes(Member):
    """A step between the look and the take."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        amount, timeout = self.driver.amount(max_messages), self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            rows = self.next_ones(amount)
            if rows:
                await step()
                return self.deliver(rows)
            if timeout <= 0 or self.driver.over(end):
                return []
            await self.driver.pause(end, *self.instants())


@mutant("persistent.7", "over-reach", trap="one of two members is left while the other holds something", also="persistent.15")
class LeavingReleasesAll(Member):
    def held(self) -> list[str]:
        prefix = self.driver.namespace, self.topic, self.name
        return [slot[3] for slot in self.driver.store.holds if slot[:3] == prefix]


@mutant("persistent.7", "over-reach", trap="one of two members is left", also="persistent.15")
class LeavingClosesTheSubscription(PubSub):
    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        self.members(member).append(member)

    async def part(self, member: Member) -> None:
        for other in self.members(member):
            other.left = True
        await super().part(member)

    def members(self, member: Member) -> list[Member]:
        found: list[Member] = self.store.notes.setdefault((self.namespace, member.topic, member.name), [])
        return found


@mutant("persistent.7", "replacement", trap="a second member", also="persistent.15")
class SecondMemberEvictsTheFirst(PubSub):
    """One active consumer: who comes last has it."""

    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        known = self.store.notes.get((self.namespace, member.topic, member.name))
        if known is not None and not known.left:
            known.leave()
        self.store.notes[self.namespace, member.topic, member.name] = member


class _FirstComerReservesAllMember(Member):
    def available(self, row: Row) -> bool:
        members = self.driver.store.notes[self.driver.namespace, self.topic, self.name]
        return super().available(row) and (members[0] is self or row.place % 2 == 0)


@mutant("persistent.7", "prefetch", trap="a member that holds nothing and stays, beside another", also="persistent.9 persistent.1")
class FirstComerReservesAll(PubSub):
    """Whoever joined first gets everything as long as it is there, received or not."""

    member_type = _FirstComerReservesAllMember

    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        self.members(member).append(member)

    async def part(self, member: Member) -> None:
        self.members(member).remove(member)
        await super().part(member)

    def members(self, member: Member) -> list[Member]:
        found: list[Member] = self.store.notes.setdefault((self.namespace, member.topic, member.name), [])
        return found


@mutant("persistent.7", "late", trap="a member that waits while another is left", also="persistent.4 persistent.9")
class ReleasedMessagesWakeNobody(Member):
    """What leaving gives back is seen by the next receive, not by one that waits."""

    def leave(self) -> None:
        waiting = self.driver.store.waiting
        self.driver.store.waiting = set()
        super().leave()
        self.driver.store.waiting = waiting


class _TwoMembersAtMostMember(Member):
    def available(self, row: Row) -> bool:
        known = self.driver.store.notes[self.driver.namespace, self.topic, self.name]
        active = [member for member in known if not member.left][:2]
        return super().available(row) and self in active


@mutant("persistent.7", "limit", trap="a third member", also="persistent.9")
class TwoMembersAtMost(PubSub):
    """More of them join, and get nothing."""

    member_type = _TwoMembersAtMostMember

    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        known = self.store.notes.setdefault((self.namespace, member.topic, member.name), [])
        known.append(member)


# persistent.8: delays


@mutant("persistent.8", "ignored argument", trap="a nack with a delay")
class DelayIsIgnored(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, 0)


@mutant("persistent.8", "unit", trap="a nack with a delay")
class DelaysAreMilliseconds(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s / 1000)


@mutant("persistent.8", "rounding", trap="a delay that is not a whole second")
class WholeSecondsOfDelay(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, float(math.floor(delay_s)))


@mutant("persistent.8", "limit", trap="a delay above ten minutes")
class DelaysEndAfterTenMinutes(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, min(600.0, delay_s))


@mutant("persistent.8", "early", trap="just before the end of a delay")
class DelaysEndEarly(Member):
    """Backs off by nine tenths."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s * 0.9)


@mutant("persistent.8", "blocking", trap="others behind one that is delayed", also="persistent.9")
class DelayedBlocksOthers(Member):
    """Head of line."""

    def next_ones(self, amount: int) -> list[Row]:
        found = []
        for row in self.driver.rows(self.topic):
            if self.available(row):
                found.append(row)
            elif self.inside(row) and not self.driver.over(self.mark(row.message.id).due):
                break
        return found[:amount]


@mutant("persistent.8", "blocking", trap="a nack with a delay")
class NackSleeps(Member):
    """The call waits the delay, holding the subscription's lock: nobody receives."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        delay = self.driver.delay(delay_s, "nack")
        identifiers = self.checked(deliveries, "nack")
        notes = self.driver.store.notes
        notes["busy", self.driver.namespace, self.topic, self.name] = True
        try:
            await self.driver.store.clock.sleep(max(0.0, delay) + 1e-6)
        finally:
            notes.pop(("busy", self.driver.namespace, self.topic, self.name), None)
        self.give_back(identifiers, 0)

    def available(self, row: Row) -> bool:
        busy = ("busy", self.driver.namespace, self.topic, self.name) in self.driver.store.notes
        return super().available(row) and not busy


@mutant("persistent.8", "over-reach", trap="a nack with a delay beside others")
class DelayIsOfTheSubscription(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        if delay_s > 0 and identifiers:
            self.driver.store.notes["until", self.driver.namespace, self.topic, self.name] = self.driver.after(delay_s)

    def available(self, row: Row) -> bool:
        until = self.driver.store.notes.get(("until", self.driver.namespace, self.topic, self.name), 0.0)
        return super().available(row) and self.driver.over(until)


@mutant("persistent.8", "partial effect", trap="a nack of two with a delay")
class DelaysTheFirst(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers[:1], delay_s)
        super().give_back(identifiers[1:], 0)


@mutant("persistent.8", "late", trap="a receive that waits for the end of a delay", also="persistent.4 persistent.9")
class EndsOfDelaysWakeNobody(Member):
    """Seen by the next receive only."""

    def instants(self) -> list[float]:
        return []

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        amount, timeout = self.driver.amount(max_messages), self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            rows = self.next_ones(amount)
            if rows:
                return self.deliver(rows)
            if timeout <= 0 or self.driver.over(end):
                return []
            await self.driver.pause(end)
            if self.driver.over(end):
                return []


@mutant("persistent.8", "missing check", trap="a delay that is NaN or infinite")
class TakesAnyDelay(PubSub):
    def delay(self, delay_s: float, operation: str) -> float:
        return delay_s if delay_s == delay_s else 0.0


@mutant("persistent.8", "wrong error", trap="a negative delay")
class NegativeDelaysRaise(PubSub):
    def delay(self, delay_s: float, operation: str) -> float:
        if delay_s < 0:
            raise ValueError(f"zoo: {operation}: {delay_s} s")
        return super().delay(delay_s, operation)


@mutant("persistent.8", "over-reach", trap="a delay, and another member joins or leaves")
class LeavingEndsDelays(Member):
    """Leaving makes all that is unacked available, of other members too."""

    def leave(self) -> None:
        super().leave()
        marks = self.driver.space().marks.get((self.topic, self.name), {})
        self.set_marks({identifier: replace(mark, due=0.0) for identifier, mark in marks.items()})
