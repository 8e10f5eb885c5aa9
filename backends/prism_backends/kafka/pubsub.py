"""`KafkaPubSub`: every interface of publish and subscribe. `listening` has who listens, `holding` who has a name."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

import prism_testkit as prism
from prism_backends.kafka.client import KafkaClient, Stored
from prism_backends.kafka.company import MEMBER_TIMEOUT_S, company_of
from prism_backends.kafka.holding import Holding, Taken
from prism_backends.kafka.listening import Line, Listener
from prism_backends.kafka.living import LivingKafka
from prism_backends.kafka.reading import headers_of, texts_of
from prism_backends.kafka.space import Space
from prism_backends.pubsub_arguments import check_most, check_start, tokens_of
from prism_backends.pubsub_matching import carries, matches
from prism_backends.streamcompany import bell_of
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message, PubSubBasic, PubSubPersistent, Start, Subscription
from prism_testkit.interfaces.pubsub_filtering import PubSubFiltering
from prism_testkit.interfaces.pubsub_ordering import PubSubOrdering
from prism_testkit.interfaces.pubsub_wildcards import PubSubWildcards

__all__ = ["KafkaPubSub"]

_ME = "kafka"


class KafkaPubSub(LivingKafka, PubSubBasic, PubSubWildcards, PubSubPersistent, PubSubFiltering, PubSubOrdering):
    """Plain and durable subscriptions are apart: a plain publish reaches no durable one, a persistent publish no plain one.

    Plain messages of a namespace are in one partition, which everybody who listens reads whole: only so the messages of one
    publisher to several topics come in their order, and what a topic, a pattern or a filter does not want is dropped here. Kafka
    keeps them for an hour, so only one who is behind by more has gaps. Persistent messages have a partition for each topic, and
    stay for ever: a subscription made at any later time may begin with the first. What subscriptions took is in the log of the
    namespace, as it is for groups of `KafkaStream`, and so are the keys of ordered messages that were not acknowledged.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        delivery_count="exact",
        member_timeout_s=MEMBER_TIMEOUT_S,
    )

    def __init__(self, client: KafkaClient, namespace: str) -> None:
        self.client = client
        self._line = Line(client, f"{namespace}-plain")
        self._space = Space(client, f"{namespace}-pubsub")
        self._company = company_of(self._space, f"{_ME}: members of subscriptions")
        self._listeners: dict[Listener, None] = {}

    async def _end(self) -> None:
        """Leave every subscription."""
        for listener in list(self._listeners):
            listener.leave()
        await self._company.dismiss()

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name = prism.check_name(topic, "publish", _ME)
        data = prism.check_payload(payload, "publish", _ME, topic)
        texts = headers_of(prism.check_headers(headers, "publish", _ME))
        return f"p{await self._line.append(_what('publish', topic), name, data, texts)}"

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        name = _name("subscribe", topic)
        async with self._listening(topic, lambda message: message.topic == name) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        tokens = prism.check_pattern(pattern, "subscribe_pattern", _ME)
        async with self._listening(pattern, lambda message: matches(tokens, message.topic)) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        name = _name("subscribe_filtered", topic)
        asked = prism.check_attributes(attributes, "subscribe_filtered", _ME)
        async with self._listening(topic, lambda message: message.topic == name and carries(message.headers, asked)) as listener:
            yield listener

    @asynccontextmanager
    async def _listening(self, what: str, wants: Callable[[Message], bool]) -> AsyncIterator[Subscription]:
        listener = Listener(self._line, what, wants)
        await listener.enter()
        self._listeners[listener] = None
        try:
            yield listener
        finally:
            self._listeners.pop(listener, None)
            listener.leave()

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._store("publish_persistent", topic, payload, headers, None)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key = prism.check_name(ordering_key, "publish_ordered: ordering key", _ME)
        return await self._store("publish_ordered", topic, payload, headers, key)

    async def _store(self, operation: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, key: bytes | None) -> str:
        name = _name(operation, topic)
        data = prism.check_payload(payload, operation, _ME, topic)
        texts = headers_of(prism.check_headers(headers, operation, _ME))
        what = _what(operation, topic)
        (partition,) = (await self._space.stream(what, name)).partitions
        try:
            offset, _ = await self._space.append(what, partition, data, key, texts)
        finally:
            bell_of(self.client.shared, self._space.topic, name).ring()  # also if it was cancelled, for it may have happened
        return str(offset)

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        of, who = _name("subscribe_durable", topic), _name("subscribe_durable: subscription", name)
        is_new = check_start(start, _ME) == "new"
        what = _what("subscribe_durable", topic)
        found = (await self._space.sync(what)).streams.get(of)
        is_there = found is not None and who in found.groups
        positions = await self._space.ends(what, found) if is_new and not is_there else {}
        member = _Member(
            Holding(
                self._space,
                self._company,
                bell_of(self.client.shared, self._space.topic, of),
                (of, who),
                lambda operation: _what(operation, topic),
                _key_of,
                nacks_to_the_end=True,
            )
        )
        await member.holding.enter(positions)
        try:
            yield member
        finally:
            await member.holding.leave()

    async def last_message_id(self, topic: str) -> str | None:
        name = _name("last_message_id", topic)
        what = _what("last_message_id", topic)
        ends = await self._space.ends(what, (await self._space.sync(what)).streams.get(name))
        return next((str(end - 1) for end in ends.values() if end), None)


class _Member(Deliveries):
    """A `Holding`, in the words of durable subscriptions."""

    def __init__(self, holding: Holding) -> None:
        self.holding = holding

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.holding.check_open("receive")
        most = check_most(max_messages, _ME)
        timeout_s = prism.check_timeout(timeout_s, "receive", _ME)
        return [self._delivery(taken) for taken in await self.holding.take(most, timeout_s)]

    async def ack(self, *deliveries: Delivery) -> None:
        self.holding.check_open("ack")
        await self.holding.ack(tokens_of(deliveries, "ack", _ME))

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.holding.check_open("nack")
        delay_s = prism.check_timeout(delay_s, "nack", _ME)
        await self.holding.nack(tokens_of(deliveries, "nack", _ME), delay_s)

    def _delivery(self, taken: Taken) -> Delivery:
        record = taken.record
        message = Message(str(record.offset), self.holding.stream, bytes(record.value), texts_of(record))
        return Delivery(message, taken.count, taken.token)


def _key_of(stored: Stored) -> str | None:
    return None if stored.key is None else bytes(stored.key).decode()


def _name(operation: str, name: str) -> str:
    """Return a legal name as plain text, whatever kind of str it is."""
    return prism.check_name(name, operation, _ME).decode()


def _what(operation: str, name: str) -> str:
    return f"{_ME}: {operation} {name[:40]!a}"
