"""Wrong shelves for keys: who gets the next message of a key, and when."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Delivery
from tests.zoo.declare import Mutant

from .independent_ledger import Hand, LedgerPubSub, Lot, Shelf
from .independent_lines import Ledger, Library, Line
from .independent_parts import declaring_independent

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


@_mutant("ordering.4", "moved to the end", trap="a delayed message of a key with another behind it", also="ordering.2 ordering.3")
class DelayedGoesToTheEnd(Hand):
    """What is given back with a delay is put behind the rest."""

    def give_back(self, lot: Lot, due: float) -> None:
        super().give_back(lot, due)
        if due > self.clock.now_s():
            self.shelf.lots[lot.line.place] = self.shelf.lots.pop(lot.line.place)


@_mutant("ordering.6", "window", trap="more than 400 of one key before another", also="persistent.9")
class LooksAt400Lots(Shelf):
    """What may be taken is looked for among the first 400."""

    def free(self, now: float) -> list[Lot]:
        first = list(self.lots)[:400]
        return [lot for lot in super().free(now) if lot.line.place in first]


@_mutant("ordering.6", "window", trap="max_messages below the number of a key before another", also="persistent.9 ordering.3")
class LooksAtAsManyAsAskedFor(Shelf):
    """Of a receive of n, the first n that nobody holds are looked at, and of a key that is held among them none is taken."""

    def take(self, hand: Hand, most: int, now: float) -> list[Delivery]:
        self.read()
        unheld = [lot.line.place for lot in self.lots.values() if lot.holder is None and lot.due <= now][: most + 3]
        self.window = frozenset(unheld)
        return super().take(hand, most, now)

    def free(self, now: float) -> list[Lot]:
        return [lot for lot in super().free(now) if lot.line.place in self.window]

    window: frozenset[int] = frozenset()


@_mutant("ordering.5", "affinity", trap="the key's next message is asked for by another member", also="ordering.6 persistent.9")
class KeysStayWithTheirMember(Shelf):
    """A key is a member's from its first message, while that member stays."""

    def take(self, hand: Hand, most: int, now: float) -> list[Delivery]:
        owners: dict[str, Hand] = self.__dict__.setdefault("owners", {})
        self.asking = hand
        taken = super().take(hand, most, now)
        for delivery in taken:
            key = self.lots[int(delivery.message.id, 16)].line.key
            if key is not None:
                owners[key] = hand
        return taken

    def free(self, now: float) -> list[Lot]:
        owners: dict[str, Hand] = self.__dict__.setdefault("owners", {})
        return [lot for lot in super().free(now) if (o := owners.get(lot.line.key or "")) is None or o is self.asking or o.left]

    asking: Hand | None = None


@_mutant("ordering.9", "freed by anybody", trap="an ack of what was given back, while the message is held again", also="ordering.3")
class OldAcksFreeTheKey(Shelf):
    """A key that is held is a note, which an ack of an old delivery takes away."""

    def held(self, delivery: Delivery, hand: Hand) -> Lot | None:
        lot = super().held(delivery, hand)
        stale = self.lots.get(int(delivery.message.id, 16))
        if lot is None and stale is not None and stale.line.key is not None:
            self.__dict__.setdefault("freed", set()).add(stale.line.place)
        return lot

    def free(self, now: float) -> list[Lot]:
        freed: set[int] = self.__dict__.setdefault("freed", set())
        keys: set[str] = set()
        free = []
        for lot in self.lots.values():
            if lot.line.key is not None:
                if lot.line.key in keys:
                    continue
                if not (lot.holder is not None and lot.line.place in freed):
                    keys.add(lot.line.key)
            if lot.holder is None and lot.due <= now:
                free.append(lot)
        return free


class ChainedLedger(Ledger):
    """Remembers the last ticket of a key before it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.tails: dict[tuple[str, str], int] = {}
        self.before: dict[int, int] = {}
        self.tickets: dict[int, int] = {}
        self.drawn = 0

    async def append(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None = None) -> Line:
        if key is None:
            return await super().append(topic, payload, headers, kept, key)
        self.drawn += 1
        ticket, before = self.drawn, self.tails.get((topic, key), 0)
        self.tails[topic, key] = ticket
        line = await super().append(topic, payload, headers, kept, key)
        self.tickets[ticket] = line.place
        self.before[line.place] = before
        return line


class ChainedShelf(Shelf):
    def free(self, now: float) -> list[Lot]:
        ledger = self.ledger
        assert isinstance(ledger, ChainedLedger)
        return [lot for lot in super().free(now) if lot.line.key is None or self.comes_after_known(ledger, lot)]

    def comes_after_known(self, ledger: ChainedLedger, lot: Lot) -> bool:
        before = ledger.before.get(lot.line.place, 0)
        return before == 0 or before in ledger.tickets


@_mutant("ordering.10", "chain broken", trap="a cancelled publish between two of its key", also="ordering.5")
class WaitsForWhatWasCancelled(LedgerPubSub):
    """A publish is the last of its key before it is written: cancelled, who comes after it waits for ever."""

    shelf_type = ChainedShelf

    def __init__(self, library: Library, namespace: str) -> None:
        if not isinstance(library.ledger(namespace), ChainedLedger):
            library.ledgers[namespace] = ChainedLedger()
        super().__init__(library, namespace)


@_mutant("ordering.1", "forgotten in the second call", trap="the last message has a key", also="persistent.10")
class LastForgetsKeys(LedgerPubSub):
    """`last_message_id` knows only what was published without a key."""

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        before = self.ledger.last.get(topic)
        number = await super().publish_ordered(topic, ordering_key, payload, headers)
        if before is None:
            del self.ledger.last[topic]
        else:
            self.ledger.last[topic] = before
        return number
