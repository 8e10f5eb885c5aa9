"""`JetStreamObjectStorage`: both object storage interfaces."""

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import prism_testkit as prism
from prism_backends.cancellation import begun, ended, whole
from prism_backends.jetstream.api import JetStream
from prism_backends.jetstream.cells import GONE
from prism_backends.jetstream.living import LivingJetStream
from prism_backends.jetstream.objectrecords import CHUNK_BYTES, INLINE_BYTES, Version
from prism_backends.jetstream.objecttable import ObjectTable
from prism_backends.jetstream.serverclock import CLOCK_RESOLUTION_S
from prism_backends.nats.client import NatsClient
from prism_backends.objects import LIMITS, Intake, Target
from prism_testkit.interfaces.errors import Conflict
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata, ObjectStorageConditional

__all__ = ["JetStreamObjectStorage"]


class JetStreamObjectStorage(LivingJetStream, ObjectStorageConditional):
    """Not NATS's own object store: there a name that is put twice at once can lose both, and a bucket has no atomic end.

    What is known of an object is one message, which names its version; the chunks of a version are messages of their own, seen
    by nobody before that. Who streams a version that is replaced or removed meanwhile gets `Conflict` or `ObjectNotFound`.
    The chunks of a writer that was killed stay until their bucket is removed. An expired object is hidden at its deadline, and
    removed by the next write of its key.
    """

    backend_name: ClassVar[str] = "jetstream"
    traits: ClassVar[prism.Traits] = prism.Traits(durability="process")
    limits: ClassVar[prism.Limits] = replace(LIMITS, clock_resolution_s=CLOCK_RESOLUTION_S)

    def __init__(self, client: NatsClient, namespace: str) -> None:
        self.client = client
        self.server = JetStream(client, self.backend_name)
        self._table = ObjectTable(self.server, namespace)

    async def _end(self) -> None:
        """Finish what is under way."""
        await self._table.tidied()

    async def put(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        target = self._target("put", bucket, key)
        copy, description = target.check_data(data), target.describe(content_type, content_encoding, user_metadata)
        stored = await self._put(target, copy, Version(secrets.token_hex(12), len(copy), description), if_absent=False)
        assert stored is not None, "only what is to be absent can be refused"
        return stored.metadata()

    async def put_if_absent(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> bool:
        target = self._target("put_if_absent", bucket, key)
        copy, description = target.check_data(data), target.describe(content_type, content_encoding, user_metadata)
        return await self._put(target, copy, Version(secrets.token_hex(12), len(copy), description), if_absent=True) is not None

    async def put_stream(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[Bytes],
        *,
        size: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        target = self._target("put_stream", bucket, key)
        target.check_stream(chunks, size)
        version = Version(secrets.token_hex(12), 0, target.describe(content_type, content_encoding, user_metadata))
        intake = Intake(target, size, CHUNK_BYTES)
        generation, _, _ = await self._table.find(target)
        async with self._drafting(target, generation, version) as draft:
            async for chunk in chunks:
                for block in intake.add(chunk):
                    await draft.add(block)
            for block in intake.end():
                await draft.add(block)
            stored = await draft.finish(if_absent=False)
        assert stored is not None, "only what is to be absent can be refused"
        return stored.metadata()

    async def get(self, bucket: str, key: str) -> bytes | None:
        target = self._target("get", bucket, key)
        while True:
            generation, version, _ = await self._table.find(target)
            if version is None:
                return None
            data = b"".join([chunk async for chunk in self._table.data(target, generation, version)])
            if len(data) == version.size:
                return data  # else it was replaced, or removed, meanwhile

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        target = self._target("get_stream", bucket, key)
        generation, version, _ = await self._table.find(target)
        if version is None:
            raise target.no_object()
        left = version.size
        async for chunk in self._table.data(target, generation, version):
            left -= len(chunk)
            yield chunk
        if left:
            _, now, _ = await self._table.find(target)
            if now is None:
                raise target.no_object()
            raise Conflict(f"{self.backend_name}: {target}: the object was replaced while it was read")

    async def delete(self, bucket: str, key: str) -> bool:
        target = self._target("delete", bucket, key)
        while True:
            generation, version, sequence = await self._table.find(target)
            if not sequence:
                return False
            held = version or await self._table.held(target, generation)
            if held is None:
                return False
            if version is None and held.sequence != sequence:
                continue  # it was expired, and is put again: what is there now was not looked at
            subject = self._table.subject(generation, target.key_bytes)
            what = f"{self.backend_name}: {target}"
            gone = await self._table.change(what, subject, held.sequence, GONE)
            if gone is not None:
                self._table.remove_chunks(target, generation, held)
                self._table.tidy(self._table.forget(what, subject, gone))
                return version is not None

    async def exists(self, bucket: str, key: str) -> bool:
        _, version, _ = await self._table.find(self._target("exists", bucket, key))
        return version is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        _, version, _ = await self._table.find(self._target("metadata", bucket, key))
        return None if version is None else version.metadata()

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        target = self._target("set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", self.backend_name)
        while True:
            generation, version, sequence = await self._table.find(target)
            if version is None:
                return False
            subject = self._table.subject(generation, target.key_bytes)
            data = version.expiring(ttl_s).sealed()
            if await self._table.change(f"{self.backend_name}: {target}", subject, sequence, data) is not None:
                return True

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        target = self._target("list_objects", bucket)
        beginning = prism.check_prefix(prefix, "list_objects", self.backend_name)
        found = await self._table.bucket(target)
        if found is None:
            raise target.no_bucket()
        async for version in self._table.versions(target, found.generation):
            if version.key.startswith(beginning):
                yield ObjectInfo(version.key.decode(), version.size, version.put_ns // 1_000_000)

    async def create_bucket(self, bucket: str) -> bool:
        target = self._target("create_bucket", bucket)
        while await self._table.bucket(target) is None:
            if await self._table.make_bucket(target):
                return True
        return False

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        target = self._target("delete_bucket", bucket)
        return await whole(self._delete_bucket(target, force))  # a bucket that is half closed would keep others waiting

    async def _delete_bucket(self, target: Target, force: bool) -> bool:
        while True:
            found = await self._table.bucket(target)
            if found is None:
                return False
            if not force:
                closing = await self._table.set_bucket(target, found, "closing")
                if closing is None:
                    continue
                found = replace(found, sequence=closing)
                async for _ in self._table.versions(target, found.generation):
                    await self._table.set_bucket(target, found, "open")
                    raise Conflict(f"{self.backend_name}: {target}: the bucket is not empty; force=True removes what is in it")
            gone = await self._table.set_bucket(target, found, "gone")
            if gone is not None:
                await self._table.remove_all(target, found.generation)
                self._table.tidy(self._table.forget(f"{self.backend_name}: {target}", self._table.subject_of_bucket(target), gone))
                return True

    async def bucket_exists(self, bucket: str) -> bool:
        return await self._table.bucket(self._target("bucket_exists", bucket)) is not None

    async def _put(self, target: Target, data: bytes, version: Version, *, if_absent: bool) -> Version | None:
        generation, found, _ = await self._table.find(target)
        if if_absent and found is not None:
            return None
        async with self._drafting(target, generation, version) as draft:
            for start in range(0, len(data), CHUNK_BYTES):
                await draft.add(data[start : start + CHUNK_BYTES])
            return await draft.finish(if_absent=if_absent)

    @asynccontextmanager
    async def _drafting(self, target: Target, generation: str, version: Version) -> "AsyncIterator[_Draft]":
        draft = _Draft(self._table, target, generation, version)
        try:
            yield draft
        finally:
            await draft.discard()

    def _target(self, operation: str, bucket: str, *key: str) -> Target:
        return Target(self.backend_name, operation, bucket, *key)


class _Draft:
    """A version that is written and not yet seen."""

    def __init__(self, table: ObjectTable, target: Target, generation: str, version: Version) -> None:
        self._table, self._target, self._generation, self._version = table, target, generation, version
        self._what = f"{target.backend}: {target}"
        self._held = b""
        self._size, self._written = 0, 0
        self._finishing: asyncio.Task[Version | None] | None = None

    async def add(self, block: bytes) -> None:
        """Write a block; the first is held back, in case it is short and the only one."""
        self._size += len(block)
        held, self._held = self._held, block
        if held:
            await self._write(held)

    async def finish(self, *, if_absent: bool) -> Version | None:
        """Show it in place of what is there; None if that must not be and is. Cancelled, it did so whole or not at all."""
        if self._written or len(self._held) > INLINE_BYTES:
            await self._write(self._held)
            self._held = b""
        self._version = replace(self._version, size=self._size, chunks=self._written, inline=self._held)
        self._finishing = begun(self._finish(if_absent))
        try:
            return await asyncio.shield(self._finishing)
        except asyncio.CancelledError:
            await ended(self._finishing)
            raise

    async def discard(self) -> None:
        """Remove the chunks of what is not to be seen."""
        finished = self._finishing
        if finished is not None and (finished.exception() is not None or finished.result() is not None):
            return  # it is there, or nobody knows
        self._table.remove_chunks(self._target, self._generation, replace(self._version, chunks=self._written))

    async def _write(self, block: bytes) -> None:
        """Write a chunk. Cancelled, wait for its end: what is removed must not come after it was."""
        self._written += 1
        subject = self._table.chunks(self._generation, self._version.identity)
        await whole(self._table.put(self._what, subject, block, {}))

    async def _finish(self, if_absent: bool) -> Version | None:
        subject = self._table.subject(self._generation, self._target.key_bytes)
        while True:
            generation, found, sequence = await self._table.find(self._target)
            if generation != self._generation:
                raise self._target.no_bucket()  # the one it was written for; nobody sees what was written
            if if_absent and found is not None:
                return None
            old = found or (await self._table.held(self._target, generation) if sequence else None)
            written = await self._table.change(self._what, subject, sequence, self._version.sealed())
            if written is not None:
                self._table.remove_chunks(self._target, generation, old)
                return await self._seen(subject, written)

    async def _seen(self, subject: str, sequence: int) -> Version:
        """Return the version as it is kept; raise `BucketNotFound` if its bucket was removed before it was seen."""
        stored = await self._table.server.message(self._what, self._table.stream, seq=sequence)
        bucket = await self._table.bucket(self._target)
        if bucket is None or bucket.generation != self._generation:
            self._table.tidy(self._table.remove_all(self._target, self._generation))
            raise self._target.no_bucket()
        if stored is not None:
            version = replace(self._version, sequence=sequence, at_ns=stored.at_ns)
        else:  # replaced already
            await self._table.clock.read(self._table.server, self._what, self._table.stream)
            version = replace(self._version, sequence=sequence, at_ns=self._table.clock.earliest_ns())
        return replace(version, put_ns=version.at_ns)
