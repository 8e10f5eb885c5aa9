"""A plain subscription: a subject of the server's, a buffer of what came, and the count of what did not."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from nats.aio.msg import Msg

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.cancellation import whole
from prism_backends.nats.client import FAILURES, NatsClient, translated
from prism_backends.nats.connection import TIMEOUT_S, Connection
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.pubsub import Message, Subscription

__all__ = ["Listener"]

_BUFFER_BYTES = 64_000_000
"""What comes while so much waits to be received is dropped, and counted."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.01, 0.5


class Listener(Subscription):
    """One subscription. ``gaps`` counts lost connections, and messages for which the buffer had no room.

    A server that finds this client too slow ends the connection, so that shows as well.
    """

    def __init__(self, client: NatsClient, backend: str, subject: str, what: str, read: Callable[[Msg], Message | None]) -> None:
        """``what`` is what it is to; ``read`` gives None for a message that is not wanted, and raises ``ValueError`` for none."""
        self._client, self._backend, self._subject, self._what, self._read = client, backend, subject, what, read
        self._bell = Bell()
        self._buffer: deque[tuple[Message, int]] = deque()
        self._size = 0
        self._left = False
        self._connection: Connection | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._gaps = 0

    async def enter(self) -> None:
        """Receive from now on: the server has the subscription when this returns."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._connection = await self._subscribed()
        except FAILURES as error:
            raise translated(error, f"{self._backend}: subscribe {self._what}") from error
        self._keeping = asyncio.create_task(self._keep(self._connection))

    async def leave(self) -> None:
        """Receive nothing more. A repeat does nothing."""
        self._left = True
        self._buffer.clear()
        self._bell.ring()
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await whole(self._end(keeping))

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await self._bell.first(self._take, prism.check_timeout(timeout_s, "receive", self._backend))
        if message is None:
            await self._sync()  # what was published in time may be on its way
            message = self._take()
        return message

    async def __anext__(self) -> Message:
        try:
            message = await self._bell.first(self._take, None)
        except Closed:
            raise StopAsyncIteration from None
        assert message is not None, "without a timeout there is a message"
        return message

    @property
    def gaps(self) -> int:
        return self._gaps

    async def _sync(self) -> None:
        connection = self._connection
        if connection is None:
            return
        with suppress(*FAILURES):  # who keeps the subscription notices, counts and connects again
            async with asyncio.timeout(TIMEOUT_S):
                await connection.sync()

    async def _subscribed(self) -> Connection:
        connection = await self._client.connection()
        self._subscription = await connection.subscribe(self._subject, self._put)
        try:
            await connection.sync()
        except BaseException:
            await self._subscription.end()
            raise
        return connection

    async def _end(self, keeping: "asyncio.Task[None]") -> None:
        await asyncio.wait([keeping])
        await self._subscription.end()  # not by who keeps it: cancelled before its first step, it does nothing at all

    async def _keep(self, connection: Connection) -> None:
        while True:
            await connection.lost()
            self._connection = None
            self._gaps += 1
            self._bell.ring()
            connection = await self._resubscribed()
            self._connection = connection

    async def _resubscribed(self) -> Connection:
        wait_s = _FIRST_RETRY_S
        while True:
            with suppress(*FAILURES):
                async with asyncio.timeout(TIMEOUT_S):
                    return await self._subscribed()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LAST_RETRY_S)

    def _put(self, message: Msg) -> None:
        try:
            found = self._read(message)
        except ValueError:  # a stranger's, on our subject; it may stand for one of ours
            self._gaps += 1
            return
        if found is None:
            return
        size = len(message.data)
        if self._size + size > _BUFFER_BYTES:
            self._gaps += 1
        elif not self._left:
            self._size += size
            self._buffer.append((found, size))
            self._bell.ring()

    def _take(self) -> Message | None:
        if self._left:
            raise Closed(f"{self._backend}: receive {self._what}: the subscription was left")
        if not self._buffer:
            return None
        message, size = self._buffer.popleft()
        self._size -= size
        return message
