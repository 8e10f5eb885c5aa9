"""The signatures of the three methods that write, each over one with any keywords, which a wrong driver can replace in short."""

from abc import abstractmethod
from collections.abc import AsyncIterable, Mapping
from typing import Any

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectMetadata, ObjectStorageConditional

__all__ = ["Thin"]


class Thin(ObjectStorageConditional):
    """`whole` is put, `create` put_if_absent, `stream` put_stream."""

    @abstractmethod
    async def whole(self, bucket: str, key: str, data: Bytes, **told: Any) -> ObjectMetadata: ...

    @abstractmethod
    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool: ...

    @abstractmethod
    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata: ...

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
        told = {"content_type": content_type, "content_encoding": content_encoding, "user_metadata": user_metadata}
        return await self.whole(bucket, key, data, **told)

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
        told = {"content_type": content_type, "content_encoding": content_encoding, "user_metadata": user_metadata}
        return await self.create(bucket, key, data, **told)

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
        told = {"content_type": content_type, "content_encoding": content_encoding, "user_metadata": user_metadata}
        return await self.stream(bucket, key, chunks, size=size, **told)
