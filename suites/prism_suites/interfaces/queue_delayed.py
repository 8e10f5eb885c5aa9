"""queue_delayed: not before its time, then like any other."""

import math
from typing import Any, Protocol

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_model import Window
from prism_suites._queue_leases import one_leased
from prism_suites._queue_shared import BAD_HEADERS, headers_gauntlet, is_second
from prism_suites._queue_taking import Put, drained, empty, fill, is_message, take
from prism_suites._queue_times import Times
from prism_suites._queue_waiting import soon
from prism_suites._racing import together
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PayloadTooLarge, QueueBasic, QueueDelayed, QueueMessage, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.strategies import around, durations, over, patterned
from prism_testkit.tap import offers


class DelayedAndBasic(QueueDelayed, QueueBasic, Protocol):
    """Delays, and plain takes."""


class DelayedAndVisibility(QueueDelayed, QueueVisibility, Protocol):
    """Delays, and leases."""


Delayed = DelayedAndBasic | DelayedAndVisibility
_LADDER = [*durations(0.001, 1e9), 899.0, 900, 901, 0.0015, 10**9]
_LONG_S = 1e9
_MANY = 60
"""As many delayed messages as do not all fit into what a driver looks at at once, if it looks at a few."""


async def _put(times: Times, slot: Any, payload: bytes, delay_s: float, queue: str = "q") -> tuple[Put, Window]:
    identity, now = await times.during(slot.enqueue_delayed(queue, payload, {"h": "v"}, delay_s=delay_s))
    return Put(identity, payload, {"h": "v"}), now.after(delay_s)


async def _hidden(times: Times, slots: Any, due: Window, story: str, queue: str = "q", count: int = 1) -> bool:
    """Judge that no look and no take gives what is delayed, and that it is counted; False once that is uncertain."""
    for slot in slots:
        got, now = await times.during(slot.scheduled_count(queue))
        if times.is_present(due, now) and (got != count or isinstance(got, bool)):
            broken(
                "queue_delayed.2",
                f"scheduled_count does not count a message whose delay is not over ({story})",
                expected=count,
                got=got,
            )
        looks = [("take", take(slot, queue))]
        if offers(slot, QueueBasic):
            looks.insert(0, ("peek", slot.peek(queue)))
        for kind, call in looks:
            if not times.virtual and not times.is_present(due, Window(0, times.now_ns() + 200_000_000)):
                call.close()
                return False
            got, now = await times.during(call)
            if got is not None and times.is_present(due, now):
                broken("queue_delayed.1", f"a {kind} gives a message whose delay is not over ({story})", expected=None, got=got)
            if got is not None and kind == "take":
                return False
    return True


@check("queue_delayed.1", "queue_delayed.2", "queue_delayed.4")
@gauntlet(lambda limits: [{"delay_s": delay_s} for delay_s in _LADDER])
async def a_delayed_message_comes_at_its_time(queue: Delayed, case: Case, delay_s: float) -> None:
    """It is given and shown by nothing before its instant, at every rung of a ladder, and by the next take after it (Q-14)."""
    times, other = Times(case), await case.client()
    if not times.virtual and delay_s < 10:
        return
    if await is_second(queue, case) and delay_s not in _LADDER[::4]:
        return
    put, due = await _put(times, queue, b"later", delay_s)
    before, _ = around(delay_s, case.limits.clock_resolution_s, case.traits.ttl_late_s)
    for number, offset in enumerate(before if times.virtual else (0.0,)):
        await times.to(due.start - round(delay_s * 1e9) + round(offset * 1e9))
        if not await _hidden(times, ((other, queue)[number % 2],), due, f"{offset:g} of {delay_s:g} s"):
            return
    if await times.past(due):
        same("queue_delayed.2", await other.scheduled_count("q"), 0, "scheduled_count counts a message whose delay is over")
        got = await take(other, "q")
        if got is None:
            broken("queue_delayed.1", f"a message is not available after its delay of {delay_s:g} s", expected=put, got=None)
        is_message("queue_delayed.4", got, put, "a delayed message is not given as it was enqueued")
        await empty(queue, "q", "queue_delayed.4", "a delayed message is given twice")


@check("queue_delayed.3", "queue_delayed.2")
@gauntlet(
    lambda limits: [
        {"delays": delays}
        for delays in (
            (0,),
            (0.0, -0.0),
            (-1,),
            (-1e-9, None, 0),
            (None, -1e9, None, 0, None, -0.5, None),
            (-(2.0**63), None, -1e300),
        )
    ]
)
async def no_delay_is_an_ordinary_enqueue(queue: Delayed, case: Case, delays: tuple[float | None, ...]) -> None:
    """A delay of 0 or less is no delay: available at once, in order among plain ones, counted nowhere."""
    puts = []
    for number, delay_s in enumerate(delays):
        payload = b"%d" % number
        if delay_s is None:
            puts += await fill(queue, "q", [payload])
        else:
            with law("queue_delayed.3"):
                puts.append(Put(await queue.enqueue_delayed("q", payload, delay_s=delay_s), payload, {}))
        same("queue_delayed.2", await queue.scheduled_count("q"), 0, "scheduled_count counts a message without a delay")
    for put in puts:
        is_message("queue_delayed.3", await take(queue, "q"), put, "a message without a delay is not given at once, in its order")
    await empty(queue, "q", "queue_delayed.4", "a message without a delay is given twice")


@check("queue_delayed.3")
@gauntlet(lambda limits: [{"delay_s": delay_s} for delay_s in (math.nan, math.inf, -math.inf)])
async def a_delay_that_is_no_number_is_refused(queue: Delayed, delay_s: float) -> None:
    """NaN and infinities raise ``ValueError`` before any effect."""
    call = queue.enqueue_delayed("q", b"x", delay_s=delay_s)
    await refused("queue_delayed.3", call, ValueError, f"a delay of {delay_s} is not refused by ValueError")
    same("queue_delayed.3", await queue.scheduled_count("q"), 0, "a refused delay left a message")
    await empty(queue, "q", "queue_delayed.3", "a refused delay left a message")


@check("queue_delayed.4", "queue_delayed.1")
@gauntlet(lambda limits: [{"delayed": delayed} for delayed in (1, 3, 60)])
async def what_is_delayed_is_in_nobodys_way(queue: Delayed, case: Case, delayed: int) -> None:
    """Messages behind delayed ones are given at once, in their order; delayed ones come later, each once (Q-14)."""
    times, other = Times(case), await case.client()
    late = [await _put(times, queue, b"late-%d" % number, 50_000.0 + 100 * number) for number in range(delayed)]
    plain = await fill(queue, "q", [b"plain-%d" % number for number in range(3)])
    more = await _put(times, other, b"much later", _LONG_S)
    same("queue_delayed.2", await other.scheduled_count("q"), delayed + 1, "scheduled_count is not the number of delayed messages")
    for put in plain:  # a take that may wait has nothing to wait for either
        call = take(other, "q", 40_000.0 if times.virtual else 10.0)
        got = await soon(case, call, "queue_delayed.4", "a take waits for a delayed message though another one is there")
        is_message("queue_delayed.4", got, put, "a delayed message is in the way of another")
    seen: list[bytes] = []
    for put, due in late if times.virtual else ():
        await times.past(due)
        await fill(queue, "q", [b"beside"])
        came = [message.payload for message in await drained(queue, "q")]
        seen += came
        if put.payload not in seen:
            broken("queue_delayed.1", "a message is not available after its delay", expected=put, got=came)
        same("queue_delayed.4", b"beside" in came, True, "a delayed message is in the way of another")
    doubled = [payload for payload in set(seen) if seen.count(payload) > 1 and payload != b"beside"]
    same("queue_delayed.4", doubled, [], "a delayed message is given twice")
    if times.virtual:
        await _hidden(times, (queue, other), more[1], "one of 1e9 s, behind others")


@check("queue_delayed.1", "queue_delayed.2", "queue_delayed.4")
async def each_delay_is_its_own(queue: Delayed, case: Case) -> None:
    """Of many delays each ends at its own instant, in whatever order they were given, and be it longer than all others (Q-14)."""
    times, whole = Times(case), await case.whole()
    delays = [500.0, 100.0, 900.0, 100.0, 700.0, 300.0, 1500.0, 1100.0, 250.5, 2000.0]
    scale = 10.0 if times.virtual else 1e4
    waiting = [await _put(times, queue, b"%d" % number, delay_s * scale) for number, delay_s in enumerate(delays)]
    same("queue_delayed.2", await queue.scheduled_count("q"), len(delays), "scheduled_count is not the number of delayed messages")
    for seconds in (100.0, 700.0) if times.virtual and offers(whole, QueueVisibility) else ():  # ends with a delay, to the instant
        await one_leased(times, whole, "q", seconds * scale)
    given: set[str] = set()
    for number, (_, due) in enumerate(sorted(waiting, key=lambda pair: pair[1].end) if times.virtual else ()):
        if number == len(delays) - 1:  # many that are shorter than the last one, and end behind it
            await times.to(due.start - 1_000_000_000)
            waiting += [await _put(times, queue, b"short-%d" % each, 1000.0 + each) for each in range(_MANY)]
        await times.past(due)
        began = times.now_ns()
        given |= {message.id for message in await drained(queue, "q", 20)}
        missing = [put for put, other in waiting if began >= other.end + times.slack_ns and put.id not in given]
        early = [put for put, other in waiting if times.now_ns() < other.start and put.id in given]
        if missing or early:
            what = "not available after" if missing else "given before"
            broken(
                "queue_delayed.1", f"of many delayed messages one is {what} its delay", expected=sorted(given), got=missing or early
            )
        left, now = await times.during(queue.scheduled_count("q"))
        least = sum(now.end < other.start for _, other in waiting)
        most = sum(now.start < other.end + times.slack_ns for _, other in waiting)
        if not isinstance(left, int) or not least <= left <= most:
            broken(
                "queue_delayed.2", "scheduled_count is not the number of messages whose delay is not over", expected=least, got=left
            )


@check("queue_delayed.2")
async def only_its_own_queue_is_counted(queue: Delayed, case: Case) -> None:
    """`scheduled_count` counts no other queue, no look-alike, no other namespace, nothing that is available or taken."""
    other, sibling = await case.client(), await case.sibling()
    await fill(queue, "q", [b"plain"])
    for name, count in (("Q", 1), ("q ", 2), ("other", 3)):
        for number in range(count):
            await queue.enqueue_delayed(name, b"%d" % number, delay_s=1e6)
    await sibling.enqueue_delayed("q", b"elsewhere", delay_s=1e6)
    for slot in (queue, other):
        for name, count in (("q", 0), ("Q", 1), ("q ", 2), ("other", 3), ("never used", 0)):
            got = await slot.scheduled_count(name)
            same("queue_delayed.2", got, count, f"scheduled_count of {name!r} is not the number of its delayed messages")
    await take(queue, "q")
    for _ in range(3):
        same("queue_delayed.2", await queue.scheduled_count(queue="other"), 3, "scheduled_count changes what it counts")
    same("queue_delayed.2", await sibling.scheduled_count("other"), 0, "scheduled_count counts another namespace")


@check("queue_delayed.5", "queue_delayed.1", "queue_delayed.4")
@gauntlet(lambda limits: [{"delay_s": delay_s, "waiters": waiters} for delay_s in (0.5, 30.0, 99.0) for waiters in (1, 3)])
async def a_take_that_waits_is_given_it(queue: Delayed, case: Case, delay_s: float, waiters: int) -> None:
    """A take that waits while a delay ends is given the message, not before its instant, and one take only (Q-11, Q-14)."""
    times, others = Times(case), [await case.client() for _ in range(waiters)]
    if not times.virtual:
        if waiters > 1:
            return  # those that go away empty-handed wait in real time
        delay_s = delay_s / 1000
    put, due = await _put(times, queue, b"later", delay_s)
    began = times.now_ns()
    patience_s = 200.0 if times.virtual else 10.0

    async def wait(slot: Any) -> tuple[Any, int]:
        got = await take(slot, "q", patience_s)
        return got, times.now_ns()

    given = [(got, at) for got, at in await together(*map(wait, others)) if got is not None]
    if not given:
        broken("queue_delayed.5", "a take that waits is not given a message whose delay ends", expected=put, got=None)
    if len(given) > 1:
        broken("queue_delayed.4", "a delayed message is given to two takes", expected="one", got=given)
    is_message("queue_delayed.4", given[0][0], put, "a delayed message is not given as it was enqueued")
    if times.virtual and began < due.start and given[0][1] < due.start - times.margin_ns:
        early = f"{(due.start - given[0][1]) / 1e9:.3f} s early"
        broken("queue_delayed.1", "a take that waits is given a message before its delay is over", expected="not before", got=early)


@check("queue_delayed.4")
@gauntlet(headers_gauntlet)
async def contents_are_kept(queue: Delayed, case: Case, headers: dict[str, str]) -> None:
    """Payload, headers and id of a delayed message are those of its enqueue (Q-28)."""
    times = Times(case)
    puts: dict[str, Put] = {}
    delay_s = 10.0 if times.virtual else -1.0
    for payload in (b"", b"\x00\xff\n", patterned(min(5000, case.limits.max_payload)), bytearray(b"buffer")):
        identity = await queue.enqueue_delayed("q", payload, headers, delay_s=delay_s)
        puts[identity] = Put(identity, bytes(payload), dict(headers))
        if isinstance(payload, bytearray):
            payload[:] = b"XXXXXX"
    same("queue_delayed.4", len(puts), 4, "delayed messages have equal ids")
    await times.move(1000.0)
    for message in await drained(queue, "q", 10):
        if not isinstance(message, QueueMessage) or message.id not in puts:
            broken("queue_delayed.4", "a delayed message is given under another id, or twice", expected=sorted(puts), got=message)
        is_message("queue_delayed.4", message, puts.pop(message.id), "a delayed message is not given as it was enqueued")
    same("queue_delayed.4", puts, {}, "a delayed message is never given")


@check("queue_delayed.4", "queue_delayed.3")
async def refusals_are_those_of_an_enqueue(queue: Delayed, case: Case) -> None:
    """Names, payloads and headers that are illegal are refused before any effect, whatever the delay."""
    for delay_s in (5.0, 0.0):
        for name, _ in bad_names(case.limits.max_name)[::4]:
            call: Any = queue.enqueue_delayed(name, b"x", delay_s=delay_s)
            await refused("queue_delayed.4", call, InvalidName, "enqueue_delayed of a bad name is not refused by InvalidName")
            await refused(
                "queue_delayed.4", queue.scheduled_count(name), InvalidName, "scheduled_count of a bad name is not refused"
            )
        for size in over(case.limits.max_payload)[:2]:
            call = queue.enqueue_delayed("q", bytes(size), delay_s=delay_s)
            await refused("queue_delayed.4", call, PayloadTooLarge, "a payload over the limit is not refused")
        for headers, errors in BAD_HEADERS:
            call = queue.enqueue_delayed("q", b"x", headers, delay_s=delay_s)
            await refused("queue_delayed.4", call, errors, "illegal headers are not refused")
        for wrong in ("text", None, 5):
            data: Any = wrong
            call = queue.enqueue_delayed("q", data, delay_s=delay_s)
            await refused("queue_delayed.4", call, TypeError, "a payload that is not bytes-like is not refused")
    same("queue_delayed.4", await queue.scheduled_count("q"), 0, "a refused message is scheduled")
    await Times(case).move(100.0)
    await empty(queue, "q", "queue_delayed.4", "a refused message was enqueued")
