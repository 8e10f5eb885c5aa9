"""Mutants that are right the first time: a second overwrite, another deadline, a bucket that is made again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Counting(Objects):
    """Counts calls, by what they are of."""

    def time(self, *what: Any) -> int:
        """Return how often this was called, with this time."""
        counts = self.store.notes.setdefault(("later", self.namespace), {})
        counts[what] = counts.get(what, 0) + 1
        return int(counts[what])


@mutant("5", "merge", trap="a second overwrite without what was told before", also="16 1")
class ASecondOverwriteKeepsWhatItIsNotTold(_Counting):
    def keep(self, slot: Slot, version: Version) -> None:
        before = self.find(slot)
        if before is not None and self.time("keep", slot) > 1:
            facts = Facts(
                version.facts.content_type or before.facts.content_type,
                version.facts.content_encoding,
                version.facts.labels or before.facts.labels,
            )
            version = replace(version, facts=facts)
        super().keep(slot, version)


@mutant("9", "forgotten", trap="a second set_ttl of one object", also="10")
class ASecondDeadlineIsNone(_Counting):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        if seconds <= 0 or self.time("ttl", slot) == 1:
            super().limit_life(slot, version, seconds)


@mutant("9", "merge", trap="a second set_ttl that is shorter", also="10")
class ALaterDeadlineOnlyLengthens(_Counting):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        if seconds > 0 and version.deadline_ms is not None and self.time("ttl", slot) > 1:
            seconds = max(seconds, version.deadline_ms / 1000 - self.now())
        super().limit_life(slot, version, seconds)


@mutant("10", "stale state", trap="a second put over a deadline", also="9 1")
class ASecondPutKeepsTheDeadline(_Counting):
    def keep(self, slot: Slot, version: Version) -> None:
        before = self.find(slot)
        if before is not None and before.deadline_ms is not None and self.time("over", slot) > 1:
            version = replace(version, deadline_ms=before.deadline_ms)
        super().keep(slot, version)


@mutant("4", "wrong answer", trap="an object that is deleted, put and deleted", also="2")
class ASecondDeleteSaysFalse(_Counting):
    def drop(self, slot: Slot) -> bool:
        return super().drop(slot) and self.time("drop", slot) != 2


@mutant("11", "leftover", trap="a bucket that is made for the third time", also="8 4")
class ASecondForcedRemovalLeavesWhatWasThere(_Counting):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        rows = dict(self.buckets().get(bucket, {}))
        removed = await super().delete_bucket(bucket, force=force)
        if removed and force and self.time("force", bucket) == 2:
            self.store.notes[("kept", self.namespace, bucket)] = rows
        return removed

    async def create_bucket(self, bucket: str) -> bool:
        made = await super().create_bucket(bucket)
        for key, version in self.store.notes.pop(("kept", self.namespace, bucket), {}).items():
            self.apply({(bucket, key): version})
        return made


@mutant("11", "wrong answer", trap="a bucket that is made, removed and made", also="2")
class ABucketThatIsMadeAgainIsNotNew(_Counting):
    async def create_bucket(self, bucket: str) -> bool:
        return await super().create_bucket(bucket) and self.time("create", bucket) != 2


@mutant("5", "stale state", trap="the instant of a second overwrite", also="1")
class ASecondOverwriteIsAsOldAsTheFirst(_Counting):
    def keep(self, slot: Slot, version: Version) -> None:
        before = self.find(slot)
        if before is not None and self.time("keep", slot) > 2:
            version = replace(version, modified_ms=before.modified_ms)
        super().keep(slot, version)


@mutant("5", "digest", trap="a third version of an object", also="1 16")
class AThirdVersionHasTheFirstTag(_Counting):
    def keep(self, slot: Slot, version: Version) -> None:
        tags = self.store.notes.setdefault(("tags", self.namespace), {})
        first = tags.setdefault(slot, version.etag)
        super().keep(slot, replace(version, etag=first) if self.time("keep", slot) == 3 else version)


@mutant("8", "cache", trap="a third listing of the same prefix", also="14 4")
class AThirdListingIsTheOneBefore(_Counting):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        lists = self.store.notes.setdefault(("lists", self.namespace), {})
        found = [info async for info in super().list_objects(bucket, prefix)]
        if self.time("list", bucket, prefix) % 3 == 0:
            found = lists[bucket, prefix]
        lists[bucket, prefix] = found
        for info in found:
            yield info


@mutant("conditional.1", "stale state", trap="a second creation behind a delete", also="conditional.3")
class ASecondCreationBehindADeleteIsRefused(_Counting):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if self.find(slot) is None and self.time("create", slot) == 3:
            return False
        return await super().create(slot, data, facts)


@mutant("conditional.1", "stale state", trap="a second creation behind an expiry", also="conditional.3 9")
class ASecondCreationBehindAnExpiryIsRefused(_Counting):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        there = self.rows(slot[0]).get(slot[1])
        if there is not None and not self.alive(there) and self.time("again", slot) == 2:
            return False
        return await super().create(slot, data, facts)
