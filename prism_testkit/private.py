"""A server of a case's own, with clients that are connected while it is killed, paused or cut off, and comes back."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from prism_testkit.histories import History
from prism_testkit.outcomes import HarnessError, Unavailable
from prism_testkit.servers import RunningServer, ServerUnavailable
from prism_testkit.servers.addresses import address_of, readdressed
from prism_testkit.servers.links import Counts, Direction
from prism_testkit.servers.proxy import Proxy
from prism_testkit.worker import Site

__all__ = ["SERVER", "PrivateServer", "ToldProxy", "private"]

SERVER = -1_000_000
"""The client number under which what happens to a server stands in a history; far from those of siblings."""

Opener = Callable[[Site, int, int, bool], Awaitable[Any]]
"""(where, number of the connection there, number of the client, opened) -> a tapped driver."""
AtWork = Callable[[], AbstractContextManager[None]]
"""Around what the harness does itself, with deadlines of its own."""
Locator = Callable[[str], Site]
"""(URL of the server) -> a place of its own there, as another process would have."""


class ToldProxy:
    """A `Proxy` whose faults stand in the history, so that the story of a failure shows them. The methods are the proxy's."""

    def __init__(self, proxy: Proxy, history: History) -> None:
        self._proxy = proxy
        self._history = history

    @property
    def counts(self) -> Counts:
        """What it has done so far: by this a check knows that its fault took effect."""
        return self._proxy.counts

    async def pass_on(self) -> None:
        """Forward again. What was held goes on its way; connections of which bytes were lost are reset."""
        await self._told("pass_on", self._proxy.pass_on())

    async def drop(self, *directions: Direction, after: int = 0) -> None:
        """Swallow what passes in these directions (none named: both); the connections stay. ``after`` so many chunks."""
        await self._told("drop", self._proxy.drop(*directions, after=after), *directions, after=after)

    async def hold(self, *directions: Direction) -> None:
        """Keep back what comes in these directions (none named: both): nothing is lost."""
        await self._told("hold", self._proxy.hold(*directions), *directions)

    async def delay(self, seconds: float) -> None:
        """Let every chunk wait for so long."""
        await self._told("delay", self._proxy.delay(seconds), seconds)

    async def refuse(self) -> None:
        """Reset new connections as soon as they are made; those that are there stay."""
        await self._told("refuse", self._proxy.refuse())

    async def cut_after(self, size: int, direction: Direction = "up") -> None:
        """Reset the connection that carries the ``size``-th byte from now in that direction, right behind that byte. Once."""
        await self._told("cut_after", self._proxy.cut_after(size, direction), size, direction)

    async def lose_answer(self, after: int = 0) -> None:
        """Let a request through, swallow the server's answer and reset that connection, once; ``after`` so many other answers."""
        await self._told("lose_answer", self._proxy.lose_answer(after), after=after)

    async def reset(self) -> int:
        """Reset the connections there are, at both ends; return how many there were."""
        return int(await self._told("reset", self._proxy.reset()))

    async def half_close(self, direction: Direction) -> int:
        """Close the connections there are in one direction: whoever reads there finds the end. Return how many there were."""
        return int(await self._told("half_close", self._proxy.half_close(direction), direction))

    async def _told(self, what: str, done: Awaitable[Any], *args: Any, **kwargs: Any) -> Any:
        event = self._history.invoke(SERVER, f"proxy.{what}", args, {name: value for name, value in kwargs.items() if value})
        found = await done
        self._history.respond(event, found)
        return found


class PrivateServer:
    """A server that nobody else uses. What happens to it stands in the history, so that the story of a failure shows it."""

    def __init__(self, server: RunningServer, locate: Locator, history: History, opener: Opener, at_work: AtWork) -> None:
        self._server = server
        self._locate = locate
        self._history = history
        self._opener = opener
        self._at_work = at_work
        self._proxy: Proxy | None = None
        self._sites: dict[bool, tuple[Site, int]] = {}
        """Whether it leads through the proxy -> the place there, and how many connections it has."""
        self._clients = 0
        history.labels[SERVER] = "harness"

    async def client(self, *, opened: bool = True, proxied: bool = False) -> Any:
        """Return one more client of one and the same namespace, with every interface of its driver, tapped.

        ``proxied``: it reaches the server through `proxy`, in a place of its own, as a process on another machine would; the
        others reach it directly. Not ``opened``: its `open`, if it has one, was not called.
        """
        self._clients += 1
        site, connections = self._sites.get(proxied) or (self._locate(self._proxied() if proxied else self._server.url), 0)
        self._sites[proxied] = (site, connections + 1)
        return await self._opener(site, connections, self._clients - 1, opened)

    @property
    def proxy(self) -> ToldProxy:
        """What the ``proxied`` clients talk through; it is there once there is one of them."""
        if self._proxy is None:
            raise TypeError("no client is proxied: there is a proxy from the first `client(proxied=True)` on")
        return ToldProxy(self._proxy, self._history)

    def _proxied(self) -> str:
        if self._proxy is None:
            try:
                proxy = Proxy(*address_of(self._server.url))
            except ValueError as error:
                raise Unavailable(f"{self._server.name}: no proxy can stand before it: {error}") from error
            proxy.start()
            self._proxy = proxy
        return readdressed(self._server.url, *self._proxy.address)

    async def kill(self) -> None:
        """Send SIGKILL and wait until the process is gone. Again: nothing."""
        event = self._history.invoke(SERVER, "kill_server", (), {})
        await self._server.kill()
        self._history.respond(event, None)

    async def restart(self) -> None:
        """Run it again over the same data and at the same address, and wait until it is ready."""
        event = self._history.invoke(SERVER, "restart_server", (), {})
        try:
            with self._at_work():
                await self._server.restart()
        except ServerUnavailable as error:
            raise HarnessError(f"the server did not come back after it was killed: {error}") from error
        self._history.respond(event, None)

    @property
    def pausable(self) -> bool:
        """Whether `pause` is to be had: not of a server in a container whose engine may not stop what runs in it."""
        return self._server.pausable

    async def pause(self) -> bool:
        """Stop its processes (SIGSTOP, or what the engine of its container has) until `resume`, `kill`, `restart` or the end.

        Return whether the system, or the engine, shows all of them as stopped. Unavailable where it is not `pausable`.
        """
        event = self._history.invoke(SERVER, "pause_server", (), {})
        try:
            await self._server.pause()
        except ServerUnavailable as error:
            raise Unavailable(str(error)) from error
        paused = self._server.paused
        self._history.respond(event, paused)
        return paused

    async def resume(self) -> None:
        """Let it go on (SIGCONT). Again: nothing."""
        event = self._history.invoke(SERVER, "resume_server", (), {})
        await self._server.resume()
        self._history.respond(event, None)

    async def close(self) -> None:
        """Close the clients' connections; the first error is raised after all were tried."""
        async with contextlib.AsyncExitStack() as stack:
            for site, _ in self._sites.values():
                stack.push_async_callback(site.close)

    async def end(self) -> None:
        """Stop the server and end the proxy, in whatever state they are."""
        try:
            if self._proxy is not None:
                self._proxy.close()
        finally:
            with self._at_work():
                await self._server.stop()


@asynccontextmanager
async def private(
    server: RunningServer,
    locate: Locator,
    history: History,
    opener: Opener,
    closer: Callable[[], Awaitable[None]],
    at_work: AtWork,
) -> AsyncIterator[PrivateServer]:
    """Yield the server with no client yet; close what was opened, and stop it, at the end. ``closer`` closes the drivers."""
    held = PrivateServer(server, locate, history, opener, at_work)
    try:
        try:
            yield held
        except BaseException:
            # What went wrong first is the story; the server may be away, so that nothing closes as it should.
            for close in (closer, held.close):
                with contextlib.suppress(Exception):
                    await close()
            raise
        await closer()
        await held.close()
    finally:
        await held.end()
