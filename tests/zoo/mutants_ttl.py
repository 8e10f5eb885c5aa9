"""Mutants of `KeyValueTtl`: keys that go too early, and writes and reads that treat a deadline wrongly."""

import math
import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Changes, Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_EARLY = "ttl.6 ttl.7"

# ttl.1: never early


class _Deadlines(KeyValue):
    """The deadline of a write is not the right one."""

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        entry = super().entry(data, seconds)
        return entry if seconds is None else replace(entry, deadline=self.deadline(seconds))

    def deadline(self, seconds: float) -> float:
        raise NotImplementedError


@mutant("ttl.1", "truncation", trap="a time to live that is not a whole number of seconds", also=_EARLY)
class RoundsSecondsDown(_Deadlines):
    def deadline(self, seconds: float) -> float:
        return self.now() + int(seconds)


@mutant("ttl.1", "overflow", trap="a time to live of more than 2**32 ms, 49.7 days", also=_EARLY)
class Keeps32BitMilliseconds(_Deadlines):
    def deadline(self, seconds: float) -> float:
        return self.now() + (math.ceil(seconds * 1000) & 0xFFFFFFFF) / 1000


@mutant("ttl.1", "overflow", trap="a time to live of 2**31 seconds or more", also=_EARLY)
class Keeps31BitSeconds(_Deadlines):
    def deadline(self, seconds: float) -> float:
        return self.now() + (seconds if seconds < 2**31 else seconds - 2**32)


@mutant("ttl.1", "cap", trap="a deadline after 19 January 2038", also=_EARLY)
class NothingOutlives2038(_Deadlines):
    def deadline(self, seconds: float) -> float:
        return min(self.now() + seconds + 1e-6, float(2**31 - 1))


@mutant("ttl.1", "unit", trap="a time to live of more than 30 days", also=_EARLY)
class LongTtlIsInstant(_Deadlines):
    """Above 30 days a time to live is an instant since the epoch: memcached's rule, under an API that does not know it."""

    def deadline(self, seconds: float) -> float:
        return self.now() + seconds + 1e-6 if seconds <= 30 * 86400 else seconds


@mutant("ttl.1", "truncation", trap="a deadline that is not a whole second, though the time to live is", also=_EARLY)
class RoundsInstantDown(_Deadlines):
    def deadline(self, seconds: float) -> float:
        return float(math.floor(self.now() + seconds + 1e-6))


@mutant("ttl.1", "jitter", trap="any time to live; up to 10 % early, by the name", also=_EARLY)
class SpreadsDeadlines(KeyValue):
    """Against stampedes: a cache may, a store may not."""

    def apply(self, changes: Changes) -> None:
        super().apply({key: self.early(key, entry) for key, entry in changes.items()})

    def early(self, key: str, entry: Entry | None) -> Entry | None:
        if entry is None or entry.deadline is None:
            return entry
        return replace(entry, deadline=entry.deadline - entry.given * (zlib.crc32(key.encode()) % 100) / 1000)


@mutant("ttl.1", "overflow", trap="a time to live of more than an hour", also=_EARLY)
class TimerWheelWraps(_Deadlines):
    """A wheel of 3600 slots, and no count of rounds."""

    def deadline(self, seconds: float) -> float:
        return self.now() + (seconds if seconds <= 3600 else math.fmod(seconds, 3600)) + 1e-6


@mutant("ttl.1", "cap", trap="a time to live of more than a day", also=_EARLY)
class CapsAtOneDay(_Deadlines):
    """The server's maximum, applied without a word."""

    def deadline(self, seconds: float) -> float:
        return self.now() + min(seconds, 86400) + 1e-6


@mutant("ttl.1", "reaper", trap="count or a scan within the last second before a deadline")
class SweepTakesWhatIsDueSoon(KeyValue):
    """Listing sweeps first, and rounds the clock up to the next second."""

    def matching(self, prefix: str) -> list[str]:
        soon = self.now() + 1
        due = [key for key, entry in self.rows().items() if entry.deadline is not None and entry.deadline <= soon]
        self.apply(dict.fromkeys(due))
        return super().matching(prefix)


# ttl.3: plain writes clear a deadline, set_with_ttl replaces it


class _Keeping(KeyValue):
    def keeping(self, key: str, data: bytes) -> Entry:
        old = self.find(key)
        return Entry(data) if old is None else replace(old, value=data)


@mutant("ttl.3", "missing step", also="ttl.10")
class SetKeepsTtl(_Keeping):
    async def set(self, key: str, value: Bytes) -> None:
        name = self.name(key, "set")
        self.apply({name: self.keeping(name, self.data(value, "set", key))})


@mutant("ttl.3", "shortcut", trap="set of the value that is there already")
class SetOfSameKeepsTtl(KeyValue):
    """Nothing changed, so nothing is done."""

    async def set(self, key: str, value: Bytes) -> None:
        old, data = self.find(self.name(key, "set")), self.data(value, "set", key)
        if old is None or old.value != data:
            await super().set(key, data)


@mutant("ttl.3", "missing step", trap="batch_set of a key with a time to live", also="batch.1")
class BatchSetKeepsTtl(_Keeping):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        self.apply({name: self.keeping(name, data) for name, data in checked.items()})


@mutant("ttl.3", "missing step", trap="a transaction's set of a key with a time to live", also="transactional.1")
class CommitKeepsTtl(Transaction):
    async def commit(self) -> None:
        for key, entry in self.writes.items():
            old = self.driver.find(key)
            if entry is not None and old is not None:
                self.writes[key] = replace(old, value=entry.value)
        await super().commit()


class _Replacing(KeyValue):
    """set_with_ttl looks at the deadline that is there."""

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        old = self.find(self.name(key, "set_with_ttl"))
        await super().set_with_ttl(key, value, ttl_s)
        new = self.find(key)
        if old is not None and new is not None:
            self.apply({key: self.replaced(old, new)})

    def replaced(self, old: Entry, new: Entry) -> Entry:
        raise NotImplementedError


@mutant("ttl.3", "condition", trap="set_with_ttl with a shorter time than is left", also="ttl.2")
class SetWithTtlNeverShortens(_Replacing):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return replace(new, deadline=max(old.deadline or 0.0, new.deadline or 0.0))


@mutant("ttl.3", "condition", trap="set_with_ttl again, later", also="ttl.1 ttl.10")
class SetWithTtlKeepsFirstDeadline(_Replacing):
    def replaced(self, old: Entry, new: Entry) -> Entry:
        return new if old.deadline is None else replace(new, deadline=old.deadline, given=old.given)


@mutant("ttl.3", "condition", trap="set_with_ttl of a key without expiry", also="ttl.2 ttl.6")
class PermanentStaysPermanent(_Replacing):
    """The deadline is given at creation only."""

    def replaced(self, old: Entry, new: Entry) -> Entry:
        return Entry(new.value) if old.deadline is None else new


# ttl.4: compare_and_swap


class _Swapping(KeyValue):
    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        old = self.find(key)
        swapped = super().swap(key, expected, new)
        if old is not None and old.deadline is not None and new is not None:
            self.afterwards(key, old, new, swapped)
        return swapped

    def afterwards(self, key: str, old: Entry, new: Entry, swapped: bool) -> None:
        raise NotImplementedError


@mutant("ttl.4", "missing step", trap="compare_and_swap of a key with a time to live")
class SwapKeepsTtl(_Swapping):
    def afterwards(self, key: str, old: Entry, new: Entry, swapped: bool) -> None:
        if swapped:
            self.apply({key: replace(old, value=new.value)})


@mutant("ttl.4", "shortcut", trap="compare_and_swap to the value that is there, of a key with a time to live")
class SwapToSameKeepsTtl(_Swapping):
    def afterwards(self, key: str, old: Entry, new: Entry, swapped: bool) -> None:
        if swapped and old.value == new.value:
            self.apply({key: old})


@mutant("ttl.4", "side effect", trap="a failed compare_and_swap of a key with a time to live", also="cas.3")
class FailedSwapClearsTtl(_Swapping):
    """PERSIST, then compare."""

    def afterwards(self, key: str, old: Entry, new: Entry, swapped: bool) -> None:
        if not swapped:
            self.apply({key: Entry(old.value)})


@mutant("ttl.4", "refresh", trap="a failed compare_and_swap of a key with a time to live, later", also="cas.3")
class FailedSwapStartsTimeAnew(_Swapping):
    def afterwards(self, key: str, old: Entry, new: Entry, swapped: bool) -> None:
        if not swapped:
            self.apply({key: self.entry(old.value, old.given)})


# ttl.5: reads do not extend


class _Touching(KeyValue):
    def touch(self, key: str) -> None:
        entry = self.find(key)
        if entry is not None and entry.deadline is not None:
            self.apply({key: self.entry(entry.value, entry.given)})


@mutant("ttl.5", "sliding", trap="get some time after the write", also="ttl.2 ttl.6")
class GetExtends(_Touching):
    async def get(self, key: str) -> bytes | None:
        self.touch(self.name(key, "get"))
        return await super().get(key)


@mutant("ttl.5", "sliding", trap="exists some time after the write", also="ttl.2 ttl.6")
class ExistsExtends(_Touching):
    async def exists(self, key: str) -> bool:
        self.touch(self.name(key, "exists"))
        return await super().exists(key)


@mutant("ttl.5", "sliding", trap="a scan some time after the write", also="ttl.2 ttl.6")
class ScanExtends(_Touching):
    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for key, entry in super().walk(prefix, limit):
            self.touch(key)
            yield key, entry


@mutant("ttl.5", "sliding", trap="batch_get some time after the write", also="ttl.2 ttl.6")
class BatchGetExtends(_Touching):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(keys)
        for key in found:
            self.touch(key)
        return found


@mutant("ttl.5", "write back", trap="a failed compare_and_delete some time after the write", also="cas.3 ttl.2")
class FailedCompareAndDeleteExtends(_Touching):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        removed = await super().compare_and_delete(key, expected)
        self.touch(key)
        return removed


@mutant("ttl.5", "write back", trap="ttl called in the last second", also="ttl.2 ttl.6")
class TtlRoundsDeadlineUp(KeyValue):
    """Rounds what is left to whole seconds, and stores what it says."""

    async def ttl(self, key: str) -> float | None:
        entry = self.find(self.name(key, "ttl"))
        if entry is not None and entry.deadline is not None and entry.deadline - self.now() < 1 <= entry.given:
            self.apply({key: self.entry(entry.value, 1.0)})
        return await super().ttl(key)


@mutant("ttl.5", "refresh ahead", trap="get within the last tenth of the time", also="ttl.2 ttl.6")
class LateGetExtends(_Touching):
    """What is wanted shortly before its end is kept for another round."""

    async def get(self, key: str) -> bytes | None:
        entry = self.find(self.name(key, "get"))
        if entry is not None and entry.deadline is not None and entry.deadline - self.now() < entry.given / 10:
            self.touch(key)
        return await super().get(key)


@mutant("ttl.5", "transaction", trap="a transaction that reads a key with a time to live, later", also="ttl.2 ttl.6")
class CommitExtendsWhatItRead(Transaction):
    """What was read is written back, to lock it."""

    async def commit(self) -> None:
        await super().commit()
        for key, entry in self.reads.items():
            if entry is not None and entry.deadline is not None and key not in self.writes:
                self.driver.apply({key: self.driver.entry(entry.value, entry.given)})


# ttl.6: what ttl says


@mutant("ttl.6", "rounding", trap="a time to live that is not a whole number of seconds")
class TtlRoundsUp(KeyValue):
    def left(self, deadline: float, given: float) -> float:
        return float(max(0, math.ceil(super().left(deadline, given) - 1e-3)))


@mutant("ttl.6", "truncation", trap="what is left is not a whole number of seconds")
class TtlRoundsDown(KeyValue):
    def left(self, deadline: float, given: float) -> float:
        return float(math.floor(super().left(deadline, given) + 1e-3))


@mutant("ttl.6", "wrong result", trap="ttl some time after the write")
class TtlSaysWhatWasGiven(KeyValue):
    def left(self, deadline: float, given: float) -> float:
        return given


@mutant("ttl.6", "unit")
class TtlIsMilliseconds(KeyValue):
    def left(self, deadline: float, given: float) -> float:
        return super().left(deadline, given) * 1000


@mutant("ttl.6", "code", trap="ttl of a key without expiry")
class NoExpiryIsMinusOne(KeyValue):
    """Redis's answer, passed on."""

    async def ttl(self, key: str) -> float | None:
        left = await super().ttl(key)
        return -1.0 if left is None else left


@mutant("ttl.6", "wrong error", trap="ttl of a missing key")
class TtlOfMissingIsNone(KeyValue):
    async def ttl(self, key: str) -> float | None:
        return None if self.find(self.name(key, "ttl")) is None else await super().ttl(key)


@mutant("ttl.6", "wrong error", trap="ttl of a missing key")
class TtlOfMissingRaisesKeyError(KeyValue):
    async def ttl(self, key: str) -> float | None:
        deadline = {name: self.rows()[name].deadline for name in self.matching("")}[self.name(key, "ttl")]
        return None if deadline is None else await super().ttl(key)


@mutant("ttl.6", "stale cache", trap="ttl after expire gave another time", also="ttl.7")
class TtlIgnoresExpire(KeyValue):
    """Computed from the write: ``expire`` moved the deadline, not the column that is shown."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(self.name(key, "expire"))
        done = await super().expire(key, ttl_s)
        if entry is not None and entry.deadline is not None:
            self.store.notes.setdefault((self.namespace, key), entry)
        return done

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop((self.namespace, key), None)

    async def ttl(self, key: str) -> float | None:
        left = await super().ttl(key)
        first: Entry | None = self.store.notes.get((self.namespace, key))
        return left if first is None or first.deadline is None else self.left(first.deadline, first.given)
