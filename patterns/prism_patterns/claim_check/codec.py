"""From a payload to the bytes of its object and back, chunk by chunk, with size and checksum of the original on the way."""

import hashlib
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol

from prism_testkit.interfaces.errors import ConfigError, CorruptPayload
from prism_testkit.interfaces.keyvalue import Bytes

__all__ = ["CHUNK_BYTES", "Seal", "check_codec", "packed", "unpacked"]

CHUNK_BYTES = 256 * 1024
"""Bytes held at a time, on the way in and out."""
_ZSTD_SLICE = 4 * 1024
"""Bytes decompressed at a time: the library does not bound what one call returns, and a block of 3 bytes may stand for 128 KiB."""


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
        unpacker.end()
    except (zlib.error, ValueError) as error:
        raise CorruptPayload(f"{what}: it cannot be decompressed: {error}") from error
    if (seal.size, seal.checksum) != (size, checksum):
        raise CorruptPayload(f"{what}: {size} bytes with {checksum} were claimed, found {seal.size} bytes with {seal.checksum}")


class _Plain:
    def feed(self, chunk: bytes) -> list[bytes]:
        return [chunk]

    def end(self) -> None:
        """Whether it is whole is told by its size."""


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> Any:
        data = self._stream.decompress(chunk, CHUNK_BYTES)
        while data:
            yield data
            data = self._stream.decompress(self._stream.unconsumed_tail, CHUNK_BYTES)
        if self._stream.unused_data:
            raise ValueError("bytes after its end")

    def end(self) -> None:
        if not self._stream.eof:
            raise ValueError("it ends before its end")


class _Zstd:
    def __init__(self) -> None:
        self._error = _zstd().ZstdError
        self._stream = _zstd().ZstdDecompressor().decompressobj()

    def feed(self, chunk: bytes) -> Any:
        for start in range(0, len(chunk), _ZSTD_SLICE):
            if self._stream.eof:
                raise ValueError("bytes after its end")
            try:
                data = self._stream.decompress(chunk[start : start + _ZSTD_SLICE])
            except self._error as error:
                raise ValueError(str(error)) from error
            if data:
                yield data
        if self._stream.unused_data:
            raise ValueError("bytes after its end")

    def end(self) -> None:
        if not self._stream.eof:
            raise ValueError("it ends before its end")


_UNPACKERS: dict[str, Any] = {"none": _Plain, "gzip": _Gzip, "zstd": _Zstd}
