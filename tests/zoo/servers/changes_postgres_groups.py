"""Wrong drivers of consumer groups over a real PostgreSQL."""

from .change import Change

__all__ = ["CHANGES"]

_SQL = "prism_backends.postgres.stream_sql"
_MEMBERS = "prism_backends.postgres.streammembers"

CHANGES = [
    Change(
        name="postgres_trim_leaves_what_was_nacked",
        backend="postgres",
        module=_SQL,
        before="    DELETE FROM stream_delivery WHERE {_HERE} AND pos < bound AND member IS NULL;\n",
        after="",
        promise="stream_consumer_groups.12",
        why="the take finds no record to it; but the row takes a place in the line",
    ),
    Change(
        name="postgres_nack_leaves_what_was_trimmed",
        backend="postgres",
        module=_SQL,
        before="""    WHERE {_GROUP} AND {_HELD};
  PERFORM stream_forget(mine, name, team);
  RETURN EXISTS""",
        after="""    WHERE {_GROUP} AND {_HELD};
  RETURN EXISTS""",
        promise="stream_consumer_groups.12",
        also=("stream_consumer_groups.11",),
        why="trim deletes what it removes, but not what is held then",
    ),
    Change(
        name="postgres_leave_leaves_what_was_trimmed",
        backend="postgres",
        module=_SQL,
        before="""WHERE {_GROUP} AND member = who;
  PERFORM stream_forget(mine, name, team);
END $$;
CREATE FUNCTION stream_void""",
        after="""WHERE {_GROUP} AND member = who;
END $$;
CREATE FUNCTION stream_void""",
        promise="stream_consumer_groups.12",
        also=("stream_consumer_groups.5", "stream_consumer_groups.11"),
        why="trim deletes what it removes, but not what is held then",
    ),
    Change(
        name="postgres_group_beyond_the_end_begins_at_it",
        backend="postgres",
        module=_SQL,
        before="WHEN 'earliest' THEN coalesce(head.first, 1) ELSE number END)",
        after="WHEN 'earliest' THEN coalesce(head.first, 1) ELSE least(number, coalesce(head.next, 1)) END)",
        promise="stream_consumer_groups.1",
        also=("stream_consumer_groups.11",),
        why="as a seek beyond the end does",
    ),
    Change(
        name="postgres_create_group_looks_before_it_makes",
        backend="postgres",
        module=_SQL,
        before="""  SELECT first, next INTO head FROM stream WHERE {_HERE};
  INSERT INTO stream_group""",
        after="""  IF EXISTS (SELECT 1 FROM stream_group WHERE {_GROUP}) THEN
    RETURN false;
  END IF;
  SELECT first, next INTO head FROM stream WHERE {_HERE};
  INSERT INTO stream_group""",
        more=(("    ON CONFLICT DO NOTHING;\n  RETURN FOUND;\n", "    ;\n  RETURN true;\n"),),
        promise="stream_consumer_groups.2",
        why="ON CONFLICT seemed clever; of two at once the second breaks the key, which becomes BackendUnavailable",
    ),
    Change(
        name="postgres_take_does_not_lock_the_group",
        backend="postgres",
        module=_SQL,
        before="SELECT position INTO place FROM stream_group WHERE {_GROUP} FOR UPDATE;",
        after="SELECT position INTO place FROM stream_group WHERE {_GROUP};",
        promise="stream_consumer_groups.4",
        also=("stream_consumer_groups.1", "stream_consumer_groups.5"),
        why="the rows of deliveries have a key, which two cannot insert; but it is updated",
    ),
    Change(
        name="postgres_position_goes_back_with_what_comes_again",
        backend="postgres",
        module=_SQL,
        before="WHERE {_GROUP} AND position <= (SELECT max(pos) FROM taken)",
        after="WHERE {_GROUP} AND EXISTS (SELECT 1 FROM taken)",
        promise="stream_consumer_groups.6",
        also=("stream_consumer_groups.4", "stream_consumer_groups.11", "stream_consumer_groups.5"),
        why="the position is behind what was taken last",
    ),
    Change(
        name="postgres_look_sees_nothing_that_comes_again",
        backend="postgres",
        module=_SQL,
        before="""    OR EXISTS (SELECT 1 FROM stream_delivery WHERE namespace = $1 AND stream = $2 AND grp = $3
      AND member IS NULL AND due <= clock_timestamp())
""",
        after="",
        promise="stream_consumer_groups.10",
        also=("stream_consumer_groups.5", "stream_consumer_groups.7"),
        why="one who waits looks for new records; what comes again comes with his next receive",
    ),
    Change(
        name="postgres_look_sees_no_dead_members",
        backend="postgres",
        module=_SQL,
        before="""      AND member IS NULL AND due <= clock_timestamp())
    OR EXISTS (SELECT 1 FROM stream_member WHERE namespace = $1 AND stream = $2 AND grp = $3
      AND until <= clock_timestamp() AND NOT member = ANY ($5::text[]))\"\"\"
""",
        after="""      AND member IS NULL AND due <= clock_timestamp() AND $5::text[] IS NOT NULL)\"\"\"
""",
        promise="stream_consumer_groups.5",
        also=("stream_consumer_groups.10",),
        why="a take looks for the dead; a receive that waits does not take",
    ),
    Change(
        name="postgres_cancelled_receive_gives_back_all",
        backend="postgres",
        module=_SQL,
        before="    WHERE {_GROUP} AND member = who AND batch = ANY (lost);",
        after="    WHERE {_GROUP} AND member = who;",
        promise="stream_consumer_groups.4",
        also=("stream_consumer_groups.14",),
        why="a receive that is cancelled holds nothing; but its member may",
    ),
    Change(
        name="postgres_cancelled_receive_is_forgotten",
        backend="postgres",
        module=_MEMBERS,
        before="            self._lost.add(batch)\n            await ended(taking)\n            await ended(begun(self",
        after="            await ended(taking)\n            await ended(begun(self",
        promise="stream_consumer_groups.14",
        also=("stream_consumer_groups.11",),
        why="a statement that is cancelled has taken nothing; this one went on",
    ),
    Change(
        name="postgres_receive_gives_as_many_again",
        backend="postgres",
        module=_SQL,
        before="    ) AS record ORDER BY pos LIMIT most\n  ), taken",
        after="    ) AS record ORDER BY pos\n  ), taken",
        promise="stream_consumer_groups.10",
        why="either half is limited already",
    ),
    Change(
        name="postgres_ack_does_not_wait_for_the_answer",
        backend="postgres",
        module=_MEMBERS,
        before="            if not (await self._run(operation, statement, places, batches, *arguments))[0][0]:\n"
        "                refused = list(deliveries)\n",
        after="            answer = asyncio.ensure_future(self._run(operation, statement, places, batches, *arguments))\n"
        "            answer.add_done_callback(lambda done: done.cancelled() or done.exception())\n",
        promise="stream_consumer_groups.6",
        also=(
            "stream_consumer_groups.5",
            "stream_consumer_groups.8",
            "stream_consumer_groups.11",
            "stream_consumer_groups.17",
        ),
        why="an acknowledgement need not be awaited",
    ),
    Change(
        name="postgres_deliveries_are_not_logged",
        backend="postgres",
        module=_SQL,
        before="CREATE TABLE stream_delivery (",
        after="CREATE UNLOGGED TABLE stream_delivery (",
        promise="stream_consumer_groups.16",
        also=("stream_consumer_groups.5",),
        why="what is held is held by members, who die with the server; but the position is behind it",
    ),
    Change(
        name="postgres_dead_members_keep_what_they_hold",
        backend="postgres",
        module=_SQL,
        before="    PERFORM stream_leave(mine, name, team, gone);\n",
        after="    DELETE FROM stream_member WHERE {_GROUP} AND member = gone;\n",
        promise="stream_consumer_groups.5",
        why="the dead are removed; what they held has their name for ever",
    ),
    Change(
        name="postgres_info_says_where_what_was_acked_ends",
        backend="postgres",
        module=_SQL,
        before="    greatest(position, coalesce(head.first, 0))\n",
        after="    coalesce((SELECT min(pos) FROM stream_delivery WHERE {_GROUP}), greatest(position, coalesce(head.first, 0)))\n",
        promise="stream_consumer_groups.11",
        why="as a committed offset: everything before it is done with",
    ),
]
