"""Redis over redis-py. Importing this is the first moment redis-py is needed."""

import prism_testkit as prism
from prism_backends.redis.client import RedisClient, clean, connect
from prism_backends.redis.keyvalue import RedisKeyValue
from prism_backends.redis.pubsub import RedisPubSub
from prism_backends.redis.queue import RedisQueue
from prism_backends.redis.server import server
from prism_backends.redis.stream import RedisStream
from prism_testkit.registry import Registry

__all__ = ["RedisClient", "RedisKeyValue", "RedisPubSub", "RedisQueue", "RedisStream", "prism_register_backends", "redis"]

redis = prism.Backend(
    name="redis",
    connect=connect,
    drivers=[RedisKeyValue, RedisPubSub, RedisQueue, RedisStream],
    clean=clean,
    # One millisecond for rounding a time to live up, one because a key is still there in the millisecond of its deadline.
    limits=prism.Limits(clock_resolution_s=0.002),
    traits=prism.Traits(durability="process"),
    server=server("redis"),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(redis)
