"""keyvalue_ttl: calls on one key at once. Each takes effect whole, at one instant: a value and its deadline are one thing.

What reads the value and writes it back, or looks and then removes, does two things, and another call fits in between.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product
from typing import Any, Protocol

from prism_suites._judging import truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_looks import looks
from prism_suites._keyvalue_racing import OFFSETS, Actor, State, expect_some_order
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTtl
from prism_testkit.traits import Limits


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndCas(KeyValueTtl, KeyValueCas, Protocol):
    """Deadlines and swaps of one driver."""


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


_CALLS: dict[str, tuple[Any, ...]] = {
    "set": ("set", b"plain"),
    "set_with_ttl": ("set_with_ttl", b"limited", 1e6),
    "expire": ("expire", 1e8),
    "persist": ("persist",),
    "delete": ("delete",),
}
_BEFORE: dict[str, State] = {"missing": None, "without a deadline": (b"old", None), "with a deadline": (b"old", 1e4)}
_BLAME = {"expire": "keyvalue_ttl.7", "persist": "keyvalue_ttl.8", "set_with_ttl": "keyvalue_ttl.3"}


def _pairs(limits: Limits) -> Iterator[dict[str, Any]]:
    for (first, second), before in product(combinations_with_replacement(_CALLS, 2), _BEFORE):
        if {first, second} <= {"set", "delete"} or (before == "missing" and {first, second} & {"persist", "delete"}):
            continue
        for number, waits in enumerate(OFFSETS[:7]):
            yield {"first": first, "second": second, "before": before, "waits": waits, "other": bool(number % 2)}


@check("keyvalue_ttl.7", "keyvalue_ttl.8", "keyvalue_ttl.3", "keyvalue_basic.10")
@gauntlet(_pairs)
async def two_calls_at_once_on_a_key_with_a_deadline_take_turns(
    kv: KeyValueTtl, case: Case, first: str, second: str, before: str, waits: tuple[int, int], other: bool
) -> None:
    """Some order of the two explains what both said, the value and the deadline that are there afterwards."""
    state = _BEFORE[before]
    if state is not None:
        await (kv.set("k", state[0]) if state[1] is None else kv.set_with_ttl("k", state[0], state[1]))
    rival = await case.client() if other else kv
    actors = [Actor(kv, [_CALLS[first]], waits[0]), Actor(rival, [_CALLS[second]], waits[1])]
    promise = next((_BLAME[name] for name in (first, second) if name in _BLAME), "keyvalue_basic.10")
    sentence = f"{first} and {second} at once, on a key {before}, leave what neither order leaves"
    await expect_some_order(case, kv, actors, before=state, promise=promise, sentence=sentence, ttls=True)


_LOOKS: dict[str, tuple[Any, ...]] = {
    "get": ("get",),
    "exists": ("exists",),
    "ttl": ("ttl",),
    "delete": ("delete",),
    "expire": ("expire", 1e8),
    "persist": ("persist",),
}


_OWN_LOOKS: dict[str, dict[str, tuple[Any, ...]]] = {
    "keyvalue_ttl": _LOOKS,
    "keyvalue_batch": {"batch_delete": ("batch_delete",)},
    "keyvalue_cas": {
        "compare_and_delete": ("compare_and_delete", b"old"),
        "swap from the old value": ("compare_and_swap", b"old", b"swapped"),
        "swap from nothing": ("compare_and_swap", None, b"swapped"),
    },
}


def _lookers(interface: str) -> dict[str, tuple[Any, ...]]:
    """Return every call of an interface that comes upon an expired key: by name, what a race makes of it."""
    own = _OWN_LOOKS.get(interface, {})
    reading = {look: ("look", look) for look in looks(interface, writing=False) if look not in own}
    return own | reading


def _late_looks(interface: str) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    offsets = OFFSETS if interface == "keyvalue_ttl" else OFFSETS[:5]

    def cases(limits: Limits) -> Iterator[dict[str, Any]]:
        for look, write, waits in product(_lookers(interface), ("set", "set_with_ttl"), offsets):
            yield {"look": look, "write": write, "waits": waits, "other": bool(sum(waits) % 2)}

    return cases


async def _expect_new_value(
    case: Case, kv: Any, interface: str, look: str, write: str, waits: tuple[int, int], other: bool
) -> None:
    """Let a key expire unnoticed; then one client looks, or would remove it, while another writes it."""
    times = Times(case)
    _, now = await times.during(kv.set_with_ttl("k", b"old", 5))
    if not await times.past(now.after(5)):
        await kv.delete("k")
    rival = await case.client() if other else kv
    actors = [Actor(kv, [_lookers(interface)[look]], waits[0]), Actor(rival, [_CALLS[write]], waits[1])]
    sentence = f"{look} of an expired key and {write} at once leave what neither order leaves"
    await expect_some_order(case, kv, actors, before=None, promise="keyvalue_ttl.10", sentence=sentence, ttls=True)


@check("keyvalue_ttl.10")
@gauntlet(_late_looks("keyvalue_ttl"))
async def noticing_an_expiry_never_removes_a_new_value(
    kv: KeyValueTtl, case: Case, look: str, write: str, waits: tuple[int, int], other: bool
) -> None:
    """Somebody looks at an expired key while somebody writes it anew: the new value stays, unless the look is a delete after it."""
    await _expect_new_value(case, kv, "keyvalue_ttl", look, write, waits, other)


@check("keyvalue_ttl.10")
@gauntlet(_late_looks("keyvalue_scan"))
async def listing_what_has_expired_never_removes_a_new_value(
    kv: TtlAndScan, case: Case, look: str, write: str, waits: tuple[int, int], other: bool
) -> None:
    """A scan or a count that sweeps what has expired leaves what is written meanwhile."""
    await _expect_new_value(case, kv, "keyvalue_scan", look, write, waits, other)


@check("keyvalue_ttl.10")
@gauntlet(_late_looks("keyvalue_batch"))
async def a_batch_that_meets_an_expired_key_never_removes_a_new_value(
    kv: TtlAndBatch, case: Case, look: str, write: str, waits: tuple[int, int], other: bool
) -> None:
    """The same with batches."""
    await _expect_new_value(case, kv, "keyvalue_batch", look, write, waits, other)


@check("keyvalue_ttl.10")
@gauntlet(_late_looks("keyvalue_cas"))
async def a_comparison_that_meets_an_expired_key_never_removes_a_new_value(
    kv: TtlAndCas, case: Case, look: str, write: str, waits: tuple[int, int], other: bool
) -> None:
    """The same with swaps, which compare with the new value or with nothing, never with the old one."""
    await _expect_new_value(case, kv, "keyvalue_cas", look, write, waits, other)


@check("keyvalue_ttl.7", "keyvalue_ttl.8", "keyvalue_ttl.3", "keyvalue_basic.10")
@gauntlet(
    lambda limits: [
        {"waits": waits, "before": before, "crew": crew}
        for waits in ((0, 0, 0), (0, 1, 2), (2, 1, 0), (1, 0, 3), (0, 3, 1))
        for before in ("without a deadline", "with a deadline")
        for crew in ("writers", "changers", "both")
    ]
)
async def three_tasks_on_a_key_with_a_deadline_take_turns(
    kv: KeyValueTtl, case: Case, waits: tuple[int, int, int], before: str, crew: str
) -> None:
    """Three tasks of two calls each, on two clients: some order explains all they were told, and what is left."""
    state = _BEFORE[before]
    assert state is not None
    await (kv.set("k", state[0]) if state[1] is None else kv.set_with_ttl("k", state[0], state[1]))
    scripts: dict[str, list[list[tuple[Any, ...]]]] = {
        "writers": [[("set", b"a"), ("get",)], [("set_with_ttl", b"b", 1e6), ("ttl",)], [("delete",), ("exists",)]],
        "changers": [[("expire", 1e8), ("get",)], [("persist",), ("ttl",)], [("expire", 1e6), ("ttl",)]],
        "both": [[("expire", 1e8), ("ttl",)], [("set", b"a"), ("ttl",)], [("get",), ("persist",)]],
    }
    clients = (kv, await case.client(), kv)
    actors = [Actor(client, calls, wait) for client, calls, wait in zip(clients, scripts[crew], waits, strict=True)]
    sentence = "three tasks at once saw, or left, what no order gives"
    await expect_some_order(case, kv, actors, before=state, promise="keyvalue_basic.10", sentence=sentence, ttls=True)


@check("keyvalue_ttl.2", "keyvalue_ttl.11", "keyvalue_ttl.10")
@gauntlet(lambda limits: [{"number": number, "waits": waits} for number in (3, 40) for waits in OFFSETS[:5]])
async def clients_that_meet_expired_keys_at_once_remove_nothing_else(
    kv: KeyValueTtl, case: Case, number: int, waits: tuple[int, int]
) -> None:
    """Two clients come upon the same expired keys while they are there: no delete finds one, and no living key goes (KV-40)."""
    times = Times(case)
    other = await case.client()
    _, now = await times.during(kv.set_with_ttl("gone 0", b"v", 5))
    for index in range(number):
        _, now = await times.during(kv.set_with_ttl(f"gone {index}", b"v", 5))
        await kv.set(f"kept {index}", b"v")
        await kv.set_with_ttl(f"later {index}", b"v", 1e7)
    if not await times.past(now.after(5)):
        return
    told: list[bool] = []

    async def sweep(client: KeyValueTtl, wait: int) -> None:
        for _ in range(wait):
            await asyncio.sleep(0)
        for index in range(number):
            told.append(await client.exists(f"gone {index}"))
            told.append(await client.delete(f"gone {index}"))
            await client.set_with_ttl(f"new {index} {wait}", b"v", 1e7)

    await asyncio.gather(sweep(kv, waits[0]), sweep(other, waits[1]))
    truth("keyvalue_ttl.2", any(told), False, "exists or delete finds an expired key")
    for index in range(number):
        for key in (f"kept {index}", f"later {index}", f"new {index} {waits[0]}", f"new {index} {waits[1]}"):
            value("keyvalue_ttl.11", await kv.get(key), b"v", "a living key went when others had expired")
