"""The family is what it says: a reference that is right, backends that open, enough mutants of enough kinds."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock, RealClock, VirtualClock
from prism_testkit.interfaces import Conflict, InvalidName, PayloadTooLarge
from prism_testkit.promises import all_promises
from prism_testkit.registry import Registry
from prism_testkit.schedules import VirtualLoop

from .catalogue import MUTANTS, UNUSUAL, WITHOUT_MUTANTS, prism_register_backends
from .reference import FileQueue, Queue, backend
from .stores import FileStore, Store

NAMESPACE = "prism00000000000" + "00000001"
Walk = Callable[[Any, Place], Awaitable[None]]
PROMISES = {promise for promise in all_promises() if promise.startswith("queue_")}


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


async def _plain(queue: Any, place: Place) -> None:
    await queue.enqueue("plain", b"value")
    found = await queue.dequeue("plain")
    assert found is not None
    assert found.payload == b"value"


async def _everything(queue: Queue, place: Place) -> None:
    await _takes(queue)
    await _leases(queue, place.clock)
    await _deaths(queue)
    await _orders(queue, place.clock)


async def _takes(queue: Queue) -> None:
    assert await queue.peek("a") is None
    first = await queue.enqueue("a", bytearray(b""), {"Name": "1"})
    await queue.enqueue("a", memoryview(b"2"))
    for _ in range(2):
        peeked = await queue.peek("a")
        assert peeked is not None
        assert (peeked.id, peeked.payload, peeked.headers) == (first, b"", {"Name": "1"})
    assert await queue.dequeue("a") == peeked
    with pytest.raises(InvalidName):
        await queue.dequeue("x" * 513)
    with pytest.raises(PayloadTooLarge):
        await queue.enqueue("a", bytes(1_000_001))
    second = await queue.dequeue("a")
    assert second is not None
    assert second.payload == b"2"
    waiting = asyncio.create_task(queue.dequeue("a", 60))
    await asyncio.sleep(1)
    made = await queue.enqueue("a", b"3")
    given = await waiting
    assert given is not None
    assert given.id == made


async def _leases(queue: Queue, clock: Clock) -> None:
    await queue.enqueue("l", b"1")
    lease = await queue.receive("l", 10)
    assert lease is not None
    assert lease.attempt == 1
    assert await queue.receive("l", 10) is None
    await queue.extend(lease, 5)
    await clock.sleep(4.999)
    assert await queue.dequeue("l") is None
    await clock.sleep(0.0011)
    for call in (queue.ack(lease), queue.extend(lease, 1), queue.release(lease)):
        with pytest.raises(Conflict):
            await call
    again = await queue.receive("l", 10)
    assert again is not None
    assert (again.attempt, again.message.id) == (2, lease.message.id)
    await queue.release(again)
    last = await queue.receive("l", 10)
    assert last is not None
    await queue.ack(last)
    with pytest.raises(Conflict):
        await queue.ack(last)
    with pytest.raises(ValueError, match="above 0"):
        await queue.receive("l", 0)


async def _deaths(queue: Queue) -> None:
    await queue.configure_dead_letter("d", "dead", 1)
    ids = [await queue.enqueue("d", payload) for payload in (b"1", b"2")]
    leases = [await queue.receive("d", 10) for _ in ids]
    for lease in reversed(leases):
        assert lease is not None
        await queue.release(lease)
    assert [message.id for message in await queue.dead_letters("d")] == ids[::-1]
    other = await queue.enqueue("dead", b"other")
    assert await queue.redrive("d") == 2
    first, left = await queue.peek("d"), await queue.peek("dead")
    assert first is not None
    assert left is not None
    assert (first.id, left.id) == (ids[1], other)
    with pytest.raises(ValueError, match="target"):
        await queue.configure_dead_letter("d", "d", 1)


async def _orders(queue: Queue, clock: Clock) -> None:
    await queue.enqueue("o", b"third")
    await queue.enqueue_with_priority("o", b"first", priority=9)
    await queue.enqueue_with_priority("o", b"second", priority=9)
    await queue.enqueue_delayed("o", b"fourth", delay_s=5)
    assert await queue.scheduled_count("o") == 1
    taken = [await queue.dequeue("o", 10) for _ in range(4)]
    assert [message and message.payload for message in taken] == [b"first", b"second", b"third", b"fourth"]
    assert await queue.scheduled_count("o") == 0
    with pytest.raises(ValueError, match="priority"):
        await queue.enqueue_with_priority("o", b"", priority=10)


@pytest.mark.parametrize("driver", [Queue, FileQueue])
def test_the_reference_passes_a_walk_through_all_interfaces(driver: type[Queue], tmp_path: Path) -> None:
    run(backend("reference", driver), _everything, tmp_path)


async def _left_behind(queue: Any, place: Place) -> None:
    """What another process finds that opens the directory of one that was killed."""
    for payload in (b"acked", b"leased", b"waiting"):
        await queue.enqueue("q", payload)
    await queue.ack(await queue.receive("q", 10))
    lease = await queue.receive("q", 10)
    with (place.directory / "zoo.log").open("ab") as torn:
        torn.write(b"\x40\0\0\0torn")
    other = FileQueue(FileStore(Place(directory=place.directory, shared={}, clock=place.clock)), NAMESPACE)
    waiting = await other.receive("q", 10)
    assert waiting is not None
    assert waiting.message.payload == b"waiting"
    await other.ack(lease)
    assert await other.enqueue("q", b"new") not in {lease.message.id, waiting.message.id}
    with pytest.raises(Conflict):
        await queue.ack(lease)


def test_the_log_of_the_reference_holds_what_was_acknowledged(tmp_path: Path) -> None:
    run(backend("reference", FileQueue), _left_behind, tmp_path)


@pytest.mark.parametrize("tested", [mutant.backends[0] for mutant in MUTANTS] + list(UNUSUAL), ids=lambda tested: str(tested.name))
def test_each_opens_and_gives_a_plain_message(tested: Backend[Store], tmp_path: Path) -> None:
    run(tested, _plain, tmp_path)


def test_every_backend_can_be_registered() -> None:
    registry = Registry(adding="the zoo")
    prism_register_backends(registry)
    assert len(registry.backends) == len(MUTANTS) + len(UNUSUAL)
    assert registry.warnings == []


def test_names_are_unique() -> None:
    assert [name for name, times in Counter(mutant.name for mutant in MUTANTS).items() if times > 1] == []


def test_mutants_break_promises_that_exist() -> None:
    named = {promise for mutant in MUTANTS for promise in (mutant.promise, *mutant.also)}
    assert named <= PROMISES
    assert WITHOUT_MUTANTS.keys() <= PROMISES
    assert [mutant.name for mutant in MUTANTS if mutant.promise in mutant.also] == []


def test_every_promise_is_broken_in_three_ways_and_every_interface_in_ten() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    interfaces: Counter[str] = Counter()
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
        interfaces[mutant.promise.rpartition(".")[0]] += 1
    assert {p: sorted(kinds[p]) for p in PROMISES - WITHOUT_MUTANTS.keys() if len(kinds[p]) < 3} == {}
    assert {interface: n for interface, n in interfaces.items() if n < 10} == {}


def test_what_needs_a_kill_claims_to_survive_it() -> None:
    assert [m.name for m in MUTANTS if "kill" in m.trap and m.backends[0].traits.durability != "process"] == []
