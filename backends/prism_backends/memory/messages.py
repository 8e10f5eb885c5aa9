"""The messages of one namespace, and the rules by which they move; nothing here waits.

A message has one of three states: *ready*, *delayed* until an instant, or *leased* until one. `Messages.settle` brings all queues
to an instant; whoever looks or changes something settles first, so the state is always what the clock says, in the order in which
things fell due, and no timer is needed.
"""

import itertools
from bisect import bisect_left, insort
from dataclasses import dataclass

from prism_backends.bell import Bell
from prism_testkit.interfaces.queue import QueueMessage

__all__ = ["Message", "Messages"]

_Turn = tuple[int, int]


@dataclass(slots=True, eq=False)
class Message:
    """``number`` gives its turn among those of its priority; ``until`` is when a delay or a lease ends, and a tie-break.

    ``token`` names the lease there is. ``failed`` numbers the last delivery that failed, in the order of all that did. ``origin``
    is the queue it died in.
    """

    id: str
    payload: bytes
    headers: dict[str, str]
    queue: str
    priority: int
    number: int
    attempts: int = 0
    until: tuple[float, int] | None = None
    token: str | None = None
    failed: int = 0
    origin: str | None = None

    @property
    def turn(self) -> _Turn:
        return -self.priority, self.number

    def copy(self) -> QueueMessage:
        return QueueMessage(self.id, self.payload, dict(self.headers))


class Messages:
    """All queues of a namespace. The bell is rung when a message becomes ready, or when something falls due earlier than before.

    Sorted lists, because a removal from the middle is as quick as one from either end, and nothing stale is left behind.
    """

    def __init__(self) -> None:
        self.bell = Bell()
        self.policies: dict[str, tuple[str, int]] = {}
        self._all: dict[str, Message] = {}
        self._ready: dict[str, list[tuple[_Turn, str]]] = {}
        self._due: list[tuple[tuple[float, int], str]] = []
        self._counter = itertools.count(1)

    def add(self, queue: str, payload: bytes, headers: dict[str, str], priority: int = 0, until_s: float | None = None) -> str:
        """Put a new message at the tail of its priority, ready or delayed; return its id."""
        number = next(self._counter)
        message = Message(str(number), payload, headers, queue, priority, number)
        self._all[message.id] = message
        if until_s is None:
            self._make_ready(message)
        else:
            self._wait_until(message, until_s)
        return message.id

    def first(self, queue: str) -> Message | None:
        """Return the ready message whose turn it is."""
        ready = self._ready.get(queue)
        return self._all[ready[0][1]] if ready else None

    def lease(self, message: Message, until_s: float) -> str:
        """Deliver a ready message until an instant; return the token of this delivery."""
        self._unready(message)
        message.attempts += 1
        message.token = token = str(next(self._counter))
        self._wait_until(message, until_s)
        return token

    def leased(self, queue: str, identity: str, token: str) -> Message | None:
        """Return the message of a lease that is valid."""
        message = self._all.get(identity)
        return message if message is not None and message.queue == queue and message.token == token else None

    def prolong(self, message: Message, until_s: float) -> None:
        """Move the end of a lease, to later or earlier."""
        self._wait_no_more(message)
        self._wait_until(message, until_s)

    def fail(self, message: Message) -> None:
        """End a lease without ack: the message comes again, or dies."""
        self._wait_no_more(message)
        message.token, message.failed = None, next(self._counter)
        _, most = self.policies.get(message.queue, ("", 0))
        if most and message.attempts >= most:
            self._die(message)
        else:
            self._make_ready(message)

    def remove(self, message: Message) -> None:
        """Forget a message that is ready or leased."""
        if message.until is None:
            self._unready(message)
        else:
            self._wait_no_more(message)
        del self._all[message.id]

    def settle(self, now_s: float) -> None:
        """Let all that fell due by ``now_s`` happen, in its order."""
        while self._due and self._due[0][0][0] <= now_s:
            message = self._all[self._due[0][1]]
            if message.token is None:
                self._wait_no_more(message)
                self._make_ready(message)
            else:
                self.fail(message)

    def due_s(self) -> float | None:
        """Return the instant at which the next thing happens by itself."""
        return self._due[0][0][0] if self._due else None

    def bury(self, queue: str) -> None:
        """Move what failed too often for a policy that is new, in the order in which it last failed."""
        _, most = self.policies[queue]
        waiting = [self._all[identity] for _, identity in self._ready.get(queue, ())]
        for message in sorted((each for each in waiting if each.attempts >= most), key=lambda each: each.failed):
            self._unready(message)
            self._die(message)

    def dead(self, queue: str) -> list[Message]:
        """Return what died in ``queue`` and is in its target, in the order of death."""
        target, _ = self.policies.get(queue, ("", 0))
        found = [each for each in self._all.values() if each.queue == target and each.origin == queue]
        return sorted(found, key=lambda each: each.number)

    def revive(self, message: Message) -> None:
        """Move a dead message that is ready back to where it died."""
        assert message.origin is not None
        self._unready(message)
        self._move(message, message.origin, None)

    def delayed(self, queue: str) -> int:
        """Return how many messages of ``queue`` are delayed."""
        return sum(1 for _, identity in self._due if self._all[identity].queue == queue and self._all[identity].token is None)

    def _die(self, message: Message) -> None:
        self._move(message, self.policies[message.queue][0], message.queue)

    def _move(self, message: Message, queue: str, origin: str | None) -> None:
        message.queue, message.origin = queue, origin
        message.number, message.attempts = next(self._counter), 0
        self._make_ready(message)

    def _make_ready(self, message: Message) -> None:
        insort(self._ready.setdefault(message.queue, []), (message.turn, message.id))
        self.bell.ring()

    def _unready(self, message: Message) -> None:
        ready = self._ready[message.queue]
        del ready[bisect_left(ready, (message.turn, message.id))]
        if not ready:
            del self._ready[message.queue]

    def _wait_until(self, message: Message, until_s: float) -> None:
        message.until = (until_s, next(self._counter))
        insort(self._due, (message.until, message.id))
        if self._due[0][1] == message.id:
            self.bell.ring()

    def _wait_no_more(self, message: Message) -> None:
        assert message.until is not None
        del self._due[bisect_left(self._due, (message.until, message.id))]
        message.until = None
