"""More of the classes of mistakes that history had and the suites missed, written when those were caught, over the gateway."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects, Sending
from .history_gateway import PAGE, Bucket, Facts, Gateway, Head, Page, Upload

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("8", "listings", trap="what was listed is deleted, more than a page of it")
class TokensAreOffsets(Gateway):
    """A page begins behind so many keys as were given; what was deleted of them moves the rest there."""

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        rows = list(super().listed(self.bucket(space, name), prefix, None))
        start = int(token or 0)
        return rows[start : start + PAGE], str(start + PAGE) if len(rows) > start + PAGE else None


@mutant("8", "listings", trap="the last key of a page is deleted while a listing is open")
class EndsWithoutItsMarker(Gateway):
    """A listing goes on behind where its token stands; where that was deleted, there is nothing more."""

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        return super().listed(bucket, prefix, token) if token is None or token in bucket.heads else iter(())


@mutant("8", "listings", trap="a page that ends in the middle of a folder")
class TokensAreFolders(Gateway):
    """The token is the folder of the last key, and the next page begins behind that folder."""

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        folder = token.rpartition("/")[0] + "/" if token is not None and "/" in token else None
        rows = super().listed(bucket, prefix, token)
        return (row for row in rows if folder is None or not row[0].startswith(folder))


@mutant("8", "listings", trap="a page that begins with a folder")
class FoldersBeginWithTheirMarker(Gateway):
    """Where a page begins with another folder, its first key is taken for what marks that folder, and left out."""

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        rows = super().listed(bucket, prefix, token)
        if token is not None and "/" in token:
            first = next(rows, None)
            if first is not None and first[0].startswith(token.rpartition("/")[0] + "/"):
                yield first
        yield from rows


@mutant("4", "names", trap="a stream over an object whose key is the beginning of another and a tab", also="1 3 6 8")
class StreamsClearTheirTabs(Gateway):
    """What is under the key of a stream, a tab and more, is what is left of an older one."""

    def complete(self, space: str, name: str, upload: Upload) -> Head:
        for key in [key for key in upload.bucket.heads if key.startswith(upload.key + "\t")]:
            del upload.bucket.heads[key]
        return super().complete(space, name, upload)


@mutant("4", "names", trap="a stream that fails, of a key that is the folder of others", also="1 3 6 8")
class FailedStreamsClearTheirFolder(GatewayObjects):
    """Parts are in a folder of the key's name, which a failed stream removes with all there is in it."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        super().give_up(names, upload, error)
        for key in [key for key in upload.bucket.heads if key.startswith(upload.key + "/")]:
            del upload.bucket.heads[key]


@mutant("6", "uploads", trap="sources that fail behind a part, again and again", also="17")
class FailedUploadsHoldOn(GatewayObjects):
    """A connection that sends a part is kept for the next one, and for ever if there is none because the source failed."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        super().give_up(names, upload, error)
        if upload.parts and not isinstance(error, ValueError | asyncio.CancelledError):
            self.pool._value = max(0, self.pool._value - 1)


@mutant("6", "uploads", trap="sizes that are contradicted behind a part, again and again", also="17")
class RefusedUploadsHoldOn(GatewayObjects):
    """The same, where the size was another."""

    def give_up(self, names: tuple[str, str, str], upload: Upload, error: BaseException) -> None:
        super().give_up(names, upload, error)
        if upload.parts and isinstance(error, ValueError):
            self.pool._value = max(0, self.pool._value - 1)


@mutant("5", "etags", trap="etags of versions that have one deadline", also="9")
class EtagsAreOfDeadlines(Gateway):
    """An object with a deadline has an etag of that."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        return super().store(bucket, key, head if head.expires_ms is None else replace(head, etag=f"{head.expires_ms:x}"))


@mutant("5", "etags", trap="etags of versions of one size behind set_ttl", also="9")
class EtagsAreOfSizesLater(Gateway):
    """set_ttl writes a head that has no digest at hand, and takes the size."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        return super().store(bucket, key, head if head.expires_ms is None else replace(head, etag=f"{len(head.data):x}"))


@mutant("conditional.1", "creation", trap="a creation beside one that is cancelled", also="conditional.2 conditional.4")
class LockedIsThere(GatewayObjects):
    """A creation tries to lock the key, without a wait, and takes whoever holds it for who creates it."""

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        locks: dict[Any, asyncio.Lock] = self.gateway.notes.setdefault("locks", {})
        lock = locks.setdefault(names, asyncio.Lock())
        if lock.locked():
            return False
        async with lock:
            return await super().create(names, body, facts)


@mutant("conditional.1", "creation", trap="a creation beside one that is cancelled", also="conditional.2 conditional.4")
class CreationsShareTheirAnswer(GatewayObjects):
    """Creations of one key wait for the first of them, and lose, whatever became of it."""

    async def create(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> bool:
        under_way: dict[Any, asyncio.Event] = self.gateway.notes.setdefault("under way", {})
        if names in under_way:
            await under_way[names].wait()
            return False
        under_way[names] = asyncio.Event()
        try:
            return await super().create(names, body, facts)
        finally:
            under_way.pop(names).set()


class _Indexed(Gateway):
    """Lists only the folders that its index names."""

    def folders(self, bucket: Bucket) -> set[str]:
        found: set[str] = self.notes.setdefault(("folders", bucket.number), set())
        return found

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        rows = super().listed(bucket, prefix, token)
        return (row for row in rows if row[0].rpartition("/")[0] in {"", *self.folders(bucket)})

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        self.folders(bucket).add(key.rpartition("/")[0])
        return super().store(bucket, key, head)


@mutant("4", "races", trap="a put beside the delete of the last object of its folder", also="8 14 16", gateway=_Indexed)
class FoldersAreCountedEarly(GatewayObjects):
    """Whether a folder becomes empty is looked at before a delete, and the index forgets it afterwards."""

    async def erase(self, names: tuple[str, str, str]) -> bool:
        folder = names[2].rpartition("/")[0]
        bucket = self.gateway.bucket(*names[:2])
        alone = [key for key in bucket.heads if key.rpartition("/")[0] == folder] == [names[2]]
        deleted = await super().erase(names)
        if alone and deleted and folder:
            self.gateway.folders(bucket).discard(folder)  # type: ignore[attr-defined]
        return deleted


@mutant("4", "races", trap="a put beside a delete of another object", also="1 14 16")
class DeletesWriteTheFolderBack(GatewayObjects):
    """A delete reads its folder, takes one object out and writes the folder back: what came in between is gone."""

    async def erase(self, names: tuple[str, str, str]) -> bool:
        bucket, folder = self.gateway.bucket(*names[:2]), names[2].rpartition("/")[0]
        before = {key for key in bucket.heads if key.rpartition("/")[0] == folder}
        deleted = await super().erase(names)
        for key in [key for key in bucket.heads if folder and key.rpartition("/")[0] == folder and key not in before]:
            del bucket.heads[key]
        return deleted


@mutant("11", "buckets", trap="a bucket whose name another one begins with, which has objects", also="3 15")
class LongerBucketsCount(Gateway):
    """Whether a bucket is empty is asked of all keys there are that begin with its name."""

    def empty(self, space: str, name: str) -> bool:
        return not any(there.startswith(name) and bucket.heads for there, bucket in self.buckets(space).items())


@mutant("11", "buckets", trap="a bucket that is the folder of another one", also="3 15")
class SlashesEndBuckets(Gateway):
    """The same, by its name and a slash."""

    def empty(self, space: str, name: str) -> bool:
        joined = (f"{there}/{key}" for there, bucket in self.buckets(space).items() for key in bucket.heads)
        return not any(each.startswith(name + "/") for each in joined)


@mutant("10", "deadlines", trap="the same data put again before they expire", also="1 5 9 14")
class UnchangedKeepsItsDeadline(Gateway):
    """A put of what is stored already only moves its instant."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        old = self.find(bucket, key)
        if old is not None and head.expires_ms is None and old.data == head.data and old.facts == head.facts:
            head = replace(head, expires_ms=old.expires_ms)
        return super().store(bucket, key, head)


class _Unswept(Gateway):
    def work(self) -> None:
        """What has expired stays where it is."""


@mutant("10", "deadlines", trap="a stream of the same data when they have expired", also="1 5 9 14", gateway=_Unswept)
class KnownContentsAreNotUploaded(GatewayObjects):
    """The end of an upload whose content is at its place already is left out, be it expired."""

    async def finish(self, names: tuple[str, str, str], sending: Sending) -> Head:
        head = sending.upload.bucket.heads.get(sending.upload.key)
        data = self.gateway.joined(sending.upload) + sending.kept
        if head is not None and not self.gateway.present(head) and (head.data, head.facts) == (data, sending.upload.facts):
            self.gateway.abort(sending.upload)
            return head
        return await super().finish(names, sending)
