"""Calls of a key-value store that come to nothing, as a table: what stands behind them is as if they had not been."""

import math
from typing import Any

from prism_suites._behind import Refusal
from prism_suites._using_up import left_early
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl

__all__ = ["REFUSALS", "transaction"]


class _GiveUpError(ValueError):
    """Raised in the body of a transaction."""


async def transaction(kv: Any, *keys: str, fails: bool = False, key: str = "cut t") -> None:
    async with kv.transaction() as inside:
        for each in keys:
            await inside.get(each)
        await inside.set(key, b"of a transaction")
        await inside.delete("cut")
        if fails:
            raise _GiveUpError


async def _conflicts(kv: Any) -> None:
    async with kv.transaction() as inside:
        before = await inside.get("cut")
        await kv.set("cut", (before or b"") + b".")
        await inside.set("cut t", b"of a conflict")


REFUSALS: dict[str, Refusal] = {
    "set under no name": Refusal(object, "keyvalue_basic.6", lambda kv, held: kv.set("", b"refused")),
    "set of a text": Refusal(object, "keyvalue_basic.6", lambda kv, held: kv.set("cut", "text")),
    "get under no name": Refusal(object, "keyvalue_basic.6", lambda kv, held: kv.get("")),
    "delete under no name": Refusal(object, "keyvalue_basic.6", lambda kv, held: kv.delete("")),
    "delete of nothing": Refusal(object, "keyvalue_basic.2", lambda kv, held: kv.delete("missing")),
    "scan of -1": Refusal(KeyValueScan, "keyvalue_scan.4", lambda kv, held: left_early(kv.scan("", -1))),
    "scan that is left": Refusal(KeyValueScan, "keyvalue_scan.7", lambda kv, held: left_early(kv.scan("", 1))),
    "scan_keys that is left": Refusal(KeyValueScan, "keyvalue_scan.7", lambda kv, held: left_early(kv.scan_keys("p", 1))),
    "set_with_ttl for NaN": Refusal(KeyValueTtl, "keyvalue_ttl.9", lambda kv, held: kv.set_with_ttl("cut", b"refused", math.nan)),
    "expire by infinity": Refusal(KeyValueTtl, "keyvalue_ttl.9", lambda kv, held: kv.expire("cut", math.inf)),
    "expire of nothing": Refusal(KeyValueTtl, "keyvalue_ttl.7", lambda kv, held: kv.expire("missing", 0.5)),
    "ttl of nothing": Refusal(KeyValueTtl, "keyvalue_ttl.6", lambda kv, held: kv.ttl("missing")),
    "batch_set with a bad name": Refusal(
        KeyValueBatch, "keyvalue_batch.5", lambda kv, held: kv.batch_set({"cut b": b"refused", "": b"x"})
    ),
    "batch_get with a bad name": Refusal(KeyValueBatch, "keyvalue_batch.5", lambda kv, held: kv.batch_get(["cut b", ""])),
    "batch_delete with a bad name": Refusal(KeyValueBatch, "keyvalue_batch.5", lambda kv, held: kv.batch_delete(["cut b", ""])),
    "swap that fails": Refusal(KeyValueCas, "keyvalue_cas.3", lambda kv, held: kv.compare_and_swap("cut", b"other", b"refused")),
    "swap to a text": Refusal(KeyValueCas, "keyvalue_cas.7", lambda kv, held: kv.compare_and_swap("cut", None, "text")),
    "compare_and_delete that fails": Refusal(
        KeyValueCas, "keyvalue_cas.3", lambda kv, held: kv.compare_and_delete("cut", b"other")
    ),
    "transaction that raises": Refusal(
        KeyValueTransactional, "keyvalue_transactional.2", lambda kv, held: transaction(kv, "cut", fails=True)
    ),
    "transaction that conflicts": Refusal(KeyValueTransactional, "keyvalue_transactional.6", lambda kv, held: _conflicts(kv)),
}
