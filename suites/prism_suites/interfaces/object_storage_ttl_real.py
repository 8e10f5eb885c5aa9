"""object_storage on any clock: the one check that waits for deadlines. All of them run side by side, so that it sleeps once.

A real clock is not to be asserted upon: that an object stays until its deadline is judged only if the answer was there before
it, and that it goes is awaited, generously.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._objects_asking import BUCKET, signed
from prism_suites._objects_times import HELD, LOOKS, look_at, looks
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import ObjectStorage

_LADDER = (0.3, 0.5, 0.75, 0.999, 1.0, 1.25)
_ATTEMPTS = (0.0, 1.0, 4.0, 10.0)
"""Seconds after the last deadline at which to look; each look has a bucket of its own, for some change what they look at."""
_MOST_S = 20.0
"""A backend that claims to be later than this is not waited for."""


@dataclass(frozen=True, slots=True)
class _Watched:
    look: str
    bucket: str
    deadline: Window


@check("object_storage.9", "object_storage.10", "object_storage.2")
async def a_ladder_of_deadlines_passes(store: ObjectStorage, case: Case) -> None:
    """Objects stay until their deadlines, then go for every method; those put again or given a longer life stay (OB-12)."""
    times = Times(case)
    if times.slack_ns / 1e9 > _MOST_S and not times.virtual:
        case.inconclusive(f"objects may be {times.slack_ns / 1e9:g} s late, and nothing waits that long")
    whole = await case.whole()
    names = looks(whole)
    ladders = [[await _watch(times, whole, name, attempt) for name in names] for attempt in range(len(_ATTEMPTS))]
    kept = await _keep(times, whole)
    await _overtaken(whole)
    for item in ladders[0]:
        if item.look in looks(whole, reading=True):
            await look_at(times, whole, item.look, "k", item.deadline, bucket=item.bucket, story="on the way")
    last = max(item.deadline.end for ladder in ladders for item in ladder) + times.slack_ns
    await _expect_gone(case, times, whole, ladders, last)
    await _expect_put_again(case, whole)
    for key, promise in kept.items():
        for look in looks(whole, reading=True)[:4]:
            await look_at(times, whole, look, key, None, early=promise, story=f"{key}: its deadline was taken away")


async def _watch(times: Times, store: Any, look: str, attempt: int) -> _Watched:
    """Put an object for one look in a bucket of its own, with a deadline from the ladder."""
    bucket = f"{attempt} {look}"
    ttl_s = _LADDER[(len(look) + attempt) % len(_LADDER)]
    await store.create_bucket(bucket)
    await store.put(bucket, "k", HELD)
    got, now = await times.during(store.set_ttl(bucket, "k", ttl_s))
    truth("object_storage.9", got, True, "set_ttl of a present object")
    return _Watched(look, bucket, now.after(ttl_s))


async def _keep(times: Times, store: Any) -> dict[str, str]:
    """Put objects that must outlive the ladder, though they had a deadline on it; return which promise keeps each."""
    await store.create_bucket(BUCKET)
    kept = {}
    for key, promise in (("put again", "object_storage.10"), ("given longer", "object_storage.9")):
        await store.put(BUCKET, key, HELD)
        _, now = await times.during(store.set_ttl(BUCKET, key, 1.0))
        call = store.put(BUCKET, key, HELD) if key == "put again" else store.set_ttl(BUCKET, key, 1e6)
        _, changed = await times.during(call)
        if key == "put again" or times.is_present(now.after(1.0), changed):
            kept[key] = promise
    return kept


_AGAIN = 24
"""Objects that are put again while somebody meets them expired: between the look of that one and what it does may lie little."""


async def _overtaken(store: Any) -> None:
    """Put objects that nobody meets before they have expired."""
    await store.create_bucket("again")
    for number in range(_AGAIN):
        await store.put("again", f"k{number}", HELD)
        await store.set_ttl("again", f"k{number}", _LADDER[0])


async def _expect_put_again(case: Case, store: Any) -> None:
    """Look at each in some way while another client puts it again, with the same data or others: the new one stays."""
    rival, names = await case.client(), looks(store, reading=True)[:4]
    case.overlap()
    for number in range(_AGAIN):
        key, data = f"k{number}", HELD if number % 2 else b"fresh data"
        look = names[number // 2 % len(names)]
        await together(LOOKS[look][0](store, key, "again"), rival.put("again", key, data, **signed("new").keywords))
        sentence = f"an object that was put again while {look}, of another client, met the expired one"
        value("object_storage.10", await store.get("again", key), data, sentence)


async def _expect_gone(case: Case, times: Times, store: Any, ladders: Sequence[Sequence[_Watched]], last: int) -> None:
    """Look in every way; where an object is still found, another one is tried a little later, until patience ends."""
    late: dict[str, object] = {}
    for ladder, pause_s in zip(ladders, _ATTEMPTS, strict=True):
        while (ahead := last + round(pause_s * 1e9) - times.now_ns()) > 0:
            await case.clock.sleep(ahead / 1e9)
        waiting = [item for item in ladder if not late or item.look in late]
        late = {}
        for item in waiting:
            run, _, missing = LOOKS[item.look]
            got = await run(store, "k", item.bucket)
            if got != missing:
                late[item.look] = got
        if not late:
            return
        if times.virtual:
            break
    look, got = next(iter(late.items()))
    broken("object_storage.9", f"{look} finds an object long after its deadline", expected=LOOKS[look][2], got=got)
