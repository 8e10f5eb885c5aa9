"""Where the zoo's topics are kept: in memory, or as the sum of a log file."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from prism_testkit.backend import Place
from prism_testkit.interfaces import Message
from tests.zoo.family import Log

__all__ = ["Changes", "Connect", "FileStore", "Mark", "Row", "Slot", "Space", "Start", "Store", "clean", "connector"]


@dataclass(frozen=True, slots=True)
class Row:
    """A persistent message under the stored name of its topic; ``place`` is its order in the namespace, from 1.

    ``key`` is the stored name of its ordering key, None of a message without one.
    """

    topic: str
    place: int
    message: Message
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A durable subscription: it gets every message with a higher place."""

    place: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What a durable subscription knows of a message: deliveries, when it may come again, whether it was confirmed."""

    count: int = 0
    due: float = 0.0
    acked: bool = False


Slot: TypeAlias = tuple[str, ...]
"""(topic, id) of a message; (topic, name, "") of a subscription; (topic, name, id) of what it knows of a message."""
Changes: TypeAlias = Mapping[Slot, Row | Start | Mark]


class Space:
    """What one namespace holds."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[str, Row]] = {}
        self.starts: dict[tuple[str, str], Start] = {}
        self.marks: dict[tuple[str, str], dict[str, Mark]] = {}
        self.last: dict[str, str] = {}
        self.serial = 0

    def apply(self, changes: Changes) -> None:
        """Make all changes at once."""
        for slot, thing in changes.items():
            if isinstance(thing, Row):
                self.topics.setdefault(slot[0], {})[slot[1]] = thing
                self.last[slot[0]] = slot[1]
                self.serial = max(self.serial, thing.place)
            elif isinstance(thing, Start):
                self.starts[slot[0], slot[1]] = thing
            else:
                self.marks.setdefault((slot[0], slot[1]), {})[slot[2]] = thing


class Store:
    """The data of one place. ``notes`` is room for what a mutant keeps beside it.

    ``listeners`` are the plain subscriptions by (namespace, topic), ``holds`` says which member holds what under which token, by
    (namespace, topic, name, id); no kill leaves anything of them.
    """

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, Space] = {}
        self.waiting: set[asyncio.Future[None]] = set()
        self.listeners: dict[tuple[str, str], list[Any]] = {}
        self.holds: dict[tuple[str, str, str, str], tuple[Any, str]] = {}
        self.serial = 0
        self.notes: dict[Any, Any] = {}

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, Space())

    def apply(self, namespace: str, changes: Changes) -> None:
        """Make all changes at once and wake whoever waits for a change."""
        self.space(namespace).apply(changes)
        self.wake()

    def wake(self) -> None:
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            del self.spaces[namespace]
        self.notes.clear()

    def close(self) -> None:
        """The last client of the place has left in peace; after a kill this never runs."""


class FileStore(Store):
    """Topics that are the sum of a log: a call's changes are one record, handed over before it returns."""

    log_type: ClassVar[type[Log]] = Log

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.log = self.log_type(place.directory / "zoo.log")
        self.catch_up()

    def space(self, namespace: str) -> Space:
        self.catch_up()
        return super().space(namespace)

    def apply(self, namespace: str, changes: Changes) -> None:
        self.catch_up()
        self.write(namespace, changes)
        super().apply(namespace, changes)

    def write(self, namespace: str, changes: Changes) -> None:
        """Log changes; called before they are made in memory."""
        self.log.append((namespace, dict(changes)))

    def clean(self, prefix: str) -> None:
        self.catch_up()
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            self.log.append((namespace, None))
        super().clean(prefix)

    def catch_up(self) -> None:
        """Replay what is in the log and was not seen yet."""
        for namespace, changes in self.log.unread():
            if changes is None:
                self.spaces.pop(namespace, None)
            else:
                self.replay(namespace, changes)

    def replay(self, namespace: str, changes: Changes) -> None:
        self.spaces.setdefault(namespace, Space()).apply(changes)


Connect: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Store]]


def connector(store_type: type[Store]) -> Connect:
    """Return a ``connect`` that keeps one store for a place and closes it with the last client."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        store: Store = place.shared.get("pubsubs") or place.shared.setdefault("pubsubs", store_type(place))
        place.shared["pubsub clients"] = place.shared.get("pubsub clients", 0) + 1
        try:
            yield store
        finally:
            place.shared["pubsub clients"] -= 1
            if not place.shared["pubsub clients"]:
                store.close()

    return connect


async def clean(store: Store, prefix: str) -> None:
    store.clean(prefix)
