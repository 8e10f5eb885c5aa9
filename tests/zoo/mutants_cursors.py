"""Mutants of `KeyValueScan` that are wrong when something happens during a scan, or when one is left early."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import islice

from prism_testkit.interfaces import BackendUnavailable, Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, step
from .stores import Changes, Entry, Rows, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# scan.3: what is there throughout appears once


class _Walking(KeyValue):
    """A walk without the limit, which is counted around it."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        given = 0
        if limit == 0:
            return
        async for found in self.steps(prefix):
            yield found
            given += 1
            if given == limit:
                return

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().walk(prefix, None):
            yield found


@mutant("scan.3", "wrong error", trap="a key deleted during a scan, before it is given")
class VanishedKeyRaises(_Walking):
    """Lists names first and reads each later."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        for key in self.matching(prefix):
            yield key, self.rows()[key]


@mutant("scan.3", "wrong result", trap="a key deleted during a scan, before it is given")
class VanishedKeyIsEmpty(_Walking):
    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        for key in self.matching(prefix):
            yield key, self.find(key) or Entry(b"")


@mutant("scan.3", "live iteration", trap="a key added or deleted during a scan")
class IteratesLiveDict(_Walking):
    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        for key, entry in self.rows().items():
            if self.matches(key, prefix) and self.alive(entry):
                yield key, entry


@mutant("scan.3", "cursor", trap="a key that was given is deleted during the scan")
class OffsetSkipsAfterDelete(_Walking):
    """Goes on by offset, in the order of creation."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        offset = 0
        while offset < len(self.rows()):
            key = next(islice(self.rows(), offset, None))
            entry = self.find(key)
            if entry is not None and self.matches(key, prefix):
                yield key, entry
            offset += 1


@mutant("scan.3", "cursor", trap="a key that sorts before the cursor is added or deleted during the scan")
class OffsetOverSortedPages(_Walking):
    """Pages of three by offset, sorted; what is deleted within the page is allowed for, nothing else."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        offset = 0
        while page := sorted(self.rows())[offset : offset + 3]:
            for key in page:
                entry = self.find(key)
                if entry is not None and self.matches(key, prefix):
                    yield key, entry
            offset += sum(key in self.rows() for key in page)


@mutant("scan.3", "cursor", trap="the key given last is deleted during the scan")
class LostCursorEndsScan(_Walking):
    """The cursor is a key, looked up to go on; without it nothing follows."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        keys, last = sorted(self.matching(prefix)), ""
        while keys:
            key = keys.pop(0)
            entry = self.find(key)
            if last and self.find(last) is None:
                return
            if entry is not None:
                last = key
                yield key, entry


@mutant("scan.3", "order of writes", trap="a key that was given is overwritten during the scan")
class OverwrittenComesAgain(_Walking):
    """Walks versions in the order in which they were written; an overwritten key has moved to the end."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        given: dict[int, Entry] = {}
        while fresh := [(key, e) for key, e in self.rows().items() if self.matches(key, prefix) and id(e) not in given]:
            for key, entry in fresh:
                given[id(entry)] = entry
                if self.find(key) is entry:
                    yield key, entry


@mutant("scan.3", "restart", trap="keys are added or deleted during the scan")
class RestartsWhenKeysChange(_Walking):
    """Retries from the start when the set of keys changed under it, and forgets that it has given some; once."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        keys = self.matching(prefix)
        for number, key in enumerate(keys):
            entry = self.find(key)
            if entry is not None:
                yield key, entry
            if number < 3 and self.matching(prefix) != keys:
                break
        else:
            return
        async for found in super().steps(prefix):
            yield found


@mutant("scan.3", "stale cache", trap="a key overwritten between two scans by another client", also="scan.1 basic.8")
class ReusesPagesOfLastScan(_Walking):
    """Values of the last scan with that prefix are given again, until this client writes."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.pages: dict[str, Rows] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.pages.clear()

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        page = self.pages.setdefault(prefix, {})
        async for key, entry in super().steps(prefix):
            yield key, page.setdefault(key, entry)


@mutant("scan.3", "filter", trap="any key deleted during a scan", also="scan.1")
class DeleteSkipsNextKey(_Walking):
    """A key that vanished is stepped over, together with the one behind it."""

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        skip = False
        for key in self.matching(prefix):
            entry = self.find(key)
            if entry is not None and not skip:
                yield key, entry
            skip = entry is None


# scan.7: a scan that is left


async def _let_generators_close() -> None:
    """Let the loop close what was left by ``break``; it takes a few rounds."""
    for _ in range(6):
        await step()


@mutant("scan.7", "leak", trap="eight scans left before their end")
class LeftScansKeepCursors(_Walking):
    """Eight server-side cursors, of which each is closed by its end only."""

    open_cursors = 0

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        self.open_cursors += 1
        if self.open_cursors > 8:
            raise BackendUnavailable("zoo: scan: no cursor is free")
        async for found in super().steps(prefix):
            yield found
        self.open_cursors -= 1

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().walk(prefix, None):
            if limit is None or limit > 0:
                yield found
            limit = None if limit is None else limit - 1


@mutant("scan.7", "leak", trap="a scan left before its end, then a write")
class LeftScanBlocksWrites(_Walking):
    """A write that comes when a scan was left waits for it to end. Those during a scan that goes on are let through."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.left_early = False

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        try:
            async for found in super().walk(prefix, limit):
                yield found
        except (GeneratorExit, asyncio.CancelledError):
            self.left_early = True
            raise

    async def set(self, key: str, value: Bytes) -> None:
        await _let_generators_close()
        if self.left_early:
            await asyncio.get_running_loop().create_future()
        await super().set(key, value)


@mutant("scan.7", "lost write", trap="a write during a scan that is then left", also="basic.1 scan.3")
class LeavingRollsBack(_Walking):
    """A scan is a transaction; left early, it is rolled back, with all that its client wrote meanwhile."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.undo: dict[str, Entry | None] | None = None

    def apply(self, changes: Changes) -> None:
        if self.undo is not None:
            self.undo = {key: self.rows().get(key) for key in changes} | self.undo
        super().apply(changes)

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        self.undo = {}
        try:
            async for found in super().walk(prefix, limit):
                yield found
        except (GeneratorExit, asyncio.CancelledError):
            undo, self.undo = self.undo, None
            super().apply(undo or {})
            raise
        self.undo = None

    async def get(self, key: str) -> bytes | None:
        await _let_generators_close()
        return await super().get(key)


@mutant(
    "scan.7",
    "stale cursor",
    trap="a scan left before its end, or ended by its limit, then another with that prefix",
    also="scan.1 scan.4 scan.5",
)
class NextScanGoesOn(_Walking):
    """The position is kept with the client and forgotten only at the end."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.given: dict[str, set[str]] = {}

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        given = self.given.setdefault(prefix, set())
        async for key, entry in super().steps(prefix):
            if key not in given:
                given.add(key)
                yield key, entry
        self.given.pop(prefix, None)


@mutant("scan.7", "sticky state", trap="a scan cancelled while it waits for its next key")
class CancelledScanStaysBusy(_Walking):
    """One step of a scan at a time, and a cancelled one does not pass the turn on."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.turn = asyncio.Lock()

    async def steps(self, prefix: str) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().steps(prefix):
            await self.turn.acquire()
            await step()
            self.turn.release()
            yield found


@mutant("scan.7", "side effect", trap="a scan left before its end, then a delete of a key not yet given", also="basic.4")
class LeftScanPinsKeys(_Walking):
    """What a scan is about to give cannot be deleted until it is over."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.pinned: set[str] = set()

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        try:
            async for found in super().walk(prefix, limit):
                yield found
        except (GeneratorExit, asyncio.CancelledError):
            self.pinned.update(self.matching(prefix))
            raise

    async def delete(self, key: str) -> bool:
        await _let_generators_close()
        return self.name(key, "delete") not in self.pinned and await super().delete(key)
