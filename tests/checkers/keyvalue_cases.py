"""The classic histories of a key, wrong and right."""

from prism_testkit.histories import Operation, Outcome

__all__ = ["CORRECT", "VIOLATIONS", "call"]

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def call(client: int, text: str, span: tuple[int, int | None], output: object = None, outcome: Outcome = OK) -> Operation:
    """``call(1, "set a", (0, 3))``: words after the first are arguments, ``-`` is None."""
    name, *words = text.split()
    arguments = tuple(None if word == "-" else word.encode() for word in words)
    ret = None if outcome is UNKNOWN else span[1]
    return Operation(client, name, "k", arguments, span[0], ret, outcome, output)


VIOLATIONS = {
    "stale read": [
        call(1, "set a", (0, 1)),
        call(1, "set b", (2, 3)),
        call(2, "get", (4, 5), b"a"),
    ],
    "lost update by two successful swaps": [
        call(1, "set a", (0, 1)),
        call(1, "compare_and_swap a b", (2, 5), True),
        call(2, "compare_and_swap a c", (3, 4), True),
    ],
    "two creators": [
        call(1, "compare_and_swap - a", (0, 3), True),
        call(2, "compare_and_swap - b", (1, 2), True),
    ],
    "a swap refused without reason": [
        call(1, "set a", (0, 1)),
        call(2, "compare_and_swap a b", (2, 3), False),
    ],
    "a delete told True twice": [
        call(1, "set a", (0, 1)),
        call(1, "delete", (2, 5), True),
        call(2, "delete", (3, 4), True),
    ],
    "new-old inversion": [
        call(1, "set a", (0, 1)),
        call(1, "set b", (2, 9)),
        call(2, "get", (3, 4), b"b"),
        call(3, "get", (5, 6), b"a"),
    ],
    "an unknown write seen, then vanished": [
        call(1, "set a", (0, 1)),
        call(1, "set b", (2, None), outcome=UNKNOWN),
        call(2, "get", (3, 4), b"b"),
        call(2, "get", (5, 6), b"a"),
    ],
    "an unknown write that took effect twice": [
        call(1, "set b", (0, None), outcome=UNKNOWN),
        call(2, "get", (1, 2), b"b"),
        call(2, "set a", (3, 4)),
        call(2, "get", (5, 6), b"b"),
    ],
    "a write seen before it was called": [
        call(2, "get", (0, 1), b"a"),
        call(1, "set a", (2, 3)),
    ],
    "the value of a refused write": [
        call(1, "set a", (0, 1), outcome=FAILED),
        call(2, "get", (2, 3), b"a"),
    ],
    "an empty value taken for absence": [
        Operation(1, "set", "k", (b"",), 0, 1),
        call(2, "get", (2, 3), None),
    ],
    "exists against get": [
        call(1, "set a", (0, 1)),
        call(2, "exists", (2, 3), False),
    ],
    "compare_and_delete of another value": [
        call(1, "set a", (0, 1)),
        call(2, "compare_and_delete b", (2, 3), True),
    ],
    "compare_and_delete of a missing key": [
        call(1, "compare_and_delete -", (0, 1), True),
    ],
    "deleted, yet read": [
        call(1, "set a", (0, 1)),
        call(1, "delete", (2, 3), True),
        call(2, "get", (4, 5), b"a"),
    ],
}

CORRECT = {
    "a read during a write may see either": [
        call(1, "set a", (0, 1)),
        call(1, "set b", (2, 9)),
        call(2, "get", (3, 4), b"a"),
        call(3, "get", (5, 6), b"b"),
    ],
    "an unknown write never happened": [
        call(1, "set a", (0, 1)),
        call(1, "set b", (2, None), outcome=UNKNOWN),
        call(2, "get", (3, 4), b"a"),
    ],
    "an unknown write happened much later": [
        call(1, "set b", (0, None), outcome=UNKNOWN),
        call(1, "set a", (1, 2)),
        call(2, "get", (3, 4), b"a"),
        call(2, "get", (5, 6), b"b"),
    ],
    "two unknown writes, the second on top of the first": [
        call(1, "compare_and_swap a b", (0, None), outcome=UNKNOWN),
        call(2, "compare_and_swap - a", (1, None), outcome=UNKNOWN),
        call(3, "get", (2, 3), b"b"),
    ],
    "an unknown delete explains a miss": [
        call(1, "set a", (0, 1)),
        call(1, "delete", (2, None), outcome=UNKNOWN),
        call(2, "get", (3, 4), None),
    ],
    "unknown reads say nothing": [
        call(1, "get", (0, None), outcome=UNKNOWN),
        call(1, "exists", (1, None), outcome=UNKNOWN),
        call(1, "get", (2, 3), None),
    ],
    "of two concurrent deletes one is told True": [
        call(1, "set a", (0, 1)),
        call(1, "delete", (2, 5), True),
        call(2, "delete", (3, 4), False),
    ],
    "events at the same instant overlap": [
        call(1, "set a", (0, 5)),
        call(2, "get", (5, 6), None),
    ],
}
