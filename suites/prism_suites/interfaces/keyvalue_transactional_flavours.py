"""keyvalue_transactional beside the other flavours: whatever writes is noticed, time alone changes nothing, no size overflows."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from prism_suites._judging import broken, value
from prism_suites._keyvalue_retrying import TRIES, transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    Conflict,
    KeyValueBatch,
    KeyValueCas,
    KeyValueTransaction,
    KeyValueTransactional,
    KeyValueTtl,
)
from prism_testkit.tap import offers


class TransactionalTtl(KeyValueTransactional, KeyValueTtl, Protocol):
    """Both."""


_Change = tuple[type | None, str, Callable[[Any], Awaitable[object]]]
"""The interface that it needs, the states of the key that it changes, and one call, with nothing before it, that does so."""
_BOTH, _PRESENT, _MISSING = "present, missing, expired", "present", "missing, expired"
"""What expired and was not looked at since is missing in a way of its own."""
_CHANGES: dict[str, _Change] = {
    "set": (None, _BOTH, lambda kv: kv.set("a", b"new")),
    "delete": (None, _PRESENT, lambda kv: kv.delete("a")),
    "set_with_ttl": (KeyValueTtl, _BOTH, lambda kv: kv.set_with_ttl("a", b"new", 3600.0)),
    "expire at once": (KeyValueTtl, _PRESENT, lambda kv: kv.expire("a", 0)),
    "set_with_ttl at once": (KeyValueTtl, _PRESENT, lambda kv: kv.set_with_ttl("a", b"new", 0)),
    "batch_set": (KeyValueBatch, _BOTH, lambda kv: kv.batch_set({"a": b"new"})),
    "batch_set of many": (KeyValueBatch, _BOTH, lambda kv: kv.batch_set(dict.fromkeys(("c", "a", "d"), b"new"))),
    "batch_delete": (KeyValueBatch, _PRESENT, lambda kv: kv.batch_delete(["a"])),
    "a swap": (KeyValueCas, _PRESENT, lambda kv: kv.compare_and_swap("a", b"old", b"new")),
    "a swap to nothing": (KeyValueCas, _PRESENT, lambda kv: kv.compare_and_swap("a", b"old", b"")),
    "a swap from nothing": (KeyValueCas, _MISSING, lambda kv: kv.compare_and_swap("a", None, b"new")),
    "compare_and_delete": (KeyValueCas, _PRESENT, lambda kv: kv.compare_and_delete("a", b"old")),
    "a transaction's set": (None, _BOTH, lambda kv: transacted(kv, lambda transaction: transaction.set("a", b"new"))),
    "a transaction's delete": (None, _PRESENT, lambda kv: transacted(kv, lambda transaction: transaction.delete("a"))),
}


@check("keyvalue_transactional.5")
@gauntlet(
    lambda limits: [
        {"change": change, "state": state, "reads": reads, "writes": writes}
        for change, (_, states, _) in _CHANGES.items()
        for state in states.split(", ")
        for reads, writes in (("get", True), ("get", False), ("delete", True))[: 1 if state == "expired" else 3]
    ]
)
async def whatever_changes_what_was_read_is_noticed(
    kv: KeyValueTransactional, case: Case, change: str, state: str, reads: str, writes: bool
) -> None:
    """A commit after a key that it read was changed, by any one call of another client, raises `Conflict` (KV-16)."""
    rival = await case.client(whole=True)
    interface, _, call = _CHANGES[change]
    if interface is not None and not offers(rival, interface):
        return
    if state == "present":
        await kv.set("a", b"old")
    if state == "expired":
        if not case.clock.virtual or not offers(rival, KeyValueTtl):
            return
        await rival.set_with_ttl("a", b"old", 5.0)
        await case.advance(60.0)
    try:
        async with kv.transaction() as transaction:
            await getattr(transaction, reads)("a")
            await call(rival)
            if writes:
                await transaction.set("b", b"from what was read")
    except Conflict:
        value("keyvalue_transactional.6", await kv.get("b"), None, "a transaction that raised Conflict left a write behind")
        return
    told = f"committed although {change} changed what it had read with {reads}"
    broken("keyvalue_transactional.5", told, expected="Conflict", got="a commit")


@check("keyvalue_transactional.5")
@gauntlet(
    lambda limits: [
        *({"count": count, "others": 0} for count in (2, 16, 256, 512)),
        *({"count": 1, "others": others} for others in (40, 270)),
    ]
)
async def any_number_of_changes_is_a_change(kv: KeyValueTransactional, case: Case, count: int, others: int) -> None:
    """However often a key is written between a read and the commit, no counter of its versions turns over; and however many others
    are written after it, the change is not forgotten (KV-16)."""
    rival = await case.client()
    await kv.set("a", b"old")
    try:
        async with kv.transaction() as transaction:
            held = await transaction.get("a")
            for number in range(count):
                await rival.set("a", b"%d" % number)
            for number in range(others):
                await rival.set(f"other {number}", b"x")
            await transaction.set("b", held or b"")
    except Conflict:
        value("keyvalue_transactional.6", await kv.get("b"), None, "a transaction that raised Conflict left a write behind")
        return
    after = f", {others} other keys having been written since" if others else ""
    told = f"committed although what it had read was changed {count} times{after}"
    broken("keyvalue_transactional.5", told, expected="Conflict", got="a commit")


@check("keyvalue_transactional.5")
@gauntlet(lambda limits: [{"count": count, "place": place} for count in (2, 65, 300, 1001) for place in (0.0, 0.5, 1.0)])
async def whichever_of_many_reads_changed_is_noticed(kv: KeyValueTransactional, case: Case, count: int, place: float) -> None:
    """However many keys a transaction read, the first, one in the middle or the last, a change of any of them counts (KV-16)."""
    if case.server and count > 65:
        return  # each read is a round trip
    rival = await case.client()
    names = [f"k{number}" for number in range(count)]
    changed = names[round(place * (count - 1))]
    await kv.set(changed, b"old")
    try:
        async with kv.transaction() as transaction:
            for name in names:
                await transaction.get(name)
            await rival.set(changed, b"new")
            await transaction.set("b", b"from what was read")
    except Conflict:
        value("keyvalue_transactional.6", await kv.get("b"), None, "a transaction that raised Conflict left a write behind")
        return
    told = f"committed although {changed} changed, one of {count} keys that it had read"
    broken("keyvalue_transactional.5", told, expected="Conflict", got="a commit")


@check("keyvalue_transactional.6")
@gauntlet(lambda limits: [{"seconds": seconds, "by": by} for seconds in (0.25, 1.0, 59.0) for by in ("set_with_ttl", "expire")])
async def time_that_passes_is_no_conflict(kv: TransactionalTtl, case: Case, seconds: float, by: str) -> None:
    """A key whose time to live merely runs down has not changed: a transaction that read it commits."""
    if not case.clock.virtual:
        return

    async def body(transaction: KeyValueTransaction) -> None:
        value("keyvalue_ttl.1", await transaction.get("a"), b"x", "a transaction does not find a key before its deadline")
        await case.advance(seconds)
        await transaction.set("b", b"y")

    if by == "set_with_ttl":
        await kv.set_with_ttl("a", b"x", 86_400.0)
    else:
        await kv.set("a", b"x")
        await kv.expire("a", 86_400.0)
    await transacted(kv, body)
    value("keyvalue_transactional.1", await kv.get("b"), b"y", "a committed write is not there")


@check("keyvalue_transactional.5", "keyvalue_ttl.2")
@gauntlet(lambda limits: [{"reads": reads} for reads in ("get", "delete")])
async def what_expired_since_it_was_read_is_a_conflict(kv: TransactionalTtl, case: Case, reads: str) -> None:
    """A key that a transaction found, and that is missing by its deadline when it commits, is no longer what was read."""
    if not case.clock.virtual:
        return
    for beside in (False, True):
        await kv.set_with_ttl("a", b"x", 60.0)
        try:
            async with kv.transaction() as transaction:
                await getattr(transaction, reads)("a")
                await transaction.set("b", b"from what was read")
                await case.advance(120.0)
                if beside:  # whoever comes upon it may remove it
                    await (await case.client()).get("a")
        except Conflict:
            value("keyvalue_transactional.6", await kv.get("b"), None, "a transaction that raised Conflict left a write behind")
        else:
            told = f"committed although what it had read with {reads} had expired meanwhile"
            broken("keyvalue_transactional.5", told, expected="Conflict", got="a commit")


@check("keyvalue_transactional.4", "keyvalue_transactional.1")
@gauntlet(lambda limits: [{"count": count} for count in (1, 2, 9, 17, 26, 33, 65, 101, 129, 257, 513)])
async def no_number_of_writes_overflows_the_buffer(kv: KeyValueTransactional, case: Case, count: int) -> None:
    """However many writes are open, none is seen before exit, and all are after it."""
    other = await case.client()
    looked = sorted({0, 1, count // 2, count - 1} & set(range(count)))

    async def body(transaction: KeyValueTransaction) -> None:
        for number in range(count):
            await transaction.set(f"k{number}", b"%d" % number)
        for number in looked:
            value(
                "keyvalue_transactional.4",
                await other.get(f"k{number}"),
                None,
                "a write is seen before its transaction is over",
            )

    await transacted(kv, body, company=True)
    for number in range(count):
        value("keyvalue_transactional.1", await other.get(f"k{number}"), b"%d" % number, "a committed write is not there")


class _GiveUp(Exception):
    """Raised in the body."""


@check("keyvalue_transactional.2")
@gauntlet(
    lambda limits: [
        {"first": first, "rival": rival, "state": state}
        for first in ("get", "delete", "set")
        for rival in ("set", "delete")
        for state in ("present", "missing")
    ]
)
async def giving_up_leaves_what_others_wrote_meanwhile(
    kv: KeyValueTransactional, case: Case, first: str, rival: str, state: str
) -> None:
    """A discarded transaction changes nothing: not its keys, and not what another client did to them while it was open."""
    other = await case.client()
    if state == "present":
        await kv.set("a", b"old")
    for _ in range(TRIES):
        try:
            async with kv.transaction() as transaction:
                await _touch(transaction, first)
                await transaction.set("a", b"mine")
                await (other.set("a", b"theirs") if rival == "set" else other.delete("a"))
                raise _GiveUp
        except Conflict:
            continue  # a needless one, out of some call of the body
        except _GiveUp:
            wanted = b"theirs" if rival == "set" else None
            said = "a discarded transaction changed a key that another client wrote"
            value("keyvalue_transactional.2", await kv.get("a"), wanted, said)
            return
    broken(
        "keyvalue_transactional.2", "an exception in the body did not come out unchanged", expected="_GiveUp", got="something else"
    )


async def _touch(transaction: Any, how: str) -> None:
    if how == "set":
        await transaction.set("b", b"mine")
    else:
        await getattr(transaction, how)("a")
