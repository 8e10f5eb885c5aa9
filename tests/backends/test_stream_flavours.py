"""Replay, retention and partitions of streams over memory and SQLite."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from awaiting import expect
from embedded_stores import HERE, STORES, THERE, World, listed, play

from prism_backends.memory import MemoryStream
from prism_backends.sqlite import SqliteStream
from prism_backends.stream_arguments import partition_of
from prism_testkit.interfaces.errors import AlreadyExists, Closed, ConfigError, Conflict, GroupNotFound, InvalidName
from prism_testkit.interfaces.stream import Member, Record, RecordDelivery
from prism_testkit.interfaces.stream_retention import Retention

Stream = MemoryStream | SqliteStream
LONG_S = 30.0
"""Longer than anything here takes: what is waited for comes before."""


def over(*stores: str) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[str, Path], None]]:
    """Make a plain test of a scenario, run over some embedded stores."""

    def decorate(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str, Path], None]:
        def test(store: str, tmp_path: Path) -> None:
            play(store, tmp_path, scenario)

        test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
        test.__module__ = scenario.__module__
        return pytest.mark.parametrize("store", stores)(test)

    return decorate


everywhere = over(*STORES)
in_virtual_time = over("memory", "sqlite-virtual")


async def stream(world: World, namespace: str = HERE) -> Stream:
    """Return a driver over a connection of its own."""
    client = await world.stack.enter_async_context(world.backend.connect(world.place))
    made = MemoryStream if world.backend.name == "memory" else SqliteStream
    return made(client, namespace)


async def fill(driver: Stream, *payloads: str, name: str = "s") -> list[int]:
    """Append records; the key is the first letter, none for a dot."""
    return [await driver.append(name, p.encode(), None if p[0] == "." else p[0], {"h": p}) for p in payloads]


async def kept(driver: Stream, name: str = "s", start: int = 0) -> list[str]:
    return [record.payload.decode() for record in await listed(driver.read(name, start))]


async def taken(driver: Stream, group: str = "g", name: str = "s") -> list[tuple[str, int]]:
    """Take and confirm what a group has."""
    found: list[RecordDelivery] = []
    async with driver.join(name, group, "c") as member:
        while some := await member.receive(100):
            await member.ack(*some)
            found += some
    return [(delivery.record.payload.decode(), delivery.delivery_count) for delivery in found]


# Replay


@everywhere
async def test_a_group_is_moved_back_and_on(world: World) -> None:
    one, two = await stream(world), await stream(world)
    offsets = await fill(one, "a", "b", "c", "d")
    await one.create_group("s", "g")
    await one.create_group("s", "other")
    assert await taken(one) == [("a", 1), ("b", 1), ("c", 1), ("d", 1)]
    await two.seek("s", "g", offsets[2])
    assert await taken(one) == [("c", 1), ("d", 1)]
    await two.seek("s", "g", 0)
    async with one.join("s", "g", "c") as member:
        first, second, _ = await member.receive(3)
        await member.ack(first)
        await member.nack(second, delay_s=3600)
    await one.seek("s", "g", offsets[1])
    info = await two.group_info("s", "g")
    assert (info.members, info.pending, info.position) == (0, 0, offsets[1])
    assert await taken(two) == [("b", 1), ("c", 1), ("d", 1)]
    await one.seek("s", "g", 10**30)
    assert await taken(one) == []
    await fill(two, "e")
    assert await taken(one) == [("e", 1)]
    assert await taken(one, "other") == [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]
    assert await one.latest_offset("s") == offsets[3] + 1


@everywhere
async def test_a_group_with_a_member_is_not_moved(world: World) -> None:
    one, two = await stream(world), await stream(world)
    await fill(one, "a", "b")
    for move in (one.seek, one.seek_to_time):
        await expect(GroupNotFound, move("s", "g", 0))
    await one.create_group("s", "g")
    async with one.join("s", "g", "c") as member:
        (held,) = await member.receive()
        for move in (one.seek, two.seek, one.seek_to_time, two.seek_to_time):
            await expect(Conflict, move("s", "g", 0))
        assert [d.record.payload for d in await member.receive(9)] == [b"b"]
        await member.ack(held)
    for move in (one.seek, one.seek_to_time):
        await expect(ValueError, move("s", "g", -1))
        await expect(TypeError, move("s", "g", "0"))  # type: ignore[arg-type]
        await expect(InvalidName, move("", "g", 0))
        await expect(InvalidName, move("s", "", 0))
    assert await taken(one) == [("b", 2)]
    await one.close()
    await expect(Closed, one.seek("s", "g", 0))


@in_virtual_time
async def test_a_group_is_moved_to_an_instant(world: World) -> None:
    driver = await stream(world)
    await driver.create_group("s", "g")
    instants = []
    for name in "abcd":
        await fill(driver, name)
        instants.append(world.clock.now_ms())
        world.wait(0 if name == "b" else 1)
    for at_ms, wanted in (
        (0, "abcd"),
        (instants[0], "abcd"),
        (instants[0] + 1, "bcd"),
        (instants[1], "bcd"),
        (instants[3], "d"),
        (instants[3] + 1, ""),
        (10**30, ""),
    ):
        await driver.seek_to_time("s", "g", at_ms)
        assert await taken(driver) == [(name, 1) for name in wanted], at_ms
    await driver.seek_to_time("s", "g", world.clock.now_ms() + 3_600_000)
    await fill(driver, "e")
    assert await taken(driver) == [("e", 1)]


@everywhere
async def test_a_replay_gives_what_a_read_does_between_two_offsets(world: World) -> None:
    driver = await stream(world)
    offsets = await fill(driver, *(f"{number}" for number in range(12)))
    records = await listed(driver.read("s"))
    for start in (0, *offsets, 10**30):
        for stop in (0, *offsets, offsets[-1] + 1, 10**30):
            expected = [record for record in records if start <= record.offset < stop]
            assert await listed(driver.replay("s", start, stop)) == expected
    assert await listed(driver.replay("never", 0, 9)) == []
    for start, stop in ((-1, 1), (0, -1)):
        await expect(ValueError, listed(driver.replay("s", start, stop)))
    async for record in driver.replay("s", 0, 10**30):
        await fill(driver, "later")
        assert record.payload != b"later"
    await expect(InvalidName, listed(driver.replay("", 0, 1)))


@everywhere
async def test_a_replay_of_several_pages_ends_where_the_stream_ended_when_it_began(world: World) -> None:
    driver = await stream(world)
    for _ in range(3):
        await driver.append("s", bytes(700_000))
    steps = driver.replay("s", 0, 10**30)
    found = [await anext(steps)]
    await fill(driver, "later")
    assert len(found + await listed(steps)) == 3


# Retention


@in_virtual_time
async def test_what_is_inside_the_bounds_is_kept_and_what_is_outside_is_gone(world: World) -> None:
    one, two = await stream(world), await stream(world)
    assert await one.retention("s") == Retention()
    await one.set_retention("s", max_age_s=10)
    assert await two.retention("s") == Retention(10.0, None)
    offsets = []
    for name in "abc":
        offsets += await fill(one, name)
        world.wait(4)
    await one.create_group("s", "g")
    assert await kept(one) == ["a", "b", "c"][1:]
    assert await kept(two, start=offsets[0]) == ["b", "c"]
    world.wait(2)
    assert await kept(two) == ["b", "c"]
    world.wait(0.001)
    assert await kept(two) == ["c"]
    assert await taken(two) == [("c", 1)]
    world.wait(4)
    assert await kept(one) == []
    assert await one.latest_offset("s") == offsets[-1]
    assert await one.trim("s", 0) <= offsets[-1] + 1
    await one.set_retention("s", None, 2)
    assert await kept(one) == []
    await fill(two, "d", "e", "f")
    assert await kept(one) == ["e", "f"]
    await one.set_retention("s", max_records=1)
    assert await kept(two) == ["f"]
    await one.set_retention("s")
    await fill(two, "g", "h")
    assert await kept(two) == ["f", "g", "h"]
    await one.enforce_retention("s")
    assert await kept(two) == ["f", "g", "h"]
    assert await one.retention("s") == Retention()


@everywhere
async def test_bounds_are_refused_before_any_effect(world: World) -> None:
    driver = await stream(world)
    await driver.set_retention("s", 1e9, 10**9)
    for age in (0, -1, float("nan"), float("inf")):
        await expect(ValueError, driver.set_retention("s", max_age_s=age))
    for records in (0, -1):
        await expect(ValueError, driver.set_retention("s", max_records=records))
    await expect(TypeError, driver.set_retention("s", max_records=1.5))  # type: ignore[arg-type]
    for call in (driver.set_retention, driver.retention, driver.enforce_retention, driver.compact):
        await expect(InvalidName, call(""))
    assert await driver.retention("s") == Retention(1e9, 10**9)
    for name in ("never", "s"):
        await driver.enforce_retention(name)
        await driver.compact(name)
        assert await kept(driver, name) == []
        assert await driver.latest_offset(name) is None
    assert await (await stream(world, THERE)).retention("s") == Retention()


@everywhere
async def test_compaction_keeps_the_last_of_each_key_and_all_without_one(world: World) -> None:
    one, two = await stream(world), await stream(world)
    await fill(one, ".1", "a1", "b1", ".2", "a2", "c1", "b2")
    before = {record.payload: record for record in await listed(one.read("s"))}
    await one.create_group("s", "g")
    async with one.join("s", "g", "c") as member:
        held = await member.receive(3)
        await one.compact("s")
        after = await listed(two.read("s"))
        assert [record.payload for record in after] == [b".1", b".2", b"a2", b"c1", b"b2"]
        assert after == [before[record.payload] for record in after]
        await member.ack(held[1])
        await member.nack(held[0], held[2])
        assert sorted(d.record.payload for d in await member.receive(9)) == [b".1", b".2", b"a2", b"b2", b"c1"]
    await one.seek("s", "g", 0)
    assert await taken(one) == [(".1", 1), (".2", 1), ("a2", 1), ("c1", 1), ("b2", 1)]
    for start, stop in ((after[1].offset, after[3].offset), (after[0].offset + 1, after[2].offset + 1)):
        assert await listed(one.replay("s", start, stop)) == [r for r in after if start <= r.offset < stop]
    await fill(two, "a3")
    assert await kept(one) == [".1", ".2", "a2", "c1", "b2", "a3"]
    await two.compact("s")
    assert await kept(one) == [".1", ".2", "c1", "b2", "a3"]
    await two.set_retention("s", max_records=3)
    assert await kept(one) == ["c1", "b2", "a3"]
    await fill(two, "d1")
    assert await kept(one) == ["b2", "a3", "d1"]


@in_virtual_time
async def test_what_is_removed_while_it_is_held_blocks_nothing(world: World) -> None:
    driver = await stream(world)
    await driver.create_group("s", "g")
    await fill(driver, "a", "b", "c", "d")
    async with driver.join("s", "g", "c") as member:
        first, second, third = await member.receive(3)
        await member.nack(first, delay_s=5)
        await driver.set_retention("s", max_records=1)
        await member.nack(second, third)
        assert (await driver.group_info("s", "g")).pending == 0
        world.wait(6)
        assert [d.record.payload for d in await member.receive(9)] == [b"d"]
        task = asyncio.create_task(member.receive(9, LONG_S))
        await asyncio.sleep(0.1)
        await fill(driver, "e")
        assert [d.record.payload for d in await task] == [b"e"]


@everywhere
async def test_what_is_removed_while_it_is_held_does_not_come_when_its_member_leaves(world: World) -> None:
    driver = await stream(world)
    await driver.create_group("s", "g")
    await fill(driver, "a1", "b1", "a2")
    async with driver.join("s", "g", "c") as member:
        assert len(await member.receive(2)) == 2
        await driver.compact("s")
    assert (await driver.group_info("s", "g")).pending == 1
    assert await taken(driver) == [("b1", 2), ("a2", 1)]


# Partitions


@everywhere
async def test_partitions_are_given_once_to_what_was_not_used(world: World) -> None:
    one, two = await stream(world), await stream(world)
    assert await one.partitions("s") == 1
    for n in (0, 257, -1):
        await expect(ValueError, one.create_partitioned("s", n))
    await expect(TypeError, one.create_partitioned("s", 2.0))  # type: ignore[arg-type]
    await one.create_partitioned("s", 1)
    await one.create_partitioned("s", 3)
    await two.create_partitioned("s", 3)
    assert await two.partitions("s") == 3
    await one.append("s", b"x")
    await one.create_partitioned("s", 3)
    for n in (1, 2, 4):
        await expect(AlreadyExists, two.create_partitioned("s", n))
    await one.append("used", b"x")
    await one.create_group("grouped", "g")
    await one.set_retention("bounded", max_records=1)
    for name in ("used", "grouped", "bounded"):
        await one.create_partitioned(name, 1)
        await expect(AlreadyExists, one.create_partitioned(name, 2))
        assert await one.partitions(name) == 1
    assert await (await stream(world, THERE)).partitions("s") == 1
    await expect(InvalidName, one.create_partitioned("", 2))


@everywhere
async def test_each_partition_has_its_records_and_a_group_all(world: World) -> None:
    one, two = await stream(world), await stream(world)
    await one.create_partitioned("s", 3)
    await one.create_group("s", "g")
    told: list[list[tuple[int, bytes]]] = [[], [], []]
    for number in range(60):
        offset = await (one, two)[number % 2].append_to_partition("s", number % 3, b"%d" % number, f"k{number % 7}", {"n": "x"})
        told[number % 3].append((offset, b"%d" % number))
    for number, expected in enumerate(told):
        records = await listed(two.read_partition("s", number))
        assert [(record.offset, record.payload) for record in records] == expected
        assert {(record.partition, record.headers["n"]) for record in records} == {(number, "x")}
        middle = expected[10][0]
        assert await listed(one.read_partition("s", number, middle, 3)) == records[10:13]
        assert await listed(one.read_partition("s", number, middle + 1)) == records[11:]
    got: list[Record] = []
    async with one.join("s", "g", "c") as member:
        while some := await member.receive(7):
            await member.ack(*some)
            got += [delivery.record for delivery in some]
    for number, expected in enumerate(told):
        assert [(record.offset, record.payload) for record in got if record.partition == number] == expected
    assert (await one.group_info("s", "g")).position == 0


def test_a_key_has_its_partition_in_every_process() -> None:
    assert [partition_of(b"key%d" % number, 5) for number in range(8)] == [4, 1, 3, 0, 3, 0, 3, 4]


@everywhere
async def test_a_key_stays_in_its_partition_and_keys_spread(world: World) -> None:
    one, two = await stream(world), await stream(world)
    await one.create_partitioned("s", 4)
    for number in range(100):
        await one.append("s", b"1", f"key{number}")
        await two.append("s", b"2", f"key{number}")
        await two.append("s", b"3")
    parts = [await listed(one.read_partition("s", number)) for number in range(4)]
    where = {record.key: number for number, records in enumerate(parts) for record in records if record.key}
    for number, records in enumerate(parts):
        assert all(where[record.key] == number for record in records if record.key)
    assert len({where[f"key{number}"] for number in range(100)}) > 1
    assert sum(map(len, parts)) == 300


@everywhere
async def test_what_needs_one_order_of_offsets_is_refused_on_partitions(world: World) -> None:
    driver = await stream(world)
    await driver.create_partitioned("s", 2)
    await driver.create_group("s", "g")
    offset = await driver.append_to_partition("s", 1, b"x")
    for call in (
        listed(driver.read("s")),
        driver.trim("s", 0),
        driver.latest_offset("s"),
        driver.seek("s", "g", 0),
        listed(driver.replay("s", 0, 9)),
        driver.create_group("s", "h", offset),
    ):
        await expect(ConfigError, call)
    for number in (-1, 2):
        await expect(ValueError, driver.append_to_partition("s", number, b"y"))
        await expect(ValueError, listed(driver.read_partition("s", number)))
        await expect(ValueError, driver.append_to_partition("ordinary", number + 1 or -1, b"y"))
    await expect(TypeError, driver.append_to_partition("s", "0", b"y"))  # type: ignore[arg-type]
    await expect(TypeError, listed(driver.read_partition("s", 0.0)))  # type: ignore[arg-type]
    await expect(InvalidName, driver.append_to_partition("s", 0, b"y", ""))
    assert await listed(driver.read_partition("s", 0)) == []
    assert await listed(driver.read_partition("ordinary", 0)) == []
    await driver.append_to_partition("ordinary", 0, b"z")
    assert await kept(driver, "ordinary") == ["z"]
    assert [r.payload for r in await listed(driver.read_partition("ordinary", 0))] == [b"z"]


@in_virtual_time
async def test_bounds_and_instants_are_those_of_each_partition(world: World) -> None:
    driver = await stream(world)
    await driver.create_partitioned("s", 2)
    await driver.create_group("s", "g")
    for number in range(4):
        await driver.append_to_partition("s", 0, b"0%d" % number, "k")
    await driver.append_to_partition("s", 1, b"10", "k")
    world.wait(1)
    at_ms = world.clock.now_ms()
    await driver.append_to_partition("s", 1, b"11", "l")
    await driver.append_to_partition("s", 0, b"04", "l")
    await driver.set_retention("s", max_records=3)

    async def parts() -> list[list[bytes]]:
        return [[record.payload for record in await listed(driver.read_partition("s", part))] for part in (0, 1)]

    assert await parts() == [[b"02", b"03", b"04"], [b"10", b"11"]]
    await driver.compact("s")
    assert await parts() == [[b"03", b"04"], [b"10", b"11"]]
    await driver.seek_to_time("s", "g", at_ms)
    assert sorted(await taken(driver)) == [("04", 1), ("11", 1)]


# Programs against a model


@dataclass
class Model:
    """What a stream should hold: every record ever appended, and those that are gone."""

    partitions: int = 1
    records: list[tuple[int, int, str, str | None, int]] = field(default_factory=list)  # partition, offset, payload, key, ms
    gone: set[str] = field(default_factory=set)
    age_s: float | None = None
    most: int | None = None

    def enforce(self, now_ms: int) -> None:
        for partition in range(self.partitions):
            here = [r for r in self.records if r[0] == partition and r[2] not in self.gone]
            for place, record in enumerate(here):
                too_old = self.age_s is not None and now_ms - record[4] > self.age_s * 1000
                if too_old or (self.most is not None and len(here) - place > self.most):
                    self.gone.add(record[2])

    def compact(self) -> None:
        for index, (partition, _, payload, key, _) in enumerate(self.records):
            if key is not None and any(r[0] == partition and r[3] == key for r in self.records[index + 1 :]):
                self.gone.add(payload)

    def kept(self, partition: int) -> list[tuple[int, str]]:
        return [(r[1], r[2]) for r in self.records if r[0] == partition and r[2] not in self.gone]


@in_virtual_time
async def test_programs_match_the_model(world: World) -> None:
    driver = await stream(world)
    for seed in range(60):
        await program(world, driver, random.Random(seed), f"s{seed}")


async def program(world: World, driver: Stream, draw: random.Random, name: str) -> None:
    model = Model(draw.choice([1, 1, 3]))
    await driver.create_partitioned(name, model.partitions)
    await driver.create_group(name, "g")
    done: set[str] = set()
    for step in range(50):
        action = draw.choice(["append"] * 6 + ["age", "most", "compact", "wait", "trim", "seek", "take", "look", "look"])
        if action == "append":
            key, partition = draw.choice([None, "a", "b", "c"]), draw.randrange(model.partitions)
            offset = await driver.append_to_partition(name, partition, b"%d" % step, key)
            model.records.append((partition, offset, str(step), key, world.clock.now_ms()))
        elif action in ("age", "most"):
            model.age_s, model.most = draw.choice([None, 1.0, 2.5]), draw.choice([None, 1, 2, 5])
            await driver.set_retention(name, model.age_s, model.most)
        elif action == "compact":
            model.compact()
            await driver.compact(name)
        elif action == "wait":
            world.wait(draw.choice([0.25, 0.5, 1, 2]))
        elif action == "trim" and model.partitions == 1 and model.records:
            bound = draw.choice(model.records)[1]
            assert await driver.trim(name, bound) >= bound
            model.gone |= {record[2] for record in model.records if record[1] < bound}
        elif action == "seek" and model.records:
            await seek(driver, name, model, draw, done)
        model.enforce(world.clock.now_ms())
        if action == "take":
            got = await some(driver, name, draw)
            there = {payload for partition in range(model.partitions) for _, payload in model.kept(partition)}
            assert set(got) <= there
            assert not done & set(got)
            done |= set(got)
        elif action == "look":
            for partition in range(model.partitions):
                found = await listed(driver.read_partition(name, partition))
                assert [(r.offset, r.payload.decode()) for r in found] == model.kept(partition), (step, partition)
    assert {text for text, _ in await taken(driver, "g", name)} == {
        payload for partition in range(model.partitions) for _, payload in model.kept(partition)
    } - done


async def seek(driver: Stream, name: str, model: Model, draw: random.Random, done: set[str]) -> None:
    _, offset, _, _, ms = draw.choice(model.records)
    if model.partitions == 1:
        await driver.seek(name, "g", offset)
        passed = {record[2] for record in model.records if record[1] < offset}
    else:
        await driver.seek_to_time(name, "g", ms)
        passed = {record[2] for record in model.records if record[4] < ms}
    done.clear()
    done |= passed


async def some(driver: Stream, name: str, draw: random.Random) -> list[str]:
    async with driver.join(name, "g", "c") as member:
        deliveries = await member.receive(draw.randint(1, 5))
        return await confirm(member, deliveries, draw)


async def confirm(member: Member, deliveries: list[RecordDelivery], draw: random.Random) -> list[str]:
    """Confirm some, give others back, and leave the rest to the end of the member."""
    confirmed: list[Any] = []
    for delivery in deliveries:
        action = draw.choice(["ack", "ack", "nack", "leave"])
        if action == "ack":
            await member.ack(delivery)
            confirmed.append(delivery.record.payload.decode())
        elif action == "nack":
            await member.nack(delivery)
    return confirmed
