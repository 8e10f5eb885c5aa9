"""object_storage: what is said of an object that is missing, however it came to be, and that asking for it makes nothing."""

from collections.abc import Iterator
from itertools import permutations, product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same, truth, value
from prism_suites._objects_asking import BUCKET, creates, expect_missing, expect_object, listed, made, signed, source, streamed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectNotFound, ObjectStorage
from prism_testkit.traits import Limits

_PROMISE = "object_storage.2"


async def _get(store: Any) -> None:
    value(_PROMISE, await store.get(BUCKET, "k"), None, "get of a missing object")


async def _metadata(store: Any) -> None:
    same(_PROMISE, await store.metadata(BUCKET, "k"), None, "metadata of a missing object")


async def _exists(store: Any) -> None:
    truth(_PROMISE, await store.exists(BUCKET, "k"), False, "exists of a missing object")


async def _delete(store: Any) -> None:
    truth(_PROMISE, await store.delete(BUCKET, "k"), False, "delete of a missing object")


async def _set_ttl(store: Any) -> None:
    truth(_PROMISE, await store.set_ttl(BUCKET, "k", 60), False, "set_ttl of a missing object")


async def _expire(store: Any) -> None:
    truth(_PROMISE, await store.set_ttl(BUCKET, "k", 0), False, "set_ttl of 0 of a missing object")


async def _get_stream(store: Any) -> None:
    iterator: Any = store.get_stream(BUCKET, "k")
    await refused(_PROMISE, anext(iterator), ObjectNotFound, "the first step of get_stream of a missing object")
    if await anext(iterator, "the end") != "the end":
        broken(_PROMISE, "get_stream of a missing object goes on after it raised", expected="the end", got="a chunk")


async def _list_objects(store: Any) -> None:
    same("object_storage.8", sorted(await listed(store, "k")), [], "list_objects lists a missing object")


_CALLS = {
    "get": _get,
    "metadata": _metadata,
    "exists": _exists,
    "delete": _delete,
    "set_ttl": _set_ttl,
    "set_ttl of 0": _expire,
    "get_stream": _get_stream,
    "list_objects": _list_objects,
}
_STATES = ("never put", "deleted", "deleted when empty", "deleted after streaming", "put elsewhere", "deleted twice")


async def _bring(store: Any, state: str, limits: Limits) -> None:
    """Make the bucket, and bring an object into a state in which it is missing."""
    await store.create_bucket(BUCKET)
    if state == "put elsewhere":
        await store.create_bucket("other")
        await store.put("other", "k", b"elsewhere")
    if not state.startswith("deleted"):
        return
    data = b"" if state == "deleted when empty" else made(min(100_000, limits.max_payload))
    for _ in range(2 if state == "deleted twice" else 1):
        if state == "deleted after streaming":
            await store.put_stream(BUCKET, "k", source([data]), **signed("old").keywords)
        else:
            await store.put(BUCKET, "k", data, **signed("old").keywords)
        truth("object_storage.4", await store.delete(BUCKET, "k"), True, "delete of a present object")


def _orders(limits: Limits) -> Iterator[dict[str, Any]]:
    for state, calls in product(_STATES, ([*_CALLS], [*_CALLS][::-1])):
        yield {"state": state, "calls": calls}
    for pair in permutations(_CALLS, 2):
        yield {"state": _STATES[len(pair[0]) % 2], "calls": list(pair)}


@check(_PROMISE, "object_storage.8", "object_storage.4")
@gauntlet(_orders)
@given(state=st.sampled_from(_STATES), calls=st.lists(st.sampled_from(list(_CALLS)), max_size=12))
async def a_missing_object_stays_missing(store: ObjectStorage, case: Case, state: str, calls: list[str]) -> None:
    """Every method says that it is missing, after any other has been asked; the object is new when it is put (OS-03, OS-04)."""
    whole = await case.whole()
    await _bring(whole, state, case.limits)
    for call in calls:
        await _CALLS[call](whole)
    await expect_missing(_PROMISE, whole, "k", f"a missing object, after {', '.join(calls)}")
    same(_PROMISE, sorted(await listed(whole)), [], "asking for a missing object made one")
    if creates(whole) and len(calls) % 2:
        truth("object_storage_conditional.1", await whole.put_if_absent(BUCKET, "k", b"new"), True, "put_if_absent after asking")
    else:
        await whole.put(BUCKET, "k", b"new")
    await expect_object(_PROMISE, whole, "k", b"new", "an object that was missing and asked for")
    if case.clock.virtual:
        await case.advance(1000)
    await expect_object("object_storage.10", whole, "k", b"new", "an object that was given a deadline when it was missing")


@check("object_storage.4", _PROMISE)
@gauntlet(lambda limits: [{"size": size, "said": said} for size in (0, 1, 70_000, 1 << 20) for said in (False, True)])
async def delete_removes_the_object_and_says_so_once(store: ObjectStorage, case: Case, size: int, said: bool) -> None:
    """A present object, an empty one too, is deleted with True, and is missing then; others are as they were (OB-9)."""
    data = made(min(size, case.limits.max_payload))
    keywords = signed("me").keywords if said else {}
    await store.create_bucket(BUCKET)
    for key in ("k", "k/", "k2", "K", "k\x00"):
        await store.put(BUCKET, key, data, **keywords)
    for _ in range(3):
        truth("object_storage.4", await store.delete(BUCKET, "k"), True, "delete of a present object")
        truth("object_storage.4", await store.delete(BUCKET, "k"), False, "delete, once more")
        await expect_missing("object_storage.4", store, "k", "a deleted object")
        same("object_storage.4", sorted(await listed(store)), ["K", "k\x00", "k/", "k2"], "what is listed after delete")
        for key in ("k/", "k2", "K", "k\x00"):
            value("object_storage.4", await streamed(store, key), data, "delete changed another object")
        await store.put(BUCKET, "k", data, **keywords)
