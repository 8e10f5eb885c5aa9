"""The counter of a depot, at which one consumer is served."""

import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from prism_patterns.claim_check import Claim, ClaimConsumer, ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import Closed, CorruptPayload, ObjectNotFound

from .history_broom import marker_of
from .history_slips import Slip
from .history_ways import Parcel, Stand

if TYPE_CHECKING:
    from .history_depot import Depot

__all__ = ["Counter", "Given", "Pieces"]


class Pieces(AsyncIterator[bytes]):
    """Pieces that are there already."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._pieces = iter(())


class Given:
    """What a delivery keeps for its consumer."""

    def __init__(self, parcel: Parcel, slip: Slip | None, broken: CorruptPayload | None) -> None:
        self.parcel = parcel
        self.slip = slip
        self.broken = broken
        self.acked = False


class Counter(ClaimConsumer):
    """The counter at which one consumer is served."""

    def __init__(self, depot: "Depot", stand: Stand, topic: str, name: str) -> None:
        self._depot = depot
        self._stand = stand
        self._topic = topic
        self._name = name
        self.left = False

    def _check(self, what: str) -> None:
        self._depot.desk.check(what)
        if self.left:
            raise Closed(f"{what}: this consumer was left")

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        self._check("receive")
        async with self._depot.desk.call("receive"):
            parcel = await self._stand.receive(timeout_s)
        return None if parcel is None else self.opened(parcel)

    def opened(self, parcel: Parcel) -> ClaimDelivery:
        headers, text = self._depot.headers.inward(parcel.headers)
        slip = broken = None
        if text is not None:
            try:
                slip = Slip.read(text)
            except CorruptPayload as error:
                broken = error
        claim = None if slip is None else slip.claim
        return ClaimDelivery(parcel.id, self._topic, headers, claim, parcel.count, Given(parcel, slip, broken))

    async def read(self, delivery: ClaimDelivery) -> bytes:
        self._check("read")
        async with self._depot.desk.call("read"):
            given: Given = delivery.handle
            if given.broken is not None:
                raise given.broken
            if given.slip is None:
                return given.parcel.payload
            return b"".join([piece async for piece in self.fetched(given.slip)])

    async def chunks(self, delivery: ClaimDelivery) -> AsyncGenerator[bytes, None]:
        given: Given = delivery.handle
        if given.broken is not None:
            self._check("chunks")
            raise given.broken
        payload = given.parcel.payload
        pieces = self.fetched(given.slip) if given.slip is not None else Pieces(*([payload] if payload else []))
        async with contextlib.aclosing(pieces):
            while True:
                self._check("chunks")
                async with self._depot.desk.call("chunks"):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece

    async def fetched(self, slip: Slip) -> AsyncGenerator[bytes, None]:
        """Yield the payload of a claim."""
        stream = self._depot.store.get_stream(slip.claim.bucket, slip.claim.key)
        try:
            async with contextlib.aclosing(self._depot.unpacking_type(slip).pieces(stream)) as pieces:
                async for piece in pieces:
                    yield piece
        except ObjectNotFound as error:
            raise await self.absent(slip.claim) from error
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def absent(self, claim: Claim) -> ClaimExpired | ClaimNotFound:
        age_s = (await self._depot.now_ms() - claim.stored_ms) / 1000
        kind = ClaimExpired if age_s > self._depot.config.max_age_s else ClaimNotFound
        return kind(f"claim {claim.key!r} in {claim.bucket!r}, {age_s:.3f} s old, is not there")

    async def ack(self, delivery: ClaimDelivery) -> None:
        self._check("ack")
        async with self._depot.desk.call("ack"):
            given: Given = delivery.handle
            await self.confirm(given)
            if given.slip is not None:
                await self.mark(given.slip.claim)

    async def confirm(self, given: Given) -> None:
        if not given.acked:
            await self._stand.ack(given.parcel)
            given.acked = True

    async def mark(self, claim: Claim) -> None:
        await self._depot.store.put(claim.bucket, f"{claim.key}.acks/{self.marker()}", b"")

    def marker(self) -> str:
        return marker_of(self._name)

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        self._check("nack")
        if not math.isfinite(delay_s):
            raise ValueError(f"delay_s: {delay_s} is not finite")
        async with self._depot.desk.call("nack"):
            await self._stand.nack(delivery.handle.parcel, delay_s)
