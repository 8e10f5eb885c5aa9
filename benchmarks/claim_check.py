"""The claim check against raw put + publish, in one run: ``python -m benchmarks.claim_check``.

Payloads of 64 KiB and over are claimed, and set against put, publish, receive, get and ack by hand over the same drivers;
smaller ones travel inline, and are set against publish, receive and ack. Messages alternate, one by hand and one by us, and the
ratio is that of the lower quartiles: 1.0 is as fast. ``hashed`` is by hand with the SHA-256 that a claim travels with: what is
between it and raw is what knowing a payload again costs. The last lines stream 1 GiB through, in a process of its own, and say
what it took of memory.
"""

import asyncio
import hashlib
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import prism_testkit as prism
from prism_backends.filesystem import FilesystemObjectStorage
from prism_backends.filesystem.client import connect as open_files
from prism_backends.memory import MemoryObjectStorage, MemoryQueue
from prism_backends.memory.client import connect as open_memory
from prism_backends.sqlite import SqliteObjectStorage, SqliteQueue
from prism_backends.sqlite.client import connect as open_sqlite
from prism_patterns.claim_check import ClaimCheckConfig, ClaimConsumer, PrismClaimCheck

MESSAGES = 200
SIZES = (100, 16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024)
THRESHOLD = 64 * 1024 - 1
CHUNK = bytes(range(256)) * 1024
SPACE = "n" * 24


Opener = tuple[Callable[[prism.Place], Any], Callable[[Any, str], Any]]
MEMORY_QUEUE: Opener = (open_memory, MemoryQueue)
SQLITE_QUEUE: Opener = (open_sqlite, SqliteQueue)
PAIRS: dict[str, tuple[Opener, Opener]] = {
    "memory, memory": (MEMORY_QUEUE, (open_memory, MemoryObjectStorage)),
    "sqlite, files": (SQLITE_QUEUE, (open_files, FilesystemObjectStorage)),
    "sqlite, sqlite": (SQLITE_QUEUE, (open_sqlite, SqliteObjectStorage)),
}
"""Queue and store."""


async def opened(stack: AsyncExitStack, folder: Path, pair: tuple[Opener, Opener]) -> tuple[Any, Any]:
    """Return a queue and a store."""
    drivers = []
    for name, (connect, driver) in zip(("queue", "store"), pair, strict=True):
        (folder / name).mkdir()
        place = prism.Place(directory=folder / name, shared={}, clock=prism.RealClock())
        drivers.append(driver(await stack.enter_async_context(connect(place)), SPACE))
    return drivers[0], drivers[1]


class ByHand:
    """What an application would write without a pattern; ``hashed``: with the SHA-256 that a claim travels with."""

    def __init__(self, queue: Any, store: Any, topic: str, *, hashed: bool = False) -> None:
        self.queue, self.store, self.topic, self.hashed = queue, store, topic, hashed
        self.keys = itertools.count()

    async def send(self, payload: bytes) -> None:
        if len(payload) <= THRESHOLD:
            await self.queue.enqueue(self.topic, payload)
            return
        if self.hashed:
            hashlib.sha256(payload).hexdigest()
        key = f"{self.topic}{next(self.keys)}"
        await self.store.put("raw", key, payload)
        await self.queue.enqueue(self.topic, b"", {"key": key})

    async def take(self, payload: bytes) -> None:
        lease = await self.queue.receive(self.topic, 60.0)
        if len(payload) > THRESHOLD:
            found = await self.store.get("raw", lease.message.headers["key"])
            assert len(found) == len(payload)
            if self.hashed:
                hashlib.sha256(found).hexdigest()
        await self.queue.ack(lease)


class Ours:
    """The same by a claim check."""

    def __init__(self, claims: PrismClaimCheck, consumer: ClaimConsumer, topic: str) -> None:
        self.claims, self.consumer, self.topic = claims, consumer, topic

    async def send(self, payload: bytes) -> None:
        await self.claims.publish(self.topic, payload)

    async def take(self, payload: bytes) -> None:
        delivery = await self.consumer.receive()
        assert delivery is not None
        assert len(await self.consumer.read(delivery)) == len(payload)
        await self.consumer.ack(delivery)


async def measured(ways: dict[str, Any], step: str, payload: bytes) -> dict[str, float]:
    """Take one step of each way in turns, whoever begins; return the lower quartile of each, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(MESSAGES):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.perf_counter()
            await getattr(ways[name], step)(payload)
            times[name].append(time.perf_counter() - began)
    return {name: sorted(found)[len(found) // 4] * 1000 for name, found in times.items()}


async def compare(folder: Path, pair: tuple[Opener, Opener]) -> None:
    async with AsyncExitStack() as stack:
        queue, store = await opened(stack, folder, pair)
        await store.create_bucket("raw")
        config = ClaimCheckConfig(threshold=THRESHOLD, cleanup="sweep")
        claims = await stack.enter_async_context(PrismClaimCheck(queue=queue, store=store, config=config, clock=prism.RealClock()))
        for size in SIZES:
            payload = (CHUNK * (size // len(CHUNK) + 1))[:size]
            consumer = await stack.enter_async_context(claims.consume(f"ours{size}", "c"))
            ways: dict[str, Any] = {"raw": ByHand(queue, store, f"raw{size}"), "ours": Ours(claims, consumer, f"ours{size}")}
            if size > THRESHOLD:
                ways["hashed"] = ByHand(queue, store, f"hashed{size}", hashed=True)
            told = [_told(step, await measured(ways, step, payload)) for step in ("send", "take")]
            print(f"{size:8} bytes, {'claimed' if size > THRESHOLD else 'inline':8} {'; '.join(told)}", flush=True)


def _told(step: str, found: dict[str, float]) -> str:
    beside = f", {found['hashed'] / found['ours']:.2f} of hashed" if "hashed" in found else ""
    return f"{step} {found['ours']:6.3f} ms, {found['raw'] / found['ours']:.2f} of raw{beside}"


async def stream(folder: Path, chunks: int) -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield CHUNK

    async with AsyncExitStack() as stack:
        queue, store = await opened(stack, folder, PAIRS["sqlite, files"])
        config = ClaimCheckConfig(threshold=THRESHOLD)
        claims = await stack.enter_async_context(PrismClaimCheck(queue=queue, store=store, config=config, clock=prism.RealClock()))
        await claims.publish("big", source())
        async with claims.consume("big", "c") as consumer:
            delivery = await consumer.receive()
            assert delivery is not None
            size = 0
            async for chunk in consumer.chunks(delivery):
                size += len(chunk)
            assert size == chunks * len(CHUNK)


def main() -> None:
    if sys.argv[1:2] == ["stream"]:
        with tempfile.TemporaryDirectory() as folder:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            asyncio.run(stream(Path(folder), int(sys.argv[2])))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"streamed {int(sys.argv[2]) * len(CHUNK) // 2**20} MiB: peak {peak // 1024} MiB, {before // 1024} MiB before")
        return
    for name, pair in PAIRS.items():
        print(f"queue and store: {name}")
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(compare(Path(folder), pair))
    subprocess.run([sys.executable, "-m", "benchmarks.claim_check", "stream", str(4096)], check=True)


if __name__ == "__main__":
    main()
