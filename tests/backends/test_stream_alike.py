"""Streams over every backend: what the suites of the family cannot see, or not so closely."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from awaiting import at_rest
from redis_store import serving
from stream_world import Stream, World, every_store, listed, numbers, over, payloads, texts

import prism_testkit as prism
from prism_backends.memory import MemoryStream
from prism_testkit.interfaces import Closed, Conflict, GroupNotFound, Member, RecordDelivery
from prism_testkit.registry import Registry


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


@every_store
async def test_registration(world: World) -> None:
    registry = Registry()
    registry.add(world.backend)
    assert registry.warnings == []
    assert {"stream_basic", "stream_consumer_groups"} <= set(registry.offers[world.backend.name])


# The log


@every_store
async def test_a_read_ends_where_the_stream_ended_at_its_first_step(world: World) -> None:
    offsets = await world.fill(3)
    reading = world.stream.read("s")
    first = await anext(reading)
    await world.fill(2)
    await world.stream.trim("s", offsets[2])
    assert [first.offset, *[record.offset async for record in reading]] in ([offsets[0], offsets[2]], offsets)
    assert len(await listed(world.stream.read("s"))) == 3


@every_store
async def test_a_read_of_many_pages_gives_each_record_once(world: World) -> None:
    large = [bytes(400_000), b"", bytes(900_000)] * 3
    for payload in [*large, *[b"%d" % index for index in range(1200)]]:
        await world.stream.append("s", payload)
    records = await listed(world.stream.read("s"))
    assert texts(records[:9]) == large
    assert texts(records[9:]) == [b"%d" % index for index in range(1200)]
    assert [record.offset for record in records] == sorted({record.offset for record in records})
    assert await listed(world.stream.read("s", 1, 1100)) == [r for r in records if r.offset >= 1][:1100]
    assert await listed(world.stream.read("s", 10**30)) == []
    for wrong in (1.5, "1"):
        with pytest.raises(TypeError):
            await listed(world.stream.read("s", 0, wrong))  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await listed(world.stream.read("s", wrong))  # type: ignore[arg-type]


@every_store
async def test_headers_of_a_record_that_was_read_are_its_readers(world: World) -> None:
    given = {"a": "b"}
    await world.stream.append("s", b"", "key", given)
    given["a"] = "changed"
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "c") as member:
        (delivery,) = await member.receive()
        for record in [delivery.record, *await listed(world.stream.read("s"))]:
            assert record.headers == {"a": "b"}
            record.headers["a"] = "changed"  # type: ignore[index]
        assert [record.headers for record in await listed(world.stream.read("s"))] == [{"a": "b"}]
        await member.nack(delivery)
        assert [(d.record.headers, d.record.key) for d in await member.receive()] == [({"a": "b"}, "key")]


@every_store
async def test_a_bound_is_clamped_and_offsets_go_on_after_trimming_all(world: World) -> None:
    assert await world.stream.trim("s", 7) == 0
    assert await world.stream.latest_offset("s") is None
    offsets = await world.fill(3)
    assert await world.stream.trim("s", offsets[1]) == offsets[1]
    assert await world.stream.trim("s", 0) == offsets[1]
    assert await world.stream.trim("s", 10**30) == offsets[2] + 1
    assert await listed(world.stream.read("s")) == []
    assert await world.stream.latest_offset("s") == offsets[2]
    (offset,) = await world.fill(1)
    assert offset > offsets[2]


@over("memory", "sqlite")
async def test_instants_never_decrease_when_the_clock_goes_back(world: World) -> None:
    assert isinstance(world.clock, prism.VirtualClock)
    await world.fill(1)
    world.clock._now_ns -= 10**9
    await world.fill(1)
    before, after = [record.appended_ms for record in await listed(world.stream.read("s"))]
    assert before == after == prism.VirtualClock.START_S * 1000


# Groups


@over("memory", "sqlite")
async def test_who_waits_is_woken_at_the_instant_of_the_append(world: World) -> None:
    """By an append through another client; and a wait for nothing takes few looks, however long it is."""
    other = await world.another()
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "c") as member:
        waiting = asyncio.create_task(member.receive(1, 1000))
        await asyncio.sleep(500)
        appended_s = world.clock.now_s()
        await other.append("s", b"new")
        assert payloads(await waiting) == [b"new"]
        assert world.clock.now_s() - appended_s < 0.001


@over("memory", "sqlite")
async def test_a_delay_ends_at_its_instant_and_a_timeout_at_its(world: World) -> None:
    await world.fill(2)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "c") as member:
        began_s = world.clock.now_s()
        held = await member.receive(2)
        await member.nack(held[1], delay_s=7.77)
        again = await member.receive(5, 100)
        assert numbers(again) == numbers(held[1:])
        assert again[0].delivery_count == 2
        assert 7.77 <= world.clock.now_s() - began_s < 7.771
        assert await member.receive(1, 3.3) == []
        assert 11.07 <= world.clock.now_s() - began_s < 11.072


@every_store
async def test_a_slow_member_keeps_its_records_and_one_that_left_gives_them_back(world: World) -> None:
    other = await world.another()
    offsets = await world.fill(3)
    await world.stream.create_group("s", "g")
    async with other.join("s", "g", "b") as second:
        async with world.stream.join("s", "g", "a") as first:
            held = await first.receive(2)
            world.clock.jump(10**12) if isinstance(world.clock, prism.VirtualClock) else None
            assert numbers(await second.receive(5)) == offsets[2:]
            await first.ack(held[1])
            assert await other.group_info("s", "g") == replace(await other.group_info("s", "g"), members=2, pending=2)
        assert [(d.record.offset, d.delivery_count) for d in await second.receive(5)] == [(offsets[0], 2)]
        with pytest.raises(Closed):
            await first.receive()
        with pytest.raises(Closed):
            await first.ack(held[0])


@every_store
async def test_a_cancelled_receive_has_taken_nothing(world: World) -> None:
    """Cancelled after each number of steps that it takes."""
    await world.stream.create_group("s", "g")
    for steps in range(12):
        (offset,) = await world.fill(1)
        async with world.stream.join("s", "g", "a") as first, world.stream.join("s", "g", "b") as second:
            receiving = asyncio.create_task(first.receive())
            for _ in range(steps):
                await asyncio.sleep(0)
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await first.nack(*await receiving)
            (delivery,) = await second.receive()
            assert delivery.record.offset == offset
            await second.ack(delivery)


@every_store
async def test_leaving_ends_a_receive_that_waits(world: World) -> None:
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        waiting = asyncio.create_task(member.receive(1, 1e5))
        await at_rest(waiting)
    with pytest.raises(Closed):
        await waiting
    assert (await world.stream.group_info("s", "g")).members == 0


@every_store
async def test_what_a_member_never_got_is_a_conflict_after_the_rest_is_done(world: World) -> None:
    await world.fill(3)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as first, world.stream.join("s", "g", "b") as second:
        mine, theirs = await first.receive(2), await second.receive()
        foreign = replace(mine[0], token="no token of ours")
        for odd in (theirs[0], foreign, replace(foreign, token="a.b.c"), replace(foreign, token="")):
            with pytest.raises(Conflict):
                await first.ack(odd, mine[1])
        with pytest.raises(TypeError):
            await first.ack("token")  # type: ignore[arg-type]
        assert (await world.stream.group_info("s", "g")).pending == 2
        await first.ack(mine[1])
        await second.ack(*theirs)
        await first.nack(mine[1], mine[0])
        assert numbers(await second.receive(5)) == numbers(mine[:1])


@every_store
async def test_trimmed_records_block_nothing(world: World) -> None:
    offsets = await world.fill(6)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        held = await member.receive(3)
        await member.nack(held[0])
        await world.stream.trim("s", offsets[4])
        assert (await world.stream.group_info("s", "g")).position == offsets[4]
        await member.ack(held[1])
        await member.nack(held[2])
        assert numbers(await member.receive(9)) == offsets[4:]
    assert (await world.stream.group_info("s", "g")).pending == 2


@every_store
async def test_a_receive_that_began_before_its_member_was_left_takes_nothing_after(world: World) -> None:
    """Left after each number of steps that the receive takes."""
    await world.stream.create_group("s", "g")
    (offset,) = await world.fill(1)
    for steps in range(12):
        async with world.stream.join("s", "g", "a") as member:
            receiving = asyncio.create_task(member.receive())
            for _ in range(steps):
                await asyncio.sleep(0)
        with contextlib.suppress(Closed):
            assert numbers(await receiving) == [offset]
        info = await world.stream.group_info("s", "g")
        assert info.members == 0
        assert info.pending <= 1
    async with world.stream.join("s", "g", "b") as heir:
        assert numbers(await heir.receive()) == [offset]


@every_store
async def test_a_group_that_was_cleaned_away_is_gone_for_its_members(world: World) -> None:
    await world.fill(2)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        held = await member.receive()
        await world.clean()
        with pytest.raises(GroupNotFound):
            await member.receive()
        with pytest.raises(Conflict):
            await member.ack(*held)
        assert await world.stream.latest_offset("s") is None

        (offset,) = await world.fill(1)
        await world.stream.create_group("s", "g")
        with pytest.raises(Conflict):
            await member.nack(*held)
        assert numbers(await member.receive(5)) == [offset]
        assert (await world.stream.group_info("s", "g")).members == 1
    assert (await world.stream.group_info("s", "g")).members == 0


# Death, played by closing the driver or by going elsewhere


@over("memory", "sqlite")
async def test_the_members_of_a_closed_driver_are_dead(world: World) -> None:
    other = await world.another()
    offsets = await world.fill(2)
    await world.stream.create_group("s", "g")
    member: Member = await world.stack.enter_async_context(other.join("s", "g", "a"))
    held = await member.receive(2)
    await member.ack(held[0])
    died_s = world.clock.now_s()
    await other.close()
    await other.close()
    for call in (member.receive(), member.ack(held[1]), other.append("s", b""), other.latest_offset("s")):
        with pytest.raises(Closed):
            await call
    async with world.stream.join("s", "g", "b") as heir:
        assert [(d.record.offset, d.delivery_count) for d in await heir.receive(5, 1000)] == [(offsets[1], 2)]
    timeout_s = type(world.stream).traits.member_timeout_s or 0.0
    assert world.clock.now_s() - died_s <= timeout_s
    assert (await world.stream.group_info("s", "g")).members == 0


async def stop(driver: Stream) -> None:
    """Let a driver elsewhere give no signs of life, as a process that was stopped."""
    assert not isinstance(driver, MemoryStream)
    if driver._company._beating is not None:
        driver._company._beating.cancel()
        await asyncio.sleep(0)


async def stale(world: World, member: Member) -> list[RecordDelivery]:
    """Let a member elsewhere stop for longer than the horizon, and its records go to one here; return what it held."""
    held = await member.receive(2)
    async with world.stream.join("s", "g", "here") as heir:
        taken = await heir.receive(9, 100)
        assert numbers(taken) == numbers(held)
        assert [delivery.delivery_count for delivery in taken] == [2, 2]
        await heir.ack(taken[0])
        await heir.nack(taken[1])
    return held


@over("sqlite", "valkey")
async def test_a_revoked_member_is_told_and_joins_again(world: World) -> None:
    elsewhere = await world.another(elsewhere=True)
    await world.fill(2)
    await world.stream.create_group("s", "g")
    async with elsewhere.join("s", "g", "c") as member:
        await stop(elsewhere)
        held = await stale(world, member)
        for refused in (member.ack(*held), member.nack(held[1], delay_s=5)):
            with pytest.raises(Conflict):
                await refused
        assert await world.stream.group_info("s", "g") == replace(await world.stream.group_info("s", "g"), members=0, pending=1)
        again = await member.receive(5)
        assert [(d.record.offset, d.delivery_count) for d in again] == [(held[1].record.offset, 3)]
        with pytest.raises(Conflict):
            await member.ack(held[0], *again)
        assert await world.stream.group_info("s", "g") == replace(await world.stream.group_info("s", "g"), members=1, pending=0)
