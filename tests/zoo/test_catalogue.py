"""The zoo is what it says: enough mutants of enough kinds, a reference that is right, backends that open."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock, RealClock, VirtualClock
from prism_testkit.interfaces import Closed, Conflict, InvalidName, NotFound, PayloadTooLarge
from prism_testkit.promises import all_promises
from prism_testkit.registry import Registry
from prism_testkit.schedules import VirtualLoop

from .catalogue import MUTANTS, UNUSUAL, WITHOUT_MUTANTS, Mutant, prism_register_backends
from .reference import FileKeyValue, KeyValue, backend
from .stores import Store

PROMISES = {name: text for name, text in all_promises().items() if name.startswith("keyvalue_")}
"""The other families have packages of their own, which count theirs."""
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


async def _set_and_get(kv: Any, place: Place) -> None:
    await kv.set("plain", b"value")
    assert await kv.get("plain") == b"value"


async def _basic_and_scan(kv: KeyValue) -> None:
    assert not await kv.delete("a")
    await kv.set("a", b"")
    await kv.set("ab", bytearray(b"1"))
    await kv.set("b%", memoryview(b"\xff\0"))
    assert await kv.get("a") == b""
    assert await kv.exists("a")
    assert [found async for found in kv.scan("a")] == [("a", b""), ("ab", b"1")]
    assert [key async for key in kv.scan_keys("", 2)] == ["a", "ab"]
    assert [found async for found in kv.scan("", 0)] == []
    assert await kv.count() == 3
    assert await kv.delete("b%")
    with pytest.raises(ValueError, match="negative"):
        await anext(kv.scan_keys("", -1))
    with pytest.raises(InvalidName):
        await kv.count("x" * 513)
    with pytest.raises(InvalidName):
        await kv.get("")
    with pytest.raises(PayloadTooLarge):
        await kv.set("a", bytes(1_000_001))
    assert await kv.get("a") == b""


async def _ttl(kv: KeyValue, clock: Clock) -> None:
    await kv.set_with_ttl("t", b"1", 0.3)
    await clock.sleep(0.2)
    left = await kv.ttl("t")
    assert left is not None
    assert 0.1 <= left <= 0.101
    await clock.sleep(0.0999)
    assert await kv.get("t") == b"1"
    await clock.sleep(0.0002)
    assert await kv.get("t") is None
    assert not await kv.persist("t")
    assert not await kv.expire("t", 5)
    with pytest.raises(NotFound):
        await kv.ttl("t")
    await kv.set("t", b"2")
    assert await kv.ttl("t") is None
    assert await kv.expire("t", 1e10)
    assert await kv.persist("t")
    assert not await kv.persist("t")
    assert await kv.expire("t", -1)
    assert not await kv.exists("t")
    with pytest.raises(ValueError, match="nan"):
        await kv.set_with_ttl("t", b"3", float("nan"))


async def _batch_and_cas(kv: KeyValue) -> None:
    await kv.batch_set({"x": b"1", "y": b""})
    assert await kv.batch_get(["y", "nothing", "x", "x"]) == {"x": b"1", "y": b""}
    assert not await kv.compare_and_swap("y", None, b"2")
    assert await kv.compare_and_swap("y", b"", b"2")
    assert await kv.compare_and_swap("z", None, b"3")
    assert not await kv.compare_and_delete("z", b"2")
    assert await kv.compare_and_delete("z", memoryview(b"3"))
    assert await kv.batch_delete(["x", "x", "y", "z"]) == 2
    with pytest.raises(InvalidName):
        await kv.batch_set({"x": b"1", "\ud800": b"2"})
    assert await kv.batch_get(["x"]) == {}


async def _transactions(kv: KeyValue) -> None:
    async with kv.transaction() as tx:
        await tx.set("p", b"1")
        await tx.set("q", b"2")
        assert await tx.get("p") == b"1"
        assert await tx.delete("q")
        assert await tx.get("q") is None
        assert await kv.get("p") is None
    assert await kv.get("p") == b"1"
    assert not await kv.exists("q")
    with pytest.raises(Closed):
        await tx.get("p")
    with pytest.raises(ZeroDivisionError):
        await _fails(kv)
    with pytest.raises(Conflict):
        await _conflicts(kv)
    assert await kv.batch_get(["p", "q"]) == {"p": b"3"}


async def _fails(kv: KeyValue) -> None:
    async with kv.transaction() as tx:
        await tx.set("p", b"2")
        raise ZeroDivisionError


async def _conflicts(kv: KeyValue) -> None:
    async with kv.transaction() as tx:
        assert await tx.get("p") == b"1"
        await kv.set("p", b"3")
        await tx.set("q", b"4")


async def _everything(kv: Any, place: Place) -> None:
    await _basic_and_scan(kv)
    await _ttl(kv, place.clock)
    await _batch_and_cas(kv)
    await _transactions(kv)


@pytest.mark.parametrize("driver", [KeyValue, FileKeyValue])
def test_the_reference_passes_a_walk_through_all_interfaces(driver: type[KeyValue], tmp_path: Path) -> None:
    run(backend("reference", driver), _everything, tmp_path)


async def _left_behind(kv: Any, place: Place) -> None:
    """What another process finds that opens the directory of one that was killed."""
    await kv.set("a", b"old")
    await kv.set("a", b"new")
    await kv.set("b", b"gone")
    await kv.delete("b")
    await kv.set_with_ttl("c", b"short", 5)
    await kv.set_with_ttl("d", b"long", 50)
    await place.clock.sleep(20)
    log = place.directory / "zoo.log"
    with log.open("ab") as torn:
        torn.write(b"\x40\0\0\0torn")
    other = FileKeyValue(type(kv.store)(Place(directory=place.directory, shared={}, clock=place.clock)), NAMESPACE)
    assert dict([found async for found in other.scan()]) == {"a": b"new", "d": b"long"}
    left = await other.ttl("d")
    assert left is not None
    assert 30 <= left < 30.001
    await other.set("e", b"after the torn record")
    await other.batch_set({"f": b"1", "g": b"2"})
    assert await kv.batch_get(["a", "e", "f", "g"]) == {"a": b"new", "e": b"after the torn record", "f": b"1", "g": b"2"}


def test_the_log_of_the_reference_holds_what_was_acknowledged(tmp_path: Path) -> None:
    run(backend("reference", FileKeyValue), _left_behind, tmp_path)


@pytest.mark.parametrize("tested", [mutant.backends[0] for mutant in MUTANTS] + list(UNUSUAL), ids=lambda tested: str(tested.name))
def test_each_opens_and_keeps_a_plain_value(tested: Backend[Store], tmp_path: Path) -> None:
    run(tested, _set_and_get, tmp_path)


def test_every_backend_can_be_registered() -> None:
    registry = Registry(adding="the zoo")
    prism_register_backends(registry)
    assert len(registry.backends) == len(MUTANTS) + len(UNUSUAL)
    assert registry.warnings == []


def test_names_are_unique_and_say_what_is_wrong() -> None:
    repeated = [name for name, times in Counter(mutant.name for mutant in MUTANTS).items() if times > 1]
    assert repeated == []
    assert [mutant.name for mutant in MUTANTS if mutant.backends[0].name != f"zoo-{mutant.name.replace('_', '-')}"] == []


def test_mutants_break_promises_that_exist() -> None:
    known = PROMISES
    assert {promise for mutant in MUTANTS for promise in (mutant.promise, *mutant.also)} <= known.keys()
    assert [mutant.name for mutant in MUTANTS if mutant.promise in mutant.also] == []
    assert WITHOUT_MUTANTS.keys() <= known.keys()


@pytest.mark.parametrize("promise", sorted(PROMISES.keys() - WITHOUT_MUTANTS.keys()))
def test_every_promise_is_broken_in_three_ways(promise: str) -> None:
    kinds = {mutant.kind for mutant in MUTANTS if mutant.promise == promise}
    assert len(kinds) >= 3, sorted(kinds)


def test_every_interface_is_broken_in_ten_ways() -> None:
    ways: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in MUTANTS:
        ways[mutant.promise.rpartition(".")[0]].append(mutant)
    assert ways.keys() == {promise.rpartition(".")[0] for promise in PROMISES}
    assert [interface for interface, mutants in ways.items() if len(mutants) < 10] == []


def test_what_needs_a_kill_claims_to_survive_it() -> None:
    assert [m.name for m in MUTANTS if "kill" in m.trap and m.backends[0].traits.durability != "process"] == []
