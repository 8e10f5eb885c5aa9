"""object_storage: every call on an object in every state that it may be in, however it came to be, and what the call leaves."""

from typing import Any

from prism_suites._judging import same
from prism_suites._objects_calls import BARE, BUCKET, CALLS, FACTS, LONG_S, MISSING, OLD, State, chunks, looked, there
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, ObjectStorage, ObjectStorageConditional
from prism_testkit.tap import offers

_SHORT_S = 5.0
_ORIGINS = {
    "never put": MISSING,
    "deleted": MISSING,
    "expired": MISSING,
    "expired at once": MISSING,
    "put": State(b"old", OLD),
    "put bare": State(b"old"),
    "put over another": State(b"old", OLD),
    "put over a deadline": State(b"old", OLD),
    "put behind a deadline": State(b"old", OLD),
    "put from a stream": State(b"old", OLD),
    "created": State(b"old", OLD),
    "created behind a deadline": State(b"old", OLD),
    "given a deadline": State(b"old", OLD, True),
    "given another deadline": State(b"old", OLD, True),
    "put from a stream and given a deadline": State(b"old", OLD, True),
    "created and given a deadline": State(b"old", OLD, True),
}
"""Ways to come to a state."""
_TIMED = ("expired", "put behind a deadline", "created behind a deadline")


async def _bring(slot: Any, key: str, origin: str, data: bytes) -> None:
    """Bring an object to a state; what is to expire has not yet."""
    facts = (BARE if "bare" in origin else OLD)._asdict()
    if origin in _TIMED or "over" in origin:
        await slot.put(BUCKET, key, b"first", **FACTS._asdict())
        if origin != "put over another":
            await slot.set_ttl(BUCKET, key, _SHORT_S if origin in _TIMED else LONG_S)
    if origin in _TIMED or origin == "never put":
        return
    if "stream" in origin:
        await slot.put_stream(BUCKET, key, chunks(data), size=len(data), **facts)
    elif "created" in origin:
        await slot.put_if_absent(BUCKET, key, data, **facts)
    else:
        await slot.put(BUCKET, key, data, **facts)
    if origin == "deleted":
        await slot.delete(BUCKET, key)
    elif origin == "expired at once":
        await slot.set_ttl(BUCKET, key, -1.0)
    elif "given" in origin:
        await slot.set_ttl(BUCKET, key, LONG_S if "another" not in origin else 2 * LONG_S)
    if "another deadline" in origin:
        await slot.set_ttl(BUCKET, key, LONG_S)


async def _behind(slot: Any, key: str, origin: str, data: bytes) -> None:
    """Bring it further when time has passed."""
    if origin == "put behind a deadline":
        await slot.put(BUCKET, key, data, **OLD._asdict())
    elif origin == "created behind a deadline":
        await slot.put_if_absent(BUCKET, key, data, **OLD._asdict())


@check(
    *(f"object_storage.{number}" for number in (1, 2, 4, 5, 6, 9, 10, 11)),
    *("object_storage_conditional.1", "object_storage_conditional.3"),
)
@gauntlet(lambda limits: [{"origin": origin, "data": data} for origin in _ORIGINS for data in (b"old", b"")])
async def every_call_does_what_it_should_in_every_state(objects: ObjectStorage, case: Case, origin: str, data: bytes) -> None:
    """What a call says, and what it leaves, follows from what was there, however that came to be (OS-03, OS-30)."""
    slot, other = await case.whole(), await case.client(whole=True)
    creates = offers(slot, ObjectStorageConditional)
    if ("created" in origin and not creates) or case.limits.max_payload < len(b"first"):
        return
    if origin in _TIMED and not case.clock.virtual:
        return  # other checks wait for deadlines; this one has too many
    state = _ORIGINS[origin] if _ORIGINS[origin].data is None else _ORIGINS[origin]._replace(data=data)
    calls = {name: call for name, call in CALLS.items() if creates or "put_if_absent" not in name}
    if case.server:
        calls = {name: call for number, (name, call) in enumerate(calls.items()) if number % 3 == len(origin) % 3}
    keys = {name: f"{number:02}" for number, name in enumerate(calls)}
    await slot.create_bucket(BUCKET)
    for key in keys.values():
        await _bring(slot, key, origin, data)
    if origin in _TIMED:
        await case.advance(2 * _SHORT_S + case.limits.clock_resolution_s + case.traits.ttl_late_s)
        for key in keys.values():
            await _behind(slot, key, origin, data)
    for name, call in calls.items():
        key, told = keys[name], f"{name} of an object that was {origin}" + (", empty," if data == b"" and there(state) else "")
        same(call.promise, await call.make(other, key), call.answer(state), told)
        await looked(slot, key, call.after(state), call.promise, f"behind {told}")
    if _ORIGINS[origin].data is None:
        return
    removed = False  # what is there, whatever it is, holds its bucket
    try:
        removed = await other.delete_bucket(BUCKET)
    except Conflict:
        same("object_storage.11", await slot.get(BUCKET, keys[next(iter(calls))]) is None, False, "a bucket lost what it holds")
    same("object_storage.11", removed, False, f"a bucket goes that holds objects that were {origin}")
