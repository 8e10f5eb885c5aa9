"""Transactions over a real Valkey: all or nothing, checked against what was read, and no connection left in a bad state."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from awaiting import changed, expect
from redis_store import World, connections, listed, no_connection_is_in_a_bad_state, over_valkey, serving

from prism_backends.redis import RedisKeyValue
from prism_testkit.interfaces.errors import (
    Closed,
    Conflict,
    InvalidName,
    PayloadTooLarge,
)
from prism_testkit.interfaces.keyvalue import KeyValueTransaction


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


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
