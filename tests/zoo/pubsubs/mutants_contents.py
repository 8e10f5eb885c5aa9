"""Mutants of `PubSubBasic`: what arrives, and how (1)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, PubSub
from .stores import Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.1: everything published after the entry, as it was


@mutant("basic.1", "early acknowledgement", trap="a publish right after the entry", also="basic.4")
class SubscribeReturnsBeforeRegistered(PubSub):
    """SUBSCRIBE is sent, its confirmation not awaited."""

    async def enter(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self.listeners(listener.topic).append, listener)


@mutant("basic.1", "stale cache", trap="a second subscription to a topic, by another client", also="basic.4 basic.9")
class CachesListeners(PubSub):
    """A publisher asks who listens when it first publishes to a topic, and again after a second."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[str, tuple[float, list[Any]]] = {}

    def fan_out(self, topic: str, message: Message) -> None:
        then, known = self.known.get(topic, (-1.0, []))
        if self.now() >= then + 1:
            known = list(self.listeners(topic))
            self.known[topic] = self.now(), known
        for listener in known:
            listener.offer(message)


@mutant("basic.1", "conflation", trap="two messages before the first receive", also="basic.3 basic.12 basic.4 basic.9")
class KeepsTheLatest(Listener):
    """A slow reader sees the newest alone."""

    def offer(self, message: Message) -> None:
        self.buffer.clear()
        super().offer(message)


@mutant("basic.1", "deduplication", trap="the same payload twice", also="basic.3")
class DropsRepeats(Listener):
    """What equals the message before it is a retry."""

    previous: Message | None = None

    def offer(self, message: Message) -> None:
        known, self.previous = self.previous, message
        if known is None or (known.payload, known.headers) != (message.payload, message.headers):
            super().offer(message)


@mutant("basic.1", "missing field", trap="headers")
class HeadersAreLost(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={})


@mutant("basic.1", "normalisation", trap="a header name in capitals")
class HeaderNamesAreLowerCased(Listener):
    """As HTTP libraries do."""

    def shown(self, message: Message) -> Message:
        return replace(message, headers={name.lower(): value for name, value in message.headers.items()})


@mutant("basic.1", "normalisation", trap="a header value with blanks at an end")
class HeaderValuesAreStripped(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={name: value.strip() for name, value in message.headers.items()})


@mutant("basic.1", "missing field", trap="a header with an empty value")
class EmptyHeadersAreLost(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={name: value for name, value in message.headers.items() if value})


@mutant("basic.1", "encoding", trap="headers that are not Latin-1")
class HeadersAreLatin1(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={n: v.encode("latin-1", "replace").decode("latin-1") for n, v in message.headers.items()})


@mutant("basic.1", "falsiness", trap="an empty payload", also="basic.9")
class EmptyPayloadIsNothing(PubSub):
    """``if payload:``."""

    def fan_out(self, topic: str, message: Message) -> None:
        if message.payload:
            super().fan_out(topic, message)


@mutant("basic.1", "encoding", trap="a payload that is not UTF-8")
class PayloadsAreText(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=message.payload.decode("utf-8", "replace").encode())


@mutant("basic.1", "truncation", trap="a payload with NUL inside")
class PayloadsEndAtNul(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=message.payload.split(b"\0")[0])


@mutant("basic.1", "framing", trap="a payload that ends in a newline")
class PayloadsAreLines(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=message.payload.removesuffix(b"\n"))


@mutant("basic.1", "truncation", trap="a payload above 64 KiB", also="basic.6")
class PayloadsEndAt64KiB(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=message.payload[:65536])


@mutant("basic.1", "identity", trap="the id of a received message")
class ListenersCountThemselves(Listener):
    """The id is a number of the receiving side."""

    count = 0

    def shown(self, message: Message) -> Message:
        self.count += 1
        return replace(super().shown(message), id=str(self.count))


@mutant("basic.1", "identity", trap="the same payload twice")
class IdsAreHashes(PubSub):
    """Unique as long as contents are."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(f"{hash((data, *sorted(labels.items()))):x}", topic, data, labels)
        self.fan_out(key, message)
        self.wake()
        return message.id


@mutant("basic.1", "identity", trap="ids of two clients")
class ClientsCountThemselves(PubSub):
    """Each client numbers what it publishes, from 1."""

    count = 0

    def new_id(self, topic: str) -> str:
        self.count += 1
        return str(self.count)


@mutant("basic.1", "identity", trap="more than one message in a millisecond")
class IdsAreMilliseconds(PubSub):
    def new_id(self, topic: str) -> str:
        return str(self.store.clock.now_ms())


@mutant("basic.1", "wrong field", trap="a topic in capitals")
class TopicIsShownFolded(Listener):
    def shown(self, message: Message) -> Message:
        return replace(super().shown(message), topic=message.topic.casefold())


@mutant("basic.1", "expiry", trap="a message that is received half a minute later", also="basic.3 basic.4")
class BuffersFor10Seconds(Listener):
    """What nobody fetched in time is gone."""

    def __init__(self, driver: PubSub, topic: str) -> None:
        super().__init__(driver, topic)
        self.times: dict[str, float] = {}

    def offer(self, message: Message) -> None:
        self.times[message.id] = self.driver.now()
        super().offer(message)

    def take(self) -> Message | None:
        while self.buffer and self.times[self.buffer[0].id] + 10 < self.driver.now():
            self.buffer.popleft()
        return super().take()


@mutant("basic.1", "lost", trap="a second message while one waits in a receive", also="basic.9 basic.3 basic.12")
class HandsOverToTheWaiter(Listener):
    """A hand-over through one slot while somebody waits: what comes before the waiter ran replaces what came first."""

    waits = False

    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.waits = timeout_s > 0
        try:
            return await super().receive(timeout_s)
        finally:
            self.waits = False

    def offer(self, message: Message) -> None:
        if self.waits:
            self.buffer.clear()
        super().offer(message)
