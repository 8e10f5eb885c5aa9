"""Topics that keep every promise and use every freedom that the contract leaves."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Deliveries, Delivery, Message, Subscription
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Start
from prism_testkit.naming import check_headers, check_name, check_payload
from prism_testkit.traits import Traits

from .tenth_driver import Ear, Holder, OfficePubSub
from .tenth_office import FileOffice, Office, Row, office_backend

__all__ = ["UNUSUAL"]

DEADLINE_S = 20.0


class Text(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"


def text(given: str) -> Text:
    """Whatever kind of text was given: its code points."""
    return Text(given.encode().decode())


class Blob(bytes):
    def __repr__(self) -> str:
        return f"Blob({len(self)})"


class Number(int):
    def __repr__(self) -> str:
        return f"Number({int(self)})"

    __str__ = __repr__


@dataclass(frozen=True)
class Stamped(Message):
    """A message that says more."""

    stamp: float = 1.5


def odd(message: Message) -> Message:
    headers: dict[str, str] = {text(name): text(value) for name, value in message.headers.items()}
    return Stamped(Text(message.id), text(message.topic), Blob(message.payload), headers)


class LawyerEar(Ear):
    """Keeps the last 300 messages and counts what it dropped; a step of a receive lets others run."""

    def hear(self, message: Message) -> None:
        super().hear(message)
        if len(self.came) > 300:
            self.came.popleft()
            self.missed += 1

    def copy(self, message: Message) -> Message:
        return odd(message)


class LawyerHolder(Holder):
    """Gives two at most, counts in steps of three, and takes along the delays of what it gave back when it is left."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        for _ in range(3):
            await asyncio.sleep(0)
        got = await super().receive(min(max_messages, 2), timeout_s)
        return [Delivery(odd(one.message), Number(one.delivery_count * 3 - 2), Text(one.token)) for one in got]

    async def ack(self, *deliveries: Delivery) -> None:
        await super().ack(*deliveries)
        await asyncio.sleep(0)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        seqs = [self.held(one.token) for one in deliveries if isinstance(one, Delivery)]
        await super().nack(*deliveries, delay_s=delay_s)
        self.office.notes.update({(self.subscription, seq): self.member for seq in seqs if seq is not None})

    def held(self, token: str) -> int | None:
        statement = "SELECT seq FROM due WHERE subscription = ? AND member = ? AND token = ?"
        row = self.office.database.execute(statement, (self.subscription, self.member, str(token))).fetchone()
        return row[0] if row else None

    def leave(self) -> None:
        mine = [where for where, member in self.office.notes.items() if member == self.member and where[0] == self.subscription]
        self.office.change("UPDATE due SET due_s = 0 WHERE subscription = ? AND seq = ? AND member = 0", *mine)
        super().leave()


class LawyerOffice(FileOffice):
    """A connection of its own for each transaction; whoever is late with an ack loses the message."""

    @contextmanager
    def transaction(self) -> Any:
        self.database.close()
        self.database = self.opened()
        with super().transaction() as database:
            yield database


class DeadlineOffice(Office):
    """Frees what was held too long, before anybody looks."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.since: dict[str, float] = {}

    def take(self, subscription: int, member: int, most: int, token: Any) -> list[tuple[Message, int, str]]:
        now = self.clock.now_s()
        late = [(mark,) for mark, since in self.since.items() if since + DEADLINE_S <= now]
        for (mark,) in late:
            del self.since[mark]
        with self.transaction() as database:
            database.executemany("UPDATE due SET member = 0, token = '' WHERE token = ?", late)
        taken = super().take(subscription, member, most, token)
        self.since.update((mark, now) for _, _, mark in taken)
        return taken

    def next_due(self, subscription: int) -> float | None:
        due = super().next_due(subscription)
        return min([due, *(since + DEADLINE_S for since in self.since.values())], key=lambda at: at if at else 1e18, default=None)


class LawyerPubSub(OfficePubSub):
    """Ids are numbers of a topic and read oddly."""

    traits: ClassVar[Traits] = Traits(
        delivery_count="lower_bound",
        member_timeout_s=0.0,
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
    )
    ear_type = LawyerEar
    holder_type = LawyerHolder

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name = await super().publish(topic, payload, headers)
        for _ in range(4):
            await asyncio.sleep(0)
        return Text(name)

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        name = check_name(topic, "publish", "lawyer")
        data, kept = check_payload(payload, "publish", "lawyer", topic), check_headers(headers, "publish", "lawyer")
        for _ in range(3):
            await asyncio.sleep(0)
        last = self.office.last(self.namespace, name)
        number = f"{int(last[:-3]) + 1 if last else 0}\n\u00e9 "
        self.office.store(Row(self.namespace, name, number, key, data, kept))
        return Text(number)

    def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AbstractAsyncContextManager[Deliveries]:
        """Refuse at the call."""
        if start not in ("new", "earliest"):
            raise ValueError(f"lawyer: a subscription begins with new or earliest, not {start!a}")
        check_name(topic, "subscribe_durable", "lawyer")
        check_name(name, "subscribe_durable: name", "lawyer")
        return super().subscribe_durable(topic, name, start)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        check_name(topic, "subscribe", "lawyer")
        return super().subscribe(topic)


UNUSUAL: tuple[Backend[Any], ...] = (
    office_backend("zoo-pubsub-tenth-office", OfficePubSub),
    office_backend("zoo-pubsub-tenth-file", OfficePubSub, FileOffice),
    office_backend("zoo-pubsub-tenth-lawyer", LawyerPubSub, LawyerOffice, traits=LawyerPubSub.traits),
    office_backend("zoo-pubsub-tenth-deadline", OfficePubSub, DeadlineOffice),
)
"""Tables, in memory and in a file; the same with every freedom that there is; and with a deadline for what is held."""
