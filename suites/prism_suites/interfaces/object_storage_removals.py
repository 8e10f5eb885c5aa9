"""object_storage: what is removed while others are at it: a bucket that is made again at once, an object that gets a deadline."""

import asyncio

from prism_suites._judging import broken, same, value
from prism_suites._objects_asking import BUCKET, listed
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import ObjectStorage

_MANY = 120
"""Objects in a bucket, so that it takes a while to remove them all."""
_FEW = 8
_TRIES = 1000
_ROUNDS = 24


@check("object_storage.11", "object_storage.14")
async def a_bucket_made_again_keeps_what_is_put_then(store: ObjectStorage, case: Case) -> None:
    """While one client removes a bucket of many objects, another makes it again as soon as it may, and puts objects of the same
    names: those are there, and no others, when the removal has returned too."""
    rival = await case.client()
    await store.create_bucket(BUCKET)
    for start in range(0, _MANY, 20):
        await together(*(store.put(BUCKET, f"k{number}", b"old") for number in range(start, start + 20)))
    case.overlap()
    removing = asyncio.ensure_future(store.delete_bucket(BUCKET, force=True))
    made = False
    for _ in range(_TRIES):
        made = made or await rival.create_bucket(BUCKET)
        if made or removing.done():
            break
        await asyncio.sleep(0)
    if made:
        await together(*(rival.put(BUCKET, f"k{number}", b"new") for number in range(_FEW)))
    same("object_storage.11", await removing, True, "delete_bucket with force, of a bucket of many objects")
    if not made:
        return
    for number in range(_FEW):
        sentence = "put into a bucket that was made again while another client removed the old one"
        value("object_storage.11", await rival.get(BUCKET, f"k{number}"), b"new", sentence)
    found = sorted(await listed(store))
    same(
        "object_storage.11", found, sorted(f"k{number}" for number in range(_FEW)), "what is listed in a bucket that was made again"
    )


@check("object_storage.9", "object_storage.4", "object_storage.2")
async def who_gives_a_deadline_to_what_goes_is_told(store: ObjectStorage, case: Case) -> None:
    """`set_ttl` of an object that another client deletes meanwhile says True or False, and does not bring it back."""
    rival = await case.client()
    await store.create_bucket(BUCKET)
    case.overlap()
    for number in range(_ROUNDS):
        key, ttl_s = f"k{number}", (1e6, 0.0)[number % 3 == 2]
        await store.put(BUCKET, key, b"data")
        with case.law("object_storage.9"):
            told, gone = await together(store.set_ttl(BUCKET, key, ttl_s), rival.delete(BUCKET, key))
        if not isinstance(told, bool):
            broken("object_storage.9", "set_ttl of an object that is deleted meanwhile", expected="True or False", got=told)
        if gone or ttl_s:
            value("object_storage.4", await store.get(BUCKET, key), None, "deleted while it was given a deadline")
