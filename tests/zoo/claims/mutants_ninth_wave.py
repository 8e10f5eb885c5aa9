"""Mutants of the courier, a second wave: what was taken for enough by checks that had just been widened."""

import heapq
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_patterns.claim_check import Claim, ClaimConsumer, ClaimDelivery
from prism_testkit.interfaces import Bytes, PayloadTooLarge
from tests.zoo.declare import Mutant

from .courier import Courier
from .courier_lines import Page, Remembering
from .courier_parts import Counter
from .declare import declaring

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "incomplete", trap="headers that leave room for the reference, and none for the name of its header")
class ReckonsWithoutItsField(Courier):
    def check_room(self, headers: Mapping[str, str]) -> None:
        most = Claim(self.config.bucket, self.new_key(), 10**18, f"sha256:{64 * 'f'}", self.config.compression, 10**14)
        if self.weight(headers) + len(self.slip.write(most).encode()) > 8192:
            raise PayloadTooLarge("courier: headers leave no room for the reference to a claim")


@mutant("CC1", "unit", trap="a stream of memoryviews of words, over the threshold by its bytes alone")
class CountsItemsOfChunks(Courier):
    async def take_in(self, chunks: AsyncIterable[Bytes], sent: Mapping[str, str]) -> bytes | Claim:
        held, size = [], 0
        source = aiter(chunks)
        async for chunk in source:
            held.append(bytes(chunk))
            size += len(chunk)
            if size > self.config.threshold:
                break
        else:
            return b"".join(held)
        self.check_room(sent)

        async def all_of_it() -> AsyncIterator[bytes]:
            for piece in held:
                yield piece
            async for piece in source:
                yield bytes(piece)

        return await self.upload(all_of_it())


@mutant("CC4", "second time", trap="a message that is given back for a while, twice")
class DelaysTheFirstTimeOnly(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, 0 if delivery.delivery_count > 1 else delay_s)

    counter_type = _Counter


@mutant("CC4", "shared timer", trap="two messages that are given back for different times, over a queue that takes nothing back")
class OneTimerForAll(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, delay_s)
            if isinstance(self.desk, Remembering):
                first_s = min(entry[0] for entry in self.desk.back)
                self.desk.back = [(first_s, turn, parcel) for _, turn, parcel in self.desk.back]
                heapq.heapify(self.desk.back)

    counter_type = _Counter


@mutant("CC1", "shared state", trap="two consumers at once of a stream without groups", also="CC4")
class ReadersShareTheirPlace(Courier):
    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        async with super().consume(topic, consumer) as counter:
            if isinstance(counter, Counter) and isinstance(counter.desk, Page):
                counter.desk = self.notes.setdefault(topic, counter.desk)
            yield counter


@mutant("CC8", "wrong condition", trap="two that disagree, under on_ack")
class AckersNeedNoAgreement(Courier):
    async def agree(self) -> None:
        if self.config.cleanup != "on_ack":
            await super().agree()


@mutant("CC2", "unbounded", trap="chunks of a claim that is compressed by zstd")
class HoldsWhatIsInZstd(Courier):
    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            if delivery.claim is None or delivery.claim.compression != "zstd":
                async for piece in super().pieces(delivery):
                    yield piece
                return
            for piece in [piece async for piece in super().pieces(delivery)]:
                yield piece

    counter_type = _Counter
