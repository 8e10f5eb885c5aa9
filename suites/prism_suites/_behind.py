"""What stands behind a refused call: whichever call comes next, it does what it would have done without."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prism_testkit.case import Case
from prism_testkit.interfaces import PrismError
from prism_testkit.outcomes import law
from prism_testkit.tap import offers

__all__ = ["Behind", "Call", "Refusal", "named", "whatever_comes_next"]


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
    """What may come next is given this: the driver, how to let the call be refused, and what to say if that had an effect."""

    slot: Any
    case: Case
    refuse: Callable[[], Awaitable[None]]
    promise: str
    told: str
    held: Any
    """What the scene holds."""


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

    for following in nexts.values():
        if offers(whole, following.interface):
            with law(refusal.promise):
                await following.run(Call(whole, case, refuse, refusal.promise, f"behind a call that was refused ({name})", held))
