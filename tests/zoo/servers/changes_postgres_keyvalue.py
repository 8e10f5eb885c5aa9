"""Wrong key-value drivers over a real PostgreSQL: single keys, times to live, scans and batches."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_driver = partial(Change, backend="postgres", module="prism_backends.postgres.keyvalue")
_sql = partial(Change, backend="postgres", module="prism_backends.postgres.keyvalue_sql")

CHANGES = [
    # Single keys
    _driver(
        name="postgres_set_removes_then_inserts",
        before='        await self._rows("set", key, sql.SET, _data("set", key, value))',
        after='        data = _data("set", key, value)\n'
        '        await self._rows("set", key, sql.DELETE)\n'
        '        await self._rows("set", key, sql.SET, data)',
        promise="keyvalue_basic.10",
        also=("keyvalue_basic.11", "keyvalue_cas.6", "keyvalue_scan.3", "keyvalue_basic.4"),
        why="what is not there conflicts with nothing",
    ),
    _driver(
        name="postgres_delete_looks_first",
        before='        found = await self._rows("delete", key, sql.DELETE)\n        return bool(found and found[0][0])',
        after='        found = await self._rows("delete", key, sql.EXISTS)\n'
        '        await self._rows("delete", key, sql.DELETE)\n'
        "        return bool(found)",
        promise="keyvalue_basic.4",
        also=("keyvalue_basic.10", "keyvalue_cas.6"),
        why="one statement says whether it is there, another removes it",
    ),
    _driver(
        name="postgres_names_end_without_blanks",
        before="    return prism.check_name(key, operation, _ME)\n\n\ndef _data",
        after='    return prism.check_name(key, operation, _ME).rstrip(b" ")\n\n\ndef _data',
        promise="keyvalue_basic.3",
        also=("keyvalue_scan.2",),
        why="as the type char(n) compares",
    ),
    _driver(
        name="postgres_batch_get_leaves_out_the_empty",
        before="found |= {key.decode(): value for key, value in rows}",
        after="found |= {key.decode(): value for key, value in rows if value}",
        promise="keyvalue_batch.2",
        also=("keyvalue_basic.2", "keyvalue_batch.1"),
        why="what is missing is left out",
    ),
    _sql(
        name="postgres_keys_are_not_logged",
        before="ALTER TABLE keyvalue ALTER COLUMN value SET STORAGE EXTERNAL;",
        after="ALTER TABLE keyvalue ALTER COLUMN value SET STORAGE EXTERNAL;\nALTER TABLE keyvalue SET UNLOGGED;",
        promise="keyvalue_basic.12",
        also=("keyvalue_ttl.12",),
        why="an unlogged table is written twice as fast",
    ),
    # Times to live
    _sql(
        name="postgres_delete_counts_expired",
        before='DELETE = f"DELETE FROM keyvalue WHERE {_MINE} RETURNING {_PRESENT}"',
        after='DELETE = f"DELETE FROM keyvalue WHERE {_MINE} RETURNING true"',
        promise="keyvalue_ttl.2",
        also=("keyvalue_ttl.9", "keyvalue_basic.2"),
        why="a row was removed, so it was there",
    ),
    _sql(
        name="postgres_set_keeps_the_deadline",
        before='SET = f"INSERT INTO keyvalue (namespace, key, value) VALUES ($1, $2, $3) {_PUT}"',
        after='SET = "INSERT INTO keyvalue (namespace, key, value) VALUES ($1, $2, $3)"'
        ' " ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value"',
        promise="keyvalue_ttl.3",
        also=("keyvalue_ttl.10",),
        why="an upsert updates what it was given",
    ),
    _sql(
        name="postgres_batch_set_keeps_the_deadline",
        before="AS item (key, value) ORDER BY item.key {_PUT}",
        after="AS item (key, value) ORDER BY item.key\n  ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value",
        promise="keyvalue_ttl.3",
        also=("keyvalue_ttl.10", "keyvalue_batch.1"),
        why="an upsert updates what it was given",
    ),
    _sql(
        name="postgres_swap_keeps_the_deadline",
        before='SWAP = f"UPDATE keyvalue SET value = $4, deadline = NULL WHERE',
        after='SWAP = f"UPDATE keyvalue SET value = $4 WHERE',
        promise="keyvalue_ttl.4",
        why="only the value is swapped",
    ),
    _sql(
        name="postgres_swap_revives",
        before='AND value = $3 AND {_PRESENT} RETURNING 1"\nCREATE = ',
        after='AND value = $3 RETURNING 1"\nCREATE = ',
        promise="keyvalue_ttl.10",
        also=("keyvalue_ttl.2",),
        why="a row with that value is there",
    ),
    _sql(
        name="postgres_create_does_nothing_on_conflict",
        before="VALUES ($1, $2, $3) {_PUT}\n  WHERE keyvalue.deadline <= clock_timestamp() RETURNING 1",
        after="VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1",
        promise="keyvalue_ttl.2",
        also=("keyvalue_ttl.10", "keyvalue_cas.2"),
        why="ON CONFLICT DO NOTHING is how a row is created once",
    ),
    _sql(
        name="postgres_persist_revives",
        before="WHERE {_MINE} AND deadline > clock_timestamp() RETURNING 1",
        after="WHERE {_MINE} AND deadline IS NOT NULL RETURNING 1",
        promise="keyvalue_ttl.10",
        also=("keyvalue_ttl.2",),
        why="there is a deadline to remove",
    ),
    _sql(
        name="postgres_expire_revives",
        before='WHERE {_MINE} AND {_PRESENT} RETURNING 1"\nTTL',
        after='WHERE {_MINE} RETURNING 1"\nTTL',
        promise="keyvalue_ttl.10",
        also=("keyvalue_ttl.2",),
        why="a row is there that can have a deadline",
    ),
    _sql(
        name="postgres_ttl_tells_the_field_of_seconds",
        before="SELECT extract(epoch FROM deadline - clock_timestamp())::float8",
        after="SELECT extract(second FROM deadline - clock_timestamp())::float8",
        promise="keyvalue_ttl.6",
        why="the seconds of an interval",
    ),
    _driver(
        name="postgres_lives_are_a_billion_seconds_at_most",
        before="_LONGEST_TTL_S = 1e10",
        after="_LONGEST_TTL_S = 1e9",
        promise="keyvalue_ttl.1",
        also=("keyvalue_ttl.6", "keyvalue_ttl.7", "keyvalue_ttl.9"),
        why="thirty years are enough",
    ),
    _sql(
        name="postgres_deadlines_are_whole_seconds",
        before="key bytea NOT NULL, deadline timestamptz, value",
        after="key bytea NOT NULL, deadline timestamptz(0), value",
        promise="keyvalue_ttl.1",
        also=("keyvalue_ttl.2", "keyvalue_ttl.6", "keyvalue_ttl.7"),
        why="nobody needs fractions",
    ),
    _driver(
        name="postgres_nothing_to_live_writes_nothing",
        before='            await self._rows("set_with_ttl", key, sql.DELETE)',
        after='            _name("set_with_ttl", key)',
        promise="keyvalue_ttl.9",
        why="what expires at once needs no write",
    ),
    _driver(
        name="postgres_expire_at_once_counts_any_row",
        before='            found = await self._rows("expire", key, sql.DELETE)\n            return bool(found and found[0][0])',
        after='            return bool(await self._rows("expire", key, sql.DELETE))',
        promise="keyvalue_ttl.2",
        also=("keyvalue_ttl.7", "keyvalue_ttl.9"),
        why="a row was removed",
    ),
    _sql(
        name="postgres_count_counts_rows",
        before='COUNT = f"SELECT count(*) FROM keyvalue WHERE {_RANGE}"',
        after='COUNT = "SELECT count(*) FROM keyvalue WHERE namespace = $1 AND key >= $2 AND ($3::bytea IS NULL OR key < $3)"',
        promise="keyvalue_ttl.2",
        also=("keyvalue_scan.5",),
        why="an index alone answers it",
    ),
    _sql(
        name="postgres_batch_delete_counts_rows",
        before=") SELECT count(*) FILTER (WHERE counts) FROM gone",
        after=") SELECT count(*) FROM gone",
        promise="keyvalue_ttl.2",
        also=("keyvalue_batch.3",),
        why="so many were removed",
    ),
    _sql(
        name="postgres_batch_get_gives_expired",
        before='key = ANY ($2::bytea[]) AND {_PRESENT}"\nBATCH_DELETE',
        after='key = ANY ($2::bytea[])"\nBATCH_DELETE',
        promise="keyvalue_ttl.2",
        also=("keyvalue_batch.2",),
        why="the sweep removes what expired",
    ),
    _sql(
        name="postgres_sweep_is_of_every_namespace",
        before='SWEEP = """DELETE FROM keyvalue WHERE namespace = $1 AND key IN (',
        after='SWEEP = """DELETE FROM keyvalue WHERE key IN (',
        promise="keyvalue_basic.9",
        also=("keyvalue_ttl.11", "keyvalue_ttl.1"),
        why="the rows were chosen by their namespace already",
    ),
    _sql(
        name="postgres_sweep_begins_a_second_early",
        before="WHERE namespace = $1 AND deadline <= clock_timestamp() LIMIT 1000",
        after="WHERE namespace = $1 AND deadline <= clock_timestamp() + interval '1 second' LIMIT 1000",
        promise="keyvalue_ttl.1",
        also=("keyvalue_ttl.10",),
        why="who wants what is over in a second",
    ),
    # Scans
    _driver(
        name="postgres_prefix_ends_at_the_last_of_two_bytes",
        before="return low, low[:-1] + bytes([low[-1] + 1]) if low else None",
        after='return low, low + "\\uffff".encode() if low else None',
        promise="keyvalue_scan.1",
        also=("keyvalue_scan.2", "keyvalue_scan.5"),
        why="no character is above U+FFFF",
    ),
    _driver(
        name="postgres_next_page_begins_behind_a_one",
        before='low = page[-1][0] + b"\\0"',
        after='low = page[-1][0] + b"\\1"',
        promise="keyvalue_scan.1",
        also=("keyvalue_scan.3", "keyvalue_scan.4", "keyvalue_scan.5", "keyvalue_basic.3"),
        why="no name holds a NUL",
    ),
    _driver(
        name="postgres_limit_is_of_each_page",
        before="            left -= rows\n",
        after="",
        promise="keyvalue_scan.4",
        why="the statement has a LIMIT",
    ),
    _driver(
        name="postgres_pages_by_offset",
        before="        while left > 0:\n            rows = min(left, most)",
        after='        offset, statement = 0, statement + " OFFSET $5"\n'
        "        while left > 0:\n            rows = min(left, most)",
        more=(
            ("statement, self.namespace, low, high, rows)", "statement, self.namespace, low, high, rows, offset)"),
            ('low = page[-1][0] + b"\\0"', "offset += rows"),
        ),
        promise="keyvalue_scan.3",
        why="LIMIT and OFFSET are how pages are made",
    ),
    # Batches
    _driver(
        name="postgres_batch_loses_what_fills_a_statement",
        before="            some, size = [], len(pair[1])\n        some.append(pair)",
        after="            some, size = [], 0\n            continue\n        some.append(pair)",
        promise="keyvalue_batch.1",
        also=("keyvalue_batch.4",),
        why="the next one begins a new portion",
    ),
    _driver(
        name="postgres_batch_get_keeps_the_last_chunk",
        before="            found |= {",
        after="            found = {",
        promise="keyvalue_batch.2",
        also=("keyvalue_batch.4", "keyvalue_batch.1"),
        why="a batch is one statement",
    ),
    _driver(
        name="postgres_batch_set_checks_as_it_goes",
        before='pairs = [(_name("batch_set", key), _data("batch_set", key, value)) for key, value in items.items()]',
        after='pairs = ((_name("batch_set", key), _data("batch_set", key, value)) for key, value in items.items())',
        promise="keyvalue_batch.5",
        also=("keyvalue_basic.6",),
        why="a generator needs no list of all",
    ),
    _sql(
        name="postgres_batch_set_locks_as_it_comes",
        before="AS item (key, value) ORDER BY item.key {_PUT}",
        after="AS item (key, value) {_PUT}",
        promise="keyvalue_batch.1",
        also=("keyvalue_basic.10",),
        why="the order of an INSERT does not matter",
    ),
]
