"""Durable subscriptions over a real Valkey: who holds what, and who is woken."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from awaiting import at_rest, expect
from pubsub_redis_world import LONG_S, another, fields, fill, members_key, name_of, pubsub, texts
from redis_store import World, over_valkey, serving

from prism_backends.living import within
from prism_backends.redis import members
from prism_testkit.interfaces.errors import BackendUnavailable, Closed
from prism_testkit.interfaces.pubsub import Delivery


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


@pytest.fixture(autouse=True)
def nobody_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has to is made to: a machine that stands still for some seconds kills no member here."""
    monkeypatch.setattr(members, "_ALIVE_US", 3_600_000_000)


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
        await member.nack(a, delay_s=3600)
        (b,) = await member.receive()
        assert texts([b]) == [("b", 1)]
        loop = asyncio.get_running_loop()
        before = loop.time()
        await member.nack(b, delay_s=0.3)
        assert texts(await member.receive(1, LONG_S)) == [("b", 2)]
        assert loop.time() - before >= 0.3
        assert await member.receive() == []


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
    """Told whenever it is, between two looks or during one: the looks are made to be an hour apart."""
    driver, other = pubsub(world), await another(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_LOOK_S", 3600)
        async with driver.subscribe_durable("t", "n") as member:
            for number in range(200):
                receiving = asyncio.create_task(member.receive(1, 3600))
                await asyncio.sleep(0)
                await other.publish_persistent("t", b"%d" % number)
                got = await asyncio.wait_for(receiving, LONG_S)
                assert texts(got) == [(str(number), 1)]
                await member.ack(*got)


@over_valkey
async def test_a_member_is_woken_for_what_comes_back(world: World) -> None:
    driver, other = pubsub(world), await another(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_LOOK_S", 3600)
        async with driver.subscribe_durable("t", "n") as waits, contextlib.AsyncExitStack() as stack:
            holds = await stack.enter_async_context(other.subscribe_durable("t", "n"))
            ways: list[Callable[[list[Delivery]], Awaitable[None]]] = [lambda held: holds.nack(*held), lambda held: stack.aclose()]
            for give_back in ways:
                await fill(driver, "a")
                held = await holds.receive()
                receiving = asyncio.create_task(waits.receive(1, 3600))
                await at_rest(receiving)  # were it later, it would find the message and this test nothing
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
