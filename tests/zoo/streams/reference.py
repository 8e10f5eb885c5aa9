"""A correct driver of the stream interfaces, made of small steps: a mutant replaces one of them.

Nothing suspends but a receive that waits, before it takes: so every call is atomic. A read takes one step a record.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    AlreadyExists,
    Bytes,
    Closed,
    Conflict,
    GroupInfo,
    GroupNotFound,
    GroupStart,
    Record,
    RecordDelivery,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.interfaces import Member as MemberProtocol
from prism_testkit.naming import check_headers, check_limit, check_name, check_payload, check_seconds, check_timeout
from prism_testkit.traits import Limits, Traits

from .stores import Acked, Change, Connect, FileStore, Group, Held, Space, Store, Stream, clean, connector

__all__ = ["FileStreams", "Member", "Reading", "Steps", "Streams", "backend", "step"]

Reading = AsyncGenerator[Record, None]


async def step(times: int = 1) -> None:
    """Let the others run."""
    for _ in range(times):
        await asyncio.sleep(0)


class Steps(StreamBasic):
    """`StreamBasic`, and what all calls are made of; none of it suspends but `pause`."""

    traits: Traits = Traits()
    limits: Limits = Limits()

    def __init__(self, store: Store, namespace: str) -> None:
        self.store = store
        self.namespace = namespace

    # Arguments

    def name(self, stream: str, operation: str) -> str:
        """Return the name under which a legal stream is stored."""
        check_name(stream, operation, "zoo", self.limits)
        return stream

    def key(self, key: str | None, operation: str) -> str | None:
        return None if key is None else self.key_name(key, operation)

    def key_name(self, key: str, operation: str) -> str:
        check_name(key, operation, "zoo", self.limits)
        return key

    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        return check_payload(payload, operation, "zoo", stream, self.limits)

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo")

    def whole(self, number: int, operation: str) -> int:
        if not isinstance(number, int):
            raise TypeError(f"zoo: {operation}: {number!r} is no int")
        return number

    def bound(self, offset: int, operation: str) -> int:
        if self.whole(offset, operation) < 0:
            raise ValueError(f"zoo: {operation}: offset {offset} is negative")
        return offset

    def limit(self, limit: int | None, operation: str) -> int | None:
        return None if limit is None else check_limit(self.whole(limit, operation), operation, "zoo")

    # Time

    def now(self) -> float:
        return self.store.clock.now_s()

    def after(self, seconds: float) -> float:
        """Return the instant so far away; a microsecond is added, for floats round to less than that."""
        return self.now() + seconds + 1e-6

    def over(self, instant: float) -> bool:
        return self.now() >= instant

    # Streams

    def space(self) -> Space:
        return self.store.space(self.namespace)

    def serial(self) -> int:
        space = self.space()
        space.serial += 1
        return space.serial

    def stream(self, stream: str) -> Stream:
        return self.space().stream(stream)

    def apply(self, *changes: Change) -> None:
        """Change streams; everything that writes comes here."""
        self.store.apply(self.namespace, changes)

    def new_offset(self, stream: str) -> int:
        return self.stream(stream).end

    def stamp(self, stream: str) -> int:
        """Return the instant of an append."""
        return self.store.clock.now_ms()

    def insert(self, stream: str, record: Record) -> int:
        self.apply(Change(stream, record=record))
        return record.offset

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, data = self.name(stream, "append"), self.data(payload, "append", stream)
        label, labels = self.key(key, "append"), self.labels(headers, "append")
        return self.insert(name, Record(self.new_offset(name), label, data, labels, self.stamp(name)))

    def first(self, stream: str, start: int, end: int) -> Record | None:
        """Return the first record from ``start`` on, below ``end``."""
        log = self.stream(stream)
        place = log.at(start)
        found = log.records[place] if place < len(log.records) else None
        return found if found is not None and found.offset < end else None

    def shown(self, record: Record) -> Record:
        """Return what a reader or a member is given."""
        return replace(record, headers=dict(record.headers))

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        name, at, most = self.name(stream, "read"), self.bound(start, "read"), self.limit(limit, "read")
        async for record in self.walk(name, at, most):
            yield self.shown(record)

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        """Yield at most ``limit`` records up to the end as of now."""
        at, end, given = start, self.stream(stream).end, 0
        while given != limit and (record := self.first(stream, at, end)) is not None:
            at, given = record.offset + 1, given + 1
            yield record

    def latest(self, stream: str) -> int | None:
        return self.stream(stream).latest

    async def latest_offset(self, stream: str) -> int | None:
        return self.latest(self.name(stream, "latest_offset"))

    def lowest(self, stream: str) -> int:
        """Return the lowest offset that a read may give."""
        log = self.stream(stream)
        return log.records[0].offset if log.records else log.end

    def clamped(self, stream: str, before: int) -> int:
        return min(before, self.stream(stream).end)

    async def trim(self, stream: str, before: int) -> int:
        name, bound = self.name(stream, "trim"), self.bound(before, "trim")
        self.apply(Change(name, trim=self.clamped(name, bound)))
        return self.lowest(name)


class Member(MemberProtocol):
    """One member of one group. Every step is of the group's: there is nothing behind a token but the store."""

    def __init__(self, driver: "Streams", stream: str, group: str, consumer: str) -> None:
        self.driver = driver
        self.stream = stream
        self.group = group
        self.consumer = consumer
        self.id = 0
        self.given: set[str] = set()
        """The tokens of all deliveries to this member."""
        self.left = False

    # Steps; none of them suspends

    def state(self) -> Group:
        return self.driver.group(self.stream, self.group)

    def put(self, offset: int, held: Held | Acked) -> None:
        self.driver.apply(Change(self.stream, self.group, offset=offset, held=held))

    def check_open(self, operation: str) -> None:
        if self.left:
            raise Closed(f"zoo: {operation}: the member has left")

    def enter(self) -> None:
        self.state()
        self.id = self.driver.serial()
        self.driver.apply(Change(self.stream, self.group, join=(self.id, self.consumer)))

    def leave(self) -> None:
        self.left = True
        held = {} if self.group not in self.driver.stream(self.stream).groups else self.state().pending
        changes = [
            Change(self.stream, self.group, offset=offset, held=self.freed(one)) for offset, one in held.items() if self.holds(one)
        ]
        self.driver.apply(*changes, Change(self.stream, self.group, leave=self.id))

    def holds(self, held: Held) -> bool:
        return held.member == self.id

    def freed(self, held: Held, delay_s: float = 0) -> Held:
        """Return what is left of a held record when it is given back."""
        return Held(held.count, due=self.driver.after(delay_s) if delay_s > 0 else 0.0)

    def again(self) -> list[int]:
        """Return the offsets of what may come again now."""
        log = self.driver.stream(self.stream)
        pending = sorted(self.state().pending.items())
        return [o for o, held in pending if not held.member and self.driver.over(held.due) and log.find(o) is not None]

    def fresh(self, most: int) -> list[int]:
        """Return the offsets of the next records that nobody was given, and move the position behind them."""
        at, found = self.state().position, list[int]()
        while len(found) < most and (record := self.driver.first(self.stream, at, self.driver.stream(self.stream).end)):
            found.append(record.offset)
            at = record.offset + 1
        if found:
            self.driver.apply(Change(self.stream, self.group, position=at))
        return found

    def take(self, most: int) -> list[RecordDelivery]:
        """Take what there is, in one step."""
        with self.driver.store.together():  # the position does not move without what it moved over
            again = self.again()[:most]
            return self.deliver([*again, *self.fresh(most - len(again))])

    def deliver(self, offsets: Sequence[int]) -> list[RecordDelivery]:
        return [self.one(offset) for offset in offsets]

    def counted(self, held: Held | None) -> int:
        """Return the count of the next delivery."""
        return 1 if held is None else held.count + 1

    def one(self, offset: int) -> RecordDelivery:
        held = Held(self.counted(self.state().pending.get(offset)), self.id, str(self.driver.serial()))
        self.put(offset, held)
        self.given.add(held.token)
        record = self.driver.stream(self.stream).find(offset)
        assert record is not None
        return RecordDelivery(self.driver.shown(record), held.count, held.token)

    def held(self, delivery: RecordDelivery) -> Held | None:
        """Return what is held by this very delivery."""
        found = self.state().pending.get(delivery.record.offset)
        return found if found is not None and found.token == delivery.token and self.holds(found) else None

    def stranger(self, delivery: RecordDelivery) -> bool:
        return delivery.token not in self.given

    def confirm(self, delivery: RecordDelivery) -> None:
        self.put(delivery.record.offset, Acked())

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        self.put(delivery.record.offset, self.freed(held, delay_s))

    def refuse(self, deliveries: Sequence[RecordDelivery], operation: str) -> None:
        if any(map(self.stranger, deliveries)):
            raise Conflict(f"zoo: {operation}: not held by this member")

    def most(self, max_records: int) -> int:
        if self.driver.whole(max_records, "receive") < 1:
            raise ValueError(f"zoo: receive: max_records={max_records} is below 1")
        return max_records

    def instants(self) -> list[float]:
        """Return when time alone may make something available."""
        return [held.due for held in self.state().pending.values() if not held.member and not self.driver.over(held.due)]

    async def pause(self, end: float) -> None:
        """Wait for a change, or for the next instant at which there may be something."""
        waiter = asyncio.get_running_loop().create_future()
        self.driver.store.waiting.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, min([end, *self.instants()]) - self.driver.now()) + 1e-6)
        finally:
            self.driver.store.waiting.discard(waiter)

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_open("receive")
        most, timeout = self.most(max_records), check_timeout(timeout_s, "receive", "zoo")
        end = self.driver.after(timeout)
        while True:
            found = self.take(most)
            if found or timeout <= 0 or self.driver.over(end):
                return found
            await self.pause(end)
            self.check_open("receive")

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.check_open("ack")
        for delivery in deliveries:
            if self.held(delivery) is not None:
                self.confirm(delivery)
        self.refuse(deliveries, "ack")

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.check_open("nack")
        delay = self.delay(delay_s)
        for delivery in deliveries:
            held = self.held(delivery)
            if held is not None:
                self.give_back(delivery, held, delay)
        self.refuse(deliveries, "nack")

    def delay(self, delay_s: float) -> float:
        return check_seconds(delay_s, "nack", "zoo")


class Streams(Steps, StreamConsumerGroups):
    """Both interfaces."""

    traits = Traits(group_parallelism="record", delivery_count="exact")
    member_type: ClassVar[type[Member]] = Member

    def group_name(self, group: str, operation: str) -> str:
        check_name(group, operation, "zoo", self.limits)
        return group

    def consumer_name(self, consumer: str, operation: str) -> str:
        check_name(consumer, operation, "zoo", self.limits)
        return consumer

    def group(self, stream: str, group: str) -> Group:
        found = self.stream(stream).groups.get(group)
        if found is None:
            raise GroupNotFound(f"zoo: {group[:40]!a} of {stream[:40]!a}: no such group")
        return found

    def begin(self, stream: str, start: GroupStart) -> int:
        """Return the position of a new group."""
        if isinstance(start, int):
            return self.bound(start, "create_group")
        if start not in ("earliest", "latest"):
            raise ValueError(f"zoo: create_group: start {start!a}")
        return self.lowest(stream) if start == "earliest" else self.stream(stream).end

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        name, label = self.name(stream, "create_group"), self.group_name(group, "create_group")
        position = self.begin(name, start)
        self.refuse_again(name, label)
        self.apply(Change(name, label, create=position))

    def refuse_again(self, stream: str, group: str) -> None:
        if group in self.stream(stream).groups:
            raise AlreadyExists(f"zoo: create_group {group[:40]!a} of {stream[:40]!a}: there is one")

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        name, label = self.name(stream, "join"), self.group_name(group, "join")
        member = self.member_type(self, name, label, self.consumer_name(consumer, "join"))
        member.enter()
        try:
            yield member
        finally:
            member.leave()

    def info(self, stream: str, group: str) -> GroupInfo:
        found, log = self.group(stream, group), self.stream(stream)
        pending = sum(held.member > 0 or log.find(offset) is not None for offset, held in found.pending.items())
        return GroupInfo(len(found.members), pending, found.position)

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        return self.info(self.name(stream, "group_info"), self.group_name(group, "group_info"))


class FileStreams(Streams):
    """Both interfaces over a `FileStore`."""

    traits = Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=5.0,
        group_parallelism="record",
        delivery_count="exact",
    )


def backend(name: str, driver: type[Streams] = Streams, connect: Connect | None = None, **more: Any) -> Backend[Store]:
    """Make the backend ``zoo-stream-<name>``."""
    store_type = FileStore if issubclass(driver, FileStreams) else Store
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=f"zoo-stream-{name}", connect=connect or connector(store_type), drivers=(driver,), **settings)
