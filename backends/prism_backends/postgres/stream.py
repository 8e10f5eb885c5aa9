"""`PostgresStream`: streams and their groups. A row a record, numbered from 1."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import prism_testkit as prism
from prism_backends.postgres import stream_sql as sql
from prism_backends.postgres.client import PostgresClient
from prism_backends.postgres.living import LivingPostgres
from prism_backends.postgres.streammembers import PostgresMember, company_of, record_of
from prism_backends.stream_arguments import check_key, check_offset, check_records, check_start
from prism_backends.streamcompany import bell_of
from prism_testkit.interfaces.errors import AlreadyExists, Closed, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import GroupInfo, GroupStart, Member, Record, StreamBasic, StreamConsumerGroups

__all__ = ["PostgresStream"]

_ME = "postgres"
_FIRST_OFFSET = 1
_BEYOND = 2**62
"""Above every offset there will ever be; a larger one would not fit into a column."""
_PAGE_ROWS = 500
_PAGE_BYTES = 1_000_000
"""A page of a read ends when either is reached, so memory is bounded by one page and one record."""


class PostgresStream(LivingPostgres, StreamBasic, StreamConsumerGroups):
    """Both stream interfaces. Offsets are dense, from 1; the appends to one stream are committed one after another.

    A member counts as dead some seconds after its process was killed or stopped (see `Company`). The members of a driver
    that is closed leave. A receive that waits is woken by its own process, and looks twenty times a second for what others do.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=6.0,
        group_parallelism="record",
        delivery_count="exact",
    )

    def __init__(self, client: PostgresClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace.encode()
        self._company = company_of(client)
        self._closed = False

    async def _end(self) -> None:
        """Let every member of this driver leave."""
        self._closed = True
        await self._company.dismiss()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name = self._name("append", stream)
        data = prism.check_payload(payload, "append", _ME, stream)
        label = check_key(key, "append", _ME)
        texts = json.dumps(prism.check_headers(headers, "append", _ME))
        offset = int(await self._value("append", stream, sql.APPEND, name, label, texts, data))
        bell_of(self.client.shared, self.namespace, name).ring()
        return offset

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        name = self._name("read", stream)
        start = min(check_offset(start, "read", _ME), _BEYOND)
        left = _BEYOND if check_records(limit, "read", _ME) is None else min(limit or 0, _BEYOND)
        _, end = await self._state("read", stream)
        while left > 0 and start < end:
            arguments = self.namespace, name, start, end, min(left, _PAGE_ROWS), _PAGE_BYTES
            page = await self.client.rows(_what("read", stream), sql.READ, *arguments)
            for row in page:
                yield record_of(row)
            if not page:
                return
            left -= len(page)
            start = page[-1][0] + 1

    async def latest_offset(self, stream: str) -> int | None:
        _, end = await self._state("latest_offset", stream)
        return None if end == _FIRST_OFFSET else end - 1

    async def trim(self, stream: str, before: int) -> int:
        name = self._name("trim", stream)
        bound = min(check_offset(before, "trim", _ME), _BEYOND)
        return int(await self._value("trim", stream, sql.TRIM, name, bound))

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        names = self._names("create_group", stream, group)
        check_start(start, "create_group", _ME)
        word, number = (start, 0) if isinstance(start, str) else ("", min(start, _BEYOND))
        if not await self._value("create_group", stream, sql.CREATE_GROUP, *names, word, number):
            raise AlreadyExists(f"{_what('create_group', stream)}: there is a group {group[:40]!a} already")

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        names = self._names("join", stream, group)
        prism.check_name(consumer, "join", _ME)
        member = PostgresMember(self.client, self._company, (self.namespace, *names))
        await member.enter()
        try:
            yield member
        finally:
            await member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        names = self._names("group_info", stream, group)
        alive = list(self._company.alive((self.namespace, *names)))
        rows = await self.client.rows(_what("group_info", stream), sql.INFO, self.namespace, *names, alive)
        if not rows:
            raise GroupNotFound(f"{_what('group_info', stream)}: there is no group {group[:40]!a}")
        return GroupInfo(*rows[0])

    async def _state(self, operation: str, stream: str) -> tuple[int, int]:
        """Return the first offset that is kept, and the one to be given next."""
        rows = await self.client.rows(_what(operation, stream), sql.STATE, self.namespace, self._name(operation, stream))
        return (rows[0][0], rows[0][1]) if rows else (_FIRST_OFFSET, _FIRST_OFFSET)

    def _name(self, operation: str, stream: str) -> bytes:
        if self._closed:
            raise Closed(f"{_what(operation, stream)}: the driver is closed")
        return prism.check_name(stream, operation, _ME)

    def _names(self, operation: str, stream: str, group: str) -> tuple[bytes, bytes]:
        return self._name(operation, stream), prism.check_name(group, operation, _ME)

    async def _value(self, operation: str, stream: str, statement: str, *arguments: Any) -> Any:
        return await self.client.value(_what(operation, stream), statement, self.namespace, *arguments)


def _what(operation: str, stream: str) -> str:
    return f"{_ME}: {operation} {stream[:40]!a}"
