"""Our claim check."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

from prism_patterns.claim_check.channels import channel_of
from prism_patterns.claim_check.codec import Seal, check_codec, packed
from prism_patterns.claim_check.config import ClaimCheckConfig
from prism_patterns.claim_check.consuming import Consumer
from prism_patterns.claim_check.contract import Claim, ClaimCheck, ClaimConsumer, Receipt, Swept
from prism_patterns.claim_check.references import escaped, reference_to, with_room
from prism_patterns.claim_check.sweeping import Layout, sweep
from prism_patterns.working import Work
from prism_testkit.clock import Clock
from prism_testkit.interfaces.errors import (
    AccessDenied,
    ConfigError,
    InvalidName,
    NotFound,
    PayloadTooLarge,
    PrismError,
    QuotaExceeded,
)
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.lifecycle import Drained, Health
from prism_testkit.interfaces.object_storage import ObjectMetadata, ObjectStorage, ObjectStorageConditional
from prism_testkit.interfaces.pubsub import PubSubBasic, PubSubPersistent
from prism_testkit.interfaces.queue import QueueVisibility
from prism_testkit.interfaces.stream import StreamBasic, StreamConsumerGroups
from prism_testkit.naming import check_headers, check_name
from prism_testkit.pattern import offers

__all__ = ["PrismClaimCheck"]

_ME = "claim check"
_REFUSALS = (PayloadTooLarge, AccessDenied, InvalidName, NotFound, QuotaExceeded, ValueError, TypeError)
"""What a publish may raise that says for certain that nothing was published."""
_AGREED = ("compression", "checksum", "max_age_s")
_REST_S = (1.0, 3600.0)
"""The least and the most seconds between two sweeps of the background worker."""
_BESIDE_BYTES = 192 * 1024
"""From this size on a payload is hashed by another thread while it is stored; below, changing threads takes longer than hashing."""
_MOST_MS = 10**15
_MOST_BYTES = 10**15

Queue = PubSubPersistent | StreamConsumerGroups | QueueVisibility | StreamBasic | PubSubBasic
Store = ObjectStorageConditional | ObjectStorage


class PrismClaimCheck(ClaimCheck):
    """`ClaimCheck` over any of its slots. One instance may be used by any number of tasks of one event loop."""

    def __init__(self, *, queue: Queue, store: Store, config: ClaimCheckConfig, clock: Clock) -> None:
        self._queue, self._store, self._config, self._clock = queue, store, config, clock
        self._channel = channel_of(queue, clock)
        self._layout = Layout(config)
        longest = Claim(config.bucket, self._layout.new_claim(), _MOST_BYTES, Seal().checksum, config.compression, _MOST_MS)
        self._longest = len(reference_to(longest).encode())
        """Bytes of a reference at most: keys have one length."""
        self._work = Work(_ME)
        self._worker: asyncio.Task[None] | None = None
        self._trouble = ""

    async def __aenter__(self) -> Self:
        self._check_slots()
        check_codec(self._config.compression)
        await self._store.create_bucket(self._config.bucket)
        await self._agree()
        self._work.open()
        if self._config.cleanup != "retain":
            self._worker = asyncio.create_task(self._sweep_now_and_then())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _check_slots(self) -> None:
        config, queue = self._config, self._queue
        if config.cleanup != "on_ack":
            return
        if not self._channel.acks:
            raise ConfigError(
                f"{_ME}: cleanup on_ack needs acks, which {_interface(queue)} does not have: take cleanup sweep or retain, or fill "
                "the slot `queue` with PubSubPersistent, StreamConsumerGroups or QueueVisibility"
            )
        if offers(queue, PubSubPersistent) and not config.consumers:
            raise ConfigError(f"{_ME}: cleanup on_ack on PubSubPersistent needs `consumers`: name those that must ack")
        if self._channel.shared and len(config.consumers) > 1:
            raise ConfigError(
                f"{_ME}: consumers: on QueueVisibility a message has one consumer, so {len(config.consumers)} could never all "
                "ack it: name one, or none"
            )

    async def _agree(self) -> None:
        """Write down what all must agree on, or compare it with what others wrote."""
        mine = {name: getattr(self._config, name) for name in _AGREED}
        bucket, key = self._config.bucket, self._layout.agreement
        text = json.dumps(mine, sort_keys=True).encode()
        if offers(self._store, ObjectStorageConditional):
            await self._store.put_if_absent(bucket, key, text)  # type: ignore[union-attr]
        elif await self._store.get(bucket, key) is None:
            await self._store.put(bucket, key, text)
        found = await self._store.get(bucket, key)
        try:
            theirs = json.loads(found or b"")
            differing = [name for name in _AGREED if theirs[name] != mine[name]]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{_ME}: {bucket!a}/{key!a} is not the agreement of a claim check: {error!r}") from error
        if differing:
            said = "; ".join(f"{name}: here {mine[name]!r}, there {theirs[name]!r}" for name in differing)
            raise ConfigError(
                f"{_ME}: another one uses {bucket!a}/{self._config.prefix!a} otherwise ({said}): agree, or take another prefix"
            )

    # -- publishing ------------------------------------------------------------------------------------------------------------

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        with self._work.call("publish"):
            check_name(topic, "publish", _ME)
            given = check_headers(headers, "publish", _ME)
            if isinstance(payload, bytes | bytearray | memoryview):
                data = bytes(payload)
                if len(data) <= self._config.threshold:
                    return await self._publish_inline(topic, data, given)
                return await self._publish_claim(topic, data, given)
            head, rest = await _split(payload, self._config.threshold)
            if rest is None:
                return await self._publish_inline(topic, head, given)
            return await self._publish_claim(topic, _chain(head, rest), given)

    async def _publish_inline(self, topic: str, data: bytes, headers: dict[str, str]) -> Receipt:
        mine = escaped(headers, self._config.claim_check_field, f"{_ME}: publish {topic[:40]!a}")
        return Receipt(await self._channel.publish(topic, data, mine), None)

    async def _publish_claim(self, topic: str, payload: bytes | AsyncIterator[Bytes], headers: dict[str, str]) -> Receipt:
        config, key = self._config, self._layout.new_claim()
        what = f"{_ME}: publish {topic[:40]!a}"
        message = with_room(headers, config.claim_check_field, self._longest, what)  # before anything is stored
        seal = Seal()
        stored = await self._stored(key, payload, seal)
        claim = _claim(config, key, seal, stored)
        message[config.claim_check_field] = reference_to(claim)
        try:
            return Receipt(await self._channel.publish(topic, b"", message), claim)
        except _REFUSALS:
            with suppress(PrismError):  # then it waits for its age
                await self._store.delete(config.bucket, key)
            raise

    async def _stored(self, key: str, payload: bytes | AsyncIterator[Bytes], seal: Seal) -> ObjectMetadata:
        """Upload a payload; ``seal`` has seen all of it afterwards."""
        bucket, compression = self._config.bucket, self._config.compression
        if not isinstance(payload, bytes) or compression != "none":
            chunks = _once(payload) if isinstance(payload, bytes) else payload
            return await self._store.put_stream(bucket, key, packed(chunks, compression, seal))
        if len(payload) < _BESIDE_BYTES:
            seal.update(payload)
            return await self._store.put(bucket, key, payload)
        sealing = asyncio.get_running_loop().run_in_executor(None, seal.update, payload)
        try:
            return await self._store.put(bucket, key, payload)
        finally:
            await sealing

    # -- consuming -------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        self._work.check("consume")
        check_name(topic, "consume", _ME)
        check_name(consumer, "consume", _ME)
        async with self._channel.source(topic, consumer) as source:
            yield Consumer(self._store, self._config, self._layout, source, topic, consumer, self._work)

    # -- life ------------------------------------------------------------------------------------------------------------------

    async def sweep(self) -> Swept:
        with self._work.call("sweep"):
            return await self._swept()

    async def _swept(self) -> Swept:
        try:
            swept = await sweep(self._store, self._config, self._layout)
        except (PrismError, OSError) as error:
            self._trouble = f"the last sweep failed: {'; '.join([str(error), *getattr(error, '__notes__', ())])}"
            raise
        self._trouble = ""
        return swept

    async def _sweep_now_and_then(self) -> None:
        config = self._config
        due_s = config.max_age_s + config.grace_period_s
        if config.cleanup == "on_ack":
            due_s = min(due_s, config.retention_after_ack_s)
        while True:
            await self._clock.sleep(min(max(due_s / 2, _REST_S[0]), _REST_S[1]))
            with suppress(PrismError, OSError):  # `health` tells of it
                await self._swept()

    async def health(self) -> Health:
        if self._worker is not None and self._worker.done() and not self._work.closed:
            return Health("unhealthy", "the background worker has ended")
        return Health("degraded", self._trouble) if self._trouble else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        return await self._work.drain(timeout_s, self._clock)

    async def close(self) -> None:
        self._work.close()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])


def _claim(config: ClaimCheckConfig, key: str, seal: Seal, stored: ObjectMetadata) -> Claim:
    return Claim(config.bucket, key, seal.size, seal.checksum, config.compression, stored.last_modified_ms)


def _interface(slot: Any) -> str:
    return next((base.__name__ for base in type(slot).__mro__[1:] if base in (PubSubBasic, StreamBasic)), type(slot).__name__)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _chain(head: bytes, rest: AsyncIterator[Bytes]) -> AsyncIterator[Bytes]:
    yield head
    async for chunk in rest:
        yield chunk


async def _split(chunks: AsyncIterable[Bytes], threshold: int) -> tuple[bytes, AsyncIterator[Bytes] | None]:
    """Read until there is more than the threshold; return what was read, and the rest, None if that was all."""
    head = bytearray()
    rest = aiter(chunks)
    async for chunk in rest:
        head += chunk
        if len(head) > threshold:
            return bytes(head), rest
    return bytes(head), None
