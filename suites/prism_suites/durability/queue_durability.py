"""What was acknowledged in queues survives SIGKILL: of the process that wrote it, and of the server."""

from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._queue_durable import AHEAD, HEADERS, Story, leases, lines
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_remains import lines_left, lone_left, whole
from prism_suites._queue_taking import HELD_S, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueueMessage, QueuePriority, QueueVisibility
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.outcomes import law
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_DURABLE = Traits(durability="process")
Basic = Annotated[QueueBasic, _DURABLE]
Visibility = Annotated[QueueVisibility, _DURABLE]
Dead = Annotated[VisibilityAndDeadLetter, _DURABLE]
Priority = Annotated[QueuePriority, _DURABLE]
Delayed = Annotated[QueueDelayed, _DURABLE]


async def _kill(
    case: Case, promise: str, steps: list[Step], count: int, target: Target, after: Survivors | None = None, down_s: float = 0.0
) -> Survivors:
    with case.law(promise):  # a store that does not open again has lost everything
        return await case.kill(steps, count, target, after=after, down_s=down_s)


async def _goes_on(slot: Any, promise: str) -> None:
    with law(promise):
        await slot.enqueue("after the kill", b"new", HEADERS)
        whole(promise, await take(slot, "after the kill"), b"new", HEADERS, "enqueued after it")
        same(promise, await take(slot, "after the kill"), None, "after the kill a message is given twice")


@check("queue_basic.12")
@gauntlet(lambda limits: [{"kills": [200, 43]}])
async def messages_survive_the_writer(queue: Basic, case: Case, kills: list[int]) -> None:
    """Acknowledged enqueues are there after SIGKILL of the writer, once each and in order, and what was taken is gone (Q-21)."""
    await _lines(case, kills, "writer")


@check("queue_basic.12", level="thorough")
@gauntlet(lambda limits: [{"kills": [300, 61, 40, 123, 95]}])
async def messages_survive_the_writer_often(queue: Basic, case: Case, kills: list[int]) -> None:
    """The same of more kills in one place, at other points of a call."""
    await _lines(case, kills, "writer")


@check("queue_basic.12", needs_server=True)
@gauntlet(lambda limits: [{"kills": [250]}])
async def messages_survive_the_server(queue: Basic, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (Q-21)."""
    await _lines(case, kills, "server")


async def _lines(case: Case, kills: list[int], target: Target) -> None:
    survivors: Survivors | None = None
    middle = False
    for number, count in enumerate(kills):
        story = lines(case.limits, count + AHEAD, number, takes=True)
        survivors = await _kill(case, "queue_basic.12", story.steps, count, target, survivors)
        middle = middle or not survivors.finished
        await lines_left(case, survivors.slot, story, survivors, "queue_basic.12")
        await _goes_on(survivors.slot, "queue_basic.12")
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


@check("queue_visibility.13")
@gauntlet(lambda limits: [{"kills": [150, 83]}])
async def leases_survive_the_writer(queue: Visibility, case: Case, kills: list[int]) -> None:
    """What was not removed is there after SIGKILL of whoever held it; acks, leases and attempts as claimed (Q-20, Q-21)."""
    await _leases(case, kills, "writer")


@check("queue_visibility.13", level="thorough")
@gauntlet(lambda limits: [{"kills": [150, 92, 83, 127, 64]}])
async def leases_survive_the_writer_often(queue: Visibility, case: Case, kills: list[int]) -> None:
    """The same of more kills in one place, at other points of a call."""
    await _leases(case, kills, "writer")


@check("queue_visibility.13", needs_server=True)
@gauntlet(lambda limits: [{"kills": [250]}])
async def leases_survive_the_server(queue: Visibility, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (Q-20, Q-21)."""
    await _leases(case, kills, "server")


async def _leases(case: Case, kills: list[int], target: Target) -> None:
    survivors: Survivors | None = None
    for number, count in enumerate(kills):
        plain = lines(case.limits, 60, number + 10, takes=False)
        story = leases(case.limits, count, number, HELD_S)
        both = Story([*plain.steps, *_shifted(story, len(plain.steps))], [*plain.queues, *story.queues])
        survivors = await _kill(case, "queue_visibility.13", both.steps, 60 + count, target, survivors)
        survivors.acknowledged -= 60
        await lone_left(case, survivors.slot, story, survivors, "queue_visibility.13", HELD_S)
        done = Survivors(60, True, survivors.site, survivors.namespace)
        await lines_left(case, survivors.slot, plain, done, "queue_visibility.13")
        await _goes_on(survivors.slot, "queue_visibility.13")


def _shifted(story: Story, by: int) -> list[Step]:
    return [
        (op, tuple(Returned(argument.step + by) if isinstance(argument, Returned) else argument for argument in arguments))
        for op, arguments in story.steps
    ]


@check("queue_visibility.13", "queue_visibility.3")
@gauntlet(lambda limits: [{"target": "writer"}])
async def short_leases_of_the_dead_end(queue: Visibility, case: Case, target: str) -> None:
    """What a process held when it was killed comes to others at the latest when its leases end (Q-20)."""
    short_s = 500.25 if case.clock.virtual else 1.0
    names = [f"short-{number}" for number in range(8)]
    steps: list[Step] = [("enqueue", (name, name.encode(), HEADERS)) for name in names]
    steps += [("receive", (name, short_s)) for name in names]
    count = len(steps)
    steps += [("enqueue", ("filler", b"%d" % number, None)) for number in range(AHEAD)]
    survivors = await _kill(
        case, "queue_visibility.13", steps, count + 20, "writer", down_s=short_s + 5.0 if case.clock.virtual else 0
    )
    for name in names:
        got = await survivors.slot.receive(name, HELD_S, 30.0)
        if got is None:
            broken("queue_visibility.13", "what a killed process held never comes back", expected=name, got=None)
        whole("queue_visibility.13", got, name.encode(), HEADERS, "held by the killed process")
        exact = case.traits.attempts_survive_kill == "yes"
        if got.attempt not in ((2,) if exact else (1, 2)):
            broken("queue_visibility.13", "the attempts of a message did not survive the kill", expected=2, got=got.attempt)


@check("queue_dead_letter.8")
async def the_dead_survive_the_writer(queue: Dead, case: Case) -> None:
    """Configurations, dead messages and their order are after SIGKILL of the writer what they were (Q-15)."""
    await _dead(case, "writer")


@check("queue_dead_letter.8", needs_server=True)
async def the_dead_survive_the_server(queue: Dead, case: Case) -> None:
    """The same after SIGKILL of the server and its restart (Q-15)."""
    await _dead(case, "server")


async def _dead(case: Case, target: Target) -> None:
    count = 6
    steps: list[Step] = [("configure_dead_letter", ("q", "dead", 9)), ("configure_dead_letter", ("q", "dead", 1))]
    steps += [("configure_dead_letter", ("later", "dead later", 9))]
    steps += [("enqueue", ("q", b"%d" % number, HEADERS)) for number in range(count)]
    first = len(steps)
    steps += [("receive", ("q", HELD_S)) for _ in range(count)]
    order = [3, 0, 5, 1, 4, 2]
    for number in order:
        steps += [("release", (Returned(first + number),)), ("dead_letters", ("q",))]
    steps += [("enqueue", ("later", b"later", HEADERS)), ("configure_dead_letter", ("later", "dead later", 2))]
    done = len(steps)
    steps += [("receive", ("never used", HELD_S)) for _ in range(AHEAD)]  # which writes nothing
    survivors = await _kill(case, "queue_dead_letter.8", steps, done + 20, target)
    slot = survivors.slot
    listed = await slot.dead_letters("q")
    expected = [b"%d" % number for number in order]
    same(
        "queue_dead_letter.8",
        [message.payload for message in listed],
        expected,
        "the dead did not survive the kill, in their order",
    )
    for message in listed:
        whole("queue_dead_letter.8", message, message.payload, HEADERS, "dead")
    for _ in range(2):
        held = await slot.receive("later", HELD_S)
        if held is None:
            broken("queue_dead_letter.8", "after the kill a message is not delivered as often as configured", expected=2, got=None)
        await slot.release(held)
    same("queue_dead_letter.8", await slot.receive("later", HELD_S), None, "a configuration did not survive the kill")
    same("queue_dead_letter.8", len(await slot.dead_letters("later")), 1, "a configuration did not survive the kill")
    same("queue_dead_letter.8", await slot.redrive("q"), count, "after the kill redrive does not move what is listed")
    again = [await take(slot, "q") for _ in range(count)]
    same(
        "queue_dead_letter.8", [message and message.payload for message in again], expected, "after the kill a redrive loses order"
    )


@check("queue_dead_letter.8", "queue_dead_letter.3", "queue_dead_letter.4")
@gauntlet(lambda limits: [{"deaths": deaths} for deaths in (11, 25)])
async def who_died_last_is_dead_after_the_kill(queue: Dead, case: Case, deaths: int) -> None:
    """A kill amid deaths leaves each message in one place: dead, in their order, those whose last failure was acknowledged, and
    perhaps the next one; alive the others, until their leases run out (Q-15)."""
    count = 40
    steps: list[Step] = [("configure_dead_letter", ("q", "dead", 1))]
    steps += [("enqueue", ("q", b"%d" % number, HEADERS)) for number in range(count)]
    steps += [("receive", ("q", HELD_S)) for _ in range(count)]
    first, order = len(steps), [number * 7 % count for number in range(count)]
    steps += [("release", (Returned(1 + count + number),)) for number in order]
    steps += [("enqueue", ("filler", b"%d" % number, None)) for number in range(AHEAD)]
    survivors = await _kill(case, "queue_dead_letter.8", steps, first + deaths, "writer")
    died = [b"%d" % number for number in order][: survivors.acknowledged - first + 1]
    listed = [message.payload for message in await survivors.slot.dead_letters("q")]
    if listed not in (died, died[:-1]):
        broken("queue_dead_letter.8", "the dead did not survive a kill amid deaths, in their order", expected=died, got=listed)
    if case.clock.virtual:
        await case.advance(HELD_S + case.traits.ttl_late_s + 2 * case.limits.clock_resolution_s + 1)
        all_dead = sorted(message.payload for message in await survivors.slot.dead_letters("q"))
        expected = sorted(b"%d" % number for number in range(count))
        same("queue_dead_letter.8", all_dead, expected, "after a kill amid deaths a message is lost, or in two places")


@check("queue_priority.4", "queue_priority.1")
async def priorities_survive_the_writer(queue: Priority, case: Case) -> None:
    """Messages keep their priorities through SIGKILL of the writer (Q-19, Q-21)."""
    await _priorities(case, "writer")


@check("queue_priority.4", "queue_priority.1", needs_server=True)
async def priorities_survive_the_server(queue: Priority, case: Case) -> None:
    """The same after SIGKILL of the server and its restart (Q-19, Q-21)."""
    await _priorities(case, "server")


async def _priorities(case: Case, target: Target) -> None:
    given = [(number * 7 + number // 3) % 10 for number in range(40)]
    steps: list[Step] = [
        ("enqueue_with_priority", ("q", b"%d" % number, HEADERS, {"priority": priority})) for number, priority in enumerate(given)
    ]
    steps += [("enqueue", ("filler", b"%d" % number, None)) for number in range(AHEAD)]
    survivors = await _kill(case, "queue_priority.4", steps, len(given) + 20, target)
    for number in sorted(range(len(given)), key=lambda number: -given[number]):
        whole("queue_priority.4", await take(survivors.slot, "q"), b"%d" % number, HEADERS, f"of priority {given[number]}")
    same("queue_priority.4", await take(survivors.slot, "q"), None, "after the kill a message is doubled")


@check("queue_delayed.6")
async def delays_survive_the_writer(queue: Delayed, case: Case) -> None:
    """Delays are after SIGKILL of the writer what they were, and the time in between counts (Q-14)."""
    await _delays(case, "writer")


@check("queue_delayed.6", needs_server=True)
async def delays_survive_the_server(queue: Delayed, case: Case) -> None:
    """The same after SIGKILL of the server and its restart (Q-14)."""
    await _delays(case, "server")


async def _delays(case: Case, target: Target) -> None:
    virtual = case.clock.virtual
    short_s, middle_s, long_s = (500.25, 5000.5, 1e8) if virtual else (0.5, 1e5, 1e8)
    down_s = 1000.0 if virtual else 0.6
    given = [short_s, middle_s, long_s, short_s, long_s, middle_s]
    steps: list[Step] = [
        ("enqueue_delayed", ("q", b"%d" % number, HEADERS, {"delay_s": delay_s})) for number, delay_s in enumerate(given)
    ]
    steps += [("enqueue", ("filler", b"%d" % number, None)) for number in range(AHEAD)]
    survivors = await _kill(case, "queue_delayed.6", steps, len(given) + 20, target, down_s=down_s)
    slot = survivors.slot
    taken: list[QueueMessage] = []
    for wait_s, due in ((5.0, (0, 3)), (5000.0, (1, 5))) if virtual else ((0.0, (0, 3)),):
        if wait_s:
            await case.advance(wait_s)
        for _ in due:
            got = await take(slot, "q", 0 if virtual else 20.0)
            if got is None:
                broken(
                    "queue_delayed.6",
                    "a delayed message is not there after the kill, though its delay is over",
                    expected=due,
                    got=None,
                )
            taken.append(got)
            whole("queue_delayed.6", got, got.payload, HEADERS, "delayed")
        same("queue_delayed.6", {int(message.payload) for message in taken[-2:]}, set(due), "a delay changed by the kill")
    same("queue_delayed.6", await take(slot, "q"), None, "a delayed message is given before its delay is over, after the kill")
    same("queue_delayed.6", await slot.scheduled_count("q"), len(given) - len(taken), "after the kill scheduled_count is another")
