"""Mutants that claim ``durability="process"`` and lose something when the process that wrote is killed.

While it lives all of them are right: reads are served from memory.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes
from prism_testkit.traits import Traits

from .declare import Mutant, declaring
from .reference import FileKeyValue, KeyValue, Transaction, step
from .stores import Changes, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.12: what was acknowledged survives


class _Buffering(FileStore):
    """Rows are kept in memory, and log records handed over later; reads do not look at the file again."""

    def __init__(self, place: Place) -> None:
        self.buffer: list[bytes] = []
        super().__init__(place)

    def write(self, record: bytes) -> None:
        self.buffer.append(record)
        if self.full():
            self.flush()

    def full(self) -> bool:
        return False

    def flush(self) -> None:
        for record in self.buffer:
            super().write(record)
        self.buffer.clear()

    def close(self) -> None:
        self.flush()


@mutant("basic.12", "empty claim", trap="kill", also="ttl.12")
class OnlyInMemory(KeyValue):
    """Claims what it does not even try."""

    traits = Traits(durability="process")


@mutant("basic.12", "early acknowledgement", trap="kill", also="ttl.12")
class LogsInEights(_Buffering):
    """Group commit that does not wait for its group."""

    def full(self) -> bool:
        return len(self.buffer) >= 8


@mutant("basic.12", "early acknowledgement", trap="kill right after a write")
class LogsOneWriteLate(_Buffering):
    """Each record goes out with the next one."""

    def write(self, record: bytes) -> None:
        self.flush()
        super().write(record)


@mutant("basic.12", "missing step", trap="kill", also="ttl.12")
class NeverFlushes(_Buffering):
    """A buffered file object of 64 KiB, flushed when it is full or closed."""

    def full(self) -> bool:
        return sum(map(len, self.buffer)) > 65536


@mutant("basic.12", "size", trap="kill after a value of more than 4096 bytes")
class LargeRecordsWait(_Buffering):
    """Small records are flushed, large ones left to a background writer."""

    def full(self) -> bool:
        return len(self.buffer[-1]) <= 4096


@mutant("basic.12", "missing step", trap="kill after deletes")
class DeletesAreNotLogged(FileStore):
    """Deleted keys are back after a replay."""

    def log(self, namespace: str, changes: Changes) -> None:
        kept = {key: entry for key, entry in changes.items() if entry is not None}
        super().log(namespace, kept)


@mutant("basic.12", "boundary", trap="kill", also="ttl.12")
class ReplayDropsLastRecord(FileStore):
    """Takes the last record for a torn one, always."""

    def __init__(self, place: Place) -> None:
        self.last: tuple[str, Changes] | None = None
        self.opening = True
        super().__init__(place)
        self.opening = False

    def replay(self, namespace: str, changes: Changes) -> None:
        if self.opening:
            if self.last is not None:
                super().replay(*self.last)
            self.last = namespace, changes
        else:
            super().replay(namespace, changes)


@mutant("basic.12", "order of writes", trap="kill after an overwrite")
class ReplayKeepsFirst(FileStore):
    """Replays with setdefault."""

    def replay(self, namespace: str, changes: Changes) -> None:
        rows = self.spaces.setdefault(namespace, {})
        super().replay(namespace, {key: rows.get(key, entry) if entry else None for key, entry in changes.items()})


@mutant("basic.12", "encoding", trap="kill after a value with a newline inside", also="basic.1")
class ReplayReadsLines(FileStore):
    """A log of lines."""

    def replay(self, namespace: str, changes: Changes) -> None:
        cut = {key: entry and replace(entry, value=entry.value.split(b"\n")[0]) for key, entry in changes.items()}
        super().replay(namespace, cut)


@mutant("basic.12", "snapshot", trap="kill", also="ttl.12")
class SavesAtClose(_Buffering):
    """Everything is written when the last client leaves."""


@mutant("basic.12", "wrong mode", trap="kill", also="ttl.12")
class OpenTruncatesLog(FileStore):
    def __init__(self, place: Place) -> None:
        (place.directory / "zoo.log").unlink(missing_ok=True)
        super().__init__(place)


@mutant("basic.12", "missing step", trap="kill after batch_set", also="batch.1")
class BatchIsNotLogged(FileKeyValue):
    """Only the first item of a batch reaches the log."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        for number, (name, data) in enumerate(checked.items()):
            if number == 0:
                self.apply({name: self.entry(data)})
            else:
                self.rows()[name] = self.entry(data)


@mutant("basic.12", "missing step", trap="kill after a compare_and_swap", also="cas.1")
class SwapIsNotLogged(FileKeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        holds = self.holds(name, None if expected is None else self.data(expected, "compare_and_swap", key))
        if holds:
            self.rows()[name] = self.entry(data)
        return holds


class _LogsCommitInPieces(Transaction):
    async def commit(self) -> None:
        if self.stale():
            await super().commit()
        for key, entry in list(self.writes.items())[:-1]:
            self.driver.store.log(self.driver.namespace, {key: entry})  # type: ignore[attr-defined]
            await step()
        await super().commit()


@mutant("transactional.1", "torn", trap="kill during a commit of several keys", also="basic.12")
class LogsCommitInPieces(FileKeyValue):
    """One record a key; in memory all at once."""

    transaction_type = _LogsCommitInPieces


# ttl.12: a deadline survives


@mutant("ttl.12", "missing step", trap="kill; a key with a time to live", also="ttl.2")
class ReplayForgetsDeadlines(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, {key: entry and replace(entry, deadline=None) for key, entry in changes.items()})


@mutant("ttl.12", "origin", trap="kill; time passes between the write and the reopening", also="ttl.2")
class ReplayStartsTimeAnew(FileStore):
    """Logs seconds, and counts them from the replay."""

    def replay(self, namespace: str, changes: Changes) -> None:
        now = self.clock.now_s()
        anew = {
            key: entry if entry is None or entry.deadline is None else replace(entry, deadline=now + entry.given)
            for key, entry in changes.items()
        }
        super().replay(namespace, anew)


@mutant("ttl.12", "revival", trap="kill; a key whose deadline passes while the store is down", also="ttl.2 ttl.10")
class ReplayGraceForExpired(FileStore):
    """What expired while the store was down gets another minute."""

    def replay(self, namespace: str, changes: Changes) -> None:
        now = self.clock.now_s()
        given = {
            key: replace(entry, deadline=now + 60) if entry and entry.deadline is not None and entry.deadline <= now else entry
            for key, entry in changes.items()
        }
        super().replay(namespace, given)


@mutant("ttl.12", "truncation", trap="kill; a deadline that is not a whole second", also="ttl.1")
class LogsWholeSeconds(FileStore):
    """Deadlines are integers in the log, rounded down."""

    def replay(self, namespace: str, changes: Changes) -> None:
        floored = {
            key: entry if entry is None or entry.deadline is None else replace(entry, deadline=float(math.floor(entry.deadline)))
            for key, entry in changes.items()
        }
        super().replay(namespace, floored)


@mutant("ttl.12", "lost write", trap="kill after expire or persist", also="basic.12 ttl.7 ttl.8")
class ExpireIsNotLogged(FileKeyValue):
    """Only writes of values are logged; expire and persist change the row in memory."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(self.name(key, "expire"))
        if entry is not None and self.seconds(ttl_s, "expire") > 0:
            self.rows()[key] = self.entry(entry.value, ttl_s)
            return True
        return await super().expire(key, ttl_s)

    async def persist(self, key: str) -> bool:
        entry = self.find(self.name(key, "persist"))
        if entry is None or entry.deadline is None:
            return False
        self.rows()[key] = self.entry(entry.value)
        return True
