"""How payloads become objects and objects payloads again, piece by piece, with the length and digest of both."""

import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from typing import Any

from prism_testkit.interfaces import CorruptPayload
from prism_testkit.interfaces.keyvalue import Bytes

from .history_slips import Slip

__all__ = ["PIECE", "Packing", "Tally", "Unpacking", "bytes_like"]

PIECE = 1 << 20
SLICE = 512
"""As much of a zstd frame as is unpacked at once: 512 bytes of it come to 16 MiB at most."""


def bytes_like(chunk: object) -> bytes:
    """Return a copy of a chunk; ``TypeError`` for anything else."""
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise TypeError(f"a chunk of a payload is bytes-like, not {type(chunk).__name__}")
    return bytes(chunk)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Yield data in pieces of at most ``size``."""
    return (data[begin : begin + size] for begin in range(0, len(data), size))


class Tally:
    """How many bytes went by, and their digest."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def add(self, data: bytes) -> bytes:
        self._hash.update(data)
        self.size += len(data)
        return data


class Packing:
    """Packs a payload; ``plain`` tells of the payload, ``packed`` of what it became."""

    def __init__(self, compression: str) -> None:
        self._compression = compression
        self.plain = Tally()
        self.packed = Tally()

    def packer(self) -> Any:
        if self._compression == "gzip":
            return zlib.compressobj(wbits=31)
        if self._compression == "zstd":
            import zstandard

            return zstandard.ZstdCompressor().compressobj()
        return None

    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        packer = self.packer()
        async for chunk in _chain(head, rest):
            for piece in cut(chunk, PIECE):
                self.plain.add(piece)
                if packed := piece if packer is None else packer.compress(piece):
                    yield self.packed.add(packed)
        if packer is not None:
            yield self.packed.add(packer.flush())


class Unpacking:
    """Unpacks the object of a claim, and raises `CorruptPayload` at its end if it is not what it should be."""

    def __init__(self, slip: Slip) -> None:
        self._slip = slip
        self.plain = Tally()
        self.packed = Tally()

    async def pieces(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        unpacker = self.unpacker()
        try:
            async for chunk in chunks:
                for piece in cut(chunk, PIECE):
                    self.packed.add(piece)
                    self.limit()
                    for plain in self.unpacked(unpacker, piece):
                        yield self.plain.add(plain)
                        self.limit()
        except zlib.error as error:
            raise self.bad(f"is no gzip: {error}") from error
        self.judge(unpacker)

    def limit(self) -> None:
        if self.packed.size > self._slip.packed or self.plain.size > self._slip.claim.size:
            raise self.bad("is longer than it should be")

    def judge(self, unpacker: Any) -> None:
        claim = self._slip.claim
        if self.packed.size != self._slip.packed or self.packed.digest != self._slip.digest:
            raise self.bad("is not what was stored")
        if unpacker is not None and not unpacker.eof:
            raise self.bad("ends too early")
        if self.plain.size != claim.size or f"sha256:{self.plain.digest}" != claim.checksum:
            raise self.bad("does not have the checksum of its payload")

    def bad(self, how: str) -> CorruptPayload:
        return CorruptPayload(f"the object of claim {self._slip.claim.key!r} {how}")

    def unpacker(self) -> Any:
        if self._slip.claim.compression == "gzip":
            return zlib.decompressobj(wbits=31)
        if self._slip.claim.compression == "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj()
        return None

    def unpacked(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        if unpacker is None:
            return iter((piece,))
        return self.gunzipped(unpacker, piece) if self._slip.claim.compression == "gzip" else self.unzstd(unpacker, piece)

    def gunzipped(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        while piece and not unpacker.eof:
            plain = unpacker.decompress(piece, PIECE)
            piece = unpacker.unconsumed_tail
            if plain:
                yield plain

    def unzstd(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        import zstandard

        for each in cut(piece, SLICE):
            if unpacker.eof:
                return
            try:
                plain = unpacker.decompress(each)
            except zstandard.ZstdError as error:
                raise self.bad(f"is no zstd: {error}") from error
            yield from cut(plain, PIECE)


async def _chain(head: bytes, rest: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield bytes_like(chunk)
