"""A plain subscription: a place in the table of messages, from which it reads on."""

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import closing

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.presence import Presence, depart, is_gone
from prism_backends.sqlite.waiting import Patience
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.pubsub import Message, Subscription

__all__ = ["EVERY_TOPIC", "Listener", "forget_gone_listeners"]

_ME = "sqlite"
EVERY_TOPIC = b""
"""Instead of the topic, of who listens to a pattern: all messages of the namespace are kept until it has seen them."""
_PAGE_ROWS = 100
_PAGE_BYTES = 1_000_000
"""A page ends when either is reached; after as much has been read, it is told to the others, so that it can be removed."""

_ENTER = """INSERT INTO pubsub_listeners (namespace, topic, owner, position) VALUES (:namespace, :topic, :owner,
  coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'pubsub_messages'), 0))"""
_POSITION = "SELECT position FROM pubsub_listeners WHERE listener = :listener"
_READ = """SELECT seq, topic, headers, payload FROM pubsub_messages
  WHERE namespace = :namespace AND topic = :topic AND seq > :position ORDER BY seq LIMIT :rows"""
_READ_ALL = """SELECT seq, topic, headers, payload FROM pubsub_messages
  WHERE seq > :position AND +namespace = :namespace ORDER BY seq LIMIT :rows"""
_TELL = "UPDATE pubsub_listeners SET position = :position WHERE listener = :listener"
_LEAVE = "DELETE FROM pubsub_listeners WHERE listener = :listener"
_OWNERS = "SELECT DISTINCT owner FROM pubsub_listeners WHERE namespace = :namespace AND owner <> :me ORDER BY owner"
_TOPICS = "SELECT DISTINCT topic FROM pubsub_listeners WHERE namespace = :namespace AND owner = :owner"
_FORGET = "DELETE FROM pubsub_listeners WHERE namespace = :namespace AND owner = :owner"
_TRIM = """DELETE FROM pubsub_messages WHERE namespace = :namespace AND topic = :topic AND seq <= coalesce(
  (SELECT min(position) FROM pubsub_listeners WHERE namespace = :namespace AND topic IN (:topic, x'')), 9223372036854775807)"""
_TRIM_ALL = """DELETE FROM pubsub_messages WHERE namespace = :namespace AND seq <= coalesce(
  (SELECT min(position) FROM pubsub_listeners AS listeners WHERE listeners.namespace = :namespace
    AND listeners.topic IN (pubsub_messages.topic, x'')), 9223372036854775807)"""


class Listener(Subscription):
    """One subscription, to a topic or to `EVERY_TOPIC`, of which it gives what it ``wants``.

    What it has read is in its buffer; a row stays until everybody who listens has read it.
    """

    def __init__(
        self,
        client: SqliteClient,
        presence: Presence,
        bell: Bell,
        here: dict[str, bytes],
        what: str,
        wants: Callable[[Message], bool],
    ) -> None:
        self._client, self._presence, self._bell = client, presence, bell
        self._here, self._wants, self._what = here, wants, f"{what[:40]!a}"
        self._buffer: deque[Message] = deque()
        self._turn = asyncio.Lock()  # one page at a time, or two would be the same
        self._listener, self._position = 0, 0
        self._unsaid_rows, self._unsaid_bytes = 0, 0
        self._left = False

    async def enter(self) -> None:
        """Take the place from which on everything is received."""
        await self._client.write(f"subscribe {self._what}", self._enter)

    def _enter(self, connection: sqlite3.Connection, now_s: float) -> None:
        namespace = self._here["namespace"]
        owner = self._presence.enter(connection, self)
        forget_gone_listeners(connection, namespace, owner)
        self._listener = connection.execute(_ENTER, {**self._here, "owner": owner}).lastrowid or 0
        (self._position,) = connection.execute(_POSITION, {"listener": self._listener}).fetchone()

    async def leave(self) -> None:
        """Receive nothing more. A repeat does nothing."""
        if not self._left:
            self._left = True
            self._buffer.clear()
            self._bell.ring()
            await depart(self._client, f"unsubscribe {self._what}", self._leave, self._presence, self)

    def _leave(self, connection: sqlite3.Connection, now_s: float) -> None:
        connection.execute(_LEAVE, {"listener": self._listener})
        _trim(connection, self._here)

    async def receive(self, timeout_s: float = 0) -> Message | None:
        patience = Patience(self._bell, prism.check_timeout(timeout_s, "receive", _ME), self._client.clock.virtual)
        while (message := await self._next()) is None:
            if not await patience.rest():
                return None
        return message

    async def __anext__(self) -> Message:
        patience = Patience(self._bell, None, self._client.clock.virtual)
        try:
            while (message := await self._next()) is None:
                await patience.rest()
        except Closed:
            raise StopAsyncIteration from None
        return message

    @property
    def gaps(self) -> int:
        return 0

    async def _next(self) -> Message | None:
        self._check_left()
        if not self._buffer:
            async with self._turn:
                while not self._buffer and await self._read():
                    pass
            self._check_left()
        return self._buffer.popleft() if self._buffer else None

    def _check_left(self) -> None:
        if self._left:
            raise Closed(f"{_ME}: receive {self._what}: the subscription was left")

    async def _read(self) -> bool:
        """Read a page; False if there was nothing to read, wanted or not.

        Only a look, which a cancelled call simply forgets; the place moves when the page is here.
        """
        page, size = await self._client.read(f"receive {self._what}", self._page)
        if not page or self._left:
            return False
        self._position = page[-1][0]
        messages = (Message(str(seq), topic.decode(), payload, json.loads(headers)) for seq, topic, headers, payload in page)
        self._buffer.extend(message for message in messages if self._wants(message))
        self._unsaid_rows += len(page)
        self._unsaid_bytes += size
        if self._unsaid_rows >= _PAGE_ROWS or self._unsaid_bytes >= _PAGE_BYTES:
            self._unsaid_rows, self._unsaid_bytes = 0, 0
            await self._client.write(f"receive {self._what}", self._tell)
        return True

    def _page(self, connection: sqlite3.Connection, now_s: float) -> tuple[list[tuple[int, bytes, str, bytes]], int]:
        page: list[tuple[int, bytes, str, bytes]] = []
        size = 0
        read = _READ_ALL if self._here["topic"] == EVERY_TOPIC else _READ
        with closing(connection.execute(read, {**self._here, "position": self._position, "rows": _PAGE_ROWS})) as cursor:
            for row in cursor:
                page.append(row)
                size += len(row[3])
                if size >= _PAGE_BYTES:
                    break
        return page, size

    def _tell(self, connection: sqlite3.Connection, now_s: float) -> None:
        connection.execute(_TELL, {"position": self._position, "listener": self._listener})
        _trim(connection, self._here)


def forget_gone_listeners(connection: sqlite3.Connection, namespace: bytes, me: str) -> None:
    """Remove those whose process died, and the messages that were kept for them."""
    for (owner,) in connection.execute(_OWNERS, {"namespace": namespace, "me": me}).fetchall():
        if is_gone(connection, owner):
            row = {"namespace": namespace, "owner": owner}
            topics = connection.execute(_TOPICS, row).fetchall()
            connection.execute(_FORGET, row)
            for (topic,) in topics:
                _trim(connection, {"namespace": namespace, "topic": topic})


def _trim(connection: sqlite3.Connection, here: dict[str, bytes]) -> None:
    """Remove what nobody has yet to read of those messages that were kept for who listens ``here``."""
    connection.execute(_TRIM_ALL if here["topic"] == EVERY_TOPIC else _TRIM, here)
