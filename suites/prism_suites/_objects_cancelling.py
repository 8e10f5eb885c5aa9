"""Cancels one call on objects at a chosen point, and judges what it left: all of its effect or none, data and metadata alike."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken, same, value
from prism_suites._objects_asking import BUCKET, NOTHING, Given, infos
from prism_testkit.case import Case
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound, PrismError

__all__ = ["Act", "cancelled", "expect_whole_or_absent", "held", "look"]

State = tuple[object, ...] | None
"""None without the bucket; (no object,), or (data, type, encoding, user metadata, has a deadline, listed size)."""
_NONE: State = ("no object",)


def held(data: bytes, given: Given = NOTHING, *, lives: bool = False) -> State:
    """Return the state of an object that is there."""
    said = tuple(sorted(given.user_metadata.items()))
    return data, given.content_type, given.content_encoding, said, lives, len(data)


@dataclass(frozen=True, slots=True)
class Act:
    """One call: how to bring about the state before it, the call, the states before and after, and what it returns."""

    prepare: Callable[[Any], Awaitable[Any]]
    call: Callable[[Any], Awaitable[Any]]
    before: State
    after: State
    answer: Callable[[Any], bool] = lambda got: True


async def look(slot: Any, key: str = "k") -> State:
    """Return the state of an object, as three methods tell it."""
    try:
        data = await slot.get(BUCKET, key)
        known = await slot.metadata(BUCKET, key)
        sizes = [line.size for line in await infos(slot) if line.key == key]
    except BucketNotFound:
        return None
    if data is None and known is None and not sizes:
        return _NONE
    if known is None:
        return data, "no metadata", None, None, None, *sizes
    said = tuple(sorted(known.user_metadata.items()))
    return data, known.content_type, known.content_encoding, said, known.expires_at_ms is not None, *sizes


async def cancelled(case: Case, slot: Any, act: Act, point: int | float) -> tuple[bool, Any]:
    """Make the call and cancel it at ``point``: so many turns, or a part of its time; return whether it ended, and its answer.

    An error of the contract counts as cancelled: some clients can only say that they do not know.
    """
    seconds = 0.0
    if isinstance(point, float):
        began_s = case.clock.now_s()
        with contextlib.suppress(Conflict):
            await act.call(slot)
        seconds = (case.clock.now_s() - began_s) * point
        await act.prepare(slot)
    task = asyncio.ensure_future(act.call(slot))
    if isinstance(point, float):
        await asyncio.sleep(seconds)
    else:
        for _ in range(point):
            await asyncio.sleep(0)
    task.cancel()
    try:
        return True, await task
    except (asyncio.CancelledError, PrismError):
        return False, None


async def _judge_left(promise: str, slot: Any, act: Act, ended: bool) -> None:
    """Judge what was left. The effect may come late, but never goes again once it was seen."""
    landed = ended
    for _ in range(2):
        wrong: tuple[str, object, object] | None = None
        for _ in range(3):  # what comes while we look may be seen in part; what is still in part later is
            state = await look(slot)
            allowed = [act.after] if landed else [act.before, act.after]
            landed = landed or state == act.after != act.before
            if state in allowed:
                wrong = None
                break
            sentence = "what a call did has gone again, or never came" if landed else "a cancelled call left a part of its effect"
            wrong = sentence, _tell(allowed), _tell([state])
        if wrong is not None:
            broken(promise, wrong[0], expected=wrong[1], got=wrong[2])


def _tell(states: Iterable[State]) -> str:
    return " or ".join(_short(state) for state in states)


def _short(state: State) -> str:
    if state is None:
        return "no bucket"
    parts = (f"{len(part)} bytes {bytes(part[:12])!r}" if isinstance(part, bytes) else repr(part) for part in state)
    return f"({', '.join(parts)})"


async def expect_whole_or_absent(promise: str, store: Any, case: Case, act: Act, point: int | float) -> None:
    """Cancel one call at one point, and judge what it left and whether everything goes on."""
    await act.prepare(store)
    await store.create_bucket("aside")
    await store.put("aside", "other", b"not yours", content_type="a/b")
    case.overlap()
    ended, answer = await cancelled(case, store, act, point)
    got = await store.get("aside", "other")
    value(promise, got, b"not yours", "the next call after a cancelled one was given another answer than its own")
    if ended and not act.answer(answer):
        broken(promise, "a call that was to be cancelled ended with a wrong answer", got=answer)
    await _judge_left(promise, store, act, ended)
    await _goes_on(promise, store, act)


async def _goes_on(promise: str, store: Any, act: Act) -> None:
    """Judge that the object can be written, and that the next call of its kind works; the cancelled one may still come late."""
    await store.create_bucket(BUCKET)
    late = () if act.after in (None, _NONE) or act.after is None else (act.after[0],)
    gone = act.after in (None, _NONE)
    with contextlib.suppress(BucketNotFound):
        await store.put(BUCKET, "k", b"again", content_type="again/a")
        got = await store.get(BUCKET, "k")
        if got != b"again" and got not in late and not (gone and got is None):
            broken(promise, "after a cancelled call a new object is not kept", expected=b"again", got=got)
        await store.put(BUCKET, "fresh", b"fresh")
        fresh = await store.get(BUCKET, "fresh")
        if not gone or fresh is not None:
            value(promise, fresh, b"fresh", "after a cancelled call another new object is not kept")
        keys = {line.key for line in await infos(store)}
        same(promise, keys <= {"k", "fresh"}, True, f"after a cancelled call other things are listed: {sorted(keys)[:5]}")
    await act.prepare(store)
    with contextlib.suppress(Conflict, BucketNotFound, ObjectNotFound):
        await act.call(store)
        state = await look(store)
        if state != act.after:
            sentence = "the same call, made again after a cancelled one, has no effect, or another"
            broken(promise, sentence, expected=_short(act.after), got=_short(state))
