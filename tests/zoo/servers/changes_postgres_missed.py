"""Wrong streams, groups and subscriptions over a real PostgreSQL that no check of their promise caught."""

from .change import Change

__all__ = ["CHANGES"]

_CLIENT = "prism_backends.postgres.client"
_FEED = "prism_backends.postgres.feed"
_LISTENING = "prism_backends.postgres.listening"
_MEMBERS = "prism_backends.postgres.members"
_PRESENCE = "prism_backends.postgres.presence"
_PUBSUB_SQL = "prism_backends.postgres.pubsub_sql"
_STREAM_SQL = "prism_backends.postgres.stream_sql"
_STREAMMEMBERS = "prism_backends.postgres.streammembers"

CHANGES = [
    Change(
        name="postgres_slot_is_lost_with_a_connection_that_was_not_made",
        backend="postgres",
        module=_CLIENT,
        before="            self._slots.release()\n            raise\n        # One timer",
        after="            raise\n        # One timer",
        promise="stream_basic.16",
        why="a slot is given back with its connection, and there was none; after twelve the pool is dry",
    ),
    Change(
        name="postgres_idle_connections_are_trusted",
        backend="postgres",
        module=_CLIENT,
        before="            if not connection.is_closed():\n                return connection\n",
        after="            return connection\n",
        promise="stream_basic.16",
        why="only what is open is put back; the server may have gone since",
    ),
    Change(
        name="postgres_waits_for_a_server_that_hangs",
        backend="postgres",
        module=_CLIENT,
        before="            if loop.time() - began > TIMEOUT_S:\n",
        after="            if loop.time() - began > TIMEOUT_S and connection.is_closed():\n",
        promise="stream_basic.16",
        why="only what is lost is overdue; a server that is stopped keeps its connections",
    ),
    Change(
        name="postgres_revoked_member_keeps_its_name",
        backend="postgres",
        module=_STREAM_SQL,
        before="    who := fresh;\n",
        after="",
        promise="stream_consumer_groups.8",
        why="it joins again as what it was, so its old deliveries seem to be its own",
    ),
    Change(
        name="postgres_member_leaves_beside_its_receive",
        backend="postgres",
        module=_STREAMMEMBERS,
        before="""        async with self._turn:  # after a receive that is on its way
            with suppress(Closed):""",
        after="""        if self.name:
            with suppress(Closed):""",
        promise="stream_consumer_groups.5",
        also=("stream_consumer_groups.11", "stream_consumer_groups.14"),
        why="leaving need not wait; a take behind it joins again, and nobody leaves",
    ),
    Change(
        name="postgres_cancelled_receive_is_undone_by_the_next",
        backend="postgres",
        module=_STREAMMEMBERS,
        before="            await ended(begun(self._give_back()))\n",
        after="",
        promise="stream_consumer_groups.14",
        also=("stream_consumer_groups.11", "stream_consumer_groups.15"),
        why="the next receive of this member gives it back; if there is one",
    ),
    Change(
        name="postgres_info_counts_the_dead",
        backend="postgres",
        module=_STREAM_SQL,
        before="(SELECT count(*) FROM stream_member WHERE {_GROUP} AND (until > clock_timestamp() OR member = ANY (alive)))",
        after="(SELECT count(*) FROM stream_member WHERE {_GROUP} AND alive IS NOT NULL)",
        promise="stream_consumer_groups.11",
        why="who has a row is a member; one that died has it until somebody takes",
    ),
    Change(
        name="postgres_conflict_comes_before_the_valid_ones",
        backend="postgres",
        module=_STREAMMEMBERS,
        before="        if mine:\n            places, batches",
        after="        if mine and not refused:\n            places, batches",
        promise="stream_consumer_groups.8",
        also=("stream_consumer_groups.6",),
        why="a call with an error in it does nothing",
    ),
    Change(
        name="postgres_members_of_streams_beat_every_half_minute",
        backend="postgres",
        module=_STREAMMEMBERS,
        before="_BEAT_S = HORIZON_S / 3\n",
        after="_BEAT_S = 30.0\n",
        promise="stream_consumer_groups.4",
        also=("stream_consumer_groups.11",),
        why="the usual keepalive; to another process a member is dead after four seconds",
    ),
    Change(
        name="postgres_everybody_of_another_process_is_dead",
        backend="postgres",
        module=_STREAM_SQL,
        before="member <> who AND until <= present AND NOT member = ANY (alive)",
        after="member <> who AND NOT member = ANY (alive)",
        promise="stream_consumer_groups.4",
        also=("stream_consumer_groups.11",),
        why="the list of the living is complete; in this process",
    ),
    Change(
        name="postgres_full_page_without_a_match_ends_the_look",
        backend="postgres",
        module=_LISTENING,
        before="        return len(page) >= _PAGE_ROWS or size >= _PAGE_BYTES\n",
        after="        return False\n",
        promise="pubsub_filtering.1",
        also=("pubsub_filtering.9",),
        why="one page a look; a message behind a hundred that do not match is there, and None is returned",
    ),
    Change(
        name="postgres_page_is_buffered_behind_the_tell",
        backend="postgres",
        module=_LISTENING,
        before="        self._buffer.extend(message for message in messages if carries(message.headers, self._attributes))\n",
        after="        matching = [message for message in messages if carries(message.headers, self._attributes)]\n",
        more=(
            (
                "        return len(page) >= _PAGE_ROWS or size >= _PAGE_BYTES\n",
                "        self._buffer.extend(matching)\n        return len(page) >= _PAGE_ROWS or size >= _PAGE_BYTES\n",
            ),
        ),
        promise="pubsub_basic.11",
        also=("pubsub_basic.1", "pubsub_filtering.10"),
        why="first the store, then the memory; a receive that is cancelled between loses a hundred messages",
    ),
    Change(
        name="postgres_feed_is_mended_once",
        backend="postgres",
        module=_FEED,
        before="""        while True:
            await self._until_lost()
            self.lost += 1
            self._change()
            await self._listen_again()
            self._change()
""",
        after="""        await self._until_lost()
        self.lost += 1
        self._change()
        await self._listen_again()
        self._change()
""",
        promise="pubsub_basic.13",
        also=("pubsub_filtering.11",),
        why="there was a server that came back, and the test was green; the second time nothing counts",
    ),
    Change(
        name="postgres_ack_of_a_key_does_not_lock_the_subscription",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="  PERFORM 1 FROM pubsub_durables WHERE {_DURABLE} FOR UPDATE;\n",
        after="",
        promise="pubsub_ordering.5",
        also=("pubsub_ordering.6", "pubsub_ordering.1"),
        why="an ack touches its own rows; a take beside it may put aside what nobody frees any more",
    ),
    Change(
        name="postgres_key_of_two_topics_is_one",
        backend="postgres",
        module=_PUBSUB_SQL,
        before="(SELECT max(seq) FROM pubsub_log WHERE {_TOPIC} AND key = line))",
        after="(SELECT max(seq) FROM pubsub_log WHERE namespace = mine AND key = line))",
        promise="pubsub_ordering.7",
        also=("pubsub_ordering.6", "pubsub_ordering.1", "pubsub_ordering.5"),
        why="a key is a key; what waits for a message of another topic waits for ever",
    ),
    Change(
        name="postgres_who_waits_trusts_that_he_is_woken",
        backend="postgres",
        module=_MEMBERS,
        before="_LOOK_S = 1.0\n",
        after="_LOOK_S = 3600.0\n",
        promise="pubsub_persistent.4",
        also=("pubsub_persistent.9",),
        why="there is NOTIFY; but nobody tells that a process died",
    ),
    Change(
        name="postgres_members_beat_as_slowly_as_listeners",
        backend="postgres",
        module=_PRESENCE,
        before="_BEAT_S = HORIZON_S / 3\n",
        after="_BEAT_S = PATIENCE_S / 3\n",
        promise="pubsub_persistent.7",
        also=("pubsub_ordering.1",),
        why="one beat for both, of the longer one",
    ),
]
