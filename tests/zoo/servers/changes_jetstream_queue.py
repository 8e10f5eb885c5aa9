"""Wrong queue drivers over a real JetStream."""

from .change import Change

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.jetstream.queue"
_TABLE = "prism_backends.jetstream.queuetable"
_TAKING = "prism_backends.jetstream.queuetaking"
_LOOKS = "prism_backends.jetstream.queuelooks"

CHANGES = [
    Change(
        name="jetstream_what_a_cancelled_take_had_goes_to_the_tail",
        backend="jetstream",
        module=_DRIVER,
        before="subject = self._table.subject_of_put_back(taken)",
        after="subject = taken.subject",
        promise="queue_basic.11",
        also=("queue_basic.3", "queue_basic.10"),
        why="it is put back where it was",
    ),
    Change(
        name="jetstream_cancelled_take_is_left_alone",
        backend="jetstream",
        module=_TAKING,
        before="        claiming = begun(self._claim(what, name, changed))\n",
        after=(
            "        if put_back is not None:\n            return await self._claim(what, name, changed)\n"
            "        claiming = begun(self._claim(what, name, changed))\n"
        ),
        promise="queue_basic.11",
        also=("queue_basic.2", "queue_basic.10", "queue_visibility.12"),
        why="who is cancelled does not want it",
    ),
    Change(
        name="jetstream_any_lease_is_the_lease",
        backend="jetstream",
        module=_DRIVER,
        before="entry.lease != held_by or entry.until_ns",
        after="entry.until_ns",
        promise="queue_visibility.5",
        also=("queue_visibility.4", "queue_visibility.2", "queue_visibility.8"),
        why="a message is leased or it is not",
    ),
    Change(
        name="jetstream_release_does_not_count",
        backend="jetstream",
        module=_DRIVER,
        before='lambda entry: replace(entry, lease="", lease_ns=0).sealed())',
        after='lambda entry: replace(entry, attempt=entry.attempt - 1, lease="", lease_ns=0).sealed())',
        promise="queue_visibility.7",
        also=("queue_dead_letter.1", "queue_visibility.3"),
        why="who releases did not try",
    ),
    Change(
        name="jetstream_extend_adds",
        backend="jetstream",
        module=_DRIVER,
        before="replace(entry, lease_ns=_nanoseconds(seconds)).sealed()",
        after="replace(entry, lease_ns=entry.until_ns - self._table.clock.earliest_ns() + _nanoseconds(seconds)).sealed()",
        promise="queue_visibility.6",
        why="more time on top of what is left",
    ),
    Change(
        name="jetstream_extend_never_shortens",
        backend="jetstream",
        module=_DRIVER,
        before="replace(entry, lease_ns=_nanoseconds(seconds)).sealed()",
        after="replace(entry, lease_ns=max(entry.lease_ns, _nanoseconds(seconds))).sealed()",
        promise="queue_visibility.6",
        why="to extend is to have longer",
    ),
    Change(
        name="jetstream_dead_keep_no_priority_in_their_target",
        backend="jetstream",
        module=_LOOKS,
        before="                if priority := priority_of(entry.subject):\n"
        "                    await self._table.use_priority(what, policy.target, priority)\n",
        after="",
        promise="queue_dead_letter.3",
        also=("queue_dead_letter.4", "queue_dead_letter.2", "queue_priority.4", "queue_visibility.11"),
        why="priorities are noted when something is enqueued",
    ),
    Change(
        name="jetstream_one_attempt_more",
        backend="jetstream",
        module=_LOOKS,
        before="if attempt >= policy.max_attempts]",
        after="if attempt > policy.max_attempts]",
        more=(("found.attempt < policy.max_attempts", "found.attempt <= policy.max_attempts"),),
        promise="queue_dead_letter.1",
        why="the boundary, twice",
    ),
    Change(
        name="jetstream_move_is_two_writes",
        backend="jetstream",
        module=_TABLE,
        before="            last = await self.server.publish_together(what, messages)\n",
        after=(
            "            for each in reversed(messages):\n"
            "                last = await self.server.publish(what, self.config, *each)\n"
        ),
        promise="queue_dead_letter.3",
        also=("queue_dead_letter.9", "queue_dead_letter.5", "queue_basic.2"),
        why="first there, then not here: nothing can be lost; no need for atomic batches",
    ),
    Change(
        name="jetstream_dead_letters_in_the_order_of_their_target",
        backend="jetstream",
        module=_LOOKS,
        before="if each.died_in == queue), key=lambda each: each.origin)",
        after="if each.died_in == queue), key=lambda each: each.turn)",
        promise="queue_dead_letter.4",
        also=("queue_dead_letter.5",),
        why="they came there as they died",
    ),
    Change(
        name="jetstream_redriven_keep_their_attempts",
        backend="jetstream",
        module=_DRIVER,
        before='alive = [replace(entry, attempt=0, lease=""',
        after='alive = [replace(entry, lease=""',
        promise="queue_dead_letter.5",
        also=("queue_dead_letter.1",),
        why="they were set to 0 when it died",
    ),
    Change(
        name="jetstream_dead_keep_their_attempts",
        backend="jetstream",
        module=_LOOKS,
        before='buried = replace(entry, attempt=0, lease=""',
        after='buried = replace(entry, lease=""',
        promise="queue_dead_letter.2",
        also=("queue_dead_letter.5", "queue_dead_letter.1"),
        why="so one sees how often it was tried",
    ),
    Change(
        name="jetstream_redrive_takes_what_is_leased",
        backend="jetstream",
        module=_DRIVER,
        before="free = [entry for entry in dead if entry.until_ns <= now_ns]",
        after="free = dead",
        promise="queue_dead_letter.5",
        also=("queue_visibility.2", "queue_visibility.5"),
        why="dead is dead",
    ),
    Change(
        name="jetstream_redrive_moves_one_batch",
        backend="jetstream",
        module=_DRIVER,
        before="for start in range(0, len(free), _MOVED_AT_ONCE):",
        after="for start in range(0, min(len(free), _MOVED_AT_ONCE), _MOVED_AT_ONCE):",
        promise="queue_dead_letter.5",
        why="it is called again and again anyway",
    ),
    Change(
        name="jetstream_policy_is_remembered",
        backend="jetstream",
        module=_TABLE,
        before="        return Settings(policy, sorted(priorities, reverse=True), put_back)",
        after=(
            "        if policy is not None:\n            policy = self._policies.setdefault(queue, policy)\n"
            "        return Settings(policy, sorted(priorities, reverse=True), put_back)"
        ),
        more=(
            (
                "        self.clock = ServerClock()\n",
                "        self.clock = ServerClock()\n        self._policies: dict[str, Policy] = {}\n",
            ),
            ("        text = json.dumps([", "        self._policies.pop(queue, None)\n        text = json.dumps(["),
        ),
        promise="queue_dead_letter.6",
        why="policies hardly ever change",
    ),
    Change(
        name="jetstream_priorities_are_remembered",
        backend="jetstream",
        module=_TABLE,
        before="        return Settings(policy, sorted(priorities, reverse=True), put_back)",
        after=(
            "        priorities = self._priorities.setdefault(queue, priorities)\n"
            "        return Settings(policy, sorted(priorities, reverse=True), put_back)"
        ),
        more=(
            (
                "        self.clock = ServerClock()\n",
                "        self.clock = ServerClock()\n        self._priorities: dict[str, set[int]] = {}\n",
            ),
            (
                "int) -> None:\n        await self.put(",
                "int) -> None:\n        self._priorities.pop(queue, None)\n        await self.put(",
            ),
        ),
        promise="queue_priority.1",
        also=("queue_basic.10", "queue_basic.2"),
        why="the priorities of a queue are the same from its beginning",
    ),
    Change(
        name="jetstream_lowest_priority_first",
        backend="jetstream",
        module=_TABLE,
        before="return Settings(policy, sorted(priorities, reverse=True), put_back)",
        after="return Settings(policy, sorted(priorities), put_back)",
        promise="queue_priority.1",
        why="priority 1 is the first",
    ),
    Change(
        name="jetstream_schedule_in_whole_seconds",
        backend="jetstream",
        module=_TABLE,
        before='%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"',
        after='%Y-%m-%dT%H:%M:%S}Z"',
        promise="queue_delayed.1",
        why="RFC 3339 as it is known",
    ),
    Change(
        name="jetstream_scheduled_count_is_of_all_queues",
        backend="jetstream",
        module=_TABLE,
        before='beginning = f"{self._namespace}.q.{queue}.later."',
        after='beginning = f"{self._namespace}.q.*.later."',
        more=(
            (
                'int(subject.removeprefix(beginning).partition(".")[0])',
                'int(subject.partition(".later.")[2].partition(".")[0])',
            ),
        ),
        promise="queue_delayed.2",
        also=("queue_basic.6",),
        why="one subject less to build",
    ),
    Change(
        name="jetstream_delays_to_the_millisecond",
        backend="jetstream",
        module=_TABLE,
        before='await self.put(what, f"{self._namespace}.q.{queue}.later.{due_ns}.{identity}", data, headers)',
        after='await self.put(what, f"{self._namespace}.q.{queue}.later.{due_ns // 1_000_000 * 1_000_000}", data, headers)',
        promise="queue_delayed.4",
        also=("queue_basic.2", "queue_delayed.2"),
        why="the instant tells them apart, to the millisecond, and a number of digits is easier to read without the rest",
    ),
    Change(
        name="jetstream_equal_messages_are_duplicates",
        backend="jetstream",
        module=_DRIVER,
        before="await self._table.put(what, self._table.subject(name, priority, entry.identity), entry.sealed())",
        after=(
            "await self._table.put(what, self._table.subject(name, priority, entry.identity), entry.sealed(), "
            '{"Nats-Msg-Id": f"{name} {hashed(data)}"})'
        ),
        promise="queue_basic.2",
        also=("queue_basic.1", "queue_priority.4"),
        why="so a client that tries again enqueues once",
    ),
    Change(
        name="jetstream_headers_are_lost_with_the_lease",
        backend="jetstream",
        module="prism_backends.jetstream.queueentries",
        before="return sealed([*state, *texts_of(self.headers)], self.payload)",
        after="return sealed([*state, *texts_of({} if self.lease else self.headers)], self.payload)",
        promise="queue_visibility.1",
        also=("queue_visibility.15", "queue_visibility.3", "queue_dead_letter.2"),
        why="whoever has the lease has the headers",
    ),
]
