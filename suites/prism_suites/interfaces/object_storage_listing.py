"""object_storage: a listing gives exactly the present objects whose keys begin with the prefix, however many there are."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, truth, value
from prism_suites._objects_asking import BUCKET, NOTHING, Given, infos, listed, made, source
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.strategies import prefix_traps, prefixes, universes
from prism_testkit.traits import Limits


def _told(got: Any, wanted: Any, sentence: str, promise: str = "object_storage.8") -> None:
    """Judge which keys were listed, saying only the difference."""
    missing, extra = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
    if missing or extra:
        expected = f"{len(wanted)} keys, also {missing[:5]!a}" if missing else f"{len(wanted)} keys"
        broken(promise, sentence, expected=expected, got=f"{len(got)} keys, also {extra[:5]!a}" if extra else f"{len(got)} keys")


def _traps(limits: Limits) -> Iterator[dict[str, Any]]:
    for names, starts in prefix_traps(limits.max_name):
        yield {"names": names[:40], "starts": starts[:12]}


_universes = universes()


@st.composite
def _universe_and_prefixes(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = draw(_universes)
    return names, tuple(draw(st.lists(prefixes(names), max_size=5)))


@check("object_storage.8", "object_storage.3")
@gauntlet(_traps)
async def a_prefix_is_taken_literally(store: ObjectStorage, case: Case, names: tuple[str, ...], starts: tuple[str, ...]) -> None:
    """A prefix matches by code points, never as a pattern, a path, a range or another spelling (OS-12, OS-16, OS-17)."""
    await store.create_bucket(BUCKET)
    names, starts = (names[::3], starts[::3]) if case.server else (names, starts)
    for number, key in enumerate(names):
        await store.put(BUCKET, key, b"x" * number)
    for prefix in ("", *starts):
        got = await listed(store, prefix)
        wanted = {key: number for number, key in enumerate(names) if key[: len(prefix)] == prefix}
        _told(got, wanted, f"list_objects of the prefix {prefix[:40]!a}")
        same("object_storage.8", {key: line.size for key, line in got.items()}, wanted, "listed sizes are not the true ones")


@check("object_storage.8", "object_storage.3")
@given(chosen=_universe_and_prefixes())
async def generated_prefixes_are_taken_literally(
    store: ObjectStorage, case: Case, chosen: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """The same, for generated names and prefixes of them, in two buckets and over what was deleted."""
    names, starts = chosen
    for bucket, keys in ((BUCKET, names), ("other", names[1:])):
        await store.create_bucket(bucket)
        for key in keys:
            await store.put(bucket, key, key.encode()[:60])
    await store.delete(BUCKET, names[-1])
    for bucket, keys in ((BUCKET, names[:-1]), ("other", names[1:])):
        for prefix in ("", *starts):
            wanted = [key for key in keys if key[: len(prefix)] == prefix]
            _told(await listed(store, prefix, bucket), wanted, f"list_objects({bucket!r}, {prefix[:40]!a})")


_COUNTS = (0, 1, 2, 10, 11, 99, 100, 101, 257, 1001)
_KINDS = ("padded", "plain", "folders", "one beginning", "long")


def _many(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, count in enumerate(_COUNTS):
        some = {"count": count, "kind": _KINDS[number % len(_KINDS)]}
        yield some | ({"how": "delete", "stay": "one in ten"} if count < 1000 else {"how": "set_ttl", "stay": "the last"})
    yield {"count": 101, "kind": "plain", "how": "delete", "stay": "the last"}
    yield {"count": 101, "kind": "padded", "how": "set_ttl", "stay": "the first"}


def _key(kind: str, number: int, limits: Limits) -> str:
    match kind:
        case "plain":
            return f"{number}"
        case "folders":
            return f"{number // 2:03}/{number:05}"
        case "one beginning":
            return f"a/b/c/{number:05}"
        case "long":
            return f"{'n' * (limits.max_name - 7)}{number:05}/n"
    return f"k{number:05}"


@check("object_storage.8")
@gauntlet(_many)
async def all_objects_are_listed_however_many(store: ObjectStorage, case: Case, count: int, kind: str, how: str, stay: str) -> None:
    """Counts around every page size, in and behind a prefix, also when many were deleted or expired, here and there or all of the
    first or last ones, so that nothing is left of whole pages, and where every page ends with a folder (OS-12)."""
    if how == "set_ttl" and case.traits.ttl_late_s + case.limits.clock_resolution_s > 0.001:
        how = "delete"
    await store.create_bucket(BUCKET)
    await store.create_bucket("other")
    keys = [_key(kind, number, case.limits) for number in range(count)]
    for start in range(0, count, 50):
        await together(*(store.put(BUCKET, key, b"x" * (number % 3)) for number, key in enumerate(keys[start : start + 50])))
    for key in ("!", "~", "\U0010ffff", "k", "a/b/c"):
        await store.put("other", key, b"of another bucket")
    got = await listed(store)
    _told(got, keys, f"list_objects of {count} objects")
    sizes = {key: number % 50 % 3 for number, key in enumerate(keys)}
    same("object_storage.8", {key: line.size for key, line in got.items()}, sizes, "listed sizes are not the true ones")
    for key in ("!", "~", "\U0010ffff"):
        await store.put(BUCKET, key, b"")
    beginning = keys[0][:1] if keys else "k"
    wanted = [key for key in keys if key.startswith(beginning)]
    _told(await listed(store, beginning), wanted, f"list_objects of {len(wanted)} objects under a prefix, others around them")
    stays: dict[str, Callable[[int], bool]] = {
        "one in ten": lambda number: number % 10 == 3,
        "the first": lambda number: number < 3,
        "the last": lambda number: number >= count - 3,
    }
    gone = [key for number, key in enumerate(sorted(keys, key=str.encode)) if not stays[stay](number)]
    for first in range(0, len(gone), 50):
        some = gone[first : first + 50]
        await together(*(store.delete(BUCKET, key) if how == "delete" else store.set_ttl(BUCKET, key, 0) for key in some))
    left = {*keys, "!", "~", "\U0010ffff"} - set(gone)
    _told(await listed(store), left, f"list_objects after {len(gone)} of {count} met {how}")


_SWEEPS = ("delete", "set_ttl", "overwrite")


@check("object_storage.8")
@gauntlet(
    lambda limits: [{"count": count, "how": how} for count in (3, 130, 1001) for how in _SWEEPS if count < 1000 or how == "delete"]
)
async def a_listing_may_change_what_it_lists(store: ObjectStorage, case: Case, count: int, how: str) -> None:
    """Each object that is listed, but the first, is deleted, expired or overwritten at once, as a sweeper does: all are come by,
    each once. The first one tells whether a listing begins again that is to go on behind what is no more."""
    if how == "set_ttl" and case.traits.ttl_late_s + case.limits.clock_resolution_s > 0.001:
        how = "delete"
    await store.create_bucket(BUCKET)
    keys = [f"k{number:04}" for number in range(count)]
    for key in keys:
        await store.put(BUCKET, key, b"old")
    seen: list[str] = []
    async for line in store.list_objects(BUCKET):
        seen.append(line.key)
        if len(seen) > count:
            break
        if how == "overwrite":
            await store.put(BUCKET, line.key, b"newer")
        elif len(seen) > 1:
            gone = await (store.delete(BUCKET, line.key) if how == "delete" else store.set_ttl(BUCKET, line.key, 0))
            truth("object_storage.8", gone, True, f"{how} of an object that was just listed")
    _told(seen, keys, f"a listing, each line of which was met with {how}")
    same("object_storage.8", len(seen), len(set(seen)), f"{how} of each object listed: some were listed twice")
    _told(await listed(store), keys if how == "overwrite" else seen[:1], f"after {how} of each object listed, but the first")


@check("object_storage.8")
@gauntlet(
    lambda limits: [{"after": after, "count": count} for after, count in ((0, 3), (1, 3), (2, 3), (2, 300), (100, 3), (101, 300))]
)
async def a_listing_that_is_left_changes_nothing(store: ObjectStorage, case: Case, after: int, count: int) -> None:
    """A listing that is left early, many times, leaves the driver usable; two at once do not disturb each other."""
    await store.create_bucket(BUCKET)
    keys = [f"k{number}" for number in range(count)]
    for key in keys:
        await store.put(BUCKET, key, b"x")
    for _ in range(12):
        store.list_objects(BUCKET)  # not begun
        iterator: Any = store.list_objects(BUCKET)
        for _ in range(after):
            await anext(iterator, None)
        await iterator.aclose()
        await store.put(BUCKET, keys[0], b"y")
    _told(await listed(store), keys, "a listing after others that were left early")
    first: Any = store.list_objects(BUCKET)
    begun = [(await anext(first)).key for _ in range(2)]
    _told(await listed(store, "" if after % 2 == 0 else "k"), keys, "one of two listings at once")
    rest = [line.key async for line in first]
    _told([*begun, *rest], keys, "the other of two listings at once")
    value("object_storage.1", await store.get(BUCKET, keys[0]), b"y", "get after listings that were left early")


_CHURNS = ("put of others", "delete of others", "both", "overwrite", "overwrite with other sizes", "set_ttl far off", "streams")


@check("object_storage.8")
@gauntlet(
    lambda limits: [
        {"churn": churn, "count": count, "other": bool(number % 2)}
        for number, (churn, count) in enumerate((*product(_CHURNS, (7,)), *product(_CHURNS[:4], (210,))))
    ]
)
async def what_is_there_throughout_is_listed_once(store: ObjectStorage, case: Case, churn: str, count: int, other: bool) -> None:
    """Objects present during a whole listing appear exactly once, others come, go and change, and all lines are true (OS-18)."""
    await store.create_bucket(BUCKET)
    rival = await case.client() if other else store
    keys = [f"k{number:04}" for number in range(0, count * 2, 2)]
    throughout = set(keys)
    for key in keys:
        await store.put(BUCKET, key, b"old")
        if churn == "delete of others":  # that stand among them, so that a listing by offsets would skip some
            await store.put(BUCKET, f"{key[:-1]}{int(key[-1]) + 1}", b"new")
    case.overlap()
    at_work = asyncio.Event()
    done = asyncio.Event()

    async def write() -> None:
        number = 0
        at_work.set()
        while not done.is_set() or number < 4:
            key, fresh = keys[number * 7 % count], f"k{(number * 13 % count) * 2 + 1:04}"
            await _churn(rival, churn, number, key, fresh, case.limits.max_payload)
            number += 1

    async def read() -> None:
        try:
            await at_work.wait()
            for _ in range(3):
                lines = await infos(rival if other else store)
                given_keys = [line.key for line in lines]
                _told([key for key in given_keys if key in throughout], keys, f"while {churn} goes on")
                twice = sorted(key for key in keys if given_keys.count(key) > 1)
                if twice:
                    broken("object_storage.8", f"while {churn} goes on an object is listed twice", expected="once", got=twice[:5])
                unknown = [key for key in given_keys if key not in throughout and not (key[:1] == "k" and key[1:].isdigit())]
                if unknown:
                    broken("object_storage.8", f"while {churn} goes on something is listed that nobody put", got=unknown[:5])
                wrong = [line for line in lines if line.size not in (*_SIZES, case.limits.max_payload)]
                if wrong:
                    sentence = f"while {churn} goes on a line has a size that no version had"
                    broken("object_storage.8", sentence, expected=_SIZES, got=wrong[0])
        finally:
            done.set()

    await together(write(), read())
    left = {key: line for key, line in (await listed(store)).items() if key in throughout}
    _told(left, keys, f"after {churn}")


_SIZES = (3, 2000, 5, 70_000, 0)


async def _churn(rival: Any, churn: str, number: int, key: str, fresh: str, most: int) -> None:
    """Write once, as the name says."""
    said = Given(f"t/{number}") if number % 2 else NOTHING
    size = min(_SIZES[number % len(_SIZES)], most)
    match churn:
        case "put of others":
            await rival.put(BUCKET, fresh, b"new")
        case "delete of others":
            await rival.delete(BUCKET, f"k{2 * number + 1:04}")
        case "both":
            await rival.put(BUCKET, fresh, b"new")
            await rival.put(BUCKET, f"k{number:07}", b"new")
            await rival.delete(BUCKET, fresh)
        case "overwrite":
            await rival.put(BUCKET, key, b"new", **said.keywords)
        case "overwrite with other sizes":
            await rival.put(BUCKET, key, made(size), **said.keywords)
        case "streams":
            await rival.put_stream(BUCKET, key, source([made(size), b""]))
        case _:
            await rival.set_ttl(BUCKET, key, 1e8)


@check("object_storage.8", "object_storage.11")
@gauntlet(lambda limits: [{"count": 2050}])
async def thousands_of_objects_are_listed(store: ObjectStorage, case: Case, count: int) -> None:
    """More objects than any page holds: all are listed, and keep their bucket from being removed. Servers are asked at a higher
    level."""
    if not case.server:
        await _expect_thousands(store, count)


@check("object_storage.8", "object_storage.11", level="thorough")
@gauntlet(lambda limits: [{"count": count} for count in (5001, 10_001)])
async def tens_of_thousands_of_objects_are_listed(store: ObjectStorage, count: int) -> None:
    """As many as no page, and no window of results, holds."""
    await _expect_thousands(store, count)


async def _expect_thousands(store: ObjectStorage, count: int) -> None:
    await store.create_bucket(BUCKET)
    keys = [f"k{number * 257 % 10_007:05}" for number in range(count)]
    for start in range(0, count, 50):
        await together(*(store.put(BUCKET, key, b"") for key in keys[start : start + 50]))
    _told(await listed(store), keys, f"list_objects of {count} objects")
    wanted = [key for key in keys if key.startswith("k0")]
    _told(await listed(store, "k0"), wanted, f"list_objects of {len(wanted)} of {count} objects")
