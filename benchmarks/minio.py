"""The driver of S3 against the client library it is built on, over one MinIO in one run: ``python -m benchmarks.minio``.

Calls alternate, one by the driver and one by hand, and the ratio is that of the lower quartiles: 1.0 is as fast. By hand is what
an asynchronous application would write: a call of the library's on a thread. It has no buckets that are made and removed by one
write, no deadlines, and no names that need a code.
"""

import asyncio
import io
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio

import prism_testkit as prism
from benchmarks._calls import one_by_one
from prism_backends.minio.backend import MinioObjectStorage, minio
from prism_testkit.servers import ServerUnavailable, start

ROUNDS = 200
SIZES = {"100 bytes": 100, "64 KiB": 1 << 16, "1 MiB": 1 << 20}
LONG = 16 << 20
SPACE = "prism0bench0000000000000"

Call = Callable[[], Awaitable[object]]
Pair = tuple[str, Call, Call, int]
"""What it is, by the driver, by hand, how many rounds."""


def whole(driver: MinioObjectStorage, raw: Minio) -> Iterator[Pair]:
    for name, size in SIZES.items():
        data = secrets.token_bytes(size)

        def put_by_hand(data: bytes = data) -> None:
            raw.put_object("by-hand", "key", io.BytesIO(data), len(data))

        def get_by_hand(size: int = size) -> None:
            with raw.get_object("by-hand", "key") as answer:
                assert len(answer.read()) == size
                answer.release_conn()

        async def get(size: int = size) -> None:
            assert len(await driver.get("b", "key") or b"") == size

        yield f"put {name}", lambda data=data: driver.put("b", "key", data), on_a_thread(put_by_hand), ROUNDS
        yield f"get {name}", get, on_a_thread(get_by_hand), ROUNDS


def streamed(driver: MinioObjectStorage, raw: Minio) -> Iterator[Pair]:
    data = secrets.token_bytes(LONG)

    async def chunks() -> AsyncIterator[bytes]:
        for start_at in range(0, LONG, 1 << 20):
            yield data[start_at : start_at + (1 << 20)]

    def put_by_hand() -> None:
        raw.put_object("by-hand", "key", io.BytesIO(data), -1, part_size=5 << 20)

    def get_by_hand() -> None:
        with raw.get_object("by-hand", "key") as answer:
            assert sum(map(len, answer.stream(4 << 20))) == LONG
            answer.release_conn()

    async def get() -> None:
        assert sum([len(part) async for part in driver.get_stream("b", "key")]) == LONG

    yield "put_stream 16 MiB", lambda: driver.put_stream("b", "key", chunks()), on_a_thread(put_by_hand), ROUNDS // 10
    yield "get_stream 16 MiB", get, on_a_thread(get_by_hand), ROUNDS // 10


def others(driver: MinioObjectStorage, raw: Minio) -> Iterator[Pair]:
    async def listed() -> None:
        assert [line async for line in driver.list_objects("b")]

    yield "metadata", lambda: driver.metadata("b", "key"), on_a_thread(lambda: raw.stat_object("by-hand", "key")), ROUNDS
    yield "list_objects", listed, on_a_thread(lambda: list(raw.list_objects("by-hand", recursive=True))), ROUNDS


def on_a_thread(call: Callable[[], object]) -> Call:
    return lambda: asyncio.to_thread(call)


async def run() -> None:
    assert minio.server is not None
    with tempfile.TemporaryDirectory() as state:
        server = await start("minio", minio.server, state=Path(state), run_id=secrets.token_hex(4), prefer="native")
        try:
            parts = urlsplit(server.url)
            raw = Minio(f"{parts.hostname}:{parts.port}", parts.username, parts.password, secure=False, region="us-east-1")
            raw.make_bucket("by-hand")
            place = prism.Place(url=server.url, directory=Path(state), shared={}, clock=prism.RealClock())
            async with minio.connect(place) as client:
                driver = MinioObjectStorage(client, SPACE)
                await driver.create_bucket("b")
                for family in (whole, streamed, others):
                    for name, ours, by_hand, rounds in family(driver, raw):
                        mine, theirs = await one_by_one((lambda _, call=ours: call(), lambda _, call=by_hand: call()), rounds)
                        print(f"{name:20} {mine:7.0f} us, by hand {theirs:7.0f} us: {theirs / mine:.2f} of raw", flush=True)
        finally:
            await server.stop()


def main() -> None:
    try:
        asyncio.run(run())
    except ServerUnavailable as error:
        print(error)


if __name__ == "__main__":
    main()
