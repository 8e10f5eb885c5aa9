"""Publish and subscribe over memory and SQLite: what shows only in time, in cancellation, and between several drivers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from awaiting import LONG_S, at_rest, expect, step
from embedded_stores import HERE, STORES, THERE, World, play

from prism_backends.bell import Bell
from prism_backends.memory import MemoryPubSub
from prism_backends.sqlite import SqlitePubSub
from prism_testkit.interfaces.errors import Closed, InvalidName, PayloadTooLarge
from prism_testkit.interfaces.pubsub import Deliveries, Delivery

PubSub = MemoryPubSub | SqlitePubSub


def pubsub(world: World, namespace: str = HERE, connection: Any = None) -> PubSub:
    made = next(driver for driver in world.backend.drivers if driver in (MemoryPubSub, SqlitePubSub))
    driver = made(connection or world.connection, namespace)
    assert isinstance(driver, MemoryPubSub | SqlitePubSub)
    return driver


async def another(world: World) -> PubSub:
    """Return a driver over a connection of its own."""
    return pubsub(world, connection=await world.stack.enter_async_context(world.backend.connect(world.place)))


def over(*stores: str) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[str, Path], None]]:
    """Make a plain test of a scenario, run over some embedded stores."""

    def decorate(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str, Path], None]:
        def test(store: str, tmp_path: Path) -> None:
            play(store, tmp_path, scenario)

        test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
        test.__module__ = scenario.__module__
        return pytest.mark.parametrize("store", stores)(test)

    return decorate


everywhere = over(*STORES)
in_virtual_time = over("memory", "sqlite-virtual")


def texts(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(delivery.message.payload.decode(), delivery.delivery_count) for delivery in deliveries]


async def fill(driver: PubSub, *payloads: str, topic: str = "t") -> list[str]:
    return [await driver.publish_persistent(topic, payload.encode()) for payload in payloads]


# Plain subscriptions


@everywhere
async def test_each_subscription_gets_each_message_in_order_from_its_entry_on(world: World) -> None:
    one, two = pubsub(world), await another(world)
    await one.publish("t", b"before")
    async with one.subscribe("t") as first, two.subscribe("t") as second:
        ids = [await one.publish("t", b"%d" % number, {"n": str(number)}) for number in range(250)]
        await two.publish("u", b"elsewhere")
        for subscription in (first, second):
            got = [await subscription.receive(LONG_S) for _ in ids]
            assert [message.id for message in got if message] == ids
            assert [(m.payload, m.headers, m.topic) for m in got if m] == [(b"%d" % n, {"n": str(n)}, "t") for n in range(250)]
            assert await subscription.receive() is None
            assert subscription.gaps == 0


@everywhere
async def test_receivers_have_headers_of_their_own(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as first, driver.subscribe("t") as second:
        await driver.publish("t", b"", {"a": "b"})
        one = await first.receive(LONG_S)
        assert one is not None
        one.headers["a"] = "changed"  # type: ignore[index]
        two = await second.receive(LONG_S)
        assert two is not None
        assert two.headers == {"a": "b"}


@in_virtual_time
async def test_a_receive_of_nothing_takes_its_time_and_wakes_for_what_comes(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    async with driver.subscribe("t") as subscription:
        before = world.clock.now_ns()
        assert await subscription.receive(2.5) is None
        assert world.clock.now_ns() - before == 2_500_000_000
        receiving = asyncio.create_task(subscription.receive(1e6))
        await asyncio.sleep(1)
        before = world.clock.now_ns()
        await other.publish("t", b"v")
        assert await receiving is not None
        assert world.clock.now_ns() == before


@everywhere
async def test_leaving_ends_what_waits_and_disturbs_nobody(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as stays:
        async with driver.subscribe("t") as leaves:
            receiving = asyncio.create_task(leaves.receive(LONG_S))
            iterating = asyncio.create_task(step(leaves))
            await at_rest(receiving, iterating)
        await expect(Closed, receiving)
        assert await iterating is None
        await expect(Closed, leaves.receive())
        assert [message async for message in leaves] == []
        await driver.publish("t", b"v")
        assert await anext(stays) is not None


@everywhere
async def test_concurrent_receives_of_one_subscription_share_what_comes(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as subscription:
        receiving = [asyncio.create_task(subscription.receive(LONG_S)) for _ in range(5)]
        await at_rest(*receiving)
        receiving[0].cancel()
        sent = {await driver.publish("t", b"v") for _ in range(4)}
        got = {message.id for task in receiving[1:] if (message := await task)}
        assert got == sent
        assert await subscription.receive() is None


def test_a_bell_looks_once_more_when_the_time_is_over() -> None:
    looks = iter([None, "what came in the last moment"])
    assert asyncio.run(Bell().first(lambda: next(looks), 0)) == "what came in the last moment"


# Durable subscriptions


@everywhere
async def test_a_new_subscription_begins_where_it_says(world: World) -> None:
    driver = pubsub(world)
    assert await driver.last_message_id("t") is None
    await fill(driver, "a", "b")
    async with driver.subscribe_durable("t", "new") as new, driver.subscribe_durable("t", "all", "earliest") as everything:
        ids = await fill(driver, "c")
        await fill(driver, "elsewhere", topic="u")
        assert texts(await new.receive(10)) == [("c", 1)]
        assert texts(await everything.receive(2)) == [("a", 1), ("b", 1)]
        assert texts(await everything.receive(10)) == [("c", 1)]
    assert [await driver.last_message_id("t")] == ids
    async with driver.subscribe_durable("t", "new", "earliest") as again:
        assert texts(await again.receive(10)) == [("c", 2)]


@everywhere
async def test_acks_are_individual_and_harmless_when_repeated(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a", "b", "c")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        a, b, c = await member.receive(3)
        await member.ack(b, b)
        await member.ack(b)
        await member.nack(b)
        await member.nack(a, c)
        assert texts(await member.receive(10)) == [("a", 2), ("c", 2)]
        await member.ack(a)  # of a delivery that is over: it was given back since
    async with driver.subscribe_durable("t", "n") as member:
        assert texts(await member.receive(10)) == [("a", 3), ("c", 3)]


@everywhere
async def test_only_who_holds_a_delivery_confirms_it_or_gives_it_back(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    async with (
        driver.subscribe_durable("t", "n", "earliest") as holder,
        other.subscribe_durable("t", "n") as stranger,
        driver.subscribe_durable("t", "m", "earliest") as elsewhere,
    ):
        held = await holder.receive()
        await stranger.ack(*held)
        await stranger.nack(*held)
        await elsewhere.ack(*held)
        assert texts(await elsewhere.receive(10)) == [("a", 1)]
        assert await stranger.receive(10) == []
        await holder.nack(*held)
        assert texts(await stranger.receive(10)) == [("a", 2)]
    await expect(Closed, holder.ack(*held))
    await expect(Closed, holder.nack(*held))
    await expect(Closed, holder.receive())


@in_virtual_time
async def test_a_nacked_message_keeps_its_delay_and_holds_up_nobody(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a", "b")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        (a,) = await member.receive()
        before = world.clock.now_s()
        await member.nack(a, delay_s=3)
        assert texts(await member.receive()) == [("b", 1)]
        assert texts(await member.receive(1, 1e6)) == [("a", 2)]
        assert 3 <= world.clock.now_s() - before < 3.001


@everywhere
async def test_what_is_nacked_again_and_again_lets_others_pass(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a", "b", "c")
    seen = []
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        for _ in range(6):
            (delivery,) = await member.receive()
            await member.nack(delivery)
            seen.append(delivery.message.payload.decode())
    assert seen == ["a", "b", "c", "a", "b", "c"]


@everywhere
async def test_what_a_member_held_comes_first_when_it_left(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a", "b", "c", "d")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        await member.receive(2)
        async with other.subscribe_durable("t", "n") as second:
            assert texts(await second.receive()) == [("c", 1)]
        assert texts(await member.receive()) == [("c", 2)]
    async with other.subscribe_durable("t", "n") as third:
        assert texts(await third.receive(10)) == [("a", 2), ("b", 2), ("c", 3), ("d", 1)]


@in_virtual_time
async def test_a_member_wakes_at_once_for_what_is_published_nacked_or_left(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    async with driver.subscribe_durable("t", "n") as waits:

        async def wakes(cause: Callable[[], Awaitable[object]]) -> list[Delivery]:
            receiving = asyncio.create_task(waits.receive(1, 1e6))
            await asyncio.sleep(1)
            before = world.clock.now_ns()
            await cause()
            got = await receiving
            assert world.clock.now_ns() == before
            return got

        await waits.ack(*await wakes(lambda: other.publish_persistent("t", b"a")))
        async with AsyncExitStack() as stack:
            holds = await stack.enter_async_context(other.subscribe_durable("t", "n"))
            await other.publish_persistent("t", b"b")
            held = await holds.receive()
            await waits.ack(*await wakes(lambda: holds.nack(*held)))
            await other.publish_persistent("t", b"c")
            assert texts(await holds.receive()) == [("c", 1)]
            assert texts(await wakes(stack.aclose)) == [("c", 2)]


@everywhere
async def test_a_receive_cancelled_at_any_turn_takes_nothing(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest") as member, other.subscribe_durable("t", "n") as second:
        for turns in range(12):
            receiving = asyncio.create_task(member.receive())
            for _ in range(turns):
                await asyncio.sleep(0)
            receiving.cancel()
            outcome = (await asyncio.gather(receiving, return_exceptions=True))[0]
            if isinstance(outcome, list):
                await member.nack(*outcome)
            got = await second.receive()
            assert [delivery.message.payload for delivery in got] == [b"a"]
            await second.nack(*got)


@everywhere
async def test_leaving_at_any_turn_of_a_receive_ends_it_and_loses_nothing(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    async with other.subscribe_durable("t", "n", "earliest") as stays:
        for turns in range(10):
            for entering in (driver.subscribe_durable("t", "n"), driver.subscribe("t")):
                async with entering as entered:
                    receiving = asyncio.create_task(entered.receive())
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    had_ended = receiving.done()
                if not had_ended:
                    await expect(Closed, receiving)
            got = await stays.receive()
            assert [delivery.message.payload for delivery in got] == [b"a"]
            await stays.nack(*got)


@everywhere
async def test_a_refusal_comes_before_any_effect(world: World) -> None:
    driver = pubsub(world)

    async def enter(topic: str, name: str, start: Any = "new") -> None:
        async with driver.subscribe_durable(topic, name, start):
            raise AssertionError("entered")

    await expect(InvalidName, driver.publish("", b""))
    await expect(PayloadTooLarge, driver.publish("t", bytes(1_000_001)))
    await expect(InvalidName, driver.publish_persistent("t", b"", {"\ud800": ""}))
    await expect(ValueError, driver.publish_persistent("t", b"", {"a": "\ud800"}))
    await expect(InvalidName, enter("t", ""))
    await expect(InvalidName, enter("", "n"))
    await expect(ValueError, enter("t", "n", "latest"))
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        await expect(ValueError, member.receive(0))
        await expect(ValueError, member.receive(1, float("nan")))
        (held,) = await member.receive(10**30)
        await expect(ValueError, member.nack(held, delay_s=float("inf")))
        await expect(TypeError, member.ack(held, "b"))  # type: ignore[arg-type]
        assert await member.receive() == []
    await expect(InvalidName, driver.last_message_id("a" * 513))


@everywhere
async def test_a_closed_driver_has_left_everything(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    async with driver.subscribe("t") as subscription, driver.subscribe_durable("t", "n", "earliest") as member:
        await member.receive()
        await driver.close()
        await driver.close()
        await expect(Closed, subscription.receive())
        await expect(Closed, member.receive())
        async with other.subscribe_durable("t", "n") as second:
            assert texts(await second.receive()) == [("a", 2)]
    await expect(Closed, driver.publish("t", b""))
    await expect(Closed, driver.last_message_id("t"))


@everywhere
async def test_cleaning_a_namespace_leaves_living_members_with_nothing(world: World) -> None:
    driver, there = pubsub(world), pubsub(world, THERE)
    await fill(driver, "a", "b")
    await fill(there, "c")
    async with driver.subscribe_durable("t", "n", "earliest") as member, driver.subscribe("t") as subscription:
        held = await member.receive()
        await world.clean(HERE)
        assert await subscription.receive() is None
        await member.nack(*held)
        await member.ack(*held)
    assert await driver.last_message_id("t") is None
    async with driver.subscribe_durable("t", "n", "earliest") as again:
        assert await again.receive() == []
        await fill(driver, "d")
        assert texts(await again.receive()) == [("d", 1)]
    assert await there.last_message_id("t") is not None


@everywhere
async def test_members_share_and_nothing_is_lost_or_doubled(world: World) -> None:
    drivers = [pubsub(world), await another(world), await another(world)]
    sent = [str(number) for number in range(30)]
    got: list[str] = []

    async def work(member: Deliveries) -> None:
        while len(got) < len(sent):
            for delivery in await member.receive(3, 0.05):
                assert delivery.delivery_count == 1
                got.append(delivery.message.payload.decode())
                await member.ack(delivery)

    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(driver.subscribe_durable("t", "n")) for driver in drivers]
        async with asyncio.TaskGroup() as group:
            for member in members:
                group.create_task(work(member))
            group.create_task(fill(drivers[0], *sent[:15]))
            group.create_task(fill(drivers[1], *sent[15:]))
    assert sorted(got, key=int) == sent
