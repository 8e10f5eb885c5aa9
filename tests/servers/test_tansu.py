"""A Tansu of ours: where it listens, how an Apache Kafka is told from it, and the real one where its wheel is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from server_cases import RUN, run

import prism_testkit as prism
from prism_backends.kafka.client import LATEST
from prism_backends.kafka.space import Space
from prism_backends.tansu import connect, server
from prism_testkit.interfaces import errors
from prism_testkit.servers import ServerUnavailable, locate, start


def answering(answer: bytes) -> Callable[[Callable[[str], Awaitable[str]]], str]:
    """Return what calls something with the address of a broker that gives one answer to one request."""

    def call(asking: Callable[[str], Awaitable[str]]) -> str:
        async def main() -> str:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readexactly(int.from_bytes(await reader.readexactly(4)))
                writer.write(len(answer).to_bytes(4) + answer)
                await writer.drain()
                writer.close()

            listening = await asyncio.start_server(serve, "127.0.0.1", 0)
            async with listening:
                return await asking(f"kafka://127.0.0.1:{listening.sockets[0].getsockname()[1]}")

        return run(main())

    return call


API_VERSIONS = (18).to_bytes(4) + b"\0\0" + b"\x01" + b"\0\0\0\0"
NONE_NAMED, FINALIZED_27 = b"\0", b"\x01" + b"\x02" + b"\x17" + b"\x02" + b"\x11metadata.version" + b"\0\x1b\0\x01" + b"\0"


def test_it_listens_where_it_is_told_and_keeps_nothing() -> None:
    assert server.command is not None
    told = server.command("tansu", Path("place"), 4000)
    assert [option for option in told if ":4000" in option] == ["tcp://127.0.0.1:4000"] * 2
    assert "memory://tansu/" in told


def test_an_apache_kafka_is_told_from_it() -> None:
    assert server.version is not None
    assert answering(API_VERSIONS + NONE_NAMED)(server.version) == ""
    with pytest.raises(errors.ConfigError, match="it is not Tansu but an Apache Kafka"):
        answering(API_VERSIONS + FINALIZED_27)(server.version)


def there() -> str:
    """Return why there is no Tansu here; empty if there is."""
    try:
        locate("tansu", server, "native")
    except ServerUnavailable as error:
        return str(error)
    return ""


@pytest.mark.skipif(bool(there()), reason=there())
def test_what_it_was_told_before_it_was_killed_is_forgotten_by_its_clients_too(tmp_path: Path) -> None:
    async def main() -> None:
        running = await start("tansu", server, prefer="native", state=tmp_path, run_id=RUN, deadline_s=150)
        try:
            place = prism.Place(url=running.url, directory=tmp_path, shared={}, clock=prism.RealClock())
            async with connect(place) as client, connect(place) as other:
                spaces = [Space(each, "prism-forgets-stream") for each in (client, other)]
                await spaces[0].stream("first", "before")
                assert list((await spaces[1].sync("look")).streams) == ["before"]
                await running.kill()
                await running.restart()
                for number, space in enumerate(spaces):  # the log is as long as it was before the second one looks at it
                    await space.stream("again", f"after {number}")
                for space in spaces:
                    assert [*(await space.sync("look")).streams] == ["after 0", "after 1"]
        finally:
            await running.stop()

    run(main())


@pytest.mark.skipif(bool(there()), reason=there())
def test_what_nobody_made_is_not_written_and_not_read(tmp_path: Path) -> None:
    async def main() -> None:
        running = await start("tansu", server, prefer="native", state=tmp_path, run_id=RUN, deadline_s=150)
        try:
            async with connect(prism.Place(url=running.url, directory=tmp_path, shared={}, clock=prism.RealClock())) as client:
                assert await client.append("append", "nobody's", 0, b"x") is None
                assert await client.fetch("fetch", "nobody's", [(0, 0, 100)]) == {0: None}
                assert await client.offsets("offsets", "nobody's", {0: LATEST}) == {0: 0}
                await client.create("create", "ours", 1)
                for number in range(500):
                    assert await client.append("append", "ours", 3, b"x" * number) is not None
                read = 0
                while page := (await client.fetch("fetch", "ours", [(3, read, 4_000_000)]))[3]:
                    if not page.records:
                        break
                    read = page.records[-1].offset + 1
                assert read == page.end == 500
        finally:
            await running.stop()

    run(main())
