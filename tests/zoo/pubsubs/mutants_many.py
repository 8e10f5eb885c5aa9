"""Mutants that hold only so many names at a time."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.4", "cap", trap="more than 64 subscriptions of one client", also="basic.1 basic.5")
class ListensToSixtyFour(PubSub):
    """The first subscription of a client makes room."""

    async def enter(self, listener: Listener) -> None:
        await super().enter(listener)
        mine: list[Listener] = self.__dict__.setdefault("mine", [])
        mine.append(listener)
        while len(mine) > 64:
            self.forget(mine.pop(0))


@mutant("persistent.13", "cap", trap="more than 100 durable subscriptions", also="persistent.1 persistent.6 persistent.11")
class RemembersAHundredSubscriptions(PubSub):
    def create(self, member: Member, start: str) -> None:
        super().create(member, start)
        starts = self.space().starts
        while len(starts) > 100:
            first = next(iter(starts))
            del starts[first]
            self.space().marks.pop(first, None)
