"""What a process writes until it is killed: plans of steps, as plain data."""

from collections.abc import Callable, Iterable
from functools import cache
from hashlib import blake2b
from random import Random

from prism_suites._durable_ledger import keys_of
from prism_testkit.killing import Step
from prism_testkit.strategies import gauntlet_payloads, name_groups
from prism_testkit.traits import Limits

__all__ = ["AHEAD", "NEVER", "fitting", "keepsakes", "lives", "names_of", "quiet", "reads", "writes"]

AHEAD = 900
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
NEVER = "never written"
_LARGE = 60_000
_LARGE_STEPS = 12
"""From the second step behind the planned kill on they are large, so that it comes in the middle of one."""
_LIKE = 20
"""So many steps before it there is a large one, too, from which the writer learns how long they take; and then small ones, for
a store that keeps a few writes back until a large one comes."""
_ODD = 300
"""So long are odd values at most."""
_IN_FLIGHT = ("transaction", "batch_set", "set")
_MANY = 120
"""Keys of a large transaction or batch: what is not done at once takes its time."""
_FEW = 4
"""The first of them, always the same: long values replace long ones, which stores keep in places of their own."""


def fitting(value: bytes, limit: int) -> bytes:
    """Return the value, or where it is longer than ``limit`` as much as there is room for of what is its own."""
    return value if len(value) <= limit else (blake2b(value).digest() + value)[:limit]


def names_of(limits: Limits) -> list[str]:
    """Return 100 plain names, and one of every group of names that stores confuse."""
    return [f"key-{number}" for number in range(100)] + [group[-1] for group in name_groups(limits.max_name)][:60]


def writes(limits: Limits, methods: Iterable[str], acknowledged: int, seed: int) -> list[Step]:
    """Return steps of every kind in ``methods`` over one set of names, the large ones just behind ``acknowledged``."""
    random = Random(seed)
    names = names_of(limits)
    kinds = [kind for kind in methods for _ in range(4 if kind == "set" else 1)]
    values: dict[str, bytes] = {}
    steps: list[Step] = []
    for number in range(acknowledged + AHEAD):
        large = number == acknowledged - _LIKE or 2 <= number - acknowledged < _LARGE_STEPS
        kind = _IN_FLIGHT[seed % 3] if large else random.choice(kinds)
        if kind not in kinds:
            kind = "set"
        steps.append(_step(kind, number, seed, names, values, random, limits.max_payload, large))
    return steps


def keepsakes(limits: Limits) -> list[Step]:
    """Return writes of keys that no other step touches: odd values that are there whenever the kill comes."""
    return [("set", (f"keepsake-{number}", value[: limits.max_payload])) for number, value in enumerate(_odd_payloads()[::4])]


def quiet(limits: Limits, methods: Iterable[str], seed: int) -> list[Step]:
    """Return steps whose last ones are of one sort, with reads behind them that take nothing along to the disk: removals for an
    even ``seed``, for an odd one empty values, a swap the last of them."""
    names = [f"quiet-{number}" for number in range(6)]
    held = {name: fitting(b"%s of %d" % (name.encode(), seed), limits.max_payload) for name in names}
    steps: list[Step] = [("set", pair) for pair in held.items()]
    last: list[Step] = [("delete", (names[0],))]
    if seed % 2 == 0:
        last += [
            ("batch_delete", (names[1:3],)),
            ("compare_and_delete", (names[3], held[names[3]])),
            ("transaction", (("delete", (names[4],)),)),
        ]
    else:
        last = [
            ("compare_and_swap", (names[0], held[names[0]], b"")),
            ("batch_set", ({names[1]: b""},)),
            ("transaction", (("set", (names[2], b"")),)),
            ("set", (names[3], b"")),
        ]
    last = [step for step in last if step[0] in methods]
    turn = seed // 2 % len(last)
    return [*steps, *last[turn:], *last[:turn], *reads(names)]


def reads(names: list[str]) -> list[Step]:
    """Return reads to be killed in."""
    return [("get", (names[number % len(names)],)) for number in range(AHEAD)]


def _step(
    kind: str, number: int, seed: int, names: list[str], values: dict[str, bytes], random: Random, limit: int, large: bool
) -> Step:
    name = random.choice(names)
    value = fitting(_value(number, seed, _LARGE if large else 0), limit)
    if kind == "set":
        values[name] = value
        return "set", (name, value)
    if kind == "delete":
        values.pop(name, None)
        return "delete", (name,)
    if kind == "compare_and_swap":
        expected = values.get(name) if number % 5 else fitting(b"another value", limit)
        if expected == values.get(name):
            values[name] = value
        return "compare_and_swap", (name, expected, value)
    if kind == "compare_and_delete":
        return "compare_and_delete", (name, values.pop(name, fitting(b"nothing", limit)))
    long = names[:_FEW] if large else []
    some = [*long, *random.sample(names[len(long) :], _MANY - _FEW if large else 6)]
    short = _LARGE // _MANY if large else 0
    pieces = {other: fitting(_value(number, seed, _LARGE if other in long else short), limit) for other in some}
    if kind == "batch_delete":
        for other in some[:3]:
            values.pop(other, None)
        return "batch_delete", (some[:3],)
    if kind == "batch_set":
        values.update(pieces)
        return "batch_set", (pieces,)
    removed = [] if large else some[:2]
    values.update(pieces)
    for other in removed:
        values.pop(other, None)
    return "transaction", (
        *(("set", (other, piece)) for other, piece in pieces.items()),
        *(("delete", (other,)) for other in removed),
    )


def _value(number: int, seed: int, length: int) -> bytes:
    """Return a value of its own, with odd bytes in it or at its end; now and then the empty one; every ninth is longer
    than a record that a store keeps with the others."""
    token = b"%d.%d;" % (seed, number)
    if length:
        return (token * (length // len(token) + 1))[:length]
    if number % 17 == 0:
        return b""
    if number % 9 == 4:
        return token * (250, 700)[number % 2]
    odd = _odd_payloads()
    return token + odd[(number * 7 + seed) % len(odd)] + (token if number % 2 else b"")


@cache
def _odd_payloads() -> tuple[bytes, ...]:
    """Return what a log, a line, a text or a number may not hold: the short payloads of the gauntlet."""
    return tuple(gauntlet_payloads(_ODD))


def lives(short_s: float, long_s: float, seed: int, limit: int, methods: Iterable[str]) -> list[Step]:
    """Return writes of every kind of deadline: given, replaced, shortened, lengthened, taken away, and over, by ``methods``."""

    def value(name: str, again: bytes = b"") -> bytes:
        return fitting(b"%s of %d%s" % (name.encode(), seed, again), limit)

    def given(name: str, ttl_s: float) -> Step:
        return "set_with_ttl", (name, value(name), ttl_s)

    def plain(name: str, again: bytes = b"") -> Step:
        return "set", (name, value(name, again))

    steps: list[Step] = [given(f"long-{number}", long_s + number) for number in range(8)]
    steps += [given("overwritten", short_s), plain("overwritten", b" again")]
    steps += [given("lengthened", short_s), given("lengthened", long_s)]
    steps += [given("prolonged", short_s), ("expire", ("prolonged", long_s))]
    steps += [given("kept", short_s), ("persist", ("kept",))]
    steps += [given("deleted", long_s), ("delete", ("deleted",))]
    steps += [given("written again", short_s), ("delete", ("written again",)), plain("written again")]
    steps += [plain("over"), ("expire", ("over", 0.0)), plain("limited"), ("expire", ("limited", long_s))]
    steps += [given("replaced", long_s), given("replaced", short_s), plain("ended"), ("expire", ("ended", short_s))]
    steps += [given("cut", long_s), ("expire", ("cut", short_s)), *(given(f"short-{number}", short_s) for number in range(4))]
    steps += [plain("over at once"), given("over at once", 0.0)]
    for method in methods:
        for number, step in enumerate(_ends_of_lives(method, value, limit)):
            steps += [given(name, (short_s, long_s)[number % 2]) for name in keys_of([step])]
            steps.append(step)
    # Nothing but deadlines changes at the end.
    steps += [given("persisted last", short_s), given("expired last", short_s)]
    return [*steps, ("persist", ("persisted last",)), ("expire", ("expired last", long_s))]


def _ends_of_lives(method: str, value: Callable[[str, bytes], bytes], limit: int) -> list[Step]:
    """Return calls of a method that take a deadline away with the value it had, or fail and leave both."""
    names = [f"{method}-{number}" for number in range(4)]
    one, two, three, four = names
    new = {name: value(name, b" again") for name in names}
    if method == "batch_set":
        return [(method, ({one: new[one], two: new[two]},)), (method, ({three: new[three]},))]
    if method == "batch_delete":
        return [(method, ([one, two],)), (method, ([three],))]
    if method == "transaction":
        return [(method, (("set", (one, new[one])), ("delete", (two,)))), (method, (("set", (three, new[three])),))]
    another = fitting(b"another value", limit)
    if method == "compare_and_swap":
        return [
            (method, (one, value(one, b""), new[one])),
            (method, (two, another, new[two])),
            (method, (three, None, new[three])),
            (method, (four, value(four, b""), value(four, b""))),
        ]
    if method == "compare_and_delete":
        return [(method, (one, value(one, b""))), (method, (two, another))]
    return []
