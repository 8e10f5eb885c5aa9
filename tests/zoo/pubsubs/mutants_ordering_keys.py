"""Mutants of `PubSubOrdering`: what an ack makes available, what a key holds up, and which keys are one (5 to 8)."""

import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery, InvalidName
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference_newer import NewerPubSub, OrderedMember
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# ordering.5: an ack makes the next one available at once


@mutant("ordering.5", "lost wake-up", trap="an ack while a receive waits")
class AcksWakeNobody(OrderedMember):
    def confirm(self, identifiers: list[str]) -> None:
        waiting, self.driver.store.waiting = self.driver.store.waiting, set()
        super().confirm(identifiers)
        self.driver.store.waiting = waiting


@mutant("ordering.5", "late", trap="a receive right after an ack")
class AKeyRestsForASecond(OrderedMember):
    """A lock is not given back, it ends."""

    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        keys = {row.key for row in self.driver.rows(self.topic) if row.message.id in identifiers and row.key is not None}
        rests = self.driver.store.notes.setdefault(("rests", self.topic, self.name), {})
        rests.update(dict.fromkeys(keys, self.driver.after(1)))

    def available(self, row: Row) -> bool:
        rests = self.driver.store.notes.get(("rests", self.topic, self.name), {})
        return super().available(row) and self.driver.over(rests.get(row.key, 0.0))

    def instants(self) -> list[float]:
        rests = self.driver.store.notes.get(("rests", self.topic, self.name), {})
        return [*super().instants(), *(rest for rest in rests.values() if not self.driver.over(rest))]


@mutant("ordering.5", "batch", trap="one ack, of two keys that came in one receive")
class AKeyIsFreeWhenItsBatchIsDone(OrderedMember):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        batch = {row.message.id for row in rows}
        for row in rows:
            self.driver.store.notes["batch", self.name, row.topic, row.key] = batch
        return super().deliver(rows)

    def available(self, row: Row) -> bool:
        batch = self.driver.store.notes.get(("batch", self.name, row.topic, row.key), set())
        busy = any(self.holder(identifier) is not None for identifier in batch)
        return super().available(row) and not (row.key is not None and busy)


@mutant("ordering.5", "stickiness", trap="an ack, and another member")
class AKeyStaysWithItsMember(OrderedMember):
    """Until that is left."""

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        for row in rows:
            self.driver.store.notes["member", self.name, row.topic, row.key] = self
        return super().deliver(rows)

    def available(self, row: Row) -> bool:
        owner = self.driver.store.notes.get(("member", self.name, row.topic, row.key))
        return super().available(row) and (row.key is None or owner is None or owner is self or owner.left)


@mutant("ordering.5", "missing step", trap="one ack of several", also="ordering.1")
class AnAckOfSeveralFreesTheFirst(OrderedMember):
    """The lock of one key is given back."""

    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        locked = self.driver.store.notes.setdefault(("locked", self.topic, self.name), set())
        locked.update(row.key for row in self.driver.rows(self.topic) if row.message.id in identifiers[1:])

    def available(self, row: Row) -> bool:
        locked = self.driver.store.notes.get(("locked", self.topic, self.name), ())
        return super().available(row) and (row.key is None or row.key not in locked)


@mutant("ordering.5", "stale cache", trap="an ack by another member, while a receive waits")
class LooksAtKeysOncePerReceive(OrderedMember):
    """What was held by another when the wait began counts as held until it ends."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        held = [row.key for row in self.pending() if row.key is not None and self.holder(row.message.id) is not None]
        self.busy = frozenset(held)
        try:
            return await super().receive(max_messages, timeout_s)
        finally:
            self.busy = frozenset()

    busy: frozenset[str | None] = frozenset()

    def next_ones(self, amount: int) -> list[Row]:
        return [row for row in super().next_ones(10**6) if row.key not in self.busy][:amount]


# ordering.6: a key holds up nothing else


@mutant("ordering.6", "head of line", trap="a held key, and another key")
class AHeldKeyHoldsUpTheTopic(OrderedMember):
    def next_ones(self, amount: int) -> list[Row]:
        found = []
        for row in self.heads():
            if not self.available(row):
                break
            found.append(row)
        return found[:amount]


@mutant("ordering.6", "missing case", trap="two messages without a key", also="ordering.1")
class NoKeyIsAKey(OrderedMember):
    def lane(self, row: Row) -> Any:
        return row.key or ""


@mutant("ordering.6", "window", trap="a hundred messages of a held key before another one")
class AHundredAreConsidered(OrderedMember):
    def pending(self) -> list[Row]:
        return super().pending()[:100]


@mutant("ordering.6", "hash", trap="more than a few keys", also="ordering.7")
class KeysFallIntoSixteenShards(OrderedMember):
    def lane(self, row: Row) -> Any:
        return None if row.key is None else zlib.crc32(row.key.encode()) % 16


@mutant("ordering.6", "hash", trap="some hundred keys", also="ordering.7")
class KeysFallInto1024Shards(OrderedMember):
    def lane(self, row: Row) -> Any:
        return None if row.key is None else zlib.crc32(row.key.encode()) % 1024


@mutant("ordering.6", "scope", trap="a delay of one key, and another key")
class ADelayHoldsUpTheTopic(OrderedMember):
    def available(self, row: Row) -> bool:
        return super().available(row) and not self.instants()


@mutant("ordering.6", "limit", trap="a member that holds one key")
class AMemberHoldsOneKey(OrderedMember):
    def next_ones(self, amount: int) -> list[Row]:
        keys = {row.key for row in self.pending() if row.message.id in self.held() and row.key is not None}
        found = [row for row in super().next_ones(10**6) if row.key is None or not keys]
        first = next((row for row in found if row.key is not None), None)
        return [row for row in found if row.key is None or row is first][:amount]


@mutant("ordering.6", "limit", trap="more than twenty keys that are held at once")
class TwentyKeysAtATime(OrderedMember):
    def next_ones(self, amount: int) -> list[Row]:
        busy = sum(row.key is not None and self.holder(row.message.id) is not None for row in self.pending())
        free = [row for row in super().next_ones(10**6) if row.key is not None][: max(0, 20 - busy)]
        return [row for row in super().next_ones(10**6) if row.key is None or row in free][:amount]


# ordering.7: which keys are one, and what is illegal


class _KeysAre(OrderedMember):
    def lane(self, row: Row) -> Any:
        return None if row.key is None else self.known(row.key)

    def known(self, key: str) -> Any:
        return key


@mutant("ordering.7", "folding", trap="keys in two cases", also="ordering.6")
class FoldsTheCaseOfKeys(_KeysAre):
    def known(self, key: str) -> Any:
        return key.casefold()


@mutant("ordering.7", "folding", trap="keys in two normal forms", also="ordering.6")
class FoldsTheFormOfKeys(_KeysAre):
    def known(self, key: str) -> Any:
        return unicodedata.normalize("NFKC", key)


@mutant("ordering.7", "folding", trap="keys with blanks around them", also="ordering.6")
class StripsKeys(_KeysAre):
    def known(self, key: str) -> Any:
        return key.strip()


@mutant("ordering.7", "truncation", trap="long keys that differ in their end", also="ordering.6")
class KeysHave128Characters(_KeysAre):
    def known(self, key: str) -> Any:
        return key[:128]


@mutant("ordering.7", "delimiters", trap="keys with a dot", also="ordering.6")
class AKeyIsWhatStandsBeforeADot(_KeysAre):
    def known(self, key: str) -> Any:
        return key.split(".")[0]


@mutant("ordering.7", "truth value", trap="the key 0 or none", also="ordering.3")
class ZeroIsNoKey(_KeysAre):
    def known(self, key: str) -> Any:
        return None if key.lower() in ("0", "none", "null", "false") else key


@mutant("ordering.7", "encoding", trap="keys beyond ASCII", also="ordering.6")
class KeysAreAscii(_KeysAre):
    def known(self, key: str) -> Any:
        return key.encode("ascii", "replace")


@mutant("ordering.7", "wrong field", trap="headers of a message with a key", also="ordering.1")
class TheKeyIsAHeader(NewerPubSub):
    def ordered_row(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None) -> Row:
        row = super().ordered_row(topic, ordering_key, payload, headers)
        return replace(row, message=replace(row.message, headers={**row.message.headers, "ordering-key": ordering_key}))


@mutant("ordering.7", "wrong field", trap="a header that has the name of the driver's own", also="ordering.1")
class AHeaderNamedKeyIsTheKey(NewerPubSub):
    """The key travels as a header, which is taken out again."""

    def ordered_row(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None) -> Row:
        row = super().ordered_row(topic, ordering_key, payload, headers)
        rest = {name: value for name, value in row.message.headers.items() if name.lower() not in ("key", "ordering_key")}
        return replace(row, message=replace(row.message, headers=rest))


@mutant("ordering.7", "missing check", trap="the empty key")
class TheEmptyKeyIsNone(NewerPubSub):
    def key(self, ordering_key: str) -> str:
        return ordering_key if ordering_key == "" else super().key(ordering_key)


@mutant("ordering.7", "missing check", trap="a key over the limit", also="ordering.6")
class LongKeysAreCut(NewerPubSub):
    def key(self, ordering_key: str) -> str:
        if isinstance(ordering_key, str) and ordering_key.isascii():
            ordering_key = ordering_key[: self.limits.max_name]
        return super().key(ordering_key)


@mutant("ordering.7", "boundary", trap="a key at the limit")
class KeysStayBelowTheLimit(NewerPubSub):
    def key(self, ordering_key: str) -> str:
        if len(super().key(ordering_key).encode()) >= self.limits.max_name:
            raise InvalidName("zoo: publish_ordered: the key is too long")
        return ordering_key


@mutant("ordering.7", "order of steps", trap="an illegal key, and what is received after that")
class KeysAreCheckedBehindTheEffect(NewerPubSub):
    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        try:
            super().key(ordering_key)
        except InvalidName:
            await self.publish_persistent(topic, payload, headers)
            raise
        return await super().publish_ordered(topic, ordering_key, payload, headers)


@mutant("ordering.7", "wrong key", trap="one key under two topics", also="ordering.6 ordering.8")
class AKeyIsOneUnderAllTopics(OrderedMember):
    def available(self, row: Row) -> bool:
        held = self.driver.store.holds
        for topic in self.driver.space().topics:
            for other in self.driver.rows(topic) if topic != self.topic else ():
                if other.key == row.key is not None and (self.driver.namespace, topic, self.name, other.message.id) in held:
                    return False
        return super().available(row)


# ordering.8: subscriptions are independent


@mutant("ordering.8", "scope", trap="a key that is held in another subscription", also="ordering.6")
class AKeyIsHeldInAllSubscriptions(OrderedMember):
    def available(self, row: Row) -> bool:
        keys = {other.message.id for other in self.driver.rows(self.topic) if other.key == row.key is not None}
        held = any(
            slot[:2] == (self.driver.namespace, self.topic) and slot[3] in keys and slot[2] != self.name
            for slot in self.driver.store.holds
        )
        return super().available(row) and not held


@mutant("ordering.8", "scope", trap="a message that was acked in another subscription", also="ordering.3")
class AnAckFreesTheKeyEverywhere(OrderedMember):
    """A message that was acked in any subscription holds up nothing in this one."""

    def heads(self) -> list[Row]:
        marks = self.driver.space().marks
        done = {i for slot, known in marks.items() if slot[0] == self.topic for i, mark in known.items() if mark.acked}
        found, seen = [], set()
        for row in self.pending():
            if row.key is None or row.key not in seen:
                found.append(row)
            if row.message.id not in done:
                seen.add(row.key)
        return found


@mutant("ordering.8", "leak", trap="a nack with a delay in another subscription", also="ordering.6")
class ADelayHoldsInAllSubscriptions(OrderedMember):
    def available(self, row: Row) -> bool:
        marks = self.driver.space().marks
        dues = [known[row.message.id].due for slot, known in marks.items() if slot[0] == self.topic and row.message.id in known]
        return super().available(row) and (row.key is None or all(map(self.driver.over, dues)))

    def instants(self) -> list[float]:
        marks = self.driver.space().marks
        dues = [mark.due for slot, known in marks.items() if slot[0] == self.topic for mark in known.values()]
        return [due for due in dues if not self.driver.over(due)]


@mutant("ordering.8", "boundary", trap="a subscription that begins with new, after a message of the key")
class NewWaitsForWhatWasBefore(OrderedMember):
    def pending(self) -> list[Row]:
        return [row for row in self.driver.rows(self.topic) if not self.mark(row.message.id).acked]


@mutant("ordering.8", "concatenation", trap="subscription c of topic ab, and subscription bc of topic a", also="ordering.6")
class LocksJoinTopicAndName(OrderedMember):
    def available(self, row: Row) -> bool:
        for space, topic, name, identifier in list(self.driver.store.holds):
            other = self.driver.space().topics.get(topic, {}).get(identifier)
            same = space == self.driver.namespace and topic + name == self.topic + self.name and name != self.name
            if same and other is not None and other.key == row.key is not None:
                return False
        return super().available(row)
