"""The rules of a log against a simulator, the search over all orders, and hand-made histories."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from volume import CHANGED, CORRECT, generators

from prism_testkit.checkers.linearizability import check_history, worst
from prism_testkit.checkers.logs import Append, Read, Trim, check_log
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Operation, Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Event = Append | Read | Trim
Records = tuple[tuple[int, object], ...]


def simulate(rng: random.Random, clients: int, count: int, unknown: float, trims: bool = True) -> list[Event]:
    """Let each call take effect at a random instant while it is open, a read in two steps; offsets have gaps."""
    log: list[tuple[int, object]] = []
    history: list[Event] = []
    pending: dict[int, Event] = {}
    done: dict[int, Event] = {}
    event = started = top = 0
    while started < count or pending:
        event += rng.randrange(2)
        client = rng.randrange(clients)
        if client not in pending:
            if started < count:
                started += 1
                pending[client] = _draw(rng, started, event, top, trims)
        elif client in done:
            del pending[client]
            history.append(replace(done.pop(client), ret=event))
        elif not isinstance(pending[client], Read) and rng.random() < unknown:
            step = pending.pop(client)
            history.append(replace(step, outcome=UNKNOWN))
            if isinstance(step, Append) and rng.random() < 0.5:
                top += rng.randint(1, 3)
                log.append((top, step.value))
        else:
            step = pending[client]
            if isinstance(step, Append):
                top += rng.randint(1, 3)
                log.append((top, step.value))
                done[client] = replace(step, offset=top)
            elif isinstance(step, Trim):
                lowest = min(step.before, top + 1)
                log = [record for record in log if record[0] >= lowest]
                done[client] = replace(step, lowest=lowest)
            elif not step.records and rng.random() < 0.5:  # a first page; the rest comes at another instant
                pending[client] = replace(step, records=_page(log, step, rng.randint(1, 3)))
            else:
                done[client] = replace(step, records=step.records + _page(log, step, 10**6))
    rng.shuffle(history)
    return history


def _draw(rng: random.Random, value: int, event: int, top: int, trims: bool) -> Event:
    kind = rng.choice([Append, Append, Read, Read, Trim if trims else Read])
    if kind is Append:
        return Append(value, None, event, None)
    if kind is Trim:
        return Trim(rng.randint(0, top + 3), event, None)
    return Read((), event, event, rng.choice([0, 0, rng.randint(0, top + 1)]), rng.choice([None, None, 2, 4]))


def _page(log: Sequence[tuple[int, object]], read: Read, most: int) -> Records:
    begin = read.records[-1][0] + 1 if read.records else read.start
    room = most if read.limit is None else min(most, read.limit - len(read.records))
    return tuple(record for record in log if record[0] >= begin)[:room]


class LogModel:
    """The sequential log, for the search; an append of unknown outcome goes where it was seen."""

    initial: Records = ()

    def only_reads(self, operation: Operation) -> bool:
        return operation.op == "read"

    def step(self, state: Records, operation: Operation) -> tuple[Records, ...]:
        if operation.op == "append":
            value, offset = operation.arguments
            grows = not state or offset > state[-1][0]
            return ((*state, (offset, value)),) if grows else ()
        start, limit = operation.arguments
        there = tuple(record for record in state if record[0] >= start)[:limit]
        return (state,) if there == operation.output else ()


def is_linearizable(history: Sequence[Event]) -> bool:
    """Search all orders of a history without trims. Halves are instants between events, so that equal ones overlap."""
    seen = {value: offset for event in history if isinstance(event, Read) for offset, value in event.records}
    operations = []
    for event in history:
        assert not isinstance(event, Trim)
        call, ret = int(event.call) * 2, None if event.ret is None else int(event.ret) * 2 + 1
        if isinstance(event, Read):
            operations.append(Operation(0, "read", "s", (event.start, event.limit), call, ret, OK, event.records))
        elif event.outcome is OK:
            operations.append(Operation(0, "append", "s", (event.value, event.offset), call, ret))
        elif event.outcome is UNKNOWN and event.value in seen:
            operations.append(Operation(0, "append", "s", (event.value, seen[event.value]), call, None, UNKNOWN))
    if not operations:
        return True
    verdict = worst(check_history(operations, LogModel, step_budget=200_000))
    assert verdict.kind != "undecided"
    return verdict.kind == "linearizable"


def mutate(rng: random.Random, history: list[Event]) -> list[Event]:
    """Change one thing: a record left out, changed, moved or added; a call moved in time; an append refused."""
    history = history[:]
    index = rng.randrange(len(history))
    event = history[index]
    kind = rng.choice(["move", "inside", "inside", "inside"])
    if kind == "move" and event.ret is not None:
        by = rng.randint(-6, 6)
        history[index] = replace(event, call=event.call + by, ret=event.ret + by)
    elif isinstance(event, Append) and event.outcome is OK:
        assert event.offset is not None
        history[index] = rng.choice([replace(event, offset=event.offset + rng.choice([-1, 1])), replace(event, outcome=FAILED)])
    elif isinstance(event, Read) and event.records:
        records = list(event.records)
        place = rng.randrange(len(records))
        offset, value = records[place]
        match rng.choice(["drop", "cut", "swap", "offset", "value"]):
            case "drop":
                del records[place]
            case "cut":
                del records[place:]
            case "swap":
                records[place], records[-1] = records[-1], records[place]
            case "offset":
                records[place] = (offset + rng.choice([-1, 1]), value)
            case "value":
                records[place] = (offset, rng.randint(1, 9))
        history[index] = replace(event, records=tuple(records))
    return history


def test_no_correct_history_is_refused() -> None:
    for rng in generators("logs", CORRECT):
        history = simulate(rng, rng.randint(1, 6), rng.randint(1, 40), rng.choice([0, 0.2]))
        violation = check_log(history)
        assert violation is None, (explain(violation), history)


def test_changed_histories_are_judged_as_by_the_search() -> None:
    rules = dict.fromkeys(("unexpected", "aborted", "inconsistent", "duplicate", "order", "lost", "hole", "range"), 0)
    missed = right = 0
    for rng in generators("logs, changed", CHANGED):
        history = mutate(rng, simulate(rng, rng.randint(1, 4), rng.randint(3, 12), rng.choice([0, 0.2]), trims=False))
        violation = check_log(history)
        if violation is not None:
            rules[violation.rule] += 1
            assert not is_linearizable(history), (explain(violation), history)
        elif is_linearizable(history):
            right += 1
        else:
            missed += 1
    assert min(right, *rules.values()) > CHANGED / 1000, rules
    assert missed == 0


# Cases


A, B, C = Append("a", 1, 0, 1), Append("b", 3, 2, 3), Append("c", 4, 4, 5)


def read(text: str, call: float, ret: float | None = None, start: int = 0, limit: int | None = None) -> Read:
    """``read("1a 3b", 6)``: offsets and values."""
    records = tuple((int(word[:-1]), word[-1]) for word in text.split())
    return Read(records, call, call + 1 if ret is None else ret, start, limit)


VIOLATIONS: dict[str, tuple[str, list[Event]]] = {
    "from nowhere": ("unexpected", [A, read("1a 2x", 6)]),
    "read before it was appended": ("unexpected", [A, read("1a", -2)]),
    "the value of a refused append": ("aborted", [A, Append("f", None, 0, 1, FAILED), read("1a 2f", 6)]),
    "two readers see two values at an offset": (
        "inconsistent",
        [Append("x", None, 0, None, UNKNOWN), Append("y", None, 0, None, UNKNOWN), read("1x", 6), read("1y", 8)],
    ),
    "two appends told of one offset": ("inconsistent", [A, Append("b", 1, 2, 3)]),
    "not at the offset that was told": ("duplicate", [A, read("2a", 6)]),
    "twice in one read": ("duplicate", [A, read("1a 2a", 6)]),
    "offsets against the order of appends": ("order", [A, Append("b", 0, 2, 3)]),
    "appended below one that was read": (
        "order",
        [Append("x", None, 0, None, UNKNOWN), read("5x", 1), Append("b", 4, 3, 4)],
    ),
    "a read goes back": ("order", [A, B, read("3b 1a", 6)]),
    "a read begins before its start": ("range", [A, B, read("1a 3b", 6, start=2)]),
    "a read goes beyond its limit": ("range", [A, B, read("1a 3b", 6, limit=1)]),
    "the last one not read": ("lost", [A, B, read("1a", 6)]),
    "nothing read": ("lost", [A, read("", 6)]),
    "one in the middle not read": ("lost", [A, B, C, read("1a 4c", 6)]),
    "the first not read": ("lost", [A, B, read("3b", 6)]),
    "read once, then gone": ("lost", [Append("x", None, 0, None, UNKNOWN), read("2x", 2), read("", 6)]),
    "appeared below what was read": ("hole", [Append("x", 1, 0, 9), B, read("3b", 6), read("1x 3b", 10)]),
    "known only at the instant of the call": ("hole", [Append("x", 1, 0, 6), B, read("3b", 6)]),
    "lost within its limit": ("lost", [A, B, C, read("1a 4c", 6, limit=2)]),
    "lost above a trim": ("lost", [A, B, C, Trim(2, 6, 7, 2), read("4c", 8)]),
    "lost, and trimmed only later": ("lost", [A, B, read("3b", 6), Trim(2, 8, 9, 2)]),
    "read after it was trimmed": ("trimmed", [A, B, Trim(2, 6, 7, 2), read("1a 3b", 8)]),
    "appended after a trim beyond the end, and lost": ("lost", [A, Trim(99, 2, 3, 2), Append("b", 3, 4, 5), read("", 6)]),
    "a refused trim": ("lost", [A, B, Trim(2, 4, 5, None, FAILED), read("3b", 6)]),
}

RIGHT: dict[str, list[Event]] = {
    "nothing": [read("", 0)],
    "offsets with gaps": [A, B, C, read("1a 3b 4c", 6), read("3b 4c", 6, start=2), read("4c", 6, start=4)],
    "limits": [A, B, C, read("1a 3b", 6, limit=2), read("", 6, limit=0), read("3b", 6, start=2, limit=1)],
    "appended during the read": [A, B, read("1a", 2, 9), read("1a 3b", 2, 9)],
    "concurrent appends in either order": [Append("x", 2, 0, 5), Append("y", 1, 1, 4), read("1y 2x", 6)],
    "an unknown append was read": [A, Append("x", None, 0, None, UNKNOWN), read("1a", 2), read("1a 2x", 6)],
    "an unknown append was never read": [A, Append("x", None, 0, None, UNKNOWN), read("1a", 2)],
    "what an unknown append told means nothing": [A, Append("x", 1, 0, 1, UNKNOWN), read("1a 5x", 6)],
    "trimmed": [A, B, Trim(2, 6, 7, 2), read("3b", 8), read("", 8, limit=0)],
    "during a trim": [A, B, Trim(2, 6, 9, 2), read("3b", 7), read("1a 3b", 7)],
    "a trim that may have been": [A, B, Trim(2, 6, None, None, UNKNOWN), read("3b", 8), read("1a 3b", 8)],
    "a trim of which an error was told": [A, B, Trim(2, 6, 7, None, UNKNOWN), read("1a 3b", 8), read("3b", 10)],
    "all trimmed": [A, B, Trim(99, 6, 7, 4), read("", 8)],
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    rule, history = VIOLATIONS[name]
    violation = check_log(history)
    assert violation is not None
    assert violation.rule == rule
    assert any(isinstance(event, Trim) for event in history) or not is_linearizable(history)
    again = check_log([event for event in history if isinstance(event, Append) or event in violation.operations])
    assert again is not None
    assert again.rule == rule


@pytest.mark.parametrize("name", RIGHT)
def test_correct_history(name: str) -> None:
    assert check_log(RIGHT[name]) is None
    assert any(isinstance(event, Trim) for event in RIGHT[name]) or is_linearizable(RIGHT[name])


def test_a_value_appended_twice_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="'a' was appended twice"):
        check_log([A, A, Append("a", 2, 2, 3)])


def test_the_explanation_tells_who_knew_of_it() -> None:
    violation = check_log(VIOLATIONS["read once, then gone"][1])
    assert violation is not None
    assert explain(violation).splitlines() == [
        "lost: 'x' was at offset 2 before a read from 0 was called, which did not give it:",
        "  Append(value='x', offset=None, call=0, ret=None, outcome=Outcome.UNKNOWN)",
        "  Read(records=((2, 'x'),), call=2, ret=3, start=0, limit=None)",
        "  Read(records=(), call=6, ret=7, start=0, limit=None)",
    ]
