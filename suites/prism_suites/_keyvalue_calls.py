"""The calls of all key-value interfaces as a table: what each says of a key in a state, and what it leaves; and every look."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from prism_suites._judging import broken, same
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.interfaces import (
    KeyValueBasic,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransactional,
    KeyValueTtl,
    NotFound,
)
from prism_testkit.tap import offers

__all__ = ["CALLS", "LONG_S", "MISSING", "Call", "State", "looked", "there"]

LONG_S = 1e6
"""How long a key lives that has a deadline."""
_NEW = b"new"


class State(NamedTuple):
    """What a key holds, and whether it has a deadline; None: it is missing."""

    value: bytes | None
    mortal: bool = False


class Call(NamedTuple):
    """A call: the interface that has it, what it does, what it has to say, and which promise says so."""

    interface: type
    make: Callable[[Any, str], Awaitable[Any]]
    answer: Callable[[State], Any]
    after: Callable[[State], State]
    promise: str


MISSING = State(None)
_AS_IT_WAS: Callable[[State], State] = lambda state: state  # noqa: E731
_GONE: Callable[[State], State] = lambda state: MISSING  # noqa: E731
_WRITTEN: Callable[[State], State] = lambda state: State(_NEW)  # noqa: E731


def there(state: State) -> bool:
    return state.value is not None


async def _said(call: Awaitable[Any]) -> Any:
    """Return what a call returns, and whether it said that there is nothing."""
    try:
        return await call
    except NotFound:
        return NotFound


async def _given(scan: Any, part: int | None = None) -> list[Any]:
    """Return what a scan gives, or of each pair one part."""
    return [each if part is None else each[part] async for each in scan]


async def _values(batch: Awaitable[dict[str, bytes]]) -> list[bytes]:
    return [*(await batch).values()]


def _swap(expected: bytes | None) -> Call:
    def matches(state: State) -> bool:
        return state.value == expected

    return Call(
        KeyValueCas,
        lambda slot, key: slot.compare_and_swap(key, expected, _NEW),
        matches,
        lambda state: State(_NEW) if matches(state) else state,
        "keyvalue_cas.2" if expected is None else "keyvalue_cas.1",
    )


def _remove(expected: bytes) -> Call:
    def matches(state: State) -> bool:
        return state.value == expected

    return Call(
        KeyValueCas,
        lambda slot, key: slot.compare_and_delete(key, expected),
        matches,
        lambda state: MISSING if matches(state) else state,
        "keyvalue_cas.4",
    )


async def _mortal(slot: Any, key: str) -> Any:
    """Return what `ttl` says: True if it is a time, as the state has it."""
    left_s = await _said(slot.ttl(key))
    return True if isinstance(left_s, float | int) else left_s


CALLS = {
    "get": Call(KeyValueBasic, lambda slot, key: slot.get(key), lambda state: state.value, _AS_IT_WAS, "keyvalue_basic.1"),
    "exists": Call(KeyValueBasic, lambda slot, key: slot.exists(key), there, _AS_IT_WAS, "keyvalue_basic.5"),
    "delete": Call(KeyValueBasic, lambda slot, key: slot.delete(key), there, _GONE, "keyvalue_basic.4"),
    "set": Call(KeyValueBasic, lambda slot, key: slot.set(key, _NEW), lambda state: None, _WRITTEN, "keyvalue_basic.1"),
    "set empty": Call(
        KeyValueBasic, lambda slot, key: slot.set(key, b""), lambda state: None, lambda state: State(b""), "keyvalue_basic.2"
    ),
    "expire": Call(
        KeyValueTtl,
        lambda slot, key: slot.expire(key, LONG_S),
        there,
        lambda state: State(state.value, there(state)),
        "keyvalue_ttl.7",
    ),
    "expire at once": Call(KeyValueTtl, lambda slot, key: slot.expire(key, 0), there, _GONE, "keyvalue_ttl.9"),
    "persist": Call(
        KeyValueTtl,
        lambda slot, key: slot.persist(key),
        lambda state: state.mortal,
        lambda state: State(state.value),
        "keyvalue_ttl.8",
    ),
    "set_with_ttl": Call(
        KeyValueTtl,
        lambda slot, key: slot.set_with_ttl(key, _NEW, LONG_S),
        lambda state: None,
        lambda state: State(_NEW, True),
        "keyvalue_ttl.3",
    ),
    "set_with_ttl of 0": Call(
        KeyValueTtl, lambda slot, key: slot.set_with_ttl(key, _NEW, 0), lambda state: None, _GONE, "keyvalue_ttl.9"
    ),
    "ttl": Call(
        KeyValueTtl,
        _mortal,
        lambda state: (state.mortal or None) if there(state) else NotFound,
        _AS_IT_WAS,
        "keyvalue_ttl.6",
    ),
    "scan": Call(
        KeyValueScan,
        lambda slot, key: _given(slot.scan(key), 1),
        lambda state: [state.value] if there(state) else [],
        _AS_IT_WAS,
        "keyvalue_scan.1",
    ),
    "count": Call(KeyValueScan, lambda slot, key: slot.count(key), lambda state: int(there(state)), _AS_IT_WAS, "keyvalue_scan.5"),
    "batch_get": Call(
        KeyValueBatch,
        lambda slot, key: _values(slot.batch_get([key])),
        lambda state: [state.value] if there(state) else [],
        _AS_IT_WAS,
        "keyvalue_batch.2",
    ),
    "batch_set": Call(
        KeyValueBatch, lambda slot, key: slot.batch_set({key: _NEW}), lambda state: None, _WRITTEN, "keyvalue_batch.1"
    ),
    "batch_delete": Call(
        KeyValueBatch, lambda slot, key: slot.batch_delete([key]), lambda state: int(there(state)), _GONE, "keyvalue_batch.3"
    ),
    "swap of none": _swap(None),
    "swap of empty": _swap(b""),
    "swap of old": _swap(b"old"),
    "swap of other": _swap(b"other"),
    "removal of empty": _remove(b""),
    "removal of old": _remove(b"old"),
    "removal of other": _remove(b"other"),
    "transaction set": Call(
        KeyValueTransactional,
        lambda slot, key: transacted(slot, lambda transaction: transaction.set(key, _NEW)),
        lambda state: None,
        _WRITTEN,
        "keyvalue_transactional.1",
    ),
    "transaction get": Call(
        KeyValueTransactional,
        lambda slot, key: transacted(slot, lambda transaction: transaction.get(key)),
        lambda state: state.value,
        _AS_IT_WAS,
        "keyvalue_transactional.3",
    ),
    "transaction delete": Call(
        KeyValueTransactional,
        lambda slot, key: transacted(slot, lambda transaction: transaction.delete(key)),
        there,
        _GONE,
        "keyvalue_transactional.3",
    ),
}


async def looked(case: Case, slot: Any, key: str, state: State, promise: str, told: str) -> None:
    """Judge what every look says of a key."""
    same(promise, await slot.get(key), state.value, f"{told}, get")
    same(promise, await slot.exists(key), there(state), f"{told}, exists")
    if offers(slot, KeyValueBatch):
        wanted = {key: state.value} if state.value is not None else {}
        same(promise, await slot.batch_get([key]), wanted, f"{told}, batch_get")
    if offers(slot, KeyValueScan):
        keys = [] if state.value is None else [key]
        same(promise, await _given(slot.scan(key)), [(each, state.value) for each in keys], f"{told}, scan")
        same(promise, await _given(slot.scan_keys(key)), keys, f"{told}, scan_keys")
        same(promise, await slot.count(key), len(keys), f"{told}, count")
    if offers(slot, KeyValueTransactional):
        found = await transacted(slot, lambda transaction: transaction.get(key))
        same(promise, found, state.value, f"{told}, get in a transaction")
    if offers(slot, KeyValueTtl):
        left_s = await _said(slot.ttl(key))
        mortal = isinstance(left_s, float | int) and LONG_S / 2 < left_s <= LONG_S
        if not (mortal if state.mortal else left_s is (NotFound if state.value is None else None)):
            right = f"up to {LONG_S:g} s" if state.mortal else "NotFound" if state.value is None else None
            broken(promise, f"{told}, ttl", expected=right, got=left_s)
