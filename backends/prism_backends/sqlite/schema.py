"""The tables of the one file: what each data model keeps, made with the file, cleaned by namespace.

Every table begins with ``namespace BLOB``, by which rows of one case are found and removed. Names are BLOBs: the length of a TEXT
ends at NUL, and its collation may fold. A value comes last in its row, so that what stands before it is found without walking
through the pages of a large one.
"""

import prism_testkit as prism

__all__ = ["SCHEMA", "TABLES", "above"]

_KEYVALUE = """
CREATE TABLE keyvalue (
  namespace BLOB NOT NULL, key BLOB NOT NULL, deadline_s REAL, value BLOB NOT NULL,
  PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
CREATE INDEX keyvalue_deadlines ON keyvalue (namespace, deadline_s) WHERE deadline_s IS NOT NULL;
"""

SCHEMA = "PRAGMA journal_mode = WAL;" + _KEYVALUE

TABLES = ("keyvalue",)
"""What `clean` empties."""


def above(prefix: bytes) -> bytes:
    """Return the least bytes that are above every name that begins with ``prefix``."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\xff" * (prism.Limits().max_name + 1)
