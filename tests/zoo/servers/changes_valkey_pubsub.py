"""Wrong publish and subscribe drivers over a real Valkey: plain subscriptions, by topic, pattern and filter."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_driver = partial(Change, backend="valkey", module="prism_backends.redis.pubsub")
_listener = partial(Change, backend="valkey", module="prism_backends.redis.listening")
_feed = partial(Change, backend="valkey", module="prism_backends.redis.feed")
_globs = partial(Change, backend="valkey", module="prism_backends.redis.globs")
_matching = partial(Change, backend="valkey", module="prism_backends.pubsub_matching")

CHANGES = [
    _driver(
        name="valkey_pubsub_ids_are_short",
        before="secrets.token_hex(12)",
        after="secrets.token_hex(2)",
        promise="pubsub_basic.1",
        also=("pubsub_basic.2",),
        why="two random bytes are different, mostly",
    ),
    _driver(
        name="valkey_pubsub_id_is_a_hash",
        before="secrets.token_hex(12)",
        after='__import__("hashlib").sha1(sealed(about, data)).hexdigest()',
        promise="pubsub_basic.1",
        also=("pubsub_basic.2",),
        why="what is equal may have an equal id, it was thought",
    ),
    _globs(
        name="valkey_pubsub_backslash_is_not_escaped",
        before='rb"([*?\\[\\]^\\\\-])"',
        after='rb"([*?\\[\\]^-])"',
        promise="pubsub_wildcards.4",
        also=("pubsub_wildcards.1",),
        why="a backslash escapes, so it needs no escape",
    ),
    _globs(
        name="valkey_pubsub_bracket_is_not_escaped",
        before='rb"([*?\\[\\]^\\\\-])"',
        after='rb"([*?\\\\])"',
        promise="pubsub_wildcards.4",
        also=("pubsub_wildcards.1",),
        why="star and question mark are what patterns know",
    ),
    _globs(
        name="valkey_pubsub_glob_of_wildcards_alone",
        before='_escaped(channel + b"." if plain else channel)',
        after='_escaped(channel + b".")',
        promise="pubsub_wildcards.3",
        also=("pubsub_wildcards.1",),
        why="a wildcard comes behind a dot",
    ),
    _driver(
        name="valkey_pubsub_star_of_the_server",
        before="lambda message: matches(tokens, message.topic)",
        after="lambda message: bool(tokens)",
        promise="pubsub_wildcards.3",
        also=("pubsub_wildcards.2",),
        why="the server matches patterns",
    ),
    _matching(
        name="valkey_pubsub_rest_may_be_nothing",
        before="if len(parts) <= len(tokens):",
        after="if len(parts) < len(tokens):",
        promise="pubsub_wildcards.3",
        also=("pubsub_wildcards.2",),
        why="with a plain beginning the server sends only what goes on behind the dot",
    ),
    _matching(
        name="valkey_pubsub_any_header_may_have_the_value",
        before="headers.get(name) == value",
        after="name in headers and value in headers.values()",
        promise="pubsub_filtering.5",
        also=("pubsub_filtering.2",),
        why="names and values were looked for each by themselves",
    ),
    _matching(
        name="valkey_pubsub_no_header_is_an_empty_one",
        before="headers.get(name) == value",
        after='headers.get(name, "") == value',
        promise="pubsub_filtering.4",
        also=("pubsub_filtering.2",),
        why="a default saves a test for None",
    ),
    _driver(
        name="valkey_pubsub_filter_is_the_callers",
        before="lambda message: carries(message.headers, asked)",
        after="lambda message: carries(message.headers, attributes)",
        promise="pubsub_filtering.7",
        why="what was checked is the same",
    ),
    _listener(
        name="valkey_pubsub_unwanted_counts_as_a_gap",
        before="        if not wanted:\n            return",
        after="        if not wanted:\n            self._dropped += 1\n            return",
        promise="pubsub_filtering.9",
        also=("pubsub_filtering.1", "pubsub_wildcards.9", "pubsub_wildcards.1"),
        why="what is dropped is counted",
    ),
    _feed(
        name="valkey_pubsub_gaps_know_one_interruption",
        before="self.lost += 1",
        after="self.lost = 1",
        promise="pubsub_basic.13",
        also=("pubsub_basic.12", "pubsub_wildcards.10", "pubsub_filtering.11"),
        why="it was thought to say whether, not how often",
    ),
    _feed(
        name="valkey_pubsub_gaps_know_no_interruption",
        before="            self.lost += 1\n",
        after="",
        promise="pubsub_basic.13",
        also=("pubsub_basic.12", "pubsub_wildcards.10", "pubsub_filtering.11"),
        why="the connection is there again, so nothing is lost",
    ),
    _feed(
        name="valkey_pubsub_enters_before_the_server_knows",
        before="                await connection.read_response()\n",
        after="",
        promise="pubsub_basic.1",
        also=("pubsub_wildcards.1", "pubsub_filtering.1", "pubsub_basic.4"),
        why="what was sent is done, mostly before anybody publishes",
    ),
    _feed(
        name="valkey_pubsub_gives_up_after_a_lost_connection",
        before="            self._connection = await self._resubscribed()",
        after="            await asyncio.Event().wait()",
        promise="pubsub_basic.13",
        also=("pubsub_wildcards.10", "pubsub_filtering.11"),
        why="a subscription ends with its connection",
    ),
    _feed(
        name="valkey_pubsub_patterns_are_plain_after_a_lost_connection",
        before="                return await self._subscribed()",
        after='                self._command = "SUBSCRIBE"\n                return await self._subscribed()',
        promise="pubsub_wildcards.10",
        why="the reconnect was written before there were patterns",
    ),
    _listener(
        name="valkey_pubsub_small_buffer_drops_in_silence",
        before="if self._size + len(envelope) > _BUFFER_BYTES:\n            self._dropped += 1",
        after="if self._size + len(envelope) > _BUFFER_BYTES:\n            self._bell.ring()",
        more=(("_BUFFER_BYTES = 64_000_000", "_BUFFER_BYTES = 1_500_000"),),
        promise="pubsub_basic.12",
        also=("pubsub_basic.1", "pubsub_basic.4"),
        why="who is slow misses something, at most once is what was promised",
    ),
    _listener(
        name="valkey_pubsub_small_buffer_never_empties",
        before="        self._size -= size\n",
        after="",
        more=(("_BUFFER_BYTES = 64_000_000", "_BUFFER_BYTES = 8_000_000"),),
        promise="pubsub_basic.12",
        also=("pubsub_basic.1",),
        why="the size was counted where something comes, not where it goes",
    ),
    _listener(
        name="valkey_pubsub_bounded_by_messages_in_silence",
        before="self._buffer: deque[tuple[Message, int]] = deque()",
        after="self._buffer: deque[tuple[Message, int]] = deque(maxlen=1000)",
        promise="pubsub_basic.12",
        also=("pubsub_basic.1", "pubsub_basic.4"),
        why="a deque has a bound of its own, and drops what is oldest",
    ),
    _listener(
        name="valkey_pubsub_leaving_wakes_nobody",
        before="        self._buffer.clear()\n        self._bell.ring()\n",
        after="        self._buffer.clear()\n",
        promise="pubsub_basic.10",
        also=("pubsub_wildcards.9", "pubsub_filtering.10", "lifecycle.2"),
        why="who leaves does not receive",
    ),
    _listener(
        name="valkey_pubsub_receive_syncs_with_a_message_in_hand",
        before="""        if message is None:
            await self._feed.sync()  # what was published in time may be on its way
            message = self._take()""",
        after="""        await self._feed.sync()
        if message is None:
            message = self._take()""",
        promise="pubsub_basic.11",
        also=("pubsub_wildcards.9", "pubsub_filtering.10"),
        why="one look at the server in every receive",
    ),
    _listener(
        name="valkey_pubsub_iteration_raises_closed",
        before="        except Closed:\n            raise StopAsyncIteration from None",
        after="        except Closed:\n            raise",
        promise="pubsub_basic.10",
        also=("pubsub_wildcards.9", "pubsub_filtering.10"),
        why="an error says more than an end",
    ),
    _driver(
        name="valkey_pubsub_publish_does_not_wait",
        before='await self._call("publish", topic, "PUBLISH",',
        after='self._sent = asyncio.ensure_future(self.client.execute_command("PUBLISH",',
        more=(
            ("import secrets\n", "import asyncio\nimport secrets\n"),
            ("self._channels + channel, sealed(about, data))", "self._channels + channel, sealed(about, data)))"),
        ),
        promise="pubsub_basic.13",
        also=("pubsub_basic.3", "pubsub_basic.1", "pubsub_basic.10", "pubsub_basic.11"),
        why="at most once needs no answer",
    ),
    _driver(
        name="valkey_pubsub_topics_are_trimmed",
        before="        return prism.check_name(name, operation, self.backend_name)",
        after="        return prism.check_name(name, operation, self.backend_name).strip() or b' '",
        promise="pubsub_basic.5",
        also=("pubsub_persistent.11",),
        why="nobody means a blank",
    ),
]
