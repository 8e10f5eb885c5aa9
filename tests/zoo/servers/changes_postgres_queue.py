"""Wrong queue drivers over a real PostgreSQL: takes, leases and delays."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_driver = partial(Change, backend="postgres", module="prism_backends.postgres.queue")
_sql = partial(Change, backend="postgres", module="prism_backends.postgres.queue_sql")
_taking = partial(Change, backend="postgres", module="prism_backends.postgres.taking")
_pool = partial(Change, backend="postgres", module="prism_backends.postgres.client")
_connection = partial(Change, backend="postgres", module="prism_backends.postgres.connections")

CHANGES = [
    # First in, first out
    _sql(
        name="postgres_take_locks_nothing",
        before="ORDER BY rank, number LIMIT most FOR UPDATE SKIP LOCKED",
        after="ORDER BY rank, number LIMIT most",
        promise="queue_visibility.8",
        also=("queue_visibility.2", "queue_basic.10", "queue_visibility.1", "queue_visibility.11"),
        why="DELETE and UPDATE take their own locks",
    ),
    _sql(
        name="postgres_numbers_are_cached",
        before="CREATE SEQUENCE queue_numbers;",
        after="CREATE SEQUENCE queue_numbers CACHE 20;",
        promise="queue_basic.3",
        also=("queue_basic.10", "queue_visibility.1", "queue_priority.1", "queue_dead_letter.4", "queue_dead_letter.5"),
        why="a cache makes a sequence faster",
    ),
    _driver(
        name="postgres_names_have_63_bytes",
        before="return await self.client.rows(_what(operation, queue), statement, self.namespace, *arguments)",
        after="name, *rest = arguments\n"
        "            name = name[:63] if isinstance(name, bytes) else name\n"
        "            return await self.client.rows(_what(operation, queue), statement, self.namespace, name, *rest)",
        promise="queue_basic.6",
        also=("queue_visibility.15", "queue_dead_letter.10"),
        why="as the names of tables are cut",
    ),
    _sql(
        name="postgres_headers_are_jsonb",
        before="* interval '1 microsecond' END, 0, $6, $7",
        after="* interval '1 microsecond' END, 0, $6::text::jsonb::text, $7",
        promise="queue_basic.1",
        also=("queue_visibility.1", "queue_visibility.15", "queue_priority.4", "queue_delayed.4"),
        why="the type for it",
    ),
    _sql(
        name="postgres_peek_shows_what_is_delayed",
        before="AND queue = name AND until IS NULL\n    ORDER BY rank, number LIMIT 1;",
        after="AND queue = name AND token IS NULL\n    ORDER BY rank, number LIMIT 1;",
        promise="queue_delayed.1",
        also=("queue_basic.5",),
        why="what has no token is not taken",
    ),
    _sql(
        name="postgres_peek_goes_by_number",
        before="AND until IS NULL\n    ORDER BY rank, number LIMIT 1;",
        after="AND until IS NULL\n    ORDER BY number LIMIT 1;",
        promise="queue_basic.5",
        also=("queue_priority.1",),
        why="a peek shows the oldest",
    ),
    _sql(
        name="postgres_put_back_goes_to_the_tail",
        before="VALUES (mine, message, name, rank, number, had,",
        after="VALUES (mine, message, name, rank, nextval('queue_numbers'), had,",
        promise="queue_basic.11",
        also=("queue_basic.3", "queue_basic.10"),
        why="it is enqueued again",
    ),
    _sql(
        name="postgres_put_back_forgets_the_priority",
        before="VALUES (mine, message, name, rank, number, had,",
        after="VALUES (mine, message, name, 0, number, had,",
        promise="queue_basic.11",
        also=("queue_priority.1", "queue_priority.3"),
        why="who takes it back is first anyway",
    ),
    _sql(
        name="postgres_put_back_forgets_the_origin",
        before="had, failed, origin, texts, data);",
        after="had, failed, NULL, texts, data);",
        promise="queue_basic.11",
        also=("queue_dead_letter.4", "queue_dead_letter.5", "queue_dead_letter.9"),
        why="it is an ordinary message of its queue",
    ),
    _taking(
        name="postgres_a_take_given_is_kept",
        before="        return await self._kept\n",
        after="        return not self.given.cancelled()\n",
        promise="queue_basic.11",
        also=("queue_visibility.12",),
        why="a future that has a result cannot be cancelled",
    ),
    _taking(
        name="postgres_rest_is_put_back_after_the_next_take",
        before="            while messages:  # the last first, so that who looks meanwhile from elsewhere finds a beginning\n"
        "                await self._put_back(messages.pop())",
        after="            for message in messages:\n                begun(self._put_back(message))",
        promise="queue_basic.11",
        also=("queue_basic.3", "queue_basic.10"),
        why="nobody needs to wait for it",
    ),
    _pool(
        name="postgres_lost_statement_is_sent_again",
        before="                    raise TimeoutError from error\n                raise\n",
        after="                    raise TimeoutError from error\n"
        "                if not connection.is_closed():\n"
        "                    raise\n"
        "                return await (await self._connected(TIMEOUT_S)).fetch(sql, *arguments)\n",
        promise="queue_basic.2",
        also=("queue_basic.12", "queue_basic.13", "queue_basic.11"),
        why="a lost connection is made again",
    ),
    _connection(
        name="postgres_messages_are_acknowledged_before_they_are_logged",
        before='"synchronous_commit": "on"',
        after='"synchronous_commit": "off"',
        promise="queue_basic.12",
        also=("queue_visibility.13", "queue_delayed.6", "queue_dead_letter.8"),
        why="nothing is lost but the last moments",
    ),
    # Leases
    _sql(
        name="postgres_ack_after_the_deadline",
        before="AND queue = $2 AND token = $4 AND until > clock_timestamp() RETURNING 1",
        after="AND queue = $2 AND token = $4 RETURNING 1",
        promise="queue_visibility.5",
        also=("queue_visibility.4", "queue_visibility.3"),
        why="the token is what tells",
    ),
    _sql(
        name="postgres_ack_by_the_message",
        before="AND queue = $2 AND token = $4 AND until > clock_timestamp() RETURNING 1",
        after="AND queue = $2 AND $4::bigint > 0 AND until > clock_timestamp() RETURNING 1",
        promise="queue_visibility.5",
        also=("queue_visibility.2", "queue_visibility.4"),
        why="the message is leased, so it can be acked",
    ),
    _sql(
        name="postgres_release_after_the_deadline",
        before="AND token = lease AND until > clock_timestamp() FOR UPDATE;",
        after="AND token = lease FOR UPDATE;",
        promise="queue_visibility.5",
        why="what ended is released already",
    ),
    _sql(
        name="postgres_extend_after_the_deadline",
        before="AND token = lease AND until > clock_timestamp();",
        after="AND token = lease;",
        promise="queue_visibility.5",
        also=("queue_visibility.3", "queue_visibility.6"),
        why="nobody else has it yet",
    ),
    _sql(
        name="postgres_extend_only_lengthens",
        before="UPDATE queue_messages SET until = ends\n",
        after="UPDATE queue_messages SET until = greatest(until, ends)\n",
        promise="queue_visibility.6",
        why="extending is no shortening",
    ),
    _sql(
        name="postgres_extend_by_whole_seconds",
        before="  ends timestamptz := clock_timestamp() + lease_us * interval '1 microsecond';\nBEGIN",
        after="  ends timestamptz := clock_timestamp() + make_interval(secs => ceil(lease_us / 1000000));\nBEGIN",
        promise="queue_visibility.6",
        also=("queue_visibility.3", "queue_visibility.5"),
        why="make_interval takes seconds",
    ),
    _sql(
        name="postgres_release_gives_the_attempt_back",
        before="    woken := queue_fail(mine, message, name, had);\n",
        after="    woken := queue_fail(mine, message, name, had);\n"
        "    UPDATE queue_messages SET attempts = had - 1 WHERE namespace = mine AND id = message AND queue = name;\n",
        promise="queue_visibility.7",
        also=("queue_dead_letter.1", "queue_visibility.3"),
        why="what is given back was not tried",
    ),
    _sql(
        name="postgres_token_is_the_attempt",
        before="until = ends, token = nextval('queue_numbers')",
        after="until = ends, token = m.attempts + 1",
        promise="queue_visibility.5",
        also=("queue_dead_letter.5",),
        why="message and attempt tell a delivery",
    ),
    _driver(
        name="postgres_ack_does_not_wait",
        before='        await self._held(sql.ACK, "ack", lease)',
        after='        self._last = asyncio.ensure_future(self._held(sql.ACK, "ack", lease))\n        await asyncio.sleep(0)',
        promise="queue_visibility.5",
        also=("queue_visibility.4", "queue_visibility.8", "queue_visibility.13"),
        why="nobody needs the answer to an ack",
    ),
    # Priorities and delays
    _sql(
        name="postgres_priorities_are_nine_levels",
        before="SELECT $1, number, $2, -$4::int, number, 0,",
        after="SELECT $1, number, $2, -least($4::int, 8), number, 0,",
        promise="queue_priority.1",
        why="one level fewer fits three bits",
    ),
    _sql(
        name="postgres_scheduled_counts_leases",
        before="AND until > clock_timestamp() AND token IS NULL AND queue = $2",
        after="AND until > clock_timestamp() AND queue = $2",
        promise="queue_delayed.2",
        why="what is not ready yet is scheduled",
    ),
    _sql(
        name="postgres_scheduled_counts_what_is_due",
        before="AND until > clock_timestamp() AND token IS NULL AND queue = $2",
        after="AND until IS NOT NULL AND token IS NULL AND queue = $2",
        promise="queue_delayed.2",
        why="a row with an instant is delayed",
    ),
    _sql(
        name="postgres_scheduled_counts_every_namespace",
        before="WHERE namespace = $1 AND until > clock_timestamp() AND token IS NULL",
        after="WHERE $1::bytea <> '' AND until > clock_timestamp() AND token IS NULL",
        promise="queue_basic.9",
        also=("queue_delayed.2",),
        why="names of queues are unique enough",
    ),
    _driver(
        name="postgres_delays_are_three_years_at_most",
        before="_LONGEST_S = 1e10",
        after="_LONGEST_S = 1e8",
        promise="queue_delayed.3",
        why="nobody waits so long",
    ),
    _sql(
        name="postgres_delay_counts_as_an_attempt",
        before="        UPDATE queue_messages SET until = NULL WHERE namespace = mine AND id = due.id;\n",
        after="        UPDATE queue_messages SET until = NULL, attempts = 1 WHERE namespace = mine AND id = due.id;\n",
        promise="queue_visibility.1",
        also=("queue_delayed.4", "queue_dead_letter.1"),
        why="it was put aside once",
    ),
    _sql(
        name="postgres_settles_side_by_side",
        before="    PERFORM pg_advisory_xact_lock(hashtextextended('queue settling ' || encode(mine, 'hex'), 0));\n",
        after="",
        promise="queue_visibility.3",
        also=("queue_visibility.2",),
        why="the rows are locked anyway, by id; but also those that somebody else has settled while one waited",
    ),
]
