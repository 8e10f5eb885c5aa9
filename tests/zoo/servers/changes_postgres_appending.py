"""More wrong streams, and plain subscriptions, over a real PostgreSQL."""

from .change import Change

__all__ = ["CHANGES"]

_CONNECTIONS = "prism_backends.postgres.connections"
_LISTENING = "prism_backends.postgres.listening"
_PUBSUB = "prism_backends.postgres.pubsub"
_PUBSUB_SQL = "prism_backends.postgres.pubsub_sql"
_STREAM = "prism_backends.postgres.stream"
_STREAM_SQL = "prism_backends.postgres.stream_sql"
_STREAMMEMBERS = "prism_backends.postgres.streammembers"

CHANGES = [
    Change(
        name="postgres_appended_ms_of_whole_seconds",
        backend="postgres",
        module=_STREAM_SQL,
        before="floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        after="floor(extract(epoch FROM clock_timestamp()))::bigint * 1000",
        promise="stream_basic.13",
        why="a bracket was moved",
    ),
    Change(
        name="postgres_latest_offset_of_the_records_kept",
        backend="postgres",
        module=_STREAM_SQL,
        before='STATE = "SELECT first, next FROM stream WHERE namespace = $1 AND stream = $2"',
        after='STATE = "SELECT min(pos), max(pos) + 1 FROM stream_record WHERE namespace = $1 AND stream = $2 HAVING count(*) > 0"',
        promise="stream_basic.6",
        why="the records tell it, without a row that everybody writes",
    ),
    Change(
        name="postgres_names_of_streams_are_cut",
        backend="postgres",
        module=_STREAM,
        before="        return prism.check_name(stream, operation, _ME)\n",
        after="        return prism.check_name(stream, operation, _ME)[:63]\n",
        promise="stream_basic.8",
        also=("stream_consumer_groups.13",),
        why="an identifier of PostgreSQL has 63 bytes",
    ),
    Change(
        name="postgres_refused_connection_is_not_translated",
        backend="postgres",
        module=_CONNECTIONS,
        before="FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)",
        after="FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)",
        promise="stream_basic.16",
        why="the errors of asyncpg are caught; that nobody listens is one of the system",
    ),
    Change(
        name="postgres_info_counts_what_others_hold",
        backend="postgres",
        module=_STREAM_SQL,
        before="(SELECT count(*) FROM stream_delivery WHERE {_GROUP} AND (member",
        after="(SELECT count(*) FROM stream_delivery WHERE {_HERE} AND (member",
        promise="stream_consumer_groups.11",
        also=("stream_consumer_groups.9",),
        why="the pending of the stream",
    ),
    Change(
        name="postgres_delay_of_a_nack_in_whole_seconds",
        backend="postgres",
        module=_STREAMMEMBERS,
        before="math.ceil(delay_s * 1_000_000)",
        after="round(delay_s) * 1_000_000",
        promise="stream_consumer_groups.7",
        why="seconds first, then the unit",
    ),
    Change(
        name="postgres_messages_go_with_the_first_who_read_them",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="AND seq <= coalesce((SELECT min(position) FROM pubsub_listeners",
        after="AND seq <= coalesce((SELECT max(position) FROM pubsub_listeners",
        promise="pubsub_basic.4",
        also=("pubsub_basic.1", "pubsub_filtering.8", "pubsub_filtering.1"),
        why="min and max were mixed up",
    ),
    Change(
        name="postgres_who_leaves_takes_the_messages_along",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="""  DELETE FROM pubsub_listeners WHERE {_TOPIC} AND member = who;
  PERFORM pubsub_trim(mine, subject);""",
        after="""  DELETE FROM pubsub_listeners WHERE {_TOPIC} AND member = who;
  DELETE FROM pubsub_messages WHERE {_TOPIC};""",
        promise="pubsub_basic.4",
        also=("pubsub_basic.1", "pubsub_filtering.8", "pubsub_basic.10"),
        why="cleaning up behind oneself",
    ),
    Change(
        name="postgres_absent_header_is_empty",
        backend="postgres",
        module=_LISTENING,
        before="if carries(message.headers, self._attributes))",
        after="if carries({n: message.headers.get(n, '') for n in self._attributes}, self._attributes))",
        promise="pubsub_filtering.4",
        also=("pubsub_filtering.2",),
        why="get with a default is shorter",
    ),
    Change(
        name="postgres_one_attribute_is_enough",
        backend="postgres",
        module=_LISTENING,
        before="if carries(message.headers, self._attributes))",
        after="if not self._attributes or self._attributes.items() & message.headers.items())",
        promise="pubsub_filtering.2",
        why="an overlap (&& of PostgreSQL) for a containment (@>)",
    ),
    Change(
        name="postgres_attributes_are_the_callers",
        backend="postgres",
        module=_PUBSUB,
        before='        asked = prism.check_attributes(attributes, "subscribe_filtered", _ME)\n',
        after='        prism.check_attributes(attributes, "subscribe_filtered", _ME)\n        asked = attributes\n',
        promise="pubsub_filtering.7",
        why="what was checked is used",
    ),
    Change(
        name="postgres_lost_connection_is_no_gap",
        backend="postgres",
        module=_LISTENING,
        before="        return self._gaps + self._client.feed.lost - self._lost_before\n",
        after="        return self._gaps\n",
        promise="pubsub_basic.13",
        also=("pubsub_basic.12", "pubsub_filtering.11"),
        why="nothing is lost with it, for the messages are rows",
    ),
    Change(
        name="postgres_publish_asks_who_listens_in_this_process",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="    WHERE EXISTS (SELECT 1 FROM pubsub_listeners WHERE namespace = $1 AND topic = $2)\n",
        after="    WHERE EXISTS (SELECT 1 FROM pubsub_listeners WHERE namespace = $1 AND topic = $2 AND owner = $6)\n",
        promise="pubsub_basic.1",
        also=("pubsub_basic.4", "pubsub_filtering.1"),
        why="those of other processes are told otherwise; they are told to look, and there is nothing",
    ),
    Change(
        name="postgres_topics_are_folded",
        backend="postgres",
        module=_PUBSUB,
        before="        return prism.check_name(name, operation, _ME)\n",
        after="        return prism.check_name(name, operation, _ME).rstrip()\n",
        promise="pubsub_basic.5",
        also=("pubsub_persistent.11", "pubsub_filtering.2"),
        why="as a column of type char does: blanks at the end do not count",
    ),
]
