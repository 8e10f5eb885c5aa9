"""One process that runs checks: its event loops, the places of its backends, and the clients it keeps open.

One loop of virtual time serves the embedded backends, one real loop the servers; ``connect()`` is entered once a worker and
backend, once more for each further client, and lives in the loop of its backend.
"""

import asyncio
import contextlib
import inspect
import shutil
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock, RealClock, VirtualClock
from prism_testkit.conftests import raised_at
from prism_testkit.forking import ForkServer
from prism_testkit.namespaces import Namespaces
from prism_testkit.outcomes import Hung, Unavailable
from prism_testkit.patience import Patience
from prism_testkit.reports.text import said
from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import LoopError
from prism_testkit.unheard import Unheard
from prism_testkit.watchdog import Watchdog

__all__ = ["CONNECT_S", "ClockKind", "Endpoint", "Site", "Worker"]

_FAR_S = 1e8
"""Seconds of virtual time after which a check begins anew; there a float is good to 5e-7 s."""
_WHATEVER = (Exception, Hung, SystemExit, GeneratorExit)
"""What comes out of a loop that is thrown away."""
ClockKind = Literal["virtual", "real"]
CONNECT_S = 10.0
"""Real seconds that ``connect()`` may take before the backend counts as unavailable."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a backend's server is, or why there is none; as the controller found it."""

    url: str = field(default="", repr=False)
    reason: str = ""
    by_url: bool = False
    in_container: bool = False


@dataclass
class Site:
    """One backend in one place, with the clients that are open there."""

    backend: Backend[Any]
    place: Place
    kind: ClockKind
    _open: list[AbstractAsyncContextManager[Any]] = field(default_factory=list)
    _clients: list[Any] = field(default_factory=list)
    _strangers: list[Any] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    async def client(self, number: int) -> Any:
        """Return the ``number``-th client, from 0, connecting as often as needed."""
        while len(self._clients) <= number:
            self._clients.append(await self._connected(self.place))
        return self._clients[number]

    async def stranger(self, number: int) -> Any:
        """Return the ``number``-th client that shares nothing with any other but the store, as if it were of another process."""
        while len(self._strangers) <= number:
            self._strangers.append(await self._connected(replace(self.place, shared={})))
        return self._strangers[number]

    async def newcomer(self) -> tuple[Any, AbstractAsyncContextManager[Any]]:
        """Return a client that connects now, and what is left to close it: nobody else is given it."""
        client = await self._connected(self.place)
        return client, self._open.pop()

    async def _connected(self, place: Place) -> Any:
        manager = self.backend.connect(place)
        if not hasattr(manager, "__aenter__"):
            raise TypeError(
                f"backend {self.backend.name!r}: connect() must return an async context manager (decorate an async "
                f"generator with @asynccontextmanager), found {type(manager).__name__}"
            )
        if inspect.iscoroutine(made := getattr(manager, "gen", None)):
            made.close()
            raise TypeError(
                f"backend {self.backend.name!r}: connect() has no yield: it is to yield the client, and to close it after that"
            )
        client = await manager.__aenter__()
        # The manager is kept: collected, a generator-based one would close the client under the first check.
        self._open.append(manager)
        return client

    async def clean(self, prefix: str) -> None:
        """Have the backend remove every namespace that begins with ``prefix``, if it can."""
        if self.backend.clean is not None:
            client = await self.client(0)
            await self.backend.clean(client, prefix)

    async def close(self) -> None:
        """Leave every client's context, the newest first; the first error is raised after all were tried."""
        errors: list[BaseException] = []
        self._clients.clear()
        self._strangers.clear()
        while self._open:
            manager = self._open.pop()
            try:
                await manager.__aexit__(None, None, None)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def forget(self) -> None:
        """Drop the clients unclosed: their loop is gone or one of them hangs."""
        self._open.clear()
        self._clients.clear()
        self._strangers.clear()


class Worker:
    """Loops, places and namespaces. ``directory`` is private to this worker and removed by whoever made it."""

    def __init__(
        self,
        *,
        namespaces: Namespaces,
        directory: Path,
        state: Path,
        endpoints: Mapping[str, Endpoint] | None = None,
        origins: Mapping[str, tuple[str, str]] | None = None,
        hang_s: float = 30.0,
    ) -> None:
        self.namespaces = namespaces
        self.directory = directory
        self.state = state
        self.origins = origins or {}
        self.endpoints = endpoints or {}
        self.clock = VirtualClock()
        self.watchdog = Watchdog(hang_s)
        self.connect_s = min(CONNECT_S, hang_s)
        self.patience = Patience(self.watchdog)
        self.unheard = Unheard()
        self.writers = ForkServer(directory)
        """Starts the processes that are killed."""
        self._crew = [self.writers]
        self._runners: dict[ClockKind, asyncio.Runner] = {}
        self._sites: dict[tuple[str, ClockKind], Site] = {}
        self._refused: dict[str, str] = {}
        self._seen: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
        self._places = 0
        self._problems: list[str] = []

    def crew(self, count: int) -> list[ForkServer]:
        """Return ``count`` of what starts processes that are to run at once; each has one at a time."""
        while len(self._crew) < count:
            self._crew.append(ForkServer(self.directory, f"writers-{len(self._crew)}"))
        return self._crew[:count]

    def loop(self, kind: ClockKind) -> asyncio.AbstractEventLoop:
        """Return the loop of a kind, made on first use."""
        runner = self._runners.get(kind)
        if runner is None:
            factory = (lambda: VirtualLoop(self.clock)) if kind == "virtual" else None
            runner = self._runners[kind] = asyncio.Runner(loop_factory=factory)
            runner.get_loop().set_exception_handler(self.unheard.loop_said)
        loop = runner.get_loop()
        if isinstance(loop, VirtualLoop):
            loop.step_limit = VirtualLoop.step_limit // (10 if self.patience.short else 1)
        return loop

    def run(self, kind: ClockKind, work: Coroutine[Any, Any, Any], hung: Callable[[], None] | None = None) -> Any:
        """Run to the end. What hangs is cancelled, and its loop thrown away, before `Hung` goes on; ``hung`` is called first."""
        loop = self.loop(kind)
        try:
            with self.watchdog:
                return loop.run_until_complete(work)
        except (Hung, KeyboardInterrupt):
            if hung is not None:
                hung()
            self.discard(kind)
            raise

    def discard(self, kind: ClockKind) -> None:
        """Throw a loop away with its clients, without waiting for anything."""
        runner = self._runners.pop(kind, None)
        for site in self._sites.values():
            if site.kind == kind:
                site.forget()
        if runner is None:
            return
        loop = runner.get_loop()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(*_WHATEVER), self.watchdog.within(2.0), self.watchdog:
            loop.run_until_complete(_ended(tasks))
        with contextlib.suppress(*_WHATEVER), self.watchdog.within(2.0), self.watchdog:
            runner.close()
        asyncio.set_event_loop(None)

    def begin(self) -> None:
        """Begin a check near the start of virtual time, in fresh places if it was left far behind: far ahead floats are coarse."""
        if self.clock.now_s() - VirtualClock.START_S < _FAR_S:
            return
        for key, site in list(self._sites.items()):
            if site.kind == "virtual":
                self._problems += filter(None, [self._close(site)])
                del self._sites[key]
        if "virtual" in self._runners:
            self._problems += self._leaked("virtual")
            self.discard("virtual")
        self.clock.rewind()

    def new_place(self, url: str, kind: ClockKind, label: str) -> Place:
        """Make a place with a directory of its own."""
        self._places += 1
        directory = self.directory / f"{self._places}-{label}"
        directory.mkdir(parents=True, mode=0o700)
        clock: Clock = self.clock if kind == "virtual" else RealClock()
        return Place(url=url, directory=directory, shared={}, clock=clock)

    def site(self, backend: Backend[Any], kind: ClockKind) -> Site:
        """Return this worker's place of a backend; raise `Unavailable` if its server could not be had."""
        endpoint = self.endpoints.get(backend.name, Endpoint())
        if endpoint.reason:
            raise Unavailable(endpoint.reason)
        found = self._sites.get((backend.name, kind))
        if found is None:
            found = Site(backend, self.new_place(endpoint.url, kind, backend.name), kind)
            self._sites[backend.name, kind] = found
        return found

    def connect(self, site: Site) -> None:
        """Open the first client, within `CONNECT_S`; what fails is remembered, so that it costs one deadline in all."""
        name = site.backend.name
        if name in self._refused:
            raise Unavailable(self._refused[name])
        try:
            with self.watchdog.within(self.connect_s):
                self.run(site.kind, site.client(0))
        except Hung:
            self._refused[name] = f"connect() did not return within {self.connect_s:g} s"
        except Exception as error:
            where = raised_at(error)
            self._refused[name] = f"connect() raised {said(error)}{f' ({Path(where).name})' if where else ''}"
            if isinstance(error, LoopError):  # what it waits for ends with the loop, and is no task that was left
                self.discard(site.kind)
        if name in self._refused:
            site.forget()
            raise Unavailable(self._refused[name])

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[None]:
        """For a while use fresh places, in which nothing was ever written; on a shared server only the connections are fresh."""
        before, self._sites = self._sites, {}
        try:
            yield
        finally:
            for site in self._sites.values():
                self._close(site)
            self._sites = before

    def reset(self, kind: ClockKind) -> None:
        """Reconnect before the next case: after a failure nobody knows in what state the clients are."""
        for site in self._sites.values():
            if site.kind == kind:
                self._close(site)

    def _close(self, site: Site) -> str:
        """Close a site; return what was wrong, in words."""
        return self._told(site, "leaving connect()", site.close)

    def _clean(self, site: Site) -> str:
        """Remove from a server that is not ours what interrupted cases left, and what the namespaces of a worker have in common."""
        given = self.endpoints.get(site.backend.name, Endpoint()).by_url
        prefix = self.namespaces.prefix
        return self._told(site, f"clean(client, {prefix!r})", lambda: site.clean(prefix)) if given and site.is_open else ""

    def _told(self, site: Site, what: str, step: Callable[[], Coroutine[Any, Any, Any]]) -> str:
        try:
            self.run(site.kind, step())
        except Hung:
            return f"backend {site.backend.name!r}: {what} did not return within {self.watchdog.deadline_s:g} s"
        except Exception as error:
            return f"backend {site.backend.name!r}: {what} raised {said(error)}"
        return ""

    def close(self) -> list[str]:
        """Clean every namespace of this worker, close clients and loops; return what was wrong (errors, leaked tasks)."""
        problems, self._problems = self._problems, []
        for site in self._sites.values():
            problems += filter(None, [self._clean(site), self._close(site)])
        for kind in list(self._runners):
            problems += self._leaked(kind)
            self.discard(kind)
        self._sites.clear()
        for writers in self._crew:
            writers.close()
        self.watchdog.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return problems

    def see_tasks(self, kind: ClockKind, backends: Sequence[str]) -> None:
        """Remember during whose check a task first ran, so that one left over can be laid at somebody's door."""
        runner = self._runners.get(kind)
        for task in asyncio.all_tasks(runner.get_loop()) if runner is not None else ():
            self._seen.setdefault(task, " and ".join(backends))

    def _leaked(self, kind: ClockKind) -> Iterator[str]:
        # Whoever was cancelled at the end gets a few steps to finish in.
        self.run(kind, _steps(10))
        left = Counter(
            (self._seen.get(task, "a backend"), describe_task(task)) for task in asyncio.all_tasks(self._runners[kind].get_loop())
        )
        for (backend, task), count in sorted(left.items()):
            yield f"{backend} left {count} task{'s' * (count > 1)} running after connect() was left: {task}"

    def reachable(self, backend: Backend[Any]) -> bool:
        """Ask the server of a backend whether it is usable; True without a server."""
        if backend.server is None:
            return True
        try:
            with self.watchdog.within(self.connect_s):
                self.run("real", _awaited(backend.server.ready(self.endpoints[backend.name].url)))
        except (Exception, Hung):
            return False
        return True


def describe_task(task: "asyncio.Task[Any]") -> str:
    """Name a task and where it stands."""
    stack = task.get_stack(limit=1)
    where = (
        f", waiting in {stack[0].f_code.co_qualname} ({Path(stack[0].f_code.co_filename).name}:{stack[0].f_lineno})"
        if stack
        else ""
    )
    coroutine = task.get_coro()
    return f"{getattr(coroutine, '__qualname__', task.get_name())}{where}"


async def _ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def _awaited(what: Awaitable[Any]) -> None:
    await what
