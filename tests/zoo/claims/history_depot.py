"""A claim check as a depot: a slip tells of the object beside the payload, an upload of bytes is tried again, leases are renewed
while a consumer takes its time, and what is closed sends away whoever still waits at a counter."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, cast

from prism_patterns.claim_check import (
    Claim,
    ClaimCheck,
    ClaimCheckConfig,
    ClaimConsumer,
    Receipt,
    Swept,
)
from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    AccessDenied,
    BackendUnavailable,
    ConfigError,
    Drained,
    Health,
    InvalidName,
    NotFound,
    ObjectMetadata,
    ObjectStorage,
    ObjectStorageConditional,
    PayloadTooLarge,
    PrismError,
    PubSubPersistent,
    QueueVisibility,
    QuotaExceeded,
    StreamBasic,
)
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.pattern import offers

from .history_broom import Broom
from .history_counter import Counter, Pieces
from .history_desk import Desk
from .history_packing import Packing, Unpacking, bytes_like
from .history_slips import Headers, Slip
from .history_ways import Groups, HasAcks, Leases, Queue, Stand, Topics, Way, way_of

__all__ = ["REFUSALS", "Depot", "DepotOnLogs", "DepotOnQueues", "DepotOnTopics"]

REFUSALS = (PayloadTooLarge, AccessDenied, InvalidName, NotFound, QuotaExceeded, ValueError, TypeError)


class Depot(ClaimCheck):
    """The depot."""

    counter_type: type[Counter] = Counter
    broom_type: type[Broom] = Broom
    headers_type: type[Headers] = Headers
    packing_type: type[Packing] = Packing
    unpacking_type: type[Unpacking] = Unpacking
    sweeps_every_s = 600.0
    uploads = 2

    def __init__(
        self, *, queue: Queue, store: ObjectStorage | ObjectStorageConditional, config: ClaimCheckConfig, clock: Clock
    ) -> None:
        self.store = store
        self.config = config
        self.clock = clock
        self.desk = Desk(clock)
        self.headers = self.headers_type(config.claim_check_field)
        self._queue = queue
        self._way: Way | None = None
        self._worker: asyncio.Task[None] | None = None
        self._stands: set[Stand] = set()
        self._trouble = ""

    async def __aenter__(self) -> Self:
        self._way = self.checked()
        await self.store.create_bucket(self.config.bucket)
        await self.agree()
        self.desk.opened = True
        self._worker = asyncio.create_task(self.sweep_now_and_then())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def checked(self) -> Way:
        config, way = self.config, way_of(self._queue, self.clock)
        if way is None:
            raise ConfigError(f"slot queue: {type(self._queue).__name__} is no queue that a claim check can use")
        if not offers(self.store, ObjectStorage):
            raise ConfigError(f"slot store: {type(self.store).__name__} does not offer ObjectStorage")
        if config.cleanup == "on_ack":
            if not isinstance(way, HasAcks):
                raise ConfigError("cleanup on_ack: this queue has no acks")
            if isinstance(way, Topics) and not config.consumers:
                raise ConfigError("cleanup on_ack: a durable topic needs consumers, the names of those who must ack")
            if isinstance(way, Leases) and len(config.consumers) > 1:
                raise ConfigError("cleanup on_ack: a message of a queue has one consumer, so that two names would mean never")
            assert isinstance(way, Topics | Groups | Leases)
        return way

    def key(self, name: str) -> str:
        return f"{self.config.prefix}/{name}"

    async def agree(self) -> None:
        mine = {"compression": self.config.compression, "checksum": self.config.checksum, "max_age_s": self.config.max_age_s}
        text = json.dumps(mine, sort_keys=True).encode()
        bucket, key = self.config.bucket, self.key("_config")
        if offers(self.store, ObjectStorageConditional):
            await cast(ObjectStorageConditional, self.store).put_if_absent(bucket, key, text)
        elif await self.store.get(bucket, key) is None:
            await self.store.put(bucket, key, text)
        theirs = await self.store.get(bucket, key)
        if theirs != text:
            said = "nothing" if theirs is None else theirs.decode(errors="replace")
            raise ConfigError(f"{bucket!r}/{key!r}: this instance has {text.decode()}, the others have {said}")

    async def now_ms(self) -> int:
        return (await self.store.put(self.config.bucket, self.key("_clock"), b"")).last_modified_ms

    def way(self) -> Way:
        assert self._way is not None
        return self._way

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        async with self.desk.call("publish", new=True):
            head, rest = await self.begun(payload)
            if rest is None:
                return Receipt(await self.way().send(topic, bytes(head), self.headers.outward(headers, 0)), None)
            key = self.key(self.new_name(head, rest))
            room = len(self.config.claim_check_field.encode(errors="surrogatepass"))
            outward = self.headers.outward(headers, room + Slip.longest(self.config.bucket, key, self.config.compression))
            slip = await self.stored(key, head, rest)
            return await self.sent(topic, outward, slip)

    def new_name(self, head: bytes, rest: AsyncIterator[Bytes]) -> str:
        return secrets.token_hex(16)

    async def begun(self, payload: Bytes | AsyncIterable[Bytes]) -> tuple[bytes, AsyncIterator[Bytes] | None]:
        """Return the payload and None if it travels inline, else its beginning and the rest."""
        threshold = self.config.threshold
        if isinstance(payload, bytes | bytearray | memoryview):
            data = bytes(payload)
            return data, (Pieces() if len(data) > threshold else None)
        if not isinstance(payload, AsyncIterable):
            raise TypeError(f"a payload is bytes-like or an async iterable of such, not {type(payload).__name__}")
        head, rest = bytearray(), aiter(payload)
        async for chunk in rest:
            head += bytes_like(chunk)
            if len(head) > threshold:
                return bytes(head), rest
        return bytes(head), None

    async def stored(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> Slip:
        config = self.config
        packing, metadata = await self.uploaded(key, head, rest)
        stored_ms, checksum = metadata.last_modified_ms, f"sha256:{packing.plain.digest}"
        claim = Claim(config.bucket, key, packing.plain.size, checksum, config.compression, stored_ms)
        return Slip(claim, packing.packed.size, packing.packed.digest)

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        """Upload a payload; bytes, which can be had again, are tried again."""
        tries = self.uploads if isinstance(rest, Pieces) else 1
        while True:
            packing = self.packing_type(self.config.compression)
            try:
                metadata = await self.store.put_stream(self.config.bucket, key, packing.pieces(head, rest))
            except BackendUnavailable:
                tries -= 1
                if not tries:
                    raise
                await self.clock.sleep(0.1)
            else:
                return packing, metadata

    async def sent(self, topic: str, outward: dict[str, str], slip: Slip) -> Receipt:
        try:
            message_id = await self.way().send(topic, b"", self.headers.with_slip(outward, slip.written()))
        except REFUSALS:
            await self.take_back(slip.claim)
            raise
        return Receipt(message_id, slip.claim)

    async def take_back(self, claim: Claim) -> None:
        with contextlib.suppress(PrismError):  # then a sweep removes it by its age
            await self.store.delete(claim.bucket, claim.key)

    def consume(self, topic: str, consumer: str) -> AbstractAsyncContextManager[ClaimConsumer]:
        return self._consume(topic, consumer)

    @contextlib.asynccontextmanager
    async def _consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        self.desk.check("consume")
        async with self.way().stand(topic, consumer) as stand:
            counter = self.counter_type(self, stand, topic, consumer)
            self._stands.add(stand)
            try:
                yield counter
            finally:
                counter.left = True
                self._stands.discard(stand)

    async def sweep(self) -> Swept:
        async with self.desk.call("sweep"):
            return await self.swept()

    async def swept(self) -> Swept:
        if self.config.cleanup == "retain":
            return Swept()
        try:
            found = await self.broom(await self.now_ms()).sweep()
        except Exception as error:
            self._trouble = f"a sweep failed: {error}"
            raise
        self._trouble = ""
        return found

    def broom(self, now_ms: int) -> Broom:
        return self.broom_type(self.store, self.config, now_ms)

    async def sweep_now_and_then(self) -> None:
        while True:
            await self.clock.sleep(self.sweeps_every_s)
            with contextlib.suppress(PrismError):  # health tells of it
                await self.swept()

    async def health(self) -> Health:
        if self.desk.closed or self.desk.drained or not self.desk.opened:
            return Health("unhealthy", "it takes no work")
        return Health("degraded", self._trouble) if self._trouble else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        return await self.desk.drain(timeout_s)

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        await self.desk.close()
        for stand in list(self._stands):
            await stand.rest()


class DepotOnQueues(Depot):
    """Over queues alone: what goes wrong everywhere is seen on one binding as well as on ten."""

    def __init__(self, *, queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)


class DepotOnTopics(Depot):
    """Over durable subscriptions alone, where a message has several consumers."""

    def __init__(self, *, queue: PubSubPersistent, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)


class DepotOnLogs(Depot):
    """Over plain streams alone, where what is given back waits at the counter."""

    def __init__(self, *, queue: StreamBasic, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)
