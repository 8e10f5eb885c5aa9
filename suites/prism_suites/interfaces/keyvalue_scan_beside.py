"""keyvalue_scan: many keys come and go beside a prefix while it is listed; its own keys stay, so each comes exactly once.

A store that grows or shrinks orders anew what it holds, and where a page ended may be no place any more: its cursor leads back to
what was given, or past what was not. And where whole pages hold nothing of a prefix, the first of them is not the end.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._keyvalue_bulk import drained, lists, numbered, set_all, store
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueScan
from prism_testkit.interfaces.keyvalue import KeyValueBatch
from prism_testkit.tap import offers

_SIZES = (1100, 1250, 1500, 1800, 2200, 2600, 3300)
"""How many there are beside the prefix when scans begin: above a thousand, the largest page in use, and a table is half full, or
about to be made anew, at some of them. A tenth of them where there are no pages of a server's, fewer where each is a round trip.
"""
_PORTIONS = 8
_COUNTERS = 4
_MOST_COUNTS = 12


class _Beside:
    """The keys that come and go."""

    def __init__(self, case: Case, whole: Any) -> None:
        self._whole, self._batches = whole, offers(whole, KeyValueBatch)
        self.sizes = [size // (1 if case.server and self._batches else 50 if case.server else 10) for size in _SIZES]
        self._names: list[str] = []

    async def grow(self, size: int) -> None:
        more = [f"j{number:04}" for number in range(len(self._names), size)]
        self._names += more
        items = dict.fromkeys(more, b"")
        await (self._whole.batch_set(items) if self._batches else set_all(self._whole, items))

    async def go(self) -> None:
        names, self._names = self._names, []
        if self._batches:
            # At once, so that they are gone before anybody has read another page.
            await together(*(self._whole.batch_delete(names[place::_PORTIONS]) for place in range(_PORTIONS)))
        else:
            for name in names:
                await self._whole.delete(name)


class _Resting:
    """A scan that rests between two of its steps."""

    def __init__(self, kv: KeyValueScan, keys_only: bool) -> None:
        self._steps: AsyncIterator[Any] = kv.scan_keys("k") if keys_only else kv.scan("k")
        self._keys_only = keys_only
        self._given: dict[str, bytes | None] = {}

    async def take(self, steps: int) -> None:
        for _ in range(steps):
            self._see(await anext(self._steps))

    def _see(self, item: Any) -> None:
        name, data = (item, None) if self._keys_only else item
        if name in self._given:
            sentence = "a scan gives a key twice when many keys beside its prefix are added or deleted between two of its steps"
            broken("keyvalue_scan.3", sentence, expected="each key once", got=name)
        self._given[name] = data

    async def end(self, items: Mapping[str, bytes]) -> None:
        for item in await drained(self._steps):
            self._see(item)
        for name, data in items.items():
            if name not in self._given:
                sentence = (
                    "a scan leaves out a key that stays when many keys beside its prefix are added or deleted between two steps"
                )
                broken("keyvalue_scan.3", sentence, expected=name, got=f"{len(self._given)} of {len(items)} keys without it")
            if not self._keys_only:
                same("keyvalue_scan.3", self._given[name], data, f"a scan gives another value of {name} than it held all the time")


@check("keyvalue_scan.3", "keyvalue_scan.1")
@gauntlet(lambda limits: [{"staying": staying} for staying in (3, 100)])
async def a_scan_goes_on_where_it_was_when_many_keys_come_and_go(kv: KeyValueScan, case: Case, staying: int) -> None:
    """Scans that rest at many places each give the keys of their prefix once, though thousands beside it are added and deleted."""
    other = await case.client()
    beside = _Beside(case, await case.whole())
    items = numbered(f"k{number:03}" for number in range(staying))
    await store(case, kv, items)
    scans: list[_Resting] = []
    for number, size in enumerate(beside.sizes):
        await beside.grow(size)
        for steps in (1, 1 + staying * 3 // 5):
            scans.append(_Resting(other if number % 3 == 1 else kv, len(scans) % 4 in (1, 2)))
            await scans[-1].take(steps)
    await lists(kv, items, "k")
    await beside.go()
    for scan in scans:
        await scan.end(items)
    await lists(kv, items, "k")


@check("keyvalue_scan.5", "keyvalue_scan.3")
async def a_count_is_right_while_many_keys_come_and_go(kv: KeyValueScan, case: Case) -> None:
    """What is counted under a prefix is the same each time while thousands of keys are added and deleted beside it."""
    beside = _Beside(case, await case.whole())
    items = numbered(f"k{number:03}" for number in range(100))
    await store(case, kv, items)
    over = False

    async def counting() -> None:
        for _ in range(_MOST_COUNTS):
            sentence = "a count is not that of the keys of its prefix while many keys are added or deleted beside it"
            same("keyvalue_scan.5", await kv.count("k"), len(items), sentence)
            if over:
                return

    async def changing() -> None:
        nonlocal over
        await beside.go()
        over = True

    for size in beside.sizes[::2]:
        await beside.grow(size)
        over = False
        case.overlap()
        await together(*(counting() for _ in range(_COUNTERS)), changing())
