"""Wrong drivers of the same classes of mistakes, in other places: pages, checksums, deadlines, creations, listings."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from functools import reduce
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import ObjectNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .independent_ledger import Event, Held, LedgerObjects, Node
from .independent_tables import LIMITS, TableObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("1", "a part that is full is left out", "a length that is a multiple of 96 KiB, of several pages")
class LosesTheLastOfFullPagesOf96Kib(LedgerObjects):
    """What is left for the last page is the rest, which is nothing."""

    page = 96 * 1024

    def pages(self, data: bytes) -> tuple[bytes, ...]:
        pages = super().pages(data)
        return pages[:-1] if len(pages) > 1 and len(data) % self.page == 0 else pages


@mutant("1", "a part that is one byte is left out", "a byte over a multiple of 40,000")
class LosesTheByteOverPagesOf40000(TableObjects):
    """``(size - 1) // block`` blocks, where the last is written apart if it is worth it."""

    block = 40_000

    def write_block(self, version: str, n: int, data: bytes) -> None:
        super().write_block(version, n, data if n == 0 or len(data) > 1 else b"")

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        data = await self.get(bucket, key)
        if data is None:
            raise ObjectNotFound("tables: no such object")
        yield data


@mutant("1", "contents that are taken for equal", "two contents of one exclusive or of their words")
class StoresOneContentPerParity(LedgerObjects):
    """Content-addressed by the exclusive or of words of 64 bits, and the length."""

    def pages(self, data: bytes) -> tuple[bytes, ...]:
        words = struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])
        known = self.node.shared.setdefault("parities", {})
        address = (len(data), reduce(lambda one, other: one ^ other, words, 0), data[len(data) // 8 * 8 :])
        return known.setdefault(address, super().pages(data))  # type: ignore[no-any-return]


@mutant("5", "equal etags", "two contents of one Adler-32")
class MakesTheEtagOfAnAdler(TableObjects):
    """What rsync rolls."""

    def etag(self, data: bytes) -> str:
        return f"{zlib.adler32(data):08x}"


@mutant("10", "a deadline of the old one", "an object with a deadline, over which a stream is put")
class AStreamTakesOverTheDeadlineItFound(LedgerObjects):
    """The record was read before the stream, and what the stream does not say is left as it was."""

    found: int | None = None

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        held = (await self.now()).buckets.get(bucket, {}).get(key)
        deadline = None if held is None else held.told.expires_at_ms

        async def after() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                yield chunk
            self.found = deadline

        try:
            return await super().stream(bucket, key, after(), **told)
        finally:
            self.found = None

    def replacing(self, new: Held, old: Held | None) -> Held:
        if self.found is not None and self.found > self.clock.now_ms():
            return replace(new, told=replace(new.told, expires_at_ms=self.found))
        return new


@mutant("10", "removed by the old deadline", "an object that expires while a stream replaces it", also="6 16")
class AStreamOverWhatExpiredMeanwhileIsLost(LedgerObjects):
    """Whoever finds that the object expired removes the key, the one who replaces it too, behind its back."""

    async def stream(self, bucket: str, key: str, chunks: AsyncIterable[Bytes], **told: Any) -> ObjectMetadata:
        before = await self.now()
        alive = bucket in before.buckets and self.find(before, bucket, key) is not None
        expired = False

        async def after() -> AsyncIterator[Bytes]:
            nonlocal expired
            async for chunk in chunks:
                yield chunk
            held = (await self.now()).buckets.get(bucket, {}).get(key)
            expired = alive and held is not None and self.present(held) is None

        got = await super().stream(bucket, key, after(), **told)
        if expired:
            await self.decide(lambda view: ([Event(bucket, key)], None))
        return got


@mutant("7", "a part that ends as if it were whole", "an object that expires while it is read")
class ReadsBlocksOfPresentObjects(TableObjects):
    """Each block is looked up by way of its object, whose deadline is asked each time; no block is the end."""

    BLOCK = """SELECT data FROM blocks JOIN objects USING (version) WHERE version = :version AND n = :n
        AND (expires IS NULL OR expires > :now)"""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        self.named("get_stream", bucket, key)
        row = self.row(bucket, key)
        if row is None:
            raise ObjectNotFound("tables: no such object")
        sent, n = 0, 0
        while sent < row[1]:
            block = self.one(self.BLOCK, {"version": row[0], "n": n, "now": self.now()})
            if block is None:
                if self.one("SELECT 1 FROM objects WHERE version = ?", (row[0],)) is not None:
                    return
                raise ObjectNotFound("tables: the object went")
            sent, n = sent + len(block[0]), n + 1
            yield block[0]
            await asyncio.sleep(0)


@mutant("conditional.1", "what is left behind", "created, overwritten, deleted, created again")
class RemembersACreationThatWasOverwritten(LedgerObjects):
    """A register of creations, which delete cleans of what it removes: of an object that was put since it knows nothing."""

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        register: dict[Any, str] = self.node.shared.setdefault("created", {})
        mine = (self.namespace, bucket, key)
        held = await self.look("put_if_absent", bucket, key)
        if held is None and register.get(mine) == "overwritten":
            self.said("put_if_absent", **told)
            return False
        won = await super().create(bucket, key, data, **told)
        if won:
            register[mine] = "created"
        return won

    async def whole(self, bucket: str, key: str, data: Bytes, **told: Any) -> ObjectMetadata:
        got = await super().whole(bucket, key, data, **told)
        register = self.node.shared.setdefault("created", {})
        if register.get((self.namespace, bucket, key)) == "created":
            register[self.namespace, bucket, key] = "overwritten"
        return got


@mutant("conditional.1", "a memory of one's own", "created by one client, deleted by another, created again by the first")
class AClientRemembersWhatItCreated(LedgerObjects):
    """What it created is there, until it deletes it itself; a bucket that went is noticed."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.created: dict[tuple[str, str], int] = {}

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        held = await self.look("put_if_absent", bucket, key)
        if held is None and self.created.get((bucket, key)) == id(self.view.buckets[bucket]):
            self.said("put_if_absent", **told)
            return False
        won = await super().create(bucket, key, data, **told)
        if won:
            self.created[bucket, key] = id(self.view.buckets[bucket])
        return won

    async def delete(self, bucket: str, key: str) -> bool:
        self.created.pop((bucket, key), None)
        return await super().delete(bucket, key)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        found = await super().set_ttl(bucket, key, ttl_s)
        self.created.pop((bucket, key), None)
        return found


@mutant("8", "a listing that ends early", "more expired objects than a page has, in a row")
class GoesOnBehindTheLastLineItGave(TableObjects):
    """Filters a page after it was read, and goes on behind the last line that it gave."""

    PAGE = """SELECT key, size, modified, expires FROM objects WHERE bucket = :bucket AND key > :after
        AND substr(key, 1, length(:prefix)) = :prefix ORDER BY key LIMIT :many"""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.named("list_objects", bucket)
        prism.check_prefix(prefix, "list_objects", "tables", LIMITS)
        at = {"bucket": self.bucket_id(bucket), "prefix": self.kept(prefix), "after": "", "many": self.listed}
        while True:
            rows = self.client.database.execute(self.PAGE, at).fetchall()
            alive = [row for row in rows if row[3] is None or row[3] > self.now()]
            for key, size, modified, _ in alive:
                yield ObjectInfo(self.given(key), size, modified)
            if len(rows) < self.listed or not alive:
                return
            at["after"] = alive[-1][0]
            await asyncio.sleep(0)


@mutant("8", "a bound on what is looked at", "expired objects before those that are present")
class LooksAtAHundredRowsAtMost(TableObjects):
    """A page of a hundred rows is enough for a small bucket: whether it is small is asked of what is present."""

    listed = 100
    PAGE = """SELECT key, size, modified FROM (SELECT * FROM objects WHERE bucket = :bucket AND key > :after
        AND substr(key, 1, length(:prefix)) = :prefix ORDER BY key LIMIT CASE WHEN (SELECT count(*) FROM objects
        WHERE bucket = :bucket AND (expires IS NULL OR expires > :now)) < 100 THEN 100 ELSE 1000000 END)
        WHERE (expires IS NULL OR expires > :now) ORDER BY key LIMIT :many"""


@mutant("18", "read ahead", "a long object of which one chunk is read", traits=Traits(durability="process", sharing="processes"))
class ReadsAllBlocksBeforeTheFirst(TableObjects):
    """fetchall."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        self.named("get_stream", bucket, key)
        row = self.row(bucket, key)
        if row is None:
            raise ObjectNotFound("tables: no such object")
        for (block,) in self.client.database.execute(self.BLOCKS, (row[0],)).fetchall():
            yield block
            await asyncio.sleep(0)
