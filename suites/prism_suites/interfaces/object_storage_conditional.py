"""object_storage_conditional: an object is created exactly if it is missing, and what is there is left as it is."""

import asyncio
from collections.abc import Iterator
from itertools import product
from typing import Any

from hypothesis import given

from prism_suites._judging import broken, refused, same, truth, value
from prism_suites._keyvalue_confusables import confusable_names
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, MOST, NOTHING, PUTS, Given, expect_missing, expect_object, listed, made, signed
from prism_suites._objects_descriptions import METADATA_BYTES, METADATA_NAME_BYTES, descriptions, instant_window, now_ms
from prism_suites._objects_gated import Gated, meanwhile_of, reached
from prism_suites._objects_times import expect_deadline
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, InvalidName, ObjectStorageConditional, PayloadTooLarge
from prism_testkit.strategies import over, sizes, universes
from prism_testkit.traits import Limits

_ONE = "object_storage_conditional.1"
_THREE = "object_storage_conditional.3"
_ENDS = ("deleted", "expired at once", "expired", "bucket made again", "created and deleted")
_BEGINNINGS = ("", "created, ", "created, overwritten, ")
_MISSING = ("never put", *(f"{beginning}{end}" for beginning in _BEGINNINGS for end in _ENDS))
_WHO = ("one client", "another creates", "another removes")


async def _without(maker: Any, store: Any, case: Case, state: str) -> bool:
    """Bring an object into a state in which it is missing, made by one client and removed by one; False where time cannot be moved
    for it."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    if state == "never put":
        return True
    beginning, _, end = state.rpartition(", ")
    if beginning:
        await maker.put_if_absent(BUCKET, "k", b"old", **signed("old").keywords)
    if beginning != "created":
        await maker.put(BUCKET, "k", b"old", **signed("old").keywords)
    match end:
        case "deleted":
            await store.delete(BUCKET, "k")
        case "expired at once":
            await store.set_ttl(BUCKET, "k", 0)
            return await times.past_at_once()
        case "expired":
            ttl_s = 1e6 if beginning else 5  # short and long, for what is kept of a deadline may go by how far it was
            _, now = await times.during(store.set_ttl(BUCKET, "k", ttl_s))
            return await times.past(now.after(ttl_s))
        case "bucket made again":
            await store.set_ttl(BUCKET, "k", 1e6)
            await store.delete_bucket(BUCKET, force=True)
            await store.create_bucket(BUCKET)
        case _:
            await store.delete(BUCKET, "k")
            await store.put_if_absent(BUCKET, "k", b"between")
            await store.delete(BUCKET, "k")
    return True


@check(_ONE, _THREE)
@gauntlet(
    lambda limits: [
        {"state": state, "size": size, "who": who}
        for state, who in product(_MISSING, _WHO)
        for size in ((0, 9, 100_000) if state in ("never put", *_ENDS) and who != "another removes" else (9,))
    ]
)
async def what_is_missing_is_created(store: ObjectStorageConditional, case: Case, state: str, size: int, who: str) -> None:
    """A missing object, expired ones included, is stored with what was said of it and nothing else, without a deadline (OB-6)."""
    other = store if who == "one client" else await case.client()
    client = other if who == "another creates" else store
    if not await _without(store, other if who == "another removes" else store, case, state):
        return
    data, said = made(min(size, case.limits.max_payload)), signed("new") if who == "one client" else NOTHING
    start = now_ms(case)
    truth(_ONE, await client.put_if_absent(BUCKET, "k", data, **said.keywords), True, f"put_if_absent of an object {state}")
    least, most = instant_window(case, start, now_ms(case))
    got = await expect_object(_THREE, store, "k", data, f"created when {state}", said)
    truth(_THREE, least <= got.last_modified_ms <= most, True, "an object was created at another instant than it says")
    await Times(case).move(1e7)
    await expect_object("object_storage.10", client, "k", data, f"created when {state}, much later", said)
    truth(_ONE, await store.put_if_absent(BUCKET, "k", b"again"), False, "put_if_absent of an object that was created")
    await expect_object(_ONE, store, "k", data, "created, then asked for again", said)


_LIVES = 4


@check(_ONE, _THREE)
@gauntlet(lambda limits: [{"end": end, "other": other} for end in _ENDS[:4] for other in (False, True)])
async def what_was_created_is_created_again(store: ObjectStorageConditional, case: Case, end: str, other: bool) -> None:
    """However often an object came to the same end, it is created the next time as it was the first, and owes nothing to what was
    there before (OB-6)."""
    client = await case.client() if other else store
    await store.create_bucket(BUCKET)
    for life in range(_LIVES):
        data, said = b"life %d" % life, signed("odd") if life % 2 else NOTHING
        got = await client.put_if_absent(BUCKET, "k", data, **said.keywords)
        truth(_ONE, got, True, f"put_if_absent of an object that was {end} {life} times, each time after it was created")
        await expect_object(_THREE, store, "k", data, f"created, and {end}, {life} times before", said)
        if not await _without(client, store, case, f"created, {end}"):
            return


_PRESENT = ("put", "put_stream", "put_stream with size", "put_if_absent", "overwritten", "empty", "bare", "with a deadline")


@check(_ONE)
@gauntlet(
    lambda limits: [
        {"state": state, "data": data, "times": times}
        for state, (data, times) in product(_PRESENT, ((b"other", 1), (b"held", 2), (b"", 1), (b"x" * 70_000, 1)))
        if len(data) <= limits.max_payload
    ]
)
async def what_is_present_is_left_as_it_is(
    store: ObjectStorageConditional, case: Case, state: str, data: bytes, times: int
) -> None:
    """It returns False and changes neither the data nor the metadata, the instant or the deadline (OS-30)."""
    clock = Times(case)
    await store.create_bucket(BUCKET)
    held = b"" if state == "empty" else b"held"
    said = NOTHING if state == "bare" else signed("old")
    if state == "put_if_absent":
        await store.put_if_absent(BUCKET, "k", held, **said.keywords)
    else:
        if state == "overwritten":
            await store.put(BUCKET, "k", b"before")
        await PUTS.get(state, PUTS["put"])(store, "k", held, said)
    deadline = None
    if state == "with a deadline":
        _, now = await clock.during(store.set_ttl(BUCKET, "k", 600.375))
        deadline = now.after(600.375)
    before = await store.metadata(BUCKET, "k")
    clients = (await case.client(), store)
    for number in range(times):
        await clock.move(5.0)
        got = await clients[number].put_if_absent(BUCKET, "k", data, **signed("new").keywords)
        truth(_ONE, got, False, f"put_if_absent of a present object: {state}")
        same(_ONE, await store.metadata(BUCKET, "k"), before, f"put_if_absent changed what is known of an object: {state}")
        lives = deadline is not None
        await expect_object(_ONE, store, "k", held, f"put_if_absent of a present object: {state}", said, lives=lives)
    if deadline is not None:
        await expect_deadline(case, clock, store, "k", deadline, "after put_if_absent", _ONE)
        await clock.before(deadline)
        got, now = await clock.during(store.put_if_absent(BUCKET, "k", data))
        if clock.is_present(deadline, now):  # else it took longer than what was left, and may have created it
            truth(_ONE, got, False, "put_if_absent just before the deadline")
        if not got and await clock.past(deadline):
            await expect_missing(_ONE, store, "k", "put_if_absent took a deadline away", writes=False)
            truth(_ONE, await store.put_if_absent(BUCKET, "k", data), True, "put_if_absent just after the deadline")


@check(_ONE, "object_storage.6")
@gauntlet(lambda limits: [{"before": before, "who": who} for before in ("never put", "deleted") for who in _WHO[:2]])
async def a_stream_on_its_way_reserves_nothing(store: ObjectStorageConditional, case: Case, before: str, who: str) -> None:
    """While a stream has more to come its key is missing, so somebody else creates it; at its end the stream replaces that."""
    client = store if who == "one client" else await case.client()
    await _without(store, store, case, before)
    gated = Gated([b"a ", b"stream"])
    task = asyncio.ensure_future(store.put_stream(BUCKET, "k", gated, content_type="a/stream"))
    await reached(gated, task)
    got = await meanwhile_of(case, gated, task, client.put_if_absent(BUCKET, "k", b"created", **signed("new").keywords))
    truth(_ONE, got, True, "put_if_absent of a missing object, a stream of which is on its way")
    await expect_object(_ONE, store, "k", b"created", "created while a stream is on its way", signed("new"))
    gated.go_on.set()
    await task
    await expect_object("object_storage.6", client, "k", b"a stream", "a stream that paused", Given("a/stream", None, {}))


def _metadata(limits: Limits) -> Iterator[dict[str, Any]]:
    for said in list(descriptions(limits))[::3]:
        yield {
            "content_type": said.content_type,
            "content_encoding": said.content_encoding,
            "user_metadata": dict(said.user_metadata),
        }


@check(_THREE)
@gauntlet(_metadata)
async def metadata_are_those_of_a_put(
    store: ObjectStorageConditional, content_type: str | None, content_encoding: str | None, user_metadata: dict[str, str]
) -> None:
    """Types, encodings and user metadata of every kind come back unchanged (OB-3, OS-21)."""
    said = Given(content_type, content_encoding, user_metadata)
    await store.create_bucket(BUCKET)
    truth(_ONE, await store.put_if_absent(BUCKET, "k", b"data", **said.keywords), True, "put_if_absent of a new object")
    await expect_object(_THREE, store, "k", b"data", "created with metadata", said)


@check(_THREE)
@gauntlet(lambda limits: [{"size": size} for size in sizes(min(limits.max_payload, 1 << 20)) if size > 1000 or size < 3])
async def data_are_those_of_a_put(store: ObjectStorageConditional, size: int) -> None:
    """Objects of any length are created whole, from any kind of buffer, and kept apart from it."""
    await store.create_bucket(BUCKET)
    buffer = bytearray(made(size))
    truth(_ONE, await store.put_if_absent(BUCKET, "k", memoryview(buffer)), True, "put_if_absent of a new object")
    buffer[:] = bytes(size)
    await expect_object(_THREE, store, "k", made(size), f"created with {size} bytes")


@check(_THREE)
@gauntlet(lambda limits: [{"size": size, "first": first} for size in (1, 70_000) for first in ("put", "put_if_absent")])
async def other_content_has_another_etag_when_created(store: ObjectStorageConditional, case: Case, size: int, first: str) -> None:
    """Versions of one key that are created in turn, each after the end of the one before, have etags of their own (OS-35)."""
    await store.create_bucket(BUCKET)
    seen: dict[str, int] = {}
    for number in range(6):
        data = made(min(size, case.limits.max_payload), number)
        if first == "put" and number % 2:
            await store.put(BUCKET, "k", data)
        else:
            truth(_ONE, await store.put_if_absent(BUCKET, "k", data), True, "put_if_absent of a deleted object")
        known = await store.metadata(BUCKET, "k")
        if known is None or seen.setdefault(known.etag, number) != number:
            broken(_THREE, "two versions with different content have one etag", expected="another", got=known and known.etag)
        await store.delete(BUCKET, "k")


@check(_ONE, _THREE)
@gauntlet(lambda limits: [{"names": names} for names in confusable_names(limits, 6)])
@given(names=universes())
async def every_name_is_created_once(store: ObjectStorageConditional, names: tuple[str, ...]) -> None:
    """Keys and buckets that look alike are each created once, and by themselves."""
    for bucket in names[:2]:
        await store.create_bucket(bucket)
        for number, key in enumerate(names := names[:6]):
            truth(
                _THREE,
                await store.put_if_absent(bucket, key, b"%d" % number),
                True,
                f"put_if_absent of {key[:40]!a}, after look-alikes",
            )
        for number, key in enumerate(names):
            truth(_ONE, await store.put_if_absent(bucket, key, b"again"), False, f"put_if_absent of {key[:40]!a}, once more")
            value(_THREE, await store.get(bucket, key), b"%d" % number, "an object created beside look-alikes")
        same(
            _THREE, sorted(await listed(store, "", bucket)), sorted(names), "names that were created are not those that are listed"
        )


def _refusals(limits: Limits) -> dict[str, tuple[tuple[Any, ...], dict[str, Any], type[Exception]]]:
    long = "a" * (limits.max_name + 1)
    cases: dict[str, tuple[tuple[Any, ...], dict[str, Any], type[Exception]]] = {
        "an empty key": ((BUCKET, "", b"x"), {}, InvalidName),
        "a long key": ((BUCKET, long, b"x"), {}, InvalidName),
        "a key with a surrogate": ((BUCKET, "\ud800", b"x"), {}, InvalidName),
        "an empty bucket": (("", "k", b"x"), {}, InvalidName),
        "a long bucket": ((long, "k", b"x"), {}, InvalidName),
        "a bucket that is bytes": ((b"k", "k", b"x"), {}, TypeError),
        "a key that is None": ((BUCKET, None, b"x"), {}, TypeError),
        "text as data": ((BUCKET, "k", "x"), {}, TypeError),
        "None as data": ((BUCKET, "k", None), {}, TypeError),
        "a type with a surrogate": ((BUCKET, "k", b"x"), {"content_type": "\ud800"}, ValueError),
        "a type that is bytes": ((BUCKET, "k", b"x"), {"content_type": b"a/b"}, TypeError),
        "too much metadata": ((BUCKET, "k", b"x"), {"user_metadata": {"a": "v" * METADATA_BYTES}}, PayloadTooLarge),
        "a long name": ((BUCKET, "k", b"x"), {"user_metadata": {"n" * (METADATA_NAME_BYTES + 1): ""}}, InvalidName),
        "an empty name": ((BUCKET, "k", b"x"), {"user_metadata": {"": "v"}}, InvalidName),
        "a value with a surrogate": ((BUCKET, "k", b"x"), {"user_metadata": {"a": "\udfff"}}, ValueError),
        "a value that is a number": ((BUCKET, "k", b"x"), {"user_metadata": {"a": 1}}, TypeError),
        "no bucket": (("nowhere", "k", b"x"), {}, BucketNotFound),
    }
    if limits.max_payload <= MOST:
        cases |= {f"{n} bytes": ((BUCKET, "k", b"x" * n), {}, PayloadTooLarge) for n in over(limits.max_payload)}
    return cases


@check(_THREE)
@gauntlet(lambda limits: [{"kind": kind, "present": present} for kind in _refusals(limits) for present in (False, True)])
async def refusals_are_those_of_a_put(store: ObjectStorageConditional, case: Case, kind: str, present: bool) -> None:
    """What put refuses is refused, whether the object is there or not, and nothing is done."""
    await store.create_bucket(BUCKET)
    if present:
        await store.put(BUCKET, "k", b"old", **signed("old").keywords)
    arguments, keywords, error = _refusals(case.limits)[kind]
    await refused(_THREE, store.put_if_absent(*arguments, **keywords), error, f"put_if_absent with {kind}")
    if present:
        await expect_object(_THREE, store, "k", b"old", f"after put_if_absent with {kind}", signed("old"))
    else:
        await expect_missing(_THREE, store, "k", f"after put_if_absent with {kind}")
    truth("object_storage.11", await store.bucket_exists("nowhere"), False, "put_if_absent made a bucket")
    same(_THREE, len(await listed(store)), int(present), f"what is listed after put_if_absent with {kind}")
