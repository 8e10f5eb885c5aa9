"""Short times to live on any clock, with what goes on around their end: a few waits of a tenth of a second, for real ones too.

What expired is removed by somebody, some time: by the call that comes upon it, or by one of many writes that sweeps. Whoever does
must remove that, and nothing else.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._racing import together
from prism_suites.interfaces.keyvalue_ttl_everywhere import TtlAndTransactions
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueTtl

_SHORT_S = 0.1
_SOON_S = 0.9
_LONG_S = 1e7
_WAVE = 10
"""So many writes at once, so that who sweeps beside one of them does so among the others."""
_LONGEST_WAIT_S = 1.0
"""A backend that claims to be later than this is not waited for; the ladder of `keyvalue_ttl_real` waits longer."""


async def _over(case: Case, times: Times, deadline: Window) -> None:
    """Return when a key with this deadline is missing for certain, on a real clock, too."""
    while (ahead := deadline.end + times.slack_ns - times.now_ns()) > 0:
        await case.clock.sleep(ahead / 1e9)


def _patient(case: Case) -> Times:
    times = Times(case)
    if not times.virtual and times.slack_ns > _LONGEST_WAIT_S * 1e9:
        case.inconclusive(f"keys may be {times.slack_ns / 1e9:g} s late, and nothing waits that long here")
    return times


@check("keyvalue_ttl.10", "keyvalue_ttl.11", "keyvalue_ttl.1", "keyvalue_basic.9")
@gauntlet(lambda limits: [{"names": 30, "writes": 130}])
async def many_writes_after_deadlines_remove_nothing_but_what_expired(kv: KeyValueTtl, case: Case, names: int, writes: int) -> None:
    """Keys expire; many others are given lives, and the expired ones are written anew meanwhile, by two clients. All that was
    written is there, in the other namespace that has the same names, too, and what has a second left has it (KV-40)."""
    times, other, sibling = _patient(case), await case.client(), await case.sibling()
    keys = [f"k{number}" for number in range(names)]
    _, ended = await times.during(together(*(kv.set_with_ttl(key, b"old", _SHORT_S) for key in keys)))
    await together(*(sibling.set(key, b"sibling's") for key in keys[::2]))
    await together(*(sibling.set_with_ttl(key, b"sibling's", _LONG_S) for key in keys[1::2]))
    await _over(case, times, ended.after(_SHORT_S))
    _, now = await times.during(kv.set_with_ttl("soon", b"soon", _SOON_S))
    soon = now.after(_SOON_S)
    for first in range(0, writes, _WAVE):
        calls: list[Any] = []
        for number in range(first, min(first + _WAVE, writes)):
            calls.append((kv, other)[number % 16 == 0].set_with_ttl(f"new {number}", b"new", _LONG_S))
            if number % 4 == 0 and number // 4 < names:
                key = keys[number // 4]
                calls.append(other.set(key, b"anew") if number % 8 else kv.set_with_ttl(key, b"anew", _LONG_S))
        await together(*calls)
    await times.look(kv, "get", "soon", b"soon", soon, story="many keys were written since")
    for key in keys:
        value("keyvalue_ttl.10", await kv.get(key), b"anew", "a key that was written anew when it had expired is gone")
        value("keyvalue_basic.9", await sibling.get(key), b"sibling's", "a key went that had expired in another namespace")
    for number in range(0, writes, 8):
        value("keyvalue_ttl.1", await other.get(f"new {number}"), b"new", "a key is gone long before its deadline")


@check("keyvalue_ttl.2", "keyvalue_ttl.7", "keyvalue_ttl.9")
async def what_expired_is_not_removed_once_more(kv: KeyValueTtl, case: Case) -> None:
    """Calls that remove a key say that there was none when it had expired, whether it was removed in the meantime or not."""
    times = _patient(case)
    calls: dict[str, Callable[[str], Awaitable[bool]]] = {
        "delete": lambda key: kv.delete(key),
        "expire": lambda key: kv.expire(key, 60),
        "expire at once": lambda key: kv.expire(key, 0),
        "expire in the past": lambda key: kv.expire(key, -1e9),
        "persist": lambda key: kv.persist(key),
    }
    _, ended = await times.during(together(*(kv.set_with_ttl(key, b"old", _SHORT_S) for key in calls)))
    await _over(case, times, ended.after(_SHORT_S))
    for key, call in calls.items():
        truth("keyvalue_ttl.2", await call(key), False, f"{key} says that there is a key whose deadline has passed")
        value("keyvalue_ttl.2", await kv.get(key), None, f"{key} brings a key back whose deadline has passed")


@check("keyvalue_transactional.5", "keyvalue_ttl.2")
@gauntlet(lambda limits: [{"writes": writes} for writes in (True, False)])
async def a_transaction_does_not_outlive_what_it_read(kv: TtlAndTransactions, case: Case, writes: bool) -> None:
    """A transaction read a key alive, and reads what somebody wrote who had found the key expired: that has no place in any
    order, whether the transaction writes something or not, and it raises `Conflict`."""
    times, other = _patient(case), await case.client()
    await kv.set("log", b"before")
    _, now = await times.during(kv.set_with_ttl("k", b"held", _SHORT_S))
    done = False
    try:
        async with kv.transaction() as transaction:
            if await transaction.get("k") is None:
                return  # it took so long
            await _over(case, times, now.after(_SHORT_S))
            value("keyvalue_ttl.2", await other.get("k"), None, "a key is there whose deadline has passed")
            await other.set("log", b"after")
            seen = await transaction.get("log")
            if writes:
                await transaction.set("written", b"by the transaction")
        done = True
    except Conflict:
        value("keyvalue_transactional.6", await kv.get("written"), None, "a transaction that raised Conflict wrote a key")
    if done and seen == b"after":
        told = "a transaction commits that read a key alive, and what was written by somebody who had found it expired"
        broken("keyvalue_transactional.5", told, expected="Conflict", got="a commit")
