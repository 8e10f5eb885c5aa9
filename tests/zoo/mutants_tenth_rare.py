"""Wrong drivers over chains of editions that need many uses, many clients, or two calls that meet."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from prism_testkit.interfaces import Conflict, KeyValueTransaction

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .tenth_editions import Change, Editions, KeptEditions, Space
from .tenth_keyvalue import EditionKeyValue, EditionTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant(
    "transactional.5",
    "after many",
    trap="a driver whose transactions lost four times in a row, and loses again",
    also="transactional.6",
)
class TheFifthConflictIsForced(EditionTransaction):
    """Who lost four times in a row wins the fifth time."""

    def holds(self, space: Space) -> bool:
        lost = self.driver.editions.notes
        place = (self.driver.namespace, id(self.driver))
        if super().holds(space) or lost.get(place, 0) >= 4:
            lost[place] = 0
            return True
        lost[place] = lost.get(place, 0) + 1
        return False


@mutant("basic.8", "cache slots", trap="many keys of one batch, read twice by one client", also="batch.1 basic.1 basic.3")
class KnownBySlot(EditionKeyValue):
    """What was read is kept in 64 slots, by the sum of the key, and known by the number of the write alone."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.slots: dict[int, tuple[int, bytes]] = {}

    async def get(self, key: str) -> bytes | None:
        key = self.key(key, "get")
        await self.hop()
        stamp, slot = self.editions.stamp(self.space, key), sum(key.encode()) % 64
        if not stamp:
            return None
        if slot in self.slots and self.slots[slot][0] == stamp:
            return self.slots[slot][1]
        edition = self.now(key)
        assert edition is not None
        assert edition.value is not None
        self.slots[slot] = (stamp, edition.value)
        return edition.value


@mutant(
    "scan.1",
    "after many",
    trap="more than 1,024 writes in a namespace, and a scan",
    also="scan.3 scan.5 transactional.5 transactional.6 transactional.3",
)
class NumbersHaveTenBits(Editions):
    def enter(self, space: Space, number: int, changes: Sequence[Change]) -> None:
        super().enter(space, number & 0x3FF or 1, changes)


_outer: ContextVar["EditionTransaction | None"] = ContextVar("outer", default=None)


@mutant(
    "transactional.7",
    "nested",
    trap="a transaction that is opened within another one, and read after its own end",
    also="transactional.1 transactional.2 transactional.4 transactional.5",
)
class InnerOnesJoin(EditionTransaction):
    """A transaction within another one of the same task commits with that one."""

    outer: "EditionTransaction | None" = None

    async def __aenter__(self) -> KeyValueTransaction:
        outer = _outer.get()
        if outer is not None and outer.state == "open" and outer.driver is self.driver:
            self.outer = outer
        entered = await super().__aenter__()
        if self.outer is None:
            _outer.set(self)
        return entered

    def commit(self, space: Space) -> None:
        if self.outer is not None and self.outer.state == "open":
            self.outer.wishes.update(self.wishes)
        else:
            super().commit(space)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await super().__aexit__(kind, error, trace)


@mutant("basic.12", "torn line", trap="a kill that tears a line, a write after it, and another kill: kill", also="basic.8 basic.1")
class TornLinesStay(KeptEditions):
    """A writer adds behind what is there, be it whole or not."""

    def note(self, entry: list[Any]) -> None:
        self.position = self.journal.stat().st_size if self.journal.exists() else 0
        super().note(entry)


@mutant(
    "scan.5",
    "shared answer",
    trap="a listing of keys under way when a write returns, and another one after it",
    also="basic.8 scan.1 scan.3",
)
class ListingsOfKeysAreShared(EditionKeyValue):
    """Keys that are asked for while the same are under way come from there."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.asked: dict[tuple[str, int | None], asyncio.Task[list[str]]] = {}

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async def every() -> list[str]:
            found = [key async for key, _ in self.walk(prefix, limit, "scan_keys")]
            await self.hop()
            return found

        if not isinstance(prefix, str) or (prefix, limit) not in self.asked:
            task = asyncio.ensure_future(every())
            if isinstance(prefix, str):
                self.asked[prefix, limit] = task
                task.add_done_callback(lambda _: self.asked.pop((prefix, limit), None))
        else:
            task = self.asked[prefix, limit]
        for key in await asyncio.shield(task):
            yield key


@mutant("batch.2", "shared answer", trap="a batch under way when a write returns, and the same batch after it", also="basic.8")
class BatchesAreShared(EditionKeyValue):
    """A batch of keys that is asked for while the same is under way gets its answer."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.asked: dict[tuple[str, ...], asyncio.Task[dict[str, bytes]]] = {}

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = tuple(self.key(key, "batch_get") for key in keys)
        task = self.asked.get(names)
        if task is None:
            task = self.asked[names] = asyncio.ensure_future(self.slow(names))
            task.add_done_callback(lambda _: self.asked.pop(names, None))
        return dict(await asyncio.shield(task))

    async def slow(self, names: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(names)
        await self.hop()
        return found


@mutant("scan.3", "shared state", trap="two scans of one prefix open at once, which take steps by turns", also="scan.1 scan.7")
class PagesAreByPrefix(EditionKeyValue):
    """The page that a scan is in is the driver's, by prefix; a later scan of the same prefix turns it."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.at: dict[str, int] = {}

    async def walk(self, prefix: str, limit: int | None, call: str) -> AsyncIterator[tuple[str, bytes]]:
        number = 0
        async for pair in super().walk(prefix, limit, call):
            if number == 0:
                self.at[prefix] = 0
            number += 1
            if number > self.at[prefix]:
                self.at[prefix] = number
                yield pair


@mutant("scan.3", "early vacuum", trap="a scan that is cancelled beside another one that began later, and writes", also="scan.1")
class EndingScansVacuum(Editions):
    """Whoever ends a look cuts off what is older than now, if he was the first to begin."""

    def leave(self, space: Space, number: int) -> None:
        first = number == min(space.looking, default=number)
        super().leave(space, number)
        if first:
            looking, space.looking = space.looking, type(space.looking)()
            self.vacuum(space)
            space.looking = looking


@mutant("cas.6", "lock", trap="more than eight swaps of one key at once", also="cas.1")
class TheNinthSwapGoesUnguarded(EditionKeyValue):
    """Swaps of a key take turns by a queue of eight; who finds it full goes by what he saw when he came."""

    waiting = 0

    def swap(self, key: str, expected: bytes | None, new: bytes | None) -> bool:
        return super().swap(key, expected, new)

    async def compare_and_swap(self, key: str, expected: Any, new: Any) -> bool:
        if self.waiting < 8:
            self.waiting += 1
            try:
                return await super().compare_and_swap(key, expected, new)
            finally:
                self.waiting -= 1
        name = self.key(key, "compare_and_swap")
        data = self.data(new, "compare_and_swap", name)
        edition = self.now(name)
        same = (None if edition is None else edition.value) == (None if expected is None else bytes(expected))
        await self.hop()
        if same:
            self.write((name, data))
        return same


@mutant(
    "transactional.6",
    "left behind",
    trap="a conflict, and then a plain write of a key that the transaction would have removed",
    also="transactional.1 transactional.2 basic.1 basic.8",
)
class ConflictsLeaveTheirRemovals(EditionTransaction):
    """What a commit removes is hidden for its driver before it is checked, and shown again when somebody else writes it."""

    def commit(self, space: Space) -> None:
        try:
            super().commit(space)
        except Conflict:
            for key, wish in self.wishes.items():
                edition = self.driver.now(key)
                if wish is None and edition is not None and edition.due_ms is not None:
                    self.driver.write((key, None))
            raise


@mutant(
    "transactional.6",
    "left behind",
    trap="a conflict of a transaction that would have set a key with a deadline",
    also="transactional.1 ttl.1",
)
class ConflictsTakeDeadlinesAway(EditionTransaction):
    """Deadlines of what a commit writes are taken away before it is checked."""

    def commit(self, space: Space) -> None:
        try:
            super().commit(space)
        except Conflict:
            for key, wish in self.wishes.items():
                edition = self.driver.now(key)
                if wish is not None and edition is not None and edition.due_ms is not None:
                    self.driver.write((key, edition.value))
            raise


@mutant("transactional.6", "left behind", trap="a conflict of a transaction that wrote more than two keys", also="transactional.1")
class ConflictsLeaveTheFirst(EditionTransaction):
    """A commit of more than two keys writes the first of them before it is checked."""

    def commit(self, space: Space) -> None:
        try:
            super().commit(space)
        except Conflict:
            if len(self.wishes) > 3:
                self.driver.write(*list(self.wishes.items())[1:2])
            raise
