"""Mistakes of calls that meet, of creation, of buckets and of ends that real stores and their clients shipped, over the gateway."""

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from prism_testkit.interfaces import BackendUnavailable, Bytes, Conflict, ObjectMetadata
from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects
from .history_gateway import PART, Facts, Gateway, Head

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

KIND = "races"


@mutant("7", KIND, trap="a read while a put replaces", also="1 14 16 17")
class PutsDeleteFirst(GatewayObjects):
    """A put deletes the old object by a request of its own, and no reader finds any in between (storj/storj#5473)."""

    async def send(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> ObjectMetadata:
        await self.request(self.gateway.delete, *names)
        return await super().send(names, body, facts)


@mutant("7", KIND, trap="a read while a put of more than a part is made", also="16 17")
class PutsGrow(GatewayObjects):
    """A put writes at its place, piece by piece (apache/arrow-rs#3780)."""

    async def send(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> ObjectMetadata:
        if len(body) > PART:
            await self.request(self.gateway.put, *names, body[:PART], facts)
        return await super().send(names, body, facts)


@mutant("7", KIND, trap="a read while a creation of more than a part is made", also="conditional.2 conditional.3 conditional.4 17")
class CreationsGrow(GatewayObjects):
    """Puts are staged beside their place, creations are written at it, piece by piece (loonfs/loonfs#302)."""

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        if len(body) <= PART:
            return await super().create(names, body, facts)
        if await self.request(self.gateway.create, *names, body[:PART], facts) is None:
            return False
        await self.send(names, body, facts)
        return True


@mutant("conditional.2", "creation", trap="two clients that create at once")
class CreationsAreLockedInOneClient(GatewayObjects):
    """Creations are made one after the other in each client, and a look and a write are two requests (rustfs/rustfs#1659)."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lock = asyncio.Lock()

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        async with self.lock:
            if await self.request(self.gateway.head, *names) is not None:
                return False
            await self.send(names, body, facts)
            return True


@mutant("conditional.1", "creation", trap="a creation beside one that is cancelled", also="conditional.2 conditional.4")
class ClaimsOfOthersCount(GatewayObjects):
    """Who meets another creation is told that the object is there, though that one may not land (apache/opendal#6741)."""

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        claims: set[Any] = self.gateway.notes.setdefault("claims", set())
        if names in claims:
            return False
        claims.add(names)
        try:
            return await super().create(names, body, facts)
        finally:
            claims.discard(names)


@mutant("conditional.1", "creation", trap="creations that lose, again and again", also="conditional.2 17")
class LosersKeepTheirWriter(GatewayObjects):
    """A creation opens a writer; where the object is there, that is never closed (apache/opendal#7044)."""

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        created = await super().create(names, body, facts)
        if not created:
            await self.pool.acquire()
        return created


@mutant("7", KIND, trap="a stream that is read while the object is replaced", also="1")
class HeadersOfAnotherVersion(GatewayObjects):
    """The size is that of the version that was looked at, the bytes are of the one that is there (floci-io/floci#2874)."""

    async def piece(self, names: tuple[str, str, str], head: Head, start: int) -> bytes:
        there = await self.request(self.gateway.head, *names)
        return (head if there is None else there).data[start : min(start + PART, len(head.data))]


@mutant("11", "buckets", trap="the last object of a bucket, in a folder, is deleted", also="4 14")
class DeletesTakeTheBucket(Gateway):
    """With the last object of a folder go the folder, those above it, and the bucket (seaweedfs/seaweedfs#6380)."""

    def delete(self, space: str, name: str, key: str) -> bool:
        deleted = super().delete(space, name, key)
        if deleted and "/" in key and not self.bucket(space, name).heads:
            del self.buckets(space)[name]
        return deleted


@mutant("4", KIND, trap="a put beside the delete of the last object of its folder", also="1 14 16")
class EmptiedFoldersGoLater(GatewayObjects):
    """A folder that was seen to be empty is removed with all that came into it since (seaweedfs/seaweedfs#6113)."""

    async def erase(self, names: tuple[str, str, str]) -> bool:
        deleted = await super().erase(names)
        folder, slash, _ = names[2].rpartition("/")
        bucket = self.gateway.bucket(*names[:2])
        if deleted and slash and not any(key.startswith(folder + slash) for key in bucket.heads):
            await asyncio.sleep(0)
            for key in [key for key in bucket.heads if key.startswith(folder + slash)]:
                self.gateway.remove(bucket, key)
        return deleted


@mutant("4", KIND, trap="a put beside the delete of the last object of its folder", also="1 14 16")
class FoldersGoUnderPuts(GatewayObjects):
    """A put makes its folder, then its file; a delete of the last one in there comes in between (versity/versitygw#1988)."""

    async def send(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> ObjectMetadata:
        folder = (*names[:2], names[2].rpartition("/")[0])
        self.folders().add(folder)
        await asyncio.sleep(0)
        if folder[2] and folder not in self.folders():
            raise Conflict("gateway: the existing object is a directory")
        return await super().send(names, body, facts)

    async def erase(self, names: tuple[str, str, str]) -> bool:
        deleted = await super().erase(names)
        folder = names[2].rpartition("/")[0]
        if folder and not any(key.startswith(folder + "/") for key in self.gateway.bucket(*names[:2]).heads):
            self.folders().discard((*names[:2], folder))
        return deleted

    def folders(self) -> set[Any]:
        found: set[Any] = self.gateway.notes.setdefault("folders", set())
        return found


@mutant("11", "buckets", trap="a bucket with more than 256 objects, by force")
class ForceRefusesMany(Gateway):
    """By force a bucket is emptied, unless there are more than 256 objects (mozilla-services/socorro#6667)."""

    def remove_bucket(self, space: str, name: str, force: bool) -> bool:
        if force and name in self.buckets(space) and len(self.buckets(space)[name].heads) > 256:
            raise BackendUnavailable("gateway: refusing to delete a bucket with more than 256 objects")
        return super().remove_bucket(space, name, force)


@mutant("11", "buckets", trap="a bucket whose name is another one, NUL and more", also="3 15")
class NulEndsBuckets(Gateway):
    """Whether a bucket is empty is asked of all keys there are, by its name and NUL (floci-io/floci-gcp#180)."""

    def empty(self, space: str, name: str) -> bool:
        joined = (f"{there}\0{key}" for there, bucket in self.buckets(space).items() for key in bucket.heads)
        return not any(each.startswith(name + "\0") for each in joined)


@mutant("lifecycle.2", "ends", trap="another driver of the connection, when one is closed")
class CloseShutsWhatIsShared(GatewayObjects):
    """A manager that is closed shuts the client that it was given (aws/aws-sdk-java#135)."""

    async def close(self) -> None:
        await super().close()
        self.transport.shut = True


@mutant("lifecycle.2", "ends", trap="close while a stream is written")
class UploadsOutliveTheEnd(GatewayObjects):
    """Uploads are tasks of their own, of which close knows nothing (aws/aws-sdk-java-v2#5605)."""

    async def upload(self, names: tuple[str, str, str], chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Head:
        return await asyncio.shield(asyncio.ensure_future(super().upload(names, chunks, size, facts)))

    def reachable(self) -> None:
        """Whatever is sent, arrives."""
