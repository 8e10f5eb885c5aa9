"""What all drivers have in common, where the suites cannot see it: nested calls, stubborn ones, stores that do not answer."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from awaiting import LONG_S

import prism_testkit as prism
from prism_backends import inhand, living
from prism_backends.filesystem import filesystem
from prism_backends.living import within
from prism_backends.memory import MemoryKeyValue, MemoryObjectStorage, MemoryQueue, memory
from prism_backends.memory.client import MemoryClient
from prism_backends.redis import redis
from prism_backends.redis.client import opened
from prism_backends.sqlite import SqliteKeyValue, sqlite
from prism_backends.valkey import ValkeyQueue, valkey
from prism_testkit.interfaces import BESIDE, INTERFACES, Closed, Drained, Health
from prism_testkit.signatures import claimed, methods_of

HERE = "prism00000001000aaaaaaaa"


def memory_client() -> MemoryClient:
    return MemoryClient({}, prism.RealClock())


def place(directory: Path) -> prism.Place:
    return prism.Place(directory=directory, shared={}, clock=prism.RealClock())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(0)


@pytest.fixture
def patient_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store that answers have all the time it needs for it."""
    monkeypatch.setattr(living, "HEALTH_S", LONG_S)


@pytest.mark.parametrize("backend", [memory, sqlite, filesystem, redis, valkey], ids=lambda backend: backend.name)
def test_every_driver_claims_it_and_every_call_is_counted(backend: prism.Backend[Any]) -> None:
    for driver in backend.drivers:
        assert isinstance(driver, type)
        assert "lifecycle" in claimed(driver)
        assert driver._whose == backend.name  # type: ignore[attr-defined]
        names = {name for each in claimed(driver) if each not in BESIDE for name in methods_of(INTERFACES[each])}
        assert not [name for name in names if not hasattr(getattr(driver, name), "__prism_counted__")]


def test_a_class_from_elsewhere_goes_by_the_name_of_its_base() -> None:
    class Mine(MemoryKeyValue):
        async def get(self, key: str) -> bytes | None:
            return await super().get(key)

    async def scenario() -> None:
        mine = Mine(memory_client(), HERE)
        await mine.set("k", b"v")
        assert await mine.get("k") == b"v"
        await mine.close()
        with pytest.raises(Closed, match="memory: get: the driver is closed"):
            await mine.get("k")

    asyncio.run(scenario())


def test_a_call_within_a_call_is_a_part_of_it() -> None:
    async def scenario() -> None:
        store = MemoryObjectStorage(memory_client(), HERE)
        await store.create_bucket("b")
        await store.put("b", "old", b"data")
        going = asyncio.Event()

        async def source() -> AsyncIterator[bytes]:
            await going.wait()
            async for chunk in store.get_stream("b", "old"):
                yield chunk

        copying = asyncio.create_task(store.put_stream("b", "new", source()))
        await asyncio.sleep(0)
        draining = asyncio.create_task(store.drain(60))
        await until(lambda: store._calls.state == inhand.DRAINING)
        going.set()
        assert (await copying).size == 4
        assert await draining == Drained(1, 0)

    asyncio.run(scenario())


def test_an_aborted_call_leaves_its_task_as_it_was() -> None:
    async def scenario() -> None:
        queue = MemoryQueue(memory_client(), HERE)

        async def caller() -> str:
            async with asyncio.timeout(60):
                with pytest.raises(Closed, match="whether it took effect is unknown"):
                    await queue.dequeue("q", 1000)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0)
            return "it goes on"

        calling = asyncio.create_task(caller())
        await asyncio.sleep(0)
        assert await queue.drain(0) == Drained(0, 1)
        assert await calling == "it goes on"

    asyncio.run(scenario())


def test_who_cancels_a_call_that_is_aborted_is_obeyed() -> None:
    async def scenario() -> None:
        queue = MemoryQueue(memory_client(), HERE)
        calling = asyncio.create_task(queue.dequeue("q", 1000))
        await asyncio.sleep(0)
        closing = asyncio.create_task(queue.close())
        await until(lambda: calling.cancelling())
        calling.cancel()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await calling

    asyncio.run(scenario())


def test_a_call_that_ends_all_the_same_counts_as_completed() -> None:
    async def scenario() -> None:
        store = MemoryObjectStorage(memory_client(), HERE)
        await store.create_bucket("b")

        async def stubborn() -> AsyncIterator[bytes]:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            yield b"all the same"

        async def caller() -> int:
            await store.put_stream("b", "k", stubborn())
            task = asyncio.current_task()
            assert task is not None
            return task.cancelling()

        calling = asyncio.create_task(caller())
        await asyncio.sleep(0)
        assert await store.drain(0.001) == Drained(1, 0)
        assert await calling == 0

    asyncio.run(scenario())


def test_what_cannot_be_cancelled_holds_up_no_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "PATIENCE_S", 0.01)

    async def scenario() -> None:
        store = MemoryObjectStorage(memory_client(), HERE)
        await store.create_bucket("b")
        going = asyncio.Event()

        async def deaf() -> AsyncIterator[bytes]:
            while not going.is_set():
                with suppress(asyncio.CancelledError):
                    await going.wait()
            yield b""

        calling = asyncio.create_task(store.put_stream("b", "k", deaf()))
        await asyncio.sleep(0)
        assert await store.drain(0) == Drained(0, 1)
        await store.close()
        assert not calling.done()
        going.set()
        await calling

    asyncio.run(scenario())


def test_a_cancelled_close_is_a_close() -> None:
    async def scenario() -> None:
        ends: list[str] = []

        class Slow(MemoryQueue):
            async def _end(self) -> None:
                for _ in range(5):
                    await asyncio.sleep(0)
                ends.append("ended")

        queue = Slow(memory_client(), HERE)
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await queue.close()
        assert ends == ["ended"]

    asyncio.run(scenario())


def test_what_ending_raises_is_told_once() -> None:
    async def scenario() -> None:
        class Broken(MemoryQueue):
            async def _end(self) -> None:
                raise OSError("it does not end")

        queue = Broken(memory_client(), HERE)
        with pytest.raises(OSError, match="it does not end"):
            await queue.close()
        await queue.close()

    asyncio.run(scenario())


def test_what_was_entered_is_the_drivers_own_within() -> None:
    async def scenario() -> None:
        store = MemoryKeyValue(memory_client(), HERE)
        async with store.transaction() as transaction:
            assert type(within(transaction)).__name__ == "_Transaction"
            assert within(within(transaction)) is within(transaction)

    asyncio.run(scenario())


@pytest.mark.usefixtures("patient_health")
def test_health_waits_for_no_thread(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with sqlite.connect(place(tmp_path)) as client:
            store = SqliteKeyValue(client, HERE)
            assert await store.health() == Health("healthy")
            let_go = threading.Event()

            def work(connection: sqlite3.Connection, now_s: float) -> None:
                let_go.wait(60)

            busy = asyncio.create_task(client.read("busy", work))
            await asyncio.sleep(0)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(living, "HEALTH_S", 0.05)
                assert await store.health() == Health("unhealthy", "no answer within 0.05 s")
            let_go.set()
            await busy
            assert await store.health() == Health("healthy")

    asyncio.run(scenario())


@pytest.mark.usefixtures("patient_health")
def test_health_says_that_the_directory_is_gone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filesystem.connect(place(tmp_path)) as client:
            store: Any = filesystem.drivers[0](client, HERE)
            assert await store.health() == Health("healthy")
            client.spaces.rename(tmp_path / "elsewhere")
            health = await store.health()
            assert health.status == "unhealthy"
            assert "filesystem: health: " in health.detail

    asyncio.run(scenario())


@pytest.mark.usefixtures("patient_health")
def test_health_does_not_wait_for_a_server_that_says_nothing() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(living, "HEALTH_S", 0.05)
            async with server, opened(f"redis://127.0.0.1:{port}/0") as client:
                assert await ValkeyQueue(client, HERE).health() == Health("unhealthy", "no answer within 0.05 s")
        async with opened("redis://127.0.0.1:1/0") as client:  # not the port of before, which somebody may have by now
            health = await ValkeyQueue(client, HERE).health()
            assert health.status == "unhealthy"
            assert health.detail.startswith("valkey: health: ")

    asyncio.run(scenario())
