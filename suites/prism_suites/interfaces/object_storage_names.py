"""object_storage: bucket and key alias only if all their code points are equal; every name is listed as it was given.

On a server, where each call is a round trip, some checks ask of every so-manieth name instead of all.
"""

from collections.abc import Iterator
from typing import Any

from hypothesis import given

from prism_suites._judging import broken, refused, same, truth, value
from prism_suites._keyvalue_confusables import confusable_names
from prism_suites._objects_asking import BUCKET, expect_missing, expect_object, listed, made, source, streamed
from prism_suites._siblings import used_by_turns
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.outcomes import law
from prism_testkit.strategies import TRANSFORMATIONS, joined_pairs, name_groups, universes
from prism_testkit.traits import Limits


def _groups(every: int, most: int) -> Any:
    return lambda limits: [{"names": names[:most]} for names in name_groups(limits.max_name)[::every]]


def _numbered(names: Any, mark: str = "") -> dict[str, bytes]:
    return {name: f"{mark}{number}".encode() for number, name in enumerate(names)}


async def _holds(store: Any, items: dict[str, bytes], sentence: str, promise: str = "object_storage.3") -> None:
    """Judge that every key holds its data and that exactly these keys are listed, as they were given."""
    for key, data in items.items():
        value(promise, await store.get(BUCKET, key), data, f"{sentence}, {key[:40]!a}")
    _same_keys(await listed(store), items, sentence, promise)


def _same_keys(got: Any, wanted: Any, sentence: str, promise: str) -> None:
    if set(got) != set(wanted):
        missing, extra = sorted(set(wanted) - set(got))[:5], sorted(set(got) - set(wanted))[:5]
        broken(promise, f"{sentence}: the listing is not of these names", expected=f"also {missing!a}", got=f"instead {extra!a}")


@check("object_storage.3", "object_storage.8")
@gauntlet(_groups(8, 24))
@given(names=universes())
async def every_key_is_an_object_of_its_own(store: ObjectStorage, case: Case, names: tuple[str, ...]) -> None:
    """Keys that differ in any code point hold data of their own, also when overwritten, and are listed verbatim (OB-4, OS-10)."""
    names = names[:: 6 if case.server else 1]
    await store.create_bucket(BUCKET)
    items = _numbered(names)
    with case.law("object_storage.3"):
        for number, (key, data) in enumerate(items.items()):
            await (store.put_stream(BUCKET, key, source([data])) if number % 4 == 3 else store.put(BUCKET, key, data))
        await _holds(store, items, "after other keys were put")
        again = _numbered(names[::2], "again ")
        for key, data in again.items():
            await store.put(BUCKET, key, data)
        await _holds(store, items | again, "after other keys were overwritten")


@check("object_storage.3", "object_storage.2")
@gauntlet(_groups(4, 20))
@given(names=universes())
async def a_missing_key_is_not_taken_for_its_partner(store: ObjectStorage, case: Case, names: tuple[str, ...]) -> None:
    """Of look-alikes only the one that was put is found, changed or deleted (OS-11, OB-9)."""
    first, *others = names
    await store.create_bucket(BUCKET)
    known = await store.put(BUCKET, first, b"first")
    for number, other in enumerate(others):
        match number % 6:
            case 0:
                value("object_storage.3", await store.get(BUCKET, other), None, f"get of {other[:40]!a}, which was never put")
            case 1:
                truth("object_storage.3", await store.exists(BUCKET, other), False, f"exists of {other[:40]!a}, never put")
            case 2:
                truth("object_storage.3", await store.delete(BUCKET, other), False, f"delete of {other[:40]!a}, never put")
            case 3:
                same("object_storage.3", await store.metadata(BUCKET, other), None, f"metadata of {other[:40]!a}, never put")
            case 4:
                truth("object_storage.3", await store.set_ttl(BUCKET, other, 0), False, f"set_ttl of {other[:40]!a}, never put")
            case _:
                await expect_missing("object_storage.3", store, other, f"{other[:40]!a}, which was never put")
    await expect_object("object_storage.3", store, first, b"first", "after look-alikes were asked for", known=known)


@check("object_storage.4", "object_storage.3")
@gauntlet(_groups(3, 10))
@given(names=universes())
async def deleting_a_key_leaves_its_partners(store: ObjectStorage, case: Case, names: tuple[str, ...]) -> None:
    """Look-alikes are deleted one by one, each once, and those that are left hold what they held (OB-9)."""
    names = names[:: 3 if case.server else 1]
    await store.create_bucket(BUCKET)
    items = _numbered(names)
    for key, data in items.items():
        await store.put(BUCKET, key, data)
    at_once = case.traits.ttl_late_s == 0 and case.limits.clock_resolution_s <= 0.001
    for number, key in enumerate(names):
        how = "delete" if number % 3 or not at_once else "set_ttl of 0"
        gone = store.delete(BUCKET, key) if how == "delete" else store.set_ttl(BUCKET, key, 0)
        truth("object_storage.4" if how == "delete" else "object_storage.9", await gone, True, f"{how} does not find {key[:40]!a}")
        del items[key]
        if items:
            following = next(iter(items))
            value("object_storage.4", await store.get(BUCKET, following), items[following], f"{how} of one key changed another")
        if number == len(names) // 2:
            await _holds(store, items, "after half of them were deleted", "object_storage.4")
    same("object_storage.4", sorted(await listed(store)), [], "a deleted key is listed")


@check("object_storage.3", "object_storage.8")
async def all_keys_together_are_apart(store: ObjectStorage, case: Case) -> None:
    """Every name of every group in one bucket: no two of them meet, however they are hashed, cut or encoded."""
    names = dict.fromkeys(name for group in name_groups(case.limits.max_name)[:: 4 if case.server else 1] for name in group)
    items = _numbered(names)
    await store.create_bucket(BUCKET)
    with case.law("object_storage.3"):
        for key, data in items.items():
            await store.put(BUCKET, key, data)
        await _holds(store, items, f"of {len(items)} keys")


def _bucket_groups(limits: Limits) -> Iterator[dict[str, Any]]:
    for names in confusable_names(limits, 4):
        yield {"names": names}
    for names in name_groups(limits.max_name)[::30]:
        yield {"names": names[:6]}


@check("object_storage.11", "object_storage.3", "object_storage.15")
@gauntlet(_bucket_groups)
@given(names=universes())
async def every_name_is_a_bucket_of_its_own(store: ObjectStorage, case: Case, names: tuple[str, ...]) -> None:
    """Buckets that differ in any code point are apart: made, filled, emptied and removed each by itself (OS-51)."""
    names = names[:6]
    for number, bucket in enumerate(names):
        truth("object_storage.3", await store.bucket_exists(bucket), False, f"bucket_exists of {bucket[:40]!a}, not made yet")
        truth("object_storage.3", await store.create_bucket(bucket), True, f"create_bucket of {bucket[:40]!a}, after look-alikes")
        await store.put(bucket, "k", f"{number}".encode())
        if bucket != "k":
            await store.put(bucket, bucket, b"its own name")
    for number, bucket in enumerate(names):
        data = f"{number}".encode()
        value("object_storage.15", await store.get(bucket, "k"), data, "one key in many buckets: get gives that of another")
        found = {key: line.size for key, line in (await listed(store, "", bucket)).items()}
        same("object_storage.15", found, {bucket: 12} | {"k": len(data)}, "a listing is not of the objects of that bucket")
    for number, bucket in enumerate(names):
        truth("object_storage.11", await store.delete_bucket(bucket, force=True), True, f"delete_bucket of {bucket[:40]!a}")
        truth("object_storage.11", await store.bucket_exists(bucket), False, f"bucket_exists of {bucket[:40]!a}, deleted")
        for other in names[number + 1 :][:2]:
            truth("object_storage.3", await store.bucket_exists(other), True, "delete_bucket removed a look-alike, too")
        for place, other in enumerate(names[number + 1 :][:1], start=number + 1):
            value("object_storage.15", await store.get(other, "k"), f"{place}".encode(), "delete_bucket emptied a look-alike")


@check("object_storage.3", "object_storage.15", "object_storage.11")
async def all_buckets_together_are_apart(store: ObjectStorage, case: Case) -> None:
    """A bucket for every name of every group: each is made once, holds its own, and is removed alone."""
    every = dict.fromkeys(name for group in name_groups(case.limits.max_name) for name in group)
    names = list(every)[:: 120 if case.server else 1]
    for number, bucket in enumerate(names):
        truth("object_storage.3", await store.create_bucket(bucket), True, f"create_bucket of {bucket[:40]!a}, of {len(names)}")
        await store.put(bucket, "k", b"%d" % number)
    sentence = f"one key in {len(names)} buckets: get gives that of another"
    for number, bucket in enumerate(names):
        value("object_storage.15", await store.get(bucket, "k"), b"%d" % number, sentence)
        if number % 2:
            truth("object_storage.11", await store.delete_bucket(bucket, force=True), True, f"delete_bucket of {bucket[:40]!a}")
    for number, bucket in enumerate(names):
        there = await store.bucket_exists(bucket)
        truth("object_storage.11", there, not number % 2, f"bucket_exists of {bucket[:40]!a}, when every other was deleted")


def _pairs(limits: Limits) -> list[dict[str, Any]]:
    texts = (("a", "b", "c"), ("a", "a", "a"), ("1", "2", "3"))
    return [
        {"pairs": pairs, "force": number == 0}
        for number, parts in enumerate(texts)
        for pairs in joined_pairs(*parts, limits.max_name)
    ]


@check("object_storage.3", "object_storage.15")
@gauntlet(_pairs)
async def bucket_and_key_are_two_things(store: ObjectStorage, pairs: tuple[tuple[str, str], tuple[str, str]], force: bool) -> None:
    """``a/b`` in ``c`` is not ``b/c`` in ``a``, whatever joins them, nor is a bucket's name a key; nor is one full by the other."""
    (bucket, key), (other, its) = pairs
    for name in dict.fromkeys((bucket, other)):
        await store.create_bucket(name)
    await store.put(bucket, key, b"first")
    if (bucket, key) != (other, its):
        await expect_missing("object_storage.3", store, its, "another bucket and key that join to the same text", other)
        await store.put(other, its, b"second", content_type="x/y")
        value("object_storage.3", await store.get(bucket, key), b"first", "a put in another bucket changed an object")
        value("object_storage.3", await store.get(other, its), b"second", "bucket and key, joined, are taken for another pair")
        if bucket != other:
            if not force:
                truth("object_storage.4", await store.delete(other, its), True, "delete of a present object")
            with law("object_storage.11"):
                gone = await store.delete_bucket(other, force=force)
            truth("object_storage.11", gone, True, "delete_bucket of a present bucket")
            await expect_object("object_storage.15", store, key, b"first", "after another bucket was deleted", bucket=bucket)


@check("object_storage.3", "object_storage.4", "object_storage.11")
@gauntlet(lambda limits: [{"name": name} for name in ("a", "a/b", "/", "..", "\x00", "é", "a" * limits.max_name)])
async def a_key_is_no_bucket_and_no_folder(store: ObjectStorage, case: Case, name: str) -> None:
    """A bucket, a key and the beginning of a key may have the same name, and one does not make another (OS-11)."""
    await store.create_bucket(BUCKET)
    if name != BUCKET:
        await store.put(BUCKET, name, b"key")
        truth("object_storage.11", await store.bucket_exists(name), False, "a key is taken for a bucket")
        truth("object_storage.11", await store.create_bucket(name), True, "a key is taken for a bucket")
    same("object_storage.11", sorted(await listed(store, "", name)), [], "a new bucket is not empty")
    await expect_missing("object_storage.3", store, name, "a key of the bucket's name", name)
    deeper = [f"{name}/x", f"{name}/x/y", f"{name}x"]
    if len(deeper[1].encode()) > case.limits.max_name:
        return
    for key in deeper:
        await store.put(name, key, b"deeper")
    await expect_missing("object_storage.3", store, name, "the beginning of a key", name)
    await store.put(name, name, b"itself")
    for key in (name, *deeper):
        value(
            "object_storage.3", await store.get(name, key), b"itself" if key == name else b"deeper", "a key and what begins with it"
        )
    await _goes_alone(store, name, [name, f"{name}/", *deeper])
    value("object_storage.15", await store.get(BUCKET, name), b"key" if name != BUCKET else None, "another bucket's object")


async def _goes_alone(store: Any, bucket: str, keys: list[str]) -> None:
    """Delete keys that begin with each other, from the shortest and from the longest: each goes without the others."""
    for order in (sorted(keys, key=len), sorted(keys, key=len, reverse=True)):
        for key in order:
            await store.put(bucket, key, b"")
        for number, key in enumerate(order, start=1):
            sentence = f"{key[:40]!a} deleted, beside keys that begin with it or that it begins with"
            truth("object_storage.4", await store.delete(bucket, key), True, sentence)
            same("object_storage.4", sorted(await listed(store, "", bucket)), sorted(order[number:]), sentence)


def _bookkeeping(limits: Limits) -> Iterator[dict[str, Any]]:
    """Names that a store may give to the parts, the metadata or the unfinished upload of an object."""
    made_up = next(transformation for transformation in TRANSFORMATIONS if transformation.title == "bookkeeping")
    words = ("0", "1", "n", "size", "chunk0", "part1", "meta", "metadata", "tmp", "data", "etag", "ttl", "upload", "lock", "json")
    parts = [f"a{separator}{word}" for separator in ":./#_-\x00~" for word in words]
    parts += [f"a{separator}{word}" for separator in ("\n", "\r\n", "\t", " ") for word in words[:2]]
    fronts = [f"{front}a" for front in (".", "_", "~", "tmp-", ".tmp-", "meta:", "meta/", "data/", "#", "\x00")]
    words_alone = ("meta", "metadata", "data", "tmp", ".tmp", "objects", "index", "lock", ".meta", ".lock", "__meta__", "uploads")
    names = tuple(dict.fromkeys((*made_up.apply("a", limits.max_name), *parts, *fronts, *words_alone)))
    for size in (100, 200_000):
        yield {"names": names, "size": min(size, limits.max_payload)}


@check("object_storage.3", "object_storage.4", "object_storage.8")
@gauntlet(_bookkeeping)
async def an_object_takes_no_other_names(store: ObjectStorage, case: Case, names: tuple[str, ...], size: int) -> None:
    """However an object is kept, no other key or bucket is used up by its parts or its metadata, nor listed."""
    large, items = made(size), _numbered(names)
    keywords: dict[str, Any] = {"content_type": "a/b", "user_metadata": {"a": "b"}}
    await store.create_bucket("a")
    await store.create_bucket(BUCKET)
    await store.put_stream(BUCKET, "a", source([large[:60], large[60:]]), **keywords)
    _same_keys(await listed(store), ["a"], "one object", "object_storage.8")
    for key in names:
        value("object_storage.3", await store.get(BUCKET, key), None, f"{key[:40]!a} was never put, and holds something")
        truth("object_storage.3", await store.bucket_exists(key), key == BUCKET, f"{key[:40]!a} was never made, and is a bucket")
    for key, data in items.items():
        await store.put(BUCKET, key, data)
    value("object_storage.3", await streamed(store, "a"), large, "putting another key changed a long object")
    large = made(size, 1)
    await store.put_stream(BUCKET, "a", source([large[:60], large[60:]]), **keywords)
    wrong = store.put_stream(BUCKET, "a", source([large]), size=size - 1, **keywords)
    await refused("object_storage.6", wrong, ValueError, "a stream of another size")
    await _holds(store, {"a": large} | items, "beside a long object that was overwritten, and not by a stream that failed")
    for key in names[::2]:
        truth("object_storage.4", await store.delete(BUCKET, key), True, "delete does not find a key beside a long object")
        del items[key]
    await _holds(store, {"a": large} | items, "after other keys were deleted", "object_storage.4")
    got = await store.metadata(BUCKET, "a")
    same("object_storage.5", got and dict(got.user_metadata), {"a": "b"}, "writing and deleting other keys changed metadata")
    truth("object_storage.4", await store.delete(BUCKET, "a"), True, "delete of a long object")
    await _holds(store, items, "after a long object was deleted", "object_storage.4")


@check("object_storage.3")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_name_may_be_any_kind_of_str(store: ObjectStorage, how: str, name: str) -> None:
    """An instance of a subclass of ``str`` stands for its text, as bucket, key and prefix, and in metadata."""
    text = TEXTS[how](name)
    with law("object_storage.3"):
        await store.create_bucket(text)
        known = await store.put(text, text, b"x", content_type=text, user_metadata={text: text})
        said = (known.content_type, dict(known.user_metadata))
        same("object_storage.5", said, (name, {name: name}), f"texts given as {how} are not told")
        value("object_storage.1", await store.get(name, name), b"x", f"a name given as {how}")
        same("object_storage.3", list(await listed(store, text, text)), [name], f"a prefix given as {how}")
        truth("object_storage.3", await store.delete(text, text), True, f"a name given as {how}, in delete")


@check("object_storage.15")
async def many_namespaces_are_apart(store: ObjectStorage, case: Case) -> None:
    """However many namespaces are in use, each keeps its own buckets and objects (OS-28)."""

    async def use(slot: Any, number: int) -> None:
        await slot.create_bucket(BUCKET)
        await slot.put(BUCKET, "k", b"%d" % number)

    async def look(slot: Any, number: int) -> None:
        value("object_storage.15", await slot.get(BUCKET, "k"), b"%d" % number, "of many namespaces one lost an object")

    with law("object_storage.15"):
        await used_by_turns(case, store, use, look)
