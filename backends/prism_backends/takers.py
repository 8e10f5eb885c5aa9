"""Those in this process who take from the queues of one namespace: how they wait, and how they keep out of each other's way."""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import prism_testkit as prism

__all__ = ["Takers"]

T = TypeVar("T")

_ROUNDING_S = 1e-5
"""Who waits does so for this much longer, so that a rounded instant ends no wait early."""
_PAUSE_S = 0.01
_PATIENCE = 0.2
"""What another process does rings no bell here. So a taker also looks by itself: after a fifth of the time it has waited."""


class Takers:
    """Who changes something tells them: `ring` when a message became available, `expect` when one will by itself.

    One ring wakes one taker, first come first served; a taker that leaves with a ring it may not have needed passes it on.
    """

    def __init__(self) -> None:
        self.name = secrets.token_hex(8)
        """By which a process knows what it told others itself."""
        self._waiting: dict[str, list[_Taker]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def of(cls, shared: MutableMapping[str, Any], namespace: str) -> "Takers":
        """Return those of a namespace: one object for all drivers that live at one time in one place and process."""
        every: MutableMapping[str, Takers] = shared.setdefault("queue takers", WeakValueDictionary())
        return every.get(namespace) or every.setdefault(namespace, cls())

    def turn(self, queue: str) -> asyncio.Lock:
        """Return what is held by whoever looks for the first message of ``queue``, until it is sure to keep what it took.

        Without it, somebody could take the second message while a cancelled taker still holds the first and puts it back.
        """
        return self._turns.get(queue) or self._turns.setdefault(queue, asyncio.Lock())

    def ring(self, queue: str) -> None:
        """Let one taker of ``queue`` look again."""
        for taker in self._waiting.get(queue, ()):
            if taker.ring():
                return

    def expect(self, seconds: float) -> None:
        """Let every taker look again in ``seconds``."""
        for takers in self._waiting.values():
            for taker in takers:
                taker.expect(seconds)

    async def first(
        self,
        queue: str,
        attempt: Callable[[], Awaitable[tuple[T | None, float]]],
        timeout_s: float,
        clock: prism.Clock,
        longest_pause_s: float,
    ) -> T | None:
        """Return what ``attempt`` gives as soon as it gives something, None if it never did for ``timeout_s``.

        An attempt also tells the instant by which to try again, infinity if there is none. The last one begins when the time
        is over. Between two there are at most ``longest_pause_s``, for what nobody tells.
        """
        began_s = clock.now_s()
        # Time that is virtual waits for nobody, so there is no other process to look out for.
        longest_s = math.inf if clock.virtual else longest_pause_s
        taker = _Taker()
        self._waiting.setdefault(queue, []).append(taker)
        try:
            while True:
                is_last = clock.now_s() >= began_s + timeout_s
                taker.look()
                found, due_s = await attempt()
                if found is not None or is_last:
                    return found
                now_s = clock.now_s()
                pause_s = min(max(_PAUSE_S, _PATIENCE * (now_s - began_s)), longest_s)
                await taker.rest(min(began_s + timeout_s - now_s, due_s - now_s, pause_s) + _ROUNDING_S)
        except BaseException:
            taker.rung = True  # an attempt that was rung for may have come to nothing
            raise
        finally:
            self._leave(queue, taker)

    def _leave(self, queue: str, taker: "_Taker") -> None:
        self._waiting[queue].remove(taker)
        if not self._waiting[queue]:
            del self._waiting[queue]
        elif taker.rung:
            self.ring(queue)


class _Taker:
    """One that looks, rests, and looks again. It hears what is told between two looks even before it rests."""

    def __init__(self) -> None:
        self.rung = False
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._due = math.inf

    def look(self) -> None:
        self.rung, self._due = False, math.inf

    def ring(self) -> bool:
        """Return whether this woke it: one that is awake already, or left in a loop that is gone, is no help."""
        if self.rung or self._loop is not asyncio.get_running_loop():
            return False
        self.rung = True
        self._wake()
        return True

    def expect(self, seconds: float) -> None:
        if self._loop is asyncio.get_running_loop():
            self._due = min(self._due, self._loop.time() + seconds + _ROUNDING_S)
            self._set_alarm()

    async def rest(self, most_s: float) -> None:
        if self.rung:
            return
        self._rest = self._loop.create_future()
        self._due = min(self._due, self._loop.time() + most_s)
        try:
            self._set_alarm()
            await self._rest
        finally:
            self._rest = None
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    def _set_alarm(self) -> None:
        if self._rest is not None and (self._alarm is None or self._due < self._alarm.when()):
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._loop.call_at(self._due, self._wake)

    def _wake(self) -> None:
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)
