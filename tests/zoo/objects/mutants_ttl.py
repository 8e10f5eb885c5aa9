"""Mutants of `set_ttl`: deadlines that are early, late or ignored, and what a put does to them."""

import math
from dataclasses import replace

from prism_testkit.interfaces import ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 9: the deadline


@mutant("9", "rounding", trap="a look shortly before a deadline")
class DeadlinesAreWholeSeconds(Objects):
    """Cut, so that they come early."""

    def deadline_ms(self, ttl_s: float) -> int:
        return super().deadline_ms(ttl_s) // 1000 * 1000


@mutant("9", "truncation", trap="a fraction of a second")
class TtlLosesItsFraction(Objects):
    def deadline_ms(self, ttl_s: float) -> int:
        return super().deadline_ms(float(int(ttl_s)))


@mutant("9", "rounding", trap="a look shortly after a deadline")
class DeadlinesAreRoundedUp(Objects):
    """To whole seconds, which the limits do not say."""

    def deadline_ms(self, ttl_s: float) -> int:
        return math.ceil(super().deadline_ms(ttl_s) / 1000) * 1000


@mutant("9", "late", trap="a look after a deadline")
class ExpiresFiveSecondsLate(Objects):
    def alive(self, version: Version) -> bool:
        return version.deadline_ms is None or self.now() * 1000 < version.deadline_ms + 5000


@mutant("9", "late", trap="a look after a deadline of minutes")
class ExpiresTenPercentLate(Objects):
    """Jitter, against stampedes."""

    def deadline_ms(self, ttl_s: float) -> int:
        return super().deadline_ms(ttl_s * 1.1)


@mutant("9", "unit", trap="any look before the deadline")
class TtlIsInMilliseconds(Objects):
    def deadline_ms(self, ttl_s: float) -> int:
        return super().deadline_ms(ttl_s / 1000)


@mutant("9", "cap", trap="a ttl of more than a day")
class TtlIsCappedAtADay(Objects):
    def deadline_ms(self, ttl_s: float) -> int:
        return super().deadline_ms(min(ttl_s, 86400.0))


@mutant("9", "overflow", trap="a ttl of more than 24 days")
class TtlIn31BitsOfMilliseconds(Objects):
    def deadline_ms(self, ttl_s: float) -> int:
        return super().deadline_ms(ttl_s * 1000 % 2**31 / 1000)


@mutant("9", "refusal", trap="a ttl of a year or more")
class RefusesLongTtl(Objects):
    def seconds(self, ttl_s: float) -> float:
        if super().seconds(ttl_s) > 31_000_000:
            raise ValueError("zoo: set_ttl: at most a year")
        return ttl_s


@mutant("9", "origin", trap="set_ttl some time after the put")
class TtlCountsFromThePut(Objects):
    """The age of an object, as the rules of a life cycle count it."""

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        late = (self.now_ms() - version.modified_ms) / 1000
        super().limit_life(slot, version, seconds - late)


@mutant("9", "first wins", trap="a second set_ttl")
class SetTtlKeepsTheFirst(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        if version.deadline_ms is None or seconds <= 0:
            super().limit_life(slot, version, seconds)


@mutant("9", "merge", trap="a second set_ttl that is shorter")
class SetTtlOnlyExtends(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        left = 0.0 if version.deadline_ms is None else version.deadline_ms / 1000 - self.now()
        super().limit_life(slot, version, max(seconds, left) if seconds > 0 else seconds)


@mutant("9", "merge", trap="a second set_ttl that is longer")
class SetTtlOnlyShortens(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        left = math.inf if version.deadline_ms is None else version.deadline_ms / 1000 - self.now()
        super().limit_life(slot, version, min(seconds, left))


@mutant("9", "boundary", trap="a ttl of 0")
class TtlOfZeroIsForEver(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        if seconds == 0:
            self.apply({slot: replace(version, deadline_ms=None)})
        else:
            super().limit_life(slot, version, seconds)


@mutant("9", "boundary", trap="a negative ttl")
class RefusesNegativeTtl(Objects):
    def seconds(self, ttl_s: float) -> float:
        if super().seconds(ttl_s) < 0:
            raise ValueError("zoo: set_ttl: negative")
        return ttl_s


@mutant("9", "boundary", trap="a ttl of 0, or negative")
class TtlIsAtLeastASecond(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, max(1.0, seconds))


@mutant("9", "missing check", trap="a ttl of NaN", also="12")
class NanIsAtOnce(Objects):
    def seconds(self, ttl_s: float) -> float:
        return 0.0 if math.isnan(ttl_s) else super().seconds(ttl_s)


@mutant("9", "missing check", trap="an infinite ttl", also="12")
class InfinityIsForEver(Objects):
    def seconds(self, ttl_s: float) -> float:
        return min(ttl_s, 1e12) if ttl_s == math.inf else super().seconds(ttl_s)


@mutant("9", "missing step", trap="metadata after set_ttl")
class ExpiresAtIsNotTold(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        return replace(super().told(version), expires_at_ms=None)


@mutant("9", "unit", trap="metadata after set_ttl")
class ExpiresAtIsInSeconds(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        told = super().told(version)
        return replace(told, expires_at_ms=told.expires_at_ms and told.expires_at_ms // 1000)


@mutant("9", "origin", trap="metadata some time after set_ttl")
class ExpiresAtIsWhatIsLeft(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        told = super().told(version)
        return replace(told, expires_at_ms=told.expires_at_ms and told.expires_at_ms - version.modified_ms)


@mutant("9", "side effect", trap="a read before the deadline")
class ReadsExtendTheLife(Objects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        slot = self.slot(bucket, key, "get")
        version = self.find(slot)
        if version is not None and version.deadline_ms is not None:
            self.apply({slot: replace(version, deadline_ms=version.deadline_ms + 60_000)})
        return await super().get(bucket, key)


@mutant("9", "too much", trap="two keys in one bucket")
class TtlIsOfTheBucket(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        for key, other in list(self.rows(slot[0]).items()):
            if self.alive(other):
                super().limit_life((slot[0], key), other, seconds)


# 9: every method knows


class _SeesExpired(Objects):
    def raw(self, slot: Slot) -> Version | None:
        return self.rows(slot[0]).get(slot[1])


@mutant("9", "missing check", trap="exists after the deadline")
class ExistsIgnoresDeadlines(_SeesExpired):
    async def exists(self, bucket: str, key: str) -> bool:
        return self.raw(self.slot(bucket, key, "exists")) is not None


@mutant("9", "missing check", trap="metadata after the deadline")
class MetadataIgnoresDeadlines(_SeesExpired):
    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        version = self.raw(self.slot(bucket, key, "metadata"))
        return None if version is None else self.told(version)


@mutant("9", "missing check", trap="get_stream after the deadline")
class StreamIgnoresDeadlines(_SeesExpired):
    def need(self, slot: Slot) -> Version:
        return self.raw(slot) or super().need(slot)


@mutant("9", "missing check", trap="a listing after the deadline", also="8")
class ListingIgnoresDeadlines(_SeesExpired):
    def listed(self, slot: Slot) -> Version | None:
        return self.raw(slot)


@mutant("9", "missing check", trap="delete after the deadline", also="4")
class DeleteIgnoresDeadlines(_SeesExpired):
    def drop(self, slot: Slot) -> bool:
        if self.raw(slot) is None:
            return False
        self.apply({slot: None})
        return True


@mutant("9", "revival", trap="set_ttl after the deadline", also="2")
class SetTtlRevives(_SeesExpired):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        slot, seconds = self.slot(bucket, key, "set_ttl"), self.seconds(ttl_s)
        version = self.raw(slot)
        if version is None:
            return False
        self.limit_life(slot, version, seconds)
        return True
