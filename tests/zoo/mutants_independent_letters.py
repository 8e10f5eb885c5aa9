"""Wrong drivers over an actor: deadlines, transactions, batches and swaps whose steps come apart."""

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from prism_testkit.interfaces import Bytes

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_actor import Actor, ActorKeyValue, ActorTransaction, Row, Space

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)

T = TypeVar("T")


@mutant("ttl.1", "integer", trap="a time to live of 25 days or more, looked at after 24.9")
class MillisecondsOf31Bits(ActorKeyValue):
    """A timer holds 2**31 - 1 milliseconds, and longer times are cut to that."""

    def timed(self, value: bytes, ttl_s: float) -> Row:
        return super().timed(value, min(ttl_s, 2_147_483.647))

    def left(self, row: Row) -> float | None:
        return super().left(row)


@mutant("ttl.7", "race", trap="a set between the two steps of an expire", also="basic.10 basic.8")
class ExpireWritesBack(ActorKeyValue):
    """`expire` reads the value and writes it again with the deadline, in two letters."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        value = await self.get(key)
        if value is None or ttl_s <= 0:
            return await super().expire(key, ttl_s)
        await self.set_with_ttl(key, value, ttl_s)
        return True


@mutant("ttl.8", "race", trap="a set or a delete between the two steps of a persist", also="basic.10 ttl.10")
class PersistWritesBack(ActorKeyValue):
    """`persist` reads the row, and puts it back without a deadline."""

    async def persist(self, key: str) -> bool:
        self.check(key, "persist")
        row = await self.ask(lambda space: space.rows.get(key))
        if row is None or row.due is None:
            return False
        await self.set(key, row.value)
        return True


@mutant("ttl.10", "stale timer", trap="set_with_ttl, then expire to later, and time passes the first deadline", also="ttl.7 ttl.1")
class TimersGoByKey(Actor):
    """A deadline that comes due removes its key if that has one, be it another."""

    def expire(self, space: Space) -> None:
        for due, _, key, _ in list(space.heap):
            if due <= self.now():
                if key in space.rows and space.rows[key].due is not None:
                    self.drop(space, key)
                space.heap = [entry for entry in space.heap if entry[2] != key or entry[0] > self.now()]


@mutant("transactional.1", "atomicity", trap="a transaction of more than 16 writes, and a reader", also="transactional.5")
class CommitsSixteenAtATime(ActorKeyValue):
    """A commit is carried out by portions of sixteen keys."""

    async def ask(self, letter: Callable[[Space], T]) -> T:
        transaction = getattr(letter, "__self__", None)
        if isinstance(transaction, ActorTransaction) and len(transaction.wanted) > 16:
            if not await super().ask(transaction.same):
                return False  # type: ignore[return-value]
            keys = list(transaction.wanted)
            whole = dict(transaction.wanted)
            for at in range(0, len(keys), 16):
                transaction.wanted = {key: whole[key] for key in keys[at : at + 16]}
                await super().ask(transaction.carry_out)
            return True  # type: ignore[return-value]
        return await super().ask(letter)


@mutant("transactional.5", "isolation", trap="a write between the check of a commit and its writes")
class ChecksThenCarriesOut(ActorKeyValue):
    """The commit checks in one letter and writes in the next."""

    async def ask(self, letter: Callable[[Space], T]) -> T:
        transaction = getattr(letter, "__self__", None)
        if isinstance(transaction, ActorTransaction) and await super().ask(transaction.same):
            await super().ask(transaction.carry_out)
            return True  # type: ignore[return-value]
        return await super().ask(letter)


@mutant("transactional.5", "isolation", trap="two reads of a key that do not agree")
class RemembersTheLastRead(ActorTransaction):
    """Of two reads of one key the second is compared."""

    async def meet(self, key: str) -> bytes | None:
        if key not in self.wanted:
            self.met.pop(key, None)
        return await super().meet(key)


@mutant(
    "transactional.7",
    "state on the driver",
    trap="two transactions of one driver side by side, one written by both",
    also="transactional.4 transactional.2 transactional.3 transactional.1",
)
class OneBufferADriver(ActorTransaction):
    """Transactions of one driver that are open at once write into one buffer."""

    def __init__(self, driver: ActorKeyValue) -> None:
        super().__init__(driver)
        shared = driver.__dict__.setdefault("open_transactions", [])
        if shared and not shared[-1].left:
            self.wanted = shared[-1].wanted
        shared.append(self)


@mutant("batch.3", "counting", trap="a key named twice, more than sixteen apart")
class CountsBeforeItRemoves(ActorKeyValue):
    """How many are present is asked first, without a look at repeats."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        present = 0
        for some in self.portions(keys):
            present += await self.ask(lambda space, some=some: len({k for k in some if k in space.rows}))  # type: ignore[misc]
        await super().batch_delete(keys)
        return present


@mutant("batch.5", "check after effect", trap="a refused value behind the sixteenth item")
class ChecksByPortion(ActorKeyValue):
    """Items are checked as their portion is written."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        for some in self.portions(list(items.items())):
            await super().batch_set(dict(some))


@mutant("batch.5", "check after effect", trap="a name that is refused behind the sixteenth of a batch_delete")
class DeletesByPortion(ActorKeyValue):
    """Names are checked as their portion is removed."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        return sum([await super(DeletesByPortion, self).batch_delete(some) for some in self.portions(list(dict.fromkeys(keys)))])


@mutant("batch.6", "cancellation", trap="a batch is cancelled, then another on this driver")
class OneBatchAtATime(ActorKeyValue):
    """A batch holds a lock of the driver, which a cancelled one does not let go."""

    def __init__(self, actor: Actor, namespace: str) -> None:
        super().__init__(actor, namespace)
        self.lock = asyncio.Lock()

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        await self.lock.acquire()
        try:
            await super().batch_set(items)
        except Exception:
            self.lock.release()
            raise
        self.lock.release()


@mutant("cas.6", "race", trap="swaps from one value by two clients at once", also="basic.10")
class ComparesWithItsCache(ActorKeyValue):
    """A swap compares with the cache, if the key is in there, and then writes."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        cached = self.cached(key)
        if cached is not None and expected is not None and cached.value == bytes(expected):
            await self.set(key, new)
            return True
        return await super().compare_and_swap(key, expected, new)


@mutant("cas.5", "comparison", trap="values whose checksums are alike")
class ComparesChecksums(ActorKeyValue):
    """Values over 16 bytes are compared by CRC-32 and length."""

    def swap(self, space: Space, key: str, expected: bytes | None, new: Row | None) -> bool:
        row = space.rows.get(key)
        if row is not None and expected is not None and len(expected) == len(row.value) > 16:
            expected = row.value if zlib.crc32(expected) == zlib.crc32(row.value) else None
            if expected is None:
                return False
        return super().swap(space, key, expected, new)


@mutant("cas.5", "comparison", trap="values that differ in the middle only, and are long")
class ComparesBothEnds(ActorKeyValue):
    """Of values over 8 KiB the first and the last 4 KiB and the length are compared."""

    def swap(self, space: Space, key: str, expected: bytes | None, new: Row | None) -> bool:
        row = space.rows.get(key)
        if row is not None and expected is not None and len(expected) == len(row.value) > 8192:
            ends = row.value[:4096], row.value[-4096:]
            expected = row.value if (expected[:4096], expected[-4096:]) == ends else expected
        return super().swap(space, key, expected, new)
