"""keyvalue_ttl: many keys, clients and namespaces at once; the deadline of one key changes nothing of another."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_confusables import confusable_names
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_looks import seconds_left
from prism_suites._keyvalue_model import Window
from prism_testkit import strategies
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueBatch, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.traits import Limits

_CROWD = 1030
"""More than a page holds."""
_CROWDS = ((3, 0.0), (3, 0.001), (3, 0.25), (100, 0.0), (100, 0.001), (100, 0.25), (_CROWD, 0.0))


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndTransactions(KeyValueTtl, KeyValueTransactional, Protocol):
    """Deadlines and transactions of one driver."""


@check("keyvalue_ttl.11", "keyvalue_ttl.1", "keyvalue_ttl.2")
@gauntlet(lambda limits: [{"number": n, "apart_s": apart_s} for n, apart_s in _CROWDS])
async def keys_of_one_deadline_expire_together(kv: KeyValueTtl, case: Case, number: int, apart_s: float) -> None:
    """A crowd of keys of the same deadline all go, each to its own; the two beside them, without and with a later one, stay."""
    times = Times(case)
    if number == _CROWD and case.server:
        return  # a hundred are enough there
    deadlines: dict[str, Window | None] = {"staying": None}
    await kv.set("staying", b"v")
    for index in range(number):
        _, now = await times.during(kv.set_with_ttl(f"k{index}", b"v", 300 - index * apart_s))
        deadlines[f"k{index}"] = now.after(300 - index * apart_s)
        await times.move(apart_s)
    _, now = await times.during(kv.set_with_ttl("later", b"v", 10**6))
    deadlines["later"] = now.after(10**6)
    await times.to(min(deadline.start for deadline in deadlines.values() if deadline) - times.margin_ns)
    await _look_at_all(times, kv, deadlines)
    if await times.to(max(d.end for name, d in deadlines.items() if d and name != "later") + times.slack_ns):
        await _look_at_all(times, kv, deadlines)


async def _look_at_all(times: Times, kv: Any, deadlines: dict[str, Window | None], held: bytes = b"v") -> None:
    for number, (key, deadline) in enumerate(deadlines.items()):
        early = "keyvalue_ttl.1" if deadline else "keyvalue_ttl.11"
        await times.look(kv, ("get", "exists")[number % 2], key, held, deadline, early=early, story="one of many keys")


_ORDERS = {
    "rising": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    "falling": (12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1),
    "mixed": (7, 3, 12, 1, 9, 5, 11, 2, 8, 4, 10, 6),
    "in pairs": (6, 6, 2, 2, 9, 9, 1, 1, 12, 12, 4, 4),
}


@check("keyvalue_ttl.11", "keyvalue_ttl.1", "keyvalue_ttl.2")
@gauntlet(lambda limits: [{"order": order, "unit_s": unit_s} for order in _ORDERS for unit_s in (0.5, 60.0, 7200.0)])
async def keys_expire_in_the_order_of_their_deadlines(kv: KeyValueTtl, case: Case, order: str, unit_s: float) -> None:
    """In whatever order keys were written, at each instant exactly those are there whose deadline is still ahead."""
    times = Times(case)
    deadlines: dict[str, Window | None] = {"staying": None}
    await kv.set("staying", b"v")
    for number, units in enumerate(_ORDERS[order]):
        _, now = await times.during(kv.set_with_ttl(f"k{number}", b"v", units * unit_s))
        deadlines[f"k{number}"] = now.after(units * unit_s)
    for deadline in sorted({d for d in deadlines.values() if d}, key=lambda window: window.end):
        await times.before(deadline)
        await _look_at_all(times, kv, deadlines)
        if not await times.past(deadline):
            return
        await _look_at_all(times, kv, deadlines)


@check("keyvalue_ttl.11", "keyvalue_ttl.2", "keyvalue_scan.5")
@gauntlet(lambda limits: [{"order": order} for order in _ORDERS])
async def the_count_falls_with_each_deadline(kv: TtlAndScan, case: Case, order: str) -> None:
    """`count` and scans follow along as one key after the other expires (KV-37)."""
    times = Times(case)
    deadlines: dict[str, Window] = {}
    for number, units in enumerate(_ORDERS[order]):
        _, now = await times.during(kv.set_with_ttl(f"k{number}", b"v", units * 600.0))
        deadlines[f"k{number}"] = now.after(units * 600.0)
    for deadline in sorted(set(deadlines.values()), key=lambda window: window.end):
        if not await times.past(deadline):
            return
        got, now = await times.during(kv.count("k"))
        listed, then = await times.during(_keys(kv))
        span = Window(now.start, then.end)
        there = {key for key, end in deadlines.items() if times.is_present(end, span)}
        gone = {key for key, end in deadlines.items() if times.is_missing(end, span)}
        if len(there) + len(gone) == len(deadlines):
            same("keyvalue_ttl.2", sorted(listed), sorted(there), "a scan does not give exactly the keys whose deadline is ahead")
            same("keyvalue_ttl.2", got, len(there), "count does not count exactly the keys whose deadline is ahead")


async def _keys(kv: KeyValueScan) -> list[str]:
    return [key async for key in kv.scan_keys()]


async def _expect_own_deadlines(case: Case, kv: Any, names: Sequence[str], lives: Sequence[float]) -> None:
    """Give each name its own life, 0 for none, and look on as one after the other ends."""
    times = Times(case)
    deadlines: dict[str, Window | None] = {}
    for number, (name, life_s) in enumerate(zip(names, lives, strict=True)):
        held = b"%d" % number
        if life_s and number % 4 < 2:
            _, now = await times.during(kv.set_with_ttl(name, held, life_s))
        else:
            await kv.set(name, held)
            _, now = await times.during(kv.expire(name, life_s) if life_s else kv.exists(name))
        deadlines[name] = now.after(life_s) if life_s else None
    for instant in (0, *sorted({d.end + times.slack_ns for d in deadlines.values() if d})):
        if not await times.to(instant):
            return
        for number, name in enumerate(names):
            deadline = deadlines[name]
            story = "another key, of a similar name, has another deadline"
            await times.look(
                kv, "get", name, b"%d" % number, deadline, early="keyvalue_ttl.11", late="keyvalue_ttl.11", story=story
            )
            if deadline is None:
                same("keyvalue_ttl.11", await seconds_left(kv, name), None, f"a key got a deadline: {story}")
            else:
                await times.left(kv, name, lives[number], deadline, promise="keyvalue_ttl.11", story=story)


@check("keyvalue_ttl.11")
@gauntlet(lambda limits: [{"names": names} for names in confusable_names(limits)])
async def confusable_names_have_deadlines_of_their_own(kv: KeyValueTtl, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in case, blanks, normal form or length share no deadline: first one alone has it, then every second."""
    lives = [100.0] + [0.0 if number % 2 else 1000.0 * (number + 1) for number in range(1, len(names))]
    await _expect_own_deadlines(case, kv, names, lives)


@check("keyvalue_ttl.11")
@given(
    names=strategies.universes(2, 6),
    lives=st.lists(st.sampled_from((0.0, 100.0, 1000.0, 5000.0)), min_size=6, max_size=6),
)
async def drawn_names_have_deadlines_of_their_own(kv: KeyValueTtl, case: Case, names: tuple[str, ...], lives: list[float]) -> None:
    """The same with drawn names and lives."""
    await _expect_own_deadlines(case, kv, names, lives[: len(names)])


_BESIDE = {"beside": "changed", "in its family": "k:1"}
"""Where another key is changed, and its name."""
_CHANGES = ("set", "delete", "persist", "expire", "expire at once", "set_with_ttl", "expiry")


async def _change(times: Times, kv: Any, key: str, change: str) -> None:
    """Do something to a key that has 200 s to live."""
    if change == "expiry":
        _, now = await times.during(kv.expire(key, 0.5))
        await times.past(now.after(0.5))
    elif change in ("set", "delete", "persist"):
        await (kv.set(key, b"new") if change == "set" else getattr(kv, change)(key))
    else:
        await (kv.set_with_ttl(key, b"new", 1e6) if change == "set_with_ttl" else kv.expire(key, 0 if change[6:] else 1e6))


@check("keyvalue_ttl.11", "keyvalue_basic.9")
@gauntlet(lambda limits: [{"change": change, "where": where} for change in _CHANGES for where in (*_BESIDE, "in a sibling")])
async def a_change_of_one_key_leaves_the_deadlines_of_others(kv: KeyValueTtl, case: Case, change: str, where: str) -> None:
    """Neither another key nor the same key of another namespace loses, gains or moves a deadline (KV-60)."""
    times = Times(case)
    promise = "keyvalue_ttl.11" if where in _BESIDE else "keyvalue_basic.9"
    store: Any = kv if where in _BESIDE else await case.sibling()
    changed = _BESIDE.get(where, "k")
    _, now = await times.during(kv.set_with_ttl("k", b"held", 200))
    deadline = now.after(200)
    await kv.set("without", b"held")
    await store.set_with_ttl(changed, b"held", 200)
    if where not in _BESIDE:
        await store.set("without", b"other")
        await store.expire("without", 300)
    await _change(times, store, changed, change)
    story = f"another key, {where}, was changed by {change}"
    await times.look(kv, "get", "k", b"held", deadline, early=promise, story=story)
    await times.left(kv, "k", 200, deadline, promise=promise, story=story)
    same(promise, await seconds_left(kv, "without"), None, f"a key got a deadline ({story})")
    if await times.past(deadline):
        await times.look(kv, "get", "k", b"held", deadline, late=promise, story=story)
        value(promise, await kv.get("without"), b"held", f"a key without a deadline has changed ({story})")


@check("keyvalue_basic.9", "keyvalue_ttl.11")
async def deadlines_stay_in_their_namespace(kv: KeyValueTtl, case: Case) -> None:
    """A key with a deadline is in no other namespace, and cannot be expired, persisted or asked for from there (KV-60)."""
    times = Times(case)
    sibling = await case.sibling()
    _, now = await times.during(kv.set_with_ttl("k", b"held", 600))
    promise = "keyvalue_basic.9"
    value(promise, await sibling.get("k"), None, "a key with a deadline is read in another namespace")
    same(promise, await seconds_left(sibling, "k"), "NotFound", "the deadline of a key is told in another namespace")
    truth(promise, await sibling.expire("k", 1), False, "a key of another namespace is expired")
    truth(promise, await sibling.persist("k"), False, "a key of another namespace is persisted")
    await times.left(kv, "k", 600, now.after(600), promise=promise, story="another namespace asked to expire it")
    await sibling.set("k", b"other")
    if await times.past(now.after(600)):
        value(promise, await sibling.get("k"), b"other", "a key is removed by the deadline of one in another namespace")


@check("keyvalue_basic.8", "keyvalue_ttl.2", "keyvalue_ttl.1", "keyvalue_ttl.7", "keyvalue_ttl.8")
@gauntlet(lambda limits: [{"ttl_s": ttl_s, "late_comer": late} for ttl_s in (2.5, 60.0, 86401.0) for late in (False, True)])
async def every_client_knows_the_same_deadline(kv: KeyValueTtl, case: Case, ttl_s: float, late_comer: bool) -> None:
    """What one client gives a deadline, expires or persists, every other one sees so at once, and when it passes (KV-05)."""
    times = Times(case)
    other = await case.client() if not late_comer else kv
    for key in ("written", "persisted", "cleared"):
        await kv.set_with_ttl(key, b"v", ttl_s)
    _, now = await times.during(kv.set_with_ttl("written", b"v", ttl_s))
    if late_comer:
        other = await case.client()
    deadline = now.after(ttl_s)
    for look in ("get", "exists", "ttl"):
        await times.look(other, look, "written", b"v", deadline, early="keyvalue_basic.8", story="written by another client")
    await times.left(other, "written", ttl_s, deadline, promise="keyvalue_basic.8", story="given by another client")
    done, then = await times.during(other.persist("persisted"))
    if times.is_present(deadline, then):
        truth("keyvalue_basic.8", done, True, "persist says False of a key to which another client gave a deadline")
    await other.set("persisted", b"v")
    await other.set("cleared", b"v")
    for key in ("persisted", "cleared"):
        same("keyvalue_basic.8", await seconds_left(kv, key), None, "a deadline that another client took away is there")
    await kv.set("expired", b"v")
    done, then = await times.during(other.expire("expired", ttl_s))
    truth("keyvalue_basic.8", done, True, "expire says False of a key that another client wrote")
    latest = then.after(ttl_s)
    await times.left(kv, "expired", ttl_s, latest, promise="keyvalue_basic.8", story="given by another client")
    if await times.past(latest):
        await times.look(other, "get", "written", b"v", deadline, story="written by another client")
        await times.look(kv, "exists", "written", b"v", deadline)
        await times.look(kv, "get", "expired", b"v", latest, story="expired by another client")
        for client in (kv, other):
            for key in ("persisted", "cleared"):
                value("keyvalue_basic.8", await client.get(key), b"v", "a key is removed by a deadline that was taken away")


@check("keyvalue_ttl.7", "keyvalue_ttl.3", "keyvalue_basic.8")
@gauntlet(
    lambda limits: [
        {"how": how, "first_s": first_s, "then_s": then_s}
        for how in ("expire", "set_with_ttl")
        for first_s, then_s in ((600.0, 6000.0), (6000.0, 600.0), (600.0, 600.0))
    ]
)
async def another_client_can_move_a_deadline(kv: KeyValueTtl, case: Case, how: str, first_s: float, then_s: float) -> None:
    """The last deadline counts, whoever gave it: the first client neither removes the key at its own nor keeps it longer."""
    times = Times(case)
    other: KeyValueTtl = await case.client()
    await kv.set_with_ttl("k", b"held", first_s)
    await times.move(60)
    promise = "keyvalue_ttl.7" if how == "expire" else "keyvalue_ttl.3"
    call: Any = other.expire("k", then_s) if how == "expire" else other.set_with_ttl("k", b"held", then_s)
    _, now = await times.during(call)
    deadline = now.after(then_s)
    for client in (kv, other):
        await times.left(client, "k", then_s, deadline, promise=promise, story="moved by another client")
    await times.before(deadline)
    for client in (kv, other):
        await times.look(client, "get", "k", b"held", deadline, early=promise, story="moved by another client")
    if await times.past(deadline):
        for client in (kv, other):
            await times.look(client, "exists", "k", b"held", deadline, late=promise, story="moved by another client")


_MANY = (2, 5, 17, 130, _CROWD)
"""A pair, more than a few, and more than each size of page or chunk in use."""


async def _read_in_a_transaction(kv: Any, keys: list[str]) -> None:
    with suppress(Conflict):  # a needless one is legal; and where reads take time, keys expire between them
        async with kv.transaction() as transaction:
            for key in keys:
                await transaction.get(key)


async def _scan_values(kv: Any, keys: list[str]) -> None:
    async for _ in kv.scan("k"):
        pass


_READS_OF_MANY: dict[str, Callable[[Any, list[str]], Awaitable[object]]] = {
    "scan": _scan_values,
    "scan_keys": lambda kv, keys: _keys(kv),
    "count": lambda kv, keys: kv.count("k"),
    "batch_get": lambda kv, keys: kv.batch_get(keys),
    "batch_get of repeats": lambda kv, keys: kv.batch_get([*keys, "missing", *keys]),
    "reading transaction": _read_in_a_transaction,
}


def _readings(*ways: str) -> Callable[[Limits], list[dict[str, Any]]]:
    """Of each way one that is asked of few and of many, of further ways of few."""
    return lambda limits: [
        {"way": way, "number": number, "other": number % 2 == 1}
        for way in ways
        for number in _MANY
        if way == ways[0] or number < _CROWD
    ]


async def _expect_left_alone(case: Case, kv: Any, way: str, number: int, other: bool) -> None:
    """Give many keys a deadline, half of them one of their own, read all at once, twice; each goes when it was to go."""
    if case.server and number > 130:
        return
    times = Times(case)
    reader = await case.client() if other else kv
    deadlines: dict[str, tuple[float, Window]] = {}
    await kv.set("k without", b"v")
    for index in range(number):
        ttl_s = 600.0 + index * (index % 2)
        _, now = await times.during(kv.set_with_ttl(f"k{index}", b"v", ttl_s))
        deadlines[f"k{index}"] = ttl_s, now.after(ttl_s)
    story = f"{number} keys were read at once, by {way}"
    seen = [*list(deadlines)[:: max(1, number // 10)], f"k{number - 1}"]
    for _ in range(2):
        await times.move(200)
        await _READS_OF_MANY[way](reader, [*deadlines])
        for key in seen:
            await times.left(kv, key, *deadlines[key], promise="keyvalue_ttl.5", story=story)
    same("keyvalue_ttl.11", await seconds_left(kv, "k without"), None, f"a key got a deadline: {story}")
    for key in sorted(set(seen), key=lambda key: deadlines[key][1].end):
        if not await times.past(deadlines[key][1]):
            return
        await times.look(kv, "get", key, b"v", deadlines[key][1], late="keyvalue_ttl.5", story=story)


@check("keyvalue_ttl.5", "keyvalue_ttl.11")
@gauntlet(_readings("scan", "scan_keys", "count"))
async def a_scan_of_many_leaves_their_deadlines(kv: TtlAndScan, case: Case, way: str, number: int, other: bool) -> None:
    """However many keys a scan or a count passes over, none of them lives longer for it."""
    await _expect_left_alone(case, kv, way, number, other)


@check("keyvalue_ttl.5", "keyvalue_ttl.11")
@gauntlet(_readings("batch_get", "batch_get of repeats"))
async def a_batch_read_of_many_leaves_their_deadlines(kv: TtlAndBatch, case: Case, way: str, number: int, other: bool) -> None:
    """However many keys one `batch_get` reads, none of them lives longer for it."""
    await _expect_left_alone(case, kv, way, number, other)


@check("keyvalue_ttl.5", "keyvalue_ttl.11")
@gauntlet(_readings("reading transaction"))
async def a_transaction_that_reads_many_leaves_their_deadlines(
    kv: TtlAndTransactions, case: Case, way: str, number: int, other: bool
) -> None:
    """However many keys one transaction reads, none of them lives longer for it."""
    await _expect_left_alone(case, kv, way, number, other)
