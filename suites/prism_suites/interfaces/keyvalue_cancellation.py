"""Cancelled calls: the effect whole or absent, the driver usable, and what other calls are told not touched by it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from prism_suites._cancelling import (
    LONG_S,
    Act,
    State,
    cancelled,
    expect_whole_or_absent,
    judge_answer,
    judge_left,
    points,
    prepare,
)
from prism_suites._judging import same, value
from prism_suites._keyvalue_retrying import transacted
from prism_suites._keyvalue_working import works
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    Conflict,
    KeyValueBasic,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransactional,
    KeyValueTtl,
)
from prism_testkit.traits import Limits

_OLD: State = (b"old" * 20, False)
_LIVING: State = (_OLD[0], True)
_NONE: State = (None, False)
_ITEMS = tuple(f"b{number}" for number in range(5))


def _long(limits: Limits) -> bytes:
    return b"new;" * (min(limits.max_payload, 100_000) // 4)


async def _transact(kv: Any, new: bytes) -> None:
    async with kv.transaction() as transaction:
        await transaction.set("k", new)
        await transaction.delete("gone")
        await transaction.set("fresh", new)


_PARTS = (0.5, 0.75, 0.9, *range(-8, 0))
"""When to cancel a call that waits for others: at a part of the turns that it takes, or so many before it ends, as it commits."""
_Maker = Callable[[bytes], Act]
_BASIC: dict[str, _Maker] = {
    "set of a missing key": lambda new: Act(lambda kv: kv.set("k", new), {"k": _NONE}, {"k": (new, False)}),
    "set of a present key": lambda new: Act(lambda kv: kv.set("k", new), {"k": _OLD}, {"k": (new, False)}),
    "delete": lambda new: Act(lambda kv: kv.delete("k"), {"k": _OLD}, {"k": _NONE}, True),
    "get": lambda new: Act(lambda kv: kv.get("k"), {"k": (new, False)}, {}, new),
    "exists": lambda new: Act(lambda kv: kv.exists("k"), {"k": _OLD}, {}, True),
}
_TTL: dict[str, _Maker] = {
    "set_with_ttl, missing": lambda new: Act(lambda kv: kv.set_with_ttl("k", new, LONG_S), {"k": _NONE}, {"k": (new, True)}),
    "set_with_ttl, present": lambda new: Act(lambda kv: kv.set_with_ttl("k", new, LONG_S), {"k": _OLD}, {"k": (new, True)}),
    "set of one with a life": lambda new: Act(lambda kv: kv.set("k", new), {"k": _LIVING}, {"k": (new, False)}),
    "expire": lambda new: Act(lambda kv: kv.expire("k", LONG_S), {"k": _OLD}, {"k": _LIVING}, True),
    "expire at once": lambda new: Act(lambda kv: kv.expire("k", 0), {"k": _OLD}, {"k": _NONE}, True),
    "persist": lambda new: Act(lambda kv: kv.persist("k"), {"k": _LIVING}, {"k": _OLD}, True),
}
_CAS: dict[str, _Maker] = {
    "swap": lambda new: Act(lambda kv: kv.compare_and_swap("k", _OLD[0], new), {"k": _OLD}, {"k": (new, False)}, True),
    "create": lambda new: Act(lambda kv: kv.compare_and_swap("k", None, new), {"k": _NONE}, {"k": (new, False)}, True),
    "compare_and_delete": lambda new: Act(lambda kv: kv.compare_and_delete("k", _OLD[0]), {"k": _OLD}, {"k": _NONE}, True),
}
_BATCH: dict[str, _Maker] = {
    "batch_set": lambda new: Act(
        lambda kv: kv.batch_set(dict.fromkeys(_ITEMS, new)),
        {key: _OLD if number % 2 else _NONE for number, key in enumerate(_ITEMS)},
        dict.fromkeys(_ITEMS, (new, False)),
    ),
    "batch_delete": lambda new: Act(
        lambda kv: kv.batch_delete(list(_ITEMS)), dict.fromkeys(_ITEMS, _OLD), dict.fromkeys(_ITEMS, _NONE), len(_ITEMS)
    ),
    "batch_get": lambda new: Act(
        lambda kv: kv.batch_get(list(_ITEMS)), dict.fromkeys(_ITEMS, _OLD), {}, dict.fromkeys(_ITEMS, _OLD[0])
    ),
}
_TRANSACTION: dict[str, _Maker] = {
    "transaction": lambda new: Act(
        lambda kv: _transact(kv, new),
        {"k": _OLD, "gone": _OLD, "fresh": _NONE},
        {"k": (new, False), "gone": _NONE, "fresh": (new, False)},
        whole=True,
    ),
}


@check("keyvalue_basic.11")
@gauntlet(points(_BASIC))
async def a_cancelled_call_is_whole_or_absent(kv: KeyValueBasic, case: Case, kind: str, point: float) -> None:
    """A call that is cancelled at any point leaves all of its effect or none, and the driver usable (G-9)."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _BASIC[kind](_long(case.limits)), point)


@check("keyvalue_basic.11")
@gauntlet(points(_TTL))
async def a_cancelled_life_is_whole_or_absent(kv: KeyValueTtl, case: Case, kind: str, point: float) -> None:
    """A cancelled write with a time to live leaves value and deadline together, or neither."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _TTL[kind](_long(case.limits)), point)


@check("keyvalue_basic.11")
@gauntlet(points(_CAS))
async def a_cancelled_swap_is_whole_or_absent(kv: KeyValueCas, case: Case, kind: str, point: float) -> None:
    """A swap that is cancelled at any point took place or did not."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _CAS[kind](_long(case.limits)), point)


@check("keyvalue_batch.6")
@gauntlet(points(_BATCH))
async def a_cancelled_batch_has_each_item_whole_or_absent(kv: KeyValueBatch, case: Case, kind: str, point: float) -> None:
    """Of a batch that is cancelled at any point each item is there as a whole, or not at all."""
    await expect_whole_or_absent("keyvalue_batch.6", kv, case, _BATCH[kind](_long(case.limits)), point)


@check("keyvalue_transactional.1")
@gauntlet(points(_TRANSACTION))
async def a_cancelled_commit_is_whole_or_absent(kv: KeyValueTransactional, case: Case, kind: str, point: float) -> None:
    """A transaction that is cancelled at any point, in the commit too, leaves all of its writes or none."""
    await expect_whole_or_absent("keyvalue_transactional.1", kv, case, _TRANSACTION[kind](_long(case.limits)), point)


_TURNS_BEFORE_THE_END = {130: (-1, -2, -3, -4, -6, -11, 0.9), 520: (-1, -3, 0.95), 1100: (-1, -2, 0.98)}
"""For so many keys."""


@check("keyvalue_transactional.1")
@gauntlet(lambda limits: [{"count": count, "point": point} for count, points in _TURNS_BEFORE_THE_END.items() for point in points])
async def a_cancelled_commit_of_many_is_whole_or_absent(kv: KeyValueTransactional, case: Case, count: int, point: float) -> None:
    """A store may commit by portions: what is cancelled between two of them, near its end, leaves all of its writes or none."""
    if case.server and count > 130:
        return
    names = [f"many{number}" for number in range(count)]

    async def commit(kv: Any) -> None:
        async with kv.transaction() as transaction:
            for name in names:
                await transaction.set(name, b"new")

    ends = (names[0], names[1], names[count // 2], names[-1])
    act = Act(commit, dict.fromkeys(ends, _OLD), dict.fromkeys(ends, (b"new", False)), whole=True)
    await expect_whole_or_absent("keyvalue_transactional.1", kv, case, act, point, by_turns=True)


@check("keyvalue_basic.11", "keyvalue_transactional.1")
@gauntlet(lambda limits: [{"part": part} for part in _PARTS])
async def a_commit_that_is_cancelled_while_it_waits_keeps_nothing(kv: KeyValueTransactional, case: Case, part: float) -> None:
    """A transaction that is cancelled while others are at its keys gives back what it has in hand (G-9)."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _TRANSACTION["transaction"](b"new"), part, busy=True)


@check("keyvalue_basic.11", "keyvalue_batch.6")
@gauntlet(lambda limits: [{"part": part} for part in _PARTS[::2]])
async def a_batch_that_is_cancelled_while_it_waits_keeps_nothing(kv: KeyValueBatch, case: Case, part: float) -> None:
    """So does a batch."""
    await expect_whole_or_absent("keyvalue_basic.11", kv, case, _BATCH["batch_set"](b"new"), part, busy=True)


@check("keyvalue_transactional.2")
@gauntlet(lambda limits: [{"turns": turns} for turns in (1, 3, 10)])
async def a_transaction_cancelled_inside_is_discarded(kv: KeyValueTransactional, case: Case, turns: int) -> None:
    """Cancelling the body discards every write, comes out unchanged, and holds nobody up afterwards (KV-31)."""
    await kv.set("a", b"old")
    came_out: list[str] = []

    async def body() -> None:
        try:
            async with kv.transaction() as transaction:
                await transaction.get("a")
                await transaction.set("a", b"new")
                await transaction.delete("a")
                await transaction.set("b", b"new")
                inside.set()
                await asyncio.Event().wait()
        except BaseException as error:
            came_out.append(type(error).__name__)
            raise

    inside = asyncio.Event()
    task = asyncio.ensure_future(body())
    if not await _reached(inside, task):
        case.inconclusive("the transaction ended before it could be cancelled")
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    same("keyvalue_transactional.2", came_out, ["CancelledError"], "a cancelled transaction does not pass the cancellation on")
    value("keyvalue_transactional.2", await kv.get("a"), b"old", "a write of a cancelled transaction was applied")
    value("keyvalue_transactional.2", await kv.get("b"), None, "a write of a cancelled transaction was applied")
    await kv.set("a", b"plain")
    value("keyvalue_transactional.2", await kv.get("a"), b"plain", "after a cancelled transaction a plain set is not seen")
    await transacted(kv, lambda transaction: transaction.set("b", b"next"))
    value("keyvalue_transactional.2", await kv.get("b"), b"next", "after a cancelled transaction the next one has no effect")


@check("keyvalue_basic.11")
@gauntlet(lambda limits: [{"kind": kind} for kind in _BASIC])
async def a_call_whose_time_is_up_is_whole_or_absent(kv: KeyValueBasic, case: Case, kind: str) -> None:
    """A call inside a timeout of nought leaves all or nothing (KV-59)."""
    act = _BASIC[kind](_long(case.limits))
    await prepare(kv, act.before)
    ended, answer = False, None
    try:
        async with asyncio.timeout(0):
            answer = await act.call(kv)
            ended = True
    except TimeoutError:
        pass
    if ended:
        judge_answer("keyvalue_basic.11", answer, act.answer)
    await judge_left("keyvalue_basic.11", kv, act, ended)


@check("keyvalue_basic.11")
@gauntlet(lambda limits: [{"point": point} for point in range(1, 9)])
async def other_calls_are_not_touched_by_a_cancelled_one(kv: KeyValueBasic, case: Case, point: int) -> None:
    """Of many calls at once on one client some are cancelled, those that were about to begin too; the others get their own
    answers."""
    names = [f"n{number}" for number in range(24)]
    await together(*(kv.set(name, name.encode() * 9) for name in names))
    for first in range(3):
        tasks = [asyncio.ensure_future(kv.get(name)) for name in names]
        for _ in range(point):
            await asyncio.sleep(0)
        for task in tasks[first::3]:
            task.cancel()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        for number, (name, got) in enumerate(zip(names, told, strict=True)):
            if isinstance(got, BaseException) and number % 3 == first:
                continue
            same(
                "keyvalue_basic.11", got, name.encode() * 9, f"get({name!r}), while others were cancelled, was given another answer"
            )
    told = await together(*(kv.get(name) for name in names))
    same("keyvalue_basic.11", told, [name.encode() * 9 for name in names], "after cancelled calls, calls get answers of others")


_TURNS = 4
"""Points in turns: each comes so often that what holds ten things, or sixteen, runs out of them."""


def _often(kinds: dict[str, _Maker], most: tuple[str, ...] = ()) -> Callable[[Limits], list[dict[str, Any]]]:
    return lambda limits: [{"kind": kind, "times": 200 if kind in most else 16 * _TURNS} for kind in kinds]


@check("keyvalue_basic.11")
@gauntlet(_often(_BASIC, ("set of a present key", "get", "delete")))
async def many_cancelled_calls_use_nothing_up(kv: KeyValueBasic, case: Case, kind: str, times: int) -> None:
    """After many cancelled calls in a row connections, slots and locks are all there again (G-9)."""
    await _exhaust("keyvalue_basic.11", case, _BASIC[kind](b"new"), times, range(2, 2 + _TURNS))


@check("keyvalue_basic.11")
@gauntlet(_often(_TTL))
async def many_cancelled_lives_use_nothing_up(kv: KeyValueTtl, case: Case, kind: str, times: int) -> None:
    """Nor do calls with times to live."""
    await _exhaust("keyvalue_basic.11", case, _TTL[kind](b"new"), times, range(2, 2 + _TURNS))


@check("keyvalue_basic.11")
@gauntlet(_often(_CAS))
async def many_cancelled_swaps_use_nothing_up(kv: KeyValueCas, case: Case, kind: str, times: int) -> None:
    """Nor do swaps."""
    await _exhaust("keyvalue_basic.11", case, _CAS[kind](b"new"), times, range(2, 2 + _TURNS))


@check("keyvalue_batch.6")
@gauntlet(_often(_BATCH))
async def many_cancelled_batches_use_nothing_up(kv: KeyValueBatch, case: Case, kind: str, times: int) -> None:
    """Nor do batches."""
    await _exhaust("keyvalue_batch.6", case, _BATCH[kind](b"new"), times, range(2, 2 + _TURNS))


@check("keyvalue_transactional.2")
@gauntlet(lambda limits: [{"times": 100}])
async def many_cancelled_transactions_use_nothing_up(kv: KeyValueTransactional, case: Case, times: int) -> None:
    """After many cancelled transactions in a row what they were given is all there again."""
    act = _TRANSACTION["transaction"](b"new")
    await _exhaust("keyvalue_transactional.2", case, act, times, range(2, 12))
    for _ in range(8):
        await transacted(kv, lambda transaction: transaction.set("t", b"value"))
    value("keyvalue_transactional.2", await kv.get("t"), b"value", "after many cancelled transactions a commit has no effect")


async def _exhaust(promise: str, case: Case, act: Act, times: int, points: Sequence[int]) -> None:
    case.overlap()
    whole = await case.whole()
    await prepare(whole, act.before)
    for number in range(times):
        await cancelled(case, whole, act, points[number % len(points)])
    await prepare(whole, act.before)
    with contextlib.suppress(Conflict):
        await act.call(whole)
    names = [f"n{number}" for number in range(60)]
    await together(*(whole.set(name, name.encode()) for name in names))
    told = await together(*(whole.get(name) for name in names))
    same(promise, told, [name.encode() for name in names], f"after {times} cancelled calls, calls are answered wrongly")
    await works(promise, whole, f"after {times} cancelled calls")


@check("keyvalue_scan.7")
@gauntlet(
    lambda limits: [
        {"method": method, "end": end, "point": point}
        for method in ("scan", "scan_keys")
        for end, points in (("break", (1, 40)), ("cancel", (1, 2, 3, 5, 9, 30)), ("cancel waiting", (1, 40)))
        for point in points
    ]
)
async def a_scan_that_is_left_changes_nothing(kv: KeyValueScan, case: Case, method: str, end: str, point: int) -> None:
    """A scan that is left by ``break`` or cancelled, before or between two steps, leaves the driver usable."""
    names = {f"n{number:03}" for number in range(60)}
    await together(*(kv.set(name, b"v") for name in names))
    case.overlap()
    reached = asyncio.Event()

    async def iterate() -> None:
        given = 0
        async for _ in getattr(kv, method)():
            given += 1
            if end == "break" and given == point:
                break
            if end == "cancel waiting" and given == point:
                reached.set()
                await asyncio.Event().wait()

    task = asyncio.ensure_future(iterate())
    if end == "cancel waiting":
        await _reached(reached, task)
    for _ in range(point if end == "cancel" else 0):
        await asyncio.sleep(0)
    if end != "break":
        task.cancel()
    ended = (await asyncio.gather(task, return_exceptions=True))[0]
    if isinstance(ended, Exception):
        raise ended
    same("keyvalue_scan.7", {key async for key in kv.scan_keys()}, names, "after a scan that was left, a scan gives other keys")
    value("keyvalue_scan.7", await kv.get("n000"), b"v", "after a scan that was left, a get is answered wrongly")
    await kv.set("more", b"v")
    same("keyvalue_scan.7", await kv.count(), len(names) + 1, "after a scan that was left, a count is wrong")


async def _reached(event: asyncio.Event, task: "asyncio.Task[Any]") -> bool:
    """Wait until a task has set an event, or ended without."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return event.is_set() and not task.done()
