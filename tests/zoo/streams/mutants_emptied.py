"""Mutants that forget something when the last of it goes, and nothing before."""

from prism_testkit.interfaces import RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.4", "cleaning up", trap="a stream that was trimmed to nothing", also="basic.3 basic.6 basic.7")
class ATrimmedStreamCountsFromZero(Streams):
    async def trim(self, stream: str, before: int) -> int:
        lowest = await super().trim(stream, before)
        if not self.stream(stream).records:
            self.space().streams.pop(stream, None)
        return lowest


@mutant("consumer_groups.1", "cleaning up", trap="a group whose last leaves when nothing is pending", also="consumer_groups.6")
class ASettledGroupBeginsAtTheEnd(Member):
    def leave(self) -> None:
        super().leave()
        state = self.state()
        if not state.members and not any(isinstance(held, Held) for held in state.pending.values()):
            self.driver.apply(Change(self.stream, self.group, position=self.driver.stream(self.stream).end))


@mutant("consumer_groups.6", "cleaning up", trap="a group that has acked all there was", also="consumer_groups.11")
class ASettledGroupForgetsItsAcks(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        super().confirm(delivery)
        acked = self.driver.store.notes.setdefault(("acked", self.driver.namespace, self.stream, self.group), set())
        acked.add(delivery.record.offset)
        log = self.driver.stream(self.stream)
        if len(log.records) > 4 and acked.issuperset(record.offset for record in log.records):
            acked.clear()
            self.driver.apply(Change(self.stream, self.group, position=0))
