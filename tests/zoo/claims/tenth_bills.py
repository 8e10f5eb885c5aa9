"""Bills and wrapping of the freight: a reference of counted fields, and payloads wrapped piece by piece."""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from prism_patterns.claim_check import Claim
from prism_testkit.interfaces import CorruptPayload, PayloadTooLarge

__all__ = ["PIECE", "Bill", "Meter", "Unwrapping", "Wrapping", "zstd"]

PIECE = 96 * 1024
"""Bytes that are worked on at a time."""
_HEADERS = 8192
_MARK = "!"


def zstd() -> Any:
    import zstandard

    return zstandard


class Meter:
    """Counts and hashes the bytes of a payload."""

    def __init__(self) -> None:
        self.size = 0
        self.hash = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.hash.update(piece)

    def seal(self) -> str:
        return "sha256:" + self.hash.hexdigest()


class Wrapping:
    """Payload bytes to object bytes."""

    def __init__(self, how: str) -> None:
        self.tool: Any = None
        if how == "gzip":
            self.tool = zlib.compressobj(1, wbits=31)
        elif how == "zstd":
            self.tool = zstd().ZstdCompressor(level=1).compressobj()

    def add(self, piece: bytes) -> bytes:
        return piece if self.tool is None else bytes(self.tool.compress(piece))

    def end(self) -> bytes:
        return b"" if self.tool is None else bytes(self.tool.flush())


class Unwrapping:
    """Object bytes to payload bytes, a little at a time; ``ValueError`` if they are not what a wrapping made."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.tool: Any = None
        if how == "gzip":
            self.tool = zlib.decompressobj(wbits=31)
        elif how == "zstd":
            self.tool = zstd().ZstdDecompressor().decompressobj()

    def add(self, piece: bytes) -> Iterator[bytes]:
        if self.how == "gzip":
            yield from self._inflated(piece)
        elif self.how == "zstd":
            for at in range(0, len(piece), 64):  # a few bytes may stand for a block of 128 KiB each
                yield self._thawed(piece[at : at + 64])
        else:
            yield piece

    def _inflated(self, piece: bytes) -> Iterator[bytes]:
        while True:
            if self.tool.eof:
                if piece:
                    raise ValueError("something follows its end")
                return
            try:
                out = self.tool.decompress(piece, PIECE)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            piece = self.tool.unused_data or self.tool.unconsumed_tail
            yield out
            if not piece and len(out) < PIECE:
                return

    def _thawed(self, piece: bytes) -> bytes:
        if self.tool.eof:
            raise ValueError("something follows its end")
        try:
            out = bytes(self.tool.decompress(piece))
        except zstd().ZstdError as error:
            raise ValueError(str(error)) from error
        if self.tool.unused_data:
            raise ValueError("something follows its end")
        return out

    def end(self) -> None:
        if self.tool is not None and not self.tool.eof:
            raise ValueError("it has no end")


class Bill:
    """The header by which a message refers to its claim, and how a header of that name is told from it."""

    def __init__(self, field: str) -> None:
        self.field = field

    def write(self, claim: Claim) -> str:
        fields = (claim.bucket, claim.key, str(claim.size), claim.checksum, claim.compression, str(claim.stored_ms))
        return "".join(f"{len(field)}:{field}," for field in fields)

    def parse(self, text: str) -> Claim:
        fields = []
        while text:
            length, _, rest = text.partition(":")
            end = int(length)
            if end < 0 or rest[end : end + 1] != ",":
                raise CorruptPayload(f"not a bill: {text[:40]!a}")
            fields.append(rest[:end])
            text = rest[end + 1 :]
        bucket, key, size, checksum, compression, stored_ms = fields
        if not (bucket and key and size.isdecimal() and stored_ms.isdecimal() and compression in ("none", "gzip", "zstd")):
            raise CorruptPayload("not a bill: a field is not what it has to be")
        return Claim(bucket, key, int(size), checksum, compression, int(stored_ms))

    def read(self, headers: Mapping[str, str]) -> Claim | None:
        """Return the claim of a message, None if it is inline; `CorruptPayload` if nobody can tell."""
        text = headers.get(self.field)
        if text is None:
            return None
        try:
            return self.parse(text)
        except ValueError as error:
            raise CorruptPayload(f"not a bill: {error}") from error

    def is_mine(self, name: str) -> bool:
        return name.endswith(self.field) and not name[: -len(self.field)].strip(_MARK)

    def put_on(self, headers: Mapping[str, str], room: int) -> dict[str, str]:
        """Return the user's headers as they travel; `PayloadTooLarge` unless ``room`` bytes more fit beside them."""
        out = {(_MARK + name if self.is_mine(name) else name): value for name, value in headers.items()}
        size = sum(len(name.encode()) + len(value.encode()) for name, value in out.items())
        if size + room > _HEADERS or any(len(name.encode()) > 512 for name in out):
            raise PayloadTooLarge(f"headers of {size} bytes leave no room for the {room} of a reference, or for an escape")
        return out

    def take_off(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            (name.removeprefix(_MARK) if self.is_mine(name) else name): value
            for name, value in headers.items()
            if name != self.field
        }
