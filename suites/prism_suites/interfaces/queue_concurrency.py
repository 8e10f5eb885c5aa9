"""queue_basic under concurrency: histories of several clients are judged as those of one FIFO queue."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._queue_racing import drained_too, judge_fifo, overlapped
from prism_suites._queue_taking import BASIC, drains, fill, numbered
from prism_suites._racing import PLANS, clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueMessage
from prism_testkit.plan import Plan

_SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("e", "d"),
    ("ee", "dd"),
    ("e", "e", "d", "d"),
    ("eee", "ddd", "ddd"),
    ("eeee", "d-d-d-d", "-d-d-d-d"),
    ("eeeeee", "eeeeee", "dddd", "dddd", "dddd"),
    ("ededed", "dedede"),
    ("edededed", "edededed", "edededed", "edededed"),
    ("eeee", "pppp", "dddd"),
    ("epdepd", "pedped", "dpedpe"),
    ("e-e-e-e-e-", "-d-d-d-d-d", "--p--p--p"),
    ("eeeeeeeeee", "d--d--d--d", "--d--d--d-"),
)


async def _play(case: Case, slots: Sequence[Any], scripts: Sequence[str], before: int, plan: Plan) -> None:
    """Run each script on its client: enqueue, dequeue, peek, or let the others run; the plan says who goes next."""
    await fill(slots[0], "q", numbered(before, "before"))
    case.schedule(plan)

    async def perform(slot: Any, number: int, script: str) -> None:
        for place, step in enumerate(script):
            if step == "e":
                await slot.enqueue("q", b"%d.%d" % (number, place))
            elif step == "d":
                await slot.dequeue("q")
            elif step == "p":
                await slot.peek("q")
            else:
                await asyncio.sleep(0)

    await together(*(perform(slot, number, script) for number, (slot, script) in enumerate(zip(slots, scripts, strict=True))))
    case.unschedule()
    await slots[-1].peek("q")
    await drained_too(slots[0], "q")


_LETTERS = st.text("edp-", min_size=1, max_size=8)


@check("queue_basic.10", "queue_basic.2", "queue_basic.3", "queue_basic.5")
@gauntlet(
    lambda limits: [
        {"scripts": scripts, "on": on, "before": (0, 1, 3)[(number + place) % 3], "plan": Plan()}
        for number, scripts in enumerate(_SCRIPTS)
        for place, on in enumerate(("one", "each", "two"))
    ]
)
@given(
    scripts=st.lists(_LETTERS, min_size=2, max_size=5).map(tuple),
    on=st.sampled_from(["one", "each", "two"]),
    before=st.integers(0, 3),
    plan=PLANS,
)
async def histories_are_those_of_one_queue(
    queue: QueueBasic, case: Case, scripts: tuple[str, ...], on: str, before: int, plan: Plan
) -> None:
    """However calls of several clients overlap, some order of them explains every answer (Q-08, Q-10)."""
    numbers = [0 if on == "one" else number if on == "each" else number % 2 for number in range(len(scripts))]
    await _play(case, await clients(queue, case, numbers), scripts, before, plan)
    judge_fifo(case, "q", BASIC)
    if not overlapped(case, "enqueue", "dequeue", "peek"):
        case.inconclusive("no two calls overlapped")


@check("queue_basic.10", "queue_basic.2")
@gauntlet(
    lambda limits: [
        {"messages": messages, "takers": takers, "on": on}
        for messages, takers in ((1, 2), (1, 8), (3, 8), (8, 8), (12, 8), (5, 24))
        for on in ("one", "each")
    ]
)
async def concurrent_takes_share_no_message(queue: QueueBasic, case: Case, messages: int, takers: int, on: str) -> None:
    """Of many takes at once each gives a message of its own, as many as there are, and the others None (Q-10)."""
    puts = await fill(queue, "q", numbered(messages))
    slots = await clients(queue, case, [0 if on == "one" else number % 8 for number in range(takers)])
    case.overlap()
    got = await together(*(slot.dequeue("q") for slot in slots))
    given = [message.id for message in got if isinstance(message, QueueMessage)]
    if len(set(given)) < len(given):
        broken("queue_basic.10", "concurrent takes are given the same message", expected="each message once", got=given)
    same(
        "queue_basic.10",
        sorted(given),
        sorted(put.id for put in puts[:takers]),
        "concurrent takes are not given the first messages",
    )
    await drains(queue, "q", puts[takers:], BASIC, "after concurrent takes")


@check("queue_basic.4", "queue_basic.10", "queue_basic.2")
@gauntlet(
    lambda limits: [
        {"waiters": waiters, "messages": messages, "on": on, "pause": pause}
        for waiters, messages in ((1, 1), (2, 1), (3, 3), (5, 3), (3, 6))
        for on in ("one", "each")
        for pause in (0.0, 30.0)
    ]
)
async def waiting_takes_are_given_what_comes(
    queue: QueueBasic, case: Case, waiters: int, messages: int, on: str, pause: float
) -> None:
    """Messages that come while takes wait are given to them, each to one; nothing is lost to a take that gave up (Q-11)."""
    surplus = waiters > messages
    if surplus and not case.clock.virtual and (on == "one" or pause):
        return  # each of these waits in real time
    patience_s, pause_s = (200.0, pause) if case.clock.virtual else (0.4 if surplus else 5.0, pause / 1000)
    slots = await clients(queue, case, [0 if on == "one" else number for number in range(waiters)])
    producer = await case.client()
    case.overlap()

    async def produce() -> None:
        for number in range(messages):
            await case.clock.sleep(pause_s)
            await producer.enqueue("q", b"%d" % number)
        if not case.clock.virtual and case.clock.now_s() - began_s > patience_s / 2:
            case.inconclusive("the machine was so slow that the takes may have given up")

    began_s = case.clock.now_s()
    *got, _ = await together(*(slot.dequeue("q", patience_s) for slot in slots), produce())
    given = [message.payload for message in got if message is not None]
    if len(given) < min(waiters, messages):
        broken("queue_basic.4", "takes that wait are not given what comes", expected=min(waiters, messages), got=len(given))
    await drained_too(queue, "q")
    judge_fifo(case, "q", BASIC)


@check("queue_basic.4", "queue_basic.6", "queue_basic.9")
async def a_waiting_take_minds_its_own_queue(queue: QueueBasic, case: Case) -> None:
    """What comes to another queue or namespace wakes nobody, and is not lost (Q-11, Q-27)."""
    other, sibling = await case.client(), await case.sibling()
    pause_s = 5.0 if case.clock.virtual else 0.01

    async def elsewhere() -> None:
        await case.clock.sleep(pause_s)
        for slot, name in ((queue, "q2"), (queue, "Q"), (sibling, "q")):
            await slot.enqueue(name, b"elsewhere")

    got, _ = await together(other.dequeue("q", pause_s * 20), elsewhere())
    same("queue_basic.6", got, None, "a dequeue is given what came to another queue or namespace")
    for slot, name in ((queue, "q2"), (queue, "Q"), (sibling, "q")):
        left = await slot.dequeue(name)
        same("queue_basic.2", left and left.payload, b"elsewhere", "a message was lost to a take elsewhere")


@check("queue_basic.10", "queue_basic.2", "queue_basic.3")
@gauntlet(lambda limits: [{"consumers": count, "messages": messages} for count, messages in ((4, 60), (16, 100), (50, 150))])
async def many_consumers_drain_a_queue(queue: QueueBasic, case: Case, consumers: int, messages: int) -> None:
    """Consumers that drain a queue together are given each message exactly once, while producers go on (Q-10)."""
    slots = await clients(queue, case, [number % 4 for number in range(consumers)])
    case.overlap()

    async def produce(slot: Any, mark: str) -> None:
        for payload in numbered(messages // 2, mark):
            await slot.enqueue("q", payload)

    async def consume(slot: Any) -> None:
        for _ in range(messages // consumers):
            await slot.dequeue("q")

    await together(produce(slots[0], "a"), produce(slots[1], "b"), *map(consume, slots))
    await drained_too(queue, "q")
    judge_fifo(case, "q", BASIC)


@check("queue_basic.10", "queue_basic.2")
async def ten_clients_open_an_empty_namespace_at_once(queue: QueueBasic, case: Case) -> None:
    """They all succeed, and what each enqueues all can take."""
    with case.law("queue_basic.10"):
        slots = [*await asyncio.gather(*(case.client() for _ in range(9))), queue]
        case.overlap()
        await together(*(slot.enqueue("q", b"%d" % number) for number, slot in enumerate(slots)))
        got = await together(*(slot.dequeue("q") for slot in slots))
    found = sorted(message.payload for message in got if message is not None)
    same("queue_basic.10", found, sorted(b"%d" % number for number in range(10)), "ten clients do not see one queue")
