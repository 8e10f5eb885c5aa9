"""Mutants of the freight, written after the others were caught: each of a class that one of them is of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote

from prism_patterns.claim_check import Claim, ClaimDelivery
from prism_testkit.interfaces import Conflict, NotFound, OperationTimeout
from tests.zoo.declare import Mutant

from .declare import declaring
from .tenth_bills import Meter
from .tenth_freight import REFUSALS, Clerk, OnQueues, OnTopics, Slip
from .tenth_roads import Came, LeaseGate, Leases, Road
from .tenth_yard import Lot, Yard, Yardmaster, tag

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "boundary", trap="a payload one byte longer than a whole number of pieces of 40 KiB")
class LosesALastByteOfFortyKib(OnQueues):
    async def cut(self, data: bytes) -> AsyncIterator[bytes]:
        for at in range(0, max(1, len(data) - 1), 40 * 1024):
            yield data[at : at + 40 * 1024]


@mutant("CC3", "shared state", trap="two publishes at once, the first of which is refused", also="CC4")
class WithdrawsFromAStack(OnQueues):
    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        stack: list[Claim] = self.__dict__.setdefault("stack", [])
        stack.append(claim)
        try:
            return await self.road.send(topic, b"", message)
        except REFUSALS:
            await self.withdraw(stack[-1])
            raise
        finally:
            stack.pop()


@mutant("CC3", "retry", trap="an outcome that is unknown, and a refusal of the second try", also="CC4")
class AsksAgainAfterATimeout(OnQueues):
    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        for _ in range(2):
            with contextlib.suppress(OperationTimeout):
                return await super().refer(topic, message, claim)
        raise OperationTimeout("twice")


class _Beating(LeaseGate):
    async def take(self, timeout_s: float) -> Came | None:
        came = await super().take(timeout_s)
        if came is not None:
            came.token_task = asyncio.create_task(self.beat(came))  # type: ignore[attr-defined]
        return came

    async def beat(self, came: Came) -> None:
        with contextlib.suppress(Conflict):
            while True:
                await self.clock.sleep(self.lease_s / 2)
                await self.inner.extend(came.token, self.lease_s)

    async def confirm(self, came: Came) -> None:
        came.token_task.cancel()  # type: ignore[attr-defined]
        await super().confirm(came)


class _BeatingLeases(Leases):
    gate_type = _Beating


@mutant("CC4", "not stopped", trap="a nack with a delay, or a consumer that leaves with a message in hand")
class BeatsOnAfterANack(OnQueues):
    def make_road(self) -> Road:
        return _BeatingLeases(self.queue, self.clock)


@mutant("CC4", "decoded", trap="two consumers whose names differ as %41 and A do")
class DecodesNames(OnTopics):
    class _Yard(Yard):
        async def mark(self, claim: Claim, consumer: str) -> None:
            await super().mark(claim, unquote(consumer))

    class _Master(Yardmaster):
        def is_acked(self, lot: Lot, now_ms: int) -> bool:
            lot.marks = {**lot.marks, **{tag(c): lot.marks[unquote(c)] for c in self.config.consumers if unquote(c) in lot.marks}}
            return super().is_acked(lot, now_ms)

    yard_type = _Yard
    master_type = _Master


@mutant("CC4", "flag in any case", trap="a broker's ack that fails, and is repeated", also="CC3")
class ConfirmsInTheEnd(OnQueues):
    class _Clerk(Clerk):
        async def confirm(self, delivery: ClaimDelivery) -> None:
            slip: Slip = delivery.handle
            try:
                await super().confirm(delivery)
            finally:
                slip.confirmed = True

    clerk_type = _Clerk


@mutant("CC5", "only small", trap="a large object that was changed so that it still unpacks")
class TrustsLargeCompressedOnes(OnQueues):
    class _Clerk(Clerk):
        def compare(self, claim: Claim, meter: Meter, where: str) -> None:
            if claim.compression == "none" or claim.size <= 1 << 16:
                super().compare(claim, meter, where)

    clerk_type = _Clerk


@mutant("CC6", "race", trap="a claim that goes after its size was asked for")
class AsksForTheSizeFirst(OnQueues):
    class _Clerk(Clerk):
        async def opened(self, claim: Claim, slip: Slip) -> AsyncIterator[bytes]:
            about = await self.house.store.metadata(claim.bucket, claim.key)
            left = about.size if about is not None else 0
            async for piece in super().opened(claim, slip):
                left -= len(piece)
                yield piece

        async def missing(self, claim: Claim, where: str) -> NotFound:
            again = await self.house.store.metadata(claim.bucket, claim.key)
            if again is None and claim.compression != "none":
                return NotFound(where)
            return await super().missing(claim, where)

    clerk_type = _Clerk


@mutant("CC7", "match", trap="somebody's object behind a claim's name, older or younger than the claim", also="CC4")
class TakesTheLatestOfAName(OnQueues):
    class _Yard(Yard):
        def note(self, lots: dict[str, Lot], name: str, at_ms: int) -> None:
            stem = name.partition(".")[0]
            if self.is_id(stem) and not name.startswith(f"{stem}.acks/"):
                lot = lots.setdefault(stem, Lot())
                lot.stored_ms = max(at_ms, lot.stored_ms or 0)
            else:
                super().note(lots, name, at_ms)

    yard_type = _Yard
