"""The PostgreSQL drivers beyond what the suites see: the pool, cancelled statements, commits that cross, what the server tells."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from awaiting import HANGS_S, LONG_S, changed, expect, until
from postgres_store import World, connected, missing, name, over_postgres, serving

from prism_backends.postgres import PostgresKeyValue, PostgresPubSub, PostgresQueue, client
from prism_backends.postgres.connections import translated
from prism_backends.postgres.schema import NAME, lock_of
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.queue import QueueMessage

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a call that waits for a lock, or for the schema, do so until it is let go, however long a machine takes for that."""
    for module in ("client", "connections", "queue"):
        monkeypatch.setattr(f"prism_backends.postgres.{module}.TIMEOUT_S", HANGS_S)


@contextlib.asynccontextmanager
async def holding(world: World, statement: str) -> AsyncIterator[Any]:
    """Hold, over a connection of one's own, what a statement locks."""
    other = await asyncpg.connect(world.url, server_settings={"search_path": NAME})
    try:
        async with other.transaction():
            await other.execute(statement)
            yield other
    finally:
        await other.close()


_TURNS = 5
"""Of the loop: after so many a call that was cancelled has been told so, and waits for what it has to undo."""


async def waits(world: World, what: str, count: int = 1) -> None:
    """Return when so many statements on the server wait for a lock."""
    look = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
    other = await world.another()

    async def so_many_wait() -> bool:
        return bool(await other.value("look", look, f"%{what}%") == count)

    await changed(so_many_wait)


# The pool


@over_postgres
async def test_calls_beyond_the_pool_wait_for_their_turn(world: World) -> None:
    kv = PostgresKeyValue(world.client, world.namespace)
    async with holding(world, "LOCK TABLE keyvalue IN ACCESS EXCLUSIVE MODE"):
        calls = [asyncio.create_task(kv.set(f"k{number}", b"x")) for number in range(5 * client._CONNECTIONS)]
        await waits(world, "INSERT INTO keyvalue", client._CONNECTIONS)
        assert not any(call.done() for call in calls)
    await asyncio.gather(*calls)
    assert await kv.count() == len(calls)
    assert len(world.client._idle) == client._CONNECTIONS
    assert await world.client.value("look", "SELECT 1") == 1


@over_postgres
async def test_a_cancelled_call_gives_its_connection_back_and_has_no_effect(world: World) -> None:
    kv = PostgresKeyValue(world.client, world.namespace)
    await kv.batch_set({"k": b"before"})  # the statement is known now: what waits for the lock is what it does
    for _ in range(3 * client._CONNECTIONS):
        async with holding(world, "LOCK TABLE keyvalue IN ACCESS EXCLUSIVE MODE"):
            call = asyncio.create_task(kv.batch_set({"k": b"after", "l": b"after"}))
            await waits(world, "INSERT INTO keyvalue")
            call.cancel()
            await expect(asyncio.CancelledError, call)
            await waits(world, "INSERT INTO keyvalue", 0)  # what is cancelled on the server is so a little later
        assert await kv.batch_get(["k", "l"]) == {"k": b"before"}
    assert len(world.client._idle) == 1, "every call went over the first connection"


@over_postgres
async def test_one_that_waits_for_a_connection_may_be_cancelled(world: World) -> None:
    kv = PostgresKeyValue(world.client, world.namespace)
    async with holding(world, "LOCK TABLE keyvalue IN ACCESS EXCLUSIVE MODE"):
        calls = [asyncio.create_task(kv.get("k")) for _ in range(client._CONNECTIONS)]
        await waits(world, "SELECT value FROM keyvalue", client._CONNECTIONS)
        late = [asyncio.create_task(kv.get("k")) for _ in range(3)]
        await asyncio.sleep(0)
        for call in late:
            call.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    await asyncio.gather(*calls)
    assert await asyncio.gather(*(kv.get("k") for _ in range(client._CONNECTIONS))) == [None] * client._CONNECTIONS


@over_postgres
async def test_connections_that_the_server_ended_cost_no_call(world: World) -> None:
    kv = PostgresKeyValue(world.client, world.namespace)
    await asyncio.gather(*(kv.set("k", b"x") for _ in range(client._CONNECTIONS)))
    idle = list(world.client._idle)
    assert len(idle) > 1
    other = await world.another()
    mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'prism' AND pid <> pg_backend_pid()"
    await other.rows("end", mine)
    await until(lambda: all(connection.is_closed() for connection in idle))
    assert await kv.get("k") == b"x"


@over_postgres
async def test_a_call_that_takes_too_long_is_given_up_with_its_connection(world: World) -> None:
    kv = PostgresKeyValue(world.client, world.namespace)
    await kv.set("k", b"before")
    (connection,) = world.client._idle
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "TIMEOUT_S", 0.2)
        async with holding(world, "LOCK TABLE keyvalue IN ACCESS EXCLUSIVE MODE"):
            error = await expect(errors.OperationTimeout, kv.set("k", b"after"))
            assert "whether it took effect is unknown" in str(error)
            assert connection.is_closed()
    assert await kv.get("k") in {b"before", b"after"}
    assert (world.client._busy, world.client._overdue) == ({}, set())


@over_postgres
async def test_a_closed_client_refuses_and_ends_what_is_under_way(world: World) -> None:
    async with connected(world.url) as other:
        kv = PostgresKeyValue(other, world.namespace)
        async with holding(world, "LOCK TABLE keyvalue IN ACCESS EXCLUSIVE MODE"):
            call = asyncio.create_task(kv.get("k"))
            await waits(world, "SELECT value FROM keyvalue")
            await other.close()
            await expect(errors.Closed, kv.get("k"))
        await asyncio.gather(call, return_exceptions=True)
        assert other._idle == []


# The schema


def test_many_clients_that_come_at_once_make_one_schema(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def come(url: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(url)) for _ in range(8)]
            drivers = [PostgresKeyValue(each, name()) for each in clients for _ in range(3)]
            await asyncio.gather(*(driver.set("k", b"x") for driver in drivers))
            schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'prism%'"
            assert [row[0] for row in await clients[0].rows("look", schemas)] == [NAME]

    with serving(tmp_path_factory.mktemp("fresh")) as url:
        asyncio.run(asyncio.wait_for(come(url), HANGS_S))


# Transactions


@over_postgres
async def test_commits_that_cross_never_wait_for_each_other(world: World) -> None:
    """Each reads what the other writes. Locked in two orders they would deadlock, which the server ends after a second."""
    kv = PostgresKeyValue(world.client, world.namespace)

    async def move(source: str, target: str) -> BaseException | None:
        try:
            async with kv.transaction() as transaction:
                value = await transaction.get(source)
                await transaction.set(target, (value or b"") + b"x")
        except errors.Conflict as error:
            return error.__cause__
        return None

    for number in range(100):
        ends = await asyncio.gather(*(move(*pair) for pair in ((f"a{number}", f"b{number}"), (f"b{number}", f"a{number}")) * 3))
        causes = {getattr(end, "sqlstate", "") for end in ends if end is not None}
        assert causes <= {"40001"}, "40P01 is a deadlock"
        assert None in ends


@over_postgres
async def test_a_key_that_was_missing_is_held_until_the_commit(world: World) -> None:
    """Nobody may write it between the check and the end of the commit; who wants to waits, and writes behind it."""
    kv = PostgresKeyValue(world.client, world.namespace)

    async def commit() -> None:
        async with kv.transaction() as transaction:
            assert await transaction.get("a") is None
            await transaction.set("z", b"seen missing")

    async with holding(world, f"INSERT INTO keyvalue VALUES ('{world.namespace}', 'z', NULL, 'held')"):
        committing = asyncio.create_task(commit())
        await waits(world, "keyvalue_commit")
        plain = asyncio.create_task(kv.set("a", b"later"))
        await waits(world, "INSERT INTO keyvalue")
        assert await kv.get("a") is None
    await asyncio.gather(committing, plain)
    assert (await kv.get("a"), await kv.get("z")) == (b"later", b"seen missing")


# Queues


@over_postgres
async def test_a_take_that_is_cancelled_while_the_server_works_takes_nothing(world: World) -> None:
    queue = PostgresQueue(world.client, world.namespace)
    for number in range(4):
        await queue.enqueue("q", b"%d" % number)
    for take in (queue.dequeue("q"), queue.receive("q", 30)):
        async with holding(world, "LOCK TABLE queue_messages IN EXCLUSIVE MODE"):
            call = asyncio.create_task(take)
            await waits(world, "queue_take")
            call.cancel()
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        await expect(asyncio.CancelledError, call)
    messages = [await queue.dequeue("q") for _ in range(5)]
    assert [message and message.payload for message in messages] == [b"0", b"1", b"2", b"3", None]
    await queue.close()


@over_postgres
async def test_takes_that_come_at_once_are_one_statement(world: World) -> None:
    queue = PostgresQueue(world.client, world.namespace)
    for number in range(20):
        await queue.enqueue("q", b"%d" % number)
    statements = []
    rows = world.client.rows

    async def counted(what: str, sql: str, *arguments: Any) -> Any:
        statements.append(sql)
        return await rows(what, sql, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.client, "rows", counted)
        messages = await asyncio.gather(*(queue.dequeue("q") for _ in range(20)))
    assert [message and message.payload for message in messages] == [b"%d" % number for number in range(20)]
    assert len(statements) == 1


@over_postgres
async def test_one_that_is_cancelled_among_many_leaves_the_order(world: World) -> None:
    """Those that stay are given the first ones; what is left over is where it was, before the next take begins."""
    queue = PostgresQueue(world.client, world.namespace)
    for number in range(8):
        await queue.enqueue("q", b"%d" % number)
    async with holding(world, "LOCK TABLE queue_messages IN EXCLUSIVE MODE"):
        takes = [asyncio.create_task(queue.dequeue("q")) for _ in range(6)]
        await waits(world, "queue_take")
        for gone in (takes[0], takes[3]):
            gone.cancel()
        late = asyncio.create_task(queue.dequeue("q"))
        await asyncio.sleep(0)
    messages = await asyncio.gather(*takes, return_exceptions=True)
    kept = [message.payload for message in messages if isinstance(message, QueueMessage)]
    assert kept == [b"0", b"1", b"2", b"3"]
    assert [type(messages[0]), type(messages[3])] == [asyncio.CancelledError] * 2
    rest = [await late, *[await queue.dequeue("q") for _ in range(4)]]
    assert [message and message.payload for message in rest] == [b"4", b"5", b"6", b"7", None]


@over_postgres
async def test_one_that_is_cancelled_as_it_is_given_a_message_has_not_taken_it(world: World) -> None:
    queue = PostgresQueue(world.client, world.namespace)
    taking = queue._taking("dequeue", "q", None)
    await queue.enqueue("q", b"first")
    await queue.enqueue("q", b"second")
    takes = [asyncio.create_task(taking.one()) for _ in range(2)]
    await asyncio.sleep(0)
    first = taking._waiting[0]  # both wait before the statement begins
    give = first.give

    def give_and_cancel(row: Any) -> None:
        give(row)
        takes[0].cancel()

    first.give = give_and_cancel  # type: ignore[method-assign]
    await expect(asyncio.CancelledError, takes[0])
    row = await takes[1]
    assert row is not None
    assert row["its_payload"] == b"first"
    message = await queue.dequeue("q")
    assert message is not None
    assert message.payload == b"second"


@over_postgres
async def test_takes_of_two_processes_do_not_wait_for_each_other(world: World) -> None:
    queue = PostgresQueue(world.client, world.namespace)
    await queue.enqueue("q", b"held")
    await queue.enqueue("q", b"free")
    async with holding(world, "SELECT 1 FROM queue_messages WHERE payload = 'held' FOR UPDATE"):
        message = await queue.dequeue("q")
        assert message is not None
        assert message.payload == b"free"


@over_postgres
async def test_numbers_are_given_in_the_order_of_commits(world: World) -> None:
    """An enqueue that is not committed keeps others behind it, so nobody comes before a message that was seen at the head."""
    queue, mine = PostgresQueue(world.client, world.namespace), world.namespace.encode()
    add = f"""SELECT pg_advisory_xact_lock({lock_of("queue", mine, b"q")});
      INSERT INTO queue_messages (namespace, id, queue, rank, number, attempts, failed, headers, payload)
      SELECT '{world.namespace}', number, 'q', 0, number, 0, 0, '{{}}', 'first' FROM nextval('queue_numbers') AS number"""
    async with holding(world, add):
        second = asyncio.create_task(queue.enqueue("q", b"second"))
        waiting = asyncio.create_task(waits(world, "queue_numbers"))
        await asyncio.wait({second, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert not second.done()
    await asyncio.gather(second, waiting)
    message = await queue.peek("q")
    assert message is not None
    assert message.payload == b"first"


@over_postgres
async def test_a_take_is_woken_by_another_process(world: World) -> None:
    queue, other = PostgresQueue(world.client, world.namespace), PostgresQueue(await world.another(), world.namespace)
    for _ in range(5):
        taking = asyncio.create_task(queue.dequeue("q", LONG_S))
        await until(lambda: queue._channel is not None)  # nobody tells that it listens
        await other.enqueue("q", b"x")
        message = await taking
        assert message is not None
    await queue.close()
    listeners = await world.client.rows("look", "SELECT 1 FROM queue_listeners WHERE namespace = $1", world.namespace.encode())
    assert listeners == [], "one who does not listen costs nobody a notification"


@over_postgres
async def test_others_of_a_process_listen_on_when_one_is_closed(world: World) -> None:
    first, second = (PostgresQueue(world.client, world.namespace) for _ in range(2))
    look = "SELECT 1 FROM queue_listeners WHERE namespace = $1"
    for queue, left in ((first, 1), (second, 0)):
        for one in (queue, second):
            await one.dequeue("q", 0.05)  # who waits begins to listen
        await queue.close()
        assert len(await world.client.rows("look", look, world.namespace.encode())) == left


# What the server tells


@over_postgres
async def test_the_feed_is_made_again_when_its_connection_is_lost(world: World) -> None:
    pubsub, other = PostgresPubSub(world.client, world.namespace), PostgresPubSub(await world.another(), world.namespace)
    async with pubsub.subscribe("t") as subscription:
        connection: Any = world.client.feed._connection
        connection.terminate()
        await until(lambda: world.client.feed._connection not in (connection, None))
        receiving = asyncio.create_task(subscription.receive(LONG_S))
        await other.publish("t", b"x")
        message = await receiving
        assert message is not None
        assert message.payload == b"x"
        assert subscription.gaps == 1
    await pubsub.close()
    await other.close()


# Errors


@pytest.mark.parametrize(
    ("native", "shared"),
    [
        (asyncpg.InvalidPasswordError("x"), errors.AccessDenied),
        (asyncpg.InsufficientPrivilegeError("x"), errors.AccessDenied),
        (asyncpg.UndefinedTableError("x"), errors.ConfigError),
        (asyncpg.DiskFullError("x"), errors.QuotaExceeded),
        (asyncpg.OutOfMemoryError("x"), errors.QuotaExceeded),
        (asyncpg.SerializationError("x"), errors.Conflict),
        (asyncpg.DeadlockDetectedError("x"), errors.Conflict),
        (asyncpg.QueryCanceledError("x"), errors.OperationTimeout),
        (TimeoutError(), errors.OperationTimeout),
        (asyncpg.TooManyConnectionsError("x"), errors.BackendUnavailable),
        (asyncpg.CannotConnectNowError("x"), errors.BackendUnavailable),
        (asyncpg.InterfaceError("connection is closed"), errors.BackendUnavailable),
        (ConnectionRefusedError(111, "Connection refused"), errors.BackendUnavailable),
    ],
)
def test_native_errors_become_shared_ones(native: Exception, shared: type[errors.PrismError]) -> None:
    error = translated(native, "postgres: get 'k'")
    assert type(error) is shared
    assert str(error).startswith("postgres: get 'k': ")


def test_what_the_server_says_beyond_the_first_line_is_not_told() -> None:
    assert str(translated(asyncpg.PostgresError("first\nDETAIL: a value"), "x")) == "x: first"
