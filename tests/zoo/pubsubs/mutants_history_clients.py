"""Wrong ends of a connection: bugs that clients shipped in how they hand on what they hear, subscribe and leave."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Message
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .history_broker import Broker, Client
from .history_declare import declaring_history
from .history_driver import Ear, Wire, WirePubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


class Known(Ear):
    """Knows its topic."""

    key: tuple[Any, ...] = ()

    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        self.key = namespace, topic, is_pattern, *sorted(attributes.items())
        await super().enter(namespace, topic, is_pattern, attributes)


class _ByTopic(Wire):
    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        for ear in list(self.ears.values()):
            if isinstance(ear, Known) and number in self.ears and ear.key == getattr(self.ears[number], "key", None):
                ear.hear(Message(identifier, topic, payload, headers))


@mutant("basic.2", "doubling", trap="two equal subscriptions of one driver")
class EqualOnesHearForEachOther(WirePubSub):
    """What came for one subscription was handed to all that match, once for each. danielwertheim/mynatsclient#47."""

    wire_type = _ByTopic
    ear_type = Known


@mutant("basic.2", "too much", trap="one driver listens to two topics", also="basic.5")
class OneThatMatchesIsEnough(Broker):
    """A client that listens to several topics got a message once for each of them. nanomq/nanomq#1817."""

    def concerned(self, namespace: str, topic: str, headers: Mapping[str, str]) -> list[Any]:
        found = list(super().concerned(namespace, topic, headers))
        clients = {id(leaf.client): leaf.client for leaf in found}
        return [leaf for client in clients.values() for leaf in client.leaves.values()]


@mutant("basic.10", "scope", trap="one of two that listen to a topic on one connection is left")
class OneLeavesForAllOfItsTopic(Broker):
    """Taking away one listener ended the channel for all of them. redisson/redisson#61."""

    def on_unsubscribe(self, client: Client, _number: int, subscription: int) -> None:
        gone = client.leaves.get(subscription)
        for number, leaf in list(client.leaves.items()):
            if gone is not None and (leaf.namespace, leaf.topic) == (gone.namespace, gone.topic):
                super().on_unsubscribe(client, _number, number)


@mutant("basic.10", "empty claim", trap="the last that listens to its topic is left, others listen to others", also="basic.11")
class NoChannelsAreAllChannels(Broker):
    """When the last listener of a channel had gone, it unsubscribed from an empty list, which means from all. oven-sh/bun#21728."""

    def on_unsubscribe(self, client: Client, _number: int, subscription: int) -> None:
        gone = client.leaves.get(subscription)
        super().on_unsubscribe(client, _number, subscription)
        if gone is not None and all(leaf.topic != gone.topic for leaf in client.leaves.values()):
            for number in list(client.leaves):
                super().on_unsubscribe(client, _number, number)


class _Once(Wire):
    over = False

    def on_message(self, number: int, *fields: Any) -> None:
        if not self.over:
            super().on_message(number, *fields)


class _Last(Ear):
    def leave(self) -> None:
        super().leave()
        if isinstance(self.wire, _Once):
            self.wire.over |= not self.wire.ears


@mutant("basic.1", "ends early", trap="all subscriptions are left, and then there is another")
class TheReaderEndsWithTheLastOne(WirePubSub):
    """The task that reads from the connection ended when nothing was subscribed any more. encode/broadcaster#133."""

    wire_type = _Once
    ear_type = _Last


class _Shelf(Wire):
    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self.shelf: dict[tuple[Any, ...], deque[Message]] = {}


class _FromTheShelf(Known):
    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        assert isinstance(self.wire, _Shelf)
        self.heard = self.wire.shelf.pop((namespace, topic, is_pattern, *sorted(attributes.items())), self.heard)
        await super().enter(namespace, topic, is_pattern, attributes)

    def leave(self) -> None:
        super().leave()
        if isinstance(self.wire, _Shelf):
            self.wire.shelf[self.key] = self.heard


@mutant("basic.2", "leftover", trap="left with messages that were not received, and entered again")
class TheNextOneFindsWhatWasLeft(WirePubSub):
    """What a subscription had not read when it was left was there for the next one. rabbitmq-community/rstream#211."""

    wire_type = _Shelf
    ear_type = _FromTheShelf


class _Channels(Wire):
    """One subscription at the broker for all that listen to the same."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self.channels: dict[tuple[Any, ...], int] = {}
        self.crowds: dict[int, list[Ear]] = {}
        self.ending: dict[int, tuple[Any, ...]] = {}

    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        for ear in self.crowds.get(number, []):
            ear.hear(Message(identifier, topic, payload, dict(headers)))

    def on_done(self, number: int, answer: Any) -> None:
        if number in self.ending:
            self.crowds.pop(self.channels.pop(self.ending.pop(number)), None)
        super().on_done(number, answer)


class _Joining(Ear):
    key: tuple[Any, ...] = ()

    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        wire = self.wire
        assert isinstance(wire, _Channels)
        self.key = namespace, topic, is_pattern, *sorted(attributes.items())
        if self.key in wire.channels:
            wire.crowds[wire.channels[self.key]].append(self)
            return
        self.number = wire.send("subscribe", namespace, topic, int(is_pattern), attributes)
        wire.channels[self.key], wire.crowds[self.number] = self.number, [self]
        await wire.expect(self.number)

    def leave(self) -> None:
        wire = self.wire
        assert isinstance(wire, _Channels)
        self.left = True
        self.wake()
        crowd = wire.crowds.get(wire.channels.get(self.key, 0), [])
        if self in crowd:
            crowd.remove(self)
            if not crowd:
                wire.ending[wire.send("unsubscribe", wire.channels[self.key])] = self.key


@mutant("basic.1", "stale state", trap="entered again before the unsubscription is confirmed", also="filtering.8")
class WhatIsBeingLeftIsJoined(WirePubSub):
    """A subscription right after an unsubscription took the topic for subscribed still. shamblett/mqtt_client#220."""

    wire_type = _Channels
    ear_type = _Joining


class _ByTheClock(Wire):
    def send(self, verb: str, *fields: Any) -> int:
        if verb != "subscribe":
            return super().send(verb, *fields)
        number = -self.clock.now_ms()
        self.client.feed(self.codec.pack(verb, number, *fields))
        return number


@mutant("basic.4", "identity", trap="two subscriptions within a millisecond")
class SubscriptionsAreNumberedByTheClock(WirePubSub):
    """The numbers of subscriptions were the milliseconds at which they were made. TheThingsNetwork/lorawan-stack#6775."""

    wire_type = _ByTheClock


@mutant("basic.9", "drops in silence", trap="two messages at once, in an iteration", also="basic.1")
class NobodyWaitsNobodyHears(Ear):
    """While an iteration did not wait at that very moment, what came was dropped. empicano/aiomqtt#404."""

    iterating = False

    def hear(self, message: Message) -> None:
        if not self.iterating or (self.waiters and not self.heard):
            super().hear(message)

    async def __anext__(self) -> Message:
        self.iterating = True
        return await super().__anext__()


@mutant("basic.11", "lost on timeout", trap="a message that comes as the wait ends or is cancelled")
class ATaskTakesAFutureBrings(Ear):
    """A task took the message and put it into a future that was no longer waited for. nats-io/nats.py#392."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        self.check_open("receive")
        if self.heard or timeout <= 0:
            return self.take()
        brought: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        async def bring() -> None:
            while not self.heard and not self.left:
                await self.pause()
            message = self.take()
            if not brought.done():
                brought.set_result(message)

        task = asyncio.create_task(bring())
        try:
            await asyncio.wait([brought], timeout=timeout + 1e-6)
            if brought.done():
                self.check_open("receive")
                return brought.result()
            return None
        finally:
            brought.cancel()
            task.cancel()


@mutant("basic.9", "falsy zero", trap="a receive without a timeout, of nothing", also="basic.5")
class NoTimeIsForEver(Ear):
    """A timeout of 0 waited until there was something. NoneGG/aredis#81."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await super().receive(check_timeout(timeout_s, "receive", "zoo") or 1e9)


@mutant("wildcards.5", "a buffer per topic", trap="topics that take turns")
class EachTopicHasAQueue(Ear):
    """A client kept a queue for each channel, and emptied one after the other. StackExchange/StackExchange.Redis#1224."""

    topic = ""

    def take(self) -> Message | None:
        if not self.heard:
            return None
        same = [message for message in self.heard if message.topic == self.topic] or [self.heard[0]]
        message = same[0]
        self.topic = message.topic
        self.heard.remove(message)
        return message
