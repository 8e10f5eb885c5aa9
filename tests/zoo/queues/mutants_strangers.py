"""Mutants that nobody who knew the checks would write: single defects of the kind that a stranger plants into a short driver."""

import struct
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from prism_testkit.interfaces import Bytes, Lease, QueueMessage, QuotaExceeded
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Config, Row, Store

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.2", "identity", trap="a message enqueued after another was taken")
class LowestFreeIdIsGiven(Queue):
    def new_id(self, queue: str) -> str:
        used = {identifier for rows in self.space().queues.values() for identifier in rows}
        return next(str(number) for number in range(len(used) + 1) if str(number) not in used)


@mutant("basic.4", "lost wake-up", trap="a message enqueued when a take has looked and does not wait yet", also="visibility.9")
class LooksThenLiesDown(Queue):
    async def pause(self, queue: str, end: float) -> None:
        await step()
        await super().pause(queue, end)


@mutant("basic.11", "resources", trap="eight takes of one client that time out", also="basic.4 visibility.9 visibility.12")
class TimedOutTakesKeepTheirConnection(Queue):
    """Eight may wait at a time; who finds nothing stays counted."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.free = 8

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        if timeout_s <= 0 or not self.free:
            return await super().take(queue, 0, how)
        self.free -= 1
        try:
            taken = await super().take(queue, timeout_s, how)
        except BaseException:
            self.free += 1
            raise
        self.free += taken is not None
        return taken


@mutant(
    "visibility.4",
    "aliasing",
    trap="two messages of one payload leased at a time",
    also="visibility.1 visibility.2 visibility.6 visibility.7",
)
class LeasesAreKeyedByPayload(Queue):
    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        self.store.notes[self.namespace, row.queue, row.payload] = lease.token
        return lease

    def valid(self, row: Row, lease: Lease) -> bool:
        return super().valid(row, lease) and self.store.notes[self.namespace, row.queue, row.payload] == lease.token


@mutant("visibility.6", "rounding", trap="extend by a second and a fraction")
class ExtendRoundsToSeconds(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        self.visibility(seconds, "extend")
        await super().extend(lease, round(seconds) if seconds >= 1 else seconds)


@mutant(
    "visibility.7", "interaction", trap="release of a message that was enqueued with a delay", also="delayed.4 delayed.1 basic.5"
)
class ReleaseDelaysAnew(Queue):
    """The delay is a field of the message, and whoever makes it available looks at it."""

    def add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        identifier = super().add(operation, queue, payload, headers, priority, delay_s)
        self.store.notes[self.namespace, queue, identifier] = delay_s
        return identifier

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        row = self.space().queues.get(lease.queue, {}).get(lease.message.id)
        delay_s = self.store.notes.get((self.namespace, lease.queue, lease.message.id), 0)
        if row is not None and delay_s > 0:
            self.put(replace(row, due=self.deadline(delay_s)))


@mutant(
    "dead_letter.4",
    "stale field",
    trap="a message that dies in the target too, which has a target of its own",
    also="dead_letter.5",
)
class DeadKeepTheirFirstOrigin(Queue):
    def corpse(self, row: Row, target: str) -> Row:
        return replace(super().corpse(row, target), origin=row.origin or row.queue)


@mutant("dead_letter.5", "iteration during change", trap="redrive of two messages", also="dead_letter.4")
class RedriveSkipsEverySecond(Queue):
    """It walks through the list from which it removes."""

    def dead(self, queue: str) -> list[Row]:
        rows = super().dead(queue)
        return rows[::2] if self.store.notes.get("redriving") else rows

    def revive(self, queue: str) -> int:
        self.store.notes["redriving"] = True
        try:
            return super().revive(queue)
        finally:
            self.store.notes["redriving"] = False


@mutant("dead_letter.5", "empty collection", trap="redrive of a queue that has a target and no dead")
class RedriveOfNothingRaises(Queue):
    def revive(self, queue: str) -> int:
        if self.config(queue) is not None and not self.dead(queue):
            raise ValueError("max() arg is an empty sequence")
        return super().revive(queue)


@mutant("visibility.8", "race", trap="two receives at once after a deadline", also="visibility.2 visibility.3")
class SweepWritesBackItsSnapshot(Queue):
    """Who finds that a lease has ended notes it a moment later, whatever became of the message meanwhile."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lapsed = list(filter(self.lapsed, self.rows(self.name(queue, "receive"))))
        if lapsed:
            await step()
        for row in lapsed:
            self.put(self.ended(row, row.until))
        return await super().receive(queue, visibility_s, timeout_s)


@mutant("dead_letter.1", "wrong moment", trap="max_attempts below the attempts that a message already had", also="dead_letter.6")
class DoomedAtTheirNextFailure(Queue):
    """Whether a message dies is asked when it fails, not when the configuration changes."""

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        spared = {row.id for row in self.rows(queue) if not row.token}
        self.store.notes[self.namespace, queue, "spared"] = spared
        await super().configure_dead_letter(queue, target, max_attempts)

    def lease(self, row: Row, seconds: float) -> Lease:
        self.store.notes.get((self.namespace, row.queue, "spared"), set()).discard(row.id)
        return super().lease(row, seconds)

    def doomed(self, row: Row, config: Config) -> bool:
        return super().doomed(row, config) and row.id not in self.store.notes.get((self.namespace, row.queue, "spared"), set())


@mutant("dead_letter.4", "tie", trap="more than nine messages that die at one instant")
class DeathsOfOneInstantAreSortedAsText(Queue):
    def dead(self, queue: str) -> list[Row]:
        return sorted(super().dead(queue), key=lambda row: (row.ended[0], row.id))


@mutant("dead_letter.6", "overflow", trap="max_attempts of 2**32 or more", also="dead_letter.1")
class MaxAttemptsIn32Bits(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        wrapped = max_attempts & 0xFFFFFFFF if max_attempts >= 2**32 else max_attempts
        await super().configure_dead_letter(queue, target, wrapped or 1)


@mutant("delayed.1", "rounding", trap="a delay of more than 2**24 seconds that is odd", also="delayed.2")
class DelayInSinglePrecision(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        (rounded,) = struct.unpack("f", struct.pack("f", super().delay(delay_s, operation)))
        return float(rounded)


@mutant("delayed.2", "second client", trap="scheduled_count by a client that did not enqueue")
class ScheduledCountIsOfTheClient(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.mine: set[str] = set()

    def add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        identifier = super().add(operation, queue, payload, headers, priority, delay_s)
        self.mine.add(identifier)
        return identifier

    def scheduled(self, queue: str) -> int:
        return sum(self.delayed(row) and row.id in self.mine for row in self.rows(queue))


@mutant("visibility.6", "shortcut", trap="extend by the seconds that the lease was given, some of which have passed")
class ExtendOfTheSameTimeIsSkipped(Queue):
    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        self.store.notes["given", lease.token] = seconds
        return lease

    async def extend(self, lease: Lease, seconds: float) -> None:
        if self.store.notes.get(("given", lease.token)) != self.visibility(seconds, "extend"):
            await super().extend(lease, seconds)
        else:
            self.held(lease, "extend")


@mutant(
    "visibility.2",
    "stale timer",
    trap="a message released and leased anew for longer than the first lease lasts",
    also="visibility.5",
)
class OldTimersEndNewLeases(Queue):
    """A release leaves the timer of the lease, which asks for the message and not for the lease."""

    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        timers = self.store.notes.setdefault(("timers", self.namespace, row.queue, row.id), [])
        self.store.notes["began", lease.token] = self.now(), list(timers)
        timers.append(self.deadline(seconds))
        return lease

    def lapsed(self, row: Row) -> bool:
        began, timers = self.store.notes.get(("began", row.token), (0.0, []))
        return super().lapsed(row) or (bool(row.token) and any(began < timer and self.over(timer) for timer in timers))

    def instants(self, queue: str) -> list[float]:
        return [*super().instants(queue), self.now() + 1.0]


@mutant("basic.11", "cancellation", trap="a take that waits and is cancelled, then another that waits", also="basic.4")
class CancelledTicketsStay(Queue):
    """Who waits is served by ticket; a ticket is given back by who was served, or whose time is over."""

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        if timeout_s <= 0:
            return await super().take(queue, timeout_s, how)
        tickets = self.store.notes.setdefault(("tickets", self.namespace, queue), [])
        mine = object()
        tickets.append(mine)
        end = self.after(timeout_s)
        while True:
            self.settle(queue)
            row = self.first(queue) if tickets[0] is mine else None
            if row is not None or self.over(end):
                tickets.remove(mine)
                self.wake(list(self.waiting()))
                return None if row is None else how(row)
            await self.pause(queue, end)


@mutant("dead_letter.4", "aliasing", trap="a list of the dead that its caller empties")
class DeadLettersGiveTheirOwnList(Queue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        fresh = await super().dead_letters(queue)
        key = "dead", self.namespace, queue, tuple(message.id for message in fresh)
        kept: list[QueueMessage] = self.store.notes.setdefault(key, fresh)
        return kept


@mutant(
    "dead_letter.6", "side effect", trap="the same configuration again, after something died", also="dead_letter.4 dead_letter.5"
)
class ConfiguringAgainForgetsTheDead(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        before = self.config(queue)
        await super().configure_dead_letter(queue, target, max_attempts)
        if before == self.config(queue):
            self.put(*(replace(row, origin="", death=0) for row in self.dead(queue)))


@mutant("priority.1", "second client", trap="messages of several priorities that two clients enqueued")
class PrioritiesOfOthersAreZero(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.mine: set[str] = set()

    def insert(self, row: Row) -> str:
        self.mine.add(row.id)
        return super().insert(row)

    def order(self, row: Row) -> Any:
        return -row.priority if row.id in self.mine else 0, row.place


@mutant(
    "visibility.3",
    "second client",
    trap="a message received by two clients by turns",
    also="visibility.1 visibility.7 dead_letter.1",
)
class AttemptsAreOfTheClient(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.counts: Counter[tuple[str, str]] = Counter()

    def lease(self, row: Row, seconds: float) -> Lease:
        self.counts[row.queue, row.id] += 1
        return replace(super().lease(row, seconds), attempt=self.counts[row.queue, row.id])


@mutant(
    "basic.1",
    "normalisation",
    trap="names of headers that differ in their normal form alone",
    also="basic.8 visibility.1 visibility.15",
)
class HeaderNamesAreOneNormalForm(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return {unicodedata.normalize("NFC", name): text for name, text in super().labels(headers, operation).items()}


class _Slots(Queue):
    """So many calls of a kind may go wrong before a slot for each is used up."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.slots = 16

    def use(self) -> None:
        if not self.slots:
            raise QuotaExceeded("zoo: no slot is free")


@mutant("basic.7", "resources", trap="sixteen refused enqueues of one client", also="visibility.15")
class RefusedEnqueuesKeepTheirSlot(_Slots):
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.use()
        self.slots -= 1
        identifier = await super().enqueue(queue, payload, headers)
        self.slots += 1
        return identifier


@mutant("visibility.5", "resources", trap="sixteen acks of one client of leases that have ended", also="visibility.4")
class ConflictsKeepTheirSlot(_Slots):
    async def ack(self, lease: Lease) -> None:
        self.use()
        self.slots -= 1
        await super().ack(lease)
        self.slots += 1
