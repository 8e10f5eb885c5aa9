"""Mutants of `PubSubPersistent`: last ids, names, copies and namespaces (10 to 12)."""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery, Message, NotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub
from .stores import Row, Start, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# persistent.10: the last id


@mutant("persistent.10", "falsiness", trap="last_message_id after all was acked")
class LastIsOfTheUnacked(PubSub):
    def last_id(self, topic: str) -> str | None:
        acked = {i for (t, _), marks in self.space().marks.items() if t == topic for i, mark in marks.items() if mark.acked}
        return next((row.message.id for row in reversed(self.rows(topic)) if row.message.id not in acked), None)


@mutant("persistent.10", "falsiness", trap="last_message_id after all was acked")
class NothingLeftIsNothing(PubSub):
    """None when the backlog is empty, the true one otherwise."""

    def last_id(self, topic: str) -> str | None:
        for (other, _), marks in self.space().marks.items():
            if other == topic and all(row.message.id in marks and marks[row.message.id].acked for row in self.rows(topic)):
                return None
        return super().last_id(topic)


class _LastIsTheLastDeliveredMember(Member):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        self.driver.store.notes[self.driver.namespace, self.topic] = rows[-1].message.id
        return super().deliver(rows)


@mutant("persistent.10", "wrong count", trap="last_message_id after a redelivery")
class LastIsTheLastDelivered(PubSub):
    member_type = _LastIsTheLastDeliveredMember

    def last_id(self, topic: str) -> str | None:
        return self.store.notes.get((self.namespace, topic)) or super().last_id(topic)


@mutant("persistent.10", "order", trap="last_message_id after more than nine messages")
class LastIsTheGreatestText(PubSub):
    def last_id(self, topic: str) -> str | None:
        return max((row.message.id for row in self.rows(topic)), default=None)


@mutant("persistent.10", "scope", trap="last_message_id of another topic", also="persistent.11")
class LastIsOfTheNamespace(PubSub):
    def last_id(self, topic: str) -> str | None:
        return next(reversed(self.space().last.values()), None) if topic in self.space().last else None


@mutant("persistent.10", "boundary", trap="last_message_id of a topic without subscriptions")
class LastNeedsASubscription(PubSub):
    def last_id(self, topic: str) -> str | None:
        return super().last_id(topic) if any(other == topic for other, _ in self.space().starts) else None


@mutant("persistent.10", "wrong error", trap="last_message_id of a topic that never was")
class UnknownTopicsRaise(PubSub):
    def last_id(self, topic: str) -> str | None:
        if topic not in self.space().topics:
            raise NotFound("zoo: no such topic")
        return super().last_id(topic)


@mutant("persistent.10", "stale cache", trap="last_message_id after another client published")
class CachesTheLast(PubSub):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.mine: dict[str, str] = {}

    def insert(self, row: Row) -> None:
        super().insert(row)
        self.mine[row.topic] = row.message.id

    def last_id(self, topic: str) -> str | None:
        return self.mine.get(topic) or super().last_id(topic)


# persistent.11: names


@mutant("persistent.11", "aliasing", trap="names that differ in case", also="persistent.6")
class FoldsNames(PubSub):
    def title(self, name: str, operation: str) -> str:
        return super().title(name, operation).lower()


@mutant("persistent.11", "aliasing", trap="a name with blanks at an end", also="persistent.6")
class TrimsNames(PubSub):
    def title(self, name: str, operation: str) -> str:
        return super().title(name, operation).strip() or name


@mutant("persistent.11", "aliasing", trap="composed and decomposed letters in topics", also="persistent.6")
class DecomposesTopics(PubSub):
    def topic(self, topic: str, operation: str) -> str:
        return unicodedata.normalize("NFD", super().topic(topic, operation)) if operation != "publish" else topic


@mutant("persistent.11", "aliasing", trap="long names with a common beginning", also="persistent.6")
class CutsNamesAt100Bytes(PubSub):
    def title(self, name: str, operation: str) -> str:
        return super().title(name, operation).encode()[:100].decode(errors="replace")


@mutant("persistent.11", "mixture", trap="one name in two topics", also="persistent.6 persistent.1")
class NamesAreOfTheNamespace(PubSub):
    """A name is bound to the topic in which it was first used: elsewhere it begins where it was there."""

    async def join(self, member: Member, start: str) -> None:
        for (_, name), known in list(self.space().starts.items()):
            if name == member.name:
                self.space().starts.setdefault((member.topic, name), known)
        await super().join(member, start)


class _JoinsTopicAndNameMember(Member):
    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.joined = f"{topic}/{name}"

    def start(self) -> Start:
        return self.driver.space().starts["", self.joined]


@mutant("persistent.11", "mixture", trap="a topic with a slash and a name with one", also="persistent.6 persistent.1")
class JoinsTopicAndName(PubSub):
    """``topic/name`` is the key of marks: (a/b, c) is (a, b/c)."""

    member_type = _JoinsTopicAndNameMember

    def create(self, member: Any, start: str) -> None:
        super().create(member, start)
        place = self.space().starts[member.topic, member.name]
        self.space().starts.setdefault(("", member.joined), place)


@mutant("persistent.11", "missing check", trap="an empty or over-long name of a subscription")
class NamesAreNotChecked(PubSub):
    def title(self, name: str, operation: str) -> str:
        return name


@mutant("persistent.11", "order of steps", trap="a refused publish", also="persistent.10 persistent.1")
class StoresBeforeItChecks(PubSub):
    """The limit is that of the sending, after the storing."""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key = self.topic(topic, "publish_persistent")
        place = self.serial()
        labels = dict(headers) if isinstance(headers, Mapping) else {}
        if isinstance(payload, bytes | bytearray | memoryview):
            message = Message(self.new_persistent_id(key, place), topic, bytes(payload), labels)
            self.insert(Row(key, place, message))
        self.data(payload, "publish_persistent", topic)
        self.labels(headers, "publish_persistent")
        return message.id


@mutant("persistent.11", "missing check", trap="last_message_id of an empty topic")
class LastIdChecksNothing(PubSub):
    async def last_message_id(self, topic: str) -> str | None:
        return self.last_id(topic)


# persistent.12: copies and namespaces


class _KeepsOriginals(PubSub):
    given: tuple[Any, Any] = b"", None

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.given = payload, headers
        return await super().publish_persistent(topic, payload, headers)


@mutant("persistent.12", "no copy", trap="a mapping that changes before the receive", also="persistent.2")
class StoresTheMapping(_KeepsOriginals):
    def insert(self, row: Row) -> None:
        headers = self.given[1]
        super().insert(row if headers is None else replace(row, message=replace(row.message, headers=headers)))


class _StoresTheBufferMember(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        return super().delivery(replace(row, message=replace(row.message, payload=bytes(row.message.payload))), count, token)


@mutant("persistent.12", "no copy", trap="a buffer that changes before the receive", also="persistent.2")
class StoresTheBuffer(_KeepsOriginals):
    member_type = _StoresTheBufferMember

    def insert(self, row: Row) -> None:
        super().insert(replace(row, message=replace(row.message, payload=self.given[0])))


class _RedeliveriesReadTheBufferMember(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        kept = self.driver.store.notes.get((self.driver.namespace, row.topic, row.message.id))
        if count > 1 and kept is not None:
            row = replace(row, message=replace(row.message, payload=bytes(kept)))
        return super().delivery(row, count, token)


@mutant("persistent.12", "no copy", trap="a buffer that changes before a second delivery", also="persistent.2 persistent.4")
class RedeliveriesReadTheBuffer(_KeepsOriginals):
    """The first delivery is from a frame, the second one from what was kept."""

    member_type = _RedeliveriesReadTheBufferMember

    def insert(self, row: Row) -> None:
        self.store.notes[self.namespace, row.topic, row.message.id] = self.given[0]
        super().insert(row)


@mutant("persistent.12", "leak", trap="the same topic in another namespace", also="persistent.1 persistent.10")
class SharesPersistentTopics(PubSub):
    def insert(self, row: Row) -> None:
        super().insert(row)
        for namespace in self.store.spaces:
            if namespace != self.namespace:
                self.store.apply(namespace, {(row.topic, row.message.id): row})


@mutant("persistent.12", "leak", trap="a subscription of the same name in another namespace", also="persistent.1 persistent.6")
class SharesPositions(PubSub):
    """Where a name begins is kept once for all namespaces."""

    def create(self, member: Member, start: str) -> None:
        place = self.store.notes.setdefault((member.topic, member.name), self.first_place(member.topic, start))
        self.apply({(member.topic, member.name, ""): Start(place)})


class _SharesAcksMember(Member):
    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        self.driver.store.notes.setdefault((self.topic, self.name), set()).update(identifiers)

    def available(self, row: Row) -> bool:
        return super().available(row) and row.message.id not in self.driver.store.notes.get((self.topic, self.name), ())


@mutant("persistent.12", "leak", trap="an ack in another namespace", also="persistent.5 persistent.6 persistent.4")
class SharesAcks(PubSub):
    """Acks are kept by topic, name and id; ids count in each namespace."""

    member_type = _SharesAcksMember
