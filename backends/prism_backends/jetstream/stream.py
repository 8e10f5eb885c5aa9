"""`JetStreamStream`: both stream interfaces, over one stream of the server's for each stream."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import prism_testkit as prism
from prism_backends.jetstream.api import JetStream, NoResponse, Refused, stream_config
from prism_backends.jetstream.holding import MEMBER_TIMEOUT_S, Holding, Taken
from prism_backends.jetstream.living import LivingJetStream
from prism_backends.jetstream.presence import Presence, count_present
from prism_backends.nats.client import NatsClient
from prism_backends.nats.envelope import mapping_of, opened, sealed, texts_of
from prism_backends.nats.tokens import hashed
from prism_backends.stream_arguments import check_deliveries, check_key, check_most, check_offset, check_records, check_start
from prism_testkit.interfaces.errors import AlreadyExists, Closed, Conflict, CorruptPayload, GroupNotFound, PrismError
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import (
    GroupInfo,
    GroupStart,
    Member,
    Record,
    RecordDelivery,
    StreamBasic,
    StreamConsumerGroups,
)

__all__ = ["JetStreamStream"]

_RECORDS_AT_ONCE = 500
_BYTES_AT_ONCE = 4_000_000


class JetStreamStream(LivingJetStream, StreamBasic, StreamConsumerGroups):
    """Offsets are the server's sequences, which begin with 1 and are dense.

    A group is a durable consumer. The server writes down some time later what was acknowledged, so after its SIGKILL that may
    come again. A member counts as dead some seconds after its process was killed or stopped; one whose event loop is held up
    for as long counts as stopped. The members of a driver that is closed leave.
    """

    backend_name: ClassVar[str] = "jetstream"
    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process", member_timeout_s=MEMBER_TIMEOUT_S, group_parallelism="record"
    )

    def __init__(self, client: NatsClient, namespace: str) -> None:
        self.server = JetStream(client, self.backend_name)
        self._namespace = namespace
        self._members: set[_Member] = set()

    async def _end(self) -> None:
        """Let every member of this driver leave."""
        for member in list(self._members):
            await member.holding.leave()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name = self._name("append", stream)
        data = prism.check_payload(payload, "append", self.backend_name, stream)
        check_key(key, "append", self.backend_name)
        texts = texts_of(prism.check_headers(headers, "append", self.backend_name))
        what = self._what("append", stream)
        envelope = sealed([*texts, *([] if key is None else [key])], data)  # an odd number: the last one is the key
        try:
            return await self.server.publish(what, self._config(name), self._subject(name), envelope)
        except Refused as error:
            raise self.server.refused(what, error) from error

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        name = self._name("read", stream)
        start = check_offset(start, "read", self.backend_name)
        left = check_records(limit, "read", self.backend_name)
        what = self._what("read", stream)
        while left != 0:
            most = _RECORDS_AT_ONCE if left is None else min(left, _RECORDS_AT_ONCE)
            found = await self.server.page(what, name, start, most, _BYTES_AT_ONCE)
            if not found:
                return
            if left is None:
                left = found[0].ahead + 1  # the end as of the first step: a stream that grows is not read for ever
            for stored in found:
                yield _record(what, stored.sequence, stored.at_ns, stored.data)
            left -= len(found)
            start = found[-1].sequence + 1

    async def latest_offset(self, stream: str) -> int | None:
        name = self._name("latest_offset", stream)
        _, last = await self._ends(self._what("latest_offset", stream), name)
        return last or None

    async def trim(self, stream: str, before: int) -> int:
        name = self._name("trim", stream)
        check_offset(before, "trim", self.backend_name)
        what = self._what("trim", stream)
        first, last = await self._ends(what, name)
        bound = min(before, last + 1)  # of a bound beyond the end the server makes the next sequence
        if bound <= max(1, first):
            return first
        try:
            await self.server.api(what, f"STREAM.PURGE.{name}", {"seq": bound})
        except (Refused, NoResponse) as error:
            raise self._failed(what, error) from error
        first, _ = await self._ends(what, name)
        return first

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        name, consumer = self._name("create_group", stream), self._group("create_group", group)
        check_start(start, "create_group", self.backend_name)
        what = self._what("create_group", stream)
        await self.server.make(what, self._config(name))
        first = min(start, 2**63 - 1) if isinstance(start, int) else 1
        if start == "latest":
            _, last = await self._ends(what, name)
            first = last + 1
        if not await self.server.make_consumer(what, name, consumer, first):
            raise AlreadyExists(f"{what}: there is a group {group[:40]!a} already")

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        name, durable = self._name("join", stream), self._group("join", group)
        prism.check_name(consumer, "join", self.backend_name)
        what = self._what("join", stream)
        if await self.server.consumer(what, f"{name}.{durable}") is None:
            raise self._no_group(what, group)
        presence = Presence(self.server, what, self._namespace, f"{_token(name)}.{durable}", secrets.token_hex(8))
        member = _Member(
            Holding(
                self.server,
                name,
                durable,
                lambda operation: f"{self._what(operation, stream)}: group {group[:40]!a}",
                lambda operation: self._no_group(self._what(operation, stream), group),
                presence,
            ),
            self.backend_name,
        )
        self._members.add(member)
        try:
            await member.holding.enter()
            yield member
        finally:
            self._members.discard(member)
            await member.holding.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        name, durable = self._name("group_info", stream), self._group("group_info", group)
        what = self._what("group_info", stream)
        found = await self.server.consumer(what, f"{name}.{durable}")
        if found is None:
            raise self._no_group(what, group)
        members = await count_present(self.server, what, self._namespace, f"{_token(name)}.{durable}")
        first, _ = await self._ends(what, name)
        position = found["delivered"]["stream_seq"] + 1
        return GroupInfo(members, found["num_ack_pending"], max(position, first))

    async def _ends(self, what: str, name: str) -> tuple[int, int]:
        """Return the first offset that a read may give, and the last one ever appended; both 0 if there never was one."""
        found = await self.server.info(what, name)
        if found is None:
            return 0, 0
        return found["state"]["first_seq"], found["state"]["last_seq"]

    def _name(self, operation: str, stream: str) -> str:
        return f"{self._namespace}_stream_{hashed(prism.check_name(stream, operation, self.backend_name))}"

    def _group(self, operation: str, group: str) -> str:
        return hashed(prism.check_name(group, operation, self.backend_name))

    def _subject(self, name: str) -> str:
        return f"{self._namespace}.stream.{_token(name)}"

    def _config(self, name: str) -> dict[str, Any]:
        return stream_config(name, self._subject(name))

    def _failed(self, what: str, error: Refused | NoResponse) -> PrismError:
        return self.server.refused(what, error) if isinstance(error, Refused) else self.server.away(what)

    def _no_group(self, what: str, group: str) -> GroupNotFound:
        return GroupNotFound(f"{what}: there is no group {group[:40]!a}")

    def _what(self, operation: str, stream: str) -> str:
        return f"{self.backend_name}: {operation} {stream[:40]!a}"


class _Member(Member):
    """A holding, in the words of streams."""

    def __init__(self, holding: Holding, backend: str) -> None:
        self.holding, self._backend = holding, backend

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self._check_open("receive")
        most = check_most(max_records, "receive", self._backend)
        timeout_s = prism.check_timeout(timeout_s, "receive", self._backend)
        return [self._delivery(taken) for taken in await self.holding.take(most, timeout_s)]

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self._check_open("ack")
        check_deliveries(deliveries, "ack", self._backend)
        _refuse(await self.holding.ack(_tokens(deliveries)), f"{self._backend}: ack")

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self._check_open("nack")
        delay_s = prism.check_timeout(delay_s, "nack", self._backend)
        check_deliveries(deliveries, "nack", self._backend)
        _refuse(await self.holding.nack(_tokens(deliveries), delay_s), f"{self._backend}: nack")

    def _check_open(self, operation: str) -> None:
        if not self.holding.is_open:
            raise Closed(f"{self._backend}: {operation}: the member was left")

    def _delivery(self, taken: Taken) -> RecordDelivery:
        record = _record(f"{self._backend}: receive", taken.sequence, taken.at_ns, taken.data)
        return RecordDelivery(record, taken.count, taken.token)


def _tokens(deliveries: tuple[RecordDelivery, ...]) -> list[str]:
    return list(dict.fromkeys(delivery.token for delivery in deliveries))


def _refuse(refused: list[str], what: str) -> None:
    if refused:
        raise Conflict(f"{what}: this member does not hold {len(refused)} of what it was asked for")


def _record(what: str, sequence: int, at_ns: int, envelope: bytes) -> Record:
    try:
        texts, payload = opened(envelope)
    except ValueError as error:
        raise CorruptPayload(f"{what}: what is stored at {sequence} is none of ours: {error}") from error
    key = texts.pop() if len(texts) % 2 else None
    return Record(sequence, key, payload, mapping_of(texts), at_ns // 1_000_000)


def _token(name: str) -> str:
    return name.rpartition("_")[2]
