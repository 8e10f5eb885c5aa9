"""Publish and subscribe in plain Python objects: `listening` has who listens, `members` who has a name.

No method waits except a receive, so on one event loop each call is one atomic step.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import prism_testkit as prism
from prism_backends.living import Living
from prism_backends.memory.client import MemoryClient
from prism_backends.memory.listening import Audience, Listener
from prism_backends.memory.members import Durable, Member, TopicLog
from prism_backends.pubsub_arguments import check_start
from prism_backends.pubsub_matching import carries, matches
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Message, PubSubBasic, PubSubPersistent, Start, Subscription
from prism_testkit.interfaces.pubsub_filtering import PubSubFiltering
from prism_testkit.interfaces.pubsub_ordering import PubSubOrdering
from prism_testkit.interfaces.pubsub_wildcards import PubSubWildcards

__all__ = ["MemoryPubSub"]

_ME = "memory"


@dataclass(slots=True, eq=False)
class _Space:
    """A namespace."""

    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    audience: Audience = field(default_factory=Audience)
    logs: dict[str, TopicLog] = field(default_factory=dict)
    durables: dict[tuple[str, str], Durable] = field(default_factory=dict)


class MemoryPubSub(Living, PubSubBasic, PubSubWildcards, PubSubPersistent, PubSubFiltering, PubSubOrdering):
    """Plain and durable subscriptions are apart: a plain publish reaches no durable one, a persistent publish no plain one.

    Buffers have no bound, so ``gaps`` is always 0. A member's end is its leaving or `close`.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(delivery_count="exact")

    def __init__(self, client: MemoryClient, namespace: str) -> None:
        self._spaces: dict[str, _Space] = client.model("pubsub")
        self._clock, self._namespace = client.clock, namespace
        self._entered: dict[Listener | Member, None] = {}
        self._closed = False

    def _space(self) -> _Space:
        # Looked up each time, for `clean` drops that of a namespace while drivers of it may live on.
        return self._spaces.get(self._namespace) or self._spaces.setdefault(self._namespace, _Space())

    def _check_open(self, operation: str) -> None:
        if self._closed:
            raise Closed(f"{_ME}: {operation}: the driver is closed")

    async def _end(self) -> None:
        """Leave every subscription; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        for entered in list(self._entered):
            self._leave(entered)

    def _leave(self, entered: Listener | Member) -> None:
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
        for listener in self._space().audience.of(topic):
            listener.put(message)
        return message.id

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        self._check_open("subscribe")
        prism.check_name(topic, "subscribe", _ME)
        async with self._listening(topic, topic, lambda message: True) as listener:
            yield listener

    @asynccontextmanager
    async def _listening(self, topic: str | None, what: str, wants: Callable[[Message], bool]) -> AsyncIterator[Subscription]:
        listener = Listener(self._space().audience, topic, what, wants)
        self._entered[listener] = None
        try:
            yield listener
        finally:
            self._leave(listener)

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        self._check_open("subscribe_pattern")
        tokens = prism.check_pattern(pattern, "subscribe_pattern", _ME)
        async with self._listening(None, pattern, lambda message: matches(tokens, message.topic)) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        self._check_open("subscribe_filtered")
        prism.check_name(topic, "subscribe_filtered", _ME)
        asked = prism.check_attributes(attributes, "subscribe_filtered", _ME)
        async with self._listening(topic, topic, lambda message: carries(message.headers, asked)) as listener:
            yield listener

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self._store(self._message("publish_persistent", topic, payload, headers), None)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self._check_open("publish_ordered")
        prism.check_name(ordering_key, "publish_ordered: ordering key", _ME)
        return self._store(self._message("publish_ordered", topic, payload, headers), ordering_key)

    def _store(self, message: Message, ordering_key: str | None) -> str:
        space = self._space()
        space.logs.setdefault(message.topic, TopicLog()).add(message, ordering_key)
        for (topic, _), durable in space.durables.items():
            if topic == message.topic:
                durable.bell.ring()
        return message.id

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        self._check_open("subscribe_durable")
        prism.check_name(topic, "subscribe_durable", _ME)
        prism.check_name(name, "subscribe_durable: subscription", _ME)
        check_start(start, _ME)
        space = self._space()
        log = space.logs.setdefault(topic, TopicLog())
        durable = space.durables.setdefault((topic, name), Durable(len(log) if start == "new" else 0))
        member = Member(durable, log, self._clock, space.ids)
        self._entered[member] = None
        try:
            yield member
        finally:
            self._leave(member)

    async def last_message_id(self, topic: str) -> str | None:
        self._check_open("last_message_id")
        prism.check_name(topic, "last_message_id", _ME)
        log = self._space().logs.get(topic)
        return log.messages[-1].id if log else None
