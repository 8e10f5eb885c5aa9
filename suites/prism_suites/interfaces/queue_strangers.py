"""Queues used by clients that share nothing but the store, as those of several processes do: what they do at once they do once.

Drivers of one process may keep out of each other's way by locks of their own, which no other process knows; here nobody can.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_model import Window
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_taking import HELD_S, Put, fill, numbered
from prism_suites._queue_times import Times
from prism_suites._racing import together
from prism_suites.interfaces.queue_delayed import DelayedAndVisibility
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Lease, OperationTimeout, QueueBasic, QueueMessage, QueueVisibility

_STRANGERS = 3
_MANY = 40
"""So many messages at once keep whoever finds them busy until the others come."""
_SHORT_S = 0.15
"""A lease that is over before one tires of waiting."""
_SOON_S, _APART_S, _TIMES = 0.3, 0.04, 10
"""When the first of several leases are over, how long it is from some to the next, and how often."""
_PATIENCE_S = 5.0
"""How punctual a delay is belongs to another check."""


async def _all(queue: Any, case: Case) -> list[Any]:
    return [queue, *[await case.stranger() for _ in range(_STRANGERS)]]


def _once(promise: str, what: str, ids: Sequence[str], puts: Sequence[Put]) -> None:
    """Judge that of takes at once, of which there were enough, each gave a message of its own, and all were given."""
    if len(set(ids)) < len(ids):
        broken(
            promise, f"{what} at once by clients that share nothing give the same message", expected="each once", got=sorted(ids)
        )
    sentence = f"{what} at once by clients that share nothing do not give the messages that are there"
    same(promise, sorted(ids), sorted(put.id for put in puts), sentence)


@check("queue_basic.10", "queue_basic.2")
@gauntlet(lambda limits: [{"rounds": 8, "messages": messages} for messages in (1, 3)])
async def strangers_that_take_at_once_share_no_message(queue: QueueBasic, case: Case, rounds: int, messages: int) -> None:
    """Of several dequeues at once each gives a message of its own, as many as there are; this over and over."""
    slots = await _all(queue, case)
    case.overlap()
    for number in range(rounds):
        puts = await fill(slots[number % len(slots)], "q", numbered(messages, f"round {number}"))
        got = await together(*(slot.dequeue("q") for slot in slots))
        _once("queue_basic.10", "dequeues", [message.id for message in got if isinstance(message, QueueMessage)], puts)


@check("queue_visibility.8", "queue_visibility.2", "queue_visibility.4")
@gauntlet(lambda limits: [{"rounds": 8, "messages": messages} for messages in (1, 3)])
async def strangers_that_receive_at_once_share_no_lease(queue: QueueVisibility, case: Case, rounds: int, messages: int) -> None:
    """Of several receives at once each gives a lease of its own, as many as there are messages; all can be acknowledged."""
    slots = await _all(queue, case)
    case.overlap()
    for number in range(rounds):
        puts = await fill(slots[number % len(slots)], "q", numbered(messages, f"round {number}"))
        got = await together(*(slot.receive("q", HELD_S) for slot in slots))
        leases = [lease for lease in got if isinstance(lease, Lease)]
        _once("queue_visibility.8", "receives", [lease.message.id for lease in leases], puts)
        with case.law("queue_visibility.4"):
            await together(*(slots[place].ack(lease) for place, lease in enumerate(leases)))


@check("queue_visibility.2", "queue_visibility.3", "queue_visibility.8", "queue_visibility.11")
@gauntlet(lambda limits: [{"messages": _MANY}])
async def strangers_that_find_leases_over_share_none(queue: QueueVisibility, case: Case, messages: int) -> None:
    """Leases end, and several receives come upon that at once: each message is given to one of them, once more."""
    times, slots = Times(case), await _all(queue, case)
    case.overlap()
    puts = await _fill_at_once(queue, messages)
    await _lease_all(case, times, slots, messages)
    got = await together(*(slots[number % len(slots)].receive("q", HELD_S) for number in range(messages)))
    leases = [lease for lease in got if isinstance(lease, Lease)]
    _once("queue_visibility.2", "receives of messages whose leases ended", [lease.message.id for lease in leases], puts)
    same("queue_visibility.3", {lease.attempt for lease in leases}, {2}, "a message that comes again counts its attempts wrong")
    with case.law("queue_visibility.4"):
        await together(*(slots[number % len(slots)].ack(lease) for number, lease in enumerate(leases)))


@check("queue_visibility.3", "queue_visibility.2", "queue_visibility.11")
@gauntlet(lambda limits: [{"rounds": 2, "messages": 120}])
async def strangers_that_look_all_the_time_overlook_nothing(queue: QueueVisibility, case: Case, rounds: int, messages: int) -> None:
    """Leases end a few at a time, and several clients receive over and over: who is told that there is nothing is told so truly."""
    times, slots = Times(case), await _all(queue, case)
    if times.virtual:  # a race inside of a server needs its luck; without one there is none
        rounds, messages = 1, messages // 4
    case.overlap()
    for number in range(rounds):
        await _look_all_the_time(case, times, slots, f"q{number}", messages)


async def _look_all_the_time(case: Case, times: Times, slots: Sequence[Any], name: str, messages: int) -> None:
    puts = await _fill_at_once(slots[0], messages, name)
    seconds = [_SOON_S + _APART_S * (number // (messages // _TIMES)) for number in range(messages)]
    given = await together(*(times.during(slots[number % len(slots)].receive(name, each)) for number, each in enumerate(seconds)))
    if any(lease is None or lease.attempt != 1 for lease, _ in given):
        case.inconclusive("the machine was so slow that leases ended before the last was given")
    over = {lease.message.id: now.after(each) for (lease, now), each in zip(given, seconds, strict=True)}
    last = max(over.values(), key=lambda deadline: deadline.end).after(_PATIENCE_S)
    order, taken, in_vain = count(), list[tuple[int, str]](), list[tuple[int, Window]]()

    async def look(slot: Any) -> None:
        while len(taken) < messages:
            began = next(order)
            lease, now = await times.during(slot.receive(name, HELD_S))
            if lease is not None:
                taken.append((began, lease.message.id))
                continue
            in_vain.append((next(order), now))
            if times.is_missing(last, now):
                return
            await case.clock.sleep(_APART_S / 8 if times.virtual else 0)

    await together(*map(look, slots))
    _once("queue_visibility.2", "receives of messages whose leases ended", [identity for _, identity in taken], puts)
    for ended, now in in_vain:
        overlooked = [identity for began, identity in taken if began > ended and times.is_missing(over[identity], now)]
        if overlooked:
            told = f"message {overlooked[0]}, whose lease is over, and which is taken only later"
            broken("queue_visibility.3", "a receive gives nothing, though a message is there", expected=told, got=None)


async def _fill_at_once(queue: Any, messages: int, name: str = "q") -> list[Put]:
    payloads = numbered(messages)
    ids = await together(*(queue.enqueue(name, payload) for payload in payloads))
    return [Put(name, payload, {}) for name, payload in zip(ids, payloads, strict=True)]


async def _over(case: Case, times: Times, deadline: Window) -> None:
    """Return when what had this deadline has ended for certain, on a real clock, too."""
    while (ahead := deadline.end + times.slack_ns - times.now_ns()) > 0:
        await case.clock.sleep(ahead / 1e9)


async def _lease_all(case: Case, times: Times, slots: Sequence[Any], messages: int, name: str = "q") -> None:
    """Lease all messages for a short time, and return when all the leases have ended for certain."""
    calls = [times.during(slots[number % len(slots)].receive(name, _SHORT_S)) for number in range(messages)]
    got = await together(*calls)
    if any(lease is None or lease.attempt != 1 for lease, _ in got):
        case.inconclusive("the machine was so slow that leases ended before the last was given")
    await _over(case, times, max((now.after(_SHORT_S) for _, now in got), key=lambda deadline: deadline.end))


@check("queue_dead_letter.3", "queue_dead_letter.1", "queue_dead_letter.2")
@gauntlet(lambda limits: [{"messages": _MANY}])
async def strangers_that_find_messages_dead_bury_them_once(queue: VisibilityAndDeadLetter, case: Case, messages: int) -> None:
    """Last leases end, and several calls of all kinds come upon that at once: each message dies once, and is there once."""
    times, slots = Times(case), await _all(queue, case)
    await queue.configure_dead_letter("q", "dead", 1)
    case.overlap()
    puts = await _fill_at_once(queue, messages)
    await _lease_all(case, times, slots, messages)

    async def look_and_take(slot: Any) -> Lease | None:
        await slot.dead_letters("q")
        taken: Lease | None = await slot.receive("dead", HELD_S)
        return taken

    got = await together(*(look_and_take(slots[number % len(slots)]) for number in range(messages)))
    leases = [lease for lease in got if isinstance(lease, Lease)]
    _once("queue_dead_letter.3", "receives of messages that died", [lease.message.id for lease in leases], puts)
    same(
        "queue_dead_letter.2", {lease.attempt for lease in leases}, {1}, "attempts of dead messages do not begin at 0 in the target"
    )
    same("queue_dead_letter.1", await queue.receive("q", HELD_S), None, "a message that died is given by its queue")


@check("queue_dead_letter.1", "queue_dead_letter.6", "queue_dead_letter.3")
@gauntlet(lambda limits: [{"rounds": 4, "messages": 12}])
async def what_fails_while_it_is_configured_dies(queue: VisibilityAndDeadLetter, case: Case, rounds: int, messages: int) -> None:
    """Deliveries fail at the moment at which another client sets their number: either way the messages are dead behind both."""
    slots = await _all(queue, case)
    case.overlap()
    for number in range(rounds):
        name, target = f"q{number}", f"dead {number}"
        puts = await fill(queue, name, numbered(messages))
        leases = [await queue.receive(name, HELD_S) for _ in puts]
        releases = [slots[place % len(slots)].release(lease) for place, lease in enumerate(leases) if lease is not None]
        half = len(releases) // 2
        await together(*releases[:half], slots[-1].configure_dead_letter(name, target, 1), *releases[half:])
        same("queue_dead_letter.1", await queue.receive(name, HELD_S), None, "a message is delivered more often than once")
        dead = sorted(message.id for message in await slots[1].dead_letters(name))
        same("queue_dead_letter.3", dead, sorted(put.id for put in puts), "messages that failed once are not all dead")


@check("queue_dead_letter.1", "queue_dead_letter.5")
async def the_first_call_behind_a_deadline_finds_what_came_of_it(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """Who lists the dead is the first to call since a last lease ended, and finds its message; then a lease in the target ends,
    and the first call is a redrive, which moves that (Q-15)."""
    times, slots = Times(case), await _all(queue, case)
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(1))
    await _lease_all(case, times, slots, 1)
    dead = [message.id for message in await slots[1].dead_letters("q")]
    same(
        "queue_dead_letter.1",
        dead,
        [puts[0].id],
        "dead_letters, the first call since a last lease ended, does not list its message",
    )
    await _lease_all(case, times, slots, 1, "dead")
    same("queue_dead_letter.5", await slots[2].redrive("q"), 1, "redrive leaves a dead message whose lease in the target has ended")
    again = await queue.receive("q", HELD_S)
    same("queue_dead_letter.5", again and again.message.id, puts[0].id, "redrive does not bring back what it says that it did")


@check("queue_visibility.5", "queue_visibility.6", "queue_visibility.3")
async def a_lease_that_was_shortened_ends_then(queue: QueueVisibility, case: Case) -> None:
    """A fraction of a second is no whole one: long leases that are extended to a short time are over then, though nobody has
    taken anything since, and can neither be acknowledged nor extended nor released (Q-13)."""
    times, slots = Times(case), await _all(queue, case)
    puts = await fill(queue, "q", numbered(3))
    leases = [lease for lease in [await queue.receive("q", HELD_S) for _ in puts] if lease is not None]
    same("queue_visibility.1", len(leases), len(puts), "receives do not give the messages that are available")
    _, now = await times.during(together(*(slots[1].extend(lease, _SHORT_S) for lease in leases)))
    await _over(case, times, now.after(_SHORT_S))
    told = f"of a lease that was extended to {_SHORT_S:g} s from then, and is over, is not refused"
    ended = (Conflict, OperationTimeout)
    await refused("queue_visibility.5", slots[1].ack(leases[0]), ended, f"ack {told}")
    await refused("queue_visibility.5", slots[0].release(leases[1]), ended, f"release {told}")
    await refused("queue_visibility.5", slots[2].extend(leases[2], HELD_S), ended, f"extend {told}")
    again = [lease.message.id for slot in slots if (lease := await slot.receive("q", HELD_S)) is not None]
    told = f"leases that were extended to {_SHORT_S:g} s from then hold for longer"
    same("queue_visibility.6", sorted(again), sorted(put.id for put in puts), told)


@check("queue_delayed.2", "queue_delayed.1", "queue_delayed.4")
async def what_is_due_is_scheduled_no_longer(queue: DelayedAndVisibility, case: Case) -> None:
    """Delays end, and nobody takes: none is counted; what is taken then is delivered for the first time (Q-29)."""
    times, other = Times(case), await case.stranger()
    _, now = await times.during(together(*(queue.enqueue_delayed("q", b"%d" % n, delay_s=_SHORT_S) for n in range(2))))
    await _over(case, times, now.after(_SHORT_S))
    same("queue_delayed.2", await other.scheduled_count("q"), 0, "scheduled_count counts messages whose delay is over")
    leases = [await slot.receive("q", HELD_S, _PATIENCE_S) for slot in (queue, other)]
    attempts = [lease and lease.attempt for lease in leases]
    same("queue_delayed.4", attempts, [1, 1], "messages whose delay is over are not delivered, each for the first time")
