"""A second look at the mistakes of the first, over the ledger: caps, calls that end halfway, texts that collide."""

import asyncio
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prism_testkit.interfaces import Bytes, Delivery, Message, Start
from prism_testkit.naming import check_seconds, check_timeout
from tests.zoo.declare import Mutant

from .independent_ledger import Hand, LedgerPubSub, Lot, Reader, Shelf, matches
from .independent_lines import Library, Line
from .independent_parts import declaring_independent

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


@_mutant("persistent.9", "cap on time", trap="a wait of over two hours")
class WaitsTwoHoursAtMost(Hand):
    """A receive with a longer timeout gives nothing after two hours."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        return await super().receive(max_messages, min(check_timeout(timeout_s, "receive", "zoo"), 7200.0))


@_mutant("persistent.8", "cap on time", trap="a delay of over twelve hours", also="ordering.4")
class DelaysTwelveHoursAtMost(Hand):
    """A longer delay is one of twelve hours."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=min(check_seconds(delay_s, "nack", "zoo"), 43_200.0))


@_mutant("persistent.9", "32 bits", trap="a wait of over 24 days")
class WaitsMillisecondsOf32Bits(Hand):
    """A timeout over 2**31 ms is over at once."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        return await super().receive(max_messages, timeout if timeout < 2**31 / 1000 else 0.0)


@_mutant("basic.9", "dates end", trap="a timeout beyond the year 9999", also="wildcards.9 filtering.10")
class WaitsUntilADate(Reader):
    """The end of a wait is a date, and those end with the year 9999."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        datetime.fromtimestamp(self.clock.now_s(), UTC) + timedelta(seconds=timeout)
        return await super().receive(timeout)


class _SlowToFree(Hand):
    async def ack(self, *deliveries: Delivery) -> None:
        keys = [lot.line.key for d in deliveries if isinstance(d, Delivery) and (lot := self.shelf.held(d, self))]
        taken = self.shelf.__dict__.setdefault("taken", [])
        taken.extend(keys)
        await super().ack(*deliveries)
        await asyncio.sleep(0)
        for key in keys:
            taken.remove(key)
        self.shelf.ledger.ring()


class _Taking(Shelf):
    def free(self, now: float) -> list[Lot]:
        taken = self.__dict__.get("taken", [])
        return [lot for lot in super().free(now) if lot.line.key is None or lot.line.key not in taken]


@_mutant("ordering.5", "partial effect", trap="an ack is cancelled between its two steps", also="ordering.10 persistent.14")
class FreesTheKeyAfterASecondWrite(LedgerPubSub):
    """The message is gone, and its key is free after another write; cancelled in between, it stays taken."""

    hand_type = _SlowToFree
    shelf_type = _Taking


@_mutant("persistent.8", "partial effect", trap="a nack is cancelled between its two steps", also="persistent.14 ordering.4")
class DelaysAfterTheRelease(Hand):
    """A message is free first, and delayed by another write."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        lots = [lot for d in deliveries if isinstance(d, Delivery) and (lot := self.shelf.held(d, self))]
        due = self.clock.now_s() + max(0.0, check_seconds(delay_s, "nack", "zoo"))
        await super().nack(*deliveries)
        await asyncio.sleep(0)
        for lot in lots:
            lot.due = due
        self.shelf.ledger.ring()


@_mutant("filtering.5", "colliding cache", trap="the same values under other names", also="filtering.2 filtering.1")
class RemembersFiltersByTheirValues(LedgerPubSub):
    """Whether a message matches is remembered for its headers and the values asked for."""

    def carries(self, line: Line, asked: Mapping[str, str]) -> bool:
        known: dict[object, bool] = self.ledger.__dict__.setdefault("known", {})
        return known.setdefault((line.headers, tuple(asked.values())), super().carries(line, asked))


@_mutant("wildcards.4", "colliding cache", trap="topics of three tokens that differ in the middle", also="wildcards.2 wildcards.1")
class RemembersMatchesByTheEnds(LedgerPubSub):
    """Whether a topic matches is remembered by its first and last token and their number."""

    def matches(self, pattern: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
        known: dict[object, bool] = self.ledger.__dict__.setdefault("known", {})
        return known.setdefault((pattern, tokens[0], tokens[-1], len(tokens)), matches(pattern, tokens))


@_mutant("persistent.9", "swallowed", trap="a receive is cancelled from outside", also="persistent.14")
class AnswersACancelledReceive(Hand):
    """A cancelled receive gives an empty list."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        try:
            return await super().receive(max_messages, timeout_s)
        except asyncio.CancelledError:
            return []


@_mutant("basic.9", "swallowed", trap="an iteration is cancelled from outside", also="basic.11 wildcards.9 filtering.10")
class EndsACancelledIteration(Reader):
    """A cancelled iteration ends as though the subscription were left."""

    async def __anext__(self) -> Message:
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            raise StopAsyncIteration from None


@_mutant("basic.11", "swallowed", trap="a publish is cancelled", also="persistent.14 basic.1 wildcards.9 filtering.10 ordering.10")
class AnswersACancelledPublish(LedgerPubSub):
    """A cancelled publish returns the id that it would have had."""

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        try:
            return await super().write(call, topic, payload, headers, kept=kept, key=key)
        except asyncio.CancelledError:
            return f"{len(self.ledger.lines):012x}"


@_mutant("persistent.4", "cap on number", trap="more than 100 given back by one call", also="persistent.9")
class NacksAHundredAtOnce(Hand):
    """One call gives back 100 messages; the rest stay held."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries[:100], delay_s=delay_s)


@_mutant("persistent.7", "cap on number", trap="more than 200 are held when a member is left", also="persistent.4")
class LeavesTwoHundredAtMost(Shelf):
    """Who leaves gives back 200 messages; the rest are held for ever."""

    def put_back(self, hand: Hand) -> None:
        for lot in [lot for lot in self.lots.values() if lot.holder is hand][:200]:
            lot.holder = None


@_mutant("persistent.5", "stops at the first", trap="one delivery twice in a call, before another", also="persistent.15")
class StopsAtWhatIsGone(Hand):
    """An ack ends at the first delivery that is held no more; those behind it are not confirmed."""

    async def ack(self, *deliveries: Delivery) -> None:
        self.check_here("ack")
        for delivery in deliveries:
            if not isinstance(delivery, Delivery):
                raise TypeError("zoo: ack: a delivery is expected")
        for delivery in deliveries:
            lot = self.shelf.held(delivery, self)
            if lot is None:
                break
            self.confirm(lot)
        self.shelf.ledger.ring()


@_mutant(
    "persistent.4",
    "stops at the first",
    trap="an acked delivery in a nack, before one that is held",
    also="persistent.15 persistent.8",
)
class NacksUpToWhatIsGone(Hand):
    """A nack ends at the first delivery that is held no more; those behind it stay held."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        known = [isinstance(d, Delivery) and self.shelf.held(d, self) is None for d in deliveries]
        end = known.index(True) if True in known else len(deliveries)
        await super().nack(*deliveries[:end], delay_s=delay_s)


@_mutant("persistent.1", "expiry", trap="nobody there for over ninety days", also="persistent.13")
class ForgetsAfterNinetyDays(LedgerPubSub):
    """A subscription that nobody entered for ninety days begins anew."""

    def shelf(self, topic: str, name: str, start: Start) -> Shelf:
        entered = self.ledger.__dict__.setdefault("entered", {})
        now = self.clock.now_s()
        if now - entered.get((topic, name), now) > 90 * 86_400:
            self.ledger.shelves.pop((topic, name), None)
        entered[topic, name] = now
        return super().shelf(topic, name, start)


@_mutant(
    "persistent.5",
    "bounded memory",
    trap="an ack with a thousand acks behind it",
    also="ordering.3",
)
class RemembersAThousandAcks(Hand):
    """Of what was confirmed the last thousand are remembered; what is older comes again."""

    def confirm(self, lot: Lot) -> None:
        super().confirm(lot)
        old: list[Lot] = self.shelf.__dict__.setdefault("old", [])
        old.append(lot)
        if len(old) > 1000:
            back = old.pop(0)
            back.holder = None
            self.shelf.lots[back.line.place] = back


@_mutant("persistent.9", "prefetch", trap="another member asks while one holds a buffer", also="persistent.7 ordering.5 ordering.6")
class PrefetchesTen(Hand):
    """A receive takes ten, gives what was asked for, and keeps the rest for its next."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        buffer: list[Delivery] = self.__dict__.setdefault("buffer", [])
        self.check_here("receive")
        if not buffer or max_messages < 1:
            buffer += await super().receive(max_messages if max_messages < 1 else max(10, max_messages), timeout_s)
        given = buffer[:max_messages]
        del buffer[:max_messages]
        return given


@_mutant("ordering.6", "hashed", trap="two keys of one slot", also="ordering.7 persistent.9")
class LocksSlotsOfKeys(Shelf):
    """A key is held by its slot of 64; others of the slot wait."""

    def free(self, now: float) -> list[Lot]:
        slots: set[int] = set()
        free: list[Lot] = []
        for lot in self.lots.values():
            if lot.line.key is not None:
                slot = zlib.crc32(lot.line.key.encode()) % 64
                if slot in slots:
                    continue
                slots.add(slot)
            if lot.holder is None and lot.due <= now:
                free.append(lot)
        return free


@_mutant("filtering.5", "cap on number", trap="more than ten attributes", also="filtering.2 filtering.1")
class ComparesTenAttributes(LedgerPubSub):
    """The eleventh attribute and those behind it are not compared."""

    def asked(self, attributes: dict[str, str]) -> Mapping[str, str]:
        return dict(list(attributes.items())[:10])


@_mutant("persistent.7", "too wide", trap="two members of one client, one is left", also="persistent.4 persistent.15")
class LeavesWithItsClient(LedgerPubSub):
    """What all members of a client hold is given back when one is left."""

    def __init__(self, library: Library, namespace: str) -> None:
        super().__init__(library, namespace)
        members: list[Hand] = []

        class Together(Hand):
            """Knows the other members of its client."""

            def __init__(self, shelf: Shelf, clock: object) -> None:
                super().__init__(shelf, library.clock)
                members.append(self)

            def leave(self) -> None:
                super().leave()
                for hand in members:
                    if hand.shelf is self.shelf:
                        self.shelf.put_back(hand)

        self.hand_type = Together


@_mutant("persistent.1", "snapshot, then live", trap="a publish at the turn of a first receive", also="persistent.13")
class MissesWhatComesDuringItsEntry(Shelf):
    """What is there is read at the first receive, and what comes is heard from a turn later on."""

    def read(self) -> None:
        if self.__dict__.setdefault("reading", False):
            return
        if self.__dict__.setdefault("begun", False):
            super().read()
            return
        super().read()
        self.begun = self.reading = True

        def listen() -> None:
            self.place = len(self.ledger.lines)
            self.reading = False

        asyncio.get_running_loop().call_soon(listen)

    begun: bool
    reading: bool
