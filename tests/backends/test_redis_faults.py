"""The Redis driver when servers die, replies get lost and callers are cancelled."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from awaiting import HANGS_S, LONG_S, expect
from redis_store import World, listed, over_valkey, private, serving

from prism_backends.redis import RedisKeyValue, client, transactions
from prism_backends.valkey import valkey
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout, PrismError
from prism_testkit.servers import RunningServer


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, HANGS_S))


# A server that dies


def test_acknowledged_writes_and_deadlines_survive_a_kill_basic_12_ttl_12(tmp_path: Path) -> None:
    async def main() -> None:
        async with private(tmp_path) as (server, kv):
            for number in range(300):
                await kv.set(f"k{number}", b"x")
            await kv.batch_set({f"b{number}": b"x" for number in range(300)})
            await kv.set_with_ttl("long", b"x", 500)
            set_ms = await server_ms(kv)
            async with kv.transaction() as transaction:
                await transaction.set("t", b"x")
                await transaction.delete("k0")
            assert await kv.compare_and_swap("k1", b"x", b"y")
            await server.kill()
            await server.restart()
            assert await kv.count() == 601
            assert (await kv.get("k0"), await kv.get("k1"), await kv.get("t")) == (None, b"y", b"x")
            passed_s = (await server_ms(kv) - set_ms) / 1000  # the time while the store was down is in it
            assert 400 < (await kv.ttl("long") or 0) <= 500 - passed_s + valkey.limits.clock_resolution_s

    run(main())


def test_while_it_is_away_calls_say_so_and_once_it_is_back_they_work_basic_13(tmp_path: Path) -> None:
    """Ten connections lie idle when the server dies: none of them may cost a call after the restart."""

    async def main() -> None:
        async with private(tmp_path) as (server, kv):
            await asyncio.gather(*(kv.set(f"k{number}", b"x") for number in range(10)))
            await server.kill()
            for call in (kv.get("k0"), kv.set("k0", b"y"), kv.count(), kv.batch_get(["k0"]), transact(kv)):
                error = await expect(BackendUnavailable, call)
                assert isinstance(error.__cause__, Exception)
            await server.restart()
            assert await asyncio.gather(*(kv.get(f"k{number}") for number in range(10))) == [b"x"] * 10
            await server.restart()
            await transact(kv)
            assert await asyncio.gather(*(kv.get(f"k{number}") for number in range(10))) == [b"x"] * 10

    run(main())


async def server_ms(kv: RedisKeyValue) -> float:
    seconds, micros = await kv.client.execute_command("TIME")
    return float(seconds) * 1000 + float(micros) / 1000


async def transact(kv: RedisKeyValue) -> None:
    async with kv.transaction() as transaction:
        await transaction.get("k0")
        await transaction.set("k0", b"x")


def test_a_kill_in_the_middle_of_writes_loses_nothing_acknowledged_basic_12(tmp_path: Path) -> None:
    async def main() -> None:
        async with private(tmp_path) as (server, kv):
            acknowledged: dict[str, bytes] = {}

            async def write(worker: int) -> None:
                with contextlib.suppress(BackendUnavailable):
                    for number in range(100_000):
                        await kv.set(f"{worker}/{number}", value := os.urandom(2000))
                        acknowledged[f"{worker}/{number}"] = value

            for _ in range(3):
                before = len(acknowledged)
                writers = [asyncio.ensure_future(write(worker + before)) for worker in range(8)]
                while len(acknowledged) < before + 200:  # noqa: ASYNC110  progress has no event
                    await asyncio.sleep(0)
                await server.kill()
                await asyncio.gather(*writers)
                await server.restart()
                assert await kv.batch_get(list(acknowledged)) == acknowledged

    run(main())


@contextlib.contextmanager
def stopped(server: RunningServer) -> Iterator[None]:
    """Freeze the server: it takes what it is sent, and answers nothing."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_server_that_does_not_answer_is_a_timeout_and_its_late_answers_reach_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with private(tmp_path) as (server, kv):
            await asyncio.gather(*(kv.set(f"k{number}", str(number).encode()) for number in range(10)))
            with stopped(server):
                for module in (client, transactions):
                    monkeypatch.setattr(module, "TIMEOUT_S", 0.1)
                await asyncio.gather(*(expect(OperationTimeout, kv.get(f"k{number}")) for number in range(10)))
                await expect(OperationTimeout, transact(kv))
                monkeypatch.undo()
            found = await asyncio.gather(*(kv.get(f"k{number}") for number in range(10)))
            assert found == [str(number).encode() for number in range(10)]

    run(main())


# Callers that are cancelled


@over_valkey
async def test_after_a_cancel_nobody_gets_another_s_answer_basic_11(world: World) -> None:
    """200 cancels at random moments, among reads that know what they must get."""
    kv, draw = world.kv, random.Random(11)
    keys = [f"k{number}" for number in range(20)]
    await kv.batch_set({key: key.encode() * 1000 for key in keys})
    await kv.set("big", bytes(1_000_000))
    cancelled = 0  # a call may be done before it is cancelled, so the cancels are counted, not the rounds

    async def read(key: str) -> None:
        for _ in range(3):
            assert await kv.get(key) == key.encode() * 1000
            assert await kv.exists("nothing") is False

    async def transaction() -> None:
        async with kv.transaction() as opened:
            assert await opened.get("k0") == b"k0" * 1000
            await opened.set("t", b"x")

    while cancelled < 200:
        victims: list[Awaitable[object]] = [
            kv.get("big"),
            kv.set("mine", bytes(draw.choice([1, 100_000]))),
            listed(kv.scan()),
            transaction(),
        ]
        tasks = [asyncio.ensure_future(victim) for victim in victims]
        readers = [asyncio.ensure_future(read(draw.choice(keys))) for _ in range(3)]
        for task in tasks:
            for _ in range(draw.choice([0, 1, 2, 3, 5, 8, 13])):
                await asyncio.sleep(0)
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
        assert [result for result in results if isinstance(result, Exception)] == []
        await asyncio.gather(*readers)
    pool = kv.client.connection_pool
    assert pool._in_use_connections == set()
    assert len(pool._available_connections) < 60


@over_valkey
async def test_a_cancelled_write_is_whole_or_absent_basic_11_batch_6(world: World) -> None:
    kv = world.kv
    old, new = b"o" * 300_000, b"n" * 300_000
    items = {f"k{number}": new for number in range(20)}
    for turns in range(0, 60, 3):
        await kv.batch_set(dict.fromkeys(items, old))
        task = asyncio.ensure_future(kv.batch_set(items))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found = await kv.batch_get(list(items))
        assert len(found) == 20
        assert set(found.values()) <= {old, new}


@over_valkey
async def test_a_cancel_is_never_swallowed(world: World) -> None:
    """`asyncio.wait_for` swallows one that comes in the turn in which its task ends (before Python 3.12)."""
    for turns in range(30):
        going_on = False

        async def call_for_ever() -> None:
            nonlocal going_on
            await world.kv.set("key", b"x")
            going_on = True
            await asyncio.sleep(3600)

        task = asyncio.ensure_future(call_for_ever())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=LONG_S)
        assert done, going_on
        assert task.cancelled()


# Replies that get lost


class Proxy:
    """Passes everything on to the server, until it is told to lose the answer to a command."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lose = b""
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        loses = False

        async def answered() -> None:
            while answer := await server_reader.read(100_000):
                if loses:
                    self.lost += 1
                    break
                writer.write(answer)
            writer.close()

        answering = asyncio.ensure_future(answered())
        try:
            while request := await reader.read(100_000):
                loses = loses or (self.lose != b"" and self.lose in request)
                server_writer.write(request)
        finally:
            server_writer.close()
            await answering


@contextlib.asynccontextmanager
async def proxied(world: World) -> AsyncIterator[tuple[Proxy, RedisKeyValue]]:
    port = world.url.rpartition(":")[2].partition("/")[0]
    proxy = Proxy(int(port))
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listener:
        there = str(listener.sockets[0].getsockname()[1])
        kv = await world.client(url=world.url.replace(port, there))
        await kv.get("key")
        yield proxy, kv
        await kv.client.connection_pool.disconnect()


@over_valkey
async def test_a_command_whose_answer_was_lost_is_not_sent_again(world: World) -> None:
    async with proxied(world) as (proxy, kv):
        proxy.lose = b"INCR"
        with pytest.raises(Exception, match="Connection closed by server"):
            await kv.client.execute_command("INCR", f"{world.namespace}:n")
        assert await world.kv.get("n") == b"1"
        proxy.lose = b"DEL"
        await world.kv.set("key", b"x")
        await expect(BackendUnavailable, kv.delete("key"))
        assert await world.kv.get("key") is None
        assert proxy.lost == 2
        proxy.lose = b""
        assert await kv.delete("key") is False


@over_valkey
async def test_a_commit_whose_answer_was_lost_is_not_called_a_conflict(world: World) -> None:
    """`Conflict` says that nothing was done, and here everything was."""
    async with proxied(world) as (proxy, kv):
        proxy.lose = b"EXEC"

        async def commit(read: bool) -> None:
            async with kv.transaction() as transaction:
                if read:
                    await transaction.get("key")
                await transaction.set("key", b"read" if read else b"blind")

        for read, value in ((True, b"read"), (False, b"blind")):
            await expect(BackendUnavailable, commit(read))
            assert await world.kv.get("key") == value


# Addresses


def test_options_of_the_address_cannot_break_the_driver(tmp_path: Path) -> None:
    """Text instead of bytes, the other protocol, repeats: each would break a promise."""
    options = "?protocol=3&decode_responses=true&health_check_interval=1&retry_on_timeout=true&max_connections=1"

    async def main() -> None:
        async with private(tmp_path) as (server, _), client.opened(server.url + options) as connected:
            kv = RedisKeyValue(connected, "prism")
            await asyncio.gather(*(kv.set(f"k{number}", b"\xff") for number in range(10)))
            assert dict(await listed(kv.scan())) == {f"k{number}": b"\xff" for number in range(10)}
            await server.kill()
            await expect(PrismError, kv.get("k1"))
            await server.restart()
            assert await asyncio.gather(*(kv.get(f"k{number}") for number in range(10))) == [b"\xff"] * 10

    run(main())


def test_redis_py_is_only_needed_when_the_backend_is() -> None:
    code = (
        "import sys, prism_testkit.servers, prism_testkit.registry, prism_backends; assert 'redis' not in sys.modules;"
        "import prism_backends.redis; assert 'redis.asyncio' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
