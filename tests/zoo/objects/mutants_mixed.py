"""Mutants that keep in the driver what belongs to a call, where it meets a call of another kind."""

from collections.abc import AsyncIterable, AsyncIterator

from prism_testkit.interfaces import Bytes, ObjectInfo, ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Shares(Objects):
    """One field for all calls of the client."""

    facts_ = Facts(None, None, {})
    slot_ = ("", "")
    data_ = b""
    seconds_ = 0.0
    answer = False


@mutant("5", "shared metadata", trap="a put and a creation at once", also="1 16")
class APutAndACreationShareTheirMetadata(_Shares):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.facts_ = facts
        await step()
        return await super().write(slot, data, self.facts_)

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        self.facts_ = facts
        return await super().create(slot, data, facts)


@mutant("1", "shared data", trap="a put and a stream at once", also="6 16 5")
class APutAndAStreamShareTheirSpool(_Shares):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.data_ = data
        await step()
        version = await super().write(slot, self.data_, facts)
        self.data_ = b""
        return version

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async def noted() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                self.data_ = bytes(chunk)
                yield chunk

        await super().collect(spool, noted(), size)


@mutant("5", "shared key", trap="a get and a look at the metadata at once", also="1 2 16")
class AGetAndALookShareTheirSlot(_Shares):
    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        self.slot_ = self.slot(bucket, key, "metadata")
        await step()
        version = self.find(self.slot_)
        return None if version is None else self.told(version)

    async def get(self, bucket: str, key: str) -> bytes | None:
        self.slot_ = self.slot(bucket, key, "get")
        await step()
        version = self.find(self.slot_)
        return None if version is None else self.whole(version)


@mutant("9", "shared seconds", trap="a deadline and a put at once", also="10 5 1")
class APutDuringADeadlineIsMortal(_Shares):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        self.seconds_ = self.seconds(ttl_s)
        await step()
        found = await super().set_ttl(bucket, key, ttl_s)
        self.seconds_ = 0.0
        return found

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        version = await super().write(slot, data, facts)
        if self.seconds_ > 0:
            self.limit_life(slot, version, self.seconds_)
        return version


@mutant("4", "shared answer", trap="a delete and an exists at once", also="2 16")
class ADeleteAndAnExistsShareTheirAnswer(_Shares):
    async def delete(self, bucket: str, key: str) -> bool:
        self.answer = await super().delete(bucket, key)
        await step()
        return self.answer

    async def exists(self, bucket: str, key: str) -> bool:
        self.answer = await super().exists(bucket, key)
        await step()
        return self.answer


@mutant("8", "shared prefix", trap="a listing and a delete at once", also="4 14")
class AListingAndADeleteShareTheirKey(_Shares):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.slot_ = (bucket, prefix)
        await step()
        async for info in super().list_objects(bucket, self.slot_[1]):
            yield info

    async def delete(self, bucket: str, key: str) -> bool:
        self.slot_ = self.slot(bucket, key, "delete")
        return await super().delete(bucket, key)


@mutant("11", "shared bucket", trap="a bucket that is made while another one is looked for", also="15 3")
class ALookAndAMakingShareTheirBucket(_Shares):
    async def create_bucket(self, bucket: str) -> bool:
        self.slot_ = (self.bucket_name(bucket, "create_bucket"), "")
        return await super().create_bucket(bucket)

    async def bucket_exists(self, bucket: str) -> bool:
        self.slot_ = (self.bucket_name(bucket, "bucket_exists"), "")
        await step()
        return self.slot_[0] in self.buckets()
