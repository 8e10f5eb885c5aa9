"""Where the server sends what a member of a durable consumer asked for: one subject, one request at a time."""

import asyncio
import json

from nats.aio.msg import Msg

from prism_backends.jetstream.api import status_of
from prism_backends.nats.connection import TIMEOUT_S, Connection, Lost, Subscription

__all__ = ["Inbox"]

_MOST_BYTES = 8_000_000
"""What one request may bring: it is held in memory."""


class Inbox:
    """Pulls of one member, one after the other. What came is never dropped: the server takes it for delivered."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_complete = True
        """Whether the last request has ended, so that nothing more comes."""
        self.status = ""
        """By what the last request ended; empty if by as many messages as it asked for."""
        self._subject = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._came: list[Msg] = []
        self._most = 0
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._until = 0.0
        """When the loop's clock says so, the server has ended the request by itself."""

    async def pull(self, subject: str, most: int, wait_s: float) -> list[Msg]:
        """Return what comes for up to ``most`` messages: what is there, or, with ``wait_s``, what comes first within it.

        After `stop`, and when the server does not answer, return what came until then; `rest` then gives all.
        """
        loop = asyncio.get_running_loop()
        if self._subscription is None:
            self._subscription = await self.connection.subscribe(self._subject, self._heard)
        self._came, self._most, self.status, self.is_complete = [], most, "", False
        self._end, self._over, self._until = loop.create_future(), loop.create_future(), loop.time() + wait_s + TIMEOUT_S
        bounds = {"expires": int(wait_s * 1e9)} if wait_s else {"no_wait": True, "max_bytes": _MOST_BYTES}
        with self.connection.watching(self.stop):
            await self.connection.send(subject, json.dumps({"batch": most} | bounds).encode(), reply=self._subject)
            await asyncio.wait([self._end], timeout=wait_s + TIMEOUT_S)
        if self.connection.is_lost:
            raise Lost("the connection was lost before the answer came")
        return self._came

    def stop(self) -> None:
        """Wait no longer."""
        if not self._end.done():
            self._end.set_result(None)

    async def rest(self) -> list[Msg]:
        """Wait for the end of a request, however long it waits at the server, and return all that came for it.

        To take it back instead, by no longer listening, would lose what the server has just given: that counts as delivered when
        the server chooses whom to give it, and is dropped when nobody listens any more as it sends it, a moment later.
        """
        with self.connection.watching(self._settle):
            await asyncio.wait([self._over], timeout=max(0.0, self._until - asyncio.get_running_loop().time()))
        if not self.is_complete and self._subscription is not None:
            await self._subscription.drain()
        return self._came

    async def close(self) -> None:
        """Listen no more, when no request is under way: the connection is shared, and goes on."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self.connection.is_lost:
            await subscription.end()

    def _settle(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _heard(self, message: Msg) -> None:
        status = status_of(message)
        if status is None:
            self._came.append(message)
        else:
            self.status = status
        if status is not None or len(self._came) == self._most:
            self.is_complete = True
            self.stop()
            self._settle()
