"""Mutants that await between a look and an act: right when calls come one after another, wrong when others come between.

Each has a twin, on which nothing may fail: there the two steps are taken alone.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator
from typing import Any

from prism_patterns.claim_check import Claim, ClaimDelivery, Swept
from prism_testkit.interfaces import Closed
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OurConsumer, OursOnTopics, OurSweep
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS", "TWINS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_locks: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]" = weakref.WeakKeyDictionary()


def _steps(who: Any) -> contextlib.AbstractAsyncContextManager[Any]:
    """Return what the two steps are taken in: nothing, and in a twin a lock of the process."""
    if not getattr(who, "alone", False):
        return contextlib.nullcontext()
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


# CC4


@mutant("CC4", "race", trap="two acks of one claim, the second between the look and the write of the first", also="CC7")
class CountsAcksInOneObject(OursOnTopics):
    class _Counting(OurConsumer):
        async def mark(self, delivery: ClaimDelivery) -> None:
            await super().mark(delivery)
            if delivery.claim is not None and self._marks():
                bucket, key = delivery.claim.bucket, _count_of(delivery.claim.key)
                async with _steps(self):
                    found = await self._store.get(bucket, key) or b""
                    await self._store.put(bucket, key, found + f"{self._name!a}\n".encode())

    class _Counted(OurSweep):
        counted: frozenset[str] = frozenset()

        async def decide(self, identifier: str) -> None:
            if identifier in self.stored:
                found = await self.store.get(self.config.bucket, _count_of(self.key(identifier))) or b""
                self.counted = frozenset(found.decode().split("\n"))
            await super().decide(identifier)

        def awaited(self, markers: dict[str, int]) -> list[int]:
            return super().awaited(markers) if self.counted.issuperset(map(ascii, self.config.consumers)) else []

    consumer_type = _Counting
    sweep_type = _Counted


def _count_of(claim: str) -> str:
    root, _, name = claim.rpartition("/")
    return f"{root}/_acks/{name}"


class CountsAcksAlone(CountsAcksInOneObject):
    class _Alone(CountsAcksInOneObject._Counting):
        alone = True

    consumer_type = _Alone


@mutant("CC7", "race", trap="a claim that is published and acked between two listings of one sweep", also="CC4")
class ListsClaimsBeforeMarkers(StrangeClaimCheck):
    class _Twice(Sweep):
        claims_are_known = False

        async def run(self) -> Swept:
            async for found in self.store.list_objects(self.config.bucket, f"{self.config.prefix}/"):
                self.note(found)
            self.marked.clear()
            self.claims_are_known = True
            return await super().run()

        def note(self, found: Any) -> None:
            if ".acks/" in found.key or not self.claims_are_known:
                super().note(found)

        async def is_gone(self, identifier: str) -> bool:
            return identifier not in self.stored or await super().is_gone(identifier)

    sweep_type = _Twice


class ListsClaimsAndLooksAgain(ListsClaimsBeforeMarkers):
    class _Careful(ListsClaimsBeforeMarkers._Twice):
        async def is_gone(self, identifier: str) -> bool:
            return await Sweep.is_gone(self, identifier)

    sweep_type = _Careful


@mutant("CC7", "race", trap="two sweeps that both look before either removes")
class CountsWhatItSawBeforeItRemoved(StrangeClaimCheck):
    class _Looking(Sweep):
        async def remove(self, key: str) -> bool:
            async with _steps(self):
                there = await self.store.exists(self.config.bucket, key)
                if there:
                    await self.store.delete(self.config.bucket, key)
                return there

    sweep_type = _Looking


class CountsWhatItSawAlone(CountsWhatItSawBeforeItRemoved):
    class _Alone(CountsWhatItSawBeforeItRemoved._Looking):
        alone = True

    sweep_type = _Alone


@mutant("CC4", "race", trap="a sweep that is asked for while another one is under way, and returns first", also="CC7")
class LeavesASweepToWhoeverSweeps(StrangeClaimCheck):
    alone = False

    async def sweep(self) -> Swept:
        self.check_open()
        if self.__dict__.get("_sweeping"):
            if not self.alone:
                return Swept()
            await self._swept.wait()
            return await self.sweep()
        self._sweeping, self._swept = True, asyncio.Event()
        try:
            return await super().sweep()
        finally:
            self._sweeping = False
            self._swept.set()


class WaitsForWhoeverSweeps(LeavesASweepToWhoeverSweeps):
    alone = True


@mutant("CC4", "race", trap="an ack while the same instance sweeps, and a later sweep by it", also="CC7")
class ForgetsAcksThatMeetItsSweep(StrangeClaimCheck):
    """The acks that it knows are in memory, read from the markers when it is opened."""

    alone = False

    class _Telling(StrangeConsumer):
        async def mark(self, claim: Claim) -> None:
            await super().mark(claim)
            self.claims.__dict__["acks"].add(claim.key.rpartition("/")[2])

    class _Knowing(Sweep):
        known: frozenset[str] | set[str] = frozenset()

        def is_acked(self, identifier: str) -> bool:
            return identifier in self.known and super().is_acked(identifier)

    consumer_type = _Telling

    async def agree(self) -> None:
        await super().agree()
        listing = self.store.list_objects(self.config.bucket, f"{self.config.prefix}/")
        marked = [found.key.rpartition(".acks/")[0] async for found in listing if ".acks/" in found.key]
        self.acks = {key.rpartition("/")[2] for key in marked}

    async def sweep(self) -> Swept:
        self.check_open()
        if self.config.cleanup == "retain":
            return Swept()
        before = set(self.acks)
        sweep = self._Knowing(self.store, self.config, await self.now_ms())
        sweep.known = before
        swept = await sweep.run()
        if self.alone:
            self.acks.intersection_update({*sweep.stored, *(self.acks - before)})
        else:
            self.acks = before & sweep.stored.keys()
        return swept


class AddsAcksAfterItsSweep(ForgetsAcksThatMeetItsSweep):
    alone = True


# CC1


@mutant("CC1", "race", trap="two reads at once by one instance", also="CC5")
class UnpacksIntoOneBuffer(StrangeClaimCheck):
    class _Filling(StrangeConsumer):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            if delivery.claim is None:
                return await super().read(delivery)
            buffer: bytearray = self.claims.__dict__.setdefault("buffer", bytearray())
            async with _steps(self):
                buffer.clear()
                async for piece in self.chunks(delivery):
                    buffer += piece
                return bytes(buffer)

    consumer_type = _Filling


class UnpacksIntoOneBufferAlone(UnpacksIntoOneBuffer):
    class _Alone(UnpacksIntoOneBuffer._Filling):
        alone = True

    consumer_type = _Alone


# CC3


@mutant("CC3", "race", trap="a close between the message and the receipt", also="CC4 CC6")
class TakesAClosedOneForARefusal(StrangeClaimCheck):
    alone = False

    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        self.check_open()
        identifier = await super().refer(topic, claim, headers)
        if self.closed and not self.alone:
            await self.take_back(claim)
            raise Closed("it was closed before the publish was over")
        return identifier


class PublishesWhatWasBegun(TakesAClosedOneForARefusal):
    alone = True


@mutant("CC3", "race", trap="a refusal of one publish between the upload and the message of another", also="CC4 CC6")
class TakesBackWhatItUploadedLast(StrangeClaimCheck):
    alone = False

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        claim = self._uploaded = await super().upload(key, pieces)
        await self.store.exists(claim.bucket, claim.key)
        return claim

    async def take_back(self, claim: Claim) -> None:
        await super().take_back(claim if self.alone else self._uploaded)


class TakesBackWhatItWasGiven(TakesBackWhatItUploadedLast):
    alone = True


TWINS: tuple[type, ...] = (
    CountsAcksAlone,
    ListsClaimsAndLooksAgain,
    CountsWhatItSawAlone,
    WaitsForWhoeverSweeps,
    UnpacksIntoOneBufferAlone,
    AddsAcksAfterItsSweep,
    PublishesWhatWasBegun,
    TakesBackWhatItWasGiven,
)
