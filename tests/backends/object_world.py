"""A small world for tests of object storage drivers: one place, a clock that is moved by hand, and any number of clients."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from embedded_stores import raw_sqlite

import prism_testkit as prism
from prism_backends.filesystem import FilesystemObjectStorage, filesystem
from prism_backends.memory import MemoryObjectStorage, memory
from prism_backends.sqlite import SqliteObjectStorage, sqlite
from prism_testkit.schedules import VirtualLoop

__all__ = [
    "HERE",
    "Gate",
    "Objects",
    "World",
    "data_rows",
    "every_store",
    "files",
    "listed",
    "over",
    "play",
    "source",
    "writing_process",
]

HERE = "prism00000001000aaaaaaaa"
Objects = MemoryObjectStorage | FilesystemObjectStorage | SqliteObjectStorage

BACKENDS: dict[str, tuple[prism.Backend[Any], type[Objects]]] = {
    "memory": (memory, MemoryObjectStorage),
    "filesystem": (filesystem, FilesystemObjectStorage),
    "sqlite": (sqlite, SqliteObjectStorage),
}


@dataclass
class World:
    """What a test holds: ``objects`` is the first driver, ``bucket`` a bucket of it."""

    store: str
    place: prism.Place
    clock: prism.VirtualClock
    stack: contextlib.AsyncExitStack
    connection: Any = None
    objects: Objects = None  # type: ignore[assignment]
    bucket: str = "bucket"

    @property
    def backend(self) -> prism.Backend[Any]:
        return BACKENDS[self.store][0]

    async def another(self) -> Objects:
        return self.driver(await self.stack.enter_async_context(self.backend.connect(self.place)))

    def driver(self, connection: Any) -> Objects:
        kind = BACKENDS[self.store][1]
        assert kind in self.backend.drivers
        return kind(connection, HERE)

    async def clean(self) -> None:
        assert self.backend.clean is not None
        await self.backend.clean(self.connection, HERE)

    def wait(self, seconds: float) -> None:
        self.clock.jump(round(seconds * 1e9))

    async def keys(self) -> list[str]:
        return sorted([info.key async for info in self.objects.list_objects(self.bucket)])

    async def settled(self) -> None:
        """Return when what was called before has run, on whatever thread."""
        await self.objects.bucket_exists(self.bucket)

    def rest(self) -> list[Any]:
        """Return what is stored and nobody can see."""
        if self.store == "filesystem":
            root = self.place.directory / "objects"
            return [*files(root / "drafts"), *files(root / "trash")]
        if self.store == "sqlite":
            with raw_sqlite(self.place.directory) as connection:
                unseen = connection.execute("SELECT * FROM objects WHERE owner IS NOT NULL").fetchall()
                return (
                    unseen
                    + connection.execute(
                        "SELECT version FROM object_data WHERE version NOT IN (SELECT version FROM objects)"
                    ).fetchall()
                )
        return []


def play(store: str, directory: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    """Run a scenario over a fresh place, or over what is in the directory already; ``-threads`` is on a real loop."""
    name, _, kind = store.partition("-")
    clock = prism.VirtualClock()

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = World(name, prism.Place(directory=directory, shared={}, clock=clock), clock, stack)
            world.connection = await stack.enter_async_context(world.backend.connect(world.place))
            world.objects = world.driver(world.connection)
            await world.objects.create_bucket(world.bucket)
            await scenario(world)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    make_loop = asyncio.new_event_loop if kind else lambda: VirtualLoop(clock)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())


def over(*stores: str) -> Callable[[Callable[[World], Awaitable[None]]], Callable[..., None]]:
    """Make a plain test of a scenario, run over each of these stores."""

    def decorate(scenario: Callable[[World], Awaitable[None]]) -> Callable[..., None]:
        def test(store: str, tmp_path: Path) -> None:
            play(store, tmp_path, scenario)

        # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
        test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
        test.__module__ = scenario.__module__
        return pytest.mark.parametrize("store", stores)(test)

    return decorate


every_store = over("memory", "filesystem", "filesystem-threads", "sqlite", "sqlite-threads")


class Gate:
    """A source of chunks that stops after the first ones until it is opened."""

    def __init__(self, before: Iterable[bytes], after: Iterable[bytes] = ()) -> None:
        self._before, self._after = before, after
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._before:
            yield chunk
        self.reached.set()
        await self.opened.wait()
        for chunk in self._after:
            yield chunk


async def source(*chunks: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk
    if error is not None:
        raise error


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def data_rows(world: World) -> int:
    with raw_sqlite(world.place.directory) as connection:
        (count,) = connection.execute("SELECT count(*) FROM object_data").fetchone()
        return int(count)


async def listed(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


_WRITER = f"""
import asyncio, pathlib, sys
import prism_testkit as prism
import prism_backends.{{store}} as package

async def chunks():
    for _ in range(3):
        yield b"n" * 6_000_000
    print("written", flush=True)
    await asyncio.Event().wait()

async def main():
    backend = package.{{store}}
    place = prism.Place(directory=pathlib.Path(sys.argv[1]), shared={{{{}}}}, clock=prism.VirtualClock())
    async with backend.connect(place) as client:
        (driver,) = (each for each in backend.drivers if each.__name__.endswith("ObjectStorage"))
        await driver(client, {HERE!r}).put_stream("bucket", "key", chunks())

asyncio.run(main())
"""


@contextlib.contextmanager
def writing_process(store: str, directory: Path) -> Iterator[None]:
    """Have another process in the middle of a put_stream; on leaving it is killed."""
    argv = [sys.executable, "-c", _WRITER.format(store=store), str(directory)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            yield
        finally:
            process.kill()
