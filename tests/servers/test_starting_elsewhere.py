"""Ports that are taken, and servers that are given by address."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from server_cases import RUN, VALKEY, never, run, shell, valkey_with
from starting_world import refused, started, time_is_up_when

from prism_backends.redis import redis
from prism_testkit.servers import ServerUnavailable, launching, records, start, start_private, starting
from prism_testkit.servers.ports import free_ports


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PRISM_")]:
        monkeypatch.delenv(name)


def give_ports(monkeypatch: pytest.MonkeyPatch, first: Callable[[], list[int]]) -> list[int]:
    """Let the next start be given ``first()``, and those after it free ports; return how often ports were asked for."""
    asked: list[int] = []

    def ports(count: int) -> list[int]:
        asked.append(count)
        return first() if len(asked) == 1 else free_ports(count)

    monkeypatch.setattr(launching, "free_ports", ports)
    return asked


def test_a_port_that_was_taken_meanwhile_is_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one answers in the same language, so an answer alone would prove nothing."""

    async def main() -> None:
        async with started(tmp_path) as first:
            port = int(first.url.rpartition(":")[2].partition("/")[0])
            asked = give_ports(monkeypatch, lambda: [port])
            async with started(tmp_path) as second:
                assert asked == [1, 1]
                assert second.url != first.url
                assert (first.alive(), second.alive()) == (True, True)

    run(main())


def test_an_answer_from_another_process_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with started(tmp_path) as first:
            port = int(first.url.rpartition(":")[2].partition("/")[0])
            give_ports(monkeypatch, lambda: [port])
            asked: list[str] = []

            async def ready(url: str) -> None:
                asked.append(url)

            time_is_up_when(monkeypatch, lambda: asked)
            with pytest.raises(ServerUnavailable, match="another process answered on its port"):
                await start("acme", shell("exec sleep 1000", ready), state=tmp_path, run_id=RUN, deadline_s=0.3)

    run(main())


def test_when_every_port_is_taken_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with started(tmp_path) as first:
            port = int(first.url.rpartition(":")[2].partition("/")[0])
            monkeypatch.setattr(launching, "free_ports", lambda count: [port])
            with pytest.raises(ServerUnavailable, match=r"(?s)5 ports were taken .* Address already in use"):
                await start("valkey", VALKEY, state=tmp_path, run_id=RUN)
            assert len(records(tmp_path)) == 1

    run(main())


def test_several_at_once_do_not_meet(tmp_path: Path) -> None:
    async def main() -> None:
        servers = await asyncio.gather(*(start("valkey", VALKEY, state=tmp_path, run_id=RUN) for _ in range(4)))
        assert len({server.url for server in servers}) == len({server.directory for server in servers}) == 4
        assert len(records(tmp_path)) == 4
        await asyncio.gather(*(server.stop() for server in servers))

    run(main())


async def lines(answer: bytes) -> asyncio.Server:
    """Return a server that says one thing to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                writer.write(answer)
                await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def test_a_server_given_by_url_is_used_and_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with started(tmp_path) as own:
            monkeypatch.setenv("PRISM_VALKEY_URL", own.url)
            given = await start("valkey", VALKEY, state=tmp_path, run_id=RUN, keep=True)
            assert (given.origin, given.owned, given.pid, given.directory) == ("url", False, None, None)
            assert (given.url, given.version, given.alive(), given.last_lines()) == (own.url, own.version, True, "")
            for call in (given.kill, given.restart):
                with pytest.raises(ServerUnavailable, match="given by URL"):
                    await call()
            await given.stop()
            assert own.alive()
            with pytest.raises(ServerUnavailable, match="given by PRISM_VALKEY_URL, and this needs a server of its own"):
                await start_private("valkey", VALKEY, state=tmp_path, run_id=RUN)
            private = await start_private("valkey", VALKEY, state=tmp_path, run_id=RUN, prefer="native")
            assert private.owned
            await private.stop()

    run(main())


def test_a_private_server_is_another_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with started(tmp_path) as shared:
            private = await start_private("valkey", VALKEY, state=tmp_path, run_id=RUN)
            assert private.pid != shared.pid
            await private.kill()
            assert shared.alive()
            await private.stop()
            assert shared.alive()

    run(main())


def test_the_wrong_product_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with started(tmp_path) as server:
            monkeypatch.setenv("PRISM_REDIS_URL", server.url)
            assert redis.server is not None
            with pytest.raises(
                ServerUnavailable,
                match=rf"PRISM_REDIS_URL cannot be used: .*it is Valkey {server.version}, not Redis.*PRISM_VALKEY_URL",
            ):
                await start("redis", redis.server, state=tmp_path, run_id=RUN)

    run(main())


def test_a_server_of_another_kind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\0\r\n", b"+OK\r\n", b"*1\r\n"):
            other = await lines(answer)
            monkeypatch.setattr(starting, "_ANSWER_S", 0.5)
            monkeypatch.setenv("PRISM_VALKEY_URL", f"redis://:s3cret@127.0.0.1:{other.sockets[0].getsockname()[1]}/0")
            with pytest.raises(ServerUnavailable, match="what answers at PRISM_VALKEY_URL cannot be used") as caught:
                await start("valkey", VALKEY, state=tmp_path, run_id=RUN)
            assert "s3cret" not in f"{caught.value} {caught.value!r}"
            other.close()

    run(main())


def test_nobody_at_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # and nobody listens on it
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PRISM_VALKEY_URL", f"redis://:s3cret@127.0.0.1:{taken.getsockname()[1]}/0")
        said = refused("valkey", VALKEY, tmp_path)
    assert "ConnectionError" in said
    assert "s3cret" not in said


def chain(error: BaseException | None) -> str:
    """Return all that could be shown of an error and of those it is chained to."""
    return "" if error is None else f"{error} {error!r} {error.args!r} {chain(error.__cause__)} {chain(error.__context__)}"


def test_a_wrong_password_is_told_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = await start(
            "valkey", replace(valkey_with("--requirepass", "r1ght"), ready=knock, version=None), state=tmp_path, run_id=RUN
        )
        place = server.url.partition("//")[2]
        try:
            for url in (f"redis://:wr0ng-s3cret@{place}", f"redis://:wr0ng-s3cret@{place}?password=wr0ng-s3cret"):
                monkeypatch.setenv("PRISM_VALKEY_URL", url)
                with pytest.raises(ServerUnavailable, match="AuthenticationError") as caught:
                    await start("valkey", VALKEY, state=tmp_path, run_id=RUN)
                assert "s3cret" not in chain(caught.value)
            monkeypatch.setenv("PRISM_VALKEY_URL", f"redis://:r1ght@{place}")
            given = await start("valkey", VALKEY, state=tmp_path, run_id=RUN)
            assert "r1ght" not in repr(given)
        finally:
            await server.stop()

    run(main())


async def knock(url: str) -> None:
    """Only ask whether somebody listens: the password is the subject of the test."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))
    writer.close()


def test_secrets_in_a_server_s_own_output_are_masked(tmp_path: Path) -> None:
    server = replace(shell("echo user s3cret says acme://u:s3cret@h; exit 1", never), url="acme://user:s3cret@127.0.0.1:{port}")
    said = refused("acme", server, tmp_path)
    assert "s3cret" not in said
    assert "user *** says" in said
