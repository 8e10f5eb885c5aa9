"""Mistakes with contents, metadata, etags and deadlines that real stores and their clients shipped, over the gateway."""

import math
from dataclasses import replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any

from prism_testkit.interfaces import ObjectMetadata
from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects
from .history_gateway import Bucket, Facts, Gateway, Head

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

KIND = "metadata"


@mutant("5", KIND, trap="the etag behind set_ttl", also="9")
class CopiesToItselfLoseTheEtag(Gateway):
    """What is known of an object is changed by copying it to itself, without its etag (minio/minio#5622)."""

    def touch(self, space: str, name: str, key: str, expires_ms: int) -> bool:
        there = super().touch(space, name, key, expires_ms)
        bucket = self.bucket(space, name)
        head = self.find(bucket, key)
        if head is not None:
            self.store(bucket, key, replace(head, etag=""))
        return there


@mutant("5", KIND, trap="user metadata behind set_ttl", also="9")
class PatchesClearTheRest(Gateway):
    """A patch of one fact clears all others (EmbarkStudios/tame-gcs#28)."""

    def touch(self, space: str, name: str, key: str, expires_ms: int) -> bool:
        there = super().touch(space, name, key, expires_ms)
        bucket = self.bucket(space, name)
        head = self.find(bucket, key)
        if head is not None:
            self.store(bucket, key, replace(head, facts=replace(head.facts, labels={})))
        return there


@mutant("5", KIND, trap="a second put whose user metadata have other names")
class LabelsAreMixed(Gateway):
    """User metadata of the old object stay beside those of the new one (scality/cloudserver#126)."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        old = self.find(bucket, key)
        labels = {**(old.facts.labels if old is not None else {}), **head.facts.labels}
        return super().store(bucket, key, replace(head, facts=replace(head.facts, labels=labels)))


@mutant("5", KIND, trap="a value of user metadata that looks like an encoded word")
class EncodedWordsAreDecoded(GatewayObjects):
    """Values beyond ASCII are sent as encoded words, and whatever looks like one is decoded (treeverse/lakeFS#9588)."""

    def told(self, head: Head) -> ObjectMetadata:
        labels = {name: self.decoded(value) for name, value in head.facts.labels.items()}
        return super().told(replace(head, facts=replace(head.facts, labels=labels)))

    def decoded(self, value: str) -> str:
        if not (value.startswith("=?") and value.endswith("?=")):
            return value
        try:
            return str(make_header(decode_header(value)))
        except (HeaderParseError, LookupError, UnicodeError):
            return value


@mutant("5", "etags", trap="an etag behind an overwrite")
class EtagsAreOfNames(Gateway):
    """An etag is made of bucket and key (mulgadc/predastore#120)."""

    def etag(self, space: str, bucket: str, key: str, data: bytes) -> str:
        return super().etag(space, bucket, key, f"{bucket}/{key}".encode())


@mutant("5", "etags", trap="a key that is deleted and put again")
class GenerationsComeAgain(Gateway):
    """Versions are numbered from the newest that is there: where that was deleted, its number is given again
    (flyology-ada/flyology-object-storage#33)."""

    def etag(self, space: str, bucket: str, key: str, data: bytes) -> str:
        head = self.find(self.bucket(space, bucket), key)
        return str(1 + int(head.etag)) if head is not None else "1"


@mutant("1", "contents", trap="an overwrite by other data of the same size", also="5")
class SameSizeIsTheSame(Gateway):
    """What has the same name and size is there already, and is not sent (aws-samples/amazon-s3-resumable-upload#1)."""

    def put(self, space: str, name: str, key: str, data: bytes, facts: Facts) -> Head:
        head = self.find(self.bucket(space, name), key)
        return head if head is not None and len(head.data) == len(data) else super().put(space, name, key, data, facts)


@mutant("10", "deadlines", trap="the same data put again when it has expired", also="1 9 14")
class UnchangedIsNotWritten(Gateway):
    """A put of what is stored already changes nothing, even if that has expired (seaweedfs/seaweedfs#166)."""

    def work(self) -> None:
        """What has expired stays where it is."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        old = bucket.heads.get(key)
        if old is not None and not self.present(old) and old.data == head.data and old.facts == head.facts:
            return old
        return super().store(bucket, key, head)


@mutant("9", "deadlines", trap="a time that is no whole number of some unit, and of more than 255 minutes")
class MinutesOfAByte(GatewayObjects):
    """A time is a byte and a unit; what does not go into one is told in minutes, cut to a byte (seaweedfs/seaweedfs#5812)."""

    def deadline_ms(self, seconds: float) -> int:
        units = (31536000, 2592000, 604800, 86400, 3600, 60, 1)
        if seconds >= 256 and not any(seconds % unit == 0 and seconds / unit < 256 for unit in units):
            seconds = math.ceil(seconds / 60) % 256 * 60
        return super().deadline_ms(seconds)


@mutant("9", "deadlines", trap="delete of what has expired", also="2 4")
class DeletesWhatHasExpired(Gateway):
    """Reads do not find what has expired and is still there, but a delete does, and says so (ceph/ceph#6228)."""

    def work(self) -> None:
        """What has expired stays where it is."""

    def delete(self, space: str, name: str, key: str) -> bool:
        return self.bucket(space, name).heads.pop(key, None) is not None


@mutant("10", "deadlines", trap="a put of what had a deadline, looked at behind it", also="9")
class ExpirerIgnoresWhatWasCleared(Gateway):
    """Who removes what is due compares the deadline with the note, if there is one; else the object goes (ceph/ceph#13621)."""

    def expire(self, bucket: Bucket, key: str, number: int) -> None:
        head = bucket.heads.get(key)
        if head is not None and (head.expires_ms is None or not self.present(head)):
            self.remove(bucket, key)


@mutant("9", "deadlines", trap="another object that is put into the bucket meanwhile")
class ExpiryBeginsWithTheLastWrite(Gateway):
    """A volume expires as a whole, so long after it was written to for the last time (seaweedfs/seaweedfs#992)."""

    def touch(self, space: str, name: str, key: str, expires_ms: int) -> bool:
        bucket = self.bucket(space, name)
        self.notes[bucket.number, key] = expires_ms - self.clock.now_ms()
        return super().touch(space, name, key, expires_ms)

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        for other, there in list(bucket.heads.items()):
            lasts = self.notes.get((bucket.number, other))
            if there.expires_ms is not None and lasts is not None and other != key and self.present(there):
                bucket.heads[other] = replace(there, expires_ms=self.clock.now_ms() + lasts)
        return super().store(bucket, key, head)


@mutant("5", "connections", trap="metadata asked for more often than there are connections", also="1 2 14 17")
class MetadataOpensTheContent(GatewayObjects):
    """Metadata come with the content, which is opened and never closed (abashev/vfs-s3#11)."""

    async def describe(self, names: tuple[str, str, str]) -> ObjectMetadata | None:
        told = await super().describe(names)
        if told is not None:
            await self.pool.acquire()
        return told


@mutant("1", "contents", trap="data that end with a newline", also="5")
class TrailingNewlineIsFraming(Gateway):
    """Where the framing of chunks is taken off, a newline at the end goes too (localstack/localstack#1305)."""

    def put(self, space: str, name: str, key: str, data: bytes, facts: Facts) -> Head:
        return super().put(space, name, key, data.removesuffix(b"\n").removesuffix(b"\r"), facts)


@mutant("5", "races", trap="a put that another one overtakes on its way back", also="16")
class AnswersFromThePlace(GatewayObjects):
    """What a put returns is read from its place when it is done (apache/arrow-rs#5094)."""

    async def send(self, names: tuple[str, str, str], body: bytes, facts: Facts) -> ObjectMetadata:
        told = await super().send(names, body, facts)
        head = await self.request(self.gateway.head, *names)
        return told if head is None else self.told(head)


@mutant("7", "races", trap="metadata while the object is overwritten", also="5 16")
class FactsAreReadOneByOne(GatewayObjects):
    """Each attribute of a file is read by its path: some are of another version than the others (gaul/s3proxy#490)."""

    async def describe(self, names: tuple[str, str, str]) -> ObjectMetadata | None:
        told = await super().describe(names)
        later = await super().describe(names)
        if told is None or later is None:
            return told
        return replace(told, user_metadata=later.user_metadata, content_type=later.content_type, etag=later.etag)


@mutant("4", "contents", trap="two objects of one content, of which the older is deleted", also="1")
class CopiesHangOnTheirOrigin(Gateway):
    """What has the content of another object points to it, and is empty when that is deleted (project-zot/zot#774)."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        self.notes.setdefault(("origin", head.data), (bucket.number, key))
        return super().store(bucket, key, head)

    def remove(self, bucket: Bucket, key: str) -> None:
        data = bucket.heads[key].data
        super().remove(bucket, key)
        if self.notes.get(("origin", data)) == (bucket.number, key):
            del self.notes["origin", data]
            for other in self.everywhere():
                for name, head in list(other.heads.items()):
                    if head.data == data:
                        other.heads[name] = replace(head, data=b"")

    def everywhere(self) -> Any:
        return (bucket for buckets in self.spaces.values() for bucket in buckets.values())
