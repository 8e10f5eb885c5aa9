"""One connection to the server, from its beginning until it is lost. A lost one is never mended: there is a new one."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from nats import errors as native
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NativeSubscription

from prism_backends.cancellation import begun, ended

__all__ = ["TIMEOUT_S", "Connection", "Lost", "Subscription"]

TIMEOUT_S = 10.0
"""How long one call may take, connecting included, before it raises `OperationTimeout`."""
_PING_S = 5
_CLOSE_S = 5.0
_PINGS = 2
"""A connection whose other end does not answer so many pings, one every `_PING_S`, is lost."""


class Lost(Exception):
    """The connection was lost before the answer came."""


class _Raw(Client):
    """nats-py's client, which tells when it closes.

    Its own callbacks come last, and not at all if a write fails while it closes; so the beginning of the closing is heard here.
    """

    def __init__(self, closing: Callable[[], None]) -> None:
        super().__init__()
        self._closing = closing

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        self._closing()
        try:
            if self._flush_queue is not None:  # or it never began to connect
                await super()._close(status, do_cbs)
        finally:
            # It stops at the first write that fails, and a repeat does nothing.
            for subscription in self._subs.values():
                subscription._stop_processing()
            self._subs.clear()
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]


class Connection:
    """Requests over one inbox, and subscriptions.

    Not nats-py's ``request`` and ``flush``: both go through ``asyncio.wait_for``, which before Python 3.12 can swallow a
    cancellation; and the PING of a flush overtakes what was published just before it. Nor its reconnecting, which sends again
    what was pending, long after the caller was told that it failed.
    """

    def __init__(self) -> None:
        self._raw = _Raw(self._lose)
        self._inbox = ""
        self._tokens = itertools.count()
        self._expected: dict[str, Callable[[Msg | None], None]] = {}
        self._lost = asyncio.Event()

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    @property
    def greeting(self) -> dict[str, Any]:
        """What the server told of itself: ``version``, ``jetstream``, ``max_payload`` and more."""
        return dict(self._raw._server_info)

    async def lost(self) -> None:
        """Return when the connection is lost, or was closed."""
        await self._lost.wait()

    async def open(self, url: str) -> None:
        """Connect, or raise a native error and leave nothing behind; cancelled, it leaves nothing behind either.

        In a task of its own, for nats-py connects through ``asyncio.wait_for``.
        """
        opening = begun(self._open(url))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.cancel()
            await ended(opening)
            if not opening.cancelled():
                opening.exception()
            await self.close()
            raise

    async def _open(self, url: str) -> None:
        try:
            await self._raw.connect(
                url.split(","),
                error_cb=_ignore,  # what it reports is noticed where it matters
                allow_reconnect=False,
                # A server that refuses is given up after the second attempt, which comes at once; 0 would be for ever.
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=int(TIMEOUT_S),
                ping_interval=_PING_S,
                max_outstanding_pings=_PINGS,
                # No buffer for what is sent while there is no connection; no forced flush, which swallows a cancellation.
                pending_size=0,
                skip_subject_validation=True,  # all subjects are ours
            )
            self._inbox = self._raw.new_inbox()
            await self.subscribe(f"{self._inbox}.*", self._answered)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End it. A repeat does nothing."""
        with suppress(native.Error, OSError):
            async with asyncio.timeout(_CLOSE_S):  # one that does not read what is left to be sent
                await self._raw.close()
        self._lose()

    def new_inbox(self) -> str:
        """Return a subject that nobody else uses."""
        return self._raw.new_inbox()

    @contextmanager
    def watching(self, lose: Callable[[], None]) -> Iterator[None]:
        """Call ``lose`` if the connection is lost within the block."""
        token = self._expect(lambda message: lose())
        try:
            yield
        finally:
            del self._expected[token]

    async def subscribe(self, subject: str, heard: Callable[[Msg], None]) -> "Subscription":
        """Hand each message of ``subject`` to ``heard``, which must not raise. Cancelled, it leaves nothing behind."""

        async def hear(message: Msg) -> None:
            heard(message)

        self._check()
        # nats-py starts a task of the subscription before it waits for its command to be taken, and does not end it then.
        making = begun(self._raw.subscribe(subject, cb=hear, pending_msgs_limit=0, pending_bytes_limit=0))
        try:
            return Subscription(await asyncio.shield(making))
        except asyncio.CancelledError:
            await ended(making)
            if not making.cancelled() and making.exception() is None:
                await ended(begun(Subscription(making.result()).end()))
            raise

    async def sync(self) -> None:
        """Return when the server did what was sent before, and everything that it sent before was heard."""
        self._check()
        pong = asyncio.get_running_loop().create_future()
        token = self._expect(partial(_settle, pong))
        try:
            # The server answers a connection in the order of what it does.
            await self._raw.publish(f"{self._inbox}.{token}")
            await pong
        finally:
            del self._expected[token]

    async def send(self, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None, reply: str = "") -> None:
        """Publish without an answer."""
        self._check()
        await self._raw.publish(subject, payload, reply=reply, headers=headers)

    async def request(self, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None) -> Msg:
        """Publish, and return the first answer; `Lost` if the connection was lost before."""
        self._check()
        answer = asyncio.get_running_loop().create_future()
        token = self._expect(partial(_settle, answer))
        try:
            await self._raw.publish(subject, payload, reply=f"{self._inbox}.{token}", headers=headers)
            return await answer  # type: ignore[no-any-return]
        finally:
            del self._expected[token]

    async def collect(self, subject: str, payload: bytes, is_last: Callable[[Msg], bool]) -> list[Msg]:
        """Publish, and return all answers up to the one that ``is_last``."""
        self._check()
        answers: list[Msg] = []
        ended = asyncio.get_running_loop().create_future()

        def answered(message: Msg | None) -> None:
            if message is not None:
                answers.append(message)
            if message is None or is_last(message):
                _settle(ended, message)

        token = self._expect(answered)
        try:
            await self._raw.publish(subject, payload, reply=f"{self._inbox}.{token}")
            await ended
            return answers
        finally:
            del self._expected[token]

    def _expect(self, answered: Callable[[Msg | None], None]) -> str:
        token = str(next(self._tokens))
        self._expected[token] = answered
        return token

    def _answered(self, message: Msg) -> None:
        answered = self._expected.get(message.subject.rpartition(".")[2])
        if answered is not None:
            answered(message)

    def _lose(self) -> None:
        self._lost.set()
        for answered in list(self._expected.values()):
            answered(None)

    def _check(self) -> None:
        if self.is_lost:
            raise Lost("the connection was lost")


class Subscription:
    """What hears the messages of one subject, until it is ended."""

    def __init__(self, subscription: NativeSubscription) -> None:
        self._native = subscription

    async def end(self) -> None:
        """Hear no more. A repeat does nothing."""
        with suppress(native.Error):
            await self._native.unsubscribe()

    async def drain(self) -> None:
        """Ask for no more, and return when everything was heard that the server had sent until then."""
        with suppress(native.Error):
            await self._native.drain()  # type: ignore[no-untyped-call]


def _settle(future: "asyncio.Future[Msg]", message: Msg | None) -> None:
    if future.done():
        return
    if message is None:
        future.set_exception(Lost("the connection was lost before the answer came"))
    else:
        future.set_result(message)


async def _ignore(error: Exception) -> None:
    pass
