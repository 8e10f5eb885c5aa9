"""What the tap can do to a call. A plan is a small dict, so that it shrinks and travels in a witness."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout

__all__ = ["Address", "Fault", "Faults"]

Address = tuple[int, str, int]
"""(client, operation, ordinal of that operation by that client, from 0)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``before``: the call fails without effect. ``after``: it takes effect, and its acknowledgement is lost."""

    when: Literal["before", "after"]

    def error(self, operation: str) -> BackendUnavailable | OperationTimeout:
        """Return the error that the caller sees."""
        if self.when == "before":
            return BackendUnavailable(f"{operation}: injected error before the effect")
        return OperationTimeout(f"{operation}: injected error after the effect, the acknowledgement is lost")


@dataclass
class Faults:
    """A plan, and which of its faults have fired: one that never did makes a verdict inconclusive."""

    plan: Mapping[Address, Fault]
    fired: set[Address] = field(default_factory=set)
    _seen: Counter[tuple[int, str]] = field(default_factory=Counter)

    def next(self, client: int, operation: str) -> Fault | None:
        """Count one call and return the fault planned for it."""
        address = (client, operation, self._seen[client, operation])
        self._seen[client, operation] += 1
        fault = self.plan.get(address)
        if fault is not None:
            self.fired.add(address)
        return fault

    @property
    def unfired(self) -> set[Address]:
        """The addresses that no call reached."""
        return set(self.plan) - self.fired
