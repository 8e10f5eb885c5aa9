"""Mutants of two things together that only a kill shows: keys beside messages without one, several subscriptions, several marks."""

from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference_newer import FileNewerPubSub, OrderedMember
from .stores import Changes, FileStore, Mark, Row, Start

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Logs(FileStore):
    """What is not written down of a change is kept in memory all the same."""

    def logged(self, slot: Any, thing: Any) -> Any:
        raise NotImplementedError

    def write(self, namespace: str, changes: Changes) -> None:
        kept = {slot: self.logged(slot, thing) for slot, thing in changes.items()}
        super().write(namespace, {slot: thing for slot, thing in kept.items() if thing is not None})

    def row(self, slot: Any) -> Row | None:
        """Return the message of a mark."""
        return next((space.topics.get(slot[0], {}).get(slot[2]) for space in self.spaces.values() if slot[0] in space.topics), None)


class AcksOfTheKeyedAreNotLogged(_Logs):
    def logged(self, slot: Any, thing: Any) -> Any:
        row = self.row(slot) if isinstance(thing, Mark) else None
        return None if isinstance(thing, Mark) and thing.acked and row is not None and row.key is not None else thing


class KeysAreLoggedForTheFirstOfEach(_Logs):
    def logged(self, slot: Any, thing: Any) -> Any:
        if isinstance(thing, Row) and thing.key is not None:
            seen = self.notes.setdefault("keys", set())
            again = (thing.topic, thing.key) in seen
            seen.add((thing.topic, thing.key))
            return replace(thing, key=None) if again else thing
        return thing


class KeyedMessagesAreLoggedWithoutHeaders(_Logs):
    def logged(self, slot: Any, thing: Any) -> Any:
        if isinstance(thing, Row) and thing.key is not None:
            return replace(thing, message=replace(thing.message, headers={}))
        return thing


class ASecondSubscriptionBeginsAnew(_Logs):
    """Of the subscriptions of a topic the first is written down as it began, each other one as from the earliest."""

    def logged(self, slot: Any, thing: Any) -> Any:
        if isinstance(thing, Start):
            first = self.notes.setdefault(("first", slot[0]), slot[1])
            return thing if first == slot[1] else Start(0)
        return thing


class CountsOfTheKeyedAreNotLogged(_Logs):
    def logged(self, slot: Any, thing: Any) -> Any:
        row = self.row(slot) if isinstance(thing, Mark) else None
        return replace(thing, count=0) if isinstance(thing, Mark) and row is not None and row.key is not None else thing


class DelaysAreLoggedOfTheFirstNackOnly(_Logs):
    """A second nack of a message is written down without its delay; and so it comes at once behind a kill, before others."""

    def logged(self, slot: Any, thing: Any) -> Any:
        if isinstance(thing, Mark) and thing.acked and thing.count > 1:
            return replace(thing, acked=False)
        return thing


def _driver(store: type[FileStore], promise: str, kind: str, trap: str, also: str) -> None:
    made = type(store.__name__, (FileNewerPubSub,), {"__module__": __name__, "__doc__": store.__doc__})
    mutant(promise, kind, trap=trap, also=also, store=store)(made)


_driver(
    AcksOfTheKeyedAreNotLogged, "persistent.5", "missing case", "kill after an ack of a keyed message", "ordering.11 persistent.16"
)
_driver(KeysAreLoggedForTheFirstOfEach, "ordering.11", "missing case", "kill after several of one key", "ordering.3 persistent.16")
_driver(
    KeyedMessagesAreLoggedWithoutHeaders,
    "ordering.11",
    "missing step",
    "kill after a keyed message with headers",
    "persistent.16 ordering.7",
)
_driver(
    ASecondSubscriptionBeginsAnew,
    "persistent.16",
    "missing case",
    "kill after a second subscription from new",
    "persistent.1 persistent.5",
)
_driver(
    CountsOfTheKeyedAreNotLogged,
    "persistent.4",
    "missing case",
    "kill after a delivery of a keyed message",
    "ordering.11 persistent.16",
)
_driver(
    DelaysAreLoggedOfTheFirstNackOnly,
    "persistent.5",
    "missing case",
    "kill after an ack of what came twice",
    "persistent.16 ordering.11",
)


@mutant(
    "persistent.5",
    "missing case",
    trap="kill after an ack of several, of which one was acked before",
    also="persistent.16",
    store=FileStore,
)
class AnAckEndsAtWhatWasAcked(FileNewerPubSub):
    class _Acking(OrderedMember):
        def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
            self.check_open(operation)
            found: list[str] = []
            for delivery in deliveries:
                if not self.holds(delivery):
                    break
                found.append(delivery.message.id)
            return found

    member_type = _Acking
