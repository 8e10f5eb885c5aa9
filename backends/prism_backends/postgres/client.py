"""The client that `connect` yields: a pool of connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import prism_testkit as prism
from prism_backends.postgres.connections import FAILURES, SETTINGS, TIMEOUT_S, Connection, Row, connected, end, translated
from prism_backends.postgres.feed import Feed
from prism_backends.postgres.schema import IS_MADE, NAME, SCHEMA, namespaces
from prism_testkit.interfaces import errors

__all__ = ["TIMEOUT_S", "PostgresClient", "Row", "clean", "connect", "opened"]

_CONNECTIONS = 12
"""At most so many a client: a process of the server serves each, and more of them are no faster."""

_LOOK_S = 0.5
"""How often it is looked whether a call takes too long."""


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
        self._busy: dict[Connection, float] = {}
        """Since when by the loop's clock."""
        self._overdue: set[Connection] = set()
        self._looking: asyncio.TimerHandle | None = None
        self.feed = Feed(lambda: self._connected(TIMEOUT_S))

    async def rows(self, what: str, sql: str, *arguments: Any) -> list[Row]:
        """Run a statement and return its rows; ``what`` names backend, operation and object in errors."""
        try:
            connection = await self._take()
            try:
                return await connection.fetch(sql, *arguments)
            except FAILURES as error:
                if connection in self._overdue:
                    raise TimeoutError from error
                raise
            finally:
                self._give_back(connection)
        except FAILURES as error:
            raise translated(error, what) from error

    async def value(self, what: str, sql: str, *arguments: Any) -> Any:
        """Run a statement and return the first column of its first row; None if there is no row."""
        rows = await self.rows(what, sql, *arguments)
        return rows[0][0] if rows else None

    async def _connected(self, timeout_s: float | None) -> Connection:
        """Return a new connection, to a schema that is there. Raises native errors."""
        connection = await connected(self._url, SETTINGS, timeout_s=timeout_s)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._make(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def close(self) -> None:
        """End every connection; later calls raise `Closed`. A repeat does nothing."""
        self._is_closed = True
        if self._looking is not None and not self._busy:
            self._looking.cancel()
            self._looking = None
        idle, self._idle = self._idle, []
        await asyncio.gather(self.feed.end(), *map(end, idle))

    async def _take(self) -> Connection:
        if self._is_closed:
            raise errors.Closed("postgres: the client is closed")
        if self._slots.locked():
            async with asyncio.timeout(TIMEOUT_S):
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        try:
            connection = self._first_idle() or await self._connected(None)
        except BaseException:
            self._slots.release()
            raise
        # One timer for all calls: one for each would cost as much as a third of a short statement.
        loop = asyncio.get_running_loop()
        self._busy[connection] = loop.time()
        if self._looking is None:
            self._looking = loop.call_later(_LOOK_S, self._look)
        return connection

    def _first_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _look(self) -> None:
        """End the connections over which a statement takes too long: the call that waits for it fails by that."""
        loop = asyncio.get_running_loop()
        for connection, began in self._busy.items():
            if loop.time() - began > TIMEOUT_S:
                self._overdue.add(connection)
                connection.terminate()
        self._looking = loop.call_later(_LOOK_S, self._look) if self._busy else None

    def _give_back(self, connection: Connection) -> None:
        self._slots.release()
        del self._busy[connection]
        self._overdue.discard(connection)
        if self._is_closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)

    async def _make(self, connection: Connection) -> None:
        """Make the schema if there is none: whoever comes first does, and the others wait for the lock."""
        if self._is_made:
            return
        async with self._making:
            if not self._is_made and not await connection.fetchval(IS_MADE):
                async with connection.transaction():
                    await connection.execute(f"SELECT pg_advisory_xact_lock(hashtextextended('{NAME}', 0))")
                    if not await connection.fetchval(IS_MADE):
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
    connection = await connected(url, {})
    try:
        yield connection
    finally:
        await end(connection)


async def clean(client: PostgresClient, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``, in every model."""
    await client.rows("postgres: clean", "SELECT clean($1, $2)", *namespaces(prefix))
