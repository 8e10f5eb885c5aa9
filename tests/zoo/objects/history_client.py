"""A right driver over the gateway: it makes requests over a few connections, each of which suspends on the way there and back."""

import asyncio
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import prism_testkit as prism
from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    ObjectInfo,
    ObjectMetadata,
    ObjectNotFound,
    ObjectStorageConditional,
    PayloadTooLarge,
)
from prism_testkit.naming import METADATA_BYTES, check_headers, check_name, check_payload, check_prefix, check_seconds
from prism_testkit.traits import NO_LIMIT, Limits

from .history_gateway import PART, Facts, Gateway, Head, Transport, Upload, clean, connector
from .history_life import Living

__all__ = ["CONNECTIONS", "GatewayObjects", "Sending", "gateway_backend"]

T = TypeVar("T")

CONNECTIONS = 16
"""How many requests of one driver are on their way at once; more wait."""


@dataclass(eq=False)
class Sending:
    """How far an upload has come: what was sent as parts, and what is kept for the next one."""

    upload: Upload
    size: int = 0
    parts: int = 0
    kept: bytes = b""


class GatewayObjects(Living, ObjectStorageConditional):
    """`ObjectStorageConditional` over a `Gateway`, with a life."""

    limits = Limits()
    part_size = PART

    def __init__(self, transport: Transport, namespace: str) -> None:
        super().__init__()
        self.transport, self.space = transport, namespace
        self.gateway = transport.gateway
        self.pool = asyncio.Semaphore(CONNECTIONS)

    async def request(self, ask: Callable[..., T], *arguments: Any) -> T:
        async with self.pool:
            await asyncio.sleep(0)
            self.reachable()
            answer = ask(*arguments)
            await asyncio.sleep(0)
        return answer

    def reachable(self) -> None:
        if self.closed or self.transport.shut:
            raise Closed("gateway: the connection is closed")

    # Arguments

    def names(self, operation: str, bucket: str, key: str) -> tuple[str, str, str]:
        check_name(bucket, operation, "gateway", self.limits)
        check_name(key, operation, "gateway", self.limits)
        return self.space, bucket, key

    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        for text in (content_type, encoding):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"gateway: {operation}: a content type or encoding is str, not {type(text).__name__}")
            if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
                raise ValueError(f"gateway: {operation}: {text[:40]!a} holds a surrogate")
        return Facts(content_type, encoding, check_headers(labels, operation, "gateway", METADATA_BYTES))

    # Objects

    def told(self, head: Head) -> ObjectMetadata:
        facts = head.facts
        labels = dict(facts.labels)
        size, expires = len(head.data), head.expires_ms
        return ObjectMetadata(size, head.etag, head.at_ms, facts.content_type, facts.content_encoding, labels, expires)

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
        names, facts = self.names("put", bucket, key), self.facts("put", content_type, content_encoding, user_metadata)
        body = check_payload(data, "put", "gateway", key, self.limits)
        with self.in_hand("put"):
            return await self.send(names, body, facts)

    async def send(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> ObjectMetadata:
        return self.told(await self.request(self.gateway.put, *names, body, facts))

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
        names = self.names("put_if_absent", bucket, key)
        facts = self.facts("put_if_absent", content_type, content_encoding, user_metadata)
        body = check_payload(data, "put_if_absent", "gateway", key, self.limits)
        with self.in_hand("put_if_absent"):
            return await self.create(names, body, facts)

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        return await self.request(self.gateway.create, *names, body, facts) is not None

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
        names = self.names("put_stream", bucket, key)
        facts = self.facts("put_stream", content_type, content_encoding, user_metadata)
        if size is not None and not isinstance(size, int):
            raise TypeError(f"gateway: put_stream: a size is int or None, not {type(size).__name__}")
        if size is not None and size < 0:
            raise ValueError(f"gateway: put_stream: size={size} is negative")
        with self.in_hand("put_stream"):
            return self.told(await self.upload(names, chunks, size, facts))

    async def upload(self, names: tuple[str, str, str], chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Head:
        upload = await self.request(self.gateway.initiate, *names, facts)
        try:
            sending = Sending(upload)
            await self.forward(sending, chunks, size)
            return await self.finish(names, sending)
        except BaseException as error:
            self.give_up(names, upload, error)
            raise

    async def forward(self, sending: Sending, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            await self.take(sending, check_payload(chunk, "put_stream", "gateway", "chunk", Limits(max_payload=NO_LIMIT)), size)
        if size is not None and sending.size != size:
            raise ValueError(f"gateway: put_stream: {sending.size} bytes, size={size}")

    async def take(self, sending: Sending, chunk: bytes, size: int | None) -> None:
        sending.size += len(chunk)
        if sending.size > self.limits.max_payload:
            raise PayloadTooLarge(f"gateway: put_stream: {sending.size} bytes so far, the limit is {self.limits.max_payload}")
        if size is not None and sending.size > size:
            raise ValueError(f"gateway: put_stream: {sending.size} bytes so far, size={size}")
        sending.kept += chunk
        while len(sending.kept) >= self.part_size:
            part, sending.kept = sending.kept[: self.part_size], sending.kept[self.part_size :]
            await self.part(sending, part)

    async def part(self, sending: Sending, part: bytes) -> None:
        sending.parts += 1
        await self.request(self.gateway.part, sending.upload, sending.parts, part)

    async def finish(self, names: tuple[str, str, str], sending: Sending) -> Head:
        if sending.kept:
            await self.part(sending, sending.kept)
        return await self.request(self.gateway.complete, *names[:2], sending.upload)

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        """Leave nothing of an upload that failed; it may have come to its end, then there is nothing left."""
        self.gateway.abort(upload)

    async def get(self, bucket: str, key: str) -> bytes | None:
        with self.in_hand("get"):
            return await self.fetch(self.names("get", bucket, key))

    async def fetch(self, names: tuple[str, str, str]) -> bytes | None:
        head = await self.request(self.gateway.head, *names)
        return None if head is None else head.data

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        names = self.names("get_stream", bucket, key)
        with self.in_hand("get_stream"):
            head = await self.request(self.gateway.head, *names)
        if head is None:
            raise ObjectNotFound(f"gateway: get_stream {key[:40]!a}: no such object")
        for start in range(0, len(head.data), PART):
            with self.in_hand("get_stream", begun=True):
                piece = await self.piece(names, head, start)
            yield piece

    async def piece(self, names: tuple[str, str, str], head: Head, start: int) -> bytes:
        return await self.request(self.gateway.range, *names, head.number, start, start + PART)

    async def exists(self, bucket: str, key: str) -> bool:
        with self.in_hand("exists"):
            return await self.request(self.gateway.head, *self.names("exists", bucket, key)) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        with self.in_hand("metadata"):
            return await self.describe(self.names("metadata", bucket, key))

    async def describe(self, names: tuple[str, str, str]) -> ObjectMetadata | None:
        head = await self.request(self.gateway.head, *names)
        return None if head is None else self.told(head)

    async def delete(self, bucket: str, key: str) -> bool:
        with self.in_hand("delete"):
            return await self.erase(self.names("delete", bucket, key))

    async def erase(self, names: tuple[str, str, str]) -> bool:
        return await self.request(self.gateway.delete, *names)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        names = self.names("set_ttl", bucket, key)
        seconds = check_seconds(ttl_s, "set_ttl", "gateway")
        with self.in_hand("set_ttl"):
            return await self.request(self.gateway.touch, *names, self.deadline_ms(seconds))

    def deadline_ms(self, seconds: float) -> int:
        if seconds <= 0:
            return self.gateway.clock.now_ms()
        return math.ceil((self.gateway.clock.now_s() + min(seconds, 1e12)) * 1000)

    # Listings and buckets

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        check_name(bucket, "list_objects", "gateway", self.limits)
        check_prefix(prefix, "list_objects", "gateway", self.limits)
        token, begun = None, False
        while True:
            with self.in_hand("list_objects", begun):
                rows, token = await self.request(self.gateway.page, self.space, bucket, prefix, token)
            begun = True
            for key, head in rows:
                self.admit("list_objects", begun)
                if self.gateway.present(head):
                    yield self.info(key, head)
            if token is None:
                return

    def info(self, key: str, head: Head) -> ObjectInfo:
        return ObjectInfo(key, len(head.data), head.at_ms)

    def bucket_name(self, operation: str, bucket: str) -> tuple[str, str]:
        check_name(bucket, operation, "gateway", self.limits)
        return self.space, bucket

    async def create_bucket(self, bucket: str) -> bool:
        with self.in_hand("create_bucket"):
            return await self.request(self.gateway.make_bucket, *self.bucket_name("create_bucket", bucket))

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        with self.in_hand("delete_bucket"):
            return await self.request(self.gateway.remove_bucket, *self.bucket_name("delete_bucket", bucket), force)

    async def bucket_exists(self, bucket: str) -> bool:
        with self.in_hand("bucket_exists"):
            return await self.request(self.gateway.has_bucket, *self.bucket_name("bucket_exists", bucket))


def gateway_backend(name: str, wrong: type = GatewayObjects, gateway: type[Gateway] = Gateway, **more: Any) -> Backend[Transport]:
    """Make a backend of a driver, or put a gateway under the right one."""
    driver: Any = GatewayObjects if issubclass(wrong, Gateway) else wrong
    connect = connector(wrong if issubclass(wrong, Gateway) else gateway)
    settings: dict[str, Any] = {"connect": connect, "clean": clean, "limits": GatewayObjects.limits, **more}
    return prism.Backend(name=name, drivers=[driver], **settings)
