"""`S3ObjectStorage`: both object storage interfaces."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import ClassVar, TypeVar

import prism_testkit as prism
from prism_backends.cancellation import begun, ended
from prism_backends.living import Living
from prism_backends.objects import LIMITS, Intake, Target
from prism_backends.s3.cells import Cells, Line
from prism_backends.s3.client import S3Client
from prism_backends.s3.drafts import Draft
from prism_backends.s3.names import beginning_of, name_of
from prism_backends.s3.places import bucket_of, prefix_of
from prism_backends.s3.store import Store
from prism_backends.s3.uploads import PART_BYTES
from prism_backends.s3.versions import Version
from prism_backends.s3.wire import CONNECTIONS, Refused
from prism_testkit.interfaces.errors import PrismError
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata, ObjectStorageConditional

__all__ = ["S3ObjectStorage"]

T = TypeVar("T")

_CLOCK_RESOLUTION_S = 0.005
"""By how much a deadline may be late, as a server that is busy answers."""


class S3ObjectStorage(Living, ObjectStorageConditional):
    """Of any server of S3 that has conditional writes (``If-Match`` and ``If-None-Match`` of PUT and of multipart uploads).

    An object that has expired is replaced by an empty one by whoever meets it, which a new put replaces in its turn. Buckets and
    keys are encoded, and data have a tail of a few bytes: other programs see neither names nor lengths as they were given. An
    object has at most 10,000 parts of 5 MiB (`QuotaExceeded` above that).
    """

    backend_name: ClassVar[str] = "s3"
    traits: ClassVar[prism.Traits] = prism.Traits(durability="process")
    limits: ClassVar[prism.Limits] = replace(LIMITS, clock_resolution_s=_CLOCK_RESOLUTION_S)

    def __init__(self, client: S3Client, namespace: str) -> None:
        self.client = client
        self._s3_bucket = bucket_of(client.wire, namespace)
        self._store = Store(Cells(client.wire, self._s3_bucket), prefix_of(namespace), client.clock)

    async def _ask(self) -> None:
        def work() -> None:
            try:
                self.client.wire.request("HEAD", self._s3_bucket)
            except Refused as error:
                if error.status != 404:  # it is made when it is needed
                    raise

        await self.client.look(f"{self.backend_name}: health", work)

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
        return await self._change(target, partial(self._store.put, target, copy, description))

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
        return await self._change(target, partial(self._store.put_if_absent, target, copy, description))

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
        intake = Intake(target, size, PART_BYTES)
        draft = Draft(self._store, target, target.describe(content_type, content_encoding, user_metadata))
        try:
            await self._look(target, draft.find)
            async for chunk in chunks:
                for block in intake.add(chunk):
                    await self._change(target, partial(draft.add, block))
            return await self._change(target, partial(draft.finish, list(intake.end())))
        finally:
            if draft.is_begun:
                await ended(begun(self._abort(target, draft)))

    async def _abort(self, target: Target, draft: Draft) -> None:
        with suppress(PrismError):  # the server is away: then the parts stay until it removes what is old
            await self._change(target, draft.abort)

    async def get(self, bucket: str, key: str) -> bytes | None:
        target = self._target("get", bucket, key)
        found = await self._seen(target, self._store.read)
        return None if found is None else found[1]

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        target = self._target("get_stream", bucket, key)
        found = await self._seen(target, lambda at: (at, self._store.begin(at)))
        at, first = found
        if first is None:
            raise target.no_object()
        version, data = first
        given = 0
        while data:
            given += len(data)
            yield data
            if given >= version.size:
                return
            version, data = await self._look(target, partial(self._store.go_on, target, at, version, given))

    async def delete(self, bucket: str, key: str) -> bool:
        return await self._done(self._target("delete", bucket, key), self._store.delete)

    async def exists(self, bucket: str, key: str) -> bool:
        return await self._seen(self._target("exists", bucket, key), self._store.find) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        return await self._seen(self._target("metadata", bucket, key), self._store.known)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        target = self._target("set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", self.backend_name)
        return await self._done(target, partial(self._store.set_ttl, ttl_s=ttl_s))

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        target = self._target("list_objects", bucket)
        beginning = prism.check_prefix(prefix, "list_objects", self.backend_name)
        generation, (lines, more) = await self._look(target, partial(self._first_page, target, beginning))
        below = self._store.buckets.below(generation)
        while lines:
            for start in range(0, len(lines), CONNECTIONS):
                batch = [line for line in lines[start : start + CONNECTIONS] if line.stored_bytes]
                for line, version in zip(batch, await self._versions(target, batch), strict=True):
                    name = name_of(line.key.removeprefix(below))
                    # Those behind others wait for who takes them, so the time is asked again.
                    over = version is None or version.is_expired(self.client.clock.earliest_s())
                    if version is not None and not over and name.startswith(beginning):
                        yield ObjectInfo(name.decode(), version.size, version.put_ms)
            if not more:
                return
            lines, more = await self._look(target, partial(self._page, target, generation, beginning, lines[-1].key))

    def _first_page(self, target: Target, beginning: bytes) -> tuple[str, tuple[list[Line], bool]]:
        def work(generation: str) -> tuple[str, tuple[list[Line], bool]]:
            return generation, self._store.cells.page(self._store.buckets.below(generation) + beginning_of(beginning), "")

        return self._store.buckets.looked(target, work)

    def _page(self, target: Target, generation: str, beginning: bytes, after: str) -> tuple[list[Line], bool]:
        page = self._store.cells.page(self._store.buckets.below(generation) + beginning_of(beginning), after)
        if not self._store.buckets.has(target, generation):
            raise target.no_bucket()
        return page

    async def _versions(self, target: Target, lines: Sequence[Line]) -> list[Version | None]:
        """Return the version of each line that is present; ask for what the listing does not tell, and what it tells is over."""
        now_s = self.client.clock.earliest_s()
        asking = [line for line in lines if line.version is None or line.version.is_expired(now_s)]
        calls = (self._change(target, partial(self._store.find, line.key)) for line in asking)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        found: dict[str, Version | None] = {line.key: line.version for line in lines}
        for line, answer in zip(asking, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            found[line.key] = answer
        return list(found.values())

    async def create_bucket(self, bucket: str) -> bool:
        target = self._target("create_bucket", bucket)
        return await self._change(target, partial(self._create, target))

    def _create(self, target: Target) -> bool:
        try:
            made = self._store.buckets.create(target)
        except Refused as error:
            if error.code != "NoSuchBucket":
                raise
            self._make_s3_bucket()
            made = self._store.buckets.create(target)
        if not self.client.shared.get("s3.checked"):
            self._store.buckets.check_conditions(target)
            self.client.shared["s3.checked"] = True
        return made

    def _make_s3_bucket(self) -> None:
        try:
            self.client.wire.request("PUT", self._s3_bucket)
        except Refused as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        target = self._target("delete_bucket", bucket)
        return await self._change(target, partial(self._store.buckets.remove, target, force, self._is_empty))

    def _is_empty(self, generation: str) -> bool:
        for keys in self._store.cells.keys(self._store.buckets.below(generation)):
            if any(self._store.find(key) is not None for key in keys):
                return False
        return True

    async def bucket_exists(self, bucket: str) -> bool:
        target = self._target("bucket_exists", bucket)
        return await self._look(target, partial(self._store.buckets.exists, target))

    async def _seen(self, target: Target, work: Callable[[str], T]) -> T:
        """Return what a look at the object's key gives; the bucket is there."""
        return await self._look(target, lambda: self._store.buckets.looked(target, lambda at: work(self._store.key(target, at))))

    async def _done(self, target: Target, work: Callable[[str], T]) -> T:
        """The same, for what changes what is there already."""
        return await self._change(target, lambda: self._store.buckets.looked(target, lambda at: work(self._store.key(target, at))))

    async def _look(self, target: Target, work: Callable[[], T]) -> T:
        return await self.client.look(f"{self.backend_name}: {target}", work)

    async def _change(self, target: Target, work: Callable[[], T]) -> T:
        return await self.client.change(f"{self.backend_name}: {target}", work)

    def _target(self, operation: str, bucket: str, *key: str) -> Target:
        return Target(self.backend_name, operation, bucket, *key)
