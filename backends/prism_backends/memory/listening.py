"""Plain subscriptions in memory: a buffer each, in which every publish puts the message if it is wanted."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.pubsub import Message, Subscription

__all__ = ["Audience", "Listener", "copy_of"]

_ME = "memory"


@dataclass(slots=True)
class Audience:
    """All who listen in one namespace: those of one topic by its name, those of a pattern under None."""

    listeners: dict[str | None, list["Listener"]] = field(default_factory=dict)

    def of(self, topic: str) -> Iterator["Listener"]:
        yield from self.listeners.get(topic, ())
        yield from self.listeners.get(None, ())


class Listener(Subscription):
    """One plain subscription, to a topic or, with None, to whatever ``wants`` accepts."""

    def __init__(self, audience: Audience, topic: str | None, what: str, wants: Callable[[Message], bool]) -> None:
        self._listeners, self._topic, self._what, self._wants = audience.listeners, topic, what, wants
        self._buffer: deque[Message] = deque()
        self._bell = Bell()
        self._left = False
        self._listeners.setdefault(topic, []).append(self)

    def put(self, message: Message) -> None:
        if self._wants(message):
            self._buffer.append(message)
            self._bell.ring()

    def leave(self) -> None:
        if self._left:
            return
        self._left = True
        self._buffer.clear()
        others = self._listeners[self._topic]
        others.remove(self)
        if not others:
            del self._listeners[self._topic]
        self._bell.ring()

    def _take(self) -> Message | None:
        if self._left:
            raise Closed(f"{_ME}: receive {self._what[:40]!a}: the subscription was left")
        return copy_of(self._buffer.popleft()) if self._buffer else None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await self._bell.first(self._take, prism.check_timeout(timeout_s, "receive", _ME))

    async def __anext__(self) -> Message:
        try:
            message = await self._bell.first(self._take, None)
        except Closed:
            raise StopAsyncIteration from None
        assert message is not None, "without a timeout there is a message"
        return message

    @property
    def gaps(self) -> int:
        return 0


def copy_of(message: Message) -> Message:
    """Return a message with headers of its own, which its receiver may change."""
    return replace(message, headers=dict(message.headers))
