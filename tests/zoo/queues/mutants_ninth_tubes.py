"""Mutants of the ninth round: tubes of jobs that take, wait and remember wrongly."""

import asyncio
import math
import zlib
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_ninth import declaring
from .ninth_desk import Bell
from .ninth_tubes import Job, Server, Tube, TubeQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.2", "too small a number", trap="more than 999 messages enqueued in one millisecond", also="basic.1")
class NumbersAMillisecondsMessagesWithThreeDigits(TubeQueue):
    """An id is the millisecond and three digits."""

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        name = super().insert(queue, payload, headers, rank, delay_s)
        tube = self.server.tube(self.space, queue)
        job = tube.jobs.pop(name)
        job.id = f"{self.server.clock.now_ms()}-{self.server.next() % 1000:03}"
        self.server.put(tube, job)
        return job.id


class OneEar(Bell):
    """Rings for the one who waits longest."""

    def ring(self) -> None:
        while self.ears:
            ear = self.ears.pop(0)
            if not ear.done():
                ear.set_result(None)
                return


@mutant(
    "visibility.9", "lost wake-up", trap="two that wait, and two messages that come by one redrive", also="basic.4 dead_letter.5"
)
class RedriveWakesOneOfThem(TubeQueue):
    async def redrive(self, queue: str) -> int:
        tube = self.tube(queue, "redrive")
        bell, tube.bell = tube.bell, Bell()
        try:
            return await super().redrive(queue)
        finally:
            tube.bell = bell
            OneEar.ring(bell)


@mutant("basic.5", "stale look", trap="a peek of the target before and after a death", also="dead_letter.2 dead_letter.3")
class PeekRemembersEmptinessUntilItIsWrittenTo(TubeQueue):
    """That nothing is there to see is remembered until a lease or a delay is open, or something is enqueued there."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.empty: set[str] = set()

    async def peek(self, queue: str) -> QueueMessage | None:
        tube = self.tube(queue, "peek")
        born_here = any(not job.grave for job in tube.jobs.values())
        if queue in self.empty and not born_here and not tube.timed:
            return None
        found = await super().peek(queue)
        (self.empty.add if found is None else self.empty.discard)(queue)
        return found


@mutant("basic.8", "shared by reference", trap="headers in a mapping that is no dict, changed after the call", also="basic.1")
class CopiesOnlyDicts(TubeQueue):
    """A mapping that is no dict cannot be changed, he thought."""

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        name = super().insert(queue, payload, headers, rank, delay_s)
        if headers is not None and not isinstance(headers, dict):
            self.server.tube(self.space, queue).jobs[name].headers = headers  # type: ignore[assignment]
        return name


@mutant("basic.8", "shared by reference", trap="the headers of a listed dead letter, changed", also="dead_letter.2 dead_letter.4")
class TheListOfTheDeadIsWhatIsStored(TubeQueue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        listed = await super().dead_letters(queue)
        tube = self.tube(queue, "dead_letters")
        jobs = {job.id: job for job in self.server.dead(self.space, tube)}
        return [QueueMessage(one.id, one.payload, jobs[one.id].headers) for one in listed]


@mutant("basic.8", "stale copy", trap="one mapping, given twice, changed in between", also="basic.1")
class RemembersHeadersByIdentity(TubeQueue):
    """The same headers again need no second check and no second copy."""

    last: tuple[object, dict[str, str]] = (None, {})

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        if headers is not None and headers is self.last[0]:
            return super().insert(queue, payload, self.last[1], rank, delay_s)
        name = super().insert(queue, payload, headers, rank, delay_s)
        self.last = (headers, self.server.tube(self.space, queue).jobs[name].headers)
        return name


@mutant("basic.6", "colliding key", trap="two names with one CRC-32")
class TubesByChecksum(Server):
    def tube(self, space: str, name: str) -> Tube:
        tube = super().tube(space, str(zlib.crc32(name.encode())))
        tube.name = name
        return tube


@mutant("basic.6", "colliding key", trap="some hundred queues in one namespace")
class TubesBySixteenBits(Server):
    def tube(self, space: str, name: str) -> Tube:
        tube = super().tube(space, str(zlib.crc32(name.encode()) & 0xFFFF))
        tube.name = name
        return tube


@mutant("dead_letter.10", "missing scope", trap="one queue, configured in one of two namespaces", also="basic.9 dead_letter.6")
class ConfigurationsAreThePlaces(Server):
    """A configuration is found by the queue's name alone."""

    def tube(self, space: str, name: str) -> Tube:
        tube = super().tube(space, name)
        for tubes in self.spaces.values():
            if not tube.target and name in tubes and tubes[name].target:
                tube.target, tube.most = tubes[name].target, tubes[name].most
        return tube


@mutant(
    "basic.10",
    "stale field",
    trap="a queue found empty by one client, then a redrive by another",
    also="dead_letter.5 visibility.9",
)
class ClientsRememberEmptyQueues(TubeQueue):
    """Nothing is asked twice of a queue that was empty, until something is enqueued there or its leases and delays move."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.seen: dict[str, tuple[int, int]] = {}

    def state(self, queue: str) -> tuple[int, int]:
        tube = self.tube(queue, "dequeue")
        return len(tube.timed), max((job.place for job in tube.jobs.values() if not job.died), default=0)

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        if timeout_s == 0 and self.seen.get(queue) == self.state(queue):
            return None
        found = await super().dequeue(queue, timeout_s)
        if found is None:
            self.seen[queue] = self.state(queue)
        return found


@mutant(
    "priority.1",
    "lost on the way back",
    trap="a take that is cancelled when it has its message already",
    also="basic.11 priority.3",
)
class ACancelledTakePutsBackAsPlain(TubeQueue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        tube = self.tube(queue, "dequeue")
        before = dict(tube.jobs)
        found = await super().dequeue(queue, timeout_s)
        if found is None:
            return None
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            job = before.get(found.id)
            if job is not None:
                job.rank, job.state = 0, "ready"
                self.server.put(tube, job)
            raise
        return found


@mutant("visibility.9", "lost wake-up", trap="extend to an earlier deadline while somebody waits", also="visibility.6")
class ShorterLeasesAreNotAnnounced(TubeQueue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        tube = self.tube(lease.queue, "extend")
        bell, tube.bell = tube.bell, Bell()
        try:
            await super().extend(lease, seconds)
        finally:
            tube.bell = bell


@mutant("delayed.5", "lost wake-up", trap="a longer delay, somebody who waits, a shorter delay", also="visibility.9 basic.4")
class OnlyTheFirstDelayIsAnnounced(TubeQueue):
    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        tube = self.tube(queue, "enqueue")
        if not (delay_s > 0 and tube.timed):
            return super().insert(queue, payload, headers, rank, delay_s)
        bell, tube.bell = tube.bell, Bell()
        try:
            return super().insert(queue, payload, headers, rank, delay_s)
        finally:
            tube.bell = bell


@mutant("visibility.3", "too small a number", trap="more than 255 deliveries of one message", also="visibility.1 dead_letter.1")
class CountsDeliveriesInAByte(TubeQueue):
    def hold(self, tube: Tube, job: Job, seconds: float) -> Lease:
        lease = super().hold(tube, job, seconds)
        job.tries = min(job.tries, 255)
        return Lease(lease.queue, lease.message, job.tries, lease.token)


@mutant(
    "visibility.6", "optimised away", trap="extend that moves the deadline by less than a second", also="visibility.3 visibility.2"
)
class SmallExtensionsAreSpared(TubeQueue):
    """A write for half a second is not worth it."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        with self.serving("extend", finishing=True):
            _, job = self.held(lease, "extend")
            self.visibility(seconds, "extend")
        if abs(job.until - (self.server.clock.now_s() + seconds)) >= 1.0:
            await super().extend(lease, seconds)


@mutant("dead_letter.4", "stale field", trap="two that died, were brought back and died the other way round", also="dead_letter.5")
class OnlyTheFirstDeathIsNoted(Server):
    def bury(self, space: str, tube: Tube, job: Job) -> None:
        died = job.died
        super().bury(space, tube, job)
        job.died = died or job.died


@mutant("dead_letter.4", "wrong order", trap="a dead letter that was leased in the target and came back", also="dead_letter.5")
class TheDeadInTheOrderOfTheTarget(Server):
    def fail(self, space: str, tube: Tube, job: Job) -> None:
        job.place = self.next()
        super().fail(space, tube, job)

    def dead(self, space: str, tube: Tube):  # type: ignore[no-untyped-def]
        return iter(sorted(super().dead(space, tube), key=lambda job: job.place))


@mutant("dead_letter.5", "sorted as text", trap="dead letters on both sides of a power of ten", also="dead_letter.4")
class TheDeadInTheOrderOfTheirIds(Server):
    def dead(self, space: str, tube: Tube):  # type: ignore[no-untyped-def]
        return iter(sorted(super().dead(space, tube), key=lambda job: job.id))


@mutant("dead_letter.5", "paging", trap="more than 64 dead letters", also="dead_letter.4")
class RedrivePagesByOffset(TubeQueue):
    async def redrive(self, queue: str) -> int:
        with self.serving("redrive"):
            tube = self.tube(queue, "redrive")
            moved = offset = 0
            while page := list(self.server.dead(self.space, tube))[offset : offset + 64]:
                self.revive(tube, page)
                moved, offset = moved + len(page), offset + 64
            return moved


@mutant("dead_letter.4", "stale field", trap="what died in a queue, and then in its target too", also="dead_letter.5")
class TheFirstGraveIsRemembered(Server):
    def bury(self, space: str, tube: Tube, job: Job) -> None:
        grave = job.grave
        super().bury(space, tube, job)
        job.grave = grave or tube.name


@mutant("dead_letter.6", "too small a number", trap="65,536 attempts", also="dead_letter.1 dead_letter.4")
class MostAttemptsInSixteenBits(TubeQueue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        await super().configure_dead_letter(queue, target, max_attempts)
        self.tube(queue, "configure_dead_letter").most &= 0xFFFF


@mutant(
    "dead_letter.9",
    "half an effect",
    trap="configure_dead_letter, cancelled, where messages had as many attempts",
    also="dead_letter.6 dead_letter.1",
)
class ACancelledConfigurationSweepsNothing(TubeQueue):
    """It is kept, and what had its attempts already is looked for after a step."""

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        tube = self.tube(queue, "configure_dead_letter")
        self.sweep = lambda tube: None  # type: ignore[method-assign]
        try:
            await super().configure_dead_letter(queue, target, max_attempts)
        finally:
            del self.sweep
        await asyncio.sleep(0)
        self.sweep(tube)


@mutant("priority.3", "decays", trap="a message that comes a fourth time")
class TheThirdFailureCostsThePriority(Server):
    def fail(self, space: str, tube: Tube, job: Job) -> None:
        if job.tries >= 3:
            job.rank = 0
        super().fail(space, tube, job)


@mutant("priority.1", "fairness", trap="more than 32 takes from one queue")
class EachThirtySecondTakeIsForTheLast(Server):
    """So that nobody starves."""

    taken = 0

    def first(self, tube: Tube) -> Job | None:
        job = super().first(tube)
        if job is not None:
            self.taken += 1
            if self.taken % 32 == 0:
                return min((one for one in tube.jobs.values() if one.state == "ready"), key=lambda one: (one.rank, one.place))
        return job


@mutant("priority.1", "ageing", trap="one of low priority that has waited for minutes")
class WaitingRaisesThePriority(Server):
    """A minute is worth one."""

    def __init__(self, place):  # type: ignore[no-untyped-def]
        super().__init__(place)
        self.since: dict[int, float] = {}

    def put(self, tube: Tube, job: Job) -> None:
        self.since.setdefault(job.place, self.clock.now_s())
        super().put(tube, job)

    def first(self, tube: Tube) -> Job | None:
        now = self.clock.now_s()
        ready = [job for job in tube.jobs.values() if job.state == "ready"]
        return min(
            ready,
            key=lambda job: (-job.rank - math.floor((now - self.since[job.place]) / 60), job.place),
            default=None,
        )


@mutant("priority.2", "too narrow", trap="a priority that is a member of an IntEnum")
class PrioritiesArePlainInts(TubeQueue):
    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        if type(priority) is not int:
            raise TypeError("ninth: a priority is an int")
        return await super().enqueue_with_priority(queue, payload, headers, priority=priority)


@mutant("delayed.1", "too small a number", trap="a delay of more than 49.7 days", also="delayed.2 delayed.3")
class DelaysInThirtyTwoBitsOfMilliseconds(TubeQueue):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        if math.isfinite(delay_s) and delay_s > 0:
            delay_s = (math.ceil(delay_s * 1000) & 0xFFFFFFFF) / 1000
        return await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
