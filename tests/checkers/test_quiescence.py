"""Where messages are at the end, against the simulator of leases and hand-made histories."""

from typing import Any

import pytest
from leasing import simulate
from volume import CORRECT, generators

from prism_testkit.checkers.leases import Ack, Event, Extend, Lapse, Receive, Release
from prism_testkit.checkers.quiescence import check_dead_letters, check_places
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def test_no_correct_end_is_refused_and_every_changed_one_is() -> None:
    for rng in generators("quiescence", CORRECT // 2):
        events, server, _ = simulate(rng, rng.randint(1, 4), rng.randint(1, 20), rng.choice([0, 3]), rng.choice([0, 0.15]))
        left = list(server.attempts)
        events = [e for e in events if not isinstance(e, Ack) or e.outcome is not FAILED]
        gone = {e.message for e in events if isinstance(e, Receive) and e.outcome is OK} - {*left}
        everything = [*left, *gone]
        violation = check_places(events, everything, ready=left)
        assert violation is None, (explain(violation), events)

        if left:
            one = rng.choice(left)
            unsure = {e.lease for e in events if isinstance(e, Ack) and e.outcome is UNKNOWN}
            if not any(isinstance(e, Receive) and e.message == one and e.lease in unsure for e in events):
                assert check_places(events, everything, ready=[m for m in left if m != one]) is not None
            assert check_places(events, everything, ready=left, dead=[one]) is not None
        assert check_places(events, everything, ready=[*left, "z"]) is not None


# Cases


def receive(attempt: int, call: float, *, seconds: float = 10, ret: float | None = None, message: str = "m") -> Receive:
    return Receive(message, attempt, attempt, seconds, call, call + 1 if ret is None else ret)


FIRST = receive(1, 0)
SECOND = receive(2, 20)
LOST = Receive("", "", 0, 10, 0, None, UNKNOWN)

PLACES: dict[str, tuple[str | None, list[Event], dict[str, Any]]] = {
    "never taken": (None, [], {"ready": ["m"]}),
    "acked": (None, [FIRST, Ack(1, 2, 3)], {"ready": []}),
    "an ack that nobody knows of, and gone": (None, [FIRST, Ack(1, 2, None, UNKNOWN)], {"ready": []}),
    "an ack that nobody knows of, and there": (None, [FIRST, Ack(1, 2, None, UNKNOWN)], {"ready": ["m"]}),
    "dead": (None, [FIRST], {"ready": [], "dead": ["m"]}),
    "expired": (None, [], {"ready": [], "expired": ["m"]}),
    "an unknown enqueue, never there": (None, [], {"ready": ["m"], "unknown": ["u"]}),
    "an unknown enqueue, there": (None, [], {"ready": ["m", "u"], "unknown": ["u"]}),
    "lost after a delivery": ("lost", [FIRST], {"ready": []}),
    "lost after a refused ack": ("lost", [FIRST, Ack(1, 20, 21, FAILED)], {"ready": []}),
    "ready twice": ("doubled", [], {"ready": ["m", "m"]}),
    "ready and dead": ("doubled", [FIRST], {"ready": ["m"], "dead": ["m"]}),
    "acked and ready": ("doubled", [FIRST, Ack(1, 2, 3)], {"ready": ["m"]}),
    "acked and expired": ("doubled", [FIRST, Ack(1, 2, 3)], {"ready": [], "expired": ["m"]}),
    "an unknown enqueue, there twice": ("doubled", [], {"ready": ["m", "u"], "dead": ["u"], "unknown": ["u"]}),
    "from nowhere": ("unexpected", [], {"ready": ["m"], "dead": ["x"]}),
}


@pytest.mark.parametrize("name", PLACES)
def test_places(name: str) -> None:
    rule, events, found = PLACES[name]
    violation = check_places(events, ["m"], **found)
    assert (violation and violation.rule) == rule


DEATHS: dict[str, tuple[str | None, list[Event], list[str], float]] = {
    "none yet": (None, [FIRST], [], 100),
    "after two failures": (None, [FIRST, SECOND], ["m"], 100),
    "after a release": (None, [FIRST, SECOND, Release(2, 22, 23)], ["m"], 25),
    "its owner died": (None, [FIRST, SECOND, Lapse(2, 22)], ["m"], 25),
    "the last lease is valid": (None, [FIRST, SECOND], [], 30),
    "the last lease was extended": (None, [FIRST, SECOND, Extend(2, 100, 22, 23)], [], 90),
    "the last one was acked": (None, [FIRST, SECOND, Ack(2, 22, 23)], [], 100),
    "the last one may have been acked": (None, [FIRST, SECOND, Ack(2, 22, None, UNKNOWN)], [], 100),
    "an unknown receive was the second": (None, [FIRST, LOST], ["m"], 100),
    "twice": ("twice", [FIRST, SECOND], ["m", "m"], 100),
    "a third delivery": ("overdue", [FIRST, SECOND, receive(3, 40)], [], 45),
    "too soon": ("soon", [FIRST], ["m"], 100),
    "without a delivery": ("soon", [], ["m"], 100),
    "while it is held": ("soon", [FIRST, SECOND], ["m"], 25),
    "although it was acked": ("soon", [FIRST, SECOND, Ack(2, 22, 23)], ["m"], 100),
    "not at all": ("alive", [FIRST, SECOND], [], 100),
    "not after a release": ("alive", [FIRST, SECOND, Release(2, 22, 23)], [], 25),
    "not after a refused ack": ("alive", [FIRST, SECOND, Ack(2, 40, 41, FAILED)], [], 100),
}


@pytest.mark.parametrize("name", DEATHS)
def test_dead_letters(name: str) -> None:
    rule, events, dead, now = DEATHS[name]
    violation = check_dead_letters(events, dead, max_attempts=2, now=now)
    assert (violation and violation.rule) == rule
    assert violation is None or explain(violation).startswith(f"{rule}: message 'm' ")


def test_slack_and_tolerance_of_dead_letters() -> None:
    _, events, dead, _ = DEATHS["not at all"]
    for margin in ("slack_s", "tolerance_s"):
        assert check_dead_letters(events, dead, max_attempts=2, now=36, **{margin: 4}) is not None
        assert check_dead_letters(events, dead, max_attempts=2, now=36, **{margin: 5}) is None
    assert check_dead_letters(events, ["m"], max_attempts=2, now=25, tolerance_s=4) is not None
    assert check_dead_letters(events, ["m"], max_attempts=2, now=25, tolerance_s=5) is None
