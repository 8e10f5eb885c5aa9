"""Groups that go wrong as groups have gone wrong: cursors, acks, marks and what is to come again."""

from typing import Any

from prism_testkit.interfaces import GroupStart, RecordDelivery
from tests.zoo.declare import Mutant

from .history_broker import Broker, Cursor, Group, Log
from .history_declare import declaring_history
from .history_members import BrokerMember
from .history_streams import BrokerStreams

__all__ = ["MUTANTS", "Counting"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

# The counters


class Counting(Cursor):
    """Keeps the number of what is pending beside it."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.number = 0

    def deliver(self, offset: int, member: int, token: str) -> int:
        self.number += offset not in self.counts
        return super().deliver(offset, member, token)

    def ack(self, log: Log, offset: int) -> None:
        self.number -= 1
        super().ack(log, offset)

    def pending(self, log: Log) -> int:
        return self.number

    def move(self, at: int) -> None:
        self.number = 0
        super().move(at)


@mutant("consumer_groups.11", "groups", trap="a record that is to come again is trimmed", also="consumer_groups.12")
class CountsWhatWasTrimmed(Counting):
    """The counter of what is pending does not go down when deleted entries leave the list. apache/kvrocks#3578."""


class _BrokerThatCounts(Broker):
    cursor_type = Counting


@mutant("consumer_groups.11", "groups", trap="one delivery twice in one ack", also="consumer_groups.6", broker=_BrokerThatCounts)
class CountsAnAckTwice(BrokerMember):
    """The same number twice in one call is read twice before it is deleted, and counted twice. apache/kvrocks#3596."""

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.open("ack")
        await self.driver.request()
        self.open("ack")
        found = [(self.cursor(delivery), delivery) for delivery in deliveries]
        for cursor, delivery in found:
            if cursor is not None:
                self.confirm(cursor, delivery)
        self.driver.changed(self.stream)
        self.refuse(deliveries, "ack")


@mutant("consumer_groups.11", "groups", trap="a record given back")
class CountsWhatComesAgainTwice(Cursor):
    """What waits to be delivered again is still among the pending, and counts in both lists. nats-io/nats-server#6093."""

    def pending(self, log: Log) -> int:
        undone = self.undone(log)
        return len(undone) + sum(offset in self.due and offset not in self.held for offset in undone)


# What was trimmed while it was pending


@mutant("consumer_groups.12", "groups", trap="a record that is to come again is trimmed", also="consumer_groups.5 retention.10")
class FailsOnWhatWasTrimmed(Cursor):
    """A claimed entry has no content any more, an error that comes with each claim. ThreeDotsLabs/watermill-redisstream#38."""

    def undone(self, log: Log) -> list[int]:
        return [offset for offset in range(self.mark, self.read) if offset not in self.acked]


@mutant(
    "consumer_groups.12",
    "groups",
    trap="a record that is to come again is trimmed, and another comes again",
    also="consumer_groups.5",
)
class StopsAtWhatWasTrimmed(Cursor):
    """The list of what comes again begins with what was purged, and what follows never comes. nats-io/nats-server#2392."""

    def again(self, log: Log, now: float) -> list[int]:
        kept, found = set(self.undone(log)), list[int]()
        for offset in sorted(offset for offset, due in self.due.items() if due <= now and offset not in self.held):
            if offset not in kept:
                break
            found.append(offset)
        return found


@mutant("consumer_groups.12", "groups", trap="of two that come again one is trimmed", also="consumer_groups.6 consumer_groups.4")
class GivesTheNextForWhatWasTrimmed(Cursor):
    """The history is read by ranges: a deleted entry gives the one behind it, which then comes twice. redis/redis#5544."""

    def again(self, log: Log, now: float) -> list[int]:
        due = sorted(offset for offset, at in self.due.items() if at <= now and offset not in self.held and offset >= self.mark)
        return [entry.offset for offset in due for entry in list(log.entries(offset, self.read))[:1]]


@mutant("retention.10", "groups", trap="a group whose next record was removed", also="consumer_groups.12")
class WantsTheNextNumber(Cursor):
    """To fetch at a number that compaction removed gives nothing, for ever. kafka4beam/brod#263, dpkp/kafka-python#1390."""

    def fresh(self, log: Log, most: int) -> list[int]:
        return super().fresh(log, most) if self.read <= log.start or log.find(self.read) is not None else []


@mutant("retention.10", "groups", trap="a group that is behind what is kept", also="consumer_groups.12 consumer_groups.1")
class GoesToTheEndWhenOutOfRange(Cursor):
    """A position that is out of range is reset, as if it were new: to the last. apache/iggy#3525."""

    def fresh(self, log: Log, most: int) -> list[int]:
        if self.read < log.start:
            self.mark = self.read = max(log.start, log.next - 1)
        return super().fresh(log, most)


# Acks


@mutant("consumer_groups.6", "groups", trap="an ack out of order", also="consumer_groups.5 consumer_groups.11")
class AcksAllBelow(Cursor):
    """The highest offset that was committed counts, though lower ones are being worked on. segmentio/kafka-go#202."""

    def ack(self, log: Log, offset: int) -> None:
        self.acked |= {entry.offset for entry in log.entries(self.mark, offset)}
        super().ack(log, offset)


@mutant("consumer_groups.5", "groups", trap="acks of consecutive records above one that was not acked", also="consumer_groups.11")
class OverlooksTheGapAtTheHead(Cursor):
    """The first run of consecutive acks moves the mark, also where it does not begin there. faust-streaming/faust#312."""

    def settle(self, log: Log) -> None:
        run = min(self.acked)
        while run in self.acked:
            run += 1
        self.mark = max(self.mark, run) if run - min(self.acked) > 1 else self.mark
        super().settle(log)


@mutant("consumer_groups.6", "concurrency", trap="acks at once", also="consumer_groups.11")
class CommitsOutOfOrder(BrokerMember):
    """Each commit tells all that the client has seen so far, and a longer one arrives after a shorter. segmentio/kafka-go#439."""

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.open("ack")
        seen = [set(cursor.acked) for cursor in self.group.cursors]
        for _ in deliveries:
            await self.driver.request()
        for cursor, before in zip(self.group.cursors, seen, strict=True):
            cursor.acked &= before
        await super().ack(*deliveries)


@mutant("consumer_groups.6", "groups", trap="the last ack before a member leaves")
class LosesTheLastAckOnLeaving(BrokerMember):
    """What was acked is written when the next comes, and not when the member goes. fluvio-community/fluvio#4505."""

    unwritten: tuple[RecordDelivery, ...] = ()

    async def ack(self, *deliveries: RecordDelivery) -> None:
        before, self.unwritten = self.unwritten, deliveries[-1:]
        await super().ack(*before, *deliveries[:-1])


@mutant("consumer_groups.6", "groups", trap="one acked of several that were given", also="consumer_groups.5 consumer_groups.11")
class AcksThePollOfIt(BrokerMember):
    """A commit confirms all of the last poll, though only a part was done. SolaceProducts/pubsubplus-connector-kafka-source#75."""

    polled: tuple[RecordDelivery, ...] = ()

    def take(self, most: int) -> list[RecordDelivery]:
        found = super().take(most)
        self.polled = tuple(found) or self.polled
        return found

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries, *(self.polled if any(one in self.polled for one in deliveries) else ()))


@mutant(
    "consumer_groups.6",
    "groups",
    trap="a late ack of what was given back",
    also="consumer_groups.8 consumer_groups.4 consumer_groups.5",
)
class KnowsDeliveriesByTheirRecord(BrokerMember):
    """What is in hand is kept by the number of its record, not of its delivery: a late ack is another's. pathosDev/actor-ts#710."""

    def cursor(self, delivery: RecordDelivery) -> Cursor | None:
        number = delivery.record.partition
        if number >= len(self.group.cursors) or delivery.token not in self.given:
            return None
        cursor = self.group.cursors[number]
        return cursor if delivery.record.offset in cursor.held else None


@mutant("consumer_groups.6", "errors", trap="an ack of what was given back", also="consumer_groups.8")
class FailsWhereNobodyHoldsIt(BrokerMember):
    """An ack of an entry that no living consumer owns ends with a KeyError. cunla/fakeredis-py#549."""

    def cursor(self, delivery: RecordDelivery) -> Cursor | None:
        found = super().cursor(delivery)
        if found is None and delivery.token in self.given:
            cursor = self.group.cursors[delivery.record.partition]
            if delivery.record.offset in cursor.counts and delivery.record.offset not in cursor.acked:
                cursor.held[delivery.record.offset]
        return found


@mutant("consumer_groups.6", "groups", trap="another member later")
class KeepsAcksByMember(Cursor):
    """The offset of a group is stored under the number of the member that acked. apache/iggy#2351."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.by: dict[int, set[int]] = {}

    def ack(self, log: Log, offset: int) -> None:
        held = self.held.get(offset)
        if held is not None:
            self.by.setdefault(held.member, set()).add(offset)
        self.held.pop(offset, None)
        self.acked.add(offset)

    def release_all(self, member: int) -> None:
        super().release_all(member)
        self.acked -= self.by.pop(member, set())


# What comes again


@mutant("consumer_groups.5", "groups", trap="several held by a member that is left")
class ClaimsOneOfTheDead(Cursor):
    """One pending entry is claimed, then the consumer is deleted with all others. ThreeDotsLabs/watermill-redisstream#24."""

    def release_all(self, member: int) -> None:
        mine = sorted(offset for offset, held in self.held.items() if held.member == member)
        for offset in mine[:1]:
            self.release(offset)
        for offset in mine[1:]:
            del self.held[offset]
            self.acked.add(offset)


@mutant("consumer_groups.5", "groups", trap="a member that is left")
class DoesNotCountAClaim(Cursor):
    """A claim hands the entry over, and the number of its deliveries stays. redis/redis#5194."""

    def release_all(self, member: int) -> None:
        for offset in [offset for offset, held in self.held.items() if held.member == member]:
            self.counts[offset] -= 1
            self.release(offset)


@mutant("consumer_groups.7", "time", trap="delays of different lengths")
class HasOneTimerForAll(Cursor):
    """One timer for all that was given back: when it fires, everything goes. apache/pulsar#6461."""

    def release(self, offset: int, due: float = 0.0) -> None:
        super().release(offset, due)
        if due:
            self.due = {other: min(at, due) for other, at in self.due.items()}


@mutant("consumer_groups.4", "time", trap="a member that is slow for more than half a minute", also="consumer_groups.8")
class TakesFromTheSlow(BrokerMember):
    """What is idle for long is claimed from whoever works on it. mastra-ai/mastra#23697, nats-io/nats.net#244."""

    def take(self, most: int) -> list[RecordDelivery]:
        times: dict[Any, float] = self.driver.broker.notes.setdefault((self.driver.namespace, self.stream, self.name), {})
        for _, _, cursor in self.lanes():
            for offset, held in list(cursor.held.items()):
                if self.driver.now() - times.get(held.token, self.driver.now()) > 30:
                    cursor.release(offset)
        found = super().take(most)
        times.update({one.token: self.driver.now() for one in found})
        return found


# Where a group begins


@mutant("consumer_groups.1", "groups", trap="a start of 0")
class TakesZeroForLatest(BrokerStreams):
    """An offset of 0, less one, is -1, and that means the end. kafka4beam/brod#531, cainus/Prozess#36."""

    def begin(self, log: Log, start: GroupStart) -> int:
        return super().begin(log, "latest" if start == 0 else start)


@mutant("consumer_groups.1", "groups", trap="a group at the end whose member leaves before it got anything", also="partitioning.10")
class BeginsAnewUntilItGotSomething(BrokerMember):
    """The position is written with the first message: who began at the end begins there again. segmentio/kafka-go#904."""

    def enter(self) -> None:
        again = self.driver.broker.notes.setdefault(("joined", self.driver.namespace, self.stream, self.name), False)
        for _, log, cursor in self.lanes():
            if again and not cursor.counts and not cursor.acked and getattr(cursor, "at_end", False):
                cursor.read = cursor.mark = log.next
            if not again:
                cursor.__dict__["at_end"] = cursor.read == log.next
        self.driver.broker.notes["joined", self.driver.namespace, self.stream, self.name] = True
        super().enter()

    def deliver(self, number: int, log: Log, cursor: Cursor, offset: int) -> RecordDelivery:
        cursor.__dict__["at_end"] = False
        return super().deliver(number, log, cursor, offset)


@mutant("consumer_groups.6", "groups", trap="a receive that found nothing")
class GoesBackToTheLastGiven(BrokerMember):
    """A stale cache is filled from the last that was given, not from behind. confluentinc/confluent-kafka-javascript#417."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        if not found and timeout_s > 0:
            for _, log, cursor in self.lanes():
                if cursor.read > 0 and log.find(cursor.read - 1) is not None and cursor.read - 1 not in cursor.held:
                    cursor.read -= 1
                    cursor.mark = min(cursor.mark, cursor.read)
                    cursor.acked.discard(cursor.read)
        return found


# Names


@mutant("consumer_groups.13", "name", trap="names that are equal when written one after the other")
class WritesNamesTogether(BrokerStreams):
    """Two names are hashed one after the other, with nothing between them. apache/pulsar#22053."""

    def group(self, stream: str, group: str) -> Group:
        super().group(stream, group)
        logs = len(self.topic(stream).logs)
        one: Group = self.broker.notes.setdefault((self.namespace, stream + group, logs), self.topic(stream).groups[group])
        return one


@mutant("consumer_groups.13", "name", trap="groups that differ in case", also="consumer_groups.9")
class LowersTheNamesOfGroups(BrokerStreams):
    """Positions are kept under the name in lower case. Azure/azure-sdk-for-js#5348."""

    def group(self, stream: str, group: str) -> Group:
        found = super().group(stream, group)
        shared: Group = self.broker.notes.setdefault((self.namespace, stream, group.lower()), found)
        found.cursors = shared.cursors
        return found


# Partitions


@mutant("partitioning.10", "groups", trap="several partitions with records", also="consumer_groups.1")
class GoesOnInAllWhereItIsInOne(BrokerMember):
    """One offset to go on from serves all partitions, so the beginnings of the later ones are passed over. apache/iggy#4034."""

    def take(self, most: int) -> list[RecordDelivery]:
        reached = 0
        found = list[RecordDelivery]()
        for number, log, cursor in self.lanes():
            if cursor.read < min(reached, log.next):
                cursor.acked |= set(range(cursor.read, min(reached, log.next)))
                cursor.read = min(reached, log.next)
            for offset in cursor.take(log, most - len(found), self.driver.now()):
                found.append(self.deliver(number, log, cursor, offset))
                reached = offset + 1
        if found:
            self.driver.changed(self.stream)
        return found


class _Limited(Counting):
    def fresh(self, log: Log, most: int) -> list[int]:
        return super().fresh(log, most) if self.number < 1000 else []


@mutant("consumer_groups.1", "groups", trap="a thousand records that are held", also="consumer_groups.10 consumer_groups.12")
class StopsAtAThousandOutstanding(_Limited):
    """With a thousand outstanding, among them what was purged, nothing comes any more. nats-io/nats-server#4112."""
