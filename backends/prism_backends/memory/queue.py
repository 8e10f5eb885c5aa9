"""Queues in memory: all five interfaces over one set of messages.

No step of a call waits for anything but for a message, and a message is taken in the step that returns it. So each call is atomic
on one event loop, and a cancelled take has taken nothing.
"""

from collections.abc import Mapping

import prism_testkit as prism
from prism_backends.living import Living
from prism_backends.memory.client import MemoryClient
from prism_backends.memory.messages import Message, Messages
from prism_backends.queue_arguments import check_delay, check_lease_seconds, check_policy, check_priority
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

__all__ = ["MemoryQueue"]

_ME = "memory"
_LONGEST_S = 1e10
_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""


class MemoryQueue(Living, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """A message that comes again, or whose delay ends, has the turn that its enqueue gave it.

    One that dies, or is brought back, goes behind those of its priority, and keeps its priority.
    """

    traits = prism.Traits(lease_fencing="server", delivery_count="exact")

    def __init__(self, client: MemoryClient, namespace: str) -> None:
        self._spaces: dict[str, Messages] = client.model("queue")
        self._clock, self._namespace = client.clock, namespace

    def _messages(self) -> Messages:
        # Looked up each time, for `clean` drops the messages of a namespace while drivers of it may live on.
        messages = self._spaces.get(self._namespace) or self._spaces.setdefault(self._namespace, Messages())
        messages.settle(self._clock.now_s())
        return messages

    def _after(self, seconds: float) -> float:
        return self._clock.now_s() + seconds + _ROUNDING_S

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self._messages().add(queue, *_content("enqueue", queue, payload, headers))

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        content = _content("enqueue_with_priority", queue, payload, headers)
        return self._messages().add(queue, *content, check_priority(priority, _ME))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        content = _content("enqueue_delayed", queue, payload, headers)
        delay_s = check_delay(delay_s, _ME, _LONGEST_S)
        return self._messages().add(queue, *content, until_s=self._after(delay_s) if delay_s else None)

    async def scheduled_count(self, queue: str) -> int:
        prism.check_name(queue, "scheduled_count", _ME)
        return self._messages().delayed(queue)

    async def peek(self, queue: str) -> QueueMessage | None:
        prism.check_name(queue, "peek", _ME)
        found = self._messages().first(queue)
        return None if found is None else found.copy()

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        prism.check_name(queue, "dequeue", _ME)

        def take() -> QueueMessage | None:
            messages = self._messages()
            found = messages.first(queue)
            if found is None:
                return None
            messages.remove(found)
            return found.copy()

        return await self._messages().bell.first(take, prism.check_timeout(timeout_s, "dequeue", _ME), self._ahead_s)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        prism.check_name(queue, "receive", _ME)
        visibility_s = check_lease_seconds(visibility_s, "receive", _ME, _LONGEST_S)

        def take() -> Lease | None:
            messages = self._messages()
            found = messages.first(queue)
            if found is None:
                return None
            token = messages.lease(found, self._after(visibility_s))
            return Lease(queue, found.copy(), found.attempts, token)

        return await self._messages().bell.first(take, prism.check_timeout(timeout_s, "receive", _ME), self._ahead_s)

    def _ahead_s(self) -> float | None:
        due_s = self._messages().due_s()
        return None if due_s is None else due_s - self._clock.now_s()

    async def ack(self, lease: Lease) -> None:
        messages, message = self._held("ack", lease)
        messages.remove(message)

    async def extend(self, lease: Lease, seconds: float) -> None:
        seconds = check_lease_seconds(seconds, "extend", _ME, _LONGEST_S)
        messages, message = self._held("extend", lease)
        messages.prolong(message, self._after(seconds))

    async def release(self, lease: Lease) -> None:
        messages, message = self._held("release", lease)
        messages.fail(message)

    def _held(self, operation: str, lease: Lease) -> tuple[Messages, Message]:
        messages = self._messages()
        message = messages.leased(lease.queue, lease.message.id, lease.token)
        if message is None:
            raise Conflict(f"{_ME}: {operation} {lease.queue[:40]!a}: the lease of message {lease.message.id} has ended")
        return messages, message

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        max_attempts = check_policy(queue, target, max_attempts, _ME)
        messages = self._messages()
        messages.policies[queue] = (target, max_attempts)
        messages.bury(queue)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        prism.check_name(queue, "dead_letters", _ME)
        return [each.copy() for each in self._messages().dead(queue)]

    async def redrive(self, queue: str) -> int:
        prism.check_name(queue, "redrive", _ME)
        messages = self._messages()
        dead = [each for each in messages.dead(queue) if each.token is None]
        for each in dead:
            messages.revive(each)
        return len(dead)


def _content(operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    prism.check_name(queue, operation, _ME)
    return prism.check_payload(payload, operation, _ME, queue), prism.check_headers(headers, operation, _ME)
