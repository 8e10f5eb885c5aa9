"""What the suites cannot see of the embedded queues: when a waiting take is woken, and what a cancelled one leaves behind."""

import asyncio

import pytest
from awaiting import expect
from queue_world import World, cancelled_after, driver_of, every_queue, settled

from prism_testkit.interfaces.errors import Conflict
from prism_testkit.registry import Registry

SLACK_S = 0.001
TAKES = ("dequeue", "receive")
FLAVOURS = ("basic", "visibility", "dead_letter", "priority", "delayed")


def take(world: World, kind: str, queue: str = "q", timeout_s: float = 0, client: int = 0) -> "asyncio.Task[bytes | None]":
    """Take by either method; the task gives the payload."""
    driver = driver_of(world.backend, world.connections[client])

    async def taking() -> bytes | None:
        if kind == "dequeue":
            message = await driver.dequeue(queue, timeout_s)
            return None if message is None else message.payload
        lease = await driver.receive(queue, 100, timeout_s)
        return None if lease is None else lease.message.payload

    return asyncio.create_task(taking())


async def elapsed(world: World, task: "asyncio.Task[bytes | None]", wanted: bytes | None, since_s: float = 0) -> float:
    assert await task == wanted
    return world.clock.now_s() - since_s


@every_queue
async def test_registration(world: World) -> None:
    registry = Registry()
    registry.add(world.backend)
    offers = registry.offers[world.backend.name]
    assert {f"queue_{flavour}" for flavour in FLAVOURS} <= set(offers)
    traits = offers["queue_visibility"].traits
    assert traits.lease_fencing == "server"
    assert traits.delivery_count == "exact"
    assert (traits.durability == traits.lease_survives_kill == "none") == (
        world.backend.name == "memory"
    ) or traits.ack_survives_kill


# Waiting


@every_queue
async def test_a_take_that_waits_is_woken_at_once(world: World) -> None:
    other = await world.client()
    for kind in TAKES:
        began_s = world.clock.now_s()
        task = take(world, kind, timeout_s=100)
        await asyncio.sleep(1)
        await other.enqueue("other", b"other")
        await other.enqueue("q", b"new")
        assert await elapsed(world, task, b"new", began_s) == pytest.approx(1, abs=1e-6)
    await world.drained("q")


@every_queue
async def test_a_release_wakes(world: World) -> None:
    other = await world.client()
    for kind in TAKES:
        await world.q.enqueue("q", b"m")
        lease = await world.leased("q")
        began_s = world.clock.now_s()
        task = take(world, kind, timeout_s=50)
        await asyncio.sleep(1)
        await other.release(lease)
        assert await elapsed(world, task, b"m", began_s) == pytest.approx(1, abs=1e-6)


@every_queue
async def test_a_deadline_and_the_end_of_a_delay_wake_within_the_slack(world: World) -> None:
    other = await world.client()
    for kind in TAKES:
        task = take(world, kind, timeout_s=100)
        await asyncio.sleep(30)  # it waits, and knows of nothing to come
        began_s = world.clock.now_s()
        await other.enqueue_delayed("q", b"m", delay_s=1.3)
        assert 1.3 <= await elapsed(world, task, b"m", began_s) <= 1.3 + SLACK_S

        await other.enqueue("q", b"n")
        began_s = world.clock.now_s()
        lease = await other.receive("q", 50)
        assert lease is not None
        task = take(world, kind, timeout_s=100)
        await asyncio.sleep(30)
        await other.extend(lease, 0.7)
        assert 30.7 <= await elapsed(world, task, b"n", began_s) <= 30.7 + SLACK_S


@every_queue
async def test_a_message_that_dies_by_its_deadline_wakes_who_waits_at_the_target(world: World) -> None:
    other = await world.client()
    await world.q.configure_dead_letter("q", "dead", 1)
    for kind in TAKES:
        task = take(world, kind, "dead", timeout_s=100)
        await world.q.enqueue("q", b"m")
        await asyncio.sleep(30)
        began_s = world.clock.now_s()
        assert await other.receive("q", 0.5)
        assert 0.5 <= await elapsed(world, task, b"m", began_s) <= 0.5 + SLACK_S


@every_queue
async def test_each_of_many_that_wait_gets_one_in_their_order(world: World) -> None:
    tasks = [take(world, kind, timeout_s=100) for kind in TAKES * 4]
    await asyncio.sleep(1)
    began_s = world.clock.now_s()
    for number in range(len(tasks)):
        await world.q.enqueue("q", b"%d" % number)
    assert await settled(*tasks) == [b"%d" % number for number in range(len(tasks))]
    assert world.clock.now_s() == pytest.approx(began_s, abs=1e-6)


@every_queue
async def test_who_is_woken_and_cancelled_passes_it_on(world: World) -> None:
    for steps in range(12):
        first, second = take(world, "dequeue", timeout_s=100), take(world, "dequeue", timeout_s=100)
        await asyncio.sleep(1)
        began_s = world.clock.now_s()
        await world.q.enqueue("q", b"m")
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        (one,) = await settled(first)
        if one == b"m":
            await world.q.enqueue("q", b"m")
        assert await elapsed(world, second, b"m", began_s) == pytest.approx(0, abs=1e-6)


@every_queue
async def test_a_time_that_is_over_is_over_exactly(world: World) -> None:
    for kind in TAKES:
        for timeout_s in (0, 0.001, 0.1, 3.3, 7200):
            began_s = world.clock.now_s()
            waited_s = await elapsed(world, take(world, kind, timeout_s=timeout_s), None, began_s)
            assert timeout_s - 1e-6 <= waited_s <= timeout_s + SLACK_S


# Cancellation


@every_queue
async def test_a_cancelled_take_takes_nothing_and_the_order_stays(world: World) -> None:
    await world.client()
    for kind in TAKES:
        for steps in range(16):
            for payload in (b"a", b"b", b"c"):
                await world.q.enqueue("q", payload)
            task = take(world, kind)
            others = [take(world, "dequeue", client=1), asyncio.create_task(world.q.peek("q"))]
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            taken, other, seen = await settled(task, *others)
            given = [taken] if isinstance(taken, bytes) else []
            assert [*given, other] == [b"a", b"b"][: len(given) + 1]
            # Whoever looks after a take that took nothing sees what that one let go.
            assert seen.payload in (b"a", b"b", b"c") if given else seen.payload in (b"a", b"b")
            assert await world.drained("q") == [b"a", b"b", b"c"][len(given) + 1 :]


@every_queue
async def test_what_a_cancelled_take_puts_back_is_as_it_was(world: World) -> None:
    headers = {"name": "värde\0"}
    await world.q.configure_dead_letter("source", "q", 1)
    for kind in TAKES:
        for steps in range(16):
            identity = await world.q.enqueue_with_priority("source", b"dead", headers, priority=4)
            await world.q.release(await world.leased("source"))
            await world.q.enqueue_with_priority("q", b"later", priority=4)
            await world.q.release(await world.leased("q"))  # attempt 1, and still the first
            taken = await cancelled_after(steps, world.q.dequeue("q") if kind == "dequeue" else world.q.receive("q", 100))
            if taken is None:
                assert [each.id for each in await world.q.dead_letters("source")] == [identity]
                lease = await world.leased("q")
                assert (lease.message.id, lease.message.payload, lease.message.headers) == (identity, b"dead", headers)
                assert lease.attempt == 2
                await world.q.ack(lease)
            assert await world.drained("q") == [b"later"]
            assert await world.q.dead_letters("source") == [] or kind == "receive"
            if kind == "receive" and taken is not None:
                await world.q.ack(taken)


# Leases and death


@every_queue
async def test_a_lease_of_an_earlier_life_is_refused(world: World) -> None:
    await world.q.configure_dead_letter("q", "dead", 1)
    await world.q.enqueue("q", b"m")
    old = await world.leased("q")
    await world.q.release(old)
    assert await world.q.redrive("q") == 1
    new = await world.leased("q")
    assert (new.message.id, new.attempt) == (old.message.id, old.attempt)
    for call in (world.q.ack(old), world.q.extend(old, 1), world.q.release(old)):
        await expect(Conflict, call)
    await world.q.ack(new)
    await expect(Conflict, world.q.ack(new))


@every_queue
async def test_death_is_in_the_order_of_the_failures(world: World) -> None:
    await world.q.configure_dead_letter("q", "dead", 1)
    for payload in (b"a", b"b", b"c", b"d"):
        await world.q.enqueue("q", payload)
    await world.leased("q", 2)
    await world.leased("q", 1)
    third = await world.leased("q", 100)
    await world.leased("q", 3)
    await asyncio.sleep(2.5)
    await world.q.release(third)
    await asyncio.sleep(10)
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"b", b"a", b"c", b"d"]
    assert await world.q.redrive("q") == 4
    assert await world.drained("dead") == []
    assert await world.drained("q") == [b"b", b"a", b"c", b"d"]


@every_queue
async def test_a_policy_counts_what_failed_before_it_in_that_order(world: World) -> None:
    for payload in (b"a", b"b", b"c", b"new"):
        await world.q.enqueue("q", payload)
    leases = [await world.leased("q") for _ in range(3)]
    for lease in reversed(leases):
        await world.q.release(lease)
    held = await world.leased("q")
    assert held.message.payload == b"a"
    await world.q.configure_dead_letter("q", "dead", 1)
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"c", b"b"]
    assert [each.payload for each in [await world.q.peek("dead")] if each] == [b"c"]
    await world.q.release(held)
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"c", b"b", b"a"]
    assert await world.drained("q") == [b"new"]


@every_queue
async def test_the_dead_are_those_of_the_target_there_is_now(world: World) -> None:
    for target in ("one", "two"):
        await world.q.configure_dead_letter("q", target, 1)
        await world.q.enqueue("q", target.encode())
        await world.q.release(await world.leased("q"))
        await world.q.enqueue(target, b"stranger")
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"two"]
    await world.q.configure_dead_letter("q", "one", 1)
    assert [each.payload for each in await world.q.dead_letters("q")] == [b"one"]
    held = await world.leased("one")
    assert held.message.payload == b"one"
    assert await world.q.redrive("q") == 0
    await world.q.release(held)
    assert await world.q.redrive("q") == 1
    assert await world.drained("one") == [b"stranger"]
    assert await world.drained("two") == [b"two", b"stranger"]
    assert await world.drained("q") == [b"one"]


@every_queue
async def test_death_goes_on_from_queue_to_queue(world: World) -> None:
    await world.q.configure_dead_letter("a", "b", 1)
    await world.q.configure_dead_letter("b", "a", 2)
    await world.q.enqueue_with_priority("a", b"m", {"h": "v"}, priority=7)
    attempts = []
    for queue in ("a", "b", "b", "a", "b"):
        lease = await world.leased(queue, 1)
        attempts.append(lease.attempt)
        await asyncio.sleep(1 + SLACK_S)
    assert attempts == [1, 1, 2, 1, 1]
    assert [each.payload for each in await world.q.dead_letters("a")] == [b"m"]
    assert await world.q.dead_letters("b") == []
    assert await world.q.redrive("a") == 1
    assert await world.q.dead_letters("a") == []
    await world.q.enqueue("a", b"first, but of no priority")
    lease = await world.leased("a")
    assert (lease.message.payload, lease.message.headers, lease.attempt) == (b"m", {"h": "v"}, 1)


@every_queue
async def test_a_delay_keeps_the_turn_of_its_enqueue(world: World) -> None:
    await world.q.enqueue_delayed("q", b"delayed", delay_s=1)
    await world.q.enqueue("q", b"plain")
    await world.q.enqueue_with_priority("q", b"urgent", priority=1)
    await world.q.enqueue_delayed("q", b"at once", delay_s=-1)
    assert await world.q.scheduled_count("q") == 1
    await asyncio.sleep(1 + SLACK_S)
    assert await world.q.scheduled_count("q") == 0
    assert await world.drained("q") == [b"urgent", b"delayed", b"plain", b"at once"]
