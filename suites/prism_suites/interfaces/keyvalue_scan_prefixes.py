"""keyvalue_scan: a prefix is literal text, and has the rules of a key but that it may be empty."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import refused, same
from prism_suites._keyvalue_bulk import counts, drained, listed, listed_keys, lists, numbered, same_names, set_all, store
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, KeyValueScan
from prism_testkit.outcomes import law
from prism_testkit.strategies import prefix_traps, prefixes, universes
from prism_testkit.traits import Limits

Listing = tuple[tuple[str, ...], tuple[str, ...]]
"""Names to store, and prefixes to scan with."""

_listings = universes(2, 8).flatmap(
    lambda names: st.tuples(st.just(names), st.lists(prefixes(names), min_size=1, max_size=4).map(tuple))
)


@check("keyvalue_scan.2", "keyvalue_scan.5")
@gauntlet(lambda limits: [{"listing": trap} for trap in prefix_traps(limits.max_name)])
@given(listing=_listings)
async def a_prefix_is_literal_text(kv: KeyValueScan, case: Case, listing: Listing) -> None:
    """Exactly the keys that begin with the prefix, code point by code point, are given and counted (KV-08, KV-12, KV-41)."""
    names, wanted = listing
    items = numbered(names)
    with law("keyvalue_scan.2"):
        await store(case, kv, items)
        for number, prefix in enumerate(wanted):
            await _begins(kv, items, prefix, number % 3 if case.server else None)


async def _begins(kv: KeyValueScan, items: dict[str, bytes], prefix: str, only: int | None) -> None:
    """Judge all three methods, or on a server one of them."""
    expected = {name: data for name, data in items.items() if name[: len(prefix)] == prefix}
    if only in (None, 0):
        found = await listed(kv, prefix)
        same_names(found, expected, f"scan({prefix[:40]!a})", "keyvalue_scan.2", prefix)
        same("keyvalue_scan.1", found, expected, "scan gives another value than the key holds")
    if only in (None, 1):
        same_names(await listed_keys(kv, prefix), expected, f"scan_keys({prefix[:40]!a})", "keyvalue_scan.2", prefix)
    if only in (None, 2):
        sentence = f"count({prefix[:40]!a}) is not the number of keys that begin with the prefix"
        same("keyvalue_scan.2", await kv.count(prefix), len(expected), sentence)


def _patterns(limits: Limits) -> Iterator[Mapping[str, Any]]:
    """The traps whose prefixes are patterns, ranges or blanks somewhere."""
    for names, found in prefix_traps(limits.max_name):
        if set("".join(found)) & set("%_*?[\\^.~ \x00"):
            yield {"listing": (names, found)}


@check("keyvalue_scan.5")
@gauntlet(_patterns)
@given(listing=_listings)
async def a_count_agrees_with_a_scan_of_any_prefix(kv: KeyValueScan, case: Case, listing: Listing) -> None:
    """`scan_keys` gives the keys that `scan` gives, and `count` their number, whatever the prefix (KV-12, KV-41)."""
    names, wanted = listing
    await store(case, kv, numbered(names))
    for prefix in wanted[::6] if case.server else wanted:
        found = await listed(kv, prefix)
        counts(await kv.count(prefix), len(found), prefix)
        sentence = f"scan_keys({prefix[:40]!a}) gives other keys than scan"
        same("keyvalue_scan.5", sorted(await listed_keys(kv, prefix)), sorted(found), sentence)


@check("keyvalue_scan.2", "keyvalue_scan.4")
@gauntlet(lambda limits: [{"listing": (names[:12], found[:3])} for names, found in prefix_traps(limits.max_name)[::12]])
@given(listing=_listings)
async def a_limit_counts_only_what_begins_with_the_prefix(kv: KeyValueScan, case: Case, listing: Listing) -> None:
    """With a limit exactly min(limit, matching) keys are given, all of them matching (KV-42)."""
    names, wanted = listing
    items = numbered(names)
    await store(case, kv, items)
    for prefix in wanted:
        expected = {name for name in names if name[: len(prefix)] == prefix}
        for limit in sorted({0, 1, len(expected), max(0, len(expected) - 1), len(expected) + 1}):
            found = await listed(kv, prefix, limit)
            if not set(found) <= expected:
                same_names(found, expected, f"scan({prefix[:40]!a}, {limit})", "keyvalue_scan.2", prefix)
            sentence = f"scan of {len(expected)} matching keys with limit={limit} gives another number of them"
            same("keyvalue_scan.4", len(found), min(limit, len(expected)), sentence)


@check("keyvalue_scan.2", "keyvalue_scan.1")
async def a_prefix_may_be_as_long_as_a_name(kv: KeyValueScan, case: Case) -> None:
    """A prefix of the largest size is legal and gives the key of that name, and nothing where there is none."""
    names = longest_names(case.limits.max_name)
    items = numbered(dict.fromkeys((*names, "a", "é")))
    with law("keyvalue_scan.6"):
        for name in names:
            await lists(kv, {}, name)
        await set_all(kv, items)
        for name in names:
            await lists(kv, items, name)
            await lists(kv, items, name[:-1])


@check("keyvalue_scan.6")
@gauntlet(lambda limits: [{"prefix": bad, "near": near} for bad, near in bad_names(limits.max_name) if bad])
async def a_bad_prefix_is_refused_by_every_method(kv: KeyValueScan, prefix: str, near: str) -> None:
    """A prefix that is too long or holds a surrogate raises `InvalidName`, at the latest at the first step (KV-09)."""
    sentence = "a bad prefix is not refused by InvalidName"
    for items in ({}, {near: b"near", "b": b"beside"}):
        await set_all(kv, items)
        await refused("keyvalue_scan.6", drained(kv.scan(prefix)), InvalidName, f"scan: {sentence}")
        await refused("keyvalue_scan.6", drained(kv.scan_keys(prefix)), InvalidName, f"scan_keys: {sentence}")
        await refused("keyvalue_scan.6", kv.count(prefix), InvalidName, f"count: {sentence}")
        await refused("keyvalue_scan.6", drained(kv.scan(prefix, 0)), InvalidName, f"scan with limit=0: {sentence}")
        await lists(kv, items, promise="keyvalue_scan.6")


_NO_PREFIXES: tuple[object, ...] = (b"a", 1, ("a",))


@check("keyvalue_scan.6")
@gauntlet(lambda limits: [{"prefix": prefix} for prefix in _NO_PREFIXES])
async def what_is_no_text_is_no_prefix(kv: KeyValueScan, prefix: str) -> None:
    """A prefix that is not ``str`` raises ``TypeError``, as a key does."""
    items = {"a": b"1", "b'a'": b"2", "1": b"3"}
    await set_all(kv, items)
    sentence = "a prefix that is not text is not refused by TypeError"
    await refused("keyvalue_scan.6", drained(kv.scan(prefix)), TypeError, f"scan: {sentence}")
    await refused("keyvalue_scan.6", drained(kv.scan_keys(prefix)), TypeError, f"scan_keys: {sentence}")
    await refused("keyvalue_scan.6", kv.count(prefix), TypeError, f"count: {sentence}")
    await lists(kv, items)
