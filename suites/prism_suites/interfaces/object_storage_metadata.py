"""object_storage: what is told of an object is what was said of it, by every way to write, and a put replaces all of it."""

import base64
import gzip
import quopri
import zlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, value
from prism_suites._objects_asking import BUCKET, NOTHING, PUTS, Given, expect_object, listed, made, signed, source, told
from prism_suites._objects_descriptions import descriptions, instant_window, now_ms
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.strategies import gauntlet_pairs
from prism_testkit.strategies.hypothesis_strategies import names
from prism_testkit.traits import Limits


def _all(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, said in enumerate(descriptions(limits)):
        yield {
            "content_type": said.content_type,
            "content_encoding": said.content_encoding,
            "user_metadata": dict(said.user_metadata),
            "way": list(PUTS)[number % len(PUTS)],
        }


_LONG_DESCRIPTION = 400
"""Characters; what is longer may be kept in another place, which a store that writes it again must not forget."""

_texts = names().map(lambda name: name[:60])


@check("object_storage.5")
@gauntlet(_all)
@given(
    content_type=st.none() | _texts,
    content_encoding=st.none() | _texts,
    user_metadata=st.dictionaries(_texts, _texts, max_size=2),
    way=st.sampled_from(list(PUTS)),
)
async def metadata_are_told_as_they_were_given(
    store: ObjectStorage,
    content_type: str | None,
    content_encoding: str | None,
    user_metadata: dict[str, str],
    way: str,
) -> None:
    """Types, encodings and user metadata of every kind come back unchanged, names and blanks and all (OB-3, OS-21, OS-22)."""
    said = Given(content_type, content_encoding, user_metadata)
    await store.create_bucket(BUCKET)
    with_law = "object_storage.5"
    known = told(with_law, await PUTS[way](store, "k", b"data", said), b"data", said, way)
    got = told(with_law, await store.metadata(BUCKET, "k"), b"data", said, f"metadata after {way}")
    same(with_law, (got.etag, got.last_modified_ms), (known.etag, known.last_modified_ms), f"metadata is not what {way} returned")
    if sum(map(len, (content_type or "", content_encoding or "", *user_metadata, *user_metadata.values()))) > _LONG_DESCRIPTION:
        await store.set_ttl(BUCKET, "k", 1e8)
        told(with_law, await store.metadata(BUCKET, "k"), b"data", said, "a long description, after set_ttl", lives=True)
    value("object_storage.1", await store.get(BUCKET, "k"), b"data", "metadata changed the data")
    told(with_law, await store.put(BUCKET, "k", b"data"), b"data", NOTHING, "a put without metadata, over one with")
    told(with_law, await store.metadata(BUCKET, "k"), b"data", NOTHING, "metadata after a put without any")


def _encodings() -> Iterator[tuple[str | None, str | None, bytes]]:
    """Yield (content type, content encoding, data), where the data are what the text says, and where they are not."""
    text = "caf\u00e9,\r\nline;\t\x00\r\n".encode() * 20
    deflate = zlib.compressobj(wbits=-15)
    encoded: dict[str, bytes] = {
        "gzip": gzip.compress(text, mtime=0),
        "deflate": zlib.compress(text),
        "compress": deflate.compress(text) + deflate.flush(),
        "base64": base64.encodebytes(text),
        "quoted-printable": quopri.encodestring(text),
        "aws-chunked": b"3;chunk-signature=0\r\nabc\r\n0;chunk-signature=0\r\n\r\n",
        "chunked": b"3\r\nabc\r\n0\r\n\r\n",
        "identity": text,
        "br": text,
    }
    for encoding, data in encoded.items():
        for said in (encoding, encoding.upper(), f"x-{encoding}"):
            yield None, said, data
        yield "text/plain", encoding, b"not so encoded"
        yield f"application/{encoding}", None, data
    yield from ((kind, None, data) for kind, data in _TYPED)


_TYPED: tuple[tuple[str, bytes], ...] = (
    ("text/plain; charset=utf-16", "\ufeffcaf\u00e9".encode("utf-16")),
    ("text/plain; charset=latin-1", b"caf\xe9\r\n"),
    ("text/plain", b"\xef\xbb\xbfbom\r\nand\rlines\n"),
    ("application/json", b' {"b": 1, "a": 1.0}\n'),
    ("application/xml", b"<a  b='1'></a>\r\n"),
    ("text/html", b"&amp;<p>\xff"),
    ("application/x-www-form-urlencoded", b"a=%41&b=+"),
    ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n"),
    ("application/x-directory", b"data all the same"),
    ("application/octet-stream", b"\x00\xff"),
)


@check("object_storage.1", "object_storage.5")
@gauntlet(
    lambda limits: [
        {"content_type": content_type, "content_encoding": encoding, "data": data, "way": way}
        for number, (content_type, encoding, data) in enumerate(_encodings())
        for way in (PUTS if (content_type, data) in _TYPED else list(PUTS)[number % 3 :][:1])
        if len(data) <= limits.max_payload
    ]
)
async def what_is_said_of_data_does_not_change_them(
    store: ObjectStorage, content_type: str | None, content_encoding: str | None, data: bytes, way: str
) -> None:
    """A type and an encoding are told, never acted upon: data that are compressed, encoded or text come back as they were."""
    said = Given(content_type, content_encoding)
    await store.create_bucket(BUCKET)
    known = await PUTS[way](store, "k", data, said)
    sentence = f"{way} of data called {content_type} and {content_encoding}"
    await expect_object("object_storage.1", store, "k", data, sentence, said, known=known)


_STATES: dict[str, Given] = {
    "nothing": NOTHING,
    "a type": Given("a/b"),
    "an encoding": Given(None, "gzip"),
    "user metadata": Given(None, None, {"a": "1", "b": "2"}),
    "other user metadata": Given(None, None, {"b": "3", "c": "4"}),
    "everything": Given("c/d", "br", {"A": "5"}),
    "empty texts": Given("", "", {"a": ""}),
}


@check("object_storage.5", "object_storage.1")
@gauntlet(
    lambda limits: [
        {"before": before, "after": after, "way": list(PUTS)[(number + place) % len(PUTS)]}
        for number, before in enumerate(_STATES)
        for place, after in enumerate(_STATES)
        if before != after
    ]
)
async def a_put_replaces_all_metadata(store: ObjectStorage, before: str, after: str, way: str) -> None:
    """Of the metadata of an earlier version nothing is left, whether the data change or not (OB-3)."""
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", b"same", **_STATES[before].keywords)
    await store.put(BUCKET, "beside", b"other", **_STATES[before].keywords)
    known = await PUTS[way](store, "k", b"same", _STATES[after])
    sentence = f"{way} with {after}, over an object with {before}"
    told("object_storage.5", known, b"same", _STATES[after], sentence)
    await expect_object("object_storage.5", store, "k", b"same", sentence, _STATES[after], known=known)
    told("object_storage.5", await store.metadata(BUCKET, "beside"), b"other", _STATES[before], "another object's metadata")


@check("object_storage.5", "object_storage.8")
@gauntlet(lambda limits: [{"way": way, "size": size} for way in PUTS for size in (0, 5, 90_000)])
async def the_instant_is_that_of_the_put(store: ObjectStorage, case: Case, way: str, size: int) -> None:
    """An object was put between the start and the return of its put, in whole milliseconds, also when listed (OS-02)."""
    data = made(min(size, case.limits.max_payload))
    await store.create_bucket(BUCKET)
    for later_s in (0.0, 0.0015, 0.5, 1.25, 100_000.0):
        if case.clock.virtual:
            await case.advance(later_s)
        start = now_ms(case)
        known = await PUTS[way](store, "k", data)
        least, most = instant_window(case, start, now_ms(case))
        if case.clock.virtual:
            await case.advance(7.75)
        got = await store.metadata(BUCKET, "k")
        line = (await listed(store))["k"]
        for who, instant in (
            (way, known.last_modified_ms),
            ("metadata", got and got.last_modified_ms),
            ("list_objects", line.last_modified_ms),
        ):
            if isinstance(instant, bool) or not isinstance(instant, int) or not least <= instant <= most:
                expected = f"{least:.3f} to {most:.3f}"
                promise = "object_storage.8" if who == "list_objects" else "object_storage.5"
                broken(promise, f"{who} tells another instant than that of the put", expected=expected, got=instant)


@check("object_storage.5")
async def looking_does_not_change_the_instant(store: ObjectStorage, case: Case) -> None:
    """Reads, deadlines and other objects leave what is told of an object as it was."""
    await store.create_bucket(BUCKET)
    known = await store.put(BUCKET, "k", b"data", **signed("me").keywords)
    calls = (
        store.get(BUCKET, "k"),
        store.exists(BUCKET, "k"),
        store.put(BUCKET, "other", b"x"),
        store.put(BUCKET, "k/", b"x", content_type="x/y"),
        store.delete(BUCKET, "other"),
        store.create_bucket(BUCKET),
        store.set_ttl(BUCKET, "k", 1e8),
    )
    for number, call in enumerate(calls):
        if case.clock.virtual:
            await case.advance(3)
        await call
        sentence = "after other calls than a put"
        await expect_object("object_storage.5", store, "k", b"data", sentence, signed("me"), known=known, lives=number == 6)


def _partners(limits: Limits) -> Iterator[dict[str, Any]]:
    groups: dict[bytes, list[bytes]] = {}
    for base, partner in gauntlet_pairs(limits.max_payload, most=4200):
        groups.setdefault(base, []).append(partner)
    for number, (base, partners) in enumerate(groups.items()):
        yield {"versions": [base, *partners], "way": list(PUTS)[number % 3]}


@check("object_storage.5")
@gauntlet(_partners)
async def other_content_has_another_etag(store: ObjectStorage, versions: list[bytes], way: str) -> None:
    """Versions of one key that differ in a byte, a length or an order have different etags, with a deadline too (OS-35)."""
    await store.create_bucket(BUCKET)
    seen: dict[str | None, bytes] = {}
    for number, data in enumerate(versions):
        known = await PUTS[way](store, "k", data)
        for etag in (known.etag, await _lasting(store, "k") if number < 3 else known.etag):
            if seen.setdefault(etag, data) != data:
                what = f"versions with different content have one etag: {seen[etag][:40]!r} and {data[:40]!r}"
                broken("object_storage.5", what, expected=f"another etag than {etag!r}", got=etag)


_CHANGED = {
    5000: ("first", "middle", "last"),
    70_000: ("first", "middle", "last", "halves swapped"),
    1 << 20: ("last", "halves swapped"),
    (1 << 20) + 1: ("middle", "last"),
    (5 << 20) + 1: ("middle", "last"),
}
"""Where an object of a length is changed."""


@check("object_storage.5", "object_storage.1")
@gauntlet(
    lambda limits: [
        {"size": size, "place": place, "way": way}
        for size, places in _CHANGED.items()
        if size <= limits.max_payload
        for place in places
        for way in PUTS
    ]
)
async def one_byte_changes_the_etag_of_a_long_object(store: ObjectStorage, size: int, place: str, way: str) -> None:
    """A long object that is changed in one byte, or whose halves are swapped, has another etag and is read as it is: put over the
    one before, and where that was deleted."""
    data = made(size)
    if place == "halves swapped":
        other = data[size // 2 :] + data[: size // 2]
    else:
        where = {"first": 0, "middle": size // 2, "last": size - 1}[place]
        other = data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :]
    await store.create_bucket(BUCKET)
    first = await PUTS[way](store, "k", data)
    if place == "first":
        await store.delete(BUCKET, "k")
    second = await PUTS[way](store, "k", other)
    if first.etag == second.etag:
        broken("object_storage.5", f"{place} of {size} bytes changed, and the etag is the same", expected="another", got=first.etag)
    value("object_storage.1", await store.get(BUCKET, "k"), other, f"an object of {size} bytes, of which was changed: {place}")


async def _lasting(store: ObjectStorage, key: str) -> str | None:
    """Give an object a deadline far off, and return what its etag is then."""
    await store.set_ttl(BUCKET, key, 1e8)
    known = await store.metadata(BUCKET, key)
    return None if known is None else known.etag


@check("object_storage.13")
@gauntlet(lambda limits: [{"way": way} for way in ("put", "put_stream")])
async def the_store_keeps_copies(store: ObjectStorage, case: Case, way: str) -> None:
    """A buffer, a chunk or a mapping that is changed after the call changes nothing that is stored, nor does what was
    returned (OS-59)."""
    data = made(min(70_000, case.limits.max_payload))
    buffer, said = bytearray(data), {"a": "1"}
    await store.create_bucket(BUCKET)
    if way == "put":
        known = await store.put(BUCKET, "k", buffer, user_metadata=said)
        await store.put(BUCKET, "view", memoryview(buffer))
    else:
        known = await store.put_stream(BUCKET, "k", source([buffer]), user_metadata=said)
        await store.put_stream(BUCKET, "view", source([memoryview(buffer)[:100], memoryview(buffer)[100:]]))
    buffer[:] = bytes(len(buffer))
    said["a"] = "changed"
    said["b"] = "new"
    with_mine = Given(None, None, {"a": "1"})
    await expect_object("object_storage.13", store, "k", data, "a buffer was changed after the call", with_mine)
    await expect_object("object_storage.13", store, "view", data, "a buffer was changed after the call")
    told("object_storage.13", known, data, with_mine, "a mapping was changed after the call")
    for returned in (known, await store.metadata(BUCKET, "k")):
        if returned is not None and isinstance(returned.user_metadata, dict):
            returned.user_metadata["c"] = "changed"
    await expect_object("object_storage.13", store, "k", data, "what was returned was changed", with_mine)


class _Text(str):
    """Text of a type of its own."""

    __slots__ = ()


@check("object_storage.5")
async def metadata_may_be_any_mapping(store: ObjectStorage) -> None:
    """Any mapping of texts is taken, also one that cannot be changed, and an empty one is none."""
    await store.create_bucket(BUCKET)
    given_: Any = MappingProxyType({_Text("A b"): _Text(" c ")})
    await store.put(BUCKET, "k", b"", content_type=_Text("t/t"), user_metadata=given_)
    said = Given("t/t", None, {"A b": " c "})
    told("object_storage.5", await store.metadata(BUCKET, "k"), b"", said, "a mapping that cannot be changed")
    await store.put(BUCKET, "k", b"", user_metadata={})
    told("object_storage.5", await store.metadata(BUCKET, "k"), b"", NOTHING, "an empty mapping")
