"""What the file knows of the records of one stream, and every step that changes them. Called inside a transaction, or to look only.

The partitions of a stream are marks on the records of one log, ``part``: 0 in an ordinary stream, else the number of the partition
and 1, so that the index of partitions holds no ordinary stream. Offsets count through all of them.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

from prism_testkit.interfaces.stream import Record

__all__ = ["BEYOND", "FIRST_OFFSET", "State", "append", "compact", "enforce", "instant", "page", "record_of", "state_of", "trim"]

FIRST_OFFSET = 1
BEYOND = 2**62
"""Above every offset there will ever be; a larger one would not fit into a column."""
_PAGE_ROWS = 500
_PAGE_BYTES = 1_000_000
"""A page of a read ends when either is reached, so memory is bounded by one page and one record."""

_HERE = "namespace = :namespace AND stream = :stream"
_STATE = f"SELECT first, next, last_ms, partitions, max_age_s, max_records, gaps FROM stream WHERE {_HERE}"
_ADVANCE = """INSERT INTO stream (namespace, stream, first, next, last_ms)
  VALUES (:namespace, :stream, :first, :offset + 1, :appended_ms)
  ON CONFLICT DO UPDATE SET next = :offset + 1, last_ms = :appended_ms"""
_APPEND = """INSERT INTO stream_record (namespace, stream, offset, key, headers, appended_ms, part, payload)
  VALUES (:namespace, :stream, :offset, :key, :headers, :appended_ms, :part, :payload)"""
_READ = f"""SELECT offset, key, headers, appended_ms, part, payload FROM stream_record
  WHERE {_HERE} AND offset >= :start AND offset < :end AND appended_ms >= :oldest_ms ORDER BY offset LIMIT :most"""
_READ_PART = _READ.replace("ORDER BY", "AND part = :part AND part > 0 ORDER BY")
_TRIM = f"DELETE FROM stream_record WHERE {_HERE} AND offset < :bound"
_TRIM_PART = f"{_TRIM} AND part = :part AND part > 0"
_FORGET = f"""DELETE FROM stream_delivery WHERE {_HERE} AND member IS NULL AND NOT EXISTS (SELECT 1 FROM stream_record AS kept
  WHERE kept.namespace = :namespace AND kept.stream = :stream AND kept.offset = stream_delivery.offset)"""
_MOVE_FIRST = f"UPDATE stream SET first = :bound WHERE {_HERE}"
_SINCE = f"SELECT offset FROM stream_record WHERE {_HERE} AND appended_ms >= :at_ms ORDER BY offset LIMIT 1"
_LOWEST = f"SELECT offset FROM stream_record WHERE {_HERE} ORDER BY offset LIMIT 1"
_FROM_END = f"SELECT offset FROM stream_record WHERE {_HERE} ORDER BY offset DESC LIMIT 1 OFFSET :most - 1"
_FROM_END_PART = f"""SELECT offset FROM stream_record WHERE {_HERE} AND part = :part AND part > 0
  ORDER BY offset DESC LIMIT 1 OFFSET :most - 1"""
_COMPACT = f"""DELETE FROM stream_record WHERE {_HERE} AND key IS NOT NULL AND offset NOT IN
  (SELECT max(offset) FROM stream_record WHERE {_HERE} AND key IS NOT NULL GROUP BY part, key)"""
_LEAVE_GAPS = f"UPDATE stream SET gaps = next WHERE {_HERE}"


class State(NamedTuple):
    """``first``: nothing below was left by a trim; ``end``: the offset to be given next; ``gaps``: from there on there are none."""

    first: int = FIRST_OFFSET
    end: int = FIRST_OFFSET
    last_ms: int = 0
    partitions: int = 1
    max_age_s: float | None = None
    max_records: int | None = None
    gaps: int = 0

    def oldest_ms(self, now_ms: int) -> float:
        """Return the instant from which on an append is inside the bounds."""
        return 0 if self.max_age_s is None else now_ms - self.max_age_s * 1000

    @property
    def parts(self) -> range:
        return range(1, self.partitions + 1) if self.partitions > 1 else range(1)


def state_of(connection: sqlite3.Connection, row: Mapping[str, Any]) -> State | None:
    """Return what is known of a stream; None if it was never used, and has no partitions."""
    found = connection.execute(_STATE, row).fetchone()
    return None if found is None else State(*found)


def append(connection: sqlite3.Connection, row: Mapping[str, Any], state: State, part: int, now_ms: int) -> int:
    """Add a record; its instant is never before that of the one in front of it."""
    moved = {"first": state.first, "offset": state.end, "part": part, "appended_ms": max(state.last_ms, now_ms)}
    connection.execute(_APPEND, {**row, **moved})
    connection.execute(_ADVANCE, {**row, **moved})
    enforce(connection, row, state._replace(end=state.end + 1), now_ms, [part])
    return state.end


def record_of(row: tuple[Any, ...]) -> Record:
    """Make a record of (offset, key, headers, appended_ms, part, payload)."""
    offset, key, headers, appended_ms, part, payload = row
    return Record(offset, None if key is None else key.decode(), payload, json.loads(headers), appended_ms, max(0, part - 1))


def page(connection: sqlite3.Connection, row: Mapping[str, Any]) -> tuple[list[Record], bool]:
    """Return the first of the records from ``start`` on and below ``end``, and whether there may be more."""
    found: list[Record] = []
    size = 0
    read = _READ_PART if row["part"] else _READ
    with closing(connection.execute(read, {**row, "most": min(row["left"], _PAGE_ROWS)})) as cursor:
        for columns in cursor:
            found.append(record_of(columns))
            size += len(found[-1].payload)
            if len(found) >= min(row["left"], _PAGE_ROWS) or size >= _PAGE_BYTES:
                return found, True
    return found, False


def instant(connection: sqlite3.Connection, row: Mapping[str, Any], state: State, at_ms: float) -> int:
    """Return the offset of the first record that was appended at an instant or later, or the end."""
    found: tuple[int] | None = connection.execute(_SINCE, {**row, "at_ms": at_ms}).fetchone()
    return state.end if found is None else found[0]


def trim(connection: sqlite3.Connection, row: Mapping[str, Any], state: State, before: int) -> int:
    """Remove what is below ``before``; return the bound."""
    bound = min(before, state.end)
    if bound <= state.first:
        return state.first if state.end > FIRST_OFFSET else 0
    for statement in (_TRIM, _FORGET, _MOVE_FIRST):
        connection.execute(statement, {**row, "bound": bound})
    return bound


def enforce(
    connection: sqlite3.Connection, row: Mapping[str, Any], state: State, now_ms: int, parts: Iterable[int] | None = None
) -> None:
    """Remove what is outside the bounds; ``parts`` are those to which something was added, all if it is not given."""
    gone = 0
    if state.max_age_s is not None:
        bound = instant(connection, row, state, state.oldest_ms(now_ms))
        gone += connection.execute(_TRIM, {**row, "bound": bound}).rowcount
    if state.max_records is not None:
        for part in state.parts if parts is None else parts:
            bound = _bound(connection, row, state, part, state.max_records)
            gone += connection.execute(_TRIM_PART if part else _TRIM, {**row, "part": part, "bound": bound}).rowcount
    if gone:
        connection.execute(_FORGET, row)


def compact(connection: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """Remove each record with a key that came again in its partition."""
    if connection.execute(_COMPACT, row).rowcount:
        connection.execute(_LEAVE_GAPS, row)
        connection.execute(_FORGET, row)


def _bound(connection: sqlite3.Connection, row: Mapping[str, Any], state: State, part: int, most: int) -> int:
    """Return the offset below which all but the last ``most`` records are, 0 if there are no more than these."""
    if part:
        found = connection.execute(_FROM_END_PART, {**row, "part": part, "most": most}).fetchone()
    else:
        lowest = connection.execute(_LOWEST, row).fetchone()
        if lowest is None or state.end - lowest[0] <= most:
            return 0
        if lowest[0] >= state.gaps:
            return state.end - most  # they are numbered without a gap, so nobody has to walk along them
        found = connection.execute(_FROM_END, {**row, "most": most}).fetchone()
    return 0 if found is None else int(found[0])
