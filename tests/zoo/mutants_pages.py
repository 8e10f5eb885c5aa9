"""Mutants that are wrong from some item of a batch, a page or a sweep on: about its values and its time to live, not its keys."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("batch.2", "paging", trap="a batch of 101 keys, each with a value of its own")
class TheSecondPageOfABatchHasTheValuesOfTheFirst(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = list((await super().batch_get(keys)).items())
        return {key: found[number % 100][1] for number, (key, _) in enumerate(found)}


@mutant("batch.2", "paging", trap="a batch of 101 keys, one of them empty")
class EmptyValuesOfTheSecondPageAreMissing(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = list((await super().batch_get(keys)).items())
        return {key: value for number, (key, value) in enumerate(found) if value or number < 100}


@mutant("batch.2", "paging", trap="a batch of 101 keys, one of them missing")
class MissingOnesOfTheSecondPageAreEmpty(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(keys)
        return {key: found.get(key, b"") for number, key in enumerate(keys) if key in found or number >= 100}


@mutant("ttl.3", "batch", trap="a batch of two keys that had a time to live", also="batch.1")
class TheSecondOfABatchKeepsItsDeadline(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        deadlines = {self.name(key, "batch_set"): self.find(self.name(key, "batch_set")) for key in list(items)[1:]}
        await super().batch_set(items)
        for name, old in deadlines.items():
            found = self.find(name)
            if old is not None and old.deadline is not None and found is not None:
                self.apply({name: replace(found, deadline=old.deadline, given=old.given)})


@mutant("ttl.3", "paging", trap="a batch of 101 keys that had a time to live", also="batch.1")
class TheSecondPageOfABatchKeepsItsDeadlines(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        deadlines = {self.name(key, "batch_set"): self.find(self.name(key, "batch_set")) for key in list(items)[100:]}
        await super().batch_set(items)
        for name, old in deadlines.items():
            found = self.find(name)
            if old is not None and old.deadline is not None and found is not None:
                self.apply({name: replace(found, deadline=old.deadline, given=old.given)})


@mutant("batch.3", "paging", trap="a batch of 101 keys, one of them named twice, far apart")
class KeysNamedTwiceCountOnceAPage(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.name(key, "batch_delete") for key in keys]
        there = {name for name in names if self.find(name) is not None}
        for name in names:
            self.drop(name)
        return sum(len(there & set(names[at : at + 100])) for at in range(0, len(names), 100))


@mutant("batch.3", "paging", trap="a batch of 101 keys, the last of which is missing")
class TheSecondPageOfABatchIsCountedWhole(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        found = await super().batch_delete(keys[:100])
        await super().batch_delete(keys[100:])
        return found + len({*keys[100:]} - {*keys[:100]})


@mutant("scan.1", "paging", trap="101 keys, each with a value of its own")
class TheSecondPageOfAScanHasTheValuesOfTheFirst(KeyValue):
    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        page: list[bytes] = []
        async for key, value in super().scan(prefix, limit):
            if len(page) < 100:
                page.append(value)
                yield key, value
            else:
                page.append(page[len(page) - 100])
                yield key, page[-1]


@mutant("scan.1", "paging", trap="101 keys, one of the last of them empty", also="scan.5")
class EmptyValuesOfTheSecondPageAreNotScanned(KeyValue):
    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        number = 0
        async for key, value in super().scan(prefix, limit):
            number += 1
            if value or number <= 100:
                yield key, value


@mutant("ttl.2", "paging", trap="101 keys, the last of which is expired", also="scan.5")
class TheSecondPageOfAScanShowsWhatExpired(KeyValue):
    def matching(self, prefix: str) -> list[str]:
        keys = [key for key in list(self.rows()) if self.matches(key, prefix)]
        return [key for number, key in enumerate(keys) if number >= 100 or self.find(key) is not None]

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        for number, key in enumerate(self.matching(prefix)):
            if number != limit and (limit is None or number < limit):
                yield key, self.rows()[key]


@mutant("ttl.1", "sweep", trap="two keys that expire at one look, and a third that does not", also="ttl.11")
class TwoThatExpireTakeAThird(KeyValue):
    """A sweep of several removes one too many: what ends next."""

    def find(self, key: str) -> Entry | None:
        ending = sorted((entry.deadline, name) for name, entry in self.rows().items() if entry.deadline is not None)
        gone = [name for deadline, name in ending if deadline <= self.now()]
        if gone:
            more = [name for _, name in ending[: len(gone) + (len(gone) > 1)]]
            self.apply(dict.fromkeys(more))
        return super().find(key)


@mutant("ttl.2", "sweep", trap="eleven keys that expire at one look", also="scan.5 scan.1")
class ALookFindsTenThatExpired(KeyValue):
    """What a look does not find swept is there."""

    def alive(self, entry: Entry) -> bool:
        if super().alive(entry):
            return True
        ended = (other for other in self.rows().values() if not super(ALookFindsTenThatExpired, self).alive(other))
        return not any(other is entry for other in islice(ended, 10))


@mutant("ttl.3", "batch", trap="a transaction that sets two keys that had a time to live", also="transactional.1")
class TheSecondOfATransactionKeepsItsDeadline(Transaction):
    async def commit(self) -> None:
        old = {name: self.driver.find(name) for name in list(self.writes)[1:]}
        await super().commit()
        for name, entry in old.items():
            found = self.driver.find(name)
            if entry is not None and entry.deadline is not None and found is not None:
                self.driver.apply({name: replace(found, deadline=entry.deadline, given=entry.given)})
