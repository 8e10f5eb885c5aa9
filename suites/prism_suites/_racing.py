"""Plays scripts of several clients against each other, and judges what they were told, key by key.

A script is plain data: ``(operation, number of the key, number of a length, how many turns to wait before)``. What a script
writes is one byte over and over, another one for each step, so that every value tells who wrote it, and a mixture shows.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from hypothesis import strategies as st

from prism_suites._judging import broken
from prism_suites._racing_model import LastingModel, single_key_operations
from prism_testkit.case import Case
from prism_testkit.checkers.linearizability import check_history, explain, worst
from prism_testkit.histories import Operation
from prism_testkit.plan import Plan
from prism_testkit.strategies.schedules import plans

__all__ = ["INITIAL", "PLANS", "Call", "clients", "judge", "long_values", "offsets", "play", "rounds", "together", "written"]

Call = tuple[str, int, int, int]

INITIAL = b"\x01" * 40
"""What a key holds that is present when a race begins."""
PLANS: st.SearchStrategy[Plan] = st.just(Plan()) | plans()
"""Half of the cases come first, first served: over a real server that is where calls meet in the server itself."""
LONG_S = 1e8
"""A time to live that no race outlasts, also where every call takes its time on a virtual clock."""
_LENGTHS = (1, 40, 900, 100_000)


def written(number: int, place: int, length: int, limit: int) -> bytes:
    """Return what the ``place``-th step of script ``number`` writes; a script has at most 20 steps."""
    return bytes([2 + number * 20 + place]) * min(_LENGTHS[length], limit)


def long_values(limit: int, count: int, length: int) -> list[bytes]:
    """Return values of at most this length, each of one byte and of a length of its own: what is told of the one does not fit the
    other."""
    return [bytes([65 + number]) * (min(length, limit) * (3 - number % 3) // 3) for number in range(count)]


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Await all, each in a task of its own; when every one has ended, raise the first error."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def rounds(case: Case, most: int = 4) -> list[str]:
    """Return names to run one race on, one after another: a single one where time is virtual, for there the turns decide.

    Over a real server it is a matter of luck where calls meet, and in the first round each of them makes its connection first.
    """
    return ["s"] if case.clock.virtual else [f"s{number}" for number in range(most)]


async def clients(kv: Any, case: Case, on: Iterable[int], *, whole: bool = False) -> list[Any]:
    """Return a slot for each number: 0 is ``kv``, every other number a client of its own."""
    opened = {0: kv}
    for number in on:
        if number not in opened:
            opened[number] = await case.client(whole=whole)
    return [opened[number] for number in on]


async def play(
    case: Case,
    slots: Sequence[Any],
    present: Sequence[bool],
    scripts: Sequence[Sequence[Call]],
    *,
    overlap: bool = True,
    plan: Plan | None = None,
) -> None:
    """Set the keys that are to be present, run every script in a task of its own, then look at every key from both ends.

    Without ``overlap`` nothing runs between the effect of a call and its return, so that an effect that comes late shows. A
    ``plan`` says who goes next while the scripts run.
    """
    if overlap:
        case.overlap()
    for key, there in enumerate(present):
        if there:
            await slots[0].set(f"k{key}", INITIAL)
    if plan is not None:
        case.schedule(plan)
    await together(
        *(_perform(case, slot, number, script) for number, (slot, script) in enumerate(zip(slots, scripts, strict=True)))
    )
    case.unschedule()
    for slot, key in product({id(slot): slot for slot in (slots[0], slots[-1])}.values(), range(len(present))):
        await slot.get(f"k{key}")
        await slot.exists(f"k{key}")


async def _perform(case: Case, slot: Any, number: int, script: Sequence[Call]) -> None:
    seen: dict[str, bytes | None] = {}
    for place, (operation, key, length, turns) in enumerate(script):
        for _ in range(turns):
            await asyncio.sleep(0)
        name, value = f"k{key}", written(number, place, length, case.limits.max_payload)
        await _call(slot, operation, name, value, seen)


async def _call(slot: Any, operation: str, name: str, value: bytes, seen: dict[str, bytes | None]) -> None:
    others = [name, f"{name}-b", f"{name}-c"]
    match operation:
        case "get":
            seen[name] = await slot.get(name)
        case "set":
            await slot.set(name, value)
            seen[name] = value
        case "create":
            await slot.compare_and_swap(name, None, value)
        case "swap":
            if await slot.compare_and_swap(name, seen.get(name, INITIAL), value):
                seen[name] = value
        case "drop":
            await slot.compare_and_delete(name, seen.get(name) or INITIAL)
        case "set_with_ttl":
            await slot.set_with_ttl(name, value, LONG_S)
        case "expire":
            await slot.expire(name, LONG_S)
        case "batch_set":
            await slot.batch_set(dict.fromkeys(others, value))
        case "batch_get" | "batch_delete":
            await getattr(slot, operation)(others)
        case _:  # exists, delete, persist
            await getattr(slot, operation)(name)


def judge(case: Case, promise: str) -> None:
    """Judge every call of the case so far: values that were written, and an order of all calls that makes sense."""
    operations = list(single_key_operations(case.history.entries))
    for operation in operations:
        _judge_value(promise, operation, operations)
    verdict = worst(check_history(operations, LastingModel))
    if verdict.kind == "violation":
        broken(promise, f"no order of the calls explains what they returned. {explain(verdict, case.history.step)}")
    if verdict.kind == "undecided":
        case.inconclusive(explain(verdict))
    if not _overlapping(operations):
        case.inconclusive("no two calls on one key overlapped")


def _judge_value(promise: str, operation: Operation, operations: Sequence[Operation]) -> None:
    got = operation.output
    if operation.op != "get" or got is None:
        return
    if not isinstance(got, bytes):
        broken(promise, "a read returned something that is not bytes", expected="bytes", got=got)
    put = [value for other in operations for value in other.arguments if other.key == operation.key and isinstance(value, bytes)]
    if got in put:
        return
    if len(set(got)) > 1:
        broken(promise, "a reader saw a mixture of two values", expected=f"one of {len(put)} values, each of one byte", got=got)
    broken(promise, "a reader was given a value that nobody wrote to that key", expected=put, got=got)


def _overlapping(operations: Sequence[Operation]) -> bool:
    until: dict[str, int] = {}
    for operation in sorted(operations, key=lambda operation: operation.call):
        if operation.call < until.get(operation.key, -1):
            return True
        ret = operation.ret if operation.ret is not None else 1 << 62
        until[operation.key] = max(ret, until.get(operation.key, -1))
    return False


def offsets(
    first: Iterable[str], second: Iterable[str], present: bool, ways: Sequence[tuple[int, int]] = ((0, 0), (0, 1))
) -> Iterator[dict[str, Any]]:
    """Yield a case for each pair of operations and each number of turns by which the second begins later, with a look after.

    ``ways``: on which clients the two run; by default two tasks on one client, and two clients.
    """
    for one, other, turns, on in product(first, second, range(5), ways):
        scripts = [[(one, 0, 1, 0), ("get", 0, 0, 0)], [(other, 0, 1, turns), ("get", 0, 0, 0)]]
        yield {"present": [present], "on": on, "scripts": scripts}
