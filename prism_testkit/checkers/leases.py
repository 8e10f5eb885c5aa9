"""Does a queue keep its leases: does a message belong to one holder at a time, until it is acknowledged or the lease is over?

The rules are those of visibility timeouts as SQS, JetStream and Service Bus document them, and of `QueueVisibility`. Every call
took effect at one instant between its call and its return, so a lease ends no sooner than its receive was called plus its
seconds, and no later than that receive returned plus its seconds and the slack. What is reported is wrong wherever those
instants lie; deliveries of one message are put in order by their attempts, not by their times. O(n log n).

Times are seconds of one clock. A message whose attempts begin again (redriven, or forgotten in a kill) counts as another message
from then on: let the caller name it so. What remains at the end is judged by `prism_testkit.checkers.quiescence`.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Outcome
from prism_testkit.reports.text import show

__all__ = ["Ack", "Event", "Extend", "Held", "Lapse", "Receive", "Release", "check_leases", "held"]


@dataclass(frozen=True, slots=True)
class Receive:
    """A delivery: ``message`` was leased for ``seconds`` (infinite: until it is given back), under a ``lease`` of its own.

    The two mean something only if the outcome is OK. A receive that found nothing is left out.
    """

    message: Hashable
    lease: Hashable
    attempt: int
    seconds: float
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Ack:
    """A lease was to end because the work is done; FAILED: it was refused."""

    lease: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Extend:
    """A lease was to end ``seconds`` from now; FAILED: it was refused."""

    lease: Hashable
    seconds: float
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Release:
    """A lease was to end and its message to come again; FAILED: it was refused."""

    lease: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Lapse:
    """From ``at`` on the lease may be over, without a call: its owner died or left, or the server that remembered it was killed."""

    lease: Hashable
    at: float


Event = Receive | Ack | Extend | Release | Lapse
_Use = Ack | Extend | Release


@dataclass(slots=True)
class Held:
    """A delivery and what became of it. ``uses`` are in the order of their calls; those refused are left out of what it says."""

    receive: Receive
    uses: list[Ack | Extend | Release] = field(default_factory=list)
    lapse: Lapse | None = None

    def acked(self, *outcomes: Outcome) -> Ack | None:
        """Return the first ack that ended with one of these outcomes."""
        return next((use for use in self.uses if isinstance(use, Ack) and use.outcome in outcomes), None)

    def earliest_end(self) -> float:
        """Return the first instant at which the message may have been available again."""
        given_up = [use.call for use in self.uses if isinstance(use, Release) and use.outcome is not Outcome.FAILED]
        return min(self.deadlines()[0], *given_up, math.inf if self.lapse is None else self.lapse.at)

    def latest_end(self, slack_s: float) -> float:
        """Return the instant from which on the lease is over, as far as calls and its deadline tell."""
        ended = [returned(use) for use in self.uses if not isinstance(use, Extend) and use.outcome is Outcome.OK]
        return min(self.deadlines(slack_s)[1] + slack_s, *ended, math.inf)

    def deadlines(self, slack_s: float = 0, before: float = math.inf) -> tuple[float, float]:
        """Return the earliest and the latest deadline, as moved by the extends that were called before an instant."""
        earliest, latest = self.receive.call + self.receive.seconds, returned(self.receive) + self.receive.seconds
        settled = -math.inf
        for use in self.uses:
            if not isinstance(use, Extend) or use.outcome is Outcome.FAILED or use.call >= before:
                continue
            low, high = use.call + use.seconds, min(returned(use), latest + slack_s) + use.seconds
            if use.outcome is Outcome.OK and use.call > settled:  # accepted, so the lease was valid, and the deadline is this one
                earliest, latest = low, high
            else:
                earliest, latest = min(earliest, low), max(latest, high)
            settled = max(settled, returned(use))
        return earliest, latest


def returned(event: Receive | Ack | Extend | Release) -> float:
    """Return when a call was over; what has no known end may take effect at any time."""
    return math.inf if event.ret is None or event.outcome is Outcome.UNKNOWN else event.ret


def held(events: Iterable[Event]) -> dict[Hashable, list[Held]]:
    """Sort deliveries by message and attempt, each with what became of it.

    Two deliveries under one lease, and a use of a lease that nobody had received, raise ``ValueError``.
    """
    events = list(events)
    leases: dict[Hashable, Held] = {}
    for event in events:
        if isinstance(event, Receive) and event.outcome is Outcome.OK:
            if event.lease in leases:
                raise ValueError(f"lease {show(event.lease)} was received twice: every delivery needs a lease of its own")
            leases[event.lease] = Held(event)
    for event in events:
        if not isinstance(event, Receive):
            if event.lease not in leases:
                raise ValueError(f"{show(event)}: nobody received this lease")
            holding = leases[event.lease]
            if not isinstance(event, Lapse):
                if event.call < returned(holding.receive):
                    raise ValueError(f"{show(event)}: its lease was received only later")
                holding.uses.append(event)
            elif holding.lapse is None or event.at < holding.lapse.at:
                holding.lapse = event
    messages: dict[Hashable, list[Held]] = {}
    for holding in leases.values():
        holding.uses.sort(key=lambda use: use.call)
        messages.setdefault(holding.receive.message, []).append(holding)
    for deliveries in messages.values():
        deliveries.sort(key=lambda holding: (holding.receive.attempt, holding.receive.call))
    return messages


def check_leases(
    events: Iterable[Event],
    *,
    slack_s: float = 0,
    tolerance_s: float = 0,
    counts: Literal["exact", "lower_bound"] = "exact",
) -> Violation | None:
    """Return what shows that leases were not kept; None if nothing does.

    ``slack_s`` is how late a deadline may be, ``tolerance_s`` how far the clock of the history may be from the store's. Rules:

    * ``early``: a message was given again before the lease was over.
    * ``acked``: a message was given again after an accepted ack.
    * ``ended``: an ack, extend or release was accepted of a lease that was over, or whose message had gone to another.
    * ``count``: attempts of a message are not 1, 2, 3 ... in the order of time. One may be missing for each receive of unknown
      outcome; with ``counts="lower_bound"`` any may.
    * ``refused``: an ack, extend or release was refused (FAILED) of a lease that was valid.
    """
    events = list(events)
    messages = held(events)
    late = slack_s + tolerance_s
    for deliveries in messages.values():
        wrong = _find_shared(deliveries, tolerance_s)
        for holding in deliveries:
            wrong = wrong or _find_ended(holding, late) or _find_refused(holding, tolerance_s)
        if wrong is not None:
            return wrong
    if counts == "lower_bound":
        return None
    unknown = sorted(e.call for e in events if isinstance(e, Receive) and e.outcome is Outcome.UNKNOWN)
    return _find_missing_attempts(messages.values(), unknown)


def _find_shared(deliveries: Sequence[Held], tolerance_s: float) -> Violation | None:
    """Find a delivery that came while an earlier one was held, after one was acked, or against the order of attempts."""
    given = list(accumulate((holding.receive for holding in reversed(deliveries)), _sooner))[::-1]
    for before, now, soonest in zip(deliveries, deliveries[1:], given[1:], strict=False):
        wrong = _find_conflict(before, now.receive, soonest)
        if wrong is not None:
            return wrong
    return _find_early(deliveries, tolerance_s)


def _sooner(receive: Receive, other: Receive) -> Receive:
    return receive if returned(receive) < returned(other) else other


def _find_conflict(before: Held, now: Receive, soonest: Receive) -> Violation | None:
    """Compare a delivery with the next one, and with that of all later ones which was over first."""
    first, ack = before.receive, before.acked(Outcome.OK)
    if first.attempt == now.attempt:
        return Violation("count", f"{_message(now)} was given twice with attempt {now.attempt}", (first, now))
    if returned(now) < first.call:
        return Violation("count", f"{_message(now)} was given with a higher attempt before a lower one", (now, first))
    if ack is not None and now.call > returned(ack):
        return Violation("acked", f"{_message(now)} was given again after its ack was accepted", (first, ack, now))
    if ack is not None:
        return Violation(
            "ended", f"an ack of {_message(now)} was accepted, although it is not of the last delivery", (first, now, ack)
        )
    for use in before.uses:
        if use.outcome is Outcome.OK and use.call > returned(soonest):
            return Violation("ended", f"{_name(use)} of {_message(now)} was accepted after another had it", (first, soonest, use))
    return None


def _find_early(deliveries: Sequence[Held], tolerance_s: float) -> Violation | None:
    holder: Held | None = None
    until = -math.inf
    for holding in deliveries:
        now = holding.receive
        if holder is not None and returned(now) < until - tolerance_s:
            sentence = f"{_message(now)} was given again while a lease of it was valid, until {until:g} at least"
            return Violation("early", sentence, (holder.receive, *holder.uses, now))
        if holding.earliest_end() > until:
            holder, until = holding, holding.earliest_end()
    return None


def _find_ended(holding: Held, late: float) -> Violation | None:
    """Find what was accepted of a lease that was over."""
    over: _Use | None = None
    accepted = [use for use in holding.uses if use.outcome is Outcome.OK]
    for use in accepted:
        end = holding.deadlines(late, before=use.call)[1] + late
        if use.call > end:
            earlier = [e for e in holding.uses if isinstance(e, Extend) and e.call < use.call]
            sentence = (
                f"{_name(use)} of {_message(holding.receive)} was accepted after its deadline, which was {end:g} at the latest"
            )
            return Violation("ended", sentence, (holding.receive, *earlier, use))
        if over is not None and (use.call > returned(over) or not isinstance(use, Extend)):
            return Violation(
                "ended",
                f"{_name(use)} of {_message(holding.receive)} was accepted after {_name(over)}",
                (holding.receive, over, use),
            )
        if not isinstance(use, Extend):
            over = use
    return None


def _find_refused(holding: Held, tolerance_s: float) -> Violation | None:
    """Find what was refused of a lease that was valid during the whole call."""
    for use in holding.uses:
        if use.outcome is not Outcome.FAILED:
            continue
        # An extend that was accepted, also later, shows that the lease was valid until then.
        acked = [other.call for other in holding.uses if isinstance(other, Ack) and other.outcome is not Outcome.FAILED]
        end = min(holding.earliest_end(), *acked, math.inf)
        if returned(use) < end - tolerance_s:
            sentence = f"{_name(use)} of {_message(holding.receive)} was refused while its lease was valid"
            return Violation("refused", sentence, (holding.receive, *holding.uses))
    return None


def _find_missing_attempts(messages: Iterable[Sequence[Held]], unknown: Sequence[float]) -> Violation | None:
    gaps: list[tuple[float, Receive]] = []
    for deliveries in messages:
        expected = 1
        for holding in deliveries:
            receive = holding.receive
            missing = min(receive.attempt - expected, len(unknown) + 1)
            if missing < 0:
                return Violation("count", f"{_message(receive)} was given with attempt {receive.attempt}", (receive,))
            gaps += [(returned(receive), receive)] * missing
            expected = receive.attempt + 1
    gaps.sort(key=lambda gap: gap[0])
    # By Hall's theorem: the n-th to be missed needs an n-th unknown receive, called before it was missed.
    for count, (seen, receive) in enumerate(gaps):
        if count >= len(unknown) or unknown[count] > seen:
            sentence = f"{_message(receive)} was given with attempt {receive.attempt}, and an earlier one never was"
            return Violation("count", sentence, (receive,))
    return None


def _name(use: _Use) -> str:
    return {Ack: "an ack", Extend: "an extend", Release: "a release"}[type(use)]


def _message(receive: Receive) -> str:
    return f"message {show(receive.message)}"
