"""Mutants of when a claim is removed: by its acks, or by its age."""

import contextlib
from typing import Any, ClassVar

from prism_patterns.claim_check import Claim, ClaimCheckConfig, ClaimDelivery, Receipt, Swept
from prism_testkit.interfaces import ObjectInfo, PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OurConsumer, OursOnQueues, OursOnTopics, OurSweep
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# CC4: by acks


@mutant("CC4", "wrong condition", trap="two consumers, one of which acked")
class RemovesAtTheFirstAckOfTwo(OursOnTopics):
    def sweeping(self) -> ClaimCheckConfig:
        return self._config.model_copy(update={"consumers": ()})


@mutant("CC4", "wrong condition", trap="an ack by somebody who is not named")
class CountsAcksInsteadOfNames(OursOnTopics):
    class _Counting(OurSweep):
        def awaited(self, markers: dict[str, int]) -> list[int]:
            return list(markers.values()) if len(markers) >= len(self.config.consumers) else []

    class _Marking(OurConsumer):
        def _marks(self) -> bool:
            return True

    sweep_type = _Counting
    consumer_type = _Marking


@mutant("CC4", "origin", trap="two acks, longer apart than the retention")
class CountsRetentionFromTheFirstAck(OursOnTopics):
    class _First(OurSweep):
        def counted_from(self, instants: list[int]) -> int:
            return min(instants)

    sweep_type = _First


@mutant("CC4", "aliasing", trap="two consumers with long names that begin alike")
class CutsNamesOfConsumers(OursOnTopics):
    class _Cutting(OurSweep):
        def name_of(self, consumer: str) -> str:
            return consumer[:100]

    class _Marking(OurConsumer):
        async def mark(self, delivery: ClaimDelivery) -> None:
            if delivery.claim is not None and self._marks():
                await self._store.put(delivery.claim.bucket, f"{delivery.claim.key}.acks/{self._name[:100]}", b"")

    sweep_type = _Cutting
    consumer_type = _Marking


@mutant("CC4", "forgotten state", trap="a restart between the ack and the end of the retention")
class ForgetsTheTimerOverARestart(StrangeClaimCheck):
    """The retention of acks is in memory."""

    class _Remembering(StrangeConsumer):
        async def mark(self, claim: Claim) -> None:
            timers: dict[str, int] = self.claims.__dict__.setdefault("timers", {})
            timers[claim.key.rpartition("/")[2]] = await self.claims.now_ms()
            await super().mark(claim)

    class _OfTimers(Sweep):
        timers: ClassVar[dict[str, int]] = {}

        def is_acked(self, identifier: str) -> bool:
            return identifier in self.timers and super().is_acked(identifier)

    consumer_type = _Remembering

    async def sweep(self) -> Swept:
        timers = self.__dict__.setdefault("timers", {})
        self.sweep_type = type("_Timed", (self._OfTimers,), {"timers": timers})
        return await super().sweep()


@mutant("CC4", "forgotten state", trap="a sweep by another instance than the one that published", also="CC7")
class RemovesItsOwnClaimsOnly(StrangeClaimCheck):
    async def claimed(self, topic: str, pieces: Any, headers: dict[str, str]) -> Receipt:
        receipt = await super().claimed(topic, pieces, headers)
        mine = self.__dict__.setdefault("_mine", set())
        if receipt.claim is not None:
            mine.add(receipt.claim.key)
        return receipt

    async def sweep(self) -> Swept:
        self.check_open()
        if self.config.cleanup == "retain":
            return Swept()
        sweep = self.sweep_type(self.store, self.config, await self.now_ms())
        mine = self.__dict__.get("_mine", set())
        sweep.found = lambda: [found for found in sweep.stored if sweep.key(found) in mine]  # type: ignore[method-assign]
        return await sweep.run()


@mutant("CC4", "missing step", trap="a message that comes again although it was acked")
class RemovesAtOnceWhenAcked(StrangeClaimCheck):
    class _AtOnce(Sweep):
        def counted_from(self, instants: list[int]) -> int:
            return min(*instants, 0)

    sweep_type = _AtOnce


@mutant("CC4", "wrong actor", trap="an ack under `sweep`, or within the retention", also="CC6 CC7")
class RemovesTheClaimInTheAck(OursOnQueues):
    class _Removing(OurConsumer):
        async def mark(self, delivery: ClaimDelivery) -> None:
            await super().mark(delivery)
            if delivery.claim is not None:
                await self._store.delete(delivery.claim.bucket, delivery.claim.key)

    consumer_type = _Removing


@mutant("CC4", "unit", trap="a time between the retention in seconds and in milliseconds")
class TakesRetentionForMilliseconds(StrangeClaimCheck):
    class _Quick(Sweep):
        def is_acked(self, identifier: str) -> bool:
            instants = self.awaited(self.marked.get(identifier, {})) if self.config.cleanup == "on_ack" else []
            return bool(instants) and self.now_ms - max(instants) > self.config.retention_after_ack_s

    sweep_type = _Quick


@mutant("CC4", "boundary", trap="exactly the retention after the ack")
class RemovesAtTheRetention(StrangeClaimCheck):
    class _AtIt(Sweep):
        def is_acked(self, identifier: str) -> bool:
            instants = self.awaited(self.marked.get(identifier, {})) if self.config.cleanup == "on_ack" else []
            return bool(instants) and self.now_ms - max(instants) >= self.config.retention_after_ack_s * 1000

    sweep_type = _AtIt


@mutant("CC4", "wrong condition", trap="an ack under `sweep`")
class HeedsMarkersUnderSweep(StrangeClaimCheck):
    async def sweep(self) -> Swept:
        if self.config.cleanup == "sweep":
            config = self.config.model_copy(update={"cleanup": "on_ack"})
            return await self.sweep_type(self.store, config, await self.now_ms()).run()
        return await super().sweep()


@mutant("CC4", "stale value", trap="a second delivery, acked long after the first one")
class KeepsTheFirstMarkerOfAConsumer(StrangeClaimCheck):
    class _Once(StrangeConsumer):
        async def mark(self, claim: Claim) -> None:
            if not await self.claims.store.exists(claim.bucket, f"{claim.key}.acks/{self.consumer}"):
                await super().mark(claim)

    consumer_type = _Once


@mutant("CC4", "wrong condition", trap="a nack that is not followed by an ack")
class TakesANackForAnAck(StrangeClaimCheck):
    class _Marking(StrangeConsumer):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, delay_s)
            if delivery.claim is not None:
                await self.mark(delivery.claim)

    consumer_type = _Marking


@mutant("CC4", "order of steps", trap="the broker's ack fails, or a crash before it")
class MarksBeforeTheBrokersAck(OursOnQueues):
    class _Hasty(OurConsumer):
        async def confirm(self, delivery: ClaimDelivery) -> None:
            await self.mark(delivery)
            await super().confirm(delivery)

    consumer_type = _Hasty


@mutant("CC4", "order of steps", trap="an ack of a lease that has ended")
class MarksThoughTheBrokerRefused(StrangeClaimCheck):
    class _Marking(StrangeConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            try:
                await super().ack(delivery)
            except PrismError:
                if delivery.claim is not None and not delivery.handle.acked:
                    await self.mark(delivery.claim)
                raise

    consumer_type = _Marking


@mutant("CC4", "wrong condition", trap="a claim that is read, and not acked")
class MarksWhenRead(StrangeClaimCheck):
    class _Reading(StrangeConsumer):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            data = await super().read(delivery)
            if delivery.claim is not None:
                await self.mark(delivery.claim)
            return data

    consumer_type = _Reading


@mutant("CC4", "swallowed error", trap="the marker cannot be written")
class SwallowsAFailedMarker(StrangeClaimCheck):
    class _Calm(StrangeConsumer):
        async def mark(self, claim: Claim) -> None:
            with contextlib.suppress(PrismError):
                await super().mark(claim)

    consumer_type = _Calm


@mutant("CC4", "lost on repeat", trap="an ack that is repeated because its marker could not be written")
class RepeatsTheBrokersAckForTheMarker(StrangeClaimCheck):
    class _Forgetful(StrangeConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            delivery.handle.acked = False
            await super().ack(delivery)

    consumer_type = _Forgetful


@mutant("CC4", "missing step", trap="a repeat of an ack whose marker failed", also="CC7")
class ForgetsTheMarkerInARepeat(StrangeClaimCheck):
    class _Satisfied(StrangeConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            if not delivery.handle.acked:
                await super().ack(delivery)

    consumer_type = _Satisfied


# CC4: by age


@mutant("CC4", "missing term", trap="a claim in its grace", also="CC7")
class SweepsByMaxAgeOnly(OursOnQueues):
    def sweeping(self) -> ClaimCheckConfig:
        return self._config.model_copy(update={"grace_period_s": 0.0})


@mutant("CC4", "wrong term", trap="a claim in its grace", also="CC7")
class TakesTheLongerOfAgeAndGrace(StrangeClaimCheck):
    class _Longer(Sweep):
        def life_s(self) -> float:
            return max(self.config.max_age_s, self.config.grace_period_s)

    sweep_type = _Longer


@mutant("CC4", "wrong term", trap="a claim that is due by its age, before its retention is over too", also="CC7")
class AddsTheRetentionToTheAge(StrangeClaimCheck):
    class _Late(Sweep):
        def life_s(self) -> float:
            return super().life_s() + self.config.retention_after_ack_s

    sweep_type = _Late


@mutant("CC4", "boundary", trap="exactly max_age_s + grace_period_s after the upload", also="CC7")
class SweepsAtTheAge(StrangeClaimCheck):
    class _AtIt(Sweep):
        def is_old(self, identifier: str) -> bool:
            return self.now_ms - self.stored[identifier] >= self.life_s() * 1000

    sweep_type = _AtIt


@mutant("CC4", "origin", trap="a claim that is due by its age, and has a marker", also="CC7")
class CountsAgeFromTheAck(StrangeClaimCheck):
    class _FromAck(Sweep):
        def is_old(self, identifier: str) -> bool:
            newest = max([self.stored[identifier], *self.marked.get(identifier, {}).values()])
            return self.now_ms - newest > self.life_s() * 1000

    sweep_type = _FromAck


@mutant("CC4", "missing step", trap="a claim under on_ack that nobody acks", also="CC7")
class WaitsForAcksForEver(OursOnQueues):
    class _Patient(OurSweep):
        def is_old(self, identifier: str) -> bool:
            return self.config.cleanup != "on_ack" and super().is_old(identifier)

    sweep_type = _Patient


@mutant("CC4", "wrong condition", trap="a claim that is due by its age, and whose ack is not yet old enough", also="CC7")
class LetsAnAckHoldUpTheAge(StrangeClaimCheck):
    class _Holding(Sweep):
        def is_old(self, identifier: str) -> bool:
            return identifier not in self.marked and super().is_old(identifier)

    sweep_type = _Holding


@mutant("CC4", "truncation", trap="more than 100 claims that are due at once", also="CC7")
class SweepsAHundredAtATime(StrangeClaimCheck):
    class _Page(Sweep):
        def note(self, found: ObjectInfo) -> None:
            if len(self.stored) < 100:
                super().note(found)

    sweep_type = _Page
