"""What the tests of starting servers share."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from server_cases import RUN, VALKEY, run

from prism_testkit.servers import RunningServer, ServerUnavailable, own, records, start

__all__ = ["directories", "folder", "nothing_is_left", "number", "refused", "started", "time_is_up_when"]


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


def time_is_up_when(monkeypatch: pytest.MonkeyPatch, condition: Callable[[], object]) -> None:
    """Let every deadline of a start pass when a condition holds, and none before, however long that takes."""
    monkeypatch.setattr(own, "time", SimpleNamespace(monotonic=lambda: 1e6 if condition() else 0.0))


def refused(name: str, server: object, state: Path, **more: object) -> str:
    """Return what is said when the server cannot be had, after checking that nothing is left of the attempt."""
    before = directories()
    with pytest.raises(ServerUnavailable) as caught:
        run(start(name, server, state=state, run_id=RUN, **more))  # type: ignore[arg-type]
    nothing_is_left(state, before)
    return str(caught.value)
