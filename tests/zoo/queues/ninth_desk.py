"""How the queues of the ninth round begin, wait and end: calls in hand are told to go, never cancelled."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import prism_testkit as prism
from prism_testkit.interfaces import Bytes, Drained, Health, Lifecycle
from prism_testkit.interfaces.errors import Closed
from prism_testkit.traits import Limits

if TYPE_CHECKING:
    from prism_testkit.backend import Place

__all__ = ["Bell", "Call", "Desk", "checked", "connector"]

T = TypeVar("T")

NAME = "ninth"


class Bell:
    """Rung whenever something may have become available in one queue."""

    def __init__(self) -> None:
        self.ears: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        ears, self.ears = self.ears, []
        for ear in ears:
            if not ear.done():
                ear.set_result(None)


class Call:
    """A call in hand."""

    def __init__(self) -> None:
        self.told = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        self.aborted = False

    def tell(self) -> None:
        """Tell it to go: it ends with Closed unless it has an answer already."""
        if not self.told.done():
            self.told.set_result(None)


def checked(
    limits: Limits, call: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None
) -> tuple[bytes, dict[str, str]]:
    prism.check_name(queue, call, NAME, limits)
    return prism.check_payload(payload, call, NAME, queue, limits), prism.check_headers(headers, call, NAME)


class Desk(Lifecycle):
    """The life of a driver. Whatever needs no waiting is done without a step of the event loop."""

    limits = Limits()

    def __init__(self) -> None:
        self.hand: set[Call] = set()
        self.shut = False
        self.closed = False

    async def open(self) -> None:
        if self.closed:
            raise Closed(f"{NAME}: open: it is closed")

    async def health(self) -> Health:
        return Health("unhealthy", "closed") if self.shut else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        wait = prism.check_timeout(timeout_s, "drain", NAME)
        self.shut = True
        mine = set(self.hand)
        if mine and wait > 0:
            await asyncio.wait({call.ended for call in mine}, timeout=wait)
        for call in mine:
            call.tell()
        if mine:
            await asyncio.wait({call.ended for call in mine})
        aborted = sum(call.aborted for call in mine)
        return Drained(completed=len(mine) - aborted, aborted=aborted)

    async def close(self) -> None:
        self.shut = self.closed = True
        mine = set(self.hand)
        for call in mine:
            call.tell()
        if mine:
            await asyncio.wait({call.ended for call in mine})

    @contextmanager
    def serving(self, what: str, finishing: bool = False) -> Iterator[Call]:
        if self.closed or (self.shut and not finishing):
            raise Closed(f"{NAME}: {what}: it is closed")
        call = Call()
        self.hand.add(call)
        try:
            yield call
        finally:
            self.hand.discard(call)
            if not call.ended.done():
                call.ended.set_result(None)

    async def listen(self, call: Call, bell: Bell, seconds: float) -> None:
        """Wait until the bell rings, the seconds are over or the call is told to go; then raise Closed."""
        ear = asyncio.get_running_loop().create_future()
        bell.ears.append(ear)
        try:
            await asyncio.wait({ear, call.told}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ear.cancel()
            if ear in bell.ears:
                bell.ears.remove(ear)
        if call.told.done() and not self.rung(ear):
            call.aborted = True
            raise Closed(f"{NAME}: it is closed")

    async def until(
        self,
        call: Call,
        bell: Bell,
        timeout_s: float,
        look: "Callable[[], T | None]",
        nap: "Callable[[], float]",
    ) -> "T | None":
        """Look until there is something; ``nap`` says in how many seconds something may come of time alone."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            found = look()
            left = end - loop.time()
            if found is not None or left <= 0:
                return found
            await self.listen(call, bell, max(0.0, min(left, nap())))

    @staticmethod
    def rung(ear: "asyncio.Future[None]") -> bool:
        return ear.done() and not ear.cancelled()

    @staticmethod
    def visibility(seconds: float, call: str) -> float:
        seconds = prism.check_seconds(seconds, call, NAME)
        if not 0 < seconds < math.inf:
            raise ValueError(f"{NAME}: {call}: {seconds!r} is not above 0")
        return seconds


def connector(kind: type, key: str) -> "Callable[[Place], AbstractAsyncContextManager[Any]]":
    """Return a ``connect`` that gives all clients of a place one ``kind(place)``."""

    @asynccontextmanager
    async def connect(place: "Place") -> AsyncIterator[Any]:
        thing = place.shared.get(key)
        yield place.shared.setdefault(key, kind(place)) if thing is None else thing

    return connect
