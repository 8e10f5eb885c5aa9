"""Object storage over S3, on a real MinIO: what is left there, what a kill may leave, and what only the server can be asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from awaiting import LONG_S, expect, until
from minio_store import World, connected, missing, name, over_minio, serving

from prism_backends import living
from prism_backends.minio.backend import MinioObjectStorage, minio
from prism_backends.objects import Target
from prism_backends.s3 import store as stores
from prism_backends.s3.buckets import Buckets
from prism_backends.s3.cells import Cells
from prism_backends.s3.uploads import PART_BYTES
from prism_testkit.interfaces.errors import AccessDenied, BucketNotFound, ConfigError, Conflict, ObjectNotFound

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

LONG = bytes(range(256)) * 4096 * 11
"""11 MiB: more than two parts, and than two reads of a stream."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


# What is left


@over_minio
async def test_who_meets_an_expired_object_frees_what_it_took(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    for key in ("get", "list"):
        await objects.put("b", key, bytes(1000))
        await objects.set_ttl("b", key, 0.01)
    over_s = world.client.clock.now_s() + 0.02
    await until(lambda: world.client.clock.now_s() > over_s)
    assert sorted(world.kept().values()) == [1016, 1016]
    assert await objects.get("b", "get") is None
    assert sorted(world.kept().values()) == [0, 1016]
    assert [info async for info in objects.list_objects("b")] == []
    assert sorted(world.kept().values()) == [0, 0]
    assert await objects.put_if_absent("b", "get", b"again") is True
    assert await objects.put_if_absent("b", "get", b"no") is False
    assert await objects.get("b", "get") == b"again"
    assert await objects.delete_bucket("b", force=True)
    assert world.kept() == {}


@over_minio
async def test_a_stream_that_fails_or_is_cancelled_leaves_no_part(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    waits = asyncio.Event()

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(PART_BYTES + 1)
        raise ZeroDivisionError

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(PART_BYTES + 1)
        waits.set()
        await asyncio.Event().wait()

    await expect(ZeroDivisionError, objects.put_stream("b", "k", failing()))
    call = asyncio.create_task(objects.put_stream("b", "k", endless()))
    await waits.wait()
    assert len(_uploads(world)) == 1
    call.cancel()
    await asyncio.wait([call])
    assert _uploads(world) == []
    assert world.kept() == {}


def _uploads(world: World) -> list[str]:
    store = world.store()
    target = Target("test", "test", "b", "k")
    key = store.key(target, store.buckets.generation(target))  # MinIO lists those of one key alone
    root = world.client.wire.xml("GET", world.bucket, query={"uploads": "", "prefix": key})
    return [element.text or "" for element in root.iter("UploadId")]


@over_minio
async def test_clean_removes_a_namespace_and_at_the_end_the_bucket_too(world: World) -> None:
    objects, other = await world.driver(), MinioObjectStorage(world.client, name())
    for driver in (objects, other):
        await driver.create_bucket("b")
        await driver.put("b", "k", b"x")
    strange = f"{world.namespace}x/key"
    world.cells.put(strange, b"x", {})
    assert minio.clean is not None
    await minio.clean(world.client, world.namespace)
    assert not await objects.bucket_exists("b")
    assert await other.get("b", "k") == b"x"
    await minio.clean(world.client, world.namespace[:16])
    assert not await other.bucket_exists("b")
    assert [line.key for line in world.cells.page("", "")[0]] == [strange]
    world.cells.delete(strange)
    await minio.clean(world.client, "prism0s3")
    assert await expect_no_bucket(world)
    for prefix in ("", "A", "a" * 25, "a*"):
        with pytest.raises(ValueError, match="clean: expected 1 to 24 digits of base 36"):
            await minio.clean(world.client, prefix)


async def expect_no_bucket(world: World) -> bool:
    root = world.client.wire.xml("GET", "")
    return world.bucket not in [element.text for element in root.iter("Name")]


@over_minio
async def test_a_bucket_that_the_address_names_is_used_and_stays(world: World) -> None:
    world.client.wire.request("PUT", "mine")
    async with connected(f"{world.url}/mine?region=us-east-1") as client:
        objects = MinioObjectStorage(client, world.namespace)
        await objects.create_bucket("b")
        await objects.put("b", "k", b"x")
        assert await objects.get("b", "k") == b"x"
        assert len(Cells(client.wire, "mine").page("", "")[0]) == 2
        assert minio.clean is not None
        await minio.clean(client, world.namespace)
        assert Cells(client.wire, "mine").page("", "")[0] == []
    world.client.wire.request("DELETE", "mine")


# Buckets


@over_minio
async def test_who_puts_opens_a_bucket_that_was_closing(world: World) -> None:
    """As one is whose remover was killed; and as one is between two steps of its remover, who then finds the object."""
    objects = await world.driver()
    await objects.create_bucket("b")
    buckets, target = world.store().buckets, Target("test", "test", "b")
    state = buckets._look(target)
    assert buckets._write(target, state, "closing") is not None
    assert await objects.bucket_exists("b")
    assert await objects.get("b", "k") is None
    await objects.put("b", "k", b"x")
    state = buckets._look(target)
    assert state is not None
    assert state.kind == "open"
    assert buckets._write(target, state, "closing") is not None
    assert await objects.delete("b", "k")
    assert await objects.delete_bucket("b")
    assert not await objects.bucket_exists("b")


@over_minio
async def test_an_object_that_comes_while_somebody_looks_keeps_its_bucket(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    store, target = world.store(), Target("test", "test", "b", "k")
    looks: list[str] = []

    def is_empty(generation: str) -> bool:
        looks.append(generation)
        if len(looks) == 1:
            store.put(target, b"x", target.describe(None, None, None))
            return True  # it had looked before
        return not world.kept()

    with pytest.raises(Conflict):
        store.buckets.remove(Target("test", "test", "b"), False, is_empty)
    assert len(looks) == 2
    assert await objects.get("b", "k") == b"x"


@over_minio
async def test_what_is_put_into_a_bucket_that_went_leaves_nothing(world: World) -> None:
    objects, other = await world.driver(), await world.driver()
    await objects.create_bucket("b")
    await objects.put("b", "k", b"x")  # now it knows the generation
    assert await other.delete_bucket("b", force=True)
    for call in (objects.put("b", "k", b"y"), objects.put_if_absent("b", "l", b"y")):
        await expect(BucketNotFound, call)
    assert world.kept() == {}
    await other.create_bucket("b")
    await objects.put("b", "k", b"z")
    assert await other.get("b", "k") == b"z"
    assert len(world.kept()) == 1
    for look in (_listed, _read, _streamed):
        assert await other.delete_bucket("b", force=True)
        assert await other.create_bucket("b")
        assert await look(objects) == []  # though it knows only the one before


async def _listed(objects: MinioObjectStorage) -> list[object]:
    return [info async for info in objects.list_objects("b")]


async def _read(objects: MinioObjectStorage) -> list[object]:
    return [data for data in [await objects.get("b", "k")] if data is not None]


async def _streamed(objects: MinioObjectStorage) -> list[object]:
    await objects.put_stream("b", "k", _chunks())
    return [] if await objects.get("b", "k") == LONG else [None]


def test_a_server_that_ignores_conditions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, bytes] = {}

    class Ignorant(Cells):
        def __init__(self) -> None:
            pass

        def put(self, key: str, body: bytes, headers: object) -> str:
            written[key] = body
            return '"1"'

        def get(self, key: str, headers: object = None) -> tuple[bytes, dict[str, str]] | None:
            return (written[key], {"etag": '"1"'}) if key in written else None

    buckets, target = Buckets(Ignorant(), "p/"), Target("test", "test", "b")
    assert buckets.create(target)
    with pytest.raises(ConfigError, match="the server ignores If-None-Match on PUT"):
        buckets.check_conditions(target)


# Objects


@over_minio
async def test_a_long_object_gets_a_deadline_where_it_is(world: World) -> None:
    """The server copies it; who reads it meanwhile reads on, for it is the same version."""
    objects = await world.driver()
    await objects.create_bucket("b")
    known = await objects.put_stream("b", "k", _chunks(), content_type="t" * 3000, user_metadata={"a": "1"})
    stream = objects.get_stream("b", "k")
    parts = [await anext(stream)]
    assert await objects.set_ttl("b", "k", 1e6)
    parts += [part async for part in stream]
    assert b"".join(parts) == LONG
    got = await objects.metadata("b", "k")
    assert got is not None
    assert got.expires_at_ms is not None
    assert replace(got, expires_at_ms=None) == known
    assert await objects.get("b", "k") == LONG


async def _chunks() -> AsyncIterator[bytes]:
    for start in range(0, len(LONG), 1 << 20):
        yield LONG[start : start + (1 << 20)]


@over_minio
async def test_a_stream_whose_object_is_replaced_or_goes_says_so(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    for change, error in ((objects.put, Conflict), (objects.delete, ObjectNotFound)):
        await objects.put("b", "k", LONG)
        stream = objects.get_stream("b", "k")
        await anext(stream)
        await (change("b", "k", LONG) if change == objects.put else change("b", "k"))  # type: ignore[operator]
        await expect(error, anext(stream))


@over_minio
async def test_what_is_put_at_once_may_come_in_parts(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "_AT_ONCE_BYTES", PART_BYTES)
        for size in (PART_BYTES + 1, 2 * PART_BYTES, len(LONG)):
            await objects.put("b", "k", LONG[:size])
            assert await objects.get("b", "k") == LONG[:size]
        assert not await objects.put_if_absent("b", "k", LONG)
        assert await objects.put_if_absent("b", "l", LONG)
        assert await objects.get("b", "l") == LONG


@over_minio
async def test_a_description_too_long_for_a_header_is_told_all_the_same(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    said = {"content_type": "é" * 2000, "content_encoding": None, "user_metadata": {f"{n:03}": "\x00" for n in range(250)}}
    known = await objects.put("b", "k", b"data", **said)  # type: ignore[arg-type]
    assert known.content_type == said["content_type"]
    assert await objects.metadata("b", "k") == known
    assert await objects.set_ttl("b", "k", 1e6)
    got = await objects.metadata("b", "k")
    assert got is not None
    assert replace(got, expires_at_ms=None) == known
    assert await objects.get("b", "k") == b"data"
    assert [info.size async for info in objects.list_objects("b")] == [4]


@over_minio
async def test_a_server_that_lists_no_metadata_is_asked_for_each(world: World) -> None:
    objects = await world.driver()
    await objects.create_bucket("b")
    for number in range(20):
        await objects.put("b", f"k{number}", bytes(number))
    await objects.set_ttl("b", "k3", 0.001)
    over_s = world.client.clock.now_s() + 0.01
    await until(lambda: world.client.clock.now_s() > over_s)
    listed = Cells.page

    def page(self: Cells, prefix: str, after: str) -> object:
        lines, more = listed(self, prefix, after)
        return [replace(line, version=None) for line in lines], more

    expected = {info.key: info for info in [info async for info in objects.list_objects("b")]}
    assert len(expected) == 19
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cells, "page", page)
        assert {info.key: info for info in [info async for info in objects.list_objects("b")]} == expected


@over_minio
async def test_a_password_is_refused_and_not_told(world: World) -> None:
    async with connected(world.url.replace("prism-password", "wrong-secret")) as client:
        objects = MinioObjectStorage(client, world.namespace)
        error = await expect(AccessDenied, objects.create_bucket("b"))
        assert (await objects.health()).status == "unhealthy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(living, "HEALTH_S", LONG_S)
        assert (await (await world.driver()).health()).status == "healthy"
    assert "minio: create_bucket 'b'" in str(error)
    assert "wrong-secret" not in f"{error} {error.__cause__!r}"
