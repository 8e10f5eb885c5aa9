"""Mutants of strangers, the third round: what servers guess of an object, and what else a call does."""

import mimetypes
from collections.abc import Mapping
from dataclasses import replace

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("5", "guess", trap="a key that ends as the name of a file, without a content type")
class TypeIsGuessedFromTheKey(Objects):
    def version(self, slot: Slot, blob: object, facts: Facts) -> Version:
        if facts.content_type is None:
            facts = Facts(mimetypes.guess_type(slot[1])[0], facts.content_encoding, facts.labels)
        return super().version(slot, blob, facts)  # type: ignore[arg-type]


@mutant("5", "guess", trap="a content type of text")
class TextHasACharset(Objects):
    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        found = super().facts(operation, content_type, encoding, labels)
        if found.content_type is not None and found.content_type.startswith("text/") and "charset" not in found.content_type:
            return Facts(f"{found.content_type}; charset=utf-8", found.content_encoding, found.labels)
        return found


@mutant("5", "guess", trap="the content encoding identity")
class IdentityIsNoEncoding(Objects):
    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        found = super().facts(operation, content_type, encoding, labels)
        return Facts(found.content_type, None, found.labels) if found.content_encoding in ("identity", "aws-chunked") else found


@mutant("11", "wrong effect", trap="create_bucket of a bucket that holds objects with a deadline, or metadata", also="10 9")
class CreatingABucketTouchesIt(Objects):
    """Made again, its objects have no deadline."""

    async def create_bucket(self, bucket: str) -> bool:
        made = await super().create_bucket(bucket)
        if not made:
            self.apply({(bucket, k): replace(v, deadline_ms=None) for k, v in self.rows(bucket).items() if self.alive(v)})
        return made


@mutant("9", "stale timer", trap="an object deleted and put again under a deadline of its own", also="10")
class TheEarliestDeadlineWins(Objects):
    """Deadlines are kept by key, the earliest one; a delete does not take it away, a put does."""

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, seconds)
        now = self.find(slot)
        key = self.namespace, slot
        if now is not None and now.deadline_ms is not None:
            earliest = min(self.store.notes.get(key, now.deadline_ms), now.deadline_ms)
            self.store.notes[key] = earliest
            self.apply({slot: replace(now, deadline_ms=earliest)})

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.store.notes.pop((self.namespace, slot), None)
        return await super().write(slot, data, facts)
