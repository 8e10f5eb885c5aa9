"""The object storage driver: what is asked of a file, and when, on the thread of files."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import prism_testkit as prism
from prism_backends.filesystem.buckets import Bucket
from prism_backends.filesystem.client import FilesystemClient
from prism_backends.filesystem.drafts import Draft, Reader
from prism_backends.living import Living
from prism_backends.objects import LIMITS, Intake, Target
from prism_testkit.interfaces.errors import BucketNotFound, Conflict
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata, ObjectStorageConditional

__all__ = ["FilesystemObjectStorage"]

T = TypeVar("T")

_ME = "filesystem"
_PAGE = 200
"""Files that a listing looks at in one go, others waiting."""


class FilesystemObjectStorage(Living, ObjectStorageConditional):
    """Both object storage interfaces. An expired object is removed by whoever meets it: a call on its key, or a listing."""

    limits = LIMITS

    def __init__(self, client: FilesystemClient, namespace: str) -> None:
        self._client, self._clock = client, client.clock
        self._space = client.space(namespace)

    def _bucket(self, target: Target) -> Bucket:
        return Bucket(self._space, target, self._clock.now_s)

    async def _ask(self) -> None:
        await self._client.run("health", lambda: next(self._client.spaces.iterdir(), None))

    async def _run(self, target: Target, work: Callable[[], T]) -> T:
        return await self._client.run(str(target), work)

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
        target = Target(_ME, "put", bucket, key)
        copy, description = target.check_data(data), target.describe(content_type, content_encoding, user_metadata)
        there = self._bucket(target)

        def work() -> ObjectMetadata:
            there.check()
            draft = Draft(self._client.drafts, key, description)
            try:
                metadata = self._written(draft, copy)
                there.put(draft)
            finally:
                draft.close()
            return metadata

        return await self._run(target, work)

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
        target = Target(_ME, "put_if_absent", bucket, key)
        copy, description = target.check_data(data), target.describe(content_type, content_encoding, user_metadata)
        there = self._bucket(target)

        def work() -> bool:
            there.check()
            if there.is_present():
                return False
            draft = Draft(self._client.drafts, key, description)
            try:
                self._written(draft, copy)
                return there.put_if_absent(draft)
            finally:
                draft.close()

        return await self._run(target, work)

    def _written(self, draft: Draft, data: bytes) -> ObjectMetadata:
        draft.open()
        draft.write(data)
        return draft.seal(self._clock.now_ms())

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
        target = Target(_ME, "put_stream", bucket, key)
        target.check_stream(chunks, size)
        there, intake = self._bucket(target), Intake(target, size)
        draft = Draft(self._client.drafts, key, target.describe(content_type, content_encoding, user_metadata))

        def begin() -> None:
            there.check()
            draft.open()

        def finish(rest: Sequence[bytes]) -> ObjectMetadata:
            for block in rest:
                draft.write(block)
            metadata = draft.seal(self._clock.now_ms())
            there.put(draft)
            return metadata

        with self._client.holding(draft):
            await self._run(target, begin)
            async for chunk in chunks:
                for block in intake.add(chunk):
                    await self._run(target, partial(draft.write, block))
            return await self._run(target, partial(finish, list(intake.end())))

    async def get(self, bucket: str, key: str) -> bytes | None:
        target = Target(_ME, "get", bucket, key)
        there = self._bucket(target)
        reader = there.reader()
        with self._client.holding(reader):
            first = await self._run(target, partial(_first_part, there, reader))
            if first is None:
                return None
            parts = [first]
            while reader.left:
                parts.append(await self._run(target, reader.read))
            return b"".join(parts)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        target = Target(_ME, "get_stream", bucket, key)
        there = self._bucket(target)
        reader = there.reader()
        with self._client.holding(reader):
            if not await self._run(target, lambda: there.find(reader)):
                raise target.no_object()
            while reader.left:
                yield await self._run(target, reader.read)

    async def delete(self, bucket: str, key: str) -> bool:
        target = Target(_ME, "delete", bucket, key)
        return await self._run(target, self._bucket(target).delete)

    async def exists(self, bucket: str, key: str) -> bool:
        return await self._metadata("exists", bucket, key) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        return await self._metadata("metadata", bucket, key)

    async def _metadata(self, operation: str, bucket: str, key: str) -> ObjectMetadata | None:
        target = Target(_ME, operation, bucket, key)
        there = self._bucket(target)

        def work() -> ObjectMetadata | None:
            reader = there.reader()
            try:
                version = there.find(reader)
            finally:
                reader.close()
            return None if version is None else version.metadata()

        return await self._run(target, work)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        target = Target(_ME, "set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", _ME)
        return await self._run(target, partial(self._bucket(target).set_ttl, ttl_s))

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        target = Target(_ME, "list_objects", bucket)
        start = prism.check_prefix(prefix, "list_objects", _ME)
        there = self._bucket(target)
        files = await self._run(target, partial(there.files, start))
        # Each is looked at when its turn comes: none is given after it is gone.
        for place in range(0, len(files), _PAGE):
            for info in await self._run(target, partial(there.look, files[place : place + _PAGE], prefix)):
                yield info

    async def create_bucket(self, bucket: str) -> bool:
        target = Target(_ME, "create_bucket", bucket)
        return await self._run(target, self._bucket(target).create)

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        target = Target(_ME, "delete_bucket", bucket)
        try:
            removed = await self._run(target, partial(self._bucket(target).remove, force, self._client.discard))
        except BucketNotFound:
            return False
        if not removed:
            raise Conflict(f"{_ME}: {target}: the bucket is not empty; force=True removes what is in it")
        return True

    async def bucket_exists(self, bucket: str) -> bool:
        target = Target(_ME, "bucket_exists", bucket)
        return await self._run(target, self._bucket(target).path.is_dir)


def _first_part(there: Bucket, reader: Reader) -> bytes | None:
    """Open the object, and read what is all of most; None if it is missing."""
    return None if there.find(reader) is None else reader.read()
