"""A server comes up, is what it should be, survives being killed, and leaves nothing; one that does not says why."""

import asyncio
import contextlib
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from server_cases import RUN, VALKEY, gone, never, run, shell, until, valkey_client, valkey_with

from prism_backends.redis import redis
from prism_testkit.servers import RunningServer, ServerUnavailable, launching, records, start, start_private, starting
from prism_testkit.servers.ports import free_ports
from prism_testkit.servers.processes import identify


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PRISM_")]:
        monkeypatch.delenv(name)


@contextlib.asynccontextmanager
async def started(state: Path, keep: bool = False) -> AsyncIterator[RunningServer]:
    server = await start("valkey", VALKEY, state=state, run_id=RUN, keep=keep)
    try:
        yield server
    finally:
        await server.stop()


def folder(server: RunningServer) -> Path:
    assert server.directory is not None
    return server.directory.parent


def number(server: RunningServer) -> int:
    assert server.pid is not None
    return server.pid


def nothing_is_left(state: Path, before: set[Path]) -> None:
    assert records(state) == []
    assert directories() == before


def directories() -> set[Path]:
    return {path for place in (Path("/dev/shm"), Path("/tmp")) if place.is_dir() for path in place.glob(f"prism-{RUN}-*")}


def refused(name: str, server: object, state: Path, **more: object) -> str:
    """Return what is said when the server cannot be had, after checking that nothing is left of the attempt."""
    before = directories()
    with pytest.raises(ServerUnavailable) as caught:
        run(start(name, server, state=state, run_id=RUN, **more))  # type: ignore[arg-type]
    nothing_is_left(state, before)
    return str(caught.value)


def test_it_answers_while_it_is_up_and_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        before = directories()
        async with started(tmp_path) as server:
            assert (server.origin, server.owned, server.alive()) == ("wheel", True, True)
            assert server.version.split(".")[0].isdigit()
            assert folder(server).name.startswith(f"prism-{RUN}-valkey-")
            assert stat.S_IMODE(folder(server).stat().st_mode) == 0o700
            assert [(record.name, record.process) for record in records(tmp_path)] == [("valkey", identify(number(server)))]
            assert server.last_lines(1).count("\n") == 0
            assert "Ready to accept connections" in server.last_lines()
            async with valkey_client(server.url) as client:
                assert await client.execute_command("PING")
        assert gone(number(server))
        assert not server.alive()
        nothing_is_left(tmp_path, before)
        await server.stop()
        for call in (server.kill, server.restart):
            with pytest.raises(ServerUnavailable, match="it was stopped"):
                await call()

    run(main())


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    async def main() -> None:
        async with started(tmp_path) as server:
            url, pid, where = server.url, number(server), server.directory
            async with valkey_client(url) as client:
                for key in range(1000):
                    await client.execute_command("SET", key, b"x")
                await server.kill()
                assert gone(pid)
                assert not server.alive()
                await server.kill()
                await server.restart()
                assert (server.url, server.directory, server.alive()) == (url, where, True)
                assert number(server) != pid
                assert await client.execute_command("DBSIZE") == 1000
                assert [record.process and record.process.pid for record in records(tmp_path)] == [server.pid]

    run(main())


def test_a_restart_of_a_running_server_ends_it_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with started(tmp_path) as server:
            pid = number(server)
            await server.restart()
            assert gone(pid)
            assert server.alive()
            assert "User requested shutdown" in server.last_lines(200)

    run(main())


def test_a_restart_waits_for_its_port(tmp_path: Path) -> None:
    async def main() -> None:
        async with started(tmp_path) as server:
            await server.kill()
            port = int(server.url.rpartition(":")[2].partition("/")[0])
            stranger = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
            restart = asyncio.ensure_future(server.restart())
            await until(lambda: "Address already in use" in server.last_lines(100))
            stranger.close()
            await restart
            assert server.alive()

    run(main())


def test_a_server_that_ignores_being_asked_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prism_testkit.servers.own._GRACE_S", 0.1)

    async def main() -> None:
        before = directories()
        server = await start("acme", shell("trap '' TERM; touch up; while true; do sleep 0.1; done"), state=tmp_path, run_id=RUN)
        assert server.directory is not None
        await until((server.directory / "up").exists)
        await server.stop()
        assert gone(number(server))
        nothing_is_left(tmp_path, before)

    run(main())


def test_a_server_that_ignores_being_asked_is_killed_before_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prism_testkit.servers.own._GRACE_S", 0.1)

    async def main() -> None:
        server = await start("acme", shell("trap '' TERM; touch up; while true; do sleep 0.1; done"), state=tmp_path, run_id=RUN)
        assert server.directory is not None
        await until((server.directory / "up").exists)
        pid = number(server)
        await server.restart()
        assert gone(pid)
        await server.stop()

    run(main())


def test_a_cancelled_stop_stops_at_once_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        before = directories()
        server = await start("acme", shell("trap '' TERM; touch up; while true; do sleep 0.1; done"), state=tmp_path, run_id=RUN)
        assert server.directory is not None
        await until((server.directory / "up").exists)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert gone(number(server))
        nothing_is_left(tmp_path, before)

    run(main())


def test_a_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        before = directories()
        starting = asyncio.ensure_future(start("acme", shell("exec sleep 100", never), state=tmp_path, run_id=RUN))
        await until(lambda: any(record.process for record in records(tmp_path)))
        process = records(tmp_path)[0].process
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert process is not None
        assert gone(process.pid)
        nothing_is_left(tmp_path, before)

    run(main())


def test_one_that_exits_at_once_shows_its_code_and_last_lines(tmp_path: Path) -> None:
    said = refused("acme", shell("seq 1 30; echo 'FATAL: no licence'; exit 3", never), tmp_path)
    assert said.startswith("acme: it exited with code 3 before it was ready; its last lines:\n12\n13\n")
    assert said.endswith("\n30\nFATAL: no licence")


def test_one_that_is_killed_by_a_signal_says_which(tmp_path: Path) -> None:
    assert "it exited by signal 6" in refused("acme", shell("kill -ABRT $$", never), tmp_path)


def test_one_that_dies_while_it_is_asked_is_noticed(tmp_path: Path) -> None:
    async def hang(url: str) -> None:
        await asyncio.sleep(3600)

    assert "exited with code 3" in refused("acme", shell("sleep 0.1; exit 3", hang), tmp_path, deadline_s=3600)


def test_one_that_is_never_ready_shows_why_and_its_last_lines(tmp_path: Path) -> None:
    said = refused("acme", shell("echo starting; exec sleep 100", never), tmp_path, deadline_s=0.3)
    assert said == "acme: it was not ready within 0.3 s (RuntimeError: not yet); its last lines:\nstarting"


def test_one_that_does_not_answer_the_question_is_not_waited_for(tmp_path: Path) -> None:
    async def hang(url: str) -> None:
        await asyncio.sleep(3600)

    assert "not ready within 0.2 s (no answer" in refused("acme", shell("exec sleep 100", hang), tmp_path, deadline_s=0.2)


def test_a_binary_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "bin" / "valkey-server"
    binary.parent.mkdir()
    binary.write_bytes(b"\x7fELF of another machine")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    assert f"cannot run {binary}: Exec format error" in refused("valkey", VALKEY, tmp_path / "state")
    assert f"{binary} cannot be run: Exec format error" in refused("valkey", VALKEY, tmp_path / "state", keep=True)


def test_the_environment_and_the_ports_reach_the_command(tmp_path: Path) -> None:
    server = shell("echo $COLOUR $2 > seen; exec sleep 100", env={"COLOUR": "red"}, ports=2)
    server = replace(server, url="test://127.0.0.1:{port}/{port2}")

    async def main() -> None:
        running = await start("acme", server, state=tmp_path, run_id=RUN)
        assert running.directory is not None
        seen = running.directory / "seen"
        await until(lambda: seen.exists() and seen.read_text().endswith("\n"))
        first, second = records(tmp_path)[0].ports
        assert seen.read_text() == f"red {first}\n"
        assert running.url == f"test://127.0.0.1:{first}/{second}"
        await running.stop()

    run(main())


def test_a_server_started_from_a_thread_lives_on_when_the_thread_ends(tmp_path: Path) -> None:
    found: list[RunningServer] = []
    thread = threading.Thread(target=lambda: found.append(run(start("valkey", VALKEY, state=tmp_path, run_id=RUN))))
    thread.start()
    thread.join()

    async def main() -> None:
        async with valkey_client(found[0].url) as client:
            assert await client.execute_command("PING")
        await found[0].stop()

    run(main())


# Ports


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
            with pytest.raises(ServerUnavailable, match="another process answered on its port"):
                await start("acme", shell("exec sleep 100"), state=tmp_path, run_id=RUN, deadline_s=0.3)

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


# By address


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
    monkeypatch.setenv("PRISM_VALKEY_URL", f"redis://:s3cret@127.0.0.1:{free_ports(1)[0]}/0")
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
