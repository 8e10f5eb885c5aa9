"""object_storage: what looks at an expired object, or sweeps it, while another client puts it again, never removes the new one."""

import asyncio
from collections.abc import Awaitable, Iterator
from itertools import product
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, PUTS, expect_object, signed
from prism_suites._objects_times import LOOKS, looks
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectStorage
from prism_testkit.traits import Limits

_NEW = b"the new one"
_OFFSETS = ((0, 0), (0, 1), (0, 2), (0, 3), (0, 5), (1, 0), (2, 0), (3, 0), (5, 0))
_REMOVERS = ("get", "get_stream", "exists", "metadata", "list_objects", "delete", "set_ttl", "put_if_absent")


async def _late(turns: int, call: Any) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await call()


async def _reading(call: Awaitable[Any], default: object) -> Any:
    """Await a read that races a put: it may raise Conflict."""
    try:
        return await call
    except Conflict:
        return default


def _races(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (look, waits, way) in enumerate(product(_REMOVERS, _OFFSETS, PUTS)):
        if way == "put" or number % 4 == 1:
            yield {"look": look, "waits": waits, "way": way, "other": bool(number % 3)}


@check("object_storage.10")
@gauntlet(_races)
async def looking_at_an_expired_object_spares_the_new_one(
    store: ObjectStorage, case: Case, look: str, waits: tuple[int, int], way: str, other: bool
) -> None:
    """A look that comes upon an expired object while it is put again removes nothing but the old one (OB-12)."""
    times = Times(case)
    whole = await case.whole()
    if look not in looks(whole):
        return
    rival = await case.client(whole=True) if other else whole
    await whole.create_bucket(BUCKET)
    await whole.put(BUCKET, "k", b"old", **signed("old").keywords)
    _, now = await times.during(whole.set_ttl(BUCKET, "k", 5))
    if not await times.past(now.after(5)):
        return
    case.overlap()
    said = signed("new")
    got, _ = await together(
        _late(waits[0], lambda: _reading(LOOKS[look][0](whole, "k", BUCKET), None)),
        _late(waits[1], lambda: PUTS[way](rival, "k", _NEW, said)),
    )
    if look == "delete" and got is True:
        return  # the new one was there already
    for client in (whole, rival):
        sentence = f"{look} of an expired object, and {way} at once"
        await expect_object("object_storage.10", client, "k", _NEW, sentence, said, lives=look == "set_ttl" and got is True)
    await times.move(10_000.0)
    if await whole.get(BUCKET, "k") != _NEW:
        broken("object_storage.10", f"{look} of an expired object, and {way} at once: later it is gone", expected=_NEW, got=None)


def _moments(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (before_s, way) in enumerate(product((0.004, 0.002, 0.001, 0.0, -0.001, -0.5), PUTS)):
        yield {"before_s": before_s, "way": way, "other": bool(number % 2)}


@check("object_storage.10")
@gauntlet(_moments)
async def a_put_around_the_deadline_stays(store: ObjectStorage, case: Case, before_s: float, way: str, other: bool) -> None:
    """While time passes the deadline and everybody looks, a put that returned is never removed by the old deadline."""
    if not case.clock.virtual:
        return
    times = Times(case)
    rival = await case.client() if other else store
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", b"old")
    _, now = await times.during(store.set_ttl(BUCKET, "k", 50))
    await times.to(now.after(50).start - round(before_s * 1e9))
    case.overlap()
    put = asyncio.Event()

    async def write() -> None:
        await PUTS[way](rival, "k", _NEW)
        put.set()

    async def pass_by() -> None:
        for _ in range(6):
            await case.advance(0.001)
        await case.advance(case.traits.ttl_late_s + (case.traits.ttl_reclaim_s or 0.0) + 60)

    async def look(client: Any) -> None:
        for number in range(8):
            await case.clock.sleep(0.0007)
            there = put.is_set()
            got = await _reading(client.get(BUCKET, "k"), _NEW)
            if there and got != _NEW:
                sentence = "an object was put around the deadline of the one before, and is not there"
                broken("object_storage.10", sentence, expected=_NEW, got=got)
            await _reading(client.exists(BUCKET, "k") if number % 2 else client.metadata(BUCKET, "k"), None)

    await together(write(), pass_by(), look(store), look(rival))
    for _ in range(3):
        await expect_object("object_storage.10", store, "k", _NEW, "put around the deadline of the one before")
        await times.move(100.0 + (case.traits.ttl_reclaim_s or 0.0))


_KEYS = 60


@check("object_storage.10")
@gauntlet(lambda limits: [{"way": way, "alike": alike} for way in PUTS for alike in (False, True)])
async def what_is_put_again_at_any_moment_is_kept(store: ObjectStorage, case: Case, way: str, alike: bool) -> None:
    """Many objects expire at one instant and are put again one after the other, with other data or the same: whatever moment a
    sweeper of the store chooses, between finding what has expired and removing it, it spares the new ones."""
    if not case.clock.virtual:
        case.inconclusive("time cannot be moved on this clock")
    keys = [f"k{number:02}" for number in range(_KEYS)]
    data = b"old" if alike else _NEW
    await store.create_bucket(BUCKET)
    for key in keys:
        await store.put(BUCKET, key, b"old")
    for key in keys:
        await store.set_ttl(BUCKET, key, 50)
    await case.advance(50 + case.limits.clock_resolution_s + case.traits.ttl_late_s)
    span_s = case.traits.ttl_reclaim_s or 60.0
    for key in keys:
        await PUTS[way](store, key, data, signed(key))
        await case.advance(span_s / _KEYS)
    await case.advance(span_s * 2 + 60)
    for key in keys:
        sentence = "an expired object that was put again"
        await expect_object("object_storage.10", store, key, data, sentence, signed(key))


@check("object_storage.10", "object_storage.11")
@gauntlet(lambda limits: [{"waits": waits, "other": bool(number % 2)} for number, waits in enumerate(_OFFSETS)])
async def deleting_a_bucket_of_expired_objects_spares_a_new_one(
    store: ObjectStorage, case: Case, waits: tuple[int, int], other: bool
) -> None:
    """delete_bucket without force, while an expired object is put again: either the bucket goes, or the object stays."""
    times = Times(case)
    rival = await case.client() if other else store
    await store.create_bucket(BUCKET)
    await store.put(BUCKET, "k", b"old")
    _, now = await times.during(store.set_ttl(BUCKET, "k", 5))
    if not await times.past(now.after(5)):
        return
    case.overlap()
    answers: Any = await asyncio.gather(
        _late(waits[0], lambda: store.delete_bucket(BUCKET)),
        _late(waits[1], lambda: rival.put(BUCKET, "k", _NEW)),
        return_exceptions=True,
    )
    gone, known = answers
    for answer, legal in ((gone, Conflict), (known, BucketNotFound)):
        if isinstance(answer, BaseException) and not isinstance(answer, legal):
            raise answer
    if isinstance(known, BaseException) and isinstance(gone, Conflict):
        broken("object_storage.11", "a put found no bucket, and a delete_bucket found it full", expected="one of them", got="both")
    if not isinstance(known, BaseException) and gone is True:
        sentence = "delete_bucket without force removed an object that was put meanwhile"
        broken("object_storage.11", sentence, expected="Conflict, or BucketNotFound for the put", got="both took place")
    if isinstance(gone, Conflict):
        await expect_object("object_storage.10", store, "k", _NEW, "a bucket that was not deleted")
