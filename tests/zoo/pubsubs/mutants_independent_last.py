"""Mistakes where two features of a driver meet: shared connections, names of its own, bounds on how many, patience with a key."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery, Message, Start, Subscription
from tests.zoo.declare import Mutant

from .independent_ledger import Hand, LedgerPubSub, Lot, Reader, Shelf
from .independent_lines import Ledger, Library, Line
from .independent_parts import declaring_independent
from .independent_tree import Nest, TreePubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


@_mutant("wildcards.2", "found twice", trap="a pattern without wildcards")
class HangsPlainPatternsTwice(TreePubSub):
    """A pattern without wildcards is a plain subscription too, and in the tree beside."""

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        async with super().subscribe_pattern(pattern) as nest:
            assert isinstance(nest, Nest)
            plain = self.tree.plain.setdefault(pattern, []) if not {"*", ">"} & set(pattern.split(".")) else []
            plain.append(nest)
            yield nest
            plain.remove(nest)


@_mutant("ordering.5", "one connection", trap="an ack while a receive of the same member waits", also="persistent.9")
class AcksWaitForTheReceive(Hand):
    """A member has one connection, and a receive that waits has it."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        async with self.__dict__.setdefault("line", asyncio.Lock()):
            return await super().receive(max_messages, timeout_s)

    async def ack(self, *deliveries: Delivery) -> None:
        self.check_here("ack")
        async with self.__dict__.setdefault("line", asyncio.Lock()):
            await super().ack(*deliveries)


@_mutant(
    "basic.9", "one connection", trap="one client publishes what its own receive waits for", also="wildcards.9 filtering.9 basic.1"
)
class PublishesWaitForTheReceive(LedgerPubSub):
    """A client has one connection, and a receive that waits has it for a minute at a time."""

    def __init__(self, library: Library, namespace: str) -> None:
        super().__init__(library, namespace)
        line = asyncio.Lock()
        self.line = line

        class Blocking(Reader):
            """Has the connection while it waits."""

            async def receive(self, timeout_s: float = 0) -> Message | None:
                if timeout_s <= 0:
                    return await super().receive(timeout_s)
                async with line:
                    return await super().receive(timeout_s)

        self.reader_type = Blocking

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        async with self.line:
            return await super().write(call, topic, payload, headers, kept=kept, key=key)


@_mutant("ordering.3", "gives up", trap="ten deliveries of the first of a key", also="ordering.4 ordering.2")
class PassesOverAHeadAfterTenTries(Shelf):
    """A message that was given back ten times does not hold its key any more."""

    def free(self, now: float) -> list[Lot]:
        keys: set[str] = set()
        free: list[Lot] = []
        for lot in self.lots.values():
            if lot.line.key is not None:
                if lot.line.key in keys:
                    continue
                if lot.count <= 10:
                    keys.add(lot.line.key)
            if lot.holder is None and lot.due <= now:
                free.append(lot)
        return free


@_mutant("ordering.6", "cap on number", trap="more than 500 keys are held", also="persistent.9")
class HoldsFiveHundredKeys(Shelf):
    """Of more keys none is given until one is acked."""

    def free(self, now: float) -> list[Lot]:
        held = sum(lot.holder is not None and lot.line.key is not None for lot in self.lots.values())
        return [lot for lot in super().free(now) if lot.line.key is None or held < 500]


@_mutant("basic.4", "cap on number", trap="more than 64 subscriptions of one topic", also="basic.1 wildcards.6 filtering.8")
class ServesSixtyFour(TreePubSub):
    """A message reaches the first 64 of those who listen."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        late = self.tree.plain.get(topic, [])[64:]
        self.tree.plain[topic] = self.tree.plain.get(topic, [])[:64]
        try:
            return await super().publish(topic, payload, headers)
        finally:
            self.tree.plain[topic] += late


@_mutant("persistent.6", "cap on number", trap="more than 64 subscriptions of one topic", also="persistent.13 persistent.1")
class KeepsSixtyFourShelves(LedgerPubSub):
    """Of more than 64 subscriptions of a topic the oldest that nobody is in begins anew."""

    def shelf(self, topic: str, name: str, start: Start) -> Shelf:
        found = super().shelf(topic, name, start)
        names = [each for each in self.ledger.shelves if each[0] == topic]
        if len(names) > 64:
            del self.ledger.shelves[names[0]]
        return found


@_mutant(
    "ordering.7", "name of its own", trap="a header with the name that the driver gives to the key", also="ordering.1 persistent.2"
)
class KeepsTheKeyInAHeader(LedgerPubSub):
    """The key travels as a header, which is taken off at the end: one that was there already is gone."""

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        if key is not None and isinstance(headers, dict) and "ordering_key" in headers and isinstance(headers["ordering_key"], str):
            headers = {name: value for name, value in headers.items() if name != "ordering_key"}
        return await super().write(call, topic, payload, headers, kept=kept, key=key)


@_mutant("filtering.5", "name of its own", trap="an attribute with the name of a field", also="filtering.2 filtering.4")
class MatchesFieldsToo(LedgerPubSub):
    """The topic and the id of a message can be asked for as though they were headers."""

    def carries(self, line: Line, asked: Mapping[str, str]) -> bool:
        held = {"topic": line.topic, "id": line.id, **dict(line.headers)}
        return asked.items() <= held.items()


@_mutant("ordering.7", "sentinel", trap='the key "null"', also="ordering.2 ordering.3")
class TakesNullForNoKey(LedgerPubSub):
    """A key with the name of nothing is none."""

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        return await super().write(call, topic, payload, headers, kept=kept, key=None if key in ("null", "None") else key)


class _Halving(Ledger):
    def ring(self) -> None:
        waiting = [waiter for waiter in self.waiting if not waiter.done()]
        for waiter in waiting[:20]:
            waiter.set_result(None)


@_mutant("basic.9", "cap on number", trap="more than 20 wait", also="persistent.9 wildcards.9 filtering.10 basic.4 basic.10")
class WakesTwenty(Library):
    """Of those who wait twenty are woken by a change."""

    ledger_type = _Halving


@_mutant(
    "persistent.14",
    "held by a failed call",
    trap="a receive that is refused",
    also="persistent.15 persistent.4 persistent.9 persistent.3",
)
class TakesBeforeItChecks(Hand):
    """What a receive with a wrong timeout took is held by nobody who knows it."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        if max_messages >= 1 and not self.left and isinstance(timeout_s, float) and timeout_s != timeout_s:
            self.shelf.take(self, max_messages, self.clock.now_s())
        return await super().receive(max_messages, timeout_s)


@_mutant(
    "persistent.11",
    "shared by reference",
    trap="two topics of one hash",
    also="persistent.7 persistent.1",
)
class RemembersTheLatestShelf(LedgerPubSub):
    """A client knows its subscriptions by their names and a hash of their topics, of 97."""

    def shelf(self, topic: str, name: str, start: Start) -> Shelf:
        known: dict[Any, Shelf] = self.__dict__.setdefault("latest", {})
        return known.setdefault((zlib.crc32(topic.encode()) % 97, name), super().shelf(topic, name, start))
