"""Our claim check, its consumer and its sweep, in small steps: what the wrong ones of it override."""

import contextlib
from collections.abc import AsyncIterator

from prism_patterns.claim_check import ClaimCheckConfig, ClaimConsumer, ClaimDelivery, PrismClaimCheck, Swept
from prism_patterns.claim_check.consuming import Consumer
from prism_patterns.claim_check.sweeping import marker_name
from prism_testkit.clock import Clock
from prism_testkit.interfaces import ObjectStorage, PrismError, PubSubPersistent, QueueVisibility

from .stranger_sweep import Sweep

__all__ = ["OurConsumer", "OurSweep", "Ours", "OursOnQueues", "OursOnTopics"]


class OurConsumer(Consumer):
    """`Consumer`, its ack in two steps."""

    async def ack(self, delivery: ClaimDelivery) -> None:
        with self._work.call("ack"):
            await self.confirm(delivery)
            await self.mark(delivery)

    async def confirm(self, delivery: ClaimDelivery) -> None:
        if not delivery.handle.acked:
            await self._source.ack(delivery.handle.incoming)
            delivery.handle.acked = True

    async def mark(self, delivery: ClaimDelivery) -> None:
        if delivery.claim is not None and self._marks():
            await self._store.put(delivery.claim.bucket, self._layout.marker(delivery.claim.key, self._name), b"")


class OurSweep(Sweep):
    """A stranger's sweep, with our names of markers."""

    def name_of(self, consumer: str) -> str:
        return marker_name(consumer)


class Ours(PrismClaimCheck):
    """`PrismClaimCheck` with hooks."""

    consumer_type: type[Consumer] = OurConsumer
    sweep_type: type[Sweep] = OurSweep

    @contextlib.asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        self._work.check("consume")
        async with self._channel.source(topic, consumer) as source:
            yield self.consumer_type(self._store, self._config, self._layout, source, topic, consumer, self._work)

    def sweeping(self) -> ClaimCheckConfig:
        """Return the configuration of sweeps."""
        return self._config

    async def now_ms(self) -> int:
        return (await self._store.put(self._config.bucket, self._layout.clock, b"")).last_modified_ms

    async def sweep(self) -> Swept:
        with self._work.call("sweep"):
            return await self.swept()

    async def swept(self) -> Swept:
        config = self.sweeping()
        if config.cleanup == "retain":
            return Swept()
        try:
            found = await self.sweep_type(self._store, config, await self.now_ms()).run()
        except PrismError as error:
            self._trouble = str(error)
            raise
        self._trouble = ""
        return found

    async def _sweep_now_and_then(self) -> None:
        while True:
            await self._clock.sleep(3600)
            with contextlib.suppress(PrismError):  # health tells of it
                await self.swept()


class OursOnQueues(Ours):
    """Over queues alone: what goes wrong everywhere is seen on one binding as well as on ten."""

    def __init__(self, *, queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)


class OursOnTopics(Ours):
    """Over durable subscriptions alone, where a message has several consumers."""

    def __init__(self, *, queue: PubSubPersistent, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)
