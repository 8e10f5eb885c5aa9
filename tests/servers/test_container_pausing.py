"""Every server in a container: paused it answers nothing and loses nothing, killed it comes back, and nothing of it is left."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from container_cases import contained, engine, why_no_engine
from server_cases import RUN, run, valkey_client

from prism_testkit.servers import engines as asked
from prism_testkit.servers import records, start, sweep
from prism_testkit.servers.engines import ask, can_pause

containers = pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
SERVERS = ("jetstream", "kafka", "minio", "nats", "postgres", "postgres@15", "redis", "seaweedfs", "valkey")
_UP_S = 150.0


def left() -> set[str]:
    with ask(engine()) as client:
        return {found.name for found in client.containers.list(all=True, filters={"label": f"prism-testkit.run={RUN}"})}


@containers
@pytest.mark.parametrize("name", SERVERS)
def test_it_is_paused_killed_and_restarted(tmp_path: Path, name: str) -> None:
    server = contained(name)

    async def main() -> None:
        running = await start(name, server, prefer="container", state=tmp_path, run_id=RUN, deadline_s=_UP_S)
        try:
            assert (running.origin, running.pausable, running.paused) == ("container", True, False)
            await running.pause()
            await running.pause()
            assert running.paused
            assert running.alive()
            asking = asyncio.ensure_future(server.ready(running.url))
            assert (await asyncio.wait([asking], timeout=0.2))[1] == {asking}
            await running.resume()
            await running.resume()
            assert not running.paused
            await asyncio.wait([asking])  # some clients give up meanwhile
            asking.exception()
            await server.ready(running.url)
            url = running.url
            await running.pause()
            await running.kill()
            assert not running.alive()
            assert not running.paused
            await running.pause()
            assert not running.paused
            await running.restart()
            assert running.url == url
            await running.pause()
            await running.restart()  # it is asked to end, for which it is resumed
            await running.pause()
        finally:
            await running.stop()
        assert records(tmp_path) == []
        assert left() == set()

    run(main())


@containers
def test_what_waits_for_a_paused_one_is_answered(tmp_path: Path) -> None:
    async def main() -> None:
        running = await start("valkey", contained(), prefer="container", state=tmp_path, run_id=RUN)
        try:
            async with valkey_client(running.url) as client:
                await client.execute_command("SET", "a", "1")
                await running.pause()
                call = asyncio.ensure_future(client.execute_command("INCR", "a"))
                assert (await asyncio.wait([call], timeout=0.1))[1] == {call}
                await running.resume()
                assert await call == 2
        finally:
            await running.stop()

    run(main())


OWNER = """
import asyncio, sys
from pathlib import Path
from container_cases import contained
from server_cases import RUN
from prism_testkit.servers import start

async def main():
    running = await start("valkey", contained(), prefer="container", state=Path(sys.argv[1]), run_id=RUN)
    await running.pause()
    print("paused", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@containers
def test_one_that_a_killed_run_left_paused_is_removed_by_the_next(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(argv, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "paused\n"
        process.kill()
    (name,) = left()
    (record,) = records(tmp_path)
    assert record.is_alive
    assert sweep(tmp_path) == [f"valkey of run {RUN}: removed the container {name}"]
    assert left() == set()


# -- which engines can ---------------------------------------------------------------------------------------------------------


class Told:
    """A client of an engine that tells of itself."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        self._info = info

    def info(self) -> Mapping[str, Any]:
        return self._info


ROOTLESS = "name=rootless"


@pytest.mark.parametrize(
    ("info", "can"),
    [
        ({"CgroupVersion": "1", "SecurityOptions": ["name=seccomp,profile=default"]}, True),
        ({"CgroupVersion": "1", "Rootless": False}, True),
        ({"CgroupVersion": "2", "SecurityOptions": [ROOTLESS]}, True),
        ({"CgroupVersion": "2", "Rootless": True}, True),
        ({"CgroupVersion": "1", "SecurityOptions": [ROOTLESS]}, False),
        ({"CgroupVersion": "1", "Rootless": True, "SecurityOptions": None}, False),
    ],
)
def test_an_engine_without_rights_pauses_by_newer_control_groups_only(
    monkeypatch: pytest.MonkeyPatch, info: Mapping[str, Any], can: bool
) -> None:
    @contextmanager
    def asking(host: str, within_s: float = 0) -> Any:
        yield Told(info)

    monkeypatch.setattr(asked, "ask", asking)
    assert can_pause.__wrapped__("unix:///of/a/test") is can


def test_an_engine_that_is_away_pauses_nothing(tmp_path: Path) -> None:
    assert can_pause(f"unix://{tmp_path}/none.sock") is False
