"""A process that keeps queues in files dies in the middle of a call, behind each write that the call makes to them."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._moments import MANY, at_every_write, keeps_files, when_power_is_lost
from prism_suites._queue_taking import drained, numbered
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueueMessage, QueuePriority, QueueVisibility
from prism_testkit.tap import offers
from prism_testkit.traits import Limits, Traits

_LATER_S = 1e6
"""By then every lease and every delay is over."""
_HELD_S = 1000.0
_HEADERS = {"h": "v"}
_MESSAGES = numbered(3)
_FIRST, _NEW, _PAGES = _MESSAGES[0], b"new", bytes(range(250)) * 36
_LONG = "enqueue of some pages"
_KEPT, _POWERFUL = Traits(durability="process"), Traits(durability="power")


@dataclass(frozen=True)
class _Call:
    """``prepare`` comes before it, and what that returns is given to it; the message ``perhaps`` may be there afterwards or not."""

    needs: tuple[type, ...]
    law: str
    act: Callable[[Any, Any], Awaitable[Any]]
    prepare: Callable[[Case, Any], Awaitable[Any]] | None = None
    perhaps: bytes = b""


async def _leased(case: Case, slot: Any) -> Any:
    return await slot.receive("q", _HELD_S)


async def _last_attempt(case: Case, slot: Any) -> Any:
    await slot.configure_dead_letter("q", "dead", 1)
    return await slot.receive("q", _HELD_S)


async def _over(case: Case, slot: Any) -> None:
    await _last_attempt(case, slot)
    await case.advance(2 * _HELD_S)


async def _dead(case: Case, slot: Any) -> None:
    await slot.configure_dead_letter("q", "dead", 1)
    for lease in [await slot.receive("q", _HELD_S) for _ in range(2)]:
        await slot.release(lease)
    await slot.dead_letters("q")


async def _elsewhere(slot: Any, given: Any) -> None:
    for _ in range(MANY // 2):
        await slot.enqueue("elsewhere", _NEW)
        await slot.dequeue("elsewhere")
    await slot.enqueue("q", _NEW, _HEADERS)


_MUCH = "much in another queue"
_LEASES, _DEATHS = (QueueVisibility,), (QueueVisibility, QueueDeadLetter)
_BASIC, _HELD, _DIED = "queue_basic.12", "queue_visibility.13", "queue_dead_letter.8"
_CALLS = {
    "enqueue": _Call((QueueBasic,), _BASIC, lambda slot, _: slot.enqueue("q", _NEW, _HEADERS), perhaps=_NEW),
    _LONG: _Call((QueueBasic,), _BASIC, lambda slot, _: slot.enqueue("q", _PAGES, _HEADERS), perhaps=_PAGES),
    "enqueue_with_priority": _Call(
        (QueuePriority,),
        "queue_priority.4",
        lambda slot, _: slot.enqueue_with_priority("q", _NEW, _HEADERS, priority=3),
        None,
        _NEW,
    ),
    "enqueue_delayed": _Call(
        (QueueDelayed,),
        "queue_delayed.6",
        lambda slot, _: slot.enqueue_delayed("q", _NEW, _HEADERS, delay_s=50.0),
        perhaps=_NEW,
    ),
    _MUCH: _Call((QueueBasic,), _BASIC, _elsewhere, perhaps=_NEW),
    "dequeue": _Call((QueueBasic,), _BASIC, lambda slot, _: slot.dequeue("q"), perhaps=_FIRST),
    "receive": _Call(_LEASES, _HELD, lambda slot, _: slot.receive("q", _HELD_S)),
    "ack": _Call(_LEASES, _HELD, lambda slot, lease: slot.ack(lease), _leased, _FIRST),
    "release": _Call(_LEASES, _HELD, lambda slot, lease: slot.release(lease), _leased),
    "extend": _Call(_LEASES, _HELD, lambda slot, lease: slot.extend(lease, 2 * _HELD_S), _leased),
    "configure_dead_letter": _Call(_DEATHS, _DIED, lambda slot, _: slot.configure_dead_letter("q", "dead", 1), _leased),
    "the release of a last attempt": _Call(_DEATHS, _DIED, lambda slot, lease: slot.release(lease), _last_attempt),
    "a receive behind a last attempt": _Call(_DEATHS, _DIED, lambda slot, _: slot.receive("q", _HELD_S), _over),
    "dead_letters behind a last attempt": _Call(_DEATHS, _DIED, lambda slot, _: slot.dead_letters("q"), _over),
    "redrive": _Call(_DEATHS, _DIED, lambda slot, _: slot.redrive("q"), _dead),
}


async def _everything(case: Case, slot: Any) -> tuple[list[QueueMessage], list[QueueMessage]]:
    """Return what can be taken from the queue when all time is over, and what is in its target."""
    await case.advance(_LATER_S)
    dead = list(await slot.dead_letters("q")) if offers(slot, QueueDeadLetter) else []
    return await drained(slot, "q"), [*dead, *await drained(slot, "dead")]


def _without_leases(limits: Limits) -> Iterator[dict[str, str]]:
    for call, kind in _CALLS.items():
        if QueueVisibility not in kind.needs and (call != _LONG or limits.max_payload >= len(_PAGES)):
            yield {"call": call}


def _with_leases(limits: Limits) -> Iterator[dict[str, str]]:
    return ({"call": call} for call, kind in _CALLS.items() if QueueVisibility in kind.needs)


@check(_BASIC, "queue_priority.4", "queue_delayed.6")
@gauntlet(_without_leases)
async def a_call_that_dies_between_its_writes_loses_nothing(queue: Annotated[QueueBasic, _KEPT], case: Case, call: str) -> None:
    """Whatever a call had written to files when its process was killed: every other message is there, once, and whole; its own is
    there or not. Of files only: servers have other checks (Q-21).
    """
    if keeps_files(case):
        await _dies(case, call)


@check(_BASIC, "queue_priority.4", "queue_delayed.6")
@gauntlet(_without_leases)
async def nothing_is_lost_when_power_is_lost(queue: Annotated[QueueBasic, _POWERFUL], case: Case, call: str) -> None:
    """With ``durability="power"`` so it is of a loss of power, of which files keep what was synced (Q-21)."""
    await _dies(case, call, power=True)


@check(_HELD, _DIED)
@gauntlet(_with_leases)
async def leases_lose_nothing_when_power_is_lost(queue: Annotated[QueueVisibility, _POWERFUL], case: Case, call: str) -> None:
    """So it is of calls with leases (Q-20)."""
    await _dies(case, call, power=True)


@check(_HELD, _DIED)
@gauntlet(_with_leases)
async def what_dies_with_a_lease_loses_nothing(queue: Annotated[QueueVisibility, _KEPT], case: Case, call: str) -> None:
    """So it is of calls with leases; a message that moves is in one of both queues at least (Q-20)."""
    if keeps_files(case):
        await _dies(case, call)


async def _dies(case: Case, call: str, *, power: bool = False) -> None:
    kind = _CALLS[call]
    whole = await case.whole()
    if not all(offers(whole, interface) for interface in kind.needs):
        return
    given: list[Any] = []

    async def prepare(slot: Any) -> None:
        for payload in _MESSAGES:
            await slot.enqueue("q", payload, _HEADERS)
        given.append(await kind.prepare(case, slot) if kind.prepare is not None else None)

    async def judged(slot: Any, told: str) -> None:
        here, dead = await _everything(case, slot)
        payloads = [message.payload for message in here]
        there = {message.payload for message in (*here, *dead)}
        needed = {*_MESSAGES} - {kind.perhaps}
        if not needed <= there:
            broken(kind.law, f"killed {told}, a message is lost", expected=sorted(needed), got=sorted(there))
        if not there <= {*needed, kind.perhaps}:
            broken(kind.law, f"killed {told}, a message comes that nobody put there", expected=sorted(needed), got=sorted(there))
        if len(set(payloads)) < len(payloads):
            broken(kind.law, f"killed {told}, a message comes twice", expected="each once", got=payloads)
        if wrong := [message for message in (*here, *dead) if dict(message.headers) != _HEADERS]:
            broken(kind.law, f"killed {told}, a message has lost its headers", expected=_HEADERS, got=wrong[0])
        await slot.enqueue("q", b"again", _HEADERS)
        again = [message.payload for message in await drained(slot, "q")]
        if again != [b"again"]:
            broken(kind.law, f"killed {told}, the queue is not used as any other", expected=[b"again"], got=again)
        await slot.enqueue("q", b"and again", _HEADERS)

    async def seen(slot: Any) -> tuple[object, object]:
        here, dead = ([message.payload for message in found] for found in await _everything(case, slot))
        return (here, dead) if QueueVisibility not in kind.needs else (sorted({*here, *dead, kind.perhaps}), ())

    only_turns = call == _MUCH
    if power:
        await when_power_is_lost(
            case,
            kind.law,
            call,
            lambda slot: kind.act(slot, given[0]),
            judged,
            prepare=prepare,
            seen=seen,
            only_turns=only_turns,
        )
        return
    await at_every_write(
        case, kind.law, call, lambda slot: kind.act(slot, given[0]), judged, prepare=prepare, only_turns=only_turns, again=_next
    )


async def _next(slot: Any) -> bytes | None:
    message = await slot.peek("q")
    return None if message is None else bytes(message.payload)
