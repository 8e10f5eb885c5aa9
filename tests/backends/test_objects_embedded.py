"""Object storage in memory, files and SQLite: what the suites do not see of cancelling, cleaning, closing and leftovers."""

import asyncio
from pathlib import Path

import pytest
from object_world import Gate, World, every_store, listed, over, play, source, writing_process

from prism_testkit.interfaces.errors import BucketNotFound, Closed
from prism_testkit.interfaces.object_storage import ObjectMetadata
from prism_testkit.registry import Registry
from prism_testkit.traits import NO_LIMIT

LONG = b"0123456789abcdef" * (300 << 10)
"""Over one block of every driver."""
DURABLE = ("filesystem", "sqlite")
on_disk = over("filesystem", "filesystem-threads", "sqlite", "sqlite-threads")


@every_store
async def test_both_interfaces_are_claimed_and_no_limit_of_size(world: World) -> None:
    registry = Registry()
    registry.add(world.backend)
    assert registry.warnings == []
    offers = {name: offer for name, offer in registry.offers[world.store].items() if name.startswith("object_storage")}
    assert set(offers) == {"object_storage", "object_storage_conditional"}
    assert {offer.limits.max_payload for offer in offers.values()} == {NO_LIMIT}
    durability = {"memory": "none", "sqlite": "process"}.get(world.store, "power")
    assert {offer.traits.durability for offer in offers.values()} == {durability}


@every_store
async def test_a_stream_that_is_cancelled_at_any_turn_leaves_the_old_object_or_the_new_one(world: World) -> None:
    old = await world.objects.put(world.bucket, "key", b"old")
    for turns in range(40):
        new = b"%d" % turns + LONG
        task = asyncio.ensure_future(world.objects.put_stream(world.bucket, "key", source(b"", new[:9], new[9:])))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        now = await world.objects.metadata(world.bucket, "key")
        assert now is not None
        if isinstance(outcome, ObjectMetadata):
            assert now == outcome
        assert await world.objects.get(world.bucket, "key") in ((b"old",) if now == old else (new,))
        await world.settled()
        assert world.rest() == []
        old = await world.objects.put(world.bucket, "key", b"old")


@every_store
async def test_a_put_that_is_cancelled_never_overtakes_the_next_one(world: World) -> None:
    for size in (1, len(LONG)):
        for turns in range(6):
            task = asyncio.ensure_future(world.objects.put(world.bucket, "key", b"x" * size))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await world.objects.put(world.bucket, "key", b"next")
            await asyncio.gather(task, return_exceptions=True)
            await world.settled()
            assert await world.objects.get(world.bucket, "key") == b"next"


@on_disk
async def test_a_stream_that_fails_leaves_nothing_behind(world: World) -> None:
    for failing in (source(LONG, error=OSError("the source")), source(LONG, 5)):  # type: ignore[arg-type]
        with pytest.raises((OSError, TypeError)):
            await world.objects.put_stream(world.bucket, "key", failing)
    with pytest.raises(ValueError, match="ended after"):
        await world.objects.put_stream(world.bucket, "key", source(LONG), size=len(LONG) + 1)
    with pytest.raises(ValueError, match="more than"):
        await world.objects.put_stream(world.bucket, "key", source(LONG), size=len(LONG) - 1)
    await world.settled()
    assert world.rest() == []
    assert await world.keys() == []


@every_store
async def test_a_stream_into_what_is_cleaned_meanwhile_finds_no_bucket(world: World) -> None:
    gate = Gate([LONG], [LONG])
    task = asyncio.ensure_future(world.objects.put_stream(world.bucket, "key", gate))
    await gate.reached.wait()
    await world.objects.put(world.bucket, "other", b"x")
    await world.clean()
    gate.opened.set()
    with pytest.raises(BucketNotFound):
        await task
    await world.settled()
    assert world.rest() == []
    assert await world.objects.create_bucket(world.bucket)
    assert await world.keys() == []


@every_store
async def test_a_stream_goes_to_the_bucket_that_is_there_at_its_end(world: World) -> None:
    gate = Gate([LONG], [b"end"])
    task = asyncio.ensure_future(world.objects.put_stream(world.bucket, "key", gate))
    await gate.reached.wait()
    assert await world.objects.delete_bucket(world.bucket)
    assert await world.objects.create_bucket(world.bucket)
    gate.opened.set()
    await task
    assert await world.objects.get(world.bucket, "key") == LONG + b"end"


@on_disk
async def test_a_draft_of_somebody_who_lives_is_left_alone(world: World) -> None:
    gate = Gate([LONG], [b"end"])
    task = asyncio.ensure_future(world.objects.put_stream(world.bucket, "key", gate))
    await gate.reached.wait()
    other = await world.another()
    await other.create_bucket("another")
    await other.put_stream(world.bucket, "other", source(LONG))
    gate.opened.set()
    await task
    assert await other.get(world.bucket, "key") == LONG + b"end"


@pytest.mark.parametrize("store", DURABLE)
def test_what_a_killed_writer_left_is_swept_and_what_was_there_stays(store: str, tmp_path: Path) -> None:
    async def before(world: World) -> None:
        await world.objects.put(world.bucket, "key", b"old", user_metadata={"of": "old"})
        with writing_process(store, tmp_path):
            assert world.rest()
            assert await world.keys() == ["key"]
            await (await world.another()).create_bucket("sweeps nothing")
            assert world.rest()

    async def after(world: World) -> None:
        assert world.rest() == []
        assert await world.objects.get(world.bucket, "key") == b"old"
        found = await world.objects.metadata(world.bucket, "key")
        assert found is not None
        assert found.user_metadata == {"of": "old"}

    play(store, tmp_path, before)
    play(store, tmp_path, after)


@on_disk
async def test_what_is_open_when_the_client_closes_says_so(world: World) -> None:
    async with world.backend.connect(world.place) as connection:
        objects = world.driver(connection)
        await objects.put(world.bucket, "key", LONG)
        parts = objects.get_stream(world.bucket, "key")
        first = await anext(parts)
        assert LONG.startswith(first)
        gate = Gate([LONG], [LONG])
        task = asyncio.ensure_future(objects.put_stream(world.bucket, "new", gate))
        await gate.reached.wait()
    with pytest.raises(Closed):
        await anext(parts)
    gate.opened.set()
    with pytest.raises(Closed):
        await task
    assert await world.keys() == ["key"]
    await (await world.another()).create_bucket("sweeps")
    assert world.rest() == []


@every_store
async def test_what_has_expired_is_removed_by_who_meets_it_and_what_was_put_since_is_not(world: World) -> None:
    for key in ("read", "listed", "put again"):
        await world.objects.put(world.bucket, key, LONG)
        await world.objects.set_ttl(world.bucket, key, 1)
    await world.objects.put(world.bucket, "put again", b"new")
    world.wait(1.001)
    assert await world.objects.get(world.bucket, "read") is None
    assert await world.keys() == ["put again"]
    await world.objects.put(world.bucket, "any write", b"")
    assert world.rest() == []
    world.wait(1e9)
    assert await listed(world.objects.get_stream(world.bucket, "put again")) == b"new"
    assert await world.keys() == ["any write", "put again"]
