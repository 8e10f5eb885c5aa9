"""Mutants of `PubSubFiltering`: what matches, and what is received of it (1 to 4)."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, PubSub
from .reference_newer import FilteredListener, NewerPubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# filtering.1: everything that matches, as it was published


@mutant("filtering.1", "wrong comparison", trap="a message with more headers than were asked for", also="filtering.3 filtering.4")
class HeadersAreAllThatWasAsked(FilteredListener):
    def wants(self, message: Message) -> bool:
        return dict(message.headers) == dict(self.attributes)


@mutant("filtering.1", "order", trap="headers in another order than the attributes", also="filtering.3")
class ComparesPairsInTheirOrder(FilteredListener):
    def wants(self, message: Message) -> bool:
        pairs = iter(message.headers.items())
        return all(pair in pairs for pair in self.attributes.items())


@mutant("filtering.1", "wrong field")
class FilteredOnesHaveIdsOfTheirOwn(FilteredListener):
    count = 0

    def keep(self, message: Message) -> None:
        self.count += 1
        super().keep(replace(message, id=f"f{self.count}"))


@mutant("filtering.1", "truth value", trap="an empty payload")
class NothingMatchesNothing(FilteredListener):
    def keep(self, message: Message) -> None:
        if message.payload:
            super().keep(message)


@mutant("filtering.1", "deduplication", trap="two messages that are alike")
class TwoThatAreAlikeAreOne(FilteredListener):
    last: tuple[bytes, Mapping[str, str]] | None = None

    def keep(self, message: Message) -> None:
        if self.last != (message.payload, message.headers):
            super().keep(message)
        self.last = message.payload, message.headers


@mutant("filtering.1", "encoding", trap="a payload that is no UTF-8")
class FilteredOnesComeAsText(FilteredListener):
    def shown(self, message: Message) -> Message:
        return replace(super().shown(message), payload=message.payload.decode("latin-1").encode())


@mutant("filtering.1", "stale cache", trap="two messages of one topic, of which only the second matches")
class DecidesOnceForATopic(FilteredListener):
    """What the first message says holds for all."""

    decided: bool | None = None

    def wants(self, message: Message) -> bool:
        if self.decided is None:
            self.decided = super().wants(message)
        return self.decided and super().wants(message)


# filtering.2: and nothing else


@mutant("filtering.2", "wrong quantifier", trap="two attributes, of which a message holds one")
class OneAttributeIsEnough(FilteredListener):
    def wants(self, message: Message) -> bool:
        return not self.attributes or any(self.holds_attribute(message.headers, *pair) for pair in self.attributes.items())


@mutant("filtering.2", "missing step", trap="two attributes, of which a message holds the first")
class OnlyTheFirstAttributeIsIndexed(FilteredListener):
    def wants(self, message: Message) -> bool:
        return all(self.holds_attribute(message.headers, *pair) for pair in list(self.attributes.items())[:1])


@mutant("filtering.2", "missing step", trap="a message with another value", also="filtering.5")
class OnlyNamesAreAsked(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers


@mutant("filtering.2", "limit", trap="nine attributes, of which the last is not held", also="filtering.5")
class EightAttributesAreAsked(FilteredListener):
    def wants(self, message: Message) -> bool:
        return all(self.holds_attribute(message.headers, *pair) for pair in list(self.attributes.items())[:8])


@mutant("filtering.2", "wrong key", trap="a message that matches in another topic", also="filtering.1")
class FiltersAreIndexedWithoutTheirTopic(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for (space, other), listeners in list(self.store.listeners.items()):
            for listener in listeners:
                if space == self.namespace and other != topic and isinstance(listener, FilteredListener) and listener.attributes:
                    listener.offer(message)


@mutant("filtering.2", "wrong count", trap="two attributes", also="filtering.1")
class OnceForEachAttribute(FilteredListener):
    def keep(self, message: Message) -> None:
        for _ in range(max(1, len(self.attributes))):
            super().keep(message)


@mutant("filtering.2", "retained", trap="a message before the entry", also="filtering.1")
class FiltersReplayTheLast(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        self.store.notes["last", self.namespace, topic] = message
        super().fan_out(topic, message)

    async def enter(self, listener: Listener) -> None:
        await super().enter(listener)
        last = self.store.notes.get(("last", self.namespace, listener.topic))
        if isinstance(listener, FilteredListener) and last is not None:
            listener.offer(last)


@mutant("filtering.2", "union", trap="two filters of one client and topic", also="filtering.8")
class AClientHasOneFilterForATopic(NewerPubSub):
    """What one of a client's filters asks for goes to all of them."""

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        filters = [listener for listener in self.listeners(topic) if isinstance(listener, FilteredListener)]
        clients = {id(listener.driver) for listener in filters if listener.wants(message)}
        for listener in filters:
            if id(listener.driver) in clients and not listener.wants(message):
                listener.keep(message)


# filtering.3: all headers, and those that were not asked for do not matter


@mutant("filtering.3", "lost field", trap="headers that were not asked for")
class OnlyWhatWasAskedIsSent(FilteredListener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={n: v for n, v in message.headers.items() if n in self.attributes or not self.attributes})


@mutant("filtering.3", "consumed", trap="headers that were asked for", also="filtering.1")
class WhatWasAskedIsTakenOut(FilteredListener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={n: v for n, v in message.headers.items() if n not in self.attributes})


@mutant("filtering.3", "folding", trap="a header name in upper case")
class FilteredNamesComeInLowerCase(FilteredListener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={name.lower(): value for name, value in message.headers.items()})


@mutant("filtering.3", "truth value", trap="a header with an empty value")
class EmptyHeadersAreNotSent(FilteredListener):
    def shown(self, message: Message) -> Message:
        return replace(message, headers={name: value for name, value in message.headers.items() if value})


@mutant("filtering.3", "limit", trap="more than ten headers", also="filtering.1")
class TenHeadersAreLookedAt(FilteredListener):
    def wants(self, message: Message) -> bool:
        return super().wants(replace(message, headers=dict(list(message.headers.items())[:10])))


@mutant("filtering.3", "limit", trap="headers of more than 4 KiB", also="filtering.1")
class HeadersOver4KiBDoNotMatch(FilteredListener):
    """They do not fit into the index."""

    def wants(self, message: Message) -> bool:
        return sum(len(n) + len(v) for n, v in message.headers.items()) <= 4096 and super().wants(message)


# filtering.4: nothing and empty


@mutant("filtering.4", "truth value", trap="no attributes", also="filtering.1")
class NoAttributesMatchNothing(FilteredListener):
    def wants(self, message: Message) -> bool:
        return bool(self.attributes) and super().wants(message)


@mutant("filtering.4", "meaning", trap="no attributes, and a message with headers", also="filtering.1 filtering.3")
class NoAttributesAskForNoHeaders(FilteredListener):
    def wants(self, message: Message) -> bool:
        return super().wants(message) and (bool(self.attributes) or not message.headers)


@mutant("filtering.4", "missing case", trap="no attributes, and a message without headers", also="filtering.1")
class WithoutHeadersNothingMatches(FilteredListener):
    def wants(self, message: Message) -> bool:
        return bool(message.headers) and super().wants(message)


@mutant("filtering.4", "short cut", trap="attributes, and a message without headers", also="filtering.2")
class WithoutHeadersEverythingMatches(FilteredListener):
    def wants(self, message: Message) -> bool:
        return not message.headers or super().wants(message)


@mutant("filtering.4", "default", trap="an empty value, and a message without that header", also="filtering.2")
class WhatIsNotThereIsEmpty(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return headers.get(name, "") == value


@mutant("filtering.4", "meaning", trap="an empty value, and a header with another", also="filtering.2")
class AnEmptyValueAsksForTheName(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and (not value or headers[name] == value)


@mutant("filtering.4", "truth value", trap="an empty value, and a header that is empty", also="filtering.1")
class AnEmptyValueIsNeverHeld(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return bool(headers.get(name)) and headers[name] == value


@mutant("filtering.4", "dropped", trap="an empty value beside another", also="filtering.2")
class EmptyValuesAreNotAsked(FilteredListener):
    """What is empty is taken out of the query."""

    def __init__(self, driver: PubSub, topic: str, attributes: Mapping[str, str]) -> None:
        super().__init__(driver, topic, {name: value for name, value in attributes.items() if value})
