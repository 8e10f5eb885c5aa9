"""Mutants in which a put and the deadline of what it replaces, or a sweeper, get into each other's way."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import replace

from prism_testkit.interfaces import Bytes
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Facts, Slot, Store, Version
from .sweeping import Sweeping

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 10: a new put


class _Before(Objects):
    def keep(self, slot: Slot, version: Version) -> None:
        old = self.rows(slot[0]).get(slot[1])
        super().keep(slot, version if old is None else self.after(old, version))

    def after(self, old: Version, new: Version) -> Version:
        return new


@mutant("10", "missing step", trap="a put over an object with a deadline", also="5")
class PutKeepsTheDeadline(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return replace(new, deadline_ms=old.deadline_ms)


@mutant("10", "missing step", trap="a put of the same data over an object with a deadline", also="5")
class SameDataKeepsTheDeadline(_Before):
    def after(self, old: Version, new: Version) -> Version:
        return replace(new, deadline_ms=old.deadline_ms) if old.blob.digest == new.blob.digest else new


@mutant("10", "missing step", trap="a put_stream over an object with a deadline")
class PutStreamKeepsTheDeadline(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        old = self.rows(slot[0]).get(slot[1])
        new = await super().receive(slot, chunks, size, facts)
        if old is not None and old.deadline_ms is not None:
            self.apply({slot: replace(new, deadline_ms=old.deadline_ms)})
        return new


class _DeadlineTable(Objects):
    """Deadlines are in a table of their own, which a put clears and a delete forgets."""

    def forget(self, slot: Slot, cause: str) -> bool:
        return True

    @property
    def table(self) -> dict[Slot, int]:
        table: dict[Slot, int] = self.store.notes.setdefault((self.namespace, "deadlines"), {})
        return table

    def find(self, slot: Slot) -> Version | None:
        version = super().find(slot)
        if version is None or slot not in self.table:
            return version
        timed = replace(version, deadline_ms=self.table[slot])
        return timed if self.alive(timed) else None

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        self.table[slot] = self.deadline_ms(max(0.0, seconds))

    def keep(self, slot: Slot, version: Version) -> None:
        if self.find(slot) is not None:
            self.table.pop(slot, None)
        super().keep(slot, version)

    def occupied(self, bucket: str) -> bool:
        return any(self.find((bucket, key)) for key in self.rows(bucket))


@mutant("10", "leftover", trap="a put after a delete, or an expiry, of an object with a deadline", also="1 9 11")
class DeadlinesOutliveTheirObject(_DeadlineTable):
    pass


@mutant("10", "timer", trap="an overwrite, and the instant of the old deadline", also="9")
class TimersAreNotCancelled(Objects):
    """Each set_ttl starts a timer that deletes the key."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.timers: list[asyncio.TimerHandle] = []

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, seconds)
        if 0 < seconds < 1e7:
            self.timers.append(asyncio.get_running_loop().call_later(seconds, self.fire, slot))

    def fire(self, slot: Slot) -> None:
        if slot[0] in self.buckets():
            self.apply({slot: None})

    async def close(self) -> None:
        for timer in self.timers:
            timer.cancel()


class _Sweeper(Sweeping):
    """Sweeps in two steps, between which others may put."""

    traits = Traits(durability="process", ttl_reclaim_s=10.0)

    def sparing(self, slot: Slot, version: Version) -> bool:
        return False

    async def sweep(self) -> None:
        found = self.expired()
        for slot, version in found:
            await self.rest()
            if slot[0] in self.buckets() and not self.sparing(slot, version):
                self.apply({slot: None})

    async def rest(self) -> None:
        await step()


@mutant("10", "race", trap="a put of an expired key while the sweeper sweeps")
class SweeperRemovesTheFresh(_Sweeper):
    async def rest(self) -> None:
        await self.store.clock.sleep(0.5)


@mutant("10", "race", trap="a put of an expired key, with the same data, while the sweeper sweeps")
class SweeperComparesData(_Sweeper):
    async def rest(self) -> None:
        await self.store.clock.sleep(0.5)

    def sparing(self, slot: Slot, version: Version) -> bool:
        now = self.rows(slot[0]).get(slot[1])
        return now is not None and now.blob.digest != version.blob.digest


@mutant("10", "queue", trap="a put after set_ttl, and the sweep after the old deadline", also="9")
class SweeperFollowsItsList(Sweeping):
    """Keys are noted with their deadline at set_ttl, and swept by that list."""

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, seconds)
        self.store.notes.setdefault(self.namespace, {})[slot] = self.deadline_ms(seconds)

    async def sweep(self) -> None:
        noted = self.store.notes.get(self.namespace, {})
        for slot in [slot for slot, deadline in noted.items() if deadline <= self.now() * 1000]:
            del noted[slot]
            if slot[0] in self.buckets():
                self.apply({slot: None})
