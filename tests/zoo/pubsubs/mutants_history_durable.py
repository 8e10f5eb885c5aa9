"""Wrong durable subscriptions: bugs that brokers, queues and their clients shipped in what comes again, and to whom."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .history_broker import Broker, Client
from .history_cursor import Cursor, Grant, Row, Topic
from .history_declare import declaring_history
from .history_driver import Hand, WirePubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("persistent.5", "batch", trap="of what came with one receive one is acked and then another one nacked")
class ABatchComesAgainWhole(Broker):
    """A nack of one message of a batch brought those of it again that were acked. apache/pulsar#5969."""

    def granted(self, cursor: Cursor, place: int, member: int, pull: int) -> list[Any]:
        self.batches = getattr(self, "batches", {})
        self.batches.setdefault((cursor.name, pull), []).append(place)
        return super().granted(cursor, place, member, pull)

    def on_nack(self, client: Client, number: int, member: int, tokens: list[str], delay_s: float) -> None:
        cursor = client.members.get(member)
        for grant in self.held(cursor, member, tokens):
            assert cursor is not None
            held = {other.place for other in cursor.grants.values()}
            for place in self.batches[cursor.name, grant.pull]:
                if place not in held and cursor.is_acked(place):
                    cursor.replay.add(place)
        super().on_nack(client, number, member, tokens, delay_s)


@mutant("persistent.8", "wrong instant", trap="any delay")
class AThirdOfTheDelay(Broker):
    """Delays were over at the tick of a timer, of which there were three in a delay. apache/pulsar#5344."""

    def instant(self, delay_s: float) -> float:
        return super().instant(delay_s / 3)


@mutant("persistent.4", "gives up", trap="17 nacks of one message")
class SixteenTimesAndNoMore(Cursor):
    """Without any policy set, what was nacked so often went elsewhere: the default of 16. apache/pulsar#14867."""

    def give_back(self, grants: Iterable[Grant], due: float) -> None:
        given = list(grants)
        super().give_back(given, due)
        self.replay -= {grant.place for grant in given if self.counts.get(grant.place, 0) > 16}


@mutant("persistent.4", "count", trap="left without an ack")
class TheCountBeginsAnewWithAMember(Broker):
    """What came again because its consumer had gone was delivered for the first time, by its count. apache/pulsar#8722."""

    def on_leave(self, client: Client, number: int, member: int) -> None:
        cursor = client.members.get(member)
        if cursor is not None:
            for grant in cursor.held_by(member):
                cursor.counts[grant.place] = 0
        super().on_leave(client, number, member)


@mutant("persistent.4", "count", trap="a nack by the only member")
class OnlySharedOnesAreCounted(Broker):
    """The count went up only where a subscription was shared. apache/pulsar#6721."""

    def apply_counted(self, namespace: str, topic: str, name: str, places: list[int]) -> None:
        cursor = self.cursors[namespace, topic, name]
        members = sum(found is cursor for client in self.clients.values() for found in client.members.values())
        cursor.count(place for place in places if place not in cursor.counts or members > 1)


@mutant("persistent.14", "lost on cancel", trap="a receive that is cancelled while the request is under way")
class TheRequestOutlivesItsReceiver(Hand):
    """A request for messages stayed valid when its consumer had stopped, and took messages for nobody. nats-io/nats.go#2103."""

    async def pull(self, amount: int) -> tuple[float | None, list[Any]]:
        due, grants = await self.wire.expect(self.wire.send("pull", self.number, amount))
        return due, grants


@mutant("persistent.9", "boundary", trap="one receive waits, and nothing comes", also="persistent.1")
class TheOnlyOneWaitsForEver(Hand):
    """With room for one waiting request, that one never expired. nats-io/nats-server#3099."""

    async def wait(self, waiter: asyncio.Future[None], *ends: float) -> None:
        await super().wait(waiter, *(ends[1:] if len(self.waiters) == 1 else ends))


@mutant("persistent.1", "confusion", trap="earliest")
class TheBeginningIsOnesOwnPast(Broker):
    """The id at which a group begins was used for its reads too, which then show what is pending only. ag2ai/faststream#2694."""

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        super().on_join(client, number, namespace, topic, name, start)
        if start == "earliest":
            client.members[number].read = 1 << 40


@mutant("persistent.11", "path", trap="names that are equal behind their last slash")
class TheNameIsTheLastPart(WirePubSub):
    """The name of a subscription was what stands behind the last slash. rebus-org/Rebus.AzureServiceBus#5."""

    def subscribe_durable(self, topic: str, name: str, start: Any = "new") -> Any:
        return super().subscribe_durable(topic, name.rpartition("/")[2] or name, start)


@mutant("persistent.11", "confusion", trap="a subscription that is named as another topic is")
class AQueueThatIsNamedAsATopic(Broker):
    """A queue with the name of a topic got what was sent to the topic. wso2/andes#37."""

    def apply_message(self, namespace: str, topic: str, row: Row) -> None:
        super().apply_message(namespace, topic, row)
        for (space, other, name), cursor in list(self.cursors.items()):
            if space == namespace and name == topic and other != topic:
                cursor.topic.add(replace(row, place=len(cursor.topic.rows) + 1, id=f"s{len(cursor.topic.rows) + 1}"))


@mutant("persistent.11", "separator", trap="names with a - in them")
class ADashBetweenTopicAndName(Broker):
    """Topic and partition were joined by a character that names have as well. razorpay/metro#384."""

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        joined = f"{topic}-{name}"
        for space, other, known in self.cursors:
            if space == namespace and f"{other}-{known}" == joined:
                topic, name = other, known
        super().on_join(client, number, namespace, topic, name, start)


@mutant("persistent.7", "missing separator", trap="members and deliveries whose numbers are one number when they are joined")
class NumbersAreJoinedWithoutASeparator(Broker):
    """consumer1 and 11 hashed to what consumer11 and 1 do. apache/pulsar#22053."""

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        super().on_join(client, number, namespace, topic, name, start)
        cursor = client.members[number]
        self.joins: dict[int, int] = getattr(self, "joins", {})
        self.joins[id(cursor)] = self.joins.get(id(cursor), 0) + 1
        self.order: dict[int, tuple[int, int]] = getattr(self, "order", {})
        self.order[number] = self.joins[id(cursor)], 0

    def granted(self, cursor: Cursor, place: int, member: int, pull: int) -> list[Any]:
        index, serial = self.order[member]
        self.order[member] = index, serial + 1
        token = f"{id(cursor)}/{index}{serial + 1}"
        cursor.grant(place, member, pull, token)
        row = cursor.topic.row(place)
        return [row.id, row.payload, row.headers, cursor.counts[place], token]


@mutant("persistent.7", "prefetch", trap="left while more is available than was received")
class WhatWasFetchedAheadIsLost(Cursor):
    """What stood in the queue of a member that went was not given to the others, only what it had begun. emqx/emqx#9094."""

    def take(self, amount: int, member: int, now: float) -> list[int]:
        self.ahead: dict[int, list[int]] = getattr(self, "ahead", {})
        for places in self.ahead.values():
            self.replay |= set(places)
            places.clear()
        found = super().take(amount, member, now)
        mine = self.ahead.setdefault(member, [])
        while found and len(mine) < 3 and self.read < len(self.topic.rows) and self.lane(self.read + 1) is None:
            self.read += 1
            mine.append(self.read)
        return found

    def held_by(self, member: int, pull: int | None = None) -> list[Grant]:
        if pull is None:
            getattr(self, "ahead", {}).pop(member, None)
        return super().held_by(member, pull)


class _SparseTopic(Topic):
    """Has places that are reserved, and rows up to the highest that is stored."""

    reserved = 0

    def reserve(self) -> int:
        self.reserved += 1
        return self.reserved

    def fill(self, row: Row) -> None:
        while len(self.rows) < row.place:
            self.rows.append(Row(0, "", None, b"", {}))
        self.rows[row.place - 1] = row
        self.last = self.rows[-1].id


class _SparseCursor(Cursor):
    def is_acked(self, place: int) -> bool:
        return super().is_acked(place) or not self.topic.row(place).place


class _SparseBroker(Broker):
    cursor_type = _SparseCursor
    topic_type = _SparseTopic

    def on_reserve(self, _client: Client, _number: int, namespace: str, topic: str) -> int:
        found = self.topic(namespace, topic)
        assert isinstance(found, _SparseTopic)
        return found.reserve()

    def on_fill(
        self, _client: Client, _number: int, namespace: str, topic: str, place: int, key: str | None, payload: bytes, headers: Any
    ) -> str:
        found = self.topic(namespace, topic)
        assert isinstance(found, _SparseTopic)
        found.fill(Row(place, f"s{place}", key, payload, headers))
        for cursor in self.cursors_of(namespace, topic):
            self.wake(cursor)
        return f"s{place}"

    def on_store(self, client: Client, number: int, namespace: str, topic: str, *fields: Any) -> str:
        return self.on_fill(client, number, namespace, topic, self.on_reserve(client, number, namespace, topic), *fields)


@mutant(
    "persistent.13",
    "gap",
    trap="of two publishes the second is received first",
    broker=_SparseBroker,
    also="ordering.1 persistent.7",
)
class TheOffsetIsTakenBeforeTheCommit(WirePubSub):
    """Offsets were in the order of inserts, and readers went on from the highest. ThreeDotsLabs/watermill#311."""

    async def store(self, key: str | None, topic: str, payload: bytes, headers: Any) -> str:
        if key is not None:
            return await super().store(key, topic, payload, headers)
        return await asyncio.shield(asyncio.ensure_future(self.insert(topic, payload, headers)))

    async def insert(self, topic: str, payload: bytes, headers: Any) -> str:
        place = await self.wire.call("reserve", self.namespace, topic)
        for _ in range(len(payload) % 5):
            await asyncio.sleep(0)
        return str(await self.wire.call("fill", self.namespace, topic, place, None, payload, headers))


@mutant("persistent.15", "stale token", trap="an ack of a delivery that came again meanwhile")
class AcksAreByThePlace(Cursor):
    """An ack that was on its way took what came again away from those who wait for its ack. kafka4beam/brod#52."""

    tokens: dict[str, int] | None = None

    def grant(self, place: int, member: int, pull: int, token: str) -> None:
        super().grant(place, member, pull, token)
        self.tokens = {**(self.tokens or {}), token: place}

    def held(self, member: int, token: str) -> Grant | None:
        place = (self.tokens or {}).get(token)
        return next((grant for grant in self.grants.values() if grant.place == place), None)


@mutant("persistent.4", "position moved", trap="the last member leaves while a nacked message is delayed")
class PositionsAreCommittedWhenOneLeaves(Broker):
    """Offsets were committed past what had not been delivered. thingsboard/tbmq#320."""

    def on_leave(self, client: Client, number: int, member: int) -> None:
        cursor = client.members.get(member)
        super().on_leave(client, number, member)
        if cursor is not None and not any(found is cursor for other in self.clients.values() for found in other.members.values()):
            waiting = [place for place in cursor.replay if place in cursor.due]
            cursor.ack(waiting)


class _Bordered(Broker):
    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        super().on_join(client, number, namespace, topic, name, start)
        client.members[number].__dict__["border"] = len(client.members[number].topic.rows)


class _Mixing(Cursor):
    border = 0
    late = False

    def __init__(self, topic: Topic, name: str, start: int) -> None:
        super().__init__(topic, name, start)
        self.jumped: set[int] = set()

    def is_acked(self, place: int) -> bool:
        return place in self.jumped or super().is_acked(place)

    def take(self, amount: int, member: int, now: float) -> list[int]:
        self.late = not self.late
        fresh = range(max(self.read, self.border) + 1, len(self.topic.rows) + 1)
        place = next((place for place in fresh if self.lane(place) is None and not self.is_acked(place)), None)
        if self.late or place is None or self.read >= self.border:
            return super().take(amount, member, now)
        self.jumped.add(place)
        return [place]


@mutant(
    "persistent.3",
    "snapshot, then live",
    trap="published to while it reads a backlog",
    also="persistent.1",
)
class TheBacklogIsMixedWithWhatComes(_Bordered):
    """What was stored for an offline client was sent between what came meanwhile. moscajs/aedes#649."""

    cursor_type = _Mixing


class _ByText(Cursor):
    border = 0

    def take(self, amount: int, member: int, now: float) -> list[int]:
        self.replay |= {place for place in range(self.read + 1, self.border + 1) if not self.is_acked(place)}
        self.read = max(self.read, self.border)
        ready = [place for place in sorted(self.replay, key=str) if self.due.get(place, 0) <= now and self.lane(place) is None]
        return [self.taken(place) for place in ready[:amount]] or super().take(amount, member, now)


@mutant("persistent.3", "sorted as text", trap="opened again with a backlog of ten", also="persistent.1")
class TheBacklogIsSortedByItsIds(_Bordered):
    """What was sent while a client was away came in another order. nanomq/nanomq#897."""

    cursor_type = _ByText


@mutant("persistent.1", "ignored state", trap="opened again with another start")
class AnotherStartMakesItAnew(Broker):
    """To open a durable subscription with another parameter is to delete it and to make it anew. jakartaee/messaging#93."""

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        self.starts: dict[Any, str] = getattr(self, "starts", {})
        key = namespace, topic, name
        if self.starts.setdefault(key, start) != start:
            self.cursors.pop(key, None)
            self.starts[key] = start
        super().on_join(client, number, namespace, topic, name, start)


@mutant("persistent.7", "scope", trap="of two members of one driver one is left, and the other one waits")
class MembersOfOneNameGoTogether(Broker):
    """When one of several consumers with one name was closed, the others got nothing more. apache/pulsar#10750."""

    def on_leave(self, client: Client, number: int, member: int) -> None:
        cursor = client.members.get(member)
        super().on_leave(client, number, member)
        for other, found in list(client.members.items()):
            if found is cursor:
                super().on_leave(client, number, other)


class _Keeping(Hand):
    def delivery(self, identifier: str, payload: bytes, headers: dict[str, str], count: int, token: str) -> Delivery:
        kept: dict[str, dict[str, str]] = self.wire.__dict__.setdefault("kept", {})
        return super().delivery(identifier, payload, kept.setdefault(self.topic + identifier, headers), count, token)


@mutant("persistent.12", "shared mapping", trap="headers are changed by who received them, and the message comes again")
class WhatAHandlerDidToTheHeadersStays(WirePubSub):
    """What a handler changed in the headers was there at the next attempt. Particular/NServiceBus.RabbitMQ#485."""

    hand_type = _Keeping
