"""The calls that a driver has in hand, counted, so that it can be drained and closed.

A task makes one call at a time, so a call is named by its task. Hot: `Calls.made` is on the way of every call there is.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from prism_testkit.interfaces.errors import Closed

__all__ = ["CLOSED", "DRAINING", "OPEN", "PATIENCE_S", "Calls", "Watch"]

OPEN, DRAINING, CLOSED = range(3)
"""What a driver is; a call says up to which of them it is taken."""

PATIENCE_S = 15.0
"""How long a call that was cancelled may go on. What a driver does then ends sooner; what the caller gave it might not."""

_SAID = {DRAINING: "the driver is drained and takes no new work", CLOSED: "the driver is closed"}


class Watch:
    """Waits for some calls to end, and counts how they did."""

    def __init__(self, tasks: "set[asyncio.Task[Any]]") -> None:
        self.left = tasks
        self.completed = self.aborted = 0
        self._over = asyncio.get_running_loop().create_future()

    def count(self, task: "asyncio.Task[Any]", aborted: bool) -> None:
        """One more call has ended."""
        if task in self.left:
            self.left.discard(task)
            self.aborted += aborted
            self.completed += not aborted
            if not self.left and not self._over.done():
                self._over.set_result(None)

    async def over(self, most_s: float) -> None:
        """Wait until all have ended, or ``most_s`` have passed."""
        if self.left:
            await asyncio.wait([self._over], timeout=most_s)


class Calls:
    """Those of one driver. ``state`` is one of `OPEN`, `DRAINING` and `CLOSED`."""

    __slots__ = ("_aborting", "_tasks", "_watches", "name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        """Whose they are, for messages."""
        self.state = OPEN
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._aborting: dict[asyncio.Task[Any] | None, int] = {}
        """What is cancelled from here, with how often it was cancelled by others before."""
        self._watches: list[Watch] = []

    async def made(self, operation: str, taken: int, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Make a call, which is taken up to the state ``taken``. What it calls in its turn is a part of it."""
        task = asyncio.current_task()
        if task in self._tasks:
            return await function(*args, **kwargs)
        if self.state > taken:
            self.refuse(operation)
        self._tasks.add(task)
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            if task in self._aborting:
                self._aborted(task, operation, error)
            raise
        finally:
            self._tasks.discard(task)
            if self._watches:
                self._ended(task)

    def refuse(self, operation: str) -> NoReturn:
        """Raise `Closed`."""
        raise Closed(f"{self.name}: {operation}: {_SAID[self.state]}")

    @property
    def idle(self) -> bool:
        """Nothing is in hand."""
        return not self._tasks

    def watch(self) -> Watch:
        """Return a watch over all calls in hand, but for that of who asks. `unwatch` it."""
        watch = Watch({task for task in self._tasks if task is not None and task is not asyncio.current_task()})
        self._watches.append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Count no longer."""
        self._watches.remove(watch)

    def abort(self, watch: Watch) -> None:
        """Cancel those of its calls that have not ended. A repeat does nothing; it must go on being watched."""
        for task in watch.left:
            if task not in self._aborting:
                self._aborting[task] = task.cancelling()
                task.cancel()

    def _aborted(self, task: "asyncio.Task[Any] | None", operation: str, error: BaseException) -> None:
        """Let a call end by `Closed`, unless its own caller cancelled it too. (As `asyncio.timeout` does with its error.)"""
        assert task is not None
        before = self._aborting.pop(task)
        for watch in self._watches:
            watch.count(task, aborted=True)
        if task.uncancel() <= before and isinstance(error, asyncio.CancelledError):
            raise Closed(f"{self.name}: {operation}: {_SAID[self.state]}; whether it took effect is unknown") from error

    def _ended(self, task: "asyncio.Task[Any] | None") -> None:
        if task is not None:
            if self._aborting.pop(task, None) is not None:  # it came to its end all the same
                task.uncancel()
            for watch in self._watches:
                watch.count(task, aborted=False)
