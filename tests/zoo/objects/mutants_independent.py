"""Wrong drivers over a log of events: versions, deadlines, streams and buckets that meet."""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prism_testkit.interfaces import BackendUnavailable, Conflict, ObjectNotFound, OperationTimeout
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectMetadata
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .independent_ledger import Event, Held, LedgerObjects, Node, Said, View

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("1", "a part that is one byte is left out", "a byte over a multiple of 255 KiB")
class LosesTheByteOverA255KibPage(LedgerObjects):
    """Counts pages with ``(size - 1) // page``, but at least one."""

    page = 255 * 1024

    def pages(self, data: bytes) -> tuple[bytes, ...]:
        return super().pages(data[:-1] if len(data) > self.page and len(data) % self.page == 1 else data)


@mutant("1", "contents that are taken for equal", "two contents with one CRC-32 and one length")
class StoresOneContentPerChecksum(LedgerObjects):
    """Content-addressed by a checksum of 32 bits and the length."""

    def pages(self, data: bytes) -> tuple[bytes, ...]:
        import zlib

        known = self.node.shared.setdefault("contents", {})
        return known.setdefault((len(data), zlib.crc32(data)), super().pages(data))  # type: ignore[no-any-return]


@mutant("1", "a length in elements", "a memoryview whose elements have several bytes")
class CountsTheElementsOfAView(LedgerObjects):
    """Asks a memoryview of a stream for its length, which are elements, and keeps so many bytes."""

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        async def cut() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                yield bytes(chunk)[: len(chunk)] if isinstance(chunk, memoryview) else chunk

        return await super().stream(bucket, key, cut(), **told)


@mutant("2", "a deadline for what is not there", "set_ttl of a missing object, then a put")
class RemembersTheDeadlineOfAMissingObject(LedgerObjects):
    """Deadlines are in a table of their own, which does not ask whether there is an object."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        found = await super().set_ttl(bucket, key, ttl_s)
        if not found:
            at = self.clock.now_ms() + max(0, math.ceil(ttl_s * 1000))
            self.node.shared.setdefault("pending", {})[self.namespace, bucket, key] = at
        return found

    def held(self, pages: tuple[bytes, ...], said: Said) -> Held:
        return super().held(pages, said)

    async def store(self, bucket: str, key: str, pages: tuple[bytes, ...], said: Said) -> ObjectMetadata:
        told = await super().store(bucket, key, pages, said)
        at = self.node.shared.get("pending", {}).pop((self.namespace, bucket, key), None)
        if at is not None:
            await super().set_ttl(bucket, key, (at - self.clock.now_ms()) / 1000)
        return told


@mutant("5", "two answers to one question")
class QuotesTheEtagOfAPut(LedgerObjects):
    """A put tells the etag as the header has it, in quotes; metadata without."""

    async def store(self, bucket: str, key: str, pages: tuple[bytes, ...], said: Said) -> ObjectMetadata:
        told = await super().store(bucket, key, pages, said)
        return replace(told, etag=f'"{told.etag}"')


@mutant("5", "equal etags", "two contents of one size in one millisecond")
class MakesTheEtagOfSizeAndInstant(LedgerObjects):
    """As web servers do for files."""

    def etag(self, pages: tuple[bytes, ...], said: Said) -> str:
        return f"{self.clock.now_ms():x}-{sum(map(len, pages)):x}"


@mutant("5", "equal etags", "contents that differ only in how they are cut into pages")
class HashesTheHashesOfEqualPagesOnce(LedgerObjects):
    """The etag of many pages is made of the set of their digests, so that equal pages count once and order does not matter."""

    def etag(self, pages: tuple[bytes, ...], said: Said) -> str:
        digests = sorted({hashlib.sha256(page).hexdigest() for page in pages})
        return hashlib.sha256("".join(digests).encode()).hexdigest()


@mutant("5", "empty is taken for absent", "a metadata value of no characters")
class LosesEmptyMetadataValues(LedgerObjects):
    """Keeps metadata as a query string, whose parser leaves out empty values."""

    def labels(self, operation: str, labels: Mapping[str, str] | None) -> dict[str, str]:
        return dict(parse_qsl(urlencode(super().labels(operation, labels)), separator="&"))


@mutant("5", "an instant that stays", "the same content put again later")
class KeepsTheInstantOfTheSameContent(LedgerObjects):
    """A put of what is there already writes nothing new."""

    def replacing(self, new: Held, old: Held | None) -> Held:
        if old is not None and old.told.etag == new.told.etag and old.told.size == new.told.size:
            return replace(new, told=replace(new.told, last_modified_ms=old.told.last_modified_ms))
        return new


@mutant("5", "an instant that moves", "set_ttl some time after the put")
class ADeadlineIsAModification(LedgerObjects):
    """Every write of the row sets the instant, set_ttl too."""

    async def decide(self, decide: Any) -> Any:
        def touched(view: View) -> Any:
            events, answer = decide(view)
            now = self.clock.now_ms()
            return [
                replace(e, held=replace(e.held, told=replace(e.held.told, last_modified_ms=now))) if e.held else e for e in events
            ], answer

        return await super().decide(touched)


@mutant("6", "0 is taken for absent", "size=0 of a stream that is not empty")
class TakesASizeOfZeroForNone(LedgerObjects):
    """``if size``."""

    def expected(self, size: int | None, total: int, whole: bool = False) -> None:
        super().expected(size or None, total, whole)


@mutant("6", "the source's error is taken for the store's", "a source that raises TimeoutError or OSError")
class TranslatesTheErrorsOfTheSource(LedgerObjects):
    """What is raised while a stream is stored is put into the words of the store, wherever it comes from."""

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        try:
            return await super().stream(bucket, key, chunks, **told)
        except TimeoutError as error:
            raise OperationTimeout("ledger: put_stream: no answer") from error
        except OSError as error:
            raise BackendUnavailable("ledger: put_stream: away") from error


@mutant("6", "the old one is touched", "a stream that fails over an object with a deadline", also="9")
class ClearsTheDeadlineBeforeTheStream(LedgerObjects):
    """The deadline is cleared before the first chunk, for the object shall not expire under the writer."""

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        self.named("put_stream", bucket, key)

        def clear(view: View) -> tuple[list[Event], None]:
            held = self.find(view, bucket, key)
            if held is None or held.told.expires_at_ms is None:
                return [], None
            return [Event(bucket, key, replace(held, told=replace(held.told, expires_at_ms=None)))], None

        await self.decide(clear)
        return await super().stream(bucket, key, chunks, **told)


@mutant("10", "a deadline of the old one", "set_ttl while a stream to the same key is under way")
class AStreamKeepsADeadlineSetMeanwhile(LedgerObjects):
    """Clears the deadline it found at the beginning, not one that was set since."""

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        before = (await self.now()).buckets.get(bucket, {}).get(key)
        self.found = before.told.expires_at_ms if before else None
        self.streaming = True
        try:
            return await super().stream(bucket, key, chunks, **told)
        finally:
            self.streaming = False

    streaming = False
    found: int | None = None

    def replacing(self, new: Held, old: Held | None) -> Held:
        if self.streaming and old is not None and old.told.expires_at_ms not in (None, self.found):
            return replace(new, told=replace(new.told, expires_at_ms=old.told.expires_at_ms))
        return new


@mutant("11", "a write to what is gone", "a bucket that is removed and made again during a stream", also="14")
class LosesAStreamWhoseBucketWasMadeAgain(LedgerObjects):
    """The bucket of the beginning is written to; that is nobody's any more, and nobody is told."""

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        self.named("put_stream", bucket, key)
        self.first = self.bucket(await self.now(), bucket)
        self.streaming = True
        try:
            return await super().stream(bucket, key, chunks, **told)
        finally:
            self.streaming = False

    streaming = False

    async def decide(self, decide: Any) -> Any:
        def old(view: View) -> Any:
            events, answer = decide(view)
            if self.streaming and any(e.held and view.buckets.get(e.bucket) is not self.first for e in events):
                return [], answer
            return events, answer

        return await super().decide(old)


@mutant("16", "names of what is under way collide", "two clients that stream at once, each its first")
class NumbersStreamsPerClient(LedgerObjects):
    """What is under way is kept under a number, which each client counts for itself."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.streams = 0

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        self.streams += 1
        staging = self.node.shared.setdefault("staging", {})
        mine = (self.namespace, self.streams)
        parts = staging[mine] = []

        async def staged() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                staging.setdefault(mine, parts).append(bytes(chunk))
            for part in staging.pop(mine, parts):
                yield part

        return await super().stream(bucket, key, staged(), **told)


@mutant("7", "a part that ends as if it were whole", "an object that expires while it is read")
class EndsAStreamAtTheDeadline(LedgerObjects):
    """Looks at every chunk whether the object is still present, and stops if not."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        first = await self.look("get_stream", bucket, key)
        if first is None:
            raise ObjectNotFound("ledger: no such object")
        for page in self.bundles(first.pages):
            if self.present(first) is None:
                return
            yield page
            await asyncio.sleep(0)


@mutant("7", "a mixture", "an overwrite of the same size while an object is read")
class NoticesAnOverwriteByItsSize(LedgerObjects):
    """Every chunk is looked up anew, and the size tells whether it is still the same."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        first = await self.look("get_stream", bucket, key)
        if first is None:
            raise ObjectNotFound("ledger: no such object")
        for n, page in enumerate(self.bundles(first.pages)):
            held = self.find(await self.now(), bucket, key)
            if held is None or held.told.size != first.told.size:
                raise Conflict("ledger: overwritten")
            yield list(self.bundles(held.pages))[n] if n else page
