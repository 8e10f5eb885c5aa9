"""object_storage: streams out of a store: read while others write, left early, and sent back in."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from prism_suites._judging import broken, refused, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, Given, drained, expect_object, listed, made, source, streamed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound, ObjectStorage, ObjectStorageConditional
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

_OLD = Given("old/old", "old", {"old": "1"})
_NEW = Given("new/new", "new", {"new": "2"})


_LENGTHS = {"the same length": 0, "shorter": -1000, "much shorter": -(1 << 40), "longer": 1000, "double": 1 << 40}
_WRITES = (*(f"{how}, {length}" for how in ("put", "put_stream") for length in _LENGTHS), "put of the same", "there and back")
_ENDS = (
    "delete",
    "delete and put",
    "set_ttl of 0",
    "its deadline passes",
    "its deadline passes, made again",
    "delete_bucket",
    "bucket made again",
    "put elsewhere",
    "nothing",
)
_GONE = {"delete": "object_storage.4", "set_ttl of 0": "object_storage.9", "its deadline passes": "object_storage.9"}
"""What removes an object, whoever reads it, and the promise that says so."""
_LONG = (2 << 20) + 99_991
"""So long that more is to come behind a chunk or two, wherever they end."""


def _midway(limits: Limits) -> Iterator[dict[str, Any]]:
    for times in (10, 100, 256):
        yield {"write": f"put, {times} times", "read": 1, "size": 700_000, "other": times == 100}
    for number, (write, read) in enumerate(product((*_WRITES, *_ENDS), (1, 2))):
        size = (_LONG, 700_000, 90_000, 20)[number % 4]
        if write in _ENDS and read == 1:
            size = _LONG
        yield {"write": write, "read": read, "size": size, "other": bool(number % 2)}
    for number, write in enumerate(("put, shorter", "delete", "delete and put", "bucket made again")):
        yield {"write": write, "read": 1, "size": 700_000, "other": bool(number % 2), "left": True}
    for number, write in enumerate((*_ENDS, "put, shorter", "put, longer")):  # the reader himself is the first who finds it out
        yield {"write": write, "read": 1, "size": _LONG, "other": bool(number % 2), "looked": False}


def _other_content(size: int, write: str, most: int) -> bytes:
    """Return data of another seed, of the length that the name of the write asks for."""
    change = _LENGTHS[write.partition(", ")[2]]
    length = size * 2 if change > size else max(size // 50, size + change) if change > -size else size // 50
    return made(min(length, most), 7)


async def _write(store: Any, write: str, old: bytes, most: int) -> None:
    """Do to the object what the name says."""
    match write:
        case "put of the same":
            await store.put(BUCKET, "k", old, **_NEW.keywords)
        case "there and back":
            await store.put(BUCKET, "k", made(len(old), 7))
            await store.put(BUCKET, "k", old)
        case "delete":
            await store.delete(BUCKET, "k")
        case "delete and put":
            await store.delete(BUCKET, "k")
            await store.put(BUCKET, "k", made(len(old), 7))
        case "set_ttl of 0":
            await store.set_ttl(BUCKET, "k", 0)
        case "delete_bucket":
            await store.delete_bucket(BUCKET, force=True)
        case "bucket made again":
            await store.delete_bucket(BUCKET, force=True)
            await store.create_bucket(BUCKET)
            await store.put(BUCKET, "k", made(len(old), 7))
        case "put elsewhere":
            await store.put(BUCKET, "other", made(len(old), 7))
        case "nothing" | "its deadline passes":
            pass
        case "its deadline passes, made again":
            if offers(store, ObjectStorageConditional):
                done = await store.put_if_absent(BUCKET, "k", made(len(old), 7))
                truth(
                    "object_storage.9",
                    done,
                    True,
                    "put_if_absent of what has expired, while a stream of it is under way",
                )
            else:
                await store.put(BUCKET, "k", made(len(old), 7))
        case _ if write.endswith(" times"):
            for number in range(int(write.split()[1]) - 1):
                await store.put(BUCKET, "k", b"%d" % number)
            await store.put(BUCKET, "k", made(len(old), 7))
        case _ if write.startswith("put_stream"):
            data = _other_content(len(old), write, most)
            await store.put_stream(BUCKET, "k", source([data[:70_000], data[70_000:]]), **_NEW.keywords)
        case _:
            await store.put(BUCKET, "k", _other_content(len(old), write, most), **_NEW.keywords)


async def _is_there(store: ObjectStorage, write: str) -> None:
    """Judge that whoever reads an object keeps it from nobody, and that it is gone for all if it is."""
    there, sentence = write not in _GONE, f"while a stream of the object is under way, after: {write}"
    promise = _GONE.get(write, "object_storage.14")
    truth(promise, await store.exists(BUCKET, "k"), there, f"exists, {sentence}")
    truth(promise, await store.metadata(BUCKET, "k") is not None, there, f"there is metadata, {sentence}")
    truth("object_storage.8" if there else promise, "k" in await listed(store), there, f"it is listed, {sentence}")
    if not there:
        value(promise, await store.get(BUCKET, "k"), None, f"get, {sentence}")


@check("object_storage.7", "object_storage.8", "object_storage.4", "object_storage.9", "object_storage.14")
@gauntlet(_midway)
async def a_read_gives_one_version_whole(
    store: ObjectStorage,
    case: Case,
    write: str,
    read: int,
    size: int,
    other: bool,
    left: bool = False,
    looked: bool = True,
) -> None:
    """A stream whose object is overwritten, deleted or expires between two chunks goes on to the end of the version that it
    began, or raises; it never mixes, and never ends early as if it were whole (OS-27, OB-11).
    Whoever reads keeps no object there, and loses none, while he reads or by coming to an end. Where nobody ``looked`` meanwhile,
    nothing swept the object away before the stream went on."""
    old = made(min(size, case.limits.max_payload))
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", old, **_OLD.keywords)
    rival = await case.client() if other else store
    times = Times(case)
    if write.startswith("its deadline passes"):
        _, now = await times.during(store.set_ttl(BUCKET, "k", 1e6))
    begun: list[bytes] = []
    iterator: Any = store.get_stream(BUCKET, "k")
    while sum(map(bool, begun)) < read:  # an empty chunk may come before anything was read
        chunk = await anext(iterator, None)
        if chunk is None:
            break
        begun.append(chunk)
    certain = True
    if write.startswith("its deadline passes"):
        certain = await times.past(now.after(1e6))
    if certain:
        await _write(await case.whole() if write.endswith("made again") else rival, write, old, case.limits.max_payload)
    if write == "set_ttl of 0":
        certain = await times.past_at_once()
    looked = looked and write != "delete_bucket"
    if looked and certain:
        await _is_there(store, write)
    kept = await store.get(BUCKET, "k") if looked else None
    try:
        if left:
            await iterator.aclose()
        rest = [] if left else await drained(iterator)
    except (Conflict, ObjectNotFound) as error:
        if write in ("nothing", "put elsewhere"):
            broken("object_storage.7", f"{write}: a stream that nothing raced was broken off", expected=old, got=repr(error))
        return
    except BucketNotFound as error:
        if write != "delete_bucket":
            broken("object_storage.7", f"{write}: a stream whose bucket is there ended with another error", got=repr(error))
        return
    finally:
        if looked:
            sentence = f"get, after: {write}, once a stream that was under way came to its end"
            for client in (store, rival):
                value("object_storage.14", await client.get(BUCKET, "k"), kept, sentence)
    got = b"".join([*begun, *rest])
    if left or got == old:
        return
    what = "part that ends as if it were whole" if old.startswith(got) else "mixture"
    broken("object_storage.7", f"{write}, after {len(begun)} chunks of a stream: it gave a {what}", expected=old, got=got)


@check("object_storage.6", "object_storage.7")
@gauntlet(
    lambda limits: [{"size": size, "onto": onto} for size in (0, 10, 300_000, 3 << 20) for onto in ("another", "itself", "bucket")]
)
async def a_stream_may_come_from_the_store_itself(store: ObjectStorage, case: Case, size: int, onto: str) -> None:
    """An object is copied by streaming it out and in, to another key, another bucket, or onto itself (OS-37)."""
    data = made(min(size, case.limits.max_payload))
    bucket, key = ("other", "k") if onto == "bucket" else (BUCKET, "k" if onto == "itself" else "copy")
    for name in dict.fromkeys((BUCKET, bucket)):
        await store.create_bucket(name)
    await store.put(BUCKET, "k", data, **_OLD.keywords)
    await store.put_stream(bucket, key, store.get_stream(BUCKET, "k"), size=len(data), **_NEW.keywords)
    await expect_object("object_storage.6", store, key, data, f"a copy onto {onto}", _NEW, bucket)
    if onto != "itself":
        await expect_object("object_storage.6", store, "k", data, "the source of a copy", _OLD)
        copying = store.put_stream(bucket, key, store.get_stream(BUCKET, "missing"))
        await refused("object_storage.6", copying, ObjectNotFound, "a copy of a missing object")
        await expect_object("object_storage.6", store, key, data, "the target of a copy that failed", _NEW, bucket)


@check("object_storage.7", "object_storage.2")
@gauntlet(lambda limits: [{"size": size, "after": after} for size in (10, 300_000, 3 << 20) for after in (0, 1, 2)])
async def a_read_that_is_left_early_changes_nothing(store: ObjectStorage, case: Case, size: int, after: int) -> None:
    """A stream of which only some chunks, or none, were read leaves the object and the driver as they were."""
    data = made(min(size, case.limits.max_payload))
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", data)
    for _ in range(12):
        store.get_stream(BUCKET, "k")  # not begun
        iterator: Any = store.get_stream(BUCKET, "k")
        for _ in range(after):
            await anext(iterator, None)
        await iterator.aclose()
    value("object_storage.1", await streamed(store, "k"), data, "after streams that were left early")
    first, second = store.get_stream(BUCKET, "k"), store.get_stream(BUCKET, "k")
    start = await anext(first)
    value("object_storage.1", b"".join(await drained(second)), data, "one of two streams at once")
    value("object_storage.1", start + b"".join(await drained(first)), data, "the other of two streams at once")
    await store.put(BUCKET, "k", b"new")
    value("object_storage.1", await store.get(BUCKET, "k"), b"new", "a put after streams that were left early")
