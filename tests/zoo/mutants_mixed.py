"""Mutants that keep in the driver what belongs to a call, where it meets a call of another kind."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, step
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Shares(KeyValue):
    """One field for all calls of the client."""

    key = ""
    value_ = b""
    seconds_: float = 0.0
    prefix_ = ""
    answer: object = None


@mutant("basic.1", "shared key", trap="a get and a set of another key at once", also="basic.10")
class AGetAndASetShareTheirKey(_Shares):
    async def get(self, key: str) -> bytes | None:
        self.key = self.name(key, "get")
        await step()
        entry = self.find(self.key)
        return None if entry is None else self.value(entry)

    async def set(self, key: str, value: Bytes) -> None:
        self.key = self.name(key, "set")
        data = self.data(value, "set", key)
        await step()
        self.apply({key: self.entry(data)})


@mutant("basic.4", "shared answer", trap="a delete and an exists at once", also="basic.5 basic.10")
class ADeleteAndAnExistsShareTheirAnswer(_Shares):
    async def delete(self, key: str) -> bool:
        self.answer = await super().delete(key)
        await step()
        return bool(self.answer)

    async def exists(self, key: str) -> bool:
        self.answer = await super().exists(key)
        await step()
        return bool(self.answer)


@mutant("cas.1", "shared value", trap="a swap and a set at once", also="basic.1 basic.10 cas.6")
class ASwapAndASetShareTheirValue(_Shares):
    async def set(self, key: str, value: Bytes) -> None:
        name, self.value_ = self.name(key, "set"), self.data(value, "set", key)
        await step()
        self.apply({name: self.entry(self.value_)})

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, self.value_ = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        await step()
        return self.swap(name, None if expected is None else bytes(expected), self.entry(self.value_))


@mutant("ttl.7", "shared seconds", trap="an expire and a set_with_ttl at once", also="ttl.3 ttl.11 ttl.6")
class AnExpireAndASetShareTheirSeconds(_Shares):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        self.seconds_ = self.seconds(ttl_s, "set_with_ttl")
        await step()
        await super().set_with_ttl(key, value, self.seconds_)

    async def expire(self, key: str, ttl_s: float) -> bool:
        self.seconds_ = self.seconds(ttl_s, "expire")
        await step()
        return await super().expire(key, self.seconds_)


@mutant("scan.5", "shared prefix", trap="a count and a scan of other keys at once", also="scan.1 scan.2 scan.3")
class ACountAndAScanShareTheirPrefix(_Shares):
    async def count(self, prefix: str = "") -> int:
        self.prefix_ = self.prefix(prefix, "count")
        await step()
        return len(self.matching(self.prefix_))

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        self.prefix_ = prefix
        async for found in super().walk(prefix, limit):
            yield found


@mutant("batch.2", "shared answer", trap="a get and a batch get at once", also="basic.1 basic.10")
class AGetAndABatchShareTheirAnswer(_Shares):
    found: dict[str, bytes]

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.found = await super().batch_get(keys)
        await step()
        return dict(self.found)

    async def get(self, key: str) -> bytes | None:
        entry = self.find(self.name(key, "get"))
        self.found = {} if entry is None else {key: self.value(entry)}
        await step()
        return self.found.get(key)


@mutant("batch.1", "shared items", trap="a batch set and a set at once", also="basic.1 basic.2 basic.10")
class ASetDuringABatchIsLost(_Shares):
    batching = False

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        self.batching = True
        before = dict(self.rows())
        await super().batch_set(items)
        await step()
        for key in self.changed - set(items):
            self.apply({key: before.get(key)})
        self.batching, self.changed = False, frozenset()

    changed: frozenset[str] = frozenset()

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        if self.batching:
            self.changed = self.changed | {key}


@mutant("ttl.8", "shared key", trap="a persist and a ttl at once", also="ttl.6 ttl.11 basic.10")
class APersistAndATtlShareTheirKey(_Shares):
    async def persist(self, key: str) -> bool:
        self.key = self.name(key, "persist")
        await step()
        return await super().persist(self.key)

    async def ttl(self, key: str) -> float | None:
        self.key = self.name(key, "ttl")
        return await super().ttl(key)


@mutant("transactional.1", "shared key", trap="a commit and a delete at once", also="basic.4 transactional.5")
class ADeleteDuringACommitIsOfItsKeys(_Shares):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.ended = True
        self.key = next(iter(transaction.writes), "")
        await step()
        await transaction.commit()

    async def delete(self, key: str) -> bool:
        self.key = self.name(key, "delete")
        await step()
        return self.drop(self.key)
