"""Mutants of the twentieth examination: how many may wait at once, what a small buffer holds, and whom an end wakes."""

import asyncio
from weakref import WeakKeyDictionary

from prism_testkit.interfaces import Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .reference_newer import OrderedMember

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_POOLS: "WeakKeyDictionary[PubSub, asyncio.Semaphore]" = WeakKeyDictionary()


def _pool(driver: PubSub, most: int) -> asyncio.Semaphore:
    """Return the connections of one client on which a receive may wait."""
    return _POOLS.setdefault(driver, asyncio.Semaphore(most))


@mutant("basic.9", "resources", trap="two receives of one client wait", also="basic.1 basic.10 basic.12")
class OneWaitsAtATime(Listener):
    most = 1

    async def receive(self, timeout_s: float = 0) -> Message | None:
        if timeout_s <= 0:
            return await super().receive(timeout_s)
        async with _pool(self.driver, self.most):
            return await super().receive(timeout_s)


@mutant("basic.9", "resources", trap="twenty receives of one client wait", also="basic.1 basic.10 basic.12")
class SixteenWaitAtATime(OneWaitsAtATime):
    most = 16


@mutant(
    "persistent.9", "resources", trap="members of two topics of one client wait", also="persistent.4 persistent.13 persistent.7"
)
class OneMemberWaitsAtATime(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        if timeout_s <= 0:
            return await super().receive(max_messages, timeout_s)
        async with _pool(self.driver, 1):
            return await super().receive(max_messages, timeout_s)


@mutant("basic.12", "boundary", trap="sixteen messages wait", also="basic.1")
class ABufferOfFifteen(Listener):
    most = 15

    def offer(self, message: Message) -> None:
        if len(self.buffer) >= self.most:
            self.buffer.popleft()
            self.missed += 1
        super().offer(message)


@mutant("basic.12", "stale state", trap="a second overflow", also="basic.1")
class ASecondOverflowIsNotCounted(ABufferOfFifteen):
    most = 64

    def offer(self, message: Message) -> None:
        super().offer(message)
        self.missed = min(self.missed, 1)


@mutant("basic.10", "missing step", trap="two receives of one subscription wait when it is left")
class TheFirstThatWaitsIsToldOfTheEnd(Listener):
    waiting = 0
    told = False

    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.waiting += 1
        try:
            return await super().receive(timeout_s)
        finally:
            self.waiting -= 1

    def check_open(self, operation: str) -> None:
        if self.left and self.waiting > 1 and self.told:
            return
        if self.left:
            self.told = True
        super().check_open(operation)


class _Again(Member):
    """Of what came again the holder is not asked for."""

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        again = [each.message.id for each in deliveries if operation == self.operation and each.delivery_count > 1]
        others = [each for each in again if self.holder(each) is not None]
        return [*super().checked(deliveries, operation), *others]

    operation = "ack"


@mutant("persistent.15", "missing check", trap="an ack of what another member holds for the second time", also="persistent.3")
class AcksOfTheSecondTimeAreOfAnybody(_Again):
    pass


@mutant("persistent.15", "missing check", trap="a nack of what another member holds for the second time", also="persistent.6")
class NacksOfTheSecondTimeAreOfAnybody(_Again):
    operation = "nack"


@mutant("ordering.9", "missing check", trap="an ack of a key that another member holds for the second time", also="ordering.3")
class AcksOfKeysOfTheSecondTimeAreOfAnybody(_Again, OrderedMember):
    pass


@mutant("ordering.9", "missing check", trap="a nack of a key that another member holds for the second time", also="ordering.3")
class NacksOfKeysOfTheSecondTimeAreOfAnybody(_Again, OrderedMember):
    operation = "nack"
