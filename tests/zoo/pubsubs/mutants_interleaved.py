"""Mutants that keep in the driver what belongs to one wait."""

from prism_testkit.interfaces import Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("persistent.9", "shared number", trap="two members that wait for different numbers", also="persistent.6")
class MembersOfAClientShareTheirNumber(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.driver.__dict__["wanted"] = max_messages
        return await super().receive(max_messages, timeout_s)

    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(self.driver.__dict__.get("wanted", amount))


@mutant("basic.9", "shared time", trap="two subscriptions that wait for different times", also="basic.1")
class ListenersOfAClientShareTheirTime(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        began_s = self.driver.now()
        self.driver.__dict__["wait_s"] = timeout_s
        found = await super().receive(min(timeout_s, 50.0))
        while found is None and self.driver.now() - began_s < self.driver.__dict__["wait_s"]:
            found = await super().receive(50.0)
        return found
