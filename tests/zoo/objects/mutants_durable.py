"""Mutants that claim ``durability="process"`` and lose something when the process that wrote is killed.

While it lives all of them are right: reads are served from memory.
"""

import io
import uuid
from collections.abc import AsyncIterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileObjects, Objects, step
from .stores import Blob, Changes, Facts, FileSpool, FileStore, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_NOTHING = Facts(None, None, {})

# 19: what was acknowledged survives


@mutant("19", "empty claim", trap="kill")
class OnlyInMemory(Objects):
    traits = Traits(durability="process")


class _Buffering(FileStore):
    """Records are kept in memory, and handed over when `full` says so."""

    def __init__(self, place: Place) -> None:
        self.buffer: list[tuple[str, Changes]] = []
        super().__init__(place)

    def write(self, namespace: str, changes: Changes) -> None:
        self.buffer.append((namespace, changes))
        if self.full():
            self.flush()

    def full(self) -> bool:
        return False

    def flush(self) -> None:
        for namespace, changes in self.buffer:
            super().write(namespace, changes)
        self.buffer.clear()

    def close(self) -> None:
        self.flush()


@mutant("19", "snapshot", trap="kill")
class SavesAtClose(_Buffering):
    pass


@mutant("19", "early acknowledgement", trap="kill")
class LogsInEights(_Buffering):
    """Group commit that does not wait for its group."""

    def full(self) -> bool:
        return len(self.buffer) >= 8


@mutant("19", "early acknowledgement", trap="kill right after a write")
class LogsOneWriteLate(_Buffering):
    """Each record goes out with the next one."""

    def write(self, namespace: str, changes: Changes) -> None:
        self.flush()
        super().write(namespace, changes)


class _Forgets(FileStore):
    """Leaves things out of the log."""

    def keeps(self, slot: Slot, thing: Any) -> bool:
        return True

    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, {slot: thing for slot, thing in changes.items() if self.keeps(slot, thing)})


@mutant("19", "missing step", trap="kill after deletes")
class DeletesAreNotLogged(_Forgets):
    def keeps(self, slot: Slot, thing: Any) -> bool:
        return thing is not None or not slot[1]

    def release(self, version: Version | None) -> None:
        return


@mutant("19", "missing step", trap="kill after delete_bucket")
class RemovedBucketsAreNotLogged(_Forgets):
    def keeps(self, slot: Slot, thing: Any) -> bool:
        return thing is not None or bool(slot[1])

    def release(self, version: Version | None) -> None:
        return


@mutant("19", "implicit", trap="kill after create_bucket without a put")
class EmptyBucketsAreNotLogged(FileStore):
    """They come back with their first object."""

    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, {slot: thing for slot, thing in changes.items() if thing is not True})

    def replay(self, namespace: str, changes: Changes) -> None:
        made = {(bucket, ""): True for (bucket, key), thing in changes.items() if thing is not None}
        known = {(b, k): t for (b, k), t in changes.items() if t is not None or b in self.spaces.get(namespace, {})}
        super().replay(namespace, {**made, **known})


@mutant("19", "missing step", trap="kill after set_ttl")
class DeadlinesAreNotLogged(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        bare = {slot: replace(t, deadline_ms=None) if isinstance(t, Version) else t for slot, t in changes.items()}
        super().replay(namespace, bare)


@mutant("19", "missing step", trap="kill; objects with metadata")
class ReplayForgetsMetadata(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        bare = {slot: replace(t, facts=replace(t.facts, labels={})) if isinstance(t, Version) else t for slot, t in changes.items()}
        super().replay(namespace, bare)


@mutant("19", "boundary", trap="kill")
class ReplayDropsTheLastRecord(FileStore):
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


@mutant("19", "order of writes", trap="kill after an overwrite")
class ReplayKeepsTheFirst(FileStore):
    def release(self, version: Version | None) -> None:
        return

    def replay(self, namespace: str, changes: Changes) -> None:
        buckets = self.spaces.setdefault(namespace, {})
        first = {slot: buckets.get(slot[0], {}).get(slot[1], t) if isinstance(t, Version) else t for slot, t in changes.items()}
        super().replay(namespace, first)


@mutant("19", "wrong mode", trap="kill")
class OpenTruncatesTheLog(FileStore):
    def __init__(self, place: Place) -> None:
        (place.directory / "zoo.log").unlink(missing_ok=True)
        super().__init__(place)


@mutant("19", "missing step", trap="kill after put_if_absent")
class CreationsAreNotLogged(FileObjects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if self.find(slot) is not None:
            return False
        self.rows(slot[0])[slot[1]] = self.version(slot, self.blob(data), facts)
        return True


@mutant("19", "missing step", trap="kill after put_stream")
class StreamsAreNotLogged(FileObjects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        spool = self.store.spool()
        try:
            await self.collect(spool, chunks, size)
        except BaseException:
            spool.abort()
            raise
        version = self.version(slot, spool.finish(), facts)
        self.rows(slot[0])[slot[1]] = version
        return version


class _LazySpool(FileSpool):
    """Holds back what is not a whole block, until somebody closes it in peace."""

    def __init__(self, path: Path, store: "TailsAreFlushedAtClose") -> None:
        super().__init__(path)
        self.store = store
        self.tail = b""

    def write(self, part: bytes) -> None:
        data = self.tail + part
        whole = len(data) // 4096 * 4096
        self.file.write(data[:whole])
        self.tail = data[whole:]
        self.count(part)

    def finish(self) -> Blob:
        blob = super().finish()
        self.store.tails[str(blob.held)] = self.tail
        return blob


@mutant("19", "buffered tail", trap="kill after data that is no multiple of 4096 bytes")
class TailsAreFlushedAtClose(FileStore):
    def __init__(self, place: Place) -> None:
        self.tails: dict[str, bytes] = {}
        super().__init__(place)

    def spool(self) -> Spool:
        return _LazySpool(self.folder / uuid.uuid4().hex, self)

    def open(self, blob: Blob) -> Any:
        with super().open(blob) as file:
            return io.BytesIO(file.read() + self.tails.get(str(blob.held), b""))

    def close(self) -> None:
        for name, tail in self.tails.items():
            path = self.folder / name
            if path.exists():
                with path.open("ab") as file:
                    file.write(tail)
        self.tails.clear()


# 19: what was not acknowledged is whole or absent


class _TwoRecords(FileObjects):
    """An object takes two records, and others may run between them."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        version = self.version(slot, self.blob(data), facts)
        self.rows(slot[0])
        first, last = self.records(slot, version)
        self.store.write(self.namespace, first)  # type: ignore[attr-defined]
        await self.write_slowly(data)
        self.store.write(self.namespace, last)  # type: ignore[attr-defined]
        Objects.keep(self, slot, version)
        return version

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        spool = Spool()
        await self.collect(spool, chunks, size)
        return await self.write(slot, b"".join(spool.parts), facts)

    async def write_slowly(self, data: bytes) -> None:
        """Take as long as a second copy of the data does, in small pieces."""
        spool = self.store.spool()
        for at in range(0, len(data), 256):
            spool.write(data[at : at + 256])
            await step()
        spool.abort()

    def records(self, slot: Slot, version: Version) -> tuple[Changes, Changes]:
        raise NotImplementedError


@mutant("19", "torn", trap="kill between data and metadata of a put", also="5 16")
class LogsDataThenMetadata(_TwoRecords):
    def records(self, slot: Slot, version: Version) -> tuple[Changes, Changes]:
        return {slot: replace(version, facts=_NOTHING)}, {slot: version}


@mutant("19", "torn", trap="kill during an overwrite", also="7")
class LogsRemovalThenInsertion(_TwoRecords):
    def records(self, slot: Slot, version: Version) -> tuple[Changes, Changes]:
        return {slot: None}, {slot: version}


@mutant("19", "torn", trap="kill during a put of a new key", also="8")
class LogsThePlaceholderFirst(_TwoRecords):
    def records(self, slot: Slot, version: Version) -> tuple[Changes, Changes]:
        return {slot: replace(version, blob=self.blob(b""))}, {slot: version}


@mutant("19", "order of steps", trap="kill during a put_stream", also="6")
class LogsTheStreamAsItGrows(FileObjects):
    """In memory it is seen at its end, in the log from its first chunk."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        parts: list[bytes] = []

        async def logging() -> AsyncIterable[Bytes]:
            async for chunk in chunks:
                parts.append(bytes(chunk))
                yield chunk
                version = self.version(slot, self.blob(b"".join(parts)), facts)
                self.store.write(self.namespace, {slot: version})  # type: ignore[attr-defined]

        return await super().receive(slot, logging(), size, facts)


@mutant("19", "leftover", trap="kill during a put, or a put_stream, and a listing afterwards", also="8")
class ListsTheFilesThatAreThere(FileObjects):
    """After a start, files that no record tells of are taken for objects."""

    def matching(self, bucket: str, prefix: str) -> list[str]:
        keys = super().matching(bucket, prefix)
        known = {v.blob.held for space in self.store.spaces.values() for rows in space.values() for v in rows.values()}
        folder = self.store.folder  # type: ignore[attr-defined]
        stray = [path.name for path in folder.iterdir() if path.name not in known] if folder.exists() else []
        return keys + [name for name in stray if name.startswith(prefix) and name not in self.store.notes]

    def listed(self, slot: Slot) -> Version | None:
        path = self.store.folder / slot[1].replace("/", "_").replace("\0", "")[:200]  # type: ignore[attr-defined]
        version = super().listed(slot)
        if version is None and path.is_file():
            return Version(Blob(slot[1], path.stat().st_size, ""), _NOTHING, "", self.now_ms())
        return version
