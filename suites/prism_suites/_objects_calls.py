"""The calls of object storage as a table: what each says of an object in a state, and what it leaves; and every look."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from prism_suites._judging import broken, same
from prism_testkit.interfaces import ObjectNotFound

__all__ = ["BARE", "BUCKET", "CALLS", "FACTS", "LONG_S", "MISSING", "OLD", "Call", "Facts", "State", "chunks", "looked", "there"]

BUCKET = "b"
LONG_S = 1e6
"""How long an object lives that has a deadline."""


class Facts(NamedTuple):
    """What is told of an object as it was put."""

    content_type: str | None = None
    content_encoding: str | None = None
    user_metadata: Mapping[str, str] = {}


class State(NamedTuple):
    """What is there; data None: it is missing."""

    data: bytes | None
    facts: Facts = Facts()
    mortal: bool = False


class Call(NamedTuple):
    """A call: what it does, what it has to say, what it leaves, and which promise says so."""

    make: Callable[[Any, str], Awaitable[Any]]
    answer: Callable[[State], Any]
    after: Callable[[State], State]
    promise: str


MISSING = State(None)
OLD, BARE = Facts("text/old", "br", {"old": "1", "both": "old"}), Facts()
FACTS = Facts("text/new", None, {"new": "2", "both": "new"})


def _as_it_was(state: State) -> State:
    return state


def _gone(state: State) -> State:
    return MISSING


def there(state: State) -> bool:
    return state.data is not None


def _nothing(state: State) -> Any:
    return None


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _done(call: Awaitable[Any]) -> None:
    """Make a call whose answer others judge."""
    await call


async def _streamed(slot: Any, key: str) -> Any:
    try:
        return b"".join([chunk async for chunk in slot.get_stream(BUCKET, key)])
    except ObjectNotFound:
        return ObjectNotFound


async def _listed(slot: Any, key: str) -> list[tuple[str, int]]:
    return [(info.key, info.size) async for info in slot.list_objects(BUCKET, key)]


async def _of_another_size(slot: Any, key: str) -> Any:
    try:
        await slot.put_stream(BUCKET, key, chunks(b"x"), size=2)
    except ValueError:
        return ValueError
    return None


def _put(data: bytes, facts: Facts) -> Call:
    return Call(
        lambda slot, key: _done(slot.put(BUCKET, key, data, **facts._asdict())),
        _nothing,
        lambda state: State(data, facts),
        "object_storage.1",
    )


def _put_stream(data: bytes, facts: Facts) -> Call:
    return Call(
        lambda slot, key: _done(slot.put_stream(BUCKET, key, chunks(data), **facts._asdict())),
        _nothing,
        lambda state: State(data, facts),
        "object_storage.6",
    )


def _create(data: bytes, facts: Facts) -> Call:
    return Call(
        lambda slot, key: slot.put_if_absent(BUCKET, key, data, **facts._asdict()),
        lambda state: not there(state),
        lambda state: state if there(state) else State(data, facts),
        "object_storage_conditional.1",
    )


CALLS = {
    "get": Call(lambda slot, key: slot.get(BUCKET, key), lambda state: state.data, _as_it_was, "object_storage.1"),
    "exists": Call(lambda slot, key: slot.exists(BUCKET, key), there, _as_it_was, "object_storage.2"),
    "get_stream": Call(_streamed, lambda state: state.data if there(state) else ObjectNotFound, _as_it_was, "object_storage.1"),
    "delete": Call(lambda slot, key: slot.delete(BUCKET, key), there, _gone, "object_storage.4"),
    "set_ttl": Call(
        lambda slot, key: slot.set_ttl(BUCKET, key, LONG_S),
        there,
        lambda state: state._replace(mortal=there(state)),
        "object_storage.9",
    ),
    "set_ttl of 0": Call(lambda slot, key: slot.set_ttl(BUCKET, key, 0), there, _gone, "object_storage.9"),
    "create_bucket": Call(lambda slot, key: slot.create_bucket(BUCKET), lambda state: False, _as_it_was, "object_storage.11"),
    "put": _put(b"new", FACTS),
    "put of the same": _put(b"old", OLD),
    "put of the same data": _put(b"old", FACTS),
    "put of nothing": _put(b"", BARE),
    "put_stream": _put_stream(b"new", FACTS),
    "put_stream of the same": _put_stream(b"old", OLD),
    "put_stream of nothing": _put_stream(b"", BARE),
    "put_stream of another size": Call(_of_another_size, lambda state: ValueError, _as_it_was, "object_storage.6"),
    "put_if_absent": _create(b"new", FACTS),
    "put_if_absent of nothing": _create(b"", BARE),
    "put_if_absent of the same": _create(b"old", OLD),
}


async def looked(slot: Any, key: str, state: State, promise: str, told: str) -> None:
    """Judge what every look says of an object."""
    same(promise, await slot.get(BUCKET, key), state.data, f"{told}, get")
    same(promise, await slot.exists(BUCKET, key), there(state), f"{told}, exists")
    same(promise, await _streamed(slot, key), state.data if there(state) else ObjectNotFound, f"{told}, get_stream")
    lines = [] if state.data is None else [(key, len(state.data))]
    same(promise, await _listed(slot, key), lines, f"{told}, list_objects")
    found = await slot.metadata(BUCKET, key)
    if state.data is None or found is None:
        same(promise, found, None if state.data is None else state, f"{told}, metadata")
        return
    facts = Facts(found.content_type, found.content_encoding, dict(found.user_metadata))
    same(promise, (found.size, facts), (len(state.data), state.facts), f"{told}, metadata")
    if (found.expires_at_ms is not None) != state.mortal:
        broken(promise, f"{told}, expires_at_ms", expected="an instant" if state.mortal else None, got=found.expires_at_ms)
