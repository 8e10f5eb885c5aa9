"""Pub/sub over tables of SQLite, in memory or in a file: every driver has a clerk, a task with a mailbox, who alone asks them.

A plain publish puts a row into the mail of every listener it concerns. A durable subscription is a row that says where it began,
and a state for each message that it delivered.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
    Deliveries,
    Delivery,
    Message,
    PubSubBasic,
    PubSubFiltering,
    PubSubOrdering,
    PubSubPersistent,
    PubSubWildcards,
    Start,
    Subscription,
)
from prism_testkit.naming import (
    check_attributes,
    check_headers,
    check_name,
    check_pattern,
    check_payload,
    check_seconds,
    check_timeout,
)
from prism_testkit.traits import Traits

from .independent_office import TAKE, Clerk, Office, wait_for

__all__ = ["Addressee", "Box", "FilePost", "MemoryPost", "Post", "post_backend"]

ME = "post"


def shown(number: str, topic: str, payload: bytes, headers: str) -> Message:
    return Message(number, topic, payload, json.loads(headers))


class Box(Subscription):
    """A plain subscription: the mail of a listener."""

    def __init__(self, post: "Post", number: int) -> None:
        self.post = post
        self.office = post.office
        self.number = number
        self.turn = asyncio.Lock()

    def check_here(self) -> None:
        if self.number not in self.office.listeners:
            raise Closed(f"{ME}: receive: the subscription was left")

    def take(self) -> tuple[Any, ...] | None:
        self.check_here()
        row: tuple[Any, ...] | None = self.office.db.execute(
            "DELETE FROM mail WHERE n = (SELECT min(n) FROM mail WHERE listener = ?) RETURNING *", (self.number,)
        ).fetchone()
        return row

    def undo(self, row: tuple[Any, ...] | None) -> None:
        if row is not None:
            self.office.db.execute("INSERT INTO mail VALUES (?, ?, ?, ?, ?, ?)", row)
            self.office.ring()

    async def next(self, end: float | None) -> Message | None:
        while True:
            with self.office.noticing() as noticed:
                async with self.turn:
                    self.check_here()
                    row = await self.post.clerk.ask(self.take, self.undo)
                if row is not None:
                    return shown(*row[2:])
                remaining = None if end is None else end - self.office.clock.now_s()
                if remaining is not None and remaining <= 0:
                    return None
                await wait_for(noticed, remaining)

    async def receive(self, timeout_s: float = 0) -> Message | None:
        end = self.office.clock.now_s() + check_timeout(timeout_s, "receive", ME)
        self.check_here()
        return await self.next(end)

    async def __anext__(self) -> Message:
        try:
            message = await self.next(None)
        except Closed:
            raise StopAsyncIteration from None
        assert message is not None
        return message

    @property
    def gaps(self) -> int:
        return 0


class Addressee(Deliveries):
    """A member of a durable subscription."""

    def __init__(self, post: "Post", topic: str, sub: int, since: int, number: int) -> None:
        self.post = post
        self.office = post.office
        self.topic = topic
        self.sub = sub
        self.since = since
        self.number = number
        self.turn = asyncio.Lock()

    def check_here(self, operation: str) -> None:
        if self.number not in self.office.members:
            raise Closed(f"{ME}: {operation}: the subscription was left")

    statement = TAKE

    def take(self, most: int) -> list[Delivery]:
        self.check_here("receive")
        asked = {"sub": self.sub, "ns": self.post.namespace, "topic": self.topic.encode(), "since": self.since, "most": most}
        asked["now"] = self.office.clock.now_s()
        taken = []
        rows = self.office.db.execute(self.statement, asked).fetchall()
        if rows:
            with self.office.transaction() as db:
                for seq, payload, headers, count in rows:
                    db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, 0, 0)", (self.sub, seq, self.number, count + 1))
                    message = shown(str(seq), self.topic, payload, headers)
                    taken.append(Delivery(message, count + 1, f"{self.sub}:{self.number}:{seq}:{count + 1}"))
        return taken

    def undo(self, taken: list[Delivery]) -> None:
        if taken:
            with self.office.transaction() as db:
                for delivery in taken:
                    seq = int(delivery.message.id)
                    db.execute(
                        "UPDATE state SET member = NULL, count = count - 1 WHERE sub = ? AND seq = ? AND member = ?",
                        (self.sub, seq, self.number),
                    )

    def next_due(self) -> float | None:
        (due,) = self.office.db.execute(
            "SELECT min(due) FROM state WHERE sub = ? AND member IS NULL AND NOT acked AND due > ?",
            (self.sub, self.office.clock.now_s()),
        ).fetchone()
        return None if due is None else float(due)

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        if max_messages < 1:
            raise ValueError(f"{ME}: receive: max_messages={max_messages} is below 1")
        end = self.office.clock.now_s() + check_timeout(timeout_s, "receive", ME)
        while True:
            with self.office.noticing() as noticed:
                async with self.turn:
                    self.check_here("receive")
                    taken = await self.post.clerk.ask(lambda: self.take(min(max_messages, 10_000)), self.undo)
                now = self.office.clock.now_s()
                if taken or now >= end:
                    return taken
                due = self.next_due()
                await wait_for(noticed, (end if due is None else min(end, due)) - now)

    def check_deliveries(self, deliveries: tuple[Delivery, ...]) -> None:
        for delivery in deliveries:
            if not isinstance(delivery, Delivery):
                raise TypeError(f"{ME}: a delivery is expected, not {type(delivery).__name__}")

    def settle(self, deliveries: tuple[Delivery, ...], change: str, *values: float) -> None:
        """Change the state of what is held by these deliveries; of the rest, `Conflict` if it is still to be confirmed."""
        self.check_here("ack or nack")
        stale = []
        with self.office.transaction() as db:
            for delivery in deliveries:
                sub, member, seq, count = (int(part) for part in delivery.token.split(":"))
                held = (self.sub, seq, self.number, count) if (sub, member) == (self.sub, self.number) else (-1, -1, -1, -1)
                done = db.execute(
                    f"UPDATE state SET {change} WHERE sub = ? AND seq = ? AND member = ? AND count = ? AND NOT acked",
                    (*values, *held),
                )
                if (
                    done.rowcount == 0
                    and not db.execute("SELECT 1 FROM state WHERE sub = ? AND seq = ? AND acked", (sub, seq)).fetchone()
                ):
                    stale.append(seq)
        if stale:
            raise Conflict(f"{ME}: messages {stale[:5]} are not held by this member any more")

    async def ack(self, *deliveries: Delivery) -> None:
        self.check_here("ack")
        self.check_deliveries(deliveries)
        await self.post.clerk.ask(lambda: self.settle(deliveries, "acked = 1, member = NULL"))

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.check_here("nack")
        self.check_deliveries(deliveries)
        due = self.office.clock.now_s() + max(0.0, check_seconds(delay_s, "nack", ME))
        await self.post.clerk.ask(lambda: self.settle(deliveries, "member = NULL, due = ?", due))

    def leave(self) -> None:
        self.office.members.discard(self.number)
        with self.office.transaction() as db:
            db.execute("UPDATE state SET member = NULL WHERE sub = ? AND member = ?", (self.sub, self.number))


class Post(PubSubBasic, PubSubWildcards, PubSubFiltering, PubSubPersistent, PubSubOrdering):
    """All five interfaces over one office."""

    box_type: type[Box] = Box
    addressee_type: type[Addressee] = Addressee

    def __init__(self, office: Office, namespace: str) -> None:
        self.office = office
        self.namespace = namespace
        self.clerk = Clerk()

    async def open(self) -> None:
        """The clerk begins with the first call."""

    async def close(self) -> None:
        await self.clerk.close()

    def deliver(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        """Put a message into the mail of everybody it concerns."""
        number = f"p{self.office.number()}"
        text = json.dumps(headers)
        with self.office.transaction() as db:
            for listener, (namespace, wants) in self.office.listeners.items():
                if namespace == self.namespace and wants(topic, headers):
                    db.execute(
                        "INSERT INTO mail (listener, id, topic, payload, headers) VALUES (?, ?, ?, ?, ?)",
                        (listener, number, topic, payload, text),
                    )
        return number

    def keep(self, topic: str, payload: bytes, headers: Mapping[str, str], key: str | None) -> str:
        with self.office.transaction() as db:
            row = db.execute(
                "INSERT INTO message (ns, topic, payload, headers, okey) VALUES (?, ?, ?, ?, ?)",
                (self.namespace, topic.encode(), payload, json.dumps(headers), None if key is None else key.encode()),
            )
            return str(row.lastrowid)

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(topic, "publish", ME)
        data = check_payload(payload, "publish", ME, topic)
        kept = check_headers(headers, "publish", ME)
        return await self.clerk.ask(lambda: self.deliver(topic, data, kept))

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.store(topic, None, payload, headers)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(ordering_key, "publish_ordered", ME)
        return await self.store(topic, ordering_key, payload, headers)

    async def store(self, topic: str, key: str | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        check_name(topic, "publish_persistent", ME)
        data = check_payload(payload, "publish_persistent", ME, topic)
        kept = check_headers(headers, "publish_persistent", ME)
        return await self.clerk.ask(lambda: self.keep(topic, data, kept, key))

    def listen(self, wants: Callable[[str, Mapping[str, str]], bool]) -> int:
        number = self.office.number()
        self.office.listeners[number] = (self.namespace, wants)
        return number

    def unlisten(self, number: int) -> None:
        self.office.listeners.pop(number, None)
        self.office.db.execute("DELETE FROM mail WHERE listener = ?", (number,))
        self.office.ring()

    @asynccontextmanager
    async def listening(self, wants: Callable[[str, Mapping[str, str]], bool]) -> AsyncIterator[Subscription]:
        number = await self.clerk.ask(lambda: self.listen(wants), self.unlisten)
        try:
            yield self.box_type(self, number)
        finally:
            self.unlisten(number)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        check_name(topic, "subscribe", ME)
        async with self.listening(lambda other, headers: other == topic) as box:
            yield box

    def expression(self, tokens: tuple[str, ...]) -> "re.Pattern[str]":
        parts = ["[^.]*" if token == "*" else re.escape(token) for token in tokens[:-1]]
        parts.append({"*": "[^.]*", ">": ".*"}.get(tokens[-1], re.escape(tokens[-1])))
        return re.compile(r"\.".join(parts), re.DOTALL)

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        expression = self.expression(check_pattern(pattern, "subscribe_pattern", ME))
        async with self.listening(lambda topic, headers: expression.fullmatch(topic) is not None) as box:
            yield box

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        check_name(topic, "subscribe_filtered", ME)
        asked = check_attributes(attributes, "subscribe_filtered", ME)
        async with self.listening(lambda other, headers: other == topic and self.carries(headers, asked)) as box:
            yield box

    def carries(self, headers: Mapping[str, str], asked: Mapping[str, str]) -> bool:
        return all(headers.get(name) == value for name, value in asked.items())

    def enter(self, topic: str, name: str, start: Start) -> tuple[int, int, int]:
        """Return the subscription, where it began, and the number of a new member of it."""
        with self.office.transaction() as db:
            (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM message").fetchone()
            who = (self.namespace, topic.encode(), name.encode())
            db.execute(
                "INSERT OR IGNORE INTO sub (ns, topic, name, since) VALUES (?, ?, ?, ?)", (*who, newest if start == "new" else 0)
            )
            sub, since = db.execute("SELECT id, since FROM sub WHERE ns = ? AND topic = ? AND name = ?", who).fetchone()
        number = self.office.number()
        self.office.members.add(number)
        return sub, since, number

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        check_name(topic, "subscribe_durable", ME)
        check_name(name, "subscribe_durable", ME)
        if start not in ("new", "earliest"):
            raise ValueError(f"{ME}: subscribe_durable: start={start!r} is neither 'new' nor 'earliest'")
        sub, since, number = await self.clerk.ask(
            lambda: self.enter(topic, name, start), lambda row: self.office.members.discard(row[2])
        )
        member = self.addressee_type(self, topic, sub, since, number)
        try:
            yield member
        finally:
            member.leave()

    def newest(self, topic: str) -> str | None:
        (seq,) = self.office.db.execute(
            "SELECT max(seq) FROM message WHERE ns = ? AND topic = ?", (self.namespace, topic.encode())
        ).fetchone()
        return None if seq is None else str(seq)

    async def last_message_id(self, topic: str) -> str | None:
        check_name(topic, "last_message_id", ME)
        return await self.clerk.ask(lambda: self.newest(topic))


class MemoryPost(Post):
    """Tables in memory."""

    traits: ClassVar[Traits] = Traits(delivery_count="exact")


class FilePost(Post):
    """Tables in a file."""

    traits: ClassVar[Traits] = Traits(delivery_count="exact", durability="process", ack_survives_kill="yes")


@asynccontextmanager
async def connect_post(place: Place, office: type[Office] = Office, path: str = ":memory:") -> AsyncIterator[Office]:
    if "office" not in place.shared:
        place.shared["office"] = office(place, path if path == ":memory:" else str(place.directory / path))
    yield place.shared["office"]


async def clean_post(office: Office, prefix: str) -> None:
    for table in ("message", "sub"):
        office.db.execute(f"DELETE FROM {table} WHERE substr(ns, 1, ?) = ?", (len(prefix), prefix))
    office.db.execute("DELETE FROM state WHERE sub NOT IN (SELECT id FROM sub)")


def post_backend(name: str, driver: type[Post] = MemoryPost, office: type[Office] = Office) -> Backend[Office]:
    path = "post.db" if issubclass(driver, FilePost) else ":memory:"

    def connect(place: Place) -> contextlib.AbstractAsyncContextManager[Office]:
        return connect_post(place, office, path)

    return Backend(name=name, connect=connect, drivers=(driver,), clean=clean_post, traits=getattr(driver, "traits", Traits()))
