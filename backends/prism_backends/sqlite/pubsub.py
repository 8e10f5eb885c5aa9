"""The publish and subscribe driver: what it takes to publish and to enter; `listening` and `members` have what is entered."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import ClassVar, TypeVar

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.pubsub_arguments import check_start
from prism_backends.pubsub_matching import carries, matches
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.listening import EVERY_TOPIC, Listener, forget_gone_listeners
from prism_backends.sqlite.living import LivingSqlite
from prism_backends.sqlite.members import Member
from prism_backends.sqlite.presence import Presence
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Message, PubSubBasic, PubSubPersistent, Start, Subscription
from prism_testkit.interfaces.pubsub_filtering import PubSubFiltering
from prism_testkit.interfaces.pubsub_ordering import PubSubOrdering
from prism_testkit.interfaces.pubsub_wildcards import PubSubWildcards

__all__ = ["SqlitePubSub"]

E = TypeVar("E", Listener, Member)

_ME = "sqlite"
_LOOK_EACH = 100
"""After so many plain publishes a driver looks whether all who listen still live: what is kept for the dead is bounded."""

_SAY = "INSERT INTO pubsub_messages (namespace, topic, headers, payload) VALUES (:namespace, :topic, :headers, :payload)"
_UNSAY = """DELETE FROM pubsub_messages WHERE seq = :seq AND NOT EXISTS
  (SELECT 1 FROM pubsub_listeners WHERE namespace = :namespace AND topic IN (:topic, x''))"""
_STORE = """INSERT INTO pubsub_log (namespace, topic, key, headers, payload)
  VALUES (:namespace, :topic, :key, :headers, :payload)"""
_LAST = "SELECT max(seq) FROM pubsub_log WHERE namespace = :namespace AND topic = :topic"


class SqlitePubSub(LivingSqlite, PubSubBasic, PubSubWildcards, PubSubPersistent, PubSubFiltering, PubSubOrdering):
    """Plain and durable subscriptions are apart: a plain publish reaches no durable one, a persistent publish no plain one.

    Plain messages are rows until everybody who listened has them, so there are no gaps. Persistent ones stay for ever: a
    subscription made at any later time may begin with the first. Who waits for another process looks every 50 ms.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process", sharing="processes", ack_survives_kill="yes", delivery_count="exact", member_timeout_s=1.0
    )

    def __init__(self, client: SqliteClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace.encode()
        self._presence = Presence(client)
        self._bell: Bell = client.shared.setdefault("sqlite pubsub", Bell())
        self._entered: dict[Listener | Member, None] = {}
        self._published = 0
        self._closed = False

    async def _end(self) -> None:
        """Leave every subscription; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        for entered in list(self._entered):
            await self._leave(entered)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self._message("publish", topic, payload, headers)
        self._published += 1
        look = self._published % _LOOK_EACH == 0
        return await self._publish(f"publish {topic[:40]!a}", partial(self._say, row, look))

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self._message("publish_persistent", topic, payload, headers)
        return await self._publish(f"publish_persistent {topic[:40]!a}", partial(_insert, _STORE, {**row, "key": None}))

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self._message("publish_ordered", topic, payload, headers)
        row["key"] = prism.check_name(ordering_key, "publish_ordered: ordering key", _ME)
        return await self._publish(f"publish_ordered {topic[:40]!a}", partial(_insert, _STORE, row))

    async def _publish(self, what: str, work: "partial[int]") -> str:
        seq = await self._client.write(what, work)
        self._bell.ring()
        return str(seq)

    def _say(self, row: Mapping[str, object], look: bool, connection: sqlite3.Connection, now_s: float) -> int:
        if look:
            forget_gone_listeners(connection, self._namespace, self._presence.name)
        seq = _insert(_SAY, row, connection, now_s)
        connection.execute(_UNSAY, {**row, "seq": seq})
        return seq

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        async with self._listening(self._name("subscribe", topic), topic, lambda message: True) as listener:
            yield listener

    def _listening(self, topic: bytes, what: str, wants: Callable[[Message], bool]) -> AbstractAsyncContextManager[Listener]:
        here = {"namespace": self._namespace, "topic": topic}
        return self._inside(Listener(self._client, self._presence, self._bell, here, what, wants))

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        self._check_open("subscribe_pattern")
        tokens = prism.check_pattern(pattern, "subscribe_pattern", _ME)
        async with self._listening(EVERY_TOPIC, pattern, lambda message: matches(tokens, message.topic)) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        name = self._name("subscribe_filtered", topic)
        asked = prism.check_attributes(attributes, "subscribe_filtered", _ME)
        async with self._listening(name, topic, lambda message: carries(message.headers, asked)) as listener:
            yield listener

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        names = self._name("subscribe_durable", topic), self._name("subscribe_durable: subscription", name)
        new = check_start(start, _ME) == "new"
        async with self._inside(Member(self._client, self._presence, self._bell, self._namespace, topic, names, new)) as member:
            yield member

    async def last_message_id(self, topic: str) -> str | None:
        row = {"namespace": self._namespace, "topic": self._name("last_message_id", topic)}

        def work(connection: sqlite3.Connection, now_s: float) -> int | None:
            last: int | None = connection.execute(_LAST, row).fetchone()[0]
            return last

        last = await self._client.read(f"last_message_id {topic[:40]!a}", work)
        return None if last is None else str(last)

    def _check_open(self, operation: str) -> None:
        if self._closed:
            raise Closed(f"{_ME}: {operation}: the driver is closed")

    def _name(self, operation: str, name: str) -> bytes:
        self._check_open(operation)
        return prism.check_name(name, operation, _ME)

    def _message(self, operation: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None) -> dict[str, object]:
        return {
            "namespace": self._namespace,
            "topic": self._name(operation, topic),
            "payload": prism.check_payload(payload, operation, _ME, topic),
            "headers": json.dumps(prism.check_headers(headers, operation, _ME)),
        }

    @asynccontextmanager
    async def _inside(self, entered: E) -> AsyncIterator[E]:
        self._entered[entered] = None
        try:
            await entered.enter()  # if it is cancelled, leaving comes behind it on the one thread, and undoes what there is
            yield entered
        finally:
            await self._leave(entered)

    async def _leave(self, entered: Listener | Member) -> None:
        self._entered.pop(entered, None)
        await entered.leave()


def _insert(sql: str, row: Mapping[str, object], connection: sqlite3.Connection, now_s: float) -> int:
    seq = connection.execute(sql, row).lastrowid
    assert seq is not None, "an insert has a row"
    return seq
