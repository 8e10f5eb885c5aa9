"""Mutants that claim ``durability="process"`` and lose something of ordering keys when the process is killed (ordering.11)."""

from dataclasses import replace
from typing import Any

from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference_newer import FileNewerPubSub, NewerPubSub, OrderedMember
from .stores import Changes, FileStore, Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("ordering.11", "empty claim", trap="kill", also="ordering.1")
class KeysOnlyInMemory(NewerPubSub):
    """Claims what it does not even try."""

    traits = Traits(durability="process", ack_survives_kill="yes")


class _KeylessLog(FileStore):
    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, {s: replace(x, key=None) if isinstance(x, Row) else x for s, x in changes.items()})


@mutant("ordering.11", "missing field", trap="kill while two of a key were not acked", also="ordering.3", store=_KeylessLog)
class KeysAreNotLogged(FileNewerPubSub):
    """After a kill every message is without a key."""


class _RehashedLog(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        wrong = {s: replace(x, key=f"{x.key}!") if isinstance(x, Row) and x.key is not None else x for s, x in changes.items()}
        super().replay(namespace, wrong)


@mutant("ordering.11", "seed", trap="kill, and then another message of a key", also="ordering.3 ordering.2", store=_RehashedLog)
class KeysAreHashedWithTheSeedOfTheProcess(FileNewerPubSub):
    """A key is stored as a number that another process does not get again: a later message stands in another line."""


class _OrderLost(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, changes)
        for topic in {slot[0] for slot, thing in changes.items() if isinstance(thing, Row)}:
            rows = self.spaces[namespace].topics[topic]
            self.spaces[namespace].topics[topic] = dict(sorted(rows.items()))


@mutant("ordering.11", "sorting", trap="kill with more than nine messages of a key", also="ordering.2", store=_OrderLost)
class TheLogIsReadByName(FileNewerPubSub):
    """What was stored comes back in the order of its ids as texts."""


class _Backwards(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, changes)
        space = self.spaces[namespace]
        for slot, thing in changes.items():
            if isinstance(thing, Mark) and not thing.acked and thing.count and slot[2] in space.topics.get(slot[0], {}):
                rows = space.topics[slot[0]]
                rows[slot[2]] = rows.pop(slot[2])


@mutant("ordering.11", "order", trap="kill while one of several is held", also="ordering.4", store=_Backwards)
class WhatWasHeldComesBackLast(FileNewerPubSub):
    """What was on its way at the kill is stored again, at the end."""


class _Forgetful(FileStore):
    """What was delivered before the kill holds up nothing after it."""

    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, changes)
        self.notes.setdefault("old", set()).update(
            (namespace, *slot) for slot, thing in changes.items() if isinstance(thing, Mark) and thing.count and not thing.acked
        )


class _FreeAfterAKill(OrderedMember):
    def lane(self, row: Row) -> Any:
        old = (self.driver.namespace, self.topic, self.name, row.message.id) in self.driver.store.notes.get("old", ())
        return None if old else super().lane(row)


@mutant("ordering.11", "lost state", trap="kill while one of several is held", also="ordering.3", store=_Forgetful)
class LocksAreNotRestored(FileNewerPubSub):
    member_type = _FreeAfterAKill
