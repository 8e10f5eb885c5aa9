"""keyvalue: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

from prism_suites._meeting import Meeting, Results, meet
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic, KeyValueCas, KeyValueTransactional, KeyValueTtl
from prism_testkit.killing import Step

_OLD, _MINE, _THEIRS = b"old", b"mine, which is longer", b"theirs"
_LONG_S = (1e3, 1e5, 1e7)
"""Times to live that nothing here outlasts, told apart by how many digits they have."""

_SHORT_S = 0.002

_Calls = dict[str, Step]


def _on(name: str, value: bytes, seconds: float) -> _Calls:
    """Return every call on one key, by a short name."""
    return {
        "set": ("set", (name, value)),
        "delete": ("delete", (name,)),
        "get": ("get", (name,)),
        "expired": ("set_with_ttl", (name, value, _SHORT_S)),
        "swap": ("compare_and_swap", (name, _OLD, value)),
        "create": ("compare_and_swap", (name, None, value)),
        "drop": ("compare_and_delete", (name, _OLD)),
        "set_with_ttl": ("set_with_ttl", (name, value, seconds)),
        "expire": ("expire", (name, seconds)),
        "persist": ("persist", (name,)),
        "both": ("transaction", (("set", (name, value)), ("set", (_beside(name), value)))),
        "read": ("transaction", (("get", (name,)), ("get", (_beside(name),)))),
        "this by that": ("transaction", (("get", (_beside(name),)), ("set", (name, value)))),
        "that by this": ("transaction", (("get", (name,)), ("set", (_beside(name), value)))),
        "neither": ("transaction", (("delete", (name,)), ("delete", (_beside(name),)))),
    }


_MULTI = frozenset(("both", "this by that", "that by this", "neither"))


def _beside(name: str) -> str:
    """Return the other key that a transaction has to do with."""
    return f"{name}-beside"


def _meetings(
    first: Sequence[str], second: Sequence[str], looks: Sequence[str], present: Sequence[str] = ("set", "")
) -> Iterator[Meeting]:
    """Yield all pairs, on a key that is present (written by that call), missing (without one), or has "expired"."""

    def call(kind: str, value: bytes, seconds: float, name: str, results: Results) -> Step:
        return _on(name, value, seconds)[kind]

    def before(kind: str, name: str) -> tuple[Sequence[Step], Sequence[Step]]:
        keys = (name, _beside(name)) if kind == "expired" else (name,)
        return [_on(key, _OLD, _LONG_S[0])[kind] for key in keys if kind], ()

    def after(name: str, results: Results) -> Sequence[Step]:
        keys = (name, _beside(name)) if _MULTI.intersection((*first, *second)) else (name,)
        return [(look, (key,)) for look in looks for key in keys for _ in range(2)]

    for one, other, there in product(first, second, present):
        mine, theirs = partial(call, one, _MINE, _LONG_S[1]), partial(call, other, _THEIRS, _LONG_S[2])
        expired = (lambda name: ("get", (_beside(name),))) if there == "expired" else None
        yield Meeting(mine, theirs, partial(before, there), after, expired)


@check("keyvalue_basic.10", "keyvalue_basic.4")
async def calls_of_processes_meet(kv: KeyValueBasic, case: Case) -> None:
    """Sets and deletes of one key by two processes take effect one after the other, wherever they meet (KV-05)."""
    await meet(case, "keyvalue_basic.10", [*_meetings(("set", "delete"), ("set", "delete"), ("get", "exists"))])


@check("keyvalue_cas.6", "keyvalue_cas.1")
async def swaps_of_processes_meet(kv: KeyValueCas, case: Case) -> None:
    """A swap compares and writes at one instant, whatever another process does to the key meanwhile."""
    swaps = ("swap", "drop")
    await meet(case, "keyvalue_cas.6", [
        *_meetings(swaps, ("set", "delete", *swaps), ("get",), ("set",)),
        *_meetings(("create",), ("set", "create"), ("get",), ("",)),
        *_meetings(("set", "delete"), ("swap",), ("get",), ("set",)),
    ])  # fmt: skip


@check("keyvalue_ttl.10", "keyvalue_ttl.3", "keyvalue_ttl.7", "keyvalue_ttl.8")
async def deadlines_of_processes_meet(kv: KeyValueTtl, case: Case) -> None:
    """Who changes a deadline changes neither the value nor the deadline that another process writes meanwhile."""
    await meet(case, "keyvalue_ttl.10", [
        *_meetings(("expire", "persist"), ("set", "delete", "set_with_ttl"), ("get", "ttl"), ("set_with_ttl",)),
        *_meetings(("set", "set_with_ttl", "delete"), ("expire",), ("get", "ttl"), ("set_with_ttl",)),
    ])  # fmt: skip


@check("keyvalue_ttl.10", "keyvalue_ttl.2")
async def who_finds_a_key_expired_meets_who_writes_it_again(kv: KeyValueTtl, case: Case) -> None:
    """Whoever comes upon an expired key, and removes it by the way, does not remove what another process writes meanwhile."""
    looks = ("get", "delete", "expire", "persist")
    await meet(case, "keyvalue_ttl.10", [
        *_meetings(looks, ("set", "set_with_ttl"), ("get", "exists"), ("expired",)),
        *_meetings(("set", "set_with_ttl"), ("get", "delete"), ("get", "exists"), ("expired",)),
    ])  # fmt: skip


@check("keyvalue_transactional.5", "keyvalue_transactional.1")
async def transactions_of_processes_meet(kv: KeyValueTransactional, case: Case) -> None:
    """Transactions of two processes, retried where they conflict, and plain calls leave what some order of them leaves."""
    changes = ("both", "this by that", "neither")
    await meet(case, "keyvalue_transactional.5", [
        *_meetings(changes, ("that by this", "set", "read"), ("get",), ("both",)),
        *_meetings(("read", "set"), ("both",), ("get",), ("both",)),
    ])  # fmt: skip
