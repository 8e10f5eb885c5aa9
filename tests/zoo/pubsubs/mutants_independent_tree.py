"""Wrong trees and wrong nests: what is cut off with a subscription, who is passed over, and what a buffer does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, Closed, Message, Subscription
from prism_testkit.naming import check_attributes, check_headers, check_name, check_payload, check_timeout
from tests.zoo.declare import Mutant

from .independent_parts import declaring_independent
from .independent_tree import Branch, Nest, Tree, TreePubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


@_mutant("wildcards.6", "cut too much", trap="a.b is left while a.b.c stays", also="wildcards.1")
class CutsTheBranchBelow(Tree):
    """With the last subscription of a branch goes what hangs below it."""

    def take_down(self, tokens: tuple[str, ...], nest: Nest) -> None:
        branch, above = self.root, None
        for token in tokens if tokens[-1] != ">" else tokens[:-1]:
            above, branch = branch, self.step(branch, token)
        (branch.rest if tokens[-1] == ">" else branch.here).remove(nest)
        if above is not None and not branch.here and not branch.rest:
            last = tokens[-1] if tokens[-1] != ">" else tokens[-2]
            if last == "*":
                above.any = None
            else:
                above.named.pop(last, None)


@_mutant("wildcards.6", "only the best", trap="a topic that a name and a star match", also="wildcards.1 wildcards.3")
class FollowsTheNameOnly(Tree):
    """Where a branch has the token's name, its star is not looked at."""

    def found(self, tokens: list[str]) -> list[Nest]:
        found: list[Nest] = []
        branch: Branch | None = self.root
        for token in tokens:
            assert branch is not None
            found += branch.rest
            branch = branch.named.get(token) or branch.any
            if branch is None:
                return found
        return found + (branch.here if branch is not None else [])


@_mutant("wildcards.6", "returned early", trap="a plain subscription beside one by pattern", also="wildcards.1 basic.4")
class PlainOnesEndTheLookup(Tree):
    """Where there is a plain subscription, patterns and headers are not looked at."""

    def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        if topic not in self.plain:
            return super().publish(topic, payload, headers)
        message = Message(f"{next(self.serial)}", topic, payload, headers)
        for nest in self.plain[topic]:
            nest.offer(message)
        return message.id


@_mutant("filtering.8", "returned early", trap="two subscriptions, by different headers of one message", also="filtering.1")
class StopsAtTheFirstHeader(Tree):
    """The first header of a message that somebody asked for is the only one that is looked up."""

    def asking(self, topic: str, headers: Mapping[str, str]) -> list[Nest]:
        index = self.by_header.get(topic, {})
        found = [nest for nest, _ in index.get(None, ())]
        for item in headers.items():
            asking = [nest for nest, asked in index.get(item, ()) if asked.items() <= headers.items()]
            if asking:
                return found + asking
        return found


@_mutant("filtering.2", "found twice", trap="two attributes asked for")
class HangsUnderEveryHeader(TreePubSub):
    """A subscription hangs under each header that it asks for, and is found under each."""

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        async with super().subscribe_filtered(topic, attributes) as nest:
            assert isinstance(nest, Nest)
            asked = check_attributes(attributes, "subscribe_filtered", "zoo")
            lists = [self.tree.by_header[topic].setdefault(item, []) for item in list(asked.items())[1:]]
            for entries in lists:
                entries.append((nest, asked))
            yield nest
            for entries in lists:
                entries.remove((nest, asked))


@_mutant("filtering.8", "too wide", trap="of two with the same attributes one is left", also="filtering.1")
class LeavesWithItsLike(TreePubSub):
    """With a subscription go all that ask for the same."""

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        async with super().subscribe_filtered(topic, attributes) as nest:
            asked = check_attributes(attributes, "subscribe_filtered", "zoo")
            yield nest
        for entries in self.tree.by_header[topic].values():
            entries[:] = [entry for entry in entries if entry[1] != asked]


@_mutant("filtering.8", "too wide", trap="the last one under a header is left while others of the topic stay", also="filtering.1")
class LeavesWithItsTopic(TreePubSub):
    """With the last subscription under a header goes the index of its topic."""

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        async with super().subscribe_filtered(topic, attributes) as nest:
            asked = check_attributes(attributes, "subscribe_filtered", "zoo")
            yield nest
        if not self.tree.by_header.get(topic, {}).get(next(iter(asked.items()), None)):
            self.tree.by_header.pop(topic, None)


@_mutant("wildcards.5", "a buffer per topic", trap="two topics in turn", also="basic.3")
class TakesTopicByTopic(Nest):
    """What waits is taken topic by topic."""

    def take(self) -> Message:
        topic = self.buffer[0].topic
        if getattr(self, "latest", None) in [message.topic for message in self.buffer]:
            topic = self.latest
        self.latest = topic
        found = next(message for message in self.buffer if message.topic == topic)
        self.buffer.remove(found)
        return Message(found.id, found.topic, found.payload, dict(found.headers))

    latest: str


@_mutant("basic.12", "drops in silence", trap="more than 1000 messages for a slow one", also="basic.1 wildcards.1 filtering.1")
class DropsInSilence(Nest):
    """What is pushed out of the buffer counts nowhere."""

    @property
    def gaps(self) -> int:
        return 0


@_mutant("basic.12", "drops in silence", trap="over four megabytes for a slow one", also="basic.1 basic.3 wildcards.1 filtering.1")
class DropsByBytesInSilence(Nest):
    """A buffer of four megabytes; what is pushed out counts nowhere."""

    def offer(self, message: Message) -> None:
        while self.buffer and sum(len(m.payload) for m in self.buffer) + len(message.payload) > 4_000_000:
            self.buffer.popleft()
        super().offer(message)


@_mutant("basic.10", "check too late", trap="left with messages in the buffer", also="wildcards.9 filtering.10")
class EmptiesItsBufferAfterLeaving(Nest):
    """What is buffered is given out after the leaving."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        if self.buffer:
            return self.take()
        return await super().receive(timeout)

    def leave(self) -> None:
        self.left = True
        self.something.set()


@_mutant("basic.9", "one waiter", trap="two receives at once on one subscription", also="basic.1 basic.10 wildcards.9 filtering.10")
class WakesTheLatestOnly(Nest):
    """Who waits is one future; a second receive puts its own in the place of the first."""

    waiter: "asyncio.Future[None] | None" = None

    def offer(self, message: Message) -> None:
        super().offer(message)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def wait(self) -> None:
        while not self.buffer and not self.left:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter

    def leave(self) -> None:
        super().leave()
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


@_mutant("basic.11", "taken before a wait", trap="cancelled or timed out just then", also="wildcards.9 filtering.10")
class SuspendsAfterTheTake(Nest):
    """A message is taken, then the receive lets others run before it returns it."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        if message is not None:
            await asyncio.sleep(0)
        return message


@_mutant("basic.11", "a part of them", trap="a publish is cancelled with several subscriptions", also="wildcards.9 filtering.10")
class OffersOneByOne(TreePubSub):
    """Others run between one subscription and the next."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(topic, "publish", "zoo")
        data = check_payload(payload, "publish", "zoo", topic)
        copy = check_headers(headers, "publish", "zoo")
        tree = self.tree
        message = Message(f"{next(tree.serial)}", topic, data, copy)
        for nest in [*tree.plain.get(topic, ()), *tree.found(topic.split(".")), *tree.asking(topic, copy)]:
            nest.offer(message)
            await asyncio.sleep(0)
        return message.id


@_mutant("basic.9", "ends with None", trap="a receive waits while another one takes", also="basic.1 wildcards.9 filtering.10")
class ReturnsNothingWhenOthersTook(Nest):
    """A receive that is woken and finds that another one took the message returns None before its time."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        if not self.buffer and not self.left:
            self.something.clear()
            try:
                await asyncio.wait_for(self.something.wait(), timeout)
            except TimeoutError:
                return None
        if self.left:
            raise Closed("zoo: receive: the subscription was left")
        return self.take() if self.buffer else None


@_mutant("basic.9", "swallowed", trap="a receive is cancelled from outside", also="basic.11 wildcards.9 filtering.10")
class TakesACancellationForATimeout(Nest):
    """A cancelled receive returns None."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        try:
            return await super().receive(timeout_s)
        except asyncio.CancelledError:
            return None


@_mutant("basic.4", "one for each client", trap="two subscriptions of one client to one topic", also="basic.10 basic.1")
class SharesByTopic(TreePubSub):
    """A client has one subscription for each topic, and who leaves it first ends it for all."""

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        async with super().subscribe(topic) as nest:
            nest.__dict__["owner"] = self
            yield nest
        for other in list(self.tree.plain.get(topic, ())):
            if getattr(other, "owner", None) is self:
                self.tree.plain[topic].remove(other)


@_mutant(
    "wildcards.4", "folded", trap="a topic with a wildcard's character where the pattern has a name", also="wildcards.2 wildcards.3"
)
class TopicsHaveWildcards(Tree):
    """A star in a topic leads to every branch."""

    def found(self, tokens: list[str]) -> list[Nest]:
        found = super().found(tokens)
        if "*" in tokens:
            for name in [n for n in self.root.named if tokens[0] == "*"]:
                found += super().found([name, *tokens[1:]])
        return list(dict.fromkeys(found))


@_mutant("basic.7", "copied too late", trap="headers are changed after the publish")
class CopiesHeadersAtTheReceive(TreePubSub):
    """A mapping is kept as it was given until somebody receives it."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(topic, "publish", "zoo")
        data = check_payload(payload, "publish", "zoo", topic)
        check_headers(headers, "publish", "zoo")
        return self.tree.publish(topic, data, headers if headers is not None else {})


@_mutant("filtering.9", "counted as missed", trap="something of the topic does not match")
class CountsWhatItPassedOver(Tree):
    """What does not match counts in ``gaps``."""

    def asking(self, topic: str, headers: Mapping[str, str]) -> list[Nest]:
        found = super().asking(topic, headers)
        for nest in [nest for entries in self.by_header.get(topic, {}).values() for nest, _ in entries]:
            nest.dropped += nest not in found
        return found
