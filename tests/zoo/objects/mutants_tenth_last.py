"""Wrong objects over a device of pages: what a client library does with what is said of them, and two features that meet."""

import gzip
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, ObjectInfo, ObjectMetadata
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .tenth_disk import Writer
from .tenth_pages import PageObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("6", "long chunk", trap="a chunk of more than a MiB", also="1")
class ChunksAreAtMostAMebibyte(PageObjects):
    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async def cut() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                yield chunk[: 1 << 20] if size is None and isinstance(chunk, bytes) else chunk

        await super().receive(writer, cut(), size)


@mutant("14", "stale cache", trap="metadata asked for by a client, a deadline set by another, and asked for again", also="9 5")
class MetadataAreKnownByTheirEtag(PageObjects):
    """What was told of an object is told again as long as etag and instant are the same."""

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        told = await super().metadata(bucket, key)
        if told is None:
            return None
        return self.notes.setdefault((bucket, key, told.etag, told.last_modified_ms), told)  # type: ignore[no-any-return]


@mutant("1", "decoded", trap="compressed data that are said to be so")
class CompressedDataAreDecoded(PageObjects):
    """A get of what is said to be in gzip, and is, gives what is in it, as clients of HTTP do."""

    async def get(self, bucket: str, key: str) -> bytes | None:
        data = await super().get(bucket, key)
        if data is not None and data.startswith(b"\x1f\x8b"):
            told = await self.metadata(bucket, key)
            if told is not None and told.content_encoding == "gzip":
                try:
                    return gzip.decompress(data)
                except (OSError, EOFError):
                    return data
        return data


@mutant("1", "translated", trap="data with line ends of two bytes, said to be text")
class LineEndsOfTextAreTranslated(PageObjects):
    async def store(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        if (facts["content_type"] or "").startswith("text/"):
            data = data.replace(b"\r\n", b"\n")
        return await super().store(bucket, key, data, facts)


@mutant("5", "normalised", trap="a content type with parameters, written with blanks or capitals of its own")
class TypesAreWrittenAlike(PageObjects):
    def facts(self, content_type: str | None, content_encoding: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
        said = super().facts(content_type, content_encoding, labels)
        if content_type is not None and ";" in content_type:
            said["content_type"] = "; ".join(part.strip() for part in content_type.split(";"))
        return said


@mutant("5", "reserved", trap="metadata whose name is that of a header of HTTP")
class LabelsMayNameTheType(PageObjects):
    """Metadata go as headers: one of the name of a header is that header."""

    def facts(self, content_type: str | None, content_encoding: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
        said = super().facts(content_type, content_encoding, labels)
        for name in [name for name in said["labels"] if name.lower() in ("content-type", "content-encoding")]:
            said[name.lower().replace("-", "_")] = said["labels"].pop(name)
        return said


@mutant("8", "folders", trap="a prefix that ends with a slash, and a key two folders below", also="14")
class ListingsOfFoldersAreFlat(PageObjects):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for line in super().list_objects(bucket, prefix):
            if not prefix.endswith("/") or line.key.count("/") - prefix.count("/") < 2:
                yield line


@mutant("9", "lost by a copy", trap="an object with a deadline whose metadata are asked for, and many days", also="5")
class DeadlinesAreKeptInWholeDays(PageObjects):
    """Deadlines of more than ten days are rules of the bucket's, which count in whole days, up."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        done = await super().set_ttl(bucket, key, ttl_s)
        inode = self.volumes[bucket].inodes.get(key) if done else None
        if inode is not None and inode.due_s is not None and ttl_s > 864_000:
            inode.due_s = -(-inode.due_s // 86_400) * 86_400
        return done
