"""object_storage: a look is its own, whatever older ones are under way; and nothing is guessed of an object."""

from typing import Any

from prism_suites._beside import BESIDE, is_its_own
from prism_suites._judging import same
from prism_suites._objects_asking import BUCKET, listed, streamed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, ObjectNotFound, ObjectStorage

_LOOKS = ("get", "exists", "metadata", "stream", "listing")


@check("object_storage.14", "object_storage.17")
@gauntlet(lambda limits: [{**each, "call": call} for each in BESIDE for call in _LOOKS])
async def a_look_is_its_own(store: ObjectStorage, case: Case, turns: int, ending: str, call: str) -> None:
    """It gives what was put, or deleted, before it began, and is not cancelled with another one (OS-10)."""
    promise = "object_storage.14" if ending == "answered" else "object_storage.17"
    await store.create_bucket(BUCKET)

    async def look() -> Any:
        if call == "get":
            return await store.get(BUCKET, "k") is not None
        if call == "metadata":
            return await store.metadata(BUCKET, "k") is not None
        if call == "listing":
            return "k" in await listed(store)
        if call == "stream":
            try:
                return await streamed(store, "k") == b"x"
            except ObjectNotFound:
                return False
        return await store.exists(BUCKET, "k")

    legal = (Conflict, ObjectNotFound)
    await is_its_own(promise, turns, ending, look, lambda: store.put(BUCKET, "k", b"x"), lambda: True, legal=legal)
    await is_its_own(promise, turns, ending, look, lambda: store.delete(BUCKET, "k"), lambda: False, legal=legal)


_KEYS = (
    "a.txt",
    "b.json",
    "c.png",
    "index.html",
    "d.tar.gz",
    "e.gz",
    "f.js",
    "g.csv",
    "h.xml",
    "i.svg",
    "j.meta",
    "folder/",
    "k.zst",
)
_BEGINNINGS = (b"<!DOCTYPE html><html>", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b\x08", b'{"a": 1}', b"\xef\xbb\xbftext", b"%PDF-1.7", b"")


@check("object_storage.5")
@gauntlet(lambda limits: [{"key": key, "data": _BEGINNINGS[number % len(_BEGINNINGS)]} for number, key in enumerate(_KEYS)])
async def nothing_is_guessed(store: ObjectStorage, key: str, data: bytes) -> None:
    """Without a content type or an encoding there is none, whatever the key ends with, or the data begin with (OB-2)."""
    await store.create_bucket(BUCKET)
    known = await store.put(BUCKET, key, data)
    for told in (known, await store.metadata(BUCKET, key)):
        said = told and (told.size, told.content_type, told.content_encoding, dict(told.user_metadata))
        same("object_storage.5", said, (len(data), None, None, {}), "what was not given is told")
    same("object_storage.1", await store.get(BUCKET, key), data, "data are changed for what they look like")
