"""One directory of files, off the event loop: how it is laid out, swept, cleaned and closed, and how it fails.

Under the root: ``spaces/<namespace>/<bucket>/<key>``, what is complete; ``drafts``, what is being written; ``trash``, what is
being removed. All on one file system, so that a rename moves a file or a whole directory at once.
"""

import asyncio
import errno
import fcntl
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

import prism_testkit as prism
from prism_backends.filesystem.drafts import sync_directory
from prism_testkit.interfaces.errors import AccessDenied, BackendUnavailable, Closed, PrismError, QuotaExceeded
from prism_testkit.naming import decode_name, encode_name

__all__ = ["FilesystemClient", "Held", "clean", "connect"]

T = TypeVar("T")

_ERRORS: dict[int | None, type[PrismError]] = {
    errno.ENOSPC: QuotaExceeded,
    errno.EDQUOT: QuotaExceeded,
    errno.EACCES: AccessDenied,
    errno.EPERM: AccessDenied,
    errno.EROFS: AccessDenied,
}


class Held(Protocol):
    """What is open between two calls."""

    def close(self) -> None:
        """Let it go; a repeat does nothing."""


class FilesystemClient:
    """What `connect` yields: a directory, and one thread for its files, so that calls queue in order instead of colliding.

    A cancelled call that has begun runs to its end; the next one waits behind it.
    """

    def __init__(self, root: Path, clock: prism.Clock) -> None:
        self.clock = clock
        self.spaces, self.drafts, self.trash = root / "spaces", root / "drafts", root / "trash"
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prism-filesystem")
        self._held: set[Held] = set()
        self._closing: asyncio.Future[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Make the directories that are missing, and sweep what killed processes left."""
        await self.run("connect", self._open)

    async def close(self) -> None:
        """Let what was called before finish, then close every file. A repeat does nothing; later calls raise `Closed`."""
        if not self._closed:
            self._closed = True
            closing_down = asyncio.get_running_loop().run_in_executor(self._executor, self._close)
            self._executor.shutdown(wait=False)
            await asyncio.shield(closing_down)  # a cancelled close is a close too

    async def run(self, what: str, work: Callable[[], T]) -> T:
        """Call ``work`` on the thread of files. ``what`` is for the error."""
        if self._closed:
            raise Closed(f"filesystem: {what}: the client is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except OSError as error:
            raise _ERRORS.get(error.errno, BackendUnavailable)(f"filesystem: {what}: {error}") from error

    def space(self, namespace: str) -> Path:
        """Return the directory of a namespace, which need not be there."""
        return self.spaces / encode_name(namespace.encode())

    @contextmanager
    def holding(self, held: Held) -> Iterator[None]:
        """Close this afterwards, or with the client."""
        self._held.add(held)
        try:
            yield
        finally:
            if not self._closed:
                self._held.discard(held)
                # Behind a call that may still run, and without waiting: nothing can go wrong that anybody has to know.
                self._closing = asyncio.get_running_loop().run_in_executor(self._executor, held.close)

    def discard(self, path: Path) -> None:
        """Remove a directory and what is in it, so that nobody sees a part of it; what a kill leaves is swept."""
        target = self.trash / secrets.token_hex(16)
        with suppress(FileNotFoundError):  # somebody else was first
            path.rename(target)
            shutil.rmtree(target, ignore_errors=True)

    def _open(self) -> None:
        for path in (self.spaces, self.drafts, self.trash):
            path.mkdir(parents=True, exist_ok=True)
        for path in (self.spaces.parent, self.spaces.parent.parent):
            sync_directory(path)  # or a loss of power takes what was put into these, synced or not
        for path in self.trash.iterdir():
            shutil.rmtree(path, ignore_errors=True)  # what others are removing as well
        for path in self.drafts.iterdir():
            _sweep(path)

    def _close(self) -> None:
        while self._held:
            self._held.pop().close()


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[FilesystemClient]:
    """Open the place's directory; whoever comes first makes it."""
    client = FilesystemClient(place.directory / "objects", place.clock)
    try:
        await client.open()
        yield client
    finally:
        await client.close()


async def clean(client: FilesystemClient, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``."""

    def work() -> None:
        for path in client.spaces.iterdir():
            if decode_name(path.name).startswith(prefix.encode()):
                client.discard(path)

    await client.run(f"clean {prefix!a}", work)


def _sweep(path: Path) -> None:
    """Remove a draft unless its writer lives, who holds a lock on it."""
    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
