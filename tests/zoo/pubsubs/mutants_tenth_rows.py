"""Wrong topics over tables: what is durable, and the order of keys."""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from prism_testkit.interfaces import Delivery
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .tenth_declare import declaring_tenth
from .tenth_driver import Holder, OfficePubSub
from .tenth_office import FileOffice, Office, Row

__all__ = ["MUTANTS"]

_MUTANTS: list[Mutant] = []
mutant = declaring_tenth(_MUTANTS)


@mutant("persistent.1", "state", "a subscription that acked all and is opened again with earliest", also="persistent.5")
class ExistsWhileDue(Office):
    """Takes a subscription to which nothing is due for a new one."""

    def subscription(self, namespace: str, topic: bytes, name: bytes, earliest: bool) -> int:
        number = super().subscription(namespace, topic, name, earliest)
        known = self.notes.setdefault("entered", set())
        due = self.database.execute("SELECT 1 FROM due WHERE subscription = ?", (number,)).fetchone()
        if number in known and not due and earliest:
            self.database.execute(self.insert_earlier, (number, namespace, topic))
        known.add(number)
        return number


@mutant("persistent.1", "sizes", "a new subscription to more than 500 earlier messages", also="persistent.6 ordering.6")
class FillsUpFiveHundred(Office):
    """Gives a new subscription the first 500 of what was there."""

    insert_earlier = Office.insert_earlier + " LIMIT 500"


@mutant("persistent.2", "encoding", "a header with an empty value")
class HeadersOfAForm(Office):
    """Packs headers as a form is, and unpacks what is not blank."""

    def packed(self, headers: Mapping[str, str]) -> str:
        return urlencode(dict(headers))

    def unpacked(self, text: str) -> dict[str, str]:
        return dict(parse_qsl(text))


@mutant("persistent.4", "sizes", "a member that leaves with more than 100 messages in hand", also="persistent.7")
class FreesAHundred(Office):
    """Frees the first 100 of what a member held."""

    update_left = (
        "UPDATE due SET member = 0, token = '' WHERE subscription = ?1 AND seq IN "
        "(SELECT seq FROM due WHERE subscription = ?1 AND member = ?2 ORDER BY seq LIMIT 100)"
    )


@mutant("persistent.4", "counts", "more than 100 deliveries of one message")
class CountsToAHundred(Office):
    """Counts deliveries up to 100."""

    update_held = "UPDATE due SET member = ?, token = ?, count = min(?, 100) WHERE subscription = ? AND seq = ?"


@mutant("persistent.5", "batches", "an ack of several of which one was acked before")
class StopsAtTheUnknown(Office):
    """Stops at the first of several that it does not know."""

    def change(self, statement: str, *rows: tuple[Any, ...]) -> None:
        with self.transaction() as database:
            for row in rows:
                if not database.execute(statement, row).rowcount:
                    break
        self.wake()


@mutant("persistent.1", "cleaning", "a subscription that begins after another one acked", also="persistent.6 persistent.10")
class SweepsWhatIsAcked(Office):
    """Removes what nobody is to get any more, but for the last."""

    def change(self, statement: str, *rows: tuple[Any, ...]) -> None:
        super().change(statement, *rows)
        if statement == self.delete_acked:
            self.database.execute(
                "DELETE FROM message WHERE seq NOT IN (SELECT seq FROM due) AND seq NOT IN (SELECT max(seq) FROM message "
                "GROUP BY namespace, topic) AND topic IN (SELECT topic FROM subscription)"
            )


@mutant("persistent.10", "combination", "a last message with an ordering key", also="ordering.1")
class LastWithoutKey(Office):
    """Looks for the last message among those without a key, if there is one."""

    select_last = "SELECT id FROM message WHERE namespace = ? AND topic = ? ORDER BY key IS NULL DESC, seq DESC LIMIT 1"


@mutant("persistent.14", "cancelled", "a publish that is cancelled, to more than eight subscriptions", also="persistent.13")
class EightAtATime(OfficePubSub):
    """Tells subscriptions eight at a time, and lets others run in between."""

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        number = await super()._store(topic, key, payload, headers)
        database = self.office.database
        late = database.execute(
            "SELECT d.subscription, d.seq, d.key FROM due AS d JOIN message AS m ON m.seq = d.seq WHERE m.id = ? "
            "ORDER BY d.subscription LIMIT -1 OFFSET 8",
            (number,),
        ).fetchall()
        for row in late:
            database.execute("DELETE FROM due WHERE subscription = ? AND seq = ?", row[:2])
        for at in range(0, len(late), 8):
            await asyncio.sleep(0)
            database.executemany("INSERT INTO due VALUES (?, ?, ?, 0, 0, 0, '')", late[at : at + 8])
            self.office.wake()
        return number


@mutant("persistent.9", "wake-ups", "a receive that waits already when another member nacks with a delay", also="persistent.8")
class ForgetsWhenItWaits(Holder):
    """Computes once, when it begins to wait, when the next delay ends."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        office, first = self.office, self.office.next_due(self.subscription)
        kept = office.next_due

        def once(subscription: int) -> float | None:
            return first if subscription == self.subscription else kept(subscription)

        office.next_due = once  # type: ignore[method-assign]
        try:
            return await super().receive(max_messages, timeout_s)
        finally:
            office.next_due = kept  # type: ignore[method-assign]


@mutant("persistent.15", "state", "a nack after the member was left")
class NacksWhenLeft(Holder):
    """Looks whether it was left for receive and ack only."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        was, self.open = self.open, True
        try:
            await super().nack(*deliveries, delay_s=delay_s)
        finally:
            self.open = was


@mutant("persistent.16", "kill", "kill; what a member held when it died", also="persistent.4 ordering.11")
class HeldIsGone(FileOffice):
    """Takes for acked what was in somebody's hands twice when the process ended."""

    def begin(self) -> None:
        self.database.execute("DELETE FROM due WHERE member <> 0 AND count > 1")
        super().begin()


@mutant("ordering.8", "joins", "a message that is held in one subscription and free in another", also="ordering.6")
class HeldAnywhere(Office):
    """Looks for earlier messages of the key in all subscriptions of the place."""

    select_free = Office.select_free.replace("e.subscription = d.subscription AND ", "")


@mutant("ordering.6", "sizes", "more than 300 messages of a held key before another one", also="ordering.5")
class LooksAtThreeHundredRows(Office):
    """Looks at the first 300 messages that are due."""

    select_free = (
        Office.select_free.replace(
            "WHERE d.subscription = ?",
            "WHERE d.seq <= (SELECT max(seq) FROM (SELECT seq FROM due WHERE subscription = ?1 LIMIT 300)) AND d.subscription = ?1",
        )
        .replace("d.due_s <= ?", "d.due_s <= ?2")
        .replace("LIMIT ?", "LIMIT ?3")
    )


@mutant("ordering.7", "hash", "two keys that are held at once and share one of 1024 lanes", also="ordering.6")
class LanesOfKeys(OfficePubSub):
    """Keeps the order of 1024 lanes, on which the keys are."""

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        lane = None if key is None else str(zlib.crc32(key) % 1024).encode()
        return await super()._store(topic, lane, payload, headers)


@mutant("ordering.2", "combination", "keyed messages that were there before an earliest subscription", also="ordering.3")
class EarlierHaveNoKey(Office):
    """What was there before a subscription comes to it without its key."""

    insert_earlier = Office.insert_earlier.replace("SELECT ?, seq, key", "SELECT ?, seq, NULL")


@mutant("ordering.4", "state", "a keyed message that came twice, and a later one, after leaving", also="ordering.2 ordering.3")
class LeftGoBehind(Office):
    """What came to somebody twice and was left waits behind one that never came."""

    select_free = Office.select_free.replace("e.seq < d.seq", "e.seq < d.seq AND (e.count < 2 OR e.member <> 0 OR e.due_s > 0)")


@mutant("ordering.5", "wake-ups", "an ack of several of one member while another one waits", also="ordering.6 persistent.9")
class SeveralWakeNobody(Holder):
    """An ack of one wakes whoever waits; one of several does not."""

    async def ack(self, *deliveries: Delivery) -> None:
        wake = self.office.wake
        if len(deliveries) > 1:
            self.office.wake = lambda: None  # type: ignore[method-assign]
        try:
            await super().ack(*deliveries)
        finally:
            self.office.wake = wake  # type: ignore[method-assign]


@mutant(
    "ordering.10",
    "cancelled",
    "a receive that is cancelled while it waits and then gets the next of a key",
    also="persistent.14",
)
class CancelledTakes(Holder):
    """Rests between the take and the return if it had waited; what a cancelled one took is given back last."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        began = self.office.clock.now_s()
        got = await super().receive(max_messages, timeout_s)
        try:
            if got and timeout_s > 0:
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            rows = [(began + 3600, self.subscription, self.member, one.token) for one in got]
            self.office.change(self.office.update_nacked, *rows)
            raise
        return got


@mutant("ordering.11", "kill", "kill; a key of which the first was delivered", also="ordering.2 ordering.3")
class KeysInMemory(FileOffice):
    """Forgets the keys of what had been delivered when it is opened again."""

    def begin(self) -> None:
        self.database.execute("UPDATE due SET key = NULL WHERE count > 0")
        super().begin()


@mutant(
    "persistent.13",
    "retries",
    "two publishes with the same payload, one after the other, with a key and without",
    also="persistent.2",
)
class SecondIsARetry(Office):
    """Takes a message that equals the one before it in all, key too, for a repeat, within a millisecond, if it is empty."""

    def store(self, row: Row) -> None:
        before = self.notes.get((row.namespace, row.topic))
        self.notes[row.namespace, row.topic] = (row.payload, dict(row.headers), row.key, self.clock.now_s())
        if before is not None and not row.payload and before == self.notes[row.namespace, row.topic]:
            return
        super().store(row)


@mutant("persistent.12", "namespace", "a clean of a namespace beside another one", also="persistent.1 persistent.5")
class CleansByLike(Office):
    """Cleans what is due by topic."""

    def clean(self, prefix: str) -> None:
        with self.transaction() as database:
            database.execute(
                "DELETE FROM due WHERE seq IN (SELECT seq FROM message WHERE topic IN "
                "(SELECT topic FROM message WHERE substr(namespace, 1, ?) = ?))",
                (len(prefix), prefix),
            )
        super().clean(prefix)


MUTANTS: tuple[Mutant, ...] = tuple(_MUTANTS)
