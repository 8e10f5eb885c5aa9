"""object_storage: what is longer than any chunk that a store may move at a time is one object all the same, whatever is done to it.

A store keeps what is long in parts, or reads it in ranges, and each call that changes it or reads on has to do with all of them.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from prism_suites._judging import broken, refused, same, truth
from prism_suites._objects_asking import BUCKET, LONGEST_CHUNK, PUTS, Given, drained, expect_object, listed, made, signed
from prism_suites._objects_gated import Gated, reached
from prism_suites._racing import clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, ObjectNotFound, ObjectStorage, ObjectStorageConditional

_MIB = 1 << 20
_SHIFT = 1009
_FULL = Given("t" * 500, "e" * 500, {f"{number:03}": "v" for number in range(200)})
"""A description so long that a store may keep it elsewhere than a short one."""


def _long(case: Case, seed: int = 0) -> bytes:
    """Return just more than a chunk may have, or as much as there may be; another seed differs almost everywhere."""
    data = made(min(LONGEST_CHUNK + 1, case.limits.max_payload))
    return data[seed * _SHIFT :] + data[: seed * _SHIFT]


def _chunks(data: bytes) -> list[bytes]:
    return [data[start : start + _MIB] for start in range(0, len(data), _MIB)]


@check("object_storage.9", "object_storage.5", "object_storage.1")
async def a_long_object_with_a_deadline_is_the_same(store: ObjectStorage, case: Case) -> None:
    """A deadline, given twice, changes neither a byte nor a word of a long object; it is told."""
    data = _long(case)
    await store.create_bucket(BUCKET)
    known = await store.put(BUCKET, "k", data, **_FULL.keywords)
    for ttl_s in (1e6, 2e6):
        truth("object_storage.9", await store.set_ttl(BUCKET, "k", ttl_s), True, "set_ttl of a long object")
    sentence = "a long object with a deadline"
    got = await expect_object("object_storage.1", store, "k", data, sentence, _FULL, lives=True, known=known)
    if got.expires_at_ms is None:
        broken("object_storage.9", "set_ttl of a long object set no deadline", expected="an instant", got=None)


class _SourceFailed(Exception):
    """What the application's own source raises."""


async def _failing(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise _SourceFailed("the source of the chunks failed, as planned")


@check("object_storage.6", "object_storage.17")
@gauntlet(lambda limits: [{"how": how} for how in ("its source fails", "it is cancelled")])
async def a_long_stream_that_is_broken_off_stores_nothing(store: ObjectStorage, case: Case, how: str) -> None:
    """However much of a stream came before it failed, nothing is seen of it, and the old object stays (OB-11)."""
    chunks, promise = _chunks(_long(case)), "object_storage.6"
    await store.create_bucket(BUCKET)
    known = await PUTS["put"](store, "k", b"old", signed("old"))
    if how == "its source fails":
        call = store.put_stream(BUCKET, "k", _failing(chunks), **signed("new").keywords)
        await refused(promise, call, _SourceFailed, "a long stream whose source fails")
    else:
        promise = "object_storage.17"
        gated = Gated(chunks)
        task = asyncio.ensure_future(store.put_stream(BUCKET, "k", gated, **signed("new").keywords))
        await reached(gated, task)
        task.cancel()
        await asyncio.wait([task])
        truth(promise, task.cancelled(), True, "a long stream that was cancelled before its end ends by that")
    sentence = f"a long stream is broken off: {how}"
    await expect_object(promise, store, "k", b"old", sentence, signed("old"), known=known)
    same("object_storage.8", sorted(await listed(store)), ["k"], f"{sentence}: what is listed")


_MEANWHILE = ("put of the same length", "set_ttl", "set_ttl and put_stream of the same length")


@check("object_storage.7")
@gauntlet(lambda limits: [{"write": write, "other": bool(number % 2)} for number, write in enumerate(_MEANWHILE)])
async def a_long_read_gives_one_version(store: ObjectStorage, case: Case, write: str, other: bool) -> None:
    """An object of which more is to come behind the first chunk, however long that is, is changed then: the stream gives the old
    version whole, or raises (OS-27)."""
    old, new = _long(case), _long(case, 3)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", old, **signed("old").keywords)
    rival = await case.client() if other else store
    iterator: Any = store.get_stream(BUCKET, "k")
    got = [await anext(iterator)]
    while not got[-1]:  # with nothing given yet it may be of any version
        got.append(await anext(iterator))
    if write.startswith("set_ttl"):
        truth("object_storage.9", await rival.set_ttl(BUCKET, "k", 1e6), True, "set_ttl of an object that is read")
    if "put" in write:
        way = "put_stream" if "stream" in write else "put"
        await PUTS[way](rival, "k", new, signed("new"))
    try:
        got += await drained(iterator)
    except (Conflict, ObjectNotFound):
        return
    whole = b"".join(got)
    if whole != old:
        shorter = min(len(old), len(whole))
        alike = next((at for at in range(shorter) if old[at] != whole[at]), shorter)
        what = "a part that ends as if it were whole" if alike == len(whole) else f"a mixture, another one from byte {alike} on"
        broken("object_storage.7", f"{write}, after the first chunk of a long stream: it gave {what}", expected=old, got=whole)


@check("object_storage_conditional.2", "object_storage_conditional.1")
async def of_two_that_create_a_long_object_one_wins(store: ObjectStorageConditional, case: Case) -> None:
    """Of two creations at once, each longer than a chunk may be, one is told True, and its object is there (OS-31)."""
    await store.create_bucket(BUCKET)
    slots, datas = await clients(store, case, (0, 1)), [_long(case, seed) for seed in (0, 3)]
    case.overlap()
    told = await together(
        *(
            slot.put_if_absent(BUCKET, "k", data, **signed(number).keywords)
            for number, (slot, data) in enumerate(zip(slots, datas, strict=True))
        )
    )
    if sorted(told) != [False, True]:
        sentence = f"two created one long object at once, and {sum(told)} were told that they did"
        broken("object_storage_conditional.2", sentence, expected="exactly one True", got=told)
    winner, sentence = told.index(True), "the long object that one of two created"
    await expect_object("object_storage_conditional.2", slots[-1], "k", datas[winner], sentence, signed(winner))
