"""object_storage: the life of a bucket, and what every other method says when it is not there."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import refused, same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import (
    BUCKET,
    PUTS,
    Given,
    drained,
    expect_missing,
    expect_object,
    listed,
    signed,
    source,
    streamed,
)
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectStorage
from prism_testkit.traits import Limits

_CALLS: dict[str, Any] = {
    "put": lambda store, bucket: store.put(bucket, "k", b"x"),
    "put_stream": lambda store, bucket: store.put_stream(bucket, "k", source([b"x"])),
    "put_stream of nothing": lambda store, bucket: store.put_stream(bucket, "k", source([]), size=0),
    "get": lambda store, bucket: store.get(bucket, "k"),
    "get_stream": lambda store, bucket: streamed(store, "k", bucket),
    "delete": lambda store, bucket: store.delete(bucket, "k"),
    "exists": lambda store, bucket: store.exists(bucket, "k"),
    "metadata": lambda store, bucket: store.metadata(bucket, "k"),
    "set_ttl": lambda store, bucket: store.set_ttl(bucket, "k", 5),
    "set_ttl of 0": lambda store, bucket: store.set_ttl(bucket, "k", 0),
    "list_objects": lambda store, bucket: drained(store.list_objects(bucket)),
    "list_objects of a prefix": lambda store, bucket: drained(store.list_objects(bucket, "k")),
}
_HISTORIES = ("never made", "deleted", "deleted with force", "made and deleted twice")


async def _without(store: Any, history: str) -> None:
    """Bring a bucket into a state in which it is not there."""
    if history == "never made":
        return
    for _ in range(2 if "twice" in history else 1):
        await store.create_bucket(BUCKET)
        await store.put(BUCKET, "k", b"old", **signed("old").keywords)
        await store.set_ttl(BUCKET, "k", 1e7)
        if "force" not in history:
            await store.delete(BUCKET, "k")
        await store.delete_bucket(BUCKET, force="force" in history)


@check("object_storage.11", "object_storage.2")
@gauntlet(lambda limits: [{"call": call, "history": history} for call in _CALLS for history in _HISTORIES])
async def without_the_bucket_every_call_says_so(store: ObjectStorage, call: str, history: str) -> None:
    """Every method raises BucketNotFound, iterators at their first step, and none makes the bucket (OS-51)."""
    await store.create_bucket("other")
    await store.put("other", "k", b"other")
    await _without(store, history)
    truth("object_storage.11", await store.bucket_exists(BUCKET), False, f"bucket_exists of a bucket that was {history}")
    store.get_stream(BUCKET, "k")
    store.list_objects(BUCKET)
    await refused("object_storage.11", _CALLS[call](store, BUCKET), BucketNotFound, f"{call} in a bucket that was {history}")
    truth("object_storage.11", await store.bucket_exists(BUCKET), False, f"{call} made the bucket that it did not find")
    truth("object_storage.11", await store.delete_bucket(BUCKET), False, f"delete_bucket of one that was {history}")
    truth("object_storage.11", await store.delete_bucket(BUCKET, force=True), False, f"the same, with force: {history}")
    truth("object_storage.11", await store.create_bucket(BUCKET), True, f"create_bucket of one that was {history}")
    same("object_storage.11", sorted(await listed(store)), [], "a bucket that was just made is not empty")
    await expect_missing("object_storage.11", store, "k", "a key in a bucket that was just made")
    value("object_storage.15", await store.get("other", "k"), b"other", "another bucket's object")


@check("object_storage.11")
@gauntlet(lambda limits: [{"way": way, "size": size} for way in PUTS for size in (0, 9, 200_000)])
async def making_a_bucket_again_leaves_it(store: ObjectStorage, case: Case, way: str, size: int) -> None:
    """create_bucket of a present bucket is False and changes nothing in it, by any client."""
    truth("object_storage.11", await store.create_bucket(BUCKET), True, "create_bucket of a new bucket")
    truth("object_storage.11", await store.bucket_exists(BUCKET), True, "bucket_exists of an empty bucket")
    data = b"x" * min(size, case.limits.max_payload)
    known = await PUTS[way](store, "k", data, signed("me"))
    await store.set_ttl(BUCKET, "k", 1e7)
    other = await case.client()
    for client in (store, other, store):
        truth("object_storage.11", await client.create_bucket(BUCKET), False, "create_bucket of a present bucket")
        await expect_object("object_storage.11", client, "k", data, "after create_bucket", signed("me"), lives=True, known=known)
        got = await client.metadata(BUCKET, "k")
        truth("object_storage.11", got is not None and got.expires_at_ms is not None, True, "create_bucket took a deadline away")


@check("object_storage.11")
@gauntlet(lambda limits: [{"keys": keys} for keys in (1, 2, 3, 11, 101)])
async def only_an_empty_bucket_is_deleted_without_force(store: ObjectStorage, case: Case, keys: int) -> None:
    """With any object in it, an empty one too, delete_bucket raises Conflict and loses nothing; once the last is gone it is
    True, once."""
    await store.create_bucket(BUCKET)
    names = [f"k{number}" for number in range(keys)]
    for name in names:
        await store.put(BUCKET, name, b"")
    for left in (names, names[-1:]):
        for name in names[:-1] if left is not names else ():
            await store.delete(BUCKET, name)
        for how in ({}, {"force": False}):
            await refused(
                "object_storage.11", store.delete_bucket(BUCKET, **how), Conflict, f"delete_bucket with {len(left)} in it"
            )
        same("object_storage.11", sorted(await listed(store)), sorted(left), "a refused delete_bucket lost objects")
        value("object_storage.11", await store.get(BUCKET, left[-1]), b"", "a refused delete_bucket lost an object")
    await store.delete(BUCKET, names[-1])
    truth("object_storage.11", await store.delete_bucket(BUCKET), True, "delete_bucket of one that became empty")
    truth("object_storage.11", await store.delete_bucket(BUCKET), False, "delete_bucket, once more")
    truth("object_storage.11", await store.bucket_exists(BUCKET), False, "bucket_exists of a deleted bucket")


def _varied(number: int) -> str:
    """Return the name of an object: plain, or below folders, hidden ones and the parent among them."""
    return f"{('', 'a/', '', 'a/b/c/', '.hidden/', '', '../', 'a//', '')[number % 9]}k{number}"


@check("object_storage.11")
@gauntlet(lambda limits: [{"keys": keys} for keys in (0, 1, 2, 99, 100, 101, 257, 1001)])
async def force_removes_everything_in_a_bucket(store: ObjectStorage, case: Case, keys: int) -> None:
    """However many objects there are, all are gone, and a bucket made again has none of their data, metadata or deadlines."""
    await store.create_bucket(BUCKET)
    await store.create_bucket("beside")
    await store.put("beside", "k0", b"beside")
    for number in range(keys):
        await store.put(BUCKET, _varied(number), b"%d" % number, **(signed("old").keywords if number < 3 else {}))
    for number in range(min(keys, 3)):
        await store.set_ttl(BUCKET, _varied(number), 50)
    if keys:
        await refused("object_storage.11", store.delete_bucket(BUCKET), Conflict, f"delete_bucket without force, with {keys} in it")
    truth("object_storage.11", await store.delete_bucket(BUCKET, force=True), True, f"delete_bucket by force, with {keys} in it")
    truth("object_storage.11", await store.bucket_exists(BUCKET), False, "bucket_exists of a deleted bucket")
    value("object_storage.15", await store.get("beside", "k0"), b"beside", "delete_bucket removed an object of another bucket")
    truth("object_storage.11", await store.create_bucket(BUCKET), True, "create_bucket of a deleted bucket")
    same("object_storage.11", sorted(await listed(store)), [], "a bucket that was deleted and made again is not empty")
    for number in {0, keys // 2, max(0, keys - 1)}:
        await expect_missing("object_storage.11", store, _varied(number), "an object of a deleted bucket")
    await store.put(BUCKET, "k0", b"new")
    if case.clock.virtual:
        await case.advance(1000)
    await expect_object("object_storage.11", store, "k0", b"new", "in a bucket that was made again")


@check("object_storage.11", "object_storage.9")
@gauntlet(lambda limits: [{"force": force, "ttl_s": ttl_s} for force in (False, True) for ttl_s in (0, -1, 0.5, 60)])
async def expired_objects_do_not_hold_a_bucket(store: ObjectStorage, case: Case, force: bool, ttl_s: float) -> None:
    """A bucket whose objects have all expired is empty: it is deleted without force, and nothing comes back with it."""
    slack_s = case.limits.clock_resolution_s + case.traits.ttl_late_s
    if not case.clock.virtual and (ttl_s > 0 or slack_s > 0.001):
        case.inconclusive("time cannot be moved on this clock")
    await store.create_bucket(BUCKET)
    for key in ("a", "b"):
        await store.put(BUCKET, key, b"x")
        await store.set_ttl(BUCKET, key, ttl_s)
    if case.clock.virtual:
        await case.advance(max(0.0, ttl_s) + slack_s)
    truth("object_storage.11", await store.delete_bucket(BUCKET, force=force), True, "delete_bucket of one with expired objects")
    truth("object_storage.11", await store.create_bucket(BUCKET), True, "create_bucket after that")
    await expect_missing("object_storage.11", store, "a", "an expired object of a deleted bucket")


@check("object_storage.11", "object_storage.15")
@gauntlet(lambda limits: [{"buckets": buckets} for buckets in (2, 17, 130)])
async def there_may_be_many_buckets(store: ObjectStorage, case: Case, buckets: int) -> None:
    """Each of many buckets has objects of its own, under the same keys."""
    names = [f"b{number}" for number in range(buckets)]
    for number, name in enumerate(names):
        truth("object_storage.11", await store.create_bucket(name), True, "create_bucket of one more")
        await store.put(name, "k", b"%d" % number, content_type=f"n/{number}")
    for number, name in enumerate(names[::2]):
        truth("object_storage.11", await store.delete_bucket(name, force=True), True, f"delete_bucket of number {2 * number}")
    for number, name in enumerate(names):
        truth("object_storage.11", await store.bucket_exists(name), number % 2 == 1, "bucket_exists of one of many")
        if number % 2:
            sentence = "an object in one of many buckets"
            await expect_object("object_storage.15", store, "k", b"%d" % number, sentence, Given(f"n/{number}"), name)


_STEPS = ("create", "delete", "force", "put", "remove")


def _lives(limits: Limits) -> Iterator[dict[str, Any]]:
    for first in _STEPS:
        for second in _STEPS:
            for third in _STEPS:
                if first != third:  # what is left out are mostly repeats
                    yield {"steps": [first, second, third, "create", "put", "delete", "remove", "delete"]}


@check("object_storage.11", "object_storage.4", "object_storage.9", "object_storage.8")
@gauntlet(_lives)
@given(steps=st.lists(st.sampled_from(_STEPS), max_size=30))
async def a_bucket_lives_as_it_is_told(store: ObjectStorage, case: Case, steps: list[str]) -> None:
    """Any order of making, filling, emptying and deleting a bucket, by two clients in turn, gives the answers of a plain model.
    Objects go by a deadline and by a delete in turn."""
    clients = (store, await case.client())
    there, full, removed = False, False, 0
    times = Times(case)
    for number, step in enumerate(steps):
        client: Any = clients[number % 2]
        match step:
            case "create":
                truth("object_storage.11", await client.create_bucket(BUCKET), not there, f"create_bucket, step {number}")
                there = True
            case "delete" | "force":
                if full and step == "delete":
                    await refused("object_storage.11", client.delete_bucket(BUCKET), Conflict, f"delete_bucket, step {number}")
                else:
                    deleted = await client.delete_bucket(BUCKET, force=step == "force")
                    truth("object_storage.11", deleted, there, f"delete_bucket by {step}, step {number}")
                    there = full = False
            case _ if not there:
                call = client.put(BUCKET, "k", b"x") if step == "put" else client.delete(BUCKET, "k")
                await refused("object_storage.11", call, BucketNotFound, f"{step} without the bucket, step {number}")
            case "put":
                await client.put(BUCKET, "k", b"%d" % number)
                full = True
            case _:
                removed += 1
                if removed % 2 and times.virtual:
                    done, now = await times.during(client.set_ttl(BUCKET, "k", 100))
                    truth("object_storage.9", done, full, f"set_ttl, step {number}")
                    await times.past(now.after(100))
                else:
                    truth("object_storage.4", await client.delete(BUCKET, "k"), full, f"delete, step {number}")
                full = False
        truth("object_storage.11", await client.bucket_exists(BUCKET), there, f"bucket_exists after {step}, step {number}")
        if there:
            same("object_storage.11", sorted(await listed(client)), ["k"] if full else [], f"what is listed after {step}")


@check("object_storage.11", "object_storage.4")
@gauntlet(
    lambda limits: [{"size": size} for size in (0, 1, 5000, 40_000, 300_000, 1_200_000, 9 << 20) if size <= limits.max_payload]
)
async def a_bucket_made_again_holds_nothing_of_any_size(store: ObjectStorage, case: Case, size: int) -> None:
    """Wherever a store puts data of a size, inline, in pieces or in files: they go with their bucket."""
    if case.server and size > 1_200_000:
        return
    await store.create_bucket(BUCKET)
    for _ in range(3):
        await store.put(BUCKET, "k", b"x" * size)
        truth("object_storage.11", await store.delete_bucket(BUCKET, force=True), True, f"delete_bucket over {size} bytes")
        await store.create_bucket(BUCKET)
        truth(
            "object_storage.11",
            await store.exists(BUCKET, "k"),
            False,
            f"an object of {size} bytes is in a bucket that was made again",
        )
        same("object_storage.11", sorted(await listed(store)), [], f"a bucket that held {size} bytes, made again, lists objects")
