"""Mutants whose client does one thing at a time: what waits holds up what does not."""

import asyncio

from prism_testkit.interfaces import Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _lock(owner: object) -> asyncio.Lock:
    found: asyncio.Lock = owner.__dict__.setdefault("_lock", asyncio.Lock())
    return found


class _Locking(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        async with _lock(self.driver):
            return await super().receive(max_messages, timeout_s)


@mutant("persistent.5", "lock", trap="an ack while another member of the same client waits", also="persistent.9")
class AcksWaitForMembers(_Locking):
    async def ack(self, *deliveries: Delivery) -> None:
        async with _lock(self.driver):
            await super().ack(*deliveries)


@mutant("persistent.4", "lock", trap="a nack while another member of the same client waits", also="persistent.9")
class NacksWaitForMembers(_Locking):
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        async with _lock(self.driver):
            await super().nack(*deliveries, delay_s=delay_s)


@mutant("basic.9", "lock", trap="a receive while another subscription of the same client waits", also="basic.4 basic.1")
class ListenersWaitForEachOther(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        async with _lock(self.driver):
            return await super().receive(timeout_s)
