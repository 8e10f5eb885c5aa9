"""Wrong stream drivers over a real Valkey: what goes wrong in the log itself, its bounds and its partitions."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_driver = partial(Change, backend="valkey", module="prism_backends.redis.stream")
_scripts = partial(Change, backend="valkey", module="prism_backends.redis.streamlogscripts")
_client = partial(Change, backend="valkey", module="prism_backends.redis.client")

CHANGES = [
    _driver(
        name="valkey_stream_short_page_is_the_last",
        before="if left == 0 or start > offset_of(last):",
        after="if left == 0 or len(entries) < most:",
        promise="stream_basic.1",
        also=("stream_basic.5",),
        why="a page that is not full was thought to be the last; that pages end after some megabytes, too, was forgotten",
    ),
    _scripts(
        name="valkey_stream_replay_follows_the_end",
        before="if last == '+' or is_below(ended, last) then last = ended end",
        after="if last == '+' then last = ended end",
        promise="stream_replay.7",
        why="what has a bound needs no other",
    ),
    _driver(
        name="valkey_stream_replay_includes_its_stop",
        before="id_of(stop - 1))) as records",
        after="id_of(stop))) as records",
        promise="stream_replay.7",
        why="XRANGE has both of its ends",
    ),
    _scripts(
        name="valkey_stream_trims_about_so_many",
        before="redis.call('XTRIM', stream, 'MINID', '=', ARGV[1])",
        after="redis.call('XTRIM', stream, 'MINID', '~', ARGV[1])",
        promise="stream_basic.7",
        why="the manual recommends it",
    ),
    _scripts(
        name="valkey_stream_bounds_about_so_many",
        before="redis.call('XTRIM', key, 'MAXLEN', '=', set[3])",
        after="redis.call('XTRIM', key, 'MAXLEN', '~', set[3])",
        promise="stream_retention.2",
        also=("stream_retention.3",),
        why="the manual recommends it",
    ),
    _scripts(
        name="valkey_stream_latest_is_the_last_kept",
        before="partitions or last_id(stream)",
        after="partitions or (redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1] or {false})[1]",
        promise="stream_basic.6",
        also=("stream_retention.9",),
        why="XREVRANGE is the better known command",
    ),
    _driver(
        name="valkey_stream_key_hash_of_this_process",
        before="partition_of(name, _EVERY_HASH)",
        after="hash(name) % _EVERY_HASH",
        promise="stream_partitioning.5",
        also=("stream_partitioning.13",),
        why="Python has a hash of its own",
    ),
    _driver(
        name="valkey_stream_partition_number_runs_into_the_name",
        before='self._prefix + b"p:%s:" % name',
        after='self._prefix + b"p:" + name',
        promise="stream_partitioning.11",
        why="what ends with a number is a partition",
    ),
    _driver(
        name="valkey_stream_partition_is_not_told",
        before="yield record_of(identity, fields, partition or 0)",
        after="yield record_of(identity, fields)",
        promise="stream_partitioning.6",
        why="the caller knows which partition it reads",
    ),
    _scripts(
        name="valkey_stream_partitions_what_has_a_group",
        before="redis.call('EXISTS', settings, stream)",
        after="redis.call('EXISTS', stream)",
        promise="stream_partitioning.1",
        why="what has no record is not used",
    ),
    _driver(
        name="valkey_stream_partitions_in_two_steps",
        before='has = await self._run("create_partitioned", stream, scripts.PART, keys, check_partitions(n, self.backend_name))',
        after="""check_partitions(n, self.backend_name)
        has = int(await self._call("create_partitioned", stream, "HGET", keys[0], "partitions") or 1)
        if has != n and not await self._call("create_partitioned", stream, "EXISTS", *keys[:2]):
            has = n
            await self._call("create_partitioned", stream, "HSET", keys[0], "partitions", n)""",
        promise="stream_partitioning.1",
        why="three plain commands need no script",
    ),
    _scripts(
        name="valkey_stream_read_enforces_no_bounds",
        before="enforce(partition or 0, partition or 0)",
        after="",
        promise="stream_retention.3",
        why="the append enforces them",
    ),
    _scripts(
        name="valkey_stream_new_bounds_bring_back",
        before="enforce(0, partitions - 1)\nredis.call('HSET', settings, 'used', 1)",
        after="redis.call('HSET', settings, 'used', 1)",
        promise="stream_retention.4",
        also=("stream_retention.3",),
        why="the new bounds are enforced below",
    ),
    _driver(
        name="valkey_stream_age_in_whole_seconds",
        before="math.ceil(min(bounds.max_age_s, _LONGEST_S) * 1000)",
        after="math.ceil(min(bounds.max_age_s, _LONGEST_S)) * 1000",
        promise="stream_retention.2",
        also=("stream_retention.3",),
        why="bounds were thought of in seconds",
    ),
    _driver(
        name="valkey_stream_age_has_seconds_for_milliseconds",
        before="math.ceil(min(bounds.max_age_s, _LONGEST_S) * 1000)",
        after="math.ceil(min(bounds.max_age_s, _LONGEST_S))",
        promise="stream_retention.1",
        why="the field is called age",
    ),
    _scripts(
        name="valkey_stream_compacts_headers_for_keys",
        before="entry[2][3] == 'k' and entry[2][4]",
        after="entry[2][4] or false",
        promise="stream_retention.6",
        also=("stream_retention.13", "stream_retention.8"),
        why="the key is the fourth; that headers stand there where there is no key was forgotten",
    ),
    _driver(
        name="valkey_stream_compacts_each_page_by_itself",
        before='partitions, *page = await self._run("compact",',
        after='seen = set()\n                partitions, *page = await self._run("compact",',
        promise="stream_retention.7",
        why="nobody wants to hold all keys in memory",
    ),
    _driver(
        name="valkey_stream_compacts_the_first_partition",
        before="while partition < partitions:",
        after="while partition < 1:",
        promise="stream_retention.7",
        why="a stream was thought to have one partition",
    ),
    _scripts(
        name="valkey_stream_page_is_not_cut_to_its_limit",
        before="""  local entries = redis.call('XRANGE', key, from, last, 'COUNT', math.min(most - #out + 1, 16))""",
        after="""  local entries = redis.call('XRANGE', key, from, last, 'COUNT', 16)""",
        promise="stream_basic.5",
        why="pages of one size are easier on the server",
    ),
    _client(
        name="valkey_stream_append_is_sent_again",
        before='"retry": Retry(NoBackoff(), 0)',
        after='"retry": Retry(NoBackoff(), 3)',
        promise="stream_basic.12",
        also=("stream_basic.1", "stream_basic.15", "stream_basic.4", "stream_basic.16"),
        why="it is redis-py's default to send a command again whose answer was lost",
    ),
    _client(
        name="valkey_stream_script_is_sent_once",
        before='"EVAL", _SCRIPTS[args[1]], *args[2:]',
        after='"EVAL", _SCRIPTS.pop(args[1]), *args[2:]',
        promise="stream_basic.16",
        also=("stream_consumer_groups.17", "stream_replay.12", "stream_retention.15", "stream_partitioning.14"),
        why="the server knows a script once it got it; that it forgets them when it starts anew was not thought of",
    ),
]
