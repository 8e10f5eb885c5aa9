"""The Redis queues: what a cancelled take leaves in the server, who wakes whom, and what a kill leaves."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from awaiting import HANGS_S, changed, expect
from queue_world import World, cancelled_after, connected, resting, settled
from redis_store import name, private, serving

import prism_testkit as prism
from prism_backends import takers
from prism_backends.redis import RedisQueue, queue, redis
from prism_backends.valkey import valkey
from prism_testkit.interfaces import Lease, QueueMessage
from prism_testkit.interfaces.errors import BackendUnavailable, Conflict, OperationTimeout
from prism_testkit.registry import Registry

FLAVOURS = ("basic", "visibility", "dead_letter", "priority", "delayed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def place_of(url: str) -> prism.Place:
    """Return the place as one process has it: nothing but the server is shared with others."""
    return prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock())


def over_valkey(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str], None]:
    """Make a plain test of a scenario; it asks for the address by the fixture ``url``."""

    async def play(url: str) -> None:
        async with connected(valkey, place_of(url), name()) as world:
            await scenario(world)

    def test(url: str) -> None:
        asyncio.run(asyncio.wait_for(play(url), HANGS_S))

    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return test


async def keys_of(world: World) -> set[str]:
    """Return what the server keeps for the namespace, without its beginning."""
    found = await world.connections[0].execute_command("KEYS", f"{world.namespace}*")
    return {key.decode().partition(":")[2] for key in found}


def test_registration() -> None:
    for backend in (redis, valkey):
        registry = Registry()
        registry.add(backend)
        offers = registry.offers[backend.name]
        assert {f"queue_{flavour}" for flavour in FLAVOURS} <= set(offers)
        offer = offers["queue_basic"]
        assert offer.driver.backend_name == backend.name
        assert (offer.traits.durability, offer.traits.lease_fencing, offer.traits.delivery_count) == ("process", "server", "exact")
        assert {offer.traits.ack_survives_kill, offer.traits.lease_survives_kill, offer.traits.attempts_survive_kill} == {"yes"}


# Cancellation


@over_valkey
async def test_a_cancelled_take_takes_nothing_and_the_order_stays(world: World) -> None:
    other = await world.client()
    outcomes = set()
    for steps in (*range(40), None):
        for kind in ("dequeue", "receive"):
            for payload in (b"a", b"b", b"c"):
                await world.q.enqueue("q", payload)
            call = world.q.dequeue("q") if kind == "dequeue" else world.q.receive("q", 100)
            first = asyncio.create_task(cancelled_after(steps, call))
            second = asyncio.create_task(other.dequeue("q"))
            taken, after = await settled(first, second)
            assert isinstance(after, QueueMessage)
            given = [payload_of(taken)] if taken is not None else []
            outcomes.add(len(given))
            # Either may be first, but nobody is given the second message while the first one is there.
            assert sorted([*given, after.payload]) == [b"a", b"b"][: len(given) + 1]
            lease = await world.q.receive("q", 100)
            assert lease is not None
            assert lease.attempt == 1
            await world.q.ack(lease)
            assert [lease.message.payload, *await world.drained("q")] == [b"a", b"b", b"c"][len(given) + 1 :]
            if isinstance(taken, Lease):
                await world.q.ack(taken)
    assert outcomes == {0, 1}
    assert await keys_of(world) == {"counter"}


@over_valkey
async def test_what_a_cancelled_dequeue_puts_back_is_as_it_was(world: World) -> None:
    headers = {"name": "värde\0"}
    await world.q.configure_dead_letter("source", "q", 1)
    put_back = 0
    for steps in range(40):
        identity = await world.q.enqueue_with_priority("source", b"dead\0", headers, priority=4)
        await world.q.release(await world.leased("source"))
        await world.q.enqueue_with_priority("q", b"later", priority=4)
        await world.q.release(await world.leased("q"))
        if await cancelled_after(steps, world.q.dequeue("q")) is None:
            put_back += 1
            assert [each.id for each in await world.q.dead_letters("source")] == [identity]
            lease = await world.leased("q")
            assert (lease.message.id, lease.message.payload, lease.message.headers) == (identity, b"dead\0", headers)
            assert lease.attempt == 2
            await world.q.ack(lease)
        assert await world.drained("q") == [b"later"]
        assert await world.q.dead_letters("source") == []
    assert put_back > 0
    assert await keys_of(world) == {"counter", "policies"}


@over_valkey
async def test_nothing_is_lost_or_doubled_among_takers_that_are_cancelled(world: World) -> None:
    dice = random.Random(5)
    clients = [world.q, await world.client(), await world.client()]
    wanted = {await world.q.enqueue("q", b"%d" % number) for number in range(200)}
    found: list[str] = []

    async def take() -> None:
        call = dice.choice(clients).dequeue("q", dice.choice((0, 0.01)))
        steps = None if dice.random() < 0.2 else dice.randrange(40)
        message = await cancelled_after(steps, call)
        if message is not None:
            found.append(message.id)

    while len(found) < 150:
        await asyncio.gather(*(take() for _ in range(10)))
    while (message := await world.q.dequeue("q")) is not None:
        found.append(message.id)
    assert len(found) == len(wanted)
    assert set(found) == wanted


@over_valkey
async def test_a_loop_that_ends_with_takes_under_way_loses_nothing(world: World) -> None:
    """As `asyncio.run` does it: every task there is gets cancelled at once."""
    for number in range(30):
        await world.q.enqueue("q", b"%d" % number)
    for steps in range(40):
        here = asyncio.all_tasks()
        takers = [asyncio.create_task(world.q.dequeue("q")) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - here:
            task.cancel()
        for message in await asyncio.gather(*takers, return_exceptions=True):
            if isinstance(message, QueueMessage):
                await world.q.enqueue("q", message.payload)
    assert sorted(map(int, await world.drained("q"))) == list(range(30))


# Waiting


def test_a_take_that_waits_is_woken_by_another_process(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told, not by a look of its own: those are made to be an hour apart."""
    monkeypatch.setattr(takers, "_PAUSE_S", 3600)
    monkeypatch.setattr(queue, "_LONGEST_PAUSE_S", 3600)

    async def scenario() -> None:
        namespace = name()
        async with (
            connected(valkey, place_of(url), namespace) as world,
            connected(valkey, place_of(url), namespace) as elsewhere,
        ):
            waiting = asyncio.create_task(world.q.dequeue("q\0:é", 5000))
            await resting(world.q, "q\0:é")
            await elsewhere.q.enqueue("q\0:é", b"m")
            assert await waiting

            # What it hears of last is the first to come.
            waiting = asyncio.create_task(world.q.dequeue("q", 5000))
            await resting(world.q, "q")
            for delay_s in (1e9, 1000, 0.1):
                await elsewhere.q.enqueue_delayed("q", b"m", delay_s=delay_s)
            assert await waiting

            await elsewhere.q.enqueue("q", b"m")
            lease = await elsewhere.leased("q")
            waiting = asyncio.create_task(world.q.dequeue("q", 5000))
            await resting(world.q, "q")
            await elsewhere.q.extend(lease, 2000)
            await elsewhere.q.release(lease)
            assert await waiting

            assert isinstance(world.q, RedisQueue)
            await world.q._end()
            waiting = asyncio.create_task(world.q.dequeue("q", 5000))
            await resting(world.q, "q")
            await elsewhere.q.enqueue("q", b"m")
            assert await waiting

    asyncio.run(asyncio.wait_for(scenario(), HANGS_S))


def test_a_take_that_waits_hears_again_after_its_connection_was_lost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takers, "_PAUSE_S", 3600)
    monkeypatch.setattr(queue, "_LONGEST_PAUSE_S", 3600)

    async def scenario() -> None:
        namespace = name()
        async with (
            connected(valkey, place_of(url), namespace) as world,
            connected(valkey, place_of(url), namespace) as elsewhere,
        ):
            waiting = asyncio.create_task(world.q.dequeue("q", 5000))
            await resting(world.q, "q")
            for _ in range(3):
                await elsewhere.connections[0].execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
                await elsewhere.q.enqueue("q", b"m")  # before it listens again, or after
                assert await waiting
                waiting = asyncio.create_task(world.q.dequeue("q", 5000))
                await resting(world.q, "q")
            await elsewhere.q.enqueue("q", b"m")
            assert await waiting

    asyncio.run(asyncio.wait_for(scenario(), HANGS_S))


@over_valkey
async def test_deadlines_and_delays_wake_and_are_never_early(world: World) -> None:
    for kind in ("lease", "delay", "extended"):
        began_s = world.clock.now_s()
        if kind == "delay":
            await world.q.enqueue_delayed("q", b"m", delay_s=0.2)
        else:
            await world.q.enqueue("q", b"m")
            lease = await world.leased("q", 0.2 if kind == "lease" else 100)
            if kind == "extended":
                await world.q.extend(lease, 0.2)
        message = await world.q.dequeue("q", 50)
        assert message is not None
        # The wall clock that the server asks too; it may be set, but not by tests.
        assert world.clock.now_s() - began_s >= 0.2


@over_valkey
async def test_who_waits_for_the_dead_is_woken_by_a_deadline_elsewhere(world: World) -> None:
    await world.q.configure_dead_letter("q", "dead", 1)
    await world.q.enqueue("q", b"m")
    task = asyncio.create_task(world.q.dequeue("dead", 50))
    await resting(world.q, "dead")
    await world.leased("q", 0.1)
    message = await task
    assert message is not None


@over_valkey
async def test_each_of_many_that_wait_gets_one(world: World) -> None:
    tasks = [asyncio.create_task(world.q.dequeue("q", 50)) for _ in range(30)]
    await resting(world.q, "q")
    identities = [await world.q.enqueue("q", b"m") for _ in tasks]
    assert sorted(message.id for message in await asyncio.gather(*tasks) if message) == sorted(identities)


# Death


@over_valkey
async def test_death_is_in_the_order_of_the_failures(world: World) -> None:
    for payload in (b"a", b"b", b"c"):
        await world.q.enqueue("q", payload)
    for lease in reversed([await world.leased("q") for _ in range(3)]):
        await world.q.release(lease)
    await world.q.enqueue("q", b"new")
    await world.q.configure_dead_letter("q", "dead", 1)
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"c", b"b", b"a"]
    await world.drained("dead")
    new = await world.leased("q", 1000)
    await world.q.enqueue("q", b"newer")
    await world.leased("q", 0.1)
    await world.q.extend(new, 0.2)  # from now, so this deadline is behind the other one
    await changed(lambda: died(world, 2))
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"newer", b"new"]


async def died(world: World, count: int) -> bool:
    return len(await world.q.dead_letters("q")) == count


@over_valkey
async def test_nothing_is_kept_of_what_is_gone(world: World) -> None:
    await world.q.configure_dead_letter("q", "dead", 1)
    await world.q.enqueue_delayed("q", b"delayed", delay_s=0.01)
    for number in range(20):
        await world.q.enqueue_with_priority("q", b"m", priority=number % 10)
    for number in range(20):
        lease = await world.leased("q", 100)
        if number % 2:
            await world.q.extend(lease, 200)
            await world.q.ack(lease)
        else:
            await world.q.release(lease)
    assert await world.q.redrive("q") == 10
    await world.drained("q")
    await world.q.dequeue("q", 0.1)
    assert await world.q.scheduled_count("q") == 0
    assert await keys_of(world) == {"counter", "policies"}
    assert valkey.clean is not None
    await valkey.clean(world.connections[0], world.namespace)
    assert await keys_of(world) == set()


# A server that dies


def test_everything_survives_a_kill_of_the_server(tmp_path: Path) -> None:
    async def main() -> None:
        async with private(tmp_path) as (server, _), connected(valkey, place_of(server.url), name()) as world:
            await world.q.configure_dead_letter("q", "dead", 2)
            for number in range(50):
                await world.q.enqueue("q", b"%d" % number)
            taken = [await world.q.dequeue("q") for _ in range(10)]
            acked, held, released = [await world.leased("q") for _ in range(3)]
            await world.q.ack(acked)
            await world.q.release(released)
            await world.q.enqueue_delayed("later", b"later", delay_s=1000)
            await server.kill()
            for call in (world.q.enqueue("q", b"away"), world.q.dequeue("q"), world.q.ack(held)):
                await expect((BackendUnavailable, OperationTimeout), call)  # type: ignore[arg-type]
            await server.restart()
            assert [each.payload for each in taken if each] == [b"%d" % number for number in range(10)]
            assert await world.q.scheduled_count("later") == 1
            await expect(Conflict, world.q.ack(acked))
            again = await world.leased("q")
            assert (again.message.payload, again.attempt) == (b"12", 2)
            await world.q.release(again)
            assert [each.payload for each in await world.q.dead_letters("q")] == [b"12"]
            await world.q.extend(held, 1000)
            await world.q.ack(held)
            rest = [payload for payload in await world.drained("q") if payload != b"away"]
            assert rest == [b"%d" % number for number in range(13, 50)]

    asyncio.run(asyncio.wait_for(main(), HANGS_S))


def test_takes_behind_one_that_gets_no_answer_give_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with private(tmp_path) as (server, _), connected(valkey, place_of(server.url), name()) as world:
            await world.q.enqueue("q", b"m")
            turn = world.q._takers.turn("q")  # type: ignore[union-attr]
            async with turn:
                monkeypatch.setattr("prism_backends.redis.queue.TIMEOUT_S", 0.2)
                await asyncio.gather(*(expect(OperationTimeout, world.q.dequeue("q")) for _ in range(5)))
                monkeypatch.undo()
            assert await world.q.dequeue("q")

    asyncio.run(asyncio.wait_for(main(), HANGS_S))


def payload_of(taken: Any) -> bytes:
    payload = taken.message.payload if isinstance(taken, Lease) else taken.payload
    assert isinstance(payload, bytes)
    return payload
