"""What the tests of publish and subscribe over a real Valkey share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

from awaiting import HANGS_S, LONG_S
from redis_store import World, connected, name, private

from prism_backends.living import within
from prism_backends.redis import RedisPubSub, members
from prism_backends.valkey import ValkeyPubSub
from prism_testkit.interfaces.pubsub import Deliveries, Delivery

__all__ = ["LONG_S", "another", "fields", "fill", "members_key", "name_of", "own_server", "pubsub", "run", "texts"]


def run(main: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, HANGS_S)

    asyncio.run(bounded())


def pubsub(world: World) -> RedisPubSub:
    return ValkeyPubSub(world.raw, world.namespace)


async def another(world: World) -> RedisPubSub:
    """Return a driver over connections of its own."""
    return ValkeyPubSub(await world.stack.enter_async_context(connected(world.url)), world.namespace)


def texts(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(delivery.message.payload.decode(), delivery.delivery_count) for delivery in deliveries]


async def fill(driver: RedisPubSub, *payloads: str, topic: str = "t") -> list[str]:
    return [await driver.publish_persistent(topic, payload.encode()) for payload in payloads]


async def members_key(world: World) -> bytes:
    (key,) = [key async for key in world.raw.scan_iter(f"{world.namespace}.pubsub:members:*")]
    assert isinstance(key, bytes)
    return key


async def fields(world: World) -> set[bytes]:
    (key,) = [key async for key in world.raw.scan_iter(f"{world.namespace}.pubsub:state:*")]
    return set(await world.raw.execute_command("HKEYS", key))


def name_of(member: Deliveries) -> str:
    own = within(member)
    assert isinstance(own, members.Member)
    return own._name


@contextlib.asynccontextmanager
async def own_server(state: Path) -> AsyncIterator[tuple[Any, RedisPubSub]]:
    async with private(state) as (server, kv):
        yield server, ValkeyPubSub(kv.client, name())
