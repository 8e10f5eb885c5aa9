"""A log-structured tree: a small table in memory, sorted runs behind it, and a merge now and then; in files too.

All namespaces are in one tree. What is removed is a record as well, until a merge of all runs meets it. In `LevelFiles` a log is
written before the table, a run is a file, and a manifest says which runs there are.
"""

import heapq
import os
import pickle
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.backend import Place

__all__ = ["LevelFiles", "Levels", "Record", "Run"]


@dataclass(frozen=True, slots=True)
class Record:
    """What a write left of a key; no value: it was removed."""

    number: int
    key: bytes
    value: bytes | None
    due_ms: int | None = None
    given_s: float = 0.0


@dataclass(frozen=True)
class Run:
    """Records in the order of their keys, one of a key; never changed."""

    keys: tuple[bytes, ...]
    records: tuple[Record, ...]
    marks: frozenset[int] = field(default_factory=frozenset)
    """A filter: what is not in here is not in the run."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Run":
        return cls(tuple(r.key for r in records), tuple(records), frozenset(cls.mark(r.key) for r in records))

    @staticmethod
    def mark(key: bytes) -> int:
        return zlib.crc32(key) & 0xFFFF

    def find(self, key: bytes) -> Record | None:
        if self.mark(key) not in self.marks:
            return None
        at = bisect_left(self.keys, key)
        return self.records[at] if at < len(self.keys) and self.keys[at] == key else None

    def of_prefix(self, prefix: bytes) -> Iterator[Record]:
        for at in range(bisect_left(self.keys, prefix), len(self.keys)):
            if not self.keys[at].startswith(prefix):
                return
            yield self.records[at]


class Levels:
    """The tree of one place."""

    table_size = 12
    most_runs = 4

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.table: dict[bytes, Record] = {}
        self.runs: tuple[Run, ...] = ()
        """The newest first."""
        self.number = 0

    def find(self, key: bytes) -> Record | None:
        record = self.table.get(key)
        for run in self.runs:
            if record is not None:
                break
            record = run.find(key)
        return record

    def live(self, record: Record | None) -> Record | None:
        if record is None or record.value is None:
            return None
        return record if record.due_ms is None or self.clock.now_ms() < record.due_ms else None

    def look(self, key: bytes) -> Record | None:
        return self.live(self.find(key))

    def write(self, *changes: tuple[bytes, bytes | None, int | None, float]) -> None:
        """Make all changes at once."""
        self.number += 1
        records = [Record(self.number, *change) for change in changes]
        self.log(records)
        self.table.update({record.key: record for record in records})
        if len(self.table) >= self.table_size:
            self.flush()

    def log(self, records: Sequence[Record]) -> None:
        """Make records outlive the process, where a tree does."""

    def flush(self) -> None:
        self.runs = (self.run_of(sorted(self.table.values(), key=lambda record: record.key)), *self.runs)
        if len(self.runs) > self.most_runs:
            self.runs = (self.run_of(list(self.kept(self.merge((), self.runs)))),)
        self.noted()
        self.table = {}

    def run_of(self, records: Sequence[Record]) -> Run:
        return Run.of(records)

    def noted(self) -> None:
        """The runs are others now."""

    def kept(self, records: Iterable[Record]) -> Iterator[Record]:
        """What a merge of all runs leaves; what is in the table is newer."""
        return (record for record in records if self.live(record) is not None)

    @staticmethod
    def merge(table: Iterable[Record], runs: Sequence[Run], prefix: bytes = b"") -> Iterator[Record]:
        """Yield the newest record of each key."""
        last = None
        streams = [iter(table), *(run.of_prefix(prefix) for run in runs)]
        for record in heapq.merge(*streams, key=lambda record: (record.key, -record.number)):
            if record.key != last:
                last = record.key
                yield record

    def walk(self, prefix: bytes) -> Iterator[Record]:
        """Yield the newest records as of now, of what is removed too."""
        table = sorted((r for r in self.table.values() if r.key.startswith(prefix)), key=lambda record: record.key)
        return self.merge(table, self.runs, prefix)

    def clean(self, prefix: bytes) -> None:
        self.write(*((record.key, None, None, 0.0) for record in list(self.walk(prefix)) if record.value is not None))

    def close(self) -> None:
        """The last client has left."""


_HEAD = struct.Struct("<II")


class LevelFiles(Levels):
    """A tree that is read from its files again."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.home = place.directory
        self.names: dict[int, str] = {}
        manifest = self.home / "MANIFEST"
        if manifest.exists():
            self.number, names = pickle.loads(manifest.read_bytes())
            loaded = [(pickle.loads((self.home / name).read_bytes()), name) for name in names]
            self.runs = tuple(Run.of(records) for records, _ in loaded)
            self.names = {id(run): name for run, (_, name) in zip(self.runs, loaded, strict=True)}
        self.file = os.open(self.home / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.recover()

    def recover(self) -> None:
        data, at = (self.home / "log").read_bytes(), 0
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(body) < length or zlib.crc32(body) != checksum:
                break
            at += _HEAD.size + length
            self.replay([Record(*plain) for plain in pickle.loads(body)])
        os.ftruncate(self.file, at)

    def replay(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.number > self.number:
                self.table[record.key] = record
        self.number = max(self.number, *(record.number for record in records))

    def log(self, records: Sequence[Record]) -> None:
        if not records:
            return
        body = pickle.dumps([self.plain(record) for record in records])
        self.append(_HEAD.pack(len(body), zlib.crc32(body)) + body)

    def plain(self, record: Record) -> tuple[Any, ...]:
        return (record.number, record.key, record.value, record.due_ms, record.given_s)

    def append(self, data: bytes) -> None:
        os.write(self.file, data)

    def run_of(self, records: Sequence[Record]) -> Run:
        run = super().run_of(records)
        name = f"run-{self.number}-{len(self.names)}"
        (self.home / name).write_bytes(pickle.dumps(list(records)))
        self.names[id(run)] = name
        return run

    def noted(self) -> None:
        names = [self.names[id(run)] for run in self.runs]
        draft = self.home / "MANIFEST.new"
        draft.write_bytes(pickle.dumps((self.number, names)))
        draft.replace(self.home / "MANIFEST")
        self.names = {id(run): name for run, name in zip(self.runs, names, strict=True)}
        os.ftruncate(self.file, 0)
        for path in self.home.glob("run-*"):
            if path.name not in names:
                path.unlink()

    def close(self) -> None:
        os.close(self.file)
