"""Mutants whose mistake needs several: claims of one sweep, markers of one claim, deliveries in hand."""

from collections.abc import AsyncIterator

from prism_patterns.claim_check import Claim, ClaimDelivery, Receipt, Swept
from prism_testkit.interfaces import Lease, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OursOnTopics, OurSweep
from .stranger_codec import Check
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Ten(Sweep):
    def found(self) -> list[str]:
        return [identifier for identifier in super().found() if identifier not in self.stored or self.is_due(identifier)][:10]

    def is_due(self, identifier: str) -> bool:
        return self.is_acked(identifier) or self.is_old(identifier)


@mutant("CC7", "batch", trap="eleven claims that are due", also="CC4")
class ASweepTakesTen(StrangeClaimCheck):
    sweep_type = _Ten


class _Hundred(_Ten):
    def found(self) -> list[str]:
        return [identifier for identifier in Sweep.found(self) if identifier not in self.stored or self.is_due(identifier)][:100]


@mutant("CC7", "batch", trap="101 claims that are due", also="CC4")
class ASweepTakesAHundred(StrangeClaimCheck):
    sweep_type = _Hundred


class _Page(Sweep):
    lines = 0

    def note(self, found: ObjectInfo) -> None:
        self.lines += 1
        if self.lines <= 1000:
            super().note(found)


@mutant("CC7", "paging", trap="a thousand objects under the prefix, and a claim behind them", also="CC4")
class ASweepSeesAThousandLines(StrangeClaimCheck):
    sweep_type = _Page


class _HundredLines(_Page):
    def note(self, found: ObjectInfo) -> None:
        self.lines += 1
        if self.lines <= 100:
            Sweep.note(self, found)


@mutant("CC7", "paging", trap="a hundred objects under the prefix, and a claim behind them", also="CC4")
class ASweepSeesAHundredLines(StrangeClaimCheck):
    sweep_type = _HundredLines


class _OneMore(Sweep):
    """Where two are old, the next oldest is taken for old, too."""

    def is_old(self, identifier: str) -> bool:
        old = [name for name in self.stored if super(_OneMore, self).is_old(name)]
        young = sorted((instant, name) for name, instant in self.stored.items() if name not in old)
        return super().is_old(identifier) or (len(old) > 1 and bool(young) and young[0][1] == identifier)


@mutant("CC4", "batch", trap="two claims that are too old, and one that is not", also="CC7")
class TwoThatAreOldTakeAThird(StrangeClaimCheck):
    sweep_type = _OneMore


class _FirstMarkers(Sweep):
    async def decide(self, identifier: str) -> None:
        gone = await self.is_gone(identifier)
        if gone and not self.markers:
            for consumer in self.marked.get(identifier, ()):
                self.markers += await self.remove(f"{self.key(identifier)}.acks/{consumer}")


@mutant("CC7", "batch", trap="two claims with markers that are due")
class OfTwoThatAreDueTheMarkersOfOneGo(StrangeClaimCheck):
    sweep_type = _FirstMarkers


class _FirstMarker(OurSweep):
    async def decide(self, identifier: str) -> None:
        if await self.is_gone(identifier):
            for consumer in list(self.marked.get(identifier, ()))[:2]:
                self.markers += await self.remove(f"{self.key(identifier)}.acks/{consumer}")


@mutant("CC7", "batch", trap="a claim with three markers that is due")
class OfThreeMarkersTwoGo(OursOnTopics):
    sweep_type = _FirstMarker


class _FirstTwo(OurSweep):
    def awaited(self, markers: dict[str, int]) -> list[int]:
        wanted = [self.name_of(consumer) for consumer in self.config.consumers][:2] or list(markers)
        return [markers[name] for name in wanted] if all(name in markers for name in wanted) else []


@mutant("CC4", "batch", trap="three consumers, the third of which has not acked", also="CC7")
class OnlyTwoConsumersAreWaitedFor(OursOnTopics):
    sweep_type = _FirstTwo


class _FirstTen(OurSweep):
    def awaited(self, markers: dict[str, int]) -> list[int]:
        wanted = [self.name_of(consumer) for consumer in self.config.consumers][:10] or list(markers)
        return [markers[name] for name in wanted] if all(name in markers for name in wanted) else []


@mutant("CC4", "batch", trap="eleven consumers, the last of which has not acked", also="CC7")
class OnlyTenConsumersAreWaitedFor(OursOnTopics):
    sweep_type = _FirstTen


class _LastButOne(OurSweep):
    def counted_from(self, instants: list[int]) -> int:
        return sorted(instants)[:2][-1]


@mutant("CC4", "batch", trap="three consumers that ack one long after the other", also="CC7")
class RetentionCountsFromTheSecondAck(OursOnTopics):
    sweep_type = _LastButOne


class _Counts(Sweep):
    async def run(self) -> Swept:
        swept = await super().run()
        return Swept(min(swept.expired, 1), swept.acked, swept.markers)


@mutant("CC7", "batch", trap="two claims that are too old")
class OfTwoThatAreOldOneIsCounted(StrangeClaimCheck):
    """What was removed is told wrong."""

    sweep_type = _Counts


class _SharedHandle(StrangeConsumer):
    """What was received last is what is read and acked."""

    last: ClaimDelivery | None = None

    def delivered(self, lease: Lease) -> ClaimDelivery:
        self.last = super().delivered(lease)
        return self.last

    async def ack(self, delivery: ClaimDelivery) -> None:
        await super().ack(self.last or delivery)


@mutant("CC4", "batch", trap="two deliveries in hand, the first of which is acked", also="CC7 CC1 CC6")
class AcksWhatWasReceivedLast(StrangeClaimCheck):
    consumer_type = _SharedHandle


class _MarksLast(StrangeConsumer):
    last: Claim | None = None

    def delivered(self, lease: Lease) -> ClaimDelivery:
        found = super().delivered(lease)
        self.last = found.claim or self.last
        return found

    async def mark(self, claim: Claim) -> None:
        await super().mark(self.last or claim)


@mutant("CC4", "batch", trap="two deliveries in hand, the first of which is acked", also="CC7")
class MarksWhatWasReceivedLast(StrangeClaimCheck):
    consumer_type = _MarksLast


class _ReadsTen(StrangeConsumer):
    """Remembers ten payloads it was given; of an eleventh delivery in hand the headers are those of the first."""

    def __init__(self, claims: StrangeClaimCheck, topic: str, consumer: str) -> None:
        super().__init__(claims, topic, consumer)
        self.seen: list[ClaimDelivery] = []

    def delivered(self, lease: Lease) -> ClaimDelivery:
        found = super().delivered(lease)
        self.seen.append(found)
        if len(self.seen) <= 10:
            return found
        return ClaimDelivery(found.message_id, found.topic, self.seen[0].headers, found.claim, found.delivery_count, found.handle)


@mutant("CC1", "batch", trap="eleven deliveries of one consumer, each with headers of its own")
class TheEleventhDeliveryHasTheHeadersOfTheFirst(StrangeClaimCheck):
    consumer_type = _ReadsTen


class _FirstPieces(StrangeConsumer):
    """What is behind eight pieces is counted and not hashed."""

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        number = 0
        whole, seen = Check(), 0
        async for piece in self.unpacked(claim):
            number += 1
            seen += len(piece)
            if number <= 8:
                whole.feed(piece)
            yield piece
        if number <= 8 or seen != claim.size:
            whole.size = seen
            self.compare(whole, claim)


@mutant("CC5", "batch", trap="a payload of more than eight pieces, changed in its last", also="CC6 CC1")
class OnlyTheFirstPiecesAreHashed(StrangeClaimCheck):
    consumer_type = _FirstPieces


@mutant("CC1", "batch", trap="twelve claimed payloads of one instance, with headers")
class TheTwelfthClaimLosesHeaders(StrangeClaimCheck):
    number = 0

    async def claimed(self, topic: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Receipt:
        self.number += 1
        return await super().claimed(topic, pieces, headers if self.number != 12 else {})
