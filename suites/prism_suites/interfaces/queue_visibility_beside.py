"""queue_visibility beside queue_basic: both kinds of take on one queue."""

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._queue_leases import Held, conflicts, lease
from prism_suites._queue_taking import HELD_S, BasicAndVisibility, Put, fill, is_message, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Lease


@check("queue_visibility.2", "queue_visibility.3", "queue_visibility.4")
async def no_take_gives_what_is_leased(queue: BasicAndVisibility, case: Case) -> None:
    """While a lease is valid `dequeue` does not give its message either, nor one that was acked; the others it gives."""
    times, other = Times(case), await case.client()
    puts = await fill(queue, "q", numbered(4))
    held = [await lease(times, queue, "q", put, 3000.0) for put in puts[:2]]
    for put in puts[2:]:
        got, now = await times.during(other.dequeue("q"))
        if times.is_present(held[0].deadline, now):
            is_message("queue_visibility.2", got, put, "a dequeue beside leases gives another message than the next one")
    for slot in (queue, other):
        got, now = await times.during(slot.dequeue("q"))
        if got is not None and times.is_present(held[0].deadline, now):
            broken("queue_visibility.2", "dequeue gives a message whose lease is valid", expected=None, got=got)
    await queue.ack(held[0].lease)
    await queue.release(held[1].lease)
    is_message("queue_visibility.7", await other.dequeue("q"), puts[1], "dequeue does not give a released message")
    same("queue_basic.2", await other.dequeue("q"), None, "dequeue gives a message that is gone")
    await conflicts(queue, held[1].lease, "released, then dequeued")
    await times.move(10_000.0)
    same("queue_visibility.4", await queue.receive("q", HELD_S), None, "a message that is gone is given")
    same("queue_basic.5", await queue.peek("q"), None, "peek shows a message that is gone")


@check("queue_visibility.3", "queue_visibility.11", "queue_basic.2")
@given(script=st.text("rdax+", min_size=2, max_size=30))
@gauntlet(lambda limits: [{"script": script} for script in ("r+d", "rrx+r+ra", "rdrd+rara+", "rxrxrxrd", "r+r+r+r+a", "dr+dr+dr+")])
async def both_kinds_of_take_share_one_queue(queue: BasicAndVisibility, case: Case, script: str) -> None:
    """Receives, dequeues, acks, releases and deadlines by turns give each message while it is there, and at most once held."""
    times = Times(case)
    alive = {put.id: put for put in await fill(queue, "q", numbered(6))}
    held: list[Held] = []
    for step in script:
        if step in "rd":
            got, now = await times.during(queue.receive("q", 5000.0) if step == "r" else queue.dequeue("q"))
            message = got.message if isinstance(got, Lease) else got
            busy = {item.put.id for item in held if not times.is_missing(item.deadline, now)}
            if message is None:
                _nothing_left(alive, {item.put.id for item in held if not times.is_missing(item.deadline, now)})
                continue
            if message.id not in alive:
                broken("queue_visibility.4", "a message is given that is gone", expected=sorted(alive), got=message)
            if any(item.put.id == message.id and times.is_present(item.deadline, now) for item in held):
                broken(
                    "queue_visibility.2",
                    "a message is given while its lease is valid",
                    expected=sorted(set(alive) - busy),
                    got=message,
                )
            held = [item for item in held if item.put.id != message.id]
            if isinstance(got, Lease):
                held.append(Held(got, alive[message.id], now.after(5000.0)))
            else:
                del alive[message.id]
        elif step == "+":
            if case.clock.virtual and held:
                await times.past(held[-1].deadline)
                held = []
        elif held and times.is_present(held[-1].deadline, (await times.during(_nothing()))[1]):
            item = held.pop()
            await (queue.ack if step == "a" else queue.release)(item.lease)
            if step == "a":
                del alive[item.put.id]


async def _nothing() -> None:
    """Take no time."""


def _nothing_left(alive: dict[str, Put], busy: set[str]) -> None:
    waiting = set(alive) - busy
    if waiting:
        broken("queue_visibility.11", "a take gives nothing, though messages are available", expected=sorted(waiting), got=None)


@check("queue_basic.5", "queue_visibility.1", "queue_visibility.3")
@gauntlet(lambda limits: [{"ending": ending, "looks": looks} for ending in ("", "release", "deadline") for looks in (1, 5)])
async def a_look_is_no_delivery(queue: BasicAndVisibility, case: Case, ending: str, looks: int) -> None:
    """`peek` counts no attempt, hides no message, ends no lease and shows nothing else than a message of the queue (Q-32)."""
    times, other = Times(case), await case.client()
    put, second = await fill(queue, "q", numbered(2), {"h": "v"})
    attempt = 1
    if ending:
        held = await lease(times, queue, "q", put, 1000.0)
        for _ in range(looks):
            shown = await other.peek("q")
            if shown is not None and shown.id not in (put.id, second.id):
                broken("queue_basic.5", "peek shows a message that was not enqueued", expected=second, got=shown)
        if ending == "release":
            await other.release(held.lease)
        elif not await times.past(held.deadline):
            return
        attempt = 2
    for number in range(looks):
        shown = await (queue, other)[number % 2].peek("q")
        if shown is None or shown.id not in (put.id, second.id):
            broken("queue_basic.5", "peek does not show what is available", expected=put, got=shown)
    attempts = {}
    for _ in range(2):
        got = await other.receive("q", HELD_S)
        if got is None:
            broken("queue_basic.5", "after a peek a message cannot be received", expected=put, got=None)
        attempts[got.message.id] = got.attempt
    same("queue_basic.5", attempts, {put.id: attempt, second.id: 1}, "peek counts as a delivery, or changes what is given")
