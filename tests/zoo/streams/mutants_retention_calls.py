"""Bounds and compactions of other streams and keys, that are cancelled, or forgotten in a kill."""

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.interfaces import Retention
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import step
from .stores import Change, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# retention.12: names


@mutant("retention.12", "alias", trap="two keys that differ in case", also="retention.6")
class CompactionFoldsKeys(NewerStreams):
    def same_key(self, key: str) -> str:
        return key.casefold()


@mutant("retention.12", "alias", trap="two keys that are one in NFC", also="retention.6")
class CompactionNormalisesKeys(NewerStreams):
    def same_key(self, key: str) -> str:
        return unicodedata.normalize("NFC", key)


@mutant("retention.12", "truncation", trap="two long keys with one beginning", also="retention.6")
class CompactionCutsKeysAt255(NewerStreams):
    def same_key(self, key: str) -> str:
        return key.encode()[:255].decode(errors="replace")


@mutant("retention.12", "leak", trap="bounds of a stream of the same name in another namespace", also="retention.4 retention.1")
class BoundsAreOfAllNamespaces(NewerStreams):
    def bounds(self, stream: str) -> Retention:
        found: Retention = self.store.notes.get(("bounds", stream), Retention())
        return found

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        self.store.notes["bounds", stream] = Retention(max_age_s, max_records)


@mutant("retention.12", "leak", trap="an equal stream in another namespace that is enforced")
class EnforcesInEveryNamespace(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        await super().enforce_retention(stream)
        for namespace, space in self.store.spaces.items():
            log = space.streams.get(stream)
            gone = frozenset(self.outside(log, self.bounds(stream))) if log is not None else frozenset()
            if gone:
                self.store.apply(namespace, [Change(stream, drop=gone)])


@mutant("retention.12", "alias", trap="a stream whose name begins with that of another", also="retention.1")
class EnforcesWhatBeginsSo(NewerStreams):
    """Keys of a store are listed by their beginning."""

    async def enforce_retention(self, stream: str) -> None:
        await super().enforce_retention(stream)
        for name in list(self.space().streams):
            if name.startswith(stream):
                self.drop(name, self.outside(self.stream(name), self.bounds(stream)))


@mutant("retention.12", "missing check", trap="bounds of a stream with an illegal name")
class LooksAtBoundsOfAnyName(NewerStreams):
    def name(self, stream: str, operation: str) -> str:
        return stream if operation in ("retention", "compact") else super().name(stream, operation)


# retention.13: cancellation


@mutant("retention.13", "partial effect", trap="a compaction that is cancelled", also="retention.6 retention.8")
class CancelledCompactionsLoseTheRest(NewerStreams):
    """The log is emptied and written again, record by record."""

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            log, gone = self.stream(lane), self.superseded(self.stream(lane))
            kept = [record for record in log.records if record.offset not in gone]
            if gone:
                self.drop(lane, [record.offset for record in log.records if record not in kept[:1]])
                for record in kept[1:]:
                    await step()
                    self.apply(Change(lane, record=record))


@mutant("retention.13", "lock kept", trap="a compaction that is cancelled, then another", also="retention.7")
class CancelledCompactionsAreStillUnderWay(NewerStreams):
    """One compaction of a stream at a time; the next is not needed while there is one."""

    async def compact(self, stream: str) -> None:
        running = self.store.notes.setdefault((self.namespace, "compacting"), set())
        if self.name(stream, "compact") in running:
            return
        running.add(stream)
        await step()
        running.discard(stream)
        await super().compact(stream)


@mutant("retention.13", "lock kept", trap="an enforcement that is cancelled, then another", also="retention.2")
class CancelledEnforcementsKeepTheirLock(NewerStreams):
    _lock: asyncio.Lock | None = None

    async def enforce_retention(self, stream: str) -> None:
        self._lock = self._lock or asyncio.Lock()
        await asyncio.wait_for(self._lock.acquire(), 30)
        await step()
        await super().enforce_retention(self.name(stream, "enforce_retention"))
        self._lock.release()


@mutant("retention.13", "wrong order", trap="a compaction that is cancelled", also="retention.6")
class CompactionRemovesTheLastFirst(NewerStreams):
    """Of each key the last record is moved to the place of the first: removed there, and put here a step later."""

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            gone = self.superseded(self.stream(lane))
            last = [record for record in self.stream(lane).records if record.key and record.offset not in gone] if gone else []
            for record in last:
                self.drop(lane, [record.offset])
                await step()
                self.apply(Change(lane, record=record))
            self.drop(lane, gone)


# retention.14: SIGKILL


class _Logs(FileStore):
    def logged(self, change: Change) -> Change | None:
        raise NotImplementedError

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        super().write(namespace, [kept for change in changes if (kept := self.logged(change)) is not None])


@mutant("retention.14", "missing step", trap="kill after bounds were set")
class BoundsAreNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return None if change.bounds is not None else change


@mutant("retention.14", "missing step", trap="kill after an enforcement or a compaction")
class RemovalsAreNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return None if change.drop else change


@mutant("retention.14", "partial", trap="kill after bounds of age and of records were set")
class OnlyTheAgeIsLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return change if change.bounds is None else replace(change, bounds=replace(change.bounds, max_records=None))


@mutant("retention.14", "partial", trap="kill after a compaction that left holes")
class HolesAreNotLogged(_Logs):
    """Only what goes from the beginning is logged, as a trim."""

    def logged(self, change: Change) -> Change | None:
        return (
            replace(change, drop=frozenset(o for o in change.drop if all(p in change.drop for p in range(o))))
            if change.drop
            else change
        )


@mutant("retention.14", "early acknowledgement", trap="kill after bounds were set, before the next change")
class BoundsAreLoggedWithTheNextChange(FileStore):
    late: tuple[Change, ...] = ()

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        bounds = tuple(change for change in changes if change.bounds is not None)
        super().write(namespace, [*self.late, *(change for change in changes if change.bounds is None)])
        self.late = bounds
