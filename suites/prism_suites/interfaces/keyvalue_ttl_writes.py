"""keyvalue_ttl: what a write, `persist` or `expire` does to a deadline that is there, and that reading does nothing to it."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from typing import Any, Protocol

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_lives import CLEARS, MAKES, names_of
from prism_suites._keyvalue_looks import looks, seconds_left
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.traits import Limits


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndCas(KeyValueTtl, KeyValueCas, Protocol):
    """Deadlines and swaps of one driver."""


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


class TtlAndTransactions(KeyValueTtl, KeyValueTransactional, Protocol):
    """Deadlines and transactions of one driver."""


_NEW = (b"new", b"held", b"")
"""Another value, the same one, for a store may think that then there is nothing to do, and the empty one."""
_READS = looks("keyvalue_ttl", writing=False)


def _clearings(interface: str) -> Callable[[Limits], list[dict[str, Any]]]:
    usual = ("set_with_ttl", "set, expire", "expire, longer")
    others = [made for made in names_of(MAKES, interface) if made not in usual]
    ways = [*product(names_of(CLEARS, interface), _NEW, usual), *product(names_of(CLEARS, interface), _NEW[:1], others)]
    return lambda limits: [
        {"clearing": clearing, "new": new, "made": made, "look": _READS[number % len(_READS)], "other": number % 4 == 3}
        for number, (clearing, new, made) in enumerate(ways)
    ]


async def _expect_cleared(case: Case, kv: Any, clearing: str, new: bytes, made: str, look: str, other: bool) -> None:
    """Take a deadline away; from then on the key has none, and stays when the old one passes."""
    times = Times(case)
    deadline = await MAKES[made].run(kv, times, "k", b"held", 600)
    await times.move(200)
    way = CLEARS[clearing]
    held = b"held" if clearing == "persist" else new
    if deadline is None or not times.is_present(deadline, (await times.during(kv.exists("k")))[1]):
        return
    _, now = await times.during(way.run(await case.client() if other else kv, "k", b"held", new))
    if way.promise in ("keyvalue_ttl.8", "keyvalue_ttl.4") and not times.is_present(deadline, now):
        return
    story = f"its deadline was taken away by {clearing}"
    await times.look(kv, look, "k", held, None, early=way.promise, story=story)
    same(way.promise, await seconds_left(kv, "k"), None, f"{clearing} leaves a deadline")
    for more_s in (0.0, 1.0, 1e6):
        if await times.past(deadline, more_s):
            await times.look(kv, look, "k", held, None, early=way.promise, story=f"{story}, and has passed")
            value(way.promise, await kv.get("k"), held, f"a key is removed, or changed, by a deadline that {clearing} took away")
            if not more_s:
                await times.look_everywhere("k", held, None, early=way.promise, late=way.promise, story=story)
    truth("keyvalue_ttl.8", await kv.persist("k"), False, "persist says True of a key without a deadline")


@check("keyvalue_ttl.3", "keyvalue_ttl.8", "keyvalue_ttl.10")
@gauntlet(_clearings("keyvalue_ttl"))
async def a_plain_write_and_persist_take_the_deadline_away(
    kv: KeyValueTtl, case: Case, clearing: str, new: bytes, made: str, look: str, other: bool
) -> None:
    """`set`, also of the same value, and `persist` leave a key without expiry, which the old deadline never removes (KV-35)."""
    await _expect_cleared(case, kv, clearing, new, made, look, other)


@check("keyvalue_ttl.3")
@gauntlet(_clearings("keyvalue_batch"))
async def a_batch_takes_the_deadline_away(
    kv: TtlAndBatch, case: Case, clearing: str, new: bytes, made: str, look: str, other: bool
) -> None:
    """`batch_set` is a plain write of each key (KV-35)."""
    await _expect_cleared(case, kv, clearing, new, made, look, other)


@check("keyvalue_ttl.4")
@gauntlet(_clearings("keyvalue_cas"))
async def a_swap_takes_the_deadline_away(
    kv: TtlAndCas, case: Case, clearing: str, new: bytes, made: str, look: str, other: bool
) -> None:
    """A successful `compare_and_swap`, also to the same value, leaves a key without expiry."""
    await _expect_cleared(case, kv, clearing, new, made, look, other)


@check("keyvalue_ttl.3")
@gauntlet(_clearings("keyvalue_transactional"))
async def a_transaction_takes_the_deadline_away(
    kv: TtlAndTransactions, case: Case, clearing: str, new: bytes, made: str, look: str, other: bool
) -> None:
    """A transaction's ``set`` is a plain write (KV-35)."""
    await _expect_cleared(case, kv, clearing, new, made, look, other)


async def _set_beside(kv: Any) -> None:
    await kv.set("another", b"x")
    await kv.delete("another")


async def _expire_beside(kv: Any) -> None:
    await kv.set_with_ttl("another", b"x", 1e6)
    await kv.expire("another", 1e7)
    await kv.persist("another")
    await kv.expire("missing", 1e6)
    await kv.persist("missing")


_TOUCHES: dict[str, Callable[[Any], Awaitable[object]]] = {"writes of others": _set_beside, "deadlines of others": _expire_beside}


def _touches(interface: str) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    names = [*looks(interface, writing=False), *(_TOUCHES if interface == "keyvalue_ttl" else ())]

    def cases(limits: Limits) -> Iterator[dict[str, Any]]:
        for number, name in enumerate(names):
            for ttl_s in (1.5, 60.0):
                yield {"touch": name, "ttl_s": ttl_s, "made": ("set_with_ttl", "set, expire")[number % 2], "other": number % 3 == 2}

    return cases


async def _expect_not_extended(case: Case, kv: Any, touch: str, ttl_s: float, made: str, other: bool) -> None:
    """Look at a key again and again on the way to its deadline: it comes when it was to come."""
    times = Times(case)
    toucher = await case.client() if other else kv
    deadline = await MAKES[made].run(kv, times, "k", b"held", ttl_s)
    story = f"{touch} on the way"
    for share in (0.0, 0.3, 0.6, 0.9, 1.0):
        await times.to(deadline.start - times.margin_ns - round(ttl_s * 1e9 * (1 - share)))
        if touch in _TOUCHES:
            await _TOUCHES[touch](toucher)
        else:
            await times.look(toucher, touch, "k", b"held", deadline)
        await times.left(kv, "k", ttl_s, deadline, promise="keyvalue_ttl.5", story=story)
    if await times.past(deadline):
        for reader in ("get", "exists", "ttl"):
            await times.look(kv, reader, "k", b"held", deadline, late="keyvalue_ttl.5", story=story)


@check("keyvalue_ttl.5", "keyvalue_ttl.11")
@gauntlet(_touches("keyvalue_ttl"))
async def reading_does_not_extend_a_life(kv: KeyValueTtl, case: Case, touch: str, ttl_s: float, made: str, other: bool) -> None:
    """`get`, `exists` and `ttl`, however often, and whatever is done to other keys, leave the deadline."""
    await _expect_not_extended(case, kv, touch, ttl_s, made, other)


@check("keyvalue_ttl.5")
@gauntlet(_touches("keyvalue_scan"))
async def scanning_does_not_extend_a_life(kv: TtlAndScan, case: Case, touch: str, ttl_s: float, made: str, other: bool) -> None:
    """Scans and counts leave the deadline."""
    await _expect_not_extended(case, kv, touch, ttl_s, made, other)


@check("keyvalue_ttl.5")
@gauntlet(_touches("keyvalue_batch"))
async def reading_in_a_batch_does_not_extend_a_life(
    kv: TtlAndBatch, case: Case, touch: str, ttl_s: float, made: str, other: bool
) -> None:
    """`batch_get` leaves the deadline."""
    await _expect_not_extended(case, kv, touch, ttl_s, made, other)


@check("keyvalue_ttl.5")
@gauntlet(_touches("keyvalue_transactional"))
async def reading_in_a_transaction_does_not_extend_a_life(
    kv: TtlAndTransactions, case: Case, touch: str, ttl_s: float, made: str, other: bool
) -> None:
    """A transaction that reads leaves the deadline."""
    await _expect_not_extended(case, kv, touch, ttl_s, made, other)


@check("keyvalue_ttl.7", "keyvalue_ttl.8")
@gauntlet(lambda limits: [{"held": held, "ttl_s": ttl_s} for held in (b"v", b"", b"\x00\xff") for ttl_s in (0.5, 60.0, 86401.0)])
async def expire_and_persist_of_a_missing_key_do_nothing(kv: KeyValueTtl, case: Case, held: bytes, ttl_s: float) -> None:
    """False, and nothing is created: never written, deleted, or gone by its deadline (KV-01)."""
    times = Times(case)
    await kv.set("deleted", held)
    await kv.delete("deleted")
    await kv.set_with_ttl("deleted with a deadline", held, ttl_s)
    await kv.delete("deleted with a deadline")
    _, now = await times.during(kv.set_with_ttl("expired", held, ttl_s))
    keys = ["never written", "deleted", "deleted with a deadline"] + (["expired"] if await times.past(now.after(ttl_s)) else [])
    for key in keys:
        truth("keyvalue_ttl.7", await kv.expire(key, 60), False, f"expire says True of a missing key, {key}")
        truth("keyvalue_ttl.8", await kv.persist(key), False, f"persist says True of a missing key, {key}")
        truth("keyvalue_ttl.7", await kv.expire(key, -1), False, f"expire says True of a missing key, {key}")
        truth("keyvalue_ttl.7", await kv.exists(key), False, f"expire or persist created a missing key, {key}")
        value("keyvalue_ttl.7", await kv.get(key), None, f"expire or persist created a missing key, {key}")
        same("keyvalue_ttl.6", await seconds_left(kv, key), "NotFound", f"ttl of a missing key, {key}, does not raise NotFound")
        await kv.set(key, b"new")
        same("keyvalue_ttl.10", await seconds_left(kv, key), None, f"a new key, once {key}, was born with a deadline")
        await times.move(61)
        value("keyvalue_ttl.10", await kv.get(key), b"new", f"a new key, once {key}, was removed by a deadline that it never had")


@check("keyvalue_ttl.8", "keyvalue_ttl.7")
@gauntlet(lambda limits: [{"held": held} for held in (b"v", b"", b"0")])
async def persist_says_whether_there_was_a_deadline(kv: KeyValueTtl, case: Case, held: bytes) -> None:
    """True once, False on a repeat and on a key that never had one; the value stays, and a new deadline can follow."""
    times = Times(case)
    await kv.set("k", held)
    truth("keyvalue_ttl.8", await kv.persist("k"), False, "persist says True of a key without a deadline")
    for given_s in (3600.0, 0.5e6):
        truth("keyvalue_ttl.7", await kv.expire("k", given_s), True, "expire says False of a key without a deadline")
        truth("keyvalue_ttl.8", await kv.persist("k"), True, "persist says False of a key that has a deadline")
        truth("keyvalue_ttl.8", await kv.persist("k"), False, "persist, repeated, says True")
        value("keyvalue_ttl.8", await kv.get("k"), held, "persist changed the value")
        same("keyvalue_ttl.8", await seconds_left(kv, "k"), None, "persist leaves a deadline")
    await times.move(1e6)
    value("keyvalue_ttl.8", await kv.get("k"), held, "a key is removed by a deadline that persist took away")
