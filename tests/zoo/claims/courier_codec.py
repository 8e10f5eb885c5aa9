"""What the courier does to bytes, and how it writes a claim into a header."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

from prism_patterns.claim_check import Claim

__all__ = ["PACKINGS", "PIECE", "Gzip", "Packing", "Slip"]

PIECE = 1 << 20


class Packing:
    """Squeezes pieces, and unpacks them again in bounded memory. One kind a subclass."""

    name = "none"

    def squeeze(self) -> Any:
        return self

    def compress(self, piece: bytes) -> bytes:
        return piece

    def flush(self) -> bytes:
        return b""

    def unpack(self, piece: bytes) -> Iterator[bytes]:
        yield piece

    def done(self) -> bool:
        return True


class Gzip(Packing):
    name = "gzip"

    def __init__(self) -> None:
        self.out = zlib.decompressobj(31)

    def squeeze(self) -> Any:
        return zlib.compressobj(6, zlib.DEFLATED, 31)

    def unpack(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self.out.eof:
                raise ValueError("something follows the end")
            data = self.out.decompress(piece, PIECE)
            if data:
                yield data
            piece = self.out.unconsumed_tail or self.out.unused_data
            if self.out.eof and piece:
                raise ValueError("something follows the end")
        while not self.out.eof and (data := self.out.decompress(b"", PIECE)):
            yield data

    def done(self) -> bool:
        return self.out.eof


class Zstd(Packing):
    name = "zstd"

    def __init__(self) -> None:
        import zstandard

        self.lib = zstandard
        self.out = zstandard.ZstdDecompressor().decompressobj()

    def squeeze(self) -> Any:
        return self.lib.ZstdCompressor().compressobj()

    def unpack(self, piece: bytes) -> Iterator[bytes]:
        for at in range(0, len(piece), 1024):
            if self.out.eof:
                raise ValueError("something follows the end")
            data = self.out.decompress(piece[at : at + 1024])
            for start in range(0, len(data), PIECE):
                yield data[start : start + PIECE]
        if self.out.unused_data:
            raise ValueError("something follows the end")

    def done(self) -> bool:
        return bool(self.out.eof)


PACKINGS: dict[str, type[Packing]] = {kind.name: kind for kind in (Packing, Gzip, Zstd)}


class Slip:
    """How a claim is written into a header, and read from one that anybody may have written."""

    fields = ("bucket", "key", "size", "checksum", "compression", "stored_ms")
    room = 1300

    def write(self, claim: Claim) -> str:
        return json.dumps([1, *(getattr(claim, name) for name in self.fields)], ensure_ascii=False, separators=(",", ":"))

    def read(self, text: str) -> Claim:
        """Raises ``ValueError`` for what is none of ours."""
        try:
            version, *found = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"not a reference: {text[:60]!r}") from error
        if version != 1 or version is True or len(found) != len(self.fields):
            raise ValueError(f"not a reference of version 1: {text[:60]!r}")
        for name, thing in zip(self.fields, found, strict=True):
            wanted = int if name in ("size", "stored_ms") else str
            if type(thing) is not wanted or (wanted is int and thing < 0):
                raise ValueError(f"not a reference: {name} is {thing!r:.60}")
        claim = Claim(*found)
        if claim.compression not in PACKINGS or not claim.checksum.startswith("sha256:"):
            raise ValueError(f"not a reference: {text[:60]!r}")
        return claim
