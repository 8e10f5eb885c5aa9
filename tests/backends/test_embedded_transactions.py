"""The promises of key-value transactions, over every embedded store.

The numbers at the end of a test's name are those of the promises.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from awaiting import expect
from embedded_stores import BAD_NAMES, TOO_LARGE, KeyValue, World, every_store, everything

from prism_testkit.interfaces.errors import Closed, Conflict, InvalidName, PayloadTooLarge
from prism_testkit.interfaces.keyvalue import KeyValueTransaction


@every_store
async def test_writes_appear_at_exit_all_together_1_3_4(world: World) -> None:
    other = await world.client()
    await world.kv.batch_set({"a": b"0", "b": b"0"})
    async with world.kv.transaction() as transaction:
        await transaction.set("a", b"1")
        assert await transaction.delete("b") is True
        assert await transaction.delete("b") is False
        await transaction.set("c", b"1")
        await transaction.set("c", b"2")
        await transaction.set("d", b"1")
        assert await transaction.delete("d") is True
        assert [await transaction.get(key) for key in "abcd"] == [b"1", None, b"2", None]
        assert await everything(other) == await everything(world.kv) == {"a": b"0", "b": b"0"}
    assert await everything(other) == {"a": b"1", "c": b"2"}


@every_store
async def test_an_exception_discards_every_write_and_is_passed_on_2(world: World) -> None:
    for error in (ValueError("mine"), StopIteration(1), StopAsyncIteration(2), GeneratorExit(), KeyError("x"), Conflict("own")):

        async def body(error: BaseException = error) -> BaseException | None:
            try:
                async with world.kv.transaction() as transaction:
                    await transaction.set("key", b"v")
                    raise error
            except BaseException as caught:
                return caught

        assert await body() is error
        assert await everything(world.kv) == {}


@every_store
async def test_cancellation_discards_every_write_2(world: World) -> None:
    entered = asyncio.Event()

    async def body() -> None:
        async with world.kv.transaction() as transaction:
            await transaction.set("key", b"v")
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(body())
    await entered.wait()
    task.cancel()
    await expect(asyncio.CancelledError, task)
    assert await everything(world.kv) == {}


@every_store
async def test_plain_calls_never_wait_for_an_open_transaction_4(world: World) -> None:
    other = await world.client()
    await world.kv.batch_set({"a": b"0", "b": b"0"})
    async with world.kv.transaction() as transaction:
        await transaction.get("a")
        await transaction.set("b", b"1")
        for client in (world.kv, other):
            await client.set("b", b"plain")
            await client.set("c", b"plain")
            assert await client.delete("c")
            assert await client.get("b") == b"plain"
    assert await other.get("b") == b"1"


@every_store
async def test_a_lost_update_is_refused_5_6(world: World) -> None:
    other = await world.client()
    await world.kv.set("n", b"1")

    async def increment(kv: KeyValue, between: Callable[[], Awaitable[object]] | None = None) -> None:
        async with kv.transaction() as transaction:
            value = await transaction.get("n")
            assert value is not None
            if between is not None:
                await between()
            await transaction.set("n", b"%d" % (int(value) + 1))
            await transaction.set("trace", b"left behind")

    await expect(Conflict, increment(world.kv, lambda: other.set("n", b"5")))
    assert await everything(other) == {"n": b"5"}
    await expect(Conflict, increment(world.kv, lambda: increment(other)))
    assert await world.kv.get("n") == b"6"
    await increment(world.kv)
    assert await world.kv.get("n") == b"7"


@every_store
async def test_write_skew_is_refused_5(world: World) -> None:
    other = await world.client()
    await world.kv.batch_set({"a": b"1", "b": b"1"})

    async def both() -> None:
        async with world.kv.transaction() as one:
            assert await one.get("a") == await one.get("b") == b"1"
            async with other.transaction() as two:
                assert await two.get("a") == await two.get("b") == b"1"
                await two.set("a", b"0")
            await one.set("b", b"0")

    await expect(Conflict, both())
    assert await everything(world.kv) == {"a": b"0", "b": b"1"}


CHANGES: dict[str, Callable[[KeyValue], Awaitable[object]]] = {
    "set": lambda kv: kv.set("there", b"new"),
    "delete": lambda kv: kv.delete("there"),
    "swap": lambda kv: kv.compare_and_swap("there", b"old", b"new"),
    "expire": lambda kv: kv.expire("there", 0),
    "create": lambda kv: kv.set("absent", b"new"),
    "create with ttl": lambda kv: kv.set_with_ttl("absent", b"new", 9),
    "batch": lambda kv: kv.batch_set({"absent": b"new"}),
}


@every_store
async def test_what_was_read_must_still_hold_5(world: World) -> None:
    other = await world.client()

    async def reading(change: Callable[[KeyValue], Awaitable[object]]) -> None:
        async with world.kv.transaction() as transaction:
            assert await transaction.get("there") == b"old"
            assert await transaction.get("absent") is None
            await change(other)

    async def writing(change: Callable[[KeyValue], Awaitable[object]]) -> None:
        async with world.kv.transaction() as transaction:
            await transaction.set("written", b"")
            assert await transaction.delete("there") is True
            assert await transaction.delete("absent") is False
            await change(other)

    for body, change in itertools.product((reading, writing), CHANGES.values()):
        await world.kv.set("there", b"old")
        await world.kv.delete("absent")
        await expect(Conflict, body(change))
        assert not await world.kv.exists("written")


@every_store
async def test_what_expires_meanwhile_has_changed_5(world: World) -> None:
    await world.kv.set_with_ttl("key", b"v", 1)

    async def body() -> None:
        async with world.kv.transaction() as transaction:
            assert await transaction.get("key") == b"v"
            world.wait(2)
            await transaction.set("other", b"")

    await expect(Conflict, body())
    assert await everything(world.kv) == {}


@every_store
async def test_inconsistent_reads_are_refused_though_nothing_is_written_5(world: World) -> None:
    other = await world.client()
    await world.kv.batch_set({"a": b"0", "b": b"0"})

    async def body() -> None:
        async with world.kv.transaction() as transaction:
            await transaction.get("a")
            await other.batch_set({"a": b"1", "b": b"1"})
            await transaction.get("b")

    await expect(Conflict, body())


@every_store
async def test_a_second_read_is_not_forgotten_5(world: World) -> None:
    """Missing, then seen, then missing again: a commit would have to lie about one of the two reads."""
    for back in (True, False):
        try:
            async with world.kv.transaction() as transaction:
                first = await transaction.get("key")
                await world.kv.set("key", b"v")
                second = await transaction.get("key")
                if back:
                    await world.kv.delete("key")
        except Conflict:
            continue
        assert (first, second, back) == (None, None, True)


@every_store
async def test_disjoint_transactions_side_by_side_commit_7(world: World) -> None:
    async with world.kv.transaction() as one, world.kv.transaction() as two:
        assert await one.get("a") is None
        assert await two.get("b") is None
        await one.set("a", b"1")
        await two.set("b", b"2")
    assert await everything(world.kv) == {"a": b"1", "b": b"2"}


@every_store
async def test_blind_writes_commit_5(world: World) -> None:
    async with world.kv.transaction() as one:
        await one.set("a", b"1")
        await world.kv.set("a", b"0")
    assert await world.kv.get("a") == b"1"


@every_store
async def test_after_its_end_a_transaction_is_closed_7(world: World) -> None:
    ended: list[KeyValueTransaction] = []

    async def body(last: Callable[[], Awaitable[None]]) -> None:
        async with world.kv.transaction() as transaction:
            ended.append(transaction)
            await transaction.get("key")
            await last()

    async def fail() -> None:
        raise ValueError("mine")

    await body(lambda: asyncio.sleep(0))
    await expect(ValueError, body(fail))
    await expect(Conflict, body(lambda: world.kv.set("key", b"w")))
    assert len(ended) == 3
    for transaction in ended:
        await expect(Closed, transaction.get("key"))
        await expect(Closed, transaction.set("key", b"x"))
        await expect(Closed, transaction.delete("key"))
    assert await everything(world.kv) == {"key": b"w"}


@every_store
async def test_a_refused_call_leaves_the_transaction_usable_8(world: World) -> None:
    async with world.kv.transaction() as transaction:
        for name in BAD_NAMES:
            await expect(InvalidName, transaction.get(name))
            await expect(InvalidName, transaction.set(name, b""))
            await expect(InvalidName, transaction.delete(name))
        await expect(PayloadTooLarge, transaction.set("large", TOO_LARGE))
        await expect(TypeError, transaction.set("text", "text"))  # type: ignore[arg-type]
        await expect(TypeError, transaction.get(5))  # type: ignore[arg-type]
        await transaction.set("key", b"v")
        await expect(PayloadTooLarge, transaction.set("key", TOO_LARGE))
    assert await everything(world.kv) == {"key": b"v"}


@every_store
async def test_concurrent_transfers_keep_the_sum_1_5(world: World) -> None:
    clients = [world.kv, await world.client(), await world.client()]
    names = ["a", "b", "c"]
    await world.kv.batch_set(dict.fromkeys(names, b"10"))
    moved = 0
    busy = True

    async def transfer(kv: KeyValue, source: str, target: str) -> None:
        nonlocal moved
        for _ in range(8):
            try:
                async with kv.transaction() as transaction:
                    have, has = await transaction.get(source), await transaction.get(target)
                    assert have is not None
                    assert has is not None
                    await asyncio.sleep(0)
                    await transaction.set(source, b"%d" % (int(have) - 1))
                    await transaction.set(target, b"%d" % (int(has) + 1))
            except Conflict:
                continue
            moved += 1

    async def audit(kv: KeyValue) -> None:
        while busy:
            try:
                async with kv.transaction() as transaction:
                    values = [await transaction.get(name) for name in names]
            except Conflict:
                values = [b"30"]
            assert sum(int(value) for value in values if value is not None) == 30
            await asyncio.sleep(0)

    auditor = asyncio.ensure_future(audit(clients[0]))
    await asyncio.gather(*(transfer(kv, *pair) for kv, pair in zip(clients, itertools.permutations(names, 2), strict=False)))
    busy = False
    await auditor
    assert moved > 0
    assert sum(map(int, (await everything(world.kv)).values())) == 30
