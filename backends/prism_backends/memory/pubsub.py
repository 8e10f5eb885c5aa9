"""Publish and subscribe in plain Python objects: buffers for who listens, a log and positions for who has a name.

No method waits except a receive, so on one event loop each call is one atomic step.
"""

import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.memory.client import MemoryClient
from prism_backends.pubsub_arguments import check_most, check_start, tokens_of
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message, PubSubBasic, PubSubPersistent, Start, Subscription

__all__ = ["MemoryPubSub"]

_ME = "memory"
_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""


@dataclass(slots=True, eq=False)
class _Durable:
    """What is known of one (topic, name). A message is named by its place in the topic's log.

    A message below ``next_new`` is in exactly one of ``ready``, ``later`` and ``held``, or else it is acknowledged. ``ready``
    is ordered by turn: what was given back by leaving has its old one, what was nacked goes behind all that is there, and behind
    what was nacked before, so that what is nacked for ever lets all others pass.
    """

    next_new: int
    ready: list[tuple[int, int, int]] = field(default_factory=list)
    """A heap of (turn, nack, message); the nack is 0 for what came back by leaving."""
    later: list[tuple[float, int, int]] = field(default_factory=list)
    """A heap of (instant, nack, message): nacked, and not due yet."""
    nacks: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    counts: dict[int, int] = field(default_factory=dict)
    held: dict[str, tuple["_Member", int]] = field(default_factory=dict)
    """By token: who holds which message."""
    bell: Bell = field(default_factory=Bell)


@dataclass(slots=True, eq=False)
class _Space:
    """A namespace. The logs grow for ever: a subscription made at any later time may begin with the first message."""

    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    listeners: dict[str, list["_Listener"]] = field(default_factory=dict)
    logs: dict[str, list[Message]] = field(default_factory=dict)
    durables: dict[tuple[str, str], _Durable] = field(default_factory=dict)


class MemoryPubSub(PubSubBasic, PubSubPersistent):
    """Both interfaces, apart from each other: a plain publish reaches no durable subscription, a persistent one no plain one.

    Buffers have no bound, so ``gaps`` is always 0. A member's end is its leaving or `close`.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(delivery_count="exact")

    def __init__(self, client: MemoryClient, namespace: str) -> None:
        self._spaces: dict[str, _Space] = client.model("pubsub")
        self._clock, self._namespace = client.clock, namespace
        self._entered: dict[_Listener | _Member, None] = {}
        self._closed = False

    def _space(self) -> _Space:
        # Looked up each time, for `clean` drops that of a namespace while drivers of it may live on.
        return self._spaces.get(self._namespace) or self._spaces.setdefault(self._namespace, _Space())

    def _check_open(self, operation: str) -> None:
        if self._closed:
            raise Closed(f"{_ME}: {operation}: the driver is closed")

    async def close(self) -> None:
        """Leave every subscription; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        for entered in list(self._entered):
            self._leave(entered)

    def _leave(self, entered: "_Listener | _Member") -> None:
        self._entered.pop(entered, None)
        entered.leave()

    def _message(self, operation: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None) -> Message:
        self._check_open(operation)
        prism.check_name(topic, operation, _ME)
        data = prism.check_payload(payload, operation, _ME, topic)
        copy = prism.check_headers(headers, operation, _ME)
        return Message(str(next(self._space().ids)), topic, data, copy)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        message = self._message("publish", topic, payload, headers)
        for listener in self._space().listeners.get(topic, ()):
            listener.put(message)
        return message.id

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        self._check_open("subscribe")
        prism.check_name(topic, "subscribe", _ME)
        listener = _Listener(self._space().listeners, topic)
        self._entered[listener] = None
        try:
            yield listener
        finally:
            self._leave(listener)

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        message = self._message("publish_persistent", topic, payload, headers)
        space = self._space()
        space.logs.setdefault(topic, []).append(message)
        for (of, _), durable in space.durables.items():
            if of == topic:
                durable.bell.ring()
        return message.id

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        self._check_open("subscribe_durable")
        prism.check_name(topic, "subscribe_durable", _ME)
        prism.check_name(name, "subscribe_durable: subscription", _ME)
        check_start(start, _ME)
        space = self._space()
        log = space.logs.setdefault(topic, [])
        durable = space.durables.setdefault((topic, name), _Durable(len(log) if start == "new" else 0))
        member = _Member(durable, log, self._clock, space.ids)
        self._entered[member] = None
        try:
            yield member
        finally:
            self._leave(member)

    async def last_message_id(self, topic: str) -> str | None:
        self._check_open("last_message_id")
        prism.check_name(topic, "last_message_id", _ME)
        log = self._space().logs.get(topic)
        return log[-1].id if log else None


class _Listener(Subscription):
    """One plain subscription: a buffer, in which every publish puts the message."""

    def __init__(self, listeners: dict[str, list["_Listener"]], topic: str) -> None:
        self._listeners, self._topic = listeners, topic
        self._buffer: deque[Message] = deque()
        self._bell = Bell()
        self._left = False
        listeners.setdefault(topic, []).append(self)

    def put(self, message: Message) -> None:
        self._buffer.append(message)
        self._bell.ring()

    def leave(self) -> None:
        if self._left:
            return
        self._left = True
        self._buffer.clear()
        others = self._listeners[self._topic]
        others.remove(self)
        if not others:
            del self._listeners[self._topic]
        self._bell.ring()

    def _take(self) -> Message | None:
        if self._left:
            raise Closed(f"{_ME}: receive {self._topic[:40]!a}: the subscription was left")
        return _copy(self._buffer.popleft()) if self._buffer else None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await self._bell.first(self._take, prism.check_timeout(timeout_s, "receive", _ME))

    async def __anext__(self) -> Message:
        try:
            message = await self._bell.first(self._take, None)
        except Closed:
            raise StopAsyncIteration from None
        assert message is not None, "without a timeout there is a message"
        return message

    @property
    def gaps(self) -> int:
        return 0


class _Member(Deliveries):
    """One member of a durable subscription."""

    def __init__(self, durable: _Durable, log: list[Message], clock: prism.Clock, tokens: "itertools.count[int]") -> None:
        self._durable, self._log, self._clock, self._tokens = durable, log, clock, tokens
        self._left = False

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self._check_left("receive")
        most = check_most(max_messages, _ME)
        wait_s = prism.check_timeout(timeout_s, "receive", _ME)
        return await self._durable.bell.first(lambda: self._take(most), wait_s, self._ahead_s) or []

    async def ack(self, *deliveries: Delivery) -> None:
        self._check_left("ack")
        for message in self._let_go(tokens_of(deliveries, "ack", _ME)):
            del self._durable.counts[message]

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self._check_left("nack")
        delay_s = prism.check_timeout(delay_s, "nack", _ME)
        nack = next(self._durable.nacks)
        for message in self._let_go(tokens_of(deliveries, "nack", _ME)):
            if delay_s > 0:
                heapq.heappush(self._durable.later, (self._clock.now_s() + delay_s + _ROUNDING_S, nack, message))
            else:
                heapq.heappush(self._durable.ready, (len(self._log), nack, message))
        self._durable.bell.ring()

    def leave(self) -> None:
        """Give back what is held, each message to its old turn."""
        if self._left:
            return
        self._left = True
        for message in self._let_go(list(self._durable.held)):
            heapq.heappush(self._durable.ready, (message, 0, message))
        self._durable.bell.ring()

    def _check_left(self, operation: str) -> None:
        if self._left:
            raise Closed(f"{_ME}: {operation}: the subscription was left")

    def _let_go(self, tokens: list[str]) -> list[int]:
        """Release what this member holds of these; what it does not hold is passed over."""
        held = self._durable.held
        mine = [token for token in tokens if token in held and held[token][0] is self]
        return [held.pop(token)[1] for token in mine]

    def _ahead_s(self) -> float | None:
        later = self._durable.later
        return max(0.0, later[0][0] - self._clock.now_s()) if later else None

    def _take(self, most: int) -> list[Delivery] | None:
        self._check_left("receive")
        later, now_s = self._durable.later, self._clock.now_s()
        while later and later[0][0] <= now_s:
            _, nack, message = heapq.heappop(later)
            heapq.heappush(self._durable.ready, (len(self._log), nack, message))
        return [self._hold(message) for message in itertools.islice(self._turns(), most)] or None

    def _turns(self) -> Iterator[int]:
        """Take messages off, whose turn it is: of what came back and what is new, the lower number goes first."""
        durable = self._durable
        while durable.ready or durable.next_new < len(self._log):
            if durable.ready and durable.ready[0][0] <= durable.next_new:
                yield heapq.heappop(durable.ready)[2]
            else:
                durable.next_new += 1
                yield durable.next_new - 1

    def _hold(self, message: int) -> Delivery:
        durable, token = self._durable, str(next(self._tokens))
        durable.counts[message] = durable.counts.get(message, 0) + 1
        durable.held[token] = (self, message)
        return Delivery(_copy(self._log[message]), durable.counts[message], token)


def _copy(message: Message) -> Message:
    """Each receiver gets headers of its own, to change as it likes."""
    return replace(message, headers=dict(message.headers))
