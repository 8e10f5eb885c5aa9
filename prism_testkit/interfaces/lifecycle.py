"""How a thing that works in the background begins and ends."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Drained", "Health", "Lifecycle"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a thing is. ``detail`` says in words what is wrong with it; empty if healthy."""

    status: Literal["healthy", "degraded", "unhealthy"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the calls that were in hand when `Lifecycle.drain` began."""

    completed: int
    aborted: int


class Lifecycle(Protocol):
    """Begin, be asked how it goes, finish what is in hand, end.

    1. `open` makes it usable; a repeat does nothing. Cancelled or failed, it leaves nothing running and may be called again.
    2. `close` ends every task, connection and lock that it holds; a repeat does nothing. After it every other call but `health`
       and `drain` raises `Closed`.
    3. `drain` takes no new work (`Closed`), waits up to ``timeout_s`` for the calls in hand, and cancels the rest: ``completed``
       and ``aborted`` add up to the calls that were in hand. With nothing in hand both are 0, and a repeat changes nothing.
    4. `health` never raises and never waits for what it reports on.
    """

    @abstractmethod
    async def open(self) -> None:
        """Make it usable."""

    @abstractmethod
    async def health(self) -> Health:
        """Say how it is."""

    @abstractmethod
    async def drain(self, timeout_s: float) -> Drained:
        """Take no new work and finish what is in hand within ``timeout_s``."""

    @abstractmethod
    async def close(self) -> None:
        """End it."""
