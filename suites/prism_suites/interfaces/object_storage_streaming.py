"""object_storage: streams that take long, or come at the same time, are each stored whole, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any

from prism_suites._judging import broken, same, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, expect_object, listed, made, signed, source
from prism_suites._racing import clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.strategies import joined_pairs
from prism_testkit.traits import Limits

_SIZES = (4, 3000, 200_000)


async def _slow(chunks: list[bytes], number: int) -> AsyncIterator[bytes]:
    """Iterate over chunks at a pace of one's own; the first stream begins at once and keeps its last chunk back."""
    for place, chunk in enumerate(chunks):
        last = place + 1 == len(chunks)
        for _ in range(80 if not number and last else 2 * number):
            await asyncio.sleep(0)
        yield chunk


def _cut(data: bytes, parts: int) -> list[bytes]:
    step = len(data) // parts + 1
    return [data[start : start + step] for start in range(0, len(data), step)]


def _together(limits: Limits) -> Iterator[dict[str, Any]]:
    for size, count, same_key, on in product(_SIZES, (2, 3, 7), (True, False), (1, 3)):
        if size * 2 <= limits.max_payload:
            yield {"size": size, "count": count, "same_key": same_key, "on": on}


@check("object_storage.3", "object_storage.16")
@gauntlet(lambda limits: [{"pairs": pairs} for pairs in joined_pairs("a", "b", "c", limits.max_name)])
async def streams_at_once_of_joined_names_do_not_mix(
    store: ObjectStorage, case: Case, pairs: tuple[tuple[str, str], tuple[str, str]]
) -> None:
    """Streams to ``b/c`` in ``a`` and to ``c`` in ``a/b``, whose chunks come by turns, are two, whatever joins the names."""
    for bucket, _ in pairs:
        await store.create_bucket(bucket)
    datas = {pair: made(min(3000, case.limits.max_payload - 40) + 31 * number, number + 1) for number, pair in enumerate(pairs)}
    await together(
        *(
            store.put_stream(bucket, key, _slow(_cut(data, 3), number), **signed(number).keywords)
            for number, ((bucket, key), data) in enumerate(datas.items())
        )
    )
    for number, ((bucket, key), data) in enumerate(datas.items()):
        sentence = "one of two streams at once, whose names join to the same text"
        await expect_object("object_storage.3", store, key, data, sentence, signed(number), bucket=bucket)


@check("object_storage.16", "object_storage.6")
@gauntlet(_together)
async def streams_at_once_do_not_mix(store: ObjectStorage, case: Case, size: int, count: int, same_key: bool, on: int) -> None:
    """Of streams to one key, whose chunks come by turns, one is there as a whole; streams to others are all there (OS-45)."""
    await store.create_bucket(BUCKET)
    slots = await clients(store, case, [number % on for number in range(count)])
    case.overlap()
    datas = [made(size + 31 * number, number + 1)[: case.limits.max_payload] for number in range(count)]
    keys = ["k" if same_key else f"k{number}" for number in range(count)]
    known = await together(
        *(
            slot.put_stream(BUCKET, key, _slow(_cut(data, 3 + number % 2), number), **signed(number).keywords)
            for number, (slot, key, data) in enumerate(zip(slots, keys, datas, strict=True))
        )
    )
    same("object_storage.8", sorted(await listed(store)), sorted(set(keys)), "what is listed after streams at once")
    for slot in (slots[0], slots[-1]):
        for number, key in enumerate(keys):
            if not same_key:
                sentence = "one of several streams at once"
                await expect_object("object_storage.6", slot, key, datas[number], sentence, signed(number), known=known[number])
        if same_key:
            got = await slot.get(BUCKET, "k")
            if got not in datas:
                broken("object_storage.16", "streams to one key at once left a mixture", expected="one of them whole", got=got)
            winner = datas.index(got)
            await expect_object(
                "object_storage.16", slot, "k", got, "streams to one key at once", signed(winner), known=known[winner]
            )


@check("object_storage.6", "object_storage.10")
@gauntlet(
    lambda limits: [
        {"size": size, "between_s": between_s, "meanwhile": meanwhile}
        for size, between_s, meanwhile in product(
            (30, 300_000), (1.0, 100.0, 3600.0), ("nothing", "a client", "writes", "failures")
        )
        if size <= limits.max_payload
    ]
)
async def a_slow_stream_is_stored_in_the_end(store: ObjectStorage, case: Case, size: int, between_s: float, meanwhile: str) -> None:
    """A source may take hours, over the deadline of the old object and whatever else is cleaned up meanwhile."""
    if not case.clock.virtual:
        between_s = 0.0
    times = Times(case)
    data = made(size)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", b"old", **signed("old").keywords)
    await store.set_ttl(BUCKET, "k", max(between_s * 2.5, 1.0))

    async def chunks() -> AsyncIterator[bytes]:
        for number, chunk in enumerate(_cut(data, 5)):
            yield chunk
            await times.move(between_s)
            await _meanwhile(store, case, meanwhile, number)

    said = signed("new")
    known = await store.put_stream(BUCKET, "k", chunks(), size=len(data), **said.keywords)
    sentence = f"a stream with {between_s:g} s between its chunks, and {meanwhile} meanwhile"
    await expect_object("object_storage.6", store, "k", data, sentence, said, known=known)
    await times.move(between_s * 20)
    await expect_object("object_storage.10", await case.client(), "k", data, f"{sentence}, later", said, known=known)


async def _failing() -> AsyncIterator[bytes]:
    yield b"a part"
    raise OSError("the source failed")


async def _meanwhile(store: Any, case: Case, what: str, number: int) -> None:
    """Do something that gives a store an occasion to clean up."""
    match what:
        case "a client":
            other = await case.client()
            await other.get(BUCKET, "k")
            await listed(other)
        case "writes":
            await store.put(BUCKET, f"other{number}", b"x")
            await store.put_stream(BUCKET, "other", source([b"x", b"y"]))
            await store.delete(BUCKET, f"other{number}")
            await store.create_bucket(f"bucket {number}")
            await store.delete_bucket(f"bucket {number}", force=True)
        case "failures":
            try:
                await store.put_stream(BUCKET, "failing", _failing())
            except OSError:
                return
            broken("object_storage.6", "a stream that failed was stored", expected="OSError", got="an answer")


@check("object_storage.7", "object_storage.9")
@gauntlet(
    lambda limits: [{"size": size, "between_s": between_s} for size in (300_000, 3 << 20) for between_s in (1.0, 100.0, 3600.0)]
)
async def a_slow_reader_reads_one_version(store: ObjectStorage, case: Case, size: int, between_s: float) -> None:
    """A reader may take hours between two chunks: while nothing changes it reads to the end."""
    times = Times(case)
    data = made(min(size, case.limits.max_payload))
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", data)
    parts = []
    async for chunk in store.get_stream(BUCKET, "k"):
        parts.append(chunk)
        if len(parts) < 8:
            await times.move(between_s)
            await store.put(BUCKET, "other", b"%d" % len(parts))
            await store.delete(BUCKET, "other")
    value("object_storage.7", b"".join(parts), data, f"read with {between_s:g} s between the chunks")
