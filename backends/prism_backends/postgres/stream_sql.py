"""Streams, and the groups that share their records.

The row of a stream is locked by whoever appends, until that is committed: so offsets are given in the order of commits, and what
was read is never followed by something before it. The row of a group is locked by whoever takes. A record of a group that was
delivered and is not done with is a row of ``stream_delivery``: with a member while it is held, without one when it is to come
again, from ``due`` on. What was never delivered has no row; it begins at the position.
"""

__all__ = [
    "ACK",
    "APPEND",
    "BEAT",
    "CREATE_GROUP",
    "INFO",
    "JOIN",
    "LEAVE",
    "LOOK",
    "NACK",
    "READ",
    "STATE",
    "STREAM",
    "TAKE",
    "TRIM",
    "VOID",
]

_TABLES = """
CREATE TABLE stream (
  namespace bytea NOT NULL, stream bytea NOT NULL, first bigint NOT NULL, next bigint NOT NULL, last_ms bigint NOT NULL,
  PRIMARY KEY (namespace, stream)
);
CREATE TABLE stream_record (
  namespace bytea NOT NULL, stream bytea NOT NULL, pos bigint NOT NULL,
  appended_ms bigint NOT NULL, key bytea, headers text NOT NULL, payload bytea NOT NULL,
  PRIMARY KEY (namespace, stream, pos)
);
ALTER TABLE stream_record ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE TABLE stream_group (
  namespace bytea NOT NULL, stream bytea NOT NULL, grp bytea NOT NULL, position bigint NOT NULL,
  PRIMARY KEY (namespace, stream, grp)
);
CREATE TABLE stream_member (
  namespace bytea NOT NULL, stream bytea NOT NULL, grp bytea NOT NULL, member text NOT NULL, until timestamptz NOT NULL,
  PRIMARY KEY (namespace, stream, grp, member)
);
CREATE TABLE stream_delivery (
  namespace bytea NOT NULL, stream bytea NOT NULL, grp bytea NOT NULL, pos bigint NOT NULL,
  count bigint NOT NULL, member text, batch bigint, due timestamptz,
  PRIMARY KEY (namespace, stream, grp, pos)
);
CREATE INDEX stream_delivery_due ON stream_delivery (namespace, stream, grp, pos) WHERE member IS NULL;
"""

_HERE = "namespace = mine AND stream = name"
_GROUP = f"{_HERE} AND grp = team"
_HELD = "member = who AND pos = ANY (places) AND (batch, pos) IN (SELECT unnest(batches), unnest(places))"
_HORIZON = "clock_timestamp() + horizon * interval '1 second'"

_LOG = f"""
CREATE FUNCTION stream_trim(mine bytea, name bytea, before bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  head record;
  bound bigint;
BEGIN
  SELECT first, next INTO head FROM stream WHERE {_HERE} FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  bound := least(before, head.next);
  IF bound > head.first THEN
    DELETE FROM stream_record WHERE {_HERE} AND pos < bound;
    DELETE FROM stream_delivery WHERE {_HERE} AND pos < bound AND member IS NULL;
    UPDATE stream SET first = bound WHERE {_HERE};
  END IF;
  RETURN greatest(bound, head.first);
END $$;
CREATE FUNCTION stream_create_group(mine bytea, name bytea, team bytea, start text, number bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  head record;
BEGIN
  SELECT first, next INTO head FROM stream WHERE {_HERE};
  INSERT INTO stream_group (namespace, stream, grp, position) VALUES (mine, name, team,
    CASE start WHEN 'latest' THEN coalesce(head.next, 1) WHEN 'earliest' THEN coalesce(head.first, 1) ELSE number END)
    ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;
"""

# A member is removed before what it holds is free, so that who acknowledges finds either.
_MEMBERS = f"""
CREATE FUNCTION stream_join(mine bytea, name bytea, team bytea, who text, horizon float8) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM stream_group WHERE {_GROUP};
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO stream_member (namespace, stream, grp, member, until) VALUES (mine, name, team, who, {_HORIZON});
  RETURN true;
END $$;
CREATE FUNCTION stream_forget(mine bytea, name bytea, team bytea) RETURNS void LANGUAGE sql AS $$
  DELETE FROM stream_delivery WHERE {_GROUP} AND member IS NULL AND pos < (SELECT first FROM stream WHERE {_HERE})
$$;
CREATE FUNCTION stream_leave(mine bytea, name bytea, team bytea, who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM stream_member WHERE {_GROUP} AND member = who;
  UPDATE stream_delivery SET member = NULL, due = clock_timestamp() WHERE {_GROUP} AND member = who;
  PERFORM stream_forget(mine, name, team);
END $$;
CREATE FUNCTION stream_void(mine bytea, name bytea, team bytea, who text, lost bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE stream_delivery SET member = NULL, due = clock_timestamp(), count = count - 1
    WHERE {_GROUP} AND member = who AND batch = ANY (lost);
  PERFORM stream_forget(mine, name, team);
END $$;
CREATE FUNCTION stream_ack(mine bytea, name bytea, team bytea, who text, places bigint[], batches bigint[])
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM stream_delivery WHERE {_GROUP} AND {_HELD};
  RETURN EXISTS (SELECT 1 FROM stream_member WHERE {_GROUP} AND member = who);
END $$;
CREATE FUNCTION stream_nack(mine bytea, name bytea, team bytea, who text, places bigint[], batches bigint[], delay_us float8)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE stream_delivery SET member = NULL, due = clock_timestamp() + delay_us * interval '1 microsecond'
    WHERE {_GROUP} AND {_HELD};
  PERFORM stream_forget(mine, name, team);
  RETURN EXISTS (SELECT 1 FROM stream_member WHERE {_GROUP} AND member = who);
END $$;
CREATE FUNCTION stream_info(mine bytea, name bytea, team bytea, alive text[])
RETURNS TABLE (its_members bigint, its_pending bigint, its_position bigint) LANGUAGE sql AS $$
  SELECT
    (SELECT count(*) FROM stream_member WHERE {_GROUP} AND (until > clock_timestamp() OR member = ANY (alive))),
    (SELECT count(*) FROM stream_delivery WHERE {_GROUP} AND (member IS NOT NULL OR pos >= coalesce(head.first, 0))),
    greatest(position, coalesce(head.first, 0))
  FROM stream_group LEFT JOIN stream AS head USING (namespace, stream) WHERE {_GROUP}
$$;
"""

# One who is just giving a sign of life is passed over when the dead are looked for. First comes a row that tells under which name
# it was taken: another one, if the member had been revoked. No row: no group.
_TAKE = f"""
CREATE FUNCTION stream_take(
  mine bytea, name bytea, team bytea, who text, fresh text, horizon float8, alive text[], lost bigint[], round bigint, most int,
  bytes bigint
) RETURNS TABLE (
  its_member text, its_count bigint, its_pos bigint, its_key bytea, its_headers text, its_ms bigint, its_payload bytea
) LANGUAGE plpgsql AS $$
DECLARE
  present timestamptz;
  place bigint;
  ends timestamptz;
  gone text;
BEGIN
  SELECT position INTO place FROM stream_group WHERE {_GROUP} FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  present := clock_timestamp();
  SELECT until INTO ends FROM stream_member WHERE {_GROUP} AND member = who;
  IF NOT FOUND THEN
    who := fresh;
    INSERT INTO stream_member (namespace, stream, grp, member, until) VALUES (mine, name, team, who, {_HORIZON});
  ELSIF ends < present + horizon / 2 * interval '1 second' THEN
    UPDATE stream_member SET until = {_HORIZON} WHERE {_GROUP} AND member = who;
  END IF;
  IF cardinality(lost) > 0 THEN
    PERFORM stream_void(mine, name, team, who, lost);
  END IF;
  FOR gone IN
    SELECT member FROM stream_member WHERE {_GROUP} AND member <> who AND until <= present AND NOT member = ANY (alive)
      FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM stream_leave(mine, name, team, gone);
  END LOOP;
  its_member := who;
  RETURN NEXT;
  RETURN QUERY WITH ready AS (
    (SELECT pos, count FROM stream_delivery WHERE {_GROUP} AND member IS NULL AND due <= clock_timestamp() ORDER BY pos LIMIT most)
    UNION ALL
    (SELECT pos, 0 FROM stream_record WHERE {_HERE} AND pos >= place ORDER BY pos LIMIT most)
  ), first AS (
    SELECT pos, ready.count + 1 AS times, record.key, record.headers, record.appended_ms, record.payload,
      sum(octet_length(record.payload)) OVER (ORDER BY pos) - octet_length(record.payload) AS ahead
    FROM ready CROSS JOIN LATERAL (
      SELECT key, headers, appended_ms, payload FROM stream_record WHERE {_HERE} AND stream_record.pos = ready.pos OFFSET 0
    ) AS record ORDER BY pos LIMIT most
  ), taken AS MATERIALIZED (
    SELECT * FROM first WHERE ahead < bytes
  ), marked AS (
    INSERT INTO stream_delivery (namespace, stream, grp, pos, count, member, batch)
      SELECT mine, name, team, pos, times, who, round FROM taken
      ON CONFLICT (namespace, stream, grp, pos) DO UPDATE
      SET count = excluded.count, member = excluded.member, batch = excluded.batch, due = NULL
  ), moved AS (
    UPDATE stream_group SET position = (SELECT max(pos) + 1 FROM taken) WHERE {_GROUP} AND position <= (SELECT max(pos) FROM taken)
  )
  SELECT who, times, pos, key, headers, appended_ms, payload FROM taken ORDER BY pos;
END $$;
"""

# The names of parameters give way to those of columns.
STREAM = (_TABLES + _LOG + _MEMBERS + _TAKE).replace(
    "LANGUAGE plpgsql AS $$\n", "LANGUAGE plpgsql AS $$\n#variable_conflict use_column\n"
)

APPEND = """WITH head AS (
    INSERT INTO stream (namespace, stream, first, next, last_ms)
      VALUES ($1, $2, 1, 2, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
      ON CONFLICT (namespace, stream) DO UPDATE SET next = stream.next + 1, last_ms = greatest(stream.last_ms, excluded.last_ms)
      RETURNING next - 1 AS pos, last_ms
  ) INSERT INTO stream_record (namespace, stream, pos, appended_ms, key, headers, payload)
  SELECT $1, $2, pos, last_ms, $3, $4, $5 FROM head RETURNING pos"""
STATE = "SELECT first, next FROM stream WHERE namespace = $1 AND stream = $2"
READ = """SELECT pos, key, headers, appended_ms, payload FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY pos) - octet_length(payload) AS ahead FROM (
      SELECT * FROM stream_record WHERE namespace = $1 AND stream = $2 AND pos >= $3 AND pos < $4 ORDER BY pos LIMIT $5
    ) AS page
  ) AS sized WHERE ahead < $6 ORDER BY pos"""
TRIM = "SELECT stream_trim($1, $2, $3)"
CREATE_GROUP = "SELECT stream_create_group($1, $2, $3, $4, $5)"
JOIN = "SELECT stream_join($1, $2, $3, $4, $5)"
LEAVE = "SELECT stream_leave($1, $2, $3, $4)"
VOID = "SELECT stream_void($1, $2, $3, $4, $5)"
ACK = "SELECT stream_ack($1, $2, $3, $4, $5, $6)"
NACK = "SELECT stream_nack($1, $2, $3, $4, $5, $6, $7)"
INFO = "SELECT * FROM stream_info($1, $2, $3, $4)"
TAKE = "SELECT * FROM stream_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"

# Whether a take may find something: said from one snapshot, without a lock.
LOOK = """SELECT
    NOT EXISTS (SELECT 1 FROM stream_member WHERE namespace = $1 AND stream = $2 AND grp = $3 AND member = $4)
    OR EXISTS (SELECT 1 FROM stream_record WHERE namespace = $1 AND stream = $2
      AND pos >= (SELECT position FROM stream_group WHERE namespace = $1 AND stream = $2 AND grp = $3))
    OR EXISTS (SELECT 1 FROM stream_delivery WHERE namespace = $1 AND stream = $2 AND grp = $3
      AND member IS NULL AND due <= clock_timestamp())
    OR EXISTS (SELECT 1 FROM stream_member WHERE namespace = $1 AND stream = $2 AND grp = $3
      AND until <= clock_timestamp() AND NOT member = ANY ($5::text[]))"""
BEAT = """WITH locked AS MATERIALIZED (
    SELECT m.namespace, m.stream, m.grp, m.member FROM stream_member AS m
    JOIN unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) AS mine (namespace, stream, grp, member)
      USING (namespace, stream, grp, member)
    ORDER BY m.member FOR UPDATE OF m
  ) UPDATE stream_member AS m SET until = clock_timestamp() + $5::float8 * interval '1 second' FROM locked
  WHERE (m.namespace, m.stream, m.grp, m.member) = (locked.namespace, locked.stream, locked.grp, locked.member)"""
