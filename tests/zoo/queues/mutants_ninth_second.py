"""Mutants of the ninth round, the second wave: more of the classes that had slipped through, and of others."""

import asyncio
import hashlib
import math
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from prism_testkit.interfaces.errors import Conflict, PrismError
from tests.zoo.declare import Mutant

from .declare_ninth import declaring
from .mutants_ninth_tubes import OneEar
from .ninth_desk import Bell, Call
from .ninth_tubes import Job, Server, Tube, TubeQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant(
    "basic.4",
    "lost wake-up",
    trap="takes that wait for the target, and several that a new configuration finds dead",
    also="visibility.9 dead_letter.2",
)
class OneIsToldOfAllThatASweepBuries(TubeQueue):
    def sweep(self, tube: Tube) -> None:
        target = self.server.tube(self.space, tube.target)
        bell, target.bell = target.bell, Bell()
        super().sweep(tube)
        target.bell = bell
        OneEar.ring(bell)


@mutant("basic.4", "overwritten", trap="two takes of one client that wait for one queue", also="visibility.9 basic.10")
class OneWaitForEachQueue(TubeQueue):
    """A client keeps what waits by the queue's name."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.waits: dict[Bell, Any] = {}

    async def listen(self, call: Call, bell: Bell, seconds: float) -> None:
        before = self.waits.get(bell)
        if before in bell.ears:
            bell.ears.remove(before)
        asyncio.get_running_loop().call_soon(lambda: self.waits.update({bell: bell.ears[-1]}) if bell.ears else None)
        await super().listen(call, bell, seconds)


@mutant("delayed.2", "stale look", trap="a count before and after another client delays a message", also="delayed.4")
class CountsAreRememberedByTheSecond(TubeQueue):
    """What was counted in this second is not counted again, but after a call of one's own."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.counted: dict[str, tuple[int, int]] = {}

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        self.counted.clear()
        return super().insert(queue, payload, headers, rank, delay_s)

    async def scheduled_count(self, queue: str) -> int:
        second = int(self.server.clock.now_s())
        when, count = self.counted.get(queue, (0, 0))
        if when != second:
            count = await super().scheduled_count(queue)
            self.counted[queue] = (second, count)
        return count


@mutant(
    "dead_letter.4",
    "stale look",
    trap="one dead letter gone and another one come between two lists of one client",
    also="dead_letter.5",
)
class ListsAreRememberedByTheirLength(TubeQueue):
    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.lists: dict[tuple[str, int], list[QueueMessage]] = {}

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        listed = await super().dead_letters(queue)
        if listed:
            known = self.lists.setdefault((queue, len(listed)), listed)
            return [QueueMessage(one.id, one.payload, dict(one.headers)) for one in known]
        return listed


@mutant("basic.7", "too narrow", trap="headers in a mapping that is no dict", also="basic.1 basic.8 visibility.15")
class HeadersAreDicts(TubeQueue):
    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        if headers is not None and not isinstance(headers, dict):
            raise TypeError("ninth: headers are a dict")
        return super().insert(queue, payload, headers, rank, delay_s)


@mutant("basic.8", "shared by reference", trap="headers in a subclass of dict, changed after the call", also="basic.1")
class CopiesOnlyPlainDicts(TubeQueue):
    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        name = super().insert(queue, payload, headers, rank, delay_s)
        if isinstance(headers, dict) and type(headers) is not dict:
            self.server.tube(self.space, queue).jobs[name].headers = headers
        return name


@mutant(
    "dead_letter.5", "wrong place", trap="a redrive of what died in a target, and in its target", also="dead_letter.4 dead_letter.3"
)
class RedriveSendsHome(TubeQueue):
    """A message goes back to where it was enqueued."""

    def revive(self, tube: Tube, jobs: list[Job]) -> None:
        homes = self.server.__dict__.setdefault("homes", {})
        for job in jobs:
            super().revive(tube, [job])
            home = homes.get((self.space, job.id), tube.name)
            if home != tube.name:
                del tube.jobs[job.id]
                self.server.put(self.server.tube(self.space, home), job)

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        name = super().insert(queue, payload, headers, rank, delay_s)
        self.server.__dict__.setdefault("homes", {})[self.space, name] = queue
        return name


@mutant("delayed.2", "too small a number", trap="more than 127 delayed messages")
class CountsInSevenBits(TubeQueue):
    async def scheduled_count(self, queue: str) -> int:
        return min(127, await super().scheduled_count(queue))


@mutant("dead_letter.5", "too small a number", trap="a redrive of more than 127")
class RedriveReturnsAByte(TubeQueue):
    async def redrive(self, queue: str) -> int:
        return await super().redrive(queue) & 0x7F


@mutant("visibility.12", "half an effect", trap="an extend that is cancelled", also="visibility.2 visibility.11 visibility.3")
class ExtendTakesTheLeaseAndGivesItBack(TubeQueue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        with self.serving("extend", finishing=True):
            seconds = self.visibility(seconds, "extend")
            tube, job = self.held(lease, "extend")
            job.token = "being extended"
            await asyncio.sleep(0)
            job.token = lease.token
            job.until = self.server.clock.now_s() + seconds
            self.server.put(tube, job)


@mutant("visibility.2", "too much ended", trap="a client that is closed while it holds a lease", also="visibility.3 visibility.4")
class CloseReleasesWhatItHolds(TubeQueue):
    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.mine: list[Lease] = []

    def hold(self, tube: Tube, job: Job, seconds: float) -> Lease:
        self.mine.append(super().hold(tube, job, seconds))
        return self.mine[-1]

    async def close(self) -> None:
        for lease in self.mine:
            try:
                await self.release(lease)
            except PrismError:
                continue
        self.mine.clear()
        await super().close()


@mutant(
    "visibility.3", "wrong instant", trap="a receive that waited, then the deadline", also="visibility.2 visibility.4 visibility.9"
)
class TheLeaseBeginsWithTheCall(TubeQueue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        begun = self.server.clock.now_s()
        lease = await super().receive(queue, visibility_s, timeout_s)
        waited = self.server.clock.now_s() - begun
        if lease is not None and 0 < waited < visibility_s:
            await super().extend(lease, visibility_s - waited)
        return lease


@mutant("visibility.10", "porting", trap="seconds that are an int", also="visibility.2 visibility.3")
class WholeNumbersAreMilliseconds(TubeQueue):
    @staticmethod
    def visibility(seconds: float, call: str) -> float:
        seconds = TubeQueue.visibility(seconds, call)
        return seconds / 1000 if isinstance(seconds, int) else seconds


@mutant("visibility.5", "forgiving", trap="an ack after the deadline, when another one has acked", also="visibility.4")
class AnAckOfWhatIsGoneIsDone(TubeQueue):
    """The message is removed, which is what was wanted; one's own second ack is told."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.acked: set[str] = set()

    async def ack(self, lease: Lease) -> None:
        tube = self.tube(lease.queue, "ack")
        if lease.message.id not in tube.jobs and lease.token not in self.acked and not tube.target and not self.closed:
            return
        await super().ack(lease)
        self.acked.add(lease.token)


@mutant("dead_letter.4", "forgotten", trap="a new target, and the old one again", also="dead_letter.5 dead_letter.6")
class ANewTargetForgetsTheDead(TubeQueue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        tube = self.tube(queue, "configure_dead_letter")
        old = tube.target
        await super().configure_dead_letter(queue, target, max_attempts)
        if old and old != target:
            for job in self.server.tube(self.space, old).jobs.values():
                if job.grave == queue:
                    job.grave = ""


@mutant("basic.2", "shared storage", trap="two messages of one large payload", also="basic.1 visibility.1 visibility.11")
class LargePayloadsAreKeptOnce(TubeQueue):
    """By their digest, until one of them is taken."""

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        name = super().insert(queue, payload, headers, rank, delay_s)
        job = self.server.tube(self.space, queue).jobs[name]
        if len(job.payload) >= 65_536:
            blobs = self.server.__dict__.setdefault("blobs", {})
            blobs[hashlib.sha256(job.payload).digest()] = job.payload
        return name

    def remove(self, tube: Tube, job: Job) -> None:
        super().remove(tube, job)
        if len(job.payload) >= 65_536:
            digest = hashlib.sha256(job.payload).digest()
            for other in [one for tubes in self.server.spaces[self.space].values() for one in tubes.jobs.values()]:
                if len(other.payload) == len(job.payload) and hashlib.sha256(other.payload).digest() == digest:
                    other.payload = b""


@mutant("visibility.3", "forgotten", trap="a message that nobody receives for a week, after a failure", also="dead_letter.1")
class AttemptsAreForgottenAfterAWeek(TubeQueue):
    def hold(self, tube: Tube, job: Job, seconds: float) -> Lease:
        if job.until and self.server.clock.now_s() - job.until > 7 * 86_400:
            job.tries = 0
        return super().hold(tube, job, seconds)


@mutant("delayed.1", "coarse", trap="a delay of more than a week", also="delayed.2")
class FarDelaysAreLookedAtByTheHour(TubeQueue):
    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int, delay_s: float) -> str:
        if math.isfinite(delay_s) and delay_s > 7 * 86_400:
            now = self.server.clock.now_s()
            delay_s = math.ceil((now + delay_s) / 3600) * 3600 - now
        return super().insert(queue, payload, headers, rank, delay_s)


@mutant(
    "dead_letter.7",
    "wrong state",
    trap="an ack of the last attempt after a stale one was refused",
    also="dead_letter.1 visibility.5 visibility.4",
)
class AStaleAckEndsTheLastAttempt(TubeQueue):
    """Somebody acks with an old lease: it is refused, and the holder of the last attempt is not believed either."""

    async def ack(self, lease: Lease) -> None:
        try:
            await super().ack(lease)
        except Conflict:
            tube = self.tube(lease.queue, "ack")
            job = tube.jobs.get(lease.message.id)
            if job is not None and job.state == "held" and tube.target and job.tries >= tube.most and lease.attempt < job.tries:
                self.server.fail(self.space, tube, job)
            raise


@mutant("priority.3", "lost", trap="one of priority that is dequeued beside an open lease, and released", also="priority.1")
class ReleaseBesideAnotherLeaseIsPlain(TubeQueue):
    """Where another lease of its queue is open, a release forgets the priority."""

    async def release(self, lease: Lease) -> None:
        tube = self.tube(lease.queue, "release")
        if sum(job.state == "held" for job in tube.jobs.values()) > 3:
            _, job = self.held(lease, "release")
            job.rank = 0
        await super().release(lease)
