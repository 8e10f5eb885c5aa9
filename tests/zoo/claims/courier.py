"""A claim check by one more author: parcels over a counter, and what does not fit goes to the store. It is right.

What may be done otherwise is a method, so that a wrong one replaces one of them.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import prism_testkit as prism
from prism_patterns.claim_check import Claim, ClaimCheck, ClaimCheckConfig, ClaimConsumer, Receipt, Swept
from prism_testkit.interfaces import (
    AccessDenied,
    Bytes,
    Closed,
    ConfigError,
    InvalidName,
    NotFound,
    ObjectStorage,
    ObjectStorageConditional,
    PayloadTooLarge,
    PrismError,
    PubSubPersistent,
    QueueVisibility,
    QuotaExceeded,
)
from prism_testkit.interfaces.lifecycle import Drained, Health
from prism_testkit.interfaces.pubsub import PubSubBasic
from prism_testkit.interfaces.stream import StreamBasic, StreamConsumerGroups

from .courier_codec import PACKINGS, PIECE, Slip, Zstd
from .courier_lines import line_of
from .courier_parts import ID, Broom, Counter

__all__ = ["REFUSALS", "Courier"]

REFUSALS = (PayloadTooLarge, AccessDenied, InvalidName, NotFound, QuotaExceeded, ValueError, TypeError)


class Courier(ClaimCheck):
    """The whole of it; what may be done otherwise is a method."""

    every_s = 30.0
    counter_type: type[Counter] = Counter
    broom_type: type[Broom] = Broom
    slip_type: type[Slip] = Slip

    def __init__(
        self,
        *,
        queue: PubSubPersistent | StreamConsumerGroups | QueueVisibility | StreamBasic | PubSubBasic,
        store: ObjectStorage,
        config: ClaimCheckConfig,
        clock: prism.Clock,
    ) -> None:
        self.line = line_of(queue, clock)
        self.queue, self.store, self.config, self.clock = queue, store, config, clock
        self.slip = self.slip_type()
        self.state = "new"
        self.worker: asyncio.Task[None] | None = None
        self.sending: set[asyncio.Task[Any]] = set()
        self.trouble = ""
        self.notes: dict[str, Any] = {}
        """Room for what a wrong one keeps."""

    # beginning and ending

    async def __aenter__(self) -> Self:
        if self.state != "new":
            raise Closed("courier: it was open before")
        self.check_slots()
        await self.store.create_bucket(self.config.bucket)
        await self.agree()
        self.state = "open"
        if self.config.cleanup != "retain":
            self.worker = asyncio.create_task(self.work())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        self.state = "closed"
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])

    async def work(self) -> None:
        while True:
            await self.clock.sleep(self.every_s)
            try:
                await self.sweep()
            except Closed:
                return
            except (PrismError, OSError):
                continue  # health tells

    def check_slots(self) -> None:
        config = self.config
        if config.cleanup == "on_ack":
            if not self.line.acks:
                raise ConfigError(f"courier: on_ack needs acks, and {type(self.queue).__name__} has none")
            if prism.offers(self.queue, PubSubPersistent) and not config.consumers:
                raise ConfigError("courier: on_ack over PubSubPersistent needs consumers, by name")
            if not self.line.shared and len(config.consumers) > 1:
                raise ConfigError("courier: a message of a queue has one consumer, so on_ack cannot wait for several")
        if config.compression == "zstd":
            try:
                Zstd()
            except ImportError as error:
                raise ConfigError("courier: zstd is not installed") from error

    def terms(self) -> dict[str, Any]:
        return {name: getattr(self.config, name) for name in ("compression", "checksum", "max_age_s")}

    async def agree(self) -> None:
        where = self.config.bucket, f"{self.config.prefix}/_config"
        mine = self.terms()
        said = json.dumps(mine).encode()
        found = await self.store.get(*where)
        if found is None:
            if prism.offers(self.store, ObjectStorageConditional):
                await self.store.put_if_absent(*where, said)  # type: ignore[attr-defined]
            else:
                await self.store.put(*where, said)
            found = await self.store.get(*where)
        try:
            theirs = json.loads(found or b"")
        except ValueError as error:
            raise ConfigError(f"courier: {where} holds no agreement: {found!r:.60}") from error
        if theirs != mine:
            raise ConfigError(f"courier: this one has {mine}, those who share {where} have {theirs}")

    async def health(self) -> Health:
        if self.state != "open":
            return Health("unhealthy", f"courier: {self.state}")
        return Health("degraded", self.trouble) if self.trouble else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        if self.state == "open":
            self.state = "draining"
        tasks = set(self.sending) - {asyncio.current_task()}
        end_s = self.clock.now_s() + max(0.0, timeout_s)
        while tasks & self.sending and self.clock.now_s() < end_s:
            await self.clock.sleep(min(0.01, end_s - self.clock.now_s()))
        late = tasks & self.sending
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return Drained(len(tasks) - len(late), len(late))

    def alive(self) -> None:
        if self.state in ("new", "closed"):
            raise Closed(f"courier: it is {self.state}")

    # sending

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        self.alive()
        if self.state == "draining":
            raise Closed("courier: it takes nothing new")
        task = asyncio.current_task()
        assert task is not None
        first = task not in self.sending
        self.sending.add(task)
        try:
            return await self.post(topic, payload, headers)
        finally:
            if first:
                self.sending.discard(task)

    async def post(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None) -> Receipt:
        prism.check_name(topic, "publish", "courier", prism.Limits())
        sent = self.escape(prism.check_headers(headers, "publish", "courier"))
        if isinstance(payload, bytes | bytearray | memoryview):
            data = bytes(payload)
            if len(data) <= self.config.threshold:
                return Receipt(await self.line.send(topic, data, sent), None)
            self.check_room(sent)
            claim = await self.store_whole(data)
        elif isinstance(payload, AsyncIterable):
            self_or_claim = await self.take_in(payload, sent)
            if isinstance(self_or_claim, bytes):
                return Receipt(await self.line.send(topic, self_or_claim, sent), None)
            claim = self_or_claim
        else:
            raise TypeError(f"courier: publish: a payload is bytes-like or an async iterable, not {type(payload).__name__}")
        return await self.refer(topic, claim, sent)

    def is_ours(self, name: str) -> bool:
        """The header's own name, or that with quotes behind it."""
        return name.rstrip("'") == self.config.claim_check_field.rstrip("'") and name.startswith(self.config.claim_check_field)

    def escape(self, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {name + "'" if self.is_ours(name) else name: value for name, value in headers.items()}
        if any(len(name.encode()) > 512 for name in sent) or self.weight(sent) > 8192:
            raise PayloadTooLarge(f"courier: no room to escape the header {self.config.claim_check_field!r}")
        return sent

    def unescape(self, headers: Mapping[str, str]) -> dict[str, str]:
        field = self.config.claim_check_field
        return {name[:-1] if name != field and self.is_ours(name) else name: v for name, v in headers.items() if name != field}

    def weight(self, headers: Mapping[str, str]) -> int:
        return sum(len(name.encode()) + len(value.encode()) for name, value in headers.items())

    def check_room(self, headers: Mapping[str, str]) -> None:
        most = Claim(self.config.bucket, self.new_key(), 10**18, f"sha256:{64 * 'f'}", self.config.compression, 10**14)
        used = self.weight(headers) + len(self.config.claim_check_field.encode()) + len(self.slip.write(most).encode())
        if used > 8192:
            raise PayloadTooLarge(f"courier: headers leave no room for the reference to a claim: {used} bytes of 8192")

    def new_key(self) -> str:
        return f"{self.config.prefix}/{secrets.token_hex(ID // 2)}"

    async def take_in(self, chunks: AsyncIterable[Bytes], sent: Mapping[str, str]) -> bytes | Claim:
        """Return a payload that turned out to be short, or the claim of one that did not."""
        held, size = [], 0
        source = aiter(chunks)
        async for chunk in source:
            held.append(bytes(chunk))
            size += len(held[-1])
            if size > self.config.threshold:
                break
        else:
            return b"".join(held)
        self.check_room(sent)

        async def all_of_it() -> AsyncIterator[bytes]:
            while held:
                yield held.pop(0)
            async for chunk in source:
                yield bytes(chunk)

        return await self.upload(all_of_it())

    async def store_whole(self, data: bytes) -> Claim:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(data), PIECE):
                yield data[at : at + PIECE]

        return await self.upload(pieces())

    async def upload(self, chunks: AsyncIterator[bytes]) -> Claim:
        key = self.new_key()
        digest, size = hashlib.sha256(), 0

        async def squeezed() -> AsyncIterator[bytes]:
            nonlocal size
            press = PACKINGS[self.config.compression]().squeeze()
            async for chunk in chunks:
                for at in range(0, len(chunk), PIECE):
                    piece = chunk[at : at + PIECE]
                    digest.update(piece)
                    size += len(piece)
                    if out := press.compress(piece):
                        yield out
            if out := press.flush():
                yield out

        stored = await self.store.put_stream(self.config.bucket, key, squeezed())
        return Claim(
            self.config.bucket, key, size, f"sha256:{digest.hexdigest()}", self.config.compression, stored.last_modified_ms
        )

    async def refer(self, topic: str, claim: Claim, sent: Mapping[str, str]) -> Receipt:
        try:
            number = await self.line.send(topic, b"", {**sent, self.config.claim_check_field: self.slip.write(claim)})
        except REFUSALS as refusal:
            await self.withdraw(claim, refusal)
            raise
        return Receipt(number, claim)

    async def withdraw(self, claim: Claim, refusal: BaseException) -> None:
        try:
            await self.store.delete(claim.bucket, claim.key)
        except PrismError as error:
            refusal.add_note(f"courier: {claim.key} was not removed: {error}")

    # receiving

    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        self.alive()
        prism.check_name(consumer, "consume", "courier", prism.Limits())
        async with self.line.desk(topic, consumer) as desk:
            counter = self.counter_type(self, desk, topic, consumer)
            try:
                yield counter
            finally:
                counter.left = True

    async def now_ms(self) -> int:
        return (await self.store.put(self.config.bucket, f"{self.config.prefix}/_clock", b"")).last_modified_ms

    def marker(self, key: str, consumer: str) -> str:
        if len(consumer.encode()) > 100 or consumer.startswith("#"):
            consumer = "#" + hashlib.sha256(consumer.encode()).hexdigest()
        return f"{key}.acks/{consumer}"

    # sweeping

    async def sweep(self) -> Swept:
        self.alive()
        if self.config.cleanup == "retain":
            return Swept()
        try:
            swept = await self.broom_type(self.store, self.config, self).run()
        except Exception as error:
            self.trouble = f"courier: the last sweep failed: {error}"
            raise
        self.trouble = ""
        return swept
