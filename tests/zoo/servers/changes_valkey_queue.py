"""Wrong queue drivers over a real Valkey."""

from .change import changing

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.redis.queue"
_SCRIPTS = "prism_backends.redis.messages"

_STILL = (
    'ADD = _step("""',
    'def _still(text: str) -> str:\n    return script(_RULES.removesuffix("settle()\\n") + text + _TELL)\n\n\nADD = _step("""',
)
"""A step that does not settle first."""
_TWICE = (
    "    def _what(self,",
    (
        "    async def _twice(self, *command: Any) -> Any:\n"
        "        try:\n"
        "            return await self.client.execute_command(*command)\n"
        "        except native.ConnectionError:\n"
        "            return await self.client.execute_command(*command)\n\n"
        "    def _what(self,"
    ),
)


_change = changing("valkey_queue_", "valkey", _SCRIPTS)

CHANGES = [
    _change(
        "priority_is_worth_a_thousand_turns",
        "tonumber(priority) * 562949953421312, id)",
        "tonumber(priority) * 1000, id)",
        "queue_priority.1",
        "a number that is larger than any queue is long",
    ),
    _change(
        "priority_is_worth_more_than_a_float_holds",
        "tonumber(priority) * 562949953421312, id)",
        "tonumber(priority) * 100000000000000000, id)",
        "queue_priority.1",
        "a number that no queue reaches; a score is a float, and nine of these leave it steps of 128",
    ),
    _change(
        "failing_costs_the_priority",
        "redis.call('HSET', at(id), 'failed', count())",
        "redis.call('HSET', at(id), 'failed', count(), 'priority', 0)",
        "queue_priority.3",
        "what failed is not to be in the way of what may succeed",
    ),
    _change(
        "a_step_settles_a_hundred",
        "redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now)",
        "redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now, 'LIMIT', 0, 100)",
        "queue_delayed.1",
        "a script must not take long",
        also=("queue_delayed.2", "queue_visibility.3"),
    ),
    _change(
        "a_step_settles_ten",
        "redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now)",
        "redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now, 'LIMIT', 0, 10)",
        "queue_delayed.1",
        "a script must not take long",
        also=("queue_delayed.2", "queue_visibility.3"),
    ),
    _change(
        "extend_only_prolongs",
        "if is_leased(queue, id, token) then\n  wait(id, now + tonumber(lease_us))\n",
        "if is_leased(queue, id, token) then\n  redis.call('ZADD', prefix .. 'due', 'GT', now + tonumber(lease_us), id)\n",
        "queue_visibility.6",
        "a heartbeat must not cut a lease",
    ),
    _change(
        "extend_adds_to_the_deadline",
        "if is_leased(queue, id, token) then\n  wait(id, now + tonumber(lease_us))\n",
        "if is_leased(queue, id, token) then\n  redis.call('ZINCRBY', prefix .. 'due', lease_us, id)\n",
        "queue_visibility.6",
        "extend was taken for add",
    ),
    _change(
        "token_is_the_attempt",
        "local attempt, token = redis.call('HINCRBY', at(id), 'attempts', 1), tostring(count())\n",
        "local attempt = redis.call('HINCRBY', at(id), 'attempts', 1)\n  local token = tostring(attempt)\n",
        "queue_visibility.5",
        "an attempt is enough to tell deliveries of one message apart",
        also=("queue_dead_letter.5", "queue_dead_letter.2"),
    ),
    _change(
        "lease_belongs_to_the_process",
        "  return found[1] == queue and found[2] == token\n",
        "  return found[1] == queue and found[2] == token and redis.call('HGET', at(id), 'holder') == KEYS[2]\n",
        "queue_visibility.4",
        "nobody but the holder has the token anyway",
        also=("queue_visibility.5", "queue_visibility.13"),
        more=(("redis.call('HSET', at(id), 'token', token)", "redis.call('HSET', at(id), 'token', token, 'holder', KEYS[2])"),),
    ),
    _change(
        "ack_asks_for_no_token",
        "if is_leased(queue, id, token) then\n  redis.call('ZREM', prefix .. 'due', id)\n  leave(id, queue)\n",
        "if redis.call('HEXISTS', at(id), 'token') == 1 then\n  redis.call('ZREM', prefix .. 'due', id)\n  leave(id, queue)\n",
        "queue_visibility.5",
        "an id is unique",
    ),
    _change(
        "ack_leaves_the_deadline",
        "  redis.call('ZREM', prefix .. 'due', id)\n  leave(id, queue)\n",
        "  leave(id, queue)\n",
        "queue_visibility.4",
        "what is deleted was thought to be gone from every set",
        also=("queue_visibility.3", "queue_visibility.9", "queue_visibility.11", "queue_visibility.1"),
    ),
    _change(
        "ack_leaves_the_list_of_the_dead",
        "  redis.call('ZREM', prefix .. 'due', id)\n  leave(id, queue)\n",
        "  redis.call('ZREM', prefix .. 'due', id)\n",
        "queue_dead_letter.4",
        "the index was forgotten",
    ),
    _change(
        "dequeue_leaves_the_list_of_the_dead",
        "  make_unready(id, queue)\n  leave(id, queue)\n",
        "  make_unready(id, queue)\n",
        "queue_dead_letter.4",
        "the index was forgotten",
        also=("queue_dead_letter.3", "queue_dead_letter.5"),
    ),
    _change(
        "the_dead_are_in_the_order_of_their_ids",
        "redis.call('ZADD', dead(origin, to), number, id)",
        "redis.call('ZADD', dead(origin, to), 0, id)",
        "queue_dead_letter.4",
        "a set was needed, not an order",
        also=("queue_dead_letter.5",),
    ),
    _change(
        "the_dead_are_in_the_order_of_their_enqueues",
        "redis.call('ZADD', dead(origin, to), number, id)",
        "redis.call('ZADD', dead(origin, to), id, id)",
        "queue_dead_letter.4",
        "an id is a number that only grows",
        also=("queue_dead_letter.5",),
    ),
    _change(
        "redrive_takes_what_is_leased",
        "if redis.call('HEXISTS', at(id), 'token') == 0 then",
        "if redis.call('EXISTS', at(id)) == 1 then",
        "queue_dead_letter.5",
        "a redrive was to bring back everything",
        also=("queue_visibility.2",),
    ),
    _change(
        "redrive_keeps_the_attempts",
        "redis.call('HSET', at(id), 'queue', to, 'number', number, 'attempts', 0)",
        "redis.call('HSET', at(id), 'queue', to, 'number', number)\n  if origin then redis.call('HSET', at(id), 'attempts', 0) end",
        "queue_dead_letter.5",
        "only death was thought to begin anew; after which there is nothing to reset unless it was leased there",
        also=("queue_dead_letter.1",),
    ),
    _change(
        "policy_counts_from_its_configuration",
        "for _, id in ipairs(redis.call('ZRANGE', prefix .. 'f:' .. queue, 0, -1)) do",
        "for _, id in ipairs({}) do",
        "queue_dead_letter.6",
        "a policy was thought to be for what comes",
        also=("queue_dead_letter.1",),
    ),
    _change(
        "what_is_leased_counts_as_failed",
        "  redis.call('ZREM', prefix .. 'r:' .. queue, id)\n  redis.call('ZREM', prefix .. 'f:' .. queue, id)\n",
        "  redis.call('ZREM', prefix .. 'r:' .. queue, id)\n",
        "queue_dead_letter.6",
        "one index was forgotten, which matters only to a policy that changes while a message is leased",
        also=("queue_visibility.2", "queue_dead_letter.1", "queue_dead_letter.7", "queue_dead_letter.3"),
    ),
    _change(
        "names_of_queues_run_together",
        "return prefix .. 'd:' .. #queue .. ':' .. queue .. target end",
        "return prefix .. 'd:' .. queue .. ':' .. target end",
        "queue_dead_letter.10",
        "a colon was thought to part two names",
        also=("queue_dead_letter.4", "queue_dead_letter.5", "queue_dead_letter.6"),
    ),
    _change(
        "policy_is_cut_at_a_colon",
        "return string.sub(found, cut + 1), tonumber(string.sub(found, 1, cut - 1))",
        "return string.sub(found, 1, cut - 1), tonumber(string.match(found, '%d+$'))",
        "queue_dead_letter.10",
        "the target reads better in front",
        more=(("queue, most .. ':' .. target)", "queue, target .. ':' .. most)"),),
    ),
    _change(
        "name_of_a_queue_is_its_key",
        "local function first(queue) return redis.call('ZRANGE', prefix .. 'r:' .. queue, 0, 0)[1] end",
        "local function first(queue) return redis.call('ZRANGE', prefix .. queue, 0, 0)[1] end",
        "queue_basic.6",
        "the prefix was thought to be enough",
        also=("queue_visibility.15",),
        more=(
            ("redis.call('ZADD', prefix .. 'r:' .. queue, tonumber", "redis.call('ZADD', prefix .. queue, tonumber"),
            ("redis.call('ZREM', prefix .. 'r:' .. queue, id)", "redis.call('ZREM', prefix .. queue, id)"),
        ),
    ),
    _change(
        "count_of_the_scheduled_is_of_all_that_waits",
        "local result = redis.call('ZCARD', prefix .. 's:' .. ARGV[1])",
        "local result = redis.call('ZCARD', prefix .. 'due')",
        "queue_delayed.2",
        "two sets were taken for one",
    ),
    _change(
        "count_of_the_scheduled_never_falls",
        "      redis.call('ZREM', prefix .. 's:' .. queue, id)\n",
        "",
        "queue_delayed.2",
        "the index was forgotten",
    ),
    _change(
        "cancelled_take_forgets_where_it_died",
        "if origin then redis.call('ZADD', dead(origin, queue), number, id) end",
        "if origin then redis.call('HDEL', at(id), 'origin') end",
        "queue_dead_letter.4",
        "what is put back is an ordinary message",
        also=("queue_dead_letter.9", "queue_basic.11", "queue_dead_letter.5"),
    ),
    _change(
        "cancelled_take_is_put_at_the_tail",
        "local origin, number = unpack(redis.call('HMGET', at(id), 'origin', 'number'))",
        "redis.call('HSET', at(id), 'number', count())\n"
        "local origin, number = unpack(redis.call('HMGET', at(id), 'origin', 'number'))",
        "queue_basic.11",
        "it is enqueued once more",
    ),
    _change(
        "cancelled_take_loses_its_message",
        "                if asking.exception() is None and len(asking.result()) > 1:\n",
        '                if operation == "receive" and asking.exception() is None and len(asking.result()) > 1:\n',
        "queue_basic.11",
        "only a lease was thought to need undoing",
        module=_DRIVER,
    ),
    _change(
        "cancelled_receive_holds_its_lease",
        "                if asking.exception() is None and len(asking.result()) > 1:\n",
        '                if operation == "dequeue" and asking.exception() is None and len(asking.result()) > 1:\n',
        "queue_visibility.12",
        "a lease ends by itself",
        module=_DRIVER,
    ),
    _change(
        "cancelled_take_leaves_the_turn_taken",
        "        try:\n            return await step()\n        finally:\n            turn.release()\n",
        "        result = await step()\n        turn.release()\n        return result\n",
        "queue_basic.11",
        "the lock was not thought of as something to lose",
        also=("queue_visibility.12", "queue_basic.13", "queue_visibility.14"),
        module=_DRIVER,
    ),
    _change(
        "waits_whole_seconds",
        "timeout_s = prism.check_timeout(timeout_s, operation, self.backend_name)",
        "timeout_s = round(prism.check_timeout(timeout_s, operation, self.backend_name))",
        "queue_basic.4",
        "BLPOP counted whole seconds once",
        also=("queue_visibility.9",),
        module=_DRIVER,
    ),
    _change(
        "lease_in_whole_seconds",
        "messages.RECEIVE, name, _microseconds(visibility_s))",
        "messages.RECEIVE, name, _microseconds(math.ceil(visibility_s)))",
        "queue_visibility.3",
        "EXPIRE counts whole seconds",
        also=("queue_visibility.5",),
        module=_DRIVER,
    ),
    _change(
        "refused_ack_says_nothing",
        "if not await self._run_on(script, operation, lease.queue, identity, token, *arguments):",
        "if not await self._run_on(script, operation, lease.queue, identity, token, *arguments) and arguments:",
        "queue_visibility.5",
        "an ack that comes twice does no harm",
        also=("queue_visibility.8",),
        module=_DRIVER,
    ),
    _change(
        "ack_looks_at_no_clock",
        '\nACK = _step("""',
        '\nACK = _still("""',
        "queue_visibility.5",
        "a late ack does no harm while nobody has taken the message again",
        also=("queue_visibility.4",),
        more=(_STILL,),
    ),
    _change(
        "extend_looks_at_no_clock",
        'EXTEND = _step("""',
        'EXTEND = _still("""',
        "queue_visibility.5",
        "a late heartbeat does no harm while nobody has taken the message again",
        also=("queue_visibility.6",),
        more=(_STILL,),
    ),
    _change(
        "most_of_attempts_is_of_the_target_too",
        "  local target, most = policy(queue)\n  if target and",
        "  local target, most = policy(queue)\n  if target and redis.call('HEXISTS', at(id), 'origin') == 0 and",
        "queue_dead_letter.1",
        "what died once was not to wander from target to target",
        also=("queue_dead_letter.2", "queue_dead_letter.4"),
    ),
    _change(
        "lost_answer_is_asked_for_again",
        "result, woken, expected_us = await self.client.execute_command(",
        "result, woken, expected_us = await self._twice(",
        "queue_basic.2",
        "a connection that the server closed while it was idle",
        also=("queue_basic.13", "queue_basic.12"),
        more=(_TWICE,),
        module=_DRIVER,
    ),
    _change(
        "redrive_is_tried_again",
        '        return int(await self._run_on(messages.REDRIVE, "redrive", queue))\n',
        "        try:\n"
        '            return int(await self._run_on(messages.REDRIVE, "redrive", queue))\n'
        "        except errors.BackendUnavailable:\n"
        '            return int(await self._run_on(messages.REDRIVE, "redrive", queue))\n',
        "queue_dead_letter.5",
        "what is moved is not dead any more, so it is not moved twice",
        module=_DRIVER,
    ),
    _change(
        "who_began_in_time_was_in_time",
        "        if not await self._run_on(script, operation, lease.queue, identity, token, *arguments):\n",
        "        in_time = self._clock.now_s() < _UNTIL.pop(lease.token, 0.0)\n"
        "        if not await self._run_on(script, operation, lease.queue, identity, token, *arguments) and not in_time:\n",
        "queue_visibility.5",
        "the client knows until when it holds what it was given, and saves an error that nobody wants",
        also=("queue_visibility.8", "queue_visibility.4"),
        more=(
            (
                "        return None if taken is None else Lease(queue, _message(*taken[0]), taken[1], taken[2].decode())\n",
                (
                    "        if taken is None:\n"
                    "            return None\n"
                    "        _UNTIL[taken[2].decode()] = self._clock.now_s() + visibility_s\n"
                    "        return Lease(queue, _message(*taken[0]), taken[1], taken[2].decode())\n"
                ),
            ),
            ("_LONGEST_PAUSE_S = ", "_UNTIL: dict[str, float] = {}\n_LONGEST_PAUSE_S = "),
        ),
        module=_DRIVER,
    ),
    _change(
        "what_came_while_nobody_listened_is_not_looked_for",
        "                pause_s = min(max(_PAUSE_S, _PATIENCE * (now_s - began_s)), longest_s)\n",
        "                pause_s = math.inf\n",
        "queue_basic.4",
        "who listens is told",
        also=("queue_visibility.9",),
        more=(("for takers in self._waiting.values():\n", "for takers in self._waiting.values() if seconds else ():\n"),),
        module="prism_backends.takers",
    ),
    _change(
        "close_goes_on_listening",
        "        if feed is not None:\n            await feed.close()\n",
        "        if feed is not None:\n            await feed.sync()\n",
        "lifecycle.2",
        "the client closes all connections at its end anyway",
        module=_DRIVER,
    ),
]
