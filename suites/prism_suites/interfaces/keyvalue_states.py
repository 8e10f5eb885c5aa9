"""keyvalue: every call on a key in every state that it may be in, whatever brought it there, and what the call leaves."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from prism_suites._judging import broken, same
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
    NotFound,
)
from prism_testkit.tap import offers

_LONG_S = 1e6
_SHORT_S = 5.0
_NEW = b"new"


class _State(NamedTuple):
    """What a key holds, and whether it has a deadline; None: it is missing."""

    value: bytes | None
    mortal: bool = False


class _Call(NamedTuple):
    """A call: the interface that has it, what it does, what it has to say, and which promise says so."""

    interface: type
    make: Callable[[Any, str], Awaitable[Any]]
    answer: Callable[[_State], Any]
    after: Callable[[_State], _State]
    promise: str


_MISSING = _State(None)
_AS_IT_WAS: Callable[[_State], _State] = lambda state: state  # noqa: E731
_GONE: Callable[[_State], _State] = lambda state: _MISSING  # noqa: E731
_WRITTEN: Callable[[_State], _State] = lambda state: _State(_NEW)  # noqa: E731


def _there(state: _State) -> bool:
    return state.value is not None


async def _said(call: Awaitable[Any]) -> Any:
    """Return what a call returns, and whether it said that there is nothing."""
    try:
        return await call
    except NotFound:
        return NotFound


async def _given(scan: Any) -> list[Any]:
    return [each async for each in scan]


def _swap(expected: bytes | None) -> _Call:
    def matches(state: _State) -> bool:
        return state.value == expected

    return _Call(
        KeyValueCas,
        lambda slot, key: slot.compare_and_swap(key, expected, _NEW),
        matches,
        lambda state: _State(_NEW) if matches(state) else state,
        "keyvalue_cas.2" if expected is None else "keyvalue_cas.1",
    )


def _remove(expected: bytes) -> _Call:
    def matches(state: _State) -> bool:
        return state.value == expected

    return _Call(
        KeyValueCas,
        lambda slot, key: slot.compare_and_delete(key, expected),
        matches,
        lambda state: _MISSING if matches(state) else state,
        "keyvalue_cas.4",
    )


_CALLS = {
    "get": _Call(KeyValueBasic, lambda slot, key: slot.get(key), lambda state: state.value, _AS_IT_WAS, "keyvalue_basic.1"),
    "exists": _Call(KeyValueBasic, lambda slot, key: slot.exists(key), _there, _AS_IT_WAS, "keyvalue_basic.5"),
    "delete": _Call(KeyValueBasic, lambda slot, key: slot.delete(key), _there, _GONE, "keyvalue_basic.4"),
    "set": _Call(KeyValueBasic, lambda slot, key: slot.set(key, _NEW), lambda state: None, _WRITTEN, "keyvalue_basic.1"),
    "set empty": _Call(
        KeyValueBasic, lambda slot, key: slot.set(key, b""), lambda state: None, lambda state: _State(b""), "keyvalue_basic.2"
    ),
    "expire": _Call(
        KeyValueTtl,
        lambda slot, key: slot.expire(key, _LONG_S),
        _there,
        lambda state: _State(state.value, _there(state)),
        "keyvalue_ttl.7",
    ),
    "expire at once": _Call(KeyValueTtl, lambda slot, key: slot.expire(key, 0), _there, _GONE, "keyvalue_ttl.9"),
    "persist": _Call(
        KeyValueTtl,
        lambda slot, key: slot.persist(key),
        lambda state: state.mortal,
        lambda state: _State(state.value),
        "keyvalue_ttl.8",
    ),
    "set_with_ttl": _Call(
        KeyValueTtl,
        lambda slot, key: slot.set_with_ttl(key, _NEW, _LONG_S),
        lambda state: None,
        lambda state: _State(_NEW, True),
        "keyvalue_ttl.3",
    ),
    "set_with_ttl of 0": _Call(
        KeyValueTtl, lambda slot, key: slot.set_with_ttl(key, _NEW, 0), lambda state: None, _GONE, "keyvalue_ttl.9"
    ),
    "batch_set": _Call(
        KeyValueBatch, lambda slot, key: slot.batch_set({key: _NEW}), lambda state: None, _WRITTEN, "keyvalue_batch.1"
    ),
    "batch_delete": _Call(
        KeyValueBatch, lambda slot, key: slot.batch_delete([key]), lambda state: int(_there(state)), _GONE, "keyvalue_batch.3"
    ),
    "swap of none": _swap(None),
    "swap of empty": _swap(b""),
    "swap of old": _swap(b"old"),
    "swap of other": _swap(b"other"),
    "removal of empty": _remove(b""),
    "removal of old": _remove(b"old"),
    "removal of other": _remove(b"other"),
    "transaction set": _Call(
        KeyValueTransactional,
        lambda slot, key: transacted(slot, lambda transaction: transaction.set(key, _NEW)),
        lambda state: None,
        _WRITTEN,
        "keyvalue_transactional.1",
    ),
    "transaction get": _Call(
        KeyValueTransactional,
        lambda slot, key: transacted(slot, lambda transaction: transaction.get(key)),
        lambda state: state.value,
        _AS_IT_WAS,
        "keyvalue_transactional.3",
    ),
    "transaction delete": _Call(
        KeyValueTransactional,
        lambda slot, key: transacted(slot, lambda transaction: transaction.delete(key)),
        _there,
        _GONE,
        "keyvalue_transactional.3",
    ),
}

_ORIGINS = {
    "never written": _MISSING,
    "deleted": _MISSING,
    "expired": _MISSING,
    "expired at once": _MISSING,
    "removed by a transaction": _MISSING,
    "set": _State(b"old"),
    "set over a deadline": _State(b"old"),
    "set behind a deadline": _State(b"old"),
    "batched": _State(b"old"),
    "swapped in": _State(b"old"),
    "swapped": _State(b"old"),
    "set by a transaction": _State(b"old"),
    "persisted": _State(b"old"),
    "given a deadline": _State(b"old", True),
    "set with a deadline": _State(b"old", True),
    "set with another deadline": _State(b"old", True),
}
"""Ways to come to a state."""
_NEEDS: dict[str, tuple[type, ...]] = {
    "expired": (KeyValueTtl,),
    "expired at once": (KeyValueTtl,),
    "removed by a transaction": (KeyValueTransactional,),
    "set over a deadline": (KeyValueTtl,),
    "set behind a deadline": (KeyValueTtl,),
    "batched": (KeyValueBatch,),
    "swapped in": (KeyValueCas,),
    "swapped": (KeyValueCas,),
    "set by a transaction": (KeyValueTransactional,),
    "persisted": (KeyValueTtl,),
    "given a deadline": (KeyValueTtl,),
    "set with a deadline": (KeyValueTtl,),
    "set with another deadline": (KeyValueTtl,),
}


async def _bring(slot: Any, key: str, origin: str, value: bytes) -> None:
    """Bring a key to a state; what is to expire has not yet."""
    if origin in ("expired", "set behind a deadline", "set with another deadline"):
        await slot.set_with_ttl(key, b"first", _SHORT_S)
    if origin in ("deleted", "removed by a transaction", "set", "given a deadline"):
        await slot.set(key, value)
    if origin == "deleted":
        await slot.delete(key)
    elif origin == "expired at once":
        await slot.set_with_ttl(key, value, -1.0)
    elif origin == "removed by a transaction":
        await transacted(slot, lambda transaction: transaction.delete(key))
    elif origin == "set over a deadline":
        await slot.set_with_ttl(key, b"first", _LONG_S)
        await slot.set(key, value)
    elif origin == "batched":
        await slot.batch_set({f"beside {key}": b"", key: value})
    elif origin == "swapped in":
        await slot.compare_and_swap(key, None, value)
    elif origin == "swapped":
        await slot.set(key, b"first")
        await slot.compare_and_swap(key, b"first", value)
    elif origin == "set by a transaction":
        await transacted(slot, lambda transaction: transaction.set(key, value))
    elif origin == "persisted":
        await slot.set_with_ttl(key, value, _LONG_S)
        await slot.persist(key)
    elif origin == "given a deadline":
        await slot.expire(key, _LONG_S)
    elif origin == "set with a deadline":
        await slot.set_with_ttl(key, value, _LONG_S)


async def _behind(slot: Any, key: str, origin: str, value: bytes) -> None:
    """Bring it further when time has passed."""
    if origin == "set behind a deadline":
        await slot.set(key, value)
    elif origin == "set with another deadline":
        await slot.set_with_ttl(key, value, _LONG_S)


async def _looked(case: Case, slot: Any, key: str, state: _State, promise: str, told: str) -> None:
    """Judge what every look says of a key."""
    same(promise, await slot.get(key), state.value, f"{told}, get")
    same(promise, await slot.exists(key), _there(state), f"{told}, exists")
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
        mortal = isinstance(left_s, float | int) and _LONG_S / 2 < left_s <= _LONG_S
        if not (mortal if state.mortal else left_s is (NotFound if state.value is None else None)):
            right = f"up to {_LONG_S:g} s" if state.mortal else "NotFound" if state.value is None else None
            broken(promise, f"{told}, ttl", expected=right, got=left_s)


@check(
    *("keyvalue_basic.1", "keyvalue_basic.2", "keyvalue_basic.4", "keyvalue_basic.5", "keyvalue_batch.1", "keyvalue_batch.3"),
    *("keyvalue_ttl.3", "keyvalue_ttl.7", "keyvalue_ttl.8", "keyvalue_ttl.9", "keyvalue_ttl.10"),
    *("keyvalue_cas.1", "keyvalue_cas.2", "keyvalue_cas.4", "keyvalue_transactional.1", "keyvalue_transactional.3"),
)
@gauntlet(lambda limits: [{"origin": origin, "value": value} for origin in _ORIGINS for value in (b"old", b"")])
async def every_call_does_what_it_should_in_every_state(keyvalue: KeyValueBasic, case: Case, origin: str, value: bytes) -> None:
    """What a call says, and what it leaves, follows from what the key held, however that came to be (KV-01, KV-35, KV-37)."""
    slot, other = await case.whole(), await case.client(whole=True)
    if not all(offers(slot, interface) for interface in _NEEDS.get(origin, ())):
        return
    timed = origin in ("expired", "set behind a deadline", "set with another deadline")
    if timed and not case.clock.virtual:
        return  # other checks wait for deadlines; this one has too many
    value = b"" if case.limits.max_payload < len(_NEW) else value
    state = _ORIGINS[origin] if _ORIGINS[origin].value is None else _ORIGINS[origin]._replace(value=value)
    calls = {name: call for name, call in _CALLS.items() if offers(slot, call.interface)}
    if case.server:
        calls = {name: call for number, (name, call) in enumerate(calls.items()) if number % 3 == len(origin) % 3}
    keys = {name: f"{number:02}" for number, name in enumerate(calls)}
    for key in keys.values():
        await _bring(slot, key, origin, value)
    if timed:
        await case.advance(2 * _SHORT_S + case.limits.clock_resolution_s + case.traits.ttl_late_s)
        for key in keys.values():
            await _behind(slot, key, origin, value)
    for name, call in calls.items():
        key, told = keys[name], f"{name} of a key that was {origin}" + (", empty," if value == b"" and _there(state) else "")
        same(call.promise, await call.make(other, key), call.answer(state), told)
        await _looked(case, slot, key, call.after(state), call.promise, f"behind {told}")
