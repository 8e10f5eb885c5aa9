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

_QUEUE = """
CREATE TABLE queue_messages (
  namespace BLOB NOT NULL, id INTEGER NOT NULL, queue BLOB NOT NULL, rank INTEGER NOT NULL, number INTEGER NOT NULL,
  attempts INTEGER NOT NULL, until_s REAL, token INTEGER, failed INTEGER NOT NULL, origin BLOB,
  headers TEXT NOT NULL, payload BLOB NOT NULL,
  PRIMARY KEY (namespace, id)
);
CREATE INDEX queue_ready ON queue_messages (namespace, queue, rank, number) WHERE until_s IS NULL;
CREATE INDEX queue_due ON queue_messages (namespace, until_s) WHERE until_s IS NOT NULL;
CREATE INDEX queue_dead ON queue_messages (namespace, queue, origin, number) WHERE origin IS NOT NULL;
CREATE TABLE queue_policies (
  namespace BLOB NOT NULL, queue BLOB NOT NULL, target BLOB NOT NULL, most INTEGER NOT NULL,
  PRIMARY KEY (namespace, queue)
) WITHOUT ROWID;
CREATE TABLE queue_counters (namespace BLOB NOT NULL PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""

# Numbers are never given twice (AUTOINCREMENT), so a place in a table outlives the rows around it.
_PUBSUB = """
CREATE TABLE pubsub_messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL, topic BLOB NOT NULL, headers TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX pubsub_messages_topics ON pubsub_messages (namespace, topic, seq);
CREATE TABLE pubsub_listeners (
  listener INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL, topic BLOB NOT NULL, owner TEXT NOT NULL, position INTEGER NOT NULL
);
CREATE INDEX pubsub_listeners_topics ON pubsub_listeners (namespace, topic, position);
CREATE TABLE pubsub_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL, topic BLOB NOT NULL, key BLOB, headers TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX pubsub_log_topics ON pubsub_log (namespace, topic, seq);
CREATE TABLE pubsub_durables (
  durable INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL, topic BLOB NOT NULL, name BLOB NOT NULL, position INTEGER NOT NULL, nacks INTEGER NOT NULL,
  UNIQUE (namespace, topic, name)
);
CREATE TABLE pubsub_members (
  member INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL, durable INTEGER NOT NULL, owner TEXT NOT NULL
);
CREATE INDEX pubsub_members_durables ON pubsub_members (durable);
CREATE TABLE pubsub_deliveries (
  namespace BLOB NOT NULL, durable INTEGER NOT NULL, seq INTEGER NOT NULL,
  turn INTEGER NOT NULL, again INTEGER NOT NULL, due_s REAL,
  count INTEGER NOT NULL, member INTEGER, take INTEGER NOT NULL, key BLOB,
  PRIMARY KEY (durable, seq)
) WITHOUT ROWID;
CREATE INDEX pubsub_deliveries_line ON pubsub_deliveries (durable, turn, again, seq) WHERE member IS NULL AND due_s IS NULL;
CREATE INDEX pubsub_deliveries_due ON pubsub_deliveries (durable, due_s) WHERE due_s IS NOT NULL;
CREATE INDEX pubsub_deliveries_keys ON pubsub_deliveries (durable, key, seq) WHERE key IS NOT NULL;
"""

_STREAM = """
CREATE TABLE stream (
  namespace BLOB NOT NULL, stream BLOB NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  partitions INTEGER NOT NULL DEFAULT 1, max_age_s REAL, max_records INTEGER, gaps INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (namespace, stream)
) WITHOUT ROWID;
CREATE TABLE stream_record (
  namespace BLOB NOT NULL, stream BLOB NOT NULL, offset INTEGER NOT NULL,
  appended_ms INTEGER NOT NULL, part INTEGER NOT NULL, key BLOB, headers BLOB NOT NULL, payload BLOB NOT NULL,
  PRIMARY KEY (namespace, stream, offset)
) WITHOUT ROWID;
CREATE INDEX stream_record_parts ON stream_record (namespace, stream, part, offset) WHERE part > 0;
CREATE TABLE stream_group (
  namespace BLOB NOT NULL, stream BLOB NOT NULL, grp BLOB NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (namespace, stream, grp)
) WITHOUT ROWID;
CREATE TABLE stream_member (
  namespace BLOB NOT NULL, stream BLOB NOT NULL, grp BLOB NOT NULL, member TEXT NOT NULL, until_s REAL NOT NULL,
  PRIMARY KEY (namespace, stream, grp, member)
) WITHOUT ROWID;
CREATE TABLE stream_delivery (
  namespace BLOB NOT NULL, stream BLOB NOT NULL, grp BLOB NOT NULL, offset INTEGER NOT NULL,
  count INTEGER NOT NULL, member TEXT, batch INTEGER, due_s REAL,
  PRIMARY KEY (namespace, stream, grp, offset)
) WITHOUT ROWID;
CREATE INDEX stream_delivery_due ON stream_delivery (namespace, stream, grp, due_s) WHERE member IS NULL;
"""

# Numbers of versions are never given twice, so what reads one by its number never reads another.
_OBJECTS = """
CREATE TABLE object_buckets (
  namespace BLOB NOT NULL, bucket BLOB NOT NULL, PRIMARY KEY (namespace, bucket)
) WITHOUT ROWID;
CREATE TABLE objects (
  version INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL, bucket BLOB NOT NULL, key BLOB NOT NULL, owner TEXT,
  size INTEGER NOT NULL, last_modified_ms INTEGER NOT NULL, deadline_s REAL, description TEXT NOT NULL
);
CREATE UNIQUE INDEX objects_seen ON objects (namespace, bucket, key) WHERE owner IS NULL;
CREATE INDEX objects_unseen ON objects (namespace, owner) WHERE owner IS NOT NULL;
CREATE INDEX objects_deadlines ON objects (namespace, deadline_s) WHERE deadline_s IS NOT NULL AND owner IS NULL;
CREATE TABLE object_data (
  namespace BLOB NOT NULL, version INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX object_data_versions ON object_data (namespace, version, number);
"""

SCHEMA = "PRAGMA journal_mode = WAL;" + _KEYVALUE + _QUEUE + _PUBSUB + _STREAM + _OBJECTS

TABLES = (
    "keyvalue",
    *("queue_messages", "queue_policies", "queue_counters"),
    *("pubsub_messages", "pubsub_listeners", "pubsub_log", "pubsub_durables", "pubsub_members", "pubsub_deliveries"),
    *("stream", "stream_record", "stream_group", "stream_member", "stream_delivery"),
    *("object_buckets", "objects", "object_data"),
)
"""What `clean` empties."""


def above(prefix: bytes) -> bytes:
    """Return the least bytes that are above every name that begins with ``prefix``."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\xff" * (prism.Limits().max_name + 1)
