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

    A driver claims it beside its data model; then this is what the promises mean. Calls are those of the model:

    - A *call in hand* is one that has begun and not ended, be it one that only waits for something to come. Of an iterator each
      step is a call, of a context its entry and its exit; between steps, and while it is entered, nothing is in hand. What was
      entered offers calls too. A call that another one makes, as by the chunks of an upload, may count with it.
    - Before `open` a call is served, or raises `Closed`. `close` and `drain` of what is not open raise nothing. After `close`,
      `open` raises `Closed` as well; after `drain` it makes nothing usable.
    - `close` does not wait for what calls in hand wait for: within bounded time each ends with its answer or with `Closed`,
      `OperationTimeout` or ``CancelledError``, and then its effect is unknown, but whole or absent; a take took nothing. No
      later than the return of `close` they have all ended. What was entered is left: its calls raise `Closed` (iteration ends),
      leaving it raises nothing, and a transaction that was not committed ends with `Closed` and without effect.
    - A drained call that is aborted ends the same way. One that ends by itself, whatever with, counts as completed; one that
      its own caller cancels meanwhile as either. What finishes something begun before (a further step, an exit, ack, nack,
      extend, release, the calls of an open transaction) may go on until `close`, or be refused with `Closed`; a further receive
      is new work. ``timeout_s`` below 0 is 0; NaN and infinities raise ``ValueError`` before any effect. Of several drains at
      once each waits no longer than its own time; what one of them aborts is aborted for all.
    - While the store is away `open` and `close` may raise `BackendUnavailable` or `OperationTimeout`; what was closed so is closed.
      A `close` that is cancelled has happened, or happens at the next one; a `drain` that is cancelled has begun.
    - Nothing that was acknowledged is lost. Other drivers go on, those of the same connection or namespace too.
    - While it serves calls and all is well with its store it says that it is healthy. Closed or drained it does not say so; nor
      does it once it found that its store is away.
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
