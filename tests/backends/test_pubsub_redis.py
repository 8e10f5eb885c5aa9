"""Publish and plain subscriptions over a real Valkey, refusals, and what is kept."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from awaiting import at_rest, changed, expect, step
from pubsub_redis_world import LONG_S, another, fields, fill, pubsub, texts
from redis.asyncio.connection import AbstractConnection
from redis_store import World, over_valkey, serving

from prism_backends.redis import listening
from prism_backends.redis.envelope import opened, sealed
from prism_backends.redis.globs import glob_of
from prism_testkit.interfaces.errors import Closed, InvalidName, PayloadTooLarge


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


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
        iterating = asyncio.create_task(step(leaves))
        await at_rest(receiving, iterating)
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
        await at_rest(receiving, waiting)
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
