"""keyvalue_ttl: a deadline that changes is known to a client that knew another one, and to no key that was written beside."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from typing import Any, Protocol

from prism_suites._judging import same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_looks import LOOKS, seconds_left
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import INTERFACES, KeyValueBatch, KeyValueTransactional, KeyValueTtl
from prism_testkit.tap import offers
from prism_testkit.traits import Limits


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndTransactions(KeyValueTtl, KeyValueTransactional, Protocol):
    """Deadlines and transactions of one driver."""


_HELD = b"held"
_FIRST_S = 6000.0
_SIGHTS = ("get", "exists", "ttl", "scan", "batch_get", "transaction.get")
"""How a client came to know a key; where its driver does not offer it, by `get`."""
_FIRST_LOOKS = ("get", "exists", "ttl", "delete", "expire", "batch_get", "scan", "count", "transaction.get", "compare_and_delete")

_Change = Callable[[Any], Awaitable[object]]
_CHANGES: dict[str, tuple[_Change, float | None, str]] = {
    "expire, sooner": (lambda kv: kv.expire("k", 60.0), 60.0, "keyvalue_ttl.7"),
    "expire, later": (lambda kv: kv.expire("k", 60_000.0), 60_000.0, "keyvalue_ttl.7"),
    "set_with_ttl, sooner": (lambda kv: kv.set_with_ttl("k", _HELD, 60.0), 60.0, "keyvalue_ttl.3"),
    "set_with_ttl, later": (lambda kv: kv.set_with_ttl("k", _HELD, 60_000.0), 60_000.0, "keyvalue_ttl.3"),
    "persist": (lambda kv: kv.persist("k"), None, "keyvalue_ttl.8"),
    "set": (lambda kv: kv.set("k", _HELD), None, "keyvalue_ttl.3"),
}
"""What another client does to the deadline, the seconds that it gives, and the promise that it keeps."""


def _stories(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (change, seen) in enumerate(product(_CHANGES, _SIGHTS)):
        for look in (_FIRST_LOOKS[number % len(_FIRST_LOOKS)], "get", "exists"):
            yield {"seen": seen, "lives": number % 2 == 0 or "later" in change, "change": change, "look": look}


@check("keyvalue_basic.8", "keyvalue_ttl.7", "keyvalue_ttl.3", "keyvalue_ttl.8", "keyvalue_ttl.2", "keyvalue_ttl.1")
@gauntlet(_stories)
async def a_client_that_knew_a_key_goes_by_its_new_deadline(
    kv: KeyValueTtl, case: Case, seen: str, lives: bool, change: str, look: str
) -> None:
    """However a client came to know a key, with or without a deadline: what another one makes of that holds for its next look,
    with no other call between that could have told it (KV-05)."""
    times = Times(case)
    whole, other = await case.whole(), await case.client()
    await (other.set_with_ttl("k", _HELD, _FIRST_S) if lives else other.set("k", _HELD))
    await LOOKS[_offered(whole, seen)].run(whole, "k", _HELD)
    call, given_s, promise = _CHANGES[change]
    _, now = await times.during(call(other))
    deadline = None if given_s is None else now.after(given_s)
    story = f"known from {_offered(whole, seen)}, {'with' if lives else 'without'} a deadline, then {change} by another client"
    # To just behind the earlier one of both deadlines: the key is gone there, or has outlived what the client knew.
    instant = now.after(_FIRST_S) if given_s is None else now.after(min(_FIRST_S, given_s))
    if await times.past(instant):
        await times.look(whole, _offered(whole, look), "k", _HELD, deadline, early=promise, late=promise, story=story)


def _offered(whole: Any, look: str) -> str:
    return look if offers(whole, INTERFACES[LOOKS[look].interface]) else "get"


_TOGETHER = ("k", "beside", "k2")


async def _change(kv: Any, times: Times, change: str) -> None:
    if change == "expiry":
        _, now = await times.during(kv.expire("k", 60.0))
        await times.past(now.after(60.0))
    elif change in ("delete", "persist"):
        await getattr(kv, change)("k")
    else:
        await (kv.set_with_ttl("k", _HELD, 60.0) if change == "set_with_ttl" else kv.expire("k", 60.0))


async def _expect_apart(kv: Any, case: Case, change: str) -> None:
    """Change one of the keys that were written together, with one value: the others neither get a deadline nor go."""
    times = Times(case)
    await _change(kv, times, change)
    story = f"written together with another key, which was changed by {change}"
    for key in _TOGETHER[1:]:
        same("keyvalue_ttl.11", await seconds_left(kv, key), None, f"a key got a deadline, or is gone ({story})")
    await times.move(120.0)
    for key in _TOGETHER[1:]:
        await times.look(kv, "get", key, _HELD, None, early="keyvalue_ttl.11", story=story)


_ALONE = [{"change": change} for change in ("expire", "set_with_ttl", "expiry", "delete")]


@check("keyvalue_ttl.11")
@gauntlet(lambda limits: _ALONE)
async def keys_of_one_batch_have_deadlines_of_their_own(kv: TtlAndBatch, case: Case, change: str) -> None:
    """Keys that one batch gave the same value share nothing: what becomes of one leaves the others as they are."""
    await kv.batch_set(dict.fromkeys(_TOGETHER, _HELD))
    await _expect_apart(kv, case, change)


@check("keyvalue_ttl.11")
@gauntlet(lambda limits: _ALONE)
async def keys_of_one_transaction_have_deadlines_of_their_own(kv: TtlAndTransactions, case: Case, change: str) -> None:
    """Keys that one transaction gave the same value share nothing: what becomes of one leaves the others as they are."""

    async def fill(transaction: Any) -> None:
        for key in _TOGETHER:
            await transaction.set(key, _HELD)

    await transacted(kv, fill)
    await _expect_apart(kv, case, change)
