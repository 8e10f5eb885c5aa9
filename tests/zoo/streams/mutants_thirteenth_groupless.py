"""Mutants of streams with bounds and without groups: their bounds are judged all the same."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Record, Retention, StreamBasic, StreamRetention
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family

from .declare import HOME
from .newer import NewerStreams
from .reference import backend
from .stores import Store, connector

__all__ = ["MUTANTS", "UNUSUAL", "BoundsOnly"]


class BoundsOnly(StreamBasic, StreamRetention):
    """A right one, over streams that can do more."""

    traits = Traits(compaction="immediate")
    limits = NewerStreams.limits

    def __init__(self, client: Store, namespace: str) -> None:
        self.whole = NewerStreams(client, namespace)

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return await self.whole.append(stream, payload, key, headers)

    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        return self.whole.read(stream, start, limit)

    async def latest_offset(self, stream: str) -> int | None:
        return await self.whole.latest_offset(stream)

    async def trim(self, stream: str, before: int) -> int:
        return await self.whole.trim(stream, before)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await self.whole.set_retention(stream, max_age_s, max_records)

    async def retention(self, stream: str) -> Retention:
        return await self.whole.retention(stream)

    async def enforce_retention(self, stream: str) -> None:
        await self.whole.enforce_retention(stream)

    async def compact(self, stream: str) -> None:
        await self.whole.compact(stream)


def _make(name: str, driver: Any, /, **settings: Any) -> Backend[Any]:
    return backend(name, driver, connector(Store), **settings)


MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="stream_", make=_make, home=HOME)
UNUSUAL: tuple[Backend[Any], ...] = (_make("bounds-only", BoundsOnly),)
TRAP = "a driver without groups"


@mutant("retention.6", "dense numbers", trap=f"{TRAP}, a read from behind a hole that a compaction left", also="basic.12 basic.1")
class ReckonsFromTheFirst(BoundsOnly):
    """Where a read begins is reckoned from the first offset kept, as if none were missing behind it."""

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        offsets = [record.offset async for record in self.whole.read(stream)]
        left_out = set(offsets[: max(0, start - offsets[0])]) if offsets else set()
        async for record in self.whole.read(stream, start, limit):
            if record.offset not in left_out:
                yield record


@mutant("retention.1", "dense numbers", trap=f"{TRAP}, a bound on what a compaction left", also="retention.6")
class BoundsOffsets(BoundsOnly):
    """The last ``max_records`` offsets are kept, whether or not there are records at them."""

    async def enforce_retention(self, stream: str) -> None:
        bounds, latest = await self.whole.retention(stream), await self.whole.latest_offset(stream)
        if bounds.max_records is not None and latest is not None:
            await self.whole.trim(stream, max(0, latest + 1 - bounds.max_records))
        await self.whole.enforce_retention(stream)
