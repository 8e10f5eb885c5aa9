"""An ordered map of rows with a log, as a layer over an ordered key-value store has it: the state below `ninth_driver`."""

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.traits import Traits
from tests.zoo.family import Log

__all__ = ["FileRows", "Key", "Rows", "rows_backend"]

Key = tuple[Any, ...]
"""(kind, namespace, ...); keys of one kind have parts of one type, so that they are in order."""


class Rows:
    """Rows by key. ``commit`` makes several changes at once, a value of None removing a row.

    ``listeners`` are the plain subscriptions by namespace, ``holds`` says who holds what: nothing of them outlives the process.
    """

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.order: list[Key] = []
        self.values: dict[Key, Any] = {}
        self.bells: set[asyncio.Future[None]] = set()
        self.listeners: dict[str, list[Any]] = {}
        self.holds: dict[Key, tuple[Any, str]] = {}
        self.serial = 0

    def get(self, *key: Any) -> Any:
        return self.values.get(key)

    def range(self, *prefix: Any, after: Any = None) -> Iterator[tuple[Key, Any]]:
        """Give the rows whose keys begin with these parts, in order, those whose next part is above ``after``."""
        at = bisect_left(self.order, prefix if after is None else (*prefix, after))
        while at < len(self.order) and self.order[at][: len(prefix)] == prefix:
            key = self.order[at]
            at += 1
            if after is None or key[len(prefix)] > after:
                yield key, self.values[key]

    def commit(self, changes: Mapping[Key, Any]) -> None:
        for key, value in changes.items():
            if value is None:
                if self.values.pop(key, None) is not None:
                    del self.order[bisect_left(self.order, key)]
            else:
                if key not in self.values:
                    insort(self.order, key)
                self.values[key] = value
        self.ring()

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def ring(self) -> None:
        for bell in self.bells:
            if not bell.done():
                bell.set_result(None)

    async def heard(self, seconds: float | None) -> None:
        """Wait for a change, at most so long."""
        bell = asyncio.get_running_loop().create_future()
        self.bells.add(bell)
        try:
            await asyncio.wait([bell], timeout=seconds)
        finally:
            self.bells.discard(bell)

    def clean(self, prefix: str) -> None:
        gone = {key: None for key in self.order if key[1].startswith(prefix)}
        if gone:
            self.commit(gone)
        for space in [name for name in self.listeners if name.startswith(prefix)]:
            del self.listeners[space]


class FileRows(Rows):
    """Rows that are in a log before they change."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.log = Log(place.directory / "rows.log")
        for changes in self.log.unread():
            super().commit(changes)

    def commit(self, changes: Mapping[Key, Any]) -> None:
        self.log.append(dict(changes))
        super().commit(changes)


async def _clean(rows: Rows, prefix: str) -> None:
    rows.clean(prefix)


KEPT = Traits(durability="process", ack_survives_kill="yes", delivery_count="exact")


def rows_backend(name: str, driver: Any, kind: type[Rows] = FileRows, **more: Any) -> Backend[Rows]:
    """Make a backend of a driver over rows."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Rows]:
        if "rows" not in place.shared:
            place.shared["rows"] = kind(place)
        yield place.shared["rows"]

    settings: dict[str, Any] = {"clean": _clean, "traits": KEPT, **more}
    return Backend(name=name, connect=connect, drivers=(driver,), **settings)
