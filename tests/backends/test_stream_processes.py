"""Members in a process of their own, which is slow, stopped, continued and killed."""

import asyncio
import contextlib
import importlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from awaiting import LONG_S
from redis_store import serving
from stream_world import World, play, with_horizons

from prism_backends.living import within
from prism_backends.sqlite.streammembers import SqliteMember
from prism_testkit.interfaces import Member, RecordDelivery

CHILD = """
import asyncio, importlib, sys
from pathlib import Path
import prism_testkit as prism
from prism_testkit.interfaces import Conflict

package, backend, kind, url, directory, namespace, horizon, beat = sys.argv[1:]
members = importlib.import_module(f"prism_backends.{package}.streammembers")
members.HORIZON_S, members._BEAT_S = float(horizon), float(beat)
module = importlib.import_module(f"prism_backends.{backend}")
place = prism.Place(url=url, directory=Path(directory), shared={}, clock=prism.RealClock())

async def main():
    loop = asyncio.get_running_loop()
    async with getattr(module, backend).connect(place) as client:
        stream = getattr(module, kind)(client, namespace)
        async with stream.join("s", "g", "child") as member:
            held = []
            while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
                try:
                    if order == "ack":
                        await member.ack(*held)
                    else:
                        held = await member.receive(5, 60)
                    print(order, len(held), flush=True)
                except Conflict:
                    print("Conflict", flush=True)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


class Child:
    """A process that is a member, and does what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, order: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order}\n".encode())
        return (await self._process.stdout.readline()).decode().strip()

    def send(self, number: int) -> None:
        os.kill(self._process.pid, number)


@contextlib.asynccontextmanager
async def child(world: World, horizon_s: float) -> AsyncIterator[Child]:
    package = {"sqlite": "sqlite", "valkey": "redis"}[world.backend.name]
    place = [world.place.url, str(world.place.directory), world.namespace]
    arguments = [package, world.backend.name, type(world.stream).__name__, *place, str(horizon_s), str(0.3 * horizon_s)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Child(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def found(deliveries: list[RecordDelivery]) -> list[tuple[int, int]]:
    return [(delivery.record.offset, delivery.delivery_count) for delivery in deliveries]


async def beaten(world: World, other: Member) -> None:
    """Return just after a child gave a sign of life in a file: if it is stopped while it writes, nobody can."""
    member = within(other)
    if isinstance(member, SqliteMember):
        with contextlib.closing(sqlite3.connect(world.place.directory / "prism.sqlite")) as connection:

            def until_s() -> float:
                sql = "SELECT until_s FROM stream_member WHERE member <> ?"
                return float(connection.execute(sql, [member.name]).fetchone()[0])

            before = until_s()
            while until_s() == before:  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0.001)


@pytest.mark.parametrize("store", ["sqlite-real", "valkey"])
def test_a_slow_process_keeps_its_records_and_one_that_is_stopped_or_killed_loses_them(
    store: str, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(horizon_s: float) -> None:
        for package in ("sqlite", "redis"):
            members = importlib.import_module(f"prism_backends.{package}.streammembers")
            monkeypatch.setattr(members, "HORIZON_S", horizon_s)
            monkeypatch.setattr(members, "_BEAT_S", 0.3 * horizon_s)
        directory = tmp_path / f"{horizon_s}"
        directory.mkdir()
        play(store, directory, partial(_slow_stopped_and_killed, horizon_s), url if store == "valkey" else "")

    with_horizons(attempt, 1.0, 6.0, 25.0)


async def _slow_stopped_and_killed(horizon_s: float, world: World) -> None:
    first, second = await world.fill(2)
    await world.stream.create_group("s", "g")
    async with child(world, horizon_s) as process, world.stream.join("s", "g", "parent") as member:
        assert await process.do("receive") == "receive 2"
        assert await member.receive(5, 2 * horizon_s) == []
        assert (await world.stream.group_info("s", "g")).members == 2

        await beaten(world, member)
        process.send(signal.SIGSTOP)
        taken = await member.receive(5, LONG_S)
        assert found(taken) == [(first, 2), (second, 2)]
        assert (await world.stream.group_info("s", "g")).members == 1
        process.send(signal.SIGCONT)
        assert await process.do("ack") == "Conflict"
        assert (await world.stream.group_info("s", "g")).pending == 2
        await member.ack(taken[0])
        await member.nack(taken[1])
        assert await process.do("receive") == "receive 1"
        assert (await world.stream.group_info("s", "g")).members == 2

        process.send(signal.SIGKILL)
        assert found(await member.receive(5, LONG_S)) == [(second, 4)]
        assert (await world.stream.group_info("s", "g")).members == 1
