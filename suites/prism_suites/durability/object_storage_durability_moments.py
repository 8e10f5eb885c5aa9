"""A process that keeps objects in files dies in the middle of a call, behind each write that the call makes to them."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._moments import at_every_write, keeps_files, when_power_is_lost
from prism_suites._objects_asking import source, thirds
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, ObjectStorage, ObjectStorageConditional
from prism_testkit.tap import offers
from prism_testkit.traits import Limits, Traits

_LAW = "object_storage.19"
_KEYS = ("a", "a/b", "new", "other")
Durable = Annotated[ObjectStorage, Traits(durability="process")]
Powerful = Annotated[ObjectStorage, Traits(durability="power")]
_Call = Callable[[Any, bytes], Awaitable[Any]]
_OLD: dict[str, Any] = {"content_type": "text/old", "content_encoding": "old", "user_metadata": {"is": "old", "only": "old"}}
_NEW: dict[str, Any] = {"content_type": "text/new", "user_metadata": {"is": "new"}}
_Object = tuple[bytes, int, str | None, str | None, dict[str, str], bool]
_State = dict[str, _Object | None]


_CALLS: dict[str, tuple[type, _Call]] = {
    "put": (ObjectStorage, lambda slot, data: slot.put("bucket", "a", data, **_NEW)),
    "put of a new object": (ObjectStorage, lambda slot, data: slot.put("bucket", "new", data, **_NEW)),
    "put_stream": (ObjectStorage, lambda slot, data: slot.put_stream("bucket", "a", source(thirds(data)), **_NEW)),
    "put_stream of a new object": (ObjectStorage, lambda slot, data: slot.put_stream("bucket", "new", source(thirds(data)))),
    "put_if_absent": (ObjectStorageConditional, lambda slot, data: slot.put_if_absent("bucket", "new", data, **_NEW)),
    "delete": (ObjectStorage, lambda slot, data: slot.delete("bucket", "a")),
    "set_ttl": (ObjectStorage, lambda slot, data: slot.set_ttl("bucket", "a", 1e6)),
    "create_bucket": (ObjectStorage, lambda slot, data: slot.create_bucket("another")),
    "delete_bucket": (ObjectStorage, lambda slot, data: slot.delete_bucket("bucket", force=True)),
}
_WITH_DATA = ("put", "put of a new object", "put_stream", "put_stream of a new object", "put_if_absent")


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    # Shorter than what was, as long, longer; and one that fills a page of a file only together with what is kept beside it.
    sizes = (0, 20, *(min(size, limits.max_payload) for size in (4000, 100_000)))
    for call in _CALLS:
        for size in dict.fromkeys(sizes) if call in _WITH_DATA else (0,):
            yield {"call": call, "size": size}


async def _object(slot: Any, key: str) -> _Object | None:
    data, metadata = await slot.get("bucket", key), await slot.metadata("bucket", key)
    if (data is None) != (metadata is None) or (data is not None and metadata.size != len(data)):
        broken(_LAW, f"after the kill data and metadata of {key!r} are not of one object", expected=metadata, got=data)
    if data is None:
        return None
    described = metadata.content_type, metadata.content_encoding, dict(metadata.user_metadata)
    return data, metadata.size, *described, metadata.expires_at_ms is not None


async def _state(slot: Any) -> _State:
    """Return the objects of the bucket, and judge that they are what is listed; none without the bucket."""
    try:
        found = {key: await _object(slot, key) for key in _KEYS}
        listed = sorted([(info.key, info.size) async for info in slot.list_objects("bucket")])
    except BucketNotFound:
        same(_LAW, await slot.bucket_exists("bucket"), False, "after the kill a bucket that is there is not found")
        return dict.fromkeys(_KEYS)
    there = sorted((key, kept[1]) for key, kept in found.items() if kept is not None)
    same(_LAW, listed, there, "after the kill a listing shows something else than what is there")
    return found


@check(_LAW)
@gauntlet(_cases)
async def a_call_that_dies_between_its_writes_is_whole_or_absent(store: Durable, case: Case, call: str, size: int) -> None:
    """Whatever a call had written to files when its process was killed, it has its effect or none, and nothing else changed.

    Of files only: servers have other checks (OS-55, OB-2).
    """
    if keeps_files(case):
        await _dies(case, call, size, power=False)


@check(_LAW)
@gauntlet(_cases)
async def what_was_acknowledged_is_there_when_power_was_lost(store: Powerful, case: Case, call: str, size: int) -> None:
    """With ``durability="power"`` so it is of a loss of power, of which files keep what was synced (OS-55)."""
    await _dies(case, call, size, power=True)


async def _dies(case: Case, call: str, size: int, *, power: bool) -> None:
    interface, act = _CALLS[call]
    if not offers(await case.whole(), interface):
        return
    states: list[_State] = []

    async def prepare(slot: Any) -> None:
        await slot.create_bucket("bucket")
        for key in ("a", "a/b", "other"):
            await slot.put("bucket", key, b"old and as long " + key.encode(), **_OLD)
        states.append(await _state(slot))

    async def done(slot: Any) -> None:
        states.append(await _state(slot))

    async def judged(slot: Any, told: str) -> None:
        found = await _state(slot)
        for key in _KEYS:
            either = [side[key] for side in states]
            if found[key] not in either:
                broken(_LAW, f"killed {told}, {key!r} is neither the old object nor the new one", expected=either, got=found[key])
        await _goes_on(slot, told)

    async def acted(slot: Any) -> None:
        await act(slot, b"n" * size)

    if power:
        await when_power_is_lost(case, _LAW, call, acted, judged, prepare=prepare, seen=_everything, done=done)
    else:
        await at_every_write(case, _LAW, call, acted, judged, prepare=prepare, done=done, again=_state)


async def _everything(slot: Any) -> tuple[_State, list[bool]]:
    return await _state(slot), [await slot.bucket_exists(bucket) for bucket in ("bucket", "another")]


async def _goes_on(slot: Any, told: str) -> None:
    await slot.create_bucket("bucket")
    for key in _KEYS:
        await slot.put("bucket", key, b"again")
    again: _State = dict.fromkeys(_KEYS, (b"again", 5, None, None, {}, False))
    same(_LAW, await _state(slot), again, f"killed {told}, the store is not written as any other")
    same(_LAW, await slot.delete_bucket("bucket", force=True), True, f"killed {told}, the bucket cannot be removed")
    await slot.create_bucket("bucket")
    same(_LAW, await _state(slot), dict.fromkeys(_KEYS), f"killed {told}, a bucket that was made again is not empty")
    await slot.put("bucket", "other", b"and again")
