"""The publish and subscribe driver: what it takes to publish and to enter; `listening` and `members` have what is entered."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.pubsub_arguments import check_start
from prism_backends.pubsub_matching import carries, matches
from prism_backends.redis.client import RedisClient, model_prefix, translated
from prism_backends.redis.envelope import sealed
from prism_backends.redis.globs import glob_of
from prism_backends.redis.listening import Listener
from prism_backends.redis.living import LivingRedis
from prism_backends.redis.members import MEMBER_TIMEOUT_S, Member
from prism_backends.redis.pubsub_scripts import PUBLISH
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Message, PubSubBasic, PubSubPersistent, Start, Subscription
from prism_testkit.interfaces.pubsub_filtering import PubSubFiltering
from prism_testkit.interfaces.pubsub_ordering import PubSubOrdering
from prism_testkit.interfaces.pubsub_wildcards import PubSubWildcards

__all__ = ["RedisPubSub"]

_KINDS = (b"state", b"ready", b"later", b"held", b"counts", b"behind", b"members")


class RedisPubSub(LivingRedis, PubSubBasic, PubSubWildcards, PubSubPersistent, PubSubFiltering, PubSubOrdering):
    """Plain and durable subscriptions are apart: a plain publish reaches no durable one, a persistent publish no plain one.

    What a pattern or a filter does not want is dropped here: the server sends a subscription every message of its topic, or all
    whose topic begins as its pattern does before the first wildcard. Each subscription, and each member, has a connection of its
    own, on which the server tells what there is. Persistent messages stay for ever: a subscription made at any later time may
    begin with the first.
    """

    backend_name: ClassVar[str] = "redis"
    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process", ack_survives_kill="yes", delivery_count="exact", member_timeout_s=MEMBER_TIMEOUT_S
    )

    def __init__(self, client: RedisClient, namespace: str) -> None:
        self.client = client
        self._prefix = model_prefix(namespace, "pubsub")
        self._channels = self._prefix + b"plain:"
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
        await self._call("publish", topic, "PUBLISH", self._channels + channel, sealed(about, data))
        return str(about["id"])

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        channel = self._channels + self._name("subscribe", topic)
        async with self._listening(("SUBSCRIBE", channel), topic, lambda message: True) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        self._check_open("subscribe_pattern")
        tokens = prism.check_pattern(pattern, "subscribe_pattern", self.backend_name)
        glob = glob_of(self._channels, tokens)
        async with self._listening(("PSUBSCRIBE", glob), pattern, lambda message: matches(tokens, message.topic)) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        channel = self._channels + self._name("subscribe_filtered", topic)
        asked = prism.check_attributes(attributes, "subscribe_filtered", self.backend_name)
        async with self._listening(("SUBSCRIBE", channel), topic, lambda message: carries(message.headers, asked)) as listener:
            yield listener

    @asynccontextmanager
    async def _listening(
        self, channel: tuple[Literal["SUBSCRIBE", "PSUBSCRIBE"], bytes], what: str, wants: Callable[[Message], bool]
    ) -> AsyncIterator[Listener]:
        listener = Listener(self.client, self.backend_name, self._channels, channel, what, wants)
        async with self._inside(listener, listener.enter()):
            yield listener

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._store("publish_persistent", topic, payload, headers)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self._check_open("publish_ordered")
        key = prism.check_name(ordering_key, "publish_ordered: ordering key", self.backend_name)
        return await self._store("publish_ordered", topic, payload, headers, key)

    async def _store(self, operation: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *key: bytes) -> str:
        name, data, about = self._message(operation, topic, payload, headers)
        command = ("EVALSHA", PUBLISH, 2, *self._log(name), self._wake(name), sealed(about, data), *key)
        return str(await self._call(operation, topic, *command))

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        of = self._name("subscribe_durable", topic)
        who = self._name("subscribe_durable: subscription", name)
        check_start(start, self.backend_name)
        # The length tells where the topic ends.
        keys = [*self._log(of), *(self._prefix + b"%s:%d:" % (kind, len(of)) + of + who for kind in _KINDS)]
        member = Member(self.client, self.backend_name, topic, self._call, keys, self._wake(of))
        async with self._inside(member, member.enter(start)):
            yield member

    async def last_message_id(self, topic: str) -> str | None:
        last = await self._call("last_message_id", topic, "HLEN", self._log(self._name("last_message_id", topic))[0])
        return str(last) if last else None

    def _log(self, topic: bytes) -> tuple[bytes, bytes]:
        return self._prefix + b"log:" + topic, self._prefix + b"chain:" + topic

    def _wake(self, topic: bytes) -> bytes:
        return self._prefix + b"wake:" + topic

    def _check_open(self, operation: str) -> None:
        if self._closed:
            raise Closed(f"{self.backend_name}: {operation}: the driver is closed")

    def _name(self, operation: str, name: str) -> bytes:
        self._check_open(operation)
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
