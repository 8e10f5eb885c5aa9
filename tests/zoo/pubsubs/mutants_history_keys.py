"""Wrong lines of keys, and wrong journals: bugs that brokers and clients shipped in what waits, and what a restart leaves."""

import asyncio
import zlib
from collections.abc import Iterable, Mapping

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .history_broker import Broker, Client, JournalBroker
from .history_cursor import Cursor, Row, Topic
from .history_declare import declaring_history
from .history_driver import WirePubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("ordering.4", "moved to the end", trap="a nack, with a later one of its key published")
class WhatIsNackedStandsAtTheEnd(Cursor):
    """What was given back of a key came behind the rest of it. apache/pulsar#15317."""

    def take(self, amount: int, member: int, now: float) -> list[int]:
        found: list[int] = []
        busy = self.busy()
        returned = [place for place in self.replay if self.counts.get(place)]
        waiting = [*sorted(self.replay - set(returned)), *range(self.read + 1, len(self.topic.rows) + 1)]
        self.read = len(self.topic.rows)
        for place in [*waiting, *sorted(returned)]:
            if self.is_acked(place):
                continue
            lane = self.lane(place)
            self.replay.add(place)
            if len(found) < amount and lane not in busy and self.due.get(place, 0) <= now:
                found.append(self.taken(place))
                busy |= {lane} - {None}
        return found


@mutant("ordering.4", "gives up", trap="five nacks of one message")
class ANackedKeyIsNeverServedAgain(Cursor):
    """A key of which a message had been nacked to the end was not pulled any more. googleapis/google-cloud-dotnet#11793."""

    def busy(self) -> set[str | None]:
        return super().busy() | {self.lane(place) for place, count in self.counts.items() if count >= 5} - {None}


class _Draining(Cursor):
    def __init__(self, topic: Topic, name: str, start: int) -> None:
        super().__init__(topic, name, start)
        self.members: set[int] = set()
        self.draining: set[str | None] = set()

    def busy(self) -> set[str | None]:
        return super().busy() | self.draining

    def ack(self, places: Iterable[int]) -> None:
        given = list(places)
        super().ack(given)
        if len(self.members) > 1:
            self.draining -= {self.lane(place) for place in given}


@mutant("ordering.5", "reference count", trap="a member comes and goes while another one holds the key", also="ordering.1")
class AKeyIsDrainedForWhoIsGone(Broker):
    """A key that went to a new consumer and back, while its message was held, stayed closed. apache/pulsar#24736."""

    cursor_type = _Draining

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        super().on_join(client, number, namespace, topic, name, start)
        cursor = client.members[number]
        assert isinstance(cursor, _Draining)
        cursor.draining |= cursor.busy()
        cursor.members.add(number)

    def on_leave(self, client: Client, number: int, member: int) -> None:
        cursor = client.members.get(member)
        if isinstance(cursor, _Draining):
            cursor.members.discard(member)
            cursor.draining -= {cursor.lane(grant.place) for grant in cursor.held_by(member)}
        super().on_leave(client, number, member)


class _Sticky(Cursor):
    def __init__(self, topic: Topic, name: str, start: int) -> None:
        super().__init__(topic, name, start)
        self.members: list[int] = []

    def take(self, amount: int, member: int, now: float) -> list[int]:
        self.asking = member
        return super().take(amount, member, now)

    def busy(self) -> set[str | None]:
        lanes = {row.key for row in self.topic.rows if row.key is not None}
        return super().busy() | {
            lane for lane in lanes if self.members[zlib.crc32(lane.encode()) % len(self.members)] != self.asking
        }


@mutant("ordering.5", "affinity", trap="two members, of which one does not receive")
class AKeyBelongsToAMember(Broker):
    """Keys were for the consumer that their hash names, though that one asked for nothing. apache/pulsar#10284."""

    cursor_type = _Sticky

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        super().on_join(client, number, namespace, topic, name, start)
        cursor = client.members[number]
        assert isinstance(cursor, _Sticky)
        cursor.members.append(number)

    def on_leave(self, client: Client, number: int, member: int) -> None:
        cursor = client.members.get(member)
        if isinstance(cursor, _Sticky):
            cursor.members.remove(member)
        super().on_leave(client, number, member)


@mutant("ordering.6", "weak hash", trap="many keys of which one is held")
class KeysAreKnownByTheirHash(Cursor):
    """Several keys had one hash, and were served as one. apache/pulsar#8396."""

    def lane(self, place: int) -> str | None:
        key = self.topic.row(place).key
        return None if key is None else str(zlib.crc32(key.encode()) % 4096)


@mutant("ordering.10", "unusable", trap="a publish that is cancelled, and then another one of its key")
class AFailedKeyIsPaused(WirePubSub):
    """After a publish with a key failed, all further ones of it were refused. ThreeDotsLabs/watermill-googlecloud#22."""

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        paused: set[tuple[str, str]] = self.wire.__dict__.setdefault("paused", set())
        if (topic, ordering_key) in paused:
            raise RuntimeError(f"pubsub: publishing for ordering key {ordering_key!r} is paused due to a previous error")
        try:
            return await super().publish_ordered(topic, ordering_key, payload, headers)
        except asyncio.CancelledError:
            paused.add((topic, ordering_key))
            raise


# Journals


class _Recovering(JournalBroker):
    """Knows when it has read what others left behind."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        for cursor in self.cursors.values():
            self.recover(cursor)

    def catch_up(self) -> None:
        before = self.log.position
        super().catch_up()
        if self.log.position != before:
            for cursor in self.cursors.values():
                self.recover(cursor)

    def recover(self, cursor: Cursor) -> None:
        """Make of a cursor what a restart makes of it."""


@mutant("persistent.5", "kept in memory", trap="kill; acked out of order")
class OnlyTheMarkIsKept(_Recovering):
    """Of the acks only the position up to which all is acked survived. apache/pulsar#150."""

    def recover(self, cursor: Cursor) -> None:
        cursor.acked.clear()


@mutant("persistent.5", "range", trap="kill; acked out of order, over several segments")
class RangesOfAcksEndWithTheSegment(_Recovering):
    """Ranges of acks that reach into another segment than that of their beginning were lost there. apache/pulsar#7554."""

    segment = 8

    def recover(self, cursor: Cursor) -> None:
        kept: set[int] = set()
        for place in sorted(cursor.acked):
            if place - 1 not in cursor.acked:
                first = place
            if place // self.segment == first // self.segment:
                kept.add(place)
        cursor.acked = kept


@mutant("persistent.10", "forgotten number", trap="kill; the last was acked", also="persistent.16")
class TheLastIsTheLastUnacked(_Recovering):
    """With nothing left to deliver a restart forgot the number of the last message. nats-io/nats-server#1721."""

    def recover(self, cursor: Cursor) -> None:
        left = [row.id for row in cursor.topic.rows if not cursor.is_acked(row.place)]
        cursor.topic.last = left[-1] if left else None


@mutant("persistent.16", "position", trap="kill; opened with new, and something left to receive")
class NewIsTheEndOfTheLogAgain(_Recovering):
    """What had not begun at the beginning went on behind all that was there at recovery. nats-io/nats-streaming-server#591."""

    def recover(self, cursor: Cursor) -> None:
        if cursor.__dict__.get("began"):
            cursor.ack(range(cursor.mark + 1, len(cursor.topic.rows) + 1))

    def apply_cursor(self, namespace: str, topic: str, name: str, start: int) -> None:
        super().apply_cursor(namespace, topic, name, start)
        self.cursors[namespace, topic, name].__dict__["began"] = start


@mutant("persistent.16", "restart", trap="kill; published before the subscription is opened again")
class WhoIsNotBackGetsNothing(_Recovering):
    """After a restart nothing was kept for sessions that had not come back yet. eclipse-mosquitto/mosquitto#769."""

    def recover(self, cursor: Cursor) -> None:
        cursor.__dict__["asleep"] = True

    def apply_message(self, namespace: str, topic: str, row: Row) -> None:
        super().apply_message(namespace, topic, row)
        for cursor in self.cursors_of(namespace, topic):
            if cursor.__dict__.get("asleep"):
                cursor.ack([row.place])

    def on_join(self, client: Client, number: int, namespace: str, topic: str, name: str, start: str) -> None:
        super().on_join(client, number, namespace, topic, name, start)
        client.members[number].__dict__["asleep"] = False
