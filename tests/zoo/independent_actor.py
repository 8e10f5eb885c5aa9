"""A correct driver whose state is an actor's: calls are letters, read one after another by a task, with caches at the clients.

The task lives as long as there are letters. A cache is filled and emptied by the actor while it reads a letter, so what is in it
is in force; deadlines are a heap, and an entry of it counts only for the row that it was made for.
"""

import asyncio
import heapq
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransaction,
    KeyValueTransactional,
    KeyValueTtl,
    NotFound,
)
from prism_testkit.naming import check_limit, check_name, check_payload, check_prefix, check_seconds

__all__ = ["Actor", "ActorKeyValue", "ActorTransaction", "Row", "Space", "actor_backend"]

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Row:
    """A value and its deadline, in whole microseconds. Another write makes another row."""

    value: bytes
    due: int | None = None
    given: float = 0.0


@dataclass
class Space:
    """The rows of a namespace, their keys in order, and the clients that hold copies."""

    rows: dict[str, Row] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    heap: list[tuple[int, int, str, Row]] = field(default_factory=list)
    clients: "WeakSet[ActorKeyValue]" = field(default_factory=WeakSet)


class Actor:
    """Reads letters. A letter is a function of a namespace's rows, and who waits for what it returns."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, Space] = {}
        self.letters: deque[tuple[str, Callable[[Space], Any], asyncio.Future[Any]]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.serial = count()

    def now(self) -> int:
        return int(self.clock.now_s() * 1e6)

    def space(self, name: str) -> Space:
        return self.spaces.setdefault(name, Space())

    async def ask(self, space: str, letter: Callable[[Space], T]) -> T:
        """Have a letter read; one whose sender was cancelled before is thrown away."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.letters.append((space, letter, answer))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.work())
        return await answer

    async def work(self) -> None:
        while self.letters:
            space, letter, answer = self.letters.popleft()
            if not answer.done():
                self.read(self.space(space), letter, answer)
            await asyncio.sleep(0)

    def read(self, space: Space, letter: Callable[[Space], Any], answer: asyncio.Future[Any]) -> None:
        self.expire(space)
        try:
            answer.set_result(letter(space))
        except Exception as error:  # whatever it is, it belongs to the sender
            answer.set_exception(error)

    def expire(self, space: Space) -> None:
        """Remove what came due."""
        while space.heap and space.heap[0][0] <= self.now():
            _, _, key, row = heapq.heappop(space.heap)
            if space.rows.get(key) is row:
                self.drop(space, key)

    def put(self, space: Space, key: str, row: Row) -> None:
        if key not in space.rows:
            insort(space.order, key)
        space.rows[key] = row
        if row.due is not None:
            heapq.heappush(space.heap, (row.due, next(self.serial), key, row))
        self.tell(space, key)

    def drop(self, space: Space, key: str) -> bool:
        if space.rows.pop(key, None) is None:
            return False
        del space.order[bisect_left(space.order, key)]
        self.tell(space, key)
        return True

    def tell(self, space: Space, key: str) -> None:
        """Have all clients forget a key."""
        for client in list(space.clients):
            client.cache.pop(key, None)

    def clean(self, prefix: str) -> None:
        for name in [name for name in self.spaces if name.startswith(prefix)]:
            for client in self.spaces.pop(name).clients:
                client.cache.clear()


class ActorTransaction(KeyValueTransaction):
    """Remembers which rows it met; a row is replaced, never changed."""

    def __init__(self, driver: "ActorKeyValue") -> None:
        self.driver = driver
        self.met: dict[str, Row | None] = {}
        self.torn = False
        self.wanted: dict[str, bytes | None] = {}
        self.left = False

    def admit(self, key: str, operation: str) -> None:
        if self.left:
            raise Closed(f"actor: {operation} in a transaction that was left")
        self.driver.check(key, operation)

    async def meet(self, key: str) -> bytes | None:
        if key in self.wanted:
            return self.wanted[key]
        row = await self.driver.ask(lambda space: space.rows.get(key))
        self.torn |= self.met.setdefault(key, row) is not row
        return None if row is None else row.value

    async def get(self, key: str) -> bytes | None:
        self.admit(key, "get")
        return await self.meet(key)

    async def set(self, key: str, value: Bytes) -> None:
        self.admit(key, "set")
        self.wanted[key] = self.driver.data(value, "set", key)

    async def delete(self, key: str) -> bool:
        self.admit(key, "delete")
        present = await self.meet(key) is not None
        self.wanted[key] = None
        return present

    def same(self, space: Space) -> bool:
        return not self.torn and all(space.rows.get(key) is row for key, row in self.met.items())

    def carry_out(self, space: Space) -> None:
        for key, value in self.wanted.items():
            if value is None:
                self.driver.actor.drop(space, key)
            else:
                self.driver.actor.put(space, key, Row(value))

    def commit(self, space: Space) -> bool:
        if self.same(space):
            self.carry_out(space)
            return True
        return False


class ActorKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """All six interfaces."""

    AT_ONCE = 16
    transaction_type: ClassVar[type[ActorTransaction]] = ActorTransaction

    def __init__(self, actor: Actor, namespace: str) -> None:
        self.actor = actor
        self.namespace = namespace
        self.cache: dict[str, Row] = {}

    async def open(self) -> None:
        self.cache.clear()
        self.actor.space(self.namespace).clients.add(self)

    async def close(self) -> None:
        self.actor.space(self.namespace).clients.discard(self)

    async def ask(self, letter: Callable[[Space], T]) -> T:
        return await self.actor.ask(self.namespace, letter)

    def check(self, key: str, operation: str) -> None:
        check_name(key, operation, "actor")

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "actor", key)

    def timed(self, value: bytes, ttl_s: float) -> Row:
        return Row(value, int((self.actor.clock.now_s() + ttl_s) * 1e6) + 2, ttl_s)

    def cached(self, key: str) -> Row | None:
        """Return what the cache holds, if it is in force."""
        row = self.cache.get(key)
        return row if row is not None and (row.due is None or row.due > self.actor.now()) else None

    def fetch(self, space: Space, key: str) -> Row | None:
        row = space.rows.get(key)
        if row is not None and self in space.clients:
            self.cache[key] = row
        return row

    async def set(self, key: str, value: Bytes) -> None:
        self.check(key, "set")
        row = Row(self.data(value, "set", key))
        await self.ask(lambda space: self.actor.put(space, key, row))

    async def get(self, key: str) -> bytes | None:
        self.check(key, "get")
        row = self.cached(key) or await self.ask(lambda space: self.fetch(space, key))
        return None if row is None else row.value

    async def delete(self, key: str) -> bool:
        self.check(key, "delete")
        return await self.ask(lambda space: self.actor.drop(space, key))

    async def exists(self, key: str) -> bool:
        self.check(key, "exists")
        return self.cached(key) is not None or await self.ask(lambda space: key in space.rows)

    # Scan

    def some(self, space: Space, prefix: str, after: str | None) -> list[tuple[str, bytes]]:
        """Return the next rows behind a key."""
        first = bisect_left(space.order, prefix) if after is None else bisect_right(space.order, after)
        keys = space.order[first : first + self.AT_ONCE]
        return [(key, space.rows[key].value) for key in keys if key.startswith(prefix)]

    async def walk(self, prefix: str, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        after: str | None = None
        given = 0
        while True:
            rows = await self.ask(lambda space, after=after: self.some(space, prefix, after))  # type: ignore[misc]
            for key, value in rows:
                if given == limit:
                    return
                given += 1
                yield key, value
                after = key
            if len(rows) < self.AT_ONCE:
                return

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        check_prefix(prefix, "scan", "actor")
        async for key, value in self.walk(prefix, check_limit(limit, "scan", "actor")):
            yield key, value

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        check_prefix(prefix, "scan_keys", "actor")
        async for key, _ in self.walk(prefix, check_limit(limit, "scan_keys", "actor")):
            yield key

    async def count(self, prefix: str = "") -> int:
        check_prefix(prefix, "count", "actor")
        return await self.ask(lambda space: sum(key.startswith(prefix) for key in space.order))

    # Ttl

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        self.check(key, "set_with_ttl")
        data = self.data(value, "set_with_ttl", key)
        if check_seconds(ttl_s, "set_with_ttl", "actor") > 0:
            await self.ask(lambda space: self.actor.put(space, key, self.timed(data, ttl_s)))
        else:
            await self.ask(lambda space: self.actor.drop(space, key))

    def again(self, space: Space, key: str, ttl_s: float) -> bool:
        row = space.rows.get(key)
        if row is None:
            return False
        if ttl_s > 0:
            self.actor.put(space, key, self.timed(row.value, ttl_s))
        else:
            self.actor.drop(space, key)
        return True

    async def expire(self, key: str, ttl_s: float) -> bool:
        self.check(key, "expire")
        check_seconds(ttl_s, "expire", "actor")
        return await self.ask(lambda space: self.again(space, key, ttl_s))

    def left(self, row: Row) -> float | None:
        return None if row.due is None else max(0.0, min(row.given, (row.due - self.actor.now()) / 1e6))

    async def ttl(self, key: str) -> float | None:
        self.check(key, "ttl")
        row = await self.ask(lambda space: space.rows.get(key))
        if row is None:
            raise NotFound(f"actor: ttl {key[:40]!a}: missing")
        return self.left(row)

    def keep(self, space: Space, key: str) -> bool:
        row = space.rows.get(key)
        if row is None or row.due is None:
            return False
        self.actor.put(space, key, Row(row.value))
        return True

    async def persist(self, key: str) -> bool:
        self.check(key, "persist")
        return await self.ask(lambda space: self.keep(space, key))

    # Transactional

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.left = True
        if not await self.ask(transaction.commit):
            raise Conflict("actor: commit: what was read is not so any more")

    # Batch: some at once, so that others have their turn

    def portions(self, things: Sequence[T]) -> list[Sequence[T]]:
        return [things[at : at + self.AT_ONCE] for at in range(0, len(things), self.AT_ONCE)]

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        for key in items:
            self.check(key, "batch_set")
        rows = [(key, Row(self.data(value, "batch_set", key))) for key, value in items.items()]
        for some in self.portions(rows):
            await self.ask(lambda space, some=some: [self.actor.put(space, key, row) for key, row in some])  # type: ignore[misc]

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        for key in keys:
            self.check(key, "batch_get")
        found: dict[str, bytes] = {}
        for some in self.portions(keys):
            rows = await self.ask(lambda space, some=some: [(key, space.rows.get(key)) for key in some])  # type: ignore[misc]
            found |= {key: row.value for key, row in rows if row is not None}
        return found

    async def batch_delete(self, keys: Sequence[str]) -> int:
        for key in keys:
            self.check(key, "batch_delete")
        removed = 0
        for some in self.portions(list(dict.fromkeys(keys))):
            removed += await self.ask(lambda space, some=some: sum(self.actor.drop(space, key) for key in some))  # type: ignore[misc]
        return removed

    # Compare and swap

    def swap(self, space: Space, key: str, expected: bytes | None, new: Row | None) -> bool:
        row = space.rows.get(key)
        if (None if row is None else row.value) != expected:
            return False
        if new is None:
            self.actor.drop(space, key)
        else:
            self.actor.put(space, key, new)
        return True

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        self.check(key, "compare_and_swap")
        row = Row(self.data(new, "compare_and_swap", key))
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return await self.ask(lambda space: self.swap(space, key, wanted, row))

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        self.check(key, "compare_and_delete")
        wanted = self.data(expected, "compare_and_delete", key)
        return await self.ask(lambda space: self.swap(space, key, wanted, None))


async def _clean(actor: Actor, prefix: str) -> None:
    actor.clean(prefix)


def actor_backend(name: str, driver: type[ActorKeyValue] = ActorKeyValue, actor: type[Actor] = Actor) -> Backend[Actor]:
    """Make the backend of this name: one actor for all clients of a process."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Actor]:
        if "actor" not in place.shared:
            place.shared["actor"] = actor(place)
        yield place.shared["actor"]

    return Backend(name=name, connect=connect, drivers=(driver,), clean=_clean)
