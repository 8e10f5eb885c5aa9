"""keyvalue_basic and keyvalue_cas under concurrency: several clients, and several tasks on one client, on the same keys."""

import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, truth
from prism_suites._racing import INITIAL, PLANS, Call, clients, judge, long_values, offsets, play, together, written
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueCas
from prism_testkit.plan import Plan
from prism_testkit.traits import Limits

_ON = (0, 0, 1, 2, 3)
"""On which client each generated script runs: two tasks share the first."""
_BASIC = ("get", "set", "exists", "delete")
_SWAPS = ("create", "swap", "drop")


def _scripts(operations: tuple[str, ...]) -> st.SearchStrategy[list[list[Call]]]:
    call = st.tuples(st.sampled_from(operations), st.integers(0, 1), st.integers(0, 2), st.integers(0, 4))
    return st.lists(st.lists(call, min_size=1, max_size=7), min_size=2, max_size=len(_ON))


def _mixes(limits: Limits) -> Iterator[dict[str, Any]]:
    for present in (True, False):
        for case in offsets(("set", "delete"), _BASIC, present):
            yield {**case, "overlap": True}
    for case in offsets(("get", "exists"), ("set", "delete"), True):
        yield {**case, "overlap": True}
    for case in offsets(("set", "delete"), _BASIC, True, ((0, 1),)):
        yield {**case, "overlap": False}


def _crossings(limits: Limits) -> Iterator[dict[str, Any]]:
    for present in (True, False):
        yield from offsets(_SWAPS, (*_SWAPS, "set", "delete"), present)


def _racers(limits: Limits) -> Iterator[dict[str, Any]]:
    for count in (2, 3, 5):
        for stagger in range(5):
            for shared in (True, False):
                yield {"turns": [number * stagger for number in range(count)], "shared": shared}


@check("keyvalue_basic.10")
@gauntlet(_mixes)
async def two_clients_on_one_key_agree_on_an_order(
    kv: KeyValueBasic, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]], overlap: bool
) -> None:
    """Any two calls, begun zero to four turns apart, take effect one after the other (KV-56)."""
    await play(case, await clients(kv, case, on), present, scripts, overlap=overlap)
    judge(case, "keyvalue_basic.10")


@check("keyvalue_basic.10")
@given(present=st.lists(st.booleans(), min_size=2, max_size=2), scripts=_scripts((*_BASIC, "set", "get")))
async def many_clients_agree_on_an_order(kv: KeyValueBasic, case: Case, present: list[bool], scripts: list[list[Call]]) -> None:
    """What four clients and two tasks on one client are told has one order that explains it all (KV-05, KV-56)."""
    await play(case, await clients(kv, case, _ON[: len(scripts)]), present, scripts)
    judge(case, "keyvalue_basic.10")


@check("keyvalue_basic.4")
@gauntlet(_racers)
async def of_racing_deletes_exactly_one_is_told_true(kv: KeyValueBasic, case: Case, turns: list[int], shared: bool) -> None:
    """However many delete a present key at once, exactly one of them removed it."""
    slots = await clients(kv, case, [0 if shared else number for number in range(len(turns))])
    case.overlap()
    await kv.set("k0", INITIAL)
    told = await together(*(_after(slot.delete("k0"), wait) for slot, wait in zip(slots, turns, strict=True)))
    same("keyvalue_basic.4", sum(map(bool, told)), 1, f"of {len(told)} racing deletes so many say that they removed the key")
    truth("keyvalue_basic.4", await kv.exists("k0"), False, "the key is there after racing deletes")


@check("keyvalue_basic.10")
@gauntlet(
    lambda limits: [
        {"turns": turns, "shared": shared, "length": (100_000, 600_000)[(turns + shared) % 2]}
        for turns in range(5)
        for shared in (True, False)
    ]
)
async def a_reader_never_sees_a_mixture(kv: KeyValueBasic, case: Case, turns: int, shared: bool, length: int) -> None:
    """While long values replace each other, a reader sees one of them whole, and never none."""
    values = long_values(case.limits.max_payload, 3, length)
    reader = kv if shared else await case.client()
    case.overlap()
    await kv.set("k0", values[0])

    async def write() -> None:
        for value in values[1:]:
            await kv.set("k0", value)

    async def read() -> None:
        for _ in range(4):
            got = await reader.get("k0")
            if got not in values:
                torn = got is not None and len(set(got)) > 1
                what = "a reader saw a mixture of two values" if torn else "a reader saw neither of two values"
                broken("keyvalue_basic.10", what, expected=f"one of {len(values)} values, each of one byte", got=got)

    await together(write(), _after(read(), turns))
    judge(case, "keyvalue_basic.10")


@check("keyvalue_basic.10")
@gauntlet(lambda limits: [{"count": 200}])
async def answers_go_to_the_callers_that_asked(kv: KeyValueBasic, case: Case, count: int) -> None:
    """Of 200 calls at once on one client each gets its own answer (G-12)."""
    names = [f"n{number}" for number in range(count)]
    room = case.limits.max_payload
    values = {name: (f"{number};".encode() * (1 + number % 7 * 20))[:room] for number, name in enumerate(names)}
    await together(*(kv.set(name, values[name]) for name in names[::2]))
    reads = await together(*(kv.get(name) for name in names))
    wrong = {name: got for name, got in zip(names, reads, strict=True) if got != (values[name] if _even(name) else None)}
    same(
        "keyvalue_basic.10", len(wrong), 0, f"of {count} gets at once so many were given what they did not ask for: {wrong!r:.200}"
    )

    kinds = [_BASIC[number // 2 % 4] for number in range(count)]
    told = await together(
        *(getattr(kv, kind)(*([name, values[name]] if kind == "set" else [name])) for kind, name in zip(kinds, names, strict=True))
    )
    for what, name, got in zip(kinds, names, told, strict=True):
        there = _even(name)
        wanted = {"set": None, "get": values[name] if there else None}.get(what, there)
        same(
            "keyvalue_basic.10", got, wanted, f"among {count} calls at once {what}({name!r}) was given another answer than its own"
        )


@check("keyvalue_cas.6")
@gauntlet(_crossings)
async def a_swap_and_another_call_agree_on_an_order(
    kv: KeyValueCas, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]]
) -> None:
    """A swap that overlaps any other write, begun zero to four turns apart, takes effect at one instant."""
    await play(case, await clients(kv, case, on), present, scripts)
    judge(case, "keyvalue_cas.6")


@check("keyvalue_cas.6")
@given(present=st.lists(st.booleans(), min_size=2, max_size=2), scripts=_scripts((*_BASIC, *_SWAPS, "swap", "get")), plan=PLANS)
async def swaps_of_many_clients_agree_on_an_order(
    kv: KeyValueCas, case: Case, present: list[bool], scripts: list[list[Call]], plan: Plan
) -> None:
    """Swaps among other calls, from four clients and two tasks on one, have one order that explains what they were told."""
    await play(case, await clients(kv, case, _ON[: len(scripts)]), present, scripts, plan=plan)
    judge(case, "keyvalue_cas.6")


@check("keyvalue_cas.6")
@gauntlet(lambda limits: [{**racers, "kind": kind} for racers in _racers(limits) for kind in _SWAPS])
async def of_racing_swaps_exactly_one_succeeds(kv: KeyValueCas, case: Case, turns: list[int], shared: bool, kind: str) -> None:
    """However many swap one value, create one key, or delete one value at once, one succeeds and its value stays (KV-14)."""
    slots = await clients(kv, case, [0 if shared else number for number in range(len(turns))])
    case.overlap()
    if kind != "create":
        await kv.set("k0", INITIAL)
    values = [written(number, 0, 1, case.limits.max_payload) for number in range(len(turns))]
    expected = None if kind == "create" else INITIAL

    def call(slot: KeyValueCas, value: bytes) -> Any:
        return slot.compare_and_delete("k0", INITIAL) if kind == "drop" else slot.compare_and_swap("k0", expected, value)

    told = await together(*(_after(call(slot, value), wait) for slot, value, wait in zip(slots, values, turns, strict=True)))
    same("keyvalue_cas.6", sum(map(bool, told)), 1, f"of {len(told)} racing swaps so many say that they succeeded")
    winner = None if kind == "drop" else values[[bool(answer) for answer in told].index(True)]
    same("keyvalue_cas.6", await kv.get("k0"), winner, "after a race the key does not hold what the one that succeeded wrote")


@check("keyvalue_cas.6")
@gauntlet(lambda limits: [{"workers": 4, "rounds": 4, "plan": Plan()}])
@given(workers=st.integers(2, 4), rounds=st.integers(1, 2), plan=PLANS)
async def swaps_count_without_loss(kv: KeyValueCas, case: Case, workers: int, rounds: int, plan: Plan) -> None:
    """Workers that count by swapping, each again until it succeeds, end at the number of successes (KV-23)."""
    slots = await clients(kv, case, [0, *range(workers - 1)])
    await kv.set("k0", b"0")
    case.schedule(plan)

    async def work(slot: KeyValueCas) -> None:
        for _ in range(rounds):
            for _ in range(50 * workers * rounds):
                old = await slot.get("k0")
                if old is None:
                    broken("keyvalue_cas.6", "a counter that is only swapped has gone", expected=b"a number", got=None)
                if await slot.compare_and_swap("k0", old, b"%d" % (int(old) + 1)):
                    break
            else:
                case.inconclusive("a swap did not succeed, though it was tried many times")

    await together(*map(work, slots))
    same("keyvalue_cas.6", await kv.get("k0"), b"%d" % (workers * rounds), "the counter lost or gained steps")


def _even(name: str) -> bool:
    return int(name[1:]) % 2 == 0


async def _after(call: Any, turns: int) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await call
