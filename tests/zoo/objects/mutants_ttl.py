"""Mutants of `set_ttl`: deadlines that are early, late or ignored, and what a put does to them."""

import asyncio
import math
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import replace

from prism_testkit.interfaces import Bytes, ObjectMetadata
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, Sweeping, step
from .stores import Changes, Facts, Slot, Store, Version

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


@mutant("9", "stale", trap="a deadline that passes during a listing", also="8")
class ListingKnowsTheDeadlinesOfItsStart(Objects):
    def matching(self, bucket: str, prefix: str) -> list[str]:
        keys = super().matching(bucket, prefix)
        self.store.notes["snapshot"] = {(bucket, key): self.find((bucket, key)) for key in keys}
        return keys

    def listed(self, slot: Slot) -> Version | None:
        return self.store.notes.get("snapshot", {}).get(slot) or super().listed(slot)


# 10: a new put


class _Before(Objects):
    def keep(self, slot: Slot, version: Version) -> None:
        old = self.rows(slot[0]).get(slot[1])
        super().keep(slot, version if old is None else self.after(old, version))

    def after(self, old: Version, new: Version) -> Version:
        return new


@mutant("10", "missing step", trap="a put over an object with a deadline", also="5")
class PutKeepsTheDeadline(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return replace(new, deadline_ms=old.deadline_ms)


@mutant("10", "missing step", trap="a put of the same data over an object with a deadline", also="5")
class SameDataKeepsTheDeadline(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return replace(new, deadline_ms=old.deadline_ms) if old.blob.digest == new.blob.digest else new


@mutant("10", "missing step", trap="a put_stream over an object with a deadline")
class PutStreamKeepsTheDeadline(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        old = self.rows(slot[0]).get(slot[1])
        new = await super().receive(slot, chunks, size, facts)
        if old is not None and old.deadline_ms is not None:
            self.apply({slot: replace(new, deadline_ms=old.deadline_ms)})
        return new


class _DeadlineTable(Objects):
    """Deadlines are in a table of their own, which a put clears and a delete forgets."""

    def forget(self, slot: Slot, cause: str) -> bool:
        return True

    @property
    def table(self) -> dict[Slot, int]:
        table: dict[Slot, int] = self.store.notes.setdefault((self.namespace, "deadlines"), {})
        return table

    def find(self, slot: Slot) -> Version | None:
        version = super().find(slot)
        if version is None or slot not in self.table:
            return version
        timed = replace(version, deadline_ms=self.table[slot])
        return timed if self.alive(timed) else None

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        self.table[slot] = self.deadline_ms(max(0.0, seconds))

    def keep(self, slot: Slot, version: Version) -> None:
        if self.find(slot) is not None:
            self.table.pop(slot, None)
        super().keep(slot, version)

    def occupied(self, bucket: str) -> bool:
        return any(self.find((bucket, key)) for key in self.rows(bucket))


@mutant("10", "leftover", trap="a put after a delete, or an expiry, of an object with a deadline", also="1 9 11")
class DeadlinesOutliveTheirObject(_DeadlineTable):
    pass


@mutant("10", "timer", trap="an overwrite, and the instant of the old deadline", also="9")
class TimersAreNotCancelled(Objects):
    """Each set_ttl starts a timer that deletes the key."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.timers: list[asyncio.TimerHandle] = []

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, seconds)
        if 0 < seconds < 1e7:
            self.timers.append(asyncio.get_running_loop().call_later(seconds, self.fire, slot))

    def fire(self, slot: Slot) -> None:
        if slot[0] in self.buckets():
            self.apply({slot: None})

    async def close(self) -> None:
        for timer in self.timers:
            timer.cancel()


class _Sweeper(Sweeping):
    """Sweeps in two steps, between which others may put."""

    traits = Traits(durability="process", ttl_reclaim_s=10.0)

    def sparing(self, slot: Slot, version: Version) -> bool:
        return False

    async def sweep(self) -> None:
        found = self.expired()
        for slot, version in found:
            await self.rest()
            if slot[0] in self.buckets() and not self.sparing(slot, version):
                self.apply({slot: None})

    async def rest(self) -> None:
        await step()


@mutant("10", "race", trap="a put of an expired key while the sweeper sweeps")
class SweeperRemovesTheFresh(_Sweeper):
    async def rest(self) -> None:
        await self.store.clock.sleep(0.5)


@mutant("10", "race", trap="a put of an expired key, with the same data, while the sweeper sweeps")
class SweeperComparesData(_Sweeper):
    async def rest(self) -> None:
        await self.store.clock.sleep(0.5)

    def sparing(self, slot: Slot, version: Version) -> bool:
        now = self.rows(slot[0]).get(slot[1])
        return now is not None and now.blob.digest != version.blob.digest


@mutant("10", "queue", trap="a put after set_ttl, and the sweep after the old deadline", also="9")
class SweeperFollowsItsList(Sweeping):
    """Keys are noted with their deadline at set_ttl, and swept by that list."""

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, seconds)
        self.store.notes.setdefault(self.namespace, {})[slot] = self.deadline_ms(seconds)

    async def sweep(self) -> None:
        noted = self.store.notes.get(self.namespace, {})
        for slot in [slot for slot, deadline in noted.items() if deadline <= self.now() * 1000]:
            del noted[slot]
            if slot[0] in self.buckets():
                self.apply({slot: None})


@mutant("10", "empty claim", trap="storage some time after a deadline")
class NeverReclaims(Sweeping):
    async def sweep(self) -> None:
        return


@mutant("10", "missing step", trap="storage some time after a deadline")
class ReclaimsRowsNotFiles(Sweeping):
    async def sweep(self) -> None:
        self.store.replaying = True  # type: ignore[attr-defined]
        with suppress(KeyError):
            await super().sweep()
        self.store.replaying = False  # type: ignore[attr-defined]


@mutant("10", "late", trap="storage ten seconds after a deadline")
class ReclaimsAfterAnHour(Sweeping):
    def expired(self) -> list[tuple[Slot, Version]]:
        return [(slot, row) for slot, row in super().expired() if self.now_ms() > (row.deadline_ms or 0) + 3_600_000]


@mutant("10", "cap", trap="storage after a deadline of several objects")
class ReclaimsOneInAWhile(Sweeping):
    """One object a minute, so as not to disturb."""

    async def sweep(self) -> None:
        if self.expired() and self.now_ms() > self.store.notes.get("swept", 0) + 60_000:
            self.store.notes["swept"] = self.now_ms()
            changes: Changes = {self.expired()[0][0]: None}
            self.apply(changes)


@mutant("10", "crash", trap="storage, where a bucket went with something expired in it")
class SweeperStopsAtTheFirstSurprise(Sweeping):
    """It remembers slots, and dies of the first that is gone."""

    async def sweep(self) -> None:
        noted: set[Slot] = self.store.notes.setdefault("noted", set())
        for slot in list(noted):
            self.apply({slot: None})
            noted.discard(slot)
        noted.update(slot for slot, _ in self.expired())

    async def sweep_for_ever(self) -> None:
        with suppress(KeyError):
            await super().sweep_for_ever()
