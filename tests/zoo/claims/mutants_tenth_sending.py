"""Mutants of the freight: what is sent, and in which order."""

import asyncio
import json
import random
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_patterns.claim_check import Claim, Receipt
from prism_testkit.interfaces import BackendUnavailable, Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .tenth_bills import PIECE, Bill, Meter, Wrapping
from .tenth_freight import REFUSALS, OnQueues

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "unit", trap="a view of wide items around the threshold")
class MeasuresViewsInItems(OnQueues):
    async def publish(self, topic: str, payload: Any, headers: Mapping[str, str] | None = None) -> Receipt:
        if isinstance(payload, memoryview) and len(payload) <= self.config.threshold:
            with self.busy("publish"):
                return await self.inline(topic, bytes(payload), dict(headers or {}))
        return await super().publish(topic, payload, headers)


@mutant("CC1", "early end", trap="a stream with an empty piece in its middle")
class StopsAtAnEmptyPiece(OnQueues):
    async def joined(self, head: bytes, pieces: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
        yield head
        async for more in pieces:
            if not more:
                return
            yield bytes(more)


@mutant("CC1", "escape", trap="a user's header named as the field is when it was escaped twice")
class EscapesTwoLevels(OnQueues):
    class _Bill(Bill):
        def is_mine(self, name: str) -> bool:
            return name in (self.field, "!" + self.field, "!!" + self.field)

    bill_type = _Bill


@mutant("CC1", "buffer reused", trap="a producer that fills one buffer again and again")
class ReadsOnePieceAhead(OnQueues):
    async def joined(self, head: bytes, pieces: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
        held: Bytes = head
        async for more in pieces:
            yield held  # type: ignore[misc]
            held = more
        yield held  # type: ignore[misc]


@mutant("CC1", "boundary", trap="a stream whose first pieces fill the threshold exactly, and which goes on")
class LooksNoFurtherThanTheThreshold(OnQueues):
    async def head(self, pieces: AsyncIterator[Bytes]) -> bytes:
        head = bytearray()
        async for piece in pieces:
            head += piece
            if len(head) >= self.config.threshold:
                break
        return bytes(head)


@mutant("CC1", "boundary", trap="a payload one byte longer than a whole number of pieces of 96 KiB")
class LosesALastByteOfItsOwn(OnQueues):
    async def cut(self, data: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(data) - 1, PIECE):
            yield data[at : at + PIECE]
        if len(data) == 1:
            yield data


@mutant("CC1", "case", trap="a user's header that differs from the field in case alone")
class KnowsItsFieldInAnyCase(OnQueues):
    class _Bill(Bill):
        def take_off(self, headers: Mapping[str, str]) -> dict[str, str]:
            return {k: v for k, v in super().take_off(headers).items() if k.lower() != self.field.lower() or k == self.field}

    bill_type = _Bill


@mutant("CC1", "case", trap="a field configured with capitals", also="CC2")
class LowersItsField(OnQueues):
    class _Bill(Bill):
        def __init__(self, field: str) -> None:
            super().__init__(field.lower())

    bill_type = _Bill


@mutant("CC1", "same seed", trap="two instances opened in one millisecond, both publishing", also="CC4 CC5")
class SeedsByTheInstant(OnQueues):
    dice: random.Random | None = None

    def new_key(self) -> str:
        if self.dice is None:
            self.dice = random.Random(self.clock.now_ms())
        return f"{self.config.prefix}/{self.dice.getrandbits(128):032x}wyz"


@mutant("CC1", "counter of few bits", trap="a hundred publishes in one millisecond", also="CC4 CC5")
class NumbersSixtyFourInAMillisecond(OnQueues):
    number = 0

    def new_key(self) -> str:
        self.number += 1
        return f"{self.config.prefix}/{id(self) % 16**8:08x}{self.clock.now_ms():014x}{self.number % 64:010x}wyz"


@mutant("CC1", "room", trap="headers that leave room for the reference, but not for the name of its header", also="CC3")
class RoomWithoutTheName(OnQueues):
    def room(self, key: str) -> int:
        return super().room(key) - len(self.bill.field.encode())


@mutant("CC2", "escapes", trap="a bucket and a prefix of many bytes that are not ASCII")
class BillsInAscii(OnQueues):
    class _Bill(Bill):
        def write(self, claim: Claim) -> str:
            return json.dumps([claim.bucket, claim.key, claim.size, claim.checksum, claim.compression, claim.stored_ms])

        def parse(self, text: str) -> Claim:
            found = json.loads(text)
            if not isinstance(found, list) or len(found) != 6:
                raise ValueError("not a bill")
            return super().parse("".join(f"{len(str(field))}:{field}," for field in found))

    bill_type = _Bill


@mutant("CC2", "held whole", trap="a stream that is compressed")
class CompressesStreamsWhole(OnQueues):
    async def wrapped(self, pieces: AsyncIterator[bytes], meter: Meter) -> AsyncIterator[bytes]:
        if self.config.compression == "none":
            async for piece in super().wrapped(pieces, meter):
                yield piece
            return
        tool, out = Wrapping(self.config.compression), bytearray()
        async for piece in pieces:
            meter.add(piece)
            out += tool.add(piece)
        yield bytes(out + tool.end())


@mutant("CC2", "grows with the size", trap="a payload of many pieces")
class BillsEveryPiece(OnQueues):
    class _Bill(Bill):
        pieces: Any = None

        def write(self, claim: Claim) -> str:
            text = super().write(claim)
            sums = ",".join(self.pieces or [])
            return f"{text}#{sums}"

        def parse(self, text: str) -> Claim:
            return super().parse(text.rpartition("#")[0])

    bill_type = _Bill

    async def wrapped(self, pieces: AsyncIterator[bytes], meter: Meter) -> AsyncIterator[bytes]:
        sums: list[str] = []

        async def seen() -> AsyncIterator[bytes]:
            async for piece in pieces:
                sums.extend(f"{zlib.crc32(piece[at : at + 32768]):08x}" for at in range(0, len(piece), 32768))
                yield piece

        async for out in super().wrapped(seen(), meter):
            yield out
        self.bill.pieces = sums  # type: ignore[attr-defined]


@mutant("CC3", "retry", trap="an unknown outcome, and a refusal of the second try", also="CC4")
class WithdrawsAfterASecondTry(OnQueues):
    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        try:
            return await self.road.send(topic, b"", message)
        except BackendUnavailable:
            return await super().refer(topic, message, claim)
        except REFUSALS:
            await self.withdraw(claim)
            raise


@mutant("CC3", "exact type", trap="a refusal of a subclass: GroupNotFound, UnicodeError")
class KnowsRefusalsByTheirType(OnQueues):
    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        try:
            return await self.road.send(topic, b"", message)
        except Exception as error:
            if type(error) in REFUSALS:
                await self.withdraw(claim)
            raise


@mutant("CC3", "masked", trap="a refusal, and a store that cannot be reached right then")
class TellsOfItsWithdrawal(OnQueues):
    async def withdraw(self, claim: Claim) -> None:
        await self.store.delete(claim.bucket, claim.key)


@mutant("CC3", "shared state", trap="two publishes at once, the first of which is refused", also="CC4")
class WithdrawsTheLatest(OnQueues):
    latest: Claim | None = None

    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        self.latest = claim
        return await super().refer(topic, message, claim)

    async def withdraw(self, claim: Claim) -> None:
        await super().withdraw(self.latest or claim)


@mutant("CC3", "in the background", trap="a refusal, and a look right after it")
class WithdrawsLater(OnQueues):
    async def withdraw(self, claim: Claim) -> None:
        task = asyncio.create_task(super().withdraw(claim))
        self.later = task


@mutant("CC3", "wrong error", trap="a refusal after which the object is gone already", also="CC4")
class RefusesOnceOnly(OnQueues):
    refused = False

    async def withdraw(self, claim: Claim) -> None:
        if not self.refused:
            self.refused = True
            await super().withdraw(claim)
