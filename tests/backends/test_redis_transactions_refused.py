"""Transactions over a real Valkey whose connection is cut, or whose server refuses."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from awaiting import expect
from redis import exceptions as native
from redis_store import World, connections, listed, name, no_connection_is_in_a_bad_state, over_valkey, serving

from prism_backends.redis import RedisKeyValue
from prism_backends.redis.client import translated
from prism_testkit.interfaces.errors import (
    AccessDenied,
    BackendUnavailable,
    Closed,
    Conflict,
    OperationTimeout,
    PrismError,
    QuotaExceeded,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


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
