"""Mutants of `put_stream`: what is seen of it too early, and what is left of one that does not end well."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import replace

from prism_testkit.interfaces import BackendUnavailable, Bytes, Conflict, PayloadTooLarge
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 6: what is seen before the end


@mutant("6", "order of steps", trap="a look while a stream is being put", also="7 17")
class StreamGrowsInSight(Objects):
    """Each chunk is a version of its own."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        data = b""
        self.keep(slot, self.version(slot, self.blob(data), facts))
        async for chunk in chunks:
            data += self.chunk(chunk)
            self.check_growth(len(data), size)
            self.keep(slot, self.version(slot, self.blob(data), facts))
        self.check_end(len(data), size)
        return self.version(slot, self.blob(data), facts)


@mutant("6", "order of steps", trap="a look at the old object while a stream is being put", also="7 17")
class StreamRemovesTheOldFirst(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        self.drop(slot)
        return await super().receive(slot, chunks, size, facts)


@mutant("6", "order of steps", trap="a listing while a stream is being put", also="8")
class StreamIsListedBeforeItsEnd(Objects):
    """An empty placeholder that readers of the object do not see, and listings do."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        coming = self.store.notes.setdefault("coming", {})
        coming[self.namespace, slot] = self.version(slot, self.blob(b""), facts)
        try:
            return await super().receive(slot, chunks, size, facts)
        finally:
            del coming[self.namespace, slot]

    def matching(self, bucket: str, prefix: str) -> list[str]:
        coming = [s[1] for space, s in self.store.notes.get("coming", {}) if space == self.namespace and s[0] == bucket]
        return list({*super().matching(bucket, prefix), *(key for key in coming if key.startswith(prefix))})

    def listed(self, slot: Slot) -> Version | None:
        return super().listed(slot) or self.store.notes.get("coming", {}).get((self.namespace, slot))


@mutant("6", "leak", trap="a listing while a stream is being put, or after it failed", also="8 17")
class PartsAreListed(Objects):
    """They are uploaded under a name of their own beside the object."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        part = slot[0], f"{slot[1]}.part"
        self.keep(part, self.version(part, self.blob(b""), facts))
        version = await super().receive(slot, chunks, size, facts)
        self.apply({part: None})
        return version


# 6: streams that fail


class _Ends(Objects):
    """Stores what came so far where `stays` says so."""

    def stays(self, error: BaseException) -> bool:
        return False

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().collect(spool, chunks, size)
        except BaseException as error:
            if self.stays(error):
                self.store.notes["error"] = error
                return
            raise

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        version = await super().receive(slot, chunks, size, facts)
        error = self.store.notes.pop("error", None)
        if error is not None:
            raise error
        return version


@mutant("6", "partial effect", trap="a source that fails", also="17")
class FailedStreamLeavesAPart(_Ends):
    """``finally: upload.complete()``."""

    def stays(self, error: BaseException) -> bool:
        return not isinstance(error, asyncio.CancelledError | ValueError | PayloadTooLarge)


@mutant("6", "lost on cancel", trap="a cancelled stream", also="17")
class CancelledStreamLeavesAPart(_Ends):
    """``except Exception: abort`` does not meet a cancellation."""

    def stays(self, error: BaseException) -> bool:
        return isinstance(error, asyncio.CancelledError)


@mutant("6", "order of steps", trap="a stream that is not as long as it said")
class ContradictedSizeIsKept(_Ends):
    """It raises as it should, after the object is there."""

    def stays(self, error: BaseException) -> bool:
        return type(error) is ValueError


@mutant("6", "partial effect", trap="a stream that grows over the limit", also="12")
class StreamOverTheLimitIsKept(_Ends):
    def stays(self, error: BaseException) -> bool:
        return isinstance(error, PayloadTooLarge)


@mutant("6", "partial effect", trap="a stream that fails over an old object", also="17")
class FailedStreamRemovesTheOld(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        try:
            return await super().receive(slot, chunks, size, facts)
        except Exception:
            self.drop(slot)
            raise


@mutant("6", "partial effect", trap="a stream that is cancelled over an old object", also="17")
class CancelledStreamRemovesTheOld(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        try:
            return await super().receive(slot, chunks, size, facts)
        except asyncio.CancelledError:
            self.drop(slot)
            raise


@mutant("6", "partial effect", trap="a stream that fails over an old object with metadata", also="5")
class FailedStreamLeavesItsMetadata(Objects):
    """Metadata of an existing object are written when the upload begins."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        old = self.find(slot)
        if old is not None:
            self.keep(slot, replace(old, facts=facts))
        return await super().receive(slot, chunks, size, facts)


@mutant("6", "wrong error", trap="a source that fails")
class WrapsTheErrorOfTheSource(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().collect(spool, chunks, size)
        except (ValueError, TypeError, PayloadTooLarge):
            raise
        except Exception as error:
            raise BackendUnavailable(f"zoo: put_stream: {error}") from error


@mutant("6", "swallowed error", trap="a source that fails", also="17")
class TakesAFailureForTheEnd(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().collect(spool, chunks, size)
        except (ValueError, TypeError, PayloadTooLarge):
            raise
        except Exception:
            return


@mutant("6", "swallowed error", trap="a source that fails with ConnectionError or OSError")
class RetriesTheSource(Objects):
    """What looks like the network is tried again, and a spent source looks like an end."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().collect(spool, chunks, size)
        except OSError:
            await super().collect(spool, chunks, size)


@mutant("6", "leftover", trap="a stream to a key after one that failed", also="1")
class NextStreamFindsTheParts(Objects):
    """Parts lie under the key until an upload is complete."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        spool: Spool = self.store.notes.setdefault((self.namespace, slot), self.store.spool())
        await self.collect(spool, chunks, None if spool.size else size)
        version = self.version(slot, spool.finish(), facts)
        self.keep(slot, version)
        del self.store.notes[self.namespace, slot]
        return version


# 6: sizes and chunks


@mutant("6", "missing check", trap="a stream longer or shorter than its size")
class IgnoresTheSize(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().collect(spool, chunks, None)


@mutant("6", "missing check", trap="a stream shorter than its size")
class AcceptsShortStreams(Objects):
    def check_end(self, total: int, size: int | None) -> None:
        return


@mutant("6", "truncation", trap="a stream longer than its size")
class StopsAtTheSize(Objects):
    """Reads as much as it was told of."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            data = self.chunk(chunk)
            spool.write(data if size is None else data[: size - spool.size])
            self.check_growth(spool.size, size)
        self.check_end(spool.size, size)


@mutant("6", "falsy", trap="size=0 and a stream that is not empty")
class SizeOfZeroIsNoSize(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().collect(spool, chunks, size or None)


@mutant("6", "wrong error", trap="a stream longer or shorter than its size")
class ContradictionIsAConflict(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().collect(spool, chunks, None)
        if size is not None and spool.size != size:
            raise Conflict("zoo: put_stream: not the size it was said to have")


@mutant("6", "off by one", trap="a stream one byte longer than its size")
class SizeMayBeOverByOne(Objects):
    def check_growth(self, so_far: int, size: int | None) -> None:
        super().check_growth(so_far, None if size is None else size + 1)

    def check_end(self, total: int, size: int | None) -> None:
        super().check_end(total, None if size is None else max(size, min(total, size + 1)))


@mutant("6", "wrong count", trap="the size of a stream differs, the data end as they should", also="5 8")
class TellsTheDeclaredSize(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        version = await super().receive(slot, chunks, None, facts)
        told = replace(version, blob=replace(version.blob, size=version.blob.size if size is None else size))
        self.keep(slot, told)
        return told


@mutant("6", "falsy", trap="an empty chunk before the end", also="1")
class EmptyChunkEndsTheStream(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            if not chunk:
                break
            spool.write(self.chunk(chunk))
            self.check_growth(spool.size, size)
        self.check_end(spool.size, size)


@mutant("6", "boundary", trap="a stream without chunks, or of empty ones")
class EmptyStreamStoresNothing(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        old = self.find(slot)
        version = await super().receive(slot, chunks, size, facts)
        if not version.blob.size:
            self.apply({slot: old})
        return version


@mutant("6", "truncation", trap="a chunk of more than 65536 bytes", also="1")
class CutsLargeChunks(Objects):
    def chunk(self, chunk: Bytes) -> bytes:
        return super().chunk(chunk)[:65536]


@mutant("6", "wrong order", trap="chunks of several sizes", also="1")
class SmallChunksComeLast(Objects):
    """Large ones go out as parts of their own, small ones are gathered, and the gathered are sent at the end."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        small: list[bytes] = []
        total = 0
        async for chunk in chunks:
            data = self.chunk(chunk)
            total += len(data)
            self.check_growth(total, size)
            if len(data) < 4096:
                small.append(data)
            else:
                spool.write(data)
        self.check_end(total, size)
        spool.write(b"".join(small))


@mutant("6", "missing check", trap="chunks that are each within the limit and together over it", also="12")
class LimitIsOfEachChunk(Objects):
    def check_growth(self, so_far: int, size: int | None) -> None:
        if size is not None and so_far > size:
            raise ValueError(f"zoo: put_stream: {so_far} bytes so far, size={size}")

    def chunk(self, chunk: Bytes) -> bytes:
        return self.data(chunk, "put_stream", "chunk")
