"""Topics that keep every promise in an unusual way. No check may fail on any of them.

`unusual_timing` holds those that take their time.
"""

import hashlib
import math
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, Conflict, Delivery, InvalidName, Message, PayloadTooLarge, Subscription
from prism_testkit.traits import Limits, Traits

from .declare import driver_of
from .reference import FilePubSub, Listener, Member, PubSub, backend
from .stores import Mark, Row

__all__ = ["UNUSUAL"]


class SparseIds(PubSub):
    """Ids are digests; places have large gaps."""

    def new_id(self, topic: str) -> str:
        return hashlib.blake2b(super().new_id(topic).encode(), digest_size=24).hexdigest()

    def new_persistent_id(self, topic: str, place: int) -> str:
        return hashlib.blake2b(f"{topic.encode().hex()} {place}".encode(), digest_size=24).hexdigest()

    def serial(self) -> int:
        self.space().serial += 10**12
        return self.space().serial


class StoredReachesAll(PubSub):
    """What is published for durable subscriptions is given to the others, too."""

    def insert(self, row: Row) -> None:
        super().insert(row)
        self.fan_out(row.topic, row.message)


class PlainIsStored(PubSub):
    """What is published for plain subscriptions is given to durable ones, too."""

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        self.insert(Row(topic, self.serial(), message))


class IdsPerTopic(PubSub):
    """Unique within a topic, and no further: each counts from 0."""

    def new_id(self, topic: str) -> str:
        key = self.namespace, topic, "plain"
        self.store.notes[key] = self.store.notes.get(key, -1) + 1
        return str(self.store.notes[key])

    def new_persistent_id(self, topic: str, place: int) -> str:
        return str(len(self.rows(topic)))


class _CoarseMember(Member):
    """Delays end on whole seconds, rounded up, as the limits say."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        now = self.driver.now()
        super().give_back(identifiers, math.ceil(now + delay_s) - now if delay_s > 0 else 0)


class Coarse(PubSub):
    limits = Limits(clock_resolution_s=1.0)
    member_type = _CoarseMember


class ShortNames(PubSub):
    limits = Limits(max_name=64)


class SmallPayloads(PubSub):
    limits = Limits(max_payload=64)


class HexNames(PubSub):
    """Stores names encoded."""

    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation).encode().hex()

    def title(self, name: str, operation: str) -> str:
        return super().title(name, operation).encode().hex()


class Octets(bytes):
    """Bytes of a class of their own, as some client libraries give."""


class _OctetsListener(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=Octets(message.payload), headers=MappingProxyType(dict(message.headers)))


class _OctetsMember(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        headers = MappingProxyType(dict(row.message.headers))
        return Delivery(replace(row.message, payload=Octets(row.message.payload), headers=headers), count, token)


class BytesSubclass(PubSub):
    """Payloads are of a class below bytes, headers a mapping that cannot be changed."""

    listener_type = _OctetsListener
    member_type = _OctetsMember


class OneAReceive(Member):
    """One message, however many are asked for."""

    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(1)


class HasADeadline(Member):
    """What is held for 30 s comes again, to whoever asks; its holder may ack no more."""

    def hold(self, identifier: str) -> str:
        self.driver.store.notes["until", self.hold_slot(identifier)] = self.driver.after(30)
        return super().hold(identifier)

    def holder(self, identifier: str) -> tuple[Any, str] | None:
        if self.driver.over(self.driver.store.notes.get(("until", self.hold_slot(identifier)), 0.0)):
            self.drop(identifier)
        return super().holder(identifier)

    def instants(self) -> list[float]:
        untils = [until for key, until in self.driver.store.notes.items() if key[0] == "until"]
        return [*super().instants(), *(until for until in untils if not self.driver.over(until))]


class SaysConflict(Member):
    """Ack and nack of what is not held raise, a repeated ack of what was confirmed excepted."""

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        found = super().checked(deliveries, operation)
        for delivery in deliveries:
            repeated = operation == "ack" and self.mark(delivery.message.id).acked
            if not self.holds(delivery) and not repeated:
                raise Conflict(f"zoo: {operation}: not held")
        return found


class LeavingEndsOwnDelays(Member):
    """What a member nacked with a delay comes at once when it is left."""

    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.delayed: set[str] = set()

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        self.delayed.update(identifiers)

    def leave(self) -> None:
        super().leave()
        own = {i: self.mark(i) for i in self.delayed if self.holder(i) is None}
        self.set_marks({identifier: replace(mark, due=0.0) for identifier, mark in own.items()})


class _CountsInLeaps(Member):
    def counted(self, mark: Mark) -> Mark:
        return replace(mark, count=mark.count + (1 if not mark.count else 3))


class CountsInLeaps(PubSub):
    """A lower bound is a lower bound of nothing but the last count."""

    traits = Traits()
    member_type = _CountsInLeaps


class NewBeforeRedelivered(Member):
    """What comes again comes last."""

    def next_ones(self, amount: int) -> list[Row]:
        return sorted(super().next_ones(10**6), key=lambda row: self.mark(row.message.id).count)[:amount]


class RedeliveredBackwards(Member):
    """What comes again comes first, the newest first."""

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(10**6)
        again = [row for row in found if self.mark(row.message.id).count]
        return [*again[::-1], *(row for row in found if row not in again)][:amount]


class CountsWhatItDrops(Listener):
    """A buffer of 16; what is over is dropped, and counted."""

    def offer(self, message: Message) -> None:
        if len(self.buffer) >= 16:
            self.missed += 1
        else:
            super().offer(message)


class CountsOverflowsOnce(Listener):
    """A buffer of 64 is emptied when it overflows: one gap, however much was lost."""

    def offer(self, message: Message) -> None:
        if len(self.buffer) >= 64:
            self.buffer.clear()
            self.missed += 1
        super().offer(message)


class ChecksAtTheEntry(PubSub):
    """`subscribe` itself checks nothing; entering does."""

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self.listening(topic)

    async def enter(self, listener: Listener) -> None:
        listener.topic = self.topic(listener.topic, "subscribe")
        await super().enter(listener)


class _VendorInvalidName(InvalidName):
    """A vendor's own kind of `InvalidName`."""


class NativeErrors(PubSub):
    """Errors are of the vendor's own classes below ours, and have a native one as their cause."""

    def topic(self, topic: str, operation: str) -> str:
        try:
            return super().topic(topic, operation)
        except InvalidName as error:
            raise _VendorInvalidName(str(error)) from OSError(22, "invalid argument")

    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        try:
            return super().data(payload, operation, topic)
        except PayloadTooLarge as error:
            raise PayloadTooLarge(str(error)) from OSError(27, "file too large")


class ChecksInAnotherOrder(PubSub):
    """Of several mistakes in one call another one is told first."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.labels(headers, "publish")
        self.data(payload, "publish", str(topic))
        return await super().publish(topic, payload, headers)


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("plain", PubSub),
    backend("file", FilePubSub),
    backend("sparse-ids", SparseIds),
    backend("ids-per-topic", IdsPerTopic),
    backend("stored-reaches-all", StoredReachesAll),
    backend("plain-is-stored", PlainIsStored),
    backend("coarse", Coarse),
    backend("short-names", ShortNames),
    backend("small-payloads", SmallPayloads),
    backend("hex-names", HexNames),
    backend("bytes-subclass", BytesSubclass),
    backend("one-a-receive", driver_of(OneAReceive)),
    backend("has-a-deadline", driver_of(HasADeadline)),
    backend("says-conflict", driver_of(SaysConflict)),
    backend("leaving-ends-own-delays", driver_of(LeavingEndsOwnDelays)),
    backend("counts-in-leaps", CountsInLeaps),
    backend("new-before-redelivered", driver_of(NewBeforeRedelivered)),
    backend("redelivered-backwards", driver_of(RedeliveredBackwards)),
    backend("counts-what-it-drops", driver_of(CountsWhatItDrops)),
    backend("counts-overflows-once", driver_of(CountsOverflowsOnce)),
    backend("checks-at-the-entry", ChecksAtTheEntry),
    backend("native-errors", NativeErrors),
    backend("checks-in-another-order", ChecksInAnotherOrder),
)
