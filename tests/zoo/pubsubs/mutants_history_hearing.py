"""Wrong ways between a publisher and those who hear it: bugs that clients and brokers shipped in who is told when, and by whom."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Message, Subscription
from tests.zoo.declare import Mutant

from .history_broker import Broker, Client
from .history_declare import declaring_history
from .history_driver import Ear, Wire, WirePubSub
from .mutants_history_clients import Known

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


class _Backlog(Wire):
    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self.writing = 0
        self.serial = 0

    async def publish(self, *fields: Any) -> str:
        self.serial += 1
        identifier = f"{id(self)}-{self.serial}"
        if self.writing:
            asyncio.get_running_loop().call_later(0.001, self.send, "put", identifier, *fields)
            return identifier
        self.writing += 1
        try:
            await self.call("put", identifier, *fields)
        finally:
            self.writing -= 1
        return identifier


class _Putting(Broker):
    def on_put(self, client: Client, _number: int, identifier: str, *fields: Any) -> None:
        namespace, topic, payload, headers = fields
        for leaf in self.concerned(namespace, topic, headers):
            leaf.client.send("message", leaf.number, identifier, topic, payload, headers)


@mutant("basic.3", "two ways", trap="a publisher goes on while another one writes", broker=_Putting, also="basic.2")
class QueuedCountsAsSent(WirePubSub):
    """What found the connection busy was queued, counted as sent, and overtaken. StackExchange/StackExchange.Redis#1719."""

    wire_type = _Backlog

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        assert isinstance(self.wire, _Backlog)
        return await self.wire.publish(self.namespace, *self.parts(topic, payload, headers, "publish"))


@mutant("basic.1", "order of steps", trap="a publish right after the entry")
class SubscribedOnAnotherConnection(Ear):
    """Subscriptions went another way than publishes, which overtook them. StackExchange/StackExchange.Redis#348."""

    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        self.number = self.wire.broker.number()
        self.wire.ears[self.number] = self
        frame = self.wire.codec.pack("subscribe", self.number, namespace, topic, int(is_pattern), attributes)
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(self.wire.client.feed, frame))


@mutant("basic.4", "blocking", trap="one that reads nothing, and many messages", also="basic.1")
class ASlowOneStopsThePublisher(WirePubSub):
    """A subscriber that did not take its message kept the next ones from theirs. ThreeDotsLabs/watermill#247."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        while slow := [ear for ear in self.wire.ears.values() if len(ear.heard) >= 100]:
            await asyncio.wait([slow[0].waiter()], timeout=1)
        return await super().publish(topic, payload, headers)


class _Round(Wire):
    """Hands a message round, one at a step, over the list as it is."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self.rounds: deque[tuple[tuple[Any, ...], Message]] = deque()
        self.circles: dict[tuple[Any, ...], list[Known]] = {}
        self.at = 0

    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        ear = self.ears.get(number)
        circle = self.circles.get(ear.key, []) if isinstance(ear, Known) else []
        if isinstance(ear, Known) and circle and circle[0] is ear:
            self.rounds.append((ear.key, Message(identifier, topic, payload, headers)))
            asyncio.get_running_loop().call_soon(self.step)
        elif ear is not None and ear not in circle:
            ear.hear(Message(identifier, topic, payload, headers))

    def step(self) -> None:
        if not self.rounds:
            return
        key, message = self.rounds[0]
        if self.at < len(self.circles[key]):
            self.circles[key][self.at].hear(replace(message, headers=dict(message.headers)))
            self.at += 1
        else:
            self.rounds.popleft()
            self.at = 0
        asyncio.get_running_loop().call_soon(self.step)


class _InACircle(Known):
    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        await super().enter(namespace, topic, is_pattern, attributes)
        assert isinstance(self.wire, _Round)
        self.wire.circles.setdefault(self.key, []).append(self)

    def leave(self) -> None:
        super().leave()
        if isinstance(self.wire, _Round) and self in self.wire.circles.get(self.key, []):
            self.wire.circles[self.key].remove(self)


@mutant("basic.10", "iteration during change", trap="one is left while a message is handed round", also="basic.4")
class TheNextIsSkippedWhenOneLeaves(WirePubSub):
    """The list of subscribers was gone through while one of them went. mroderick/PubSubJS#54."""

    wire_type = _Round
    ear_type = _InACircle


class _Answer(Wire):
    leaving: asyncio.Future[Any] | None = None

    def on_message(self, number: int, *fields: Any) -> None:
        if self.leaving is not None and not self.leaving.done():
            self.leaving.set_exception(RuntimeError("invalid message received as response to UNSUBSCRIBE: 0x30"))
        super().on_message(number, *fields)


@mutant("basic.10", "confusion", trap="a message comes between the unsubscription and its answer")
class TheNextFrameIsTheAnswer(WirePubSub):
    """While it left, a client took whatever came next for the answer. adafruit/Adafruit_CircuitPython_MiniMQTT#225."""

    wire_type = _Answer

    @asynccontextmanager
    async def listening(self, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        ear = self.ear_type(self.wire)
        await ear.enter(self.namespace, topic, is_pattern, attributes)
        try:
            yield ear
        finally:
            assert isinstance(self.wire, _Answer)
            self.wire.leaving = self.wire.expect(self.wire.send("unsubscribe", ear.number))
            try:
                await self.wire.leaving
            finally:
                ear.leave()


class _OneForAll(Wire):
    last: Message | None = None

    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        if self.last is None or self.last.id != identifier:
            self.last = Message(identifier, topic, payload, headers)
        if number in self.ears:
            self.ears[number].hear(self.last)


@mutant("basic.7", "shared by reference", trap="one receiver changes its headers, another one reads them")
class AllHoldTheSameMessage(WirePubSub):
    """All subscribers of a process were given the same object. ezmsg-org/ezmsg#209."""

    wire_type = _OneForAll
