"""Patterns, filters and ordering keys that keep every promise in an unusual way. No check may fail on any of them."""

import asyncio
import math
import re
import zlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Delivery, InvalidName, Message, PayloadTooLarge, Subscription
from prism_testkit.traits import Limits, Traits

from .declare import driver_of
from .reference import PubSub, backend, step
from .reference_newer import FileNewerPubSub, FilteredListener, NewerPubSub, OrderedMember, PatternListener
from .stores import Row, Store
from .unusual import HasADeadline, HexNames, IdsPerTopic, Octets, PlainIsStored, SaysConflict, SparseIds, StoredReachesAll
from .unusual_timing import DeliversInBatches, OneAtATime, Polling, Slow, Suspending, Threaded, _around, _before

__all__ = ["UNUSUAL"]

# Patterns and filters


class MatchesByExpression(NewerPubSub):
    """A pattern is made a regular expression."""

    def covers(self, pattern: str, topic: str) -> bool:
        words = [{"*": "[^.]*", ">": ".*"}.get(token, re.escape(token)) for token in pattern.split(".")]
        return re.fullmatch(r"\.".join(words), topic, re.DOTALL) is not None


class CachesMatches(NewerPubSub):
    """What a topic concerns is kept until somebody enters or leaves."""

    def concerned(self, message: Message) -> list[Any]:
        key = "cached", self.namespace, message.topic, tuple(map(id, self.watchers()))
        if key not in self.store.notes:
            self.store.notes[key] = super().concerned(message)
        return list(self.store.notes[key])


class _LazyFilter(FilteredListener):
    """Keeps all of its topic, and looks for what matches when it is asked."""

    def offer(self, message: Message) -> None:
        self.keep(message)

    def take(self) -> Message | None:
        while self.buffer:
            message = self.buffer.popleft()
            if self.wants(message):
                return self.shown(message)
        return None


class _LazyFilterThatOverflows(_LazyFilter):
    """Its buffer holds 64, whatever they are; what is over is dropped and counted."""

    def keep(self, message: Message) -> None:
        if len(self.buffer) >= 64:
            self.missed += 1
        else:
            super().keep(message)


class _SmallPattern(PatternListener):
    def offer(self, message: Message) -> None:
        if len(self.buffer) >= 16:
            self.missed += 1
        else:
            super().offer(message)


class _OctetsPattern(PatternListener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=Octets(message.payload), headers=MappingProxyType(dict(message.headers)))


class _OctetsFilter(FilteredListener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=Octets(message.payload), headers=MappingProxyType(dict(message.headers)))


class BytesSubclassNewer(NewerPubSub):
    pattern_type = _OctetsPattern
    filtered_type = _OctetsFilter


class ChecksAtTheEntryNewer(NewerPubSub):
    """The calls check nothing; entering does, and copies."""

    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        return self.entered(self.pattern_type(self, pattern))

    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        return self.entered(self.filtered_type(self, topic, attributes))

    async def enter(self, listener: Any) -> None:
        if isinstance(listener, PatternListener):
            self.pattern(listener.topic)
        elif isinstance(listener, FilteredListener):
            self.topic(listener.topic, "subscribe_filtered")
            listener.attributes = self.attributes(listener.attributes)
        await super().enter(listener)


class _VendorTooLarge(PayloadTooLarge, ValueError):
    """A vendor's own kind of `PayloadTooLarge`."""


class _VendorInvalidName(InvalidName, ValueError):
    """A vendor's own kind of `InvalidName`."""


class NativeErrorsNewer(NewerPubSub):
    """Errors are of the vendor's own classes below ours."""

    def pattern(self, pattern: str) -> str:
        try:
            return super().pattern(pattern)
        except InvalidName as error:
            raise _VendorInvalidName(str(error)) from OSError(22, "invalid argument")

    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        try:
            return super().attributes(attributes)
        except PayloadTooLarge as error:
            raise _VendorTooLarge(str(error)) from error

    def key(self, ordering_key: str) -> str:
        try:
            return super().key(ordering_key)
        except InvalidName as error:
            raise _VendorInvalidName(str(error)) from error


class BatchesToPatternsToo(DeliversInBatches, NewerPubSub):
    """What listens by pattern is given its messages a few turns later, too."""

    def fan_out(self, topic: str, message: Message) -> None:
        waiting: list[tuple[list[Any], Message]] = self.store.notes.setdefault("pump", [])
        waiting.append(([*self.listeners(topic), *self.concerned(message)], message))
        if len(waiting) == 1:
            self.store.notes["pumping"] = asyncio.ensure_future(self.pump(waiting))


# Ordering keys


class NewestKeyFirst(OrderedMember):
    """Of the messages that may be delivered, that which was published last comes first."""

    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(10**6)[::-1][:amount]


class KeysByTheirHash(OrderedMember):
    """As from as many partitions."""

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(10**6)
        return sorted(found, key=lambda row: zlib.crc32((row.key or row.message.id).encode()))[:amount]


class WithoutAKeyComesLast(OrderedMember):
    def next_ones(self, amount: int) -> list[Row]:
        return sorted(super().next_ones(10**6), key=lambda row: row.key is None)[:amount]


class OneKeyedAReceive(OrderedMember):
    """One message, however many are asked for."""

    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(1)


class KeyedDeadline(HasADeadline, OrderedMember):
    """What is held for 30 s comes again; its key waits all the same."""


class KeyedConflict(SaysConflict, OrderedMember):
    """Ack and nack of what is not held raise."""


class _UndoingOrdered(OrderedMember):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            self.give_back([delivery.message.id for delivery in found], 0)
            raise
        return found


class UndoesCancelledKeyedTakes(NewerPubSub):
    """A receive returns a step after it took; cancelled in that step, it puts back what it has, and the delivery counts."""

    traits = Traits()
    member_type = _UndoingOrdered


class _CoarseOrdered(OrderedMember):
    """Delays end on whole seconds, rounded up."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        now = self.driver.now()
        super().give_back(identifiers, math.ceil(now + delay_s) - now if delay_s > 0 else 0)


class CoarseNewer(NewerPubSub):
    limits = Limits(clock_resolution_s=1.0)
    member_type = _CoarseOrdered


# In either way


class _AroundPattern(PatternListener):
    receive = _before(PatternListener.receive)


class _AroundFilter(FilteredListener):
    receive = _before(FilteredListener.receive)


class _AroundOrdered(OrderedMember):
    receive = _before(OrderedMember.receive)
    ack = _around(OrderedMember.ack)
    nack = _around(OrderedMember.nack)


class _AroundAll(NewerPubSub):
    pattern_type = _AroundPattern
    filtered_type = _AroundFilter
    member_type = _AroundOrdered

    async def before(self) -> None: ...

    async def behind(self) -> None: ...

    publish = _around(NewerPubSub.publish)
    publish_persistent = _around(NewerPubSub.publish_persistent)
    publish_ordered = _around(NewerPubSub.publish_ordered)
    last_message_id = _around(NewerPubSub.last_message_id)
    enter = _around(NewerPubSub.enter)
    join = _around(NewerPubSub.join)


def _timed(kind: type[PubSub]) -> type[PubSub]:
    """Return all interfaces with what a driver of `unusual_timing` does before and behind each call."""
    names = [name for name in ("__init__", "before", "behind", "pause") if name in vars(kind)]
    return type(f"{kind.__name__}Newer", (_AroundAll,), {name: vars(kind)[name] for name in names})


class _OneAtATime(_AroundAll):
    before = OneAtATime.before

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.gate: asyncio.Lock = vars(store).setdefault("gate", asyncio.Lock())


class HexNamesNewer(HexNames, NewerPubSub):
    """Names of topics are stored encoded."""

    def key(self, ordering_key: str) -> str:
        return super().key(ordering_key).encode().hex()


class SparseIdsNewer(SparseIds, NewerPubSub): ...


class IdsPerTopicNewer(IdsPerTopic, NewerPubSub): ...


class StoredReachesAllNewer(StoredReachesAll, NewerPubSub):
    pass


class PlainIsStoredNewer(PlainIsStored, NewerPubSub):
    pass


class ShortNamesNewer(NewerPubSub):
    limits = Limits(max_name=64)


class SmallPayloadsNewer(NewerPubSub):
    limits = Limits(max_payload=64)


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("newer", NewerPubSub),
    backend("newer-file", FileNewerPubSub),
    backend("matches-by-expression", MatchesByExpression),
    backend("caches-matches", CachesMatches),
    backend("lazy-filter", driver_of(_LazyFilter)),
    backend("lazy-filter-that-overflows", driver_of(_LazyFilterThatOverflows)),
    backend("newer-stored-reaches-all", StoredReachesAllNewer),
    backend("newer-plain-is-stored", PlainIsStoredNewer),
    backend("small-pattern", driver_of(_SmallPattern)),
    backend("newer-bytes-subclass", BytesSubclassNewer),
    backend("newer-checks-at-the-entry", ChecksAtTheEntryNewer),
    backend("newer-native-errors", NativeErrorsNewer),
    backend("newer-delivers-in-batches", BatchesToPatternsToo),
    backend("newest-key-first", driver_of(NewestKeyFirst)),
    backend("keys-by-their-hash", driver_of(KeysByTheirHash)),
    backend("without-a-key-comes-last", driver_of(WithoutAKeyComesLast)),
    backend("one-keyed-a-receive", driver_of(OneKeyedAReceive)),
    backend("keyed-deadline", driver_of(KeyedDeadline)),
    backend("keyed-conflict", driver_of(KeyedConflict)),
    backend("undoes-cancelled-keyed-takes", UndoesCancelledKeyedTakes),
    backend("newer-coarse", CoarseNewer),
    backend("newer-slow", _timed(Slow)),
    backend("newer-suspending", _timed(Suspending)),
    backend("newer-threaded", _timed(Threaded)),
    backend("newer-one-at-a-time", _OneAtATime),
    backend("newer-polling", type("PollingNewer", (Polling, NewerPubSub), {})),
    backend("newer-hex-names", HexNamesNewer),
    backend("newer-sparse-ids", SparseIdsNewer),
    backend("newer-ids-per-topic", IdsPerTopicNewer),
    backend("newer-short-names", ShortNamesNewer),
    backend("newer-small-payloads", SmallPayloadsNewer),
    backend("newer-real-clock", NewerPubSub, clock="real"),
)
