"""Wrong drivers over a real NATS and JetStream that no check has caught.

What they would take: ten seconds without an answer, 64 MB through one subscription, a lease or an outage that is waited for on a
real clock, two calls that meet within a fraction of a millisecond, a thousand messages written one after another.
"""

from .change import Change

__all__ = ["CHANGES"]

CHANGES = [
    Change(
        name="nats_timeouts_are_not_translated",
        backend="nats",
        module="prism_backends.nats.client",
        before="FAILURES = (native.Error, Lost, OSError)",
        after="FAILURES = (native.Error, Lost, ConnectionError)",
        promise="pubsub_basic.13",
        also=("pubsub_wildcards.10", "pubsub_filtering.11"),
        why="only what concerns the connection",
    ),
    Change(
        name="nats_overflow_is_not_counted",
        backend="nats",
        module="prism_backends.nats.listening",
        before="        if self._size + size > _BUFFER_BYTES:\n            self._gaps += 1\n        elif not self._left:",
        after="        if self._size + size <= _BUFFER_BYTES and not self._left:",
        promise="pubsub_basic.12",
        also=("pubsub_basic.1",),
        why="one condition instead of two",
    ),
    Change(
        name="nats_what_was_taken_stays_in_the_sum",
        backend="nats",
        module="prism_backends.nats.listening",
        before="        message, size = self._buffer.popleft()\n        self._size -= size\n        return message",
        after="        return self._buffer.popleft()[0]",
        promise="pubsub_basic.12",
        also=("pubsub_basic.1", "pubsub_filtering.9"),
        why="the size is only of use when it is put",
    ),
    Change(
        name="nats_unmatched_messages_fill_the_buffer",
        backend="nats",
        module="prism_backends.nats.listening",
        before="        if found is None:\n            return\n        size = len(message.data)\n",
        after="        size = len(message.data)\n        if found is None:\n            self._size += size\n            return\n",
        promise="pubsub_filtering.9",
        also=("pubsub_filtering.1",),
        why="every message that came is counted in one place",
    ),
    Change(
        name="jetstream_batch_set_has_one_acknowledgement",
        backend="jetstream",
        module="prism_backends.jetstream.keyvalue",
        before="await all_of(self._cells.put(what, subject, data) for subject, data in checked.items())",
        after=(
            "first = next(iter(checked.items()), None)\n"
            "        if first is not None:\n"
            "            await self._cells.put(what, *first)\n"
            "            with self.server.translating(what):\n"
            "                connection = await self.client.connection()\n"
            "                for subject, data in checked.items():\n"
            "                    await connection.send(subject, data, dict(REPLACING))\n"
            "                await connection.sync()"
        ),
        promise="keyvalue_batch.1",
        also=("keyvalue_basic.8", "keyvalue_basic.12"),
        why="the server has all of it when it answers the last",
    ),
    Change(
        name="jetstream_topic_keeps_a_thousand",
        backend="jetstream",
        module="prism_backends.jetstream.pubsub",
        before='return stream_config(f"{self._namespace}_topic_{at}", self._subject(at))',
        after='return stream_config(f"{self._namespace}_topic_{at}", self._subject(at), max_msgs_per_subject=1000)',
        promise="pubsub_persistent.1",
        also=("pubsub_persistent.13", "pubsub_persistent.4"),
        why="a bound for the disk: each subject its share",
    ),
    Change(
        name="jetstream_member_trusts_itself_for_longer",
        backend="jetstream",
        module="prism_backends.jetstream.holding",
        before="self._until |= dict.fromkeys((message.reply for message in found), began + ACK_WAIT_S - _MARGIN_S)",
        after="self._until |= dict.fromkeys((message.reply for message in found), began + 10 * ACK_WAIT_S - _MARGIN_S)",
        promise="pubsub_persistent.15",
        also=("pubsub_persistent.5",),
        why="beats come all the time, so a member may trust itself for longer",
    ),
    Change(
        name="jetstream_ack_waits_for_nothing",
        backend="jetstream",
        module="prism_backends.jetstream.holding",
        before="                await self._server.request(self._what(operation), reply, body)\n",
        after=(
            "                with self._server.translating(self._what(operation)):\n"
            "                    await (await self._server.client.connection()).send(reply, body)\n"
        ),
        promise="stream_consumer_groups.11",
        also=("stream_consumer_groups.6", "stream_consumer_groups.17", "stream_consumer_groups.16"),
        why="ack, as against ack_sync",
    ),
    Change(
        name="jetstream_signs_of_life_fade_before_the_next",
        backend="jetstream",
        module="prism_backends.jetstream.presence",
        before="_FORGOTTEN_S = 4.0",
        after="_FORGOTTEN_S = 0.9",
        promise="stream_consumer_groups.11",
        why="they come every second, so a second is what one is good for",
    ),
    Change(
        name="jetstream_cancelled_receive_keeps_the_first",
        backend="jetstream",
        module="prism_backends.jetstream.holding",
        before="            await ended(begun(self._give_back(first)))\n            raise",
        after="            raise",
        promise="stream_consumer_groups.14",
        also=("pubsub_persistent.14",),
        why="what was found stays found",
    ),
    Change(
        name="jetstream_cancelled_receive_only_unsubscribes",
        backend="jetstream",
        module="prism_backends.jetstream.inbox",
        before="await self._subscription.drain()",
        after="await self._subscription.end()",
        promise="stream_consumer_groups.14",
        also=("pubsub_persistent.14",),
        why="the server drops requests of which the reply interests nobody",
    ),
    Change(
        name="jetstream_a_beat_that_fails_is_the_last",
        backend="jetstream",
        module="prism_backends.jetstream.holding",
        before="            with suppress(PrismError):  # the next one may come through\n",
        after="            if held or self.is_open:\n",
        promise="stream_consumer_groups.17",
        also=("stream_consumer_groups.4", "pubsub_persistent.17", "pubsub_persistent.7", "stream_consumer_groups.11"),
        why="errors are not swallowed",
    ),
    Change(
        name="jetstream_takers_take_no_turns",
        backend="jetstream",
        module="prism_backends.jetstream.queuetaking",
        before="            async with self.turn(name):\n                found, due_ns = await",
        after="            if True:\n                found, due_ns = await",
        promise="queue_basic.11",
        also=("queue_basic.10", "queue_basic.3"),
        why="the server lets one of two succeed anyway",
    ),
    Change(
        name="jetstream_ack_does_not_look_at_the_clock",
        backend="jetstream",
        module="prism_backends.jetstream.queue",
        before="if self._until_ns.pop(lease.token, 0) > time.monotonic_ns() and self._table",
        after="if self._until_ns.pop(lease.token, 0) and self._table",
        promise="queue_visibility.4",
        also=("queue_visibility.5", "queue_visibility.3"),
        why="if somebody else had it, the sequence would be another",
    ),
    Change(
        name="jetstream_ended_lease_is_extended",
        backend="jetstream",
        module="prism_backends.jetstream.queue",
        before="entry.lease != held_by or entry.until_ns <= self._table.clock.earliest_ns():",
        after="entry.lease != held_by:",
        promise="queue_visibility.5",
        also=("queue_visibility.4", "queue_visibility.3"),
        why="nobody took it meanwhile",
    ),
    Change(
        name="jetstream_move_removes_first",
        backend="jetstream",
        module="prism_backends.jetstream.queuetable",
        before="            last = await self.server.publish_together(what, messages)\n",
        after=("            for each in messages:\n                last = await self.server.publish(what, self.config, *each)\n"),
        promise="queue_dead_letter.3",
        also=("queue_dead_letter.9", "queue_visibility.11"),
        why="whoever removes it may write it; no need for atomic batches",
    ),
    Change(
        name="jetstream_enqueue_does_not_wait_for_the_store",
        backend="jetstream",
        module="prism_backends.jetstream.queue",
        before="            await self._table.put(what, self._table.subject(name, priority, entry.identity), entry.sealed())\n",
        after=(
            "            await self._table.make(what)\n"
            "            with self.server.translating(what):\n"
            "                connection = await self._taking._client.connection()\n"
            "                await connection.send(self._table.subject(name, priority, entry.identity), entry.sealed())\n"
            "                await connection.sync()\n"
        ),
        promise="queue_basic.10",
        also=("queue_basic.3", "queue_basic.12", "queue_basic.2"),
        why="the server has it when it answers",
    ),
    Change(
        name="jetstream_takes_wait_a_second_at_most",
        backend="jetstream",
        module="prism_backends.jetstream.queuetaking",
        before="await self._takers.first(name, attempt, timeout_s, self._client.clock, _LONGEST_PAUSE_S)",
        after="await self._takers.first(name, attempt, min(timeout_s, _LONGEST_PAUSE_S), self._client.clock, _LONGEST_PAUSE_S)",
        promise="queue_basic.4",
        also=("queue_visibility.9",),
        why="nobody waits longer without looking again",
    ),
    Change(
        name="jetstream_bucket_is_looked_at_then_removed",
        backend="jetstream",
        module="prism_backends.jetstream.objects",
        before='                closing = await self._table.set_bucket(target, found, "closing")\n'
        "                if closing is None:\n                    continue\n"
        "                found = replace(found, sequence=closing)\n",
        after="",
        more=(('                    await self._table.set_bucket(target, found, "open")\n', ""),),
        promise="object_storage.11",
        also=("object_storage.14", "object_storage.16"),
        why="three writes less",
    ),
    Change(
        name="jetstream_generation_is_the_name_of_the_bucket",
        backend="jetstream",
        module="prism_backends.jetstream.objecttable",
        before='data = f"{secrets.token_hex(8)} open".encode()',
        after='data = f"{encode_name(target.bucket_bytes)} open".encode()',
        promise="object_storage.11",
        also=("object_storage.14", "object_storage.15"),
        why="subjects that can be read; a removed bucket is emptied anyway",
    ),
    Change(
        name="jetstream_old_chunks_go_first",
        backend="jetstream",
        module="prism_backends.jetstream.objects",
        before=(
            "            written = await self._table.change(self._what, subject, sequence, self._version.sealed())\n"
            "            if written is not None:\n"
            "                self._table.remove_chunks(self._target, generation, old)\n"
        ),
        after=(
            "            self._table.remove_chunks(self._target, generation, old)\n"
            "            written = await self._table.change(self._what, subject, sequence, self._version.sealed())\n"
            "            if written is not None:\n"
        ),
        promise="object_storage.17",
        also=("object_storage.7", "object_storage.19", "object_storage.20"),
        why="room is made before it is needed",
    ),
]
