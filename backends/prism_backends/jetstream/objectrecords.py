"""What the server keeps of buckets and objects, and how it is written: JSON for what is known, chunks for long data."""

import json
from dataclasses import asdict, dataclass, field, replace

from prism_backends.jetstream.api import Stored
from prism_backends.nats.envelope import opened, sealed
from prism_backends.objects import Description
from prism_testkit.interfaces.errors import CorruptPayload
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["CHUNK_BYTES", "INLINE_BYTES", "Bucket", "Version", "bucket_of", "version_of"]

INLINE_BYTES = 4096
"""Data up to this are kept beside what is known of the object; a listing reads that."""
CHUNK_BYTES = 512 * 1024
"""Longer data are cut into messages of this length: half of what a server takes unless it is told otherwise."""
_LAST_NS = 10**27
"""Later than the end of the sun: a deadline that is a number of milliseconds all the same."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket. What is in it is kept under its ``generation``, so that a bucket made again is empty at once."""

    generation: str
    is_closing: bool
    sequence: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object. ``put_ns`` is the instant at which it was put, ``ttl_ns`` counts from this state of it."""

    identity: str
    size: int
    description: Description
    chunks: int = 0
    inline: bytes = b""
    put_ns: int = 0
    ttl_ns: int | None = None
    sequence: int = 0
    at_ns: int = 0
    key: bytes = field(default=b"", repr=False)

    @property
    def deadline_ns(self) -> int | None:
        return None if self.ttl_ns is None else self.at_ns + self.ttl_ns if self.ttl_ns else 0

    def is_present(self, now_ns: int) -> bool:
        return self.deadline_ns is None or self.deadline_ns > now_ns

    def metadata(self) -> ObjectMetadata:
        deadline_ns = self.deadline_ns
        known = self.description.metadata(self.size, self.identity, self.put_ns // 1_000_000)
        return known if deadline_ns is None else replace(known, expires_at_ms=-(-deadline_ns // 1_000_000))

    def expiring(self, ttl_s: float) -> "Version":
        """Return what is to be kept if it lives so much longer from then on."""
        ttl_ns = min(int(ttl_s * 1e9) + 1, _LAST_NS) if ttl_s > 0 else 0
        return replace(self, ttl_ns=ttl_ns)

    def sealed(self) -> bytes:
        known = {"id": self.identity, "size": self.size, "chunks": self.chunks, "put": self.put_ns, "ttl": self.ttl_ns}
        return sealed([json.dumps(known | asdict(self.description), ensure_ascii=False)], self.inline)


def bucket_of(stored: Stored, what: str) -> Bucket:
    """Return the bucket of a message that is not gone."""
    try:
        generation, state = stored.data.decode().split(" ")
    except ValueError as error:
        raise CorruptPayload(f"{what}: what is stored at {stored.sequence} is none of ours: {error}") from error
    return Bucket(generation, state == "closing", stored.sequence, stored.at_ns)


def version_of(stored: Stored, key: bytes, what: str) -> Version:
    """Return the version of a message that is not gone."""
    try:
        (text,), inline = opened(stored.data)
        known = json.loads(text)
        description = Description(known["content_type"], known["content_encoding"], known["user_metadata"])
        put_ns = known["put"] or stored.at_ns
        return Version(
            known["id"],
            known["size"],
            description,
            known["chunks"],
            inline,
            put_ns,
            known["ttl"],
            stored.sequence,
            stored.at_ns,
            key,
        )
    except (ValueError, KeyError) as error:
        raise CorruptPayload(f"{what}: what is stored at {stored.sequence} is none of ours: {error}") from error
