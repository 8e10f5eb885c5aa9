"""A few calls on one key at once, and whether some order of them explains every answer and what is there in the end.

Each call takes effect at one instant between its start and its return. So there must be an order, in which what returned before
another began comes first, that gives each answer and the final state: linearizability (Herlihy and Wing, 1990), by trying all
orders, for the calls are few.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_looks import LOOKS, seconds_left
from prism_testkit.case import Case

__all__ = ["OFFSETS", "Actor", "State", "expect_some_order", "race"]

Op = tuple[Any, ...]
"""(method, arguments after the key...); ("look", name) is one of `LOOKS` that writes nothing, whose answer is not judged."""
State = tuple[bytes, float | None] | None
"""(value, seconds given or None); None is missing. Seconds are orders of magnitude apart, so that nobody takes one for another."""

OFFSETS = ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 0), (0, 4), (4, 0))
"""By how many turns of the loop each of two actors waits before its first call."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One task: calls in a row on one client, after ``wait`` turns of the loop."""

    client: Any
    calls: Sequence[Op]
    wait: int = 0


@dataclass(frozen=True, slots=True)
class _Done:
    call: Op
    answer: object
    start: int
    end: int


async def race(case: Case, actors: Sequence[Actor], key: str) -> list[_Done]:
    """Let the actors go at once; return what each call said, with the number of events before its start and at its end."""
    done: list[_Done] = []

    async def act(actor: Actor) -> None:
        for _ in range(actor.wait):
            await asyncio.sleep(0)
        for call in actor.calls:
            start = len(case.history)
            answer = await _made(actor.client, key, call)
            done.append(_Done(call, answer, start, len(case.history)))

    async with asyncio.TaskGroup() as group:
        for actor in actors:
            group.create_task(act(actor))
    return done


async def _made(client: Any, key: str, call: Op) -> object:
    method, *arguments = call
    if method == "ttl":
        return await seconds_left(client, key)
    if method == "batch_delete":
        return bool(await client.batch_delete([key]))
    if method == "look":
        await LOOKS[arguments[0]].run(client, key, b"")
        return None
    return await getattr(client, method)(key, *arguments)


async def expect_some_order(
    case: Case, kv: Any, actors: Sequence[Actor], *, before: State, promise: str, sentence: str, key: str = "k", ttls: bool = False
) -> None:
    """Race, look, and break ``promise`` if no order of the calls explains it; ``before`` is the state at the start.

    ``ttls``: the store knows deadlines, so the final look asks for the seconds left too.
    """
    done = await race(case, actors, key)
    for look in (("get",), ("ttl",)) if ttls else (("get",),):
        start = len(case.history)
        answer = await _made(kv, key, look)
        done.append(_Done(look, answer, start, len(case.history)))
    if not _explained(before, tuple(done)):
        told = [f"{call.call[0]}: {_short(call.answer)}" for call in done]
        broken(promise, sentence, expected="some order of the calls gives these answers", got=told)


def _short(answer: object) -> str:
    return repr(answer if not isinstance(answer, bytes) else answer[:20])


def _explained(state: State, left: tuple[_Done, ...]) -> bool:
    """Say whether the calls left can have taken effect one after the other from this state."""
    if not left:
        return True
    for number, call in enumerate(left):
        rest = left[:number] + left[number + 1 :]
        if any(other.end <= call.start for other in rest):
            continue
        after, answer = _applied(state, call.call)
        if _matches(call, answer) and _explained(after, rest):
            return True
    return False


def _matches(done: _Done, answer: object) -> bool:
    got = done.answer
    if done.call[0] == "ttl" and isinstance(answer, float):
        return isinstance(got, int | float) and not isinstance(got, bool) and answer / 2 < got < answer * 2
    return got == answer


def _applied(state: State, call: Op) -> tuple[State, object]:
    """Return the state after a call, and its answer."""
    method, *arguments = call
    if method == "set":
        return (arguments[0], None), None
    if method == "set_with_ttl":
        return (arguments[0], arguments[1]), None
    if method == "compare_and_swap":
        same = (None if state is None else state[0]) == arguments[0]
        return ((arguments[1], None) if same else state), same
    if method == "look":
        return state, None
    if state is None:
        return None, {"get": None, "ttl": "NotFound"}.get(method, False)
    held, life = state
    if method == "expire":
        return (held, arguments[0]), True
    if method == "persist":
        return (held, None), life is not None
    if method in ("delete", "batch_delete"):
        return None, True
    if method == "compare_and_delete":
        return (None, True) if held == arguments[0] else (state, False)
    return state, {"get": held, "exists": True, "ttl": life}[method]
