"""queue_visibility under concurrency: one holds a message; of the calls that end one lease exactly one succeeds."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._queue_leases import one_leased
from prism_suites._queue_racing import drained_too, judge_leases, overlapped
from prism_suites._queue_taking import HELD_S, empty, fill, numbered
from prism_suites._queue_times import Times
from prism_suites._racing import PLANS, clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import Conflict, Lease, QueueVisibility
from prism_testkit.outcomes import Words
from prism_testkit.plan import Plan


async def _succeeds(call: Awaitable[Any], turns: int = 0) -> bool:
    for _ in range(turns):
        await asyncio.sleep(0)
    try:
        await call
    except Conflict:
        return False
    return True


def _use(slot: Any, lease: Lease, call: str) -> Awaitable[Any]:
    made: Awaitable[Any] = slot.extend(lease, 40_000.0) if call == "extend" else getattr(slot, call)(lease)
    return made


@check("queue_visibility.8", "queue_visibility.2")
@gauntlet(
    lambda limits: [
        {"messages": messages, "takers": takers, "on": on}
        for messages, takers in ((1, 2), (1, 8), (3, 8), (8, 8), (12, 8))
        for on in ("one", "each")
    ]
)
async def concurrent_receives_share_no_message(queue: QueueVisibility, case: Case, messages: int, takers: int, on: str) -> None:
    """Of many receives at once each gives a message of its own, as many as there are, and the others None (Q-02, Q-10)."""
    puts = await fill(queue, "q", numbered(messages))
    slots = await clients(queue, case, [0 if on == "one" else number for number in range(takers)])
    case.overlap()
    got = await together(*(slot.receive("q", HELD_S) for slot in slots))
    given = [lease.message.id for lease in got if lease is not None]
    if len(set(given)) < len(given):
        broken("queue_visibility.8", "concurrent receives are given the same message", expected="each message once", got=given)
    same(
        "queue_visibility.8",
        sorted(given),
        sorted(put.id for put in puts[:takers]),
        "concurrent receives do not give the first messages",
    )
    same("queue_visibility.1", {lease.attempt for lease in got if lease}, {1}, "a first delivery is not counted as the first")
    told = await together(*(_succeeds(queue.ack(lease)) for lease in got if lease is not None))
    same("queue_visibility.4", set(told), {True}, "an ack of a valid lease raises Conflict")
    same(
        "queue_visibility.11",
        len([1 for _ in puts[takers:] if await queue.receive("q", HELD_S)]),
        len(puts[takers:]),
        "a message is lost",
    )
    await empty(queue, "q", "queue_visibility.4", "a message is given again after its ack")


_PAIRS = (
    ("ack", "ack"),
    ("ack", "release"),
    ("release", "release"),
    ("ack", "extend"),
    ("release", "extend"),
    ("extend", "extend"),
)


@check("queue_visibility.8", "queue_visibility.5", "queue_visibility.11")
@gauntlet(
    lambda limits: [
        {"pair": pair, "turns": turns, "on": on, "times": times}
        for number, pair in enumerate(_PAIRS)
        for turns in range(-4, 5)
        for on in (("one", "two") if turns == 0 else (("one", "two")[(number + turns) % 2],))
        for times in ((1, 3) if turns == 0 else (1,))
    ]
)
async def of_two_calls_on_one_lease_one_ends_it(
    queue: QueueVisibility, case: Case, pair: tuple[str, str], turns: int, on: str, times: int
) -> None:
    """Acks, releases and extends of one lease at once take effect one after another: one end succeeds, no more (Q-05)."""
    other = queue if on == "one" else await case.client()
    held = await one_leased(Times(case), queue)
    case.overlap()
    calls = [_succeeds(_use(queue, held.lease, pair[0]), max(0, turns)) for _ in range(times)]
    calls += [_succeeds(_use(other, held.lease, pair[1]), max(0, -turns)) for _ in range(times)]
    taker = await case.client()
    *told, taken = await together(*calls, taker.receive("q", HELD_S))
    ends = [name for name, success in zip([pair[0]] * times + [pair[1]] * times, told, strict=True) if success and name != "extend"]
    if pair != ("extend", "extend") and len(ends) != 1:
        sentence = f"of {' and '.join(pair)} of one lease at once not one succeeded, but {len(ends)}"
        broken("queue_visibility.8", sentence, expected=Words("one that succeeds"), got=ends)
    if pair == ("extend", "extend"):
        same("queue_visibility.8", told, [True] * len(told), "an extend of a valid lease, beside another, raises Conflict")
    if taken is not None and ends != ["release"]:
        broken(
            "queue_visibility.8", f"beside {' and '.join(pair)} a message was given that is held or gone", expected=None, got=taken
        )
    again = taken or await taker.receive("q", HELD_S)
    if ends == ["release"]:
        same("queue_visibility.11", again and again.attempt, 2, f"after {' and '.join(pair)} at once the released message is lost")
        with case.law("queue_visibility.5"):
            await taker.ack(again)
    else:
        same("queue_visibility.8", again, None, f"after {' and '.join(pair)} at once a message is given that is held or gone")


@check("queue_visibility.8", "queue_visibility.5", "queue_visibility.4")
@gauntlet(lambda limits: [{"turns": turns, "on": on} for turns in range(10) for on in ("one", "two")])
async def an_ack_does_not_remove_what_another_holds(queue: QueueVisibility, case: Case, turns: int, on: str) -> None:
    """An ack that is under way while the lease is released and given to another either comes first or raises `Conflict`."""
    other = queue if on == "one" else await case.client()
    held = await one_leased(Times(case), queue)
    case.overlap()
    acking = asyncio.ensure_future(_succeeds(queue.ack(held.lease)))
    for _ in range(turns):
        await asyncio.sleep(0)
    released = await _succeeds(other.release(held.lease))
    now = await other.receive("q", HELD_S)
    acked = await acking
    if acked and (released or now is not None):
        if released:
            sentence = "an ack succeeded, and so did a release of its lease meanwhile"
            broken("queue_visibility.8", sentence, expected=Words("one that succeeds"), got=["ack", "release"])
        broken("queue_visibility.8", "an ack succeeded, and its message was given again meanwhile", expected=None, got=now)
    if not acked:
        if now is None:
            broken(
                "queue_visibility.11",
                "neither acked nor available is a message whose lease was released",
                expected=held.put,
                got=None,
            )
        same("queue_visibility.5", await _succeeds(other.ack(now)), True, "a lease was ended by an ack of an earlier one")
    await empty(queue, "q", "queue_visibility.4", "a message is given again after its ack")


@check("queue_visibility.8", "queue_visibility.3", "queue_visibility.5")
@gauntlet(
    lambda limits: [
        {"call": call, "turns": turns, "on": on, "seconds": seconds}
        for call in ("ack", "release", "extend")
        for turns in range(9)
        for on in ("one", "two")
        for seconds in (1000.0,)
    ]
)
async def a_call_racing_the_deadline_comes_first_or_not(
    queue: QueueVisibility, case: Case, call: str, turns: int, on: str, seconds: float
) -> None:
    """A call that is under way when the deadline passes took effect before it, or raises `Conflict` and changes nothing (Q-05)."""
    if not isinstance(case.clock, VirtualClock):
        case.note("races with a deadline are judged where time can be moved")
        return
    other = queue if on == "one" else await case.client()
    times = Times(case)
    held = await one_leased(times, queue, seconds=seconds)
    case.overlap()
    calling = asyncio.ensure_future(_succeeds(_use(queue, held.lease, call)))
    for _ in range(turns):
        await asyncio.sleep(0)
    case.clock.jump(max(0, held.deadline.end + times.slack_ns - times.now_ns()))
    now = await other.receive("q", HELD_S)
    succeeded = await calling
    if call == "release":
        now = now or await other.receive("q", HELD_S)
        if now is None:
            broken("queue_visibility.3", "past its deadline a message is not available", expected=held.put, got=None)
    elif succeeded and now is not None:
        broken("queue_visibility.8", f"{call} succeeded, and the message was given to another", expected="one of both", got=now)
    elif not succeeded and now is None:
        broken("queue_visibility.3", f"{call} raised Conflict, and the message is not available", expected=held.put, got=None)
    if now is not None:
        same("queue_visibility.3", now.attempt, 2, "a message that comes again does not count its deliveries")
        same("queue_visibility.8", await other.receive("q", HELD_S), None, f"a {call} that came late ended the lease of another")
        same("queue_visibility.8", await _succeeds(other.ack(now)), True, f"a {call} that came late ended the lease of another")
    await empty(other, "q", "queue_visibility.8", "a message is given that is held or gone")


_ENDS = st.lists(st.tuples(st.sampled_from(["ack", "release", "extend"]), st.integers(0, 3)), min_size=1, max_size=5)


@check("queue_visibility.2", "queue_visibility.8", "queue_visibility.11", "queue_visibility.4")
@gauntlet(
    lambda limits: [
        {"workers": workers, "on": on, "messages": messages, "plan": Plan()}
        for messages in (1, 3)
        for on in ("one", "each")
        for workers in (
            [[("release", 0)] * 4, [("release", 1)] * 4, [("ack", 2)]],
            [[("release", 2), ("ack", 0)], [("release", 0), ("ack", 1)], [("extend", 1), ("release", 0)]],
            [[("ack", 0)] * 3, [("ack", 1)] * 3, [("ack", 2)] * 3],
            [[("extend", 0), ("extend", 1), ("release", 1)], [("release", 3)] * 3],
        )
    ]
)
@given(workers=st.lists(_ENDS, min_size=2, max_size=4), on=st.sampled_from(["one", "each"]), messages=st.integers(1, 4), plan=PLANS)
async def workers_never_hold_one_message_together(
    queue: QueueVisibility, case: Case, workers: list[list[tuple[str, int]]], on: str, messages: int, plan: Plan
) -> None:
    """However workers overlap that take, extend, release and ack, each message is with one of them, and none is lost (Q-02)."""
    puts = await fill(queue, "q", numbered(messages))
    slots = await clients(queue, case, [0 if on == "one" else number for number in range(len(workers))])
    case.schedule(plan)
    acked: list[str] = []

    async def work(slot: Any, steps: list[tuple[str, int]]) -> None:
        for call, turns in steps:
            lease = await slot.receive("q", HELD_S)
            if lease is None:
                continue
            if call == "extend":
                await slot.extend(lease, 40_000.0)
            if await _succeeds(_use(slot, lease, "ack" if call == "ack" else "release"), turns) and call == "ack":
                acked.append(lease.message.id)

    await together(
        *(work(slot, [(str(call), int(turns)) for call, turns in steps]) for slot, steps in zip(slots, workers, strict=True))
    )
    case.unschedule()
    await drained_too(queue, "q")
    judge_leases(case, "q")
    taken = {entry.args[0].message.id for entry in case.history.entries if entry.op == "ack" and entry.error is None}
    same(
        "queue_visibility.11",
        sorted({put.id for put in puts} - taken),
        [],
        "after workers released it a message is never given again",
    )
    if not overlapped(case, "receive", "ack", "release", "extend"):
        case.inconclusive("no two calls overlapped")


@check("queue_visibility.8", "queue_visibility.3", "queue_visibility.2")
@gauntlet(
    lambda limits: [
        {"takers": takers, "on": on, "messages": messages} for takers in (2, 8) for on in ("one", "each") for messages in (1, 3)
    ]
)
async def at_a_deadline_one_of_many_is_given_it(queue: QueueVisibility, case: Case, takers: int, on: str, messages: int) -> None:
    """Of many receives at once, as deadlines have just passed, one is given each message, as its second delivery (Q-02, Q-03)."""
    if not case.clock.virtual:
        case.note("races with a deadline are judged where time can be moved")
        return
    times = Times(case)
    held = [await one_leased(times, queue, "q", 1000.0, b"%d" % number) for number in range(messages)]
    slots = await clients(queue, case, [0 if on == "one" else number for number in range(takers)])
    await times.past(held[-1].deadline)
    case.overlap()
    got = await together(*(slot.receive("q", HELD_S) for slot in slots), queue.receive("q", HELD_S))
    given = [lease for lease in got if lease is not None]
    if len({lease.message.id for lease in given}) < len(given):
        broken("queue_visibility.8", "past a deadline one message is given to two receives", expected="each once", got=given)
    same("queue_visibility.3", len(given), min(messages, takers + 1), "past a deadline receives at once are not given the messages")
    same("queue_visibility.3", {lease.attempt for lease in given}, {2}, "a message that comes again does not count its deliveries")
    told = await together(*(_succeeds(queue.ack(lease)) for lease in (*given, *(item.lease for item in held))))
    same(
        "queue_visibility.8",
        told,
        [True] * len(given) + [False] * messages,
        "of leases before and after a deadline the later ones hold",
    )
    await drained_too(queue, "q")


@check("queue_visibility.5", "queue_visibility.2", "queue_visibility.8")
@gauntlet(
    lambda limits: [
        {"call": call, "seconds": seconds, "turns": turns}
        for call, seconds in (("extend", 5.0), ("extend", 40_000.0), ("release", 0.0), ("ack", 0.0))
        for turns in (0, 1, 2, 4)
    ]
)
async def a_call_in_flight_does_not_reach_the_next_holder(
    queue: QueueVisibility, case: Case, call: str, seconds: float, turns: int
) -> None:
    """A call that began while its lease was valid does nothing to whoever holds the message by the time it ends (Q-04, Q-05)."""
    if not case.clock.virtual:
        return
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue)
    made = queue.extend(held.lease, seconds) if call == "extend" else getattr(queue, call)(held.lease)
    flying = asyncio.ensure_future(_succeeds(made))
    for _ in range(turns):
        await asyncio.sleep(0)
    freed = await _succeeds(other.release(held.lease))
    new = await other.receive("q", 1000.0)
    succeeded = await flying
    if call != "extend" and freed and succeeded:
        broken("queue_visibility.8", f"release and {call} of one lease succeed both", expected="one of them", got="both")
    if new is None:
        return
    for wait_s, there in ((900.0, False), (200.0, True)):
        await case.advance(wait_s)
        got = await queue.receive("q", HELD_S)
        sentence = f"{call} of a lease that was released meanwhile moved the deadline of the next one"
        same("queue_visibility.5", got is not None, there, sentence)
