"""The promises of time to live, over a real Valkey. The numbers in a test's name are those of the promises."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator

import pytest
from awaiting import changed, expect
from redis_store import World, connected, listed, name, over_valkey, serving

from prism_backends.redis import RedisKeyValue
from prism_backends.valkey import valkey
from prism_testkit.interfaces.errors import NotFound

RESOLUTION_S = valkey.limits.clock_resolution_s


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Expired keys are only removed when somebody looks, so that a method which forgets to look is found out."""
    with serving(tmp_path_factory.mktemp("state"), "--enable-debug-command", "local") as address:
        asyncio.run(no_active_expiry(address))
        yield address


async def no_active_expiry(address: str) -> None:
    async with connected(address) as client:
        await client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")


async def server_ms(world: World) -> float:
    seconds, micros = await world.raw.execute_command("TIME")
    return float(seconds) * 1000 + float(micros) / 1000


async def seconds_left(kv: RedisKeyValue, key: str) -> float | None:
    try:
        return await kv.ttl(key)
    except NotFound:
        return None


@over_valkey
async def test_nothing_expires_early_and_everything_does_for_every_method_ttl_1_2_6(world: World) -> None:
    """One namespace for each time to live, all at once."""

    async def one(ttl_s: float) -> None:
        kv = await world.client(name())
        before = await server_ms(world)
        await kv.set_with_ttl("key", b"x", ttl_s)
        while (left := await seconds_left(kv, "key")) is not None:
            now = await server_ms(world)
            assert ttl_s - (now - before) / 1000 - RESOLUTION_S <= left <= ttl_s
        assert await server_ms(world) >= before + ttl_s * 1000
        assert (await kv.get("key"), await kv.delete("key"), await kv.expire("key", 5), await kv.persist("key")) == (
            None,
            False,
            False,
            False,
        )
        await expect(NotFound, kv.ttl("key"))
        await kv.batch_set({"other": b"y"})
        assert await kv.batch_get(["key", "other"]) == {"other": b"y"}
        assert await listed(kv.scan()) == [("other", b"y")]
        assert await kv.compare_and_delete("key", b"x") is False
        assert await kv.compare_and_swap("key", b"x", b"z") is False
        async with kv.transaction() as transaction:
            assert await transaction.get("key") is None
        assert await kv.compare_and_swap("key", None, b"new")
        assert await kv.ttl("key") is None

    await asyncio.gather(*(one(ttl_s) for ttl_s in (0.001, 0.0101, 0.02, 0.0333, 0.05)))


@over_valkey
async def test_fractions_of_a_millisecond_count_ttl_1_6(world: World) -> None:
    """Again and again, for where in its millisecond a call falls is chance."""
    for _ in range(60):
        before = await server_ms(world)
        await world.kv.set_with_ttl("key", b"x", 0.0019)
        assert (await seconds_left(world.kv, "key") or 0) <= 0.0019
        await changed(lambda: missing(world.kv, "key"))
        assert await server_ms(world) >= before + 1.9


@over_valkey
async def test_every_method_misses_a_key_that_nobody_touched_since_it_expired_ttl_2(world: World) -> None:
    """The first to look after the deadline removes the key, so each method is first once."""
    kv = world.kv
    looks: dict[str, Callable[[str], Awaitable[object]]] = {
        "get": kv.get,
        "exists": kv.exists,
        "delete": kv.delete,
        "ttl": lambda key: expect(NotFound, kv.ttl(key)),
        "expire": lambda key: kv.expire(key, 5),
        "persist": kv.persist,
        "scan": lambda key: listed(kv.scan(key)),
        "scan_keys": lambda key: listed(kv.scan_keys(key)),
        "count": kv.count,
        "batch_get": lambda key: kv.batch_get([key]),
        "batch_delete": lambda key: kv.batch_delete([key]),
        "cas": lambda key: kv.compare_and_swap(key, b"x", b"y"),
        "cad": lambda key: kv.compare_and_delete(key, b"x"),
    }
    await asyncio.gather(*(kv.set_with_ttl(key, b"x", 0.005) for key in looks))
    await kv.set_with_ttl("witness", b"x", 0.01)
    await changed(lambda: missing(kv, "witness"))
    for key, look in looks.items():
        found = await look(key)
        assert isinstance(found, NotFound) or not found, key
    await kv.set_with_ttl("create", b"x", 0.005)
    await kv.set_with_ttl("witness", b"x", 0.01)
    await changed(lambda: missing(kv, "witness"))
    assert await kv.compare_and_swap("create", None, b"y")


async def missing(kv: RedisKeyValue, key: str) -> bool:
    return not await kv.exists(key)


@over_valkey
async def test_writes_clear_or_replace_a_time_to_live_ttl_3_4_5_7_8_11(world: World) -> None:
    kv = world.kv

    async def transact() -> None:
        async with kv.transaction() as transaction:
            await transaction.set("key", b"x")

    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: kv.set("key", b"x"),
        lambda: kv.batch_set({"key": b"x"}),
        lambda: kv.compare_and_swap("key", b"x", b"x"),
        transact,
        lambda: kv.persist("key"),
    ]

    async def check_left(key: str, ttl_s: float, before_ms: float) -> None:
        left, passed_s = await kv.ttl(key), (await server_ms(world) - before_ms) / 1000
        assert ttl_s - passed_s - RESOLUTION_S <= (left or 0) <= ttl_s

    began = await server_ms(world)
    await kv.set_with_ttl("other", b"y", 5000)
    for write in writes:
        before = await server_ms(world)
        await kv.set_with_ttl("key", b"x", 1000)
        assert await kv.persist("nothing") is False
        assert await kv.compare_and_swap("key", b"other", b"z") is False
        assert await kv.compare_and_swap("key", None, b"z") is False
        await kv.get("key")
        await check_left("key", 1000, before)
        await write()
        assert await kv.ttl("key") is None
        assert await kv.get("key") == b"x"
        assert await kv.persist("key") is False
    for ttl_s in (2000.0, 700.0):
        before = await server_ms(world)
        await kv.set_with_ttl("key", b"x", ttl_s)
        await check_left("key", ttl_s, before)
    for ttl_s in (3000.0, 500.0):
        before = await server_ms(world)
        assert await kv.expire("key", ttl_s) is True
        await check_left("key", ttl_s, before)
        assert await kv.get("key") == b"x"
    await check_left("other", 5000, began)


@over_valkey
async def test_what_is_not_above_zero_expires_at_once_ttl_9(world: World) -> None:
    kv = world.kv
    for ttl_s in (0, -0.0, -1e-9, -5, -1e300):
        await kv.set("key", b"x")
        await kv.set_with_ttl("key", b"y", ttl_s)
        assert await kv.get("key") is None
        await kv.set("key", b"x")
        assert await kv.expire("key", ttl_s) is True
        assert await kv.expire("key", ttl_s) is False
        assert await kv.get("key") is None
    await kv.set("key", b"x")
    for bad in (math.nan, math.inf, -math.inf, 1.1e10):
        await expect(ValueError, kv.set_with_ttl("key", b"y", bad))
        await expect(ValueError, kv.expire("key", bad))
    assert (await kv.get("key"), await kv.ttl("key")) == (b"x", None)


@over_valkey
async def test_the_longest_and_the_shortest_time_to_live(world: World) -> None:
    await world.kv.set_with_ttl("key", b"x", 1e10)
    assert 1e10 - 60 < (await world.kv.ttl("key") or 0) <= 1e10
    assert await world.kv.expire("key", 1e10)
    await world.kv.set_with_ttl("key", b"x", 5e-324)
    await changed(lambda: missing(world.kv, "key"))


@over_valkey
async def test_an_old_deadline_does_not_remove_what_was_written_again_ttl_10(world: World) -> None:
    await world.kv.set_with_ttl("key", b"old", 0.01)
    await world.kv.set_with_ttl("witness", b"", 0.02)
    await world.kv.delete("key")
    await world.kv.set("key", b"new")
    await changed(lambda: missing(world.kv, "witness"))
    assert (await world.kv.get("key"), await world.kv.ttl("key")) == (b"new", None)
