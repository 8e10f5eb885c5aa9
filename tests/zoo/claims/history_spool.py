"""A depot that puts aside on disk what it packs, and what it unpacks until all of it is known to be right."""

import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from typing import IO

from prism_testkit.interfaces.keyvalue import Bytes

from .history_depot import Depot
from .history_packing import PIECE, Packing, Unpacking

__all__ = ["SpoolingDepot"]


class SpoolingDepot(Depot):
    """Memory is bounded, and nobody is given a byte of what is damaged."""

    class Spooled(Packing):
        async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
            with tempfile.TemporaryFile() as spool:
                async for piece in super().pieces(head, rest):
                    spool.write(piece)
                for piece in _again(spool):
                    yield piece

    class Verified(Unpacking):
        async def pieces(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
            with tempfile.TemporaryFile() as spool:
                async for piece in super().pieces(chunks):
                    spool.write(piece)
                for piece in _again(spool):
                    yield piece

    packing_type = Spooled
    unpacking_type = Verified


def _again(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    return iter(lambda: spool.read(PIECE), b"")
