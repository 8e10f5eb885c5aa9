"""queue_dead_letter: messages die after their last attempt, once, whole, and come back by redrive."""

from dataclasses import replace
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_dying import VisibilityAndDeadLetter, die, dies_after, listed
from prism_suites._queue_leases import conflicts, lease
from prism_suites._queue_taking import HELD_S, VISIBILITY, Put, drains, empty, fill, is_message, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic
from prism_testkit.outcomes import law
from prism_testkit.tap import offers

_AGAIN_S = 20.0
"""So long after its lease ended a message of the target is awaited."""
_LOOKS_AGAIN = 50
"""So often, on a real clock, the dead are looked at until they are all listed."""
_SLACK_S = 5.0
"""A backend that claims to be later than this is not waited for on a real clock."""
_LOOKS = ("receive", "dead_letters", "peek", "waiting receive")
_REDRIVEN = replace(VISIBILITY, order="queue_dead_letter.5", once="queue_dead_letter.3")
"""What comes after a redrive comes in the order of death."""


@check("queue_dead_letter.1", "queue_dead_letter.2", "queue_dead_letter.3")
@gauntlet(
    lambda limits: [
        {"most": most, "ending": ending, "look": look}
        for ending in ("release", "deadline", "both")
        for look in _LOOKS
        for most in ((1, 2, 3, 5, 10, 40, *((257,) if ending == "release" else ())) if look == "receive" else (1, 3))
    ]
)
async def a_message_dies_after_its_last_attempt(
    queue: VisibilityAndDeadLetter, case: Case, most: int, ending: str, look: str
) -> None:
    """It is delivered so many times, neither more nor fewer, and by the next look of any kind it is in the target (Q-15)."""
    if (ending != "release" or most > 40) and not case.clock.virtual:
        return
    whole = await case.whole()
    if look == "peek" and not offers(whole, QueueBasic):
        look = "receive"
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", most)
    put = (await fill(queue, "q", [b"\x00payload"], {"a": "", "é": "\r\n"}))[0]
    await dies_after(times, (queue, other), "q", put, most, ending)
    if look == "dead_letters":
        await listed(other, "q", [put])
    elif look == "peek":
        same("queue_dead_letter.1", await whole.peek("q"), None, "peek shows a message that has failed too often")
    else:
        got = await other.receive("q", HELD_S, 3.0 if look == "waiting receive" and case.clock.virtual else 0)
        sentence = f"a message is given again after its last attempt ({most} by `max_attempts`; ended by: {ending})"
        same("queue_dead_letter.1", got, None, sentence)
    dead = await lease(times, queue, "dead", put, promise="queue_dead_letter.3")
    same("queue_dead_letter.2", dead.lease.attempt, 1, "the attempts of a dead message do not begin at 0 in the target")
    same("queue_dead_letter.1", await queue.receive("q", HELD_S), None, "a message is in both queues")
    await queue.ack(dead.lease)
    await empty(queue, "dead", "queue_dead_letter.3", "a dead message is doubled")
    await listed(queue, "q", [])
    same("queue_dead_letter.5", await queue.redrive("q"), 0, "redrive moves a message that was acked")


@check("queue_dead_letter.2", "queue_dead_letter.4")
async def the_target_is_an_ordinary_queue(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """In the target dead messages and others are leased, released and acked as anywhere; nothing dies there by itself (Q-15)."""
    times, other = Times(case), await case.client()
    own = await fill(queue, "dead", [b"own"], {"own": "yes"})
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(2), {"h": "v"})
    await die(times, queue, "q", puts, 1)
    await listed(other, "q", puts)
    for attempt in range(1, 6):
        held = [await lease(times, other, "dead", None, attempt=attempt, promise="queue_dead_letter.2") for _ in range(3)]
        same(
            "queue_dead_letter.3",
            sorted(item.put.id for item in held),
            sorted(put.id for put in (*own, *puts)),
            "the target does not give what is in it",
        )
        for item in held:
            await queue.release(item.lease)
    await listed(queue, "q", puts)
    await drains_any(queue, "dead", [*own, *puts])
    await listed(queue, "q", [])


async def drains_any(slot: Any, name: str, puts: list[Put]) -> None:
    """Take what was put, in any order, and then nothing."""
    left = {put.id: put for put in puts}
    while left:
        got = await slot.receive(name, HELD_S)
        if got is None:
            broken("queue_dead_letter.3", "a message is lost", expected=sorted(left), got=None)
        if got.message.id not in left:
            broken("queue_dead_letter.3", "a message is given that is not there, or twice", expected=sorted(left), got=got)
        is_message("queue_dead_letter.2", got.message, left.pop(got.message.id), "a message is not as it was enqueued")
        await slot.ack(got)
    await empty(slot, name, "queue_dead_letter.3", "a message is doubled")


@check("queue_dead_letter.4", "queue_dead_letter.2")
@gauntlet(
    lambda limits: [
        {"order": order} for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (3, 0, 2, 1), (9, 10, 1, 0, 5, 11, 2, 3, 4, 6, 7, 8))
    ]
)
async def the_dead_are_listed_as_they_died(queue: VisibilityAndDeadLetter, case: Case, order: tuple[int, ...]) -> None:
    """`dead_letters` lists in the order of death, not of the enqueue, and takes nothing, however often (Q-15)."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(len(order)), {"h": "v"})
    held = [await lease(times, queue, "q", put) for put in puts]
    for count, number in enumerate(order):
        await (queue if count % 2 else other).release(held[number].lease)
        await times.move(1.0)
        for slot in (other, queue):
            await listed(slot, "q", [puts[died] for died in order[: count + 1]])
    for item in held:
        await conflicts(queue, item.lease, "its message died")
    await times.move(5_000_000.0)
    left = [puts[number] for number in order]
    await listed(queue, "q", left)
    while left:  # whichever the target gives is dead no more, for every client
        taken = await lease(times, queue, "dead", None, promise="queue_dead_letter.3")
        await queue.ack(taken.lease)
        left = [put for put in left if put.id != taken.put.id]
        for slot in (other, queue):
            await listed(slot, "q", left)
    await empty(queue, "dead", "queue_dead_letter.3", "a message is doubled")
    for turn in ("second", "third"):  # as many as before, but others, of which this client has not seen those before go
        others = await fill(queue, "q", numbered(2, turn))
        await die(times, queue, "q", others, 1)
        await listed(other, "q", others)
        same("queue_dead_letter.5", await queue.redrive("q"), 2, "redrive does not move what is listed")
        if turn == "third":  # those two die again, the other way round
            others = await die(times, queue, "q", others, 1, odd=True)
            await listed(other, "q", others)
            same("queue_dead_letter.5", await other.redrive("q"), 2, "redrive does not move what is listed")
        await drains(queue, "q", others, _REDRIVEN, "after a redrive")


@check("queue_dead_letter.5", "queue_dead_letter.3", "queue_dead_letter.4")
@gauntlet(
    lambda limits: [
        *({"count": count, "order": "same"} for count in (1, 3, 10, 101)),
        *({"count": count, "order": "odd"} for count in (2, 3, 9, 11, 26)),
    ]
)
async def redrive_brings_all_back(queue: VisibilityAndDeadLetter, case: Case, count: int, order: str) -> None:
    """What died goes to the tail of its queue, behind what is there, in the order of death, with attempts from 0 (Q-16)."""
    if case.server and count > 11 and order == "odd":
        return
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", 2)
    puts = await fill(queue, "q", numbered(count), {"h": "v"})
    if order == "odd":
        puts = await die(times, queue, "q", puts, 2, odd=True)
    else:
        await die(times, queue, "q", puts, 2)
    await listed(queue, "q", puts)
    fresh = await fill(queue, "q", numbered(2, "fresh"))
    same("queue_dead_letter.5", await other.redrive("q"), count, "redrive does not return the number of messages that it moved")
    await listed(queue, "q", [])
    same("queue_dead_letter.5", await queue.redrive("q"), 0, "a second redrive moves messages")
    last = await fill(queue, "q", [b"last"])
    await empty(queue, "dead", "queue_dead_letter.3", "what was brought back is in the target, too")
    for put in [*fresh, *puts, *last]:
        got: Any = await queue.receive("q", HELD_S)
        is_message("queue_dead_letter.5", got and got.message, put, "after a redrive a queue does not give its messages in order")
        same("queue_dead_letter.5", got and got.attempt, 1, "the attempts of what was brought back do not begin at 0")
        await queue.ack(got)
    await empty(queue, "q", "queue_dead_letter.3", "a redrive doubled a message")


@check("queue_dead_letter.5", "queue_dead_letter.1")
async def what_was_brought_back_dies_again(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """After a redrive a message has all its attempts again, and dies after them, again and again (Q-16)."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", 3)
    put = (await fill(queue, "q", [b"x"], {"h": "v"}))[0]
    for _ in range(4):
        await dies_after(times, (queue, other), "q", put, 3, "release")
        await listed(queue, "q", [put])
        for attempt in (1, 2):  # attempts in the target are none in its queue
            await queue.release((await lease(times, other, "dead", put, attempt=attempt, promise="queue_dead_letter.2")).lease)
        same("queue_dead_letter.5", await other.redrive("q"), 1, "redrive does not return the number of messages that it moved")
    await drains(queue, "q", [put], VISIBILITY, "after many redrives")


@check("queue_dead_letter.5", "queue_dead_letter.4")
async def redrive_leaves_what_is_not_its_own(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """What was enqueued in the target, died in another queue, or is leased there, stays there (Q-16)."""
    times, other = Times(case), await case.client()
    own = await fill(queue, "dead", [b"own"])
    for name in ("a", "b"):
        await queue.configure_dead_letter(name, "dead", 1)
    first, second = await fill(queue, "a", numbered(2, "a")), await fill(queue, "b", numbered(2, "b"))
    await die(times, queue, "a", first, 1)
    await die(times, queue, "b", second, 1)
    await listed(queue, "a", first)
    await listed(queue, "b", second)
    held = {
        item.put.id: item for item in [await lease(times, other, "dead", None, promise="queue_dead_letter.2") for _ in range(5)]
    }
    same("queue_dead_letter.5", await queue.redrive("a"), 0, "redrive moves messages that are leased in the target")
    same("queue_visibility.2", await queue.receive("a", HELD_S), None, "a message that is leased in the target was brought back")
    await other.release(held[first[1].id].lease)
    await other.release(held[second[0].id].lease)
    await other.release(held[own[0].id].lease)
    same("queue_dead_letter.5", await queue.redrive("a"), 1, "redrive does not move just what is not leased")
    await drains(queue, "a", [first[1]], VISIBILITY, "after a redrive beside leases")
    with law("queue_dead_letter.5"):
        await other.ack(held[first[0].id].lease)
        await other.release(held[second[1].id].lease)
    await drains_any(queue, "dead", [*own, *second])
    same("queue_dead_letter.5", await queue.redrive("b"), 0, "redrive moves what was acked in the target")


@check("queue_dead_letter.5", "queue_dead_letter.4")
@gauntlet(lambda limits: [{"look": look, "count": count} for look in ("", "list", "receive") for count in (1, 3)])
async def redrive_takes_what_came_back_to_the_target(queue: VisibilityAndDeadLetter, case: Case, look: str, count: int) -> None:
    """What was leased in the target and came back there is moved in its turn, whether or not somebody has seen it (Q-16)."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(count + 1))
    await die(times, queue, "q", puts, 1)
    await listed(queue, "q", puts)
    held = [await lease(times, other, "dead", None, 100.0, promise="queue_dead_letter.2") for _ in range(count)]
    if case.clock.virtual:
        await times.past(held[-1].deadline)
    else:  # a real clock waits for no deadline
        for item in reversed(held):
            await other.release(item.lease)
    if look == "list":
        await listed(other, "q", puts)
    elif look == "receive":
        got = await other.receive("dead", HELD_S)
        if got is None:
            broken("queue_dead_letter.3", "a message of the target whose lease has ended is lost", expected="a lease", got=None)
        await other.release(got)
    moved = await queue.redrive("q")
    same("queue_dead_letter.5", moved, len(puts), "redrive leaves what came back to the target")
    await drains(queue, "q", puts, _REDRIVEN, "after a redrive of what came back to the target")
    await empty(queue, "dead", "queue_dead_letter.3", "what was brought back is in the target, too")


@check("queue_dead_letter.4", "queue_dead_letter.5", "queue_dead_letter.2")
@gauntlet(
    lambda limits: [{"ending": ending, "seen": seen} for ending in ("deadline", "release", "extend") for seen in (True, False)]
)
async def it_stays_dead_however_its_leases_end(queue: VisibilityAndDeadLetter, case: Case, ending: str, seen: bool) -> None:
    """What died is leased in the target, again and again, and each lease ends by a release, by its deadline, or by one that was
    brought nearer, on any clock: it is listed yet, and is brought back (Q-15, Q-16)."""
    times, other = Times(case), await case.client()
    short_s = 10.0 if times.virtual else 0.2
    slack_s = times.slack_ns / 1e9
    if ending != "release" and slack_s > _SLACK_S and not times.virtual:
        return
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(2), {"h": "v"})
    await die(times, queue, "q", puts, 1)
    for _ in range(3):
        for _ in puts:
            held = await queue.receive("dead", short_s if ending == "deadline" else HELD_S, _AGAIN_S)
            if held is None:
                broken("queue_dead_letter.3", "a dead message is not available in the target again", expected="a lease", got=None)
            if ending == "extend":
                await other.extend(held, short_s)
            elif ending == "release":
                await other.release(held)
        if ending != "release":
            await case.clock.sleep(short_s * 1.2 + slack_s)
        if seen:
            await _listed_soon(case, other, puts)
    await _listed_soon(case, queue, puts)
    same("queue_dead_letter.5", await other.redrive("q"), len(puts), "redrive leaves what was leased in the target, and came back")
    await drains(queue, "q", puts, _REDRIVEN, "after a redrive of what was leased in the target")


async def _listed_soon(case: Case, slot: Any, puts: list[Put]) -> None:
    """Judge the list of the dead; on a real clock a lease may last yet, by the clock of the server, and is awaited."""
    for _ in range(0 if case.clock.virtual else _LOOKS_AGAIN):
        if [message.id for message in await slot.dead_letters("q")] == [put.id for put in puts]:
            break
        await case.clock.sleep(0.1)
    await listed(slot, "q", puts)


@check("queue_dead_letter.7", "queue_dead_letter.1")
@gauntlet(lambda limits: [{"most": most, "extended": extended} for most in (1, 2, 4) for extended in (False, True)])
async def an_ack_in_time_saves_from_death(queue: VisibilityAndDeadLetter, case: Case, most: int, extended: bool) -> None:
    """The last attempt, too, may be extended and acked: then the message is removed and does not die (Q-15)."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", most)
    put = (await fill(queue, "q", [b"x"]))[0]
    earlier = []
    for attempt in range(1, most):
        earlier.append(await lease(times, queue, "q", put, attempt=attempt, promise="queue_dead_letter.1"))
        await queue.release(earlier[-1].lease)
    last = await lease(times, queue, "q", put, 1000.0, attempt=most, promise="queue_dead_letter.1")
    await listed(other, "q", [])
    if extended:
        await queue.extend(last.lease, 5000.0)
        await times.move(3000.0)
        await listed(other, "q", [])
    for item in earlier:
        await conflicts(queue, item.lease, "a later attempt is under way")
    with law("queue_dead_letter.7"):
        await other.ack(last.lease)
    await times.move(10_000.0)
    for name in ("q", "dead"):
        await empty(queue, name, "queue_dead_letter.7", "a message that was acked in time died, or is given again")
    await listed(queue, "q", [])
