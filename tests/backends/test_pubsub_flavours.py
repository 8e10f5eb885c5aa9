"""Patterns, attributes and ordering keys over memory and SQLite."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from awaiting import LONG_S, at_rest, expect
from embedded_stores import HERE, STORES, THERE, World, play, raw_sqlite

from prism_backends.memory import MemoryPubSub
from prism_backends.sqlite import SqlitePubSub
from prism_testkit.interfaces.errors import Closed, InvalidName, PayloadTooLarge
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Subscription

PubSub = MemoryPubSub | SqlitePubSub


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


async def pubsub(world: World, namespace: str = HERE) -> PubSub:
    """Return a driver over a connection of its own."""
    client = await world.stack.enter_async_context(world.backend.connect(world.place))
    made = MemoryPubSub if world.backend.name == "memory" else SqlitePubSub
    return made(client, namespace)


async def all_of(subscription: Subscription) -> list[str]:
    """Return the payloads of what is there."""
    found = []
    while (message := await subscription.receive()) is not None:
        found.append(message.payload.decode())
    return found


def texts(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(delivery.message.payload.decode(), delivery.delivery_count) for delivery in deliveries]


# Patterns

MATCHING = {
    "a.*": ["a.b", "a.", "a.*", "a.>", "a.a*"],
    "a.>": ["a.b", "a.", "a.*", "a.>", "a.a*", "a.b.c", "a..", "a.b."],
    "*": ["a", "*", ">", "a*", "é"],
    ">": None,
    "*.b": ["a.b", ".b", "*.b"],
    "a*": ["a*"],
    "*.*": ["a.b", "a.", "a.*", "a.>", "a.a*", ".b", "*.b", "."],
    "*.>": ["a.b", "a.", "a.*", "a.>", "a.a*", ".b", "*.b", ".", "a.b.c", "a..", "a.b.", "..", "..b"],
    ".": ["."],
    ".>": [".b", ".", "..", "..b"],
    "a..": ["a.."],
    "..*": ["..", "..b"],
    "é": ["é"],
    "A.*": [],
}
TOPICS = ["a", "*", ">", "a*", "é", "a.b", "a.", "a.*", "a.>", "a.a*", ".b", "*.b", ".", "a.b.c", "a..", "a.b.", "..", "..b"]


@everywhere
async def test_a_pattern_gets_what_it_matches_in_the_order_of_publishing(world: World) -> None:
    one, two = await pubsub(world), await pubsub(world)
    elsewhere = await pubsub(world, THERE)
    async with AsyncExitStack() as stack:
        entered = {pattern: await stack.enter_async_context(one.subscribe_pattern(pattern)) for pattern in MATCHING}
        plain = await stack.enter_async_context(one.subscribe("*"))
        ids = [await two.publish(topic, topic.encode(), {"h": topic}) for topic in TOPICS]
        await elsewhere.publish("a", b"elsewhere")
        for pattern, wanted in MATCHING.items():
            expected = [topic for topic in TOPICS if wanted is None or topic in wanted]
            got = [await entered[pattern].receive(LONG_S) for _ in expected]
            assert [(m.id, m.topic, m.payload.decode(), m.headers) for m in got if m] == [
                (ids[TOPICS.index(topic)], topic, topic, {"h": topic}) for topic in expected
            ], pattern
            assert await entered[pattern].receive() is None, pattern
        assert await all_of(plain) == ["*"]


@everywhere
async def test_a_pattern_is_refused_at_the_entry_and_a_left_one_gets_nothing(world: World) -> None:
    driver = await pubsub(world)
    for pattern in ("", ">.a", "a.>.b", ">.>", "é" * 257, "\ud800"):
        await expect(InvalidName, driver.subscribe_pattern(pattern).__aenter__())
    async with driver.subscribe_pattern("." * 512) as many, driver.subscribe_pattern(">") as stays:
        async with driver.subscribe_pattern(">") as left:
            await driver.publish("." * 512, b"dots")
        await expect(Closed, left.receive())
        assert await all_of(many) == await all_of(stays) == ["dots"]
    await driver.close()
    await expect(Closed, driver.subscribe_pattern("a").__aenter__())


@everywhere
async def test_a_pattern_that_waits_is_woken_by_what_matches_only(world: World) -> None:
    one, two = await pubsub(world), await pubsub(world)
    async with one.subscribe_pattern("a.*") as subscription:
        task = asyncio.create_task(subscription.receive(LONG_S))
        await at_rest(task)
        for number in range(250):
            await two.publish("a", b"%d" % number)
        assert not task.done()
        await two.publish("a.b", b"it")
        message = await task
        assert message is not None
        assert message.payload == b"it"
        for number in range(250):
            await two.publish("a", b"%d" % number)
        await two.publish("a.b", b"behind many")
        assert await all_of(subscription) == ["behind many"]


@over("sqlite-threads", "sqlite-virtual")
async def test_messages_are_kept_for_patterns_and_no_longer(world: World) -> None:
    def kept() -> int:
        with raw_sqlite(world.place.directory) as connection:
            return int(connection.execute("SELECT count(*) FROM pubsub_messages").fetchone()[0])

    driver = await pubsub(world)
    async with driver.subscribe_pattern("a.*") as pattern:
        async with driver.subscribe("a.b") as plain:
            for number in range(150):
                await driver.publish("a.b" if number % 2 else "other", b"v")
            assert len(await all_of(plain)) == 75
        assert kept() == 150
        assert len(await all_of(pattern)) == 75
        assert kept() == 50
    assert kept() == 0
    async with driver.subscribe("a.b"):
        async with driver.subscribe_pattern(">"):
            await driver.publish("a.b", b"v")
            await driver.publish("other", b"v")
            assert kept() == 2
        assert kept() == 1


# Attributes


@everywhere
async def test_attributes_are_compared_whole(world: World) -> None:
    one, two = await pubsub(world), await pubsub(world)
    sent: list[dict[str, str] | None] = [None, {}, {"a": "b"}, {"a": ""}, {"A": "b"}, {"a": "b", "c": "d"}, {"b": "a"}, {"a": "b "}]
    asked: list[tuple[dict[str, str], list[int]]] = [
        ({}, list(range(8))),
        ({"a": "b"}, [2, 5]),
        ({"a": ""}, [3]),
        ({"a": "b", "c": "d"}, [5]),
        ({"a": "*"}, []),
        ({"c": ""}, []),
    ]
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(one.subscribe_filtered("t", attributes)) for attributes, _ in asked]
        for number, headers in enumerate(sent):
            await two.publish("t", b"%d" % number, headers)
        await two.publish("u", b"other", {"a": "b", "c": "d"})
        for subscription, (attributes, numbers) in zip(entered, asked, strict=True):
            got = [await subscription.receive(LONG_S) for _ in numbers]
            assert [(m.payload, m.headers) for m in got if m] == [(b"%d" % n, sent[n] or {}) for n in numbers], attributes
            assert await subscription.receive() is None


@everywhere
async def test_attributes_are_refused_as_headers_are_and_kept_as_a_copy(world: World) -> None:
    driver = await pubsub(world)
    for attributes, error in (
        ({"": "b"}, InvalidName),
        ({"a": "\ud800"}, ValueError),
        ({"a": "b" * 8192}, PayloadTooLarge),
        (None, TypeError),
    ):
        await expect(error, driver.subscribe_filtered("t", attributes).__aenter__())  # type: ignore[arg-type]
    await expect(InvalidName, driver.subscribe_filtered("", {}).__aenter__())
    attributes = {"a": "b"}
    async with driver.subscribe_filtered("t", attributes) as subscription:
        attributes["a"] = "c"
        await driver.publish("t", b"1", {"a": "b"})
        assert await all_of(subscription) == ["1"]
        await driver.close()
    await expect(Closed, driver.subscribe_filtered("t", {}).__aenter__())


# Ordering keys


async def fill(driver: PubSub, *named: str) -> None:
    """Publish messages: the first letter is the key, a dot is none."""
    for name in named:
        if name[0] == ".":
            await driver.publish_persistent("t", name.encode())
        else:
            await driver.publish_ordered("t", name[0], name.encode(), {"h": name})


@everywhere
async def test_one_message_of_a_key_at_a_time_and_others_beside_it(world: World) -> None:
    one, two = await pubsub(world), await pubsub(world)
    async with one.subscribe_durable("t", "n") as member, two.subscribe_durable("t", "n") as other:
        await fill(two, "a1", "a2", ".1", "b1", "a3", "b2", ".2")
        first = await member.receive(10)
        assert texts(first) == [("a1", 1), (".1", 1), ("b1", 1), (".2", 1)]
        assert first[0].message.headers == {"h": "a1"}
        assert await other.receive(10) == []
        await member.ack(first[1])
        assert await other.receive(10) == []
        await member.ack(first[0])
        second = await other.receive(10)
        assert texts(second) == [("a2", 1)]
        await member.nack(first[2])
        again = await other.receive(10)
        assert texts(again) == [("b1", 2)]
        await other.ack(*second, *again)
        assert texts(await member.receive(1)) == [("a3", 1)]
        assert texts(await member.receive(1)) == [("b2", 1)]
        await member.ack(first[0], *second, *again)
        assert await member.receive(10) == []


@in_virtual_time
async def test_an_ack_wakes_who_waits_for_the_next_of_the_key(world: World) -> None:
    one, two = await pubsub(world), await pubsub(world)
    async with one.subscribe_durable("t", "n") as member, two.subscribe_durable("t", "n") as other:
        await fill(one, "a1", "a2")
        first = await member.receive(10)
        task = asyncio.create_task(other.receive(10, 86_400))
        await asyncio.sleep(3600)
        assert not task.done()
        before_ns = world.clock.now_ns()
        await member.ack(*first)
        assert texts(await task) == [("a2", 1)]
        assert world.clock.now_ns() - before_ns < 1_000_000_000


@in_virtual_time
async def test_a_delay_holds_its_key_and_leaving_gives_it_back_first(world: World) -> None:
    driver = await pubsub(world)
    async with driver.subscribe_durable("t", "n") as member:
        await fill(driver, "a1", "a2", "b1")
        held = await member.receive(10)
        await member.nack(held[0], delay_s=100)
        await member.ack(held[1])
        assert await member.receive(10) == []
        world.wait(99)
        await fill(driver, "a3", "b2")
        assert texts(await member.receive(10)) == [("b2", 1)]
        world.wait(1.1)
        assert texts(await member.receive(10)) == [("a1", 2)]
    async with driver.subscribe_durable("t", "n") as member:
        assert texts(await member.receive(10)) == [("a1", 3), ("b2", 2)]


@everywhere
async def test_keys_are_those_of_their_topic_and_subscription(world: World) -> None:
    driver = await pubsub(world)
    await fill(driver, "a1", "a2")
    async with (
        driver.subscribe_durable("t", "early", "earliest") as early,
        driver.subscribe_durable("t", "new") as new,
        driver.subscribe_durable("u", "n") as elsewhere,
    ):
        assert texts(await early.receive(10)) == [("a1", 1)]
        await fill(driver, "a3")
        last = await driver.publish_ordered("u", "a", b"u1")
        assert texts(await new.receive(10)) == [("a3", 1)]
        assert texts(await elsewhere.receive(10)) == [("u1", 1)]
        assert await driver.last_message_id("u") == last
    await expect(InvalidName, driver.publish_ordered("t", "", b""))
    await expect(InvalidName, driver.publish_ordered("t", "é" * 257, b""))
    await expect(InvalidName, driver.publish_ordered("", "a", b""))
    await driver.close()
    await expect(Closed, driver.publish_ordered("t", "a", b""))


@everywhere
async def test_a_long_line_of_one_key_is_passed_at_once(world: World) -> None:
    driver = await pubsub(world)
    async with driver.subscribe_durable("t", "n") as member:
        await fill(driver, *(f"a{number}" for number in range(300)), "b", ".")
        held = await member.receive(1)
        assert texts(await member.receive(1)) == [("b", 1)]
        assert texts(await member.receive(1)) == [(".", 1)]
        for number in range(1, 300):
            await member.ack(*held)
            held = await member.receive(2)
            assert texts(held) == [(f"a{number}", 1)]


@in_virtual_time
async def test_programs_keep_the_order_of_every_key_and_lose_nothing(world: World) -> None:
    driver = await pubsub(world)
    for seed in range(40):
        await program(world, driver, random.Random(seed), f"n{seed}")


async def program(world: World, driver: PubSub, draw: random.Random, name: str) -> None:
    """Members of one subscription take, confirm and give back; at every delivery all earlier messages of its key are acked."""
    published: list[str] = []
    acked: set[str] = set()
    held: list[tuple[Deliveries, Delivery]] = []
    members: list[tuple[AsyncExitStack, Deliveries]] = []

    async def join() -> None:
        stack = AsyncExitStack()
        members.append((stack, await stack.enter_async_context(driver.subscribe_durable("t", name))))

    async def take(most: int) -> int:
        member = draw.choice(members)[1]
        found = await member.receive(most)
        for delivery in found:
            text = delivery.message.payload.decode()
            earlier = published[: published.index(text)]
            assert text[0] == "." or not [other for other in earlier if other[0] == text[0] and other not in acked]
            assert text not in acked
            held.append((member, delivery))
        assert len({d.message.payload for _, d in held}) == len(held)
        return len(found)

    await join()
    for step in range(60):
        action = draw.choice(["publish", "publish", "take", "take", "ack", "ack", "nack", "delay", "join", "leave"])
        if action == "publish":
            published.append(f"{draw.choice('ab.')}{name}-{step}")
            await fill(driver, published[-1])
        elif action == "take":
            await take(draw.randint(1, 4))
        elif action == "join":
            await join()
        elif action == "leave" and len(members) > 1:
            stack, member = members.pop(draw.randrange(len(members)))
            await stack.aclose()
            held = [(holder, delivery) for holder, delivery in held if holder is not member]
        elif held and action in ("ack", "nack", "delay"):
            member, delivery = held.pop(draw.randrange(len(held)))
            if action == "ack":
                await member.ack(delivery)
                acked.add(delivery.message.payload.decode())
            else:
                await member.nack(delivery, delay_s=1.0 if action == "delay" else 0)
    world.wait(2)
    while held or await take(3):
        member, delivery = held.pop()
        await member.ack(delivery)
        acked.add(delivery.message.payload.decode())
    assert acked == set(published)
    for stack, _ in members:
        await stack.aclose()
