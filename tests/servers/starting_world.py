"""What the tests of starting servers share."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from server_cases import RUN, VALKEY, run

from prism_testkit.servers import RunningServer, ServerUnavailable, records, start

__all__ = ["directories", "folder", "nothing_is_left", "number", "refused", "started"]


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
