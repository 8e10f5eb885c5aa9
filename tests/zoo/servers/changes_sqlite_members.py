"""Wrong drivers over a SQLite file that processes share: what members of other processes hold while one of them dies, or looks."""

from functools import partial

from .change import Change

__all__ = ["CHANGES"]

_members = partial(Change, backend="sqlite", module="prism_backends.sqlite.members")
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
    _streams(
        name="sqlite_stream_strangers_are_dead",
        before="if until_s <= now_s and not self._company.is_alive(name):",
        after="if not self._company.is_alive(name):",
        promise="stream_consumer_groups.4",
        why="who is not in the company is gone",
    ),
]
