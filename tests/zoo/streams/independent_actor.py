"""The driver over actors: what each call checks, and what it asks the actor to do."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import (
    AlreadyExists,
    Bytes,
    Closed,
    ConfigError,
    Conflict,
    GroupInfo,
    GroupNotFound,
    GroupStart,
    Record,
    RecordDelivery,
    Retention,
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.naming import check_timeout

from .independent_arguments import MAKER, Arguments, Content, whole
from .independent_events import Group, Stream, View
from .independent_mailbox import TRAITS, Actor, Waiter, copied

__all__ = ["ActorMember", "ActorStreams"]


class ActorMember(Arguments):
    """A number in the log; what it holds is in the log as well."""

    def __init__(self, actor: Actor, space: str, stream: str, group: str, number: int) -> None:
        self.actor, self.space, self.stream, self.group, self.number = actor, space, stream, group, number
        self.left = False

    def stay(self) -> None:
        if self.left:
            raise Closed(f"{MAKER}: this member was left")

    def found(self) -> Group:
        return self.actor.view(self.space).stream(self.stream).groups[self.group]

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        whole(max_records, "max_records", 1)
        until = self.actor.clock.now_s() + check_timeout(timeout_s, "receive", MAKER)
        self.stay()
        answer: asyncio.Future[list[RecordDelivery]] = asyncio.get_running_loop().create_future()
        self.actor.waiters.append(Waiter(self.space, self.stream, self.group, self.number, max_records, until, answer))
        self.actor.bell.set()
        try:
            found = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and not answer.exception():
                self.give_back(answer.result(), 0.0)
            raise
        self.stay()
        return found

    def holds(self, delivery: RecordDelivery) -> bool:
        held = self.found().pending.get((delivery.record.partition, delivery.record.offset))
        return held is not None and held.token == delivery.token and held.member == self.number

    def give_back(self, deliveries: list[RecordDelivery] | tuple[RecordDelivery, ...], due: float) -> None:
        for delivery in deliveries:
            if self.holds(delivery):
                record = delivery.record
                more = {"part": record.partition, "offset": record.offset, "due": due}
                self.actor.write(self.space, "returned", self.stream, self.group, **more)

    def settle(self, deliveries: tuple[RecordDelivery, ...]) -> None:
        for delivery in deliveries:
            if self.holds(delivery):
                more = {"part": delivery.record.partition, "offset": delivery.record.offset}
                self.actor.write(self.space, "acked", self.stream, self.group, **more)

    def refuse_foreign(self, deliveries: tuple[RecordDelivery, ...]) -> None:
        for delivery in deliveries:
            if delivery.token.partition(":")[0] != str(self.number):
                raise self.foreign(delivery.token)

    async def ack(self, *deliveries: RecordDelivery) -> None:
        def do() -> None:
            self.stay()
            self.settle(deliveries)
            self.refuse_foreign(deliveries)

        await self.actor.ask(do)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        due = self.actor.clock.now_s() + self.delay(delay_s)

        def do() -> None:
            self.stay()
            self.give_back(deliveries, due)
            self.refuse_foreign(deliveries)

        await self.actor.ask(do)

    def leave(self) -> None:
        self.left = True
        for waiter in self.actor.waiters:
            if waiter.member == self.number and not waiter.answer.done():
                waiter.answer.set_exception(Closed(f"{MAKER}: this member was left"))
        self.actor.waiters[:] = [waiter for waiter in self.actor.waiters if waiter.member != self.number]
        if self.number in self.found().members:
            self.actor.write(self.space, "left", self.stream, self.group, member=self.number)


class ActorStreams(Arguments, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """All five interfaces over an `Actor`."""

    traits = TRAITS
    member_type = ActorMember

    def __init__(self, actor: Actor, namespace: str) -> None:
        self.actor, self.space = actor, namespace

    @property
    def view(self) -> View:
        return self.actor.view(self.space)

    def ordinary(self, stream: Stream, operation: str) -> None:
        if len(stream.lanes) > 1:
            raise ConfigError(f"{MAKER}: {operation}: the stream has several partitions")

    def lane_of(self, key: str | None, parts: int) -> int:
        if key is None:
            return self.actor.next_offset(self.space) % parts
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) % parts

    def add(self, stream: str, part: int, content: Content) -> int:
        key, payload, headers = content
        offset = self.actor.next_offset(self.space)
        ms = max(self.actor.clock.now_ms(), self.view.stream(stream).lanes[part].ms)
        self.actor.write(self.space, "appended", stream, record=Record(offset, key, payload, headers, ms, part))
        return offset

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.named(stream)
        content = self.content(payload, key, headers)
        return await self.actor.ask(lambda: self.add(stream, self.lane_of(key, len(self.view.stream(stream).lanes)), content))

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.named(stream)
        content = self.content(payload, key, headers)
        whole(partition, "partition")

        def do() -> int:
            self.there(stream, partition)
            return self.add(stream, partition, content)

        return await self.actor.ask(do)

    def there(self, stream: str, partition: int) -> None:
        if whole(partition, "partition") >= len(self.view.stream(stream).lanes):
            raise ValueError(f"{MAKER}: there is no partition {partition}")

    def snapshot(self, stream: str, part: int, start: int, stop: int | None, limit: int | None) -> list[Record]:
        lane = self.view.stream(stream).lanes[part]
        found = lane.records[lane.place(start) : None if stop is None else lane.place(stop)]
        return [copied(record) for record in found[:limit]]

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.named(stream)
        self.window(start, limit)

        def do() -> list[Record]:
            self.ordinary(self.view.stream(stream), "read")
            return self.snapshot(stream, 0, start, None, limit)

        for record in await self.actor.ask(do):
            yield record

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.named(stream)
        self.window(start, limit)

        def do() -> list[Record]:
            self.there(stream, partition)
            return self.snapshot(stream, partition, start, None, limit)

        for record in await self.actor.ask(do):
            yield record

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        self.named(stream)
        whole(start, "start")
        whole(stop, "stop")

        def do() -> list[Record]:
            self.ordinary(self.view.stream(stream), "replay")
            return self.snapshot(stream, 0, start, stop, None)

        for record in await self.actor.ask(do):
            yield record

    async def latest_offset(self, stream: str) -> int | None:
        self.named(stream)

        def do() -> int | None:
            found = self.view.stream(stream)
            self.ordinary(found, "latest_offset")
            return None if found.lanes[0].last < 0 else found.lanes[0].last

        return await self.actor.ask(do)

    async def trim(self, stream: str, before: int) -> int:
        self.named(stream)
        whole(before, "before")

        def do() -> int:
            found = self.view.stream(stream)
            self.ordinary(found, "trim")
            bound = min(before, found.lanes[0].last + 1)
            if bound > found.lanes[0].floor:
                self.actor.write(self.space, "trimmed", stream, before=bound)
            return found.lanes[0].floor

        return await self.actor.ask(do)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self.named(stream, group)
        self.beginning(start)

        def do() -> None:
            found = self.view.stream(stream)
            if isinstance(start, int):
                self.ordinary(found, "create_group")
            if group in found.groups:
                raise AlreadyExists(f"{MAKER}: create_group: there is one")
            at = [
                start if isinstance(start, int) else lane.oldest() if start == "earliest" else lane.last + 1 for lane in found.lanes
            ]
            self.actor.write(self.space, "grouped", stream, group, at=at)

        await self.actor.ask(do)

    def group_of(self, stream: str, group: str) -> Group:
        found = self.view.stream(stream).groups.get(group)
        if found is None:
            raise GroupNotFound(f"{MAKER}: no such group")
        return found

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[ActorMember]:
        self.named(stream, group, consumer)

        def do() -> ActorMember:
            self.group_of(stream, group)
            member = self.member_type(self.actor, self.space, stream, group, self.actor.next_offset(self.space) + 1)
            self.actor.write(self.space, "joined", stream, group, member=member.number)
            return member

        asked = asyncio.ensure_future(self.actor.ask(do))
        try:
            member = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(lambda done: None if done.cancelled() or done.exception() else done.result().leave())
            raise
        try:
            yield member
        finally:
            member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        self.named(stream, group)

        def do() -> GroupInfo:
            found, lanes = self.group_of(stream, group), self.view.stream(stream).lanes
            pending = sum(held.member > 0 or lanes[part].find(offset) is not None for (part, offset), held in found.pending.items())
            return GroupInfo(len(found.members), pending, found.at[0] if len(lanes) == 1 else 0)

        return await self.actor.ask(do)

    def move(self, stream: str, group: str, at: list[int]) -> None:
        if self.group_of(stream, group).members:
            raise Conflict(f"{MAKER}: the group has members")
        self.actor.write(self.space, "moved", stream, group, at=at)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.named(stream, group)
        whole(offset, "offset")

        def do() -> None:
            self.group_of(stream, group)
            found = self.view.stream(stream)
            self.ordinary(found, "seek")
            self.move(stream, group, [min(max(offset, found.lanes[0].oldest()), found.lanes[0].last + 1)])

        await self.actor.ask(do)

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        self.named(stream, group)
        whole(at_ms, "at_ms")

        def do() -> None:
            self.group_of(stream, group)
            at = [
                next((record.offset for record in lane.records if record.appended_ms >= at_ms), lane.last + 1)
                for lane in self.view.stream(stream).lanes
            ]
            self.move(stream, group, at)

        await self.actor.ask(do)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.named(stream)
        bounds = Retention(*self.bounds(max_age_s, max_records))
        await self.actor.ask(lambda: self.actor.write(self.space, "bounded", stream, bounds=bounds))

    async def retention(self, stream: str) -> Retention:
        self.named(stream)
        return await self.actor.ask(lambda: self.view.stream(stream).bounds or Retention())

    async def enforce_retention(self, stream: str) -> None:
        self.named(stream)
        await self.actor.ask(lambda: self.actor.enforce(self.space, stream, self.view.stream(stream)))

    async def compact(self, stream: str) -> None:
        self.named(stream)

        def do() -> None:
            if stream in self.view.streams:
                self.actor.write(self.space, "compacting", stream, at=self.actor.clock.now_s() + 0.5)

        await self.actor.ask(do)

    async def create_partitioned(self, stream: str, n: int) -> None:
        self.named(stream)
        if whole(n, "n", 1) > 256:
            raise ValueError(f"{MAKER}: {n} partitions are too many")

        def do() -> None:
            found = self.view.stream(stream)
            if len(found.lanes) == n:
                return
            if found.used or len(found.lanes) > 1:
                raise AlreadyExists(f"{MAKER}: the stream was used, or has {len(found.lanes)} partitions")
            self.actor.write(self.space, "parted", stream, n=n)

        await self.actor.ask(do)

    async def partitions(self, stream: str) -> int:
        self.named(stream)
        return await self.actor.ask(lambda: len(self.view.stream(stream).lanes))
