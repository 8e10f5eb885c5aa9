"""Times to live and batches under concurrency: each key of them is linearizable among the plain calls."""

from collections.abc import Iterator
from typing import Any, Protocol

from prism_suites._judging import same
from prism_suites._racing import INITIAL, Call, clients, judge, offsets, play, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueTtl
from prism_testkit.traits import Limits


class TtlAndCas(KeyValueTtl, KeyValueCas, Protocol):
    """Swaps of keys with a time to live."""


class BatchAndCas(KeyValueBatch, KeyValueCas, Protocol):
    """Swaps of keys that are in a batch."""


_TTL = {"expire": "keyvalue_ttl.7", "persist": "keyvalue_ttl.8", "set_with_ttl": "keyvalue_ttl.3"}
_BATCH = {"batch_set": "keyvalue_batch.1", "batch_get": "keyvalue_batch.2", "batch_delete": "keyvalue_batch.3"}


def _crossed(kinds: dict[str, str], others: tuple[str, ...], before: str = "") -> Iterator[dict[str, Any]]:
    """Yield every pair of one of ``kinds`` and one of ``others``, either first; ``before`` puts the key into a state."""
    for kind, promise in kinds.items():
        for case in [*offsets((kind,), others, True, ((0, 1),)), *offsets(others, (kind,), True, ((0, 1),))]:
            yield {**case, "promise": promise, "before": before}


def _lives(limits: Limits) -> Iterator[dict[str, Any]]:
    yield from _crossed(_TTL, ("set", "delete", "expire"))
    yield from _crossed({"persist": _TTL["persist"]}, ("set", "delete", "set_with_ttl", "persist"), "expire")


def _swapped_lives(limits: Limits) -> Iterator[dict[str, Any]]:
    yield from _crossed(_TTL, ("swap", "drop"))


def _batches(limits: Limits) -> Iterator[dict[str, Any]]:
    yield from _crossed(_BATCH, ("set", "delete", "batch_set", "batch_delete"))


def _swapped_batches(limits: Limits) -> Iterator[dict[str, Any]]:
    yield from _crossed({kind: _BATCH[kind] for kind in ("batch_set", "batch_delete")}, ("swap", "drop"))


async def _race(
    kv: Any, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]], promise: str, before: str
) -> None:
    if before:
        await kv.set("k0", INITIAL)
        await kv.expire("k0", 1e8)
        present = [False]
    await play(case, await clients(kv, case, on), present or [True], scripts)
    if hasattr(kv, "ttl") and await kv.exists("k0"):
        await kv.ttl("k0")
    judge(case, promise)


@check("keyvalue_ttl.3", "keyvalue_ttl.7", "keyvalue_ttl.8")
@gauntlet(_lives)
async def a_life_is_given_and_taken_at_one_instant(
    kv: KeyValueTtl, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]], promise: str, before: str
) -> None:
    """`expire` and `persist` that overlap a write neither bring an old value back nor revive what was deleted."""
    await _race(kv, case, present, on, scripts, promise, before)


@check("keyvalue_ttl.3", "keyvalue_ttl.7", "keyvalue_ttl.8")
@gauntlet(_swapped_lives)
async def a_swap_and_a_life_agree_on_an_order(
    kv: TtlAndCas, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]], promise: str, before: str
) -> None:
    """`expire`, `persist` and `set_with_ttl` that overlap a swap do not undo it."""
    await _race(kv, case, present, on, scripts, promise, before)


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3")
@gauntlet(_batches)
async def each_item_of_a_batch_has_its_instant(
    kv: KeyValueBatch, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]], promise: str, before: str
) -> None:
    """A batch that overlaps other writes leaves each of its keys as a single call would."""
    await _race(kv, case, present, on, scripts, promise, before)


@check("keyvalue_batch.1", "keyvalue_batch.3")
@gauntlet(_swapped_batches)
async def a_swap_and_a_batch_agree_on_an_order(
    kv: BatchAndCas, case: Case, present: list[bool], on: tuple[int, ...], scripts: list[list[Call]], promise: str, before: str
) -> None:
    """A swap that overlaps a batch takes effect before it or after it, for their key."""
    await _race(kv, case, present, on, scripts, promise, before)


@check("keyvalue_batch.3")
@gauntlet(lambda limits: [{"count": count, "shared": shared} for count in (2, 5) for shared in (True, False)])
async def racing_batch_deletes_count_each_key_once(kv: KeyValueBatch, case: Case, count: int, shared: bool) -> None:
    """Of batches that delete the same keys at once each key is counted by exactly one."""
    names = [f"k{number}" for number in range(7)]
    slots = await clients(kv, case, [0 if shared else number for number in range(count)])
    case.overlap()
    await kv.batch_set(dict.fromkeys(names, INITIAL))
    told = await together(*(slot.batch_delete(names[number % 2 :]) for number, slot in enumerate(slots)))
    same("keyvalue_batch.3", sum(told), len(names), f"{count} racing batch deletes of {len(names)} keys count so many together")
    same("keyvalue_batch.2", await kv.batch_get(names), {}, "keys are there after racing batch deletes")


@check("keyvalue_batch.2")
@gauntlet(lambda limits: [{"count": 60}])
async def batches_at_once_get_their_own_answers(kv: KeyValueBatch, case: Case, count: int) -> None:
    """Of 60 batches at once on one client each gets the values of its own keys."""
    groups = [{f"n{number}-{item}": b"%d.%d" % (number, item) for item in range(number % 5 + 1)} for number in range(count)]
    await together(*(kv.batch_set(group) for group in groups))
    told = await together(*(kv.batch_get([*group, "missing"]) for group in groups))
    for group, got in zip(groups, told, strict=True):
        same("keyvalue_batch.2", got, group, f"among {count} batches at once one was given other items than its own")
    counted = await together(*(kv.batch_delete([*group, "missing"]) for group in groups))
    same(
        "keyvalue_batch.3", counted, [len(group) for group in groups], f"{count} batch deletes at once count other keys than theirs"
    )


_SIZES = (100, 400, 1000)
_LONG_ENOUGH_S = 0.02


async def _names_of_a_long_batch(kv: KeyValueBatch, case: Case) -> list[str]:
    """Return so many names that a batch of them takes a while, in which another one can meet it: on a fast server that is many."""
    keys: list[str] = []
    for size in _SIZES if case.server else _SIZES[:1]:
        keys = [f"k{number}" for number in range(size)]
        began_s = case.clock.now_s()
        await kv.batch_set(dict.fromkeys(keys, b""))
        if case.clock.now_s() - began_s > _LONG_ENOUGH_S:
            break
    return keys


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3")
async def batches_that_cross_all_end_well(kv: KeyValueBatch, case: Case) -> None:
    """Batches of the same keys in different orders, at once: none of them is refused because of another, nor stands in its way."""
    keys = await _names_of_a_long_batch(kv, case)
    orders = [keys, keys[::-1], sorted(keys, key=lambda key: key[::-1])]
    slots = await clients(kv, case, (0, 1, 2))
    case.overlap()
    writers = [
        slot.batch_set(dict.fromkeys(order, b"%d" % place)) for place, (slot, order) in enumerate(zip(slots, orders, strict=True))
    ]
    with case.law("keyvalue_batch.1"):
        await together(*writers)
    found = await kv.batch_get(keys)
    same("keyvalue_batch.1", sorted(found), sorted(keys), "keys are missing behind batches that wrote them at once")
    others = set(found.values()) - {b"%d" % place for place in range(len(slots))}
    same("keyvalue_batch.2", others, set(), "behind batches at once a key has a value that none of them wrote")
    with case.law("keyvalue_batch.3"):
        told = await together(*(slot.batch_delete(order) for slot, order in zip(slots, orders, strict=True)))
    same("keyvalue_batch.3", sum(told), len(keys), "batch deletes of the same keys at once count so many together")
