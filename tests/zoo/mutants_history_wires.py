"""Mistakes that clients made: with answers that nobody read, pools, locks, and what they remember of the server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes

from .declare import Mutant
from .history_client import Pool, Remote, Wire
from .history_declare import declaring_history
from .history_server import Cursor, Node, Row, Space

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

T = TypeVar("T")


@mutant("basic.11", "cancellation", trap="a call is cancelled after its request was sent")
class CancelledLeavesItsAnswer(Remote):
    """A connection whose answer was not read goes back to the pool: the next call reads it (redis/redis-py#2624)."""

    async def ask(self, request: Callable[[Node, Space], T]) -> T:
        wire = await self.pool.take()
        try:
            return await wire.call(lambda: request(self.node, self.node.space(self.namespace)))
        finally:
            self.pool.give(wire)


class Muted(Wire):
    """After a call that was cancelled, answers are no longer filled in."""

    mute = False

    async def call(self, request: Callable[[], T]) -> T:
        try:
            answer = await super().call(request)
        except asyncio.CancelledError:
            self.mute = True
            self.answers.clear()
            raise
        return None if self.mute else answer  # type: ignore[return-value]


@mutant("basic.11", "cancellation", trap="a call is cancelled after its request was sent")
class CancelledMutesTheWire(CancelledLeavesItsAnswer):
    """After a cancelled command the outputs of the connection stay empty: all that is present reads as missing
    (redis/lettuce#262)."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.pool.idle = [Muted() for _ in self.pool.idle]


@mutant("scan.7", "pool", trap="other calls between the steps of a scan", also="scan.1 scan.3")
class ScanReadsOnAReturnedWire(Remote):
    """The connection of a scan is back in the pool while its next page is on the way (basho/riak-python-client#357)."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        wire = await self.pool.take()
        self.pool.give(wire)
        space = self.node.space(self.namespace)
        cursor: Cursor | None = (0, b"")
        while cursor is not None:
            wire.answers.append(self.node.page(space, prefix, cursor))
            await asyncio.sleep(0)
            found, cursor = wire.answers.popleft()
            if cursor is not None:
                wire.answers.append(self.node.page(space, prefix, cursor))
                yield found
                found, cursor = wire.answers.popleft()
            yield found


@mutant("scan.7", "pool", trap="as many scans as the pool has connections are left before their end")
class ScanHoldsItsWire(Remote):
    """A scan takes a connection, and gives it back when it has come to its end (juspay/clairvoyance#1155)."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        wire = await self.pool.take()
        cursor: Cursor | None = (0, b"")
        while cursor is not None:
            at = cursor
            found, cursor = await wire.call(
                lambda: self.node.page(self.node.space(self.namespace), prefix, at)  # noqa: B023  asked at once
            )
            yield found
        self.pool.give(wire)


@mutant("basic.11", "cancellation", trap="a write is cancelled while it holds the lock of its name")
class CancelledKeepsTheLock(Remote):
    """The lock of a name is released after success and after an error, and a cancellation is neither (lkempf/casambi-bt#72)."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.locks: dict[str, asyncio.Lock] = {}

    async def set(self, key: str, value: Bytes) -> None:
        self.name(key, "set")
        lock = self.locks.setdefault(key, asyncio.Lock())
        await lock.acquire()
        try:
            await super().set(key, value)
        except Exception:
            lock.release()
            raise
        lock.release()


class Forgetful(Pool):
    """Does not ask whether a waiter that is cancelled was given something."""

    async def take(self) -> Wire:
        if self.idle:
            return self.idle.pop()
        ticket: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()
        self.waiting.append(ticket)
        return await ticket


@mutant("basic.11", "cancellation", trap="a call that waits for a connection is cancelled in the moment it is given one")
class CancelledWaiterLosesAWire(Remote):
    """What was handed to a waiter that is cancelled before it runs is lost; soon nothing is left (agronholm/anyio#1145)."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.pool = Forgetful(1)


class Near(Remote):
    """Keeps what it read; the node tells all clients what has changed."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.near: dict[bytes, bytes] = {}
        node.__dict__.setdefault("near", []).append(self)

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if name in self.near:
            return self.near[name]
        row = await self.ask(lambda node, space: node.get(space, name))
        if row is not None and row.deadline is None:
            self.near[name] = row.value
        return None if row is None else row.value


class Telling(Node):
    """Tells all clients what has changed."""

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        super().store(space, name, row)
        for client in self.__dict__.get("near", []):
            if self.spaces.get(client.namespace) is space:
                client.near.pop(name, None)


class TellingOfWrites(Telling):
    """Tells nothing of what is removed by a call."""

    def remove(self, space: Space, name: bytes) -> bool:
        row = self.find(space, name)
        if row is not None:
            Node.store(self, space, name, None)
        return row is not None


@mutant("basic.8", "cache", trap="read, delete, read", also="basic.2 basic.4", node=TellingOfWrites)
class NearCacheSurvivesRemoval(Near):
    """A removal does not invalidate what clients hold near (hazelcast/hazelcast#2065)."""


@mutant("basic.10", "cache", trap="a write between the server's answer to a read and its arrival", also="basic.8", node=Telling)
class NearCacheFillsLate(Near):
    """A read that was under way puts its old value over the invalidation, and there it stays (redis/lettuce#3481)."""


@mutant(
    "basic.8",
    "cache",
    trap="a call is cancelled, then another client writes what was read before",
    also="basic.10 basic.11",
    node=Telling,
)
class NearCacheLosesItsSubscription(Near):
    """A new connection in place of a lost one is not subscribed to invalidations (hazelcast/hazelcast#11671)."""

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if name in self.near:
            return self.near[name]

        def read(node: Node, space: Space) -> bytes | None:
            row = node.get(space, name)
            if row is not None and row.deadline is None:
                self.near[name] = row.value
            return None if row is None else row.value

        return await self.ask(read)

    async def ask(self, request: Callable[[Node, Space], T]) -> T:
        try:
            return await super().ask(request)
        except asyncio.CancelledError:
            subscribed = self.node.__dict__["near"]
            if self in subscribed:
                subscribed.remove(self)
            raise


@mutant(
    "basic.8",
    "cache",
    trap="a name that was read as missing is written by a batch, a transaction, or another client",
    also="batch.1 basic.10 basic.5",
)
class RemembersWhatIsMissing(Remote):
    """A miss is remembered until this client sets the name by itself (interline-io/transitland-lib#715)."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.missing: set[str] = set()

    async def get(self, key: str) -> bytes | None:
        if isinstance(key, str) and key in self.missing:
            return None
        value = await super().get(key)
        if value is None:
            self.missing.add(key)
        return value

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        self.missing.discard(key)

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        self.missing.discard(key)


@mutant(
    "basic.1", "cache", trap="a name is not read for as long as it takes to write some hundreds of others", also="basic.8 batch.1"
)
class FilterForgetsWhatIsNotRead(Node):
    """A filter of known names is the gate of reads; it is rotated every so many writes, and only reads renew a name
    (ferrous-networking/ferrous-dns#185)."""

    ROTATE = 128

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.filters: tuple[set[tuple[int, bytes]], set[tuple[int, bytes]]] = (set(), set())
        self.written = 0

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        super().store(space, name, row)
        if row is not None:
            self.written += 1
            if self.written % self.ROTATE == 0:
                self.filters = (set(), self.filters[0])
            self.filters[0].add((id(space), name))

    def find(self, space: Space, name: bytes) -> Row | None:
        if not any((id(space), name) in known for known in self.filters):
            return None
        self.filters[0].add((id(space), name))
        return super().find(space, name)


PIECE = 100_000


class InPieces(Node):
    """Keeps large values in pieces as well, under names that do not change."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.pieces: dict[tuple[int, bytes, int], bytes] = {}

    def piece(self, space: Space, name: bytes, at: int, data: bytes) -> None:
        self.pieces[id(space), name, at] = data[at : at + PIECE]

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        super().store(space, name, row)
        if row is not None and len(row.value) > PIECE:
            for at in range(0, len(row.value), PIECE):
                self.piece(space, name, at, row.value)


@mutant("basic.10", "concurrency", trap="a large value is read while another one replaces it", node=InPieces)
class ChunksUnderOneName(Remote):
    """A large value is written piece by piece, so that a reader mixes two values (learning-unlimited/ESP-Website#4959)."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        assert isinstance(self.node, InPieces)
        if len(data) > PIECE and await self.exists(key):
            for at in range(0, len(data), PIECE):
                self.node.piece(self.node.space(self.namespace), name, at, data)
                await asyncio.sleep(0)
        await super().set(key, data)

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is None or len(value) <= PIECE:
            return value
        name, found = self.name(key, "get"), b""
        assert isinstance(self.node, InPieces)
        for at in range(0, len(value), PIECE):
            found += self.node.pieces[id(self.node.space(self.namespace)), name, at]
            await asyncio.sleep(0)
        return found


@mutant("basic.7", "aliasing", trap="a bytearray that was stored is changed by its owner")
class StoresTheCallersBuffer(Remote):
    """The store keeps the buffer that it was handed (gofiber/fiber#3888)."""

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        checked = super().data(value, operation, key)
        return value if isinstance(value, bytearray) else checked  # type: ignore[return-value]

    def value(self, data: bytes) -> bytes:
        return bytes(data)
