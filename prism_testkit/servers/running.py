"""What callers hold of a server."""

from pathlib import Path

from prism_testkit.servers.containers import ContainerServer
from prism_testkit.servers.locate import Origin
from prism_testkit.servers.own import OwnServer
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["RunningServer"]

_RESTART_S = 45.0
"""One that ends before it is ready is noticed sooner."""


class RunningServer:
    """A server that answers. Its URL may hold a password, so it is in no representation of this object.

    ``owned``: a process or a container of ours, which may be killed and restarted; a server given by URL may not, and `kill` and
    `restart` raise `ServerUnavailable` for it. ``directory`` is the server's own folder, private to it, and ``pid`` its process;
    None if it is not ours, or in a container.
    """

    def __init__(self, name: str, url: str, origin: Origin, version: str, own: OwnServer | ContainerServer | None) -> None:
        self.name = name
        self.url = url
        self.origin = origin
        self.version = version
        self._own = own
        self._stopped = False

    def __repr__(self) -> str:
        return f"RunningServer({self.name!r}, origin={self.origin!r}, version={self.version!r}, pid={self.pid})"

    @property
    def owned(self) -> bool:
        return self._own is not None

    @property
    def directory(self) -> Path | None:
        return self._own.data if self._own is not None else None

    @property
    def pid(self) -> int | None:
        return self._own.pid if self._own is not None else None

    def alive(self) -> bool:
        """Say whether the process runs; of a server given by URL, which is not ours to watch, always True."""
        return self._own is None or self._own.alive()

    def last_lines(self, n: int = 20) -> str:
        """Return the last ``n`` lines the server printed, without credentials; empty for a server that is not ours."""
        return self._own.last_lines(n) if self._own is not None else ""

    async def kill(self) -> None:
        """Send SIGKILL and wait until the process is gone. Again: nothing."""
        await self._need("killed").kill()

    async def restart(self) -> None:
        """Run it again over the same directory and ports, and wait until it is ready; ended first if it still runs.

        Raise `ServerUnavailable` if it does not come back.
        """
        own = self._need("restarted")
        await own.end()
        await own.relaunch(_RESTART_S)

    @property
    def pausable(self) -> bool:
        """It is ours: a process, or a container whose engine can pause it; not given by URL."""
        return self._own is not None and self._own.pausable

    @property
    def paused(self) -> bool:
        """It was paused, and the system shows its processes as stopped, or the engine its container."""
        return self._own is not None and self._own.is_paused()

    async def pause(self) -> None:
        """Stop all its processes, by SIGSTOP or through the engine, and wait until they have stopped. Again: nothing.

        `stop`, `restart` and `kill` end it. Raise `ServerUnavailable` where the engine cannot.
        """
        await self._need("paused").pause()

    async def resume(self) -> None:
        """Let it go on. Again: nothing."""
        await self._need("resumed").resume()

    async def stop(self) -> None:
        """End it, by SIGTERM and then SIGKILL, and remove its directory and its record. Again: nothing.

        A server that was started with ``keep`` goes on running, on record as kept; one given by URL is not touched.
        """
        if self._stopped or self._own is None:
            return
        self._stopped = True
        if self._own.record.kept:
            self._own.leave()
            return
        try:
            await self._own.end()
        finally:
            self._own.discard()

    def _need(self, what: str) -> OwnServer | ContainerServer:
        if self._own is None:
            raise ServerUnavailable(self.name, f"it was given by URL, so it is not ours to be {what}")
        if self._stopped:
            raise ServerUnavailable(self.name, f"it was stopped, so it cannot be {what}")
        return self._own
