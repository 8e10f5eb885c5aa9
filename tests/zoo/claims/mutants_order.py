"""Mutants of the order in publish, and of what becomes of an object whose message was refused."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping

from prism_patterns.claim_check import Claim, Receipt
from prism_testkit.interfaces import (
    BackendUnavailable,
    Bytes,
    Closed,
    InvalidName,
    OperationTimeout,
    PayloadTooLarge,
    PrismError,
)
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_codec import Check
from .strangers import REFUSED, StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC3", "order of steps", trap="a crash, or a fast consumer, between the message and the object", also="CC4 CC6")
class PublishesBeforeItPuts(StrangeClaimCheck):
    async def claimed(self, topic: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Receipt:
        key = self.new_key()
        self.check_room(headers, key)
        held = [piece async for piece in pieces]
        check = Check()
        for piece in held:
            check.feed(piece)
        config = self.config
        claim = Claim(config.bucket, key, check.size, check.checksum, config.compression, self.clock.now_ms())
        identifier = await self.refer(topic, claim, headers)

        async def again() -> AsyncIterator[bytes]:
            for piece in held:
                yield piece

        return Receipt(identifier, await self.upload(key, again()))


@mutant("CC3", "race", trap="a crash in the middle, or an upload that fails beside a publish that does not", also="CC4 CC6")
class PutsAndPublishesAtOnce(PublishesBeforeItPuts):
    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        self._referring = asyncio.ensure_future(super().refer(topic, claim, headers))
        return "later"

    async def claimed(self, topic: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Receipt:
        receipt = await super().claimed(topic, pieces, headers)
        return Receipt(await self._referring, receipt.claim)


@mutant("CC3", "missing step", trap="a definite refusal")
class LeavesTheObjectOfARefusal(StrangeClaimCheck):
    refusals = ()


@mutant("CC3", "incomplete list", trap="a definite refusal other than of the size")
class KnowsOneRefusal(StrangeClaimCheck):
    refusals = (PayloadTooLarge,)


@mutant("CC3", "incomplete list", trap="a refusal for want of space")
class TakesAFullQueueForAnUnknownOutcome(StrangeClaimCheck):
    refusals = tuple(error for error in REFUSED if error.__name__ != "QuotaExceeded")


@mutant("CC3", "incomplete list", trap="a refusal by an error of Python's")
class KnowsOurErrorsOnly(StrangeClaimCheck):
    refusals = tuple(error for error in REFUSED if issubclass(error, PrismError))


@mutant("CC3", "wrong condition", trap="an unknown outcome of the publish, and the message is there", also="CC4 CC6")
class RemovesTheObjectAfterAnUnknownOutcome(StrangeClaimCheck):
    refusals = (*REFUSED, BackendUnavailable, OperationTimeout)


@mutant("CC3", "wrong condition", trap="a publish whose answer came too late, and the message is there", also="CC4 CC6")
class TakesATimeoutForARefusal(StrangeClaimCheck):
    refusals = (*REFUSED, OperationTimeout)


@mutant("CC3", "lost on cancel", trap="a publish that is cancelled after its message was taken", also="CC4 CC6")
class CleansUpWhenCancelled(StrangeClaimCheck):
    refusals = (*REFUSED, asyncio.CancelledError)


@mutant("CC3", "wrong error", trap="a definite refusal")
class WrapsTheRefusal(StrangeClaimCheck):
    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        try:
            return await super().refer(topic, claim, headers)
        except REFUSED as error:
            await self.take_back(claim)
            raise PrismError("the message could not be published") from error


@mutant("CC3", "wrong error", trap="a definite refusal, and the object cannot be removed")
class TellsOfTheFailedRemovalInstead(StrangeClaimCheck):
    async def take_back(self, claim: Claim) -> None:
        await self.store.delete(claim.bucket, claim.key)


@mutant("CC3", "deferred", trap="a look at the store right after a definite refusal")
class RemovesTheObjectOfARefusalLater(StrangeClaimCheck):
    async def take_back(self, claim: Claim) -> None:
        async def later() -> None:
            with contextlib.suppress(PrismError, Closed):
                await self.clock.sleep(30)
                await self.store.delete(claim.bucket, claim.key)

        self._later = asyncio.create_task(later())

    async def close(self) -> None:
        await super().close()
        if hasattr(self, "_later"):
            self._later.cancel()
            await asyncio.wait([self._later])


@mutant("CC3", "swallowed error", trap="a definite refusal")
class ReturnsAReceiptOfARefusal(StrangeClaimCheck):
    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        try:
            return await super().refer(topic, claim, headers)
        except InvalidName:
            await self.take_back(claim)
            return ""


@mutant("CC3", "sharing", trap="a refusal of a payload that was sent before", also="CC4 CC6")
class NamesClaimsByTheirContent(StrangeClaimCheck):
    """What is deduplicated is removed under those who use it."""

    async def published(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        held = b"".join([piece async for piece in self.sliced(payload)])
        check = Check()
        check.feed(held)
        self._digest = check.checksum.removeprefix("sha256:")[:32]
        return await super().published(topic, held, headers)

    def new_key(self) -> str:
        return f"{self.config.prefix}/{self._digest}"
