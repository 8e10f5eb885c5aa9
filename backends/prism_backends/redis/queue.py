"""`RedisQueue`: all five queue interfaces."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, TypeVar

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.cancellation import begun, ended
from prism_backends.queue_arguments import check_delay, check_lease_seconds, check_policy, check_priority
from prism_backends.redis import messages
from prism_backends.redis.client import TIMEOUT_S, RedisClient, model_prefix, translated
from prism_backends.redis.feed import Feed
from prism_backends.redis.living import LivingRedis
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

__all__ = ["RedisQueue"]

T = TypeVar("T")

_MOST = 2**53
_LONGEST_PAUSE_S = 1.0
"""How long a take that waits trusts the feed."""


class RedisQueue(LivingRedis, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """A message that comes again, or whose delay ends, has the turn that its enqueue gave it.

    One that dies, or is brought back, goes behind those of its priority, and keeps its priority. A take that waits is woken by
    what anybody does, and looks by itself once a second in case it was not told. The takes of one queue by
    one process go to the server one after another. The first take that has to wait opens a connection on which it hears of what
    other processes do; `close` ends it.
    """

    backend_name: ClassVar[str] = "redis"
    traits = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        lease_survives_kill="yes",
        attempts_survive_kill="yes",
        lease_fencing="server",
        delivery_count="exact",
    )

    def __init__(self, client: RedisClient, namespace: str) -> None:
        self.client = client
        self._prefix = model_prefix(namespace, "queue")
        self._takers, self._clock = Takers.of(client.shared, namespace), prism.RealClock()
        self._me = self._prefix + b"process." + self._takers.name.encode()
        self._feed: Feed | None = None
        self._opening = asyncio.Lock()

    async def _end(self) -> None:
        """Stop listening to other processes. A repeat does nothing."""
        feed, self._feed = self._feed, None
        if feed is not None:
            await feed.close()

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._add("enqueue", queue, payload, headers)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        priority = check_priority(priority, self.backend_name)
        return await self._add("enqueue_with_priority", queue, payload, headers, priority=priority)

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        delay_s = check_delay(delay_s, self.backend_name, messages.LONGEST_S)
        return await self._add("enqueue_delayed", queue, payload, headers, delay_s=delay_s)

    async def _add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        name = prism.check_name(queue, operation, self.backend_name)
        data = prism.check_payload(payload, operation, self.backend_name, queue)
        texts = json.dumps(prism.check_headers(headers, operation, self.backend_name))
        added: bytes = await self._run(messages.ADD, operation, queue, name, priority, _microseconds(delay_s), texts, data)
        return added.decode()

    async def scheduled_count(self, queue: str) -> int:
        return int(await self._run_on(messages.SCHEDULED, "scheduled_count", queue))

    async def peek(self, queue: str) -> QueueMessage | None:
        name = prism.check_name(queue, "peek", self.backend_name)

        async def look() -> Any:
            return await self._run(messages.PEEK, "peek", queue, name)

        found = await self._in_turn("peek", queue, look)
        return _message(*found) if found else None

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name = prism.check_name(queue, "dequeue", self.backend_name)

        async def put_back(taken: list[Any]) -> None:
            await self._run(messages.PUT_BACK, "dequeue", queue, taken[0], name, *taken[1])

        taken = await self._take("dequeue", queue, timeout_s, put_back, messages.DEQUEUE, name)
        if taken is None:
            return None
        fields = dict(zip(taken[1][::2], taken[1][1::2], strict=True))
        return _message(taken[0], fields[b"headers"], fields[b"payload"])

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name = prism.check_name(queue, "receive", self.backend_name)
        visibility_s = check_lease_seconds(visibility_s, "receive", self.backend_name, messages.LONGEST_S)

        async def put_back(taken: list[Any]) -> None:
            await self._run(messages.UNLEASE, "receive", queue, name, taken[0][0], taken[2])

        taken = await self._take("receive", queue, timeout_s, put_back, messages.RECEIVE, name, _microseconds(visibility_s))
        return None if taken is None else Lease(queue, _message(*taken[0]), taken[1], taken[2].decode())

    async def _take(
        self,
        operation: str,
        queue: str,
        timeout_s: float,
        put_back: Callable[[list[Any]], Coroutine[Any, Any, None]],
        script: str,
        *arguments: object,
    ) -> list[Any] | None:
        """Return what a script took; it tells the microseconds until the next end of a lease or a delay if it took nothing."""

        async def ask() -> list[Any]:
            asking = begun(self._run(script, operation, queue, *arguments))
            try:
                await asyncio.wait([asking])
            except asyncio.CancelledError:
                await ended(asking)
                if asking.exception() is None and len(asking.result()) > 1:
                    putting = begun(put_back(asking.result()))
                    await ended(putting)
                    putting.result()
                raise
            taken: list[Any] = asking.result()
            return taken

        async def attempt() -> tuple[list[Any] | None, float]:
            taken = await self._in_turn(operation, queue, ask)
            if len(taken) > 1:
                return taken, math.inf
            if timeout_s and await self._listen(operation, queue):
                return None, self._clock.now_s()  # look again, for what happened before it listened
            return None, math.inf if taken[0] < 0 else self._clock.now_s() + taken[0] / 1e6

        timeout_s = prism.check_timeout(timeout_s, operation, self.backend_name)
        return await self._takers.first(queue, attempt, timeout_s, self._clock, _LONGEST_PAUSE_S)

    async def _listen(self, operation: str, queue: str) -> bool:
        """Listen from now on to what other processes do; return whether that is new."""
        async with self._opening:
            if self._feed is not None:
                return False
            feed = Feed(
                self.client, self._prefix + b"changed", self._what(operation, queue), self._hear, lambda: self._takers.expect(0)
            )
            await feed.open()
            self._feed = feed
            return True

    def _hear(self, channel: bytes, told: bytes) -> None:
        process, _, what = told.removeprefix(self._prefix).partition(b":")
        if self._prefix + process == self._me:
            return
        if what.startswith(b"q"):
            self._takers.ring(what[1:].decode())
        else:
            self._takers.expect(int(what[1:]) / 1e6)

    async def ack(self, lease: Lease) -> None:
        await self._held(messages.ACK, "ack", lease)

    async def extend(self, lease: Lease, seconds: float) -> None:
        seconds = check_lease_seconds(seconds, "extend", self.backend_name, messages.LONGEST_S)
        await self._held(messages.EXTEND, "extend", lease, _microseconds(seconds))

    async def release(self, lease: Lease) -> None:
        await self._held(messages.RELEASE, "release", lease)

    async def _held(self, script: str, operation: str, lease: Lease, *arguments: object) -> None:
        """Change what a valid lease holds."""
        identity, token = lease.message.id.encode(errors="replace"), lease.token.encode(errors="replace")
        if not await self._run_on(script, operation, lease.queue, identity, token, *arguments):
            raise errors.Conflict(f"{self._what(operation, lease.queue)}: the lease of message {lease.message.id[:40]!a} has ended")

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        max_attempts = check_policy(queue, target, max_attempts, self.backend_name)
        # A number of attempts that no message reaches is as good as any larger one, which the server could not compare.
        most = min(max_attempts, _MOST)
        await self._run_on(messages.CONFIGURE, "configure_dead_letter", queue, target.encode(), most)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        return [_message(*found) for found in await self._run_on(messages.DEAD, "dead_letters", queue)]

    async def redrive(self, queue: str) -> int:
        return int(await self._run_on(messages.REDRIVE, "redrive", queue))

    async def _in_turn(self, operation: str, queue: str, step: Callable[[], Awaitable[T]]) -> T:
        turn = self._takers.turn(queue)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await turn.acquire()
        except TimeoutError as error:
            raise translated(error, self._what(operation, queue)) from error
        try:
            return await step()
        finally:
            turn.release()

    async def _run_on(self, script: str, operation: str, queue: str, *arguments: object) -> Any:
        name = prism.check_name(queue, operation, self.backend_name)
        return await self._run(script, operation, queue, name, *arguments)

    async def _run(self, script: str, operation: str, queue: str, *arguments: Any) -> Any:
        """Run a script and tell the takers in this process what it changed."""
        try:
            result, woken, expected_us = await self.client.execute_command("EVALSHA", script, 2, self._prefix, self._me, *arguments)
        except (native.RedisError, OSError) as error:
            raise translated(error, self._what(operation, queue)) from error
        except asyncio.CancelledError:
            self._takers.ring(queue)  # for it may have happened
            raise
        for name in woken:
            self._takers.ring(name.decode())
        if expected_us >= 0:
            self._takers.expect(expected_us / 1e6)
        return result

    def _what(self, operation: str, queue: str) -> str:
        return f"{self.backend_name}: {operation} {queue[:40]!a}"


def _microseconds(seconds: float) -> int:
    """Return a duration rounded up, so that nothing ends early."""
    return math.ceil(seconds * 1_000_000)


def _message(identity: bytes, headers: bytes, payload: bytes) -> QueueMessage:
    return QueueMessage(identity.decode(), payload, json.loads(headers))
