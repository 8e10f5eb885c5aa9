"""Wrong key-value drivers over a real PostgreSQL: compare-and-swap, transactions, and the pool beneath all calls."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_driver = partial(Change, backend="postgres", module="prism_backends.postgres.keyvalue")
_sql = partial(Change, backend="postgres", module="prism_backends.postgres.keyvalue_sql")
_transaction = partial(Change, backend="postgres", module="prism_backends.postgres.transactions")
_pool = partial(Change, backend="postgres", module="prism_backends.postgres.client")
_connection = partial(Change, backend="postgres", module="prism_backends.postgres.connections")
_living = partial(Change, backend="postgres", module="prism_backends.postgres.living")

_FETCH = """                return await connection.fetch(sql, *arguments)
            except FAILURES as error:
                if connection in self._overdue:
                    raise TimeoutError from error
                raise
            finally:
                self._give_back(connection)
"""

CHANGES = [
    # Compare-and-swap
    _driver(
        name="postgres_swap_of_empty_creates",
        before="        if expected is None:\n",
        after="        if not expected:\n",
        promise="keyvalue_cas.1",
        also=("keyvalue_cas.2", "keyvalue_cas.5"),
        why="nothing is expected",
    ),
    _driver(
        name="postgres_compare_and_delete_in_two_calls",
        before="        return bool(await self._rows("
        '"compare_and_delete", key, sql.REMOVE, _data("compare_and_delete", key, expected)))',
        after='        data = _data("compare_and_delete", key, expected)\n'
        '        found = await self._rows("compare_and_delete", key, sql.GET)\n'
        "        if not found or found[0][0] != data:\n"
        "            return False\n"
        '        return bool(await self._rows("compare_and_delete", key, sql.DELETE))',
        promise="keyvalue_cas.6",
        also=("keyvalue_cas.4", "keyvalue_basic.10"),
        why="get and delete are there already",
    ),
    _sql(
        name="postgres_swap_compares_the_beginning",
        before='WHERE {_MINE} AND value = $3 AND {_PRESENT} RETURNING 1"\nCREATE',
        after='WHERE {_MINE} AND substring(value FOR 2000) = substring($3::bytea FOR 2000) AND {_PRESENT} RETURNING 1"\nCREATE',
        promise="keyvalue_cas.5",
        also=("keyvalue_cas.1",),
        why="so much can be in an index",
    ),
    _sql(
        name="postgres_remove_takes_a_pattern",
        before="DELETE FROM keyvalue WHERE {_MINE} AND value = $3 AND",
        after="DELETE FROM keyvalue WHERE {_MINE} AND value LIKE $3::bytea AND",
        promise="keyvalue_cas.5",
        also=("keyvalue_cas.4",),
        why="LIKE without a pattern is a comparison",
    ),
    # What a transaction read
    _transaction(
        name="postgres_only_found_keys_are_checked",
        before="keys, states = list(self._seen), [state for _, state in self._seen.values()]",
        after="found = {key: state for key, (_, state) in self._seen.items() if state is not None}\n"
        "        keys, states = list(found), list(found.values())",
        promise="keyvalue_transactional.5",
        why="of a missing key there is no state that could change",
    ),
    _transaction(
        name="postgres_reads_alone_are_not_checked",
        before="        elif keys and not await self._client.value("
        'f"{_ME}: transaction commit", sql.CHECK, self._namespace, keys, states):\n'
        '            raise errors.Conflict(f"{_ME}: transaction commit: what it read has changed")\n',
        after="",
        promise="keyvalue_transactional.5",
        why="who writes nothing can do no harm",
    ),
    _transaction(
        name="postgres_two_reads_of_one_key_at_once",
        before="        async with self._turn:",
        after="        if True:",
        promise="keyvalue_transactional.5",
        why="reads need no lock",
    ),
    _sql(
        name="postgres_check_compares_with_unequal",
        before="    WHERE found.state IS DISTINCT FROM seen.state\n",
        after="    WHERE found.state <> seen.state\n",
        promise="keyvalue_transactional.5",
        why="the shorter comparison",
    ),
    _sql(
        name="postgres_check_finds_expired",
        before="AS state FROM keyvalue WHERE namespace = $1 AND key = ANY ($2::bytea[]) AND {_PRESENT}) AS found",
        after="AS state FROM keyvalue WHERE namespace = $1 AND key = ANY ($2::bytea[])) AS found",
        promise="keyvalue_transactional.5",
        also=("keyvalue_ttl.2",),
        why="it is the same row, as it was",
    ),
    _sql(
        name="postgres_commit_finds_expired",
        before="AND {_STATE} = step.state AND {_PRESENT} FOR UPDATE;",
        after="AND {_STATE} = step.state FOR UPDATE;",
        promise="keyvalue_transactional.5",
        also=("keyvalue_ttl.2",),
        why="it is the same row, as it was",
    ),
    _sql(
        name="postgres_transactions_see_expired",
        before='SEE = f"SELECT value, {_STATE} FROM keyvalue WHERE {_MINE} AND {_PRESENT}"',
        after='SEE = f"SELECT value, {_STATE} FROM keyvalue WHERE {_MINE}"',
        promise="keyvalue_ttl.2",
        also=("keyvalue_transactional.5", "keyvalue_transactional.6"),
        why="the sweep removes what expired",
    ),
    _sql(
        name="postgres_commit_locks_nothing_it_read",
        before="AND {_STATE} = step.state AND {_PRESENT} FOR UPDATE;",
        after="AND {_STATE} = step.state AND {_PRESENT};",
        promise="keyvalue_transactional.5",
        why="a look takes no lock",
    ),
    _sql(
        name="postgres_commit_looks_for_missing_keys",
        before="      INSERT INTO keyvalue (namespace, key, value, deadline) VALUES (mine, step.key, '', '-infinity')\n"
        "        ON CONFLICT (namespace, key) DO UPDATE SET deadline = '-infinity' WHERE keyvalue.deadline <= clock_timestamp();\n"
        "      is_same := FOUND;\n",
        after="      PERFORM 1 FROM keyvalue WHERE namespace = mine AND key = step.key AND {_PRESENT};\n"
        "      is_same := NOT FOUND;\n",
        promise="keyvalue_transactional.5",
        why="what is missing cannot be locked",
    ),
    _sql(
        name="postgres_commit_puts_a_mark_over_what_came",
        before="DO UPDATE SET deadline = '-infinity' WHERE keyvalue.deadline <= clock_timestamp();",
        after="DO UPDATE SET deadline = '-infinity';",
        promise="keyvalue_transactional.5",
        also=("keyvalue_transactional.1",),
        why="what was missing is marked",
    ),
    _sql(
        name="postgres_state_is_the_place_of_the_row",
        before='_STATE = "xmin::text || ctid::text"',
        after='_STATE = "ctid::text"',
        promise="keyvalue_transactional.5",
        why="each version of a row has a place of its own",
    ),
    # What a transaction writes
    _transaction(
        name="postgres_commit_writes_one_by_one",
        before='            await self._client.rows(f"{_ME}: transaction commit", sql.COMMIT, self._namespace,'
        " keys, states, written, values)",
        after="            if keys and not await self._client.value("
        'f"{_ME}: transaction commit", sql.CHECK, self._namespace, keys, states):\n'
        '                raise errors.Conflict(f"{_ME}: transaction commit: what it read has changed")\n'
        "            for key, value in zip(written, values, strict=True):\n"
        "                rest = [] if value is None else [value]\n"
        "                statement = sql.DELETE if value is None else sql.SET\n"
        '                await self._client.rows(f"{_ME}: transaction commit", statement, self._namespace, key, *rest)',
        promise="keyvalue_transactional.1",
        also=("keyvalue_transactional.5",),
        why="it was checked",
    ),
    _sql(
        name="postgres_commit_keeps_the_deadline",
        before="VALUES (mine, step.key, step.value) {_PUT};",
        after="VALUES (mine, step.key, step.value)\n"
        "        ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value,\n"
        "          deadline = nullif(keyvalue.deadline, '-infinity');",
        promise="keyvalue_ttl.3",
        also=("keyvalue_ttl.10",),
        why="an upsert updates what it was given, and the mark goes",
    ),
    _transaction(
        name="postgres_transaction_keeps_no_copy",
        before='self._writes[name] = prism.check_payload(value, "transaction set", _ME, key)',
        after='prism.check_payload(value, "transaction set", _ME, key)\n        self._writes[name] = value',
        more=(
            (
                "            return self._writes[name]\n",
                "            mine = self._writes[name]\n            return None if mine is None else bytes(mine)\n",
            ),
        ),
        promise="keyvalue_basic.7",
        also=("keyvalue_transactional.3", "keyvalue_transactional.4", "keyvalue_transactional.1"),
        why="the copy is made when it is sent",
    ),
    _transaction(
        name="postgres_left_by_an_error_is_open",
        before='        """Forget the writes."""\n        self._closed = True',
        after='        """Forget the writes."""\n        self._writes.clear()',
        promise="keyvalue_transactional.7",
        also=("lifecycle.2",),
        why="the writes are forgotten",
    ),
    _driver(
        name="postgres_left_by_cancellation_is_open",
        before="        except BaseException:\n            opened.discard()",
        after="        except Exception:\n            opened.discard()",
        promise="keyvalue_transactional.7",
        why="errors are Exceptions",
    ),
    # The pool
    _pool(
        name="postgres_cancelled_call_keeps_its_connection",
        before=_FETCH,
        after="""                found = await connection.fetch(sql, *arguments)
            except FAILURES as error:
                is_overdue = connection in self._overdue
                self._give_back(connection)
                if is_overdue:
                    raise TimeoutError from error
                raise
            self._give_back(connection)
            return found
""",
        promise="keyvalue_basic.11",
        why="what is cancelled may still be under way",
    ),
    _pool(
        name="postgres_failed_call_keeps_its_connection",
        before=_FETCH,
        after="""                found = await connection.fetch(sql, *arguments)
            except asyncio.CancelledError:
                self._give_back(connection)
                raise
            except FAILURES as error:
                if connection in self._overdue:
                    raise TimeoutError from error
                raise
            self._give_back(connection)
            return found
""",
        promise="keyvalue_transactional.6",
        also=("keyvalue_basic.13",),
        why="a connection that failed is not used again",
    ),
    _pool(
        name="postgres_lost_connections_are_used_again",
        before="            if not connection.is_closed():\n                return connection\n        return None",
        after="            return connection\n        return None",
        more=(("        elif not connection.is_closed():\n            self._idle", "        else:\n            self._idle"),),
        promise="keyvalue_basic.13",
        why="asyncpg tells when a connection is lost",
    ),
    _connection(
        name="postgres_keys_are_acknowledged_before_they_are_logged",
        before='"synchronous_commit": "on"',
        after='"synchronous_commit": "off"',
        promise="keyvalue_basic.12",
        why="nothing is lost but the last moments",
    ),
    _connection(
        name="postgres_reads_are_repeatable",
        before='"default_transaction_isolation": "read committed"',
        after='"default_transaction_isolation": "repeatable read"',
        promise="keyvalue_basic.10",
        also=("keyvalue_basic.4", "keyvalue_cas.6", "keyvalue_transactional.4", "keyvalue_transactional.5"),
        why="a higher isolation is safer",
    ),
    # Lifecycle
    _living(
        name="postgres_health_asks_nothing",
        before='await self.client.rows(f"{self._whose}: health", "SELECT 1")',
        after="self.client.clock.now_s()",
        promise="lifecycle.4",
        why="a call tells soon enough",
    ),
]
