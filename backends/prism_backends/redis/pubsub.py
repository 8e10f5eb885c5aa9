"""The publish and subscribe driver: what it takes to publish and to enter; `listening` and `members` have what is entered."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.pubsub_arguments import check_start
from prism_backends.redis.client import RedisClient, model_prefix, translated
from prism_backends.redis.envelope import sealed
from prism_backends.redis.listening import Listener
from prism_backends.redis.living import LivingRedis
from prism_backends.redis.members import MEMBER_TIMEOUT_S, Member
from prism_backends.redis.pubsub_scripts import PUBLISH
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, PubSubBasic, PubSubPersistent, Start, Subscription

__all__ = ["RedisPubSub"]

_KINDS = (b"state", b"ready", b"later", b"held", b"counts", b"members")


class RedisPubSub(LivingRedis, PubSubBasic, PubSubPersistent):
    """Both interfaces, apart from each other: a plain publish reaches no durable subscription, a persistent one no plain one.

    Each subscription, and each member, has a connection of its own, on which the server tells what there is. Persistent messages
    stay for ever: a subscription made at any later time may begin with the first.
    """

    backend_name: ClassVar[str] = "redis"
    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process", ack_survives_kill="yes", delivery_count="exact", member_timeout_s=MEMBER_TIMEOUT_S
    )

    def __init__(self, client: RedisClient, namespace: str) -> None:
        self.client = client
        self._prefix = model_prefix(namespace, "pubsub")
        self._entered: dict[Listener | Member, None] = {}
        self._closed = False

    async def _end(self) -> None:
        """Leave every subscription; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        for entered in list(self._entered):
            await self._leave(entered)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        channel, data, about = self._message("publish", topic, payload, headers)
        about["id"] = secrets.token_hex(12)
        await self._call("publish", topic, "PUBLISH", self._prefix + b"plain:" + channel, sealed(about, data))
        return str(about["id"])

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        channel = self._prefix + b"plain:" + self._name("subscribe", topic)
        listener = Listener(self.client, self.backend_name, channel, topic)
        async with self._inside(listener, listener.enter()):
            yield listener

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name, data, about = self._message("publish_persistent", topic, payload, headers)
        envelope = sealed(about, data)
        command = ("EVALSHA", PUBLISH, 1, self._log(name), self._wake(name), envelope)
        return str(await self._call("publish_persistent", topic, *command))

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        of = self._name("subscribe_durable", topic)
        who = self._name("subscribe_durable: subscription", name)
        check_start(start, self.backend_name)
        # The length tells where the topic ends.
        keys = [self._log(of), *(self._prefix + b"%s:%d:" % (kind, len(of)) + of + who for kind in _KINDS)]
        member = Member(self.client, self.backend_name, topic, self._call, keys, self._wake(of))
        async with self._inside(member, member.enter(start)):
            yield member

    async def last_message_id(self, topic: str) -> str | None:
        last = await self._call("last_message_id", topic, "HLEN", self._log(self._name("last_message_id", topic)))
        return str(last) if last else None

    def _log(self, topic: bytes) -> bytes:
        return self._prefix + b"log:" + topic

    def _wake(self, topic: bytes) -> bytes:
        return self._prefix + b"wake:" + topic

    def _name(self, operation: str, name: str) -> bytes:
        if self._closed:
            raise Closed(f"{self.backend_name}: {operation}: the driver is closed")
        return prism.check_name(name, operation, self.backend_name)

    def _message(
        self, operation: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None
    ) -> tuple[bytes, bytes, dict[str, Any]]:
        name = self._name(operation, topic)
        data = prism.check_payload(payload, operation, self.backend_name, topic)
        return name, data, {"headers": prism.check_headers(headers, operation, self.backend_name)}

    @asynccontextmanager
    async def _inside(self, entered: Listener | Member, entering: Awaitable[None]) -> AsyncIterator[None]:
        self._entered[entered] = None
        try:
            await entering
            yield
        finally:
            await self._leave(entered)

    async def _leave(self, entered: Listener | Member) -> None:
        self._entered.pop(entered, None)
        await entered.leave()

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        try:
            return await self.client.execute_command(*command)
        except (native.RedisError, OSError) as error:
            raise translated(error, f"{self.backend_name}: {operation} {name[:40]!a}") from error
