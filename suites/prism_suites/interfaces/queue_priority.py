"""queue_priority: the highest comes first, and among equals the first."""

import asyncio
import math
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Protocol

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._queue_leases import is_available, lease
from prism_suites._queue_shared import BAD_HEADERS, headers_gauntlet, is_second
from prism_suites._queue_taking import HELD_S, Put, drained, empty, is_message, take
from prism_suites._queue_times import Times
from prism_suites._racing import clients, together
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PayloadTooLarge, QueueBasic, QueueMessage, QueuePriority, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.strategies import over, patterned
from prism_testkit.tap import offers


class PriorityAndBasic(QueuePriority, QueueBasic, Protocol):
    """Priorities, and plain takes."""


class PriorityAndVisibility(QueuePriority, QueueVisibility, Protocol):
    """Priorities, and leases."""


Prioritised = PriorityAndBasic | PriorityAndVisibility


async def _put(slot: Any, payload: bytes, priority: int | None, queue: str = "q") -> Put:
    """Enqueue with a priority, or plainly."""
    if priority is None:
        return Put(await slot.enqueue(queue, payload), payload, {})
    return Put(
        await slot.enqueue_with_priority(queue, payload, {"p": f"{priority:d}"}, priority=priority), payload, {"p": f"{priority:d}"}
    )


def _sorted(puts: Sequence[tuple[int | None, Put]]) -> list[Put]:
    return [put for _, put in sorted(puts, key=lambda pair: -(pair[0] or 0))]


async def _drains(slot: Any, puts: Sequence[tuple[int | None, Put]], story: str, queue: str = "q") -> None:
    for put in _sorted(puts):
        shown = await slot.peek(queue) if offers(slot, QueueBasic) else None
        got = await take(slot, queue)
        if not isinstance(got, QueueMessage):
            broken("queue_priority.4", f"a message with a priority is never given ({story})", expected=put, got=got)
        if got.id != put.id:
            broken("queue_priority.1", f"a take does not give the first of the highest priority ({story})", expected=put, got=got)
        is_message("queue_priority.4", got, put, f"a message with a priority is not given as it was enqueued ({story})")
        if offers(slot, QueueBasic):
            is_message("queue_basic.5", shown, put, f"peek does not show the message of the highest priority ({story})")
    await empty(slot, queue, "queue_priority.4", f"a message with a priority is given twice ({story})")


class _Rank(IntEnum):
    """Priorities as an application names them."""

    LOWEST, LOWER, LOW, USUAL, MORE, MUCH, HIGH, HIGHER, URGENT, HIGHEST = range(10)


_AS: tuple[Callable[[int | None], int | None], ...] = (
    lambda priority: priority,
    lambda priority: None if priority is None else _Rank(priority),
)
_ORDERS: tuple[tuple[int | None, ...], ...] = (
    tuple(range(10)),
    tuple(range(9, -1, -1)),
    (0, 9, 1, 8, 2, 7, 3, 6, 4, 5),
    (*range(10), *range(10), *range(10)),
    (5,) * 12,
    (None, 0, None, 0),
    (0, None, 1, None, 0, 9, None),
    (9, 9, 0, 0, 9, 9, 0, 0),
    (4, 5, 4, 5, 4, 5),
    (1, 0, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9, 8),
    (0,) * 110 + (1,) + (0,) * 20 + (9, 9),
)

_BETWEEN = 1100
"""More than a thousand, which is as much as somebody may think that one step of priority is worth."""


@check("queue_priority.1", "queue_priority.2", "queue_priority.4")
@gauntlet(lambda limits: [{"priorities": priorities, "two": number % 2 == 0} for number, priorities in enumerate(_ORDERS)])
@given(priorities=st.lists(st.sampled_from([None, *range(10)]), min_size=1, max_size=30).map(tuple), two=st.booleans())
async def the_highest_comes_first(queue: Prioritised, case: Case, priorities: tuple[int | None, ...], two: bool) -> None:
    """Takes give the highest priority, among equals the first enqueued; a plain enqueue is one of 0 (Q-19)."""
    if len(priorities) > 30 and await is_second(queue, case):
        return
    slots = (queue, await case.client()) if two else (queue, queue)
    puts = []
    for number, priority in enumerate(priorities):
        with law("queue_priority.2"):
            puts.append((priority, await _put(slots[number % 2], b"%d" % number, _AS[number % len(_AS)](priority))))
        if number == len(priorities) // 2 and case.clock.virtual:
            await case.advance(100_000.0)  # waiting raises no priority
    await _drains(slots[1], puts, f"{len(puts)} messages")


@check("queue_priority.1")
async def the_highest_comes_first_however_late(queue: Prioritised, case: Case) -> None:
    """One step of priority goes before what was enqueued a thousand messages earlier, be they in other queues (Q-19)."""
    if await is_second(queue, case):
        return
    low = (0, await _put(queue, b"low", 0))
    case.overlap()
    await together(*(queue.enqueue_with_priority("beside", b"", priority=number % 10) for number in range(_BETWEEN)))
    high = (1, await _put(queue, b"high", 1))
    await _drains(queue, [low, high], f"{_BETWEEN} messages later")


@check("queue_priority.1")
@gauntlet(
    lambda limits: [{"script": script} for script in ("0d1d", "012dd9dd", "55d5d5d9dd", "90d90d90ddd", "123d321d456dddddd", "d0d")]
)
@given(script=st.text("0123456789ddddp", min_size=2, max_size=30))
async def what_comes_later_may_go_first(queue: Prioritised, case: Case, script: str) -> None:
    """After each enqueue and each take the next take gives the highest that is there (Q-19)."""
    slots, held = (queue, await case.client()), list[tuple[int | None, Put]]()
    for number, step in enumerate(script):
        if step.isdigit():
            held.append((int(step), await _put(slots[number % 2], b"%d" % number, int(step))))
            continue
        if step == "p":
            continue
        got = await take(slots[number // 2 % 2], "q")
        wanted = _sorted(held)[0] if held else None
        same("queue_priority.1", got and got.id, wanted and wanted.id, "a take does not give the first of the highest priority")
        held = [pair for pair in held if pair[1] is not wanted]
    await _drains(queue, held, "at the end")


@check("queue_priority.1", "queue_priority.4")
async def priority_has_a_default(queue: Prioritised) -> None:
    """Without a priority it is 0; all arguments may be given by name, headers left out."""
    with law("queue_priority.4"):
        first = await queue.enqueue_with_priority("q", b"first")
        high = await queue.enqueue_with_priority(queue="q", payload=b"high", headers=None, priority=1)
        second = await queue.enqueue("q", b"second")
        third = await queue.enqueue_with_priority("q", b"third", {"a": "b"})
    got = [message.id for message in await drained(queue, "q")]
    same("queue_priority.1", got, [high, first, second, third], "a message without a priority is not one of priority 0")


_NO_INTS: tuple[Any, ...] = ("5", None, 5.0, 5.5, b"5", [5], math.nan, "high", 1 + 0j)


@check("queue_priority.2")
@gauntlet(
    lambda limits: [
        *({"priority": priority, "error": "ValueError"} for priority in (-1, 10, 11, 100, -9, 2**31, -(2**63), 2**64)),
        *({"priority": priority, "error": "TypeError"} for priority in _NO_INTS),
    ]
)
async def what_is_no_priority_is_refused(queue: Prioritised, priority: Any, error: str) -> None:
    """A number that is not from 0 to 9 raises ``ValueError``, what is no int ``TypeError``, before any effect."""
    kinds = ValueError if error == "ValueError" else TypeError
    before = (0, await _put(queue, b"before", 0))
    for name in ("q", "fresh"):
        call = queue.enqueue_with_priority(name, b"x", priority=priority)
        await refused("queue_priority.2", call, kinds, f"a priority of {priority!r} is not refused by {error}")
    await empty(queue, "fresh", "queue_priority.2", "a refused priority left a message")
    await _drains(queue, [before], "after a refused priority")


@check("queue_priority.3", "queue_priority.1")
@gauntlet(
    lambda limits: [
        {"ending": ending, "times_": count}
        for ending in ("release", "deadline", "extended, release", "extended, deadline")
        for count in (1, 3)
    ]
)
async def what_comes_again_keeps_its_priority(queue: PriorityAndVisibility, case: Case, ending: str, times_: int) -> None:
    """After a release or a deadline a message goes before all of lower priority, and behind the higher (Q-19)."""
    if ending.endswith("deadline") and not case.clock.virtual:
        return
    times, other = Times(case), await case.client()
    puts = {priority: await _put(queue, b"%d" % priority, priority) for priority in (5, 9, 0, 7)}
    await times.move(5_000_000.0)
    for attempt in range(1, times_ + 1):
        held = [
            await lease(times, queue, "q", puts[priority], 2000.0, attempt=attempt, promise="queue_priority.3")
            for priority in ((9, 7) if times_ == 1 else (9, 7, 5, 0))
        ]
        for item in held if ending.startswith("extended") else ():
            _, now = await times.during(queue.extend(item.lease, 3000.0))
            item.deadline = now.after(3000.0)
        for item in held:
            if ending.endswith("release"):
                await other.release(item.lease)
            else:
                await times.past(item.deadline)
    mid = await _put(other, b"mid", 8)
    low = 1 if times_ == 1 else times_ + 1
    for put, attempt in ((puts[9], times_ + 1), (mid, 1), (puts[7], times_ + 1), (puts[5], low), (puts[0], low)):
        got: Any = await other.receive("q", HELD_S)
        is_message(
            "queue_priority.3", got and got.message, put, f"after a {ending} a message does not have the priority that it had"
        )
        same("queue_priority.3", got.attempt, attempt, "a message with a priority does not count its deliveries")
        await queue.ack(got)


@check("queue_priority.4")
@gauntlet(headers_gauntlet)
async def contents_are_kept(queue: Prioritised, case: Case, headers: dict[str, str]) -> None:
    """Payload, headers and id of a message with a priority are those of its enqueue (Q-28)."""
    puts = []
    payloads: tuple[bytes | bytearray, ...] = (
        b"",
        b"\x00\xff\n",
        patterned(min(5000, case.limits.max_payload)),
        bytearray(b"buffer"),
    )
    for number, payload in enumerate(payloads):
        identity = await queue.enqueue_with_priority("q", payload, headers, priority=9 - number)
        puts.append(Put(identity, bytes(payload), headers))
    for put in puts:
        is_message("queue_priority.4", await take(queue, "q"), put, "a message with a priority is not given as it was enqueued")


@check("queue_priority.4")
async def refusals_are_those_of_an_enqueue(queue: Prioritised, case: Case) -> None:
    """Names, payloads and headers that are illegal are refused, at the limit nothing is; buffers are copied; nothing aliases."""
    limit = case.limits.max_payload
    for name, _ in bad_names(case.limits.max_name)[::3]:
        await refused(
            "queue_priority.4", queue.enqueue_with_priority(name, b"x", priority=1), InvalidName, "a bad name is not refused"
        )
    for size in over(limit)[:2]:
        call = queue.enqueue_with_priority("q", bytes(size), priority=1)
        await refused("queue_priority.4", call, PayloadTooLarge, "a payload over the limit is not refused")
    for headers, errors in BAD_HEADERS:
        call = queue.enqueue_with_priority("q", b"x", headers, priority=1)
        await refused("queue_priority.4", call, errors, "illegal headers are not refused")
    for wrong in ("text", None, 5):
        data: Any = wrong
        await refused(
            "queue_priority.4", queue.enqueue_with_priority("q", data, priority=1), TypeError, "no payload is not refused"
        )
    await empty(queue, "q", "queue_priority.4", "a refused message was enqueued")
    name, buffer = "n" * case.limits.max_name, bytearray(limit)
    put = Put(await queue.enqueue_with_priority(name, buffer, {"n": "v" * 8191}, priority=3), bytes(limit), {"n": "v" * 8191})
    buffer[:] = b"X" * limit
    sibling = await case.sibling()
    for slot, other in ((queue, name[:-1]), (queue, name[:-1] + "N"), (sibling, name)):
        await empty(slot, other, "queue_priority.4", "a message with a priority is in another queue or namespace")
    is_message("queue_priority.4", await take(queue, name), put, "the largest message with a priority is not kept")


@check("queue_priority.1", "queue_priority.4")
@gauntlet(lambda limits: [{"on": on, "turns": turns} for on in ("one", "each") for turns in (0, 1, 3)])
async def takes_at_once_skip_nothing_higher(queue: Prioritised, case: Case, on: str, turns: int) -> None:
    """A take that began after an enqueue had returned gives nothing of lower priority, also among others at once (Q-19)."""
    slots = await clients(queue, case, [0 if on == "one" else number for number in range(4)])
    low = [(1, await _put(queue, b"low-%d" % number, 1)) for number in range(12)]
    case.overlap()
    given: list[tuple[int, QueueMessage | None]] = []
    returned: list[Put] = []

    async def produce() -> None:
        for number in range(4):
            returned.append(await _put(slots[0], b"high-%d" % number, 8))
            for _ in range(turns):
                await asyncio.sleep(0)

    async def consume(slot: Any) -> None:
        for _ in range(4):
            known = len(returned)
            given.append((known, await take(slot, "q")))

    await together(produce(), *map(consume, slots[1:]))
    rest = [message.id for message in await drained(slots[-1], "q")]
    taken = [message.id for _, message in given if message is not None]
    everything = sorted(put.id for put in (*returned, *(put for _, put in low)))
    same("queue_priority.4", sorted([*taken, *rest]), everything, "takes at once lost or doubled a message")
    high = {put.id for put in returned}
    late = [identity for identity in rest if identity in high]
    for known, message in given:
        skipped = [put.id for put in returned[:known] if put.id in late]
        if message is not None and message.id not in high and skipped:
            broken(
                "queue_priority.1",
                "a take gives a lower priority, though a higher was there all the time",
                expected=skipped,
                got=message,
            )


@check("queue_priority.3", "queue_priority.1")
async def a_lease_hides_only_its_own(queue: PriorityAndVisibility, case: Case) -> None:
    """While the highest is leased the next ones are given in their order; nothing waits for it (Q-19, Q-24)."""
    times = Times(case)
    puts = {priority: await _put(queue, b"%d" % priority, priority) for priority in (2, 9, 4)}
    top = await lease(times, queue, "q", puts[9], promise="queue_priority.1")
    for priority in (4, 2):
        await queue.ack((await lease(times, queue, "q", puts[priority], promise="queue_priority.1")).lease)
    await queue.release(top.lease)
    await is_available(times, queue, top, 2, "after a release", "queue_priority.3")
