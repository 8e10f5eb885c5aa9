"""Wrong topics over tables: many who are told one after the other, producers that look alike, delays that meet, cleaning."""

import asyncio
from collections.abc import Mapping
from itertools import islice

from prism_testkit.interfaces import Message
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .tenth_declare import declaring_tenth
from .tenth_driver import OfficePubSub
from .tenth_office import Office, Row

__all__ = ["MUTANTS"]

_MUTANTS: list[Mutant] = []
mutant = declaring_tenth(_MUTANTS)


@mutant("persistent.14", "cancelled", "a publish that is cancelled between its two steps", also="persistent.10")
class LastIdIsSecond(OfficePubSub):
    """Stores a message in one step, and which one is the last in another."""

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        number = await super()._store(topic, key, payload, headers)
        await asyncio.sleep(0)
        self.office.notes[self.namespace, topic] = number
        return number

    async def last_message_id(self, topic: str) -> str | None:
        stored = await super().last_message_id(topic)
        return self.office.notes.get((self.namespace, topic)) if stored else None


@mutant(
    "ordering.10",
    "cancelled",
    "a keyed publish that is cancelled, to more than ten subscriptions",
    also="persistent.14 ordering.1",
)
class TellsTenOfAKey(OfficePubSub):
    """Tells ten subscriptions of a message with a key, lets others run, and tells the others."""

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        number = await super()._store(topic, key, payload, headers)
        if key is None:
            return number
        database = self.office.database
        late = database.execute(
            "SELECT d.subscription, d.seq, d.key FROM due AS d JOIN message AS m ON m.seq = d.seq WHERE m.id = ? "
            "ORDER BY d.subscription LIMIT -1 OFFSET 10",
            (number,),
        ).fetchall()
        database.executemany("DELETE FROM due WHERE subscription = ? AND seq = ?", [row[:2] for row in late])
        if late:
            await asyncio.sleep(0)
            database.executemany("INSERT INTO due VALUES (?, ?, ?, 0, 0, 0, '')", late)
            self.office.wake()
        return number


@mutant(
    "filtering.10",
    "cancelled",
    "a publish that is cancelled, to more than 30 subscriptions",
    also="basic.11 wildcards.9 filtering.8",
)
class TellsThirtyAtATime(OfficePubSub):
    """Lets others run after every thirty listeners."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        held: list[Message] = []
        tell, self.tell = self.tell, held.append  # type: ignore[method-assign, assignment]
        try:
            number = await super().publish(topic, payload, headers)
        finally:
            self.tell = tell  # type: ignore[method-assign]
        ears = iter(list(self.office.listeners.get(self.namespace, ())))
        while some := list(islice(ears, 30)):
            for ear in some:
                ear.hear(held[-1])
            self.office.wake()
            await asyncio.sleep(0)
        return number


@mutant("persistent.13", "identity", "equal messages that two clients publish by turns", also="persistent.2 persistent.1")
class SequencesOfPublishers(OfficePubSub):
    """Numbers what it stores, and takes for a repeat what has number and payload of the message before it."""

    count = 0

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        self.count += 1
        mark, before = (self.count, bytes(payload)), self.office.notes.get((self.namespace, topic))
        if before is not None and before[0] == mark:
            return str(before[1])
        number = await super()._store(topic, key, payload, headers)
        self.office.notes[self.namespace, topic] = (mark, number)
        return number


@mutant("ordering.2", "identity", "equal messages of one key that two clients publish by turns", also="ordering.1 persistent.13")
class OncePerKey(Office):
    """Does not store a message that equals the last one of its key, while that is due to all."""

    def store(self, row: Row) -> None:
        if row.key is not None:
            waits = self.database.execute(
                "SELECT 1 FROM message AS m JOIN due AS d ON d.seq = m.seq WHERE m.namespace = ? AND m.topic = ? AND m.key = ? "
                "AND m.payload = ? AND m.headers = ? AND d.count = 0 AND m.seq = (SELECT max(seq) FROM message WHERE key = m.key)",
                (row.namespace, row.topic, row.key, row.payload, self.packed(row.headers)),
            ).fetchone()
            if waits:
                return
        super().store(row)


@mutant("persistent.9", "wake-ups", "a delay that ends while a longer one of an earlier message goes on", also="persistent.8")
class WaitsForTheFirstRow(Office):
    """Waits for the delay of the first message that has one."""

    select_next_due = "SELECT due_s FROM due WHERE subscription = ? AND member = 0 AND due_s > ? UNION ALL SELECT NULL LIMIT 1"


@mutant("persistent.9", "wake-ups", "a message that is delayed for longer while another is", also="persistent.8 ordering.5")
class WaitsForAll(Office):
    """Waits until all delays are over."""

    select_next_due = "SELECT max(due_s) FROM due WHERE subscription = ? AND member = 0 AND due_s > ?"


@mutant(
    "persistent.12",
    "cleaning",
    "a subscription of one name in another namespace that is cleaned",
    also="persistent.1 persistent.5",
)
class CleansSubscriptionsByName(Office):
    """Cleans subscriptions by topic and name."""

    def clean(self, prefix: str) -> None:
        with self.transaction() as database:
            database.execute(
                "DELETE FROM subscription WHERE EXISTS (SELECT 1 FROM subscription AS s WHERE s.topic = subscription.topic "
                "AND s.name = subscription.name AND substr(s.namespace, 1, ?) = ?)",
                (len(prefix), prefix),
            )
        super().clean(prefix)


@mutant("basic.8", "cleaning", "a subscription in a namespace beside one that is cleaned", also="persistent.12 basic.1")
class CleansListeners(Office):
    """Cleaning lets go of everybody who listens."""

    def clean(self, prefix: str) -> None:
        super().clean(prefix)
        self.listeners.clear()


MUTANTS: tuple[Mutant, ...] = tuple(_MUTANTS)
