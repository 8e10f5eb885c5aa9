"""Mutants of `PubSubFiltering`: order, others, waiting, and what a subscription is otherwise (8 to 10)."""

import asyncio
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Closed, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, step
from .reference_newer import FilteredListener, NewerPubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Filters(NewerPubSub):
    """Chooses among the filters that match."""

    def fan_out(self, topic: str, message: Message) -> None:
        listeners = list(self.listeners(topic))
        filters = [x for x in listeners if isinstance(x, FilteredListener) and x.wants(message)]
        for listener in listeners:
            if not isinstance(listener, FilteredListener):
                listener.offer(message)
        for listener in self.chosen(filters, message):
            listener.keep(message)
        self.fan_out_to_patterns(message)

    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        return filters


# filtering.8: order, and every subscription gets every message


@mutant("filtering.8", "order", trap="two messages before the first receive")
class TheLastMatchComesFirst(FilteredListener):
    def take(self) -> Message | None:
        return self.shown(self.buffer.pop()) if self.buffer else None


@mutant("filtering.8", "sorting", trap="messages with different headers before the first receive")
class OrdersByHeaders(FilteredListener):
    """As it comes out of an index."""

    def keep(self, message: Message) -> None:
        super().keep(message)
        found = sorted(self.buffer, key=lambda kept: sorted(kept.headers.items()))
        self.buffer.clear()
        self.buffer.extend(found)


@mutant("filtering.8", "two paths", trap="a message with many headers before one with few", also="filtering.1")
class ManyHeadersTakeAStepMore(FilteredListener):
    def keep(self, message: Message) -> None:
        if len(message.headers) > len(self.attributes):
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self.late, message)
        else:
            super().keep(message)

    def late(self, message: Message) -> None:
        super().keep(message)
        self.driver.wake()


@mutant("filtering.8", "first match", trap="two filters that a message matches", also="filtering.1")
class TheFirstFilterTakesAll(_Filters):
    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        return filters[:1]


@mutant("filtering.8", "first match", trap="a filter that asks for more than another", also="filtering.1")
class TheMostParticularFilterTakesAll(_Filters):
    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        most = max((len(x.attributes) for x in filters), default=0)
        return [x for x in filters if len(x.attributes) == most]


@mutant("filtering.8", "sharing", trap="two filters that are equal", also="filtering.1")
class EqualFiltersShare(_Filters):
    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        return list({tuple(sorted(x.attributes.items())): x for x in filters}.values())


@mutant("filtering.8", "wrong count", trap="two filters of one client that a message matches", also="filtering.1")
class OnceForAClientThatFilters(_Filters):
    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        return list({id(x.driver): x for x in filters}.values())


@mutant("filtering.8", "shadowing", trap="a filter beside a plain subscription", also="filtering.1")
class PlainOnesTakeWhatFiltersWant(_Filters):
    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        plain = [x for x in self.listeners(message.topic) if not isinstance(x, FilteredListener)]
        return [] if any(x.driver is self for x in plain) else filters


@mutant("filtering.8", "identity", trap="two filters that are equal, of which one is left", also="filtering.1")
class LeavingIsByAttributes(NewerPubSub):
    def forget(self, listener: Listener) -> None:
        peers = self.peers(listener)
        asked = getattr(listener, "attributes", listener)
        peers[:] = [peer for peer in peers if getattr(peer, "attributes", peer) != asked]


@mutant("filtering.8", "head of line", trap="a filter that does not receive", also="filtering.1")
class ASlowFilterHoldsUpTheOthers(_Filters):
    def chosen(self, filters: list[Any], message: Message) -> list[Any]:
        return [] if any(len(x.buffer) >= 64 for x in filters) else filters


# filtering.9: what does not match ends no wait and is not counted


@mutant("filtering.9", "early", trap="a message that does not match, while one waits")
class AnyMessageOfTheTopicEndsTheWait(FilteredListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(0)
        if message is None and self.driver.timeout(timeout_s, "receive") > 0:
            await self.driver.pause(self.driver.after(timeout_s))
            message = await super().receive(0)
        return message


@mutant("filtering.9", "lost wake-up", trap="a message that does not match and one that does, while one waits", also="filtering.1")
class WakesOnceOnly(FilteredListener):
    """After what did not match the rest of the time is slept."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        end = self.driver.after(self.driver.timeout(timeout_s, "receive"))
        message = await super().receive(0)
        if message is None and timeout_s > 0:
            await self.driver.pause(end)
            message = await super().receive(0)
            if message is None:
                await self.driver.store.clock.sleep(max(0.0, end - self.driver.now()))
                message = await super().receive(0)
        return message


class _Filtering(FilteredListener):
    """Keeps all of its topic, and filters when it is asked."""

    def offer(self, message: Message) -> None:
        self.keep(message)


@mutant("filtering.9", "wrong layer", trap="a message that does not match before one that does", also="filtering.1")
class OneMessageIsLookedAtInAReceive(_Filtering):
    """Without a timeout what did not match is answered as nothing."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        return message if message is None or self.wants(message) else None

    async def __anext__(self) -> Message:
        while not self.wants(message := await super().__anext__()):
            pass
        return message


@mutant("filtering.9", "limit", trap="a hundred messages that do not match before one that does", also="filtering.1")
class AHundredAreLookedAt(_Filtering):
    """A page of a hundred is fetched, and nothing of it matched."""

    def take(self) -> Message | None:
        for _ in range(min(100, len(self.buffer))):
            message = self.buffer.popleft()
            if self.wants(message):
                return self.shown(message)
        return None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        full = len(self.buffer) >= 100
        return await super().receive(0 if full else timeout_s)


@mutant("filtering.9", "wrong count", trap="messages that do not match, and gaps")
class CountsWhatDoesNotMatchAsAGap(FilteredListener):
    def offer(self, message: Message) -> None:
        self.missed += not self.wants(message)
        super().offer(message)


@mutant("filtering.9", "full buffer", trap="many messages that do not match, before one that does", also="filtering.1 filtering.10")
class WhatDoesNotMatchFillsTheBuffer(_Filtering):
    """A buffer of 256; what is over is dropped, and not counted."""

    def offer(self, message: Message) -> None:
        if len(self.buffer) < 256:
            super().offer(message)

    def take(self) -> Message | None:
        while self.buffer:
            message = self.buffer.popleft()
            if self.wants(message):
                return self.shown(message)
        return None


@mutant("filtering.9", "late", trap="messages that do not match for longer than a receive waits")
class EveryMessageBeginsTheWaitAnew(FilteredListener):
    """Only silence ends it."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = self.driver.timeout(timeout_s, "receive")
        while True:
            self.check_open("receive")
            end = self.driver.after(timeout)
            message = self.take()
            if message is not None:
                return message
            if timeout <= 0:
                return None
            await self.driver.pause(end)
            if self.driver.over(end) and not self.buffer:
                return None


# filtering.10: iteration, leaving, cancelled calls, namespaces


@mutant("filtering.10", "two ways", trap="iteration, and a message that does not match", also="filtering.2")
class IterationDoesNotFilter(_Filtering):
    def take(self) -> Message | None:
        return self.shown(self.buffer.popleft()) if self.buffer else None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        end = self.driver.after(self.driver.timeout(timeout_s, "receive"))
        while (message := await super().receive(max(0.0, end - self.driver.now()))) is not None:
            if self.wants(message):
                return message
        return None


@mutant("filtering.10", "wrong end", trap="iteration, and a message that does not match", also="filtering.1")
class IterationEndsAtWhatDoesNotMatch(FilteredListener):
    ended = False

    def offer(self, message: Message) -> None:
        self.ended = self.ended or not self.wants(message)
        super().offer(message)

    async def __anext__(self) -> Message:
        while not self.left and not self.buffer:
            if self.ended:
                raise StopAsyncIteration
            await self.driver.pause()
        return await super().__anext__()


@mutant("filtering.10", "wrong end", trap="an iteration that waits while it is left")
class FilteredIterationEndsWithClosed(FilteredListener):
    async def __anext__(self) -> Message:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            raise Closed("zoo: the subscription was left") from None


@mutant("filtering.10", "after the end", trap="a receive after leaving")
class AnswersNothingAfterLeaving(FilteredListener):
    def check_open(self, operation: str) -> None:
        if self.buffer or not self.left:
            super().check_open(operation)


@mutant("filtering.10", "lost on cancel", trap="a receive that is cancelled when its message comes", also="filtering.1")
class TakesAndSuspendsWithAFilter(FilteredListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        await step()
        return message


@mutant("filtering.10", "partial effect", trap="a publish to two filters that is cancelled", also="filtering.8")
class FiltersAreAskedOneByOne(NewerPubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(self.new_id(key), topic, data, labels)
        for listener in [*self.listeners(key), *self.concerned(message)]:
            listener.offer(message)
            self.wake()
            await step()
        return message.id


@mutant("filtering.10", "leak", trap="a filter of another namespace that a message matches", also="filtering.2")
class FiltersAreOfAllNamespaces(NewerPubSub):
    """The index of attributes is one for all."""

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for (space, other), listeners in list(self.store.listeners.items()):
            for listener in listeners:
                if space != self.namespace and other == topic and isinstance(listener, FilteredListener) and listener.attributes:
                    listener.offer(message)


@mutant("filtering.10", "unusable", trap="a receive after one that was cancelled", also="filtering.1")
class ACancelledReceiveEndsIt(FilteredListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        try:
            return await super().receive(timeout_s)
        except asyncio.CancelledError:
            self.driver.forget(self)
            raise
