"""A proxy begins an iteration as the driver does, which may be another iterator than the thing that was entered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from prism_testkit.interfaces import Message, Subscription
from prism_testkit.tap import Tap, tapped


class _Own(Subscription):
    """Its iteration is a generator of its own."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return None

    async def __anext__(self) -> Message:
        return Message("by itself", "t", b"")

    async def generate(self) -> AsyncIterator[Message]:
        yield Message("generated", "t", b"")

    @property
    def gaps(self) -> int:
        return 0


class _Generating(_Own):
    def __aiter__(self) -> AsyncIterator[Message]:
        return self.generate()


class _Driver:
    def __init__(self, kind: type[Subscription]) -> None:
        self.kind = kind

    async def publish(self, topic: str, payload: bytes, headers: Any = None) -> str:
        return "id"

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self.entered()

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Subscription]:
        yield self.kind()


@pytest.mark.parametrize("suspend", [False, True])
@pytest.mark.parametrize(("kind", "expected"), [(_Own, "by itself"), (_Generating, "generated")])
def test_an_iteration_is_the_drivers(kind: type[Subscription], expected: str, suspend: bool) -> None:
    async def first() -> str:
        proxy = tapped(_Driver(kind), ("pubsub_basic",), Tap(suspend=suspend))
        async with proxy.subscribe("t") as subscription:
            async for message in subscription:
                return str(message.id)
        return "none"

    assert asyncio.run(first()) == expected


def test_a_driver_is_asked_at_the_call_and_what_it_refuses_is_raised_at_the_entry() -> None:
    asked: list[str] = []

    class Asked(_Driver):
        def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
            asked.append(topic)
            if not topic:
                raise ValueError("no topic")
            return super().subscribe(topic)

    async def use() -> None:
        proxy = tapped(Asked(_Own), ("pubsub_basic",), Tap(suspend=True))
        manager = proxy.subscribe("t")
        assert asked == ["t"]
        async with manager:
            assert asked == ["t"]
        refused = proxy.subscribe("")
        with pytest.raises(ValueError, match="no topic"):
            await refused.__aenter__()

    asyncio.run(use())
