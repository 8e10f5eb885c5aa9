"""Many of a kind: leases, delays and messages elsewhere beside a take that waits, deliveries of one message, and dead ones."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from prism_suites._judging import broken, refused, same
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_taking import HELD_S, drained, fill, is_message, numbered
from prism_suites._queue_waiting import soon
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Lease, QueueBasic, QueueDelayed, QueueVisibility


class BasicAndDelayed(QueueBasic, QueueDelayed, Protocol):
    """Messages that are late, and takes that wait for them."""


_MANY = 40
"""Leases, or delays, at once: more than a driver looks at, if it looks at some of them only."""
_EVENTS = 150
"""So often a wait is woken for nothing: more rounds than one makes that counts them."""


def _patience_s(case: Case) -> float:
    return 10_000.0 if case.clock.virtual else 15.0


def _soon_s(case: Case) -> float:
    return 60.0 if case.clock.virtual else 0.2


@check("queue_visibility.9", "queue_visibility.3")
@gauntlet(lambda limits: [{"place": place} for place in (0, _MANY // 2, _MANY - 1)])
async def a_wait_knows_the_end_of_every_lease(queue: QueueVisibility, case: Case, place: int) -> None:
    """A receive that waits is given what comes back first, whichever of many leases that is."""
    puts = await fill(queue, "q", numbered(_MANY))
    leases = [await queue.receive("q", HELD_S) for _ in puts]
    found = [lease.message.id for lease in leases if lease is not None]
    same("queue_visibility.1", found, [put.id for put in puts], "receives do not give every message once, in order")
    chosen = leases[place]
    assert chosen is not None
    await queue.extend(chosen, _soon_s(case))
    late = "a receive that waits is given what comes back at the end of its time only"
    got = await soon(case, queue.receive("q", HELD_S, _patience_s(case)), "queue_visibility.9", late)
    sentence = f"a receive that waits is not given what comes back, where {_MANY - 1} other leases last longer"
    is_message("queue_visibility.9", got and got.message, puts[place], sentence)


@check("queue_delayed.5", "queue_delayed.1")
@gauntlet(lambda limits: [{"place": place} for place in (0, _MANY // 2, _MANY - 1)])
async def a_wait_knows_the_end_of_every_delay(queue: BasicAndDelayed, case: Case, place: int) -> None:
    """A take that waits is given what is due first, whichever of many late messages that is."""
    identity = ""
    for number in range(_MANY):
        late_s = _soon_s(case) if number == place else HELD_S
        told = await queue.enqueue_delayed("q", b"%d" % number, delay_s=late_s)
        identity = told if number == place else identity
    late = "a take that waits is given what is due at the end of its time only"
    got = await soon(case, queue.dequeue("q", _patience_s(case)), "queue_delayed.5", late)
    sentence = f"a take that waits is not given what is due, where {_MANY - 1} other messages are due later"
    same("queue_delayed.5", got and (got.id, got.payload), (identity, b"%d" % place), sentence)


async def _waits_on(case: Case, promise: str, take: Awaitable[Any], happens: Callable[[int], Awaitable[Any]], what: str) -> Any:
    """Let something happen often while a take waits; return the take, which still does."""
    waiting = asyncio.ensure_future(take)
    try:
        for number in range(_EVENTS):
            await case.clock.sleep(0.001 if case.clock.virtual else 0)
            await happens(number)
        if waiting.done():
            told = f"a take that waits returned before its timeout, while {what} {_EVENTS} times"
            broken(promise, told, expected="it waits on", got=waiting.result())
    except BaseException:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        raise
    return waiting


@check("queue_basic.4")
async def however_much_comes_elsewhere_a_take_waits_on(queue: QueueBasic, case: Case) -> None:
    """What is enqueued and taken elsewhere neither ends a wait nor makes it deaf (Q-11)."""
    other = await case.client()

    async def happens(number: int) -> None:
        await queue.enqueue("elsewhere", b"%d" % number)
        if number % 2:
            await queue.dequeue("elsewhere")

    patience_s = _patience_s(case)
    waiting = await _waits_on(case, "queue_basic.4", other.dequeue("q", patience_s), happens, "something came elsewhere")
    (put,) = await fill(queue, "q", [b"comes"])
    is_message("queue_basic.4", await waiting, put, "a take that waits is not given what comes in the end")


@check("queue_visibility.9")
@gauntlet(lambda limits: [{"event": event} for event in ("elsewhere", "an extension")])
async def however_much_happens_a_receive_waits_on(queue: QueueVisibility, case: Case, event: str) -> None:
    """What others hold, and what is theirs, neither ends a wait nor makes it deaf."""
    other = await case.client()
    await fill(queue, "q", numbered(1, "held"))
    held = await queue.receive("q", HELD_S)
    if held is None:
        broken("queue_visibility.1", "a receive does not give what is there", expected="a lease", got=None)

    async def happens(number: int) -> None:
        if event == "an extension":
            await queue.extend(held, HELD_S - number)
        else:
            await queue.enqueue("elsewhere", b"%d" % number)

    patience_s = _patience_s(case)
    waiting = await _waits_on(case, "queue_visibility.9", other.receive("q", HELD_S, patience_s), happens, f"{event} happened")
    (put,) = await fill(queue, "q", [b"comes"])
    got = await waiting
    is_message("queue_visibility.9", got and got.message, put, "a receive that waits is not given what comes in the end")


_DELIVERIES = 257
"""Deliveries of one message: behind them a token that is a byte is that of the first again."""


@check("queue_visibility.5", "queue_visibility.2")
async def an_old_lease_is_none_however_many_came_since(queue: QueueVisibility) -> None:
    """No lease of a message that ended is taken for the one that is valid, among 257 of them (Q-20)."""
    (put,) = await fill(queue, "q", numbered(1))
    leases: list[Lease] = []
    for number in range(_DELIVERIES):
        if leases:
            await queue.release(leases[-1])
        held = await queue.receive("q", HELD_S)
        is_message("queue_visibility.7", held and held.message, put, f"released {number} times, a message is not given again")
        assert held is not None
        leases.append(held)
    for number, old in enumerate(leases[:-1]):
        since = len(leases) - 1 - number
        sentence = f"ack of a lease that ended, {since} deliveries of its message ago"
        await refused("queue_visibility.5", queue.ack(old), Conflict, sentence)
    await queue.ack(leases[-1])


@check("queue_dead_letter.5", "queue_dead_letter.4", "queue_dead_letter.3", "queue_visibility.11")
async def however_many_died_all_are_redriven(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """A redrive moves what is listed, and all that died is: thousands, if there are so many."""
    count = 520 if case.server else 1030
    payloads = numbered(count)
    await queue.configure_dead_letter("q", "dead", 1)
    for first in range(0, count, 20):
        await together(*(queue.enqueue("q", payload) for payload in payloads[first : first + 20]))
    leases: list[Lease | None] = []
    for _ in range(0, count, 20):
        leases += await together(*(queue.receive("q", HELD_S) for _ in range(20)))
    held = [lease for lease in leases if lease is not None]
    same("queue_visibility.11", sorted(lease.message.payload for lease in held), sorted(payloads), f"{count} leases at once")
    for first in range(0, count, 20):
        await together(*(queue.release(lease) for lease in held[first : first + 20]))
    wanted = sorted(payloads)
    found = sorted(message.payload for message in await queue.dead_letters("q"))
    same("queue_dead_letter.4", len(found), count, "not all that died is listed")
    same("queue_dead_letter.4", found, wanted, "what is listed is not what died")
    same("queue_dead_letter.5", await queue.redrive("q"), count, "redrive does not tell the number of all that is listed")
    same("queue_dead_letter.5", len(await queue.dead_letters("q")), 0, "behind a redrive of all something is listed")
    same("queue_dead_letter.5", sorted(each.payload for each in await drained(queue, "q", count)), wanted, "what was redriven")


@check("queue_basic.1")
@gauntlet(lambda limits: [{"names": names} for names in (1, 3, 12)])
async def headers_of_the_same_names_are_their_own(queue: QueueBasic, names: int) -> None:
    """Messages that differ in nothing but the values of their headers are given each with its own."""
    wanted = [{f"h{place}": f"{number}-{place}" for place in range(names)} for number in range(3)]
    for headers in wanted:
        await queue.enqueue("q", b"same", headers)
    found = [dict(message.headers) for message in await drained(queue, "q", len(wanted))]
    same("queue_basic.1", found, wanted, "messages with headers of the same names are not given with the values of their own")


@check("queue_basic.6", "queue_basic.2")
async def a_queue_stays_however_many_others_come(queue: QueueBasic, case: Case) -> None:
    """What was enqueued is there, whatever was enqueued to hundreds of other queues, and so is what these hold."""
    count = 12 if case.server else 1100
    puts = await fill(queue, "q", numbered(3))
    for number in range(count):
        await queue.enqueue(f"other {number}", b"%d" % number)
    for put in puts:
        is_message(
            "queue_basic.2", await queue.dequeue("q"), put, f"behind {count} other queues, a message of the first is not given"
        )
    for number in range(0, count, 50):
        got = await queue.dequeue(f"other {number}")
        same("queue_basic.2", got and got.payload, b"%d" % number, f"of {count} queues the message of one")


@check("queue_delayed.2", "queue_delayed.4")
async def however_many_are_late_all_are_counted(queue: BasicAndDelayed, case: Case) -> None:
    """Of thousands of messages whose delays are not over all are counted, and each is given when its own is."""
    count, late_s = (120 if case.server else 1100), (1e6 if case.clock.virtual else HELD_S)
    for first in range(0, count, 20):
        await together(*(queue.enqueue_delayed("q", b"%d" % number, delay_s=late_s) for number in range(first, first + 20)))
    same("queue_delayed.2", await queue.scheduled_count("q"), count, "scheduled_count does not count all whose delay is not over")
    if case.clock.virtual:
        await case.clock.sleep(2 * late_s)
        found = sorted(int(message.payload) for message in await drained(queue, "q", count + 1))
        same("queue_delayed.4", found, list(range(count)), "when their delays are over not all of many are given once")


@check("queue_basic.2", "queue_basic.3")
async def however_many_wait_all_are_given(queue: QueueBasic, case: Case) -> None:
    """A queue has no bound: thousands wait, and are given, in order."""
    count = 120 if case.server else 5000 if case.traits.durability == "none" else 1100
    for number in range(count):
        await queue.enqueue("q", b"%d" % number)
    found = [int(message.payload) for message in await drained(queue, "q", count + 1)]
    same("queue_basic.2", len(found), count, "not all of many that wait are given")
    same("queue_basic.3", found, list(range(count)), "many that wait are not given in order")
