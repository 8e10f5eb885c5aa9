"""The reference of the zoo's streams does what the contract says, in a walk through both interfaces."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.backend import Place
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import AlreadyExists, Closed, Conflict, GroupInfo, GroupNotFound, InvalidName
from prism_testkit.schedules import VirtualLoop

from .reference import FileStreams, Streams, backend
from .stores import FileStore

NAMESPACE = "prism00000000000" + "00000001"


def _place(directory: Path) -> Place:
    return Place(directory=directory, shared={}, clock=VirtualClock())


def _run(driver: type[Streams], directory: Path) -> None:
    place = _place(directory)
    clock = place.clock
    assert isinstance(clock, VirtualClock)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(_walk(driver, place))


async def _walk(driver: type[Streams], place: Place) -> None:
    async with backend("walk", driver).connect(place) as store:
        streams = driver(store, NAMESPACE)
        await _basic(streams)
        await _groups(streams)


async def _basic(streams: Streams) -> None:
    assert await streams.latest_offset("s") is None
    assert await streams.trim("s", 10) == 0
    assert [await streams.append("s", b"%d" % number, "k" if number else None) for number in range(4)] == [0, 1, 2, 3]
    assert await streams.trim("s", 2) == 2
    assert await streams.trim("s", 1) == 2
    assert [(record.offset, record.key) async for record in streams.read("s")] == [(2, "k"), (3, "k")]
    assert [record.offset async for record in streams.read("s", 3, 5)] == [3]
    assert await streams.trim("s", 99) == 4
    assert await streams.latest_offset("s") == 3
    assert await streams.append("s", b"", headers={"A": "b"}) == 4
    with pytest.raises(InvalidName):
        await streams.append("s", b"", "")
    with pytest.raises(ValueError, match="negative"):
        await anext(streams.read("s", -1))


async def _groups(streams: Any) -> None:
    with pytest.raises(GroupNotFound):
        await streams.group_info("t", "g")
    await streams.create_group("t", "g")
    with pytest.raises(AlreadyExists):
        await streams.create_group("t", "g", "latest")
    async with streams.join("t", "g", "c") as one, streams.join("t", "g", "c") as two:
        waiting = asyncio.ensure_future(two.receive(5, 100.0))
        await asyncio.sleep(5)
        await streams.append("t", b"first")
        (first,) = await waiting
        await streams.append("t", b"second")
        (second,) = await one.receive(5)
        with pytest.raises(Conflict):
            await one.ack(first, second)
        assert await streams.group_info("t", "g") == GroupInfo(2, 1, 2)
        await two.nack(first, delay_s=7)
        assert await one.receive(1, 6.9) == []
        (again,) = await one.receive(1, 100.0)
        assert (again.record.payload, again.delivery_count) == (b"first", 2)
    with pytest.raises(Closed):
        await one.receive()
    assert await streams.group_info("t", "g") == GroupInfo(0, 1, 2)


@pytest.mark.parametrize("driver", [Streams, FileStreams])
def test_the_reference_walks_through_both_interfaces(driver: type[Streams], tmp_path: Path) -> None:
    _run(driver, tmp_path)


def test_the_log_holds_what_was_acknowledged_and_buries_the_dead(tmp_path: Path) -> None:
    _run(FileStreams, tmp_path)
    with (tmp_path / "zoo.log").open("ab") as torn:
        torn.write(b"\x40\0\0\0torn")
    space = FileStore(_place(tmp_path)).spaces[NAMESPACE]
    assert [record.offset for record in space.stream("s").records] == [4]
    assert space.stream("s").latest == 4
    group = space.stream("t").groups["g"]
    assert (group.position, group.members, {offset: held.count for offset, held in group.pending.items()}) == (2, {}, {0: 2})
