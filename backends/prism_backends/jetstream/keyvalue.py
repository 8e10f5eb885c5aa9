"""`JetStreamKeyValue`: all key-value interfaces but transactions, in one stream of the server's for each namespace."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import prism_testkit as prism
from prism_backends.cancellation import begun
from prism_backends.jetstream.api import JetStream, Stored, stream_config
from prism_backends.jetstream.cells import GONE, REPLACING, Cells
from prism_backends.jetstream.gathering import all_of
from prism_backends.jetstream.living import LivingJetStream
from prism_backends.jetstream.serverclock import ServerClock
from prism_backends.nats.client import NatsClient
from prism_testkit.interfaces.errors import CorruptPayload, NotFound, PrismError
from prism_testkit.interfaces.keyvalue import Bytes, KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTtl
from prism_testkit.naming import decode_name, encode_name

__all__ = ["JetStreamKeyValue"]

_PAGE = 200
_PAGE_BYTES = 4_000_000
_TTL_BYTES = 12
"""Seconds to live in nanoseconds, 0 for ever; more than eight bytes, for there may be 10^10 of them."""
_LONGEST_TTL_S = 1e10
_LONGEST_RECLAIM_S = 9e9
"""What the server can count; what lives longer it does not remove."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a key holds. ``deadline_ns`` is 0 without one."""

    sequence: int
    value: bytes
    ttl_ns: int
    deadline_ns: int


class JetStreamKeyValue(LivingJetStream, KeyValueScan, KeyValueTtl, KeyValueBatch, KeyValueCas):
    """Each key is a subject, whose last message is the value; who compares names the message he saw.

    Deadlines are judged by the server's clock, to the millisecond; the server itself removes what expired by the whole second.
    A scan reads every value of the namespace: the server cannot tell a prefix that ends within a token. No transactions: the
    server writes many subjects at once, but a transaction that only read a key cannot tell it that the key must not change.
    """

    backend_name: ClassVar[str] = "jetstream"
    traits: ClassVar[prism.Traits] = prism.Traits(durability="process", ttl_reclaim_s=5.0)

    def __init__(self, client: NatsClient, namespace: str) -> None:
        self.client = client
        self._subjects = f"{namespace}.kv."
        config = stream_config(f"{namespace}_kv", f"{self._subjects}>", allow_rollup_hdrs=True, allow_msg_ttl=True)
        self.server = JetStream(client, self.backend_name)
        self._cells = Cells(self.server, config)
        self._clock = ServerClock()
        self._tidying: set[asyncio.Task[None]] = set()

    async def _end(self) -> None:
        """Finish what is under way."""
        if self._tidying:
            await asyncio.wait(self._tidying)

    async def set(self, key: str, value: Bytes) -> None:
        subject, data = self._subject("set", key), self._data("set", key, value)
        await self._cells.put(self._what("set", key), subject, _sealed(data))

    async def get(self, key: str) -> bytes | None:
        cell = await self._read("get", key, self._subject("get", key))
        return None if cell is None else cell.value

    async def exists(self, key: str) -> bool:
        return await self._read("exists", key, self._subject("exists", key)) is not None

    async def delete(self, key: str) -> bool:
        return await self._delete("delete", key)

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        data = _sealed(self._data("compare_and_swap", key, new))
        old = None if expected is None else self._data("compare_and_swap", key, expected)
        return await self._change(
            "compare_and_swap", key, lambda cell: (data, {}) if (None if cell is None else cell.value) == old else None
        )

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        old = self._data("compare_and_delete", key, expected)
        return await self._change("compare_and_delete", key, lambda cell: (GONE, {}) if cell and cell.value == old else None)

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        subject, data = self._subject("set_with_ttl", key), self._data("set_with_ttl", key, value)
        ttl_ns = self._ttl_ns("set_with_ttl", ttl_s)
        what = self._what("set_with_ttl", key)
        if ttl_ns:
            await self._cells.put(what, subject, _sealed(data, ttl_ns), REPLACING | _reclaimed(ttl_ns))
        else:
            self._tidy(what, subject, await self._cells.put(what, subject, GONE))

    async def expire(self, key: str, ttl_s: float) -> bool:
        ttl_ns = self._ttl_ns("expire", ttl_s)

        def changed(cell: _Cell | None) -> tuple[bytes, dict[str, str]] | None:
            if cell is None:
                return None
            return (_sealed(cell.value, ttl_ns), _reclaimed(ttl_ns)) if ttl_ns else (GONE, {})

        return await self._change("expire", key, changed)

    async def ttl(self, key: str) -> float | None:
        cell = await self._read("ttl", key, self._subject("ttl", key))
        if cell is None:
            raise NotFound(f"{self._what('ttl', key)}: there is no such key")
        if not cell.deadline_ns:
            return None
        return min(cell.ttl_ns, cell.deadline_ns - self._clock.earliest_ns()) / 1e9

    async def persist(self, key: str) -> bool:
        return await self._change("persist", key, lambda cell: (_sealed(cell.value), {}) if cell and cell.deadline_ns else None)

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        beginning = prism.check_prefix(prefix, "scan", self.backend_name)
        left = prism.check_limit(limit, "scan", self.backend_name)
        if left == 0:
            return
        async for key, value in self._scanned(prefix, beginning):
            yield key, value
            left = None if left is None else left - 1
            if left == 0:
                return

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.scan(prefix, limit):
            yield key

    async def count(self, prefix: str = "") -> int:
        return sum([1 async for _ in self.scan(prefix)])

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self._subject("batch_set", key): _sealed(self._data("batch_set", key, value)) for key, value in items.items()}
        what = self._what("batch_set", "")
        await all_of(self._cells.put(what, subject, data) for subject, data in checked.items())

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        subjects = {key: self._subject("batch_get", key) for key in keys}
        found = await all_of(self._read("batch_get", key, subject) for key, subject in subjects.items())
        return {key: cell.value for key, cell in zip(subjects, found, strict=True) if cell is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        for key in keys:
            self._subject("batch_delete", key)
        return sum(await all_of(self._delete("batch_delete", key) for key in dict.fromkeys(keys)))

    async def _delete(self, operation: str, key: str) -> bool:
        return await self._change(operation, key, lambda cell: None if cell is None else (GONE, {}))

    async def _scanned(self, prefix: str, beginning: bytes) -> AsyncIterator[tuple[str, bytes]]:
        """Iterate up to the end, wherever that is by then: a key that is written meanwhile moves there."""
        what, start = self._what("scan", prefix), 0
        given: set[str] = set()
        await self._clock.read(self._cells.server, what, self._cells.stream)
        while True:
            page = await self._cells.server.page(what, self._cells.stream, start, _PAGE, _PAGE_BYTES)
            for stored in page:
                name = decode_name(stored.subject.removeprefix(self._subjects))
                if name.startswith(beginning) and stored.subject not in given and (cell := self._cell(what, stored)) is not None:
                    given.add(stored.subject)
                    yield name.decode(), cell.value
            if not page or not page[-1].ahead:
                return
            start = page[-1].sequence + 1

    async def _change(
        self, operation: str, key: str, changed: Callable[[_Cell | None], tuple[bytes, dict[str, str]] | None]
    ) -> bool:
        """Replace what a key holds by what that is ``changed`` to, if to anything. Begun anew when somebody else was first."""
        subject, what = self._subject(operation, key), self._what(operation, key)
        while True:
            stored = await self._stored(what, subject)
            new = changed(None if stored is None else self._cell(what, stored))
            if new is None:
                return False
            data, headers = new
            sequence = await self._cells.change(what, subject, 0 if stored is None else stored.sequence, data, headers)
            if sequence is None:
                continue
            if data == GONE:
                self._tidy(what, subject, sequence)
            return True

    async def _read(self, operation: str, key: str, subject: str) -> _Cell | None:
        what = self._what(operation, key)
        stored = await self._stored(what, subject)
        return None if stored is None else self._cell(what, stored)

    async def _stored(self, what: str, subject: str) -> Stored | None:
        stored = await self._cells.server.message(what, self._cells.stream, last_by_subj=subject)
        if stored is not None and stored.data[:_TTL_BYTES] != bytes(_TTL_BYTES):
            await self._clock.read(self._cells.server, what, self._cells.stream)
        return stored

    def _cell(self, what: str, stored: Stored) -> _Cell | None:
        """Return what is there, None if it is gone or expired."""
        if stored.data == GONE:
            return None
        if len(stored.data) < _TTL_BYTES:
            raise CorruptPayload(f"{what}: what is stored at {stored.sequence} is none of ours")
        ttl_ns = int.from_bytes(stored.data[:_TTL_BYTES], "big")
        deadline_ns = stored.at_ns + ttl_ns if ttl_ns else 0
        if ttl_ns and deadline_ns <= self._clock.earliest_ns():
            return None
        return _Cell(stored.sequence, stored.data[_TTL_BYTES:], ttl_ns, deadline_ns)

    def _tidy(self, what: str, subject: str, sequence: int) -> None:
        """Remove what is left of a key that is gone, while the caller goes on."""

        async def forget() -> None:
            with suppress(PrismError):  # it is gone all the same, and the next write of the key removes it
                await self._cells.forget(what, subject, sequence)

        tidying = begun(forget())
        self._tidying.add(tidying)
        tidying.add_done_callback(self._tidying.discard)

    def _ttl_ns(self, operation: str, ttl_s: float) -> int:
        """Return a time to live in nanoseconds, 0 if it is over at once."""
        if prism.check_seconds(ttl_s, operation, self.backend_name) > _LONGEST_TTL_S:
            raise ValueError(f"{self.backend_name}: {operation}: ttl_s={ttl_s!r} is above {_LONGEST_TTL_S:g}")
        return math.ceil(max(0.0, ttl_s) * 1e9)

    def _subject(self, operation: str, key: str) -> str:
        return self._subjects + encode_name(prism.check_name(key, operation, self.backend_name))

    def _data(self, operation: str, key: str, value: Bytes) -> bytes:
        return prism.check_payload(value, operation, self.backend_name, key)

    def _what(self, operation: str, key: str) -> str:
        return f"{self.backend_name}: {operation} {key[:40]!a}"


def _sealed(value: bytes, ttl_ns: int = 0) -> bytes:
    return ttl_ns.to_bytes(_TTL_BYTES, "big") + value


def _reclaimed(ttl_ns: int) -> dict[str, str]:
    """Return the header by which the server removes what expired: whole seconds, and it cuts what is more."""
    seconds = math.ceil(ttl_ns / 1e9) + 1
    return {"Nats-TTL": f"{seconds}s"} if seconds < _LONGEST_RECLAIM_S else {}
