"""Wrong drivers of plain and filtered subscriptions over a real PostgreSQL; the durable ones are in `changes_postgres_durable`."""

from .change import Change

__all__ = ["CHANGES"]

_SQL = "prism_backends.postgres.pubsub_sql"
_LISTENING = "prism_backends.postgres.listening"

CHANGES = [
    Change(
        name="postgres_publish_takes_its_number_without_the_lock",
        backend="postgres",
        module=_SQL,
        before="    SELECT nextval('pubsub_numbers') AS seq FROM (SELECT pg_advisory_xact_lock($3) OFFSET 0) AS locked\n",
        after="    SELECT nextval('pubsub_numbers') AS seq FROM (SELECT $3::bigint OFFSET 0) AS locked\n",
        promise="pubsub_basic.1",
        also=("pubsub_basic.4", "pubsub_filtering.1"),
        why="a sequence is safe by itself; but a later number may be committed first, and readers go on from it",
    ),
    Change(
        name="postgres_listener_begins_with_what_others_have_not_read",
        backend="postgres",
        module=_SQL,
        before="  SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END INTO here FROM pubsub_numbers;\n",
        after="  here := 0;\n",
        promise="pubsub_basic.2",
        also=("pubsub_filtering.2",),
        why="what is there was not read; by others",
    ),
    Change(
        name="postgres_one_listener_tells_for_all",
        backend="postgres",
        module=_SQL,
        before="UPDATE pubsub_listeners SET position = here WHERE {_TOPIC} AND member = who;",
        after="UPDATE pubsub_listeners SET position = here WHERE {_TOPIC};",
        promise="pubsub_basic.4",
        also=("pubsub_basic.1", "pubsub_filtering.8"),
        why="the condition was lost; it takes a hundred messages until one tells",
    ),
    Change(
        name="postgres_page_of_a_listener_holds_no_message_of_its_own_size",
        backend="postgres",
        module=_SQL,
        before=") AS sized WHERE ahead < $6\n",
        after=") AS sized WHERE ahead + octet_length(payload) < $6\n",
        promise="pubsub_basic.6",
        also=("pubsub_basic.1", "pubsub_filtering.1"),
        why="a page is not to be larger than its bound, which is the largest payload",
    ),
    Change(
        name="postgres_two_receives_read_one_page",
        backend="postgres",
        module=_LISTENING,
        before="            async with self._turn:\n                more = True",
        after="            if self.is_open:\n                more = True",
        promise="pubsub_basic.2",
        also=("pubsub_basic.1", "pubsub_basic.3"),
        why="who receives twice at once has himself to blame; both read the same page",
    ),
    Change(
        name="postgres_position_of_a_listener_moves_with_what_matches",
        backend="postgres",
        module=_LISTENING,
        before='        self._position = page[-1]["seq"]\n',
        after='        self._position += len(page)\n        self._position = max(self._position, page[0]["seq"])\n',
        promise="pubsub_basic.2",
        also=("pubsub_filtering.2", "pubsub_basic.1"),
        why="numbers are dense, while nobody publishes to another topic",
    ),
]
