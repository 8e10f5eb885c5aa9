"""`PostgresPubSub`: what it takes to publish and to enter; `listening` and `members` have what is entered."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.postgres import pubsub_sql as sql
from prism_backends.postgres.client import PostgresClient
from prism_backends.postgres.feed import Channel
from prism_backends.postgres.listening import Listener
from prism_backends.postgres.living import LivingPostgres
from prism_backends.postgres.members import Member
from prism_backends.postgres.presence import MEMBER_TIMEOUT_S, process_of, pubsub_company_of
from prism_backends.postgres.schema import lock_of
from prism_backends.pubsub_arguments import check_start
from prism_testkit.interfaces.errors import Closed, PrismError
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, PubSubBasic, PubSubPersistent, Start, Subscription
from prism_testkit.interfaces.pubsub_filtering import PubSubFiltering
from prism_testkit.interfaces.pubsub_ordering import PubSubOrdering

__all__ = ["PostgresPubSub"]

E = TypeVar("E", Listener, Member)

_ME = "postgres"


class PostgresPubSub(LivingPostgres, PubSubBasic, PubSubPersistent, PubSubFiltering, PubSubOrdering):
    """Plain and durable subscriptions are apart: a plain publish reaches no durable one, a persistent publish no plain one.

    Plain messages are rows until everybody who listened has them. Only one who was taken for dead has gaps, which needs half a
    minute without a sign of life. Persistent messages stay for ever: a subscription made at any later time may begin with the
    first. Who waits is woken by what anybody does, and looks by itself once a second in case it was not told; from the
    first subscription on, the driver hears of what other processes do.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process", ack_survives_kill="yes", delivery_count="exact", member_timeout_s=MEMBER_TIMEOUT_S
    )

    def __init__(self, client: PostgresClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace.encode()
        self._company = pubsub_company_of(client)
        self._bells: MutableMapping[bytes, Bell] = client.shared.setdefault("postgres pubsub", {}).setdefault(
            namespace, WeakValueDictionary()
        )
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def _end(self) -> None:
        """Leave every subscription."""
        self._closed = True
        await self._company.dismiss()
        channel, self._channel = self._channel, None
        if channel is not None:
            await self.client.feed.close(channel)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._publish("publish", sql.SAY, topic, payload, headers)

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._publish("publish_persistent", sql.STORE, topic, payload, headers)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key = self._name("publish_ordered: ordering key", ordering_key)
        return await self._publish("publish_ordered", sql.STORE_ORDERED, topic, payload, headers, key)

    async def _publish(
        self, operation: str, statement: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *key: bytes
    ) -> str:
        name = self._name(operation, topic)
        data = prism.check_payload(payload, operation, _ME, topic)
        texts = json.dumps(prism.check_headers(headers, operation, _ME))
        lock = lock_of("pubsub", self.namespace, name)
        what = f"{_ME}: {operation} {topic[:40]!a}"
        arguments = self.namespace, name, lock, texts, data, process_of(self.client)
        try:
            ((seq, is_heard),) = await self.client.rows(what, statement, *arguments, *key)
        finally:
            self._ring(name)  # also if it was cancelled, for it may have happened
        if is_heard:
            with suppress(PrismError):  # the message is there, and who waits looks by itself
                await self.client.rows(what, sql.NOTIFY, self.namespace, name)
        return str(seq)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        name = self._name("subscribe", topic)
        await self._listen()
        async with _inside(Listener(self.client, self._company, self._bell(name), (self.namespace, name), topic)) as entered:
            yield entered

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        name = self._name("subscribe_filtered", topic)
        asked = prism.check_attributes(attributes, "subscribe_filtered", _ME)
        await self._listen()
        names = self.namespace, name
        async with _inside(Listener(self.client, self._company, self._bell(name), names, topic, asked)) as entered:
            yield entered

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        names = self._name("subscribe_durable", topic), self._name("subscribe_durable: subscription", name)
        is_new = check_start(start, _ME) == "new"
        await self._listen()
        bell = self._bell(names[0])
        async with _inside(Member(self.client, self._company, bell, (self.namespace, *names), topic, is_new)) as entered:
            yield entered

    async def last_message_id(self, topic: str) -> str | None:
        name = self._name("last_message_id", topic)
        last = await self.client.value(f"{_ME}: last_message_id {topic[:40]!a}", sql.LAST, self.namespace, name)
        return None if last is None else str(last)

    async def _listen(self) -> None:
        """Hear from now on of what other processes do."""
        async with self._opening:
            if self._channel is None:
                channel = Channel(f"prism.pubsub.{self.namespace.decode()}", self._hear, self._ring_all)
                await self.client.feed.open(channel, f"{_ME}: subscribe")
                self._channel = channel

    def _hear(self, told: str) -> None:
        self._ring(bytes.fromhex(told))

    def _bell(self, topic: bytes) -> Bell:
        return self._bells.get(topic) or self._bells.setdefault(topic, Bell())

    def _ring(self, topic: bytes) -> None:
        bell = self._bells.get(topic)
        if bell is not None:
            bell.ring()

    def _ring_all(self) -> None:
        for bell in list(self._bells.values()):
            bell.ring()

    def _name(self, operation: str, name: Any) -> bytes:
        if self._closed:
            raise Closed(f"{_ME}: {operation}: the driver is closed")
        return prism.check_name(name, operation, _ME)


@asynccontextmanager
async def _inside(entered: E) -> AsyncIterator[E]:
    try:
        await entered.enter()
        yield entered
    finally:
        await entered.leave()
