"""Redis that keeps nothing on disk, and claims nothing of it, as a row of its own."""

import prism_testkit as prism
from prism_backends.redis import redis
from prism_backends.redis.logs import in_memory
from prism_testkit.registry import Registry

__all__ = ["prism_register_backends", "redis_memory"]

redis_memory = in_memory(redis, "redis")


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(redis_memory)
