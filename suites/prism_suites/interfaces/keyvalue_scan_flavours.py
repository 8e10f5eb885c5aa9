"""keyvalue_scan: what is written through any other interface of a driver is listed too."""

from typing import Protocol

from prism_suites._judging import broken, same, truth
from prism_suites._keyvalue_bulk import lists, numbered, set_all
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Conflict, KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl

_ATTEMPTS = 8
"""A needless conflict is legal, and a transaction retried alone succeeds: so many in a row are no chance any more."""


class ScanAndBatch(KeyValueScan, KeyValueBatch, Protocol):
    """A slot that lists and takes batches."""


class ScanAndCas(KeyValueScan, KeyValueCas, Protocol):
    """A slot that lists and swaps."""


class ScanAndTransactions(KeyValueScan, KeyValueTransactional, Protocol):
    """A slot that lists and has transactions."""


class ScanAndTtl(KeyValueScan, KeyValueTtl, Protocol):
    """A slot that lists and lets keys expire."""


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def batches_are_listed(kv: ScanAndBatch, case: Case) -> None:
    """What a batch wrote, overwrote and deleted is listed and counted as single calls would be."""
    other = await case.client()
    items = numbered(f"k{number}" for number in range(120))
    await kv.batch_set(items)
    await lists(kv, items)
    again = {"k5": b"again", "k119": b"", "new": b"new"}
    await kv.batch_set(again)
    items |= again
    await lists(kv, items)
    await kv.batch_get(["k1", "missing"])
    gone = ["k0", "k1", "k1", "k118", "missing"]
    await kv.batch_delete(gone)
    items = {name: data for name, data in items.items() if name not in gone}
    await lists(kv, items)
    await lists(other, items, "k1")
    await kv.batch_delete(list(items))
    await lists(kv, {})


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def swaps_are_listed(kv: ScanAndCas) -> None:
    """What a swap created, replaced or deleted is listed and counted; one that failed changes nothing of it."""
    truth("keyvalue_cas.2", await kv.compare_and_swap("a", None, b"1"), True, "a swap does not create a missing key")
    await lists(kv, {"a": b"1"})
    await kv.compare_and_swap("a", b"0", b"2")
    await kv.compare_and_swap("a", None, b"2")
    await kv.compare_and_swap("b", b"0", b"2")
    await kv.compare_and_delete("a", b"0")
    await kv.compare_and_delete("b", b"0")
    await lists(kv, {"a": b"1"})
    truth("keyvalue_cas.1", await kv.compare_and_swap("a", b"1", b""), True, "a swap of the right value says False")
    await lists(kv, {"a": b""})
    await kv.compare_and_swap("b", None, b"2")
    await lists(kv, {"a": b"", "b": b"2"})
    truth("keyvalue_cas.4", await kv.compare_and_delete("a", b""), True, "a deletion by the right value says False")
    await lists(kv, {"b": b"2"})


class _GivenUp(Exception):
    """Raised in the body of a transaction, to discard it."""


async def _transact(kv: ScanAndTransactions, writes: dict[str, bytes | None], *, give_up: bool = False) -> None:
    for _ in range(_ATTEMPTS):
        try:
            async with kv.transaction() as transaction:
                for name, data in writes.items():
                    await (transaction.delete(name) if data is None else transaction.set(name, data))
                if give_up:
                    raise _GivenUp
        except Conflict:
            continue
        except _GivenUp:
            return
        return
    broken("keyvalue_transactional.6", f"a transaction retried alone raised Conflict {_ATTEMPTS} times")


@check("keyvalue_scan.1", "keyvalue_scan.5")
async def transactions_are_listed(kv: ScanAndTransactions) -> None:
    """What a transaction wrote and deleted is listed once it has committed, and nothing of one that was discarded."""
    await set_all(kv, {"a": b"1", "b": b"2"})
    await _transact(kv, {"a": b"again", "b": None, "c": b"3", "missing": None})
    await lists(kv, {"a": b"again", "c": b"3"})
    await _transact(kv, {"a": None, "c": b"no", "d": b"no"}, give_up=True)
    await lists(kv, {"a": b"again", "c": b"3"})
    await _transact(kv, {"a": None, "c": None})
    await lists(kv, {})


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_scan.4")
async def keys_with_a_time_to_live_are_listed(kv: ScanAndTtl, case: Case) -> None:
    """Before its deadline a key is listed like any other; what expired at once is not, and takes no place under a limit."""
    await set_all(kv, {"a": b"1", "b": b"2", "c": b"3"})
    await kv.set_with_ttl("d", b"4", 1e6)
    await kv.expire("a", 1e6)
    items = {"a": b"1", "b": b"2", "c": b"3", "d": b"4"}
    await lists(kv, items)
    await kv.expire("a", 0)
    await kv.set_with_ttl("b", b"no", -1)
    await kv.set_with_ttl("e", b"no", 0)
    if case.clock.virtual:
        await case.advance(case.limits.clock_resolution_s + case.traits.ttl_late_s)
    await lists(kv, {"c": b"3", "d": b"4"})
    same("keyvalue_scan.4", len([name async for name in kv.scan_keys("", 2)]), 2, "expired keys take a place under a limit")
    await kv.persist("d")
    await lists(kv, {"c": b"3", "d": b"4"})
