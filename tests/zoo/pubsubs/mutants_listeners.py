"""Mutants of `PubSubBasic`: everybody gets everything (4)."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Message, OperationTimeout
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.4: everybody gets everything


@mutant("basic.4", "wrong pattern", trap="two subscriptions", also="basic.1")
class RoundRobin(PubSub):
    """A queue."""

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = self.listeners(topic)
        if listeners:
            listeners.append(listeners.pop(0))
            listeners[-1].offer(message)


@mutant("basic.4", "scope", trap="two subscriptions of two clients", also="basic.1")
class OneClientGetsIt(PubSub):
    """All subscriptions of one client are served, those of another are not."""

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = self.listeners(topic)
        for listener in listeners:
            if listener.driver is listeners[0].driver:
                listener.offer(message)


@mutant("basic.4", "replacement", trap="two subscriptions of one client to one topic", also="basic.1")
class OneSubscriptionAClient(PubSub):
    """The second replaces the first in a dict of the client."""

    async def enter(self, listener: Listener) -> None:
        for other in [other for other in self.listeners(listener.topic) if other.driver is self]:
            self.forget(other)
        await super().enter(listener)


@mutant("basic.4", "sharing", trap="two subscriptions of one client to one topic", also="basic.1")
class OneBufferAClient(PubSub):
    """Two subscriptions of a client compete for one buffer."""

    async def enter(self, listener: Listener) -> None:
        for other in self.listeners(listener.topic):
            if other.driver is self:
                listener.buffer = other.buffer
        await super().enter(listener)

    def fan_out(self, topic: str, message: Message) -> None:
        buffers = {id(listener.buffer): listener for listener in self.listeners(topic)}
        for listener in buffers.values():
            listener.offer(message)


@mutant("basic.4", "blocking", trap="a subscription that does not receive while fifty are published", also="basic.1 basic.11")
class SlowOnesBlockPublishers(PubSub):
    """Back-pressure: a publish waits until every buffer has room, for half a minute."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key = self.topic(topic, "publish")
        end = self.after(30)
        while any(len(listener.buffer) >= 50 for listener in self.listeners(key)):
            if self.over(end):
                raise OperationTimeout("zoo: publish: a subscription is full")
            await self.pause(end)
        return await super().publish(topic, payload, headers)


@mutant("basic.4", "starvation", trap="a subscription that does not receive while twenty are published", also="basic.1")
class SlowOnesStarveOthers(PubSub):
    """A window for all: who is too far behind holds back what others may see."""

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = self.listeners(topic)
        if any(len(listener.buffer) >= 20 for listener in listeners):
            listeners = [listener for listener in listeners if len(listener.buffer) >= 20]
        for listener in listeners:
            listener.offer(message)


@mutant("basic.4", "over-reach", trap="a subscription that does not receive while 64 are published", also="basic.1 basic.12")
class SlowOnesAreThrownOut(PubSub):
    """Disconnected without a word."""

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for listener in [listener for listener in self.listeners(topic) if len(listener.buffer) >= 64]:
            self.forget(listener)


@mutant("basic.4", "over-reach", trap="one of two subscriptions of a client is left", also="basic.10 basic.1")
class LeavingUnsubscribesTheTopic(PubSub):
    """UNSUBSCRIBE is sent when the first leaves."""

    def forget(self, listener: Listener) -> None:
        self.listeners(listener.topic)[:] = [other for other in self.listeners(listener.topic) if other.driver is not self]


@mutant("basic.4", "index", trap="the first of three is left", also="basic.10 basic.1")
class LeavingRemovesTheLast(PubSub):
    def forget(self, listener: Listener) -> None:
        if self.listeners(listener.topic):
            self.listeners(listener.topic).pop()


@mutant("basic.4", "iteration", trap="a subscription that is left by the message that it gets", also="basic.10 basic.1")
class LeavingTakesFromTheNext(PubSub):
    """Those that were left stay until the next publish, which skips the one after each that it removes."""

    async def leave(self, listener: Listener) -> None:
        listener.left = True
        self.wake()

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = self.listeners(topic)
        for listener in listeners:
            if listener.left:
                listeners.remove(listener)
            else:
                listener.offer(message)


@mutant("basic.4", "wrong error", trap="a publish after one was left", also="basic.10 basic.6")
class PublishingToTheLeftRaises(PubSub):
    """The broken pipe of one that is gone is the publisher's."""

    async def leave(self, listener: Listener) -> None:
        listener.left = True
        self.wake()

    def fan_out(self, topic: str, message: Message) -> None:
        for listener in list(self.listeners(topic)):
            if listener.left:
                self.forget(listener)
                listener.check_open("publish")
            listener.offer(message)


@mutant("basic.4", "limit", trap="more than eight subscriptions", also="basic.1")
class EightListeners(PubSub):
    """A topic has eight slots."""

    def fan_out(self, topic: str, message: Message) -> None:
        for listener in self.listeners(topic)[:8]:
            listener.offer(message)


@mutant("basic.4", "scope", trap="a subscription of the publisher itself", also="basic.1")
class NoEcho(PubSub):
    """A client does not get what it published, once somebody else listens too."""

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = self.listeners(topic)
        others = [listener for listener in listeners if listener.driver is not self]
        for listener in others or listeners:
            listener.offer(message)
