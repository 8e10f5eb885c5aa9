"""Mutants of the freight: what is kept how long, what a sweep removes, and what is agreed on."""

import json
import unicodedata

from prism_patterns.claim_check import Claim, ClaimDelivery, Swept
from prism_testkit.interfaces import ConfigError, PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .tenth_freight import Clerk, OnGroups, OnQueues, OnTopics
from .tenth_roads import Came, LeaseGate, Leases, Road
from .tenth_yard import Lot, Yard, Yardmaster

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC4", "everybody counts", trap="an ack of somebody who is not named, after those of the named")
class UnnamedAcksDelay(OnTopics):
    class _Master(Yardmaster):
        def is_acked(self, lot: Lot, now_ms: int) -> bool:
            return super().is_acked(lot, now_ms) and now_ms - max(lot.marks.values()) > 1000 * self.config.retention_after_ack_s

    master_type = _Master


@mutant("CC4", "everybody counts", trap="two groups of which none is named, acking at different times")
class CountsFromAnybodysFirstAck(OnGroups):
    class _Master(Yardmaster):
        def is_acked(self, lot: Lot, now_ms: int) -> bool:
            if self.config.cleanup == "on_ack" and not self.config.consumers and lot.marks:
                return now_ms - min(lot.marks.values()) > 1000 * self.config.retention_after_ack_s
            return super().is_acked(lot, now_ms)

    master_type = _Master


@mutant("CC4", "forgotten case", trap="a claim that one of two has acked, past its age", also="CC7")
class HalfAckedNeverExpires(OnTopics):
    class _Master(Yardmaster):
        def is_old(self, lot: Lot, now_ms: int) -> bool:
            return not lot.marks and super().is_old(lot, now_ms)

    master_type = _Master


@mutant("CC4", "falsy zero", trap="retention_after_ack_s of 0")
class NoRetentionIsTheDefault(OnQueues):
    class _Master(Yardmaster):
        def __init__(self, yard: Yard) -> None:
            super().__init__(yard)
            if not self.config.retention_after_ack_s:
                self.config = self.config.model_copy(update={"retention_after_ack_s": 300.0})

    master_type = _Master


@mutant("CC4", "falsy zero", trap="grace_period_s of 0", also="CC7")
class NoGraceIsTheDefault(OnQueues):
    class _Master(Yardmaster):
        def __init__(self, yard: Yard) -> None:
            super().__init__(yard)
            self.config = self.config.model_copy(update={"grace_period_s": self.config.grace_period_s or 3600.0})

    master_type = _Master


@mutant("CC4", "unit", trap="seconds with fractions", also="CC7")
class AddsWholeSeconds(OnQueues):
    class _Master(Yardmaster):
        def is_old(self, lot: Lot, now_ms: int) -> bool:
            assert lot.stored_ms is not None
            return now_ms - lot.stored_ms > 1000 * int(self.config.max_age_s + self.config.grace_period_s)

    master_type = _Master


@mutant("CC4", "remembered", trap="a claim that a sweep saw young, and that is acked after that")
class SkipsWhatItSawYoung(OnQueues):
    class _Master(Yardmaster):
        async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
            young: dict[str, float] = self.yard.__dict__.setdefault("young", {})
            if now_ms < young.get(claim, 0):
                return
            before = (self.acked, self.expired)
            await super().look(claim, lot, now_ms)
            if (self.acked, self.expired) == before and lot.stored_ms is not None:
                young[claim] = lot.stored_ms + 1000 * (self.config.max_age_s + self.config.grace_period_s)

    master_type = _Master


class _ShortNacks(LeaseGate):
    async def give_back(self, came: Came, delay_s: float) -> None:
        await super().give_back(came, min(delay_s, self.lease_s))


class _ShortLeases(Leases):
    gate_type = _ShortNacks


@mutant("CC4", "bound", trap="a nack with a delay longer than a lease")
class DelaysUpToALease(OnQueues):
    def make_road(self) -> Road:
        road = super().make_road()
        return _ShortLeases(self.queue, self.clock) if isinstance(road, Leases) else road


class _Renewing(LeaseGate):
    async def hold(self, came: Came) -> None:
        came.given_back = False
        await super().hold(came)


class _RenewingLeases(Leases):
    gate_type = _Renewing


@mutant("CC4", "two features", trap="a payload that is read, or still being read, after its message was nacked")
class ReadingTakesANackBack(OnQueues):
    def make_road(self) -> Road:
        road = super().make_road()
        return _RenewingLeases(self.queue, self.clock) if isinstance(road, Leases) else road


@mutant("CC4", "normalised", trap="two consumers whose names differ in their normal form alone")
class NamesInOneForm(OnTopics):
    class _Yard(Yard):
        async def mark(self, claim: Claim, consumer: str) -> None:
            await super().mark(claim, unicodedata.normalize("NFC", consumer))

    class _Master(Yardmaster):
        def is_acked(self, lot: Lot, now_ms: int) -> bool:
            names = tuple(unicodedata.normalize("NFC", name) for name in self.config.consumers)
            self.config = self.config.model_copy(update={"consumers": names})
            return super().is_acked(lot, now_ms)

    yard_type = _Yard
    master_type = _Master


@mutant("CC4", "flag too early", trap="a broker's ack that fails, and is repeated", also="CC3")
class ConfirmsBeforehand(OnQueues):
    class _Clerk(Clerk):
        async def confirm(self, delivery: ClaimDelivery) -> None:
            if not delivery.handle.confirmed:
                delivery.handle.confirmed = True
                await self.gate.confirm(delivery.handle.came)

    clerk_type = _Clerk


@mutant("CC4", "repeat", trap="an ack that failed at its marker, repeated")
class MarksOnceOnly(OnQueues):
    class _Clerk(Clerk):
        async def mark(self, delivery: ClaimDelivery) -> None:
            if delivery.handle.came.since_s != -1.0:
                delivery.handle.came.since_s = -1.0
                await super().mark(delivery)

    clerk_type = _Clerk


@mutant("CC7", "split", trap="a consumer whose name holds .acks/", also="CC4")
class SplitsAtTheLastAcks(OnQueues):
    class _Yard(Yard):
        def note(self, lots: dict[str, Lot], name: str, at_ms: int) -> None:
            claim, acks, consumer = name.rpartition(".acks/") if ".acks/" in name else (name, "", "")
            if self.is_id(claim):
                super().note(lots, f"{claim}{acks}{consumer}", at_ms)

    yard_type = _Yard


@mutant("CC7", "match", trap="somebody's object named as a claim and a suffix", also="CC4")
class MatchesTheBeginning(OnQueues):
    class _Yard(Yard):
        def note(self, lots: dict[str, Lot], name: str, at_ms: int) -> None:
            super().note(lots, name if ".acks/" in name else name[:35], at_ms)

    yard_type = _Yard


@mutant("CC7", "match", trap="somebody's old object whose name is as long as an id")
class KnowsIdsByTheirLength(OnQueues):
    class _Yard(Yard):
        def is_id(self, name: str) -> bool:
            return len(name) == 35 and "/" not in name and not name.startswith("_")

    yard_type = _Yard


@mutant("CC7", "never reset", trap="removals of which some fail, others between them not")
class FailuresAddUp(OnQueues):
    class _Master(Yardmaster):
        async def run(self) -> Swept:
            now_ms = await self.yard.now_ms()
            for claim, lot in (await self.yard.lots()).items():
                try:
                    await self.look(claim, lot, now_ms)
                except PrismError as error:
                    self.errors.append(error)
                    if len(self.errors) >= 4:
                        break
            return self.told()

    master_type = _Master


@mutant("CC7", "wrong error", trap="two removals that fail in different ways")
class TellsOfTheLastError(OnQueues):
    class _Master(Yardmaster):
        def told(self) -> Swept:
            self.errors.reverse()
            return super().told()

    master_type = _Master


@mutant("CC7", "orphans", trap="a claim stored and acked while a sweep lists", also="CC4")
class OrphansAtFirstSight(OnQueues):
    class _Master(Yardmaster):
        async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
            if lot.stored_ms is None:
                for mark in lot.marks:
                    self.markers += await self.store.delete(self.config.bucket, f"{self.yard.root}{claim}.acks/{mark}")
                return
            await super().look(claim, lot, now_ms)

    master_type = _Master


@mutant("CC7", "page", trap="more than 256 objects under the prefix", also="CC4")
class SweepsOnePage(OnQueues):
    class _Yard(Yard):
        async def lots(self) -> dict[str, Lot]:
            lots: dict[str, Lot] = {}
            count = 0
            async for info in self.store.list_objects(self.config.bucket, self.root):
                count += 1
                if count > 256:
                    break
                self.note(lots, info.key[len(self.root) :], info.last_modified_ms)
            return lots

    yard_type = _Yard


@mutant("CC7", "flag stays", trap="a sweep that is cancelled, and another one of the same instance", also="CC4")
class ACancelledSweepIsTheLast(OnQueues):
    running = False

    async def swept(self) -> Swept:
        if self.running:
            return Swept()
        self.running = True
        try:
            found = await super().swept()
        except Exception:
            self.running = False
            raise
        self.running = False
        return found


@mutant("CC7", "order", trap="a sweep that is interrupted between a claim's markers and the claim", also="CC4")
class MarkersGoFirst(OnQueues):
    class _Master(Yardmaster):
        async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
            if lot.stored_ms is not None and (self.is_acked(lot, now_ms) or self.is_old(lot, now_ms)):
                for mark in lot.marks:
                    self.markers += await self.store.delete(self.config.bucket, f"{self.yard.root}{claim}.acks/{mark}")
            await super().look(claim, lot, now_ms)

    master_type = _Master


@mutant("CC8", "unit", trap="ages that differ in their fraction alone")
class AgreesInWholeSeconds(OnQueues):
    class _Yard(Yard):
        def agreement(self) -> dict[str, object]:
            return {**super().agreement(), "max_age_s": int(self.config.max_age_s)}

    yard_type = _Yard


@mutant("CC8", "forgotten case", trap="an instance that retains")
class RetainAgreesWithAll(OnQueues):
    class _Yard(Yard):
        async def agree(self) -> None:
            if self.config.cleanup != "retain":
                await super().agree()

    yard_type = _Yard


@mutant("CC8", "refused once", trap="an opening that was refused, tried again")
class WritesOverWhatItRefused(OnQueues):
    class _Yard(Yard):
        async def agree(self) -> None:
            try:
                await super().agree()
            except ConfigError:
                await self.store.put(self.config.bucket, f"{self.root}_config", json.dumps(self.agreement()).encode())
                raise

    yard_type = _Yard


@mutant("CC8", "swept", trap="a sweep long after the opening, and another configuration after that")
class ForgetsWhatWasAgreed(OnQueues):
    class _Master(Yardmaster):
        async def run(self) -> Swept:
            swept = await super().run()
            found = await self.store.metadata(self.config.bucket, f"{self.yard.root}_config")
            now_ms = await self.yard.now_ms()
            if found is not None and now_ms - found.last_modified_ms > 1000 * (self.config.max_age_s + self.config.grace_period_s):
                await self.store.delete(self.config.bucket, f"{self.yard.root}_config")
            return swept

    master_type = _Master
