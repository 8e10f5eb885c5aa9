"""How a worker begins and ends, with mistakes that real projects had shipped."""

import asyncio
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Closed, Drained, Health
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family
from tests.zoo.queues.history_broker import ROUNDING, Broker, clean, connector

from .history_worker import Call, WorkerQueue

__all__ = ["MUTANTS", "RIGHT", "worker"]


def worker(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Return the backend ``zoo-lifecycle-history-<name>`` of a driver."""
    broker = settings.pop("broker", Broker)
    return Backend(
        name=f"zoo-lifecycle-history-{name}",
        connect=connector(broker),
        drivers=[wrong],
        clean=clean,
        traits=wrong.traits,
        **settings,
    )


RIGHT = (worker("worker", WorkerQueue),)
"""The worker without a mistake."""

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="lifecycle.", make=worker, home=f"{__package__}.catalogue")


@mutant("2", "close", "a take that waits when it is closed")
class WaitersAreNotTold(WorkerQueue):
    """aio-libs/janus#237: a close marks the queue as closed and wakes nobody who is blocked in it already."""

    async def close(self) -> None:
        self.state = "closed"
        async with self.opening:
            await self.undo()


@mutant("2", "close", "a call that is not the one which checks")
class OneCallDoesNotAsk(WorkerQueue):
    """aio-libs/janus#294: one of the calls does not ask whether it is closed, and goes on as if it were open."""

    def admit(self, operation: str) -> None:
        if operation != "top":
            super().admit(operation)


@mutant("2", "close", "a close in the turn in which a take was given something", "3")
class DropsWhatWasHanded(WorkerQueue):
    """moonbitlang/async#397: a value that was handed to a reader which has not yet woken is dropped when it is closed."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        found = await super().blocking(script, queue, 0, *arguments)
        if found is not None or timeout_s <= 0:
            return found
        return await self.through(script, lambda: self.handed(script, queue, timeout_s, *arguments))

    async def handed(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        end = self.broker.now() + timeout_s + ROUNDING
        while self.broker.now() < end:
            bells = self.broker.bells.setdefault((self.space, self.key(queue)), set())
            hand: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            bell: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            bell.add_done_callback(lambda bell, hand=hand: self.hand(bell, hand, script, queue, *arguments))
            bells.add(bell)
            try:
                wake = min([end, *self.instants(queue)])
                await self.until(hand, max(0.0, wake - self.broker.now()) + ROUNDING)
            finally:
                bells.discard(bell)
                bell.cancel()
            if hand.done():
                if hand.result() is not None:
                    return hand.result()
            else:
                found = self.broker.run(script, self.space, self.key(queue), *arguments)
                if found is not None:
                    return found
        return None

    def hand(self, bell: "asyncio.Future[None]", hand: "asyncio.Future[Any]", script: str, queue: str, *arguments: Any) -> None:
        if not bell.cancelled() and not hand.done():
            hand.set_result(self.broker.run(script, self.space, self.key(queue), *arguments))


@mutant("2", "close", "a close while a take is on its way to where it waits")
class WakesOnlyWhoWaits(WorkerQueue):
    """pocoproject/poco#5213: a close wakes those that wait; who is about to wait is not woken, and waits for ever."""

    async def wire(self) -> None:
        await asyncio.sleep(0)

    async def until(self, waiter: "asyncio.Future[None]", seconds: float) -> None:
        self.waiting = getattr(self, "waiting", 0) + 1
        try:
            await super().until(waiter, seconds)
        finally:
            self.waiting -= 1

    async def abort(self, calls: list[Call]) -> None:
        if getattr(self, "waiting", 0):
            await super().abort(calls)


@mutant("4", "health", "health after a close or a drain")
class HealthyWithoutAConnection(WorkerQueue):
    """ITISFoundation/osparc-simcore#9672: a connection that was closed in good order leaves the health as it was."""

    async def health(self) -> Health:
        return Health("healthy")


@mutant("3", "drain", "a take after a drain")
class PollsOnWhileItDrains(WorkerQueue):
    """confluentinc/parallel-consumer#552: to drain stops what comes in, and polls on for messages."""

    def admit(self, operation: str) -> None:
        if self.state != "draining" or operation not in ("pop", "take"):
            super().admit(operation)


@mutant("3", "drain", "calls that are refused while it drains")
class CountsWhomItRefuses(WorkerQueue):
    """Azure/azure-sdk-for-java#48192: a call is counted before it is looked at whether any is taken, so the refused are counted."""

    refused = 0

    def admit(self, operation: str) -> None:
        try:
            super().admit(operation)
        except Closed:
            self.refused += 1
            raise

    async def drain(self, timeout_s: float) -> Drained:
        self.refused = 0
        drained = await super().drain(timeout_s)
        return Drained(drained.completed + self.refused, drained.aborted)


@mutant("1", "open", "an open after one that was cancelled")
class StartingForEver(WorkerQueue):
    """timgit/pg-boss#793: a start that failed leaves the mark that it is starting, and the next one returns having done nothing."""

    starting = False

    async def open(self) -> None:
        if self.starting:
            return
        self.starting = True
        await super().open()

    def admit(self, operation: str) -> None:
        if self.state == "new":
            raise Closed(f"history: {operation}: it is not open")
        super().admit(operation)


@mutant("2", "close", "a close while the answer to a take is on its way", "3")
class AnswersOnTheWayAreDropped(WorkerQueue):
    """celery/celery#7950: a worker that shuts down drops what the broker has popped for it and what it has not yet read."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        async def work() -> Any:
            found = await super(AnswersOnTheWayAreDropped, self).blocking(script, queue, timeout_s, *arguments)
            try:
                await self.wire()
            except asyncio.CancelledError:
                return found  # a caller that goes is told; a worker that ends is not
            return found

        return await self.through(script, work)


@mutant("2", "close", "a take that waits when it is closed")
class CloseWaitsForTheConsumer(WorkerQueue):
    """pika/pika#743: a close waits for a consumer to end, which waits for a message."""

    async def close(self) -> None:
        self.state = "closed"
        if self.calls:
            await asyncio.wait([call.over for call in self.calls])
        await super().close()


@mutant("2", "close", "any close after calls that waited")
class HelpersGoOn(WorkerQueue):
    """aio-libs/janus#574: tasks that carry notifications between the two sides are pending when the queue is gone."""

    async def wait(self, queue: str, end: float) -> None:
        if not getattr(self, "helper", None):
            self.helper = asyncio.ensure_future(asyncio.sleep(3600))
        await super().wait(queue, end)


@mutant("2", "close", "a close that is cancelled, and another")
class CloseOnce(WorkerQueue):
    """chrisguidry/docket#69: a close that is cancelled has not disconnected, and the next one finds that it is closed."""

    async def close(self) -> None:
        if self.state == "closed":
            return
        self.state = "closed"
        await asyncio.sleep(0)
        await self.abort(list(self.calls))
        async with self.opening:
            await self.undo()


@mutant("3", "drain", "a drain whose time is over")
class DrainLetsThemRun(WorkerQueue):
    """gojek/ziggurat#288: when the time to drain is over, what still runs is left running, and its messages come again."""

    async def drain(self, timeout_s: float) -> Drained:
        timeout = check_timeout(timeout_s, "drain", "history")
        calls = list(self.calls)
        if self.state != "closed":
            self.state = "draining"
        if calls:
            await asyncio.wait([call.over for call in calls], timeout=timeout)
        left = sum(not call.over.done() for call in calls)
        return Drained(len(calls) - left, left)


@mutant("3", "drain", "a drain while a call is on its way to where it waits", "2")
class DrainAbortsOnlyWhoWaits(WorkerQueue):
    """The class of pocoproject/poco#5213: what a drain aborts are those that wait, and who is about to wait is not among them."""

    waiting = 0

    async def wire(self) -> None:
        await asyncio.sleep(0)

    async def until(self, waiter: "asyncio.Future[None]", seconds: float) -> None:
        self.waiting += 1
        try:
            await super().until(waiter, seconds)
        finally:
            self.waiting -= 1

    async def drain(self, timeout_s: float) -> Drained:
        timeout = check_timeout(timeout_s, "drain", "history")
        if self.state != "closed":
            self.state = "draining"
        if self.waiting:
            return await super().drain(timeout)
        return Drained(0, 0)


@mutant("2", "close", "a close in the turn in which a call begins")
class WaitsAfterItLooked(WorkerQueue):
    """The class of pocoproject/poco#5213: a take looks whether it is closed, lets its request travel, and does not look again."""

    async def until(self, waiter: "asyncio.Future[None]", seconds: float) -> None:
        if self.state == "closed":
            await asyncio.wait([waiter], timeout=seconds)
        else:
            await super().until(waiter, seconds)

    async def wire(self) -> None:
        await asyncio.sleep(0)

    async def abort(self, calls: list[Call]) -> None:
        for call in calls:
            call.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
