"""Mistakes with deadlines: units and roundings, clocks that were read before, timers that outlive what they were for."""

import asyncio
import heapq
from collections.abc import Mapping, Sequence

from prism_testkit.backend import Place

from .declare import Mutant
from .history_client import Open, Remote
from .history_declare import declaring_history
from .history_server import Cursor, Node, Row, Slot, Space, Writes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("ttl.1", "units", trap="a time to live of more than thirty days", also="ttl.6")
class ThirtyDaysAreAnInstant(Node):
    """More than thirty days are taken for seconds since the epoch, long ago (dapr/components-contrib#2890)."""

    def deadline(self, seconds: float) -> int:
        return super().deadline(seconds) if seconds <= 30 * 86_400 else int(seconds * 1e6)


@mutant("ttl.1", "units", trap="a time to live of more seconds than have passed since the epoch", also="ttl.6")
class LooksLikeAnInstant(Node):
    """What is greater than now is taken for an instant already (petergoldstein/dalli#620)."""

    def deadline(self, seconds: float) -> int:
        return super().deadline(seconds) if seconds * 1e6 < self.now() else int(seconds * 1e6)


@mutant("ttl.1", "overflow", trap="a time to live of more than 2147483647 milliseconds", also="ttl.6")
class TimersHave31Bits(Node):
    """A timer of more milliseconds than fit into 31 bits runs off after one (ptarjan/node-cache#35)."""

    def deadline(self, seconds: float) -> int:
        return super().deadline(seconds if seconds * 1000 <= 2**31 - 1 else 0.001)


@mutant("ttl.2", "rounding", trap="a time to live of less than a second")
class LessThanASecondIsNone(Node):
    """Whole seconds are sent, and 0 of them mean that it does not expire (redis/fastapi-redis-sdk#29)."""

    def set(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        super().set(space, name, value, None if seconds is not None and 0 < seconds < 1 else seconds)


@mutant("ttl.6", "rounding", trap="a time left that is no whole number of seconds")
class LeftIsCutToSeconds(Node):
    """The time left is told in whole seconds, rounded down (microsoft/garnet#1602)."""

    def left(self, space: Space, name: bytes) -> tuple[bool, float | None]:
        present, seconds = super().left(space, name)
        return present, None if seconds is None else float(int(seconds))


@mutant("ttl.9", "edge", trap="a name that holds something is set with no time to live left")
class ExpiredWriteIsSkipped(Node):
    """What would be expired at once is not stored, and what was there stays (tkem/cachetools#407)."""

    def set(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        if seconds is None or seconds > 0:
            super().set(space, name, value, seconds)


@mutant("ttl.9", "edge", trap="a negative time to live")
class NegativeIsForEver(Node):
    """A time to live is sent if it is positive; otherwise the value is stored without (phpredis/phpredis#712)."""

    def set(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        super().set(space, name, value, None if seconds is not None and seconds < 0 else seconds)


class Flushing(Node):
    """Deadlines in a heap; before a request those that are over are taken off it, and their names removed."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.heap: list[tuple[int, int, bytes]] = []
        self.known: dict[int, Space] = {}

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        super().put(space, name, value, seconds)
        self.heap = [entry for entry in self.heap if entry[1:] != (id(space), name)]
        heapq.heapify(self.heap)
        row = space.slot(name).rows[name]
        if row.deadline is not None:
            self.known[id(space)] = space
            heapq.heappush(self.heap, (row.deadline, id(space), name))

    def find(self, space: Space, name: bytes) -> Row | None:
        self.flush()
        return super().find(space, name)

    def flush(self) -> None:
        while self.heap and self.heap[0][0] <= self.now():
            _, space, name = heapq.heappop(self.heap)
            self.store(self.known[space], name, None)

    def clean(self, prefix: str) -> None:
        super().clean(prefix)
        self.heap = []


@mutant("ttl.10", "off by one", trap="all names expire at once, and the last of them is written again", also="ttl.1 basic.1 ttl.11")
class LastOfAllStaysInTheHeap(Flushing):
    """When everything has expired the last entry stays in the list of deadlines (dparker2/py-expiring-dict#6)."""

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        stale = [entry for entry in self.heap if entry[1:] == (id(space), name) and entry[0] <= self.now()]
        super().put(space, name, value, seconds)
        for entry in stale:
            heapq.heappush(self.heap, entry)

    def flush(self) -> None:
        due = [entry for entry in self.heap if entry[0] <= self.now()]
        rest = [entry for entry in self.heap if entry[0] > self.now()]
        for _, space, name in due:
            self.store(self.known[space], name, None)
        self.heap = rest if rest else due[-1:]
        heapq.heapify(self.heap)


@mutant("ttl.10", "leftover", trap="a name with a deadline is deleted and created again before it", also="ttl.1")
class LeaseKeepsItsName(Flushing):
    """A name that is deleted stays attached to its lease, which removes whatever is there at its end (datenlord/etcd-client#52)."""

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        kept = [] if self.present(space, name) else [entry for entry in self.heap if entry[1:] == (id(space), name)]
        super().put(space, name, value, seconds)
        for entry in kept:
            heapq.heappush(self.heap, entry)

    def present(self, space: Space, name: bytes) -> bool:
        return Node.find(self, space, name) is not None


@mutant("ttl.3", "leftover", trap="a time to live is replaced by a longer one", also="ttl.7 ttl.1")
class EvictedByTheFirstTime(Node):
    """The eviction that the first put has planned is not planned anew (hazelcast/hazelcast#3920)."""

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        before = self.find(space, name)
        super().put(space, name, value, seconds)
        row = space.slot(name).rows[name]
        if before is not None and before.deadline is not None and row.deadline is not None:
            self.store(space, name, Row(value, row.revision, min(before.deadline, row.deadline), row.given))


@mutant("ttl.7", "clock", trap="expire some time after the write", also="ttl.1 ttl.6")
class CountsFromTheCreation(Node):
    """A new time to live counts from when the entry was created (hazelcast/hazelcast#18814)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.created: dict[tuple[int, bytes], int] = {}

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        super().put(space, name, value, seconds)
        self.created[id(space), name] = self.now()

    def expire(self, space: Space, name: bytes, seconds: float) -> bool:
        created = self.created.get((id(space), name), self.now())
        if not super().expire(space, name, seconds):
            return False
        row = space.slot(name).rows.get(name)
        if row is not None and row.deadline is not None:
            self.store(space, name, Row(row.value, row.revision, row.deadline - (self.now() - created), row.given))
        self.created[id(space), name] = created
        return True


@mutant(
    "ttl.10", "leftover", trap="a name that was found expired is written again at once, with the same value and time", also="ttl.1"
)
class ReaperComparesValues(Node):
    """What a read found expired is removed a little later, if value and time to live are still the same
    (infinispan/infinispan#6256)."""

    def get(self, space: Space, name: bytes) -> Row | None:
        row = space.slot(name).rows.get(name)
        if row is None or self.alive(row):
            return row
        self.store(space, name, None)

        def reap() -> None:
            current = space.slot(name).rows.get(name)
            if current is not None and (current.value, current.given) == (row.value, row.given):
                self.store(space, name, None)

        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(reap))))
        return None


class Locking(Node):
    """What an open transaction has read is locked."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.locked: list[bytes] = []

    def find(self, space: Space, name: bytes) -> Row | None:
        row = space.slot(name).rows.get(name)
        return row if row is not None and (name in self.locked or self.alive(row)) else None


@mutant("ttl.2", "expiry", trap="a name expires while a transaction that read it is open", also="transactional.5", node=Locking)
class LockedDoesNotExpire(Open):
    """What is locked does not expire (hazelcast/hazelcast#13272)."""

    async def look(self, name: bytes) -> bytes | None:
        value = await super().look(name)
        assert isinstance(self.driver.node, Locking)
        if name not in self.writes and not self.ended:
            self.driver.node.locked.append(name)
        return value

    @property
    def ended(self) -> bool:
        return self._ended

    @ended.setter
    def ended(self, ended: bool) -> None:
        self._ended = ended
        if ended:
            assert isinstance(self.driver.node, Locking)
            for name in self.reads:
                while name in self.driver.node.locked:
                    self.driver.node.locked.remove(name)


@mutant("ttl.2", "size", trap="a large value that has expired is read", also="basic.5")
class SpilledValuesAreReadUnchecked(Node):
    """What is kept on disk is read without a look at its deadline (dragonflydb/dragonfly#6874)."""

    def get(self, space: Space, name: bytes) -> Row | None:
        row = space.slot(name).rows.get(name)
        return row if row is not None and (len(row.value) >= 4096 or self.alive(row)) else None


@mutant("ttl.7", "clock", trap="expire some time after the last set", also="ttl.1 ttl.6")
class ClockOfTheLastSet(Node):
    """The clock is read by some commands and remembered for the others (dragonflydb/dragonfly#4894)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.read_at: int | None = None

    def set(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        self.read_at = self.now()
        super().set(space, name, value, seconds)

    def expire(self, space: Space, name: bytes, seconds: float) -> bool:
        late = 0 if self.read_at is None else self.now() - self.read_at
        return super().expire(space, name, seconds - late / 1e6 if seconds > late / 1e6 else seconds)


@mutant("ttl.10", "expired", trap="persist on what expired and was not looked at since", also="ttl.2")
class PersistLooksAtNoDeadline(Node):
    """Persist looks the name up without a look at its deadline (redis/redis#4048)."""

    def persist(self, space: Space, name: bytes) -> bool:
        row = space.slot(name).rows.get(name)
        if row is None or row.deadline is None:
            return False
        self.put(space, name, row.value)
        return True


@mutant("ttl.10", "expired", trap="expire on what expired and was not looked at since", also="ttl.2 ttl.7")
class ExpireLooksAtNoDeadline(Node):
    """Expire brings back what expired and was not removed yet (redis/redis#1026)."""

    def expire(self, space: Space, name: bytes, seconds: float) -> bool:
        row = space.slot(name).rows.get(name)
        if row is None:
            return False
        self.set(space, name, row.value, seconds)
        return True


@mutant("ttl.8", "answers", trap="persist on a name with a deadline")
class PersistRemoves(Node):
    """Persist takes the name away with its deadline (yinqiwen/ardb#276)."""

    def persist(self, space: Space, name: bytes) -> bool:
        row = self.find(space, name)
        if row is not None and row.deadline is not None:
            self.remove(space, name)
        return False


@mutant("ttl.2", "expired", trap="delete on what expired and was not looked at since", also="basic.4 batch.3")
class DeletesWhatExpired(Node):
    """A deletion counts what is stored, expired or not (redis/redis#1648)."""

    def remove(self, space: Space, name: bytes) -> bool:
        present = name in space.slot(name).rows
        self.store(space, name, None)
        return present


@mutant("ttl.2", "expired", trap="creation by compare-and-swap of what expired and was not looked at since", also="cas.2 cas.1")
class ExpiredIsNotAbsent(Node):
    """A creation sees the value that has expired (ben-manes/caffeine#26)."""

    def swap(self, space: Space, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        if expected is None and name in space.slot(name).rows:
            return False
        return super().swap(space, name, expected, new)


@mutant("ttl.2", "expired", trap="any read of what expired, after a listing swept it", also="basic.5 scan.1")
class SweptReadsEmpty(Node):
    """The marker that an expiry leaves is read as a write of nothing (nats-io/nats.py#966)."""

    def sweep(self, slot: Slot, space: Space, names: Sequence[bytes]) -> None:
        for name in names:
            row = slot.rows.get(name)
            if row is not None and not self.alive(row):
                self.put(space, name, b"")


@mutant("ttl.2", "expired", trap="a listing of what expired", also="scan.1 scan.5")
class ListsWhatExpired(Node):
    """Reads look at the deadline, listings leave it to a janitor (BlackbirdWorks/gopherstack#149)."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> tuple[list[tuple[bytes, bytes]], Cursor | None]:
        number, last = cursor
        names = [name for name in space.slots[number].names_after(last) if name.startswith(prefix)]
        found = [(name, space.slots[number].rows[name].value) for name in names]
        return found, ((number + 1, b"") if number + 1 < len(space.slots) else None)


@mutant("ttl.4", "leftover", trap="a swap on a name with a deadline", also="ttl.10")
class SwapKeepsTheDeadline(Node):
    """A replaced value keeps the deadline of the one before it (hazelcast/hazelcast#10817)."""

    def swap(self, space: Space, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        before = self.find(space, name)
        if not super().swap(space, name, expected, new):
            return False
        row = self.find(space, name)
        if before is not None and row is not None:
            self.store(space, name, Row(row.value, row.revision, before.deadline, before.given))
        return True


@mutant("ttl.7", "concurrency", trap="a write between the read and the write that an expire is made of", also="basic.10")
class TouchReadsAndWrites(Remote):
    """A touch reads the value and sets it with the new time (django/django#7610)."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        name, seconds = self.name(key, "expire"), self.seconds(ttl_s, "expire")
        row = await self.ask(lambda node, space: node.get(space, name))
        if row is None:
            return False
        await self.ask(lambda node, space: node.set(space, name, row.value, seconds))
        return True


@mutant("ttl.3", "leftover", trap="a batch or a transaction writes a name with a deadline", also="ttl.10")
class BatchKeepsTheDeadline(Node):
    """An update in a row changes the value, and leaves the columns of the creation as they are (infinispan/infinispan#17915)."""

    def commit(self, space: Space, reads: Mapping[bytes, int], writes: Writes) -> bool:
        before = {name: self.find(space, name) for name in writes}
        if not super().commit(space, reads, writes):
            return False
        for name, old in before.items():
            row = self.find(space, name)
            if old is not None and row is not None:
                self.store(space, name, Row(row.value, row.revision, old.deadline, old.given))
        return True
