"""Valkey: the driver of Redis, over a server of its own that comes as a wheel too."""

from dataclasses import replace
from typing import ClassVar

import prism_testkit as prism
from prism_backends.redis import RedisKeyValue, RedisPubSub, RedisQueue, RedisStream, redis
from prism_backends.redis.server import server
from prism_testkit.registry import Registry

__all__ = ["ValkeyKeyValue", "ValkeyPubSub", "ValkeyQueue", "ValkeyStream", "prism_register_backends", "valkey"]


class ValkeyKeyValue(RedisKeyValue):
    """`RedisKeyValue`, under the name of the server it is on."""

    backend_name: ClassVar[str] = "valkey"


class ValkeyQueue(RedisQueue):
    """`RedisQueue`, under the name of the server it is on."""

    backend_name: ClassVar[str] = "valkey"


class ValkeyPubSub(RedisPubSub):
    """`RedisPubSub`, under the name of the server it is on."""

    backend_name: ClassVar[str] = "valkey"


class ValkeyStream(RedisStream):
    """`RedisStream`, under the name of the server it is on."""

    backend_name: ClassVar[str] = "valkey"


valkey = replace(
    redis,
    name="valkey",
    drivers=[ValkeyKeyValue, ValkeyPubSub, ValkeyQueue, ValkeyStream],
    server=server("valkey"),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(valkey)
