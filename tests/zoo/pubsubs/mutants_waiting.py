"""Mutants of `PubSubBasic`: receives, iteration and leaving (9 and 10)."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Closed, Message, Subscription
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, PubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.9: receive


@mutant("basic.9", "early", trap="a receive of nothing with a timeout")
class TimeoutsAreIgnored(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await super().receive(min(0, self.driver.timeout(timeout_s, "receive")))


@mutant("basic.9", "early", trap="a receive of nothing that waits more than 20 s")
class WaitsTwentySeconds(Listener):
    """The most that a long poll allows."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await super().receive(min(20.0, self.driver.timeout(timeout_s, "receive")))


@mutant("basic.9", "rounding", trap="a timeout that is not a whole second")
class WholeSecondsOfTimeout(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await super().receive(float(int(self.driver.timeout(timeout_s, "receive"))))


@mutant("basic.9", "early", trap="a wake-up for another topic while one waits", also="basic.4")
class EveryWakeUpEndsTheWait(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = self.driver.timeout(timeout_s, "receive")
        if not self.buffer and not self.left and timeout > 0:
            await self.driver.pause(self.driver.after(timeout))
        return await super().receive(0)


@mutant("basic.9", "missing step", trap="a message while one waits", also="basic.10 basic.4")
class NobodyIsWoken(Listener):
    """A wait is a sleep."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = self.driver.timeout(timeout_s, "receive")
        message = await super().receive(0)
        if message is None and timeout > 0:
            await self.driver.store.clock.sleep(timeout + 1e-6)
            message = await super().receive(0)
        return message


@mutant("basic.9", "missing check", trap="a timeout that is NaN or infinite")
class TakesAnyTimeout(PubSub):
    def timeout(self, timeout_s: float, operation: str) -> float:
        return max(0.0, min(1e6, timeout_s)) if timeout_s == timeout_s else 0.0


@mutant("basic.9", "wrong error", trap="a negative timeout")
class NegativeTimeoutsRaise(PubSub):
    def timeout(self, timeout_s: float, operation: str) -> float:
        if timeout_s < 0:
            raise ValueError(f"zoo: {operation}: {timeout_s} s")
        return super().timeout(timeout_s, operation)


@mutant("basic.9", "early end", trap="an iteration that waits")
class IterationEndsWhenEmpty(Listener):
    async def __anext__(self) -> Message:
        message = await self.receive(0)
        if message is None:
            raise StopAsyncIteration
        return message


@mutant("basic.9", "early end", trap="an iteration that waits more than a minute")
class IterationEndsAfterAMinute(Listener):
    async def __anext__(self) -> Message:
        try:
            message = await self.receive(60)
        except Closed:
            message = None
        if message is None:
            raise StopAsyncIteration
        return message


@mutant("basic.9", "prefetch", trap="a receive after some steps of an iteration", also="basic.1 basic.3")
class IterationReadsAhead(Listener):
    """The iterator fetches all that is there; receives do not see it."""

    def __init__(self, driver: PubSub, topic: str) -> None:
        super().__init__(driver, topic)
        self.ahead: deque[Message] = deque()

    async def __anext__(self) -> Message:
        if not self.ahead:
            self.ahead.append(await super().__anext__())
            while (message := self.take()) is not None:
                self.ahead.append(message)
        return self.ahead.popleft()


@mutant("basic.9", "skip", trap="an iteration after a receive", also="basic.1")
class IterationSkipsTheFirst(Listener):
    """What was received last is taken for unread, and one is skipped too many."""

    skips = False

    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        self.skips = message is not None
        return message

    async def __anext__(self) -> Message:
        if self.skips and self.buffer:
            self.buffer.popleft()
        self.skips = False
        return await super().__anext__()


@mutant("basic.9", "falsiness", trap="an empty payload in an iteration", also="basic.1")
class IterationSkipsEmptyPayloads(Listener):
    async def __anext__(self) -> Message:
        message = await super().__anext__()
        return message if message.payload else await self.__anext__()


# basic.10: leaving


@mutant("basic.10", "wrong answer", trap="a receive after leaving")
class ReceivesNothingAfterLeaving(Listener):
    def check_open(self, operation: str) -> None:
        pass

    def take(self) -> Message | None:
        return None if self.left else super().take()


@mutant("basic.10", "leftover", trap="a receive after leaving, with something unread")
class BufferIsReadToItsEnd(Listener):
    """Closed when there is nothing more."""

    def check_open(self, operation: str) -> None:
        if not self.buffer:
            super().check_open(operation)


@mutant("basic.10", "hang", trap="a receive that waits while it is left")
class LeavingWakesNobody(PubSub):
    """Who waits waits to the end of its timeout."""

    async def leave(self, listener: Listener) -> None:
        self.forget(listener)
        listener.left = True


class _ChecksOnce(Listener):
    waits = False

    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.check_open("receive")
        self.waits = True
        try:
            return await super().receive(timeout_s)
        finally:
            self.waits = False

    def check_open(self, operation: str) -> None:
        if not self.waits:
            super().check_open(operation)


@mutant("basic.10", "missing check", trap="a receive that waits while it is left")
class WaitingGoesOn(_ChecksOnce):
    """Only the beginning of a call asks whether it was left."""


@mutant("basic.10", "wrong answer", trap="a receive that waits while it is left")
class LeavingReturnsNone(Listener):
    """A wait ends as if the time were over."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.check_open("receive")
        try:
            return await super().receive(timeout_s)
        except Closed:
            return None


@mutant("basic.10", "hang", trap="an iteration that waits while it is left")
class IterationHangs(Listener):
    async def __anext__(self) -> Message:
        while True:
            message = self.take()
            if message is not None:
                return message
            await self.driver.pause()


@mutant("basic.10", "wrong error", trap="an iteration that waits while it is left")
class IterationRaisesClosed(Listener):
    """It does not end, it breaks."""

    async def __anext__(self) -> Message:
        while True:
            self.check_open("iteration")
            message = self.take()
            if message is not None:
                return message
            await self.driver.pause()


@mutant("basic.10", "over-reach", trap="another subscription of the client after one was left", also="basic.4")
class LeavingClosesTheClient(PubSub):
    """All its subscriptions share a connection."""

    async def leave(self, listener: Listener) -> None:
        for other in [other for some in self.store.listeners.values() for other in some if other.driver is self]:
            other.left = True
        await super().leave(listener)


@mutant("basic.10", "over-reach", trap="another receive that waits while one is left", also="basic.4 basic.9")
class LeavingEndsOtherWaits(PubSub):
    """Cancels the wrong waiters: theirs return None at once."""

    async def leave(self, listener: Listener) -> None:
        await super().leave(listener)
        self.store.notes["interrupted"] = self.store.notes.get("interrupted", 0) + 1

    async def pause(self, *ends: float) -> None:
        known = self.store.notes.get("interrupted", 0)
        await super().pause(*ends)
        if self.store.notes.get("interrupted", 0) != known:
            raise Closed("zoo: interrupted")


@mutant("basic.10", "wrong error", trap="a body that raises")
class LeavesNothingWhenTheBodyRaises(PubSub):
    """The exit after an error does not run."""

    @asynccontextmanager
    async def listening(self, topic: str) -> AsyncIterator[Subscription]:
        listener = self.listener_type(self, topic)
        await self.enter(listener)
        yield listener
        await self.leave(listener)
