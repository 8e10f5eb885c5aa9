"""Wrong key-value drivers over a real Valkey: the single calls, the batches and the client below them."""

from .change import changing

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.redis.keyvalue"
_CLIENT = "prism_backends.redis.client"


_change = changing("valkey_", "valkey", _DRIVER)

CHANGES = [
    _change(
        "set_keeps_the_time_to_live",
        'self._at("set", key), self._data("set", key, value))',
        'self._at("set", key), self._data("set", key, value), "KEEPTTL")',
        "keyvalue_ttl.3",
        "a plain set was to change the value only",
    ),
    _change(
        "delete_tells_what_a_look_before_it_saw",
        'return bool(await self._call("delete", key, "DEL", self._at("delete", key)))',
        'was = bool(await self._call("delete", key, "EXISTS", self._at("delete", key)))\n'
        '        await self._call("delete", key, "UNLINK", self._at("delete", key))\n'
        "        return was",
        "keyvalue_basic.4",
        "UNLINK frees memory in the background, and the answer was wanted before",
        also=("keyvalue_basic.10",),
    ),
    _change(
        "set_with_ttl_in_two_commands",
        '        await self._call("set_with_ttl", key, *command)',
        '        await self._call("set_with_ttl", key, *command[:3])\n'
        "        if milliseconds:\n"
        '            await self._call("set_with_ttl", key, "PEXPIRE", at, milliseconds)',
        "keyvalue_ttl.3",
        "SET and EXPIRE, as it was written before SET had options",
        also=("keyvalue_basic.10", "keyvalue_basic.11", "keyvalue_ttl.10", "keyvalue_ttl.2"),
    ),
    _change(
        "no_time_to_live_leaves_what_was_there",
        'if milliseconds else ("DEL", at)',
        'if milliseconds else ("EXISTS", at)',
        "keyvalue_ttl.9",
        "a value that is gone at once need not be written",
    ),
    _change(
        "expire_writes_the_value_again",
        'return bool(await self._call("expire", key, "PEXPIRE", at, self._milliseconds("expire", ttl_s)))',
        'milliseconds = self._milliseconds("expire", ttl_s)\n'
        '        value = await self._call("expire", key, "GET", at)\n'
        "        if value is None:\n"
        "            return False\n"
        '        await self._call("expire", key, *(("SET", at, value, "PX", milliseconds) if milliseconds else ("DEL", at)))\n'
        "        return True",
        "keyvalue_ttl.7",
        "one way to set a time to live, for a proxy that does not know PEXPIRE",
        also=("keyvalue_basic.10", "keyvalue_basic.8", "keyvalue_basic.4", "keyvalue_ttl.10"),
    ),
    _change(
        "expire_never_shortens",
        '"PEXPIRE", at, self._milliseconds("expire", ttl_s)))',
        '"PEXPIRE", at, self._milliseconds("expire", ttl_s), "GT"))',
        "keyvalue_ttl.7",
        "a session is to be prolonged, never cut",
    ),
    _change(
        "ttl_counts_whole_seconds",
        'left = await self._call("ttl", key, "PTTL", self._at("ttl", key))',
        'left = await self._call("ttl", key, "TTL", self._at("ttl", key))\n        left = left * 1000 if left > 0 else left',
        "keyvalue_ttl.6",
        "TTL is the better known command",
    ),
    _change(
        "ttl_of_a_missing_key_is_none",
        "if left == -2:",
        "if left < -2:",
        "keyvalue_ttl.6",
        "both negative answers were taken for one",
        also=("keyvalue_ttl.2",),
        more=(("return None if left == -1 else", "return None if left < 0 else"),),
    ),
    _change(
        "persist_says_whether_the_key_is_there",
        'return bool(await self._call("persist", key, "PERSIST", self._at("persist", key)))',
        'await self._call("persist", key, "PERSIST", self._at("persist", key))\n        return await self.exists(key)',
        "keyvalue_ttl.8",
        "a key without expiry is persistent, so it was a success",
    ),
    _change(
        "persist_revives_what_expired_meanwhile",
        'return bool(await self._call("persist", key, "PERSIST", self._at("persist", key)))',
        'at = self._at("persist", key)\n'
        '        value, left = await self._call("persist", key, "GET", at), await self._call("persist", key, "PTTL", at)\n'
        "        if value is None or left == -1:\n"
        "            return False\n"
        '        await self._call("persist", key, "SET", at, value)\n'
        "        return True",
        "keyvalue_ttl.10",
        "for a proxy that does not know PERSIST",
        also=("keyvalue_ttl.8", "keyvalue_basic.10", "keyvalue_basic.8", "keyvalue_basic.4"),
    ),
    _change(
        "swap_takes_empty_for_missing",
        "if expected is None:",
        "if not expected:",
        "keyvalue_cas.1",
        "None and empty were taken for one",
        also=("keyvalue_cas.2",),
    ),
    _change(
        "swap_looks_and_then_writes",
        'return bool(await self._call("compare_and_swap", key, "EVALSHA", _SWAP, 1, at, known, data))',
        'if await self._call("compare_and_swap", key, "GET", at) != known:\n'
        "            return False\n"
        '        await self._call("compare_and_swap", key, "SET", at, data)\n'
        "        return True",
        "keyvalue_cas.6",
        "scripts are forbidden on some hosted servers",
    ),
    _change(
        "swap_writes_whatever_is_there",
        'return bool(await self._call("compare_and_swap", key, "EVALSHA", _SWAP, 1, at, known, data))',
        'if await self._call("compare_and_swap", key, "GET", at) != known:\n'
        "            return False\n"
        '        return bool(await self._call("compare_and_swap", key, "SET", at, data, "XX"))',
        "keyvalue_cas.6",
        "XX was taken for the condition",
    ),
    _change(
        "create_looks_and_then_writes",
        'return bool(await self._call("compare_and_swap", key, "SET", at, data, "NX"))',
        'if await self._call("compare_and_swap", key, "EXISTS", at):\n'
        "                return False\n"
        '            return bool(await self._call("compare_and_swap", key, "SET", at, data))',
        "keyvalue_cas.6",
        "NX was lost when SET was wrapped",
        also=("keyvalue_cas.2",),
    ),
    _change(
        "swap_keeps_the_time_to_live",
        "then redis.call('SET',KEYS[1],ARGV[2]) return 1",
        "then redis.call('SET',KEYS[1],ARGV[2],'KEEPTTL') return 1",
        "keyvalue_ttl.4",
        "a swap changes the value only",
    ),
    _change(
        "failed_swap_clears_the_time_to_live",
        "redis.call('SET',KEYS[1],ARGV[2]) return 1 end return 0",
        "redis.call('SET',KEYS[1],ARGV[2]) return 1 end redis.call('PERSIST',KEYS[1]) return 0",
        "keyvalue_ttl.4",
        "the expiry was cleared on each way out",
        also=("keyvalue_cas.3",),
    ),
    _change(
        "compared_delete_looks_and_then_removes",
        'return bool(await self._call("compare_and_delete", key, "EVALSHA", _REMOVE, 1, at, known))',
        'if await self._call("compare_and_delete", key, "GET", at) != known:\n'
        "            return False\n"
        '        return bool(await self._call("compare_and_delete", key, "DEL", at))',
        "keyvalue_cas.6",
        "the lock recipe without its script",
        also=("keyvalue_cas.4",),
    ),
    _change(
        "batch_set_keeps_times_to_live",
        'await self._call("batch_set", "", "MSET", *(part for pair in some for part in pair))',
        'for pair in some:\n                await self._call("batch_set", "", "SET", *pair, "KEEPTTL")',
        "keyvalue_ttl.3",
        "MSET does not work across the slots of a cluster",
    ),
    _change(
        "batch_set_checks_as_it_goes",
        'pairs = [(self._at("batch_set", key), self._data("batch_set", key, value)) for key, value in items.items()]',
        'pairs = ((self._at("batch_set", key), self._data("batch_set", key, value)) for key, value in items.items())',
        "keyvalue_batch.5",
        "a generator saves the memory of a list",
    ),
    _change(
        "batch_delete_checks_as_it_goes",
        'unwanted = dict.fromkeys([self._at("batch_delete", key) for key in keys])',
        'unwanted = (self._at("batch_delete", key) for key in keys)',
        "keyvalue_batch.5",
        "a generator saves the memory of a list; UNLINK counts a key once anyway",
    ),
    _change(
        "batch_set_loses_the_first_of_a_portion",
        "            some, size = [], len(pair[1])\n        some.append(pair)",
        "            some, size = [], 0\n            continue\n        some.append(pair)",
        "keyvalue_batch.1",
        "the loop was written anew",
        also=("keyvalue_batch.4",),
    ),
    _change(
        "batch_get_leaves_out_empty_values",
        "for key, value in zip(some, values, strict=True) if value is not None}",
        "for key, value in zip(some, values, strict=True) if value}",
        "keyvalue_batch.2",
        "missing is falsy",
    ),
    _change(
        "batch_get_asks_once",
        "if value is not None}\n        return found\n",
        "if value is not None}\n            break\n        return found\n",
        "keyvalue_batch.4",
        "left over from when MGET took all keys",
        also=("keyvalue_batch.2",),
    ),
    _change(
        "batch_delete_counts_what_was_asked",
        'return sum([await self._call("batch_delete", "", "UNLINK", *some) for some in _chunks(unwanted, _KEYS_AT_ONCE)])',
        'await asyncio.gather(*[self._call("batch_delete", "", "UNLINK", *some) for some in _chunks(unwanted, _KEYS_AT_ONCE)])\n'
        "        return len(unwanted)",
        "keyvalue_batch.3",
        "all at once, and the answers were in the way",
        more=(("import math\n", "import asyncio\nimport math\n"),),
    ),
    _change(
        "command_is_sent_again",
        '"retry": Retry(NoBackoff(), 0)',
        '"retry": Retry(NoBackoff(), 3)',
        "keyvalue_cas.1",
        "the default of the library",
        also=("keyvalue_basic.4", "keyvalue_cas.6", "keyvalue_basic.10", "keyvalue_cas.3"),
        module=_CLIENT,
    ),
    _change(
        "script_is_told_once",
        'return await super().execute_command("EVAL", _SCRIPTS[args[1]], *args[2:], **options)',
        'return await super().execute_command("EVAL", _SCRIPTS.pop(args[1]), *args[2:], **options)',
        "keyvalue_basic.13",
        "what the server has learnt it need not be told again",
        also=("keyvalue_cas.1",),
        module=_CLIENT,
    ),
    _change(
        "pool_runs_dry",
        'super().__init__(connection_pool=ConnectionPool(**options | {"max_connections": sys.maxsize}))',
        'super().__init__(connection_pool=BlockingConnectionPool(**options | {"max_connections": 8, "timeout": None}))',
        "keyvalue_transactional.4",
        "connections are dear, and a pool that waits bounds them",
        module=_CLIENT,
        more=(
            ("from redis.asyncio.connection import ConnectionPool, parse_url", "from redis.asyncio.connection import parse_url"),
            ("from redis.asyncio import Redis\n", "from redis.asyncio import BlockingConnectionPool, Redis\n"),
        ),
    ),
    _change(
        "server_writes_no_log",
        'WRITTEN = ("--appendonly", "yes",',
        'WRITTEN = ("--appendonly", "no",',
        "keyvalue_basic.12",
        "a cache needs no log",
        also=("keyvalue_ttl.12",),
        module="prism_backends.redis.server",
    ),
]
