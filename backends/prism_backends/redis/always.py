"""Redis whose log is on disk before a write is acknowledged, as a row of its own."""

import prism_testkit as prism
from prism_backends.redis import redis
from prism_backends.redis.logs import synced
from prism_testkit.registry import Registry

__all__ = ["prism_register_backends", "redis_always"]

redis_always = synced(redis, "redis")


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(redis_always)
