"""Mutants that forget something when the last of it goes, and nothing before."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("persistent.13", "cleaning up", trap="a subscription whose last member leaves with nothing to come", also="persistent.1")
class ASettledSubscriptionEndsWithItsLastMember(Member):
    def leave(self) -> None:
        held = self.held()
        super().leave()
        others = any(slot[:3] == (self.driver.namespace, self.topic, self.name) for slot in self.driver.store.holds)
        if not held and not others and not self.next_ones(1):
            self.driver.space().starts.pop((self.topic, self.name), None)
            self.driver.space().marks.pop((self.topic, self.name), None)


@mutant("persistent.10", "cleaning up", trap="the last id of a topic all of whose messages were acked", also="persistent.13")
class AnAckedTopicHasNoLastId(PubSub):
    async def last_message_id(self, topic: str) -> str | None:
        found = await super().last_message_id(topic)
        marks = [marks for (name, _), marks in self.space().marks.items() if name == topic]
        rows = self.rows(topic)
        settled = marks and all(all(row.message.id in each and each[row.message.id].acked for row in rows) for each in marks)
        return None if settled and len(rows) > 1 else found
