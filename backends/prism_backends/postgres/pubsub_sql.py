"""Messages, plain and persistent, the subscriptions to them, and the rules by which deliveries come in line.

Who publishes to a topic holds its lock until that is committed: so numbers are given in the order of commits, and who reads on from
a number misses nothing. A plain message is a row until everybody who listens has read it; where nobody listens there is none.

Of a durable subscription, what was never delivered has no row but in the log: ``position`` is before it. What was delivered and not
confirmed is a row of ``pubsub_deliveries``: held by a ``member``, or given back, and then in line by ``turn``: a number of the log,
its own for what comes back by leaving, one above all for what was nacked, and among the nacked by ``again``, which counts the
nacks: so what is nacked for ever lets all others pass. A nacked row that waits has ``due``. Who takes holds the subscription.

A message with an ordering key knows the one before it, ``prior``. It must wait while that one has a row here, or was not looked at
yet: then it gets a row of its own that is due in infinity, until the ack of the one before puts it in line. Who acks such a message
holds the subscription, too: else a take might put aside what nobody frees any more.
"""

__all__ = [
    "ACK",
    "BEAT",
    "ENTER",
    "LAST",
    "LEAVE",
    "LISTEN",
    "LOOK",
    "NACK",
    "NOTIFY",
    "PUBSUB",
    "READ",
    "SAY",
    "STORE",
    "STORE_ORDERED",
    "TAKE",
    "TELL",
    "UNDO",
    "UNLISTEN",
]

_TABLES = """
CREATE SEQUENCE pubsub_numbers;
CREATE TABLE pubsub_messages (
  namespace bytea NOT NULL, topic bytea NOT NULL, seq bigint NOT NULL, headers text NOT NULL, payload bytea NOT NULL,
  PRIMARY KEY (namespace, topic, seq)
);
ALTER TABLE pubsub_messages ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE TABLE pubsub_listeners (
  namespace bytea NOT NULL, topic bytea NOT NULL, member text NOT NULL, owner text NOT NULL, until timestamptz NOT NULL,
  position bigint NOT NULL, PRIMARY KEY (namespace, topic, member)
);
CREATE TABLE pubsub_log (
  namespace bytea NOT NULL, topic bytea NOT NULL, seq bigint NOT NULL, headers text NOT NULL, payload bytea NOT NULL,
  key bytea, prior bigint, PRIMARY KEY (namespace, topic, seq)
);
ALTER TABLE pubsub_log ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX pubsub_keys ON pubsub_log (namespace, topic, key, seq) WHERE key IS NOT NULL;
CREATE INDEX pubsub_following ON pubsub_log (namespace, topic, prior) WHERE prior IS NOT NULL;
CREATE INDEX pubsub_behind ON pubsub_log (namespace, topic, seq) WHERE prior IS NOT NULL;
CREATE TABLE pubsub_durables (
  namespace bytea NOT NULL, topic bytea NOT NULL, name bytea NOT NULL, position bigint NOT NULL, nacks bigint NOT NULL,
  PRIMARY KEY (namespace, topic, name)
);
CREATE TABLE pubsub_members (
  namespace bytea NOT NULL, topic bytea NOT NULL, name bytea NOT NULL, member text NOT NULL, owner text NOT NULL,
  until timestamptz NOT NULL, PRIMARY KEY (namespace, topic, name, member)
);
CREATE TABLE pubsub_deliveries (
  namespace bytea NOT NULL, topic bytea NOT NULL, name bytea NOT NULL, seq bigint NOT NULL,
  turn bigint NOT NULL, again bigint NOT NULL, due timestamptz, count bigint NOT NULL, member text, take bigint NOT NULL,
  PRIMARY KEY (namespace, topic, name, seq)
);
CREATE INDEX pubsub_line ON pubsub_deliveries (namespace, topic, name, turn, again, seq) WHERE member IS NULL AND due IS NULL;
CREATE INDEX pubsub_due ON pubsub_deliveries (namespace, topic, name, due) WHERE due IS NOT NULL;
"""

_TOPIC = "namespace = mine AND topic = subject"
_DURABLE = f"{_TOPIC} AND name = called"
_ROW_OF = "EXISTS (SELECT 1 FROM pubsub_deliveries AS d WHERE (d.namespace, d.topic, d.name) = (mine, subject, called) AND d.seq ="
_HAS_ROW, _HAS_PRIOR = f"{_ROW_OF} pubsub_log.seq)", f"{_ROW_OF} pubsub_log.prior)"
# One that has come since the take looked for such ones must not be taken for one that waits for nothing.
_FIRST_BEHIND = f"""coalesce(
          (SELECT min(seq) FROM pubsub_log WHERE {_TOPIC} AND seq > place AND prior IS NOT NULL), 9223372036854775807)"""
_AHEAD = 200
"""So many messages a take looks ahead for those that must wait."""
_HELD = "member = who AND seq = ANY (numbers) AND (take, seq) IN (SELECT unnest(takes), unnest(numbers))"
_HORIZON = "clock_timestamp() + horizon * interval '1 second'"
_ABOVE = f"(SELECT max(seq) + 1 FROM pubsub_log WHERE {_TOPIC})"
_NOTIFY = "PERFORM pg_notify('prism.pubsub.' || convert_from(mine, 'UTF8'), encode(subject, 'hex'));"

# Of one statement the number of the one before would be that of before it had the lock.
_STORE = f"""
CREATE FUNCTION pubsub_store(mine bytea, subject bytea, guard bigint, texts text, data bytea, me text, line bytea)
RETURNS TABLE (its_seq bigint, is_heard boolean) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(guard);
  RETURN QUERY INSERT INTO pubsub_log (namespace, topic, seq, headers, payload, key, prior)
    VALUES (mine, subject, nextval('pubsub_numbers'), texts, data, line,
      (SELECT max(seq) FROM pubsub_log WHERE {_TOPIC} AND key = line))
    RETURNING seq, EXISTS (SELECT 1 FROM pubsub_members AS m WHERE m.namespace = mine AND m.topic = subject AND m.owner <> me);
END $$;
"""

_LISTENERS = f"""
CREATE FUNCTION pubsub_trim(mine bytea, subject bytea) RETURNS void LANGUAGE sql AS $$
  DELETE FROM pubsub_messages WHERE {_TOPIC}
    AND seq <= coalesce((SELECT min(position) FROM pubsub_listeners WHERE {_TOPIC}), 9223372036854775807)
$$;
CREATE FUNCTION pubsub_listen(mine bytea, subject bytea, who text, me text, horizon float8) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  here bigint;
BEGIN
  DELETE FROM pubsub_listeners WHERE {_TOPIC} AND until < clock_timestamp();
  SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END INTO here FROM pubsub_numbers;
  INSERT INTO pubsub_listeners (namespace, topic, member, owner, until, position) VALUES (mine, subject, who, me, {_HORIZON}, here);
  PERFORM pubsub_trim(mine, subject);
  RETURN here;
END $$;
CREATE FUNCTION pubsub_unlisten(mine bytea, subject bytea, who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM pubsub_listeners WHERE {_TOPIC} AND member = who;
  PERFORM pubsub_trim(mine, subject);
END $$;
CREATE FUNCTION pubsub_tell(mine bytea, subject bytea, who text, here bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pubsub_listeners SET position = here WHERE {_TOPIC} AND member = who;
  DELETE FROM pubsub_listeners WHERE {_TOPIC} AND until < clock_timestamp();
  PERFORM pubsub_trim(mine, subject);
END $$;
"""

_MEMBERS = f"""
CREATE FUNCTION pubsub_join(mine bytea, subject bytea, called bytea, who text, me text, horizon float8) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO pubsub_members (namespace, topic, name, member, owner, until) VALUES (mine, subject, called, who, me, {_HORIZON})
$$;
CREATE FUNCTION pubsub_enter(mine bytea, subject bytea, called bytea, who text, me text, horizon float8, fresh boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pubsub_durables (namespace, topic, name, nacks, position)
    VALUES (mine, subject, called, 0, CASE WHEN fresh THEN coalesce((SELECT max(seq) FROM pubsub_log WHERE {_TOPIC}), 0) ELSE 0 END)
    ON CONFLICT DO NOTHING;
  PERFORM pubsub_join(mine, subject, called, who, me, horizon);
END $$;
CREATE FUNCTION pubsub_leave(mine bytea, subject bytea, called bytea, who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM pubsub_members WHERE {_DURABLE} AND member = who;
  UPDATE pubsub_deliveries SET member = NULL, turn = seq, again = 0 WHERE {_DURABLE} AND member = who;
  IF FOUND AND EXISTS (SELECT 1 FROM pubsub_members WHERE {_DURABLE}) THEN
    {_NOTIFY}
  END IF;
END $$;
CREATE FUNCTION pubsub_undo(mine bytea, subject bytea, called bytea, who text, lost bigint[]) RETURNS void LANGUAGE sql AS $$
  UPDATE pubsub_deliveries SET member = NULL, turn = seq, again = 0, count = count - 1
    WHERE {_DURABLE} AND member = who AND take = ANY (lost)
$$;
CREATE FUNCTION pubsub_ack(mine bytea, subject bytea, called bytea, who text, takes bigint[], numbers bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  done bigint[];
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pubsub_log WHERE {_TOPIC} AND seq = ANY (numbers) AND key IS NOT NULL) THEN
    DELETE FROM pubsub_deliveries WHERE {_DURABLE} AND {_HELD};
    RETURN false;
  END IF;
  PERFORM 1 FROM pubsub_durables WHERE {_DURABLE} FOR UPDATE;
  WITH acked AS (
    DELETE FROM pubsub_deliveries WHERE {_DURABLE} AND {_HELD} RETURNING seq
  ) SELECT array_agg(seq) INTO done FROM acked;
  UPDATE pubsub_deliveries SET due = NULL
    WHERE {_DURABLE} AND due = 'infinity' AND seq IN (SELECT seq FROM pubsub_log WHERE {_TOPIC} AND prior = ANY (done));
  IF NOT FOUND THEN
    RETURN false;
  ELSIF EXISTS (SELECT 1 FROM pubsub_members WHERE {_DURABLE} AND member <> who) THEN
    {_NOTIFY}
  END IF;
  RETURN true;
END $$;
CREATE FUNCTION pubsub_nack(mine bytea, subject bytea, called bytea, who text, takes bigint[], numbers bigint[], delay_us float8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  turns bigint;
BEGIN
  UPDATE pubsub_durables SET nacks = nacks + 1 WHERE {_DURABLE} RETURNING nacks INTO turns;
  UPDATE pubsub_deliveries SET member = NULL, turn = {_ABOVE}, again = turns,
    due = CASE WHEN delay_us > 0 THEN clock_timestamp() + delay_us * interval '1 microsecond' END
    WHERE {_DURABLE} AND {_HELD};
  IF EXISTS (SELECT 1 FROM pubsub_members WHERE {_DURABLE} AND member <> who) THEN
    {_NOTIFY}
  END IF;
END $$;
CREATE FUNCTION pubsub_beat(who text[], spaces bytea[], horizon float8, patience float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM pubsub_members WHERE namespace = ANY (spaces) AND member = ANY (who) ORDER BY member FOR UPDATE;
  UPDATE pubsub_members SET until = {_HORIZON} WHERE namespace = ANY (spaces) AND member = ANY (who);
  PERFORM 1 FROM pubsub_listeners WHERE namespace = ANY (spaces) AND member = ANY (who) ORDER BY member FOR UPDATE;
  UPDATE pubsub_listeners SET until = clock_timestamp() + patience * interval '1 second'
    WHERE namespace = ANY (spaces) AND member = ANY (who);
END $$;
"""

# One who is just giving a sign of life is passed over when the dead are looked for. First comes a row that tells under which name
# it was taken: another one, if the member had been revoked. No row: there is no such subscription any more.
_TAKE = f"""
CREATE FUNCTION pubsub_take(
  mine bytea, subject bytea, called bytea, who text, fresh text, me text, horizon float8, alive text[], lost bigint[], round bigint,
  most int, bytes bigint
) RETURNS TABLE (its_member text, its_count bigint, its_seq bigint, its_headers text, its_payload bytea) LANGUAGE plpgsql AS $$
DECLARE
  place bigint;
  bound bigint;
  ends timestamptz;
  gone text;
BEGIN
  SELECT position INTO place FROM pubsub_durables WHERE {_DURABLE} FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT until INTO ends FROM pubsub_members WHERE {_DURABLE} AND member = who;
  IF NOT FOUND THEN
    who := fresh;
    PERFORM pubsub_join(mine, subject, called, who, me, horizon);
  ELSIF ends < clock_timestamp() + horizon / 2 * interval '1 second' THEN
    UPDATE pubsub_members SET until = {_HORIZON} WHERE {_DURABLE} AND member = who;
  END IF;
  IF cardinality(lost) > 0 THEN
    PERFORM pubsub_undo(mine, subject, called, who, lost);
  END IF;
  FOR gone IN
    SELECT member FROM pubsub_members WHERE {_DURABLE} AND member <> who AND until <= clock_timestamp() AND NOT member = ANY (alive)
      FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM pubsub_leave(mine, subject, called, gone);
  END LOOP;
  UPDATE pubsub_deliveries SET due = NULL, turn = {_ABOVE} WHERE {_DURABLE} AND due <= clock_timestamp();
  its_member := who;
  RETURN NEXT;
  LOOP
    bound := NULL;
    IF EXISTS (SELECT 1 FROM pubsub_log WHERE {_TOPIC} AND seq > place AND prior IS NOT NULL) THEN
      SELECT max(seq) INTO bound FROM (
        SELECT seq FROM pubsub_log WHERE {_TOPIC} AND seq > place ORDER BY seq LIMIT greatest(most, {_AHEAD})
      ) AS page;
      INSERT INTO pubsub_deliveries (namespace, topic, name, seq, turn, again, due, count, take)
        SELECT mine, subject, called, seq, seq, 0, 'infinity', 0, 0 FROM pubsub_log
        WHERE {_TOPIC} AND seq > place AND seq <= bound AND prior IS NOT NULL AND (prior > place OR {_HAS_PRIOR})
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY WITH line AS (
      (SELECT turn, 0 AS kind, again, seq FROM pubsub_deliveries WHERE {_DURABLE} AND member IS NULL AND due IS NULL
        AND (bound IS NULL OR turn <= bound OR bound >= (SELECT max(seq) FROM pubsub_log WHERE {_TOPIC}))
        ORDER BY turn, again, seq LIMIT most)
      UNION ALL
      (SELECT seq, 1, 0, seq FROM pubsub_log WHERE {_TOPIC} AND seq > place
        AND CASE WHEN bound IS NULL THEN seq < {_FIRST_BEHIND} ELSE seq <= bound AND NOT {_HAS_ROW} END
        ORDER BY seq LIMIT most)
    ), first AS (
      SELECT turn, kind, again, seq, log.headers, log.payload,
        sum(octet_length(log.payload)) OVER (ORDER BY turn, kind, again, seq) - octet_length(log.payload) AS ahead
      FROM line CROSS JOIN LATERAL (
        SELECT headers, payload FROM pubsub_log WHERE {_TOPIC} AND pubsub_log.seq = line.seq OFFSET 0
      ) AS log ORDER BY turn, kind, again, seq LIMIT most
    ), taken AS MATERIALIZED (
      SELECT * FROM first WHERE ahead < bytes
    ), marked AS (
      INSERT INTO pubsub_deliveries AS d (namespace, topic, name, seq, turn, again, count, member, take)
        SELECT mine, subject, called, seq, seq, 0, 1, who, round FROM taken
        ON CONFLICT (namespace, topic, name, seq) DO UPDATE SET count = d.count + 1, member = excluded.member, take = excluded.take
        RETURNING d.seq, d.count
    ), moved AS (
      UPDATE pubsub_durables SET position = (SELECT max(seq) FROM taken)
      WHERE {_DURABLE} AND position < (SELECT max(seq) FROM taken)
    )
    SELECT who, marked.count, seq, headers, payload FROM taken JOIN marked USING (seq) ORDER BY turn, kind, again, seq;
    EXIT WHEN FOUND OR bound IS NULL;
    place := bound;  -- all up to here must wait
    UPDATE pubsub_durables SET position = bound WHERE {_DURABLE};
  END LOOP;
END $$;
"""

# The names of parameters give way to those of columns.
PUBSUB = (_TABLES + _STORE + _LISTENERS + _MEMBERS + _TAKE).replace(
    "LANGUAGE plpgsql AS $$\n", "LANGUAGE plpgsql AS $$\n#variable_conflict use_column\n"
)

# With the number comes whether there is somebody to tell: nobody is told where nobody of another process is, for a notification
# makes every commit of the server wait for its turn.
SAY = """WITH fresh AS MATERIALIZED (
    SELECT nextval('pubsub_numbers') AS seq FROM (SELECT pg_advisory_xact_lock($3) OFFSET 0) AS locked
  ), added AS (
    INSERT INTO pubsub_messages (namespace, topic, seq, headers, payload) SELECT $1, $2, seq, $4, $5 FROM fresh
    WHERE EXISTS (SELECT 1 FROM pubsub_listeners WHERE namespace = $1 AND topic = $2)
  ) SELECT seq, EXISTS (SELECT 1 FROM pubsub_listeners WHERE namespace = $1 AND topic = $2 AND owner <> $6) FROM fresh"""
STORE = """INSERT INTO pubsub_log (namespace, topic, seq, headers, payload)
  SELECT $1, $2, seq, $4, $5
  FROM (SELECT nextval('pubsub_numbers') AS seq FROM (SELECT pg_advisory_xact_lock($3) OFFSET 0) AS locked OFFSET 0) AS fresh
  RETURNING seq, EXISTS (SELECT 1 FROM pubsub_members AS m WHERE m.namespace = $1 AND m.topic = $2 AND m.owner <> $6)"""
STORE_ORDERED = "SELECT * FROM pubsub_store($1, $2, $3, $4, $5, $6, $7)"
NOTIFY = "SELECT pg_notify('prism.pubsub.' || convert_from($1, 'UTF8'), encode($2, 'hex'))"
LAST = "SELECT max(seq) FROM pubsub_log WHERE namespace = $1 AND topic = $2"
LISTEN = "SELECT pubsub_listen($1, $2, $3, $4, $5)"
UNLISTEN = "SELECT pubsub_unlisten($1, $2, $3)"
TELL = "SELECT pubsub_tell($1, $2, $3, $4)"
ENTER = "SELECT pubsub_enter($1, $2, $3, $4, $5, $6, $7)"
LEAVE = "SELECT pubsub_leave($1, $2, $3, $4)"
UNDO = "SELECT pubsub_undo($1, $2, $3, $4, $5)"
# Returns whether the next of a key is free now.
ACK = "SELECT pubsub_ack($1, $2, $3, $4, $5, $6)"
NACK = "SELECT pubsub_nack($1, $2, $3, $4, $5, $6, $7)"
BEAT = "SELECT pubsub_beat($1, $2, $3, $4)"
TAKE = "SELECT * FROM pubsub_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"

# A page, and with it whether the listener is still known: as long as it is, nothing that it has not read was removed.
READ = """SELECT me.member IS NOT NULL AS known, page.seq, page.headers, page.payload
  FROM (SELECT 1) AS one LEFT JOIN pubsub_listeners AS me ON namespace = $1 AND topic = $2 AND member = $3
  LEFT JOIN LATERAL (
    SELECT * FROM (
      SELECT *, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS ahead FROM (
        SELECT seq, headers, payload FROM pubsub_messages WHERE namespace = $1 AND topic = $2 AND seq > $4 ORDER BY seq LIMIT $5
      ) AS unread
    ) AS sized WHERE ahead < $6
  ) AS page ON true ORDER BY page.seq"""

# Whether a take may find something, and else in how many seconds, as far as one can tell: from one snapshot, without a lock.
LOOK = """SELECT
    NOT EXISTS (SELECT 1 FROM pubsub_members WHERE namespace = $1 AND topic = $2 AND name = $3 AND member = $4)
    OR EXISTS (SELECT 1 FROM pubsub_log WHERE namespace = $1 AND topic = $2
      AND seq > (SELECT position FROM pubsub_durables WHERE namespace = $1 AND topic = $2 AND name = $3))
    OR EXISTS (SELECT 1 FROM pubsub_deliveries WHERE namespace = $1 AND topic = $2 AND name = $3 AND member IS NULL AND due IS NULL)
    OR EXISTS (SELECT 1 FROM pubsub_members WHERE namespace = $1 AND topic = $2 AND name = $3
      AND until <= clock_timestamp() AND NOT member = ANY ($5::text[])),
    (SELECT extract(epoch FROM min(due) - clock_timestamp())::float8 FROM pubsub_deliveries
      WHERE namespace = $1 AND topic = $2 AND name = $3 AND due < 'infinity')"""
