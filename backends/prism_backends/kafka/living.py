"""What the drivers of Kafka have in common: how they ask whether it is there."""

from prism_backends.kafka.client import KafkaClient
from prism_backends.living import Living

__all__ = ["LivingKafka"]


class LivingKafka(Living):
    """A base for driver classes that keep their client as ``client``."""

    client: KafkaClient

    async def _ask(self) -> None:
        await self.client.look(f"{self._whose}: health")
