"""Mutants that nobody who knew the checks would write."""

import asyncio

from prism_testkit.interfaces import Drained
from tests.zoo.declare import Mutant

from .declare import declaring
from .models import Queue
from .reference import Client

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("3", "wrong count", "calls that are refused while it drains")
class CountsRefusedAsAborted(Queue):
    refused = 0

    def admit(self, operation: str) -> None:
        try:
            super().admit(operation)
        except BaseException:
            self.refused += self.state == "draining"
            raise

    async def drain(self, timeout_s: float) -> Drained:
        before = self.refused
        found = await super().drain(timeout_s)
        return Drained(found.completed, found.aborted + self.refused - before) if found.completed + found.aborted else found


class _Locks(Queue):
    def __init__(self, client: Client, namespace: str) -> None:
        super().__init__(client, namespace)
        self.ending = asyncio.Lock()


@mutant("2", "lock", "close while it drains for long")
class CloseWaitsForTheDrain(_Locks):
    async def drain(self, timeout_s: float) -> Drained:
        self.check_timeout(timeout_s)
        async with self.ending:
            return await super().drain(timeout_s)

    async def close(self) -> None:
        async with self.ending:
            await super().close()
