"""Offsets and the server's ids of records: milliseconds in the upper bits, the number within them in the lower 21."""

import json
from collections.abc import Sequence

from prism_testkit.interfaces.stream import Record

__all__ = ["fields_of", "id_at", "id_of", "name_of", "offset_of", "record_of"]

_NUMBER_BITS = 21
_MOST = 2**63 - 1


def offset_of(identity: bytes) -> int:
    """Return the offset of an id. Two million records in a millisecond are more than a server can take."""
    milliseconds, _, number = identity.partition(b"-")
    return int(milliseconds) << _NUMBER_BITS | int(number)


def id_of(offset: int) -> bytes:
    """Return the id of an offset; for one that is too large, an id that is never reached."""
    offset = min(max(offset, 0), _MOST)
    return b"%d-%d" % (offset >> _NUMBER_BITS, offset & (1 << _NUMBER_BITS) - 1)


def id_at(at_ms: int) -> bytes:
    """Return an id below those of all records that are appended at an instant or later, and not below any earlier one."""
    return id_of((at_ms << _NUMBER_BITS) - 1)


def name_of(record: Record) -> bytes:
    """Return how the scripts of groups call a record."""
    return id_of(record.offset) + (b"/%d" % record.partition if record.partition else b"")


def fields_of(payload: bytes, key: bytes | None, headers: dict[str, str]) -> list[bytes]:
    """Return what a record is for the server: names and values."""
    fields = [b"p", payload]
    fields += [] if key is None else [b"k", key]
    return fields + ([b"h", json.dumps(headers).encode()] if headers else [])


def record_of(identity: bytes, fields: Sequence[bytes], partition: int = 0) -> Record:
    """Undo `fields_of`; the id tells the instant, and never goes back when the server's clock does."""
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    key = found.get(b"k")
    milliseconds = int(identity.partition(b"-")[0])
    headers = json.loads(found.get(b"h", b"{}"))
    return Record(offset_of(identity), None if key is None else key.decode(), found[b"p"], headers, milliseconds, partition)
