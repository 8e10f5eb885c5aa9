"""Refusing one call of a claim check: which calls a step makes, and what becomes of it when one of them is refused."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import T, entries_there
from prism_testkit.bound import Bound
from prism_testkit.case import Case

__all__ = ["ERRORS", "World", "each_refused"]

ERRORS = ("AccessDenied", "OperationTimeout", "QuotaExceeded", "BackendUnavailable")
"""What a store or a broker may answer to any call. ``OperationTimeout`` here is one without effect."""


class World:
    """Incarnations by their number, each under a prefix of its own, and faults at the calls of one step."""

    def __init__(self, claims: Bound[ClaimCheck], case: Case) -> None:
        self.claims = claims
        self.case = case
        self.struck = 0

    def opened(self, number: int, **config: Any) -> AbstractAsyncContextManager[ClaimCheck]:
        """Open an incarnation under the prefix of this number."""
        return self.claims.opened(threshold=T, prefix=f"c{number}", **config)

    @property
    def actor(self) -> int:
        """The number of the incarnation that was opened last."""
        return self.claims.incarnations - 1

    async def entries(self, number: int) -> set[str]:
        return await entries_there(self.claims, prefix=f"c{number}")

    async def calls(self, step: Callable[[], Awaitable[Any]], actor: int | None = None) -> list[tuple[str, int]]:
        """Do a step in peace; return its calls, each by its operation and how many of that operation went before it."""
        passed = self.claims.faults.passed
        since, who = len(passed), self.actor if actor is None else actor
        await step()
        counts: dict[str, int] = {}
        found = []
        for each, operation, _ in passed[since:]:
            if each == who:
                found.append((operation, counts.get(operation, 0)))
                counts[operation] = counts.get(operation, 0) + 1
        return found

    @contextmanager
    def refusing(self, operation: str, number: int, error: str, actor: int | None = None) -> Iterator[None]:
        """Within, refuse one call of the incarnation that was opened last; counted from now on."""
        faults = self.claims.faults
        who = self.actor if actor is None else actor
        address = (who, operation, number + sum(each[:2] == (who, operation) for each in faults.passed))
        faults.plan[address] = f"refuse {error}"
        try:
            yield
        finally:
            if address in faults.struck:
                self.struck += 1  # and it stays planned: the report tells of it
            else:
                del faults.plan[address]

    def judge_struck(self) -> None:
        if not self.struck:
            self.case.inconclusive("no call met a fault")


async def each_refused(world: World, calls: list[tuple[str, int]], judge: Callable[[int, str, int, str], Awaitable[None]]) -> None:
    """Judge each call with each error: the number of the prefix, the operation, how many of it go before, the error."""
    for number, (operation, ordinal, error) in enumerate(((op, n, error) for op, n in calls for error in ERRORS), 1):
        await judge(number, operation, ordinal, error)
    world.judge_struck()
