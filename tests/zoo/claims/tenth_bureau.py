"""Claim checks that use every freedom there is: types of their own, journals, tasks for calls, empty pieces, second tries."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from prism_patterns.claim_check import Claim, ClaimCheckConfig, ClaimConsumer, ClaimDelivery, Receipt, Swept
from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    BackendUnavailable,
    BucketNotFound,
    Bytes,
    Health,
    ObjectStorageConditional,
    OperationTimeout,
    PubSubPersistent,
)

from .tenth_freight import REFUSALS, Clerk, Freight, OnGroups, OnQueues
from .tenth_roads import Gate, LeaseGate, Leases, Road
from .tenth_yard import Lot, Yard, Yardmaster

__all__ = ["RIGHT"]

T = TypeVar("T")


class Text(str):
    __slots__ = ()


class Octets(bytes):
    pass


class Count(int):
    pass


class _Pieces(AsyncIterator[bytes]):
    """An iterator that is no generator, and gives a piece of nothing now and then."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self.source, self.kept, self.last = source, b"", b"-"

    async def __anext__(self) -> bytes:
        if self.last:
            self.last = b""
            return Octets()
        if not self.kept:
            self.kept = await anext(self.source)
        self.last, self.kept = self.kept[:5000], self.kept[5000:]
        return Octets(self.last)


class _Desk(AbstractAsyncContextManager[ClaimConsumer]):
    """A context that is no generator."""

    def __init__(self, house: "Bureau", topic: str, consumer: str) -> None:
        self.house, self.topic, self.consumer = house, topic, consumer
        self.gate: AbstractAsyncContextManager[Gate] | None = None

    async def __aenter__(self) -> ClaimConsumer:
        self.house.check("consume")
        await asyncio.sleep(0)
        self.gate = self.house.road.gate(self.topic, self.consumer)
        return _Officer(self.house, await self.gate.__aenter__(), self.topic, self.consumer)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.gate is not None
        await asyncio.sleep(0)
        await self.gate.__aexit__(kind, error, trace)


class _Officer(Clerk):
    house: "Bureau"

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        found = await super().receive(timeout_s)
        if found is None:
            return None
        return replace(
            found,
            message_id=Text(found.message_id),
            topic=Text(found.topic),
            headers=MappingProxyType({Text(name): Text(value) for name, value in found.headers.items()}),
            delivery_count=Count(found.delivery_count),
        )

    async def read(self, delivery: ClaimDelivery) -> bytes:
        if delivery.claim is not None:
            with contextlib.suppress(BucketNotFound):
                await self.house.store.metadata(delivery.claim.bucket, delivery.claim.key)
        return Octets(await self.house.apart(super().read(delivery)))

    def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        return _Pieces(super().chunks(delivery))

    async def ack(self, delivery: ClaimDelivery) -> None:
        await self.house.apart(super().ack(delivery))

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        await asyncio.sleep(0)
        await super().nack(delivery, delay_s)


class _Ledger(Yardmaster):
    """Goes over the yard backwards, in steps, and looks again before it removes."""

    async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
        await asyncio.sleep(0)
        if lot.stored_ms is not None and await self.store.metadata(self.config.bucket, self.yard.root + claim) is None:
            lot.stored_ms = None
        await super().look(claim, lot, now_ms)

    async def run(self) -> Swept:
        swept = await super().run()
        return Swept(Count(swept.expired), Count(swept.acked), Count(swept.markers))


class _BackYard(Yard):
    async def lots(self) -> dict[str, Lot]:
        return dict(reversed((await super().lots()).items()))

    def is_id(self, name: str) -> bool:
        return len(name) == 40 and name.isascii() and name.isdigit()

    async def mark(self, claim: Claim, consumer: str) -> None:
        await asyncio.sleep(0)
        await super().mark(claim, consumer)


class Bureau(Freight):
    """A journal under ``_intents``, a task for each call, types of its own."""

    yard_type = _BackYard
    master_type = _Ledger

    def __init__(
        self,
        *,
        queue: PubSubPersistent,
        store: ObjectStorageConditional,
        config: ClaimCheckConfig,
        clock: Clock,
    ) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)

    def new_key(self) -> str:
        return f"{self.config.prefix}/{secrets.randbelow(10**40):040}"

    async def apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in a task of its own; who is cancelled cancels that."""
        task = asyncio.create_task(work)
        try:
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        found = await self.apart(super().publish(topic, payload, headers))
        return Receipt(Text(found.message_id), found.claim and replace(found.claim, size=Count(found.claim.size)))

    async def claimed(self, topic: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Receipt:
        self.bill.put_on(headers, self.room(self.new_key()))
        intent = f"{self.config.prefix}/_intents/{secrets.token_hex(8)}"
        await self.store.put(self.config.bucket, intent, b"...", content_type="text/plain", user_metadata={"topic": topic[:9]})
        await asyncio.sleep(0)
        receipt = await super().claimed(topic, pieces, headers)
        with contextlib.suppress(BackendUnavailable, OperationTimeout):
            await self.store.delete(self.config.bucket, intent)
        return receipt

    def consume(self, topic: str, consumer: str) -> AbstractAsyncContextManager[ClaimConsumer]:
        return _Desk(self, topic, consumer)

    async def health(self) -> Health:
        await asyncio.sleep(0)
        return await super().health()

    async def sweeping(self) -> None:
        while True:
            await self.clock.sleep(500)
            with contextlib.suppress(Exception):
                await self.swept()


class TriesTwice(OnQueues):
    """What could not be reached is asked once more: a message may come twice."""

    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        try:
            return await self.road.send(topic, b"", message)
        except (BackendUnavailable, OperationTimeout):
            return await self.road.send(topic, b"", message)  # refused or not, the first one may be there: the object stays
        except REFUSALS:
            await self.withdraw(claim)
            raise


class _LongGate(LeaseGate):
    lease_s = 600.0


class _LongLeases(Leases):
    gate_type = _LongGate


class LongLeases(OnQueues):
    """A message is leased for ten minutes."""

    def make_road(self) -> Road:
        return _LongLeases(self.queue, self.clock)


RIGHT: dict[str, type[Freight]] = {"freight": OnGroups, "bureau": Bureau, "tries-twice": TriesTwice, "long-leases": LongLeases}
"""Without a mistake."""
