"""The four patterns of a FIFO queue against a simulator, the search over all orders and the cases of the paper."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import pytest
from volume import CHANGED, CORRECT, generators

from prism_testkit.checkers.fifo import Dequeue, Enqueue, check_fifo, queue_operations
from prism_testkit.checkers.linearizability import check_history, worst
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Operation, Outcome
from prism_testkit.interfaces import QueueMessage

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Step = Enqueue | Dequeue


def simulate(rng: random.Random, clients: int, count: int, unknown: float) -> list[Step]:
    """Let each call take effect at a random instant while it is open; one of unknown outcome then, later, or never."""
    queue: deque[int] = deque()
    history: list[Step] = []
    pending: dict[int, Step] = {}
    done: dict[int, Step] = {}
    late: list[Step] = []
    event = started = 0

    def take_effect(step: Step) -> Step:
        if isinstance(step, Enqueue):
            queue.append(step.value)  # type: ignore[arg-type]
            return step
        return replace(step, value=queue.popleft() if queue else None)

    while started < count or pending:
        event += rng.randrange(2)
        client = rng.randrange(clients)
        if late and rng.random() < 0.1:
            take_effect(late.pop(rng.randrange(len(late))))
        elif client not in pending:
            if started < count:
                started += 1
                put = rng.random() < 0.5
                pending[client] = Enqueue(started, event, None, UNKNOWN) if put else Dequeue(None, event, None, UNKNOWN)
        elif client in done:
            del pending[client]
            history.append(replace(done.pop(client), ret=event, outcome=OK))
        elif rng.random() < unknown:
            history.append(pending.pop(client))
            late += [history[-1]] if rng.random() < 0.7 else []
        else:
            done[client] = take_effect(pending[client])
    rng.shuffle(history)
    return history


class QueueModel:
    """The sequential queue, for the search."""

    initial: tuple[object, ...] = ()

    def only_reads(self, operation: Operation) -> bool:
        return operation.op == "dequeue" and operation.outcome is OK and operation.output is None

    def step(self, state: tuple[object, ...], operation: Operation) -> tuple[tuple[object, ...], ...]:
        if operation.op == "enqueue":
            return ((*state, operation.arguments[0]),)
        if operation.outcome is OK and operation.output != (state[0] if state else None):
            return ()
        return (state[1:],)


def is_linearizable(history: Sequence[Step]) -> bool:
    """Search all orders. The search wants calls before returns: halves are instants between events, so that equal ones overlap."""
    operations = []
    for step in history:
        call = int(step.call) * 2
        ret = None if step.ret is None or step.outcome is UNKNOWN else int(step.ret) * 2 + 1
        if isinstance(step, Enqueue):
            operations.append(Operation(0, "enqueue", "q", (step.value,), call, ret, step.outcome))
        else:
            operations.append(Operation(0, "dequeue", "q", (), call, ret, step.outcome, step.value))
    if not operations:
        return True
    verdict = worst(check_history(operations, QueueModel, step_budget=200_000))
    assert verdict.kind != "undecided"
    return verdict.kind == "linearizable"


def mutate(rng: random.Random, history: list[Step]) -> list[Step]:
    """Change one thing: two answers swapped, an answer lost, replaced or doubled, an operation moved or left out."""
    history = history[:]
    takes = [index for index, step in enumerate(history) if isinstance(step, Dequeue) and step.outcome is OK]
    any_of = rng.randrange(len(history))
    kind = rng.choice(["swap", "empty", "other", "move", "drop", "refuse"])
    if kind in ("swap", "empty", "other") and takes:
        one, two = rng.choice(takes), rng.choice(takes)
        if kind == "swap":
            history[one], history[two] = (
                replace(history[one], value=history[two].value),  # type: ignore[union-attr]
                replace(history[two], value=history[one].value),  # type: ignore[union-attr]
            )
        else:
            history[one] = replace(history[one], value=None if kind == "empty" else rng.randint(1, 9))
    elif kind == "move" and (ret := history[any_of].ret) is not None:
        by = rng.randint(-6, 6)
        history[any_of] = replace(history[any_of], call=history[any_of].call + by, ret=ret + by)
    elif kind == "drop":
        del history[any_of]
    elif kind == "refuse":
        history[any_of] = replace(history[any_of], outcome=FAILED)
    return history


def test_no_correct_history_is_refused() -> None:
    for rng in generators("fifo", CORRECT):
        history = simulate(rng, clients=rng.randint(1, 8), count=rng.randint(1, 40), unknown=rng.choice([0, 0, 0.1, 0.4]))
        violation = check_fifo(history)
        assert violation is None, (explain(violation), history)


def test_changed_histories_are_judged_as_by_the_search() -> None:
    rules = dict.fromkeys(("fresh", "repeated", "order", "witness"), 0)
    right = 0
    for rng in generators("fifo, changed", CHANGED):
        history = mutate(rng, simulate(rng, clients=rng.randint(2, 4), count=rng.randint(2, 10), unknown=0))
        violation = check_fifo(history)
        assert is_linearizable(history) is (violation is None), (violation, history)
        if violation is None:
            right += 1
        else:
            rules[violation.rule] += 1
            assert check_fifo([o for o in history if o in violation.operations]) is not None, "the operations do not show it"
    assert min(right, *rules.values()) > CHANGED / 100, (right, rules)


def test_unknown_outcomes_cause_no_false_alarm_and_hide_little() -> None:
    found = missed = 0
    for rng in generators("fifo, unknown", CHANGED):
        history = mutate(rng, simulate(rng, clients=3, count=rng.randint(2, 9), unknown=0.2))
        violation = check_fifo(history)
        if is_linearizable(history):
            assert violation is None, (explain(violation), history)
        else:
            found += violation is not None
            missed += violation is None
    assert found > 20 * missed


# Cases


def put(value: str, call: float, ret: float | None, outcome: Outcome = OK) -> Enqueue:
    return Enqueue(value, call, ret, outcome)


def take(value: str | None, call: float, ret: float | None, outcome: Outcome = OK) -> Dequeue:
    return Dequeue(value, call, ret, outcome)


A, B = put("a", 0, 1), put("b", 2, 3)

VIOLATIONS: dict[str, tuple[str, list[Step]]] = {
    "a value from nowhere": ("fresh", [A, take("x", 2, 3)]),
    "dequeued before it was enqueued": ("fresh", [take("a", 0, 1), put("a", 2, 3)]),
    "the value of a refused enqueue": ("fresh", [put("a", 0, 1, FAILED), take("a", 2, 3)]),
    "dequeued twice": ("repeated", [A, take("a", 2, 3), take("a", 2, 3)]),
    "the second comes first": ("order", [A, B, take("b", 4, 5), take("a", 6, 7)]),
    "the first never comes": ("order", [A, B, take("b", 4, 5)]),
    "overtaken by one that was called while others were open": (
        "order",
        [put("a", 0, 2), put("c", 1, 9), put("b", 3, 4), take("c", 5, 6), take("b", 5, 6), take("a", 7, 8)],
    ),
    "empty though it was acknowledged": ("witness", [A, take(None, 2, 3)]),
    "empty between two values that follow each other": (
        "witness",
        [A, put("b", 2, 4), take(None, 3, 8), take("a", 6, 9), take("b", 10, 11)],
    ),
    "overtaken by the second of two that were called together": (
        "order",
        [A, put("b", 2, 5), put("c", 3, 5), take("c", 6, 7), take("a", 8, 9), take("b", 10, 11)],
    ),
    "one unknown dequeue for two missing values": (
        "order",
        [A, B, put("c", 4, 5), take(None, 4, None, UNKNOWN), take("c", 6, 7)],
    ),
    "an unknown dequeue that was called too late": ("order", [A, B, take("b", 4, 5), take(None, 6, None, UNKNOWN)]),
    "empty though one unknown dequeue cannot take both": (
        "witness",
        [A, B, take(None, 4, None, UNKNOWN), take(None, 5, 6)],
    ),
    "empty before the unknown dequeue was called": ("witness", [A, take(None, 2, 3), take(None, 4, None, UNKNOWN)]),
    "an unknown enqueue was seen before": (
        "witness",
        [put("a", 0, 1), put("b", 0, None, UNKNOWN), take("b", 2, 3), take(None, 4, 5)],
    ),
}

RIGHT: dict[str, list[Step]] = {
    "nothing": [],
    "concurrent enqueues in either order": [put("a", 0, 3), put("b", 1, 2), take("b", 4, 5), take("a", 6, 7)],
    "concurrent dequeues in either order": [A, B, take("b", 4, 6), take("a", 5, 7)],
    "still in it": [A, B, take("a", 4, 5)],
    "empty during an enqueue": [put("a", 0, 5), take(None, 1, 2), take("a", 6, 7)],
    "empty between two values": [A, take("a", 2, 5), put("b", 3, 6), take(None, 4, 7), take("b", 8, 9)],
    "an unknown enqueue, of which an error was told, never happened": [
        put("a", 0, 1, UNKNOWN),
        B,
        take("b", 4, 5),
        take(None, 6, 7),
    ],
    "an unknown enqueue happened late": [put("a", 0, None, UNKNOWN), B, take("b", 4, 5), take(None, 6, 7), take("a", 8, 9)],
    "an unknown dequeue took the first": [A, B, take(None, 2, None, UNKNOWN), take("b", 4, 5)],
    "an unknown dequeue took nothing": [A, take(None, 2, None, UNKNOWN), take("a", 4, 5)],
    "an unknown dequeue emptied it": [A, take(None, 2, None, UNKNOWN), take(None, 4, 5)],
    "a refused dequeue": [A, take(None, 2, 3, FAILED), take("a", 4, 5)],
    "events at the same instant overlap": [put("a", 0, 1), take(None, 1, 2), put("b", 1, 2), take("b", 3, 4), take("a", 4, 5)],
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    rule, history = VIOLATIONS[name]
    violation = check_fifo(history)
    assert violation is not None
    assert violation.rule == rule
    assert not is_linearizable(history)
    assert check_fifo(reversed(history)) is not None


@pytest.mark.parametrize("name", RIGHT)
def test_correct_history(name: str) -> None:
    assert check_fifo(RIGHT[name]) is None
    assert is_linearizable(RIGHT[name])


def test_all_that_may_be_inside_is_told() -> None:
    history = VIOLATIONS["empty though one unknown dequeue cannot take both"][1]
    violation = check_fifo(history)
    assert violation is not None
    assert violation.operations == (history[3], A, B)


def test_a_value_enqueued_twice_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="'a' was enqueued twice"):
        check_fifo([A, A, put("a", 4, 5)])
    with pytest.raises(ValueError, match="None was enqueued"):
        check_fifo([Enqueue(None, 0, 1)])


def test_the_explanation_tells_what_is_wrong_and_what_shows_it() -> None:
    violation = check_fifo(VIOLATIONS["the second comes first"][1])
    assert violation is not None
    assert explain(violation).splitlines() == [
        "order: 'a' was enqueued before 'b', which was dequeued; 'a' was dequeued only later:",
        "  Enqueue(value='a', call=0, ret=1, outcome=Outcome.OK)",
        "  Enqueue(value='b', call=2, ret=3, outcome=Outcome.OK)",
        "  Dequeue(value='b', call=4, ret=5, outcome=Outcome.OK)",
        "  Dequeue(value='a', call=6, ret=7, outcome=Outcome.OK)",
    ]


def test_an_explanation_has_an_end() -> None:
    history: list[Step] = [put(f"{n}", n, n + 1.5) for n in range(100)]
    history += [take(f"{n}", n + 3, n + 4) for n in range(100)]
    violation = check_fifo([*history, take(None, 5, 90)])
    assert violation is not None
    lines = explain(violation).splitlines()
    assert len(lines) == 22
    assert lines[-1].startswith("  ... ")


def test_a_recorded_history_is_read() -> None:
    told = QueueMessage("7", b"x")
    history = queue_operations(
        [
            Operation(1, "enqueue", "q", (bytearray(b"x"), None), 0, 1, OK, "7"),
            Operation(1, "enqueue", "other", (b"x", None), 2, None, UNKNOWN),
            Operation(2, "peek", "q", (), 3, 4, OK, told),
            Operation(2, "dequeue", "q", (0,), 5, 6, OK, told),
            Operation(2, "dequeue", "q", (0,), 7, None, UNKNOWN),
            Operation(2, "peek", "q", (), 8, 9, OK, None),
        ]
    )
    assert history == {
        "q": [
            Enqueue(b"x", 0, 1),
            Dequeue(b"x", 5, 6),
            Dequeue(None, 7, None, UNKNOWN),
            Dequeue(None, 8, 9),
        ],
        "other": [Enqueue(b"x", 2, None, UNKNOWN)],
    }
