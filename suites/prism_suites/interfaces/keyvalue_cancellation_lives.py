"""Cancelled batches, swaps and transactions over keys with a time to live: value and deadline are one thing, old or new."""

from typing import Any, Protocol

from prism_suites._cancelling import LONG_S, Act, State, expect_whole_or_absent, points
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueTransactional, KeyValueTtl


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndCas(KeyValueTtl, KeyValueCas, Protocol):
    """Deadlines and swaps of one driver."""


class TtlAndTransactions(KeyValueTtl, KeyValueTransactional, Protocol):
    """Deadlines and transactions of one driver."""


_OLD = b"old" * 10
_LIVING: State = (_OLD, True)
_PLAIN: State = (_OLD, False)
_NONE: State = (None, False)
_NEW: State = (b"new" * 20, False)
_ITEMS: dict[str, State] = {"b0": _LIVING, "b1": _NONE, "b2": _LIVING}


async def _transact(kv: Any) -> None:
    async with kv.transaction() as transaction:
        await transaction.set("k", _NEW[0])
        await transaction.delete("gone")
        await transaction.set("plain", _NEW[0])


async def _read(kv: Any) -> bytes | None:
    async with kv.transaction() as transaction:
        held: bytes | None = await transaction.get("k")
    return held


_TTL = {
    "expire of one with a life": Act(lambda kv: kv.expire("k", LONG_S * 10), {"k": _LIVING}, {}, True),
    "set of the same value": Act(lambda kv: kv.set("k", _OLD), {"k": _LIVING}, {"k": _PLAIN}),
    "set_with_ttl of the same value": Act(lambda kv: kv.set_with_ttl("k", _OLD, LONG_S), {"k": _PLAIN}, {"k": _LIVING}),
    "set_with_ttl of none": Act(lambda kv: kv.set_with_ttl("k", _NEW[0], 0), {"k": _LIVING}, {"k": _NONE}),
    "delete": Act(lambda kv: kv.delete("k"), {"k": _LIVING}, {"k": _NONE}, True),
    "get": Act(lambda kv: kv.get("k"), {"k": _LIVING}, {}, _OLD),
}
_BATCH = {
    "batch_set": Act(lambda kv: kv.batch_set(dict.fromkeys(_ITEMS, _NEW[0])), _ITEMS, dict.fromkeys(_ITEMS, _NEW)),
    "batch_set of the same": Act(lambda kv: kv.batch_set(dict.fromkeys(_ITEMS, _OLD)), _ITEMS, dict.fromkeys(_ITEMS, _PLAIN)),
    "batch_delete": Act(lambda kv: kv.batch_delete(list(_ITEMS)), _ITEMS, dict.fromkeys(_ITEMS, _NONE), 2),
    "batch_set of one": Act(lambda kv: kv.batch_set({"b0": _NEW[0]}), {"b0": _LIVING}, {"b0": _NEW}),
}
_CAS = {
    "swap": Act(lambda kv: kv.compare_and_swap("k", _OLD, _NEW[0]), {"k": _LIVING}, {"k": _NEW}, True),
    "swap to the same": Act(lambda kv: kv.compare_and_swap("k", _OLD, _OLD), {"k": _LIVING}, {"k": _PLAIN}, True),
    "swap that fails": Act(lambda kv: kv.compare_and_swap("k", b"another", _NEW[0]), {"k": _LIVING}, {}, False),
    "create that fails": Act(lambda kv: kv.compare_and_swap("k", None, _NEW[0]), {"k": _LIVING}, {}, False),
    "compare_and_delete": Act(lambda kv: kv.compare_and_delete("k", _OLD), {"k": _LIVING}, {"k": _NONE}, True),
    "compare_and_delete that fails": Act(lambda kv: kv.compare_and_delete("k", b"another"), {"k": _LIVING}, {}, False),
}
_TRANSACTION = {
    "transaction": Act(
        _transact,
        {"k": _LIVING, "gone": _LIVING, "plain": _PLAIN},
        {"k": _NEW, "gone": _NONE, "plain": _NEW},
        whole=True,
    ),
    "transaction that reads": Act(_read, {"k": _LIVING}, {}, _OLD),
}


@check("keyvalue_basic.11")
@gauntlet(points(_TTL, few=True))
async def a_cancelled_call_on_a_key_with_a_life_is_whole_or_absent(kv: KeyValueTtl, case: Case, kind: str, point: float) -> None:
    """Value and deadline are both old, or both new, also where the value is the same (G-9)."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _TTL[kind], point)


@check("keyvalue_basic.11", "keyvalue_cas.3")
@gauntlet(points(_CAS, few=True))
async def a_cancelled_swap_of_a_key_with_a_life_is_whole_or_absent(kv: TtlAndCas, case: Case, kind: str, point: float) -> None:
    """A cancelled comparison clears a deadline with the value it replaces, or leaves both; one that fails leaves both."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _CAS[kind], point)


@check("keyvalue_batch.6")
@gauntlet(points(_BATCH, few=True))
async def a_cancelled_batch_over_keys_with_a_life_has_each_item_whole(kv: TtlAndBatch, case: Case, kind: str, point: float) -> None:
    """Of each item value and deadline are both old, or both new."""
    await expect_whole_or_absent("keyvalue_batch.6", kv, case, _BATCH[kind], point)


@check("keyvalue_transactional.1")
@gauntlet(points(_TRANSACTION, few=True))
async def a_cancelled_commit_over_keys_with_a_life_is_whole_or_absent(
    kv: TtlAndTransactions, case: Case, kind: str, point: float
) -> None:
    """A cancelled transaction clears every deadline with the values it writes, or none."""
    await expect_whole_or_absent("keyvalue_transactional.1", kv, case, _TRANSACTION[kind], point)
