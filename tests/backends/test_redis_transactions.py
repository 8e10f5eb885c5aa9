"""Transactions over a real Valkey: all or nothing, checked against what was read, and no connection left in a bad state."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from awaiting import changed, expect
from redis import exceptions as native
from redis_store import World, listed, name, over_valkey, serving

from prism_backends.redis import RedisKeyValue
from prism_backends.redis.client import translated
from prism_testkit.interfaces.errors import (
    AccessDenied,
    BackendUnavailable,
    Closed,
    Conflict,
    InvalidName,
    OperationTimeout,
    PayloadTooLarge,
    PrismError,
    QuotaExceeded,
)
from prism_testkit.interfaces.keyvalue import KeyValueTransaction


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def connections(kv: RedisKeyValue) -> list[Any]:
    """Return what the pool has, after checking that nobody still holds one."""
    pool = kv.client.connection_pool
    assert pool._in_use_connections == set()
    return list(pool._available_connections)


async def no_connection_is_in_a_bad_state(kv: RedisKeyValue) -> None:
    """Nothing is watched, no MULTI is open, no reply is left over: whatever takes the connection next gets its own answer."""
    for connection in connections(kv):
        await connection.connect()
        leftover = getattr(connection, "can_read", None) or connection.can_read_destructive  # its name before redis-py 8
        assert not await leftover()
        await connection.send_command("CLIENT", "INFO")
        state = dict(word.split("=", 1) for word in (await connection.read_response()).decode().split())
        assert (state["flags"], state.get("watch", "0")) == ("N", "0")


class Stop(BaseException):
    """What a simulated crash looks like to a driver."""


@over_valkey
async def test_what_was_written_takes_effect_at_exit_1_3_4(world: World) -> None:
    kv, other = world.kv, await world.client()
    await kv.batch_set({"a": b"1", "b": b"2"})
    async with kv.transaction() as transaction:
        assert await transaction.get("a") == b"1"
        buffer = bytearray(b"new")
        await transaction.set("a", buffer)
        buffer[:] = b"old"
        assert await transaction.get("a") == b"new"
        assert await transaction.delete("b") is True
        assert await transaction.delete("b") is False
        assert await transaction.get("b") is None
        assert await transaction.delete("c") is False
        await transaction.set("c", b"3")
        assert await transaction.delete("c") is True
        await transaction.set("c", b"4")
        assert await other.batch_get(["a", "b", "c"]) == {"a": b"1", "b": b"2"}
    assert await other.batch_get(["a", "b", "c"]) == {"a": b"new", "c": b"4"}
    await no_connection_is_in_a_bad_state(kv)


@over_valkey
async def test_nothing_to_do_takes_no_connection(world: World) -> None:
    async with world.kv.transaction():
        pass
    assert connections(world.kv) == []


@over_valkey
async def test_writes_alone_and_reads_alone_1_5(world: World) -> None:
    async with world.kv.transaction() as transaction:
        for number in range(200):
            await transaction.set(f"k{number}", b"x")
    assert await world.kv.count() == 200
    async with world.kv.transaction() as transaction:
        assert await transaction.get("k0") == b"x"
    await no_connection_is_in_a_bad_state(world.kv)


@over_valkey
async def test_readers_never_see_a_part_1(world: World) -> None:
    other, done = await world.client(), asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            found = await other.batch_get(["a", "b"])
            assert len(set(found.values())) <= 1
            assert len(found) in (0, 2)

    reader = asyncio.ensure_future(read())
    for number in range(100):
        async with world.kv.transaction() as transaction:
            for key in ("a", "b"):
                await (transaction.set(key, str(number).encode()) if number % 3 else transaction.delete(key))
    done.set()
    await reader


@over_valkey
async def test_an_error_in_the_body_discards_everything_and_passes_unchanged_2(world: World) -> None:
    opened: list[KeyValueTransaction] = []

    async def fail(error: BaseException) -> None:
        async with world.kv.transaction() as transaction:
            opened.append(transaction)
            await transaction.get("a")
            await transaction.set("a", b"x")
            raise error

    for error in (ValueError("mine"), Stop(), Conflict("mine"), StopAsyncIteration()):
        assert await expect(type(error), fail(error)) is error
        await expect(Closed, opened[-1].get("a"))
        assert await world.kv.get("a") is None
    await no_connection_is_in_a_bad_state(world.kv)


@over_valkey
async def test_a_cancelled_body_discards_everything_2(world: World) -> None:
    async def body(transaction_is_open: asyncio.Event) -> None:
        async with world.kv.transaction() as transaction:
            await transaction.get("a")
            await transaction.set("a", b"x")
            transaction_is_open.set()
            await asyncio.sleep(3600)

    for _ in range(10):
        opened = asyncio.Event()
        task = asyncio.ensure_future(body(opened))
        await opened.wait()
        task.cancel()
        await expect(asyncio.CancelledError, task)
    assert await world.kv.get("a") is None
    await no_connection_is_in_a_bad_state(world.kv)


@over_valkey
async def test_a_change_of_what_was_read_is_a_conflict_5_6(world: World) -> None:
    kv, other = world.kv, await world.client()
    await kv.batch_set({"read": b"1", "written": b"1"})
    changes: list[Any] = [
        lambda: other.set("read", b"2"),
        lambda: other.set("read", b"1"),
        lambda: other.delete("read"),
        lambda: other.expire("read", 50),
        lambda: other.set("absent", b"x"),
    ]

    async def transact(change: Callable[[], Awaitable[object]], write: bool) -> None:
        async with kv.transaction() as transaction:
            assert await transaction.get("read") == b"1"
            assert await transaction.delete("absent") is False
            await change()
            if write:
                await transaction.set("written", b"2")

    for change in changes:
        for write in (False, True):
            await kv.batch_set({"read": b"1", "written": b"1"})
            await kv.delete("absent")
            assert "valkey: transaction commit: " in str(await expect(Conflict, transact(change, write)))
            assert await kv.get("written") == b"1"
    await no_connection_is_in_a_bad_state(kv)


@over_valkey
async def test_what_expired_after_it_was_read_is_a_conflict_5(world: World) -> None:
    async def expired() -> bool:
        return not await world.kv.exists("key")

    async def transact(ttl_s: float) -> None:
        await world.kv.set_with_ttl("key", b"x", ttl_s)
        async with world.kv.transaction() as transaction:
            if await transaction.get("key") is None:
                await transact(2 * ttl_s)  # too slow a machine to read it in time
                return
            await changed(expired)
            await transaction.set("other", b"x")

    await expect(Conflict, transact(0.02))
    assert await world.kv.exists("other") is False


@over_valkey
async def test_concurrent_increments_are_all_counted_5_6(world: World) -> None:
    clients = [await world.client() for _ in range(3)]

    async def increment(kv: RedisKeyValue) -> None:
        while True:
            try:
                async with kv.transaction() as transaction:
                    await transaction.set("n", str(int(await transaction.get("n") or b"0") + 1).encode())
            except Conflict:
                continue
            return

    await asyncio.gather(*(increment(kv) for kv in clients for _ in range(10)))
    assert await world.kv.get("n") == b"30"


@over_valkey
async def test_write_skew_is_refused_5(world: World) -> None:
    """Two doctors on call, each goes off duty because the other stays: at most one may."""
    for _ in range(20):
        await world.kv.batch_set({"a": b"on", "b": b"on"})
        met = asyncio.Barrier(2)

        async def leave(mine: str, met: asyncio.Barrier = met) -> bool:
            try:
                async with world.kv.transaction() as transaction:
                    on = [await transaction.get(key) for key in ("a", "b")].count(b"on")
                    await met.wait()
                    if on == 2:
                        await transaction.set(mine, b"off")
            except Conflict:
                return False
            return True

        await asyncio.gather(leave("a"), leave("b"))
        assert b"on" in (await world.kv.batch_get(["a", "b"])).values()


@over_valkey
async def test_many_open_at_once_and_plain_calls_wait_for_none_4_7(world: World) -> None:
    kv, opened = world.kv, asyncio.Barrier(61)

    async def hold(number: int) -> None:
        async with kv.transaction() as transaction:
            await transaction.get(f"k{number}")
            await transaction.set(f"k{number}", b"x")
            await opened.wait()
            await opened.wait()

    holders = [asyncio.ensure_future(hold(number)) for number in range(60)]
    await opened.wait()
    await kv.set("plain", b"x")
    assert await kv.count() == 1
    await opened.wait()
    await asyncio.gather(*holders)
    assert await kv.count() == 61


@over_valkey
async def test_after_its_end_a_transaction_is_closed_7(world: World) -> None:
    async with world.kv.transaction() as transaction:
        await transaction.get("a")
    for call in (transaction.get("a"), transaction.set("a", b""), transaction.delete("a"), transaction.get("")):
        await expect(Closed, call)


@over_valkey
async def test_what_is_refused_leaves_it_usable_8(world: World) -> None:
    async with world.kv.transaction() as transaction:
        await transaction.set("a", b"x")
        for bad in ("", "x" * 513, "a\ud800"):
            await expect(InvalidName, transaction.set(bad, b""))
            await expect(InvalidName, transaction.get(bad))
            await expect(InvalidName, transaction.delete(bad))
        await expect(PayloadTooLarge, transaction.set("a", bytes(1_000_001)))
        await expect(TypeError, transaction.set("a", "text"))  # type: ignore[arg-type]
    assert dict(await listed(world.kv.scan())) == {"a": b"x"}


# When the connection fails


async def cut(world: World) -> None:
    """Let the server close every connection but this client's."""
    raw = (await world.client(name())).client
    await raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@over_valkey
async def test_a_connection_lost_between_reading_and_committing_never_commits_unchecked_5(world: World) -> None:

    async def transact(touch: bool) -> None:
        async with world.kv.transaction() as transaction:
            await transaction.get("read")
            await cut(world)
            if touch:
                await expect(BackendUnavailable, transaction.get("more"))
                await expect(Conflict, transaction.get("more"))
            await transaction.set("written", b"x")

    await expect(BackendUnavailable, transact(touch=False))
    await expect(Conflict, transact(touch=True))
    assert await world.kv.exists("written") is False
    await no_connection_is_in_a_bad_state(world.kv)


@over_valkey
async def test_a_cancelled_read_makes_the_commit_a_conflict_5(world: World) -> None:

    async def transact(kept_reading: bool) -> None:
        async with world.kv.transaction() as transaction:
            await transaction.get("first")
            reading = asyncio.ensure_future(transaction.get("second"))
            await asyncio.sleep(0)
            reading.cancel()
            await expect(asyncio.CancelledError, reading)
            if kept_reading:
                await expect(Conflict, transaction.get("third"))
            await transaction.set("written", b"x")

    for kept_reading in (False, True):
        assert "a read did not finish" in str(await expect(Conflict, transact(kept_reading)))
    assert await world.kv.exists("written") is False
    await no_connection_is_in_a_bad_state(world.kv)


@over_valkey
async def test_a_read_that_outlives_the_block_makes_it_a_conflict_and_its_connection_is_closed(world: World) -> None:
    reading: list[asyncio.Future[bytes | None]] = []

    async def transact(readers: int, error: Exception | None) -> None:
        async with world.kv.transaction() as transaction:
            await transaction.set("written", b"x")
            reading[:] = [asyncio.ensure_future(transaction.get(f"k{number}")) for number in range(readers)]
            await asyncio.sleep(0)
            if error is not None:
                raise error

    for readers in (1, 3):
        assert "another task still read" in str(await expect(Conflict, transact(readers, None)))
        results = await asyncio.gather(*reading, return_exceptions=True)
        assert all(result is None or isinstance(result, Closed) for result in results)
        await expect(ValueError, transact(readers, ValueError("mine")))
        await asyncio.gather(*reading, return_exceptions=True)
    assert await world.kv.exists("written") is False
    await no_connection_is_in_a_bad_state(world.kv)


@over_valkey
async def test_reads_of_several_tasks_take_turns(world: World) -> None:
    await world.kv.batch_set({f"k{number}": str(number).encode() for number in range(50)})
    async with world.kv.transaction() as transaction:
        found = await asyncio.gather(*(transaction.get(f"k{number}") for number in range(50)))
    assert found == [str(number).encode() for number in range(50)]


@over_valkey
async def test_the_error_of_a_lost_connection_leaves_the_block_unchanged_2(world: World) -> None:
    seen: list[BaseException] = []

    async def transact() -> None:
        async with world.kv.transaction() as transaction:
            await transaction.get("read")
            await cut(world)
            seen.append(await expect(BackendUnavailable, transaction.get("more")))
            raise seen[0]

    assert await expect(BackendUnavailable, transact()) is seen[0]
    await no_connection_is_in_a_bad_state(world.kv)


# When the server refuses


async def limited(world: World, user: str, *rules: str) -> RedisKeyValue:
    """Return a client that may only do what the rules say."""
    await world.raw.execute_command("ACL", "SETUSER", user, "reset", "on", ">s3cret", "~*", *rules)
    return await world.client(url=world.url.replace("//", f"//{user}:s3cret@"))


@over_valkey
async def test_a_refused_read_or_write_is_access_denied_and_nothing_is_done(world: World) -> None:
    reader = await limited(world, "reader", "+@all", "-set", "-mget")
    for denied in (reader.set("a", b""), reader.batch_get(["a"]), listed_after(world, reader)):
        assert "s3cret" not in str(await expect(AccessDenied, denied))
    await expect(AccessDenied, read_and_write(reader))
    blind = await limited(world, "blind", "+@all", "-get")
    await expect(AccessDenied, read_and_write(blind))
    async with blind.transaction() as transaction:
        await expect(AccessDenied, transaction.get("a"))
    for kv in (reader, blind):
        await no_connection_is_in_a_bad_state(kv)
    assert await listed(world.kv.scan_keys()) == ["there"]


async def read_and_write(kv: RedisKeyValue) -> None:
    async with kv.transaction() as transaction:
        await transaction.get("a")
        await transaction.set("a", b"x")


async def listed_after(world: World, reader: RedisKeyValue) -> None:
    await world.kv.set("there", b"")
    await listed(reader.scan())


@over_valkey
async def test_where_multi_is_refused_the_effect_is_called_unknown(world: World) -> None:
    """The server then takes the writes as plain calls, so `AccessDenied`, which says that nothing was done, would be a lie."""
    for missing in ("-multi", "-exec", "-@transaction"):
        kv = await limited(world, "plain", "+@all", missing)
        await expect(AccessDenied if missing == "-exec" else BackendUnavailable, written(kv, "a"))
        assert await world.kv.exists("a") == (missing != "-exec")
        await world.kv.delete("a")
        connections(kv)


@over_valkey
async def test_a_refused_unwatch_costs_only_the_connection(world: World) -> None:
    kv = await limited(world, "stuck", "+@all", "-unwatch")

    async def fail() -> None:
        async with kv.transaction() as transaction:
            await transaction.get("a")
            raise ValueError("mine")

    await expect(ValueError, fail())
    assert [connection.is_connected for connection in connections(kv)] == [False]


@over_valkey
async def test_a_full_server_is_a_quota_exceeded_and_nothing_is_done(world: World) -> None:
    await world.raw.execute_command("CONFIG", "SET", "maxmemory", "1")
    try:
        calls: list[Any] = [
            world.kv.set("a", b"x"),
            world.kv.batch_set({"a": b"x"}),
            world.kv.compare_and_swap("a", None, b"x"),
            written(world.kv, "a"),
            read_and_write(world.kv),
        ]
        for call in calls:
            await expect(QuotaExceeded, call)
    finally:
        await world.raw.execute_command("CONFIG", "SET", "maxmemory", "0")
    assert await world.kv.count() == 0
    await no_connection_is_in_a_bad_state(world.kv)


async def written(kv: RedisKeyValue, key: str) -> None:
    async with kv.transaction() as transaction:
        await transaction.set(key, b"x")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), OperationTimeout),
        (native.TimeoutError("Timeout reading from host"), OperationTimeout),
        (native.ConnectionError("refused"), BackendUnavailable),
        (native.BusyLoadingError("loading"), BackendUnavailable),
        (native.ReadOnlyError("a replica"), BackendUnavailable),
        (native.InvalidResponse("no protocol of ours"), BackendUnavailable),
        (OSError("no route"), BackendUnavailable),
        (native.AuthenticationError("invalid username-password pair"), AccessDenied),
        (native.NoPermissionError("no permission"), AccessDenied),
        (native.ExecAbortError("Transaction discarded because of: NOPERM no permission"), AccessDenied),
        (native.OutOfMemoryError("command not allowed"), QuotaExceeded),
        (native.ExecAbortError("Transaction discarded because of: OOM command not allowed"), QuotaExceeded),
        (native.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), QuotaExceeded),
    ],
)
def test_each_native_error_has_its_shared_one(error: Exception, expected: type[PrismError]) -> None:
    found = translated(error, "valkey: get 'key'")
    assert type(found) is expected
    assert str(found).startswith("valkey: get 'key': ")


@over_valkey
async def test_errors_name_backend_operation_and_key_and_keep_the_native_one(world: World) -> None:
    await world.raw.execute_command("LPUSH", f"{world.namespace}:list", b"x")
    error = await expect(PrismError, world.kv.get("list"))
    assert "valkey: get 'list'" in str(error)
    assert error.__cause__ is not None
