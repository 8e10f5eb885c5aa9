"""Mutants on whose refused, failed or cancelled calls something is left behind that only the next call shows."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping

from prism_patterns.claim_check import Claim, ClaimDelivery, Receipt
from prism_testkit.interfaces import Bytes, CorruptPayload, NotFound, PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck, checked

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "leftover", trap="a publish behind one whose headers left no room")
class TheHeadersOfARefusedPublishAreOfTheNext(StrangeClaimCheck):
    kept: Mapping[str, str] | None = None

    async def published(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        kept, self.kept = self.kept, None
        try:
            return await super().published(topic, payload, headers if kept is None else {**dict(headers or {}), "kept": "1"})
        except PrismError:
            self.kept = checked(headers)
            raise


@mutant("CC1", "leftover", trap="a publish behind one that was cancelled in the midst of its payload", also="CC5")
class APayloadBeginsWithThatOfACancelledOne(StrangeClaimCheck):
    begun: bytes = b""

    def sliced(self, payload: Bytes | AsyncIterable[Bytes]) -> AsyncIterator[bytes]:
        strict = super().sliced(payload)

        async def pieces() -> AsyncIterator[bytes]:
            begun, self.begun = self.begun, b""
            if begun:
                yield begun
            async for piece in strict:
                self.begun = piece[:1]
                yield piece
            self.begun = b""

        return pieces()


class _OnceCorrupt(StrangeConsumer):
    corrupt = False

    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        if self.corrupt and delivery.claim is not None:
            raise CorruptPayload("what this consumer reads is damaged")
        try:
            async for piece in super().chunks(delivery):
                yield piece
        except CorruptPayload:
            self.corrupt = True
            raise


@mutant("CC5", "leftover", trap="a read of another claim behind one that is damaged", also="CC1")
class ADamagedClaimDamagesTheNext(StrangeClaimCheck):
    consumer_type = _OnceCorrupt


class _OnceAbsent(StrangeConsumer):
    absences: list[NotFound]

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        if getattr(self, "absences", None):
            raise self.absences.pop()
        try:
            async for piece in super().fetched(claim):
                yield piece
        except NotFound as error:
            self.absences = [error]
            raise


@mutant("CC6", "leftover", trap="a read of another claim behind one that is absent", also="CC1")
class AnAbsentClaimHidesTheNext(StrangeClaimCheck):
    consumer_type = _OnceAbsent


class _AcksByConsumer(StrangeConsumer):
    failed = False

    async def ack(self, delivery: ClaimDelivery) -> None:
        if self.failed:  # a repeat is for the marker
            delivery.handle.acked, self.failed = True, False
        try:
            await super().ack(delivery)
        except PrismError:
            self.failed = delivery.handle.acked
            raise


@mutant("CC4", "leftover", trap="an ack of another message behind one whose marker failed", also="CC1")
class AnAckBehindAFailedOneIsAMarkerOnly(StrangeClaimCheck):
    consumer_type = _AcksByConsumer


class _Cancelled(StrangeConsumer):
    waiting = False

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        if self.waiting:
            self.waiting = False
            return None
        self.waiting = True
        found = await super().receive(timeout_s)
        self.waiting = False
        return found


@mutant("CC1", "leftover", trap="a receive behind one that was cancelled")
class AReceiveBehindACancelledOneFindsNothing(StrangeClaimCheck):
    consumer_type = _Cancelled
