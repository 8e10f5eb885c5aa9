"""object_storage: refused, failed and unfinished calls use nothing up, however many there were."""

from collections.abc import AsyncIterator
from typing import Any

from prism_suites._judging import value
from prism_suites._objects_asking import BUCKET, made, source, streamed, thirds
from prism_suites._using_up import left_early, never_begun, uses_nothing_up
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, InvalidName, ObjectNotFound, ObjectStorage

_FAILURES = (BucketNotFound, InvalidName, ObjectNotFound, ValueError, ZeroDivisionError)
_KINDS = {
    "stream left": "17",
    "stream not begun": "17",
    "listing not begun": "8",
    "stream of nothing": "2",
    "stream without bucket": "11",
    "listing left": "8",
    "listing without bucket": "11",
    "put refused": "12",
    "source fails": "6",
    "size contradicted": "6",
    "get of nothing": "2",
}


async def _fails(begun: bytes) -> AsyncIterator[bytes]:
    """Fail behind what is long enough to have been sent in parts."""
    for start in range(0, len(begun), 40_000):
        yield begun[start : start + 40_000]
    raise ZeroDivisionError


@check(*(f"object_storage.{number}" for number in dict.fromkeys(_KINDS.values())))
@gauntlet(lambda limits: [{"kind": kind} for kind in _KINDS])
async def what_fails_uses_nothing_up(store: ObjectStorage, case: Case, kind: str) -> None:
    """After many calls that failed, were refused or left early, the driver goes on, with streams too (OS-36)."""
    await store.create_bucket(BUCKET)
    data = made(min(200_000, case.limits.max_payload))
    begun = data[:100_000]
    for key in ("k", "another"):
        await store.put(BUCKET, key, data)
    calls: dict[str, Any] = {
        "stream not begun": lambda: never_begun(store.get_stream(BUCKET, "k")),
        "listing not begun": lambda: never_begun(store.list_objects(BUCKET)),
        "stream left": lambda: left_early(store.get_stream(BUCKET, "k")),
        "stream of nothing": lambda: left_early(store.get_stream(BUCKET, "missing")),
        "stream without bucket": lambda: left_early(store.get_stream("missing", "k")),
        "listing left": lambda: left_early(store.list_objects(BUCKET)),
        "listing without bucket": lambda: left_early(store.list_objects("missing")),
        "put refused": lambda: store.put(BUCKET, "", b"x"),
        "source fails": lambda: store.put_stream(BUCKET, "failed", _fails(begun)),
        "size contradicted": lambda: store.put_stream(BUCKET, "failed", source(thirds(begun)), size=len(begun) - 1),
        "get of nothing": lambda: store.get(BUCKET, "missing"),
    }
    promise = f"object_storage.{_KINDS[kind]}"

    async def goes_on() -> None:
        value(promise, await streamed(store, "k"), data, "after many calls that failed a stream gives something else")
        await store.put_stream(BUCKET, "k", source([b"af", b"ter"]), size=5)
        value(promise, await store.get(BUCKET, "k"), b"after", "after many calls that failed a stream is not stored")

    await uses_nothing_up(promise, f"a call that fails ({kind})", calls[kind], _FAILURES, goes_on)
