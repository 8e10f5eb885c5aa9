"""Mutants of two things together: kinds of listeners beside each other, kinds of publishes in one topic, keys in one call."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member
from .reference_newer import FilteredListener, NewerPubSub, OrderedMember, PatternListener
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# Ids of several kinds of publishes


@mutant("ordering.1", "collision", trap="a topic with keyed messages and others", also="persistent.2 persistent.10 persistent.1")
class KeyedIdsAreOfAnotherCounter(NewerPubSub):
    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self.ordered_row(topic, ordering_key, payload, headers)
        number = 1 + sum(other.key is not None for other in self.rows(topic))
        self.insert(replace(row, message=replace(row.message, id=f"p{number}")))
        return f"p{number}"


@mutant("persistent.10", "wrong value", trap="a plain publish, then the id of the last durable one")
class APlainPublishIsTheLast(NewerPubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        found = await super().publish(topic, payload, headers)
        self.store.notes.setdefault(("last", self.namespace), {})[topic] = found
        return found

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.store.notes.get(("last", self.namespace), {}).pop(topic, None)
        return await super().publish_persistent(topic, payload, headers)

    def last_id(self, topic: str) -> str | None:
        return self.store.notes.get(("last", self.namespace), {}).get(topic) or super().last_id(topic)


# Several keys in one call


@mutant("ordering.5", "scope", trap="an ack of several messages of different keys", also="persistent.5 ordering.1")
class AnAckIsOfOneKey(OrderedMember):
    async def ack(self, *deliveries: Delivery) -> None:
        await super().ack(*self.of_first_key(deliveries))

    def of_first_key(self, deliveries: tuple[Delivery, ...]) -> list[Delivery]:
        keys = {row.message.id: row.key for row in self.driver.rows(self.topic)}
        first = keys.get(deliveries[0].message.id) if deliveries else None
        return [each for each in deliveries if keys.get(each.message.id) == first]


@mutant("ordering.4", "scope", trap="a nack of several messages of different keys", also="persistent.4 ordering.1")
class ANackIsOfOneKey(AnAckIsOfOneKey):
    async def ack(self, *deliveries: Delivery) -> None:
        await OrderedMember.ack(self, *deliveries)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*self.of_first_key(deliveries), delay_s=delay_s)


@mutant("ordering.4", "scope", trap="a nack of several keys for later", also="persistent.8 ordering.1")
class ADelayIsOfOneKey(AnAckIsOfOneKey):
    async def ack(self, *deliveries: Delivery) -> None:
        await OrderedMember.ack(self, *deliveries)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        first = self.of_first_key(deliveries)
        await super().nack(*first, delay_s=delay_s)
        await super().nack(*(each for each in deliveries if each not in first))


@mutant("ordering.4", "scope", trap="leaving with messages of several keys", also="persistent.4 persistent.7 ordering.1")
class LeavingFreesOneKey(OrderedMember):
    def leave(self) -> None:
        keys = {row.message.id: row.key for row in self.driver.rows(self.topic)}
        self.left = True
        held = self.held()
        self.give_back([each for each in held if keys.get(each) == keys.get(held[0])], 0)


@mutant("ordering.6", "scope", trap="a key that is delayed, and messages without one behind it")
class ADelayedKeyHoldsUpWhatHasNone(OrderedMember):
    def heads(self) -> list[Row]:
        found = super().heads()
        delayed = [row.place for row in found if row.key is not None and not self.driver.over(self.mark(row.message.id).due)]
        return [row for row in found if row.key is not None or not delayed or row.place < delayed[0]]


@mutant("ordering.8", "shared state", trap="one key in two topics, two subscriptions of one name", also="ordering.6 ordering.7")
class AKeyIsHeldInAllTopicsOfAName(OrderedMember):
    def heads(self) -> list[Row]:
        holds = self.driver.store.holds
        keys = {
            row.key
            for topic in self.driver.space().topics
            if topic != self.topic
            for row in self.driver.rows(topic)
            if row.key is not None and (self.driver.namespace, topic, self.name, row.message.id) in holds
        }
        return [row for row in super().heads() if row.key not in keys]


# Kinds of listeners beside each other


@mutant("wildcards.6", "shared state", trap="a plain and a pattern subscription of one client to one topic", also="basic.4 basic.1")
class AClientGetsAMessageOnce(NewerPubSub):
    """What the broker sends a client for one of its subscriptions is not sent again for another."""

    def fan_out_to_patterns(self, message: Message) -> None:
        plain = {id(listener.driver) for listener in self.listeners(message.topic)}
        for watcher in self.concerned(message):
            if id(watcher.driver) not in plain:
                watcher.offer(message)


@mutant("filtering.8", "shared state", trap="a plain and a filtered subscription of one client", also="basic.4 basic.1 basic.2")
class AFilterIsOfTheClient(NewerPubSub):
    """A client filters what comes to it, by all that its filtered subscriptions of the topic want."""

    def fan_out(self, topic: str, message: Message) -> None:
        for listener in list(self.listeners(topic)):
            mine = [each for each in self.listeners(topic) if each.driver is listener.driver and isinstance(each, FilteredListener)]
            if not mine or any(each.wants(message) for each in mine):
                listener.offer(message)
        self.fan_out_to_patterns(message)


@mutant("wildcards.6", "refcount", trap="one of two equal patterns is left", also="wildcards.9 wildcards.1")
class LeavingAPatternLeavesItsEquals(NewerPubSub):
    def forget(self, listener: Listener) -> None:
        if isinstance(listener, PatternListener):
            equal = [each for each in self.watchers() if each.topic == listener.topic and each.driver is listener.driver]
            for each in equal:
                self.watchers().remove(each)
        else:
            super().forget(listener)


@mutant("filtering.8", "refcount", trap="one of two equal filtered subscriptions is left", also="filtering.10 filtering.1")
class LeavingAFilterLeavesItsEquals(NewerPubSub):
    def forget(self, listener: Listener) -> None:
        if isinstance(listener, FilteredListener):
            for each in [other for other in self.listeners(listener.topic) if isinstance(other, FilteredListener)]:
                if each.attributes == listener.attributes and each.driver is listener.driver:
                    self.listeners(listener.topic).remove(each)
        else:
            super().forget(listener)


@mutant("basic.4", "refcount", trap="a filtered subscription is left, a plain one of the topic stays", also="filtering.8 basic.1")
class LeavingAFilterLeavesTheTopic(NewerPubSub):
    def forget(self, listener: Listener) -> None:
        super().forget(listener)
        if isinstance(listener, FilteredListener) and not any(
            isinstance(o, FilteredListener) for o in self.listeners(listener.topic)
        ):
            self.listeners(listener.topic)[:] = [o for o in self.listeners(listener.topic) if o.driver is not listener.driver]


@mutant("wildcards.6", "refcount", trap="a plain subscription is left, a pattern that matches its topic stays", also="wildcards.1")
class LeavingATopicLeavesItsPatterns(NewerPubSub):
    """A pattern is resolved to topics; who leaves a topic leaves it for all of his."""

    def covers(self, pattern: str, topic: str) -> bool:
        left = self.store.notes.setdefault(("left", self.namespace), set())
        return super().covers(pattern, topic) and topic not in left

    def forget(self, listener: Listener) -> None:
        super().forget(listener)
        if type(listener) is Listener and any(each.driver is listener.driver for each in self.watchers()):
            self.store.notes.setdefault(("left", self.namespace), set()).add(listener.topic)


@mutant("wildcards.1", "cache", trap="a topic that was published to before the pattern was entered", also="wildcards.6")
class RoutesAreMadeAtTheFirstPublish(NewerPubSub):
    """Which patterns a topic concerns is found once for all; only a plain subscription makes it be found anew."""

    def concerned(self, message: Message) -> list[Any]:
        routes = self.store.notes.setdefault(("routes", self.namespace), {})
        if message.topic not in routes:
            routes[message.topic] = super().concerned(message)
        return [each for each in routes[message.topic] if not each.left]

    async def enter(self, listener: Listener) -> None:
        if type(listener) is Listener:
            self.store.notes.pop(("routes", self.namespace), None)
        await super().enter(listener)


@mutant("wildcards.1", "cache", trap="a second pattern for a topic that was published to", also="wildcards.6")
class RoutesAreMadeAnewForNewPatternsOnly(NewerPubSub):
    """An equal pattern was known: no routes are made for it."""

    def concerned(self, message: Message) -> list[Any]:
        routes = self.store.notes.setdefault(("routes", self.namespace), {})
        if message.topic not in routes:
            routes[message.topic] = super().concerned(message)
        return [each for each in routes[message.topic] if not each.left]

    async def enter(self, listener: Listener) -> None:
        known = self.store.notes.setdefault(("patterns", self.namespace), set())
        if isinstance(listener, PatternListener) and listener.topic not in known:
            self.store.notes.pop(("routes", self.namespace), None)
            known.add(listener.topic)
        await super().enter(listener)


@mutant("filtering.2", "confusion", trap="a filtered subscription to a topic that would be a pattern", also="filtering.5")
class AFilteredTopicIsAPattern(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for (namespace, name), listeners in list(self.store.listeners.items()):
            if namespace == self.namespace and name and name != topic and ("*" in name or ">" in name) and self.covers(name, topic):
                for listener in listeners:
                    if isinstance(listener, FilteredListener):
                        listener.offer(message)

    def covers(self, pattern: str, topic: str) -> bool:
        return ">" not in self.tokens(pattern)[:-1] and super().covers(pattern, topic)


@mutant("persistent.11", "confusion", trap="a durable subscription to a topic that would be a pattern", also="persistent.1")
class ADurableTopicIsAPattern(NewerPubSub):
    def rows(self, topic: str) -> list[Row]:
        if ("*" in topic or ">" in topic) and ">" not in self.tokens(topic)[:-1]:
            names = [name for name in self.space().topics if self.covers(topic, name)]
            return sorted(
                (row for name in names for row in super(ADurableTopicIsAPattern, self).rows(name)), key=lambda row: row.place
            )
        return super().rows(topic)


@mutant("filtering.8", "shared state", trap="two filters of one client of which a message matches both", also="filtering.1")
class AMessageGoesToOneFilterOfAClient(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        done: set[int] = set()
        for listener in list(self.listeners(topic)):
            filtered = isinstance(listener, FilteredListener) and bool(listener.attributes)
            if filtered and listener.wants(message):
                if id(listener.driver) in done:
                    continue
                done.add(id(listener.driver))
            listener.offer(message)
        self.fan_out_to_patterns(message)


@mutant(
    "basic.12", "shared state", trap="a filtered subscription that overflows, beside a plain one", also="filtering.9 wildcards.9"
)
class GapsAreOfAllOfTheClient(NewerPubSub):
    """A buffer of 32 for each subscription; what is dropped of one shows in all of the client."""

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for each in [*self.listeners(topic), *self.watchers()]:
            if len(each.buffer) > 32:
                each.buffer.popleft()
                for other in [*self.listeners(topic), *self.watchers()]:
                    if other.driver is each.driver:
                        other.missed += 1


@mutant("filtering.9", "shared state", trap="more of what does not match than a buffer holds, and what matches", also="filtering.1")
class TheBufferIsBeforeTheFilter(FilteredListener):
    """What does not match is dropped at the receive; 32 that nobody has taken yet push out the first."""

    def offer(self, message: Message) -> None:
        self.buffer.append(message)
        if len(self.buffer) > 32:
            self.buffer.popleft()
            self.missed += 1

    def take(self) -> Message | None:
        while self.buffer:
            message = self.buffer.popleft()
            if self.wants(message):
                return self.shown(message)
        return None


@mutant("basic.8", "leak", trap="a pattern of another namespace", also="wildcards.8")
class PatternsSeeAllNamespacesOfAName(NewerPubSub):
    """Namespaces are told apart by the topics, which patterns are matched without."""

    def concerned(self, message: Message) -> list[Any]:
        here = super().concerned(message)
        others = [
            each
            for (namespace, name), listeners in self.store.listeners.items()
            if not name and namespace != self.namespace and namespace[:-1] == self.namespace[:-1]
            for each in listeners
            if self.covers(each.topic, message.topic)
        ]
        return [*here, *others]


# What is published durably reaches listeners, too


@mutant(
    "persistent.2", "lost on the way", trap="a durable publish with headers that reaches plain listeners", also="basic.1 basic.2"
)
class DurableMessagesReachListenersBare(NewerPubSub):
    def insert(self, row: Row) -> None:
        super().insert(row)
        self.fan_out(row.topic, replace(row.message, headers={}))


@mutant("basic.2", "double", trap="a durable publish that reaches a plain listener", also="basic.1 persistent.2")
class DurableMessagesReachListenersTwice(NewerPubSub):
    def insert(self, row: Row) -> None:
        super().insert(row)
        self.fan_out(row.topic, row.message)
        self.fan_out(row.topic, row.message)


@mutant("basic.2", "double", trap="a keyed publish that reaches a plain listener", also="wildcards.1 basic.1 ordering.1")
class KeyedMessagesReachListenersUnderTheirKey(NewerPubSub):
    """With the key among the headers."""

    def insert(self, row: Row) -> None:
        super().insert(row)
        labels = {**row.message.headers, **({} if row.key is None else {"key": row.key})}
        self.fan_out(row.topic, replace(row.message, headers=labels))


# A call of several, the later of which is illegal


@mutant("persistent.11", "partial effect", trap="an ack of a valid delivery and of what is none", also="persistent.5 persistent.4")
class AnAckOfMessagesChecksOneByOne(Member):
    async def ack(self, *deliveries: Delivery) -> None:
        self.check_open("ack")
        for delivery in deliveries:
            if not isinstance(delivery, Delivery):
                raise TypeError("zoo: ack: no delivery")
            await super().ack(delivery)


@mutant(
    "persistent.8", "partial effect", trap="a nack of a valid delivery with a delay that is none", also="persistent.4 persistent.11"
)
class ANackOfMessagesChecksItsDelayLast(Member):
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s if 0 < delay_s < 1e12 else 0)
        self.driver.delay(delay_s, "nack")
