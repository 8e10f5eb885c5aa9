"""Objects in the tables of a SQLite file: a version is a row of its own and its data are rows of blocks, written as they come.

Right: nothing in it breaks a promise. Its statements are attributes, so that a wrong driver replaces one of them.
"""

import asyncio
import hashlib
import json
import math
import sqlite3
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata
from prism_testkit.naming import METADATA_BYTES, check_headers
from prism_testkit.traits import NO_LIMIT, Limits

from .independent_thin import Thin

__all__ = ["Facts", "TableObjects", "Tables", "tables"]

LIMITS = Limits(max_payload=NO_LIMIT)

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (id INTEGER PRIMARY KEY AUTOINCREMENT, ns TEXT, name TEXT, UNIQUE (ns, name));
CREATE TABLE IF NOT EXISTS objects (
    bucket INTEGER, key TEXT, version TEXT, size INTEGER, etag TEXT, modified INTEGER, type TEXT, encoding TEXT, labels TEXT,
    expires INTEGER, PRIMARY KEY (bucket, key));
CREATE TABLE IF NOT EXISTS blocks (version TEXT, n INTEGER, data BLOB, PRIMARY KEY (version, n));
"""


@dataclass
class Tables:
    """What a client is connected to."""

    database: sqlite3.Connection
    clock: prism.Clock

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; nothing in it waits for the loop."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")


def connector(schema: str = SCHEMA) -> Any:
    """Return a ``connect`` over tables of this schema."""

    @asynccontextmanager
    async def connect(place: prism.Place) -> AsyncIterator[Tables]:
        database = sqlite3.connect(place.directory / "objects.db", timeout=30, isolation_level=None)
        try:
            database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + schema)
            yield Tables(database, place.clock)
        finally:
            database.close()

    return connect


tables = connector()


async def clean(client: Tables, prefix: str) -> None:
    """Remove the namespaces that begin with ``prefix``."""
    with client.writing():
        run, wide = client.database.execute, (prefix + "*",)
        run(
            "DELETE FROM blocks WHERE version IN (SELECT version FROM objects JOIN buckets ON bucket = id WHERE ns GLOB ?)",
            wide,
        )
        run("DELETE FROM objects WHERE bucket IN (SELECT id FROM buckets WHERE ns GLOB ?)", wide)
        run("DELETE FROM buckets WHERE ns GLOB ?", wide)


@dataclass(frozen=True)
class Facts:
    """What the one who puts says of the data."""

    type: str | None
    encoding: str | None
    labels: str


class TableObjects(Thin):
    """The driver."""

    block = 50_000
    listed = 40
    ALIVE = "(expires IS NULL OR expires > :now)"
    UPSERT = """INSERT INTO objects VALUES (:bucket, :key, :version, :size, :etag, :now, :type, :encoding, :labels, NULL)
        ON CONFLICT DO UPDATE SET version = excluded.version, size = excluded.size, etag = excluded.etag,
        modified = excluded.modified, type = excluded.type, encoding = excluded.encoding, labels = excluded.labels,
        expires = NULL"""
    PAGE = """SELECT key, size, modified FROM objects WHERE bucket = :bucket AND key > :after
        AND substr(key, 1, length(:prefix)) = :prefix AND (expires IS NULL OR expires > :now) ORDER BY key LIMIT :many"""
    EXPIRE = "UPDATE objects SET expires = :expires WHERE bucket = :bucket AND key = :key AND (expires IS NULL OR expires > :now)"
    FULL = "SELECT 1 FROM objects WHERE bucket = :bucket AND (expires IS NULL OR expires > :now)"

    def __init__(self, client: Tables, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.clock = client.clock

    # Arguments, and names as they are kept.

    def named(self, operation: str, bucket: str, key: str = "-") -> None:
        prism.check_name(bucket, operation, "tables", LIMITS)
        prism.check_name(key, operation, "tables", LIMITS)

    def facts(
        self,
        operation: str,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> Facts:
        for text in (content_type, content_encoding):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"tables: {operation}: a content type is str, not {type(text).__name__}")
            if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
                raise ValueError(f"tables: {operation}: a content type holds a surrogate")
        return Facts(content_type, content_encoding, json.dumps(check_headers(user_metadata, operation, "tables", METADATA_BYTES)))

    def kept(self, key: str) -> str:
        """Return the key as it is kept: hexadecimal, for a text with a NUL is cut by some functions of SQLite."""
        return key.encode().hex()

    def given(self, kept: str) -> str:
        return bytes.fromhex(kept).decode()

    # Rows.

    def bucket_id(self, bucket: str) -> int:
        row = self.one("SELECT id FROM buckets WHERE ns = ? AND name = ?", (self.namespace, self.kept(bucket)))
        if row is None:
            raise BucketNotFound(f"tables: there is no bucket {bucket[:40]!a}")
        return int(row[0])

    def one(self, statement: str, values: Any) -> Any:
        return self.client.database.execute(statement, values).fetchone()

    def row(self, bucket: str, key: str) -> Any:
        """Return version, size, etag, instant, type, encoding, labels and deadline of a present object, else None."""
        return self.one(
            "SELECT version, size, etag, modified, type, encoding, labels, expires FROM objects"
            f" WHERE bucket = :bucket AND key = :key AND {self.ALIVE}",
            {"bucket": self.bucket_id(bucket), "key": self.kept(key), "now": self.now()},
        )

    def now(self) -> int:
        return self.clock.now_ms()

    def told(self, row: Any) -> ObjectMetadata:
        return ObjectMetadata(row[1], row[2], row[3], row[4], row[5], json.loads(row[6]), row[7])

    # Writing.

    def write_block(self, version: str, n: int, data: bytes) -> None:
        self.client.database.execute("INSERT INTO blocks VALUES (?, ?, ?)", (version, n, data))

    def drop(self, version: str) -> None:
        self.client.database.execute("DELETE FROM blocks WHERE version = ?", (version,))

    def commit(self, bucket: str, key: str, version: str, size: int, etag: str, facts: Facts) -> None:
        """Let the object be this version, within a transaction."""
        at = {"bucket": self.bucket_id(bucket), "key": self.kept(key)}
        old = self.one("SELECT version FROM objects WHERE bucket = :bucket AND key = :key", at)
        said = {"type": facts.type, "encoding": facts.encoding, "labels": facts.labels}
        self.client.database.execute(self.UPSERT, at | said | {"version": version, "size": size, "etag": etag, "now": self.now()})
        if old is not None:
            self.drop(old[0])

    def write(self, bucket: str, key: str, data: bytes, facts: Facts) -> ObjectMetadata:
        """Store an object, within a transaction."""
        version = uuid.uuid4().hex
        for n, at in enumerate(range(0, len(data), self.block)):
            self.write_block(version, n, data[at : at + self.block])
        self.commit(bucket, key, version, len(data), self.etag(data), facts)
        return self.told(self.row(bucket, key))

    def etag(self, data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    async def whole(self, bucket: str, key: str, data: Bytes, **told: Any) -> ObjectMetadata:
        self.named("put", bucket, key)
        facts = self.facts("put", **told)
        payload = prism.check_payload(data, "put", "tables", key, LIMITS)
        await asyncio.sleep(0)
        with self.client.writing():
            return self.write(bucket, key, payload, facts)

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        self.named("put_if_absent", bucket, key)
        facts = self.facts("put_if_absent", **told)
        payload = prism.check_payload(data, "put_if_absent", "tables", key, LIMITS)
        await asyncio.sleep(0)
        with self.client.writing():
            if self.row(bucket, key) is not None:
                return False
            self.write(bucket, key, payload, facts)
            return True

    async def stream(
        self, bucket: str, key: str, chunks: AsyncIterable[Bytes], *, size: int | None = None, **told: Any
    ) -> ObjectMetadata:
        self.named("put_stream", bucket, key)
        facts = self.facts("put_stream", **told)
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise TypeError(f"tables: put_stream: size is int, not {type(size).__name__}")
        if size is not None and size < 0:
            raise ValueError(f"tables: put_stream: size={size} is negative")
        self.bucket_id(bucket)
        version = self.begin(bucket, key)
        try:
            total, etag = await self.receive(version, key, chunks, size)
            with self.client.writing():
                self.commit(bucket, key, version, total, etag, facts)
                return self.told(self.row(bucket, key))
        except BaseException:
            self.abandon(version)
            raise

    def begin(self, bucket: str, key: str) -> str:
        """Return the name of a new version."""
        return uuid.uuid4().hex

    def abandon(self, version: str) -> None:
        with self.client.writing():
            self.drop(version)

    async def receive(self, version: str, key: str, chunks: AsyncIterable[Bytes], size: int | None) -> tuple[int, str]:
        """Write blocks as the chunks come; return the total and the etag."""
        digest, total, n = hashlib.sha256(), 0, 0
        async for chunk in chunks:
            data = prism.check_payload(chunk, "put_stream", "tables", key, LIMITS)
            total += len(data)
            digest.update(data)
            if size is not None and total > size:
                break
            with self.client.writing():
                for at in range(0, len(data), self.block):
                    self.write_block(version, n, data[at : at + self.block])
                    n += 1
        if size is not None and total != size:
            raise ValueError(f"tables: put_stream: {total} bytes came, {size} were told")
        return total, digest.hexdigest()

    # Reading and removing.

    BLOCKS = "SELECT data FROM blocks WHERE version = ? ORDER BY n"

    async def get(self, bucket: str, key: str) -> bytes | None:
        self.named("get", bucket, key)
        await asyncio.sleep(0)
        while (row := self.row(bucket, key)) is not None:
            data = b"".join(data for (data,) in self.client.database.execute(self.BLOCKS, (row[0],)))
            if len(data) == row[1]:  # else another process has replaced it meanwhile
                return data
        return None

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        self.named("get_stream", bucket, key)
        await asyncio.sleep(0)
        row = self.row(bucket, key)
        if row is None:
            raise ObjectNotFound(f"tables: there is no object {key[:40]!a}")
        sent, n = 0, 0
        while sent < row[1]:
            block = self.one("SELECT data FROM blocks WHERE version = ? AND n = ?", (row[0], n))
            if block is None:
                raise Conflict(f"tables: object {key[:40]!a} was replaced while it was read")
            sent, n = sent + len(block[0]), n + 1
            yield block[0]
            await asyncio.sleep(0)

    async def delete(self, bucket: str, key: str) -> bool:
        self.named("delete", bucket, key)
        await asyncio.sleep(0)
        with self.client.writing():
            at = {"bucket": self.bucket_id(bucket), "key": self.kept(key)}
            there = self.row(bucket, key) is not None
            old = self.one("SELECT version FROM objects WHERE bucket = :bucket AND key = :key", at)
            if old is not None:
                self.drop(old[0])
                self.client.database.execute("DELETE FROM objects WHERE bucket = :bucket AND key = :key", at)
            return there

    async def exists(self, bucket: str, key: str) -> bool:
        self.named("exists", bucket, key)
        await asyncio.sleep(0)
        return self.row(bucket, key) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        self.named("metadata", bucket, key)
        await asyncio.sleep(0)
        row = self.row(bucket, key)
        return None if row is None else self.told(row)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        self.named("set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", "tables")
        await asyncio.sleep(0)
        with self.client.writing():
            at = {"bucket": self.bucket_id(bucket), "key": self.kept(key), "now": self.now()}
            return self.client.database.execute(self.EXPIRE, at | {"expires": self.deadline(ttl_s)}).rowcount > 0

    def deadline(self, ttl_s: float) -> int:
        return self.now() + max(0, math.ceil(ttl_s * 1000))

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.named("list_objects", bucket)
        prism.check_prefix(prefix, "list_objects", "tables", LIMITS)
        at = {"bucket": self.bucket_id(bucket), "prefix": self.kept(prefix), "after": "", "many": self.listed}
        while True:
            rows = self.client.database.execute(self.PAGE, at | {"now": self.now()}).fetchall()
            for key, size, modified in rows:
                yield ObjectInfo(self.given(key), size, modified)
            if len(rows) < self.listed:
                return
            at["after"] = rows[-1][0]
            await asyncio.sleep(0)

    # Buckets.

    async def create_bucket(self, bucket: str) -> bool:
        self.named("create_bucket", bucket)
        await asyncio.sleep(0)
        with self.client.writing():
            made = self.client.database.execute(
                "INSERT OR IGNORE INTO buckets (ns, name) VALUES (?, ?)", (self.namespace, self.kept(bucket))
            )
            return made.rowcount > 0

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        self.named("delete_bucket", bucket)
        await asyncio.sleep(0)
        with self.client.writing():
            row = self.one("SELECT id FROM buckets WHERE ns = ? AND name = ?", (self.namespace, self.kept(bucket)))
            if row is None:
                return False
            if not force and self.one(self.FULL, {"bucket": row[0], "now": self.now()}):
                raise Conflict(f"tables: bucket {bucket[:40]!a} is not empty")
            self.empty(row[0])
            self.client.database.execute("DELETE FROM buckets WHERE id = ?", row)
            return True

    def empty(self, bucket_id: int) -> None:
        run = self.client.database.execute
        run("DELETE FROM blocks WHERE version IN (SELECT version FROM objects WHERE bucket = ?)", (bucket_id,))
        run("DELETE FROM objects WHERE bucket = ?", (bucket_id,))

    async def bucket_exists(self, bucket: str) -> bool:
        self.named("bucket_exists", bucket)
        await asyncio.sleep(0)
        return self.one("SELECT 1 FROM buckets WHERE ns = ? AND name = ?", (self.namespace, self.kept(bucket))) is not None
