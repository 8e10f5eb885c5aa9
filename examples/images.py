"""Images through a queue: small messages in SQLite, large images in plain files, and a worker that may die at any time.

    python examples/images.py send *.png
    python examples/images.py work

``send`` publishes each file by a claim check; ``work`` takes them, prints what they are, and acknowledges. Kill the worker where
you like: what it had not acknowledged comes again when its lease has ended, with its image. Both may run in many processes at once.
"""

import argparse
import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import prism_testkit as prism
from prism_backends.filesystem import FilesystemObjectStorage
from prism_backends.filesystem.client import connect as open_files
from prism_backends.sqlite import SqliteQueue
from prism_backends.sqlite.client import connect as open_sqlite
from prism_patterns.claim_check import ClaimCheck, ClaimCheckConfig, PrismClaimCheck

TOPIC = "images"
NAMESPACE = "images"
CONFIG = ClaimCheckConfig(threshold=16 * 1024, cleanup="on_ack", retention_after_ack_s=60, compression="none")


@asynccontextmanager
async def claim_check(data: Path) -> AsyncIterator[ClaimCheck]:
    """Open the claim check over the files below ``data``."""
    clock = prism.RealClock()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_sqlite(place(data / "queue", clock)))
        files = await stack.enter_async_context(open_files(place(data / "images", clock)))
        queue, store = SqliteQueue(client, NAMESPACE), FilesystemObjectStorage(files, NAMESPACE)
        yield await stack.enter_async_context(PrismClaimCheck(queue=queue, store=store, config=CONFIG, clock=clock))


def place(directory: Path, clock: prism.Clock) -> prism.Place:
    """Make the folder of one store."""
    directory.mkdir(parents=True, exist_ok=True)
    return prism.Place(directory=directory, shared={}, clock=clock)


async def chunks(path: Path) -> AsyncIterator[bytes]:
    """Yield a file piece by piece, so that an image of any size takes little memory."""
    with path.open("rb") as file:
        while data := await asyncio.to_thread(file.read, 256 * 1024):
            yield data


async def send(data: Path, files: list[Path]) -> None:
    async with claim_check(data) as claims:
        for path in files:
            receipt = await claims.publish(TOPIC, chunks(path), {"name": path.name})
            way = "inline" if receipt.claim is None else f"claimed, {receipt.claim.size} bytes in {receipt.claim.key}"
            print(f"sent {path.name}: message {receipt.message_id}, {way}")


async def work(data: Path, patience_s: float) -> None:
    async with claim_check(data) as claims, claims.consume(TOPIC, "worker") as consumer:
        while (delivery := await consumer.receive(patience_s)) is not None:
            image = await consumer.read(delivery)
            print(f"{delivery.headers['name']}: {described(image)}, attempt {delivery.delivery_count}", flush=True)
            await consumer.ack(delivery)


def described(image: bytes) -> str:
    """Say what an image is, from its first bytes."""
    if image.startswith(b"\x89PNG\r\n\x1a\n") and len(image) >= 24:
        width, height = struct.unpack(">II", image[16:24])
        return f"PNG {width} x {height}, {len(image)} bytes"
    return f"{len(image)} bytes"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("images-data"), help="where queue and images are kept")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("send", help="publish images").add_argument("files", nargs="+", type=Path)
    commands.add_parser("work", help="take images until none comes").add_argument(
        "--patience", type=float, default=2.0, metavar="S"
    )
    options = parser.parse_args()
    if options.command == "send":
        asyncio.run(send(options.data, options.files))
    else:
        asyncio.run(work(options.data, options.patience))


if __name__ == "__main__":
    main()
