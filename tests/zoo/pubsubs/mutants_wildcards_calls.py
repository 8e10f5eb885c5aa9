"""Mutants of `PubSubWildcards`: arguments, namespaces, and what a subscription is otherwise (7 to 9)."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, Closed, InvalidName, Message, Subscription
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, step
from .reference_newer import NewerPubSub, PatternListener

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# wildcards.7: what is illegal


@mutant("wildcards.7", "missing check", trap="a > that is not the last")
class TakesARestInTheMiddle(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        return self.topic(pattern, "subscribe_pattern")


@mutant("wildcards.7", "half a check", trap="a > as the first token of several")
class LooksForARestBehindADot(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        if ".>." in pattern:
            raise InvalidName("zoo: subscribe_pattern: '>' is the last token or none")
        return self.topic(pattern, "subscribe_pattern")


@mutant("wildcards.7", "overeager check", trap="a > within a token")
class RefusesAnyRestThatIsNotTheEnd(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        if isinstance(pattern, str) and ">" in pattern[:-1]:
            raise InvalidName("zoo: subscribe_pattern: '>' is at the end")
        return super().pattern(pattern)


@mutant("wildcards.7", "overeager check", trap="an empty token", also="wildcards.3")
class RefusesEmptyTokens(NewerPubSub):
    """As the server does."""

    def pattern(self, pattern: str) -> str:
        if isinstance(pattern, str) and "" in pattern.split("."):
            raise InvalidName("zoo: subscribe_pattern: a token is empty")
        return super().pattern(pattern)


@mutant("wildcards.7", "boundary", trap="a pattern at the limit")
class RefusesAPatternAtTheLimit(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        if len(super().pattern(pattern).encode()) >= self.limits.max_name:
            raise InvalidName("zoo: subscribe_pattern: too long")
        return pattern


@mutant("wildcards.7", "unit", trap="a pattern of wide characters over the limit")
class CountsCharacters(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        if isinstance(pattern, str) and len(pattern) <= self.limits.max_name < len(pattern.encode(errors="surrogatepass")):
            return pattern
        return super().pattern(pattern)


@mutant("wildcards.7", "limit", trap="a pattern of many tokens")
class RefusesMoreThan128Tokens(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        if len(self.tokens(super().pattern(pattern))) > 128:
            raise InvalidName("zoo: subscribe_pattern: too many tokens")
        return pattern


@mutant("wildcards.7", "limit", trap="many wildcards in a pattern", also="wildcards.3 wildcards.1")
class KnowsEightWildcards(NewerPubSub):
    """The rest stand for themselves."""

    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        places = [place for place, token in enumerate(wanted) if token == "*"][8:]
        if places and any(place < len(tokens) and tokens[place] != "*" for place in places):
            return False
        return super().covers_tokens(wanted, tokens)


@mutant("wildcards.7", "wrong error", trap="a surrogate")
class LetsTheCodecRaise(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        pattern.encode()
        return super().pattern(pattern)


@mutant("wildcards.7", "wrong error", trap="the empty pattern")
class RaisesValueErrorForNothing(NewerPubSub):
    def pattern(self, pattern: str) -> str:
        if pattern == "":
            raise ValueError("zoo: subscribe_pattern: the pattern is empty")
        return super().pattern(pattern)


class _ChecksLate(PatternListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        NewerPubSub(self.driver.store, self.driver.namespace).pattern(self.topic)
        return await super().receive(timeout_s)


@mutant("wildcards.7", "late", trap="an illegal pattern that is entered")
class ChecksAtTheFirstReceive(NewerPubSub):
    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        return self.entered(_ChecksLate(self, pattern))


# wildcards.8: namespaces


@mutant("wildcards.8", "leak", trap="a pattern > in another namespace")
class EverythingIsOfEveryNamespace(NewerPubSub):
    """A pattern that stands for every topic is subscribed without the prefix of the namespace."""

    def concerned(self, message: Message) -> list[Any]:
        watchers = [x for (_, topic), some in self.store.listeners.items() if topic == "" for x in some]
        return [
            x for x in watchers if x.topic == ">" or (x.driver.namespace == self.namespace and self.covers(x.topic, message.topic))
        ]


@mutant("wildcards.8", "shared cache", trap="a topic of the same name in another namespace", also="wildcards.1 wildcards.6")
class CachesMatchesByTopic(NewerPubSub):
    """Who is concerned is kept until somebody enters or leaves, and by topic alone."""

    def concerned(self, message: Message) -> list[Any]:
        cache = self.store.notes.setdefault("concerned", {})
        if message.topic not in cache:
            cache[message.topic] = super().concerned(message)
        found: list[Any] = cache[message.topic]
        return found

    async def enter(self, listener: Listener) -> None:
        self.store.notes["concerned"] = {}
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        self.store.notes["concerned"] = {}
        await super().leave(listener)


@mutant("wildcards.8", "truncation", trap="namespaces that differ in their end")
class NamespacesHaveSixteenCharacters(NewerPubSub):
    def concerned(self, message: Message) -> list[Any]:
        watchers = [x for (_, topic), some in self.store.listeners.items() if topic == "" for x in some]
        return [x for x in watchers if x.driver.namespace[:16] == self.namespace[:16] and self.covers(x.topic, message.topic)]


@mutant("wildcards.8", "concatenation", trap="a pattern that begins with a wildcard", also="wildcards.2 wildcards.3")
class TheNamespaceIsTheFirstToken(NewerPubSub):
    """A pattern that begins with a wildcard is taken for one that has the namespace already."""

    def concerned(self, message: Message) -> list[Any]:
        watchers = [x for (_, topic), some in self.store.listeners.items() if topic == "" for x in some]
        full = f"{self.namespace}.{message.topic}"
        return [x for x in watchers if self.covers(x.topic if x.topic[0] == "*" else f"{x.driver.namespace}.{x.topic}", full)]


# wildcards.9: what a subscription is otherwise


@mutant("wildcards.9", "early", trap="a receive of nothing while another topic gets messages")
class AnyPublishEndsTheWait(PatternListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(0)
        if message is None and self.driver.timeout(timeout_s, "receive") > 0:
            await self.driver.pause(self.driver.after(timeout_s))
            message = await super().receive(0)
        return message


@mutant("wildcards.9", "missing step", trap="a message while one waits")
class WaitsTheWholeTime(PatternListener):
    """Wakes for nothing."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(0)
        if message is None and self.driver.timeout(timeout_s, "receive") > 0:
            await self.driver.store.clock.sleep(timeout_s + 1e-6)
            message = await super().receive(0)
        return message


@mutant("wildcards.9", "missing check", trap="timeout_s=nan")
class PatternsWaitForAnyTimeout(PatternListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await super().receive(timeout_s if math.isfinite(timeout_s) else 0)


@mutant("wildcards.9", "wrong error", trap="a receive that waits while it is left")
class WaitsEndWithNothing(PatternListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        left = self.left
        try:
            return await super().receive(timeout_s)
        except Closed:
            if left:
                raise
            return None


@mutant("wildcards.9", "wrong end", trap="an iteration that waits while it is left")
class IterationEndsWithClosed(PatternListener):
    async def __anext__(self) -> Message:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            raise Closed("zoo: the subscription was left") from None


@mutant("wildcards.9", "after the end", trap="a receive after leaving, with something unread")
class GivesWhatIsLeft(PatternListener):
    def check_open(self, operation: str) -> None:
        if not self.buffer:
            super().check_open(operation)


@mutant("wildcards.9", "lost on cancel", trap="a receive that is cancelled when its message comes", also="wildcards.1")
class TakesAndSuspendsByPattern(PatternListener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        await step()
        return message


@mutant("wildcards.9", "partial effect", trap="a publish to a plain one and a pattern that is cancelled", also="wildcards.6")
class PatternsComeAStepLater(NewerPubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(self.new_id(key), topic, data, labels)
        for listener in [*self.listeners(key), *self.concerned(message)]:
            listener.offer(message)
            self.wake()
            await step()
        return message.id


@mutant("wildcards.9", "wrong count", trap="messages that the pattern does not match, and gaps")
class CountsWhatDoesNotMatchAsMissed(NewerPubSub):
    def concerned(self, message: Message) -> list[Any]:
        found = super().concerned(message)
        for watcher in self.watchers():
            watcher.missed += watcher not in found
        return found


@mutant("wildcards.9", "missing count", trap="more than a hundred messages unread", also="wildcards.1")
class DropsAndTellsNobody(PatternListener):
    """A buffer of a hundred; what is over is dropped."""

    def offer(self, message: Message) -> None:
        if len(self.buffer) < 100:
            super().offer(message)


@mutant("wildcards.9", "wrong instant", trap="a message between the call and the entry", also="wildcards.2")
class WatchesFromTheCallOn(NewerPubSub):
    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        listener = self.pattern_type(self, self.pattern(pattern))
        self.watchers().append(listener)
        return self._entered(listener)

    @asynccontextmanager
    async def _entered(self, listener: Listener) -> AsyncIterator[Subscription]:
        try:
            yield listener
        finally:
            await self.leave(listener)


@mutant("wildcards.9", "late beginning", trap="a message right after the entry", also="wildcards.1")
class EntersAStepLater(NewerPubSub):
    async def enter(self, listener: Listener) -> None:
        asyncio.get_running_loop().call_soon(self.peers(listener).append, listener)
