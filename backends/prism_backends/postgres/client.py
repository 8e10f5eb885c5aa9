"""The client that `connect` yields: a pool of connections, and what native errors become."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol, TypeAlias

import asyncpg  # type: ignore[import-untyped]

import prism_testkit as prism
from prism_backends.postgres.schema import NAME, SCHEMA, namespaces
from prism_testkit.interfaces import errors

__all__ = ["FAILURES", "TIMEOUT_S", "Connection", "PostgresClient", "Row", "clean", "connect", "opened", "translated"]

Row: TypeAlias = Any
"""A row of a result: its columns by number, by name, or unpacked."""


class Connection(Protocol):
    """What is used of asyncpg's, which tells no types."""

    async def fetch(self, query: str, *arguments: Any) -> list[Row]: ...
    async def fetchval(self, query: str, *arguments: Any) -> Any: ...
    async def execute(self, query: str, *arguments: Any) -> str: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...
    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...
    def is_closed(self) -> bool: ...
    async def close(self, *, timeout: float) -> None: ...
    def terminate(self) -> None: ...


TIMEOUT_S = 10.0
"""How long one call may take before it raises `OperationTimeout`; so long again it may wait for a connection."""
_CONNECTIONS = 12
"""At most so many a client: a process of the server serves each, and more of them are no faster."""
_CLOSE_S = 2.0

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises; a TimeoutError is an OSError."""

# Every statement finds its rows by an index, also in a table that was filled a moment ago and of which nothing is known yet, and is
# planned once. The time zone: a day of an interval is 24 hours.
_SETTINGS = {
    "search_path": NAME,
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "application_name": "prism",
}

_KINDS: dict[str, type[errors.PrismError]] = {
    "28": errors.AccessDenied,  # of who one is
    "42501": errors.AccessDenied,
    "42": errors.ConfigError,  # what this needs is not there
    "53100": errors.QuotaExceeded,  # the disk is full
    "53200": errors.QuotaExceeded,  # so is the memory
    "40001": errors.Conflict,
    "40P01": errors.Conflict,  # a deadlock, of which this was chosen to end
    "57014": errors.OperationTimeout,  # somebody's statement_timeout
    "55P03": errors.OperationTimeout,
}


class PostgresClient:
    """Runs statements, each over a connection of its own while it lasts, each a transaction of its own.

    A connection is made when all others are busy. One that was lost is not used again; a statement is never sent twice, for whether
    the first had an effect is unknown. A call that is cancelled asks the server to cancel the statement, and asyncpg lets the
    connection be used again when that is settled. ``shared`` is one dict for all clients of a place in this process.
    """

    def __init__(self, url: str, shared: dict[str, Any]) -> None:
        self.shared = shared
        self.clock = prism.RealClock()
        self._url = url
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._making = asyncio.Lock()
        self._is_made, self._is_closed = False, False

    async def rows(self, what: str, sql: str, *arguments: Any) -> list[Row]:
        """Run a statement and return its rows; ``what`` names backend, operation and object in errors."""
        try:
            connection = await self._take()
            try:
                return await connection.fetch(sql, *arguments)
            finally:
                self._give_back(connection)
        except FAILURES as error:
            raise translated(error, what) from error

    async def value(self, what: str, sql: str, *arguments: Any) -> Any:
        """Run a statement and return the first column of its first row; None if there is no row."""
        rows = await self.rows(what, sql, *arguments)
        return rows[0][0] if rows else None

    async def dedicated(self) -> Connection:
        """Return a connection beside the pool, which the caller closes. Raises native errors."""
        connection = await _connected(self._url, _SETTINGS)
        try:
            await self._make(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def close(self) -> None:
        """End every connection; later calls raise `Closed`. A repeat does nothing."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*map(_end, idle))

    async def _take(self) -> Connection:
        if self._is_closed:
            raise errors.Closed("postgres: the client is closed")
        if self._slots.locked():
            async with asyncio.timeout(TIMEOUT_S):
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self.dedicated()
        except BaseException:
            self._slots.release()
            raise

    def _give_back(self, connection: Connection) -> None:
        self._slots.release()
        if self._is_closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)

    async def _make(self, connection: Connection) -> None:
        """Make the schema if there is none: whoever comes first does, and the others wait for the lock."""
        if self._is_made:
            return
        async with self._making:
            if not self._is_made and not await connection.fetchval("SELECT to_regclass($1)", f"{NAME}.complete"):
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", NAME)
                    if not await connection.fetchval("SELECT to_regclass($1)", f"{NAME}.complete"):
                        await connection.execute(SCHEMA)
            self._is_made = True


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[PostgresClient]:
    """Yield a client. Connections are made when they are needed, so a server that is away is noticed by the first call."""
    client = PostgresClient(place.url, place.shared)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    """Yield a bare connection to the server at ``url``, and end it."""
    connection = await _connected(url, {})
    try:
        yield connection
    finally:
        await _end(connection)


async def _connected(url: str, settings: dict[str, str]) -> Connection:
    connection: Connection = await asyncpg.connect(
        url,
        timeout=TIMEOUT_S,
        command_timeout=TIMEOUT_S,
        server_settings=settings,
        statement_cache_size=200,
        max_cached_statement_lifetime=0,
    )
    return connection


async def _end(connection: Connection) -> None:
    with suppress(*FAILURES):
        await connection.close(timeout=_CLOSE_S)


async def clean(client: PostgresClient, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``, in every model."""
    await client.rows("postgres: clean", "SELECT clean($1, $2)", *namespaces(prefix))


def translated(error: Exception, what: str) -> errors.PrismError:
    """Return the shared error for a native one; ``what`` names backend, operation and object."""
    if isinstance(error, TimeoutError):
        return errors.OperationTimeout(f"{what}: no answer in time, so whether it took effect is unknown")
    state = str(getattr(error, "sqlstate", None) or "")
    kind = _KINDS.get(state) or _KINDS.get(state[:2]) or errors.BackendUnavailable
    return kind(f"{what}: {_first_line(str(error).splitlines()) or type(error).__name__}")


def _first_line(lines: Iterable[str]) -> str:
    return next(iter(lines), "")
