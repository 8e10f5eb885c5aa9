"""Mutants of `PubSubPersistent`: receives, publishes and cancellation (9, 13 and 14)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub, step
from .stores import Mark, Row, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_UNKNOWN = Mark()

# persistent.9: receives


@mutant("persistent.9", "ignored argument", trap="max_messages below what there is")
class MaxIsIgnored(Member):
    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(10**6)


@mutant("persistent.9", "boundary", trap="max_messages below what there is")
class MaxIsExceededByOne(Member):
    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(amount + 1 if amount > 1 else 1)


@mutant("persistent.9", "sum", trap="redeliveries and new ones together")
class MaxIsForNewOnes(Member):
    """What comes again is added."""

    def next_ones(self, amount: int) -> list[Row]:
        ready = super().next_ones(10**6)
        return [row for row in ready if self.mark(row.message.id).count] + [
            row for row in ready if not self.mark(row.message.id).count
        ][:amount]


@mutant("persistent.9", "missing check", trap="max_messages=0")
class ZeroIsLegal(PubSub):
    def amount(self, max_messages: int) -> int:
        return max_messages


@mutant("persistent.9", "late", trap="fewer messages than max_messages, with a timeout")
class WaitsForAFullBatch(Member):
    """``as soon as there is one`` is forgotten."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        amount, timeout = self.driver.amount(max_messages), self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            rows = self.next_ones(amount)
            if len(rows) == amount or timeout <= 0 or self.driver.over(end):
                return self.deliver(rows)
            await self.driver.pause(end, *self.instants())


@mutant("persistent.9", "early", trap="a receive of nothing with a timeout")
class ReturnsEmptyAtOnce(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.driver.timeout(timeout_s, "receive")
        return await super().receive(max_messages, 0)


@mutant("persistent.9", "early", trap="a receive of nothing while another topic gets messages")
class AnyMessageEndsTheWait(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        timeout = self.driver.timeout(timeout_s, "receive")
        found = await super().receive(max_messages, 0)
        if not found and timeout > 0:
            await self.driver.pause(self.driver.after(timeout), *self.instants())
            found = await super().receive(max_messages, 0)
        return found


@mutant("persistent.9", "missing step", trap="a message while one waits")
class NewMessagesWakeNobody(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        timeout = self.driver.timeout(timeout_s, "receive")
        found = await super().receive(max_messages, 0)
        if not found and timeout > 0:
            await self.driver.store.clock.sleep(timeout + 1e-6)
            found = await super().receive(max_messages, 0)
        return found


@mutant("persistent.9", "limit", trap="more than ten held", also="persistent.1")
class TenInFlight(Member):
    """No more before something was acked."""

    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(amount)[: max(0, 10 - len(self.held()))]


# persistent.13: publishes


@mutant("persistent.13", "race", trap="two publishes at once", also="persistent.10 persistent.1")
class ReadsThenWritesTheLog(PubSub):
    """Reads the topic, adds, writes it back; another publish in between is lost."""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key = self.topic(topic, "publish_persistent")
        known = dict(self.space().topics.get(key, {}))
        await step()
        identifier = await super().publish_persistent(topic, payload, headers)
        self.space().topics[key] = {**known, identifier: self.space().topics[key][identifier]}
        return identifier


@mutant("persistent.13", "race", trap="two publishes at once", also="persistent.10 persistent.2")
class PlacesAreReadFirst(PubSub):
    """Two publishes at once get one id."""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        operation = "publish_persistent"
        key, data, labels = self.topic(topic, operation), self.data(payload, operation, topic), self.labels(headers, operation)
        place = self.space().serial + 1
        await step()
        row = Row(key, place, Message(self.new_persistent_id(key, place), topic, data, labels))
        self.insert(row)
        return row.message.id


@mutant(
    "persistent.13", "early acknowledgement", trap="last_message_id or a subscription right after a publish", also="persistent.10"
)
class PublishesInTheBackground(PubSub):
    """The id is returned before the message is stored; a subscription made in between counts it as new."""

    def insert(self, row: Row) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, super().insert, row)


@mutant("persistent.13", "missing step", trap="a subscription without members", also="persistent.1 persistent.4 persistent.6")
class OnlyMembersGetMessages(PubSub):
    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        self.members(member).append(member)

    def members(self, member: Member) -> list[Member]:
        found: list[Member] = self.store.notes.setdefault((self.namespace, member.topic, member.name), [])
        return found

    def insert(self, row: Row) -> None:
        super().insert(row)
        for topic, name in self.space().starts:
            members = self.store.notes.get((self.namespace, topic, name), [])
            if topic == row.topic and all(member.left for member in members):
                self.apply({(topic, name, row.message.id): replace(_UNKNOWN, acked=True)})


@mutant("persistent.13", "late", trap="one message and no other behind it", also="persistent.9 persistent.1 persistent.10")
class WritesInPairs(PubSub):
    """A batch of two; a single one waits for the next."""

    def insert(self, row: Row) -> None:
        waiting = self.store.notes.pop((self.namespace, row.topic), None)
        if waiting is None:
            self.store.notes[self.namespace, row.topic] = row
        else:
            super().insert(waiting)
            super().insert(row)


@mutant("persistent.13", "stale cache", trap="a subscription made by another client", also="persistent.6 persistent.1")
class PublishersCacheSubscriptions(PubSub):
    """A publisher asks for the subscriptions when it first publishes; later ones get nothing from it for a minute."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[str, set[str]] = {}

    def insert(self, row: Row) -> None:
        super().insert(row)
        names = {name for topic, name in self.space().starts if topic == row.topic}
        known = self.known.setdefault(row.topic, names)
        for name in names - known:
            self.apply({(row.topic, name, row.message.id): replace(_UNKNOWN, acked=True)})


# persistent.14: cancellation


class _Partial(PubSub):
    """A publish reaches subscriptions one after another."""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        identifier = await super().publish_persistent(topic, payload, headers)
        key = self.topic(topic, "publish_persistent")
        names = [name for other, name in self.space().starts if other == key]
        await self.copy(key, identifier, names)
        return identifier

    async def copy(self, topic: str, identifier: str, names: list[str]) -> None:
        """Hide it from all but the first, then show it to the next one after each step."""
        for name in names[1:]:
            self.apply({(topic, name, identifier): replace(_UNKNOWN, acked=True)})
        for name in names[1:]:
            await step()
            self.apply({(topic, name, identifier): _UNKNOWN})


@mutant(
    "persistent.14", "partial effect", trap="a publish to two subscriptions that is cancelled", also="persistent.6 persistent.13"
)
class CopiesOneByOne(_Partial):
    """A row for each subscription, and no transaction."""


@mutant("persistent.14", "partial effect", trap="a publish that is cancelled", also="persistent.10 persistent.13")
class LastIdIsWrittenFirst(PubSub):
    """The id is announced, then a step, then the message."""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        operation = "publish_persistent"
        key, data, labels = self.topic(topic, operation), self.data(payload, operation, topic), self.labels(headers, operation)
        place = self.serial()
        row = Row(key, place, Message(self.new_persistent_id(key, place), topic, data, labels))
        self.space().last[key] = row.message.id
        await step()
        self.insert(row)
        return row.message.id


@mutant(
    "persistent.14", "lost on cancel", trap="a receive that is cancelled when its message comes", also="persistent.4 persistent.7"
)
class HoldsAndSuspends(Member):
    """Held by nobody who knows, until the member is left."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        await step()
        return found


@mutant("persistent.14", "late", trap="a receive that is cancelled when its message comes", also="persistent.4 persistent.8")
class CancelledTakesComeLater(Member):
    """What was taken in vain comes again, half a minute later."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            self.give_back([delivery.message.id for delivery in found], 30)
            raise
        return found


@mutant("persistent.14", "lost on timeout", trap="a message after a receive that waited in vain", also="persistent.9 persistent.4")
class TimedOutReceivesStayInLine(Member):
    """The next message is held for a receive that has returned."""

    ghosts = 0

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        self.ghosts = int(not found and timeout_s > 0)
        return found

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(amount)
        if found and self.ghosts:
            self.ghosts = 0
            self.deliver(found[:1])
            return found[1:]
        return found


@mutant("persistent.14", "lost on cancel", trap="a message after a receive that was cancelled", also="persistent.4 persistent.9")
class CancelledReceivesStayInLine(Member):
    ghosts = 0

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        try:
            return await super().receive(max_messages, timeout_s)
        except asyncio.CancelledError:
            self.ghosts += 1
            raise

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(amount)
        if found and self.ghosts:
            self.ghosts -= 1
            self.deliver(found[:1])
            return found[1:]
        return found


@mutant("persistent.14", "unusable", trap="a receive after one that was cancelled", also="persistent.15")
class CancelledReceiveLeaves(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        try:
            return await super().receive(max_messages, timeout_s)
        except asyncio.CancelledError:
            self.leave()
            raise


@mutant("persistent.14", "unusable", trap="a publish after one that was cancelled", also="persistent.13")
class CancelledStoresKeepTheLock(PubSub):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock = asyncio.Lock()

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        await self.lock.acquire()
        try:
            identifier = await super().publish_persistent(topic, payload, headers)
            await step()
        except Exception:
            self.lock.release()
            raise
        self.lock.release()
        return identifier


@mutant("persistent.14", "missing step", trap="a receive that is cancelled in company", also="persistent.7 persistent.9")
class CancelledReceiveReleasesAll(Member):
    """What the member holds comes again when one of its calls is cancelled."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        try:
            return await super().receive(max_messages, timeout_s)
        except asyncio.CancelledError:
            self.give_back(self.held(), 0)
            raise
