"""What must be accepted and counted: the longest delays and the shortest leases, many at once, and names like a driver's own."""

from collections.abc import Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_leases import lease
from prism_suites._queue_taking import HELD_S, BasicAndVisibility, empty, fill, take
from prism_suites._queue_times import Times
from prism_suites.interfaces.queue_delayed import Delayed, DelayedAndVisibility
from prism_suites.interfaces.queue_priority import Prioritised
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.traits import Limits

_WORDS = (
    "dead",
    "dlq",
    "dead-letter",
    "delayed",
    "scheduled",
    "leased",
    "processing",
    "priority",
    "lock",
    "meta",
    *"0123456789",
    "10",
)
_SEPARATORS = (":", ".", "-", "_", "/", "")


def _derived(limits: Limits) -> list[dict[str, Any]]:
    return [{"separator": separator, "before": before} for separator in _SEPARATORS for before in (False, True)]


def _names(separator: str, before: bool, queue: str) -> list[str]:
    """Return names that a driver may have made from the name of a queue for purposes of its own."""
    return [f"{word}{separator}{queue}" if before else f"{queue}{separator}{word}" for word in _WORDS]


async def _apart(slot: Any, names: list[str], promise: str, story: str) -> None:
    """Judge that no queue of these names gives anything, and that each keeps what is its own."""
    for name in names:
        await empty(slot, name, promise, f"a queue that was never used gives what {story} of another")
    puts = {name: (await fill(slot, name, [name.encode()]))[0] for name in names}
    for name, put in puts.items():
        got = await take(slot, name)
        same(promise, got and got.id, put.id, f"a queue does not give its own message beside {story} of another")


@check("queue_priority.4")
@gauntlet(_derived)
async def priorities_take_no_names(queue: Prioritised, separator: str, before: bool) -> None:
    """Whatever a driver makes of a queue's name and a priority is no other queue (Q-27)."""
    names = _names(separator, before, "q")
    for priority in range(10):
        await queue.enqueue_with_priority("q", b"%d" % priority, priority=priority)
    await _apart(queue, names, "queue_priority.4", "has a priority")
    for priority in range(9, -1, -1):
        got = await take(queue, "q")
        same(
            "queue_priority.4",
            got and got.payload,
            b"%d" % priority,
            "a message with a priority is lost to a queue of another name",
        )


@check("queue_dead_letter.10")
@gauntlet(_derived)
async def the_dead_take_no_names(queue: VisibilityAndDeadLetter, separator: str, before: bool) -> None:
    """Whatever a driver makes of the names of a queue and its target is no other queue (Q-27)."""
    await queue.configure_dead_letter("q", "t", 1)
    put = (await fill(queue, "q", [b"x"]))[0]
    got = await queue.receive("q", HELD_S)
    if got is None:
        broken("queue_visibility.1", "receive does not give a message that is available", expected=put, got=None)
    await queue.release(got)
    same("queue_dead_letter.4", [message.id for message in await queue.dead_letters("q")], [put.id], "a dead message is not listed")
    for name in ("q", "t"):
        await _apart(queue, _names(separator, before, name), "queue_dead_letter.10", "died")
    same("queue_dead_letter.10", len(await queue.dead_letters("q")), 1, "a dead message was lost to a queue of another name")


@check("queue_basic.6")
@gauntlet(_derived)
async def leases_take_no_names(queue: BasicAndVisibility, case: Case, separator: str, before: bool) -> None:
    """Whatever a driver makes of a queue's name for what is leased is no other queue (Q-27)."""
    put = (await fill(queue, "q", [b"x"]))[0]
    held = await lease(Times(case), queue, "q", put)
    await _apart(queue, _names(separator, before, "q"), "queue_basic.6", "is leased")
    with law("queue_basic.6"):
        await queue.ack(held.lease)


@check("queue_delayed.3")
@gauntlet(lambda limits: [{"delay_s": delay_s} for delay_s in (1e-300, 1e-9, 0.0001, 901.0, 2**31, 1e8, 999_999_999.5, 10**9, 1e9)])
async def delays_up_to_the_bound_are_accepted(queue: Delayed, case: Case, delay_s: float) -> None:
    """Every delay up to 1e9 s is accepted, and is a delay (Q-14)."""
    with law("queue_delayed.3"):
        await queue.enqueue_delayed("q", b"x", delay_s=min(delay_s, 1e9))
    if delay_s > 500:
        same("queue_delayed.3", await take(queue, "q"), None, "a message with a long delay is available at once")
    elif case.clock.virtual:
        await case.advance(1.0 + case.limits.clock_resolution_s + case.traits.ttl_late_s)
        same("queue_delayed.3", (await take(queue, "q")) is None, False, "a message with a tiny delay is not available")


@check("queue_delayed.3", "queue_delayed.4")
@gauntlet(lambda limits: [{"delay_s": delay_s, "between": between} for delay_s in (0, 0.0, -1.0) for between in (1, 5)])
async def no_delay_keeps_the_line(queue: Delayed, delay_s: float, between: int) -> None:
    """Those without a delay, by either call, are given in the order of their enqueues however many there are (Q-06)."""
    for number in range(between * 4):
        if number % 4 == 0:
            await queue.enqueue_delayed("q", b"%d" % number, delay_s=delay_s)
        else:
            await queue.enqueue("q", b"%d" % number)
    for number in range(between * 4):
        got = await take(queue, "q")
        same("queue_delayed.3", got and got.payload, b"%d" % number, "a message without a delay is not given in its order")


@check("queue_delayed.2")
@gauntlet(lambda limits: [{"delayed": delayed, "leased": leased} for delayed in (0, 1, 60, 130) for leased in (0, 1, 3)])
async def only_what_is_delayed_is_counted(queue: DelayedAndVisibility, case: Case, delayed: int, leased: int) -> None:
    """`scheduled_count` counts many, and nothing that is leased or available (Q-14)."""
    times, other = Times(case), await case.client()
    puts = await fill(queue, "q", [b"%d" % number for number in range(leased)])
    for put in puts:
        await lease(times, queue, "q", put)
    for number in range(delayed):
        await queue.enqueue_delayed("q", b"later %d" % number, delay_s=1e6)
    await fill(queue, "q", [b"available"])
    for slot in (queue, other):
        same("queue_delayed.2", await slot.scheduled_count("q"), delayed, "scheduled_count is not the number of delayed messages")


_SHORT_S = (1e-9, 1e-6, 0.0001, 0.0005, 0.00099, 0.001, 0.0015)


@check("queue_visibility.10")
@gauntlet(lambda limits: [{"seconds": seconds} for seconds in _SHORT_S])
async def the_shortest_leases_are_accepted(queue: QueueVisibility, case: Case, seconds: float) -> None:
    """What is above 0 is accepted, however little, by receive and extend; the lease ends as any other (Q-20)."""
    times = Times(case)
    put = (await fill(queue, "q", [b"x"]))[0]
    call: Callable[..., Any] = queue.receive
    with law("queue_visibility.10"):
        got = await call("q", seconds)
    same("queue_visibility.10", got and got.message.id, put.id, "a receive for a tiny time does not give what is available")
    if not times.virtual:
        return
    wait_s = 1.0 + case.limits.clock_resolution_s + case.traits.ttl_late_s
    await case.advance(wait_s)
    again = await lease(times, queue, "q", put, 5000.0, attempt=2, promise="queue_visibility.3")
    with law("queue_visibility.10"):
        await queue.extend(again.lease, seconds)
    await case.advance(wait_s)
    await lease(times, queue, "q", put, attempt=3, promise="queue_visibility.6")
