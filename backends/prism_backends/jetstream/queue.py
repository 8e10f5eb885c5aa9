"""`JetStreamQueue`: all five queue interfaces."""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

import prism_testkit as prism
from prism_backends.cancellation import begun
from prism_backends.jetstream.api import JetStream
from prism_backends.jetstream.cells import GONE
from prism_backends.jetstream.living import LivingJetStream
from prism_backends.jetstream.queueentries import Entry
from prism_backends.jetstream.queuelooks import Looks
from prism_backends.jetstream.queuetable import Policy, Table
from prism_backends.jetstream.queuetaking import Taking
from prism_backends.nats.client import NatsClient
from prism_backends.nats.tokens import hashed
from prism_backends.queue_arguments import check_delay, check_lease_seconds, check_policy, check_priority
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.queue import (
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)

__all__ = ["JetStreamQueue"]

_LONGEST_S = 1e9
_REMEMBERED = 10_000
_MOVED_AT_ONCE = 20
"""Messages of up to a megabyte each, all or none."""


class JetStreamQueue(LivingJetStream, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """Not the server's consumers, which keep no order once something comes again, and take an acknowledgement from anybody.

    The last message of a subject is the state of one message of a queue, and whoever changes it names the state he saw, so the
    server lets one of two succeed. A take costs two looks and one change; a receive writes the payload anew. A queue with a
    dead-letter policy is looked through once by every driver. Time is the server's: leases and delays are judged by it.
    """

    backend_name: ClassVar[str] = "jetstream"
    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        lease_survives_kill="yes",
        attempts_survive_kill="yes",
        lease_fencing="server",
        delivery_count="exact",
    )

    def __init__(self, client: NatsClient, namespace: str) -> None:
        self.server = JetStream(client, self.backend_name)
        self._table = Table(self.server, namespace)
        self._looks = Looks(self._table)
        self._taking = Taking(self._table, self._looks, client, namespace)
        self._tidying: set[asyncio.Task[None]] = set()
        self._until_ns: dict[str, int] = {}
        """Of leases received here: when they end by the clock of this process, or later."""

    async def _end(self) -> None:
        """Finish what is under way."""
        if self._tidying:
            await asyncio.wait(self._tidying)

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._add("enqueue", queue, payload, headers)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        priority = check_priority(priority, self.backend_name)
        return await self._add("enqueue_with_priority", queue, payload, headers, priority)

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        delay_s = check_delay(delay_s, self.backend_name, _LONGEST_S)
        return await self._add("enqueue_delayed", queue, payload, headers, delay_s=delay_s)

    async def _add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        name = self._name(operation, queue)
        data = prism.check_payload(payload, operation, self.backend_name, queue)
        entry = Entry(secrets.token_hex(12), data, prism.check_headers(headers, operation, self.backend_name))
        what = self._what(operation, queue)
        if priority:
            await self._table.use_priority(what, name, priority)
        if delay_s:
            await self._table.add_later(what, name, _nanoseconds(delay_s), entry.sealed(), entry.identity)
        else:
            await self._table.put(what, self._table.subject(name, priority, entry.identity), entry.sealed())
        return entry.identity

    async def scheduled_count(self, queue: str) -> int:
        return await self._table.count_later(self._what("scheduled_count", queue), self._name("scheduled_count", queue))

    async def peek(self, queue: str) -> QueueMessage | None:
        name = self._name("peek", queue)
        async with self._taking.turn(name):
            found, _ = await self._looks.first(self._what("peek", queue), name)
        return None if found is None else found.message

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, what = self._name("dequeue", queue), self._what("dequeue", queue)
        timeout_s = prism.check_timeout(timeout_s, "dequeue", self.backend_name)

        async def put_back(taken: Entry, sequence: int) -> None:
            back = replace(taken, order=taken.turn)
            subject = self._table.subject_of_put_back(taken)
            await self._table.put(what, subject, back.sealed())
            if subject != taken.subject:
                await self._table.forget(what, taken.subject, sequence)

        taken = await self._taking.take(what, name, timeout_s, lambda entry: GONE, put_back)
        if taken is None:
            return None
        entry, sequence = taken
        self._tidy(what, entry.subject, sequence)
        return entry.message

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name, what = self._name("receive", queue), self._what("receive", queue)
        visibility_s = check_lease_seconds(visibility_s, "receive", self.backend_name, _LONGEST_S)
        timeout_s = prism.check_timeout(timeout_s, "receive", self.backend_name)
        lease_ns, lease = _nanoseconds(visibility_s), secrets.token_hex(8)
        began_ns = 0

        def leased(entry: Entry) -> bytes:
            nonlocal began_ns
            began_ns = time.monotonic_ns()
            return replace(entry, attempt=entry.attempt + 1, lease=lease, lease_ns=lease_ns).sealed()

        async def put_back(taken: Entry, sequence: int) -> None:
            await self._table.change(what, taken.subject, sequence, replace(taken, attempt=taken.attempt + 1, lease="").sealed())

        taken = await self._taking.take(what, name, timeout_s, leased, put_back)
        if taken is None:
            return None
        entry, sequence = taken
        token = f"{entry.subject} {lease} {sequence}"
        self._remember(token, began_ns + lease_ns)
        return Lease(queue, entry.message, entry.attempt + 1, token)

    async def ack(self, lease: Lease) -> None:
        name, what = self._name("ack", lease.queue), self._what("ack", lease.queue)
        subject, sequence = lease.token.partition(" ")[0], None
        if self._until_ns.pop(lease.token, 0) > time.monotonic_ns() and self._table.is_in(subject, name):
            # Received here, and the lease lasts: if it was not changed since, this is all there is to ask.
            sequence = await self._table.change(what, subject, int(lease.token.rpartition(" ")[2]), GONE)
        if sequence is None:
            subject, sequence = await self._held("ack", lease, lambda entry: GONE)
        self._tidy(what, subject, sequence)

    async def extend(self, lease: Lease, seconds: float) -> None:
        seconds = check_lease_seconds(seconds, "extend", self.backend_name, _LONGEST_S)
        await self._held("extend", lease, lambda entry: replace(entry, lease_ns=_nanoseconds(seconds)).sealed())

    async def release(self, lease: Lease) -> None:
        await self._held("release", lease, lambda entry: replace(entry, lease="", lease_ns=0).sealed())

    async def _held(self, operation: str, lease: Lease, changed: Callable[[Entry], bytes]) -> tuple[str, int]:
        """Change what a valid lease holds; return the subject, and the sequence of the new state."""
        name, what = self._name(operation, lease.queue), self._what(operation, lease.queue)
        subject, held_by, *_ = [*lease.token.split(" "), ""]
        await self._table.read_clock(what)
        while self._table.is_in(subject, name):
            entry = await self._table.last(what, subject)
            if entry is None or entry.lease != held_by or entry.until_ns <= self._table.clock.earliest_ns():
                break
            sequence = await self._table.change(what, subject, entry.sequence, changed(entry))
            if sequence is not None:
                self._looks.forget(name, entry)
                return subject, sequence
        raise errors.Conflict(f"{what}: the lease of message {lease.message.id[:40]!a} has ended")

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        max_attempts = check_policy(queue, target, max_attempts, self.backend_name)
        name = self._name("configure_dead_letter", queue)
        # A number of attempts that no message reaches is as good as any larger one.
        policy = Policy(self._name("configure_dead_letter", target), min(max_attempts, 2**53))
        await self._table.set_policy(self._what("configure_dead_letter", queue), name, policy)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        name = self._name("dead_letters", queue)
        async with self._taking.turn(name):
            _, dead = await self._looks.dead(self._what("dead_letters", queue), name)
        return [entry.message for entry in dead]

    async def redrive(self, queue: str) -> int:
        name, what = self._name("redrive", queue), self._what("redrive", queue)
        async with self._taking.turn(name):
            _, dead = await self._looks.dead(what, name)
            now_ns = self._table.clock.earliest_ns()
            free = [entry for entry in dead if entry.until_ns <= now_ns]
            moved = 0
            for start in range(0, len(free), _MOVED_AT_ONCE):
                moved += await self._bring_back(what, name, free[start : start + _MOVED_AT_ONCE])
        return moved

    async def _bring_back(self, what: str, name: str, dead: list[Entry]) -> int:
        """Move what is still there; return how many."""
        alive = [replace(entry, attempt=0, lease="", lease_ns=0, order=0, origin="") for entry in dead]
        moves = [(entry, self._table.moved_to(name, entry), back.sealed()) for entry, back in zip(dead, alive, strict=True)]
        if await self._table.move(what, moves):
            return len(moves)
        if len(moves) == 1:
            return 0  # somebody took it
        return sum([await self._table.move(what, [move]) for move in moves])

    def _remember(self, token: str, until_ns: int) -> None:
        """Keep until when a lease lasts at least, by the clock of this process."""
        if len(self._until_ns) >= _REMEMBERED:
            now_ns = time.monotonic_ns()
            self._until_ns = {token: until_ns for token, until_ns in self._until_ns.items() if until_ns > now_ns}
        if len(self._until_ns) < _REMEMBERED:
            self._until_ns[token] = until_ns

    def _tidy(self, what: str, subject: str, sequence: int) -> None:
        """Remove what is left of an entry that was taken, while the caller goes on."""

        async def remove() -> None:
            with suppress(errors.PrismError):  # somebody else removes it some time later
                await self._table.forget(what, subject, sequence)

        tidying = begun(remove())
        self._tidying.add(tidying)
        tidying.add_done_callback(self._tidying.discard)

    def _name(self, operation: str, queue: str) -> str:
        return hashed(prism.check_name(queue, operation, self.backend_name))

    def _what(self, operation: str, queue: str) -> str:
        return f"{self.backend_name}: {operation} {queue[:40]!a}"


def _nanoseconds(seconds: float) -> int:
    """Return a duration rounded up, so that nothing ends early."""
    return math.ceil(seconds * 1e9)
