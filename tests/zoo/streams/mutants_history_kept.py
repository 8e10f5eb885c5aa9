"""Streams that go wrong after a kill as streams have gone wrong: what their images leave out, and what is made of them."""

from tests.zoo.declare import Mutant

from .history_broker import DiskBroker, Topic
from .history_declare import declaring_history
from .history_streams import BrokerStreams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("basic.15", "durability", trap="kill, after everything was trimmed", also="retention.14 basic.3")
class ForgetsItsLastNumberWhenEmpty(DiskBroker):
    """The last number is learned from the records: without any it begins anew. nats-io/nats-server#2753, #1721."""

    def revive(self, topic: Topic) -> None:
        super().revive(topic)
        for log in topic.logs:
            log.next = max((entry.offset + 1 for entry in log.entries()), default=0)


@mutant("basic.15", "durability", trap="kill, after a trim up to a record that is kept", also="retention.14")
class PurgesWhereTheFirstIsTheBound(DiskBroker):
    """The bound is the number of the first that is there, and then everything is purged. nats-io/nats-server#6753."""

    def revive(self, topic: Topic) -> None:
        super().revive(topic)
        for log in topic.logs:
            if log.start and log.first == log.start:
                log.keep(lambda entry: False)


@mutant("retention.14", "durability", trap="kill, with a bound of age and several segments", also="retention.1")
class ForgetsTheInstantsOfSegments(DiskBroker):
    """The last instant of a segment is not in its image, so it is as old as can be. cloudamqp/lavinmq#1759."""

    def revive(self, topic: Topic) -> None:
        super().revive(topic)
        for log in topic.logs:
            for segment in log.segments[:-1]:
                segment.last_ms = 0
            if topic.bounds is not None and topic.bounds.max_age_s is not None:
                log.segments = [segment for segment in log.segments if segment.last_ms]


@mutant("retention.14", "durability", trap="kill, right after a compaction", kept=True)
class DoesNotWriteWhatItRemoved(BrokerStreams):
    """Removals by a bound leave no mark of their own: after a crash the record is there again. nats-io/nats-server#8506."""

    silent = False

    def changed(self, stream: str) -> None:
        if not self.silent:
            super().changed(stream)

    async def compact(self, stream: str) -> None:
        self.silent = True
        try:
            await super().compact(stream)
        finally:
            self.silent = False


@mutant("consumer_groups.16", "durability", trap="kill, with something given back", also="consumer_groups.5 consumer_groups.6")
class MarksByWhatIsHeldNow(DiskBroker):
    """Nothing is outstanding, so the checkpoint is the last that was sent: retries are passed. kurrent-io/KurrentDB#1301."""

    def revive(self, topic: Topic) -> None:
        for group in topic.groups.values():
            for cursor in group.cursors:
                cursor.mark = min(cursor.held, default=cursor.read)
        super().revive(topic)


@mutant("consumer_groups.6", "durability", trap="kill, after everything was acked", also="consumer_groups.16 replay.11")
class ForgetsThePositionWithoutPending(DiskBroker):
    """The position is written along with what is pending, and else it is that of long ago. redis/redis#7105."""

    def revive(self, topic: Topic) -> None:
        super().revive(topic)
        for group in topic.groups.values():
            for cursor, log in zip(group.cursors, topic.logs, strict=True):
                if cursor.mark == cursor.read and cursor.read > log.first:
                    cursor.move(max(log.first, cursor.read - 3))


@mutant("partitioning.13", "durability", trap="kill: another process hashes otherwise", also="partitioning.5", kept=True)
class HashesWithTheSeedOfTheProcess(BrokerStreams):
    """The hash of the language, which begins anew with each process. dpkp/kafka-python#374."""

    def choose(self, topic: Topic, stream: str, key: str | None) -> int:
        return super().choose(topic, stream, None) if key is None else hash(key) % len(topic.logs)


@mutant("consumer_groups.16", "durability", trap="kill, with acks above one that was not acked", also="consumer_groups.5")
class TakesTheMarkForDone(DiskBroker):
    """The acks cannot be read, so the first that is not done counts as done. astubbs/parallel-consumer#183."""

    def revive(self, topic: Topic) -> None:
        super().revive(topic)
        for group in topic.groups.values():
            for cursor in group.cursors:
                if cursor.acked:
                    cursor.acked.add(cursor.mark)
