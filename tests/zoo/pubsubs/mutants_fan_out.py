"""Mutants of `PubSubBasic`: what does not belong, and in which order (2 and 3)."""

import asyncio
from collections import deque
from typing import Any

from prism_testkit.interfaces import Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, PubSub
from .stores import Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.2: and nothing else


@mutant("basic.2", "retained", trap="a message before the entry")
class ReplaysTheLast(PubSub):
    """As MQTT's retained messages."""

    def fan_out(self, topic: str, message: Message) -> None:
        self.store.notes[self.namespace, topic] = message
        super().fan_out(topic, message)

    async def enter(self, listener: Listener) -> None:
        await super().enter(listener)
        last = self.store.notes.get((self.namespace, listener.topic))
        if last is not None:
            listener.offer(last)


@mutant("basic.2", "boundary", trap="a message a moment before the entry")
class BeginsOneSecondBack(PubSub):
    """Deliver from a start time, and clocks are rounded."""

    def fan_out(self, topic: str, message: Message) -> None:
        self.store.notes.setdefault((self.namespace, topic), []).append((self.now(), message))
        super().fan_out(topic, message)

    async def enter(self, listener: Listener) -> None:
        for then, message in self.store.notes.get((self.namespace, listener.topic), []):
            if then >= float(int(self.now())):
                listener.offer(message)
        await super().enter(listener)


@mutant("basic.2", "stale state", trap="a topic that is left and entered again, with something unread", also="basic.10")
class BuffersOutliveTheirSubscription(PubSub):
    """Buffers are kept by topic."""

    async def enter(self, listener: Listener) -> None:
        listener.buffer.extend(self.store.notes.pop((id(self), listener.topic), ()))
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        await super().leave(listener)
        self.store.notes[id(self), listener.topic] = list(listener.buffer)


@mutant("basic.2", "missing step", trap="messages while nobody of the client listens, after somebody did")
class KeepsListeningAfterLeaving(PubSub):
    """There is no unsubscribe: the next subscription of the client takes the old one's place."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.idle: dict[str, Listener] = {}

    async def enter(self, listener: Listener) -> None:
        idle = self.idle.pop(listener.topic, None)
        if idle is not None:
            self.listeners(listener.topic).remove(idle)
            listener.buffer.extend(idle.buffer)
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        listener.left = True
        self.wake()
        if listener.topic in self.idle:
            self.forget(self.idle[listener.topic])
        self.idle[listener.topic] = listener


@mutant("basic.2", "wrong count", trap="two subscriptions of one client", also="basic.4 basic.3")
class EveryConnectionGetsForEachListener(PubSub):
    """A client with two subscriptions registers twice, and fans out to both each time."""

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = list(self.listeners(topic))
        for listener in listeners:
            for other in listeners:
                if other.driver is listener.driver:
                    other.offer(message)


@mutant("basic.2", "redelivery", trap="a receive after one that waited in vain")
class TimeoutsPushBack(Listener):
    """A receive that timed out puts the last message back, to be safe."""

    last: Message | None = None

    def take(self) -> Message | None:
        message = super().take()
        self.last = message or self.last
        return message

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        if message is None and timeout_s > 0 and self.last is not None:
            self.buffer.append(self.last)
            self.last = None
        return message


@mutant("basic.2", "redelivery", trap="a slow reader: half a minute between two receives")
class RepeatsWhatWasNotConfirmed(Listener):
    """At least once under the name of at most once: a message comes again when its reader is away for a while."""

    last: tuple[float, Message] | None = None

    def take(self) -> Message | None:
        if self.last is not None and self.driver.now() > self.last[0] + 20:
            message, self.last = self.last[1], None
            return message
        found = super().take()
        self.last = (self.driver.now(), found) if found else None
        return found


@mutant("basic.2", "mixture", trap="a persistent message to a topic of another name")
class PersistentGoesEverywhere(PubSub):
    """The persistent half wakes every plain subscription, of whatever topic."""

    def insert(self, row: Any) -> None:
        super().insert(row)
        for listener in [x for (space, _), some in self.store.listeners.items() if space == self.namespace for x in some]:
            listener.offer(row.message)


# basic.3: the order of a publisher


@mutant("basic.3", "order", trap="two messages before the first receive", also="basic.9")
class LastInFirstOut(Listener):
    def take(self) -> Message | None:
        return self.buffer.pop() if self.buffer else None


@mutant("basic.3", "order", trap="more than nine messages")
class SortsIdsAsText(Listener):
    """10 comes before 9."""

    def take(self) -> Message | None:
        self.buffer = deque(sorted(self.buffer, key=lambda message: message.id))
        return super().take()


@mutant("basic.3", "two paths", trap="a large message before a small one", also="basic.1")
class LargeMessagesTakeAnotherWay(PubSub):
    """Above 4 KiB a message takes a slower path."""

    def fan_out(self, topic: str, message: Message) -> None:
        if len(message.payload) > 4096:
            asyncio.get_running_loop().call_later(0.001, self.late, topic, message)
        else:
            super().fan_out(topic, message)

    def late(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        self.wake()


@mutant("basic.3", "two paths", trap="a message with headers before one without", also="basic.1")
class HeadersTakeAStepMore(PubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        if message.headers:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self.late, topic, message)
        else:
            super().fan_out(topic, message)

    def late(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        self.wake()


@mutant("basic.3", "order", trap="more than a hundred messages waiting")
class TurnsAroundAHundred(Listener):
    """A ring whose end and beginning are mixed up."""

    def offer(self, message: Message) -> None:
        super().offer(message)
        if len(self.buffer) == 100:
            self.buffer.rotate(1)


@mutant("basic.3", "race", trap="a message that comes while one waits, behind one that is buffered", also="basic.9 basic.11")
class OvertakesAfterATimeout(Listener):
    """What comes right after a receive that waited in vain goes to the front."""

    vain = False

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        self.vain = message is None and timeout_s > 0
        return message

    def offer(self, message: Message) -> None:
        if self.vain:
            self.buffer.appendleft(message)
        else:
            super().offer(message)
