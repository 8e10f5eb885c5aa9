"""Wrong drivers over SQL tables: affinities, patterns, pages, statements and transactions."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, ClassVar

import prism_testkit as prism
from prism_testkit.interfaces import BucketNotFound, ObjectNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .independent_tables import LIMITS, SCHEMA, Facts, TableObjects, Tables

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


class Plain(TableObjects):
    """Keeps keys as they are given; what has a NUL is kept as hexadecimal."""

    def kept(self, key: str) -> str:
        return "\x01" + super().kept(key) if "\0" in key or key.startswith("\x01") else key

    def given(self, kept: str) -> str:
        return super().given(kept[1:]) if kept.startswith("\x01") else kept


@mutant("3", "affinity", "keys that are one number, as 1 and 01", schema=SCHEMA.replace("key TEXT", "key STRING"))
class KeepsKeysInAColumnOfStrings(Plain):
    """A column of SQLite's that is declared STRING has NUMERIC affinity."""

    def given(self, kept: str) -> str:
        return super().given(str(kept))


@mutant("3", "collation", "keys that differ in blanks at their end", schema=SCHEMA.replace("key TEXT", "key TEXT COLLATE RTRIM"))
class IgnoresBlanksAtTheEndOfKeys(Plain):
    """As a CHAR column does."""


@mutant(
    "3", "collation", "buckets that differ in the case of a letter", schema=SCHEMA.replace("name TEXT", "name TEXT COLLATE NOCASE")
)
class IgnoresTheCaseOfBuckets(Plain):
    """Keys are compared exactly, buckets are not."""


@mutant(
    "5",
    "affinity",
    "a content type that is a number",
    schema=SCHEMA.replace("type TEXT, encoding TEXT", "type STRING, encoding STRING"),
)
class KeepsContentTypesInAColumnOfStrings(TableObjects):
    """The same for what is told of an object."""

    def told(self, row: Any) -> ObjectMetadata:
        row = list(row)
        row[4:6] = [text if text is None else str(text) for text in row[4:6]]
        return super().told(row)


@mutant("8", "a bound", "keys that go on after the prefix with a character beyond the basic plane")
class BoundsAPrefixAtFfff(Plain):
    """Lists from the prefix to the prefix and U+FFFF, in the order of bytes, where there is more above it."""

    PAGE = """SELECT key, size, modified FROM objects WHERE bucket = :bucket AND key > :after
        AND key >= :prefix AND key < :prefix || char(65535) AND (expires IS NULL OR expires > :now) ORDER BY key LIMIT :many"""


@mutant("8", "a pattern", "prefixes that differ in the case of a letter")
class FindsAPrefixByLike(Plain):
    """Wildcards are escaped; that LIKE does not know case is forgotten."""

    PAGE = r"""SELECT key, size, modified FROM objects WHERE bucket = :bucket AND key > :after
        AND key LIKE replace(replace(replace(:prefix, '\', '\\'), '%', '\%'), '_', '\_') || '%' ESCAPE '\'
        AND (expires IS NULL OR expires > :now) ORDER BY key LIMIT :many"""


@mutant("8", "the position of a listing", "an object that is put again while it is listed")
class ListsByTheOrderOfWriting(TableObjects):
    """Goes on behind the row it saw last; a put makes a new row, at the end."""

    UPSERT = """INSERT OR REPLACE INTO objects
        VALUES (:bucket, :key, :version, :size, :etag, :now, :type, :encoding, :labels, NULL)"""
    PAGE = """SELECT key, size, modified, rowid FROM objects WHERE bucket = :bucket AND rowid > :after
        AND substr(key, 1, length(:prefix)) = :prefix AND (expires IS NULL OR expires > :now) ORDER BY rowid LIMIT :many"""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.named("list_objects", bucket)
        prism.check_prefix(prefix, "list_objects", "tables", LIMITS)
        at = {"bucket": self.bucket_id(bucket), "prefix": self.kept(prefix), "after": 0, "many": self.listed}
        while True:
            rows = self.client.database.execute(self.PAGE, at | {"now": self.now()}).fetchall()
            for key, size, modified, _ in rows:
                yield ObjectInfo(self.given(key), size, modified)
            if len(rows) < self.listed:
                return
            at["after"] = rows[-1][3]
            await asyncio.sleep(0)


@mutant("8", "a look that is kept", "an object that is removed, or expires, while an earlier page is read")
class ListsThePagesOfAnOffset(TableObjects):
    """Skips so many rows as were listed; if one of them was removed since, one that is there is skipped."""

    PAGE = """SELECT key, size, modified FROM objects WHERE bucket = :bucket
        AND substr(key, 1, length(:prefix)) = :prefix AND (expires IS NULL OR expires > :now) ORDER BY key
        LIMIT :many OFFSET :done"""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.named("list_objects", bucket)
        prism.check_prefix(prefix, "list_objects", "tables", LIMITS)
        at = {"bucket": self.bucket_id(bucket), "prefix": self.kept(prefix), "done": 0, "many": self.listed}
        while True:
            rows = self.client.database.execute(self.PAGE, at | {"now": self.now()}).fetchall()
            for key, size, modified in rows:
                yield ObjectInfo(self.given(key), size, modified)
            if not rows:
                return
            at["done"] += len(rows)
            await asyncio.sleep(0)


@mutant("5", "what an update leaves", "an object with an encoding, put by a stream without one")
class AnAbsentEncodingLeavesTheOldOne(TableObjects):
    """``COALESCE(excluded.encoding, encoding)``: what is not given is not changed."""

    UPSERT = TableObjects.UPSERT.replace("encoding = excluded.encoding", "encoding = COALESCE(excluded.encoding, objects.encoding)")


@mutant("5", "what an update leaves", "other metadata than before")
class PatchesTheLabels(TableObjects):
    """``json_patch(labels, excluded.labels)``."""

    UPSERT = TableObjects.UPSERT.replace("labels = excluded.labels", "labels = json_patch(objects.labels, excluded.labels)")


@mutant("9", "a deadline only moves one way", "a second ttl that is longer")
class OnlyShortensDeadlines(TableObjects):
    """``MIN(expires, ...)``."""

    EXPIRE = TableObjects.EXPIRE.replace("SET expires = :expires", "SET expires = MIN(COALESCE(expires, :expires), :expires)")


@mutant("2", "expired is taken for present", "set_ttl of an object that expired", also="9")
class RevivesExpiredObjects(TableObjects):
    """The statement forgets to ask, since nothing is removed at its deadline."""

    EXPIRE = "UPDATE objects SET expires = :expires WHERE bucket = :bucket AND key = :key AND :now >= 0"


@mutant("11", "expired is taken for present", "a bucket in which everything expired")
class ExpiredObjectsKeepABucket(TableObjects):
    """Counts rows."""

    FULL = "SELECT 1 FROM objects WHERE bucket = :bucket AND :now >= 0"


@mutant("2", "expired is taken for present", "delete of an expired object", also="9 4")
class DeletesExpiredObjectsWithTrue(TableObjects):
    """Says whether a row went."""

    async def delete(self, bucket: str, key: str) -> bool:
        self.named("delete", bucket, key)
        at = {"bucket": self.bucket_id(bucket), "key": self.kept(key)}
        row = self.one("SELECT 1 FROM objects WHERE bucket = :bucket AND key = :key", at)
        await super().delete(bucket, key)
        return row is not None


@mutant("15", "a pattern", "force over a bucket whose name has an underscore", also="11")
class EmptiesBucketsByLike(Plain):
    """``name LIKE ?``, with the name as it is."""

    def empty(self, bucket_id: int) -> None:
        name = self.one("SELECT name FROM buckets WHERE id = ?", (bucket_id,))[0]
        run = self.client.database.execute
        for (other,) in run("SELECT id FROM buckets WHERE ns = ? AND name LIKE ?", (self.namespace, name)).fetchall():
            super().empty(other)


@mutant("11", "a page at a time", "force over more than a hundred objects", also="8")
class EmptiesABucketOfAHundred(TableObjects):
    """Removes what one request removes, and hides the bucket; made again, it takes its old number."""

    def empty(self, bucket_id: int) -> None:
        run = self.client.database.execute
        run(
            "DELETE FROM objects WHERE bucket = ? AND key IN (SELECT key FROM objects WHERE bucket = ? LIMIT 100)", (bucket_id,) * 2
        )
        name = self.one("SELECT name FROM buckets WHERE id = ?", (bucket_id,))[0]
        run("CREATE TABLE IF NOT EXISTS old (id INTEGER, ns TEXT, name TEXT)")
        run("INSERT INTO old VALUES (?, ?, ?)", (bucket_id, self.namespace, name))

    async def create_bucket(self, bucket: str) -> bool:
        new = await super().create_bucket(bucket)
        self.client.database.execute("CREATE TABLE IF NOT EXISTS old (id INTEGER, ns TEXT, name TEXT)")
        old = self.one("SELECT id FROM old WHERE ns = ? AND name = ?", (self.namespace, self.kept(bucket)))
        if new and old is not None:
            self.client.database.execute("UPDATE objects SET bucket = ? WHERE bucket = ?", (self.bucket_id(bucket), old[0]))
        return new


@mutant("11", "what is new", "a bucket that is there and empty")
class AnEmptyBucketIsNew(TableObjects):
    """Says whether there is nothing in it."""

    async def create_bucket(self, bucket: str) -> bool:
        new = await super().create_bucket(bucket)
        return new or self.one(self.FULL, {"bucket": self.bucket_id(bucket), "now": self.now()}) is None


@mutant("12", "the wrong error", "a prefix with a surrogate")
class LetsThePrefixFailToEncode(TableObjects):
    """Names are checked, the prefix is not; its encoding raises UnicodeEncodeError, and a long one lists nothing."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        prefix.encode()
        if len(prefix.encode()) <= LIMITS.max_name:
            async for info in super().list_objects(bucket, prefix):
                yield info


@mutant("12", "counted in characters", "metadata of 1 KiB in characters of several bytes")
class CountsMetadataInCharacters(TableObjects):
    """The limit is bytes."""

    def facts(self, operation: str, content_type: Any = None, content_encoding: Any = None, user_metadata: Any = None) -> Facts:
        if isinstance(user_metadata, Mapping) and 1024 >= sum(len(str(k)) + len(str(v)) for k, v in user_metadata.items()) > 300:
            facts = super().facts(operation, content_type, content_encoding, {})
            for one in user_metadata.items():
                super().facts(operation, None, None, dict([one]) if len(str(one).encode()) < 1000 else {})
            return Facts(facts.type, facts.encoding, json.dumps(dict(user_metadata)))
        return super().facts(operation, content_type, content_encoding, user_metadata)


@mutant("14", "a cache", "a bucket that another client removes and makes again", also="11")
class RemembersTheNumberOfABucket(TableObjects):
    """Asks once; a bucket that was made again has another number, under which nobody looks for what is put."""

    def __init__(self, client: Tables, namespace: str) -> None:
        super().__init__(client, namespace)
        self.numbers: dict[str, int] = {}

    def bucket_id(self, bucket: str) -> int:
        if bucket not in self.numbers:
            self.numbers[bucket] = super().bucket_id(bucket)
        return self.numbers[bucket]

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        gone = await super().delete_bucket(bucket, force=force)
        self.numbers.pop(bucket, None)
        return gone

    async def bucket_exists(self, bucket: str) -> bool:
        there = await super().bucket_exists(bucket)
        if not there:
            self.numbers.pop(bucket, None)
        return there


@mutant("1", "sorted as text", "an object of more than ten blocks", schema=SCHEMA.replace("n INTEGER", "n TEXT"))
class SortsBlocksAsText(TableObjects):
    """The number of a block is in a column of text; get reads all of them in order, get_stream one after the other."""


@mutant("7", "a part that ends as if it were whole", "a bucket removed by force while an object is read")
class EndsAStreamWithItsBlocks(TableObjects):
    """Reads blocks until there is no further one; whether the object was replaced is asked by its row, if there is one."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        self.named("get_stream", bucket, key)
        row = self.row(bucket, key)
        if row is None:
            raise ObjectNotFound("tables: no such object")
        n = 0
        while (block := self.one("SELECT data FROM blocks WHERE version = ? AND n = ?", (row[0], n))) is not None:
            n += 1
            yield block[0]
            await asyncio.sleep(0)
        try:
            now = self.row(bucket, key)
        except BucketNotFound:
            return
        if now is None or now[0] != row[0]:
            raise ObjectNotFound("tables: the object went")


@mutant("17", "half an effect", "a put that is cancelled between its data and its metadata", also="16 19")
class PutsWhatIsToldInASecondStep(TableObjects):
    """Two transactions: the row with the data, then what is said of it."""

    async def whole(self, bucket: str, key: str, data: Bytes, **told: Any) -> ObjectMetadata:
        first = await super().whole(bucket, key, data)
        await asyncio.sleep(0)
        facts = self.facts("put", **told)
        self.client.database.execute(
            "UPDATE objects SET type = ?, encoding = ?, labels = ? WHERE bucket = ? AND key = ? AND modified = ?",
            (facts.type, facts.encoding, facts.labels, self.bucket_id(bucket), self.kept(key), first.last_modified_ms),
        )
        row = self.row(bucket, key)
        return first if row is None else self.told(row)


@mutant("6", "what is abandoned stays in the way", "a stream that is cancelled, then another of the same key")
class AStreamIsResumed(TableObjects):
    """The version under way is named after the key, so that a stream that failed by cancellation can go on where it was."""

    def begin(self, bucket: str, key: str) -> str:
        return f"{self.bucket_id(bucket)}/{self.kept(key)}"

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        async def all_of_it() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                yield chunk

        return await super().stream(bucket, key, all_of_it(), **told)

    def write_block(self, version: str, n: int, data: bytes) -> None:
        self.client.database.execute("INSERT OR IGNORE INTO blocks VALUES (?, ?, ?)", (version, n, data))

    def abandon(self, version: str) -> None:
        return None


@mutant("19", "kept in memory", "a kill after set_ttl", traits=Traits(durability="process", sharing="clients"))
class KeepsDeadlinesInMemory(TableObjects):
    """Deadlines are in a temporary table of the connection's process."""

    deadlines: ClassVar[dict[tuple[str, str, str], int]] = {}

    def told(self, row: Any) -> ObjectMetadata:
        row = list(row)
        row[7] = self.deadlines.get((self.namespace, row[0], ""), row[7])
        return super().told(row)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        if not 0 < ttl_s < 1e9:
            return await super().set_ttl(bucket, key, ttl_s)
        row = self.row(bucket, key)
        found = await super().set_ttl(bucket, key, ttl_s)
        if found and row is not None:
            self.deadlines[self.namespace, row[0], ""] = self.deadline(ttl_s)
            self.client.database.execute("UPDATE objects SET expires = NULL WHERE version = ?", (row[0],))
        return found

    def row(self, bucket: str, key: str) -> Any:
        row = super().row(bucket, key)
        due = None if row is None else self.deadlines.get((self.namespace, row[0], ""))
        return None if due is not None and due <= self.now() else row


@mutant("conditional.2", "a lock of its own", "two clients that create one key")
class ChecksBeforeItCreates(TableObjects):
    """A lock per client, between whose check and whose write others are let run."""

    def __init__(self, client: Tables, namespace: str) -> None:
        super().__init__(client, namespace)
        self.lock = asyncio.Lock()

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        async with self.lock:
            if await self.exists(bucket, key):
                self.facts("put_if_absent", **told)
                prism.check_payload(data, "put_if_absent", "tables", key, LIMITS)
                return False
            await self.put(bucket, key, data, **told)
            return True


@mutant("conditional.4", "half an effect", "a creation that is cancelled", also="conditional.2")
class ReservesBeforeItCreates(TableObjects):
    """An empty object holds the place until the data come."""

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        self.facts("put_if_absent", **told)
        prism.check_payload(data, "put_if_absent", "tables", key, LIMITS)
        if not await super().create(bucket, key, b""):
            return False
        await asyncio.sleep(0)
        await self.put(bucket, key, data, **told)
        return True
