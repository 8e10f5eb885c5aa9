"""object_storage: a stream is seen when all of it came. One that fails or contradicts its size leaves what was there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import product
from typing import Any

from prism_suites._judging import broken, refused, same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, Given, expect_missing, expect_object, listed, made, source
from prism_suites._objects_gated import Gated, meanwhile_of, reached
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    BackendUnavailable,
    BucketNotFound,
    Conflict,
    CorruptPayload,
    ObjectNotFound,
    ObjectStorage,
    OperationTimeout,
)
from prism_testkit.outcomes import Words
from prism_testkit.traits import Limits

_OLD = Given("old/old", "old", {"old": "1"})
_NEW = Given("new/new", "new", {"new": "2"})
_BEFORE = ("missing", "present", "deleted", "long")


class _SourceFailed(Exception):
    """What the application's own source raises."""


_ERRORS: dict[str, type[BaseException]] = {
    "an error of its own": _SourceFailed,
    "ValueError": ValueError,
    "OSError": OSError,
    "KeyError": KeyError,
    "TypeError": TypeError,
    "EOFError": EOFError,
    "TimeoutError": TimeoutError,
    "Conflict": Conflict,
    "ObjectNotFound": ObjectNotFound,
    "BucketNotFound": BucketNotFound,
    "BackendUnavailable": BackendUnavailable,
    "OperationTimeout": OperationTimeout,
    "CorruptPayload": CorruptPayload,
    "CancelledError": asyncio.CancelledError,
}
"""Also the errors of a store: a source may be a stream out of another one."""

_LENGTHS: dict[str, tuple[int, ...]] = {
    "at once": (),
    "after a byte": (0, 1),
    "after a few": (10, 0, 20),
    "after much": (100_000,) * 12,
    "after as much as there was": (9,),
}


async def _scene(store: Any, before: str, limits: Limits) -> bytes | None:
    """Bring the object into a state, with another beside it; return its data."""
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "beside", b"beside", **_OLD.keywords)
    if before == "missing":
        return None
    data = made(min(150_000, limits.max_payload), 5) if before == "long" else b"old data."
    await store.put(BUCKET, "k", data, **_OLD.keywords)
    if before == "deleted":
        await store.delete(BUCKET, "k")
        return None
    return data


async def _unchanged(store: Any, old: bytes | None, sentence: str) -> None:
    """Judge that a stream left no trace, and that the next one is stored as ever."""
    promise = "object_storage.6"
    if old is None:
        await expect_missing(promise, store, "k", sentence)
    else:
        await expect_object(promise, store, "k", old, sentence, _OLD)
    keys = ["beside"] if old is None else ["beside", "k"]
    same(promise, sorted(await listed(store)), keys, f"{sentence}: something else is listed")
    await expect_object(promise, store, "beside", b"beside", f"{sentence}: another object", _OLD)
    await store.put_stream(BUCKET, "k", source([b"next ", b"one"]), size=8, **_NEW.keywords)
    await expect_object(promise, store, "k", b"next one", f"{sentence}: the stream after it", _NEW)
    if old is None:
        truth(promise, await store.delete(BUCKET, "k"), True, f"{sentence}: delete of the next one")
        await store.delete(BUCKET, "beside")
        truth("object_storage.11", await store.delete_bucket(BUCKET), True, f"{sentence}: delete_bucket of an empty bucket")


def _fitting(lengths: Iterable[int], most: int) -> list[bytes]:
    """Return chunks of these lengths, together of at most so many bytes."""
    chunks, left = [], most
    for length in lengths:
        chunks.append(made(min(length, left), 6))
        left -= len(chunks[-1])
    return chunks


async def _failing(chunks: Iterable[bytes], error: BaseException) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise error


def _failures(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (error, after) in enumerate(product(_ERRORS, _LENGTHS)):
        yield {"error": error, "after": after, "before": _BEFORE[number % 4], "sized": bool(number // 4 % 2)}


@check("object_storage.6")
@gauntlet(_failures)
async def a_stream_that_fails_stores_nothing(
    store: ObjectStorage, case: Case, error: str, after: str, before: str, sized: bool
) -> None:
    """The error of the source reaches the caller as it was, whatever its type; the old object stays (OB-11, OS-26)."""
    old = await _scene(store, before, case.limits)
    more = 3 if sized else 0
    chunks = _fitting(_LENGTHS[after], case.limits.max_payload - more)
    raised = _ERRORS[error]("the source failed")
    size = sum(map(len, chunks)) + more if sized else None
    sentence = f"a stream whose source fails by {error} {after}"
    try:
        got = await store.put_stream(BUCKET, "k", _failing(chunks, raised), size=size, **_NEW.keywords)
    except (Exception, asyncio.CancelledError) as caught:
        if type(caught) is not type(raised) or str(caught) != str(raised):
            told = f"{type(caught).__name__}: {caught}"
            broken("object_storage.6", f"{sentence}: the caller is told something else", expected=f"{error}: {raised}", got=told)
    else:
        broken("object_storage.6", f"{sentence} was stored", expected=error, got=got)
    await _unchanged(store, old, sentence)


_TOTALS: tuple[tuple[tuple[int, ...], int], ...] = (
    *(((), 1), ((0,), 1), ((1,), 0), ((1,), 2), ((10,), 9), ((10,), 11), ((10,), 0), ((5, 5), 5), ((5, 5), 9), ((5, 5), 11)),
    *(((5, 0, 5), 20), ((1,) * 100, 99), ((1,) * 100, 101), ((65536, 1), 65536), ((65536,), 65537), ((65535,), 65536)),
    *(((100_000,) * 9, 899_999), ((100_000,) * 9, 900_001), ((100_000,) * 9, 100_000), ((9,), 1_000_000), ((256,), 0)),
)


@check("object_storage.6")
@gauntlet(
    lambda limits: [
        {"lengths": lengths, "size": size, "before": _BEFORE[number % 4]}
        for number, (lengths, size) in enumerate(_TOTALS)
        if sum(lengths) <= limits.max_payload and size <= limits.max_payload
    ]
)
async def a_stream_of_another_size_is_refused(
    store: ObjectStorage, case: Case, lengths: tuple[int, ...], size: int, before: str
) -> None:
    """More or fewer bytes than ``size`` says raise ValueError, and nothing is stored (OB-11)."""
    old = await _scene(store, before, case.limits)
    chunks = source(_fitting(lengths, case.limits.max_payload))
    sentence = f"a stream of {sum(lengths)} bytes with size={size}"
    call = store.put_stream(BUCKET, "k", chunks, size=size, **_NEW.keywords)
    await refused("object_storage.6", call, ValueError, sentence)
    await _unchanged(store, old, sentence)


_PARTS: dict[str, tuple[int, ...]] = {"short": (3, 3), "empty end": (5, 0), "long": (200_000, 200_000, 9), "one more": (65536, 1)}


@check("object_storage.6", "object_storage.8", "object_storage.14")
@gauntlet(
    lambda limits: [
        {"parts": parts, "before": before, "sized": bool(number % 2)}
        for number, (parts, before) in enumerate(product(_PARTS, _BEFORE))
        if sum(_PARTS[parts]) <= limits.max_payload
    ]
)
async def nothing_is_seen_of_an_unfinished_stream(store: ObjectStorage, case: Case, parts: str, before: str, sized: bool) -> None:
    """While a source has more to come every client sees the old object alone, and other calls go on (OS-42, OB-2)."""
    old = await _scene(store, before, case.limits)
    other = await case.client()
    chunks = _fitting(_PARTS[parts], case.limits.max_payload)
    gated, data = Gated(chunks), b"".join(chunks)
    size = len(data) if sized else None
    task = asyncio.ensure_future(store.put_stream(BUCKET, "k", gated, size=size, **_NEW.keywords))
    await reached(gated, task)
    for client in (store, other):
        sentence = "while a stream is not yet at its end"
        if old is None:
            await expect_missing("object_storage.6", client, "k", sentence)
        else:
            await expect_object("object_storage.6", client, "k", old, sentence, _OLD)
        same("object_storage.6", len(await listed(client)), 1 if old is None else 2, f"{sentence}: what is listed")
        await client.put(BUCKET, "meanwhile", b"1", content_type="a/b")
        value("object_storage.14", await client.get(BUCKET, "meanwhile"), b"1", f"{sentence}: another object")
        truth("object_storage.4", await client.delete(BUCKET, "meanwhile"), True, f"{sentence}: delete of another object")
        await client.put_stream(BUCKET, "beside", source([b"another ", b"stream"]))
        value("object_storage.6", await client.get(BUCKET, "beside"), b"another stream", f"{sentence}: another stream")
    gated.go_on.set()
    known = await task
    for client in (store, other):
        await expect_object("object_storage.6", client, "k", data, "a stream that paused", _NEW, known=known)


@check("object_storage.6", "object_storage.16", "object_storage.10")
@gauntlet(
    lambda limits: [
        {"meanwhile": what, "parts": parts}
        for what in ("put", "put_stream", "delete", "set_ttl", "set_ttl of 5 s", "its deadline")
        for parts in _PARTS
    ]
)
async def a_write_during_a_stream_is_kept_until_its_end(store: ObjectStorage, case: Case, meanwhile: str, parts: str) -> None:
    """An object written while a stream of its key is on its way is there, whole, until the stream ends and replaces it; what
    comes of the stream has no deadline, be it that the one before it had one, got one or came to it meanwhile."""
    times = Times(case)
    await _scene(store, "present", case.limits)
    chunks = _fitting(_PARTS[parts], case.limits.max_payload)
    gated = Gated(chunks)
    if meanwhile == "its deadline":
        _, now = await times.during(store.set_ttl(BUCKET, "k", 1e6))
        deadline = now.after(1e6)
    task = asyncio.ensure_future(store.put_stream(BUCKET, "k", gated, **_NEW.keywords))
    await reached(gated, task)
    between = Given("between/b", None, {"between": "3"})
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "put": lambda: store.put(BUCKET, "k", b"between", **between.keywords),
        "put_stream": lambda: store.put_stream(BUCKET, "k", source([b"bet", b"ween"]), **between.keywords),
        "delete": lambda: store.delete(BUCKET, "k"),
        "set_ttl": lambda: store.set_ttl(BUCKET, "k", 1e7),
        "set_ttl of 5 s": lambda: store.set_ttl(BUCKET, "k", 5),
        "its deadline": lambda: times.past(deadline),
    }
    got = await meanwhile_of(case, gated, task, calls[meanwhile]())
    if meanwhile.startswith("put"):
        await expect_object("object_storage.6", store, "k", b"between", "put while a stream is on its way", between)
    elif meanwhile == "delete":
        truth("object_storage.6", got, True, "delete of an object, a stream of which is on its way")
        await expect_missing("object_storage.6", store, "k", "deleted while a stream is on its way")
    gated.go_on.set()
    known = await task
    promise = "object_storage.10" if meanwhile.startswith(("set_ttl", "its")) else "object_storage.16"
    await expect_object(promise, store, "k", b"".join(chunks), f"a stream with {meanwhile} in it", _NEW, known=known)
    if promise == "object_storage.10":
        await times.move(1e8)
        await expect_object(
            promise, store, "k", b"".join(chunks), f"a stream with {meanwhile} in it, much later", _NEW, known=known
        )


@check("object_storage.6", "object_storage.11")
@gauntlet(lambda limits: [{"again": again, "parts": parts} for again in (False, True) for parts in _PARTS])
async def a_bucket_deleted_during_a_stream_stays_deleted(store: ObjectStorage, case: Case, again: bool, parts: str) -> None:
    """A stream whose bucket went meanwhile raises BucketNotFound, and brings back neither the bucket nor a part."""
    await store.create_bucket(BUCKET)
    gated = Gated(_fitting(_PARTS[parts], case.limits.max_payload))
    task = asyncio.ensure_future(store.put_stream(BUCKET, "k", gated, **_NEW.keywords))
    await reached(gated, task)
    got = await meanwhile_of(case, gated, task, store.delete_bucket(BUCKET))
    truth("object_storage.6", got, True, "delete_bucket while only a stream is on its way")
    if again:
        await store.create_bucket(BUCKET)
        same("object_storage.11", sorted(await listed(store)), [], "a bucket made again during a stream is not empty")
    gated.go_on.set()
    try:
        await task
    except (BucketNotFound, Conflict):
        stored = False
    else:
        stored = True
        if not again:
            there = "is there again" if await store.bucket_exists(BUCKET) else "is missing all the same"
            sentence = "put_stream succeeds although its bucket was deleted before its last chunk came"
            broken("object_storage.11", sentence, expected=Words("BucketNotFound"), got=Words(f"success; the bucket {there}"))
    if not again:
        truth("object_storage.11", await store.bucket_exists(BUCKET), False, "a stream brought its deleted bucket back")
        await store.create_bucket(BUCKET)
    keys = ["k"] if stored else []
    same("object_storage.11", sorted(await listed(store)), keys, "what a stream left in a bucket that was deleted meanwhile")
    if stored:
        await expect_object(
            "object_storage.6", store, "k", b"".join(_fitting(_PARTS[parts], case.limits.max_payload)), "a stream", _NEW
        )
