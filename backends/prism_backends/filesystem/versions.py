"""One version of an object is one file: a head of fixed length, what the put said in JSON, the data.

So data and metadata are replaced together, by one rename. Of a file that has its name only the deadline changes, in place: an
old deadline is a part of the old file, and cannot reach a new one.
"""

import json
import math
import os
import struct
import zlib
from dataclasses import dataclass

from prism_backends.objects import Description
from prism_testkit.interfaces.errors import CorruptPayload
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["Version", "head_of", "read_version", "seal", "set_deadline"]

_MAGIC = b"prismob1"
_DEADLINE = struct.Struct("<dI")
"""Seconds since the epoch, infinite for none; and its CRC-32, by which who reads while it is written sees that."""
_REST = struct.Struct("<Iqq")
"""The length of the JSON; the instant of the put in milliseconds, and the size of the data, both -1 until all is there."""
_DEADLINE_AT = len(_MAGIC)
_REST_AT = _DEADLINE_AT + _DEADLINE.size
_JSON_AT = _REST_AT + _REST.size
_FIRST_READ = 4096
_TRIES = 100


@dataclass(frozen=True, slots=True)
class Version:
    """What stands before the data, and where that begins."""

    key: str
    description: Description
    etag: str
    last_modified_ms: int
    size: int
    deadline_s: float
    data_at: int

    def is_expired(self, now_s: float) -> bool:
        return self.deadline_s <= now_s

    def metadata(self) -> ObjectMetadata:
        deadline_s = None if math.isinf(self.deadline_s) else self.deadline_s
        return self.description.metadata(self.size, self.etag, self.last_modified_ms, deadline_s)


def head_of(key: str, description: Description, etag: str) -> bytes:
    """Return what a file begins with while its data is still to come."""
    text = json.dumps(
        [key, etag, description.content_type, description.content_encoding, description.user_metadata],
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    return _MAGIC + _deadline(math.inf) + _REST.pack(len(text), -1, -1) + text


def seal(descriptor: int, head: bytes, last_modified_ms: int, size: int) -> None:
    """Complete a file whose data is there."""
    os.pwrite(descriptor, _REST.pack(len(head) - _JSON_AT, last_modified_ms, size), _REST_AT)


def set_deadline(descriptor: int, deadline_s: float) -> None:
    """Replace the deadline."""
    os.pwrite(descriptor, _deadline(deadline_s), _DEADLINE_AT)


def read_version(descriptor: int, where: str) -> Version:
    """Read what stands before the data; raise `CorruptPayload` for a file that no put has made whole."""
    head = os.pread(descriptor, _FIRST_READ, 0)
    if len(head) < _JSON_AT or not head.startswith(_MAGIC):
        raise CorruptPayload(f"{where}: the file is not an object of this driver")
    length, last_modified_ms, size = _REST.unpack_from(head, _REST_AT)
    data_at = _JSON_AT + length
    if size < 0 or os.fstat(descriptor).st_size != data_at + size:
        raise CorruptPayload(f"{where}: the file was cut or has grown")
    text = (head if len(head) >= data_at else os.pread(descriptor, data_at, 0))[_JSON_AT:data_at]
    try:
        key, etag, content_type, content_encoding, user_metadata = json.loads(text)
    except ValueError as error:
        raise CorruptPayload(f"{where}: the metadata cannot be read") from error
    description = Description(content_type, content_encoding, user_metadata)
    return Version(key, description, etag, last_modified_ms, size, _read_deadline(descriptor, where), data_at)


def _deadline(deadline_s: float) -> bytes:
    packed = struct.pack("<d", deadline_s)
    return packed + struct.pack("<I", zlib.crc32(packed))


def _read_deadline(descriptor: int, where: str) -> float:
    for _ in range(_TRIES):
        data = os.pread(descriptor, _DEADLINE.size, _DEADLINE_AT)
        deadline_s: float
        deadline_s, checksum = _DEADLINE.unpack(data)
        if zlib.crc32(data[:8]) == checksum:
            return deadline_s
    raise CorruptPayload(f"{where}: the deadline does not match its checksum")
