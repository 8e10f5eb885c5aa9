"""Transactions: optimistic, without a transaction of the server's while the block is open."""

import asyncio

import prism_testkit as prism
from prism_backends.postgres import keyvalue_sql as sql
from prism_backends.postgres.client import PostgresClient
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.keyvalue import Bytes, KeyValueTransaction

__all__ = ["Transaction"]

_ME = "postgres"


class Transaction(KeyValueTransaction):
    """Remembers the state of each row that it read, and what it is to write.

    The end is one statement, which locks what was read, compares, and writes. Plain calls are no transactions that the server's
    own SERIALIZABLE would look at, but this holds against them too, and nobody waits for a block that is open.
    """

    def __init__(self, client: PostgresClient, namespace: bytes) -> None:
        self._client, self._namespace = client, namespace
        self._seen: dict[bytes, tuple[bytes | None, str | None]] = {}
        self._writes: dict[bytes, bytes | None] = {}
        self._turn = asyncio.Lock()  # of two reads of one key at once, the second sees what the first saw
        self._closed = False

    async def get(self, key: str) -> bytes | None:
        return await self._value("get", key)

    async def set(self, key: str, value: Bytes) -> None:
        name = self._name("set", key)
        self._writes[name] = prism.check_payload(value, "transaction set", _ME, key)

    async def delete(self, key: str) -> bool:
        present = await self._value("delete", key) is not None
        self._writes[self._name("delete", key)] = None
        return present

    async def commit(self) -> None:
        """Apply the writes if nothing that was read has changed; raise `Conflict` otherwise."""
        self._closed = True
        keys, states = list(self._seen), [state for _, state in self._seen.values()]
        if self._writes:
            written, values = list(self._writes), list(self._writes.values())
            await self._client.rows(f"{_ME}: transaction commit", sql.COMMIT, self._namespace, keys, states, written, values)
        elif keys and not await self._client.value(f"{_ME}: transaction commit", sql.CHECK, self._namespace, keys, states):
            raise errors.Conflict(f"{_ME}: transaction commit: what it read has changed")

    def discard(self) -> None:
        """Forget the writes."""
        self._closed = True

    async def _value(self, operation: str, key: str) -> bytes | None:
        name = self._name(operation, key)
        if name in self._writes:
            return self._writes[name]
        async with self._turn:
            self._name(operation, key)  # it may have ended while we waited
            if name not in self._seen:
                rows = await self._client.rows(f"{_ME}: transaction {operation} {key[:40]!a}", sql.SEE, self._namespace, name)
                self._name(operation, key)  # what comes behind the end was not checked there, so nobody may see it
                self._seen[name] = (rows[0][0], rows[0][1]) if rows else (None, None)
            return self._seen[name][0]

    def _name(self, operation: str, key: str) -> bytes:
        if self._closed:
            raise errors.Closed(f"{_ME}: transaction {operation}: the transaction has ended")
        return prism.check_name(key, f"transaction {operation}", _ME)
