"""`PostgresQueue`: all five queue interfaces."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

import prism_testkit as prism
from prism_backends.cancellation import begun, ended
from prism_backends.postgres import queue_sql as sql
from prism_backends.postgres.client import TIMEOUT_S, PostgresClient, Row
from prism_backends.postgres.feed import Channel
from prism_backends.postgres.living import LivingPostgres
from prism_backends.postgres.schema import lock_of
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
_NUMBER = re.compile("[1-9][0-9]{0,17}")


class PostgresQueue(LivingPostgres, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """A row a message. One that comes again, or whose delay ends, has the turn that its enqueue gave it.

    One that dies, or is brought back, goes behind those of its priority, and keeps its priority. Takes of several processes do not
    wait for each other (SKIP LOCKED), those of one process on one queue come one after another. A take that waits is woken by what
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
        self._opening = asyncio.Lock()

    async def _end(self) -> None:
        """Stop listening to other processes."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await self.client.feed.close(channel)
            with suppress(errors.PrismError):  # then others tell somebody who does not listen, which costs little
                await self.client.rows(f"{_ME}: close", sql.UNLISTEN, self.namespace, self._takers.name)

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
        identity = await self._value(operation, queue, sql.ADD, name, lock, priority, delay, texts, data, self._takers.name)
        if delay:
            self._takers.expect(delay_s)
        else:
            self._takers.ring(queue)
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
        async def put_back(taken: Row) -> None:
            rest = [taken[part] for part in ("its_id", "its_headers", "its_payload", "its_attempts")]
            rest += [taken[part] for part in ("its_rank", "its_number", "its_failed", "its_origin")]
            self._wake(await self._value("dequeue", queue, sql.PUT_BACK, queue.encode(), self._takers.name, *rest))

        taken = await self._take("dequeue", queue, timeout_s, None, put_back)
        return None if taken is None else _message(taken[0], taken[1], taken[2])

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        check_lease_seconds(visibility_s, "receive", _ME, _LONGEST_S)

        async def put_back(taken: Row) -> None:
            lease = taken["its_id"], taken["its_token"]
            self._wake(await self._value("receive", queue, sql.UNLEASE, queue.encode(), self._takers.name, *lease))

        taken = await self._take("receive", queue, timeout_s, visibility_s, put_back)
        if taken is None:
            return None
        self._takers.expect(visibility_s)
        return Lease(queue, _message(taken[0], taken[1], taken[2]), taken["its_attempts"] + 1, str(taken["its_token"]))

    async def _take(
        self,
        operation: str,
        queue: str,
        timeout_s: float,
        lease_s: float | None,
        put_back: Callable[[Row], Coroutine[Any, Any, None]],
    ) -> Row | None:
        timeout_s = prism.check_timeout(timeout_s, operation, _ME)
        name = prism.check_name(queue, operation, _ME)
        lease_us = None if lease_s is None else _microseconds(lease_s)

        async def ask() -> Row:
            asking = begun(self._rows(operation, queue, sql.TAKE, name, lease_us, self._takers.name))
            try:
                await asyncio.wait([asking])
            except asyncio.CancelledError:
                await ended(asking)
                if asking.exception() is None and asking.result()[0]["its_id"] is not None:
                    putting = begun(put_back(asking.result()[0]))
                    await ended(putting)
                    putting.result()
                raise
            return asking.result()[0]

        async def attempt() -> tuple[Row | None, float]:
            taken = await self._in_turn(operation, queue, ask)
            self._wake(taken["woken"])
            if taken["its_id"] is not None:
                return taken, math.inf
            now_s = self.client.clock.now_s()
            if timeout_s and await self._listen(operation, queue):
                return None, now_s  # look again, for what happened before it listened
            return None, math.inf if taken["due_s"] is None else now_s + taken["due_s"]

        return await self._takers.first(queue, attempt, timeout_s, self.client.clock, _LONGEST_PAUSE_S)

    async def _listen(self, operation: str, queue: str) -> bool:
        """Listen from now on to what other processes do; return whether that is new."""
        async with self._opening:
            if self._channel is not None:
                return False
            channel = Channel(f"prism.queue.{self.namespace.decode()}", self._hear, lambda: self._takers.expect(0))
            await self.client.feed.open(channel, _what(operation, queue))
            self._channel = channel
            await self._rows(operation, queue, sql.LISTEN, self._takers.name)
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
        check_lease_seconds(seconds, "extend", _ME, _LONGEST_S)
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
        check_policy(queue, target, max_attempts, _ME)
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
