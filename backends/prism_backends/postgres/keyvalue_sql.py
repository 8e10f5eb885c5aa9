"""The table of keys, and the statements on it.

A row whose deadline has passed is missing, for every statement, by the clock of the server at the moment the row is looked at; what
writes the key next writes over it. A statement is one transaction, and locks the rows that it changes in the order of their keys.
"""

__all__ = [
    "BATCH_DELETE",
    "BATCH_GET",
    "BATCH_SET",
    "CHECK",
    "COMMIT",
    "COUNT",
    "CREATE",
    "DELETE",
    "EXISTS",
    "EXPIRE",
    "GET",
    "KEYVALUE",
    "PERSIST",
    "REMOVE",
    "SCAN",
    "SCAN_KEYS",
    "SEE",
    "SET",
    "SET_FOR",
    "SWAP",
    "SWEEP",
    "TTL",
]

# EXTERNAL: values are not compressed, which costs more time than it saves room.
_TABLE = """
CREATE TABLE keyvalue (
  namespace bytea NOT NULL, key bytea NOT NULL, deadline timestamptz, value bytea NOT NULL,
  PRIMARY KEY (namespace, key)
);
ALTER TABLE keyvalue ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX keyvalue_deadlines ON keyvalue (namespace, deadline) WHERE deadline IS NOT NULL;
"""

_PRESENT = "(deadline IS NULL OR deadline > clock_timestamp())"
_MINE = "namespace = $1 AND key = $2"
_LATER = "clock_timestamp() + $%d::float8 * interval '1 microsecond'"
_PUT = "ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, deadline = excluded.deadline"

SET = f"INSERT INTO keyvalue (namespace, key, value) VALUES ($1, $2, $3) {_PUT}"
SET_FOR = f"INSERT INTO keyvalue (namespace, key, value, deadline) VALUES ($1, $2, $3, {_LATER % 4}) {_PUT}"
GET = f"SELECT value FROM keyvalue WHERE {_MINE} AND {_PRESENT}"
EXISTS = f"SELECT 1 FROM keyvalue WHERE {_MINE} AND {_PRESENT}"
DELETE = f"DELETE FROM keyvalue WHERE {_MINE} RETURNING {_PRESENT}"
EXPIRE = f"UPDATE keyvalue SET deadline = {_LATER % 3} WHERE {_MINE} AND {_PRESENT} RETURNING 1"
TTL = f"SELECT extract(epoch FROM deadline - clock_timestamp())::float8 FROM keyvalue WHERE {_MINE} AND {_PRESENT}"
PERSIST = f"""UPDATE keyvalue SET deadline = NULL
  WHERE {_MINE} AND deadline > clock_timestamp() RETURNING 1"""
SWAP = f"UPDATE keyvalue SET value = $4, deadline = NULL WHERE {_MINE} AND value = $3 AND {_PRESENT} RETURNING 1"
CREATE = f"""INSERT INTO keyvalue (namespace, key, value) VALUES ($1, $2, $3) {_PUT}
  WHERE keyvalue.deadline <= clock_timestamp() RETURNING 1"""
REMOVE = f"DELETE FROM keyvalue WHERE {_MINE} AND value = $3 AND {_PRESENT} RETURNING 1"

SWEEP = """DELETE FROM keyvalue WHERE namespace = $1 AND key IN (
    SELECT key FROM keyvalue WHERE namespace = $1 AND deadline <= clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED
  )"""

_RANGE = f"namespace = $1 AND key >= $2 AND ($3::bytea IS NULL OR key < $3) AND {_PRESENT}"
SCAN = f"SELECT key, value FROM keyvalue WHERE {_RANGE} ORDER BY key LIMIT $4"
SCAN_KEYS = f"SELECT key FROM keyvalue WHERE {_RANGE} ORDER BY key LIMIT $4"
COUNT = f"SELECT count(*) FROM keyvalue WHERE {_RANGE}"

BATCH_SET = f"""INSERT INTO keyvalue (namespace, key, value)
  SELECT $1, item.key, item.value FROM unnest($2::bytea[], $3::bytea[]) AS item (key, value) ORDER BY item.key {_PUT}"""
BATCH_GET = f"SELECT key, value FROM keyvalue WHERE namespace = $1 AND key = ANY ($2::bytea[]) AND {_PRESENT}"
BATCH_DELETE = f"""WITH locked AS MATERIALIZED (
    SELECT key FROM keyvalue WHERE namespace = $1 AND key = ANY ($2::bytea[]) ORDER BY key FOR UPDATE
  ), gone AS (
    DELETE FROM keyvalue USING locked WHERE namespace = $1 AND keyvalue.key = locked.key RETURNING {_PRESENT} AS counts
  ) SELECT count(*) FILTER (WHERE counts) FROM gone"""

# Which row it is, and which of its states: no other state of any row will ever have the same (VACUUM FULL aside, which moves rows;
# that only lets a transaction fail that need not have).
_STATE = "xmin::text || ctid::text"
SEE = f"SELECT value, {_STATE} FROM keyvalue WHERE {_MINE} AND {_PRESENT}"

# The state of all keys as one snapshot shows them.
CHECK = f"""SELECT NOT EXISTS (
    SELECT 1 FROM unnest($2::bytea[], $3::text[]) AS seen (key, state)
    LEFT JOIN (SELECT key, {_STATE} AS state FROM keyvalue WHERE namespace = $1 AND key = ANY ($2::bytea[]) AND {_PRESENT}) AS found
      ON found.key = seen.key
    WHERE found.state IS DISTINCT FROM seen.state
  )"""

# What was read is locked, so that it stays as it is until all is written; a missing key by a row of one's own, which is removed
# before anybody can see it, and for which another who writes the key waits. In the order of keys, read or written, so that two
# never wait for each other. Each statement sees what was committed before it began, so after the lock.
_COMMIT = f"""
CREATE FUNCTION keyvalue_commit(mine bytea, keys bytea[], states text[], written bytea[], vals bytea[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  step record;
  is_same boolean;
BEGIN
  FOR step IN
    SELECT key, seen.key IS NOT NULL AS is_read, seen.state, item.key IS NOT NULL AS is_written, item.value
    FROM unnest(keys, states) AS seen (key, state) FULL JOIN unnest(written, vals) AS item (key, value) USING (key) ORDER BY key
  LOOP
    IF step.is_read AND step.state IS NULL THEN
      INSERT INTO keyvalue (namespace, key, value, deadline) VALUES (mine, step.key, '', '-infinity')
        ON CONFLICT (namespace, key) DO UPDATE SET deadline = '-infinity' WHERE keyvalue.deadline <= clock_timestamp();
      is_same := FOUND;
    ELSIF step.is_read THEN
      PERFORM 1 FROM keyvalue WHERE namespace = mine AND key = step.key AND {_STATE} = step.state AND {_PRESENT} FOR UPDATE;
      is_same := FOUND;
    END IF;
    IF step.is_read AND NOT is_same THEN
      RAISE serialization_failure USING MESSAGE = 'what it read has changed; nothing was done';
    END IF;
    IF step.value IS NOT NULL THEN
      INSERT INTO keyvalue (namespace, key, value) VALUES (mine, step.key, step.value) {_PUT};
    ELSIF step.is_written THEN
      DELETE FROM keyvalue WHERE namespace = mine AND key = step.key;
    END IF;
  END LOOP;
  DELETE FROM keyvalue USING unnest(keys) AS seen (key)
    WHERE namespace = mine AND keyvalue.key = seen.key AND deadline = '-infinity';
END $$;
"""
COMMIT = "SELECT keyvalue_commit($1, $2, $3, $4, $5)"

KEYVALUE = _TABLE + _COMMIT
