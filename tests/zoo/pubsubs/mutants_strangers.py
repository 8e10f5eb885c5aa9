"""Mutants that nobody who knew the checks would write: single defects of the kind that a stranger plants into a short driver."""

import os
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, Deliveries, Delivery, Message, QuotaExceeded
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FilePubSub, Listener, Member, PubSub, step
from .stores import Row, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.1", "type", trap="a payload given as a memoryview of a part of a buffer", also="basic.7 persistent.2")
class TakesTheWholeBufferOfAView(PubSub):
    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        whole = payload.obj if isinstance(payload, memoryview) else payload
        return super().data(whole if isinstance(whole, bytes | bytearray) else payload, operation, topic)


@mutant("basic.1", "mutable default", trap="a message without headers after one with headers", also="persistent.2")
class HeadersStick(PubSub):
    """As ``headers={}`` that is updated in place has it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.default: dict[str, str] = {}

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        given = super().labels(headers, operation)
        if headers is None:
            return dict(self.default)
        self.default.update(given)
        return given


@mutant("basic.9", "lost wake-up", trap="two receives that wait on one subscription, and a message for each")
class OneWaiterASubscription(Listener):
    """The second that waits takes the place of the first, who sleeps to its end."""

    latest: object = None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = self.driver.timeout(timeout_s, "receive")
        end, me, waited = self.driver.after(timeout), object(), False
        while True:
            self.check_open("receive")
            late = self.driver.over(end)
            message = None if waited and not late and self.latest is not me else self.take()
            if message is not None:
                return message
            if timeout <= 0 or late:
                return None
            if not waited:
                waited, self.latest = True, me
            await self.driver.pause(end)


@mutant("basic.9", "lost wake-up", trap="a message that comes when a receive has looked and does not wait yet", also="persistent.9")
class LooksThenLiesDown(PubSub):
    async def pause(self, *ends: float) -> None:
        await step()
        await super().pause(*ends)


@mutant("persistent.1", "second client", trap="one client publishes, then another subscribes with new")
class NewBeginsAtWhatItsClientKnows(PubSub):
    known = 0

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        identifier = await super().publish_persistent(topic, payload, headers)
        self.known = self.space().serial
        return identifier

    def first_place(self, topic: str, start: str) -> int:
        return 0 if start == "earliest" else self.known


@mutant("persistent.2", "identity", trap="a message published after another was acked by all", also="persistent.1 persistent.13")
class IdsCountWhatIsKept(PubSub):
    def new_persistent_id(self, topic: str, place: int) -> str:
        space = self.space()
        names = [name for of, name in space.starts if of == topic]
        marks = [space.marks.get((topic, name), {}) for name in names]
        kept = [i for i in space.topics.get(topic, {}) if not marks or not all(i in m and m[i].acked for m in marks)]
        return f"p{len(kept) + 1}"


@mutant("persistent.4", "missing step", trap="a member that is left by an exception while it holds something", also="persistent.7")
class LeavingByErrorHoldsOn(PubSub):
    @asynccontextmanager
    async def joining(self, topic: str, name: str, start: str) -> AsyncIterator[Deliveries]:
        member = self.member_type(self, topic, name)
        await self.join(member, start)
        try:
            yield member
        except BaseException:
            member.left = True
            raise
        await self.part(member)


@mutant(
    "persistent.5", "overflow", trap="more than 64 messages of one subscription", also="persistent.1 persistent.13 persistent.4"
)
class AcksInA64BitWord(Member):
    def bits(self) -> set[int]:
        bits: set[int] = self.driver.store.notes.setdefault((self.driver.namespace, self.topic, self.name), set())
        return bits

    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        rows = self.driver.space().topics[self.topic]
        self.bits().update(rows[identifier].place % 64 for identifier in identifiers)

    def available(self, row: Row) -> bool:
        return super().available(row) and row.place % 64 not in self.bits()


@mutant("persistent.5", "empty collection", trap="an ack without deliveries while something is held", also="persistent.4")
class AckOfNothingAcksAll(Member):
    async def ack(self, *deliveries: Delivery) -> None:
        await super().ack(*deliveries)
        if not deliveries:
            self.confirm(self.held())


@mutant("persistent.9", "overflow", trap="max_messages above 2,147,483,647")
class MaxIn32Bits(PubSub):
    def amount(self, max_messages: int) -> int:
        if super().amount(max_messages) >= 2**31:
            raise OverflowError("signed integer is greater than maximum")
        return max_messages


@mutant("basic.1", "overflow", trap="more than 256 messages of one client", also="basic.2")
class IdsInOneByte(PubSub):
    def new_id(self, topic: str) -> str:
        return str(int(super().new_id(topic)) % 256)


@mutant("basic.1", "cap", trap="more than 32 headers", also="persistent.2")
class KeepsThirtyTwoHeaders(PubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return dict(list(super().labels(headers, operation).items())[:32])


@mutant("basic.9", "cap", trap="an iteration over a hundred messages")
class IterationEndsAfterAHundred(Listener):
    asked = 0

    async def __anext__(self) -> Message:
        self.asked += 1
        if self.asked == 100:
            raise StopAsyncIteration
        return await super().__anext__()


@mutant("persistent.1", "second client", trap="earliest, where another client had published")
class EarliestIsWhatItsClientPublished(PubSub):
    first = 0

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.first = self.first or self.space().serial + 1
        return await super().publish_persistent(topic, payload, headers)

    def first_place(self, topic: str, start: str) -> int:
        if start != "earliest":
            return super().first_place(topic, start)
        return self.first - 1 if self.first else self.space().serial


@mutant("persistent.4", "affinity", trap="a nack by one member, and a receive by another that stays", also="persistent.7")
class NackedStaysWithItsMember(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        for identifier in identifiers:
            self.driver.store.notes["sticky", self.hold_slot(identifier)] = self

    def available(self, row: Row) -> bool:
        sticky = self.driver.store.notes.get(("sticky", self.hold_slot(row.message.id)))
        return super().available(row) and (sticky is None or sticky is self or sticky.left)


@mutant("persistent.8", "rounding", trap="a nack with a delay of more than a second that is no whole number")
class DelaysAreTruncated(Member):
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.driver.delay(delay_s, "nack")
        await super().nack(*deliveries, delay_s=int(delay_s) if delay_s > 1 else delay_s)


@mutant("basic.7", "resources", trap="a bytearray that is made longer after its publish", also="persistent.12")
class KeepsAnExportOfTheBuffer(PubSub):
    """The bytes are copied, but the buffer stays exported: whoever gave it cannot resize it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.exports: list[memoryview] = []

    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        copy = super().data(payload, operation, topic)
        self.exports = [*self.exports[-100:], memoryview(payload)]
        return copy


@mutant("basic.8", "fallback", trap="a topic to which nobody listens in its namespace, but somebody in another")
class UnheardGoesToOtherNamespaces(PubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        if not self.listeners(topic):
            for (_, other), listeners in list(self.store.listeners.items()):
                for listener in listeners if other == topic else ():
                    listener.offer(message)
        super().fan_out(topic, message)


class _Overflows(Listener):
    def offer(self, message: Message) -> None:
        if len(self.buffer) >= 64:
            self.driver.store.notes["missed"] = self.driver.store.notes.get("missed", 0) + 1
            return
        super().offer(message)

    @property
    def gaps(self) -> int:
        return int(self.driver.store.notes.get("missed", 0))


@mutant("basic.12", "scope", trap="gaps of a subscription beside one whose buffer overflowed")
class GapsAreOfAllSubscriptions(PubSub):
    listener_type = _Overflows


@mutant("persistent.3", "tie", trap="messages that are published within a millisecond, in another order than their payloads")
class OneInstantIsSortedByPayload(PubSub):
    def insert(self, row: Row) -> None:
        self.store.notes[self.namespace, row.place] = int(self.now() * 1000)
        super().insert(row)

    def rows(self, topic: str) -> list[Row]:
        notes = self.store.notes
        return sorted(super().rows(topic), key=lambda row: (notes.get((self.namespace, row.place), 0), row.message.payload))


@mutant("persistent.12", "fallback", trap="earliest of a topic that is used in another namespace alone", also="persistent.1")
class UnusedTopicIsLookedForElsewhere(PubSub):
    def rows(self, topic: str) -> list[Row]:
        spaces = [self.space(), *self.store.spaces.values()]
        return next((list(space.topics[topic].values()) for space in spaces if topic in space.topics), [])


class _Trusting(Member):
    def hold(self, identifier: str) -> str:
        token = super().hold(identifier)
        self.driver.store.notes.setdefault("tokens", set()).add((identifier, token))
        return token

    def holds(self, delivery: Delivery) -> bool:
        known = self.driver.store.notes.get("tokens", set())
        if (delivery.message.id, delivery.token) in known:
            return super().holds(delivery)
        return self.holder(delivery.message.id) is not None


_LEFT_BEHIND = "persistent.4 persistent.5 persistent.7 persistent.16"


@mutant("persistent.15", "stranger", trap="kill; deliveries of the dead in the hands of another", also=_LEFT_BEHIND)
class TrustsTokensOfOtherProcesses(FilePubSub):
    """A token that this process did not give is taken at its word."""

    member_type = _Trusting

    def token(self) -> str:
        return f"{os.getpid()}.{super().token()}"


@mutant(
    "persistent.5",
    "aliasing",
    trap="an ack in one topic, and a subscription of the same name of another",
    also="persistent.6 persistent.11 persistent.13",
)
class AcksAreOfNameAndId(PubSub):
    """Ids count in each topic, and the table of acks has no column for the topic."""

    class OfNames(Member):
        def confirm(self, identifiers: list[str]) -> None:
            super().confirm(identifiers)
            for identifier in identifiers:
                self.driver.store.notes[self.driver.namespace, self.name, identifier] = self.topic

        def available(self, row: Row) -> bool:
            acked = (self.driver.namespace, self.name, row.message.id) in self.driver.store.notes
            return super().available(row) and not acked

    member_type = OfNames

    def new_persistent_id(self, topic: str, place: int) -> str:
        return f"p{len(self.space().topics.get(topic, {})) + 1}"


@mutant("persistent.9", "prefetch", trap="a receive of one by one member, and a receive by another", also="persistent.7")
class PrefetchesOneMore(Member):
    """It takes one more than it gives, for the next receive; others do not get it until this member is left."""

    def available(self, row: Row) -> bool:
        ahead = self.driver.store.notes.get(("ahead", self.hold_slot(row.message.id)))
        return super().available(row) and (ahead is None or ahead is self or ahead.left)

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        given = super().deliver(rows)
        for row in self.next_ones(1):
            self.driver.store.notes["ahead", self.hold_slot(row.message.id)] = self
        return given


@mutant("basic.5", "truncation", trap="a topic that holds a separator of lines, such as U+2028", also="basic.2 persistent.11")
class TopicsEndWithTheirLine(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        checked = super().topic(topic, operation)
        return next((line for line in checked.splitlines() if line), checked)


class _CountsForItself(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        counts = self.driver.__dict__.setdefault("counts", Counter())
        counts[self.topic, self.name, row.message.id] += 1
        return super().delivery(row, counts[self.topic, self.name, row.message.id], token)


@mutant("persistent.4", "second client", trap="a message that comes to members of two clients by turns")
class CountsAreOfTheClient(PubSub):
    member_type = _CountsForItself


@mutant("persistent.8", "second client", trap="a nack with a delay, and a receive by a member of another client")
class DelaysAreOfTheClient(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, 0)
        mine = self.driver.__dict__.setdefault("delayed", {})
        mine.update({self.hold_slot(each): self.driver.after(delay_s) for each in identifiers if delay_s > 0})

    def available(self, row: Row) -> bool:
        due = self.driver.__dict__.get("delayed", {}).get(self.hold_slot(row.message.id), 0.0)
        return super().available(row) and self.driver.over(due)

    def instants(self) -> list[float]:
        return [*super().instants(), *self.driver.__dict__.get("delayed", {}).values()]


@mutant("basic.1", "normalisation", trap="names of headers that differ in their normal form alone", also="persistent.2")
class HeaderNamesAreOneNormalForm(PubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return {unicodedata.normalize("NFC", name): text for name, text in super().labels(headers, operation).items()}


@mutant("persistent.14", "resources", trap="thirty-two receives of one client that find nothing", also="persistent.9")
class EmptyReceivesKeepTheirSlot(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        used = self.driver.__dict__.get("used", 0)
        if used >= 32:
            raise QuotaExceeded("zoo: receive: no slot is free")
        got = await super().receive(max_messages, timeout_s)
        self.driver.__dict__["used"] = used + (not got)
        return got
