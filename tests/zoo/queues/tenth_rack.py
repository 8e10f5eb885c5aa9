"""A rack of ordered keys under the tenth round's queue: transactions are tried, and tried again if somebody was first."""

import asyncio
import bisect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from prism_testkit.backend import Place
from prism_testkit.clock import Clock
from tests.zoo.family import Log

__all__ = ["Key", "Look", "Rack", "connector"]

T = TypeVar("T")
Key = tuple[Any, ...]


class Rack:
    """All keys of a place, in order, with the number of the commit that wrote each."""

    def __init__(self, place: Place) -> None:
        self.clock: Clock = place.clock
        self.keys: list[Key] = []
        self.values: dict[Key, Any] = {}
        self.commits = 0
        self.ears: dict[Key, list[asyncio.Future[None]]] = {}
        self.log = Log(place.directory / "rack.log")

    def refresh(self) -> None:
        for writes in self.log.unread():
            self.apply(writes)

    def apply(self, writes: dict[Key, Any]) -> None:
        self.commits += 1
        for key, value in writes.items():
            there = key in self.values
            if value is None:
                if there:
                    del self.values[key]
                    del self.keys[bisect.bisect_left(self.keys, key)]
                continue
            self.values[key] = value
            if not there:
                bisect.insort(self.keys, key)

    def commit(self, writes: dict[Key, Any]) -> None:
        if writes:
            self.apply(writes)
            self.log.append(writes)
            for ears in self.ears.values():
                for ear in ears:
                    if not ear.done():
                        ear.set_result(None)

    def begin(self) -> "Look":
        self.refresh()
        return Look(self)


class Look:
    """One try of a transaction: reads see its own writes, and all of it holds if nothing was committed since it began."""

    def __init__(self, rack: Rack) -> None:
        self.rack, self.at, self.writes = rack, rack.commits, dict[Key, Any]()

    def get(self, key: Key) -> Any:
        return self.writes[key] if key in self.writes else self.rack.values.get(key)

    def put(self, key: Key, value: Any) -> None:
        self.writes[key] = value

    def drop(self, key: Key) -> None:
        self.writes[key] = None

    def range(self, prefix: Key) -> Iterator[tuple[Key, Any]]:
        """Yield the keys that begin with ``prefix``, in order."""
        size = len(prefix)
        at = bisect.bisect_left(self.rack.keys, prefix)
        found = []
        while at < len(self.rack.keys) and self.rack.keys[at][:size] == prefix:
            found.append(self.rack.keys[at])
            at += 1
        for key, value in self.writes.items():
            if key[:size] == prefix and value is not None and key not in self.rack.values:
                bisect.insort(found, key)
        for key in found:
            if (value := self.get(key)) is not None:
                yield key, value

    def first(self, prefix: Key) -> tuple[Key, Any] | None:
        return next(self.range(prefix), None)

    def holds(self) -> bool:
        self.rack.refresh()
        return self.rack.commits == self.at

    async def steps(self) -> None:
        """Let others run: whoever commits meanwhile is found out at the end."""
        await asyncio.sleep(0)


async def run(rack: Rack, body: Callable[[Look], T]) -> T:
    for tries in range(1000):
        look = rack.begin()
        if tries < 3:
            await look.steps()
        if look.holds():
            answer = body(look)
            rack.commit(look.writes)
            return answer
    raise AssertionError("never")


@asynccontextmanager
async def connect(place: Place) -> AsyncIterator[Rack]:
    rack = place.shared.get("rack")
    yield place.shared.setdefault("rack", Rack(place)) if rack is None else rack


def connector(kind: type[Rack]) -> Any:
    @asynccontextmanager
    async def connected(place: Place) -> AsyncIterator[Rack]:
        rack = place.shared.get("rack")
        yield place.shared.setdefault("rack", kind(place)) if rack is None else rack

    return connected
