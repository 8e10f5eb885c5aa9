"""The proxy does what it is asked, counts it, and leaves nothing behind. Its server says back what it is told, in capitals."""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from server_cases import run, until

from prism_testkit.servers.addresses import address_of, readdressed
from prism_testkit.servers.proxy import Proxy

Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class World:
    """A server, a proxy before it, and what the server was told."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.told: list[bytes] = []
        self.ended: list[str] = []
        self.talks: list[Talk] = []

    async def talk(self) -> Talk:
        reader, writer = await asyncio.open_connection(*self.proxy.address)
        self.talks.append((reader, writer))
        return reader, writer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while said := await reader.read(1 << 16):
                self.told.append(said)
                writer.write(said.upper())
                await writer.drain()
            self.ended.append("end")
        except ConnectionResetError:
            self.ended.append("reset")
        finally:
            writer.close()


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    found: list[World] = []
    server = await asyncio.start_server(lambda reader, writer: found[0].serve(reader, writer), "127.0.0.1", 0)
    proxy = Proxy(*server.sockets[0].getsockname())
    found.append(World(proxy))
    proxy.start()
    try:
        yield found[0]
    finally:
        for _, writer in found[0].talks:
            writer.close()
        proxy.close()
        server.close()


def over_a_server(scenario: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        async def main() -> None:
            async with world() as found:
                await scenario(found)

        run(main())

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


async def says(talk: Talk, text: bytes) -> bytes:
    """Say something and return the answer, as long as what was said."""
    talk[1].write(text)
    return await talk[0].readexactly(len(text))


async def is_reset(talk: Talk) -> bool:
    """Say whether a connection ends by a reset, whatever comes before that."""
    try:
        while await talk[0].read(1 << 16):
            pass
    except ConnectionResetError:
        return True
    return False


@over_a_server
async def test_what_is_said_and_answered_passes(world: World) -> None:
    one, other = await world.talk(), await world.talk()
    assert await says(one, b"abc") == b"ABC"
    long = os.urandom(500_000).hex().encode()
    assert await says(other, long) == long.upper()
    counts = world.proxy.counts
    assert (counts.connections, counts.dropped, counts.reset) == (2, 0, 0)
    assert counts.requests > 2 <= counts.answers
    assert world.proxy.open_connections == 2


@over_a_server
async def test_an_end_passes_in_each_direction(world: World) -> None:
    talk = await world.talk()
    assert await says(talk, b"abc") == b"ABC"
    talk[1].write_eof()
    assert await talk[0].read() == b""
    await until(lambda: world.proxy.open_connections == 0)
    assert world.ended == ["end"]


@over_a_server
async def test_a_reset_of_either_end_reaches_the_other(world: World) -> None:
    talk = await world.talk()
    assert await says(talk, b"abc") == b"ABC"
    connection = talk[1].get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # without it, an orderly end
    talk[1].transport.abort()
    await until(lambda: world.ended == ["reset"])
    await until(lambda: world.proxy.open_connections == 0)


@over_a_server
async def test_a_reset_is_one_and_later_connections_pass(world: World) -> None:
    talks = [await world.talk() for _ in range(5)]
    for talk in talks:
        await says(talk, b"abc")
    assert await world.proxy.reset() == 5
    assert [await is_reset(talk) for talk in talks] == [True] * 5
    await until(lambda: len(world.ended) == 5)
    assert world.ended == ["reset"] * 5
    assert await says(await world.talk(), b"d") == b"D"
    assert world.proxy.counts.reset == 5


@over_a_server
async def test_what_is_dropped_never_arrives_and_the_connection_ends_with_the_fault(world: World) -> None:
    talk = await world.talk()
    await says(talk, b"abc")
    await world.proxy.drop()
    talk[1].write(b"lost")
    await until(lambda: world.proxy.counts.dropped == 1)
    assert world.proxy.open_connections == 1
    await world.proxy.pass_on()
    assert await is_reset(talk)
    assert world.told == [b"abc"]
    assert await says(await world.talk(), b"d") == b"D"


@over_a_server
async def test_answers_alone_can_be_dropped_after_some_that_pass(world: World) -> None:
    talk = await world.talk()
    await world.proxy.drop("down", after=2)
    assert [await says(talk, text) for text in (b"a", b"b")] == [b"A", b"B"]
    talk[1].write(b"c")
    await until(lambda: world.proxy.counts.lost_answers == 1)
    assert world.told == [b"a", b"b", b"c"]
    await world.proxy.pass_on()
    assert await is_reset(talk)


@over_a_server
async def test_what_is_held_arrives_when_it_passes_again(world: World) -> None:
    talk = await world.talk()
    await world.proxy.hold("up")
    talk[1].write(b"abc")
    await until(lambda: world.proxy.counts.held == 1)
    assert world.told == []
    await world.proxy.hold("down")
    await until(lambda: world.told == [b"abc"] and world.proxy.counts.held == 2)
    await world.proxy.pass_on()
    assert await talk[0].readexactly(3) == b"ABC"
    assert await says(talk, b"d") == b"D"


@over_a_server
async def test_what_was_held_can_be_dropped_and_reset(world: World) -> None:
    talks = [await world.talk() for _ in range(2)]
    await world.proxy.hold()
    for talk in talks:
        talk[1].write(b"abc")
    await until(lambda: world.proxy.counts.held == 2)
    await world.proxy.drop()
    await until(lambda: world.proxy.counts.dropped == 2)
    assert await world.proxy.reset() == 2
    assert [await is_reset(talk) for talk in talks] == [True, True]
    assert world.told == []


@over_a_server
async def test_an_end_is_held_too(world: World) -> None:
    talk = await world.talk()
    await says(talk, b"abc")
    await world.proxy.hold()
    talk[1].write_eof()
    other = await world.talk()
    other[1].write(b"behind it")
    await until(lambda: world.proxy.counts.held == 1)
    assert world.ended == []
    await world.proxy.pass_on()
    await until(lambda: world.ended == ["end"])


@over_a_server
async def test_a_delay_is_waited_for_in_each_direction(world: World) -> None:
    talk = await world.talk()
    await world.proxy.delay(0.05)
    began = asyncio.get_running_loop().time()
    assert await says(talk, b"abc") == b"ABC"
    assert asyncio.get_running_loop().time() - began >= 0.09
    assert world.proxy.counts.delayed == 2
    await world.proxy.delay(1000)
    talk[1].write(b"d")
    await until(lambda: world.proxy.counts.delayed == 3)
    await world.proxy.pass_on()
    assert await talk[0].readexactly(1) == b"D"


@over_a_server
async def test_new_connections_are_refused_and_old_ones_go_on(world: World) -> None:
    talk = await world.talk()
    await says(talk, b"abc")
    await world.proxy.refuse()
    with pytest.raises(ConnectionResetError):  # at the connect, or a moment later
        await says(await world.talk(), b"?")
    assert world.proxy.counts.refused == 1
    assert await says(talk, b"d") == b"D"
    await world.proxy.pass_on()
    assert await says(await world.talk(), b"e") == b"E"


@pytest.mark.parametrize("pieces", [[b"abcdefgh"], [b"abcd", b"efgh"], [b"ab", b"cd", b"efgh"]])
def test_a_cut_comes_behind_its_byte_once(pieces: list[bytes]) -> None:
    async def scenario(world: World) -> None:
        talk = await world.talk()
        await world.proxy.cut_after(4)
        for number, piece in enumerate(pieces):
            talk[1].write(piece)
            await until(lambda number=number: len(world.told) > number or world.proxy.counts.cut == 1)  # type: ignore[misc]
        assert await is_reset(talk)
        await until(lambda: bool(world.ended))
        assert b"abcd".startswith(b"".join(world.told))
        assert world.proxy.counts.cut == 1
        assert await says(await world.talk(), b"abcdefgh") == b"ABCDEFGH"

    over_a_server(scenario)()


@over_a_server
async def test_a_lost_answer_is_to_a_request_that_arrived(world: World) -> None:
    talk, other = await world.talk(), await world.talk()
    await says(other, b"before")
    await world.proxy.lose_answer(after=1)
    assert await says(talk, b"abc") == b"ABC"
    talk[1].write(b"lost")
    assert await is_reset(talk)
    assert world.told == [b"before", b"abc", b"lost"]
    assert (world.proxy.counts.lost_answers, world.proxy.open_connections) == (1, 1)
    assert await says(other, b"d") == b"D"


@over_a_server
async def test_half_closed_the_reader_finds_the_end(world: World) -> None:
    down, up = await world.talk(), await world.talk()
    for talk in (down, up):  # an answer, so that the proxy has reached the server for each
        await says(talk, b"abc")
    assert await world.proxy.half_close("down") == 2
    assert await down[0].read() == b""
    assert await up[0].read() == b""
    down[1].write(b"still")
    await until(lambda: b"still" in world.told)
    await world.proxy.pass_on()
    talk = await world.talk()
    assert await says(talk, b"abc") == b"ABC"
    await until(lambda: len(world.ended) == 2)  # the server knows that the connections from before are reset
    world.ended.clear()
    assert await world.proxy.half_close("up") == 1
    await until(lambda: world.ended == ["end"])
    assert await talk[0].read() == b""


def test_a_server_that_is_not_there_is_a_reset() -> None:
    async def main(proxy: Proxy) -> None:
        proxy.start()
        try:
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await says(await asyncio.open_connection(*proxy.address), b"?")
            assert proxy.counts.unreached == 1
        finally:
            proxy.close()

    with socket.socket() as taken:  # and nobody listens on it
        taken.bind(("127.0.0.1", 0))
        run(main(Proxy(*taken.getsockname())))


def test_nothing_is_left_when_it_is_closed() -> None:
    def held() -> int:
        return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0

    async def main() -> None:
        async with world() as found:
            pass
        del found
        threads, files = threading.active_count(), held()
        for _ in range(5):
            async with world() as found:
                talks = [await found.talk() for _ in range(10)]
                await says(talks[0], b"a")
                await found.proxy.hold()
                for _, writer in talks:
                    writer.write(b"held")
                await until(lambda: found.proxy.counts.held == 10)
                address = found.proxy.address
            found.proxy.close()
            with pytest.raises(RuntimeError, match="not started"):
                await found.proxy.reset()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address)
        # Fewer too: what other tests left may end meanwhile.
        await until(lambda: threading.active_count() <= threads and held() <= files)

    run(main())


def test_it_is_started_once() -> None:
    proxy = Proxy("127.0.0.1", 1)
    with pytest.raises(RuntimeError, match="not started"):
        _ = proxy.address
    proxy.close()
    proxy.start()
    try:
        with pytest.raises(RuntimeError, match="started already"):
            proxy.start()
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("redis://127.0.0.1:6379/0?a=b", "redis://10.0.0.1:77/0?a=b"),
        (
            "postgresql://prism:a%40b@127.0.0.1:5432/postgres?sslmode=disable",
            "postgresql://prism:a%40b@10.0.0.1:77/postgres?sslmode=disable",
        ),
        ("http://user:pass@[::1]:9000", "http://user:pass@10.0.0.1:77"),
    ],
)
def test_a_url_that_leads_elsewhere_asks_for_the_same(url: str, there: str) -> None:
    assert readdressed(url, "10.0.0.1", 77) == there
    assert address_of(there) == ("10.0.0.1", 77)


@pytest.mark.parametrize("url", ["nats://a:1,b:2", "redis+unix:///tmp/socket", "http://host"])
def test_a_url_without_one_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="its URL names"):
        address_of(url)
