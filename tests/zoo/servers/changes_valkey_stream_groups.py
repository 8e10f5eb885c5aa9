"""Wrong stream drivers over a real Valkey: what goes wrong in groups, and where they are moved."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_members = partial(Change, backend="valkey", module="prism_backends.redis.streammembers")
_scripts = partial(Change, backend="valkey", module="prism_backends.redis.streamscripts")
_driver = partial(Change, backend="valkey", module="prism_backends.redis.stream")
_ids = partial(Change, backend="valkey", module="prism_backends.redis.streamids")

CHANGES = [
    _members(
        name="valkey_group_sleeps_until_its_bell",
        before="await self.bell.rest(min(left_s, pause_s))",
        after="await self.bell.rest(left_s)",
        promise="stream_consumer_groups.10",
        also=("stream_consumer_groups.5", "stream_consumer_groups.7"),
        why="an append rings the bell; of one in another process, and of a delay that is over, nobody thought",
    ),
    _members(
        name="valkey_group_nack_delay_in_whole_seconds",
        before="return min(math.ceil(seconds * 1000) if seconds < _LONGEST_DELAY_MS else _LONGEST_DELAY_MS, _LONGEST_DELAY_MS)",
        after="return min(math.floor(seconds) * 1000 if seconds < _LONGEST_DELAY_MS else _LONGEST_DELAY_MS, _LONGEST_DELAY_MS)",
        promise="stream_consumer_groups.7",
        why="delays were thought of in seconds",
    ),
    _members(
        name="valkey_group_cancelled_receive_waits_for_the_next_of_its_member",
        before="await ended(begun(self._give_back()))",
        after="pass",
        promise="stream_consumer_groups.14",
        why="the next receive of this member gives it back; that another member waits was not thought of",
    ),
    _members(
        name="valkey_group_cancelled_receive_is_forgotten",
        before="self._lost.add(batch)",
        after="batch = 0",
        promise="stream_consumer_groups.14",
        why="a batch number was taken for nothing but a token",
    ),
    _members(
        name="valkey_group_conflict_before_the_valid_acks",
        before="if mine and not await self._run(script, operation, *arguments, *parts):",
        after="if mine and not refused and not await self._run(script, operation, *arguments, *parts):",
        promise="stream_consumer_groups.8",
        why="why ask the server when the answer is an error anyway",
    ),
    _scripts(
        name="valkey_group_latest_is_that_of_the_first_partition",
        before="last_id(of(partition)) or '0-0')",
        after="last_id(stream) or '0-0')",
        promise="stream_partitioning.10",
        also=("stream_consumer_groups.1",),
        why="the line was copied from that for a stream of one partition",
    ),
    _scripts(
        name="valkey_group_seek_keeps_what_comes_again",
        before="redis.call('DEL', counts, held, again)",
        after="redis.call('DEL', counts, held)",
        promise="stream_replay.3",
        also=("stream_replay.1", "stream_consumer_groups.4"),
        why="without a member nothing is delayed, it was thought",
    ),
    _scripts(
        name="valkey_group_seek_compares_ids_as_text",
        before="is_below(target, last) and target or last",
        after="target < last and target or last",
        promise="stream_replay.1",
        why="ids of one width are in the order of their texts, and the millisecond has 13 digits",
    ),
    _scripts(
        name="valkey_group_seek_beyond_the_end_waits_for_it",
        before="is_below(target, last) and target or last",
        after="target",
        promise="stream_replay.1",
        also=("stream_replay.2", "stream_replay.3"),
        why="the server takes any id for a position",
    ),
    _scripts(
        name="valkey_group_create_moves_what_exists",
        before="redis.call('HSETNX', group, 'position',",
        after="redis.call('HSET', group, 'position',",
        promise="stream_consumer_groups.2",
        also=("stream_consumer_groups.1",),
        why="HSET tells as well whether the field is new",
    ),
    _scripts(
        name="valkey_group_revoked_ack_is_silent",
        before="if not renew(me) then return 0 end",
        after="renew(me)",
        promise="stream_consumer_groups.8",
        why="what is not held is not touched anyway",
    ),
    _scripts(
        name="valkey_group_beat_raises_the_dead",
        before="redis.call('ZADD', members, 'XX', time[1]",
        after="redis.call('ZADD', members, time[1]",
        promise="stream_consumer_groups.8",
        also=("stream_consumer_groups.11",),
        why="a beat says that somebody lives, so it may enter them",
    ),
    _scripts(
        name="valkey_group_info_counts_what_was_trimmed",
        before="if not found(name) then",
        after="if false then",
        promise="stream_consumer_groups.11",
        also=("stream_consumer_groups.12", "stream_retention.10"),
        why="the take drops what is gone",
    ),
    _scripts(
        name="valkey_group_skips_the_rest_of_a_full_page",
        before="redis.call('HSET', group, position_of(partition), position)",
        after="redis.call('HSET', group, position_of(partition), entries[#entries][1])",
        promise="stream_consumer_groups.1",
        why="a page holds no more than was asked for; that it may hold more bytes than there is room for was not thought of",
    ),
    _scripts(
        name="valkey_group_take_enforces_no_bounds",
        before="bury()\nenforce(0, partitions - 1)\n",
        after="bury()\n",
        promise="stream_retention.3",
        also=("stream_retention.10",),
        why="the append enforces them",
    ),
    _scripts(
        name="valkey_group_leaving_gives_nothing_back",
        before="for _, id in ipairs(held_by(name .. '.')) do free(id, now) end",
        after="for _, id in ipairs(held_by(name .. '.')) do redis.call('HDEL', held, id) end",
        promise="stream_consumer_groups.5",
        why="what nobody holds was thought to be found by the next take",
    ),
    _driver(
        name="valkey_group_names_run_together",
        before='names = b":%d:%s%s" % (len(stream.encode()), stream.encode(), ',
        after='names = b":%s:%s" % (stream.encode(), ',
        promise="stream_consumer_groups.13",
        why="a colon separates",
    ),
    _driver(
        name="valkey_group_position_is_the_last_delivered",
        before="whole = max(_after(position), _first_offset(first, last))",
        after="whole = max(offset_of(position), _first_offset(first, last))",
        promise="stream_consumer_groups.11",
        also=("stream_replay.3",),
        why="the server calls it so, too",
    ),
    _ids(
        name="valkey_group_seek_to_time_misses_its_instant",
        before="return id_of((at_ms << _NUMBER_BITS) - 1)",
        after="return id_of(at_ms << _NUMBER_BITS)",
        promise="stream_replay.2",
        why="ids begin with 1, it was thought",
    ),
    _ids(
        name="valkey_stream_offset_is_not_cut",
        before="offset = min(max(offset, 0), _MOST)",
        after="offset = max(offset, 0)",
        promise="stream_replay.5",
        also=("stream_basic.5", "stream_basic.7", "stream_replay.7", "stream_replay.2"),
        why="no offset is as large",
    ),
    _ids(
        name="valkey_group_acks_in_the_first_partition",
        before='return id_of(record.offset) + (b"/%d" % record.partition if record.partition else b"")',
        after="return id_of(record.offset)",
        promise="stream_partitioning.10",
        why="the offset names a record",
    ),
]
