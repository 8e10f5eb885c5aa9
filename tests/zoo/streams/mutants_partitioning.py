"""Partitions that are made or counted wrongly."""

from prism_testkit.interfaces import AlreadyExists, NotFound
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import step
from .stores import Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# partitioning.1: making


@mutant("partitioning.1", "wrong error", trap="the same number twice")
class ARepeatIsRefused(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        if self.count(self.name(stream, "create_partitioned")) == self.many(n) > 1:
            raise AlreadyExists("zoo: create_partitioned: it is")
        await super().create_partitioned(stream, n)


@mutant("partitioning.1", "missing error", trap="another number", also="partitioning.3")
class AnotherNumberResizes(NewerStreams):
    def refuse_parts(self, stream: str) -> None:
        if self.count(stream) == 1:
            super().refuse_parts(stream)


@mutant("partitioning.1", "missing error", trap="another number")
class AnotherNumberIsIgnored(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        if self.many(n) and self.count(self.name(stream, "create_partitioned")) == 1:
            await super().create_partitioned(stream, n)


@mutant("partitioning.1", "missing error", trap="a stream that holds records")
class RecordsDoNotMakeAStreamUsed(NewerStreams):
    def used(self, stream: str) -> bool:
        log = self.stream(stream)
        return bool(log.groups) or log.bounds is not None


@mutant("partitioning.1", "wrong condition", trap="a stream whose records were all removed")
class AnEmptiedStreamIsUnused(NewerStreams):
    def used(self, stream: str) -> bool:
        log = self.stream(stream)
        return bool(log.records) or bool(log.groups) or log.bounds is not None


@mutant("partitioning.1", "missing error", trap="a stream that has a group and no records")
class GroupsDoNotMakeAStreamUsed(NewerStreams):
    def used(self, stream: str) -> bool:
        log = self.stream(stream)
        return log.latest is not None or log.bounds is not None


@mutant("partitioning.1", "missing error", trap="a stream that has bounds and no records")
class BoundsDoNotMakeAStreamUsed(NewerStreams):
    def used(self, stream: str) -> bool:
        log = self.stream(stream)
        return log.latest is not None or bool(log.groups)


@mutant("partitioning.1", "side effect", trap="the same number again, with records")
class ARepeatBeginsAnew(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        await super().create_partitioned(stream, n)
        for lane in self.lanes(stream) if n > 1 else ():
            self.apply(Change(lane, trim=self.stream(lane).end))


@mutant("partitioning.1", "order", trap="another number, then a look", also="partitioning.3")
class TheNumberIsWrittenBeforeItIsRefused(NewerStreams):
    def refuse_parts(self, stream: str) -> None:
        count = self.count(stream)
        try:
            super().refuse_parts(stream)
        finally:
            if count > 1:
                self.apply(Change(stream, parts=count + 1))


@mutant("partitioning.1", "race", trap="two calls at once with two numbers")
class TwoOverlappingCallsSucceed(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        name, many = self.name(stream, "create_partitioned"), self.many(n)
        if many == self.count(name):
            return
        self.refuse_parts(name)
        await step(2)
        self.apply(Change(name, parts=many))


# partitioning.2: the number


@mutant("partitioning.2", "boundary", trap="256 partitions", also="partitioning.3")
class AtMost255(NewerStreams):
    def many(self, n: int) -> int:
        if self.whole(n, "create_partitioned") == 256:
            raise ValueError("zoo: create_partitioned: at most 255")
        return super().many(n)


@mutant("partitioning.2", "boundary", trap="257 partitions")
class OneMoreThanTheMost(NewerStreams):
    def many(self, n: int) -> int:
        return n if n == 257 else super().many(n)


@mutant("partitioning.2", "missing error", trap="0 partitions")
class NoPartitionsAreOne(NewerStreams):
    def many(self, n: int) -> int:
        return super().many(1 if n == 0 else n)


@mutant("partitioning.2", "missing error", trap="a number that is a float or a text")
class NumbersAreConverted(NewerStreams):
    def many(self, n: int) -> int:
        return super().many(int(n))


@mutant("partitioning.2", "wrong condition", trap="one partition, then several")
class OnePartitionMakesItUsed(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        await super().create_partitioned(stream, n)
        if n == 1 and not self.used(stream):
            self.store.notes[self.namespace, stream, "one"] = True

    def used(self, stream: str) -> bool:
        return super().used(stream) or (self.namespace, stream, "one") in self.store.notes


@mutant("partitioning.2", "wrong condition", trap="a read of a stream that was given one partition", also="partitioning.9")
class OnePartitionIsPartitioned(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        await super().create_partitioned(stream, n)
        if n == 1 and not self.used(stream):
            self.apply(Change(stream, parts=1))

    def ordinary(self, stream: str, operation: str) -> str:
        return super().ordinary(stream, operation) if not self.stream(stream).parts else self._never(stream, operation)

    def _never(self, stream: str, operation: str) -> str:
        from prism_testkit.interfaces import ConfigError

        raise ConfigError(f"zoo: {operation} of {stream[:40]!a}, which is partitioned")


# partitioning.3: how many


@mutant("partitioning.3", "wrong value", trap="a stream that was never used")
class UnusedStreamsHaveNone(NewerStreams):
    async def partitions(self, stream: str) -> int:
        found = await super().partitions(stream)
        return found if found > 1 or self.used(stream) else 0


@mutant("partitioning.3", "wrong error", trap="a stream that was never used")
class UnusedStreamsAreMissing(NewerStreams):
    async def partitions(self, stream: str) -> int:
        found = await super().partitions(stream)
        if found == 1 and not self.used(stream):
            raise NotFound(f"zoo: partitions: {stream[:40]!a}")
        return found


@mutant("partitioning.3", "cache", trap="a second client that looked before", also="partitioning.5 partitioning.6 partitioning.8")
class EachClientCountsOnce(NewerStreams):
    """The number never changes, so it is asked once, also if there are no partitions yet."""

    async def partitions(self, stream: str) -> int:
        known: int = self.store.notes.setdefault((id(self), self.namespace, stream, "n"), await super().partitions(stream))
        return known


@mutant("partitioning.3", "wrong count", trap="partitions that hold nothing")
class EmptyPartitionsDoNotCount(NewerStreams):
    async def partitions(self, stream: str) -> int:
        await super().partitions(stream)
        return max(1, sum(self.stream(lane).latest is not None for lane in self.lanes(stream)))


@mutant("partitioning.3", "truncation", trap="more than 127 partitions")
class CountsAreSignedBytes(NewerStreams):
    async def partitions(self, stream: str) -> int:
        found = await super().partitions(stream)
        return found if found < 128 else max(1, 256 - found)
