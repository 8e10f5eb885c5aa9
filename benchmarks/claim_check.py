"""The claim check against raw put + publish, in one run: ``python -m benchmarks.claim_check``.

Payloads of 64 KiB and over are claimed, and set against put, publish, receive, get and ack by hand over the same drivers;
smaller ones travel inline, and are set against publish, receive and ack. Rounds alternate, and the ratio is that of the medians:
1.0 is as fast. The last lines stream 1 GiB through, in a process of its own, and say what it took of memory.
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import prism_testkit as prism
from prism_backends.filesystem import FilesystemObjectStorage
from prism_backends.filesystem.client import connect as open_files
from prism_backends.sqlite import SqliteQueue
from prism_backends.sqlite.client import connect as open_sqlite
from prism_patterns.claim_check import ClaimCheckConfig, PrismClaimCheck

ROUNDS = 15
MESSAGES = 20
THRESHOLD = 64 * 1024 - 1
CHUNK = bytes(range(256)) * 1024
SPACE = "n" * 24


async def opened(stack: AsyncExitStack, folder: Path) -> tuple[Any, Any]:
    """Return a queue in SQLite and a store in files."""
    places = []
    for name in ("queue", "store"):
        (folder / name).mkdir()
        places.append(prism.Place(directory=folder / name, shared={}, clock=prism.RealClock()))
    client = await stack.enter_async_context(open_sqlite(places[0]))
    files = await stack.enter_async_context(open_files(places[1]))
    return SqliteQueue(client, SPACE), FilesystemObjectStorage(files, SPACE)


async def send_by_hand(queue: Any, store: Any, payload: bytes, topic: str) -> None:
    for number in range(MESSAGES):
        if len(payload) > THRESHOLD:
            key = f"{topic}{number}"
            await store.put("raw", key, payload)
            await queue.enqueue(topic, b"", {"key": key})
        else:
            await queue.enqueue(topic, payload)


async def take_by_hand(queue: Any, store: Any, payload: bytes, topic: str) -> None:
    for _ in range(MESSAGES):
        lease = await queue.receive(topic, 60.0)
        if len(payload) > THRESHOLD:
            assert len(await store.get("raw", lease.message.headers["key"])) == len(payload)
        await queue.ack(lease)


async def send(claims: PrismClaimCheck, payload: bytes, topic: str) -> None:
    for _ in range(MESSAGES):
        await claims.publish(topic, payload)


async def take(claims: PrismClaimCheck, payload: bytes, topic: str) -> None:
    async with claims.consume(topic, "c") as consumer:
        for _ in range(MESSAGES):
            delivery = await consumer.receive()
            assert delivery is not None
            assert len(await consumer.read(delivery)) == len(payload)
            await consumer.ack(delivery)


async def seconds(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def compare(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        queue, store = await opened(stack, folder)
        await store.create_bucket("raw")
        config = ClaimCheckConfig(threshold=THRESHOLD, cleanup="sweep")
        claims = await stack.enter_async_context(PrismClaimCheck(queue=queue, store=store, config=config, clock=prism.RealClock()))
        for size in (100, 16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024):
            payload = (CHUNK * (size // len(CHUNK) + 1))[:size]
            times: dict[str, list[float]] = {"raw send": [], "raw take": [], "send": [], "take": []}
            for number in range(ROUNDS):
                topic = f"t{size}-{number}"
                times["raw send"].append(await seconds(send_by_hand(queue, store, payload, topic)))
                times["send"].append(await seconds(send(claims, payload, f"{topic}c")))
                times["raw take"].append(await seconds(take_by_hand(queue, store, payload, topic)))
                times["take"].append(await seconds(take(claims, payload, f"{topic}c")))
            medians = {name: statistics.median(found) / MESSAGES * 1000 for name, found in times.items()}
            way = "claimed" if size > THRESHOLD else "inline"
            said = [
                f"{name} {medians[name]:5.2f} ms, {medians[f'raw {name}'] / medians[name]:.2f} of raw" for name in ("send", "take")
            ]
            print(f"{size:8} bytes, {way:8} {'; '.join(said)}")


async def stream(folder: Path, chunks: int) -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield CHUNK

    async with AsyncExitStack() as stack:
        queue, store = await opened(stack, folder)
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
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder)))
    subprocess.run([sys.executable, "-m", "benchmarks.claim_check", "stream", str(4096)], check=True)


if __name__ == "__main__":
    main()
