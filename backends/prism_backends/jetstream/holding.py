"""What a member of a durable consumer holds: how it comes, how long it stays, how it is given back."""

import asyncio
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg

from prism_backends.cancellation import begun, ended, whole
from prism_backends.jetstream.api import ACK_WAIT_S, JetStream, NoResponse
from prism_backends.jetstream.inbox import Inbox
from prism_backends.jetstream.presence import Presence
from prism_backends.nats.client import FAILURES, translated
from prism_testkit.interfaces.errors import BackendUnavailable, Closed, PrismError

__all__ = ["MEMBER_TIMEOUT_S", "Holding", "Taken"]

MEMBER_TIMEOUT_S = 6.0
_BEAT_S = 1.0
_MARGIN_S = 0.5
"""A member trusts a sign of life for less long than the server does, by this."""
_SLICE_S = 0.25
"""The longest a request waits at the server: what comes is known to have come within this, and who is cancelled waits for it."""
_MOST = 1000
_LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class Taken:
    """One delivery. ``token`` names the member and the subject by which the server knows the delivery."""

    token: str
    sequence: int
    count: int
    at_ns: int
    data: bytes


class Holding:
    """One member's share of a durable consumer, from `enter` to `leave`.

    The server does not know who holds what, and takes an acknowledgement from anybody. So the member counts the time: what it
    gave no sign of life for is no longer its own, and it says nothing of that any more.
    """

    def __init__(
        self,
        server: JetStream,
        stream: str,
        consumer: str,
        what: Callable[[str], str],
        missing: Callable[[str], PrismError],
        presence: Presence,
    ) -> None:
        """``what`` tells an operation in words, ``missing`` gives the error for a consumer that is gone."""
        self.is_open = True
        self._server, self._what, self._missing, self._presence = server, what, missing, presence
        self._name = presence.member
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._until: dict[str, float] = {}
        self._revoked: set[str] = set()
        self._idle: list[Inbox] = []
        self._active: dict[asyncio.Task[list[Msg]], Inbox] = {}  # an inbox may be in use again before its task was heard
        self._beating: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Be there, for whoever counts the members."""
        await self._presence.show()
        self._beating = asyncio.create_task(self._beat())

    async def leave(self) -> None:
        """Give back what is held. A repeat does nothing.

        What goes wrong here only costs time: what is given no sign of life for goes to others.
        """
        if self.is_open:
            self.abandon()
            await asyncio.shield(begun(self._part()))

    def abandon(self) -> None:
        """Be as one that died: hold what is held until the server gives it to others."""
        self.is_open = False
        if self._beating is not None:
            self._beating.cancel()
        for inbox in self._active.values():
            inbox.stop()

    async def take(self, most: int, timeout_s: float) -> list[Taken]:
        """Return up to ``most`` deliveries as soon as there is one; none after ``timeout_s``. Cancelled, it has taken nothing."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        wait_s = 0.0
        while True:
            # One that waits asks for one, and for the others when it came: a request cannot say "what there is then".
            found = await self._pull(1 if wait_s else min(most, _MOST), wait_s)
            if found and wait_s and most > 1:
                found += await self._rest(found, most - 1)
            left_s = until - loop.time()
            if found or left_s <= 0:
                return [_taken(self._name, message) for message in found]
            wait_s = max(0.001, min(left_s, _SLICE_S))

    async def ack(self, tokens: Sequence[str]) -> list[str]:
        """Confirm what is held; return what is not."""
        return await self._answer("ack", b"+ACK", tokens)

    async def nack(self, tokens: Sequence[str], delay_s: float) -> list[str]:
        """Give back what is held; return what is not."""
        delay_ns = math.ceil(min(delay_s, _LONGEST_S) * 1e9)
        body = b"-NAK " + json.dumps({"delay": delay_ns}).encode() if delay_ns else b"-NAK"
        return await self._answer("nack", body, tokens)

    async def _answer(self, operation: str, body: bytes, tokens: Sequence[str]) -> list[str]:
        """Tell the server of what is held. To do that again is harmless; what was revoked, or is another's, is returned."""
        now = asyncio.get_running_loop().time()
        self._revoke(now)
        parts = {token: token.partition(" ") for token in tokens}
        held = [reply for _, _, reply in parts.values() if reply in self._until]
        until = {reply: self._until.pop(reply) for reply in held}  # no sign of life comes behind this
        # Whole, also when cancelled: what the server was not told of is still held, and may be told again.
        failures = await whole(self._told(operation, body, until))
        for failure in filter(None, failures):
            raise failure
        return [token for token, (name, _, reply) in parts.items() if name != self._name or reply in self._revoked]

    async def _told(self, operation: str, body: bytes, until: dict[str, float]) -> list[PrismError | None]:
        failures = await self._tell(operation, body, list(until))
        for reply, failure in zip(until, failures, strict=True):
            if failure is not None:
                self._until[reply] = until[reply]
        return failures

    def _revoke(self, now: float) -> None:
        for reply in [reply for reply, until in self._until.items() if until <= now]:
            del self._until[reply]
            self._revoked.add(reply)

    async def _tell(self, operation: str, body: bytes, replies: Sequence[str]) -> list[PrismError | None]:
        async def tell(reply: str) -> PrismError | None:
            try:
                await self._server.request(self._what(operation), reply, body)
            except PrismError as error:
                return error
            except NoResponse:
                return self._missing(operation)
            return None

        if len(replies) == 1:
            return [await tell(replies[0])]
        return await asyncio.gather(*map(tell, replies))

    async def _rest(self, first: list[Msg], most: int) -> list[Msg]:
        try:
            return await self._pull(min(most, _MOST), 0)
        except BaseException:
            await ended(begun(self._give_back(first)))
            raise

    async def _pull(self, most: int, wait_s: float) -> list[Msg]:
        """Pull for good, or have taken nothing."""
        try:
            inbox = await self._inbox()
        except FAILURES as error:
            raise translated(error, self._what("receive")) from error
        pulling = begun(self._pulled(inbox, most, wait_s))
        self._active[pulling] = inbox
        try:
            found = await asyncio.shield(pulling)
        except asyncio.CancelledError:
            inbox.stop()
            await ended(pulling)
            if pulling.exception() is None:
                await ended(begun(self._give_back(pulling.result())))
            raise
        finally:
            del self._active[pulling]
        if not self.is_open:
            raise Closed(f"{self._what('receive')}: it was left")  # and that gave back what was found
        return found

    async def _inbox(self) -> Inbox:
        if not self.is_open:
            raise Closed(f"{self._what('receive')}: it was left")
        connection = await self._server.client.connection()
        self._idle = [inbox for inbox in self._idle if inbox.connection is connection]
        return self._idle.pop() if self._idle else Inbox(connection)

    async def _pulled(self, inbox: Inbox, most: int, wait_s: float) -> list[Msg]:
        """Return what came; from then on it is held, or, if the member was left meanwhile, given back."""
        began = asyncio.get_running_loop().time()
        try:
            found = await inbox.pull(self._next, most, wait_s)
            if not inbox.is_complete:
                found = await inbox.rest()
            if inbox.is_complete:
                self._idle.append(inbox)
        except FAILURES as error:
            raise translated(error, self._what("receive")) from error
        if not found and inbox.status not in ("", "404", "408"):
            raise await self._failed(inbox.status)
        self._until |= dict.fromkeys((message.reply for message in found), began + ACK_WAIT_S - _MARGIN_S)
        if not self.is_open:  # the leaving waits for this
            await self._give_back(found)
        return found

    async def _failed(self, status: str) -> PrismError:
        """Return the error for a request that was refused: the consumer is gone, or the server is not ready."""
        name = self._next.removeprefix("$JS.API.CONSUMER.MSG.NEXT.")
        if await self._server.consumer(self._what("receive"), name) is None:
            return self._missing("receive")
        return BackendUnavailable(f"{self._what('receive')}: JetStream answered {status}")

    async def _give_back(self, messages: Iterable[Msg]) -> None:
        """Give back what is still held: to say so twice would take it from whoever has it by then."""
        held = [message.reply for message in messages if self._until.pop(message.reply, None) is not None]
        await self._tell("receive", b"-NAK", held)

    async def _part(self) -> None:
        if self._active:
            await asyncio.wait(list(self._active))
        self._revoke(asyncio.get_running_loop().time())
        held = list(self._until)
        self._until.clear()
        await self._tell("leave", b"-NAK", held)
        with suppress(PrismError):
            await self._presence.hide()
        while self._idle:
            with suppress(*FAILURES):  # with its connection everything goes
                await self._idle.pop().close()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_BEAT_S)
            began = loop.time()
            self._revoke(began)
            held = list(self._until)
            with suppress(PrismError):  # the next one may come through
                await self._presence.show()
                failures = await self._tell("receive", b"+WPI", held)
                for reply, failure in zip(held, failures, strict=True):
                    if failure is None and reply in self._until:
                        self._until[reply] = began + ACK_WAIT_S - _MARGIN_S


def _taken(name: str, message: Msg) -> Taken:
    """Read what the server puts into the subject of the reply: ADR-15 of NATS, with or without a domain and an account."""
    tokens = message.reply.split(".")
    at = 4 if len(tokens) == 9 else 6
    count, sequence, _, at_ns = (int(token) for token in tokens[at : at + 4])
    return Taken(f"{name} {message.reply}", sequence, count, at_ns, message.data)
