"""Shards: each key belongs to one, each has a lock, and values are kept once, by their digest, as long as a cell counts on them."""

import asyncio
import hashlib
import math
import zlib
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from prism_testkit.backend import Place

__all__ = ["Blobs", "Cell", "Gate", "Shard", "Shards"]


class Gate:
    """A lock whose waiters come in one after another; one that was cancelled passes its turn on."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if not self.held and not self.waiting:
            self.held = True
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_on()
            elif turn in self.waiting:
                self.waiting.remove(turn)
            raise

    async def __aexit__(self, *_: object) -> None:
        self.pass_on()

    def pass_on(self) -> None:
        self.held = False
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                self.held = True
                turn.set_result(None)
                return


class Blobs:
    """Values by digest, each with the number of cells that count on it."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}
        self.uses: dict[bytes, int] = {}

    def digest(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=16).digest()

    def take(self, data: bytes) -> bytes:
        digest = self.digest(data)
        self.data[digest] = data
        self.uses[digest] = self.uses.get(digest, 0) + 1
        return digest

    def drop(self, digest: bytes) -> None:
        self.uses[digest] -= 1
        if not self.uses[digest]:
            del self.uses[digest], self.data[digest]


@dataclass(slots=True)
class Cell:
    """What is kept of a key. ``stamp`` is another after each write."""

    digest: bytes
    stamp: int
    due_us: int | None = None
    given_s: float = 0.0


@dataclass
class Shard:
    """Some keys of a namespace."""

    gate: Gate = field(default_factory=Gate)
    cells: dict[str, Cell] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    writes: int = 0


class Shards:
    """The shards of one namespace, and its values."""

    number = 4
    sweep_every = 24
    blobs_type: ClassVar[type[Blobs]] = Blobs
    gate_type: ClassVar[type[Gate]] = Gate

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.shards = [Shard(self.gate_type()) for _ in range(self.number)]
        self.blobs = self.blobs_type()
        self.stamps = 0

    def index(self, key: str) -> int:
        return zlib.crc32(key.encode()) % self.number

    def of(self, key: str) -> Shard:
        return self.shards[self.index(key)]

    @asynccontextmanager
    async def holding(self, keys: Iterable[str]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for index in sorted({self.index(key) for key in keys}):
                await stack.enter_async_context(self.shards[index].gate)
            yield

    def now_us(self) -> int:
        return int(self.clock.now_s() * 1e6)

    def due(self, ttl_s: float) -> int:
        return math.ceil((self.clock.now_s() + ttl_s) * 1e6) + 1

    def fresh(self, cell: Cell | None) -> Cell | None:
        return cell if cell is not None and (cell.due_us is None or self.now_us() < cell.due_us) else None

    def look(self, key: str) -> Cell | None:
        return self.fresh(self.of(key).cells.get(key))

    def value(self, key: str) -> bytes | None:
        cell = self.look(key)
        return None if cell is None else self.blobs.data[cell.digest]

    def put(self, key: str, data: bytes, due_us: int | None = None, given_s: float = 0.0) -> None:
        shard = self.of(key)
        old = shard.cells.get(key)
        self.stamps += 1
        shard.cells[key] = Cell(self.blobs.take(data), self.stamps, due_us, given_s)
        if old is None:
            shard.order.insert(bisect_left(shard.order, key), key)
        else:
            self.blobs.drop(old.digest)
        shard.writes += 1
        if shard.writes % self.sweep_every == 0:
            self.sweep(shard)

    def remove(self, key: str) -> bool:
        shard = self.of(key)
        cell = shard.cells.pop(key, None)
        if cell is None:
            return False
        del shard.order[bisect_left(shard.order, key)]
        self.blobs.drop(cell.digest)
        return self.fresh(cell) is not None

    def sweep(self, shard: Shard) -> None:
        for key in [key for key, cell in shard.cells.items() if self.fresh(cell) is None]:
            self.remove(key)
