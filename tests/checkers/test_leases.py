"""The rules of leases against a simulator, a search over all instants, and hand-made histories."""

from collections.abc import Sequence

import pytest
from leasing import mutate, possible, simulate
from volume import CHANGED, CORRECT, generators

from prism_testkit.checkers.leases import Ack, Event, Extend, Lapse, Receive, Release, check_leases
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def test_no_correct_history_is_refused() -> None:
    for rng in generators("leases", CORRECT):
        slack, unknown = rng.choice([0, 0, 3]), rng.choice([0, 0.15])
        events, _, _ = simulate(rng, rng.randint(1, 5), rng.randint(1, 25), slack, unknown)
        violation = check_leases(events, slack_s=slack)
        assert violation is None, (explain(violation), events)


def test_changed_histories_are_judged_as_by_the_search() -> None:
    rules = dict.fromkeys(("early", "acked", "ended", "count", "refused"), 0)
    missed = 0
    for rng in generators("leases, changed", CHANGED):
        slack = rng.choice([0, 1])
        events, _, _ = simulate(rng, rng.randint(1, 3), rng.randint(2, 8), slack, rng.choice([0, 0, 0.15]))
        if not events:
            continue
        events = mutate(rng, events)
        try:
            violation = check_leases(events, slack_s=slack)
        except ValueError:
            continue
        if violation is None:
            missed += not possible(events, slack)
        else:
            rules[violation.rule] += 1
            assert not possible(events, slack), (explain(violation), events)
    assert min(rules.values()) > CHANGED / 1000, rules
    assert sum(rules.values()) > 12 * missed, (rules, missed)


# Cases


def receive(lease: int, call: float, ret: float | None, *, attempt: int = 1, seconds: float = 10, message: str = "m") -> Receive:
    return Receive(message, lease, attempt, seconds, call, ret, OK if ret is not None else UNKNOWN)


FIRST = receive(1, 0, 1)

VIOLATIONS: dict[str, tuple[str, list[Event]]] = {
    "given again before the deadline": ("early", [FIRST, receive(2, 8, 9, attempt=2)]),
    "given again before the extended deadline": ("early", [FIRST, Extend(1, 20, 5, 6), receive(2, 23, 24, attempt=2)]),
    "given to two at once": ("early", [receive(1, 0, 2), receive(2, 1, 3, attempt=2)]),
    "a release accepted after another had it": ("ended", [FIRST, receive(2, 3, 4, attempt=2), Release(1, 5, 6)]),
    "given again while the one before the last has it": (
        "early",
        [FIRST, receive(2, 5, 40, attempt=2, seconds=1), receive(3, 5, 7, attempt=3)],
    ),
    "given again before its owner died": ("early", [FIRST, receive(2, 2, 3, attempt=2), Lapse(1, 5)]),
    "given again after the ack": ("acked", [FIRST, Ack(1, 2, 3), receive(2, 20, 21, attempt=2)]),
    "an old ack accepted while another has it": ("ended", [FIRST, receive(2, 10, 12, attempt=2), Ack(1, 12, 13)]),
    "accepted after another of two had it": (
        "ended",
        [
            receive(1, 0, 1, seconds=20),
            receive(2, 10, 40, attempt=2, seconds=1),
            receive(3, 10, 12, attempt=3, seconds=1),
            Release(1, 13, 14),
        ],
    ),
    "an ack accepted of the last delivery but one": ("ended", [FIRST, receive(2, 10, 30, attempt=2), Ack(1, 9, 12)]),
    "an ack accepted after a refused extend": ("ended", [FIRST, Extend(1, 20, 10, 12, FAILED), Ack(1, 15, 16)]),
    "an ack accepted long after the extend must have been": ("ended", [FIRST, Extend(1, 10, 5, 50), Ack(1, 30, 31)]),
    "an ack accepted after the deadline": ("ended", [FIRST, Ack(1, 12, 13)]),
    "an extend accepted after the deadline": ("ended", [FIRST, Extend(1, 5, 12, 13)]),
    "an extend accepted after the shortened deadline": ("ended", [FIRST, Extend(1, 2, 3, 4), Extend(1, 9, 7, 8)]),
    "a second ack accepted": ("ended", [FIRST, Ack(1, 2, 3), Ack(1, 4, 5)]),
    "two concurrent acks accepted": ("ended", [FIRST, Ack(1, 2, 5), Ack(1, 3, 4)]),
    "an extend accepted after a release": ("ended", [FIRST, Release(1, 2, 3), Extend(1, 9, 4, 5)]),
    "the first attempt is the second": ("count", [receive(1, 0, 1, attempt=2)]),
    "attempts begin at 0": ("count", [receive(1, 0, 1, attempt=0)]),
    "an attempt left out": ("count", [FIRST, receive(2, 20, 21, attempt=3)]),
    "the same attempt again": ("count", [FIRST, receive(2, 20, 21)]),
    "attempts against time": ("count", [receive(1, 20, 21), receive(2, 0, 1, attempt=2)]),
    "an unknown receive that came too late": ("count", [receive(1, 0, 1, attempt=2), receive(9, 2, None)]),
    "one unknown receive for two attempts": ("count", [receive(9, 0, None), receive(1, 0, 1, attempt=3)]),
    "a valid ack refused": ("refused", [FIRST, Ack(1, 2, 3, FAILED)]),
    "refused before the extended deadline": ("refused", [FIRST, Extend(1, 20, 2, 3), Release(1, 15, 16, FAILED)]),
    "refused before the deadline that was extended twice": (
        "refused",
        [FIRST, Extend(1, 5, 2, 3), Extend(1, 20, 4, 5), Ack(1, 10, 11, FAILED)],
    ),
    "refused during an accepted extend": ("refused", [receive(1, 0, 1, seconds=4), Ack(1, 2, 9, FAILED), Extend(1, 20, 3, 3)]),
    "refused before its owner died": ("refused", [FIRST, Extend(1, 20, 2, 3, FAILED), Lapse(1, 4)]),
}

RIGHT: dict[str, list[Event]] = {
    "nothing": [],
    "given again after the deadline": [FIRST, receive(2, 9, 10, attempt=2)],
    "given to one that waited": [FIRST, receive(2, 0, 10, attempt=2)],
    "given again during a release": [FIRST, Release(1, 2, 5), receive(2, 3, 4, attempt=2)],
    "given again after a release that nobody knows of": [FIRST, Release(1, 2, None, UNKNOWN), receive(2, 3, 4, attempt=2)],
    "an unknown extend shortened it": [FIRST, Extend(1, 1, 2, None, UNKNOWN), receive(2, 3, 4, attempt=2)],
    "an unknown extend lengthened it": [FIRST, Extend(1, 20, 2, None, UNKNOWN), Ack(1, 25, 26)],
    "a refused extend moved nothing": [FIRST, Extend(1, 20, 11, 12, FAILED), receive(2, 13, 14, attempt=2)],
    "two extends at once, in either order": [FIRST, Extend(1, 1, 2, 6), Extend(1, 30, 3, 5), receive(2, 4, 7, attempt=2)],
    "a slow extend, which shortened it after two others": [
        FIRST,
        Extend(1, 1, 2, 20),
        Extend(1, 30, 3, 4),
        Extend(1, 30, 5, 6),
        receive(2, 8, 9, attempt=2),
    ],
    "given again after an ack that nobody knows of": [FIRST, Ack(1, 2, None, UNKNOWN), receive(2, 10, 11, attempt=2)],
    "its owner died": [FIRST, Lapse(1, 2), receive(2, 2, 3, attempt=2)],
    "the first of two deaths counts": [FIRST, Lapse(1, 6), Lapse(1, 2), receive(2, 3, 4, attempt=2)],
    "the server forgot the lease": [FIRST, Lapse(1, 2), Ack(1, 3, 4, FAILED)],
    "an ack in the last moment": [FIRST, Ack(1, 11, 15)],
    "an ack refused at the deadline": [FIRST, Ack(1, 2, 10, FAILED)],
    "an ack refused after one that nobody knows of": [FIRST, Ack(1, 2, None, UNKNOWN), Ack(1, 4, 5, FAILED)],
    "an ack refused during a shortening extend": [FIRST, Ack(1, 2, 9, FAILED), Extend(1, 1, 3, 4)],
    "an extend during an ack": [FIRST, Ack(1, 2, 5), Extend(1, 9, 3, 4)],
    "an unknown receive took an attempt": [receive(9, 0, None), receive(1, 0, 1, attempt=2)],
    "held for ever": [receive(1, 0, 1, seconds=float("inf")), Ack(1, 1e9, 1e9 + 1)],
    "other messages": [FIRST, receive(2, 2, 3, message="n")],
}


def _is_possible(history: Sequence[Event]) -> bool:
    return possible(history, 0)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    rule, history = VIOLATIONS[name]
    violation = check_leases(history)
    assert violation is not None
    assert violation.rule == rule
    assert not _is_possible(history)
    assert check_leases(reversed(history)) == violation


@pytest.mark.parametrize("name", RIGHT)
def test_correct_history(name: str) -> None:
    assert check_leases(RIGHT[name]) is None
    assert name == "held for ever" or _is_possible(RIGHT[name])


def test_slack_makes_ends_late_and_never_early() -> None:
    late = VIOLATIONS["an ack accepted after the deadline"][1]
    assert check_leases(late, slack_s=0.5) is not None
    assert check_leases(late, slack_s=1) is None
    assert check_leases(VIOLATIONS["given again before the deadline"][1], slack_s=100) is not None


def test_tolerance_of_clocks_makes_ends_late_and_early() -> None:
    for name in ("an ack accepted after the deadline", "given again before the deadline"):
        assert check_leases(VIOLATIONS[name][1], tolerance_s=0.5) is not None
        assert check_leases(VIOLATIONS[name][1], tolerance_s=1) is None
    refused: list[Event] = [FIRST, Ack(1, 2, 9, FAILED)]
    assert check_leases(refused, tolerance_s=0.5) is not None
    assert check_leases(refused, tolerance_s=1) is None


def test_where_counts_are_lower_bounds_attempts_may_be_missing_but_not_fall() -> None:
    for name in ("an attempt left out", "the first attempt is the second"):
        assert check_leases(VIOLATIONS[name][1], counts="lower_bound") is None
    assert check_leases(VIOLATIONS["attempts against time"][1], counts="lower_bound") is not None
    assert check_leases(VIOLATIONS["the same attempt again"][1], counts="lower_bound") is not None


def test_what_cannot_be_judged_is_an_error() -> None:
    with pytest.raises(ValueError, match="lease 1 was received twice"):
        check_leases([FIRST, FIRST])
    with pytest.raises(ValueError, match=r"Ack\(lease=7, .*nobody received this lease"):
        check_leases([FIRST, Ack(7, 2, 3)])
    with pytest.raises(ValueError, match="its lease was received only later"):
        check_leases([FIRST, Ack(1, 0.5, 3)])


def test_the_explanation_tells_who_held_it() -> None:
    violation = check_leases(VIOLATIONS["given again before the extended deadline"][1])
    assert violation is not None
    head, *operations = explain(violation).splitlines()
    assert head == "early: message 'm' was given again while a lease of it was valid, until 25 at least:"
    assert [line.split("(")[0].strip() for line in operations] == ["Receive", "Extend", "Receive"]
