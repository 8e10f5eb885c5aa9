"""What the tests of streams that are moved, bounded and partitioned share."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from awaiting import LONG_S
from embedded_stores import HERE, STORES, World, listed, play

from prism_backends.memory import MemoryStream
from prism_backends.sqlite import SqliteStream
from prism_testkit.interfaces.stream import RecordDelivery

__all__ = ["LONG_S", "Stream", "everywhere", "fill", "in_virtual_time", "kept", "over", "stream", "taken"]

Stream = MemoryStream | SqliteStream


def over(*stores: str) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[str, Path], None]]:
    """Make a plain test of a scenario, run over some embedded stores."""

    def decorate(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str, Path], None]:
        def test(store: str, tmp_path: Path) -> None:
            play(store, tmp_path, scenario)

        test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
        test.__module__ = scenario.__module__
        return pytest.mark.parametrize("store", stores)(test)

    return decorate


everywhere = over(*STORES)
in_virtual_time = over("memory", "sqlite-virtual")


async def stream(world: World, namespace: str = HERE) -> Stream:
    """Return a driver over a connection of its own."""
    client = await world.stack.enter_async_context(world.backend.connect(world.place))
    made = MemoryStream if world.backend.name == "memory" else SqliteStream
    return made(client, namespace)


async def fill(driver: Stream, *payloads: str, name: str = "s") -> list[int]:
    """Append records; the key is the first letter, none for a dot."""
    return [await driver.append(name, p.encode(), None if p[0] == "." else p[0], {"h": p}) for p in payloads]


async def kept(driver: Stream, name: str = "s", start: int = 0) -> list[str]:
    return [record.payload.decode() for record in await listed(driver.read(name, start))]


async def taken(driver: Stream, group: str = "g", name: str = "s") -> list[tuple[str, int]]:
    """Take and confirm what a group has."""
    found: list[RecordDelivery] = []
    async with driver.join(name, group, "c") as member:
        while some := await member.receive(100):
            await member.ack(*some)
            found += some
    return [(delivery.record.payload.decode(), delivery.delivery_count) for delivery in found]
