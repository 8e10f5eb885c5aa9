"""Every way in which a call tells whether a key is present, as a table, so that each can be the first to look after a deadline."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prism_suites._keyvalue_retrying import transacted
from prism_testkit.interfaces import NotFound

__all__ = ["FRESH", "LOOKS", "Look", "looks", "seconds_left"]

FRESH = b"fresh"
"""What a look that writes, writes."""


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look. ``present`` and ``missing`` say what the answer must be, given the key and its value."""

    interface: str
    run: Callable[[Any, str, bytes], Awaitable[object]]
    present: Callable[[str, bytes], object]
    missing: Callable[[str, bytes], object]
    writes: bool = False
    """It changes the key if it is there, or creates it."""
    creates: bool = False
    """It leaves `FRESH` under a key that was missing."""


async def seconds_left(kv: Any, key: str) -> object:
    """Return what `ttl` says, and ``"NotFound"`` if it raises that."""
    try:
        left: object = await kv.ttl(key)
    except NotFound:
        return "NotFound"
    return left


async def _ttl(kv: Any, key: str, value: bytes) -> object:
    left = await seconds_left(kv, key)
    fine = left is None or (isinstance(left, int | float) and not isinstance(left, bool) and left >= 0)
    return "present" if fine else left


async def _scan(kv: Any, prefix: str, key: str) -> object:
    return [(name, value) async for name, value in kv.scan(prefix) if name == key]


async def _scan_keys(kv: Any, prefix: str, key: str) -> object:
    return [name async for name in kv.scan_keys(prefix) if name == key]


async def _transaction_get(kv: Any, key: str, value: bytes) -> object:
    return await transacted(kv, lambda transaction: transaction.get(key))


async def _transaction_delete(kv: Any, key: str, value: bytes) -> object:
    return await transacted(kv, lambda transaction: transaction.delete(key))


def _value(key: str, value: bytes) -> object:
    return value


def _none(key: str, value: bytes) -> object:
    return None


def _yes(key: str, value: bytes) -> object:
    return True


def _no(key: str, value: bytes) -> object:
    return False


def _nothing(key: str, value: bytes) -> object:
    return []


def _truth(interface: str, run: Callable[[Any, str, bytes], Awaitable[object]]) -> Look:
    return Look(interface, run, _yes, _no, writes=True)


LOOKS: dict[str, Look] = {
    "get": Look("keyvalue_ttl", lambda kv, key, value: kv.get(key), _value, _none),
    "exists": Look("keyvalue_ttl", lambda kv, key, value: kv.exists(key), _yes, _no),
    "ttl": Look("keyvalue_ttl", _ttl, lambda key, value: "present", lambda key, value: "NotFound"),
    "delete": _truth("keyvalue_ttl", lambda kv, key, value: kv.delete(key)),
    "expire": _truth("keyvalue_ttl", lambda kv, key, value: kv.expire(key, 1e5)),
    "expire at once": _truth("keyvalue_ttl", lambda kv, key, value: kv.expire(key, 0)),
    "persist": _truth("keyvalue_ttl", lambda kv, key, value: kv.persist(key)),
    "scan": Look("keyvalue_scan", lambda kv, key, value: _scan(kv, key, key), lambda key, value: [(key, value)], _nothing),
    "scan of all": Look("keyvalue_scan", lambda kv, key, value: _scan(kv, "", key), lambda key, value: [(key, value)], _nothing),
    "scan_keys": Look("keyvalue_scan", lambda kv, key, value: _scan_keys(kv, key, key), lambda key, value: [key], _nothing),
    "scan_keys of all": Look("keyvalue_scan", lambda kv, key, value: _scan_keys(kv, "", key), lambda key, value: [key], _nothing),
    "count": Look("keyvalue_scan", lambda kv, key, value: kv.count(key), lambda key, value: 1, lambda key, value: 0),
    "batch_get": Look(
        "keyvalue_batch", lambda kv, key, value: kv.batch_get([key]), lambda key, value: {key: value}, lambda key, value: {}
    ),
    "batch_get of two": Look(
        "keyvalue_batch",
        lambda kv, key, value: kv.batch_get(["another", key]),
        lambda key, value: {key: value},
        lambda key, value: {},
    ),
    "batch_delete": Look(
        "keyvalue_batch", lambda kv, key, value: kv.batch_delete([key]), lambda key, value: 1, lambda key, value: 0, writes=True
    ),
    "compare_and_swap from nothing": Look(
        "keyvalue_cas", lambda kv, key, value: kv.compare_and_swap(key, None, FRESH), _no, _yes, writes=True, creates=True
    ),
    "compare_and_swap from its value": _truth("keyvalue_cas", lambda kv, key, value: kv.compare_and_swap(key, value, FRESH)),
    "compare_and_swap to the same": _truth("keyvalue_cas", lambda kv, key, value: kv.compare_and_swap(key, value, value)),
    "compare_and_delete": _truth("keyvalue_cas", lambda kv, key, value: kv.compare_and_delete(key, value)),
    "transaction.get": Look("keyvalue_transactional", _transaction_get, _value, _none),
    "transaction.delete": _truth("keyvalue_transactional", _transaction_delete),
}


def looks(*interfaces: str, writing: bool | None = None) -> list[str]:
    """Return the names of the looks that need one of ``interfaces``; ``writing`` keeps those that do, or do not, write."""
    return [name for name, look in LOOKS.items() if look.interface in interfaces and writing in (None, look.writes)]
