"""Replay and retention of streams over memory and SQLite."""

import asyncio

from awaiting import at_rest, expect
from embedded_stores import THERE, World, listed
from stream_flavours_world import LONG_S, everywhere, fill, in_virtual_time, kept, stream, taken

from prism_testkit.interfaces.errors import Closed, Conflict, GroupNotFound, InvalidName
from prism_testkit.interfaces.stream_retention import Retention


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
        await at_rest(task)
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
