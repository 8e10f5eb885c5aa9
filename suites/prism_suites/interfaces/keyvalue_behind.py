"""keyvalue: behind a call that was refused, or cancelled, whichever call comes next does what it would have done without."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_suites._behind import Behind, Call, Interruption, named, pointed, whatever_comes_behind, whatever_comes_next
from prism_suites._judging import broken, same, truth, value
from prism_suites._keyvalue_bulk import drained
from prism_suites._keyvalue_looks import seconds_left
from prism_suites._keyvalue_refusals import REFUSALS, transaction
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    KeyValueBasic,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransactional,
    KeyValueTtl,
)
from prism_testkit.tap import offers


async def _writes(call: Call) -> None:
    kv, promise, told = call.slot, call.promise, call.told
    await call.refuse()
    await kv.set("a", b"first")
    if offers(kv, KeyValueTtl):
        same(promise, await seconds_left(kv, "a"), None, f"{told} a key that was set has a deadline")
    await call.refuse()
    value(promise, await kv.get("a"), b"first", f"{told} get does not give what was set")
    await call.refuse()
    truth(promise, await kv.exists("a"), True, f"{told} a key that was set")
    if call.case.clock.virtual:
        await call.case.advance(10_000.0)
    await call.refuse()
    truth(promise, await kv.delete("a"), True, f"{told} delete of a key that was set")
    value(promise, await kv.get("a"), None, f"{told} a deleted key is there")


async def _lives(call: Call, least_s: float, most_s: float) -> None:
    left_s = await seconds_left(call.slot, "b")
    if not isinstance(left_s, float | int) or not least_s < left_s <= most_s:
        sentence = f"{call.told} a key has another deadline than it was given"
        broken(call.promise, sentence, expected=f"at most {most_s:g} s left", got=left_s)


async def _deadlines(call: Call) -> None:
    kv, promise, told = call.slot, call.promise, call.told
    await call.refuse()
    await kv.set_with_ttl("b", b"held", 1000.0)
    await _lives(call, 500.0, 1000.0)
    await call.refuse()
    truth(promise, await kv.expire("b", 50_000.0), True, f"{told} expire of a key that is there")
    await _lives(call, 40_000.0, 50_000.0)
    await call.refuse()
    truth(promise, await kv.persist("b"), True, f"{told} persist of a key with a deadline")
    same(promise, await seconds_left(kv, "b"), None, f"{told} persist leaves a deadline")
    value(promise, await kv.get("b"), b"held", f"{told} a key holds another value")


async def _scans(call: Call) -> None:
    kv, promise, told = call.slot, call.promise, call.told
    wanted = {f"p{number}": b"%d" % number for number in range(4)}
    for key, data in wanted.items():
        await kv.set(key, data)
    await call.refuse()
    same(promise, dict(await drained(kv.scan("p"))), wanted, f"{told} a scan gives something else")
    await call.refuse()
    same(promise, sorted(await drained(kv.scan_keys("p"))), sorted(wanted), f"{told} scan_keys gives something else")
    await call.refuse()
    same(promise, await kv.count("p"), len(wanted), f"{told} count tells another number")
    await call.refuse()
    same(promise, len(await drained(kv.scan("p", 2))), 2, f"{told} a scan of two gives another number")


async def _batches(call: Call) -> None:
    kv, promise, told = call.slot, call.promise, call.told
    wanted = {"d1": b"1", "d2": b"2"}
    await call.refuse()
    await kv.batch_set(wanted)
    await call.refuse()
    same(promise, await kv.batch_get(["d1", "d2", "d3"]), wanted, f"{told} batch_get gives something else")
    await call.refuse()
    same(promise, await kv.batch_delete(["d1", "d2", "d3"]), 2, f"{told} batch_delete tells another number")
    same(promise, await kv.batch_get(["d1", "d2"]), {}, f"{told} batch_delete leaves something")


async def _swaps(call: Call) -> None:
    kv, promise, told = call.slot, call.promise, call.told
    await call.refuse()
    truth(promise, await kv.compare_and_swap("e", None, b"1"), True, f"{told} a swap of a missing key")
    await call.refuse()
    truth(promise, await kv.compare_and_swap("e", b"1", b"2"), True, f"{told} a swap from what a key holds")
    await call.refuse()
    truth(promise, await kv.compare_and_swap("e", b"1", b"3"), False, f"{told} a swap from what a key does not hold")
    await call.refuse()
    truth(promise, await kv.compare_and_delete("e", b"2"), True, f"{told} compare_and_delete of what a key holds")
    value(promise, await kv.get("e"), None, f"{told} a key that was compared and deleted is there")


async def _transactions(call: Call) -> None:
    kv, promise, told = call.slot, call.promise, call.told
    await kv.set("f", b"before")
    await kv.set("g", b"goes")
    await call.refuse()

    async def body(transaction: Any) -> None:
        value(promise, await transaction.get("f"), b"before", f"{told} a transaction reads something else")
        await transaction.set("f", b"after")
        await transaction.delete("g")

    await transacted(kv, body)
    found = await kv.get("f"), await kv.get("g")
    same(promise, found, (b"after", None), f"{told} a transaction wrote something else")


async def _no_more(call: Call) -> None:
    """What a refused call was to write is written by no later one."""
    await call.slot.delete("cut t")
    await call.slot.delete("cut b")
    await call.refuse()
    before = await call.slot.get("cut t"), await call.slot.get("cut b")
    await call.slot.set("h", b"x")
    if offers(call.slot, KeyValueBatch):
        await call.slot.batch_set({"h": b"y"})
    if offers(call.slot, KeyValueTransactional):
        await transacted(call.slot, lambda transaction: transaction.set("h", b"z"))
    found = await call.slot.get("cut t"), await call.slot.get("cut b")
    same(call.promise, found, before, f"{call.told} later writes of another key wrote what that call was to write")


_NEXTS: Mapping[str, Behind] = {
    "write": Behind(object, _writes),
    "deadline": Behind(KeyValueTtl, _deadlines),
    "scan": Behind(KeyValueScan, _scans),
    "batch": Behind(KeyValueBatch, _batches),
    "swap": Behind(KeyValueCas, _swaps),
    "transaction": Behind(KeyValueTransactional, _transactions),
    "no more": Behind(object, _no_more),
}


async def _there(kv: Any, held: Any) -> None:
    await kv.set("cut", b"there")


async def _mortal(kv: Any, held: Any) -> None:
    await kv.set_with_ttl("cut", b"there", 1e6)


async def _stepped(steps: AsyncIterator[Any]) -> None:
    async for _ in steps:
        pass


_CUT = "keyvalue_basic.11"
_INTERRUPTIONS: dict[str, Interruption] = {
    "set": Interruption(object, _CUT, lambda kv, of: kv.set("cut", b"cancelled")),
    "get": Interruption(object, _CUT, lambda kv, of: kv.get("cut"), _there),
    "exists": Interruption(object, _CUT, lambda kv, of: kv.exists("cut"), _there),
    "delete": Interruption(object, _CUT, lambda kv, of: kv.delete("cut"), _there),
    "set_with_ttl": Interruption(KeyValueTtl, _CUT, lambda kv, of: kv.set_with_ttl("cut", b"cancelled", 0.5)),
    "expire": Interruption(KeyValueTtl, _CUT, lambda kv, of: kv.expire("cut", 0.5), _there),
    "ttl": Interruption(KeyValueTtl, _CUT, lambda kv, of: kv.ttl("cut"), _mortal),
    "persist": Interruption(KeyValueTtl, _CUT, lambda kv, of: kv.persist("cut"), _mortal),
    "scan": Interruption(KeyValueScan, _CUT, lambda kv, of: _stepped(kv.scan("", 1)), _there),
    "count": Interruption(KeyValueScan, _CUT, lambda kv, of: kv.count("cut"), _there),
    "batch_set": Interruption(KeyValueBatch, _CUT, lambda kv, of: kv.batch_set({"cut b": b"1", "cut c": b"2"})),
    "batch_get": Interruption(KeyValueBatch, _CUT, lambda kv, of: kv.batch_get(["cut", "cut b"]), _there),
    "batch_delete": Interruption(KeyValueBatch, _CUT, lambda kv, of: kv.batch_delete(["cut", "cut b"]), _there),
    "compare_and_swap": Interruption(KeyValueCas, _CUT, lambda kv, of: kv.compare_and_swap("cut", b"there", b"swapped"), _there),
    "compare_and_delete": Interruption(KeyValueCas, _CUT, lambda kv, of: kv.compare_and_delete("cut", b"there"), _there),
    "transaction": Interruption(KeyValueTransactional, _CUT, lambda kv, of: transaction(kv, "cut"), _there),
}


@check(*dict.fromkeys(refusal.promise for refusal in REFUSALS.values() if refusal.promise.startswith("keyvalue_basic")))
@gauntlet(named(REFUSALS))
async def a_refused_call_changes_nothing_of_the_next(kv: KeyValueBasic, case: Case, refused: str) -> None:
    """A call is refused, or has no effect, and the next one, of each kind and of other keys, does what it does else (KV-09)."""
    await whatever_comes_next(case, await case.whole(), None, REFUSALS[refused], refused, _NEXTS)


@check(_CUT)
@gauntlet(pointed(_INTERRUPTIONS))
async def a_cancelled_call_changes_nothing_of_the_next(kv: KeyValueBasic, case: Case, cancelled: str, point: int) -> None:
    """A call is cancelled, and the next one, of each kind and of other keys, does what it does else (KV-18)."""
    await whatever_comes_behind(case, await case.whole(), None, _INTERRUPTIONS[cancelled], cancelled, point, _NEXTS)
