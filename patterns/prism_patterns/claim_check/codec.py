"""From a payload to the bytes of its object and back, chunk by chunk, with size and checksum of the original on the way."""

import hashlib
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Any, Protocol

from prism_testkit.interfaces.errors import ConfigError, CorruptPayload
from prism_testkit.interfaces.keyvalue import Bytes

__all__ = ["CHUNK_BYTES", "Seal", "check_codec", "check_seal", "packed", "unpacked"]

CHUNK_BYTES = 256 * 1024
"""Bytes held at a time, on the way in and out."""
_LONGEST_HEADER = 18
"""Bytes of the longest header of a zstd frame."""


class Seal:
    """Size and checksum of what went by."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    @property
    def checksum(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def check_codec(compression: str) -> None:
    """Raise `ConfigError` if what a compression needs is not installed."""
    if compression == "zstd":
        _zstd()


def _zstd() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError("compression zstd needs a library: pip install 'prism-testkit[zstd]'") from error
    return zstandard


def _compressor(compression: str) -> _Compressor | None:
    if compression == "gzip":
        return zlib.compressobj(wbits=31)
    if compression == "zstd":
        compressor: _Compressor = _zstd().ZstdCompressor().compressobj()
        return compressor
    return None


async def packed(chunks: AsyncIterable[Bytes], compression: str, seal: Seal) -> AsyncIterator[bytes]:
    """Yield the object's bytes; ``seal`` sees the original ones."""
    compressor = _compressor(compression)
    async for chunk in chunks:
        for start in range(0, len(chunk), CHUNK_BYTES):
            part = bytes(chunk[start : start + CHUNK_BYTES])
            seal.update(part)
            data = part if compressor is None else compressor.compress(part)
            if data:
                yield data
    if compressor is not None:
        yield compressor.flush()


async def unpacked(chunks: AsyncIterable[bytes], compression: str, size: int, checksum: str, what: str) -> AsyncIterator[bytes]:
    """Yield the original bytes; `CorruptPayload` at the latest at the end if they are not those of ``size`` and ``checksum``."""
    seal = Seal()
    unpacker = _UNPACKERS[compression]()
    try:
        async for chunk in chunks:
            for data in unpacker.feed(chunk):
                seal.update(data)
                if seal.size > size:
                    raise CorruptPayload(f"{what}: it is longer than the {size} bytes that were claimed")
                yield data
        for data in unpacker.end():
            seal.update(data)
            yield data
    except (zlib.error, ValueError) as error:
        raise CorruptPayload(f"{what}: it cannot be decompressed: {error}") from error
    check_seal(seal, size, checksum, what)


def check_seal(seal: Seal, size: int, checksum: str, what: str) -> None:
    """Raise `CorruptPayload` unless what went by has ``size`` and ``checksum``."""
    if (seal.size, seal.checksum) != (size, checksum):
        raise CorruptPayload(f"{what}: {size} bytes with {checksum} were claimed, found {seal.size} bytes with {seal.checksum}")


class _Plain:
    def feed(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def end(self) -> Iterator[bytes]:
        return iter(())  # whether it is whole is told by its size


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        data = self._stream.decompress(chunk, CHUNK_BYTES)
        while data:
            yield data
            data = self._stream.decompress(self._stream.unconsumed_tail, CHUNK_BYTES)
        if self._stream.unused_data:
            raise ValueError("bytes after its end")

    def end(self) -> Iterator[bytes]:
        if not self._stream.eof:
            raise ValueError("it ends before its end")
        return iter(())


class _Zstd:
    """Feeds the library block by block (RFC 8878, 3.1.1.2): what one call returns is unbounded, what a block holds is 128 KiB."""

    def __init__(self) -> None:
        self._library = _zstd()
        self._stream = self._library.ZstdDecompressor().decompressobj()
        self._waiting = bytearray()
        self._begun = False
        self._last = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._waiting += chunk
        if not self._begun and len(self._waiting) >= _LONGEST_HEADER:
            yield from self._pass(self._header_size())
            self._begun = True
        while self._begun and not self._last and len(self._waiting) >= 3:
            header = int.from_bytes(self._waiting[:3], "little")
            repeated = header >> 1 & 3 == 1  # one byte stands for all
            size = 3 + (1 if repeated else header >> 3)
            if len(self._waiting) < size:
                break
            self._last = bool(header & 1)
            yield from self._pass(size)
        if self._last:
            yield from self._pass(len(self._waiting))

    def _header_size(self) -> int:
        try:
            size: int = self._library.frame_header_size(bytes(self._waiting))
        except self._library.ZstdError as error:
            raise ValueError(str(error)) from error
        return size

    def _pass(self, size: int) -> Iterator[bytes]:
        part = bytes(self._waiting[:size])
        del self._waiting[:size]
        if part and self._stream.eof:
            raise ValueError("bytes after its end")
        try:
            data = self._stream.decompress(part) if part else b""
        except self._library.ZstdError as error:
            raise ValueError(str(error)) from error
        if self._stream.unused_data:
            raise ValueError("bytes after its end")
        if data:
            yield data

    def end(self) -> Iterator[bytes]:
        yield from self._pass(len(self._waiting))  # an object that is shorter than the longest header
        if not self._stream.eof:
            raise ValueError("it ends before its end")


_UNPACKERS: dict[str, Any] = {"none": _Plain, "gzip": _Gzip, "zstd": _Zstd}
