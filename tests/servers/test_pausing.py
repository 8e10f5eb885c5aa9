"""A server that is paused answers nothing and loses nothing, goes on when it is resumed, and ends like any other."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from server_cases import RUN, VALKEY, gone, run, shell, until, valkey_client

from prism_testkit.servers import RunningServer, ServerUnavailable, records, start, sweep
from prism_testkit.servers.pausing import are_stopped, members, signal_all
from prism_testkit.servers.processes import identify

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no server dies with the process that started it")

# A child in a session of its own, as those of PostgreSQL are.
WITH_CHILD = "setsid sleep 1000 & echo $! > child; wait"


async def started(state: Path) -> RunningServer:
    return await start("valkey", VALKEY, state=state, run_id=RUN)


async def child_of(server: RunningServer) -> int:
    assert server.directory is not None
    file = server.directory / "child"
    await until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def test_a_paused_server_answers_when_it_is_resumed(tmp_path: Path) -> None:
    async def main() -> None:
        server = await started(tmp_path)
        try:
            async with valkey_client(server.url) as client:
                await client.execute_command("SET", "a", "1")
                assert server.pausable
                assert not server.paused
                await server.pause()
                await server.pause()
                assert server.paused
                assert server.alive()
                call = asyncio.ensure_future(client.execute_command("INCR", "a"))
                assert (await asyncio.wait([call], timeout=0.1))[1] == {call}
                await server.resume()
                await server.resume()
                assert await call == 2
                assert not server.paused
        finally:
            await server.stop()
        assert records(tmp_path) == []

    run(main())


@pytest.mark.parametrize("how", ["stop", "kill", "restart"])
def test_a_paused_server_can_be_ended(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to end it ends at once: it is resumed first. Else it would be killed only after a time that is never up here."""
    monkeypatch.setattr("prism_testkit.servers.own._GRACE_S", 1e6)

    async def main() -> None:
        server = await started(tmp_path)
        pid = server.pid
        assert pid is not None
        try:
            async with valkey_client(server.url) as client:
                await client.execute_command("SET", "a", "1")
            await server.pause()
            await getattr(server, how)()
            assert gone(pid)
            assert not server.paused
            if how == "restart":
                async with valkey_client(server.url) as client:
                    assert await client.execute_command("GET", "a") == b"1"
                assert records(tmp_path)[0].paused == ()
        finally:
            await server.stop()
        assert records(tmp_path) == []

    run(main())


@linux
def test_what_belongs_to_a_server_is_stopped_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        server = await start("acme", shell(WITH_CHILD), state=tmp_path, run_id=RUN)
        try:
            child = identify(await child_of(server))
            assert child is not None
            await server.pause()
            assert child in records(tmp_path)[0].paused
            assert are_stopped([child])
            await server.resume()
            await until(lambda: not are_stopped([child]))
            await server.pause()
            await server.kill()
            assert gone(child.pid)
        finally:
            await server.stop()

    run(main())


OWNER = """
import asyncio, sys, time
from pathlib import Path
from server_cases import RUN, shell
from test_pausing import WITH_CHILD, child_of
from prism_testkit.servers import start

async def main():
    server = await start("acme", shell(WITH_CHILD), state=Path(sys.argv[1]), run_id=RUN)
    child = await child_of(server)
    await server.pause()
    print(server.pid, child, flush=True)

asyncio.run(main())
time.sleep(1000)
"""


@linux
def test_what_a_killed_run_left_stopped_is_swept(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(argv, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, child = map(int, process.stdout.readline().split())
        process.kill()
    run(until(lambda: gone(pid)))
    assert not gone(child)
    sweep(tmp_path)
    assert gone(child)
    assert records(tmp_path) == []


def test_one_that_is_given_by_url_is_not_ours_to_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = await started(tmp_path)
        try:
            monkeypatch.setenv("PRISM_VALKEY_URL", server.url)
            given = await started(tmp_path)
            for ask in (given.pause, given.resume):
                with pytest.raises(ServerUnavailable, match="not ours to be"):
                    await ask()
            assert not given.paused
            assert not given.pausable
        finally:
            await server.stop()

    run(main())


def test_nobody_is_signalled_in_place_of_one_that_is_gone() -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        found = identify(process.pid)
        assert found is not None
        assert members(found) == (found,)
        earlier = type(found)(found.pid, "earlier")
        signal_all([earlier], signal.SIGKILL)
        assert process.poll() is None
        assert members(earlier) == ()
        signal_all([found], signal.SIGSTOP)
        run(until(lambda: are_stopped([found])))
        os.kill(found.pid, signal.SIGKILL)
        process.wait()
        assert members(found) == ()
        assert are_stopped([found])
