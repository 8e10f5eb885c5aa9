"""A bucket is a directory. Who changes what is in it holds its lock, and so changes what it has just looked at.

The lock is flock(2) on the directory itself, held for a few system calls and never across two calls of a driver; data is written
and synced before it. Who reads an object needs none: a file that has its name is complete.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prism_backends.filesystem.drafts import Draft, Reader, sync_directory
from prism_backends.filesystem.names import beginning_of, file_name
from prism_backends.filesystem.versions import Version
from prism_backends.objects import Target, deadline_after
from prism_testkit.interfaces.errors import BucketNotFound
from prism_testkit.interfaces.object_storage import ObjectInfo

__all__ = ["Bucket"]


class Bucket:
    """The bucket that a call names, and in it the object. All methods block, and raise `BucketNotFound`."""

    def __init__(self, space: Path, target: Target, now_s: Callable[[], float]) -> None:
        self._space, self._target, self._now_s = space, target, now_s
        self.path = space / file_name(target.bucket_bytes)
        self._file = self.path / file_name(target.key_bytes)

    def check(self) -> None:
        """Raise `BucketNotFound` if it is missing."""
        if not self.path.is_dir():
            raise self._target.no_bucket()

    def create(self) -> bool:
        """Make the bucket; False if there is one."""
        self._space.mkdir(parents=True, exist_ok=True)
        try:
            self.path.mkdir()
        except FileExistsError:
            return False
        sync_directory(self._space)
        sync_directory(self._space.parent)
        return True

    def remove(self, force: bool, discard: Callable[[Path], None]) -> bool:
        """Remove the bucket by ``discard``; False, and nothing done, if there are present objects and no ``force``."""
        with self._locked():
            if not force and any(self._is_present(path) for path in self.path.iterdir()):
                return False
            discard(self.path)
        sync_directory(self._space)
        return True

    def reader(self) -> Reader:
        return self._reader(self._file)

    def find(self, reader: Reader) -> Version | None:
        """Open the object; None if it is missing. One that has expired is removed."""
        version = reader.open()
        if version is None:
            self.check()
        elif version.is_expired(self._now_s()):
            reader.close()
            self._reap(self._file)
            return None
        return version

    def is_present(self) -> bool:
        """Say whether the object is there."""
        return self._is_present(self._file)

    def put(self, draft: Draft) -> None:
        """Give a sealed draft the name of the object."""
        with self._locked(sync=True):
            draft.path.replace(self._file)

    def put_if_absent(self, draft: Draft) -> bool:
        """Give a sealed draft the name of the object, if that is missing."""
        with self._locked(sync=True):
            try:
                self._file.hardlink_to(draft.path)
            except FileExistsError:
                if self._is_present(self._file):
                    return False
                draft.path.replace(self._file)
        return True

    def delete(self) -> bool:
        """Remove the object; False if it is missing."""
        with self._locked(sync=True):
            present = self._is_present(self._file)
            self._file.unlink(missing_ok=True)
        return present

    def set_ttl(self, ttl_s: float) -> bool:
        """Replace the deadline of the object; False if it is missing."""
        reader = self.reader()
        try:
            with self._locked():
                version = reader.open(os.O_RDWR)
                if version is None or version.is_expired(self._now_s()):
                    return False
                reader.set_deadline(deadline_after(ttl_s, self._now_s()))
            reader.sync()
        finally:
            reader.close()
        if ttl_s <= 0:
            self._reap(self._file)
        return True

    def files(self, prefix: bytes) -> list[str]:
        """Return the names of the files that may hold objects whose keys begin with ``prefix``."""
        # A file that is replaced while a directory is read may be given twice, or not at all (POSIX readdir): nobody replaces
        # one behind the lock.
        beginning = beginning_of(prefix)
        with self._locked(fcntl.LOCK_SH):
            return [name for name in os.listdir(self.path) if name.startswith(beginning)]  # noqa: PTH208  names are wanted

    def look(self, files: Sequence[str], prefix: str) -> list[ObjectInfo]:
        """Return the present objects among these files whose keys begin with ``prefix``."""
        found = []
        for path in map(self.path.joinpath, files):
            version = self._version(path)
            if version is None:
                continue
            if version.is_expired(self._now_s()):
                self._reap(path)
            elif version.key.startswith(prefix):
                found.append(ObjectInfo(version.key, version.size, version.last_modified_ms))
        return found

    def _reap(self, path: Path) -> None:
        """Remove a file if its object has expired: not one that was put there since somebody saw that."""
        with suppress(BucketNotFound), self._locked():
            version = self._version(path)
            if version is not None and version.is_expired(self._now_s()):
                path.unlink()

    def _is_present(self, path: Path) -> bool:
        version = self._version(path)
        return version is not None and not version.is_expired(self._now_s())

    def _version(self, path: Path) -> Version | None:
        reader = self._reader(path)
        try:
            return reader.open()
        finally:
            reader.close()

    def _reader(self, path: Path) -> Reader:
        return Reader(path, f"{self._target.backend}: {self._target}")

    @contextmanager
    def _locked(self, how: int = fcntl.LOCK_EX, sync: bool = False) -> Iterator[None]:
        """Hold the lock of the bucket; with ``sync``, wait afterwards until what was done is on the disk."""
        descriptor = self._lock(how)
        try:
            yield
            if sync:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # others need not wait for the disk
                os.fsync(descriptor)
        except FileNotFoundError as error:
            # Only `clean` takes a bucket away without its lock.
            raise self._target.no_bucket() from error
        finally:
            os.close(descriptor)

    def _lock(self, how: int) -> int:
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, how)
                # The bucket may have been removed, and made again, before the lock was ours.
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    return descriptor
            except FileNotFoundError as error:
                os.close(descriptor)
                raise self._target.no_bucket() from error
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise self._target.no_bucket() from error
