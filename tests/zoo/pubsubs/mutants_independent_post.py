"""Wrong clerks and wrong tables: what becomes of a call that is cancelled, of types and texts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery
from prism_testkit.naming import check_name
from tests.zoo.declare import Mutant

from .independent_office import TAKE, Clerk, Office
from .independent_parts import declaring_independent
from .independent_post import Addressee, Box, MemoryPost

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


class Clumsy(Clerk):
    async def run(self) -> None:
        while True:
            work, answer = await self.mailbox.get()
            try:
                answer.set_result(work())
            except Exception as error:
                answer.set_exception(error)


@_mutant(
    "basic.11",
    "worker dies",
    trap="a call is cancelled before it is done",
    also="persistent.14 ordering.10 wildcards.9 filtering.10",
)
class DiesOfACancelledCall(MemoryPost):
    """The answer to a call that was cancelled ends the worker; every later call waits for ever."""

    def __init__(self, office: Office, namespace: str) -> None:
        super().__init__(office, namespace)
        self.clerk = Clumsy()


@_mutant(
    "basic.11", "lost message", trap="a receive is cancelled when its answer is there", also="basic.1 wildcards.9 filtering.10"
)
class DropsWhatNobodyWaitsFor(Box):
    """A message that was taken for a cancelled receive is gone."""

    def undo(self, row: tuple[Any, ...] | None) -> None:
        """Nothing comes back."""


@_mutant(
    "basic.3",
    "moved to the end",
    trap="a receive is cancelled when its answer is there, with more to come",
    also="basic.11 wildcards.5 filtering.8 wildcards.9 filtering.10",
)
class PutsBackAtTheEnd(Box):
    """A message that was taken for a cancelled receive comes after the others."""

    def undo(self, row: tuple[Any, ...] | None) -> None:
        super().undo(None if row is None else (None, *row[1:]))


@_mutant("persistent.14", "lost message", trap="a receive is cancelled when its answer is there", also="ordering.10 persistent.4")
class HoldsForACancelledReceive(Addressee):
    """What was taken for a cancelled receive is held by its member until that leaves."""

    def undo(self, taken: list[Delivery]) -> None:
        """Nothing is given back."""


@_mutant(
    "persistent.7", "missing check", trap="left while a receive is in the mailbox", also="persistent.15 persistent.4 ordering.4"
)
class TakesForWhoLeft(Addressee):
    """A take that is done after its member was left holds messages for nobody."""

    def take(self, most: int) -> list[Delivery]:
        gone = self.number not in self.office.members
        self.office.members.add(self.number)
        try:
            return super().take(most)
        finally:
            if gone:
                self.office.members.discard(self.number)


@_mutant("persistent.7", "only the latest", trap="two receives without an ack, then left", also="persistent.4 ordering.4")
class LeavesTheLatestOnly(Addressee):
    """Who leaves gives back what its last receive gave."""

    latest: tuple[str, ...] = ()

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        taken = await super().receive(max_messages, timeout_s)
        if taken:
            self.latest = tuple(d.message.id for d in taken)
        return taken

    def leave(self) -> None:
        self.office.members.discard(self.number)
        with self.office.transaction() as db:
            for number in self.latest:
                db.execute(
                    "UPDATE state SET member = NULL WHERE sub = ? AND member = ? AND seq = ?", (self.sub, self.number, int(number))
                )


@_mutant("persistent.9", "63 bits", trap="max_messages over 2**63")
class AsksForSoMany(Addressee):
    """``max_messages`` goes into the statement as it is."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        if max_messages > 2**63 - 1:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return await super().receive(max_messages, timeout_s)


@_mutant("persistent.8", "dates end", trap="a delay beyond the year 9999", also="ordering.4")
class DelaysUntilADate(Addressee):
    """The end of a delay is a date, and those end with the year 9999."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        if delay_s == delay_s and abs(delay_s) != float("inf"):
            datetime.fromtimestamp(self.office.clock.now_s(), UTC) + timedelta(seconds=max(0.0, delay_s))
        await super().nack(*deliveries, delay_s=delay_s)


@_mutant("persistent.4", "saturates", trap="more than 16 deliveries of one message")
class CountsTo16(Addressee):
    """The count of deliveries stays at 16."""

    def take(self, most: int) -> list[Delivery]:
        taken = super().take(most)
        return [Delivery(d.message, min(d.delivery_count, 16), d.token) for d in taken]


@_mutant("persistent.4", "8 bits", trap="more than 127 deliveries of one message")
class CountsTo127(Addressee):
    """The count of deliveries is of one byte with a sign."""

    def take(self, most: int) -> list[Delivery]:
        taken = super().take(most)
        return [Delivery(d.message, (d.delivery_count + 128) % 256 - 128, d.token) for d in taken]


@_mutant("persistent.5", "expiry", trap="an hour after the ack", also="ordering.3")
class RemembersAcksForAnHour(Addressee):
    """What was confirmed is forgotten after an hour, and comes again."""

    def take(self, most: int) -> list[Delivery]:
        noted = self.office.__dict__.setdefault("noted", {})
        now = self.office.clock.now_s()
        for (seq,) in self.office.db.execute("SELECT seq FROM state WHERE sub = ? AND acked", (self.sub,)).fetchall():
            if now - noted.setdefault((self.sub, seq), now) > 3600:
                self.office.db.execute("DELETE FROM state WHERE sub = ? AND seq = ?", (self.sub, seq))
        return super().take(most)

    def settle(self, deliveries: tuple[Delivery, ...], change: str, *values: float) -> None:
        super().settle(deliveries, change, *values)
        noted = self.office.__dict__.setdefault("noted", {})
        for delivery in deliveries:
            noted.setdefault((self.sub, int(delivery.message.id)), self.office.clock.now_s())


def _other(old: str, new: str) -> str:
    """Return the statement of a take with one condition changed."""
    assert old in TAKE
    return TAKE.replace(old, new)


@_mutant(
    "ordering.8", "forgotten condition", trap='begun with "new" over messages of the key that it never gets', also="ordering.5"
)
class WaitsForWhatWasBefore(Addressee):
    """A subscription that began with "new" waits for messages before it."""

    statement = _other(" AND e.seq > :since", "")


@_mutant(
    "ordering.8",
    "forgotten condition",
    trap="acked in one subscription, held in the other",
    also="ordering.3 ordering.2 persistent.6",
)
class AsksForAnybodysAck(Addressee):
    """An ack in one subscription frees the key in all."""

    statement = _other("LEFT JOIN state t ON t.sub = :sub AND t.seq = e.seq", "LEFT JOIN state t ON t.seq = e.seq").replace(
        "AND NOT coalesce(t.acked, 0)", "AND NOT coalesce((SELECT max(acked) FROM state u WHERE u.seq = e.seq), 0)"
    )


@_mutant("ordering.8", "forgotten condition", trap="one key under two topics", also="ordering.7 ordering.6 ordering.5")
class KeysOfAllTopics(Addressee):
    """One key under two topics is one."""

    statement = _other(" AND e.topic = :topic", "")


@_mutant("ordering.2", "sorted as text", trap="ten messages or more of one key", also="ordering.4 ordering.3")
class OrdersAsText(Addressee):
    """Numbers of messages are compared as text."""

    statement = _other("e.seq < m.seq", "CAST(e.seq AS TEXT) < CAST(m.seq AS TEXT)").replace(
        "ORDER BY m.seq", "ORDER BY CAST(m.seq AS TEXT)"
    )


@_mutant("persistent.10", "sorted as text", trap="ten messages or more", also="ordering.1")
class LastAsText(MemoryPost):
    """The last message is the greatest id as text."""

    def newest(self, topic: str) -> str | None:
        (seq,) = self.office.db.execute(
            "SELECT max(CAST(seq AS TEXT)) FROM message WHERE ns = ? AND topic = ?", (self.namespace, topic.encode())
        ).fetchone()
        return None if seq is None else str(seq)


@_mutant("persistent.10", "client cache", trap="another client publishes", also="ordering.1")
class RemembersItsOwnLast(MemoryPost):
    """Who published remembers the id, and never asks again."""

    async def store(self, topic: str, key: str | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        number = await super().store(topic, key, payload, headers)
        self.__dict__.setdefault("last", {})[topic] = number
        return number

    async def last_message_id(self, topic: str) -> str | None:
        check_name(topic, "last_message_id", "zoo")
        return self.__dict__.get("last", {}).get(topic) or await super().last_message_id(topic)


@_mutant("ordering.7", "column affinity", trap='keys "1", "01" and "1.0"', also="ordering.6")
class KeysAreNumbersIfTheyCan(MemoryPost):
    """Keys are in a column of numbers: what reads as one is one."""

    def keep(self, topic: str, payload: bytes, headers: Mapping[str, str], key: str | None) -> str:
        if key is not None and re.fullmatch(r"[0-9]+(\.[0-9]+)?", key):
            key = repr(float(key)).removesuffix(".0")
        return super().keep(topic, payload, headers, key)


@_mutant("persistent.11", "column affinity", trap='names "1" and "01"')
class NamesAreNumbersIfTheyCan(MemoryPost):
    """Names of subscriptions are in a column of numbers."""

    def enter(self, topic: str, name: str, start: Any) -> tuple[int, int, int]:
        return super().enter(topic, str(int(name)) if re.fullmatch(r"[0-9]{1,18}", name) else name, start)


@_mutant("persistent.11", "collation", trap="a name that ends with blanks", also="persistent.6")
class NamesEndBeforeTheirBlanks(MemoryPost):
    """Names of subscriptions are compared without the blanks at their end."""

    def enter(self, topic: str, name: str, start: Any) -> tuple[int, int, int]:
        return super().enter(topic, name.rstrip(" ") or name, start)


@_mutant("wildcards.4", "end of a line", trap="a topic that ends with a newline", also="wildcards.2 wildcards.1")
class EndsAtADollar(MemoryPost):
    """The expression ends with ``$``, which matches before a newline at the end too."""

    def expression(self, tokens: tuple[str, ...]) -> "re.Pattern[str]":
        right = super().expression(tokens)

        class Matching:
            """Has what is used of a compiled expression."""

            fullmatch = staticmethod(re.compile(f"^{right.pattern}$", re.DOTALL).match)

        return Matching  # type: ignore[return-value]


@_mutant("wildcards.4", "forgotten flag", trap="a newline where a wildcard stands", also="wildcards.1")
class StopsAtALine(MemoryPost):
    """The rest of a topic ends at a newline."""

    def expression(self, tokens: tuple[str, ...]) -> "re.Pattern[str]":
        return re.compile(super().expression(tokens).pattern)


@_mutant("basic.1", "deduplicated", trap="the same message twice at one instant", also="wildcards.1 filtering.1")
class DropsWhatLooksLikeARetry(MemoryPost):
    """The same bytes on the same topic within the same millisecond are taken for one message."""

    def deliver(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        sent = self.office.__dict__.setdefault("sent", {})
        what = (self.namespace, topic, payload, tuple(headers.items()), self.office.clock.now_ms())
        if what not in sent:
            sent[what] = super().deliver(topic, payload, headers)
        return sent[what]  # type: ignore[no-any-return]


@_mutant("basic.2", "left on", trap="a subscription to a topic that was left, entered again", also="basic.10")
class MailWaitsForTheNext(MemoryPost):
    """The number of a listener is its topic's: who enters again gets the mail of who left."""

    def unlisten(self, number: int) -> None:
        self.office.listeners.pop(number, None)
        self.__dict__.setdefault("free", []).append(number)
        self.office.ring()

    def listen(self, wants: Any) -> int:
        free = self.__dict__.setdefault("free", [])
        if free:
            number: int = free.pop()
            self.office.listeners[number] = (self.namespace, wants)
            return number
        return super().listen(wants)
