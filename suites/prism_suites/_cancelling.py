"""Cancels one call at a chosen point, and judges what it left: all of its effect or none, key by key, and a driver that works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken, truth, value
from prism_testkit.case import Case
from prism_testkit.interfaces import Conflict, KeyValueScan, KeyValueTtl, NotFound, PrismError
from prism_testkit.outcomes import Words
from prism_testkit.reports.text import show
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

__all__ = [
    "LONG_S",
    "Act",
    "State",
    "busy_with",
    "cancelled",
    "expect_whole_or_absent",
    "judge_answer",
    "judge_left",
    "judge_listed",
    "points",
    "prepare",
]

State = tuple[bytes | None, bool]
"""(value, it has a time to live)."""
LONG_S = 1e8
_LADDER: tuple[int | float, ...] = (*range(1, 15), 17, 20, 24, 0.2, 0.5, 0.8, 0.98)
_STEEP: tuple[int | float, ...] = (1, 2, 3, 5, 9, 0.5)
"""When to cancel: after so many turns of the event loop, or after a part of the time that the call takes."""
_OTHERS: dict[str, State] = {"other": (b"not yours", False)}


@dataclass(frozen=True, slots=True)
class Act:
    """One call: how to make it, the state of each key before and after it, and what it returns."""

    call: Callable[[Any], Awaitable[Any]]
    before: Mapping[str, State]
    after: Mapping[str, State] = field(default_factory=dict)
    """Of the keys that it changes."""
    answer: object = None
    whole: bool = False
    """All keys change together."""

    @property
    def wanted(self) -> dict[str, State]:
        return {**self.before, **self.after}


async def prepare(slot: Any, states: Mapping[str, State]) -> None:
    """Bring keys into a state."""
    for key, (held, lives) in states.items():
        if held is None:
            await slot.delete(key)
        elif lives:
            await slot.set_with_ttl(key, held, LONG_S)
        else:
            await slot.set(key, held)


_MANY_TURNS = 20_000
"""Of a call that does many things."""
_MOST_TURNS = 500
"""Who takes more of them waits for time to pass, and on a virtual clock it does only if nobody asks for a turn."""


async def _turns(act: Act, slot: Any, most: int) -> int | None:
    """Make the call, and return how many turns of the event loop it takes; None if it takes time."""
    task, turns = asyncio.ensure_future(act.call(slot)), 0
    while not task.done() and turns < most:
        await asyncio.sleep(0)
        turns += 1
    with contextlib.suppress(PrismError):
        await task
    return turns if turns < most else None


async def cancelled(case: Case, slot: Any, act: Act, point: int | float, *, most: int = 0) -> tuple[bool, Any]:
    """Make the call and cancel it at ``point``; return whether it ended by itself, and what it returned.

    An error of the contract counts as cancelled: some clients can only say that they do not know. A call that takes no more turns
    than ``most``, and no time, is measured in them: a part is one of the turns that the call took before, -2 two before its end.
    """
    seconds = 0.0
    if most:
        turns = await _turns(act, slot, most)
        if turns is None:
            point = point if point > 0 else 1 + point / 20
        else:
            point = max(0, turns + int(point)) if point < 0 else round(point * turns)
        await prepare(slot, act.before)
    if isinstance(point, float):
        began_s = case.clock.now_s()
        with contextlib.suppress(Conflict):
            await act.call(slot)
        seconds = (case.clock.now_s() - began_s) * point
        await prepare(slot, act.before)
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


async def look(slot: Any, key: str) -> State:
    """Return the state of a key."""
    held = await slot.get(key)
    if not offers(slot, KeyValueTtl):
        return held, False
    try:
        return held, await slot.ttl(key) is not None
    except NotFound:
        return held, False


async def judge_left(promise: str, slot: Any, act: Act, ended: bool, other: Any = None) -> None:
    """Judge what a call left that was to be cancelled. Its effect may come late, but never goes again once it was seen, be it
    by an ``other`` client."""
    landed = set(act.after) if ended else set()
    for client in (slot, slot if other is None else other):
        wrong = None
        for _ in range(3):  # what comes while we look may be seen in part; what is still in part later is
            states = {key: await look(client, key) for key in act.wanted}
            wrong = _wrong(act, states, landed)
            landed |= {key for key in act.after if states[key] == act.after[key] != act.before[key]}
            if wrong is None:
                break
        if wrong is not None:
            sentence, expected, got = wrong
            seen = "" if client is slot else " (as a client sees it that had read the key before)"
            broken(promise, sentence + seen, expected=expected, got=got)


async def judge_listed(promise: str, slot: Any, act: Act) -> None:
    """Judge that what a cancelled call left of its keys is listed as it is read: there for every method, or for none."""
    for _ in range(3):  # as above: what comes while we look may be listed and not yet read
        read = {key: held for key in act.wanted if (held := await slot.get(key)) is not None}
        listed = {key: held async for key, held in slot.scan() if key in act.wanted}
        if listed == read:
            return
    broken(promise, "after a cancelled call a scan gives something else of its keys than get does", expected=read, got=listed)


def _wrong(act: Act, states: Mapping[str, State], landed: set[str]) -> tuple[str, object, object] | None:
    """Return (sentence, expected, got) of the first key that is in no state that it may be in."""
    for key, state in states.items():
        allowed = [act.wanted[key]] if key in landed else [act.before[key], act.wanted[key]]
        if state in allowed:
            continue
        if key not in act.after:
            return f"a cancelled call changed {key!r}, which is not its own", _tell(*allowed), _tell(state)
        if key in landed:
            why = f"a call that was to be cancelled returned, or was seen to take effect, and {key!r} does not hold it"
            return why, _tell(*allowed), _tell(state)
        return f"a cancelled call left a part of its effect on {key!r}", _tell(*allowed), _tell(state)
    changing = [key for key in act.after if act.after[key] != act.before[key]]
    done = [key for key in changing if states[key] == act.after[key]]
    if act.whole and 0 < len(done) < len(changing):
        return f"a cancelled transaction took effect on {done} alone", Words(f"all of {changing}, or none"), done
    return None


def judge_answer(promise: str, answer: object, wanted: object) -> None:
    """Judge the answer of a call that ended before it could be cancelled, or in spite of it."""
    if isinstance(wanted, bytes) or wanted is None:
        value(promise, answer, wanted, "a call that was to be cancelled ended with a wrong answer")
    elif answer != wanted:
        broken(promise, "a call that was to be cancelled ended with a wrong answer", expected=wanted, got=answer)


def _tell(*states: State) -> Words:
    return Words(" or ".join(f"{show(held)}{' with a time to live' if lives else ''}" for held, lives in states))


def points(kinds: Iterable[str], *, few: bool | Collection[str] = False) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    """Return the cases of every kind of call, cancelled at every point, or at a few (all kinds, or those in ``few``)."""

    def of(kind: str) -> tuple[int | float, ...]:
        return _STEEP if (few if isinstance(few, bool) else kind in few) else _LADDER

    return lambda limits: ({"kind": kind, "point": point} for kind in kinds for point in of(kind))


@contextlib.asynccontextmanager
async def busy_with(slot: Any, keys: Iterable[str]) -> AsyncIterator[None]:
    """Read each key over and over meanwhile, in two tasks: whoever else needs one has to wait for it."""
    ended = False

    async def read(key: str) -> None:
        while not ended:
            await slot.get(key)
            await asyncio.sleep(0)

    readers = [asyncio.ensure_future(read(key)) for key in keys for _ in range(2)]
    try:
        yield
    finally:
        ended = True
        await asyncio.gather(*readers)


async def expect_whole_or_absent(
    promise: str, kv: Any, case: Case, act: Act, point: int | float, *, busy: bool = False, by_turns: bool = False
) -> None:
    """Cancel one call at one point, and judge what it left and whether everything goes on.

    ``busy``: another client reads the keys that the call changes, so that it may be waiting for one of them with others in hand.
    """
    act = Act(act.call, {**act.before, **_OTHERS}, act.after, act.answer, act.whole)
    await prepare(kv, act.before)
    case.overlap()
    other = await case.client()
    for key in act.wanted:  # what a client has seen before, it may believe afterwards
        await other.get(key)
    async with busy_with(other, act.after if busy else ()):
        ended, answer = await cancelled(case, kv, act, point, most=_MOST_TURNS if busy else _MANY_TURNS if by_turns else 0)
    value(promise, await kv.get("other"), b"not yours", "the next call after a cancelled one was given another answer than its own")
    if ended:
        judge_answer(promise, answer, act.answer)
    await judge_left(promise, kv, act, ended, other)
    if len(act.after) > 1 and offers(whole := await case.whole(), KeyValueScan):
        await judge_listed(promise, whole, act)
    for key in act.wanted:
        await kv.set(key, b"again")
        # The cancelled call may still take effect, after this one.
        late = act.wanted[key][0]
        got = await kv.get(key)
        if got not in (b"again", late):
            broken(promise, f"after a cancelled call a new value of {key!r} is not kept", expected=b"again", got=got)
    truth(promise, await kv.delete("never"), False, "after a cancelled call a delete of a missing key is answered wrongly")
    # What the cancelled call held, a lock or a connection, the next one of its kind needs; what it says depends on when both come.
    with contextlib.suppress(Conflict):
        await act.call(kv)
