"""Mutants over the pool: pieces that are shared, streams that fail, reads that are overtaken."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import BackendUnavailable, Bytes, Conflict, ObjectMetadata, OperationTimeout
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .pool import Manifest, PoolObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("1", "sampled hash", trap="two long objects that differ in their middle")
class HashesHeadAndTail(PoolObjects):
    def _cut(self, data: bytes) -> list[bytes]:
        names = []
        for at in range(0, len(data), self.piece):
            piece = data[at : at + self.piece]
            if len(piece) <= 8192:
                names.append(self.pool.keep(piece))
                continue
            name = hashlib.sha256(piece[:2048] + piece[-2048:] + len(piece).to_bytes(4)).digest()
            self.pool.pieces.setdefault(name, piece)
            self.pool.held[name] = self.pool.held.get(name, 0) + 1
            names.append(name)
        return names


@mutant("1", "reference count", trap="an object of equal pieces, and another one that shares them, when the first goes", also="4")
class CountsAPieceOnceAnObject(PoolObjects):
    def _cut(self, data: bytes) -> list[bytes]:
        names = super()._cut(data)
        for name in set(names):
            self.pool.held[name] -= names.count(name) - 1
        return names

    def _remove(self, bucket: str, key: str) -> None:
        for name in self._buckets[bucket].pop(key).pieces:
            if name in self.pool.held:
                self.pool.drop((name,))


@mutant("1", "double free", trap="an expired object that is put again, and another one of the same content", also="10")
class FreesExpiredTwice(PoolObjects):
    def _install(self, bucket: str, key: str, manifest: Manifest) -> None:
        old = self._bucket(bucket).get(key)
        super()._install(bucket, key, manifest)
        if old is not None and self._over(old):
            for name in old.pieces:
                if name in self.pool.held:
                    self.pool.drop((name,))

    async def get(self, bucket: str, key: str) -> bytes | None:
        manifest = self._find(bucket, key) if bucket in self._buckets else None
        if manifest is not None and any(name not in self.pool.pieces for name in manifest.pieces):
            return b""
        return await super().get(bucket, key)


@mutant("5", "order ignored", trap="two contents of the same pieces in another order")
class EtagOfSortedPieces(PoolObjects):
    def _manifest(self, pieces: list[bytes], size: int, facts: Mapping[str, Any]) -> Manifest:
        made = super()._manifest(pieces, size, facts)
        return replace(made, etag=hashlib.sha256(b"".join(sorted(pieces))).hexdigest())


@mutant("5", "partial hash", trap="two contents that differ behind their first 64 KiB")
class EtagOfTheFirstPiece(PoolObjects):
    def _manifest(self, pieces: list[bytes], size: int, facts: Mapping[str, Any]) -> Manifest:
        made = super()._manifest(pieces, size, facts)
        return replace(made, etag=f"{size}-{pieces[0].hex() if pieces else ''}")


@mutant("5", "weak hash", trap="two contents of one length and one sum")
class EtagIsASumOnceMore(PoolObjects):
    def _store(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        names = self._cut(data)
        made = replace(self._manifest(names, len(data), facts), etag=f"{len(data)}-{sum(data)}")
        self._install(bucket, key, made)
        return self._tell(made)


@mutant("5", "kept", trap="an object with metadata that is put again by a stream, without")
class StreamsKeepTheEncoding(PoolObjects):
    async def _upload(self, bucket: str, key: str, chunks: Any, size: int | None, facts: Mapping[str, Any]) -> ObjectMetadata:
        old = self._bucket(bucket).get(key) if isinstance(bucket, str) and bucket in self._buckets else None
        found = await super()._upload(bucket, key, chunks, size, facts)
        if old is not None and old.content_encoding and not facts["content_encoding"] and not self._over(old):
            now = self._buckets[bucket][key]
            self._buckets[bucket][key] = replace(now, content_encoding=old.content_encoding)
        return found


@mutant("6", "falsy", trap="a stream of some bytes that is said to have none")
class SizeZeroIsUnknownOnceMore(PoolObjects):
    async def _upload(self, bucket: str, key: str, chunks: Any, size: int | None, facts: Mapping[str, Any]) -> ObjectMetadata:
        return await super()._upload(bucket, key, chunks, size or None, facts)


@mutant("6", "partial effect", trap="an object with a deadline, and a stream over it that fails", also="9")
class StreamsClearTheDeadlineFirst(PoolObjects):
    async def _take(self, chunks: AsyncIterable[Bytes], names: list[bytes], size: int | None) -> int:
        return await super()._take(chunks, names, size)

    async def _upload(self, bucket: str, key: str, chunks: Any, size: int | None, facts: Mapping[str, Any]) -> ObjectMetadata:
        if isinstance(bucket, str) and isinstance(key, str) and bucket in self._buckets:
            old = self._find(bucket, key)
            if old is not None and isinstance(chunks, AsyncIterable):
                self._buckets[bucket][key] = replace(old, deadline_s=None)
        return await super()._upload(bucket, key, chunks, size, facts)


@mutant("6", "translation", trap="a source that raises TimeoutError")
class TranslatesTimeouts(PoolObjects):
    async def _take(self, chunks: AsyncIterable[Bytes], names: list[bytes], size: int | None) -> int:
        try:
            return await super()._take(chunks, names, size)
        except TimeoutError as error:
            raise OperationTimeout("pool: put_stream") from error


@mutant("6", "translation", trap="a source that raises an error of the contract's, Conflict for one")
class RetriesOnConflict(PoolObjects):
    async def _take(self, chunks: AsyncIterable[Bytes], names: list[bytes], size: int | None) -> int:
        try:
            return await super()._take(chunks, names, size)
        except Conflict as error:
            raise BackendUnavailable("pool: put_stream: too many conflicts") from error


@mutant("6", "resurrection", trap="a bucket that is deleted while a stream goes into it", also="11")
class StreamsMakeTheirBucket(PoolObjects):
    async def _take(self, chunks: AsyncIterable[Bytes], names: list[bytes], size: int | None) -> int:
        before = set(self._buckets)
        total = await super()._take(chunks, names, size)
        for name in before:
            self._buckets.setdefault(name, {})
        return total


@mutant("7", "ends early", trap="a deadline that passes between two chunks of a read")
class ReadsEndAtTheDeadline(PoolObjects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        manifest = self._buckets.get(bucket, {}).get(key)
        async for piece in super().get_stream(bucket, key):
            yield piece
            if manifest is not None and self._over(manifest):
                return


@mutant("7", "mixture", trap="a read that races an overwrite of the same length")
class NoticesOtherLengthsOnly(PoolObjects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        first: Manifest | None = None
        at = 0
        async for piece in super().get_stream(bucket, key):
            now = self._buckets.get(bucket, {}).get(key)
            first = first or now
            if first is not None and now is not None and now is not first and now.size == first.size:
                yield self.pool.pieces[now.pieces[at]]
            else:
                yield piece
            at += 1


@mutant("7", "ends early", trap="a bucket that is removed by force under an open read")
class ReadsEndWithTheBucket(PoolObjects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        async for piece in super().get_stream(bucket, key):
            yield piece
            if bucket not in self._buckets:
                return
