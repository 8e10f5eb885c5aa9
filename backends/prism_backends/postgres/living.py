"""What the drivers of a PostgreSQL server have in common: how they ask whether it is there."""

from prism_backends.living import Living
from prism_backends.postgres.client import PostgresClient

__all__ = ["LivingPostgres"]


class LivingPostgres(Living):
    """A base for driver classes that keep their client as ``client``."""

    client: PostgresClient

    async def _ask(self) -> None:
        await self.client.rows(f"{self._whose}: health", "SELECT 1")
