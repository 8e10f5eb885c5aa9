"""Mistakes of the kinds that history had shown to be missed, made anew after the suites were mended."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes, Conflict

from .declare import Mutant
from .history_client import Open, Remote
from .history_declare import declaring_history
from .history_server import PAGE, SLOTS, Cursor, Node, Row, Space, Writes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

T = TypeVar("T")


@mutant("transactional.5", "expiry", trap="a name that was read expires, is found so by a count, and nothing else happens to it")
class CommitAsksForWritesOnly(Node):
    """A commit compares what it read with a journal of writes, and an expiry is in no journal."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.written: dict[tuple[int, bytes], int] = {}

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        super().store(space, name, row)
        self.written[id(space), name] = self.written.get((id(space), name), 0) + 1

    def sweep(self, slot: object, space: Space, names: object) -> None:
        """Leaves what has expired."""

    def commit(self, space: Space, reads: Mapping[bytes, int], writes: Writes) -> bool:
        for name, revision in reads.items():
            row = space.slot(name).rows.get(name)
            if (0 if row is None else row.revision) != revision and (row is None or self.alive(row) or revision):
                return False
        return super().commit(space, {}, writes)


@mutant("transactional.5", "expiry", trap="a name that expired is read by a transaction, and created by a swap before its commit")
class ExpiredReadsRememberTheRow(Open):
    """A read of what expired remembers nothing, as there is a row, and it is none."""

    async def look(self, name: bytes) -> bytes | None:
        if name in self.writes:
            return self.writes[name]
        row, stored = await self.driver.ask(lambda node, space: (node.get(space, name), name in space.slot(name).rows))
        if row is not None or not stored:
            revision = 0 if row is None else row.revision
            self.torn |= self.reads.setdefault(name, revision) != revision
        return None if row is None else row.value


@mutant("ttl.5", "expiry", trap="a name with a deadline is read by a transaction", also="ttl.2 transactional.4 ttl.6")
class ReadInsideIsKeptALittleLonger(Remote):
    """What an open transaction reads is kept for a second more, for it may be read again."""

    class transaction_type(Open):  # noqa: N801  as the attribute is called
        async def look(self, name: bytes) -> bytes | None:
            def read(node: Node, space: Space) -> Row | None:
                row = node.get(space, name)
                if row is not None and row.deadline is not None:
                    node.store(space, name, Row(row.value, row.revision, row.deadline + 1_000_000, row.given))
                return row

            if name in self.writes:
                return self.writes[name]
            row = await self.driver.ask(read)
            self.reads.setdefault(name, 0 if row is None else row.revision)
            return None if row is None else row.value


@mutant("scan.3", "cursor", trap="all names of a leaf around the cursor are deleted, and one far behind it stays")
class LostLeafEndsTheSlot(Node):
    """A cursor whose leaf is gone ends its slot."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> tuple[list[tuple[bytes, bytes]], Cursor | None]:
        number, last = cursor
        slot = space.slots[number]
        if last and (not slot.leaves or not any(leaf.names[0] <= last for leaf in slot.leaves)):
            return [], ((number + 1, b"") if number + 1 < SLOTS else None)
        return super().page(space, prefix, cursor)


@mutant("scan.3", "cursor", trap="most names of a slot are deleted while a scan is in it")
class CursorIsAShare(Node):
    """A cursor tells how many names of the slot were given, and is cut down to how many there are."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> tuple[list[tuple[bytes, bytes]], Cursor | None]:
        number, last = cursor
        slot = space.slots[number]
        names = list(slot.names_after(b""))
        given = int(last or b"0")
        some = names[min(given, len(names)) : given + PAGE]
        found = [(name, slot.rows[name].value) for name in some if name.startswith(prefix) and self.alive(slot.rows[name])]
        if given + PAGE < len(names):
            return found, (number, b"%d" % (given + PAGE))
        return found, ((number + 1, b"") if number + 1 < SLOTS else None)


@mutant("scan.1", "size", trap="values of more than four megabytes in all", also="scan.5")
class MessageOfFourMegabytes(Remote):
    """A listing that does not fit into a message of four megabytes is cut there."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        room = 4 * 2**20
        async for page in super().pages(prefix):
            kept: list[tuple[bytes, bytes]] = []
            for name, value in page:
                room -= len(name) + len(value)
                if room < 0:
                    yield kept
                    return
                kept.append((name, value))
            yield kept


@mutant("scan.1", "size", trap="a value of more than half a megabyte in a listing", also="scan.3")
class LargeRowsAreLeftToTheNextPage(Remote):
    """A row that does not fit into what is left of a page is left to the next one, which begins behind it."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        async for page in super().pages(prefix):
            room, kept = 1_500_000, []
            for name, value in page:
                if len(value) <= room:
                    room -= len(value)
                    kept.append((name, value))
            yield kept


@mutant("basic.10", "concurrency", trap="a large value is replaced by a shorter one while it is read")
class ReadsTheLengthFirst(Remote):
    """A read of a large value asks for its length, and then for that many bytes, wherever they come from by then."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is None or len(value) < 65_536:
            return value
        name, size = self.name(key, "get"), len(value)
        row = await self.ask(lambda node, space: node.get(space, name))
        return value if row is None else (row.value + value)[:size] if len(row.value) < size else row.value[:size]


@mutant("basic.11", "cancellation", trap="a call that waits for its turn is cancelled as it gets it")
class CancelledTurnIsNotPassedOn(Remote):
    """Calls take turns by a chain of events; one that is cancelled as its turn comes does not begin the next."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.last: asyncio.Event | None = None
        self.passing: asyncio.Future[None] | None = None

    async def ask(self, request: Callable[[Node, Space], T]) -> T:
        before, mine = self.last, asyncio.Event()
        self.last = mine
        if before is not None:
            try:
                await before.wait()
            except asyncio.CancelledError:
                if not before.is_set():
                    self.passing = asyncio.ensure_future(self._pass_on(before, mine))
                raise
        try:
            return await super().ask(request)
        finally:
            mine.set()

    @staticmethod
    async def _pass_on(before: asyncio.Event, mine: asyncio.Event) -> None:
        await before.wait()
        mine.set()


@mutant("cas.6", "concurrency", trap="a creation and a deletion of a name that was deleted before, at once", also="cas.2 cas.3")
class GravesAreClearedOnTheWay(Remote):
    """A creation first clears the grave that it finds, by a deletion of its own, and then sets if there is nothing."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        if expected is not None:
            return await super().compare_and_swap(key, expected, new)
        if await self.ask(lambda node, space: node.find(space, name) is not None):
            return False
        graves: set[tuple[str, bytes]] = self.node.__dict__.setdefault("graves", set())
        if (self.namespace, name) in graves:
            await self.ask(lambda node, space: node.remove(space, name))
        return await self.ask(lambda node, space: node.swap(space, name, None, data))

    async def delete(self, key: str) -> bool:
        graves: set[tuple[str, bytes]] = self.node.__dict__.setdefault("graves", set())
        graves.add((self.namespace, self.name(key, "delete")))
        return await super().delete(key)


@mutant("ttl.10", "leftover", trap="a name that was found expired is written again at once, as it was", also="ttl.1")
class SweeperRemovesByValue(Node):
    """What a read finds expired is put on a list, by its value, and removed at the next but one request."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.listed: list[tuple[Space, bytes, bytes]] = []

    def get(self, space: Space, name: bytes) -> Row | None:
        listed, self.listed = self.listed, []
        for at, other, value in listed:
            row = at.slot(other).rows.get(other)
            if row is not None and row.value == value and row.deadline is not None:
                self.store(at, other, None)
        row = space.slot(name).rows.get(name)
        if row is not None and not self.alive(row):
            self.listed.append((space, name, row.value))
            return None
        return row


@mutant("basic.3", "encoding", trap="a name that holds what stands for a colon", also="scan.1 batch.2")
class ColonsAreTwoUnderscores(Remote):
    """A colon, which a file may not have, becomes two underscores."""

    def name(self, key: str, operation: str) -> bytes:
        name = super().name(key, operation)
        known: dict[bytes, bytes] = self.node.__dict__.setdefault("known", {})
        known.setdefault(name.replace(b":", b"__"), name)
        return name.replace(b":", b"__")

    def prefix(self, prefix: str, operation: str) -> bytes:
        return super().prefix(prefix, operation).replace(b":", b"__")

    def key(self, name: bytes) -> str:
        known: dict[bytes, bytes] = self.node.__dict__.setdefault("known", {})
        return known.get(name, name).decode()


@mutant("transactional.3", "order", trap="a name is set and then deleted in one transaction", also="transactional.1")
class PutsAfterDeletes(Open):
    """A commit does all deletes and then all puts."""

    def __init__(self, driver: Remote) -> None:
        super().__init__(driver)
        self.put: dict[bytes, bytes] = {}

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        name = self.driver.name(key, "transaction set")
        self.put[name] = self.writes[name] or b""

    async def commit(self) -> None:
        self.writes = {**self.writes, **self.put}
        if self.torn:
            raise Conflict("history: commit: torn")
        await super().commit()
