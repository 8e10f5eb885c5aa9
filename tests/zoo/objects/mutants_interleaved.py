"""Mutants that keep in the driver what belongs to one iteration or one upload."""

from collections.abc import AsyncIterable, AsyncIterator

from prism_testkit.interfaces import Bytes, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import PIECE, Objects, step
from .stores import Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("1", "shared cursor", trap="two streams of one client that are read by turns", also="7 18")
class StreamsOfAClientShareTheirPlace(Objects):
    at = 0

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        version = self.need(self.slot(bucket, key, "get_stream"))
        self.at = 0
        while True:
            with self.store.open(version.blob) as file:
                file.seek(self.at)
                piece = file.read(PIECE)
            if not piece:
                return
            self.at += len(piece)
            yield piece


@mutant("8", "shared cursor", trap="two listings of one client that go on by turns", also="15")
class ListingsOfAClientShareTheirPlace(Objects):
    left: list[str] = []  # noqa: RUF012  that is the mistake

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name = self.bucket_name(bucket, "list_objects")
        self.left = self.matching(name, self.prefix(prefix))
        while self.left:
            key = self.left.pop(0)
            version = self.listed((name, key))
            if version is not None:
                yield self.info(key, version)


@mutant("6", "shared counter", trap="two uploads of one client that go on by turns", also="1 16")
class UploadsOfAClientShareTheirSize(Objects):
    total = 0

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        self.total = 0
        async for chunk in chunks:
            data = self.chunk(chunk)
            spool.write(data)
            self.total += len(data)
            self.check_growth(self.total, size)
        self.check_end(self.total, size)


@mutant("5", "shared facts", trap="two uploads of one client that go on by turns, of different types", also="16")
class UploadsOfAClientShareWhatIsSaid(Objects):
    said: Facts | None = None

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        self.said = facts
        return await super().receive(slot, chunks, size, facts)

    def version(self, slot: Slot, blob: object, facts: Facts) -> Version:
        said, self.said = self.said, None
        return super().version(slot, blob, facts if said is None else said)  # type: ignore[arg-type]


@mutant("16", "shared facts", trap="two puts of one client at once, of different types", also="5")
class PutsOfAClientShareWhatIsSaid(Objects):
    now_said: Facts | None = None

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.now_said = facts
        await step()
        return await super().write(slot, data, self.now_said)


@mutant("16", "shared name", trap="two puts of one client at once, of different objects", also="1 3 14")
class PutsOfAClientShareTheirPlace(Objects):
    slot_now: Slot = ("", "")

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.slot_now = slot
        await step()
        return await super().write(self.slot_now, data, facts)


@mutant("9", "shared seconds", trap="two deadlines of one client at once", also="10")
class DeadlinesOfAClientShareTheirSeconds(Objects):
    seconds_now = 0.0

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        self.seconds_now = self.seconds(ttl_s)
        await step()
        return await super().set_ttl(bucket, key, self.seconds_now)
