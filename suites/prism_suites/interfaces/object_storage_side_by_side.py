"""object_storage: two calls of one kind, by one client, at once: each has its own arguments, its own effect and its own answer."""

from typing import Any

from prism_suites._at_once import Kind, Sides, each_does_its_own, each_of
from prism_suites._objects_asking import BUCKET, listed, made, source, streamed
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import ObjectStorage, ObjectStorageConditional

_TYPES: tuple[dict[str, Any], dict[str, Any]] = (
    {"content_type": "text/a", "user_metadata": {"of": "a"}},
    {"content_encoding": "b"},
)
_OTHER = "other bucket"
_BIG = 150_000


def _facts(found: Any) -> Any:
    return found and (found.size, found.content_type, found.content_encoding, dict(found.user_metadata))


_TOLD: Any = (("text/a", None, {"of": "a"}), (None, "b", {}))


async def _are(sides: Sides, data: tuple[bytes, bytes], told: Any = _TOLD) -> None:
    """Judge both objects, ``a`` in one bucket and ``b`` in another."""
    store = sides.slot
    found = [await store.get(BUCKET, "a"), await store.get(_OTHER, "b")]
    sides.same(found, list(data), "one stores what is the other's")
    known = [_facts(await store.metadata(BUCKET, "a")), _facts(await store.metadata(_OTHER, "b"))]
    sides.same(known, [(len(some), *facts) for some, facts in zip(data, told, strict=True)], "one is said to be what the other is")
    names = [await listed(store, "", BUCKET), await listed(store, "", _OTHER)]
    sides.same([sorted(some) for some in names], [["a"], ["b"]], "an object is listed elsewhere")


async def _both_put(sides: Sides) -> tuple[bytes, bytes]:
    data = made(40), made(min(_BIG, sides.case.limits.max_payload))
    await sides.slot.put(BUCKET, "a", data[0], **_TYPES[0])
    await sides.slot.put(_OTHER, "b", data[1], **_TYPES[1])
    return data


async def _puts(sides: Sides) -> None:
    data = made(40), made(60)
    told = await sides.both(sides.slot.put(BUCKET, "a", data[0], **_TYPES[0]), sides.slot.put(_OTHER, "b", data[1], **_TYPES[1]))
    sides.same([each.size for each in told], [40, 60], "one is told of what is the other's")
    await _are(sides, data)


async def _streams_in(sides: Sides) -> None:
    data = made(40), made(60)
    parts = [[some[at : at + 20] for at in range(0, len(some), 20)] for some in data]
    told = await sides.both(
        sides.slot.put_stream(BUCKET, "a", source(parts[0]), size=40, **_TYPES[0]),
        sides.slot.put_stream(_OTHER, "b", source(parts[1]), **_TYPES[1]),
    )
    sides.same([each.size for each in told], [40, 60], "one is told of what is the other's")
    await _are(sides, data)


async def _gets(sides: Sides) -> None:
    data, store = await _both_put(sides), sides.slot
    sides.same(await sides.both(store.get(BUCKET, "a"), store.get(_OTHER, "b")), data, "get gives what is the other's")
    found = await sides.both(streamed(store, "a", BUCKET), streamed(store, "b", _OTHER))
    sides.same(found, data, "get_stream gives what is the other's")
    sides.same(await sides.both(store.exists(BUCKET, "a"), store.exists(BUCKET, "b")), (True, False), "exists tells of the other's")
    known = await sides.both(store.metadata(BUCKET, "a"), store.metadata(_OTHER, "b"))
    sides.same([each and each.size for each in known], [len(some) for some in data], "metadata tells of the other's")


async def _deletes(sides: Sides) -> None:
    await _both_put(sides)
    told = await sides.both(sides.slot.delete(BUCKET, "a"), sides.slot.delete(BUCKET, "b"))
    sides.same(told, (True, False), "delete tells of the other's")
    found = [await sides.slot.exists(BUCKET, "a"), await sides.slot.exists(_OTHER, "b")]
    sides.same(found, [False, True], "one deletes what is the other's, or another")


async def _deadlines(sides: Sides) -> None:
    store = sides.slot
    await _both_put(sides)
    await sides.both(store.set_ttl(BUCKET, "a", 1e3), store.set_ttl(_OTHER, "b", 1e5))
    now_ms = (await store.put(BUCKET, "now", b"")).last_modified_ms
    known = await sides.both(store.metadata(BUCKET, "a"), store.metadata(_OTHER, "b"))
    left = [(each.expires_at_ms - now_ms) / 1000 if each and each.expires_at_ms else None for each in known]
    fits = [one is not None and 0.5 * most < one < 1.5 * most for one, most in zip(left, (1e3, 1e5), strict=True)]
    sides.same(fits, [True, True], f"one has the deadline of the other: {left} s are left of 1000 and 100000")


async def _listings(sides: Sides) -> None:
    store = sides.slot
    for prefix, count in (("p", 3), ("q", 5)):
        for number in range(count):
            await store.put(BUCKET, f"{prefix}{number}", b"x")
    found = await sides.both(listed(store, "p", BUCKET), listed(store, "q", BUCKET))
    wanted = ([f"p{number}" for number in range(3)], [f"q{number}" for number in range(5)])
    sides.same(tuple(sorted(some) for some in found), wanted, "a listing gives what is the other's")


async def _buckets(sides: Sides) -> None:
    store = sides.slot
    sides.same(
        await sides.both(store.create_bucket("new"), store.create_bucket(BUCKET)),
        (True, False),
        "create_bucket tells of the other's",
    )
    sides.same(await sides.both(store.bucket_exists("new"), store.bucket_exists("none")), (True, False), "bucket_exists does")
    told = await sides.both(store.delete_bucket("new"), store.delete_bucket("none"))
    sides.same(told, (True, False), "delete_bucket tells of the other's")
    sides.same(await store.bucket_exists(_OTHER), True, "another bucket is removed")


async def _creations(sides: Sides) -> None:
    store = sides.slot
    await store.put(_OTHER, "b", b"there", **_TYPES[1])
    told = await sides.both(
        store.put_if_absent(BUCKET, "a", b"new a", **_TYPES[0]), store.put_if_absent(_OTHER, "b", b"new b", **_TYPES[0])
    )
    sides.same(told, (True, False), "put_if_absent tells of the other's")
    await _are(sides, (b"new a", b"there"))


_P = "object_storage.16"
_KINDS: dict[str, Kind] = {
    "put": Kind(object, _P, _puts),
    "put_stream": Kind(object, _P, _streams_in),
    "get": Kind(object, "object_storage.1", _gets),
    "delete": Kind(object, "object_storage.4", _deletes),
    "set_ttl": Kind(object, "object_storage.9", _deadlines),
    "list_objects": Kind(object, "object_storage.8", _listings),
    "bucket": Kind(object, "object_storage.11", _buckets),
    "put_if_absent": Kind(ObjectStorageConditional, _P, _creations),
}


@check(*dict.fromkeys(kind.promise for kind in _KINDS.values()))
@each_of(_KINDS)
async def of_two_calls_at_once_each_does_its_own(store: ObjectStorage, case: Case, kind: str, turned: bool) -> None:
    """Two calls of one kind are under way in one client, of two objects, with other arguments: neither has what is the other's."""
    for bucket in (BUCKET, _OTHER):
        await store.create_bucket(bucket)
    await each_does_its_own(case, _KINDS, kind, turned)
