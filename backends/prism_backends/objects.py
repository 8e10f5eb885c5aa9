"""What the object storage drivers share: the checks of arguments and streams, and the arithmetic of deadlines."""

import math
from collections.abc import AsyncIterable, Iterator, Mapping
from dataclasses import dataclass, field

import prism_testkit as prism
from prism_testkit.interfaces.errors import BucketNotFound, ObjectNotFound, PayloadTooLarge
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectMetadata
from prism_testkit.naming import METADATA_BYTES
from prism_testkit.traits import NO_LIMIT

__all__ = ["CHUNK_BYTES", "LIMITS", "Description", "Intake", "Target", "deadline_after", "expires_at_ms"]

LIMITS = prism.Limits(max_payload=NO_LIMIT)
CHUNK_BYTES = 1 << 20
"""What a stream hands out, and what a driver moves, at a time."""
_ROUNDING_S = 1e-5
"""A deadline is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""
_LAST_S = 1e18
"""Later than the end of the sun: what is longer becomes this, for a number of milliseconds must be left."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a put says of the data: checked, and the caller's no longer."""

    content_type: str | None = None
    content_encoding: str | None = None
    user_metadata: dict[str, str] = field(default_factory=dict)

    def metadata(self, size: int, etag: str, last_modified_ms: int, deadline_s: float | None = None) -> ObjectMetadata:
        """Return what a driver hands out; the mapping is a new one each time, so that nobody changes the store's."""
        expires = None if deadline_s is None else expires_at_ms(deadline_s)
        return ObjectMetadata(
            size, etag, last_modified_ms, self.content_type, self.content_encoding, dict(self.user_metadata), expires
        )


class Target:
    """The names of one call, checked: a bucket, or a bucket and a key. Its errors say them, the operation and the backend."""

    def __init__(self, backend: str, operation: str, bucket: str, *key: str) -> None:
        self.backend, self.operation = backend, operation
        self._names = (bucket, *key)
        self.bucket_bytes, *rest = (prism.check_name(name, operation, backend) for name in self._names)
        self.key_bytes = b"".join(rest)

    def __str__(self) -> str:
        return " ".join([self.operation, *(f"{name[:40]!a}" for name in self._names)])

    def no_bucket(self) -> BucketNotFound:
        return BucketNotFound(f"{self.backend}: {self}: there is no such bucket")

    def no_object(self) -> ObjectNotFound:
        return ObjectNotFound(f"{self.backend}: {self}: there is no such object")

    def check_data(self, data: Bytes) -> bytes:
        return prism.check_payload(data, self.operation, self.backend, self._names[-1], LIMITS)

    def describe(
        self, content_type: str | None, content_encoding: str | None, user_metadata: Mapping[str, str] | None
    ) -> Description:
        """Return a private copy; raise as `prism_testkit.naming.check_headers` does, for the two texts too."""
        for what, text in (("content_type", content_type), ("content_encoding", content_encoding)):
            self._check_text(what, text)
        return Description(
            content_type, content_encoding, prism.check_headers(user_metadata, self.operation, self.backend, METADATA_BYTES)
        )

    def _check_text(self, what: str, text: str | None) -> None:
        if text is None:
            return
        if not isinstance(text, str):
            raise TypeError(f"{self.backend}: {self}: {what} is str or None, not {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{self.backend}: {self}: {what} {text[:40]!a} holds a surrogate at {error.start}") from error

    def check_stream(self, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        """Raise ``TypeError`` for what is no stream or no size, ``ValueError`` for a negative size."""
        if not isinstance(chunks, AsyncIterable):
            raise TypeError(f"{self.backend}: {self}: chunks come from an async iterable, not from {type(chunks).__name__}")
        if size is None:
            return
        if not isinstance(size, int):
            raise TypeError(f"{self.backend}: {self}: size is an int or None, not {type(size).__name__}")
        if size < 0:
            raise ValueError(f"{self.backend}: {self}: size={size} is negative; None means that it is not known")
        self._check_total(size)

    def _check_total(self, total: int) -> None:
        if total > LIMITS.max_payload:
            raise PayloadTooLarge(f"{self.backend}: {self}: {total} bytes, the limit is {LIMITS.max_payload}")


class Intake:
    """Takes the chunks of a stream, of whatever length, and gives blocks of one length, so that one of each is held.

    No asynchronous generator, for one that is left early goes on living until it is collected.
    """

    def __init__(self, target: Target, size: int | None, block_bytes: int = CHUNK_BYTES) -> None:
        self._target, self._size, self._block_bytes = target, size, block_bytes
        self._held = bytearray()
        self.total = 0
        """Bytes taken."""

    def add(self, chunk: Bytes) -> Iterator[bytes]:
        """Yield the blocks that are full; raise ``TypeError`` for what is not bytes, ``ValueError`` for more than the size."""
        data = self._target.check_data(chunk)
        self.total += len(data)
        self._target._check_total(self.total)
        if self._size is not None and self.total > self._size:
            raise self._contradiction(f"has more than the {self._size} bytes that were announced")
        view = memoryview(data)
        for start in range(0, len(view), self._block_bytes):
            self._held += view[start : start + self._block_bytes]
            if len(self._held) >= self._block_bytes:
                yield bytes(self._held[: self._block_bytes])
                del self._held[: self._block_bytes]

    def end(self) -> Iterator[bytes]:
        """Yield what is left, if there is anything; raise ``ValueError`` for less than the size."""
        if self._size is not None and self.total != self._size:
            raise self._contradiction(f"ended after {self.total} of {self._size} bytes")
        if self._held:
            yield bytes(self._held)

    def _contradiction(self, what: str) -> ValueError:
        return ValueError(f"{self._target.backend}: {self._target}: the stream {what}")


def deadline_after(ttl_s: float, now_s: float) -> float:
    """Return the instant in seconds at which what has ``ttl_s`` left expires; the epoch, which every clock has passed, for 0."""
    return min(now_s + ttl_s + _ROUNDING_S, _LAST_S) if ttl_s > 0 else 0.0


def expires_at_ms(deadline_s: float) -> int:
    """Return a deadline in whole milliseconds, rounded up, without what was added against rounding."""
    return max(0, math.ceil((deadline_s - 1.1 * _ROUNDING_S) * 1000))
