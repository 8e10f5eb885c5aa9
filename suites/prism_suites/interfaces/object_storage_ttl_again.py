"""object_storage: a put takes a deadline away each time, however often its object had one before."""

from prism_suites._judging import truth
from prism_suites._keyvalue_deadlines import Times
from prism_suites._objects_asking import BUCKET, NOTHING, PUTS, expect_missing, expect_object, made, signed
from prism_suites._objects_times import expect_deadline
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage

_ROUNDS = 5


@check("object_storage.10", "object_storage.9", "object_storage.5")
@gauntlet(lambda limits: [{"put": put, "deleted": deleted} for put in PUTS for deleted in (False, True)])
async def a_deadline_is_taken_away_each_time(store: ObjectStorage, case: Case, put: str, deleted: bool) -> None:
    """The same object is given a deadline and put anew, over and over, at times with no word about it; then all of them pass."""
    times = Times(case)
    await store.create_bucket(BUCKET)
    for number in range(_ROUNDS):
        data, said = made(9 + number), NOTHING if number % 2 else signed(f"{number}")
        await PUTS[put](store, "k", data, said)
        story = f"{put}, for the {number + 1}. time over a deadline" if number else put
        await expect_object("object_storage.10", store, "k", data, story, said)
        await expect_deadline(case, times, store, "k", None, story, "object_storage.10")
        if number + 1 < _ROUNDS:
            life_s = 1000.0 - number
            got, now = await times.during(store.set_ttl(BUCKET, "k", life_s))
            truth("object_storage.9", got, True, f"set_ttl of an object, for the {number + 1}. time")
            await expect_deadline(case, times, store, "k", now.after(life_s), f"given for the {number + 1}. time")
            if deleted:
                await store.delete(BUCKET, "k")
    await times.move(2000.0)
    await expect_object(
        "object_storage.10", store, "k", data, f"{put} over each of {_ROUNDS - 1} deadlines, which have passed", said
    )
    _, now = await times.during(store.set_ttl(BUCKET, "k", 50.0))
    if await times.past(now.after(50.0)):
        await expect_missing("object_storage.9", store, "k", "the last of many deadlines has passed")
