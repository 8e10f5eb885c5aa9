"""Mutants that keep in the driver what belongs to a call, where it meets a call of another kind."""

from collections.abc import Callable, Mapping

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, T, step
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Shares(Queue):
    """One field for all calls of the client."""

    delay_ = 0.0
    rank_ = 0
    queue_ = ""
    seconds_ = 0.0
    how: object = None
    lease_: Lease | None = None


@mutant("delayed.3", "shared delay", trap="a plain enqueue and a delayed one at once", also="delayed.1 visibility.12")
class APlainEnqueueTakesTheDelayOfAnother(_Shares):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        self.delay_ = self.delay(delay_s, "enqueue_delayed")
        await step()
        found = await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
        self.delay_ = 0.0
        return found

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self.add("enqueue", queue, payload, headers, delay_s=max(self.delay_, 0.0))


@mutant("priority.1", "shared rank", trap="a plain enqueue and one with a priority at once", also="priority.4 visibility.12")
class APlainEnqueueTakesThePriorityOfAnother(_Shares):
    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        self.rank_ = self.rank(priority, "enqueue_with_priority")
        await step()
        found = await super().enqueue_with_priority(queue, payload, headers, priority=priority)
        self.rank_ = 0
        return found

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self.add("enqueue", queue, payload, headers, priority=self.rank_)


@mutant(
    "basic.2",
    "shared step",
    trap="a dequeue and a receive that wait at once",
    also="basic.4 visibility.11",
)
class ADequeueAndAReceiveShareTheirWay(_Shares):
    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        self.how = how
        found = await super().take(queue, timeout_s, lambda row: row)
        if found is None:
            return None
        other: Callable[[Row], T] = self.how  # type: ignore[assignment]
        if other is how:
            return how(found)
        other(found)
        return how(found) if other != self.pop else None


@mutant("basic.5", "shared queue", trap="a peek and a dequeue at once", also="basic.6 basic.10")
class APeekAndADequeueShareTheirQueue(_Shares):
    async def peek(self, queue: str) -> QueueMessage | None:
        self.queue_ = self.name(queue, "peek")
        await step()
        return await super().peek(self.queue_)

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.queue_ = self.name(queue, "dequeue")
        return await super().dequeue(queue, timeout_s)


@mutant(
    "visibility.6", "shared lease", trap="an ack and an extend at once", also="visibility.4 visibility.2 visibility.8 visibility.11"
)
class AnAckAndAnExtendShareTheirLease(_Shares):
    async def ack(self, lease: Lease) -> None:
        self.lease_ = lease
        await step()
        await super().ack(self.lease_)

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.lease_ = lease
        await step()
        await super().extend(self.lease_, seconds)


@mutant("visibility.7", "shared lease", trap="a release and an ack at once", also="visibility.4 visibility.8 visibility.11")
class AReleaseAndAnAckShareTheirLease(_Shares):
    async def release(self, lease: Lease) -> None:
        self.lease_ = lease
        await step()
        await super().release(self.lease_)

    async def ack(self, lease: Lease) -> None:
        self.lease_ = lease
        await super().ack(lease)


@mutant("visibility.3", "shared seconds", trap="a receive and an extend at once", also="visibility.6 visibility.2 visibility.8")
class AReceiveAndAnExtendShareTheirSeconds(_Shares):
    async def extend(self, lease: Lease, seconds: float) -> None:
        self.seconds_ = self.visibility(seconds, "extend")
        await step()
        await super().extend(lease, self.seconds_)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.seconds_ = self.visibility(visibility_s, "receive")
        return await super().receive(queue, visibility_s, timeout_s)


@mutant(
    "dead_letter.5",
    "shared queue",
    trap="a redrive and a look at the dead of another queue at once",
    also="dead_letter.4 dead_letter.6",
)
class ARedriveAndALookShareTheirQueue(_Shares):
    async def redrive(self, queue: str) -> int:
        self.queue_ = self.name(queue, "redrive")
        await step()
        return await super().redrive(self.queue_)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.queue_ = self.name(queue, "dead_letters")
        await step()
        return await super().dead_letters(self.queue_)


@mutant("delayed.2", "shared queue", trap="a count and an enqueue to another queue at once", also="delayed.1 basic.10")
class ACountAndAnEnqueueShareTheirQueue(_Shares):
    async def scheduled_count(self, queue: str) -> int:
        self.queue_ = self.name(queue, "scheduled_count")
        await step()
        return self.scheduled(self.queue_)

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.queue_ = self.name(queue, "enqueue")
        return await super().enqueue(queue, payload, headers)
