"""Wrong drivers over a SQLite file that processes share: what members of other processes hold while one of them dies, or looks."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_members = partial(Change, backend="sqlite", module="prism_backends.sqlite.members")
_listeners = partial(Change, backend="sqlite", module="prism_backends.sqlite.listening")
_streams = partial(Change, backend="sqlite", module="prism_backends.sqlite.streammembers")

CHANGES = [
    _members(
        name="sqlite_durable_death_frees_everybody",
        before="(SELECT member FROM pubsub_members WHERE durable = :durable AND owner = :owner)",
        after="(SELECT member FROM pubsub_members WHERE durable = :durable)",
        promise="pubsub_persistent.7",
        why="a subscription with a dead member is put in order as a whole",
    ),
    _members(
        name="sqlite_durable_death_parts_everybody",
        before='"DELETE FROM pubsub_members WHERE durable = :durable AND owner = :owner"',
        after='"DELETE FROM pubsub_members WHERE durable = :durable"',
        promise="pubsub_persistent.7",
        also=("pubsub_persistent.4", "pubsub_persistent.16"),
        why="whoever lives joins again",
    ),
    _listeners(
        name="sqlite_listeners_go_with_the_dead",
        before='_FORGET = "DELETE FROM pubsub_listeners WHERE namespace = :namespace AND owner = :owner"',
        after='_FORGET = "DELETE FROM pubsub_listeners WHERE namespace = :namespace"',
        promise="pubsub_basic.4",
        also=("pubsub_basic.1",),
        why="the rows of the dead are the old ones",
    ),
    _listeners(
        name="sqlite_listeners_of_the_dead_fail_others",
        before='_trim(connection, {"namespace": namespace, "topic": topic})',
        after='_trim(connection, {"topic": topic})',
        promise="pubsub_basic.4",
        why="a path that runs only where a process died while it listened",
    ),
    _streams(
        name="sqlite_stream_strangers_are_dead",
        before="if until_s <= now_s and not self._company.is_alive(name):",
        after="if not self._company.is_alive(name):",
        promise="stream_consumer_groups.4",
        why="who is not in the company is gone",
    ),
]
