"""Wrong drivers that show it only when a store has grown: what a flush, a merge, a move or a bounded memory does to other keys."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from prism_testkit.backend import Place

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cells import Cell, Shard, Shards
from .independent_levels import LevelTransaction
from .independent_tree import Levels, Record

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant(
    "ttl.10",
    "merge",
    trap="a key with a deadline, written again without, and 48 others",
    also="ttl.1 ttl.3 ttl.4 ttl.7 ttl.8 basic.4 batch.1 batch.3 scan.1 scan.4 scan.5 transactional.1 transactional.3",
)
class MergesTakeTheEarlierDeadline(Levels):
    """A merge takes a record without a deadline for one that does not speak of it."""

    def kept(self, records: Iterable[Record]) -> Iterator[Record]:
        written = [record for run in reversed(self.runs) for record in run.records]
        dues = {r.key: (r.due_ms, r.given_s) for r in written if r.due_ms is not None}
        for record in super().kept(records):
            due_ms, given_s = dues.get(record.key, (None, 0.0))
            yield record if record.due_ms is not None else replace(record, due_ms=due_ms, given_s=given_s)


@mutant("ttl.2", "bounded memory", trap="more than 40 keys have deadlines at once", also="ttl.11")
class FortyDeadlinesAreKnown(Shards):
    """Forty deadlines are kept; one more takes the place of the earliest."""

    def put(self, key: str, data: bytes, due_us: int | None = None, given_s: float = 0.0) -> None:
        super().put(key, data, due_us, given_s)
        cells = [cell for shard in self.shards for cell in shard.cells.values() if cell.due_us is not None]
        if len(cells) > 40:
            cells.sort(key=lambda cell: cell.due_us or 0)
            cells[0].due_us = None


@mutant("basic.4", "flush", trap="deletes alone fill a table", also="batch.3 basic.2 basic.1 scan.1")
class TablesOfRemovalsAreDropped(Levels):
    """A table in which nothing is left is emptied and not written."""

    def flush(self) -> None:
        if all(record.value is None for record in self.table.values()):
            self.table = {}
        else:
            super().flush()


@mutant(
    "transactional.5",
    "bounded memory",
    trap="a key that was read changes, then 32 others do",
    also="transactional.1",
)
class TheLast32WritesAreCompared(LevelTransaction):
    """What was read is compared with the last 32 writes."""

    def commit(self) -> None:
        recent = self.driver.tree.number - 32
        self.seen = {name: stamp for name, stamp in self.seen.items() if self.stamp(name) > recent or not self.stamp(name)}
        super().commit()


@mutant("ttl.2", "move", trap="a key has a deadline when the 48th comes", also="ttl.11")
class GrowingForgetsDeadlines(Shards):
    """With the 48th key all cells of a shard move to larger ones, without their deadlines."""

    def put(self, key: str, data: bytes, due_us: int | None = None, given_s: float = 0.0) -> None:
        before = self.of(key).cells.get(key)
        super().put(key, data, due_us, given_s)
        if before is None and sum(len(shard.cells) for shard in self.shards) == 48:
            for shard in self.shards:
                for name, cell in shard.cells.items():
                    shard.cells[name] = Cell(cell.digest, cell.stamp)


@mutant("scan.3", "cursor", trap="a merge while a scan is open")
class ScansCountTheRuns(Levels):
    """A scan goes over the runs one after another, by their number from the oldest."""

    def walk(self, prefix: bytes) -> Iterator[Record]:
        given: set[bytes] = set()
        for record in [record for record in self.table.values() if record.key.startswith(prefix)]:
            given.add(record.key)
            yield record
        at = 0
        while at < len(self.runs):
            for record in self.runs[at].of_prefix(prefix):
                if record.key not in given:
                    given.add(record.key)
                    yield record
            at += 1


@mutant("basic.2", "sweep", trap="a key is deleted, and 24 writes follow", also="basic.4 scan.1 basic.5")
class RemovalsAreSwept(Shards):
    """A deleted key is kept aside, and put back by a sweep that finds nothing expired."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.aside: dict[str, bytes] = {}

    def remove(self, key: str) -> bool:
        value = self.value(key)
        if value is not None:
            self.aside[key] = value
        return super().remove(key)

    def sweep(self, shard: Shard) -> None:
        super().sweep(shard)
        if self.aside and len(self.aside) == 1:
            for key, value in self.aside.items():
                if key not in self.of(key).cells:
                    self.put(key, value)
        self.aside.clear()
