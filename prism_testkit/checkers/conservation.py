"""Does what goes in come out: at-least-once queues, and subscriptions one by one, judged as multisets.

These are the rules of Jepsen's ``total-queue`` checker (unexpected, duplicated, lost, recovered), with the time of each event,
which lets a repeat be told from a duplicate: a value may come again as long as no confirmation is known to have removed it. Order
is not judged: see `prism_testkit.checkers.fifo` and `prism_testkit.checkers.logs`. Cost: O(n log n), and the square of the
deliveries of one value.

One queue, or one subscription, at a time. For a subscription, puts that began before it was entered are UNKNOWN if it may have
got them, and left out if it must not; a message that went to a dead-letter queue, or expired, is a delivery too.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Outcome
from prism_testkit.reports.text import show

__all__ = ["Delivery", "Put", "Tally", "check_conservation", "count"]


@dataclass(frozen=True, slots=True)
class Put:
    """A value was enqueued or published; a retry is another one. ``ret`` None: it never returned, so its outcome is unknown."""

    value: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Delivery:
    """A value was taken or received; if the outcome is UNKNOWN nobody knows which, if any.

    ``confirmed`` says whether it is removed for good: OK since ``confirmed_ret`` (None: since ``ret``, as in a take for good);
    FAILED if it was given back, or nobody confirmed it while it was held; UNKNOWN if a confirmation may have come too late.
    """

    value: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK
    confirmed: Outcome = Outcome.OK
    confirmed_ret: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How much a history says: without ``delivered`` values nothing was judged. ``recovered``: put with unknown outcome only."""

    put: int
    delivered: int
    repeated: int
    recovered: int


@dataclass(slots=True)
class _Traffic:
    """Everything that happened to one value. Refused puts are apart."""

    puts: list[Put]
    refused: list[Put]
    deliveries: list[Delivery]


def count(events: Iterable[Put | Delivery]) -> Tally:
    """Return how many values were put and not refused, and came out, more than once, and although nobody knew of their put."""
    values = [traffic for traffic in _sort(events).values() if traffic.puts]
    came = [traffic for traffic in values if traffic.deliveries]
    return Tally(
        put=len(values),
        delivered=len(came),
        repeated=sum(len(traffic.deliveries) > 1 for traffic in came),
        recovered=sum(all(put.outcome is Outcome.UNKNOWN for put in traffic.puts) for traffic in came),
    )


def check_conservation(events: Iterable[Put | Delivery], *, drained: bool, interruptions: Sequence[float] = ()) -> Violation | None:
    """Return what shows that a value came from nowhere, once too often or never; None if nothing does.

    ``drained``: everything that was left at the end was delivered and confirmed until nothing came any more; without it nothing
    counts as lost. ``interruptions`` are instants, kills for instance, each of which may undo the confirmations before it. Rules:

    * ``unexpected``: a value was delivered that nobody put, whose put was refused, or before its put was called.
    * ``duplicated``: a value was delivered after as many of its deliveries had been confirmed as there were puts of it, or more
      of its deliveries were confirmed than there were puts.
    * ``lost``: of an acknowledged value no delivery was, or may have been, confirmed. As many may be missing as there are
      deliveries of unknown outcome.
    """
    events = list(events)
    values = _sort(events)
    for traffic in values.values():
        for delivery in traffic.deliveries:
            wrong = _find_unexpected(delivery, traffic) or _find_duplicate(delivery, traffic, interruptions)
            if wrong is not None:
                return wrong
        wrong = _find_confirmed_too_often(traffic, interruptions)
        if wrong is not None:
            return wrong
    if not drained:
        return None
    unknown = sum(isinstance(event, Delivery) and event.outcome is Outcome.UNKNOWN for event in events)
    return _find_lost(list(values.values()), unknown)


def _sort(events: Iterable[Put | Delivery]) -> dict[Hashable, _Traffic]:
    values: dict[Hashable, _Traffic] = {}
    for event in events:
        if isinstance(event, Delivery):
            if event.outcome is Outcome.OK:
                values.setdefault(event.value, _Traffic([], [], [])).deliveries.append(event)
        else:
            traffic = values.setdefault(event.value, _Traffic([], [], []))
            (traffic.refused if event.outcome is Outcome.FAILED else traffic.puts).append(event)
    for traffic in values.values():
        traffic.deliveries.sort(key=lambda delivery: delivery.call)
    return values


def _returned(delivery: Delivery) -> float:
    if delivery.ret is None:
        raise ValueError(f"{show(delivery)}: a delivery with a known result has returned")
    return delivery.ret


def _confirmed(delivery: Delivery) -> float:
    """Return when it was certain that the value is removed."""
    return _returned(delivery) if delivery.confirmed_ret is None else delivery.confirmed_ret


def _find_unexpected(delivery: Delivery, traffic: _Traffic) -> Violation | None:
    if not traffic.puts:
        why = "although its put was refused" if traffic.refused else "and nobody put it"
        return Violation("unexpected", f"{show(delivery.value)} was delivered, {why}", (*traffic.refused, delivery))
    if all(put.call > _returned(delivery) for put in traffic.puts):
        return Violation("unexpected", f"{show(delivery.value)} was delivered before its put was called", (delivery, *traffic.puts))
    return None


def _find_duplicate(delivery: Delivery, traffic: _Traffic, interruptions: Sequence[float]) -> Violation | None:
    """Find a delivery before which every copy had been removed."""
    end = _returned(delivery)
    since = max((instant for instant in interruptions if instant <= end), default=None)
    removed = [
        other
        for other in traffic.deliveries
        if other.confirmed is Outcome.OK and _confirmed(other) < delivery.call and (since is None or other.call > since)
    ]
    puts = [put for put in traffic.puts if put.call <= end]
    if len(removed) < len(puts):
        return None
    sentence = f"{show(delivery.value)} was delivered again after it had been put {_times(len(puts))} and confirmed as often"
    return Violation("duplicated", sentence, (*puts, *removed, delivery))


def _find_confirmed_too_often(traffic: _Traffic, interruptions: Sequence[float]) -> Violation | None:
    """Find more confirmations between two interruptions than there were copies."""
    confirmed: dict[int, list[Delivery]] = {}
    for delivery in traffic.deliveries:
        if delivery.confirmed is Outcome.OK:
            part = sum(instant < delivery.call for instant in interruptions)
            if part == sum(instant <= _confirmed(delivery) for instant in interruptions):
                confirmed.setdefault(part, []).append(delivery)
    for deliveries in confirmed.values():
        end = max(_confirmed(delivery) for delivery in deliveries)
        puts = [put for put in traffic.puts if put.call <= end]
        if len(deliveries) > len(puts):
            sentence = f"{show(deliveries[0].value)} was put {_times(len(puts))}, and {len(deliveries)} deliveries were confirmed"
            return Violation("duplicated", sentence, (*puts, *deliveries))
    return None


def _find_lost(values: Sequence[_Traffic], unknown: int) -> Violation | None:
    missing: list[_Traffic] = []
    number = 0
    for traffic in values:
        acknowledged = sum(put.outcome is Outcome.OK for put in traffic.puts)
        removed = sum(delivery.confirmed is not Outcome.FAILED for delivery in traffic.deliveries)
        if removed < acknowledged:
            missing.append(traffic)
            number += acknowledged - removed
    if number <= unknown:
        return None
    first = min(put.call for traffic in missing for put in traffic.puts)
    later = any(put.call > first and traffic.deliveries for traffic in values for put in traffic.puts)
    total = sum(put.outcome is Outcome.OK for traffic in values for put in traffic.puts)
    never = all(not traffic.deliveries for traffic in missing)
    how = "never came" if never else "never came again after an unconfirmed delivery, or never at all"
    where = "later ones did" if later else "nothing later did either"
    allowed = f"; {unknown} deliveries of unknown outcome explain no more than as many" if unknown else ""
    operations = [event for traffic in missing for event in (*traffic.puts, *traffic.deliveries)]
    return Violation("lost", f"{number} of {total} acknowledged puts {how}; {where}{allowed}", tuple(operations))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
