"""object_storage: who connects while others are at work takes nothing of theirs for something that a dead one left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import product
from typing import Any

from prism_suites._judging import broken, same, value
from prism_suites._objects_asking import BUCKET, PUTS, expect_missing, expect_object, listed, made, signed, source
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.outcomes import law
from prism_testkit.traits import Limits

_SIZES = (10, 70_000, 6 << 20)
"""What is written in one piece, in some, and in parts: those of S3 have at least five MiB."""


_READ = 3 << 20
"""What is read in more than one chunk by most."""


async def _looks(newcomer: Any) -> None:
    await expect_missing("object_storage.6", newcomer, "k", "while it is still being written, to a newcomer", writes=False)
    same("object_storage.6", sorted(await listed(newcomer)), ["old"], "what a newcomer lists while an object is being written")


async def _writes(newcomer: Any) -> None:
    for way in PUTS.values():
        await way(newcomer, "other", b"other", signed("other"))
    await newcomer.delete(BUCKET, "other")


async def _streams_more(newcomer: Any) -> None:
    await newcomer.put_stream(BUCKET, "other", source([made(300, 7), b"", b"end"]))
    await newcomer.delete(BUCKET, "other")


async def _makes_buckets(newcomer: Any) -> None:
    for force in (False, True):
        await newcomer.create_bucket("other")
        await newcomer.delete_bucket("other", force=force)


_DOES: dict[str, Callable[[Any], Awaitable[None]]] = {
    "looks": _looks,
    "writes": _writes,
    "streams": _streams_more,
    "makes buckets": _makes_buckets,
}


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for size, does in (*product(_SIZES[:1], _DOES), (_SIZES[1], "writes"), (_SIZES[2], "looks")):
        if size + 100 <= limits.max_payload:
            yield {"size": size, "does": does}


@check("object_storage.6", "object_storage.14")
@gauntlet(_cases)
async def a_newcomer_leaves_what_is_being_written(store: ObjectStorage, case: Case, size: int, does: str) -> None:
    """A stream that has begun goes on to its end, whoever connects meanwhile, and whatever that one does elsewhere."""
    data, said, begun, go_on = made(size), signed("me"), asyncio.Event(), asyncio.Event()
    await store.create_bucket(BUCKET)
    old = await store.put(BUCKET, "old", b"old", **signed("old").keywords)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 1 << 20):
            yield data[start : start + (1 << 20)]
        begun.set()
        await go_on.wait()
        yield b"the end"

    with law("object_storage.6"):
        task = asyncio.ensure_future(store.put_stream(BUCKET, "k", chunks(), **said.keywords))
        waiting = asyncio.ensure_future(begun.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if waiting.done():
                await _DOES[does](await case.newcomer())
                await (await case.newcomer()).exists(BUCKET, "old")
        finally:
            go_on.set()
            waiting.cancel()
            known = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(known, BaseException):
            broken("object_storage.6", "a stream fails because somebody connects", expected="it goes on to its end", got=known)
    for client in (store, await case.newcomer()):
        sentence = "an object during whose stream somebody connected"
        await expect_object("object_storage.6", client, "k", data + b"the end", sentence, said, known=known)
        await expect_object("object_storage.14", client, "old", b"old", "what was there before", signed("old"), known=old)
        same("object_storage.14", sorted(await listed(client)), ["k", "old"], "what is listed")


@check("object_storage.7")
@gauntlet(lambda limits: [{"does": "writes"}, {"does": "makes buckets"}] if limits.max_payload >= _READ else [])
async def a_newcomer_leaves_what_is_being_read(store: ObjectStorage, case: Case, does: str) -> None:
    """A read that has begun is given all of its object, whoever connects meanwhile."""
    data = made(_READ)
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", data)
    got = b""
    with law("object_storage.7"):
        async for chunk in store.get_stream(BUCKET, "k"):
            if not got:
                await _DOES[does](await case.newcomer())
            got += chunk
    value("object_storage.7", got, data, "a read during which somebody connected")
