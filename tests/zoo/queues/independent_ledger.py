"""Queues over an append-only ledger: every change is a line of JSON, and what a queue holds is the sum of its lines.

After some lines the sum itself is written down, and a new ledger begins. A line is handed to the operating system before its
call returns, so it survives the process.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar

import prism_testkit as prism
from prism_testkit.interfaces import (
    Bytes,
    Conflict,
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.traits import Traits

from .independent_rules import Draft, Rules
from .independent_sum import Entry, Ledger, Line

__all__ = ["LedgerQueue", "Shelf", "clean", "connector"]

T = TypeVar("T")

MARGIN_S = 2e-6
"""Floats of the year 2027 are exact to less than this."""


class Shelf:
    """The ledgers of one place, and who waits for a change in them."""

    ledger_type: ClassVar[type[Ledger]] = Ledger

    def __init__(self, place: prism.Place) -> None:
        self.clock, self.folder = place.clock, place.directory
        self.ledgers: dict[str, Ledger] = {}
        self.bells: dict[str, set[asyncio.Event]] = {}

    def ledger(self, namespace: str) -> Ledger:
        if namespace not in self.ledgers:
            self.ledgers[namespace] = self.ledger_type(self.folder, namespace)
        return self.ledgers[namespace]

    def ring(self, key: str) -> None:
        for bell in self.bells.get(key, ()):
            bell.set()

    def close(self) -> None:
        """The last client has left in peace."""


class LedgerQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """All five interfaces over a ledger."""

    traits: Traits = Traits(durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes")
    rules_type: ClassVar[type[Rules]] = Rules

    def __init__(self, shelf: Shelf, namespace: str) -> None:
        self.shelf, self.namespace, self.rules = shelf, namespace, self.rules_type()
        self.ledger = shelf.ledger(namespace)

    # Steps

    def now(self) -> float:
        return self.shelf.clock.now_s()

    def instant(self, seconds: float) -> float:
        """Return the instant so far away, never rounded down."""
        return self.now() + seconds + MARGIN_S

    def note(self, *lines: Line) -> None:
        if lines:
            self.ledger.write(*lines)
            for bells in {self.bells(line[1]) for line in lines}:
                self.shelf.ring(bells)

    def bells(self, queue: str) -> str:
        """Return what the bells are kept under that ring for a queue."""
        return self.namespace

    def held(self, queue: str) -> list[Entry]:
        """Return what a queue holds, the next one first."""
        return sorted(self.ledger.read().queues.get(queue, {}).values(), key=self.order)

    def order(self, entry: Entry) -> Any:
        return -entry.rank, entry.place

    def lent(self, entry: Entry) -> bool:
        return entry.token != ""

    def waits(self, entry: Entry) -> bool:
        """Say whether the delay of a message is not over."""
        return entry.due > self.now()

    def tidy(self, queue: str) -> None:
        """Write down which leases ended by themselves, and who died of it."""
        late = [e for e in self.held(queue) if self.lent(e) and e.until <= self.now()]
        self.note(*(["back", queue, e.id, e.until] for e in sorted(late, key=lambda e: e.until)))
        self.note(*self.deaths(queue))

    def deaths(self, queue: str) -> list[Line]:
        policy = self.ledger.read().policies.get(queue)
        if policy is None:
            return []
        target, most = policy
        dying = [e for e in self.held(queue) if not self.lent(e) and e.attempts >= most]
        return [["died", queue, e.id, target] for e in sorted(dying, key=lambda e: (e.ended, e.ended_line))]

    def next(self, queue: str) -> Entry | None:
        return next((e for e in self.held(queue) if not self.lent(e) and not self.waits(e)), None)

    def dead(self, queue: str) -> list[Entry]:
        policy = self.ledger.read().policies.get(queue)
        if policy is None:
            return []
        return sorted((e for e in self.held(policy[0]) if e.origin == queue), key=lambda e: e.death)

    def put(self, draft: Draft) -> str:
        name = f"{self.ledger.read().lines + 1:x}"
        due = self.instant(draft.delay_s) if draft.delay_s > 0 else 0.0
        body = base64.b64encode(draft.payload).decode()
        self.note(["put", draft.queue, name, body, draft.headers, draft.rank, due])
        return name

    async def take(self, queue: str, timeout_s: float, how: Callable[[Entry], T]) -> T | None:
        """Take the next message, or wait for one; nothing suspends between the look and the line."""
        end = self.instant(timeout_s)
        while True:
            self.tidy(queue)
            entry = self.next(queue)
            if entry is not None:
                return how(entry)
            if timeout_s <= 0 or self.now() >= end:
                return None
            await self.listen(queue, end)

    async def listen(self, queue: str, end: float) -> None:
        """Wait for a line, or for the next instant at which a lease or a delay ends."""
        bell = asyncio.Event()
        bells = self.shelf.bells.setdefault(self.bells(queue), set())
        bells.add(bell)
        ends = [i for e in self.held(queue) for i in (e.due, e.until) if i > self.now()]
        try:
            async with asyncio.timeout(max(0.0, min([end, *ends]) - self.now()) + MARGIN_S):
                await bell.wait()
        except TimeoutError:
            return
        finally:
            bells.discard(bell)

    def valid(self, lease: Lease, call: str) -> Entry:
        queue = self.rules.queue(lease.queue, call)
        self.tidy(queue)
        entry = self.ledger.read().queues.get(queue, {}).get(lease.message.id)
        if entry is None or not self.lent(entry) or entry.token != lease.token:
            raise Conflict(f"ledger: {call} {queue[:40]!a}: the lease has ended")
        return entry

    # Calls

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self.put(self.rules.draft("enqueue", queue, payload, headers))

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        return self.put(self.rules.draft("enqueue_with_priority", queue, payload, headers, rank=priority))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        return self.put(self.rules.draft("enqueue_delayed", queue, payload, headers, delay_s=delay_s))

    async def scheduled_count(self, queue: str) -> int:
        return sum(map(self.waits, self.held(self.rules.queue(queue, "scheduled_count"))))

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.rules.queue(queue, "dequeue")
        return await self.take(queue, self.rules.wait(timeout_s, "dequeue"), lambda entry: self.pop(queue, entry))

    def pop(self, queue: str, entry: Entry) -> QueueMessage:
        self.note(["gone", queue, entry.id])
        return entry.message()

    async def peek(self, queue: str) -> QueueMessage | None:
        self.tidy(self.rules.queue(queue, "peek"))
        entry = self.next(queue)
        return None if entry is None else entry.message()

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.rules.queue(queue, "receive")
        seconds, timeout_s = self.rules.lease(visibility_s, "receive"), self.rules.wait(timeout_s, "receive")
        return await self.take(queue, timeout_s, lambda entry: self.lend(queue, entry, seconds))

    def lend(self, queue: str, entry: Entry, seconds: float) -> Lease:
        token = f"{entry.id}:{self.ledger.read().lines + 1:x}"
        self.note(["lent", queue, entry.id, token, self.instant(seconds)])
        return Lease(queue, entry.message(), entry.attempts, token)

    async def ack(self, lease: Lease) -> None:
        self.note(["gone", lease.queue, self.valid(lease, "ack").id])

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.rules.lease(seconds, "extend")
        self.note(["until", lease.queue, self.valid(lease, "extend").id, self.instant(seconds)])

    async def release(self, lease: Lease) -> None:
        self.note(["back", lease.queue, self.valid(lease, "release").id, self.now()])
        self.tidy(lease.queue)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.note(["policy", *self.rules.policy(queue, target, max_attempts)])
        self.tidy(queue)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.tidy(self.rules.queue(queue, "dead_letters"))
        return [entry.message() for entry in self.dead(queue)]

    async def redrive(self, queue: str) -> int:
        self.tidy(self.rules.queue(queue, "redrive"))
        target, _ = self.ledger.read().policies.get(queue, ("", 0))
        if not target:
            return 0
        lines = [["revived", queue, e.id, target] for e in self.dead(queue) if not self.lent(e) or e.until <= self.now()]
        self.note(*lines)
        return len(lines)


def connector(shelf_type: type[Shelf]) -> Any:
    """Return a ``connect`` that keeps one shelf for a place."""

    @asynccontextmanager
    async def connect(place: prism.Place) -> AsyncIterator[Shelf]:
        shelf = place.shared.setdefault("shelf", None) or shelf_type(place)
        place.shared["shelf"] = shelf
        place.shared["readers"] = place.shared.get("readers", 0) + 1
        try:
            yield shelf
        finally:
            place.shared["readers"] -= 1
            if not place.shared["readers"]:
                shelf.close()

    return connect


async def clean(shelf: Shelf, prefix: str) -> None:
    """Remove what begins with ``prefix``, of former processes too."""
    for path in shelf.folder.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)
    for namespace in [n for n in shelf.ledgers if n.startswith(prefix)]:
        del shelf.ledgers[namespace]
