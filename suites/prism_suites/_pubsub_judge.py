"""Compares what subscriptions are given with what the model allows, and names the promise that broke."""

from collections.abc import Sequence
from typing import Any, NoReturn

from prism_suites._judging import broken
from prism_suites._keyvalue_model import Window
from prism_suites._pubsub_model import Durable, Given, Item, Joined, Listener, Space
from prism_suites._pubsub_taking import is_message
from prism_testkit.case import Case
from prism_testkit.interfaces import Delivery, Message

__all__ = ["Judge"]


class Judge:
    """Judges one namespace; ``sibling`` is the model of the other one."""

    def __init__(self, case: Case, space: Space, sibling: Space, slack_ns: int) -> None:
        self.case = case
        self.space = space
        self.sibling = sibling
        self.slack_ns = slack_ns

    # -- plain subscriptions ---------------------------------------------------------------------------------------------------

    def heard(self, listener: Listener, got: Message | None) -> None:
        """Judge what a plain subscription was given."""
        candidates = listener.next()
        if got is None:
            if candidates:
                sentence = "a message that was published to a subscription's topic is not received"
                broken("pubsub_basic.1", sentence, expected=candidates[0].sent, got=None)
            return
        for published in candidates:
            if isinstance(got, Message) and (got.id, got.payload) == (published.sent.id, published.sent.payload):
                is_message("pubsub_basic.1", got, published.sent, "a message is not received as it was published")
                listener.due.remove(published)
                listener.given.append(published.sent)
                return
        self._not_for(listener, got)

    def _not_for(self, listener: Listener, got: Message) -> NoReturn:
        def is_it(sent: Any) -> bool:
            return isinstance(got, Message) and (got.id, got.payload) == (sent.id, sent.payload)

        expected = [published.sent for published in listener.next()]
        if any(is_it(published.sent) for published in listener.due):
            broken("pubsub_basic.3", "a message overtakes one of its publisher, or that is lost", expected=expected, got=got)
        if any(map(is_it, listener.given)):
            broken("pubsub_basic.2", "a message is received twice", expected=expected, got=got)
        if any(is_it(published.sent) and published.sent.topic == listener.topic for published in self.space.plain):
            broken("pubsub_basic.2", "a message from before the entry is received", expected=expected, got=got)
        if any(is_it(published.sent) for published in self.space.plain):
            broken("pubsub_basic.5", "a message of another topic is received", expected=expected, got=got)
        if any(is_it(published.sent) for published in self.sibling.plain):
            broken("pubsub_basic.8", "a message of another namespace is received", expected=expected, got=got)
        broken("pubsub_basic.2", "a message is received that was not published to it", expected=expected, got=got)

    # -- durable subscriptions -------------------------------------------------------------------------------------------------

    def given(self, member: Joined, deliveries: Sequence[Delivery], before: Sequence[Item], now: Window) -> None:
        """Judge what a member was given, and carry it out; ``before``: what was there for certain when it asked."""
        durable = member.durable
        if not deliveries and before:
            promise = "pubsub_persistent.4" if before[0].count else "pubsub_persistent.13"
            broken(promise, "receive gives nothing, though there is a message", expected=before[0].published.sent, got=[])
        fresh: set[int] = set()
        for delivery in deliveries:
            item = self._item(durable, delivery)
            if id(item) in fresh:
                broken("pubsub_persistent.7", "one receive gives a message twice", expected="once", got=delivery)
            if item.comes(now, self.slack_ns) == "no":
                self._must_not(item, delivery)
            if item.count == 0 and member.alone:
                self._in_turn(durable, item)
            self._counted(item, delivery)
            fresh.add(id(item))
            item.state, item.since, item.loose, item.count = "held", now.start, False, delivery.delivery_count
            item.last = Given(delivery, item, member)
            self.space.given.append(item.last)

    def _item(self, durable: Durable, delivery: Delivery) -> Item:
        message = delivery.message
        item = durable.items.get(message.id)
        if item is None or item.published.sent.payload != message.payload:
            self._stranger(durable, message, item)
        is_message("pubsub_persistent.2", message, item.published.sent, "a message is not received as it was published")
        return item

    def _stranger(self, durable: Durable, message: Message, item: Item | None) -> NoReturn:
        expected = "a message of its own"
        if item is not None and message.topic == durable.topic:
            broken("pubsub_persistent.2", "a message comes with another payload", expected=item.published.sent, got=message)
        for topic, log in self.space.logs.items():
            for published in log:
                if (published.sent.id, published.sent.payload) != (message.id, message.payload):
                    continue
                if topic == durable.topic:
                    broken(
                        "pubsub_persistent.1", "a message from before the subscription is received", expected=expected, got=message
                    )
                broken("pubsub_persistent.11", "a message of another topic is received", expected=expected, got=message)
        for published in (published for log in self.sibling.logs.values() for published in log):
            if published.sent.payload == message.payload and published.sent.payload:
                broken("pubsub_persistent.12", "a message of another namespace is received", expected=expected, got=message)
        broken("pubsub_persistent.1", "a message is received that was not published persistently", expected=expected, got=message)

    def _must_not(self, item: Item, delivery: Delivery) -> NoReturn:
        promise, what = {
            "acked": ("pubsub_persistent.5", "an acked message comes again"),
            "held": ("pubsub_persistent.7", "a message that is held comes again"),
            "delayed": ("pubsub_persistent.8", "a nacked message comes before its delay is over"),
        }[item.state]
        broken(promise, what, expected="another or none", got=delivery)

    def _in_turn(self, durable: Durable, item: Item) -> None:
        for other in durable.items.values():
            if other is item:
                return
            if other.count == 0 and other.published.by == item.published.by and other.state == "ready":
                sentence = "a message comes to a single member before one that its publisher published earlier"
                broken("pubsub_persistent.3", sentence, expected=other.published.sent, got=item.published.sent)

    def _counted(self, item: Item, delivery: Delivery) -> None:
        got, before = delivery.delivery_count, item.count
        if item.forgotten:
            item.forgotten, before = False, 0
            exact = False
        else:
            exact = self.case.traits.delivery_count == "exact"
        if isinstance(got, bool) or not isinstance(got, int) or got <= before or (exact and got != before + 1):
            broken("pubsub_persistent.4", "delivery_count does not rise as it should", expected=before + 1, got=got)
