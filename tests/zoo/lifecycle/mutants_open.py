"""Wrong openings, and wrong answers about health."""

import asyncio

from prism_testkit.interfaces import Closed, Drained, Health, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .models import KeyValue, PubSub, Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("1", "lost on cancel", "an open that is cancelled after its task was started")
class OpenCancelledLeavesItsTask(KeyValue):
    async def give_up(self) -> None:
        self.client.sessions.discard(self.session)


@mutant("1", "order of steps", "an open that is cancelled, and another one")
class OpenCancelledCountsAsOpen(Queue):
    async def open(self) -> None:
        if self.state == "new":
            self.state = "open"
            await self.begin()

    async def begin(self) -> None:
        self.ready = False
        await super().begin()
        self.ready = True

    def admit(self, operation: str) -> None:
        super().admit(operation)
        if not getattr(self, "ready", True):
            raise ConnectionError("it is not ready")


@mutant("1", "lock", "an open that is cancelled while it holds its lock", also="2")
class OpenCancelledKeepsTheLock(Queue):
    async def open(self) -> None:
        if self.state == "closed":
            raise Closed("zoo: open: it is closed")
        await self.opening.acquire()
        if self.state == "new":
            await self.begin()
            self.state = "open"
        self.opening.release()

    async def end(self) -> None:
        await super().end()


@mutant("1", "partial effect", "another open while something waits", also="2 3")
class SecondOpenForgetsWhatIsEntered(PubSub):
    async def open(self) -> None:
        again = self.state == "open"
        await super().open()
        if again:
            for listener in list(self.entered):
                self.listeners.discard(listener)


@mutant("1", "missing step", "another open", also="2")
class SecondOpenStartsASecondTask(KeyValue):
    async def open(self) -> None:
        if self.state == "closed":
            raise Closed("zoo: open: it is closed")
        async with self.opening:
            await self.begin()
            self.state = "open"


@mutant("1", "race", "two opens at once of which one is cancelled")
class OneCancelledOpenFailsTheOther(KeyValue):
    beginning: "asyncio.Task[None] | None" = None

    async def open(self) -> None:
        if self.state == "closed":
            raise Closed("zoo: open: it is closed")
        if self.state == "new":
            if self.beginning is None or self.beginning.done():
                self.beginning = asyncio.ensure_future(self.start())
            await self.beginning  # not shielded

    async def start(self) -> None:
        try:
            await self.begin()
            self.state = "open"
        except BaseException:
            await self.give_up()
            raise


@mutant("1", "wrong error", "another open")
class SecondOpenRaises(PubSub):
    async def open(self) -> None:
        if self.state == "open":
            raise RuntimeError("it is open")
        await super().open()


@mutant("4", "wrong error", "health after close")
class HealthRaisesWhenItIsClosed(KeyValue):
    async def health(self) -> Health:
        if self.state == "closed":
            raise Closed("zoo: health: it is closed")
        return await super().health()


@mutant("4", "lock", "health while a take waits", also="3")
class HealthStandsInLine(Queue):
    async def health(self) -> Health:
        if self.in_hand and self.state != "closed":
            await asyncio.wait(list(self.in_hand))
        return await super().health()


@mutant("4", "missing step", "health after close")
class HealthIsAlwaysWell(PubSub):
    async def health(self) -> Health:
        return Health("healthy")


@mutant("4", "stale cache", "health after it was asked before")
class HealthIsRemembered(Queue):
    known: Health | None = None

    async def health(self) -> Health:
        if self.known is None:
            self.known = await super().health()
        return self.known


@mutant("4", "missing step", "health after close")
class UnhealthyWithoutAWord(KeyValue):
    async def health(self) -> Health:
        found = await super().health()
        return Health(found.status)


@mutant("4", "order of steps", "health during a drain")
class HealthWaitsForTheDrain(PubSub):
    draining: "asyncio.Event | None" = None

    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = self.check_timeout(timeout_s)
        self.draining = asyncio.Event()
        try:
            return await super().drain(timeout_s)
        finally:
            self.draining.set()

    async def health(self) -> Health:
        if self.draining is not None:
            await self.draining.wait()
        return await super().health()


@mutant("4", "stale cache", "health after a call that was refused")
class IllAfterARefusal(Queue):
    ill = False

    async def peek(self, queue: str) -> QueueMessage | None:
        try:
            return await super().peek(queue)
        except Exception:
            self.ill = True
            raise

    async def health(self) -> Health:
        return Health("degraded", "a call failed") if self.ill else await super().health()


@mutant("4", "wrong count", "health after a drain")
class DrainedItSaysItIsWell(Queue):
    async def health(self) -> Health:
        return Health("healthy") if self.state == "draining" else await super().health()
