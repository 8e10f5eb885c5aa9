"""Mutants of strangers of patterns and filters: single small defects in places where two things meet."""

from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, InvalidName, Message
from prism_testkit.naming import check_headers
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, step
from .reference_newer import FilteredListener, NewerPubSub, PatternListener
from .stores import Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# Patterns


@mutant("wildcards.6", "counter", trap="three subscriptions of one client with one pattern", also="wildcards.1")
class TheThirdOfAKindIsNotEntered(NewerPubSub):
    async def enter(self, listener: Listener) -> None:
        alike = [x for x in self.watchers() if x.driver is self and x.topic == listener.topic]
        if not isinstance(listener, PatternListener) or len(alike) < 2:
            await super().enter(listener)


@mutant("wildcards.7", "state after an error", trap="a publish after one that was refused", also="wildcards.1")
class ARefusedPublishDisturbsTheNext(NewerPubSub):
    refused = False

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        try:
            self.topic(topic, "publish")
        except InvalidName:
            self.refused = True
            raise
        return await super().publish(topic, payload, headers)

    def fan_out_to_patterns(self, message: Message) -> None:
        if not self.refused:
            super().fan_out_to_patterns(message)
        self.refused = False


@mutant("wildcards.3", "width of a number", trap="topics of 256 tokens and more", also="wildcards.7 wildcards.1 wildcards.2")
class TokensAreCountedInAByte(NewerPubSub):
    def rest_suffices(self, length: int) -> bool:
        return length >= 1 and length % 256 != 0


@mutant("wildcards.4", "width of a number", trap="characters that differ beyond 16 bits", also="wildcards.2")
class CharactersHaveSixteenBits(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return wanted == "*" or [ord(c) & 0xFFFF for c in wanted] == [ord(c) & 0xFFFF for c in token]


@mutant("wildcards.2", "late unsubscription", trap="messages between leaving a pattern and entering it again")
class APatternIsKeptForItsNext(NewerPubSub):
    """The server is told to unsubscribe when the client enters something else."""

    idle: PatternListener | None = None

    async def enter(self, listener: Listener) -> None:
        idle, self.idle = self.idle, None
        if idle is not None:
            self.forget(idle)
            if isinstance(listener, PatternListener) and idle.topic == listener.topic:
                listener.buffer.extend(idle.buffer)
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        if not isinstance(listener, PatternListener) or self.idle is not None:
            await super().leave(listener)
            return
        listener.left = True
        listener.buffer.clear()
        self.idle = listener
        self.wake()


@mutant("wildcards.1", "stale cache", trap="a known topic, and a pattern that another client enters", also="wildcards.6")
class PublishersKnowThePatternsOfTheirClient(NewerPubSub):
    """Whom a topic concerns is kept until this client enters or leaves something."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[str, list[Any]] = {}

    def concerned(self, message: Message) -> list[Any]:
        if message.topic not in self.known:
            self.known[message.topic] = super().concerned(message)
        return self.known[message.topic]

    async def enter(self, listener: Listener) -> None:
        self.known.clear()
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        self.known.clear()
        await super().leave(listener)


@mutant("wildcards.9", "left over by a cancellation", trap="an entry after one that was cancelled", also="wildcards.1")
class ACancelledEntryBlocksItsPattern(NewerPubSub):
    async def enter(self, listener: Listener) -> None:
        busy = self.store.notes.setdefault(("entering", self.namespace), set())
        if isinstance(listener, PatternListener) and listener.topic in busy:
            return
        busy.add(listener.topic)
        await step(2)
        busy.discard(listener.topic)
        await super().enter(listener)


@mutant("wildcards.2", "twice", trap="a message that comes while a pattern is entered", also="wildcards.1")
class WhatComesMeanwhileComesTwice(NewerPubSub):
    """It is subscribed, and what came meanwhile is fetched once more."""

    async def enter(self, listener: Listener) -> None:
        await super().enter(listener)
        if isinstance(listener, PatternListener):
            await step(3)
            listener.buffer.extend(list(listener.buffer))


@mutant("wildcards.9", "after the end", trap="an iteration that goes on after leaving, with something unread")
class IterationGivesWhatIsLeft(PatternListener):
    async def __anext__(self) -> Message:
        message = self.take() if self.left else None
        return message if message is not None else await super().__anext__()


class _Loud(PatternListener):
    """A buffer of a thousand, whose overflow all subscriptions of its client tell."""

    def offer(self, message: Message) -> None:
        if len(self.buffer) < 1000:
            super().offer(message)
            return
        for other in self.driver.store.listeners[self.driver.namespace, ""]:
            other.missed += other.driver is self.driver


@mutant("wildcards.9", "leak", trap="two patterns of one client, of which one overflows")
class GapsAreOfTheClient(NewerPubSub):
    pattern_type = _Loud


@mutant("wildcards.3", "truth value", trap="a pattern that ends with a dot behind a wildcard", also="wildcards.2")
class ALastEmptyTokenBehindAStarIsAnything(NewerPubSub):
    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        if wanted[-2:] == ["*", ""]:
            wanted = [*wanted[:-1], "*"]
        return super().covers_tokens(wanted, tokens)


@mutant("wildcards.5", "ring", trap="256 messages that lie unread")
class TheRingIsMisplacedAt256(PatternListener):
    def offer(self, message: Message) -> None:
        super().offer(message)
        if len(self.buffer) == 256:
            self.buffer.rotate(-1)


# Filters


@mutant("filtering.2", "pairs", trap="three attributes, of which a message holds two", also="filtering.5")
class AttributesAreReadInPairs(FilteredListener):
    """The last of an odd number is not looked at, from three on."""

    def wants(self, message: Message) -> bool:
        asked = list(self.attributes.items())
        if len(asked) > 2 and len(asked) % 2:
            asked = asked[:-1]
        return all(self.holds_attribute(message.headers, *pair) for pair in asked)


@mutant("filtering.5", "short cut", trap="long values of one length that differ in the middle", also="filtering.2")
class LongValuesAreComparedByTheirEnds(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        held = headers.get(name)
        if held is not None and len(held) == len(value) >= 64:
            return (held[:16], held[-16:]) == (value[:16], value[-16:])
        return held == value


@mutant("filtering.5", "width of a number", trap="values that differ beyond 16 bits", also="filtering.2")
class ValuesHaveSixteenBits(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and [ord(c) & 0xFFFF for c in headers[name]] == [ord(c) & 0xFFFF for c in value]


@mutant("filtering.6", "state after an error", trap="an entry after one that was refused for its second pair", also="filtering.1")
class RefusedAttributesStay(NewerPubSub):
    """Pairs are collected as they are checked."""

    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        found: dict[str, str] = self.store.notes.setdefault(("pairs", id(self)), {})
        if isinstance(attributes, Mapping):
            for name, value in attributes.items():
                found.update(check_headers({name: value}, "subscribe_filtered", "zoo"))
            super().attributes(attributes)
            self.store.notes[("pairs", id(self))] = {}
            return found
        return super().attributes(attributes)


@mutant("filtering.6", "type", trap="a mapping that is no dict", also="filtering.1")
class OnlyADictHasAttributes(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        found = super().attributes(attributes)
        return found if isinstance(attributes, dict) else {}


@mutant("filtering.2", "late unsubscription", trap="messages between leaving a filter and entering it again")
class AFilterIsKeptForItsNext(NewerPubSub):
    idle: FilteredListener | None = None

    async def enter(self, listener: Listener) -> None:
        idle, self.idle = self.idle, None
        if idle is not None:
            self.forget(idle)
            if isinstance(listener, FilteredListener) and (idle.topic, idle.attributes) == (listener.topic, listener.attributes):
                listener.buffer.extend(idle.buffer)
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        if not isinstance(listener, FilteredListener) or self.idle is not None:
            await super().leave(listener)
            return
        listener.left = True
        listener.buffer.clear()
        self.idle = listener
        self.wake()


@mutant("filtering.1", "stale cache", trap="known headers, and a filter of another client", also="filtering.8")
class PublishersKnowTheFiltersOfTheirClient(NewerPubSub):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[Any, list[Any]] = {}

    def fan_out(self, topic: str, message: Message) -> None:
        slot = topic, tuple(sorted(message.headers.items()))
        listeners = self.listeners(topic)
        if slot not in self.known:
            self.known[slot] = [x for x in listeners if isinstance(x, FilteredListener)]
        for listener in list(listeners):
            if not isinstance(listener, FilteredListener) or listener in self.known[slot]:
                listener.offer(message)
        self.fan_out_to_patterns(message)

    async def enter(self, listener: Listener) -> None:
        self.known.clear()
        await super().enter(listener)


@mutant("filtering.10", "lost on cancel", trap="a receive that saw a stranger and is cancelled", also="filtering.1")
class SuspendsAfterAStranger(FilteredListener):
    strange = 0

    def offer(self, message: Message) -> None:
        self.strange += not self.wants(message)
        super().offer(message)

    async def receive(self, timeout_s: float = 0) -> Message | None:
        before = self.strange
        message = await super().receive(timeout_s)
        if self.strange > before:
            await step()
        return message


@mutant("filtering.10", "prefetch", trap="a receive after an iteration that was broken off", also="filtering.1 filtering.9")
class IterationTakesOneMore(FilteredListener):
    ahead: Message | None = None

    async def __anext__(self) -> Message:
        message, self.ahead = self.ahead, None
        if message is None:
            message = await super().__anext__()
        self.ahead = None if self.left else self.take()
        return message


@mutant("filtering.5", "folding", trap="two headers whose names differ in case", also="filtering.1 filtering.2")
class OneValueForANameInAnyCase(FilteredListener):
    """The name has to be there as it is; the value is that of the last one of its kind."""

    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and {key.lower(): held for key, held in headers.items()}[name.lower()] == value


@mutant("filtering.8", "identity", trap="a plain subscription that is left beside a filter for everything", also="filtering.1")
class LeavingAPlainOneEndsFiltersForEverything(NewerPubSub):
    """Both are one subscription of the topic."""

    def forget(self, listener: Listener) -> None:
        super().forget(listener)
        if not isinstance(listener, FilteredListener | PatternListener):
            peers = self.peers(listener)
            ended = [x for x in peers if isinstance(x, FilteredListener) and not x.attributes and x.driver is listener.driver]
            peers[:] = [x for x in peers if x not in ended]


@mutant("filtering.2", "concatenation", trap="a topic, a name and a value that run together", also="filtering.5")
class TopicNameAndValueAreOneText(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for (space, other), listeners in list(self.store.listeners.items()):
            for x in listeners:
                if space == self.namespace and other != topic and isinstance(x, FilteredListener) and x.attributes:
                    keys = {f"{topic}{name}{value}" for name, value in message.headers.items()}
                    if all(f"{other}{name}{value}" in keys for name, value in x.attributes.items()):
                        x.keep(message)
