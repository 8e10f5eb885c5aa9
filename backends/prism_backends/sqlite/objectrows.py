"""What an object is in tables: a row a version, and its data in rows of `ROW_BYTES`, so that no large value is ever moved whole.

Of a key at most one version is seen, the one without an ``owner``. A version that is being written has its writer's name there,
one that was replaced or removed the empty one. Numbers of versions are never given twice: who reads a version that has gone
finds nothing, and never another's data. Rows that nobody can see are removed a few at a time, so that no writer waits long.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from prism_backends.objects import Description, Target
from prism_backends.sqlite.presence import is_gone
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = [
    "ROW_BYTES",
    "add_data",
    "add_version",
    "check_bucket",
    "discard",
    "find",
    "forget_gone_writers",
    "has_bucket",
    "metadata_of",
    "publish",
    "purge",
    "retire",
    "text_of",
]

Values = Mapping[str, object]

ROW_BYTES = 1 << 18
_PURGE_BYTES = 16 << 20
_PURGE_ROWS = 1000
"""One transaction removes data until either is reached."""

_HERE = "namespace = :namespace AND bucket = :bucket AND key = :key AND owner IS NULL"
_BUCKET = "SELECT 1 FROM object_buckets WHERE namespace = :namespace AND bucket = :bucket"
_FIND = f"""SELECT version, size, last_modified_ms, deadline_s, description FROM objects
  WHERE {_HERE} AND (deadline_s IS NULL OR deadline_s > :now_s)"""
_ADD = """INSERT INTO objects (namespace, bucket, key, owner, size, last_modified_ms, description)
  VALUES (:namespace, :bucket, :key, :owner, :size, :now_ms, :description)"""
# Without the version there is nothing to add to: somebody has cleaned the namespace.
_ADD_DATA = """INSERT INTO object_data (namespace, version, number, data) SELECT :namespace, :version, :number, :data
  WHERE EXISTS (SELECT 1 FROM objects WHERE version = :version)"""
_RETIRE = f"UPDATE objects SET owner = '' WHERE {_HERE}"
_PUBLISH = "UPDATE objects SET owner = NULL, size = :size, last_modified_ms = :now_ms WHERE version = :version"
_DISCARD = "UPDATE objects SET owner = '' WHERE version = :version AND owner = :owner"
_WRITERS = "SELECT DISTINCT owner FROM objects WHERE namespace = :namespace AND owner > '' AND owner <> :owner"
_RETIRE_DRAFTS = "UPDATE objects SET owner = '' WHERE namespace = :namespace AND owner = :owner"
_RETIRE_EXPIRED = f"""UPDATE objects SET owner = '' WHERE version IN (SELECT version FROM objects
  WHERE namespace = :namespace AND owner IS NULL AND deadline_s <= :now_s LIMIT {_PURGE_ROWS})"""
# CROSS JOIN: first the few versions that are unseen, and not all data.
_UNSEEN = f"""SELECT object_data.rowid, length(data) FROM objects CROSS JOIN object_data USING (namespace, version)
  WHERE objects.namespace = :namespace AND owner = '' LIMIT {_PURGE_ROWS}"""
_REMOVE_DATA = "DELETE FROM object_data WHERE rowid = ?"
_REMOVE_VERSIONS = """DELETE FROM objects WHERE namespace = :namespace AND owner = ''
  AND NOT EXISTS (SELECT 1 FROM object_data WHERE namespace = :namespace AND version = objects.version)"""


def has_bucket(connection: sqlite3.Connection, row: Values) -> bool:
    """Say whether the bucket is there."""
    return connection.execute(_BUCKET, row).fetchone() is not None


def check_bucket(connection: sqlite3.Connection, row: Values, target: Target) -> None:
    """Raise `BucketNotFound` if the bucket is missing."""
    if not has_bucket(connection, row):
        raise target.no_bucket()


def find(connection: sqlite3.Connection, row: Values) -> Any:
    """Return what `metadata_of` takes, or None if the object is missing."""
    return connection.execute(_FIND, row).fetchone()


def metadata_of(found: tuple[int, int, int, float | None, str]) -> ObjectMetadata:
    version, size, last_modified_ms, deadline_s, description = found
    return Description(*json.loads(description)).metadata(size, f"{version:x}", last_modified_ms, deadline_s)


def text_of(description: Description) -> str:
    """Return what stands in the row."""
    return json.dumps([description.content_type, description.content_encoding, description.user_metadata])


def retire(connection: sqlite3.Connection, row: Values) -> None:
    """Hide what the key holds, expired or not."""
    connection.execute(_RETIRE, row)


def add_version(connection: sqlite3.Connection, row: Values) -> int:
    """Add a version without data, seen if it has no owner, and return its number."""
    version = connection.execute(_ADD, row).lastrowid
    assert version is not None
    return version


def add_data(connection: sqlite3.Connection, row: Values, first: int, data: bytes) -> bool:
    """Add data as rows from number ``first`` on; False if the version has gone."""
    view = memoryview(data)
    parts = (view[start : start + ROW_BYTES] for start in range(0, len(view), ROW_BYTES))
    return all(
        connection.execute(_ADD_DATA, {**row, "number": first + number, "data": part}).rowcount > 0
        for number, part in enumerate(parts)
    )


def publish(connection: sqlite3.Connection, row: Values) -> bool:
    """Make a version be seen instead of what the key holds; False if it has gone."""
    retire(connection, row)
    return connection.execute(_PUBLISH, row).rowcount > 0


def discard(connection: sqlite3.Connection, row: Values) -> None:
    """Hide for good what is still being written."""
    connection.execute(_DISCARD, row)


def forget_gone_writers(connection: sqlite3.Connection, row: Values) -> None:
    """Hide for good what writers were writing that died."""
    for (owner,) in connection.execute(_WRITERS, row).fetchall():
        if is_gone(connection, owner):
            connection.execute(_RETIRE_DRAFTS, {**row, "owner": owner})


def purge(connection: sqlite3.Connection, row: Values) -> bool:
    """Remove some of what nobody can see, or what has expired; True if there may be more."""
    connection.execute(_RETIRE_EXPIRED, row)
    rows, size = [], 0
    for rowid, length in connection.execute(_UNSEEN, row).fetchall():
        rows.append((rowid,))
        size += length
        if size >= _PURGE_BYTES:
            break
    connection.executemany(_REMOVE_DATA, rows)
    connection.execute(_REMOVE_VERSIONS, row)
    return size >= _PURGE_BYTES or len(rows) >= _PURGE_ROWS
