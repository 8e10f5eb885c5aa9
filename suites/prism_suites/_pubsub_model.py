"""An independent model of the topics of one namespace: what each subscription must, may and must not be given.

Calls take effect between their start and their return, so ends of delays are intervals. A message that is held may come again
after a while, for acknowledgement deadlines are legal and their length is nobody's to know: then, and of an ack that came
later, nothing is certain any more.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from prism_suites._keyvalue_model import Window
from prism_suites._pubsub_members import HELD_S
from prism_suites._pubsub_taking import Sent
from prism_testkit.interfaces import Delivery

__all__ = ["Durable", "Given", "Item", "Joined", "Listener", "Published", "Space"]

_HELD_NS = round(HELD_S * 1e9)


@dataclass(slots=True)
class Published:
    """A message, and the client that published it."""

    sent: Sent
    by: int


@dataclass(slots=True, eq=False)
class Listener:
    """A plain subscription: what it is still to be given, in order, and what it was given."""

    manager: Any
    inner: Any
    topic: str
    due: list[Published] = field(default_factory=list)
    given: list[Sent] = field(default_factory=list)

    def next(self) -> list[Published]:
        """Return what may come next: the first of each publisher."""
        first: dict[int, Published] = {}
        for published in self.due:
            first.setdefault(published.by, published)
        return list(first.values())


@dataclass(slots=True, eq=False)
class Joined:
    """A member of a durable subscription. ``alone``: there was no other one since it came."""

    manager: Any
    inner: Any
    durable: "Durable"
    alone: bool
    open: bool = True


@dataclass(slots=True, eq=False)
class Item:
    """What became of one message in one durable subscription."""

    published: Published
    state: Literal["ready", "held", "delayed", "unsure", "acked"] = "ready"
    count: int = 0
    since: int = 0
    due: Window | None = None
    loose: bool = False
    """Its member was left: the delay may be over with it."""
    last: "Given | None" = None
    forgotten: bool = False
    """How often it was delivered need not be known any more."""

    def comes(self, now: Window, slack_ns: int) -> str:
        """Say whether a receive may give it: ``yes`` (it is there for certain), ``no`` or ``either``."""
        if self.state == "held":
            return "no" if now.end - self.since < _HELD_NS else "either"
        if self.state == "delayed" and self.due is not None:
            if now.start >= self.due.end + slack_ns:
                return "yes"
            return "no" if now.end < self.due.start and not self.loose else "either"
        return {"ready": "yes", "unsure": "either"}.get(self.state, "no")


@dataclass(slots=True, eq=False)
class Given:
    """A delivery, and by whom it is held."""

    delivery: Delivery
    item: Item
    member: Joined


@dataclass(slots=True, eq=False)
class Durable:
    """One (topic, name)."""

    topic: str
    name: str
    items: dict[str, Item] = field(default_factory=dict)
    members: list[Joined] = field(default_factory=list)

    def there(self, now: Window, slack_ns: int) -> list[Item]:
        """Return what is there for certain."""
        return [item for item in self.items.values() if item.comes(now, slack_ns) == "yes"]

    def leave(self, member: Joined) -> None:
        """A member was left: what it held is there again."""
        member.open = False
        self.members.remove(member)
        for item in self.items.values():
            if item.last is not None and item.last.member is member:
                item.state = "ready" if item.state == "held" else item.state
                item.loose = True


@dataclass
class Space:
    """One namespace."""

    listeners: list[Listener] = field(default_factory=list)
    plain: list[Published] = field(default_factory=list)
    logs: dict[str, list[Published]] = field(default_factory=dict)
    durables: dict[tuple[str, str], Durable] = field(default_factory=dict)
    given: list[Given] = field(default_factory=list)

    def publish(self, published: Published) -> None:
        """A plain message goes to all who listen."""
        self.plain.append(published)
        for listener in self.listeners:
            if listener.topic == published.sent.topic:
                listener.due.append(published)

    def store(self, published: Published) -> None:
        """A persistent message goes to the log and to all durable subscriptions."""
        topic = published.sent.topic
        self.logs.setdefault(topic, []).append(published)
        for durable in self.durables.values():
            if durable.topic == topic:
                durable.items[published.sent.id] = Item(published)

    def durable(self, topic: str, name: str, start: str) -> Durable:
        """Return a durable subscription; a new one begins as ``start`` says."""
        if (topic, name) not in self.durables:
            durable = self.durables[topic, name] = Durable(topic, name)
            for published in self.logs.get(topic, []) if start == "earliest" else []:
                durable.items[published.sent.id] = Item(published)
        return self.durables[topic, name]

    def die(self, *, noticed: bool, acks: bool, counts: bool) -> None:
        """All clients are dead, and ``noticed``: all who live know; ``acks``, ``counts``: these are claimed to survive."""
        self.listeners.clear()
        self.given.clear()
        for durable in self.durables.values():
            durable.members.clear()
            for item in durable.items.values():
                if item.state == "held":
                    item.state = "ready" if noticed else "unsure"
                elif item.state == "acked" and not acks:
                    item.state = "unsure"
                item.loose, item.last, item.forgotten = True, None, item.forgotten or not counts

    def instants(self) -> list[Window]:
        """Return every end of a delay."""
        items = [item for durable in self.durables.values() for item in durable.items.values()]
        ends = [item.due for item in items if item.state == "delayed" and item.due is not None]
        return sorted(ends, key=lambda window: window.start)
