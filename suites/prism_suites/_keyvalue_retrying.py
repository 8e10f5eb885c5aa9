"""Transactions that a check needs to succeed: a needless conflict is legal, one that is retried alone is not."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from prism_testkit.interfaces import Conflict, KeyValueTransaction
from prism_testkit.outcomes import Inconclusive, Violation

__all__ = ["TRIES", "transacted"]

T = TypeVar("T")
Body = Callable[[KeyValueTransaction], Awaitable[T]]

TRIES = 8
"""A transaction retried alone succeeds; more conflicts in a row than this are no needless ones any more."""


async def transacted(kv: Any, body: Body[T], *, company: bool = False) -> T:
    """Commit ``body(transaction)`` with nobody else about, and return its result; too many conflicts break promise 6.

    Where the body has others make calls, as ``company`` says, it is never retried alone: then they prove nothing.
    """
    for _ in range(TRIES):
        try:
            async with kv.transaction() as transaction:
                return await body(transaction)
        except Conflict:
            continue
    if company:
        raise Inconclusive(f"a transaction beside which others read raised Conflict {TRIES} times, which is legal")
    raise Violation.of(
        "keyvalue_transactional.6",
        f"a transaction retried alone raised Conflict {TRIES} times",
        expected="a commit",
        got="Conflict",
    )
