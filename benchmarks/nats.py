"""The drivers of NATS and JetStream against nats-py itself, over one server in one run: ``python -m benchmarks.nats``.

Calls alternate, one by the driver and one by hand, and the ratio is that of the lower quartiles: 1.0 is as fast. By hand is what
an application would write for the same: a publish and a flush, an acknowledged publish, a fetch and an ack that is answered, a
put and a get of NATS's own key-value and object stores. (A flush by hand proves less than a publish of ours: nats-py writes
its PING before what was published.)
"""

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig

import prism_testkit as prism
from benchmarks._calls import one_by_one
from prism_backends.jetstream import (
    JetStreamKeyValue,
    JetStreamObjectStorage,
    JetStreamPubSub,
    JetStreamQueue,
    JetStreamStream,
    NatsClient,
    jetstream,
)
from prism_testkit.servers import ServerUnavailable, start

ROUNDS = 400
PAYLOAD = bytes(range(100))
LONG = bytes(1 << 20)
SPACE = "n" * 24

Call = Callable[[], Awaitable[object]]
Pair = tuple[str, Call, Call, int]
"""What it is, by the driver, by hand, how many rounds."""


async def publishing(stack: contextlib.AsyncExitStack, client: NatsClient, raw: nats.NATS) -> AsyncIterator[Pair]:
    driver = JetStreamPubSub(client, SPACE)

    async def by_hand() -> None:
        await raw.publish("by.hand", PAYLOAD)
        await raw.flush()

    yield "publish, plain", lambda: driver.publish("t", PAYLOAD), by_hand, ROUNDS

    stream = raw.jetstream()
    await stream.add_stream(StreamConfig(name="durable", subjects=["durable"]))
    subscription = await stream.pull_subscribe("durable", "name", config=ConsumerConfig(ack_wait=60))
    yield (
        "publish, persistent",
        lambda: driver.publish_persistent("t", PAYLOAD),
        lambda: stream.publish("durable", PAYLOAD),
        ROUNDS,
    )
    member = await stack.enter_async_context(driver.subscribe_durable("t", "name", "earliest"))

    async def receive() -> None:
        await member.ack(*await member.receive())

    async def fetch() -> None:
        for message in await subscription.fetch(1):
            await message.ack_sync()

    yield "receive and ack", receive, fetch, ROUNDS


async def streaming(stack: contextlib.AsyncExitStack, client: NatsClient, raw: nats.NATS) -> AsyncIterator[Pair]:
    driver, stream = JetStreamStream(client, SPACE), raw.jetstream()
    await stream.add_stream(StreamConfig(name="log", subjects=["log"], allow_direct=True))
    yield "append", lambda: driver.append("s", PAYLOAD), lambda: stream.publish("log", PAYLOAD), ROUNDS

    async def read() -> None:
        assert len([record async for record in driver.read("s", 1, 100)]) == 100

    async def fetch() -> None:
        subscription = await stream.pull_subscribe("log", config=ConsumerConfig(ack_policy="none"))  # type: ignore[arg-type]
        assert len(await subscription.fetch(100)) == 100
        await subscription.unsubscribe()

    yield "read 100 records", read, fetch, ROUNDS // 4


async def queueing(stack: contextlib.AsyncExitStack, client: NatsClient, raw: nats.NATS) -> AsyncIterator[Pair]:
    driver, stream = JetStreamQueue(client, SPACE), raw.jetstream()
    await stream.add_stream(StreamConfig(name="work", subjects=["work"], retention=RetentionPolicy.WORK_QUEUE))
    subscription = await stream.pull_subscribe("work", "workers")
    yield "enqueue", lambda: driver.enqueue("q", PAYLOAD), lambda: stream.publish("work", PAYLOAD), ROUNDS

    async def fetch() -> None:
        for message in await subscription.fetch(1):
            await message.ack_sync()

    async def receive() -> None:
        lease = await driver.receive("q", 60)
        assert lease is not None
        await driver.ack(lease)

    yield "dequeue", lambda: driver.dequeue("q"), fetch, ROUNDS // 2
    yield "receive and ack", receive, fetch, ROUNDS // 2 - 1


async def keeping(stack: contextlib.AsyncExitStack, client: NatsClient, raw: nats.NATS) -> AsyncIterator[Pair]:
    driver, bucket = JetStreamKeyValue(client, SPACE), await raw.jetstream().create_key_value(bucket="kv")
    yield "set", lambda: driver.set("key", PAYLOAD), lambda: bucket.put("key", PAYLOAD), ROUNDS
    yield "get", lambda: driver.get("key"), lambda: bucket.get("key"), ROUNDS


async def storing(stack: contextlib.AsyncExitStack, client: NatsClient, raw: nats.NATS) -> AsyncIterator[Pair]:
    driver, store = JetStreamObjectStorage(client, SPACE), await raw.jetstream().create_object_store("objects")
    await driver.create_bucket("b")
    for name, data in (("100 bytes", PAYLOAD), ("1 MiB", LONG)):

        async def put(data: bytes = data) -> None:
            await driver.put("b", "key", data)

        async def put_by_hand(data: bytes = data) -> None:
            await store.put("key", data)

        async def get(data: bytes = data) -> None:
            assert len(await driver.get("b", "key") or b"") == len(data)

        async def get_by_hand(data: bytes = data) -> None:
            assert len((await store.get("key")).data or b"") == len(data)

        yield f"put an object of {name}", put, put_by_hand, ROUNDS // 4
        yield f"get an object of {name}", get, get_by_hand, ROUNDS // 4


async def run() -> None:
    assert jetstream.server is not None
    with tempfile.TemporaryDirectory() as state:
        server = await start("jetstream", jetstream.server, state=Path(state), run_id=secrets.token_hex(4), prefer="native")
        try:
            place = prism.Place(url=server.url, directory=Path(state), shared={}, clock=prism.RealClock())
            for family in (publishing, streaming, queueing, keeping, storing):
                async with contextlib.AsyncExitStack() as stack:
                    client = await stack.enter_async_context(jetstream.connect(place))
                    raw = await stack.enter_async_context(await nats.connect(server.url))
                    async for name, ours, by_hand, rounds in family(stack, client, raw):
                        mine, theirs = await one_by_one((lambda _, call=ours: call(), lambda _, call=by_hand: call()), rounds)
                        print(
                            f"{family.__name__:11} {name:30} {mine:7.0f} us, by hand {theirs:7.0f} us: {theirs / mine:.2f} of raw"
                        )
        finally:
            await server.stop()


def main() -> None:
    try:
        asyncio.run(run())
    except ServerUnavailable as error:
        print(error)


if __name__ == "__main__":
    main()
