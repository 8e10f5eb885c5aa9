"""What object storage in SQLite adds to the promises: versions written unseen, read by number, and removed piece by piece."""

import asyncio

import pytest
from embedded_stores import raw_sqlite
from object_world import HERE, Gate, World, data_rows, listed, over, source

from prism_backends.objects import CHUNK_BYTES
from prism_backends.sqlite import objectrows
from prism_backends.sqlite.objectdrafts import BLOCK_BYTES
from prism_backends.sqlite.objectrows import ROW_BYTES
from prism_testkit.interfaces.errors import Conflict, ObjectNotFound
from prism_testkit.strategies import patterned

both_ways = over("sqlite", "sqlite-threads")
SIZES = (0, 1, ROW_BYTES - 1, ROW_BYTES, ROW_BYTES + 1, CHUNK_BYTES, CHUNK_BYTES + 1, BLOCK_BYTES, BLOCK_BYTES + 1)


@both_ways
async def test_every_size_around_a_row_a_chunk_and_a_block_is_whole(world: World) -> None:
    for size in SIZES:
        data = patterned(size)
        await world.objects.put(world.bucket, "put", data)
        await world.objects.put_stream(world.bucket, "streamed", source(data[:5], data[5:]))
        assert data_rows(world) == 2 * -(-size // ROW_BYTES)
        for key in ("put", "streamed"):
            assert await world.objects.get(world.bucket, key) == data
            assert await listed(world.objects.get_stream(world.bucket, key)) == data


@both_ways
async def test_who_streams_what_is_replaced_or_removed_is_told(world: World) -> None:
    data = patterned(2 * CHUNK_BYTES + 1)

    async def read_on(parts: object) -> None:
        async for _ in parts:  # type: ignore[attr-defined]
            pass

    for happens, error in (
        (lambda: world.objects.put(world.bucket, "key", data), Conflict),
        (lambda: world.objects.delete(world.bucket, "key"), ObjectNotFound),
    ):
        await world.objects.put(world.bucket, "key", data)
        parts = world.objects.get_stream(world.bucket, "key")
        assert await anext(parts) == data[:CHUNK_BYTES]
        await happens()
        with pytest.raises(error, match="get_stream 'bucket' 'key'"):
            await read_on(parts)


@both_ways
async def test_a_long_object_is_unseen_until_all_of_it_is_there(world: World) -> None:
    gate = Gate([patterned(2 * BLOCK_BYTES)])
    task = asyncio.ensure_future(world.objects.put_stream(world.bucket, "key", gate))
    await gate.reached.wait()
    assert data_rows(world) == 2 * BLOCK_BYTES // ROW_BYTES
    assert await world.keys() == []
    assert not await world.objects.exists(world.bucket, "key")
    assert await world.objects.put_if_absent(world.bucket, "key", b"other")
    gate.opened.set()
    await task
    assert await world.objects.get(world.bucket, "key") == patterned(2 * BLOCK_BYTES)


@both_ways
async def test_of_long_objects_put_at_once_if_there_is_none_one_is_there(world: World) -> None:
    clients = [world.objects, await world.another(), await world.another()]
    data = [bytes([place]) * (BLOCK_BYTES + 1) for place in range(len(clients))]
    won = await asyncio.gather(*(client.put_if_absent(world.bucket, "key", data[place]) for place, client in enumerate(clients)))
    assert sum(won) == 1
    assert await world.objects.get(world.bucket, "key") == data[won.index(True)]
    assert not await world.objects.put_if_absent(world.bucket, "key", data[0])
    assert world.rest() == []
    assert data_rows(world) == BLOCK_BYTES // ROW_BYTES + 1


@both_ways
async def test_what_nobody_can_see_is_removed_a_few_rows_at_a_time(world: World) -> None:
    steps = 0
    purge = objectrows.purge

    def counted(*arguments: object) -> bool:
        nonlocal steps
        steps += 1
        before = data_rows(world)
        more = purge(*arguments)  # type: ignore[arg-type]
        (after,) = arguments[0].execute("SELECT count(*) FROM object_data").fetchone()  # type: ignore[attr-defined]
        assert after >= before - 2
        return more

    with pytest.MonkeyPatch.context() as patch:
        for happens in (
            lambda: world.objects.put(world.bucket, "key", b"new"),
            lambda: world.objects.delete(world.bucket, "key"),
            lambda: world.objects.set_ttl(world.bucket, "key", 0),
            lambda: world.objects.delete_bucket(world.bucket, force=True),
        ):
            await world.objects.put(world.bucket, "key", patterned(9 * ROW_BYTES))
            patch.setattr(objectrows, "_PURGE_BYTES", 2 * ROW_BYTES)
            patch.setattr(objectrows, "purge", counted)
            steps = 0
            await happens()
            assert steps >= 5
            patch.undo()
            assert world.rest() == []


@both_ways
async def test_what_has_expired_is_removed_by_a_later_write_on_another_key(world: World) -> None:
    for number in range(20):
        await world.objects.put(world.bucket, f"{number}", b"x")
        await world.objects.set_ttl(world.bucket, f"{number}", 5 if number < 15 else 6)
    world.wait(5.5)
    assert data_rows(world) == 20
    await world.objects.put(world.bucket, "key", b"x")
    assert data_rows(world) == 6
    assert world.rest() == []


@both_ways
async def test_numbers_of_versions_are_never_given_twice(world: World) -> None:
    first = await world.objects.put(world.bucket, "key", b"data")
    await world.objects.delete(world.bucket, "key")
    await world.clean()
    with raw_sqlite(world.place.directory) as connection:
        for table in ("objects", "object_data", "object_buckets"):
            assert connection.execute(f"SELECT count(*) FROM {table} WHERE namespace = ?", [HERE.encode()]).fetchone() == (0,)
    await world.objects.create_bucket(world.bucket)
    assert (await world.objects.put(world.bucket, "key", b"other")).etag != first.etag
