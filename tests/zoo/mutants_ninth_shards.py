"""Wrong drivers over shards: values that are counted wrong, gates that are left too early or never, pages that end too soon."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping, Sequence

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes
from prism_testkit.naming import check_limit, check_prefix

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cells import Blobs, Cell, Gate, Shard, Shards
from .independent_shards import ShardKeyValue, ShardTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("basic.1", "counting", trap="two keys of one value: one is written again, the other deleted", also="basic.4 basic.3 scan.1")
class RewritingASharedValueForgetsAUse(Shards):
    """A write of the value that is there takes no use, and drops one, if others use it too."""

    def put(self, key: str, data: bytes, due_us: int | None = None, given_s: float = 0.0) -> None:
        old, digest = self.of(key).cells.get(key), self.blobs.digest(data)
        if old is not None and old.digest == digest and self.blobs.uses[digest] > 1:
            self.stamps += 1
            self.of(key).cells[key] = Cell(digest, self.stamps, due_us, given_s)
            self.blobs.drop(digest)
        else:
            super().put(key, data, due_us, given_s)


class _Common(Blobs):
    def __init__(self, data: dict[bytes, bytes]) -> None:
        super().__init__()
        self.data = data


@mutant("basic.9", "siblings", trap="one value in two namespaces, deleted in one")
class ValuesAreOfAllNamespaces(ShardKeyValue):
    """Values are kept once for all namespaces, and counted in each."""

    def __init__(self, place: Place, namespace: str) -> None:
        known = namespace in place.shared.get("shards", {})
        super().__init__(place, namespace)
        if not known:
            self.shards.blobs = _Common(place.shared.setdefault("values", {}))


@mutant("basic.7", "aliasing", trap="a large bytearray, swapped in, then changed", also="cas.1")
class LargeSwapsAreNotCopied(ShardKeyValue):
    """What `compare_and_swap` stores is not copied from 4096 bytes on."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        done = await super().compare_and_swap(key, expected, new)
        if done and isinstance(new, bytearray) and len(new) >= 4096:
            cell = self.shards.look(key)
            if cell is not None:
                self.shards.blobs.data[cell.digest] = memoryview(new)  # type: ignore[assignment]
        return done

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value is None else bytes(value)


@mutant("scan.1", "pages", trap="more expired keys beside each other than a page holds, and a key behind them", also="scan.5 ttl.2")
class APageOfExpiredEndsAShard(ShardKeyValue):
    """A page that gives nothing is taken for the last one."""

    def listed(self, shard: Shard, prefix: str, last: str | None, number: int) -> list[str]:
        keys = super().listed(shard, prefix, last, number)
        return keys if any(self.shards.look(key) is not None for key in keys) else []


@mutant("scan.4", "pages", trap="expired keys before live ones, and a limit", also="ttl.2")
class ExpiredKeysCountTowardsTheLimit(ShardKeyValue):
    """A limit is spent on what is in the pages."""

    async def pages(self, prefix: str, limit: int | None, operation: str) -> AsyncIterator[tuple[str, bytes]]:
        check_prefix(prefix, operation, "shards", self.limits)
        if check_limit(limit, operation, "shards") is None:
            async for pair in super().pages(prefix, limit, operation):
                yield pair
            return
        spent = 0
        for shard in self.shards.shards:
            for key in self.listed(shard, prefix, None, len(shard.order)):
                spent += 1
                value = self.shards.value(key)
                if limit is not None and spent <= limit and value is not None:
                    yield key, value


@mutant(
    "ttl.10",
    "late removal",
    trap="a key expires, is written again, and many writes follow",
    also="basic.1 ttl.1 ttl.7 scan.4 scan.5",
)
class SweepsWhatItFoundBefore(Shards):
    """A sweep removes what the sweep before it found, and notes what the next one shall remove."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.found: dict[int, list[str]] = {}

    def sweep(self, shard: Shard) -> None:
        for key in self.found.get(id(shard), ()):
            self.remove(key)
        self.found[id(shard)] = [key for key, cell in shard.cells.items() if self.fresh(cell) is None]


@mutant("ttl.11", "siblings", trap="two keys of one value, one with a deadline", also="ttl.1 ttl.3")
class DeadlinesAreOfTheValue(Shards):
    """A deadline is kept beside the value, unless the value has others already."""

    def put(self, key: str, data: bytes, due_us: int | None = None, given_s: float = 0.0) -> None:
        super().put(key, data, due_us, given_s)
        if due_us is not None:
            digest = self.blobs.digest(data)
            for shard in self.shards:
                for cell in shard.cells.values():
                    if cell.digest == digest and cell.due_us is not None:
                        cell.due_us, cell.given_s = due_us, given_s


@mutant("cas.3", "put back", trap="a compare-and-delete that fails, of a key with a deadline", also="ttl.4 ttl.1 ttl.2")
class ComparesWhatItTookOut(ShardKeyValue):
    """`compare_and_delete` takes the value out, and sets it again if it is another."""

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        async with self.shards.holding([name]):
            await self.hop()
            value = self.shards.value(name)
            if value is None:
                return False
            self.shards.remove(name)
            if value != wanted:
                self.shards.put(name, value)
            return value == wanted


@mutant("transactional.1", "early release", trap="a look at two keys of two shards during a commit", also="transactional.5 basic.8")
class ShardsAreReleasedEarly(ShardTransaction):
    """Each shard is changed under its own gate, after all that was read was compared."""

    async def commit(self) -> None:
        changes = self.changes
        self.changes = {}
        await super().commit()
        for key, data in changes.items():
            async with self.shards.holding([key]):
                self.changes = {key: data}
                self.apply()
                await self.driver.hop()


@mutant("batch.6", "two steps", trap="a batch is cancelled halfway, then a scan", also="batch.1 scan.1 basic.11 scan.5")
class TheIndexFollows(ShardKeyValue):
    """New keys of a batch are put into the order of their shard a moment later."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        names = [self.key(key, "batch_set") for key in items]
        new = [key for key in names if self.shards.look(key) is None]
        await super().batch_set(items)
        late = [key for key in new if key in self.shards.of(key).order]
        for key in late:
            self.shards.of(key).order.remove(key)
        await self.hop()
        for key in late:
            order = self.shards.of(key).order
            order.insert(bisect_left(order, key), key)


@mutant("basic.10", "torn read", trap="a value of more than 4096 bytes is replaced while it is read", also="basic.1")
class LargeValuesAreReadInParts(ShardKeyValue):
    """A value is read 4096 bytes at a time, and the gate is held for each."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is None or len(value) <= 4096:
            return value
        parts = [value[:4096]]
        for start in range(4096, len(value), 4096):
            await self.hop()
            parts.append((self.shards.value(key) or b"")[start : start + 4096])
        return b"".join(parts)


@mutant(
    "basic.11",
    "cancellation",
    trap="a commit over two shards is cancelled between them",
    also="transactional.1 transactional.2 batch.6",
)
class CancelledCommitsKeepAShard(ShardTransaction):
    """Gates are taken one after another, and given back when all are there."""

    async def commit(self) -> None:
        indices = sorted({self.shards.index(key) for key in self.touched()})
        for index in indices:
            await self.shards.shards[index].gate.__aenter__()
        try:
            if any(self.stamp(key) != stamp for key, stamp in self.stamps.items()):
                from prism_testkit.interfaces import Conflict

                raise Conflict("shards: transaction: what was read has changed")
            self.apply()
            await self.driver.hop()
        finally:
            for index in indices:
                self.shards.shards[index].gate.pass_on()


@mutant("ttl.2", "cache", trap="a key with a deadline is read by a client before and after it", also="ttl.5")
class CachesByStamp(ShardKeyValue):
    """A value that was read is read again only if its stamp is another."""

    def __init__(self, place: Place, namespace: str) -> None:
        super().__init__(place, namespace)
        self.cache: dict[str, tuple[int, bytes]] = {}

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        await self.hop()
        cell = self.shards.of(name).cells.get(name)
        if cell is not None and self.cache.get(name, (0, b""))[0] == cell.stamp:
            return self.cache[name][1]
        value, cell = self.shards.value(name), self.shards.look(name)
        if value is not None and cell is not None:
            self.cache[name] = cell.stamp, value
        return value


@mutant("batch.3", "duplicates", trap="a key named twice in a batch delete, with another between")
class NeighboursAreCountedOnce(ShardKeyValue):
    """Only a key that comes twice in a row is taken for one."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.key(key, "batch_delete") for key in keys]
        names = [key for at, key in enumerate(names) if at == 0 or names[at - 1] != key]
        number = sum(self.shards.look(key) is not None for key in names)
        await super().batch_delete(keys)
        return number


@mutant("ttl.9", "late check", trap="set_with_ttl with NaN of a key that is there")
class NanExpiresFirst(ShardKeyValue):
    """What is not above 0 expires at once, and is looked at afterwards."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        if not ttl_s > 0:
            there = await self.delete(key)
            self.data(b"", "expire", key)
            if ttl_s != ttl_s or ttl_s == float("-inf"):
                raise ValueError("shards: expire: not a finite number of seconds")
            return there
        return await super().expire(key, ttl_s)


class _KeepsTurns(Gate):
    async def __aenter__(self) -> None:
        if not self.held and not self.waiting:
            self.held = True
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self.waiting:
                self.waiting.remove(turn)
            raise


@mutant("basic.11", "cancellation", trap="a call that waits for a shard is cancelled at the moment it gets it", also="basic.10")
class TurnsAreLostWithTheirWaiter(Shards):
    """Who is cancelled when the gate was given to him already keeps it."""

    gate_type = _KeepsTurns


class _LooksForWhoWasPassedOver(Gate):
    async def __aenter__(self) -> None:
        if not self.held and not self.waiting:
            self.held = True
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_on()
            else:
                self.waiting.remove(turn)
            raise


@mutant(
    "basic.11", "cancellation", trap="a waiting call is cancelled as the gate is passed on", also="batch.6 transactional.1 basic.10"
)
class CancelledWaitersAreNotInLine(Shards):
    """Who is cancelled looks for himself among those who wait, where he is no more if he was passed over meanwhile."""

    gate_type = _LooksForWhoWasPassedOver
