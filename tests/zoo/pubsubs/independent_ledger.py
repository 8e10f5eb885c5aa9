"""Pub/sub over one ledger for each namespace: a publish appends a line, and every subscription reads the lines for itself.

A plain subscription is a place in the ledger; a durable one is a shelf of the lines that are not confirmed yet.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Deliveries,
    Delivery,
    Message,
    PubSubBasic,
    PubSubFiltering,
    PubSubOrdering,
    PubSubPersistent,
    PubSubWildcards,
    Start,
    Subscription,
)
from prism_testkit.naming import (
    check_attributes,
    check_headers,
    check_name,
    check_pattern,
    check_payload,
    check_seconds,
    check_timeout,
)
from prism_testkit.traits import Traits

from .independent_lines import Ledger, Library, Line

__all__ = ["Hand", "LedgerPubSub", "Lot", "Reader", "Shelf", "ledger_backend", "matches"]

ME = "ledger"


def check_deliveries(deliveries: tuple[Delivery, ...], operation: str) -> None:
    for delivery in deliveries:
        if not isinstance(delivery, Delivery):
            raise TypeError(f"{ME}: {operation}: a delivery is expected, not {type(delivery).__name__}")


def matches(pattern: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
    """Compare token by token."""
    if pattern[-1] == ">":
        if len(tokens) < len(pattern):
            return False
        pattern, tokens = pattern[:-1], tokens[: len(pattern) - 1]
    return len(pattern) == len(tokens) and all(p in ("*", t) for p, t in zip(pattern, tokens, strict=True))


class Reader(Subscription):
    """A plain subscription: the place up to which it has read, and what it wants."""

    def __init__(self, ledger: Ledger, clock: Clock, wants: Callable[[Line], bool]) -> None:
        self.ledger = ledger
        self.clock = clock
        self.wants = wants
        self.place = len(ledger.lines)
        self.left = False

    def next(self) -> Message | None:
        """Read on to the next line that is wanted."""
        while self.place < len(self.ledger.lines):
            line = self.ledger.lines[self.place]
            self.place += 1
            if not line.kept and self.wants(line):
                return line.message()
        return None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        end = self.clock.now_s() + check_timeout(timeout_s, "receive", ME)
        while True:
            if self.left:
                raise Closed(f"{ME}: receive: the subscription was left")
            message = self.next()
            if message is not None or (remaining := end - self.clock.now_s()) <= 0:
                return message
            await self.ledger.wait(remaining)

    async def __anext__(self) -> Message:
        while not self.left:
            message = self.next()
            if message is not None:
                return message
            await self.ledger.wait(None)
        raise StopAsyncIteration

    @property
    def gaps(self) -> int:
        return 0

    def leave(self) -> None:
        self.left = True
        self.ledger.ring()


@dataclass(slots=True)
class Lot:
    """A line on a shelf: how often it was delivered, who holds it, and when it may be taken again."""

    line: Line
    count: int = 0
    holder: "Hand | None" = None
    due: float = 0.0


class Shelf:
    """A durable subscription. What was confirmed is not on it any more."""

    numbers: "ClassVar[itertools.count[int]]" = itertools.count(1)

    def __init__(self, ledger: Ledger, topic: str, place: int) -> None:
        self.ledger = ledger
        self.topic = topic
        self.place = place
        self.number = next(self.numbers)
        self.lots: dict[int, Lot] = {}

    def read(self) -> None:
        """Put on the shelf what was written since."""
        for line in self.ledger.lines[self.place :]:
            if line.kept and line.topic == self.topic:
                self.lots[line.place] = Lot(line)
        self.place = len(self.ledger.lines)

    def take(self, hand: "Hand", most: int, now: float) -> list[Delivery]:
        self.read()
        taken: list[Delivery] = []
        for lot in self.free(now):
            lot.holder = hand
            lot.count += 1
            taken.append(Delivery(lot.line.message(), lot.count, self.token(lot)))
            if len(taken) == most:
                break
        return taken

    def free(self, now: float) -> list[Lot]:
        """Return what may be taken, in the order in which it was written: of a key only the first."""
        keys: set[str] = set()
        free: list[Lot] = []
        for lot in self.lots.values():
            if lot.line.key is not None:
                if lot.line.key in keys:
                    continue
                keys.add(lot.line.key)
            if lot.holder is None and lot.due <= now:
                free.append(lot)
        return free

    def token(self, lot: Lot) -> str:
        return f"{self.number}/{lot.line.place}/{lot.count}"

    def held(self, delivery: Delivery, hand: "Hand") -> Lot | None:
        """Return the lot of a delivery, if this hand holds it by it."""
        lot = self.lots.get(int(delivery.message.id, 16))
        if lot is None or lot.holder is not hand or self.token(lot) != delivery.token:
            return None
        return lot

    def next_due(self, now: float) -> float | None:
        return min((lot.due for lot in self.lots.values() if lot.holder is None and lot.due > now), default=None)

    def put_back(self, hand: "Hand") -> None:
        """A hand has left: what it held is free."""
        for lot in self.lots.values():
            if lot.holder is hand:
                lot.holder = None


class Hand(Deliveries):
    """A member of a durable subscription."""

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self.shelf = shelf
        self.clock = clock
        self.left = False

    def check_here(self, operation: str) -> None:
        if self.left:
            raise Closed(f"{ME}: {operation}: the subscription was left")

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        if max_messages < 1:
            raise ValueError(f"{ME}: receive: max_messages={max_messages} is below 1")
        end = self.clock.now_s() + check_timeout(timeout_s, "receive", ME)
        while True:
            self.check_here("receive")
            now = self.clock.now_s()
            taken = self.shelf.take(self, max_messages, now)
            if taken or now >= end:
                return taken
            await self.shelf.ledger.wait(self.until(now, end) - now)

    def until(self, now: float, end: float) -> float:
        due = self.shelf.next_due(now)
        return end if due is None else min(end, due)

    async def ack(self, *deliveries: Delivery) -> None:
        self.check_here("ack")
        check_deliveries(deliveries, "ack")
        for delivery in deliveries:
            lot = self.shelf.held(delivery, self)
            if lot is not None:
                self.confirm(lot)
        self.shelf.ledger.ring()

    def confirm(self, lot: Lot) -> None:
        del self.shelf.lots[lot.line.place]

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.check_here("nack")
        due = self.clock.now_s() + max(0.0, check_seconds(delay_s, "nack", ME))
        check_deliveries(deliveries, "nack")
        for delivery in deliveries:
            lot = self.shelf.held(delivery, self)
            if lot is not None:
                self.give_back(lot, due)
        self.shelf.ledger.ring()

    def give_back(self, lot: Lot, due: float) -> None:
        lot.holder = None
        lot.due = due

    def leave(self) -> None:
        self.left = True
        self.shelf.put_back(self)
        self.shelf.ledger.ring()


class LedgerPubSub(PubSubBasic, PubSubWildcards, PubSubFiltering, PubSubPersistent, PubSubOrdering):
    """All five interfaces over the ledger of a namespace."""

    traits: ClassVar[Traits] = Traits(delivery_count="exact")
    reader_type: type[Reader] = Reader
    hand_type: type[Hand] = Hand
    shelf_type: type[Shelf] = Shelf

    def __init__(self, library: Library, namespace: str) -> None:
        self.clock = library.clock
        self.ledger = library.ledger(namespace)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.write("publish", topic, payload, headers, kept=False)

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.write("publish_persistent", topic, payload, headers, kept=True)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(ordering_key, "publish_ordered", ME)
        return await self.write("publish_ordered", topic, payload, headers, kept=True, key=ordering_key)

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        check_name(topic, call, ME)
        data = check_payload(payload, call, ME, topic)
        line = await self.ledger.append(topic, data, check_headers(headers, call, ME), kept, key)
        return line.id

    @asynccontextmanager
    async def reading(self, wants: Callable[[Line], bool]) -> AsyncIterator[Subscription]:
        reader = self.reader_type(self.ledger, self.clock, wants)
        try:
            yield reader
        finally:
            reader.leave()

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        check_name(topic, "subscribe", ME)
        async with self.reading(lambda line: line.topic == topic) as reader:
            yield reader

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        tokens = check_pattern(pattern, "subscribe_pattern", ME)
        async with self.reading(lambda line: self.matches(tokens, tuple(line.topic.split(".")))) as reader:
            yield reader

    def matches(self, pattern: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
        return matches(pattern, tokens)

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        check_name(topic, "subscribe_filtered", ME)
        asked = self.asked(check_attributes(attributes, "subscribe_filtered", ME))
        async with self.reading(lambda line: line.topic == topic and self.carries(line, asked)) as reader:
            yield reader

    def asked(self, attributes: dict[str, str]) -> Mapping[str, str]:
        return attributes

    def carries(self, line: Line, asked: Mapping[str, str]) -> bool:
        return asked.items() <= dict(line.headers).items()

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        check_name(topic, "subscribe_durable", ME)
        check_name(name, "subscribe_durable", ME)
        if start not in ("new", "earliest"):
            raise ValueError(f"{ME}: subscribe_durable: start={start!r} is neither 'new' nor 'earliest'")
        hand = self.hand_type(self.shelf(topic, name, start), self.clock)
        try:
            yield hand
        finally:
            hand.leave()

    def shelf(self, topic: str, name: str, start: Start) -> Shelf:
        found = self.ledger.shelves.get((topic, name))
        if found is None:
            place = len(self.ledger.lines) if start == "new" else 0
            found = self.ledger.shelves[topic, name] = self.shelf_type(self.ledger, topic, place)
        return found

    async def last_message_id(self, topic: str) -> str | None:
        check_name(topic, "last_message_id", ME)
        return self.ledger.last.get(topic)


async def clean_ledgers(library: Library, prefix: str) -> None:
    for namespace in [name for name in library.ledgers if name.startswith(prefix)]:
        del library.ledgers[namespace]


def ledger_backend(name: str, driver: type[LedgerPubSub] = LedgerPubSub, library: type[Library] = Library) -> Backend[Library]:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Library]:
        if "library" not in place.shared:
            place.shared["library"] = library(place.clock)
        yield place.shared["library"]

    return Backend(name=name, connect=connect, drivers=(driver,), clean=clean_ledgers, traits=driver.traits)
