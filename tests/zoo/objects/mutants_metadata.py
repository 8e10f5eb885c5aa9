"""Mutants whose metadata are wrong."""

import mimetypes
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Blob, Facts, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 5: what the giver said


@mutant("5", "default")
class DefaultsContentType(Objects):
    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        return super().facts(operation, content_type or "application/octet-stream", encoding, labels)


@mutant("5", "helpfulness", trap="a key with a known extension and no content type")
class GuessesContentType(Objects):
    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        guessed = facts.content_type or mimetypes.guess_type(slot[1])[0]
        return super().version(slot, blob, replace(facts, content_type=guessed))


@mutant("5", "missing step")
class DropsContentEncoding(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        return replace(super().told(version), content_encoding=None)


@mutant("5", "case", trap="a content type with capital letters")
class LowersContentType(Objects):
    def text(self, text: str | None, operation: str) -> str | None:
        checked = super().text(text, operation)
        return None if checked is None else checked.lower()


@mutant("5", "falsy", trap="an empty content type")
class EmptyContentTypeIsNone(Objects):
    def text(self, text: str | None, operation: str) -> str | None:
        return super().text(text, operation) or None


@mutant("5", "truncation", trap="a content type of more than 255 characters")
class CutsContentType(Objects):
    def text(self, text: str | None, operation: str) -> str | None:
        checked = super().text(text, operation)
        return None if checked is None else checked[:255]


@mutant("5", "missing step", trap="put_stream with a content type")
class StreamsForgetWhatTheyAre(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        return await super().receive(slot, chunks, size, replace(facts, content_type=None, content_encoding=None))


class _Labels(Objects):
    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return name, value

    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return dict(filter(None, (self.label(*pair) for pair in super().labels(labels, operation).items())))


@mutant("5", "case", trap="metadata names with capital letters")
class LowersMetadataNames(_Labels):
    """They travel as HTTP headers."""

    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return name.lower(), value


@mutant("5", "trimming", trap="blanks at an end of a metadata value")
class StripsMetadataValues(_Labels):
    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return name, value.strip()


@mutant("5", "falsy", trap="an empty metadata value")
class DropsEmptyMetadataValues(_Labels):
    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return (name, value) if value else None


@mutant("5", "aliasing", trap="metadata names with `_`")
class TurnsUnderscoresOfMetadata(_Labels):
    """As a WSGI server does."""

    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return name.replace("_", "-"), value


@mutant("5", "encoding", trap="a metadata value beyond ASCII")
class MetadataValuesAreAscii(_Labels):
    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return name, value.encode("ascii", "replace").decode()


@mutant("5", "encoding", trap="a newline in a metadata value")
class MetadataValuesAreLines(_Labels):
    def label(self, name: str, value: str) -> tuple[str, str] | None:
        return name, value.replace("\r", "").replace("\n", " ")


class _Before(Objects):
    """Looks at what it overwrites, whatever put it."""

    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        new = super().version(slot, blob, facts)
        old = self.find(slot)
        return new if old is None else self.after(old, new)

    def after(self, old: Version, new: Version) -> Version:
        return new


@mutant("5", "merge", trap="an overwrite with other metadata names", also="16")
class MergesMetadata(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return replace(new, facts=replace(new.facts, labels={**old.facts.labels, **new.facts.labels}))


@mutant("5", "merge", trap="an overwrite without a content type", also="16")
class KeepsContentTypeOfThePredecessor(_Before):
    """``COALESCE(excluded.content_type, content_type)``."""

    def after(self, old: Version, new: Version) -> Version:
        return replace(new, facts=replace(new.facts, content_type=new.facts.content_type or old.facts.content_type))


@mutant("5", "shortcut", trap="an overwrite with the same data and other metadata")
class SameDataIsNoPut(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return old if old.blob.digest == new.blob.digest else new


# 5: instants


@mutant("5", "stale", trap="an overwrite some time later", also="8")
class ModifiedIsCreated(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return replace(new, modified_ms=old.modified_ms)


@mutant("5", "unit", also="8")
class ModifiedIsInSeconds(Objects):
    def now_ms(self) -> int:
        return super().now_ms() // 1000


@mutant("5", "rounding", trap="a put at a fraction of a second", also="8")
class ModifiedIsWholeSeconds(Objects):
    """Which the limits do not say."""

    def now_ms(self) -> int:
        return super().now_ms() // 1000 * 1000


@mutant("5", "clock", also="8")
class ModifiedByTheOperatingSystem(Objects):
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


@mutant("5", "side effect", trap="metadata some time after the put")
class ModifiedIsNow(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        return replace(super().told(version), last_modified_ms=self.now_ms())


@mutant("5", "side effect", trap="set_ttl some time after the put", also="8 9")
class SetTtlTouchesModified(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, replace(version, modified_ms=self.now_ms()), seconds)


@mutant("5", "missing step", trap="metadata after set_ttl", also="9")
class SetTtlDropsMetadata(Objects):
    """An object is copied onto itself, with the directive to replace its metadata."""

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, replace(version, facts=Facts(None, None, {})), seconds)


# 5: size and etag


@mutant("5", "constant")
class EtagIsConstant(Objects):
    def etag(self, blob: Blob) -> str:
        return "0"


@mutant("5", "weak hash", trap="two contents of one size")
class EtagIsTheSize(Objects):
    def etag(self, blob: Blob) -> str:
        return str(blob.size)


@mutant("5", "weak hash", trap="two contents that begin alike")
class EtagOfTheFirstKilobyte(Objects):
    def etag(self, blob: Blob) -> str:
        with self.store.open(blob) as file:
            return file.read(1024).hex()


@mutant("5", "weak hash", trap="two contents that end alike")
class EtagOfTheLastBytes(Objects):
    def etag(self, blob: Blob) -> str:
        with self.store.open(blob) as file:
            return f"{blob.size}-{file.read()[-64:].hex()}"


@mutant("5", "weak hash", trap="an overwrite within one millisecond")
class EtagIsTheInstant(Objects):
    """nginx makes it of the instant and the size."""

    def etag(self, blob: Blob) -> str:
        return f"{self.now_ms():x}-{blob.size:x}"


@mutant("5", "weak hash", trap="two contents whose bytes add up to the same")
class EtagIsASum(Objects):
    def etag(self, blob: Blob) -> str:
        with self.store.open(blob) as file:
            return str(sum(file.read()))


@mutant("5", "wrong answer")
class PutQuotesTheEtag(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        version = await super().write(slot, data, facts)
        return replace(version, etag=f'"{version.etag}"')


@mutant("5", "wrong count", trap="data that is not ASCII")
class SizeOfTheEncoded(Objects):
    """Data are stored in base64."""

    def told(self, version: Version) -> ObjectMetadata:
        return replace(super().told(version), size=-(-version.blob.size // 3) * 4)


@mutant("5", "wrong count", trap="put_stream of several chunks")
class SizeOfTheLastChunk(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        last = [0]

        async def noting() -> AsyncIterable[Bytes]:
            async for chunk in chunks:
                last[0] = memoryview(chunk).nbytes
                yield chunk

        version = await super().receive(slot, noting(), size, facts)
        wrong = replace(version, blob=replace(version.blob, size=last[0]))
        self.keep(slot, wrong)
        return wrong


@mutant("5", "wrong answer", trap="an overwrite")
class PutTellsOfThePredecessor(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        new = await super().write(slot, data, facts)
        return old or new


@mutant("5", "race", trap="two concurrent puts", also="16")
class PutTellsOfWhatIsThereAfterwards(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        new = await super().write(slot, data, facts)
        await step()
        return self.find(slot) or new
