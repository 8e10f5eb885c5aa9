"""Wrong publish and subscribe drivers over a real Valkey: durable subscriptions, and the order of a key."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_driver = partial(Change, backend="valkey", module="prism_backends.redis.pubsub")
_members = partial(Change, backend="valkey", module="prism_backends.redis.members")
_scripts = partial(Change, backend="valkey", module="prism_backends.redis.pubsub_scripts")

CHANGES = [
    _driver(
        name="valkey_durable_number_in_two_steps",
        before='        command = ("EVALSHA", PUBLISH, 2,',
        after="""        if not key:
            log = self._log(name)[0]
            number = int(await self._call(operation, topic, "HLEN", log)) + 1
            await self._call(operation, topic, "HSET", log, number, sealed(about, data))
            await self._call(operation, topic, "PUBLISH", self._wake(name), b"")
            return str(number)
        command = ("EVALSHA", PUBLISH, 2,""",
        promise="pubsub_persistent.13",
        also=("pubsub_persistent.1", "pubsub_persistent.2"),
        why="plain commands are easier to read than a script",
    ),
    _driver(
        name="valkey_durable_publish_is_tried_twice",
        before="            return await self.client.execute_command(*command)",
        after="""            try:
                return await self.client.execute_command(*command)
            except native.ConnectionError:
                return await self.client.execute_command(*command)""",
        promise="pubsub_persistent.1",
        also=("pubsub_persistent.17", "pubsub_persistent.16", "pubsub_persistent.13", "pubsub_basic.2"),
        why="a connection that was closed meanwhile is worth a second try",
    ),
    _driver(
        name="valkey_durable_names_run_together",
        before='b"%s:%d:" % (kind, len(of)) + of + who',
        after='b"%s:" % kind + of + b":" + who',
        promise="pubsub_persistent.11",
        why="a colon separates",
    ),
    _driver(
        name="valkey_durable_last_id_is_of_this_process",
        before="        return str(last) if last else None",
        after="        return str(self._last.get(topic, last)) if last else None",
        more=(
            (
                "        return str(await self._call(operation, topic, *command))",
                "        self._last[topic] = await self._call(operation, topic, *command)\n        return str(self._last[topic])",
            ),
            ("        self._closed = False", "        self._closed = False\n        self._last: dict[str, int] = {}"),
        ),
        promise="pubsub_persistent.10",
        why="the one that was published last was published here",
    ),
    _scripts(
        name="valkey_durable_acks_what_was_delivered_before",
        before="== member .. '.' .. ARGV[i + 1] then",
        after="and owner(redis.call('HGET', held, ARGV[i])) == member then",
        promise="pubsub_persistent.15",
        also=("pubsub_ordering.9", "pubsub_persistent.4"),
        why="it is the member that holds, whichever delivery it was",
    ),
    _scripts(
        name="valkey_durable_third_of_a_key_waits_for_nothing",
        before="return before and (redis.call('HEXISTS', counts, before) == 1 or redis.call('SISMEMBER', behind, before) == 1)",
        after="return before and redis.call('HEXISTS', counts, before) == 1",
        promise="pubsub_ordering.3",
        also=("pubsub_ordering.2", "pubsub_ordering.4"),
        why="what is not done is counted; what was not even delivered is not",
    ),
    _scripts(
        name="valkey_durable_keys_stand_beside_links",
        before="redis.call('HGET', chain, 'key:' .. key)",
        after="redis.call('HGET', chain, key)",
        more=(("redis.call('HSET', chain, 'key:' .. key, number)", "redis.call('HSET', chain, key, number)"),),
        promise="pubsub_ordering.7",
        also=("pubsub_ordering.3", "pubsub_ordering.2", "pubsub_ordering.5", "pubsub_ordering.6"),
        why="no key begins like a link, it was thought",
    ),
    _scripts(
        name="valkey_durable_delay_is_of_its_key_only",
        before="    redis.call('ZADD', later, due, string.format('%015d%015d', nack, number))\n  else",
        after="""    redis.call('ZADD', later, due, string.format('%015d%015d', nack, number))
    local following = redis.call('HGET', chain, '>' .. number)
    if following and redis.call('SREM', behind, following) == 1 then line(following, 0, following) end
  else""",
        promise="pubsub_ordering.4",
        also=("pubsub_ordering.3", "pubsub_ordering.2"),
        why="others are not held up by a delay",
    ),
    _scripts(
        name="valkey_durable_keys_are_cut",
        before="local log, chain, key = KEYS[1], KEYS[2], ARGV[3]",
        after="local log, chain, key = KEYS[1], KEYS[2], ARGV[3]\nif key then key = string.sub(key, 1, 64) end",
        promise="pubsub_ordering.7",
        also=("pubsub_ordering.6",),
        why="64 bytes tell keys apart",
    ),
    _scripts(
        name="valkey_durable_new_begins_one_too_early",
        before="ARGV[4] == 'new' and redis.call('HLEN', log) or 0",
        after="ARGV[4] == 'new' and math.max(redis.call('HLEN', log) - 1, 0) or 0",
        promise="pubsub_persistent.1",
        why="positions count from 0",
    ),
    _members(
        name="valkey_durable_cancelled_receive_waits_for_the_next_of_its_member",
        before="            await asyncio.shield(self._undo(number))",
        after="            self._unknown.append(number)",
        promise="pubsub_persistent.14",
        also=("pubsub_ordering.10",),
        why="the next receive of this member gives it back; that another member waits was not thought of",
    ),
    _members(
        name="valkey_durable_cancelled_receive_keeps",
        before="            await asyncio.shield(self._undo(number))\n",
        after="",
        promise="pubsub_persistent.14",
        also=("pubsub_ordering.10",),
        why="it is cancelled, so it took nothing",
    ),
    _members(
        name="valkey_durable_timeout_ends_early",
        before="if found or left_s < _NANOSECOND_S:",
        after="if found or left_s < 0.02:",
        promise="pubsub_persistent.9",
        why="a few milliseconds are not worth another wait",
    ),
    _members(
        name="valkey_durable_nack_delay_in_whole_seconds",
        before="math.ceil(min(delay_s, _LONGEST_S) * 1e6)",
        after="math.floor(min(delay_s, _LONGEST_S)) * 1000000",
        promise="pubsub_persistent.8",
        also=("pubsub_ordering.4",),
        why="delays were thought of in seconds",
    ),
    _members(
        name="valkey_durable_look_without_what_was_heard",
        before="await self._bell.rest(min(left_s, ahead_s), heard)",
        after="await self._bell.rest(min(left_s, ahead_s), self._bell.rings)",
        more=(("_LOOK_S = 1.0", "_LOOK_S = 3600.0"),),
        promise="pubsub_persistent.9",
        also=("pubsub_persistent.13",),
        why="nothing is published between a look and its answer",
    ),
    _members(
        name="valkey_durable_what_came_while_nobody_listened_is_not_looked_for",
        before="self._woken, self._bell.ring)",
        after="self._woken, lambda: None)",
        more=(("_LOOK_S = 1.0", "_LOOK_S = 3600.0"),),
        promise="pubsub_persistent.17",
        why="who listens is told",
    ),
]
