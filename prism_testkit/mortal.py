"""A place of its own, in this process, whose clients can be killed as often as wanted: without a process that dies for it.

What SIGKILL leaves of a store that keeps files is what the operating system holds of them: what was not handed over is lost, and
so is all that stands in memory. A copy of the directory, made between two calls, is just that. So the files are copied, the
clients that were open are closed over the old ones, which nobody looks at again, and new clients open the copy. That takes some
milliseconds, where a kill of a process (`killing`) takes some hundred, so every kind of call can be the last one.

In the middle of a call the same is true behind each of its writes to files, which are the crash points of ALICE (Pillai et al.,
All File Systems Are Not Created Equal, OSDI 2014): so a copy is made behind each, and every one of them can be opened. This
process lives on: a lock that is known by its number would be seen as held, which `flock` and the like are not.
"""

import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.drivers import noted
from prism_testkit.faults import Incarnation
from prism_testkit.fuse import profile_again, writes
from prism_testkit.histories import History
from prism_testkit.outcomes import Unavailable
from prism_testkit.power import Disk, Remains
from prism_testkit.private import SERVER
from prism_testkit.worker import Site

__all__ = ["Mortal"]

_TRIES = 5
_MOST_MOMENTS = 201
"""Of one call, with what was there before it; what it writes behind them is not looked at."""


class Mortal:
    """``reopen`` opens a driver over a connection, for a client's number, in a namespace, for one life: tapped, and as it is."""

    def __init__(
        self,
        backend: Backend[Any],
        new_place: Callable[[], Place],
        new_namespace: Callable[[], str],
        reopen: Callable[[Any, int, str, Incarnation], Awaitable[tuple[Any, Any]]],
        closer: Callable[[Any], Awaitable[None]],
        history: History,
    ) -> None:
        self._new_place, self.new_namespace, self._reopen, self._closer = new_place, new_namespace, reopen, closer
        self._history = history
        self._backend = backend
        self._site = Site(backend, new_place(), "virtual")
        self._drivers: list[Any] = []
        self._lives: list[Incarnation] = []
        self._moments: list[Path] = []

    async def client(self, number: int, namespace: str, *, told: bool = True) -> Any:
        """Return client ``number`` of a namespace, with every interface; not ``told``: its calls are not in the history."""
        with noted("prism_around", "connect(place), which the harness called,"):
            connection = await self._site.client(number)
        self._lives.append(Incarnation(number))
        slot, driver = await self._reopen(connection, number, namespace, self._lives[-1])
        self._drivers.append(driver)
        return slot if told else driver

    async def kill(self) -> None:
        """Kill whoever has the place open: from here on clients are new ones, over what was left."""
        await self.kill_at(self._site.place.directory, "all clients")

    async def moments(self, call: Awaitable[Any]) -> list[Path]:
        """Make a call to its end; return what there was before it, and what a kill leaves behind each write to files in it.

        Seen are writes of this thread, which is where `run_in_executor` calls on virtual time, and none that leaves all files as
        they were. Each can be given to `kill_at`, as often as wanted.
        """
        files, found = self._site.place.directory, list[Path]()

        def keep() -> None:
            if len(found) < _MOST_MOMENTS:
                found.append(self._new_place().directory)
                self._moments.append(found[-1])
                _copy(files, found[-1])

        keep()
        before: Any = sys.getprofile()
        watch = _Watch(files, keep)
        sys.setprofile(watch)
        try:
            await call
        finally:
            profile_again(before)
        watch.look()  # a file that `with` closes is written by no call that a profiler is told of
        return found

    def used(self) -> int:
        """Return how many bytes the files of the place have, all together."""
        return sum(size for _, size, _ in _stamps(self._site.place.directory))

    def disk(self) -> Disk:
        """Return what follows, once it is entered, which files of the place reach the disk. Before anybody opens it."""
        return Disk(self._site.place.directory)

    def keep(self, remains: Remains) -> Path:
        """Make what a loss of power left a moment that can be given to `kill_at`."""
        self._moments.append(self._new_place().directory)
        remains.write(self._moments[-1])
        return self._moments[-1]

    async def kill_at(self, moment: Path, told: str) -> None:
        """Kill whoever has the place open: from here on clients are new ones, over what was left at that moment."""
        self._history.labels[SERVER] = "harness"
        event = self._history.invoke(SERVER, "kill", (told,), {})
        left = self._new_place()
        _copy(moment, left.directory)
        await self._leave()
        self._site = Site(self._backend, left, "virtual")
        self._history.respond(event, None)

    async def close(self) -> None:
        """Close the clients and remove the files."""
        try:
            await self._leave()
        finally:
            while self._moments:
                shutil.rmtree(self._moments.pop(), ignore_errors=True)

    async def _leave(self) -> None:
        try:
            while self._lives:
                await self._lives.pop().bury()
            while self._drivers:
                await self._closer(self._drivers.pop())
            await self._site.close()
        finally:
            shutil.rmtree(self._site.place.directory, ignore_errors=True)


class _Watch:
    """Calls ``keep`` behind each call of C's after which the files below ``directory`` are not what they were."""

    def __init__(self, directory: Path, keep: Callable[[], None]) -> None:
        self._directory, self._keep = directory, keep
        self._last = _contents(directory)

    def __call__(self, frame: FrameType, event: str, what: Any) -> None:
        if event == "c_return" and (what.__name__ in ("open", "mkdir", "rmdir") or writes(what)):
            self.look()

    def look(self) -> None:
        """Call ``keep`` if the files are not what they were."""
        now = _contents(self._directory)
        if now != self._last:
            self._last = now
            self._keep()


def _contents(files: Path) -> dict[str, bytes | None]:
    """Return what is there: a clock of files is too coarse to tell one write from the next."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(files.rglob("*"))}


def _copy(files: Path, to: Path) -> None:
    """Copy a directory as it stands at one instant; somebody in another thread may be writing."""
    for _ in range(_TRIES):
        before = _stamps(files)
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(files, to, symlinks=True, ignore=_no_files)
        if _stamps(files) == before:
            return
    raise Unavailable("its files change while nobody calls, so they cannot be copied as they stand at one instant")


def _stamps(files: Path) -> list[tuple[str, int, int]]:
    found = ((path, path.lstat()) for path in sorted(files.rglob("*")))
    return [(str(path), status.st_size, status.st_mtime_ns) for path, status in found]


def _no_files(directory: str, names: list[str]) -> set[str]:
    """Sockets and pipes are nothing that is left."""
    paths = ((name, Path(directory, name)) for name in names)
    return {name for name, path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())}
