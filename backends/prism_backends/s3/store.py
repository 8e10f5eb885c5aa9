"""The objects of one namespace, as calls need them: what is there, what is put, changed and removed. All of it blocks.

A write is one request that replaces data and metadata together, under the generation of its bucket, and then a look whether the
bucket still has that. What changes a version that is there (`set_ttl`), or puts an end to one that has expired, does so on
condition that it is still the one that was seen. So an object is missing from the moment somebody met it expired, whatever the
clocks say.
"""

from collections.abc import Mapping
from dataclasses import replace

from prism_backends.objects import Description, Target, deadline_after
from prism_backends.s3.buckets import Buckets
from prism_backends.s3.cells import ABSENT, Cells, unchanged
from prism_backends.s3.names import path_of
from prism_backends.s3.serverclock import ServerClock
from prism_backends.s3.uploads import PART_BYTES, Upload
from prism_backends.s3.versions import Version, new_version, read_header
from prism_backends.s3.wire import Refused
from prism_testkit.interfaces.errors import Conflict
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["READ_BYTES", "Store"]

READ_BYTES = 4 << 20
"""What a stream asks for, and gives, at a time."""
_AT_ONCE_BYTES = 32 << 20
"""What is put in one request."""
_LONG_BYTES = 1 << 20
"""Longer than this it is not sent before somebody looked whether it is wanted."""


class Store:
    """What the driver of one namespace calls, on a thread."""

    def __init__(self, cells: Cells, prefix: str, clock: ServerClock) -> None:
        self.cells, self.clock = cells, clock
        self.buckets = Buckets(cells, prefix)

    def key(self, target: Target, generation: str) -> str:
        return self.buckets.below(generation) + path_of(target.key_bytes)

    def described(self, description: Description, size: int = 0) -> Version:
        """Return a version that is put now."""
        return new_version(int(self.clock.earliest_s() * 1000), description, size)

    def put(self, target: Target, data: bytes, description: Description) -> ObjectMetadata:
        """Replace whatever the key holds."""
        while True:
            generation, version = self.buckets.generation(target), self.described(description, len(data))
            key = self.key(target, generation)
            self.write(key, data, version, {})
            if self.buckets.confirmed(target, generation):
                return version.metadata()
            self.cells.delete(key)

    def put_if_absent(self, target: Target, data: bytes, description: Description) -> bool:
        """Put an object where there is none; False if there is one."""
        while True:
            generation = self.buckets.generation(target)
            key = self.key(target, generation)
            made = self._make(key, data, self.described(description, len(data)))
            if self.buckets.confirmed(target, generation):
                return made
            if made:
                self.cells.delete(key)

    def _make(self, key: str, data: bytes, version: Version) -> bool:
        if len(data) > _LONG_BYTES and self.find(key) is not None:
            return False  # rather than to send all of it first
        condition = ABSENT
        while not self.write(key, data, version, condition):
            headers = self.cells.head(key)
            if headers is None:
                condition = ABSENT
            elif _is_nothing(headers) or self._version(headers).is_expired(self.clock.earliest_s()):
                condition = unchanged(headers.get("etag", ""))
            else:
                return False
        return True

    def write(self, key: str, data: bytes, version: Version, condition: Mapping[str, str]) -> bool:
        """Write a version; False if the condition does not hold."""
        headers, tail = version.sealed()
        if len(data) > _AT_ONCE_BYTES:
            return self._write_long(key, data, tail, headers, condition)
        body = b"".join((data, tail))
        if condition:
            return self.cells.swap(key, body, headers | dict(condition)) is not None
        self.cells.put(key, body, headers)
        return True

    def _write_long(self, key: str, data: bytes, tail: bytes, headers: Mapping[str, str], condition: Mapping[str, str]) -> bool:
        upload = Upload(self.cells, key, headers)
        last = (len(data) - 1) // _AT_ONCE_BYTES * _AT_ONCE_BYTES
        try:
            for start in range(0, last, _AT_ONCE_BYTES):
                upload.add(data[start : start + _AT_ONCE_BYTES])
            upload.add(data[last:] + tail)
            return upload.complete(condition)
        finally:
            upload.abort()

    def find(self, key: str) -> Version | None:
        """Return what is known of a present object, None if it is missing. One that has expired is put an end to."""
        while True:
            headers = self.cells.head(key)
            if headers is None or _is_nothing(headers):
                return None
            version = self._version(headers)
            if not version.is_expired(self.clock.earliest_s()):
                return version
            if self.end(key, version):
                return None

    def known(self, key: str) -> ObjectMetadata | None:
        """Return what the driver tells of a present object."""
        while (version := self.find(key)) is not None:
            if version.is_described:
                return version.metadata()
            tail = self._range(key, version, version.size, version.size + version.tail_bytes)
            if tail is not None:
                return version.described(tail).metadata()
        return None

    def read(self, key: str) -> tuple[Version, bytes] | None:
        """Return a present object, whole."""
        while (found := self.cells.get(key)) is not None:
            body, headers = found
            if not body:
                return None
            version = read_header(headers, len(body))
            if not version.is_expired(self.clock.earliest_s()):
                return version if version.is_described else version.described(body[version.size :]), body[: version.size]
            if self.end(key, version):
                return None
        return None

    def begin(self, key: str) -> tuple[Version, bytes] | None:
        """Return a present object with the first `READ_BYTES` of it."""
        while True:
            try:
                found = self.cells.get(key, {"Range": f"bytes=0-{READ_BYTES - 1}"})
            except Refused as error:
                if error.status == 416:
                    return None  # no bytes at all
                raise
            if found is None:
                return None
            body, headers = found
            stored_bytes = int(headers.get("content-range", f"/{len(body)}").rpartition("/")[2])
            if not stored_bytes:
                return None
            version = read_header(headers, stored_bytes)
            if not version.is_expired(self.clock.earliest_s()):
                return version, body[: version.size]
            if self.end(key, version):
                return None

    def go_on(self, target: Target, key: str, version: Version, start: int) -> tuple[Version, bytes]:
        """Return the next `READ_BYTES` of a version, which may have another deadline by now.

        Raises `Conflict` if it was replaced, `ObjectNotFound` or `BucketNotFound` if it went.
        """
        while True:
            data = self._range(key, version, start, min(start + READ_BYTES, version.size))
            if data is not None:
                return version, data
            now = self.find(key)
            if now is None:
                raise target.no_object()
            if now.identity != version.identity:
                raise Conflict(f"{target.backend}: {target}: the object was replaced while it was read")
            version = now

    def _range(self, key: str, version: Version, start: int, end: int) -> bytes | None:
        """Return bytes of a version; None if it is not there any more."""
        try:
            found = self.cells.get(key, {"Range": f"bytes={start}-{end - 1}"} | unchanged(version.etag))
        except Refused as error:
            if error.status in (412, 416):
                return None
            raise
        return None if found is None else found[0]

    def delete(self, key: str) -> bool:
        """Remove a present object; False if it is missing."""
        if self.find(key) is None:
            return False
        self.cells.delete(key)
        return True

    def end(self, key: str, version: Version) -> bool:
        """Put nothing in place of a version; False if it is another one by now."""
        return self.cells.swap(key, b"", unchanged(version.etag)) is not None

    def set_ttl(self, key: str, ttl_s: float) -> bool:
        """Give a present object another deadline; False if it is missing."""
        while (version := self.find(key)) is not None:
            if ttl_s <= 0:
                if self.end(key, version):
                    return True
            elif self._written_again(key, version, ttl_s):
                return True
        return False

    def _written_again(self, key: str, version: Version, ttl_s: float) -> bool:
        tail = b""
        if version.size <= PART_BYTES or not version.is_described:
            start = version.size if version.size > PART_BYTES else 0
            body = self._range(key, version, start, version.size + version.tail_bytes)
            if body is None:
                return False
            data, tail = body[: version.size - start], body[version.size - start :]
        changed = version if version.is_described else version.described(tail)
        changed = replace(changed, deadline_s=deadline_after(ttl_s, self.clock.latest_s()))
        if version.size <= PART_BYTES:
            return self.write(key, data, changed, unchanged(version.etag))
        return self._copy(key, version, changed)

    def _copy(self, key: str, version: Version, changed: Version) -> bool:
        """Let the server copy a long version, with what is changed of it."""
        headers, tail = changed.sealed()
        upload = Upload(self.cells, key, headers)
        try:
            upload.copy(version.size, version.etag)
            upload.add(tail)
            return upload.complete(unchanged(version.etag))
        except Refused as error:
            if error.is_changed or error.code == "NoSuchKey":
                return False
            raise
        finally:
            upload.abort()

    def _version(self, headers: Mapping[str, str]) -> Version:
        return read_header(headers, int(headers.get("content-length", "0")))


def _is_nothing(headers: Mapping[str, str]) -> bool:
    """Say whether it is what is left of an expired object."""
    return headers.get("content-length") == "0"
