"""Backends that keep every promise in an unusual way. No check may fail on any of them.

`unusual_timing` holds those that take their time.
"""

import math
import random
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, Closed, Conflict, InvalidName, NotFound, PayloadTooLarge
from prism_testkit.naming import check_limit
from prism_testkit.traits import Limits, Traits

from .reference import Basic, Batching, FileKeyValue, KeyValue, Scanning, Swapping, Transaction, backend, step
from .stores import Changes, Entry, Rows, Store, connector

__all__ = ["UNUSUAL"]


class Shuffled(KeyValue):
    """Lists in another order each time."""

    scans = 0

    def matching(self, prefix: str) -> list[str]:
        keys = super().matching(prefix)
        self.scans += 1
        random.Random(self.scans).shuffle(keys)
        return keys


class Paged(KeyValue):
    """Scans in pages of seven, by name, with a pause between them; sees what is added behind its cursor."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        given, last = 0, ""
        while page := self.page(prefix, last):
            for last in page:
                entry = self.find(last)
                if given == limit:
                    return
                if entry is not None:
                    given += 1
                    yield last, entry
            await step()

    def page(self, prefix: str, after: str) -> list[str]:
        names = sorted(self.rows())
        found: list[str] = []
        for name in names[bisect_right(names, after) :]:
            if self.matches(name, prefix) and self.find(name) is not None:
                found.append(name)
            if len(found) == 7:
                break
        return found


class EagerArguments(KeyValue):
    """Refuses the arguments of a scan at the call, not at the first step."""

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        self.prefix(prefix, "scan")
        check_limit(limit, "scan", "zoo")
        return super().scan(prefix, limit)

    def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        self.prefix(prefix, "scan_keys")
        check_limit(limit, "scan_keys", "zoo")
        return super().scan_keys(prefix, limit)


class Lazy(KeyValue):
    """Removes what has expired when somebody meets it."""

    def find(self, key: str) -> Entry | None:
        entry = self.rows().get(key)
        if entry is not None and not self.alive(entry):
            self.apply({key: None})
        return super().find(key)


class Coarse(KeyValue):
    """Deadlines on whole seconds, rounded up, as the limits say; ttl in whole seconds, rounded down."""

    limits = Limits(clock_resolution_s=1.0)

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        return Entry(data) if seconds is None else Entry(data, float(math.ceil(self.now() + seconds)), seconds)

    def left(self, deadline: float, given: float) -> float:
        return float(math.floor(super().left(deadline, given)))


class Late(KeyValue):
    """Expires two and a half seconds late, for every method alike, as the traits say."""

    traits = Traits(ttl_late_s=2.5)

    def alive(self, entry: Entry) -> bool:
        return entry.deadline is None or self.now() < entry.deadline + 2.5


class LongTtlRefused(KeyValue):
    """``ValueError`` above 1e10 seconds."""

    def seconds(self, ttl_s: float, operation: str) -> float:
        if super().seconds(ttl_s, operation) > 1e10:
            raise ValueError(f"zoo: {operation}: {ttl_s!r} is more than 1e10 seconds")
        return ttl_s


class _EveryThirdConflicts(Transaction):
    async def commit(self) -> None:
        notes = self.driver.store.notes
        notes["commits"] = notes.get("commits", 0) + 1
        if notes["commits"] % 3 == 0:
            raise Conflict("zoo: commit: try again")
        await super().commit()


class NeedlessConflicts(KeyValue):
    """One commit in three is refused for nothing, and the next one is not."""

    transaction_type = _EveryThirdConflicts


class _FirstConflicts(Transaction):
    async def commit(self) -> None:
        notes, me = self.driver.store.notes, ("refused", id(self.driver))
        notes[me] = not notes.get(me, False)
        if notes[me]:
            raise Conflict("zoo: commit: try again")
        await super().commit()


class FirstTriesConflict(KeyValue):
    """Every other commit of a client is refused for nothing: each that is alone, the first time."""

    transaction_type = _FirstConflicts


class _Snapshot(Transaction):
    """Reads what was there when the transaction was opened, deadlines aside."""

    def __init__(self, driver: Basic) -> None:
        super().__init__(driver)
        self.snapshot = dict(driver.rows())

    def look(self, key: str) -> Entry | None:
        if key in self.writes:
            return self.writes[key]
        entry = self.snapshot.get(key)
        entry = entry if entry is not None and self.driver.alive(entry) else None
        self.reads.setdefault(key, entry)
        return entry


class SnapshotTransactions(KeyValue):
    transaction_type = _Snapshot


class _WholeNamespace(_Snapshot):
    def stale(self) -> bool:
        return super().stale() or self.driver.rows() != self.snapshot


class CoarseConflicts(KeyValue):
    """Any change in the namespace while a transaction is open is a conflict."""

    transaction_type = _WholeNamespace


class ShortNames(KeyValue):
    limits = Limits(max_name=64)


class SmallPayloads(KeyValue):
    limits = Limits(max_payload=64)


class Octets(bytes):
    """Bytes of a class of their own, as some client libraries give."""


class BytesSubclass(KeyValue):
    def value(self, entry: Entry) -> bytes:
        return Octets(entry.value)


class CopyOnWrite(KeyValue):
    """Every change makes a new map."""

    def apply(self, changes: Changes) -> None:
        rows = {**self.rows(), **changes}
        self.store.spaces[self.namespace] = {key: entry for key, entry in rows.items() if entry is not None}


class HexNames(KeyValue):
    """Stores names encoded, and lists them decoded."""

    def name(self, key: str, operation: str) -> str:
        return super().name(key, operation).encode().hex()

    def prefix(self, prefix: str, operation: str) -> str:
        return super().prefix(prefix, operation).encode().hex()

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for key, entry in super().walk(prefix, limit):
            yield bytes.fromhex(key).decode(), entry


class VendorInvalidName(InvalidName):
    """A vendor's own kind of `InvalidName`."""


class _NativeConflict(Transaction):
    async def commit(self) -> None:
        try:
            await super().commit()
        except Conflict as error:
            raise Conflict("zoo: commit: could not serialize access") from OSError(40001, str(error))


class NativeErrors(KeyValue):
    """Errors are of the vendor's own classes below ours, or have a native one as their cause."""

    transaction_type = _NativeConflict

    def name(self, key: str, operation: str) -> str:
        try:
            return super().name(key, operation)
        except InvalidName as error:
            raise VendorInvalidName(str(error)) from OSError(22, "invalid argument")

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        try:
            return super().data(value, operation, key)
        except PayloadTooLarge as error:
            raise PayloadTooLarge(str(error)) from OSError(27, "file too large")

    async def ttl(self, key: str) -> float | None:
        try:
            return await super().ttl(key)
        except NotFound as error:
            raise NotFound(str(error)) from KeyError(key)


class PiecemealBatches(KeyValue):
    """A batch is single calls with pauses between them: nothing is promised to be atomic."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        for name, data in checked.items():
            self.apply({name: self.entry(data)})
            await step()

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, Entry | None] = {}
        for key, name in [(key, self.name(key, "batch_get")) for key in reversed(keys)]:
            found[key] = self.find(name)
            await step()
        return {key: self.value(entry) for key, entry in found.items() if entry is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        removed = 0
        for name in [self.name(key, "batch_delete") for key in keys]:
            removed += self.drop(name)
            await step()
        return removed


class OpensAndCloses(KeyValue):
    """Has an ``open()`` and a ``close()``, and nothing works before the one or after the other."""

    is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def rows(self) -> Rows:
        if not self.is_open:
            raise Closed("zoo: the driver is not open")
        return super().rows()

    def apply(self, changes: Changes) -> None:
        self.rows()
        super().apply(changes)


class _Published(Store):
    """Beside the rows, what of them `settle` has published, and how often."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.published: dict[str, tuple[int, Rows]] = {}

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.published if name.startswith(prefix)]:
            self.published[namespace] = self.published[namespace][0] + 1, {}
        super().clean(prefix)


class Settling(Scanning):
    """Sees its own writes at once and those of other clients after ``settle``; deletes are decided at the primary."""

    seen = -1

    def __init__(self, store: _Published, namespace: str) -> None:
        super().__init__(store, namespace)
        self.published = store.published
        self.view: Rows = {}

    def rows(self) -> Rows:
        times, rows = self.published.get(self.namespace, (0, {}))
        if times != self.seen:
            self.seen, self.view = times, dict(rows)
        return self.view

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        view = {**self.rows(), **changes}
        self.view = {key: entry for key, entry in view.items() if entry is not None}

    def drop(self, key: str) -> bool:
        present = key in self.store.rows(self.namespace)
        self.apply({key: None})
        return present


async def _settle(store: Store, namespace: str) -> None:
    assert isinstance(store, _Published)
    store.published[namespace] = store.published.get(namespace, (0, {}))[0] + 1, dict(store.rows(namespace))


class OnlyBasic(Basic):
    """Claims nothing more."""


class OnlySwapping(Swapping):
    """Claims `KeyValueCas` alone."""


class ScansAndBatches(Scanning, Batching):
    """Claims two flavours of five."""


UNUSUAL: tuple[Backend[Store], ...] = (
    backend("plain", KeyValue),
    backend("shuffled", Shuffled),
    backend("paged", Paged),
    backend("eager-arguments", EagerArguments),
    backend("lazy-expiry", Lazy),
    backend("coarse-clock", Coarse),
    backend("late-expiry", Late),
    backend("long-ttl-refused", LongTtlRefused),
    backend("needless-conflicts", NeedlessConflicts),
    backend("first-tries-conflict", FirstTriesConflict),
    backend("snapshot-transactions", SnapshotTransactions),
    backend("coarse-conflicts", CoarseConflicts),
    backend("short-names", ShortNames),
    backend("small-payloads", SmallPayloads),
    backend("bytes-subclass", BytesSubclass),
    backend("copy-on-write", CopyOnWrite),
    backend("hex-names", HexNames),
    backend("native-errors", NativeErrors),
    backend("piecemeal-batches", PiecemealBatches),
    backend("opens-and-closes", OpensAndCloses),
    backend("settling", Settling, connector(_Published), settle=_settle),
    backend("file", FileKeyValue),
    backend("real-clock", KeyValue, clock="real"),
    backend("fake", KeyValue, fake=True),
    backend("only-basic", OnlyBasic),
    backend("only-cas", OnlySwapping),
    backend("scan-and-batch", ScansAndBatches),
)
