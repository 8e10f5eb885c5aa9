"""queue_visibility and queue_delayed on any clock: the checks that wait. All deadlines run side by side, so that each sleeps once.

A real clock is not to be asserted upon: that a message stays hidden until its deadline is judged only if the answer was there
before it, and that it comes is awaited, generously; how late it was is noted.
"""

from typing import Any, Protocol

from prism_suites._judging import broken, refused
from prism_suites._keyvalue_model import Window
from prism_suites._queue_leases import Held, one_leased
from prism_suites._queue_taking import HELD_S, fill, is_message, take
from prism_suites._queue_times import Times
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Conflict, QueueBasic, QueueDelayed, QueueVisibility

_LADDER = (0.3, 0.5, 0.75, 0.999, 1.0, 1.25)
_PATIENCE_S = 20.0
"""So long after its deadline a message is awaited."""
_MOST_S = 20.0
"""A backend that claims to be later than this is not waited for."""


class DelayedAndBasic(QueueDelayed, QueueBasic, Protocol):
    """Delays, and plain takes."""


class DelayedAndVisibility(QueueDelayed, QueueVisibility, Protocol):
    """Delays, and leases."""


def _ladder(times: Times) -> list[float]:
    """Return the deadlines; where time costs nothing they are long, for a backend whose calls take theirs."""
    return [seconds * (100.0 if times.virtual else 1.0) for seconds in _LADDER]


def _patience(times: Times) -> float:
    return _PATIENCE_S * (100.0 if times.virtual else 1.0) + times.slack_ns / 1e9


def _slack(case: Case, times: Times) -> None:
    if times.slack_ns > _MOST_S * 1e9 and not times.virtual:
        case.inconclusive(f"messages may be {times.slack_ns / 1e9:g} s late, and nothing waits that long")


async def _comes(case: Case, times: Times, call: Any, due: Window, promise: str, what: str) -> Any:
    """Await a message with a take that waits; judge that it comes, and on a real clock say how late."""
    got = await call
    now = times.now_ns()
    if got is None:
        broken(promise, f"{what} is not available long after its time", expected="a message", got=None)
    early_ns = due.start - now
    if early_ns > (times.margin_ns if times.virtual else 100_000_000):
        broken(promise, f"{what} is given before its time", expected="not before its deadline", got=f"{early_ns / 1e9:.3f} s early")
    if not times.virtual:
        case.note(f"{what} came {max(0, now - due.end) / 1e9:.1f} s after its deadline, or sooner")
    return got


@check("queue_visibility.3", "queue_visibility.2", "queue_visibility.6", "queue_visibility.5", "queue_visibility.9")
async def a_ladder_of_deadlines_passes(queue: QueueVisibility, case: Case) -> None:
    """Leases hold until their deadlines, then others are given the messages; extended ones hold on (Q-02, Q-03, Q-04)."""
    times, other = Times(case), await case.client()
    _slack(case, times)
    held: dict[str, Held] = {}
    for number, seconds in enumerate(_ladder(times)):
        held[f"plain-{number}"] = await one_leased(times, queue, f"plain-{number}", seconds)
        shortened = await one_leased(times, queue, f"shortened-{number}", HELD_S)
        _, now = await times.during(queue.extend(shortened.lease, seconds))
        held[f"shortened-{number}"] = Held(shortened.lease, shortened.put, now.after(seconds))
    kept = await one_leased(times, queue, "kept", _ladder(times)[2])
    extended = True
    try:
        await other.extend(kept.lease, HELD_S)
    except Conflict:
        if times.now_ns() < kept.deadline.start:
            raise
        extended = False  # the machine was slow
    for name, item in held.items():
        got, now = await times.during(other.receive(name, HELD_S))
        if got is not None and times.is_present(item.deadline, now):
            broken("queue_visibility.2", "receive gives a message whose lease is valid", expected=None, got=got)
        if got is not None:
            await other.release(got)  # the machine was slow, and the lease over
    patience_s = _patience(times)

    async def await_one(name: str, item: Held) -> None:
        what = "a message whose lease was shortened" if name[0] == "s" else "a message whose lease ended"
        promise = "queue_visibility.6" if name[0] == "s" else "queue_visibility.3"
        got = await _comes(case, times, other.receive(name, HELD_S, patience_s), item.deadline, promise, what)
        is_message(promise, got.message, item.put, f"{what} comes again changed")
        if got.attempt < 2:
            broken("queue_visibility.3", "a message that comes again does not count its deliveries", expected=2, got=got.attempt)
        for method, *more in (("ack",), ("release",), ("extend", 5.0)):
            call = getattr(queue, method)(item.lease, *more)
            await refused("queue_visibility.5", call, Conflict, "a lease that has ended is good for a call")
        await other.ack(got)

    await together(*(await_one(name, item) for name, item in held.items()))
    if extended:
        if await other.receive("kept", HELD_S) is not None:
            broken("queue_visibility.6", "a lease that was extended ended at its first deadline", expected=None, got="a lease")
        with case.law("queue_visibility.6"):
            await queue.ack(kept.lease)


@check("queue_delayed.1", "queue_delayed.5", "queue_delayed.2", "queue_delayed.4")
async def a_ladder_of_delays_passes(queue: DelayedAndBasic | DelayedAndVisibility, case: Case) -> None:
    """Messages come when their delays are over, to takes that wait, behind nothing that lasts longer (Q-11, Q-14)."""
    times, other = Times(case), await case.client()
    _slack(case, times)
    due: dict[str, Window] = {}
    for number, delay_s in enumerate(_ladder(times)):
        await queue.enqueue_delayed(f"q-{number}", b"much later", delay_s=1e6)
        _, now = await times.during(queue.enqueue_delayed(f"q-{number}", b"later", {"h": "v"}, delay_s=delay_s))
        due[f"q-{number}"] = now.after(delay_s)
        await fill(queue, f"q-{number}", [b"plain"])
    for name in due:
        plain = await take(other, name)
        if plain is None or plain.payload not in (b"plain", b"later"):
            broken("queue_delayed.4", "a delayed message is in the way of another", expected=b"plain", got=plain)
        if plain.payload == b"later":  # the machine was slow, and the delay over
            await other.enqueue(name, b"later", {"h": "v"})
    patience_s = _patience(times)

    async def await_one(name: str, window: Window) -> None:
        got = await _comes(case, times, take(other, name, patience_s), window, "queue_delayed.1", "a delayed message")
        if got.payload not in (b"later", b"plain") or await other.scheduled_count(name) != 1:
            broken("queue_delayed.2", "another message is given than the one whose delay is over", expected=b"later", got=got)

    await together(*(await_one(name, window) for name, window in due.items()))
