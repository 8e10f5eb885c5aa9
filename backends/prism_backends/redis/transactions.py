"""Transactions: optimistic, by WATCH, MULTI and EXEC."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis import exceptions as native
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from prism_backends.redis.client import TIMEOUT_S, RedisClient, translated
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.keyvalue import Bytes, KeyValueTransaction

__all__ = ["Transaction"]


class Transaction(KeyValueTransaction):
    """Optimistic: what is read is WATCHed on a connection of its own, what is written waits for MULTI and EXEC at the end.

    Not redis-py's Pipeline, which reports a connection lost during EXEC as a `WatchError`, as if nothing had been done.
    """

    def __init__(
        self, client: RedisClient, backend: str, at: Callable[[str, str], bytes], data: Callable[[str, str, Bytes], bytes]
    ) -> None:
        """``at`` and ``data`` check an operation's key, and its value, and return what is stored."""
        self._pool: ConnectionPool = client.connection_pool
        self._backend, self._location, self._data = backend, at, data
        self._connection: AbstractConnection | None = None
        self._seen: dict[bytes, bytes | None] = {}
        self._writes: dict[bytes, bytes | None] = {}
        self._turn = asyncio.Lock()  # one exchange at a time
        self._closed = False
        self._broken = False

    async def get(self, key: str) -> bytes | None:
        return await self._value("get", key)

    async def set(self, key: str, value: Bytes) -> None:
        at = self._at("set", key)
        self._writes[at] = self._data("transaction set", key, value)

    async def delete(self, key: str) -> bool:
        present = await self._value("delete", key) is not None
        self._writes[self._at("delete", key)] = None
        return present

    async def commit(self) -> None:
        """Apply the writes if nothing that was read has changed; raise `Conflict` otherwise."""
        self._closed = True
        if not self._writes and self._connection is None:
            return
        writes = [("DEL", at) if value is None else ("SET", at, value) for at, value in self._writes.items()]
        begun, *queued, outcome = await self._finish("commit", ("MULTI",), *writes, ("EXEC",))
        if outcome is None:
            raise errors.Conflict(self._what("commit", "what it read has changed; nothing was done"))
        if isinstance(begun, Exception):  # a proxy, or an access list, that knows SET and refuses MULTI
            raise errors.BackendUnavailable(self._what("commit", f"it may have been applied in part: {begun}")) from begun
        self._raise_first(*queued, *(outcome if isinstance(outcome, list) else [outcome]), operation="commit")

    async def discard(self) -> None:
        """Forget the writes and what was watched. What goes wrong here only costs the connection."""
        self._closed = True
        if self._connection is not None:
            with suppress(errors.PrismError):
                await self._finish("discard", ("UNWATCH",))

    async def _value(self, operation: str, key: str) -> bytes | None:
        at = self._at(operation, key)
        if at in self._writes:
            return self._writes[at]
        async with self._turn:
            try:
                self._at(operation, key)  # it may have ended while we waited
                if at not in self._seen:
                    watched, value = await self._exchange(operation, ("WATCH", at), ("GET", at))
                    self._raise_first(watched, value, operation=operation)
                    self._seen[at] = value
                return self._seen[at]
            finally:
                if self._closed:  # the block was left meanwhile, and the connection left to us
                    await self._break()
                    await self._release()

    async def _exchange(self, operation: str, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands in one packet and return their replies, errors among them.

        A connection that failed is never replaced, for the new one would watch nothing: the transaction can only end in `Conflict`.
        """
        if self._broken:
            raise errors.Conflict(self._what(operation, "a read did not finish, so the commit cannot be checked; nothing was done"))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._connection = connection = self._connection or await self._pool.get_connection()  # type: ignore[no-untyped-call]
                await connection.send_packed_command(connection.pack_commands(commands))
                return [await _reply(connection) for _ in commands]
        except (native.RedisError, OSError) as error:
            await self._break()
            raise translated(error, self._what(operation)) from error
        except BaseException:
            await self._break()
            raise

    async def _finish(self, operation: str, *commands: tuple[Any, ...]) -> list[Any]:
        """Exchange for the last time and give the connection back, closed unless every reply is as it should be."""
        if self._turn.locked():
            raise errors.Conflict(self._what(operation, "the block was left while another task still read; nothing was done"))
        async with self._turn:
            try:
                replies = await self._exchange(operation, *commands)
                if any(isinstance(reply, Exception) for reply in replies):
                    await self._break()  # it may still watch, or be inside MULTI
                return replies
            finally:
                await self._release()

    async def _break(self) -> None:
        self._broken = True
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)

    async def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.release(connection)

    def _at(self, operation: str, key: str) -> bytes:
        if self._closed:
            raise errors.Closed(self._what(operation, "the transaction has ended"))
        return self._location(f"transaction {operation}", key)

    def _raise_first(self, *replies: Any, operation: str) -> None:
        for reply in replies:
            if isinstance(reply, Exception):
                raise translated(reply, self._what(operation)) from reply

    def _what(self, operation: str, reason: str = "") -> str:
        return f"{self._backend}: transaction {operation}" + (f": {reason}" if reason else "")


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except native.ResponseError as error:
        return error
