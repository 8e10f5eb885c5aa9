"""The publish and subscribe driver of NATS itself, without JetStream: nothing is kept."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import ClassVar

from nats.aio.msg import Msg

import prism_testkit as prism
from prism_backends.nats.client import FAILURES, NatsClient, translated
from prism_backends.nats.connection import Connection
from prism_backends.nats.envelope import mapping_of, opened, sealed, texts_of
from prism_backends.nats.listening import Listener
from prism_backends.nats.living import LivingNats
from prism_backends.nats.tokens import pattern_of, tokens_of, topic_of
from prism_backends.pubsub_matching import carries
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Message, PubSubBasic, Subscription
from prism_testkit.interfaces.pubsub_filtering import PubSubFiltering
from prism_testkit.interfaces.pubsub_wildcards import PubSubWildcards

__all__ = ["NatsPubSub"]


class NatsPubSub(LivingNats, PubSubBasic, PubSubWildcards, PubSubFiltering):
    """Each topic is a subject, of as many tokens, so patterns are the server's; attributes are compared here.

    A publish returns when the server has done it; a message is for those who listen then.
    """

    backend_name: ClassVar[str] = "nats"
    traits: ClassVar[prism.Traits] = prism.Traits()

    def __init__(self, client: NatsClient, namespace: str) -> None:
        self.client = client
        self._subjects = f"{namespace}.plain."
        self._entered: dict[Listener, None] = {}

    async def _end(self) -> None:
        """Leave every subscription."""
        for listener in list(self._entered):
            await self._leave(listener)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self._name("publish", topic)
        data = prism.check_payload(payload, "publish", self.backend_name, topic)
        texts = texts_of(prism.check_headers(headers, "publish", self.backend_name))
        identity = secrets.token_hex(12)
        subject = self._subjects + tokens_of(topic)
        envelope = sealed([identity, *texts], data)

        async def do(connection: Connection) -> None:
            await connection.send(subject, envelope)
            await connection.sync()

        try:
            await self.client.call(do)
        except FAILURES as error:
            raise translated(error, f"{self.backend_name}: publish {topic[:40]!a}") from error
        return identity

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        self._name("subscribe", topic)
        async with self._listening(self._subjects + tokens_of(topic), topic) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        tokens = prism.check_pattern(pattern, "subscribe_pattern", self.backend_name)
        async with self._listening(self._subjects + pattern_of(tokens), pattern) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        self._name("subscribe_filtered", topic)
        wanted = prism.check_attributes(attributes, "subscribe_filtered", self.backend_name)
        async with self._listening(self._subjects + tokens_of(topic), topic, wanted) as listener:
            yield listener

    @asynccontextmanager
    async def _listening(self, subject: str, to: str, wanted: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Listener]:
        def read(message: Msg) -> Message | None:
            (identity, *texts), payload = opened(message.data)
            headers = mapping_of(texts)
            topic = topic_of(message.subject.removeprefix(self._subjects))
            return Message(identity, topic, payload, headers) if carries(headers, wanted) else None

        listener = Listener(self.client, self.backend_name, subject, f"{to[:40]!a}", read)
        self._entered[listener] = None
        try:
            await listener.enter()
            yield listener
        finally:
            await self._leave(listener)

    async def _leave(self, listener: Listener) -> None:
        self._entered.pop(listener, None)
        await listener.leave()

    def _name(self, operation: str, name: str) -> bytes:
        return prism.check_name(name, operation, self.backend_name)
