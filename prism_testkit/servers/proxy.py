"""A TCP proxy between clients and a server, which can be told to spoil what passes, and counts what it spoiled.

It runs in a thread and an event loop of its own, so that a driver that blocks the loop of its caller is served nevertheless.
Bytes are a *chunk* when one read gave them: with one call under way that is, mostly, a request or an answer, and never less
than the smallest part that could have been lost on a network.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from prism_testkit.servers.links import BOTH, Counts, Direction, Link, Mode, abort

__all__ = ["Proxy"]

T = TypeVar("T")

_CHUNK = 1 << 16
_AGAIN_S = 0.01


class Proxy:
    """Forwards connections from an address of its own to ``host:port``, with one fault at a time.

    `drop`, `hold`, `delay`, `refuse`, `cut_after` and `lose_answer` replace each other and last until `pass_on`, the last two
    until they happened once. `reset` and `half_close` are done at once, to the connections there are, and are no mode: one of
    which the server's side is still being made is not there yet. When a method has returned, what it asks for is in force.
    Every method but `start` raises ``RuntimeError`` before `start` and after `close`.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._counts = Counts()
        self._mode = Mode()
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where clients reach it: an ephemeral port of the loopback interface."""
        if self._listener is None:
            raise RuntimeError("the proxy is not started, or closed")
        host, port = self._listener.getsockname()
        return str(host), int(port)

    @property
    def counts(self) -> Counts:
        """What it has done so far; a copy."""
        return replace(self._counts)

    @property
    def open_connections(self) -> int:
        """How many connections it forwards now."""
        return len(self._links)

    def start(self) -> None:
        """Listen. ``RuntimeError`` if it does already."""
        if self._loop is not None:
            raise RuntimeError("the proxy was started already")
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setblocking(False)
        self._listener, self._loop = listener, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop, listener), name="prism-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Reset every connection, stop listening, and end the thread. A repeat does nothing.

        Not a coroutine: nothing that cancels the caller can leave a part of it undone.
        """
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            self._loop = self._listener = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    async def pass_on(self) -> None:
        """Forward again. What was held goes on its way; connections of which bytes were lost are reset."""
        await self._turn(Mode())

        async def mend() -> None:
            self._counts.reset += await self._reset(lambda link: bool(link.spoilt))

        await self._do(mend())

    async def drop(self, *directions: Direction, after: int = 0) -> None:
        """Swallow what passes in these directions (none named: both); the connections stay. ``after`` so many chunks."""
        await self._turn(Mode("drop", directions or BOTH, left=after))

    async def hold(self, *directions: Direction) -> None:
        """Keep back what comes in these directions (none named: both): nothing is lost."""
        await self._turn(Mode("hold", directions or BOTH))

    async def delay(self, seconds: float) -> None:
        """Let every chunk wait for so long."""
        await self._turn(Mode("delay", BOTH, seconds=seconds))

    async def refuse(self) -> None:
        """Reset new connections as soon as they are made; those that are there stay."""
        await self._turn(Mode("refuse"))

    async def cut_after(self, size: int, direction: Direction = "up") -> None:
        """Reset the connection that carries the ``size``-th byte from now in that direction, right behind that byte. Once."""
        await self._turn(Mode("cut", (direction,), left=size))

    async def lose_answer(self, after: int = 0) -> None:
        """Let a request through, wait for the server's answer, swallow it, and reset that connection. Once.

        So the request has had its effect, and nobody is told. ``after`` so many other answers to requests from now on.
        """
        await self._turn(Mode("lose", ("down",), left=after))

    async def reset(self) -> int:
        """Reset the connections there are, at both ends; return how many there were."""

        async def all_of_them() -> int:
            found = await self._reset(lambda link: True)
            self._counts.reset += found
            return found

        return await self._do(all_of_them())

    async def half_close(self, direction: Direction) -> int:
        """Close the connections there are in one direction: whoever reads there finds the end. Return how many there were."""

        async def all_of_them() -> int:
            found = 0
            for link in self._links:
                with contextlib.suppress(OSError):  # one that was closed there already
                    link.ends[direction][1].shutdown(socket.SHUT_WR)
                    link.spoilt.add(direction)
                    found += 1
            self._counts.half_closed += found
            return found

        return await self._do(all_of_them())

    # -- in the thread ---------------------------------------------------------------------------------------------------------

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the proxy is not started, or closed")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        accepting = loop.create_task(self._accept(listener))
        self._tasks.add(accepting)
        loop.run_forever()
        loop.run_until_complete(self._end())
        listener.close()
        loop.close()

    async def _turn(self, mode: Mode) -> None:
        async def turn() -> None:
            before, self._mode = self._mode, mode
            before.over.set()

        await self._do(turn())

    async def _end(self) -> None:
        await self._reset(lambda link: True)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _kept(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _reset(self, which: Callable[[Link], bool]) -> int:
        found = [link for link in self._links if which(link)]
        self._links.difference_update(found)
        await asyncio.gather(*(link.reset() for link in found))
        return len(found)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # one that was gone before it was taken, or there are too many
                await asyncio.sleep(_AGAIN_S)
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._mode.kind == "refuse":
                self._counts.refused += 1
                abort(client)
            else:
                _ = self._kept(self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(server, self._target)
        except OSError:
            self._counts.unreached += 1
            abort(client)
            server.close()
            return
        except asyncio.CancelledError:
            abort(client)
            server.close()
            raise
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._counts.connections += 1
        link = Link(client, server)
        self._links.add(link)
        link.pumps = [self._kept(self._pump(link, direction)) for direction in BOTH]

    async def _pump(self, link: Link, direction: Direction) -> None:
        """Carry one direction of a connection to its end; whoever is the last closes both sockets."""
        loop = asyncio.get_running_loop()
        source, target = link.ends[direction]
        try:
            while chunk := await loop.sock_recv(source, _CHUNK):
                part = await self._met(link, direction, chunk)
                if part:
                    await loop.sock_sendall(target, part)
                    self._passed(link, direction)
                if link.is_doomed:
                    raise ConnectionResetError
            while self._mode.kind in ("hold", "drop") and direction in self._mode.directions:
                await self._mode.over.wait()
            with contextlib.suppress(OSError):  # one that was closed there already
                target.shutdown(socket.SHUT_WR)
        except OSError:  # whichever end was reset, the other learns of it
            self._links.discard(link)
            await link.reset()
            return
        if all(pump.done() or pump is asyncio.current_task() for pump in link.pumps):
            self._links.discard(link)
            link.close()

    async def _met(self, link: Link, direction: Direction, chunk: bytes) -> bytes:
        """Return what of a chunk goes on, perhaps after a while."""
        while direction not in link.spoilt:
            mode = self._mode
            if direction not in mode.directions:
                return chunk
            if mode.kind == "hold":
                self._counts.held += 1
                await mode.over.wait()
                continue
            if mode.kind == "delay":
                self._counts.delayed += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(mode.seconds):
                        await mode.over.wait()
                return chunk
            if mode.kind == "cut":
                return self._cut(link, mode, chunk)
            if mode.kind == "lose" and link not in mode.asked:
                return chunk
            if mode.left > 0:
                mode.left -= 1
                return chunk
            if direction == "down" and link in mode.asked:
                self._counts.lost_answers += 1
            if mode.kind == "lose":
                self._mode, link.is_doomed = Mode(), True
                return b""
            link.spoilt.add(direction)
        self._counts.dropped += 1
        return b""

    def _cut(self, link: Link, mode: Mode, chunk: bytes) -> bytes:
        if len(chunk) < mode.left:
            mode.left -= len(chunk)
            return chunk
        self._counts.cut += 1
        self._mode, link.is_doomed = Mode(), True
        return chunk[: mode.left]

    def _passed(self, link: Link, direction: Direction) -> None:
        if direction == "up":
            self._counts.requests += 1
            self._mode.asked.add(link)
        else:
            self._counts.answers += 1
