"""Mutants that keep in the driver what belongs to one wait."""

from collections.abc import Callable, Mapping

from prism_testkit.interfaces import Bytes, Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, T, step
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("visibility.3", "shared time", trap="two receives that wait to lease for different times", also="visibility.2 visibility.9")
class ReceivesOfAClientShareTheirSeconds(Queue):
    seconds_s = 0.0

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.seconds_s = visibility_s
        return await super().receive(queue, visibility_s, timeout_s)

    def lease(self, row: Row, seconds: float) -> Lease:
        return super().lease(row, self.seconds_s)


@mutant("visibility.9", "shared time", trap="two receives that wait for different times", also="basic.4")
class TakesOfAClientShareTheirEnd(Queue):
    until_s = 0.0

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        self.until_s = self.after(timeout_s)
        while True:
            self.settle(queue)
            row = self.first(queue)
            if row is not None:
                return how(row)
            if timeout_s <= 0 or self.over(self.until_s):
                return None
            await self.pause(queue, self.until_s)


@mutant("basic.1", "shared headers", trap="two enqueues at once, with different headers", also="basic.10 visibility.1")
class EnqueuesOfAClientShareTheirHeaders(Queue):
    headers: Mapping[str, str] | None = None

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.headers = headers
        await step()
        return await super().enqueue(queue, payload, self.headers)


@mutant("basic.10", "shared name", trap="two enqueues at once, to different queues", also="basic.6 basic.2 visibility.8")
class EnqueuesOfAClientShareTheirQueue(Queue):
    queue = ""

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name = self.name(queue, "enqueue")
        self.queue = name
        await step()
        return await super().enqueue(self.queue, payload, headers)


@mutant("priority.1", "shared rank", trap="two enqueues of one client at once, of different priorities", also="priority.4")
class EnqueuesOfAClientShareTheirPriority(Queue):
    priority = 0

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        self.priority = self.rank(priority, "enqueue_with_priority")
        await step()
        return await super().enqueue_with_priority(queue, payload, headers, priority=self.priority)


@mutant("delayed.1", "shared delay", trap="two enqueues of one client at once, with different delays", also="delayed.2 delayed.4")
class EnqueuesOfAClientShareTheirDelay(Queue):
    delay_s = 0.0

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        self.delay_s = self.delay(delay_s, "enqueue_delayed")
        await step()
        return await super().enqueue_delayed(queue, payload, headers, delay_s=self.delay_s)


@mutant("visibility.6", "shared seconds", trap="two extensions of one client at once, by different times", also="visibility.8")
class ExtensionsOfAClientShareTheirSeconds(Queue):
    seconds_s = 0.0

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.seconds_s = self.visibility(seconds, "extend")
        await step()
        await super().extend(lease, self.seconds_s)


@mutant("visibility.8", "shared lease", trap="two acks of one client at once", also="visibility.4 visibility.5")
class AcksOfAClientShareTheirLease(Queue):
    acking: Lease | None = None

    async def ack(self, lease: Lease) -> None:
        self.acking = lease
        await step()
        await super().ack(self.acking)


@mutant("dead_letter.6", "shared target", trap="two configurations of one client at once", also="dead_letter.1 visibility.8")
class ConfigurationsOfAClientShareTheirNumber(Queue):
    most = 0

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.most = max_attempts
        await step()
        await super().configure_dead_letter(queue, target, self.most)
