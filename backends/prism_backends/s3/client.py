"""The client that `connect` yields: the threads that ask a server, and what a cancelled call does that has begun."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar, cast
from xml.etree.ElementTree import ParseError

import urllib3
from minio.error import MinioException

import prism_testkit as prism
from prism_backends.cancellation import ended
from prism_backends.s3.serverclock import ServerClock
from prism_backends.s3.wire import CONNECTIONS, Refused, Wire, translated
from prism_testkit.interfaces.errors import Closed

__all__ = ["S3Client", "connect"]

T = TypeVar("T")

_FAILURES = (MinioException, urllib3.exceptions.HTTPError, Refused, ParseError, OSError)


class S3Client:
    """A server and as many threads as there are connections to it. A call is one function, or several in a row, on one of them."""

    def __init__(self, url: str, clock: prism.Clock, shared: dict[str, Any] | None = None) -> None:
        self.shared = {} if shared is None else shared
        """One for all clients of a place in this process."""
        self.clock: ServerClock = self.shared.setdefault("s3.clock", ServerClock(clock))
        self.wire = Wire(url, self.clock)
        self._executor = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="prism-s3")
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def look(self, what: str, work: Callable[[], T]) -> T:
        """Call what changes nothing; cancelled, it is left to itself. ``what`` names backend, operation and name."""
        return await self._run(what, work, waits=False)

    async def change(self, what: str, work: Callable[[], T]) -> T:
        """Call what changes something; cancelled, it was not begun, or has ended: nothing comes later."""
        return await self._run(what, work, waits=True)

    async def close(self) -> None:
        """Wait for what is under way, then end the connections. A repeat does nothing; later calls raise `Closed`."""
        if self._closed:
            return
        self._closed = True
        self._executor.shutdown(wait=False)
        if self._running:
            await asyncio.wait(self._running)
        self.wire.close()

    async def _run(self, what: str, work: Callable[[], T], waits: bool) -> T:
        if self._closed:
            raise Closed(f"{what}: the client is closed")
        job = _Job(work)
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            if not job.abandon() and waits:
                await ended(future)
            future.add_done_callback(_forget)
            raise
        try:
            return cast(T, future.result())
        except _FAILURES as error:
            raise translated(error, what) from error


class _Job(Generic[T]):
    """Work that is begun, or given up before it is: whoever takes the turn first decides."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._turn = threading.Lock()

    def __call__(self) -> T | None:
        return self._work() if self._turn.acquire(blocking=False) else None

    def abandon(self) -> bool:
        """Return whether it will never begin."""
        return self._turn.acquire(blocking=False)


def _forget(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()  # nobody waits for it; asked for, so that it is not called lost


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[S3Client]:
    """Yield a client. Connections are made when they are needed, so a server that is away is noticed by the first call."""
    client = S3Client(place.url, place.clock, place.shared)
    try:
        yield client
    finally:
        await client.close()
