"""keyvalue_scan: any number of keys is listed whole, and a limit is exact, around every size of page in use."""

from collections.abc import Iterable, Mapping

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_bulk import counts, drained, listed, listed_keys, lists, numbered, set_all, store
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueScan
from prism_testkit.tap import offers

_PAGES = (10, 16, 20, 25, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024)
_LADDER = tuple(sorted({size for page in _PAGES for size in (page - 1, page, page + 1)}))
_ON_A_SERVER = (10, 11, 100, 101, 257, 1000, 1001, 1025)
_HUGE = (10_000, 2**31 - 1, 2**31, 2**32 + 1, 2**63 - 1, 2**63, 2**64 + 1)
_LARGE = 800_000
"""Of six values, which with the small ones pass the megabyte of a page and the four of a message."""
_BESIDE = dict.fromkeys(("!", "0", "K", "j", "jz", "l", "l0", "z", "é", "~"), b"beside")


async def _ladder(case: Case) -> tuple[int, ...]:
    """Return sizes to try: all, or on a server a few, and only small ones where keys are written one by one."""
    if not case.server:
        return _LADDER
    return _ON_A_SERVER if offers(await case.whole(), KeyValueBatch) else _ON_A_SERVER[:4]


def _names(count: int) -> list[str]:
    """Return names of one prefix, in an order that is neither theirs nor its reverse: 257 is prime, and coprime to the counts."""
    return [f"k{number * 257 % 1033:04}" for number in range(count)]


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def any_number_of_keys_is_listed_whole(kv: KeyValueScan, case: Case) -> None:
    """While a namespace grows, every listing gives each key once, around every size at which pages end (KV-42)."""
    await set_all(kv, _BESIDE)
    names = _names(_LADDER[-1])
    items: dict[str, bytes] = {}
    for number, size in enumerate(await _ladder(case)):
        more = {name: name.encode() for name in names[len(items) : size]}
        await store(case, kv, more)
        items |= more
        await lists(kv, items | _BESIDE, "k" if number % 2 == 0 else "")
        counts(await kv.count("k"), size, "k")


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def any_number_of_keys_is_forgotten(kv: KeyValueScan, case: Case) -> None:
    """While a namespace shrinks, no listing gives what was deleted, or leaves out what was not."""
    sizes = await _ladder(case)
    names = _names(sizes[-1] if not case.server else 130)
    items = dict.fromkeys(names, b"")
    await store(case, kv, items)
    for left in sorted({*(size for size in sizes if size < len(names)), 0, 1}, reverse=True):
        for name in sorted(items)[: len(items) - left]:
            await kv.delete(name)
            del items[name]
        await lists(kv, items, "k")


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def large_values_cut_no_listing_short(kv: KeyValueScan, case: Case) -> None:
    """Values of some megabytes in all, as much as a page or a message holds, are listed with the small ones beside them."""
    largest = min(case.limits.max_payload, _LARGE)
    items = {f"k{number:02}": bytes([number]) * (largest if number % 4 == 2 else 9) for number in range(24)}
    await store(case, kv, items)
    await lists(kv, items, "k")
    counts(await kv.count("k"), len(items), "k")


def _near(sizes: Iterable[int], count: int) -> list[int]:
    return sorted({limit for size in (*sizes, count) for limit in (size - 1, size, size + 1) if limit >= 0} | {0, 1, 2, *_HUGE})


@check("keyvalue_scan.4")
@gauntlet(lambda limits: [{"count": count} for count in (0, 1, 2, 3, 10, 20)])
async def a_limit_gives_exactly_as_many_keys(kv: KeyValueScan, case: Case, count: int) -> None:
    """`scan` and `scan_keys` give min(limit, matching) keys with their values; 0 gives nothing, None is no bound."""
    items = numbered(f"k{number}" for number in range(count))
    await store(case, kv, items)
    for limit in (*_near((1,), count), None):
        await _limited(kv, items, "", limit)
        await _limited(kv, items, "k", limit)


@check("keyvalue_scan.4")
async def a_limit_is_exact_over_many_pages(kv: KeyValueScan, case: Case) -> None:
    """A limit around any size of page, below and above the number of keys, gives exactly that many, each once."""
    sizes = await _ladder(case)
    items = {name: name.encode() for name in _names(sizes[-1])}
    await store(case, kv, items | _BESIDE)
    for number, limit in enumerate(_near(sizes if not case.server else sizes[1::3], len(items))):
        await _limited(kv, items, "k", limit, keys=number % 4 == 0)


async def _limited(kv: KeyValueScan, items: Mapping[str, bytes], prefix: str, limit: int | None, *, keys: bool = True) -> None:
    wanted = len(items) if limit is None else min(limit, len(items))
    found = await listed(kv, prefix, limit)
    same("keyvalue_scan.4", len(found), wanted, f"scan of {len(items)} keys with limit={limit} gives another number of them")
    for name, data in found.items():
        if items.get(name) != data:
            broken(
                "keyvalue_scan.1", f"scan with limit={limit} gives a wrong key or value", expected=items.get(name), got=(name, data)
            )
    if keys:
        names = await listed_keys(kv, prefix, limit)
        same("keyvalue_scan.4", len(names), wanted, f"scan_keys of {len(items)} keys with limit={limit} gives another number")
        same("keyvalue_scan.5", set(names) - set(items), set(), f"scan_keys with limit={limit} gives keys that scan does not")


@check("keyvalue_scan.4", "keyvalue_scan.1")
async def a_limit_does_not_count_deleted_keys(kv: KeyValueScan) -> None:
    """Deleted and overwritten keys take no place under a limit, wherever in any order they stand."""
    items = numbered(f"k{number:02}" for number in range(30))
    await set_all(kv, items)
    for name in [*list(items)[:10], *list(items)[-5:]]:
        await kv.delete(name)
        del items[name]
    for name in list(items)[:5]:
        items[name] = b"again"
        await kv.set(name, items[name])
    for limit in (1, 5, 14, 15, 16, 30):
        await _limited(kv, items, "k", limit)


@check("keyvalue_scan.1", "keyvalue_scan.4", "keyvalue_scan.2")
async def a_few_among_many_are_found(kv: KeyValueScan, case: Case) -> None:
    """Whole pages of keys that do not match hide none that do, and take no place under a limit (KV-41)."""
    sizes = await _ladder(case)
    many = dict.fromkeys(_names(sizes[-1]), b"")
    few = {name: name.encode() for name in ("a", "a\x00", "b", "k", "ka", "kz", "z", "z\uffff", "é", "\U0010ffff")}
    await store(case, kv, many | few)
    for prefix in ("a", "b", "ka", "kz", "z", "é", "\U0010ffff", "x", "k00", "k1", "k102", "k0500"):
        expected = {name: data for name, data in (many | few).items() if name[: len(prefix)] == prefix}
        await lists(kv, expected, prefix)
        await _limited(kv, expected, prefix, 1)
        await _limited(kv, expected, prefix, max(1, len(expected) - 1))


_TWINS = {
    "case": ("a", "A"),
    "normal form": ("é", "e\u0301"),
    "accent": ("e", "é"),
    "blank": ("", " "),
    "width": ("1", "１"),
    "nul": ("", "\x00"),
}
"""Ends of names that some order takes for equal; a page that begins behind the one may leave out the other."""


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_scan.4")
@gauntlet(lambda limits: [{"twins": kind, "count": 520 if kind in ("case", "normal form") else 130} for kind in _TWINS])
async def keys_that_sort_alike_are_all_listed(kv: KeyValueScan, case: Case, twins: str, count: int) -> None:
    """Wherever a page ends between two keys that some order takes for equal, both are given (KV-08, KV-42)."""
    items = {f"k{number:03}{end}": b"" for number in range(min(count, 130) if case.server else count) for end in _TWINS[twins]}
    await store(case, kv, items)
    await lists(kv, items)
    # One key in front of all: now the twins are divided where a page has an even number of keys, and not where it is odd.
    items["!"] = b"first"
    await kv.set("!", b"first")
    await lists(kv, items)
    await _limited(kv, items, "", len(items) - 1)


@check("keyvalue_scan.4")
@gauntlet(lambda limits: [{"limit": limit} for limit in (-1, -2, -100, -(2**31), -(2**63))])
async def a_negative_limit_is_refused(kv: KeyValueScan, limit: int) -> None:
    """It raises ``ValueError``, at the latest at the first step, over an empty namespace too; the driver stays usable."""
    for items in ({}, {"a": b"1", "b": b"2"}):
        await set_all(kv, items)
        for prefix in ("", "a", "x"):
            sentence = f"with limit={limit} is not refused by ValueError"
            await refused("keyvalue_scan.4", drained(kv.scan(prefix, limit)), ValueError, f"scan {sentence}")
            await refused("keyvalue_scan.4", drained(kv.scan_keys(prefix, limit=limit)), ValueError, f"scan_keys {sentence}")
        await lists(kv, items)


@check("keyvalue_scan.1", "keyvalue_scan.5", level="thorough")
@gauntlet(lambda limits: [{"count": count} for count in (2001, 2049, 5001, 10_001)])
async def thousands_of_keys_are_listed_whole(kv: KeyValueScan, case: Case, count: int) -> None:
    """Ten thousand keys are listed as ten are (KV-42)."""
    items = {f"k{number:05}": b"%d" % number for number in range(count)}
    await store(case, kv, items)
    await lists(kv, items)
    await _limited(kv, items, "k", count - 1)
