"""Clients over files that are killed without a process that dies."""

import asyncio
import cProfile
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import VirtualClock
from prism_testkit.faults import Incarnation
from prism_testkit.histories import History
from prism_testkit.mortal import Mortal
from prism_testkit.schedules import VirtualLoop


@asynccontextmanager
async def connect(place: Place) -> AsyncIterator[Place]:
    yield place


def of_files(root: Path, clock: VirtualClock) -> Mortal:
    """Return one whose clients are their places, each a folder of ``root``."""
    numbers = count()

    def new_place() -> Place:
        directory = root / str(next(numbers))
        directory.mkdir()
        return Place(directory=directory, shared={}, clock=clock)

    async def reopen(connection: Any, number: int, namespace: str, life: Incarnation) -> tuple[Any, Any]:
        return connection, connection

    async def closer(driver: Place) -> None:
        return None

    return Mortal(Backend(name="files", connect=connect, drivers=()), new_place, lambda: "n", reopen, closer, History(clock))


def test_a_kill_leaves_what_is_in_the_files_and_nothing_else(tmp_path: Path) -> None:
    clock, numbers = VirtualClock(), count()
    closed: list[Place] = []
    ended: list[int] = []

    def new_place() -> Place:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        return Place(directory=directory, shared={}, clock=clock)

    async def reopen(connection: Any, number: int, namespace: str, life: Incarnation) -> tuple[Any, Any]:
        entered = AsyncExitStack()
        entered.callback(ended.append, number)
        life.entered.append(entered)
        return (number, namespace), connection

    async def closer(driver: Place) -> None:
        closed.append(driver)

    async def walk() -> None:
        history = History(clock)
        mortal = Mortal(Backend(name="files", connect=connect, drivers=()), new_place, lambda: "n", reopen, closer, history)
        assert await mortal.client(1, "n") == (1, "n")
        first = await mortal.client(0, "n", told=False)
        first.shared["in memory"] = True
        (first.directory / "below").mkdir()
        with (first.directory / "below" / "file").open("wb") as file:
            file.write(b"handed over")
            file.flush()
            file.write(b", kept back")
            await mortal.kill()
        second = await mortal.client(0, "n", told=False)
        assert second.shared == {}
        assert (second.directory / "below" / "file").read_bytes() == b"handed over"
        assert closed == [first, first]
        assert ended == [0, 1], "what the dead had entered is left for them, and not in the story"
        assert [entry.op for entry in history.entries] == ["kill"]
        await mortal.close()

    asyncio.run(walk())
    assert list(tmp_path.glob("*/*")) == []


def test_behind_each_write_of_a_call_stands_what_it_left(tmp_path: Path) -> None:
    async def walk() -> list[dict[str, bytes]]:
        mortal = of_files(tmp_path, VirtualClock())
        place = await mortal.client(0, "n")
        (place.directory / "file").write_bytes(b"old")

        async def call() -> None:
            (place.directory / "file").read_bytes()
            with (place.directory / "file").open("wb") as file:
                file.write(b"kept back")
                await asyncio.sleep(0)
                file.flush()
                file.write(b"")
                os.write(file.fileno(), b", behind")
            (place.directory / "file").rename(place.directory / "other")
            os.utime(place.directory / "other")
            with (place.directory / "other").open("ab") as file:
                file.write(b", by with")

        found = []
        for moment in await mortal.moments(call()):
            await mortal.kill_at(moment, "in the middle")
            left = (await mortal.client(0, "n")).directory
            found.append({path.name: path.read_bytes() for path in left.iterdir()})
            (left / "file").write_bytes(b"whoever comes later changes no other moment")
        await mortal.close()
        return found

    assert asyncio.run(walk()) == [
        {"file": b"old"},
        {"file": b""},
        {"file": b"kept back"},
        {"file": b"kept back, behind"},
        {"other": b"kept back, behind"},
        {"other": b"kept back, behind, by with"},
    ]
    assert list(tmp_path.glob("*/*")) == []


def test_a_profiler_in_c_goes_on_behind_a_watched_call(tmp_path: Path) -> None:
    """So does one that is a function; `cProfile`'s is not."""
    clock, numbers = VirtualClock(), count()

    def new_place() -> Place:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        return Place(directory=directory, shared={}, clock=clock)

    async def closer(driver: Place) -> None:
        return None

    async def reopen(connection: Any, number: int, namespace: str, life: Incarnation) -> tuple[Any, Any]:
        return connection, connection

    async def walk() -> None:
        mortal = Mortal(Backend(name="files", connect=connect, drivers=()), new_place, lambda: "n", reopen, closer, History(clock))
        place = await mortal.client(0, "n")
        await mortal.moments(asyncio.to_thread((place.directory / "file").touch))
        await mortal.close()
        "counted".upper()

    profiler = cProfile.Profile()
    profiler.runcall(asyncio.run, walk())
    assert any("upper" in str(entry.code) for entry in profiler.getstats())


def test_what_libraries_hand_to_an_executor_is_seen_as_well(tmp_path: Path) -> None:
    """A function of C's, a partial of one, as aiofiles hands over, and one through ``asyncio.to_thread``."""

    clock = VirtualClock()

    async def walk() -> list[dict[str, bytes]]:
        mortal = of_files(tmp_path, clock)
        place = await mortal.client(0, "n")
        loop, path = asyncio.get_running_loop(), place.directory / "file"
        with path.open("wb", buffering=0) as file:

            async def call() -> None:
                await loop.run_in_executor(None, file.write, b"a")
                await loop.run_in_executor(None, partial(partial(os.write, file.fileno()), b"b"))
                await loop.run_in_executor(None, partial(os.replace, src=path, dst=path.with_name("other")))
                await asyncio.to_thread(file.write, b"c")

            found = []
            for moment in await mortal.moments(call()):
                await mortal.kill_at(moment, "in the middle")
                left = (await mortal.client(0, "n")).directory
                found.append({path.name: path.read_bytes() for path in left.iterdir()})
        await mortal.close()
        return found

    loop = VirtualLoop(clock)
    try:
        found = loop.run_until_complete(walk())
    finally:
        loop.close()
    assert found == [{"file": b""}, {"file": b"a"}, {"file": b"ab"}, {"other": b"ab"}, {"other": b"abc"}]
