"""The zones of a register against a simulator, the search over all orders, and hand-made histories."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from volume import CHANGED, CORRECT, generators

from prism_testkit.checkers.linearizability import KeyValueModel, check_history, worst
from prism_testkit.checkers.violations import explain
from prism_testkit.checkers.zones import Read, Write, check_register, register_operations
from prism_testkit.histories import Operation, Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Step = Write | Read


def simulate(rng: random.Random, clients: int, count: int, unknown: float) -> list[Step]:
    """Let each call take effect at a random instant while it is open; one of unknown outcome then, later, or never."""
    value: object = None
    history: list[Step] = []
    pending: dict[int, Step] = {}
    done: dict[int, Step] = {}
    late: list[object] = []
    event = started = 0
    while started < count or pending:
        event += rng.randrange(2)
        client = rng.randrange(clients)
        if late and rng.random() < 0.1:
            value = late.pop(rng.randrange(len(late)))
        elif client not in pending:
            if started < count:
                started += 1
                write = rng.random() < 0.4
                pending[client] = Write(b"%d" % started, event, None) if write else Read(None, event, None)
        elif client in done:
            del pending[client]
            history.append(replace(done.pop(client), ret=event))
        elif rng.random() < unknown:
            step = pending.pop(client)
            history.append(replace(step, outcome=UNKNOWN, ret=rng.choice([None, event])))
            late += [step.value] if isinstance(step, Write) and rng.random() < 0.7 else []
        elif isinstance(pending[client], Write):
            done[client] = pending[client]
            value = pending[client].value
        else:
            done[client] = replace(pending[client], value=value)
    rng.shuffle(history)
    return history


def is_linearizable(history: Sequence[Step]) -> bool:
    """Search all orders. Halves are instants between events, so that equal ones overlap."""
    operations = []
    for step in history:
        call = int(step.call) * 2
        ret = None if step.ret is None or step.outcome is UNKNOWN else int(step.ret) * 2 + 1
        name, arguments, output = ("set", (step.value,), None) if isinstance(step, Write) else ("get", (), step.value)
        operations.append(Operation(0, name, "k", arguments, call, ret, step.outcome, output))
    if not operations:
        return True
    verdict = worst(check_history(operations, KeyValueModel, step_budget=200_000))
    assert verdict.kind != "undecided"
    return verdict.kind == "linearizable"


def mutate(rng: random.Random, history: list[Step]) -> list[Step]:
    """Change one thing: the value of a read, the times of a call, an outcome; or leave out a call."""
    history = history[:]
    index = rng.randrange(len(history))
    step = history[index]
    kind = rng.choice(["value", "value", "move", "outcome", "drop"])
    if kind == "value" and isinstance(step, Read):
        history[index] = replace(step, value=rng.choice([*[other.value for other in history], None]))
    elif kind == "move" and step.ret is not None:
        by = rng.randint(-6, 6)
        history[index] = replace(step, call=step.call + by, ret=step.ret + by)
    elif kind == "outcome" and step.outcome is OK:
        history[index] = replace(step, outcome=rng.choice([FAILED, UNKNOWN]))
    elif kind == "drop":
        del history[index]
    return history


def test_no_correct_history_is_refused() -> None:
    for rng in generators("zones", CORRECT):
        history = simulate(rng, rng.randint(1, 8), rng.randint(1, 40), rng.choice([0, 0.2]))
        violation = check_register(history)
        assert violation is None, (explain(violation), history)


def test_changed_histories_are_judged_as_by_the_search() -> None:
    rules = dict.fromkeys(("fresh", "forward", "backward"), 0)
    right = 0
    for rng in generators("zones, changed", CHANGED):
        history = mutate(rng, simulate(rng, rng.randint(2, 5), rng.randint(2, 12), rng.choice([0, 0.1])))
        violation = check_register(history)
        assert is_linearizable(history) is (violation is None), (violation, history)
        if violation is None:
            right += 1
        else:
            rules[violation.rule] += 1
            assert check_register([o for o in history if o in violation.operations]) is not None, "they do not show it"
    assert min(right, *rules.values()) > CHANGED / 100, (right, rules)


# Cases


def write(value: bytes, call: float, ret: float | None, outcome: Outcome = OK) -> Write:
    return Write(value, call, ret, outcome)


def read(value: bytes | None, call: float, ret: float | None, outcome: Outcome = OK) -> Read:
    return Read(value, call, ret, outcome)


A = write(b"a", 0, 1)

VIOLATIONS: dict[str, tuple[str, list[Step]]] = {
    "from nowhere": ("fresh", [A, read(b"x", 2, 3)]),
    "the value of a refused write": ("fresh", [write(b"a", 0, 1, FAILED), read(b"a", 2, 3)]),
    "read before it was written": ("fresh", [read(b"a", 0, 1), write(b"a", 2, 3)]),
    "stale": ("backward", [A, write(b"b", 2, 3), read(b"a", 4, 5)]),
    "the first value is back": ("backward", [A, read(None, 2, 3)]),
    "two writes at once, seen in both orders": (
        "forward",
        [write(b"a", 0, 3), write(b"b", 0, 3), read(b"a", 4, 5), read(b"b", 6, 7), read(b"a", 8, 9)],
    ),
    "new-old inversion": ("backward", [A, write(b"b", 2, 9), read(b"b", 3, 4), read(b"a", 5, 6)]),
    "an unknown write seen, then vanished": ("backward", [A, write(b"b", 2, None, UNKNOWN), read(b"b", 3, 4), read(b"a", 5, 6)]),
}

RIGHT: dict[str, list[Step]] = {
    "nothing": [],
    "the first value": [read(None, 0, 1), write(b"a", 2, 3), read(b"a", 4, 5)],
    "a read during a write may see either": [A, write(b"b", 2, 9), read(b"a", 3, 4), read(b"b", 5, 6)],
    "an unknown write never happened": [A, write(b"b", 2, None, UNKNOWN), read(b"a", 3, 4)],
    "an unknown write happened late": [write(b"b", 0, 1, UNKNOWN), write(b"a", 2, 3), read(b"a", 4, 5), read(b"b", 6, 7)],
    "a refused write": [A, write(b"b", 2, 3, FAILED), read(b"a", 4, 5)],
    "reads that nobody knows of": [A, read(b"x", 2, None, UNKNOWN), read(b"x", 2, 3, FAILED)],
    "events at the same instant overlap": [A, write(b"b", 1, 2), read(b"a", 2, 3), read(b"b", 3, 4)],
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    rule, history = VIOLATIONS[name]
    violation = check_register(history)
    assert violation is not None
    assert violation.rule == rule
    assert not is_linearizable(history)


@pytest.mark.parametrize("name", RIGHT)
def test_correct_history(name: str) -> None:
    assert check_register(RIGHT[name]) is None
    assert is_linearizable(RIGHT[name])


def test_another_first_value() -> None:
    assert check_register([read(b"i", 0, 1)], initial=b"i") is None
    assert check_register([read(None, 0, 1)], initial=b"i") is not None


def test_a_value_written_twice_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="b'a' was written twice"):
        check_register([A, write(b"a", 2, 3)])
    with pytest.raises(ValueError, match="there at first"):
        check_register([A], initial=b"a")


def test_the_explanation_tells_what_shows_it() -> None:
    violation = check_register(VIOLATIONS["stale"][1])
    assert violation is not None
    assert explain(violation).splitlines() == [
        "backward: b'a' was there before b'b' was written, and again after b'b' had been written or read:",
        "  Write(value=b'a', call=0, ret=1, outcome=Outcome.OK)",
        "  Read(value=b'a', call=4, ret=5, outcome=Outcome.OK)",
        "  Write(value=b'b', call=2, ret=3, outcome=Outcome.OK)",
    ]


def test_a_recorded_history_is_read() -> None:
    history = register_operations(
        [
            Operation(1, "set", "k", (bytearray(b"x"),), 0, 1),
            Operation(1, "set", "l", (b"y",), 2, None, UNKNOWN),
            Operation(2, "get", "k", (), 3, 4, OK, b"x"),
            Operation(2, "get", "m", (), 5, 6, OK, None),
            Operation(2, "exists", "k", (), 7, 8, OK, True),
        ]
    )
    assert history == {
        "k": [Write(b"x", 0, 1), Read(b"x", 3, 4)],
        "l": [Write(b"y", 2, None, UNKNOWN)],
        "m": [Read(None, 5, 6)],
    }
