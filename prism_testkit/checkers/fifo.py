"""Is the history of a FIFO queue linearizable? Decided by four patterns, in O(n log n), for values that differ.

Henzinger, Sezgin and Vafeiadis (Aspect-Oriented Linearizability Proofs, CONCUR 2013) show that a complete history whose enqueued
values all differ is linearizable as a FIFO queue exactly if none of four things happens: a value from nowhere (``fresh``), a
value given twice (``repeated``), a value overtaken by a later one (``order``), an "empty" told while something was inside all the
time (``witness``). One sweep finds each, where a search over orders gives up at eight clients.

Outcomes that nobody knows are judged so that there is no false alarm. An enqueue of unknown outcome happened if its value was
given; else it may be left out, which only makes room. A dequeue of unknown outcome may have taken any value that nobody was
given, at any time after its call, or none: as many values as there are such dequeues in time may be missing, and at no instant
more may have been gone than such dequeues were called. With these the patterns are necessary, no longer sufficient.

Instants that are equal count as overlapping. At-least-once queues are judged by `prism_testkit.checkers.leases` and
`prism_testkit.checkers.conservation`.
"""

import math
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Operation, Outcome
from prism_testkit.interfaces.queue import QueueMessage
from prism_testkit.reports.text import show

__all__ = ["Dequeue", "Enqueue", "check_fifo", "queue_operations"]


@dataclass(frozen=True, slots=True)
class Enqueue:
    """A value was put in. ``ret`` None: it never returned, so its outcome is unknown."""

    value: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Dequeue:
    """A value was asked for; ``value`` None: the queue was empty. The value means something only if the outcome is OK."""

    value: Hashable | None
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class _Stay:
    """A value's time in the queue, as far as it is known: between ``entered`` and ``left`` it was certainly inside."""

    put: Enqueue
    taken: Dequeue | None
    entered: float
    left: float


def queue_operations(operations: Iterable[Operation]) -> dict[str, list[Enqueue | Dequeue]]:
    """Sort what `History.operations` tells of a `QueueBasic` (``key="queue"``) by queue; a message's payload is its value.

    A `peek` that returned None is an empty dequeue; other peeks, and calls of other methods, are left out. A check whose queues
    are also changed by other methods cannot be judged so.
    """
    found: dict[str, list[Enqueue | Dequeue]] = {}
    for o in operations:
        queue = found.setdefault(o.key, [])
        if o.op == "enqueue":
            queue.append(Enqueue(bytes(o.arguments[0]), o.call, o.ret, o.outcome))
        elif o.op == "dequeue" or (o.op == "peek" and o.output is None and o.outcome is Outcome.OK):
            value = o.output.payload if isinstance(o.output, QueueMessage) else None
            queue.append(Dequeue(value, o.call, o.ret, o.outcome))
    return found


def check_fifo(operations: Iterable[Enqueue | Dequeue]) -> Violation | None:
    """Return what shows that one queue, empty at first, was no FIFO queue; None if nothing does.

    Rules: ``fresh``, ``repeated``, ``order``, ``witness``. FAILED operations had no effect; the value of a failed enqueue must
    not be given. A value enqueued twice, and None, raise ``ValueError``: then nothing can be told.
    """
    puts: dict[Hashable, Enqueue] = {}
    takes: list[Dequeue] = []
    for operation in operations:
        if isinstance(operation, Dequeue):
            takes.append(operation)
        elif operation.value is None:
            raise ValueError("None was enqueued: it stands for an empty queue")
        elif puts.setdefault(operation.value, operation) is not operation:
            raise ValueError(f"{show(operation.value)} was enqueued twice: every value must differ")
    given = [take for take in takes if take.outcome is Outcome.OK and take.value is not None]
    unknown = sorted(take.call for take in takes if take.outcome is Outcome.UNKNOWN)
    empty = [take for take in takes if take.outcome is Outcome.OK and take.value is None]
    wrong = _find_fresh_or_repeated(puts, given)
    if wrong is not None:
        return wrong
    stays = _stays(puts, {take.value: take for take in given})
    return _find_overtaken(stays, unknown) or _find_false_empty(stays, unknown, empty)


def _returned(operation: Enqueue | Dequeue) -> float:
    """Return when it was over: what has no known end may take effect at any time."""
    return math.inf if operation.ret is None or operation.outcome is Outcome.UNKNOWN else operation.ret


def _find_fresh_or_repeated(puts: dict[Hashable, Enqueue], given: Sequence[Dequeue]) -> Violation | None:
    seen: dict[Hashable, Dequeue] = {}
    for take in given:
        put = puts.get(take.value)
        if put is None:
            return Violation("fresh", f"{show(take.value)} was dequeued, and nobody enqueued it", (take,))
        if put.outcome is Outcome.FAILED:
            return Violation("fresh", f"{show(take.value)} was dequeued, although its enqueue was refused", (put, take))
        if _returned(take) < put.call:
            return Violation("fresh", f"{show(take.value)} was dequeued before its enqueue was called", (take, put))
        first = seen.setdefault(take.value, take)
        if first is not take:
            return Violation("repeated", f"{show(take.value)} was dequeued twice", (put, first, take))
    return None


def _stays(puts: dict[Hashable, Enqueue], taken: dict[Hashable, Dequeue]) -> list[_Stay]:
    """Return the values that were not refused, in the order in which their enqueues returned."""
    stays = []
    for value, put in puts.items():
        take = taken.get(value)
        if put.outcome is not Outcome.FAILED:
            stays.append(_Stay(put, take, _returned(put), math.inf if take is None else take.call))
    return sorted(stays, key=lambda stay: stay.entered)


def _find_overtaken(stays: list[_Stay], unknown: Sequence[float]) -> Violation | None:
    """Find a value whose enqueue was over before that of another was called, and that was still in after the other was out."""
    later = sorted((stay for stay in stays if stay.taken), key=lambda stay: stay.put.call)
    calls = [stay.put.call for stay in later]
    # Of those enqueued from a place in `later` on, the one that was out first.
    firsts = list(accumulate(reversed(later), _sooner_out))[::-1]
    missing: list[tuple[float, _Stay, _Stay]] = []
    place = 0
    for stay in stays:
        while place < len(calls) and calls[place] <= stay.entered:
            place += 1
        if place == len(calls):
            break
        other = firsts[place]
        if _out(other) < stay.left and stay.taken:
            return _overtaken(stay, other, "only later")
        if not stay.taken:
            missing.append((_out(other), stay, other))
    # They are in the order in which they were missed. By Hall's theorem the n-th needs an n-th unknown dequeue, called before that.
    for count, (out, stay, other) in enumerate(missing):
        if count >= len(unknown) or unknown[count] > out:
            return _overtaken(stay, other, "never" if count == 0 else f"never, like {count} more than unknown dequeues explain")
    return None


def _out(stay: _Stay) -> float:
    return math.inf if stay.taken is None else _returned(stay.taken)


def _sooner_out(stay: _Stay, other: _Stay) -> _Stay:
    return stay if _out(stay) < _out(other) else other


def _overtaken(stay: _Stay, other: _Stay, when: str) -> Violation:
    first, second = show(stay.put.value), show(other.put.value)
    operations = (stay.put, other.put, other.taken, stay.taken)
    sentence = f"{first} was enqueued before {second}, which was dequeued; {first} was dequeued {when}"
    return Violation("order", sentence, tuple(o for o in operations if o is not None))


def _find_false_empty(stays: list[_Stay], unknown: Sequence[float], empty: Sequence[Dequeue]) -> Violation | None:
    """Find an empty answer at every instant of which some value was certainly inside."""
    if not empty:
        return None
    instants = {instant for take in empty for instant in (take.call, _returned(take))}
    instants.update(stay.left for stay in stays if stay.taken)
    maybe = _maybe_empty(sorted(instants), stays, unknown)
    for take in empty:
        place = bisect_left(maybe, take.call)
        if place == len(maybe) or maybe[place] > _returned(take):
            inside = _cover(take, stays, unknown)
            return Violation("witness", "a dequeue was told that the queue is empty while it never was", (take, *inside))
    return None


def _maybe_empty(instants: list[float], stays: list[_Stay], unknown: Sequence[float]) -> list[float]:
    """Return those of ``instants`` at which nothing was certainly inside.

    If there is an instant like that in an interval, one is its start or the start of a dequeue: nothing else ever takes out.
    """
    seen = [stay for stay in stays if stay.taken and stay.entered < stay.left]
    enters, leaves = [stay.entered for stay in seen], sorted(stay.left for stay in seen)
    stayed = [stay.entered for stay in stays if not stay.taken]
    instants = sorted({*instants, *unknown})
    entered = left = lasting = explained = 0
    found = []
    for instant in instants:
        while entered < len(enters) and enters[entered] < instant:
            entered += 1
        while left < len(leaves) and leaves[left] <= instant:
            left += 1
        while lasting < len(stayed) and stayed[lasting] < instant:
            lasting += 1
        while explained < len(unknown) and unknown[explained] <= instant:
            explained += 1
        if entered == left and lasting <= explained:
            found.append(instant)
    return found


def _cover(take: Dequeue, stays: list[_Stay], unknown: Sequence[float]) -> list[Enqueue | Dequeue]:
    """Return operations that kept the queue from being empty during ``take``: each time the value that stayed longest."""
    instant, end = take.call, _returned(take)
    if unknown:  # then numbers decide, and not one value alone
        chain = [stay for stay in stays if stay.entered < end and stay.left > instant]
        instant = math.inf
    else:
        chain = []
    while instant <= end:
        chain.append(max((stay for stay in stays if stay.entered < instant), key=lambda stay: stay.left))
        instant = chain[-1].left
    return [operation for stay in chain for operation in (stay.put, stay.taken) if operation is not None]
