"""Mutants of `PubSubBasic`: refusals, copies and namespaces (6 to 8)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, InvalidName, Message, NotFound, PayloadTooLarge
from prism_testkit.naming import check_headers, check_name
from prism_testkit.traits import Limits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.6: refusals


@mutant("basic.6", "missing check", trap="an empty topic")
class EmptyTopicIsLegal(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return topic if topic == "" else super().topic(topic, operation)


@mutant("basic.6", "missing check", trap="subscribe to an over-long topic")
class SubscribeChecksNothing(PubSub):
    """What cannot be published can be listened to."""

    def topic(self, topic: str, operation: str) -> str:
        return topic if operation == "subscribe" else super().topic(topic, operation)


@mutant("basic.6", "unit", trap="an over-long topic of few characters")
class CountsCharactersOfTopics(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        check_name(topic, operation, "zoo", Limits(max_name=self.limits.max_name * 4))
        if len(topic) > self.limits.max_name:
            raise InvalidName(f"zoo: {operation}: {len(topic)} characters")
        return topic


@mutant("basic.6", "boundary", trap="a topic of exactly max_name bytes", also="basic.5 basic.1")
class TopicsAreShorter(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        check_name(topic, operation, "zoo", Limits(max_name=self.limits.max_name - 1))
        return topic


@mutant("basic.6", "wrong error", trap="a topic with a surrogate")
class SurrogatesRaiseUnicodeErrors(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        topic.encode()
        return super().topic(topic, operation)


@mutant("basic.6", "missing check", trap="a payload over the limit")
class PayloadsHaveNoLimit(PubSub):
    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        return bytes(payload)


@mutant("basic.6", "boundary", trap="a payload at the limit", also="basic.1")
class PayloadsAreSmaller(PubSub):
    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        data = super().data(payload, operation, topic)
        if len(data) == self.limits.max_payload:
            raise PayloadTooLarge("zoo: at the limit")
        return data


@mutant("basic.6", "sum", trap="a payload at the limit, with headers", also="basic.1")
class HeadersCountAgainstThePayload(PubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        size = len(message.payload) + sum(len(n) + len(v) for n, v in message.headers.items())
        if size > self.limits.max_payload:
            raise PayloadTooLarge("zoo: the frame is too large")
        super().fan_out(topic, message)


@mutant("basic.6", "missing check", trap="headers of more than 8 KiB")
class HeadersHaveNoLimit(PubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo", room=1 << 30)


@mutant("basic.6", "unit", trap="headers of few characters and more than 8 KiB")
class HeadersAreCountedInCharacters(PubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        labels = check_headers(headers, operation, "zoo", room=1 << 30)
        if sum(len(name) + len(value) for name, value in labels.items()) > 8192:
            raise PayloadTooLarge("zoo: headers")
        return labels


@mutant("basic.6", "boundary", trap="headers of exactly 8 KiB", also="basic.1")
class HeadersAreSmaller(PubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo", room=8191)


@mutant("basic.6", "missing check", trap="an empty header name")
class HeaderNamesAreNotChecked(PubSub):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        if headers and "" in headers:
            return dict(headers)
        return super().labels(headers, operation)


@mutant("basic.6", "order of steps", trap="refused headers, and somebody who listens", also="basic.2")
class ChecksHeadersAfterSending(PubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data = self.topic(topic, "publish"), self.data(payload, "publish", topic)
        labels = dict(headers) if isinstance(headers, Mapping) else {}
        message = Message(self.new_id(key), topic, data, labels)
        self.fan_out(key, message)
        self.wake()
        self.labels(headers, "publish")
        return message.id


@mutant("basic.6", "order of steps", trap="a refused payload, and somebody who listens", also="basic.2")
class SendsWhatFitsAndRefuses(PubSub):
    """A stream that is cut at the limit."""

    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        try:
            return super().data(payload, operation, topic)
        except PayloadTooLarge:
            if operation == "publish":
                head = bytes(payload)[: self.limits.max_payload]
                self.fan_out(self.topic(topic, operation), Message(self.new_id(topic), topic, head, {}))
            raise


@mutant("basic.6", "wrong error", trap="a publish to nobody")
class PublishingToNobodyRaises(PubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        if not self.listeners(topic):
            raise NotFound("zoo: no such topic")
        super().fan_out(topic, message)


# basic.7: copies


class _KeepsOriginals(PubSub):
    """What was handed over is read when it is received."""

    payloads = False

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.given: Any = payload, headers
        return await super().publish(topic, payload, headers)

    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, replace(message, **self.kept()))

    def kept(self) -> dict[str, Any]:
        return {}


class _ReadsLate(Listener):
    def shown(self, message: Message) -> Message:
        return replace(message, payload=bytes(message.payload), headers=dict(message.headers))


@mutant("basic.7", "no copy", trap="a bytearray that changes before the receive")
class KeepsTheBuffer(_KeepsOriginals):
    listener_type = _ReadsLate

    def kept(self) -> dict[str, Any]:
        return {"payload": self.given[0]}


@mutant("basic.7", "no copy", trap="a memoryview whose buffer changes before the receive")
class KeepsTheView(_KeepsOriginals):
    """A bytearray is copied, a view is not."""

    listener_type = _ReadsLate

    def kept(self) -> dict[str, Any]:
        return {"payload": self.given[0]} if isinstance(self.given[0], memoryview) else {}


@mutant("basic.7", "no copy", trap="a mapping that changes before the receive")
class KeepsTheMapping(_KeepsOriginals):
    def kept(self) -> dict[str, Any]:
        return {"headers": self.given[1]} if self.given[1] is not None else {}


@mutant("basic.7", "no copy", trap="an empty mapping that is filled before the receive")
class KeepsTheEmptyMapping(_KeepsOriginals):
    """``headers or {}`` copies nothing; only what had something inside is copied."""

    def kept(self) -> dict[str, Any]:
        return {"headers": self.given[1]} if self.given[1] is not None and not self.given[1] else {}


@mutant("basic.7", "sharing", trap="a second publish before the first is received", also="basic.1")
class PublishesFromOneBuffer(_KeepsOriginals):
    """The driver copies into a buffer of its own, and uses it again for the next message."""

    listener_type = _ReadsLate
    own = bytearray(4096)

    def kept(self) -> dict[str, Any]:
        data = bytes(self.given[0])
        if len(data) > len(self.own):
            return {}
        self.own[: len(data)] = data
        return {"payload": memoryview(self.own)[: len(data)]}


# basic.8: namespaces


@mutant("basic.8", "leak", trap="the same topic in another namespace", also="basic.2")
class SharesTopics(PubSub):
    def listeners(self, topic: str) -> list[Any]:
        return self.store.listeners.setdefault(("", topic), [])


@mutant("basic.8", "truncation", trap="a namespace of the same run", also="basic.2")
class CutsNamespaces(PubSub):
    """The first 16 of 24 characters."""

    def listeners(self, topic: str) -> list[Any]:
        return self.store.listeners.setdefault((self.namespace[:16], topic), [])


@mutant("basic.8", "leak", trap="a topic of more than 100 bytes in another namespace", also="basic.2")
class LongTopicsAreHashed(PubSub):
    """The hash of a long topic takes the place of the whole key."""

    def listeners(self, topic: str) -> list[Any]:
        long = len(topic.encode()) > 100
        return self.store.listeners.setdefault(("" if long else self.namespace, topic), [])


@mutant("basic.8", "leak", trap="a topic that holds a colon in another namespace", also="basic.2")
class ColonsEndTheNamespace(PubSub):
    """``namespace:topic``, split at the last colon."""

    def listeners(self, topic: str) -> list[Any]:
        colon = topic.rpartition(":")[1]
        return self.store.listeners.setdefault(("" if colon else self.namespace, topic), [])
