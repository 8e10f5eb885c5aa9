"""`PostgresQueue`: all five queue interfaces."""

import asyncio
import json
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

import prism_testkit as prism
from prism_backends.postgres import queue_sql as sql
from prism_backends.postgres.client import TIMEOUT_S, PostgresClient, Row
from prism_backends.postgres.feed import Channel
from prism_backends.postgres.living import LivingPostgres
from prism_backends.postgres.schema import lock_of
from prism_backends.postgres.taking import Taking
from prism_backends.queue_arguments import check_delay, check_lease_seconds, check_policy, check_priority
from prism_backends.takers import Takers
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

__all__ = ["PostgresQueue"]

T = TypeVar("T")

_ME = "postgres"
_LONGEST_S = 1e10
_MOST = 2**62
_LONGEST_PAUSE_S = 1.0
"""How long a take that waits trusts the feed."""
_ALL_OF_IT = (
    *("its_id", "its_headers", "its_payload", "its_attempts"),
    *("its_rank", "its_number", "its_failed", "its_origin"),
)
_LEASE_OF_IT = ("its_id", "its_token")
_NUMBER = re.compile("[1-9][0-9]{0,17}")


class PostgresQueue(LivingPostgres, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """A row a message. One that comes again, or whose delay ends, has the turn that its enqueue gave it.

    One that dies, or is brought back, goes behind those of its priority, and keeps its priority. Takes of several processes do not
    wait for each other (SKIP LOCKED); those of one process that come at once are one statement. A take that waits is woken by what
    anybody does, and looks by itself once a second in case it was not told: with the first one that has to wait the driver begins
    to hear of what other processes do.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        lease_survives_kill="yes",
        attempts_survive_kill="yes",
        lease_fencing="server",
        delivery_count="exact",
    )

    def __init__(self, client: PostgresClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace.encode()
        self._takers = Takers.of(client.shared, namespace)
        self._channel: Channel | None = None
        self._listener = secrets.token_hex(8)  # not the process, of which another driver may go on when this one is closed
        self._opening = asyncio.Lock()
        self._takings: WeakValueDictionary[tuple[str, int | None], Taking] = WeakValueDictionary()

    async def _end(self) -> None:
        """Stop listening to other processes."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await self.client.feed.close(channel)
            with suppress(errors.PrismError):  # then others tell somebody who does not listen, which costs little
                await self.client.rows(f"{_ME}: close", sql.UNLISTEN, self.namespace, self._takers.name, self._listener)

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._add("enqueue", queue, payload, headers)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        return await self._add("enqueue_with_priority", queue, payload, headers, priority=check_priority(priority, _ME))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        return await self._add("enqueue_delayed", queue, payload, headers, delay_s=check_delay(delay_s, _ME, _LONGEST_S))

    async def _add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        name = prism.check_name(queue, operation, _ME)
        data = prism.check_payload(payload, operation, _ME, queue)
        texts = json.dumps(prism.check_headers(headers, operation, _ME))
        lock = lock_of("queue", self.namespace, name)
        delay = _microseconds(delay_s)
        ((identity, is_heard),) = await self._rows(
            operation, queue, sql.ADD, name, lock, priority, delay, texts, data, self._takers.name
        )
        if delay:
            self._takers.expect(delay_s)
        else:
            self._takers.ring(queue)
        if is_heard:
            with suppress(errors.PrismError):  # the message is there, and who waits looks by itself
                await self._rows(operation, queue, sql.TELL, self._takers.name, [] if delay else [name], delay)
        return str(identity)

    async def scheduled_count(self, queue: str) -> int:
        return int(await self._value("scheduled_count", queue, sql.SCHEDULED, prism.check_name(queue, "scheduled_count", _ME)))

    async def peek(self, queue: str) -> QueueMessage | None:
        name = prism.check_name(queue, "peek", _ME)

        async def look() -> list[Row]:
            return await self._rows("peek", queue, sql.PEEK, name, self._takers.name)

        found = await self._in_turn("peek", queue, look)
        return _message(*found[0]) if found else None

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        taken = await self._take("dequeue", queue, timeout_s, None)
        return None if taken is None else _message(taken[0], taken[1], taken[2])

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        visibility_s = check_lease_seconds(visibility_s, "receive", _ME, _LONGEST_S)
        taken = await self._take("receive", queue, timeout_s, _microseconds(visibility_s))
        if taken is None:
            return None
        self._takers.expect(visibility_s)
        return Lease(queue, _message(taken[0], taken[1], taken[2]), taken["its_attempts"], str(taken["its_token"]))

    async def _take(self, operation: str, queue: str, timeout_s: float, lease_us: int | None) -> Row | None:
        timeout_s = prism.check_timeout(timeout_s, operation, _ME)
        taking = self._taking(operation, queue, lease_us)

        async def attempt() -> tuple[Row | None, float]:
            taken = await taking.one()
            now_s = self.client.clock.now_s()
            if taken is None:
                return None, now_s
            self._wake(taken["woken"])
            if taken["its_id"] is not None:
                return taken, math.inf
            if timeout_s and await self._listen(operation, queue):
                return None, now_s  # look again, for what happened before it listened
            return None, math.inf if taken["due_s"] is None else now_s + taken["due_s"]

        return await self._takers.first(queue, attempt, timeout_s, self.client.clock, _LONGEST_PAUSE_S)

    def _taking(self, operation: str, queue: str, lease_us: int | None) -> Taking:
        """Return the takes of one kind that are under way, or new ones."""
        name, kind = prism.check_name(queue, operation, _ME), (queue, lease_us)
        found = self._takings.get(kind)
        if found is not None:
            return found

        async def take(most: int) -> list[Row]:
            return await self._rows(operation, queue, sql.TAKE, name, lease_us, most, self._takers.name)

        async def put_back(taken: Row) -> None:
            parts = _ALL_OF_IT if lease_us is None else _LEASE_OF_IT
            statement = sql.PUT_BACK if lease_us is None else sql.UNLEASE
            rest = (taken[part] for part in parts)
            self._wake(await self._value(operation, queue, statement, name, self._takers.name, *rest))

        made = Taking(self._takers.turn(queue), take, put_back)
        self._takings[kind] = made
        return made

    async def _listen(self, operation: str, queue: str) -> bool:
        """Listen from now on to what other processes do; return whether that is new."""
        async with self._opening:
            if self._channel is not None:
                return False
            channel = Channel(f"prism.queue.{self.namespace.decode()}", self._hear, lambda: self._takers.expect(0))
            await self.client.feed.open(channel, _what(operation, queue))
            self._channel = channel
            await self._rows(operation, queue, sql.LISTEN, self._takers.name, self._listener)
            return True

    def _hear(self, told: str) -> None:
        process, _, what = told.partition(" ")
        if process == self._takers.name:
            return
        if what.startswith("q"):
            self._takers.ring(bytes.fromhex(what[1:]).decode())
        else:
            self._takers.expect(int(what[1:]) / 1e6)

    def _wake(self, queues: list[bytes]) -> None:
        for name in queues:
            self._takers.ring(name.decode())

    async def ack(self, lease: Lease) -> None:
        await self._held(sql.ACK, "ack", lease)

    async def extend(self, lease: Lease, seconds: float) -> None:
        seconds = check_lease_seconds(seconds, "extend", _ME, _LONGEST_S)
        await self._held(sql.EXTEND, "extend", lease, self._takers.name, _microseconds(seconds))
        self._takers.expect(seconds)

    async def release(self, lease: Lease) -> None:
        woken = await self._held(sql.RELEASE, "release", lease, self._takers.name)
        self._wake([woken])

    async def _held(self, statement: str, operation: str, lease: Lease, *more: Any) -> Any:
        """Change what a valid lease holds, and return what the statement does."""
        name = prism.check_name(lease.queue, operation, _ME)
        numbers = _number(lease.message.id), _number(lease.token)
        changed = await self._value(operation, lease.queue, statement, name, *more[:1], *numbers, *more[1:])
        if not changed:
            raise errors.Conflict(f"{_what(operation, lease.queue)}: the lease of message {lease.message.id[:40]!a} has ended")
        return changed

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        max_attempts = check_policy(queue, target, max_attempts, _ME)
        # A number of attempts that no row reaches is as good as any larger one, which a column could not hold.
        most = min(max_attempts, _MOST)
        arguments = queue.encode(), self._takers.name, target.encode(), most
        self._wake(await self._value("configure_dead_letter", queue, sql.CONFIGURE, *arguments))

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        name = prism.check_name(queue, "dead_letters", _ME)
        return [_message(*found) for found in await self._rows("dead_letters", queue, sql.DEAD, name, self._takers.name)]

    async def redrive(self, queue: str) -> int:
        name = prism.check_name(queue, "redrive", _ME)
        moved = int(await self._value("redrive", queue, sql.REDRIVE, name, self._takers.name))
        for _ in range(moved):
            self._takers.ring(queue)
        return moved

    async def _in_turn(self, operation: str, queue: str, step: Callable[[], Awaitable[T]]) -> T:
        turn = self._takers.turn(queue)
        if turn.locked():
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await turn.acquire()
            except TimeoutError as error:
                raise errors.OperationTimeout(f"{_what(operation, queue)}: other takes of this queue took too long") from error
        else:
            await turn.acquire()
        try:
            return await step()
        finally:
            turn.release()

    async def _value(self, operation: str, queue: str, statement: str, *arguments: Any) -> Any:
        rows = await self._rows(operation, queue, statement, *arguments)
        return rows[0][0] if rows else None

    async def _rows(self, operation: str, queue: str, statement: str, *arguments: Any) -> list[Row]:
        try:
            return await self.client.rows(_what(operation, queue), statement, self.namespace, *arguments)
        except asyncio.CancelledError:
            self._takers.ring(queue)  # for it may have happened
            raise


def _what(operation: str, queue: str) -> str:
    return f"{_ME}: {operation} {queue[:40]!a}"


def _microseconds(seconds: float) -> int:
    """Return a duration rounded up, so that nothing ends early."""
    return math.ceil(seconds * 1_000_000)


def _number(text: str) -> int:
    """Return the number that an id or a token is; 0, which is none, for what no queue of this backend ever gave."""
    return int(text) if _NUMBER.fullmatch(text) else 0


def _message(identity: int, headers: str, payload: bytes) -> QueueMessage:
    return QueueMessage(str(identity), payload, json.loads(headers))
