"""One version of an object, as it lies on a server: one object of S3, whose metadata and data are replaced together.

Its data are followed by a tail that ends with random bytes. So the ETag, which is made of what is stored, is that of one write
alone, and a condition on it is a compare-and-swap, whatever was written in between. What is known of the object is a header; a
description that is too long for one (S3 takes 2 KB) stands in the tail. An object of no bytes at all is none: what is put in
place of an expired one, for a delete cannot be conditional everywhere.
"""

import base64
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from prism_backends.objects import Description
from prism_testkit.interfaces.errors import CorruptPayload
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["HEADER", "Version", "new_version", "read_header"]

HEADER = "x-amz-meta-prism"
_NONCE_BYTES = 16
_MOST_IN_HEADER = 1600


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a version. ``rest`` is what is told in the tail; empty if all is in the header."""

    identity: str
    put_ms: int
    description: bytes
    deadline_s: float = math.inf
    size: int = 0
    tail_bytes: int = _NONCE_BYTES
    etag: str = ""
    """The server's, of what it keeps: another one after each write of any kind."""

    def is_expired(self, now_s: float) -> bool:
        return self.deadline_s <= now_s

    @property
    def is_described(self) -> bool:
        """False if the description is still to be read from the tail."""
        return bool(self.description)

    def described(self, tail: bytes) -> "Version":
        """Return it with the description that is in the tail."""
        return replace(self, description=tail[:-_NONCE_BYTES])

    def metadata(self) -> ObjectMetadata:
        """Return what a driver hands out. Raises `CorruptPayload` for a description that no driver wrote."""
        try:
            content_type, content_encoding, user_metadata = json.loads(self.description)
        except ValueError as error:
            raise CorruptPayload("s3: the description of an object cannot be read") from error
        said = Description(content_type, content_encoding, user_metadata)
        return said.metadata(self.size, self.identity, self.put_ms, None if math.isinf(self.deadline_s) else self.deadline_s)

    def sealed(self) -> tuple[dict[str, str], bytes]:
        """Return the header and the tail of one write of it."""
        encoded = base64.urlsafe_b64encode(self.description).decode()
        fits = len(encoded) <= _MOST_IN_HEADER
        tail = (b"" if fits else self.description) + secrets.token_bytes(_NONCE_BYTES)
        deadline = "" if math.isinf(self.deadline_s) else repr(self.deadline_s)
        fields = ("1", self.identity, str(self.put_ms), deadline, str(len(tail)), encoded if fits else "")
        return {HEADER: ",".join(fields), "Content-Type": "application/octet-stream"}, tail


def new_version(put_ms: int, description: Description, size: int = 0) -> Version:
    """Return a version that is to be written."""
    said = [description.content_type, description.content_encoding, description.user_metadata]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return Version(secrets.token_hex(16), put_ms, text, size=size)


def read_header(headers: Mapping[str, str], stored_bytes: int) -> Version:
    """Return the version that a header tells of; raise `CorruptPayload` if no driver wrote it."""
    text = headers.get(HEADER, "")
    try:
        _, identity, put_ms, deadline, tail_bytes, encoded = text.split(",")
        return Version(
            identity,
            int(put_ms),
            base64.urlsafe_b64decode(encoded),
            float(deadline) if deadline else math.inf,
            stored_bytes - int(tail_bytes),
            int(tail_bytes),
            headers.get("etag", ""),
        )
    except ValueError as error:
        raise CorruptPayload(f"s3: an object with the metadata {text[:60]!a} is none of this driver's") from error
