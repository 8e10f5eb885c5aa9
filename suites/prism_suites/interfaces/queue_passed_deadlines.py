"""queue_visibility and queue_delayed on any clock: a deadline passes, and what was done before it stays done; many pass at once.

Where time is real a check sleeps once for all of them, and only where the driver claims that it is not late: then it asks the
clock at each call, so that the first look behind a deadline must show it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from prism_suites._judging import refused, same
from prism_suites._keyvalue_model import Window
from prism_suites._queue_leases import Held, lease, one_leased
from prism_suites._queue_shared import is_second
from prism_suites._queue_taking import HELD_S, Put, empty, fill, is_message, take
from prism_suites._queue_times import Times
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Lease, QueueBasic, QueueDeadLetter, QueueDelayed, QueueVisibility
from prism_testkit.tap import offers

_SOON_S = 0.25
"""How far a deadline is ahead where time is real."""
_AT_ONCE = 120
"""More than a hundred, the most of which a driver is likely to move in one step."""
_QUEUES = 10
"""Over so many queues they are spread, so that they are all leased before the first lease ends."""
_EXACT_NS = 50_000_000
"""A driver that claims to be no later than this is judged where time is real; so much longer it is left alone there."""


_LATE: dict[str, Callable[[Any, Lease], Awaitable[None]]] = {
    "ack": lambda slot, held: slot.ack(held),
    "extend": lambda slot, held: slot.extend(held, HELD_S),
    "release": lambda slot, held: slot.release(held),
}


class DelayedAndBasic(QueueDelayed, QueueBasic, Protocol):
    """Delays, and plain takes."""


class DelayedAndVisibility(QueueDelayed, QueueVisibility, Protocol):
    """Delays, and leases."""


def _seconds(case: Case, times: Times) -> float:
    if not times.virtual and times.slack_ns > _EXACT_NS:
        case.inconclusive(f"messages may be {times.slack_ns / 1e9:g} s late, so what passes is left to queue_visibility_real")
    return 50.0 if times.virtual else _SOON_S


async def _pass(case: Case, times: Times, due: Window) -> None:
    """Let a deadline, and what may be late of it, pass."""
    if times.virtual:
        await times.past(due)
        return
    while (ahead_ns := due.end + times.slack_ns + _EXACT_NS - times.now_ns()) > 0:
        await case.clock.sleep(ahead_ns / 1e9)


async def _leases(slot: Any, queue: str, seconds: float) -> None:
    for number in range(_AT_ONCE // _QUEUES):
        await slot.enqueue(queue, b"%d" % number)
    for _ in range(_AT_ONCE // _QUEUES):
        await slot.receive(queue, seconds)


class _Done:
    """Messages that were leased for a little while, and what was done with each before that was over."""

    def __init__(self, times: Times, whole: Any, seconds: float) -> None:
        self._times, self._whole, self._seconds = times, whole, seconds
        self.last = Window(0, 0)
        self._held: dict[str, Held] = {}
        self._ended: list[str] = []

    async def _leased(self, queue: str) -> Held:
        held = await one_leased(self._times, self._whole, queue, self._seconds)
        self.last = held.deadline
        return held

    async def do(self) -> None:
        whole = self._whole
        await whole.ack((await self._leased("acked")).lease)
        self._ended.append("acked")
        released = await self._leased("released")
        await whole.release(released.lease)
        self._held["released"] = await lease(self._times, whole, "released", released.put, attempt=2)
        if offers(whole, QueueBasic):
            taken = await self._leased("taken")
            await whole.release(taken.lease)
            is_message("queue_visibility.7", await whole.dequeue("taken"), taken.put, "what was released is not given")
            self._ended.append("taken")
        if offers(whole, QueueDeadLetter):
            await whole.configure_dead_letter("dying", "dead", 1)
            dying = await self._leased("dying")
            await whole.release(dying.lease)
            same("queue_dead_letter.1", len(await whole.dead_letters("dying")), 1, "what failed too often is not in its target")
            self._held["dead"] = await lease(self._times, whole, "dead", dying.put, promise="queue_dead_letter.2")
            self._ended.append("dying")

    async def judge(self, case: Case) -> None:
        """The deadlines are over: nothing comes again, and what is held is held."""
        for queue in self._ended:
            story = "after the deadline of the lease by which it was held before"
            with case.law("queue_visibility.4"):
                await empty(self._whole, queue, "queue_visibility.4", f"a message that is gone from its queue comes again {story}")
                fresh = (await fill(self._whole, queue, [b"fresh"]))[0]
                is_message("queue_visibility.4", await take(self._whole, queue), fresh, f"a queue does not work {story} was over")
        for queue, held in self._held.items():
            with case.law("queue_visibility.2"):
                got = await self._whole.receive(queue, HELD_S)
                same("queue_visibility.2", got, None, "a message that is leased is given at the deadline of a lease it had before")
                await self._whole.ack(held.lease)
                await empty(self._whole, queue, "queue_visibility.4", "a message comes again after its ack")


@check("queue_visibility.4", "queue_visibility.3", "queue_visibility.2", "queue_visibility.5")
async def what_was_done_before_a_deadline_stays_done(queue: QueueVisibility, case: Case) -> None:
    """What was acked, released and leased again, taken or moved is not touched when the lease that it had then would have ended.

    In another namespace many leases end at once, and each message is there at the first look; in others the first call is an ack,
    an extend or a release that comes too late (Q-04, Q-05).
    """
    times, whole = Times(case), await case.whole()
    seconds = _seconds(case, times)
    sibling = await case.sibling()
    put = (await fill(sibling, "last", [b"last"]))[0]
    case.overlap()
    await together(*(_leases(sibling, f"beside-{number}", seconds) for number in range(_QUEUES)))
    last = await lease(times, sibling, "last", put, seconds)
    lapsed = [(name, await case.sibling()) for name in _LATE]
    late = [(name, slot, await one_leased(times, slot, "q", seconds)) for name, slot in lapsed]
    done = _Done(times, whole, seconds)
    await done.do()
    await _pass(case, times, max(last.deadline, done.last, late[-1][2].deadline, key=lambda window: window.end))
    for name, slot, held in late:  # nobody has looked there since
        sentence = f"{name} of a lease that has ended does not raise Conflict where nobody has taken the message since"
        await refused("queue_visibility.5", _LATE[name](slot, held.lease), Conflict, sentence)
        again = await lease(times, slot, "q", held.put, attempt=2, promise="queue_visibility.3")
        await slot.ack(again.lease)
    with case.law("queue_visibility.3"):
        got = await sibling.receive("last", HELD_S)
        sentence = "a message is not available at the first look after its deadline, at which many leases of its namespace ended"
        is_message("queue_visibility.3", got and got.message, put, sentence)
    await done.judge(case)


@check("queue_basic.5", "queue_delayed.1")
@gauntlet(lambda limits: [{"way": way} for way in ("a delay", "a lease")])
async def a_peek_before_a_deadline_tells_nothing_behind_it(queue: DelayedAndBasic, case: Case, way: str) -> None:
    """What is first once time has passed the next take gives, and a peek shows, though it has shown another one before (Q-14)."""
    whole = await case.whole()
    if not case.clock.virtual or not offers(whole, QueueVisibility if way == "a lease" else QueueDelayed):
        return
    for slot in (queue, await case.client()):
        if way == "a delay":
            await queue.enqueue_delayed("q", b"first", delay_s=50.0)
        else:
            await one_leased(Times(case), whole, "q", 50.0)
        await queue.enqueue("q", b"second")
        before = [await slot.peek("q") for _ in range(2)]
        await case.advance(120.0)
        shown = await slot.peek("q")
        given = await slot.dequeue("q")
        sentence = f"behind {way} a peek shows something else than the next take gives (before it had shown {before[0]!r})"
        same("queue_basic.5", shown, given, sentence)
        last = await slot.peek("q")
        same("queue_basic.5", await slot.dequeue("q"), last, "a peek shows something else than the next take gives")


@check("queue_delayed.1", "queue_delayed.2", "queue_delayed.4")
async def many_delays_end_at_once(queue: DelayedAndBasic | DelayedAndVisibility, case: Case) -> None:
    """The delays of many messages are over when a queue is looked at for the first time: its own message is there (Q-14)."""
    if await is_second(queue, case):
        return
    times, other = Times(case), await case.client()
    delay_s = _seconds(case, times)
    case.overlap()
    await together(*(queue.enqueue_delayed("beside", b"%d" % number, delay_s=delay_s) for number in range(_AT_ONCE)))
    identity, now = await times.during(queue.enqueue_delayed("last", b"last", {"h": "v"}, delay_s=delay_s))
    await _pass(case, times, now.after(delay_s))
    sentence = "a message is not available at the first look after its delay, when many delays of its namespace ended"
    is_message("queue_delayed.1", await take(other, "last"), Put(identity, b"last", {"h": "v"}), sentence)
    for slot in (queue, other):
        same("queue_delayed.2", await slot.scheduled_count("beside"), 0, "scheduled_count counts messages whose delays are over")
    given: list[bytes] = []
    while (message := await take(other, "beside")) is not None and len(given) <= _AT_ONCE:
        given.append(message.payload)
    expected = [b"%d" % number for number in range(_AT_ONCE)]
    same("queue_delayed.4", sorted(given), sorted(expected), "of many messages whose delays ended at once not each is given once")
