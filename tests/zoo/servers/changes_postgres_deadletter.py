"""Wrong queue drivers over a real PostgreSQL: dead letters."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_sql = partial(Change, backend="postgres", module="prism_backends.postgres.queue_sql")
_driver = partial(Change, backend="postgres", module="prism_backends.postgres.queue")

_LISTED = "      AND queue = (SELECT target FROM queue_policies WHERE namespace = mine AND queue = name)\n"

CHANGES = [
    _sql(
        name="postgres_dies_one_delivery_late",
        before="  IF FOUND AND had >= policy.most THEN",
        after="  IF FOUND AND had > policy.most THEN",
        promise="queue_dead_letter.1",
        why="more than so many attempts",
    ),
    _sql(
        name="postgres_release_never_kills",
        before="    woken := queue_fail(mine, message, name, had);\n",
        after="    UPDATE queue_messages SET until = NULL, token = NULL WHERE namespace = mine AND id = message;\n"
        "    woken := name;\n",
        promise="queue_dead_letter.1",
        why="who releases has not failed",
    ),
    _sql(
        name="postgres_dead_keep_their_attempts",
        before="number = nextval('queue_numbers'), attempts = 0, until = NULL",
        after="number = nextval('queue_numbers'), until = NULL",
        promise="queue_dead_letter.2",
        also=("queue_dead_letter.5",),
        why="one wants to know how often it was tried",
    ),
    _sql(
        name="postgres_dead_keep_their_number",
        before="SET queue = name, origin = source, number = nextval('queue_numbers'), attempts = 0",
        after="SET queue = name, origin = source, attempts = 0",
        promise="queue_dead_letter.4",
        also=("queue_dead_letter.5",),
        why="the older one is first",
    ),
    _sql(
        name="postgres_redriven_are_taken_by_id",
        before="ORDER BY rank, number LIMIT most FOR UPDATE SKIP LOCKED",
        after="ORDER BY rank, id LIMIT most FOR UPDATE SKIP LOCKED",
        promise="queue_dead_letter.5",
        also=("queue_basic.5", "queue_dead_letter.2", "queue_dead_letter.4"),
        why="the id is the number",
    ),
    _sql(
        name="postgres_configure_buries_what_is_leased",
        before="WHERE namespace = mine AND queue = name AND until IS NULL AND attempts >= policy.most",
        after="WHERE namespace = mine AND queue = name AND attempts >= policy.most",
        promise="queue_dead_letter.7",
        also=("queue_visibility.2", "queue_visibility.4", "queue_dead_letter.1", "queue_dead_letter.6"),
        why="it had its attempts",
    ),
    _sql(
        name="postgres_configure_buries_nothing",
        before="  RETURN queue_bury(mine, name, me);\nEND $$;\nCREATE FUNCTION queue_dead_letters",
        after="  RETURN '{}'::bytea[];\nEND $$;\nCREATE FUNCTION queue_dead_letters",
        promise="queue_dead_letter.6",
        also=("queue_dead_letter.1",),
        why="a policy is for what fails from now on",
    ),
    _sql(
        name="postgres_configure_takes_no_lock",
        before="  PERFORM pg_advisory_xact_lock(queue_policy_lock(mine, name));\n",
        after="",
        promise="queue_dead_letter.1",
        also=("queue_dead_letter.6", "queue_dead_letter.3"),
        why="an upsert locks its row",
    ),
    _sql(
        name="postgres_configured_once",
        before="ON CONFLICT (namespace, queue) DO UPDATE SET target = excluded.target, most = excluded.most;",
        after="ON CONFLICT (namespace, queue) DO UPDATE SET most = excluded.most;",
        promise="queue_dead_letter.6",
        why="a queue has one target",
    ),
    _sql(
        name="postgres_policies_are_not_logged",
        before="CREATE TABLE queue_listeners (",
        after="ALTER TABLE queue_policies SET UNLOGGED;\nCREATE TABLE queue_listeners (",
        promise="queue_dead_letter.8",
        why="every process configures its queues when it begins",
    ),
    _sql(
        name="postgres_numbers_are_not_logged",
        before="CREATE SEQUENCE queue_numbers;",
        after="CREATE UNLOGGED SEQUENCE queue_numbers;",
        promise="queue_basic.12",
        also=("queue_visibility.13", "queue_basic.13", "queue_visibility.14", "queue_dead_letter.8"),
        why="only the messages are worth the log",
    ),
    _sql(
        name="postgres_dead_are_listed_wherever_they_are",
        before="    WHERE namespace = mine AND origin = name\n" + _LISTED + "    ORDER BY number;",
        after="    WHERE namespace = mine AND origin = name\n    ORDER BY number;",
        promise="queue_dead_letter.4",
        also=("queue_dead_letter.6",),
        why="the origin tells it",
    ),
    _sql(
        name="postgres_listing_the_dead_settles_nothing",
        before="LANGUAGE plpgsql AS $$\nBEGIN\n  PERFORM queue_settle(mine, me);\n"
        "  RETURN QUERY SELECT id, headers, payload FROM queue_messages\n",
        after="LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN QUERY SELECT id, headers, payload FROM queue_messages\n",
        promise="queue_dead_letter.1",
        also=("queue_dead_letter.4",),
        why="a look changes nothing",
    ),
    _sql(
        name="postgres_dead_are_listed_by_id",
        before=_LISTED + "    ORDER BY number;",
        after=_LISTED + "    ORDER BY id;",
        promise="queue_dead_letter.4",
        why="ids are in order",
    ),
    _sql(
        name="postgres_redrive_settles_nothing",
        before="  moved bigint := 0;\nBEGIN\n  PERFORM queue_settle(mine, me);\n",
        after="  moved bigint := 0;\nBEGIN\n",
        promise="queue_dead_letter.5",
        also=("queue_dead_letter.1",),
        why="takes do that",
    ),
    _sql(
        name="postgres_redrive_moves_what_is_leased",
        before="WHERE namespace = mine AND origin = name AND until IS NULL\n",
        after="WHERE namespace = mine AND origin = name\n",
        promise="queue_dead_letter.5",
        also=("queue_visibility.2", "queue_visibility.4"),
        why="it moves what is listed",
    ),
    _sql(
        name="postgres_redrive_moves_all_of_the_target",
        before="WHERE namespace = mine AND origin = name AND until IS NULL\n",
        after="WHERE namespace = mine AND origin IS NOT NULL AND until IS NULL\n",
        promise="queue_dead_letter.5",
        also=("queue_dead_letter.4",),
        why="whatever died there comes back",
    ),
    _sql(
        name="postgres_redrive_in_the_order_of_ids",
        before="      ORDER BY number FOR UPDATE SKIP LOCKED\n  LOOP\n    PERFORM queue_move(mine, message, name, NULL);",
        after="      ORDER BY id FOR UPDATE SKIP LOCKED\n  LOOP\n    PERFORM queue_move(mine, message, name, NULL);",
        promise="queue_dead_letter.5",
        why="the order in which they came first",
    ),
    _driver(
        name="postgres_attempts_are_eight_at_most",
        before="most = min(max_attempts, _MOST)",
        after="most = min(max_attempts, 8)",
        promise="queue_dead_letter.1",
        also=("queue_dead_letter.6",),
        why="more than eight attempts help nobody",
    ),
]
