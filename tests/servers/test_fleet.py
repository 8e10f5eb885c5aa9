"""What a run needs starts at once, and only that; what is kept is taken over by the next run that keeps."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server_cases import RUN, VALKEY, gone, never, shell

from prism_backends.memory import memory
from prism_backends.valkey import valkey
from prism_testkit.backend import Backend, Server
from prism_testkit.fleet import Fleet
from prism_testkit.servers import records, sweep


def backend(name: str, server: Server | None) -> Backend[Any]:
    return replace(memory, name=name, server=server)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(keep: bool = False) -> Fleet:
        made.append(Fleet(tmp_path, RUN, keep=keep))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    assert not [record for record in records(tmp_path) if not record.kept]


def meeting(tmp_path: Path, mine: str, others: list[str]) -> Server:
    """Return a server that is ready only once the others' processes run too."""

    async def ready(url: str) -> None:
        if not all((tmp_path / other).exists() for other in others):
            raise OSError("the others are not there")

    return shell(f"touch {tmp_path / mine}; exec sleep 1000", ready)


def test_all_start_at_once(fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    names = ["one", "two", "three"]
    started = fleet()
    started.start([backend(name, meeting(tmp_path, name, names)) for name in names])
    assert {name: endpoint.reason for name, endpoint in started.endpoints.items()} == dict.fromkeys(names, "")
    started.stop()
    assert started.running == {}
    started.stop()


def test_one_that_cannot_be_had_is_named_and_holds_up_nobody(fleet: Callable[..., Fleet]) -> None:
    started = fleet()
    broken = shell("echo no luck; exit 3", never)
    started.start([backend("broken", broken), backend("without", None), replace(valkey, server=VALKEY)])
    assert "it exited with code 3 before it was ready" in started.endpoints["broken"].reason
    assert set(started.running) == {"valkey"}
    assert set(started.endpoints) == {"broken", "valkey"}
    assert started.endpoints["valkey"].url == started.running["valkey"].url


def test_servers_that_are_kept_are_adopted_all_of_them(fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    kept = [replace(valkey, name=name, server=VALKEY) for name in ("valkey", "valkey-two")]
    first = fleet(keep=True)
    first.start(kept)
    pids = {name: server.pid for name, server in first.running.items()}
    first.stop()
    try:
        second = fleet(keep=True)
        second.start(kept)
        assert {name: server.pid for name, server in second.running.items()} == pids
        other = fleet()
        other.start(kept[:1])
        assert other.running["valkey"].pid not in pids.values()
        other.stop()
        asyncio.run(second.running["valkey"].restart())
        pids["valkey"] = second.running["valkey"].pid
        second.stop()
        assert not any(gone(pid) for pid in pids.values() if pid is not None)
    finally:
        assert len(sweep(tmp_path, kept=True)) == 2
    assert all(gone(pid) for pid in pids.values() if pid is not None)
    assert records(tmp_path) == []
