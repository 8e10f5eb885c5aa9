"""A correct driver over a log: appended to under a lock, read on by each client from where it was, and merged at times.

Any number of processes may use one log. A record is whole or cut off by whoever finds it at the end. A merged log takes the place
of the old one, and begins with another mark, by which those who had read the old one know.
"""

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from prism_testkit.backend import Place

from .independent_cabinet import Cabinet, CabinetKeyValue, Sheet

__all__ = ["Journal", "JournalKeyValue"]

_HEAD = struct.Struct("<II")
_MARK = 8


class Journal(Cabinet):
    """The log of one namespace, and what this client has read of it."""

    most_dead: ClassVar[int] = 40

    def __init__(self, place: Place, namespace: str) -> None:
        super().__init__(place, namespace)
        self.log = place.directory / f"{namespace}.log"
        self.forget(b"")

    def forget(self, mark: bytes) -> None:
        self.mark, self.read, self.records = mark, len(mark), 0
        self.sheets: dict[str, tuple[Sheet, bytes]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.catch_up()
            yield

    def catch_up(self) -> None:
        """Read on, and cut off a record that is not whole: who wrote it is dead."""
        try:
            log = os.open(self.log, os.O_RDWR)
        except FileNotFoundError:
            self.forget(b"")
            return
        try:
            size = os.fstat(log).st_size
            if self.nothing_new(size):
                return
            mark = os.pread(log, _MARK, 0)
            if self.is_another(mark, size):
                self.forget(mark if len(mark) == _MARK else b"")
            rest = os.pread(log, size - self.read, self.read)
            self.read += self.apply(rest)
            if self.read < size:
                os.ftruncate(log, self.read)
        finally:
            os.close(log)

    def nothing_new(self, size: int) -> bool:
        """Return whether the log is known to be as it was read, without a look into it."""
        return False

    def is_another(self, mark: bytes, size: int) -> bool:
        """Return whether this is not the log that was read."""
        return mark != self.mark or len(mark) < _MARK

    def apply(self, data: bytes) -> int:
        """Take in whole records; return how many bytes they are."""
        at = 0
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(body) < length or zlib.crc32(body) != checksum:
                break
            for key, facts, value in json.loads(body):
                self.records += 1
                name = self.path(key).name
                if value is None:
                    self.sheets.pop(name, None)
                else:
                    self.sheets[name] = Sheet(**facts), bytes.fromhex(value)
            at += _HEAD.size + length
        return at

    @staticmethod
    def record(*changes: tuple[str, Sheet, bytes | None]) -> bytes:
        lines: list[Any] = [(key, asdict(sheet), None if value is None else value.hex()) for key, sheet, value in changes]
        body = json.dumps(lines).encode()
        return _HEAD.pack(len(body), zlib.crc32(body)) + body

    def append(self, *changes: tuple[str, Sheet, bytes | None]) -> None:
        record = self.record(*changes)
        if not self.mark:
            self.mark = os.urandom(_MARK)
            self.read = _MARK
            self.write(self.log, self.mark + record, os.O_TRUNC)
        else:
            self.write(self.log, record, os.O_APPEND)
        self.read += self.apply(record)
        if self.records > 2 * len(self.sheets) + self.most_dead:
            self.due()

    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | how)
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)

    def due(self) -> None:
        """Most of the log is of the past."""
        self.merge()

    def merge(self) -> None:
        """Write anew what is left; the old log is there until the new one takes its place."""
        sheets, mark = self.sheets, os.urandom(_MARK)
        records = b"".join(self.record((sheet.key, sheet, value)) for sheet, value in sheets.values())
        draft = self.log.with_suffix(".draft")
        self.write(draft, mark + records, os.O_TRUNC)
        draft.replace(self.log)
        self.forget(mark)
        self.sheets, self.read, self.records = sheets, _MARK + len(records), len(sheets)

    # What a cabinet keeps in files

    def load(self, path: Path) -> tuple[Sheet, bytes] | None:
        found = self.sheets.get(path.name)
        if found is None or (found[0].due_ms is not None and found[0].due_ms <= self.clock.now_ms()):
            return None
        return found

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        self.append((key, Sheet(key, self.fresh_stamp(), due_ms, given_s), value))

    def remove(self, key: str) -> bool:
        there = self.look(key) is not None
        if self.path(key).name in self.sheets:
            self.append((key, Sheet(key, ""), None))
        return there

    def perform(self, changes: Mapping[str, bytes | None]) -> None:
        self.append(*((key, Sheet(key, self.fresh_stamp()), value) for key, value in changes.items()))

    def names(self) -> list[str]:
        return sorted(self.sheets)


class JournalKeyValue(CabinetKeyValue):
    """A client of one log."""

    cabinet_type = Journal
