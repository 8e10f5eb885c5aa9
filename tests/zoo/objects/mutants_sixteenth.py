"""Mutants of the sixteenth examination: names that are joined while streams come, and what a reader or an upload leaves behind."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Spool, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_PLACES = 8


@mutant("3", "joined names", trap="streams to b/c in a and to c in a/b at once", also="6 16")
class StreamsAreStagedUnderJoinedNames(Objects):
    """Two of one object have two numbers."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.numbers: dict[Slot, int] = {}
        self.staged: dict[str, bytearray] = {}

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        self.numbers[slot] = self.numbers.get(slot, 0) + 1
        name = f"{slot[0]}/{slot[1]}.{self.numbers[slot]}"

        async def staged() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                self.staged.setdefault(name, bytearray()).extend(self.chunk(chunk))
            yield bytes(self.staged.pop(name, b""))

        return await super().receive(slot, staged(), size, facts)


@mutant("14", "deferred removal", trap="an object is deleted while it is read, and put again before the reader is done", also="7")
class TheLastReaderRemovesWhatWasDeleted(Objects):
    """Who deletes what is read leaves a note for the last reader."""

    def reading(self) -> dict[Slot, int]:
        found: dict[Slot, int] = self.store.notes.setdefault(("reading", self.namespace), {})
        return found

    def doomed(self) -> set[Slot]:
        found: set[Slot] = self.store.notes.setdefault(("doomed", self.namespace), set())
        return found

    def drop(self, slot: Slot) -> bool:
        done = super().drop(slot)
        if done and slot in self.reading():
            self.doomed().add(slot)
        return done

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot, reading = self.slot(bucket, key, "get_stream"), self.reading()
        version = self.need(slot)
        reading[slot] = reading.get(slot, 0) + 1
        try:
            for piece in self.pieces(version):
                yield piece
        finally:
            reading[slot] -= 1
            if not reading[slot]:
                del reading[slot]
                if slot in self.doomed():
                    self.doomed().remove(slot)
                    if slot[0] in self.buckets():
                        super().drop(slot)


@mutant("17", "place not given back", trap="eight uploads are cancelled")
class ACancelledUploadKeepsItsPlace(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.places = asyncio.Semaphore(_PLACES)

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await self.places.acquire()
        try:
            await super().collect(spool, chunks, size)
        except Exception:
            self.places.release()
            raise
        self.places.release()
