"""The promises of the key-value interfaces, over a real Valkey. The numbers in a test's name are those of the promises."""

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from awaiting import changed, expect
from redis_store import World, connections, listed, name, over_valkey, serving

from prism_backends.redis import RedisKeyValue, redis
from prism_backends.redis.client import clean
from prism_backends.valkey import valkey
from prism_testkit.interfaces import INTERFACES, interface_model
from prism_testkit.interfaces.errors import InvalidName, PayloadTooLarge
from prism_testkit.registry import Registry

ODD_NAMES = ["a/b", "a", "A", "a*", "a?", "[a]", "a\\", "a\\*", "^", "-", ".", "..", "%41", "\u00e9", "e\u0301", "a\0", "\0", "a\n"]
ODD_NAMES += [" a", "a ", "'", "🦜", "ﬁ", "fi", "\uffff", "\U0010ffff", "{tag}", "é" * 256, "x" * 512]
LARGEST, TOO_LARGE = bytes(1_000_000), bytes(1_000_001)
BAD_NAMES = ["", "x" * 513, "é" * 256 + "a", "a\ud800"]
RESOLUTION_S = valkey.limits.clock_resolution_s


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def test_registration() -> None:
    for backend in (redis, valkey):
        registry = Registry()
        registry.add(backend)
        assert registry.warnings == []
        offers = registry.offers[backend.name]
        assert set(offers) == {name for name in INTERFACES if interface_model(name) != "object_storage"}
        assert {offer.traits.durability for offer in offers.values()} == {"process"}
        assert offers["keyvalue_basic"].driver.backend_name == backend.name


@over_valkey
async def test_values_come_back_byte_for_byte_basic_1_7(world: World) -> None:
    buffer = bytearray(b"array")
    for value in (b"", b"\0", bytes(range(256)), b"\r\n$5\r\n", LARGEST, buffer, memoryview(b"0view0")[1:5]):
        await world.kv.set("key", value)
        found = await world.kv.get("key")
        assert type(found) is bytes
        assert found == bytes(value)
    await world.kv.set("key", buffer)
    buffer[:] = b"other"
    assert await world.kv.get("key") == b"array"


@over_valkey
async def test_missing_is_no_error_and_creates_nothing_basic_2_5(world: World) -> None:
    kv = world.kv
    assert (await kv.get("key"), await kv.exists("key"), await kv.delete("key"), await kv.count()) == (None, False, False, 0)
    await kv.set("key", b"")
    assert (await kv.get("key"), await kv.exists("key"), await kv.delete("key")) == (b"", True, True)
    assert (await kv.get("key"), await kv.exists("key")) == (None, False)


@over_valkey
async def test_every_name_is_its_own_basic_3(world: World) -> None:
    expected = {key: str(number).encode() for number, key in enumerate(ODD_NAMES)}
    for key, value in expected.items():
        await world.kv.set(key, value)
    assert {key: await world.kv.get(key) for key in ODD_NAMES} == expected
    assert dict(await listed(world.kv.scan())) == expected
    for key in ODD_NAMES:
        assert await world.kv.delete(key)
        del expected[key]
        assert dict(await listed(world.kv.scan())) == expected


@over_valkey
async def test_one_of_concurrent_deletes_is_told_basic_4(world: World) -> None:
    clients = [await world.client() for _ in range(4)]
    for _ in range(20):
        await world.kv.set("key", b"x")
        told = await asyncio.gather(*(kv.delete("key") for kv in clients for _ in range(5)))
        assert sum(told) == 1


@over_valkey
async def test_what_is_refused_changes_nothing_basic_6_batch_5_cas_7(world: World) -> None:
    kv = world.kv
    await kv.set("key", b"x")
    calls: list[Callable[[str], Awaitable[object]]] = [
        lambda key: kv.set(key, b""),
        kv.get,
        kv.delete,
        kv.exists,
        lambda key: kv.set_with_ttl(key, b"", 1),
        lambda key: kv.expire(key, 1),
        kv.ttl,
        kv.persist,
        lambda key: kv.compare_and_swap(key, None, b""),
        lambda key: kv.compare_and_swap(key, b"", b""),
        lambda key: kv.compare_and_delete(key, b""),
        lambda key: kv.batch_set({"new": b"", key: b""}),
        lambda key: kv.batch_get(["key", key]),
        lambda key: kv.batch_delete(["key", key]),
    ]
    for bad in BAD_NAMES:
        for call in calls:
            assert "valkey" in str(await expect(InvalidName, call(bad)))
        for steps in (kv.scan(bad or "x" * 513), kv.scan_keys(bad or "x" * 513)):
            await expect(InvalidName, anext(steps))
        await expect(InvalidName, kv.count(bad or "x" * 513))
    large: list[Awaitable[object]] = [
        kv.set("key", TOO_LARGE),
        kv.set_with_ttl("key", TOO_LARGE, 1),
        kv.compare_and_swap("key", b"x", TOO_LARGE),
        kv.compare_and_swap("key", b"other", TOO_LARGE),
        kv.compare_and_swap("key", None, TOO_LARGE),
        kv.batch_set({"new": b"", "key": TOO_LARGE}),
    ]
    for refused in large:
        await expect(PayloadTooLarge, refused)
    await expect(TypeError, kv.set(1, b""))  # type: ignore[arg-type]
    await expect(TypeError, kv.set("key", "text"))  # type: ignore[arg-type]
    assert dict(await listed(kv.scan())) == {"key": b"x"}


@over_valkey
async def test_namespaces_do_not_meet_and_clients_of_one_do_basic_8_9(world: World) -> None:
    other, same = await world.client(name()), await world.client()
    await world.kv.set("key", b"x")
    assert await same.get("key") == b"x"
    assert (await other.get("key"), await other.delete("key"), await other.count(), await listed(other.scan())) == (
        None,
        False,
        0,
        [],
    )
    assert (await other.batch_get(["key"]), await other.batch_delete(["key"])) == ({}, 0)
    assert await same.exists("key")


@over_valkey
async def test_three_hundred_callers_share_few_connections(world: World) -> None:
    await asyncio.gather(*(world.kv.set(f"k{number}", b"x") for number in range(300)))
    assert await world.kv.count() == 300
    assert len(connections(world.kv)) >= 2

    async def few() -> bool:  # those of other tests are gone when the server has noticed
        return bool((await world.raw.execute_command("INFO", "clients"))["connected_clients"] <= 60)

    await changed(few)


@over_valkey
async def test_a_scan_gives_every_key_once_scan_1_5(world: World) -> None:
    expected = {f"key/{number}": str(number).encode() for number in range(3210)}
    await world.kv.batch_set(expected)
    found = await listed(world.kv.scan())
    assert len(found) == len(expected)
    assert dict(found) == expected
    assert sorted(await listed(world.kv.scan_keys("key/3"))) == sorted(key for key in expected if key.startswith("key/3"))
    assert await world.kv.count("key/3") == sum(key.startswith("key/3") for key in expected)


@over_valkey
async def test_a_prefix_is_literal_scan_2(world: World) -> None:
    for key in ODD_NAMES:
        await world.kv.set(key, b"")
    for prefix in [*ODD_NAMES, "", "*", "?", "[", "[a", "\\", "a\\", "[^a]", "%", "_", "[a-z]", "{"]:
        expected = sorted(key for key in ODD_NAMES if key.startswith(prefix))
        assert sorted(await listed(world.kv.scan_keys(prefix))) == expected
        assert sorted(key for key, _ in await listed(world.kv.scan(prefix))) == expected
        assert await world.kv.count(prefix) == len(expected)


@over_valkey
async def test_keys_that_stay_appear_once_whatever_happens_meanwhile_scan_3(world: World) -> None:
    """The table grows and shrinks under the scan, which makes SCAN repeat keys."""
    stay = {f"stay{number}" for number in range(3000)}
    await world.kv.batch_set(dict.fromkeys(stay, b"x"))
    other = await world.client()
    come = {f"come{number}": b"" for number in range(20_000)}
    for steps in (world.kv.scan_keys(), (key async for key, _ in world.kv.scan())):
        seen = [await anext(steps)]
        await other.batch_set(come)
        seen += [await anext(steps) for _ in range(1500)]
        await other.batch_delete(list(come))
        seen += await listed(steps)
        assert len(seen) == len(set(seen))
        assert stay <= set(seen)
        assert set(seen) <= stay | set(come)


def test_a_key_that_the_server_gives_twice_appears_once_scan_3() -> None:
    """SCAN may repeat a key, in one answer and over several; a real server does so only when its table is resized."""
    answers = {0: (7, [b"n:a", b"n:b", b"n:a"]), 7: (9, []), 9: (0, [b"n:b", b"n:c", b"n:a"])}

    class Repeating:
        async def execute_command(self, *command: Any) -> Any:
            return answers[command[1]] if command[0] == "SCAN" else [key[2:] for key in command[1:]]

    async def main() -> None:
        kv = RedisKeyValue(Repeating(), "n")  # type: ignore[arg-type]
        assert await listed(kv.scan()) == [("a", b"a"), ("b", b"b"), ("c", b"c")]
        assert await listed(kv.scan_keys()) == ["a", "b", "c"]
        assert await listed(kv.scan_keys(limit=2)) == ["a", "b"]
        assert await kv.count() == 3

    asyncio.run(main())


@over_valkey
async def test_limits_are_exact_scan_4(world: World) -> None:
    await world.kv.batch_set({f"k{number}": b"x" for number in range(1234)})
    for limit in (0, 1, 99, 100, 101, 1000, 1233, 1234, 1235, None):
        expected = 1234 if limit is None else min(limit, 1234)
        for steps in (world.kv.scan("k", limit), world.kv.scan_keys("k", limit)):
            found: list[Any] = await listed(steps)
            assert len(set(found)) == len(found) == expected
    for bad in (world.kv.scan("k", -1), world.kv.scan_keys("k", -1)):
        await expect(ValueError, anext(bad))


def test_a_key_that_goes_under_the_scan_does_not_use_up_the_limit_scan_3_4() -> None:
    keys = [b"n:%d" % number for number in range(300)]

    class Shrinking:
        async def execute_command(self, *command: Any) -> Any:
            return (0, keys) if command[0] == "SCAN" else [b"x" if int(key[2:]) % 2 else None for key in command[1:]]

    async def main() -> None:
        kv = RedisKeyValue(Shrinking(), "n")  # type: ignore[arg-type]
        assert await listed(kv.scan(limit=120)) == [(str(number), b"x") for number in range(1, 240, 2)]
        assert len(await listed(kv.scan())) == 150

    asyncio.run(main())


@over_valkey
async def test_a_scan_may_be_left_scan_7(world: World) -> None:
    await world.kv.batch_set({f"k{number}": b"x" for number in range(300)})
    async for _ in world.kv.scan():
        break
    task = asyncio.ensure_future(listed(world.kv.scan()))
    await asyncio.sleep(0)
    task.cancel()
    await expect(asyncio.CancelledError, task)
    assert await world.kv.count() == 300


@over_valkey
async def test_batches_of_any_size_batch_1_2_3_4(world: World) -> None:
    kv = world.kv
    assert (await kv.batch_get([]), await kv.batch_delete([])) == ({}, 0)
    await kv.batch_set({})
    for size in (1, 99, 100, 101, 999, 1000, 1001, 2500):
        items = {f"k{number}": os.urandom(3) for number in range(size)}
        await kv.batch_set(items)
        keys = [*items, *list(items)[:5], "missing"]
        assert await kv.batch_get(keys) == items
        assert await kv.count() == size
        assert await kv.batch_delete(keys) == size
        assert await kv.batch_delete(keys) == 0


@contextlib.contextmanager
def sizes_of_commands(kv: RedisKeyValue) -> Iterator[list[int]]:
    """Note the size of each command that is sent."""
    sizes: list[int] = []
    send = kv.client.execute_command

    async def noting(*command: Any) -> Any:
        sizes.append(sum(len(part) for part in command))
        return await send(*command)

    kv.client.execute_command = noting  # type: ignore[method-assign]
    yield sizes
    kv.client.execute_command = send  # type: ignore[method-assign]


@over_valkey
async def test_a_batch_of_the_largest_values_batch_1(world: World) -> None:
    items = {f"k{number}": bytes([number]) * 1_000_000 for number in range(12)}
    with sizes_of_commands(world.kv) as sizes:
        await world.kv.batch_set(items)
    assert len(sizes) == 3
    assert max(sizes) < 4_001_000
    assert await world.kv.batch_get(list(items)) == items
    assert dict(await listed(world.kv.scan())) == items
    await world.kv.batch_delete(list(items))


@over_valkey
async def test_compare_and_swap_by_whole_value_cas_1_to_5(world: World) -> None:
    kv = world.kv
    assert await kv.compare_and_swap("key", b"", b"x") is False
    assert await kv.compare_and_delete("key", b"") is False
    assert await kv.compare_and_swap("key", None, b"") is True
    assert await kv.compare_and_swap("key", None, b"x") is False
    assert await kv.compare_and_swap("key", b"\0", b"x") is False
    for old, new in ((b"", b"\0"), (b"\0", b"\0\0"), (b"\0\0", LARGEST), (LARGEST, bytes(range(256)))):
        assert await kv.compare_and_swap("key", new, b"z") is False
        assert await kv.get("key") == old
        assert await kv.compare_and_swap("key", bytearray(old), memoryview(new)) is True
        assert await kv.get("key") == new
    assert await kv.compare_and_delete("key", bytes(range(255))) is False
    assert await kv.compare_and_delete("key", bytes(range(256))) is True
    assert await kv.exists("key") is False


@over_valkey
async def test_of_concurrent_swaps_one_succeeds_cas_6(world: World) -> None:
    clients = [await world.client() for _ in range(4)]
    current: bytes | None = None
    for round_ in range(20):
        news = [f"{round_}-{number}".encode() for number in range(16)]
        told = await asyncio.gather(*(clients[i % 4].compare_and_swap("key", current, new) for i, new in enumerate(news)))
        assert sum(told) == 1
        current = await world.kv.get("key")
        assert current == news[told.index(True)]


@over_valkey
async def test_scripts_are_learnt_again_when_the_server_forgot_them(world: World) -> None:
    await world.kv.set("key", b"x")
    for _ in range(2):
        await world.raw.execute_command("SCRIPT", "FLUSH")
        assert await world.kv.compare_and_swap("key", b"x", b"x") is True
        assert await world.kv.compare_and_delete("key", b"y") is False


@over_valkey
async def test_clean_removes_what_begins_with_the_prefix_and_nothing_else(world: World) -> None:
    run = "prismzzzzzzzz"
    strangers = [f"{run}", f"{run}0:x", f"{run}00000000000x:x", f"{run}0000000000_:x", f"{run}00000000000", "prism", "app:key"]
    for key in strangers:
        await world.raw.execute_command("SET", key, b"x")
    mine = [await world.client(f"{run}{worker}{case}") for worker in ("000", "001") for case in ("0000000a", "0000000b")]
    for kv in mine:
        await kv.batch_set({f"k{number}": b"" for number in range(1500)})
    await clean(world.raw, f"{run}0000000000a")
    assert [await kv.count() for kv in mine] == [0, 1500, 1500, 1500]
    await clean(world.raw, f"{run}001")
    assert [await kv.count() for kv in mine] == [0, 1500, 0, 0]
    await clean(world.raw, run)
    assert [await kv.count() for kv in mine] == [0, 0, 0, 0]
    assert await world.raw.execute_command("EXISTS", *strangers) == len(strangers)
    await world.raw.execute_command("DEL", *strangers)
    for bad in ("", "*", "prism*", "Prism", "x" * 25, "prism:"):
        await expect(ValueError, clean(world.raw, bad))


@over_valkey
async def test_random_calls_agree_with_a_dict(world: World) -> None:
    kv, draw = world.kv, random.Random(7)
    model: dict[str, bytes] = {}
    keys = ["a", "b", "a*", "b\0"]
    for step in range(600):
        key, value, old = draw.choice(keys), draw.choice([b"", b"1", b"2"]), draw.choice([None, b"", b"1"])
        match draw.randrange(6):
            case 0:
                await kv.set(key, value)
                model[key] = value
            case 1:
                assert await kv.delete(key) == (model.pop(key, None) is not None)
            case 2:
                if swapped := model.get(key) == old:
                    model[key] = value
                assert await kv.compare_and_swap(key, old, value) == swapped
            case 3:
                await kv.batch_set({key: value, "c": value})
                model |= {key: value, "c": value}
            case 4:
                assert await kv.batch_get(keys) == {k: v for k, v in model.items() if k in keys}
            case _:
                assert dict(await listed(kv.scan("a"))) == {k: v for k, v in model.items() if k.startswith("a")}, step
    assert dict(await listed(kv.scan())) == model
