"""The broker of the zoo: all that clients send stands in one line, and is done frame by frame.

What is durable is the sum of its records: in memory, or in a journal that is read again after a kill.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from prism_testkit.backend import Place
from tests.zoo.family import Log

from .history_cursor import Cursor, Grant, Row, Topic
from .history_tree import Leaf, Tree
from .history_wire import Codec, Parser

__all__ = ["Broker", "Client", "Connect", "JournalBroker", "clean", "connector"]

_Frame: TypeAlias = list[Any]


class Client:
    """The broker's end of a connection, and the line back to it."""

    def __init__(self, broker: "Broker") -> None:
        self.broker = broker
        self.parser = Parser(broker.codec)
        self.answer: Callable[[bytes], None] = self.feed
        self.members: dict[int, Cursor] = {}
        self.leaves: dict[int, Leaf] = {}

    def send(self, *fields: Any) -> None:
        """Send a frame to the client."""
        for chunk in self.parser.cut(self.broker.codec.pack(*fields)):
            self.answer(chunk)

    def feed(self, chunk: bytes) -> None:
        """Take a chunk that the client sent."""
        for frame in self.parser.feed(chunk):
            self.broker.line.append((self, frame))
        asyncio.get_running_loop().call_soon(self.broker.work)


class Broker:
    """The broker of one place."""

    codec_type: type[Codec] = Codec
    tree_type: type[Tree] = Tree
    cursor_type: type[Cursor] = Cursor
    topic_type: type[Topic] = Topic

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.codec = self.codec_type()
        self.line: deque[tuple[Client, _Frame]] = deque()
        self.tree = self.tree_type()
        self.topics: dict[tuple[str, str], Topic] = {}
        self.cursors: dict[tuple[str, str, str], Cursor] = {}
        self.clients: dict[int, Client] = {}
        self.run = secrets.token_hex(4)
        self.serial = 0

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def work(self) -> None:
        """Do what stands in line."""
        self.catch_up()
        while self.line:
            client, (verb, number, *fields) = self.line.popleft()
            answer = getattr(self, f"on_{verb}")(client, number, *fields)
            client.send("done", number, answer)

    # Records

    def catch_up(self) -> None:
        """Apply what others have recorded."""

    def commit(self, *record: Any) -> None:
        """Record a change, and make it."""
        self.apply(*record)

    def apply(self, verb: str, *fields: Any) -> None:
        getattr(self, f"apply_{verb}")(*fields)

    def topic(self, namespace: str, name: str) -> Topic:
        return self.topics.setdefault((namespace, name), self.topic_type())

    def apply_message(self, namespace: str, topic: str, row: Row) -> None:
        self.topic(namespace, topic).add(row)

    def apply_cursor(self, namespace: str, topic: str, name: str, start: int) -> None:
        self.cursors[namespace, topic, name] = self.cursor_type(self.topic(namespace, topic), name, start)

    def apply_counted(self, namespace: str, topic: str, name: str, places: list[int]) -> None:
        self.cursors[namespace, topic, name].count(places)

    def apply_acked(self, namespace: str, topic: str, name: str, places: list[int]) -> None:
        self.cursors[namespace, topic, name].ack(places)

    def apply_clean(self, prefix: str) -> None:
        self.topics = {key: topic for key, topic in self.topics.items() if not key[0].startswith(prefix)}
        self.cursors = {key: cursor for key, cursor in self.cursors.items() if not key[0].startswith(prefix)}

    # Plain

    def on_subscribe(
        self, client: Client, number: int, namespace: str, topic: str, is_pattern: int, attributes: Mapping[str, str]
    ) -> None:
        leaf = Leaf(client, number, namespace, topic, bool(is_pattern), attributes)
        client.leaves[number] = leaf
        self.tree.add(leaf)

    def on_unsubscribe(self, client: Client, _number: int, subscription: int) -> None:
        leaf = client.leaves.pop(subscription, None)
        if leaf is not None:
            self.tree.remove(leaf)

    def on_publish(
        self, _client: Client, _number: int, namespace: str, topic: str, payload: bytes, headers: Mapping[str, str]
    ) -> str:
        identifier = self.new_id(topic)
        for leaf in self.concerned(namespace, topic, headers):
            leaf.client.send("message", leaf.number, identifier, topic, payload, headers)
        return identifier

    def new_id(self, topic: str) -> str:
        return f"{self.run}-{self.number()}"

    def concerned(self, namespace: str, topic: str, headers: Mapping[str, str]) -> Iterable[Leaf]:
        return [leaf for leaf in self.tree.matches(namespace, topic) if self.wants(leaf.attributes, headers)]

    def wants(self, attributes: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return all(self.carries(headers, name, value) for name, value in attributes.items())

    def carries(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and headers[name] == value

    # Durable

    def on_store(
        self,
        _client: Client,
        _number: int,
        namespace: str,
        topic: str,
        key: str | None,
        payload: bytes,
        headers: Mapping[str, str],
    ) -> str:
        place = len(self.topic(namespace, topic).rows) + 1
        self.commit("message", namespace, topic, Row(place, f"s{place}", key, payload, headers))
        for cursor in self.cursors_of(namespace, topic):
            self.wake(cursor)
        return f"s{place}"

    def cursors_of(self, namespace: str, topic: str) -> list[Cursor]:
        return [cursor for key, cursor in self.cursors.items() if key[:2] == (namespace, topic)]

    def on_last(self, _client: Client, _number: int, namespace: str, topic: str) -> str | None:
        return self.topic(namespace, topic).last

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        key = namespace, topic, name
        if key not in self.cursors:
            self.commit("cursor", *key, self.first(self.topic(namespace, topic), start))
        client.members[number] = self.cursors[key]
        self.clients[number] = client

    def first(self, topic: Topic, start: str) -> int:
        return 0 if start == "earliest" else len(topic.rows)

    def key_of(self, cursor: Cursor) -> tuple[str, str, str]:
        return next(key for key, found in self.cursors.items() if found is cursor)

    def on_leave(self, client: Client, _number: int, member: int) -> None:
        self.clients.pop(member, None)
        cursor = client.members.pop(member, None)
        if cursor is not None:
            cursor.waiting.discard(member)
            self.release(cursor, cursor.held_by(member), 0.0)

    def on_pull(self, client: Client, number: int, member: int, amount: int) -> list[Any]:
        """Answer with deliveries, or with the instant from which there may be one."""
        cursor = client.members.get(member)
        if cursor is None or not self.is_kept(cursor):
            return [None, []]
        now = self.clock.now_s()
        places = cursor.take(amount, member, now)
        if not places:
            cursor.waiting.add(member)
            return [cursor.next_due(now), []]
        self.commit("counted", *self.key_of(cursor), places)
        return [None, [self.granted(cursor, place, member, number) for place in places]]

    def is_kept(self, cursor: Cursor) -> bool:
        return any(found is cursor for found in self.cursors.values())

    def granted(self, cursor: Cursor, place: int, member: int, pull: int) -> list[Any]:
        token = str(self.number())
        cursor.grant(place, member, pull, token)
        row = cursor.topic.row(place)
        return [row.id, row.payload, row.headers, cursor.counts[place], token]

    def on_drop(self, client: Client, _number: int, member: int, pull: int) -> None:
        """Nobody waits for that pull any more: it took nothing."""
        cursor = client.members.get(member)
        if cursor is not None:
            self.release(cursor, cursor.held_by(member, pull), 0.0)

    def on_ack(self, client: Client, _number: int, member: int, tokens: list[str]) -> None:
        cursor = client.members.get(member)
        grants = self.held(cursor, member, tokens)
        if cursor is not None and grants:
            self.commit("acked", *self.key_of(cursor), [grant.place for grant in grants])
            for grant in grants:
                del cursor.grants[grant.token]
            self.wake(cursor)

    def held(self, cursor: Cursor | None, member: int, tokens: list[str]) -> list[Grant]:
        if cursor is None or not self.is_kept(cursor):
            return []
        return [grant for token in dict.fromkeys(tokens) if (grant := cursor.held(member, token)) is not None]

    def on_nack(self, client: Client, _number: int, member: int, tokens: list[str], delay_s: float) -> None:
        cursor = client.members.get(member)
        grants = self.held(cursor, member, tokens)
        if cursor is not None and grants:
            self.release(cursor, grants, self.instant(delay_s))

    def instant(self, delay_s: float) -> float:
        """Return the end of a delay; a microsecond is added, for floats round to less than that."""
        return self.clock.now_s() + delay_s + 1e-6 if delay_s > 0 else 0.0

    def release(self, cursor: Cursor, grants: list[Grant], due: float) -> None:
        cursor.give_back(grants, due)
        self.wake(cursor)

    def wake(self, cursor: Cursor) -> None:
        """Tell all members that wait to ask again."""
        waiting, cursor.waiting = cursor.waiting, set()
        for member in waiting:
            if member in self.clients:
                self.clients[member].send("wake", member)


class JournalBroker(Broker):
    """A broker whose records are written down before they are answered."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.log = Log(place.directory / "broker.journal")
        self.catch_up()

    def catch_up(self) -> None:
        for record in self.log.unread():
            self.apply(*record)

    def commit(self, *record: Any) -> None:
        self.log.append(record)
        super().commit(*record)


Connect: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Broker]]


def connector(broker_type: type[Broker]) -> Connect:
    """Return a ``connect`` that keeps one broker for a place; each driver makes a connection of its own."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Broker]:
        yield place.shared.get("broker") or place.shared.setdefault("broker", broker_type(place))

    return connect


async def clean(broker: Broker, prefix: str) -> None:
    broker.catch_up()
    broker.commit("clean", prefix)
