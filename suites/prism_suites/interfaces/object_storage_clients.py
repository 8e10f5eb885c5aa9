"""object_storage: all clients of a namespace see one set of buckets at once; namespaces never see each other."""

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from typing import Any

from hypothesis import given

from prism_suites._judging import same, truth, value
from prism_suites._objects_asking import BUCKET, PUTS, expect_missing, expect_object, listed, made, signed, source, streamed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, ObjectNotFound, ObjectStorage
from prism_testkit.strategies import universes
from prism_testkit.traits import Limits


def _sizes(limits: Limits) -> Iterator[dict[str, Any]]:
    for size, way in product((0, 10, 70_000, 1 << 20), PUTS):
        if size <= limits.max_payload:
            yield {"size": size, "way": way}


async def _asked(client: Any) -> None:
    """Ask for the object in every way, whatever the answers."""
    for method in (client.get, client.exists, client.metadata):
        await method(BUCKET, "k")
    await listed(client)
    with contextlib.suppress(ObjectNotFound):
        await streamed(client, "k")


@check("object_storage.14")
@gauntlet(_sizes)
async def every_client_sees_what_was_written(store: ObjectStorage, case: Case, size: int, way: str) -> None:
    """What one client put, replaced, limited or removed, every other sees at once, by every method, listings too (OB-1, OS-57)."""
    other, third = await case.client(), await case.client()
    truth("object_storage.14", await store.create_bucket(BUCKET), True, "create_bucket of a new bucket")
    truth("object_storage.14", await other.bucket_exists(BUCKET), True, "a second client does not see a new bucket")
    for number in range(3):
        writer, *readers = ((store, other, third), (other, third, store), (third, store, other))[number]
        for client in readers:  # what they know now is old in a moment
            await _asked(client)
        data, said = made(size, number), signed(number)
        known = await PUTS[way](writer, "k", data, said)
        for client in (*readers, writer):
            await expect_object("object_storage.14", client, "k", data, "what a client put", said, known=known)
    await other.set_ttl(BUCKET, "k", 1e7)
    for client in (store, third):
        got = await client.metadata(BUCKET, "k")
        truth("object_storage.14", got is not None and got.expires_at_ms is not None, True, "a deadline given by another client")
    truth("object_storage.14", await third.delete(BUCKET, "k"), True, "a client cannot delete what others put")
    for client in (store, other, third):
        await expect_missing("object_storage.14", client, "k", "deleted by another client")
    truth("object_storage.14", await other.delete_bucket(BUCKET), True, "a client cannot delete a bucket that another made")
    for client in (store, third):
        truth("object_storage.14", await client.bucket_exists(BUCKET), False, "a bucket that another client deleted")
    try:
        await store.put(BUCKET, "k", b"x")
    except BucketNotFound:
        pass
    else:
        truth("object_storage.14", True, False, "a put into a bucket that another client deleted was accepted")


@check("object_storage.14", "object_storage.4")
@gauntlet(lambda limits: [{"rounds": 40}])
async def a_read_after_a_write_is_never_old(store: ObjectStorage, case: Case, rounds: int) -> None:
    """Put, overwritten, deleted and put again in turn by two clients, an object is always as it was left last (OB-1)."""
    clients = (store, await case.client())
    await store.create_bucket(BUCKET)
    for number in range(rounds):
        writer, reader = clients[number % 2], clients[number // 2 % 2]
        if number % 4 == 3:
            truth("object_storage.14", await writer.delete(BUCKET, "k"), True, "delete of what was put last")
            await expect_missing("object_storage.14", reader, "k", "read after delete", writes=False)
            same("object_storage.14", sorted(await listed(reader)), [], "listed after delete")
        else:
            data = (b"%d" % number * (1 + number % 3 * 100))[: case.limits.max_payload]
            await PUTS[list(PUTS)[number % 3]](writer, "k", data, signed(number))
            await expect_object("object_storage.14", reader, "k", data, "read after write", signed(number))


@check("object_storage.15")
@gauntlet(lambda limits: [{"way": way, "end": end} for way in PUTS for end in ("delete", "set_ttl", "delete_bucket", "clean")])
async def namespaces_are_apart(store: ObjectStorage, case: Case, way: str, end: str) -> None:
    """The same bucket and key in two namespaces are two objects, with metadata, deadlines and ends of their own."""
    sibling = await case.sibling()
    await store.create_bucket(BUCKET)
    truth("object_storage.15", await sibling.bucket_exists(BUCKET), False, "a bucket of another namespace is seen")
    truth("object_storage.15", await sibling.create_bucket(BUCKET), True, "a bucket of another namespace is in the way")
    await PUTS[way](store, "k", b"here", signed("here"))
    await expect_missing("object_storage.15", sibling, "k", "an object of another namespace")
    same("object_storage.15", sorted(await listed(sibling)), [], "objects of another namespace are listed")
    await PUTS[way](sibling, "k", b"there, longer", signed("there"))
    await expect_object("object_storage.15", store, "k", b"here", "put in another namespace", signed("here"))
    match end:
        case "delete":
            await sibling.delete(BUCKET, "k")
        case "set_ttl":
            await sibling.set_ttl(BUCKET, "k", 5)
            if case.clock.virtual:
                await case.advance(50)
        case "delete_bucket":
            await sibling.delete_bucket(BUCKET, force=True)
        case _:
            await _expect_clean(await case.clean(sibling))
    await expect_object("object_storage.15", store, "k", b"here", f"after {end} in another namespace", signed("here"))
    same("object_storage.15", sorted(await listed(store)), ["k"], f"what is listed after {end} in another namespace")


_CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "put": lambda store: store.put("first", "k", b"changed", content_type="x/y"),
    "put_stream": lambda store: store.put_stream("first", "k", source([b"cha", b"nged"]), user_metadata={"a": "b"}),
    "delete": lambda store: store.delete("first", "k"),
    "set_ttl": lambda store: store.set_ttl("first", "k", 1e6),
    "set_ttl of 0": lambda store: store.set_ttl("first", "k", 0),
    "create_bucket": lambda store: store.create_bucket("first"),
    "delete_bucket": lambda store: store.delete_bucket("first", force=True),
}


@check("object_storage.15")
@gauntlet(lambda limits: [{"call": call, "alike": alike, "way": way} for call in _CALLS for alike in (False, True) for way in PUTS])
async def what_happens_in_a_bucket_stays_there(store: ObjectStorage, case: Case, call: str, alike: bool, way: str) -> None:
    """A call on an object of one bucket leaves those of the same key in others, also if their data are the same."""
    buckets = ("first", "second", "first/k", "firs")
    said = {bucket: signed("all" if alike else bucket) for bucket in buckets}
    data = {bucket: b"data" if alike else bucket.encode() for bucket in buckets}
    for bucket in buckets:
        await store.create_bucket(bucket)
        await PUTS[way](store, "k", data[bucket], said[bucket], bucket)
    await _CALLS[call](store)
    if case.clock.virtual:
        await case.advance(2e6)
    for bucket in buckets[1:]:
        sentence = f"{call} in another bucket"
        await expect_object("object_storage.15", store, "k", data[bucket], sentence, said[bucket], bucket)
        same("object_storage.15", sorted(await listed(store, "", bucket)), ["k"], f"{sentence}: what is listed")


async def _expect_clean(cleaned: Any) -> None:
    """Judge a namespace that was cleaned, where the backend can."""
    if cleaned is None:
        return
    truth("object_storage.15", await cleaned.bucket_exists(BUCKET), False, "a bucket is left in a cleaned namespace")
    truth("object_storage.15", await cleaned.create_bucket(BUCKET), True, "create_bucket in a cleaned namespace")
    same("object_storage.15", sorted(await listed(cleaned)), [], "objects are left in a cleaned namespace")


def _which(mark: bytes, bucket: str, key: str) -> bytes:
    """Return short data that tell of the namespace, bucket and key where they belong; of one length everywhere."""
    return mark + b" " + hashlib.blake2b(bucket.encode() + b"\xff" + key.encode(), digest_size=8).hexdigest().encode()


def _own(got: bytes | None, expected: bytes, sentence: str) -> None:
    """Judge data that begin with the name of their namespace; those of the same one belong to another key or bucket."""
    same_space = got is not None and got.partition(b" ")[0] == expected.partition(b" ")[0]
    value("object_storage.3" if same_space else "object_storage.15", got, expected, sentence)


@check("object_storage.15", "object_storage.3")
@gauntlet(lambda limits: [{"names": names} for names in (("a", "a/b"), ("x", "prism"), ("é", "e\u0301"), ("a:b", "a"))])
@given(names=universes())
async def buckets_of_two_namespaces_never_meet(store: ObjectStorage, case: Case, names: tuple[str, ...]) -> None:
    """Whatever buckets and keys are called, nothing crosses from one namespace to another, or from one bucket to another."""
    names = names[:4]  # each is a bucket, and a key in every bucket of both namespaces
    sibling = await case.sibling()
    for client, mark in ((store, b"here"), (sibling, b"away")):
        for bucket in names:
            await client.create_bucket(bucket)
            for key in names:
                await client.put(bucket, key, _which(mark, bucket, key))
    for bucket in names[::2]:
        await sibling.delete_bucket(bucket, force=True)
    for number, bucket in enumerate(names):
        for key in names:
            _own(await store.get(bucket, key), _which(b"here", bucket, key), "an object beside another namespace's")
            if number % 2:
                _own(await sibling.get(bucket, key), _which(b"away", bucket, key), "an object of the other namespace")
        same("object_storage.15", sorted(await listed(store, "", bucket)), sorted(names), "what is listed beside another namespace")


@check("object_storage.14")
async def however_often_another_client_wrote(store: ObjectStorage, case: Case) -> None:
    """A client that has read an object reads what another one put since, after any number of puts up to 64.

    All have one length, so a store that writes anew what it keeps has the same size again after some number of them.
    """
    other = await case.client()
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", b"%08d" % 0)
    for often in range(1, 65) if not case.server else (3, 64):
        value("object_storage.14", await store.get(BUCKET, "k"), b"%08d" % 0, "an object does not hold what was put")
        for number in range(1, often + 1):
            await other.put(BUCKET, "k", b"%08d" % number)
        got = await store.get(BUCKET, "k")
        sentence = f"a client that has read an object does not see the last of {often} puts by another one"
        value("object_storage.14", got, b"%08d" % often, sentence)
        await store.put(BUCKET, "k", b"%08d" % 0)
