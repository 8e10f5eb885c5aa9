"""A correct driver over a log of events, folded into versions by key; a file of JSON lines, if it is to be durable.

An event is a list of changes that happen together: (key, value or None, deadline in nanoseconds or None, seconds given). A scan
and a transaction look at the versions as of one event, and what is older than the oldest of these looks is forgotten.
"""

import base64
import json
import math
import os
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransaction,
    KeyValueTransactional,
    KeyValueTtl,
    NotFound,
)
from prism_testkit.naming import check_limit, check_name, check_payload, check_prefix, check_seconds
from prism_testkit.traits import Traits

__all__ = ["Change", "EventFile", "EventKeyValue", "EventLog", "EventTransaction", "Version", "log_backend"]


@dataclass(frozen=True, slots=True)
class Change:
    """What an event makes of one key; ``value`` None removes it."""

    key: str
    value: bytes | None
    due_ns: int | None = None
    given_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Version:
    """A change, and the number of its event."""

    number: int
    change: Change


class EventLog:
    """All events of a place, as versions by namespace and key. Clients of one process share it."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.users = 0
        self.last = 0
        self.spaces: dict[str, dict[str, list[Version]]] = {}
        self.looks: Counter[int] = Counter()

    def now_ns(self) -> int:
        return round(self.clock.now_s() * 1e9)

    def append(self, space: str, changes: Sequence[Change]) -> None:
        """Make an event happen: written down first, then seen."""
        if changes:
            self.record(space, changes)
            self.fold(space, changes)

    def record(self, space: str, changes: Sequence[Change]) -> None:
        """Write an event down."""

    def fold(self, space: str, changes: Sequence[Change]) -> None:
        self.last += 1
        versions = self.spaces.setdefault(space, {})
        for change in changes:
            history = versions.setdefault(change.key, [])
            history.append(Version(self.last, change))
            self.forget(versions, change.key, history)

    def forget(self, versions: dict[str, list[Version]], key: str, history: list[Version]) -> None:
        """Drop the versions that no look can meet any more."""
        oldest = min(self.looks, default=self.last)
        while len(history) > 1 and history[1].number <= oldest:
            del history[0]
        if history[0].change.value is None and len(history) == 1 and not self.looks:
            del versions[key]

    @contextmanager
    def look(self) -> Iterator[int]:
        """Keep all versions from now on while somebody looks."""
        number = self.last
        self.looks[number] += 1
        try:
            yield number
        finally:
            self.looks[number] -= 1
            if not self.looks[number]:
                del self.looks[number]

    def version(self, space: str, key: str, number: float = math.inf) -> Version | None:
        """Return the version of a key that is present, as of an event."""
        for version in reversed(self.spaces.get(space, {}).get(key, ())):
            if version.number <= number:
                change = version.change
                gone = change.value is None or (change.due_ns is not None and change.due_ns <= self.now_ns())
                return None if gone else version
        return None

    def clean(self, prefix: str) -> None:
        for space in [name for name in self.spaces if name.startswith(prefix)]:
            self.append(space, [Change(key, None) for key in list(self.spaces[space])])
            del self.spaces[space]

    def close(self) -> bool:
        """Nobody uses it any more; True if it can be opened again."""
        return False


class EventFile(EventLog):
    """Events as lines of JSON with a checksum; a line that is not whole was not acknowledged, and is cut off."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.path = place.directory / "events.jsonl"
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT)
        os.lseek(self.file, self.replay(), os.SEEK_SET)
        os.ftruncate(self.file, os.lseek(self.file, 0, os.SEEK_CUR))

    def replay(self) -> int:
        """Fold what is in the file; return where its whole lines end."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                checksum, _, text = line.rstrip(b"\n").partition(b" ")
                if not line.endswith(b"\n") or checksum != self.checksum(text):
                    break
                space, changes = json.loads(text)
                self.fold(space, [self.decoded(*change) for change in changes])
                end += len(line)
        return end

    def checksum(self, text: bytes) -> bytes:
        return b"%08x" % zlib.crc32(text)

    def encoded(self, change: Change) -> list[Any]:
        value = None if change.value is None else base64.b85encode(change.value).decode()
        return [change.key, value, change.due_ns, change.given_s]

    def decoded(self, key: str, value: str | None, due_ns: int | None, given_s: float) -> Change:
        return Change(key, None if value is None else base64.b85decode(value), due_ns, given_s)

    def record(self, space: str, changes: Sequence[Change]) -> None:
        text = json.dumps([space, [self.encoded(change) for change in changes]]).encode()
        self.emit(self.checksum(text) + b" " + text + b"\n")

    def emit(self, line: bytes) -> None:
        while line:
            line = line[os.write(self.file, line) :]

    def close(self) -> bool:
        os.close(self.file)
        return True


class EventTransaction(KeyValueTransaction):
    """Looks at the versions as of its beginning, and commits if they are still those of the moment."""

    def __init__(self, driver: "EventKeyValue", number: int) -> None:
        self.driver = driver
        self.number = number
        self.seen: dict[str, int | None] = {}
        self.torn = False
        self.changes: dict[str, Change] = {}
        self.open = True

    def enter(self, key: str, operation: str) -> str:
        if not self.open:
            raise Closed(f"events: {operation}: the transaction was left")
        return self.driver.key(key, operation)

    def find(self, key: str) -> bytes | None:
        if key in self.changes:
            return self.changes[key].value
        version = self.driver.log.version(self.driver.space, key, self.number)
        number = version and version.number
        self.torn |= self.seen.setdefault(key, number) != number
        return version.change.value if version else None

    async def get(self, key: str) -> bytes | None:
        return self.find(self.enter(key, "get"))

    async def set(self, key: str, value: Bytes) -> None:
        key = self.enter(key, "set")
        self.changes[key] = Change(key, self.driver.data(value, "set", key))

    async def delete(self, key: str) -> bool:
        key = self.enter(key, "delete")
        present = self.find(key) is not None
        self.changes[key] = Change(key, None)
        return present

    def current(self, key: str) -> int | None:
        version = self.driver.log.version(self.driver.space, key)
        return version and version.number

    def valid(self) -> bool:
        return not self.torn and all(self.current(key) == number for key, number in self.seen.items())

    def apply(self) -> None:
        self.driver.log.append(self.driver.space, list(self.changes.values()))

    async def commit(self) -> None:
        if not self.valid():
            raise Conflict("events: commit: somebody changed what was read")
        self.apply()


class EventKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """All six interfaces."""

    transaction_type: ClassVar[type[EventTransaction]] = EventTransaction

    def __init__(self, log: EventLog, namespace: str) -> None:
        self.log = log
        self.space = namespace

    def key(self, key: str, operation: str) -> str:
        check_name(key, operation, "events")
        return key

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "events", key)

    def version(self, key: str) -> Version | None:
        return self.log.version(self.space, key)

    def value(self, key: str) -> bytes | None:
        version = self.version(key)
        return version.change.value if version else None

    def write(self, *changes: Change) -> None:
        self.log.append(self.space, changes)

    def seconds(self, ttl_s: float, operation: str) -> float:
        if check_seconds(ttl_s, operation, "events") > 1e10:
            raise ValueError(f"events: {operation}: {ttl_s} s is over 1e10")
        return ttl_s

    def timed(self, key: str, value: bytes, ttl_s: float) -> Change:
        if ttl_s <= 0:
            return Change(key, None)
        return Change(key, value, self.log.now_ns() + math.ceil(ttl_s * 1e9) + 1000, ttl_s)

    async def set(self, key: str, value: Bytes) -> None:
        self.write(Change(self.key(key, "set"), self.data(value, "set", key)))

    async def get(self, key: str) -> bytes | None:
        return self.value(self.key(key, "get"))

    async def delete(self, key: str) -> bool:
        present = self.version(self.key(key, "delete")) is not None
        if present:
            self.write(Change(key, None))
        return present

    async def exists(self, key: str) -> bool:
        return self.version(self.key(key, "exists")) is not None

    # Scan

    async def walk(self, prefix: str, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        with self.log.look() as number:
            keys = [key for key in self.log.spaces.get(self.space, {}) if key.startswith(prefix)]
            given = 0
            for key in keys:
                if given == limit:
                    return
                version = self.log.version(self.space, key, number)
                if version is not None and version.change.value is not None:
                    given += 1
                    yield key, version.change.value

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        check_prefix(prefix, "scan", "events")
        return self.walk(prefix, check_limit(limit, "scan", "events"))

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.scan(prefix, limit):
            yield key

    async def count(self, prefix: str = "") -> int:
        check_prefix(prefix, "count", "events")
        return sum(self.version(key) is not None for key in self.log.spaces.get(self.space, {}) if key.startswith(prefix))

    # Ttl

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        key, data = self.key(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        self.write(self.timed(key, data, self.seconds(ttl_s, "set_with_ttl")))

    async def expire(self, key: str, ttl_s: float) -> bool:
        value = self.value(self.key(key, "expire"))
        self.seconds(ttl_s, "expire")
        if value is None:
            return False
        self.write(self.timed(key, value, ttl_s))
        return True

    async def ttl(self, key: str) -> float | None:
        version = self.version(self.key(key, "ttl"))
        if version is None:
            raise NotFound(f"events: ttl {key[:40]!a}: missing")
        due_ns = version.change.due_ns
        return None if due_ns is None else min(version.change.given_s, (due_ns - self.log.now_ns()) / 1e9)

    async def persist(self, key: str) -> bool:
        version = self.version(self.key(key, "persist"))
        if version is None or version.change.due_ns is None:
            return False
        self.write(Change(key, version.change.value))
        return True

    # Transactional

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        with self.log.look() as number:
            transaction = self.transaction_type(self, number)
            try:
                yield transaction
            finally:
                transaction.open = False
            await transaction.commit()

    # Batch

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        self.write(*[Change(self.key(key, "batch_set"), self.data(value, "batch_set", key)) for key, value in items.items()])

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = [(self.key(key, "batch_get"), self.value(key)) for key in keys]
        return {key: value for key, value in found if value is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        present = {self.key(key, "batch_delete"): None for key in keys if self.version(self.key(key, "batch_delete"))}
        self.write(*[Change(key, None) for key in present])
        return len(present)

    # Compare and swap

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        key, data = self.key(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return self.replace(key, wanted, Change(key, data))

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        key, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        return self.replace(key, wanted, Change(key, None))

    def replace(self, key: str, expected: bytes | None, change: Change) -> bool:
        if self.value(key) != expected:
            return False
        self.write(change)
        return True


async def _clean(log: EventLog, prefix: str) -> None:
    log.clean(prefix)


def log_backend(name: str, driver: type[EventKeyValue] = EventKeyValue, log: type[EventLog] = EventLog) -> Backend[EventLog]:
    """Make the backend of this name: one log for all clients of a process."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[EventLog]:
        if "events" not in place.shared:
            place.shared["events"] = log(place)
        events: EventLog = place.shared["events"]
        events.users += 1
        try:
            yield events
        finally:
            events.users -= 1
            if not events.users and events.close():
                del place.shared["events"]

    traits = Traits(durability="process" if issubclass(log, EventFile) else "none")
    return Backend(name=name, connect=connect, drivers=(driver,), clean=_clean, traits=traits)
