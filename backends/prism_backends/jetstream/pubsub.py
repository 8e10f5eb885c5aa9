"""`JetStreamPubSub`: plain messages by NATS itself, persistent ones in one stream of the server's for each topic."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import prism_testkit as prism
from prism_backends.jetstream.api import JetStream, Refused, stream_config
from prism_backends.jetstream.holding import MEMBER_TIMEOUT_S, Holding, Taken
from prism_backends.jetstream.living import LivingJetStream
from prism_backends.jetstream.presence import Presence
from prism_backends.nats.client import NatsClient
from prism_backends.nats.envelope import mapping_of, opened, sealed, texts_of
from prism_backends.nats.pubsub import NatsPubSub
from prism_backends.nats.tokens import hashed
from prism_backends.pubsub_arguments import check_most, check_start, tokens_of
from prism_testkit.interfaces.errors import Closed, CorruptPayload, NotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message, PubSubPersistent, Start

__all__ = ["JetStreamPubSub"]


class JetStreamPubSub(LivingJetStream, NatsPubSub, PubSubPersistent):
    """Both interfaces, apart from each other: a plain publish reaches no durable subscription, a persistent one no plain one.

    A durable subscription is a durable consumer. The server writes down some time later what was acknowledged, so after its
    SIGKILL that may come again. Persistent messages stay for ever: a subscription made at any later time may begin with the first.
    """

    backend_name: ClassVar[str] = "jetstream"
    traits: ClassVar[prism.Traits] = prism.Traits(durability="process", member_timeout_s=MEMBER_TIMEOUT_S)

    def __init__(self, client: NatsClient, namespace: str) -> None:
        super().__init__(client, namespace)
        self.server = JetStream(client, self.backend_name)
        self._namespace = namespace
        self._joined: set[Holding] = set()

    async def _end(self) -> None:
        await NatsPubSub._end(self)
        for holding in list(self._joined):
            await holding.leave()

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        at = hashed(self._name("publish_persistent", topic))
        data = prism.check_payload(payload, "publish_persistent", self.backend_name, topic)
        texts = texts_of(prism.check_headers(headers, "publish_persistent", self.backend_name))
        what = self._what("publish_persistent", topic)
        try:
            return str(await self.server.publish(what, self._config(at), self._subject(at), sealed(texts, data)))
        except Refused as error:
            raise self.server.refused(what, error) from error

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        at = hashed(self._name("subscribe_durable", topic))
        who = hashed(self._name("subscribe_durable: subscription", name))
        check_start(start, self.backend_name)
        await self._make(self._what("subscribe_durable", topic), at, who, start)
        member = _Member(self._holding(topic, name, at, who), self.backend_name, topic)
        self._joined.add(member.holding)
        try:
            await member.holding.enter()
            yield member
        finally:
            self._joined.discard(member.holding)
            await member.holding.leave()

    async def last_message_id(self, topic: str) -> str | None:
        at = hashed(self._name("last_message_id", topic))
        found = await self.server.info(self._what("last_message_id", topic), self._config(at)["name"])
        last = found["state"]["last_seq"] if found is not None else 0
        return str(last) if last else None

    async def _make(self, what: str, at: str, who: str, start: Start) -> None:
        """Make the subscription if there is none."""
        config = self._config(at)
        if await self.server.consumer(what, f"{config['name']}.{who}") is not None:
            return
        await self.server.make(what, config)
        first = 1
        if start == "new":
            found = await self.server.info(what, config["name"])
            first = found["state"]["last_seq"] + 1 if found is not None else 1
        await self.server.make_consumer(what, config["name"], who, first)

    def _holding(self, topic: str, name: str, at: str, who: str) -> Holding:
        presence = Presence(
            self.server, self._what("subscribe_durable", topic), self._namespace, f"{at}.{who}", secrets.token_hex(8)
        )
        return Holding(
            self.server,
            self._config(at)["name"],
            who,
            lambda operation: f"{self._what(operation, topic)}: subscription {name[:40]!a}",
            lambda operation: NotFound(f"{self._what(operation, topic)}: there is no subscription {name[:40]!a} any more"),
            presence,
        )

    def _subject(self, at: str) -> str:
        return f"{self._namespace}.topic.{at}"

    def _config(self, at: str) -> dict[str, Any]:
        return stream_config(f"{self._namespace}_topic_{at}", self._subject(at))

    def _what(self, operation: str, topic: str) -> str:
        return f"{self.backend_name}: {operation} {topic[:40]!a}"


class _Member(Deliveries):
    """A holding, in the words of durable subscriptions."""

    def __init__(self, holding: Holding, backend: str, topic: str) -> None:
        self.holding, self._backend, self._topic = holding, backend, topic

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self._check_open("receive")
        most = check_most(max_messages, self._backend)
        timeout_s = prism.check_timeout(timeout_s, "receive", self._backend)
        return [self._delivery(taken) for taken in await self.holding.take(most, timeout_s)]

    async def ack(self, *deliveries: Delivery) -> None:
        self._check_open("ack")
        await self.holding.ack(tokens_of(deliveries, "ack", self._backend))  # what is not held is left alone

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self._check_open("nack")
        delay_s = prism.check_timeout(delay_s, "nack", self._backend)
        await self.holding.nack(tokens_of(deliveries, "nack", self._backend), delay_s)

    def _check_open(self, operation: str) -> None:
        if not self.holding.is_open:
            raise Closed(f"{self._backend}: {operation} {self._topic[:40]!a}: the subscription was left")

    def _delivery(self, taken: Taken) -> Delivery:
        try:
            texts, payload = opened(taken.data)
            headers = mapping_of(texts)
        except ValueError as error:
            raise CorruptPayload(f"{self._backend}: receive {self._topic[:40]!a}: message {taken.sequence}: {error}") from error
        return Delivery(Message(str(taken.sequence), self._topic, payload, headers), taken.count, taken.token)
