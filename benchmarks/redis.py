"""The Redis drivers against redis-py by hand, over one Valkey, in one run: ``python -m benchmarks.redis``.

By hand is what an application would write: one command, over redis-py's own client. Calls alternate, one by hand and one of ours,
and the ratio is that of the lower quartiles; 1.0 is as fast as by hand. The driver does more where the contract says so: an append
asks how many partitions and which bounds there are, a persistent message is kept for every subscription to come, an ordered one is
chained to the one before it, and a receive by a group looks for what comes again, for members that died and for bounds.
"""

import asyncio
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

import prism_testkit as prism
from benchmarks._calls import Call, one_by_one
from prism_backends.redis import RedisKeyValue, RedisPubSub, RedisStream
from prism_backends.valkey import valkey
from prism_testkit.interfaces import Record
from prism_testkit.servers import start

CALLS = 1500
PAGE = 100
VALUE = bytes(229)
SPACE = "n" * 24
TOPIC, LOG = b"raw:topic", b"raw:log"


async def pairs(stack: AsyncExitStack, url: str, raw: Any) -> dict[str, tuple[Call, Call]]:
    """Return, for each operation, a call by hand and ours."""
    place = prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock())
    client = await stack.enter_async_context(valkey.connect(place))
    kv, pubsub, stream = RedisKeyValue(client, SPACE), RedisPubSub(client, SPACE), RedisStream(client, SPACE)
    await raw.xgroup_create(LOG, "g", mkstream=True)
    await stream.create_group("s", "g")
    member = await stack.enter_async_context(stream.join("s", "g", "c"))
    await stream.set_retention("bounded", max_records=1000)
    await stream.create_partitioned("parted", 8)

    async def taken_by_hand(turn: int) -> None:
        ((_, ((identity, _),)),) = await raw.xreadgroup("g", "c", {LOG: ">"}, count=1)
        await raw.xack(LOG, "g", identity)

    async def taken(turn: int) -> None:
        await member.ack(*await member.receive())

    async def page(turn: int) -> list[Record]:
        return [record async for record in stream.read("s", 0, PAGE)]

    def add(turn: int) -> Awaitable[Any]:
        found: Awaitable[Any] = raw.xadd(LOG, {b"p": VALUE})
        return found

    return {
        "set": (lambda n: raw.set(b"raw:%d" % (n % 100), VALUE), lambda n: kv.set(str(n % 100), VALUE)),
        "publish": (lambda n: raw.publish(TOPIC, VALUE), lambda n: pubsub.publish("t", VALUE)),
        "publish_persistent": (add, lambda n: pubsub.publish_persistent("t", VALUE)),
        "publish_ordered": (add, lambda n: pubsub.publish_ordered("u", str(n % 10), VALUE)),
        "append": (add, lambda n: stream.append("s", VALUE)),
        "append, bounded": (
            lambda n: raw.xadd(b"raw:bounded", {b"p": VALUE}, maxlen=1000, approximate=False),
            lambda n: stream.append("bounded", VALUE),
        ),
        "append, to a partition": (add, lambda n: stream.append("parted", VALUE, str(n % 100))),
        "receive and ack": (taken_by_hand, taken),
        f"read {PAGE}": (lambda n: raw.xrange(LOG, count=PAGE), page),
    }


async def measure(url: str) -> None:
    async with AsyncExitStack() as stack:
        raw: Any = await stack.enter_async_context(Redis.from_url(url))
        for name, ways in (await pairs(stack, url, raw)).items():
            by_hand, ours = await one_by_one(ways, CALLS)
            print(f"{name:24} by hand {by_hand:7.0f} us   ours {ours:7.0f} us   ratio {by_hand / ours:.2f}", flush=True)


async def run() -> None:
    assert valkey.server is not None
    with tempfile.TemporaryDirectory() as folder:
        server = await start("valkey", valkey.server, state=Path(folder), run_id="bench", prefer="native")
        try:
            print(f"Valkey {server.version}")
            await measure(server.url)
        finally:
            await server.stop()


def main() -> None:
    asyncio.run(run())


if __name__ == "__main__":
    main()
