"""The queue driver: a row a message, and one transaction a step of it."""

import asyncio
import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import prism_testkit as prism
from prism_backends.queue_arguments import check_delay, check_lease_seconds, check_policy, check_priority
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.living import LivingSqlite
from prism_backends.sqlite.messages import Messages, Row
from prism_backends.takers import Takers
from prism_testkit.interfaces.errors import Conflict
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

__all__ = ["SqliteQueue"]

T = TypeVar("T")
Step = Callable[[Messages], T]
Undo = Callable[[Messages, T], None]

_ME = "sqlite"
_LONGEST_S = 1e10
_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""
_LONGEST_PAUSE_S = 0.1
_NUMBER = re.compile("[1-9][0-9]{0,17}")


class SqliteQueue(LivingSqlite, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """A message that comes again, or whose delay ends, has the turn that its enqueue gave it.

    One that dies, or is brought back, goes behind those of its priority, and keeps its priority. A take that waits is woken by
    what this process does, and looks by itself, at least ten times a second, for what others do.
    """

    traits = prism.Traits(
        durability="process",
        sharing="processes",
        ack_survives_kill="yes",
        lease_survives_kill="yes",
        attempts_survive_kill="yes",
        lease_fencing="server",
        delivery_count="exact",
    )

    def __init__(self, client: SqliteClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace.encode()
        self._takers = Takers.of(client.shared, namespace)

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

        def step(messages: Messages) -> int:
            until_s = messages.now_s + delay_s + _ROUNDING_S if delay_s else None
            return messages.add(name, texts, data, priority, until_s)

        return str(await self._change(operation, queue, step))

    async def scheduled_count(self, queue: str) -> int:
        name = prism.check_name(queue, "scheduled_count", _ME)

        def look(connection: sqlite3.Connection, now_s: float) -> int:
            return Messages(connection, self._namespace, now_s).delayed(name)

        return await self._client.read(_what("scheduled_count", queue), look)

    async def peek(self, queue: str) -> QueueMessage | None:
        name = prism.check_name(queue, "peek", _ME)
        async with self._takers.turn(queue):
            found = await self._look("peek", queue, lambda messages: messages.first(name))
        return None if found is None else _message(found)

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name = prism.check_name(queue, "dequeue", _ME)

        def take(messages: Messages) -> Row | None:
            found = messages.first(name)
            if found is not None:
                messages.remove(found.id)
            return found

        def put_back(messages: Messages, taken: Row) -> None:
            messages.restore(taken)
            messages.bury(name)

        row = await self._take("dequeue", queue, take, put_back, timeout_s)
        return None if row is None else _message(row)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name = prism.check_name(queue, "receive", _ME)
        visibility_s = check_lease_seconds(visibility_s, "receive", _ME, _LONGEST_S)

        def take(messages: Messages) -> Lease | None:
            found = messages.first(name)
            if found is None:
                return None
            token = messages.lease(found.id, messages.now_s + visibility_s + _ROUNDING_S)
            return Lease(queue, _message(found), found.attempts + 1, str(token))

        def put_back(messages: Messages, taken: Lease) -> None:
            messages.unlease(name, int(taken.message.id), int(taken.token))
            messages.bury(name)

        return await self._take("receive", queue, take, put_back, timeout_s)

    async def _take(self, operation: str, queue: str, take: Step[T | None], put_back: Undo[T], timeout_s: float) -> T | None:
        timeout_s = prism.check_timeout(timeout_s, operation, _ME)
        name, what = queue.encode(), _what(operation, queue)
        looks_first = False

        def work(messages: Messages) -> tuple[T | None, float]:
            found = take(messages)
            return found, math.inf if found is not None else messages.due_s()

        def undo(done: tuple[tuple[T | None, float], Messages]) -> Callable[[sqlite3.Connection, float], None]:
            taken = done[0][0]
            return lambda connection, now_s: (
                None if taken is None else put_back(Messages(connection, self._namespace, now_s), taken)
            )

        async def attempt() -> tuple[T | None, float]:
            nonlocal looks_first
            async with self._takers.turn(queue):
                if looks_first:
                    is_ready, due_s = await self._look(
                        operation, queue, lambda messages: (messages.is_ready(name), messages.due_s())
                    )
                    if not is_ready:
                        return None, due_s
                looks_first = True
                try:
                    outcome, messages = await self._client.take(what, partial(self._settled, work), undo)
                except asyncio.CancelledError:
                    self._takers.ring(queue)
                    raise
            self._tell(messages)
            return outcome

        return await self._takers.first(queue, attempt, timeout_s, self._client.clock, _LONGEST_PAUSE_S)

    async def ack(self, lease: Lease) -> None:
        await self._held("ack", lease, lambda messages, name, identity, token: messages.remove(identity))

    async def extend(self, lease: Lease, seconds: float) -> None:
        seconds = check_lease_seconds(seconds, "extend", _ME, _LONGEST_S)
        await self._held(
            "extend",
            lease,
            lambda messages, name, identity, token: messages.prolong(identity, messages.now_s + seconds + _ROUNDING_S),
        )

    async def release(self, lease: Lease) -> None:
        await self._held("release", lease, Messages.release)

    async def _held(self, operation: str, lease: Lease, change: Callable[[Messages, bytes, int, int], None]) -> None:
        """Change what a valid lease holds."""
        name, identity, token = prism.check_name(lease.queue, operation, _ME), _number(lease.message.id), _number(lease.token)

        def step(messages: Messages) -> bool:
            is_valid = messages.is_leased(name, identity, token)
            if is_valid:
                change(messages, name, identity, token)
            return is_valid

        if not await self._change(operation, lease.queue, step):
            raise Conflict(f"{_ME}: {_what(operation, lease.queue)}: the lease of message {lease.message.id[:40]!a} has ended")

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        max_attempts = check_policy(queue, target, max_attempts, _ME)
        name, to = queue.encode(), target.encode()
        # A number of attempts that no row reaches is as good as any larger one, which a column could not hold.
        most = min(max_attempts, 2**62)
        await self._change("configure_dead_letter", queue, lambda messages: messages.set_policy(name, to, most))

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        name = prism.check_name(queue, "dead_letters", _ME)
        return [_message(row) for row in await self._look("dead_letters", queue, lambda messages: messages.dead(name))]

    async def redrive(self, queue: str) -> int:
        name = prism.check_name(queue, "redrive", _ME)
        return await self._change("redrive", queue, lambda messages: messages.revive(name))

    async def _look(self, operation: str, queue: str, look: Step[T]) -> T:
        """Look at the queues as they are now; write only if something fell due."""

        def work(connection: sqlite3.Connection, now_s: float) -> list[T]:
            messages = Messages(connection, self._namespace, now_s)
            return [look(messages)] if messages.is_settled() else []

        for seen in await self._client.read(_what(operation, queue), work):
            return seen
        return await self._change(operation, queue, look)

    async def _change(self, operation: str, queue: str, step: Step[T]) -> T:
        try:
            result, messages = await self._client.write(_what(operation, queue), partial(self._settled, step))
        except asyncio.CancelledError:
            self._takers.ring(queue)  # for it may have happened
            raise
        self._tell(messages)
        return result

    def _settled(self, step: Step[T], connection: sqlite3.Connection, now_s: float) -> tuple[T, Messages]:
        messages = Messages(connection, self._namespace, now_s)
        messages.settle()
        return step(messages), messages

    def _tell(self, messages: Messages) -> None:
        for name in messages.woken:
            self._takers.ring(name.decode())
        if messages.expected_s < math.inf:
            self._takers.expect(messages.expected_s - self._client.clock.now_s())


def _message(row: Row) -> QueueMessage:
    return QueueMessage(str(row.id), row.payload, json.loads(row.headers))


def _number(text: str) -> int:
    """Return the number that an id or a token is; 0, which is none, for what no queue of this backend ever gave."""
    return int(text) if _NUMBER.fullmatch(text) else 0


def _what(operation: str, queue: str) -> str:
    return f"{operation} {queue[:40]!a}"
