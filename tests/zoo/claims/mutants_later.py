"""Mutants that are right the first time: a second refusal, sweep, read, delay, instance; and some that forget with the time."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_patterns.claim_check import Claim, ClaimDelivery, Receipt, Swept
from prism_testkit.interfaces import ConfigError, CorruptPayload, ObjectInfo, PrismError
from prism_testkit.interfaces.lifecycle import Drained, Health
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import SWEEP_EVERY_S, StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Counting(StrangeClaimCheck):
    counts: dict[Any, int]

    def time(self, *what: Any) -> int:
        """Return how often this instance was asked, with this time."""
        self.__dict__.setdefault("counts", {})
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]


@mutant("CC3", "forgotten", trap="a second publish that is refused")
class ASecondRefusalLeavesItsObject(_Counting):
    async def take_back(self, claim: Claim) -> None:
        if self.time("refused") != 2:
            await super().take_back(claim)


@mutant("CC7", "cache", trap="a second sweep of one instance", also="CC4")
class ASecondSweepLooksAtTheFirstListing(_Counting):
    async def sweep(self) -> Swept:
        return await super().sweep() if self.time("sweep") != 2 else Swept()


@mutant("CC4", "forgotten", trap="a worker whose second sweep is due", also="CC7 lifecycle.4")
class TheWorkerSweepsOnce(StrangeClaimCheck):
    async def work(self) -> None:
        await self.clock.sleep(SWEEP_EVERY_S)
        try:
            await self.sweep()
            self.failure = ""
        except PrismError as error:
            self.failure = f"sweep: {error}"
        await self.clock.sleep(1e12)


class _ReadsOnce(StrangeConsumer):
    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        seen = self.__dict__.setdefault("seen", {})
        seen[id(delivery.handle)] = seen.get(id(delivery.handle), 0) + 1
        if delivery.claim is not None and seen[id(delivery.handle)] == 3:
            raise CorruptPayload("it was read before")
        async for piece in super().chunks(delivery):
            yield piece


@mutant("CC1", "used up", trap="a third read of one delivery")
class AThirdReadIsRefused(StrangeClaimCheck):
    consumer_type = _ReadsOnce


class _Unchecked(StrangeConsumer):
    def compare(self, check: Any, claim: Claim) -> None:
        seen = self.__dict__.setdefault("compared", set())
        if claim.key not in seen:
            super().compare(check, claim)
        seen.add(claim.key)


@mutant("CC5", "cache", trap="an object that is damaged after it was read once")
class WhatWasReadOnceIsNotCheckedAgain(StrangeClaimCheck):
    consumer_type = _Unchecked


class _FirstDelay(StrangeConsumer):
    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        await super().nack(delivery, delay_s if delivery.delivery_count < 2 else 0)


@mutant("CC4", "forgotten", trap="a second nack with a delay", also="CC1")
class ASecondDelayIsNone(StrangeClaimCheck):
    consumer_type = _FirstDelay


class _MarksOnce(StrangeConsumer):
    async def mark(self, claim: Claim) -> None:
        marked = self.claims.__dict__.setdefault("marked", set())
        if (claim.key, self.consumer) not in marked:
            await super().mark(claim)
        marked.add((claim.key, self.consumer))


@mutant("CC4", "forgotten", trap="an ack of a message that came a second time")
class ASecondAckLeavesTheMarkerAsItIs(StrangeClaimCheck):
    consumer_type = _MarksOnce


@mutant("CC8", "overwritten", trap="an instance that agrees, behind one that was refused")
class WhoIsRefusedIsWrittenDown(StrangeClaimCheck):
    async def agree(self) -> None:
        try:
            await super().agree()
        except ConfigError:
            mine = {name: getattr(self.config, name) for name in self.agreed}
            await self.store.put(self.config.bucket, f"{self.config.prefix}/_config", json.dumps(mine).encode())
            raise


@mutant("lifecycle.3", "counter", trap="a drain of the second of two publishes", also="lifecycle.2")
class DrainCountsWhatWasEverPublished(_Counting):
    async def publish(self, topic: str, payload: Any, headers: Mapping[str, str] | None = None) -> Receipt:
        receipt = await super().publish(topic, payload, headers)
        self.time("published")
        return receipt

    async def drain(self, timeout_s: float) -> Drained:
        drained = await super().drain(timeout_s)
        many = self.__dict__.setdefault("counts", {}).get(("published",), 0)
        return Drained(drained.completed + (many if many > 2 else 0), drained.aborted)


@mutant("lifecycle.4", "forgotten", trap="a second trouble, after a sweep that went well")
class ASecondTroubleIsNotTold(_Counting):
    async def health(self) -> Health:
        health = await super().health()
        if health.status == "healthy":
            self.__dict__["was_well"] = self.__dict__.get("was_ill", False)
        elif self.__dict__.get("was_well"):
            return Health("healthy")
        else:
            self.__dict__["was_ill"] = True
        return health


class _OldMarkers(Sweep):
    def note(self, found: ObjectInfo) -> None:
        if ".acks/" in found.key and self.now_ms - found.last_modified_ms > 7 * 86_400_000:
            return
        super().note(found)


@mutant("CC4", "expiry", trap="acks of last week that wait for another", also="CC7")
class MarkersLastAWeek(StrangeClaimCheck):
    sweep_type = _OldMarkers


@mutant("CC1", "reuse", trap="a third publish of one instance", also="CC4")
class EachThirdKeyIsTheOneBefore(_Counting):
    def new_key(self) -> str:
        key = super().new_key()
        if self.time("key") % 3 == 0:
            key = self.__dict__["last_key"]
        self.__dict__["last_key"] = key
        return key


@mutant("CC2", "growth", trap="the fortieth payload of one instance", also="CC1 CC4")
class TheThresholdGrows(_Counting):
    def is_large(self, head: list[bytes]) -> bool:
        return sum(map(len, head)) > self.config.threshold + (0 if self.time("large") < 40 else 1)
