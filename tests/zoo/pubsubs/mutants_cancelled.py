"""Mutants of `PubSubBasic`: cancellation and gaps (11 and 12); receives of members whose undoing reaches too far."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub, step
from .stores import Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.11: cancellation


@mutant("basic.11", "partial effect", trap="a publish to two that is cancelled", also="basic.4")
class PublishesOneByOne(PubSub):
    """A step for each subscription."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(self.new_id(key), topic, data, labels)
        for listener in list(self.listeners(key)):
            listener.offer(message)
            self.wake()
            await step()
        return message.id


@mutant("basic.11", "partial effect", trap="a publish to two clients that is cancelled", also="basic.4")
class PublishesClientByClient(PubSub):
    """Two brokers, one after the other."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(self.new_id(key), topic, data, labels)
        listeners = list(self.listeners(key))
        for driver in {id(listener.driver): listener.driver for listener in listeners}.values():
            for listener in listeners:
                if listener.driver is driver:
                    listener.offer(message)
            self.wake()
            await step(3)
        return message.id


@mutant("basic.11", "lost on cancel", trap="a receive that is cancelled when its message comes", also="basic.1")
class TakesAndSuspends(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        await step()
        return message


@mutant("basic.11", "lost on cancel", trap="an iteration that is cancelled when its message comes", also="basic.1 basic.9")
class IterationTakesAndSuspends(Listener):
    async def __anext__(self) -> Message:
        message = await super().__anext__()
        await step(2)
        return message


@mutant("basic.11", "lost on cancel", trap="a receive that waits and is cancelled", also="basic.1 basic.9")
class CancelledWaitersAreServed(Listener):
    """A waiter that was cancelled stays in line, and the next message goes to it."""

    ghosts = 0

    async def receive(self, timeout_s: float = 0) -> Message | None:
        try:
            return await super().receive(timeout_s)
        except asyncio.CancelledError:
            self.ghosts += 1
            raise

    def offer(self, message: Message) -> None:
        if self.ghosts:
            self.ghosts -= 1
        else:
            super().offer(message)


@mutant("basic.11", "lost on timeout", trap="a message after a receive that waited in vain", also="basic.1 basic.9")
class TimedOutWaitersAreServed(Listener):
    """A waiter whose time was over stays in line, and the next message goes to it."""

    ghosts = 0

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        self.ghosts = int(message is None and timeout_s > 0)
        return message

    def offer(self, message: Message) -> None:
        if self.ghosts:
            self.ghosts -= 1
        else:
            super().offer(message)


@mutant("basic.11", "unusable", trap="a publish after one that was cancelled", also="basic.1")
class CancelledPublishKeepsTheLock(PubSub):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock = asyncio.Lock()

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        await self.lock.acquire()
        try:
            identifier = await super().publish(topic, payload, headers)
            await step()
        except Exception:
            self.lock.release()
            raise
        self.lock.release()
        return identifier


@mutant("basic.11", "unusable", trap="a receive after one that was cancelled", also="basic.1")
class CancelledReceiveCloses(Listener):
    """A read that was cut off in the middle: the connection is of no use any more."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        try:
            return await super().receive(timeout_s)
        except asyncio.CancelledError:
            self.left = True
            raise


@mutant("basic.11", "duplicate", trap="a receive after one that was cancelled", also="basic.2")
class CancelledReceiveRewinds(Listener):
    """To be safe, what was received last comes again."""

    last: Message | None = None

    def take(self) -> Message | None:
        message = super().take()
        self.last = message or self.last
        return message

    async def receive(self, timeout_s: float = 0) -> Message | None:
        try:
            return await super().receive(timeout_s)
        except asyncio.CancelledError:
            if self.last is not None:
                self.buffer.appendleft(self.last)
            raise


# basic.12: gaps


@mutant("basic.12", "wrong count", trap="gaps of a new subscription", also="basic.1")
class GapsBeginAtOne(Listener):
    def __init__(self, driver: PubSub, topic: str) -> None:
        super().__init__(driver, topic)
        self.missed = 1


@mutant("basic.12", "wrong count", trap="gaps after a receive of nothing")
class TimeoutsCountAsGaps(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        self.missed += message is None
        return message


@mutant("basic.12", "wrong count", trap="gaps after somebody else was left")
class LeavingCountsAsGap(PubSub):
    async def leave(self, listener: Listener) -> None:
        await super().leave(listener)
        for other in self.listeners(listener.topic):
            other.missed += 1


@mutant("basic.12", "wrong count", trap="gaps after a receive that was cancelled")
class CancelledReceivesAreGaps(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        try:
            return await super().receive(timeout_s)
        except asyncio.CancelledError:
            self.missed += 1
            raise


@mutant("basic.12", "wrong count", trap="gaps after messages of another topic in between")
class IdsThatAreNotDenseAreGaps(Listener):
    """A jump in ids is taken for a loss."""

    last = 0

    def offer(self, message: Message) -> None:
        if self.last and int(message.id) != self.last + 1:
            self.missed += 1
        self.last = int(message.id)
        super().offer(message)


class _Bounded(Listener):
    """Drops without a word when there are too many."""

    room = 100

    def offer(self, message: Message) -> None:
        if len(self.buffer) < self.room:
            super().offer(message)


@mutant("basic.12", "uncounted", trap="more than a hundred unread", also="basic.1 basic.4")
class DropsTheNewest(_Bounded):
    room = 100


@mutant("basic.12", "uncounted", trap="more than a thousand unread", also="basic.1 basic.3 basic.4")
class DropsTheOldestOfAThousand(Listener):
    """The newest stay."""

    def offer(self, message: Message) -> None:
        if len(self.buffer) >= 1000:
            self.buffer.popleft()
        super().offer(message)


@mutant("basic.12", "uncounted", trap="more than 4 MiB unread", also="basic.1 basic.4")
class DropsAbove4MiB(Listener):
    """Bounded in bytes."""

    def offer(self, message: Message) -> None:
        if sum(len(other.payload) for other in self.buffer) + len(message.payload) <= 4 * 1024 * 1024:
            super().offer(message)


@mutant("basic.12", "uncounted", trap="more than a hundred unread, and gaps asked for twice", also="basic.1 basic.4")
class GapsAreForgotten(_Bounded):
    """What was counted is forgotten at the next successful receive, before anybody could see it."""

    def offer(self, message: Message) -> None:
        self.missed += len(self.buffer) >= self.room
        super().offer(message)

    def take(self) -> Message | None:
        self.missed = 0
        return super().take()


# persistent.7: a cancelled receive undoes what others did


@mutant(
    "persistent.7",
    "wrong owner",
    trap="a receive that is cancelled behind its take, beside who holds",
    also="persistent.14 persistent.6",
)
class UndoesByTheTurn(Member):
    """What a cancelled receive took is found by its number among those of its member; another member's has the same."""

    turns = 0

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.turns += 1
        got = await super().receive(max_messages, timeout_s)
        slot = "taken", self.driver.namespace, self.topic, self.name, self.turns
        taken = self.driver.store.notes.setdefault(slot, [])
        taken += [delivery.message.id for delivery in got]
        try:
            await step()
        except asyncio.CancelledError:
            self.give_back(taken, 0)
            raise
        return got


@mutant(
    "persistent.7",
    "wrong owner",
    trap="a later receive that is cancelled, by a member that holds",
    also="persistent.14 persistent.6",
)
class UndoesAllItHolds(Member):
    """To be safe, a cancelled receive gives back whatever its member holds."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        got = await super().receive(max_messages, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            self.give_back(self.held(), 0)
            raise
        return got
