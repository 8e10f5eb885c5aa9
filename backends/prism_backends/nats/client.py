"""The client that `connect` yields, and what its errors become."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from nats import errors as native

import prism_testkit as prism
from prism_backends.nats.connection import TIMEOUT_S, Connection, Lost
from prism_testkit.interfaces import errors

__all__ = ["FAILURES", "NatsClient", "connect", "opened", "translated"]

T = TypeVar("T")

_CALLS = 256
"""Calls in flight at once: a server refuses more than some thousands, and what waits to be sent is in memory."""

FAILURES = (native.Error, Lost, OSError)
"""What a call over a connection raises; a TimeoutError is an OSError."""


class NatsClient:
    """A connection that is made when it is needed, and made anew by the next call when it was lost. Nothing is sent twice."""

    def __init__(self, url: str, clock: prism.Clock, shared: dict[str, Any]) -> None:
        self._url, self.clock, self.shared = url, clock, shared
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(_CALLS)
        self._closed = False

    async def call(self, do: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what ``do`` gives within `TIMEOUT_S`; raise one of `FAILURES`."""
        async with asyncio.timeout(TIMEOUT_S), self._slots:
            return await do(await self.connection())

    async def connection(self) -> Connection:
        """Return a connection that is not known to be lost; raise one of `FAILURES` if there can be none."""
        if self._connection is not None and not self._connection.is_lost:
            return self._connection
        async with self._connecting:
            if self._closed:
                raise Lost("the client is closed")
            if self._connection is None or self._connection.is_lost:
                made = Connection()
                await made.open(self._url)
                self._connection = made
            return self._connection

    async def close(self) -> None:
        """End the connection. A repeat does nothing."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[NatsClient]:
    """Yield a client. A server that is away is noticed by the first call."""
    client = NatsClient(place.url, place.clock, place.shared)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    """Yield one connection, and close it."""
    connection = Connection()
    async with asyncio.timeout(TIMEOUT_S):
        await connection.open(url)
    try:
        yield connection
    finally:
        await connection.close()


def translated(error: Exception, what: str) -> errors.PrismError:
    """Return the shared error for a native one; ``what`` names backend, operation and name."""
    if isinstance(error, TimeoutError | native.TimeoutError):
        return errors.OperationTimeout(f"{what}: no answer in time, so whether it took effect is unknown")
    if isinstance(error, native.AuthorizationError) or "authorization" in str(error).lower():
        return errors.AccessDenied(f"{what}: {error}")
    return errors.BackendUnavailable(f"{what}: {error}")
