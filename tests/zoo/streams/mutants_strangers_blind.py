"""Mutants of strangers in the log and its groups: what two tasks of one client share, and what a leaving does to others."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Record, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams, step
from .stores import Change, Held, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.7", "race", trap="two trims of one stream that overlap")
class OverlappingTrimsAddUp(Streams):
    """How many go is counted, and as many are removed at the next step."""

    async def trim(self, stream: str, before: int) -> int:
        name, bound = self.name(stream, "trim"), self.clamped(stream, self.bound(before, "trim"))
        log = self.stream(name)
        many = log.at(bound)
        await step()
        if many:
            kept = log.records[many:]
            self.apply(Change(name, trim=kept[0].offset if kept else log.end))
        return self.lowest(name)


@mutant("basic.6", "race", trap="a large append and a small one that overlap", also="basic.12")
class TheSlowestAppendTellsTheLatest(Streams):
    """The end is noted when the payload is written, whoever else noted one meanwhile."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        await step(1 + (len(bytes(payload)) > 4096))
        self.store.notes[self.namespace, stream, "latest"] = offset
        return offset

    def latest(self, stream: str) -> int | None:
        found: int | None = self.store.notes.get((self.namespace, stream, "latest"), super().latest(stream))
        return found


@mutant("basic.2", "weak hash", trap="two payloads of more than 4 KiB that differ in the middle only", also="basic.4")
class LongPayloadsAreKnownByTheirEnds(Streams):
    """Equal payloads are stored once; of a long one its length, its first and its last KiB are compared."""

    def insert(self, stream: str, record: Record) -> int:
        data = record.payload
        if len(data) > 4096:
            data = self.store.notes.setdefault((self.namespace, len(data), data[:1024], data[-1024:]), data)
        return super().insert(stream, replace(record, payload=data))


@mutant("basic.14", "lost on cancel", trap="a trim that is cancelled, and another one")
class CancelledTrimsKeepTheirLock(Streams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self._trimming = asyncio.Lock()

    async def trim(self, stream: str, before: int) -> int:
        self.bound(before, "trim")
        self.name(stream, "trim")
        await self._trimming.acquire()
        await step()
        found = await super().trim(stream, before)
        self._trimming.release()
        return found


@mutant("basic.2", "truncation", trap="more than a hundred headers")
class AHundredHeadersAreKept(Streams):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return dict(list(super().labels(headers, operation).items())[:100])


@mutant("consumer_groups.5", "stale", trap="what is held of an earlier receive, when its member leaves")
class LeavingGivesBackWhatTheLastReceiveGave(Member):
    _last: frozenset[int] = frozenset()

    def take(self, most: int) -> list[RecordDelivery]:
        found = super().take(most)
        self._last = frozenset(one.record.offset for one in found)
        return found

    def holds(self, held: Held) -> bool:
        return super().holds(held) and (not self.left or any(self.state().pending.get(o) is held for o in self._last))


@mutant("consumer_groups.7", "too much", trap="a delay of one member, while another leaves")
class ALeavingEndsAllDelays(Member):
    """What is to come again is put in a new order when the members change; its instants are lost."""

    def leave(self) -> None:
        super().leave()
        group = self.driver.stream(self.stream).groups.get(self.group)
        for offset, held in list(group.pending.items()) if group else ():
            if not held.member:
                self.put(offset, replace(held, due=0.0))


@mutant("consumer_groups.10", "shared state", trap="two receives of one member that wait, the later one for a shorter time")
class AMemberHasOneTimeout(Member):
    _end = 0.0

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_open("receive")
        most, timeout = self.most(max_records), check_timeout(timeout_s, "receive", "zoo")
        if timeout <= 0:
            return self.take(most)
        self._end = self.driver.after(timeout)
        while True:
            found = self.take(most)
            if found or self.driver.over(self._end):
                return found
            await self.pause(self._end)
            self.check_open("receive")


@mutant(
    "consumer_groups.1", "cut too late", trap="records that come again before new ones, in one receive", also="consumer_groups.10"
)
class WhatComesAgainPushesNewOnesOut(Member):
    """New ones are taken for the whole batch, those that come again are put before them, and the rest is cut off."""

    def take(self, most: int) -> list[RecordDelivery]:
        return self.deliver([*self.again(), *self.fresh(most)][:most])


@mutant("consumer_groups.5", "counted twice", trap="a record that a member gave back before it left")
class LeavingCountsWhatWasNacked(Member):
    def __init__(self, driver: Streams, stream: str, group: str, consumer: str) -> None:
        super().__init__(driver, stream, group, consumer)
        self._back = set[int]()

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        super().give_back(delivery, held, delay_s)
        self._back.add(delivery.record.offset)

    def leave(self) -> None:
        super().leave()
        group = self.driver.stream(self.stream).groups.get(self.group)
        for offset in self._back & (group.pending.keys() if group else set()):
            held = self.state().pending[offset]
            if not held.member:
                self.put(offset, replace(held, count=held.count + 1))
