"""Mutants of the twentieth examination: how many members of one client may wait at once."""

import asyncio
from weakref import WeakKeyDictionary

from prism_testkit.interfaces import RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_POOLS: "WeakKeyDictionary[Streams, asyncio.Semaphore]" = WeakKeyDictionary()


@mutant(
    "consumer_groups.10", "resources", trap="members of two groups of one client wait", also="consumer_groups.15 consumer_groups.9"
)
class OneMemberOfAClientWaitsAtATime(Member):
    at_once = 1

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if timeout_s <= 0:
            return await super().receive(max_records, timeout_s)
        async with _POOLS.setdefault(self.driver, asyncio.Semaphore(self.at_once)):
            return await super().receive(max_records, timeout_s)


@mutant(
    "consumer_groups.10",
    "resources",
    trap="members of twenty groups of one client wait",
    also="consumer_groups.15 consumer_groups.9",
)
class SixteenMembersWaitAtATime(OneMemberOfAClientWaitsAtATime):
    at_once = 16
