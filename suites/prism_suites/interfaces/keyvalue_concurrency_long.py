"""Long values under concurrency: stores keep them apart from short ones, in files or rows of their own that a write replaces."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    Conflict,
    KeyValueBasic,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransactional,
    KeyValueTtl,
    NotFound,
)
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

_FEW, _SOME = 3, 8
"""Keys that are replaced one by one, and in one call: there the first has waited long when the last one comes."""
_ROUNDS, _ROUNDS_ALIKE, _ROUNDS_OF_THREADS = 3, 8, 20
_READERS_OF_THREADS = 3
"""Where a store in this process has a real clock, no turn decides where calls meet."""
_LONG_S = 1e8
_SKIPPED = object()
"""A look that raised `Conflict`, which is legal."""
_GONE = object()
"""A look by a call that returns no value did not find the key."""


@dataclass(slots=True)
class _Held:
    """What each key may hold: the values of all rounds from the last that is done up to the last that has begun."""

    keys: tuple[str, ...]
    length: int
    alike: bool
    """All values are of one length: who reads them in pieces may take those of two for one."""
    begun: int = 0
    done: int = 0
    made: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def value(self, key: str, number: int) -> bytes:
        """Return one of one byte and of a length of its own, if not ``alike``; those of neighbouring rounds differ in both."""
        made = self.made.get((key, number))
        if made is None:
            place = self.keys.index(key)
            made = bytes([place * 30 + number]) * max(1, self.length - (0 if self.alike else number % 2 + 2 * place))
            self.made[key, number] = made
        return made


async def _commit(kv: Any, items: dict[str, bytes], before: dict[str, bytes]) -> None:
    with suppress(Conflict):  # legal, and of no effect: nothing was read
        async with kv.transaction() as transaction:
            for key, value in items.items():
                await transaction.set(key, value)


async def _all_set(kv: Any, items: dict[str, bytes], before: dict[str, bytes]) -> None:
    for key, value in items.items():
        await kv.set(key, value)


async def _all_with_ttl(kv: Any, items: dict[str, bytes], before: dict[str, bytes]) -> None:
    for key, value in items.items():
        await kv.set_with_ttl(key, value, _LONG_S)


async def _lives(kv: Any, items: dict[str, bytes], before: dict[str, bytes]) -> None:
    for key in items:
        await kv.expire(key, _LONG_S)
        await kv.persist(key)


async def _swaps(kv: Any, items: dict[str, bytes], before: dict[str, bytes]) -> None:
    for key, value in items.items():
        await kv.compare_and_swap(key, before[key], value)


async def _failing(kv: Any, items: dict[str, bytes], before: dict[str, bytes]) -> None:
    for key, value in items.items():
        await kv.compare_and_swap(key, b"another", value)
        await kv.compare_and_swap(key, None, value)
        await kv.compare_and_delete(key, value[:-1])


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to replace all values at once or one by one; or, not ``replaces``, a call that leaves them as they are."""

    interface: type
    promise: str
    run: Callable[[Any, dict[str, bytes], dict[str, bytes]], Awaitable[None]]
    replaces: bool = True
    keys: int = _FEW


_WAYS = {
    "set": _Way(KeyValueBasic, "keyvalue_basic.10", _all_set),
    "set_with_ttl": _Way(KeyValueTtl, "keyvalue_ttl.3", _all_with_ttl),
    "expire and persist": _Way(KeyValueTtl, "keyvalue_ttl.7", _lives, replaces=False),
    "batch_set": _Way(KeyValueBatch, "keyvalue_batch.1", lambda kv, items, before: kv.batch_set(items), keys=_SOME),
    "compare_and_swap": _Way(KeyValueCas, "keyvalue_cas.6", _swaps),
    "a comparison that fails": _Way(KeyValueCas, "keyvalue_cas.3", _failing, replaces=False),
    "a commit": _Way(KeyValueTransactional, "keyvalue_transactional.1", _commit, keys=_SOME),
}


async def _exists(kv: Any, key: str) -> Any:
    return bool(await kv.exists(key))


async def _ttl(kv: Any, key: str) -> Any:
    try:
        await kv.ttl(key)
    except NotFound:
        return _GONE
    return True


async def _scan(kv: Any, key: str) -> Any:
    return [value async for name, value in kv.scan(key) if name == key]


async def _scan_keys(kv: Any, key: str) -> Any:
    return len([name async for name in kv.scan_keys("k") if name == key]) == 1


async def _count(kv: Any, key: str) -> Any:
    return await kv.count(key) == 1


async def _batch_get(kv: Any, key: str) -> Any:
    return (await kv.batch_get(["another", key])).get(key)


async def _transaction_get(kv: Any, key: str) -> Any:
    try:
        async with kv.transaction() as transaction:
            got = await transaction.get(key)
    except Conflict:
        return _SKIPPED
    return got


async def _creates(kv: Any, key: str) -> Any:
    return not await kv.compare_and_swap(key, None, b"created")


_READS: dict[str, tuple[type, Callable[[Any, str], Awaitable[Any]]]] = {
    "get": (KeyValueBasic, lambda kv, key: kv.get(key)),
    "exists": (KeyValueBasic, _exists),
    "ttl": (KeyValueTtl, _ttl),
    "batch_get": (KeyValueBatch, _batch_get),
    "scan": (KeyValueScan, _scan),
    "scan_keys": (KeyValueScan, _scan_keys),
    "count": (KeyValueScan, _count),
    "transaction.get": (KeyValueTransactional, _transaction_get),
    "compare_and_swap of a missing key": (KeyValueCas, _creates),
}
"""A read returns the value, a list of it (a listing), or whether the key was found, with no value."""
_WHOLE = ("get", "batch_get", "scan", "transaction.get")
"""Reads of the value itself."""


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, way in enumerate(_WAYS):
        yield {"way": way, "length": (70_000, 130_000)[number % 2], "shared": bool(number % 3)}
    for number, way in enumerate(("set", "batch_set")):
        yield {"way": way, "length": 600_000, "shared": not number, "alike": True}


async def _read(reader: Any, held: _Held, law: str, way: str, finished: asyncio.Event) -> None:
    """Look by every way in turn until the writer is done, and at each key at least once."""
    asked = [(name, run) for name, (interface, run) in _READS.items() if offers(reader, interface)]
    if held.alike:
        asked = [(name, run) for name, run in asked if name in _WHOLE]
    turn = 0
    while not finished.is_set() or turn < len(asked):
        name, run = asked[turn % len(asked)]
        key = held.keys[0 if turn // len(asked) % 3 else turn // len(asked) % len(held.keys)]
        turn += 1
        since = held.done
        got = await run(reader, key)
        fitting = [held.value(key, number) for number in range(since, held.begun + 1)]
        if got is _SKIPPED or got is True or got in fitting or (isinstance(got, list) and len(got) == 1 and got[0] in fitting):
            continue
        missed = got is None or got is False or got is _GONE or got == []
        what = "does not find a key that is present all the time" if missed else "gives a value that the key did not hold then"
        broken(
            "keyvalue_scan.3" if _READS[name][0] is KeyValueScan else law,
            f"while long values are there, and {way} is called on them, {name} {what}",
            expected=f"{key!r} with one of {len(fitting)} values of about {held.length} bytes"
            if not missed
            else f"{key!r}, present",
            got=f"not {key!r}" if missed else got,
        )


@check(*(way.promise for way in _WAYS.values()), "keyvalue_scan.3")
@gauntlet(_cases)
async def a_long_value_is_there_whatever_is_done_to_it(
    kv: KeyValueBasic, case: Case, way: str, length: int, shared: bool, alike: bool = False
) -> None:
    """Whatever replaces long values by long ones, or leaves them alone, every way to look finds one of them, whole, all the time.

    A store that keeps them in files of their own may remove the old one before the new one is in force, or while it is read.
    """
    chosen = _WAYS[way]
    writer = await case.whole()
    if not offers(writer, chosen.interface):
        return
    reader = writer if shared else await case.client(whole=True)
    threads = not case.clock.virtual and not case.server
    keys = tuple(f"k{number}" for number in range(chosen.keys))
    held = _Held(keys, min(length, case.limits.max_payload), alike)
    items = {key: held.value(key, 0) for key in keys}
    for key, value in items.items():
        await kv.set(key, value)
    case.overlap()
    finished = asyncio.Event()

    async def write() -> None:
        nonlocal items
        try:
            for number in range(1, (_ROUNDS_OF_THREADS if threads else _ROUNDS_ALIKE if alike else _ROUNDS) + 1):
                for _ in range(number % 4 if alike else 0):  # a store that suspends nowhere lets nobody read meanwhile
                    await asyncio.sleep(0)
                before = items
                if chosen.replaces:
                    held.begun = number
                    items = {key: held.value(key, number) for key in keys}
                await chosen.run(writer, items, before)
                if chosen.replaces and chosen.run is not _commit:
                    held.done = number
        finally:
            finished.set()

    readers = [_read(reader, held, chosen.promise, way, finished) for _ in range(_READERS_OF_THREADS if threads else 1)]
    await together(write(), *readers)
