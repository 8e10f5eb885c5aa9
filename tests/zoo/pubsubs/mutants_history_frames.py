"""Wrong frames and filters: bugs that brokers, clients and emulators shipped in what becomes of a message and its headers."""

import asyncio
import base64
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, PayloadTooLarge
from prism_testkit.naming import check_attributes
from tests.zoo.declare import Mutant

from .history_broker import Broker, Client
from .history_declare import declaring_history
from .history_driver import Ear, Wire, WirePubSub
from .history_tree import Leaf, Tree
from .history_wire import Codec

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("basic.1", "case", trap="a header name in small letters", also="filtering.3 persistent.2")
class HeaderNamesInCanonicalForm(Codec):
    """Names of headers came out in the form of MIME, whatever they went in as. nats-io/nats.c#429."""

    def headers_in(self, data: bytes) -> dict[str, str]:
        return {"-".join(part.capitalize() for part in name.split("-")): value for name, value in super().headers_in(data).items()}


@mutant("basic.1", "end of a line", trap="a header value with blanks at its ends or a line break in it", also="filtering.3")
class HeadersAreLines(Codec):
    """Headers were lines that are cut at the first colon and stripped. nats-io/nats.deno#8."""

    def headers_out(self, headers: Mapping[str, str]) -> bytes:
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()

    def headers_in(self, data: bytes) -> dict[str, str]:
        lines = [line.partition(":") for line in data.decode().split("\r\n") if ":" in line]
        return {name: value.strip() for name, _, value in lines}


@mutant("basic.1", "folding", trap="two header names that differ in case only", also="filtering.3")
class HeaderNamesCollapse(Codec):
    """Of names that differ in case one was kept, with the last value. Azure/azure-service-bus-emulator-installer#95."""

    def headers_in(self, data: bytes) -> dict[str, str]:
        found: dict[str, tuple[str, str]] = {}
        for name, value in super().headers_in(data).items():
            found[name.lower()] = found.get(name.lower(), (name, ""))[0], value
        return dict(found.values())


@mutant("basic.1", "size", trap="more than 8192 bytes", also="persistent.2")
class ZeroesInFrontOfTheLarge(Codec):
    """As many bytes as a message was over 8192 came as zeroes, at its beginning. zeromq/libzmq#1477."""

    def payload_in(self, data: bytes) -> bytes:
        over = max(0, len(data) - 8192)
        return bytes(min(over, len(data))) + data[over:] if over else data


@mutant("basic.1", "emptiness", trap="an empty payload without headers")
class NothingIsNotSent(Broker):
    """A message with nothing in it, and no attributes, was skipped. googleapis/java-pubsub-group-kafka-connector#431."""

    def concerned(self, namespace: str, topic: str, headers: Mapping[str, str]) -> Iterable[Leaf]:
        return super().concerned(namespace, topic, headers)

    def on_publish(
        self, client: Client, number: int, namespace: str, topic: str, payload: bytes, headers: Mapping[str, str]
    ) -> str:
        if not payload and not headers:
            return self.new_id(topic)
        return super().on_publish(client, number, namespace, topic, payload, headers)


@mutant("basic.1", "deduplicated", trap="equal messages to one topic, published at once")
class EqualOnesOfOneCommitAreOne(Broker):
    """Equal notifications of one transaction were made one. graphile/worker#391."""

    def work(self) -> None:
        self.sent: dict[Any, str] = {}
        super().work()

    def on_publish(
        self, client: Client, number: int, namespace: str, topic: str, payload: bytes, headers: Mapping[str, str]
    ) -> str:
        same = namespace, topic, payload, tuple(headers.items())
        if same not in self.sent:
            self.sent[same] = super().on_publish(client, number, namespace, topic, payload, headers)
        return self.sent[same]


class _Truncating(Wire):
    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        if len(topic.encode()) <= 63:
            super().on_message(number, identifier, topic, payload, headers)


@mutant("basic.5", "truncation", trap="a name of more than 63 bytes", also="wildcards.1 filtering.1")
class TheServerCutsTheName(WirePubSub):
    """The server cuts names at 63 bytes, and nobody was found under what came. emilbayes/pg-ipc#2."""

    wire_type = _Truncating


@mutant("basic.6", "limit", trap="a payload near the limit", also="persistent.11")
class TheLimitIsForTheEncoded(WirePubSub):
    """What fits was measured before it was encoded in base64, and then it did not fit. danidee10/channels_postgres#84."""

    def parts(
        self, topic: str, payload: Bytes, headers: Mapping[str, str] | None, operation: str
    ) -> tuple[str, bytes, Mapping[str, str]]:
        found = super().parts(topic, payload, headers, operation)
        if len(base64.b64encode(found[1])) > self.limits.max_payload:
            raise PayloadTooLarge(f"zoo: {operation}: payload string too long")
        return found


class _Pages(Wire):
    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self.pages: dict[tuple[int, int], dict[int, bytes]] = {}

    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        mark, _, rest = payload.partition(b":")
        if mark != b"page":
            super().on_message(number, identifier, topic, payload, headers)
            return
        digest, at, amount, page = rest.split(b":", 3)
        pages = self.pages.setdefault((number, int(digest)), {})
        pages[int(at)] = page
        if len(pages) == int(amount):
            del self.pages[number, int(digest)]
            super().on_message(number, identifier, topic, b"".join(pages[place] for place in sorted(pages)), headers)


class _Paging(Broker):
    def on_publish(
        self, client: Client, number: int, namespace: str, topic: str, payload: bytes, headers: Mapping[str, str]
    ) -> str:
        identifier = headers.get("page of") or self.new_id(topic)
        told = {name: value for name, value in headers.items() if name != "page of"}
        for leaf in self.concerned(namespace, topic, told):
            leaf.client.send("message", leaf.number, identifier, topic, payload, told)
        return identifier


@mutant("basic.1", "merge", trap="equal large messages, published at once", broker=_Paging)
class PagesAreKnownByTheirDigest(WirePubSub):
    """A large message went in pages, put together again by the digest of the whole. meteor/postgres-packages#56."""

    wire_type = _Pages

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name, data, labels = self.parts(topic, payload, headers, "publish")
        if len(data) <= 7950:
            return str(await self.wire.call("publish", self.namespace, name, data, labels))
        pages = [data[at : at + 7950] for at in range(0, len(data), 7950)]
        identifier = f"{id(self)}-{self.wire.broker.number()}"
        for at, page in enumerate(pages):
            piece = b"page:%d:%d:%d:%s" % (zlib.crc32(data), at, len(pages), page)
            await asyncio.shield(self.wire.call("publish", self.namespace, name, piece, {**labels, "page of": identifier}))
        return identifier


@mutant("filtering.4", "falsiness", trap="an attribute that is empty, and a message without that header", also="filtering.2")
class AbsentIsEmpty(Broker):
    """A filter for nothing was met by messages that do not have that attribute. localstack/localstack#9261."""

    def carries(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return headers.get(name, "") == value


@mutant("filtering.4", "empty claim", trap="no attributes", also="filtering.1")
class AnEmptyFilterIsAnError(WirePubSub):
    """A subscription with an empty filter ended with an error of the server. localstack/localstack#10009."""

    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> Any:
        if not check_attributes(attributes, "subscribe_filtered", "zoo"):
            raise RuntimeError("500: Internal Server Error")
        return super().subscribe_filtered(topic, attributes)


@mutant("filtering.2", "reserved", trap="an attribute whose name begins with x-", also="filtering.5")
class NamesWithAnXAreNotLookedAt(Broker):
    """Headers that begin with x- were not evaluated. rabbitmq/rabbitmq-server#4143."""

    def wants(self, attributes: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return super().wants({name: value for name, value in attributes.items() if not name.startswith("x-")}, headers)


@mutant("filtering.8", "compared in part", trap="a driver listens to a topic by two filters, the second is left")
class BindingsAreEqualWithoutTheirArguments(Tree):
    """A binding was found, to be taken away, by its queue and key, not by its arguments. valinurovam/garagemq#16."""

    def remove(self, leaf: Leaf) -> None:
        found = next((one for one in self.path(leaf)[-1][0].here if one.client is leaf.client), leaf)
        super().remove(found)


@mutant("filtering.2", "wrong quantifier", trap="two attributes, one of which a message has")
class AnyOfThemWillDo(Broker):
    """Several correlation filters of one subscription are combined with or. dotnetcore/CAP#1497."""

    def wants(self, attributes: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return not attributes or any(self.carries(headers, name, value) for name, value in attributes.items())


class _Named(Ear):
    pattern = ""

    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        self.pattern = topic
        await super().enter(namespace, topic, is_pattern, attributes)

    def hear(self, message: Any) -> None:
        super().hear(type(message)(message.id, self.pattern, message.payload, message.headers))


@mutant("wildcards.1", "wrong field", trap="any message that a wildcard stands for")
class TheTopicIsThePattern(WirePubSub):
    """Who subscribed with a wildcard was told the wildcard as the topic. home-assistant/core#255."""

    ear_type = _Named


@mutant("basic.5", "pattern", trap="a plain topic with a token *", also="wildcards.4")
class AStarMakesAPatternOfIt(WirePubSub):
    """Whether it is a pattern was guessed from a * in its name. StackExchange/StackExchange.Redis#112."""

    def subscribe(self, topic: str) -> Any:
        return self.listening(self.name(topic, "subscribe"), "*" in topic, {})
