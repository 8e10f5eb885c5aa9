"""A server comes up, survives being killed, and leaves nothing; one that does not says why."""

import asyncio
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from server_cases import RUN, VALKEY, gone, never, run, shell, until, valkey_client
from starting_world import directories, folder, nothing_is_left, number, refused, started, time_is_up_when

from prism_testkit.servers import RunningServer, ServerUnavailable, records, start
from prism_testkit.servers.processes import identify


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PRISM_")]:
        monkeypatch.delenv(name)


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
        starting = asyncio.ensure_future(start("acme", shell("exec sleep 1000", never), state=tmp_path, run_id=RUN))
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


def test_one_that_is_never_ready_shows_why_and_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def not_yet(url: str) -> None:
        await until(lambda: "starting" in (records(tmp_path)[0].directory / "output.txt").read_text())
        asked.append(url)
        raise RuntimeError("not yet")

    time_is_up_when(monkeypatch, lambda: asked)
    said = refused("acme", shell("echo starting; exec sleep 1000", not_yet), tmp_path, deadline_s=0.3)
    assert said == "acme: it was not ready within 0.3 s (RuntimeError: not yet); its last lines:\nstarting"


def test_one_that_does_not_answer_the_question_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def hang(url: str) -> None:
        asked.append(url)
        await asyncio.sleep(3600)

    time_is_up_when(monkeypatch, lambda: asked)
    assert "not ready within 0.2 s (no answer" in refused("acme", shell("exec sleep 1000", hang), tmp_path, deadline_s=0.2)


def test_a_binary_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "bin" / "valkey-server"
    binary.parent.mkdir()
    binary.write_bytes(b"\x7fELF of another machine")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    assert f"cannot run {binary}: Exec format error" in refused("valkey", VALKEY, tmp_path / "state")
    assert f"{binary} cannot be run: Exec format error" in refused("valkey", VALKEY, tmp_path / "state", keep=True)


def test_the_environment_and_the_ports_reach_the_command(tmp_path: Path) -> None:
    server = shell("echo $COLOUR $2 > seen; exec sleep 1000", env={"COLOUR": "red"}, ports=2)
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
