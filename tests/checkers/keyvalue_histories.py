"""Random histories of a key, correct ones and arbitrary ones, and a judge that tries every order."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from prism_testkit.histories import Operation, Outcome

__all__ = ["apply", "arbitrary", "brute_force", "simulate"]

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def apply(value: bytes | None, name: str, arguments: tuple[Any, ...]) -> tuple[bytes | None, object]:
    """Do one operation on a real value: what the simulator and the brute-force checker believe in. Not the checker's model."""
    if name == "get":
        return value, value
    if name == "exists":
        return value, value is not None
    if name == "set":
        return arguments[0], None
    if name == "delete":
        return None, value is not None
    if value is None and name == "compare_and_delete":
        return None, False
    if value == arguments[0]:
        return (arguments[1] if name == "compare_and_swap" else None), True
    return value, False


NAMES = ("get", "get", "set", "set", "exists", "delete", "compare_and_swap", "compare_and_swap", "compare_and_delete")


def draw_call(rng: random.Random, value: bytes | None, fresh: bytes) -> tuple[str, tuple[Any, ...]]:
    name = rng.choice(NAMES)
    expected = value if rng.random() < 0.7 else fresh
    match name:
        case "set":
            return name, (fresh,)
        case "compare_and_swap":
            return name, (expected, fresh)
        case "compare_and_delete":
            return name, (expected or fresh,)
    return name, ()


def simulate(rng: random.Random, clients: int, count: int, unknown: float, values: int) -> list[Operation]:
    """Make a linearizable history: each call takes effect at a random instant while it is open; an unknown one later, or never."""
    value: bytes | None = None
    history: list[Operation] = []
    pending: dict[int, Operation] = {}
    done: dict[int, object] = {}
    late: list[Operation] = []
    event = started = 0
    while started < count or pending:
        event += 1
        client = rng.randrange(clients)
        if late and rng.random() < 0.1:
            lost = late.pop(rng.randrange(len(late)))
            value, _ = apply(value, lost.op, lost.arguments)
        elif client not in pending:
            if started < count:
                started += 1
                name, arguments = draw_call(rng, value, b"%d" % rng.randrange(values))
                pending[client] = Operation(client, name, "k", arguments, event, None, UNKNOWN)
        elif client in done:
            history.append(replace(pending.pop(client), ret=event, outcome=OK, output=done.pop(client)))
        elif rng.random() < unknown:
            lost = pending.pop(client)
            history.append(lost)
            if rng.random() < 0.5:
                late.append(lost)
        else:
            value, done[client] = apply(value, pending[client].op, pending[client].arguments)
    return history


def brute_force(operations: Iterable[Operation], value: bytes | None = None) -> bool:
    """Try every order that keeps real time, with every subset of the unknown ones. Exponential, and plainly right."""
    remaining = [operation for operation in operations if operation.outcome is not FAILED]
    if all(operation.outcome is UNKNOWN for operation in remaining):
        return True
    for first in remaining:
        if any(other.ret is not None and other.ret < first.call for other in remaining if other.outcome is OK):
            continue
        after, output = apply(value, first.op, first.arguments)
        if first.outcome is OK and output != first.output:
            continue
        if brute_force([other for other in remaining if other is not first], after):
            return True
    return False


def arbitrary(rng: random.Random) -> list[Operation]:
    """Make a small history of any operations with any outputs, over two values."""
    count = rng.randint(1, 6)
    events = [index for index in range(count) for _ in range(2)]
    rng.shuffle(events)
    history = []
    for index in range(count):
        call, ret = (position for position, owner in enumerate(events) if owner == index)
        name, arguments = draw_call(rng, rng.choice([None, b"0", b"1"]), rng.choice([b"0", b"1"]))
        outcome = rng.choices([OK, UNKNOWN, FAILED], [7, 2, 1])[0]
        output = None if name == "set" else rng.choice([None, b"0", b"1"]) if name == "get" else rng.random() < 0.5
        history.append(Operation(index, name, "k", arguments, call, ret if outcome is not UNKNOWN else None, outcome, output))
    return history
