"""An independent model of the queues of one namespace: where each message may be, given that time is known only to an interval.

A call takes effect between its start and its return, so deadlines and delays are intervals; what a call says settles what was
open. Only what is certain is judged: a message is free for certain, held for certain, or either.
"""

from dataclasses import dataclass, field

from prism_suites._keyvalue_model import Window
from prism_suites._queue_taking import Put
from prism_testkit.interfaces import Lease

__all__ = ["DeadLetters", "Delivery", "Item", "Model"]


@dataclass(slots=True)
class Delivery:
    """A lease that was given, and whether it is known to have ended (by ack, release, or another delivery)."""

    lease: Lease
    item: "Item"
    deadline: Window
    ended: str = ""


@dataclass(slots=True)
class Item:
    """A message that is not removed. ``place`` counts enqueues and redrives."""

    put: Put
    queue: str
    place: int
    priority: int | None = 0
    """None: nobody promises which (it died, or was brought back)."""
    ready: Window | None = None
    attempts: int = 0
    delivery: Delivery | None = None
    returned: bool = False
    """It was delivered, and came back: it may be overtaken, and may overtake."""
    died_in: str = ""
    died: tuple[int, int] = (0, 0)
    """Behind which look, and at which, it died."""
    sure: int = 0
    """The last look at which it was leased for certain."""
    maybe: set[str] = field(default_factory=set)
    """Queues in which it died once, and from which it went on: nobody promises whether they list it."""
    was_delayed: bool = False


@dataclass(slots=True)
class DeadLetters:
    """How one queue is configured."""

    target: str
    most: int


@dataclass
class Model:
    """One namespace."""

    slack_ns: int
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    configured: dict[str, DeadLetters] = field(default_factory=dict)
    gone: dict[tuple[str, str], str] = field(default_factory=dict)
    places: int = 0
    looks: int = 0

    def add(self, queue: str, put: Put, priority: int = 0, ready: Window | None = None) -> None:
        """A message was enqueued."""
        self.places += 1
        self.items[queue, put.id] = Item(put, queue, self.places, priority, ready, was_delayed=ready is not None)

    def of(self, queue: str) -> list[Item]:
        """Return the messages of a queue, in the order of their places."""
        return sorted((item for item in self.items.values() if item.queue == queue), key=lambda item: item.place)

    def held(self, item: Item, now: Window) -> str:
        """Say whether a message is leased: ``yes``, ``no`` or ``either``."""
        if item.delivery is None:
            return "no"
        if now.end < item.delivery.deadline.start:
            return "yes"
        return "no" if now.start >= item.delivery.deadline.end + self.slack_ns else "either"

    def delayed(self, item: Item, now: Window) -> str:
        """Say whether the delay of a message is not over: ``yes``, ``no`` or ``either``."""
        if item.ready is None:
            return "no"
        if now.end < item.ready.start:
            return "yes"
        return "no" if now.start >= item.ready.end + self.slack_ns else "either"

    def free(self, item: Item, now: Window) -> str:
        """Say whether a take may give a message: ``yes``, ``no`` or ``either``."""
        states = {self.held(item, now), self.delayed(item, now)}
        return "no" if "yes" in states else "either" if "either" in states else "yes"

    def fail(self, item: Item, why: str) -> None:
        """A delivery ended without ack; ``why`` is how."""
        if item.delivery is not None:
            item.delivery.ended = why
            item.delivery = None
        item.returned = True

    def expire(self, queue: str, now: Window) -> None:
        """Carry out the deadlines that have passed for certain."""
        for item in self.of(queue):
            if item.delivery is not None and self.held(item, now) == "no":
                self.fail(item, "deadline")

    def doomed(self, item: Item) -> bool:
        """Say whether a message that is not leased has failed too often."""
        configured = self.configured.get(item.queue)
        return configured is not None and item.attempts >= configured.most and item.delivery is None

    def bury(self, queue: str, now: Window) -> None:
        """Carry out what must have happened at a look at a queue: deadlines, and moves to its target."""
        self.expire(queue, now)
        self.looks += 1
        for item in self.of(queue):
            if self.doomed(item):
                self.kill(item)
            elif self.held(item, now) == "yes":
                item.sure = self.looks

    def kill(self, item: Item) -> None:
        """Move a message to the target of its queue."""
        target = self.configured[item.queue].target
        del self.items[item.queue, item.put.id]
        self.gone[item.queue, item.put.id] = "died"
        item.maybe.add(item.queue)
        item.died_in, item.died = item.queue, (item.sure, self.looks)
        item.queue, item.attempts, item.returned, item.delivery = target, 0, True, None
        item.priority = 0 if item.priority == 0 else None
        self.gone.pop((target, item.put.id), None)
        self.items[target, item.put.id] = item

    def revive(self, item: Item, queue: str) -> None:
        """Bring a dead message back to the tail of its queue."""
        del self.items[item.queue, item.put.id]
        self.gone[item.queue, item.put.id] = "redriven"
        self.places += 1
        item.queue, item.place, item.attempts, item.returned, item.died_in = queue, self.places, 0, False, ""
        item.ready, item.was_delayed = None, False
        self.gone.pop((queue, item.put.id), None)
        self.items[queue, item.put.id] = item

    def remove(self, item: Item, why: str) -> None:
        """A message is gone for good."""
        if item.delivery is not None:
            item.delivery.ended = why
            item.delivery = None
        self.items.pop((item.queue, item.put.id), None)
        self.gone[item.queue, item.put.id] = why

    def limbo(self, queue: str, now: Window) -> list[Item]:
        """Return the messages of which it is open whether they have moved to the target."""
        configured = self.configured.get(queue)
        if configured is None:
            return []
        failed = [item for item in self.of(queue) if item.attempts >= configured.most]
        return [item for item in failed if self.held(item, now) != "yes"]

    def open_leases(self, queue: str, now: Window) -> bool:
        """Say whether a lease of a queue may be valid."""
        return any(self.held(item, now) != "no" for item in self.of(queue))

    def instants(self) -> list[Window]:
        """Return every deadline and every end of a delay that is not carried out."""
        ends = [item.delivery.deadline for item in self.items.values() if item.delivery is not None]
        ends += [item.ready for item in self.items.values() if item.ready is not None]
        return sorted(ends, key=lambda window: window.start)
