"""What a stranger's claim check writes: references, escaped headers, compressed bytes."""

import hashlib
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import zstandard

from prism_patterns.claim_check import Claim
from prism_testkit.interfaces import CorruptPayload

__all__ = ["PIECE", "Check", "escape", "marker_name", "pack", "read_reference", "unescape", "unpack", "write_reference"]

PIECE = 1024 * 1024


class Check:
    """Counts and hashes what passes."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    @property
    def checksum(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def write_reference(claim: Claim) -> str:
    """Numbers have a fixed width: how long a reference is, is known before the upload."""
    fields = [claim.bucket, claim.key, f"{claim.size:020d}", claim.checksum, claim.compression, f"{claim.stored_ms:016d}"]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def read_reference(text: str) -> Claim:
    """Raise ValueError for what is none."""
    bucket, key, size, checksum, compression, stored = json.loads(text)
    return Claim(bucket, key, int(size), checksum, compression, int(stored))


def escape(headers: Mapping[str, str], field: str) -> dict[str, str]:
    """Move a user's ``field`` into a header beside it, together with a user's header of that other name."""
    other = f"{field}-user"
    if field not in headers and other not in headers:
        return dict(headers)
    kept = {name: value for name, value in headers.items() if name not in (field, other)}
    mine = headers.get(field)
    length = "-" if mine is None else str(len(mine))
    theirs = headers.get(other)
    kept[other] = f"{length}{'' if theirs is None else '+'}:{mine or ''}{theirs or ''}"
    return kept


def unescape(headers: Mapping[str, str], field: str) -> dict[str, str]:
    """Undo `escape`, and leave out the reference."""
    other = f"{field}-user"
    kept = {name: value for name, value in headers.items() if name not in (field, other)}
    if other in headers:
        length, _, text = headers[other].partition(":")
        width = 0 if length.startswith("-") else int(length.rstrip("+"))
        if not length.startswith("-"):
            kept[field] = text[:width]
        if length.endswith("+"):
            kept[other] = text[width:]
    return kept


def marker_name(consumer: str) -> str:
    """A consumer's name in a key."""
    data = consumer.encode()
    if len(data) > 100 or consumer.startswith("#"):
        return "#" + hashlib.sha256(data).hexdigest()
    return consumer


class _Framed:
    """Each part a zstd frame of its own behind its length: the library does not bound what a frame becomes, so its writer does."""

    PART = 256 * 1024

    def compress(self, data: bytes) -> bytes:
        frames = []
        for start in range(0, len(data), self.PART):
            frame = zstandard.ZstdCompressor().compress(data[start : start + self.PART])
            frames.append(len(frame).to_bytes(4, "big") + frame)
        return b"".join(frames)

    def flush(self) -> bytes:
        return bytes(4)


def _compressor(compression: str) -> Any:
    return zlib.compressobj(6, zlib.DEFLATED, 31) if compression == "gzip" else _Framed()


async def pack(pieces: AsyncIterator[bytes], compression: str) -> AsyncIterator[bytes]:
    """Compress piece by piece."""
    if compression == "none":
        async for piece in pieces:
            yield piece
        return
    compressor = _compressor(compression)
    async for piece in pieces:
        if data := compressor.compress(piece):
            yield data
    yield compressor.flush()


async def unpack(pieces: AsyncIterator[bytes], compression: str) -> AsyncIterator[bytes]:
    """Decompress piece by piece, never much more than a piece at once; `CorruptPayload` for what is not whole."""
    if compression == "none":
        async for piece in pieces:
            yield piece
        return
    inflate = _gunzip if compression == "gzip" else _unzstd
    try:
        async for piece in inflate(pieces):
            yield piece
    except (zlib.error, zstandard.ZstdError) as error:
        raise CorruptPayload(f"cannot be decompressed: {error}") from error


async def _gunzip(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    decompressor = zlib.decompressobj(31)
    async for piece in pieces:
        left = piece
        while left:
            yield decompressor.decompress(left, PIECE)
            left = decompressor.unconsumed_tail
        if decompressor.unused_data:
            raise CorruptPayload("something follows the end of the compressed bytes")
    while data := decompressor.decompress(decompressor.unconsumed_tail, PIECE):
        yield data
    if not decompressor.eof:
        raise CorruptPayload("the compressed bytes end early")


async def _unzstd(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    left, ended = bytearray(), False
    async for piece in pieces:
        left += piece
        while len(left) >= 4 and not ended:
            size = int.from_bytes(left[:4], "big")
            if size > 2 * _Framed.PART:
                raise CorruptPayload("cannot be decompressed: a frame that nobody wrote")
            if len(left) < 4 + size:
                break
            frame = bytes(left[4 : 4 + size])
            del left[: 4 + size]
            ended = not size
            if frame:
                yield zstandard.ZstdDecompressor().decompress(frame, max_output_size=_Framed.PART)
    if left or not ended:
        raise CorruptPayload("cannot be decompressed: it is cut, or goes on behind its end")
