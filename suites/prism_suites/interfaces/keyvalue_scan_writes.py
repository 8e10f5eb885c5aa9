"""keyvalue_scan: what a scan may give while others write, between any two of its steps.

The checks step a scan by hand and write in between, so that nothing depends on chance. What is judged is only what is promised:
keys that are there all the time come exactly once, others at most once, and a value is one that the key held meanwhile.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken
from prism_suites._keyvalue_bulk import lists, store
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueScan
from prism_testkit.strategies import prefixes, universes
from prism_testkit.tap import offers

_PREFIX = "k"
_LOOKS_AT = frozenset((0, 1, 9, 10, 31, 63, 64, 99, 127, 128, 255, 256, 499, 999))
"""Steps of a long scan at which everything is listed, for to do so at all of them would take long."""


class _Scanned:
    """What a scan that is under way may still give, kept from what was written since it began."""

    def __init__(self, case: Case, writer: KeyValueScan, items: dict[str, bytes], prefix: str) -> None:
        self.case = case
        self.writer = writer
        self.prefix = prefix
        self.now = dict(items)
        self.given: dict[str, None] = {}
        self._throughout = {name for name in items if name[: len(prefix)] == prefix}
        self._held = {name: {data} for name, data in items.items()}
        self._writes = 0

        self.others: list[tuple[AsyncIterator[str], _Scanned]] = []
        """Other scans that are open, and what is known of each."""

    async def set(self, name: str) -> None:
        """Give a key a value that no key had before."""
        self._writes += 1
        data = b"written %d" % self._writes
        await self.writer.set(name, data)
        self.wrote(name, data)
        for _, other in self.others:
            other.wrote(name, data)

    async def set_at_once(self, names: Iterable[str]) -> None:
        """Give keys values that no key had before, on a server in one batch if that is offered."""
        items = {name: b"written %d" % number for number, name in enumerate(names, self._writes + 1)}
        self._writes += len(items)
        await store(self.case, self.writer, items)
        for name, data in items.items():
            self.wrote(name, data)

    def wrote(self, name: str, data: bytes) -> None:
        self.now[name] = data
        self._held.setdefault(name, set()).add(data)

    async def delete(self, name: str) -> None:
        """Remove a key; from now on the scan may give it or not."""
        await self.writer.delete(name)
        self.removed(name)
        for _, other in self.others:
            other.removed(name)

    def removed(self, name: str) -> None:
        self.now.pop(name, None)
        self._throughout.discard(name)

    async def open_another(self, steps: int) -> None:
        """Begin one more scan, of keys alone, by the client that writes, and let it take some steps."""
        other = _Scanned(self.case, self.writer, self.now, self.prefix)
        self.others.append((self.writer.scan_keys(self.prefix), other))
        await self.step_another(-1, steps)

    async def step_another(self, which: int, steps: int | None = None) -> None:
        """Let an open scan go on: so many steps, or to its end, where it is judged."""
        iterator, other = self.others[which]
        while steps is None or steps > 0:
            try:
                other.see(await anext(iterator), None)
            except StopAsyncIteration:
                other.end()
                del self.others[which]
                return
            steps = None if steps is None else steps - 1

    async def leave_another(self, which: int) -> None:
        """Leave an open scan before its end."""
        iterator, _ = self.others.pop(which)
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()

    def left(self) -> list[str]:
        """Return the present keys that are still to come, in order."""
        return sorted(name for name in self.now if name not in self.given and name[: len(self.prefix)] == self.prefix)

    def see(self, name: str, data: bytes | None) -> None:
        """Judge one step; ``data`` is None where the scan gives keys alone."""
        if name[: len(self.prefix)] != self.prefix:
            broken("keyvalue_scan.2", "a scan during writes gives a key that does not begin with the prefix", got=name)
        if name in self.given:
            broken("keyvalue_scan.3", "a scan during writes gives a key twice", expected="each key at most once", got=name)
        if name not in self._held:
            broken("keyvalue_scan.3", "a scan during writes gives a key that was never written", got=name)
        if data is not None and data not in self._held[name]:
            sentence = f"a scan during writes gives a value that {name[:40]!a} did not hold meanwhile"
            broken("keyvalue_scan.3", sentence, expected=sorted(self._held[name]), got=data)
        self.given[name] = None

    def end(self) -> None:
        """Judge that nothing is missing."""
        for name in sorted(self._throughout - set(self.given)):
            broken("keyvalue_scan.3", "a scan leaves out a key that was there all the time", expected=name, got=list(self.given))


Act = Callable[[_Scanned, str, int], Awaitable[None]]
"""(what is known, the key just given, the number of the step) -> done."""


async def _overwrite_all(scanned: _Scanned, given: str, step: int) -> None:
    for name in list(scanned.now):
        await scanned.set(name)


async def _overwrite_at_once(scanned: _Scanned, given: str, step: int) -> None:
    if step % 150 == 0:
        await scanned.set_at_once(scanned.left())


async def _overwrite_given(scanned: _Scanned, given: str, step: int) -> None:
    await scanned.set(given)


async def _overwrite_next(scanned: _Scanned, given: str, step: int) -> None:
    for name in scanned.left()[:2]:
        await scanned.set(name)


async def _delete_given(scanned: _Scanned, given: str, step: int) -> None:
    await scanned.delete(given)


async def _delete_next(scanned: _Scanned, given: str, step: int) -> None:
    for name in scanned.left()[:1]:
        await scanned.delete(name)


async def _delete_last(scanned: _Scanned, given: str, step: int) -> None:
    for name in scanned.left()[-1:]:
        await scanned.delete(name)


async def _delete_all_given(scanned: _Scanned, given: str, step: int) -> None:
    if step == len(scanned.now) // 2:
        for name in list(scanned.given):
            await scanned.delete(name)


async def _delete_all_but_one(scanned: _Scanned, given: str, step: int) -> None:
    if step == 0:
        for name in [*scanned.left()[:-3], *scanned.left()[-2:]]:
            await scanned.delete(name)


def _delete_all_but(place: int, parts: int) -> Act:
    """Return an act that leaves one key to come, at that of so many places, and none that was given."""

    async def delete(scanned: _Scanned, given: str, step: int) -> None:
        if step == 0:
            to_come = scanned.left()
            staying = to_come[len(to_come) * place // parts]
            for name in [name for name in scanned.now if name != staying]:
                await scanned.delete(name)

    return delete


async def _rewrite_given(scanned: _Scanned, given: str, step: int) -> None:
    await scanned.delete(given)
    await scanned.set(given)


async def _rewrite_next(scanned: _Scanned, given: str, step: int) -> None:
    for name in scanned.left()[:2]:
        await scanned.delete(name)
        await scanned.set(name)


async def _rewrite_all(scanned: _Scanned, given: str, step: int) -> None:
    if step == 1:
        for name in list(scanned.now):
            await scanned.delete(name)
        for name in [*scanned.given, "k500"]:
            await scanned.set(name)


async def _add_before(scanned: _Scanned, given: str, step: int) -> None:
    if step < 12:
        await scanned.set(f"{_PREFIX}!{99 - step}")


async def _add_behind(scanned: _Scanned, given: str, step: int) -> None:
    if step < 12:
        await scanned.set(f"{_PREFIX}~{step}")


async def _add_beside(scanned: _Scanned, given: str, step: int) -> None:
    if step < 12:
        await scanned.set(f"{given}+")
        await scanned.set(f"j{step}")
        await scanned.set(f"l{step}")


async def _add_many(scanned: _Scanned, given: str, step: int) -> None:
    if step == 2:
        for number in range(60 if scanned.case.server else 300):
            await scanned.set(f"{_PREFIX}{number:03}+")


async def _look(scanned: _Scanned, given: str, step: int) -> None:
    await scanned.writer.get(given)
    await scanned.writer.exists("missing")
    await scanned.writer.delete("missing")
    await lists(scanned.writer, scanned.now, _PREFIX)


async def _look_sometimes(scanned: _Scanned, given: str, step: int) -> None:
    """Begin other listings, of every kind, and let them end, around where the pages of the open one may."""
    if step in _LOOKS_AT:
        await _look(scanned, given, step)


async def _open_others(scanned: _Scanned, given: str, step: int) -> None:
    """Open scans at the same moment as this one and later, leave one, end one, and overwrite what is to come in between."""
    if step == 0:
        await scanned.open_another(1)
        await scanned.open_another(3)
        await scanned.leave_another(0)
    if step in (1, 2):
        for name in scanned.left() * 2:
            await scanned.set(name)
        await scanned.open_another(2)
    if step == 3:
        for name in scanned.left():
            await scanned.set(name)
        await scanned.step_another(1)
    if step == 4:
        for name in [*scanned.left(), *scanned.given]:
            await scanned.set(name)
        await scanned.step_another(1)
        await scanned.step_another(0)


async def _wait(scanned: _Scanned, given: str, step: int) -> None:
    await scanned.set("elsewhere")
    if scanned.case.clock.virtual:
        await scanned.case.advance(1.0)


_ACTS: dict[str, Act] = {
    "looking": _look,
    "looking now and then": _look_sometimes,
    "overwriting every key": _overwrite_all,
    "overwriting the key just given": _overwrite_given,
    "overwriting keys to come": _overwrite_next,
    "overwriting at once all that is to come": _overwrite_at_once,
    "deleting the key just given": _delete_given,
    "deleting the next key": _delete_next,
    "deleting the last key": _delete_last,
    "deleting all that was given": _delete_all_given,
    "deleting all but one to come": _delete_all_but_one,
    "deleting and writing again the key just given": _rewrite_given,
    "deleting and writing again keys to come": _rewrite_next,
    "deleting everything and writing some again": _rewrite_all,
    "adding before": _add_before,
    "adding behind": _add_behind,
    "adding beside": _add_beside,
    "adding many": _add_many,
    "letting time pass": _wait,
    "with other scans open": _open_others,
}


async def _steps(kv: KeyValueScan, keys_only: bool, prefix: str) -> AsyncIterator[tuple[str, bytes | None]]:
    if keys_only:
        async for name in kv.scan_keys(prefix):
            yield name, None
    else:
        async for name, data in kv.scan(prefix):
            yield name, data


def _cases(names: Iterable[str], count: int) -> list[dict[str, Any]]:
    """Each act by the scanning client under `scan`, and by another one under `scan_keys`."""
    return [{"during": name, "count": count, "keys_only": other, "other": other} for other in (False, True) for name in names]


@check("keyvalue_scan.3")
@gauntlet(lambda limits: _cases(_ACTS, 11))
async def a_scan_during_writes_is_complete(
    kv: KeyValueScan, case: Case, during: str, count: int, keys_only: bool, other: bool
) -> None:
    """Whatever is written between two steps, keys that stay are given exactly once, the others at most once (KV-43)."""
    await _scan_during(kv, case, _ACTS[during], count, keys_only, other)


_LONG = (
    *("overwriting the key just given", "deleting the key just given", "deleting all that was given", "adding before"),
    *("adding many", "deleting all but one to come", "deleting and writing again keys to come", "looking now and then"),
    *("with other scans open", "overwriting at once all that is to come"),
)
_SIZES = (130, 100, 117, 52, 75, 141, 88, 109, 61, 430)
_AT_ONCE = frozenset((430,))
"""Of these so many are written in one batch, if there are batches; so a server has pages to come, too."""
"""Where a page, a table or a run ends is the store's: so each of the long acts meets another number of keys."""
_LONGEST = ("deleting all that was given", "adding before", "looking now and then")


def _long_cases() -> list[dict[str, Any]]:
    """Each act by the scanning client under `scan`, over a number of keys of its own."""
    return [case for name, count in zip(_LONG, _SIZES, strict=True) for case in _cases([name], count)[:1]]


@check("keyvalue_scan.3")
@gauntlet(lambda limits: _long_cases() + _cases(_LONGEST, 1030))
async def a_scan_of_many_pages_during_writes_is_complete(
    kv: KeyValueScan, case: Case, during: str, count: int, keys_only: bool, other: bool
) -> None:
    """What is written while a page is read moves no key out of, or twice into, the pages to come (KV-42, KV-43)."""
    few = case.server and not (count in _AT_ONCE and offers(await case.whole(), KeyValueBatch))
    await _scan_during(kv, case, _ACTS[during], min(count, 130) if few else count, keys_only, other)


_PLACES = 10


@check("keyvalue_scan.3")
@gauntlet(lambda limits: [{"place": place} for place in range(_PLACES)])
async def the_only_key_that_stays_is_found(kv: KeyValueScan, case: Case, place: int) -> None:
    """Whatever a scan was in when all but one key were deleted, what is left of it leads to that key (KV-43)."""
    await _scan_during(kv, case, _delete_all_but(place, _PLACES), 20 if case.server else 60, place % 2 == 1, place % 4 > 1)


async def _scan_during(kv: KeyValueScan, case: Case, act: Act, count: int, keys_only: bool, other: bool) -> None:
    items = {f"k{number:03}": b"%d" % number for number in range(count)} | {"j": b"beside", "l": b"beside"}
    await store(case, kv, items)
    scanned = _Scanned(case, await case.client() if other else kv, items, _PREFIX)
    step = 0
    async for name, data in _steps(kv, keys_only, _PREFIX):
        scanned.see(name, data)
        await act(scanned, name, step)
        step += 1
    scanned.end()
    await lists(kv, scanned.now)


_WRITES = ("set", "delete", "rewrite")


@check("keyvalue_scan.3", "keyvalue_scan.2")
@given(
    listing=universes(3, 8).flatmap(lambda names: st.tuples(st.just(names), st.one_of(st.just(""), prefixes(names)))),
    writes=st.lists(st.tuples(st.sampled_from(_WRITES), st.integers(0, 7), st.integers(0, 3)), min_size=1, max_size=10).map(tuple),
    keys_only=st.booleans(),
)
async def any_writes_during_a_scan_leave_it_complete(
    kv: KeyValueScan, case: Case, listing: tuple[tuple[str, ...], str], writes: tuple[tuple[str, int, int], ...], keys_only: bool
) -> None:
    """Confusable names written and deleted at any step of a scan, with any prefix, disturb no other key (KV-43)."""
    names, prefix = listing
    items = {name: b"%d" % number for number, name in enumerate(names[: 1 + len(names) * 2 // 3])}
    await store(case, kv, items)
    scanned = _Scanned(case, kv, items, prefix)
    step = 0
    async for name, data in _steps(kv, keys_only, prefix):
        scanned.see(name, data)
        for operation, index, when in writes:
            if when == step:
                await _write(scanned, operation, names[index % len(names)])
        step += 1
    scanned.end()
    await lists(kv, scanned.now)


async def _write(scanned: _Scanned, operation: str, name: str) -> None:
    if operation != "set":
        await scanned.delete(name)
    if operation != "delete":
        await scanned.set(name)
