"""One channel of the server's, or those of a pattern, over a connection of its own, which is made again when it is lost."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from redis import exceptions as native
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from prism_backends.redis.client import TIMEOUT_S, RedisClient, translated

__all__ = ["Feed"]

_PING_S = 5.0
"""How often an idle connection is asked whether it lives. One whose other end vanished is noticed `TIMEOUT_S` after that."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.01, 0.5
_FAILURES = (native.RedisError, OSError)  # a TimeoutError is an OSError


class Feed:
    """Hands each message, and its channel, to ``put``, from `open` to `close`. ``lost`` counts the connections that were lost.

    ``channel`` is one by its name, or with ``command="PSUBSCRIBE"`` a glob. ``put`` must not raise. ``changed`` is called when a
    connection was lost, and when there is one again.
    """

    def __init__(
        self,
        client: RedisClient,
        channel: bytes,
        what: str,
        put: Callable[[bytes, bytes], None],
        changed: Callable[[], None],
        command: Literal["SUBSCRIBE", "PSUBSCRIBE"] = "SUBSCRIBE",
    ) -> None:
        self._pool: ConnectionPool = client.connection_pool
        self._command: Literal["SUBSCRIBE", "PSUBSCRIBE"] = command
        self._channel, self._what, self._put, self._changed = channel, what, put, changed
        self._connection: AbstractConnection | None = None
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self.lost = 0

    async def open(self) -> None:
        """Return when the server has confirmed that from now on it sends what is published."""
        try:
            self._connection = await self._subscribed()
        except _FAILURES as error:
            raise translated(error, self._what) from error
        self._tasks = [asyncio.create_task(self._keep_listening()), asyncio.create_task(self._keep_asking())]

    async def close(self) -> None:
        """End the connection. A repeat does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._release()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._drop()

    async def sync(self) -> None:
        """Return when everything has been put that was published before; at once if the connection is away.

        The server answers on a connection in the order of what it does, so its answer comes behind those messages.
        """
        # A command that is cancelled while it is sent costs the connection.
        await asyncio.shield(self._ping())

    async def _ping(self) -> None:
        if self._connection is None:
            return
        pong = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._connection.send_command("PING", check_health=False)
                await pong
        except _FAILURES:
            await self._drop()  # who listens notices, counts and reconnects

    async def _subscribed(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command(self._command, self._channel)
                await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _keep_listening(self) -> None:
        while True:
            with suppress(*_FAILURES):
                await self._listen()
            self.lost += 1
            await self._drop()
            self._release()
            self._changed()
            self._connection = await self._resubscribed()
            self._changed()

    async def _listen(self) -> None:
        while self._connection is not None:
            kind, *where, data = await self._connection.read_response()
            if kind in (b"message", b"pmessage"):
                self._put(where[-1], data)
            elif kind == b"pong" and self._pongs:
                _settle(self._pongs.popleft())

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            await self.sync()

    async def _resubscribed(self) -> AbstractConnection:
        wait_s = _FIRST_RETRY_S
        while True:
            with suppress(*_FAILURES):
                return await self._subscribed()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LAST_RETRY_S)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _release(self) -> None:
        while self._pongs:
            _settle(self._pongs.popleft())


def _settle(pong: asyncio.Future[None]) -> None:
    if not pong.done():
        pong.set_result(None)
