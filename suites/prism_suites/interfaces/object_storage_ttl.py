"""object_storage: an object with a deadline is there until then and missing from then on, for every method; times are virtual.

Where time cannot be moved, what lies behind a deadline is judged by `object_storage_ttl_real` alone.
"""

import random
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, truth
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._moments import keeps_files
from prism_suites._objects_asking import BUCKET, PUTS, expect_missing, expect_object, infos, listed, made, signed
from prism_suites._objects_times import HELD, LOOKS, expect_deadline, look_at, looks
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.strategies import durations, ttls
from prism_testkit.traits import Limits, Traits

_LENGTHS = (0.05, 1.5, 60.0, 86400.0, 4_294_968.0, 1e9)


@check("object_storage.9", "object_storage.2")
@gauntlet(
    lambda limits: [
        {"ttl_s": ttl_s, "look": look, "way": list(PUTS)[number % 3]}
        for number, (ttl_s, look) in enumerate(product(_LENGTHS, LOOKS))
    ]
)
async def an_object_is_there_until_its_deadline_and_not_after(
    store: ObjectStorage, case: Case, ttl_s: float, look: str, way: str
) -> None:
    """Every method finds it at the last instant before, and none from the deadline on (OB-12, OS-61)."""
    whole = await case.whole()
    if look not in looks(whole):
        return
    times = Times(case)
    for story in ("just before its deadline", "just after its deadline"):
        bucket = story
        await whole.create_bucket(bucket)
        await PUTS[way](whole, "k", HELD, signed("me"), bucket)
        got, now = await times.during(whole.set_ttl(bucket, "k", ttl_s))
        truth("object_storage.9", got, True, "set_ttl of a present object")
        deadline = now.after(ttl_s)
        if story.startswith("just before"):
            await times.before(deadline)
        elif not await times.past(deadline):
            return
        await look_at(times, whole, look, "k", deadline, bucket=bucket, story=f"{story}, of {ttl_s:g} s, by {way}")


@check("object_storage.9")
@gauntlet(lambda limits: [{"ttl_s": ttl_s} for ttl_s in durations(0.001, 1e9)])
@given(ttl_s=ttls(0.001, 1e9))
async def every_length_of_life_is_kept(store: ObjectStorage, case: Case, ttl_s: float) -> None:
    """At each step on the way and after it every look agrees, and ``expires_at_ms`` tells the deadline (OB-12)."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", HELD)
    await store.put(BUCKET, "stays", HELD)
    got, now = await times.during(store.set_ttl(BUCKET, "k", ttl_s))
    truth("object_storage.9", got, True, "set_ttl of a present object")
    deadline = now.after(ttl_s)
    story = f"of {ttl_s:g} s"
    await expect_deadline(case, times, store, "k", deadline, story)
    for part in (0.0, 0.5, 0.99):
        await times.to(deadline.start - round(ttl_s * (1 - part) * 1e9)) if case.clock.virtual else None
        await look_at(times, store, "get", "k", deadline, story=story)
    await times.before(deadline)
    for look in ("get_stream", "list_objects"):
        await look_at(times, store, look, "k", deadline, story=story)
    await expect_deadline(case, times, store, "k", deadline, story)
    if await times.past(deadline):
        for look in ("get", "exists", "list_objects of a prefix", "delete"):
            await look_at(times, store, look, "k", deadline, story=story)
    await look_at(times, store, "get", "stays", None, story="beside one that expired")
    await expect_deadline(case, times, store, "stays", None, "beside one that expired")


@check("object_storage.9", "object_storage.2")
@gauntlet(
    lambda limits: [{"ttl_s": ttl_s, "lives": lives} for ttl_s in (0, 0.0, -0.0, -0.001, -1, -1e9) for lives in (False, True)]
)
async def no_time_to_live_is_at_once(store: ObjectStorage, case: Case, ttl_s: float, lives: bool) -> None:
    """Nought or less removes the object at once, and that one alone, whether it had a deadline or not."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    for key in ("k", "kk", "beside"):
        await store.put(BUCKET, key, HELD)
    if lives:
        await store.set_ttl(BUCKET, "k", 1e6)
    truth("object_storage.9", await store.set_ttl(BUCKET, "k", ttl_s), True, f"set_ttl({ttl_s!r}) of a present object")
    if await times.past_at_once():
        await expect_missing("object_storage.9", store, "k", f"after set_ttl({ttl_s!r})")
        same("object_storage.9", sorted(await listed(store)), ["beside", "kk"], f"what is listed after set_ttl({ttl_s!r})")
    await store.put(BUCKET, "k", b"new")
    await times.move(1e7)
    await expect_object("object_storage.10", store, "k", b"new", f"put again after set_ttl({ttl_s!r})")


_EARLIER = 3
"""Deadlines that an object had before the two that are judged: the last counts, whatever its number."""
_CHANGES = ((60.0, 5.0), (5.0, 60.0), (60.0, 59.0), (60.0, 60.0), (1e9, 1.0), (1.0, 1e9), (0.5, 0.25), (3600.0, -1.0))


@check("object_storage.9")
@gauntlet(
    lambda limits: [
        {"first": first, "then": then, "waits_s": waits_s, "other": bool(number % 2)}
        for number, ((first, then), waits_s) in enumerate(product(_CHANGES, (0.0, 0.2)))
    ]
)
async def a_deadline_replaces_the_one_before(
    store: ObjectStorage, case: Case, first: float, then: float, waits_s: float, other: bool
) -> None:
    """The later set_ttl counts, longer or shorter, by any client; it counts from then."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", HELD)
    rival = await case.client() if other else store
    for number in range(_EARLIER):
        earlier_s = (2e6, 1e6, 3e6)[number % 3] + 1e4 * number
        got, now = await times.during((store, rival)[number % 2].set_ttl(BUCKET, "k", earlier_s))
        truth("object_storage.9", got, True, f"set_ttl, number {number} of one object")
        await expect_deadline(case, times, store, "k", now.after(earlier_s), f"number {number} of many")
    _, now = await times.during(store.set_ttl(BUCKET, "k", first))
    before = now.after(first)
    await times.move(waits_s)
    got, now = await times.during(rival.set_ttl(BUCKET, "k", then))
    if not times.is_present(before, now):
        return
    truth("object_storage.9", got, True, "set_ttl of an object with a deadline")
    deadline = now.after(max(then, 0.0))
    story = f"{first:g} s replaced by {then:g} s"
    if then > 0:
        await expect_deadline(case, times, store, "k", deadline, story)
    for instant in sorted((before.end + times.slack_ns, deadline.start - times.margin_ns)):
        if case.clock.virtual:
            await times.to(instant)
        for look in looks(store, reading=True):
            await look_at(times, store, look, "k", deadline, story=story)
    if await times.past(deadline):
        for look in looks(store, reading=True):
            await look_at(times, rival, look, "k", deadline, story=story)


_AGAIN = (*PUTS, "delete and put", "put_if_absent after delete", "bucket made again")


def _clearings(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (again, ttl_s, part) in enumerate(product(_AGAIN, (5.0, 3600.0), (0.0, 0.9, 1.0, 1.5))):
        yield {"again": again, "ttl_s": ttl_s, "part": part, "other": bool(number % 2), "unchanged": bool(number // 4 % 2)}


@check("object_storage.10")
@gauntlet(_clearings)
async def a_new_put_clears_the_deadline(
    store: ObjectStorage, case: Case, again: str, ttl_s: float, part: float, other: bool, unchanged: bool
) -> None:
    """Put before the old deadline, on it or after it, an object has none, and is there long after, with other data or unchanged
    (OB-12)."""
    times = Times(case)
    whole = await case.whole()
    rival = await case.client(whole=True) if other else whole
    if again.startswith("put_if_absent") and "put_if_absent" not in looks(whole):
        return
    await whole.create_bucket(BUCKET)
    said = signed("new")
    await whole.put(BUCKET, "k", HELD if unchanged else b"old", **(said if unchanged else signed("old")).keywords)
    _, now = await times.during(whole.set_ttl(BUCKET, "k", ttl_s))
    if part and not case.clock.virtual:
        return
    await times.to(now.start + round(ttl_s * part * 1e9)) if part else None
    match again:
        case "delete and put":
            await rival.delete(BUCKET, "k")
            await rival.put(BUCKET, "k", HELD, **said.keywords)
        case "put_if_absent after delete":
            await rival.delete(BUCKET, "k")
            await rival.put_if_absent(BUCKET, "k", HELD, **said.keywords)
        case "bucket made again":
            await rival.delete_bucket(BUCKET, force=True)
            await rival.create_bucket(BUCKET)
            await rival.put(BUCKET, "k", HELD, **said.keywords)
        case _:
            await PUTS[again](rival, "k", HELD, said)
    story = f"{again} at {part:g} of a life of {ttl_s:g} s"
    await expect_object("object_storage.10", whole, "k", HELD, story, said)
    reclaim_s = case.traits.ttl_reclaim_s or 0.0
    for seconds in (ttl_s, times.slack_ns / 1e9 + reclaim_s, 1e6):
        await times.move(seconds)
        await expect_object("object_storage.10", whole, "k", HELD, f"{story}, {seconds:g} s later", said)
    await expect_object("object_storage.10", rival, "k", HELD, story, said)
    _, now = await times.during(rival.set_ttl(BUCKET, "k", 50.0))
    if await times.past(now.after(50.0)):
        await expect_missing("object_storage.9", whole, "k", f"{story}, then given a deadline again")


_WORDS = ("get", "exists", "metadata", "list_objects", "create_bucket", "put of another", "delete of another", "get_stream")


@check("object_storage.9", "object_storage.10")
@gauntlet(lambda limits: [{"word": word} for word in _WORDS])
async def only_a_put_changes_a_deadline(store: ObjectStorage, case: Case, word: str) -> None:
    """Looking, or writing something else, neither prolongs a life nor ends it."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", HELD)
    await store.put(BUCKET, "another", b"x")
    _, now = await times.during(store.set_ttl(BUCKET, "k", 60.0))
    deadline = now.after(60.0)
    for _ in range(3):
        await times.move(13.0)
        if word in LOOKS:
            await look_at(times, store, word, "k", deadline, story="on the way")
        elif word == "create_bucket":
            await store.create_bucket(BUCKET)
        elif word == "put of another":
            await store.put(BUCKET, "another", b"y")
            await store.put(BUCKET, "k2", b"y")
        else:
            await store.delete(BUCKET, "another")
        await expect_deadline(case, times, store, "k", deadline, f"after {word}")
    await times.before(deadline)
    await look_at(times, store, "get", "k", deadline, story=f"after {word}")
    if await times.past(deadline):
        for look in looks(store, reading=True):
            await look_at(times, store, look, "k", deadline, story=f"after {word}")


@check("object_storage.9", "object_storage.8")
@gauntlet(lambda limits: [{"count": count} for count in (3, 120)])
@given(count=st.integers(2, 30))
async def of_many_objects_each_has_its_own_deadline(store: ObjectStorage, case: Case, count: int) -> None:
    """Objects expire one after another, in no order of their names; at each instant exactly the others are listed."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    ends = {}
    for number in range(count):
        key, ttl_s = f"k{number}", 100.0 + 50.0 * (number * 7 % count) + 10_000.0 * count
        await store.put(BUCKET, key, made(number % 50))
        _, now = await times.during(store.set_ttl(BUCKET, key, ttl_s))
        ends[key] = now.after(ttl_s)
    for key in [f"k{count // 2}", *sorted(ends, key=lambda key: ends[key].start)[:: max(1, count // 6)]]:
        if not await times.past(ends[key]):
            return
        lines, now = await times.during(infos(store))
        got = {line.key for line in lines}
        sure = {key for key, end in ends.items() if times.is_present(end, now)}
        gone = {key for key, end in ends.items() if times.is_missing(end, now)}
        same("object_storage.9", sorted(sure - got), [], "objects before their deadlines are not listed")
        same("object_storage.9", sorted(got & gone), [], "objects are listed though their deadlines have passed")


_CROWD = 1030
"""More than a page holds."""


@check("object_storage.9", "object_storage.10")
async def a_crowd_of_deadlines_passes(store: ObjectStorage, case: Case) -> None:
    """However many objects have a deadline, each is there until then, and none from then on."""
    times = Times(case)
    if not times.virtual:
        case.note("a crowd of deadlines is judged where time is virtual")
        return
    await store.create_bucket(BUCKET)
    keys = [f"k{number}" for number in range(_CROWD)]
    deadlines: list[Window] = []
    for key in keys:
        await store.put(BUCKET, key, b"x")
        _, now = await times.during(store.set_ttl(BUCKET, key, 100_000))  # far: a slow store takes hours for so many
        deadlines.append(now.after(100_000))
    same("object_storage.9", len(await listed(store)), _CROWD, "before their deadlines not all of many objects are listed")
    await times.past(deadlines[-1])
    same("object_storage.9", len(await listed(store)), 0, "behind their deadlines some of many objects are listed")
    for key in (keys[0], keys[_CROWD // 2], keys[-1]):
        same("object_storage.9", await store.get(BUCKET, key), None, "an object is there behind its deadline, one of many")


_ROUNDS = 10
_ROUND = 4 * 300_000
_LEAST = 100_000
"""Bytes that no store can press, so that what is kept of them is seen."""


@check("object_storage.10")
async def what_expired_gives_its_storage_back(store: Annotated[ObjectStorage, Traits(ttl_reclaim_s=1e9)], case: Case) -> None:
    """Objects expire round after round, and nobody asks for them again: what the files of the store take does not grow with them,
    be it that they shrink, or that what is free is used again."""
    if not keeps_files(case):
        case.note("what storage is free is seen where a store keeps files, on a virtual clock")
        return
    size = min(_ROUND // 4, case.limits.max_payload)
    if size < _LEAST:
        case.note("an object is too small for its storage to be told from what is kept beside it")
        return
    mortal = case.mortal()
    living = await mortal.client(0, mortal.new_namespace())
    await living.create_bucket(BUCKET)
    used = []
    for turn in range(_ROUNDS):
        for number in range(4):
            await living.put(BUCKET, f"k{turn}-{number}", random.Random(turn * 4 + number).randbytes(size))
            await living.set_ttl(BUCKET, f"k{turn}-{number}", 60)
        await case.advance(61 + case.traits.ttl_late_s + case.limits.clock_resolution_s + (case.traits.ttl_reclaim_s or 0.0))
        used.append(mortal.used())
    if used[-1] - used[1] > 4 * size * (_ROUNDS - 2) // 2:
        sentence = (
            f"{_ROUNDS} times {4 * size} bytes expired, ttl_reclaim_s passed each time, and the store's files have grown with each"
        )
        broken("object_storage.10", sentence, expected=f"about {used[1]} bytes, as after the second time", got=f"{used[-1]} bytes")
