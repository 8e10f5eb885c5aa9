"""A plain subscription: a feed, and a buffer of what it brought and somebody wants."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.redis.client import RedisClient
from prism_backends.redis.envelope import opened
from prism_backends.redis.feed import Feed
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.pubsub import Message, Subscription

__all__ = ["Listener"]

_BUFFER_BYTES = 64_000_000
"""What comes while so much waits to be received is dropped, and counted."""


class Listener(Subscription):
    """One subscription. ``gaps`` counts lost connections, and messages for which the buffer had no room."""

    def __init__(
        self,
        client: RedisClient,
        backend: str,
        channels: bytes,
        channel: tuple[Literal["SUBSCRIBE", "PSUBSCRIBE"], bytes],
        what: str,
        wants: Callable[[Message], bool],
    ) -> None:
        """``channels`` is how those of all topics begin, ``channel`` the command that listens, and to which of them."""
        self._backend, self._what, self._wants = backend, what, wants
        self._channels = channels
        self._bell = Bell()
        self._buffer: deque[tuple[Message, int]] = deque()
        self._size, self._dropped = 0, 0
        self._left = False
        command, where = channel
        self._feed = Feed(client, where, f"{backend}: subscribe {what[:40]!a}", self._put, self._bell.ring, command)

    async def enter(self) -> None:
        """Receive from now on."""
        await self._feed.open()

    async def leave(self) -> None:
        """Receive nothing more. A repeat does nothing."""
        self._left = True
        self._buffer.clear()
        self._bell.ring()
        await asyncio.shield(self._feed.close())

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await self._bell.first(self._take, prism.check_timeout(timeout_s, "receive", self._backend))
        if message is None:
            await self._feed.sync()  # what was published in time may be on its way
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
        return self._feed.lost + self._dropped

    def _put(self, channel: bytes, envelope: bytes) -> None:
        try:
            about, payload = opened(envelope)
            message = Message(about["id"], channel.removeprefix(self._channels).decode(), payload, about["headers"])
            wanted = self._wants(message)
        except (ValueError, KeyError):  # a stranger's, on our channel; it may stand for one of ours
            self._dropped += 1
            return
        if not wanted:
            return
        if self._size + len(envelope) > _BUFFER_BYTES:
            self._dropped += 1
        else:
            self._size += len(envelope)
            self._buffer.append((message, len(envelope)))
            self._bell.ring()

    def _take(self) -> Message | None:
        if self._left:
            raise Closed(f"{self._backend}: receive {self._what[:40]!a}: the subscription was left")
        if not self._buffer:
            return None
        message, size = self._buffer.popleft()
        self._size -= size
        return message
