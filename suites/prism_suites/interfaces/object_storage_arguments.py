"""object_storage: what is illegal is refused before any effect; at the limit it is accepted."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from prism_suites._judging import refused, same, value
from prism_suites._objects_asking import BUCKET, MOST, PUTS, Given, drained, expect_missing, expect_object, listed, made, source
from prism_suites._objects_descriptions import METADATA_BYTES, METADATA_NAME_BYTES
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, ObjectStorage, PayloadTooLarge
from prism_testkit.strategies import over
from prism_testkit.traits import Limits

_OLD = Given("old/old", "old", {"old": "1"})
_STREAM_STEP = 50_000

Call = Callable[[Any, Any, Any], Awaitable[Any]]
_KEYED: dict[str, Call] = {
    "put": lambda store, bucket, key: store.put(bucket, key, b"new"),
    "put_stream": lambda store, bucket, key: store.put_stream(bucket, key, source([b"new"])),
    "get": lambda store, bucket, key: store.get(bucket, key),
    "get_stream": lambda store, bucket, key: drained(store.get_stream(bucket, key)),
    "delete": lambda store, bucket, key: store.delete(bucket, key),
    "exists": lambda store, bucket, key: store.exists(bucket, key),
    "metadata": lambda store, bucket, key: store.metadata(bucket, key),
    "set_ttl": lambda store, bucket, key: store.set_ttl(bucket, key, 5),
}
_BUCKETS: dict[str, Call] = {
    "list_objects": lambda store, bucket, key: drained(store.list_objects(bucket)),
    "create_bucket": lambda store, bucket, key: store.create_bucket(bucket),
    "delete_bucket": lambda store, bucket, key: store.delete_bucket(bucket, force=True),
    "bucket_exists": lambda store, bucket, key: store.bucket_exists(bucket),
}
_CALLS = {**_KEYED, **_BUCKETS}


def _illegal(limits: Limits) -> dict[str, Any]:
    most = limits.max_name
    return {
        "empty": "",
        "one too long": "a" * (most + 1),
        "too long in bytes": "é" * (most // 2) + "éx"[: 1 + most % 2],
        "far too long": "a" * 70_000,
        "a surrogate": "a\ud800b",
        "a low surrogate": "\udc00",
        "a pair of surrogates": "\ud83c\udf63",
        "undecodable": "a\udcff",
    }


def _names(limits: Limits) -> Iterator[dict[str, Any]]:
    for kind in _illegal(limits):
        for call in _CALLS:
            yield {"call": call, "kind": kind, "place": "bucket"}
            if call in _KEYED:
                yield {"call": call, "kind": kind, "place": "key"}


async def _scene(store: Any, limits: Limits) -> None:
    """One object with metadata, beside names that an illegal one may be cut or decoded to."""
    await store.create_bucket(BUCKET)
    for key in ("k", "a" * limits.max_name, "a?b"):
        await store.put(BUCKET, key, b"old", **_OLD.keywords)


async def _untouched(store: Any, limits: Limits, sentence: str) -> None:
    keys = sorted({"k", "a" * limits.max_name, "a?b"})
    same("object_storage.12", sorted(await listed(store)), keys, f"{sentence} changed which objects there are")
    for key in keys:
        value("object_storage.12", await store.get(BUCKET, key), b"old", f"{sentence} changed an object")
    await expect_object("object_storage.12", store, "k", b"old", f"{sentence} changed an object", _OLD)


@check("object_storage.12")
@gauntlet(_names)
async def an_illegal_name_is_refused(store: ObjectStorage, case: Case, call: str, kind: str, place: str) -> None:
    """Every method raises InvalidName for an empty, over-long or unencodable bucket or key, and does nothing."""
    name = _illegal(case.limits)[kind]
    await _scene(store, case.limits)
    arguments = (name, "k") if place == "bucket" else (BUCKET, name)
    sentence = f"{call} with a {place} that is {kind}"
    await refused("object_storage.12", _CALLS[call](store, *arguments), InvalidName, sentence)
    await _untouched(store, case.limits, sentence)
    same("object_storage.12", await store.bucket_exists("a" * case.limits.max_name), False, f"{sentence} made a bucket")
    if place == "key":
        await store.create_bucket("empty")
        await refused("object_storage.12", _CALLS[call](store, "empty", name), InvalidName, f"{sentence}, in an empty bucket")
        same("object_storage.12", sorted(await listed(store, "", "empty")), [], f"{sentence} made an object")


@check("object_storage.12", "object_storage.8")
@gauntlet(lambda limits: [{"kind": kind} for kind in _illegal(limits) if kind != "empty"])
async def an_illegal_prefix_is_refused(store: ObjectStorage, case: Case, kind: str) -> None:
    """A prefix that is too long or unencodable raises InvalidName at the first step; the empty one is legal."""
    await _scene(store, case.limits)
    prefix = _illegal(case.limits)[kind]
    sentence = f"list_objects with a prefix that is {kind}"
    await refused("object_storage.12", drained(store.list_objects(BUCKET, prefix)), InvalidName, sentence)
    longest = "a" * case.limits.max_name
    same("object_storage.8", sorted(await listed(store, longest)), [longest], "a prefix as long as names may be")


_WRONG: tuple[Any, ...] = (None, b"k", 1, 1.5, ["k"])


@check("object_storage.12")
@gauntlet(lambda limits: [{"call": call, "wrong": number} for call in _CALLS for number in range(len(_WRONG))])
async def a_name_that_is_no_text_is_refused(store: ObjectStorage, case: Case, call: str, wrong: int) -> None:
    """A bucket or key that is no ``str`` raises TypeError."""
    await _scene(store, case.limits)
    name = _WRONG[wrong]
    sentence = f"{call} with a name that is {type(name).__name__}"
    await refused("object_storage.12", _CALLS[call](store, name, "k"), TypeError, sentence)
    if call in _KEYED:
        await refused("object_storage.12", _CALLS[call](store, BUCKET, name), TypeError, sentence)
    await _untouched(store, case.limits, sentence)


_KINDS: dict[str, Any] = {"text": "new", "None": None, "a number": 5, "a list": [1], "a list of bytes": [b"new"]}


@check("object_storage.12", "object_storage.6")
@gauntlet(lambda limits: [{"kind": kind, "place": place} for kind in _KINDS for place in ("put", "first chunk", "later chunk")])
async def data_that_are_no_bytes_are_refused(store: ObjectStorage, case: Case, kind: str, place: str) -> None:
    """Data or a chunk of the wrong type raises TypeError, and the old object stays (OB-11)."""
    await _scene(store, case.limits)
    wrong = _KINDS[kind]
    before = [b"x" * min(10_000, case.limits.max_payload // 10)] * 7 if place == "later chunk" else []
    call = store.put(BUCKET, "k", wrong) if place == "put" else store.put_stream(BUCKET, "k", source([*before, wrong, b"end"]))
    await refused("object_storage.12", call, TypeError, f"{place} that is {kind}")
    await _untouched(store, case.limits, f"{place} that is {kind}")


@check("object_storage.12")
@gauntlet(lambda limits: [{"number": number} for number in range(5)])
async def chunks_that_are_no_stream_are_refused(store: ObjectStorage, case: Case, number: int) -> None:
    """What is no async iterable raises TypeError."""
    await _scene(store, case.limits)
    wrong: Any = (b"new", [b"new"], iter([b"new"]), None, 5)[number]
    await refused("object_storage.12", store.put_stream(BUCKET, "k", wrong), TypeError, f"chunks that are {type(wrong).__name__}")
    await _untouched(store, case.limits, "put_stream of what is no stream")


_SAID: dict[str, tuple[dict[str, Any], tuple[type[Exception], ...]]] = {
    "a type with a surrogate": ({"content_type": "a\ud800"}, (ValueError,)),
    "an encoding with a surrogate": ({"content_encoding": "\udcff"}, (ValueError,)),
    "a type that is bytes": ({"content_type": b"a/b"}, (TypeError,)),
    "an encoding that is a number": ({"content_encoding": 5}, (TypeError,)),
    "an empty name": ({"user_metadata": {"": "v"}}, (InvalidName,)),
    "a good and an empty name": ({"user_metadata": {"a": "v", "": "v"}}, (InvalidName,)),
    "a name with a surrogate": ({"user_metadata": {"a\ud800": "v"}}, (InvalidName,)),
    "a value with a surrogate": ({"user_metadata": {"a": "\udfff"}}, (ValueError,)),
    "a long name": ({"user_metadata": {"n" * (METADATA_NAME_BYTES + 1): ""}}, (InvalidName,)),
    "a long name in bytes": ({"user_metadata": {"é" * (METADATA_NAME_BYTES // 2) + "n": "v"}}, (InvalidName,)),
    "a name that is a number": ({"user_metadata": {1: "v"}}, (TypeError,)),
    "a name that is bytes": ({"user_metadata": {b"a": "v"}}, (TypeError,)),
    "a value that is bytes": ({"user_metadata": {"a": b"v"}}, (TypeError,)),
    "a value that is a number": ({"user_metadata": {"a": 1}}, (TypeError,)),
    "a value that is None": ({"user_metadata": {"a": None}}, (TypeError,)),
    "pairs": ({"user_metadata": [("a", "v")]}, (TypeError,)),
    "a text": ({"user_metadata": "a=v"}, (TypeError,)),
    "one byte too much": ({"user_metadata": {"a": "v" * METADATA_BYTES}}, (PayloadTooLarge,)),
    "one byte too much, in bytes": ({"user_metadata": {"a": "é" * (METADATA_BYTES // 2)}}, (PayloadTooLarge,)),
    "one byte too much in all": ({"user_metadata": {f"{n:03}": "vvvvv" for n in range(128)} | {"b": ""}}, (PayloadTooLarge,)),
    "far too much": ({"user_metadata": {"a": "v" * 70_000}}, (PayloadTooLarge,)),
}
"""Each with exactly one thing wrong, and the error that says so."""


@check("object_storage.12")
@gauntlet(lambda limits: [{"kind": kind, "way": way} for kind in _SAID for way in ("put", "put_stream")])
async def illegal_metadata_are_refused(store: ObjectStorage, case: Case, kind: str, way: str) -> None:
    """Metadata over their limit, or that are no texts, are refused, and the old object keeps data and metadata (OS-21)."""
    await _scene(store, case.limits)
    said, errors = _SAID[kind]
    sentence = f"{way} with metadata: {kind}"

    def call(key: str) -> Awaitable[Any]:
        return store.put(BUCKET, key, b"new", **said) if way == "put" else store.put_stream(BUCKET, key, source([b"new"]), **said)

    await refused("object_storage.12", call("k"), errors, sentence)
    await refused("object_storage.12", call("fresh"), errors, sentence)
    await expect_missing("object_storage.12", store, "fresh", sentence)
    await _untouched(store, case.limits, sentence)


def _sizes(limits: Limits) -> Iterator[dict[str, Any]]:
    if limits.max_payload > MOST:
        return
    for way in PUTS:
        yield from ({"size": size, "way": way} for size in over(limits.max_payload))


async def _growing(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, _STREAM_STEP):
        yield b"x" * min(_STREAM_STEP, size - start)


@check("object_storage.12", "object_storage.6")
@gauntlet(_sizes)
async def data_over_the_limit_are_refused(store: ObjectStorage, case: Case, size: int, way: str) -> None:
    """One byte over the limit, and more, raises PayloadTooLarge, also in a stream that grows over it; the old object stays."""
    await _scene(store, case.limits)
    sentence = f"{way} of {size} bytes, over the limit of the backend (max_payload={case.limits.max_payload})"
    if way == "put":
        await refused("object_storage.12", store.put(BUCKET, "k", b"x" * size), PayloadTooLarge, sentence)
    else:
        said = None if way == "put_stream" else size
        growing = store.put_stream(BUCKET, "k", _growing(size), size=said)
        await refused("object_storage.12", growing, PayloadTooLarge, sentence)
    await _untouched(store, case.limits, sentence)


@check("object_storage.12", "object_storage.1")
@gauntlet(
    lambda limits: [
        {"less": less, "way": way} for less in (1, 0) for way in PUTS if 200_000 < limits.max_payload <= MOST or less == 0
    ]
)
async def at_the_limit_all_is_accepted(store: ObjectStorage, case: Case, less: int, way: str) -> None:
    """The longest names, data and metadata, all at once (OS-01)."""
    longest = case.limits.max_name
    data = made(min(case.limits.max_payload, 1 << 20 if case.limits.max_payload > MOST else MOST) - less)
    said = Given("t" * 100, None, {"n" * METADATA_NAME_BYTES: "v" * (METADATA_BYTES - METADATA_NAME_BYTES)})
    for bucket, key in (("b" * longest, "k" * longest), ("é" * (longest // 2), "🍣" * (longest // 4))):
        with case.law("object_storage.12"):
            await store.create_bucket(bucket)
            known = await PUTS[way](store, key, data, said, bucket)
        await expect_object("object_storage.12", store, key, data, f"{way} at every limit", said, bucket, known=known)


_SECONDS: tuple[Any, ...] = (float("nan"), float("inf"), float("-inf"), "60", None, b"1")


@check("object_storage.9", "object_storage.12")
@gauntlet(lambda limits: [{"number": number, "key": key} for number in range(len(_SECONDS)) for key in ("k", "missing")])
async def a_time_to_live_must_be_a_number(store: ObjectStorage, case: Case, number: int, key: str) -> None:
    """NaN and infinities raise ValueError, what is no number TypeError, whether the object is there or not."""
    await _scene(store, case.limits)
    await store.set_ttl(BUCKET, "k", 1e7)
    before = await store.metadata(BUCKET, "k")
    seconds = _SECONDS[number]
    error = ValueError if isinstance(seconds, float) else TypeError
    await refused("object_storage.9", store.set_ttl(BUCKET, key, seconds), error, f"set_ttl({seconds!r})")
    same("object_storage.9", await store.metadata(BUCKET, "k"), before, f"set_ttl({seconds!r}) changed an object")


_BYTES: tuple[Any, ...] = (-1, -(10**9), "5", 5.5)


@check("object_storage.12", "object_storage.6")
@gauntlet(lambda limits: [{"number": number} for number in range(len(_BYTES))])
async def an_illegal_size_is_refused(store: ObjectStorage, case: Case, number: int) -> None:
    """A ``size`` below nought raises ValueError, one that is no whole number TypeError; nothing is stored."""
    await _scene(store, case.limits)
    size = _BYTES[number]
    error: tuple[type[Exception], ...] = (ValueError,) if isinstance(size, int) else (TypeError, ValueError)
    await refused("object_storage.12", store.put_stream(BUCKET, "k", source([b"12345"]), size=size), error, f"size={size!r}")
    await _untouched(store, case.limits, f"size={size!r}")
