"""keyvalue_cas: several tasks on one key. Of those that expect the same value one succeeds, and nothing is lost.

What reads, compares and then writes does three things, and another call fits in between. On an embedded backend calls meet only
where one of them awaits, so the tasks start at different offsets, and with and without a turn of the loop around each call.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, truth, value
from prism_suites._keyvalue_racing import OFFSETS, Actor, State, expect_some_order
from prism_suites._racing import PLANS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueCas
from prism_testkit.plan import Plan
from prism_testkit.strategies import patterned
from prism_testkit.traits import Limits

_STAGGERS: dict[str, Sequence[int]] = {
    "at once": (0,),
    "one by one": (0, 1, 2, 3, 4),
    "in pairs": (0, 0, 1, 1, 2, 2),
    "backwards": (4, 3, 2, 1, 0),
    "two and the rest": (0, 0, 3),
}


async def _clients(case: Case, kv: KeyValueCas, number: int) -> list[KeyValueCas]:
    return [kv, *[await case.client() for _ in range(number - 1)]]


async def _after(turns: int, call: Any) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await call


def _crowds(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (racers, clients, stagger) in enumerate(product((2, 3, 16), (1, 2), _STAGGERS)):
        size = min(_SIZES[number % len(_SIZES)], limits.max_payload)
        yield {"racers": racers, "clients": clients, "stagger": stagger, "overlap": number % 2 == 1, "size": size}


_SIZES = (9, 2000, 70_000)
"""Of the values that are swapped: large ones may go another way."""


def _racer(number: int, size: int) -> bytes:
    return (b"racer %d" % number).ljust(size, b".")


async def _race(
    case: Case, kv: KeyValueCas, expected: bytes | None, racers: int, clients: int, stagger: str, overlap: bool, size: int
) -> list[int]:
    """Let racers swap, each to a value of its own; return the numbers of those that were told True."""
    crowd = await _clients(case, kv, clients)
    waits = _STAGGERS[stagger]
    if overlap:
        case.overlap()
    calls = [
        _after(waits[number % len(waits)], crowd[number % clients].compare_and_swap("k", expected, _racer(number, size)))
        for number in range(racers)
    ]
    told = await asyncio.gather(*calls)
    for answer in told:
        if not isinstance(answer, bool | int):
            broken("keyvalue_cas.1", "compare_and_swap does not answer with a truth value", expected="True or False", got=answer)
    return [number for number, answer in enumerate(told) if answer]


@check("keyvalue_cas.6", "keyvalue_cas.2")
@gauntlet(_crowds)
async def of_many_creators_one_succeeds(
    kv: KeyValueCas, case: Case, racers: int, clients: int, stagger: str, overlap: bool, size: int
) -> None:
    """Of n concurrent swaps from None exactly one is told True, and its value is there (KV-14)."""
    winners = await _race(case, kv, None, racers, clients, stagger, overlap, size)
    same("keyvalue_cas.6", len(winners), 1, "of concurrent swaps from None, on a missing key, exactly one succeeds")
    value("keyvalue_cas.6", await kv.get("k"), _racer(winners[0], size), "the value is not that of the swap that succeeded")


@check("keyvalue_cas.6", "keyvalue_cas.1")
@gauntlet(_crowds)
async def of_many_swaps_from_one_value_one_succeeds(
    kv: KeyValueCas, case: Case, racers: int, clients: int, stagger: str, overlap: bool, size: int
) -> None:
    """Of n concurrent swaps from one value exactly one is told True, and its value is there (KV-23)."""
    start = patterned(size)
    await kv.set("k", start)
    winners = await _race(case, kv, start, racers, clients, stagger, overlap, size)
    same("keyvalue_cas.6", len(winners), 1, "of concurrent swaps from one value exactly one succeeds")
    value("keyvalue_cas.6", await kv.get("k"), _racer(winners[0], size), "the value is not that of the swap that succeeded")


@check("keyvalue_cas.6", "keyvalue_cas.4")
@gauntlet(lambda limits: [crowd | {"swaps": swaps} for crowd in _crowds(limits) for swaps in (False, True) if crowd["racers"] < 16])
async def of_many_deletes_of_one_value_one_succeeds(
    kv: KeyValueCas, case: Case, racers: int, clients: int, stagger: str, overlap: bool, swaps: bool, size: int
) -> None:
    """Of n concurrent compare_and_delete, and swaps among them, exactly one is told True; what it did is there."""
    start = patterned(size)
    await kv.set("k", start)
    crowd = await _clients(case, kv, clients)
    waits = _STAGGERS[stagger]
    if overlap:
        case.overlap()
    calls: list[Any] = [crowd[number % clients].compare_and_delete("k", start) for number in range(racers)]
    if swaps:
        calls.append(crowd[-1].compare_and_swap("k", start, b"swapped"))
    told = await asyncio.gather(*(_after(waits[number % len(waits)], call) for number, call in enumerate(calls)))
    same("keyvalue_cas.6", sum(map(bool, told)), 1, "of concurrent deletes and swaps from one value exactly one succeeds")
    expected = b"swapped" if swaps and told[-1] else None
    value("keyvalue_cas.6", await kv.get("k"), expected, "what is there is not what the call that succeeded left")


_CALLS: dict[str, tuple[Any, ...]] = {
    "swap": ("compare_and_swap", b"old", b"a"),
    "swap on": ("compare_and_swap", b"a", b"b"),
    "create": ("compare_and_swap", None, b"c"),
    "drop": ("compare_and_delete", b"old"),
    "set": ("set", b"d"),
    "set back": ("set", b"old"),
    "delete": ("delete",),
    "get": ("get",),
}
_BEFORE: dict[str, State] = {"missing": None, "deleted": None, "present": (b"old", None)}

_OVER_GRAVES = ({"create"}, {"create", "delete"}, {"create", "set"})
"""What meets on a key that was there before: a store may keep of it what a creation has to get over."""


def _pairs(limits: Limits) -> Iterator[dict[str, Any]]:
    for first, second in combinations_with_replacement(_CALLS, 2):
        if not _CALLS[first][0].startswith("compare") or (first, second) == ("swap on", "swap on"):
            continue
        for before in _BEFORE:
            if before == "missing" and "create" not in (first, second):
                continue
            if before == "deleted" and {first, second} not in _OVER_GRAVES:
                continue
            for number, waits in enumerate(OFFSETS[:7]):
                yield {"first": first, "second": second, "before": before, "waits": waits, "other": bool(number % 2)}


@check("keyvalue_cas.6", "keyvalue_cas.3", "keyvalue_cas.1", "keyvalue_basic.10")
@gauntlet(_pairs)
async def two_calls_at_once_take_turns(
    kv: KeyValueCas, case: Case, first: str, second: str, before: str, waits: tuple[int, int], other: bool
) -> None:
    """Some order of two calls, at least one of them a comparison, explains both answers and what is there afterwards (KV-56)."""
    state = _BEFORE[before]
    if before != "missing":
        await kv.set("k", b"old")
    if before == "deleted":
        await kv.delete("k")
    rival = await case.client() if other else kv
    actors = [Actor(kv, [_CALLS[first]], waits[0]), Actor(rival, [_CALLS[second]], waits[1])]
    sentence = f"{first} and {second} at once, on a {before} key, leave what neither order leaves"
    await expect_some_order(case, kv, actors, before=state, promise="keyvalue_cas.6", sentence=sentence)


_SCRIPTS: dict[str, list[list[str]]] = {
    "there and back": [["swap", "get"], ["swap on", "create"], ["set back", "get"]],
    "deletes": [["drop", "create"], ["delete", "get"], ["swap", "swap on"]],
    "writers": [["set", "get"], ["create", "swap"], ["swap", "drop"]],
    "creators": [["create", "get"], ["delete", "create"], ["get", "create"]],
}


@check("keyvalue_cas.6", "keyvalue_cas.3", "keyvalue_cas.1", "keyvalue_basic.10")
@gauntlet(
    lambda limits: [
        {"script": script, "before": before, "waits": waits, "overlap": number % 2 == 1}
        for number, (script, before, waits) in enumerate(
            product(_SCRIPTS, _BEFORE, ((0, 0, 0), (0, 1, 2), (2, 1, 0), (1, 0, 3), (0, 3, 1)))
        )
    ]
)
async def three_tasks_take_turns(
    kv: KeyValueCas, case: Case, script: str, before: str, waits: tuple[int, int, int], overlap: bool
) -> None:
    """Three tasks of two calls each, on two clients: some order explains all they were told, and what is left (KV-56)."""
    state = _BEFORE[before]
    if state is not None:
        await kv.set("k", state[0])
    crowd = await _clients(case, kv, 2)
    if overlap:
        case.overlap()
    actors = [
        Actor(crowd[number % 2], [_CALLS[name] for name in names], waits[number]) for number, names in enumerate(_SCRIPTS[script])
    ]
    sentence = "three tasks at once saw, or left, what no order gives"
    await expect_some_order(case, kv, actors, before=state, promise="keyvalue_cas.6", sentence=sentence)


@check("keyvalue_cas.6")
@gauntlet(
    lambda limits: [
        {"workers": workers, "rounds": rounds, "clients": clients, "overlap": overlap}
        for workers, rounds in ((2, 10), (4, 5), (8, 2))
        for clients in (1, 2)
        for overlap in (False, True)
    ]
)
async def no_increment_is_lost(kv: KeyValueCas, case: Case, workers: int, rounds: int, clients: int, overlap: bool) -> None:
    """W workers that increment K times by comparing end at W*K, whatever conflicts they had (KV-23)."""
    crowd = await _clients(case, kv, clients)
    if overlap:
        case.overlap()
    conflicts = 0
    returned: list[int] = []

    async def work(client: KeyValueCas) -> None:
        nonlocal conflicts
        for _ in range(rounds):
            for _ in range(4 * workers * rounds):
                held = await client.get("k")
                following = int(held or b"0") + 1
                if await client.compare_and_swap("k", held, b"%d" % following):
                    returned.append(following)
                    break
                conflicts += 1
            else:
                broken("keyvalue_cas.6", "swaps from the value just read fail again and again, though others stopped long ago")

    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(work(crowd[number % clients]))
    total = workers * rounds
    same("keyvalue_cas.6", sorted(returned), list(range(1, total + 1)), "two swaps counted the same, or one was lost")
    value("keyvalue_cas.6", await kv.get("k"), b"%d" % total, "an increment was lost")
    if not conflicts:
        case.inconclusive("no two increments met")


@check("keyvalue_cas.6", "keyvalue_cas.2", "keyvalue_cas.4")
@gauntlet(
    lambda limits: [{"workers": workers, "overlap": overlap, "plan": Plan()} for workers in (2, 5) for overlap in (False, True)]
)
@given(workers=st.integers(2, 4), overlap=st.just(True), plan=PLANS)
async def a_key_serves_as_a_lock(kv: KeyValueCas, case: Case, workers: int, overlap: bool, plan: Plan) -> None:
    """Whoever creates the key is alone until it deletes it again: no two are inside at once, and each gets in."""
    crowd = await _clients(case, kv, 2)
    if overlap:
        case.schedule(plan)
    inside: list[int] = []
    entered: list[int] = []

    async def work(number: int) -> None:
        client, name = crowd[number % 2], b"worker %d" % number
        for _ in range(200):
            if await client.compare_and_swap("k", None, name):
                break
            await asyncio.sleep(0)
        else:
            return
        inside.append(number)
        entered.append(number)
        same("keyvalue_cas.6", inside, [number], "two tasks created the same key, one after the other, with no delete in between")
        await asyncio.sleep(0)
        value("keyvalue_cas.6", await client.get("k"), name, "a key created by one task was replaced by another's swap from None")
        inside.remove(number)
        truth("keyvalue_cas.4", await client.compare_and_delete("k", name), True, "compare_and_delete of what one wrote is refused")

    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(work(number))
    truth("keyvalue_cas.4", await kv.exists("k"), False, "a key is there though the last one who created it deleted it")
    if len(entered) < workers:
        case.inconclusive("not every task got in")
