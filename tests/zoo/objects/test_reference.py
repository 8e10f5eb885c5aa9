"""The zoo of object storages is what it says: a reference that is right, enough mutants of enough kinds, drivers that open."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock, RealClock, VirtualClock
from prism_testkit.interfaces import BucketNotFound, Conflict, InvalidName, ObjectNotFound, PayloadTooLarge
from prism_testkit.promises import all_promises
from prism_testkit.registry import Registry
from prism_testkit.schedules import VirtualLoop

from .catalogue import MUTANTS, UNUSUAL, WITHOUT_MUTANTS, prism_register_backends
from .reference import FileObjects, Objects, backend
from .stores import FileStore, Store
from .sweeping import Sweeping

NAMESPACE = "prism00000000000" + "00000001"
Walk = Callable[[Any, Place], Awaitable[None]]


def run(tested: Backend[Store], walk: Walk, directory: Path) -> None:
    """Open the backend's driver in a fresh place, walk, and close it, on the loop and the clock that it asks for."""
    clock: Clock = RealClock() if tested.clock_kind == "real" else VirtualClock()
    place = Place(directory=directory, shared={}, clock=clock)
    factory = (lambda: VirtualLoop(clock)) if isinstance(clock, VirtualClock) else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_walk(tested, walk, place))


async def _walk(tested: Backend[Store], walk: Walk, place: Place) -> None:
    async with tested.connect(place) as client:
        driver: Any = tested.drivers[0](client, NAMESPACE)
        if hasattr(driver, "open"):
            await driver.open()
        await walk(driver, place)
        if hasattr(driver, "close"):
            await driver.close()
        assert tested.clean is not None
        await tested.clean(client, NAMESPACE)


async def _source(*chunks: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def _objects(store: Objects, place: Place) -> None:
    with pytest.raises(BucketNotFound):
        await store.put("b", "k", b"")
    assert await store.create_bucket("b")
    assert not await store.create_bucket("b")
    put = await store.put("b", "k", b"old", content_type="text/plain", user_metadata={"Name": " value "})
    assert put == await store.metadata("b", "k")
    assert (put.size, put.content_type, put.user_metadata) == (3, "text/plain", {"Name": " value "})
    assert not await store.put_if_absent("b", "k", b"other")
    assert await store.put_if_absent("b", "k/2", b"")
    assert await store.get("b", "k/2") == b""
    assert [(info.key, info.size) async for info in store.list_objects("b", "k")] == [("k", 3), ("k/2", 0)]
    with pytest.raises(Conflict):
        await store.delete_bucket("b")
    assert await store.delete("b", "k/2")
    assert not await store.delete("b", "k/2")
    with pytest.raises(ObjectNotFound):
        await anext(store.get_stream("b", "k/2"))
    with pytest.raises(InvalidName):
        await store.get("b", "x" * 513)
    with pytest.raises(PayloadTooLarge):
        await store.put("b", "k", b"", user_metadata={"n": "v" * 1024})


async def _streams(store: Objects, place: Place) -> None:
    for chunks, size in (((b"a", b"b"), 3), ((b"a", b"b"), 1)):
        with pytest.raises(ValueError, match="size="):
            await store.put_stream("b", "k", _source(*chunks), size=size)
    with pytest.raises(ZeroDivisionError):
        await store.put_stream("b", "k", _source(b"part", error=ZeroDivisionError()))
    assert await store.get("b", "k") == b"old"
    data = bytes(range(256)) * 1000
    await store.put_stream("b", "k", _source(data[:1], b"", data[1:]), size=len(data))
    assert await store.get("b", "k") == data
    reading = store.get_stream("b", "k")
    first = await anext(reading)
    await store.put("b", "k", b"new")
    assert first + b"".join([piece async for piece in reading]) == data


async def _deadlines(store: Objects, place: Place) -> None:
    assert not await store.set_ttl("b", "missing", 1)
    assert await store.set_ttl("b", "k", 0.3)
    await place.clock.sleep(0.299)
    told = await store.metadata("b", "k")
    assert told is not None
    assert told.expires_at_ms == pytest.approx(place.clock.now_ms() + 1, abs=1)
    await place.clock.sleep(0.002)
    assert not await store.exists("b", "k")
    assert [info async for info in store.list_objects("b")] == []
    assert await store.put_if_absent("b", "k", b"again")
    assert await store.set_ttl("b", "k", 5)
    await store.put("b", "k", b"fresh")
    await place.clock.sleep(30)
    assert await store.get("b", "k") == b"fresh"
    assert await store.set_ttl("b", "k", 0)
    assert await store.delete_bucket("b")
    assert not await store.bucket_exists("b")


async def _everything(store: Any, place: Place) -> None:
    await _objects(store, place)
    await _streams(store, place)
    await _deadlines(store, place)


@pytest.mark.parametrize("driver", [Objects, FileObjects, Sweeping])
def test_the_reference_passes_a_walk_through_both_interfaces(driver: type[Objects], tmp_path: Path) -> None:
    run(backend("reference", driver), _everything, tmp_path)
    if driver is not Objects:
        assert list((tmp_path / "blobs").iterdir()) == []


async def _left_behind(store: Any, place: Place) -> None:
    """What another process finds that opens the directory of one that was killed."""
    await store.create_bucket("b")
    await store.create_bucket("gone")
    await store.put("b", "a", b"old")
    await store.put("b", "a", b"new", content_encoding="x", user_metadata={"n": "v"})
    await store.put("b", "deleted", b"")
    await store.delete("b", "deleted")
    await store.put("b", "short", b"")
    await store.set_ttl("b", "short", 5)
    await store.delete_bucket("gone")
    await place.clock.sleep(20)
    with (place.directory / "zoo.log").open("ab") as torn:
        torn.write(b"\x40\0\0\0torn")
    other = FileObjects(FileStore(Place(directory=place.directory, shared={}, clock=place.clock)), NAMESPACE)
    assert [info.key async for info in other.list_objects("b")] == ["a"]
    assert await other.get("b", "a") == b"new"
    assert await other.metadata("b", "a") == await store.metadata("b", "a")
    assert not await other.bucket_exists("gone")
    await other.put("b", "after", b"the torn record")
    assert await store.get("b", "after") == b"the torn record"


def test_the_log_of_the_reference_holds_what_was_acknowledged(tmp_path: Path) -> None:
    run(backend("reference", FileObjects), _left_behind, tmp_path)


async def _put_and_get(store: Any, place: Place) -> None:
    await store.create_bucket("bucket")
    await store.put("bucket", "plain", b"value")
    assert await store.get("bucket", "plain") == b"value"


@pytest.mark.parametrize("tested", [mutant.backends[0] for mutant in MUTANTS] + list(UNUSUAL), ids=lambda tested: str(tested.name))
def test_each_opens_and_keeps_a_plain_object(tested: Backend[Store], tmp_path: Path) -> None:
    run(tested, _put_and_get, tmp_path)


def test_every_backend_can_be_registered() -> None:
    registry = Registry(adding="the zoo")
    prism_register_backends(registry)
    assert len(registry.backends) == len(MUTANTS) + len(UNUSUAL)
    assert registry.warnings == []


def test_mutants_break_promises_that_exist() -> None:
    known = all_promises()
    assert {promise for mutant in MUTANTS for promise in (mutant.promise, *mutant.also)} <= known.keys()
    assert [mutant.name for mutant in MUTANTS if mutant.promise in mutant.also] == []


def test_every_promise_is_broken_in_three_ways() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
    promises = {promise for promise in all_promises() if promise.startswith("object_storage")} - WITHOUT_MUTANTS.keys()
    assert {promise: kinds[promise] for promise in promises if len(kinds[promise]) < 3} == {}


def test_what_needs_a_kill_claims_to_survive_it() -> None:
    assert [m.name for m in MUTANTS if "kill" in m.trap and m.backends[0].traits.durability != "process"] == []
