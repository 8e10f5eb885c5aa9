"""What the worlds of drivers over real servers share: a server while a block lasts, and scenarios as plain tests."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from awaiting import HANGS_S

import prism_testkit as prism
from prism_testkit.servers import RunningServer, ServerUnavailable, locate, start

__all__ = ["missing", "played", "private", "served"]


def missing(backend: "prism.Backend[Any]", environ: Mapping[str, str] = os.environ) -> str:
    """Return why there is no server of a backend here; empty if there is one."""
    assert backend.server is not None
    try:
        locate(backend.name, backend.server, "native", environ)
    except ServerUnavailable as error:
        return str(error)
    return ""


def played(
    play: Callable[[str], Awaitable[None]], scenario: Callable[..., Awaitable[None]], within_s: float = HANGS_S
) -> Callable[[str], None]:
    """Make a plain test of ``scenario``, which ``play`` lays out at an address; it asks for that by the fixture ``url``."""

    def test(url: str) -> None:
        asyncio.run(asyncio.wait_for(play(url), within_s))

    # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return test


@contextlib.contextmanager
def served(backend: "prism.Backend[Any]", state: Path, run_id: str) -> Iterator[str]:
    """Yield the address of a server that lives as long as the block."""
    server = asyncio.run(_started(backend, state, run_id))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


@contextlib.asynccontextmanager
async def private(backend: "prism.Backend[Any]", state: Path, run_id: str) -> AsyncIterator[RunningServer]:
    """Yield a server of one's own, to be killed."""
    server = await _started(backend, state, run_id)
    try:
        yield server
    finally:
        await server.stop()


async def _started(backend: "prism.Backend[Any]", state: Path, run_id: str) -> RunningServer:
    assert backend.server is not None
    return await start(backend.name, backend.server, state=state, run_id=run_id, prefer="native")
