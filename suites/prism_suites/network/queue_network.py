"""queues: connections are reset, cut, held and refused, answers are lost, and the server pauses, while clients are at work."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._network import Load, at_work, cut_off, passes
from prism_suites._network_faults import everything
from prism_suites._network_losing import ANSWERS, AnswersLost, answered
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_outage import QueueOutage, every_call
from prism_suites._queue_taking import BASIC, HELD_S, VISIBILITY, Laws, drained, take
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Conflict, Lease, QueueBasic, QueueVisibility
from prism_testkit.private import PrivateServer
from prism_testkit.tap import offers


@dataclass
class _Ledger:
    """What became of the messages of one queue."""

    attempted: list[bytes] = field(default_factory=list)
    acknowledged: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    unknown_takes: int = 0


_Ledgers = defaultdict[str, _Ledger]


@check("queue_basic.2", "queue_basic.13", needs_server=True)
async def messages_outlive_a_failing_network(queue: QueueBasic, case: Case) -> None:
    """Around every fault of a network, pauses of the server and a restart clients recover by themselves; each acknowledged message
    is given once, one whose enqueue was not answered once or not at all, and an unanswered take took at most one (Q-21, Q-30)."""
    await _outlive(case, "queue_basic.13", BASIC)


@check("queue_visibility.11", "queue_visibility.14", needs_server=True)
async def leased_messages_outlive_a_failing_network(queue: QueueVisibility, case: Case) -> None:
    """The same of messages that are leased and acked (Q-21, Q-30)."""
    await _outlive(case, "queue_visibility.14", VISIBILITY)


async def _outlive(case: Case, promise: str, laws: Laws) -> None:
    load, ledgers = Load(promise), _Ledgers(_Ledger)
    async with case.private_server() as private:
        slots = [await private.client(proxied=True), await private.client(proxied=True), await private.client()]
        for slot in slots[:2]:
            await _passes(case, private, slot)
        steps = [_worker(load, slot, ledgers, laws) for slot in slots]
        idle = await at_work(load, steps, everything(case, private, load, restarts=case.traits.durability != "none"))
        for name, ledger in ledgers.items():
            left = [message.payload for message in await drained(slots[-1], name)]
            _judge(ledger, left, laws)
    if idle:
        case.inconclusive(f"took no effect: {', '.join(idle)}")


def _worker(load: Load, slot: Any, ledgers: _Ledgers, laws: Laws) -> Callable[[int, int], Awaitable[bool]]:
    async def put(name: str, payload: bytes) -> bool:
        ledgers[name].attempted.append(payload)
        there, _ = await load.call("enqueue", slot.enqueue(name, payload))
        if there:
            ledgers[name].acknowledged.append(payload)
        return there

    async def dequeue(name: str) -> bool:
        there, got = await load.call("dequeue", slot.dequeue(name))
        ledgers[name].unknown_takes += not there
        if there and got is not None:
            ledgers[name].taken.append(got.payload)
        return there

    async def receive(name: str) -> bool:
        there, lease = await load.call("receive", slot.receive(name, HELD_S))
        ledgers[name].unknown_takes += not there
        if not there or lease is None:
            return there
        ledgers[name].taken.append(lease.message.payload)  # acked, or in doubt, or held for hours
        return (await load.call("ack", slot.ack(lease)))[0]

    async def step(number: int, index: int) -> bool:
        name = f"q{load.turn}"
        if index % 3 < 2:
            return await put(name, b"%d.%d" % (number, index))
        return await (dequeue if laws is BASIC else receive)(name)

    return step


def _judge(ledger: _Ledger, left: list[bytes], laws: Laws) -> None:
    """Judge one queue: nothing doubled, nothing strange, and lost at most what takes in doubt may have taken."""
    given = left + ledger.taken
    doubled = sorted(payload for payload in set(given) if given.count(payload) > 1)
    if doubled and (laws is BASIC or len(set(left)) < len(left)):
        broken(laws.once, "around a fault of the network a message is given twice", expected="each once", got=doubled)
    strange = sorted(set(given) - set(ledger.attempted))
    if strange:
        broken(laws.once, "around a fault of the network there is a message that nobody enqueued", expected=[], got=strange)
    lost = sorted(set(ledger.acknowledged) - set(given))
    if len(lost) > ledger.unknown_takes:
        expected = f"at most {ledger.unknown_takes} in doubt"
        broken(laws.once, "messages that were acknowledged are lost around a fault of the network", expected=expected, got=lost)


_PUTS: dict[str, Callable[[Any, str, bytes], Awaitable[Any]]] = {
    "enqueue": lambda slot, name, payload: slot.enqueue(name, payload),
    "enqueue_with_priority": lambda slot, name, payload: slot.enqueue_with_priority(name, payload, priority=3),
    "enqueue_delayed": lambda slot, name, payload: slot.enqueue_delayed(name, payload, delay_s=0),
}


@check("queue_basic.2", "queue_basic.13", needs_server=True)
async def a_message_whose_answer_was_lost_is_one(queue: QueueBasic, case: Case) -> None:
    """The server does what it was asked, its answer is swallowed, and the connection is reset: an enqueue has put one message at
    most, also if another client has taken it before, and a dequeue has taken one at most, which is the one it returns (Q-30)."""
    await _once(case, "queue_basic.13", BASIC)


@check("queue_visibility.11", "queue_visibility.5", "queue_visibility.14", needs_server=True)
async def a_leased_message_whose_answer_was_lost_is_one(queue: QueueVisibility, case: Case) -> None:
    """The same of a queue that leases; a release whose answer was lost does nothing to whoever holds the message by then, and an
    ack that removed the message does not say that somebody else was first (Q-30)."""
    await _once(case, "queue_visibility.14", VISIBILITY)


async def _once(case: Case, promise: str, laws: Laws) -> None:
    load = Load(promise)
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        losing = AnswersLost(private.proxy, load)
        for what, make in _PUTS.items():
            if hasattr(one, what):
                await _puts_once(losing, load, what, make, one, other, laws)
        if laws is BASIC:
            await _takes_once(losing, load, one, other)
        else:
            await _releases_once(losing, load, one, other)
            await _acks_once(losing, load, one, other)
    if not losing.effects:
        case.inconclusive("no call took effect before its answer was lost")


async def _puts_once(losing: AnswersLost, load: Load, what: str, make: Any, one: Any, other: Any, laws: Laws) -> None:
    for after in range(ANSWERS):
        name = f"{what} {after}"
        await answered(load, what, lambda: make(one, "warm", b"v"))

        async def happened(name: str = name) -> bool:
            return await take(other, name) is not None

        fate = await losing.lose(what, make(one, name, b"m"), after, happened)
        left = [message.payload for message in await drained(other, name)]
        most = 0 if fate.seen else 1
        if len(left) > most:
            broken(laws.once, f"{what}, whose answer was lost, put its message twice", expected=[b"m"] * most, got=left)
        if fate.answered and not fate.seen and not left:
            broken(laws.once, f"{what} was acknowledged, and its message is not there", expected=[b"m"], got=left)
        if fate.finished:
            break


async def _takes_once(losing: AnswersLost, load: Load, one: Any, other: Any) -> None:
    messages = [b"m1", b"m2", b"m3"]
    for after in range(ANSWERS):
        name = f"dequeue {after}"
        for payload in messages:
            await other.enqueue(name, payload)
        await answered(load, "dequeue", lambda: one.dequeue("warm"))

        async def happened(name: str = name) -> bool:
            first = await other.peek(name)
            return first is None or first.payload != messages[0]

        fate = await losing.lose("dequeue", one.dequeue(name), after, happened)
        left = [message.payload for message in await drained(other, name)]
        if fate.answered:
            given = [fate.got.payload, *left] if fate.got is not None else left
            same("queue_basic.2", sorted(given), messages, "a dequeue whose answer was lost took a message that it did not return")
        elif sorted(left) not in (messages, messages[1:]):
            broken("queue_basic.2", "a dequeue that was not answered took more than one", expected=messages[1:], got=left)
        if fate.finished:
            break


async def _leased(load: Load, one: Any, name: str) -> Lease:
    """Return a lease of the only message of a queue, received over a connection that may have been reset a moment ago."""
    await answered(load, "enqueue", lambda: one.enqueue("warm", b"v"))
    await one.enqueue(name, b"m")
    lease = await one.receive(name, HELD_S)
    if not isinstance(lease, Lease):
        broken("queue_visibility.11", "a message that was enqueued is not given", expected=b"m", got=lease)
    return lease


async def _releases_once(losing: AnswersLost, load: Load, one: Any, other: Any) -> None:
    for after in range(ANSWERS):
        name = f"release {after}"
        lease = await _leased(load, one, name)
        theirs: list[Lease] = []

        async def happened(name: str = name, theirs: list[Lease] = theirs) -> bool:
            got = await other.receive(name, HELD_S)
            theirs += [got] if got is not None else []
            return bool(theirs)

        fate = await losing.lose("release", one.release(lease), after, happened)
        for held in theirs:
            try:
                await other.ack(held)
            except Conflict:
                broken("queue_visibility.5", "a release whose answer was lost ended the lease of whoever received the message then")
        if fate.finished:
            break


async def _acks_once(losing: AnswersLost, load: Load, one: Any, other: Any) -> None:
    for after in range(ANSWERS):
        name = f"ack {after}"
        lease = await _leased(load, one, name)

        async def happened() -> bool:
            return False  # a message that is leased is no more to be seen than one that was removed

        fate = await losing.lose("ack", one.ack(lease), after, happened)
        if isinstance(fate.got, Conflict):
            sentence = "an ack of a valid lease, whose answer was lost, says that the lease has ended"
            broken("queue_visibility.5", sentence, expected="None, BackendUnavailable or OperationTimeout", got=fate.got)
        left = await other.receive(name, HELD_S)
        if left is not None:
            broken("queue_visibility.2", "a message whose lease is valid, or was acked, is given again", expected=None, got=left)
        if fate.finished:
            break


@check("queue_dead_letter.5", "queue_dead_letter.3", needs_server=True)
async def a_redrive_whose_answer_was_lost_is_one(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """The same of a redrive: it moves what was dead once, tells how many if it is answered, and leaves alone what dies later."""
    load = Load("queue_visibility.14")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        losing = AnswersLost(private.proxy, load)
        for after in range(ANSWERS):
            if await _redriven_once(losing, load, one, other, after):
                break
    if not losing.effects:
        case.inconclusive("no call took effect before its answer was lost")


async def _redriven_once(losing: AnswersLost, load: Load, one: Any, other: Any, after: int) -> bool:
    """Return whether the call had ended before an answer could be lost."""
    name = f"redrive {after}"
    await other.configure_dead_letter(name, f"{name}-dead", 1)
    for payload in (b"m1", b"m2"):
        await other.enqueue(name, payload)
        await other.release(await other.receive(name, HELD_S))
    dead = [message.payload for message in await other.dead_letters(name)]
    await answered(load, "redrive", lambda: one.redrive("warm"))

    async def happened() -> bool:
        return not await other.dead_letters(name)

    async def dies_again() -> None:
        await other.release(await other.receive(name, HELD_S))

    fate = await losing.lose("redrive", one.redrive(name), after, happened, dies_again)
    again = [message.payload for message in await other.dead_letters(name)]
    back = [message.payload for message in await drained(other, name)]
    if fate.acted and len(again) != 1:
        sentence = "a redrive, whose answer was lost after it had moved what was dead, moved what died since too"
        broken("queue_dead_letter.5", sentence, expected="one dead message", got=again)
    if sorted(again + back) != sorted(dead):
        broken(
            "queue_dead_letter.3",
            "after a redrive whose answer was lost messages are lost or doubled",
            expected=dead,
            got=again + back,
        )
    if fate.answered and fate.got != len(dead):
        sentence = "a redrive, whose answer was lost, does not tell how many it moved"
        broken("queue_dead_letter.5", sentence, expected=f"{len(dead)}, BackendUnavailable or OperationTimeout", got=fate.got)
    return fate.finished


@check("queue_basic.10", "queue_basic.13", needs_server=True)
async def who_is_cut_off_enqueues_nothing(queue: QueueBasic, case: Case) -> None:
    """No enqueue is acknowledged while nothing passes between a client and its server; while its connections are refused every
    call says so; afterwards every call works (Q-21)."""
    await _cut_off(case, "queue_basic.13", "queue_basic.10")


@check("queue_visibility.11", "queue_visibility.14", needs_server=True)
async def who_is_cut_off_leases_nothing(queue: QueueVisibility, case: Case) -> None:
    """The same of a queue that leases (Q-21)."""
    await _cut_off(case, "queue_visibility.14", "queue_visibility.11")


async def _cut_off(case: Case, promise: str, law: str) -> None:
    load, outage = Load(promise), QueueOutage(promise)
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        held = None
        if offers(one, QueueVisibility):
            await one.enqueue("held", b"held")
            held = await one.receive("held", HELD_S)

        async def is_there() -> bool:
            return await take(other, "mine") is not None

        met = await cut_off(load, private.proxy, one.enqueue("mine", b"m"), is_there, law)
        refused = private.proxy.counts.refused
        await outage.none_answered(every_call(one, held))
        met = met and private.proxy.counts.refused > refused
        await private.proxy.pass_on()
        await outage.all_answered(every_call(one, held))
    if not met:
        case.inconclusive("the client was not cut off")


async def _passes(case: Case, private: PrivateServer, slot: Any) -> None:
    await passes(
        case,
        private,
        lambda: slot.enqueue("warm", b"v"),
        lambda: slot.peek("unseen") if hasattr(slot, "peek") else slot.receive("unseen", 1.0),
    )
