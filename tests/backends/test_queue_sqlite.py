"""The SQLite queues over a real thread and a real clock: cancellation inside of a transaction, and what another process does."""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from awaiting import HANGS_S, expect
from queue_world import World, cancelled_after, connected, driver_of, resting

import prism_testkit as prism
from prism_backends.sqlite import SqliteClient, SqliteQueue, sqlite
from prism_testkit.interfaces import QueueMessage
from prism_testkit.interfaces.errors import Conflict, QuotaExceeded

THERE = "prism00000001000qqqqqqqr"


def place_of(directory: Path) -> prism.Place:
    """Return the place as one process has it: nothing but the file is shared with others."""
    return prism.Place(directory=directory, shared={}, clock=prism.RealClock())


def over_threads(scenario: Callable[[World], Awaitable[None]]) -> Callable[[Path], None]:
    """Make a plain test of a scenario, run over a real loop, thread and clock."""

    async def play(directory: Path) -> None:
        async with connected(sqlite, place_of(directory)) as world:
            await scenario(world)

    def test(tmp_path: Path) -> None:
        asyncio.run(asyncio.wait_for(play(tmp_path), HANGS_S))

    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return test


@contextlib.contextmanager
def stranger(world: World) -> Iterator[sqlite3.Connection]:
    """Open the file as a stranger would."""
    path = world.place.directory / "prism.sqlite"
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        yield connection


def rows(connection: sqlite3.Connection) -> dict[str, int]:
    tables = ("queue_messages", "queue_policies", "queue_counters")
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


@over_threads
async def test_a_take_cancelled_while_it_waits_for_its_turn_is_rolled_back(world: World) -> None:
    for kind in ("dequeue", "receive"):
        await world.q.enqueue("q", b"m")
        with stranger(world) as connection:
            version = connection.execute("PRAGMA data_version").fetchall()
            connection.execute("BEGIN IMMEDIATE")
            call: Any = world.q.dequeue("q") if kind == "dequeue" else world.q.receive("q", 100)
            task = asyncio.create_task(call)
            for _ in range(3):  # whoever is impatient must not leave the outcome open
                await asyncio.sleep(0)
                task.cancel()
            assert not task.done()
            connection.execute("COMMIT")
            await expect(asyncio.CancelledError, task)
            assert connection.execute("PRAGMA data_version").fetchall() == version
        lease = await world.leased("q")
        assert (lease.message.payload, lease.attempt) == (b"m", 1)
        await world.q.ack(lease)


@over_threads
async def test_nothing_is_lost_or_doubled_among_takers_that_are_cancelled(world: World) -> None:
    dice = random.Random(5)
    clients = [world.q, await world.client(), await world.client()]
    wanted = [await world.q.enqueue("q", b"%d" % number) for number in range(60)]
    found: list[str] = []

    async def take() -> None:
        steps = None if dice.random() < 0.2 else dice.randrange(60)
        message = await cancelled_after(steps, dice.choice(clients).dequeue("q", dice.choice((0, 0.01))))
        if message is not None:
            found.append(message.id)

    while len(found) < 40:
        await asyncio.gather(*(take() for _ in range(10)))
    while (message := await world.q.dequeue("q")) is not None:
        found.append(message.id)
    assert len(found) == len(wanted)
    assert set(found) == set(wanted)


@over_threads
async def test_a_loop_that_ends_with_takes_under_way_loses_nothing(world: World) -> None:
    """As `asyncio.run` does it: every task there is gets cancelled at once."""
    for number in range(30):
        await world.q.enqueue("q", b"%d" % number)
    for steps in range(30):
        here = asyncio.all_tasks()
        takers = [asyncio.create_task(world.q.dequeue("q")) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - here:
            task.cancel()
        taken = await asyncio.gather(*takers, return_exceptions=True)
        for message in taken:
            if isinstance(message, QueueMessage):
                await world.q.enqueue("q", message.payload)
    assert sorted(map(int, await world.drained("q"))) == list(range(30))


@over_threads
async def test_a_take_that_waits_is_woken_by_another_process(world: World) -> None:
    async with connected(sqlite, place_of(world.place.directory)) as elsewhere:
        task = asyncio.create_task(world.q.dequeue("q", 50))
        await resting(world.q, "q")
        await elsewhere.q.enqueue("q", b"m")
        assert await task
        await elsewhere.q.enqueue("q", b"n")
        lease = await elsewhere.q.receive("q", 0.2)
        assert lease is not None
        assert await world.q.dequeue("q", 50)
        await expect(Conflict, elsewhere.q.ack(lease))


@over_threads
async def test_what_is_done_is_in_the_file_for_the_next_process(world: World) -> None:
    await world.q.configure_dead_letter("q", "dead", 2)
    for payload in (b"taken", b"released", b"held", b"acked"):
        await world.q.enqueue("q", payload)
    await world.q.enqueue_delayed("q", b"delayed", delay_s=1000)
    await world.q.dequeue("q")
    released, held, acked = [await world.leased("q") for _ in range(3)]
    await world.q.release(released)
    await world.q.ack(acked)
    async with connected(sqlite, place_of(world.place.directory)) as later:
        assert await later.q.scheduled_count("q") == 1
        await expect(Conflict, later.q.ack(acked))
        again = await later.leased("q")
        assert (again.message.payload, again.attempt) == (b"released", 2)
        assert await later.q.dequeue("q") is None
        await later.q.release(again)
        assert [each.payload for each in await later.q.dead_letters("q")] == [b"released"]
        await later.q.ack(held)
        fresh = await later.q.enqueue("q", b"fresh")
        assert fresh not in {lease.message.id for lease in (released, held, acked)}


@over_threads
async def test_clean_takes_all_of_a_namespace_and_nothing_else(world: World) -> None:
    other = driver_of(sqlite, world.connections[0], THERE)
    for driver in (world.q, other):
        await driver.configure_dead_letter("q", "dead", 2)
        await driver.enqueue("q", b"m")
    assert sqlite.clean is not None
    with stranger(world) as connection:
        assert set(rows(connection).values()) == {2}
        await sqlite.clean(world.connections[0], world.namespace)
        assert set(rows(connection).values()) == {1}
    assert await world.q.peek("q") is None
    assert await other.peek("q")


@over_threads
async def test_idle_takers_and_lookers_write_nothing(world: World) -> None:
    """A file that another process is writing to can be looked at, and waited on."""
    assert isinstance(world.q, SqliteQueue)
    await world.q.enqueue("other", b"m")
    task = asyncio.create_task(world.q.dequeue("q", 50))
    await resting(world.q, "q")
    with stranger(world) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert await world.q.peek("other")
        assert await world.q.dead_letters("other") == []
        assert await world.q.scheduled_count("other") == 0
        looks = 0
        look = world.q._look

        async def counted(operation: str, queue: str, step: Any) -> Any:
            nonlocal looks
            looks += operation == "dequeue"
            return await look(operation, queue, step)

        world.q._look = counted  # type: ignore[method-assign]
        while looks < 3:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.01)
        assert not task.done()
        connection.execute("COMMIT")
    await world.q.enqueue("q", b"m")
    assert await task


@over_threads
async def test_what_cannot_be_put_back_is_not_hidden(world: World) -> None:
    """A full disk while a cancelled dequeue is undone: the caller hears of it instead of a cancellation that took nothing."""
    client = world.connections[0]
    assert isinstance(client, SqliteClient)
    loop = asyncio.get_running_loop()

    def take(connection: sqlite3.Connection, now_s: float) -> str:
        return "taken"

    def undo(taken: str) -> Callable[[sqlite3.Connection, float], None]:
        def work(connection: sqlite3.Connection, now_s: float) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
            connection.execute("INSERT INTO keyvalue VALUES (x'00', x'00', NULL, zeroblob(1000000))")

        return work

    # Cancelled in the turn of the loop after the one in which the thread ended: too late to roll back, too early to return.
    ended = asyncio.Event()
    write = client._write

    def told(work: Any) -> Any:
        result = write(work)
        loop.call_soon_threadsafe(ended.set)
        return result

    client._write = told  # type: ignore[method-assign]
    task = asyncio.create_task(client.take("dequeue", take, undo))
    await ended.wait()
    task.cancel()
    await expect(QuotaExceeded, task)
