"""Steps of a writing process that enter a context and call what was entered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.making import Part


class _Inner:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def receive(self, most: int, timeout_s: float = 0) -> list[str]:
        self.calls.append((most, timeout_s))
        return ["one", "two"]

    async def nack(self, *deliveries: str, delay_s: float = 0) -> None:
        self.calls.append((deliveries, delay_s))


class _Driver:
    def __init__(self) -> None:
        self.inner = _Inner()
        self.left = 0

    @asynccontextmanager
    async def subscribe(self, topic: str, start: str = "new") -> AsyncIterator[_Inner]:
        self.inner.calls.append((topic, start))
        yield self.inner
        self.left += 1


def test_a_context_is_entered_and_what_was_entered_is_called() -> None:
    async def scenario() -> _Driver:
        part = Part()
        part.driver = driver = _Driver()
        inner = await part.call("subscribe", ("t", "earliest"))
        got = await part.call("subscribe.receive", (inner, 2, 1.5))
        await part.call("subscribe.nack", (inner, got, {"delay_s": 3}))
        assert driver.left == 0
        await part.call("subscribe.exit", (inner,))
        return driver

    driver = asyncio.run(scenario())
    assert driver.inner.calls == [("t", "earliest"), (2, 1.5), (("one", "two"), 3)]
    assert driver.left == 1


def test_what_was_not_left_is_left_at_the_end() -> None:
    async def scenario() -> int:
        part = Part()
        part.driver = driver = _Driver()
        for _ in range(2):
            driver.inner = _Inner()
            await part.call("subscribe", ("t",))
        await part.entered.leave()
        await part.entered.leave()
        return driver.left

    assert asyncio.run(scenario()) == 2
