"""Two calls of one kind, by one client, at once: each does what it does alone, with its own arguments and its own answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import gauntlet
from prism_testkit.tap import offers

__all__ = ["Kind", "Sides", "each_does_its_own", "each_of"]


class Sides:
    """What a kind of call is given: the driver, and how to make two calls at once, of which one or the other begins first."""

    def __init__(self, case: Case, slot: Any, promise: str, name: str, turned: bool) -> None:
        self.case, self.slot, self.promise, self._name, self._turned = case, slot, promise, name, turned

    async def both(self, one: Awaitable[Any], other: Awaitable[Any]) -> tuple[Any, Any]:
        """Make both calls at once; return their answers."""
        if self._turned:
            second, first = await together(other, one)
        else:
            first, second = await together(one, other)
        return first, second

    def same(self, got: Any, expected: Any, what: str) -> None:
        """Judge what came of it."""
        if got != expected:
            broken(self.promise, f"of two calls at once by one client ({self._name}) {what}", expected=expected, got=got)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call, the interface that it needs, and the promise that breaks if two of them mix."""

    interface: Any
    promise: str
    run: Callable[[Sides], Awaitable[None]]


def each_of(kinds: Mapping[str, Kind]) -> Callable[[Any], Any]:
    """Let a check run for each kind of call, begun in either order."""
    return gauntlet(lambda limits: [{"kind": kind, "turned": turned} for kind in kinds for turned in (False, True)])


async def each_does_its_own(case: Case, kinds: Mapping[str, Kind], kind: str, turned: bool) -> None:
    """Run one kind, if the driver offers it."""
    whole, chosen = await case.whole(), kinds[kind]
    if offers(whole, chosen.interface):
        await chosen.run(Sides(case, whole, chosen.promise, kind, turned))
