"""Leases, with mistakes that real projects had shipped: what a deadline is counted from, who looks at it, what `extend` does."""

from typing import Any

from prism_testkit.interfaces import Conflict, Lease
from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import ROUNDING, Broker, Record
from .history_queue import BrokerQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("visibility.6", "deadline", "an extend some time after the receive")
class ExtendsFromTheReceive(Broker):
    """localstack/localstack#6454: the deadline is when it was received plus the timeout, and extend replaces only the latter."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.received: dict[str, float] = {}

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        lease = super().lend(space, queue, record, now, seconds)
        self.received[lease.token] = now
        return lease

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        super().extend(space, queue, now, lease, seconds)
        self.keys(space, queue).leased[lease.message.id] = self.received[lease.token] + seconds + ROUNDING


@mutant("visibility.5", "fencing", "an extend of a lease past its deadline")
class ExtendHidesAgain(Broker):
    """floci-io/floci#902: extend sets the deadline without asking whether the lease has ended: who had it hides the message."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.last: dict[str, str] = {}

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        lease = super().lend(space, queue, record, now, seconds)
        self.last[record.id] = lease.token
        return lease

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        record = keys.bodies.get(lease.message.id)
        if record is not None and not record.token and self.last[record.id] == lease.token and record.rank in keys.ready:
            keys.ready.remove(record.rank)
            record.token = lease.token
            keys.leased[record.id] = now
        keys.leased[self.held(space, lease, now - 1).id] = now + seconds + ROUNDING
        self.ring(space, queue)


@mutant("visibility.6", "deadline", "an extend to a deadline that is earlier")
class ExtensionsOnlyLengthen(Broker):
    """softwaremill/elasticmq#315: what stands in the set of deadlines stays there, so a shorter timeout has no effect."""

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        before = self.keys(space, queue).leased.get(lease.message.id, 0.0)
        super().extend(space, queue, now, lease, seconds)
        leased = self.keys(space, queue).leased
        leased[lease.message.id] = max(before, leased[lease.message.id])


@mutant("visibility.4", "fencing", "an ack after an extend", "visibility.6 visibility.5")
class ChangedIsNoLongerInFlight(Broker):
    """Doist/sqs-workers#102: changing the visibility takes a message out of those in flight, so its ack finds nothing."""

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        super().extend(space, queue, now, lease, seconds)
        self.keys(space, queue).bodies[lease.message.id].token = "changed"


@mutant("visibility.5", "fencing", "an ack past the deadline, before anyone received it again")
class AcksTheExpired(Broker):
    """localstack/localstack#13222: a receipt whose timeout is over still deletes."""

    def ack(self, space: str, queue: str, now: float, lease: Lease) -> None:
        keys = self.keys(space, queue)
        record = keys.bodies.get(lease.message.id)
        if record is not None and record.token == lease.token:
            keys.leased[record.id] = now + 1
        super().ack(space, queue, now, lease)


@mutant("visibility.6", "deadline", "an ack after the first deadline and before the extended one", "visibility.4 visibility.5")
class ReceiptsHaveTheirOwnExpiry(Broker):
    """localstack/localstack#13222: extend moves when the message comes back, and not until when its receipt is accepted."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.expiry: dict[str, float] = {}

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        lease = super().lend(space, queue, record, now, seconds)
        self.expiry[lease.token] = now + seconds + ROUNDING
        return lease

    def ack(self, space: str, queue: str, now: float, lease: Lease) -> None:
        if self.expiry.get(lease.token, now) <= now:
            raise Conflict("history: the receipt has expired")
        super().ack(space, queue, now, lease)


@mutant("visibility.5", "fencing", "any ended lease")
class StaleOnesAreFine(BrokerQueue):
    """gkinsman/AlmostServiceBus#20: to complete or abandon what was swept meanwhile returns, and nobody learns that it was lost."""

    async def ack(self, lease: Lease) -> None:
        try:
            await super().ack(lease)
        except Conflict:
            return


@mutant("visibility.5", "fencing", "a second delivery to the same client", "visibility.2")
class OneTokenAWorker(BrokerQueue):
    """OptimalBits/bull#308: the token of a lock is the worker's, so its earlier delivery settles its later one."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s, timeout_s)
        if lease is None:
            return None
        token = f"worker-{id(self)}"
        self.broker.keys(self.space, self.key(queue)).bodies[lease.message.id].token = token
        return Lease(lease.queue, lease.message, lease.attempt, token)


@mutant("visibility.5", "fencing", "a channel that a cancelled call left, with a lease open", "visibility.12 visibility.2")
class TagsBeginAnew(BrokerQueue):
    """ruby-amqp/bunny#710: a channel opened again counts its deliveries from 1, and an old tag settles another delivery."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.tag, self.tags = 0, dict[str, Lease]()

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        try:
            lease = await super().receive(queue, visibility_s, timeout_s)
        except BaseException:
            self.tag = 0
            raise
        if lease is None:
            return None
        self.tag += 1
        self.tags[str(self.tag)] = lease
        return Lease(lease.queue, lease.message, lease.attempt, f"{lease.token} {self.tag}")

    def real(self, lease: Lease) -> Lease:
        token, _, tag = lease.token.partition(" ")
        return self.tags.get(tag, Lease(lease.queue, lease.message, lease.attempt, token))

    async def ack(self, lease: Lease) -> None:
        await super().ack(self.real(lease))

    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(self.real(lease), seconds)

    async def release(self, lease: Lease) -> None:
        await super().release(self.real(lease))


@mutant("visibility.2", "fencing", "an ack while the same client holds another lease", "visibility.3 visibility.4 visibility.5")
class UnlocksAllOfTheSession(BrokerQueue):
    """bensheldon/good_job#1113: after a job all locks of the session are given back, those of its other jobs too."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.locks: list[Lease] = []

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s, timeout_s)
        if lease is not None:
            self.locks.append(lease)
        return lease

    async def ack(self, lease: Lease) -> None:
        await super().ack(lease)
        locks, self.locks = self.locks, []
        for lock in locks:
            keys = self.broker.keys(self.space, self.key(lock.queue))
            if lock.message.id in keys.leased and keys.bodies[lock.message.id].token == lock.token:
                self.broker.fail(self.space, self.key(lock.queue), keys.bodies[lock.message.id])


@mutant("visibility.2", "selection", "a further receive by who holds a lease")
class RunsItsOwnAgain(BrokerQueue):
    """collectiveidea/delayed_job_active_record#36: what is locked by this worker counts as ready to run, for this worker."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.mine: list[Lease] = []

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s)
        keys = self.broker.keys(self.space, self.key(queue))
        for own in self.mine if lease is None else ():
            record = keys.bodies.get(own.message.id)
            if own.queue == queue and record is not None and record.token == own.token:
                return self.broker.lend(self.space, self.key(queue), record, self.broker.now(), visibility_s)
        lease = lease or (await super().receive(queue, visibility_s, timeout_s) if timeout_s > 0 else None)
        if lease is not None:
            self.mine.append(lease)
        return lease


@mutant("visibility.5", "fencing", "a release by who lost the lease, while another holds it", "visibility.2")
class UnlocksForAnother(Broker):
    """collectiveidea/delayed_job#554: who finds that it ran too long unlocks the job, which another has locked by then."""

    def release(self, space: str, queue: str, now: float, lease: Lease) -> None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        if lease.message.id not in keys.leased:
            raise Conflict("history: the lease has ended")
        self.fail(space, queue, keys.bodies[lease.message.id])


@mutant("visibility.3", "deadline", "a message that is older than its lease is long", "visibility.2")
class MeasuresFromTheEnqueue(Broker):
    """svix/omniqueue-rs#102: the deadline is counted from the id, which tells when the message was enqueued."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.made: dict[str, float] = {}

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        self.made.setdefault(record.id, self.now())
        super().make_ready(space, queue, record)

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        return super().lend(space, queue, record, self.made[record.id], seconds)


@mutant("visibility.3", "many", "twenty leases that go on, before one that has lapsed")
class RescuesOneBatch(Broker):
    """riverqueue/river#1318: of those in flight a batch is looked at; if none of it is to be rescued, none ever is."""

    def lapsed(self, space: str, queue: str, now: float) -> list[str]:
        keys = self.keys(space, queue)
        batch = sorted(keys.leased, key=lambda name: keys.bodies[name].seq)[:20]
        return [name for name in super().lapsed(space, queue, now) if name in batch]


@mutant("visibility.3", "deadline", "a look soon after the deadline", "visibility.9 visibility.11")
class SweepsEveryTenthTime(Broker):
    """celery/kombu#2558: what was not acked is restored at every tenth call only."""

    calls = 0

    def reap(self, space: str, queue: str, now: float) -> None:
        self.calls += 1
        if self.calls % 10 == 0:
            super().reap(space, queue, now)


@mutant("visibility.3", "deadline", "a client that is older than the deadline", "visibility.9 visibility.11")
class CutOffOfTheStart(BrokerQueue):
    """gottscj/Hangfire.Mongo#224: the instant before which a fetch counts as lost is computed when the fetcher is made."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.cut_off = broker.now()

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        keys = self.broker.keys(self.space, self.key(queue))
        hidden = {name: until for name, until in keys.leased.items() if until > self.cut_off}
        for name in hidden:
            del keys.leased[name]
        try:
            return await super().receive(queue, visibility_s)
        finally:
            keys.leased.update({name: until for name, until in hidden.items() if name in keys.bodies})
