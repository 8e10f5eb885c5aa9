"""What a stream loses, or is made of, told of its neighbours: in the same namespace, or by the same name in another."""

from dataclasses import replace

from prism_testkit.interfaces import GroupInfo, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring, declaring_newer
from .newer import NewerStreams
from .reference import Member, Streams
from .stores import Held, Stream

__all__ = ["MUTANTS"]

LANE = "\udc00"
"""What stands between the name of a stream and the number of a partition, in the name of its log."""
MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
newer_mutant = declaring_newer(MUTANTS)


@mutant("consumer_groups.11", "forgets a key", trap="a stream before it by name that was trimmed")
class TellsTheFloorOfTheFirstStream(Streams):
    """The lookup of what was trimmed is by namespace alone."""

    def info(self, stream: str, group: str) -> GroupInfo:
        found, streams = super().info(stream, group), self.space().streams
        return replace(found, position=max(found.position, streams[min(streams)].floor))


@mutant(
    "consumer_groups.11",
    "forgets a key",
    trap="its namesake in another namespace was trimmed",
    also="consumer_groups.13",
)
class TellsTheFloorOfItsNamesakes(Streams):
    """The lookup of what was trimmed is by name alone."""

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        floors = [space.streams[stream].floor for space in self.store.spaces.values() if stream in space.streams]
        return replace(found, position=max([found.position, *floors]))


@mutant(
    "consumer_groups.12",
    "forgets a key",
    trap="its namesake in another namespace keeps what is trimmed here",
    also="consumer_groups.13",
)
class AsksNamesakesWhatIsKept(Member):
    """Whether a record is still there is asked by name and offset alone; it is fetched by all three."""

    def again(self) -> list[int]:
        spaces = self.driver.store.spaces.values()
        logs = [space.streams[self.stream] for space in spaces if self.stream in space.streams]
        pending: list[tuple[int, Held]] = sorted(self.state().pending.items())
        free = [offset for offset, held in pending if not held.member and self.driver.over(held.due)]
        return [offset for offset in free if any(log.find(offset) is not None for log in logs)]

    def one(self, offset: int) -> RecordDelivery:
        if self.driver.stream(self.stream).find(offset) is None:
            raise LookupError(f"zoo: receive: there is no record {offset}")
        return super().one(offset)


@newer_mutant("partitioning.11", "forgets a key", trap="an ordinary stream beside a partitioned one")
class TellsOfPartitionsElsewhere(NewerStreams):
    """A group has no position where any stream of the namespace has partitions."""

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return replace(found, position=0) if any(each.parts > 1 for each in self.space().streams.values()) else found


class CountsElsewhere(NewerStreams):
    """The last records are found by their offsets, among those of every stream that has such a partition."""

    def place(self, log: Stream) -> str:
        """Return the number of a partition, "" if it is an ordinary stream."""
        return next(name.partition(LANE)[2] for name, each in self.space().streams.items() if each is log)

    def beyond(self, log: Stream, most: int) -> list[Record]:
        here = self.place(log)
        logs = [each for name, each in self.space().streams.items() if name.partition(LANE)[2] == here]
        offsets = sorted(record.offset for each in logs for record in each.records)
        return [record for record in log.records if len(offsets) >= most and record.offset < offsets[-most]]


@newer_mutant("retention.12", "forgets a key", trap="a partitioned stream beside a bounded one", also="retention.1 retention.2")
class CountsPartitionsOfAllStreams(CountsElsewhere):
    def beyond(self, log: Stream, most: int) -> list[Record]:
        return super().beyond(log, most) if self.place(log) else log.records[:-most]


@newer_mutant(
    "retention.12", "forgets a key", trap="a stream beside a bounded one that was compacted", also="retention.1 retention.2"
)
class CountsRecordsOfAllStreamsBesideGaps(CountsElsewhere):
    """Where offsets are dense they are subtracted, so only what was compacted is counted wrongly."""

    def beyond(self, log: Stream, most: int) -> list[Record]:
        dense = not log.records or log.end - log.records[0].offset == len(log.records)
        return log.records[:-most] if dense or self.place(log) else super().beyond(log, most)


class TrustsTheSweep(Member):
    """What comes again is not looked for: whatever a bound removed was swept with it."""

    def again(self) -> list[int]:
        unswept: set[int] = self.driver.store.notes.get((self.driver.namespace, self.stream), set())
        pending: list[tuple[int, Held]] = sorted(self.state().pending.items())
        left = [o for o, held in pending if not held.member and self.driver.over(held.due) and o in unswept]
        return sorted([*super().again(), *left])


@newer_mutant("retention.10", "overwrites", trap="two bounds, of which the later removes nothing")
class SweepsAfterTheLastBound(NewerStreams):
    """Whether anything is to be swept is what the last of the bounds said, not one of them."""

    part_type = TrustsTheSweep

    async def enforce_retention(self, stream: str) -> None:
        bounds = self.bounds(stream)
        for lane in self.lanes(stream):
            log = self.stream(lane)
            if bounds.max_age_s is not None and bounds.max_records is not None and not self.beyond(log, bounds.max_records):
                aged = {record.offset for record in log.records if self.too_old(record, bounds.max_age_s)}
                self.store.notes.setdefault((self.namespace, lane), set()).update(aged)
        await super().enforce_retention(stream)
