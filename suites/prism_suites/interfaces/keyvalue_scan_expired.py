"""keyvalue_scan: hundreds of keys that expired or were deleted hide none of those that are there, and are not counted."""

from collections.abc import Iterator
from typing import Any, Protocol

from prism_suites._judging import same
from prism_suites._keyvalue_bulk import counts, listed, listed_keys, lists
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueScan, KeyValueTtl
from prism_testkit.tap import offers
from prism_testkit.traits import Limits


class ScanAndTtl(KeyValueScan, KeyValueTtl, Protocol):
    """Listings and deadlines of one driver."""


_PLACES = {"front": (0,), "middle": (1,), "end": (2,), "everywhere": (0, 1, 2)}
"""Where, among those that are gone, in the order of their names, one is there."""
_LIVE = ("a", "k{middle:05}~", "z")
_MOST = 1100
"""More than any page, where each key costs little."""
_THOUSANDS = 10_050
_AT_ONCE = 50
_SLACK_S = 5.0
"""A backend that claims to be later than this is not waited for on a real clock."""
_LOOKS = 400


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for count in (150, 300, _MOST):
        for place in _PLACES if count < _MOST else ("end", "everywhere"):
            yield {"count": count, "place": place}


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_scan.4", "keyvalue_ttl.2")
@gauntlet(_cases)
async def what_expired_hides_nothing(kv: ScanAndTtl, case: Case, count: int, place: str) -> None:
    """Whole pages of keys that expired, before, between and behind the others: listings give these, and only these (KV-37)."""
    slack_s = case.limits.clock_resolution_s + case.traits.ttl_late_s
    if not case.clock.virtual and (count == _MOST or slack_s > _SLACK_S):
        return
    *names, last = (f"k{number:05}" for number in range(count))
    ttl_s = 600.0 if case.clock.virtual else 0.5
    await _fill(kv, names, ttl_s)
    await _fill(kv, [last], ttl_s)  # by itself: of those that are set at once any may have the latest deadline
    live = await _live(kv, count, place)
    await _passed(kv, case, last, slack_s)
    await _lists_all(kv, live)


@check("keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_scan.4")
@gauntlet(_cases)
async def what_was_deleted_hides_nothing(kv: KeyValueScan, case: Case, count: int, place: str) -> None:
    """So do whole pages of keys that were deleted."""
    if count == _MOST and not case.clock.virtual:
        return
    whole, names = await case.whole(), [f"k{number:05}" for number in range(count)]
    await _fill(kv, names, None)
    live = await _live(kv, count, place)
    if offers(whole, KeyValueBatch):
        same("keyvalue_batch.3", await whole.batch_delete(names), count, "batch_delete does not count the keys that were present")
    else:
        for name in names:
            await kv.delete(name)
    await _lists_all(kv, live)


async def _fill(kv: Any, names: list[str], ttl_s: float | None) -> None:
    for first in range(0, len(names), _AT_ONCE):
        part = names[first : first + _AT_ONCE]
        await together(*(kv.set(name, b"gone") if ttl_s is None else kv.set_with_ttl(name, b"gone", ttl_s) for name in part))


async def _live(kv: Any, count: int, place: str) -> dict[str, bytes]:
    live = {_LIVE[number].format(middle=count // 2): b"%d" % number for number in _PLACES[place]}
    for name, held in live.items():
        await kv.set(name, held)
    return live


async def _passed(kv: Any, case: Case, last: str, slack_s: float) -> None:
    """Wait until the last one is gone; on a real clock it is looked at now and then, and all others went before it."""
    if case.clock.virtual:
        await case.clock.sleep(1e4)
        return
    for _ in range(_LOOKS):
        if not await kv.exists(last):
            break
        await case.clock.sleep(0.025)
    await case.clock.sleep(slack_s)


async def _lists_all(kv: KeyValueScan, live: dict[str, bytes]) -> None:
    for prefix in ("", "k", *live):
        await lists(kv, live, prefix)
    for limit in (1, len(live), len(live) + 1):
        wanted, sentence = min(limit, len(live)), f"with limit={limit}, among keys that are gone, gives another number of keys"
        same("keyvalue_scan.4", len(await listed(kv, "", limit)), wanted, f"scan {sentence}")
        same("keyvalue_scan.4", len(await listed_keys(kv, "", limit)), wanted, f"scan_keys {sentence}")


class ScanAndBatch(KeyValueScan, KeyValueBatch, Protocol):
    """Listings and batches of one driver."""


@check("keyvalue_scan.5")
async def more_than_ten_thousand_keys_are_counted(kv: ScanAndBatch, case: Case) -> None:
    """A count has no bound (KV-42). What is kept in files takes its time over so many, and is asked at the level thorough."""
    if case.traits.durability != "none" and not case.server:
        return
    for first in range(0, _THOUSANDS, 1000):
        await kv.batch_set({f"k{number:05}": b"" for number in range(first, min(first + 1000, _THOUSANDS))})
    for prefix in ("k", ""):
        counts(await kv.count(prefix), _THOUSANDS, prefix)
