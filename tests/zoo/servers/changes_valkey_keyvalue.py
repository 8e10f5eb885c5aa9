"""Wrong key-value drivers over a real Valkey: scans and transactions."""

from .change import changing

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.redis.keyvalue"
_TRANSACTIONS = "prism_backends.redis.transactions"


_change = changing("valkey_", "valkey", _DRIVER)

CHANGES = [
    _change(
        "scan_gives_what_a_page_repeats",
        "page = [key for key in dict.fromkeys(keys) if key not in seen]",
        "page = list(keys)",
        "keyvalue_scan.3",
        "SCAN repeats keys only while the server's table is resized, which no small test shows",
        also=("keyvalue_scan.4",),
    ),
    _change(
        "expire_counts_whole_seconds",
        '"PEXPIRE", at, self._milliseconds("expire", ttl_s)',
        '"EXPIRE", at, math.ceil(self._milliseconds("expire", ttl_s) / 1000)',
        "keyvalue_ttl.7",
        "EXPIRE is the better known command",
        also=("keyvalue_ttl.1", "keyvalue_ttl.2", "keyvalue_ttl.5"),
    ),
    _change(
        "prefix_is_a_pattern",
        "pattern = _escaped(self._prefix + prism.check_prefix(prefix, operation, self.backend_name)) + b",
        "pattern = self._prefix + prism.check_prefix(prefix, operation, self.backend_name) + b",
        "keyvalue_scan.1",
        "the prefix is taken for text that needs no escape",
        also=("keyvalue_scan.2",),
    ),
    _change(
        "prefix_may_escape",
        r'return re.sub(rb"[\\*?\[\]^-]"',
        r'return re.sub(rb"[*?\[\]^-]"',
        "keyvalue_scan.2",
        "a backslash escapes, so it was not thought to need one",
    ),
    _change(
        "scan_ends_at_an_empty_page",
        "            if cursor == 0:\n",
        "            if cursor == 0 or not keys:\n",
        "keyvalue_scan.1",
        "an empty page looks like the end",
        also=("keyvalue_scan.4", "keyvalue_scan.5"),
    ),
    _change(
        "scan_ends_at_a_short_page",
        "            if cursor == 0:\n",
        "            if cursor == 0 or len(keys) < _KEYS_AT_ONCE // 2:\n",
        "keyvalue_scan.1",
        "COUNT was taken for the size of a page",
        also=("keyvalue_scan.4", "keyvalue_scan.5"),
    ),
    _change(
        "scan_keys_bounds_each_page",
        "            left -= len(page)\n            if left <= 0:\n",
        "            if len(page) >= left:\n",
        "keyvalue_scan.4",
        "a page was thought to be as large as any limit",
    ),
    _change(
        "count_counts_what_pages_repeat",
        'return sum([len(page) async for page in self._pages("count", prefix, None)])',
        'pattern = _escaped(self._prefix + prism.check_prefix(prefix, "count", self.backend_name)) + b"*"\n'
        "        cursor, number = None, 0\n"
        "        while cursor != 0:\n"
        '            page = ("SCAN", cursor or 0, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE)\n'
        '            cursor, keys = await self._call("count", prefix, *page)\n'
        "            number += len(keys)\n"
        "        return number",
        "keyvalue_scan.3",
        "a count needs no set of all keys",
        also=("keyvalue_scan.5",),
    ),
    _change(
        "count_of_everything_is_the_size_of_the_database",
        'return sum([len(page) async for page in self._pages("count", prefix, None)])',
        'if not prefix:\n            return int(await self._call("count", "", "DBSIZE"))\n'
        '        return sum([len(page) async for page in self._pages("count", prefix, None)])',
        "keyvalue_scan.5",
        "DBSIZE answers at once",
        also=("keyvalue_basic.9",),
    ),
    _change(
        "transaction_that_only_read_is_not_checked",
        "        if not self._writes and self._connection is None:\n            return\n",
        "        if not self._writes:\n            return await self.discard()\n",
        "keyvalue_transactional.5",
        "what wrote nothing has nothing to commit",
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_reads_and_then_watches",
        'watched, value = await self._exchange(operation, ("WATCH", at), ("GET", at))',
        '[value] = await self._exchange(operation, ("GET", at))\n'
        '                    [watched] = await self._exchange(operation, ("WATCH", at))',
        "keyvalue_transactional.5",
        "a key is worth watching once it is known",
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_watches_what_is_there",
        "                    self._raise_first(watched, value, operation=operation)\n",
        "                    self._raise_first(watched, value, operation=operation)\n"
        "                    if value is None and not any(known is not None for known in self._seen.values()):\n"
        '                        await self._exchange(operation, ("UNWATCH",))\n',
        "keyvalue_transactional.5",
        "what is missing was thought to need no watch",
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_forgets_its_delete",
        "        if at in self._writes:\n            return self._writes[at]\n",
        "        if self._writes.get(at) is not None:\n            return self._writes[at]\n",
        "keyvalue_transactional.3",
        "None was taken for nothing written",
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_keeps_the_buffer",
        'self._writes[at] = self._data("transaction set", key, value)',
        'self._data("transaction set", key, value)\n        self._writes[at] = value  # type: ignore[assignment]',
        "keyvalue_transactional.8",
        "a copy less",
        also=("keyvalue_basic.7",),
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_notes_a_write_before_it_is_checked",
        'self._writes[at] = self._data("transaction set", key, value)',
        'self._writes[at] = bytes(value)\n        self._writes[at] = self._data("transaction set", key, value)',
        "keyvalue_transactional.8",
        "the check moved behind the note",
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_goes_on_after_a_cancellation",
        "        except BaseException:\n            await opened.discard()\n            raise\n",
        "        except Exception:\n            await opened.discard()\n            raise\n",
        "keyvalue_transactional.7",
        "BaseException is what a linter warns of",
    ),
    _change(
        "lost_answer_of_a_commit_is_a_conflict",
        "            await self._break()\n            raise translated(error, self._what(operation)) from error\n",
        "            await self._break()\n"
        '            if operation == "commit":\n'
        '                raise errors.Conflict(self._what(operation, "the connection was lost; nothing was done")) from error\n'
        "            raise translated(error, self._what(operation)) from error\n",
        "keyvalue_transactional.6",
        "as redis-py's Pipeline does it",
        also=("keyvalue_transactional.1", "keyvalue_basic.13"),
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_begins_anew_after_a_lost_connection",
        "        if self._broken:\n            raise",
        '        if self._broken and operation == "discard":\n            raise',
        "keyvalue_transactional.5",
        "a new connection is as good as the old one",
        also=("keyvalue_basic.13",),
        more=(
            (
                "            await self._connection.disconnect(nowait=True)\n",
                "            await self._connection.disconnect(nowait=True)\n            await self._release()\n",
            ),
        ),
        module=_TRANSACTIONS,
    ),
    _change(
        "transaction_deletes_behind_its_commit",
        'begun, *queued, outcome = await self._finish("commit", ("MULTI",), *writes, ("EXEC",))',
        'last = [command for command in writes if command[0] == "DEL"]\n'
        "        writes = [command for command in writes if command not in last]\n"
        '        exchange, parts = self._exchange if last else self._finish, (("MULTI",), *writes, ("EXEC",))\n'
        '        begun, *queued, outcome = await exchange("commit", *parts)\n'
        "        if last:\n"
        '            await self._finish("commit", *([("UNWATCH",)] if outcome is None else last))',
        "keyvalue_transactional.1",
        "deletes were thought to need no transaction",
        also=("keyvalue_transactional.5", "keyvalue_transactional.6"),
        module=_TRANSACTIONS,
    ),
    _change(
        "health_asks_nobody",
        'await self.client.execute_command("PING")',
        "assert self.client.connection_pool is not None",
        "lifecycle.4",
        "a client is healthy as long as there is one",
        module="prism_backends.redis.living",
    ),
]
