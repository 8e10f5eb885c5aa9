"""What the drivers of a Redis server have in common: how they ask whether it is there."""

from redis import exceptions as native

from prism_backends.living import Living
from prism_backends.redis.client import RedisClient, translated

__all__ = ["LivingRedis"]


class LivingRedis(Living):
    """A base for driver classes that keep their client as ``client``."""

    client: RedisClient

    async def _ask(self) -> None:
        try:
            await self.client.execute_command("PING")
        except (native.RedisError, OSError) as error:
            raise translated(error, f"{self._whose}: health") from error
