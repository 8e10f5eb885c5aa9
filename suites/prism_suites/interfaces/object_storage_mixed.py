"""object_storage: two calls of different kinds, by one client, at once, on two objects: each does what it does alone."""

from itertools import combinations

from prism_suites._judging import same
from prism_suites._objects_calls import BUCKET, CALLS, OLD, State, looked
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage, ObjectStorageConditional
from prism_testkit.tap import offers

_SERVER_PART = 5
"""Of a server, where each call takes long, one in so many pairs."""


@check(*(f"object_storage.{number}" for number in (1, 2, 4, 5, 6, 9, 14, 16)), "object_storage_conditional.1")
@gauntlet(lambda limits: [{"first": first, "overlap": overlap} for first in CALLS for overlap in (False, True)])
async def of_two_kinds_at_once_each_does_its_own(objects: ObjectStorage, case: Case, first: str, overlap: bool) -> None:
    """What a client keeps of a call in hand is not the other's: neither its key, its data, its metadata, nor its answer."""
    slot = await case.whole()
    creates = offers(slot, ObjectStorageConditional)
    calls = {name: call for name, call in CALLS.items() if creates or "put_if_absent" not in name}
    if first not in calls or case.limits.max_payload < len(b"first"):
        return
    if overlap:
        case.overlap()
    await slot.create_bucket(BUCKET)
    pairs = [pair for number, pair in enumerate(combinations(calls, 2)) if not (case.server and number % _SERVER_PART)]
    for number, (one, other) in enumerate(pair for pair in pairs if pair[0] == first):
        keys, old = (f"{number:02}a", f"{number:02}b"), State(b"old", OLD)
        for key in keys:
            await slot.put(BUCKET, key, b"old", **OLD._asdict())
        names = (other, one) if number % 2 else (one, other)
        answers = await together(*(calls[name].make(slot, key) for name, key in zip(names, keys, strict=True)))
        for name, beside, key, answer in zip(names, reversed(names), keys, answers, strict=True):
            told = f"{name} of one object, at once with {beside} of another"
            same(calls[name].promise, answer, calls[name].answer(old), told)
            await looked(slot, key, calls[name].after(old), calls[name].promise, f"behind {told}")
