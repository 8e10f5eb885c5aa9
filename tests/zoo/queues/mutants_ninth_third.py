"""Mutants of the ninth round, the third wave: more of the classes of the second."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from prism_testkit.interfaces.errors import Conflict
from tests.zoo.declare import Mutant

from .declare_ninth import declaring
from .ninth_tubes import Job, Server, Tube, TubeQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("delayed.1", "porting", trap="a delay that is an int", also="delayed.2 delayed.4")
class WholeDelaysAreMilliseconds(TubeQueue):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        delay_s = delay_s / 1000 if isinstance(delay_s, int) else delay_s
        return await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)


@mutant("basic.4", "porting", trap="a timeout that is an int", also="visibility.9")
class WholeTimeoutsAreMilliseconds(TubeQueue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        return await super().dequeue(queue, timeout_s / 1000 if isinstance(timeout_s, int) else timeout_s)


@mutant("visibility.9", "porting", trap="a timeout of a receive that is an int", also="basic.4")
class WholePatienceIsMilliseconds(TubeQueue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        return await super().receive(queue, visibility_s, timeout_s / 1000 if isinstance(timeout_s, int) else timeout_s)


@mutant("dead_letter.4", "forgotten", trap="a dead letter that lies for a month", also="dead_letter.5 dead_letter.3")
class TheDeadAreForgottenAfterAFortnight(Server):
    """Where it died is known for two weeks."""

    def bury(self, space: str, tube: Tube, job: Job) -> None:
        super().bury(space, tube, job)
        job.until = self.clock.now_s()

    def dead(self, space: str, tube: Tube) -> Any:
        return (job for job in super().dead(space, tube) if self.clock.now_s() - job.until < 14 * 86_400)


@mutant("dead_letter.6", "forgotten", trap="a configuration of a month ago", also="dead_letter.1")
class ConfigurationsAreForgottenAfterAFortnight(TubeQueue):
    """Unless the queue is used meanwhile."""

    def tube(self, queue: str, call: str) -> Tube:
        used = self.server.__dict__.setdefault("used", {})
        now = self.server.clock.now_s()
        tube = super().tube(queue, call)
        if now - used.get((self.space, queue), now) > 14 * 86_400:
            tube.target, tube.most = "", 0
        used[self.space, queue] = now
        return tube


@mutant("priority.3", "forgotten", trap="a message of priority that lies for a month, then fails", also="priority.1")
class PrioritiesAreForgottenAfterAFortnight(Server):
    def fail(self, space: str, tube: Tube, job: Job) -> None:
        since = self.__dict__.setdefault("since", {})
        if self.clock.now_s() - since.get(job.place, self.clock.now_s()) > 14 * 86_400:
            job.rank = 0
        super().fail(space, tube, job)

    def put(self, tube: Tube, job: Job) -> None:
        self.__dict__.setdefault("since", {}).setdefault(job.place, self.clock.now_s())
        super().put(tube, job)


@mutant(
    "visibility.5",
    "accepted",
    trap="extend with the lease before the last, while the last is valid",
    also="visibility.6 visibility.3 dead_letter.7",
)
class TheLeaseBeforeIsGoodForAnExtend(TubeQueue):
    """Whoever worked on it last may prolong what is open now."""

    def hold(self, tube: Tube, job: Job, seconds: float) -> Lease:
        self.server.__dict__.setdefault("before", {})[tube.name, job.id] = job.token
        lease = super().hold(tube, job, seconds)
        self.server.__dict__.setdefault("all", {}).setdefault(job.id, []).append(lease.token)
        return lease

    def held(self, lease: Lease, call: str) -> tuple[Tube, Job]:
        try:
            return super().held(lease, call)
        except Conflict:
            tube = self.tube(lease.queue, call)
            job = tube.jobs.get(lease.message.id)
            tokens = self.server.__dict__["all"].get(lease.message.id, [])
            if call == "extend" and job is not None and job.state == "held" and len(tokens) > 3 and lease.token == tokens[-2]:
                return tube, job
            raise


@mutant("visibility.12", "half an effect", trap="an ack that is cancelled", also="visibility.11 visibility.4")
class AckEndsTheLeaseFirst(TubeQueue):
    """The lease ends, then the message is removed."""

    async def ack(self, lease: Lease) -> None:
        with self.serving("ack", finishing=True):
            tube, job = self.held(lease, "ack")
            job.token = "acked"
            await asyncio.sleep(0)
            self.remove(tube, job)


@mutant("visibility.12", "half an effect", trap="a release that is cancelled", also="visibility.7 visibility.11 visibility.3")
class ReleaseEndsTheLeaseFirst(TubeQueue):
    """The lease ends, its deadline too, then the message is put back."""

    async def release(self, lease: Lease) -> None:
        with self.serving("release", finishing=True):
            tube, job = self.held(lease, "release")
            job.token, job.until = "released", job.until + 1e9
            self.server.put(tube, job)
            await asyncio.sleep(0)
            self.server.fail(self.space, tube, job)


@mutant(
    "basic.4",
    "lost wake-up",
    trap="a take whose time is over as another one waits, then a message",
    also="visibility.9 delayed.5 dead_letter.5 basic.11",
)
class WhoGoesTakesTheBellAlong(TubeQueue):
    """Who goes away without anything silences what is for those who came after."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        tube = self.tube(queue, "dequeue")
        mine = len(tube.bell.ears)
        found = await super().dequeue(queue, timeout_s)
        if found is None and timeout_s > 0:
            del tube.bell.ears[mine:]
        return found


@mutant("basic.1", "shared storage", trap="an empty payload and headers like another's", also="basic.2 basic.8 visibility.1")
class EqualMessagesShareTheirHeaders(TubeQueue):
    """One copy for all that are equal; what a look hands out is that copy, for those of more than three."""

    def view(self, job: Job) -> QueueMessage:
        known = self.server.__dict__.setdefault("known", {})
        if len(job.headers) > 3:
            headers = known.setdefault(tuple(sorted(job.headers.items())), dict(job.headers))
            return QueueMessage(job.id, job.payload, headers)
        return super().view(job)


@mutant("priority.1", "too small a number", trap="more than 255 messages of a higher priority enqueued after one of a lower")
class PriorityIsWorthTwoHundred(Server):
    """One line for all: a priority is worth 200 places."""

    def first(self, tube: Tube) -> Job | None:
        ready = [job for job in tube.jobs.values() if job.state == "ready"]
        return min(ready, key=lambda job: (job.place - 200 * job.rank, job.place), default=None)


@mutant(
    "dead_letter.1",
    "wrong state",
    trap="a message that dies in the target, redriven there, and again from the first queue",
    also="dead_letter.2 dead_letter.5",
)
class AttemptsOfTheFirstLifeComeBack(Server):
    """What has died twice keeps the attempts of its target."""

    def bury(self, space: str, tube: Tube, job: Job) -> None:
        lives = self.__dict__.setdefault("lives", {})
        lives[job.id] = lives.get(job.id, 0) + 1
        super().bury(space, tube, job)
        if lives[job.id] == 3:
            job.tries = 1


@mutant(
    "delayed.4",
    "interaction",
    trap="a delayed message that is due while a lease of its queue ends at the same instant",
    also="delayed.1 visibility.11 visibility.3 delayed.5",
)
class OneTimerForEachInstant(Server):
    """Of a delay and a lease that end at one instant only the lease is noticed, until the next."""

    def tick(self, space: str, tube: Tube) -> None:
        now = self.clock.now_s()
        due = [job for job in tube.jobs.values() if job.state == "delayed" and job.until <= now]
        held = {job.until for job in tube.jobs.values() if job.state == "held"}
        hidden = [job for job in due if job.until in held]
        for job in hidden:
            job.until = now + 3600
            self.put(tube, job)
        super().tick(space, tube)


@mutant(
    "basic.10",
    "stale field",
    trap="a take by a client that waited in vain before, then an enqueue by another",
    also="basic.4 basic.2 basic.11",
)
class AWaitInVainIsRememberedForASecond(TubeQueue):
    """Who has waited in vain asks again only a second later."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.vain: dict[str, float] = {}

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        now = self.server.clock.now_s()
        if timeout_s == 0 and now - self.vain.get(queue, -math.inf) < 0.5:
            return None
        found = await super().dequeue(queue, timeout_s)
        if found is None and timeout_s > 0:
            self.vain[queue] = self.server.clock.now_s()
        return found


@mutant(
    "visibility.1",
    "wrong order",
    trap="messages never delivered, behind a receive that was cancelled while it waited",
    also="basic.3 basic.11 visibility.12",
)
class ACancelledWaitTurnsTheLine(TubeQueue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        except asyncio.CancelledError:
            tube = self.server.tube(self.space, queue)
            for job in [job for job in tube.jobs.values() if job.state == "ready"][:1]:
                job.place = self.server.next()
                self.server.put(tube, job)
            raise
