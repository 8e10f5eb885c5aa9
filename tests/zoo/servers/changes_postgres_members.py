"""More wrong durable subscriptions over a real PostgreSQL: members, acks, keys."""

from .change import Change

__all__ = ["CHANGES"]

_MEMBERS = "prism_backends.postgres.members"
_PRESENCE = "prism_backends.postgres.presence"
_PUBSUB_SQL = "prism_backends.postgres.pubsub_sql"

CHANGES = [
    Change(
        name="postgres_enter_begins_again_where_it_is_told",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="    ON CONFLICT DO NOTHING;\n  PERFORM pubsub_join(mine, subject, called, who, me, horizon);\nEND $$;",
        after="    ON CONFLICT (namespace, topic, name) DO UPDATE\n"
        "    SET position = greatest(excluded.position, pubsub_durables.position);\n"
        "  PERFORM pubsub_join(mine, subject, called, who, me, horizon);\nEND $$;",
        promise="pubsub_persistent.1",
        why="start is taken for what it says: new is only what comes now",
    ),
    Change(
        name="postgres_ack_of_a_key_frees_all_keys",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="AND seq IN (SELECT seq FROM pubsub_log WHERE {_TOPIC} AND prior = ANY (done));",
        after="AND done IS NOT NULL;",
        promise="pubsub_ordering.3",
        also=("pubsub_ordering.2",),
        why="the next take puts aside what must wait; only what has no row yet",
    ),
    Change(
        name="postgres_prior_that_was_not_delivered_is_no_prior",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="AND prior IS NOT NULL AND (prior > place OR {_HAS_PRIOR})",
        after="AND prior IS NOT NULL AND {_HAS_PRIOR}",
        promise="pubsub_ordering.3",
        why="who waits waits for a delivery",
    ),
    Change(
        name="postgres_prior_that_is_held_is_no_prior",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="AND prior IS NOT NULL AND (prior > place OR {_HAS_PRIOR})",
        after="AND prior IS NOT NULL AND prior > place",
        promise="pubsub_ordering.3",
        also=("pubsub_ordering.4",),
        why="what is before the position is done with, or nearly",
    ),
    Change(
        name="postgres_last_message_of_any_topic",
        backend="postgres",
        module=_PUBSUB_SQL,
        before='LAST = "SELECT max(seq) FROM pubsub_log WHERE namespace = $1 AND topic = $2"',
        after='LAST = "SELECT CASE WHEN EXISTS (SELECT 1 FROM pubsub_log WHERE namespace = $1 AND topic = $2) THEN last_value END '
        'FROM pubsub_numbers"',
        promise="pubsub_persistent.10",
        why="the sequence knows without a look at the table",
    ),
    Change(
        name="postgres_durable_position_goes_back",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="      WHERE {_DURABLE} AND position < (SELECT max(seq) FROM taken)\n",
        after="      WHERE {_DURABLE} AND EXISTS (SELECT 1 FROM taken)\n",
        promise="pubsub_persistent.5",
        also=("pubsub_persistent.7", "pubsub_persistent.4"),
        why="the position is where the last take ended",
    ),
    Change(
        name="postgres_durable_look_sees_no_dead_members",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="      AND until <= clock_timestamp() AND NOT member = ANY ($5::text[])),\n",
        after="      AND until <= clock_timestamp() AND member = ANY ($5::text[])),\n",
        promise="pubsub_persistent.4",
        also=("pubsub_persistent.9", "pubsub_persistent.7"),
        why="a take looks for the dead; a receive that waits does not take",
    ),
    Change(
        name="postgres_delivery_is_counted_from_one_again",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="DO UPDATE SET count = d.count + 1, member",
        after="DO UPDATE SET count = excluded.count, member",
        promise="pubsub_persistent.4",
        also=("pubsub_ordering.1",),
        why="excluded has all that is written",
    ),
    Change(
        name="postgres_cancelled_durable_receive_is_undone_by_the_next",
        backend="postgres",
        module=_MEMBERS,
        before="            await ended(begun(self._give_back()))\n",
        after="",
        promise="pubsub_persistent.14",
        also=("pubsub_ordering.10",),
        why="the next receive of this member gives it back; if there is one",
    ),
    Change(
        name="postgres_durable_deliveries_are_not_logged",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="CREATE TABLE pubsub_deliveries (",
        after="CREATE UNLOGGED TABLE pubsub_deliveries (",
        promise="pubsub_persistent.16",
        also=("pubsub_ordering.11",),
        why="what is held is held by members, who die with the server; but the position is behind it",
    ),
    Change(
        name="postgres_receive_gives_as_many_messages_again",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="      ) AS log ORDER BY turn, kind, again, seq LIMIT most\n",
        after="      ) AS log ORDER BY turn, kind, again, seq\n",
        promise="pubsub_persistent.9",
        why="either half is limited already",
    ),
    Change(
        name="postgres_durable_ack_does_not_wait_for_the_answer",
        backend="postgres",
        module=_MEMBERS,
        before='        if numbers and (await self._run("ack", sql.ACK, takes, numbers))[0][0]:\n            self.bell.ring()\n',
        after="""        if numbers:
            answer = asyncio.ensure_future(self._run("ack", sql.ACK, takes, numbers))
            answer.add_done_callback(lambda done: done.cancelled() or done.exception() or self.bell.ring())
""",
        promise="pubsub_persistent.5",
        also=("pubsub_persistent.17", "pubsub_ordering.12", "pubsub_ordering.5"),
        why="an acknowledgement need not be awaited",
    ),
    Change(
        name="postgres_dead_durable_members_keep_what_they_hold",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="    PERFORM pubsub_leave(mine, subject, called, gone);\n",
        after="    DELETE FROM pubsub_members WHERE {_DURABLE} AND member = gone;\n",
        promise="pubsub_persistent.4",
        also=("pubsub_ordering.4",),
        why="the dead are removed; what they held has their name for ever",
    ),
    Change(
        name="postgres_ack_takes_what_came_before_along",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="    DELETE FROM pubsub_deliveries WHERE {_DURABLE} AND {_HELD};\n    RETURN false;\n",
        after="    DELETE FROM pubsub_deliveries\n"
        "      WHERE {_DURABLE} AND member = who AND seq <= (SELECT max(n) FROM unnest(numbers) AS n);\n    RETURN false;\n",
        promise="pubsub_persistent.5",
        also=("pubsub_persistent.15",),
        why="as the acknowledgement of an offset",
    ),
]
