"""Deadlines of objects: every way to look at one, what each says before and after, and only what is certain is judged."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._objects_asking import BUCKET, creates, infos, streamed
from prism_testkit.case import Case
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound
from prism_testkit.outcomes import law

__all__ = ["HELD", "LOOKS", "expect_deadline", "look_at", "looks"]

HELD = b"held data"


async def _stream(slot: Any, key: str, bucket: str) -> object:
    try:
        return await streamed(slot, key, bucket)
    except ObjectNotFound:
        return None


async def _metadata(slot: Any, key: str, bucket: str) -> object:
    got = await slot.metadata(bucket, key)
    return None if got is None else got.size


async def _list(slot: Any, key: str, bucket: str) -> object:
    return [line.size for line in await infos(slot, "", bucket) if line.key == key]


async def _list_prefix(slot: Any, key: str, bucket: str) -> object:
    return [line.size for line in await infos(slot, key, bucket) if line.key == key]


async def _delete_bucket(slot: Any, key: str, bucket: str) -> object:
    """Delete a bucket that holds this key alone."""
    try:
        return await slot.delete_bucket(bucket)
    except Conflict:
        return "Conflict"
    except BucketNotFound:
        return "BucketNotFound"


_Look = tuple[Callable[[Any, str, str], Awaitable[object]], object, object]
LOOKS: Mapping[str, _Look] = {
    "get": (lambda slot, key, bucket: slot.get(bucket, key), HELD, None),
    "get_stream": (_stream, HELD, None),
    "exists": (lambda slot, key, bucket: slot.exists(bucket, key), True, False),
    "metadata": (_metadata, len(HELD), None),
    "list_objects": (_list, [len(HELD)], []),
    "list_objects of a prefix": (_list_prefix, [len(HELD)], []),
    "delete": (lambda slot, key, bucket: slot.delete(bucket, key), True, False),
    "set_ttl": (lambda slot, key, bucket: slot.set_ttl(bucket, key, 1e8), True, False),
    "delete_bucket": (_delete_bucket, "Conflict", True),
    "put_if_absent": (lambda slot, key, bucket: slot.put_if_absent(bucket, key, b"fresh"), False, True),
}
"""How to look, what it says of a present object with `HELD` in it, and of a missing one."""


def looks(slot: Any, *, reading: bool = False) -> list[str]:
    """Return the looks that a slot offers, ``reading`` those alone that change nothing."""
    names = list(LOOKS)[:6] if reading else list(LOOKS)
    return [name for name in names if name != "put_if_absent" or creates(slot)]


async def look_at(
    times: Times,
    slot: Any,
    look: str,
    key: str,
    deadline: Window | None,
    *,
    bucket: str = BUCKET,
    early: str = "object_storage.9",
    late: str = "object_storage.9",
    story: str = "",
) -> None:
    """Look once, and judge the answer where it is certain whether the object is present."""
    run, present, missing = LOOKS[look]
    with law(late):
        got, now = await times.during(run(slot, key, bucket))
    told = f" ({story})" if story else ""
    if times.is_present(deadline, now):
        if got != present:
            when = "an object without a deadline" if deadline is None else "an object before its deadline"
            broken(early, f"{look} is wrong about {when}{told}", expected=present, got=got)
    elif times.is_missing(deadline, now) and got != missing:
        broken(late, f"{look} is wrong about an object whose deadline has passed{told}", expected=missing, got=got)


async def expect_deadline(
    case: Case, times: Times, slot: Any, key: str, deadline: Window | None, story: str, promise: str = "object_storage.9"
) -> None:
    """Judge ``expires_at_ms`` of an object that is there for certain."""
    got, now = await times.during(slot.metadata(BUCKET, key))
    if not times.is_present(deadline, now):
        return
    told = got and got.expires_at_ms
    if deadline is None:
        if got is None or told is not None:
            broken(promise, f"metadata tells a deadline of an object without one ({story})", expected=None, got=got)
        return
    clocks_ms = 60_000 if case.server else 0 if case.clock.virtual else 50
    least = deadline.start / 1e6 - 1 - clocks_ms
    most = (deadline.end + times.slack_ns) / 1e6 + 1 + clocks_ms
    if isinstance(told, bool) or not isinstance(told, int) or not least <= told <= most:
        broken(promise, f"expires_at_ms is not the deadline ({story})", expected=f"{least:.3f} to {most:.3f}", got=got)
