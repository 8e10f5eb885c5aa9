"""Mutants whose refusals leave something behind that only the next call shows."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.6", "leftover", trap="the next message behind one that is refused", also="basic.1")
class TheNextBehindARefusedIsLost(PubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        lost = self.store.notes.pop(("lost", self.namespace), False)
        try:
            if lost:
                return self.new_id(topic)
            return await super().publish(topic, payload, headers)
        except Exception:
            self.store.notes["lost", self.namespace] = True
            raise


@mutant("persistent.11", "leftover", trap="the headers of a message that is refused", also="persistent.2")
class TheHeadersOfARefusedAreOfTheNext(PubSub):
    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        kept = self.store.notes.pop(("headers", self.namespace), None)
        try:
            return await super().publish_persistent(
                topic, payload, headers if kept is None else {**dict(headers or {}), "kept": ""}
            )
        except Exception:
            self.store.notes["headers", self.namespace] = headers
            raise


@mutant("persistent.8", "order of steps", trap="a nack for a time that is none", also="persistent.7 persistent.4")
class ARefusedNackGivesBack(Member):
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        try:
            await super().nack(*deliveries, delay_s=delay_s)
        except (ValueError, TypeError):
            self.give_back(self.checked(deliveries, "nack"), 0)
            raise


@mutant("persistent.9", "order of steps", trap="a receive of no number", also="persistent.14 persistent.4 persistent.3")
class ARefusedReceiveHolds(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        try:
            return await super().receive(max_messages, timeout_s)
        except (ValueError, TypeError):
            self.deliver(self.next_ones(1))
            raise
