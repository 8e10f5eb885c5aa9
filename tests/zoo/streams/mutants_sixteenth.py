"""Mutants of the sixteenth examination: pages, rounds and tables that are large enough until there are many."""

from collections.abc import AsyncIterator

from prism_testkit.interfaces import Record, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


@mutant("partitioning.6", "page", trap="a partition of more than a thousand records, and a limit above it")
class APartitionIsReadByThePage(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        most = limit if limit is None or limit < 0 else min(limit, 1000)
        async for record in super().read_partition(stream, partition, start, most):
            yield record


@mutant("replay.7", "page", trap="a replay of more than a thousand records")
class AReplayIsOnePage(NewerStreams):
    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        given = 0
        async for record in super().replay(stream, start, stop):
            if given == 1000:
                return
            given += 1
            yield record


class _SoManyRounds(LaneMember):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_open("receive")
        most, timeout = self.most(max_records), check_timeout(timeout_s, "receive", "zoo")
        end = self.driver.after(timeout)
        for _ in range(100):
            found = self.take(most)
            if found or timeout <= 0 or self.driver.over(end):
                return found
            await self.pause(end)
            self.check_open("receive")
        return []


@mutant("consumer_groups.10", "bounded tries", trap="another member settles a hundred records while one waits")
class WaitsMakeSoManyRounds(NewerStreams):
    member_type = _SoManyRounds
