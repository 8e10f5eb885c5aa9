"""The object storage driver: each call one transaction, but for what is long; that is written unseen and shown at its end."""

import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import prism_testkit as prism
from prism_backends.objects import CHUNK_BYTES, LIMITS, Description, Intake, Target, deadline_after
from prism_backends.sqlite import objectrows as rows
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.living import LivingSqlite
from prism_backends.sqlite.objectdrafts import BLOCK_BYTES, drafting
from prism_backends.sqlite.presence import Presence
from prism_backends.sqlite.schema import above
from prism_testkit.interfaces.errors import Conflict, PrismError
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata, ObjectStorageConditional

__all__ = ["SqliteObjectStorage"]

T = TypeVar("T")
Row = dict[str, object]
Step = Callable[[sqlite3.Connection, Row], T]
"""What runs in one transaction, given what every statement may name."""

_ME = "sqlite"
_PAGE_ROWS = 500

_GET = """SELECT data FROM objects LEFT JOIN object_data USING (namespace, version)
  WHERE namespace = :namespace AND bucket = :bucket AND key = :key AND owner IS NULL AND (deadline_s IS NULL OR deadline_s > :now_s)
  ORDER BY number"""
_PART = f"""SELECT data FROM object_data WHERE namespace = :namespace AND version = :version AND number >= :number
  ORDER BY number LIMIT {CHUNK_BYTES // rows.ROW_BYTES}"""
_SET_DEADLINE = "UPDATE objects SET deadline_s = :deadline_s WHERE version = :version"
_PRESENT = "namespace = :namespace AND bucket = :bucket AND owner IS NULL AND (deadline_s IS NULL OR deadline_s > :now_s)"
_ANY = f"SELECT 1 FROM objects WHERE {_PRESENT} LIMIT 1"
_LIST = f"""SELECT key, size, last_modified_ms FROM objects WHERE {_PRESENT} AND key >= :lower AND key < :upper
  ORDER BY key LIMIT {_PAGE_ROWS}"""
_CREATE = "INSERT INTO object_buckets (namespace, bucket) VALUES (:namespace, :bucket) ON CONFLICT DO NOTHING"
_RETIRE_ALL = "UPDATE objects SET owner = '' WHERE namespace = :namespace AND bucket = :bucket AND owner IS NULL"
_REMOVE_BUCKET = "DELETE FROM object_buckets WHERE namespace = :namespace AND bucket = :bucket"


class SqliteObjectStorage(LivingSqlite, ObjectStorageConditional):
    """Both object storage interfaces. An expired object is hidden at its deadline, and removed by some later write.

    Who streams a version that is replaced or removed meanwhile gets `Conflict` or `ObjectNotFound`.
    """

    traits = prism.Traits(durability="process", sharing="processes")
    limits = LIMITS

    def __init__(self, client: SqliteClient, namespace: str) -> None:
        self._client, self._namespace, self._presence = client, namespace.encode(), Presence(client)

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
        stored = await self._put(target, copy, description, if_absent=False)
        assert stored is not None
        return stored

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
        return await self._put(target, copy, description, if_absent=True) is not None

    async def _put(self, target: Target, data: bytes, description: Description, *, if_absent: bool) -> ObjectMetadata | None:
        if len(data) > BLOCK_BYTES:
            return await self._put_long(target, data, description, if_absent)

        def step(connection: sqlite3.Connection, row: Row) -> ObjectMetadata | None:
            rows.check_bucket(connection, row, target)
            if if_absent and rows.find(connection, row) is not None:
                return None
            rows.retire(connection, row)
            row |= {"owner": None, "size": len(data), "description": rows.text_of(description)}
            row["version"] = rows.add_version(connection, row)
            rows.add_data(connection, row, 0, data)
            return rows.metadata_of(rows.find(connection, row))

        return await self._write(target, step)

    async def _put_long(self, target: Target, data: bytes, description: Description, if_absent: bool) -> ObjectMetadata | None:
        if if_absent and await self._find(target) is not None:
            return None
        async with drafting(self._client, self._write, self._presence, target, description) as draft:
            for start in range(0, len(data), BLOCK_BYTES):
                await draft.add(data[start : start + BLOCK_BYTES])
            return await draft.finish(if_absent=if_absent)

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
        intake = Intake(target, size, BLOCK_BYTES)
        async with drafting(self._client, self._write, self._presence, target, description) as draft:
            async for chunk in chunks:
                for block in intake.add(chunk):
                    await draft.add(block)
            for block in intake.end():
                await draft.add(block)
            stored = await draft.finish()
        assert stored is not None
        return stored

    async def get(self, bucket: str, key: str) -> bytes | None:
        target = Target(_ME, "get", bucket, key)

        def step(connection: sqlite3.Connection, row: Row) -> bytes | None:
            # One statement, so one version; an empty one has one row without data.
            parts = [part for (part,) in connection.execute(_GET, row)]
            if not parts:
                rows.check_bucket(connection, row, target)
                return None
            return b"".join(part for part in parts if part is not None)

        return await self._read(target, step)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        target = Target(_ME, "get_stream", bucket, key)
        found = await self._find(target)
        if found is None:
            raise target.no_object()
        left, number = found[1], 0
        while left:
            part = await self._read(target, partial(_part, {"version": found[0], "number": number}))
            if len(part) != min(left, CHUNK_BYTES):
                if await self._find(target) is None:
                    raise target.no_object()
                raise Conflict(f"{_ME}: {target}: the object was replaced while it was read")
            yield part
            left -= len(part)
            number += CHUNK_BYTES // rows.ROW_BYTES

    async def delete(self, bucket: str, key: str) -> bool:
        target = Target(_ME, "delete", bucket, key)

        def step(connection: sqlite3.Connection, row: Row) -> bool:
            present = rows.find(connection, row) is not None
            if not present:
                rows.check_bucket(connection, row, target)
            rows.retire(connection, row)
            return present

        return await self._write(target, step)

    async def exists(self, bucket: str, key: str) -> bool:
        return await self._find(Target(_ME, "exists", bucket, key)) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        found = await self._find(Target(_ME, "metadata", bucket, key))
        return None if found is None else rows.metadata_of(found)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        target = Target(_ME, "set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", _ME)

        def step(connection: sqlite3.Connection, row: Row) -> bool:
            found = rows.find(connection, row)
            if found is None:
                rows.check_bucket(connection, row, target)
                return False
            deadline_s = deadline_after(ttl_s, self._client.clock.now_s())
            connection.execute(_SET_DEADLINE, {"version": found[0], "deadline_s": deadline_s})
            return True

        return await self._write(target, step)

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        target = Target(_ME, "list_objects", bucket)
        lower = prism.check_prefix(prefix, "list_objects", _ME)
        upper, page = above(lower), list[Any]()
        await self._read(target, lambda connection, row: rows.check_bucket(connection, row, target))
        while not page or len(page) == _PAGE_ROWS:
            page = await self._read(target, partial(_page, {"lower": lower, "upper": upper}))
            if not page:
                return
            for key, size, last_modified_ms in page:
                yield ObjectInfo(key.decode(), size, last_modified_ms)
            lower = page[-1][0] + b"\0"

    async def create_bucket(self, bucket: str) -> bool:
        def step(connection: sqlite3.Connection, row: Row) -> bool:
            rows.forget_gone_writers(connection, {**row, "owner": self._presence.name})
            return connection.execute(_CREATE, row).rowcount > 0

        return await self._write(Target(_ME, "create_bucket", bucket), step)

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        target = Target(_ME, "delete_bucket", bucket)

        def step(connection: sqlite3.Connection, row: Row) -> bool:
            if not force and connection.execute(_ANY, row).fetchone() is not None:
                raise Conflict(f"{_ME}: {target}: the bucket is not empty; force=True removes what is in it")
            connection.execute(_RETIRE_ALL, row)
            return connection.execute(_REMOVE_BUCKET, row).rowcount > 0

        return await self._write(target, step)

    async def bucket_exists(self, bucket: str) -> bool:
        target = Target(_ME, "bucket_exists", bucket)
        return await self._read(target, rows.has_bucket)

    async def _find(self, target: Target) -> Any:
        """Return what is known of the object, None if it is missing."""

        def step(connection: sqlite3.Connection, row: Row) -> Any:
            found = rows.find(connection, row)
            if found is None:
                rows.check_bucket(connection, row, target)
            return found

        return await self._read(target, step)

    async def _read(self, target: Target, step: Step[T]) -> T:
        return await self._client.read(str(target), lambda connection, now_s: step(connection, self._row(target, now_s)))

    async def _write(self, target: Target, step: Step[T]) -> T:
        """Run a step as one transaction, and then remove what nobody can see any more."""

        def work(connection: sqlite3.Connection, now_s: float) -> tuple[T, bool]:
            row = self._row(target, now_s)
            return step(connection, row), rows.purge(connection, row)

        result, more = await self._client.write(str(target), work)
        with suppress(PrismError):  # the call has done what it was for; later ones remove what is left
            while more:
                more = await self._client.write(
                    str(target), lambda connection, now_s: rows.purge(connection, self._row(target, now_s))
                )
        return result

    def _row(self, target: Target, now_s: float) -> Row:
        return {
            "namespace": self._namespace,
            "bucket": target.bucket_bytes,
            "key": target.key_bytes,
            "now_s": now_s,
            "now_ms": self._client.clock.now_ms(),
        }


def _part(more: Row, connection: sqlite3.Connection, row: Row) -> bytes:
    return b"".join(data for (data,) in connection.execute(_PART, {**row, **more}))


def _page(more: Row, connection: sqlite3.Connection, row: Row) -> list[Any]:
    return connection.execute(_LIST, {**row, **more}).fetchall()
