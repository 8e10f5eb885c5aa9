"""Where the zoo's queues are kept: in memory, or as the sum of a log file."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from prism_testkit.backend import Place
from tests.zoo.family import Log

__all__ = ["Changes", "Config", "Connect", "FileStore", "Row", "Space", "Store", "clean", "connector"]


@dataclass(frozen=True, slots=True)
class Row:
    """A message in a queue. Never changed, only replaced. Instants are seconds since the epoch."""

    queue: str
    id: str
    payload: bytes
    headers: Mapping[str, str]
    place: int
    """The order in its queue."""
    priority: int = 0
    due: float = 0.0
    """Where it was delayed: when it becomes available."""
    attempts: int = 0
    token: str = ""
    """Of the open lease, "" for none."""
    until: float = 0.0
    """When the open lease ends."""
    ended: tuple[float, int] = (0.0, 0)
    """When the last lease ended, and which one it was."""
    origin: str = ""
    """The queue in which it died."""
    death: int = 0
    """The order of deaths."""


@dataclass(frozen=True, slots=True)
class Config:
    """The dead-letter configuration of a queue."""

    target: str
    max_attempts: int


Slot: TypeAlias = tuple[str, str]
"""Queue and id of a message; queue and "" of its configuration."""
Changes: TypeAlias = Mapping[Slot, Row | Config | None]


class Space:
    """What one namespace holds."""

    def __init__(self) -> None:
        self.queues: dict[str, dict[str, Row]] = {}
        self.configs: dict[str, Config] = {}
        self.serial = 0

    def apply(self, changes: Changes) -> None:
        """Make all changes at once; None removes a message."""
        for (queue, name), thing in changes.items():
            if isinstance(thing, Config):
                self.configs[queue] = thing
            elif thing is None:
                self.queues.get(queue, {}).pop(name, None)
            else:
                self.queues.setdefault(queue, {})[name] = thing


class Store:
    """The data of one place. ``notes`` is room for what a mutant keeps beside it."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, Space] = {}
        self.waiting: set[asyncio.Future[None]] = set()
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
    """Queues that are the sum of a log: a call's changes are one record, handed over before it returns."""

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
        space = self.spaces.setdefault(namespace, Space())
        space.apply(changes)
        for row in changes.values():
            if isinstance(row, Row):
                token = int(row.token) if row.token.isdecimal() else 0
                space.serial = max(space.serial, row.place, row.death, row.ended[1], token)


Connect: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Store]]


def connector(store_type: type[Store]) -> Connect:
    """Return a ``connect`` that keeps one store for a place and closes it with the last client."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        store: Store = place.shared.get("queues") or place.shared.setdefault("queues", store_type(place))
        place.shared["queue clients"] = place.shared.get("queue clients", 0) + 1
        try:
            yield store
        finally:
            place.shared["queue clients"] -= 1
            if not place.shared["queue clients"]:
                store.close()

    return connect


async def clean(store: Store, prefix: str) -> None:
    store.clean(prefix)
