"""Calls that change nothing of a key, as a table: comparisons that fail, what is refused, given up or left, reads, writes beside.

So that each of them can be met by a key in every state, once and again, and looked at in every way afterwards. Whether such a
call says what it should is judged elsewhere; here it may answer or raise as it likes, and must have had no effect.
"""

import contextlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prism_suites._keyvalue_looks import FRESH
from prism_testkit.interfaces import PrismError
from prism_testkit.traits import Limits

__all__ = ["NOTHINGS", "Nothing", "nothings"]

Run = Callable[[Any, str, bytes, Limits], Awaitable[object]]
"""(store, key, what it holds or last held, limits)."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """One such call, the interface that it needs, and the promise that breaks if it has an effect."""

    interface: str
    promise: str
    call: Run
    missing_too: bool = True
    """It changes nothing of a missing key either."""

    async def run(self, kv: Any, key: str, value: bytes, limits: Limits) -> None:
        """Make the call, whatever it answers or raises of what the contract knows."""
        with contextlib.suppress(PrismError, ValueError, TypeError):
            await self.call(kv, key, value, limits)


class _GiveUpError(ValueError):
    """Raised in the body of a transaction."""


def _large(limits: Limits) -> bytes:
    return b"x" * (limits.max_payload + 1)


def _swap(expected: Callable[[bytes], bytes | None], *, missing_too: bool = True) -> Nothing:
    return Nothing(
        "keyvalue_cas",
        "keyvalue_ttl.4",
        lambda kv, key, value, limits: kv.compare_and_swap(key, expected(value), FRESH),
        missing_too,
    )


def _drop(expected: Callable[[bytes], bytes]) -> Nothing:
    return Nothing("keyvalue_cas", "keyvalue_cas.3", lambda kv, key, value, limits: kv.compare_and_delete(key, expected(value)))


async def _given_up(kv: Any, key: str, calls: tuple[str, ...]) -> None:
    async with kv.transaction() as transaction:
        for call in calls:
            await (transaction.set(key, FRESH) if call == "set" else getattr(transaction, call)(key))
        raise _GiveUpError


def _giving_up(*calls: str) -> Nothing:
    return Nothing("keyvalue_transactional", "keyvalue_transactional.2", lambda kv, key, value, limits: _given_up(kv, key, calls))


async def _refused_inside(kv: Any, key: str, value: bytes, limits: Limits) -> None:
    async with kv.transaction() as transaction:
        with contextlib.suppress(PrismError):
            await transaction.set(key, _large(limits))


async def _read_and_beside(kv: Any, key: str, value: bytes, limits: Limits) -> None:
    """It commits, but all that it writes is another key."""
    async with kv.transaction() as transaction:
        await transaction.set("beside", await transaction.get(key) or FRESH)


async def _outrun(kv: Any, key: str, value: bytes, limits: Limits) -> None:
    """What it read is changed under it, so that it conflicts."""
    async with kv.transaction() as transaction:
        await kv.set("beside", b"before" if await transaction.get("beside") == b"after" else b"after")
        await transaction.set(key, FRESH)


async def _left(kv: Any, key: str, value: bytes, limits: Limits) -> None:
    async for _ in kv.scan():
        break
    async for _ in kv.scan_keys(key):
        break


async def _stepped(scan: Any) -> None:
    async for _ in scan:
        pass


NOTHINGS: dict[str, Nothing] = {
    "set, too large": Nothing("keyvalue_ttl", "keyvalue_basic.6", lambda kv, key, value, limits: kv.set(key, _large(limits))),
    "set of a text": Nothing("keyvalue_ttl", "keyvalue_basic.6", lambda kv, key, value, limits: kv.set(key, "text")),
    "set_with_ttl, too large": Nothing(
        "keyvalue_ttl", "keyvalue_basic.6", lambda kv, key, value, limits: kv.set_with_ttl(key, _large(limits), 5e5)
    ),
    "set_with_ttl of NaN": Nothing(
        "keyvalue_ttl", "keyvalue_ttl.9", lambda kv, key, value, limits: kv.set_with_ttl(key, FRESH, math.nan)
    ),
    "expire of infinity": Nothing("keyvalue_ttl", "keyvalue_ttl.9", lambda kv, key, value, limits: kv.expire(key, math.inf)),
    "expire of minus infinity": Nothing("keyvalue_ttl", "keyvalue_ttl.9", lambda kv, key, value, limits: kv.expire(key, -math.inf)),
    "swap from another": _swap(lambda value: b"another"),
    "swap from nothing": _swap(lambda value: None, missing_too=False),
    "swap from empty": _swap(lambda value: b""),
    "swap from its beginning": _swap(lambda value: value[:-1]),
    "swap from another case": _swap(bytes.swapcase),
    "swap from another to what it holds": Nothing(
        "keyvalue_cas", "keyvalue_ttl.4", lambda kv, key, value, limits: kv.compare_and_swap(key, b"another", value)
    ),
    "swap from nothing to what it holds": Nothing(
        "keyvalue_cas", "keyvalue_cas.3", lambda kv, key, value, limits: kv.compare_and_swap(key, None, value), missing_too=False
    ),
    "compare_and_delete of another": _drop(lambda value: b"another"),
    "compare_and_delete of empty": _drop(lambda value: b""),
    "compare_and_delete of its beginning": _drop(lambda value: value[:-1]),
    "swap to what is too large": Nothing(
        "keyvalue_cas", "keyvalue_cas.7", lambda kv, key, value, limits: kv.compare_and_swap(key, value, _large(limits))
    ),
    "compare_and_delete of what is too large": Nothing(
        "keyvalue_cas", "keyvalue_cas.7", lambda kv, key, value, limits: kv.compare_and_delete(key, _large(limits))
    ),
    "batch_set with one too large": Nothing(
        "keyvalue_batch", "keyvalue_batch.5", lambda kv, key, value, limits: kv.batch_set({key: FRESH, "beside": _large(limits)})
    ),
    "batch_set with a bad name": Nothing(
        "keyvalue_batch", "keyvalue_batch.5", lambda kv, key, value, limits: kv.batch_set({key: FRESH, "": b"v"})
    ),
    "batch_delete with a bad name": Nothing(
        "keyvalue_batch", "keyvalue_batch.5", lambda kv, key, value, limits: kv.batch_delete([key, "\ud800"])
    ),
    "batch_get with a bad name": Nothing(
        "keyvalue_batch", "keyvalue_batch.5", lambda kv, key, value, limits: kv.batch_get([key, ""])
    ),
    "batch_get of it": Nothing("keyvalue_batch", "keyvalue_ttl.5", lambda kv, key, value, limits: kv.batch_get([key, "beside"])),
    "batch_set of its value to another": Nothing(
        "keyvalue_batch", "keyvalue_ttl.11", lambda kv, key, value, limits: kv.batch_set({"beside": value})
    ),
    "empty batches": Nothing("keyvalue_batch", "keyvalue_batch.4", lambda kv, key, value, limits: kv.batch_set({})),
    "transaction given up, set": _giving_up("set"),
    "transaction given up, delete": _giving_up("delete"),
    "transaction given up, all": _giving_up("get", "delete", "set"),
    "transaction that only reads": _giving_up("get"),
    "transaction that reads it and writes beside": Nothing("keyvalue_transactional", "keyvalue_ttl.5", _read_and_beside),
    "transaction with a refused set": Nothing("keyvalue_transactional", "keyvalue_transactional.8", _refused_inside),
    "transaction that conflicts": Nothing("keyvalue_transactional", "keyvalue_transactional.6", _outrun),
    "scans that are left": Nothing("keyvalue_scan", "keyvalue_scan.7", _left),
    "scan with a bad limit": Nothing("keyvalue_scan", "keyvalue_scan.4", lambda kv, key, value, limits: _stepped(kv.scan(key, -1))),
}


def nothings(interface: str) -> list[str]:
    """Return the names of the calls that need an interface."""
    return [name for name, nothing in NOTHINGS.items() if nothing.interface == interface]
