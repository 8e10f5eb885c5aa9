"""Wrong shelves: what a durable subscription over a ledger holds, gives back and remembers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, Deliveries, Delivery, Start
from prism_testkit.naming import check_name, check_seconds
from tests.zoo.declare import Mutant

from .independent_ledger import Hand, LedgerPubSub, Lot, Shelf
from .independent_lines import Line
from .independent_parts import declaring_independent

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


@_mutant("persistent.9", "wrong minimum", trap="a longer delay on the message before", also="persistent.8 ordering.6")
class WaitsForTheFirstDelay(Shelf):
    """A receive wakes for the delay of the first message that has one, not for the shortest."""

    def next_due(self, now: float) -> float | None:
        return next((lot.due for lot in self.lots.values() if lot.holder is None and lot.due > now), None)


@_mutant("persistent.9", "lost wake-up", trap="another member waits while one nacks with a delay", also="persistent.8 persistent.4")
class NacksWithADelayQuietly(Hand):
    """A delayed nack wakes nobody: who waits already does not know when it ends."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        if delay_s <= 0:
            await super().nack(*deliveries, delay_s=delay_s)
            return
        ring, self.shelf.ledger.ring = self.shelf.ledger.ring, lambda: None  # type: ignore[method-assign]
        try:
            await super().nack(*deliveries, delay_s=delay_s)
        finally:
            self.shelf.ledger.ring = ring  # type: ignore[method-assign]


@_mutant(
    "persistent.7",
    "lost wake-up",
    trap="another member waits while one leaves what it holds",
    also="persistent.9 persistent.4 ordering.4",
)
class LeavesItsLotsQuietly(Hand):
    """What a member held is free when it leaves, but who waits already is not told."""

    def leave(self) -> None:
        self.left = True
        self.shelf.ledger.ring()
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_later(0.01, self.shelf.put_back, self))


@_mutant("persistent.8", "only the first", trap="several messages in one nack", also="ordering.4")
class DelaysTheFirstOfANack(Hand):
    """One delay for one call: the rest of what it gives back is free at once."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries[:1], delay_s=delay_s)
        await super().nack(*deliveries[1:])


@_mutant("persistent.8", "too wide", trap="another member leaves while a delay lasts")
class LeavingEndsAllDelays(Shelf):
    """Who leaves ends the delays of those who stay."""

    def put_back(self, hand: Hand) -> None:
        super().put_back(hand)
        for lot in self.lots.values():
            lot.due = 0.0


@_mutant("persistent.8", "32 bits", trap="a delay of over 24 days", also="ordering.4")
class DelaysInMillisecondsOf32Bits(Hand):
    """A delay over 2**31 ms is over at once."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        delay = check_seconds(delay_s, "nack", "zoo")
        await super().nack(
            *deliveries, delay_s=(int(max(0.0, delay) * 1000 + 2**31) % 2**32 - 2**31) / 1000 if delay < 1e12 else delay
        )


@_mutant("persistent.4", "state reset", trap="its member leaves between two deliveries", also="persistent.7")
class CountsAgainAfterLeaving(Shelf):
    """What a member leaves behind counts from 1 again."""

    def put_back(self, hand: Hand) -> None:
        for lot in self.lots.values():
            if lot.holder is hand:
                lot.holder, lot.count = None, 0


@_mutant("persistent.4", "counted twice", trap="its member leaves between two deliveries")
class CountsALeavingToo(Shelf):
    """Leaving a message counts like a delivery."""

    def put_back(self, hand: Hand) -> None:
        for lot in self.lots.values():
            if lot.holder is hand:
                lot.count += 1
        super().put_back(hand)


@_mutant("persistent.6", "state in the message", trap="a second subscription receives it too", also="persistent.4")
class CountsWithTheMessage(Shelf):
    """The count of deliveries is the message's, over all subscriptions."""

    def take(self, hand: Hand, most: int, now: float) -> list[Delivery]:
        counts = self.ledger.__dict__.setdefault("counts", {})
        self.read()
        for lot in self.lots.values():
            lot.count = max(lot.count, counts.get(lot.line.place, 0)) if lot.holder is None else lot.count
        taken = super().take(hand, most, now)
        for delivery in taken:
            counts[int(delivery.message.id, 16)] = delivery.delivery_count
        return taken


@_mutant("persistent.6", "token too short", trap="a delivery of one subscription is acked on another", also="persistent.15")
class TokensWithoutTheShelf(Shelf):
    """A delivery of one subscription confirms the same message in another."""

    def token(self, lot: Lot) -> str:
        return f"{lot.line.place}/{lot.count}"


@_mutant("persistent.15", "token too short", trap="an old delivery is acked while a new one is held", also="ordering.9")
class TokensWithoutTheCount(Shelf):
    """An old delivery of a member confirms what it holds by a new one."""

    def token(self, lot: Lot) -> str:
        return f"{self.number}/{lot.line.place}"


@_mutant("persistent.15", "missing check", trap="ack of what another member holds", also="ordering.9")
class AnyHandMayAck(Shelf):
    """Who knows the token may confirm, be it another member's."""

    def held(self, delivery: Delivery, hand: Hand) -> Lot | None:
        lot = self.lots.get(int(delivery.message.id, 16))
        return lot if lot is not None and lot.holder is not None and self.token(lot) == delivery.token else None


@_mutant("persistent.15", "missing check", trap="a second nack while the first one's delay lasts", also="persistent.8 ordering.9")
class NacksAgainWhatIsFree(Hand):
    """A nack of what was given back already sets its delay anew."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        due = self.clock.now_s() + max(0.0, delay_s)
        for delivery in deliveries:
            lot = self.shelf.lots.get(int(delivery.message.id, 16))
            if lot is not None and lot.holder is None and lot.count == delivery.delivery_count:
                lot.due = due


@_mutant(
    "persistent.8",
    "timer cancelled",
    trap="the member that nacked with a delay leaves",
    also="persistent.4 persistent.7 ordering.4",
)
class TimersEndWithTheMember(Hand):
    """A delay is a timer of the member, cancelled when it leaves: the message is never free again."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        lots = [self.shelf.held(d, self) for d in deliveries if isinstance(d, Delivery)]
        await super().nack(*deliveries, delay_s=delay_s)
        if delay_s > 0:
            self.delayed = [*getattr(self, "delayed", []), *(lot for lot in lots if lot is not None)]

    def leave(self) -> None:
        for lot in getattr(self, "delayed", []):
            if lot.holder is None and lot.due > self.clock.now_s():
                lot.due = float("inf")
        super().leave()

    def until(self, now: float, end: float) -> float:
        return min(super().until(now, end), end)


@_mutant("persistent.9", "too strict", trap="two members, and only the one that nacked asks", also="persistent.4 persistent.7")
class NackedIsForTheOthers(Shelf):
    """Who gave a message back does not get it again while there is another member."""

    def free(self, now: float) -> list[Lot]:
        return [lot for lot in super().free(now) if lot.line.place not in self.shunned]

    def take(self, hand: Hand, most: int, now: float) -> list[Delivery]:
        members = self.__dict__.setdefault("members", {})
        if not hand.left:
            members[id(hand)] = hand
        others = [h for h in members.values() if h is not hand and not h.left]
        mine = hand.__dict__.setdefault("mine", set())
        self.shunned = mine if others else set()
        taken = super().take(hand, most, now)
        mine.update(int(d.message.id, 16) for d in taken)
        return taken

    shunned: frozenset[int] | set[int] = frozenset()


@_mutant("persistent.1", "cleaned up", trap="left with nothing to do, published to, and opened again", also="persistent.13")
class RemovesIdleShelves(Hand):
    """A subscription that was left with everything confirmed is removed."""

    def leave(self) -> None:
        super().leave()
        self.shelf.read()
        shelves = self.shelf.ledger.shelves
        for name in [name for name, shelf in shelves.items() if shelf is self.shelf and not shelf.lots]:
            del shelves[name]


@_mutant("persistent.1", "expiry", trap="nobody there for over a day", also="persistent.13")
class ForgetsAfterADay(LedgerPubSub):
    """A subscription that nobody entered for a day begins anew."""

    def shelf(self, topic: str, name: str, start: Start) -> Shelf:
        entered = self.ledger.__dict__.setdefault("entered", {})
        now = self.clock.now_s()
        if now - entered.get((topic, name), now) > 86_400:
            self.ledger.shelves.pop((topic, name), None)
        entered[topic, name] = now
        return super().shelf(topic, name, start)


@_mutant("persistent.1", "retention", trap="a message is over a week old", also="persistent.13")
class KeepsAMessageForAWeek(LedgerPubSub):
    """Begun with "earliest", a subscription gets what is not older than a week."""

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        number = await super().write(call, topic, payload, headers, kept=kept, key=key)
        self.ledger.__dict__.setdefault("written", {})[int(number, 16)] = self.clock.now_s()
        return number

    def shelf(self, topic: str, name: str, start: Start) -> Shelf:
        old = (topic, name) in self.ledger.shelves
        shelf = super().shelf(topic, name, start)
        if not old and start == "earliest":
            written = self.ledger.__dict__.setdefault("written", {})
            for place in range(len(self.ledger.lines)):
                if self.clock.now_s() - written.get(place, 0.0) <= 7 * 86_400:
                    break
                shelf.place = place + 1
        return shelf


@_mutant(
    "persistent.1",
    "garbage collection",
    trap='all subscriptions have confirmed before one begins with "earliest"',
    also="persistent.6",
)
class CollectsWhatAllConfirmed(Hand):
    """A message that every subscription confirmed is gone, for those that begin later too."""

    def confirm(self, lot: Lot) -> None:
        super().confirm(lot)
        shelves = [s for s in self.shelf.ledger.shelves.values() if s.topic == self.shelf.topic]
        for shelf in shelves:
            shelf.read()
        if not any(lot.line.place in shelf.lots for shelf in shelves):
            lines = self.shelf.ledger.lines
            old = lines[lot.line.place]
            lines[lot.line.place] = Line(old.place, "", b"", (), True)


@_mutant("persistent.1", "effect before the check", trap="a start that is refused, then a right one", also="persistent.11")
class MakesTheShelfBeforeItChecks(LedgerPubSub):
    """A start that is refused leaves a subscription behind."""

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        check_name(topic, "subscribe_durable", "zoo")
        check_name(name, "subscribe_durable", "zoo")
        self.shelf(topic, name, "new" if start != "earliest" else start)
        async with super().subscribe_durable(topic, name, start) as hand:
            yield hand


@_mutant("persistent.4", "no finally", trap="left by an exception", also="persistent.7 persistent.15 ordering.4")
class HoldsOnWhenTheBodyRaises(LedgerPubSub):
    """A member that is left by an exception holds what it held."""

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        check_name(topic, "subscribe_durable", "zoo")
        check_name(name, "subscribe_durable", "zoo")
        if start not in ("new", "earliest"):
            raise ValueError(f"zoo: subscribe_durable: start={start!r}")
        hand = self.hand_type(self.shelf(topic, name, start), self.clock)
        yield hand
        hand.leave()


@_mutant("persistent.5", "cap on number", trap="more than 100 confirmed by one call", also="persistent.4")
class AcksAHundredAtOnce(Hand):
    """One call confirms 100 messages; the rest are taken for sent."""

    async def ack(self, *deliveries: Delivery) -> None:
        await super().ack(*deliveries[:100])


@_mutant(
    "persistent.12",
    "shared by reference",
    trap="what was received is changed, then given back",
    also="persistent.2 persistent.6 basic.7",
)
class SharesHeaders(Shelf):
    """Every delivery of a message has the same dict of headers."""

    def take(self, hand: Hand, most: int, now: float) -> list[Delivery]:
        shared = self.ledger.__dict__.setdefault("shared", {})
        taken = super().take(hand, most, now)
        for delivery in taken:
            object.__setattr__(delivery.message, "headers", shared.setdefault(delivery.message.id, delivery.message.headers))
        return taken
