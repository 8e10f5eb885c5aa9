"""Compression and checksums of a claim check by an author of his own, piece by piece."""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.interfaces import CorruptPayload

__all__ = ["PIECE", "Squeezer", "Stretcher", "Sums"]

PIECE = 256 * 1024
"""Bytes that are held at a time."""


class Squeezer:
    """Compresses in pieces."""

    def __init__(self, how: str) -> None:
        if how == "gzip":
            self.inner: Any = zlib.compressobj(6, zlib.DEFLATED, 31)
        elif how == "zstd":
            import zstandard

            self.inner = zstandard.ZstdCompressor().compressobj()
        else:
            self.inner = None

    def feed(self, data: bytes) -> bytes:
        return data if self.inner is None else self.inner.compress(data)

    def end(self) -> bytes:
        return b"" if self.inner is None else self.inner.flush()


class Stretcher:
    """Undoes a `Squeezer`, in pieces; `CorruptPayload` for what none has made."""

    def __init__(self, how: str, whole: bool = True) -> None:
        self.how, self.whole = how, whole
        if how == "gzip":
            self.inner: Any = zlib.decompressobj(31)
        elif how == "zstd":
            import zstandard

            self.inner = zstandard.ZstdDecompressor().decompressobj()
        elif how != "none":
            raise CorruptPayload(f"claims: no compression is called {how!r}")

    def feed(self, data: bytes) -> Iterator[bytes]:
        step = len(data) or 1
        if self.how == "zstd":
            step = 512
        for at in range(0, len(data), step):
            yield from self.step(data[at : at + step])

    def step(self, data: bytes) -> Iterator[bytes]:
        if self.how == "none":
            yield data
            return
        try:
            if self.inner.eof:
                raise CorruptPayload("claims: there is something behind the end of the object")
            if self.how == "zstd":
                yield self.inner.decompress(data)
            else:
                yield self.inner.decompress(data, PIECE)
                while self.inner.unconsumed_tail:
                    yield self.inner.decompress(self.inner.unconsumed_tail, PIECE)
            if self.inner.unused_data:
                raise CorruptPayload("claims: there is something behind the end of the object")
        except CorruptPayload:
            raise
        except Exception as error:
            raise CorruptPayload(f"claims: the object cannot be decompressed: {error}") from error

    def end(self) -> bytes:
        if self.how == "none":
            return b""
        rest: bytes = self.inner.flush() if self.how == "gzip" else b""
        if self.whole and not self.inner.eof:
            raise CorruptPayload("claims: the object ends too early")
        return rest


@dataclass
class Sums:
    """What is known of the original bytes that went by."""

    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def add(self, data: bytes) -> bytes:
        self.digest.update(data)
        self.size += len(data)
        return data

    @property
    def checksum(self) -> str:
        return f"sha256:{self.digest.hexdigest()}"
