"""Wrong drains."""

import asyncio
from typing import Any

from prism_testkit.interfaces import Drained
from tests.zoo.declare import Mutant

from .declare import declaring
from .models import KeyValue, PubSub, Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
Calls = list[asyncio.Task[Any]]


@mutant("3", "wrong count", "calls that are aborted")
class CountsAbortedAsCompleted(Queue):
    def drained(self, calls: Calls) -> Drained:
        return Drained(len(calls), 0)


@mutant("3", "wrong count", "calls that complete during the drain")
class CountsAllAsAborted(PubSub):
    def drained(self, calls: Calls) -> Drained:
        return Drained(0, len(calls))


@mutant("3", "wrong count", "calls that ended before the drain")
class CountsCallsThatHadEnded(KeyValue):
    ended = 0

    async def _set(self, key: str, value: bytes) -> None:
        await super()._set(key, value)
        self.ended += 1

    def drained(self, calls: Calls) -> Drained:
        return Drained(max(self.ended, len(calls)), 0)


@mutant("3", "wrong count", "more than one call that waits")
class CountsTheNewestNot(PubSub):
    def drained(self, calls: Calls) -> Drained:
        found = super().drained(calls)
        return Drained(found.completed, max(0, found.aborted - 1)) if len(calls) > 1 else found


@mutant("3", "wrong boundary", "calls that would end in time")
class AbortsAtOnce(Queue):
    async def wait_for(self, calls: Calls, timeout_s: float) -> None:
        await asyncio.sleep(0)


@mutant("3", "wrong boundary", "calls that wait for longer than the drain may", also="2 4")
class WaitsForEver(PubSub):
    async def wait_for(self, calls: Calls, timeout_s: float) -> None:
        await asyncio.wait(calls)


@mutant("3", "wrong boundary", "calls that wait for longer than the drain may")
class WaitsTwiceAsLong(Queue):
    async def wait_for(self, calls: Calls, timeout_s: float) -> None:
        await asyncio.wait(calls, timeout=2 * timeout_s)


@mutant("3", "missing step", "calls after a drain")
class TakesNewWork(KeyValue):
    def refuse_new(self) -> None:
        pass


@mutant("3", "order of steps", "calls during a drain")
class TakesNewWorkUntilItsEnd(PubSub):
    def refuse_new(self) -> None:
        pass

    def drained(self, calls: Calls) -> Drained:
        super().refuse_new()
        return super().drained(calls)


@mutant("3", "stale cache", "a second drain")
class SecondDrainCountsAgain(Queue):
    counted: Drained | None = None

    async def drain(self, timeout_s: float) -> Drained:
        if self.counted is None:
            self.counted = await super().drain(timeout_s)
        return self.counted


@mutant("3", "order of steps", "a drain with nothing in hand", also="2 4")
class WaitsWithNothingInHand(KeyValue):
    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = self.check_timeout(timeout_s)
        self.refuse_new()
        await asyncio.sleep(timeout_s)
        return await super().drain(0)


@mutant("3", "order of steps", "calls that all end before the time is over")
class WaitsWhenAllHaveEnded(Queue):
    async def wait_for(self, calls: Calls, timeout_s: float) -> None:
        await asyncio.sleep(timeout_s)


@mutant("3", "missing step", "calls that wait for longer than the drain may")
class LeavesTheRest(Queue):
    async def abort(self, calls: Calls) -> None:
        if self.state == "closed":
            await super().abort(calls)

    def drained(self, calls: Calls) -> Drained:
        done = sum(task.done() for task in calls)
        return Drained(done, len(calls) - done)


@mutant("3", "missing step", "a drain of NaN seconds")
class TakesAnyNumberOfSeconds(KeyValue):
    def check_timeout(self, timeout_s: float) -> float:
        return timeout_s if timeout_s > 0 else 0.0


@mutant("3", "order of steps", "a drain of NaN seconds")
class RefusesWorkBeforeItChecks(Queue):
    async def drain(self, timeout_s: float) -> Drained:
        self.refuse_new()
        return await super().drain(timeout_s)


@mutant("3", "lost on cancel", "a drain that is cancelled", also="2")
class CancelledDrainTakesWorkAgain(PubSub):
    async def drain(self, timeout_s: float) -> Drained:
        try:
            return await super().drain(timeout_s)
        except asyncio.CancelledError:
            self.state = "open" if self.state == "draining" else self.state
            raise


@mutant("3", "missing step", "an open after a drain")
class OpenedAgainItTakesWork(KeyValue):
    async def open(self) -> None:
        if self.state == "draining":
            self.state = "open"
        await super().open()


@mutant("3", "leak between clients", "calls of another driver that wait", also="2")
class CountsCallsOfOthers(Queue):
    def __init__(self, client: Any, namespace: str) -> None:
        super().__init__(client, namespace)
        self.client.__dict__.setdefault("drivers", []).append(self)

    def to_drain(self) -> Calls:
        return [task for driver in self.client.__dict__["drivers"] for task in driver.in_hand]


@mutant("3", "race", "two drains at once")
class SecondOfTwoDrainsCountsNothing(PubSub):
    def to_drain(self) -> Calls:
        calls, self.taken = [task for task in self.in_hand if task not in getattr(self, "taken", ())], set(self.in_hand)
        return calls


@mutant("3", "partial effect", "writes at the time of a drain", also="2")
class AbortedWritesCountAsCompleted(KeyValue):
    async def wait_for(self, calls: Calls, timeout_s: float) -> None:
        await asyncio.sleep(0)

    def drained(self, calls: Calls) -> Drained:
        return Drained(len(calls), 0)


@mutant("3", "wrong error", "a drain after close", also="2 4")
class DrainOfWhatIsClosedRaises(PubSub):
    async def drain(self, timeout_s: float) -> Drained:
        if self.state == "closed":
            self.admit("drain")
        return await super().drain(timeout_s)
