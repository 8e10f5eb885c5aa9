"""Wrong streams over a SQLite file that are right within one process: what they look at may change by the hand of another one."""

from .change import changing

__all__ = ["CHANGES"]

_change = changing("sqlite_", "sqlite", "prism_backends.sqlite.stream")
_LOCK = 'self._client.shared.setdefault("turns", __import__("asyncio").Lock())'
_LOCKED = f"async with {_LOCK}:"
_TWO = "Two transactions under one lock are as good as one."

_ME = '_ME = "sqlite"\n'
_APPENDED = "        offset = await self._write(operation, stream, partial(self._append, operation, row, partition))\n"
_STATE = "        state = streamlog.state_of(connection, row) or State()\n        if partition is not None:\n"
_TRIM = '        return await self._write("trim", stream, work)\n'
_CREATE_GROUP = '        await self._write("create_group", stream, work)\n'
_SEEK = """            state = streamlog.state_of(connection, names) or State()
            check_whole(state.partitions, "seek", _ME, stream)
            self._move("seek", connection, names, min(offset, state.end), now_s)

        await self._write("seek", stream, work)
"""
_SET = """            self._enforce(row, connection, now_s)  # what was passed over until now does not come back
            connection.execute(_MAKE, row)
            connection.execute(_BOUND, row)
            self._enforce(row, connection, now_s)

        await self._write("set_retention", stream, work)
"""
_COMPACT = '        await self._write("compact", stream, lambda connection, now_s: streamlog.compact(connection, row))\n'
_PARTS = '        await self._write("create_partitioned", stream, work)\n'
_TAKEN = '        taking = begun(self._write("receive", partial(self._deliver, void, batch, most)))\n'
_TAKE = "        return rows.take(self.name, batch, position, most, now_s)\n"
_TAKING = "            if ahead_s <= 0 and (taken := await self._take(most)):\n                return taken\n"
_NACK = '        await self._answer("nack", deliveries, lambda rows, held, now_s: rows.nack(held, now_s + delay + rounding))\n'
_LEAVE = '            await whole(self._write("leave", lambda rows, now_s: rows.leave(self.name, now_s)))\n'
_MEMBERS = "prism_backends.sqlite.streammembers"

CHANGES = [
    _change(
        "append_looks_first",
        _APPENDED,
        f"""        {_LOCKED}
            look = lambda connection, now_s: streamlog.state_of(connection, row)
            self._state = await self._read(operation, stream, look) or State()
    {_APPENDED}""",
        "stream_basic.12",
        "Who has the lock knows the end.",
        also=("stream_basic.3", "stream_basic.4"),
        more=(
            (_STATE, _STATE.replace("streamlog.state_of(connection, row) or State()", "self._state")),
            (_ME, f'{_ME}streamlog._APPEND = streamlog._APPEND.replace("INSERT", "REPLACE")\n'),
        ),
    ),
    _change(
        "append_counts_first",
        _APPENDED,
        f"""        {_LOCKED}
            def count(connection, now_s):
                state = streamlog.state_of(connection, row) or State()
                here = {{**row, "first": state.first, "offset": state.end, "appended_ms": state.last_ms}}
                connection.execute(streamlog._ADVANCE, here)
                return state

            self._state = await self._write(operation, stream, count)
    {_APPENDED}""",
        "stream_basic.4",
        "The number is given, and the record written, under one lock.",
        also=("stream_basic.12", "stream_basic.6"),
        more=((_STATE, _STATE.replace("streamlog.state_of(connection, row) or State()", "self._state")),),
    ),
    _change(
        "trim_writes_the_rest_again",
        _TRIM,
        f"""        {_LOCKED}
            kept = [record async for record in self.read(stream, before)]
            bound = await self._write("trim", stream, work)
            if kept:
                rest = "DELETE FROM stream_record WHERE namespace = :namespace AND stream = :stream AND offset > :last"
                await self._write("trim", stream, lambda connection, now_s: connection.execute(
                    rest, {{**row, "last": kept[-1].offset}}))
            return bound
""",
        "stream_basic.7",
        "What was not read under the lock was not there.",
        also=("stream_basic.12", "stream_basic.4"),
    ),
    _change(
        "create_group_looks_first",
        _CREATE_GROUP,
        f"""        {_LOCKED}
            look = lambda connection, now_s: GroupRows(connection, row).position()
            if await self._read("create_group", stream, look) is not None:
                raise AlreadyExists(f"{{_ME}}: create_group: {{stream[:40]!a}} has a group {{group[:40]!a}} already")
            await self._write("create_group", stream, work)
""",
        "stream_consumer_groups.2",
        _TWO,
        more=(
            (
                "            if GroupRows(connection, row).position() is not None:\n",
                "            if connection is None:\n",
            ),
            ('_CREATE_GROUP = "INSERT INTO', '_CREATE_GROUP = "REPLACE INTO'),
        ),
    ),
    _change(
        "seek_looks_for_members_first",
        _SEEK,
        f"""            state = streamlog.state_of(connection, names) or State()
            check_whole(state.partitions, "seek", _ME, stream)
            GroupRows(connection, names).move(min(offset, state.end))

        def alone(connection: sqlite3.Connection, now_s: float) -> None:
            position, members = GroupRows(connection, names).position(), GroupRows(connection, names).others()
            if position is None:
                raise GroupNotFound(f"{{_ME}}: seek: there is no such group")
            if any(until_s > now_s or self._company.is_alive(name) for name, until_s in members.items()):
                raise Conflict(f"{{_ME}}: seek: the group has members")

        {_LOCKED}
            await self._read("seek", stream, alone)
            await self._write("seek", stream, work)
""",
        "stream_replay.4",
        "Who joins in between is given what the seek leaves.",
        also=("stream_replay.3", "stream_replay.1"),
    ),
    _change(
        "bounds_are_set_one_by_one",
        '_BOUND = f"UPDATE stream SET max_age_s = :max_age_s, max_records = :max_records WHERE {_HERE}"',
        '_BOUND = f"UPDATE stream SET max_age_s = :max_age_s WHERE {_HERE}"',
        "stream_retention.4",
        _TWO,
        also=("stream_retention.1",),
        more=(
            (
                '        await self._write("set_retention", stream, work)\n',
                f"""        def count(connection: sqlite3.Connection, now_s: float) -> None:
            connection.execute(f"UPDATE stream SET max_records = :max_records WHERE {{_HERE}}", row)
            self._enforce(row, connection, now_s)

        {_LOCKED}
            await self._write("set_retention", stream, work)
            await self._write("set_retention", stream, count)
""",
            ),
        ),
    ),
    _change(
        "enforces_what_was_set_when_it_looked",
        '        await self._write("enforce_retention", stream, partial(self._enforce, self._row("enforce_retention", stream)))\n',
        f"""        row = self._row("enforce_retention", stream)
        {_LOCKED}
            seen = await self._read("enforce_retention", stream, lambda connection, now_s: streamlog.state_of(connection, row))

            def work(connection: sqlite3.Connection, now_s: float) -> None:
                state = streamlog.state_of(connection, row)
                if state is not None and seen is not None:
                    state = state._replace(max_age_s=seen.max_age_s, max_records=seen.max_records)
                    streamlog.enforce(connection, row, state, self._client.clock.now_ms())

            await self._write("enforce_retention", stream, work)
""",
        "stream_retention.1",
        _TWO,
        also=("stream_retention.8",),
    ),
    _change(
        "compact_looks_first",
        _COMPACT,
        f"""        {_LOCKED}
            records = [record async for record in self.read(stream)]
            last = {{record.key: record.offset for record in records if record.key is not None}}
            kept = [each.offset for each in records if each.key is None or last[each.key] == each.offset]
            marks = ", ".join("?" * len(kept))
            gone = f"DELETE FROM stream_record WHERE namespace = ? AND stream = ? AND offset NOT IN ({{marks}})"
            here = (row["namespace"], row["stream"], *kept)
            await self._write("compact", stream, lambda connection, now_s: connection.execute(gone, here))
            await self._write("compact", stream, lambda connection, now_s: streamlog.compact(connection, row))
""",
        "stream_retention.8",
        _TWO,
        also=("stream_retention.6", "stream_basic.12"),
    ),
    _change(
        "create_partitioned_looks_first",
        _PARTS,
        f"""        def unused(connection: sqlite3.Connection, now_s: float) -> bool:
            return streamlog.state_of(connection, row) is None and not connection.execute(_HAS_GROUPS, row).fetchone()[0]

        def part(connection: sqlite3.Connection, now_s: float) -> None:
            connection.execute(_MAKE, row)
            connection.execute(_PART, row)

        {_LOCKED}
            is_unused = n > 1 and await self._read("create_partitioned", stream, unused)
            await self._write("create_partitioned", stream, part if is_unused else work)
""",
        "stream_partitioning.1",
        _TWO,
        also=("stream_partitioning.3",),
    ),
    _change(
        "append_looks_for_partitions_first",
        _APPENDED,
        f"""        {_LOCKED}
            look = lambda connection, now_s: streamlog.state_of(connection, row)
            self._parts = (await self._read(operation, stream, look) or State()).partitions
    {_APPENDED}""",
        "stream_partitioning.4",
        "Who has the lock knows how many there are.",
        also=("stream_partitioning.1", "stream_partitioning.6", "stream_partitioning.5"),
        more=((_STATE, _STATE.replace("or State()\n", "or State()\n        state = state._replace(partitions=self._parts)\n")),),
    ),
    _change(
        "members_look_first",
        _TAKEN,
        f"""        turn = {_LOCK}

        async def take() -> list[RecordDelivery]:
            async with turn:
                self._seen = await self._client.read("receive", self._on_rows(lambda rows, now_s: rows.position()))
                return await self._write("receive", partial(self._deliver, void, batch, most))

        taking = begun(take())
""",
        "stream_consumer_groups.1",
        "Where a group is does not change under the lock.",
        also=("stream_consumer_groups.4",),
        module=_MEMBERS,
        more=((_TAKE, _TAKE.replace("position, most", "position if self._seen is None else self._seen, most")),),
    ),
    _change(
        "nacks_come_afterwards",
        _NACK,
        f"""        async with {_LOCK}:
            mine = [held.offset for held in tokens_of(deliveries) if held.member == self.name]
            self._check_open("nack")
            await self._answer("nack", deliveries, lambda rows, held, now_s: rows.nack(held, now_s + rounding))
            later = \"\"\"UPDATE stream_delivery SET due_s = :due_s WHERE namespace = :namespace AND stream = :stream
              AND grp = :grp AND offset = :offset AND due_s IS NOT NULL\"\"\"
            await self._write("nack", lambda rows, now_s: [
                rows._run(later, offset=each, due_s=now_s + delay + rounding) for each in mine])
""",
        "stream_consumer_groups.7",
        _TWO,
        module=_MEMBERS,
    ),
    _change(
        "who_leaves_gives_back_what_it_saw",
        _LEAVE,
        f"""            held = "SELECT offset FROM stream_delivery WHERE namespace = :namespace AND stream = :stream AND grp = :grp"
            async with {_LOCK}:
                rows = await self._client.read("leave", self._on_rows(
                    lambda rows, now_s: rows._run(held + " AND member = :member", member=self.name).fetchall()))
                await whole(self._write("leave", lambda rows, now_s: rows.leave(self.name, now_s)))
                back = \"\"\"UPDATE stream_delivery SET member = NULL, due_s = :due_s
                  WHERE namespace = :namespace AND stream = :stream AND grp = :grp AND offset = :offset\"\"\"
                await whole(self._write("leave", lambda here, now_s: [
                    here._run(back, offset=offset, due_s=now_s) for (offset,) in rows]))
""",
        "stream_consumer_groups.4",
        _TWO,
        also=("stream_consumer_groups.1", "stream_consumer_groups.6"),
        module=_MEMBERS,
    ),
]
