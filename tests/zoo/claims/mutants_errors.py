"""Mutants that take one kind of error, at one step, for something else: for done, for a refusal, for what is not there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prism_patterns.claim_check import Claim, ClaimDelivery, ClaimExpired, ClaimNotFound, Swept
from prism_testkit.interfaces import (
    AccessDenied,
    BackendUnavailable,
    CorruptPayload,
    OperationTimeout,
    PrismError,
    QuotaExceeded,
)
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_codec import Check
from .stranger_consumer import Handle, StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import REFUSED, SWEEP_EVERY_S, StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Marks(StrangeConsumer):
    forgiven: type[PrismError] = OperationTimeout

    async def mark(self, claim: Claim) -> None:
        with contextlib.suppress(self.forgiven):
            await super().mark(claim)


@mutant("CC4", "swallowed error", trap="a marker that times out, and is not there")
class AMarkerThatTimedOutIsTakenForDone(StrangeClaimCheck):
    consumer_type = _Marks


class _MarksDenied(_Marks):
    forgiven = AccessDenied


@mutant("CC4", "swallowed error", trap="a marker that is denied")
class AMarkerThatIsDeniedIsTakenForDone(StrangeClaimCheck):
    consumer_type = _MarksDenied


class _MarksUnavailable(_Marks):
    forgiven = BackendUnavailable


@mutant("CC4", "swallowed error", trap="a marker whose store is away")
class AMarkerWhoseStoreIsAwayIsTakenForDone(StrangeClaimCheck):
    consumer_type = _MarksUnavailable


class _Acks(StrangeConsumer):
    forgiven: type[PrismError] = OperationTimeout

    async def ack(self, delivery: ClaimDelivery) -> None:
        handle: Handle = delivery.handle
        try:
            await super().ack(delivery)
        except self.forgiven:
            if handle.acked:
                raise
            handle.acked = True
            await super().ack(delivery)


@mutant("CC4", "swallowed error", trap="an ack that times out at the broker, and was not taken")
class AnAckThatTimedOutIsTakenForDone(StrangeClaimCheck):
    consumer_type = _Acks


class _AcksQuota(_Acks):
    forgiven = QuotaExceeded


@mutant("CC4", "swallowed error", trap="an ack that the broker refuses for its quota")
class AnAckOverTheQuotaIsTakenForDone(StrangeClaimCheck):
    consumer_type = _AcksQuota


@mutant("CC3", "swallowed error", trap="an upload that times out, and is not there", also="CC1 CC6")
class AnUploadThatTimedOutIsTakenForDone(StrangeClaimCheck):
    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        held = [piece async for piece in pieces]

        async def again() -> AsyncIterator[bytes]:
            for piece in held:
                yield piece

        try:
            return await super().upload(key, again())
        except OperationTimeout:
            check = Check()
            for piece in held:
                check.feed(piece)
            return Claim(self.config.bucket, key, check.size, check.checksum, self.config.compression, await self.now_ms())


@mutant("CC3", "wrong error", trap="a publish that times out without effect, or with it")
class ATimeoutIsARefusal(StrangeClaimCheck):
    refusals = (*REFUSED, OperationTimeout)


@mutant("CC3", "wrong error", trap="a publish whose broker goes away")
class AnOutageIsARefusal(StrangeClaimCheck):
    refusals = (*REFUSED, BackendUnavailable)


class _Absent(StrangeConsumer):
    taken: type[PrismError] = OperationTimeout

    def unpacked(self, claim: Claim) -> AsyncIterator[bytes]:
        return self.watched(claim, super().unpacked(claim))

    async def watched(self, claim: Claim, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces:
                yield piece
        except self.taken as error:
            raise self.instead(claim) from error

    def instead(self, claim: Claim) -> PrismError:
        return ClaimNotFound(f"{claim.key} is not there")


@mutant("CC6", "wrong error", trap="a read that times out")
class AReadThatTimedOutIsAnAbsentClaim(StrangeClaimCheck):
    consumer_type = _Absent


class _AbsentAway(_Absent):
    taken = BackendUnavailable


@mutant("CC6", "wrong error", trap="a read whose store is away")
class AStoreThatIsAwayHasNoClaims(StrangeClaimCheck):
    consumer_type = _AbsentAway


class _AbsentDenied(_Absent):
    taken = AccessDenied


@mutant("CC6", "wrong error", trap="a read that is denied")
class ADeniedReadIsAnAbsentClaim(StrangeClaimCheck):
    consumer_type = _AbsentDenied


class _Corrupt(_Absent):
    def instead(self, claim: Claim) -> PrismError:
        return CorruptPayload(f"{claim.key} cannot be read")


@mutant("CC5", "wrong error", trap="a read that times out", also="CC6")
class AReadThatTimedOutIsCorrupt(StrangeClaimCheck):
    consumer_type = _Corrupt


class _Age(StrangeConsumer):
    async def absent(self, claim: Claim) -> ClaimExpired | ClaimNotFound:
        try:
            return await super().absent(claim)
        except (OperationTimeout, BackendUnavailable, QuotaExceeded):
            return ClaimExpired(f"{claim.key} is not there")


@mutant("CC6", "swallowed error", trap="an absent claim, and a store that does not tell the time")
class WithoutAClockAClaimHasExpired(StrangeClaimCheck):
    consumer_type = _Age


class _Gone(Sweep):
    """Who may not remove a claim takes it for gone."""

    taken: type[PrismError] = AccessDenied

    async def is_gone(self, identifier: str) -> bool:
        try:
            return await super().is_gone(identifier)
        except self.taken as error:
            self.errors.append(error)
            return identifier in self.stored


@mutant("CC7", "wrong error", trap="an acked claim whose removal is denied", also="CC4")
class AClaimThatMayNotBeRemovedLosesItsMarkers(StrangeClaimCheck):
    sweep_type = _Gone


class _GoneLate(_Gone):
    taken = OperationTimeout


@mutant("CC7", "wrong error", trap="an acked claim whose removal times out, without effect", also="CC4")
class AClaimWhoseRemovalTimedOutLosesItsMarkers(StrangeClaimCheck):
    sweep_type = _GoneLate


class _Missing(Sweep):
    async def is_gone(self, identifier: str) -> bool:
        try:
            return await super().is_gone(identifier)
        except (OperationTimeout, BackendUnavailable) as error:
            self.errors.append(error)
            return identifier not in self.stored


@mutant("CC7", "wrong error", trap="markers that are listed and a claim that is not, asked for in vain", also="CC4")
class AClaimThatCannotBeAskedForIsGone(StrangeClaimCheck):
    sweep_type = _Missing


@mutant("CC8", "swallowed error", trap="an agreement that times out", also="CC3")
class AnAgreementThatTimedOutIsAgreed(StrangeClaimCheck):
    async def agree(self) -> None:
        with contextlib.suppress(OperationTimeout):
            await super().agree()


@mutant("CC8", "swallowed error", trap="an agreement that is denied")
class AnAgreementThatIsDeniedIsAgreed(StrangeClaimCheck):
    async def agree(self) -> None:
        with contextlib.suppress(AccessDenied):
            await super().agree()


class _Dies(StrangeClaimCheck):
    deadly: type[PrismError] = OperationTimeout

    async def work(self) -> None:
        while True:
            await self.clock.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
                self.failure = ""
            except self.deadly as error:
                self.failure = f"sweep: {error}"
                return
            except PrismError as error:
                self.failure = f"sweep: {error}"


@mutant("lifecycle.4", "wrong error", trap="a sweep that times out once", also="CC4 CC7")
class TheWorkerEndsAtATimeout(_Dies):
    pass


@mutant("lifecycle.4", "wrong error", trap="a sweep that is denied once", also="CC4 CC7")
class TheWorkerEndsAtADenial(_Dies):
    deadly = AccessDenied


@mutant("CC7", "swallowed error", trap="a sweep whose listing times out")
class ASweepThatCannotListHasNothingToDo(StrangeClaimCheck):
    async def sweep(self) -> Swept:
        try:
            return await super().sweep()
        except OperationTimeout:
            return Swept()


@mutant("CC7", "wrong error", trap="a clock that cannot be asked for its quota", also="CC4")
class ASweepWithoutAClockTakesItsOwn(StrangeClaimCheck):
    async def now_ms(self) -> int:
        try:
            return await super().now_ms()
        except (QuotaExceeded, AccessDenied):
            await asyncio.sleep(0)
            return self.clock.now_ms() + 1_000_000_000
