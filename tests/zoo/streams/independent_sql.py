"""The driver over `independent_tables`: what each call checks, and which statements it makes."""

import zlib
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

from .independent_arguments import MAKER, Arguments, whole
from .independent_tables import FAR, TRAITS, Tables

__all__ = ["SqlMember", "SqlStreams"]

PAGE = 16


class SqlMember(Arguments):
    """A row of the table of members. What it holds are rows of the pending."""

    def __init__(self, tables: Tables, stream: int, group: int, number: int) -> None:
        self.tables, self.stream, self.group, self.number = tables, stream, group, number
        self.left = False

    def stay(self) -> None:
        if self.left:
            raise Closed(f"{MAKER}: this member was left")

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        whole(max_records, "max_records", 1)
        clock = self.tables.clock
        until = clock.now_s() + check_timeout(timeout_s, "receive", MAKER)
        while True:
            self.stay()
            found = self.take(max_records)
            left = until - clock.now_s()
            if found or left <= 0:
                return found
            await self.tables.changed(min(left, self.until_due()))

    def until_due(self) -> float:
        due = self.tables.one(
            "SELECT min(due) FROM pending WHERE grp=? AND member=0 AND due>?", self.group, self.tables.clock.now_s()
        )
        return FAR if due is None else float(due) - self.tables.clock.now_s()

    def take(self, most: int) -> list[RecordDelivery]:
        with self.tables.writing(wakes=False):
            found = self.again(most)
            for part in range(self.tables.parts(self.stream)):
                if len(found) < most:
                    found += self.fresh(part, most - len(found))
        return found

    def again(self, most: int) -> list[RecordDelivery]:
        """Take what is to come again and is due; what is gone meanwhile is forgotten."""
        now, found = self.tables.clock.now_s(), list[RecordDelivery]()
        due = self.tables.run(
            "SELECT part, off, times FROM pending WHERE grp=? AND member=0 AND due<=? ORDER BY part, off", self.group, now
        ).fetchall()
        for part, offset, times in due:
            if len(found) == most:
                break
            records = self.tables.rows(self.stream, part, offset, offset, 1)
            if records:
                found.append(self.hold(records[0], times + 1))
            else:
                self.tables.run("DELETE FROM pending WHERE grp=? AND part=? AND off=?", self.group, part, offset)
        return found

    def fresh(self, part: int, most: int) -> list[RecordDelivery]:
        at = self.tables.one("SELECT at FROM cursor WHERE grp=? AND part=?", self.group, part)
        records = self.tables.rows(self.stream, part, at, FAR, most)
        if records:
            self.tables.run("UPDATE cursor SET at=? WHERE grp=? AND part=?", records[-1].offset + 1, self.group, part)
        return [self.hold(record, 1) for record in records]

    def hold(self, record: Record, times: int) -> RecordDelivery:
        self.tables.run(
            "INSERT OR REPLACE INTO pending(grp, part, off, times, member) VALUES(?,?,?,?,?)",
            *(self.group, record.partition, record.offset, times, self.number),
        )
        return RecordDelivery(record, times, f"{self.number}.{record.partition}.{record.offset}.{times}")

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.give("DELETE FROM pending", deliveries)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        due = self.tables.clock.now_s() + self.delay(delay_s)
        self.give("UPDATE pending SET member=0, due=?", deliveries, due)

    def give(self, what: str, deliveries: tuple[RecordDelivery, ...], *values: float) -> None:
        """Do it to each that is held under its very token; those of others are a conflict, once the rest is done."""
        self.stay()
        wrong: Conflict | None = None
        with self.tables.writing():
            for delivery in deliveries:
                member, part, offset, times = map(int, delivery.token.split("."))
                if member != self.number:
                    wrong = self.foreign(delivery.token)
                    continue
                self.tables.run(
                    f"{what} WHERE grp=? AND part=? AND off=? AND times=? AND member=?",
                    *(*values, self.group, part, offset, times, self.number),
                )
        if wrong is not None:
            raise wrong


class SqlStreams(Arguments, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """All five interfaces, as one transaction a call."""

    traits = TRAITS
    member_type = SqlMember

    def __init__(self, tables: Tables, namespace: str) -> None:
        self.tables, self.space = tables, namespace

    def found(self, stream: str) -> int | None:
        return self.tables.stream(self.space, stream)

    def ordinary(self, stream: int | None, operation: str) -> None:
        if self.tables.parts(stream) > 1:
            raise ConfigError(f"{MAKER}: {operation}: the stream has several partitions")

    def lane_of(self, key: str | None, parts: int) -> int:
        return 0 if key is None else zlib.crc32(key.encode()) % parts

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.named(stream)
        content = self.content(payload, key, headers)
        with self.tables.writing():
            number = self.tables.made(self.space, stream)
            return self.tables.add(number, self.lane_of(key, self.tables.parts(number)), *content)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.named(stream)
        content = self.content(payload, key, headers)
        whole(partition, "partition")
        with self.tables.writing():
            number = self.tables.made(self.space, stream)
            if partition >= self.tables.parts(number):
                raise ValueError(f"{MAKER}: there is no partition {partition}")
            return self.tables.add(number, partition, *content)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.named(stream)
        self.window(start, limit)
        number = self.found(stream)
        self.ordinary(number, "read")
        async for record in self.pages(number, 0, start, self.tables.last(number, 0), limit):
            yield record

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.named(stream)
        self.window(start, limit)
        number = self.found(stream)
        if whole(partition, "partition") >= self.tables.parts(number):
            raise ValueError(f"{MAKER}: there is no partition {partition}")
        async for record in self.pages(number, partition, start, self.tables.last(number, partition), limit):
            yield record

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        self.named(stream)
        whole(start, "start")
        whole(stop, "stop")
        number = self.found(stream)
        self.ordinary(number, "replay")
        async for record in self.pages(number, 0, start, min(stop - 1, self.tables.last(number, 0)), None):
            yield record

    async def pages(self, stream: int | None, part: int, first: int, last: int, limit: int | None) -> AsyncIterator[Record]:
        left = FAR if limit is None else limit
        while left > 0 and first <= last:
            page = self.tables.rows(stream, part, first, last, min(left, PAGE))
            for record in page:
                yield record
            if not page:
                return
            left, first = left - len(page), page[-1].offset + 1

    async def latest_offset(self, stream: str) -> int | None:
        self.named(stream)
        number = self.found(stream)
        self.ordinary(number, "latest_offset")
        return self.tables.last(number, 0) or None

    async def trim(self, stream: str, before: int) -> int:
        self.named(stream)
        whole(before, "before")
        number = self.found(stream)
        if number is None:
            return 0
        self.ordinary(number, "trim")
        with self.tables.writing():
            return self.tables.cut(number, 0, before)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self.named(stream, group)
        self.beginning(start)
        with self.tables.writing():
            number = self.tables.made(self.space, stream)
            if isinstance(start, int):
                self.ordinary(number, "create_group")
            if self.tables.group(number, group) is not None:
                raise AlreadyExists(f"{MAKER}: create_group: there is one")
            self.tables.use(number)
            made = self.tables.run("INSERT INTO grp(stream, name) VALUES(?,?)", number, group.encode()).lastrowid
            for part in range(self.tables.parts(number)):
                self.tables.run("INSERT INTO cursor VALUES(?,?,?)", made, part, self.first_of(number, part, start))

    def first_of(self, stream: int, part: int, start: GroupStart) -> int:
        if isinstance(start, int):
            return min(start, FAR)
        return self.tables.oldest(stream, part) if start == "earliest" else self.tables.last(stream, part) + 1

    def group_of(self, stream: str, group: str) -> tuple[int, int]:
        number = self.found(stream)
        found = self.tables.group(number, group)
        if number is None or found is None:
            raise GroupNotFound(f"{MAKER}: no such group")
        return number, found

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[SqlMember]:
        self.named(stream, group, consumer)
        number, found = self.group_of(stream, group)
        with self.tables.writing():
            row = self.tables.run("INSERT INTO member(grp, label) VALUES(?,?)", found, consumer.encode()).lastrowid
        assert row is not None
        member = self.member_type(self.tables, number, found, row)
        try:
            yield member
        finally:
            member.left = True
            with self.tables.writing():
                self.tables.release(found, row)

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        self.named(stream, group)
        number, found = self.group_of(stream, group)
        members = self.tables.one("SELECT count(*) FROM member WHERE grp=?", found)
        pending = self.tables.one(
            "SELECT count(*) FROM pending p WHERE grp=? AND (member OR EXISTS"
            " (SELECT 1 FROM record r WHERE r.stream=? AND r.part=p.part AND r.off=p.off))",
            *(found, number),
        )
        ordinary = self.tables.parts(number) == 1
        return GroupInfo(members, pending, self.tables.one("SELECT at FROM cursor WHERE grp=?", found) if ordinary else 0)

    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        with self.tables.writing():
            if self.tables.one("SELECT count(*) FROM member WHERE grp=?", group):
                raise Conflict(f"{MAKER}: the group has members")
            self.tables.run("DELETE FROM pending WHERE grp=?", group)
            for part, at in to.items():
                self.tables.run("UPDATE cursor SET at=? WHERE grp=? AND part=?", at, group, part)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.named(stream, group)
        whole(offset, "offset")
        number, found = self.group_of(stream, group)
        self.ordinary(number, "seek")
        oldest, end = self.tables.oldest(number, 0), self.tables.last(number, 0) + 1
        self.move(number, found, {0: min(max(offset, oldest), end)})

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        self.named(stream, group)
        whole(at_ms, "at_ms")
        number, found = self.group_of(stream, group)
        to = dict[int, int]()
        for part in range(self.tables.parts(number)):
            first = self.tables.one(
                "SELECT min(off) FROM record WHERE stream=? AND part=? AND ms>=?", number, part, min(at_ms, FAR)
            )
            to[part] = self.tables.last(number, part) + 1 if first is None else first
        self.move(number, found, to)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.named(stream)
        age, most = self.bounds(max_age_s, max_records)
        with self.tables.writing():
            number = self.tables.made(self.space, stream)
            self.tables.use(number)
            self.tables.run("UPDATE stream SET age=?, most=? WHERE id=?", age, None if most is None else min(most, FAR), number)

    async def retention(self, stream: str) -> Retention:
        self.named(stream)
        row = self.tables.run("SELECT age, most FROM stream WHERE id=?", self.found(stream)).fetchone()
        return Retention() if row is None else Retention(*row)

    async def enforce_retention(self, stream: str) -> None:
        self.named(stream)
        number = self.found(stream)
        if number is not None:
            with self.tables.writing():
                self.tables.enforce(number)

    async def compact(self, stream: str) -> None:
        self.named(stream)
        number = self.found(stream)
        if number is not None:
            with self.tables.writing():
                self.tables.compact(number)

    async def create_partitioned(self, stream: str, n: int) -> None:
        self.named(stream)
        if whole(n, "n", 1) > 256:
            raise ValueError(f"{MAKER}: {n} partitions are too many")
        with self.tables.writing():
            number = self.tables.made(self.space, stream)
            has, used = self.tables.run("SELECT parts, used FROM stream WHERE id=?", number).fetchone()
            if has == n:
                return
            if used or has > 1:
                raise AlreadyExists(f"{MAKER}: the stream was used, or has {has} partitions")
            self.tables.run("UPDATE stream SET parts=? WHERE id=?", n, number)
            for part in range(1, n):
                self.tables.run("INSERT INTO lane(stream, part) VALUES(?,?)", number, part)

    async def partitions(self, stream: str) -> int:
        self.named(stream)
        return self.tables.parts(self.found(stream))
