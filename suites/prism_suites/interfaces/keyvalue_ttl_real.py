"""keyvalue_ttl on any clock: the one check that waits. All deadlines run side by side, so that it sleeps once.

A real clock is not to be asserted upon: that a key stays until its deadline is judged only if the answer was there before it,
and that it goes is awaited, generously; how late it was is noted.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_lives import MAKES
from prism_suites._keyvalue_looks import LOOKS
from prism_suites._keyvalue_model import Window
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.outcomes import Violation
from prism_testkit.tap import offers

_LADDER = (0.3, 0.5, 0.75, 0.999, 1.0, 1.25)
_LATER = (3.9, 4.9)
"""Of keys that are looked at last of all, and are to be there if that is before their deadlines."""
_ATTEMPTS = (0.0, 1.0, 4.0, 10.0)
"""Seconds after the last deadline at which to look; each look has a key of its own, for some change what they look at."""
_HELD = b"held"
_RECLAIMED_S = 2.5
"""Who removes by itself what expired has done so, as a rule, so long after a deadline: what is to stay is looked at after that."""
_MOST_S = 20.0
"""A backend that claims to be later than this is not waited for."""
_OFFERS = {
    "keyvalue_ttl": KeyValueTtl,
    "keyvalue_scan": KeyValueScan,
    "keyvalue_batch": KeyValueBatch,
    "keyvalue_cas": KeyValueCas,
    "keyvalue_transactional": KeyValueTransactional,
}


@dataclass(frozen=True, slots=True)
class _Watched:
    look: str
    key: str
    deadline: Window


@check("keyvalue_ttl.2", "keyvalue_ttl.1", "keyvalue_ttl.3", "keyvalue_ttl.8", "keyvalue_ttl.7")
async def a_ladder_of_deadlines_passes(kv: KeyValueTtl, case: Case) -> None:
    """Keys stay until their deadlines, then go for every method; those whose deadline was taken away stay (KV-33, KV-37)."""
    times = Times(case)
    slack_s = times.slack_ns / 1e9
    if slack_s > _MOST_S and not times.virtual:
        case.inconclusive(f"keys may be {slack_s:g} s late, and nothing waits that long")
    whole = await case.whole()
    names = [name for name, look in LOOKS.items() if offers(whole, _OFFERS[look.interface])]
    ladders = [[await _watch(times, whole, name, attempt) for name in names] for attempt in range(len(_ATTEMPTS))]
    kept = await _keep(times, whole)
    for item in ladders[0]:
        if not LOOKS[item.look].writes:
            await times.look(whole, item.look, item.key, _HELD, item.deadline, story="on the way")
    last = max(item.deadline.end for ladder in ladders for item in ladder) + times.slack_ns
    await _measure(case, times, whole)
    await _expect_gone(case, times, whole, ladders, last)
    if case.traits.ttl_reclaim_s is not None and not times.virtual:
        await case.clock.sleep(min(case.traits.ttl_reclaim_s, _RECLAIMED_S))
    for key, (promise, deadline) in kept.items():
        story = "its deadline was taken away" if deadline is None else "its deadline is none of whole seconds"
        await times.look(whole, "get", key, _HELD, deadline, early=promise, story=story)


async def _watch(times: Times, kv: Any, look: str, attempt: int) -> _Watched:
    """Write a key for one look, with a deadline from the ladder, by `set_with_ttl` or by `expire`."""
    key = f"{attempt} {look}"
    # The last ones, at which clients look that come late, are the last to expire, for a store may remove them soon after that.
    ttl_s = _LADDER[(len(look) + attempt) % len(_LADDER)] if attempt < len(_ATTEMPTS) - 1 else _LADDER[-1]
    deadline = await MAKES["set, expire" if attempt % 2 else "set_with_ttl"].run(kv, times, key, _HELD, ttl_s)
    return _Watched(look, key, deadline)


async def _keep(times: Times, kv: Any) -> dict[str, tuple[str, Window | None]]:
    """Write keys that must outlive the ladder, though they had a deadline on it; return which promise keeps each, until when."""
    kept: dict[str, tuple[str, Window | None]] = {}
    changes: dict[str, Callable[[str], Awaitable[object]]] = {
        "keyvalue_ttl.3": lambda key: kv.set(key, _HELD),
        "keyvalue_ttl.8": lambda key: kv.persist(key),
        "keyvalue_ttl.7": lambda key: kv.expire(key, 1e6),
        "keyvalue_ttl.10": lambda key: kv.set_with_ttl(key, _HELD, 1e6),
    }
    for promise, change in changes.items():
        key = f"kept by {promise}"
        _, now = await times.during(kv.set_with_ttl(key, _HELD, 1.0))
        _, changed = await times.during(change(key))
        if times.is_present(now.after(1.0), changed):
            kept[key] = promise, None
    for ttl_s in _LATER:
        key = f"kept for {ttl_s:g} s"
        _, now = await times.during(kv.set_with_ttl(key, _HELD, ttl_s))
        kept[key] = "keyvalue_ttl.1", now.after(ttl_s)
    return kept


async def _measure(case: Case, times: Times, kv: Any) -> None:
    """On a real clock, say how long after its deadline a key was last seen."""
    if times.virtual:
        return
    _, now = await times.during(kv.set_with_ttl("measured", _HELD, _LADDER[0]))
    deadline, seen = now.after(_LADDER[0]), 0
    while times.now_ns() < deadline.end + round(_ATTEMPTS[-1] * 1e9):
        found, then = await times.during(kv.get("measured"))
        if found is None:
            break
        seen = then.start
        await case.clock.sleep(0.002)
    case.note(f"an expired key was last seen {max(0, seen - deadline.end) / 1e6:.0f} ms after its deadline")


async def _expect_gone(case: Case, times: Times, kv: Any, ladders: Sequence[Sequence[_Watched]], last: int) -> None:
    """Look in every way; where a key is still found, another one is tried a little later, until patience ends."""
    late: dict[str, object] = {}
    for ladder, pause_s in zip(ladders, _ATTEMPTS, strict=True):
        while (ahead := last + round(pause_s * 1e9) - times.now_ns()) > 0:
            await case.clock.sleep(ahead / 1e9)
        waiting = [item for item in ladder if not late or item.look in late]
        late = {}
        for item in waiting:
            got = await LOOKS[item.look].run(kv, item.key, _HELD)
            if got != LOOKS[item.look].missing(item.key, _HELD):
                late[item.look] = got
        if not late:
            await _is_gone_for_others(case, ladders[-1])
            return
        if times.virtual:
            break
    look, got = next(iter(late.items()))
    expected = LOOKS[look].missing("k", _HELD)
    raise Violation.of("keyvalue_ttl.2", f"{look} finds a key long after its deadline", expected=expected, got=got)


async def _is_gone_for_others(case: Case, items: Sequence[_Watched]) -> None:
    """Look at keys that have expired, in each way by a client that has not called anything before: what time it is it must ask."""
    for item in items:
        got = await LOOKS[item.look].run(await case.stranger(whole=True), item.key, _HELD)
        expected = LOOKS[item.look].missing(item.key, _HELD)
        if got != expected:
            sentence = f"{item.look}, the first call of a client, finds a key long after its deadline"
            broken("keyvalue_ttl.2", sentence, expected=expected, got=got)
