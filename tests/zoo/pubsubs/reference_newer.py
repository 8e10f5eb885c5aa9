"""The correct driver of the family extended by patterns, filters and ordering keys, in the same small steps."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from prism_testkit.interfaces import (
    Bytes,
    InvalidName,
    Message,
    PubSubFiltering,
    PubSubOrdering,
    PubSubWildcards,
    Subscription,
)
from prism_testkit.naming import check_headers, check_name

from .reference import FilePubSub, Listener, Member, PubSub
from .stores import Row

__all__ = ["FileNewerPubSub", "FilteredListener", "NewerPubSub", "OrderedMember", "PatternListener"]


class PatternListener(Listener):
    """A subscription to what a pattern matches; its ``topic`` is the pattern."""


class FilteredListener(Listener):
    """A subscription to what carries certain headers; it is offered all of its topic."""

    def __init__(self, driver: PubSub, topic: str, attributes: Mapping[str, str]) -> None:
        super().__init__(driver, topic)
        self.attributes = attributes

    def offer(self, message: Message) -> None:
        if self.wants(message):
            self.keep(message)

    def keep(self, message: Message) -> None:
        super().offer(message)

    def wants(self, message: Message) -> bool:
        return all(self.holds_attribute(message.headers, name, value) for name, value in self.attributes.items())

    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and headers[name] == value


class OrderedMember(Member):
    """A member that takes of each key only what stands first."""

    def pending(self) -> list[Row]:
        """Return what belongs to the subscription and was not acked, in the order of publishing."""
        return [row for row in self.driver.rows(self.topic) if self.inside(row) and not self.mark(row.message.id).acked]

    def heads(self) -> list[Row]:
        """Return of what is pending the first of each key, and all without one."""
        found, seen = [], set()
        for row in self.pending():
            lane = self.lane(row)
            if lane is None or lane not in seen:
                found.append(row)
            seen.add(lane)
        return found

    def lane(self, row: Row) -> Any:
        """Return what a message waits in line for, None if for nothing."""
        return row.key

    def next_ones(self, amount: int) -> list[Row]:
        return [row for row in self.heads() if self.available(row)][:amount]


class NewerPubSub(PubSub, PubSubWildcards, PubSubFiltering, PubSubOrdering):
    """All five interfaces."""

    pattern_type: type[PatternListener] = PatternListener
    filtered_type: type[FilteredListener] = FilteredListener
    member_type = OrderedMember

    # Patterns

    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        return self.entered(self.pattern_type(self, self.pattern(pattern)))

    def pattern(self, pattern: str) -> str:
        """Return a legal pattern."""
        check_name(pattern, "subscribe_pattern", "zoo", self.limits)
        if ">" in self.tokens(pattern)[:-1]:
            raise InvalidName(f"zoo: subscribe_pattern: {pattern[:40]!a}: '>' is the last token or none")
        return pattern

    def tokens(self, text: str) -> list[str]:
        return text.split(".")

    def covers(self, pattern: str, topic: str) -> bool:
        """Return whether a pattern matches a topic."""
        return self.covers_tokens(self.tokens(pattern), self.tokens(topic))

    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        if wanted[-1] == ">":
            wanted = wanted[:-1]
            if not self.rest_suffices(len(tokens) - len(wanted)):
                return False
            tokens = tokens[: len(wanted)]
        return len(wanted) == len(tokens) and all(map(self.stands_for, wanted, tokens))

    def rest_suffices(self, length: int) -> bool:
        """Return whether so many tokens are something that a last ``>`` stands for."""
        return length >= 1

    def stands_for(self, wanted: str, token: str) -> bool:
        return wanted == "*" or wanted == token

    def watchers(self) -> list[Any]:
        """Return the subscriptions by pattern; no topic has the empty name."""
        return self.store.listeners.setdefault((self.namespace, ""), [])

    def concerned(self, message: Message) -> list[Any]:
        """Return the subscriptions by pattern that a message concerns."""
        return [watcher for watcher in self.watchers() if self.covers(watcher.topic, message.topic)]

    # Filters

    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        return self.entered(self.filtered_type(self, self.topic(topic, "subscribe_filtered"), self.attributes(attributes)))

    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        """Return a copy of legal attributes."""
        if attributes is None:
            raise TypeError("zoo: subscribe_filtered: attributes are a mapping, not None")
        return check_headers(attributes, "subscribe_filtered", "zoo")

    # All that listen

    @asynccontextmanager
    async def entered(self, listener: Listener) -> AsyncIterator[Subscription]:
        await self.enter(listener)
        try:
            yield listener
        finally:
            await self.leave(listener)

    def peers(self, listener: Listener) -> list[Any]:
        """Return the list that a subscription stands in."""
        return self.watchers() if isinstance(listener, PatternListener) else self.listeners(listener.topic)

    async def enter(self, listener: Listener) -> None:
        self.peers(listener).append(listener)

    def forget(self, listener: Listener) -> None:
        if listener in self.peers(listener):
            self.peers(listener).remove(listener)

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        self.fan_out_to_patterns(message)

    def fan_out_to_patterns(self, message: Message) -> None:
        for watcher in self.concerned(message):
            watcher.offer(message)

    # Ordering

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self.ordered_row(topic, ordering_key, payload, headers)
        self.insert(row)
        return row.message.id

    def ordered_row(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None) -> Row:
        """Return what is stored of a legal message."""
        operation = "publish_ordered"
        name, key = self.topic(topic, operation), self.key(ordering_key)
        data, labels = self.data(payload, operation, topic), self.labels(headers, operation)
        place = self.serial()
        return Row(name, place, Message(self.new_persistent_id(name, place), topic, data, labels), key)

    def key(self, ordering_key: str) -> str:
        """Return the name under which a legal key is known."""
        check_name(ordering_key, "publish_ordered", "zoo", self.limits)
        return ordering_key


class FileNewerPubSub(FilePubSub, NewerPubSub):
    """All five interfaces over a `FileStore`."""
