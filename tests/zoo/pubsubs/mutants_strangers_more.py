"""Mutants of strangers, the third round: when a subscription begins, who is woken, and what comes with a redelivery."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Literal

from prism_testkit.interfaces import Deliveries, Delivery, Subscription
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .stores import Row, Start, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.2", "wrong instant", trap="a message published between the call and the entry", also="basic.1")
class SubscribesAtTheCall(PubSub):
    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        listener = self.listener_type(self, self.topic(topic, "subscribe"))
        self.listeners(listener.topic).append(listener)
        return self._entered(listener)

    @asynccontextmanager
    async def _entered(self, listener: Listener) -> AsyncIterator[Subscription]:
        try:
            yield listener
        finally:
            await self.leave(listener)


@mutant("persistent.1", "wrong instant", trap="a message published between the call and the entry", also="persistent.2")
class NewIsFromTheCallOn(PubSub):
    def subscribe_durable(
        self, topic: str, name: str, start: Literal["new", "earliest"] = "new"
    ) -> AbstractAsyncContextManager[Deliveries]:
        manager = super().subscribe_durable(topic, name, start)
        return self._begun(manager, topic, name, self.first_place(topic, start))

    @asynccontextmanager
    async def _begun(
        self, manager: AbstractAsyncContextManager[Deliveries], topic: str, name: str, place: int
    ) -> AsyncIterator[Deliveries]:
        if (topic, name) not in self.space().starts:
            self.apply({(topic, name, ""): Start(place)})
        async with manager as member:
            yield member


@mutant(
    "basic.1", "counter that resets", trap="a topic whose last subscription was left, and that is subscribed again", also="basic.2"
)
class IdsBeginAnewWithoutListeners(PubSub):
    """The topic is forgotten with its last listener, and its counter with it."""

    def new_id(self, topic: str) -> str:
        slot = "ids", self.namespace, topic
        if not self.listeners(topic):
            self.store.notes[slot] = 0
        self.store.notes[slot] = self.store.notes.get(slot, 0) + 1
        return str(self.store.notes[slot])


class _Bare(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        found = super().delivery(row, count, token)
        return found if count == 1 else replace(found, message=replace(found.message, headers={}))


@mutant("persistent.2", "lost field", trap="a message with headers that comes again", also="persistent.4")
class RedeliveriesComeWithoutHeaders(PubSub):
    member_type = _Bare


class _WakesOne(Store):
    def wake(self) -> None:
        waiter = next((waiter for waiter in self.waiting if not waiter.done()), None)
        if waiter is not None:
            waiter.set_result(None)


@mutant("basic.9", "lost wake-up", trap="two that wait, of two subscriptions", also="basic.4 persistent.9", store=_WakesOne)
class OneOfThoseWhoWaitIsWoken(PubSub):
    """It should be all."""


class _AcksAtTheNext(Member):
    """Who receives the next one has done with the one before."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        before = self.held()
        found = await super().receive(max_messages, timeout_s)
        if len(before) >= 32:
            self.confirm(before[:-31])
        return found


@mutant("persistent.5", "bounded window", trap="a member that holds over 32 messages", also="persistent.4 persistent.7")
class TheWindowIsThirtyTwo(PubSub):
    member_type = _AcksAtTheNext


class _OneTokenAMember(Member):
    def hold(self, identifier: str) -> str:
        super().hold(identifier)
        token = f"{id(self)}/{identifier}"
        self.driver.store.holds[self.hold_slot(identifier)] = self, token
        return token


@mutant(
    "persistent.15",
    "identity",
    trap="an ack of a delivery that was nacked, when its message is held again by the same member",
    also="persistent.4 persistent.5",
)
class TokensAreOfMessageAndMember(PubSub):
    member_type = _OneTokenAMember
