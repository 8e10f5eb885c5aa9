"""What ends a lease, with mistakes that real projects had shipped: releases, receipts, counters, and what is left behind."""

import asyncio
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Conflict, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import ROUNDING, Broker, Record
from .history_queue import BrokerQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant(
    "visibility.4",
    "state",
    "an ack after a release, and a look after the first deadline",
    "visibility.11 visibility.7 visibility.2",
)
class LeavesTheFirstEntry(Broker):
    """HangfireIO/Hangfire#2380: to requeue adds an entry and leaves the fetched one, which comes back when its timeout is over."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.left: dict[tuple[str, str], list[tuple[float, Record]]] = {}

    def release(self, space: str, queue: str, now: float, lease: Lease) -> None:
        record = self.held(space, lease, now)
        self.left.setdefault((space, queue), []).append((self.keys(space, queue).leased[record.id], replace(record)))
        super().release(space, queue, now, lease)

    def reap(self, space: str, queue: str, now: float) -> None:
        super().reap(space, queue, now)
        left = self.left.get((space, queue), [])
        for until, record in [entry for entry in left if entry[0] <= now]:
            left.remove((until, record))
            if record.id not in self.keys(space, queue).bodies:
                record.token = ""
                self.arrive(space, queue, record)


@mutant("visibility.4", "state", "a look after the deadline of what was acked", "visibility.1")
class AckedOnesStall(Broker):
    """OptimalBits/bull#1600: what completed stays in the set of the stalled, and comes again when its body is long gone."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.watched: dict[tuple[str, str], dict[str, float]] = {}

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        self.watched.setdefault((space, queue), {})[record.id] = now + seconds + ROUNDING
        return super().lend(space, queue, record, now, seconds)

    def reap(self, space: str, queue: str, now: float) -> None:
        super().reap(space, queue, now)
        watched = self.watched.get((space, queue), {})
        for name in [name for name, until in watched.items() if until <= now]:
            del watched[name]
            if name not in self.keys(space, queue).bodies:
                self.arrive(space, queue, Record(name, b"", {}, self.serial(space)))


@mutant("visibility.7", "contents", "a release of a message without headers")
class JoinsTheHeaders(Broker):
    """graphile/worker#241: to unlock joins another table, and a job that has no row there stays locked."""

    def release(self, space: str, queue: str, now: float, lease: Lease) -> None:
        record = self.held(space, lease, now)
        if record.headers:
            super().release(space, queue, now, lease)
        else:
            record.token = "unlocked"


@mutant("visibility.7", "timing", "a look right after a release", "visibility.9 visibility.5")
class NacksInBatches(BrokerQueue):
    """googleapis/google-cloud-go#684: what is given back is collected for a while, and sent together."""

    async def release(self, lease: Lease) -> None:
        await self.wire()
        self.broker.held(self.space, lease, self.broker.now())
        asyncio.get_running_loop().call_later(0.1, self.flush, lease)

    def flush(self, lease: Lease) -> None:
        keys = self.broker.keys(self.space, self.key(lease.queue))
        if lease.message.id in keys.leased and keys.bodies[lease.message.id].token == lease.token:
            self.broker.fail(self.space, self.key(lease.queue), keys.bodies[lease.message.id])


@mutant("visibility.5", "state", "the next delivery of what a stale ack named", "visibility.11 visibility.9")
class RemembersWhatItDidNotFind(Broker):
    """python-arq/arq#485: to abort a job that is not found notes it, and the next job of that name is thrown away unrun."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.noted: set[str] = set()

    def ack(self, space: str, queue: str, now: float, lease: Lease) -> None:
        try:
            super().ack(space, queue, now, lease)
        except Conflict:
            self.noted.add(lease.message.id)
            raise

    def take(self, space: str, queue: str, now: float, seconds: float) -> Lease | None:
        lease: Lease | None = super().take(space, queue, now, seconds)
        if lease is not None and lease.message.id in self.noted:
            self.noted.discard(lease.message.id)
            super().ack(space, queue, now, lease)
            return self.take(space, queue, now, seconds)
        return lease


@mutant("visibility.6", "deadline", "an extend by other seconds than the receive's")
class RemembersTheFirstDelay(Broker):
    """MassTransit/MassTransit#1924: a delay given later is ignored for the one that the message already carries."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.first: dict[str, float] = {}

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        return super().lend(space, queue, record, now, self.first.setdefault(record.id, seconds))

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        super().extend(space, queue, now, lease, self.first[lease.message.id])


@mutant("visibility.6", "deadline", "any extend")
class AddsToTheDeadline(Broker):
    """MassTransit/MassTransit#2870: the seconds are taken as counted from the deadline, and they are counted from now."""

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        until = self.keys(space, queue).leased.get(lease.message.id, now)
        super().extend(space, queue, now, lease, seconds)
        self.keys(space, queue).leased[lease.message.id] = until + seconds


@mutant("visibility.4", "fencing", "an ack after an extend", "visibility.6 visibility.5")
class AnotherReceiptEachTime(Broker):
    """Azure/durabletask#1065: each update makes a new receipt, and what the caller holds is of no use any more."""

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        super().extend(space, queue, now, lease, seconds)
        self.keys(space, queue).bodies[lease.message.id].token = self.new_token(space)


@mutant("visibility.3", "clients", "a delivery to another client", "dead_letter.1")
class CountsInTheConsumer(BrokerQueue):
    """MassTransit/MassTransit#2076: how often a message failed is known to the consumer that saw it, and not in the message."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.seen: dict[tuple[str, str], int] = {}

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s, timeout_s)
        if lease is None:
            return None
        slot = queue, lease.message.id
        self.seen[slot] = self.seen.get(slot, 0) + 1
        self.broker.keys(self.space, self.key(queue)).bodies[lease.message.id].attempts = self.seen[slot]
        return replace(lease, attempt=self.seen[slot])


@mutant(
    "visibility.11", "clients", "two messages, two clients", "visibility.9 visibility.3 visibility.4 visibility.5 basic.10 basic.2"
)
class PrefetchesUnderTheLease(BrokerQueue):
    """Azure/azure-service-bus#155: a receive fetches one more for later, whose lock runs while it waits in the client."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.stock: dict[str, Lease] = {}

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        if queue in self.stock:
            await self.wire()
            return self.stock.pop(queue)
        lease = await super().receive(queue, visibility_s, timeout_s)
        more: Lease | None = self.broker.run("take", self.space, self.key(queue), visibility_s) if lease is not None else None
        if more is not None:
            self.stock[queue] = more
        return lease


@mutant("basic.5", "state", "a receive after a peek", "visibility.1")
class PeeksAreDeliveries(Broker):
    """Azure/azure-service-bus-dotnet#589: the count of deliveries is raised where a message is made, for a peek as well."""

    def top(self, space: str, queue: str, now: float) -> QueueMessage | None:
        found = super().top(space, queue, now)
        if found is not None:
            self.keys(space, queue).bodies[found.id].attempts += 1
        return found


@mutant("basic.8", "contents", "a change of the headers that were given, and another delivery", "visibility.15 visibility.1")
class GivesItsOwnHeaders(Broker):
    """getmoto/moto#4599: what a receive takes out of the attributes that it returns is gone from the message."""

    def message(self, record: Record) -> QueueMessage:
        return QueueMessage(record.id, record.payload, record.headers)


@mutant("visibility.12", "cancellation", "an extend that is cancelled between its two steps", "visibility.11 visibility.3")
class ActiveWithoutLease(BrokerQueue):
    """hibiken/asynq#1144: a task is active and has no entry among the leases; who looks for lapsed ones never finds it."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.length(seconds, "extend")
        await self.wire()
        self.broker.held(self.space, lease, self.broker.now())
        leased = self.broker.keys(self.space, self.key(lease.queue)).leased
        del leased[lease.message.id]
        await self.wire()
        leased[lease.message.id] = self.broker.now() + seconds + ROUNDING
        self.broker.ring(self.space, self.key(lease.queue))


@mutant(
    "visibility.15",
    "queues",
    "a lapse in one queue, noted by a look at another",
    "visibility.3 visibility.11 visibility.1 basic.2 basic.6",
)
class RequeuesWhereItLooks(Broker):
    """weyoss/redis-smq#30: what a dead consumer held goes to its queue, and to the other queue that the collector is at."""

    def reap(self, space: str, queue: str, now: float) -> None:
        super().reap(space, queue, now)
        for other, keys in list(self.spaces.get(space, {}).items()):
            for name in self.lapsed(space, other, now):
                record = keys.bodies[name]
                self.fail(space, other, record)
                self.arrive(space, queue, replace(record))
