"""The messages of queues, and the rules by which they move.

A message has one of three states: *ready* (``until`` is null), *delayed* until an instant, or *leased* until one (``token`` is
set). Who looks or takes first lets happen what fell due (`queue_settle`), so the state is always what the clock says, and no timer
is needed. ``rank`` is the priority, negated; ``number`` the turn among those of one rank; ``failed`` orders failed deliveries;
``origin`` is the queue a message died in. Whoever changes rows of several messages locks them in one order.
"""

__all__ = [
    "ACK",
    "ADD",
    "CONFIGURE",
    "DEAD",
    "EXTEND",
    "LISTEN",
    "PEEK",
    "PUT_BACK",
    "QUEUE",
    "REDRIVE",
    "RELEASE",
    "SCHEDULED",
    "TAKE",
    "TELL",
    "UNLEASE",
    "UNLISTEN",
]

_TABLES = """
CREATE SEQUENCE queue_numbers;
CREATE TABLE queue_messages (
  namespace bytea NOT NULL, id bigint NOT NULL, queue bytea NOT NULL, rank smallint NOT NULL, number bigint NOT NULL,
  attempts bigint NOT NULL, until timestamptz, token bigint, failed bigint NOT NULL, origin bytea,
  headers text NOT NULL, payload bytea NOT NULL,
  PRIMARY KEY (namespace, id)
);
ALTER TABLE queue_messages ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX queue_ready ON queue_messages (namespace, queue, rank, number) WHERE until IS NULL;
CREATE INDEX queue_due ON queue_messages (namespace, until) WHERE until IS NOT NULL;
CREATE INDEX queue_dead ON queue_messages (namespace, queue, origin, number) WHERE origin IS NOT NULL;
CREATE TABLE queue_policies (
  namespace bytea NOT NULL, queue bytea NOT NULL, target bytea NOT NULL, most bigint NOT NULL, PRIMARY KEY (namespace, queue)
);
CREATE TABLE queue_listeners (
  namespace bytea NOT NULL, process text NOT NULL, driver text NOT NULL, PRIMARY KEY (namespace, process, driver)
);
"""

# Nobody is told where nobody listens, for a notification makes every commit of the server wait for its turn.
_TELL = """
CREATE FUNCTION queue_tell(mine bytea, me text, woken bytea[], expected timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name bytea;
BEGIN
  IF EXISTS (SELECT 1 FROM queue_listeners WHERE namespace = mine AND process <> me) THEN
    FOREACH name IN ARRAY woken LOOP
      PERFORM pg_notify('prism.queue.' || convert_from(mine, 'UTF8'), me || ' q' || encode(name, 'hex'));
    END LOOP;
    IF expected IS NOT NULL THEN
      PERFORM pg_notify('prism.queue.' || convert_from(mine, 'UTF8'),
        me || ' e' || ceil(extract(epoch FROM expected - clock_timestamp()) * 1000000)::bigint);
    END IF;
  END IF;
END $$;
"""

# One at a time settles, and whoever waited looks anew. Would they wait for each other's rows, the server let them lock those that
# another has settled meanwhile (it checks after it has locked), and a third, who has nothing to settle, passed them all over.
#
# A policy does not change between the look at it and the end of what was done by it: what fails at the same time as the policy is
# set either dies by it, or is there before it is set, and is buried. Who sets one waits for nothing that others hold.
_MOVES = """
CREATE FUNCTION queue_policy_lock(mine bytea, name bytea) RETURNS bigint LANGUAGE sql AS $$
  SELECT hashtextextended('queue policy ' || encode(mine || name, 'hex'), 0)
$$;
CREATE FUNCTION queue_move(mine bytea, message bigint, name bytea, source bytea) RETURNS void LANGUAGE sql AS $$
  UPDATE queue_messages
    SET queue = name, origin = source, number = nextval('queue_numbers'), attempts = 0, until = NULL, token = NULL
    WHERE namespace = mine AND id = message
$$;
CREATE FUNCTION queue_fail(mine bytea, message bigint, name bytea, had bigint) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
  policy record;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(queue_policy_lock(mine, name));
  SELECT target, most INTO policy FROM queue_policies WHERE namespace = mine AND queue = name;
  IF FOUND AND had >= policy.most THEN
    PERFORM queue_move(mine, message, policy.target, name);
    RETURN policy.target;
  END IF;
  UPDATE queue_messages SET until = NULL, token = NULL, failed = nextval('queue_numbers') WHERE namespace = mine AND id = message;
  RETURN name;
END $$;
CREATE FUNCTION queue_settle(mine bytea, me text) RETURNS bytea[] LANGUAGE plpgsql AS $$
DECLARE
  present timestamptz := clock_timestamp();
  due record;
  woken bytea[] := '{}';
BEGIN
  IF EXISTS (SELECT 1 FROM queue_messages WHERE namespace = mine AND until <= present) THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('queue settling ' || encode(mine, 'hex'), 0));
    PERFORM 1 FROM queue_messages WHERE namespace = mine AND until <= present ORDER BY id FOR UPDATE;
    FOR due IN
      SELECT id, queue, attempts, token FROM queue_messages
        WHERE namespace = mine AND until <= present ORDER BY until, token, number
    LOOP
      IF due.token IS NULL THEN
        UPDATE queue_messages SET until = NULL WHERE namespace = mine AND id = due.id;
        woken := woken || due.queue;
      ELSE
        woken := woken || queue_fail(mine, due.id, due.queue, due.attempts);
      END IF;
    END LOOP;
    PERFORM queue_tell(mine, me, woken, NULL);
  END IF;
  RETURN woken;
END $$;
CREATE FUNCTION queue_bury(mine bytea, name bytea, me text) RETURNS bytea[] LANGUAGE plpgsql AS $$
DECLARE
  policy record;
  message bigint;
  woken bytea[] := '{}';
BEGIN
  SELECT target, most INTO policy FROM queue_policies WHERE namespace = mine AND queue = name;
  IF FOUND THEN
    FOR message IN
      SELECT id FROM queue_messages WHERE namespace = mine AND queue = name AND until IS NULL AND attempts >= policy.most
        ORDER BY failed FOR UPDATE SKIP LOCKED
    LOOP
      PERFORM queue_move(mine, message, policy.target, name);
      woken := ARRAY[policy.target];
    END LOOP;
    PERFORM queue_tell(mine, me, woken, NULL);
  END IF;
  RETURN woken;
END $$;
"""

# A message that somebody is just taking is passed over: that take comes first. If there is nothing, one row without an id tells
# in how many seconds something falls due.
_HEAD = """head AS MATERIALIZED (
      SELECT id FROM queue_messages WHERE namespace = mine AND queue = name AND until IS NULL
        ORDER BY rank, number LIMIT most FOR UPDATE SKIP LOCKED
    )"""
_TAKE = f"""
CREATE FUNCTION queue_take(mine bytea, name bytea, lease_us float8, most int, me text) RETURNS TABLE (
  its_id bigint, its_headers text, its_payload bytea, its_attempts bigint, its_token bigint,
  its_rank int, its_number bigint, its_failed bigint, its_origin bytea, due_s float8, woken bytea[]
) LANGUAGE plpgsql AS $$
DECLARE
  ready bytea[] := queue_settle(mine, me);
  ends timestamptz;
BEGIN
  IF lease_us IS NULL THEN
    RETURN QUERY WITH {_HEAD}, taken AS (
      DELETE FROM queue_messages AS m USING head WHERE m.namespace = mine AND m.id = head.id RETURNING m.*
    ) SELECT id, headers, payload, attempts, 0::bigint, rank::int, number, failed, origin, NULL::float8, ready
      FROM taken ORDER BY rank, number;
  ELSE
    ends := clock_timestamp() + lease_us * interval '1 microsecond';
    RETURN QUERY WITH {_HEAD}, taken AS (
      UPDATE queue_messages AS m SET attempts = m.attempts + 1, until = ends, token = nextval('queue_numbers')
        FROM head WHERE m.namespace = mine AND m.id = head.id RETURNING m.*
    ) SELECT id, headers, payload, attempts, token, rank::int, number, failed, origin, NULL::float8, ready
      FROM taken ORDER BY rank, number;
  END IF;
  IF FOUND THEN
    IF ends IS NOT NULL THEN
      PERFORM queue_tell(mine, me, '{{}}', ends);
    END IF;
  ELSE
    woken := ready;
    SELECT extract(epoch FROM min(until) - clock_timestamp())::float8 INTO due_s
      FROM queue_messages WHERE namespace = mine AND until IS NOT NULL;
    RETURN NEXT;
  END IF;
END $$;
"""

_GIVE = """
CREATE FUNCTION queue_put_back(
  mine bytea, name bytea, me text, message bigint, texts text, data bytea, had bigint, rank int, number bigint, failed bigint,
  origin bytea
) RETURNS bytea[] LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO queue_messages (namespace, id, queue, rank, number, attempts, failed, origin, headers, payload)
    VALUES (mine, message, name, rank, number, had, failed, origin, texts, data);
  PERFORM queue_tell(mine, me, ARRAY[name], NULL);
  RETURN ARRAY[name] || queue_bury(mine, name, me);
END $$;
CREATE FUNCTION queue_unlease(mine bytea, name bytea, me text, message bigint, lease bigint) RETURNS bytea[] LANGUAGE plpgsql AS $$
BEGIN
  UPDATE queue_messages SET attempts = attempts - 1, until = NULL, token = NULL
    WHERE namespace = mine AND id = message AND queue = name AND token = lease;
  PERFORM queue_tell(mine, me, ARRAY[name], NULL);
  RETURN ARRAY[name] || queue_bury(mine, name, me);
END $$;
CREATE FUNCTION queue_release(mine bytea, name bytea, me text, message bigint, lease bigint) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
  had bigint;
  woken bytea;
BEGIN
  SELECT attempts INTO had FROM queue_messages
    WHERE namespace = mine AND id = message AND queue = name AND token = lease AND until > clock_timestamp() FOR UPDATE;
  IF FOUND THEN
    woken := queue_fail(mine, message, name, had);
    PERFORM queue_tell(mine, me, ARRAY[woken], NULL);
  END IF;
  RETURN woken;
END $$;
CREATE FUNCTION queue_extend(mine bytea, name bytea, me text, message bigint, lease bigint, lease_us float8)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  ends timestamptz := clock_timestamp() + lease_us * interval '1 microsecond';
BEGIN
  UPDATE queue_messages SET until = ends
    WHERE namespace = mine AND id = message AND queue = name AND token = lease AND until > clock_timestamp();
  IF FOUND THEN
    PERFORM queue_tell(mine, me, '{}', ends);
    RETURN true;
  END IF;
  RETURN false;
END $$;
"""

_LOOKS = """
CREATE FUNCTION queue_peek(mine bytea, name bytea, me text) RETURNS TABLE (its_id bigint, its_headers text, its_payload bytea)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM queue_settle(mine, me);
  RETURN QUERY SELECT id, headers, payload FROM queue_messages WHERE namespace = mine AND queue = name AND until IS NULL
    ORDER BY rank, number LIMIT 1;
END $$;
CREATE FUNCTION queue_configure(mine bytea, name bytea, me text, destination bytea, bound bigint) RETURNS bytea[]
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(queue_policy_lock(mine, name));
  INSERT INTO queue_policies (namespace, queue, target, most) VALUES (mine, name, destination, bound)
    ON CONFLICT (namespace, queue) DO UPDATE SET target = excluded.target, most = excluded.most;
  RETURN queue_bury(mine, name, me);
END $$;
CREATE FUNCTION queue_dead_letters(mine bytea, name bytea, me text)
RETURNS TABLE (its_id bigint, its_headers text, its_payload bytea) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM queue_settle(mine, me);
  RETURN QUERY SELECT id, headers, payload FROM queue_messages
    WHERE namespace = mine AND origin = name
      AND queue = (SELECT target FROM queue_policies WHERE namespace = mine AND queue = name)
    ORDER BY number;
END $$;
CREATE FUNCTION queue_redrive(mine bytea, name bytea, me text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  message bigint;
  moved bigint := 0;
BEGIN
  PERFORM queue_settle(mine, me);
  FOR message IN
    SELECT id FROM queue_messages WHERE namespace = mine AND origin = name AND until IS NULL
      AND queue = (SELECT target FROM queue_policies WHERE namespace = mine AND queue = name)
      ORDER BY number FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM queue_move(mine, message, name, NULL);
    moved := moved + 1;
  END LOOP;
  IF moved > 0 THEN
    PERFORM queue_tell(mine, me, ARRAY[name], NULL);
  END IF;
  RETURN moved;
END $$;
"""

QUEUE = _TABLES + _TELL + _MOVES + _TAKE + _GIVE + _LOOKS

# Numbers are given in the order of commits, so that nobody is ever put before a message that was seen at the head: who adds to a
# queue holds its lock until then. With the id comes whether there is somebody to tell.
ADD = """INSERT INTO queue_messages (namespace, id, queue, rank, number, attempts, until, failed, headers, payload)
  SELECT $1, number, $2, -$4::int, number, 0,
    CASE WHEN $5::float8 > 0 THEN clock_timestamp() + $5::float8 * interval '1 microsecond' END, 0, $6, $7
  FROM (SELECT nextval('queue_numbers') AS number FROM (SELECT pg_advisory_xact_lock($3) OFFSET 0) AS locked OFFSET 0) AS fresh
  RETURNING id, EXISTS (SELECT 1 FROM queue_listeners AS l WHERE l.namespace = $1 AND l.process <> $8)"""
TELL = """SELECT queue_tell($1, $2, $3::bytea[],
  CASE WHEN $4::float8 > 0 THEN clock_timestamp() + $4::float8 * interval '1 microsecond' END)"""
TAKE = "SELECT * FROM queue_take($1, $2, $3, $4, $5)"
PUT_BACK = "SELECT queue_put_back($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
UNLEASE = "SELECT queue_unlease($1, $2, $3, $4, $5)"
PEEK = "SELECT * FROM queue_peek($1, $2, $3)"
ACK = """DELETE FROM queue_messages
  WHERE namespace = $1 AND id = $3 AND queue = $2 AND token = $4 AND until > clock_timestamp() RETURNING 1"""
EXTEND = "SELECT queue_extend($1, $2, $3, $4, $5, $6)"
RELEASE = "SELECT queue_release($1, $2, $3, $4, $5)"
SCHEDULED = """SELECT count(*) FROM queue_messages
  WHERE namespace = $1 AND until > clock_timestamp() AND token IS NULL AND queue = $2"""
CONFIGURE = "SELECT queue_configure($1, $2, $3, $4, $5)"
DEAD = "SELECT * FROM queue_dead_letters($1, $2, $3)"
REDRIVE = "SELECT queue_redrive($1, $2, $3)"
LISTEN = "INSERT INTO queue_listeners (namespace, process, driver) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
UNLISTEN = "DELETE FROM queue_listeners WHERE namespace = $1 AND process = $2 AND driver = $3"
