"""What SQLite adds to publish and subscribe: tables that do not grow, and processes that die."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded_stores import HERE, World, play, raw_sqlite

from prism_backends.sqlite import SqlitePubSub
from prism_backends.sqlite.presence import Presence, is_gone

BOTH_WAYS = pytest.mark.parametrize("store", ["sqlite-threads", "sqlite-virtual"])

OTHER = f"""
import asyncio, pathlib, sys
import prism_testkit as prism
from prism_backends.sqlite import SqlitePubSub, sqlite

async def main():
    place = prism.Place(directory=pathlib.Path(sys.argv[1]), shared={{}}, clock=prism.VirtualClock())
    async with sqlite.connect(place) as client:
        driver = SqlitePubSub(client, {HERE!r})
        async with driver.subscribe("t"), driver.subscribe_durable("t", "n") as member:
            held = await member.receive()
            print(*(delivery.message.payload.decode() for delivery in held), flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await driver.publish("t", b"plain")
            await driver.publish_persistent("t", b"durable")
            await asyncio.sleep(3600)

asyncio.run(main())
"""


def count(directory: Path, table: str) -> int:
    with raw_sqlite(directory) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


def strays(directory: Path, world: World) -> set[str]:
    """Return the files that are neither the store's nor locks that its client keeps for later."""
    store = {"prism.sqlite", "prism.sqlite-wal", "prism.sqlite-shm"}
    return {path.name for path in directory.iterdir()} - store - {f"prism.sqlite-{name.text}" for name in world.connection.spare}


@contextlib.contextmanager
def other_process(directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that has listened, and received what there was, until it is killed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", OTHER, str(directory)], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


@BOTH_WAYS
def test_a_message_is_kept_until_everybody_who_listens_has_it(store: str, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        await driver.publish("t", b"nobody listens")
        assert count(tmp_path, "pubsub_messages") == 0
        async with driver.subscribe("t") as slow:
            async with driver.subscribe("t") as quick:
                for _ in range(120):
                    await driver.publish("t", b"v")
                    assert await quick.receive() is not None
                assert count(tmp_path, "pubsub_messages") == 120
                for _ in range(120):
                    assert await slow.receive() is not None
                assert count(tmp_path, "pubsub_messages") < 120
                await driver.publish("t", b"last")
            assert await slow.receive() is not None
        assert count(tmp_path, "pubsub_messages") == 0
        assert count(tmp_path, "pubsub_listeners") == 0
        assert strays(tmp_path, world) == set()

    play(store, tmp_path, scenario)


@BOTH_WAYS
def test_what_is_confirmed_leaves_only_the_message(store: str, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        async with driver.subscribe_durable("t", "n") as member:
            for _ in range(3):
                await driver.publish_persistent("t", b"v")
            assert count(tmp_path, "pubsub_deliveries") == 0
            await member.ack(*await member.receive(2))
            await member.nack(*await member.receive(), delay_s=3600)
        assert count(tmp_path, "pubsub_deliveries") == 1
        assert count(tmp_path, "pubsub_members") == 0
        assert strays(tmp_path, world) == set()

    play(store, tmp_path, scenario)


@BOTH_WAYS
def test_what_a_killed_process_held_comes_again_and_nothing_is_kept_for_it(store: str, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        async with driver.subscribe_durable("t", "n") as member:
            await driver.publish_persistent("t", b"a")
            with other_process(tmp_path) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "a\n"
                await driver.publish("t", b"kept for the other one")
                assert await member.receive() == []
                assert count(tmp_path, "pubsub_messages") == 1
            (delivery,) = await member.receive()
            assert (delivery.message.payload, delivery.delivery_count) == (b"a", 2)
            assert count(tmp_path, "pubsub_members") == 1
        for _ in range(100):
            await driver.publish("t", b"v")
        assert count(tmp_path, "pubsub_messages") == 0
        assert count(tmp_path, "pubsub_listeners") == 0
        assert strays(tmp_path, world) == set()

    play(store, tmp_path, scenario)


def test_who_is_never_short_of_messages_still_gets_those_of_the_dead(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        async with driver.subscribe_durable("t", "n") as member:
            await driver.publish_persistent("t", b"a")
            with other_process(tmp_path) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "a\n"
            for number in range(9):
                await driver.publish_persistent("t", b"%d" % number)
            world.wait(1)
            assert [delivery.message.payload for delivery in await member.receive(2)] == [b"a", b"0"]

    play("sqlite-virtual", tmp_path, scenario)


def test_messages_come_from_another_process(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        async with driver.subscribe("t") as subscription, driver.subscribe_durable("t", "m") as member:
            with other_process(tmp_path) as process:
                assert process.stdout is not None
                assert process.stdin is not None
                process.stdout.readline()
                plain = asyncio.create_task(anext(subscription))
                durable = asyncio.create_task(member.receive(1, 3600))
                process.stdin.write("\n")
                process.stdin.flush()
                assert (await plain).payload == b"plain"
                assert [delivery.message.payload for delivery in await durable] == [b"durable"]

    play("sqlite-threads", tmp_path, scenario)


def test_to_wait_for_a_day_of_virtual_time_takes_few_looks(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver, company = (SqlitePubSub(world.connection, HERE) for _ in range(2))
        async with (
            driver.subscribe("t") as subscription,
            driver.subscribe_durable("t", "n") as member,
            company.subscribe_durable("t", "n"),
        ):
            await driver.publish_persistent("t", b"v")
            await member.nack(*await member.receive(), delay_s=43_200)
            loop = asyncio.get_running_loop()
            looks, run_in_executor = 0, loop.run_in_executor

            def counting(*arguments: Any) -> Any:
                nonlocal looks
                looks += 1
                return run_in_executor(*arguments)

            loop.run_in_executor = counting  # type: ignore[assignment]
            before = world.clock.now_ns()
            assert await subscription.receive(43_200) is None
            assert await member.receive(2, 86_400) != []
            assert looks < 100
            assert world.clock.now_ns() - before < 43_201_000_000_000

    play("sqlite-virtual", tmp_path, scenario)


def test_leaving_after_the_client_was_closed_is_no_error(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        async with driver.subscribe("t"), driver.subscribe_durable("t", "n"):
            await world.connection.close()
        assert strays(tmp_path, world) == set()

    play("sqlite-threads", tmp_path, scenario)


@BOTH_WAYS
def test_an_entry_cancelled_at_any_turn_leaves_nothing(store: str, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)

        async def enter() -> None:
            async with driver.subscribe_durable("t", "n"), driver.subscribe("t"):
                await asyncio.sleep(0)

        for turns in range(20):
            entering = asyncio.create_task(enter())
            for _ in range(turns):
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.gather(entering, return_exceptions=True)
            # Whatever was cancelled has been undone when this, behind it, is through.
            await driver.last_message_id("t")
            assert count(tmp_path, "pubsub_members") == 0
            assert count(tmp_path, "pubsub_listeners") == 0
        assert strays(tmp_path, world) == set()

    play(store, tmp_path, scenario)


def test_presence_is_shared_by_all_who_are_inside(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with raw_sqlite(tmp_path) as connection:
            client = world.connection
            presence = Presence(client)
            name = presence.enter(connection, "one")
            assert presence.enter(connection, "two") == name == presence.name
            presence.leave("one")
            assert presence.name == name
            presence.leave("two", left_rows=True)
            presence.leave("two")
            assert presence.name == ""
            assert is_gone(connection, name)
            assert presence.enter(connection, "three") != name, "its rows would be there for ever"
            presence.leave("three")

    play("sqlite-threads", tmp_path, scenario)


def test_a_name_that_nobody_needs_is_the_next_ones(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with raw_sqlite(tmp_path) as connection:
            one, two = Presence(world.connection), Presence(world.connection)
            name = one.enter(connection, "one")
            one.leave("one")
            assert two.enter(connection, "two") == name
            other = one.enter(connection, "one")
            assert other != name
            assert not is_gone(connection, name)
            two.leave("two")
            assert strays(tmp_path, world) == {f"prism.sqlite-{other}"}
            one.leave("one")

    play("sqlite-threads", tmp_path, scenario)
    assert {path.name for path in tmp_path.iterdir()} == {"prism.sqlite"}, "the client that kept them is closed"


def test_locks_of_processes_that_were_killed_are_swept(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        driver = SqlitePubSub(world.connection, HERE)
        (tmp_path / "prism.sqlite-0123456789abcdef").touch()
        (tmp_path / "prism.sqlite-of-somebody-else").touch()
        async with driver.subscribe("t"):
            assert not (tmp_path / "prism.sqlite-0123456789abcdef").exists()
            assert (tmp_path / "prism.sqlite-of-somebody-else").exists()

    play("sqlite-threads", tmp_path, scenario)
