"""queue: behind a call that was refused, or cancelled, whichever call comes next does what it would have done without."""

from collections.abc import Mapping
from typing import Any

from prism_suites._behind import Behind, Call, Interruption, named, pointed, whatever_comes_behind, whatever_comes_next
from prism_suites._judging import broken, same
from prism_suites._queue_refusals import REFUSALS
from prism_suites._queue_taking import HELD_S, fill, is_message, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.tap import offers


async def _enqueues(call: Call) -> None:
    await call.refuse()
    puts = [*await fill(call.slot, "plain", [b"first"]), *await fill(call.slot, "plain", [b"second"], {"h": "v"})]
    for put in puts:
        got = await take(call.slot, "plain")
        is_message(call.promise, got, put, f"{call.told} the next messages are not given as they were enqueued, one by one")
    same(call.promise, await take(call.slot, "plain"), None, f"{call.told} more is given than was enqueued")


async def _takes(call: Call) -> None:
    (put,) = await fill(call.slot, "taken", [b"there"], {"h": "v"})
    await call.refuse()
    is_message(call.promise, await take(call.slot, "taken"), put, f"{call.told} the next take does not give what is there")


async def _peeks(call: Call) -> None:
    (put,) = await fill(call.slot, "shown", [b"there"])
    await call.refuse()
    is_message(call.promise, await call.slot.peek("shown"), put, f"{call.told} the next peek does not show what is there")
    is_message(call.promise, await take(call.slot, "shown"), put, f"{call.told}, and a peek, a take does not give what is there")


async def _received(call: Call, name: str, attempt: int, seconds: float = HELD_S) -> Any:
    lease = await call.slot.receive(name, seconds)
    found = lease and lease.attempt
    same(call.promise, found, attempt, f"{call.told} the next receive does not give what is there, counted")
    return lease


async def _receives(call: Call) -> None:
    await call.slot.enqueue("leased", b"there")
    await call.refuse()
    lease = await _received(call, "leased", 1)
    if call.case.clock.virtual:
        await call.case.advance(1000.0)
        same(call.promise, await call.slot.receive("leased", HELD_S), None, f"{call.told} the next lease ends before its time")
    await call.slot.ack(lease)


async def _releases(call: Call) -> None:
    await call.slot.enqueue("released", b"there")
    lease = await _received(call, "released", 1)
    await call.refuse()
    await call.slot.release(lease)
    again = await _received(call, "released", 2)
    await call.refuse()
    await call.slot.ack(again)
    same(call.promise, await call.slot.receive("released", HELD_S), None, f"{call.told} an ack does not remove its message")


async def _extends(call: Call) -> None:
    if not call.case.clock.virtual:
        return
    await call.slot.enqueue("extended", b"there")
    lease = await _received(call, "extended", 1, 600.0)
    await call.refuse()
    await call.slot.extend(lease, 6000.0)
    await call.case.advance(3000.0)
    same(call.promise, await call.slot.receive("extended", HELD_S), None, f"{call.told} an extended lease ends too early")
    await call.slot.ack(lease)


async def _dies(call: Call) -> None:
    await call.slot.configure_dead_letter("dying", "dead", 2)
    (put,) = await fill(call.slot, "dying", [b"dies"])
    for attempt in (1, 2):
        await call.refuse()
        await call.slot.release(await _received(call, "dying", attempt))
    same(call.promise, await call.slot.receive("dying", HELD_S), None, f"{call.told} a message does not die after its last attempt")
    dead = [message.id for message in await call.slot.dead_letters("dying")]
    same(call.promise, dead, [put.id], f"{call.told} what died is not listed")
    await call.refuse()
    same(call.promise, await call.slot.redrive("dying"), 1, f"{call.told} what died is not redriven")
    await call.slot.ack(await _received(call, "dying", 1))


async def _priorities(call: Call) -> None:
    await call.refuse()
    low = await call.slot.enqueue("ranked", b"low")
    await call.refuse()
    high = await call.slot.enqueue_with_priority("ranked", b"high", priority=5)
    found = [getattr(await take(call.slot, "ranked"), "id", None) for _ in range(2)]
    same(call.promise, found, [high, low], f"{call.told} messages come in another order than that of their priorities")


async def _delays(call: Call) -> None:
    await call.refuse()
    await call.slot.enqueue_delayed("late", b"late", delay_s=5000.0)
    same(call.promise, await call.slot.scheduled_count("late"), 1, f"{call.told} what is delayed is not counted")
    got = await take(call.slot, "late")
    if got is not None:
        broken(call.promise, f"{call.told} what is delayed comes at once", expected=None, got=got)


_NEXTS: Mapping[str, Behind] = {
    "enqueue": Behind(object, _enqueues),
    "take": Behind(object, _takes),
    "peek": Behind(QueueBasic, _peeks),
    "receive": Behind(QueueVisibility, _receives),
    "release": Behind(QueueVisibility, _releases),
    "extend": Behind(QueueVisibility, _extends),
    "death": Behind(QueueDeadLetter, _dies),
    "priority": Behind(QueuePriority, _priorities),
    "delay": Behind(QueueDelayed, _delays),
}


async def _judge(case: Case, refused: str) -> None:
    whole, held = await case.whole(), dict[str, Any]()
    if offers(whole, QueueVisibility):
        for name in ("ended", "valid"):
            await whole.enqueue("scene", name.encode())
            held[name] = await whole.receive("scene", HELD_S)
        await whole.release(held["ended"])
        await whole.ack(await whole.receive("scene", HELD_S))
    await whatever_comes_next(case, whole, held, REFUSALS[refused], refused, _NEXTS)
    if held:
        await whole.ack(held["valid"])


@check(*dict.fromkeys(refusal.promise for refusal in REFUSALS.values() if not refusal.promise.startswith("queue_basic")))
@gauntlet(named(REFUSALS))
async def a_refused_call_changes_nothing_of_the_next(queue: QueueVisibility, case: Case, refused: str) -> None:
    """A call is refused, and the next one, of each kind, has its usual effect: nothing of what was refused is left (Q-28)."""
    await _judge(case, refused)


@check("queue_basic.7", "queue_basic.4")
@gauntlet(named({name: refusal for name, refusal in REFUSALS.items() if refusal.promise.startswith("queue_basic")}))
async def a_refused_call_of_a_plain_queue_changes_nothing(queue: QueueBasic, case: Case, refused: str) -> None:
    """So of queues without leases (Q-28)."""
    if not offers(await case.whole(), QueueVisibility):
        await _judge(case, refused)


async def _leased(q: Any, held: Any) -> Any:
    await q.enqueue("cut", b"leased")
    return await q.receive("cut", HELD_S)


async def _available(q: Any, held: Any) -> None:
    await q.enqueue("cut", b"available")


async def _dead(q: Any, held: Any) -> None:
    await q.configure_dead_letter("cut", "cut dead", 1)
    await q.release(await _leased(q, held))


_LEASES, _BASIC, _DEAD = "queue_visibility.12", "queue_basic.11", "queue_dead_letter.9"
_INTERRUPTIONS: dict[str, Interruption] = {
    "enqueue": Interruption(object, _LEASES, lambda q, of: q.enqueue("cut", b"cancelled", {"r": "1"})),
    "enqueue_with_priority": Interruption(
        QueuePriority, _LEASES, lambda q, of: q.enqueue_with_priority("cut", b"cancelled", {"r": "1"}, priority=9)
    ),
    "enqueue_delayed": Interruption(
        QueueDelayed, _LEASES, lambda q, of: q.enqueue_delayed("cut", b"cancelled", {"r": "1"}, delay_s=5e5)
    ),
    "scheduled_count": Interruption(QueueDelayed, _LEASES, lambda q, of: q.scheduled_count("cut")),
    "peek": Interruption(QueueBasic, _BASIC, lambda q, of: q.peek("cut"), _available),
    "dequeue": Interruption(QueueBasic, _BASIC, lambda q, of: q.dequeue("cut"), _available),
    "dequeue that waits": Interruption(QueueBasic, _BASIC, lambda q, of: q.dequeue("cut empty", 500.0)),
    "receive": Interruption(QueueVisibility, _LEASES, lambda q, of: q.receive("cut", 30_000.0), _available),
    "receive that waits": Interruption(QueueVisibility, _LEASES, lambda q, of: q.receive("cut empty", 30_000.0, 500.0)),
    "ack": Interruption(QueueVisibility, _LEASES, lambda q, lease: q.ack(lease), _leased),
    "extend": Interruption(QueueVisibility, _LEASES, lambda q, lease: q.extend(lease, 0.5), _leased),
    "release": Interruption(QueueVisibility, _LEASES, lambda q, lease: q.release(lease), _leased),
    "configure_dead_letter": Interruption(QueueDeadLetter, _DEAD, lambda q, of: q.configure_dead_letter("cut", "cut dead", 9)),
    "dead_letters": Interruption(QueueDeadLetter, _DEAD, lambda q, of: q.dead_letters("cut"), _dead),
    "redrive": Interruption(QueueDeadLetter, _DEAD, lambda q, of: q.redrive("cut"), _dead),
}


@check(_LEASES, _DEAD)
@gauntlet(pointed({name: each for name, each in _INTERRUPTIONS.items() if each.promise != _BASIC}))
async def a_cancelled_call_changes_nothing_of_the_next(queue: QueueVisibility, case: Case, cancelled: str, point: int) -> None:
    """A call is cancelled, and the next one, of each kind and of other queues, has its usual effect (Q-27)."""
    await whatever_comes_behind(case, await case.whole(), None, _INTERRUPTIONS[cancelled], cancelled, point, _NEXTS)


@check(_BASIC)
@gauntlet(pointed({name: each for name, each in _INTERRUPTIONS.items() if each.promise == _BASIC or name == "enqueue"}))
async def a_cancelled_call_of_a_plain_queue_changes_nothing(queue: QueueBasic, case: Case, cancelled: str, point: int) -> None:
    """So of calls without leases (Q-27)."""
    await whatever_comes_behind(case, await case.whole(), None, _INTERRUPTIONS[cancelled], cancelled, point, _NEXTS)
