"""Mutants that are wrong from some message of a page, a buffer or a sweep on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from prism_testkit.interfaces import Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member
from .reference_newer import FilteredListener, NewerPubSub, OrderedMember, PatternListener
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Receives(Member):
    """Receives of pages."""

    page: ClassVar[int] = 100

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        found = super().deliver(rows)
        return [x if number < self.page else self.later(x, found[number % self.page]) for number, x in enumerate(found)]

    def later(self, delivery: Delivery, other: Delivery) -> Delivery:
        """Return a delivery that is on no first page; ``other`` is one of the first."""
        return delivery


@mutant("persistent.2", "paging", trap="a receive of 101 messages with headers")
class TheSecondPageHasNoHeaders(_Receives):
    def later(self, delivery: Delivery, other: Delivery) -> Delivery:
        return replace(delivery, message=replace(delivery.message, headers={}))


@mutant("persistent.5", "paging", trap="a receive of 101 messages that are acked", also="persistent.1 persistent.15 persistent.4")
class TheSecondPageHasTheTokensOfTheFirst(_Receives):
    def later(self, delivery: Delivery, other: Delivery) -> Delivery:
        return replace(delivery, token=other.token)


@mutant("persistent.4", "paging", trap="101 messages that come again at one receive")
class TheSecondPageIsAlwaysOfFirstDeliveries(_Receives):
    def later(self, delivery: Delivery, other: Delivery) -> Delivery:
        return replace(delivery, delivery_count=1)


@mutant("persistent.2", "paging", trap="a receive of 101 messages, each with an id of its own", also="persistent.1")
class TheSecondPageHasTheIdsOfTheFirst(_Receives):
    def later(self, delivery: Delivery, other: Delivery) -> Delivery:
        return replace(delivery, message=replace(delivery.message, id=other.message.id))


class _Buffers(Listener):
    """A buffer whose later messages are not kept as the first ones."""

    small: ClassVar[int] = 10

    def offer(self, message: Message) -> None:
        super().offer(self.later(message) if len(self.buffer) >= self.small else message)

    def later(self, message: Message) -> Message:
        """Return what is kept where there are many."""
        return message


@mutant("basic.1", "batch", trap="eleven messages with headers wait in a buffer")
class BehindTenWaitingHeadersAreLost(_Buffers):
    def later(self, message: Message) -> Message:
        return replace(message, headers={})


@mutant("basic.1", "batch", trap="two messages with headers wait in a buffer")
class OfTwoWaitingTheSecondHasTheHeadersOfTheFirst(_Buffers):
    small = 1

    def later(self, message: Message) -> Message:
        return replace(message, headers=self.buffer[0].headers)


@mutant("wildcards.1", "batch", trap="two messages of two topics wait in the buffer of a pattern", also="wildcards.2")
class OfTwoWaitingTheSecondHasTheTopicOfTheFirst(PatternListener):
    def offer(self, message: Message) -> None:
        super().offer(replace(message, topic=self.buffer[0].topic) if self.buffer else message)


@mutant("wildcards.1", "batch", trap="messages of eleven topics wait in the buffer of a pattern", also="wildcards.2")
class BehindTenWaitingTheTopicIsThePattern(PatternListener):
    def offer(self, message: Message) -> None:
        super().offer(replace(message, topic=self.topic) if len(self.buffer) >= 10 else message)


@mutant("filtering.3", "batch", trap="eleven messages wait in the buffer of a filter", also="filtering.1")
class BehindTenWaitingOnlyTheFilteredHeadersAreKept(FilteredListener):
    def keep(self, message: Message) -> None:
        named = {name: value for name, value in message.headers.items() if name in self.attributes}
        super().keep(replace(message, headers=named) if len(self.buffer) >= 10 else message)


@mutant("filtering.2", "batch", trap="a filter of three attributes, the third of which differs")
class OnlyTwoAttributesAreCompared(FilteredListener):
    def wants(self, message: Message) -> bool:
        return all(self.holds_attribute(message.headers, name, value) for name, value in list(self.attributes.items())[:2])


@mutant("filtering.2", "batch", trap="a filter of eleven attributes, the last of which differs")
class OnlyTenAttributesAreCompared(FilteredListener):
    def wants(self, message: Message) -> bool:
        return all(self.holds_attribute(message.headers, name, value) for name, value in list(self.attributes.items())[:10])


@mutant("filtering.1", "batch", trap="a message of eleven headers, the last of which is asked for", also="filtering.2")
class OnlyTenHeadersAreLookedAt(FilteredListener):
    def wants(self, message: Message) -> bool:
        first: Mapping[str, str] = dict(list(message.headers.items())[:10])
        return all(self.holds_attribute(first, name, value) for name, value in self.attributes.items())


@mutant("ordering.2", "batch", trap="three keys whose first ones are given back at once", also="ordering.3 ordering.4")
class OfThreeKeysGivenBackTheLastGoesOn(OrderedMember):
    """What stands behind the head of the last one overtakes it."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        passed = self.driver.store.notes.setdefault((self.driver.namespace, self.topic, self.name), set())
        passed |= set(identifiers[2:])

    def pending(self) -> list[Row]:
        passed = self.driver.store.notes.get((self.driver.namespace, self.topic, self.name), set())
        rows = super().pending()
        return [row for row in rows if row.message.id not in passed] + [row for row in rows if row.message.id in passed]


@mutant("ordering.7", "missing check", trap="headers over their limit, with a key", also="ordering.1 persistent.11")
class HeadersOfAKeyedMessageHaveNoLimit(NewerPubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        texts = isinstance(headers, dict) and all(isinstance(text, str) for pair in headers.items() for text in pair)
        if operation == "publish_ordered" and texts and headers is not None:
            return dict(headers)
        return super().labels(headers, operation)
