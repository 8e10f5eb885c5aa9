"""Publish and subscribe over a real Valkey."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from awaiting import changed, expect
from redis.asyncio.connection import AbstractConnection
from redis_store import World, connected, name, over_valkey, private, serving

from prism_backends.living import within
from prism_backends.redis import RedisPubSub, feed, listening, members
from prism_backends.redis.envelope import opened, sealed
from prism_backends.redis.globs import glob_of
from prism_backends.valkey import ValkeyPubSub
from prism_testkit.interfaces.errors import BackendUnavailable, Closed, InvalidName, PayloadTooLarge, PrismError
from prism_testkit.interfaces.pubsub import Deliveries, Delivery

LONG_S = 30.0
"""Longer than anything here takes: what is waited for comes before."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def run(main: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, 60)

    asyncio.run(bounded())


def pubsub(world: World) -> RedisPubSub:
    return ValkeyPubSub(world.raw, world.namespace)


async def another(world: World) -> RedisPubSub:
    """Return a driver over connections of its own."""
    return ValkeyPubSub(await world.stack.enter_async_context(connected(world.url)), world.namespace)


def texts(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(delivery.message.payload.decode(), delivery.delivery_count) for delivery in deliveries]


async def fill(driver: RedisPubSub, *payloads: str, topic: str = "t") -> list[str]:
    return [await driver.publish_persistent(topic, payload.encode()) for payload in payloads]


# Plain subscriptions


@over_valkey
async def test_each_subscription_gets_each_message_in_order_from_its_entry_on(world: World) -> None:
    one, two = pubsub(world), await another(world)
    await one.publish("t", b"before")
    async with one.subscribe("t") as first, two.subscribe("t") as second:
        ids = [await one.publish("t", b"%d" % number, {"n": str(number), "é\0": ""}) for number in range(250)]
        await two.publish("u", b"elsewhere")
        for subscription in (first, second):
            got = [await subscription.receive() for _ in ids]
            assert [message.id for message in got if message] == ids
            assert [(m.payload, m.headers["n"], m.topic) for m in got if m] == [(b"%d" % n, str(n), "t") for n in range(250)]
            assert await subscription.receive() is None
            assert subscription.gaps == 0


@over_valkey
async def test_what_was_published_before_a_look_is_never_missed_by_it(world: World) -> None:
    """It is published without a turn for anybody else, so it is still on its way when the look begins."""
    driver = pubsub(world)
    address = urlsplit(world.url)
    command = [b"PUBLISH", f"{world.namespace}.pubsub:plain:t".encode(), sealed({"id": "1", "headers": {}}, b"v")]
    packet = b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in command)
    async with driver.subscribe("t") as subscription:
        with socket.create_connection((address.hostname, address.port)) as other:
            for _ in range(20):
                other.sendall(packet)
                assert other.recv(100) == b":1\r\n"
                got = await subscription.receive()
                assert got is not None
                assert got.payload == b"v"


@over_valkey
async def test_an_entry_waits_until_the_server_has_confirmed(world: World) -> None:
    driver = pubsub(world)
    send, late = AbstractConnection.send_command, []

    async def slowly(connection: AbstractConnection, *command: Any, **options: Any) -> None:
        if command[0] == "SUBSCRIBE":
            late.append(asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(send(connection, *command))))
        else:
            await send(connection, *command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "send_command", slowly)
        async with driver.subscribe("t") as subscription:
            assert late
            sent = await driver.publish("t", b"v")
            got = await subscription.receive()
            assert got is not None
            assert got.id == sent


@over_valkey
async def test_leaving_ends_what_waits_and_gives_the_connection_back(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as leaves:
        receiving = asyncio.create_task(leaves.receive(LONG_S))
        iterating = asyncio.create_task(anext(leaves, None))
        await asyncio.sleep(0.01)
    await expect(Closed, receiving)
    assert await iterating is None
    await expect(Closed, leaves.receive())

    async def nobody_listens() -> bool:
        return not await world.raw.execute_command("PUBSUB", "CHANNELS", f"{world.namespace}*")

    await changed(nobody_listens)


@over_valkey
async def test_a_cancelled_receive_takes_nothing_and_costs_no_connection(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as subscription:
        for turns in range(12):
            receiving = asyncio.create_task(subscription.receive())
            for _ in range(turns):
                await asyncio.sleep(0)
            receiving.cancel()
            assert (await asyncio.gather(receiving, return_exceptions=True))[0] is None or receiving.cancelled()
            sent = await driver.publish("t", b"v")
            got = await subscription.receive()
            assert got is not None
            assert got.id == sent
        assert subscription.gaps == 0


@over_valkey
async def test_a_full_buffer_drops_and_counts(world: World) -> None:
    driver = pubsub(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "_BUFFER_BYTES", 3000)
        async with driver.subscribe("t") as subscription:
            sent = [await driver.publish("t", bytes(900)) for _ in range(5)]

            async def dropped() -> bool:
                return subscription.gaps == 2

            await changed(dropped)
            got = [message.id for _ in range(3) if (message := await subscription.receive())]
            assert got == sent[:3]
            assert await subscription.receive() is None
            last = await driver.publish("t", bytes(900))
            message = await subscription.receive()
            assert message is not None
            assert message.id == last
            assert subscription.gaps == 2


@over_valkey
async def test_what_is_not_wanted_takes_no_room_in_the_buffer(world: World) -> None:
    driver = pubsub(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "_BUFFER_BYTES", 3000)
        async with driver.subscribe_filtered("t", {"a": "1"}) as filtered, driver.subscribe_pattern("*.b") as matching:
            for _ in range(5):
                await driver.publish("t", bytes(900))
                await driver.publish("a.b.c", bytes(900))
            sent = [await driver.publish("t", bytes(900), {"a": "1"}), await driver.publish("a.b", bytes(900))]
            got = [await each.receive(LONG_S) for each in (filtered, matching)]
            assert [message and message.id for message in got] == sent
            assert (filtered.gaps, matching.gaps) == (0, 0)


@pytest.mark.parametrize(
    ("pattern", "glob"),
    [
        ("a.b", rb"p:a.b"),
        ("*", rb"p:*"),
        (">", rb"p:*"),
        ("a.*", rb"p:a.*"),
        ("a.*.c.*.>", rb"p:a.*"),
        (".>", rb"p:.*"),
        ("a*", rb"p:a\*"),
        (r"[x]?\.*", rb"p:\[x\]\?\\.*"),
    ],
)
def test_a_pattern_costs_the_server_one_star_at_most(pattern: str, glob: bytes) -> None:
    assert glob_of(b"p:", pattern.split(".")) == glob


@over_valkey
async def test_a_strangers_message_counts_as_one_that_may_be_missing(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as subscription:
        for junk in (b"", b"no envelope", sealed({}, b"")):
            await world.raw.execute_command("PUBLISH", f"{world.namespace}.pubsub:plain:t", junk)
        sent = await driver.publish("t", b"v")
        got = await subscription.receive()
        assert got is not None
        assert got.id == sent
        assert subscription.gaps == 3


@over_valkey
async def test_a_connection_that_is_cut_is_made_again_and_counted_once(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe("t") as subscription, driver.subscribe_durable("t", "n") as member:
        receiving = asyncio.create_task(subscription.receive(LONG_S))
        waiting = asyncio.create_task(member.receive(1, LONG_S))
        await asyncio.sleep(0.01)
        await world.raw.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        async def back() -> bool:
            return bool(await world.raw.execute_command("PUBLISH", f"{world.namespace}.pubsub:plain:u", b"")) or bool(
                (await world.raw.execute_command("PUBSUB", "NUMSUB", f"{world.namespace}.pubsub:plain:t"))[1]
            )

        await changed(back)
        assert subscription.gaps == 1
        sent = await driver.publish("t", b"v")
        got = await receiving
        assert got is not None
        assert got.id == sent
        await fill(driver, "a")
        assert texts(await waiting) == [("a", 1)]
        assert subscription.gaps == 1


def test_an_envelope_is_refused_if_it_is_none() -> None:
    assert opened(sealed({"é": 1}, b"\0")) == ({"é": 1}, b"\0")
    for junk in (b"", b"\0\0\0", b"\0\0\0\x02[]", b"\0\0\0\x09{}"):
        with contextlib.suppress(ValueError):
            assert opened(junk) == ({}, b"")


# Durable subscriptions


@over_valkey
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


@over_valkey
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


@over_valkey
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


@over_valkey
async def test_topics_and_names_do_not_mix(world: World) -> None:
    driver = pubsub(world)
    async with (
        driver.subscribe_durable("ab", "c") as one,
        driver.subscribe_durable("a", "bc") as two,
        driver.subscribe_durable("a", "1:bc") as three,
    ):
        await fill(driver, "x", topic="ab")
        await fill(driver, "y", topic="a")
        assert texts(await one.receive(10)) == [("x", 1)]
        assert texts(await two.receive(10)) == [("y", 1)]
        assert texts(await three.receive(10)) == [("y", 1)]


@over_valkey
async def test_a_nacked_message_keeps_its_delay_and_holds_up_nobody(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a", "b")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        (a,) = await member.receive()
        loop = asyncio.get_running_loop()
        before = loop.time()
        await member.nack(a, delay_s=0.3)
        assert texts(await member.receive()) == [("b", 1)]
        assert texts(await member.receive(1, LONG_S)) == [("a", 2)]
        assert loop.time() - before >= 0.3


@over_valkey
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


@over_valkey
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


@over_valkey
async def test_a_member_is_woken_and_does_not_look_again_and_again(world: World) -> None:
    """With a look a second, a thousand messages that each have to be waited for take their time unless each wakes."""
    driver, other = pubsub(world), await another(world)
    async with driver.subscribe_durable("t", "n") as member:
        for number in range(200):
            receiving = asyncio.create_task(member.receive(1, LONG_S))
            await asyncio.sleep(0)
            await other.publish_persistent("t", b"%d" % number)
            got = await receiving
            assert texts(got) == [(str(number), 1)]
            await member.ack(*got)


@over_valkey
async def test_a_member_is_woken_for_what_comes_back(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_LOOK_S", 3600)
        patch.setattr(members, "_ALIVE_US", 3_600_000_000)
        async with driver.subscribe_durable("t", "n") as waits, contextlib.AsyncExitStack() as stack:
            holds = await stack.enter_async_context(other.subscribe_durable("t", "n"))
            ways: list[Callable[[list[Delivery]], Awaitable[None]]] = [lambda held: holds.nack(*held), lambda held: stack.aclose()]
            for give_back in ways:
                await fill(driver, "a")
                held = await holds.receive()
                receiving = asyncio.create_task(waits.receive(1, 3600))
                await asyncio.sleep(0.05)  # it waits; were it later, it would find the message and this test nothing
                await give_back(held)
                got = await asyncio.wait_for(receiving, LONG_S)
                assert texts(got) == [("a", 2)]
                await waits.ack(*got)


@over_valkey
async def test_a_receive_cancelled_at_any_turn_takes_nothing(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest") as member, other.subscribe_durable("t", "n") as second:
        for turns in range(40):
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


@over_valkey
async def test_leaving_at_any_turn_of_a_receive_ends_it_and_loses_nothing(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    async with other.subscribe_durable("t", "n", "earliest") as stays:
        for turns in range(30):
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


@over_valkey
async def test_a_take_whose_reply_was_lost_is_put_back_by_the_next(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        execute = world.raw.execute_command

        async def lose(*command: Any, **options: Any) -> Any:
            await execute(*command, **options)
            raise ConnectionResetError("the reply was lost")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.raw, "execute_command", lose)
            await expect(BackendUnavailable, member.receive())
        assert texts(await member.receive()) == [("a", 1)]


@over_valkey
async def test_a_take_that_comes_behind_its_own_undoing_takes_nothing(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest") as entered:
        member = within(entered)
        assert isinstance(member, members.Member)
        await member._undo(1)
        assert await member.receive() == []  # the first take of this member
        assert texts(await member.receive()) == [("a", 1)]
        await member._undo(1)  # late itself: the second take came before it, and a copy of that is still refused
        await fill(driver, "b")
        assert await member._ask(2, 1) == [b"-1"]
        assert texts(await member.receive()) == [("b", 1)]


@over_valkey
async def test_a_member_that_gives_no_sign_of_life_loses_what_it_holds_and_may_come_back(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    await fill(driver, "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_BEAT_S", 3600)
        async with driver.subscribe_durable("t", "n", "earliest") as silent:
            held = await silent.receive()
            async with other.subscribe_durable("t", "n") as waits:
                # As if its time were over.
                await world.raw.execute_command("ZADD", await members_key(world), "XX", 1, name_of(silent))
                assert texts(await waits.receive(1, LONG_S)) == [("a", 2)]
                assert f"take:{name_of(silent)}".encode() not in await fields(world)
                await silent.ack(*held)
                await silent.nack(*held)
                assert await silent.receive() == []
            assert texts(await silent.receive()) == [("a", 3)]


async def members_key(world: World) -> bytes:
    (key,) = [key async for key in world.raw.scan_iter(f"{world.namespace}.pubsub:members:*")]
    assert isinstance(key, bytes)
    return key


async def fields(world: World) -> set[bytes]:
    (key,) = [key async for key in world.raw.scan_iter(f"{world.namespace}.pubsub:state:*")]
    return set(await world.raw.execute_command("HKEYS", key))


def name_of(member: Deliveries) -> str:
    own = within(member)
    assert isinstance(own, members.Member)
    return own._name


@over_valkey
async def test_signs_of_life_are_given_while_nothing_is_called_and_end_with_the_member(world: World) -> None:
    driver, before = pubsub(world), asyncio.all_tasks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_BEAT_S", 0.01)
        async with driver.subscribe_durable("t", "n") as member:
            key = await members_key(world)
            first = await world.raw.execute_command("ZSCORE", key, name_of(member))

            async def later() -> bool:
                return float(await world.raw.execute_command("ZSCORE", key, name_of(member))) > float(first)

            await changed(later)
    assert asyncio.all_tasks() == before


@over_valkey
async def test_a_namespace_that_is_cleaned_under_a_member_stays_clean(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a", "b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_BEAT_S", 0.01)
        async with driver.subscribe_durable("t", "n", "earliest") as member:
            held = await member.receive()
            keys = [key async for key in world.raw.scan_iter(f"{world.namespace}*")]
            await world.raw.execute_command("UNLINK", *keys)
            assert await member.receive(1, 0.1) == []
            await member.nack(*held)
            await member.ack(*held)
    assert [key async for key in world.raw.scan_iter(f"{world.namespace}*")] == []


@over_valkey
async def test_what_is_confirmed_leaves_only_the_message(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe_durable("t", "n") as member:
        await fill(driver, "a", "b", "c")
        await member.ack(*await member.receive(3))
    kinds = {key.split(b":")[1] async for key in world.raw.scan_iter(f"{world.namespace}*")}
    assert kinds == {b"log", b"state"}
    assert await fields(world) == {b"position", b"nacks"}


@over_valkey
async def test_a_refusal_comes_before_any_effect(world: World) -> None:
    driver = pubsub(world)

    async def enter(topic: str, who: str, start: Any = "new") -> None:
        async with driver.subscribe_durable(topic, who, start):
            raise AssertionError("entered")

    await expect(InvalidName, driver.publish("", b""))
    await expect(PayloadTooLarge, driver.publish("t", bytes(1_000_001)))
    await expect(InvalidName, driver.publish_persistent("t", b"", {"\ud800": ""}))
    await expect(ValueError, driver.publish_persistent("t", b"", {"a": "\ud800"}))
    await expect(InvalidName, enter("t", ""))
    await expect(ValueError, enter("t", "n", "latest"))
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest") as member:
        await expect(ValueError, member.receive(0))
        (held,) = await member.receive(10**30)
        await expect(ValueError, member.nack(held, delay_s=float("inf")))
        await expect(TypeError, member.ack(held, "b"))  # type: ignore[arg-type]
        assert await member.receive() == []
        await member.nack(held, delay_s=1e300)
        assert await member.receive() == []


@over_valkey
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


# Servers and processes that die


@contextlib.asynccontextmanager
async def own_server(state: Path) -> AsyncIterator[tuple[Any, RedisPubSub]]:
    async with private(state) as (server, kv):
        yield server, ValkeyPubSub(kv.client, name())


def test_over_a_kill_of_the_server_subscriptions_go_on_and_nothing_confirmed_comes_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with own_server(tmp_path) as (server, driver):
            async with driver.subscribe("t") as subscription, driver.subscribe_durable("t", "n") as member:
                await fill(driver, "a", "b", "c")
                a, b = await member.receive(2)
                await member.ack(a)
                await server.kill()
                calls: list[Callable[[], Awaitable[object]]] = [
                    lambda: driver.publish("t", b""),
                    lambda: driver.publish_persistent("t", b""),
                    lambda: member.receive(1, LONG_S),
                    lambda: member.ack(b),
                    lambda: driver.last_message_id("t"),
                ]
                for call in calls:
                    await expect(BackendUnavailable, call())
                await expect(BackendUnavailable, driver.subscribe("t").__aenter__())
                assert await subscription.receive() is None
                await server.restart()
                await driver.publish("t", b"perhaps missed")

                async def heard() -> bool:
                    await driver.publish("t", b"again")
                    return await subscription.receive() is not None

                await changed(heard)
                assert subscription.gaps == 1
                await member.ack(b)
                assert texts(await member.receive(10, LONG_S)) == [("c", 1)]
            async with driver.subscribe_durable("t", "n") as member:
                assert texts(await member.receive(10)) == [("c", 2)]

    run(main())


def test_leaving_while_the_server_is_away_is_no_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with own_server(tmp_path) as (server, driver):
            async with driver.subscribe("t"), driver.subscribe_durable("t", "n"):
                await server.kill()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_connection_on_which_nothing_comes_any_more_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feed, "_PING_S", 0.05)
            patch.setattr(feed, "TIMEOUT_S", 0.2)
            async with own_server(tmp_path) as (server, driver), driver.subscribe("t") as subscription:
                os.kill(server.pid, signal.SIGSTOP)
                try:

                    async def lost() -> bool:
                        return subscription.gaps > 0

                    await changed(lost)
                finally:
                    os.kill(server.pid, signal.SIGCONT)

                async def heard() -> bool:
                    with contextlib.suppress(PrismError):
                        await driver.publish("t", b"v")
                    return await subscription.receive() is not None

                await changed(heard)

    run(main())


HOLDER = """
import asyncio, pathlib, sys
import prism_testkit as prism
from prism_backends.valkey import ValkeyPubSub, valkey

async def main():
    place = prism.Place(url=sys.argv[1], directory=pathlib.Path(), shared={}, clock=prism.RealClock())
    async with valkey.connect(place) as client:
        async with ValkeyPubSub(client, sys.argv[2]).subscribe_durable("t", "n") as member:
            print(len(await member.receive(1, 60)), flush=True)
            await asyncio.sleep(3600)

asyncio.run(main())
"""


@over_valkey
async def test_what_a_killed_process_held_comes_to_who_waits(world: World) -> None:
    driver = pubsub(world)
    await fill(driver, "a")
    async with driver.subscribe_durable("t", "n", "earliest"):
        pass
    arguments = [sys.executable, "-c", HOLDER, world.url, world.namespace]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"1\n"
        async with driver.subscribe_durable("t", "n") as member:
            waiting = asyncio.create_task(member.receive(1, LONG_S))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            process.kill()
            assert texts(await waiting) == [("a", 2)]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@over_valkey
async def test_a_long_line_is_passed_in_several_takes_of_one_receive(world: World) -> None:
    driver = pubsub(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_MOST_STEPS", 3)
        async with driver.subscribe_durable("t", "s") as member:
            for number in range(20):
                await driver.publish_ordered("t", "k", b"%d" % number)
            held = await member.receive(5)
            assert texts(held) == [("0", 1)]
            await driver.publish_persistent("t", b"free")
            assert texts(await member.receive(5)) == [("free", 1)]
            await member.ack(*held)
            assert texts(await member.receive(5)) == [("1", 1)]


@over_valkey
async def test_of_a_line_that_was_confirmed_nothing_is_kept_for_the_subscription(world: World) -> None:
    driver = pubsub(world)
    async with driver.subscribe_durable("t", "s") as member:
        for number in range(10):
            await driver.publish_ordered("t", "ab"[number % 2], b"%d" % number)
        while got := await member.receive(5):
            await member.ack(*got)
        keys = await world.raw.execute_command("KEYS", f"{world.namespace}.pubsub:*")
        kinds = {key.split(b":")[1] for key in keys}
        assert kinds == {b"log", b"chain", b"state", b"members"}
