"""The stream driver: a row a record, numbered from 1; groups and their members are rows too."""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Any, ClassVar, TypeVar

import prism_testkit as prism
from prism_backends.sqlite.client import SqliteClient, Work
from prism_backends.sqlite.living import LivingSqlite
from prism_backends.sqlite.streamgroups import GroupRows, record_of
from prism_backends.sqlite.streammembers import SqliteMember, company_of
from prism_backends.stream_arguments import check_key, check_offset, check_records, check_start
from prism_backends.streamcompany import bell_of
from prism_testkit.interfaces.errors import AlreadyExists, Closed, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import GroupInfo, GroupStart, Member, Record, StreamBasic, StreamConsumerGroups

__all__ = ["SqliteStream"]

T = TypeVar("T")

_ME = "sqlite"
_FIRST_OFFSET = 1
_BEYOND = 2**62
"""Above every offset there will ever be; a larger one would not fit into a column."""
_PAGE_ROWS = 500
_PAGE_BYTES = 1_000_000
"""A page of a read ends when either is reached, so memory is bounded by one page and one record."""

_HERE = "namespace = :namespace AND stream = :stream"
_STATE = f"SELECT first, next, last_ms FROM stream WHERE {_HERE}"
_ADVANCE = """REPLACE INTO stream (namespace, stream, first, next, last_ms)
  VALUES (:namespace, :stream, :first, :offset + 1, :appended_ms)"""
_APPEND = """INSERT INTO stream_record (namespace, stream, offset, key, headers, appended_ms, payload)
  VALUES (:namespace, :stream, :offset, :key, :headers, :appended_ms, :payload)"""
_READ = f"""SELECT offset, key, headers, appended_ms, payload FROM stream_record
  WHERE {_HERE} AND offset >= :start AND offset < :end ORDER BY offset LIMIT :most"""
_TRIM = f"DELETE FROM stream_record WHERE {_HERE} AND offset < :bound"
_FORGET = f"DELETE FROM stream_delivery WHERE {_HERE} AND offset < :bound AND member IS NULL"
_MOVE_FIRST = f"UPDATE stream SET first = :bound WHERE {_HERE}"
_CREATE_GROUP = "INSERT INTO stream_group (namespace, stream, grp, position) VALUES (:namespace, :stream, :grp, :position)"


class SqliteStream(LivingSqlite, StreamBasic, StreamConsumerGroups):
    """Both stream interfaces. Offsets are dense, from 1.

    A member counts as dead some seconds after its process was killed or stopped (see `Company`). A driver that is closed stops
    the signs of life of its members, as their death would: so a crash can be played within one process.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=5.0,
        group_parallelism="record",
        delivery_count="exact",
    )

    def __init__(self, client: SqliteClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace.encode()
        self._company = company_of(client)
        self._closed = False

    async def _end(self) -> None:
        """Let every member of this driver leave; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        await self._company.dismiss()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        row = self._row("append", stream)
        row["payload"] = prism.check_payload(payload, "append", _ME, stream)
        row["key"] = check_key(key, "append", _ME)
        row["headers"] = json.dumps(prism.check_headers(headers, "append", _ME)).encode()
        offset = await self._write("append", stream, partial(self._append, row))
        bell_of(self._client.shared, self._namespace, row["stream"]).ring()
        return offset

    def _append(self, row: dict[str, Any], connection: sqlite3.Connection, now_s: float) -> int:
        first, offset, last_ms = _state(connection, row)
        moved = {"first": first, "offset": offset, "appended_ms": max(last_ms, self._client.clock.now_ms())}
        connection.execute(_APPEND, {**row, **moved})
        connection.execute(_ADVANCE, {**row, **moved})
        return offset

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        row = self._row("read", stream, start=check_offset(start, "read", _ME))
        left = _BEYOND if check_records(limit, "read", _ME) is None else min(limit or 0, _BEYOND)
        _, row["end"], _ = await self._read("read", stream, lambda connection, now_s: _state(connection, row))
        more = left > 0
        while more and row["start"] < row["end"]:
            row["most"] = min(left, _PAGE_ROWS)
            page, more = await self._read("read", stream, partial(_page, row))
            for record in page:
                left -= 1
                yield record
            if page:
                row["start"] = page[-1].offset + 1
            more = more and left > 0

    async def latest_offset(self, stream: str) -> int | None:
        row = self._row("latest_offset", stream)
        _, end, _ = await self._read("latest_offset", stream, lambda connection, now_s: _state(connection, row))
        return None if end == _FIRST_OFFSET else end - 1

    async def trim(self, stream: str, before: int) -> int:
        row = self._row("trim", stream, bound=check_offset(before, "trim", _ME))

        def work(connection: sqlite3.Connection, now_s: float) -> int:
            first, end, _ = _state(connection, row)
            bound = min(before, end)
            if bound <= first:
                return first if end > _FIRST_OFFSET else 0
            for statement in (_TRIM, _FORGET, _MOVE_FIRST):
                connection.execute(statement, {**row, "bound": bound})
            return bound

        return await self._write("trim", stream, work)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        row = self._group_row("create_group", stream, group)
        check_start(start, "create_group", _ME)

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            if GroupRows(connection, row).position() is not None:
                raise AlreadyExists(f"{_ME}: create_group: {stream[:40]!a} has a group {group[:40]!a} already")
            first, end, _ = _state(connection, row)
            position = min(start, _BEYOND) if isinstance(start, int) else end if start == "latest" else first
            connection.execute(_CREATE_GROUP, {**row, "position": position})

        await self._write("create_group", stream, work)

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        names = self._group_row("join", stream, group)
        prism.check_name(consumer, "join", _ME)
        member = SqliteMember(self._client, self._company, names)
        await member.enter()
        try:
            yield member
        finally:
            await member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        names = self._group_row("group_info", stream, group)

        def work(connection: sqlite3.Connection, now_s: float) -> GroupInfo:
            rows = GroupRows(connection, names)
            position = rows.position()
            if position is None:
                raise GroupNotFound(f"{_ME}: group_info: {stream[:40]!a} has no group {group[:40]!a}")
            alive = [name for name, until_s in rows.others().items() if until_s > now_s or self._company.is_alive(name)]
            return rows.info(position, len(alive))

        # A write, for several statements are to see one state of the file.
        return await self._write("group_info", stream, work)

    def _row(self, operation: str, stream: str, **values: int) -> dict[str, Any]:
        if self._closed:
            raise Closed(f"{_ME}: {operation} {stream[:40]!a}: the driver is closed")
        clamped = {name: min(value, _BEYOND) for name, value in values.items()}
        return {"namespace": self._namespace, "stream": prism.check_name(stream, operation, _ME), **clamped}

    def _group_row(self, operation: str, stream: str, group: str) -> dict[str, bytes]:
        return {**self._row(operation, stream), "grp": prism.check_name(group, operation, _ME)}

    async def _read(self, operation: str, stream: str, work: Work[T]) -> T:
        return await self._client.read(f"{operation} {stream[:40]!a}", work)

    async def _write(self, operation: str, stream: str, work: Work[T]) -> T:
        return await self._client.write(f"{operation} {stream[:40]!a}", work)


def _state(connection: sqlite3.Connection, row: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the first offset that is kept, the one to be given next, and the instant of the last append."""
    found: tuple[int, int, int] | None = connection.execute(_STATE, row).fetchone()
    return found or (_FIRST_OFFSET, _FIRST_OFFSET, 0)


def _page(row: Mapping[str, Any], connection: sqlite3.Connection, now_s: float) -> tuple[list[Record], bool]:
    """Return the first records of a range, and whether there may be more."""
    page: list[Record] = []
    size = 0
    with closing(connection.execute(_READ, row)) as cursor:
        for found in cursor:
            page.append(record_of(found))
            size += len(page[-1].payload)
            if len(page) >= row["most"] or size >= _PAGE_BYTES:
                return page, True
    return page, False
