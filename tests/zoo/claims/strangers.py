"""A claim check written from the docstring of the contract alone: one lease per message, one listing per sweep."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from types import TracebackType
from typing import Self

from prism_patterns.claim_check import Claim, ClaimCheck, ClaimCheckConfig, Receipt, Swept
from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    AccessDenied,
    Bytes,
    Closed,
    ConfigError,
    InvalidName,
    NotFound,
    ObjectStorage,
    PayloadTooLarge,
    PrismError,
    QueueVisibility,
    QuotaExceeded,
)
from prism_testkit.interfaces.lifecycle import Drained, Health

from .stranger_codec import PIECE, Check, escape, pack, write_reference
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep

__all__ = ["AGREED", "REFUSED", "SWEEP_EVERY_S", "StrangeClaimCheck", "sliced"]

REFUSED = (PayloadTooLarge, AccessDenied, InvalidName, NotFound, QuotaExceeded, ValueError, TypeError)
HEADERS_BYTES = 8192
AGREED = ("compression", "checksum", "max_age_s")
SWEEP_EVERY_S = 3600


class StrangeClaimCheck(ClaimCheck):
    """Every object is streamed, every message leased for a minute; a sweep is one listing."""

    consumer_type = StrangeConsumer
    sweep_type = Sweep
    refusals: tuple[type[BaseException], ...] = REFUSED
    agreed: tuple[str, ...] = AGREED

    def __init__(self, *, queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        self.queue = queue
        self.store = store
        self.config = config
        self.clock = clock
        self.closed = False
        self.draining = False
        self.failure = ""
        self.in_hand: set[asyncio.Task[Receipt]] = set()
        self.worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.check_config()
        await self.store.create_bucket(self.config.bucket)
        await self.agree()
        if self.config.cleanup != "retain":
            self.worker = asyncio.create_task(self.work())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def check_config(self) -> None:
        if self.config.cleanup == "on_ack" and len(self.config.consumers) > 1:
            raise ConfigError(f"a message of a queue has one consumer, and on_ack would wait for {self.config.consumers}")

    async def agree(self) -> None:
        """Compare with what the first one wrote."""
        key = f"{self.config.prefix}/_config"
        mine = {name: getattr(self.config, name) for name in self.agreed}
        if await self.store.get(self.config.bucket, key) is None:
            await self.store.put(self.config.bucket, key, json.dumps(mine).encode())
        found = await self.store.get(self.config.bucket, key)
        theirs = mine if found is None else json.loads(found)
        self.compare(mine, theirs)

    def compare(self, mine: dict[str, object], theirs: dict[str, object]) -> None:
        differences = [f"{name}: {mine[name]!r} here, {theirs[name]!r} there" for name in self.agreed if mine[name] != theirs[name]]
        if differences:
            raise ConfigError(f"{self.config.bucket}/{self.config.prefix} is used otherwise: {'; '.join(differences)}")

    async def work(self) -> None:
        while True:
            await self.clock.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
                self.failure = ""
            except PrismError as error:
                self.failure = f"sweep: {error}"

    def check_open(self) -> None:
        if self.closed:
            raise Closed("the claim check is closed")

    async def health(self) -> Health:
        return Health("degraded", self.failure) if self.failure else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        self.draining = True
        tasks = set(self.in_hand)
        if not tasks:
            return Drained(0, 0)
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return Drained(len(tasks) - len(late), len(late))

    async def close(self) -> None:
        self.closed = True
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        self.check_open()
        if self.draining:
            raise Closed("the claim check is drained")
        task = asyncio.create_task(self.published(topic, payload, headers))
        self.in_hand.add(task)
        task.add_done_callback(self.in_hand.discard)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        return task.result()

    async def published(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        escaped = self.escaped(checked(headers))
        pieces = self.sliced(payload)
        head: list[bytes] = []
        async for piece in pieces:
            head.append(piece)
            if self.is_large(head):
                return await self.claimed(topic, chained(head, pieces), escaped)
        return Receipt(await self.queue.enqueue(topic, b"".join(head), escaped), None)

    def is_large(self, head: list[bytes]) -> bool:
        return sum(map(len, head)) > self.config.threshold

    def sliced(self, payload: Bytes | AsyncIterable[Bytes]) -> AsyncIterator[bytes]:
        return sliced(payload)

    def escaped(self, headers: dict[str, str]) -> dict[str, str]:
        return escape(headers, self.config.claim_check_field)

    async def claimed(self, topic: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Receipt:
        key = self.new_key()
        self.check_room(headers, key)
        claim = await self.upload(key, pieces)
        try:
            return Receipt(await self.refer(topic, claim, headers), claim)
        except self.refusals:
            await self.take_back(claim)
            raise

    async def take_back(self, claim: Claim) -> None:
        # The refusal is what the caller has to know; what cannot be removed now goes by its age.
        with contextlib.suppress(PrismError):
            await self.store.delete(claim.bucket, claim.key)

    def new_key(self) -> str:
        return f"{self.config.prefix}/{uuid.uuid4().hex}"

    def check_room(self, headers: dict[str, str], key: str) -> None:
        reference = self.reference(Claim(self.config.bucket, key, 0, Check().checksum, self.config.compression, 0))
        used = weight(headers)
        ours = weight({self.config.claim_check_field: reference})
        if used + ours > HEADERS_BYTES:
            raise PayloadTooLarge(f"headers of {used} bytes leave no room for the reference to a claim, which takes {ours}")

    def reference(self, claim: Claim) -> str:
        return write_reference(claim)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        check = Check()

        async def watched() -> AsyncIterator[bytes]:
            async for piece in pieces:
                check.feed(piece)
                yield piece

        stored = await self.store.put_stream(self.config.bucket, key, pack(watched(), self.config.compression))
        return Claim(self.config.bucket, key, check.size, check.checksum, self.config.compression, stored.last_modified_ms)

    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        return await self.queue.enqueue(
            topic, self.beside(claim), {**headers, self.config.claim_check_field: self.reference(claim)}
        )

    def beside(self, claim: Claim) -> bytes:
        """Return what travels beside the reference: nothing."""
        return b""

    @contextlib.asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[StrangeConsumer]:
        self.check_open()
        if not consumer:
            raise InvalidName("consume: a consumer has a name")
        yield self.consumer_type(self, topic, consumer)

    async def now_ms(self) -> int:
        return (await self.store.put(self.config.bucket, f"{self.config.prefix}/_clock", b"")).last_modified_ms

    async def sweep(self) -> Swept:
        self.check_open()
        if self.config.cleanup == "retain":
            return Swept()
        try:
            swept = await self.sweep_type(self.store, self.config, await self.now_ms()).run()
        except PrismError as error:
            self.failure = f"sweep: {error}"
            raise
        self.failure = ""
        return swept


def checked(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Copy headers; ``TypeError`` for what are none."""
    copied = dict(headers or {})
    if not all(isinstance(text, str) for pair in copied.items() for text in pair):
        raise TypeError(f"headers map str to str, found {headers!r:.80}")
    return copied


def weight(headers: dict[str, str]) -> int:
    return sum(len(text.encode(errors="surrogatepass")) for pair in headers.items() for text in pair)


async def sliced(payload: Bytes | AsyncIterable[Bytes]) -> AsyncIterator[bytes]:
    """Yield a payload in pieces, each a copy."""
    if isinstance(payload, bytes | bytearray | memoryview):
        whole = bytes(payload)
        for at in range(0, len(whole), PIECE):
            yield whole[at : at + PIECE]
        return
    if not isinstance(payload, AsyncIterable):
        raise TypeError(f"a payload is bytes or an async iterable of them, found {type(payload).__name__}")
    async for chunk in payload:
        async for piece in sliced(chunk):
            yield piece


async def chained(head: list[bytes], tail: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while head:
        yield head.pop(0)
    async for piece in tail:
        yield piece
