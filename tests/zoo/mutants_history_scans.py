"""Mistakes of listings: bounds of prefixes, cursors that lose their place, pages that end too soon, counters that drift."""

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping

from prism_testkit.backend import Place

from .declare import Mutant
from .history_client import Remote
from .history_declare import declaring_history
from .history_server import PAGE, SLOTS, Cursor, Node, Row, Space, Writes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

Found = tuple[list[tuple[bytes, bytes]], Cursor | None]


class Bounded(Node):
    """Lists what lies between a prefix and a bound that is made of it."""

    def bound(self, prefix: str) -> str | None:
        raise NotImplementedError

    def within(self, name: bytes, prefix: bytes) -> bool:
        end = self.bound(prefix.decode()) if prefix else None
        return name >= prefix and (end is None or name.decode() < end)

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        number, last = cursor
        names = [name for name in space.slots[number].names_after(last) if self.within(name, prefix)][:PAGE]
        rows = space.slots[number].rows
        found = [(name, rows[name].value) for name in names if self.alive(rows[name])]
        if len(names) == PAGE:
            return found, (number, names[-1])
        return found, ((number + 1, b"") if number + 1 < SLOTS else None)

    def count(self, space: Space, prefix: bytes) -> int:
        return sum(self.within(name, prefix) and self.alive(row) for slot in space.slots for name, row in slot.rows.items())


@mutant("scan.1", "bounds", trap="a name that goes on with a character beyond U+00FF after the prefix", also="scan.2")
class BoundIsAByteOfAllOnes(Bounded):
    """The bound is the prefix and U+00FF, which is not the last character there is (ok/mirall#238)."""

    def bound(self, prefix: str) -> str:
        return prefix + "\xff"


@mutant("scan.1", "bounds", trap="a prefix that ends with the last character there is", also="scan.2")
class BoundKeepsWhatItPassedOver(Bounded):
    """The last character that can be increased is, and those after it are kept: the bound lies beyond the next prefix
    (scrypster/muninndb#816)."""

    def bound(self, prefix: str) -> str | None:
        for at in range(len(prefix) - 1, -1, -1):
            if prefix[at] < "\U0010ffff":
                return prefix[:at] + chr(ord(prefix[at]) + 1) + prefix[at + 1 :]
        return None


@mutant("scan.2", "names", trap="a prefix that ends with a slash")
class SlashOfAPrefixIsTrimmed(Remote):
    """A prefix is trimmed of slashes, so that of ``node1/`` finds ``node10/`` (hashicorp/envconsul#5)."""

    def prefix(self, prefix: str, operation: str) -> bytes:
        return super().prefix(prefix, operation).strip(b"/")


@mutant("scan.3", "cursor", trap="the last name of a page is deleted before the next page is asked for")
class SkipsAfterTheDeletedOne(Node):
    """A cursor whose name is deleted stands on the next one, and then goes on by one (jnwatson/py-lmdb#44)."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        number, last = cursor
        slot = space.slots[number]
        if last and last not in slot.rows:
            last = next(slot.names_after(last), last)
        return super().page(space, prefix, (number, last))


class Moving(Node):
    """Rows lie in the order in which they were put; one that grows is moved to the end."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.places: dict[tuple[int, bytes], int] = {}
        self.next = 0

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        old = space.slot(name).rows.get(name)
        super().store(space, name, row)
        if row is not None and (old is None or len(row.value) > len(old.value)):
            self.next += 1
            self.places[id(space), name] = self.next

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        number, last = cursor
        rows = space.slots[number].rows
        after = int(last or b"0")
        order = sorted((self.places[id(space), name], name) for name in rows)
        names = [(at, name) for at, name in order if at > after][:PAGE]
        found = [(name, rows[name].value) for _, name in names if name.startswith(prefix) and self.alive(rows[name])]
        if len(names) == PAGE:
            return found, (number, b"%d" % names[-1][0])
        return found, ((number + 1, b"") if number + 1 < SLOTS else None)


@mutant("scan.3", "cursor", trap="a name that was given is written with a longer value before the scan ends")
class GrownRowsComeAgain(Moving):
    """A row that grows is moved ahead of the scan, and met again (vertexproject/synapse#4207)."""


@mutant("scan.3", "cursor", trap="all names of the slot that a scan is in are deleted")
class CursorGoesToTheNextSlot(Node):
    """A slot that has become empty is skipped, with the cursor that belongs to it (valkey-io/valkey#3588)."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        number, last = cursor
        if not space.slots[number].rows:
            return [], ((number + 1, last) if number + 1 < SLOTS else None)
        return super().page(space, prefix, cursor)


class Buckets(Node):
    """One table of a power of two of buckets, by the leading bits of a hash; it grows and shrinks with what is in it."""

    def bits(self, space: Space) -> int:
        return max(1, (sum(len(slot.rows) for slot in space.slots) // 4).bit_length())

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        bits = self.bits(space)
        was, bucket = (bits, 0) if not cursor[1] else (cursor[0], int(cursor[1]))
        bucket = self.translate(bucket, was, bits)
        rows = {name: row for slot in space.slots for name, row in slot.rows.items()}
        found = []
        for name, row in rows.items():
            if zlib.crc32(name) >> (32 - bits) == bucket and name.startswith(prefix) and self.alive(row):
                found.append((name, row.value))
        return found, (bits, b"%d" % (bucket + 1)) if bucket + 1 < 2**bits else None

    def translate(self, bucket: int, was: int, bits: int) -> int:
        if bits >= was:
            return bucket << (bits - was)
        return bucket >> (was - bits)


@mutant("scan.3", "cursor", trap="most names are deleted while a scan is under way")
class SkipsWhileTheTableShrinks(Buckets):
    """A table that shrinks during a scan goes on behind the bucket that the rest of it was moved to (valkey-io/valkey#1146)."""

    def translate(self, bucket: int, was: int, bits: int) -> int:
        if bits >= was:
            return bucket << (bits - was)
        return min(-(-bucket >> (was - bits)), 2**bits - 1)


@mutant("scan.1", "prefixes", trap="a prefix of one or two bytes, and more names than fit into a leaf", also="scan.2 scan.5")
class ShortPrefixesAreNotInTheFilter(Node):
    """A filter knows the first three bytes of names, and is asked for shorter prefixes too (facebook/rocksdb#11718)."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        slot = space.slots[cursor[0]]
        if prefix and len(slot.leaves) > 1 and not any(name[:3] == prefix[:3] for name in slot.rows):
            return [], ((cursor[0] + 1, b"") if cursor[0] + 1 < SLOTS else None)
        return super().page(space, prefix, cursor)


@mutant("scan.1", "prefixes", trap="a leaf whose first name is shorter than the prefix", also="scan.2")
class LeavesArePickedByTheirFirstName(Node):
    """A table is skipped if its smallest name, cut to the prefix, is not that long (dgraph-io/badger#992)."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        found, after = super().page(space, prefix, cursor)
        skipped = {name for leaf in space.slots[cursor[0]].leaves if len(leaf.names[0]) < len(prefix) for name in leaf.names}
        return [(name, value) for name, value in found if name not in skipped], after


@mutant("scan.1", "iteration", trap="a whole leaf of neighbours was deleted", also="scan.5 scan.3")
class AnEmptyLeafIsTheEnd(Node):
    """A leaf that deletions have emptied ends the walk (boltdb/bolt#452)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.gaps: dict[int, list[bytes]] = {}

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        slot = space.slot(name)
        before = len(slot.leaves)
        super().store(space, name, row)
        if len(slot.leaves) < before:
            self.gaps.setdefault(id(slot), []).append(name)
        elif row is not None:
            self.gaps.pop(id(slot), None)

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        slot = space.slots[cursor[0]]
        found, after = super().page(space, prefix, cursor)
        gap = min((name for name in self.gaps.get(id(slot), []) if name > cursor[1]), default=None)
        if gap is None or (after is not None and after[0] == cursor[0] and after[1] < gap):
            return found, after
        return [row for row in found if row[0] < gap], ((cursor[0] + 1, b"") if cursor[0] + 1 < SLOTS else None)


@mutant("scan.4", "limits", trap="a limit, and names that do not match or have expired before the ones that do")
class LimitCountsWhatIsLookedAt(Remote):
    """The limit is of what is looked at, and what does not match is left out after it (SKF/go-eventsource#70)."""

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[bytes, bytes]]:
        looked = 0
        async for page in self.pages(b""):
            for name, value in page:
                if looked == limit:
                    return
                looked += 1
                if name.startswith(prefix):
                    yield name, value


@mutant("scan.1", "pages", trap="a page without a match, and matches after it", also="scan.5 scan.2")
class FilteredPageIsTheEnd(Remote):
    """A page from which the filter left nothing is taken for the last one (aws/aws-sdk-java#771)."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        some = False
        async for page in super().pages(prefix):
            if some and not page:
                return
            some = some or bool(page)
            yield page


@mutant("scan.1", "size", trap="values of more than a megabyte in all", also="scan.5")
class EndsAfterAMegabyte(Remote):
    """A listing is cut at a megabyte, and nobody asks for the rest (dynamoose/dynamoose#474)."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        size = 0
        async for page in super().pages(prefix):
            yield page
            size += sum(len(value) for _, value in page)
            if size > 2**20:
                return


def hashed(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


@mutant("scan.1", "cursor", trap="more names than a page holds", also="scan.3 scan.5")
class CursorIsADouble(Node):
    """A cursor of 64 bits is read as a double, and what comes back is another one (redis/node-redis#2561)."""

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> Found:
        number, last = cursor
        rows = space.slots[number].rows
        after = int(float(int(last))) if last else -1
        names = [name for name in sorted(rows, key=hashed) if hashed(name) > after][:PAGE]
        found = [(name, rows[name].value) for name in names if name.startswith(prefix) and self.alive(rows[name])]
        if len(names) == PAGE:
            return found, (number, b"%d" % hashed(names[-1]))
        return found, ((number + 1, b"") if number + 1 < SLOTS else None)


@mutant("scan.1", "edge", trap="a namespace with exactly one name", also="scan.5 scan.2 scan.3")
class OneNameIsNone(Remote):
    """Listings give nothing if there is one element (localForage/localForage#312)."""

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        if await self.count() != 1:
            async for page in super().pages(prefix):
                yield page


class Burying(Node):
    """Keeps the names of what was deleted."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.graves: dict[int, set[bytes]] = {}

    def remove(self, space: Space, name: bytes) -> bool:
        present = super().remove(space, name)
        if present:
            self.graves.setdefault(id(space), set()).add(name)
        return present

    def buried(self, space: Space) -> Iterator[bytes]:
        yield from (name for name in self.graves.get(id(space), ()) if self.find(space, name) is None)


@mutant("scan.5", "listing", trap="scan_keys with a prefix, after a deletion", also="scan.1 scan.3", node=Burying)
class FilteredKeysHoldDeletedOnes(Remote):
    """Names listed by a filter are not looked at for being deleted (nats-io/nats.go#1802)."""

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        given = 0
        async for key in super().scan_keys(prefix, limit):
            yield key
            given += 1
        node = self.node
        assert isinstance(node, Burying)
        for name in list(node.buried(node.space(self.namespace))) if prefix else []:
            if name.startswith(prefix.encode()) and (limit is None or given < limit):
                given += 1
                yield self.key(name)


@mutant("scan.5", "counters", trap="a present name is written by a batch, a swap or a transaction, then count()", also="scan.1")
class CounterDrifts(Node):
    """A counter of names goes up with each write of one kind, whether the name is new or not (paritytech/polkadot-sdk#13031)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.drift: dict[int, int] = {}

    def commit(self, space: Space, reads: Mapping[bytes, int], writes: Writes) -> bool:
        present = sum(value is not None and self.find(space, name) is not None for name, value in writes.items())
        done = super().commit(space, reads, writes)
        if done:
            self.drift[id(space)] = self.drift.get(id(space), 0) + present
        return done

    def count(self, space: Space, prefix: bytes) -> int:
        return super().count(space, prefix) + (0 if prefix else self.drift.get(id(space), 0))


@mutant("scan.3", "races", trap="a name is deleted or expires between its listing and the read of its value", also="scan.1 ttl.2")
class ValuesAreReadLater(Remote):
    """A listing reads each value by its name, and what is gone by then is an error (streamlit/streamlit#16014)."""

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        keys = [key async for key in self.scan_keys(prefix, limit)]
        for key in keys:
            value = await self.get(key)
            if value is None:
                raise KeyError(key)
            yield key, value
            await asyncio.sleep(0)
