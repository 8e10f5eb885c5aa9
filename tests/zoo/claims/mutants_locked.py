"""Mutants whose instance, or consumer, does one thing at a time: what waits holds up what does not."""

import asyncio
from collections.abc import AsyncIterable, Mapping

from prism_patterns.claim_check import ClaimDelivery, Receipt, Swept
from prism_testkit.interfaces import Bytes
from prism_testkit.interfaces.lifecycle import Health
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _lock(owner: object) -> asyncio.Lock:
    found: asyncio.Lock = owner.__dict__.setdefault("_lock", asyncio.Lock())
    return found


class _Waiting(StrangeConsumer):
    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        async with _lock(self.claims):
            return await super().receive(timeout_s)


@mutant("CC1", "lock", trap="a publish while a receive of the same instance waits")
class PublishesWaitForReceives(StrangeClaimCheck):
    consumer_type = _Waiting

    async def published(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        async with _lock(self):
            return await super().published(topic, payload, headers)


@mutant("CC7", "lock", trap="a sweep while a receive of the same instance waits", also="CC1")
class SweepsWaitForReceives(StrangeClaimCheck):
    consumer_type = _Waiting

    async def sweep(self) -> Swept:
        async with _lock(self):
            return await super().sweep()


class _Acking(_Waiting):
    async def ack(self, delivery: ClaimDelivery) -> None:
        async with _lock(self.claims):
            await super().ack(delivery)


@mutant("CC4", "lock", trap="an ack while a receive of the same instance waits", also="CC1")
class AcksWaitForReceives(StrangeClaimCheck):
    consumer_type = _Acking


@mutant("lifecycle.4", "lock", trap="a look while a receive of the same instance waits", also="CC1")
class LooksWaitForReceives(StrangeClaimCheck):
    consumer_type = _Waiting

    async def health(self) -> Health:
        async with _lock(self):
            return await super().health()
