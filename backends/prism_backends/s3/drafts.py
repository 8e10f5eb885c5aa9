"""An object that a stream brings: written as it comes, seen when all came. All of it blocks."""

from collections.abc import Sequence
from dataclasses import replace

from prism_backends.objects import Description, Target
from prism_backends.s3.store import Store
from prism_backends.s3.uploads import Upload
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["Draft"]


class Draft:
    """What is short is written at its end, in one request; what is long in parts."""

    def __init__(self, store: Store, target: Target, description: Description) -> None:
        self._store, self._target = store, target
        self._version = store.described(description)
        self._headers, self._tail = self._version.sealed()
        self._generation, self._key = "", ""
        self._upload: Upload | None = None
        self._size = 0

    @property
    def is_begun(self) -> bool:
        """Something is to be removed if it does not come to its end."""
        return self._upload is not None and self._upload.is_begun

    def find(self) -> None:
        """Look for the bucket; `BucketNotFound` if there is none."""
        self._generation = self._store.buckets.looked(self._target, lambda generation: generation)
        self._key = self._store.key(self._target, self._generation)

    def add(self, block: bytes) -> None:
        """Write a part."""
        if self._upload is None:
            self._upload = Upload(self._store.cells, self._key, self._headers)
        self._upload.add(block)
        self._size += len(block)

    def finish(self, rest: Sequence[bytes]) -> ObjectMetadata:
        """Write what is left, and show all of it."""
        last = b"".join((*rest, self._tail))
        self._size += len(last) - len(self._tail)
        if self._upload is None:
            self._store.cells.put(self._key, last, self._headers)
        else:
            self._upload.add(last)
            self._upload.complete({})
        if not self._store.buckets.confirmed(self._target, self._generation):
            self._store.cells.delete(self._key)
            raise self._target.no_bucket()
        return replace(self._version, size=self._size).metadata()

    def abort(self) -> None:
        """Remove what was written, if it is not complete."""
        if self._upload is not None:
            self._upload.abort()
