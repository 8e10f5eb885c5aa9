"""Mutants that keep what the caller may still change."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 13: copies


class _Borrows(Objects):
    """Keeps the caller's buffer and makes bytes of it when somebody reads."""

    def borrows(self, data: Any) -> bool:
        return isinstance(data, bytearray)

    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        checked = super().data(data, operation, key)
        self.borrowed = data if self.borrows(data) else None
        return checked

    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        self.store.notes[self.namespace, slot] = self.borrowed
        self.borrowed: Any = None

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        self.borrowed = None
        return await super().receive(slot, chunks, size, facts)

    async def get(self, bucket: str, key: str) -> bytes | None:
        data = await super().get(bucket, key)
        borrowed = self.store.notes.get((self.namespace, self.slot(bucket, key, "get")))
        return data if data is None or borrowed is None else bytes(borrowed)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        borrowed = self.store.notes.get((self.namespace, self.slot(bucket, key, "get_stream")))
        if borrowed is None:
            async for piece in super().get_stream(bucket, key):
                yield piece
        else:
            yield bytes(borrowed)


@mutant("13", "reference", trap="a bytearray changed after put")
class KeepsTheBytearray(_Borrows):
    pass


@mutant("13", "reference", trap="the buffer of a memoryview changed after put")
class KeepsTheMemoryview(_Borrows):
    def borrows(self, data: Any) -> bool:
        return isinstance(data, memoryview)


@mutant("13", "threshold", trap="a large bytearray changed after put")
class KeepsLargeBuffers(_Borrows):
    """No copy of what is more than a page."""

    def borrows(self, data: Any) -> bool:
        return not isinstance(data, bytes) and len(data) > 4096


@mutant("13", "reference", trap="put_stream whose source fills one buffer again and again", also="1 6")
class KeepsChunksUntilTheEnd(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        kept: list[Bytes] = []
        total = 0
        async for chunk in chunks:
            total += len(self.chunk(chunk))
            self.check_growth(total, size)
            kept.append(chunk)
        self.check_end(total, size)
        spool.write(b"".join(kept))


@mutant("13", "mapping", trap="user metadata changed after put")
class KeepsTheMapping(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = super().labels(labels, operation)
        return checked if labels is None else labels


@mutant("13", "mapping", trap="user metadata changed after put_stream")
class StreamsKeepTheMapping(Objects):
    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        checked = super().facts(operation, content_type, encoding, labels)
        return checked if labels is None or operation != "put_stream" else replace(checked, labels=labels)


@mutant("13", "reference", trap="the user metadata of an answer changed", also="5")
class GivesItsOwnMapping(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        return replace(super().told(version), user_metadata=version.facts.labels)
