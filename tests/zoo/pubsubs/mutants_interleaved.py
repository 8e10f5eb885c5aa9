"""Mutants that keep in the driver what belongs to one wait."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub, step
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


@mutant("basic.1", "shared headers", trap="two publishes of one client at once, with different headers", also="basic.4")
class PublishesOfAClientShareTheirHeaders(PubSub):
    headers: Mapping[str, str] | None = None

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.headers = headers
        await step()
        return await super().publish(topic, payload, self.headers)


@mutant(
    "persistent.13",
    "shared topic",
    trap="two publishes at once, to different topics",
    also="persistent.1 persistent.2",
)
class PublishesOfAClientShareTheirTopic(PubSub):
    topic_now = ""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.name(topic, "publish_persistent")
        self.topic_now = topic
        await step()
        return await super().publish_persistent(self.topic_now, payload, headers)


@mutant("persistent.8", "shared delay", trap="two nacks of one client at once, with different delays", also="persistent.4")
class NacksOfAClientShareTheirDelay(Member):
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.driver.__dict__["delay_s"] = self.driver.delay(delay_s, "nack")
        await step()
        await super().nack(*deliveries, delay_s=self.driver.__dict__["delay_s"])


@mutant("persistent.5", "shared deliveries", trap="two acks of one member at once", also="persistent.4 persistent.6")
class AcksOfAMemberShareTheirDeliveries(Member):
    acking: tuple[Delivery, ...] = ()

    async def ack(self, *deliveries: Delivery) -> None:
        self.acking = deliveries
        await step()
        await super().ack(*self.acking)
