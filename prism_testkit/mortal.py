"""A place of its own, in this process, whose clients can be killed as often as wanted: without a process that dies for it.

What SIGKILL leaves of a store that keeps files is what the operating system holds of them: what was not handed over is lost, and
so is all that stands in memory. A copy of the directory, made between two calls, is just that. So the files are copied, the
clients that were open are closed over the old ones, which nobody looks at again, and new clients open the copy. That takes some
milliseconds, where a kill of a process (`killing`) takes some hundred, so every kind of call can be the last one.
"""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.histories import History
from prism_testkit.outcomes import Unavailable
from prism_testkit.private import SERVER
from prism_testkit.worker import Site

__all__ = ["Mortal"]

_TRIES = 5


class Mortal:
    """``reopen`` opens a driver over a connection, for a client's number, in a namespace: tapped, and as it is."""

    def __init__(
        self,
        backend: Backend[Any],
        new_place: Callable[[], Place],
        new_namespace: Callable[[], str],
        reopen: Callable[[Any, int, str], Awaitable[tuple[Any, Any]]],
        closer: Callable[[Any], Awaitable[None]],
        history: History,
    ) -> None:
        self._new_place, self.new_namespace, self._reopen, self._closer = new_place, new_namespace, reopen, closer
        self._history = history
        self._backend = backend
        self._site = Site(backend, new_place(), "virtual")
        self._drivers: list[Any] = []

    async def client(self, number: int, namespace: str, *, told: bool = True) -> Any:
        """Return client ``number`` of a namespace, with every interface; not ``told``: its calls are not in the history."""
        slot, driver = await self._reopen(await self._site.client(number), number, namespace)
        self._drivers.append(driver)
        return slot if told else driver

    async def kill(self) -> None:
        """Kill whoever has the place open: from here on clients are new ones, over what was left."""
        self._history.labels[SERVER] = "harness"
        event = self._history.invoke(SERVER, "kill", ("all clients",), {})
        left = self._new_place()
        _copy(self._site.place.directory, left.directory)
        await self.close()
        self._site = Site(self._backend, left, "virtual")
        self._history.respond(event, None)

    async def close(self) -> None:
        """Close the clients and remove the files."""
        try:
            while self._drivers:
                await self._closer(self._drivers.pop())
            await self._site.close()
        finally:
            shutil.rmtree(self._site.place.directory, ignore_errors=True)


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
