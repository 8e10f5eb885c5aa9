"""The publish and subscribe driver of NATS itself, without JetStream: nothing is kept."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

import prism_testkit as prism
from prism_backends.nats.client import FAILURES, NatsClient, translated
from prism_backends.nats.connection import Connection
from prism_backends.nats.envelope import sealed, texts_of
from prism_backends.nats.listening import Listener
from prism_backends.nats.living import LivingNats
from prism_backends.nats.tokens import encoded
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import PubSubBasic, Subscription

__all__ = ["NatsPubSub"]


class NatsPubSub(LivingNats, PubSubBasic):
    """Each topic is a subject. A publish returns when the server has done it; a message is for those who listen then."""

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
        name = self._name("publish", topic)
        data = prism.check_payload(payload, "publish", self.backend_name, topic)
        texts = texts_of(prism.check_headers(headers, "publish", self.backend_name))
        identity = secrets.token_hex(12)
        subject = self._subjects + encoded(name)
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
        subject = self._subjects + encoded(self._name("subscribe", topic))
        listener = Listener(self.client, self.backend_name, subject, topic)
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
