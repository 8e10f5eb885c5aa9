"""Does a consumer group share its records: each held by one member at a time, until it is acked, and none skipped?

For `StreamConsumerGroups`, and the durable subscriptions of `PubSubPersistent` where holding has no deadline. A delivery is a
lease without an end, so `prism_testkit.checkers.leases` judges who held what; a nack with a delay sets an end. What differs: an
ack or nack of what was given back already does nothing, and a member that left or died gives back all that it held.
"""

import math
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

from prism_testkit.checkers.leases import Ack, Event, Extend, Lapse, Receive, Release, check_leases
from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Outcome
from prism_testkit.reports.text import show

__all__ = ["Gone", "Received", "Settled", "check_group"]


@dataclass(frozen=True, slots=True)
class Received:
    """A record came to a member; ``count`` is its delivery count, ``token`` tells the delivery from every other.

    Of an outcome that is UNKNOWN only the call means something.
    """

    record: Hashable
    member: Hashable
    token: Hashable
    count: int
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery was acked (``delay_s`` None), or nacked: to come again, not before ``delay_s`` have passed."""

    token: Hashable
    delay_s: float | None
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Gone:
    """From ``at`` on what the member held may go to others: its leaving was called, or it was killed or paused."""

    member: Hashable
    at: float


def check_group(
    events: Iterable[Received | Settled | Gone],
    expected: Collection[Hashable] = (),
    *,
    drained: bool,
    counts: Literal["exact", "lower_bound"] = "lower_bound",
    tolerance_s: float = 0,
) -> Violation | None:
    """Return what shows that records were not shared properly; None if nothing does.

    ``expected`` are the records that the group must get. ``drained``: at the end living members received until nothing came any
    more, longer than delays and the death of members take; without it nothing counts as skipped or abandoned. Rules: ``early``
    (given to two at a time, or before its delay), ``acked`` (came again after an ack), ``ended``, ``count`` and ``refused`` as in
    `check_leases`, ``order`` (first deliveries to the only member are not in the order of the records, where these are numbers),
    ``skipped`` (never came), ``abandoned`` (never came again after a nack, or after its member was gone).
    """
    events = list(events)
    wrong = check_leases(_as_leases(events), counts=counts, tolerance_s=tolerance_s)
    if wrong is not None:
        return wrong
    received = [event for event in events if isinstance(event, Received) and event.outcome is Outcome.OK]
    if len({event.member for event in events if isinstance(event, Received)}) == 1:
        wrong = _find_disorder(received)
    if wrong is None and drained:
        wrong = _find_skipped(events, received, expected)
    return wrong


def _as_leases(events: Iterable[Received | Settled | Gone]) -> Iterable[Event]:
    gone: dict[Hashable, float] = {}
    settled: dict[Hashable, list[Settled]] = {}
    received: list[Received] = []
    for event in events:
        if isinstance(event, Gone):
            gone[event.member] = min(event.at, gone.get(event.member, math.inf))
        elif isinstance(event, Settled):
            settled.setdefault(event.token, []).append(event)
        else:
            received.append(event)
    for event in received:
        yield Receive(event.record, event.token, event.count, math.inf, event.call, event.ret, event.outcome)
        if event.outcome is Outcome.OK:
            at = gone.get(event.member, math.inf)
            if at < math.inf:
                yield Lapse(event.token, at)
            yield from _uses(settled.pop(event.token, []), at)
    for strays in settled.values():
        raise ValueError(f"{show(strays[0])}: nobody received this delivery")


def _uses(settled: list[Settled], gone: float) -> Iterable[Event]:
    """Yield what may have given a delivery back or removed it.

    The first that was accepted counts for certain, unless another was open with it or its member was gone.
    """
    settled.sort(key=lambda event: event.call)
    over = math.inf
    for event in settled:
        if event.call > over:
            continue
        ret = math.inf if event.ret is None or event.outcome is Outcome.UNKNOWN else event.ret
        others = [other for other in settled if other is not event and other.call <= ret and other.outcome is not Outcome.FAILED]
        outcome = event.outcome
        if outcome is Outcome.OK and (others or gone <= ret):
            outcome = Outcome.UNKNOWN
        if outcome is not Outcome.FAILED:
            over = min(over, ret)
        yield _use(event, outcome)


def _use(event: Settled, outcome: Outcome) -> Event:
    if event.delay_s is None:
        return Ack(event.token, event.call, event.ret, outcome)
    if event.delay_s > 0:
        return Extend(event.token, event.delay_s, event.call, event.ret, outcome)
    return Release(event.token, event.call, event.ret, outcome)


def _find_disorder(received: Iterable[Received]) -> Violation | None:
    first: list[Received] = []
    for event in sorted(received, key=lambda event: event.call):
        if event.count != 1 or not isinstance(event.record, int):
            continue
        if first and first[-1].ret is not None and first[-1].ret < event.call and first[-1].record > event.record:  # type: ignore[operator]
            sentence = f"record {event.record} came after {first[-1].record} to the only member"
            return Violation("order", sentence, (first[-1], event))
        first.append(event)
    return None


def _find_skipped(
    events: Iterable[Received | Settled | Gone], received: Iterable[Received], expected: Collection[Hashable]
) -> Violation | None:
    last: dict[Hashable, Received] = {}
    for delivery in sorted(received, key=lambda delivery: delivery.count):
        last[delivery.record] = delivery
    for record in expected:
        if record not in last:
            return Violation("skipped", f"record {show(record)} never came", ())
    gone = {event.member: event for event in events if isinstance(event, Gone)}
    settled: dict[Hashable, list[Settled]] = {}
    for event in events:
        if isinstance(event, Settled) and event.outcome is not Outcome.FAILED:
            settled.setdefault(event.token, []).append(event)
    for record, delivery in last.items():
        uses = settled.get(delivery.token, [])
        name = f"record {show(record)} never came again after its"
        nack = next((use for use in uses if use.outcome is Outcome.OK), None)
        if any(use.delay_s is None for use in uses):
            continue
        if delivery.member in gone:
            return Violation("abandoned", f"{name} member was gone", (delivery, gone[delivery.member]))
        if nack is not None:
            return Violation("abandoned", f"{name} nack", (delivery, nack))
    return None
