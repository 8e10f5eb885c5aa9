"""keyvalue_cas: compared is what is there at that instant, not what a client saw or wrote before, nor a fingerprint of it."""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

from prism_suites._buffers import ANY_BUFFERS
from prism_suites._judging import truth, value
from prism_testkit import strategies
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueCas

_ROUNDS = 1000
"""Of a fingerprint of one byte a wrong value is missed once in 256 times: in so many tries hardly ever in all."""

_OLD, _NOW = b"old", b"now"


async def _swap_from(kv: Any, expected: bytes | None) -> None:
    await kv.compare_and_swap("k", expected, b"mine")


_SIGHTS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "get": lambda kv: kv.get("k"),
    "exists": lambda kv: kv.exists("k"),
    "a set of its own": lambda kv: kv.set("k", _OLD),
    "a swap of its own": lambda kv: kv.compare_and_swap("k", _OLD, _OLD),
    "a swap that failed": lambda kv: _swap_from(kv, b"another"),
    "a get of a missing key": lambda kv: kv.get("k"),
}
"""How a client came to know what the key holds."""


async def _delete_and_create(kv: Any) -> None:
    await kv.delete("k")
    await kv.compare_and_swap("k", None, _NOW)


_CHANGES: dict[str, tuple[Callable[[Any], Awaitable[object]], bytes | None]] = {
    "set": (lambda kv: kv.set("k", _NOW), _NOW),
    "delete": (lambda kv: kv.delete("k"), None),
    "compare_and_swap": (lambda kv: kv.compare_and_swap("k", _OLD, _NOW), _NOW),
    "compare_and_delete": (lambda kv: kv.compare_and_delete("k", _OLD), None),
    "deleting and creating it": (_delete_and_create, _NOW),
}
"""How another client changes it, and what it holds then."""


@check("keyvalue_cas.1", "keyvalue_cas.2", "keyvalue_cas.4", "keyvalue_basic.8")
@gauntlet(
    lambda limits: [
        {"seen": seen, "change": change, "then": then}
        for seen, change, then in product(_SIGHTS, _CHANGES, ("swap", "create", "drop"))
    ]
)
async def a_swap_compares_with_what_is_there_and_not_with_what_was_seen(
    kv: KeyValueCas, case: Case, seen: str, change: str, then: str
) -> None:
    """Whatever a client read or wrote, and however another one changed it: the old value is refused, the new one is the one."""
    other = await case.client()
    if seen == "a get of a missing key":
        await _SIGHTS[seen](kv)
        await other.set("k", _OLD)
    else:
        await other.set("k", _OLD)
        await _SIGHTS[seen](kv)
    act, held = _CHANGES[change]
    await act(other)
    story = f"known from {seen}, changed by another client's {change}"
    if then == "swap":
        got = await kv.compare_and_swap("k", _OLD, b"mine")
        truth("keyvalue_cas.1", got, False, f"a swap from the value before succeeds ({story})")
    elif then == "create":
        got = await kv.compare_and_swap("k", None, b"mine")
        truth("keyvalue_cas.2", got, held is None, f"a swap from None is wrong about whether the key is there ({story})")
        held = held if held is not None else b"mine"
    else:
        got = await kv.compare_and_delete("k", _OLD)
        truth("keyvalue_cas.4", got, False, f"compare_and_delete of the value before succeeds ({story})")
    value("keyvalue_cas.1", await other.get("k"), held, f"a call from a value before changed the key ({story})")
    got = await kv.compare_and_swap("k", held, b"last")
    truth("keyvalue_cas.1", got, True, f"a swap from the value that is there is refused ({story})")
    value("keyvalue_cas.1", await other.get("k"), b"last", f"a swap that succeeded is not seen ({story})")


@check("keyvalue_cas.5", "keyvalue_cas.3")
@gauntlet(lambda limits: [{"size": size} for size in (1, 8, 200) if size <= limits.max_payload])
async def none_of_very_many_other_values_is_taken_for_the_value(kv: KeyValueCas, size: int) -> None:
    """Nor a value for any of many others: compared are the values, not some bits that stand for them."""
    held = strategies.patterned(size)
    await kv.set("k", held)
    others = dict.fromkeys(strategies.patterned(size, number) for number in range(1, _ROUNDS // 3))
    others.pop(held, None)
    for number, other in enumerate(others):
        call = kv.compare_and_delete("k", other) if number % 4 == 3 else kv.compare_and_swap("k", other, b"new")
        truth("keyvalue_cas.5", await call, False, "a call from a value that is not there succeeds")
    value("keyvalue_cas.3", await kv.get("k"), held, "calls that failed changed the value")


@check("keyvalue_cas.5", "keyvalue_cas.1", "keyvalue_cas.4")
@gauntlet(lambda limits: [{"kind": kind, "data": data} for kind in ANY_BUFFERS for data in (b"", b"ab", b"\x00\xff\x80\x7f")])
async def what_is_expected_may_be_any_buffer(kv: KeyValueCas, kind: str, data: bytes) -> None:
    """A value that is expected is its bytes, whatever buffer it is given as (KV-21)."""
    form, sentence = ANY_BUFFERS[kind], f"an expected value given as {kind} is not its bytes"
    await kv.set("k", data)
    truth("keyvalue_cas.5", await kv.compare_and_swap("k", form(b"\x01\x02"), form(b"no")), False, sentence)
    truth("keyvalue_cas.5", await kv.compare_and_swap("k", form(data), form(b"new!")), True, sentence)
    truth("keyvalue_cas.5", await kv.compare_and_delete("k", form(data)), False, sentence)
    truth("keyvalue_cas.5", await kv.compare_and_delete("k", form(b"new!")), True, sentence)
