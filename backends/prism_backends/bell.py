"""Wait until something can be taken, woken at once by who puts it there: no polling, so virtual time never crawls."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Bell"]

T = TypeVar("T")


class Bell:
    """What waiters wait for and whoever changes something rings. All on one event loop."""

    def __init__(self) -> None:
        # A dict, because it keeps the order: runs are alike, and who came first looks first.
        self._waiters: dict[asyncio.Future[None], None] = {}
        self.rings = 0

    def ring(self) -> None:
        """Let every waiter look again."""
        self.rings += 1
        for waiter in self._waiters:
            _settle(waiter)

    async def first(
        self, take: Callable[[], T | None], timeout_s: float | None, ahead_s: Callable[[], float | None] = lambda: None
    ) -> T | None:
        """Return what ``take`` gives as soon as that is not None; None when ``timeout_s`` have passed (None: it waits on).

        ``take`` is asked first of all, after each `ring`, and whenever the seconds have passed that ``ahead_s`` tells after a
        take of nothing. What it gives is returned before anybody else runs, so a cancelled call has taken nothing.
        """
        if (ready := take()) is not None:
            return ready
        if timeout_s is not None and timeout_s <= 0:
            await asyncio.sleep(0)  # who asks again and again lets others run
            return take()
        try:
            async with asyncio.timeout(timeout_s):
                while (found := take()) is None:
                    await self.rest(ahead_s())
                return found
        except TimeoutError:
            return take()

    async def rest(self, most_s: float | None = None, heard: int | None = None) -> None:
        """Wait for the next `ring`, or until ``most_s`` have passed.

        Whose look takes time gives as ``heard`` the ``rings`` before it, and does not wait if there were more meanwhile.
        """
        if heard is not None and heard != self.rings:
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        alarm = None if most_s is None else loop.call_later(most_s, _settle, waiter)
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            del self._waiters[waiter]
            if alarm is not None:
                alarm.cancel()


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
