"""keyvalue_ttl with the other interfaces of one driver: an expired key is gone for scans, batches, swaps and transactions alike."""

from itertools import product
from typing import Any, Protocol

from prism_suites._judging import broken, same, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_expiry import expect_one_deadline
from prism_suites._keyvalue_lives import MAKES, names_of
from prism_suites._keyvalue_looks import LOOKS, looks, seconds_left
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    INTERFACES,
    Conflict,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransactional,
    KeyValueTtl,
)
from prism_testkit.tap import offers
from prism_testkit.traits import Limits


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndCas(KeyValueTtl, KeyValueCas, Protocol):
    """Deadlines and swaps of one driver."""


class TtlAndTransactions(KeyValueTtl, KeyValueTransactional, Protocol):
    """Deadlines and transactions of one driver."""


_USUAL = ("set_with_ttl", "set, expire", "set_with_ttl over a longer one", "expire, longer", "expire, shorter")


def _cases(interface: str, made: tuple[str, ...] = ()) -> Any:
    """Every way of an interface with every look of it, and its own ways with the looks of all."""

    def cases(limits: Limits) -> list[dict[str, Any]]:
        own = product(names_of(MAKES, interface), looks("keyvalue_ttl", interface))
        pairs = [*product(_USUAL, looks(interface)), *own]
        return [
            {"made": made, "look": look, "ttl_s": (60.0, 2.5)[number % 2], "other": number % 3 == 1}
            for number, (made, look) in enumerate(pairs)
        ]

    return cases


@check("keyvalue_ttl.2", "keyvalue_ttl.1", "keyvalue_ttl.3", "keyvalue_ttl.6", "keyvalue_ttl.7")
@gauntlet(_cases("keyvalue_scan"))
async def scans_agree_on_the_deadline(kv: TtlAndScan, case: Case, made: str, look: str, ttl_s: float, other: bool) -> None:
    """An expired key is in no scan and no count, also if the scan is the first to look (KV-37)."""
    await expect_one_deadline(case, kv, made=made, look=look, ttl_s=ttl_s, other=other)


@check("keyvalue_ttl.2", "keyvalue_ttl.1", "keyvalue_ttl.3", "keyvalue_ttl.6", "keyvalue_ttl.7")
@gauntlet(_cases("keyvalue_batch"))
async def batches_agree_on_the_deadline(kv: TtlAndBatch, case: Case, made: str, look: str, ttl_s: float, other: bool) -> None:
    """An expired key is in no batch, and no batch removes it a second time (KV-37)."""
    await expect_one_deadline(case, kv, made=made, look=look, ttl_s=ttl_s, other=other)


@check("keyvalue_ttl.2", "keyvalue_ttl.1", "keyvalue_ttl.3", "keyvalue_ttl.6", "keyvalue_ttl.7")
@gauntlet(_cases("keyvalue_cas"))
async def swaps_agree_on_the_deadline(kv: TtlAndCas, case: Case, made: str, look: str, ttl_s: float, other: bool) -> None:
    """An expired key compares as missing: created anew from None, unequal to its old value (KV-37)."""
    await expect_one_deadline(case, kv, made=made, look=look, ttl_s=ttl_s, other=other)


@check("keyvalue_ttl.2", "keyvalue_ttl.1", "keyvalue_ttl.3", "keyvalue_ttl.6", "keyvalue_ttl.7")
@gauntlet(_cases("keyvalue_transactional"))
async def transactions_agree_on_the_deadline(
    kv: TtlAndTransactions, case: Case, made: str, look: str, ttl_s: float, other: bool
) -> None:
    """An expired key is missing inside a transaction too (KV-37)."""
    await expect_one_deadline(case, kv, made=made, look=look, ttl_s=ttl_s, other=other)


@check("keyvalue_ttl.2", "keyvalue_ttl.11")
@gauntlet(
    lambda limits: [
        {"gone": gone, "kept": kept, "first": first}
        for gone, kept in ((1, 1), (12, 3), (3, 12), (130, 7))
        for first in ("scan", "scan_keys", "count", "limit")
    ]
)
async def expired_keys_take_no_place_in_a_listing(kv: TtlAndScan, case: Case, gone: int, kept: int, first: str) -> None:
    """However many have expired, a scan gives the others, a limit counts the others, and `count` says how many (KV-37)."""
    times = Times(case)
    names = {f"kept {number}": b"%d" % number for number in range(kept)}
    for number in range(gone):
        _, now = await times.during(kv.set_with_ttl(f"gone {number}", b"v", 5))
        if number < kept:
            await kv.set(f"kept {number}", b"%d" % number)
    for key, held in names.items():
        await kv.set(key, held)
    if not await times.past(now.after(5)):
        return
    if first == "scan":
        same(
            "keyvalue_ttl.2",
            sorted([pair async for pair in kv.scan()]),
            sorted(names.items()),
            "scan gives expired keys, or not all others",
        )
    elif first == "scan_keys":
        same(
            "keyvalue_ttl.2",
            sorted([key async for key in kv.scan_keys()]),
            sorted(names),
            "scan_keys gives expired keys, or not all others",
        )
    elif first == "limit":
        given = [key async for key in kv.scan_keys("", kept)]
        same("keyvalue_ttl.2", sorted(given), sorted(names), "expired keys took up the limit of a scan")
        same("keyvalue_ttl.2", [key async for key in kv.scan_keys("gone", 5)], [], "scan_keys gives expired keys")
    same("keyvalue_ttl.2", await kv.count(), kept, "count counts expired keys, or not all others")
    same("keyvalue_ttl.2", await kv.count("gone"), 0, "count counts expired keys")
    await kv.set("gone 0", b"again")
    same("keyvalue_ttl.10", await kv.count(), kept + 1, "count after an expired key was written again")
    await kv.delete("gone 0")
    same("keyvalue_ttl.10", await kv.count(), kept, "count after a key that had expired before was deleted")


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_ttl.11")
@gauntlet(lambda limits: [{"made": made} for made in names_of(MAKES, "keyvalue_ttl")])
async def a_deadline_is_no_key(kv: TtlAndScan, case: Case, made: str) -> None:
    """However a key came to its deadline, and after it was freed of it, a listing shows that key and nothing else."""
    times = Times(case)
    await MAKES[made].run(kv, times, "k", b"held", 1e6)
    for sentence in ("a listing of one key with a deadline", "a listing of one key after persist"):
        same("keyvalue_scan.1", [pair async for pair in kv.scan()], [("k", b"held")], sentence)
        same("keyvalue_scan.5", [key async for key in kv.scan_keys()], ["k"], sentence)
        same("keyvalue_scan.5", await kv.count(), 1, sentence)
        await kv.persist("k")
    await kv.expire("k", 0)
    if await times.past_at_once():
        same("keyvalue_ttl.9", [key async for key in kv.scan_keys()], [], "a listing after the only key expired at once")


@check("keyvalue_scan.3", "keyvalue_ttl.1", "keyvalue_ttl.2")
@gauntlet(lambda limits: [{"step": step, "by_value": by_value} for step in (0, 1, 5) for by_value in (False, True)])
async def a_key_that_expires_during_a_scan_is_given_at_most_once(kv: TtlAndScan, case: Case, step: int, by_value: bool) -> None:
    """What expires while a scan is under way may be given or not, once at most; what stays is given exactly once."""
    times = Times(case)
    staying = {f"staying {number}" for number in range(8)}
    for number in range(8):
        await kv.set(f"staying {number}", b"v")
        _, now = await times.during(kv.set_with_ttl(f"leaving {number}", b"v", 100))
    deadline = now.after(100)
    given: list[str] = []

    async def take(key: str) -> None:
        given.append(key)
        if len(given) == step + 1:
            await times.past(deadline)

    if by_value:
        async for key, _ in kv.scan():
            await take(key)
    else:
        async for key in kv.scan_keys():
            await take(key)
    twice = sorted({key for key in given if given.count(key) > 1})
    same("keyvalue_scan.3", twice, [], "a scan gave a key twice")
    same("keyvalue_scan.3", staying - set(given), set(), "a scan left out keys that were there all the time")
    if await times.past(deadline):
        same("keyvalue_ttl.2", sorted([key async for key in kv.scan_keys()]), sorted(staying), "the next scan gives expired keys")


@check("keyvalue_ttl.2", "keyvalue_ttl.11")
async def a_batch_of_living_and_expired_keys_knows_them_apart(kv: TtlAndBatch, case: Case) -> None:
    """`batch_get` leaves out exactly the expired ones, `batch_delete` counts exactly the others (KV-37)."""
    times = Times(case)
    for number in range(12):
        _, now = await times.during(kv.set_with_ttl(f"gone {number}", b"v", 5))
        await kv.set(f"kept {number}", b"%d" % number)
        await kv.set_with_ttl(f"later {number}", b"%d" % number, 10**6)
    keys = [f"{kind} {number}" for number in range(12) for kind in ("gone", "kept", "later", "never")]
    living = {f"{kind} {number}": b"%d" % number for number in range(12) for kind in ("kept", "later")}
    if await times.past(now.after(5)):
        same("keyvalue_ttl.2", await kv.batch_get(keys), living, "batch_get is wrong about living and expired keys")
        same("keyvalue_ttl.2", await kv.batch_delete(keys), len(living), "batch_delete is wrong about living and expired keys")
        same("keyvalue_ttl.10", await kv.batch_get(keys), {}, "keys are there after batch_delete")


@check("keyvalue_ttl.3", "keyvalue_transactional.4")
async def a_transaction_clears_a_deadline_when_it_commits_and_not_before(kv: TtlAndTransactions, case: Case) -> None:
    """Inside the block the deadline still stands for everybody else; after it there is none."""
    times = Times(case)
    deadline = await MAKES["set_with_ttl"].run(kv, times, "k", b"held", 600)

    async def body(transaction: Any) -> None:
        await transaction.set("k", b"new")
        await times.left(kv, "k", 600, deadline, promise="keyvalue_transactional.4", story="a transaction that wrote it is open")

    await transacted(kv, body, company=True)
    value("keyvalue_transactional.1", await kv.get("k"), b"new", "a committed write is not there")
    same("keyvalue_ttl.3", await seconds_left(kv, "k"), None, "a key written by a transaction has an old deadline")
    if await times.past(deadline):
        value("keyvalue_ttl.3", await kv.get("k"), b"new", "a key written by a transaction was removed by an old deadline")


_READER = "another transaction"
_SEEN_BY = (_READER, *(name for name, how in LOOKS.items() if not how.writes))
"""Who finds that a key has expired; a listing may sweep it away in another manner than a read."""


@check("keyvalue_transactional.5", "keyvalue_ttl.2")
@gauntlet(lambda limits: [{"seen_by": look, "other": number % 2 == 0} for number, look in enumerate(_SEEN_BY)])
async def a_read_of_what_expired_meanwhile_has_its_place_in_the_order(
    kv: TtlAndTransactions, case: Case, seen_by: str, other: bool
) -> None:
    """Once somebody has found a key expired, by whatever call, and read the log as it was, a transaction that read the key alive
    cannot come before that, nor after: what it read no longer holds, and it raises `Conflict`."""
    times = Times(case)
    rival: Any = await case.client(whole=True) if other else await case.whole()
    if seen_by != _READER and not offers(rival, INTERFACES[LOOKS[seen_by].interface]):
        return
    await kv.set("log", b"old")
    deadline = await MAKES["set_with_ttl"].run(kv, times, "k", b"held", 100)
    done = False
    try:
        async with kv.transaction() as transaction:
            held = await transaction.get("k")
            if held is None or not await times.past(deadline):
                return
            if seen_by == _READER:
                async with rival.transaction() as observer:
                    seen = (await observer.get("k"), await observer.get("log"))
                value("keyvalue_ttl.2", seen[0], None, "a transaction reads a key whose deadline has passed")
            else:
                await times.look(rival, seen_by, "k", b"held", deadline, story="read by an open transaction before")
                await rival.get("log")
            await transaction.set("log", b"new")
        done = True
    except Conflict:
        value("keyvalue_transactional.6", await kv.get("log"), b"old", "a transaction that raised Conflict changed a key")
    if done:
        told = f"a transaction commits though what it read has expired, as {seen_by} has found before its end"
        broken("keyvalue_transactional.5", told, expected="Conflict", got="a commit")
