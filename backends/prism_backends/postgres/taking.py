"""Takes of one queue by one process: those that come at once are one statement, and none of them disturbs the order."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from prism_backends.cancellation import begun, ended
from prism_backends.postgres.connections import Row

__all__ = ["Take", "Taking"]

_MOST = 100
"""So many takes are one statement at most: of each, a payload is in memory."""

Take: TypeAlias = Callable[[int], Coroutine[Any, Any, list[Row]]]
"""Takes so many messages, in their order; of none, it returns one row that has no id."""


class Taking:
    """The takes of one kind. One statement at a time, under ``turn``, for all who wait when it begins.

    What it takes is handed out in order, each message to the first who is still there and keeps it. What is left over, because
    somebody was cancelled, are the last ones: they are put back before the next statement begins, so nobody has missed them, or
    was given one before them. Who is cancelled waits for that.
    """

    def __init__(self, turn: asyncio.Lock, take: Take, put_back: Callable[[Row], Coroutine[Any, Any, None]]) -> None:
        self._turn, self._take, self._put_back = turn, take, put_back
        self._waiting: deque[_Caller] = deque()
        self._round: asyncio.Task[None] | None = None

    async def one(self) -> Row | None:
        """Return a message, a row without an id that tells of none, or None if others took the last.

        A cancelled call has taken nothing; if that cannot be brought about, what went wrong is raised in its place.
        """
        mine = _Caller()
        self._waiting.append(mine)
        if self._round is None:
            self._round = begun(self._go_round())
        try:
            row = await mine.given
        except asyncio.CancelledError:
            mine.answer(False)
            if mine.given.done() and not mine.given.cancelled():
                mine.given.exception()  # it was looked at, so nobody complains
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                await ended(mine.over)
                mine.over.result()
            raise
        mine.answer(True)
        return row

    async def _go_round(self) -> None:
        try:
            while self._waiting:
                async with self._turn:
                    await self._serve([self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))])
        finally:
            self._round = None

    async def _serve(self, callers: "list[_Caller]") -> None:
        try:
            rows = await self._take(len(callers))
            messages = deque(row for row in rows if row["its_id"] is not None)
            for caller in callers:
                if messages:
                    if await caller.keeps(messages[0]):
                        messages.popleft()
                else:
                    caller.give(rows[0] if rows[0]["its_id"] is None else None)
            while messages:  # the last first, so that who looks meanwhile from elsewhere finds a beginning
                await self._put_back(messages.pop())
        except Exception as error:
            for caller in callers:
                caller.end(error)
        finally:
            for caller in callers:
                caller.end(None)


class _Caller:
    """One who waits: ``given`` has a row, ``over`` tells that what it did not keep is where it was."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.given: asyncio.Future[Row | None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self._kept: asyncio.Future[bool] = loop.create_future()

    def answer(self, keeps: bool) -> None:
        if not self._kept.done():
            self._kept.set_result(keeps)

    async def keeps(self, row: Row) -> bool:
        """Hand over a row, and return whether it was kept: it is not by one who is cancelled, even at the same moment."""
        self.give(row)
        return await self._kept

    def give(self, row: Row | None) -> None:
        if not self.given.done():
            self.given.set_result(row)

    def end(self, error: Exception | None) -> None:
        """Tell that it is over, and what went wrong, if it is anybody's to know: once."""
        if error is not None and not self.given.done():
            self.given.set_exception(error)
        elif error is not None and not self.over.done() and (self.given.cancelled() or not self._is_kept):
            self.over.set_exception(error)
        if not self.over.done():
            self.over.set_result(None)

    @property
    def _is_kept(self) -> bool:
        return not self._kept.done() or self._kept.result()
