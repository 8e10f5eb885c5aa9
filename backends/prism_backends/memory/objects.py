"""Object storage in dicts: of each bucket the objects, data and metadata in one, so that a write replaces both at once.

No method waits for anything but the chunks of a stream, so on one event loop each call is one atomic step, and so is the end of
a stream.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias

import prism_testkit as prism
from prism_backends.living import Living
from prism_backends.memory.client import MemoryClient
from prism_backends.objects import CHUNK_BYTES, LIMITS, Description, Intake, Target, deadline_after
from prism_testkit.interfaces.errors import Conflict
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata, ObjectStorageConditional

__all__ = ["MemoryObjectStorage"]

_ME = "memory"
_versions = count(1)


@dataclass(frozen=True, slots=True, eq=False)
class _Object:
    """One version of an object; a write makes a new one."""

    data: bytes
    description: Description
    etag: str
    last_modified_ms: int
    deadline_s: float | None = None

    def metadata(self) -> ObjectMetadata:
        return self.description.metadata(len(self.data), self.etag, self.last_modified_ms, self.deadline_s)


_Bucket: TypeAlias = dict[str, _Object]


class MemoryObjectStorage(Living, ObjectStorageConditional):
    """Both object storage interfaces. An expired object is removed by whoever meets it: a call on its key, or a listing."""

    limits = LIMITS

    def __init__(self, client: MemoryClient, namespace: str) -> None:
        self._spaces: dict[str, dict[str, _Bucket]] = client.model("object_storage")
        self._clock, self._namespace = client.clock, namespace

    def _buckets(self) -> dict[str, _Bucket]:
        # Looked up each time, for `clean` drops the dict of a namespace while drivers of it may live on.
        return self._spaces.setdefault(self._namespace, {})

    def _bucket(self, target: Target, name: str) -> _Bucket:
        bucket = self._buckets().get(name)
        if bucket is None:
            raise target.no_bucket()
        return bucket

    def _present(self, bucket: _Bucket, key: str) -> _Object | None:
        found = bucket.get(key)
        if found is not None and found.deadline_s is not None and found.deadline_s <= self._clock.now_s():
            del bucket[key]
            return None
        return found

    def _find(self, operation: str, bucket: str, key: str) -> _Object | None:
        return self._present(self._bucket(Target(_ME, operation, bucket, key), bucket), key)

    def _version(self, data: bytes, description: Description) -> _Object:
        return _Object(data, description, f"{next(_versions):x}", self._clock.now_ms())

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
        version = self._version(target.check_data(data), target.describe(content_type, content_encoding, user_metadata))
        self._bucket(target, bucket)[key] = version
        return version.metadata()

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
        version = self._version(target.check_data(data), target.describe(content_type, content_encoding, user_metadata))
        objects = self._bucket(target, bucket)
        missing = self._present(objects, key) is None
        if missing:
            objects[key] = version
        return missing

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
        description = target.describe(content_type, content_encoding, user_metadata)
        self._bucket(target, bucket)  # before anything is asked of the source
        intake, blocks = Intake(target, size), list[bytes]()
        async for chunk in chunks:
            blocks += intake.add(chunk)
        version = self._version(b"".join([*blocks, *intake.end()]), description)
        self._bucket(target, bucket)[key] = version
        return version.metadata()

    async def get(self, bucket: str, key: str) -> bytes | None:
        found = self._find("get", bucket, key)
        return None if found is None else found.data

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        target = Target(_ME, "get_stream", bucket, key)
        found = self._present(self._bucket(target, bucket), key)
        if found is None:
            raise target.no_object()
        for start in range(0, len(found.data), CHUNK_BYTES):
            yield found.data[start : start + CHUNK_BYTES]

    async def delete(self, bucket: str, key: str) -> bool:
        objects = self._bucket(Target(_ME, "delete", bucket, key), bucket)
        present = self._present(objects, key) is not None
        if present:
            del objects[key]
        return present

    async def exists(self, bucket: str, key: str) -> bool:
        return self._find("exists", bucket, key) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        found = self._find("metadata", bucket, key)
        return None if found is None else found.metadata()

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        target = Target(_ME, "set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", _ME)
        objects = self._bucket(target, bucket)
        found = self._present(objects, key)
        if found is None:
            return False
        objects[key] = replace(found, deadline_s=deadline_after(ttl_s, self._clock.now_s()))
        self._present(objects, key)  # frees what expires at once
        return True

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        target = Target(_ME, "list_objects", bucket)
        prism.check_prefix(prefix, "list_objects", _ME)
        objects = self._bucket(target, bucket)
        # The keys are those of now, but each is looked up when its turn comes: none is given twice, or after it is gone.
        for key in [key for key in objects if key.startswith(prefix)]:
            found = self._present(objects, key)
            if found is not None:
                yield ObjectInfo(key, len(found.data), found.last_modified_ms)

    async def create_bucket(self, bucket: str) -> bool:
        Target(_ME, "create_bucket", bucket)
        buckets = self._buckets()
        new = bucket not in buckets
        buckets.setdefault(bucket, {})
        return new

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        target = Target(_ME, "delete_bucket", bucket)
        objects = self._buckets().get(bucket)
        if objects is None:
            return False
        if not force and any(self._present(objects, key) is not None for key in list(objects)):
            raise Conflict(f"{_ME}: {target}: the bucket is not empty; force=True removes what is in it")
        objects.clear()  # a listing under way sees that they are gone
        del self._buckets()[bucket]
        return True

    async def bucket_exists(self, bucket: str) -> bool:
        Target(_ME, "bucket_exists", bucket)
        return bucket in self._buckets()
