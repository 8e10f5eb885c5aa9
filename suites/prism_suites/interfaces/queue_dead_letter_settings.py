"""queue_dead_letter: how queues are configured, names and namespaces, and calls at once."""

from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._queue_dying import VisibilityAndDeadLetter, die, dies_after, listed
from prism_suites._queue_leases import lease
from prism_suites._queue_taking import HELD_S, VISIBILITY, drains, empty, fill, numbered
from prism_suites._queue_times import Times
from prism_suites._racing import clients, together
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups


@check("queue_dead_letter.6", "queue_dead_letter.4", "queue_dead_letter.5")
async def a_queue_without_configuration_moves_nothing(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """However often its messages fail, nothing dies in it; another queue's configuration, or being a target, is none."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("other", "q", 1)
    await queue.configure_dead_letter("Q", "dead", 1)
    put = (await fill(queue, "q", [b"x"]))[0]
    for name in ("q", "never used"):
        await listed(queue, name, [])
        same("queue_dead_letter.6", await queue.redrive(name), 0, "redrive of a queue without configuration moves something")
    with law("queue_dead_letter.6"):
        await dies_after(times, (queue, other), "q", put, 30, "release")
        for attempt, most in enumerate((256, 65_536, 2**31 - 1), 31):  # far more than it had
            await other.configure_dead_letter("q", "dead", most)
            await queue.release((await lease(times, queue, "q", put, attempt=attempt, promise="queue_dead_letter.6")).lease)
            await listed(queue, "q", [])
        await drains(queue, "q", [put], VISIBILITY, "a queue without configuration")
        await empty(queue, "dead", "queue_dead_letter.6", "a message of a queue without configuration moved")


@check("queue_dead_letter.6", "queue_dead_letter.1")
@gauntlet(
    lambda limits: [{"had": had, "first": first, "then": then} for had in (1, 2, 4) for first in (0, 5) for then in (1, 2, 3, 4, 6)]
)
async def a_new_configuration_counts_what_was(queue: VisibilityAndDeadLetter, case: Case, had: int, first: int, then: int) -> None:
    """What is configured replaces what was, for every client, and the attempts that messages already had count (Q-15)."""
    times, other = Times(case), await case.client()
    if first:
        await queue.configure_dead_letter("q", "other", 1)
        died = await fill(queue, "q", numbered(1))
        for slot in (queue, other):  # each is once the one who notices
            await dies_after(times, (queue, other), "q", died[-1], 1, "release")
            same("queue_dead_letter.1", await slot.receive("q", HELD_S), None, "a message is delivered more than once")
            died += await fill(queue, "q", numbered(1, "another")) if slot is queue else []
        await queue.configure_dead_letter("q", "dead", first)
        await drains(queue, "other", died, VISIBILITY, "what died before another target was configured")
    put = (await fill(queue, "q", [b"x"], {"h": "v"}))[0]
    await dies_after(times, (queue, other), "q", put, had, "release")
    for _ in range(2):
        await other.configure_dead_letter("q", "dead", then)
    for attempt in range(had + 1, then + 1):
        held = await lease(times, queue, "q", put, attempt=attempt, promise="queue_dead_letter.6")
        await listed(other, "q", [])
        await queue.release(held.lease)
    got = await queue.receive("q", HELD_S)
    same("queue_dead_letter.6", got, None, "a message is delivered more often than what is configured now allows")
    await listed(queue, "q", [put])
    await drains(queue, "dead", [put], VISIBILITY, "after a new configuration")


_CHANGES: dict[str, tuple[tuple[int, str, int], ...]] = {
    "the target, and back": ((0, "d", 1), (1, "e", 1), (0, "d", 1)),
    "the attempts, and back": ((0, "d", 1), (1, "d", 3), (0, "d", 1)),
    "the attempts, up and down and up": ((0, "d", 3), (1, "d", 1), (0, "d", 3)),
    "both, by turns": ((0, "d", 2), (1, "e", 1), (0, "d", 2), (1, "e", 1), (0, "d", 2)),
    "by one, and back by a third": ((0, "d", 1), (0, "e", 2), (1, "d", 1), (2, "e", 2), (1, "d", 1)),
}
"""Who configures, which target, and how many attempts."""


@check("queue_dead_letter.6", "queue_dead_letter.1")
@gauntlet(lambda limits: [{"changes": changes, "used": used} for changes in _CHANGES for used in (False, True)])
async def the_last_configuration_holds_for_every_client(
    queue: VisibilityAndDeadLetter, case: Case, changes: str, used: bool
) -> None:
    """Clients configure one queue by turns, also what they had configured before: after each turn that one holds for all,
    whether or not something died by those before (Q-15)."""
    slots, times = [queue, await case.client(), await case.client()], Times(case)
    turns = _CHANGES[changes]
    for turn, (number, target, most) in enumerate(turns):
        await slots[number].configure_dead_letter("q", target, most)
        if not used and turn < len(turns) - 1:
            continue
        for slot in slots if turn == len(turns) - 1 else slots[turn % 2 :: 2]:
            put = (await fill(slot, "q", [b"%d" % turn], {"h": "v"}))[0]
            await dies_after(times, [slot], "q", put, most, "release", "queue_dead_letter.6")
            got = await slot.receive("q", HELD_S)
            same(
                "queue_dead_letter.6", got, None, f"a message is delivered more often than the last configuration says ({changes})"
            )
            await listed(slot, "q", [put])
            dead = await slot.receive(target, HELD_S)
            found = dead and dead.message.id
            same("queue_dead_letter.6", found, put.id, f"what dies is not in the target that was configured last ({changes})")
            await slot.ack(dead)


@check("queue_dead_letter.6", "queue_dead_letter.3")
async def a_new_configuration_reaches_what_is_held(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """A message leased while the configuration changes stays with its holder, and dies by the new one when that fails."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", 9)
    puts = await fill(queue, "q", numbered(2))
    held = [await lease(times, queue, "q", put) for put in puts]
    await other.configure_dead_letter("q", "other", 1)
    same("queue_visibility.2", await other.receive("q", HELD_S), None, "a configuration ended a lease")
    await empty(queue, "other", "queue_dead_letter.6", "a message that is held died")
    with law("queue_dead_letter.7"):
        await queue.ack(held[0].lease)
    await queue.release(held[1].lease)
    died = [message.id for message in await queue.dead_letters("q")]
    same("queue_dead_letter.6", died, [puts[1].id], "what fails now does not die by the new configuration")
    await listed(queue, "q", puts[1:])
    await empty(queue, "dead", "queue_dead_letter.6", "a message went to the target of a configuration that was replaced")
    await drains(queue, "other", puts[1:], VISIBILITY, "the new target")


@check("queue_dead_letter.6", "queue_dead_letter.1")
@gauntlet(lambda limits: [{"had": had, "most": most} for had, most in ((2, 1), (3, 1), (3, 2), (5, 2))])
async def what_was_tried_more_often_dies_with_its_lease(queue: VisibilityAndDeadLetter, case: Case, had: int, most: int) -> None:
    """What is held in more attempts than a new configuration allows is delivered no more when that one fails."""
    times, other = Times(case), await case.client()
    put = (await fill(queue, "q", [b"x"], {"h": "v"}))[0]
    for attempt in range(1, had):
        await queue.release((await lease(times, queue, "q", put, attempt=attempt)).lease)
    held = await lease(times, queue, "q", put, attempt=had)
    await other.configure_dead_letter("q", "dead", most)
    await queue.release(held.lease)
    got = await queue.receive("q", HELD_S)
    same("queue_dead_letter.6", got, None, "a message is delivered more often than what is configured now allows")
    await listed(queue, "q", [put])
    await drains(queue, "dead", [put], VISIBILITY, "what had been tried too often already")


@check("queue_dead_letter.6", "queue_dead_letter.1")
@gauntlet(lambda limits: [{"use": use} for use in ("nothing", "ack", "death", "redrive")])
async def a_configuration_stays_when_a_queue_was_used_up(queue: VisibilityAndDeadLetter, case: Case, use: str) -> None:
    """Also when a queue, and its target, have become empty again, what was configured holds for what comes then."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", 2)
    if use != "nothing":
        first = (await fill(other, "q", [b"first"]))[0]
        if use != "ack":
            await dies_after(times, (queue, other), "q", first, 2, "release")
            await listed(queue, "q", [first])
        if use == "redrive":
            same("queue_dead_letter.5", await other.redrive("q"), 1, "redrive does not say how many it moved")
        await drains(queue, "dead" if use == "death" else "q", [first], VISIBILITY, "the last message of all")
    put = (await fill(queue, "q", [b"x"]))[0]
    await dies_after(times, (queue, other), "q", put, 2, "release")
    got = await other.receive("q", HELD_S)
    same("queue_dead_letter.6", got, None, f"a queue that became empty ({use}) is not configured any more: a third delivery of two")
    await listed(queue, "q", [put])
    await drains(other, "dead", [put], VISIBILITY, f"the target, after the queue became empty ({use})")


@check("queue_dead_letter.6")
@gauntlet(lambda limits: [{"most": most} for most in (0, -1, -(2**40))])
async def too_few_attempts_are_refused(queue: VisibilityAndDeadLetter, case: Case, most: int) -> None:
    """``max_attempts`` below 1, or the queue itself as target, raises ``ValueError``; what was configured stays."""
    times, other = Times(case), await case.client()
    sentence = "a configuration that cannot be is not refused by ValueError"
    await refused("queue_dead_letter.6", queue.configure_dead_letter("fresh", "dead", most), ValueError, sentence)
    await refused("queue_dead_letter.6", queue.configure_dead_letter("fresh", "fresh", 2), ValueError, sentence)
    await queue.configure_dead_letter("q", "dead", 2)
    await refused("queue_dead_letter.6", queue.configure_dead_letter("q", "dead", most), ValueError, sentence)
    await refused("queue_dead_letter.6", queue.configure_dead_letter("q", "q", 1), ValueError, sentence)
    for name, fails in (("q", 2), ("fresh", 4)):
        put = (await fill(queue, name, [b"x"]))[0]
        await dies_after(times, (queue, other), name, put, fails, "release", "queue_dead_letter.6")
        await listed(queue, name, [put] if name == "q" else [])


@check("queue_dead_letter.10")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)[::2]])
async def a_bad_name_is_refused_by_every_method(queue: VisibilityAndDeadLetter, name: str, near: str) -> None:
    """A name that is illegal raises `InvalidName` as queue and as target, before any effect, also on what is configured."""
    await queue.configure_dead_letter(near, "the target", 3)
    calls: dict[str, Any] = {
        "configure_dead_letter": lambda: queue.configure_dead_letter(name, "dead", 1),
        "configure_dead_letter, as target,": lambda: queue.configure_dead_letter(near, name, 1),
        "dead_letters": lambda: queue.dead_letters(name),
        "redrive": lambda: queue.redrive(name),
    }
    for method, call in calls.items():
        await refused("queue_dead_letter.10", call(), InvalidName, f"{method} of a bad name is not refused by InvalidName")
    put = (await fill(queue, near, [b"x"]))[0]
    held = await queue.receive(near, HELD_S)
    assert held is not None
    await queue.release(held)
    with law("queue_dead_letter.10"):
        same("queue_dead_letter.10", await queue.dead_letters(near), [], "a configuration that was refused has an effect")
        await drains(queue, near, [put], VISIBILITY, "after refused configurations")
    for wrong in (b"q", None, 1):
        other: Any = wrong
        for call in (queue.dead_letters(other), queue.redrive(other), queue.configure_dead_letter(near, other, 1)):
            await refused("queue_dead_letter.10", call, TypeError, "what is no text is not refused by TypeError")


@check("queue_dead_letter.10", "queue_dead_letter.4")
@gauntlet(
    lambda limits: [
        {"names": names[:4]}
        for names in (*name_groups(limits.max_name)[::11], ("a", "A", "ａ", "á"), tuple(longest_names(limits.max_name)))
    ]
)
async def names_are_apart(queue: VisibilityAndDeadLetter, case: Case, names: tuple[str, ...]) -> None:
    """Look-alikes have configurations, targets and dead messages of their own (Q-27)."""
    times = Times(case)
    target = "target"
    await queue.configure_dead_letter(names[0], target, 1)
    for name in names[1:]:
        put = (await fill(queue, name, [b"x"]))[0]
        await dies_after(times, (queue,), name, put, 2, "release")
        await listed(queue, name, [])
        await drains(queue, name, [put], VISIBILITY, "a look-alike of a configured queue")
    await empty(queue, target, "queue_dead_letter.10", "a message of a look-alike died")
    for number, name in enumerate(names[1:]):
        await queue.configure_dead_letter("source", name, 1)
        put = (await fill(queue, "source", [b"%d" % number]))[0]
        await die(times, queue, "source", [put], 1)
        for other in names:
            if other != name:
                await empty(queue, other, "queue_dead_letter.10", "a dead message is in a look-alike of its target")
        await drains(queue, name, [put], VISIBILITY, "a target with a look-alike")


_JOINTS = ("", ":", "::", "/", ".", "-", "->", "_", "|", " ", ",", "#", "%", "\x00")
"""With what somebody may join the name of a queue and that of its target."""


@check("queue_dead_letter.10", "queue_dead_letter.4", "queue_dead_letter.5")
@gauntlet(lambda limits: [{"joint": joint} for joint in _JOINTS])
async def pairs_of_names_are_apart(queue: VisibilityAndDeadLetter, case: Case, joint: str) -> None:
    """A queue and its target are not taken for another two, of which the names are the same once they are joined (Q-27)."""
    times = Times(case)
    pairs = ((f"a{joint}b", "c"), ("a", f"b{joint}c"))
    for name, target in pairs:
        await queue.configure_dead_letter(name, target, 1)
    for (name, target), (other, other_target) in (pairs, pairs[::-1]):
        put = (await fill(queue, name, [b"x"]))[0]
        story = f"of {name!r}, whose target is {target!r}, beside {other!r}, whose target is {other_target!r}"
        with law("queue_dead_letter.10"):
            await die(times, queue, name, [put], 1)
            for each, expected in ((name, [put.id]), (other, [])):
                found = [message.id for message in await queue.dead_letters(each)]
                same("queue_dead_letter.10", found, expected, f"dead_letters lists something else than what died, {story}")
            same("queue_dead_letter.10", await queue.redrive(other), 0, f"redrive moves what died in another queue, {story}")
            held = await lease(times, queue, target, put, promise="queue_dead_letter.10")
            await queue.ack(held.lease)
            await empty(queue, other_target, "queue_dead_letter.10", f"a message is in another target, {story}")


@check("queue_dead_letter.10", "queue_dead_letter.6")
async def namespaces_are_apart(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """Configurations and dead messages of one namespace are nothing to another."""
    times, sibling = Times(case), await case.sibling()
    await queue.configure_dead_letter("q", "dead", 1)
    here, there = (await fill(queue, "q", [b"here"]))[0], (await fill(sibling, "q", [b"there"]))[0]
    await die(times, queue, "q", [here], 1)
    await dies_after(times, (sibling,), "q", there, 3, "release")
    await listed(queue, "q", [here])
    with law("queue_dead_letter.10"):
        await listed(sibling, "q", [])
        same("queue_dead_letter.10", await sibling.redrive("q"), 0, "redrive reaches into another namespace")
        await drains(sibling, "q", [there], VISIBILITY, "a namespace without configuration")
        await empty(sibling, "dead", "queue_dead_letter.10", "a dead message is in another namespace")
    await listed(queue, "q", [here])


@check("queue_dead_letter.3", "queue_dead_letter.1")
@gauntlet(lambda limits: [{"count": count, "on": on} for count in (1, 3, 8) for on in ("one", "each")])
async def looks_at_once_bury_each_message_once(queue: VisibilityAndDeadLetter, case: Case, count: int, on: str) -> None:
    """Receives, lists and redrives that meet the same dying messages move each once; none is lost or doubled (Q-15, Q-16)."""
    times = Times(case)
    slots = await clients(queue, case, [0 if on == "one" else number for number in range(4)])
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(count))
    held = [await lease(times, queue, "q", put) for put in puts]
    case.overlap()
    await together(
        *(slots[number % 4].release(item.lease) for number, item in enumerate(held)),
        *(slot.receive("q", HELD_S) for slot in slots),
        *(slot.dead_letters("q") for slot in slots),
    )
    dead = await queue.dead_letters("q")
    expected = sorted(put.id for put in puts)
    same("queue_dead_letter.3", sorted(message.id for message in dead), expected, "looks at once lost or doubled a dead message")
    moved = await together(*(slot.redrive("q") for slot in slots))
    same("queue_dead_letter.5", sum(moved), count, "redrives at once do not move each message once")
    found: list[str] = []
    while (got := await queue.receive("q", HELD_S)) is not None and len(found) < 50:
        found.append(got.message.id)
    same("queue_dead_letter.3", sorted(found), expected, "redrives at once lost or doubled a message")
    await empty(queue, "dead", "queue_dead_letter.3", "after redrives a message is in both queues")


@check("queue_dead_letter.2", "queue_dead_letter.3", "queue_dead_letter.4")
async def a_target_may_have_a_target(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """A dead message that fails in the target, too, dies there by that queue's configuration, whole (Q-15)."""
    times = Times(case)
    await queue.configure_dead_letter("a", "b", 1)
    await queue.configure_dead_letter("b", "c", 2)
    put = (await fill(queue, "a", [b"x"], {"h": "v"}))[0]
    await dies_after(times, (queue,), "a", put, 1, "release")
    await listed(queue, "a", [put])
    await listed(queue, "b", [])
    await dies_after(times, (queue,), "b", put, 2, "release")
    await listed(queue, "b", [put])
    await listed(queue, "a", [])
    same("queue_dead_letter.5", await queue.redrive("a"), 0, "redrive moves what is not in the target any more")
    same("queue_dead_letter.5", await queue.redrive("b"), 1, "redrive does not move what died")
    got = await queue.receive("b", HELD_S)
    if got is None or got.message.id != put.id:
        broken("queue_dead_letter.5", "what was brought back is not in the queue in which it died", expected=put, got=got)
    for name in ("a", "c"):
        await empty(queue, name, "queue_dead_letter.3", "a message is in two queues")
