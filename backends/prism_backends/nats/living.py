"""What the drivers of a NATS server have in common: how they ask whether it is there."""

from prism_backends.living import Living
from prism_backends.nats.client import FAILURES, NatsClient, translated
from prism_backends.nats.connection import Connection

__all__ = ["LivingNats"]


class LivingNats(Living):
    """A base for driver classes that keep their client as ``client``."""

    client: NatsClient

    async def _ask(self) -> None:
        try:
            await self.client.call(Connection.sync)
        except FAILURES as error:
            raise translated(error, f"{self._whose}: health") from error
