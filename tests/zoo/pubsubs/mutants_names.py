"""Mutants of `PubSubBasic`: names of topics (5)."""

import fnmatch
import unicodedata
from urllib.parse import unquote

from prism_testkit.interfaces import Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.5: a topic is its code points


@mutant("basic.5", "aliasing", trap="topics that differ in case", also="basic.2")
class FoldsCase(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation).lower()


@mutant("basic.5", "aliasing", trap="a topic with blanks at an end", also="basic.2")
class TrimsTopics(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation).strip(" ") or topic


@mutant("basic.5", "aliasing", trap="composed and decomposed letters", also="basic.2")
class ComposesLetters(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return unicodedata.normalize("NFC", super().topic(topic, operation))


@mutant("basic.5", "aliasing", trap="long topics with a common beginning", also="basic.2")
class CutsTopicsAt128Characters(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation)[:128]


@mutant("basic.5", "aliasing", trap="a topic with NUL inside", also="basic.2")
class TopicsEndAtNul(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation).split("\0")[0] or topic


@mutant("basic.5", "aliasing", trap="a topic with %41", also="basic.2")
class DecodesPercent(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return unquote(super().topic(topic, operation))


@mutant("basic.5", "aliasing", trap="a topic that ends in a slash", also="basic.2")
class DropsSlashAtTheEnd(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation).rstrip("/") or topic


@mutant("basic.5", "aliasing", trap="an emoji and another", also="basic.2")
class KeepsThreeBytes(PubSub):
    """As utf8mb3 does."""

    def topic(self, topic: str, operation: str) -> str:
        return "".join(c if ord(c) < 0x10000 else "?" for c in super().topic(topic, operation))


@mutant("basic.5", "substitution", trap="a topic with a dot and one with an underscore", also="basic.2")
class ReplacesDots(PubSub):
    """As Kafka's metrics do."""

    def topic(self, topic: str, operation: str) -> str:
        return super().topic(topic, operation).replace(".", "_")


class _Matching(PubSub):
    """Topics match otherwise than by equality."""

    def matches(self, pattern: str, topic: str) -> bool:
        return pattern == topic

    def fan_out(self, topic: str, message: Message) -> None:
        for (namespace, pattern), listeners in list(self.store.listeners.items()):
            if namespace == self.namespace and self.matches(pattern, topic):
                for listener in list(listeners):
                    listener.offer(message)


@mutant("basic.5", "wildcard", trap="a subscription to a topic with * or [", also="basic.2 basic.1")
class SubscribesPatterns(_Matching):
    """PSUBSCRIBE in place of SUBSCRIBE."""

    def matches(self, pattern: str, topic: str) -> bool:
        return fnmatch.fnmatchcase(topic, pattern)


@mutant("basic.5", "wildcard", trap="a subscription to a topic a/+ or #", also="basic.2")
class SubscribesFilters(_Matching):
    """As MQTT does."""

    def matches(self, pattern: str, topic: str) -> bool:
        wanted, given = pattern.split("/"), topic.split("/")
        if wanted[-1] == "#":
            return given[: len(wanted) - 1] == wanted[:-1]
        return len(wanted) == len(given) and all(w in ("+", g) for w, g in zip(wanted, given, strict=True))


@mutant("basic.5", "wildcard", trap="a subscription to a topic a.*", also="basic.2")
class SubscribesSubjects(_Matching):
    """As NATS does."""

    def matches(self, pattern: str, topic: str) -> bool:
        wanted, given = pattern.split("."), topic.split(".")
        if wanted[-1] == ">":
            return len(given) >= len(wanted) and given[: len(wanted) - 1] == wanted[:-1]
        return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))


@mutant("basic.5", "prefix", trap="a topic that begins with another", also="basic.2")
class SubscribesPrefixes(_Matching):
    """As ZeroMQ does."""

    def matches(self, pattern: str, topic: str) -> bool:
        return topic.startswith(pattern)


@mutant("basic.5", "hierarchy", trap="topics a and a.b", also="basic.2")
class ParentsHearChildren(_Matching):
    """As loggers do."""

    def matches(self, pattern: str, topic: str) -> bool:
        return topic == pattern or topic.startswith(pattern + ".")


@mutant("basic.5", "reserved", trap="a topic that begins with $ or _", also="basic.1")
class ReservesSystemTopics(PubSub):
    """Nothing is sent to them."""

    def fan_out(self, topic: str, message: Message) -> None:
        if not topic.startswith(("$", "__")):
            super().fan_out(topic, message)
