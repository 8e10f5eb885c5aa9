"""Mutants that keep in the driver what belongs to a call, where it meets a call of another kind."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub, step
from .reference_newer import FilteredListener, NewerPubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("persistent.2", "shared headers", trap="a plain publish and a durable one at once", also="basic.1 persistent.13")
class PlainAndDurableShareTheirHeaders(PubSub):
    headers_: Mapping[str, str] | None = None

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.headers_ = headers
        return await super().publish(topic, payload, headers)

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.headers_ = headers
        await step()
        return await super().publish_persistent(topic, payload, self.headers_)


@mutant("ordering.1", "shared key", trap="a keyed publish and one without a key at once", also="ordering.6 ordering.3 persistent.1")
class KeyedAndPlainShareTheirKey(NewerPubSub):
    key_ = ""

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.key_ = self.key(ordering_key)
        await step()
        found = await super().publish_ordered(topic, ordering_key, payload, headers)
        self.key_ = ""
        return found

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        if self.key_:
            return await super().publish_ordered(topic, self.key_, payload, headers)
        return await super().publish_persistent(topic, payload, headers)


@mutant("persistent.10", "shared topic", trap="a look at the last id and a publish to another topic at once", also="persistent.13")
class ALookAndAPublishShareTheirTopic(PubSub):
    topic_ = ""

    async def last_message_id(self, topic: str) -> str | None:
        self.topic_ = self.topic(topic, "last_message_id")
        await step()
        return self.last_id(self.topic_)

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.topic_ = topic
        return await super().publish_persistent(topic, payload, headers)


@mutant("persistent.5", "shared deliveries", trap="an ack and a nack of one member at once", also="persistent.4 persistent.8")
class AnAckAndANackShareTheirDeliveries(Member):
    chosen: tuple[Delivery, ...] = ()

    async def ack(self, *deliveries: Delivery) -> None:
        self.checked(deliveries, "ack")
        self.chosen = deliveries
        await step()
        await super().ack(*self.chosen)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.driver.delay(delay_s, "nack")
        self.checked(deliveries, "nack")
        self.chosen = deliveries
        await step()
        await super().nack(*self.chosen, delay_s=delay_s)


@mutant(
    "filtering.2",
    "shared attributes",
    trap="a plain and a filtered subscription that are entered at once",
    also="filtering.1 basic.1 basic.4",
)
class EntriesShareTheirAttributes(NewerPubSub):
    wanted: Mapping[str, str] | None = None

    async def enter(self, listener: Listener) -> None:
        self.wanted = listener.attributes if isinstance(listener, FilteredListener) else {}
        await step()
        if isinstance(listener, FilteredListener):
            listener.attributes = self.wanted
        await super().enter(listener)


@mutant(
    "wildcards.1",
    "shared topic",
    trap="a pattern and a topic that are entered at once",
    also="basic.1 basic.4 wildcards.6",
)
class EntriesShareTheirTopic(NewerPubSub):
    topic_ = ""

    async def enter(self, listener: Listener) -> None:
        self.topic_ = listener.topic
        await step()
        listener.topic = self.topic_
        await super().enter(listener)


@mutant(
    "persistent.9", "shared wait", trap="a durable and a plain receive of one client that wait at once", also="basic.9 persistent.3"
)
class AWaitOfOneEndsThatOfTheOther(PubSub):
    """The client waits for one thing at a time: who begins to wait ends the wait of who did before, with nothing."""

    waits = 0

    async def pause(self, *instants: float) -> None:
        self.waits += 1
        mine = self.waits
        self.wake()
        await super().pause(*instants)
        if mine != self.waits:
            self.__dict__["ended"] = True


@mutant(
    "persistent.1",
    "shared start",
    trap="two durable subscriptions, one from the earliest, entered at once",
    also="persistent.13",
)
class EntriesShareTheirStart(PubSub):
    start_ = ""

    async def join(self, member: Member, start: str) -> None:
        self.start_ = start
        await step()
        await super().join(member, self.start_)
