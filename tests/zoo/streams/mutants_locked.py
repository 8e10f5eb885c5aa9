"""Mutants whose client does one thing at a time: what waits holds up what does not."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, GroupInfo, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _lock(owner: object) -> asyncio.Lock:
    found: asyncio.Lock = owner.__dict__.setdefault("_lock", asyncio.Lock())
    return found


class _Locking(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        async with _lock(self.driver):
            return await super().receive(max_records, timeout_s)


@mutant("basic.12", "lock", trap="an append while a member of the same client waits", also="consumer_groups.10 consumer_groups.1")
class AppendsWaitForMembers(Streams):
    member_type = _Locking

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        async with _lock(self):
            return await super().append(stream, payload, key, headers)


@mutant("consumer_groups.11", "lock", trap="group_info while a member of the same client waits", also="consumer_groups.10")
class InfosWaitForMembers(Streams):
    member_type = _Locking

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        async with _lock(self):
            return await super().group_info(stream, group)


@mutant("consumer_groups.6", "lock", trap="an ack while another member of the same client waits", also="consumer_groups.10")
class AcksWaitForMembers(_Locking):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        async with _lock(self.driver):
            await super().ack(*deliveries)


@mutant("consumer_groups.5", "lock", trap="a nack while another member of the same client waits", also="consumer_groups.10")
class NacksWaitForMembers(_Locking):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        async with _lock(self.driver):
            await super().nack(*deliveries, delay_s=delay_s)
