"""object_storage: behind a call that was refused, or cancelled, whichever call comes next does what it would have done without."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_suites._behind import Behind, Call, Interruption, named, pointed, whatever_comes_behind, whatever_comes_next
from prism_suites._judging import same, truth, value
from prism_suites._objects_asking import BUCKET, NOTHING, expect_missing, expect_object, listed, made, signed, source, streamed
from prism_suites._objects_refusals import PARTS, REFUSALS, SAID
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage, ObjectStorageConditional


async def _stepped(steps: AsyncIterator[Any]) -> None:
    async for _ in steps:
        pass


async def _puts(call: Call) -> None:
    store, promise, told = call.slot, call.promise, call.told
    for number, said in enumerate((NOTHING, signed("next"))):
        key, data = f"put {number}", made(50 + number)
        await call.refuse()
        await store.put(BUCKET, key, data, **said.keywords)
        await expect_object(promise, store, key, data, f"{told} a put", said)
        await call.refuse()
        await store.put_stream(BUCKET, f"{key} s", source([b"str", b"eam"]), **said.keywords)
        await expect_object(promise, store, f"{key} s", b"stream", f"{told} a put_stream", said)
    await call.refuse()
    await store.put_stream(BUCKET, "put sized", source([b"si", b"zed"]), size=5)
    await expect_object(promise, store, "put sized", b"sized", f"{told} a put_stream of so many bytes", NOTHING)


async def _reads(call: Call) -> None:
    store, promise, told = call.slot, call.promise, call.told
    data = made(min(150_000, call.case.limits.max_payload))
    await store.put(BUCKET, "read", data)
    await call.refuse()
    value(promise, await store.get(BUCKET, "read"), data, f"{told} get gives something else")
    await call.refuse()
    value(promise, await streamed(store, "read"), data, f"{told} get_stream gives something else")
    await call.refuse()
    truth(promise, await store.exists(BUCKET, "read"), True, f"{told} an object that was put")
    await call.refuse()
    found = await store.metadata(BUCKET, "read")
    same(promise, found and found.size, len(data), f"{told} metadata tells another size")
    await call.refuse()
    truth(promise, await store.delete(BUCKET, "read"), True, f"{told} delete of an object that was put")
    await expect_missing(promise, store, "read", f"{told} an object was deleted")


async def _deadlines(call: Call) -> None:
    store, promise, told = call.slot, call.promise, call.told
    await store.put(BUCKET, "mortal", b"mortal")
    await call.refuse()
    truth(promise, await store.set_ttl(BUCKET, "mortal", 50_000.0), True, f"{told} set_ttl of an object that was put")
    if call.case.clock.virtual:
        await call.case.advance(10_000.0)
    value(promise, await store.get(BUCKET, "mortal"), b"mortal", f"{told} an object is gone before its deadline")


async def _listings(call: Call) -> None:
    store, promise, told = call.slot, call.promise, call.told
    wanted = [f"listed {number}" for number in range(4)]
    for key in wanted:
        await store.put(BUCKET, key, b"x")
    await call.refuse()
    same(promise, sorted(await listed(store, "listed", BUCKET)), wanted, f"{told} a listing gives something else")


async def _buckets(call: Call) -> None:
    store, promise, told = call.slot, call.promise, call.told
    await call.refuse()
    truth(promise, await store.create_bucket("next"), True, f"{told} create_bucket of a new one")
    await call.refuse()
    truth(promise, await store.bucket_exists("next"), True, f"{told} bucket_exists of a new one")
    await store.put("next", "k", b"x")
    await call.refuse()
    truth(promise, await store.delete_bucket("next", force=True), True, f"{told} delete_bucket of one that is there")
    truth(promise, await store.bucket_exists("next"), False, f"{told} bucket_exists of one that was deleted")
    truth(promise, await store.bucket_exists("missing"), False, f"{told} bucket_exists of one that there never was")


async def _creations(call: Call) -> None:
    store, promise, told = call.slot, call.promise, call.told
    await call.refuse()
    truth(promise, await store.put_if_absent(BUCKET, "made", b"made"), True, f"{told} put_if_absent of what is missing")
    await expect_object(promise, store, "made", b"made", f"{told} a put_if_absent", NOTHING)


_NEXTS: Mapping[str, Behind] = {
    "put": Behind(object, _puts),
    "read": Behind(object, _reads),
    "deadline": Behind(object, _deadlines),
    "listing": Behind(object, _listings),
    "bucket": Behind(object, _buckets),
    "creation": Behind(ObjectStorageConditional, _creations),
}


async def _there(o: Any, held: Any) -> None:
    await o.put(BUCKET, "cut", b"there")


_CUT = "object_storage.17"
_INTERRUPTIONS: dict[str, Interruption] = {
    "put": Interruption(object, _CUT, lambda o, of: o.put(BUCKET, "cut", b"cancelled", **SAID)),
    "put_stream": Interruption(object, _CUT, lambda o, of: o.put_stream(BUCKET, "cut", source(PARTS), **SAID)),
    "put_stream with size": Interruption(
        object, _CUT, lambda o, of: o.put_stream(BUCKET, "cut", source(PARTS), size=sum(map(len, PARTS)), **SAID)
    ),
    "get": Interruption(object, _CUT, lambda o, of: o.get(BUCKET, "cut"), _there),
    "get_stream": Interruption(object, _CUT, lambda o, of: _stepped(o.get_stream(BUCKET, "cut")), _there),
    "metadata": Interruption(object, _CUT, lambda o, of: o.metadata(BUCKET, "cut"), _there),
    "exists": Interruption(object, _CUT, lambda o, of: o.exists(BUCKET, "cut"), _there),
    "delete": Interruption(object, _CUT, lambda o, of: o.delete(BUCKET, "cut"), _there),
    "set_ttl": Interruption(object, _CUT, lambda o, of: o.set_ttl(BUCKET, "cut", 0.5), _there),
    "list_objects": Interruption(object, _CUT, lambda o, of: _stepped(o.list_objects(BUCKET)), _there),
    "create_bucket": Interruption(object, _CUT, lambda o, of: o.create_bucket("cut")),
    "delete_bucket": Interruption(
        object, _CUT, lambda o, of: o.delete_bucket("cut", force=True), lambda o, held: o.create_bucket("cut")
    ),
    "put_if_absent": Interruption(
        ObjectStorageConditional, _CUT, lambda o, of: o.put_if_absent(BUCKET, "cut", b"cancelled", **SAID)
    ),
}


async def _scene(case: Case) -> Any:
    whole = await case.whole()
    await whole.create_bucket(BUCKET)
    await whole.put(BUCKET, "there", b"there")
    return whole


@check(*dict.fromkeys(refusal.promise for refusal in REFUSALS.values() if refusal.promise.startswith("object_storage.")))
@gauntlet(named(REFUSALS))
async def a_refused_call_changes_nothing_of_the_next(store: ObjectStorage, case: Case, refused: str) -> None:
    """A call is refused, or has no effect, and the next one, of each kind and of other objects, does what it does else (OS-36)."""
    await whatever_comes_next(case, await _scene(case), None, REFUSALS[refused], refused, _NEXTS)


@check(_CUT)
@gauntlet(pointed(_INTERRUPTIONS))
async def a_cancelled_call_changes_nothing_of_the_next(store: ObjectStorage, case: Case, cancelled: str, point: int) -> None:
    """A call is cancelled, and the next one, of each kind and of other objects, does what it does else (OS-36)."""
    await whatever_comes_behind(case, await _scene(case), None, _INTERRUPTIONS[cancelled], cancelled, point, _NEXTS)
