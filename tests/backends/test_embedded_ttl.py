"""The promises of the key-value interface with time to live, over every embedded store.

The numbers at the end of a test's name are those of the promises.
"""

import itertools
import math

from awaiting import expect
from embedded_stores import KeyValue, World, every_store, everything, listed

from prism_testkit.interfaces.errors import NotFound

TTLS = [1e-6, 0.001, 0.1, 0.3, 1, 1.1, 59.999, 3600.7, 1e6 + 0.1, 1e9]
SLACK_S = 0.001


async def absent_for_all(kv: KeyValue, key: str) -> None:
    assert await kv.get(key) is None
    assert not await kv.exists(key)
    assert not await kv.delete(key)
    await expect(NotFound, kv.ttl(key))
    assert not await kv.expire(key, 100)
    assert not await kv.expire(key, 0)
    assert not await kv.persist(key)
    assert await listed(kv.scan(key)) == []
    assert await listed(kv.scan_keys(key)) == []
    assert await kv.count(key) == 0
    assert await kv.batch_get([key]) == {}
    assert await kv.batch_delete([key]) == 0
    assert not await kv.compare_and_swap(key, b"v", b"w")
    assert not await kv.compare_and_delete(key, b"v")
    async with kv.transaction() as transaction:
        assert await transaction.get(key) is None
        assert not await transaction.delete(key)
    assert await kv.get(key) is None


async def present_for_all(kv: KeyValue, key: str) -> None:
    assert await kv.get(key) == b"v"
    assert await kv.exists(key)
    assert await kv.ttl(key) is not None
    assert await listed(kv.scan(key)) == [(key, b"v")]
    assert await listed(kv.scan_keys(key)) == [key]
    assert await kv.count(key) == 1
    assert await kv.batch_get([key]) == {key: b"v"}
    assert not await kv.compare_and_swap(key, None, b"w")
    async with kv.transaction() as transaction:
        assert await transaction.get(key) == b"v"


@every_store
async def test_never_early_and_gone_for_every_method_from_its_deadline_1_2(world: World) -> None:
    world.wait(0.123456789)
    for ttl_s in TTLS:
        await world.kv.set_with_ttl("key", b"v", ttl_s)
        nanoseconds = int(ttl_s * 1e9)
        world.clock.jump(nanoseconds - 1)
        await present_for_all(world.kv, "key")
        world.clock.jump(1_000_001)
        await absent_for_all(world.kv, "key")


@every_store
async def test_ttl_is_never_more_than_given_nor_less_than_left_6(world: World) -> None:
    await world.kv.set("key", b"v")
    assert await world.kv.ttl("key") is None
    for ttl_s, step in itertools.product([*TTLS, 1e10], (0, 7, 123_456_789)):
        world.clock.jump(step)
        await world.kv.set_with_ttl("key", b"v", ttl_s)
        left = await world.kv.ttl("key")
        assert left is not None
        assert ttl_s - SLACK_S <= left <= ttl_s
        assert left >= 0
    world.wait(1e5)
    left = await world.kv.ttl("key")
    assert left is not None
    assert 1e10 - 1e5 - SLACK_S <= left <= 1e10 - 1e5


@every_store
async def test_a_plain_write_clears_the_deadline_3(world: World) -> None:
    async def transact(key: str) -> None:
        async with world.kv.transaction() as transaction:
            await transaction.set(key, b"w")

    for write in (lambda key: world.kv.set(key, b"w"), lambda key: world.kv.batch_set({key: b"w"}), transact):
        await world.kv.set_with_ttl("key", b"v", 1)
        await write("key")
        assert await world.kv.ttl("key") is None
        world.wait(2)
        assert await world.kv.get("key") == b"w"


@every_store
async def test_set_with_ttl_replaces_the_deadline_3(world: World) -> None:
    for first, second in ((1, 5), (5, 1)):
        await world.kv.set_with_ttl("key", b"v", first)
        await world.kv.set_with_ttl("key", b"v", second)
        world.wait(second - 0.01)
        assert await world.kv.exists("key")
        world.wait(0.011)
        assert not await world.kv.exists("key")


@every_store
async def test_only_a_successful_swap_clears_the_deadline_4(world: World) -> None:
    await world.kv.set_with_ttl("key", b"v", 5)
    assert not await world.kv.compare_and_swap("key", b"x", b"w")
    assert not await world.kv.compare_and_swap("key", None, b"w")
    assert await world.kv.ttl("key") is not None
    assert await world.kv.compare_and_swap("key", b"v", b"v")
    assert await world.kv.ttl("key") is None


@every_store
async def test_reads_never_extend_5(world: World) -> None:
    await world.kv.set_with_ttl("key", b"v", 2)
    world.wait(1.5)
    await present_for_all(world.kv, "key")
    world.wait(0.501)
    assert not await world.kv.exists("key")


@every_store
async def test_expire_counts_from_now_and_keeps_the_value_7(world: World) -> None:
    await world.kv.set("key", b"v")
    for ttl_s in (2, 8, 3):
        assert await world.kv.expire("key", ttl_s) is True
        world.wait(1)
    assert await world.kv.get("key") == b"v"
    world.wait(2.001)
    assert await world.kv.expire("key", 5) is False
    assert await world.kv.count() == 0


@every_store
async def test_persist_removes_the_deadline_8(world: World) -> None:
    assert await world.kv.persist("key") is False
    await world.kv.set_with_ttl("key", b"v", 2)
    assert await world.kv.persist("key") is True
    assert await world.kv.persist("key") is False
    world.wait(3)
    assert await world.kv.get("key") == b"v"


@every_store
async def test_not_above_zero_expires_at_once_9(world: World) -> None:
    for ttl_s in (0, -0.0, -1, -1e300):
        await world.kv.set("key", b"v")
        await world.kv.set_with_ttl("key", b"w", ttl_s)
        await absent_for_all(world.kv, "key")
        await world.kv.set("key", b"v")
        assert await world.kv.expire("key", ttl_s) is True
        await absent_for_all(world.kv, "key")


@every_store
async def test_not_finite_is_refused_before_any_effect_9(world: World) -> None:
    await world.kv.set_with_ttl("key", b"v", 5)
    for ttl_s in (math.nan, math.inf, -math.inf):
        await expect(ValueError, world.kv.set_with_ttl("key", b"w", ttl_s))
        await expect(ValueError, world.kv.expire("key", ttl_s))
        await expect(ValueError, world.kv.expire("absent", ttl_s))
    await present_for_all(world.kv, "key")


@every_store
async def test_expired_is_forgotten_whole_10(world: World) -> None:
    await world.kv.set_with_ttl("key", b"v", 1)
    world.wait(2)
    assert await world.kv.compare_and_swap("key", None, b"w")
    assert await world.kv.ttl("key") is None
    await world.kv.set_with_ttl("key", b"v", 1)
    await world.kv.delete("key")
    await world.kv.set_with_ttl("key", b"x", 5)
    world.wait(2)
    assert await world.kv.get("key") == b"x"


@every_store
async def test_a_deadline_is_of_one_key_11(world: World) -> None:
    await world.kv.batch_set({"a": b"v", "c": b"v"})
    await world.kv.set_with_ttl("b", b"v", 1)
    await world.kv.expire("a", 5)
    world.wait(2)
    assert await everything(world.kv) == {"a": b"v", "c": b"v"}
    assert await world.kv.ttl("c") is None
