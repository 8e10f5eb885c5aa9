"""The promises of the key-value scan, over every embedded store.

The numbers at the end of a test's name are those of the promises.
"""

import asyncio

from awaiting import expect
from embedded_stores import World, every_store, everything, listed

LITERALS = ["%", "_", "*", "?", "[", "\\", "a", "%a", "_a", "*a", "?a", "[a", "\\a", "A", "É", "\u00e9", "e\u0301"]


@every_store
async def test_scan_gives_exactly_the_present_keys_1_5(world: World) -> None:
    wanted = {f"key {number}": b"%d" % number for number in range(1203)}
    await world.kv.batch_set(wanted | {"other": b""})
    found = await listed(world.kv.scan("key"))
    assert len(found) == len(wanted)
    assert dict(found) == wanted
    assert sorted(await listed(world.kv.scan_keys("key"))) == sorted(wanted)
    assert await world.kv.count("key") == len(wanted)
    assert await world.kv.count() == len(wanted) + 1


@every_store
async def test_neighbours_in_the_order_of_bytes_are_told_apart_1(world: World) -> None:
    """However a scan is cut into pieces, a cut falls between two of these names, and each is the next possible one."""
    wanted = ["\0" * length for length in range(1, 513)] + ["\0" * length + "\x01" for length in range(512)]
    await world.kv.batch_set(dict.fromkeys(wanted, b""))
    assert sorted(await listed(world.kv.scan_keys())) == sorted(wanted)
    assert await world.kv.count("\0" * 500) == len([name for name in wanted if name.startswith("\0" * 500)])


@every_store
async def test_a_prefix_is_literal_text_2(world: World) -> None:
    await world.kv.batch_set(dict.fromkeys(LITERALS, b""))
    for prefix in ["", *LITERALS, "aa", "a\U0010ffff"]:
        wanted = sorted(name for name in LITERALS if name.startswith(prefix))
        assert sorted(await listed(world.kv.scan_keys(prefix))) == wanted
        assert await world.kv.count(prefix) == len(wanted)


@every_store
async def test_a_key_present_throughout_appears_exactly_once_3(world: World) -> None:
    other = await world.client()
    stable = {f"k{number:04}": b"stable" for number in range(0, 1200, 2)}
    await world.kv.batch_set(stable)
    await world.kv.batch_set({"k0999": b"deleted", "k1001": b"changed"})
    seen: dict[str, bytes] = {}
    async for key, value in world.kv.scan("k"):
        assert key not in seen
        seen[key] = value
        number = len(seen)
        if number == 10:
            await other.set("k1001", b"anew")
            await world.kv.delete("k0999")
        if number % 100 == 0:
            await other.set(f"k{number - 1:04}", b"come")
            await world.kv.set(f"k{1199 - number:04}", b"come")
    assert {key: value for key, value in seen.items() if key in stable} == stable
    assert seen["k1001"] in (b"changed", b"anew")
    assert set(seen.values()) <= {b"stable", b"come", b"changed", b"anew", b"deleted"}


@every_store
async def test_limit_bounds_the_number_of_keys_4(world: World) -> None:
    await world.kv.batch_set({f"{number}": b"" for number in range(1001)})
    for limit in (0, 1, 499, 500, 501, 1000, 1001, 1002, None):
        wanted = 1001 if limit is None else min(limit, 1001)
        assert len(set(await listed(world.kv.scan_keys("", limit)))) == wanted
        assert len(await listed(world.kv.scan(limit=limit))) == wanted
    await expect(ValueError, listed(world.kv.scan("", -1)))
    await expect(ValueError, listed(world.kv.scan_keys("", -1)))


@every_store
async def test_a_limit_counts_keys_that_are_present_4(world: World) -> None:
    for number in range(9):
        await world.kv.set_with_ttl(f"{number}", b"", 1 if number % 3 else 5)
    world.wait(2)
    assert len(await listed(world.kv.scan("", 2))) == 2


@every_store
async def test_a_scan_may_be_left_7(world: World) -> None:
    wanted = {f"{number}": b"" for number in range(1200)}
    await world.kv.batch_set(wanted)
    async for _ in world.kv.scan():
        break
    left = asyncio.ensure_future(listed(world.kv.scan()))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    await world.kv.delete("0")
    assert await everything(world.kv) == {key: value for key, value in wanted.items() if key != "0"}
