"""Mistakes that stores and clients made with transactions: conflicts that nobody saw, writes that went astray."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Conflict

from .declare import Mutant
from .history_client import Open, Remote
from .history_declare import declaring_history
from .history_server import Node, Row, Slot, Space, Writes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("transactional.5", "isolation", trap="a name that was missing when it was read is created meanwhile")
class MissingReadsUntracked(Open):
    """A read that found nothing is not in the read set (dgraph-io/badger#1328)."""

    async def commit(self) -> None:
        self.reads = {name: revision for name, revision in self.reads.items() if revision}
        await super().commit()


@mutant("transactional.5", "isolation", trap="a name that was read is deleted meanwhile")
class DeletionIsNoConflict(Node):
    """The guard is "no newer than what I read", and what was deleted has revision 0 (etcd-io/etcd#7184)."""

    def commit(self, space: Space, reads: Mapping[bytes, int], writes: Writes) -> bool:
        current = {name: self.revision_of(space, name) for name in reads}
        if any(current[name] > revision for name, revision in reads.items()):
            return False
        return super().commit(space, {}, writes)


@mutant("transactional.5", "isolation", trap="the second name that was read changes")
class FirstReadGuards(Open):
    """Only the revision of the first read is compared at commit (etcd-io/etcd#8439)."""

    async def commit(self) -> None:
        self.reads = dict(list(self.reads.items())[:1])
        await super().commit()


@mutant("transactional.5", "concurrency", trap="a plain write between the check and the writes of a commit")
class ChecksOutsideOfTheWriteLock(Open):
    """Commits exclude each other while they check and write, plain writes do not take that lock (facebook/rocksdb#10663)."""

    async def commit(self) -> None:
        reads, writes = dict(self.reads), dict(self.writes)
        if self.torn or not await self.driver.ask(lambda node, space: node.commit(space, reads, {})):
            raise Conflict("history: commit: what was read has changed")
        await self.driver.ask(lambda node, space: node.commit(space, {}, writes))


@mutant("transactional.5", "isolation", trap="a name that was read and then written by the transaction")
class OwnWritesLeaveTheReadSet(Open):
    """A conflict range skips what the write cache holds (apple/foundationdb#126)."""

    async def commit(self) -> None:
        self.reads = {name: revision for name, revision in self.reads.items() if name not in self.writes}
        await super().commit()


@mutant("transactional.5", "expiry", trap="a name that was read expires before the commit")
class ExpiryIsNoConflict(Node):
    """What expired, but was not removed yet, has not changed (redis/redis#9068)."""

    def revision_of(self, space: Space, name: bytes) -> int:
        row = space.slot(name).rows.get(name)
        return 0 if row is None else row.revision

    def get(self, space: Space, name: bytes) -> Row | None:
        row = self.find(space, name)
        if row is None:
            self.store(space, name, None)
        return row


class Watching(Node):
    """Whoever writes a name tells those who have read it; a commit asks whether it was told."""

    def __init__(self, place: object) -> None:
        super().__init__(place)  # type: ignore[arg-type]
        self.changes: dict[tuple[int, bytes], int] = {}

    def touch(self, space: Space, name: bytes) -> None:
        self.changes[id(space), name] = self.changes.get((id(space), name), 0) + 1

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        self.touch(space, name)
        super().store(space, name, row)

    def revision_of(self, space: Space, name: bytes) -> int:
        row = space.slot(name).rows.get(name)
        if row is not None and not self.alive(row):
            self.store(space, name, None)
        return self.changes.get((id(space), name), 0)

    def get(self, space: Space, name: bytes) -> Row | None:
        revision = self.revision_of(space, name)
        row = self.find(space, name)
        return None if row is None else Row(row.value, revision, row.deadline, row.given)


class WatchingOpen(Open):
    """Remembers how often a name had been changed, that of a missing one too."""

    async def look(self, name: bytes) -> bytes | None:
        if name in self.writes:
            return self.writes[name]
        row, changes = await self.driver.ask(lambda node, space: (node.get(space, name), node.revision_of(space, name)))
        self.torn |= self.reads.setdefault(name, changes) != changes
        return None if row is None else row.value


class SilentSweep(Watching):
    """A sweep removes rows by itself."""

    def sweep(self, slot: Slot, space: Space, names: object) -> None:
        for name in names:  # type: ignore[attr-defined]
            row = slot.rows.get(name)
            if row is not None and not self.alive(row):
                del slot.rows[name]
                slot.discard(name)


@mutant("transactional.5", "expiry", trap="a name that was read expires, and a scan sweeps it before the commit", node=SilentSweep)
class SweptWithoutNotice(Remote):
    """What a listing purges tells no watcher, so a commit finds neither a change nor an expired row (fppt/jedis-mock#773)."""

    transaction_type = WatchingOpen


class FirstWatcherOnly(Node):
    """Those who read a name are flagged when it is written; the loop over them ends at one that had found it expired."""

    def __init__(self, place: object) -> None:
        super().__init__(place)  # type: ignore[arg-type]
        self.watchers: dict[tuple[int, bytes], list[tuple[Open, bool]]] = {}

    def watch(self, space: Space, name: bytes, who: Open) -> None:
        row = space.slot(name).rows.get(name)
        self.watchers.setdefault((id(space), name), []).append((who, row is not None and not self.alive(row)))

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        super().store(space, name, row)
        for who, expired in self.watchers.pop((id(space), name), []):
            if expired:
                break
            who.torn = True


@mutant(
    "transactional.5",
    "expiry",
    trap="two transactions read a name that expired and was not removed, then it is written",
    node=FirstWatcherOnly,
)
class ExpiredWatcherEndsTheLoop(Open):
    """One watcher that had found the name expired keeps all later ones from being told (redis/redis#14752)."""

    async def look(self, name: bytes) -> bytes | None:
        if name in self.writes:
            return self.writes[name]

        def request(node: Node, space: Space) -> Row | None:
            assert isinstance(node, FirstWatcherOnly)
            node.watch(space, name, self)
            return node.get(space, name)

        row = await self.driver.ask(request)
        self.reads[name] = 0 if row is None else row.revision
        return None if row is None else row.value

    async def commit(self) -> None:
        writes = dict(self.writes)

        def request(node: Node, space: Space) -> bool:
            gone = any(revision and node.find(space, name) is None for name, revision in self.reads.items())
            return not self.torn and not gone and node.commit(space, {}, writes)

        if not await self.driver.ask(request):
            raise Conflict("history: commit: what was read has changed")


@mutant("transactional.5", "isolation", trap="a name that was read gets another value of the same length at the same instant")
class TagOfTimeAndSize(Node):
    """What stands for the version is the instant of the write and the length (ClickHouse/ClickHouse#112587)."""

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        super().put(space, name, value, seconds)
        row = space.slot(name).rows[name]
        self.store(space, name, Row(value, self.now() * 10_000_000 + len(value) + 1, row.deadline, row.given))


@mutant("transactional.5", "isolation", trap="a name that was read is deleted and created again")
class RevisionsBeginAgain(Node):
    """A name that is created again begins at revision 1 (mem9-ai/drive9#903)."""

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        before = self.revision_of(space, name)
        super().put(space, name, value, seconds)
        row = space.slot(name).rows[name]
        self.store(space, name, Row(value, before + 1, row.deadline, row.given))


@mutant("transactional.6", "leftover", trap="a transaction after one that raised Conflict")
class ConflictKeepsTheBuffer(Remote):
    """What a failed commit had buffered is committed with the next one (flux-framework/flux-core#5335)."""

    left: dict[bytes, bytes | None]

    class transaction_type(Open):  # noqa: N801  as the attribute is called
        async def commit(self) -> None:
            left = self.driver.__dict__.setdefault("left", {})
            self.writes = {**left, **self.writes}
            try:
                await super().commit()
            except Conflict:
                left.update(self.writes)
                raise
            left.clear()


@mutant("transactional.6", "count", trap="a transaction that reads and writes one name")
class CountsReadsAndWrites(Open):
    """Ready when as many names are resolved as are read plus written, so one in both never is (umd-dslam/SLOG#19)."""

    async def commit(self) -> None:
        if len({*self.reads, *self.writes}) != len(self.reads) + len(self.writes):
            raise Conflict("history: commit: not all names are resolved")
        await super().commit()


@mutant("transactional.3", "own writes", trap="a read of what the transaction has deleted")
class DeletedReadsEmpty(Open):
    """A name that the transaction deleted reads as an empty value (surrealdb/surrealkv#18)."""

    async def look(self, name: bytes) -> bytes | None:
        if name in self.writes:
            return self.writes[name] or b""
        return await super().look(name)


@mutant("transactional.4", "isolation", trap="a delete in an open transaction")
class DeletesBeforeTheCommit(Open):
    """A delete changes the shared snapshot before the commit (surrealdb/surrealkv#17)."""

    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        name = self.driver.name(key, "transaction delete")
        await self.driver.ask(lambda node, space: node.remove(space, name))
        if name in self.reads:
            self.reads[name] = 0
        return present


@mutant("transactional.3", "order", trap="a name is deleted and then set in one transaction")
class DeletesAfterPuts(Open):
    """A commit does all puts and then all deletes, whatever their order was (camunda-community-hub/eze#65)."""

    def __init__(self, driver: Remote) -> None:
        super().__init__(driver)
        self.deleted: set[bytes] = set()

    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        self.deleted.add(self.driver.name(key, "transaction delete"))
        return present

    async def commit(self) -> None:
        self.writes = {name: None if name in self.deleted else value for name, value in self.writes.items()}
        await super().commit()


@mutant("transactional.5", "isolation", trap="two writes in one transaction, and a conflict")
class MultiIgnoresVersions(Open):
    """A commit of more than one operation is sent as a batch, which has no conditions (dapr/components-contrib#1244)."""

    async def commit(self) -> None:
        if len(self.writes) > 1:
            self.reads = {}
            self.torn = False
        await super().commit()


@mutant(
    "transactional.1",
    "atomicity",
    trap="the commit is cancelled between two writes, or somebody reads between them",
    also="transactional.2",
)
class WritesOneByOne(Open):
    """The writes of a commit are sent one after another; what stops on the way stays (akash-network/node#223)."""

    async def commit(self) -> None:
        writes = self.writes
        self.writes = {}
        await super().commit()
        for name, value in writes.items():
            await self.driver.ask(lambda node, space: node.commit(space, {}, {name: value}))  # noqa: B023  asked at once
            await asyncio.sleep(0)
