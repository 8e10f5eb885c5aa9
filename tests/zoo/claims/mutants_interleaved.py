"""Mutants that keep in the instance, or the consumer, what belongs to one call."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from prism_patterns.claim_check import Claim, ClaimDelivery, Receipt
from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "shared headers", trap="two publishes at once, with different headers")
class PublishesShareTheirHeaders(StrangeClaimCheck):
    headers_now: dict[str, str]

    def escaped(self, headers: dict[str, str]) -> dict[str, str]:
        self.headers_now = super().escaped(headers)
        return self.headers_now

    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        return await super().refer(topic, claim, self.headers_now)


@mutant("CC1", "shared topic", trap="two publishes at once, to different topics")
class PublishesShareTheirTopic(StrangeClaimCheck):
    topic_now = ""

    async def published(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        self.topic_now = topic
        return await super().published(topic, payload, headers)

    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        return await super().refer(self.topic_now, claim, headers)


@mutant("CC3", "shared claim", trap="two publishes at once, of which one is refused", also="CC1 CC4")
class RefusalsTakeBackTheLastClaim(StrangeClaimCheck):
    last: Claim | None = None

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        self.last = await super().upload(key, pieces)
        return self.last

    async def take_back(self, claim: Claim) -> None:
        await super().take_back(self.last or claim)


class _SharedRead(StrangeConsumer):
    claim_now: Claim | None = None

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        self.claim_now = claim
        async for piece in super().fetched(claim):
            yield piece

    def compare(self, check: Any, claim: Claim) -> None:
        super().compare(check, self.claim_now or claim)


@mutant("CC5", "shared claim", trap="two reads at once", also="CC1")
class ReadsShareWhatTheyCompareWith(StrangeClaimCheck):
    consumer_type = _SharedRead


class _SharedAck(StrangeConsumer):
    acking: ClaimDelivery | None = None

    async def ack(self, delivery: ClaimDelivery) -> None:
        self.acking = delivery
        await super().ack(delivery)

    async def mark(self, claim: Claim) -> None:
        mine = self.acking.claim if self.acking is not None and self.acking.claim is not None else claim
        await super().mark(mine)


@mutant("CC4", "shared claim", trap="two acks at once", also="CC7")
class AcksShareTheirMarker(StrangeClaimCheck):
    consumer_type = _SharedAck


class _SharedNack(StrangeConsumer):
    delay_now = 0.0

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        self.delay_now = delay_s
        await asyncio.sleep(0)
        await super().nack(delivery, self.delay_now)


@mutant("CC4", "shared delay", trap="two nacks at once, with different delays", also="CC1")
class NacksShareTheirDelay(StrangeClaimCheck):
    consumer_type = _SharedNack
