"""Leases and delays: what is leased or late stays so, whatever is done to the messages beside it, and to its queue."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Lease, QueueBasic, QueueDeadLetter, QueueDelayed, QueueVisibility
from prism_testkit.tap import offers

_LATER_S = 1e6
_COUNT = 7
_HELD = 3
"""Which of the leases stays: with others on either side."""


@dataclass
class _Queue:
    """A queue of which all messages are leased, and one is late where that is offered."""

    case: Case
    queue: Any
    other: Any
    leases: Sequence[Lease]

    @property
    def free(self) -> list[Lease]:
        return [lease for number, lease in enumerate(self.leases) if number != _HELD]

    async def come_back(self) -> None:
        """Receive what is free again, and ack it."""
        wanted = sorted(lease.message.id for lease in self.free)
        patience_s, found = 100.0 if self.case.clock.virtual else 10.0, list[Lease]()
        while len(found) < len(wanted) and (lease := await self.other.receive("q", HELD_S, patience_s)) is not None:
            found.append(lease)
        same("queue_visibility.11", sorted(lease.message.id for lease in found), wanted, "not exactly what was given back comes")
        for lease in found:
            await self.other.ack(lease)


async def _one_by_one(queue: _Queue) -> None:
    for lease in queue.free:
        await queue.queue.ack(lease)


async def _backwards(queue: _Queue) -> None:
    for lease in reversed(queue.free):
        await queue.queue.ack(lease)


async def _released(queue: _Queue) -> None:
    for lease in queue.free:
        await queue.queue.release(lease)
    await queue.come_back()


async def _shorter(queue: _Queue) -> None:
    """Let the leases of the others end soon."""
    for lease in queue.free:
        await queue.queue.extend(lease, 1.0 if queue.case.clock.virtual else 0.05)
    await queue.come_back()


async def _longer(queue: _Queue) -> None:
    for lease in queue.free:
        await queue.queue.extend(lease, 40_000.0)
    await _one_by_one(queue)


async def _dead(queue: _Queue) -> None:
    """Let the others die, and bring them back."""
    if offers(queue.queue, QueueDeadLetter):
        await queue.queue.configure_dead_letter("q", "dead", 1)
        for lease in queue.free:
            await queue.queue.release(lease)
        await queue.other.dead_letters("q")
        same("queue_dead_letter.5", await queue.other.redrive("q"), len(queue.free), "redrive does not move what died")
        await queue.come_back()
    else:
        await _one_by_one(queue)


async def _used_up(queue: _Queue) -> None:
    """Let a queue of nothing else come and go, and a queue beside it."""
    await _one_by_one(queue)
    for name in ("q", "beside"):
        for number in range(40):
            await queue.other.enqueue(name, b"more %d" % number)
        while (lease := await queue.queue.receive(name, HELD_S)) is not None:
            same(
                "queue_visibility.2", lease.message.payload.startswith(b"more"), True, "what is leased is given beside new messages"
            )
            await queue.queue.ack(lease)


async def _in_vain(queue: _Queue) -> None:
    await _one_by_one(queue)
    for _ in range(5):
        same("queue_visibility.2", await queue.queue.receive("q", 1.0, 0.01), None, "something comes, where all is leased or late")


async def _taken(queue: _Queue) -> None:
    """Take the others for good."""
    for lease in queue.free:
        await queue.queue.release(lease)
    if not offers(queue.queue, QueueBasic):
        return await queue.come_back()
    for _ in queue.free:
        got = await queue.other.dequeue("q", 10.0)
        same("queue_visibility.11", got is not None, True, "what was released is not given to a dequeue")
    return None


async def _looks(queue: _Queue) -> None:
    await _one_by_one(queue)
    for slot in (queue.queue, queue.other):
        if offers(slot, QueueBasic):
            await slot.peek("q")
        if offers(slot, QueueDeadLetter):
            await slot.dead_letters("q")


async def _time(queue: _Queue) -> None:
    await _one_by_one(queue)
    if queue.case.clock.virtual:
        for part_s in (1.0, 50.0, HELD_S / 3):
            await queue.case.advance(part_s)
            same("queue_visibility.3", await queue.other.receive("q", HELD_S), None, "something comes before its time")


_EVENTS: dict[str, Callable[[_Queue], Awaitable[None]]] = {
    "acks of all others": _one_by_one,
    "acks from the last to the first": _backwards,
    "releases of all others": _released,
    "shorter leases of all others": _shorter,
    "longer leases of all others": _longer,
    "deaths of all others": _dead,
    "many more, and another queue": _used_up,
    "receives in vain": _in_vain,
    "dequeues of all others": _taken,
    "looks": _looks,
    "time": _time,
}


@check("queue_visibility.2", "queue_visibility.3", "queue_visibility.5", "queue_delayed.1", "queue_delayed.2")
@gauntlet(lambda limits: [{"event": event} for event in _EVENTS])
async def it_stays_whatever_happens_beside_it(queue: QueueVisibility, case: Case, event: str) -> None:
    """A message that is leased goes to nobody, and one that is late does not come before its time, whatever is done to those beside
    them meanwhile; then the one can be acked, and the other comes (Q-14, Q-20).
    """
    slot, other = await case.whole(), await case.client(whole=True)
    late = None
    if offers(slot, QueueDelayed):
        late = await slot.enqueue_delayed("q", b"late", delay_s=_LATER_S)
    leases = []
    for number in range(_COUNT):
        await slot.enqueue("q", b"%d" % number)
        lease = await slot.receive("q", HELD_S, 10.0)
        if lease is None:
            broken("queue_visibility.1", "a message is not given to a receive that waits", expected=b"%d" % number, got=None)
        leases.append(lease)
    await _EVENTS[event](_Queue(case, slot, other, leases))
    for who in (other, slot):
        got = await who.receive("q", HELD_S, 1.0 if case.clock.virtual else 0)
        if got is not None:
            promise = {leases[_HELD].message.id: "queue_visibility.2", late: "queue_delayed.1"}.get(
                got.message.id, "queue_visibility.4"
            )
            broken(promise, f"beside {event} a message comes that is leased, late or acked", expected=None, got=got)
    if late is not None:
        same("queue_delayed.2", await other.scheduled_count("q"), 1, f"beside {event} what is late is not counted")
    with case.law("queue_visibility.4"):
        await slot.ack(leases[_HELD])
    if case.clock.virtual:
        await case.advance(_LATER_S + 10.0)
        got = await other.receive("q", HELD_S, 100.0 if late is not None else 0)
        found = None if got is None else got.message.id
        same("queue_delayed.1", found, late, f"beside {event}: what comes when the delay is over is not what was late")
