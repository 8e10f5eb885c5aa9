"""keyvalue_ttl: what is deleted or expired is forgotten whole, so that a key written again owes nothing to the old one."""

from collections.abc import Callable
from itertools import product
from typing import Any, Protocol

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_lives import ENDS, MAKES, REWRITES, names_of
from prism_suites._keyvalue_looks import LOOKS, looks, seconds_left
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


_EVERYTHING = "everything"
_NEW = (b"new", b"", b"held")
_SECONDS = {"": 0.0, "sooner": 100.0, "later": 5000.0}
"""The new life: without a deadline, with one before the old one, with one behind it."""


def _endings(interface: str) -> Callable[[Limits], list[dict[str, Any]]]:
    """Every ending with every writing, at least one of the two from the interface."""
    own = interface == "keyvalue_ttl"
    pairs = [
        (ended, written, life)
        for ended, written in product(names_of(ENDS, "keyvalue_ttl", interface), names_of(REWRITES, "keyvalue_ttl", interface))
        for life in (_SECONDS if written == "set" else ("",))
        if own or interface in (ENDS[ended].interface, REWRITES[written].interface)
    ]
    return lambda limits: [
        {"ended": ended, "written": written, "life": life, "new": _NEW[number % len(_NEW)], "other": other}
        for number, ((ended, written, life), other) in enumerate(product(pairs, (False, True)))
    ]


async def _expect_forgotten(case: Case, kv: Any, ended: str, written: str, life: str, new: bytes, other: bool) -> None:
    """End a key that has a deadline, write it again; the old deadline passes and changes nothing."""
    times = Times(case)
    old = await MAKES["set_with_ttl"].run(kv, times, "k", b"held", 1000)
    await times.move(300)
    await ENDS[ended].run(kv, "k", b"held")
    if not await times.past_at_once():
        return
    writer = await case.client() if other else kv
    if life:
        _, now = await times.during(writer.set_with_ttl("k", new, _SECONDS[life]))
    else:
        _, now = await times.during(REWRITES[written].run(writer, "k", b"held", new))
    deadline = now.after(_SECONDS[life]) if life else None
    story = f"ended by {ended}, then written again"
    for instant in sorted({old.end + times.slack_ns, old.end + 10**9, *([deadline.start - times.margin_ns] if deadline else [])}):
        for look in ("get", "exists"):
            await times.look(kv, look, "k", new, deadline, early="keyvalue_ttl.10", late="keyvalue_ttl.2", story=story)
        if deadline:
            await times.left(kv, "k", _SECONDS[life], deadline, promise="keyvalue_ttl.10", story=story)
        else:
            same("keyvalue_ttl.10", await seconds_left(kv, "k"), None, f"a key {story}, has an old deadline")
        await times.to(instant)
    await times.look_everywhere("k", new, deadline, early="keyvalue_ttl.10", late="keyvalue_ttl.2", story=story)
    if deadline and await times.past(deadline):
        await times.look(kv, "get", "k", new, deadline, story=story)


@check("keyvalue_ttl.10")
@gauntlet(_endings("keyvalue_ttl"))
async def a_deleted_key_takes_its_deadline_along(
    kv: KeyValueTtl, case: Case, ended: str, written: str, life: str, new: bytes, other: bool
) -> None:
    """Deleted and written again, a key has the deadline of the new write only, and the old one never removes it."""
    await _expect_forgotten(case, kv, ended, written, life, new, other)


@check("keyvalue_ttl.10")
@gauntlet(_endings("keyvalue_batch"))
async def a_key_deleted_by_a_batch_takes_its_deadline_along(
    kv: TtlAndBatch, case: Case, ended: str, written: str, life: str, new: bytes, other: bool
) -> None:
    """The same if a batch deletes it or writes it again."""
    await _expect_forgotten(case, kv, ended, written, life, new, other)


@check("keyvalue_ttl.10")
@gauntlet(_endings("keyvalue_cas"))
async def a_key_deleted_by_comparing_takes_its_deadline_along(
    kv: TtlAndCas, case: Case, ended: str, written: str, life: str, new: bytes, other: bool
) -> None:
    """The same if `compare_and_delete` deletes it or `compare_and_swap` creates it again."""
    await _expect_forgotten(case, kv, ended, written, life, new, other)


@check("keyvalue_ttl.10")
@gauntlet(_endings("keyvalue_transactional"))
async def a_key_deleted_by_a_transaction_takes_its_deadline_along(
    kv: TtlAndTransactions, case: Case, ended: str, written: str, life: str, new: bytes, other: bool
) -> None:
    """The same if a transaction deletes it or writes it again."""
    await _expect_forgotten(case, kv, ended, written, life, new, other)


_AGAIN = {"": 0.0, "later": 5000.0, "as before": 5.0}
"""The life after an expiry; under `_NEW` in turn, the value is as before where the life is."""


def _after_expiry(interface: str) -> Callable[[Limits], list[dict[str, Any]]]:
    """Every look, none, or all that the driver has, at what has expired, then every writing; one of the two from the interface."""
    own = interface == "keyvalue_ttl"
    seen = ["", _EVERYTHING, *(look for look in looks("keyvalue_ttl", interface) if not LOOKS[look].creates)]
    triples = [
        (look, written, life)
        for look, written in product(seen, names_of(REWRITES, "keyvalue_ttl", interface))
        for life in (_AGAIN if written == "set" else ("",))
        if own or interface in (LOOKS[look].interface if look in LOOKS else "", REWRITES[written].interface)
    ]
    return lambda limits: [
        {"seen": look, "written": written, "life": life, "new": _NEW[number % len(_NEW)]}
        for number, (look, written, life) in enumerate(triples)
    ]


async def _expect_reborn(case: Case, kv: Any, seen: str, written: str, life: str, new: bytes) -> None:
    """Let a key expire, let somebody look at it or nobody, write it again; it lives its new life to the end."""
    times = Times(case)
    old = await MAKES["set_with_ttl"].run(kv, times, "k", b"held", 5)
    if not await times.past(old):
        return
    if seen == _EVERYTHING:
        await times.look_everywhere("k", b"held", old, early="keyvalue_ttl.1", late="keyvalue_ttl.2", story="expired")
    elif seen:
        await times.look(kv, seen, "k", b"held", old)
    if life:
        _, now = await times.during(kv.set_with_ttl("k", new, _AGAIN[life]))
    else:
        _, now = await times.during(REWRITES[written].run(kv, "k", b"held", new))
    deadline = now.after(_AGAIN[life]) if life else None
    story = "expired, then written again"
    await times.look_everywhere("k", new, deadline, early="keyvalue_ttl.10", late="keyvalue_ttl.2", story=story)
    for wait_s in (0.0, 2.0, 48.0):
        await times.move(wait_s)
        for look in ("get", "exists"):
            await times.look(kv, look, "k", new, deadline, early="keyvalue_ttl.10", story=story)
        if deadline is None:
            same("keyvalue_ttl.10", await seconds_left(kv, "k"), None, "a key that had expired was born with a deadline")
    if deadline:
        await times.before(deadline)
        await times.look(kv, "get", "k", new, deadline, early="keyvalue_ttl.10", story=story)
        await times.past(deadline)
        await times.look(kv, "get", "k", new, deadline, story=story)


@check("keyvalue_ttl.10")
@gauntlet(_after_expiry("keyvalue_ttl"))
async def an_expired_key_can_live_again(kv: KeyValueTtl, case: Case, seen: str, written: str, life: str, new: bytes) -> None:
    """A key written after its expiry, noticed or not, has the value and the deadline of the new write only."""
    await _expect_reborn(case, kv, seen, written, life, new)


@check("keyvalue_ttl.10")
@gauntlet(_after_expiry("keyvalue_scan"))
async def an_expired_key_that_was_scanned_can_live_again(
    kv: TtlAndScan, case: Case, seen: str, written: str, life: str, new: bytes
) -> None:
    """The same if a scan or a count came by in between."""
    await _expect_reborn(case, kv, seen, written, life, new)


@check("keyvalue_ttl.10")
@gauntlet(_after_expiry("keyvalue_batch"))
async def an_expired_key_can_live_again_by_a_batch(
    kv: TtlAndBatch, case: Case, seen: str, written: str, life: str, new: bytes
) -> None:
    """The same with batches."""
    await _expect_reborn(case, kv, seen, written, life, new)


@check("keyvalue_ttl.10")
@gauntlet(_after_expiry("keyvalue_cas"))
async def an_expired_key_can_live_again_by_a_swap(
    kv: TtlAndCas, case: Case, seen: str, written: str, life: str, new: bytes
) -> None:
    """The same with swaps."""
    await _expect_reborn(case, kv, seen, written, life, new)


@check("keyvalue_ttl.10")
@gauntlet(_after_expiry("keyvalue_transactional"))
async def an_expired_key_can_live_again_by_a_transaction(
    kv: TtlAndTransactions, case: Case, seen: str, written: str, life: str, new: bytes
) -> None:
    """The same with transactions."""
    await _expect_reborn(case, kv, seen, written, life, new)


@check("keyvalue_ttl.10", "keyvalue_ttl.3")
@gauntlet(lambda limits: [{"rounds": rounds, "last_s": last_s} for rounds in (2, 9, 40) for last_s in (0.0, 5000.0)])
async def only_the_last_of_many_deadlines_counts(kv: KeyValueTtl, case: Case, rounds: int, last_s: float) -> None:
    """Written, expired, persisted, deleted and written over and over: none of the deadlines on the way removes the key."""
    times = Times(case)
    for number in range(rounds):
        await kv.set_with_ttl("k", b"%d" % number, 1000 + 7 * number)
        step = number % 4
        if step == 1:
            await kv.expire("k", 1500 - number)
        elif step == 2:
            await kv.persist("k")
        elif step == 3:
            await kv.delete("k")
    if last_s:
        _, now = await times.during(kv.set_with_ttl("k", b"last", last_s))
    else:
        _, now = await times.during(kv.set("k", b"last"))
    deadline = now.after(last_s) if last_s else None
    for _ in range(24):
        await times.move(50)
        await times.look(kv, "get", "k", b"last", deadline, early="keyvalue_ttl.10", story="written many times")
    if deadline is None:
        truth("keyvalue_ttl.10", await kv.exists("k"), True, "a key written many times was removed by an old deadline")
        value("keyvalue_ttl.10", await kv.get("k"), b"last", "a key written many times holds an old value")
    elif await times.past(deadline):
        await times.look(kv, "get", "k", b"last", deadline, story="written many times")
