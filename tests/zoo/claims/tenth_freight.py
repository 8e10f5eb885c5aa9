"""A claim check of the tenth round: bills of counted fields, roads for brokers, a yard where objects lie."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from prism_patterns.claim_check import (
    Claim,
    ClaimCheck,
    ClaimCheckConfig,
    ClaimConsumer,
    ClaimDelivery,
    ClaimExpired,
    ClaimNotFound,
    Receipt,
    Swept,
)
from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    AccessDenied,
    BucketNotFound,
    Bytes,
    Closed,
    ConfigError,
    CorruptPayload,
    Drained,
    Health,
    InvalidName,
    NotFound,
    ObjectNotFound,
    ObjectStorage,
    ObjectStorageConditional,
    PayloadTooLarge,
    PrismError,
    PubSubBasic,
    PubSubPersistent,
    QueueVisibility,
    QuotaExceeded,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.naming import check_headers, check_name, check_seconds
from prism_testkit.pattern import offers

from .tenth_bills import PIECE, Bill, Meter, Unwrapping, Wrapping, zstd
from .tenth_roads import Came, Gate, Road, road_over
from .tenth_yard import Yard, Yardmaster

__all__ = ["Clerk", "Freight", "OnGroups", "OnQueues", "OnTopics", "Slip"]

_ME = "freight"
REFUSALS = (PayloadTooLarge, AccessDenied, InvalidName, NotFound, QuotaExceeded, ValueError, TypeError)


class Slip:
    """What a delivery's handle is."""

    def __init__(self, came: Came, wrong: CorruptPayload | None) -> None:
        self.came, self.wrong, self.confirmed = came, wrong, False


class Clerk(ClaimConsumer):
    """One consumer."""

    def __init__(self, house: "Freight", gate: Gate, topic: str, name: str) -> None:
        self.house, self.gate, self.topic, self.name = house, gate, topic, name

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        self.house.check("receive", going_on=True)
        came = await self.gate.take(check_seconds(timeout_s, "receive", _ME))
        return None if came is None else self.delivery(came)

    def delivery(self, came: Came) -> ClaimDelivery:
        bill = self.house.bill
        try:
            claim, wrong = bill.read(came.headers), None
        except CorruptPayload as error:
            claim, wrong = None, error
        return ClaimDelivery(came.id, self.topic, bill.take_off(came.headers), claim, came.count, Slip(came, wrong))

    async def read(self, delivery: ClaimDelivery) -> bytes:
        return b"".join([piece async for piece in self.chunks(delivery)])

    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        self.house.check("read", going_on=True)
        slip: Slip = delivery.handle
        if slip.wrong is not None:
            raise CorruptPayload(str(slip.wrong))
        if delivery.claim is None:
            yield slip.came.payload
            return
        await self.gate.hold(slip.came)
        async for piece in self.opened(delivery.claim, slip):
            yield piece

    async def opened(self, claim: Claim, slip: Slip) -> AsyncIterator[bytes]:
        meter, tool = Meter(), self.unwrapping(claim)
        where = f"{_ME}: {claim.bucket!a}/{claim.key!a}"
        source = self.house.store.get_stream(claim.bucket, claim.key)
        try:
            async for stored in source:
                await self.gate.hold(slip.came)
                for piece in tool.add(stored):
                    meter.add(piece)
                    if meter.size > claim.size:
                        raise CorruptPayload(f"{where} has more than its {claim.size} bytes")
                    if piece:
                        yield piece
            tool.end()
        except ValueError as error:
            raise CorruptPayload(f"{where} cannot be unwrapped: {error}") from error
        except (ObjectNotFound, BucketNotFound) as error:
            raise await self.missing(claim, where) from error
        finally:
            await source.aclose()  # type: ignore[attr-defined]
        self.compare(claim, meter, where)

    def unwrapping(self, claim: Claim) -> Unwrapping:
        return Unwrapping(claim.compression)

    def compare(self, claim: Claim, meter: Meter, where: str) -> None:
        if meter.size != claim.size or meter.seal() != claim.checksum:
            raise CorruptPayload(f"{where} is not what was claimed")

    async def missing(self, claim: Claim, where: str) -> NotFound:
        try:
            age_ms = await self.house.yard.now_ms() - claim.stored_ms
        except BucketNotFound:
            return ClaimNotFound(f"{where} is gone with its bucket")
        if age_ms > self.house.config.max_age_s * 1000:
            return ClaimExpired(f"{where} is {age_ms} ms old, and gone")
        return ClaimNotFound(f"{where} is missing, {age_ms} ms after it was stored")

    async def ack(self, delivery: ClaimDelivery) -> None:
        with self.house.busy("ack"):
            await self.confirm(delivery)
            await self.mark(delivery)

    async def confirm(self, delivery: ClaimDelivery) -> None:
        slip: Slip = delivery.handle
        if not slip.confirmed:
            await self.gate.confirm(slip.came)
            slip.confirmed = True

    async def mark(self, delivery: ClaimDelivery) -> None:
        if delivery.claim is not None and self.house.config.cleanup == "on_ack":
            await self.house.yard.mark(delivery.claim, self.name)

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        with self.house.busy("nack"):
            await self.gate.give_back(delivery.handle.came, check_seconds(delay_s, "nack", _ME))


class Freight(ClaimCheck):
    """A claim check in small steps."""

    clerk_type: type[Clerk] = Clerk
    yard_type: type[Yard] = Yard
    master_type: type[Yardmaster] = Yardmaster
    bill_type: type[Bill] = Bill

    def __init__(
        self,
        *,
        queue: PubSubPersistent | StreamConsumerGroups | QueueVisibility | StreamBasic | PubSubBasic,
        store: ObjectStorage | ObjectStorageConditional,
        config: ClaimCheckConfig,
        clock: Clock,
    ) -> None:
        self.queue, self.store, self.config, self.clock = queue, store, config, clock
        self.road: Road = self.make_road()
        self.bill = self.bill_type(config.claim_check_field)
        self.yard = self.yard_type(store, config)
        self.state = "new"
        self.hand: dict[asyncio.Task[Any], int] = {}
        self.worker: asyncio.Task[None] | None = None
        self.trouble = ""

    def make_road(self) -> Road:
        return road_over(self.queue, self.clock)

    async def __aenter__(self) -> Self:
        self.fits()
        if self.config.compression == "zstd":
            zstd()
        await self.store.create_bucket(self.config.bucket)
        await self.yard.agree()
        self.state = "open"
        if self.config.cleanup != "retain":
            self.worker = asyncio.create_task(self.sweeping())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def fits(self) -> None:
        config = self.config
        if config.cleanup != "on_ack":
            return
        if not self.road.acks:
            raise ConfigError(f"{_ME}: on_ack needs a queue that has acks, {type(self.queue).__name__} has none")
        if self.road.one and len(config.consumers) > 1:
            raise ConfigError(f"{_ME}: on_ack over a queue: a message has one consumer, {config.consumers} are more")
        if offers(self.queue, PubSubPersistent) and not config.consumers:
            raise ConfigError(f"{_ME}: on_ack over durable subscriptions needs consumers")

    # -- calls in hand ---------------------------------------------------------------------------------------------------------

    def check(self, call: str, *, going_on: bool = False) -> None:
        if self.state != "open" and not (going_on and self.state == "drained"):
            raise Closed(f"{_ME}: {call}: it is {self.state}")

    @contextlib.contextmanager
    def busy(self, call: str) -> Iterator[None]:
        self.check(call, going_on=call in ("ack", "nack"))
        task = asyncio.current_task()
        assert task is not None
        self.hand[task] = self.hand.get(task, 0) + 1
        try:
            yield
        finally:
            if self.hand[task] == 1:
                del self.hand[task]
            else:
                self.hand[task] -= 1

    async def drain(self, timeout_s: float) -> Drained:
        self.state = "drained" if self.state == "open" else self.state
        mine = {task for task in self.hand if task is not asyncio.current_task()}
        if not mine:
            return Drained(0, 0)
        done, late = await asyncio.wait(mine, timeout=max(0.0, timeout_s))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return Drained(len(done), len(late))

    async def close(self) -> None:
        self.state = "closed"
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])

    async def health(self) -> Health:
        return Health("degraded", self.trouble) if self.trouble else Health("healthy")

    # -- publishing ------------------------------------------------------------------------------------------------------------

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        with self.busy("publish"):
            check_name(topic, "publish", _ME)
            given = check_headers(headers, "publish", _ME)
            if isinstance(payload, bytes | bytearray | memoryview):
                data = bytes(payload)
                if self.is_small(len(data)):
                    return await self.inline(topic, data, given)
                return await self.claimed(topic, self.cut(data), given)
            pieces = aiter(payload)
            head = await self.head(pieces)
            if self.is_small(len(head)):
                return await self.inline(topic, head, given)
            return await self.claimed(topic, self.joined(head, pieces), given)

    def is_small(self, size: int) -> bool:
        return size <= self.config.threshold

    async def head(self, pieces: AsyncIterator[Bytes]) -> bytes:
        head = bytearray()
        async for piece in pieces:
            head += piece
            if not self.is_small(len(head)):
                break
        return bytes(head)

    async def cut(self, data: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]

    async def joined(self, head: bytes, pieces: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
        async for piece in self.cut(head):
            yield piece
        async for more in pieces:
            async for piece in self.cut(bytes(more)):
                yield piece

    async def inline(self, topic: str, data: bytes, headers: dict[str, str]) -> Receipt:
        return Receipt(await self.road.send(topic, data, self.bill.put_on(headers, 0)), None)

    async def claimed(self, topic: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Receipt:
        key = self.new_key()
        message = self.bill.put_on(headers, self.room(key))
        meter = Meter()
        put = await self.store.put_stream(self.config.bucket, key, self.wrapped(pieces, meter))
        claim = Claim(self.config.bucket, key, meter.size, meter.seal(), self.config.compression, put.last_modified_ms)
        message[self.bill.field] = self.bill.write(claim)
        return Receipt(await self.refer(topic, message, claim), claim)

    def new_key(self) -> str:
        return f"{self.config.prefix}/{secrets.token_hex(16)}wyz"

    def room(self, key: str) -> int:
        longest = Claim(self.config.bucket, key, 10**15, Meter().seal(), self.config.compression, 10**14)
        return len(self.bill.field.encode()) + len(self.bill.write(longest).encode())

    async def wrapped(self, pieces: AsyncIterator[bytes], meter: Meter) -> AsyncIterator[bytes]:
        tool = Wrapping(self.config.compression)
        async for piece in pieces:
            meter.add(piece)
            if out := tool.add(piece):
                yield out
        if out := tool.end():
            yield out

    async def refer(self, topic: str, message: dict[str, str], claim: Claim) -> str:
        try:
            return await self.road.send(topic, b"", message)
        except REFUSALS:
            await self.withdraw(claim)
            raise

    async def withdraw(self, claim: Claim) -> None:
        with contextlib.suppress(PrismError):  # then its age removes it
            await self.store.delete(claim.bucket, claim.key)

    # -- consuming and sweeping ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        self.check("consume")
        check_name(topic, "consume", _ME)
        check_name(consumer, "consume", _ME)
        async with self.road.gate(topic, consumer) as gate:
            yield self.clerk_type(self, gate, topic, consumer)

    async def sweep(self) -> Swept:
        with self.busy("sweep"):
            return await self.swept()

    async def swept(self) -> Swept:
        if self.config.cleanup == "retain":
            return Swept()
        try:
            found = await self.master_type(self.yard).run()
        except (PrismError, OSError) as error:
            self.trouble = str(error) or type(error).__name__
            raise
        self.trouble = ""
        return found

    async def sweeping(self) -> None:
        while True:
            await self.clock.sleep(900)
            with contextlib.suppress(PrismError, OSError):
                await self.swept()


class OnQueues(Freight):
    """Over queues alone: what goes wrong everywhere is seen on one binding as well as on ten."""

    def __init__(self, *, queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)


class OnTopics(Freight):
    """Over durable subscriptions alone, where a message has several consumers."""

    def __init__(self, *, queue: PubSubPersistent, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)


class OnGroups(Freight):
    """Over groups alone."""

    def __init__(self, *, queue: StreamConsumerGroups, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)
