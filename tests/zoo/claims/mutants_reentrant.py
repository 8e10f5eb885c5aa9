"""Mutants that hold a lock over what their user does in the midst of a publish or a read."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping

from prism_patterns.claim_check import ClaimDelivery, Receipt, Swept
from prism_testkit.interfaces import Bytes
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


class _Chunks(StrangeConsumer):
    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        async with _lock(self.claims):
            async for piece in super().chunks(delivery):
                yield piece


class _AcksToo(_Chunks):
    async def ack(self, delivery: ClaimDelivery) -> None:
        async with _lock(self.claims):
            await super().ack(delivery)


@mutant("CC1", "lock", trap="an ack of another message in the midst of chunks", also="CC2 CC4")
class AcksWaitForChunks(StrangeClaimCheck):
    consumer_type = _AcksToo


@mutant("CC1", "lock", trap="a publish in the midst of chunks", also="CC2")
class PublishesWaitForChunks(StrangeClaimCheck):
    consumer_type = _Chunks

    async def published(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        async with _lock(self):
            return await super().published(topic, payload, headers)


@mutant("CC7", "lock", trap="a sweep in the midst of chunks", also="CC1 CC2")
class SweepsWaitForChunks(StrangeClaimCheck):
    consumer_type = _Chunks

    async def sweep(self) -> Swept:
        async with _lock(self):
            return await super().sweep()
