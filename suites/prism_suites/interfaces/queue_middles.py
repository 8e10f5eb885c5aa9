"""Queues from whose middle something goes: what stays keeps its order, its priority and its deadline."""

from collections.abc import Sequence
from typing import Any, Protocol

from prism_suites._judging import broken, same
from prism_suites._queue_dying import VisibilityAndDeadLetter, die
from prism_suites._queue_leases import is_available, lease
from prism_suites._queue_taking import HELD_S, Put, drained, empty, fill, numbered, take
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueDeadLetter, QueuePriority, QueueVisibility
from prism_testkit.tap import offers

_RANKS = (3, 0, 9, 5, 5, 1, 8, 0, 2, 7)
"""Priorities of messages that follow each other; neither rising nor falling."""


_FIRST_S = 2000.0
_BEFORE_NS = 100 * 10**9
"""A look so long before a deadline is over before it, however slow."""


async def _ranked(slot: Any, queue: str, count: int, ranks: bool) -> list[tuple[int, Put]]:
    """Enqueue messages, with priorities if ``ranks``."""
    if not ranks:
        return [(0, put) for put in await fill(slot, queue, numbered(count, queue))]
    puts = []
    for number, payload in enumerate(numbered(count, queue)):
        rank = _RANKS[number % len(_RANKS)]
        puts.append((rank, Put(await slot.enqueue_with_priority(queue, payload, priority=rank), payload, {})))
    return puts


def _by_rank(puts: Sequence[tuple[int, Put]]) -> list[str]:
    return [put.id for _, put in sorted(puts, key=lambda pair: -pair[0])]


def _in_order(promise: str, what: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    """Judge that messages came in an order; the failure shows the first that did not."""
    for number, identity in enumerate(wanted):
        if found[number : number + 1] != [identity]:
            broken(promise, f"{what} (message {number + 1} of {len(wanted)})", expected=identity, got=found[number:][:3])
    same(promise, list(found[len(wanted) :]), [], what)


@check("queue_dead_letter.5", "queue_dead_letter.2", "queue_visibility.1", "queue_priority.1")
@gauntlet(
    lambda limits: [
        {"count": count, "taken": taken, "ranks": ranks} for count, taken, ranks in ((7, 3, False), (26, 14, False), (26, 9, True))
    ]
)
async def what_stays_in_a_target_keeps_its_order(
    queue: VisibilityAndDeadLetter, case: Case, count: int, taken: int, ranks: bool
) -> None:
    """What was enqueued in a target comes as it would have come, though the dead among it were brought back, from the middle, and
    some was taken before (Q-16)."""
    whole, times = await case.whole(), Times(case)
    if ranks and not offers(whole, QueuePriority):
        case.note("priorities are not offered")
        return
    await queue.configure_dead_letter("q", "dead", 1)
    own, died = list[tuple[int, Put]](), list[Put]()
    for put in await fill(queue, "q", numbered(count)):
        own += [(rank, mine) for rank, mine in await _ranked(whole, "dead", 1, False)] if not ranks else []
        died += await die(times, queue, "q", [put], 1)
    own = own or await _ranked(whole, "dead", count, True)
    given = [message.id for message in [await take(queue, "dead") for _ in range(taken)] if message is not None]
    gone = [put for put in died if put.id in given]
    moved = await queue.redrive("q")
    same("queue_dead_letter.5", moved, count - len(gone), "redrive does not return the number of messages that it moved")
    rest = [message.id for message in await drained(queue, "dead")]
    ids = _by_rank(own)
    found = [identity for identity in [*given, *rest] if identity in set(ids)]
    if sorted(found) != sorted(ids):
        broken("queue_dead_letter.5", "a redrive lost or doubled what was enqueued in the target", expected=ids, got=found)
    what = "what was enqueued in the target is not given in its order, after a redrive from its middle"
    _in_order("queue_priority.1" if ranks else "queue_dead_letter.5", what, ids, found)
    back = [message.id for message in await drained(queue, "q")]
    wanted = [put.id for put in died if put.id not in given]
    _in_order("queue_dead_letter.5", "a redrive beside others does not bring back the dead, in the order of death", wanted, back)


class Ranked(QueueVisibility, QueueDeadLetter, QueuePriority, Protocol):
    """Priorities, leases, and deaths."""


@check("queue_priority.1", "queue_dead_letter.1", "queue_dead_letter.6")
@gauntlet(lambda limits: [{"count": count, "dying": dying} for count, dying in ((7, 2), (20, 7), (41, 20))])
async def what_stays_beside_the_dying_keeps_its_priority(queue: Ranked, case: Case, count: int, dying: int) -> None:
    """When many of a queue die at once, because fewer attempts are allowed than they had, the others are given by their
    priorities (Q-15, Q-19)."""
    times = Times(case)
    doomed = await _ranked(queue, "q", dying, True)
    held = [await lease(times, queue, "q", None, promise="queue_priority.4") for _ in range(dying)]
    for item in held:
        await queue.release(item.lease)
    staying = await _ranked(queue, "q", count, True)
    await queue.configure_dead_letter("q", "dead", 1)
    dead = sorted(message.id for message in await queue.dead_letters("q"))
    same("queue_dead_letter.6", dead, sorted(put.id for _, put in doomed), "the dead are not those that had their attempts")
    given = [message.id for message in await drained(queue, "q")]
    what = "what stays, when others die from its middle, is not given by its priorities"
    _in_order("queue_priority.1", what, _by_rank(staying), given)


@check("queue_dead_letter.1", "queue_dead_letter.3", "queue_dead_letter.5")
@gauntlet(
    lambda limits: [{"how": "settings", "look": "receive", "count": 110}, {"how": "deadline", "look": "dead_letters", "count": 260}]
)
async def however_many_die_at_once_they_are_dead(
    queue: VisibilityAndDeadLetter, case: Case, how: str, look: str, count: int
) -> None:
    """All whose last lease ended have died at the next look, and so have all that had more attempts than a new setting allows,
    however many they are (Q-15)."""
    times = Times(case)
    if how == "deadline":
        if not times.virtual:
            return
        await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(count))
    held = [await lease(times, queue, "q", put, 5000.0, promise="queue_dead_letter.1") for put in puts]
    if how == "settings":
        for item in held:
            await queue.release(item.lease)
        await queue.configure_dead_letter("q", "dead", 1)
    else:
        await times.past(held[-1].deadline)
    if look == "receive":
        got = await queue.receive("q", HELD_S)
        same("queue_dead_letter.1", got, None, f"{count} messages failed too often, and one of them is given once more")
        dead = [message.id for message in await drained(queue, "dead")]
    else:
        dead = [message.id for message in await queue.dead_letters("q")]
    missing = [put.id for put in puts if put.id not in set(dead)]
    if missing:
        sentence = f"{count} messages failed too often, and by the next look {len(missing)} of them are not dead"
        broken("queue_dead_letter.1", sentence, expected="all of them dead", got=missing[:5])
    same("queue_dead_letter.3", len(dead), count, "messages that died at once are doubled")
    if look == "dead_letters":
        same("queue_dead_letter.5", await queue.redrive("q"), count, "redrive does not move all that died at once")


@check("queue_visibility.3", "queue_visibility.2", "queue_visibility.6")
@gauntlet(lambda limits: [{"count": count, "ended": ended} for count in (8, 30) for ended in ("ack", "extend", "release")])
async def each_lease_ends_at_its_own_time(queue: QueueVisibility, case: Case, count: int, ended: str) -> None:
    """Of many leases, some of which were acked, extended or released out of turn, each ends at its deadline (Q-25)."""
    times = Times(case)
    if not times.virtual:
        return
    puts = await fill(queue, "q", numbered(count))
    held = [await lease(times, queue, "q", put, _FIRST_S + number * 37 % count * 1000) for number, put in enumerate(puts)]
    for number, item in enumerate(held[1::3]):
        if ended == "extend":
            seconds = _FIRST_S + 500.0 + number * 7 % count * 1000
            _, now = await times.during(queue.extend(item.lease, seconds))
            item.deadline = now.after(seconds)
        else:
            await getattr(queue, ended)(item.lease)
    if ended != "extend":
        gone = held[1::3]
        held = [item for number, item in enumerate(held) if number % 3 != 1]
        for _ in gone if ended == "release" else ():
            again = await lease(times, queue, "q", None, attempt=2, promise="queue_visibility.7")
            await queue.ack(again.lease)
    for item in sorted(held, key=lambda item: item.deadline.start):
        await times.to(item.deadline.start - _BEFORE_NS)
        got, now = await times.during(queue.receive("q", HELD_S))
        if got is not None and times.is_present(item.deadline, now):
            story = f"others were ended by {ended}"
            broken("queue_visibility.2", f"a message is given before its lease has ended ({story})", expected=None, got=got)
        await times.past(item.deadline)
        again = await is_available(times, queue, item, 2, f"its deadline is past, others were ended by {ended}")
        await queue.ack(again.lease)
    await empty(queue, "q", "queue_visibility.4", "a message that was acked is given again")
