"""object_storage: what was put is read back, byte for byte, of any length and however it was cut into chunks."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from hypothesis import given

from prism_suites._buffers import ANY_BUFFERS
from prism_suites._judging import same, value
from prism_suites._objects_asking import (
    BUCKET,
    LONGEST_CHUNK,
    MOST,
    PUTS,
    expect_object,
    listed,
    made,
    one_buffer,
    source,
    streamed,
    told,
)
from prism_suites._objects_asking import NOTHING as NO
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.strategies import checksum_twins, gauntlet_payloads, sizes
from prism_testkit.strategies.hypothesis_strategies import payloads
from prism_testkit.traits import Limits

_BATCH = 48
_LARGE = tuple(around for power in range(13, 23) for around in ((1 << power) - 1, 1 << power, (1 << power) + 1))
_EVERY_WAY = 140_000
"""Bytes: so long an object, if its length is a power of two, is written by every way; the others by one way each."""
_TELLING = (255_000, 256_000, 1_000_000, 3 * 65536 + 1, 5 * 65536, 3 << 20, (3 << 20) + 1)
_PAGES = tuple(whole + more for whole in (4 * 255 << 10, 1260 << 10, 3_000_000) for more in (-1, 0, 1))
"""Lengths around multiples of what pages may have that are no power of two: of 255 KiB, of every number of KiB up to 10 and of
most up to 70, and of every round number of bytes."""


def _small(limits: Limits) -> Iterator[dict[str, Any]]:
    texts = list(gauntlet_payloads(limits.max_payload, most=4200))
    for start in range(0, len(texts), _BATCH):
        yield {"texts": texts[start : start + _BATCH]}


@check("object_storage.1")
@gauntlet(_small)
@given(texts=payloads().map(lambda data: [data]))
async def what_was_put_is_read(store: ObjectStorage, texts: list[bytes]) -> None:
    """Every kind of data is read back as it was, by both ways to read, with its true size in listings (OS-01, OB-3)."""
    await store.create_bucket(BUCKET)
    for number, data in enumerate(texts):
        key = f"k{number}"
        way = "put_stream" if number % 2 else "put"
        known = await PUTS[way](store, key, data)
        value("object_storage.1", await store.get(BUCKET, key), data, "get returned something else than was put")
        told("object_storage.5", known, data, NO, way)
    for number, data in enumerate(texts):
        value("object_storage.1", await streamed(store, f"k{number}"), data, "get_stream gave something else than was put")
    found = {key: line.size for key, line in (await listed(store)).items()}
    same("object_storage.8", found, {f"k{n}": len(data) for n, data in enumerate(texts)}, "listed sizes are not the true ones")


@check("object_storage.1", "object_storage.3")
@gauntlet(lambda limits: [{"size": size} for size in (100, 1100, 5000, 70_000, 300_000) if size <= limits.max_payload])
async def objects_alike_but_for_one_byte_are_two(store: ObjectStorage, size: int) -> None:
    """Objects of one size that differ in their first, middle or last byte, or have one checksum, hold their own data, side by side
    and one after the other (OS-01, OS-10)."""
    first = made(size)
    datas = {"": first} | {f", which have one {name}": data for name, data in checksum_twins(first).items()}
    for place in (0, size // 2, size - 1):
        changed = first[:place] + bytes([first[place] ^ 1]) + first[place + 1 :]
        datas[f", which differ in byte {place}"] = changed
    await store.create_bucket(BUCKET)
    for number, data in enumerate(datas.values()):
        await list(PUTS.values())[number % len(PUTS)](store, f"k{number}", data)
    for number, (alike, data) in enumerate(datas.items()):
        value("object_storage.1", await store.get(BUCKET, f"k{number}"), data, f"objects side by side of one size{alike}")
    for number, (alike, data) in enumerate(datas.items()):
        await list(PUTS.values())[(number + 1) % len(PUTS)](store, "k0", first)
        await list(PUTS.values())[number % len(PUTS)](store, "k0", data)
        value("object_storage.1", await store.get(BUCKET, "k0"), data, f"an object over one of its size{alike}")


def _long(limits: Limits) -> Iterator[dict[str, Any]]:
    limit = min(limits.max_payload, MOST + 1)
    chosen = sorted(size for size in {*_LARGE, *_TELLING, *_PAGES, *sizes(limit)} if 4200 < size <= limit)
    for number, size in enumerate(chosen):
        ways = list(PUTS)[number % 3 :][:1]
        if size in (*_TELLING, *_PAGES):  # at once, so that a part ends where a page does
            ways = [("put", "put_stream with size")[number % 2]]
        elif size <= _EVERY_WAY and size & (size - 1) == 0:
            ways = list(PUTS)
        for way in ways:
            yield {"size": size, "way": way}


@check("object_storage.1", "object_storage.5")
@gauntlet(_long)
async def an_object_may_be_long(store: ObjectStorage, case: Case, size: int, way: str) -> None:
    """Objects around every power of two, where chunks and buffers end, are whole, by every way to write and read (OS-01)."""
    await store.create_bucket(BUCKET)
    data = made(size)
    known = await PUTS[way](store, "k", data)
    value("object_storage.1", await store.get(BUCKET, "k"), data, f"get of {size} bytes by {way}")
    value("object_storage.1", await streamed(store, "k"), data, f"get_stream of {size} bytes by {way}")
    told("object_storage.5", known, data, NO, way)
    same("object_storage.8", (await listed(store))["k"].size, size, "a long object is listed with another size")


_HUGE = [
    {"sizes": [LONGEST_CHUNK + 1], "way": "put"},
    {"sizes": [LONGEST_CHUNK + 1], "way": "put_stream"},
    {"sizes": [1 << 20] * 8 + [2], "way": "put_stream"},
]


@check("object_storage.18", "object_storage.1")
@gauntlet(lambda limits: _HUGE)
async def no_chunk_is_over_8_mib(store: ObjectStorage, case: Case, sizes: list[int], way: str) -> None:
    """An object just over 8 MiB comes whole, in chunks of at most 8 MiB, whether it was put at once, as one chunk or as many."""
    if sum(sizes) > case.limits.max_payload:
        case.note("no object may be over 8 MiB here, so that no chunk can be")
        sizes = [case.limits.max_payload]
    data, parts = made(sum(sizes)), list[memoryview]()
    for size in sizes:
        start = sum(map(len, parts))
        parts.append(memoryview(data)[start : start + size])
    await store.create_bucket(BUCKET)
    await (store.put(BUCKET, "k", data) if way == "put" else store.put_stream(BUCKET, "k", source(parts)))
    value("object_storage.1", await streamed(store, "k"), data, f"get_stream of an object over 8 MiB, by {way}")
    value("object_storage.1", await store.get(BUCKET, "k"), data, f"get of an object over 8 MiB, by {way}")


_CUTS: dict[str, tuple[int, ...]] = {
    "no chunk": (),
    "one empty": (0,),
    "only empty ones": (0, 0, 0),
    "empty first": (0, 5),
    "empty in between": (5, 0, 7),
    "empty last": (5, 0),
    "empty around": (0, 0, 1, 0, 0, 1, 0, 0),
    "single bytes": (1,) * 300,
    "one": (1000,),
    "small then large": (1, 70_000),
    "large then small": (70_000, 1),
    "two of a chunk": (65536, 65536),
    "off by one": (65535, 1, 65537, 1),
    "growing": tuple(range(40)),
    "shrinking": tuple(range(40, -1, -1)),
    "many": (100,) * 1001,
    "more than there are parts": (3,) * 10_001,
    "a huge one": (3 << 20,),
    "tiny around huge": (1, 2 << 20, 1),
    "of a mebibyte": (1 << 20, 1 << 20, 1 << 19),
}


class _Plain:
    """An async iterable that is no generator: nothing but ``__aiter__`` and ``__anext__``."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[Any]:
        return _Steps(self._chunks)


class _Steps:
    def __init__(self, chunks: list[Any]) -> None:
        self._left = iter(chunks)

    def __aiter__(self) -> "_Steps":
        return self

    async def __anext__(self) -> Any:
        for chunk in self._left:
            return chunk
        raise StopAsyncIteration


@check("object_storage.6", "object_storage.1", "object_storage.5")
@gauntlet(
    lambda limits: [{"cut": cut, "sized": sized, "over": over} for cut in _CUTS for sized, over in ((False, True), (True, False))]
)
async def a_stream_is_the_concatenation_of_its_chunks(store: ObjectStorage, case: Case, cut: str, sized: bool, over: bool) -> None:
    """Chunks of any sizes, empty ones included, make one object, with ``size`` or without, over an old one or not (OS-60)."""
    lengths = _CUTS[cut]
    if sum(lengths) > case.limits.max_payload:
        lengths = tuple(min(length, case.limits.max_payload // (len(lengths) or 1)) for length in lengths)
    data, chunks, start = made(sum(lengths)), [], 0
    for number, length in enumerate(lengths):
        part = data[start : start + length]
        chunks.append((part, bytearray(part), memoryview(part))[number % 3])
        start += length
    await store.create_bucket(BUCKET)
    if over:
        await store.put(BUCKET, "k", made(min(777, case.limits.max_payload), 1), content_type="old/old", user_metadata={"old": "1"})
    size = len(data) if sized else None
    known = await store.put_stream(BUCKET, "k", _Plain(chunks) if over else source(chunks), size=size)
    await expect_object("object_storage.6", store, "k", data, f"a stream cut as: {cut}", known=known)
    told("object_storage.5", known, data, NO, "put_stream")


@check("object_storage.1", "object_storage.6")
@gauntlet(
    lambda limits: [{"kind": kind, "size": size} for kind in ANY_BUFFERS for size in (0, 1, min(300, limits.max_payload // 2))]
)
async def data_may_be_any_buffer(store: ObjectStorage, kind: str, size: int) -> None:
    """Bytes, byte arrays and views, also of single bytes in a step, stand for their bytes; what is read is bytes."""
    data = made(size)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "put", ANY_BUFFERS[kind](data))
    chunks = [ANY_BUFFERS[kind](data), b"", ANY_BUFFERS[kind](data)]
    await store.put_stream(BUCKET, "sized", source(chunks), size=2 * size)
    await store.put_stream(BUCKET, "stream", source(chunks))
    value("object_storage.6", await store.get(BUCKET, "sized"), data * 2, f"a stream of chunks that were {kind}, with a size")
    value("object_storage.1", await store.get(BUCKET, "put"), data, f"what was put as {kind}")
    value("object_storage.6", await store.get(BUCKET, "stream"), data * 2, f"a stream of chunks that were {kind}")
    same("object_storage.5", [(await listed(store))[key].size for key in ("put", "stream")], [size, 2 * size], f"sizes of {kind}")


@check("object_storage.1", "object_storage.5", "object_storage.6")
@gauntlet(
    lambda limits: [
        {"first": first, "then": then, "ways": ways}
        for first, then in (
            (900, 0),
            (0, 900),
            (900, 899),
            (100_000, 70_000),
            (70_000, 100_000),
            (1, 1 << 20),
            (1 << 20, 1),
            (900, 900),
        )
        for ways in (("put", "put"), ("put", "put_stream"), ("put_stream", "put"), ("put_stream with size", "put_stream"))
    ]
)
async def a_put_replaces_all_that_was_there(store: ObjectStorage, case: Case, first: int, then: int, ways: tuple[str, str]) -> None:
    """A shorter or longer object leaves nothing of the one before, however both were written; its etag is another (OS-35)."""
    most = case.limits.max_payload
    old, new = made(min(first, most), 2), made(min(then, most), 3)
    await store.create_bucket(BUCKET)
    before = await PUTS[ways[0]](store, "k", old)
    after = await PUTS[ways[1]](store, "k", new)
    await expect_object("object_storage.1", store, "k", new, "an object that replaced another", known=after)
    if old != new and before.etag == after.etag:
        same("object_storage.5", after.etag, "another etag", "two versions of one key with different content have one etag")


@check("object_storage.6", "object_storage.13")
@gauntlet(lambda limits: [{"sizes": sizes} for sizes in ([5, 5, 5], [1] * 40, [300, 300, 0, 300], [70_000] * 4, [5, 3, 3, 5, 5])])
async def a_source_may_use_one_buffer(store: ObjectStorage, case: Case, sizes: list[int]) -> None:
    """A chunk is stored as it was when it was given, though the source overwrites it for the next one (OS-60)."""
    await store.create_bucket(BUCKET)
    chunks = [made(size, number) for number, size in enumerate(sizes)]
    if sum(sizes) > case.limits.max_payload:
        return
    await store.put_stream(BUCKET, "k", one_buffer(chunks))
    await expect_object("object_storage.6", store, "k", b"".join(chunks), "a source that uses one buffer")


_WAYS_TO_GO = ("delete", "overwrite", "set_ttl", "delete_bucket", "expired and put again")


@check("object_storage.4", "object_storage.1")
@gauntlet(lambda limits: [{"way": way} for way in _WAYS_TO_GO])
async def objects_of_like_content_stand_alone(store: ObjectStorage, case: Case, way: str) -> None:
    """Of objects that have their content in common, in whole or in pieces, each stays as it is when others go."""
    block = made(1 << 16)
    contents = [block, block * 3, bytes(1 << 16), bytes(3 << 16), block + bytes(1 << 16), bytes(1 << 16) + block, block]
    contents = [content[: case.limits.max_payload] for content in contents]
    for bucket in (BUCKET, "other"):
        await store.create_bucket(bucket)
    for number, content in enumerate(contents):
        await store.put("other" if number % 2 else BUCKET, f"k{number}", content)
    for number in (1, 3, 5):
        key = f"k{number}"
        if way == "delete":
            await store.delete("other", key)
        elif way == "overwrite":
            await store.put("other", key, b"x")
        elif way == "delete_bucket":
            await store.delete_bucket("other", force=True)
        else:
            await store.set_ttl("other", key, 0)
            if way != "set_ttl":
                await store.put("other", key, b"y")
        for stays in (0, 2, 4, 6):
            sentence = f"an object whose content another one had in part, of which was made: {way}"
            value("object_storage.4", await store.get(BUCKET, f"k{stays}"), contents[stays], sentence)
