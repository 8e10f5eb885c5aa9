"""The promises of the basic, batch and compare-and-swap interfaces, over every embedded store.

The numbers at the end of a test's name are those of the promises.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from awaiting import expect
from embedded_stores import BAD_NAMES, HERE, LARGEST, LONGEST, THERE, TOO_LARGE, KeyValue, World, every_store, everything, listed

from prism_testkit.interfaces import INTERFACES
from prism_testkit.interfaces.errors import InvalidName, PayloadTooLarge
from prism_testkit.registry import Registry

ODD_NAMES = ["a/b", "a", "A", "a*", ".", "..", "%41", "\u00e9", "e\u0301", "a\0", "a\0b", "\0", "a\n", " a", "a ", "'", LONGEST]
ODD_NAMES += ["🦜", "ﬁ", "fi", "\uffff", "\U0010ffff"]


# Basic


@every_store
async def test_registration(world: World) -> None:
    registry = Registry()
    registry.add(world.backend)
    assert registry.warnings == []
    assert set(registry.offers[world.backend.name]) == set(INTERFACES)


@every_store
async def test_values_return_byte_for_byte_1(world: World) -> None:
    for value in (b"", b"\0", bytes(range(256)), b"text\xff", LARGEST, bytearray(b"array"), memoryview(b"0view0")[1:5]):
        await world.kv.set("key", value)
        found = await world.kv.get("key")
        assert type(found) is bytes
        assert found == bytes(value)


@every_store
async def test_missing_is_no_error_and_creates_nothing_2(world: World) -> None:
    assert await world.kv.get("key") is None
    assert await world.kv.exists("key") is False
    assert await world.kv.delete("key") is False
    assert await world.kv.count() == 0
    await world.kv.set("key", b"")
    assert await world.kv.get("key") == b""
    assert await world.kv.exists("key") is True


@every_store
async def test_names_never_alias_3(world: World) -> None:
    wanted = {name: str(number).encode() for number, name in enumerate(ODD_NAMES)}
    for name, value in wanted.items():
        await world.kv.set(name, value)
    assert {name: await world.kv.get(name) for name in wanted} == wanted == await everything(world.kv)
    for name in list(wanted):
        assert await world.kv.delete(name)
        del wanted[name]
        assert await everything(world.kv) == wanted


@every_store
async def test_one_of_concurrent_deletes_is_told_true_4(world: World) -> None:
    clients = [world.kv, await world.client(), await world.client()]
    for _ in range(5):
        await world.kv.set("key", b"x")
        told = await asyncio.gather(*(client.delete("key") for client in clients * 2))
        assert sorted(told) == [False] * 5 + [True]


async def outcome(call: Any) -> list[Any]:
    return await listed(call) if hasattr(call, "__aiter__") else [await call]


CALLS_WITH_NAME: list[Callable[[KeyValue, Any], Any]] = [
    lambda kv, name: kv.set(name, b""),
    lambda kv, name: kv.get(name),
    lambda kv, name: kv.delete(name),
    lambda kv, name: kv.exists(name),
    lambda kv, name: kv.set_with_ttl(name, b"", 1),
    lambda kv, name: kv.set_with_ttl(name, b"", 0),
    lambda kv, name: kv.expire(name, 1),
    lambda kv, name: kv.ttl(name),
    lambda kv, name: kv.persist(name),
    lambda kv, name: kv.batch_set({"fine": b"", name: b""}),
    lambda kv, name: kv.batch_get(["there", name]),
    lambda kv, name: kv.batch_delete(["there", name]),
    lambda kv, name: kv.compare_and_swap(name, None, b""),
    lambda kv, name: kv.compare_and_swap(name, b"no", b""),
    lambda kv, name: kv.compare_and_delete(name, b""),
]
CALLS_WITH_PREFIX: list[Callable[[KeyValue, Any], Any]] = [
    lambda kv, name: kv.scan(name),
    lambda kv, name: kv.scan_keys(name, 0),
    lambda kv, name: kv.count(name),
]
CALLS_WITH_VALUE: list[Callable[[KeyValue, Any], Any]] = [
    lambda kv, value: kv.set("there", value),
    lambda kv, value: kv.set_with_ttl("there", value, 1),
    lambda kv, value: kv.set_with_ttl("there", value, 0),
    lambda kv, value: kv.batch_set({"fine": b"", "there": value}),
    lambda kv, value: kv.compare_and_swap("there", b"kept", value),
    lambda kv, value: kv.compare_and_swap("there", b"other", value),
    lambda kv, value: kv.compare_and_swap("absent", None, value),
    lambda kv, value: kv.compare_and_swap("there", value, b"new"),
    lambda kv, value: kv.compare_and_delete("there", value),
]


@every_store
async def test_refusals_come_before_any_effect_6(world: World) -> None:
    await world.kv.set_with_ttl("there", b"kept", 9)
    for call, name in itertools.product(CALLS_WITH_NAME, BAD_NAMES):
        await expect(InvalidName, outcome(call(world.kv, name)))
    for call, name in itertools.product(CALLS_WITH_PREFIX, BAD_NAMES[1:]):
        await expect(InvalidName, outcome(call(world.kv, name)))
    for call in CALLS_WITH_NAME + CALLS_WITH_PREFIX:
        await expect(TypeError, outcome(call(world.kv, 5)))
    for call in CALLS_WITH_VALUE:
        await expect(PayloadTooLarge, outcome(call(world.kv, TOO_LARGE)))
        await expect(TypeError, outcome(call(world.kv, "text")))
        await expect(TypeError, outcome(call(world.kv, 5)))
    assert await everything(world.kv) == {"there": b"kept"}
    assert await world.kv.ttl("there") is not None


@every_store
async def test_at_the_limit_is_accepted_6(world: World) -> None:
    await world.kv.set(LONGEST, LARGEST)
    assert await world.kv.compare_and_swap(LONGEST, LARGEST, LARGEST)
    assert await listed(world.kv.scan(LONGEST)) == [(LONGEST, LARGEST)]
    assert await world.kv.compare_and_delete(LONGEST, LARGEST)


@every_store
async def test_the_store_keeps_a_copy_7(world: World) -> None:
    buffer = bytearray(b"old")

    async def transact() -> None:
        async with world.kv.transaction() as transaction:
            await transaction.set("in transaction", buffer)
            buffer[:] = b"new"

    for write in (
        lambda: world.kv.set("set", buffer),
        lambda: world.kv.set_with_ttl("with ttl", buffer, 9),
        lambda: world.kv.batch_set({"batch": buffer}),
        lambda: world.kv.compare_and_swap("swapped", None, buffer),
        transact,
    ):
        buffer[:] = b"old"
        task = asyncio.ensure_future(write())
        await asyncio.sleep(0)
        buffer[:] = b"new"
        await task
    assert set((await everything(world.kv)).values()) == {b"old"}
    assert await world.kv.count() == 5


@every_store
async def test_every_client_sees_an_acknowledged_write_8(world: World) -> None:
    other = await world.client()
    await world.kv.set("key", b"1")
    assert await other.get("key") == b"1"
    assert await other.compare_and_swap("key", b"1", b"2")
    assert await world.kv.get("key") == b"2"
    await other.delete("key")
    assert not await world.kv.exists("key")


@every_store
async def test_namespaces_never_see_each_other_9(world: World) -> None:
    there = await world.client(THERE)
    await world.kv.set("key", b"here")
    assert await everything(there) == {}
    assert not await there.delete("key")
    assert await there.batch_get(["key"]) == {}
    assert await there.batch_delete(["key"]) == 0
    assert not await there.expire("key", 0)
    assert await there.compare_and_swap("key", None, b"there")
    assert await everything(world.kv) == {"key": b"here"}
    async with there.transaction() as transaction:
        assert await transaction.delete("key")
    assert await everything(world.kv) == {"key": b"here"}


@every_store
async def test_clean_removes_every_namespace_of_a_prefix_and_no_other(world: World) -> None:
    names = ["prism00000001000aaaaaaaa", "prism00000001000aaaaaaab", "prism00000001001aaaaaaaa", "prism00000002000aaaaaaaa"]
    drivers = [world.driver(world.connection, name) for name in names]
    for driver in drivers:
        await driver.set("key", b"x")

    async def left() -> list[int]:
        return [await driver.count() for driver in drivers]

    await world.clean("prism0000000z")
    assert await left() == [1, 1, 1, 1]
    await world.clean(names[0])
    assert await left() == [0, 1, 1, 1]
    await world.clean("prism00000001")
    assert await left() == [0, 0, 0, 1]
    await world.clean("prism")
    assert await left() == [0, 0, 0, 0]
    await drivers[0].set("key", b"again")
    assert await world.driver(world.connection, names[0]).get("key") == b"again"


@every_store
async def test_a_cancelled_call_is_whole_or_absent_and_the_driver_usable_11(world: World) -> None:
    for turns in range(4):
        tasks = [asyncio.ensure_future(world.kv.batch_set({"a": bytes([n]), "b": bytes([n])})) for n in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        found = await world.kv.batch_get(["a", "b"])
        assert found.get("a") == found.get("b")
        await world.kv.set("key", b"usable")
        assert await world.kv.get("key") == b"usable"


# Batch


@every_store
async def test_batches_do_what_single_calls_would_1_2_3(world: World) -> None:
    await world.kv.set_with_ttl("old", b"v", 1)
    await world.kv.batch_set({"a": b"1", "b": b"", "old": b"new"})
    assert await world.kv.ttl("old") is None
    assert await world.kv.batch_get(["b", "a", "missing", "a"]) == {"a": b"1", "b": b""}
    assert await world.kv.batch_delete(["a", "a", "missing", "b"]) == 2
    assert await world.kv.batch_delete(["a", "b"]) == 0
    assert await everything(world.kv) == {"old": b"new"}


@every_store
async def test_an_empty_batch_does_nothing_4(world: World) -> None:
    await world.kv.batch_set({})
    assert await world.kv.batch_get([]) == {}
    assert await world.kv.batch_delete([]) == 0


@every_store
async def test_a_batch_has_no_limit_4(world: World) -> None:
    items = {f"{number}": b"%d" % number for number in range(2_000)}
    await world.kv.batch_set(items)
    assert await world.kv.batch_get(list(items)) == items
    assert await world.kv.batch_delete(list(items)) == len(items)


# Compare and swap


@every_store
async def test_a_swap_compares_whole_values_1_2_3_4_5(world: World) -> None:
    kv = world.kv
    assert await kv.compare_and_swap("key", b"", b"no") is False
    assert await kv.compare_and_delete("key", b"") is False
    assert await kv.compare_and_swap("key", None, b"") is True
    assert await kv.compare_and_swap("key", None, b"no") is False
    assert await kv.compare_and_swap("key", bytearray(), b"\0a") is True
    for other in (None, b"", b"\0", b"\0a\0", b"\0A", b"\0b"):
        assert await kv.compare_and_swap("key", other, b"no") is False
        assert other is None or await kv.compare_and_delete("key", other) is False
    assert await everything(kv) == {"key": b"\0a"}
    assert await kv.compare_and_delete("key", memoryview(b"\0a")) is True
    assert await everything(kv) == {}


@every_store
async def test_of_concurrent_swaps_one_succeeds_6(world: World) -> None:
    clients = [world.kv, await world.client(), await world.client()]
    value: bytes | None = None
    for turn in range(5):
        new = [b"%d of %d" % (number, turn) for number in range(6)]
        told = await asyncio.gather(*(kv.compare_and_swap("key", value, new[n]) for n, kv in enumerate(clients * 2)))
        assert sum(told) == 1
        value = await world.kv.get("key")
        assert value == new[told.index(True)]


@every_store
async def test_deleting_and_swapping_one_value_exclude_each_other_6(world: World) -> None:
    clients = [world.kv, await world.client()]
    for _ in range(5):
        await world.kv.set("key", b"v")
        told = await asyncio.gather(
            clients[0].compare_and_delete("key", b"v"),
            clients[1].compare_and_swap("key", b"v", b"w"),
        )
        assert sum(told) == 1
        assert await world.kv.get("key") == (None if told[0] else b"w")


def test_the_two_namespaces_are_as_the_harness_makes_them() -> None:
    assert len(HERE) == len(THERE) == 24
