"""object_storage: calls at once on one object. Each takes effect whole, at one instant, data and metadata as one thing."""

import asyncio
from collections.abc import Iterator
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, value
from prism_suites._objects_asking import BUCKET, PUTS, expect_object, infos, listed, made, signed, source, streamed
from prism_suites._objects_racing import Act, Race
from prism_suites._racing import clients, rounds, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound, ObjectStorage
from prism_testkit.traits import Limits

_WRITES = ("put", "put_stream", "delete", "set_ttl", "expire")
_READS = ("get", "get_stream", "metadata", "list_objects", "exists")
_ON = ((0, 0), (0, 1))


def _pairs(limits: Limits) -> Iterator[dict[str, Any]]:
    """Each pair of calls, the second beginning up to three turns later, with a look after each."""
    writing, reading = (
        [*product(_WRITES, repeat=2)],
        [*product(_WRITES[:3], _READS), *product(_READS[:3], _WRITES[:3])],
    )
    cases = [*product(writing, (True, False), (0, 1, 3)), *product(reading, (True,), (0, 1, 3))]
    for number, ((first, second), present, turns) in enumerate(cases):
        if turns and number % 2:
            continue
        scripts: list[list[Act]] = [[(first, 0, 0), ("get", 0, 0)], [(second, 0, turns), ("metadata", 0, 0)]]
        yield {"present": present, "on": _ON[number // 2 % 2], "scripts": scripts, "length": (1000, 200_000)[number % 7 == 0]}


_acts = st.tuples(st.sampled_from((*_WRITES, *_READS)), st.integers(0, 1), st.integers(0, 3))


@check("object_storage.16", "object_storage.7", "object_storage.14", "object_storage.4")
@gauntlet(_pairs)
@given(
    present=st.booleans(),
    on=st.sampled_from(((0, 0, 1), (0, 1, 2), (0, 1, 1, 0))),
    scripts=st.lists(st.lists(_acts, min_size=1, max_size=6), min_size=3, max_size=3),
    length=st.sampled_from((1, 1000, 70_000)),
)
async def calls_at_once_take_turns(
    store: ObjectStorage, case: Case, present: bool, on: tuple[int, ...], scripts: list[list[Act]], length: int
) -> None:
    """Some order of all calls explains what each was told and what is there afterwards (OB-1, OS-28)."""
    race = Race(case, length=length)
    await race.begin(store, (0, 1) if present else ())
    case.overlap()
    await race.play(await clients(store, case, on[: len(scripts)]), scripts)
    race.judge("object_storage.16")


@check("object_storage.7", "object_storage.16")
@gauntlet(
    lambda limits: [
        {"writers": writers, "size": size, "way": way}
        for writers, size, way in product((1, 3), (1000, 300_000), PUTS)
        if size < limits.max_payload // 2
    ]
)
async def readers_see_one_version_whole(store: ObjectStorage, case: Case, writers: int, size: int, way: str) -> None:
    """Readers of every kind, while others overwrite with other lengths, see data and metadata of one version (OS-27, OB-2)."""
    await store.create_bucket(BUCKET)
    slots = await clients(store, case, range(writers + 1))
    datas = {number: made(size + 997 * number, number) for number in range(12)}
    await store.put(BUCKET, "k", datas[0], **signed(0).keywords)
    case.overlap()
    done = asyncio.Event()

    async def write(writer: int) -> None:
        try:
            for number in range(1 + writer, 12, writers):
                await PUTS[way](slots[writer + 1], "k", datas[number], signed(number))
        finally:
            done.set()

    async def read(slot: Any, how: str) -> None:
        for _ in range(6):
            try:
                got = await (slot.get(BUCKET, "k") if how == "get" else streamed(slot, "k"))
            except (Conflict, ObjectNotFound):
                continue
            if got not in datas.values():
                starts = any(data.startswith(got or b"") for data in datas.values())
                kind = "a part that ends as if it were whole" if starts else "a mixture"
                broken("object_storage.7", f"{how} during an overwrite gives {kind}", expected="a version", got=got)

    async def describe(slot: Any) -> None:
        while not done.is_set():
            try:
                got = await slot.metadata(BUCKET, "k")
            except Conflict:
                continue
            mark = got and dict(got.user_metadata).get("written-by", "")
            if not mark or (got.size, got.content_type) != (len(datas[int(mark)]), f"type/{mark}"):
                broken("object_storage.16", "metadata during an overwrite are of two versions", expected="one version's", got=got)
            for line in await infos(slot):
                if line.size not in map(len, datas.values()):
                    broken("object_storage.8", "a listing tells a size that no version has", expected="a version's", got=line)

    await together(
        *(write(writer) for writer in range(writers)),
        read(store, "get"),
        read(store, "get_stream"),
        read(slots[-1], "get_stream"),
        describe(store),
    )
    final = {(await slot.get(BUCKET, "k")) for slot in slots}
    same("object_storage.16", len(final), 1, "after concurrent puts clients see different objects")
    number = next(number for number, data in datas.items() if data in final)
    await expect_object("object_storage.16", store, "k", datas[number], "after concurrent puts", signed(number))


@check("object_storage.16", "object_storage.8")
@gauntlet(
    lambda limits: [{"writers": writers, "count": count, "way": way} for writers, count, way in product((1, 2, 3), (2, 20), PUTS)]
)
async def many_objects_at_once_are_each_their_own(store: ObjectStorage, case: Case, writers: int, count: int, way: str) -> None:
    """Objects put at the same time, by one client or several, all hold their own data and metadata (OS-29)."""
    await store.create_bucket(BUCKET)
    slots = await clients(store, case, range(writers))
    case.overlap()
    datas = {f"k{number}": made(200 + 313 * number % 90_000, number) for number in range(count)}
    datas = {key: data[: case.limits.max_payload] for key, data in datas.items()}
    await together(
        *(PUTS[way](slots[number % writers], key, data, signed(key)) for number, (key, data) in enumerate(datas.items()))
    )
    got = await together(*(store.get(BUCKET, key) for key in datas))
    for key, data in zip(datas, got, strict=True):
        value("object_storage.16", data, datas[key], "an object put beside others")
    for key, data in datas.items():
        await expect_object("object_storage.16", slots[-1], key, data, "an object put beside others", signed(key))
    same("object_storage.8", sorted(await listed(store)), sorted(datas), "what is listed after puts at once")
    gone = await together(*(slots[number % writers].delete(BUCKET, key) for number, key in enumerate(datas)))
    same("object_storage.4", gone, [True] * count, "deletes of different objects at once")
    same("object_storage.8", sorted(await listed(store)), [], "what is listed after deletes at once")


@check("object_storage.4", "object_storage.16")
@gauntlet(
    lambda limits: [
        {"racers": racers, "call": call} for racers in (2, 3, 8) for call in ("create_bucket", "delete_bucket", "delete")
    ]
)
async def of_many_that_do_the_same_the_effect_is_one(store: ObjectStorage, case: Case, racers: int, call: str) -> None:
    """Created or removed by many at once, a bucket or an object is there, or gone, and at least one of them is told so."""
    slots = await clients(store, case, range(racers))
    for bucket in rounds(case):
        await _does_the_same(case, slots, call, bucket)


async def _does_the_same(case: Case, slots: list[Any], call: str, bucket: str) -> None:
    if call != "create_bucket":
        await slots[0].create_bucket(bucket)
    if call == "delete":
        await slots[0].put(bucket, "k", b"x")
    case.overlap()
    makers = {
        "create_bucket": lambda slot: slot.create_bucket(bucket),
        "delete_bucket": lambda slot: slot.delete_bucket(bucket),
        "delete": lambda slot: slot.delete(bucket, "k"),
    }
    told = await together(*(makers[call](slot) for slot in slots))
    promise = "object_storage.4" if call == "delete" else "object_storage.11"
    if not any(told) or not all(isinstance(answer, bool | int) for answer in told):
        broken(promise, f"{call} by many at once: none of them took effect", expected="at least one True", got=told)
    if call != "delete":
        same(promise, sorted(told), [False] * (len(slots) - 1) + [True], f"{call} by many at once: one alone is the first")
    for slot in slots:
        there = await (slot.exists(bucket, "k") if call == "delete" else slot.bucket_exists(bucket))
        same(promise, there, call == "create_bucket", f"after {call} by many at once")


_OFFSETS = ((0, 0), (0, 1), (0, 2), (0, 4), (1, 0), (2, 0), (4, 0))


@check("object_storage.11", "object_storage.16")
@gauntlet(
    lambda limits: [
        {"way": way, "force": force, "waits": waits, "other": bool(number % 2)}
        for number, (way, force, waits) in enumerate(product((*PUTS, "again"), (False, True), _OFFSETS))
    ]
)
async def a_put_and_the_end_of_its_bucket_take_turns(
    store: ObjectStorage, case: Case, way: str, force: bool, waits: tuple[int, int], other: bool
) -> None:
    """Either the object is put first, and delete_bucket finds it, or the bucket is gone first, and put says so."""
    rival = await case.client() if other else store
    await store.create_bucket(BUCKET)
    if way == "again":
        await store.put(BUCKET, "k", b"old")
        await store.delete(BUCKET, "k")
    if case.server:
        await rival.bucket_exists(BUCKET)  # so that it has a connection, and meets the other call
    case.overlap()

    async def late(turns: int, call: Any) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await call()

    put = PUTS["put" if way == "again" else way]
    answers: Any = await asyncio.gather(
        late(waits[0], lambda: store.delete_bucket(BUCKET, force=force)),
        late(waits[1], lambda: put(rival, "k", b"new", signed("new"))),
        return_exceptions=True,
    )
    gone, known = answers
    for answer, legal in ((gone, Conflict), (known, BucketNotFound)):
        if isinstance(answer, BaseException) and not isinstance(answer, legal):
            raise answer
    refused, missed = isinstance(gone, Conflict), isinstance(known, BucketNotFound)
    if refused and (missed or force):
        broken(
            "object_storage.11", "delete_bucket found objects, and put no bucket, or force did not help", expected=True, got=gone
        )
    if not refused and not missed and not force:
        sentence = "delete_bucket without force, and a put at once: both say that they took place"
        broken("object_storage.11", sentence, expected="Conflict or BucketNotFound", got=(gone, known))
    same("object_storage.11", await store.bucket_exists(BUCKET), refused, "whether the bucket is there afterwards")
    if refused:
        await expect_object("object_storage.11", store, "k", b"new", "delete_bucket was refused", signed("new"))
    else:
        same("object_storage.11", await store.create_bucket(BUCKET), True, "create_bucket after delete_bucket")
        same("object_storage.11", sorted(await listed(rival)), [], "a bucket that was deleted and made again is not empty")
        await rival.put_stream(BUCKET, "k", source([b"la", b"ter"]))
        value("object_storage.1", await store.get(BUCKET, "k"), b"later", "a put into the bucket that was made again")


@check("object_storage.4", "object_storage.16", "object_storage.14")
@gauntlet(lambda limits: [{"way": way, "other": bool(number % 2)} for number, way in enumerate(PUTS)])
async def what_goes_takes_no_neighbour_along(store: ObjectStorage, case: Case, way: str, other: bool) -> None:
    """While the only object of a folder is deleted, another one is put into it: that one is there, and the put knows no folder."""
    rival = await case.client() if other else store
    await store.create_bucket(BUCKET)
    case.overlap()

    async def late(turns: int, call: Any) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await call()

    for number, waits in enumerate(_OFFSETS):
        old, new = f"{number}/folder/old", f"{number}/folder/new"
        await store.put(BUCKET, old, b"old")
        with case.law("object_storage.4"):
            gone, _ = await together(
                late(waits[0], lambda old=old: store.delete(BUCKET, old)),
                late(waits[1], lambda new=new, number=number: PUTS[way](rival, new, b"new", signed(number))),
            )
        same("object_storage.4", gone, True, "delete of the only object of a folder, while another one comes")
        sentence = "an object put beside another one that was deleted"
        await expect_object("object_storage.4", store, new, b"new", sentence, signed(number))
        same("object_storage.4", sorted(await listed(rival, f"{number}/")), [new], f"{sentence}: what is listed")
