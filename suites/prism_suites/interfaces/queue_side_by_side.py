"""queue: two calls of one kind, by one client, at once: each has its own arguments, its own effect and its own answer."""

from typing import Any

from prism_suites._at_once import Kind, Sides, each_does_its_own, each_of
from prism_suites._queue_taking import HELD_S, take
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueuePriority, QueueVisibility
from prism_testkit.tap import offers

_SHORT_S = 60.0


def _told(message: Any) -> Any:
    return message and (message.payload, dict(message.headers))


async def _enqueues(sides: Sides) -> None:
    q = sides.slot
    ids = await sides.both(q.enqueue("a", b"of a", {"a": "1"}), q.enqueue("b", b"of b"))
    found = [await take(q, name) for name in ("a", "b")]
    sides.same([_told(each) for each in found], [(b"of a", {"a": "1"}), (b"of b", {})], "one enqueues what is the other's")
    sides.same([each and each.id for each in found], list(ids), "one returns the id of the other")
    sides.same([await take(q, name) for name in ("a", "b")], [None, None], "more is enqueued than that")


async def _filled(q: Any) -> None:
    for name in ("a", "b"):
        for number in range(2):
            await q.enqueue(name, f"{name}{number}".encode(), {"of": name})


async def _dequeues(sides: Sides) -> None:
    await _filled(sides.slot)
    found = await sides.both(sides.slot.dequeue("a"), sides.slot.dequeue("b"))
    sides.same([each and each.payload for each in found], [b"a0", b"b0"], "one takes what is the other's")


async def _peeks(sides: Sides) -> None:
    await _filled(sides.slot)
    found = await sides.both(sides.slot.peek("a"), sides.slot.peek("b"))
    sides.same([each and each.payload for each in found], [b"a0", b"b0"], "one shows what is the other's")


async def _priorities(sides: Sides) -> None:
    q = sides.slot
    for name in ("a", "b"):
        await q.enqueue_with_priority(name, b"5", priority=5)
    await sides.both(q.enqueue_with_priority("a", b"9", priority=9), q.enqueue_with_priority("b", b"1", priority=1))
    found = [[getattr(await take(q, name), "payload", None) for _ in range(2)] for name in ("a", "b")]
    sides.same(found, [[b"9", b"5"], [b"5", b"1"]], "one has the priority of the other")


async def _delays(sides: Sides) -> None:
    q, case = sides.slot, sides.case
    await sides.both(q.enqueue_delayed("a", b"of a", delay_s=0), q.enqueue_delayed("b", b"of b", delay_s=5e5))
    found = await sides.both(q.scheduled_count("a"), q.scheduled_count("b"))
    sides.same(list(found), [0, 1], "scheduled_count tells others")
    sides.same([_told(await take(q, name)) for name in ("a", "b")], [(b"of a", {}), None], "one has the delay of the other")
    if case.clock.virtual:
        await sides.both(q.enqueue_delayed("c", b"c", delay_s=100.0), q.enqueue_delayed("d", b"d", delay_s=1e5))
        await case.advance(1000.0)
        sides.same([_told(await take(q, name)) for name in ("c", "d")], [(b"c", {}), None], "one has the delay of the other")


async def _leased(q: Any, seconds: tuple[float, float] = (HELD_S, HELD_S)) -> list[Any]:
    await _filled(q)
    return [await q.receive(name, seconds[number]) for number, name in enumerate(("a", "b"))]


async def _receives(sides: Sides) -> None:
    q = sides.slot
    await _filled(q)
    leases = await sides.both(q.receive("a", _SHORT_S), q.receive("b", HELD_S))
    told = [lease and (lease.queue, lease.message.payload, lease.attempt) for lease in leases]
    sides.same(told, [("a", b"a0", 1), ("b", b"b0", 1)], "one is given what is the other's")
    if sides.case.clock.virtual:
        await _ends(sides, 2 * _SHORT_S)


async def _ends(sides: Sides, seconds: float) -> None:
    """After so long the lease on ``a`` is over, that on ``b`` is not."""
    await sides.case.advance(seconds + sides.case.limits.clock_resolution_s + sides.case.traits.ttl_late_s)
    await _left(sides, {"a": [1, 2], "b": [1]}, "one leases for the time of the other")


async def _acks(sides: Sides) -> None:
    first, second = await _leased(sides.slot)
    await sides.both(sides.slot.ack(first), sides.slot.ack(second))
    await _left(sides, {"a": [1], "b": [1]}, "one acks what is the other's")


async def _releases(sides: Sides) -> None:
    first, second = await _leased(sides.slot)
    await sides.both(sides.slot.release(first), sides.slot.release(second))
    await _left(sides, {"a": [1, 2], "b": [1, 2]}, "one releases what is the other's")


async def _left(sides: Sides, attempts: dict[str, list[int]], what: str) -> None:
    """Receive what is available in both queues, and judge their attempts."""
    found = {}
    for name in attempts:
        told = []
        while (lease := await sides.slot.receive(name, HELD_S)) is not None:
            told.append(lease.attempt)
        found[name] = sorted(told)
    sides.same(found, attempts, f"{what}: what comes then from each queue, by its attempts")


async def _extends(sides: Sides) -> None:
    if not sides.case.clock.virtual:
        return
    first, second = await _leased(sides.slot, (600.0, 600.0))
    await sides.both(sides.slot.extend(first, _SHORT_S), sides.slot.extend(second, HELD_S))
    await _ends(sides, 2 * _SHORT_S)


async def _configures(sides: Sides) -> None:
    q = sides.slot
    await sides.both(q.configure_dead_letter("a", "dead a", 1), q.configure_dead_letter("b", "dead b", 2))
    ids = [await q.enqueue(name, name.encode()) for name in ("a", "b")]
    for name in ("a", "b"):
        await q.release(await q.receive(name, HELD_S))
    found = await sides.both(q.dead_letters("a"), q.dead_letters("b"))
    sides.same([[each.id for each in some] for some in found], [[ids[0]], []], "one has the number of the other")
    await q.release(await q.receive("b", HELD_S))
    found = await sides.both(q.dead_letters("a"), q.dead_letters("b"))
    sides.same(
        [[each.id for each in some] for some in found], [[ids[0]], [ids[1]]], "one has the number of the other, or lists its"
    )
    sides.same((await q.receive("dead b", HELD_S)).message.id, ids[1], "one has the target of the other")
    await q.configure_dead_letter("c", "dead c", 1)
    for _ in range(2):
        await q.enqueue("c", b"c")
        await q.release(await q.receive("c", HELD_S))
    await q.dead_letters("c")
    moved = await sides.both(q.redrive("a"), q.redrive("c"))
    sides.same(list(moved), [1, 2], "redrive returns the number of the other")


_KINDS: dict[str, Kind] = {
    "enqueue": Kind(object, "queue_basic.10", _enqueues),
    "dequeue": Kind(QueueBasic, "queue_basic.10", _dequeues),
    "peek": Kind(QueueBasic, "queue_basic.10", _peeks),
    "enqueue_with_priority": Kind(QueuePriority, "queue_priority.1", _priorities),
    "enqueue_delayed": Kind(QueueDelayed, "queue_delayed.1", _delays),
    "receive": Kind(QueueVisibility, "queue_visibility.8", _receives),
    "ack": Kind(QueueVisibility, "queue_visibility.8", _acks),
    "release": Kind(QueueVisibility, "queue_visibility.8", _releases),
    "extend": Kind(QueueVisibility, "queue_visibility.6", _extends),
    "configure_dead_letter": Kind(QueueDeadLetter, "queue_dead_letter.6", _configures),
}
_LEASING = {name: kind for name, kind in _KINDS.items() if "basic" not in kind.promise or name == "enqueue"}


@check(*dict.fromkeys(kind.promise for kind in _LEASING.values()))
@each_of(_LEASING)
async def of_two_calls_at_once_each_does_its_own(queue: QueueVisibility, case: Case, kind: str, turned: bool) -> None:
    """Two calls of one kind are under way in one client, of two queues, with other arguments: neither has what is the other's."""
    await each_does_its_own(case, _LEASING, kind, turned)


@check("queue_basic.10")
@each_of({name: kind for name, kind in _KINDS.items() if "basic" in kind.promise})
async def of_two_plain_calls_at_once_each_does_its_own(queue: QueueBasic, case: Case, kind: str, turned: bool) -> None:
    """So of takes, looks and enqueues without leases."""
    if kind != "enqueue" or not offers(await case.whole(), QueueVisibility):
        await each_does_its_own(case, _KINDS, kind, turned)
