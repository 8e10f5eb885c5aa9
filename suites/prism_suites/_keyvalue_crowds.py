"""Long programs over many names: what a store does once it has grown, to keys that nobody has asked for in a while.

Programs of fifty calls over eight names never fill a table, a page, a log or a cache, and so no flush, merge, sweep or move comes
between two calls on one key. These are long enough for several of each, and are made from a seed, for to draw them would be dear.
"""

from collections.abc import Sequence
from random import Random

from prism_testkit.programs import Program, Step

__all__ = ["crowded"]

_NAMES = 64
_CLIENTS = (0, 0, 0, 0, 1, 1, 1, 2)
_VALUES = (b"1", b"", b"22", b"1", b"a longer value, of thirty bytes", b"\x00", b"4444")
_FILL = ("set", "set", "batch_set", "batch_set", "transaction", "compare_and_swap")
_LIMIT = ("set_with_ttl", "set_with_ttl", "set_with_ttl", "expire", "expire", "persist", "set")
_REMOVE = ("delete", "delete", "batch_delete", "compare_and_delete", "transaction")
_PHASES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (60, _FILL),
    (60, _LIMIT),
    (40, (*_LIMIT, *_FILL, *_REMOVE, "advance", "advance")),
    (60, _FILL),
    (40, _REMOVE),
    (80, (*_LIMIT, *_FILL, "advance")),
    (60, (*_LIMIT, *_FILL, *_REMOVE)),
)
"""How many calls, and of which kinds: a store is filled, ages, is filled over what has expired, is emptied, and so on."""
_LOOK_EVERY = 4


def crowded(operations: Sequence[str], seed: int) -> Program:
    """Return a program over ``operations``, most of which write; every few calls, any one of them."""
    random = Random(seed)
    names = tuple(f"{'kmoé'[number % 4]}{number}" for number in range(_NAMES))
    steps = []
    for length, kinds in _PHASES:
        for number in range(length):
            op = random.choice(operations if number % _LOOK_EVERY == 0 else kinds)
            steps.append(Step(op, random.choice(_CLIENTS), random.randrange(_NAMES), random.randrange(8), random.randrange(64)))
    return Program(names, _VALUES, tuple(steps))
