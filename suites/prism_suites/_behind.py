"""What stands behind a call that was refused, or cancelled: whichever comes next, it does what it would have done without."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prism_suites._queue_cancelling import cancelled
from prism_testkit.case import Case
from prism_testkit.interfaces import PrismError
from prism_testkit.outcomes import law
from prism_testkit.tap import offers

__all__ = [
    "Behind",
    "Call",
    "Interruption",
    "Refusal",
    "comes_to_nothing",
    "named",
    "pointed",
    "whatever_comes_behind",
    "whatever_comes_next",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is refused, the interface that it needs, and the promise that breaks if it has an effect."""

    interface: Any
    promise: str
    call: Callable[[Any, Any], Awaitable[Any]]
    """(driver, what the scene holds)."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What may come next, where an interface is offered: it sets its scene, lets the call be refused, goes on, and judges."""

    interface: Any
    run: Callable[["Call"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """What may come next is given this: the driver, how to let the call be refused, or cancelled, and what to say of an effect."""

    slot: Any
    case: Case
    refuse: Callable[[], Awaitable[None]]
    promise: str
    told: str
    held: Any
    """What the scene holds."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """A call that is cancelled, where an interface is offered; ``prepare`` gives what it is of, anew each time."""

    interface: Any
    promise: str
    call: Callable[[Any, Any], Awaitable[Any]]
    """(driver, what was prepared)."""
    prepare: Callable[[Any, Any], Awaitable[Any]] | None = None
    """(driver, what the scene holds)."""


def pointed(interruptions: Mapping[str, Interruption]) -> Callable[[Any], list[dict[str, Any]]]:
    """Return the cases of a gauntlet: each call cancelled at each of some points."""
    return lambda limits: [{"cancelled": name, "point": point} for name in interruptions for point in _POINTS]


_POINTS = (1, 2, 3, 6)
_SERVER_POINTS = (2, 6)
"""Where calls go over a wire, neighbouring points are one."""


async def whatever_comes_behind(
    case: Case, whole: Any, held: Any, interruption: Interruption, name: str, point: int, nexts: Mapping[str, Behind]
) -> None:
    """Cancel the call anew before each of what may come next, after so many turns of the loop."""
    if not offers(whole, interruption.interface) or (case.server and point not in _SERVER_POINTS):
        return

    async def interrupt() -> None:
        with contextlib.suppress(PrismError):
            of = held if interruption.prepare is None else await interruption.prepare(whole, held)
            await cancelled(interruption.call(whole, of), point)

    told = f"behind a call that was cancelled ({name}, after {point} turn{'s'[: point > 1]} of the loop)"
    await _each(case, whole, held, interrupt, interruption.promise, told, nexts)


async def _each(
    case: Case,
    whole: Any,
    held: Any,
    before: Callable[[], Awaitable[None]],
    promise: str,
    told: str,
    nexts: Mapping[str, Behind],
) -> None:
    for following in nexts.values():
        if offers(whole, following.interface):
            with law(promise):
                await following.run(Call(whole, case, before, promise, told, held))


def named(refusals: Mapping[str, Refusal]) -> Callable[[Any], list[dict[str, Any]]]:
    """Return the cases of a gauntlet: one for each refusal."""
    return lambda limits: [{"refused": name} for name in refusals]


async def whatever_comes_next(case: Case, whole: Any, held: Any, refusal: Refusal, name: str, nexts: Mapping[str, Behind]) -> None:
    """Make the refused call anew before each of what may come next, whatever it raises of what the contract knows."""
    if not offers(whole, refusal.interface):
        return

    async def refuse() -> None:
        with contextlib.suppress(PrismError, ValueError, TypeError):
            await refusal.call(whole, held)

    await _each(case, whole, held, refuse, refusal.promise, f"behind a call that came to nothing ({name})", nexts)


async def comes_to_nothing(slot: Any, held: Any, refusal: Refusal) -> bool:
    """Make a refused call three times; False if the driver does not offer it."""
    if not offers(slot, refusal.interface):
        return False
    for _ in range(3):
        with contextlib.suppress(PrismError, ValueError, TypeError):
            await refusal.call(slot, held)
    return True
