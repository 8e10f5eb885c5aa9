"""keyvalue: refused, failed and unfinished calls use nothing up, however many there were."""

from typing import Any

from prism_suites._judging import value
from prism_suites._keyvalue_retrying import transacted
from prism_suites._using_up import left_early, never_begun, uses_nothing_up
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    Conflict,
    InvalidName,
    KeyValueBasic,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransactional,
    KeyValueTtl,
    NotFound,
    PayloadTooLarge,
)

_REFUSED = (InvalidName, PayloadTooLarge, ValueError, TypeError)


async def _goes_on(kv: Any, promise: str) -> None:
    await kv.set("after", b"value")
    value(promise, await kv.get("after"), b"value", "after many calls that failed a write is not there")


@check("keyvalue_basic.6", "keyvalue_basic.2")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("name", "value", "read", "delete", "missing")])
async def refused_calls_use_nothing_up(kv: KeyValueBasic, case: Case, kind: str) -> None:
    """After many calls that were refused, or found nothing, the driver goes on (KV-09, KV-10)."""
    large: Any = bytes(case.limits.max_payload + 1) if case.limits.max_payload < 10_000_000 else "no bytes"
    calls: dict[str, Any] = {
        "name": lambda: kv.set("", b"x"),
        "value": lambda: kv.set("k", large),
        "read": lambda: kv.get("\ud800"),
        "delete": lambda: kv.delete("n" * (case.limits.max_name + 1)),
        "missing": lambda: kv.delete("missing"),
    }
    promise = "keyvalue_basic.2" if kind == "missing" else "keyvalue_basic.6"
    await uses_nothing_up(promise, f"a call that is refused ({kind})", calls[kind], _REFUSED, lambda: _goes_on(kv, promise))


@check("keyvalue_batch.5")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("set", "get", "delete")])
async def refused_batches_use_nothing_up(kv: KeyValueBatch, case: Case, kind: str) -> None:
    """So do batches go on, after many that were refused."""
    calls: dict[str, Any] = {
        "set": lambda: kv.batch_set({"a": b"1", "": b"2"}),
        "get": lambda: kv.batch_get(["a", ""]),
        "delete": lambda: kv.batch_delete(["a", ""]),
    }

    async def goes_on() -> None:
        await kv.batch_set({"a": b"1", "b": b"2"})
        value("keyvalue_batch.5", (await kv.batch_get(["a", "b"])).get("b"), b"2", "after many refused batches one does nothing")
        await kv.batch_delete(["a", "b"])

    await uses_nothing_up("keyvalue_batch.5", f"a batch_{kind} that is refused", calls[kind], _REFUSED, goes_on)


@check("keyvalue_cas.7", "keyvalue_cas.3")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("name", "swap", "delete")])
async def failed_swaps_use_nothing_up(kv: KeyValueCas, case: Case, kind: str) -> None:
    """So do swaps go on, after many that were refused or did not match."""
    calls: dict[str, Any] = {
        "name": lambda: kv.compare_and_swap("", None, b"x"),
        "swap": lambda: kv.compare_and_swap("k", b"another", b"x"),
        "delete": lambda: kv.compare_and_delete("k", b"another"),
    }
    promise = "keyvalue_cas.7" if kind == "name" else "keyvalue_cas.3"

    async def goes_on() -> None:
        await kv.compare_and_swap("k", None, b"made")
        value(promise, await kv.get("k"), b"made", "after many swaps that failed one does nothing")

    await uses_nothing_up(promise, f"a swap that fails ({kind})", calls[kind], _REFUSED, goes_on)


@check("keyvalue_ttl.6", "keyvalue_ttl.9")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("missing", "nan")])
async def failed_deadlines_use_nothing_up(kv: KeyValueTtl, case: Case, kind: str) -> None:
    """So do times to live go on, after many that were refused or of missing keys."""
    nan = float("nan")
    call: Any = (lambda: kv.ttl("missing")) if kind == "missing" else (lambda: kv.set_with_ttl("k", b"x", nan))
    promise = "keyvalue_ttl.6" if kind == "missing" else "keyvalue_ttl.9"

    async def goes_on() -> None:
        await kv.set_with_ttl("k", b"x", 1e6)
        value(promise, await kv.get("k"), b"x", "after many calls that failed a write is not there")

    await uses_nothing_up(promise, f"a call that fails ({kind})", call, (NotFound, ValueError), goes_on)


@check("keyvalue_scan.7", "keyvalue_scan.6", "keyvalue_scan.4")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("left", "not begun", "keys not begun", "prefix", "limit", "empty")])
async def unfinished_scans_use_nothing_up(kv: KeyValueScan, case: Case, kind: str) -> None:
    """So do scans go on, after many that were left early, refused, or found nothing."""
    for number in range(3):
        await kv.set(f"k{number}", b"%d" % number)
    calls: dict[str, Any] = {
        "left": lambda: left_early(kv.scan("k")),
        "not begun": lambda: never_begun(kv.scan("k")),
        "keys not begun": lambda: never_begun(kv.scan_keys("k")),
        "prefix": lambda: left_early(kv.scan("\ud800")),
        "limit": lambda: left_early(kv.scan_keys("k", -1)),
        "empty": lambda: left_early(kv.scan("nothing")),
    }
    promise = {"prefix": "keyvalue_scan.6", "limit": "keyvalue_scan.4"}.get(kind, "keyvalue_scan.7")

    async def goes_on() -> None:
        names = sorted([key async for key in kv.scan_keys("k")])
        pairs = [pair async for pair in kv.scan("k")]
        value(promise, b"".join(data for _, data in sorted(pairs)), b"012", "after many unfinished scans one gives something else")
        value(promise, ",".join(names).encode(), b"k0,k1,k2", "after many unfinished scans one gives something else")

    await uses_nothing_up(promise, f"a scan ({kind})", calls[kind], _REFUSED, goes_on)


@check("keyvalue_transactional.2", "keyvalue_transactional.6", "keyvalue_transactional.8")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("raises", "conflicts", "refused")])
async def failed_transactions_use_nothing_up(kv: KeyValueTransactional, case: Case, kind: str) -> None:
    """So do transactions go on, after many whose body raised, that conflicted, or in which a call was refused."""

    async def fail() -> None:
        async with kv.transaction() as transaction:
            if kind == "refused":
                await transaction.set("", b"x")
            await transaction.get("k")
            await transaction.set("other", b"x")
            if kind == "raises":
                raise ZeroDivisionError
            await kv.set("k", b"changed")

    async def goes_on() -> None:
        await transacted(kv, lambda transaction: transaction.set("k", b"after"))
        value(promise, await kv.get("k"), b"after", "after many transactions that failed one does nothing")

    promise = {"raises": "keyvalue_transactional.2", "refused": "keyvalue_transactional.8"}.get(kind, "keyvalue_transactional.6")
    errors = (ZeroDivisionError, Conflict, InvalidName)
    await uses_nothing_up(promise, f"a transaction that fails ({kind})", fail, errors, goes_on)
