"""Wrong drivers of durable subscriptions, with ordering keys and without, over a real PostgreSQL."""

from .change import Change

__all__ = ["CHANGES"]

_SQL = "prism_backends.postgres.pubsub_sql"
_DRIVER = "prism_backends.postgres.pubsub"

CHANGES = [
    Change(
        name="postgres_stores_under_a_number_without_the_lock",
        backend="postgres",
        module=_SQL,
        before="FROM (SELECT pg_advisory_xact_lock($3) OFFSET 0) AS locked OFFSET 0) AS fresh\n",
        after="FROM (SELECT $3::bigint OFFSET 0) AS locked OFFSET 0) AS fresh\n",
        promise="pubsub_persistent.13",
        also=("pubsub_persistent.1", "pubsub_persistent.6", "pubsub_persistent.7"),
        why="a sequence is safe by itself; but a later number may be committed first, and the position is behind it",
    ),
    Change(
        name="postgres_ordered_is_stored_without_the_lock",
        backend="postgres",
        module=_SQL,
        before="  PERFORM pg_advisory_xact_lock(guard);\n",
        after="",
        promise="pubsub_ordering.3",
        also=("pubsub_ordering.2", "pubsub_ordering.1", "pubsub_persistent.13"),
        why="one statement is atomic; two at once have the same one before them",
    ),
    Change(
        name="postgres_ordered_locks_its_key",
        backend="postgres",
        module=_DRIVER,
        before='        lock = lock_of("pubsub", self.namespace, name)\n',
        after='        lock = lock_of("pubsub", self.namespace, b".".join((name, *key)))\n',
        promise="pubsub_ordering.1",
        also=("pubsub_persistent.13", "pubsub_ordering.2", "pubsub_ordering.6"),
        why="keys have nothing to do with each other; but the position is one for all",
    ),
    Change(
        name="postgres_enter_looks_before_it_makes",
        backend="postgres",
        module=_SQL,
        before="""  INSERT INTO pubsub_durables (namespace, topic, name, nacks, position)
    VALUES (mine""",
        after="""  IF NOT EXISTS (SELECT 1 FROM pubsub_durables WHERE {_DURABLE}) THEN
  INSERT INTO pubsub_durables (namespace, topic, name, nacks, position)
    VALUES (mine""",
        more=(
            (
                "    ON CONFLICT DO NOTHING;\n  PERFORM pubsub_join(mine, subject, called, who, me, horizon);\nEND $$;",
                "    ;\n  END IF;\n  PERFORM pubsub_join(mine, subject, called, who, me, horizon);\nEND $$;",
            ),
        ),
        promise="pubsub_persistent.7",
        also=("pubsub_persistent.1",),
        why="ON CONFLICT seemed clever; of two members that come first at once the second fails",
    ),
    Change(
        name="postgres_ack_of_several_keys_frees_one",
        backend="postgres",
        module=_SQL,
        before="AND prior = ANY (done));",
        after="AND prior = done[1]);",
        promise="pubsub_ordering.5",
        also=("pubsub_ordering.6",),
        why="what is acked is one message, mostly",
    ),
    Change(
        name="postgres_ack_frees_behind_what_it_names",
        backend="postgres",
        module=_SQL,
        before="AND prior = ANY (done));",
        after="AND prior = ANY (numbers));",
        promise="pubsub_ordering.9",
        why="the numbers are at hand; but what they name may not be held any more",
    ),
    Change(
        name="postgres_take_looks_ahead_once",
        backend="postgres",
        module=_SQL,
        before="    EXIT WHEN FOUND OR bound IS NULL;\n",
        after="    EXIT;\n",
        promise="pubsub_ordering.6",
        also=("pubsub_ordering.1",),
        why="two hundred messages of one key are not in a test",
    ),
    Change(
        name="postgres_take_does_not_lock_the_subscription",
        backend="postgres",
        module=_SQL,
        before="SELECT position INTO place FROM pubsub_durables WHERE {_DURABLE} FOR UPDATE;",
        after="SELECT position INTO place FROM pubsub_durables WHERE {_DURABLE};",
        promise="pubsub_persistent.7",
        also=("pubsub_persistent.4", "pubsub_persistent.15", "pubsub_ordering.3", "pubsub_ordering.1"),
        why="the rows of deliveries have a key, which two cannot insert; but it is updated",
    ),
    Change(
        name="postgres_look_sees_nothing_given_back",
        backend="postgres",
        module=_SQL,
        before="    OR EXISTS (SELECT 1 FROM pubsub_deliveries WHERE namespace = $1 AND topic = $2 AND name = $3 "
        "AND member IS NULL AND due IS NULL)\n",
        after="",
        promise="pubsub_persistent.9",
        also=("pubsub_persistent.4", "pubsub_persistent.7", "pubsub_ordering.5"),
        why="one who waits looks for new messages; what was given back comes with his next receive",
    ),
]
