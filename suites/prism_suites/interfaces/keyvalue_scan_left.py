"""keyvalue_scan: a scan may be left at any step, and several may be open at once; the driver stays usable."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from prism_suites._judging import broken, same, truth, value
from prism_suites._keyvalue_bulk import drained, lists, numbered, set_all, store
from prism_suites._keyvalue_working import works
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueScan
from prism_testkit.outcomes import law


def _opened(kv: KeyValueScan, keys_only: bool, prefix: str = "") -> AsyncGenerator[Any, None]:
    """Begin a scan that can be closed; what a tapped slot returns is a generator."""
    iterator: AsyncIterator[Any] = kv.scan_keys(prefix) if keys_only else kv.scan(prefix)
    return cast("AsyncGenerator[Any, None]", iterator)


async def _take(iterator: AsyncIterator[Any], count: int) -> list[Any]:
    taken: list[Any] = []
    if count == 0:
        return taken
    async for item in iterator:
        taken.append(item)
        if len(taken) == count:
            break
    return taken


async def _is_usable(kv: KeyValueBasic, items: dict[str, bytes]) -> None:
    """Judge that a client reads what is there, and can write and delete."""
    for name in list(items)[:3]:
        value("keyvalue_scan.7", await kv.get(name), items[name], "after a scan was left a key does not read as its value")
    await kv.set("new", b"new")
    value("keyvalue_scan.7", await kv.get("new"), b"new", "after a scan was left the driver does not write")
    truth("keyvalue_scan.7", await kv.exists("new"), True, "after a scan was left the driver does not see its own write")
    truth("keyvalue_scan.7", await kv.delete("new"), True, "after a scan was left the driver does not delete")


_MANY = 130
_PLACES = [{"taken": taken, "keys_only": keys_only} for keys_only in (False, True) for taken in (0, 1, 2, 15, 29, 30)]


@check("keyvalue_scan.7", "keyvalue_scan.3")
@gauntlet(lambda limits: _PLACES)
async def a_scan_left_early_changes_nothing(kv: KeyValueScan, case: Case, taken: int, keys_only: bool) -> None:
    """Left by ``break`` after any number of steps, still open and then closed, it keeps nobody from reading or writing."""
    whole, other = await case.whole(), await case.client()
    items = numbered(f"k{number}" for number in range(30))
    await store(case, kv, items)
    with law("keyvalue_scan.7"):
        async with aclosing(_opened(whole, keys_only)) as iterator:
            same("keyvalue_scan.1", len(await _take(iterator, taken)), taken, "a scan ends before its end")
            await _is_usable(whole, items)
            await _is_usable(other, items)
            await works("keyvalue_scan.7", whole, "while a scan is open")
        for client in (whole, other):
            await _is_usable(client, items)
            await lists(client, items)
        await works("keyvalue_scan.7", whole, "after a scan was left")


@check("keyvalue_scan.7")
async def scans_left_early_use_nothing_up(kv: KeyValueScan, case: Case) -> None:
    """After a hundred scans of each kind that were left at their first steps the next one works as the first did."""
    whole = await case.whole()
    items = numbered(f"k{number}" for number in range(12))
    await set_all(kv, items)
    with law("keyvalue_scan.7"):
        for number in range(60 if case.server else 260):
            async with aclosing(_opened(whole, keys_only=number % 2 == 0)) as iterator:
                await _take(iterator, 1 + number % 3)
            if number % 10 == 0:
                await kv.set("k0", b"%d" % number)
                items["k0"] = b"%d" % number
        await lists(whole, items)
        await works("keyvalue_scan.7", whole, "after many scans were left")


@check("keyvalue_scan.7", "keyvalue_scan.3")
async def many_that_are_open_keep_nobody_waiting(kv: KeyValueScan, case: Case) -> None:
    """Beside more open scans than a pool has connections, or a store slots for readers, calls end, and each of them goes on."""
    items = numbered(f"k{number}" for number in range(40))
    await store(case, kv, items)
    opened = [_opened(kv, keys_only=number % 2 == 0) for number in range(_MANY)]
    given: list[list[Any]] = []
    try:
        with law("keyvalue_scan.7"):
            for scan in opened:
                given.append(await _take(scan, 1))
            await _is_usable(kv, items)
            await lists(kv, items)
            for number, scan in enumerate(opened):
                given[number] += await drained(scan)
    finally:
        for scan in opened:
            await scan.aclose()
    for number, got in enumerate(given):
        expected = sorted(items) if number % 2 == 0 else sorted(items.items())
        same("keyvalue_scan.3", sorted(got), expected, f"of {_MANY} scans that are open at once one does not give exactly its keys")


@check("keyvalue_scan.7", "keyvalue_scan.3")
@gauntlet(lambda limits: [{"order": order} for order in ("ABC", "CBA", "AABC", "ABCCBA", "ACBBB", "CCAB")])
async def scans_that_are_open_at_once_do_not_mix(kv: KeyValueScan, case: Case, order: str) -> None:
    """Several scans of one driver, stepped in turn with writes in between, each give exactly their own keys."""
    groups = {letter: {f"{letter}{number:02}": b"%d" % number for number in range(9)} for letter in "ABC"}
    await store(case, kv, groups["A"] | groups["B"] | groups["C"])
    scans = {"A": _opened(kv, False, "A"), "B": _opened(kv, True, "B"), "C": _opened(kv, False, "C")}
    given: dict[str, list[Any]] = {letter: [] for letter in scans}
    for number in range(5):
        for letter in order:
            given[letter] += [item async for item in _one(scans[letter])]
        await kv.set(f"D{number}", b"x")
        same("keyvalue_scan.5", await kv.count("B"), 9, "a count is not right while scans are open")
    for letter, scan in scans.items():
        given[letter] += await drained(scan)
    expected = {"A": sorted(groups["A"].items()), "B": sorted(groups["B"]), "C": sorted(groups["C"].items())}
    for letter, items in expected.items():
        same("keyvalue_scan.3", sorted(given[letter]), items, "a scan among others that are open does not give exactly its keys")


@check("keyvalue_scan.4", "keyvalue_scan.1")
@gauntlet(
    lambda limits: [
        {"bounds": bounds, "keys_only": keys_only}
        for bounds in ((3, 5), (5, 3), (2, None), (1, 7, 4))
        for keys_only in (False, True)
    ]
)
async def each_open_scan_has_its_own_limit(kv: KeyValueScan, case: Case, bounds: tuple[int | None, ...], keys_only: bool) -> None:
    """Scans that take their steps by turns, over one client, give each as many keys as it was asked for (KV-43)."""
    items = numbered(f"k{number}" for number in range(9))
    await set_all(kv, items)
    scans: list[Any] = [kv.scan_keys("k", limit) if keys_only else kv.scan("k", limit) for limit in bounds]
    found: list[list[Any]] = [[] for _ in scans]
    for _ in range(len(items) + 1):
        for got, scan in zip(found, scans, strict=True):
            got += await _take(scan, 1)
    for got, limit in zip(found, bounds, strict=True):
        wanted = len(items) if limit is None else limit
        same("keyvalue_scan.4", len(set(got)), wanted, "a scan beside another gives more keys than its limit, or fewer")
    for scan in scans:
        await scan.aclose()


async def _one(iterator: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Give the next item, or nothing at the end."""
    for item in await _take(iterator, 1):
        yield item


@check("keyvalue_scan.3", "keyvalue_scan.1")
async def scans_of_the_same_keys_may_be_nested(kv: KeyValueScan, case: Case) -> None:
    """A whole scan within each step of another gives the same keys as that one."""
    items = numbered(f"k{number}" for number in range(12))
    await store(case, kv, items)
    outer: dict[str, bytes] = {}
    async for name, data in kv.scan("k"):
        if name in outer:
            broken("keyvalue_scan.3", "a scan gives a key twice when another runs meanwhile", expected="each key once", got=name)
        outer[name] = data
        await lists(kv, items)
    same("keyvalue_scan.3", outer, items, "a scan does not give every key when another runs meanwhile")


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def scans_at_the_same_time_are_complete(kv: KeyValueScan, case: Case) -> None:
    """Several tasks that list at once over one driver each get everything."""
    items = numbered(f"k{number}" for number in range(25))
    await store(case, kv, items)
    case.overlap()
    await asyncio.gather(*(lists(kv, items, prefix) for prefix in ("", "k", "k1", "k2", "x")))


@check("keyvalue_scan.7")
@gauntlet(
    lambda limits: [{"steps": steps, "keys_only": keys_only} for keys_only in (False, True) for steps in (0, 1, 2, 3, 5, 8, 13, 40)]
)
async def a_cancelled_scan_leaves_the_driver_usable(kv: KeyValueScan, case: Case, steps: int, keys_only: bool) -> None:
    """Cancelled while it waits for anything, it leaves nothing changed, and the next calls get their own answers."""
    whole, other = await case.whole(), await case.client()
    items = numbered(f"k{number}" for number in range(30))
    await store(case, kv, items)
    case.overlap()
    task = asyncio.create_task(drained(_opened(whole, keys_only)))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with law("keyvalue_scan.7"):
        await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
        if error is not None:
            broken("keyvalue_scan.7", "a cancelled scan raised something else", expected="CancelledError", got=repr(error))
        for client in (whole, other):
            await _is_usable(client, items)
            await lists(client, items)
        await works("keyvalue_scan.7", whole, "after a scan was cancelled")


@check("keyvalue_scan.7")
async def an_error_in_the_body_leaves_the_driver_usable(kv: KeyValueScan, case: Case) -> None:
    """An exception raised between two steps is passed on, and the driver goes on working."""
    items = numbered(f"k{number}" for number in range(12))
    await store(case, kv, items)
    for keys_only in (False, True):
        try:
            async with aclosing(_opened(kv, keys_only)) as iterator:
                async for _ in iterator:
                    raise LookupError("of the body")
        except LookupError:
            await _is_usable(kv, items)
        else:
            broken("keyvalue_scan.7", "an exception raised between two steps of a scan is swallowed", expected="LookupError")
    await lists(kv, items)
