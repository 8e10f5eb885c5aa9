"""object_storage_conditional: of many that create one object exactly one wins, and its object is the one that is there."""

import asyncio
from collections.abc import Iterator
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, expect_object, listed, made, signed
from prism_suites._objects_racing import Act, Race
from prism_suites._racing import clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorageConditional
from prism_testkit.traits import Limits

_TWO = "object_storage_conditional.2"
_STATES = ("new", "deleted", "expired")


def _contests(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (racers, state) in enumerate(product((2, 3, 5, 16), _STATES)):
        for on in (1, 2, 4):
            yield {"racers": racers, "state": state, "on": on, "length": (10, 70_000)[number % 2]}


@check(_TWO, "object_storage_conditional.1")
@gauntlet(_contests)
async def of_many_creators_one_wins(
    store: ObjectStorageConditional, case: Case, racers: int, state: str, on: int, length: int
) -> None:
    """Exactly one is told True, and data and metadata are its own, whatever lengths they have (OS-31, OB-6)."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    if state != "new":
        await store.put(BUCKET, "k", b"old", **signed("old").keywords)
    if state == "deleted":
        await store.delete(BUCKET, "k")
    if state == "expired":
        _, now = await times.during(store.set_ttl(BUCKET, "k", 5))
        if not await times.past(now.after(5)):
            return
    slots = await clients(store, case, [number % on for number in range(racers)])
    case.overlap()
    datas = [made(min(length, case.limits.max_payload - racers) + number, number) for number in range(racers)]
    told = await together(
        *(
            slot.put_if_absent(BUCKET, "k", data, **signed(number).keywords)
            for number, (slot, data) in enumerate(zip(slots, datas, strict=True))
        )
    )
    winners = [number for number, answer in enumerate(told) if answer]
    if len(winners) != 1:
        sentence = f"{racers} created one object, {state}, at once, and {len(winners)} were told that they did"
        broken(_TWO, sentence, expected="exactly one True", got=told)
    for slot in (slots[0], slots[-1]):
        sentence = f"the object that one of {racers} created"
        await expect_object(_TWO, slot, "k", datas[winners[0]], sentence, signed(winners[0]))
    again = await together(*(slot.put_if_absent(BUCKET, "k", b"late") for slot in slots))
    same("object_storage_conditional.1", any(again), False, "put_if_absent at once, of a present object")
    same("object_storage.8", sorted(await listed(store)), ["k"], "what is listed after a contest")


@check(_TWO)
@gauntlet(lambda limits: [{"keys": keys, "on": on} for keys in (8, 40) for on in (1, 3)])
async def many_contests_at_once_have_a_winner_each(store: ObjectStorageConditional, case: Case, keys: int, on: int) -> None:
    """Contests for several objects at the same time do not mix."""
    await store.create_bucket(BUCKET)
    slots = await clients(store, case, range(on))
    case.overlap()
    entries = [(key, racer) for racer in range(3) for key in range(keys)]
    told = await together(
        *(
            slots[(key + racer) % on].put_if_absent(BUCKET, f"k{key}", b"%d %d" % (key, racer), content_type=f"{racer}")
            for key, racer in entries
        )
    )
    for key in range(keys):
        winners = [racer for (other, racer), answer in zip(entries, told, strict=True) if other == key and answer]
        if len(winners) != 1:
            broken(_TWO, f"of 3 that created k{key} at once {len(winners)} won", expected="exactly one", got=winners)
        got = await store.get(BUCKET, f"k{key}")
        known = await store.metadata(BUCKET, f"k{key}")
        same(_TWO, (got, known and known.content_type), (b"%d %d" % (key, winners[0]), f"{winners[0]}"), "the winner's object")


_OTHERS = ("put", "put_stream", "delete", "set_ttl", "expire", "put_if_absent", "get", "metadata", "list_objects")


def _pairs(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (other, present, turns) in enumerate(product(_OTHERS, (True, False), (0, 1, 2, 3, 5))):
        create, rival = ("put_if_absent", 0, 0), (other, 0, turns)
        scripts: list[list[Act]] = [[create, ("get", 0, 0)], [rival, ("put_if_absent", 0, 0)]]
        yield {"present": present, "scripts": scripts, "on": ((0, 0), (0, 1))[number % 2]}
        if turns and number % 2:
            continue
        scripts = [[("put_if_absent", 0, turns), ("metadata", 0, 0)], [(other, 0, 0)]]
        yield {"present": present, "scripts": scripts, "on": ((0, 1), (0, 0))[number % 2]}


_acts = st.tuples(st.sampled_from(("put_if_absent", "put_if_absent", *_OTHERS)), st.integers(0, 1), st.integers(0, 3))


@check("object_storage_conditional.1", "object_storage_conditional.2", "object_storage.16")
@gauntlet(_pairs)
@given(
    present=st.booleans(),
    on=st.sampled_from(((0, 0, 1), (0, 1, 2))),
    scripts=st.lists(st.lists(_acts, min_size=1, max_size=6), min_size=3, max_size=3),
)
async def creations_take_turns_with_other_writes(
    store: ObjectStorageConditional, case: Case, present: bool, on: tuple[int, ...], scripts: list[list[Act]]
) -> None:
    """Some order of all calls explains who created, who did not, and what is there afterwards (OB-6)."""
    race = Race(case)
    await race.begin(store, (0, 1) if present else ())
    case.overlap()
    await race.play(await clients(store, case, on[: len(scripts)]), scripts)
    race.judge("object_storage_conditional.1")


_BESIDE = [(begins, ends) for begins in (0, 1, 2) for ends in (1, 2, 3, 5) if begins < ends]
"""When the second creation begins, and when the first one is cancelled, in turns behind the begin of that."""


@check("object_storage_conditional.1", _TWO, "object_storage_conditional.4")
@gauntlet(lambda limits: [{"other": other, "length": length} for other, length in product((False, True), (10, 70_000))])
async def whoever_met_a_cancelled_creation_is_told_the_truth(
    store: ObjectStorageConditional, case: Case, other: bool, length: int
) -> None:
    """Of two that create one object the first is cancelled: the second is told that the object is there only if it is."""
    rival = await case.client() if other else store
    await store.create_bucket(BUCKET)
    case.overlap()
    for number, (begins, ends) in enumerate(_BESIDE):
        key, datas = f"k{number}", [made(min(length, case.limits.max_payload), seed) for seed in (1, 2)]
        first = asyncio.ensure_future(store.put_if_absent(BUCKET, key, datas[0], **signed(1).keywords))
        second = None
        for turn in range(ends):
            if turn == begins:
                second = asyncio.ensure_future(rival.put_if_absent(BUCKET, key, datas[1], **signed(2).keywords))
            await asyncio.sleep(0)
        first.cancel()
        assert second is not None
        told: Any = await asyncio.gather(first, second, return_exceptions=True)
        if isinstance(told[1], BaseException):
            raise told[1]
        created = [answer is True for answer in told]
        sentence = "put_if_absent beside one that was cancelled"
        if all(created):
            broken(_TWO, f"{sentence}: both were told that they created it", expected="one True", got=created)
        if not created[1] and await rival.get(BUCKET, key) is None:
            broken(
                "object_storage_conditional.1", f"{sentence} returned False, and there is no object", expected="an object", got=None
            )
        winner = 2 if created[1] else 1
        sentence = "the object that one of two created, of whom the first was cancelled"
        await expect_object(_TWO, rival, key, datas[winner - 1], sentence, signed(winner))
