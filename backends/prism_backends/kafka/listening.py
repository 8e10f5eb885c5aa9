"""Plain publish and subscribe: all messages of a namespace in one partition, and places in it from which somebody reads on."""

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakValueDictionary

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.kafka.client import EARLIEST, LATEST, Headers, KafkaClient
from prism_backends.kafka.reading import texts_of
from prism_testkit.interfaces.errors import BackendUnavailable, Closed
from prism_testkit.interfaces.pubsub import Message, Subscription

__all__ = ["Line", "Listener"]

_ME = "kafka"
_KEPT = {"retention.ms": str(60 * 60 * 1000), "segment.ms": str(10 * 60 * 1000)}
"""Kafka keeps plain messages for an hour: nobody can ask for what was published before."""
_PAGE_BYTES = 1_000_000
_FIRST_PAUSE_S = 0.002
_LAST_PAUSE_S = 0.05
_PATIENCE_S = 5.0


class Line:
    """The plain messages of a namespace, of all its topics, in one order: the topic is the key of the record."""

    def __init__(self, client: KafkaClient, topic: str) -> None:
        self.client, self.topic = client, topic
        self._is_made = False
        bells: WeakValueDictionary[str, Bell] = client.shared.setdefault("kafka plain", WeakValueDictionary())
        self.bell = bells.get(topic) or bells.setdefault(topic, Bell())

    async def append(self, what: str, topic: bytes, payload: bytes, headers: Headers) -> int:
        """Add a message; return its offset. Where there is no line yet it is made."""
        headers = list(headers)
        loop = asyncio.get_running_loop()
        until = 0.0
        try:
            while True:
                done = await self.client.append(what, self.topic, 0, payload, topic, headers) if self._is_made else None
                if done is not None:
                    return done[0]
                if not until:
                    await self.client.create(what, self.topic, 1, _KEPT)
                    self._is_made, until = True, loop.time() + _PATIENCE_S
                elif loop.time() >= until:
                    raise BackendUnavailable(f"{what}: the topic {self.topic} was made, and is not there")
                else:
                    await asyncio.sleep(_FIRST_PAUSE_S)
        finally:
            self.bell.ring()  # also if it was cancelled, for it may have happened


class Listener(Subscription):
    """One subscription. It holds a page of what it read, so what is not received yet is on the server.

    ``gaps`` counts the connections that were lost, though the messages are there then, and how often what was to be read had been
    let go by Kafka.
    """

    def __init__(self, line: Line, what: str, wants: Callable[[Message], bool]) -> None:
        self._line, self._names, self._wants = line, what[:40], wants
        self._buffer: deque[Message] = deque()
        self._turn = asyncio.Lock()  # one page at a time, or two would be the same
        self._position = 0
        self._is_open = True
        self._gaps = self._lost_before = 0

    async def enter(self) -> None:
        """Take the place from which on everything is received."""
        (self._position,) = (await self._line.client.offsets(self._what("subscribe"), self._line.topic, {0: LATEST})).values()
        self._lost_before = self._line.client.lost

    def leave(self) -> None:
        """Receive nothing more. A repeat does nothing."""
        self._is_open = False
        self._buffer.clear()
        self._line.bell.ring()

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await self._first(prism.check_timeout(timeout_s, "receive", _ME))

    async def __anext__(self) -> Message:
        try:
            message = await self._first(None)
        except Closed:
            raise StopAsyncIteration from None
        assert message is not None, "without a timeout there is a message"
        return message

    @property
    def gaps(self) -> int:
        return self._gaps + self._line.client.lost - self._lost_before

    async def _first(self, timeout_s: float | None) -> Message | None:
        loop = asyncio.get_running_loop()
        until = None if timeout_s is None else loop.time() + timeout_s
        pause_s = 0.0
        while True:
            heard = self._line.bell.rings
            is_last = until is not None and loop.time() >= until
            message = await self._next()
            if message is not None or is_last:
                return message
            pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _LAST_PAUSE_S)
            await self._line.bell.rest(pause_s if until is None else min(max(0.0, until - loop.time()), pause_s), heard)

    async def _next(self) -> Message | None:
        self._check_open()
        if not self._buffer:
            async with self._turn:
                while not self._buffer and self._is_open and await self._read():
                    continue
            self._check_open()
        return self._buffer.popleft() if self._buffer else None

    async def _read(self) -> bool:
        """Read a page, and say whether there may be more. Only a look: the place moves when the page is here."""
        client, what, topic = self._line.client, self._what("receive"), self._line.topic
        page = (await client.fetch(what, topic, [(0, self._position, _PAGE_BYTES)]))[0]
        if page is None:
            self._gaps += self._position > 0  # there was a `clean`
            self._position = 0
            return False
        if page.end < 0:
            self._position = (await client.offsets(what, topic, {0: EARLIEST}))[0]
            self._gaps += 1
            return True
        for stored in page.records:
            self._position = stored.offset + 1
            try:
                name = bytes(stored.key or b"").decode()
                message = Message(f"p{stored.offset}", name, bytes(stored.value), texts_of(stored))
            except UnicodeDecodeError:  # a stranger's, in our topic; it may stand for one of ours
                self._gaps += 1
                continue
            if self._is_open and self._wants(message):
                self._buffer.append(message)
        return bool(page.records) and self._position < page.end

    def _check_open(self) -> None:
        if not self._is_open:
            raise Closed(f"{self._what('receive')}: the subscription was left")

    def _what(self, operation: str) -> str:
        return f"{_ME}: {operation} {self._names!a}"
