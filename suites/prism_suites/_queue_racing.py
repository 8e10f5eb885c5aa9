"""Judges histories of calls that overlapped: order, loss and doubles of plain takes, and who held a lease when.

With payloads that are all different a history of enqueues and takes is that of a FIFO queue exactly if none of four patterns
occurs (Henzinger, Sezgin and Vafeiadis, CONCUR 2013): a message that nobody enqueued, one that is taken twice, two that are
taken in the wrong order, an empty answer while something was inside all the time.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._queue_taking import Laws, drained
from prism_testkit.case import Case
from prism_testkit.histories import Entry
from prism_testkit.interfaces import Lease, QueueMessage

__all__ = ["Span", "drained_too", "judge_fifo", "judge_leases", "overlapped"]

_NEVER = math.inf


@dataclass(slots=True)
class Span:
    """A message: between which events it went in, and between which it was taken."""

    payload: bytes
    put: tuple[float, float]
    taken: tuple[float, float] | None = None


def _message(entry: Entry) -> QueueMessage | None:
    result = entry.result
    return result.message if isinstance(result, Lease) else result if isinstance(result, QueueMessage) else None


def _interval(entry: Entry) -> tuple[float, float]:
    return entry.call, entry.ret if entry.ret is not None and entry.error is None else _NEVER


def _calls(case: Case, queue: str, *ops: str) -> list[Entry]:
    named = [(entry, entry.args[0] if entry.args else entry.kwargs.get("queue")) for entry in case.history.entries]
    return [entry for entry, name in named if entry.op in ops and name == queue and entry.client >= 0]


def overlapped(case: Case, *ops: str) -> bool:
    """Say whether two calls of these kinds were under way at once."""
    entries = [entry for entry in case.history.entries if entry.op in ops and entry.ret is not None]
    return any(one.call < other.call < (one.ret or 0) for one in entries for other in entries)


async def drained_too(slot: Any, queue: str) -> None:
    """Take what is left, so that it stands in the history, and what is lost shows."""
    await drained(slot, queue)


def judge_fifo(case: Case, queue: str, laws: Laws) -> None:
    """Judge enqueues, takes and looks on one queue that began empty, whose payloads are all different, at the end drained."""
    spans = {bytes(entry.args[1]): Span(bytes(entry.args[1]), _interval(entry)) for entry in _calls(case, queue, "enqueue")}
    takes = [entry for entry in _calls(case, queue, "dequeue", "receive") if entry.error is None and entry.returned]
    empties = []
    for entry in takes:
        message = _message(entry)
        if message is None:
            empties.append(entry)
            continue
        span = spans.get(message.payload)
        if span is None or span.put[0] > _interval(entry)[1]:
            broken(laws.once, "a take gives a message that was not enqueued before", expected=sorted(spans)[:5], got=message)
        if span.taken is not None:
            broken(laws.clients, "two takes are given the same message", expected="each message once", got=message)
        span.taken = _interval(entry)
    _order(list(spans.values()), laws)
    _emptiness(list(spans.values()), empties, laws, "a take")
    _looks(case, queue, spans, laws)


def _order(spans: Sequence[Span], laws: Laws) -> None:
    for first in spans:
        if first.taken is None and first.put[1] < _NEVER:
            broken(laws.once, "a message that was enqueued is never given", expected=first.payload, got=None)
        for second in spans:
            if first.put[1] < second.put[0] and second.taken and first.taken and second.taken[1] < first.taken[0]:
                broken(
                    laws.order,
                    "a message is given before one whose enqueue had returned",
                    expected=first.payload,
                    got=second.payload,
                )


def _emptiness(spans: Sequence[Span], empties: Iterable[Entry], laws: Laws, what: str) -> None:
    for entry in empties:
        call, ret = _interval(entry)
        inside = sorted((span.put[1], span.taken[0] if span.taken else _NEVER) for span in spans)
        covered = call
        for start, end in inside:
            if start <= covered < end:
                covered = end
        if covered >= ret:
            broken(laws.clients, f"{what} finds nothing, though there was a message all the time", expected="a message", got=None)


def _looks(case: Case, queue: str, spans: dict[bytes, Span], laws: Laws) -> None:
    looks = [entry for entry in _calls(case, queue, "peek") if entry.error is None and entry.returned]
    _emptiness(list(spans.values()), [entry for entry in looks if entry.result is None], laws, "peek")
    for entry in looks:
        message = _message(entry)
        if message is None:
            continue
        call, ret = _interval(entry)
        span = spans.get(message.payload)
        if span is None or span.put[0] > ret:
            broken("queue_basic.5", "peek shows a message that was not enqueued before", expected="one that was", got=message)
        if span.taken is not None and span.taken[1] < call:
            broken("queue_basic.5", "peek shows a message that had been taken", expected="one that is there", got=message)
        for other in spans.values():
            if other.put[1] < span.put[0] and (other.taken is None or other.taken[0] > ret):
                broken("queue_basic.5", "peek shows a message behind the first one", expected=other.payload, got=message)


@dataclass(slots=True)
class _Hold:
    """A delivery: when it was given, when it ended (never, or by which call), and whether the message was gone with it."""

    given: tuple[float, float]
    ended: tuple[float, float] | None = None
    final: bool = False


def judge_leases(case: Case, queue: str) -> None:
    """Judge that no two held a message at once and none came after its ack; for histories in which no lease runs out."""
    holds: dict[str, list[_Hold]] = {}
    by_lease: dict[tuple[str, str, int], _Hold] = {}
    for entry in _calls(case, queue, "dequeue", "receive"):
        message = _message(entry) if entry.error is None else None
        if message is None:
            continue
        hold = _Hold(_interval(entry))
        holds.setdefault(message.id, []).append(hold)
        if isinstance(entry.result, Lease):
            by_lease[message.id, entry.result.token, entry.result.attempt] = hold
        else:
            hold.ended, hold.final = hold.given, True
    for entry in case.history.entries:
        if entry.op in ("ack", "release") and entry.returned and entry.error is None:
            lease: Lease = entry.args[0]
            _ended(by_lease, lease, entry)
    for identity, given in holds.items():
        for number, one in enumerate(given):
            for other in given[:number]:
                if not _before(one, other) and not _before(other, one):
                    sentence = "a message is given while somebody holds it, or after it was removed"
                    broken(
                        "queue_visibility.4" if one.final or other.final else "queue_visibility.2",
                        sentence,
                        expected="one at a time",
                        got=identity,
                    )


def _ended(by_lease: dict[tuple[str, str, int], _Hold], lease: Lease, entry: Entry) -> None:
    hold = by_lease.get((lease.message.id, lease.token, lease.attempt))
    if hold is None:
        return
    if hold.ended is not None:
        sentence = "of the calls that end one lease two succeeded"
        broken("queue_visibility.8", sentence, expected="one of them, and Conflict", got=f"{entry.op} succeeds, too")
    hold.ended, hold.final = _interval(entry), entry.op == "ack"


def _before(one: _Hold, other: _Hold) -> bool:
    """Say whether one delivery may have ended, its message still there, before the other began."""
    return one.ended is not None and not one.final and one.ended[0] < other.given[1]
