"""Publish and subscribe over a Valkey whose server, connections or members die."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from awaiting import changed, expect, until
from pubsub_redis_world import LONG_S, fill, members_key, name_of, own_server, pubsub, run, texts
from redis_store import World, over_valkey, serving

from prism_backends.redis import feed, members
from prism_testkit.interfaces.errors import BackendUnavailable, PrismError


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


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
    await until(lambda: asyncio.all_tasks() == before)  # a sign that was being given ends a few turns later


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
            patch.setattr(feed, "_PING_S", 0.05)  # the first pause begins with the subscription
            async with own_server(tmp_path) as (server, driver), driver.subscribe("t") as subscription:
                os.kill(server.pid, signal.SIGSTOP)
                try:
                    patch.setattr(feed, "TIMEOUT_S", 0.2)
                    await until(lambda: subscription.gaps > 0)
                finally:
                    patch.undo()  # before it is asked again: who answers has the time for it
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
            await asyncio.sleep(0)
            process.kill()
            assert texts(await waiting) == [("a", 2)]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
