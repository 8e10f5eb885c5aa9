"""The PostgreSQL drivers against asyncpg by hand, over one server, in one run: ``python -m benchmarks.postgres``.

By hand is what an application would write: one statement, over a connection it keeps, or over asyncpg's own pool where many call
at once, on a table with no more than it needs. Calls alternate, one by hand and one of ours, and the ratio is that of the lower
quartiles; of many calls at once whole rounds alternate, and it is that of the medians. 1.0 is as fast as by hand. The driver does
more where the contract says so: ``dequeue`` looks for leases that ended, ``append`` and ``enqueue`` number in the order of commits.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]

import prism_testkit as prism
from benchmarks._calls import Call, one_by_one
from prism_backends.postgres import PostgresKeyValue, PostgresPubSub, PostgresQueue, PostgresStream, postgres
from prism_testkit.servers import start

CALLS = 1500
ROUNDS = 9
AT_ONCE = 12
IN_A_ROUND = 600
VALUE = bytes(229)
SPACE = "n" * 24

TABLES = """
CREATE SCHEMA raw;
CREATE TABLE raw.kv (key bytea PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE raw.queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload bytea NOT NULL);
CREATE TABLE raw.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload bytea NOT NULL);
"""
SET = "INSERT INTO raw.kv VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
GET = "SELECT value FROM raw.kv WHERE key = $1"
ENQUEUE = "INSERT INTO raw.queue (payload) VALUES ($1) RETURNING id"
DEQUEUE = """WITH head AS MATERIALIZED (SELECT id FROM raw.queue ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
  DELETE FROM raw.queue USING head WHERE raw.queue.id = head.id RETURNING raw.queue.id, payload"""
APPEND = "INSERT INTO raw.log (payload) VALUES ($1) RETURNING id"


async def pair_of(stack: AsyncExitStack, url: str, raw: Any) -> dict[str, tuple[Call, Call]]:
    """Return, for each operation, a call by hand, on what ``raw`` is, and ours."""
    place = prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock())
    client = await stack.enter_async_context(postgres.connect(place))
    kv, queue, stream = PostgresKeyValue(client, SPACE), PostgresQueue(client, SPACE), PostgresStream(client, SPACE)
    pubsub = PostgresPubSub(client, SPACE)
    return {
        "set": (lambda n: raw.fetch(SET, b"%d" % (n % 100), VALUE), lambda n: kv.set(str(n % 100), VALUE)),
        "get": (lambda n: raw.fetch(GET, b"%d" % (n % 100)), lambda n: kv.get(str(n % 100))),
        "enqueue": (lambda n: raw.fetch(ENQUEUE, VALUE), lambda n: queue.enqueue("q", VALUE)),
        "dequeue": (lambda n: raw.fetch(DEQUEUE), lambda n: queue.dequeue("q")),
        "append": (lambda n: raw.fetch(APPEND, VALUE), lambda n: stream.append("s", VALUE)),
        "publish_persistent": (lambda n: raw.fetch(APPEND, VALUE), lambda n: pubsub.publish_persistent("t", VALUE)),
        "publish_ordered": (lambda n: raw.fetch(APPEND, VALUE), lambda n: pubsub.publish_ordered("u", str(n % 10), VALUE)),
    }


async def many_at_once(ways: tuple[Call, Call]) -> tuple[float, float]:
    """Return the median of the rounds of each, in calls a second."""

    async def caller(way: Call, which: int) -> None:
        for number in range(which, IN_A_ROUND, AT_ONCE):
            await way(number)

    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            await asyncio.gather(*(caller(ways[which], number) for number in range(AT_ONCE)))
            rates[which].append(IN_A_ROUND / (time.perf_counter() - began))
    by_hand, ours = (sorted(found)[ROUNDS // 2] for found in rates)
    return by_hand, ours


async def nothing(connection: Any) -> None:
    """Instead of asyncpg's own reset, which is one more round trip a call."""


async def measure(url: str) -> None:
    async with AsyncExitStack() as stack:
        raw = await asyncpg.connect(url)
        stack.push_async_callback(raw.close)
        await raw.execute(TABLES)
        for name, ways in (await pair_of(stack, url, raw)).items():
            by_hand, ours = await one_by_one(ways, CALLS)
            print(
                f"{name:20} one by one     by hand {by_hand:7.0f} us   ours {ours:7.0f} us   ratio {by_hand / ours:.2f}", flush=True
            )
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(asyncpg.create_pool(url, min_size=AT_ONCE, max_size=AT_ONCE, reset=nothing))
        for name, ways in (await pair_of(stack, url, pool)).items():
            by_hand, ours = await many_at_once(ways)
            print(
                f"{name:20} {AT_ONCE} at once     by hand {by_hand:7.0f} /s   ours {ours:7.0f} /s   ratio {ours / by_hand:.2f}",
                flush=True,
            )


async def run() -> None:
    assert postgres.server is not None
    with tempfile.TemporaryDirectory() as folder:
        server = await start("postgres", postgres.server, state=Path(folder), run_id="bench", prefer="native")
        try:
            print(f"PostgreSQL {server.version}, asyncpg {asyncpg.__version__}")
            await measure(server.url)
        finally:
            await server.stop()


def main() -> None:
    asyncio.run(run())


if __name__ == "__main__":
    main()
