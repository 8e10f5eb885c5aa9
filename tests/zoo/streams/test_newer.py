"""The reference of the newer interfaces does what the contract says, in a walk through the three of them."""

import asyncio
from pathlib import Path

import pytest

from prism_testkit.backend import Place
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import AlreadyExists, ConfigError, Conflict, GroupInfo, GroupNotFound, Retention
from prism_testkit.schedules import VirtualLoop

from .newer import FileNewerStreams, NewerStreams, SweepingStreams, backend

NAMESPACE = "prism00000000000" + "00000001"


async def _moves(streams: NewerStreams) -> None:
    with pytest.raises(GroupNotFound):
        await streams.seek("r", "g", 0)
    await streams.create_group("r", "g", "latest")
    stamps = []
    for number in range(6):
        stamps.append(streams.store.clock.now_ms())
        await streams.append("r", b"%d" % number)
        await streams.store.clock.sleep(1)
    async with streams.join("r", "g", "c") as member:
        await member.ack((await member.receive(3))[0])
        with pytest.raises(Conflict):
            await streams.seek("r", "g", 0)
    await streams.seek("r", "g", 1)
    assert await streams.group_info("r", "g") == GroupInfo(0, 0, 1)
    await streams.seek_to_time("r", "g", stamps[3] + 1)
    assert await streams.group_info("r", "g") == GroupInfo(0, 0, 4)
    await streams.seek("r", "g", 2**70)
    assert await streams.group_info("r", "g") == GroupInfo(0, 0, 6)
    assert [record.offset async for record in streams.replay("r", 2, 5)] == [2, 3, 4]


async def _bounds(streams: NewerStreams) -> None:
    assert await streams.retention("b") == Retention(None, None)
    for number in range(6):
        await streams.append("b", b"", f"k{number % 2}" if number else None)
    await streams.compact("b")
    assert [record.offset async for record in streams.read("b")] == [0, 4, 5]
    await streams.set_retention("b", 10.0, 2)
    await streams.enforce_retention("b")
    assert [record.offset async for record in streams.read("b")] == [4, 5]
    await streams.store.clock.sleep(10.001)
    await streams.enforce_retention("b")
    assert [record.offset async for record in streams.read("b")] == []
    assert await streams.latest_offset("b") == 5


async def _parts(streams: NewerStreams) -> None:
    await streams.create_partitioned("p", 3)
    await streams.create_partitioned("p", 3)
    for n in (1, 4):
        with pytest.raises(AlreadyExists):
            await streams.create_partitioned("p", n)
    with pytest.raises(ConfigError):
        await streams.latest_offset("p")
    await streams.create_group("p", "g")
    assert [await streams.append_to_partition("p", number % 3, b"%d" % number) for number in range(5)] == [0, 0, 0, 1, 1]
    async with streams.join("p", "g", "c") as member:
        found = await member.receive(10)
        assert [(one.record.partition, one.record.payload) for one in found] == [
            (0, b"0"),
            (0, b"3"),
            (1, b"1"),
            (1, b"4"),
            (2, b"2"),
        ]
        await member.ack(*found[:3])
        assert await streams.group_info("p", "g") == GroupInfo(1, 2, 0)
    assert [record.payload async for record in streams.read_partition("p", 1)] == [b"1", b"4"]


async def _walk(driver: type[NewerStreams], place: Place) -> None:
    async with backend("walk", driver).connect(place) as store:
        streams = driver(store, NAMESPACE)
        await _moves(streams)
        await _bounds(streams)
        await _parts(streams)


@pytest.mark.parametrize("driver", [NewerStreams, SweepingStreams, FileNewerStreams])
def test_the_reference_walks_through_the_newer_interfaces(driver: type[NewerStreams], tmp_path: Path) -> None:
    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(_walk(driver, Place(directory=tmp_path, shared={}, clock=clock)))
