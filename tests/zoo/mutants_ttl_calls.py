"""Mutants of `KeyValueTtl`: expire, persist, times of zero and odd numbers, and deadlines that spread to other keys."""

import math
import zlib
from dataclasses import replace

from prism_testkit.interfaces import Bytes, NotFound

from .declare import Mutant, declaring
from .reference import KeyValue, step
from .stores import Changes, Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# ttl.7: expire


class _Expiring(KeyValue):
    """expire looks at the deadline that is there."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        old = self.find(self.name(key, "expire"))
        done = await super().expire(key, ttl_s)
        new = self.find(key)
        if old is not None and new is not None:
            self.apply({key: self.replaced(old, new)})
        return done

    def replaced(self, old: Entry, new: Entry) -> Entry:
        raise NotImplementedError


@mutant("ttl.7", "condition", trap="expire with a shorter time than is left", also="ttl.2")
class ExpireNeverShortens(_Expiring):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return replace(new, deadline=max(old.deadline or 0.0, new.deadline or 0.0))


@mutant("ttl.7", "condition", trap="expire with a longer time than is left", also="ttl.1")
class ExpireNeverExtends(_Expiring):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return replace(new, deadline=min(old.deadline or math.inf, new.deadline or math.inf))


@mutant("ttl.7", "condition", trap="expire of a key that has a time to live already", also="ttl.1 ttl.2")
class ExpireOnlyTheFirstTime(_Expiring):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return new if old.deadline is None else old


@mutant("ttl.7", "origin", trap="expire some time after a write with a time to live", also="ttl.1")
class ExpireCountsFromWrite(_Expiring):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return new if old.deadline is None else replace(new, deadline=old.deadline - old.given + new.given)


@mutant("ttl.7", "origin", trap="expire of a key that has a time to live already", also="ttl.2 ttl.6")
class ExpireAddsToWhatIsLeft(_Expiring):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return new if old.deadline is None else replace(new, deadline=old.deadline + new.given, given=old.given + new.given)


@mutant("ttl.7", "unit", trap="expire with 1000 or more", also="ttl.1")
class ExpireTakesLargeForMilliseconds(KeyValue):
    """Guesses the unit."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        return await super().expire(key, ttl_s if not ttl_s >= 1000 or math.isinf(ttl_s) else ttl_s / 1000)


@mutant("ttl.7", "side effect", trap="expire of a missing key", also="basic.2")
class ExpireCreatesMissing(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        present = await super().expire(key, ttl_s)
        if not present and ttl_s > 0:
            self.apply({key: self.entry(b"", ttl_s)})
        return present


@mutant("ttl.7", "wrong result", trap="expire of a missing key")
class ExpireOfMissingSaysTrue(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        await super().expire(key, ttl_s)
        return True


@mutant("ttl.7", "boundary", trap="expire of an empty value")
class ExpireOfEmptySaysFalse(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(self.name(key, "expire"))
        return await super().expire(key, ttl_s) and entry is not None and bool(entry.value)


@mutant("ttl.7", "lost update", trap="a set during expire", also="basic.8 basic.10 ttl.3")
class ExpireWritesOldValueBack(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        name, seconds = self.name(key, "expire"), self.seconds(ttl_s, "expire")
        entry = self.find(name)
        await step()
        if entry is None:
            return False
        self.apply({name: self.entry(entry.value, seconds) if seconds > 0 else None})
        return True


# ttl.8: persist


@mutant("ttl.8", "wrong result", trap="persist of a key without expiry, or twice")
class PersistAlwaysSaysTrue(KeyValue):
    async def persist(self, key: str) -> bool:
        await super().persist(key)
        return self.find(self.name(key, "persist")) is not None


@mutant("ttl.8", "missing step", also="ttl.1")
class PersistDoesNothing(KeyValue):
    async def persist(self, key: str) -> bool:
        entry = self.find(self.name(key, "persist"))
        return entry is not None and entry.deadline is not None


@mutant("ttl.8", "wrong error", trap="persist of a missing key", also="ttl.2")
class PersistOfMissingRaises(KeyValue):
    async def persist(self, key: str) -> bool:
        if self.find(self.name(key, "persist")) is None:
            raise NotFound(f"zoo: persist {key[:40]!a}: no such key")
        return await super().persist(key)


@mutant("ttl.8", "lost update", trap="a set during persist", also="basic.8 basic.10")
class PersistWritesOldValueBack(KeyValue):
    async def persist(self, key: str) -> bool:
        name = self.name(key, "persist")
        entry = self.find(name)
        await step()
        if entry is None or entry.deadline is None:
            return False
        self.apply({name: self.entry(entry.value)})
        return True


@mutant("ttl.8", "overflow", trap="persist, then more than a year", also="ttl.1")
class PersistIsOneYear(KeyValue):
    """For ever is a long time to live."""

    async def persist(self, key: str) -> bool:
        name = self.name(key, "persist")
        persisted = await super().persist(name)
        entry = self.find(name)
        if persisted and entry is not None:
            self.apply({name: replace(entry, deadline=self.now() + 365 * 86400)})
            self.store.notes[self.namespace, name] = True
        return persisted

    async def ttl(self, key: str) -> float | None:
        left = await super().ttl(key)
        return None if (self.namespace, key) in self.store.notes else left

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop((self.namespace, key), None)


@mutant("ttl.8", "stale timer", trap="persist, then time beyond the old deadline", also="ttl.1 ttl.10")
class PersistLeavesTimer(KeyValue):
    """The timer that was set for the deadline goes off all the same."""

    async def persist(self, key: str) -> bool:
        entry = self.find(self.name(key, "persist"))
        persisted = await super().persist(key)
        if persisted and entry is not None:
            self.store.notes[self.namespace, key] = entry.deadline
        return persisted

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop((self.namespace, key), None)

    def find(self, key: str) -> Entry | None:
        timer = self.store.notes.get((self.namespace, key))
        return super().find(key) if timer is None or self.now() < timer else None


# ttl.9: zero, negative and odd times


@mutant("ttl.9", "sentinel", trap="set_with_ttl with 0")
class ZeroIsForever(KeyValue):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await (self.set(key, value) if ttl_s == 0 else super().set_with_ttl(key, value, ttl_s))


@mutant("ttl.9", "sentinel", trap="set_with_ttl with a negative time")
class NegativeIsForever(KeyValue):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await (self.set(key, value) if -math.inf < ttl_s < 0 else super().set_with_ttl(key, value, ttl_s))


@mutant("ttl.9", "missing step", trap="set_with_ttl with 0 or less, of a key that is present")
class ZeroKeepsOldValue(KeyValue):
    """What expires at once need not be written."""

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.name(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        if self.seconds(ttl_s, "set_with_ttl") > 0:
            await super().set_with_ttl(name, data, ttl_s)


@mutant("ttl.9", "wrong result", trap="expire with 0 or less")
class ExpireAtOnceSaysFalse(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        return await super().expire(key, ttl_s) and ttl_s > 0


@mutant("ttl.9", "missing step", trap="expire with 0 or less")
class ExpireAtOnceDoesNothing(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        if self.seconds(ttl_s, "expire") > 0:
            return await super().expire(key, ttl_s)
        return self.find(self.name(key, "expire")) is not None


@mutant("ttl.9", "wrong error", trap="a negative time to live")
class NegativeRaises(KeyValue):
    def seconds(self, ttl_s: float, operation: str) -> float:
        if super().seconds(ttl_s, operation) < 0:
            raise ValueError(f"zoo: {operation}: {ttl_s!r} is negative")
        return ttl_s


@mutant("ttl.9", "missing check", trap="NaN as a time to live")
class NanIsForever(KeyValue):
    """Every comparison with NaN is false."""

    def seconds(self, ttl_s: float, operation: str) -> float:
        return math.inf if math.isnan(ttl_s) else super().seconds(ttl_s, operation)


@mutant("ttl.9", "missing check", trap="an infinite time to live")
class InfinityIsForever(KeyValue):
    def seconds(self, ttl_s: float, operation: str) -> float:
        return ttl_s if math.isinf(ttl_s) else super().seconds(ttl_s, operation)


@mutant("ttl.9", "order of steps", trap="NaN or infinity as a time to live, of a key that is present")
class WritesBeforeItRefuses(KeyValue):
    """SET, then EXPIRE, which refuses."""

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await self.set(key, value)
        await super().set_with_ttl(key, value, ttl_s)


@mutant("ttl.9", "rounding", trap="a time to live of less than half a millisecond", also="ttl.2")
class TinyTimeIsForever(KeyValue):
    """Rounds to milliseconds, and 0 of them is no expiry."""

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await (self.set(key, value) if 0 < ttl_s < 0.0005 else super().set_with_ttl(key, value, ttl_s))


# ttl.11: one key's deadline is nobody else's


@mutant("ttl.11", "scope", trap="expire of a key with which another begins", also="ttl.1")
class ExpireByPrefix(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        others = [other for other in self.matching(self.name(key, "expire")) if other != key]
        present = await super().expire(key, ttl_s)
        for other in others if present else ():
            await super().expire(other, ttl_s)
        return present


@mutant("ttl.11", "grouping", trap="two keys with the same part before the first : or /, one with a time to live", also="ttl.1")
class HashExpiresWhole(KeyValue):
    """Keys are fields of a hash, and it is the hash that has the deadline."""

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        for other in self.matching("") if ttl_s > 0 and _group(key) != key else ():
            if _group(other) == _group(key) != other:
                await self.expire(other, ttl_s)


def _group(key: str) -> str:
    return key.replace("/", ":").partition(":")[0]


@mutant("ttl.11", "sticky state", trap="set of another key after set_with_ttl", also="ttl.1 ttl.3")
class TtlBecomesDefault(KeyValue):
    """An option of the client that stays set for the next write."""

    default: float | None = None

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        self.default = ttl_s if ttl_s > 0 else None

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        if self.default is not None:
            await super().expire(key, self.default)
            self.default = None


@mutant("ttl.11", "over-reach", trap="persist, and another key with a time to live", also="ttl.2 ttl.8")
class PersistsEveryKey(KeyValue):
    async def persist(self, key: str) -> bool:
        persisted = await super().persist(key)
        for other in self.matching("") if persisted else ():
            await super().persist(other)
        return persisted


@mutant("ttl.11", "collision", trap="some ten keys, one with a time to live", also="ttl.1")
class DeadlinesInBuckets(KeyValue):
    """A table of eight deadlines, by the CRC of the name; a bucket holds the last deadline that was set."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        present = await super().expire(key, ttl_s)
        for other in self.matching("") if present and ttl_s > 0 else ():
            if zlib.crc32(other.encode()) % 8 == zlib.crc32(key.encode()) % 8:
                await super().expire(other, ttl_s)
        return present


@mutant("ttl.11", "reaper", trap="two keys with times to live, of which the younger goes first, then a write", also="ttl.1")
class ReaperTakesTheOldest(KeyValue):
    """Knows how many are due, and removes as many from the front of a queue, as if all had been given the same time."""

    def apply(self, changes: Changes) -> None:
        reaped: set[tuple[str, float]] = self.store.notes.setdefault((self.namespace, "reaped"), set())
        timed = {(key, entry.deadline): entry for key, entry in self.rows().items() if entry.deadline is not None}
        due = [slot for slot, entry in timed.items() if not self.alive(entry) and slot not in reaped]
        reaped.update(due)
        super().apply({key: None for key, _ in list(timed)[: len(due)]} | dict(changes))
