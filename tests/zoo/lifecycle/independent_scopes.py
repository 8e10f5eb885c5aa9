"""A lifecycle of its own design: calls run where they are made, each in a scope that a drain or a close makes expire.

Two models are over it, plain dicts and a condition: a queue, in which calls wait, and key-values with transactions, which are
entered.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
    Drained,
    Health,
    KeyValueTransactional,
    Lifecycle,
    QueueBasic,
    QueueMessage,
)

__all__ = ["Call", "Pairs", "Room", "Scoped", "Session", "Waiting", "connect", "scoped"]


@dataclass(eq=False)
class Call:
    """A call in hand."""

    scope: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: bool = False


@dataclass(eq=False)
class Room:
    """What one namespace holds."""

    queues: dict[str, deque[QueueMessage]] = field(default_factory=dict)
    pairs: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    serial: int = 0

    def next(self) -> int:
        self.serial += 1
        return self.serial


class Scoped(Lifecycle):
    """Begin, be asked, drain, close."""

    def __init__(self, rooms: dict[str, Room], namespace: str) -> None:
        self.rooms, self.namespace = rooms, namespace
        self.gate = "new"
        self.calls: set[Call] = set()
        self.sessions: set[Session] = set()
        self.pulse: asyncio.Task[None] | None = None
        self.turn = asyncio.Lock()

    @property
    def room(self) -> Room:
        return self.rooms.setdefault(self.namespace, Room())

    @asynccontextmanager
    async def call(self, name: str, *, begun: bool = False) -> AsyncIterator[Call]:
        """Make what is within a call; ``begun``: it finishes something, so a drain does not refuse it."""
        self.admit(name, begun)
        call = Call()
        self.calls.add(call)
        try:
            async with call.scope:
                yield call
        except TimeoutError as error:
            if not call.scope.expired():
                raise
            call.aborted = True
            raise Closed(f"scoped: {name}: aborted") from error
        finally:
            self.calls.discard(call)
            call.ended.set()

    def admit(self, name: str, begun: bool) -> None:
        if self.gate == "closed" or (self.gate == "draining" and not begun):
            raise Closed(f"scoped: {name}: it is {self.gate}")

    # Lifecycle

    async def open(self) -> None:
        async with self.turn:
            if self.gate == "closed":
                raise Closed("scoped: open: it is closed")
            if self.gate != "new" or self.pulse is not None:
                return
            try:
                await self.begin()
            except BaseException:
                await self.stop()
                raise
            if self.gate == "new":
                self.gate = "open"

    async def begin(self) -> None:
        self.pulse = asyncio.ensure_future(self.beat())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def beat(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        pulse, self.pulse = self.pulse, None
        if pulse is not None:
            pulse.cancel()
            await asyncio.wait([pulse])

    async def health(self) -> Health:
        return Health("unhealthy", f"it is {self.gate}") if self.gate in ("draining", "closed") else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = prism.check_timeout(timeout_s, "drain", "scoped")
        if self.gate != "closed":
            self.gate = "draining"
        calls = self.in_hand()
        await self.wait(calls, timeout_s)
        await self.abort(calls)
        return self.told(calls)

    def in_hand(self) -> list[Call]:
        return [*self.calls]

    async def wait(self, calls: list[Call], timeout_s: float) -> None:
        """Give calls so much time to end."""
        try:
            async with asyncio.timeout(timeout_s):
                for call in calls:
                    await call.ended.wait()
        except TimeoutError:
            return

    async def abort(self, calls: list[Call]) -> None:
        for call in calls:
            if not call.ended.is_set():
                call.scope.reschedule(0)
        for call in calls:
            await call.ended.wait()

    def told(self, calls: list[Call]) -> Drained:
        aborted = sum(call.aborted for call in calls)
        return Drained(len(calls) - aborted, aborted)

    async def close(self) -> None:
        self.gate = "closed"
        await self.abort([*self.calls])
        await self.end()

    async def end(self) -> None:
        for session in self.sessions:
            session.over = True
        async with self.turn:
            await self.stop()


class Waiting(Scoped, QueueBasic):
    """A queue in which takes wait for a condition."""

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        async with self.call("enqueue"):
            prism.check_name(queue, "enqueue", "scoped")
            data, copy = prism.check_payload(payload, "enqueue", "scoped", queue), prism.check_headers(headers, "enqueue", "scoped")
            async with self.room.changed:
                message = QueueMessage(str(self.room.next()), data, copy)
                self.room.queues.setdefault(queue, deque()).append(message)
                self.room.changed.notify_all()
            return message.id

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        async with self.call("dequeue"):
            prism.check_name(queue, "dequeue", "scoped")
            timeout_s = prism.check_timeout(timeout_s, "dequeue", "scoped")
            return await self.take(queue, timeout_s)

    async def take(self, queue: str, timeout_s: float) -> QueueMessage | None:
        try:
            async with asyncio.timeout(timeout_s if timeout_s > 0 else None), self.room.changed:
                held = self.room.queues.setdefault(queue, deque())
                while not held and timeout_s > 0:
                    await self.room.changed.wait()
                return held.popleft() if held else None
        except TimeoutError:
            return None

    async def peek(self, queue: str) -> QueueMessage | None:
        async with self.call("peek"):
            prism.check_name(queue, "peek", "scoped")
            held = self.room.queues.get(queue)
            return QueueMessage(held[0].id, held[0].payload, dict(held[0].headers)) if held else None


@dataclass(eq=False)
class Session:
    """An open transaction: what it read, by version, and what it is to write."""

    pairs: "Pairs"
    seen: dict[str, int] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    over: bool = False

    def check(self, name: str) -> None:
        if self.over:
            raise Closed(f"scoped: {name}: the transaction has ended")

    async def get(self, key: str) -> bytes | None:
        self.check("get")
        async with self.pairs.call("get", begun=True):
            prism.check_name(key, "get", "scoped")
            if key in self.writes:
                return self.writes[key]
            version, value = self.pairs.room.pairs.get(key, (0, b""))
            if self.seen.setdefault(key, version) != version or not self.fits():
                raise Conflict(f"scoped: get {key[:40]!a}: what was read has changed")
            return value if version > 0 else None

    def fits(self) -> bool:
        return all(self.pairs.room.pairs.get(key, (0, b""))[0] == version for key, version in self.seen.items())

    async def set(self, key: str, value: Bytes) -> None:
        self.check("set")
        async with self.pairs.call("set", begun=True):
            prism.check_name(key, "set", "scoped")
            self.writes[key] = prism.check_payload(value, "set", "scoped", key)

    async def delete(self, key: str) -> bool:
        found = await self.get(key) is not None
        self.writes[key] = None
        return found


class Pairs(Scoped, KeyValueTransactional):
    """Key-values with transactions; a key that was deleted keeps a version below 0."""

    async def set(self, key: str, value: Bytes) -> None:
        async with self.call("set"):
            prism.check_name(key, "set", "scoped")
            self.put(key, prism.check_payload(value, "set", "scoped", key))

    def put(self, key: str, value: bytes | None) -> None:
        version = self.room.next()
        self.room.pairs[key] = (-version, b"") if value is None else (version, value)

    async def get(self, key: str) -> bytes | None:
        async with self.call("get"):
            prism.check_name(key, "get", "scoped")
            version, value = self.room.pairs.get(key, (0, b""))
            return value if version > 0 else None

    async def delete(self, key: str) -> bool:
        async with self.call("delete"):
            prism.check_name(key, "delete", "scoped")
            present = self.room.pairs.get(key, (0, b""))[0] > 0
            if present:
                self.put(key, None)
            return present

    async def exists(self, key: str) -> bool:
        async with self.call("exists"):
            prism.check_name(key, "exists", "scoped")
            return self.room.pairs.get(key, (0, b""))[0] > 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with self.call("transaction"):
            session = Session(self)
            self.sessions.add(session)
        try:
            yield session
            await self.commit(session)
        finally:
            session.over = True
            self.sessions.discard(session)

    async def commit(self, session: Session) -> None:
        session.check("commit")
        async with self.call("commit", begun=True):
            if not session.fits():
                raise Conflict("scoped: commit: what was read has changed")
            for key, value in session.writes.items():
                self.put(key, value)


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[dict[str, Room]]:
    yield place.shared.setdefault("rooms", {})


async def clean(rooms: dict[str, Room], prefix: str) -> None:
    for namespace in [n for n in rooms if n.startswith(prefix)]:
        del rooms[namespace]


def scoped(name: str, driver: type, /, **settings: Any) -> prism.Backend[dict[str, Room]]:
    """Return a backend of one of these drivers."""
    return prism.Backend(name=f"scoped-{name}", connect=connect, drivers=[driver], clean=clean, **settings)
