"""Wrong drivers of plain streams over a real PostgreSQL; the groups are in `changes_postgres_groups`."""

from .change import Change

__all__ = ["CHANGES"]

_SQL = "prism_backends.postgres.stream_sql"
_DRIVER = "prism_backends.postgres.stream"
_CLIENT = "prism_backends.postgres.client"
_CONNECTIONS = "prism_backends.postgres.connections"

CHANGES = [
    Change(
        name="postgres_append_is_numbered_by_a_sequence",
        backend="postgres",
        module=_SQL,
        before="""APPEND = \"\"\"WITH head AS (
    INSERT INTO stream (namespace, stream, first, next, last_ms)
      VALUES ($1, $2, 1, 2, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
      ON CONFLICT (namespace, stream) DO UPDATE SET next = stream.next + 1, last_ms""",
        after="""APPEND = \"\"\"WITH head AS (
    INSERT INTO stream (namespace, stream, first, next, last_ms)
      VALUES ($1, $2, 1, nextval('stream_offsets') + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
      ON CONFLICT (namespace, stream) DO UPDATE SET next = greatest(stream.next, excluded.next), last_ms""",
        more=(
            ('_TABLES = """\nCREATE TABLE stream (', '_TABLES = """\nCREATE SEQUENCE stream_offsets;\nCREATE TABLE stream ('),
            ("RETURNING next - 1 AS pos, last_ms", "RETURNING currval('stream_offsets') AS pos, last_ms"),
        ),
        promise="stream_basic.4",
        also=("stream_basic.1", "stream_basic.13", "stream_consumer_groups.1"),
        why="offsets need not be dense, so a sequence numbers them; it gives numbers before the lock is had",
    ),
    Change(
        name="postgres_appended_ms_is_the_clock_before_the_lock",
        backend="postgres",
        module=_SQL,
        before="last_ms = greatest(stream.last_ms, excluded.last_ms)",
        after="last_ms = excluded.last_ms",
        promise="stream_basic.13",
        why="the server's clock does not go backwards",
    ),
    Change(
        name="postgres_read_ends_at_a_page_that_is_not_full",
        backend="postgres",
        module=_DRIVER,
        before="            if not page:\n                return\n",
        after="            if len(page) < min(left, _PAGE_ROWS):\n                return\n",
        promise="stream_basic.1",
        also=("stream_basic.5",),
        why="a short page is the last one; one that is full of bytes is not",
    ),
    Change(
        name="postgres_read_counts_on_from_its_start",
        backend="postgres",
        module=_DRIVER,
        before="start = page[-1][0] + 1",
        after="start += len(page)",
        promise="stream_basic.1",
        also=("stream_basic.5",),
        why="offsets are dense here; the start is not one of them if it is 0 or was trimmed",
    ),
    Change(
        name="postgres_read_limits_each_page",
        backend="postgres",
        module=_DRIVER,
        before="            left -= len(page)\n",
        after="            if len(page) < _PAGE_ROWS:\n                left -= len(page)\n",
        promise="stream_basic.5",
        also=("stream_basic.1",),
        why="the limit is the statement's; a bound of several full pages is none",
    ),
    Change(
        name="postgres_page_holds_no_record_of_its_own_size",
        backend="postgres",
        module=_SQL,
        before=") AS sized WHERE ahead < $6 ORDER BY pos",
        after=") AS sized WHERE ahead + octet_length(payload) < $6 ORDER BY pos",
        promise="stream_basic.9",
        also=("stream_basic.1", "stream_basic.2"),
        why="a page is not to be larger than its bound, which is the largest payload",
    ),
    Change(
        name="postgres_trim_does_not_lock_the_head",
        backend="postgres",
        module=_SQL,
        before="  SELECT first, next INTO head FROM stream WHERE {_HERE} FOR UPDATE;\n",
        after="  SELECT first, next INTO head FROM stream WHERE {_HERE};\n",
        promise="stream_basic.7",
        why="readers need no lock; of two trims at once the lower one may set the first offset last",
    ),
    Change(
        name="postgres_trim_is_not_clamped",
        backend="postgres",
        module=_SQL,
        before="bound := least(before, head.next);",
        after="bound := before;",
        promise="stream_basic.7",
        why="there is nothing behind the end to delete",
    ),
    Change(
        name="postgres_trim_refuses_what_no_column_holds",
        backend="postgres",
        module=_DRIVER,
        before='bound = min(check_offset(before, "trim", _ME), _BEYOND)',
        after='bound = check_offset(before, "trim", _ME)',
        promise="stream_basic.7",
        why="an offset is a bigint",
    ),
    Change(
        name="postgres_headers_of_a_record_are_jsonb",
        backend="postgres",
        module=_SQL,
        before="appended_ms bigint NOT NULL, key bytea, headers text NOT NULL, payload bytea NOT NULL,",
        after="appended_ms bigint NOT NULL, key bytea, headers jsonb NOT NULL, payload bytea NOT NULL,",
        more=(("its_key bytea, its_headers text, its_ms bigint", "its_key bytea, its_headers jsonb, its_ms bigint"),),
        promise="stream_basic.2",
        also=("stream_basic.9", "stream_consumer_groups.3"),
        why="JSON belongs into jsonb, which holds no NUL",
    ),
    Change(
        name="postgres_answers_before_the_log_is_written",
        backend="postgres",
        module=_CONNECTIONS,
        before='"synchronous_commit": "on"',
        after='"synchronous_commit": "off"',
        promise="stream_basic.15",
        why="the usual setting for speed: what was acknowledged is in the server's own memory for some 200 ms",
    ),
    Change(
        name="postgres_appends_are_repeatable_reads",
        backend="postgres",
        module=_CONNECTIONS,
        before='"default_transaction_isolation": "read committed"',
        after='"default_transaction_isolation": "repeatable read"',
        promise="stream_basic.12",
        why="stricter is safer; two appends at once are a serialization failure",
    ),
    Change(
        name="postgres_sends_again_what_failed",
        backend="postgres",
        module=_CLIENT,
        before="                    raise TimeoutError from error\n                raise\n",
        after="""                    raise TimeoutError from error
                if not connection.is_closed():
                    raise
                again = await self._connected(TIMEOUT_S)
                try:
                    return await again.fetch(sql, *arguments)
                finally:
                    again.terminate()
""",
        promise="stream_basic.12",
        also=("stream_basic.15",),
        why="a statement whose connection was lost is sent over a new one; the first may have been committed",
    ),
]
