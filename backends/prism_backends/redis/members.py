"""A member of a durable subscription: its takes, its signs of life, and what it gives back."""

import asyncio
import itertools
import math
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.pubsub_arguments import check_most, tokens_of
from prism_backends.redis import pubsub_scripts
from prism_backends.redis.client import RedisClient
from prism_backends.redis.envelope import opened
from prism_backends.redis.feed import Feed
from prism_testkit.interfaces.errors import Closed, PrismError
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message

__all__ = ["MEMBER_TIMEOUT_S", "Member"]

MEMBER_TIMEOUT_S = 5.0
"""What a dead member held is somebody else's after this, if somebody receives."""
_ALIVE_US = 4_000_000
"""How long a sign of life holds. Less than the timeout: who waits must notice, too."""
_BEAT_S = 1.0
_LOOK_S = 1.0
"""How long one who waits trusts that it is woken."""
_MOST_BYTES = 4_000_000
"""One receive takes no more after so many: what comes is held in memory."""
_MOST_STEPS = 10_000
"""One take of the server's looks at no more messages, for all that time nobody else is served."""
_LONGEST_S = 1e11
_NANOSECOND_S = 1e-9

Call = Callable[..., Awaitable[Any]]


class Member(Deliveries):
    """One member. A token is ``member.take.number``: a take is one receive, so that all of it can be put back."""

    def __init__(self, client: RedisClient, backend: str, topic: str, call: Call, keys: Sequence[bytes], wake: bytes) -> None:
        """``call(operation, topic, *command)`` runs a command and translates its errors."""
        self._backend, self._topic, self._call = backend, topic, call
        self._keys, self._wake, self._name = keys, wake, secrets.token_hex(8)
        self._bell = Bell()
        self._feed = Feed(client, wake, f"{backend}: subscribe_durable {topic[:40]!a}", self._woken, self._bell.ring)
        self._takes = itertools.count(1)
        self._unknown: list[int] = []
        """Takes whose reply was lost: the next one puts back what they may have taken."""
        self._turn = asyncio.Lock()  # one take at a time, and none behind a leave
        self._beating: asyncio.Task[None] | None = None
        self._left = False

    async def enter(self, start: Literal["new", "earliest"]) -> None:
        """Make the subscription if there is none, and join it."""
        await self._feed.open()
        await self._run("subscribe_durable", pubsub_scripts.JOIN, _ALIVE_US, start)
        self._beating = asyncio.create_task(self._beat())

    async def leave(self) -> None:
        """Give back what is held, each message to its old turn. A repeat does nothing.

        What goes wrong here only costs time: the messages of one that gives no sign of life are given back by the next one.
        """
        if not self._left:
            self._left = True
            self._bell.ring()
            if self._beating is not None:
                self._beating.cancel()
            await asyncio.shield(self._part())

    async def _part(self) -> None:
        async with self._turn:
            with suppress(PrismError):
                await self._run("leave", pubsub_scripts.LEAVE)
        await self._feed.close()

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self._check_left("receive")
        most = check_most(max_messages, self._backend)
        loop = asyncio.get_running_loop()
        until = loop.time() + prism.check_timeout(timeout_s, "receive", self._backend)
        while True:
            heard = self._bell.rings
            found, ahead_s = await self._take(most)
            self._check_left("receive")
            left_s = until - loop.time()
            if found or left_s < _NANOSECOND_S:
                return found
            await self._bell.rest(min(left_s, ahead_s), heard)

    async def ack(self, *deliveries: Delivery) -> None:
        self._check_left("ack")
        mine = self._held(tokens_of(deliveries, "ack", self._backend))
        if mine:
            await self._run("ack", pubsub_scripts.ACK, *mine)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self._check_left("nack")
        delay_s = prism.check_timeout(delay_s, "nack", self._backend)
        mine = self._held(tokens_of(deliveries, "nack", self._backend))
        if mine:
            await self._run("nack", pubsub_scripts.NACK, math.ceil(min(delay_s, _LONGEST_S) * 1e6), *mine)

    def _held(self, tokens: Sequence[str]) -> list[str]:
        """Return number and take for each token of this member; those of others it does not hold."""
        parts = [token.split(".") for token in tokens]
        return [text for part in parts if part[0] == self._name for text in (part[2], part[1])]

    def _check_left(self, operation: str) -> None:
        if self._left:
            raise Closed(f"{self._backend}: {operation} {self._topic[:40]!a}: the subscription was left")

    def _woken(self, channel: bytes, message: bytes) -> None:
        self._bell.ring()

    async def _run(self, operation: str, script: str, *arguments: Any) -> Any:
        return await self._call(
            operation, self._topic, "EVALSHA", script, len(self._keys), *self._keys, self._wake, self._name, *arguments
        )

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            with suppress(PrismError):  # the next one may come through
                await self._run("receive", pubsub_scripts.BEAT, _ALIVE_US)

    async def _take(self, most: int) -> tuple[list[Delivery], float]:
        """Take for good, and tell how long to wait if there was nothing. A cancelled take is undone before anybody misses it."""
        async with self._turn:
            while True:
                self._check_left("receive")
                number = next(self._takes)
                reply = await self._ask(number, most)
                if reply == [b"0"]:  # there was much that must wait; what may come is further on
                    continue
                if reply is not None:
                    break
                # For want of a sign of life what was held is somebody else's now; or there was a `clean`.
                if not await self._run("receive", pubsub_scripts.JOIN, _ALIVE_US, "again"):
                    return [], _LOOK_S
        wait_us, *rest = reply
        ahead_s = min(_LOOK_S, int(wait_us) / 1e6) if int(wait_us) >= 0 else _LOOK_S
        return [self._delivery(number, *rest[at : at + 3]) for at in range(0, len(rest), 3)], ahead_s

    async def _ask(self, number: int, most: int) -> list[Any] | None:
        unknown, bounds = list(self._unknown), (most, _MOST_BYTES, _MOST_STEPS)
        try:
            reply: list[Any] | None
            reply = await self._run("receive", pubsub_scripts.TAKE, _ALIVE_US, number, *bounds, *unknown)
        except PrismError:
            self._unknown.append(number)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._undo(number))
            raise
        if reply is not None:
            del self._unknown[: len(unknown)]
        return reply

    async def _undo(self, number: int) -> None:
        # Whether the take comes before or after this on the server: it is put back, or finds a higher number and takes nothing.
        try:
            await self._run("receive", pubsub_scripts.UNDO, number)
        except PrismError:
            self._unknown.append(number)

    def _delivery(self, take: int, number: int, count: int, envelope: bytes) -> Delivery:
        about, payload = opened(envelope)
        message = Message(str(number), self._topic, payload, about["headers"])
        return Delivery(message, count, f"{self._name}.{take}.{number}")
