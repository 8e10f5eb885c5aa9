"""A claim check by an author of his own: right, and of other parts than the one that is shipped.

Every step is a method, so that a wrong one replaces one of them.
"""

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import prism_testkit as prism
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
from prism_testkit.interfaces import (
    AccessDenied,
    Closed,
    ConfigError,
    CorruptPayload,
    InvalidName,
    NotFound,
    ObjectStorage,
    ObjectStorageConditional,
    PayloadTooLarge,
    PubSubBasic,
    PubSubPersistent,
    QueueVisibility,
    QuotaExceeded,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.lifecycle import Drained, Health
from prism_testkit.naming import HEADER_NAME_BYTES, HEADERS_BYTES, check_headers

from .independent_brokers import Post, Reader, broker_of
from .independent_codec import PIECE, Squeezer, Stretcher, Sums
from .independent_sweep import Sweep

__all__ = ["OwnClaimCheck", "OwnConsumer"]

REFUSALS = (PayloadTooLarge, AccessDenied, InvalidName, NotFound, QuotaExceeded, ValueError, TypeError)
EVERY_S = 300.0
Queue = PubSubPersistent | StreamConsumerGroups | QueueVisibility | StreamBasic | PubSubBasic


class OwnConsumer(ClaimConsumer):
    """What is entered. ``confirmed`` are deliveries whose ack the broker has, be their marker written or not."""

    def __init__(self, owner: "OwnClaimCheck", topic: str, name: str, reader: Reader) -> None:
        self.owner, self.topic, self.name, self.reader = owner, topic, name, reader
        self.left = False
        self.confirmed: list[Post] = []

    def usable(self) -> None:
        self.owner.usable()
        if self.left:
            raise Closed("claims: this consumer was left")

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        self.usable()
        post = await self.reader.receive(timeout_s)
        return None if post is None else self.delivery(post)

    def delivery(self, post: Post) -> ClaimDelivery:
        claim = self.owner.claim_in(post.headers)
        return ClaimDelivery(post.id, self.topic, self.owner.unescaped(post.headers), claim, post.count, post)

    async def read(self, delivery: ClaimDelivery) -> bytes:
        return b"".join([chunk async for chunk in self.chunks(delivery)])

    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        self.usable()
        if delivery.claim is None:
            if self.owner.config.claim_check_field in delivery.handle.headers:
                raise CorruptPayload("claims: the message has a reference that cannot be read")
            yield delivery.handle.payload
            return
        async for chunk in self.owner.fetched(delivery.claim):
            yield chunk

    async def ack(self, delivery: ClaimDelivery) -> None:
        self.usable()
        if not any(post is delivery.handle for post in self.confirmed):
            await self.reader.ack(delivery.handle)
            self.confirmed.append(delivery.handle)
        if delivery.claim is not None:
            await self.owner.mark(delivery.claim, self.name)

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        self.usable()
        await self.reader.nack(delivery.handle, delay_s)


class OwnClaimCheck(ClaimCheck):
    """The claim check."""

    Consuming: type[OwnConsumer] = OwnConsumer
    Sweeping: type[Sweep] = Sweep
    refusals: tuple[type[BaseException], ...] = REFUSALS
    whole = True
    """Whether an object has to be there up to its last byte."""

    def __init__(
        self, *, queue: Queue, store: ObjectStorage | ObjectStorageConditional, config: ClaimCheckConfig, clock: prism.Clock
    ) -> None:
        self.store, self.config, self.clock = store, config, clock
        self.broker = broker_of(queue, clock)
        self.state = "new"
        self.worker: asyncio.Task[None] | None = None
        self.sick = ""
        self.in_hand: set[asyncio.Task[Receipt]] = set()

    # Beginning and ending.

    async def __aenter__(self) -> Self:
        if self.state != "new":
            raise Closed("claims: it was entered before")
        self.fits()
        await self.store.create_bucket(self.config.bucket)
        await self.agrees()
        self.state = "open"
        if self.config.cleanup != "retain":
            self.worker = asyncio.create_task(self.sweep_now_and_then())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def fits(self) -> None:
        c = self.config
        if c.cleanup == "on_ack":
            if self.broker.forgets:
                raise ConfigError("claims: cleanup on_ack needs a queue with acks, this one has none")
            if prism.offers(self.broker.queue, PubSubPersistent) and not c.consumers:
                raise ConfigError("claims: cleanup on_ack over PubSubPersistent needs consumers")
            if self.broker.one_consumer and len(c.consumers) > 1:
                raise ConfigError("claims: on QueueVisibility a message has one consumer, two would mean never")
        if c.compression == "zstd":
            try:
                import zstandard  # noqa: F401
            except ImportError as error:
                raise ConfigError("claims: compression zstd needs prism-testkit[zstd]") from error

    def agreed(self) -> dict[str, Any]:
        return {name: getattr(self.config, name) for name in ("compression", "checksum", "max_age_s")}

    async def agrees(self) -> None:
        at, mine = (self.config.bucket, f"{self.config.prefix}/_config"), json.dumps(self.agreed(), sort_keys=True).encode()
        if prism.offers(self.store, ObjectStorageConditional):
            await self.store.put_if_absent(*at, mine)  # type: ignore[union-attr]
        elif await self.store.get(*at) is None:
            await self.store.put(*at, mine)
        theirs = await self.store.get(*at)
        if theirs is not None and json.loads(theirs) != json.loads(mine):
            raise ConfigError(
                f"claims: {at[0]}/{self.config.prefix} is kept with {theirs.decode()}, this one wants {mine.decode()}"
            )

    def usable(self) -> None:
        if self.state not in ("open", "draining"):
            raise Closed(f"claims: it is {self.state}")

    async def close(self) -> None:
        self.state = "closed"
        for task in [*self.in_hand, *([self.worker] if self.worker else [])]:
            task.cancel()
            with suppress(BaseException):
                await asyncio.wait([task])
        self.worker = None

    async def drain(self, timeout_s: float) -> Drained:
        prism.check_seconds(timeout_s, "drain", "claims")
        if self.state == "open":
            self.state = "draining"
        if not self.in_hand:
            return Drained(0, 0)
        done, late = await asyncio.wait(set(self.in_hand), timeout=max(0.0, timeout_s))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return Drained(len(done), len(late))

    async def health(self) -> Health:
        if self.state != "open":
            return Health("unhealthy", f"it is {self.state}")
        return Health("degraded", self.sick) if self.sick else Health("healthy")

    # Publishing.

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        if self.state != "open":
            raise Closed(f"claims: it is {self.state}")
        task = asyncio.ensure_future(self.sent(topic, payload, headers))
        self.in_hand.add(task)
        task.add_done_callback(self.in_hand.discard)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        if task.cancelled():
            raise Closed("claims: it was ended while this was under way")
        return task.result()

    async def sent(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        escaped = self.escaped(check_headers(headers, "publish", "claims"))
        first, rest = await self.begun(payload)
        if rest is None and len(first) <= self.config.threshold:
            return Receipt(await self.broker.send(topic, first, escaped), None)
        self.room(escaped, self.reference(Claim(self.config.bucket, self.new_key(), 10**15, Sums().checksum, "none", 10**13)))
        claim = await self.upload(first, rest)
        said = escaped | {self.config.claim_check_field: self.reference(claim)}
        try:
            return Receipt(await self.broker.send(topic, b"", said), claim)
        except self.refusals as refusal:
            await self.refused(claim, refusal)
            raise

    async def refused(self, claim: Claim, refusal: BaseException) -> None:
        try:
            await self.store.delete(claim.bucket, claim.key)
        except Exception as error:
            refusal.add_note(f"claims: the object {claim.key} was left to the sweeper: {error}")

    async def begun(self, payload: Bytes | AsyncIterable[Bytes]) -> tuple[bytes, AsyncIterator[Bytes] | None]:
        """Return so much of the payload as tells whether it is claimed, and the rest if there is one."""
        if isinstance(payload, bytes | bytearray | memoryview):
            return bytes(payload), None
        if not isinstance(payload, AsyncIterable):
            raise TypeError(f"claims: a payload is bytes or an async iterator of them, not {type(payload).__name__}")
        source, parts, size = aiter(payload), [], 0
        async for part in source:
            parts.append(self.chunk(part))
            size += len(parts[-1])
            if size > self.config.threshold:
                return b"".join(parts), source
        return b"".join(parts), None

    def chunk(self, part: Bytes) -> bytes:
        if not isinstance(part, bytes | bytearray | memoryview):
            raise TypeError(f"claims: a chunk is bytes, not {type(part).__name__}")
        return bytes(part)

    def new_key(self) -> str:
        return f"{self.config.prefix}/{secrets.token_hex(16)}"

    async def upload(self, first: bytes, rest: AsyncIterator[Bytes] | None) -> Claim:
        key, sums = self.new_key(), Sums()
        told = await self.store.put_stream(self.config.bucket, key, self.squeezed(first, rest, sums))
        return Claim(self.config.bucket, key, sums.size, sums.checksum, self.config.compression, told.last_modified_ms)

    async def squeezed(self, first: bytes, rest: AsyncIterator[Bytes] | None, sums: Sums) -> AsyncIterator[bytes]:
        squeezer = Squeezer(self.config.compression)
        for at in range(0, len(first), PIECE):
            yield squeezer.feed(sums.add(first[at : at + PIECE]))
        if rest is not None:
            async for part in rest:
                yield squeezer.feed(sums.add(self.chunk(part)))
        yield squeezer.end()

    # Headers.

    def escaped(self, headers: Mapping[str, str]) -> dict[str, str]:
        out = {self.quoted(name): value for name, value in headers.items()}
        self.room(out, None)
        return out

    def quoted(self, name: str) -> str:
        more = f"{name}'" if re.fullmatch(re.escape(self.config.claim_check_field) + "'*", name) else name
        if len(more.encode()) > HEADER_NAME_BYTES:
            raise PayloadTooLarge(f"claims: header {name[:40]!a} is named as the reference is, and has no room to be escaped")
        return more

    def room(self, headers: Mapping[str, str], reference: str | None) -> None:
        size = sum(len(name.encode()) + len(value.encode()) for name, value in headers.items())
        if reference is not None:
            size += len(self.config.claim_check_field.encode()) + len(reference.encode())
        if size > HEADERS_BYTES:
            raise PayloadTooLarge(f"claims: the headers leave no room: {size} bytes with what is added, of {HEADERS_BYTES}")

    def unescaped(self, headers: Mapping[str, str]) -> dict[str, str]:
        pattern = re.escape(self.config.claim_check_field) + "'+"
        return {
            name[:-1] if re.fullmatch(pattern, name) else name: value
            for name, value in headers.items()
            if name != self.config.claim_check_field
        }

    def reference(self, claim: Claim) -> str:
        return json.dumps(asdict(claim), ensure_ascii=False, separators=(",", ":"))

    def claim_in(self, headers: Mapping[str, str]) -> Claim | None:
        text = headers.get(self.config.claim_check_field)
        try:
            claim = None if text is None else Claim(**json.loads(text))
        except (ValueError, TypeError):
            return None
        return claim if claim is None or type(claim.size) is type(claim.stored_ms) is int else None

    # Fetching.

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        sums, stretcher = Sums(), Stretcher(claim.compression, self.whole)
        source = aiter(self.store.get_stream(claim.bucket, claim.key))
        while True:
            try:
                data = await anext(source)
            except StopAsyncIteration:
                break
            except NotFound as error:
                raise await self.absent(claim) from error
            for much in stretcher.feed(data):
                sums.add(much)
                if sums.size > claim.size:
                    raise CorruptPayload(f"claims: {claim.key} is longer than the {claim.size} bytes it was")
                for at in range(0, len(much), PIECE):
                    yield much[at : at + PIECE]
        if last := sums.add(stretcher.end()):
            yield last
        self.verify(claim, sums)

    def verify(self, claim: Claim, sums: Sums) -> None:
        if (sums.size, sums.checksum) != (claim.size, claim.checksum):
            raise CorruptPayload(
                f"claims: {claim.key} is {sums.size} bytes, {sums.checksum}; {claim.size}, {claim.checksum} were put"
            )

    async def absent(self, claim: Claim) -> Exception:
        age_ms = await self.store_now() - claim.stored_ms
        said = f"claims: {claim.bucket}/{claim.key}, {age_ms / 1000} s old, is not there"
        return ClaimExpired(said) if age_ms > self.config.max_age_s * 1000 else ClaimNotFound(said)

    async def store_now(self) -> int:
        """Return now by the store's clock."""
        return (await self.store.put(self.config.bucket, f"{self.config.prefix}/_clock", b"")).last_modified_ms

    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        self.usable()
        async with self.broker.read(topic, consumer) as reader:
            entered = self.Consuming(self, topic, consumer, reader)
            try:
                yield entered
            finally:
                entered.left = True

    # Acks and removal.

    def marker_name(self, consumer: str) -> str:
        data = consumer.encode()
        return consumer if len(data) <= 100 and consumer[0] != "#" else f"#{hashlib.sha256(data).hexdigest()}"

    async def mark(self, claim: Claim, consumer: str) -> None:
        await self.store.put(claim.bucket, f"{claim.key}.acks/{self.marker_name(consumer)}", b"")

    async def sweep_now_and_then(self) -> None:
        while True:
            await self.clock.sleep(EVERY_S)
            with suppress(Exception):
                await self.sweep()

    async def sweep(self) -> Swept:
        self.usable()
        if self.config.cleanup == "retain":
            return Swept()
        try:
            swept = await self.Sweeping(self).run()
        except Exception as error:
            self.sick = f"the last sweep failed: {error}"
            raise
        self.sick = ""
        return swept
