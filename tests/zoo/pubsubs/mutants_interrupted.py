"""Mutants on whose cancelled calls something is left behind that only the next call of another kind shows."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub, step

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.11", "leftover", trap="a publish to another topic behind a cancelled one", also="basic.1")
class TheHeadersOfACancelledPublishAreOfTheNext(PubSub):
    headers_of_next: Mapping[str, str] | None = None

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        kept = self.headers_of_next
        self.headers_of_next = headers
        await step()
        self.headers_of_next = None
        return await super().publish(topic, payload, headers if not kept else {**kept, **dict(headers or {})})


@mutant("persistent.14", "leftover", trap="an ack behind a cancelled nack", also="persistent.5")
class AnAckBehindACancelledNackGivesBack(Member):
    nacking = False

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.nacking = True
        await step()
        self.nacking = False
        await super().nack(*deliveries, delay_s=delay_s)

    def confirm(self, identifiers: list[str]) -> None:
        nacking, self.nacking = self.nacking, False
        if nacking:
            self.give_back(identifiers, 0)
        else:
            super().confirm(identifiers)


@mutant("persistent.14", "leftover", trap="a receive of one behind a cancelled one of several", also="persistent.9")
class TheNumberOfACancelledReceiveIsOfTheNext(Member):
    wanted = 0

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        most, self.wanted = max(self.wanted, max_messages), max_messages
        found = await super().receive(most, timeout_s)
        self.wanted = 0
        return found


@mutant("persistent.14", "leftover", trap="the last id behind a cancelled publish", also="persistent.10")
class TheLastIdIsThatOfACancelledPublish(PubSub):
    tried = ""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.tried = topic
        await step()
        self.tried = ""
        return await super().publish_persistent(topic, payload, headers)

    async def last_message_id(self, topic: str) -> str | None:
        return "tried" if self.tried == topic else await super().last_message_id(topic)
