"""Streams in SQLite: what the suites of the family cannot see, or not so closely."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stream_world import World, numbers, over

from prism_backends.sqlite import streammembers
from prism_backends.sqlite.schema import TABLES


@over("sqlite")
async def test_one_that_stopped_and_lost_nothing_goes_on(world: World) -> None:
    elsewhere = await world.another(elsewhere=True)
    await world.fill(1)
    await world.stream.create_group("s", "g")
    async with elsewhere.join("s", "g", "c") as member:
        held = await member.receive()
        await asyncio.sleep(100)
        await member.ack(*held)
        await member.ack(*held)
        assert (await world.stream.group_info("s", "g")).pending == 0


@over("sqlite-real")
async def test_a_beat_moves_the_horizon_while_a_member_is_in(world: World) -> None:
    await world.stream.create_group("s", "g")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streammembers, "_BEAT_S", 0.01)
        async with world.stream.join("s", "g", "a"), world.stream.join("s", "g", "b"):
            seen = [_horizons(world.place.directory)]
            while len(seen) < 3:
                await asyncio.sleep(0.005)
                latest = _horizons(world.place.directory)
                if all(later > before for later, before in zip(latest, seen[-1], strict=True)):
                    seen.append(latest)
        assert _horizons(world.place.directory) == []


def _horizons(directory: Path) -> list[float]:
    with contextlib.closing(sqlite3.connect(directory / "prism.sqlite")) as connection:
        return [until_s for (until_s,) in connection.execute("SELECT until_s FROM stream_member ORDER BY member")]


@over("sqlite-threads")
async def test_a_receive_cancelled_while_the_file_is_busy_takes_nothing(world: World) -> None:
    """And one that is cancelled again and again; the cancelled one ends only when nothing is taken any more."""
    offsets = await world.fill(1)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as first, world.stream.join("s", "g", "b") as second:
        with contextlib.closing(sqlite3.connect(world.place.directory / "prism.sqlite", isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            loop, writing, write = asyncio.get_running_loop(), asyncio.Event(), world.connection._write

            def told(work: Any) -> Any:
                loop.call_soon_threadsafe(writing.set)
                return write(work)

            world.connection._write = told
            receiving = asyncio.create_task(first.receive())
            await writing.wait()
            for _ in range(3):
                receiving.cancel()
                for _ in range(5):  # it is told in the next one, and all that it waits for then is the file
                    await asyncio.sleep(0)
            assert not receiving.done()
            stranger.execute("COMMIT")
        with pytest.raises(asyncio.CancelledError):
            await receiving
        assert [(d.record.offset, d.delivery_count) for d in await second.receive()] == [(offsets[0], 1)]
        assert await first.receive() == []


@over("sqlite-threads")
async def test_a_member_left_by_a_cancellation_gives_back_what_it_holds(world: World) -> None:
    offsets = await world.fill(1)
    await world.stream.create_group("s", "g")
    inside = asyncio.Event()

    async def hold() -> None:
        async with world.stream.join("s", "g", "a") as member:
            await member.receive()
            inside.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await inside.wait()
    holding.cancel()
    await asyncio.sleep(0)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    async with world.stream.join("s", "g", "b") as heir:
        assert numbers(await heir.receive(1, 5)) == offsets


@over("sqlite")
async def test_clean_empties_every_table(world: World) -> None:
    await world.fill(2)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        await member.receive()
        await world.clean()
        with contextlib.closing(sqlite3.connect(world.place.directory / "prism.sqlite")) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            known = {name for name in tables if name.startswith("stream")}
            assert known <= set(TABLES)
            assert {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in known} == dict.fromkeys(
                known, (0,)
            )


@over("sqlite")
async def test_a_receive_is_bounded_in_bytes(world: World) -> None:
    for _ in range(12):
        await world.stream.append("s", bytes(1_000_000))
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        sizes = []
        while taken := await member.receive(100):
            sizes.append(len(taken))
        assert sizes == [8, 4]
