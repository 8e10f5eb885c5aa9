"""The multiset rules against a simulator, a search over what may have become of each copy, and hand-made histories."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from volume import CHANGED, CORRECT, generators

from prism_testkit.checkers.conservation import Delivery, Put, Tally, check_conservation, count
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Event = Put | Delivery


def simulate(rng: random.Random, count: int, faults: bool) -> tuple[list[Event], list[float]]:
    """Pass values through a store that holds copies, with open calls of all kinds, and drain it at the end.

    Each call is drawn as one piece, start and end around the instant of its effect, so that calls overlap.
    """
    copies: list[int] = []
    events: list[Event] = []
    removed: list[int] = []
    interruptions: list[float] = []
    for now in range(10, 10 * count, 10):
        call, ret = now - rng.randint(0, 30), now + rng.randint(0, 30)
        choice = rng.random()
        if choice < 0.45:
            value = rng.randint(0, now) if faults and rng.random() < 0.2 else now
            outcome = rng.choice([OK, OK, OK, UNKNOWN, FAILED]) if faults else OK
            if outcome is OK or (outcome is UNKNOWN and rng.random() < 0.6):
                copies.append(value)
            events.append(Put(value, call, None if outcome is UNKNOWN else ret, outcome))
        elif copies and (choice < 0.9 or not faults):
            events.append(_take(rng, copies, removed, call, now, ret, faults))
        elif copies and choice < 0.95:
            if rng.random() < 0.5:
                copies.remove(rng.choice(copies))
            events.append(Delivery(None, call, None, UNKNOWN))
        elif faults:
            interruptions.append(now)
            copies += [removed.pop() for _ in range(rng.randint(0, len(removed)))]
    end = 10 * count + 100
    for value in copies:
        events.append(Delivery(value, end, end + 5))
    refused = {e.value for e in events if isinstance(e, Put) and e.outcome is FAILED}
    put = {e.value for e in events if isinstance(e, Put) and e.outcome is not FAILED}
    events = [e for e in events if not (isinstance(e, Delivery) and e.value in refused - put)]
    rng.shuffle(events)
    return events, interruptions


def _take(rng: random.Random, copies: list[int], removed: list[int], call: int, now: int, ret: int, faults: bool) -> Delivery:
    value = rng.choice(copies)
    confirmed = rng.choice([OK, OK, UNKNOWN, FAILED]) if faults else OK
    if confirmed is OK or (confirmed is UNKNOWN and rng.random() < 0.5):
        copies.remove(value)
        removed.append(value)
    return Delivery(value, call, ret, OK, confirmed, ret + 3 if confirmed is OK and faults else None)


def possible(events: Sequence[Event], *, drained: bool) -> bool:
    """Search what may have become of every copy: which puts and deliveries took effect, in which order. No interruptions."""
    unknown_takes = sum(isinstance(e, Delivery) and e.outcome is UNKNOWN for e in events)
    missing = 0
    for value in {e.value for e in events if not (isinstance(e, Delivery) and e.outcome is UNKNOWN)}:
        mine = [e for e in events if e.value == value and not (isinstance(e, Delivery) and e.outcome is UNKNOWN)]
        least = _least_left(tuple(e for e in mine if e.outcome is not FAILED))
        if least is None:
            return False
        missing += least
    return not drained or missing <= unknown_takes


def _least_left(events: tuple[Event, ...]) -> int | None:
    """Return the fewest copies of one value that any order leaves; None if there is no order.

    A delivery has two instants, that of the delivery and that of the removal. What is put with an unknown outcome may never be.
    """
    halves: list[tuple[str, float, float, int]] = []  # kind, first and last instant, owner
    for owner, event in enumerate(events):
        if isinstance(event, Put):
            last = float("inf") if event.ret is None else event.ret
            halves.append(("put" if event.outcome is OK else "maybe put", event.call, last, owner))
        else:
            assert event.ret is not None
            removed = event.ret if event.confirmed_ret is None else event.confirmed_ret
            halves.append(("deliver", event.call, event.ret, owner))
            if event.confirmed is not FAILED:
                sure = event.confirmed is OK
                halves.append(("remove" if sure else "maybe remove", event.call, removed if sure else float("inf"), owner))
    best: int | None = None
    stack = [(frozenset(range(len(halves))), 0)]
    seen = set(stack)
    while stack:
        left, copies = stack.pop()
        if all(halves[index][0].startswith("maybe") for index in left):
            best = copies if best is None else min(best, copies)
        for index in left:
            kind, call, _, owner = halves[index]
            others = [halves[other] for other in left if other != index]
            if any(last < call for other, _, last, _ in others if not other.startswith("maybe")):
                continue
            if "remove" in kind and any(other[0] == "deliver" and other[3] == owner for other in others):
                continue
            after = copies + ("put" in kind) - ("remove" in kind)
            if after < 0 or (kind == "deliver" and copies == 0):
                continue
            point = (left - {index}, after)
            if point not in seen:
                seen.add(point)
                stack.append(point)
    return best


def mutate(rng: random.Random, events: list[Event]) -> list[Event]:
    """Change one thing: a value, an outcome, a confirmation, a time; or leave out or double an event."""
    events = events[:]
    index = rng.randrange(len(events))
    event = events[index]
    kind = rng.choice(["value", "outcome", "move", "drop", "double"])
    if kind == "value":
        events[index] = replace(event, value=rng.choice(events).value)
    elif kind == "drop":
        del events[index]
    elif kind == "double":
        events.append(replace(event, call=event.call + 40, ret=event.ret and event.ret + 40))
    elif kind == "move" and event.ret is not None:
        by = rng.randint(-60, 60)
        events[index] = replace(event, call=event.call + by, ret=event.ret + by)
    elif isinstance(event, Put) and event.ret is not None:
        events[index] = replace(event, outcome=rng.choice([OK, FAILED]))
    elif isinstance(event, Delivery):
        events[index] = replace(event, confirmed=rng.choice([OK, FAILED]))
    return events


def test_no_correct_history_is_refused() -> None:
    for rng in generators("conservation", CORRECT):
        events, interruptions = simulate(rng, rng.randint(1, 40), faults=rng.random() < 0.8)
        violation = check_conservation(events, drained=True, interruptions=interruptions)
        assert violation is None, (explain(violation), events)


def test_changed_histories_are_judged_as_by_the_search() -> None:
    rules = dict.fromkeys(("unexpected", "duplicated", "lost"), 0)
    missed = 0
    for rng in generators("conservation, changed", CHANGED):
        events, interruptions = simulate(rng, rng.randint(2, 14), faults=rng.random() < 0.5)
        if not events or interruptions:
            continue
        events = mutate(rng, events)
        if any(e.value is None and e.outcome is OK for e in events):
            continue
        drained = rng.random() < 0.8
        violation = check_conservation(events, drained=drained)
        if violation is None:
            missed += not possible(events, drained=drained)
        else:
            rules[violation.rule] += 1
            assert not possible(events, drained=drained), (explain(violation), events)
    assert min(rules.values()) > CHANGED / 50, rules
    assert sum(rules.values()) > 20 * missed, (rules, missed)


# Cases


A = Put("a", 0, 1)
B = Put("b", 2, 3)


def got(value: str | None, call: float, confirmed: Outcome = OK) -> Delivery:
    return Delivery(value, call, call + 1, OK, confirmed)


GOT_UNKNOWN = Delivery(None, 4, None, UNKNOWN)

VIOLATIONS: dict[str, tuple[str, list[Event]]] = {
    "from nowhere": ("unexpected", [A, got("x", 2), got("a", 2)]),
    "refused, yet delivered": ("unexpected", [Put("a", 0, 1, FAILED), got("a", 2)]),
    "delivered before it was put": ("unexpected", [got("a", -2), A]),
    "taken twice": ("duplicated", [A, got("a", 2), got("a", 4)]),
    "taken by two at once": ("duplicated", [A, got("a", 2), got("a", 2)]),
    "put twice, the second time after it came again": (
        "duplicated",
        [A, got("a", 2), got("a", 4, FAILED), Put("a", 6, 7), got("a", 8)],
    ),
    "again after it was confirmed": ("duplicated", [A, got("a", 2, FAILED), got("a", 4), got("a", 6, FAILED)]),
    "never came": ("lost", [A, B, got("b", 4)]),
    "never came again": ("lost", [A, got("a", 2, FAILED)]),
    "two missing, one unknown delivery": ("lost", [A, B, GOT_UNKNOWN]),
    "both copies missing, one unknown delivery": ("lost", [A, Put("a", 2, 3), GOT_UNKNOWN]),
    "acknowledged by a retry": ("lost", [Put("a", 0, None, UNKNOWN), Put("a", 1, 2)]),
}

RIGHT: dict[str, list[Event]] = {
    "nothing": [],
    "delivered at the instant of its put": [Put("a", 3, 4), got("a", 2)],
    "in any order": [A, B, got("b", 4), got("a", 4)],
    "again after it was given back": [A, got("a", 2, FAILED), got("a", 4)],
    "again after a confirmation that may have come too late": [A, got("a", 2, UNKNOWN), got("a", 4)],
    "again before the confirmation was over": [A, Delivery("a", 2, 3, OK, OK, 9), got("a", 5, FAILED)],
    "a retry of an unknown put": [Put("a", 0, None, UNKNOWN), Put("a", 1, 2), got("a", 3), got("a", 5)],
    "an unknown put that never happened": [Put("a", 0, None, UNKNOWN), B, got("b", 4)],
    "an unknown put that happened": [Put("a", 0, None, UNKNOWN), got("a", 3)],
    "one missing, one unknown delivery": [A, B, got("b", 4), GOT_UNKNOWN],
    "maybe confirmed, and never again": [A, got("a", 2, UNKNOWN)],
    "a refused put": [Put("a", 0, 1, FAILED)],
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    rule, history = VIOLATIONS[name]
    violation = check_conservation(history, drained=True)
    assert violation is not None
    assert violation.rule == rule
    assert not possible(history, drained=True)
    assert (check_conservation(history, drained=False) is None) is (rule == "lost")


@pytest.mark.parametrize("name", RIGHT)
def test_correct_history(name: str) -> None:
    assert check_conservation(RIGHT[name], drained=True) is None
    assert possible(RIGHT[name], drained=True)


def test_an_interruption_may_undo_confirmations_before_it() -> None:
    again = [A, got("a", 2), got("a", 10, FAILED)]
    assert check_conservation(again, drained=False, interruptions=[5]) is None
    for elsewhere in (1, 20):
        assert check_conservation(again, drained=False, interruptions=[elsewhere]) is not None
    assert check_conservation([A, got("a", 2), got("a", 10), got("a", 20)], drained=True, interruptions=[5]) is not None
    at_once = [A, got("a", 2), got("a", 2)]
    assert check_conservation(at_once, drained=True, interruptions=[50]) is not None
    assert check_conservation(at_once, drained=True, interruptions=[2.5]) is None


def test_what_was_lost_is_told_with_what_came_later() -> None:
    violation = check_conservation([A, B, got("b", 4)], drained=True)
    assert violation is not None
    assert violation.sentence == "1 of 2 acknowledged puts never came; later ones did"
    assert violation.operations == (A,)
    violation = check_conservation([A, B, got("a", 4)], drained=True)
    assert violation is not None
    assert violation.sentence == "1 of 2 acknowledged puts never came; nothing later did either"
    violation = check_conservation(VIOLATIONS["two missing, one unknown delivery"][1], drained=True)
    assert violation is not None
    assert violation.sentence.endswith("; 1 deliveries of unknown outcome explain no more than as many")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("from nowhere", "'x' was delivered, and nobody put it"),
        ("refused, yet delivered", "'a' was delivered, although its put was refused"),
        ("delivered before it was put", "'a' was delivered before its put was called"),
    ],
)
def test_why_a_value_was_not_expected(name: str, sentence: str) -> None:
    violation = check_conservation(VIOLATIONS[name][1], drained=True)
    assert violation is not None
    assert violation.sentence == sentence


def test_a_tally_says_how_much_was_seen() -> None:
    history = [A, B, Put("u", 0, None, UNKNOWN), Put("v", 0, None, UNKNOWN), Put("f", 0, 1, FAILED)]
    history_and = [*history, got("a", 2, FAILED), got("a", 4), got("u", 4), got("stranger", 4), GOT_UNKNOWN]
    assert count(history_and) == Tally(put=4, delivered=2, repeated=1, recovered=1)
    assert count(history) == Tally(put=4, delivered=0, repeated=0, recovered=0)


def test_a_delivery_that_never_returned_has_no_value() -> None:
    with pytest.raises(ValueError, match="a delivery with a known result has returned"):
        check_conservation([A, Delivery("a", 2, None)], drained=True)
