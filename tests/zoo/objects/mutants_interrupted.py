"""Mutants on whose refused or cancelled calls something is left behind that only the next call shows."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import replace

from prism_testkit.interfaces import BucketNotFound, Bytes, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("17", "leftover", trap="a put behind a cancelled one that said something", also="5")
class WhatWasSaidOfACancelledPutIsOfTheNext(Objects):
    said: Facts | None = None

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        said, self.said = self.said, facts
        await step()
        self.said = None
        kept = facts if said is None or facts.content_type is not None else replace(facts, content_type=said.content_type)
        return await super().write(slot, data, kept)


@mutant("17", "leftover", trap="a stream behind one that was cancelled in its midst", also="6 1")
class AStreamBehindACancelledOneHasItsBeginning(Objects):
    begun: bytes = b""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        if self.begun and size is None:
            spool.write(self.begun)
        first = True

        async def watched() -> AsyncIterator[Bytes]:
            nonlocal first
            async for chunk in chunks:
                if first:
                    self.begun = bytes(chunk)
                first = False
                await step()
                yield chunk

        await super().collect(spool, watched(), size)
        self.begun = b""


@mutant("11", "leftover", trap="a put behind one without its bucket", also="5 1")
class WhatWasSaidWithoutABucketIsOfTheNext(Objects):
    said: Mapping[str, str] | None = None

    def rows(self, bucket: str) -> dict[str, Version]:
        try:
            return super().rows(bucket)
        except BucketNotFound:
            self.said = {"missing": bucket}
            raise

    def version(self, slot: Slot, blob: object, facts: Facts) -> Version:
        said, self.said = self.said, None
        found = super().version(slot, blob, facts)  # type: ignore[arg-type]
        return found if said is None else replace(found, facts=Facts(facts.content_type, facts.content_encoding, said))


@mutant("17", "leftover", trap="a set_ttl behind a cancelled delete", also="9 4")
class ADeadlineBehindACancelledDeleteRemoves(Objects):
    deleting = False

    async def delete(self, bucket: str, key: str) -> bool:
        self.deleting = True
        await step()
        self.deleting = False
        return await super().delete(bucket, key)

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        deleting, self.deleting = self.deleting, False
        super().limit_life(slot, version, 0 if deleting else seconds)


@mutant("8", "leftover", trap="a listing behind one that was left", also="17")
class AListingGoesOnWhereOneWasLeft(Objects):
    at = ""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        at, self.at = self.at, ""
        async for info in super().list_objects(bucket, prefix):
            if info.key > at or not at:
                self.at = info.key
                yield info
        self.at = ""


@mutant("6", "leftover", trap="a stream behind one whose size was contradicted", also="17 1")
class TheSizeOfARefusedStreamIsOfTheNext(Objects):
    size_of_next: int | None = None

    def check_end(self, total: int, size: int | None) -> None:
        wanted = size if size is not None else self.size_of_next
        self.size_of_next = size
        super().check_end(total, wanted)
        self.size_of_next = None
