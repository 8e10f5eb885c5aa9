"""Where is every message of a leasing queue once everything is quiet: acknowledged, ready, dead or expired, and in one place only?

Takes the events that `prism_testkit.checkers.leases` judges, and what a look at the end found. *Quiet*: no call is open, and no
lease or delay will end.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence

from prism_testkit.checkers.leases import Event, Held, Receive, held
from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Outcome
from prism_testkit.reports.text import show

__all__ = ["check_dead_letters", "check_places"]


def check_dead_letters(
    events: Iterable[Event],
    dead: Sequence[Hashable],
    *,
    max_attempts: int,
    now: float,
    slack_s: float = 0,
    tolerance_s: float = 0,
) -> Violation | None:
    """Return what shows that messages died too early, too late, twice or not at all; None if nothing does.

    ``dead`` are the messages that the dead-letter queue held at the instant ``now``; slack and tolerance as in `check_leases`.
    Rules: ``twice`` (listed twice), ``overdue`` (a delivery beyond the ``max_attempts``-th), ``soon`` (dead with deliveries left,
    while one was valid, or although one was acked), ``alive`` (the last delivery failed, and it is not listed).
    """
    events = list(events)
    unknown = sum(isinstance(event, Receive) and event.outcome is Outcome.UNKNOWN for event in events)
    messages = held(events)
    for message, count in Counter(dead).items():
        if count > 1:
            return Violation(
                "twice", f"message {show(message)} is {count} times in the dead-letter queue", _told(messages, message)
            )
        wrong = _find_soon(message, messages.get(message, []), max_attempts, unknown, now + tolerance_s)
        if wrong is not None:
            return wrong
    listed = set(dead)
    for message, deliveries in messages.items():
        last = deliveries[-1]
        name, told = f"message {show(message)}", _told(messages, message)
        if last.receive.attempt > max_attempts:
            return Violation("overdue", f"{name} was given {last.receive.attempt} times, {max_attempts} are allowed", told)
        over = last.latest_end(slack_s) + tolerance_s < now
        acked = last.acked(Outcome.OK, Outcome.UNKNOWN)
        if last.receive.attempt == max_attempts and over and not acked and message not in listed:
            return Violation("alive", f"{name} failed {max_attempts} times and is not in the dead-letter queue", told)
    return None


def _find_soon(message: Hashable, deliveries: Sequence[Held], max_attempts: int, unknown: int, now: float) -> Violation | None:
    name, told = f"message {show(message)} is in the dead-letter queue", tuple(holding.receive for holding in deliveries)
    attempts = deliveries[-1].receive.attempt if deliveries else 0
    if attempts + unknown < max_attempts:
        return Violation("soon", f"{name} after {attempts} of {max_attempts} deliveries", told)
    for holding in deliveries:
        ack = holding.acked(Outcome.OK)
        if ack is not None:
            return Violation("soon", f"{name}, although its ack was accepted", (holding.receive, ack))
        if holding.earliest_end() > now:
            return Violation("soon", f"{name} while its lease is valid", (holding.receive, *holding.uses))
    return None


def check_places(
    events: Iterable[Event],
    acknowledged: Collection[Hashable],
    *,
    ready: Sequence[Hashable],
    dead: Sequence[Hashable] = (),
    expired: Sequence[Hashable] = (),
    unknown: Collection[Hashable] = (),
) -> Violation | None:
    """Return what shows that a message is lost, or in two places at once; None if nothing does.

    ``acknowledged`` are the messages whose enqueue returned, ``unknown`` those of which nobody knows; the others are what a look
    found where. Rules: ``lost``, ``doubled``, ``unexpected`` (in a place, but nobody enqueued it).
    """
    messages = held(events)
    places = {"ready": Counter(ready), "dead": Counter(dead), "expired": Counter(expired)}
    for message in [*acknowledged, *unknown]:
        found = {place: count[message] for place, count in places.items() if count[message]}
        wrong = _find_misplaced(message, found, messages.get(message, []), must_be=message not in unknown)
        if wrong is not None:
            return wrong
    known = {*acknowledged, *unknown}
    for place, count in places.items():
        for message in count:
            if message not in known:
                return Violation(
                    "unexpected", f"message {show(message)} is {place}, and nobody enqueued it", _told(messages, message)
                )
    return None


def _find_misplaced(message: Hashable, found: dict[str, int], deliveries: Sequence[Held], *, must_be: bool) -> Violation | None:
    name, told = f"message {show(message)}", _told({message: list(deliveries)}, message)
    total = sum(found.values())
    where = ", ".join(f"{number} times {place}" for place, number in found.items())
    if any(holding.acked(Outcome.OK) for holding in deliveries) and total:
        return Violation("doubled", f"the ack of {name} was accepted, and it is there: {where}", told)
    if total > 1:
        return Violation("doubled", f"{name} is there more than once: {where}", told)
    removed = any(holding.acked(Outcome.OK, Outcome.UNKNOWN) for holding in deliveries)
    if not total and not removed and must_be:
        return Violation("lost", f"{name} was enqueued, not removed, and is nowhere", told)
    return None


def _told(messages: dict[Hashable, list[Held]], message: Hashable) -> tuple[object, ...]:
    return tuple(event for holding in messages.get(message, []) for event in (holding.receive, *holding.uses))
