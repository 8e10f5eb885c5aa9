"""Draining and closing while a transaction is left: it is whole or absent, and counted as what became of it."""

import asyncio
from typing import Protocol

from prism_suites._judging import broken, same
from prism_suites._lifecycle import ENDED, turns
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Drained, KeyValueTransactional, Lifecycle

_KEYS = ("a", "b", "c")
_TIMES_S = {"drain at once": 0.0, "drain": 60.0}


class LivingTransactions(KeyValueTransactional, Lifecycle, Protocol):
    """A key-value driver with transactions."""


@check("lifecycle.3", "lifecycle.2")
@gauntlet(
    lambda limits: [
        {"how": how, "after": after, "conflict": conflict}
        for how in (*_TIMES_S, "close")
        for conflict in (False, True)
        for after in (1, 2, 3, 5)
    ]
)
async def a_commit_in_hand_is_whole_and_counted(slot: LivingTransactions, case: Case, how: str, after: int, conflict: bool) -> None:
    """A transaction that is being left as the driver is drained or closed has written all or nothing, and one that ends by
    itself, be it with Conflict, counts as completed."""
    living, other = await case.whole(), await case.client()
    transaction = living.transaction()
    inside = await transaction.__aenter__()
    if conflict:
        await inside.get("read")
        await other.set("read", b"changed")
    for key in _KEYS:
        await inside.set(key, b"new")
    leaving = asyncio.ensure_future(transaction.__aexit__(None, None, None))
    await turns(after)
    in_hand = not leaving.done()
    drained = await living.drain(_TIMES_S[how]) if how in _TIMES_S else await living.close()
    ended: object = (await asyncio.gather(leaving, return_exceptions=True))[0]
    if isinstance(ended, BaseException) and not isinstance(ended, (*ENDED, Conflict)):
        told = f"{type(ended).__name__}: {ended}"
        broken("lifecycle.2", f"leaving a transaction ended with another error ({how})", expected="its end, or Closed", got=told)
    aborted = isinstance(ended, ENDED)
    if drained is not None and not any(tap.settle for tap in case.taps):
        expected = Drained(in_hand and not aborted, in_hand and aborted)
        same("lifecycle.3", drained, expected, "a transaction that was being left is counted as what did not become of it")
    whole = ([*_KEYS], []) if conflict or aborted else ([*_KEYS],)
    for _ in range(1 + aborted):  # one whose end is unknown may take effect between two of these looks, but only once
        written = [key for key in _KEYS if await other.get(key) is not None]
        if written in whole:
            break
    else:
        told = f"a transaction that was being left took effect in part, or wrongly ({how})"
        broken("lifecycle.3" if how in _TIMES_S else "lifecycle.2", told, expected=whole, got=written)


@check("lifecycle.3")
@gauntlet(lambda limits: [{"count": count} for count in (1, 3)])
async def what_ends_behind_a_drain_is_not_counted(slot: LivingTransactions, case: Case, count: int) -> None:
    """Transactions that are left when a drain is over, with their effect or with Closed, are nothing to a further one."""
    living = await case.whole()
    entered = [living.transaction() for _ in range(count)]
    for transaction in entered:
        await (await transaction.__aenter__()).set("a", b"new")
    same("lifecycle.3", await living.drain(60.0), Drained(0, 0), "a drain counts transactions that are open")
    for transaction in entered:
        await asyncio.gather(transaction.__aexit__(None, None, None), return_exceptions=True)
    same("lifecycle.3", await living.drain(60.0), Drained(0, 0), "a drain counts what was left before it, and behind another one")
