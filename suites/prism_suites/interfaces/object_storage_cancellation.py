"""object_storage: cancelled calls leave their effect whole or absent, the driver usable, and other calls alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from typing import Any

from prism_suites._cancelling import points
from prism_suites._judging import same, value
from prism_suites._objects_asking import (
    BUCKET,
    Given,
    drained,
    expect_missing,
    expect_object,
    infos,
    listed,
    made,
    source,
    streamed,
)
from prism_suites._objects_cancelling import Act, cancelled, expect_whole_or_absent, held
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound, ObjectStorage, ObjectStorageConditional
from prism_testkit.traits import Limits

_PROMISE = "object_storage.17"
_OLD = Given("old/old", None, {"old": "1"})
_NEW = Given("new/new", "new", {"new": "2"})
_DATA = b"old data. " * 6
_LONG_S = 1e8


async def _empty(store: Any) -> None:
    await store.create_bucket(BUCKET)
    for line in await infos(store):
        await store.delete(BUCKET, line.key)


async def _present(store: Any) -> None:
    await _empty(store)
    await store.put(BUCKET, "k", _DATA, **_OLD.keywords)


async def _living(store: Any) -> None:
    await _present(store)
    await store.set_ttl(BUCKET, "k", _LONG_S)


async def _no_bucket(store: Any) -> None:
    await store.delete_bucket(BUCKET, force=True)


async def _pausing(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), len(data) // 3 + 1):
        await asyncio.sleep(0)
        yield data[start : start + len(data) // 3 + 1]


def _holds(size: int) -> Callable[[Any], bool]:
    return lambda got: got is not None and got.size == size


_NONE = ("no object",)
_WAS = held(_DATA, _OLD)
_LIVES = held(_DATA, _OLD, lives=True)


def _put(store: Any, new: bytes) -> Awaitable[Any]:
    got: Awaitable[Any] = store.put(BUCKET, "k", new, **_NEW.keywords)
    return got


def _stream(store: Any, new: bytes) -> Awaitable[Any]:
    got: Awaitable[Any] = store.put_stream(BUCKET, "k", _pausing(new), size=len(new), **_NEW.keywords)
    return got


_Maker = Callable[[bytes], Act]
_WRITES: dict[str, _Maker] = {
    "put, missing": lambda new: Act(_empty, lambda s: _put(s, new), _NONE, held(new, _NEW), _holds(len(new))),
    "put, present": lambda new: Act(_present, lambda s: _put(s, new), _WAS, held(new, _NEW), _holds(len(new))),
    "put, living": lambda new: Act(_living, lambda s: _put(s, new), _LIVES, held(new, _NEW), _holds(len(new))),
    "put_stream, missing": lambda new: Act(_empty, lambda s: _stream(s, new), _NONE, held(new, _NEW), _holds(len(new))),
    "put_stream, present": lambda new: Act(_present, lambda s: _stream(s, new), _WAS, held(new, _NEW), _holds(len(new))),
    "put_stream, living": lambda new: Act(_living, lambda s: _stream(s, new), _LIVES, held(new, _NEW), _holds(len(new))),
    "delete": lambda new: Act(_present, lambda s: s.delete(BUCKET, "k"), _WAS, _NONE, bool),
    "set_ttl": lambda new: Act(_present, lambda s: s.set_ttl(BUCKET, "k", _LONG_S), _WAS, _LIVES, bool),
    "create_bucket": lambda new: Act(_no_bucket, lambda s: s.create_bucket(BUCKET), None, _NONE, bool),
    "delete_bucket": lambda new: Act(_empty, lambda s: s.delete_bucket(BUCKET), _NONE, None, bool),
    "delete_bucket, full": lambda new: Act(_present, lambda s: s.delete_bucket(BUCKET, force=True), _WAS, None, bool),
}
_READS: dict[str, _Maker] = {
    "get": lambda new: Act(_present, lambda s: s.get(BUCKET, "k"), _WAS, _WAS, lambda got: bool(got == _DATA)),
    "get_stream": lambda new: Act(_present, lambda s: streamed(s, "k"), _WAS, _WAS, lambda got: bool(got == _DATA)),
    "metadata": lambda new: Act(_present, lambda s: s.metadata(BUCKET, "k"), _WAS, _WAS, _holds(len(_DATA))),
    "exists": lambda new: Act(_present, lambda s: s.exists(BUCKET, "k"), _WAS, _WAS, bool),
    "list_objects": lambda new: Act(_present, lambda s: listed(s), _WAS, _WAS, lambda got: list(got) == ["k"]),
    "bucket_exists": lambda new: Act(_present, lambda s: s.bucket_exists(BUCKET), _WAS, _WAS, bool),
}
_CREATIONS: dict[str, _Maker] = {
    "put_if_absent, missing": lambda new: Act(
        _empty, lambda s: s.put_if_absent(BUCKET, "k", new, **_NEW.keywords), _NONE, held(new, _NEW), bool
    ),
    "put_if_absent, present": lambda new: Act(
        _living, lambda s: s.put_if_absent(BUCKET, "k", new, **_NEW.keywords), _LIVES, _LIVES, lambda got: not got
    ),
}


def _long(case: Case) -> bytes:
    return b"new;" * (min(case.limits.max_payload, 100_000) // 4)


_ALIKE = ("put, living", "put_stream, missing", "put_stream, living", "set_ttl", "create_bucket", "delete_bucket")
"""Writes whose steps are those of others, or one."""


@check(_PROMISE)
@gauntlet(points(_WRITES, few=_ALIKE))
async def a_cancelled_write_is_whole_or_absent(store: ObjectStorage, case: Case, kind: str, point: float) -> None:
    """A write that is cancelled at any point leaves data, metadata and listing of one version, and the driver usable (OS-26)."""
    await expect_whole_or_absent(_PROMISE, store, case, _WRITES[kind](_long(case)), point)


@check(_PROMISE)
@gauntlet(points(_READS, few=True))
async def a_cancelled_read_changes_nothing(store: ObjectStorage, case: Case, kind: str, point: float) -> None:
    """A read or a listing that is cancelled at any point leaves everything as it was, and the driver usable."""
    await expect_whole_or_absent(_PROMISE, store, case, _READS[kind](_long(case)), point)


@check("object_storage_conditional.4")
@gauntlet(points(_CREATIONS))
async def a_cancelled_creation_is_whole_or_absent(store: ObjectStorageConditional, case: Case, kind: str, point: float) -> None:
    """put_if_absent that is cancelled at any point stored the object whole or not at all."""
    await expect_whole_or_absent("object_storage_conditional.4", store, case, _CREATIONS[kind](_long(case)), point)


_STREAMS = {"at once": 0, "after a chunk": 1, "after many": 12}


@check("object_storage.6", _PROMISE)
@gauntlet(
    lambda limits: [
        {"after": after, "before": before, "size": size, "by": by}
        for after, before, size, by in product(_STREAMS, (False, True), (10, 50_000), ("cancel", "timeout"))
        if size * 13 <= limits.max_payload
    ]
)
async def a_stream_cancelled_while_it_waits_stores_nothing(
    store: ObjectStorage, case: Case, after: str, before: bool, size: int, by: str
) -> None:
    """A stream that is cancelled while its source has more to come leaves no object, and the old one stays (OB-11, OS-26)."""
    await store.create_bucket(BUCKET)
    if before:
        await store.put(BUCKET, "k", _DATA, **_OLD.keywords)
    waits = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(_STREAMS[after]):
            yield made(size, number)
        waits.set()
        await asyncio.Event().wait()
        yield b"never"

    for _ in range(3):
        waits.clear()
        task = asyncio.ensure_future(store.put_stream(BUCKET, "k", chunks(), **_NEW.keywords))
        waiting = asyncio.ensure_future(waits.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if by == "timeout":
            try:
                async with asyncio.timeout(0):
                    await task
            except TimeoutError:
                pass
        task.cancel()
        answers = await asyncio.gather(task, return_exceptions=True)
        same(
            "object_storage.6", isinstance(answers[0], asyncio.CancelledError), True, f"a cancelled stream ended by {answers[0]!r}"
        )
        sentence = f"a stream that was cancelled {after}"
        if before:
            await expect_object("object_storage.6", store, "k", _DATA, sentence, _OLD)
        else:
            await expect_missing("object_storage.6", store, "k", sentence)
        same("object_storage.6", sorted(await listed(store)), ["k"] if before else [], f"{sentence}: what is listed")
    await store.put_stream(BUCKET, "k", source([b"next"]), **_NEW.keywords)
    await expect_object(_PROMISE, store, "k", b"next", "the stream after cancelled ones", _NEW)


@check(_PROMISE)
@gauntlet(lambda limits: [{"point": point} for point in range(1, 9)])
async def other_calls_are_not_touched_by_a_cancelled_one(store: ObjectStorage, case: Case, point: int) -> None:
    """Of many calls at once on one client some are cancelled; the others get their own answers."""
    names = [f"n{number}" for number in range(18)]
    await store.create_bucket(BUCKET)
    await together(*(store.put(BUCKET, name, name.encode() * 9, content_type=name) for name in names))
    for _ in range(3):
        calls = [streamed(store, name) if number % 2 else store.get(BUCKET, name) for number, name in enumerate(names)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        for _ in range(point):
            await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        for number, (name, got) in enumerate(zip(names, told, strict=True)):
            if isinstance(got, BaseException) and number % 3 == 0:
                continue
            same(_PROMISE, got, name.encode() * 9, f"a read of {name!r}, while others were cancelled, was given another answer")
    known = await together(*(store.metadata(BUCKET, name) for name in names))
    same(_PROMISE, [one and one.content_type for one in known], names, "after cancelled calls, calls get answers of others")


def _often(kinds: dict[str, _Maker], most: tuple[str, ...]) -> Callable[[Limits], list[dict[str, Any]]]:
    return lambda limits: [{"kind": kind, "times": 120 if kind in most else 64} for kind in kinds]


@check(_PROMISE)
@gauntlet(_often(_WRITES, ("put, present", "put_stream, missing", "delete")))
async def many_cancelled_writes_use_nothing_up(store: ObjectStorage, case: Case, kind: str, times: int) -> None:
    """After many cancelled calls in a row connections, slots and locks are all there again."""
    await _exhaust(store, case, _WRITES[kind](_long(case) if "stream" in kind else b"new"), times)


@check(_PROMISE)
@gauntlet(_often(_READS, ("get", "get_stream", "list_objects")))
async def many_cancelled_reads_use_nothing_up(store: ObjectStorage, case: Case, kind: str, times: int) -> None:
    """The same, for reads, streams and listings."""
    await _exhaust(store, case, _READS[kind](b"new"), times)


_POINTS = (2, 3, 4, 5, 6, 9, 14)
"""In turns; the last ones are behind what a stream has sent in parts."""


async def _exhaust(store: Any, case: Case, act: Act, times: int) -> None:
    case.overlap()
    await act.prepare(store)
    for number in range(times):
        await cancelled(case, store, act, _POINTS[number % len(_POINTS)])
    await act.prepare(store)
    with contextlib.suppress(Conflict, BucketNotFound, ObjectNotFound):  # what was cancelled may come now
        await act.call(store)
    await store.create_bucket("after")
    names = [f"n{number}" for number in range(40)]
    await together(*(store.put("after", name, name.encode()) for name in names))
    told = await together(*(store.get("after", name) for name in names))
    same(_PROMISE, told, [name.encode() for name in names], f"after {times} cancelled calls, calls are answered wrongly")
    same(_PROMISE, len(await drained(store.list_objects("after"))), len(names), f"after {times} cancelled calls, what is listed")


@check(_PROMISE, "object_storage.7", "object_storage.8")
@gauntlet(
    lambda limits: [
        {"method": method, "end": end, "point": point}
        for method, end, point in product(("get_stream", "list_objects"), ("break", "cancel"), (1, 2, 3, 5, 9, 30))
    ]
)
async def an_iteration_that_is_left_changes_nothing(store: ObjectStorage, case: Case, method: str, end: str, point: int) -> None:
    """A stream or a listing that is left by ``break``, or cancelled between two steps or in one, leaves the driver usable."""
    data = made(min(200_000, case.limits.max_payload))
    names = {f"n{number:02}" for number in range(40)}
    await store.create_bucket(BUCKET)
    await together(*(store.put(BUCKET, name, b"v") for name in names))
    await store.put(BUCKET, "long", data)
    case.overlap()

    async def iterate() -> None:
        steps = 0
        async for _ in store.get_stream(BUCKET, "long") if method == "get_stream" else store.list_objects(BUCKET):
            steps += 1
            if end == "break" and steps == point:
                break

    for _ in range(4):
        task = asyncio.ensure_future(iterate())
        if end == "cancel":
            for _ in range(point):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        value(_PROMISE, await store.get(BUCKET, "n00"), b"v", f"the call after {method} was left")
    value(_PROMISE, await streamed(store, "long"), data, f"get_stream after {method} was left")
    same(_PROMISE, set(await listed(store)), names | {"long"}, f"list_objects after {method} was left")
    await store.put(BUCKET, "long", b"new")
    value(_PROMISE, await store.get(BUCKET, "long"), b"new", f"put after {method} was left")
    removed = await store.delete_bucket(BUCKET, force=True)  # which needs all that a reader may have kept
    same(_PROMISE, removed, True, f"delete_bucket with force after {method} was left")
    same(_PROMISE, await store.create_bucket(BUCKET), True, f"create_bucket after {method} was left and the bucket deleted")
