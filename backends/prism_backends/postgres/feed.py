"""One channel of the server's (LISTEN), over a connection of its own, which is made again when it is lost."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from prism_backends.postgres.client import FAILURES, Connection, PostgresClient, translated

__all__ = ["Feed"]

_ASK_S = 5.0
"""How often an idle connection is asked whether it lives."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.01, 0.5
_CLOSE_S = 2.0


class Feed:
    """Hands the text of each notification to ``put``, from `open` to `close`. A bell, and no more: what is told may be missed.

    ``put`` must not raise. ``changed`` is called when a connection was lost, and when there is one again. A cancelled `open` may be
    followed by another one, or by `close`. ``lost`` counts the connections that were lost.
    """

    def __init__(
        self, client: PostgresClient, channel: str, what: str, put: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._client, self._channel, self._what, self._put, self._changed = client, channel, what, put, changed
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self.lost = 0

    async def open(self) -> None:
        """Return when the server tells from now on."""
        try:
            await self._listen()
        except FAILURES as error:
            raise translated(error, self._what) from error
        self._keeping = asyncio.create_task(self._keep(), name="feed of notifications")

    async def close(self) -> None:
        """End the connection. A repeat does nothing."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):
                await connection.close(timeout=_CLOSE_S)

    async def _listen(self) -> None:
        connection = await self._client.dedicated()
        try:
            self._lost.clear()
            connection.add_termination_listener(lambda _: self._lost.set())
            await connection.add_listener(self._channel, lambda connection, pid, channel, text: self._put(text))
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    async def _keep(self) -> None:
        while True:
            await self._until_lost()
            self.lost += 1
            self._changed()
            await self._listen_again()
            self._changed()

    async def _until_lost(self) -> None:
        while self._connection is not None and not self._connection.is_closed():
            with suppress(TimeoutError):
                async with asyncio.timeout(_ASK_S):
                    await self._lost.wait()
                    return
            try:
                await self._connection.fetchval("SELECT 1")
            except FAILURES:
                self._connection.terminate()

    async def _listen_again(self) -> None:
        wait_s = _FIRST_RETRY_S
        while True:
            with suppress(*FAILURES):
                return await self._listen()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LAST_RETRY_S)
