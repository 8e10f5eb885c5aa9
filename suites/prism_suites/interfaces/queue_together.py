"""queue: several whose leases, or delays, end between two looks: each is dealt with by itself, and what is not over stays as it is.

What sweeps many at once has code that is not run for one, and ends somewhere: behind ten, behind a hundred, one too late.
"""

from typing import Protocol

from prism_suites._judging import broken, same
from prism_suites._pages import item
from prism_suites._queue_taking import HELD_S, Put, is_message
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Lease, QueueBasic, QueueDeadLetter, QueueDelayed, QueueVisibility

_COUNTS = (2, 3, 12, 101, 260)
_LATER = 3
"""So many end later than the others, one by one."""
_SOON_S, _LATE_S = 10_000.0, 30_000.0
"""A driver may take its time over each call of a check: those of 260 messages together end long before."""


class DeadLetterAndVisibility(QueueDeadLetter, QueueVisibility, Protocol):
    """Deaths, and the leases that lead to them."""


class DelayedAndBasic(QueueDelayed, QueueBasic, Protocol):
    """Delays, and takes for good."""


async def _filled(queue: QueueVisibility | QueueDeadLetter, count: int) -> dict[str, Put]:
    puts = {}
    for number in range(count):
        payload, headers = item(number)
        identity = await queue.enqueue("q", payload, headers)
        puts[identity] = Put(identity, payload, headers)
    same("queue_visibility.11", len(puts), count, "messages of one queue have the same id")
    return puts


@check(*(f"queue_visibility.{number}" for number in (3, 1, 2, 4, 11)))
@gauntlet(lambda limits: [{"count": count} for count in _COUNTS])
async def leases_that_end_together_end_each(queue: QueueVisibility, case: Case, count: int) -> None:
    """Of leases that end between two looks each message comes again, whole, its attempt counted; leases that last are valid."""
    times = Times(case)
    if not times.virtual:
        return  # where time cannot be moved they end one by one
    puts = await _filled(queue, count + _LATER)
    held, lasting = list[Lease](), list[Lease]()
    for number in range(len(puts)):
        last = number % 2 and len(lasting) < _LATER
        got = await queue.receive("q", _LATE_S + len(lasting) if last else _SOON_S)
        if got is None:
            broken("queue_visibility.1", "receive does not give a message that is available", expected="a lease", got=None)
        (lasting if last else held).append(got)
    await times.move(1.5 * _SOON_S)
    stay = {lease.message.id for lease in lasting}
    again: dict[str, Lease] = {}
    while (got := await queue.receive("q", HELD_S)) is not None:
        if got.message.id in stay:
            sentence = f"a message whose lease is valid is given, when the leases of {count} others ended together"
            broken("queue_visibility.2", sentence, expected="not given", got=got)
        if got.message.id in again or got.message.id not in puts:
            broken("queue_visibility.11", "a message is given twice, or was not enqueued", expected="each once", got=got)
        again[got.message.id] = got
        sentence = f"one of {count} messages whose leases ended together does not come again as it was enqueued"
        is_message("queue_visibility.1", got.message, puts[got.message.id], sentence)
        same("queue_visibility.3", got.attempt, 2, f"one of {count} whose leases ended together does not count its deliveries")
    missing = len(puts.keys() - stay - again.keys())
    same("queue_visibility.3", missing, 0, f"so many of {count} messages whose leases ended together do not come again")
    for lease in lasting:
        with case.law("queue_visibility.4"):
            await queue.ack(lease)


@check(*(f"queue_dead_letter.{number}" for number in (5, 1, 2, 3)))
@gauntlet(lambda limits: [{"count": count, "attempts": attempts} for count in _COUNTS for attempts in (1, 2)])
async def those_that_come_back_together_come_back_whole(
    queue: DeadLetterAndVisibility, case: Case, count: int, attempts: int
) -> None:
    """Each of many that died is brought back by one redrive as it was enqueued, with attempts from 0, and dies after as many."""
    if case.server and count > 12:
        return  # each is several round trips
    await queue.configure_dead_letter("q", "dead", attempts)
    puts = await _filled(queue, count)
    for _ in range(2):
        for attempt in range(1, attempts + 1):
            held = [await queue.receive("q", HELD_S) for _ in puts]
            for lease in held:
                if lease is None:
                    broken("queue_dead_letter.1", f"of {count} messages one does not come", expected="a lease", got=None)
                sentence = f"one of {count} messages that came back together is not as it was enqueued"
                is_message("queue_dead_letter.2", lease.message, puts[lease.message.id], sentence)
                same("queue_dead_letter.5", lease.attempt, attempt, f"one of {count} that came back together counts otherwise")
            for lease in held:
                assert lease is not None
                await queue.release(lease)
        same(
            "queue_dead_letter.1",
            await queue.receive("q", HELD_S),
            None,
            f"of {count} messages one is given after its last attempt",
        )
        dead = await queue.dead_letters("q")
        same("queue_dead_letter.3", sorted(each.id for each in dead), sorted(puts), f"not all of {count} messages are dead")
        for message in dead:
            is_message("queue_dead_letter.2", message, puts[message.id], f"one of {count} dead messages is not as it was enqueued")
        same("queue_dead_letter.5", await queue.redrive("q"), count, f"a redrive of {count}")


@check(*(f"queue_delayed.{number}" for number in (4, 1, 2)))
@gauntlet(lambda limits: [{"count": count} for count in _COUNTS])
async def delays_that_end_together_end_each(queue: DelayedAndBasic, case: Case, count: int) -> None:
    """Of delays that end between two looks each message comes, whole; what is due later is not there, and is counted."""
    times = Times(case)
    if not times.virtual:
        return
    puts, late = dict[str, Put](), list[str]()
    for number in range(count + _LATER):
        payload, headers = item(number)
        last = number % 2 and len(late) < _LATER
        identity = await queue.enqueue_delayed("q", payload, headers, delay_s=_LATE_S + len(late) if last else _SOON_S)
        puts[identity] = Put(identity, payload, headers)
        if last:
            late.append(identity)
    for still, seconds in ((late, 1.5 * _SOON_S), ([], 2 * _SOON_S)):
        await times.move(seconds)
        same("queue_delayed.2", await queue.scheduled_count("q"), len(still), f"scheduled_count when {count} delays ended together")
        while (got := await queue.dequeue("q")) is not None:
            if got.id not in puts or got.id in still:
                sentence = f"a message comes that is due later, or came before, when {count} delays ended together"
                broken("queue_delayed.1", sentence, expected="not given", got=got)
            sentence = f"one of {count} messages whose delays ended together is not as it was enqueued"
            is_message("queue_delayed.4", got, puts.pop(got.id), sentence)
        same("queue_delayed.1", len(puts), len(still), f"so many of {count} messages whose delays ended together are not given")
