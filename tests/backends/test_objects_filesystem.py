"""What object storage in files adds to the promises: names, the one file of a version, and locks."""

import asyncio
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from object_world import World, files, over, play, source

from prism_backends.filesystem import FilesystemClient, drafts
from prism_backends.filesystem.buckets import Bucket
from prism_backends.filesystem.names import beginning_of, file_name
from prism_backends.filesystem.versions import read_version
from prism_backends.objects import CHUNK_BYTES, Target
from prism_testkit.interfaces.errors import CorruptPayload
from prism_testkit.strategies import name_groups

here = over("filesystem")
both_ways = over("filesystem", "filesystem-threads")


def test_every_name_has_a_file_of_its_own_in_lower_case_and_short_enough() -> None:
    names = {name for group in name_groups(512) for name in group}
    found = {file_name(name.encode()) for name in names}
    assert len(found) == len(names)
    assert set("".join(found)) <= set("0123456789abcdefghijklmnopqrstuv-")
    assert max(map(len, found)) <= 255


def test_a_file_is_never_passed_over_for_a_prefix_that_its_name_has() -> None:
    randomness = random.Random(7)
    for length in (*range(1, 140), 512):
        name = randomness.randbytes(length)
        for cut in range(length + 1):
            assert file_name(name).startswith(beginning_of(name[:cut]))
    assert not file_name(b"abc").startswith(beginning_of(b"z"))
    assert not file_name(b"abc").startswith(beginning_of(b"abz"))


@here
async def test_long_keys_with_a_common_beginning_are_told_apart_and_listed(world: World) -> None:
    keys = ["k" * 511 + end for end in "abc"] + ["k" * 200 + "é", "k" * 124, "k" * 125, "k" * 126]
    for key in keys:
        await world.objects.put(world.bucket, key, key.encode())
    assert await world.keys() == sorted(keys)
    assert [info.key async for info in world.objects.list_objects(world.bucket, "k" * 511 + "b")] == [keys[1]]
    assert await world.objects.get(world.bucket, keys[2]) == keys[2].encode()


def only_file(world: World) -> Path:
    (path,) = files(world.place.directory / "objects" / "spaces")
    return path


@here
async def test_data_and_metadata_are_one_file_that_a_put_replaces(world: World) -> None:
    await world.objects.put(world.bucket, "key", b"the old data", content_type="text/old")
    old = only_file(world)
    with old.open("rb") as file:
        await world.objects.put(world.bucket, "key", b"the new data", content_type="text/new")
        assert only_file(world) == old
        assert b"the old data" in (text := file.read())
        assert b"text/old" in text
    assert b"the new data" in old.read_bytes()


@both_ways
async def test_who_streams_a_version_goes_on_whatever_becomes_of_it(world: World) -> None:
    data = random.Random(1).randbytes(3 * CHUNK_BYTES + 1)

    async def overwrite() -> None:
        await world.objects.put(world.bucket, "key", b"new")

    async def remove_the_bucket() -> None:
        await world.objects.delete_bucket(world.bucket, force=True)

    async def expire() -> None:
        await world.objects.set_ttl(world.bucket, "key", 0)

    for happens in (overwrite, expire, lambda: world.objects.delete(world.bucket, "key"), remove_the_bucket, world.clean):
        await world.objects.create_bucket(world.bucket)
        await world.objects.put(world.bucket, "key", data)
        parts = world.objects.get_stream(world.bucket, "key")
        first = await anext(parts)
        await happens()
        rest = [part async for part in parts]
        assert b"".join([first, *rest]) == data
        assert max(map(len, rest)) <= CHUNK_BYTES


@both_ways
async def test_nothing_is_moved_in_pieces_of_more_than_a_chunk(world: World) -> None:
    sizes: list[int] = []
    write = drafts.Draft.write

    def noted(self: Any, data: bytes) -> None:
        sizes.append(len(data))
        write(self, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts.Draft, "write", noted)
        await world.objects.put_stream(world.bucket, "key", source(bytes(5 * CHUNK_BYTES), *[b"x"] * 1000))
    assert sizes == [CHUNK_BYTES] * 5 + [1000]
    assert [len(part) async for part in world.objects.get_stream(world.bucket, "key")] == sizes


def cut(data: bytes) -> bytes:
    return data[:-1]


def grown(data: bytes) -> bytes:
    return data + b"x"


def emptied(data: bytes) -> bytes:
    return b""


def another_kind(data: bytes) -> bytes:
    return b"PNG" + data[3:]


def torn_deadline(data: bytes) -> bytes:
    return data[:8] + struct.pack("<d", 1.5) + data[16:]


def unreadable_metadata(data: bytes) -> bytes:
    return data[:40] + b"}" + data[41:]


@pytest.mark.parametrize("damage", [cut, grown, emptied, another_kind, torn_deadline, unreadable_metadata])
def test_a_damaged_file_is_told_and_not_read(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.objects.put(world.bucket, "key", b"data")
        path = only_file(world)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(CorruptPayload, match="filesystem: get 'bucket' 'key'"):
            await world.objects.get(world.bucket, "key")
        with pytest.raises(CorruptPayload):
            await world.objects.metadata(world.bucket, "key")
        await world.objects.put(world.bucket, "key", b"new")
        assert await world.objects.get(world.bucket, "key") == b"new"

    play("filesystem", tmp_path, scenario)


@here
async def test_a_deadline_that_is_read_while_it_is_written_is_read_again(world: World) -> None:
    await world.objects.put(world.bucket, "key", b"data")
    await world.objects.set_ttl(world.bucket, "key", 5)
    path, pread, tries = only_file(world), os.pread, iter([True, True, False])

    def torn(descriptor: int, length: int, at: int) -> bytes:
        data = pread(descriptor, length, at)
        return bytes(8) + data[8:] if at and next(tries) else data

    with path.open("rb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", torn)
        version = read_version(file.fileno(), "here")
    assert version.deadline_s == pytest.approx(world.clock.now_s() + 5)
    assert next(tries, None) is None


def bucket_of(world: World, key: str) -> Bucket:
    client = world.connection
    assert isinstance(client, FilesystemClient)
    return Bucket(client.space("prism00000001000aaaaaaaa"), Target("filesystem", "get", world.bucket, key), world.clock.now_s)


@here
async def test_who_removes_what_has_expired_looks_again_behind_the_lock(world: World) -> None:
    await world.objects.put(world.bucket, "key", b"old")
    await world.objects.set_ttl(world.bucket, "key", 1)
    world.wait(2)
    client = world.connection
    lock = Bucket._lock
    met = 0

    def put_first(self: Bucket, how: int) -> int:
        nonlocal met
        met += 1
        if met == 1:
            fresh = drafts.Draft(client.drafts, "key", Target("filesystem", "put", world.bucket, "key").describe(None, None, None))
            fresh.open()
            fresh.write(b"new")
            fresh.seal(world.clock.now_ms())
            bucket_of(world, "key").put(fresh)
            fresh.close()
        return lock(self, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "_lock", put_first)
        assert await world.objects.get(world.bucket, "key") is None
    assert met == 2
    assert await world.objects.get(world.bucket, "key") == b"new"
    world.wait(1e9)
    assert await world.keys() == ["key"]


@here
async def test_a_lock_on_a_bucket_that_was_made_again_is_taken_again(world: World) -> None:
    flock, calls = drafts.fcntl.flock, 0
    path = bucket_of(world, "key").path

    def removed_first(descriptor: int, how: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            path.rename(path.with_name("elsewhere"))
            path.mkdir()
        flock(descriptor, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts.fcntl, "flock", removed_first)
        assert await world.keys() == []
    assert calls == 2


@over("filesystem-threads")
async def test_of_many_that_create_on_threads_of_their_own_one_wins(world: World) -> None:
    clients = [world.objects, *[await world.another() for _ in range(5)]]
    for number in range(10):
        key = f"key {number}"
        await world.objects.put(world.bucket, key, b"expired")
        await world.objects.set_ttl(world.bucket, key, 0.5 if number % 2 else 0)
        world.wait(1)
        won = await asyncio.gather(
            *(client.put_if_absent(world.bucket, key, b"%d" % place) for place, client in enumerate(clients))
        )
        assert sum(won) == 1
        assert await world.objects.get(world.bucket, key) == b"%d" % won.index(True)
    assert world.rest() == []


@over("filesystem-threads")
async def test_who_changes_or_lists_a_bucket_waits_for_its_lock_and_who_reads_does_not(world: World) -> None:
    loop, flock = asyncio.get_running_loop(), drafts.fcntl.flock
    others = await world.another()
    waiting = asyncio.Event()

    def told(descriptor: int, how: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112
            loop.call_soon_threadsafe(waiting.set)
        flock(descriptor, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts.fcntl, "flock", told)
        for change in (
            world.keys,
            lambda: world.objects.put(world.bucket, "key", b"new"),
            lambda: world.objects.put_stream(world.bucket, "key", source(b"new")),
            lambda: world.objects.put_if_absent(world.bucket, "missing", b"new"),
            lambda: world.objects.set_ttl(world.bucket, "key", 0),
            lambda: world.objects.delete(world.bucket, "key"),
            lambda: world.objects.delete_bucket(world.bucket, force=True),
        ):
            await world.objects.create_bucket(world.bucket)
            await world.objects.put(world.bucket, "key", b"old")
            await world.objects.delete(world.bucket, "missing")
            waiting.clear()
            lock = os.open(bucket_of(world, "key").path, os.O_RDONLY)
            flock(lock, drafts.fcntl.LOCK_EX)
            task = asyncio.ensure_future(change())
            await asyncio.wait({task, asyncio.ensure_future(waiting.wait())}, return_when=asyncio.FIRST_COMPLETED)
            assert not task.done()
            assert await others.get(world.bucket, "key") == b"old"
            assert not await others.exists(world.bucket, "missing")
            os.close(lock)
            await task
