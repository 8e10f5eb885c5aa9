"""Redis 7, which distributions still ship, as a row of its own beside the newest."""

from dataclasses import replace

import prism_testkit as prism
from prism_backends.redis import redis
from prism_backends.redis.server import server
from prism_testkit.registry import Registry

__all__ = ["prism_register_backends", "redis_7"]

redis_7 = replace(redis, name="redis@7", server=replace(server("redis"), image="redis:7", release="7"))


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(redis_7)
