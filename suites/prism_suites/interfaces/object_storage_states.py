"""object_storage: every call on an object in every state that it may be in, however it came to be, and what the call leaves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from prism_suites._judging import broken, same
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, ObjectNotFound, ObjectStorage, ObjectStorageConditional
from prism_testkit.tap import offers

_LONG_S, _SHORT_S = 1e6, 5.0
_BUCKET = "b"


class _Facts(NamedTuple):
    """What is told of an object as it was put."""

    content_type: str | None = None
    content_encoding: str | None = None
    user_metadata: Mapping[str, str] = {}


class _State(NamedTuple):
    """What is there; data None: it is missing."""

    data: bytes | None
    facts: _Facts = _Facts()
    mortal: bool = False


class _Call(NamedTuple):
    """A call: what it does, what it has to say, what it leaves, and which promise says so."""

    make: Callable[[Any, str], Awaitable[Any]]
    answer: Callable[[_State], Any]
    after: Callable[[_State], _State]
    promise: str


_MISSING = _State(None)
_OLD, _BARE = _Facts("text/old", "br", {"old": "1", "both": "old"}), _Facts()
_FACTS = _Facts("text/new", None, {"new": "2", "both": "new"})


def _as_it_was(state: _State) -> _State:
    return state


def _gone(state: _State) -> _State:
    return _MISSING


def _there(state: _State) -> bool:
    return state.data is not None


def _nothing(state: _State) -> Any:
    return None


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _done(call: Awaitable[Any]) -> None:
    """Make a call whose answer others judge."""
    await call


async def _streamed(slot: Any, key: str) -> Any:
    try:
        return b"".join([chunk async for chunk in slot.get_stream(_BUCKET, key)])
    except ObjectNotFound:
        return ObjectNotFound


async def _listed(slot: Any, key: str) -> list[tuple[str, int]]:
    return [(info.key, info.size) async for info in slot.list_objects(_BUCKET, key)]


async def _of_another_size(slot: Any, key: str) -> Any:
    try:
        await slot.put_stream(_BUCKET, key, _chunks(b"x"), size=2)
    except ValueError:
        return ValueError
    return None


def _put(data: bytes, facts: _Facts) -> _Call:
    return _Call(
        lambda slot, key: _done(slot.put(_BUCKET, key, data, **facts._asdict())),
        _nothing,
        lambda state: _State(data, facts),
        "object_storage.1",
    )


def _put_stream(data: bytes, facts: _Facts) -> _Call:
    return _Call(
        lambda slot, key: _done(slot.put_stream(_BUCKET, key, _chunks(data), **facts._asdict())),
        _nothing,
        lambda state: _State(data, facts),
        "object_storage.6",
    )


def _create(data: bytes, facts: _Facts) -> _Call:
    return _Call(
        lambda slot, key: slot.put_if_absent(_BUCKET, key, data, **facts._asdict()),
        lambda state: not _there(state),
        lambda state: state if _there(state) else _State(data, facts),
        "object_storage_conditional.1",
    )


_CALLS = {
    "get": _Call(lambda slot, key: slot.get(_BUCKET, key), lambda state: state.data, _as_it_was, "object_storage.1"),
    "exists": _Call(lambda slot, key: slot.exists(_BUCKET, key), _there, _as_it_was, "object_storage.2"),
    "get_stream": _Call(_streamed, lambda state: state.data if _there(state) else ObjectNotFound, _as_it_was, "object_storage.1"),
    "delete": _Call(lambda slot, key: slot.delete(_BUCKET, key), _there, _gone, "object_storage.4"),
    "set_ttl": _Call(
        lambda slot, key: slot.set_ttl(_BUCKET, key, _LONG_S),
        _there,
        lambda state: state._replace(mortal=_there(state)),
        "object_storage.9",
    ),
    "set_ttl of 0": _Call(lambda slot, key: slot.set_ttl(_BUCKET, key, 0), _there, _gone, "object_storage.9"),
    "create_bucket": _Call(lambda slot, key: slot.create_bucket(_BUCKET), lambda state: False, _as_it_was, "object_storage.11"),
    "put": _put(b"new", _FACTS),
    "put of the same": _put(b"old", _OLD),
    "put of the same data": _put(b"old", _FACTS),
    "put of nothing": _put(b"", _BARE),
    "put_stream": _put_stream(b"new", _FACTS),
    "put_stream of the same": _put_stream(b"old", _OLD),
    "put_stream of nothing": _put_stream(b"", _BARE),
    "put_stream of another size": _Call(_of_another_size, lambda state: ValueError, _as_it_was, "object_storage.6"),
    "put_if_absent": _create(b"new", _FACTS),
    "put_if_absent of nothing": _create(b"", _BARE),
    "put_if_absent of the same": _create(b"old", _OLD),
}

_ORIGINS = {
    "never put": _MISSING,
    "deleted": _MISSING,
    "expired": _MISSING,
    "expired at once": _MISSING,
    "put": _State(b"old", _OLD),
    "put bare": _State(b"old"),
    "put over another": _State(b"old", _OLD),
    "put over a deadline": _State(b"old", _OLD),
    "put behind a deadline": _State(b"old", _OLD),
    "put from a stream": _State(b"old", _OLD),
    "created": _State(b"old", _OLD),
    "created behind a deadline": _State(b"old", _OLD),
    "given a deadline": _State(b"old", _OLD, True),
    "given another deadline": _State(b"old", _OLD, True),
    "put from a stream and given a deadline": _State(b"old", _OLD, True),
    "created and given a deadline": _State(b"old", _OLD, True),
}
"""Ways to come to a state."""
_TIMED = ("expired", "put behind a deadline", "created behind a deadline")


async def _bring(slot: Any, key: str, origin: str, data: bytes) -> None:
    """Bring an object to a state; what is to expire has not yet."""
    facts = (_BARE if "bare" in origin else _OLD)._asdict()
    if origin in _TIMED or "over" in origin:
        await slot.put(_BUCKET, key, b"first", **_FACTS._asdict())
        if origin != "put over another":
            await slot.set_ttl(_BUCKET, key, _SHORT_S if origin in _TIMED else _LONG_S)
    if origin in _TIMED or origin == "never put":
        return
    if "stream" in origin:
        await slot.put_stream(_BUCKET, key, _chunks(data), size=len(data), **facts)
    elif "created" in origin:
        await slot.put_if_absent(_BUCKET, key, data, **facts)
    else:
        await slot.put(_BUCKET, key, data, **facts)
    if origin == "deleted":
        await slot.delete(_BUCKET, key)
    elif origin == "expired at once":
        await slot.set_ttl(_BUCKET, key, -1.0)
    elif "given" in origin:
        await slot.set_ttl(_BUCKET, key, _LONG_S if "another" not in origin else 2 * _LONG_S)
    if "another deadline" in origin:
        await slot.set_ttl(_BUCKET, key, _LONG_S)


async def _behind(slot: Any, key: str, origin: str, data: bytes) -> None:
    """Bring it further when time has passed."""
    if origin == "put behind a deadline":
        await slot.put(_BUCKET, key, data, **_OLD._asdict())
    elif origin == "created behind a deadline":
        await slot.put_if_absent(_BUCKET, key, data, **_OLD._asdict())


async def _looked(slot: Any, key: str, state: _State, promise: str, told: str) -> None:
    """Judge what every look says of an object."""
    same(promise, await slot.get(_BUCKET, key), state.data, f"{told}, get")
    same(promise, await slot.exists(_BUCKET, key), _there(state), f"{told}, exists")
    same(promise, await _streamed(slot, key), state.data if _there(state) else ObjectNotFound, f"{told}, get_stream")
    lines = [] if state.data is None else [(key, len(state.data))]
    same(promise, await _listed(slot, key), lines, f"{told}, list_objects")
    found = await slot.metadata(_BUCKET, key)
    if state.data is None or found is None:
        same(promise, found, None if state.data is None else state, f"{told}, metadata")
        return
    facts = _Facts(found.content_type, found.content_encoding, dict(found.user_metadata))
    same(promise, (found.size, facts), (len(state.data), state.facts), f"{told}, metadata")
    if (found.expires_at_ms is not None) != state.mortal:
        broken(promise, f"{told}, expires_at_ms", expected="an instant" if state.mortal else None, got=found.expires_at_ms)


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
    calls = {name: call for name, call in _CALLS.items() if creates or "put_if_absent" not in name}
    if case.server:
        calls = {name: call for number, (name, call) in enumerate(calls.items()) if number % 3 == len(origin) % 3}
    keys = {name: f"{number:02}" for number, name in enumerate(calls)}
    await slot.create_bucket(_BUCKET)
    for key in keys.values():
        await _bring(slot, key, origin, data)
    if origin in _TIMED:
        await case.advance(2 * _SHORT_S + case.limits.clock_resolution_s + case.traits.ttl_late_s)
        for key in keys.values():
            await _behind(slot, key, origin, data)
    for name, call in calls.items():
        key, told = keys[name], f"{name} of an object that was {origin}" + (", empty," if data == b"" and _there(state) else "")
        same(call.promise, await call.make(other, key), call.answer(state), told)
        await _looked(slot, key, call.after(state), call.promise, f"behind {told}")
    if _ORIGINS[origin].data is None:
        return
    removed = False  # what is there, whatever it is, holds its bucket
    try:
        removed = await other.delete_bucket(_BUCKET)
    except Conflict:
        same("object_storage.11", await slot.get(_BUCKET, keys[next(iter(calls))]) is None, False, "a bucket lost what it holds")
    same("object_storage.11", removed, False, f"a bucket goes that holds objects that were {origin}")
