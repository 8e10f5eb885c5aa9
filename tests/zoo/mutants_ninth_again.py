"""Wrong drivers of the same sorts again: what a store forgets as it grows, what a cancelled call keeps or gives away."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from prism_testkit.interfaces import Bytes

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cells import Shards
from .independent_shards import ShardKeyValue, ShardTransaction
from .independent_tree import Levels, Record

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("basic.1", "merge", trap="an empty value, and merges behind it", also="basic.2 scan.1 batch.1 cas.1 transactional.1")
class MergesDropEmptyValues(Levels):
    """A merge keeps what has a value."""

    def kept(self, records: Iterable[Record]) -> Iterator[Record]:
        return (record for record in super().kept(records) if record.value)


@mutant(
    "scan.1", "order", trap="seventeen keys of one shard, written in no order, and a scan of a prefix", also="scan.5 scan.3 scan.4"
)
class LargeShardsAreNotSorted(Shards):
    """From sixteen keys on a new one is put at the end of its shard's order, where a binary search may miss it."""

    def put(self, key: str, data: bytes, due_us: int | None = None, given_s: float = 0.0) -> None:
        shard = self.of(key)
        new = key not in shard.cells
        super().put(key, data, due_us, given_s)
        if new and key in shard.order and len(shard.order) > 16:
            shard.order.remove(key)
            shard.order.append(key)

    def remove(self, key: str) -> bool:
        shard = self.of(key)
        if key in shard.order:
            shard.order.sort()
        return super().remove(key)


@mutant("basic.11", "cancellation", trap="a batch waits for its second shard and is cancelled", also="batch.6")
class CancelledBatchesKeepAShard(ShardKeyValue):
    """A batch holds all of its shards at once, and gives them back when it is done."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = {self.key(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        gates = [self.shards.shards[index].gate for index in sorted({self.shards.index(key) for key in pairs})]
        for gate in gates:
            await gate.__aenter__()
        for key, data in pairs.items():
            self.shards.put(key, data)
        for gate in gates:
            gate.pass_on()


@mutant(
    "basic.11", "cancellation", trap="a commit is cancelled while it waits for another's shard", also="transactional.1 basic.10"
)
class CancelledCommitsWaitOn(ShardTransaction):
    """A commit that is cancelled goes on in the background, and its keys are read as if it had not."""

    async def commit(self) -> None:
        task = asyncio.ensure_future(super().commit())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            for key in self.changes:
                self.changes[key] = None
                break
            raise
