"""Mutants that accept what is illegal, refuse what is legal, or keep what the caller may still change."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, InvalidName, PayloadTooLarge
from prism_testkit.naming import METADATA_BYTES, check_headers, check_payload, check_prefix
from prism_testkit.traits import NO_LIMIT, Limits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_WIDE = Limits(max_payload=NO_LIMIT, max_name=1 << 20)

# 12: names


@mutant("12", "missing check", trap="an empty key")
class AcceptsEmptyKeys(Objects):
    def key_name(self, key: str, operation: str) -> str:
        return super().key_name(key, operation) if key != "" else "(empty)"


@mutant("12", "missing check", trap="an empty bucket name")
class AcceptsEmptyBuckets(Objects):
    """A default bucket."""

    def bucket_name(self, bucket: str, operation: str) -> str:
        return super().bucket_name(bucket, operation) if bucket != "" else "default"


@mutant("12", "off by one", trap="a key one byte over the limit")
class AcceptsKeysOneByteOver(Objects):
    def key_name(self, key: str, operation: str) -> str:
        check_prefix(key, operation, "zoo", replace(self.limits, max_name=self.limits.max_name + 1))
        return super().key_name(key, operation) if len(key.encode()) <= self.limits.max_name else key


@mutant("12", "off by one", trap="a key at the limit", also="3")
class RefusesKeysAtTheLimit(Objects):
    def key_name(self, key: str, operation: str) -> str:
        if isinstance(key, str) and len(key.encode(errors="replace")) == self.limits.max_name:
            raise InvalidName(f"zoo: {operation}: too long")
        return super().key_name(key, operation)


@mutant("12", "unit", trap="a key over the limit whose characters are within it")
class CountsCharactersOfKeys(Objects):
    def key_name(self, key: str, operation: str) -> str:
        if isinstance(key, str) and len(key) <= self.limits.max_name < len(key.encode(errors="replace")):
            return key
        return super().key_name(key, operation)


@mutant("12", "limit together", trap="a bucket and a key that are together over the limit", also="3")
class LimitsThePath(Objects):
    def slot(self, bucket: str, key: str, operation: str) -> Slot:
        if isinstance(key, str) and len(f"{bucket}/{key}".encode(errors="replace")) > self.limits.max_name:
            raise InvalidName(f"zoo: {operation}: the path is too long")
        return super().slot(bucket, key, operation)


@mutant("12", "wrong error", trap="a name with a surrogate")
class SurrogatesAreUnicodeErrors(Objects):
    def key_name(self, key: str, operation: str) -> str:
        if isinstance(key, str):
            key.encode()
        return super().key_name(key, operation)


@mutant("12", "missing check", trap="an over-long bucket name")
class AcceptsLongBuckets(Objects):
    def bucket_name(self, bucket: str, operation: str) -> str:
        if isinstance(bucket, str) and len(bucket) > self.limits.max_name:
            return bucket
        return super().bucket_name(bucket, operation)


@mutant("12", "missing check", trap="delete_bucket or bucket_exists of an illegal name")
class BucketLooksAreUnchecked(Objects):
    def bucket_name(self, bucket: str, operation: str) -> str:
        return bucket if operation in ("delete_bucket", "bucket_exists") else super().bucket_name(bucket, operation)


@mutant("12", "missing check", trap="get, exists or delete of an illegal key")
class ReadsAreUnchecked(Objects):
    """What cannot be there is missing."""

    def key_name(self, key: str, operation: str) -> str:
        return super().key_name(key, operation) if operation.startswith("put") else key


@mutant("12", "missing check", trap="set_ttl of an illegal key")
class SetTtlIsUnchecked(Objects):
    def key_name(self, key: str, operation: str) -> str:
        return super().key_name(key, operation) if operation != "set_ttl" else key


@mutant("12", "missing check", trap="an over-long prefix, or one with a surrogate")
class PrefixesAreUnchecked(Objects):
    def prefix(self, prefix: str) -> str:
        return prefix


@mutant("12", "refusal", trap="the empty prefix", also="8")
class RefusesTheEmptyPrefix(Objects):
    def prefix(self, prefix: str) -> str:
        if prefix == "":
            raise InvalidName("zoo: list_objects: the prefix is empty")
        return super().prefix(prefix)


@mutant("12", "wrong order", trap="an illegal key in a bucket that is missing, or an object that is", also="11")
class ChecksKeysBehindTheBucket(Objects):
    """An illegal name is only noticed where there is something."""

    def slot(self, bucket: str, key: str, operation: str) -> Slot:
        name = self.bucket_name(bucket, operation)
        if operation in ("get", "metadata", "delete") and not self.rows(name):
            return name, key
        return name, self.key_name(key, operation)


# 12: data and metadata


@mutant("12", "missing check", trap="data over the limit")
class AcceptsLargeData(Objects):
    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        return check_payload(data, operation, "zoo", key, _WIDE)


@mutant("12", "off by one", trap="data of one byte over the limit")
class AcceptsDataOneByteOver(Objects):
    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        return check_payload(data, operation, "zoo", key, Limits(max_payload=self.limits.max_payload + 1))


@mutant("12", "off by one", trap="data at the limit")
class RefusesDataAtTheLimit(Objects):
    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        return check_payload(data, operation, "zoo", key, Limits(max_payload=self.limits.max_payload - 1))


@mutant("12", "off by one", trap="a stream at the limit", also="6")
class RefusesStreamsAtTheLimit(Objects):
    def check_growth(self, so_far: int, size: int | None) -> None:
        super().check_growth(so_far + 1, None if size is None else size + 1)


@mutant("12", "order of steps", trap="data over the limit, over an old object")
class RemovesThenRefuses(Objects):
    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        try:
            return super().data(data, operation, key)
        except PayloadTooLarge:
            for bucket in self.buckets():
                self.drop((bucket, key))
            raise


@mutant("12", "truncation", trap="data over the limit")
class CutsDataAtTheLimit(Objects):
    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        return super().data(data[: self.limits.max_payload], operation, key)


@mutant("12", "missing check", trap="a str as data")
class AcceptsText(Objects):
    def data(self, data: Any, operation: str, key: str) -> bytes:
        return super().data(data.encode() if isinstance(data, str) else data, operation, key)


@mutant("12", "missing check", trap="an int as data, or a list of ints")
class AcceptsWhateverBytesTakes(Objects):
    """``bytes(5)`` is five NULs."""

    def data(self, data: Any, operation: str, key: str) -> bytes:
        return super().data(bytes(data) if isinstance(data, int | list | tuple) else data, operation, key)


@mutant("12", "missing check", trap="a chunk that is no bytes")
class AcceptsTextChunks(Objects):
    def chunk(self, chunk: Any) -> bytes:
        return super().chunk(chunk.encode() if isinstance(chunk, str) else chunk)


@mutant("12", "missing check", trap="a stream over the limit", also="6")
class StreamsHaveNoLimit(Objects):
    def check_growth(self, so_far: int, size: int | None) -> None:
        if size is not None and so_far > size:
            raise ValueError(f"zoo: put_stream: {so_far} bytes so far, size={size}")


@mutant("12", "missing check", trap="a negative size")
class NegativeSizeIsNone(Objects):
    def check_size(self, size: int | None) -> None:
        return

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().collect(spool, chunks, None if size is None or size < 0 else size)


class _LabelLimits(Objects):
    room = METADATA_BYTES

    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(labels, operation, "zoo", self.room)


@mutant("12", "missing check", trap="metadata of more than 1024 bytes")
class MetadataHaveNoLimit(_LabelLimits):
    room = 1 << 30


@mutant("12", "off by one", trap="metadata of 1025 bytes")
class MetadataMayBeOneByteOver(_LabelLimits):
    room = METADATA_BYTES + 1


@mutant("12", "off by one", trap="metadata of 1024 bytes", also="5")
class RefusesMetadataAtTheLimit(_LabelLimits):
    room = METADATA_BYTES - 1


@mutant("12", "unit", trap="metadata over 1024 bytes whose values are within them")
class CountsValuesOnly(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = check_headers(labels, operation, "zoo", 1 << 30)
        if sum(len(value.encode()) for value in checked.values()) > METADATA_BYTES:
            raise PayloadTooLarge(f"zoo: {operation}: metadata")
        return checked


@mutant("12", "unit", trap="metadata beyond ASCII whose characters are within the limit")
class CountsCharactersOfMetadata(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = check_headers(labels, operation, "zoo", 1 << 30)
        if sum(len(name) + len(value) for name, value in checked.items()) > METADATA_BYTES:
            raise PayloadTooLarge(f"zoo: {operation}: metadata")
        return checked


@mutant("12", "missing check", trap="an empty metadata name")
class DropsEmptyMetadataNames(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        kept = {name: value for name, value in labels.items() if name} if isinstance(labels, Mapping) else labels
        return super().labels(kept, operation)


@mutant("12", "missing check", trap="a metadata value that is no text")
class TurnsMetadataValuesToText(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        texts = {name: str(value) for name, value in labels.items()} if isinstance(labels, Mapping) else labels
        return super().labels(texts, operation)


@mutant("12", "missing check", trap="metadata names of more than 512 bytes")
class AcceptsLongMetadataNames(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        if isinstance(labels, Mapping) and any(isinstance(name, str) and len(name) > 512 for name in labels):
            short = {name[-512:]: value for name, value in labels.items()}
            check_headers(short, operation, "zoo", METADATA_BYTES)
            return dict(labels)
        return super().labels(labels, operation)


@mutant("12", "wrong error", trap="metadata over the limit")
class LargeMetadataAreValueErrors(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        try:
            return super().labels(labels, operation)
        except PayloadTooLarge as error:
            raise ValueError(str(error)) from error


@mutant("12", "missing check", trap="a content type with a surrogate")
class ReplacesSurrogatesInContentType(Objects):
    def text(self, text: str | None, operation: str) -> str | None:
        return super().text(text.encode(errors="replace").decode() if isinstance(text, str) else text, operation)


@mutant("12", "late check", trap="put_stream with illegal metadata and a source that counts its steps")
class ChecksMetadataAfterTheStream(Objects):
    """Over an old object, which is gone by then."""

    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        try:
            return super().facts(operation, content_type, encoding, labels)
        except (PayloadTooLarge, InvalidName, ValueError) as error:
            if operation != "put_stream":
                raise
            return Facts(None, None, {"error": str(error)})

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        version = await super().receive(slot, chunks, size, facts)
        if "error" in facts.labels:
            raise PayloadTooLarge(facts.labels["error"])
        return version
