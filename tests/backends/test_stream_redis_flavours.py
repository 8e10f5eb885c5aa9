"""Replay, retention and partitions of streams over a real Valkey: what the suites do not see."""

from collections.abc import Iterator

import pytest
from awaiting import changed
from redis_store import serving
from stream_world import World, listed, numbers, over, payloads, texts

from prism_backends.living import within
from prism_backends.redis import stream as stream_module
from prism_backends.redis import streammembers
from prism_testkit.interfaces import Conflict


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


@over("valkey")
async def test_a_compaction_of_several_pages(world: World) -> None:
    for at_once in (1, 2, 3, 500):
        name = f"pages of {at_once}"
        await world.stream.create_partitioned(name, 3)
        for partition in (0, 2):
            for payload in ("a1", "b1", "-1", "a2", "c1", "b2", "-2", "a3"):
                key = None if payload[0] == "-" else payload[0]
                await world.stream.append_to_partition(name, partition, payload.encode(), key)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream_module, "_RECORDS_AT_ONCE", at_once)
            await world.stream.compact(name)
            found = [texts(await listed(world.stream.read_partition(name, partition))) for partition in range(3)]
        kept = [b"-1", b"c1", b"b2", b"-2", b"a3"]
        assert found == [kept, [], kept]


@over("valkey")
async def test_what_was_compacted_away_is_no_more_pending(world: World) -> None:
    await world.stream.append("s", b"old", "k")
    await world.stream.append("s", b"held", "h")
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        held = await member.receive(2)
        await member.nack(held[0], delay_s=1000)
        for key in ("k", "h"):
            await world.stream.append("s", b"new", key)
        await world.stream.compact("s")
        assert (await world.stream.group_info("s", "g")).pending == 1
        await member.nack(held[1])
        assert (await world.stream.group_info("s", "g")).pending == 0
        assert payloads(await member.receive(5)) == [b"new", b"new"]


@over("valkey")
async def test_a_group_goes_from_partition_to_partition(world: World) -> None:
    await world.stream.create_partitioned("s", 3)
    for number in range(9):
        await world.stream.append_to_partition("s", number // 3, b"%d" % number)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        taken = [payloads(await member.receive())[0] for _ in range(9)]
    assert taken == [b"0", b"3", b"6", b"1", b"4", b"7", b"2", b"5", b"8"]


@over("valkey")
async def test_a_member_that_died_stands_in_the_way_of_a_seek_for_its_horizon_only(world: World) -> None:
    offsets = await world.fill(2)
    await world.stream.create_group("s", "g")
    elsewhere = await world.another(elsewhere=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streammembers, "HORIZON_S", 1000)
        patch.setattr(streammembers, "_BEAT_S", 1000)
        async with elsewhere.join("s", "g", "dead") as member:
            held = await member.receive()
            with pytest.raises(Conflict):
                await world.stream.seek("s", "g", offsets[1])
            patch.setattr(streammembers, "HORIZON_S", 0.5)
            own = within(member)
            assert isinstance(own, streammembers.RedisMember)
            await own._join()  # its last sign of life, which holds no longer than that

            async def moved() -> bool:
                try:
                    await world.stream.seek("s", "g", offsets[1])
                except Conflict:
                    return False
                return True

            await changed(moved)
            with pytest.raises(Conflict):
                await member.ack(*held)
            assert (await world.stream.group_info("s", "g")).pending == 0
            assert numbers(await member.receive(5)) == offsets[1:]


@over("valkey")
async def test_an_append_to_a_stream_with_bounds_removes_what_is_outside(world: World) -> None:
    """So what nobody reads does not fill the server."""
    at = world.stream._keys("append", "s")[1]  # type: ignore[union-attr]
    await world.connection.execute_command("XADD", at, "5-0", "p", "of the year 1970")
    await world.stream.set_retention("s", max_age_s=1e6)
    await world.connection.execute_command("XADD", at, "6-0", "p", "of the year 1970")
    await world.stream.append("s", b"")
    assert await world.connection.execute_command("XLEN", at) == 1
    await world.stream.set_retention("s", max_records=3)
    for _ in range(10):
        await world.stream.append("s", b"")
    assert await world.connection.execute_command("XLEN", at) == 3
