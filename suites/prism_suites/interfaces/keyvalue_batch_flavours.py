"""keyvalue_batch: batches and every other interface of a driver see each other's writes."""

from typing import Protocol

from prism_suites._judging import truth, value
from prism_suites._keyvalue_bulk import holds
from prism_suites.interfaces.keyvalue_batch import gives, removes
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueTtl


class BatchAndCas(KeyValueBatch, KeyValueCas, Protocol):
    """A slot that takes batches and swaps."""


class BatchAndTtl(KeyValueBatch, KeyValueTtl, Protocol):
    """A slot that takes batches and lets keys expire."""


@check("keyvalue_batch.2", "keyvalue_batch.1", "keyvalue_batch.3")
async def batches_and_swaps_see_each_other(kv: BatchAndCas) -> None:
    """A swap compares with what a batch wrote; a batch reads and deletes what a swap wrote."""
    await kv.batch_set({"a": b"1", "b": b"2"})
    truth("keyvalue_batch.1", await kv.compare_and_swap("a", b"1", b"3"), True, "a swap does not find what a batch wrote")
    truth("keyvalue_batch.1", await kv.compare_and_swap("b", None, b"4"), False, "a swap takes what a batch wrote for missing")
    truth("keyvalue_cas.2", await kv.compare_and_swap("c", None, b""), True, "a swap does not create a missing key")
    await gives(kv, ["a", "b", "c"], {"a": b"3", "b": b"2", "c": b""}, "a key does not hold what a swap gave it")
    truth("keyvalue_batch.1", await kv.compare_and_delete("b", b"2"), True, "a deletion by value does not find what a batch wrote")
    await removes(kv, ["a", "b", "c"], 2)
    truth("keyvalue_batch.3", await kv.compare_and_swap("a", None, b"5"), True, "a swap finds what a batch deleted")
    await gives(kv, ["a", "b", "c"], {"a": b"5"}, "a key that a swap wrote after a batch deleted it is wrong")


@check("keyvalue_batch.2", "keyvalue_batch.3")
async def batches_see_no_expired_key(kv: BatchAndTtl, case: Case) -> None:
    """What expired at once is left out and not counted; what has time to live is there, and may be written again."""
    await kv.batch_set({"a": b"1", "b": b"2", "c": b"3"})
    await kv.set_with_ttl("d", b"4", 1e6)
    await kv.expire("a", 0)
    await kv.set_with_ttl("b", b"no", -1)
    if case.clock.virtual:
        await case.advance(case.limits.clock_resolution_s + case.traits.ttl_late_s)
    await gives(kv, ["a", "b", "c", "d"], {"c": b"3", "d": b"4"}, "a key with a time to live is left out")
    await removes(kv, ["a", "b", "d"], 1)
    await kv.batch_set({"a": b"again", "d": b"again"})
    await holds(kv, {"a": b"again", "c": b"3", "d": b"again"}, "keyvalue_batch.1", "a key written after its expiry is wrong")
    value("keyvalue_batch.3", await kv.get("b"), None, "a key that expired is back")
