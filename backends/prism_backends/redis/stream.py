"""`RedisStream`: both stream interfaces, over the server's own streams."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.redis import streamscripts as scripts
from prism_backends.redis.client import RedisClient, model_prefix, translated
from prism_backends.redis.living import LivingRedis
from prism_backends.redis.streamids import fields_of, id_of, offset_of, record_of
from prism_backends.redis.streammembers import HORIZON_S, GroupKeys, RedisMember, company_of, evaluate
from prism_backends.stream_arguments import check_key, check_offset, check_records, check_start
from prism_backends.streamcompany import bell_of
from prism_testkit.interfaces.errors import AlreadyExists, Closed, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import GroupInfo, GroupStart, Member, Record, StreamBasic, StreamConsumerGroups

__all__ = ["RedisStream"]

_RECORDS_AT_ONCE = 500


class RedisStream(LivingRedis, StreamBasic, StreamConsumerGroups):
    """Offsets hold the millisecond of the append, so they are not dense.

    A member counts as dead some seconds after its process was killed or stopped; one whose event loop is held up for as long
    counts as stopped. The members of a driver that is closed leave.
    """

    backend_name: ClassVar[str] = "redis"
    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=6.0,
        group_parallelism="record",
        delivery_count="exact",
    )

    def __init__(self, client: RedisClient, namespace: str) -> None:
        self.client = client
        self._prefix = model_prefix(namespace, "stream")
        self._company = company_of(client, self.backend_name)
        self._closed = False

    async def _end(self) -> None:
        """Let every member of this driver leave; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        await self._company.dismiss()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        at = self._at("append", stream)
        data = prism.check_payload(payload, "append", self.backend_name, stream)
        name = check_key(key, "append", self.backend_name)
        fields = fields_of(data, name, prism.check_headers(headers, "append", self.backend_name))
        identity: bytes = await self._call("append", stream, "XADD", at, "*", *fields)
        bell_of(self.client.shared, at).ring()
        return offset_of(identity)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        at = self._at("read", stream)
        start = check_offset(start, "read", self.backend_name)
        left = check_records(limit, "read", self.backend_name)
        last = b""
        while left != 0:
            most = _RECORDS_AT_ONCE if left is None else min(left, _RECORDS_AT_ONCE)
            page = await evaluate(self.client, self._what("read", stream), scripts.READ, (at,), id_of(start), last, most)
            if len(page) < 2:
                return
            last, *entries = page
            for identity, fields in entries:
                yield record_of(identity, fields)
            start = offset_of(entries[-1][0]) + 1
            left = None if left is None else left - len(entries)
            if start > offset_of(last):
                return

    async def latest_offset(self, stream: str) -> int | None:
        at = self._at("latest_offset", stream)
        last = await evaluate(self.client, self._what("latest_offset", stream), scripts.LAST, (at,))
        return None if last is None else offset_of(last)

    async def trim(self, stream: str, before: int) -> int:
        at = self._at("trim", stream)
        bound = id_of(check_offset(before, "trim", self.backend_name))
        first, last = await evaluate(self.client, self._what("trim", stream), scripts.TRIM, (at,), bound)
        return _first_offset(first, last)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        known = self._group("create_group", stream, group)
        check_start(start, "create_group", self.backend_name)
        # The position is the last offset that the group has behind it; no record has 0.
        position = start if start == "latest" else id_of(start - 1) if isinstance(start, int) else id_of(0)
        what = self._what("create_group", stream)
        if not await evaluate(self.client, what, scripts.CREATE, known.keys[:2], position):
            raise AlreadyExists(f"{what}: there is a group {group[:40]!a} already")

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        known = self._group("join", stream, group)
        prism.check_name(consumer, "join", self.backend_name)
        bell = bell_of(self.client.shared, known.keys[0])
        member = RedisMember(self.client, self.backend_name, self._company, known, bell)
        await member.enter()
        try:
            yield member
        finally:
            await member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        known = self._group("group_info", stream, group)
        what = self._what("group_info", stream)
        alive = " ".join(self._company.alive(known.keys))
        found = await evaluate(self.client, what, scripts.INFO, known.keys, int(HORIZON_S * 1000), "", alive)
        if not found:
            raise GroupNotFound(f"{what}: there is no group {group[:40]!a}")
        position, first, last, members, pending = found
        return GroupInfo(members, pending, max(_after(position), _first_offset(first, last)))

    async def _call(self, operation: str, stream: str, *command: Any) -> Any:
        try:
            return await self.client.execute_command(*command)
        except (native.RedisError, OSError) as error:
            raise translated(error, self._what(operation, stream)) from error

    def _at(self, operation: str, stream: str) -> bytes:
        if self._closed:
            raise Closed(f"{self._what(operation, stream)}: the driver is closed")
        return self._prefix + b"s:" + prism.check_name(stream, operation, self.backend_name)

    def _group(self, operation: str, stream: str, group: str) -> GroupKeys:
        at = self._at(operation, stream)
        # The length of the first name tells where the second begins.
        names = b":%d:%s%s" % (len(stream.encode()), stream.encode(), prism.check_name(group, operation, self.backend_name))
        keys = tuple(self._prefix + kind + names for kind in (b"group", b"counts", b"held", b"again", b"members"))
        return GroupKeys((at, *keys), f"group {group[:40]!a} of {stream[:40]!a}")

    def _what(self, operation: str, stream: str) -> str:
        return f"{self.backend_name}: {operation} {stream[:40]!a}"


def _after(identity: bytes) -> int:
    offset = offset_of(identity)
    return offset + 1 if offset else 0


def _first_offset(first: bytes | None, last: bytes | None) -> int:
    """Return the lowest offset that a read may still give: that of the first record, else the one after the last."""
    if first is not None:
        return offset_of(first)
    return 0 if last is None else _after(last)
