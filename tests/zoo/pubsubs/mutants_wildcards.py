"""Mutants of `PubSubWildcards`: what is received, in which order and by whom (1, 2, 5 and 6)."""

import asyncio
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener
from .reference_newer import NewerPubSub, PatternListener

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# wildcards.1: everything that matches, as it was published


@mutant("wildcards.1", "stale cache", trap="a topic that is new after the entry")
class PatternsAreExpandedAtTheEntry(NewerPubSub):
    """A pattern stands for the topics that were used before."""

    async def enter(self, listener: Listener) -> None:
        if isinstance(listener, PatternListener):
            known = self.store.notes.setdefault(("topics", self.namespace), set())
            self.store.notes["expanded", id(listener)] = {topic for topic in known if self.covers(listener.topic, topic)}
        await super().enter(listener)

    def concerned(self, message: Message) -> list[Any]:
        self.store.notes.setdefault(("topics", self.namespace), set()).add(message.topic)
        notes = self.store.notes
        return [watcher for watcher in self.watchers() if message.topic in notes.get(("expanded", id(watcher)), ())]


@mutant("wildcards.1", "wrong field")
class MessagesCarryThePattern(PatternListener):
    def shown(self, message: Message) -> Message:
        return replace(super().shown(message), topic=self.topic)


@mutant("wildcards.1", "wrong field")
class PatternsHaveIdsOfTheirOwn(PatternListener):
    count = 0

    def offer(self, message: Message) -> None:
        self.count += 1
        super().offer(replace(message, id=f"w{self.count}"))


@mutant("wildcards.1", "lost field", trap="headers")
class PatternsComeWithoutHeaders(PatternListener):
    def shown(self, message: Message) -> Message:
        return replace(super().shown(message), headers={})


@mutant("wildcards.1", "encoding", trap="a payload that is no UTF-8")
class PatternsComeAsText(PatternListener):
    def shown(self, message: Message) -> Message:
        return replace(super().shown(message), payload=message.payload.decode(errors="replace").encode())


@mutant("wildcards.1", "truncation", trap="a payload over 64 KiB")
class PatternsAreCutAt64KiB(PatternListener):
    def offer(self, message: Message) -> None:
        super().offer(replace(message, payload=message.payload[: 1 << 16]))


@mutant("wildcards.1", "lazy beginning", trap="the first message of a topic")
class TheFirstOfATopicOnlyFillsTheCache(NewerPubSub):
    def concerned(self, message: Message) -> list[Any]:
        cache = self.store.notes.setdefault(("matches", self.namespace), {})
        if message.topic in cache:
            return super().concerned(message)
        cache[message.topic] = True
        return []


@mutant("wildcards.1", "bounded cache", trap="more than 64 topics")
class MatchesSixtyFourTopics(PatternListener):
    """A table of topics has 64 places."""

    def __init__(self, driver: NewerPubSub, topic: str) -> None:
        super().__init__(driver, topic)
        self.seen: set[str] = set()

    def offer(self, message: Message) -> None:
        if len(self.seen) < 64:
            self.seen.add(message.topic)
        if message.topic in self.seen:
            super().offer(message)


# wildcards.2: and nothing else


@mutant("wildcards.2", "retained", trap="a message before the entry", also="wildcards.1")
class PatternsReplayTheLastOfEachTopic(NewerPubSub):
    def concerned(self, message: Message) -> list[Any]:
        self.store.notes.setdefault(("last", self.namespace), {})[message.topic] = message
        return super().concerned(message)

    async def enter(self, listener: Listener) -> None:
        await super().enter(listener)
        if isinstance(listener, PatternListener):
            for topic, message in self.store.notes.get(("last", self.namespace), {}).items():
                if self.covers(listener.topic, topic):
                    listener.offer(message)


@mutant("wildcards.2", "wrong count", trap="a pattern with two wildcards", also="wildcards.1")
class OnceForEachWildcard(NewerPubSub):
    def concerned(self, message: Message) -> list[Any]:
        found = super().concerned(message)
        return [x for x in found for _ in range(max(1, sum(token in ("*", ">") for token in self.tokens(x.topic))))]


@mutant("wildcards.2", "wrong count", trap="a topic that looks like the pattern itself", also="wildcards.1")
class OnceAsATopicAndOnceAsAPattern(NewerPubSub):
    """A pattern is entered among the topics too."""

    def concerned(self, message: Message) -> list[Any]:
        return [*super().concerned(message), *(watcher for watcher in self.watchers() if watcher.topic == message.topic)]


@mutant("wildcards.2", "stale state", trap="a pattern that is left with something unread and entered again", also="wildcards.9")
class BuffersOutliveTheirPattern(NewerPubSub):
    async def enter(self, listener: Listener) -> None:
        if isinstance(listener, PatternListener):
            listener.buffer.extend(self.store.notes.pop(("left", id(self), listener.topic), ()))
        await super().enter(listener)

    async def leave(self, listener: Listener) -> None:
        await super().leave(listener)
        if isinstance(listener, PatternListener):
            self.store.notes["left", id(self), listener.topic] = list(listener.buffer)


@mutant("wildcards.2", "mixture", trap="two subscriptions by pattern of one client", also="wildcards.6 wildcards.1")
class AClientHasOneQueueForItsPatterns(NewerPubSub):
    """What concerns one of a client's patterns is given to all of them."""

    def concerned(self, message: Message) -> list[Any]:
        clients = {id(watcher.driver) for watcher in super().concerned(message)}
        return [watcher for watcher in self.watchers() if id(watcher.driver) in clients]


# wildcards.5: the order of a publisher, over all topics


class _ByTopic(PatternListener):
    """A buffer for each topic."""

    def topics(self) -> list[str]:
        return list(dict.fromkeys(message.topic for message in self.buffer))

    def take(self) -> Message | None:
        if not self.buffer:
            return None
        chosen = self.chosen(self.topics())
        message = next(message for message in self.buffer if message.topic == chosen)
        self.buffer.remove(message)
        return self.shown(message)

    def chosen(self, topics: list[str]) -> str:
        return topics[0]


@mutant("wildcards.5", "two queues", trap="messages to two topics in turn")
class TakesTopicAfterTopic(_ByTopic):
    """One topic is emptied before the next one."""

    last = ""

    def chosen(self, topics: list[str]) -> str:
        self.last = self.last if self.last in topics else topics[0]
        return self.last


@mutant("wildcards.5", "two queues", trap="two messages to one topic and one to another")
class TakesTopicsInTurn(_ByTopic):
    last = ""

    def chosen(self, topics: list[str]) -> str:
        self.last = next((topic for topic in topics if topic != self.last), topics[0])
        return self.last


@mutant("wildcards.5", "sorting", trap="messages to two topics against the alphabet")
class TakesTopicsByTheAlphabet(_ByTopic):
    def chosen(self, topics: list[str]) -> str:
        return min(topics)


@mutant("wildcards.5", "two paths", trap="a topic that is new, and then one that is not", also="wildcards.1")
class NewTopicsTakeAStepMore(NewerPubSub):
    """The matches of a new topic are looked up behind the publish."""

    def fan_out_to_patterns(self, message: Message) -> None:
        known = self.store.notes.setdefault(("known", self.namespace), set())
        if message.topic in known:
            super().fan_out_to_patterns(message)
        else:
            known.add(message.topic)
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self.late, message)

    def late(self, message: Message) -> None:
        super().fan_out_to_patterns(message)
        self.wake()


@mutant("wildcards.5", "order", trap="two messages before the first receive", also="wildcards.9")
class TheLastComesFirst(PatternListener):
    def take(self) -> Message | None:
        return self.shown(self.buffer.pop()) if self.buffer else None


# wildcards.6: every subscription gets every message


@mutant("wildcards.6", "shadowing", trap="a plain subscription to a topic that a pattern matches", also="wildcards.1")
class PlainOnesComeFirst(NewerPubSub):
    """A pattern gets what nobody listens to by name."""

    def concerned(self, message: Message) -> list[Any]:
        return [] if self.listeners(message.topic) else super().concerned(message)


@mutant("wildcards.6", "shadowing", trap="two patterns that match one topic", also="wildcards.1")
class TheFirstPatternTakesAll(NewerPubSub):
    """As in a table of routes."""

    def concerned(self, message: Message) -> list[Any]:
        return super().concerned(message)[:1]


@mutant("wildcards.6", "wrong count", trap="two overlapping subscriptions of one client", also="wildcards.1")
class OnceForAClient(NewerPubSub):
    """Whoever gets a message twice over one connection gets it once."""

    def concerned(self, message: Message) -> list[Any]:
        return list({id(watcher.driver): watcher for watcher in super().concerned(message)}.values())


@mutant("wildcards.6", "sharing", trap="two subscriptions with the same pattern", also="wildcards.1")
class EqualPatternsShare(NewerPubSub):
    """As workers of one queue: they take turns."""

    def concerned(self, message: Message) -> list[Any]:
        by_pattern: dict[str, list[Any]] = {}
        for watcher in super().concerned(message):
            by_pattern.setdefault(watcher.topic, []).append(watcher)
        turn = self.store.notes[self.namespace, "turn"] = self.store.notes.get((self.namespace, "turn"), 0) + 1
        return [some[turn % len(some)] for some in by_pattern.values()]


@mutant("wildcards.6", "identity", trap="two subscriptions with the same pattern, of which one is left", also="wildcards.1")
class LeavingIsByPattern(NewerPubSub):
    def forget(self, listener: Listener) -> None:
        peers = self.peers(listener)
        peers[:] = [peer for peer in peers if peer.topic != listener.topic]


@mutant("wildcards.6", "head of line", trap="a subscription that does not receive", also="wildcards.1")
class TheSlowestHoldsUpTheOthers(NewerPubSub):
    """Nothing more is given to anybody while one has a hundred unread."""

    def concerned(self, message: Message) -> list[Any]:
        found = super().concerned(message)
        return [] if any(len(watcher.buffer) >= 100 for watcher in found) else found


@mutant("wildcards.6", "missing step", trap="a pattern that is left while a plain one to a topic of it stays")
class LeavingAPatternEndsPlainOnes(NewerPubSub):
    """The client unsubscribes from every topic that the pattern matched."""

    async def leave(self, listener: Listener) -> None:
        await super().leave(listener)
        if isinstance(listener, PatternListener):
            for (space, topic), listeners in self.store.listeners.items():
                if space == self.namespace and topic and self.covers(listener.topic, topic):
                    listeners[:] = [other for other in listeners if other.driver is not self]
