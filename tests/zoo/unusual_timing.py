"""Backends that keep every promise and take their time: they wait, take turns, hop to a thread, or work in the background."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes
from prism_testkit.naming import check_limit

from .reference import KeyValue, Transaction, backend, step
from .stores import Changes, Entry, Rows, Store

__all__ = ["UNUSUAL"]

T = TypeVar("T")


def _around(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    @wraps(method)
    async def call(self: "_Around", *args: Any, **kwargs: Any) -> T:
        async with self.around():
            return await method(self, *args, **kwargs)

    return call


class _AroundTransaction(Transaction):
    def __init__(self, driver: "_Around") -> None:
        super().__init__(driver)
        self.around = driver.around

    async def get(self, key: str) -> bytes | None:
        async with self.around():
            return await super().get(key)

    async def set(self, key: str, value: Bytes) -> None:
        self.check_open("set")
        data = self.driver.data(value, "transaction set", self.driver.name(key, "transaction set"))
        async with self.around():
            await super().set(key, data)

    async def delete(self, key: str) -> bool:
        async with self.around():
            return await super().delete(key)

    async def commit(self) -> None:
        async with self.around():
            await super().commit()


class _Around(KeyValue):
    """Every effect happens in one step, and `around` says what comes before and after it."""

    transaction_type = _AroundTransaction

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        yield

    set = _around(KeyValue.set)
    get = _around(KeyValue.get)
    delete = _around(KeyValue.delete)
    exists = _around(KeyValue.exists)
    count = _around(KeyValue.count)
    set_with_ttl = _around(KeyValue.set_with_ttl)
    expire = _around(KeyValue.expire)
    ttl = _around(KeyValue.ttl)
    persist = _around(KeyValue.persist)
    batch_set = _around(KeyValue.batch_set)
    batch_get = _around(KeyValue.batch_get)
    batch_delete = _around(KeyValue.batch_delete)
    compare_and_swap = _around(KeyValue.compare_and_swap)
    compare_and_delete = _around(KeyValue.compare_and_delete)

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async with self.around():
            keys = self.matching(prefix)
        for key in keys:
            entry = self.find(key)
            if limit == 0:
                return
            if entry is not None:
                limit = None if limit is None else limit - 1
                yield key, entry


class Slow(_Around):
    """Each call takes ten seconds of the place's clock; its effect is in the middle."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        await self.store.clock.sleep(5)
        yield
        await self.store.clock.sleep(5)


class Suspending(_Around):
    """Lets others run many times, before and after."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        for _ in range(5):
            await step()
        yield
        for _ in range(5):
            await step()


class GlobalLock(_Around):
    """All calls of all clients and namespaces take turns, first come, first served."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock: asyncio.Lock = vars(store).setdefault("lock", asyncio.Lock())

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        async with self.lock:
            await step()
            yield
            await step()


class Threaded(_Around):
    """Hops to the executor, as a synchronous client library does."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        await asyncio.get_running_loop().run_in_executor(None, bool)
        yield


class Eager(KeyValue):
    """A task removes each key at its deadline; it runs from ``open()`` to ``close()``."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self.task = asyncio.create_task(self.reap())

    async def close(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.changed.set()

    async def reap(self) -> None:
        while True:
            self.changed.clear()
            deadlines = [entry.deadline for entry in self.rows().values() if entry.deadline is not None]
            wait = max(0.001, min(deadlines) - self.now()) if deadlines else None
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else min(wait, 3600)):
                    await self.changed.wait()
            self.store.apply(self.namespace, {key: None for key, entry in self.rows().items() if not self.alive(entry)})


class WriteBehind(KeyValue):
    """Writes wait in a line that every client of the place shares; whoever looks at rows writes it out first."""

    def line(self) -> list[tuple[str, Changes]]:
        line: list[tuple[str, Changes]] = self.store.notes.setdefault("line", [])
        return line

    def rows(self) -> Rows:
        line = self.line()
        while line:
            self.store.apply(*line.pop(0))
        return super().rows()

    def apply(self, changes: Changes) -> None:
        self.line().append((self.namespace, dict(changes)))
        if len(self.line()) > 3:
            self.rows()


class WholeMilliseconds(KeyValue):
    """Instants are whole milliseconds, of a clock that rounds down."""

    def now(self) -> float:
        return self.store.clock.now_ms() / 1000


class ListsAsOfTheCall(KeyValue):
    """Which keys a scan gives is settled when it is called, not at its first step."""

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return self._listed(self.matching(self.prefix(prefix, "scan")), check_limit(limit, "scan", "zoo"))

    async def _listed(self, keys: list[str], limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        given = 0
        for key in keys:
            entry = self.find(key)
            if given != limit and entry is not None:
                given += 1
                yield key, self.value(entry)


UNUSUAL: tuple[Backend[Store], ...] = (
    backend("slow", Slow),
    backend("suspending", Suspending),
    backend("global-lock", GlobalLock),
    backend("threaded", Threaded),
    backend("eager-expiry", Eager),
    backend("write-behind", WriteBehind),
    backend("whole-milliseconds", WholeMilliseconds),
    backend("lists-as-of-the-call", ListsAsOfTheCall),
)
