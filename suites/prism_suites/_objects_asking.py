"""Object storage as checks use it: ways to write, ways to look, and what must be seen of an object that is there or is not."""

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from prism_suites._judging import broken, same, truth, value
from prism_testkit.interfaces import ObjectInfo, ObjectMetadata, ObjectNotFound, ObjectStorageConditional
from prism_testkit.strategies import patterned

__all__ = [
    "BUCKET",
    "LONGEST_CHUNK",
    "MOST",
    "NOTHING",
    "PUTS",
    "Given",
    "creates",
    "drained",
    "expect_missing",
    "expect_object",
    "infos",
    "listed",
    "made",
    "one_buffer",
    "signed",
    "source",
    "streamed",
    "thirds",
    "told",
]

BUCKET = "bucket"
MOST = 4 << 20
"""Bytes: no check writes objects over this, but for those about what is longer than a chunk may be."""
LONGEST_CHUNK = 8 << 20
_OFTEN = 20


@dataclass(frozen=True, slots=True)
class Given:
    """What a put may say of its data."""

    content_type: str | None = None
    content_encoding: str | None = None
    user_metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def keywords(self) -> dict[str, Any]:
        """The keyword arguments that say it; what is not given is left out."""
        pairs = {"content_type": self.content_type, "content_encoding": self.content_encoding}
        chosen: dict[str, Any] = {name: text for name, text in pairs.items() if text is not None}
        return chosen | ({"user_metadata": dict(self.user_metadata)} if self.user_metadata else {})


NOTHING = Given()


def signed(mark: object) -> Given:
    """Return metadata that tell by a value, and by a name, which write they belong to: none covers those of another."""
    return Given(f"type/{mark}", f"encoding-{mark}", {"written-by": str(mark), f"by-{zlib.crc32(str(mark).encode()):08x}": ""})


@lru_cache(maxsize=1)
def _longest() -> bytes:
    return patterned(LONGEST_CHUNK + 2)


def made(size: int, seed: int = 0) -> bytes:
    """Return ``size`` bytes without repeats; those of another seed, up to 1000, differ almost everywhere."""
    return _longest()[seed * 1009 : seed * 1009 + size]


def creates(slot: Any) -> bool:
    """Say whether a slot offers `ObjectStorageConditional`, too."""
    return ObjectStorageConditional in type(slot).__mro__


def thirds(data: bytes) -> list[bytes]:
    """Return data in three chunks, or fewer."""
    third = len(data) // 3 + 1
    return [data[start : start + third] for start in range(0, len(data), third)]


async def source(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    """Iterate over chunks, as an application's own generator would."""
    for chunk in chunks:
        yield chunk


async def one_buffer(chunks: Iterable[bytes]) -> AsyncIterator[Any]:
    """Iterate over chunks that lie, each in its turn, in one buffer, as they do for who reads a file by ``readinto``."""
    buffer = bytearray()
    for chunk in chunks:
        if len(chunk) != len(buffer):
            buffer = bytearray(len(chunk))
        buffer[:] = chunk
        yield memoryview(buffer)
    buffer[:] = bytes(len(buffer))


async def drained(iterator: AsyncIterator[Any]) -> list[Any]:
    """Return everything that an iterator gives."""
    return [item async for item in iterator]


async def streamed(slot: Any, key: str, bucket: str = BUCKET) -> bytes:
    """Read an object as a stream; its chunks must be bytes, none too long."""
    parts = []
    async for chunk in slot.get_stream(bucket, key):
        if not isinstance(chunk, bytes):
            broken("object_storage.1", "get_stream gives something that is not bytes", expected="bytes", got=chunk)
        if len(chunk) > LONGEST_CHUNK:
            broken("object_storage.18", "get_stream gives a chunk over 8 MiB", expected=LONGEST_CHUNK, got=len(chunk))
        parts.append(chunk)
    return b"".join(parts)


async def infos(slot: Any, prefix: str = "", bucket: str = BUCKET) -> list[ObjectInfo]:
    """Return the lines of a listing, each of the right type; one that repeats itself without an end is left."""
    lines: list[ObjectInfo] = []
    times: Counter[str] = Counter()
    async for line in slot.list_objects(bucket, prefix):
        if not isinstance(line, ObjectInfo):
            broken("object_storage.8", "list_objects gives something that is no ObjectInfo", expected="ObjectInfo", got=line)
        lines.append(line)
        times[line.key] += 1
        if times[line.key] > _OFTEN:
            broken("object_storage.8", f"list_objects gives an object {_OFTEN} times and more", expected="each once", got=line.key)
    return lines


async def listed(slot: Any, prefix: str = "", bucket: str = BUCKET, promise: str = "object_storage.8") -> dict[str, ObjectInfo]:
    """Return a listing by key; a key twice breaks the promise."""
    lines = await infos(slot, prefix, bucket)
    found = {line.key: line for line in lines}
    if len(found) != len(lines):
        keys = [line.key for line in lines]
        twice = sorted({key for key in found if keys.count(key) > 1})[:5]
        broken(promise, "list_objects gives an object twice", expected="each once", got=twice)
    return found


Put = Callable[..., Awaitable[ObjectMetadata]]


async def _put(slot: Any, key: str, data: bytes, given: Given = NOTHING, bucket: str = BUCKET) -> ObjectMetadata:
    got: ObjectMetadata = await slot.put(bucket, key, data, **given.keywords)
    return got


async def _put_stream(slot: Any, key: str, data: bytes, given: Given = NOTHING, bucket: str = BUCKET) -> ObjectMetadata:
    got: ObjectMetadata = await slot.put_stream(bucket, key, source(thirds(data)), **given.keywords)
    return got


async def _put_sized(slot: Any, key: str, data: bytes, given: Given = NOTHING, bucket: str = BUCKET) -> ObjectMetadata:
    got: ObjectMetadata = await slot.put_stream(bucket, key, source([data]), size=len(data), **given.keywords)
    return got


PUTS: Mapping[str, Put] = {"put": _put, "put_stream": _put_stream, "put_stream with size": _put_sized}
"""Ways to store an object: (slot, key, data, given, bucket) -> what is known of it."""


def told(promise: str, got: Any, data: bytes, given: Given, sentence: str, *, lives: bool = False) -> ObjectMetadata:
    """Judge what is told of an object, but for its instant and its etag's value."""
    if not isinstance(got, ObjectMetadata):
        broken(promise, sentence, expected=f"ObjectMetadata of {len(data)} bytes", got=got)
    same(promise, got.size, len(data), f"{sentence}: the size is wrong")
    same(promise, got.content_type, given.content_type, f"{sentence}: the content type is not what was given")
    same(promise, got.content_encoding, given.content_encoding, f"{sentence}: the content encoding is not what was given")
    same(promise, dict(got.user_metadata), dict(given.user_metadata), f"{sentence}: the user metadata are not what was given")
    if not isinstance(got.etag, str):
        broken(promise, f"{sentence}: the etag is no text", expected="str", got=got.etag)
    if isinstance(got.last_modified_ms, bool) or not isinstance(got.last_modified_ms, int):
        broken(promise, f"{sentence}: the instant is no whole number", expected="milliseconds", got=got.last_modified_ms)
    if not lives and got.expires_at_ms is not None:
        broken(promise, f"{sentence}: a deadline where there is none", expected=None, got=got.expires_at_ms)
    return got


async def expect_object(
    promise: str,
    slot: Any,
    key: str,
    data: bytes,
    sentence: str,
    given: Given = NOTHING,
    bucket: str = BUCKET,
    *,
    lives: bool = False,
    known: ObjectMetadata | None = None,
) -> ObjectMetadata:
    """Look at a present object in every way; ``known`` is what its put returned."""
    value(promise, await slot.get(bucket, key), data, f"{sentence}: get does not return its data")
    try:
        value(promise, await streamed(slot, key, bucket), data, f"{sentence}: get_stream does not return its data")
    except ObjectNotFound:
        broken(promise, f"{sentence}: get_stream does not find the object", expected=data, got="ObjectNotFound")
    truth(promise, await slot.exists(bucket, key), True, f"{sentence}: exists does not know the object")
    got = told(promise, await slot.metadata(bucket, key), data, given, f"{sentence}: metadata", lives=lives)
    if known is not None:
        same(promise, got.last_modified_ms, known.last_modified_ms, f"{sentence}: metadata tells another instant than the put")
        if not lives:
            same(promise, got.etag, known.etag, f"{sentence}: metadata tells another etag than the put")
    line = (await listed(slot, key, bucket)).get(key)
    if line is None:
        broken(promise, f"{sentence}: it is not listed", expected=key, got=None)
    same(promise, line.size, len(data), f"{sentence}: its size is listed wrongly")
    same(promise, line.last_modified_ms, got.last_modified_ms, f"{sentence}: it is listed with another instant than metadata's")
    return got


async def expect_missing(promise: str, slot: Any, key: str, sentence: str, bucket: str = BUCKET, *, writes: bool = True) -> None:
    """Look at a missing object in every way, with ``writes`` also by those that would change it."""
    value(promise, await slot.get(bucket, key), None, f"{sentence}: get")
    truth(promise, await slot.exists(bucket, key), False, f"{sentence}: exists")
    same(promise, await slot.metadata(bucket, key), None, f"{sentence}: metadata")
    try:
        got = await streamed(slot, key, bucket)
    except ObjectNotFound:
        pass
    else:
        broken(promise, f"{sentence}: get_stream", expected="ObjectNotFound at the first step", got=got)
    if key in await listed(slot, key, bucket):
        broken(promise, f"{sentence}: it is listed", expected="not listed", got=key)
    if writes:
        truth(promise, await slot.set_ttl(bucket, key, 60), False, f"{sentence}: set_ttl")
        truth(promise, await slot.delete(bucket, key), False, f"{sentence}: delete")
