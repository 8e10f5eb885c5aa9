"""A server of a case's own, with clients that are connected while it is killed and comes back."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.histories import History
from prism_testkit.outcomes import HarnessError
from prism_testkit.servers import RunningServer, ServerUnavailable
from prism_testkit.worker import Site

__all__ = ["SERVER", "PrivateServer", "private"]

SERVER = -1_000_000
"""The client number under which what happens to a server stands in a history; far from those of siblings."""


class PrivateServer:
    """A server that nobody else uses. Kills and restarts stand in the history, so that the story of a failure shows them."""

    def __init__(
        self, server: RunningServer, site: Site, history: History, opener: Callable[[Any, int, bool], Awaitable[Any]]
    ) -> None:
        self._server = server
        self._site = site
        self._history = history
        self._opener = opener
        self._clients = 0
        history.labels[SERVER] = "harness"

    async def client(self, *, opened: bool = True) -> Any:
        """Return one more client of one and the same namespace, with every interface of its driver, tapped.

        Not ``opened``: its `open`, if it has one, was not called.
        """
        self._clients += 1
        return await self._opener(await self._site.client(self._clients - 1), self._clients - 1, opened)

    async def kill(self) -> None:
        """Send SIGKILL and wait until the process is gone. Again: nothing."""
        event = self._history.invoke(SERVER, "kill_server", (), {})
        await self._server.kill()
        self._history.respond(event, None)

    async def restart(self) -> None:
        """Run it again over the same data and at the same address, and wait until it is ready."""
        event = self._history.invoke(SERVER, "restart_server", (), {})
        try:
            await self._server.restart()
        except ServerUnavailable as error:
            raise HarnessError(f"the server did not come back after it was killed: {error}") from error
        self._history.respond(event, None)


@asynccontextmanager
async def private(
    server: RunningServer,
    site: Site,
    history: History,
    opener: Callable[[Any, int, bool], Awaitable[Any]],
    closer: Callable[[], Awaitable[None]],
) -> AsyncIterator[PrivateServer]:
    """Yield the server with no client yet; close what was opened, and stop it, at the end. ``closer`` closes the drivers."""
    try:
        try:
            yield PrivateServer(server, site, history, opener)
        except BaseException:
            # What went wrong first is the story; the server may be away, so that nothing closes as it should.
            for close in (closer, site.close):
                with contextlib.suppress(Exception):
                    await close()
            raise
        await closer()
        await site.close()
    finally:
        await server.stop()
