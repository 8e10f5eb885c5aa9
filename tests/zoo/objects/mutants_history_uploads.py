"""Mistakes of uploads that real stores and their clients shipped, over the gateway."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import BackendUnavailable, BucketNotFound, Bytes, Conflict
from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects, Sending
from .history_gateway import PART, Facts, Gateway, Head, Upload

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

KIND = "uploads"


@mutant("6", KIND, trap="a size that is told and is a multiple of the part's", also="1")
class LastPartIsWhatRemains(GatewayObjects):
    """The last part is the remainder of the size by that of a part, even if it is nothing (elastic/elasticsearch#128746)."""

    async def forward(self, sending: Sending, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().forward(sending, chunks, size)
        if size is not None and size > PART and size % PART == 0:
            sending.upload.parts[sending.parts] = b""


@mutant("6", KIND, trap="a stream of more than a thousand parts", also="1")
class PartsOfOneListing(GatewayObjects):
    """An upload is completed by the first thousand of its parts; with more of them it fails (scality/cloudserver#444)."""

    part_size = 512

    async def finish(self, names: tuple[str, str, str], sending: Sending) -> Head:
        if sending.parts >= 1000:
            raise BackendUnavailable("gateway: one or more of the parts could not be found")
        return await super().finish(names, sending)


@mutant("6", KIND, trap="a stream that failed after some parts, and a shorter one of that key", also="1")
class OlderPartsAreTaken(Gateway):
    """An upload takes up the one that was given up before, with all of its parts (minio/minio-go#506)."""

    def initiate(self, space: str, name: str, key: str, facts: Facts) -> Upload:
        upload = super().initiate(space, name, key, facts)
        upload.parts.update(self.notes.pop((upload.bucket.number, key), {}))
        return upload

    def abort(self, upload: Upload) -> None:
        if upload.number in upload.bucket.uploads and upload.parts:
            self.notes[upload.bucket.number, upload.key] = dict(upload.parts)
        super().abort(upload)

    def complete(self, space: str, name: str, upload: Upload) -> Head:
        head = super().complete(space, name, upload)
        self.notes.pop((upload.bucket.number, upload.key), None)
        return head


@mutant("6", KIND, trap="a stream that failed after a part, and one of that key whose size is told", also="1")
class OlderPartsAreInTheWay(GatewayObjects):
    """Parts of a failed upload stay; names of another length cannot be beside theirs (MicrosoftDocs/azure-docs#36347)."""

    async def forward(self, sending: Sending, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        width = 5 if size is None else len(str(size // PART))
        place = (sending.upload.bucket.number, sending.upload.key)
        left = self.gateway.notes.get(place, width)
        try:
            await super().forward(sending, chunks, size)
        except BaseException:
            if sending.parts:
                self.gateway.notes[place] = width
            raise
        if left != width and (sending.parts or sending.kept):
            raise Conflict("gateway: the specified part is invalid")
        self.gateway.notes.pop(place, None)


@mutant("6", KIND, trap="a source that fails under a content encoding", also="17")
class EncodedStreamsAreCommitted(GatewayObjects):
    """Over an encoded stream lies another one; to leave that by an error closes this one in peace (piskvorky/smart_open#684)."""

    async def forward(self, sending: Sending, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().forward(sending, chunks, size)
        except Exception:
            if sending.upload.facts.content_encoding is not None:
                await self.finish((self.space, self.bucket_of(sending), sending.upload.key), sending)
            raise

    def bucket_of(self, sending: Sending) -> str:
        return next(name for name, bucket in self.gateway.buckets(self.space).items() if bucket is sending.upload.bucket)


@mutant("6", KIND, trap="a stream over an object that fails, or is read meanwhile", also="7 17")
class TruncatesAtTheBegin(Gateway):
    """Whoever begins to write opens the file, and truncates it (google/go-cloud#650)."""

    def initiate(self, space: str, name: str, key: str, facts: Facts) -> Upload:
        upload = super().initiate(space, name, key, facts)
        if self.find(upload.bucket, key) is not None:
            self.put(space, name, key, b"", facts)
        return upload


@mutant("6", KIND, trap="a stream over an object that fails, or is read meanwhile", also="7 17")
class DeletesBeforehand(Gateway):
    """What is there is deleted when an upload begins, not when it ends (storj/storj#4788)."""

    def initiate(self, space: str, name: str, key: str, facts: Facts) -> Upload:
        self.delete(space, name, key)
        return super().initiate(space, name, key, facts)


@mutant("6", KIND, trap="a stream of a new key that fails after a part", also="7 8 17")
class NewObjectsAreWrittenInPlace(GatewayObjects):
    """What replaces an object is written beside it, what is new at its place, and stays there (apache/opendal#6336)."""

    async def part(self, sending: Sending, part: bytes) -> None:
        await super().part(sending, part)
        upload = sending.upload
        head = self.gateway.find(upload.bucket, upload.key)
        if head is None or head.etag == "being written":
            written = self.gateway.made("being written", self.gateway.joined(upload), upload.facts)
            self.gateway.store(upload.bucket, upload.key, written)


@mutant("6", KIND, trap="a size that was not kept, over an object", also="1")
class DeletesWhatWasWrong(GatewayObjects):
    """A stream that turns out wrong is deleted, with what was there before it (googleapis/python-storage#246)."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        super().give_up(names, upload, error)
        if isinstance(error, ValueError):
            self.gateway.delete(*names)


@mutant("5", "metadata", trap="a stream over an object", also="6")
class StreamsLoseFactsOfTheNew(Gateway):
    """The file with what is known of the old object is removed when the new one has been written already (minio/minio#10512)."""

    def complete(self, space: str, name: str, upload: Upload) -> Head:
        if self.find(self.bucket(space, name), upload.key) is not None:
            upload.facts = Facts()
        return super().complete(space, name, upload)


@mutant("5", "metadata", trap="user metadata of a stream of more than one part", also="6")
class PartsForgetLabels(Gateway):
    """An upload in parts ignores user metadata (fsouza/fake-gcs-server#187)."""

    def complete(self, space: str, name: str, upload: Upload) -> Head:
        if len(upload.parts) > 1:
            upload.facts = replace(upload.facts, labels={})
        return super().complete(space, name, upload)


@mutant("5", "metadata", trap="a content type of a stream", also="6")
class StreamsHaveTheUsualType(Gateway):
    """A stream is sent with the content type of any bytes (apache/libcloud#70)."""

    def initiate(self, space: str, name: str, key: str, facts: Facts) -> Upload:
        usual = facts.content_type and "application/octet-stream"
        return super().initiate(space, name, key, replace(facts, content_type=usual))


@mutant("6", KIND, trap="a stream of nothing, without a size", also="1")
class NothingIsNoUpload(GatewayObjects):
    """An upload is completed by a list of parts, and an empty list is refused; a known size needs none (minio/minio-dotnet#271)."""

    async def upload(self, names: tuple[str, str, str], chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Head:
        self.sized = size is not None
        return await super().upload(names, chunks, size, facts)

    async def finish(self, names: tuple[str, str, str], sending: Sending) -> Head:
        if not sending.size and not self.sized:
            raise BackendUnavailable("gateway: the XML you provided was not well-formed")
        return await super().finish(names, sending)


@mutant("16", KIND, trap="two streams of one key at once", also="1 6")
class RetriesWhatWasConsumed(GatewayObjects):
    """An upload that lost against another is made again, of a source that is used up (databricks/databricks-sdk-java#872)."""

    async def finish(self, names: tuple[str, str, str], sending: Sending) -> Head:
        before = self.gateway.find(sending.upload.bucket, sending.upload.key)
        if before is not None and before.number > sending.upload.number:
            self.gateway.abort(sending.upload)
            sending = Sending(await self.request(self.gateway.initiate, *names, sending.upload.facts))
        return await super().finish(names, sending)


@mutant("16", KIND, trap="two streams of one client at once", also="1 6")
class UploadsShareTheirBuffer(GatewayObjects):
    """What is kept for the next part is in a buffer that two uploads may have at once (nats-io/nats.net#917)."""

    shared = b""

    async def take(self, sending: Sending, chunk: bytes, size: int | None) -> None:
        sending.kept = self.shared
        await super().take(sending, chunk, size)
        self.shared = sending.kept

    async def finish(self, names: tuple[str, str, str], sending: Sending) -> Head:
        self.shared = b""
        return await super().finish(names, sending)

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        self.shared = b""
        super().give_up(names, upload, error)


@mutant("13", "copies", trap="a source that gives its one buffer again and again", also="1 6")
class ChunksAreNotCopied(GatewayObjects):
    """Chunks are kept as they came until they make a part; a source may have written into them (Azure/azure-sdk-for-java#18295)."""

    async def forward(self, sending: Sending, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async def gathered() -> Any:
            kept: list[Bytes] = []
            async for chunk in chunks:
                kept.append(chunk)
                if sum(memoryview(each).nbytes for each in kept) >= PART:
                    yield b"".join(map(bytes, kept))
                    kept = []
            yield b"".join(map(bytes, kept))

        await super().forward(sending, gathered(), size)


@mutant("6", KIND, trap="exists while an upload has sent a part", also="2 7")
class ExistsWhileItComes(GatewayObjects):
    """An object of which parts are there is said to exist (Azure/Azurite#400)."""

    async def exists(self, bucket: str, key: str) -> bool:
        there = await super().exists(bucket, key)
        uploads = self.gateway.bucket(self.space, bucket).uploads.values()
        return there or any(upload.key == key and upload.parts for upload in uploads)


@mutant("11", "buckets", trap="a bucket that is removed while it is written to by a stream", also="6 14")
class CompletesWithoutItsBucket(Gateway):
    """An upload whose bucket was removed meanwhile is told to be complete (s3gw-tech/s3gw#588)."""

    def complete(self, space: str, name: str, upload: Upload) -> Head:
        try:
            return super().complete(space, name, upload)
        except BucketNotFound:
            data = self.joined(upload)
            return self.made(self.etag(space, name, upload.key, data), data, upload.facts)


@mutant("17", KIND, trap="a stream of parts that is cancelled when it is complete, but was not told so", also="6 1")
class CancelledUploadsLoseTheirTail(GatewayObjects):
    """Where the answer to the last request does not come, the parts are removed, though the head may be there (ceph/ceph#47667)."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        head = self.gateway.find(upload.bucket, upload.key)
        if head is not None and head.number > upload.number and len(upload.parts) > 1 and head.data == self.gateway.joined(upload):
            self.gateway.store(upload.bucket, upload.key, replace(head, data=upload.parts[1]))
        super().give_up(names, upload, error)


@mutant("5", "metadata", trap="what a stream of more than one part returns", also="6")
class EtagsOfParts(GatewayObjects):
    """The end of an upload tells an etag made of those of the parts, metadata one of the content (gaul/s3proxy#338)."""

    async def upload(self, names: tuple[str, str, str], chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Head:
        head = await super().upload(names, chunks, size, facts)
        return replace(head, etag=f"{head.etag}-{len(head.data) // PART + 1}") if len(head.data) > PART else head


class _CountsParts(Gateway):
    def empty(self, space: str, name: str) -> bool:
        return super().empty(space, name) and not self.notes.get(("orphans", self.buckets(space)[name].number))


@mutant("11", "buckets", trap="delete_bucket after a stream that failed behind a part", also="6 17", gateway=_CountsParts)
class OrphansHoldTheirBucket(GatewayObjects):
    """Parts of an upload that failed stay, and a bucket with parts is not empty (ceph/ceph#10920)."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        if upload.parts:
            self.gateway.notes["orphans", upload.bucket.number] = True
        super().give_up(names, upload, error)


@mutant("17", KIND, trap="streams that are cancelled behind their first part, again and again", also="6")
class CancelledUploadsHoldOn(GatewayObjects):
    """Cleaning up behind an upload was for errors, and to be cancelled is none: its senders stay (terricain/aioboto3#409)."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        super().give_up(names, upload, error)
        if isinstance(error, asyncio.CancelledError) and upload.parts:
            self.pool._value = max(0, self.pool._value - 1)
