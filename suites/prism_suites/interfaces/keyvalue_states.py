"""keyvalue: every call on a key in every state that it may be in, whatever brought it there, and what the call leaves."""

from typing import Any

from prism_suites._judging import same
from prism_suites._keyvalue_calls import CALLS, LONG_S, MISSING, State, looked, there
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueBatch, KeyValueCas, KeyValueTransactional, KeyValueTtl
from prism_testkit.tap import offers

_SHORT_S = 5.0
_ORIGINS = {
    "never written": MISSING,
    "deleted": MISSING,
    "expired": MISSING,
    "expired at once": MISSING,
    "removed by a transaction": MISSING,
    "set": State(b"old"),
    "set over a deadline": State(b"old"),
    "set behind a deadline": State(b"old"),
    "batched": State(b"old"),
    "swapped in": State(b"old"),
    "swapped": State(b"old"),
    "set by a transaction": State(b"old"),
    "persisted": State(b"old"),
    "given a deadline": State(b"old", True),
    "set with a deadline": State(b"old", True),
    "set with another deadline": State(b"old", True),
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
        await slot.set_with_ttl(key, b"first", LONG_S)
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
        await slot.set_with_ttl(key, value, LONG_S)
        await slot.persist(key)
    elif origin == "given a deadline":
        await slot.expire(key, LONG_S)
    elif origin == "set with a deadline":
        await slot.set_with_ttl(key, value, LONG_S)


async def _behind(slot: Any, key: str, origin: str, value: bytes) -> None:
    """Bring it further when time has passed."""
    if origin == "set behind a deadline":
        await slot.set(key, value)
    elif origin == "set with another deadline":
        await slot.set_with_ttl(key, value, LONG_S)


@check(
    *("keyvalue_basic.1", "keyvalue_basic.2", "keyvalue_basic.4", "keyvalue_basic.5", "keyvalue_batch.1", "keyvalue_batch.3"),
    *("keyvalue_ttl.3", "keyvalue_ttl.7", "keyvalue_ttl.8", "keyvalue_ttl.9", "keyvalue_ttl.10", "keyvalue_scan.5"),
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
    value = b"" if case.limits.max_payload < len(b"other") else value
    state = _ORIGINS[origin] if _ORIGINS[origin].value is None else _ORIGINS[origin]._replace(value=value)
    calls = {name: call for name, call in CALLS.items() if offers(slot, call.interface)}
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
        key, told = keys[name], f"{name} of a key that was {origin}" + (", empty," if value == b"" and there(state) else "")
        same(call.promise, await call.make(other, key), call.answer(state), told)
        await looked(case, slot, key, call.after(state), call.promise, f"behind {told}")
