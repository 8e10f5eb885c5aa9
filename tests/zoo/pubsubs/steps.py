"""What all calls of the zoo's topics are made of: arguments, time, and waiting for a change."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes
from prism_testkit.naming import check_headers, check_name, check_payload, check_seconds, check_timeout
from prism_testkit.traits import Limits, Traits

from .stores import Changes, Space, Store

__all__ = ["Steps", "step"]


async def step(times: int = 1) -> None:
    """Let the others run."""
    for _ in range(times):
        await asyncio.sleep(0)


class Steps:
    """Nothing here suspends but `pause`."""

    traits: Traits = Traits(delivery_count="exact")
    limits: Limits = Limits()

    def __init__(self, store: Store, namespace: str) -> None:
        self.store = store
        self.namespace = namespace

    # Arguments

    def topic(self, topic: str, operation: str) -> str:
        """Return the name under which a legal topic is known."""
        check_name(topic, operation, "zoo", self.limits)
        return topic

    def title(self, name: str, operation: str) -> str:
        """Return the name under which a durable subscription is known."""
        check_name(name, operation, "zoo", self.limits)
        return name

    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        return check_payload(payload, operation, "zoo", topic, self.limits)

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo")

    def timeout(self, timeout_s: float, operation: str) -> float:
        return check_timeout(timeout_s, operation, "zoo")

    def delay(self, delay_s: float, operation: str) -> float:
        return check_seconds(delay_s, operation, "zoo")

    def amount(self, max_messages: int) -> int:
        if not isinstance(max_messages, int):
            raise TypeError(f"zoo: receive: max_messages is int, not {type(max_messages).__name__}")
        if max_messages < 1:
            raise ValueError(f"zoo: receive: max_messages={max_messages} is below 1")
        return max_messages

    def beginning(self, start: str) -> str:
        if start not in ("new", "earliest"):
            raise ValueError(f"zoo: subscribe_durable: start={start!r} is neither 'new' nor 'earliest'")
        return start

    # Time

    def now(self) -> float:
        return self.store.clock.now_s()

    def after(self, seconds: float) -> float:
        """Return the instant so far away; a microsecond is added, for floats round to less than that."""
        return self.now() + seconds + 1e-6

    def over(self, instant: float) -> bool:
        return self.now() >= instant

    # Data

    def space(self) -> Space:
        return self.store.space(self.namespace)

    def apply(self, changes: Changes) -> None:
        """Change what is stored; everything persistent that writes comes here."""
        self.store.apply(self.namespace, changes)

    def serial(self) -> int:
        """Return the place of the next persistent message."""
        self.space().serial += 1
        return self.space().serial

    def token(self) -> str:
        self.store.serial += 1
        return str(self.store.serial)

    async def pause(self, *ends: float) -> None:
        """Wait for a change, or for the first of some instants."""
        waiter = asyncio.get_running_loop().create_future()
        self.store.waiting.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, min(ends) - self.now()) + 1e-6 if ends else None)
        finally:
            self.store.waiting.discard(waiter)

    def wake(self) -> None:
        self.store.wake()
