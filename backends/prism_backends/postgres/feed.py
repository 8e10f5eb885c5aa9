"""What the server tells (LISTEN): one connection a client, which is made again when it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from prism_backends.postgres.connections import FAILURES, Connection, end, translated

__all__ = ["Channel", "Feed"]

_ASK_S = 5.0
"""How often an idle connection is asked whether it lives."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.01, 0.5


@dataclass(eq=False)
class Channel:
    """Somebody who hears what is told under a name. ``put`` gets each text, and must not raise; ``changed`` is called when the
    connection was lost, and when there is one again: what was told in between is missed."""

    name: str
    put: Callable[[str], None]
    changed: Callable[[], None]

    def hear(self, connection: object, pid: int, name: str, text: str) -> None:
        self.put(text)


class Feed:
    """The channels of one client. ``lost`` counts the connections that were lost."""

    def __init__(self, connected: Callable[[], Awaitable[Connection]]) -> None:
        self._connected = connected
        self._channels: dict[Channel, None] = {}
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self.lost = 0

    async def open(self, channel: Channel, what: str) -> None:
        """Return when the server tells from now on; ``what`` is for the error."""
        try:
            async with self._turn:
                if self._keeping is None:
                    await self._listen()
                    self._keeping = asyncio.create_task(self._keep(), name="feed of notifications")
                self._channels[channel] = None
                if self._connection is not None:
                    await self._connection.add_listener(channel.name, channel.hear)
        except FAILURES as error:
            self._channels.pop(channel, None)
            raise translated(error, what) from error
        except BaseException:
            self._channels.pop(channel, None)  # what the server may tell all the same is put, which does no harm
            raise

    async def close(self, channel: Channel) -> None:
        """Hear no more. A repeat does nothing."""
        if self._channels.pop(channel, channel) is None:
            with suppress(*FAILURES):
                async with self._turn:
                    if self._connection is not None:
                        await self._connection.remove_listener(channel.name, channel.hear)

    async def end(self) -> None:
        """End the connection. A repeat does nothing."""
        keeping, self._keeping = self._keeping, None
        self._channels.clear()
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await end(connection)

    async def _listen(self) -> None:
        connection = await self._connected()
        try:
            self._lost.clear()
            connection.add_termination_listener(lambda _: self._lost.set())
            for channel in list(self._channels):
                await connection.add_listener(channel.name, channel.hear)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    async def _keep(self) -> None:
        while True:
            await self._until_lost()
            self.lost += 1
            self._change()
            await self._listen_again()
            self._change()

    async def _until_lost(self) -> None:
        while self._connection is not None and not self._connection.is_closed():
            with suppress(TimeoutError):
                async with asyncio.timeout(_ASK_S):
                    await self._lost.wait()
                    return
            try:
                async with self._turn:
                    await self._connection.fetchval("SELECT 1")
            except FAILURES:
                self._connection.terminate()

    async def _listen_again(self) -> None:
        wait_s = _FIRST_RETRY_S
        while True:
            with suppress(*FAILURES):
                async with self._turn:
                    self._connection = None
                    return await self._listen()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LAST_RETRY_S)

    def _change(self) -> None:
        for channel in list(self._channels):
            channel.changed()
