"""A queue as a work-queue server keeps it in memory: tubes with a heap for each state, and jobs that move between them."""

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import prism_testkit as prism
from prism_testkit.backend import Place
from prism_testkit.interfaces import (
    Bytes,
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.interfaces.errors import Conflict
from prism_testkit.traits import Traits

from .ninth_desk import NAME, Bell, Desk, checked, connector

__all__ = ["Job", "Server", "Tube", "TubeQueue", "clean", "connect"]


@dataclass(eq=False)
class Job:
    """A message and its state: "ready", "delayed", "held" or "gone"."""

    id: str
    payload: bytes
    headers: dict[str, str]
    rank: int
    place: int
    state: str = "ready"
    until: float = 0.0
    """When its delay or its lease ends."""
    tries: int = 0
    token: str = ""
    grave: str = ""
    """The queue where it died."""
    died: int = 0


@dataclass(eq=False)
class Tube:
    """A queue."""

    name: str
    jobs: dict[str, Job] = field(default_factory=dict)
    ready: list[tuple[int, int, str]] = field(default_factory=list)
    timed: list[tuple[float, int, str]] = field(default_factory=list)
    bell: Bell = field(default_factory=Bell)
    target: str = ""
    most: int = 0


class Server:
    """All tubes of a place."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, dict[str, Tube]] = {}
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self.count

    def tube(self, space: str, name: str) -> Tube:
        tubes = self.spaces.setdefault(space, {})
        if name not in tubes:
            tubes[name] = Tube(name)
        return tubes[name]

    def put(self, tube: Tube, job: Job) -> None:
        """Put a job into the heap of its state."""
        tube.jobs[job.id] = job
        if job.state == "ready":
            heapq.heappush(tube.ready, (-job.rank, job.place, job.id))
            tube.bell.ring()
        else:
            heapq.heappush(tube.timed, (job.until, job.place, job.id))
            tube.bell.ring()

    def tick(self, space: str, tube: Tube) -> None:
        """Do what time has done to a tube."""
        now = self.clock.now_s()
        while tube.timed and tube.timed[0][0] <= now:
            until, _, name = heapq.heappop(tube.timed)
            job = tube.jobs.get(name)
            if job is None or job.state not in ("delayed", "held") or job.until != until:
                continue
            if job.state == "delayed":
                self.ripen(tube, job)
            else:
                self.fail(space, tube, job)

    def ripen(self, tube: Tube, job: Job) -> None:
        job.state = "ready"
        self.put(tube, job)

    def fail(self, space: str, tube: Tube, job: Job) -> None:
        """End the lease of a job without ack."""
        job.token = ""
        job.state = "ready"
        if tube.target and job.tries >= tube.most:
            self.bury(space, tube, job)
        else:
            self.put(tube, job)

    def bury(self, space: str, tube: Tube, job: Job) -> None:
        del tube.jobs[job.id]
        job.tries = 0
        job.grave = tube.name
        job.place = job.died = self.next()
        self.put(self.tube(space, tube.target), job)

    def first(self, tube: Tube) -> Job | None:
        while tube.ready:
            _, place, name = tube.ready[0]
            job = tube.jobs.get(name)
            if job is not None and job.state == "ready" and job.place == place:
                return job
            heapq.heappop(tube.ready)
        return None

    def nap(self, tube: Tube) -> float:
        return tube.timed[0][0] - self.clock.now_s() if tube.timed else math.inf

    def dead(self, space: str, tube: Tube) -> Iterator[Job]:
        """Yield what died in a tube and is available in its target, in the order of death."""
        if not tube.target:
            return
        target = self.tube(space, tube.target)
        self.tick(space, target)
        dead = [job for job in target.jobs.values() if job.grave == tube.name and job.state == "ready"]
        yield from sorted(dead, key=lambda job: job.died)

    def clean(self, prefix: str) -> None:
        for space in [space for space in self.spaces if space.startswith(prefix)]:
            del self.spaces[space]


class TubeQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed, Desk):
    """The driver; all of it happens in the server, between two steps of the event loop."""

    traits: ClassVar[Traits] = Traits()

    def __init__(self, server: Server, namespace: str) -> None:
        Desk.__init__(self)
        self.server = server
        self.space = namespace

    def tube(self, queue: str, call: str) -> Tube:
        prism.check_name(queue, call, NAME, self.limits)
        tube = self.server.tube(self.space, queue)
        self.server.tick(self.space, tube)
        return tube

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        data, copy = checked(self.limits, "enqueue", queue, payload, headers)
        tube = self.tube(queue, "enqueue")
        place = self.server.next()
        job = Job(f"job-{place}", data, copy, rank, place)
        if delay_s > 0:
            job.state = "delayed"
            job.until = self.server.clock.now_s() + delay_s
        self.server.put(tube, job)
        return job.id

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        with self.serving("enqueue"):
            return self.insert(queue, payload, headers, 0, 0.0)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        with self.serving("enqueue_with_priority"):
            if not isinstance(priority, int) or isinstance(priority, bool):
                raise TypeError(f"{NAME}: a priority is an int")
            if not 0 <= priority <= 9:
                raise ValueError(f"{NAME}: a priority is 0 to 9")
            return self.insert(queue, payload, headers, priority, 0.0)

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        with self.serving("enqueue_delayed"):
            return self.insert(queue, payload, headers, 0, prism.check_timeout(delay_s, "enqueue_delayed", NAME))

    async def scheduled_count(self, queue: str) -> int:
        with self.serving("scheduled_count"):
            return sum(job.state == "delayed" for job in self.tube(queue, "scheduled_count").jobs.values())

    def view(self, job: Job) -> QueueMessage:
        return QueueMessage(job.id, job.payload, dict(job.headers))

    async def peek(self, queue: str) -> QueueMessage | None:
        with self.serving("peek"):
            job = self.server.first(self.tube(queue, "peek"))
            return self.view(job) if job else None

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        with self.serving("dequeue") as call:
            wait = prism.check_timeout(timeout_s, "dequeue", NAME)
            tube = self.tube(queue, "dequeue")

            def look() -> QueueMessage | None:
                self.server.tick(self.space, tube)
                job = self.server.first(tube)
                if job is None:
                    return None
                self.remove(tube, job)
                return self.view(job)

            return await self.until(call, tube.bell, wait, look, lambda: self.server.nap(tube))

    def remove(self, tube: Tube, job: Job) -> None:
        job.state = "gone"
        del tube.jobs[job.id]

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        with self.serving("receive") as call:
            wait = prism.check_timeout(timeout_s, "receive", NAME)
            seconds = self.visibility(visibility_s, "receive")
            tube = self.tube(queue, "receive")

            def look() -> Lease | None:
                self.server.tick(self.space, tube)
                job = self.server.first(tube)
                return self.hold(tube, job, seconds) if job else None

            return await self.until(call, tube.bell, wait, look, lambda: self.server.nap(tube))

    def hold(self, tube: Tube, job: Job, seconds: float) -> Lease:
        job.state = "held"
        job.tries += 1
        job.token = str(self.server.next())
        job.until = self.server.clock.now_s() + seconds
        self.server.put(tube, job)
        return Lease(tube.name, self.view(job), job.tries, job.token)

    def held(self, lease: Lease, call: str) -> tuple[Tube, Job]:
        tube = self.tube(lease.queue, call)
        job = tube.jobs.get(lease.message.id)
        if job is None or job.state != "held" or job.token != lease.token:
            raise Conflict(f"{NAME}: {call} {lease.queue[:40]!a}: the lease has ended")
        return tube, job

    async def ack(self, lease: Lease) -> None:
        with self.serving("ack", finishing=True):
            self.remove(*self.held(lease, "ack"))

    async def extend(self, lease: Lease, seconds: float) -> None:
        with self.serving("extend", finishing=True):
            seconds = self.visibility(seconds, "extend")
            tube, job = self.held(lease, "extend")
            job.until = self.server.clock.now_s() + seconds
            self.server.put(tube, job)

    async def release(self, lease: Lease) -> None:
        with self.serving("release", finishing=True):
            tube, job = self.held(lease, "release")
            self.server.fail(self.space, tube, job)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        with self.serving("configure_dead_letter"):
            prism.check_name(target, "configure_dead_letter", NAME, self.limits)
            tube = self.tube(queue, "configure_dead_letter")
            if not isinstance(max_attempts, int):
                raise TypeError(f"{NAME}: max_attempts is an int")
            if max_attempts < 1 or target == queue:
                raise ValueError(f"{NAME}: max_attempts below 1, or a queue that is its own target")
            tube.target, tube.most = target, max_attempts
            self.sweep(tube)

    def sweep(self, tube: Tube) -> None:
        """Bury what had as many attempts already."""
        for job in sorted(tube.jobs.values(), key=lambda job: job.place):
            if job.state == "ready" and job.tries >= tube.most:
                self.server.bury(self.space, tube, job)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        with self.serving("dead_letters"):
            return [self.view(job) for job in self.server.dead(self.space, self.tube(queue, "dead_letters"))]

    async def redrive(self, queue: str) -> int:
        with self.serving("redrive"):
            tube = self.tube(queue, "redrive")
            jobs = list(self.server.dead(self.space, tube))
            self.revive(tube, jobs)
            return len(jobs)

    def revive(self, tube: Tube, jobs: list[Job]) -> None:
        for job in jobs:
            del self.server.tube(self.space, tube.target).jobs[job.id]
            job.grave, job.tries, job.place = "", 0, self.server.next()
            self.server.put(tube, job)


connect = connector(Server, "ninth tubes")


async def clean(server: Server, prefix: str) -> None:
    server.clean(prefix)
