"""What the memory store adds to the promises: where its data lives, and when it lets go of it."""

import asyncio
from pathlib import Path

from awaiting import expect
from embedded_stores import HERE, THERE, World, listed, play

import prism_testkit as prism
from prism_backends.memory import MemoryClient, MemoryKeyValue, memory
from prism_testkit.interfaces.errors import Conflict


def entries(world: World, namespace: str = HERE) -> int:
    client = world.connection
    assert isinstance(client, MemoryClient)
    return len(client.models["keyvalue"].get(namespace, ()))


def test_data_lives_in_the_place_and_nowhere_else(tmp_path: Path) -> None:
    clock = prism.VirtualClock()
    one, two = (prism.Place(directory=tmp_path, shared={}, clock=clock) for _ in range(2))

    async def write(place: prism.Place) -> None:
        async with memory.connect(place) as client:
            await MemoryKeyValue(client, HERE).set("key", b"v")

    async def read(place: prism.Place) -> bytes | None:
        async with memory.connect(place) as client:
            return await MemoryKeyValue(client, HERE).get("key")

    asyncio.run(write(one))
    assert asyncio.run(read(one)) == b"v"
    assert asyncio.run(read(two)) is None
    assert list(tmp_path.iterdir()) == []


def test_an_expired_entry_is_removed_by_who_meets_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for number in range(4):
            await world.kv.set_with_ttl(f"{number}", b"v", 1)
        world.wait(2)
        assert entries(world) == 4
        assert await world.kv.get("0") is None
        assert entries(world) == 3
        assert await listed(world.kv.scan()) == []
        assert entries(world) == 0

    play("memory", tmp_path, scenario)


def test_clean_lets_go_of_the_namespace_whole(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.driver(world.connection, THERE).set("key", b"v")
        await world.kv.set("key", b"v")
        await world.clean(HERE)
        assert list(world.connection.models["keyvalue"]) == [THERE]
        await world.clean(HERE[:13])
        assert list(world.connection.models["keyvalue"]) == []

    play("memory", tmp_path, scenario)


def test_a_value_that_went_and_came_back_is_a_change(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async def body() -> None:
            async with world.kv.transaction() as transaction:
                await transaction.get("key")
                await world.kv.set("key", b"other")
                await world.kv.set("key", b"v")

        await world.kv.set("key", b"v")
        await expect(Conflict, body())

    play("memory", tmp_path, scenario)


def test_every_call_is_one_step(tmp_path: Path) -> None:
    """No call gives way to another, which is what makes each of them atomic."""

    async def scenario(world: World) -> None:
        kv = world.kv
        steps = [
            kv.set("key", b"v"),
            kv.get("key"),
            kv.exists("key"),
            kv.compare_and_swap("key", b"v", b"w"),
            kv.expire("key", 5),
            kv.ttl("key"),
            kv.persist("key"),
            kv.count(),
            kv.batch_set({"a": b"", "b": b""}),
            kv.batch_get(["a", "b"]),
            kv.batch_delete(["a", "b"]),
            kv.set_with_ttl("key", b"v", 5),
            kv.compare_and_delete("key", b"v"),
            kv.delete("key"),
        ]
        for number, step in enumerate(steps):
            try:
                step.send(None)
            except StopIteration:
                continue
            raise AssertionError(f"step {number} waited")

    play("memory", tmp_path, scenario)
