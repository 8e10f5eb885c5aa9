"""A plain subscription: a place among the messages, from which it reads on."""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Hashable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.cancellation import whole
from prism_backends.postgres import pubsub_sql as sql
from prism_backends.postgres.client import PostgresClient, Row
from prism_backends.postgres.presence import PATIENCE_S, Subscribed, process_of
from prism_backends.pubsub_matching import carries
from prism_backends.streamcompany import Company
from prism_testkit.interfaces.errors import Closed, PrismError
from prism_testkit.interfaces.pubsub import Message, Subscription

__all__ = ["Listener"]

_ME = "postgres"
_LOOK_S = 1.0
"""How long one who waits trusts that it is woken."""
_PAGE_ROWS = 100
_PAGE_BYTES = 1_000_000
"""A page ends when either is reached; after as much has been read, it is told to the others, so that it can be removed."""


class Listener(Subscription):
    """One subscription. What it has read is in its buffer; a row stays until everybody who listens has read it.

    One whose row is gone, because it gave no sign of life for too long, begins anew. That counts as a gap, as does each connection
    on which the client hears that was lost, though then the messages are there.
    """

    def __init__(
        self,
        client: PostgresClient,
        company: Company[Subscribed],
        bell: Bell,
        names: tuple[bytes, bytes],
        topic: str,
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._client, self._company, self.bell = client, company, bell
        self.names: tuple[bytes, ...] = names
        self.place: Hashable = names
        self.name = secrets.token_hex(8)
        self.is_open = True
        self._topic, self._attributes = topic, attributes
        self._buffer: deque[Message] = deque()
        self._turn = asyncio.Lock()  # one page at a time, or two would be the same
        self._position = 0
        self._unsaid_rows, self._unsaid_bytes = 0, 0
        self._lost_before, self._gaps = client.feed.lost, 0

    async def enter(self) -> None:
        """Take the place from which on everything is received."""
        self._company.enter(self)
        rows = await self._run("subscribe", sql.LISTEN, process_of(self._client), PATIENCE_S)
        self._position = rows[0][0]

    async def leave(self) -> None:
        """Receive nothing more. A repeat does nothing. What goes wrong here is mended when the signs of life are missed."""
        if not self.is_open:
            return
        self.is_open = False
        self._company.leave(self)
        self._buffer.clear()
        self.bell.ring()
        await whole(self._leave())

    async def _leave(self) -> None:
        with suppress(PrismError):
            await self._run("unsubscribe", sql.UNLISTEN)

    async def receive(self, timeout_s: float = 0) -> Message | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + prism.check_timeout(timeout_s, "receive", _ME)
        while True:
            heard = self.bell.rings
            is_last = loop.time() >= until
            message = await self._next()
            if message is not None or is_last:
                return message
            await self.bell.rest(min(max(0.0, until - loop.time()), _LOOK_S), heard)

    async def __anext__(self) -> Message:
        try:
            while True:
                heard = self.bell.rings
                message = await self._next()
                if message is not None:
                    return message
                await self.bell.rest(_LOOK_S, heard)
        except Closed:
            raise StopAsyncIteration from None

    @property
    def gaps(self) -> int:
        return self._gaps + self._client.feed.lost - self._lost_before

    async def _next(self) -> Message | None:
        self._check_open()
        if not self._buffer:
            async with self._turn:
                more = True
                while more and not self._buffer:
                    more = await self._read()
            self._check_open()
        return self._buffer.popleft() if self._buffer else None

    async def _read(self) -> bool:
        """Read a page, and return whether it was full. Only a look, which a cancelled call simply forgets; the place moves when
        the page is here."""
        page = await self._run("receive", sql.READ, self._position, _PAGE_ROWS, _PAGE_BYTES)
        if not self.is_open:
            return False
        if not page[0]["known"]:
            await self._begin_anew()
            return False
        if page[0]["seq"] is None:
            return False
        self._position = page[-1]["seq"]
        messages = (Message(str(seq), self._topic, payload, json.loads(headers)) for _, seq, headers, payload in page)
        # Not in the database: its JSON holds no NUL.
        self._buffer.extend(message for message in messages if carries(message.headers, self._attributes))
        size = sum(len(row["payload"]) for row in page)
        self._unsaid_rows += len(page)
        self._unsaid_bytes += size
        if self._unsaid_rows >= _PAGE_ROWS or self._unsaid_bytes >= _PAGE_BYTES:
            self._unsaid_rows, self._unsaid_bytes = 0, 0
            with suppress(PrismError):  # then the next one tells it
                await self._run("receive", sql.TELL, self._position)
        return len(page) >= _PAGE_ROWS or size >= _PAGE_BYTES

    async def _begin_anew(self) -> None:
        self._company.rename(self, secrets.token_hex(8))
        rows = await self._run("receive", sql.LISTEN, process_of(self._client), PATIENCE_S)
        self._position = rows[0][0]
        self._gaps += 1

    def _check_open(self) -> None:
        if not self.is_open:
            raise Closed(f"{_ME}: receive {self._topic[:40]!a}: the subscription was left")

    async def _run(self, operation: str, statement: str, *arguments: Any) -> list[Row]:
        what = f"{_ME}: {operation} {self._topic[:40]!a}"
        return await self._client.rows(what, statement, *self.names, self.name, *arguments)
