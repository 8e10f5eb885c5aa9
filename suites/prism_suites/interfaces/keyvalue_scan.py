"""keyvalue_scan: a quiet store is listed whole, each key once with its value; `scan_keys` and `count` say the same."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_bulk import listed, lists, numbered, set_all, store
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueScan
from prism_testkit.outcomes import law
from prism_testkit.strategies import gauntlet_payloads, name_groups, patterned, payload_pools, universes
from prism_testkit.traits import Limits

_CHEAP = 4200


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_basic.2")
async def an_empty_namespace_lists_nothing(kv: KeyValueScan) -> None:
    """Before the first write and after the last deletion nothing is given; asking for missing keys creates nothing."""
    await lists(kv, {})
    await lists(kv, {}, "a")
    await kv.get("a")
    await kv.exists("ab")
    await kv.delete("b")
    await lists(kv, {}, promise="keyvalue_basic.2")
    await set_all(kv, {"a": b"1", "b": b""})
    await kv.delete("a")
    await lists(kv, {"b": b""})
    await kv.delete("b")
    await lists(kv, {})
    await lists(kv, {}, "b")


_EXAMPLES = (
    ("a", "b"),
    ("a", "aa", "aaa", "b"),
    ("é", "e", "🍣", "中", "\x00", " "),
    ("k1", "k10", "k2", "K1", "k", "1", "-1"),
)


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_scan.2")
@gauntlet(lambda limits: [{"names": names, "values": (b"1", b"", b"x" * 60)} for names in _EXAMPLES])
@given(names=universes(1, 8), values=payload_pools(1, 6))
async def exactly_what_is_present_is_listed(kv: KeyValueScan, names: tuple[str, ...], values: tuple[bytes, ...]) -> None:
    """After every write, overwrite and deletion `scan`, `scan_keys` and `count` give what is there, each key once."""
    items: dict[str, bytes] = {}
    for number, name in enumerate(names):
        items[name] = values[number % len(values)]
        await kv.set(name, items[name])
        await lists(kv, items)
    for name in (names[0], names[-1]):
        items[name] = values[-1][::-1][:40] + b"!"
        await kv.set(name, items[name])
    await lists(kv, items)
    for name in names[::2]:
        truth("keyvalue_basic.4", await kv.delete(name), True, "delete says that a present key was missing")
        del items[name]
        await lists(kv, items)


@check("keyvalue_scan.5", "keyvalue_scan.1")
async def a_count_is_of_keys_and_not_of_writes(kv: KeyValueScan) -> None:
    """Overwriting, deleting twice, deleting what is missing and writing again are counted rightly; reading is not counted."""
    items: dict[str, bytes] = {}
    for number, step in enumerate(["+a", "+a", "+b", "-x", "-a", "-a", "+a", "+b", "-b", "+c", "+a", "-c", "-x", "+b", "-a", "-b"]):
        name = step[1:]
        if step[0] == "+":
            items[name] = b"%d" % number
            await kv.set(name, items[name])
        else:
            truth("keyvalue_basic.4", await kv.delete(name), name in items, "delete does not say whether the key was there")
            items.pop(name, None)
        await kv.get("a")
        await kv.exists("missing")
        same("keyvalue_scan.5", await kv.count(), len(items), "count is not the number of keys that are there")
        await lists(kv, items)


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def no_ghosts_after_many_writes_and_deletions(kv: KeyValueScan, case: Case) -> None:
    """Keys that were overwritten, deleted and written again over and over are given once, deleted ones never."""
    items: dict[str, bytes] = {}
    for number in range(60 if case.server else 240):
        name = f"k{number * 7 % 20}"
        if number % 3 == 2:
            await kv.delete(name)
            items.pop(name, None)
        else:
            items[name] = b"%d" % number
            await kv.set(name, items[name])
        if number % 5 == 0:
            await lists(kv, items)
    await lists(kv, items)
    for name in list(items):
        await kv.delete(name)
    await lists(kv, {})


def _chunks(limits: Limits) -> Iterator[Mapping[str, Any]]:
    small = list(gauntlet_payloads(limits.max_payload, most=_CHEAP))
    yield from ({"values": tuple(small[start : start + 48])} for start in range(0, len(small), 48))
    yield {"values": (patterned(limits.max_payload), b"", patterned(limits.max_payload - 1), b"small")}


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_basic.3")
async def a_large_value_is_one_key(kv: KeyValueScan, case: Case) -> None:
    """However a large value is kept, it is listed and counted once, and nothing is left of it once it is gone."""
    large = patterned(case.limits.max_payload)
    await kv.set("a", large)
    await lists(kv, {"a": large})
    await lists(kv, {"a": large}, "a")
    await kv.set("a", b"small")
    await lists(kv, {"a": b"small"})
    await set_all(kv, {"a": large[::-1], "b": large[:-1]})
    await kv.delete("a")
    await lists(kv, {"b": large[:-1]})


@check("keyvalue_scan.1")
@gauntlet(_chunks)
@given(values=payload_pools(1, 6))
async def every_value_is_listed_as_it_was_written(kv: KeyValueScan, case: Case, values: tuple[bytes, ...]) -> None:
    """`scan` gives the value that `get` would, byte for byte, of any length, the empty one included (KV-02)."""
    items = {f"k{number}": data for number, data in enumerate(values)}
    await store(case, kv, items)
    await lists(kv, items)


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_basic.3")
async def every_name_is_listed_as_it_was_written(kv: KeyValueScan, case: Case) -> None:
    """Every name of every group, all in one namespace, comes out unchanged, once, with its own value (KV-07)."""
    items = numbered(dict.fromkeys(name for group in name_groups(case.limits.max_name) for name in group))
    with law("keyvalue_scan.1"):
        await store(case, kv, items)
        await lists(kv, items)


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def listing_twice_gives_the_same(kv: KeyValueScan, case: Case) -> None:
    """Without a write in between every listing gives the same keys, changes nothing, and counts them alike."""
    items = numbered(f"k{number}" for number in range(25))
    await set_all(kv, items)
    first = await listed(kv)
    for _ in range(3):
        same("keyvalue_scan.1", await listed(kv), first, "a second scan of a quiet store gives something else than the first")
        await lists(kv, items)
    for name, data in items.items():
        value("keyvalue_scan.1", await kv.get(name), data, "listing changed what a key holds")


_WRITES = tuple(f"{client} {operation} {name}" for operation in ("set", "delete") for client in range(3) for name in "abc")


@check("keyvalue_basic.8", "keyvalue_scan.1")
@gauntlet(
    lambda limits: [{"steps": ("0 set a", "1 set b", "0 delete b", "1 set a", "2 delete a", "2 set c", "0 set c", "1 delete c")}]
)
@given(steps=st.lists(st.sampled_from(_WRITES), min_size=1, max_size=8).map(tuple))
async def every_client_lists_what_all_wrote(kv: KeyValueScan, case: Case, steps: tuple[str, ...]) -> None:
    """After each write of any client all clients list the same, whatever they listed before."""
    clients: list[KeyValueScan] = [kv, await case.client(), await case.client()]
    items: dict[str, bytes] = {}
    for number, step in enumerate(steps):
        who, operation, name = step.split()
        if operation == "set":
            items[name] = b"%d" % number
            await clients[int(who)].set(name, items[name])
        else:
            await clients[int(who)].delete(name)
            items.pop(name, None)
        for client in clients:
            await _sees(client, items)


async def _sees(client: KeyValueScan, items: Mapping[str, bytes]) -> None:
    same("keyvalue_basic.8", await listed(client), items, "a client does not list what was written last")
    same("keyvalue_basic.8", await client.count(), len(items), "a client does not count what was written last")


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def a_listing_follows_the_writes_of_others(kv: KeyValueScan, case: Case) -> None:
    """A client that only lists sees each time what is there, and counts the same, whatever it listed before."""
    writer: KeyValueScan = await case.client()
    items: dict[str, bytes] = {}
    for number, name in enumerate(("a", "ab", "b", "a", "abc", "b")):
        items[name] = b"%d" % number
        await writer.set(name, items[name])
        await lists(kv, items)
        await lists(kv, items, "a")
    for name in list(items):
        await writer.delete(name)
        del items[name]
        await lists(kv, items)
        await lists(kv, items, "a")


@check("keyvalue_basic.9", "keyvalue_scan.1")
@gauntlet(lambda limits: [{"names": names[:8]} for names in (("a", "b", "ab"), *name_groups(limits.max_name)[::40])])
@given(names=universes(2, 6))
async def a_namespace_lists_only_its_own_keys(kv: KeyValueScan, case: Case, names: tuple[str, ...]) -> None:
    """`scan`, `scan_keys`, `count` and a limit know nothing of other namespaces, whatever their keys are called (KV-60)."""
    sibling = await case.sibling()
    here = dict.fromkeys(names[::2], b"here")
    there = dict.fromkeys(names, b"there")
    there |= {f"{case.namespace}{separator}{name}": b"joined" for separator in ("", ":", "/") for name in ("a", "b")}
    await set_all(kv, here)
    await _is_all(sibling, {})
    await set_all(sibling, there)
    for space, items in ((kv, here), (sibling, there), (await case.sibling(), {})):
        await _is_all(space, items)
        same("keyvalue_basic.9", len(await listed(space, "", 100)), len(items), "a limit lets keys of another namespace in")
    for name in here:
        await kv.delete(name)
    await _is_all(kv, {})
    await _is_all(sibling, there)


async def _is_all(kv: KeyValueScan, items: Mapping[str, bytes]) -> None:
    same("keyvalue_basic.9", await listed(kv), items, "a scan does not give the keys of its own namespace alone")
    same("keyvalue_basic.9", sorted([key async for key in kv.scan_keys()]), sorted(items), "scan_keys gives keys of others")
    same("keyvalue_basic.9", await kv.count(), len(items), "count counts keys of another namespace")


@check("keyvalue_scan.1", "keyvalue_scan.4", "keyvalue_scan.5")
async def arguments_may_be_given_by_position_or_by_name(kv: KeyValueScan) -> None:
    """``prefix`` and ``limit`` mean the same by position, by keyword and left out."""
    items = {"a1": b"1", "a2": b"2", "b": b"3"}
    await set_all(kv, items)
    both = {"a1": b"1", "a2": b"2"}
    ways: list[tuple[Any, Any, Any]] = [
        (kv.scan(), kv.scan_keys(), items),
        (kv.scan("a"), kv.scan_keys("a"), both),
        (kv.scan(prefix="a"), kv.scan_keys(prefix="a"), both),
        (kv.scan("a", 5), kv.scan_keys("a", 5), both),
        (kv.scan("a", limit=None), kv.scan_keys("a", limit=None), both),
        (kv.scan(limit=3), kv.scan_keys(limit=3), items),
        (kv.scan(limit=2, prefix="a"), kv.scan_keys(limit=2, prefix="a"), both),
    ]
    for pairs, keys, expected in ways:
        same("keyvalue_scan.1", {name: data async for name, data in pairs}, expected, "scan takes its arguments wrongly")
        same("keyvalue_scan.5", sorted([name async for name in keys]), sorted(expected), "scan_keys takes its arguments wrongly")
    same("keyvalue_scan.5", (await kv.count(), await kv.count("a"), await kv.count(prefix="b")), (3, 2, 1), "count is wrong")


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def a_listing_does_not_age(kv: KeyValueScan, case: Case) -> None:
    """Keys without a time to live are listed after any time, on a clock that can be moved; on others, at once."""
    items = {"a": b"1", "b": b""}
    await set_all(kv, items)
    for seconds in (1.0, 3600.0, 86_400.0, 2_678_400.0) if case.clock.virtual else ():
        await case.advance(seconds)
        await lists(kv, items)
    await lists(kv, items)
