"""A file that is being written or read: opened, used and closed on the thread of files, owned by one call."""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from prism_backends.filesystem.versions import Version, head_of, read_version, seal, set_deadline
from prism_backends.objects import CHUNK_BYTES, Description
from prism_testkit.interfaces.errors import BackendUnavailable, CorruptPayload
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["Draft", "Reader", "sync_directory"]

_TRIES = 100


class Draft:
    """A new version under a name of its own, seen by nobody. Closing it removes that name.

    A lock on it tells a sweeper that its writer lives; the system takes that lock off when the process dies.
    """

    def __init__(self, directory: Path, key: str, description: Description) -> None:
        self.path = directory
        self._directory, self._descriptor, self.size = directory, -1, 0
        self._description, self._etag = description, secrets.token_hex(16)
        self._head = head_of(key, description, self._etag)

    def open(self) -> None:
        for _ in range(_TRIES):
            self.path = self._directory / secrets.token_hex(16)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            if self._is_locked():
                _write(self._descriptor, self._head)
                return
            os.close(self._descriptor)
        raise BackendUnavailable(f"filesystem: sweepers took {_TRIES} drafts from before the eyes of their writer")

    def _is_locked(self) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A sweeper may have come in between: then the name is gone.
            return os.fstat(self._descriptor).st_nlink > 0
        return False

    def write(self, data: bytes) -> None:
        _write(self._descriptor, data)
        self.size += len(data)

    def seal(self, last_modified_ms: int) -> ObjectMetadata:
        """Complete the file, wait until it is on the disk, and return what is known of it."""
        seal(self._descriptor, self._head, last_modified_ms, self.size)
        os.fsync(self._descriptor)
        return self._description.metadata(self.size, self._etag, last_modified_ms)

    def close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):  # it is in its place already; or it stays, locked by nobody, until somebody sweeps
                self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1


class Reader:
    """One version, whole whatever is put or deleted meanwhile: a file that is open stays what it was."""

    def __init__(self, path: Path, where: str) -> None:
        self._path, self._where = path, where
        self._descriptor, self._at, self.left = -1, 0, 0

    def open(self, flags: int = os.O_RDONLY) -> Version | None:
        """Return what is known of the object; None if there is no such file."""
        with suppress(FileNotFoundError):
            self._descriptor = os.open(self._path, flags | os.O_CLOEXEC)
            version = read_version(self._descriptor, self._where)
            self._at, self.left = version.data_at, version.size
            return version
        return None

    def read(self) -> bytes:
        """Return the next part, empty at the end."""
        data = os.pread(self._descriptor, min(self.left, CHUNK_BYTES), self._at)
        if self.left and not data:
            raise CorruptPayload(f"{self._where}: the file was cut while it was read")
        self._at += len(data)
        self.left -= len(data)
        return data

    def set_deadline(self, deadline_s: float) -> None:
        set_deadline(self._descriptor, deadline_s)

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def sync_directory(path: Path) -> None:
    """Wait until what was made, renamed or removed in a directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
